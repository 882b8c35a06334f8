package firestoreledger

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"cloud.google.com/go/firestore"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// Entries implements [ledger.Planning].
func (l *Ledger) Entries(ctx context.Context, jobName string, r gamedate.Range) ([]ledger.Entry, error) {
	entries, _, err := l.entries(ctx, l.inRange(jobName, r))
	if err != nil {
		return nil, fmt.Errorf("read entries of %s, %s: %w", jobName, r, err)
	}
	return entries, nil
}

// entries are what a query of dates finds, in date order.
func (l *Ledger) entries(ctx context.Context, q firestore.Query) ([]ledger.Entry, documents, error) {
	d, err := l.ask(ctx, q)
	if err != nil {
		return nil, documents{}, err
	}
	var entries []ledger.Entry
	for _, s := range d.snaps {
		e, _, err := entryOf(s)
		if err != nil {
			return nil, documents{}, err
		}
		entries = append(entries, e.Entry)
	}
	slices.SortFunc(entries, func(a, b ledger.Entry) int { return a.Date.Compare(b.Date) })
	return entries, d, nil
}

// portions cuts items into changes: at most maxDocuments each, and no date twice in one.
func portions[T any](items []T, date func(T) gamedate.Date) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		first, seen := 0, map[gamedate.Date]bool{}
		for i, item := range items {
			if seen[date(item)] || i-first == maxDocuments {
				if !yield(items[first:i]) {
					return
				}
				first = i
				clear(seen)
			}
			seen[date(item)] = true
		}
		if first < len(items) {
			yield(items[first:])
		}
	}
}

// Record implements [ledger.Planning]; portions of the plans change together, and the run has not ended when they do.
func (l *Ledger) Record(ctx context.Context, jobName, run string, plans []ledger.Plan) ([]ledger.Entry, error) {
	var recorded []ledger.Entry
	if len(plans) == 0 {
		d, err := l.read(ctx, l.runRef(run))
		if err == nil {
			err = accepting(d.snaps[0])
		}
		if err != nil {
			return nil, fmt.Errorf("record plan of run %s: %w", run, err)
		}
	}
	for portion := range portions(plans, func(p ledger.Plan) gamedate.Date { return p.Date }) {
		refs := []*firestore.DocumentRef{l.runRef(run)}
		for _, p := range portion {
			refs = append(refs, l.dateRef(jobName, p.Date))
		}
		var found []ledger.Entry
		err := l.changeExactly(ctx, refs, func(d documents) (writes []write, err error) {
			if err := accepting(d.snaps[0]); err != nil {
				return nil, err
			}
			found = nil
			for i, p := range portion {
				e, changed, err := l.record(d, d.snaps[i+1], jobName, run, p)
				if err != nil {
					return nil, fmt.Errorf("date %s: %w", p.Date, err)
				}
				found, writes = append(found, e), append(writes, changed...)
			}
			return writes, nil
		})
		if err != nil {
			return nil, fmt.Errorf("record plan of run %s: %w", run, err)
		}
		recorded = append(recorded, found...)
	}
	return recorded, nil
}

// accepting says why a run takes no plans: there is none, or it has ended.
func accepting(s *firestore.DocumentSnapshot) error {
	run, ok, err := runOf(s)
	switch {
	case err != nil:
		return err
	case !ok:
		return ledger.ErrNoRun
	case run.State.Closed():
		return fmt.Errorf("it is %s: %w", run.State, ledger.ErrStopped)
	}
	return nil
}

// record applies one plan and returns the entry as it is then.
func (l *Ledger) record(d documents, at *firestore.DocumentSnapshot, jobName, run string,
	p ledger.Plan) (ledger.Entry, []write, error) {
	if p.To != ledger.Pending && p.To != ledger.NoGames && p.To != ledger.NoSchedule {
		return ledger.Entry{}, nil, fmt.Errorf("a plan cannot make it %q", p.To)
	}
	s, ok, err := entryOf(at)
	if err != nil {
		return ledger.Entry{}, nil, err
	}
	e := s.Entry
	if !ok {
		e = ledger.Entry{Job: jobName, Date: p.Date, State: p.To, Run: run, Reason: p.Reason}
		if p.To == ledger.Pending {
			e.Seq = 1
		}
		made := save(at, &e, d.now)
		return e, []write{made}, nil
	}
	writes, err := l.abandon(d, &e, run)
	if err != nil || !e.State.Settled() {
		return e, nil, err
	}
	e.State, e.Run, e.Reason, e.DeadPublished = p.To, run, p.Reason, false
	if p.To == ledger.Pending {
		e.Seq++
		e.Spent = 0
	}
	writes = append(writes, save(at, &e, d.now))
	return e, writes, nil
}

// abandon settles an entry that a cancelled run left behind, so that run can have the date: one whose holder died, or
// one that the cancelling did not come to before its process died.
func (l *Ledger) abandon(d documents, e *ledger.Entry, run string) ([]write, error) {
	if e.State.Settled() || e.Run == run || e.State == ledger.Leased && e.LeaseUntil.After(d.now) {
		return nil, nil
	}
	snap, err := d.tx.Get(l.runRef(e.Run))
	if err != nil {
		return nil, err
	}
	other, _, err := runOf(snap)
	if err != nil || other.State != ledger.RunCancelled {
		return nil, err
	}
	if e.State == ledger.Leased {
		return []write{l.expire(e, other.State, d.now, 0)}, nil
	}
	e.State = ledger.Cancelled
	return nil, nil
}

// MarkPublished implements [ledger.Planning]. It is never a step back, nor one beyond what the ledger has numbered.
func (l *Ledger) MarkPublished(ctx context.Context, jobName string, published []ledger.Published) error {
	for portion := range portions(published, func(p ledger.Published) gamedate.Date { return p.Date }) {
		var refs []*firestore.DocumentRef
		for _, p := range portion {
			refs = append(refs, l.dateRef(jobName, p.Date))
		}
		err := l.change(ctx, refs, func(d documents) (writes []write, err error) {
			for i, p := range portion {
				e, ok, err := entryOf(d.snaps[i])
				if err != nil {
					return nil, err
				}
				if ok && e.PublishedSeq <= p.Seq && p.Seq <= e.Seq {
					writes = append(writes,
						put(d.snaps[i], fields{"published_seq": p.Seq, "published_at": d.now, "updated_at": d.now}))
				}
			}
			return writes, nil
		})
		if err != nil {
			return fmt.Errorf("mark %d dates of %s published: %w", len(published), jobName, err)
		}
	}
	return nil
}

// CountStates implements [ledger.Planning]: one count() a state, all of one instant.
func (l *Ledger) CountStates(ctx context.Context, jobName, run string) (map[ledger.State]int, error) {
	var counts map[ledger.State]int
	err := l.again(ctx, func(ctx context.Context) error {
		return l.client.RunTransaction(ctx, func(ctx context.Context, tx *firestore.Transaction) error {
			counts = map[ledger.State]int{}
			for _, state := range ledger.States {
				q := l.inRun(jobName, run, string(state))
				result, err := q.NewAggregationQuery().WithCount("n").Transaction(tx).Get(ctx)
				if err != nil {
					return err
				}
				if n, _ := result.Data()["n"].(int64); n > 0 {
					counts[state] = int(n)
				}
			}
			return nil
		}, firestore.ReadOnly)
	})
	if err != nil {
		return nil, fmt.Errorf("count states of run %s: %w", run, err)
	}
	return counts, nil
}

// RunEntries implements [ledger.Planning].
func (l *Ledger) RunEntries(ctx context.Context, jobName, run string, states ...ledger.State) ([]ledger.Entry, error) {
	q := l.inRun(jobName, run, "")
	if len(states) > 0 {
		q = q.Where("state", "in", slices.Compact(slices.Sorted(slices.Values(states))))
	}
	entries, _, err := l.entries(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read entries of run %s: %w", run, err)
	}
	return entries, nil
}
