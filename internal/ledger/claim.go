package ledger

import "time"

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
