package queuetest

import (
	"context"
	"errors"

	"gamefill/internal/queue"
)

func publishAndReceive(b *bench) {
	want := append(messages("m", 3),
		queue.Message{Body: []byte("body alone")},
		queue.Message{Body: []byte("odd\x00\xff bytes"),
			Attributes: map[string]string{"größe": "naïve \"text\"\n", "empty": ""}},
	)
	b.publish(want...)
	var got []queue.Message
	b.next(len(want), func(d queue.Delivery) error {
		got = append(got, d.Message())
		return b.ack(d)
	})
	b.wantMessages(got, want)
}

func publishNothing(b *bench) {
	if errs := b.queue.Publish(b.Context(), nil); len(errs) != 0 {
		b.Errorf("got results %v, want none", errs)
	}
	b.drained()
}

func publishKeepsNoSlice(b *bench) {
	m := message("original")
	list := []queue.Message{m}
	b.publish(list...)
	copy(m.Body, "OVERWRIT")
	m.Attributes["name"] = "overwritten"
	list[0] = message("other")
	b.next(1, func(d queue.Delivery) error {
		b.wantMessages([]queue.Message{d.Message()}, []queue.Message{message("original")})
		return b.ack(d)
	})
}

func (b *bench) cancelled() context.Context {
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	return ctx
}

func cancelledPublish(b *bench) {
	errs := b.queue.Publish(b.cancelled(), messages("m", 3))
	if len(errs) != 3 {
		b.Fatalf("got %d results, want 3", len(errs))
	}
	for _, err := range errs {
		if !errors.Is(err, context.Canceled) {
			b.Errorf("publish: got %v, want %v", err, context.Canceled)
		}
	}
	if err := b.queue.PublishDeadLetter(b.cancelled(), message("letter")); !errors.Is(err, context.Canceled) {
		b.Errorf("publish dead letter: got %v, want %v", err, context.Canceled)
	}
	b.drained()
	if letters := b.fold(); len(letters) != 0 {
		b.Errorf("dead letters: got %d, want 0", len(letters))
	}
}

func backlog(b *bench) {
	if !b.caps.Backlog {
		if n, ok, err := b.queue.Backlog(b.Context()); ok || err != nil {
			b.Errorf("got %d, %v, %v, want that it cannot tell", n, ok, err)
		}
		return
	}
	b.wantBacklog(0)
	b.publish(messages("m", 3)...)
	b.wantBacklog(3)
	b.next(1, func(d queue.Delivery) error {
		b.wantBacklog(3) // one of them in flight
		if err := d.Ack(b.Context()); err != nil {
			return err
		}
		b.wantBacklog(2)
		return nil
	})
	b.must("publish dead letter", b.queue.PublishDeadLetter(b.Context(), message("letter")))
	b.wantBacklog(2)
	if _, _, err := b.queue.Backlog(b.cancelled()); !errors.Is(err, context.Canceled) {
		b.Errorf("with a cancelled context: got %v, want %v", err, context.Canceled)
	}
}
