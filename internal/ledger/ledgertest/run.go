package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
)

// storeSets leaves out what the store stamps.
var storeSets = cmpopts.IgnoreFields(ledger.Run{}, "CreatedAt", "UpdatedAt", "OpenedAt", "FinishedAt")

// incompressible is n bytes that gzip cannot shrink, the same each time.
func incompressible(n int) []byte {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // never fails
	return content
}

// wantOpen wants a RunOpenError that names the run.
func (b *bench) wantOpen(err error, id string) {
	b.Helper()
	open, ok := errors.AsType[*ledger.RunOpenError](err)
	if !ok {
		b.Fatalf("got error %v, want a RunOpenError", err)
	}
	b.equal("open run", open.Open.ID, id)
}

// runCases: the control plane.
var runCases = []testCase{
	{"run/created", func(b *bench) {
		want := newRun(run1)
		want.Accept, want.Force, want.StopOnFirstFailure, want.PlanHash = []string{"rule_a", "rule_b"}, true, true, "plan"
		b.must(b.CreateRun(b.Context(), want, []byte("x")))
		got, err := b.Run(b.Context(), run1)
		b.must(err)
		want.State = ledger.RunPlanning
		if diff := cmp.Diff(want, got, storeSets); diff != "" {
			b.Errorf("run (-want +got):\n%s", diff)
		}
		if got.CreatedAt.IsZero() || got.CreatedAt.Location() != time.UTC || !got.UpdatedAt.Equal(got.CreatedAt) ||
			!got.FinishedAt.IsZero() {
			b.Errorf("times: got %v, %v, %v, want one time in UTC twice and none", got.CreatedAt, got.UpdatedAt, got.FinishedAt)
		}
		open, ok, err := b.OpenRun(b.Context(), jobName)
		b.must(err)
		b.equal("there is an open run", ok, true)
		b.equal("open run", open, got)
		bound, err := b.Target(b.Context(), jobName)
		b.must(err)
		b.equal("target", bound, target)
	}},
	{"run/without optional fields", func(b *bench) {
		want := ledger.Run{ID: run1, Job: jobName, Range: gamedate.Range{From: day, To: day}, Target: target,
			Version: version}
		b.must(b.CreateRun(b.Context(), want, nil))
		got, err := b.Run(b.Context(), run1)
		b.must(err)
		want.State = ledger.RunPlanning
		if diff := cmp.Diff(want, got, storeSets); diff != "" {
			b.Errorf("run (-want +got):\n%s", diff)
		}
	}},
	{"run/none", func(b *bench) {
		_, err := b.Run(b.Context(), run1)
		b.wantErr("run", err, ledger.ErrNoRun)
		_, err = b.Reference(b.Context(), run1)
		b.wantErr("reference", err, ledger.ErrNoRun)
		_, err = b.UpdateRun(b.Context(), run1, ledger.Event{Kind: "paused"}, func(*ledger.Run) error { return nil })
		b.wantErr("update", err, ledger.ErrNoRun)
		_, ok, err := b.OpenRun(b.Context(), jobName)
		b.must(err)
		b.equal("there is an open run", ok, false)
		bound, err := b.Target(b.Context(), jobName)
		b.must(err)
		b.equal("target", bound, "")
		b.equal("everything", b.picture(), picture{})
	}},
	{"run/second is refused while one is open", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), []byte("one")))
		for _, state := range []ledger.RunState{ledger.RunPlanning, ledger.RunOpen, ledger.RunPaused} {
			if state != ledger.RunPlanning {
				b.move(run1, state)
			}
			b.unchanged("second run", func() { b.wantOpen(b.CreateRun(b.Context(), newRun(run2), []byte("two")), run1) })
		}
		_, err := b.Reference(b.Context(), run2)
		b.wantErr("reference of the refused run", err, ledger.ErrNoRun)
		b.move(run1, ledger.RunCancelled)
		b.must(b.CreateRun(b.Context(), newRun(run2), []byte("two")))
		for id, want := range map[string]string{run1: "one", run2: "two"} {
			got, err := b.Reference(b.Context(), id)
			b.must(err)
			b.equal("reference of "+id, string(got), want)
		}
	}},
	{"run/other target is refused for good", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		b.move(run1, ledger.RunCancelled)
		other := newRun(run2)
		other.Target = "bigquery:p/nba_analytics.player_game_summary"
		b.unchanged("run of another target", func() {
			err := b.CreateRun(b.Context(), other, nil)
			refused, ok := errors.AsType[*ledger.OtherTargetError](err)
			if !ok {
				b.Fatalf("got error %v, want an OtherTargetError", err)
			}
			b.equal("refusal", *refused, ledger.OtherTargetError{Job: jobName, Bound: target, Given: other.Target})
		})
		other.Job = "other_job" // a job has a target and an open run of its own
		b.must(b.CreateRun(b.Context(), other, nil))
		b.must(b.CreateRun(b.Context(), newRun("run-3"), nil))
		bound, err := b.Target(b.Context(), "other_job")
		b.must(err)
		b.equal("target of the other job", bound, other.Target)
	}},
	{"run/id is used once", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), []byte("one")))
		b.move(run1, ledger.RunCancelled)
		b.unchanged("run of a used id", func() {
			if err := b.CreateRun(b.Context(), newRun(run1), []byte("two")); err == nil {
				b.Error("got no error for an id that is taken")
			}
		})
		got, err := b.Reference(b.Context(), run1)
		b.must(err)
		b.equal("reference", string(got), "one")
	}},
	{"run/reference of any size", func(b *bench) {
		for i, n := range []int{0, 1, 900_000, 3 << 20} {
			id, want := fmt.Sprintf("run-%d", i), incompressible(n)
			b.must(b.CreateRun(b.Context(), newRun(id), want))
			got, err := b.Reference(b.Context(), id)
			b.must(err)
			if !bytes.Equal(got, want) {
				b.Errorf("reference of %d bytes: got %d other bytes", n, len(got))
			}
			b.move(id, ledger.RunCancelled)
		}
	}},
	{"run/two racers", func(b *bench) {
		for round := range 10 {
			errs := together(4, func(i int) error {
				run := newRun(fmt.Sprintf("run-%d-%d", round, i))
				run.Job = fmt.Sprintf("job-%d", round)
				return b.CreateRun(b.Context(), run, nil)
			})
			winner := slices.Index(errs, nil)
			if winner < 0 {
				b.Fatalf("round %d: nobody won: %v", round, errs)
			}
			for i, err := range errs {
				if i != winner {
					b.wantOpen(err, fmt.Sprintf("run-%d-%d", round, winner))
				}
			}
		}
	}},
	{"run/list", func(b *bench) {
		for _, id := range []string{"c", "a", "b"} {
			b.must(b.CreateRun(b.Context(), newRun(id), nil))
			b.move(id, ledger.RunCancelled)
		}
		ids := func(limit int) (ids []string) {
			runs, err := b.ListRuns(b.Context(), jobName, limit)
			b.must(err)
			for _, r := range runs {
				ids = append(ids, r.ID)
			}
			return ids
		}
		b.equal("all", ids(0), []string{"b", "a", "c"})
		b.equal("at most two", ids(2), []string{"b", "a"})
		none, err := b.ListRuns(b.Context(), "other", 0)
		b.must(err)
		b.equal("of another job", len(none), 0)
	}},
	{"run/update stores every field", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		edit := func(r *ledger.Run) {
			r.Range.To = r.Range.To.AddDays(30)
			r.Version, r.Settings, r.SettingsHash, r.ReferenceHash, r.PlanHash = "6", []byte(`{}`), "s2", "r2", "p2"
			r.Accept, r.Force, r.StopOnFirstFailure, r.Reason, r.Actor = []string{"x"}, true, true, "other", "someone"
			r.HoldWrites, r.Cause, r.CauseKind = true, "three dates failed alike", "breaker"
			r.Verdict, r.Checks = job.Warned, []job.Check{
				{Name: "rows", Scope: "2021-22", Verdict: job.Failed, Seen: "1", Bound: "2", Advice: "look"}}
			r.Counts = map[ledger.State]int{ledger.Complete: 7, ledger.Dead: 1}
			r.Sample = &ledger.Sample{Dates: dates(2), Range: r.Range, PlanHash: "p1", Verdict: job.Failed, Checks: r.Checks}
			r.Approval = &ledger.Approval{Actor: "op", Reason: "known", PlanHash: "p1", Version: "6", SettingsHash: "s2",
				Override: true}
		}
		got, err := b.UpdateRun(b.Context(), run1, ledger.Event{}, func(r *ledger.Run) error {
			edit(r)
			return r.Move(ledger.RunPaused)
		})
		b.must(err)
		want := newRun(run1)
		edit(&want)
		want.State = ledger.RunPaused
		if diff := cmp.Diff(want, got, storeSets); diff != "" {
			b.Errorf("run (-want +got):\n%s", diff)
		}
		stored, err := b.Run(b.Context(), run1)
		b.must(err)
		b.equal("stored run", stored, got)
	}},
	{"run/opening is stamped", func(b *bench) {
		run := newRun(run1)
		run.OpenedAt = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC) // the store's to say
		b.must(b.CreateRun(b.Context(), run, nil))
		var last time.Time
		for _, step := range []struct {
			to     ledger.RunState
			opened bool
		}{{ledger.RunPlanning, false}, {ledger.RunOpen, true}, {ledger.RunOpen, false}, {ledger.RunPaused, false},
			{ledger.RunOpen, true}, {ledger.RunFinished, false}} {
			run, err := b.UpdateRun(b.Context(), run1, ledger.Event{}, func(r *ledger.Run) error {
				r.OpenedAt = time.Time{}
				r.State = step.to
				return nil
			})
			b.must(err)
			if step.opened {
				last = run.UpdatedAt
			}
			if !run.OpenedAt.Equal(last) {
				b.Errorf("to %s: opened at %v, want %v", step.to, run.OpenedAt, last)
			}
		}
	}},
	{"run/sampling is stamped like opening", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		sampled := b.move(run1, ledger.RunCanary)
		b.equal("opened at", sampled.OpenedAt, sampled.UpdatedAt)
		b.equal("opened at while it waits", b.move(run1, ledger.RunAwaitingApproval).OpenedAt, sampled.OpenedAt)
	}},
	{"run/update and its event are one", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		event := ledger.Event{Kind: "paused", Actor: "op", Message: "lunch"}
		run, err := b.UpdateRun(b.Context(), run1, event, func(r *ledger.Run) error { return r.Move(ledger.RunPaused) })
		b.must(err)
		events, err := b.Events(b.Context(), jobName, run1, 0)
		b.must(err)
		event.At, event.Job, event.Run = run.UpdatedAt, jobName, run1
		b.equal("events", events, []ledger.Event{event})
		refused := errors.New("not now")
		b.unchanged("refused change", func() {
			_, err := b.UpdateRun(b.Context(), run1, event, func(r *ledger.Run) error { r.Cause = "x"; return refused })
			b.wantErr("update", err, refused)
		})
	}},
	{"run/update refuses what Move refuses", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		for _, change := range []func(*ledger.Run) error{
			func(r *ledger.Run) error { return r.Move(ledger.RunFinished) },
			func(r *ledger.Run) error { r.State = ledger.RunFinished; return nil },
		} {
			b.unchanged("illegal move", func() {
				if _, err := b.UpdateRun(b.Context(), run1, ledger.Event{Kind: "finished"}, change); err == nil {
					b.Error("got no error for planning to finished")
				}
			})
		}
	}},
	{"run/update protects the identity", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		for name, change := range map[string]func(*ledger.Run){
			"id":         func(r *ledger.Run) { r.ID = run2 },
			"job":        func(r *ledger.Run) { r.Job = "other" },
			"target":     func(r *ledger.Run) { r.Target = "other" },
			"created at": func(r *ledger.Run) { r.CreatedAt = r.CreatedAt.Add(time.Second) },
		} {
			b.unchanged("changed "+name, func() {
				if _, err := b.UpdateRun(b.Context(), run1, ledger.Event{},
					func(r *ledger.Run) error { change(r); return nil }); err == nil {
					b.Errorf("got no error for a changed %s", name)
				}
			})
		}
	}},
	{"run/update is tried again after a conflict", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		calls := 0
		run, err := b.UpdateRun(b.Context(), run1, ledger.Event{Kind: "outer"}, func(r *ledger.Run) error {
			if calls++; calls == 1 {
				_, err := b.UpdateRun(b.Context(), run1, ledger.Event{Kind: "inner"},
					func(r *ledger.Run) error { r.Cause = "inner"; return nil })
				b.must(err)
			}
			r.Reason = "outer"
			return nil
		})
		b.must(err)
		b.equal("calls", calls, 2)
		b.equal("both changes", []string{run.Cause, run.Reason}, []string{"inner", "outer"})
		events, err := b.Events(b.Context(), jobName, run1, 0)
		b.must(err)
		b.equal("events", []string{events[0].Kind, events[1].Kind}, []string{"outer", "inner"})
	}},
	{"run/updates at once are all kept", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		var want []string
		for i := range 8 {
			want = append(want, fmt.Sprintf("rule_%d", i))
		}
		b.must(errors.Join(together(8, func(i int) error {
			_, err := b.UpdateRun(b.Context(), run1, ledger.Event{}, func(r *ledger.Run) error {
				r.Accept = append(r.Accept, want[i])
				return nil
			})
			return err
		})...))
		run, err := b.Run(b.Context(), run1)
		b.must(err)
		b.equal("accepted rules", slices.Sorted(slices.Values(run.Accept)), want)
	}},
	{"run/finishing waits for its dates", func(b *bench) {
		b.open(run1, dates(2)...)
		finish := func() error {
			_, err := b.UpdateRun(b.Context(), run1, ledger.Event{Kind: "finished"},
				func(r *ledger.Run) error { return r.Move(ledger.RunFinished) })
			return err
		}
		b.unchanged("finishing with a pending date", func() { b.wantErr("finish", finish(), ledger.ErrUnsettled) })
		b.complete(day, simpleFacts())
		last := b.take(alice, day.AddDays(1))
		b.unchanged("finishing with a leased date", func() { b.wantErr("finish", finish(), ledger.ErrUnsettled) })
		b.must(b.Complete(b.Context(), last.Lease, simpleFacts()))
		b.must(finish())
		run, err := b.Run(b.Context(), run1)
		b.must(err)
		b.equal("finished at", run.FinishedAt, run.UpdatedAt)
		b.equal("finished at after reopening", b.move(run1, ledger.RunOpen).FinishedAt, time.Time{})
	}},
	{"run/reopening while another is open", func(b *bench) {
		b.open(run1, day)
		b.complete(day, simpleFacts())
		b.move(run1, ledger.RunFinished)
		b.must(b.CreateRun(b.Context(), newRun(run2), nil))
		b.unchanged("reopening", func() {
			_, err := b.UpdateRun(b.Context(), run1, ledger.Event{Kind: "reopened"},
				func(r *ledger.Run) error { return r.Move(ledger.RunOpen) })
			b.wantOpen(err, run2)
		})
		b.move(run2, ledger.RunCancelled)
		b.equal("state after the other has ended", b.move(run1, ledger.RunOpen).State, ledger.RunOpen)
	}},
	{"run/cancelling", func(b *bench) {
		ds := dates(4)
		b.open(run1, ds...)
		b.complete(ds[0], simpleFacts())
		b.take(alice, ds[1])
		waiting := b.take(alice, ds[2])
		b.must(b.Release(b.Context(), waiting.Lease,
			ledger.Release{To: ledger.Pending, Delay: time.Hour, Result: ledger.ResultReleased}))
		run := b.move(run1, ledger.RunCancelled)
		b.equal("finished at", run.FinishedAt, run.UpdatedAt)
		var states []ledger.State
		for _, e := range b.all(run1) {
			states = append(states, e.State)
			if !e.NotBefore.IsZero() {
				b.Errorf("%s %s waits until %v, want not", e.State, e.Date, e.NotBefore)
			}
		}
		b.equal("states", states, []ledger.State{ledger.Complete, ledger.Leased, ledger.Cancelled, ledger.Cancelled})
	}},
}
