package sqliteledger

import (
	"context"
	"fmt"

	"gamefill/internal/ledger"
	"gamefill/internal/sqlitefile"
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
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		s, ok, err := entryAt(tx, r.Job, r.Date)
		switch {
		case err != nil:
			return err
		case !ok:
			return ledger.ErrMoved
		}
		changed, err := step(&s.Entry)
		if err != nil || !changed {
			return err
		}
		now := l.now()
		if err := save(tx, &s.Entry, now); err != nil || event == nil {
			return err
		}
		e := *event
		e.At, e.Job, e.Run, e.Date = now, r.Job, r.Run, r.Date
		return addEvent(tx, e)
	})
	if err != nil {
		return fmt.Errorf("%s rollback of %s, generation %d: %w", operation, r.Date, r.Generation, err)
	}
	return nil
}
