package ledgertest

import (
	"fmt"
	"slices"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// planCases: what the publisher does with entries.
var planCases = []testCase{
	{"plan/new dates", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		ds := dates(3)
		got, err := b.Record(b.Context(), jobName, run1, []ledger.Plan{
			{Date: ds[2], To: ledger.NoSchedule},
			{Date: ds[0], To: ledger.Pending, Reason: ledger.ReasonNew},
			{Date: ds[1], To: ledger.NoGames},
		})
		b.must(err)
		want := []ledger.Entry{
			{Job: jobName, Date: ds[2], State: ledger.NoSchedule, Run: run1},
			{Job: jobName, Date: ds[0], State: ledger.Pending, Run: run1, Seq: 1, Reason: ledger.ReasonNew},
			{Job: jobName, Date: ds[1], State: ledger.NoGames, Run: run1},
		}
		for i := range want {
			if got[i].UpdatedAt.IsZero() {
				b.Errorf("%s has no time of change", got[i].Date)
			}
			want[i].UpdatedAt = got[i].UpdatedAt
		}
		b.equal("entries in the order of the plans", got, want)
		b.equal("stored entries in date order", b.all(run1), []ledger.Entry{want[1], want[2], want[0]})
	}},
	{"plan/repeated", func(b *bench) {
		b.open(run1, dates(2)...)
		b.unchanged("repeated plan", func() {
			b.equal("entries", b.plan(run1, dates(2)...), b.all(run1))
		})
	}},
	{"plan/unsettled dates stay", func(b *bench) {
		b.open(run1, dates(2)...)
		b.take(alice, day)
		for _, to := range []ledger.State{ledger.Pending, ledger.NoGames, ledger.NoSchedule} {
			b.unchanged("plan to "+string(to), func() {
				got, err := b.Record(b.Context(), jobName, run1, []ledger.Plan{{Date: day, To: to}, {Date: day.AddDays(1), To: to}})
				b.must(err)
				b.equal("entries", got, b.all(run1))
			})
		}
	}},
	{"plan/settled dates begin anew", func(b *bench) {
		b.open(run1, dates(2)...)
		b.complete(day, fullFacts())
		lease := b.take(alice, day.AddDays(1)).Lease
		b.must(b.Release(b.Context(), lease,
			ledger.Release{To: ledger.Dead, Spend: true, Result: ledger.ResultDead, Failure: badRows()}))
		b.move(run1, ledger.RunFinished)
		b.must(b.CreateRun(b.Context(), newRun(run2), nil))
		before := []ledger.Entry{b.at(day), b.at(day.AddDays(1))}
		got, err := b.Record(b.Context(), jobName, run2, []ledger.Plan{
			{Date: day, To: ledger.Pending, Reason: ledger.ReasonForced},
			{Date: day.AddDays(1), To: ledger.Pending, Reason: ledger.ReasonFailed},
		})
		b.must(err)
		for i, e := range got {
			want := before[i]
			want.State, want.Run, want.Seq, want.Spent, want.UpdatedAt = ledger.Pending, run2, 2, 0, e.UpdatedAt
			want.Reason = []string{ledger.ReasonForced, ledger.ReasonFailed}[i]
			b.equal("entry", e, want)
			b.equal("stored entry", b.at(e.Date), want)
		}
		if got[0].Facts == nil || got[1].Failure == nil {
			b.Errorf("facts %v and failure %v: want both kept", got[0].Facts, got[1].Failure)
		}
		b.equal("left with the first run", len(b.all(run1)), 0)
	}},
	{"plan/settled date without games any more", func(b *bench) {
		b.open(run1, day)
		b.complete(day, simpleFacts())
		got, err := b.Record(b.Context(), jobName, run1, []ledger.Plan{{Date: day, To: ledger.NoGames}})
		b.must(err)
		b.equal("state", got[0].State, ledger.NoGames)
		b.equal("seq", got[0].Seq, int64(1))
		b.equal("next seq", b.plan(run1, day)[0].Seq, int64(2))
	}},
	{"plan/under no run or one that has ended", func(b *bench) {
		plans := []ledger.Plan{{Date: day, To: ledger.Pending}}
		_, err := b.Record(b.Context(), jobName, run1, plans)
		b.wantErr("plan under no run", err, ledger.ErrNoRun)
		b.open(run1)
		b.move(run1, ledger.RunFinished)
		b.unchanged("plan under a finished run", func() {
			_, err := b.Record(b.Context(), jobName, run1, plans)
			b.wantErr("plan", err, ledger.ErrStopped)
		})
		b.must(b.CreateRun(b.Context(), newRun(run2), nil))
		b.move(run2, ledger.RunCancelled)
		b.unchanged("plan under a cancelled run", func() {
			_, err := b.Record(b.Context(), jobName, run2, plans)
			b.wantErr("plan", err, ledger.ErrStopped)
		})
	}},
	{"plan/to a state that plans cannot give", func(b *bench) {
		b.open(run1)
		for _, to := range ledger.States {
			if slices.Contains([]ledger.State{ledger.Pending, ledger.NoGames, ledger.NoSchedule}, to) {
				continue
			}
			b.unchanged("plan to "+string(to), func() {
				if _, err := b.Record(b.Context(), jobName, run1, []ledger.Plan{{Date: day, To: to}}); err == nil {
					b.Errorf("got no error for a plan to %s", to)
				}
			})
		}
	}},
	{"plan/date of a holder that died in a cancelled run", func(b *bench) {
		b.open(run1, dates(2)...)
		b.takeBriefly(alice, day)
		r := request(alice, b.at(day.AddDays(1)))
		r.TTL = time.Hour
		b.claim(r, ledger.Claimed)
		b.move(run1, ledger.RunCancelled)
		b.pass(b.ttl())
		b.must(b.CreateRun(b.Context(), newRun(run2), nil))
		got := b.plan(run2, dates(2)...)
		b.equal("expired", []any{got[0].State, got[0].Run, got[0].Seq}, []any{ledger.Pending, run2, int64(2)})
		b.equal("still held", []any{got[1].State, got[1].Run, got[1].Seq}, []any{ledger.Leased, run1, int64(1)})
		attempts, err := b.Attempts(b.Context(), ledger.AttemptFilter{Date: day}, 0)
		b.must(err)
		b.equal("result of the dead holder", attempts[0].Result, ledger.ResultExpired)
	}},
	{"plan/published", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		b.plan(run1, day)
		again, err := b.Requeue(b.Context(), jobName, run1, []gamedate.Date{day})
		b.must(err)
		b.publish(again)
		e := b.at(day)
		b.equal("published seq", e.PublishedSeq, int64(2))
		if e.PublishedAt.IsZero() {
			b.Error("no time of publication")
		}
		for name, p := range map[string]ledger.Published{
			"an older seq":     {Date: day, Seq: 1},
			"a seq to come":    {Date: day, Seq: 3},
			"an unknown date":  {Date: day.AddDays(1), Seq: 1},
			"a seq before all": {Date: day, Seq: 0},
		} {
			b.unchanged("publication of "+name, func() { b.must(b.MarkPublished(b.Context(), jobName, []ledger.Published{p})) })
		}
		b.must(b.MarkPublished(b.Context(), jobName, nil))
	}},
	{"plan/published while it is being done", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		entries := b.plan(run1, day)
		b.move(run1, ledger.RunOpen)
		lease := b.take(alice, day).Lease // the message overtook its mark
		b.publish(entries)
		b.equal("published seq", b.at(day).PublishedSeq, int64(1))
		b.must(b.Complete(b.Context(), lease, simpleFacts()))
	}},
	{"plan/entries of a range", func(b *bench) {
		b.open(run1, dates(5)...)
		entries, err := b.Entries(b.Context(), jobName, gamedate.Range{From: day.AddDays(1), To: day.AddDays(3)})
		b.must(err)
		b.equal("dates", datesOf(entries), dates(5)[1:4])
		entries, err = b.Entries(b.Context(), "other", season)
		b.must(err)
		b.equal("entries of another job", len(entries), 0)
	}},
	{"plan/counts by state", func(b *bench) {
		ds := dates(6)
		b.open(run1, ds[:5]...)
		_, err := b.Record(b.Context(), jobName, run1, []ledger.Plan{{Date: ds[5], To: ledger.NoGames}})
		b.must(err)
		b.complete(ds[0], simpleFacts())
		b.complete(ds[1], simpleFacts())
		b.die(ds[2])
		b.take(alice, ds[3])
		counts, err := b.CountStates(b.Context(), jobName, run1)
		b.must(err)
		b.equal("counts", counts,
			map[ledger.State]int{ledger.Complete: 2, ledger.Dead: 1, ledger.Leased: 1, ledger.Pending: 1, ledger.NoGames: 1})
		byState := map[ledger.State]int{}
		for _, e := range b.all(run1) {
			byState[e.State]++
		}
		b.equal("entries by state", byState, counts)
		for _, states := range [][]ledger.State{{ledger.Dead}, {ledger.Pending, ledger.Complete},
			{ledger.NoGames, ledger.Pending}, {ledger.Complete, ledger.Complete}, {ledger.RolledBack}} {
			some, err := b.RunEntries(b.Context(), jobName, run1, states...)
			b.must(err)
			var want []gamedate.Date
			for _, e := range b.all(run1) {
				if slices.Contains(states, e.State) {
					want = append(want, e.Date)
				}
			}
			b.equal(fmt.Sprintf("dates that are %v", states), datesOf(some), want)
		}
		counts, err = b.CountStates(b.Context(), jobName, run2)
		b.must(err)
		b.equal("counts of another run", len(counts), 0)
	}},
}
