package pubsubqueue

import (
	"cmp"
	"context"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"golang.org/x/sync/errgroup"

	"gamefill/internal/queue"
)

// How often an idle handler asks for a message: at once after work, then ever less often.
const (
	minPoll = 5 * time.Millisecond
	maxPoll = 250 * time.Millisecond
)

// firstExtension is when a hold is first put off. It is well below the shortest ack deadline, 10 s, and above most
// handlers' time, so short work costs no extra call.
const firstExtension = 3 * time.Second

// poll receives with one loop a handler, each of which asks for one message when it is free.
func (q *Queue) poll(ctx context.Context, maxOutstanding int, handle func(context.Context, queue.Delivery)) error {
	group, ctx := errgroup.WithContext(ctx)
	for range maxOutstanding {
		group.Go(func() error { return q.pollLoop(ctx, handle) })
	}
	return group.Wait()
}

func (q *Queue) pollLoop(ctx context.Context, handle func(context.Context, queue.Delivery)) error {
	work := context.WithoutCancel(ctx)
	pause := minPoll
	for ctx.Err() == nil {
		// The call is not cancelled: the server may have given out a message already, and nobody would have it.
		received, err := q.pull(work, q.o.Subscription, 1, 0)
		switch {
		case err != nil && lasting(err):
			return err
		case err != nil:
			pause = maxPoll
		case len(received) > 0:
			q.handlePulled(ctx, received[0], handle)
			pause = minPoll
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(2*pause, maxPoll)
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// handlePulled runs the handler for one pulled message, or gives it back when ctx has ended meanwhile.
func (q *Queue) handlePulled(ctx context.Context, r *pubsubpb.ReceivedMessage,
	handle func(context.Context, queue.Delivery)) {
	d := &delivery{
		q: q, hold: &pulled{q, q.o.Subscription, []string{r.GetAckId()}},
		id: r.GetMessage().GetMessageId(), count: int(r.GetDeliveryAttempt()), message: decode(r.GetMessage()),
	}
	work := context.WithoutCancel(ctx)
	if ctx.Err() != nil {
		_ = d.Nack(work, 0) // else it comes again when its hold ends
		return
	}
	stop := q.keep(func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !d.done {
			d.hold.(*pulled).extend(work)
		}
		return !d.done
	})
	defer stop()
	d.run(work, handle)
}

func decode(m *pubsubpb.PubsubMessage) queue.Message {
	return queue.Message{Body: m.GetData(), Attributes: m.GetAttributes()}
}

// keep calls extend, several times within an extension, until it returns false, until MaxExtension has passed, or until
// stop; stop waits for a call that is being made.
func (q *Queue) keep(extend func() bool) (stop func()) {
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		end := time.Now().Add(q.o.MaxExtension)
		timer := time.NewTimer(firstExtension)
		defer timer.Stop()
		for {
			select {
			case <-stopping:
				return
			case <-timer.C:
			}
			if time.Now().After(end) || !extend() {
				return
			}
			timer.Reset(q.o.Extension / 3) // so two may fail
		}
	}()
	return func() { close(stopping); <-stopped }
}

// pull asks a subscription for up to limit messages. wait is how long the service may wait for the first one; 0 asks it
// to answer at once.
func (q *Queue) pull(ctx context.Context, id string, limit int,
	wait time.Duration) ([]*pubsubpb.ReceivedMessage, error) {
	bounded, cancel := context.WithTimeout(ctx, cmp.Or(wait, callTimeout))
	defer cancel()
	request := &pubsubpb.PullRequest{Subscription: q.subscriptionName(id), MaxMessages: int32(limit)}
	//lint:ignore SA1019 without it a pull that is cut short may lose a message for a while
	request.ReturnImmediately = wait == 0
	response, err := q.client.SubscriptionAdminClient.Pull(bounded, request)
	if err != nil && wait > 0 && bounded.Err() != nil && ctx.Err() == nil {
		return nil, nil // nothing came
	}
	if err != nil {
		return nil, err
	}
	return response.GetReceivedMessages(), nil
}

// pulled is a hold of messages from unary pulls.
type pulled struct {
	q            *Queue
	subscription string
	ackIDs       []string
}

func (p *pulled) ack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := p.q.client.SubscriptionAdminClient.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{
		Subscription: p.q.subscriptionName(p.subscription), AckIds: p.ackIDs})
	if err != nil {
		return p.q.classify(ctx, err, subscription(p.subscription))
	}
	return nil
}

func (p *pulled) nack(ctx context.Context) error { return p.deadline(ctx, 0) }

// extend puts the end of the hold off. A failure has no other consequence than the next try.
func (p *pulled) extend(ctx context.Context) { _ = p.deadline(ctx, p.q.o.Extension) }

// deadline sets how long from now the hold ends; 0 gives the messages back.
func (p *pulled) deadline(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := p.q.client.SubscriptionAdminClient.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{
		Subscription: p.q.subscriptionName(p.subscription), AckIds: p.ackIDs, AckDeadlineSeconds: int32(d / time.Second)})
	if err != nil {
		return p.q.classify(ctx, err, subscription(p.subscription))
	}
	return nil
}
