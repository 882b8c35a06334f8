// Package worker takes game dates from the queue and brings each to a settled state in the ledger: claim, read, build,
// accept, write, read back, complete, ack. It is written against the ports and a [job.Job] and knows no subject.
//
// A [Worker] follows the job's open run. While the run is open it receives; while it is planning or paused it does not.
// Work in progress outlives the receiver: it is ended by its own completion, by the lease keeper (lease lost, run
// stopped) or by the grace timer of a shutdown, never by the queue. One worker at a time, chosen by a ledger role, also
// reconciles: see reconcile.go.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/notify"
	"gamefill/internal/queue"
	"gamefill/internal/rebuild"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Config tunes a worker. The zero value of a field means its default.
type Config struct {
	Owner       string        // names this process in leases; must be unique per process
	Concurrency int           // dates in progress at once; default 2
	LeaseTTL    time.Duration // default 60 s; must be longer than three renewals
	Grace       time.Duration // after a stop signal, how long dates in progress may still take; default 25 s
	MaxAttempts int           // spent attempts that make a date dead; default 5
	RetryBase   time.Duration // first wait after a transient failure, doubled each time up to RetryMax; default 10 s
	RetryMax    time.Duration // default 10 min
	QuotaWait   time.Duration // wait after a quota failure; default 10 min
	NotFinal    time.Duration // wait for a date whose units are not final; default 15 min
	// LedgerPatience is how long every claim, or every look at the run, may fail before Run gives up with the ledger's
	// error; default 2 min.
	LedgerPatience time.Duration
	// StallAfter is how long a free slot gets nothing, while dates have been waiting on the queue as long, before the
	// receiver is opened anew; default 2 min.
	StallAfter time.Duration
	HeldWait   time.Duration // longest wait of a message whose date somebody else holds; default 10 s
	// Drain ends Run when every entry of the open run is settled and every dead one has its dead letter.
	Drain bool
	// ControlEvery is how often the run's control state is read; default 1 s.
	ControlEvery time.Duration
	// ReconcileEvery is how often the reconciler looks; default 5 s. FoldEvery is how often it folds dead letters; default
	// 1 min.
	ReconcileEvery, FoldEvery time.Duration
	// RepublishAfter is how long a published, unclaimed entry waits before it is published again; default 15 min.
	RepublishAfter time.Duration
	// Now is the clock for volatile columns; default time.Now.
	Now func() time.Time
	// Notifier tells people what becomes of the run; nil: nobody is told.
	Notifier notify.Notifier
	// Observer is told what happens; default: nobody.
	Observer Observer
	// Tracer follows attempts; default: nothing does.
	Tracer Tracer
}

func (c *Config) setDefaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.LeaseTTL, time.Minute)
	def(&c.Grace, 25*time.Second)
	def(&c.RetryBase, 10*time.Second)
	def(&c.RetryMax, 10*time.Minute)
	def(&c.QuotaWait, 10*time.Minute)
	def(&c.NotFinal, 15*time.Minute)
	def(&c.HeldWait, 10*time.Second)
	def(&c.LedgerPatience, 2*time.Minute)
	def(&c.StallAfter, 2*time.Minute)
	def(&c.ControlEvery, time.Second)
	def(&c.ReconcileEvery, 5*time.Second)
	def(&c.FoldEvery, time.Minute)
	def(&c.RepublishAfter, 15*time.Minute)
	if c.Concurrency == 0 {
		c.Concurrency = 2
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 5
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observer == nil {
		c.Observer = nobody{}
	}
	if c.Tracer == nil {
		c.Tracer = untraced{}
	}
}

// Worker is one worker process's engine.
type Worker struct {
	job    job.Job
	queue  queue.Queue
	ledger ledger.Ledger
	store  warehouse.Store
	config Config
	log    *slog.Logger
	target string // identity of the target table

	claims ledgerHealth // of claims
	looks  ledgerHealth // of reading the run

	mu     sync.Mutex // guards what follows
	shared map[string]*sharedInputs
	stalls int   // receivers in a row that were closed because nothing came
	unwell error // why no work is taken although there is some; nil when nothing is wrong
}

// sharedInputs is what all dates of one run build with: settings and reference snapshot, decoded once.
type sharedInputs struct {
	once   sync.Once
	inputs *rebuild.Inputs
	err    error
}

// New makes a worker. It reads the warehouse's identity, so the store must be reachable.
func New(ctx context.Context, j job.Job, q queue.Queue, l ledger.Ledger, s warehouse.Store, log *slog.Logger,
	c Config) (*Worker, error) {
	c.setDefaults()
	if c.Owner == "" {
		return nil, errors.New("worker: owner is empty")
	}
	target, err := TargetIdentity(ctx, s, j.Target)
	if err != nil {
		return nil, err
	}
	return &Worker{job: j, queue: q, ledger: l, store: s, config: c, log: log, target: target,
		shared: map[string]*sharedInputs{}}, nil
}

// TargetIdentity names one table of one store; a ledger is bound to it per job.
func TargetIdentity(ctx context.Context, s warehouse.Tables, t *table.Schema) (string, error) {
	id, err := s.Identity(ctx)
	if err != nil {
		return "", fmt.Errorf("warehouse identity: %w", err)
	}
	return id + "/" + t.FullName(), nil
}

// PausedError ends a draining worker whose run was paused: waiting would hide the cause.
type PausedError struct{ Run ledger.Run }

// Error says why and what to do.
func (e *PausedError) Error() string {
	return fmt.Sprintf("run %s is paused (%s): %s; remove the cause, then resume the run and start workers again",
		e.Run.ID, e.Run.CauseKind, e.Run.Cause)
}

// VersionError ends a draining worker of the wrong build.
type VersionError struct{ Run, Pinned, Ours string }

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf(
		"run %s pins transform version %s and this worker is version %s: deploy the run's version, or cancel the run", e.Run,
		e.Pinned, e.Ours)
}

// Run follows open runs until ctx is done, then stops receiving, lets dates in progress finish within the grace period,
// gives back the rest and returns nil. With Config.Drain it also returns nil when the open run (or, when there is none,
// nothing) is left to do.
//
// Errors: *PausedError and *VersionError while draining, *ledger.OtherTargetError, and failures of the ports that
// persist.
func (w *Worker) Run(ctx context.Context) error {
	var tidy sync.WaitGroup
	background, stopBackground := context.WithCancel(ctx)
	defer tidy.Wait()
	defer stopBackground()
	tidy.Go(func() { w.reconcileLoop(background) })

	said := "" // what is waited for, said once
	say := func(level slog.Level, what, run string) {
		if said != what+run {
			said = what + run
			w.log.Log(ctx, level, what, "run_id", run)
		}
	}
	for ctx.Err() == nil {
		var unwell error
		answered := w.looks.asking()
		run, ok, err := w.ledger.OpenRun(ctx, w.job.Name)
		answered()
		if err == nil {
			w.looks.note(nil)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if !w.waitForLedger(ctx, err) {
				return err
			}
		case !ok && w.config.Drain:
			say(slog.LevelInfo, "no run is open: nothing to drain", "")
			return nil
		case !ok:
			say(slog.LevelInfo, "no run is open: waiting for one", "")
		case ok && run.Target != w.target:
			return &ledger.OtherTargetError{Job: w.job.Name, Bound: run.Target, Given: w.target}
		case ok && run.State.Working() && run.Version != w.job.Version:
			versions := &VersionError{Run: run.ID, Pinned: run.Version, Ours: w.job.Version}
			if w.config.Drain {
				return versions
			}
			unwell = versions
			say(slog.LevelWarn, "not receiving: "+versions.Error(), run.ID)
		case ok && run.State.Working():
			done, err := w.receive(ctx, run)
			if err != nil {
				return err
			}
			if done {
				return nil
			}
			said = ""
			continue
		case ok && run.State == ledger.RunPlanning:
			say(slog.LevelInfo,
				"waiting: the run is still planning; if no publisher is at work, publish its range again or cancel it", run.ID)
		case ok && run.State == ledger.RunAwaitingApproval && w.config.Drain:
			say(slog.LevelInfo, "nothing to drain: the run waits for the rest of its dates to be published", run.ID)
			return nil
		case ok && run.State == ledger.RunAwaitingApproval:
			say(slog.LevelInfo, "waiting: the sample of the run is judged, the rest of its dates is not published", run.ID)
		case ok && run.State == ledger.RunPaused && w.config.Drain:
			w.fold(ctx) // nobody may be left to do it, and status counts what the ledger has
			return &PausedError{Run: run}
		}
		w.notReceiving(unwell)
		if !sleep(ctx, w.config.ControlEvery) {
			return nil
		}
	}
	return nil
}

// receive works on one open run until it is not open any more, ctx is done, or (draining) everything is settled: then
// done is true.
func (w *Worker) receive(ctx context.Context, run ledger.Run) (done bool, err error) {
	receiving, stopReceiving := context.WithCancel(ctx)
	defer stopReceiving()
	// The grace timer: work in progress outlives ctx by the grace period and is then cancelled.
	work, cancelWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelWork(nil)
	endGrace := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(w.config.Grace, func() { cancelWork(errShutdown) })
		context.AfterFunc(work, func() { timer.Stop() })
	})
	defer endGrace()

	slots := newSlots(w.config.Concurrency)
	var watch sync.WaitGroup
	var watchErr error
	watch.Go(func() {
		defer stopReceiving()
		done, watchErr = w.watch(receiving, run, slots)
	})
	err = w.queue.Receive(receiving, w.config.Concurrency, func(deliveryCtx context.Context, d queue.Delivery) {
		slots.change(-1)
		defer slots.change(1)
		w.received()
		merged, cancel := context.WithCancelCause(deliveryCtx)
		defer cancel(nil)
		stop := context.AfterFunc(work, func() { cancel(context.Cause(work)) })
		defer stop()
		if w.handle(merged, d) == stopReceivingNow {
			stopReceiving()
		}
	})
	stopReceiving()
	watch.Wait()
	if err != nil {
		return false, fmt.Errorf("receive: %w", err)
	}
	if err := w.claimsBroken(); err != nil {
		return false, err
	}
	if done {
		w.fold(ctx) // after the handlers: the last dead letter is published after its entry is settled
	}
	return done, watchErr
}

// errShutdown is the cause of work cancelled by the grace timer.
var errShutdown = errors.New("the worker is shutting down")

// watch reads the run's control state until the receiver must stop, or until nothing comes through it although dates
// wait. It reports done when draining is complete.
func (w *Worker) watch(ctx context.Context, run ledger.Run, s *slots) (done bool, err error) {
	var waits waiting
	var took time.Duration // of the last look
	for sleep(ctx, w.config.lookAgain(took)) {
		looked := time.Now()
		stop, done, err := w.look(ctx, run, s, &waits)
		took = time.Since(looked)
		if ctx.Err() != nil {
			return false, nil
		}
		if err != nil {
			if !w.waitForLedger(ctx, err) {
				return false, err
			}
			continue
		}
		w.looks.note(nil)
		if stop || done || w.stalled(ctx, run, s) {
			return done, nil
		}
	}
	return false, nil
}

// look reads the run once. stop: it is not open any more; done: it is to be drained, and nothing is left.
func (w *Worker) look(ctx context.Context, run ledger.Run, s *slots, waits *waiting) (stop, done bool, err error) {
	answered := w.looks.asking()
	now, err := w.ledger.Run(ctx, run.ID)
	answered()
	if err != nil {
		return false, false, fmt.Errorf("read run %s: %w", run.ID, err)
	}
	if !now.State.Working() {
		w.log.InfoContext(ctx, "stopped receiving", "run_id", run.ID, "run_state", string(now.State), "cause", now.Cause)
		return true, false, nil
	}
	if !w.config.Drain {
		return false, false, nil
	}
	counts, err := w.ledger.CountStates(ctx, w.job.Name, run.ID)
	if err != nil {
		return false, false, fmt.Errorf("count states of run %s: %w", run.ID, err)
	}
	if left := counts[ledger.Pending] + counts[ledger.Leased]; left > 0 {
		waits.tell(ctx, w, run.ID, left, s)
		return false, false, nil
	}
	silent, err := w.silentDead(ctx, run.ID)
	if err != nil || len(silent) == 0 {
		return false, err == nil, err
	}
	w.fold(ctx) // the letters may be on the topic; else they come with the redelivery, or from the reconciler
	return false, false, nil
}

// A draining worker looks whether everything is settled as often as this, since it is waited for, and no oftener than
// that a look takes a tenth of its time: a ledger that is far away answers in many times a file's time, and bills each
// look.
const (
	drainPoll  = 50 * time.Millisecond
	drainShare = 10
)

// lookAgain is how long to wait before the next look at the run, when the last one took so long.
func (c Config) lookAgain(took time.Duration) time.Duration {
	if !c.Drain {
		return c.ControlEvery
	}
	return min(c.ControlEvery, max(drainPoll, (drainShare-1)*took))
}

// inputs returns the run's shared build inputs, decoded once per process.
func (w *Worker) inputs(ctx context.Context, run ledger.Run) (*rebuild.Inputs, error) {
	w.mu.Lock()
	s := w.shared[run.ID]
	if s == nil {
		if len(w.shared) >= maxSharedRuns {
			clear(w.shared)
		}
		s = &sharedInputs{}
		w.shared[run.ID] = s
	}
	w.mu.Unlock()
	s.once.Do(func() {
		var packed []byte
		if packed, s.err = w.ledger.Reference(ctx, run.ID); s.err != nil {
			s.err = ledgerFailed(s.err)
			return
		}
		s.inputs, s.err = rebuild.NewInputs(w.job, run.Settings, packed, run.Accept)
	})
	if s.err != nil {
		w.mu.Lock()
		delete(w.shared, run.ID) // a failed read may work next time
		w.mu.Unlock()
		return nil, fmt.Errorf("inputs of run %s: %w", run.ID, s.err)
	}
	return s.inputs, nil
}

// maxSharedRuns bounds the decoded snapshots a long-lived worker keeps: the open run's and a few before it.
const maxSharedRuns = 4

// sleep waits for d; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// attrs are the log attributes of one date.
func attrs(l ledger.Lease) []any {
	return []any{"run_id", l.Run, "game_date", l.Date.String(), "attempt", l.Attempt, "generation", l.Generation}
}
