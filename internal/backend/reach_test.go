package backend_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gamefill/internal/backend"
	"gamefill/internal/failure"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/queue"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
)

// TestUnreachable is not parallel: it sets the variables that name emulators.
func TestUnreachable(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and that is all
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	const (
		topic    = "pubsub://project/dates"
		database = "firestore://project"
		datasets = "bigquery://billing?raw=p.r&analytics=p.a&reference=p.f&endpoint=http://"
	)
	for _, there := range []struct {
		name, host, why string
		within          time.Duration // long enough for several refusals on a busy machine
	}{
		{"no answer", silent.Addr().String(), "no answer from " + silent.Addr().String() + " within 50ms",
			50 * time.Millisecond},
		{"closed port", "127.0.0.1:1", "connection refused", 2 * time.Second},
	} {
		t.Setenv(pubsubqueue.EmulatorVariable, there.host)
		t.Setenv(firestoreledger.EmulatorVariable, there.host)
		file := "sqlite:" + filepath.Join(t.TempDir(), "gamefill.db")
		for _, tt := range []struct {
			name      string
			addresses backend.Addresses
			call      func(ctx context.Context, b *backend.Backend) error
			wants     []string
		}{
			{"check of the queue", backend.Addresses{Queue: topic, Ledger: file, Warehouse: file},
				func(ctx context.Context, b *backend.Backend) error { _, err := b.CheckQueue(ctx); return err },
				[]string{"the queue " + topic + " cannot", pubsubqueue.EmulatorVariable}},
			{"setup of the queue", backend.Addresses{Queue: topic, Ledger: file, Warehouse: file},
				func(ctx context.Context, b *backend.Backend) error { _, err := b.CheckSetup(ctx); return err },
				[]string{"the queue " + topic + " cannot", pubsubqueue.EmulatorVariable}},
			{"fold", backend.Addresses{Queue: topic, Ledger: file, Warehouse: file},
				func(ctx context.Context, b *backend.Backend) error {
					_, err := b.Queue.FoldDeadLetters(ctx, func(context.Context, queue.DeadLetter) error { return nil })
					return err
				}, []string{"the queue " + topic + " cannot", pubsubqueue.EmulatorVariable}},
			{"ledger", backend.Addresses{Queue: file, Ledger: database, Warehouse: file},
				func(ctx context.Context, b *backend.Backend) error {
					_, _, err := b.Ledger.OpenRun(ctx, "j")
					return err
				},
				[]string{"the ledger " + database + " cannot", firestoreledger.EmulatorVariable}},
			{"setup of the ledger", backend.Addresses{Queue: file, Ledger: database, Warehouse: file},
				func(ctx context.Context, b *backend.Backend) error { _, err := b.CheckSetup(ctx); return err },
				[]string{"the ledger " + database + " cannot", firestoreledger.EmulatorVariable}},
			{"warehouse", backend.Addresses{Queue: file, Ledger: file, Warehouse: datasets + there.host + "&location=US"},
				func(ctx context.Context, b *backend.Backend) error {
					_, err := b.Store.Describe(ctx,
						&table.Schema{Dataset: "nba_analytics", Name: "made", Columns: testjob.Target.Columns})
					return err
				},
				[]string{"the warehouse bigquery://billing", "correct it"}},
		} {
			b, err := backend.Open(t.Context(), tt.addresses, backend.Options{ReachWithin: there.within})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			t.Run(there.name+", "+tt.name, func(t *testing.T) {
				t.Parallel() // the variables have been read
				err := tt.call(t.Context(), b)
				for _, want := range append(tt.wants, there.why) {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("got %v, want %q", err, want)
					}
				}
				if err != nil && (strings.Contains(err.Error(), "\n") || failure.ReasonOf(err) != "unreachable") {
					t.Errorf("got %q (%s), want one line, unreachable", err, failure.ReasonOf(err))
				}
			})
		}
		_, err := backend.Open(t.Context(), backend.Addresses{Queue: file, Ledger: file, Warehouse: datasets + there.host},
			backend.Options{ReachWithin: there.within})
		if err == nil || !strings.HasPrefix(err.Error(), "the warehouse "+datasets) ||
			!strings.Contains(err.Error(), there.why) {
			t.Errorf("%s, location of the datasets: got %v, want the address, then %q", there.name, err, there.why)
		}
	}
}
