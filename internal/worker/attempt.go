package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/faultinject"
	"gamefill/internal/ledger"
	"gamefill/internal/queue"
	"gamefill/internal/rebuild"
	"gamefill/internal/snapshot"
	"gamefill/internal/warehouse"
)

// Stages of an attempt, for failures and durations; those between claim and write are the rebuild's.
const (
	stageClaim    = "claim"
	stageKeep     = "keep"
	stageWrite    = "write"
	stageReadBack = "read_back"
	stageComplete = "complete"
	stageMessage  = "message" // no attempt: a message that no entry stands behind
)

// attempt does one claimed date and ends the delivery by what came of it.
func (w *Worker) attempt(ctx context.Context, d queue.Delivery, claim ledger.Claim, asked time.Time) {
	lease := claim.Lease
	ctx = w.config.Tracer.Begin(ctx, d.Message(), lease)
	work, cancel := context.WithCancelCause(ctx)
	keeping := make(chan struct{})
	go func() {
		defer close(keeping)
		w.keep(work, cancel, lease, asked)
	}()
	a := &attemptRun{Worker: w, claim: claim, stage: stageClaim, began: time.Now(), durations: map[string]time.Duration{}}
	err := a.do(work)
	a.leave(work)
	if err != nil && work.Err() != nil {
		if cause := context.Cause(work); !errors.Is(cause, context.Canceled) {
			err = cause // why the work was cancelled, not how it noticed
		}
	}
	cancel(nil)
	<-keeping
	outcome, f := w.end(context.WithoutCancel(ctx), d, a, err)
	w.config.Tracer.End(ctx, outcome, f)
}

// keep renews the lease every third of its time and cancels the work when the lease is lost, the run is stopped, or
// four fifths of the lease have passed since the last renewal was asked for (our own monotonic clock, so a slow store
// or a stopped machine never leaves us writing under an expired lease).
func (w *Worker) keep(ctx context.Context, cancel context.CancelCauseFunc, lease ledger.Lease, asked time.Time) {
	ttl := w.config.LeaseTTL
	for sleep(ctx, ttl/3) {
		renewing := time.Now()
		bounded, done := context.WithDeadline(ctx, asked.Add(ttl*4/5))
		control, err := w.ledger.Renew(bounded, lease, ttl)
		done()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && control.Stopped:
			cancel(ledger.ErrStopped)
			return
		case err == nil:
			asked = renewing
		case errors.Is(err, ledger.ErrLeaseLost) || time.Since(asked) >= ttl*4/5:
			cancel(fmt.Errorf("renew lease: %w", ledger.ErrLeaseLost))
			return
		}
	}
}

// attemptRun is the state of one attempt.
type attemptRun struct {
	*Worker
	claim     ledger.Claim
	stage     string
	began     time.Time // of the stage
	durations map[string]time.Duration
	facts     ledger.Facts
}

func (a *attemptRun) enter(ctx context.Context, stage string) {
	a.durations[a.stage] += a.leave(ctx)
	a.stage, a.began = stage, time.Now()
}

// leave tells observer and tracer how long the stage has taken, and returns it.
func (a *attemptRun) leave(ctx context.Context) time.Duration {
	took := time.Since(a.began)
	a.config.Observer.StageEnded(a.stage, took)
	a.config.Tracer.StageEnded(ctx, a.stage, took)
	return took
}

// do brings the date to completion. A panic becomes an ordinary failure with its stack.
func (a *attemptRun) do(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = failure.Mark(fmt.Errorf("panic: %v\n%s", p, debug.Stack()), failure.Transient, "panic")
		}
	}()
	lease, entry := a.claim.Lease, a.claim.Entry
	inputs, err := a.inputs(ctx, a.claim.Run)
	if err != nil {
		return err
	}
	fence := warehouse.Fence{Job: lease.Job, Run: lease.Run, Generation: lease.Generation}
	if entry.Write.Generation > 0 {
		if err := a.store.Close(ctx, a.job.Target, lease.Date, fence, entry.Write.ID); err != nil {
			return fmt.Errorf("close write of generation %d: %w", entry.Write.Generation, err)
		}
	}

	out, err := inputs.Build(ctx, a.store, rebuild.Request{Date: lease.Date, Last: entry.Facts, Force: a.claim.Run.Force,
		Now: a.config.Now().UTC()}, func(stage string) { a.enter(ctx, stage) })
	if err != nil {
		return err
	}
	before, own := snapshot.Find(entry, out.PreImage, len(out.Previous.Rows))
	a.facts = ledger.Facts{
		Run: lease.Run, Version: a.job.Version, SettingsHash: a.claim.Run.SettingsHash,
		RowSettingsHash: a.job.RowSettingsHash(a.claim.Run.Settings), ReferenceHash: a.claim.Run.ReferenceHash,
		PreImage: before.Fingerprint, PreImageRows: before.Rows, Kept: before.Kept,
		ContentFingerprint: a.job.Target.ContentFingerprint(out.Rows),
		InputFingerprint:   out.InputFingerprint, SourceTokens: out.SourceTokens, NewestSource: out.NewestSource,
		Counts: out.Counts, Findings: out.Findings, Rejections: out.Rejections, Unresolved: out.Unresolved,
	}
	if out.Unchanged {
		a.facts.Outcome, a.facts.Rows, a.facts.Fingerprint, a.facts.TargetToken = ledger.Unchanged, len(out.Previous.Rows),
			out.Fingerprint, out.Previous.Token
		a.facts.Kept = before.Kept && own
	} else {
		if before.Kept && !own {
			a.enter(ctx, stageKeep)
			receipt, err := snapshot.Keep(ctx, a.store, a.job.Target, lease.Date, fence, out.Previous.Rows)
			if err != nil {
				return err
			}
			a.facts.KeptBytes = receipt.Bytes
			faultinject.Point(faultinject.AfterKeep)
		}
		if err := a.write(ctx, fence, out); err != nil {
			return err
		}
	}

	a.enter(ctx, stageComplete)
	a.facts.Durations, a.facts.CompletedAt = a.durations, a.config.Now().UTC()
	if err := a.ledger.Complete(ctx, lease, a.facts); err != nil {
		return ledgerFailed(fmt.Errorf("complete: %w", err))
	}
	faultinject.Point(faultinject.AfterComplete)
	return nil
}

// write replaces the partition and reads it back; the facts say what was found, not what was reported.
func (a *attemptRun) write(ctx context.Context, fence warehouse.Fence, out rebuild.Built) error {
	lease, target, rows := a.claim.Lease, a.job.Target, out.Rows
	a.enter(ctx, stageWrite)
	write := warehouse.Write{Table: target, Date: lease.Date, Fence: fence, Rows: rows}
	var err error
	if write.ID, err = a.store.Prepare(ctx, write); err != nil {
		return fmt.Errorf("prepare write: %w", err)
	}
	record := ledger.WriteRecord{ID: write.ID, Fingerprint: out.Fingerprint, PreImage: a.facts.PreImage,
		PreImageRows: a.facts.PreImageRows}
	if err := a.ledger.BeginWrite(ctx, lease, a.config.LeaseTTL, record); err != nil {
		return ledgerFailed(fmt.Errorf("begin write: %w", err))
	}
	faultinject.Point(faultinject.BeforeWrite)
	receipt, err := a.store.Replace(ctx, write)
	if err != nil {
		return fmt.Errorf("replace partition %s: %w", lease.Date, err)
	}
	for _, warning := range receipt.Warnings {
		a.log.WarnContext(ctx, "warehouse warns", append(attrs(lease), "warning", warning)...)
	}
	a.facts.UploadedBytes = receipt.Bytes
	faultinject.Point(faultinject.AfterWrite)

	a.enter(ctx, stageReadBack)
	found, err := a.store.Measure(ctx, target, lease.Date)
	if err != nil {
		return fmt.Errorf("read back %s: %w", lease.Date, err)
	}
	if found.Rows != len(rows) || found.Fingerprint != out.Fingerprint {
		return failure.Mark(fmt.Errorf("read back %s: %d rows with fingerprint %.12s, wrote %d with %.12s",
			lease.Date, found.Rows, found.Fingerprint, len(rows), out.Fingerprint), failure.Transient, "read_back_mismatch")
	}
	a.facts.Outcome = ledger.Replaced
	if len(rows) == 0 {
		a.facts.Outcome = ledger.Emptied
	}
	a.facts.Rows, a.facts.Fingerprint, a.facts.TargetToken = found.Rows, found.Fingerprint, found.Token
	return nil
}

// longWait is the longest wait left to the queue: a longer one is kept in the ledger and the message acked, so that
// waiting never uses up the queue's own deliveries.
const longWait = time.Minute

// end records what came of an attempt, ends the delivery and returns what came of it. ctx is not cancelled by the
// work's end.
func (w *Worker) end(ctx context.Context, d queue.Delivery, a *attemptRun,
	err error) (outcome string, f *ledger.Failure) {
	lease := a.claim.Lease
	log := w.log.With(attrs(lease)...)
	var notReady *rebuild.NotReadyError
	switch {
	case err == nil:
		log.InfoContext(ctx, "date complete", "outcome", string(a.facts.Outcome), "rows", a.facts.Rows)
		w.config.Observer.AttemptEnded(ledger.ResultComplete, nil)
		w.ack(ctx, d)
		return string(a.facts.Outcome), nil
	case errors.Is(err, ledger.ErrLeaseLost), errors.Is(err, warehouse.ErrFenced):
		log.WarnContext(ctx, "lease lost", "stage", a.stage, "error", err.Error())
		w.config.Observer.LeaseLost()
		w.giveBack(ctx, d, w.config.HeldWait)
		return LeaseLost, nil
	case errors.Is(err, ledger.ErrStopped), errors.Is(err, warehouse.ErrStopped):
		log.InfoContext(ctx, "stopped before the write", "stage", a.stage)
		w.release(ctx, d, lease, ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased}, 0)
		return ledger.ResultReleased, nil
	case errors.Is(err, errShutdown):
		log.InfoContext(ctx, "given back at shutdown", "stage", a.stage)
		w.release(ctx, d, lease, ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased}, 0)
		return ledger.ResultReleased, nil
	case errors.As(err, &notReady):
		log.InfoContext(ctx, "not final yet", "cause", notReady.Why)
		f = &ledger.Failure{Class: failure.Transient, Reason: "not_final", Stage: a.stage, Message: notReady.Why}
		w.release(ctx, d, lease, ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased, Failure: f},
			w.config.NotFinal)
		return ledger.ResultReleased, f
	}

	class := failure.ClassOf(err)
	f = &ledger.Failure{Class: class, Reason: failure.ReasonOf(err), Stage: a.stage, Message: err.Error()}
	log = log.With("class", class.String(), "reason", f.Reason, "stage", f.Stage, "error", f.Message)
	spent := a.claim.Entry.Spent
	if class.SpendsAttempt() {
		spent++
	}
	if class == failure.Permanent || class == failure.Transient && spent >= w.config.MaxAttempts {
		log.ErrorContext(ctx, "date is dead")
		if err := w.ledger.Release(ctx, lease,
			ledger.Release{To: ledger.Dead, Spend: true, Result: ledger.ResultDead, Failure: f}); err != nil {
			log.WarnContext(ctx, "record the dead date", "release_error", err.Error())
			w.giveBack(ctx, d, w.config.HeldWait)
			return ledger.ResultDead, f
		}
		faultinject.Point(faultinject.AfterDeadRecorded)
		w.config.Observer.AttemptEnded(ledger.ResultDead, f)
		w.breaker(ctx, lease.Run)
		entry := a.claim.Entry
		entry.Failure, entry.State = f, ledger.Dead
		w.deadLetter(ctx, d, entry)
		return ledger.ResultDead, f
	}
	log.WarnContext(ctx, "attempt failed")
	release := ledger.Release{To: ledger.Pending, Spend: class.SpendsAttempt(), Result: ledger.ResultFailed, Failure: f}
	wait := w.backOff(max(spent, 1))
	switch class {
	case failure.Quota:
		wait = w.config.QuotaWait
	case failure.Environment:
		wait = min(w.config.RetryMax, longWait) // somebody may mend it, and resume; until then the run is paused
	}
	w.release(ctx, d, lease, release, wait)
	return ledger.ResultFailed, f
}

// release gives the lease back and then the message: short waits are the queue's, long ones the ledger's.
func (w *Worker) release(ctx context.Context, d queue.Delivery, lease ledger.Lease, r ledger.Release,
	wait time.Duration) {
	if wait > longWait {
		r.Delay = wait
	}
	if err := w.ledger.Release(ctx, lease, r); err != nil {
		w.log.WarnContext(ctx, "release", append(attrs(lease), "error", err.Error())...)
		w.giveBack(ctx, d, w.config.HeldWait)
		return
	}
	w.config.Observer.AttemptEnded(r.Result, r.Failure)
	if r.Result == ledger.ResultFailed {
		w.breaker(ctx, lease.Run)
	}
	if wait > longWait {
		w.ack(ctx, d)
		return
	}
	w.giveBack(ctx, d, wait)
}
