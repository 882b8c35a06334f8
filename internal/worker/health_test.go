package worker_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gamefill/internal/faultinject/faulttest"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/queue"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
	"gamefill/internal/worker"
)

func TestSilentReceiverIsOpenedAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	w.queue = faulttest.Queue(w.queue, faulttest.QueueFaults{SilentReceives: 3})
	hold := make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error { <-hold; return nil }
	c := w.config()
	c.StallAfter = 50 * time.Millisecond
	wk := w.worker(c)
	if err := wk.Healthy(); err != nil {
		t.Errorf("at first: got %v, want healthy", err)
	}
	done := make(chan error, 1)
	go func() { done <- wk.Run(t.Context()) }()
	eventually(t, "two receivers got nothing", func() bool {
		err := wk.Healthy()
		return err != nil && strings.Contains(err.Error(), "6 dates wait on the queue")
	})
	eventually(t, "a receiver that works makes it healthy", func() bool { return wk.Healthy() == nil })
	close(hold)
	must(t, <-done)
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("got %s, want pass: %+v", j.Verdict, j.Checks)
	}
}

// TestBusyWorkerIsNotStalled: with every slot taken nothing can come, however long it lasts.
func TestBusyWorkerIsNotStalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	var receivers atomic.Int64
	w.queue = &counted{w.queue, &receivers}
	hold := make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error { <-hold; return nil }
	c := w.config()
	c.StallAfter, c.Concurrency = 500*time.Millisecond, 2 // long enough for a slow machine to take both slots
	var looks atomic.Int64
	w.ledger = &away{Ledger: w.ledger, refuse: func(call string) error {
		if call == "Run" {
			looks.Add(1)
		}
		return nil
	}}
	wk := w.worker(c)
	done := make(chan error, 1)
	go func() { done <- wk.Run(t.Context()) }()
	eventually(t, "it has looked for long enough",
		func() bool { return looks.Load() > 2*int64(c.StallAfter/c.ControlEvery) })
	close(hold)
	must(t, <-done)
	if n := receivers.Load(); n != 1 {
		t.Errorf("got %d receivers, want 1", n)
	}
}

// counted counts receivers.
type counted struct {
	queue.Queue
	receivers *atomic.Int64
}

func (q *counted) Receive(ctx context.Context, n int, handle func(context.Context, queue.Delivery)) error {
	q.receivers.Add(1)
	return q.Queue.Receive(ctx, n, handle)
}

// unavailable is how Firestore says that it is away.
var unavailable = status.Error(codes.Unavailable, "the service is currently unavailable")

// away is a ledger whose calls fail for a while.
type away struct {
	ledger.Ledger
	refuse func(call string) error
}

func (l *away) OpenRun(ctx context.Context, jobName string) (ledger.Run, bool, error) {
	if err := l.refuse("OpenRun"); err != nil {
		return ledger.Run{}, false, err
	}
	return l.Ledger.OpenRun(ctx, jobName)
}

func (l *away) Run(ctx context.Context, id string) (ledger.Run, error) {
	if err := l.refuse("Run"); err != nil {
		return ledger.Run{}, err
	}
	return l.Ledger.Run(ctx, id)
}

func (l *away) CountStates(ctx context.Context, jobName, run string) (map[ledger.State]int, error) {
	if err := l.refuse("CountStates"); err != nil {
		return nil, err
	}
	return l.Ledger.CountStates(ctx, jobName, run)
}

func (l *away) Attempts(ctx context.Context, f ledger.AttemptFilter, limit int) ([]ledger.Attempt, error) {
	if err := l.refuse("Attempts"); err != nil {
		return nil, err
	}
	return l.Ledger.Attempts(ctx, f, limit)
}

func (l *away) Claim(ctx context.Context, r ledger.ClaimRequest) (ledger.Claim, error) {
	if err := l.refuse("Claim"); err != nil {
		return ledger.Claim{}, err
	}
	return l.Ledger.Claim(ctx, r)
}

func (l *away) Renew(ctx context.Context, lease ledger.Lease, ttl time.Duration) (ledger.Control, error) {
	if err := l.refuse("Renew"); err != nil {
		return ledger.Control{}, err
	}
	return l.Ledger.Renew(ctx, lease, ttl)
}

func (l *away) BeginWrite(ctx context.Context, lease ledger.Lease, ttl time.Duration, w ledger.WriteRecord) error {
	if err := l.refuse("BeginWrite"); err != nil {
		return err
	}
	return l.Ledger.BeginWrite(ctx, lease, ttl, w)
}

func (l *away) Complete(ctx context.Context, lease ledger.Lease, facts ledger.Facts) error {
	if err := l.refuse("Complete"); err != nil {
		return err
	}
	return l.Ledger.Complete(ctx, lease, facts)
}

func (l *away) Release(ctx context.Context, lease ledger.Lease, r ledger.Release) error {
	if err := l.refuse("Release"); err != nil {
		return err
	}
	return l.Ledger.Release(ctx, lease, r)
}

func (l *away) Hold(ctx context.Context, role, owner string, ttl time.Duration) (bool, error) {
	if err := l.refuse("Hold"); err != nil {
		return false, err
	}
	return l.Ledger.Hold(ctx, role, owner, ttl)
}

// TestLedgerAwayForAWhileKillsNothing takes the ledger away in mid-run, in the scale of the leases as long as a lease
// lasts: some dates have been claimed, one has just been written. Everything is complete in the end, nothing is dead
// and the run was never paused.
func TestLedgerAwayForAWhileKillsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	id := w.publish(request(monday, sunday)).RunID
	real := w.ledger
	const ttl = time.Second
	var gone atomic.Bool
	var refused atomic.Int64
	w.ledger = &away{Ledger: real, refuse: func(string) error {
		if gone.Load() {
			refused.Add(1)
			return unavailable
		}
		return nil
	}}
	written := make(chan struct{})
	var writes atomic.Int64
	store := w.store
	w.store = &failing{Store: store, replace: func(write warehouse.Write) (bool, error) {
		_, err := store.Replace(t.Context(), write)
		if writes.Add(1) == 2 {
			gone.Store(true)
			close(written)
		}
		return true, err
	}}
	c := w.config()
	c.LeaseTTL, c.Concurrency, c.MaxAttempts = ttl, 3, 3
	done := make(chan error, 1)
	wk := w.worker(c)
	go func() { done <- wk.Run(t.Context()) }()
	<-written
	back := time.AfterFunc(ttl, func() { gone.Store(false) })
	defer back.Stop()
	must(t, <-done)
	if refused.Load() < 10 {
		t.Errorf("got %d calls refused, want the ledger to have been missed", refused.Load())
	}
	counts, err := real.CountStates(t.Context(), testjob.Name, id)
	must(t, err)
	if counts[ledger.Complete] != 6 || counts[ledger.Dead] != 0 {
		t.Errorf("got %v, want 6 complete and none dead", counts)
	}
	w.ledger = real
	if pauses := w.events("paused"); len(pauses) != 0 {
		t.Errorf("the run was paused: %v", pauses)
	}
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("got %s, want pass: %+v", j.Verdict, j.Checks)
	}
}

func TestLedgerThatStaysAwayEndsTheWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.publish(request(monday, sunday))
	real := w.ledger
	var calls atomic.Int64
	w.ledger = &away{Ledger: real, refuse: func(call string) error {
		if call == "OpenRun" && calls.Add(1) == 1 {
			return nil // it answers once, so it is no wrong address
		}
		return unavailable
	}}
	c := w.config()
	c.LedgerPatience = 30 * time.Millisecond
	if err := w.worker(c).Run(t.Context()); !errors.Is(err, unavailable) {
		t.Errorf("got %v, want the ledger's error", err)
	}
	for _, state := range w.states(monday, sunday) {
		if state == ledger.Dead {
			t.Error("a date died of the ledger")
		}
	}
	w.ledger = &away{Ledger: real, refuse: func(string) error { return unavailable }}
	c.LedgerPatience = time.Hour
	if err := w.worker(c).Run(t.Context()); !errors.Is(err, unavailable) {
		t.Errorf("a ledger that has never answered: got %v, want its error at once", err)
	}
	w.ledger = &away{Ledger: real, refuse: func(call string) error {
		if call == "Run" {
			return ledger.ErrNoRun
		}
		return nil
	}}
	if err := w.worker(c).Run(t.Context()); !errors.Is(err, ledger.ErrNoRun) {
		t.Errorf("a ledger that has lost the run: got %v, want %v at once", err, ledger.ErrNoRun)
	}
}

func TestOtherVersionIsUnhealthyUntilItsRunIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	id := w.publish(request(monday, monday)).RunID
	w.job.Version = "8"
	c := w.config()
	c.Drain = false
	wk := w.worker(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- wk.Run(ctx) }()
	eventually(t, "it says which versions", func() bool {
		v, ok := errors.AsType[*worker.VersionError](wk.Healthy())
		return ok && v.Run == id && v.Ours == "8"
	})
	_, err := w.publisher().Cancel(t.Context(), id, "upgrade", "tester")
	must(t, err)
	eventually(t, "there is no work that it could take", func() bool { return wk.Healthy() == nil })
	cancel()
	must(t, <-done)
}

// TestUnansweredLookIsUnhealthy: it is unhealthy at once and recovers with the first answer, with or without a run.
func TestUnansweredLookIsUnhealthy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	real := w.ledger
	var gone atomic.Bool
	var answered atomic.Int64
	w.ledger = &away{Ledger: real, refuse: func(call string) error {
		if gone.Load() {
			return unavailable
		}
		if call == "OpenRun" {
			answered.Add(1)
		}
		return nil
	}}
	c := w.config()
	c.Drain = false
	wk := w.worker(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- wk.Run(ctx) }()
	eventually(t, "it has looked twice", func() bool { return answered.Load() >= 2 })
	for _, when := range []string{"without a run", "with an open run"} {
		gone.Store(true)
		eventually(t, when+" it says so", func() bool { return errors.Is(wk.Healthy(), unavailable) })
		gone.Store(false)
		eventually(t, when+" it recovers", func() bool { return wk.Healthy() == nil })
		if when == "without a run" {
			w.publish(request(monday, monday))
		}
	}
	cancel()
	must(t, <-done)
}
