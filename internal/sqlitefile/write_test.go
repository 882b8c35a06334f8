package sqlitefile_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gamefill/internal/sqlitefile"
)

// together runs the functions in one group: the writer is kept busy until all of them wait.
func together(t *testing.T, f *sqlitefile.File, fns ...func(*sqlitefile.Tx) error) []error {
	t.Helper()
	release, held := make(chan struct{}), make(chan struct{})
	errs := make([]error, len(fns))
	var group sync.WaitGroup
	group.Go(func() {
		_ = f.Write(context.WithoutCancel(t.Context()), func(*sqlitefile.Tx) error { close(held); <-release; return nil })
	})
	<-held
	for i, fn := range fns {
		group.Go(func() { errs[i] = f.Write(t.Context(), fn) })
		sqlitefile.AwaitWaiting(f, i+1)
	}
	close(release)
	group.Wait()
	return errs
}

func TestFailedCommitIsSettledOneByOne(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	write(t, f, "CREATE TABLE parent (id INTEGER PRIMARY KEY)")
	write(t, f, "CREATE TABLE child (id INTEGER, parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
	runs := make([]int, 3)
	insert := func(i int, query string) func(*sqlitefile.Tx) error {
		return func(tx *sqlitefile.Tx) error { runs[i]++; _, err := tx.Exec(query); return err }
	}
	errs := together(t, f,
		insert(0, "INSERT INTO parent VALUES (1)"),
		insert(1, "INSERT INTO child VALUES (1, 77)"), // found at the commit
		insert(2, "INSERT INTO child VALUES (2, 1)"))
	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("got %v, want an error of the second alone", errs)
	}
	if want := []int{2, 2, 2}; !slices.Equal(runs, want) {
		t.Errorf("runs: got %v, want %v", runs, want)
	}
	if got := count(t, f, "SELECT (SELECT count(*) FROM parent) * 10 + (SELECT count(*) FROM child)"); got != 11 {
		t.Errorf("rows: got %d, want 11", got)
	}
}

func TestWriteOnceIsAlone(t *testing.T) {
	t.Parallel()
	f := withNotes(t, fresh(t))
	release, held := make(chan struct{}), make(chan struct{})
	before := f.Stats()
	var group sync.WaitGroup
	group.Go(func() { _ = f.Write(t.Context(), func(*sqlitefile.Tx) error { close(held); <-release; return nil }) })
	<-held
	for i := range 5 {
		run := f.Write
		if i == 2 {
			run = f.WriteOnce
		}
		group.Go(func() {
			if err := run(t.Context(), func(tx *sqlitefile.Tx) error {
				_, err := tx.Exec("INSERT INTO note VALUES ('x', ?)", i)
				return err
			}); err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		})
		sqlitefile.AwaitWaiting(f, i+1)
	}
	close(release)
	group.Wait()
	after := f.Stats()
	if got, want := after.Commits-before.Commits, int64(4); got != want { // the holder, two, the one alone, two
		t.Errorf("commits: got %d, want %d", got, want)
	}
	if got, want := after.Writes-before.Writes, int64(6); got != want {
		t.Errorf("writes: got %d, want %d", got, want)
	}
}

func TestPanicUndoesAndGoesOnInTheCaller(t *testing.T) {
	t.Parallel()
	f := withNotes(t, fresh(t))
	func() {
		defer func() {
			if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "oh no") {
				t.Errorf("recovered %v, want the panic", v)
			}
		}()
		_ = f.Write(t.Context(), func(tx *sqlitefile.Tx) error {
			if _, err := tx.Exec("INSERT INTO note VALUES ('x', 1)"); err != nil {
				return err
			}
			panic("oh no")
		})
		t.Error("write returned")
	}()
	func() {
		defer func() { _ = recover() }()
		_ = f.Read(t.Context(), func(*sqlitefile.Tx) error { panic("oh no") })
	}()
	write(t, f, "INSERT INTO note VALUES ('y', 1)")
	if got := count(t, f, "SELECT count(*) FROM note"); got != 1 {
		t.Errorf("rows: got %d, want 1", got)
	}
}

func TestCancelWhileWaiting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gamefill.db")
	f, other := withNotes(t, open(t, path, sqlitefile.Options{})), open(t, path, sqlitefile.Options{})
	release, held := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() { // another process's place: it holds the file's write lock
		_ = other.Write(t.Context(), func(*sqlitefile.Tx) error { close(held); <-release; return nil })
	})
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	ran := false
	var err error
	var call sync.WaitGroup
	call.Go(func() { err = f.Write(ctx, func(*sqlitefile.Tx) error { ran = true; return nil }) })
	sqlitefile.AwaitWaiting(f, 1)
	cancel()
	call.Wait() // while the lock is still held
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	close(release)
	group.Wait()
	write(t, f, "INSERT INTO note VALUES ('x', 1)")
	if ran {
		t.Error("the cancelled function ran")
	}
}

func TestCancelMidwayUndoes(t *testing.T) {
	t.Parallel()
	f := withNotes(t, fresh(t))
	ctx, cancel := context.WithCancel(t.Context())
	err := f.Write(ctx, func(tx *sqlitefile.Tx) error {
		if _, err := tx.Exec("INSERT INTO note VALUES ('x', 1)"); err != nil {
			return err
		}
		cancel()
		_, err := tx.Exec("INSERT INTO note VALUES ('x', 2)")
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if got := count(t, f, "SELECT count(*) FROM note"); got != 0 {
		t.Errorf("rows: got %d, want 0", got)
	}
}

func TestReadIsOneSnapshot(t *testing.T) {
	t.Parallel()
	f := withNotes(t, fresh(t))
	write(t, f, "INSERT INTO note VALUES ('x', 1)")
	if err := f.Read(t.Context(), func(tx *sqlitefile.Tx) error {
		var before, after int
		if err := tx.QueryRow("SELECT count(*) FROM note").Scan(&before); err != nil {
			return err
		}
		done := make(chan error)
		go func() {
			done <- f.Write(t.Context(), func(tx *sqlitefile.Tx) error {
				_, err := tx.Exec("INSERT INTO note VALUES ('x', 2)")
				return err
			})
		}()
		if err := <-done; err != nil { // a reader does not hold a writer up
			return err
		}
		if err := tx.QueryRow("SELECT count(*) FROM note").Scan(&after); err != nil {
			return err
		}
		if before != 1 || after != 1 {
			t.Errorf("rows in the snapshot: got %d, then %d, want 1", before, after)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := count(t, f, "SELECT count(*) FROM note"); got != 2 {
		t.Errorf("rows: got %d, want 2", got)
	}
}

func TestTx(t *testing.T) {
	t.Parallel()
	f := withNotes(t, fresh(t))
	write(t, f, "INSERT INTO note VALUES ('a', 1), ('b', 2), (NULL, 3)")
	var kept *sqlitefile.Tx
	if err := f.Read(t.Context(), func(tx *sqlitefile.Tx) error {
		kept = tx
		var pairs []string
		same := "SELECT n FROM note ORDER BY n"
		if err := tx.Scan(same, nil, func(outer []driver.Value) error {
			a := outer[0].(int64)
			return tx.Scan(same, nil, func(inner []driver.Value) error { // the same text inside
				pairs = append(pairs, fmt.Sprint(a, inner[0]))
				return nil
			})
		}); err != nil {
			return err
		}
		if want := "1 1,1 2,1 3,2 1,2 2,2 3,3 1,3 2,3 3"; strings.Join(pairs, ",") != want {
			t.Errorf("pairs: got %v, want %v", pairs, want)
		}
		stop := errors.New("stop")
		if err := tx.Scan(same, nil, func([]driver.Value) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("scan: got %v, want %v", err, stop)
		}
		for range 2 { // rows left open, then the same text again
			rows, err := tx.Query("SELECT who FROM note WHERE n >= ?", 1)
			if err != nil {
				return err
			}
			if !rows.Next() {
				t.Errorf("no rows: %v", rows.Err())
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
		var who sql.NullString
		if err := tx.QueryRow("SELECT who FROM note WHERE n = @n", sql.Named("n", 3)).Scan(&who); err != nil || who.Valid {
			t.Errorf("got %v, %v, want NULL", who, err)
		}
		if err := tx.QueryRow("SELECT who FROM note WHERE n = 9").Scan(&who); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("got %v, want %v", err, sql.ErrNoRows)
		}
		if err := tx.QueryRow("SELECT nothing FROM note").Scan(&who); err == nil ||
			!strings.Contains(err.Error(), "nothing") {
			t.Errorf("bad query: got %v", err)
		}
		_, err := tx.Query("SELECT who FROM note") // left open: the end of the transaction closes it
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Exec("SELECT 1"); err == nil {
		t.Error("a kept transaction works")
	}
	if err := kept.QueryRow("SELECT 1").Scan(new(int)); err == nil {
		t.Error("a kept transaction works")
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	type label string
	f := fresh(t)
	write(t, f, "CREATE TABLE v (x)")
	write(t, f, "INSERT INTO v VALUES (?), (?), (?), (?), (?), (?), (?)", nil, 7, int64(1)<<62, 0.5, "a\x00b",
		[]byte{0, 1}, label("named"))
	write(t, f, "INSERT INTO v VALUES (@b)", sql.Named("b", true))
	var got []string
	if err := f.Read(t.Context(), func(tx *sqlitefile.Tx) error {
		got = nil
		return tx.Scan("SELECT x FROM v ORDER BY rowid", nil, func(row []driver.Value) error {
			got = append(got, fmt.Sprintf("%T %q", row[0], fmt.Sprint(row[0])))
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{`<nil> "<nil>"`, `int64 "7"`, `int64 "4611686018427387904"`, `float64 "0.5"`, `string "a\x00b"`,
		`[]uint8 "[0 1]"`, `string "named"`, `int64 "1"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	err := f.Write(t.Context(), func(tx *sqlitefile.Tx) error {
		_, err := tx.Exec("INSERT INTO v VALUES (?)", struct{}{})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "argument 1") {
		t.Errorf("unknown type: got %v", err)
	}
}

func TestManyQueryTexts(t *testing.T) {
	t.Parallel()
	f := withNotes(t, fresh(t))
	for i := range 1000 { // more than a connection keeps
		write(t, f, fmt.Sprintf("INSERT INTO note VALUES ('x', %d)", i))
		if got := count(t, f, fmt.Sprintf("SELECT n FROM note WHERE n = %d", i)); got != i {
			t.Fatalf("got %d, want %d", got, i)
		}
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	f := withNotes(t, fresh(t))
	release, held := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		if err := f.Write(t.Context(), func(tx *sqlitefile.Tx) error { close(held); <-release; return nil }); err != nil {
			t.Errorf("write under way: %v", err)
		}
	})
	<-held
	group.Go(func() {
		if err := f.Write(t.Context(),
			func(tx *sqlitefile.Tx) error { _, err := tx.Exec("INSERT INTO note VALUES ('x', 1)"); return err }); err != nil {
			t.Errorf("waiting write: %v", err)
		}
	})
	sqlitefile.AwaitWaiting(f, 1)
	group.Go(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	close(release)
	group.Wait()
	nothing := func(*sqlitefile.Tx) error { t.Error("ran after Close"); return nil }
	if err := f.Write(t.Context(), nothing); !errors.Is(err, sqlitefile.ErrClosed) {
		t.Errorf("write: got %v, want %v", err, sqlitefile.ErrClosed)
	}
	if err := f.Read(t.Context(), nothing); !errors.Is(err, sqlitefile.ErrClosed) {
		t.Errorf("read: got %v, want %v", err, sqlitefile.ErrClosed)
	}
	if got := count(t, open(t, f.Path(), sqlitefile.Options{}), "SELECT count(*) FROM note"); got != 1 {
		t.Errorf("rows: got %d, want 1", got)
	}
}

func TestWriteGuard(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	if f.WriteGuard() != nil {
		t.Error("a new file has a guard")
	}
	veto := errors.New("veto")
	f.SetWriteGuard(func(*sqlitefile.Tx, string, string, string, int64) error { return veto })
	if err := f.WriteGuard()(nil, "", "", "", 0); !errors.Is(err, veto) {
		t.Errorf("got %v, want %v", err, veto)
	}
	f.SetWriteGuard(nil)
	if f.WriteGuard() != nil {
		t.Error("the guard is still there")
	}
}
