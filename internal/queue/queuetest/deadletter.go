package queuetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"gamefill/internal/queue"
)

func letterMessages(letters []queue.DeadLetter) []queue.Message {
	var list []queue.Message
	for _, l := range letters {
		list = append(list, l.Message)
	}
	return list
}

func deadLetter(b *bench) {
	b.publish(message("m"))
	b.next(1, func(d queue.Delivery) error { return d.DeadLetter(b.Context(), message("letter")) })
	b.drained()
	letters := b.awaitLetters(1)
	b.wantMessages(letterMessages(letters), []queue.Message{message("letter")})
	b.wantStamped(letters)
	if more := b.fold(); len(more) != 0 {
		b.Errorf("dead letters after folding: got %d, want 0", len(more))
	}
}

// wantStamped checks what every letter has beside its message.
func (b *bench) wantStamped(letters []queue.DeadLetter) {
	b.Helper()
	for _, l := range letters {
		if l.ID == "" {
			b.Error("a dead letter has no id")
		}
		if l.PublishedAt.IsZero() || l.PublishedAt.Location() != time.UTC {
			b.Errorf("published at %v, want an instant in UTC", l.PublishedAt)
		}
	}
}

func deadLetterAlone(b *bench) {
	want := []queue.Message{message("letter"), message("letter"), {Body: []byte("odd\x00\xff bytes")}}
	for _, m := range want {
		b.must("publish dead letter", b.queue.PublishDeadLetter(b.Context(), m))
	}
	letters := b.awaitLetters(len(want))
	b.wantMessages(letterMessages(letters), want)
	b.wantStamped(letters)
	ids := map[string]bool{}
	for _, l := range letters {
		ids[l.ID] = true
	}
	if len(ids) != len(want) {
		b.Errorf("ids: got %d distinct, want %d", len(ids), len(want))
	}
	b.drained()
}

func cancelledFold(b *bench) {
	b.must("publish dead letter", b.queue.PublishDeadLetter(b.Context(), message("letter")))
	_, err := b.queue.FoldDeadLetters(b.cancelled(), func(context.Context, queue.DeadLetter) error {
		b.Error("a letter was handed out")
		return errRefused
	})
	if !errors.Is(err, context.Canceled) {
		b.Errorf("got %v, want %v", err, context.Canceled)
	}
	b.awaitLetters(1)
}

// foldRefused refuses one letter of three until it has been seen twice.
func foldRefused(b *bench) {
	want := messages("letter", 3)
	for _, m := range want {
		b.must("publish dead letter", b.queue.PublishDeadLetter(b.Context(), m))
	}
	var taken []queue.DeadLetter
	refused, removed := 0, 0
	for end := time.Now().Add(b.caps.Patience); len(taken) < len(want); {
		n, err := b.queue.FoldDeadLetters(b.Context(), func(_ context.Context, l queue.DeadLetter) error {
			if string(l.Message.Body) == "letter1" && refused < 2 {
				refused++
				return errRefused
			}
			taken = append(taken, l)
			return nil
		})
		removed += n
		if err != nil && !errors.Is(err, errRefused) {
			b.Fatalf("fold: got %v, want %v", err, errRefused)
		}
		if time.Now().After(end) {
			b.Fatalf("waited %v for %d letters, got %d", b.caps.Patience, len(want), len(taken))
		}
	}
	if refused != 2 || removed != len(want) {
		b.Errorf("got %d refused, %d removed, want 2 and %d", refused, removed, len(want))
	}
	b.wantMessages(letterMessages(taken), want)
	if more := b.fold(); len(more) != 0 {
		b.Errorf("dead letters after folding: got %d, want 0", len(more))
	}
}

func foldKeepsIDs(b *bench) {
	b.must("publish dead letter", b.queue.PublishDeadLetter(b.Context(), message("letter")))
	var ids []string
	var stamps []time.Time
	for end := time.Now().Add(b.caps.Patience); len(ids) < 3; {
		_, err := b.queue.FoldDeadLetters(b.Context(), func(_ context.Context, l queue.DeadLetter) error {
			ids, stamps = append(ids, l.ID), append(stamps, l.PublishedAt)
			if len(ids) < 3 {
				return errRefused
			}
			return nil
		})
		if err != nil && !errors.Is(err, errRefused) {
			b.Fatalf("fold: %v", err)
		}
		if time.Now().After(end) {
			b.Fatalf("waited %v for the letter to come three times, it came %d times", b.caps.Patience, len(ids))
		}
	}
	if len(slices.Compact(ids)) != 1 || !stamps[0].Equal(stamps[2]) {
		b.Errorf("ids %v, published at %v: want the same each time", ids, stamps)
	}
}

func foldMany(b *bench) {
	want := messages("letter", 120)
	var group sync.WaitGroup
	for part := range slices.Chunk(want, 30) {
		group.Go(func() {
			for _, m := range part {
				b.must("publish dead letter", b.queue.PublishDeadLetter(b.Context(), m))
			}
		})
	}
	group.Wait()
	b.wantMessages(letterMessages(b.awaitLetters(len(want))), want)
}

// twoFolders folds from two goroutines: each letter is handed out at least once, and none is left.
func twoFolders(b *bench) {
	want := messages("letter", 40)
	for _, m := range want {
		b.must("publish dead letter", b.queue.PublishDeadLetter(b.Context(), m))
	}
	var taken tally
	end := time.Now().Add(b.caps.Patience)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for len(taken.names()) < len(want) && time.Now().Before(end) {
				_, err := b.queue.FoldDeadLetters(b.Context(), func(_ context.Context, l queue.DeadLetter) error {
					taken.add(string(l.Message.Body))
					return nil
				})
				b.must("fold", err)
			}
		})
	}
	group.Wait()
	if diff := gocmp.Diff(sortedNames(want), taken.names()); diff != "" {
		b.Errorf("letters (-want +got):\n%s", diff)
	}
	if more := b.fold(); len(more) != 0 {
		b.Errorf("dead letters after folding: got %d, want 0", len(more))
	}
}
