package sqlitequeue_test

import (
	"path/filepath"
	"testing"

	"gamefill/internal/queue"
	"gamefill/internal/queue/queuetest"
	"gamefill/internal/queue/sqlitequeue"
	"gamefill/internal/sqlitefile"
)

// openFile opens a file for the length of a test.
func openFile(t testing.TB, path string) *sqlitefile.File {
	t.Helper()
	f, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func newQueue(t testing.TB, f *sqlitefile.File, o sqlitequeue.Options) *sqlitequeue.Queue {
	t.Helper()
	q, err := sqlitequeue.New(t.Context(), f, o)
	if err != nil {
		t.Fatalf("new queue: %v", err)
	}
	return q
}

func dbPath(t testing.TB) string { return filepath.Join(t.TempDir(), "gamefill.db") }

func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T) queue.Queue {
		return newQueue(t, openFile(t, dbPath(t)), sqlitequeue.Options{})
	}, queuetest.Capabilities{Delay: true, DeliveryCount: true, Backlog: true})
}
