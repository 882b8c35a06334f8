package sqliteledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/sqlitefile"
)

const (
	selectRunEntries = `SELECT ` + entryColumns + entryTables + `WHERE e.run = ? AND e.job = ? ORDER BY e.date`
	selectRunInState = `SELECT ` + entryColumns + entryTables +
		`WHERE e.run = ? AND e.job = ? AND e.state = ? ORDER BY e.date`
	countStates = `SELECT state, count(*) FROM ledger_entry WHERE run = ? AND job = ? GROUP BY state`

	selectRunState = `SELECT state FROM ledger_run WHERE id = ?`

	// markPublished is never a step back, nor a step beyond what the ledger has numbered.
	markPublished = `UPDATE ledger_entry SET published_seq = ?3, published_at = ?4, updated_at = ?4
		WHERE job = ?1 AND date = ?2 AND published_seq <= ?3 AND seq >= ?3`
)

// Entries implements [ledger.Planning].
func (l *Ledger) Entries(ctx context.Context, jobName string, r gamedate.Range) ([]ledger.Entry, error) {
	entries, err := l.entries(ctx, selectEntries, jobName, r.From.String(), r.To.String())
	if err != nil {
		return nil, fmt.Errorf("read entries of %s, %s: %w", jobName, r, err)
	}
	return entries, nil
}

func (l *Ledger) entries(ctx context.Context, query string, args ...any) ([]ledger.Entry, error) {
	found, err := read(ctx, l, query, args, readEntry)
	if err != nil {
		return nil, err
	}
	return entriesOf(found)
}

// Record implements [ledger.Planning]; here all plans of a call change together.
func (l *Ledger) Record(ctx context.Context, jobName, run string, plans []ledger.Plan) ([]ledger.Entry, error) {
	var found []stored
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		found = nil
		states, err := scan(tx, selectRunState, []any{run}, (*columns).text)
		switch {
		case err != nil:
			return err
		case len(states) == 0:
			return ledger.ErrNoRun
		case ledger.RunState(states[0]).Closed():
			return fmt.Errorf("it is %s: %w", states[0], ledger.ErrStopped)
		}
		now := l.now()
		for _, p := range plans {
			s, err := record(tx, jobName, run, p, now)
			if err != nil {
				return fmt.Errorf("date %s: %w", p.Date, err)
			}
			found = append(found, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("record plan of run %s: %w", run, err)
	}
	return entriesOf(found)
}

// record applies one plan and returns the entry as it is then.
func record(tx *sqlitefile.Tx, jobName, run string, p ledger.Plan, now time.Time) (stored, error) {
	if p.To != ledger.Pending && p.To != ledger.NoGames && p.To != ledger.NoSchedule {
		return stored{}, fmt.Errorf("a plan cannot make it %q", p.To)
	}
	s, ok, err := entryAt(tx, jobName, p.Date)
	if err != nil {
		return stored{}, err
	}
	if !ok {
		e := ledger.Entry{Job: jobName, Date: p.Date, State: p.To, Run: run, Reason: p.Reason, UpdatedAt: now}
		if p.To == ledger.Pending {
			e.Seq = 1
		}
		_, err := tx.Exec(insertEntry, e.Job, e.Date.String(), string(e.State), e.Run, e.Seq, e.Reason, micros(now))
		return stored{Entry: e}, err
	}
	if s.State == ledger.Leased && s.Run != run && !s.LeaseUntil.After(now) {
		if err := abandon(tx, &s.Entry, now); err != nil {
			return stored{}, err
		}
	}
	if !s.State.Settled() {
		return s, nil
	}
	s.State, s.Run, s.Reason, s.DeadPublished = p.To, run, p.Reason, false
	if p.To == ledger.Pending {
		s.Seq++
		s.Spent = 0
	}
	return s, save(tx, &s.Entry, now)
}

// abandon settles an entry whose holder died after its run was cancelled, so that the next run can have the date.
func abandon(tx *sqlitefile.Tx, e *ledger.Entry, now time.Time) error {
	states, err := scan(tx, selectRunState, []any{e.Run}, (*columns).text)
	if err != nil || len(states) == 0 || ledger.RunState(states[0]) != ledger.RunCancelled {
		return err
	}
	return expire(tx, e, ledger.RunCancelled, now, 0)
}

// MarkPublished implements [ledger.Planning].
func (l *Ledger) MarkPublished(ctx context.Context, jobName string, published []ledger.Published) error {
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		now := micros(l.now())
		for _, p := range published {
			if _, err := tx.Exec(markPublished, jobName, p.Date.String(), p.Seq, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mark %d dates of %s published: %w", len(published), jobName, err)
	}
	return nil
}

// CountStates implements [ledger.Planning].
func (l *Ledger) CountStates(ctx context.Context, jobName, run string) (map[ledger.State]int, error) {
	type count struct {
		state ledger.State
		n     int64
	}
	found, err := read(ctx, l, countStates, []any{run, jobName},
		func(c *columns) count { return count{ledger.State(c.text()), c.integer()} })
	if err != nil {
		return nil, fmt.Errorf("count states of run %s: %w", run, err)
	}
	counts := map[ledger.State]int{}
	for _, c := range found {
		counts[c.state] = int(c.n)
	}
	return counts, nil
}

// RunEntries implements [ledger.Planning].
func (l *Ledger) RunEntries(ctx context.Context, jobName, run string, states ...ledger.State) ([]ledger.Entry, error) {
	var found []stored
	err := l.file.Read(ctx, func(tx *sqlitefile.Tx) (err error) {
		if len(states) == 0 {
			found, err = scan(tx, selectRunEntries, []any{run, jobName}, readEntry)
			return err
		}
		found = nil
		for _, state := range slices.Compact(slices.Sorted(slices.Values(states))) {
			in, err := scan(tx, selectRunInState, []any{run, jobName, string(state)}, readEntry)
			if err != nil {
				return err
			}
			found = append(found, in...)
		}
		slices.SortFunc(found, func(a, b stored) int { return a.Date.Compare(b.Date) })
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read entries of run %s: %w", run, err)
	}
	return entriesOf(found)
}
