package pubsubqueue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"gamefill/internal/failure"
	"gamefill/internal/queue"
)

// Receive implements [queue.Queue]. It retries what may pass; a missing subscription or right ends it.
func (q *Queue) Receive(ctx context.Context, maxOutstanding int, handle func(context.Context, queue.Delivery)) error {
	if maxOutstanding < 1 {
		return failure.MarkPermanent(fmt.Errorf("receive: at most %d messages at once: want at least 1", maxOutstanding),
			"bad_setting")
	}
	if ctx.Err() != nil {
		return nil
	}
	receive := q.stream
	if q.o.UnaryPull {
		receive = q.poll
	}
	if err := receive(ctx, maxOutstanding, handle); err != nil {
		return fmt.Errorf("receive: %w", q.classify(ctx, err, subscription(q.o.Subscription)))
	}
	return nil
}

// stream receives through the client library, which keeps the holds of running handlers.
func (q *Queue) stream(ctx context.Context, maxOutstanding int, handle func(context.Context, queue.Delivery)) error {
	// One subscriber a call: the library allows one Receive each. Bytes are not limited, messages are small.
	s := q.client.Subscriber(q.subscriptionName(q.o.Subscription))
	s.ReceiveSettings = pubsub.ReceiveSettings{
		MaxOutstandingMessages: maxOutstanding, MaxOutstandingBytes: -1, NumGoroutines: 1,
		MaxExtension: q.o.MaxExtension, MaxDurationPerAckExtension: q.o.Extension,
	}
	work := context.WithoutCancel(ctx) // the library cancels its own context for handlers as soon as it is stopped
	var handlers gate
	done := make(chan error, 1)
	go func() {
		done <- s.Receive(ctx, func(_ context.Context, m *pubsub.Message) {
			if ctx.Err() != nil || !handlers.enter() {
				m.Nack()
				return
			}
			defer handlers.leave()
			d := &delivery{q: q, hold: streamed{m}, id: m.ID, message: queue.Message{Body: m.Data, Attributes: m.Attributes}}
			if m.DeliveryAttempt != nil {
				d.count = *m.DeliveryAttempt
			}
			d.run(work, handle)
		})
	}()
	select {
	case err := <-done: // it has waited for the handlers
		return err
	case <-ctx.Done():
	}
	handlers.closeAndWait()
	timer := time.NewTimer(q.o.ShutdownTimeout)
	defer timer.Stop()
	select {
	case <-done: // an error of a receiver that is told to stop changes nothing
	case <-timer.C: // Close ends it
	}
	return nil
}

// streamed is a hold of the client library, which sends acks and nacks in batches on its own.
type streamed struct{ m *pubsub.Message }

func (s streamed) ack(context.Context) error  { s.m.Ack(); return nil }
func (s streamed) nack(context.Context) error { s.m.Nack(); return nil }

// gate counts handlers and lets no more in once it is closed. The zero gate is open.
type gate struct {
	mu     sync.Mutex // guards closed, and inside from growing after it
	closed bool
	inside sync.WaitGroup
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside.Add(1)
	return true
}

func (g *gate) leave() { g.inside.Done() }

func (g *gate) closeAndWait() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}
