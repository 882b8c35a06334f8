package ledgertest

import (
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// hold wants the answer of Hold.
func (b *bench) hold(role, owner string, ttl time.Duration, want bool) {
	b.Helper()
	got, err := b.Hold(b.Context(), role, owner, ttl)
	b.must(err)
	if got != want {
		b.Fatalf("%s holds %s: got %v, want %v", owner, role, got, want)
	}
}

// due wants the dates that Due returns.
func (b *bench) due(unclaimedFor time.Duration, want ...gamedate.Date) {
	b.Helper()
	entries, err := b.Due(b.Context(), jobName, run1, unclaimedFor)
	b.must(err)
	b.equal("due dates", datesOf(entries), want)
	for _, e := range entries {
		b.equal("due entry", e, b.at(e.Date))
	}
}

// reconcileCases: what the reconciler does.
var reconcileCases = []testCase{
	{"role/exclusive", func(b *bench) {
		b.hold("reconciler", alice, time.Hour, true)
		b.hold("reconciler", bob, time.Hour, false)
		b.hold("reconciler", alice, time.Hour, true)
		b.hold("other", bob, time.Hour, true)
	}},
	{"role/expires", func(b *bench) {
		b.hold("reconciler", alice, b.ttl(), true)
		b.pass(b.ttl())
		b.hold("reconciler", bob, time.Hour, true)
		b.hold("reconciler", alice, time.Hour, false)
	}},
	{"role/renewed", func(b *bench) {
		b.hold("reconciler", alice, b.ttl(), true)
		b.hold("reconciler", alice, time.Hour, true)
		b.pass(b.ttl())
		b.hold("reconciler", bob, time.Hour, false)
	}},
	{"role/given up", func(b *bench) {
		b.hold("reconciler", alice, time.Hour, true)
		b.hold("reconciler", alice, 0, true)
		b.hold("reconciler", bob, time.Hour, true)
	}},
	{"due/never published", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		b.plan(run1, dates(2)...)
		b.due(time.Hour)
		b.pass(b.ttl())
		b.due(b.ttl(), dates(2)...)
		b.due(time.Hour)
	}},
	{"due/published and not claimed", func(b *bench) {
		b.open(run1, dates(3)...)
		b.pass(b.ttl())
		b.take(alice, day)
		b.complete(day.AddDays(1), simpleFacts())
		b.due(b.ttl(), day.AddDays(2))
		b.publish([]ledger.Entry{b.at(day.AddDays(2))})
		b.due(time.Hour)
	}},
	{"due/given back and never heard of again", func(b *bench) {
		b.open(run1, day)
		b.pass(b.ttl())
		b.must(b.Release(b.Context(), b.take(alice, day).Lease,
			ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased}))
		b.due(time.Hour)
		b.pass(b.ttl())
		b.due(b.ttl(), day)
	}},
	{"due/past its wait", func(b *bench) {
		b.open(run1, dates(2)...)
		for i, d := range dates(2) {
			delay := []time.Duration{b.ttl(), 24 * time.Hour}[i]
			b.must(b.Release(b.Context(), b.take(alice, d).Lease,
				ledger.Release{To: ledger.Pending, Delay: delay, Result: ledger.ResultReleased}))
		}
		b.due(0)
		b.pass(b.ttl())
		b.due(time.Hour, day) // though published a moment ago
	}},
	{"due/of one run", func(b *bench) {
		b.open(run1, dates(2)...)
		b.die(day)
		b.move(run1, ledger.RunCancelled)
		b.must(b.CreateRun(b.Context(), newRun(run2), nil))
		b.plan(run2, day)
		b.pass(b.ttl())
		b.due(b.ttl())
		entries, err := b.Due(b.Context(), jobName, run2, b.ttl())
		b.must(err)
		b.equal("due dates of the second run", datesOf(entries), []gamedate.Date{day})
	}},
	{"requeue/pending dates only", func(b *bench) {
		ds := dates(4)
		b.open(run1, ds...)
		b.take(alice, ds[1])
		b.die(ds[2])
		b.must(b.Release(b.Context(), b.take(alice, ds[3]).Lease,
			ledger.Release{To: ledger.Pending, Delay: time.Hour, Result: ledger.ResultReleased}))
		before := b.all(run1)
		got, err := b.Requeue(b.Context(), jobName, run1, append(ds, ds[3].AddDays(1)))
		b.must(err)
		var want []ledger.Entry
		for i, e := range got {
			w := before[[]int{0, 3}[i]]
			w.Seq, w.NotBefore, w.UpdatedAt = 2, time.Time{}, e.UpdatedAt
			want = append(want, w)
		}
		b.equal("requeued", got, want)
		b.equal("all dates", b.all(run1), []ledger.Entry{want[0], before[1], before[2], want[1]})
		b.equal("known on the queue", want[0].PublishedSeq, int64(1))
		got, err = b.Requeue(b.Context(), jobName, run2, ds)
		b.must(err)
		b.equal("requeued under another run", len(got), 0)
	}},
	{"expire/returns expired leases", func(b *bench) {
		ds := dates(3)
		b.open(run1, ds...)
		b.takeBriefly(alice, ds[0])
		r := request(bob, b.at(ds[1]))
		r.TTL = time.Hour
		b.claim(r, ledger.Claimed)
		none, err := b.ExpireLeases(b.Context(), jobName, run1, maxAttempts)
		b.must(err)
		b.equal("expired at once", len(none), 0)
		b.pass(b.ttl())
		before := b.all(run1)
		got, err := b.ExpireLeases(b.Context(), jobName, run1, maxAttempts)
		b.must(err)
		if len(got) != 1 {
			b.Fatalf("expired: got %v, want %s alone", datesOf(got), ds[0])
		}
		want := before[0]
		want.State, want.Seq, want.Spent, want.Owner, want.LeaseUntil = ledger.Pending, 2, 1, "", time.Time{}
		want.Failure, want.UpdatedAt = got[0].Failure, got[0].UpdatedAt
		b.equal("expired", got, []ledger.Entry{want})
		b.equal("all dates", b.all(run1), []ledger.Entry{want, before[1], before[2]})
		if f := got[0].Failure; f == nil || f.Class != failure.Crash {
			b.Errorf("failure: got %+v, want class crash", f)
		}
		attempts, err := b.Attempts(b.Context(), ledger.AttemptFilter{Job: jobName, Date: ds[0]}, 0)
		b.must(err)
		b.equal("result", attempts[0].Result, ledger.ResultExpired)
		b.equal("end", attempts[0].EndedAt, got[0].UpdatedAt)
		b.unchanged("second look", func() {
			again, err := b.ExpireLeases(b.Context(), jobName, run1, maxAttempts)
			b.must(err)
			b.equal("expired again", len(again), 0)
		})
	}},
	{"expire/last attempt", func(b *bench) {
		b.open(run1, day)
		b.must(b.Release(b.Context(), b.take(alice, day).Lease,
			ledger.Release{To: ledger.Pending, Spend: true, Result: ledger.ResultFailed, Failure: badRows()}))
		b.takeBriefly(alice, day)
		b.pass(b.ttl())
		got, err := b.ExpireLeases(b.Context(), jobName, run1, 2)
		b.must(err)
		b.equal("expired", []any{got[0].State, got[0].Seq, got[0].Spent, got[0].DeadPublished},
			[]any{ledger.Dead, int64(1), 2, false})
		b.equal("stored", b.at(day), got[0])
	}},
	{"expire/cancelled run", func(b *bench) {
		b.open(run1, day)
		b.takeBriefly(alice, day)
		b.move(run1, ledger.RunCancelled)
		b.pass(b.ttl())
		got, err := b.ExpireLeases(b.Context(), jobName, run1, maxAttempts)
		b.must(err)
		b.equal("expired", []any{got[0].State, got[0].Seq}, []any{ledger.Cancelled, int64(1)})
	}},
	{"expire/other run", func(b *bench) {
		b.open(run1, day)
		b.takeBriefly(alice, day)
		b.pass(b.ttl())
		b.unchanged("another run's leases", func() {
			got, err := b.ExpireLeases(b.Context(), jobName, run2, maxAttempts)
			b.must(err)
			b.equal("expired", len(got), 0)
		})
	}},
	{"expire/old message is superseded", func(b *bench) {
		old := request(bob, b.open(run1, day)[0])
		b.takeBriefly(alice, day)
		b.pass(b.ttl())
		_, err := b.ExpireLeases(b.Context(), jobName, run1, maxAttempts)
		b.must(err)
		b.claim(old, ledger.Superseded)
		c := b.claim(request(bob, b.at(day)), ledger.Claimed)
		b.equal("generation and attempt", []any{c.Lease.Generation, c.Lease.Attempt}, []any{int64(2), 2})
	}},
}
