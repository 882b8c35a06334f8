package ledgertest

import (
	"context"
	"reflect"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// holderCases: what the holder of a lease does with it.
var holderCases = []testCase{
	{"complete/records", func(b *bench) {
		b.open(run1, day)
		first := b.take(alice, day)
		b.must(b.Release(b.Context(), first.Lease,
			ledger.Release{To: ledger.Pending, Spend: true, Result: ledger.ResultFailed, Failure: badRows()}))
		c := b.take(bob, day)
		b.must(b.BeginWrite(b.Context(), c.Lease, time.Minute, load("load-2")))
		facts := simpleFacts()
		b.must(b.Complete(b.Context(), c.Lease, facts))
		got := b.at(day)
		want := c.Entry
		want.State, want.Owner, want.LeaseUntil, want.Failure, want.Facts = ledger.Complete, "", time.Time{}, nil, &facts
		want.Write, want.UpdatedAt = announced(2, "load-2"), got.UpdatedAt
		b.equal("entry", got, want)
		attempts, err := b.Attempts(b.Context(), ledger.AttemptFilter{Job: jobName, Date: day}, 1)
		b.must(err)
		b.equal("attempt", attempts,
			[]ledger.Attempt{{Job: jobName, Date: day, N: 2, Run: run1, Seq: 1, Generation: 2, Owner: bob,
				StartedAt: c.Entry.UpdatedAt, EndedAt: got.UpdatedAt, Result: ledger.ResultComplete, Outcome: ledger.Replaced}})
	}},
	{"complete/facts come back", func(b *bench) {
		full := fullFacts()
		for v, i := reflect.ValueOf(full), 0; i < v.NumField(); i++ {
			if v.Field(i).IsZero() {
				b.Errorf("the suite's facts leave %s out", v.Type().Field(i).Name)
			}
		}
		ds := dates(3)
		b.open(run1, ds...)
		for i, want := range []ledger.Facts{full, {},
			{Outcome: ledger.Emptied, CompletedAt: time.Date(2022, 1, 1, 0, 0, 0, 1000, time.UTC)}} {
			b.complete(ds[i], want)
			b.equal("facts", b.at(ds[i]).Facts, &want)
		}
	}},
	{"complete/facts of a later completion", func(b *bench) {
		b.open(run1, day)
		b.complete(day, fullFacts())
		b.plan(run1, day)
		want := simpleFacts()
		want.Outcome = ledger.Unchanged
		b.complete(day, want)
		b.equal("facts", b.at(day).Facts, &want)
	}},
	{"complete/repeated", func(b *bench) {
		b.open(run1, day)
		lease := b.take(alice, day).Lease
		b.must(b.Complete(b.Context(), lease, simpleFacts()))
		b.unchanged("repeated completion", func() {
			b.must(b.Complete(b.Context(), lease, simpleFacts()))
			b.must(b.Complete(b.Context(), lease, fullFacts()))
		})
		b.plan(run1, day)
		b.unchanged("completion after the date was queued again", func() {
			b.wantErr("complete", b.Complete(b.Context(), lease, simpleFacts()), ledger.ErrLeaseLost)
		})
	}},
	{"lease/old holder", func(b *bench) {
		b.open(run1, day)
		old := b.takeBriefly(alice, day).Lease
		b.must(b.BeginWrite(b.Context(), old, b.ttl(), load("load-1")))
		b.pass(b.ttl())
		current := b.claim(request(bob, b.at(day)), ledger.Claimed).Lease
		b.unchanged("old holder", func() { b.refusedAll(old) })
		b.must(b.Complete(b.Context(), current, simpleFacts()))
		b.unchanged("old holder after the completion", func() { b.refusedAll(old) })
	}},
	{"lease/given back", func(b *bench) {
		b.open(run1, dates(2)...)
		for i, r := range []ledger.Release{
			{To: ledger.Pending, Result: ledger.ResultReleased},
			{To: ledger.Dead, Result: ledger.ResultDead, Failure: badRows()},
		} {
			lease := b.take(alice, dates(2)[i]).Lease
			b.must(b.Release(b.Context(), lease, r))
			b.unchanged("holder after its release", func() { b.refusedAll(lease) })
		}
	}},
	{"lease/completed", func(b *bench) {
		b.open(run1, day)
		lease := b.take(alice, day).Lease
		b.must(b.Complete(b.Context(), lease, simpleFacts()))
		b.unchanged("holder after its completion", func() {
			_, err := b.Renew(b.Context(), lease, time.Hour)
			b.wantErr("renew", err, ledger.ErrLeaseLost)
			b.wantErr("begin write", b.BeginWrite(b.Context(), lease, time.Hour, load("late")), ledger.ErrLeaseLost)
			b.wantErr("release", b.Release(b.Context(), lease, ledger.Release{To: ledger.Dead, Result: ledger.ResultDead}),
				ledger.ErrLeaseLost)
		})
	}},
	{"lease/never granted", func(b *bench) {
		b.open(run1, day)
		b.unchanged("stranger", func() {
			b.refusedAll(ledger.Lease{Job: jobName, Date: day, Run: run1, Seq: 1})
			b.refusedAll(ledger.Lease{Job: jobName, Date: day, Run: run1, Seq: 1, Generation: 1})
			b.refusedAll(ledger.Lease{Job: jobName, Date: day.AddDays(1), Run: run1, Seq: 1, Generation: 1})
		})
	}},
	{"renew/extends", func(b *bench) {
		b.open(run1, day)
		c := b.take(alice, day)
		control, err := b.Renew(b.Context(), c.Lease, time.Hour)
		b.must(err)
		b.equal("control", control, ledger.Control{State: ledger.RunOpen})
		e := b.at(day)
		if got := e.LeaseUntil.Sub(c.Lease.Until); got < 50*time.Minute {
			b.Errorf("renewal to an hour moved the end of a lease of a minute by %v", got)
		}
		_, err = b.Renew(b.Context(), c.Lease, time.Second)
		b.must(err)
		b.equal("end of the lease after a shorter renewal", b.at(day).LeaseUntil, e.LeaseUntil)
		c.Entry.LeaseUntil, c.Entry.UpdatedAt = e.LeaseUntil, e.UpdatedAt
		b.equal("entry", e, c.Entry)
	}},
	{"renew/keeps others away", func(b *bench) {
		b.open(run1, day)
		lease := b.takeBriefly(alice, day).Lease
		_, err := b.Renew(b.Context(), lease, time.Hour)
		b.must(err)
		b.pass(b.ttl())
		b.claim(request(bob, b.at(day)), ledger.HeldBy)
	}},
	{"renew/expired but not taken", func(b *bench) {
		b.open(run1, day)
		lease := b.takeBriefly(alice, day).Lease
		b.pass(b.ttl())
		_, err := b.Renew(b.Context(), lease, time.Hour)
		b.must(err)
		b.claim(request(bob, b.at(day)), ledger.HeldBy)
		b.must(b.Complete(b.Context(), lease, simpleFacts()))
	}},
	{"write/recorded and renewed", func(b *bench) {
		b.open(run1, day)
		c := b.take(alice, day)
		for _, id := range []string{"load-1", "load-1", "", "load-2"} {
			b.must(b.BeginWrite(b.Context(), c.Lease, time.Hour, load(id)))
			b.equal("write", b.at(day).Write, announced(1, id))
		}
		if got := b.at(day).LeaseUntil.Sub(c.Lease.Until); got < 50*time.Minute {
			b.Errorf("a write of an hour moved the end of a lease of a minute by %v", got)
		}
	}},
	{"write/of the old generation outlives the next claim", func(b *bench) {
		b.open(run1, day)
		lease := b.take(alice, day).Lease
		b.must(b.BeginWrite(b.Context(), lease, time.Minute, load("load-1")))
		b.must(b.Release(b.Context(), lease, ledger.Release{To: ledger.Pending, Result: ledger.ResultFailed}))
		c := b.take(bob, day)
		b.equal("write seen by the next", c.Entry.Write, announced(1, "load-1"))
		b.must(b.BeginWrite(b.Context(), c.Lease, time.Minute, load("load-2")))
		b.equal("write of the next", b.at(day).Write, announced(2, "load-2"))
	}},
	{"release/to pending", func(b *bench) {
		b.open(run1, day)
		c := b.take(alice, day)
		f := &ledger.Failure{Class: failure.Quota, Reason: "rate", Stage: "write", Message: "slow down"}
		b.must(b.Release(b.Context(), c.Lease, ledger.Release{To: ledger.Pending, Result: ledger.ResultFailed, Failure: f}))
		got, want := b.at(day), c.Entry
		want.State, want.Owner, want.LeaseUntil, want.Failure, want.UpdatedAt = ledger.Pending, "", time.Time{}, f,
			got.UpdatedAt
		b.equal("entry", got, want)
		attempts, err := b.Attempts(b.Context(), ledger.AttemptFilter{Job: jobName, Date: day}, 0)
		b.must(err)
		b.equal("attempts", attempts,
			[]ledger.Attempt{{Job: jobName, Date: day, N: 1, Run: run1, Seq: 1, Generation: 1, Owner: alice,
				StartedAt: c.Entry.UpdatedAt, EndedAt: got.UpdatedAt, Result: ledger.ResultFailed, Failure: f}})
	}},
	{"release/spends when asked", func(b *bench) {
		b.open(run1, day)
		for i, spend := range []bool{true, false, true} {
			b.must(b.Release(b.Context(), b.take(alice, day).Lease,
				ledger.Release{To: ledger.Pending, Spend: spend, Result: ledger.ResultFailed, Failure: badRows()}))
			b.equal("spent", b.at(day).Spent, []int{1, 1, 2}[i])
			b.equal("attempt", b.at(day).Attempt, i+1)
		}
		b.must(b.Release(b.Context(), b.take(alice, day).Lease,
			ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased}))
		b.equal("failure after a plain release", b.at(day).Failure, badRows())
	}},
	{"release/to dead", func(b *bench) {
		b.open(run1, day)
		b.die(day)
		e := b.at(day)
		b.equal("state", e.State, ledger.Dead)
		b.equal("failure", e.Failure, badRows())
		b.equal("spent", e.Spent, 1)
		b.equal("dead letter published", e.DeadPublished, false)
		attempts, err := b.Attempts(b.Context(), ledger.AttemptFilter{Job: jobName, Date: day}, 0)
		b.must(err)
		b.equal("result", attempts[0].Result, ledger.ResultDead)
		b.equal("failure of the attempt", attempts[0].Failure, badRows())
	}},
	{"release/to what a release cannot give", func(b *bench) {
		b.open(run1, day)
		lease := b.take(alice, day).Lease
		for _, r := range []ledger.Release{
			{To: ledger.Complete, Result: ledger.ResultReleased}, {To: ledger.Leased, Result: ledger.ResultReleased},
			{Result: ledger.ResultReleased}, {To: ledger.Pending}, {To: ledger.Pending, Result: ledger.ResultComplete},
			{To: ledger.Dead, Result: ledger.ResultExpired},
		} {
			b.unchanged("release", func() {
				if err := b.Release(b.Context(), lease, r); err == nil {
					b.Errorf("got no error for %+v", r)
				}
			})
		}
	}},
	{"context/cancelled on entry changes nothing", func(b *bench) {
		ds := dates(3)
		b.open(run1, ds...)
		lease := b.take(alice, day).Lease
		b.die(ds[1])
		b.must(b.RecordDeadLetter(b.Context(), ledger.DeadLetter{ID: "m1", Job: jobName}))
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		calls := map[string]func() error{
			"CreateRun": func() error {
				run := newRun(run2)
				run.Job = "other"
				return b.CreateRun(ctx, run, nil)
			},
			"UpdateRun": func() error {
				_, err := b.UpdateRun(ctx, run1, ledger.Event{Kind: "x"}, func(r *ledger.Run) error { r.Cause = "x"; return nil })
				return err
			},
			"Record": func() error {
				_, err := b.Record(ctx, jobName, run1, []ledger.Plan{{Date: ds[2].AddDays(1), To: ledger.Pending}})
				return err
			},
			"MarkPublished": func() error { return b.MarkPublished(ctx, jobName, []ledger.Published{{Date: ds[2], Seq: 1}}) },
			"Claim":         func() error { _, err := b.Claim(ctx, request(bob, b.at(ds[2]))); return err },
			"Renew":         func() error { _, err := b.Renew(ctx, lease, time.Hour); return err },
			"BeginWrite":    func() error { return b.BeginWrite(ctx, lease, time.Hour, load("x")) },
			"Complete":      func() error { return b.Complete(ctx, lease, simpleFacts()) },
			"Release": func() error {
				return b.Release(ctx, lease, ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased})
			},

			"MarkDeadPublished": func() error { return b.MarkDeadPublished(ctx, jobName, ds[1], 1) },
			"Hold":              func() error { _, err := b.Hold(ctx, "role", bob, time.Hour); return err },
			"Requeue":           func() error { _, err := b.Requeue(ctx, jobName, run1, []gamedate.Date{ds[2]}); return err },
			"ExpireLeases":      func() error { _, err := b.ExpireLeases(ctx, jobName, run1, 1); return err },
			"AddEvent":          func() error { return b.AddEvent(ctx, ledger.Event{Job: jobName, Kind: "x"}) },
			"RecordDeadLetter":  func() error { return b.RecordDeadLetter(ctx, ledger.DeadLetter{ID: "m2", Job: jobName}) },
			"SettleDeadLetters": func() error {
				_, err := b.SettleDeadLetters(ctx, []string{"m1"}, ledger.LetterResolved, "op", "")
				return err
			},
		}
		for name, call := range calls {
			b.unchanged(name, func() { b.wantErr(name, call(), context.Canceled) })
		}
		held, err := b.Hold(b.Context(), "role", alice, time.Hour)
		b.must(err)
		b.equal("role is free", held, true)
		_, ok, err := b.OpenRun(b.Context(), "other")
		b.must(err)
		b.equal("run of the other job", ok, false)
	}},
}

// refusedAll wants every call of a holder refused as lost.
func (b *bench) refusedAll(lease ledger.Lease) {
	b.Helper()
	_, err := b.Renew(b.Context(), lease, time.Hour)
	b.wantErr("renew", err, ledger.ErrLeaseLost)
	b.wantErr("begin write", b.BeginWrite(b.Context(), lease, time.Hour, load("late")), ledger.ErrLeaseLost)
	b.wantErr("complete", b.Complete(b.Context(), lease, fullFacts()), ledger.ErrLeaseLost)
	b.wantErr("release", b.Release(b.Context(), lease, ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased}),
		ledger.ErrLeaseLost)
	b.wantErr("release to dead",
		b.Release(b.Context(), lease, ledger.Release{To: ledger.Dead, Result: ledger.ResultDead, Failure: badRows()}),
		ledger.ErrLeaseLost)
}

// stopCases: what a stopped run means for who holds its dates.
var stopCases = []testCase{
	{"stop/cancelled", func(b *bench) {
		b.open(run1, dates(3)...)
		leases := []ledger.Lease{b.take(alice, day).Lease, b.take(alice, day.AddDays(1)).Lease,
			b.take(alice, day.AddDays(2)).Lease}
		b.must(b.BeginWrite(b.Context(), leases[0], time.Minute, load("load-1")))
		b.move(run1, ledger.RunCancelled)
		b.unchanged("write after cancelling", func() {
			b.wantErr("begin write", b.BeginWrite(b.Context(), leases[1], time.Hour, load("load-2")), ledger.ErrStopped)
		})
		control, err := b.Renew(b.Context(), leases[1], time.Minute)
		b.must(err)
		b.equal("control", control, ledger.Control{State: ledger.RunCancelled, Stopped: true})
		b.must(b.Complete(b.Context(), leases[0], simpleFacts())) // written before: it is done, whatever the run
		b.must(b.Release(b.Context(), leases[1],
			ledger.Release{To: ledger.Pending, Delay: time.Hour, Result: ledger.ResultReleased}))
		b.must(b.Release(b.Context(), leases[2],
			ledger.Release{To: ledger.Dead, Result: ledger.ResultDead, Failure: badRows()}))
		var states []ledger.State
		for _, e := range b.all(run1) {
			states = append(states, e.State)
			b.equal("not before", e.NotBefore, time.Time{})
		}
		b.equal("states", states, []ledger.State{ledger.Complete, ledger.Cancelled, ledger.Dead})
	}},
	{"stop/held writes", func(b *bench) {
		b.open(run1, day)
		lease := b.take(alice, day).Lease
		hold := func(to ledger.RunState, hold bool) {
			_, err := b.UpdateRun(b.Context(), run1, ledger.Event{},
				func(r *ledger.Run) error { r.HoldWrites = hold; return r.Move(to) })
			b.must(err)
		}
		hold(ledger.RunPaused, true)
		b.unchanged("held write", func() {
			b.wantErr("begin write", b.BeginWrite(b.Context(), lease, time.Hour, load("load-1")), ledger.ErrStopped)
		})
		control, err := b.Renew(b.Context(), lease, time.Minute)
		b.must(err)
		b.equal("control", control, ledger.Control{State: ledger.RunPaused, Stopped: true})
		hold(ledger.RunOpen, false)
		b.must(b.BeginWrite(b.Context(), lease, time.Minute, load("load-1")))
	}},
	{"stop/paused dates in flight finish", func(b *bench) {
		b.open(run1, day)
		lease := b.take(alice, day).Lease
		b.move(run1, ledger.RunPaused)
		control, err := b.Renew(b.Context(), lease, time.Minute)
		b.must(err)
		b.equal("control", control, ledger.Control{State: ledger.RunPaused})
		b.must(b.BeginWrite(b.Context(), lease, time.Minute, load("load-1")))
		b.must(b.Complete(b.Context(), lease, simpleFacts()))
	}},
	{"stop/lost lease comes before stopped run", func(b *bench) {
		b.open(run1, day)
		lease := b.take(alice, day).Lease
		b.move(run1, ledger.RunCancelled)
		lease.Generation++
		b.wantErr("begin write", b.BeginWrite(b.Context(), lease, time.Minute, load("x")), ledger.ErrLeaseLost)
	}},
}
