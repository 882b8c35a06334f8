package sqlitequeue_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"gamefill/internal/queue"
	"gamefill/internal/queue/sqlitequeue"
)

// BenchmarkDeliver measures one delivery with its ack, durable on disk.
func BenchmarkDeliver(b *testing.B) {
	for _, handlers := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("handlers=%d", handlers), func(b *testing.B) {
			f := openFile(b, dbPath(b))
			q := newQueue(b, f, sqlitequeue.Options{})
			list := make([]queue.Message, b.N)
			for i := range list {
				list[i] = queue.Message{Body: []byte(`{"v":1,"job":"bench","run":"r","date":"2022-01-15"}`),
					Attributes: map[string]string{"seq": "1"}}
			}
			if err := errors.Join(q.Publish(b.Context(), list)...); err != nil {
				b.Fatal(err)
			}
			before := f.Stats()
			left := atomic.Int64{}
			left.Store(int64(b.N))
			ctx, stop := context.WithCancel(b.Context())
			b.ResetTimer()
			err := q.Receive(ctx, handlers, func(ctx context.Context, d queue.Delivery) {
				if err := d.Ack(ctx); err != nil {
					b.Error(err)
				}
				if left.Add(-1) == 0 {
					stop()
				}
			})
			b.StopTimer()
			stop()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(f.Stats().Commits-before.Commits)/float64(b.N), "commits/op")
		})
	}
}

// BenchmarkPublish measures one message of a batch of 500.
func BenchmarkPublish(b *testing.B) {
	q := newQueue(b, openFile(b, dbPath(b)), sqlitequeue.Options{})
	list := make([]queue.Message, 500)
	for i := range list {
		list[i] = queue.Message{Body: []byte(`{"v":1,"job":"bench","run":"r","date":"2022-01-15"}`),
			Attributes: map[string]string{"seq": "1"}}
	}
	for n := 0; n < b.N; n += len(list) {
		if err := errors.Join(q.Publish(b.Context(), list[:min(len(list), b.N-n)])...); err != nil {
			b.Fatal(err)
		}
	}
}
