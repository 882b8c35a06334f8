package sqlitewarehouse_test

import (
	"path/filepath"
	"testing"

	"gamefill/internal/sqlitefile"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/sqlitewarehouse"
	"gamefill/internal/warehouse/warehousetest"
)

// openFile opens a file of its own for a test.
func openFile(t *testing.T, path string) *sqlitefile.File {
	t.Helper()
	f, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func newWarehouse(t *testing.T, f *sqlitefile.File) *sqlitewarehouse.Warehouse {
	t.Helper()
	w, err := sqlitewarehouse.New(t.Context(), f, sqlitewarehouse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestConformance(t *testing.T) {
	t.Parallel()
	warehousetest.Run(t, func(t *testing.T) warehouse.Store {
		return newWarehouse(t, openFile(t, filepath.Join(t.TempDir(), "gamefill.db")))
	})
}
