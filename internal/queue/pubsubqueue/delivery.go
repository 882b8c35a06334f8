package pubsubqueue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gamefill/internal/queue"
)

// hold is the way to end one receipt of a message.
type hold interface {
	ack(ctx context.Context) error
	nack(ctx context.Context) error
}

// delivery implements [queue.Delivery]. A call that returns an error has ended nothing; another may follow.
type delivery struct {
	q       *Queue
	hold    hold
	id      string
	count   int
	message queue.Message

	mu   sync.Mutex // guards done; held during the call that ends the delivery, so that no extension follows it
	done bool
}

// Message implements [queue.Delivery].
func (d *delivery) Message() queue.Message { return d.message }

// ID implements [queue.Delivery]; it is the service's message id.
func (d *delivery) ID() string { return d.id }

// DeliveryCount implements [queue.Delivery]. The service counts where the subscription has a dead-letter policy, and
// only about right.
func (d *delivery) DeliveryCount() int { return d.count }

// Ack implements [queue.Delivery]. On a stream the ack is sent in the background; a lost one shows as a redelivery.
func (d *delivery) Ack(ctx context.Context) error {
	if err := d.end(ctx, d.hold.ack); err != nil {
		return fmt.Errorf("ack message %s: %w", d.id, err)
	}
	return nil
}

// Nack implements [queue.Delivery]. The delay is the subscription's to choose: its retry policy.
func (d *delivery) Nack(ctx context.Context, _ time.Duration) error {
	if err := d.end(ctx, d.hold.nack); err != nil {
		return fmt.Errorf("nack message %s: %w", d.id, err)
	}
	return nil
}

// DeadLetter implements [queue.Delivery]: the message is acked when the service has the letter. If the ack fails, a
// second call publishes the letter again.
func (d *delivery) DeadLetter(ctx context.Context, dl queue.Message) error {
	err := d.end(ctx, func(ctx context.Context) error {
		if err := d.q.PublishDeadLetter(ctx, dl); err != nil {
			return err
		}
		return d.hold.ack(ctx)
	})
	if err != nil {
		return fmt.Errorf("dead-letter message %s: %w", d.id, err)
	}
	return nil
}

// end makes the call that ends the delivery, unless one has.
func (d *delivery) end(ctx context.Context, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		return nil
	}
	if err := call(ctx); err != nil {
		return err
	}
	d.done = true
	return nil
}

// run hands the delivery to the handler and gives back what it leaves. If that fails, the message comes again when its
// hold ends.
func (d *delivery) run(ctx context.Context, handle func(context.Context, queue.Delivery)) {
	handle(ctx, d)
	_ = d.Nack(ctx, 0) // nothing, if the handler has ended it
}
