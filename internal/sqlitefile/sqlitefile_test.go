package sqlitefile_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"gamefill/internal/sqlitefile"
)

func open(t *testing.T, path string, o sqlitefile.Options) *sqlitefile.File {
	t.Helper()
	f, err := sqlitefile.Open(t.Context(), path, o)
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

func fresh(t *testing.T) *sqlitefile.File {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "gamefill.db"), sqlitefile.Options{})
}

// withNotes gives f a small table to write to.
func withNotes(t *testing.T, f *sqlitefile.File) *sqlitefile.File {
	t.Helper()
	write(t, f, "CREATE TABLE IF NOT EXISTS note (who TEXT, n INTEGER UNIQUE)")
	return f
}

func write(t *testing.T, f *sqlitefile.File, query string, args ...any) {
	t.Helper()
	if err := f.Write(t.Context(), func(tx *sqlitefile.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}); err != nil {
		t.Fatalf("write %s: %v", query, err)
	}
}

// count runs a query for one number.
func count(t *testing.T, f *sqlitefile.File, query string, args ...any) (n int) {
	t.Helper()
	if err := f.Read(t.Context(), func(tx *sqlitefile.Tx) error {
		return tx.QueryRow(query, args...).Scan(&n)
	}); err != nil {
		t.Fatalf("read %s: %v", query, err)
	}
	return n
}

func TestWriteAndReadBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a file?with#odd%name.db")
	f := withNotes(t, open(t, path, sqlitefile.Options{}))
	if f.Path() != path {
		t.Errorf("path: got %q, want %q", f.Path(), path)
	}
	var changed int64
	if err := f.Write(t.Context(), func(tx *sqlitefile.Tx) (err error) {
		changed, err = tx.Exec("INSERT INTO note VALUES ('a', 1), ('b', ?)", 2)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if changed != 2 {
		t.Errorf("rows affected: got %d, want 2", changed)
	}
	var got []string
	if err := f.Read(t.Context(), func(tx *sqlitefile.Tx) error {
		got = nil
		return tx.Scan("SELECT who, n, NULL FROM note ORDER BY n", nil, func(row []driver.Value) error {
			got = append(got, fmt.Sprintf("%v %v %v", row[0], row[1], row[2]))
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	if want := "[a 1 <nil> b 2 <nil>]"; fmt.Sprint(got) != want {
		t.Errorf("rows: got %v, want %v", got, want)
	}
}

func TestErrorUndoesOneWriteAlone(t *testing.T) {
	t.Parallel()
	f := withNotes(t, fresh(t))
	boom := errors.New("boom")
	release, held := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() { // keeps the writer busy until the others wait
		_ = f.Write(t.Context(), func(*sqlitefile.Tx) error { close(held); <-release; return nil })
	})
	<-held
	errs := make([]error, 40)
	for i := range errs {
		group.Go(func() {
			errs[i] = f.Write(t.Context(), func(tx *sqlitefile.Tx) error {
				if _, err := tx.Exec("INSERT INTO note VALUES ('x', ?)", i); err != nil {
					return err
				}
				if i%4 == 3 {
					return fmt.Errorf("write %d: %w", i, boom)
				}
				return nil
			})
		})
	}
	sqlitefile.AwaitWaiting(f, len(errs))
	before := f.Stats()
	close(release)
	group.Wait()
	for i, err := range errs {
		if got, want := errors.Is(err, boom), i%4 == 3; got != want {
			t.Errorf("write %d: got error %v", i, err)
		}
	}
	if got, want := count(t, f, "SELECT count(*) FROM note"), 30; got != want {
		t.Errorf("rows: got %d, want %d", got, want)
	}
	after := f.Stats()
	if got := after.Commits - before.Commits; got != 2 { // the one that held the writer, and the group
		t.Errorf("commits: got %d, want 2", got)
	}
	if got := after.Writes - before.Writes; got != 31 {
		t.Errorf("writes: got %d, want 31", got)
	}
}

func TestCancelledWriteIsNotRun(t *testing.T) {
	t.Parallel()
	f := withNotes(t, fresh(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ran := false
	if err := f.Write(ctx, func(*sqlitefile.Tx) error { ran = true; return nil }); !errors.Is(err,
		context.Canceled) || ran {
		t.Errorf("write: got %v, ran %v", err, ran)
	}
	if err := f.Read(ctx, func(*sqlitefile.Tx) error { ran = true; return nil }); !errors.Is(err,
		context.Canceled) || ran {
		t.Errorf("read: got %v, ran %v", err, ran)
	}
}
