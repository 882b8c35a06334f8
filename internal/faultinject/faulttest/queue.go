// Package faulttest makes ports misbehave, for tests: [Queue] and [Warehouse] take a port and return the same port with
// faults. Each fault is one that the real thing can show and the engine must survive.
//
// Counts are kept by call, under a lock, so a test with one worker is repeatable. No binary links this package.
package faulttest

import (
	"context"
	"sync"
	"time"

	"gamefill/internal/queue"
)

// QueueFaults says how a queue misbehaves. The zero QueueFaults does not.
type QueueFaults struct {
	// DuplicateEvery hands every n-th delivery to two handlers, 1 to all: at once if two handlers are allowed, else one
	// after the other. The copy has the same ID; its Ack and Nack do nothing, its DeadLetter publishes.
	DuplicateEvery int
	// LoseAckEvery loses every n-th ack, 1 all of them: it reports success, and the message comes again.
	LoseAckEvery int
	// FailPublish maps messages, counted from 1 over all calls of Publish, to the error that they get instead of being
	// published.
	FailPublish map[int]error
	// SilentReceives is how many receivers, from the first on, get nothing until they are closed, as a broken stream does.
	SilentReceives int
	// FailDeadLetter does the same for dead letters, those of deliveries included.
	FailDeadLetter map[int]error
}

// Queue returns q with faults.
func Queue(q queue.Queue, f QueueFaults) queue.Queue { return &faultyQueue{Queue: q, faults: f} }

type faultyQueue struct {
	queue.Queue
	faults                                       QueueFaults
	receives, deliveries, acks, publishes, dying counter
}

// counter counts calls.
type counter struct {
	mu sync.Mutex // guards n
	n  int
}

func (c *counter) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

// hits reports whether this call is one of every n-th; never when n is 0.
func (c *counter) hits(n int) bool { return n > 0 && c.next()%n == 0 }

func (q *faultyQueue) Publish(ctx context.Context, messages []queue.Message) []error {
	errs := make([]error, len(messages))
	var good []queue.Message
	var places []int
	for i, m := range messages {
		if err := q.faults.FailPublish[q.publishes.next()]; err != nil {
			errs[i] = err
			continue
		}
		good, places = append(good, m), append(places, i)
	}
	for i, err := range q.Queue.Publish(ctx, good) {
		errs[places[i]] = err
	}
	return errs
}

func (q *faultyQueue) PublishDeadLetter(ctx context.Context, dl queue.Message) error {
	if err := q.faults.FailDeadLetter[q.dying.next()]; err != nil {
		return err
	}
	return q.Queue.PublishDeadLetter(ctx, dl)
}

func (q *faultyQueue) Receive(ctx context.Context, maxOutstanding int,
	handle func(context.Context, queue.Delivery)) error {
	if q.receives.next() <= q.faults.SilentReceives {
		<-ctx.Done()
		return nil
	}
	together := q.faults.DuplicateEvery > 0 && maxOutstanding > 1
	if together {
		maxOutstanding /= 2 // each delivery may need two handlers
	}
	return q.Queue.Receive(ctx, maxOutstanding, func(ctx context.Context, d queue.Delivery) {
		original := &faultyDelivery{d, q}
		if !q.deliveries.hits(q.faults.DuplicateEvery) {
			handle(ctx, original)
			return
		}
		second := &duplicate{d, q}
		if !together {
			handle(ctx, original)
			handle(ctx, second)
			return
		}
		var both sync.WaitGroup
		both.Go(func() { handle(ctx, second) })
		handle(ctx, original)
		both.Wait()
	})
}

// faultyDelivery may lose its ack, or fail to publish its dead letter.
type faultyDelivery struct {
	queue.Delivery
	q *faultyQueue
}

func (d *faultyDelivery) Ack(ctx context.Context) error {
	if d.q.acks.hits(d.q.faults.LoseAckEvery) {
		return nil
	}
	return d.Delivery.Ack(ctx)
}

func (d *faultyDelivery) DeadLetter(ctx context.Context, dl queue.Message) error {
	if err := d.q.faults.FailDeadLetter[d.q.dying.next()]; err != nil {
		return err
	}
	return d.Delivery.DeadLetter(ctx, dl)
}

// duplicate is a second receipt of a message, which cannot end the first.
type duplicate struct {
	queue.Delivery
	q *faultyQueue
}

func (d *duplicate) Ack(context.Context) error { return nil }

func (d *duplicate) Nack(context.Context, time.Duration) error { return nil }

func (d *duplicate) DeadLetter(ctx context.Context, dl queue.Message) error {
	return d.q.PublishDeadLetter(ctx, dl)
}
