package sqliteledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/sqlitefile"
)

const (
	// selectHeld finds what a holder's call needs to know; its texts stay small, so facts and failures are left out.
	selectHeld = `SELECT e.state, e.generation, r.state, r.hold_writes
		FROM ledger_entry e JOIN ledger_run r ON r.id = e.run WHERE e.job = ? AND e.date = ?`

	// renewLease never shortens a lease: a keeper's renewal must not take back what BeginWrite asked for.
	renewLease = `UPDATE ledger_entry SET lease_until = max(lease_until, ?4), updated_at = ?5
		WHERE job = ?1 AND date = ?2 AND generation = ?3 AND state = 'leased'`

	recordWrite = `UPDATE ledger_entry SET lease_until = max(lease_until, ?4), updated_at = ?5, write_generation = ?3,
		write_id = ?6, write_run = run, write_fingerprint = ?7, write_pre_image = ?8, write_pre_image_rows = ?9,
		write_rollback = 0 WHERE job = ?1 AND date = ?2 AND generation = ?3 AND state = 'leased'`

	upsertFacts = `INSERT INTO ledger_facts (job, date, facts) VALUES (?, ?, ?)
		ON CONFLICT (job, date) DO UPDATE SET facts = excluded.facts`

	markDeadPublished = `UPDATE ledger_entry SET dead_published = 1, updated_at = ?4
		WHERE job = ?1 AND date = ?2 AND seq = ?3 AND state = 'dead'`
)

// Claim implements [ledger.Leases].
func (l *Ledger) Claim(ctx context.Context, r ledger.ClaimRequest) (ledger.Claim, error) {
	var claim ledger.Claim
	var found stored
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) (err error) {
		claim, found, err = claimIn(tx, r, l.now())
		return err
	})
	if err == nil && claim.Outcome != ledger.NotPlanned {
		claim.Entry, err = found.entry()
	}
	if err != nil {
		return ledger.Claim{}, fmt.Errorf("claim %s: %w", r.Date, err)
	}
	return claim, nil
}

// claimIn judges the request and grants the lease if nothing stands against it. The entry is returned as it is then.
func claimIn(tx *sqlitefile.Tx, r ledger.ClaimRequest, now time.Time) (ledger.Claim, stored, error) {
	s, ok, err := entryAt(tx, r.Job, r.Date)
	if err != nil || !ok {
		return ledger.Claim{Outcome: ledger.NotPlanned}, stored{}, err
	}
	runs, err := scan(tx, selectRun, []any{s.Run}, readRun)
	if err != nil || len(runs) == 0 {
		return ledger.Claim{Outcome: ledger.NotPlanned}, stored{}, err
	}
	e := &s.Entry
	claim := ledger.Claim{Run: runs[0], Outcome: ledger.Judge(e, runs[0], r, now)}
	switch claim.Outcome {
	case ledger.NotPlanned:
		return ledger.Claim{Outcome: ledger.NotPlanned}, stored{}, nil
	case ledger.HeldBy:
		claim.Wait = e.LeaseUntil.Sub(now)
		return claim, s, nil
	case ledger.ClaimCancelled:
		if e.State != ledger.Leased || e.LeaseUntil.After(now) {
			return claim, s, nil
		}
		if err := expire(tx, e, claim.Run.State, now, 0); err != nil {
			return ledger.Claim{}, stored{}, err
		}
		return claim, s, save(tx, e, now)
	case ledger.Claimed:
	default:
		return claim, s, nil
	}
	if e.State == ledger.Leased {
		if err := expire(tx, e, claim.Run.State, now, r.MaxAttempts); err != nil {
			return ledger.Claim{}, stored{}, err
		}
		if e.State == ledger.Dead {
			claim.Outcome = ledger.DiedOfCrashes
			return claim, s, save(tx, e, now)
		}
	}
	e.Grant(r, now)
	if err := save(tx, e, now); err != nil {
		return ledger.Claim{}, stored{}, err
	}
	claim.Lease = e.Lease()
	_, err = tx.Exec(insertAttempt, e.Job, e.Date.String(), e.Attempt, e.Run, e.Seq, e.Generation, e.Owner, micros(now))
	return claim, s, err
}

// held is what a holder's call finds out about its entry.
type held struct {
	state      ledger.State
	generation int64
	control    ledger.Control
}

// heldIn is ErrLeaseLost unless the entry is leased under l's generation.
func heldIn(tx *sqlitefile.Tx, l ledger.Lease) (held, error) {
	found, err := scan(tx, selectHeld, []any{l.Job, l.Date.String()}, func(c *columns) held {
		h := held{state: ledger.State(c.text()), generation: c.integer()}
		run := ledger.Run{State: ledger.RunState(c.text()), HoldWrites: c.flag()}
		h.control = run.Control()
		return h
	})
	switch {
	case err != nil:
		return held{}, err
	case len(found) == 0:
		return held{}, ledger.ErrLeaseLost
	case found[0].state != ledger.Leased || found[0].generation != l.Generation:
		return found[0], ledger.ErrLeaseLost
	}
	return found[0], nil
}

// Renew implements [ledger.Leases].
func (l *Ledger) Renew(ctx context.Context, lease ledger.Lease, ttl time.Duration) (ledger.Control, error) {
	var h held
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) (err error) {
		if h, err = heldIn(tx, lease); err != nil {
			return err
		}
		now := l.now()
		_, err = tx.Exec(renewLease, lease.Job, lease.Date.String(), lease.Generation, micros(now.Add(ttl)), micros(now))
		return err
	})
	if err != nil {
		return ledger.Control{}, holderError("renew", lease, err)
	}
	return h.control, nil
}

// BeginWrite implements [ledger.Leases].
func (l *Ledger) BeginWrite(ctx context.Context, lease ledger.Lease, ttl time.Duration, w ledger.WriteRecord) error {
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		h, err := heldIn(tx, lease)
		switch {
		case err != nil:
			return err
		case h.control.Stopped:
			return ledger.ErrStopped
		}
		now := l.now()
		_, err = tx.Exec(recordWrite, lease.Job, lease.Date.String(), lease.Generation, micros(now.Add(ttl)),
			micros(now), w.ID,
			w.Fingerprint, w.PreImage, w.PreImageRows)
		return err
	})
	return holderError("begin write of", lease, err)
}

// Complete implements [ledger.Leases].
func (l *Ledger) Complete(ctx context.Context, lease ledger.Lease, facts ledger.Facts) error {
	text, err := json.Marshal(facts)
	if err != nil {
		return holderError("complete", lease, err)
	}
	err = l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		s, ok, err := entryAt(tx, lease.Job, lease.Date)
		if err != nil {
			return err
		}
		e := &s.Entry
		switch {
		case !ok || e.Generation != lease.Generation:
			return ledger.ErrLeaseLost
		case e.State == ledger.Complete:
			return nil // this very completion, repeated
		case e.State != ledger.Leased:
			return ledger.ErrLeaseLost
		}
		now := l.now()
		e.Leave(ledger.Complete)
		e.Failure = nil
		if err := save(tx, e, now); err != nil {
			return err
		}
		if _, err := tx.Exec(upsertFacts, e.Job, e.Date.String(), string(text)); err != nil {
			return err
		}
		return end(tx, e, now, ledger.ResultComplete, nil, facts.Outcome)
	})
	return holderError("complete", lease, err)
}

// Release implements [ledger.Leases].
func (l *Ledger) Release(ctx context.Context, lease ledger.Lease, r ledger.Release) error {
	if err := r.Check(); err != nil {
		return holderError("release", lease, err)
	}
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		h, err := heldIn(tx, lease)
		if err != nil {
			return err
		}
		s, _, err := entryAt(tx, lease.Job, lease.Date)
		if err != nil {
			return err
		}
		e, now := &s.Entry, l.now()
		e.Release(r, h.control.State, now)
		if err := save(tx, e, now); err != nil {
			return err
		}
		return end(tx, e, now, r.Result, r.Failure, "")
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
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		_, err := tx.Exec(markDeadPublished, jobName, date.String(), seq, micros(l.now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("mark dead letter of %s published: %w", date, err)
	}
	return nil
}
