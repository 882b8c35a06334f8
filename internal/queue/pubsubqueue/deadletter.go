package pubsubqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"gamefill/internal/queue"
)

// foldChunk is how many dead letters are pulled, and then removed, at once.
const foldChunk = 100

// foldWait is how long the service may look for dead letters before there are none. It looks in several places, so an
// answer at once would often be empty too early.
const foldWait = 3 * time.Second

// FoldDeadLetters implements [queue.Queue]. It ends at the first pull that finds nothing: letters held by another
// folder are left to it. What fn refused is given back at once.
func (q *Queue) FoldDeadLetters(ctx context.Context, fn func(context.Context, queue.DeadLetter) error) (int, error) {
	if err := q.o.Reach.Check(ctx); err != nil {
		return 0, fmt.Errorf("fold dead letters: %w", err)
	}
	removed := 0
	for {
		letters, err := q.pullLetters(ctx)
		if err == nil && len(letters) == 0 {
			return removed, nil
		}
		if err == nil {
			var n int
			n, err = q.foldLetters(ctx, letters, fn)
			removed += n
		}
		if err != nil {
			return removed, fmt.Errorf("fold dead letters: %w", err)
		}
	}
}

func (q *Queue) pullLetters(ctx context.Context) ([]*pubsubpb.ReceivedMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	wait := foldWait
	if q.o.UnaryPull { // servers that know at once what they have
		wait = 0
	}
	letters, err := q.pull(ctx, q.o.DeadLetterSubscription, foldChunk, wait)
	if err != nil {
		return nil, q.classify(ctx, err, subscription(q.o.DeadLetterSubscription))
	}
	return letters, nil
}

// foldLetters hands letters to fn, acks those taken and gives the others back; it returns how many it acked.
func (q *Queue) foldLetters(ctx context.Context, letters []*pubsubpb.ReceivedMessage,
	fn func(context.Context, queue.DeadLetter) error) (int, error) {
	var ids []string
	for _, l := range letters {
		ids = append(ids, l.GetAckId())
	}
	// What fn has taken is removed even when ctx ended meanwhile; otherwise it would only be handed out again.
	work := context.WithoutCancel(ctx)
	all := &pulled{q, q.o.DeadLetterSubscription, ids}
	stop := q.keep(func() bool { all.extend(work); return true })
	taken := 0
	var err error
	for _, l := range letters {
		if err = ctx.Err(); err == nil {
			err = fn(ctx, queue.DeadLetter{
				ID: l.GetMessage().GetMessageId(), Message: decode(l.GetMessage()),
				PublishedAt: l.GetMessage().GetPublishTime().AsTime(),
			})
		}
		if err != nil {
			break
		}
		taken++
	}
	stop()
	if taken < len(ids) {
		// If that fails, they come again when their hold ends.
		_ = (&pulled{q, q.o.DeadLetterSubscription, ids[taken:]}).nack(work)
	}
	if taken == 0 {
		return 0, err
	}
	if ackErr := (&pulled{q, q.o.DeadLetterSubscription, ids[:taken]}).ack(work); ackErr != nil {
		return 0, errors.Join(err, ackErr)
	}
	return taken, err
}
