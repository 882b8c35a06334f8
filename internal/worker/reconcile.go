package worker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/queue"
)

// reconcileLoop heals what crashes leave behind, in whichever worker holds the role: expired leases return to the
// queue, entries that should be published are, dead dates get the letter they lack, dead letters are folded into the
// ledger.
func (w *Worker) reconcileLoop(ctx context.Context) {
	looks := make(chan struct{}, 1)
	if w.config.Notifier != nil {
		var announcing sync.WaitGroup
		defer announcing.Wait()
		announcing.Go(func() { w.announce(ctx, looks) })
	}
	lastFold := time.Now()
	late := lateLetters{}
	for sleep(ctx, w.config.ReconcileEvery) {
		held, err := w.ledger.Hold(ctx, "reconciler:"+w.job.Name, w.config.Owner, 3*w.config.ReconcileEvery)
		if err == nil && held {
			err = w.reconcile(ctx, late)
		}
		if err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "reconcile", "error", err.Error())
		}
		if held && time.Since(lastFold) >= w.config.FoldEvery {
			lastFold = time.Now()
			w.fold(ctx)
		}
		if held {
			select {
			case looks <- struct{}{}:
			default: // it is still at the look before
			}
		}
	}
}

// endedRuns is how many of the newest runs are looked through for leases that outlive their run.
const endedRuns = 3

// reconcile is one pass over the open run, and over the leases that a paused or cancelled run has left.
func (w *Worker) reconcile(ctx context.Context, late lateLetters) error {
	runs, err := w.ledger.ListRuns(ctx, w.job.Name, endedRuns)
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	for _, run := range runs {
		if run.State != ledger.RunCancelled && run.State != ledger.RunPaused {
			continue
		}
		// No limit of attempts: a date of a paused run dies when it is tried again, where its letter is published too.
		if _, err := w.ledger.ExpireLeases(ctx, w.job.Name, run.ID, 0); err != nil {
			return fmt.Errorf("expire leases of run %s, which is %s: %w", run.ID, run.State, err)
		}
	}
	run, ok, err := w.ledger.OpenRun(ctx, w.job.Name)
	if err != nil || !ok || !run.State.Working() {
		return err
	}
	expired, err := w.ledger.ExpireLeases(ctx, w.job.Name, run.ID, w.config.MaxAttempts)
	if err != nil {
		return fmt.Errorf("expire leases: %w", err)
	}
	if len(expired) > 0 {
		w.breaker(ctx, run.ID)
	}
	var publish []ledger.Entry
	for _, e := range expired {
		w.log.WarnContext(ctx, "lease expired", "run_id", run.ID, "game_date", e.Date.String(), "entry_state",
			string(e.State))
		if e.State == ledger.Dead {
			if err := w.queue.PublishDeadLetter(ctx, w.letterOf(e)); err != nil {
				w.pauseWithoutQueue(ctx, run.ID, err)
				return fmt.Errorf("publish dead letter of %s: %w", e.Date, err)
			}
			w.markDeadPublished(ctx, e)
			continue
		}
		publish = append(publish, e)
	}
	due, err := w.ledger.Due(ctx, w.job.Name, run.ID, w.config.RepublishAfter)
	if err != nil {
		return fmt.Errorf("look for due entries: %w", err)
	}
	if len(due) > 0 {
		dates := make([]gamedate.Date, len(due))
		for i, e := range due {
			dates[i] = e.Date
		}
		again, err := w.ledger.Requeue(ctx, w.job.Name, run.ID, dates)
		if err != nil {
			return fmt.Errorf("requeue: %w", err)
		}
		publish = append(publish, again...)
	}
	if err := publishAgain(ctx, w.queue, w.ledger, w.config.Owner, publish); err != nil {
		w.pauseWithoutQueue(ctx, run.ID, err)
		return err
	}
	return w.publishLate(ctx, run.ID, late)
}

// lateLetters are the dead entries seen without a published letter, by when this process saw them first. Only the
// reconciler's own goroutine uses it.
type lateLetters map[ledger.Published]time.Time

// publishLate publishes the letters of dates that have been dead without one for the time of a lease: whoever recorded
// the death has died before it could say so. The redelivery of the date's message does the same, but not before the
// queue gives it out again, and a draining worker would be gone by then. Folding comes first, since a letter may be on
// the topic already.
func (w *Worker) publishLate(ctx context.Context, run string, late lateLetters) error {
	silent, err := w.silentDead(ctx, run)
	if err != nil {
		return err
	}
	now, due := time.Now(), false
	seen := map[ledger.Published]bool{}
	for _, e := range silent {
		key := ledger.Published{Date: e.Date, Seq: e.Seq}
		seen[key] = true
		if _, ok := late[key]; !ok {
			late[key] = now
		}
		due = due || now.Sub(late[key]) >= w.config.LeaseTTL
	}
	for key := range late {
		if !seen[key] {
			delete(late, key)
		}
	}
	if !due {
		return nil
	}
	w.fold(ctx)
	if silent, err = w.silentDead(ctx, run); err != nil {
		return err
	}
	for _, e := range silent {
		first, ok := late[ledger.Published{Date: e.Date, Seq: e.Seq}]
		if !ok || now.Sub(first) < w.config.LeaseTTL {
			continue
		}
		if err := w.queue.PublishDeadLetter(ctx, w.letterOf(e)); err != nil {
			w.pauseWithoutQueue(ctx, run, err)
			return fmt.Errorf("publish dead letter of %s: %w", e.Date, err)
		}
		w.log.WarnContext(ctx, "dead letter published late", "run_id", run, "game_date", e.Date.String())
		w.markDeadPublished(ctx, e)
	}
	return nil
}

// silentDead are a run's dead entries whose letter is not known to be published.
func (w *Worker) silentDead(ctx context.Context, run string) ([]ledger.Entry, error) {
	dead, err := w.ledger.RunEntries(ctx, w.job.Name, run, ledger.Dead)
	if err != nil {
		return nil, fmt.Errorf("read dead dates of run %s: %w", run, err)
	}
	return slices.DeleteFunc(dead, func(e ledger.Entry) bool { return e.DeadPublished }), nil
}

// publishAgain puts messages for entries of one job on the queue and records which are there.
func publishAgain(ctx context.Context, q publishing, l ledger.Ledger, actor string, entries []ledger.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	messages := make([]queue.Message, len(entries))
	for i, e := range entries {
		messages[i] = queue.Envelope{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq}.Message()
	}
	var published []ledger.Published
	var firstErr error
	for i, err := range q.Publish(ctx, messages) {
		if err != nil {
			firstErr = fmt.Errorf("publish %s: %w", entries[i].Date, err)
			continue
		}
		published = append(published, ledger.Published{Date: entries[i].Date, Seq: entries[i].Seq})
		event := ledger.Event{Job: entries[i].Job, Run: entries[i].Run, Date: entries[i].Date, Kind: "republished",
			Actor:   actor,
			Message: "seq " + strconv.FormatInt(entries[i].Seq, 10)}
		if err := l.AddEvent(ctx, event); err != nil && firstErr == nil {
			firstErr = fmt.Errorf("record publication of %s: %w", entries[i].Date, err)
		}
	}
	if err := l.MarkPublished(ctx, entries[0].Job, published); err != nil {
		return fmt.Errorf("record publications: %w", err)
	}
	return firstErr
}

// publishing is what publishing again needs of a queue.
type publishing interface {
	Publish(ctx context.Context, messages []queue.Message) []error
}

// fold copies dead letters from the topic into the ledger; afterwards the ledger is their only store.
func (w *Worker) fold(ctx context.Context) {
	if n, err := Fold(ctx, w.queue, w.ledger); err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "fold dead letters", "folded", n, "error", err.Error())
	}
}

// Fold moves every dead letter waiting on the topic into the ledger and returns how many. A letter whose entry the
// ledger holds as dead under the same seq is recorded as published; one with a lower seq, or whose entry is not dead,
// is kept as superseded: only the ledger decides what is dead. So is every copy of a letter but the first.
//
// A letter that the queue forwarded by itself, which Pub/Sub does after many deliveries, is no verdict: the message of
// an open entry is gone, so its date gets the next seq and is published again, and the letter is kept as superseded. A
// date that is leased goes on; when it comes back unfinished, the reconciler publishes it.
func Fold(ctx context.Context, q queue.Queue, l ledger.Ledger) (int, error) {
	return q.FoldDeadLetters(ctx, func(ctx context.Context, dl queue.DeadLetter) error {
		letter := letterFrom(dl)
		if !letter.Date.IsZero() {
			entries, err := l.Entries(ctx, letter.Job, gamedate.Range{From: letter.Date, To: letter.Date})
			if err != nil {
				return err
			}
			if len(entries) == 1 {
				switch e := entries[0]; {
				case forwarded(dl.Message) && e.Run == letter.Run && e.Seq == letter.Seq && !e.State.Settled():
					if letter.Note, err = revive(ctx, q, l, e); err != nil {
						return err
					}
					letter.State = ledger.LetterSuperseded
				case e.State == ledger.Dead && e.Seq == letter.Seq && !forwarded(dl.Message):
					if err := l.MarkDeadPublished(ctx, e.Job, e.Date, e.Seq); err != nil {
						return err
					}
				case letter.Failure.Stage != stageMessage:
					letter.State, letter.Note = ledger.LetterSuperseded, fmt.Sprintf("the entry is %s with seq %d", e.State, e.Seq)
				}
			}
		}
		if err := l.RecordDeadLetter(ctx, letter); err != nil {
			return err
		}
		return supersedeCopies(ctx, l, letter)
	})
}

// forwarded reports whether the queue put a message on the dead-letter topic by itself: every letter of ours has a
// class.
func forwarded(m queue.Message) bool {
	_, ours := m.Attributes[queue.AttrClass]
	return !ours
}

// reasonForwarded is the reason of letters that the queue put on the dead-letter topic by itself.
const reasonForwarded = "forwarded"

// revive publishes the date of an open entry again, whose message the queue has given up on, and records it. It returns
// what was done, in words. In a run that is not open the date waits: opening the run publishes it.
func revive(ctx context.Context, q publishing, l ledger.Ledger, e ledger.Entry) (note string, err error) {
	run, err := l.Run(ctx, e.Run)
	if err != nil {
		return "", err
	}
	note = fmt.Sprintf("the queue gave up on the message; its date is %s with seq %d", e.State, e.Seq)
	if e.State == ledger.Pending && e.NotBefore.IsZero() { // a date that waits is published when its wait ends
		again, err := l.Requeue(ctx, e.Job, e.Run, []gamedate.Date{e.Date})
		if err != nil {
			return "", fmt.Errorf("requeue %s: %w", e.Date, err)
		}
		if len(again) == 1 {
			note = fmt.Sprintf("the queue gave up on the message; the date goes on with seq %d", again[0].Seq)
			if run.State.Working() {
				if err := publishAgain(ctx, q, l, "fold", again); err != nil {
					return "", err
				}
			}
		}
	}
	event := ledger.Event{Job: e.Job, Run: e.Run, Date: e.Date, Kind: reasonForwarded, Actor: "fold", Message: note}
	if err := l.AddEvent(ctx, event); err != nil {
		return "", fmt.Errorf("record forwarded message of %s: %w", e.Date, err)
	}
	return note, nil
}

// supersedeCopies leaves at most one letter of a date and seq open, the first by time and id. Copies are no mistake:
// a second delivery that finds the date dead before its letter is recorded publishes one too. The letter is recorded
// before the copies are looked for, so of two folders at once the later one sees both, and all agree on the first.
func supersedeCopies(ctx context.Context, l ledger.Ledger, letter ledger.DeadLetter) error {
	if letter.Date.IsZero() || letter.Failure.Stage == stageMessage {
		return nil
	}
	copies, err := l.DeadLetters(ctx,
		ledger.DeadLetterFilter{Job: letter.Job, Range: gamedate.Range{From: letter.Date, To: letter.Date}})
	if err != nil {
		return err
	}
	copies = slices.DeleteFunc(copies,
		func(c ledger.DeadLetter) bool { return c.Seq != letter.Seq || c.Failure.Stage == stageMessage })
	if len(copies) < 2 {
		return nil
	}
	slices.SortFunc(copies, func(a, b ledger.DeadLetter) int {
		return cmp.Or(a.PublishedAt.Compare(b.PublishedAt), strings.Compare(a.ID, b.ID))
	})
	var ids []string
	for _, c := range copies[1:] {
		ids = append(ids, c.ID)
	}
	_, err = l.SettleDeadLetters(ctx, ids, ledger.LetterSuperseded, "fold", "a copy of letter "+copies[0].ID)
	return err
}

// letterFrom reads a dead-letter message; one that is unreadable becomes a letter without a date.
func letterFrom(dl queue.DeadLetter) ledger.DeadLetter {
	a := dl.Message.Attributes
	letter := ledger.DeadLetter{ID: dl.ID, Body: dl.Message.Body, Attributes: a, PublishedAt: dl.PublishedAt,
		State: ledger.LetterOpen,
		Job:   a[queue.AttrJob], Run: a[queue.AttrRun],
		Failure: ledger.Failure{Reason: a[queue.AttrReason], Stage: a[queue.AttrStage], Message: a[attrMessage]}}
	// a letter that somebody else put there has none: transient
	letter.Failure.Class, _ = failure.ParseClass(a[queue.AttrClass])
	letter.Attempts, _ = strconv.Atoi(a[queue.AttrAttempts])
	if forwarded(dl.Message) {
		letter.Failure = ledger.Failure{Class: failure.Transient, Reason: reasonForwarded, Stage: "queue",
			Message: "nobody ended the message within the deliveries that the queue allows, so the queue forwarded it"}
	}
	if e, err := queue.ParseEnvelope(dl.Message); err == nil {
		letter.Job, letter.Run, letter.Date, letter.Seq = e.Job, e.Run, e.Date, e.Seq
	}
	return letter
}
