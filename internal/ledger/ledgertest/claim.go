package ledgertest

import (
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// claimCases: what a claim answers.
var claimCases = []testCase{
	{"claim/granted", func(b *bench) {
		b.open(run1, day)
		before := b.at(day)
		c := b.claim(request(alice, before), ledger.Claimed)
		b.equal("lease", c.Lease,
			ledger.Lease{Job: jobName, Date: day, Run: run1, Seq: 1, Generation: 1, Attempt: 1, Owner: alice,
				Until: c.Entry.LeaseUntil})
		b.equal("run of the claim", c.Run.ID, run1)
		want := before
		want.State, want.Generation, want.Attempt, want.Owner = ledger.Leased, 1, 1, alice
		want.LeaseUntil, want.UpdatedAt = c.Entry.LeaseUntil, c.Entry.UpdatedAt
		b.equal("entry of the claim", c.Entry, want)
		b.equal("stored entry", b.at(day), want)
		if !c.Entry.LeaseUntil.After(before.UpdatedAt) {
			b.Errorf("lease until %v, want after %v", c.Entry.LeaseUntil, before.UpdatedAt)
		}
	}},
	{"claim/date never planned", func(b *bench) {
		b.open(run1, day)
		r := request(alice, b.at(day))
		r.Date = day.AddDays(1)
		b.unchanged("claim",
			func() { b.equal("claim", b.claim(r, ledger.NotPlanned), ledger.Claim{Outcome: ledger.NotPlanned}) })
	}},
	{"claim/unknown job", func(b *bench) {
		b.open(run1, day)
		r := request(alice, b.at(day))
		r.Job = "other"
		b.unchanged("claim", func() { b.claim(r, ledger.NotPlanned) })
	}},
	{"claim/another run with the current seq", func(b *bench) {
		b.open(run1, day)
		r := request(alice, b.at(day))
		r.Run = run2
		b.unchanged("claim",
			func() { b.equal("claim", b.claim(r, ledger.NotPlanned), ledger.Claim{Outcome: ledger.NotPlanned}) })
	}},
	{"claim/seq that was never given out", func(b *bench) {
		b.open(run1, day)
		r := request(alice, b.at(day))
		r.Seq++
		b.unchanged("claim", func() { b.claim(r, ledger.NotPlanned) })
	}},
	{"claim/old copy", func(b *bench) {
		old := request(alice, b.open(run1, day)[0])
		entries, err := b.Requeue(b.Context(), jobName, run1, []gamedate.Date{day})
		b.must(err)
		b.unchanged("claim", func() {
			c := b.claim(old, ledger.Superseded)
			b.equal("entry", c.Entry, entries[0])
		})
		b.claim(request(alice, entries[0]), ledger.Claimed)
		b.claim(old, ledger.Superseded)
	}},
	{"claim/old copy of an earlier run", func(b *bench) {
		old := request(alice, b.open(run1, day)[0])
		b.complete(day, simpleFacts())
		b.move(run1, ledger.RunFinished)
		b.open(run2, day)
		b.claim(old, ledger.Superseded)
	}},
	{"claim/message without seq is an old copy", func(b *bench) {
		b.open(run1, day)
		r := request(alice, b.at(day))
		r.Seq = 0
		b.claim(r, ledger.Superseded)
	}},
	{"claim/settled", func(b *bench) {
		b.open(run1, day)
		b.complete(day, simpleFacts())
		b.unchanged("claim", func() {
			c := b.claim(request(bob, b.at(day)), ledger.AlreadySettled)
			b.equal("entry", c.Entry, b.at(day))
		})
	}},
	{"claim/date without games", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		_, err := b.Record(b.Context(), jobName, run1, []ledger.Plan{{Date: day, To: ledger.NoGames}})
		b.must(err)
		b.move(run1, ledger.RunOpen)
		b.claim(request(alice, b.at(day)), ledger.AlreadySettled)
	}},
	{"claim/run not open", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		e := b.plan(run1, day)[0]
		for i, state := range []ledger.RunState{ledger.RunPlanning, ledger.RunCanary, ledger.RunAwaitingApproval,
			ledger.RunPlanning, ledger.RunOpen, ledger.RunPaused} {
			if i > 0 {
				b.move(run1, state)
			}
			if !state.Working() {
				b.unchanged("claim while "+string(state), func() {
					c := b.claim(request(alice, e), ledger.RunNotOpen)
					b.equal("run state", c.Run.State, state)
				})
			}
		}
	}},
	{"claim/sampled run", func(b *bench) {
		e := b.open(run1, day)[0]
		b.move(run1, ledger.RunPaused)
		b.move(run1, ledger.RunCanary)
		b.claim(request(alice, e), ledger.Claimed)
	}},
	{"claim/other version", func(b *bench) {
		r := request(alice, b.open(run1, day)[0])
		r.Version = "4.0.0"
		b.unchanged("claim", func() {
			c := b.claim(r, ledger.OtherVersion)
			b.equal("pinned version", c.Run.Version, version)
		})
	}},
	{"claim/not yet", func(b *bench) {
		b.open(run1, day)
		lease := b.take(alice, day).Lease
		b.must(b.Release(b.Context(), lease,
			ledger.Release{To: ledger.Pending, Delay: b.ttl(), Result: ledger.ResultReleased}))
		b.unchanged("claim", func() { b.claim(request(bob, b.at(day)), ledger.NotYet) })
		r := request(bob, b.at(day))
		r.Version = "4.0.0"
		b.claim(r, ledger.OtherVersion) // looked for before
		b.pass(b.ttl())
		c := b.claim(request(bob, b.at(day)), ledger.Claimed)
		if !c.Entry.NotBefore.IsZero() {
			b.Errorf("not before of a leased entry: got %v, want none", c.Entry.NotBefore)
		}
	}},
	{"claim/not before a given instant", func(b *bench) {
		b.open(run1, day)
		c := b.take(alice, day)
		at := c.Entry.UpdatedAt.Add(24 * time.Hour)
		b.must(b.Release(b.Context(), c.Lease,
			ledger.Release{To: ledger.Pending, NotBefore: at, Result: ledger.ResultReleased}))
		b.claim(request(bob, b.at(day)), ledger.NotYet)
		b.equal("not before", b.at(day).NotBefore, at)
	}},
	{"claim/held", func(b *bench) {
		b.open(run1, day)
		b.claim(request(alice, b.at(day)), ledger.Claimed)
		b.unchanged("claim", func() {
			c := b.claim(request(bob, b.at(day)), ledger.HeldBy)
			b.equal("holder", c.Entry.Owner, alice)
			if c.Wait <= 0 || c.Wait > time.Minute {
				b.Errorf("wait: got %v, want more than 0 and at most the lease of a minute", c.Wait)
			}
			b.equal("lease of the refused", c.Lease, ledger.Lease{})
		})
		b.claim(request(alice, b.at(day)), ledger.HeldBy) // the same owner has no second lease
	}},
	{"claim/cancelled run", func(b *bench) {
		b.open(run1, dates(2)...)
		b.take(alice, day)
		b.move(run1, ledger.RunCancelled)
		b.unchanged("claim", func() {
			b.claim(request(bob, b.at(day.AddDays(1))), ledger.ClaimCancelled)
			b.claim(request(bob, b.at(day)), ledger.ClaimCancelled)
		})
	}},
	{"claim/expired lease", func(b *bench) {
		b.open(run1, day)
		first := b.takeBriefly(alice, day)
		b.must(b.BeginWrite(b.Context(), first.Lease, b.ttl(), load("load-1")))
		b.pass(b.ttl())
		c := b.claim(request(bob, b.at(day)), ledger.Claimed)
		b.equal("lease", c.Lease,
			ledger.Lease{Job: jobName, Date: day, Run: run1, Seq: 1, Generation: 2, Attempt: 2, Owner: bob,
				Until: c.Entry.LeaseUntil})
		b.equal("spent", c.Entry.Spent, 1)
		b.equal("write of the old generation", c.Entry.Write, announced(1, "load-1"))
		attempts, err := b.Attempts(b.Context(), ledger.AttemptFilter{Job: jobName, Date: day}, 0)
		b.must(err)
		if len(attempts) != 2 {
			b.Fatalf("attempts: got %d, want 2", len(attempts))
		}
		old := attempts[1]
		b.equal("old attempt's result", old.Result, ledger.ResultExpired)
		if old.Failure == nil || old.Failure.Class != failure.Crash {
			b.Errorf("old attempt's failure: got %+v, want class crash", old.Failure)
		}
		if old.EndedAt.IsZero() {
			b.Error("old attempt has no end")
		}
	}},
	{"claim/last crash kills", func(b *bench) {
		b.open(run1, day)
		r := request(alice, b.at(day))
		r.TTL, r.MaxAttempts = b.ttl(), 2
		b.claim(r, ledger.Claimed)
		b.pass(b.ttl())
		b.claim(r, ledger.Claimed)
		b.pass(b.ttl())
		c := b.claim(r, ledger.DiedOfCrashes)
		b.equal("state", c.Entry.State, ledger.Dead)
		b.equal("spent", c.Entry.Spent, 2)
		b.equal("generation", c.Entry.Generation, int64(2))
		b.equal("lease", c.Lease, ledger.Lease{})
		if c.Entry.Failure == nil || c.Entry.Failure.Class != failure.Crash || c.Entry.DeadPublished || c.Entry.Owner != "" {
			b.Errorf("entry: got %+v, want an unpublished death of class crash without owner", c.Entry)
		}
		b.equal("stored entry", b.at(day), c.Entry)
		again := b.claim(r, ledger.AlreadySettled)
		b.equal("dead letter published", again.Entry.DeadPublished, false)
	}},
	{"claim/no limit of attempts", func(b *bench) {
		b.open(run1, day)
		r := request(alice, b.at(day))
		r.TTL, r.MaxAttempts = b.ttl(), 0
		b.claim(r, ledger.Claimed)
		b.pass(b.ttl())
		b.claim(r, ledger.Claimed)
	}},
	{"claim/expired lease of a cancelled run settles", func(b *bench) {
		b.open(run1, day)
		b.takeBriefly(alice, day)
		b.move(run1, ledger.RunCancelled)
		b.pass(b.ttl())
		c := b.claim(request(bob, b.at(day)), ledger.ClaimCancelled)
		b.equal("state", c.Entry.State, ledger.Cancelled)
		b.equal("stored entry", b.at(day), c.Entry)
	}},
	{"claim/dead letter published", func(b *bench) {
		b.open(run1, day)
		b.die(day)
		b.must(b.MarkDeadPublished(b.Context(), jobName, day, 2)) // another seq's
		b.equal("after another seq's", b.claim(request(bob, b.at(day)), ledger.AlreadySettled).Entry.DeadPublished, false)
		b.must(b.MarkDeadPublished(b.Context(), jobName, day, 1))
		b.equal("after its own", b.claim(request(bob, b.at(day)), ledger.AlreadySettled).Entry.DeadPublished, true)
		b.equal("after a replay", b.plan(run1, day)[0].DeadPublished, false)
		b.must(b.MarkDeadPublished(b.Context(), jobName, day, 2))
		b.equal("while pending", b.at(day).DeadPublished, false)
	}},
	{"claim/keeps the facts of the last completion", func(b *bench) {
		b.open(run1, day)
		facts := fullFacts()
		b.complete(day, facts)
		b.plan(run1, day)
		c := b.take(bob, day)
		if c.Entry.Facts == nil {
			b.Fatal("claimed entry has no facts")
		}
		b.equal("facts", *c.Entry.Facts, facts)
	}},
}
