package pubsubqueue_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/pstest"

	"gamefill/internal/queue"
)

// patience ends a broken test.
const patience = 30 * time.Second

func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

// receive runs a receiver beside the test.
func receive(t *testing.T, q queue.Queue, limit int,
	handle func(context.Context, queue.Delivery)) (cancel func(), done <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Receive(ctx, limit, handle) }()
	t.Cleanup(cancel)
	return cancel, ended
}

func publish(t *testing.T, q queue.Queue, bodies ...string) {
	t.Helper()
	var list []queue.Message
	for _, b := range bodies {
		list = append(list, queue.Message{Body: []byte(b)})
	}
	if err := errors.Join(q.Publish(t.Context(), list)...); err != nil {
		t.Fatal(err)
	}
}

// TestStream covers what the suite cannot: pstest ignores the flow control of streams, so the suite runs on unary
// pulls.
func TestStream(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	o := options(server.Addr)
	o.UnaryPull = false
	q := create(t, o)
	publish(t, q, "ack", "nack", "leave", "letter")
	type seen struct {
		body, id string
		count    int
	}
	var mu sync.Mutex // guards counts
	counts := map[string]int{}
	got := make(chan seen, 20)
	cancel, done := receive(t, q, 2, func(ctx context.Context, d queue.Delivery) {
		body := string(d.Message().Body)
		mu.Lock()
		counts[body]++
		first := counts[body] == 1
		mu.Unlock()
		var err error
		switch {
		case body == "nack" && first:
			err = d.Nack(ctx, 0)
		case body == "leave" && first:
		case body == "letter":
			err = d.DeadLetter(ctx, queue.Message{Body: []byte("given up")})
		default:
			err = d.Ack(ctx)
		}
		if err != nil {
			t.Errorf("end of %s: %v", body, err)
		}
		got <- seen{body, d.ID(), d.DeliveryCount()}
	})
	ids := map[string][]string{}
	for range 6 {
		s := wait(t, got, "a delivery")
		if ids[s.body] = append(ids[s.body], s.id); s.count != len(ids[s.body]) {
			t.Errorf("%s: got count %d, want %d", s.body, s.count, len(ids[s.body]))
		}
	}
	cancel()
	if err := wait(t, done, "Receive to return"); err != nil {
		t.Errorf("receive: %v", err)
	}
	for body, want := range map[string]int{"ack": 1, "nack": 2, "leave": 2, "letter": 1} {
		if len(ids[body]) != want || len(slices.Compact(ids[body])) != 1 {
			t.Errorf("%s: got ids %v, want the same id %d times", body, ids[body], want)
		}
	}
	var letters []string
	n, err := q.FoldDeadLetters(t.Context(), func(_ context.Context, l queue.DeadLetter) error {
		letters = append(letters, string(l.Message.Body))
		return nil
	})
	if n != 1 || err != nil || !slices.Equal(letters, []string{"given up"}) {
		t.Errorf("fold: got %d, %v, %q, want the one letter", n, err, letters)
	}
	for _, m := range server.Messages() {
		if m.Topic == "projects/project/topics/dates" && m.Acks != 1 {
			t.Errorf("%s: got %d acks at the server, want 1", m.Data, m.Acks)
		}
	}
}

func TestStreamLetsHandlersFinish(t *testing.T) {
	t.Parallel()
	o := options(newServer(t).Addr)
	o.UnaryPull = false
	q := create(t, o)
	publish(t, q, "m")
	entered, release := make(chan struct{}), make(chan struct{})
	cancel, done := receive(t, q, 1, func(ctx context.Context, d queue.Delivery) {
		close(entered)
		<-release
		if err := ctx.Err(); err != nil {
			t.Errorf("context of the handler: got %v, want a living one", err)
		}
		if err := d.Ack(ctx); err != nil {
			t.Errorf("ack: %v", err)
		}
	})
	wait(t, entered, "the handler")
	cancel()
	publish(t, q, "later")
	select {
	case <-done:
		t.Error("Receive returned while a handler ran")
	default:
	}
	close(release)
	if err := wait(t, done, "Receive to return"); err != nil {
		t.Errorf("receive: %v", err)
	}
}

// stuck is a server that answers no ack until it is released.
type stuck struct{ release chan struct{} }

func (s stuck) React(any) (handled bool, ret any, err error) {
	<-s.release
	return false, nil, nil
}

func TestStopDoesNotHangOnASilentServer(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := pstest.NewServer(pstest.ServerReactorOption{FuncName: "Acknowledge", Reactor: stuck{release}})
	o := options(server.Addr)
	o.UnaryPull, o.ShutdownTimeout = false, 50*time.Millisecond
	q := create(t, o)
	t.Cleanup(func() { _ = server.Close() })
	t.Cleanup(func() { close(release) })
	publish(t, q, "m")
	handled := make(chan struct{})
	cancel, done := receive(t, q, 1, func(ctx context.Context, d queue.Delivery) {
		if err := d.Ack(ctx); err != nil {
			t.Errorf("ack: %v", err)
		}
		close(handled)
	})
	wait(t, handled, "the handler")
	cancel()
	if err := wait(t, done, "Receive to return"); err != nil {
		t.Errorf("receive: %v", err)
	}
}

// TestPulledMessageIsKept waits until the hold of a running handler has been put off.
func TestPulledMessageIsKept(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	q := create(t, options(server.Addr))
	publish(t, q, "m")
	kept := make(chan struct{})
	cancel, done := receive(t, q, 1, func(ctx context.Context, d queue.Delivery) {
		<-kept
		if err := d.Ack(ctx); err != nil {
			t.Errorf("ack: %v", err)
		}
	})
	free := sync.OnceFunc(func() { close(kept) })
	defer free()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); len(server.Messages()[0].Modacks) == 0; <-ticker.C {
		if time.Now().After(end) {
			t.Fatal("the hold is never put off")
		}
	}
	free()
	cancel()
	if err := wait(t, done, "Receive to return"); err != nil {
		t.Errorf("receive: %v", err)
	}
	m := server.Messages()[0]
	if got := m.Modacks[0].AckDeadline; got != 60 {
		t.Errorf("put off by %d s, want 60", got)
	}
	if m.Acks != 1 || m.Deliveries != 1 {
		t.Errorf("got %d acks of %d deliveries, want 1 of 1", m.Acks, m.Deliveries)
	}
}
