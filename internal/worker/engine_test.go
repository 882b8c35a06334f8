package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/queue"
	"gamefill/internal/retry"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
	"gamefill/internal/worker"
)

// week is 2022-06-06..12 with readings on every day but the 9th.
var week = []string{"2022-06-06", "2022-06-07", "2022-06-08", "2022-06-10", "2022-06-11", "2022-06-12"}

const monday, sunday = "2022-06-06", "2022-06-12"

func TestRunSettlesEveryDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	result := w.publish(request(monday, sunday))
	if result.Queued != 6 || result.Settled != 1 || result.Published != 6 {
		t.Fatalf("publish: got %+v, want 6 queued, 1 settled, 6 published", result)
	}
	w.drain()
	j := w.validate(monday, sunday)
	if j.Verdict != job.Pass || !j.Finished || j.Rows != 12 {
		t.Errorf("validate: got verdict %s, finished %v, %d rows, want pass, true, 12: %+v", j.Verdict, j.Finished,
			j.Rows, j.Checks)
	}
	e := w.entry(monday)
	if e.State != ledger.Complete || e.Facts == nil || e.Facts.Outcome != ledger.Replaced || e.Facts.Rows != 2 ||
		e.Facts.PreImage != table.Empty {
		t.Errorf("entry: got %+v", e)
	}
	if got := w.entry("2022-06-09").State; got != ledger.NoGames {
		t.Errorf("day without a plan: got %s, want no_games", got)
	}
}

func TestRerunDoesNothingAndChangesRedoExactlyTheirDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	w.drain()
	first := w.fingerprint(monday, sunday)

	again := w.publish(request(monday, sunday))
	if !again.Nothing {
		t.Fatalf("second publish: got %+v, want nothing to do", again)
	}
	tests := []struct {
		name   string
		change func()
		want   string // the one date queued
		reason string
		same   bool // the table ends as it was
	}{
		{"raw row changed through the importer", func() { w.reading("2022-06-07", "north", 1) }, "2022-06-07",
			ledger.ReasonChanged, false},
		{"raw row changed by hand", func() {
			w.sql(`UPDATE readings SET tenths = 99 WHERE day = '2022-06-08' AND station = 'south'`)
		}, "2022-06-08", ledger.ReasonChanged, false},
		{"target damaged", func() {
			w.sql(`UPDATE rain_per_day SET tenths = -1 WHERE day = '2022-06-10'`)
		}, "2022-06-10", ledger.ReasonChanged, true},
		{"target row deleted", func() {
			w.sql(`DELETE FROM rain_per_day WHERE day = '2022-06-11' AND station = 'north'`)
		}, "2022-06-11", ledger.ReasonChanged, true},
		{"target row added", func() {
			w.sql(`INSERT INTO rain_per_day (day, station, tenths) VALUES ('2022-06-12', 'ghost', 1)`)
		}, "2022-06-12", ledger.ReasonChanged, true},
		{"rows of a day without readings", func() {
			w.sql(`INSERT INTO rain_per_day (day, station, tenths) VALUES ('2022-06-09', 'ghost', 1)`)
		}, "2022-06-09", ledger.ReasonOrphaned, true},
	}
	last := first
	for _, tt := range tests {
		tt.change()
		plan, err := w.publisher().Plan(t.Context(), request(monday, sunday))
		must(t, err)
		var queued []string
		for _, d := range plan.Dates {
			if d.Verdict == publisher.Queue {
				queued = append(queued, d.Date.String()+" "+d.Reason)
			}
		}
		if want := []string{tt.want + " " + tt.reason}; !cmp.Equal(queued, want) {
			t.Fatalf("%s: queued %v, want %v", tt.name, queued, want)
		}
		before := w.hooks.Builds.Load()
		w.publish(request(monday, sunday))
		w.drain()
		if n := w.hooks.Builds.Load() - before; n != 1 {
			t.Errorf("%s: got %d builds, want 1", tt.name, n)
		}
		now := w.fingerprint(monday, sunday)
		if tt.same != (now == last) {
			t.Errorf("%s: table fingerprint same %v, want %v", tt.name, now == last, tt.same)
		}
		last = now
	}
	if e := w.entry("2022-06-09"); e.State != ledger.Complete || e.Facts.Outcome != ledger.Emptied {
		t.Errorf("emptied date: got %s %+v", e.State, e.Facts)
	}
}

func TestForceRedoesOneDateAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	w.drain()
	w.validate(monday, sunday)
	before := w.hooks.Builds.Load()
	r := request(monday, monday)
	r.Dates, r.Force = []gamedate.Date{date(monday)}, true
	if result := w.publish(r); result.Queued != 1 {
		t.Fatalf("got %d queued, want 1", result.Queued)
	}
	w.drain()
	if n := w.hooks.Builds.Load() - before; n != 1 {
		t.Errorf("got %d builds, want 1", n)
	}
	if e := w.entry(monday); e.Facts.Outcome != ledger.Unchanged {
		t.Errorf("outcome: got %s, want unchanged: the same input makes the same rows", e.Facts.Outcome)
	}
}

func TestReferenceChangeRebuildsAndWritesNothingEqual(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	w.drain()
	before := w.fingerprint(monday, sunday)
	w.load(testjob.Stations, nil, table.Row{table.String("west"), table.String("coast")})
	if result := w.publish(request(monday, sunday)); result.Queued != 6 {
		t.Fatalf("got %d queued, want all 6", result.Queued)
	}
	w.drain()
	for _, d := range week {
		if e := w.entry(d); e.Facts.Outcome != ledger.Unchanged {
			t.Errorf("%s: got outcome %s, want unchanged", d, e.Facts.Outcome)
		}
	}
	if after := w.fingerprint(monday, sunday); after != before {
		t.Errorf("fingerprint changed")
	}
}

func TestHoleInTheCalendar(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2022-06-01", "2022-06-12")
	w.publish(request("2022-06-01", "2022-06-12"))
	w.drain()
	if got := w.entry("2022-06-05").State; got != ledger.NoSchedule {
		t.Fatalf("inside ten silent days in season: got %s, want no_schedule", got)
	}
	if j := w.validate("2022-06-01", "2022-06-12"); j.Verdict != job.Warned {
		t.Errorf("verdict: got %s, want warn: %+v", j.Verdict, j.Checks)
	}
	w.plan("2022-06-05", true)
	w.reading("2022-06-05", "north", 4)
	w.plan("2022-06-08", true)
	w.reading("2022-06-08", "south", 4)
	if result := w.publish(request("2022-06-01", "2022-06-12")); result.Queued != 2 {
		t.Errorf("after mending the hole: got %d queued, want exactly the 2 it hid", result.Queued)
	}
	w.drain()
	if j := w.validate("2022-06-01", "2022-06-12"); j.Verdict != job.Pass {
		t.Errorf("verdict: got %s, want pass: %+v", j.Verdict, j.Checks)
	}
}

func TestFailureClasses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, station string
		class         failure.Class
		reason        string
		attempts      int
	}{
		{"permanent dies at the first attempt", testjob.Permanent, failure.Permanent, "bad_station", 1},
		{"failed acceptance is permanent", testjob.TooWet, failure.Permanent, "too_wet", 1},
		{"transient dies at the fifth", testjob.Flaky, failure.Transient, "error", 5},
		{"a panic is a failed attempt", testjob.Panics, failure.Transient, "panic", 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, week...)
			w.reading(monday, tt.station, 1)
			w.publish(request(monday, sunday))
			w.drain()
			e := w.entry(monday)
			if e.State != ledger.Dead || e.Failure == nil {
				t.Fatalf("got state %s, failure %v, want dead", e.State, e.Failure)
			}
			if e.Failure.Class != tt.class || e.Failure.Reason != tt.reason || e.Attempt != tt.attempts {
				t.Errorf("got %s %s after %d attempts, want %s %s after %d", e.Failure.Class, e.Failure.Reason, e.Attempt, tt.class,
					tt.reason, tt.attempts)
			}
			for _, d := range week[1:] {
				if got := w.entry(d).State; got != ledger.Complete {
					t.Errorf("%s: got %s, want complete", d, got)
				}
			}
			letters, err := w.ledger.DeadLetters(t.Context(), ledger.DeadLetterFilter{Job: testjob.Name})
			must(t, err)
			if len(letters) != 1 || letters[0].Date != date(monday) || letters[0].Failure.Reason != tt.reason ||
				letters[0].Attempts != tt.attempts {
				t.Errorf("dead letters: got %+v", letters)
			}
			if !w.entry(monday).DeadPublished {
				t.Error("the dead letter's publication is not recorded")
			}
			j := w.validate(monday, sunday)
			if j.Verdict != job.Failed || len(j.DeadDates) != 1 {
				t.Errorf("validate: got %s with %d dead, want fail with 1", j.Verdict, len(j.DeadDates))
			}
			if tt.station == testjob.Panics && !strings.Contains(e.Failure.Message, "testjob.build") {
				t.Errorf("the panic's stack is missing: %s", e.Failure.Message)
			}

			// Mended and published again, the date is done and nothing else is.
			w.sql(`DELETE FROM readings WHERE station = ?`, tt.station)
			before := w.hooks.Builds.Load()
			if result := w.publish(request(monday, sunday)); result.Queued != 1 {
				t.Fatalf("after mending: got %d queued, want 1", result.Queued)
			}
			open, err := w.ledger.DeadLetters(t.Context(), ledger.DeadLetterFilter{Job: testjob.Name, State: ledger.LetterOpen})
			must(t, err)
			if len(open) != 0 {
				t.Errorf("published again, the letter is still open: %+v", open)
			}
			w.drain()
			if n := w.hooks.Builds.Load() - before; n != 1 || w.entry(monday).State != ledger.Complete {
				t.Errorf("after mending: %d builds, state %s, want 1, complete", n, w.entry(monday).State)
			}
		})
	}
}

func TestFailedAcceptanceKeepsTheOldPartition(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	w.drain()
	before := w.fingerprint(monday, sunday)
	w.reading(monday, testjob.TooWet, 6000)
	w.publish(request(monday, sunday))
	w.drain()
	j := w.validate(monday, sunday)
	if j.TableFingerprint != before {
		t.Error("a date that was not accepted changed its partition")
	}
	r := request(monday, sunday)
	r.Accept = []string{"too_wet"}
	if _, err := w.publisher().Plan(t.Context(), r); err == nil || !strings.Contains(err.Error(), "--reason") {
		t.Errorf("override without a reason: got %v", err)
	}
	r.Reason = "checked by hand"
	w.publish(r)
	w.drain()
	e := w.entry(monday)
	if e.State != ledger.Complete || len(e.Facts.Findings) != 1 || !e.Facts.Findings[0].Accepted {
		t.Errorf("accepted by name: got %s, %+v", e.State, e.Facts.Findings)
	}
	r.Accept = []string{"no_such_rule"}
	if _, err := w.publisher().Plan(t.Context(), r); err == nil || !strings.Contains(err.Error(), "too_wet") {
		t.Errorf("unknown rule: got %v, want the list of rules", err)
	}
}

// failing is a store whose calls fail on demand.
type failing struct {
	warehouse.Store
	read    func(*table.Schema, gamedate.Date) error
	replace func(warehouse.Write) (handled bool, err error)
}

func (f *failing) Read(ctx context.Context, s *table.Schema, d gamedate.Date) (warehouse.Partition, error) {
	if f.read != nil && !d.IsZero() {
		if err := f.read(s, d); err != nil {
			return warehouse.Partition{}, err
		}
	}
	return f.Store.Read(ctx, s, d)
}

func (f *failing) Replace(ctx context.Context, w warehouse.Write) (warehouse.Receipt, error) {
	if f.replace != nil {
		if handled, err := f.replace(w); handled {
			return warehouse.Receipt{}, err
		}
	}
	return f.Store.Replace(ctx, w)
}

func TestEnvironmentFailurePausesTheRunAndKillsNoDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	real := w.store
	w.store = &failing{Store: real, read: func(*table.Schema, gamedate.Date) error {
		return failure.MarkEnvironment(errors.New("dataset weather not found"), "no_dataset")
	}}
	err := w.worker(w.config()).Run(t.Context())
	paused, ok := errors.AsType[*worker.PausedError](err)
	if !ok || !strings.Contains(paused.Run.Cause, "dataset weather not found") || paused.Run.CauseKind != "environment" {
		t.Fatalf("got %v, want the run paused by its environment", err)
	}
	for _, state := range w.states(monday, sunday) {
		if state == ledger.Dead {
			t.Error("a date died of its environment")
		}
	}
	w.store = real
	_, err = w.publisher().Resume(t.Context(), paused.Run.ID, "dataset made", "tester")
	must(t, err)
	w.sql(`UPDATE ledger_entry SET not_before = NULL WHERE not_before IS NOT NULL`) // the wait for the environment is over
	w.drainReconciled()
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("after resuming: got %s, want pass: %+v", j.Verdict, j.Checks)
	}
	if e := w.entry(monday); e.Spent != 0 {
		t.Errorf("environment failures spent %d attempts, want 0", e.Spent)
	}
}

// drainReconciled drains with a reconciler that publishes unclaimed entries at once.
func (w *world) drainReconciled() {
	w.t.Helper()
	c := w.config()
	c.RepublishAfter = time.Millisecond
	must(w.t, w.worker(c).Run(w.t.Context()))
}

func TestQuotaSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	var refused atomic.Int64
	w.store = &failing{Store: w.store, replace: func(warehouse.Write) (bool, error) {
		if refused.Add(1) <= 8 {
			return true, failure.Mark(errors.New("too many updates"), failure.Quota, "rate_limit")
		}
		return false, nil
	}}
	c := w.config()
	c.QuotaWait, c.MaxAttempts = 5*time.Millisecond, 1
	must(t, w.worker(c).Run(t.Context()))
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("got %s, want pass", j.Verdict)
	}
}

func TestReadBackDecides(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	// says success, stores nothing
	w.store = &failing{Store: w.store, replace: func(warehouse.Write) (bool, error) { return true, nil }}
	w.drain()
	if e := w.entry(monday); e.State != ledger.Dead || e.Failure.Reason != "read_back_mismatch" {
		t.Errorf("a write that stored nothing: got %s %+v, want dead by read_back_mismatch", e.State, e.Failure)
	}
}

func TestDuplicateDeliveriesBuildOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	e := w.entry(monday)
	copyOf := queue.Envelope{Job: testjob.Name, Run: e.Run, Date: e.Date, Seq: e.Seq}.Message()
	for _, err := range w.queue.Publish(t.Context(), []queue.Message{copyOf, copyOf}) {
		must(t, err)
	}
	w.drain()
	stop := w.start(worker.Config{Owner: "later", ControlEvery: 5 * time.Millisecond})
	eventually(t, "all copies are acked", func() bool { n, _, _ := w.queue.Backlog(t.Context()); return n == 0 })
	must(t, stop())
	if n := w.hooks.Builds.Load(); n != 1 {
		t.Errorf("got %d builds of three deliveries, want 1", n)
	}
	if got := w.entry(monday); got.Attempt != 1 || got.State != ledger.Complete {
		t.Errorf("got %d attempts, %s", got.Attempt, got.State)
	}
}

func TestStrangeMessagesAreDeadLettersAndStopNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	result := w.publish(request(monday, sunday))
	strange := []queue.Message{
		{Body: []byte("hello")},
		{Body: []byte(`{"v":2,"job":"rain_per_day","run":"x","date":"2022-06-06"}`)},
		queue.Envelope{Job: "other_job", Run: result.RunID, Date: date(monday), Seq: 1}.Message(),
		queue.Envelope{Job: testjob.Name, Run: "nobody", Date: date("2022-07-01"), Seq: 1}.Message(),
	}
	for _, err := range w.queue.Publish(t.Context(), strange) {
		must(t, err)
	}
	w.drain()
	// draining waits for planned dates alone
	stop := w.start(worker.Config{Owner: "rest", ControlEvery: 5 * time.Millisecond})
	eventually(t, "every message is ended", func() bool { n, _, _ := w.queue.Backlog(t.Context()); return n == 0 })
	must(t, stop())
	_, err := worker.Fold(t.Context(), w.queue, w.ledger)
	must(t, err)
	letters, err := w.ledger.DeadLetters(t.Context(), ledger.DeadLetterFilter{})
	must(t, err)
	reasons := map[string]bool{}
	for _, l := range letters {
		reasons[l.Failure.Reason] = true
	}
	want := map[string]bool{"not JSON": true, "unsupported version": true, "unknown job": true, "not planned": true}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("the planned dates: got %s, want pass", j.Verdict)
	}
}

func TestOldCopyIsSuperseded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	w.drain()
	w.validate(monday, monday)
	old := w.entry(monday)
	r := request(monday, monday)
	r.Force = true
	w.publish(r)
	for _, err := range w.queue.Publish(t.Context(),
		[]queue.Message{queue.Envelope{Job: testjob.Name, Run: old.Run, Date: old.Date, Seq: old.Seq}.Message()}) {
		must(t, err)
	}
	w.drain()
	eventually(t, "the old copy is acked and recorded", func() bool {
		events, err := w.ledger.Events(t.Context(), testjob.Name, "", 0)
		must(t, err)
		for _, e := range events {
			if e.Kind == "superseded" {
				return true
			}
		}
		w.start(worker.Config{Owner: "late", ControlEvery: 5 * time.Millisecond})
		return false
	})
	if n := w.hooks.Builds.Load(); n != 2 {
		t.Errorf("got %d builds, want 2", n)
	}
}

func TestNotFinalStaysOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	w.plan(monday, false) // a game goes back to being played between plan and work
	c := w.config()
	c.NotFinal = time.Hour
	stop := w.start(c)
	eventually(t, "the others are complete", func() bool {
		counts, err := w.ledger.CountStates(t.Context(), testjob.Name, w.entry(monday).Run)
		must(t, err)
		return counts[ledger.Complete] == 5
	})
	e := w.entry(monday)
	must(t, stop())
	if e.State != ledger.Pending || e.NotBefore.IsZero() || e.Spent != 0 {
		t.Fatalf("got %s, not before %v, spent %d, want pending, later, 0", e.State, e.NotBefore, e.Spent)
	}
	if plan, err := w.publisher().Plan(t.Context(), request(monday, sunday)); err != nil ||
		plan.Count(publisher.Known) != 1 {
		t.Errorf("plan meanwhile: got %v, want the date known", err)
	}
	w.plan(monday, true)
	w.sql(`UPDATE ledger_entry SET not_before = 1 WHERE not_before IS NOT NULL`) // the hour has passed
	w.drain()
	if got := w.entry(monday); got.State != ledger.Complete || got.Facts.Rows != 2 {
		t.Errorf("afterwards: got %s, want complete", got.State)
	}
}

func TestPlanLeavesNotFinalDatesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.plan(monday, false)
	w.publish(request(monday, sunday))
	w.drain()
	j := w.validate(monday, sunday)
	if j.Verdict != job.Warned || j.States[ledger.Complete] != 5 {
		t.Errorf("got %s, %v, want warn and 5 complete", j.Verdict, j.States)
	}
}

func TestConcurrencyIsTheLimitOfDatesHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	var running, peak atomic.Int64
	gate := make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error {
		n := running.Add(1)
		defer running.Add(-1)
		for {
			p := peak.Load()
			if n <= p || peak.CompareAndSwap(p, n) {
				break
			}
		}
		<-gate
		return nil
	}
	w.publish(request(monday, sunday))
	c := w.config()
	c.Concurrency = 3
	stop := w.start(c)
	eventually(t, "three dates are in progress", func() bool { return running.Load() == 3 })
	counts, err := w.ledger.CountStates(t.Context(), testjob.Name, w.entry(monday).Run)
	must(t, err)
	if counts[ledger.Leased] != 3 {
		t.Errorf("leased: got %d, want 3", counts[ledger.Leased])
	}
	close(gate)
	eventually(t, "everything is complete", func() bool {
		counts, err := w.ledger.CountStates(t.Context(), testjob.Name, w.entry(monday).Run)
		must(t, err)
		return counts[ledger.Complete] == 6
	})
	must(t, stop())
	if peak.Load() != 3 {
		t.Errorf("peak: got %d, want 3", peak.Load())
	}
}

func TestPauseLetsDatesInFlightFinish(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	started, gate := make(chan struct{}, 6), make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error { started <- struct{}{}; <-gate; return nil }
	run := w.publish(request(monday, sunday)).RunID
	c := w.config()
	c.Concurrency, c.Drain = 2, false
	stop := w.start(c)
	<-started
	<-started
	_, err := w.publisher().Pause(t.Context(), run, "lunch", "tester")
	must(t, err)
	close(gate)
	eventually(t, "nothing is in flight", func() bool {
		counts, err := w.ledger.CountStates(t.Context(), testjob.Name, run)
		must(t, err)
		return counts[ledger.Leased] == 0 && counts[ledger.Complete] >= 2
	})
	counts, err := w.ledger.CountStates(t.Context(), testjob.Name, run)
	must(t, err)
	if counts[ledger.Pending] == 0 {
		t.Errorf("got %v, want dates waiting", counts)
	}
	_, err = w.publisher().Resume(t.Context(), run, "back", "tester")
	must(t, err)
	eventually(t, "the resumed run is complete", func() bool {
		counts, err := w.ledger.CountStates(t.Context(), testjob.Name, run)
		must(t, err)
		return counts[ledger.Complete] == 6
	})
	must(t, stop())
}

func TestCancelStopsBeforeTheWriteExactly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	run := w.publish(request(monday, sunday)).RunID
	p := w.publisher()
	var once sync.Once
	real := w.store
	w.store = &failing{Store: real, replace: func(warehouse.Write) (bool, error) {
		// The control state has been read; the operator cancels before the write transaction begins.
		once.Do(func() {
			if _, err := p.Cancel(context.Background(), run, "wrong range", "tester"); err != nil {
				t.Error(err)
			}
		})
		return false, nil
	}}
	c := w.config()
	c.Concurrency = 1
	must(t, w.worker(c).Run(t.Context()))
	tokens, err := real.Tokens(t.Context(), testjob.Target, gamedate.Range{From: date(monday), To: date(sunday)})
	must(t, err)
	if len(tokens) != 0 {
		t.Errorf("partitions written after the stop: %v", tokens)
	}
	for _, state := range w.states(monday, sunday) {
		if state != ledger.Cancelled && state != ledger.NoGames {
			t.Errorf("got state %s, want cancelled", state)
		}
	}
	w.store = real
	w.publish(request(monday, sunday))
	w.drain()
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("published again: got %s, want pass: %+v", j.Verdict, j.Checks)
	}
}

func TestShutdownFinishesWithinGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	started, gate := make(chan struct{}, 6), make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error { started <- struct{}{}; <-gate; return nil }
	run := w.publish(request(monday, sunday)).RunID
	c := w.config()
	c.Concurrency, c.Drain = 2, false
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.worker(c).Run(ctx) }()
	<-started
	<-started
	cancel()
	close(gate)
	must(t, <-done)
	counts, err := w.ledger.CountStates(t.Context(), testjob.Name, run)
	must(t, err)
	if counts[ledger.Complete] != 2 || counts[ledger.Pending] != 4 || counts[ledger.Leased] != 0 {
		t.Errorf("got %v, want the two in flight complete and four waiting", counts)
	}
}

func TestShutdownGivesBackWhatOutlastsGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	started := make(chan struct{})
	real := w.store
	w.store = &slow{Store: real, entered: started}
	w.publish(request(monday, monday))
	c := w.config()
	c.Grace, c.Drain = 10*time.Millisecond, false
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.worker(c).Run(ctx) }()
	<-started
	cancel()
	must(t, <-done)
	e := w.entry(monday)
	if e.State != ledger.Pending || e.Spent != 0 || e.Failure != nil {
		t.Errorf("got %s, spent %d, failure %v, want pending and nothing spent", e.State, e.Spent, e.Failure)
	}
	w.store = real
	w.drain()
	if got := w.entry(monday); got.State != ledger.Complete || got.Attempt != 2 {
		t.Errorf("the next worker: got %s at attempt %d, want complete at 2", got.State, got.Attempt)
	}
}

// slow is a store whose reads of partitions last until they are cancelled.
type slow struct {
	warehouse.Store
	entered chan struct{}
	once    sync.Once
}

func (s *slow) Read(ctx context.Context, t *table.Schema, d gamedate.Date) (warehouse.Partition, error) {
	if d.IsZero() {
		return s.Store.Read(ctx, t, d)
	}
	s.once.Do(func() { close(s.entered) })
	<-ctx.Done()
	return warehouse.Partition{}, ctx.Err()
}

func TestLostLeaseIsTakenOverAndFenced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	e := w.entry(monday)
	// A worker claims, announces its write and then hangs: nobody renews.
	claim := w.claim(e, "zombie", time.Millisecond)
	must(t, w.ledger.BeginWrite(t.Context(), claim.Lease, time.Millisecond, ledger.WriteRecord{ID: "zombie-write"}))
	w.drain()
	after := w.entry(monday)
	if after.State != ledger.Complete || after.Generation <= claim.Lease.Generation || after.Spent != 1 {
		t.Fatalf("got %s, generation %d, spent %d, want complete, above %d, 1", after.State, after.Generation, after.Spent,
			claim.Lease.Generation)
	}
	// The zombie wakes up: its write is refused and nothing changes.
	_, err := w.store.Replace(t.Context(), warehouse.Write{Table: testjob.Target, Date: e.Date,
		Fence: warehouse.Fence{Job: testjob.Name, Run: e.Run, Generation: claim.Lease.Generation}})
	if !errors.Is(err, warehouse.ErrFenced) {
		t.Errorf("the zombie's write: got %v, want ErrFenced", err)
	}
	if j := w.validate(monday, monday); j.Verdict != job.Pass {
		t.Errorf("got %s, want pass: %+v", j.Verdict, j.Checks)
	}
	attempts, err := w.ledger.Attempts(t.Context(), ledger.AttemptFilter{Job: testjob.Name, Date: e.Date}, 0)
	must(t, err)
	if len(attempts) != 2 || attempts[1].Result != ledger.ResultExpired || attempts[1].Failure.Class != failure.Crash {
		t.Errorf("attempts: got %+v", attempts)
	}
}

func TestOtherVersionIsNotWorkedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	w.job.Version = "8"
	err := w.worker(w.config()).Run(t.Context())
	v, ok := errors.AsType[*worker.VersionError](err)
	if !ok || v.Pinned != testjob.Version || v.Ours != "8" {
		t.Fatalf("got %v, want both versions named", err)
	}
	if _, err := w.publisher().Plan(t.Context(), request(monday, monday)); !errorsIsOpen(err) {
		t.Errorf("publish of another version into the open run: got %v, want the run named", err)
	}
	w.job.Version = testjob.Version
	w.drain()
	w.validate(monday, monday)
	w.job.Version = "8"
	plan, err := w.publisher().Plan(t.Context(), request(monday, monday))
	must(t, err)
	if plan.Reasons()[ledger.ReasonStale] != 1 {
		t.Errorf("after the upgrade: got %v, want one stale date", plan.Reasons())
	}
}

func errorsIsOpen(err error) bool {
	_, ok := errors.AsType[*ledger.RunOpenError](err)
	return ok
}

func TestLedgerIsBoundToOneTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	other := newWorld(t, monday)
	w.store = other.store
	_, err := w.publisher().Plan(t.Context(), request(monday, monday))
	bound, ok := errors.AsType[*ledger.OtherTargetError](err)
	if !ok || bound.Bound == bound.Given {
		t.Fatalf("got %v, want both targets named", err)
	}
	if err := w.worker(w.config()).Run(t.Context()); !errors.As(err, &bound) {
		t.Errorf("worker: got %v, want the same", err)
	}
}

// halting is a queue whose publishes fail for chosen dates.
type halting struct {
	queue.Queue
	refuse func(date string) bool
}

func (h *halting) Publish(ctx context.Context, messages []queue.Message) []error {
	errs := make([]error, len(messages))
	for i, m := range messages {
		if h.refuse(m.Attributes[queue.AttrDate]) {
			errs[i] = errors.New("no route to queue")
			continue
		}
		errs[i] = h.Queue.Publish(ctx, messages[i:i+1])[0]
	}
	return errs
}

func TestUnpublishedDateIsNamedAndPublishedByTheNextRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	real := w.queue
	w.queue = &halting{Queue: real, refuse: func(d string) bool { return d == "2022-06-10" }}
	p := w.publisher()
	plan, err := p.Plan(t.Context(), request(monday, sunday))
	must(t, err)
	_, err = p.Publish(t.Context(), request(monday, sunday), plan, nil)
	unsent, ok := errors.AsType[*publisher.UnsentError](err)
	if !ok || len(unsent.Unsent) != 1 || unsent.Unsent[0].Date != date("2022-06-10") {
		t.Fatalf("got %v, want 2022-06-10 named", err)
	}
	w.queue = real
	result := w.publish(request(monday, sunday))
	if result.Published != 1 || result.Known != 7 {
		t.Errorf("second publish: got %+v, want one published, seven known", result)
	}
	w.drain()
	if j := w.validate(monday, sunday); j.Verdict != job.Pass || w.hooks.Builds.Load() != 6 {
		t.Errorf("got %s with %d builds, want pass with 6", j.Verdict, w.hooks.Builds.Load())
	}
}

func TestPublishingTwiceLoadsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	second := w.publish(request(monday, sunday))
	if second.Known != 7 || second.Published != 0 || !second.Nothing && second.Queued != 0 {
		t.Errorf("second publish: got %+v, want seven known, the silent day too, and nothing published", second)
	}
	w.drain()
	if n := w.hooks.Builds.Load(); n != 6 {
		t.Errorf("got %d builds, want 6", n)
	}
}

func TestOverlappingRangesJoinOneRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	first := w.publish(request(monday, "2022-06-08"))
	second := w.publish(request("2022-06-08", sunday))
	if second.RunID != first.RunID || !second.Joined || second.Known != 1 || second.Queued != 3 {
		t.Errorf("got %+v, want 3 queued and 1 known in run %s", second, first.RunID)
	}
	w.drain()
	run, err := w.ledger.Run(t.Context(), first.RunID)
	must(t, err)
	if want := (gamedate.Range{From: date(monday), To: date(sunday)}); run.Range != want {
		t.Errorf("range: got %s, want %s", run.Range, want)
	}
}

// afterTokens calls then once, when the target's tokens have been read and before the caller has them.
type afterTokens struct {
	warehouse.Store
	then func()
}

func (s *afterTokens) Tokens(ctx context.Context, t *table.Schema,
	r gamedate.Range) (map[gamedate.Date]warehouse.Token, error) {
	tokens, err := s.Store.Tokens(ctx, t, r)
	if then := s.then; t == testjob.Target && then != nil {
		s.then = nil
		then()
	}
	return tokens, err
}

// A range is published again while workers are at it: what they complete meanwhile is not done a second time.
func TestDatesCompletedDuringAPublishAreNotDoneAgain(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"within the plan", "after the plan"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, week...)
			r := request(monday, sunday)
			w.publish(r)
			p := w.publisher()
			if when == "within the plan" {
				plain := w.store
				w.store = &afterTokens{Store: plain, then: func() {
					w.store = plain
					w.drain()
				}}
				p = w.publisher()
			}
			plan, err := p.Plan(t.Context(), r)
			must(t, err)
			if when == "after the plan" {
				w.drain()
			}
			result, err := p.Publish(t.Context(), r, plan, nil)
			must(t, err)
			if want := len(week) + 1; result.Queued != 0 || result.Known != want || result.Published != 0 {
				// one day has nothing
				t.Errorf("second publish: got %d queued, %d known, %d published; want 0, %d and 0", result.Queued, result.Known,
					result.Published, want)
			}
			w.drain()
			for _, day := range week {
				if e := w.entry(day); e.State != ledger.Complete || e.Attempt != 1 {
					t.Errorf("%s: got %s after %d attempts, want complete after 1", day, e.State, e.Attempt)
				}
			}
		})
	}
}

func TestReconcilerPublishesWhatWasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	w.sql(`DELETE FROM queue_message`) // the queue lost everything
	w.drainReconciled()
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("got %s, want pass: %+v", j.Verdict, j.Checks)
	}
}

func TestDeadDateWithoutItsLetterIsHealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	e := w.entry(monday)
	claim := w.claim(e, "dying", time.Minute)
	// The worker records the death and dies itself before it publishes the letter.
	must(t, w.ledger.Release(t.Context(), claim.Lease,
		ledger.Release{To: ledger.Dead, Spend: true, Result: ledger.ResultDead,
			Failure: &ledger.Failure{Class: failure.Permanent, Reason: "bad_station", Stage: "build", Message: "no"}}))
	stop := w.start(worker.Config{Owner: "heir", ControlEvery: 5 * time.Millisecond})
	eventually(t, "the redelivery publishes the letter", func() bool { return w.entry(monday).DeadPublished })
	must(t, stop())
	_, err := worker.Fold(t.Context(), w.queue, w.ledger)
	must(t, err)
	letters, err := w.ledger.DeadLetters(t.Context(), ledger.DeadLetterFilter{Job: testjob.Name})
	must(t, err)
	if len(letters) != 1 || letters[0].Failure.Reason != "bad_station" {
		t.Errorf("got %+v, want the letter with its reason", letters)
	}
}

func TestCopiesOfALetterAreSuperseded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.reading(monday, testjob.Permanent, 1)
	w.publish(request(monday, monday))
	w.drain()
	filter := ledger.DeadLetterFilter{Job: testjob.Name}
	letters, err := w.ledger.DeadLetters(t.Context(), filter)
	must(t, err)
	if len(letters) != 1 {
		t.Fatalf("got %d letters, want 1", len(letters))
	}
	first := letters[0]
	// Two more deliveries found the date dead before its letter was recorded.
	for range 2 {
		must(t, w.queue.PublishDeadLetter(t.Context(), queue.Message{Body: first.Body, Attributes: first.Attributes}))
	}
	n, err := worker.Fold(t.Context(), w.queue, w.ledger)
	must(t, err)
	letters, err = w.ledger.DeadLetters(t.Context(), filter)
	must(t, err)
	if n != 2 || len(letters) != 3 {
		t.Fatalf("got %d folded, %d letters in all, want 2 and 3", n, len(letters))
	}
	for _, l := range letters {
		want := ledger.LetterSuperseded
		if l.ID == first.ID {
			want = ledger.LetterOpen
		}
		if l.State != want {
			t.Errorf("letter %s: got %s (%s), want %s", l.ID, l.State, l.Note, want)
		}
	}
}

func TestDrainEndsOnlyWhenTheDeadHaveTheirLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	// A worker takes the message, records the death and is gone before the letter; the queue still holds the message.
	receiving, stop := context.WithCancel(t.Context())
	defer stop()
	recorded, held := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(held)
		err := w.queue.Receive(receiving, 1, func(context.Context, queue.Delivery) {
			e := w.entry(monday)
			claim, err := w.ledger.Claim(t.Context(),
				ledger.ClaimRequest{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq, Owner: "gone",
					TTL: time.Minute, Version: testjob.Version, MaxAttempts: 5})
			if err == nil {
				err = w.ledger.Release(t.Context(), claim.Lease,
					ledger.Release{To: ledger.Dead, Spend: true, Result: ledger.ResultDead,
						Failure: &ledger.Failure{Class: failure.Permanent, Reason: "bad_station", Stage: "build",
							Message: "a station that cannot be"}})
			}
			if err != nil {
				t.Errorf("record the dead date: %v", err)
			}
			close(recorded)
			<-receiving.Done()
		})
		if err != nil {
			t.Errorf("receive: %v", err)
		}
	}()
	<-recorded
	c := w.config()
	c.LeaseTTL, c.ReconcileEvery = 100*time.Millisecond, 10*time.Millisecond
	must(t, w.worker(c).Run(t.Context()))
	stop()
	<-held
	if !w.entry(monday).DeadPublished {
		t.Error("the worker has drained and the dead date has no letter")
	}
	// The message comes again, and is no second letter.
	stopLater := w.start(worker.Config{Owner: "later", ControlEvery: 5 * time.Millisecond})
	eventually(t, "the message is acked", func() bool { n, _, _ := w.queue.Backlog(t.Context()); return n == 0 })
	must(t, stopLater())
	_, err := worker.Fold(t.Context(), w.queue, w.ledger)
	must(t, err)
	letters, err := w.ledger.DeadLetters(t.Context(), ledger.DeadLetterFilter{Job: testjob.Name})
	must(t, err)
	if len(letters) != 1 || letters[0].State != ledger.LetterOpen || letters[0].Failure.Reason != "bad_station" {
		t.Errorf("letters: got %+v, want one open letter for bad_station", letters)
	}
}

func TestUnownedColumnsAreCarriedByTheJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	w.drain()
	w.validate(monday, monday)
	w.sql(`UPDATE rain_per_day SET remark = 'gauge moved' WHERE station = 'north'`)
	w.reading(monday, "north", 5)
	w.publish(request(monday, monday))
	w.drain()
	p, err := w.store.Read(t.Context(), testjob.Target, date(monday))
	must(t, err)
	got := map[string]string{}
	for _, row := range p.Rows {
		got[row[1].Str()] = fmt.Sprint(row[3].Text(), " ", row[5].Text())
	}
	if diff := cmp.Diff(map[string]string{"north": "17 gauge moved", "south": "30 "}, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestRepeatedCallIsNoAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.publish(request(monday, monday))
	var calls atomic.Int64
	w.store = retry.Warehouse(&failing{Store: w.store, replace: func(warehouse.Write) (bool, error) {
		if calls.Add(1) <= 2 {
			return true, errors.New("503 service unavailable")
		}
		return false, nil
	}}, retry.Policy{Base: time.Millisecond})
	w.drain()
	if e := w.entry(monday); e.State != ledger.Complete || e.Attempt != 1 || calls.Load() != 3 {
		t.Errorf("got %s after %d attempts and %d calls, want complete after 1 and 3", e.State, e.Attempt, calls.Load())
	}
}

// mute is a ledger that answers no claim.
type mute struct{ ledger.Ledger }

func (mute) Claim(context.Context, ledger.ClaimRequest) (ledger.Claim, error) {
	return ledger.Claim{}, errors.New("constraint broken")
}

func TestLedgerThatRefusesEveryClaimEndsTheWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	real := w.ledger
	w.ledger = mute{real}
	c := w.config()
	c.LedgerPatience = 50 * time.Millisecond
	if err := w.worker(c).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "constraint broken") {
		t.Fatalf("got %v, want the ledger's error", err)
	}
	w.ledger = real
	w.drain()
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("afterwards: got %s, want pass", j.Verdict)
	}
}

// A worker dies during a date and the run is paused: its lease ends by itself, and after resuming the date is done at
// once, though no worker was there to see the lease end.
func TestPausedRunComesToRestWithoutWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	run := w.publish(request(monday, sunday)).RunID
	e := w.entry(monday)
	w.claim(e, "dead", 50*time.Millisecond)
	p := w.publisher()
	paused, err := p.Pause(t.Context(), run, "lunch", "tester")
	must(t, err)
	again, err := p.Pause(t.Context(), run, "other reason", "tester")
	if err != nil || again.Cause != "lunch" {
		t.Errorf("pausing again: got cause %q, %v, want the first reason", again.Cause, err)
	}
	eventually(t, "nothing is held", func() bool {
		held, err := p.Idle(t.Context(), paused)
		must(t, err)
		return len(held) == 0
	})
	if got := w.entry(monday); got.State != ledger.Pending || got.Seq != 2 {
		t.Errorf("got %s with seq %d, want pending with 2", got.State, got.Seq)
	}
	_, err = p.Resume(t.Context(), run, "back", "tester")
	must(t, err)
	if got := w.entry(monday); got.PublishedSeq != 2 {
		t.Errorf("after resuming: published seq %d, want 2", got.PublishedSeq)
	}
	w.drain()
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("got %s, want pass: %+v", j.Verdict, j.Checks)
	}
}

func TestPublishersThatRaceShareOneRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	var wait sync.WaitGroup
	results := make([]publisher.Result, 4)
	for i := range results {
		p := w.publisher()
		wait.Go(func() {
			r := request(monday, sunday)
			plan, err := p.Plan(context.Background(), r)
			if err == nil {
				results[i], err = p.Publish(context.Background(), r, plan, nil)
			}
			if err != nil {
				t.Errorf("publisher %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	for _, r := range results {
		if r.RunID != results[0].RunID && !r.Nothing {
			t.Errorf("got runs %s and %s, want one", results[0].RunID, r.RunID)
		}
	}
	w.drain()
	if j := w.validate(monday, sunday); j.Verdict != job.Pass || w.hooks.Builds.Load() != 6 {
		t.Errorf("got %s with %d builds, want pass with 6: %+v", j.Verdict, w.hooks.Builds.Load(), j.Checks)
	}
}

// What was overridden once, or how the old partition was treated, makes no finished date stale; what decides rows does.
func TestOnlySettingsThatDecideRowsMakeDatesStale(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.reading(monday, testjob.TooWet, 6000)
	r := request(monday, sunday)
	r.Accept, r.Reason = []string{"too_wet"}, "measured again"
	w.publish(r)
	w.drain()
	w.validate(monday, sunday)
	plan, err := w.publisher().Plan(t.Context(), request(monday, sunday))
	must(t, err)
	if n := plan.Count(publisher.Queue); n != 0 {
		t.Errorf("without the override: got %d dates queued, want none", n)
	}
	other := request(monday, sunday)
	other.Settings = []byte(`{"unit":"hundredths"}`)
	plan, err = w.publisher().Plan(t.Context(), other)
	must(t, err)
	if n := plan.Reasons()[ledger.ReasonSettings]; n != 6 {
		t.Errorf("with another unit: got %v, want 6 dates of other settings", plan.Reasons())
	}
}
