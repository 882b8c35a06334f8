package sqlitequeue

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/queue"
	"gamefill/internal/sqlitefile"
)

// Receive implements [queue.Queue]. It takes as many messages as handlers are free, in one transaction. A handler that
// returns without ending its delivery gives the message back at once. An error other than a busy file ends it.
func (q *Queue) Receive(ctx context.Context, maxOutstanding int, handle func(context.Context, queue.Delivery)) error {
	if maxOutstanding < 1 {
		return failure.MarkPermanent(fmt.Errorf("receive: at most %d messages at once: want at least 1", maxOutstanding),
			"bad_setting")
	}
	r := &receiver{
		q: q, handle: handle, limit: maxOutstanding,
		freed: make(chan struct{}, 1), held: map[*delivery]bool{},
	}
	work, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer stopKeeping()
	var keeper sync.WaitGroup
	keeper.Go(func() { r.keep(work) })
	err := r.dispatch(ctx)
	r.handlers.Wait()
	stopKeeping()
	keeper.Wait()
	return err
}

// receiver is the state of one call of Receive.
type receiver struct {
	q        *Queue
	handle   func(context.Context, queue.Delivery)
	limit    int
	running  atomic.Int64
	freed    chan struct{} // holds one element when a handler has returned since the dispatcher looked
	handlers sync.WaitGroup

	mu   sync.Mutex // guards held
	held map[*delivery]bool
}

// dispatch hands out messages until ctx is done.
func (r *receiver) dispatch(ctx context.Context) error {
	poll := r.q.o.MinPoll
	for ctx.Err() == nil {
		if r.free() == 0 {
			select {
			case <-r.freed:
			case <-ctx.Done():
			}
			continue
		}
		changed := r.q.changed.wait() // before looking, so that no change is missed
		next, err := r.q.nextDue(ctx)
		if err == nil && next <= 0 {
			var taken []*delivery
			taken, err = r.q.take(ctx, r.free, r.forget)
			if len(taken) > 0 {
				r.start(ctx, taken)
				poll = r.q.o.MinPoll
				continue
			}
			next = poll // another receiver was faster
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, sqlitefile.ErrBusy):
			next = r.q.o.MaxPoll
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		}
		timer := time.NewTimer(min(next, poll))
		select {
		case <-changed:
			poll = r.q.o.MinPoll
		case <-timer.C:
			poll = min(max(2*poll, time.Millisecond), r.q.o.MaxPoll)
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// free is how many more handlers may run. Only the dispatcher makes it less.
func (r *receiver) free() int { return r.limit - int(r.running.Load()) }

// never is how long it takes until a message is due when there is none.
const never = time.Duration(1<<63 - 1)

// nextDue returns how long it takes until a message is due; nothing or less when one is. It only reads.
func (q *Queue) nextDue(ctx context.Context) (time.Duration, error) {
	var at sql.NullInt64
	err := q.file.Read(ctx, func(tx *sqlitefile.Tx) error {
		return tx.QueryRow(`SELECT min(visible_at) FROM queue_message WHERE topic = ?`, q.o.Topic).Scan(&at)
	})
	if err != nil || !at.Valid {
		return never, err
	}
	wait := at.Int64 - q.now()
	if wait > int64(never/time.Microsecond) {
		return never, nil
	}
	return time.Duration(wait) * time.Microsecond, nil
}

const takeDue = `UPDATE queue_message SET visible_at = ?, holder = ?, deliveries = deliveries + 1
WHERE seq IN (SELECT seq FROM queue_message WHERE topic = ? AND visible_at <= ? ORDER BY visible_at, seq LIMIT ?)
RETURNING seq, id, deliveries, body, attributes`

// take makes up to limit() due messages deliveries of the caller's, all under one new holder token. limit is asked when
// the transaction has begun: handlers that return while it waits for the writer are then free too, so takes stay few.
func (q *Queue) take(ctx context.Context, limit func() int, ended func(*delivery)) ([]*delivery, error) {
	var taken []*delivery
	holder := rand.Text()
	err := q.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		taken = nil
		now := q.now()
		args := []any{now + q.o.Hold.Microseconds(), holder, q.o.Topic, now, limit()}
		return tx.Scan(takeDue, args, func(values []driver.Value) error {
			m, err := decode(values[3], values[4])
			taken = append(taken, &delivery{
				q: q, holder: holder, ended: ended, message: m,
				seq: values[0].(int64), id: values[1].(string), count: int(values[2].(int64)),
			})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(taken, func(a, b *delivery) int { return cmp.Compare(a.seq, b.seq) }) // RETURNING has no order
	return taken, nil
}

// start hands each delivery to a handler of its own; if ctx has ended meanwhile, it gives them back untouched.
func (r *receiver) start(ctx context.Context, taken []*delivery) {
	work := context.WithoutCancel(ctx)
	if ctx.Err() != nil {
		r.q.putBack(work, taken)
		return
	}
	r.mu.Lock()
	for _, d := range taken {
		r.held[d] = true
	}
	r.mu.Unlock()
	r.running.Add(int64(len(taken)))
	for _, d := range taken {
		r.handlers.Go(func() {
			defer func() {
				r.running.Add(-1)
				select {
				case r.freed <- struct{}{}:
				default:
				}
			}()
			r.handle(work, d)
			if err := d.Nack(work, 0); err != nil { // nothing, if the handler has ended it
				r.forget(d) // not renewed any more, it comes back when its hold ends
			}
		})
	}
}

// putBack undoes a take. If that fails, the messages come back when their hold ends.
func (q *Queue) putBack(ctx context.Context, taken []*delivery) {
	_ = q.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		for _, d := range taken {
			_, err := tx.Exec(
				`UPDATE queue_message SET holder = '', visible_at = ?, deliveries = deliveries - 1 WHERE seq = ? AND holder = ?`,
				q.now(), d.seq, d.holder)
			if err != nil {
				return err
			}
		}
		return nil
	})
	q.changed.notify()
}

// forget ends the renewal of a delivery.
func (r *receiver) forget(d *delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, d)
}

// keep renews every held message until ctx is done. Three renewals fit into a hold, so two may fail.
func (r *receiver) keep(ctx context.Context) {
	ticker := time.NewTicker(r.q.o.Hold / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			// A failure has no other consequence than the next try; a hold that ends is seen by whoever acks.
			_ = r.renew(ctx)
		}
	}
}

// renew puts the end of every hold off in one transaction, and writes nothing when nothing is held.
func (r *receiver) renew(ctx context.Context) error {
	r.mu.Lock()
	held := make([]*delivery, 0, len(r.held))
	for d := range r.held {
		held = append(held, d)
	}
	r.mu.Unlock()
	if len(held) == 0 {
		return nil
	}
	return r.q.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		until := r.q.now() + r.q.o.Hold.Microseconds()
		for _, d := range held {
			if err := d.renew(tx, until); err != nil {
				return err
			}
		}
		return nil
	})
}
