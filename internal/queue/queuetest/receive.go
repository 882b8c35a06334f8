package queuetest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	gocmp "github.com/google/go-cmp/cmp"

	"gamefill/internal/queue"
)

func cancelledReceive(b *bench) {
	b.publish(message("m"))
	called := atomic.Bool{}
	err := b.queue.Receive(b.cancelled(), 1, func(context.Context, queue.Delivery) { called.Store(true) })
	if err != nil || called.Load() {
		b.Errorf("got %v, handler called: %v, want nil and no call", err, called.Load())
	}
	b.next(1, b.ack)
}

func distinctIDs(b *bench) {
	b.publish(messages("m", 5)...)
	b.publish(message("same"), message("same"))
	ids := map[string]bool{}
	for _, s := range b.next(7, b.ack) {
		if s.id == "" || ids[s.id] {
			b.Errorf("id %q of %q: empty or used before", s.id, s.name)
		}
		ids[s.id] = true
	}
}

func boundedHandlers(b *bench) {
	const limit, total = 3, 60
	b.publish(messages("m", total)...)
	var running, peak atomic.Int64
	handled := make(chan struct{}, total)
	b.receive(limit, func(ctx context.Context, d queue.Delivery) {
		n := running.Add(1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		b.must("ack", d.Ack(ctx))
		running.Add(-1)
		handled <- struct{}{}
	})
	for range total {
		wait(b, handled, "a handler")
	}
	if got := peak.Load(); got > limit {
		b.Errorf("handlers at once: got %d, want at most %d", got, limit)
	}
}

// holdsOnlyHandled has one receiver sit on two messages: every other one must reach a second receiver.
func holdsOnlyHandled(b *bench) {
	const total, limit = 8, 2
	b.publish(messages("m", total)...)
	entered, release := make(chan string, total), make(chan struct{})
	first := b.receive(limit, func(ctx context.Context, d queue.Delivery) {
		entered <- d.ID()
		<-release
		b.must("ack", d.Ack(ctx))
	})
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	mine := []string{wait(b, entered, "the first handler"), wait(b, entered, "the second handler")}
	others := make(chan string, total)
	second := b.receive(total, func(ctx context.Context, d queue.Delivery) {
		b.must("ack", d.Ack(ctx))
		others <- d.ID()
	})
	for range total - limit {
		if id := wait(b, others, "the messages that no handler has"); slices.Contains(mine, id) {
			b.Errorf("message %s is with two receivers", id)
		}
	}
	free()
	first.stop()
	second.stop()
	if extra := len(entered); extra != 0 {
		b.Errorf("the first receiver got %d more, want none", extra)
	}
	b.drained()
}

// keepsHandled has one receiver sit on a message while another handles many: none of those may be the one kept.
func keepsHandled(b *bench) {
	b.publish(message("kept"))
	entered, release := make(chan string), make(chan struct{})
	first := b.receive(1, func(ctx context.Context, d queue.Delivery) {
		entered <- d.ID()
		<-release
		b.must("ack", d.Ack(ctx))
	})
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	kept := wait(b, entered, "the handler")
	b.publish(messages("m", 20)...)
	others := make(chan string, 100)
	second := b.receive(2, func(ctx context.Context, d queue.Delivery) {
		others <- d.ID()
		b.must("ack", d.Ack(ctx))
	})
	for range 20 {
		if wait(b, others, "the other messages") == kept {
			b.Error("a message that a handler has was delivered to another receiver")
		}
	}
	free()
	first.stop()
	second.stop()
	b.drained()
}

// stopFinishes stops a receiver while a handler runs: the handler goes on with a living context, Receive waits for it,
// and what is published meanwhile is left to others.
func stopFinishes(b *bench) {
	b.publish(message("m"))
	entered, release := make(chan struct{}), make(chan struct{})
	calls := atomic.Int64{}
	r := b.receive(2, func(ctx context.Context, d queue.Delivery) {
		if calls.Add(1) > 1 {
			return
		}
		close(entered)
		<-release
		if err := ctx.Err(); err != nil {
			b.Errorf("context of the handler: got %v, want a living one", err)
		}
		b.must("ack", d.Ack(ctx))
	})
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	wait(b, entered, "the handler")
	r.cancel()
	b.publish(message("later"))
	if got := b.next(1, b.ack); got[0].name != "later" {
		b.Errorf("got %q, want the message published after the stop", got[0].name)
	}
	select {
	case <-r.done:
		b.Error("Receive returned while a handler ran")
	default:
	}
	free()
	r.stop()
	if got := calls.Load(); got != 1 {
		b.Errorf("deliveries after the stop: got %d, want 0", got-1)
	}
	b.drained()
}

func stopWhenFull(b *bench) {
	b.publish(messages("m", 2)...)
	entered, release := make(chan struct{}, 2), make(chan struct{})
	r := b.receive(1, func(ctx context.Context, d queue.Delivery) {
		entered <- struct{}{}
		<-release
		b.must("ack", d.Ack(ctx))
	})
	wait(b, entered, "the handler")
	r.cancel()
	close(release)
	r.stop()
	if len(entered) != 0 {
		b.Error("the second message was handed out after the stop")
	}
	b.next(1, b.ack)
	b.drained()
}

func receiveAgain(b *bench) {
	for _, m := range messages("m", 3) {
		b.publish(m)
		if got := b.next(1, b.ack); got[0].name != string(m.Body) {
			b.Errorf("got %q, want %q", got[0].name, m.Body)
		}
	}
}

// twoReceivers has two receivers of one handler each, which wait for each other: both must get a message.
func twoReceivers(b *bench) {
	b.publish(messages("m", 2)...)
	both := make(chan string, 2)
	release := make(chan struct{})
	for range 2 {
		b.receive(1, func(ctx context.Context, d queue.Delivery) {
			both <- string(d.Message().Body)
			<-release
			b.must("ack", d.Ack(ctx))
		})
	}
	defer close(release)
	got := []string{wait(b, both, "one receiver's message"), wait(b, both, "the other receiver's message")}
	slices.Sort(got)
	if diff := gocmp.Diff([]string{"m0", "m1"}, got); diff != "" {
		b.Errorf("messages (-want +got):\n%s", diff)
	}
}

func everybodyAtOnce(b *bench) {
	const publishers, each = 4, 25
	var want []queue.Message
	var group sync.WaitGroup
	var handled tally
	fresh := make(chan struct{}, publishers*each)
	var stop []*receiver
	for range 3 {
		stop = append(stop, b.receive(4, func(ctx context.Context, d queue.Delivery) {
			name := string(d.Message().Body)
			if name[len(name)-1] == '7' && d.Message().Attributes["name"] == name && handled.add("nacked "+name) == 1 {
				b.must("nack", d.Nack(ctx, 0))
				return
			}
			b.must("ack", d.Ack(ctx))
			if handled.add(name) == 1 {
				fresh <- struct{}{}
			}
		}))
	}
	for p := range publishers {
		list := messages(string(rune('a'+p)), each)
		want = append(want, list...)
		group.Go(func() {
			for pair := range slices.Chunk(list, 2) {
				for _, err := range b.queue.Publish(b.Context(), pair) {
					b.must("publish", err)
				}
			}
		})
	}
	group.Wait()
	for range publishers * each {
		wait(b, fresh, "every message")
	}
	for _, r := range stop {
		r.stop()
	}
	got := slices.DeleteFunc(handled.names(), func(n string) bool { return len(n) > 4 })
	if diff := gocmp.Diff(sortedNames(want), got); diff != "" {
		b.Errorf("handled (-want +got):\n%s", diff)
	}
	b.drained()
}
