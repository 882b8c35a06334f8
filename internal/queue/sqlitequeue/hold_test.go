package sqlitequeue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/queue"
	"gamefill/internal/queue/sqlitequeue"
	"gamefill/internal/sqlitefile"
)

// The tests of this file run on synctest's clock, which stands still while anybody works and jumps when everybody
// waits.

func body(s string) []queue.Message { return []queue.Message{{Body: []byte(s)}} }

func publish(t *testing.T, q queue.Queue, messages ...queue.Message) {
	t.Helper()
	if err := errors.Join(q.Publish(t.Context(), messages)...); err != nil {
		t.Fatal(err)
	}
}

// receiveUntil starts a receiver and returns how to stop it.
func receiveUntil(t *testing.T, q queue.Queue, limit int, handle func(context.Context, queue.Delivery)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- q.Receive(ctx, limit, handle) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("receive: %v", err)
		}
	}
}

func TestHoldIsRenewedWhileTheHandlerRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := openFile(t, dbPath(t))
		q := newQueue(t, f, sqlitequeue.Options{Hold: 10 * time.Second})
		other := newQueue(t, f, sqlitequeue.Options{Hold: 10 * time.Second})
		publish(t, q, body("m")...)
		entered := make(chan struct{})
		stop := receiveUntil(t, q, 1, func(ctx context.Context, d queue.Delivery) {
			close(entered)
			time.Sleep(time.Hour)
			if err := d.Ack(ctx); err != nil {
				t.Errorf("ack after an hour: %v", err)
			}
		})
		<-entered
		stopOther := receiveUntil(t, other, 1, func(context.Context, queue.Delivery) {
			t.Error("a held message was delivered to another receiver")
		})
		stop() // waits for the handler
		stopOther()
		if n, _, err := q.Backlog(t.Context()); n != 0 || err != nil {
			t.Errorf("backlog: got %d, %v, want 0", n, err)
		}
	})
}

func TestIdleReceiverDoesNotWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := openFile(t, dbPath(t))
		q := newQueue(t, f, sqlitequeue.Options{})
		handled := make(chan struct{})
		stop := receiveUntil(t, q, 4, func(ctx context.Context, d queue.Delivery) {
			if err := d.Ack(ctx); err != nil {
				t.Error(err)
			}
			close(handled)
		})
		before := f.Stats()
		time.Sleep(time.Minute + time.Second) // not when the holds are renewed, every 10 s
		if got := f.Stats(); got != before {
			t.Errorf("writes of an idle minute: got %+v, want %+v", got, before)
		}
		publish(t, q, body("m")...)
		<-handled
		stop()
		if got, want := f.Stats().Writes-before.Writes, int64(3); got != want { // publish, take, ack
			t.Errorf("writes for one message: got %d, want %d", got, want)
		}
	})
}

func TestPublishWakesTheReceiversOfItsQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := openFile(t, dbPath(t))
		q := newQueue(t, f, sqlitequeue.Options{MinPoll: time.Hour, MaxPoll: time.Hour})
		handled := make(chan time.Time, 2)
		stop := receiveUntil(t, q, 1, func(ctx context.Context, d queue.Delivery) {
			handled <- time.Now()
			var err error
			if d.DeliveryCount() == 1 {
				err = d.Nack(ctx, 20*time.Minute) // wakes it as well: the next poll is an hour away
			} else {
				err = d.Ack(ctx)
			}
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		start := time.Now()
		publish(t, q, body("m")...)
		if waited := (<-handled).Sub(start); waited != 0 {
			t.Errorf("first delivery after %v, want at once", waited)
		}
		if waited := (<-handled).Sub(start); waited != 20*time.Minute {
			t.Errorf("delivery after the nack: after %v, want 20m", waited)
		}
		stop()
	})
}

func TestPollBacksOffAcrossQueues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := openFile(t, dbPath(t))
		q := newQueue(t, f, sqlitequeue.Options{MinPoll: 5 * time.Millisecond, MaxPoll: 250 * time.Millisecond})
		elsewhere := newQueue(t, f, sqlitequeue.Options{}) // as another process would be
		handled := make(chan time.Time, 1)
		stop := receiveUntil(t, q, 1, func(ctx context.Context, d queue.Delivery) {
			handled <- time.Now()
			if err := d.Ack(ctx); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Minute)
		start := time.Now()
		publish(t, elsewhere, body("late")...)
		if waited := (<-handled).Sub(start); waited <= 0 || waited > 250*time.Millisecond {
			t.Errorf("delivery after an idle minute: after %v, want up to 250ms", waited)
		}
		start = time.Now()
		publish(t, elsewhere, body("soon")...)
		if waited := (<-handled).Sub(start); waited > 10*time.Millisecond {
			t.Errorf("delivery after a busy moment: after %v, want at most 10ms", waited)
		}
		stop()
	})
}

// TestStaleHold ends a delivery whose message another receiver has taken meanwhile.
func TestStaleHold(t *testing.T) {
	t.Parallel()
	ends := []struct {
		name    string
		end     func(context.Context, queue.Delivery) error
		want    error
		letters int
	}{
		{"ack", func(ctx context.Context, d queue.Delivery) error { return d.Ack(ctx) }, sqlitequeue.ErrHoldLost, 0},
		{"nack", func(ctx context.Context, d queue.Delivery) error { return d.Nack(ctx, 0) }, nil, 0},
		{"dead letter",
			func(ctx context.Context, d queue.Delivery) error { return d.DeadLetter(ctx, queue.Message{}) }, nil, 1},
	}
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := openFile(t, dbPath(t))
				slow := newQueue(t, f, sqlitequeue.Options{Hold: time.Hour})
				late := newQueue(t, f, sqlitequeue.Options{ // a process whose clock says that every hold has ended
					Now: func() time.Time { return time.Now().Add(2 * time.Hour) }})
				publish(t, slow, body("m")...)
				stale, second := make(chan queue.Delivery), make(chan queue.Delivery)
				release := make(chan struct{})
				wait := func(c chan queue.Delivery) func(context.Context, queue.Delivery) {
					return func(_ context.Context, d queue.Delivery) { c <- d; <-release }
				}
				stopSlow := receiveUntil(t, slow, 1, wait(stale))
				d := <-stale
				stopLate := receiveUntil(t, late, 1, wait(second))
				again := <-second
				if again.ID() != d.ID() || again.DeliveryCount() != 2 {
					t.Errorf("got %s delivered %d times, want %s the second time", again.ID(), again.DeliveryCount(), d.ID())
				}
				if err := tt.end(t.Context(), d); !errors.Is(err, tt.want) {
					t.Errorf("end with a stale hold: got %v, want %v", err, tt.want)
				}
				if err := again.Ack(t.Context()); err != nil {
					t.Errorf("ack of the new holder: %v", err)
				}
				if err := d.Ack(t.Context()); err != nil {
					t.Errorf("ack of a message that is gone: got %v, want nil", err)
				}
				close(release)
				stopSlow()
				stopLate()
				n, err := slow.FoldDeadLetters(t.Context(), func(context.Context, queue.DeadLetter) error { return nil })
				if n != tt.letters || err != nil {
					t.Errorf("dead letters: got %d, %v, want %d", n, err, tt.letters)
				}
				if n, _, err := slow.Backlog(t.Context()); n != 0 || err != nil {
					t.Errorf("backlog: got %d, %v, want 0", n, err)
				}
			})
		})
	}
}

func TestTopicsShareNothing(t *testing.T) {
	t.Parallel()
	f := openFile(t, dbPath(t))
	a, b := newQueue(t, f, sqlitequeue.Options{Topic: "a"}), newQueue(t, f, sqlitequeue.Options{Topic: "b"})
	publish(t, a, body("m")...)
	if err := a.PublishDeadLetter(t.Context(), queue.Message{}); err != nil {
		t.Fatal(err)
	}
	for q, want := range map[*sqlitequeue.Queue]int{a: 1, b: 0} {
		n, _, err := q.Backlog(t.Context())
		if n != want || err != nil {
			t.Errorf("backlog: got %d, %v, want %d", n, err, want)
		}
		letters, err := q.FoldDeadLetters(t.Context(), func(context.Context, queue.DeadLetter) error { return nil })
		if letters != want || err != nil {
			t.Errorf("dead letters: got %d, %v, want %d", letters, err, want)
		}
	}
}

func TestBadMessageDoesNotKeepOthersBack(t *testing.T) {
	t.Parallel()
	q := newQueue(t, openFile(t, dbPath(t)), sqlitequeue.Options{})
	bad := queue.Message{Body: []byte("bad"), Attributes: map[string]string{"name": "\xff"}}
	errs := q.Publish(t.Context(), []queue.Message{{Body: []byte("a")}, bad, {Body: []byte("b")}})
	if errs[0] != nil || errs[2] != nil {
		t.Errorf("good messages: got %v and %v, want nil", errs[0], errs[2])
	}
	if failure.ClassOf(errs[1]) != failure.Permanent || failure.ReasonOf(errs[1]) != "bad_message" {
		t.Errorf("bad message: got %v, want a permanent bad_message", errs[1])
	}
	if err := q.PublishDeadLetter(t.Context(), bad); failure.ReasonOf(err) != "bad_message" {
		t.Errorf("bad dead letter: got %v, want bad_message", err)
	}
	if n, _, err := q.Backlog(t.Context()); n != 2 || err != nil {
		t.Errorf("backlog: got %d, %v, want 2", n, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := openFile(t, dbPath(t))
	for _, o := range []sqlitequeue.Options{
		{Hold: -time.Second}, {Hold: time.Microsecond}, {MinPoll: -1}, {MinPoll: time.Second}, {Topic: "\xff"},
	} {
		if _, err := sqlitequeue.New(t.Context(), f, o); err == nil {
			t.Errorf("options %+v: got no error", o)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlitequeue.New(ctx, f, sqlitequeue.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
	q := newQueue(t, f, sqlitequeue.Options{})
	if err := q.Receive(t.Context(), 0, nil); failure.ClassOf(err) != failure.Permanent {
		t.Errorf("receive with no handler allowed: got %v, want a permanent error", err)
	}
}

func TestReceiveEndsWhenTheFileIsClosed(t *testing.T) {
	t.Parallel()
	f := openFile(t, dbPath(t))
	q := newQueue(t, f, sqlitequeue.Options{})
	publish(t, q, body("m")...)
	err := q.Receive(t.Context(), 2, func(context.Context, queue.Delivery) {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if !errors.Is(err, sqlitefile.ErrClosed) {
		t.Errorf("got %v, want %v", err, sqlitefile.ErrClosed)
	}
}
