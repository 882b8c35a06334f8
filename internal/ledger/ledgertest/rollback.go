package ledgertest

import (
	"context"
	"time"

	"gamefill/internal/ledger"
)

// rollbackOf names the putting back of an entry.
func rollbackOf(e ledger.Entry) ledger.Rollback {
	return ledger.Rollback{Job: e.Job, Date: e.Date, Run: e.Run, Generation: e.Generation, ID: "back-1", Fingerprint: "p1"}
}

// rollbackCases: putting back what a run wrote.
var rollbackCases = []testCase{
	{"rollback/begins and finishes", func(b *bench) {
		b.open(run1, day)
		c := b.take(alice, day)
		b.must(b.BeginWrite(b.Context(), c.Lease, time.Minute, load("load-1")))
		facts := fullFacts()
		b.must(b.Complete(b.Context(), c.Lease, facts))
		want := b.at(day)
		r := rollbackOf(want)
		b.must(b.BeginRollback(b.Context(), r))
		got := b.at(day)
		want.Generation, want.UpdatedAt = 2, got.UpdatedAt
		want.Write = ledger.WriteRecord{Generation: 2, ID: "back-1", Run: run1, Fingerprint: "p1", Rollback: true}
		b.equal("begun", got, want)
		b.unchanged("begun again", func() { b.must(b.BeginRollback(b.Context(), r)) })

		b.must(b.FinishRollback(b.Context(), r, ledger.Event{Kind: "rolled_back", Actor: "op", Message: "a test"}))
		got = b.at(day)
		want.State, want.UpdatedAt = ledger.RolledBack, got.UpdatedAt
		b.equal("finished", got, want)
		events, err := b.Events(b.Context(), jobName, run1, 1)
		b.must(err)
		b.equal("event", events,
			[]ledger.Event{
				{At: got.UpdatedAt, Job: jobName, Run: run1, Date: day, Kind: "rolled_back", Actor: "op", Message: "a test"}})
		b.unchanged("finished again", func() {
			b.must(b.FinishRollback(b.Context(), r, ledger.Event{Kind: "rolled_back"}))
			b.wantErr("begin", b.BeginRollback(b.Context(), r), ledger.ErrMoved)
		})
	}},
	{"rollback/of an ended run", func(b *bench) {
		for i, end := range []ledger.RunState{ledger.RunFinished, ledger.RunCancelled} {
			d, run := dates(2)[i], []string{run1, run2}[i]
			b.open(run, d)
			b.complete(d, simpleFacts())
			b.move(run, end)
			r := rollbackOf(b.at(d))
			b.must(b.BeginRollback(b.Context(), r))
			b.must(b.FinishRollback(b.Context(), r, ledger.Event{Kind: "rolled_back"}))
			b.equal("state", b.at(d).State, ledger.RolledBack)
			b.equal("state of the run", b.run(run).State, end)
		}
	}},
	{"rollback/only what is complete as it was seen", func(b *bench) {
		ds := dates(4)
		b.open(run1, ds...)
		b.complete(ds[0], simpleFacts())
		b.die(ds[1])
		b.take(alice, ds[2])
		older, newer, other, never := rollbackOf(b.at(ds[0])), rollbackOf(b.at(ds[0])), rollbackOf(b.at(ds[0])),
			rollbackOf(b.at(ds[0]))
		older.Generation--
		newer.Generation++
		other.Run = run2
		never.Date = day.AddDays(9)
		rollbacks := map[string]ledger.Rollback{"older generation": older, "generation to come": newer, "other run": other,
			"never planned": never, "dead": rollbackOf(b.at(ds[1])), "leased": rollbackOf(b.at(ds[2])),
			"pending": rollbackOf(b.at(ds[3]))}
		for name, r := range rollbacks {
			b.unchanged(name, func() {
				b.wantErr("begin, "+name, b.BeginRollback(b.Context(), r), ledger.ErrMoved)
				b.wantErr("finish, "+name, b.FinishRollback(b.Context(), r, ledger.Event{Kind: "x"}), ledger.ErrMoved)
			})
		}
		b.unchanged("finish what was not begun", func() {
			b.wantErr("finish", b.FinishRollback(b.Context(), rollbackOf(b.at(ds[0])), ledger.Event{Kind: "x"}), ledger.ErrMoved)
		})
	}},
	{"rollback/a claimant wins and sees the write", func(b *bench) {
		b.open(run1, day)
		b.complete(day, simpleFacts())
		r := rollbackOf(b.at(day))
		b.must(b.BeginRollback(b.Context(), r))
		b.plan(run1, day)
		b.wantErr("finish of a date that is queued", b.FinishRollback(b.Context(), r, ledger.Event{Kind: "x"}),
			ledger.ErrMoved)
		c := b.take(bob, day)
		b.equal("generation", c.Lease.Generation, int64(3))
		b.equal("write to close", c.Entry.Write,
			ledger.WriteRecord{Generation: 2, ID: "back-1", Run: run1, Fingerprint: "p1", Rollback: true})
		b.must(b.BeginWrite(b.Context(), c.Lease, time.Minute, load("load-3")))
		b.equal("write of the claimant", b.at(day).Write, announced(3, "load-3"))
		b.must(b.Complete(b.Context(), c.Lease, simpleFacts()))
		b.unchanged("finish of a date that is done again", func() {
			b.wantErr("finish", b.FinishRollback(b.Context(), r, ledger.Event{Kind: "x"}), ledger.ErrMoved)
		})
	}},
	{"rollback/begun again after a crash", func(b *bench) {
		b.open(run1, day)
		b.complete(day, simpleFacts())
		first := rollbackOf(b.at(day))
		b.must(b.BeginRollback(b.Context(), first))
		second := rollbackOf(b.at(day))
		second.ID = "back-2"
		b.must(b.BeginRollback(b.Context(), second))
		b.unchanged("the first comes back", func() {
			b.wantErr("begin", b.BeginRollback(b.Context(), first), ledger.ErrMoved)
			b.wantErr("finish", b.FinishRollback(b.Context(), first, ledger.Event{Kind: "x"}), ledger.ErrMoved)
		})
		b.must(b.FinishRollback(b.Context(), second, ledger.Event{Kind: "rolled_back"}))
		b.equal("generation", b.at(day).Generation, int64(3))
	}},
	{"rollback/the date can be done again", func(b *bench) {
		b.open(run1, day)
		b.complete(day, simpleFacts())
		r := rollbackOf(b.at(day))
		b.must(b.BeginRollback(b.Context(), r))
		b.must(b.FinishRollback(b.Context(), r, ledger.Event{Kind: "rolled_back"}))
		b.unchanged("an old message", func() { b.claim(request(bob, b.at(day)), ledger.AlreadySettled) })
		e := b.plan(run1, day)[0]
		b.equal("state", e.State, ledger.Pending)
		b.equal("facts", e.Facts.Fingerprint, simpleFacts().Fingerprint)
		b.equal("generation", b.take(bob, day).Lease.Generation, int64(3))
	}},
	{"rollback/cancelled context", func(b *bench) {
		b.open(run1, day)
		b.complete(day, simpleFacts())
		r := rollbackOf(b.at(day))
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		b.unchanged("begin", func() { b.wantErr("begin", b.BeginRollback(ctx, r), context.Canceled) })
		b.must(b.BeginRollback(b.Context(), r))
		b.unchanged("finish",
			func() { b.wantErr("finish", b.FinishRollback(ctx, r, ledger.Event{Kind: "x"}), context.Canceled) })
	}},
}

func (b *bench) run(id string) ledger.Run {
	b.Helper()
	run, err := b.Run(b.Context(), id)
	b.must(err)
	return run
}
