package firestoreledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

type roleDocument struct {
	Owner     string    `firestore:"owner"`
	HeldUntil time.Time `firestore:"held_until"`
}

// Hold implements [ledger.Reconciling].
func (l *Ledger) Hold(ctx context.Context, role, owner string, ttl time.Duration) (held bool, err error) {
	refs := []*firestore.DocumentRef{l.top(roles).Doc(documentID(role))}
	err = l.change(ctx, refs, func(d documents) ([]write, error) {
		var current roleDocument
		if s := d.snaps[0]; s.Exists() {
			if err := s.DataTo(&current); err != nil {
				return nil, fmt.Errorf("read %s: %w", s.Ref.Path, err)
			}
		}
		if held = current.Owner == owner || !current.HeldUntil.After(d.now); !held {
			return nil, nil
		}
		return []write{put(d.snaps[0], fields{"owner": owner, "held_until": d.now.Add(ttl)})}, nil
	})
	if err != nil {
		return false, fmt.Errorf("hold role %s: %w", role, err)
	}
	return held, nil
}

// Due implements [ledger.Reconciling]. UpdatedAt moves with every publication and every claim, so one comparison covers
// never published, published and not claimed, and given back long ago with the message lost.
func (l *Ledger) Due(ctx context.Context, jobName, run string, unclaimedFor time.Duration) ([]ledger.Entry, error) {
	entries, d, err := l.entries(ctx, l.inRun(jobName, run, string(ledger.Pending)))
	if err != nil {
		return nil, fmt.Errorf("look for due entries of run %s: %w", run, err)
	}
	return slices.DeleteFunc(entries, func(e ledger.Entry) bool {
		if e.NotBefore.IsZero() {
			return e.UpdatedAt.After(d.now.Add(-unclaimedFor))
		}
		return e.NotBefore.After(d.now)
	}), nil
}

// Requeue implements [ledger.Reconciling].
func (l *Ledger) Requeue(ctx context.Context, jobName, run string, dates []gamedate.Date) ([]ledger.Entry, error) {
	var requeued []ledger.Entry
	for portion := range portions(dates, func(d gamedate.Date) gamedate.Date { return d }) {
		var refs []*firestore.DocumentRef
		for _, date := range portion {
			refs = append(refs, l.dateRef(jobName, date))
		}
		var found []ledger.Entry
		err := l.change(ctx, refs, func(d documents) (writes []write, err error) {
			found = nil
			for _, snap := range d.snaps {
				s, ok, err := entryOf(snap)
				if err != nil {
					return nil, err
				}
				if !ok || s.Run != run || s.State != ledger.Pending {
					continue
				}
				e := s.Entry
				e.Seq++
				e.NotBefore = time.Time{}
				writes = append(writes, save(snap, &e, d.now))
				found = append(found, e)
			}
			return writes, nil
		})
		if err != nil {
			return nil, fmt.Errorf("requeue %d dates of run %s: %w", len(dates), run, err)
		}
		requeued = append(requeued, found...)
	}
	return requeued, nil
}

// ExpireLeases implements [ledger.Reconciling]. Each date is looked at again in the change that ends its lease.
func (l *Ledger) ExpireLeases(ctx context.Context, jobName, run string, maxAttempts int) ([]ledger.Entry, error) {
	leased, d, err := l.entries(ctx, l.inRun(jobName, run, string(ledger.Leased)))
	if err != nil {
		return nil, fmt.Errorf("look for expired leases of run %s: %w", run, err)
	}
	var ended []ledger.Entry
	for _, e := range leased {
		if e.LeaseUntil.After(d.now) {
			continue
		}
		e, changed, err := l.expireOne(ctx, e, maxAttempts)
		if err != nil {
			return ended, fmt.Errorf("expire lease of %s, run %s: %w", e.Date, run, err)
		}
		if changed {
			ended = append(ended, e)
		}
	}
	return ended, nil
}

// expireOne ends the lease that was seen, if nobody has ended or renewed it meanwhile.
func (l *Ledger) expireOne(ctx context.Context, seen ledger.Entry,
	maxAttempts int) (e ledger.Entry, changed bool, err error) {
	refs := []*firestore.DocumentRef{l.dateRef(seen.Job, seen.Date), l.runRef(seen.Run)}
	err = l.changeExactly(ctx, refs, func(d documents) ([]write, error) {
		changed = false
		s, ok, err := entryOf(d.snaps[0])
		if err != nil {
			return nil, err
		}
		e = s.Entry
		if !ok || e.State != ledger.Leased || e.Run != seen.Run || e.Generation != seen.Generation ||
			e.LeaseUntil.After(d.now) {
			return nil, nil
		}
		run, _, err := runOf(d.snaps[1])
		if err != nil {
			return nil, err
		}
		ended := l.expire(&e, run.State, d.now, maxAttempts)
		if e.State == ledger.Pending {
			e.Seq++
		}
		changed = true
		return []write{save(d.snaps[0], &e, d.now), ended}, nil
	})
	if err != nil {
		return seen, false, err
	}
	return e, changed, nil
}
