// Package queue is the port to the message queue: one message says "this game date of this run is to be rebuilt".
//
// Delivery is at least once and in no order; a message may come twice, late, or after the ledger has moved on. The
// ledger decides what a delivery means; the queue only carries it. [Envelope] is the wire form.
package queue

import (
	"context"
	"time"
)

// Message is what is published: a body and attributes (UTF-8 texts).
type Message struct {
	Body       []byte
	Attributes map[string]string
}

// Delivery is one receipt of a message. Exactly one of Ack, Nack and DeadLetter ends it; the first call decides, later
// calls change nothing and return nil. While it is not ended the queue keeps it from other receivers, renewing its hold
// as long as the handler runs.
type Delivery interface {
	Message() Message
	// ID is the queue's name for the message; a redelivery has the same.
	ID() string
	// DeliveryCount is how often the queue has delivered this message, this time included; 0 when the queue does not
	// know. It is no attempt number: attempts are counted by the ledger.
	DeliveryCount() int
	// Ack ends the message for good. After a lost ack the message comes again.
	Ack(ctx context.Context) error
	// Nack gives the message back; the queue delivers it again, not before delay where it honours delays (best effort).
	Nack(ctx context.Context, delay time.Duration) error
	// DeadLetter publishes dl to the dead-letter topic and acks the delivery. After a failure in between both may
	// exist: the dead letter is published at least once.
	DeadLetter(ctx context.Context, dl Message) error
}

// DeadLetter is one message read from the dead-letter topic.
type DeadLetter struct {
	ID          string // unique per dead-letter message; a redelivery has the same
	Message     Message
	PublishedAt time.Time // UTC
}

// Queue carries messages. All methods are safe for concurrent use.
type Queue interface {
	// Publish sends every message and reports one result a message, in order: nil means the queue has it durably.
	// It blocks until every result is known. A cancelled ctx publishes nothing more; the rest gets ctx's error.
	Publish(ctx context.Context, messages []Message) []error

	// Receive calls handle for each delivery, at most maxOutstanding at once, until ctx is done, then waits for
	// running handlers and returns nil. It never holds a message that it has not handed to handle. A handler that
	// returns without ending its delivery leaves it to be delivered again. Handlers get a context that is not
	// cancelled by ctx: stopping the receiver does not stop the work. An error means that receiving cannot go on.
	Receive(ctx context.Context, maxOutstanding int, handle func(context.Context, Delivery)) error

	// PublishDeadLetter sends one dead letter without a delivery in hand (a redelivery found it unrecorded).
	PublishDeadLetter(ctx context.Context, dl Message) error

	// FoldDeadLetters hands every dead letter waiting to fn and removes each for which fn returned nil; it returns how
	// many were removed when none is left, or the first error of fn or of the queue. A crash between fn and the removal
	// hands the letter out again, so fn must be idempotent by ID. Two folders at once may both see a letter.
	FoldDeadLetters(ctx context.Context, fn func(context.Context, DeadLetter) error) (int, error)

	// Backlog is how many messages wait, in flight ones included; ok is false where the queue cannot tell.
	Backlog(ctx context.Context) (n int, ok bool, err error)
}
