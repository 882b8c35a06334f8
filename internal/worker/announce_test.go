package worker_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/notify"
	"gamefill/internal/testjob"
	"gamefill/internal/worker"
)

// ear is a notifier that keeps what it is told. Where it is broken it refuses, where it is deaf it never answers.
type ear struct {
	broken, deaf bool
	tried        chan struct{} // closed by the first message, where there is one
	once         sync.Once

	mu    sync.Mutex // guards heard
	heard []notify.Message
}

func (e *ear) Notify(ctx context.Context, m notify.Message) error {
	if e.tried != nil {
		e.once.Do(func() { close(e.tried) })
	}
	switch {
	case e.deaf:
		<-ctx.Done()
		return ctx.Err()
	case e.broken:
		return errors.New("nobody listens")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, m)
	return nil
}

// kinds counts what was told by kind.
func (e *ear) kinds() map[notify.Kind]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := map[notify.Kind]int{}
	for _, m := range e.heard {
		n[m.Kind]++
	}
	return n
}

func (e *ear) has(k notify.Kind) func() bool { return func() bool { return e.kinds()[k] > 0 } }

// Three workers see everything that a run can come to; each kind of message arrives once.
func TestThreeWorkersTellOnce(t *testing.T) {
	t.Parallel()
	first := date("2022-05-01")
	days := make([]string, 24)
	for i := range days {
		days[i] = first.AddDays(i).String()
	}
	w := newWorld(t, days...)
	w.reading(days[9], testjob.Permanent, 1)
	hold := make(chan struct{})
	w.hooks.Build = func(d gamedate.Date) error {
		if d == date(days[20]) { // the run stays in its last quarter until it was paused
			<-hold
		}
		return nil
	}
	e := &ear{}
	var stops []func() error
	for range 3 {
		c := w.config()
		c.Drain, c.Notifier, c.Concurrency = false, e, 2
		stops = append(stops, w.start(c))
	}
	whole := request(days[0], days[23])
	whole.SampleAbove = 4

	sample := whole
	sample.Sample = true
	w.publish(sample)
	eventually(t, "the sample is done", func() bool { return len(w.settledDates()) == 3 })
	_, err := w.publisher().JudgeSample(t.Context(), w.openRun(), nil, "tester")
	must(t, err)
	eventually(t, "the sample is told", e.has(notify.SamplePassed))
	w.publish(whole)
	eventually(t, "all but one date are settled", func() bool { return len(w.settledDates()) == 23 })
	eventually(t, "the milestone is told", e.has(notify.Milestone))
	eventually(t, "the dead date is told", e.has(notify.DeadLetters))
	_, err = w.publisher().Pause(t.Context(), w.openRun().ID, "lunch", "tester")
	must(t, err)
	eventually(t, "the pause is told", e.has(notify.Paused))
	close(hold)
	_, err = w.publisher().Resume(t.Context(), w.openRun().ID, "back", "tester")
	must(t, err)
	eventually(t, "every date is settled", func() bool { return len(w.settledDates()) == 24 })
	if j := w.validate(days[0], days[23]); !j.Finished || j.Verdict != job.Failed {
		t.Fatalf("validation: got %s, finished %v, want fail and true", j.Verdict, j.Finished)
	}
	eventually(t, "the end is told", e.has(notify.Completed))
	for _, stop := range stops {
		must(t, stop())
	}
	got := e.kinds()
	if n := got[notify.Milestone]; n < 1 || n > 3 {
		t.Errorf("milestones: got %d, want one for each quarter that somebody saw", n)
	}
	titles := map[string]int{}
	for _, m := range e.heard {
		titles[m.Title]++
	}
	if n := slices.Max(slices.Collect(maps.Values(titles))); n != 1 {
		t.Errorf("one message arrived %d times: %v", n, titles)
	}
	delete(got, notify.Milestone)
	want := map[notify.Kind]int{notify.Started: 1, notify.SamplePassed: 1, notify.DeadLetters: 1, notify.Paused: 1,
		notify.Completed: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// settledDates are the entries of the newest run that are settled.
func (w *world) settledDates() []ledger.Entry {
	w.t.Helper()
	entries, err := w.ledger.RunEntries(w.t.Context(), w.job.Name, w.run().ID)
	must(w.t, err)
	return slices.DeleteFunc(entries, func(e ledger.Entry) bool { return !e.State.Settled() })
}

// A draining worker tells what happened since its latest look before it ends, the breaker's pause too.
func TestLastWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	for _, d := range fiveDays {
		w.reading(d, testjob.Permanent, 1)
	}
	w.publish(request(fiveDays[0], fiveDays[4]))
	e := &ear{}
	c := w.config()
	c.Notifier, c.ReconcileEvery = e, c.LeaseTTL // no look before the end
	err := w.worker(c).Run(t.Context())
	if p, ok := errors.AsType[*worker.PausedError](err); !ok {
		t.Fatalf("worker: got %v, want %T", err, p)
	}
	if got := e.kinds(); got[notify.Started] != 1 || got[notify.BreakerTripped] != 1 {
		t.Errorf("told: got %v, want the beginning and the breaker", got)
	}
}

// Work neither fails nor waits when nobody can be told.
func TestNotifierThatFails(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]*ear{"refuses": {broken: true}, "never answers": {deaf: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fiveDays...)
			e.tried = make(chan struct{})
			w.hooks.Build = func(gamedate.Date) error { <-e.tried; return nil }
			w.publish(request(fiveDays[0], fiveDays[4]))
			c := w.config()
			c.Notifier = e
			must(t, w.worker(c).Run(t.Context()))
			if j := w.validate(fiveDays[0], fiveDays[4]); j.Verdict != job.Pass {
				t.Errorf("validation: got %s, want pass: %+v", j.Verdict, j.Checks)
			}
			if got := e.kinds(); len(got) > 0 {
				t.Errorf("told: got %v, want nothing", got)
			}
		})
	}
}
