package program

import (
	"context"
	"testing"

	"gamefill/internal/backend"
	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/summary"
	"gamefill/internal/table"
)

// Open opens the file's ports in the test's process, to look at what the processes have left. They are closed when the
// test ends.
func (f File) Open(t testing.TB) *backend.Backend {
	t.Helper()
	address := "sqlite:" + f.Path
	b, err := backend.Open(context.Background(), backend.Addresses{Queue: address, Ledger: address, Warehouse: address},
		backend.Options{MustExist: true, Tables: append([]*table.Schema{summary.Target}, boxscore.Tables...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close %s: %v", f.Path, err)
		}
	})
	return b
}

// Entries are the ledger's entries of a range, by date.
func (f File) Entries(t testing.TB, r gamedate.Range) map[gamedate.Date]ledger.Entry {
	t.Helper()
	list, err := f.Open(t).Ledger.Entries(context.Background(), summary.Job().Name, r)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[gamedate.Date]ledger.Entry{}
	for _, e := range list {
		entries[e.Date] = e
	}
	return entries
}
