package worker_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
)

// A date in the middle has failed, a later one was in progress when everything died, the last one is complete: what is
// left is exactly those two, not what lies behind the last success.
func TestResumeIsPerDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tenDays...)
	fourth, seventh := date("2022-06-04"), date("2022-06-07")
	broken := true
	holding, held := make(chan struct{}), make(chan struct{})
	w.hooks.Build = func(d gamedate.Date) error {
		switch {
		case d == fourth && broken:
			return failure.MarkPermanent(errors.New("not there yet"), "not_there")
		case d == seventh && broken:
			close(held)
			<-holding
			return errors.New("died with its process")
		}
		return nil
	}
	w.publish(request("2022-06-01", "2022-06-10"))
	c := w.config()
	c.Drain, c.Grace = false, time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.worker(c).Run(ctx) }()
	<-held
	eventually(t, "eight dates are complete and one is dead", func() bool {
		counts, err := w.ledger.CountStates(t.Context(), testjob.Name, w.entry("2022-06-01").Run)
		must(t, err)
		return counts[ledger.Complete] == 8 && counts[ledger.Dead] == 1
	})
	stop() // while the seventh is in progress
	close(holding)
	must(t, <-done)
	broken = false

	before := w.hooks.Builds.Load()
	if result := w.publish(request("2022-06-01", "2022-06-10")); result.Queued != 1 || result.Known != 1 {
		t.Errorf("resume: got %d queued and %d known, want the failed one queued and the unfinished one known", result.Queued,
			result.Known)
	}
	w.drain()
	if n := w.hooks.Builds.Load() - before; n != 2 {
		t.Errorf("got %d builds, want exactly the 4th and the 7th", n)
	}
	if j := w.validate("2022-06-01", "2022-06-10"); j.Verdict != job.Pass || j.States[ledger.Complete] != 10 {
		t.Errorf("got %s with %v, want pass with 10 of 10", j.Verdict, j.States)
	}
}

// A date that takes several times as long as the queue's hold and the ledger's lease stays with its worker: both are
// renewed, and a second worker finds it held.
func TestLongDateKeepsItsLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	started, release := make(chan struct{}), make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error { close(started); <-release; return nil }
	w.publish(request(monday, monday))
	c := w.config()
	c.LeaseTTL, c.Drain = 3*time.Second, false // short, and long enough for a busy machine to renew it in time
	stopFirst := w.start(c)
	<-started
	first := w.entry(monday)
	second := w.config()
	second.LeaseTTL, second.Drain = c.LeaseTTL, false
	stopSecond := w.start(second)
	eventually(t, "the lease has been renewed past its first end", func() bool {
		return w.entry(monday).LeaseUntil.Sub(first.LeaseUntil) > c.LeaseTTL // and the queue's hold of a second has ended too
	})
	close(release)
	eventually(t, "the date is complete", func() bool { return w.entry(monday).State == ledger.Complete })
	must(t, stopFirst())
	must(t, stopSecond())
	if n := w.hooks.Builds.Load(); n != 1 || w.entry(monday).Attempt != 1 {
		t.Errorf("got %d builds and %d attempts, want one of each", n, w.entry(monday).Attempt)
	}
}

// The store's own report of a write decides nothing: it may say zero rows and have them all.
func TestRowsAreCountedInTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	w.store = &understating{w.store}
	w.drain()
	if e := w.entry(monday); e.State != ledger.Complete || e.Facts.Rows != 2 {
		t.Errorf("got %s with %+v, want complete with 2 rows read back", e.State, e.Facts)
	}
}

// understating is a store that writes and reports nothing.
type understating struct{ warehouse.Store }

func (u *understating) Replace(ctx context.Context, w warehouse.Write) (warehouse.Receipt, error) {
	_, err := u.Store.Replace(ctx, w)
	return warehouse.Receipt{}, err
}

// A job that builds a row of another date writes nothing anywhere.
func TestRowOfAnotherDateFailsTheDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	build := w.job.Build
	w.job.Build = func(shared any, in job.Input) (job.Output, error) {
		out, err := build(shared, in)
		for _, row := range out.Rows[:1] {
			row[0] = w.dateValue("2022-06-08")
		}
		return out, err
	}
	w.publish(request(monday, monday))
	w.drain()
	e := w.entry(monday)
	if e.State != ledger.Dead || e.Failure.Reason != "bad_row" || e.Attempt != 1 {
		t.Errorf("got %s, %+v, want dead at once as bad_row", e.State, e.Failure)
	}
	tokens, err := w.store.Tokens(t.Context(), testjob.Target,
		gamedate.Range{From: date("2022-06-01"), To: date("2022-06-30")})
	must(t, err)
	if len(tokens) != 0 {
		t.Errorf("partitions written: %v", tokens)
	}
}

// TestForceGoesOn repeats a forced publish whose run was not done: what it has done by force is left.
func TestForceGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	force := request(monday, sunday)
	force.Force = true
	w.publish(force)
	w.drain()
	count := func(want int, what string) {
		t.Helper()
		plan, err := w.publisher().Plan(t.Context(), force)
		must(t, err)
		if got := plan.Count(publisher.Queue); got != want {
			t.Errorf("%s: got %d dates to be done, want %d", what, got, want)
		}
	}
	count(0, "the same run")
	w.reading("2022-06-08", "north", 5)
	count(1, "the same run, after one date's readings changed")
	w.validate(monday, sunday)
	count(6, "the next run")
}

// A run that is paused while its dates are being published stays paused: opening it would undo the stop.
func TestPausedWhilePublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tenDays...)
	p, r := w.publisher(), request("2022-06-01", "2022-06-10")
	plan, err := p.Plan(t.Context(), r)
	must(t, err)
	result, err := p.Publish(t.Context(), r, plan, func(step string, _, _ int) {
		if step == "record" {
			_, err := p.Pause(t.Context(), w.openRun().ID, "stop all", "tester")
			must(t, err)
		}
	})
	must(t, err)
	if result.Run.State != ledger.RunPaused || result.Published != 10 || result.Run.PlanHash != plan.Hash {
		t.Fatalf("publish: got run %s of plan %s with %d messages, want paused, %s, 10", result.Run.State,
			result.Run.PlanHash, result.Published, plan.Hash)
	}
	_, err = p.Resume(t.Context(), result.RunID, "go on", "tester")
	must(t, err)
	w.drain()
	if got := w.states("2022-06-01", "2022-06-10"); !slices.Equal(got,
		slices.Repeat([]ledger.State{ledger.Complete}, 10)) {
		t.Errorf("states after resuming: got %v, want ten complete", got)
	}
}

// A run that was paused before all of its dates were recorded is no run to work on when it is resumed, if its publisher
// has died: what there is of it is not all. The same publish goes on.
func TestResumedWithoutAllDates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tenDays...)
	p, r := w.publisher(), request("2022-06-01", "2022-06-10")
	plan, err := p.Plan(t.Context(), r)
	must(t, err)
	publish, die := context.WithCancel(t.Context())
	_, err = p.Publish(publish, r, plan, func(string, int, int) { die() })
	if err == nil {
		t.Fatal("publish: got no error, want it to end before the run is open")
	}
	run := w.openRun().ID
	_, err = p.Pause(t.Context(), run, "look at it", "tester")
	must(t, err)
	resumed, err := p.Resume(t.Context(), run, "go on", "tester")
	must(t, err)
	if resumed.State != ledger.RunPlanning {
		t.Fatalf("resumed: got a run that is %s, want planning", resumed.State)
	}
	plan, err = p.Plan(t.Context(), r)
	must(t, err)
	result, err := p.Publish(t.Context(), r, plan, nil)
	must(t, err)
	if result.RunID != run || result.Run.State != ledger.RunOpen {
		t.Fatalf("published again: got run %s, %s, want %s, open", result.RunID, result.Run.State, run)
	}
	w.drain()
	if got := w.states("2022-06-01", "2022-06-10"); !slices.Equal(got,
		slices.Repeat([]ledger.State{ledger.Complete}, 10)) {
		t.Errorf("states: got %v, want ten complete", got)
	}
}
