package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/ledger"
)

// ledgerHealth tells a ledger that is away for a while from one that refuses for good.
type ledgerHealth struct {
	mu       sync.Mutex // guards what follows
	asked    time.Time  // since when a call waits for its answer; zero when none does
	answered bool       // at least once
	since    time.Time  // of the first failure after the last answer; zero when there is none
	err      error      // of the latest failure
}

func (h *ledgerHealth) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.err = err; {
	case err == nil:
		h.answered, h.since = true, time.Time{}
	case h.since.IsZero():
		h.since = time.Now()
	}
}

// silentAfter is how long a look at the run may wait for its answer before the worker says so. An adapter waits for
// longer before it gives up; most answers take less than a second.
const silentAfter = 10 * time.Second

// asking notes that a call waits for its answer, until over is called.
func (h *ledgerHealth) asking() (over func()) {
	h.ask(time.Now())
	return func() { h.ask(time.Time{}) }
}

func (h *ledgerHealth) ask(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = at
}

// silent is for how long a call has waited for its answer, 0 when none has for longer than silentAfter.
func (h *ledgerHealth) silent() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := time.Since(h.asked); !h.asked.IsZero() && d >= silentAfter {
		return d
	}
	return 0
}

// failing is the time without an answer and the latest error; nil when the last call was answered.
func (h *ledgerHealth) failing() (time.Duration, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		return 0, nil
	}
	return time.Since(h.since), h.err
}

// claimsBroken is the ledger's error when it has answered no claim for longer than it may.
func (w *Worker) claimsBroken() error {
	if d, err := w.claims.failing(); err != nil && d >= w.config.LedgerPatience {
		return fmt.Errorf("no claim was answered for %s: %w", d.Round(time.Second), err)
	}
	return nil
}

// waitForLedger says whether a failed look at the run may be tried again: the ledger has answered before, and has been
// away no longer than it may. A refusal is no absence, nor is a ledger that has lost the run.
func (w *Worker) waitForLedger(ctx context.Context, err error) bool {
	w.looks.note(err)
	d, _ := w.looks.failing()
	w.looks.mu.Lock()
	answered := w.looks.answered
	w.looks.mu.Unlock()
	if !answered || d >= w.config.LedgerPatience || failure.ClassOf(err) != failure.Transient ||
		errors.Is(err, ledger.ErrNoRun) {
		return false
	}
	w.log.WarnContext(ctx, "the ledger does not answer", "for", d.Round(time.Second).String(), "error", err.Error())
	return true
}

// slots knows for how long a receiver has had a free slot that got nothing.
type slots struct {
	all   int
	mu    sync.Mutex // guards what follows
	free  int
	since time.Time // of the last delivery, its end, or the last look that found nothing wrong
}

func newSlots(n int) *slots { return &slots{all: n, free: n, since: time.Now()} }

// change takes a slot with -1, frees one with 1, and begins the wait anew.
func (s *slots) change(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	s.since = time.Now()
}

// idle is how long a free slot has got nothing; 0 when none is free.
func (s *slots) idle() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == 0 {
		return 0
	}
	return time.Since(s.since)
}

// taken reports whether a slot is in use.
func (s *slots) taken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.free < s.all
}

// stallsUnwell is how many receivers in a row may get nothing before the worker is unwell: the first may be a broken
// stream, which a new one mends.
const stallsUnwell = 2

// stalled reports whether the receiver is to be opened anew: a slot has been free and got nothing for
// Config.StallAfter, although the ledger has dates whose messages have been on the queue, untouched, for as long.
func (w *Worker) stalled(ctx context.Context, run ledger.Run, s *slots) bool {
	idle := s.idle()
	if idle < w.config.StallAfter {
		return false
	}
	due, err := w.ledger.Due(ctx, w.job.Name, run.ID, w.config.StallAfter)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		w.log.WarnContext(ctx, "look for unclaimed dates", "run_id", run.ID, "error", err.Error())
	}
	unclaimed := 0
	for _, e := range due {
		// A claim or a release would have moved UpdatedAt on: their messages may wait for the queue's back-off.
		if e.PublishedSeq == e.Seq && e.NotBefore.IsZero() && !e.UpdatedAt.After(e.PublishedAt) {
			unclaimed++
		}
	}
	if unclaimed == 0 {
		s.change(0)
		return false
	}
	w.mu.Lock()
	w.stalls++
	stalls := w.stalls
	if stalls >= stallsUnwell {
		w.unwell = fmt.Errorf(
			"%d receivers in a row got nothing for %s each, while %d dates wait on the queue: look at the subscription and at "+
				"who else reads from it",
			stalls, w.config.StallAfter, unclaimed)
	}
	w.mu.Unlock()
	attrs := []any{"run_id", run.ID, "unclaimed", unclaimed, "idle", idle.Round(time.Second).String(), "stalls", stalls}
	if stalls >= stallsUnwell {
		w.log.ErrorContext(ctx, "the receiver gets nothing again: unhealthy", attrs...)
	} else {
		w.log.WarnContext(ctx, "the receiver gets nothing: opening it anew", attrs...)
	}
	return true
}

// received notes a delivery: whatever was wrong with receiving is over.
func (w *Worker) received() { w.notReceiving(nil) }

// notReceiving notes why no receiver is open, nil when none is called for.
func (w *Worker) notReceiving(unwell error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalls, w.unwell = 0, unwell
}

// Healthy is nil when the worker takes the work there is, or there is none; else it says what keeps it from doing so: a
// run of another version, receivers that get nothing although dates wait on the queue, or a ledger whose latest look at
// the run went unanswered or has waited for its answer for 10 s. It may be called at any time.
func (w *Worker) Healthy() error {
	if d, err := w.looks.failing(); err != nil {
		return fmt.Errorf("the ledger has not answered for %s: %w", d.Round(time.Second), err)
	}
	if d := w.looks.silent(); d > 0 {
		return fmt.Errorf("the ledger has not answered for %s", d.Round(time.Second))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unwell
}
