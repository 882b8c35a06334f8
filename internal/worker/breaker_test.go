package worker_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
	"gamefill/internal/worker"
)

// run is the job's newest run.
func (w *world) run() ledger.Run {
	w.t.Helper()
	runs, err := w.ledger.ListRuns(w.t.Context(), testjob.Name, 1)
	must(w.t, err)
	return runs[0]
}

// events are the messages of a run's events of one kind.
func (w *world) events(kind string) (messages []string) {
	w.t.Helper()
	events, err := w.ledger.Events(w.t.Context(), testjob.Name, w.run().ID, 0)
	must(w.t, err)
	for _, e := range events {
		if e.Kind == kind {
			messages = append(messages, e.Message)
		}
	}
	return messages
}

// paused wants every worker ended by the breaker's pause.
func paused(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if p, ok := errors.AsType[*worker.PausedError](err); !ok || p.Run.CauseKind != "breaker" {
			t.Errorf("worker: got %v, want the run paused by the breaker", err)
		}
	}
}

func TestBreakerStopsThreeWorkersExactly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	bad := week[:3]
	for _, d := range bad {
		w.reading(d, testjob.Permanent, 1)
	}
	w.publish(request(monday, sunday))
	// Three good dates are in flight when the breaker trips: one is being built, two have announced their write.
	stopped := make(chan struct{})
	var ready sync.WaitGroup // the good dates are where they wait
	ready.Add(3)
	wait := func() { ready.Done(); <-stopped }
	building := date("2022-06-10")
	w.hooks.Build = func(d gamedate.Date) error {
		switch {
		case slices.Contains(bad, d.String()):
			ready.Wait()
		case d == building:
			wait()
		}
		return nil
	}
	real := w.store
	w.store = &failing{Store: real, replace: func(write warehouse.Write) (bool, error) { wait(); return false, nil }}
	errs := make([]error, 3)
	var workers sync.WaitGroup
	for i := range errs {
		c := w.config()
		c.Concurrency = 2
		wk := w.worker(c)
		workers.Go(func() { errs[i] = wk.Run(t.Context()) })
	}
	// The report of what was under way comes after the pause, and must not miss dates that were let go meanwhile.
	eventually(t, "the run is paused, and says so", func() bool { return len(w.events("writes_past_pause")) > 0 })
	close(stopped)
	workers.Wait()
	paused(t, errs...)

	run := w.run()
	const want = "2022-06-06, 2022-06-07 and 2022-06-08 failed alike (permanent bad_station) with no success between"
	if !strings.HasPrefix(run.Cause, want) {
		t.Errorf("cause: got %q, want %q", run.Cause, want)
	}
	tokens, err := real.Tokens(t.Context(), testjob.Target, gamedate.Range{From: date(monday), To: date(sunday)})
	must(t, err)
	if len(tokens) != 0 {
		t.Errorf("partitions written after the pause: %v", tokens)
	}
	if diff := cmp.Diff([]string{"past their control read when the run was paused: 2 (2022-06-11 and 2022-06-12)"},
		w.events("writes_past_pause")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, d := range week[3:] {
		if e := w.entry(d); e.State != ledger.Pending || e.Spent != 0 {
			t.Errorf("%s: got %s with %d spent, want pending with 0", d, e.State, e.Spent)
		}
	}

	w.store, w.hooks.Build = real, nil
	w.sql(`DELETE FROM readings WHERE station = ?`, testjob.Permanent)
	_, err = w.publisher().Resume(t.Context(), run.ID, "mended", "tester")
	must(t, err)
	w.publish(request(monday, sunday))
	w.drain()
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("after resuming: got %s, want pass: %+v", j.Verdict, j.Checks)
	}
}

func TestStopOnFirstFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.reading(monday, testjob.Permanent, 1)
	r := request(monday, sunday)
	r.StopOnFirstFailure = true
	id := w.publish(r).RunID
	stopped := make(chan struct{})
	w.hooks.Build = func(d gamedate.Date) error {
		if d != date(monday) {
			<-stopped
		}
		return nil
	}
	errs := make(chan error, 1)
	wk := w.worker(w.config())
	go func() { errs <- wk.Run(t.Context()) }()
	eventually(t, "the run is paused", func() bool { return w.run().State == ledger.RunPaused })
	close(stopped)
	paused(t, <-errs)
	letters, err := w.ledger.DeadLetters(t.Context(),
		ledger.DeadLetterFilter{Job: testjob.Name, Run: id, State: ledger.LetterOpen})
	must(t, err)
	if len(letters) != 1 {
		t.Errorf("letters in the ledger after the pause: got %d, want that of the dead date", len(letters))
	}
	if cause := w.run().Cause; !strings.HasPrefix(cause,
		"2022-06-06 failed (permanent bad_station), and the run stops at the first failure") {
		t.Errorf("cause: got %q", cause)
	}
	if got := w.states(monday, sunday); slices.Contains(got, ledger.Complete) {
		t.Errorf("got states %v, want nothing complete", got)
	}
	w.hooks.Build = nil
	_, err = w.publisher().Resume(t.Context(), id, "one date is known to be bad", "tester")
	must(t, err)
	w.drain()
	if run := w.run(); run.State != ledger.RunOpen || !run.StopOnFirstFailure {
		t.Errorf("resumed: got %s, stop on first failure %v, want open, true", run.State, run.StopOnFirstFailure)
	}
	if counts, err := w.ledger.CountStates(t.Context(), testjob.Name, id); err != nil || counts[ledger.Complete] != 5 ||
		counts[ledger.Dead] != 1 {
		t.Errorf("resumed: got %v, %v, want 5 complete and 1 dead", counts, err)
	}
}

// TestStopOnFirstFailureSeesACrash: nobody fails an attempt whose worker has died, so whoever finds the lease expired
// stops the run.
func TestStopOnFirstFailureSeesACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	r := request(monday, sunday)
	r.StopOnFirstFailure = true
	w.publish(r)
	e := w.entry(monday)
	w.claim(e, "killed", 1)
	stopped := make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error { <-stopped; return nil }
	errs := make(chan error, 1)
	wk := w.worker(w.config())
	go func() { errs <- wk.Run(t.Context()) }()
	eventually(t, "the run is paused", func() bool { return w.run().State == ledger.RunPaused })
	close(stopped)
	paused(t, <-errs)
	if cause := w.run().Cause; !strings.Contains(cause, "crash lease_expired") {
		t.Errorf("cause: got %q, want the crash", cause)
	}
}
