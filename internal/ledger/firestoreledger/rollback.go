package firestoreledger

import (
	"context"
	"fmt"

	"cloud.google.com/go/firestore"

	"gamefill/internal/ledger"
)

// BeginRollback implements [ledger.RollingBack].
func (l *Ledger) BeginRollback(ctx context.Context, r ledger.Rollback) error {
	return l.changeRollback(ctx, "begin", r, r.Begin, nil)
}

// FinishRollback implements [ledger.RollingBack].
func (l *Ledger) FinishRollback(ctx context.Context, r ledger.Rollback, event ledger.Event) error {
	return l.changeRollback(ctx, "finish", r, r.Finish, &event)
}

// changeRollback stores what step makes of the entry, and the event if there is one.
func (l *Ledger) changeRollback(ctx context.Context, operation string, r ledger.Rollback,
	step func(*ledger.Entry) (bool, error), event *ledger.Event) error {
	trail := l.newEventRef()
	err := l.change(ctx, []*firestore.DocumentRef{l.dateRef(r.Job, r.Date)}, func(d documents) ([]write, error) {
		s, ok, err := entryOf(d.snaps[0])
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, ledger.ErrMoved
		}
		changed, err := step(&s.Entry)
		if err != nil || !changed {
			return nil, err
		}
		writes := []write{save(d.snaps[0], &s.Entry, d.now)}
		if event != nil {
			e := *event
			e.At, e.Job, e.Run, e.Date = d.now, r.Job, r.Run, r.Date
			writes = append(writes, create(trail, eventFields(e)))
		}
		return writes, nil
	})
	if err != nil {
		return fmt.Errorf("%s rollback of %s, generation %d: %w", operation, r.Date, r.Generation, err)
	}
	return nil
}
