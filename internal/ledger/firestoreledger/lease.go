package firestoreledger

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// Claim implements [ledger.Leases]. A claim whose answer was lost on the way finds out that it was granted.
func (l *Ledger) Claim(ctx context.Context, r ledger.ClaimRequest) (ledger.Claim, error) {
	var claim ledger.Claim
	token := rand.Text()
	refs := []*firestore.DocumentRef{l.dateRef(r.Job, r.Date), l.runRef(r.Run)}
	err := l.change(ctx, refs, func(d documents) (writes []write, err error) {
		claim, writes, err = l.claimIn(ctx, d, r, token)
		return writes, err
	})
	if err != nil {
		return ledger.Claim{}, fmt.Errorf("claim %s: %w", r.Date, err)
	}
	return claim, nil
}

// claimIn judges the request and grants the lease if nothing stands against it. The entry is returned as it is then.
func (l *Ledger) claimIn(ctx context.Context, d documents, r ledger.ClaimRequest,
	token string) (ledger.Claim, []write, error) {
	s, ok, err := entryOf(d.snaps[0])
	if err != nil || !ok {
		return ledger.Claim{Outcome: ledger.NotPlanned}, nil, err
	}
	runSnap := d.snaps[1]
	if s.Run != r.Run {
		other, err := l.read(ctx, l.runRef(s.Run))
		if err != nil {
			return ledger.Claim{}, nil, err
		}
		runSnap = other.snaps[0]
	}
	run, ok, err := runOf(runSnap)
	if err != nil || !ok {
		return ledger.Claim{Outcome: ledger.NotPlanned}, nil, err
	}
	e := &s.Entry
	claim := ledger.Claim{Run: run.Run, Outcome: ledger.Judge(e, run.Run, r, d.now)}
	if e.State == ledger.Leased && s.claim == token {
		claim.Outcome, claim.Entry, claim.Lease = ledger.Claimed, *e, e.Lease()
		return claim, nil, nil
	}
	var writes []write
	switch {
	case claim.Outcome == ledger.NotPlanned:
		return ledger.Claim{Outcome: ledger.NotPlanned}, nil, nil
	case claim.Outcome == ledger.HeldBy:
		claim.Wait = e.LeaseUntil.Sub(d.now)
	case claim.Outcome == ledger.ClaimCancelled && e.State == ledger.Leased && !e.LeaseUntil.After(d.now):
		writes = append(writes, l.expire(e, run.State, d.now, 0), save(d.snaps[0], e, d.now))
	case claim.Outcome == ledger.Claimed:
		if e.State == ledger.Leased {
			writes = append(writes, l.expire(e, run.State, d.now, r.MaxAttempts))
		}
		if e.State == ledger.Dead {
			claim.Outcome = ledger.DiedOfCrashes
			writes = append(writes, save(d.snaps[0], e, d.now))
			break
		}
		granted, started := l.grant(d, e, r, token)
		writes = append(writes, granted, started)
		claim.Lease = e.Lease()
	}
	claim.Entry = *e
	return claim, writes, nil
}

// grant gives e to the claimant and begins the attempt.
func (l *Ledger) grant(d documents, e *ledger.Entry, r ledger.ClaimRequest, token string) (granted, started write) {
	e.Grant(r, d.now)
	granted = save(d.snaps[0], e, d.now)
	granted.fields["claim"] = token
	return granted, create(l.attemptRef(e.Job, e.Date, e.Attempt), attemptFields(e, d.now))
}

// heldRefs are the documents that heldIn looks at.
func (l *Ledger) heldRefs(lease ledger.Lease) []*firestore.DocumentRef {
	return []*firestore.DocumentRef{l.dateRef(lease.Job, lease.Date), l.runRef(lease.Run)}
}

// heldIn is ErrLeaseLost unless the entry is leased under the lease's generation.
func heldIn(d documents, lease ledger.Lease) (ledger.Entry, ledger.Control, error) {
	e, ok, err := entryOf(d.snaps[0])
	switch {
	case err != nil:
		return ledger.Entry{}, ledger.Control{}, err
	case !ok || e.State != ledger.Leased || e.Generation != lease.Generation || e.Run != lease.Run:
		return ledger.Entry{}, ledger.Control{}, ledger.ErrLeaseLost
	}
	run, ok, err := runOf(d.snaps[1])
	if err == nil && !ok {
		err = ledger.ErrNoRun
	}
	return e.Entry, run.Control(), err
}

// later never shortens a lease: a keeper's renewal must not take back what BeginWrite asked for.
func later(until, now time.Time, ttl time.Duration) time.Time {
	if asked := now.Add(ttl).Truncate(time.Microsecond); asked.After(until) {
		return asked
	}
	return until
}

// Renew implements [ledger.Leases].
func (l *Ledger) Renew(ctx context.Context, lease ledger.Lease, ttl time.Duration) (control ledger.Control, err error) {
	err = l.change(ctx, l.heldRefs(lease), func(d documents) (_ []write, err error) {
		var e ledger.Entry
		if e, control, err = heldIn(d, lease); err != nil {
			return nil, err
		}
		return []write{put(d.snaps[0], fields{"lease_until": later(e.LeaseUntil, d.now, ttl), "updated_at": d.now})}, nil
	})
	if err != nil {
		return ledger.Control{}, holderError("renew", lease, err)
	}
	return control, nil
}

// BeginWrite implements [ledger.Leases]. It is exact: a run that was stopped before the write is recorded stops it.
func (l *Ledger) BeginWrite(ctx context.Context, lease ledger.Lease, ttl time.Duration, w ledger.WriteRecord) error {
	w.Generation, w.Run, w.Rollback = lease.Generation, lease.Run, false
	err := l.changeExactly(ctx, l.heldRefs(lease), func(d documents) ([]write, error) {
		e, control, err := heldIn(d, lease)
		switch {
		case err != nil:
			return nil, err
		case control.Stopped:
			return nil, ledger.ErrStopped
		}
		f := writeFields(w)
		f["lease_until"], f["updated_at"] = later(e.LeaseUntil, d.now, ttl), d.now
		return []write{put(d.snaps[0], f)}, nil
	})
	return holderError("begin write of", lease, err)
}

// Complete implements [ledger.Leases].
func (l *Ledger) Complete(ctx context.Context, lease ledger.Lease, facts ledger.Facts) error {
	text, err := json.Marshal(facts)
	if err != nil {
		return holderError("complete", lease, err)
	}
	refs := []*firestore.DocumentRef{l.dateRef(lease.Job, lease.Date)}
	err = l.change(ctx, refs, func(d documents) ([]write, error) {
		s, ok, err := entryOf(d.snaps[0])
		e := &s.Entry
		switch {
		case err != nil:
			return nil, err
		case !ok || e.Generation != lease.Generation:
			return nil, ledger.ErrLeaseLost
		case e.State == ledger.Complete:
			return nil, nil // this very completion, repeated
		case e.State != ledger.Leased:
			return nil, ledger.ErrLeaseLost
		}
		e.Leave(ledger.Complete)
		e.Failure = nil
		done := save(d.snaps[0], e, d.now)
		done.fields["facts"] = string(text)
		return []write{done, l.end(e, d.now, ledger.ResultComplete, nil, facts.Outcome)}, nil
	})
	return holderError("complete", lease, err)
}

// Release implements [ledger.Leases]. It is exact, so that nothing is left Pending in a run that was just cancelled.
func (l *Ledger) Release(ctx context.Context, lease ledger.Lease, r ledger.Release) error {
	if err := r.Check(); err != nil {
		return holderError("release", lease, err)
	}
	err := l.changeExactly(ctx, l.heldRefs(lease), func(d documents) ([]write, error) {
		e, control, err := heldIn(d, lease)
		if err != nil {
			return nil, err
		}
		e.Release(r, control.State, d.now)
		return []write{save(d.snaps[0], &e, d.now), l.end(&e, d.now, r.Result, r.Failure, "")}, nil
	})
	return holderError("release", lease, err)
}

// holderError names the date and the generation; nil stays nil.
func holderError(operation string, lease ledger.Lease, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s, generation %d: %w", operation, lease.Date, lease.Generation, err)
}

// MarkDeadPublished implements [ledger.Leases].
func (l *Ledger) MarkDeadPublished(ctx context.Context, jobName string, date gamedate.Date, seq int64) error {
	err := l.change(ctx, []*firestore.DocumentRef{l.dateRef(jobName, date)}, func(d documents) ([]write, error) {
		e, ok, err := entryOf(d.snaps[0])
		if err != nil || !ok || e.State != ledger.Dead || e.Seq != seq {
			return nil, err
		}
		return []write{put(d.snaps[0], fields{"dead_published": true, "updated_at": d.now})}, nil
	})
	if err != nil {
		return fmt.Errorf("mark dead letter of %s published: %w", date, err)
	}
	return nil
}
