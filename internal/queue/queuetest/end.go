package queuetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"gamefill/internal/queue"
)

func ackEnds(b *bench) {
	b.publish(messages("m", 4)...)
	b.next(4, b.ack)
	b.drained()
}

// wantAgain checks redeliveries of one message: the same id and body, and counts from 1 where they are known.
func (b *bench) wantAgain(got []seen) {
	b.Helper()
	for i, s := range got {
		if s.id != got[0].id || s.name != got[0].name {
			b.Errorf("delivery %d: got %s %q, want %s %q again", i+1, s.id, s.name, got[0].id, got[0].name)
		}
		want := 0
		if b.caps.DeliveryCount {
			want = i + 1
		}
		if s.count != want {
			b.Errorf("delivery %d: got count %d, want %d", i+1, s.count, want)
		}
	}
}

func unendedComesAgain(b *bench) {
	b.publish(message("m"))
	times := 0
	got := b.next(3, func(d queue.Delivery) error {
		if times++; times < 3 {
			return nil
		}
		return b.ack(d)
	})
	b.wantAgain(got)
	b.drained()
}

// lostAck stops a receiver while it handles and never ends its delivery, as a dying process would.
func lostAck(b *bench) {
	b.publish(message("m"))
	first := b.next(1, func(queue.Delivery) error { return nil })
	second := b.next(1, b.ack)
	b.wantAgain(append(first, second...))
	b.drained()
}

func nackComesAgain(b *bench) {
	b.publish(message("m"))
	first := b.next(1, func(d queue.Delivery) error { return d.Nack(b.Context(), 0) })
	second := b.next(1, b.ack)
	b.wantAgain(append(first, second...))
	b.drained()
}

func nackWithDelay(b *bench) {
	const delay = 300 * time.Millisecond
	b.publish(message("m"))
	var nacked time.Time
	first := b.next(1, func(d queue.Delivery) error {
		nacked = time.Now()
		return d.Nack(b.Context(), delay)
	})
	second := b.next(1, b.ack)
	if waited := time.Since(nacked); b.caps.Delay && waited < delay {
		b.Errorf("came again after %v, want not before %v", waited, delay)
	}
	b.wantAgain(append(first, second...))
	b.drained()
}

func fiveNacks(b *bench) {
	b.publish(message("m"))
	got := b.next(5, func(d queue.Delivery) error { return d.Nack(b.Context(), 0) })
	got = append(got, b.next(1, b.ack)...)
	b.wantAgain(got)
	b.drained()
}

func cancelledEnd(b *bench) {
	b.publish(message("m"))
	b.next(1, func(d queue.Delivery) error {
		for name, err := range map[string]error{
			"ack":         d.Ack(b.cancelled()),
			"nack":        d.Nack(b.cancelled(), 0),
			"dead letter": d.DeadLetter(b.cancelled(), message("letter")),
		} {
			if !errors.Is(err, context.Canceled) {
				b.Errorf("%s: got %v, want %v", name, err, context.Canceled)
			}
		}
		return b.ack(d) // still possible: nothing has ended it
	})
	b.drained()
	if letters := b.fold(); len(letters) != 0 {
		b.Errorf("dead letters: got %d, want 0", len(letters))
	}
}

// The ways to end a delivery.
var ends = []struct {
	name string
	call func(context.Context, queue.Delivery) error
}{
	{"ack", func(ctx context.Context, d queue.Delivery) error { return d.Ack(ctx) }},
	{"nack", func(ctx context.Context, d queue.Delivery) error { return d.Nack(ctx, 0) }},
	{"dead letter", func(ctx context.Context, d queue.Delivery) error { return d.DeadLetter(ctx, message("letter")) }},
}

func firstEndDecides(b *bench) {
	for _, first := range ends {
		for _, second := range ends {
			b.publish(message("m"))
			b.next(1, func(d queue.Delivery) error {
				return errors.Join(first.call(b.Context(), d), second.call(b.Context(), d))
			})
			b.wantEnded(first.name, first.name+" then "+second.name)
		}
	}
}

// wantEnded checks, and clears, what one end of a delivery of m leaves behind.
func (b *bench) wantEnded(end, what string) {
	b.Helper()
	if end == "nack" {
		b.next(1, b.ack)
	}
	b.drained()
	letters := 0
	if end == "dead letter" {
		letters = len(b.awaitLetters(1))
		letters--
	}
	if letters += len(b.fold()); letters != 0 {
		b.Errorf("%s: got %d dead letters too many", what, letters)
	}
}

// racingEnds calls every end from several goroutines at once: exactly one takes effect.
func racingEnds(b *bench) {
	b.publish(message("m"))
	b.next(1, func(d queue.Delivery) error {
		var group sync.WaitGroup
		for i := range 12 {
			group.Go(func() { b.must("end", ends[i%len(ends)].call(b.Context(), d)) })
		}
		group.Wait()
		return nil
	})
	b.publish(message("sentinel"))
	got := b.next(1, b.ack)
	again := 0
	if got[0].name == "m" { // it was the nack
		again++
		b.next(1, b.ack)
	} else if b.caps.Backlog { // or the nacked message comes after the sentinel
		n, _, err := b.queue.Backlog(b.Context())
		b.must("backlog", err)
		again += n
		if n > 0 {
			b.next(1, b.ack)
		}
	}
	if letters := len(b.fold()); again+letters > 1 {
		b.Errorf("got %d redeliveries and %d dead letters, want at most one of them", again, letters)
	}
	b.drained()
}
