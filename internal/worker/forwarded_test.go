package worker_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/queue"
	"gamefill/internal/testjob"
	"gamefill/internal/worker"
)

// TestForwardedMessageKillsNoDate lets Pub/Sub give up on a message, which nobody ended within its deliveries.
func TestForwardedMessageKillsNoDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, monday)
	w.pubSub(5)
	w.publish(request(monday, monday))
	ctx, cancel := context.WithCancel(t.Context())
	var nacks atomic.Int64
	must(t, w.queue.Receive(ctx, 1, func(ctx context.Context, d queue.Delivery) {
		if err := d.Nack(ctx, 0); err != nil {
			t.Error(err)
		}
		if nacks.Add(1) == 5 {
			cancel()
		}
	}))
	c := w.config()
	c.FoldEvery = 20 * time.Millisecond
	must(t, w.worker(c).Run(t.Context()))
	if e := w.entry(monday); e.State != ledger.Complete || e.Seq != 2 || e.Attempt != 1 {
		t.Errorf("got %s with seq %d at attempt %d, want complete with 2 at 1", e.State, e.Seq, e.Attempt)
	}
	if events := w.events("forwarded"); len(events) != 1 {
		t.Errorf("events: got %q, want one", events)
	}
	letters, err := w.ledger.DeadLetters(t.Context(), ledger.DeadLetterFilter{Job: testjob.Name})
	must(t, err)
	if len(letters) != 1 || letters[0].State != ledger.LetterSuperseded || letters[0].Failure.Reason != "forwarded" {
		t.Errorf("letters: got %+v, want one, superseded", letters)
	}
}

func TestForwardedLetters(t *testing.T) {
	t.Parallel()
	const done = "2022-06-07"
	claim := func(w *world, ttl time.Duration) ledger.Lease { return w.claim(w.entry(monday), "holder", ttl).Lease }
	tests := []struct {
		name    string
		prepare func(w *world)
		copies  int
		state   ledger.State // of the entry afterwards
		seq     int64
		waiting int // messages of the date on the queue afterwards, its first one being gone
		letters int // open ones
		events  int
	}{
		{"pending", func(*world) {}, 1, ledger.Pending, 2, 1, 0, 1},
		{"pending, two copies", func(*world) {}, 2, ledger.Pending, 2, 1, 0, 1},
		{"leased", func(w *world) { claim(w, time.Hour) }, 1, ledger.Leased, 1, 0, 0, 1},
		{"waiting", func(w *world) {
			must(w.t,
				w.ledger.Release(w.t.Context(), claim(w, time.Hour),
					ledger.Release{To: ledger.Pending, Delay: time.Hour, Result: ledger.ResultReleased}))
		}, 1, ledger.Pending, 1, 0, 0, 1},
		{"complete", func(w *world) {
			must(w.t, w.ledger.Complete(w.t.Context(), claim(w, time.Hour), ledger.Facts{}))
		}, 1, ledger.Complete, 1, 0, 0, 0},
		{"dead", func(w *world) {
			must(w.t,
				w.ledger.Release(w.t.Context(), claim(w, time.Hour),
					ledger.Release{To: ledger.Dead, Spend: true, Result: ledger.ResultDead}))
		}, 1, ledger.Dead, 1, 0, 0, 0},
		{"published again meanwhile", func(w *world) {
			_, err := w.ledger.Requeue(w.t.Context(), testjob.Name, w.run().ID, []gamedate.Date{date(monday)})
			must(w.t, err)
		}, 1, ledger.Pending, 2, 0, 0, 0},
		{"in a paused run", func(w *world) {
			_, err := w.publisher().Pause(w.t.Context(), w.run().ID, "lunch", "tester")
			must(w.t, err)
		}, 1, ledger.Pending, 2, 0, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, monday, done)
			w.publish(request(monday, done))
			e := w.entry(monday)
			message := queue.Envelope{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq}.Message()
			w.sql(`DELETE FROM queue_message`) // the queue has given up on it
			tt.prepare(w)
			for range tt.copies {
				must(t, w.queue.PublishDeadLetter(t.Context(), message))
			}
			n, err := worker.Fold(t.Context(), w.queue, w.ledger)
			must(t, err)
			if n != tt.copies {
				t.Errorf("folded: got %d, want %d", n, tt.copies)
			}
			if got := w.entry(monday); got.State != tt.state || got.Seq != tt.seq || got.DeadPublished {
				t.Errorf("entry: got %s with seq %d, dead letter published %v, want %s with %d, false", got.State, got.Seq,
					got.DeadPublished, tt.state, tt.seq)
			}
			waiting, _, err := w.queue.Backlog(t.Context())
			must(t, err)
			if waiting != tt.waiting {
				t.Errorf("messages waiting: got %d, want %d", waiting, tt.waiting)
			}
			open, err := w.ledger.DeadLetters(t.Context(), ledger.DeadLetterFilter{Job: testjob.Name, State: ledger.LetterOpen})
			must(t, err)
			if len(open) != tt.letters {
				t.Errorf("open letters: got %+v, want %d", open, tt.letters)
			}
			if events := w.events("forwarded"); len(events) != tt.events {
				t.Errorf("events: got %q, want %d", events, tt.events)
			}
			if w.run().State == ledger.RunPaused {
				_, err := w.publisher().Resume(t.Context(), w.run().ID, "back", "tester")
				must(t, err)
				if n, _, err := w.queue.Backlog(t.Context()); err != nil || n != 1 {
					t.Errorf("messages after resuming: got %d, %v, want the revived date's", n, err)
				}
			}
		})
	}
}
