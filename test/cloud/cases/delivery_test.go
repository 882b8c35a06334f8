package cases_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gamefill/internal/faultinject/faulttest"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
)

// counting counts claims.
type counting struct {
	ledger.Ledger
	claims atomic.Int64
}

func (l *counting) Claim(ctx context.Context, r ledger.ClaimRequest) (ledger.Claim, error) {
	defer l.claims.Add(1)
	return l.Ledger.Claim(ctx, r)
}

// TestCopiesAreDoneOnce: of two copies at the same moment one is worked on; a later one is acked and changes no count.
func TestCopiesAreDoneOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, monday)
	w.stations(monday, many(220)...)
	w.publish(monday, monday)
	w.again(w.entry(monday), 1)
	claims := &counting{Ledger: w.ledger}
	w.ledger = claims
	w.hooks.Build = func(gamedate.Date) error { // the holder works until the other has its copy too
		eventually(t, "the other worker has claimed", func() bool { return claims.claims.Load() > 1 })
		return nil
	}
	for range 2 {
		c := w.lasting()
		c.Concurrency = 1
		w.start(w.worker(c))
	}
	eventually(t, "both copies are acked", func() bool { return w.pubsub.unacked() == 0 })
	before := w.counts()
	w.again(w.entry(monday), 1)
	eventually(t, "the third copy is acked", func() bool { return w.pubsub.unacked() == 0 })
	if after := w.counts(); before[ledger.Complete] != 1 || after[ledger.Complete] != 1 {
		t.Errorf("complete: got %v, then %v, want 1 both times", before, after)
	}
	if loads, attempts := w.loads(), w.attempts(); len(loads) != 1 || len(attempts) != 1 || w.hooks.Builds.Load() != 1 {
		t.Errorf("got loads %v, %d attempts and %d builds, want one of each", loads, len(attempts), w.hooks.Builds.Load())
	}
	groups, err := w.store.Count(t.Context(), testjob.Target, gamedate.Range{From: date(monday), To: date(monday)},
		warehouse.Grouping{Keys: []string{"station"}})
	must(t, err)
	if len(groups) != 1 || groups[0].Rows != 220 || groups[0].Distinct != 220 {
		t.Errorf("got %+v, want 220 rows with as many keys", groups)
	}
	w.passes(monday, monday, 1)
}

// TestLostAcks: a message whose ack was lost comes again and is acked without work.
func TestLostAcks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, week...)
	w.publish(monday, sunday)
	w.queue = faulttest.Queue(w.queue, faulttest.QueueFaults{LoseAckEvery: 2})
	w.start(w.worker(w.lasting()))
	eventually(t, "every message is acked", func() bool { return w.pubsub.unacked() == 0 })
	deliveries := 0
	for _, m := range w.pubsub.dates() {
		deliveries += m.Deliveries
	}
	if deliveries <= len(week) || w.hooks.Builds.Load() != int64(len(week)) {
		t.Errorf("got %d deliveries and %d builds, want more than %d and %d", deliveries, w.hooks.Builds.Load(),
			len(week), len(week))
	}
	w.passes(monday, sunday, len(week))
}

// TestLongDateKeepsItsMessage: a date that takes several deadlines stays with its worker, whose hold is put off.
func TestLongDateKeepsItsMessage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the first extension of a hold")
	}
	w := newWorld(t, conditions{}, monday)
	started, free := make(chan struct{}), make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error { close(started); <-free; return nil }
	w.publish(monday, monday)
	one := w.lasting()
	one.Concurrency = 1
	w.start(w.worker(one))
	<-started
	two := w.lasting()
	two.Concurrency = 1
	w.start(w.worker(two))
	message := func() (deliveries, extensions int) { m := w.pubsub.dates()[0]; return m.Deliveries, len(m.Modacks) }
	eventually(t, "the hold is put off", func() bool { _, n := message(); return n > 0 })
	w.pubsub.advance(35 * time.Second) // of a deadline of ten
	pulls := w.pubsub.count("Pull")
	eventually(t, "the second worker has asked for messages", func() bool { return w.pubsub.count("Pull") > pulls+3 })
	close(free)
	eventually(t, "the message is acked", func() bool { return w.pubsub.unacked() == 0 })
	if n, _ := message(); n != 1 || len(w.attempts()) != 1 {
		t.Errorf("got %d deliveries and %d attempts, want one of each", n, len(w.attempts()))
	}
	w.passes(monday, monday, 1)
}

// TestMessageThatComesBackMidway: where the hold may not be put off, the second worker finds the date held and gives
// the message back, and the date is loaded once.
func TestMessageThatComesBackMidway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{queue: func(o *pubsubqueue.Options) { o.MaxExtension = time.Millisecond }}, monday)
	started, free := make(chan struct{}), make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error { close(started); <-free; return nil }
	w.publish(monday, monday)
	for range 2 {
		c := w.lasting()
		c.Concurrency = 1
		w.start(w.worker(c))
	}
	<-started
	w.pubsub.advance(11 * time.Second) // past the deadline
	eventually(t, "the second worker has had it several times", func() bool { return w.pubsub.dates()[0].Deliveries > 3 })
	close(free)
	eventually(t, "the message is acked", func() bool {
		return w.pubsub.unacked() == 0 && w.entry(monday).State == ledger.Complete
	})
	if loads, attempts := w.loads(), w.attempts(); len(loads) != 1 || len(attempts) != 1 {
		t.Errorf("got loads %v and %d attempts, want one of each", loads, len(attempts))
	}
	w.passes(monday, monday, 1)
}

// TestConcurrencyIsThePeak: with 4 at once and many dates waiting, 4 are in progress at most, and at times.
func TestConcurrencyIsThePeak(t *testing.T) {
	t.Parallel()
	for name, unary := range map[string]bool{"pulls": true, "stream": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 50
			if testing.Short() {
				n = 12
			}
			dates := days("2022-06-01", n)
			w := newWorld(t, conditions{queue: func(o *pubsubqueue.Options) { o.UnaryPull = unary }}, dates...)
			var running, peak atomic.Int64
			full := make(chan struct{})
			open := sync.OnceFunc(func() { close(full) })
			w.hooks.Build = func(gamedate.Date) error {
				now := running.Add(1)
				defer running.Add(-1)
				for p := peak.Load(); now > p && !peak.CompareAndSwap(p, now); p = peak.Load() {
				}
				if now == 4 {
					open()
				}
				<-full
				return nil
			}
			w.publish(dates[0], dates[n-1])
			w.drain()
			if peak.Load() != 4 {
				t.Errorf("dates in progress at once: got %d, want 4", peak.Load())
			}
			for _, a := range w.attempts() {
				if a.Result != ledger.ResultComplete {
					t.Errorf("%s: got %s, want complete at once: no lease is lost while it waits", a.Date, a.Result)
				}
			}
			w.passes(dates[0], dates[n-1], n)
		})
	}
}

// TestSilentStall: a receiver that gets nothing more while dates wait makes the worker unhealthy and is opened anew.
func TestSilentStall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, ten...)
	given := 0
	w.publish(ten[0], ten[9])
	w.pubsub.refusing(func(method string, r any) error {
		if method != "Pull" {
			return nil
		}
		if given++; given > 5 {
			return errNothing
		}
		return nil
	})
	c := w.lasting()
	c.StallAfter = 200 * time.Millisecond
	wk := w.worker(c)
	w.start(wk)
	eventually(t, "it says that it gets nothing", func() bool { return wk.Healthy() != nil })
	if counts := w.counts(); counts[ledger.Complete] != 5 || counts[ledger.Pending] != 5 {
		t.Errorf("got %v, want 5 complete and 5 waiting", counts)
	}
	w.pubsub.refusing(nil)
	eventually(t, "everything is complete", func() bool { return w.counts()[ledger.Complete] == 10 })
	if err := wk.Healthy(); err != nil {
		t.Errorf("in the end: got %v, want healthy", err)
	}
	w.passes(ten[0], ten[9], 10)
}

// TestStopFinishesWhatIsInProgress: after the signal no date begins, those in progress are completed and acked, and the
// rest was never held.
func TestStopFinishesWhatIsInProgress(t *testing.T) {
	t.Parallel()
	dates := days("2022-06-01", 24)
	w := newWorld(t, conditions{}, dates...)
	started, free := make(chan struct{}, len(dates)), make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error { started <- struct{}{}; <-free; return nil }
	w.publish(dates[0], dates[23])
	stop := w.start(w.worker(w.lasting()))
	for range 4 {
		<-started
	}
	done := make(chan error, 1)
	go func() { done <- stop() }()
	close(free)
	must(t, <-done)
	if counts := w.counts(); counts[ledger.Complete] != 4 || counts[ledger.Pending] != 20 || len(counts) != 2 ||
		w.pubsub.unacked() != 20 {
		t.Errorf("got %v with %d messages left, want 4 complete, 20 pending and their messages", counts, w.pubsub.unacked())
	}
	w.drain()
	for _, m := range w.pubsub.dates() {
		if m.Deliveries != 1 {
			t.Errorf("%s: got %d deliveries, want 1", m.Data, m.Deliveries)
		}
	}
	w.nothingLost()
	w.passes(dates[0], dates[23], 24)
}

// TestOldCopyAfterAReplay: a message from before the replay is acked and changes nothing.
func TestOldCopyAfterAReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, monday)
	w.stations(monday, "north", testjob.Permanent)
	w.publish(monday, monday)
	w.drain()
	old := w.entry(monday)
	w.stations(monday, "north")
	w.replay()
	w.drain()
	rows := w.rows(monday)
	w.again(old, 1)
	w.stations(monday, "north", "south") // what doing it again would show
	w.start(w.worker(w.lasting()))
	eventually(t, "the old copy is acked", func() bool { return w.pubsub.unacked() == 0 })
	if e := w.entry(monday); e.State != ledger.Complete || e.Seq != 2 || w.rows(monday) != rows || len(w.loads()) != 1 {
		t.Errorf("got %s with seq %d and %d rows after loads %v, want complete, 2, %d and one load", e.State, e.Seq,
			w.rows(monday), w.loads(), rows)
	}
}

// TestTwoVersionsOnOneSubscription: the worker of the other build takes nothing from the one that is right.
func TestTwoVersionsOnOneSubscription(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, week...)
	w.publish(monday, sunday)
	w.job.Version = "8"
	c := w.lasting()
	c.Owner = "next"
	next := w.worker(c)
	w.start(next)
	eventually(t, "the next build says that it is no use", func() bool { return next.Healthy() != nil })
	w.job.Version = testjob.Version
	w.drain()
	for _, a := range w.attempts() {
		if a.Owner == "next" || a.Result != ledger.ResultComplete {
			t.Errorf("%s: got %s by %s, want complete by the run's build", a.Date, a.Result, a.Owner)
		}
	}
	w.passes(monday, sunday, len(week))
}
