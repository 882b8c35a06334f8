package worker

import (
	"context"
	"errors"
	"strconv"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/faultinject"
	"gamefill/internal/ledger"
	"gamefill/internal/queue"
)

// next says whether the receiver may go on after a delivery.
type next bool

const (
	goOn             next = false
	stopReceivingNow next = true
)

// handle decides one delivery. It always ends the delivery, unless the queue itself fails; then it comes again.
func (w *Worker) handle(ctx context.Context, d queue.Delivery) next {
	envelope, err := queue.ParseEnvelope(d.Message())
	if err != nil {
		var unreadable *queue.EnvelopeError
		reason := "unreadable"
		if errors.As(err, &unreadable) {
			reason = unreadable.Reason
		}
		w.refuse(ctx, d, reason, err.Error())
		return goOn
	}
	if envelope.Job != w.job.Name {
		w.refuse(ctx, d, "unknown job",
			"job "+strconv.Quote(envelope.Job)+" is not known to this build, which does "+w.job.Name)
		return goOn
	}

	asked := time.Now()
	claim, err := w.ledger.Claim(ctx, ledger.ClaimRequest{
		Job: envelope.Job, Run: envelope.Run, Date: envelope.Date, Seq: envelope.Seq, Owner: w.config.Owner,
		TTL: w.config.LeaseTTL, Version: w.job.Version, MaxAttempts: w.config.MaxAttempts,
	})
	if err != nil {
		w.log.WarnContext(ctx, "claim", "run_id", envelope.Run, "game_date", envelope.Date.String(), "error", err.Error())
		w.giveBack(ctx, d, w.backOff(1))
		w.claims.note(err)
		return next(w.claimsBroken() != nil)
	}
	w.claims.note(nil)
	switch claim.Outcome {
	case ledger.Claimed:
		faultinject.Point(faultinject.Claimed)
		if f := claim.Entry.Failure; f != nil && f.Class == failure.Crash && claim.Run.StopOnFirstFailure {
			w.breaker(ctx, claim.Run.ID) // this claim may have ended the lease that expired; a paused run writes nothing
		}
		w.attempt(ctx, d, claim, asked)
		return goOn
	case ledger.NotPlanned:
		w.refuse(ctx, d, "not planned", "the ledger knows no such run and date: nobody planned this message")
		return goOn
	case ledger.AlreadySettled, ledger.DiedOfCrashes:
		if claim.Outcome == ledger.DiedOfCrashes {
			w.breaker(ctx, claim.Run.ID)
		}
		if claim.Entry.State == ledger.Dead && !claim.Entry.DeadPublished {
			w.deadLetter(ctx, d, claim.Entry)
			return goOn
		}
		w.config.Observer.Duplicate()
		w.ack(ctx, d)
		return goOn
	case ledger.HeldBy:
		w.giveBack(ctx, d, min(claim.Wait, w.config.HeldWait))
		return goOn
	case ledger.RunNotOpen:
		w.giveBack(ctx, d, w.config.ControlEvery)
		return stopReceivingNow
	case ledger.OtherVersion:
		w.giveBack(ctx, d, w.config.HeldWait)
		return stopReceivingNow
	case ledger.Superseded:
		w.config.Observer.Duplicate()
		w.event(ctx, ledger.Event{Job: envelope.Job, Run: envelope.Run, Date: envelope.Date, Kind: "superseded",
			Message: "an old copy, seq " + strconv.FormatInt(envelope.Seq, 10) + " of " +
				strconv.FormatInt(claim.Entry.Seq, 10)})
		w.ack(ctx, d)
		return goOn
	}
	w.ack(ctx, d) // ClaimCancelled, NotYet: settled, or published again by the reconciler
	return goOn
}

// ack, giveBack: a queue error is logged and the message comes again; the ledger makes that harmless.
func (w *Worker) ack(ctx context.Context, d queue.Delivery) {
	if err := d.Ack(context.WithoutCancel(ctx)); err != nil {
		w.log.WarnContext(ctx, "ack", "message_id", d.ID(), "error", err.Error())
	}
}

func (w *Worker) giveBack(ctx context.Context, d queue.Delivery, delay time.Duration) {
	if err := d.Nack(context.WithoutCancel(ctx), delay); err != nil {
		w.log.WarnContext(ctx, "nack", "message_id", d.ID(), "error", err.Error())
	}
}

func (w *Worker) event(ctx context.Context, e ledger.Event) {
	e.Actor = w.config.Owner
	if err := w.ledger.AddEvent(context.WithoutCancel(ctx), e); err != nil {
		w.log.WarnContext(ctx, "record event", "kind", e.Kind, "error", err.Error())
	}
}

// refuse dead-letters a message that belongs to no entry: unreadable, of another job, or never planned.
func (w *Worker) refuse(ctx context.Context, d queue.Delivery, reason, detail string) {
	w.log.WarnContext(ctx, "message refused", "message_id", d.ID(), "reason", reason, "detail", detail)
	dl := d.Message()
	dl.Attributes = withDeadLetterAttributes(dl.Attributes, ledger.Failure{
		Class: failure.Permanent, Reason: reason, Stage: stageMessage, Message: detail}, 0, 0, w.job.Version)
	if err := d.DeadLetter(context.WithoutCancel(ctx), dl); err != nil {
		w.log.WarnContext(ctx, "dead-letter", "message_id", d.ID(), "error", err.Error())
	}
}

// deadLetter publishes the dead letter of an entry that the ledger says is dead, acks the delivery and records the
// publication. Order: ledger first (done), then the topic, then the ack. A crash in between is healed by the
// redelivery, which finds the entry dead and unpublished, or by folding, which records what it finds.
func (w *Worker) deadLetter(ctx context.Context, d queue.Delivery, e ledger.Entry) {
	ctx = context.WithoutCancel(ctx)
	if err := d.DeadLetter(ctx, w.letterOf(e)); err != nil {
		w.log.WarnContext(ctx, "dead-letter", "game_date", e.Date.String(), "error", err.Error())
		w.pauseWithoutQueue(ctx, e.Run, err)
		return
	}
	faultinject.Point(faultinject.AfterDeadLetter)
	w.markDeadPublished(ctx, e)
}

func (w *Worker) markDeadPublished(ctx context.Context, e ledger.Entry) {
	if err := w.ledger.MarkDeadPublished(ctx, e.Job, e.Date, e.Seq); err != nil {
		w.log.WarnContext(ctx, "record dead letter", "game_date", e.Date.String(), "error", err.Error())
	}
}

// letterOf is the dead letter of an entry: its own message again, with why.
func (w *Worker) letterOf(e ledger.Entry) queue.Message {
	m := queue.Envelope{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq}.Message()
	f := ledger.Failure{Class: failure.Transient, Reason: "unknown", Stage: "unknown"}
	if e.Failure != nil {
		f = *e.Failure
	}
	m.Attributes = withDeadLetterAttributes(m.Attributes, f, e.Attempt, e.Generation, w.job.Version)
	return m
}

// attrMessage carries the failure's message; Pub/Sub allows 1,024 bytes an attribute value.
const (
	attrMessage     = "message"
	maxMessageBytes = 1000
)

func withDeadLetterAttributes(from map[string]string, f ledger.Failure, attempts int, generation int64,
	version string) map[string]string {
	a := map[string]string{}
	for k, v := range from {
		a[k] = v
	}
	a[queue.AttrClass], a[queue.AttrStage], a[queue.AttrReason] = f.Class.String(), f.Stage, f.Reason
	a[queue.AttrAttempts], a[queue.AttrGeneration] = strconv.Itoa(attempts), strconv.FormatInt(generation, 10)
	a[queue.AttrVersion] = version
	if len(f.Message) > maxMessageBytes {
		f.Message = f.Message[:maxMessageBytes]
	}
	a[attrMessage] = f.Message
	return a
}

// backOff is the wait before try n (from 1): RetryBase doubled each time, at most RetryMax.
func (w *Worker) backOff(n int) time.Duration {
	d := w.config.RetryBase
	for range n - 1 {
		if d *= 2; d >= w.config.RetryMax {
			return w.config.RetryMax
		}
	}
	return d
}
