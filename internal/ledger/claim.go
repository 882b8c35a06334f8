package ledger

import (
	"fmt"
	"time"

	"gamefill/internal/failure"
)

// Judge says what stands against a claim of e, whose run is run, at the store's now, in the order of the outcomes'
// constants; Claimed when nothing does. Adapters call it between reading and the compare-and-set.
func Judge(e *Entry, run Run, r ClaimRequest, now time.Time) ClaimOutcome {
	switch {
	case r.Seq < e.Seq:
		return Superseded
	case r.Seq > e.Seq, r.Run != e.Run: // never given out by this ledger
		return NotPlanned
	case e.State == Cancelled, run.State == RunCancelled:
		return ClaimCancelled
	case e.State.Settled():
		return AlreadySettled
	case !run.State.Working():
		return RunNotOpen
	case r.Version != run.Version:
		return OtherVersion
	case e.State == Pending && e.NotBefore.After(now):
		return NotYet
	case e.State == Leased && e.LeaseUntil.After(now):
		return HeldBy
	}
	return Claimed
}

// Grant makes e the claimant's: leased until TTL from the store's now, in whole microseconds, under the next generation
// and as the next attempt.
func (e *Entry) Grant(r ClaimRequest, now time.Time) {
	e.State, e.NotBefore, e.Owner, e.LeaseUntil = Leased, time.Time{}, r.Owner, now.Add(r.TTL).Truncate(time.Microsecond)
	e.Generation++
	e.Attempt++
}

// Lease is the lease that the entry's holder has.
func (e *Entry) Lease() Lease {
	return Lease{Job: e.Job, Date: e.Date, Run: e.Run, Seq: e.Seq, Generation: e.Generation, Attempt: e.Attempt,
		Owner: e.Owner, Until: e.LeaseUntil}
}

// Leave takes e out of Leased into state to.
func (e *Entry) Leave(to State) {
	e.State, e.Owner, e.LeaseUntil = to, "", time.Time{}
}

// Expire ends the lease of e, which has run out: it spends one attempt as a crash, kept as e.Failure. The entry becomes
// Cancelled when its run is, Dead when maxAttempts are spent (0 or less: never), else Pending. For adapters, which end
// the attempt with [ResultExpired] and e.Failure.
func (e *Entry) Expire(run RunState, maxAttempts int) {
	e.Spent++
	e.Failure = &Failure{Class: failure.Crash, Reason: "lease_expired", Stage: "claim",
		Message: fmt.Sprintf("%s held the date until %s and was not heard of again", e.Owner,
			e.LeaseUntil.Format(time.RFC3339))}
	switch {
	case run == RunCancelled:
		e.Leave(Cancelled)
	case maxAttempts > 0 && e.Spent >= maxAttempts:
		e.Leave(Dead)
	default:
		e.Leave(Pending)
	}
}

// Check says what makes r no end of an attempt. For adapters.
func (r Release) Check() error {
	if r.To != Pending && r.To != Dead {
		return fmt.Errorf("an attempt cannot make it %q", r.To)
	}
	if r.Result != ResultReleased && r.Result != ResultFailed && r.Result != ResultDead {
		return fmt.Errorf("an attempt cannot end as %q", r.Result)
	}
	return nil
}

// Release ends the holder's attempt without completion, at the store's now: what would be Pending becomes Cancelled
// when the run is. For adapters, which end the attempt with r.Result and r.Failure.
func (e *Entry) Release(r Release, run RunState, now time.Time) {
	switch {
	case r.To == Pending && run == RunCancelled:
		e.Leave(Cancelled)
	case r.To == Pending:
		e.Leave(Pending)
		e.NotBefore = r.NotBefore
		if r.Delay > 0 {
			e.NotBefore = now.Add(r.Delay)
		}
	default:
		e.Leave(Dead)
		e.DeadPublished = false
	}
	if r.Spend {
		e.Spent++
	}
	if r.Failure != nil {
		e.Failure = r.Failure
	}
}
