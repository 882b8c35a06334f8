package sqliteledger

import (
	"context"
	"fmt"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/sqlitefile"
)

const (
	holdRole = `INSERT INTO ledger_role (role, owner, held_until) VALUES (?1, ?2, ?3)
		ON CONFLICT (role) DO UPDATE SET owner = excluded.owner, held_until = excluded.held_until
		WHERE owner = excluded.owner OR held_until <= ?4`

	// selectDue: updated_at moves with every publication and every claim, so one comparison covers never published,
	// published and not claimed, and given back long ago with the message lost.
	selectDue = `SELECT ` + entryColumns + entryTables + `WHERE e.run = ?1 AND e.job = ?2 AND e.state = 'pending'
		AND CASE WHEN e.not_before IS NULL THEN e.updated_at <= ?3 ELSE e.not_before <= ?4 END ORDER BY e.date`

	selectExpired = `SELECT ` + entryColumns + entryTables + `WHERE e.run = ? AND e.job = ? AND e.state = 'leased'
		AND e.lease_until <= ? ORDER BY e.date`
)

// Hold implements [ledger.Reconciling].
func (l *Ledger) Hold(ctx context.Context, role, owner string, ttl time.Duration) (bool, error) {
	var changed int64
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) (err error) {
		now := l.now()
		changed, err = tx.Exec(holdRole, role, owner, micros(now.Add(ttl)), micros(now))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("hold role %s: %w", role, err)
	}
	return changed > 0, nil
}

// Due implements [ledger.Reconciling].
func (l *Ledger) Due(ctx context.Context, jobName, run string, unclaimedFor time.Duration) ([]ledger.Entry, error) {
	now := l.now()
	entries, err := l.entries(ctx, selectDue, run, jobName, micros(now.Add(-unclaimedFor)), micros(now))
	if err != nil {
		return nil, fmt.Errorf("look for due entries of run %s: %w", run, err)
	}
	return entries, nil
}

// Requeue implements [ledger.Reconciling].
func (l *Ledger) Requeue(ctx context.Context, jobName, run string, dates []gamedate.Date) ([]ledger.Entry, error) {
	var found []stored
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		found = nil
		now := l.now()
		for _, date := range dates {
			s, ok, err := entryAt(tx, jobName, date)
			if err != nil {
				return err
			}
			if !ok || s.Run != run || s.State != ledger.Pending {
				continue
			}
			s.Seq++
			s.NotBefore = time.Time{}
			if err := save(tx, &s.Entry, now); err != nil {
				return err
			}
			found = append(found, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("requeue %d dates of run %s: %w", len(dates), run, err)
	}
	return entriesOf(found)
}

// ExpireLeases implements [ledger.Reconciling].
func (l *Ledger) ExpireLeases(ctx context.Context, jobName, run string, maxAttempts int) ([]ledger.Entry, error) {
	var found []stored
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) (err error) {
		now := l.now()
		if found, err = scan(tx, selectExpired, []any{run, jobName, micros(now)}, readEntry); err != nil || len(found) == 0 {
			return err
		}
		states, err := scan(tx, selectRunState, []any{run}, (*columns).text)
		if err != nil {
			return err
		}
		for i := range found {
			e := &found[i].Entry
			if err := expire(tx, e, ledger.RunState(states[0]), now, maxAttempts); err != nil {
				return err
			}
			if e.State == ledger.Pending {
				e.Seq++
			}
			if err := save(tx, e, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("expire leases of run %s: %w", run, err)
	}
	return entriesOf(found)
}
