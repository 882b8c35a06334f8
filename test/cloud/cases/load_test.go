package cases_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/faultinject/faulttest"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/retry"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/internal/worker"
)

// serviceUnavailable is how the warehouse says that it is busy.
var serviceUnavailable = bigqueryfake.Unavailable()

// TestFaultsOfALoadAreNoFailures: whatever breaks on the way, the first attempt ends with every row once.
func TestFaultsOfALoadAreNoFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault bigqueryfake.Fault
		times int
	}{
		{"accepted and the reply lost", bigqueryfake.HangUp(), 1},
		{"accepted and the reply cut", bigqueryfake.CutReply(), 1},
		{"accepted and refused", bigqueryfake.UnavailableAfter(), 1},
		{"upload broken half-way", bigqueryfake.BreakUpload(), 1},
		{"refused twice", serviceUnavailable, 2},
		{"done with an error that passes", bigqueryfake.FailJob("backendError", "internal"), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, conditions{}, monday)
			w.stations(monday, many(220)...)
			w.service.FailNext(onLoads, tt.times, tt.fault)
			w.publish(monday, monday)
			w.drain()
			if e := w.entry(monday); e.State != ledger.Complete || e.Attempt != 1 || e.Spent != 0 || e.Failure != nil ||
				e.Facts.Rows != 220 {
				t.Errorf("got %s at attempt %d, %d spent, failure %v, want complete at 1 with none", e.State, e.Attempt,
					e.Spent, e.Failure)
			}
			if n := w.rows(monday); n != 220 {
				t.Errorf("got %d rows, want 220", n)
			}
			w.nothingLost()
			w.passes(monday, monday, 1)
		})
	}
}

// TestDoneIsNotSuccess: a job that is DONE with an error fails its date by the error's reason.
func TestDoneIsNotSuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, monday)
	w.service.FailNext(onLoads, 1, bigqueryfake.FailJob("invalid", "Error while reading data"))
	w.publish(monday, monday)
	w.drain()
	if e := w.entry(monday); e.State != ledger.Dead || e.Failure.Class != failure.Permanent ||
		e.Failure.Reason != "bad_row" || w.rows(monday) != 0 {
		t.Errorf("got %s, %+v with %d rows, want dead by bad_row with none", e.State, e.Failure, w.rows(monday))
	}
}

// TestWarningsAreNoFailure: a job that is DONE with warnings alone has done its work, and they are in the log.
func TestWarningsAreNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, monday)
	var log strings.Builder
	w.log = &log
	w.service.FailNext(onLoads, 1, bigqueryfake.WarnJob("a value was rounded", 2))
	w.publish(monday, monday)
	w.drain()
	if e := w.entry(monday); e.State != ledger.Complete || e.Attempt != 1 || w.rows(monday) != 2 {
		t.Errorf("got %s at attempt %d with %d rows, want complete at 1 with 2", e.State, e.Attempt, w.rows(monday))
	}
	if n := strings.Count(log.String(), "a value was rounded"); n != 2 {
		t.Errorf("warnings in the log: got %d, want 2:\n%s", n, log.String())
	}
}

// TestRowsAreReadBack: what the store reports of a write decides nothing.
func TestRowsAreReadBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		effect faulttest.Effect
		state  ledger.State
		rows   int
	}{
		{"reports success and stores nothing", faulttest.Pretend, ledger.Dead, 0},
		{"stores all and reports nothing", faulttest.ReportNothing, ledger.Complete, 220},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, conditions{}, monday)
			w.stations(monday, many(220)...)
			w.publish(monday, monday)
			w.drain(w.worker(w.config(), func(p *ports) {
				p.store = faulttest.Warehouse(p.store, faulttest.Fault{Method: faulttest.Replace, Effect: tt.effect})
			}))
			e := w.entry(monday)
			if e.State != tt.state || w.rows(monday) != tt.rows {
				t.Errorf("got %s with %d rows, want %s with %d", e.State, w.rows(monday), tt.state, tt.rows)
			}
			switch {
			case tt.state == ledger.Complete && e.Facts.Rows != tt.rows:
				t.Errorf("facts: got %d rows, want %d", e.Facts.Rows, tt.rows)
			case tt.state == ledger.Dead && e.Failure.Reason != "read_back_mismatch":
				t.Errorf("failure: got %+v, want read_back_mismatch", e.Failure)
			}
		})
	}
}

// TestOnePartitionIsReplaced: doing one date again changes its partition and no other, without a statement that
// deletes.
func TestOnePartitionIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, ten[:7]...)
	changed, grown := ten[2], ten[4]
	w.stations(grown, many(50)...)
	w.publish(ten[0], ten[6])
	w.drain()
	w.passes(ten[0], ten[6], 7)
	span := gamedate.Range{From: date(ten[0]), To: date(ten[6])}
	before, err := w.store.Tokens(t.Context(), testjob.Target, span)
	must(t, err)
	loads := len(w.loads())
	w.stations(changed, "north") // a row fewer
	w.stations(grown, many(52)...)
	if r := w.publish(ten[0], ten[6]); r.Queued != 2 {
		t.Errorf("got %d queued, want the two changed dates", r.Queued)
	}
	w.drain()
	after, err := w.store.Tokens(t.Context(), testjob.Target, span)
	must(t, err)
	for d := range span.Dates() {
		same := d.String() != changed && d.String() != grown
		if same != (before[d] == after[d]) {
			t.Errorf("%s: token as before %v, want %v", d, before[d] == after[d], same)
		}
	}
	if n, m := w.rows(changed), w.rows(grown); n != 1 || m != 52 {
		t.Errorf("got %d and %d rows, want 1 and 52", n, m)
	}
	if more := w.loads()[loads:]; len(more) != 2 {
		t.Errorf("got loads %v, want one of each changed date", more)
	}
	w.passes(ten[0], ten[6], 7) // and the world looks for statements that change tables
}

// TestRowOfAnotherDateLoadsNothing: the date fails at once and names the row.
func TestRowOfAnotherDateLoadsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, monday)
	w.stations(monday, many(100)...)
	build := w.job.Build
	w.job.Build = func(shared any, in job.Input) (job.Output, error) {
		out, err := build(shared, in)
		if len(out.Rows) > 0 {
			out.Rows[41][0] = table.Date(date("2022-06-07"))
		}
		return out, err
	}
	w.publish(monday, monday)
	w.drain()
	if e := w.entry(monday); e.State != ledger.Dead || e.Failure.Reason != "bad_row" || e.Attempt != 1 ||
		!strings.Contains(e.Failure.Message, "station-041") {
		t.Errorf("got %s at attempt %d, %+v, want dead at 1 by bad_row that names station-041", e.State, e.Attempt, e.Failure)
	}
	if loads := w.loads(); len(loads) != 0 || w.rows(monday)+w.rows("2022-06-07") != 0 {
		t.Errorf("got loads %v, want none", loads)
	}
}

// TestTwoWritersAtOnce: a date that two workers are made to do together is loaded by one, while the others go on.
func TestTwoWritersAtOnce(t *testing.T) {
	t.Parallel()
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	dates := days("2022-06-01", rounds)
	w := newWorld(t, conditions{}, dates...)
	w.publish(dates[0], dates[rounds-1])
	for _, d := range dates {
		w.again(w.entry(d), 1)
	}
	var workers []*worker.Worker
	for range 2 {
		workers = append(workers, w.worker(w.config(), func(p *ports) {
			p.store = w.openStore(nil)
			p.queue = faulttest.Queue(p.queue, faulttest.QueueFaults{DuplicateEvery: 1})
		}))
	}
	w.drain(workers...)
	if loads := w.loads(); len(loads) != rounds {
		t.Errorf("got %d loads, want %d", len(loads), rounds)
	}
	w.nothingLost()
	w.passes(dates[0], dates[rounds-1], rounds)
}

// TestManyWorkersAtASmallQuota: the table takes 5 loads in 10 s, here in half a second, from 20 workers with 40 dates.
func TestManyWorkersAtASmallQuota(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for windows of the quota")
	}
	begin := time.Now()
	dates := days("2022-06-01", 40)
	fast := func() time.Time { return begin.Add(20 * time.Since(begin)) }
	w := newWorld(t, conditions{service: bigqueryfake.Options{ModificationsPer10s: 5, Now: fast},
		store: func(o *bigquerywarehouse.Options) { o.Retry = retry.Policy{Base: 50 * time.Millisecond, Tries: 20} }},
		dates...)
	w.publish(dates[0], dates[39])
	var workers []*worker.Worker
	for range 20 {
		c := w.config()
		c.Concurrency, c.QuotaWait, c.MaxAttempts = 2, 100*time.Millisecond, 1
		c.ControlEvery, c.ReconcileEvery = 500*time.Millisecond, time.Second
		workers = append(workers, w.worker(c, func(p *ports) {
			p.store = w.openStore(func(o *bigquerywarehouse.Options) {
				o.Retry = retry.Policy{Base: 50 * time.Millisecond, Tries: 3}
			})
		}))
	}
	w.drain(workers...)
	waits, partitions := 0, map[string]int{}
	for _, a := range w.attempts() {
		if a.Failure != nil && a.Failure.Class == failure.Quota {
			waits++
		}
	}
	for _, p := range w.loads() {
		partitions[p]++
	}
	refusals := len(w.loads()) - len(dates)
	if len(partitions) != 40 || refusals == 0 || waits == 0 {
		t.Errorf("got %d partitions, %d refused loads and %d waits for the quota, want 40 and some",
			len(partitions), refusals, waits)
	}
	w.nothingLost()
	w.passes(dates[0], dates[39], 40)
}

// TestDailyQuotaPausesTheRun: a quota that will not come back today stops the run with its reason; tomorrow it goes on.
func TestDailyQuotaPausesTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, week...)
	w.service.FailNext(onLoads, 1, bigqueryfake.QuotaExceeded())
	w.publish(monday, sunday)
	c := w.config()
	c.QuotaWait = 50 * time.Millisecond
	err := w.worker(c).Run(t.Context())
	paused, ok := errors.AsType[*worker.PausedError](err)
	if !ok || paused.Run.CauseKind != "quota" || !strings.Contains(paused.Run.Cause, "daily quota exhausted") {
		t.Fatalf("got %v, want the run paused by the daily quota", err)
	}
	w.nothingLost()
	_, err = w.publisher().Resume(t.Context(), paused.Run.ID, "a new day", "tester")
	must(t, err)
	w.drain()
	w.nothingLost()
	w.passes(monday, sunday, len(week))
}

// losing is a ledger that one worker loses: renewals fail, and claims hang until the worker is told to stop.
type losing struct {
	ledger.Ledger
	gone atomic.Bool
}

func (l *losing) Claim(ctx context.Context, r ledger.ClaimRequest) (ledger.Claim, error) {
	if l.gone.Load() {
		<-ctx.Done()
		return ledger.Claim{}, ctx.Err()
	}
	return l.Ledger.Claim(ctx, r)
}

func (l *losing) Renew(ctx context.Context, lease ledger.Lease, ttl time.Duration) (ledger.Control, error) {
	if l.gone.Load() {
		return ledger.Control{}, errors.New("no route to the ledger")
	}
	return l.Ledger.Renew(ctx, lease, ttl)
}

// asleep is a store whose Replace sleeps before it begins, and does not notice that its caller has given up.
type asleep struct {
	warehouse.Store
	fallen func()
	wake   chan struct{}
	woken  chan error // what came of the write
}

func (s *asleep) Replace(ctx context.Context, w warehouse.Write) (warehouse.Receipt, error) {
	s.fallen()
	<-s.wake
	r, err := s.Store.Replace(context.WithoutCancel(ctx), w)
	s.woken <- err
	return r, err
}

// TestLostLeaseMixesNothing: a worker loses its lease around its write and another does the date. Whatever the first
// one's write does afterwards, the partition is the second one's.
func TestLostLeaseMixesNothing(t *testing.T) {
	t.Parallel()
	first := func(w *world, change func(*ports)) (lost *losing, stop func() error) {
		lost = &losing{Ledger: w.ledger}
		c := w.lasting()
		c.LeaseTTL, c.Grace, c.Concurrency, c.ReconcileEvery = 600*time.Millisecond, time.Millisecond, 1, time.Hour
		return lost, w.start(w.worker(c, func(p *ports) { p.ledger = lost; p.store = w.openStore(nil); change(p) }))
	}
	ends := func(t *testing.T, w *world) {
		e := w.entry(monday)
		if e.State != ledger.Complete || e.Generation < 2 || e.Spent != 1 || w.rows(monday) != 3 {
			t.Errorf("got %s with generation %d, %d spent and %d rows, want complete, above 1, 1 and the second writer's 3",
				e.State, e.Generation, e.Spent, w.rows(monday))
		}
		w.passes(monday, monday, 1)
	}
	t.Run("load that runs on", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, conditions{}, monday)
		w.publish(monday, monday)
		w.service.FailNext(onLoads, 1, bigqueryfake.HoldRunning().Stubborn())
		lost, _ := first(w, func(*ports) {})
		eventually(t, "the load runs", func() bool { return len(w.service.Held()) == 1 })
		lost.gone.Store(true)
		w.stations(monday, "north", "south", "west")
		done := make(chan error, 1)
		second := w.worker(w.config(), func(p *ports) { p.store = w.openStore(nil) })
		go func() { done <- second.Run(t.Context()) }()
		eventually(t, "the second worker would cancel it", func() bool {
			for _, r := range w.service.Audit() {
				if r.Kind == bigqueryfake.JobsCancel {
					return true
				}
			}
			return false
		})
		if n := len(w.loads()); n != 1 {
			t.Errorf("loads while the old one runs: got %d, want 1", n)
		}
		w.service.Release(w.service.Held()[0]) // it lands, late
		must(t, <-done)
		ends(t, w)
	})
	t.Run("sleep before the upload", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, conditions{}, monday)
		w.publish(monday, monday)
		fallen, sleeper := make(chan struct{}), &asleep{wake: make(chan struct{}), woken: make(chan error, 1)}
		sleeper.fallen = sync.OnceFunc(func() { close(fallen) })
		lost, stop := first(w, func(p *ports) { sleeper.Store = p.store; p.store = sleeper })
		<-fallen
		lost.gone.Store(true)
		w.stations(monday, "north", "south", "west")
		w.drain(w.worker(w.config(), func(p *ports) { p.store = w.openStore(nil) }))
		close(sleeper.wake)
		if err := <-sleeper.woken; !errors.Is(err, warehouse.ErrFenced) {
			t.Errorf("the write of the one that woke: got %v, want %v", err, warehouse.ErrFenced)
		}
		must(t, stop())
		ends(t, w)
	})
}

// TestLocationIsOnEveryCall: a wrong one is told with the right one, none is that of the datasets, and every call about
// jobs carries it.
func TestLocationIsOnEveryCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, monday)
	real := w.store
	w.store = w.openStore(func(o *bigquerywarehouse.Options) { o.Location = "US" })
	_, err := w.publisher().Plan(t.Context(), request(monday, monday))
	if text := fmt.Sprint(err); failure.ClassOf(err) != failure.Environment || !strings.Contains(text, "us-west2") ||
		!strings.Contains(text, "US") {
		t.Errorf("got %v, want an environment error that names both locations", err)
	}
	w.store = real
	w.publish(monday, monday)
	w.drain(w.worker(w.config(), func(p *ports) {
		p.store = w.openStore(func(o *bigquerywarehouse.Options) { o.Location = "" })
	}))
	w.passes(monday, monday, 1)
	for _, r := range w.service.Audit() {
		if r.Kind == bigqueryfake.JobsGet && r.Location == "" {
			t.Errorf("look-up of job %s without a location", r.JobID)
		}
	}
}
