package worker_test

import (
	"errors"
	"strconv"
	"strings"
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
	"gamefill/internal/testjob"
	"gamefill/internal/worker"
)

// fold copies the dead letters into the ledger, as every command that looks at them does.
func (w *world) fold() {
	w.t.Helper()
	_, err := worker.Fold(w.t.Context(), w.queue, w.ledger)
	must(w.t, err)
}

func (w *world) replay(r publisher.ReplayRequest) publisher.ReplayResult {
	w.t.Helper()
	w.fold()
	if r.Reason == "" && !r.DryRun {
		r.Reason = "mended"
	}
	r.Actor = "tester"
	result, err := w.publisher().Replay(w.t.Context(), r)
	must(w.t, err)
	return result
}

func (w *world) open() []ledger.DeadLetter {
	w.t.Helper()
	w.fold()
	letters, err := w.ledger.DeadLetters(w.t.Context(), ledger.DeadLetterFilter{State: ledger.LetterOpen})
	must(w.t, err)
	return letters
}

var tenDays = []string{"2022-06-01", "2022-06-02", "2022-06-03", "2022-06-04", "2022-06-05", "2022-06-06", "2022-06-07",
	"2022-06-08", "2022-06-09", "2022-06-10"}

func TestReplayTouchesOnlyWhatStillFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tenDays...)
	w.reading("2022-06-03", testjob.Permanent, 1)
	w.reading("2022-06-07", testjob.Permanent, 1)
	w.publish(request("2022-06-01", "2022-06-10"))
	w.drain()
	w.validate("2022-06-01", "2022-06-10") // the run is finished, with a verdict
	w.sql(`DELETE FROM readings WHERE day = '2022-06-03' AND station = ?`, testjob.Permanent)

	dry := w.replay(publisher.ReplayRequest{DryRun: true})
	if want := []gamedate.Date{date("2022-06-03"), date("2022-06-07")}; !cmp.Equal(dry.Dates, want) ||
		w.entry("2022-06-03").State != ledger.Dead {
		t.Fatalf("dry run: got %v and state %s, want %v and dead", dry.Dates, w.entry("2022-06-03").State, want)
	}
	for i, want := range []int64{2, 1} { // the first replay builds two dates; the second the one that failed again
		before := w.hooks.Builds.Load()
		result := w.replay(publisher.ReplayRequest{})
		if len(result.Dates) != int(want) || result.Published != int(want) {
			t.Fatalf("replay %d: got %+v, want %d dates", i+1, result, want)
		}
		w.drain()
		if n := w.hooks.Builds.Load() - before; n != want {
			t.Errorf("replay %d: got %d builds, want %d", i+1, n, want)
		}
		w.sql(`DELETE FROM readings WHERE station = ?`, testjob.Permanent)
	}
	if j := w.validate("2022-06-01", "2022-06-10"); j.Verdict != job.Pass || j.States[ledger.Complete] != 10 {
		t.Errorf("in the end: got %s with %v, want pass with 10 complete", j.Verdict, j.States)
	}
	if open := w.open(); len(open) != 0 {
		t.Errorf("open letters: got %+v, want none", open)
	}
	if result := w.replay(publisher.ReplayRequest{}); result.Read != 0 {
		t.Errorf("replaying again: got %+v, want nothing to read", result)
	}
}

func TestReplayOfDuplicateLettersPublishesOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.reading(monday, testjob.Permanent, 1)
	w.publish(request(monday, monday))
	w.drain()
	letter := w.open()[0]
	for i := range 2 { // the topic delivers further copies under ids of their own
		letter.ID = "copy-" + strconv.Itoa(i)
		must(t, w.ledger.RecordDeadLetter(t.Context(), letter))
	}
	w.sql(`DELETE FROM readings WHERE station = ?`, testjob.Permanent)
	result := w.replay(publisher.ReplayRequest{})
	if result.Read != 3 || len(result.Dates) != 1 || result.Duplicates != 2 || result.Published != 1 {
		t.Errorf("got %+v, want 3 read, 1 date, 2 duplicates, 1 published", result)
	}
	w.drain()
	if open := w.open(); len(open) != 0 || w.entry(monday).State != ledger.Complete {
		t.Errorf("got %d open letters and %s, want none and complete", len(open), w.entry(monday).State)
	}
}

func TestReplaySkipsWhatIsNotDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.reading(monday, testjob.Permanent, 1)
	w.publish(request(monday, sunday))
	w.drain()
	stray := []queue.Message{{Body: []byte("hello")},
		queue.Envelope{Job: testjob.Name, Run: "nobody", Date: date("2022-08-01"), Seq: 1}.Message()}
	for _, m := range stray {
		m.Attributes = map[string]string{queue.AttrStage: "message", queue.AttrReason: "odd", queue.AttrClass: "permanent",
			queue.AttrSeq: "1"}
		must(t, w.queue.PublishDeadLetter(t.Context(), m))
	}
	result := w.replay(publisher.ReplayRequest{Limit: 1})
	if len(result.Dates) != 1 || len(result.Skipped) != 2 {
		t.Errorf("got %+v, want one date and two skipped", result)
	}
	open := w.open()
	if len(open) != 2 {
		t.Fatalf("open letters: got %d, want the two strays", len(open))
	}
	n, err := w.publisher().Resolve(t.Context(), []string{open[0].ID, open[1].ID}, "not ours", "tester")
	if err != nil || n != 2 || len(w.open()) != 0 {
		t.Errorf("resolve: got %d, %v and %d open, want 2 and none", n, err, len(w.open()))
	}
	if _, err := w.publisher().Resolve(t.Context(), nil, "", "tester"); err == nil {
		t.Error("resolve without a reason: got no error")
	}
}

func TestReplayWhileWorkersRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tenDays...)
	var mended atomic.Bool
	w.hooks.Build = func(d gamedate.Date) error {
		if !mended.Load() && d.Day%2 == 0 {
			return failure.MarkPermanent(errors.New("not yet"), "not_yet_"+d.String()) // alike, they might stop the run
		}
		return nil
	}
	w.publish(request("2022-06-01", "2022-06-10"))
	c := w.config()
	c.Drain = false
	stop := w.start(c)
	eventually(t, "five dates are dead and told", func() bool { return len(w.open()) == 5 })
	mended.Store(true)
	for w.entry("2022-06-10").State != ledger.Complete || len(w.open()) > 0 { // replay as fast as letters allow
		w.replay(publisher.ReplayRequest{Limit: 2})
	}
	eventually(t, "everything is complete", func() bool {
		counts, err := w.ledger.CountStates(t.Context(), testjob.Name, w.entry("2022-06-01").Run)
		must(t, err)
		return counts[ledger.Complete] == 10
	})
	must(t, stop())
	if n := w.hooks.Builds.Load(); n != 15 {
		t.Errorf("got %d builds, want 15: every date once, five twice", n)
	}
}

func TestLetterThatArrivesAfterTheReplayIsSuperseded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.reading(monday, testjob.Permanent, 1)
	w.publish(request(monday, monday))
	w.drain()
	late := queue.Message{Body: w.open()[0].Body, Attributes: w.open()[0].Attributes}
	w.sql(`DELETE FROM readings WHERE station = ?`, testjob.Permanent)
	w.replay(publisher.ReplayRequest{})
	must(t, w.queue.PublishDeadLetter(t.Context(), late))
	if open := w.open(); len(open) != 0 {
		t.Errorf("a copy of the old letter is open: %+v", open)
	}
	w.drain()
	if e := w.entry(monday); e.State != ledger.Complete || e.Seq != 2 {
		t.Errorf("got %s with seq %d, want complete with 2", e.State, e.Seq)
	}
}

func TestReplayThatBrokeOffIsTakenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.reading(monday, testjob.Permanent, 1)
	w.publish(request(monday, monday))
	w.drain()
	w.validate(monday, monday)
	w.sql(`DELETE FROM readings WHERE station = ?`, testjob.Permanent)
	real := w.queue
	w.queue = &halting{Queue: real, refuse: func(string) bool { return true }}
	w.fold()
	if _, err := w.publisher().Replay(t.Context(), publisher.ReplayRequest{Reason: "mended"}); err == nil {
		t.Fatal("a queue that refuses: got no error")
	}
	w.queue = real
	w.sql(`UPDATE ledger_dead_letter SET state = 'open'`) // as if it had died before the letters were marked
	if result := w.replay(publisher.ReplayRequest{}); result.Published != 1 {
		t.Fatalf("second replay: got %+v, want the date published", result)
	}
	w.drain()
	if got := w.entry(monday).State; got != ledger.Complete {
		t.Errorf("got %s, want complete", got)
	}
}

func TestCauses(t *testing.T) {
	t.Parallel()
	letter := func(day, reason string) ledger.DeadLetter {
		l := ledger.DeadLetter{
			Failure: ledger.Failure{Class: failure.Permanent, Stage: "build", Reason: reason, Message: day}}
		if day != "" {
			l.Date = date(day)
		}
		return l
	}
	got := publisher.Causes(
		[]ledger.DeadLetter{letter("2022-06-02", "a"), letter("2022-06-01", "b"), letter("2022-06-03", "b"),
			letter("", "not JSON")})
	want := []publisher.Cause{
		{Class: "permanent", Stage: "build", Reason: "b", Letters: 2, First: date("2022-06-01"), Last: date("2022-06-03"),
			Example: "2022-06-03"},
		{Class: "permanent", Stage: "build", Reason: "a", Letters: 1, First: date("2022-06-02"), Last: date("2022-06-02"),
			Example: "2022-06-02"},
		{Class: "permanent", Stage: "build", Reason: "not JSON", Letters: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
}

func TestExplainTellsTheStoryOfADate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.reading(monday, testjob.Flaky, 1)
	w.reading("2022-06-07", "nobody", 3)
	w.publish(request(monday, sunday))
	w.drain()
	s, err := w.publisher().Explain(t.Context(), date(monday))
	must(t, err)
	if s.State != ledger.Dead || len(s.Attempts) != 5 || s.Attempts[0].N != 1 || len(s.Letters) != 1 ||
		s.Plan != publisher.Queue || s.Now.Rows != 0 {
		t.Errorf("dead date: got %+v", s)
	}
	s, err = w.publisher().Explain(t.Context(), date("2022-06-07"))
	must(t, err)
	if s.State != ledger.Complete || s.Facts == nil || s.Now.Rows != 3 || s.Plan != publisher.Left ||
		s.Facts.CompletedAt.IsZero() {
		t.Errorf("complete date: got %+v", s)
	}
	w.reading("2022-06-07", "north", 1)
	s, err = w.publisher().Explain(t.Context(), date("2022-06-07"))
	must(t, err)
	if s.Plan != publisher.Queue || !strings.Contains(s.PlanWhy, "readings") {
		t.Errorf("after a change: got plan %s %s, want it queued for its readings", s.Plan, s.PlanWhy)
	}
	s, err = w.publisher().Explain(t.Context(), date("2023-01-01"))
	must(t, err)
	if s.State != "" || s.Plan != publisher.NoGames {
		t.Errorf("a date nobody planned: got %+v", s)
	}

	names, err := w.publisher().Unresolved(t.Context(), gamedate.Range{From: date(monday), To: date(sunday)}, 3)
	must(t, err)
	if len(names) != 1 || names[0].Lookup != "nobody" || names[0].Occurrences != 1 ||
		names[0].First != date("2022-06-07") {
		t.Errorf("unresolved: got %+v, want nobody once", names)
	}
}

func TestLeaseOfACancelledRunEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	run := w.publish(request(monday, monday)).RunID
	e := w.entry(monday)
	w.claim(e, "dead", time.Millisecond)
	_, err := w.publisher().Cancel(t.Context(), run, "wrong", "tester")
	must(t, err)
	c := w.config()
	c.Drain = false
	stop := w.start(c)
	eventually(t, "the lease of the dead worker is ended",
		func() bool { return w.entry(monday).State == ledger.Cancelled })
	must(t, stop())
}
