package sqliteledger_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gamefill/internal/ledger"
	"gamefill/internal/ledger/ledgertest"
	"gamefill/internal/ledger/sqliteledger"
	"gamefill/internal/sqlitefile"
)

// clock is a settable clock, so that leases end when a test says so.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2024, 5, 1, 12, 0, 0, 123456789, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func openFile(t testing.TB, path string) *sqlitefile.File {
	t.Helper()
	f, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close %s: %v", path, err)
		}
	})
	return f
}

func newLedger(t testing.TB, f *sqlitefile.File, now func() time.Time) *sqliteledger.Ledger {
	t.Helper()
	l, err := sqliteledger.New(t.Context(), f, sqliteledger.Options{Now: now})
	if err != nil {
		t.Fatalf("new ledger: %v", err)
	}
	return l
}

func TestConformance(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) (ledger.Ledger, ledgertest.Caps) {
		c := newClock()
		f := openFile(t, filepath.Join(t.TempDir(), "gamefill.db"))
		return newLedger(t, f, c.Now), ledgertest.Caps{Advance: c.Advance}
	})
}
