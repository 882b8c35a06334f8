package firestoreledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/sethvargo/go-retry"
)

const (
	// changeWithin bounds one change with all its tries, and each read.
	changeWithin = 30 * time.Second
	// firstWait and longestWait are between tries, before jitter.
	firstWait   = 5 * time.Millisecond
	longestWait = 500 * time.Millisecond
	// maxDocuments bounds one change: well below what a commit may carry, and short enough to be repeated.
	maxDocuments = 100
)

// fields are the content of a document by path.
type fields map[string]any

// write is one document's part of a change.
type write struct {
	ref    *firestore.DocumentRef
	fields fields
	create bool
	// unless the document is as it was at readAt the change fails; zero: it must only exist.
	readAt time.Time
}

// put stores fields over the document that was read as s, or makes it.
func put(s *firestore.DocumentSnapshot, f fields) write {
	return write{ref: s.Ref, fields: f, create: !s.Exists(), readAt: s.UpdateTime}
}

// update stores fields over a document that must exist.
func update(ref *firestore.DocumentRef, f fields) write { return write{ref: ref, fields: f} }

// create makes a document.
func create(ref *firestore.DocumentRef, f fields) write {
	return write{ref: ref, fields: f, create: true}
}

func (w write) updates() []firestore.Update {
	var updates []firestore.Update
	for path, value := range w.fields {
		updates = append(updates, firestore.Update{Path: path, Value: value})
	}
	return updates
}

// documents are what a change has read, in the order that was asked for.
type documents struct {
	snaps []*firestore.DocumentSnapshot
	now   time.Time // the store's, at the read
	tx    *firestore.Transaction
}

func newDocuments(snaps []*firestore.DocumentSnapshot) documents {
	d := documents{snaps: snaps}
	for _, s := range snaps {
		if s.ReadTime.After(d.now) {
			d.now = s.ReadTime
		}
	}
	d.now = d.now.UTC().Truncate(time.Microsecond)
	return d
}

// read reads documents at one instant; those that do not exist are snapshots that say so.
func (l *Ledger) read(ctx context.Context, refs ...*firestore.DocumentRef) (documents, error) {
	if err := ctx.Err(); err != nil {
		return documents{}, err
	}
	if err := l.service.Check(ctx); err != nil {
		return documents{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	snaps, err := l.client.GetAll(ctx, refs)
	if err != nil {
		return documents{}, l.marked(ctx, err)
	}
	return newDocuments(snaps), nil
}

// judgement turns what was read into writes; none is no change. It may run several times and must begin anew each time.
type judgement func(documents) ([]write, error)

// change reads documents and stores what judge makes of them, unless one that it writes was changed since: then it
// reads and judges again. A document that is only read may have changed since; where that matters, see changeExactly.
func (l *Ledger) change(ctx context.Context, refs []*firestore.DocumentRef, judge judgement) error {
	return l.again(ctx, func(ctx context.Context) error { return l.tryChange(ctx, refs, judge) })
}

func (l *Ledger) tryChange(ctx context.Context, refs []*firestore.DocumentRef, judge judgement) error {
	snaps, err := l.client.GetAll(ctx, refs)
	if err != nil {
		return err
	}
	writes, err := judge(newDocuments(snaps))
	if err != nil {
		return refuse(err)
	}
	return l.commit(ctx, writes)
}

// commit stores all writes or none.
func (l *Ledger) commit(ctx context.Context, writes []write) error {
	if len(writes) == 0 {
		return nil
	}
	//lint:ignore SA1019 nothing else commits several documents atomically without a transaction's round trip and locks
	batch := l.client.Batch()
	for _, w := range writes {
		switch {
		case w.create:
			batch.Create(w.ref, map[string]any(w.fields))
		case w.readAt.IsZero():
			batch.Update(w.ref, w.updates())
		default:
			batch.Update(w.ref, w.updates(), firestore.LastUpdateTime(w.readAt))
		}
	}
	_, err := batch.Commit(ctx)
	if lostRace(err) {
		return fmt.Errorf("%w: %w", errConflict, err)
	}
	return err
}

// changeExactly is change in a transaction: nothing that was read has changed when the writes take effect.
func (l *Ledger) changeExactly(ctx context.Context, refs []*firestore.DocumentRef, judge judgement) error {
	return l.again(ctx, func(ctx context.Context) error { return l.tryExactly(ctx, refs, judge) })
}

func (l *Ledger) tryExactly(ctx context.Context, refs []*firestore.DocumentRef, judge judgement) error {
	err := l.client.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snaps, err := tx.GetAll(refs)
		if err != nil {
			return err
		}
		d := newDocuments(snaps)
		d.tx = tx
		writes, err := judge(d)
		if err != nil {
			return refuse(err)
		}
		for _, w := range writes {
			if w.create {
				err = tx.Create(w.ref, map[string]any(w.fields))
			} else {
				err = tx.Update(w.ref, w.updates())
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, firestore.MaxAttempts(1))
	if lostRace(err) {
		return fmt.Errorf("%w: %w", errConflict, err)
	}
	return err
}

// refusal is an error of a judgement: it ends the change whatever it wraps.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// refuse makes a judgement's error final, unless it is a lost race or an error of the service that passes.
func refuse(err error) error {
	if retried(err) {
		return err
	}
	return &refusal{err}
}

// again repeats try after lost races and passing troubles of the service. An error of the judgement ends it at once.
func (l *Ledger) again(ctx context.Context, try func(context.Context) error) error {
	if err := l.service.Check(ctx); err != nil {
		return err
	}
	return l.marked(ctx, repeat(ctx, try))
}

// repeat is again with the error as it came.
func repeat(ctx context.Context, try func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	b := retry.WithCappedDuration(longestWait, retry.NewExponential(firstWait))
	b = retry.WithMaxDuration(changeWithin, retry.WithJitterPercent(50, b))
	err := retry.Do(ctx, b, func(ctx context.Context) error {
		err := try(ctx)
		if refused, ok := errors.AsType[*refusal](err); ok {
			return refused
		}
		if err != nil && ctx.Err() == nil && retried(err) {
			return retry.RetryableError(err)
		}
		return err
	})
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.error
	}
	return err
}
