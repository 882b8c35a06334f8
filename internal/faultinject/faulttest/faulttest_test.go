package faulttest_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/faultinject/faulttest"
	"gamefill/internal/gamedate"
	"gamefill/internal/queue"
	"gamefill/internal/queue/queuetest"
	"gamefill/internal/queue/sqlitequeue"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

func newQueue(t *testing.T) queue.Queue {
	t.Helper()
	f, err := sqlitefile.Open(t.Context(), filepath.Join(t.TempDir(), "gamefill.db"), sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	q, err := sqlitequeue.New(t.Context(), f, sqlitequeue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestQueueWithoutFaultsConforms(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T) queue.Queue { return faulttest.Queue(newQueue(t), faulttest.QueueFaults{}) },
		queuetest.Capabilities{Delay: true, DeliveryCount: true, Backlog: true})
}

// deliveries publishes n messages on q, acks everything and returns how often each ID came, when at least want came.
func deliveries(t *testing.T, q queue.Queue, n, limit, want int) map[string]int {
	t.Helper()
	messages := make([]queue.Message, n)
	for i := range messages {
		messages[i].Body = []byte{byte('a' + i)}
	}
	if err := errors.Join(q.Publish(t.Context(), messages)...); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards times and all
	times, all := map[string]int{}, 0
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	running, peak := 0, 0
	if err := q.Receive(ctx, limit, func(ctx context.Context, d queue.Delivery) {
		mu.Lock()
		times[d.ID()]++
		running++
		peak = max(peak, running)
		mu.Unlock()
		if err := d.Ack(ctx); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		running--
		if all++; all == want {
			stop()
		}
	}); err != nil {
		t.Fatal(err)
	}
	if all != want || peak > limit {
		t.Errorf("got %d deliveries, at most %d at once, want %d and %d", all, peak, want, limit)
	}
	if n, _, err := q.Backlog(t.Context()); n != 0 || err != nil {
		t.Errorf("backlog: got %d, %v, want 0", n, err)
	}
	return times
}

func TestQueueDuplicates(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 4} {
		times := deliveries(t, faulttest.Queue(newQueue(t), faulttest.QueueFaults{DuplicateEvery: 2}), 6, limit, 9)
		twice := 0
		for _, n := range times {
			if n == 2 {
				twice++
			}
		}
		if len(times) != 6 || twice != 3 {
			t.Errorf("with %d handlers: got %v, want 6 messages, 3 of them twice", limit, times)
		}
	}
}

func TestQueueLosesAcks(t *testing.T) {
	t.Parallel()
	times := deliveries(t, faulttest.Queue(newQueue(t), faulttest.QueueFaults{LoseAckEvery: 3}), 5, 1, 7)
	if len(times) != 5 {
		t.Errorf("got %v, want 5 messages", times)
	}
}

func TestQueueFailsPublishing(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	q := faulttest.Queue(newQueue(t),
		faulttest.QueueFaults{FailPublish: map[int]error{2: boom, 5: boom}, FailDeadLetter: map[int]error{1: boom, 2: boom}})
	messages := make([]queue.Message, 3)
	got := append(q.Publish(t.Context(), messages), q.Publish(t.Context(), messages)...)
	if diff := cmp.Diff([]bool{false, true, false, false, true, false}, []bool{
		errors.Is(got[0], boom), errors.Is(got[1], boom), errors.Is(got[2], boom),
		errors.Is(got[3], boom), errors.Is(got[4], boom), errors.Is(got[5], boom)}); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	if n, _, err := q.Backlog(t.Context()); n != 4 || err != nil {
		t.Errorf("backlog: got %d, %v, want 4", n, err)
	}
	if err := q.PublishDeadLetter(t.Context(), queue.Message{}); !errors.Is(err, boom) {
		t.Errorf("first dead letter: got %v, want %v", err, boom)
	}
	ctx, stop := context.WithCancel(t.Context())
	if err := q.Receive(ctx, 1, func(ctx context.Context, d queue.Delivery) {
		defer stop()
		if err := d.DeadLetter(ctx, queue.Message{}); !errors.Is(err, boom) {
			t.Errorf("second dead letter: got %v, want %v", err, boom)
		}
		if err := d.DeadLetter(ctx, queue.Message{}); err != nil {
			t.Errorf("third dead letter: got %v, want nil", err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// shelf is a warehouse of one number: how many rows the last Replace stored.
type shelf struct {
	warehouse.Store
	rows int
}

func (s *shelf) Replace(_ context.Context, w warehouse.Write) (warehouse.Receipt, error) {
	s.rows = len(w.Rows)
	return warehouse.Receipt{Rows: s.rows}, nil
}

func (s *shelf) Measure(context.Context, *table.Schema, gamedate.Date) (warehouse.Measure, error) {
	return warehouse.Measure{Rows: s.rows, Fingerprint: "full"}, nil
}

func TestWarehouseFaults(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	schema := &table.Schema{Dataset: "d", Name: "t"}
	day := gamedate.MustParse("2022-01-15")
	tests := []struct {
		name     string
		fault    faulttest.Fault
		reported []int // rows of each receipt, -1 for boom
		stored   int
	}{
		{"none", faulttest.Fault{}, []int{2, 2, 2}, 2},
		{"fail once", faulttest.Fault{Method: faulttest.Replace, Effect: faulttest.Fail, Err: boom, Times: 1},
			[]int{-1, 2, 2}, 2},
		{"fail the second", faulttest.Fault{Method: faulttest.Replace, Effect: faulttest.Fail, Err: boom, Skip: 1, Times: 1},
			[]int{2, -1, 2}, 2},
		{"fail always", faulttest.Fault{Effect: faulttest.Fail, Err: boom}, []int{-1, -1, -1}, 0},
		{"lost reply", faulttest.Fault{Method: faulttest.Replace, Effect: faulttest.LoseReply, Err: boom},
			[]int{-1, -1, -1}, 2},
		{"pretend", faulttest.Fault{Method: faulttest.Replace, Effect: faulttest.Pretend}, []int{2, 2, 2}, 0},
		{"report nothing", faulttest.Fault{Method: faulttest.Replace, Effect: faulttest.ReportNothing}, []int{0, 0, 0}, 2},
		{"other method", faulttest.Fault{Method: faulttest.Measure, Effect: faulttest.Fail, Err: boom}, []int{2, 2, 2}, 2},
		{"this table and date", faulttest.Fault{Table: "d.t", Date: day, Effect: faulttest.Fail, Err: boom},
			[]int{-1, -1, -1}, 0},
		{"other table", faulttest.Fault{Table: "d.other", Effect: faulttest.Fail, Err: boom}, []int{2, 2, 2}, 2},
		{"other date", faulttest.Fault{Date: day.AddDays(1), Effect: faulttest.Fail, Err: boom}, []int{2, 2, 2}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			under := &shelf{}
			s := faulttest.Warehouse(under, tt.fault)
			var reported []int
			for range 3 {
				receipt, err := s.Replace(t.Context(), warehouse.Write{Table: schema, Date: day, Rows: make([]table.Row, 2)})
				switch {
				case errors.Is(err, boom):
					reported = append(reported, -1)
				case err != nil:
					t.Fatal(err)
				default:
					reported = append(reported, receipt.Rows)
				}
			}
			if diff := cmp.Diff(tt.reported, reported); diff != "" || under.rows != tt.stored {
				t.Errorf("stored %d, want %d; reported (-want +got):\n%s", under.rows, tt.stored, diff)
			}
		})
	}
	t.Run("measure pretends emptiness", func(t *testing.T) {
		t.Parallel()
		s := faulttest.Warehouse(&shelf{rows: 3},
			faulttest.Fault{Method: faulttest.Measure, Effect: faulttest.ReportNothing, Times: 1})
		for _, want := range []warehouse.Measure{{Fingerprint: table.Empty}, {Rows: 3, Fingerprint: "full"}} {
			if got, err := s.Measure(t.Context(), schema, day); err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		}
	})
	t.Run("fault without an error", func(t *testing.T) {
		t.Parallel()
		defer func() {
			if recover() == nil {
				t.Error("got no panic")
			}
		}()
		faulttest.Warehouse(&shelf{}, faulttest.Fault{Effect: faulttest.Fail})
	})
}

func TestWarehouseDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		under := &shelf{}
		s := faulttest.Warehouse(under, faulttest.Fault{Delay: time.Minute})
		w := warehouse.Write{Table: &table.Schema{}, Rows: make([]table.Row, 1)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Replace(ctx, w); !errors.Is(err, context.DeadlineExceeded) || under.rows != 0 {
			t.Errorf("call that ended while it waited: got %v, %d rows stored", err, under.rows)
		}
		start := time.Now()
		if _, err := s.Replace(t.Context(), w); err != nil || time.Since(start) != time.Minute || under.rows != 1 {
			t.Errorf("got %v after %v, %d rows stored, want success after a minute", err, time.Since(start), under.rows)
		}
	})
}
