package sqlitefile_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gamefill/internal/failure"
	"gamefill/internal/sqlitefile"
)

// raw runs statements on a file with another connection, as an sqlite3 shell would.
func raw(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// made returns the path of a closed gamefill file with 1000 notes in it.
func made(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gamefill.db")
	f, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	withNotes(t, f)
	write(t, f,
		"WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n+1 FROM c WHERE n < 1000) INSERT INTO note SELECT "+
			"printf('%0200d', n), n FROM c")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	newer := fmt.Sprintf("PRAGMA user_version = %d", sqlitefile.NewestVersion()+3)
	file := func(content string) func(t *testing.T) string {
		return func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "gamefill.db")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	foreign := func(statements ...string) func(t *testing.T) string {
		return func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "gamefill.db")
			raw(t, path, statements...)
			return path
		}
	}
	missing := func(t *testing.T) string { return filepath.Join(t.TempDir(), "gamefill.db") }
	tests := []struct {
		name   string
		path   func(t *testing.T) string
		o      sqlitefile.Options
		want   error
		reason string
		say    string
	}{
		{"text", file("game_id,player_name\n0022100001,LeBron James\n"), sqlitefile.Options{}, sqlitefile.ErrNotSQLite,
			"not_sqlite", "left as it is"},
		{"a few bytes", file("x"), sqlitefile.Options{}, sqlitefile.ErrNotSQLite, "not_sqlite", ""},
		{"header alone", file("SQLite format 3\x00" + strings.Repeat("\x07", 2000)), sqlitefile.Options{},
			sqlitefile.ErrNotSQLite, "not_sqlite", ""},
		{"another program's tables", foreign("CREATE TABLE t (x)"), sqlitefile.Options{}, sqlitefile.ErrForeign,
			"foreign_file", "left as it is"},
		{"another program's id", foreign("PRAGMA application_id = 252006674"), sqlitefile.Options{}, sqlitefile.ErrForeign,
			"foreign_file", ""},
		{"another program's version", foreign("PRAGMA user_version = 1"), sqlitefile.Options{}, sqlitefile.ErrForeign,
			"foreign_file", ""},
		{"another program's tables, read-only", foreign("CREATE TABLE t (x)"), sqlitefile.Options{ReadOnly: true},
			sqlitefile.ErrForeign, "foreign_file", ""},
		{"newer", func(t *testing.T) string {
			p := made(t)
			raw(t, p, newer)
			return p
		}, sqlitefile.Options{}, sqlitefile.ErrNewerVersion, "newer_file",
			fmt.Sprintf("schema version %d, this build knows up to %d", sqlitefile.NewestVersion()+3,
				sqlitefile.NewestVersion())},
		{"newer, read-only", func(t *testing.T) string {
			p := made(t)
			raw(t, p, newer)
			return p
		}, sqlitefile.Options{ReadOnly: true}, sqlitefile.ErrNewerVersion, "newer_file", ""},
		{"older, read-only", func(t *testing.T) string {
			p := made(t)
			raw(t, p, "PRAGMA user_version = 1")
			return p
		}, sqlitefile.Options{ReadOnly: true},
			sqlitefile.ErrOlderVersion, "older_file", "for writing"},
		{"directory", func(t *testing.T) string {
			return t.TempDir()
		}, sqlitefile.Options{}, sqlitefile.ErrDirectory, "path_is_directory", "path of a file"},
		{"missing", missing, sqlitefile.Options{MustExist: true}, sqlitefile.ErrMissing, "file_missing", "check the path"},
		{"missing, read-only", missing, sqlitefile.Options{ReadOnly: true}, sqlitefile.ErrMissing, "file_missing", ""},
		{"missing directory", func(t *testing.T) string {
			return filepath.Join(t.TempDir(), "no", "gamefill.db")
		}, sqlitefile.Options{}, sqlitefile.ErrMissing, "directory_missing", "make the directory"},
		{"file for a directory", func(t *testing.T) string { return filepath.Join(file("x")(t), "gamefill.db") },
			sqlitefile.Options{}, nil, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := tt.path(t)
			before, _ := os.ReadFile(path)
			f, err := sqlitefile.Open(t.Context(), path, tt.o)
			if err == nil {
				_ = f.Close()
				t.Fatal("opened")
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if got := failure.ReasonOf(err); tt.reason != "" &&
				(got != tt.reason || failure.ClassOf(err) != failure.Environment) {
				t.Errorf("got class %v, reason %s, want environment, %s", failure.ClassOf(err), got, tt.reason)
			}
			if !strings.Contains(err.Error(), filepath.Dir(path)) || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("error %q names no path or does not say %q", err, tt.say)
			}
			after, _ := os.ReadFile(path)
			if !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
			if tt.want == sqlitefile.ErrMissing {
				if _, err := os.Stat(path); err == nil {
					t.Error("a file was made")
				}
			}
		})
	}
}

func TestNewerVersionNamesBoth(t *testing.T) {
	t.Parallel()
	path := made(t)
	raw(t, path, "PRAGMA user_version = 99")
	_, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	newer, ok := errors.AsType[*sqlitefile.NewerVersionError](err)
	if want := (sqlitefile.NewerVersionError{File: 99, Build: sqlitefile.NewestVersion()}); !ok || *newer != want {
		t.Errorf("got %v, want %v", err, want)
	}
	raw(t, path, fmt.Sprintf("PRAGMA user_version = %d", sqlitefile.NewestVersion()))
	if got := count(t, open(t, path, sqlitefile.Options{}), "SELECT count(*) FROM note"); got != 1000 {
		t.Errorf("rows afterwards: got %d, want 1000", got)
	}
}

func TestEmptyFileIsNew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gamefill.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	withNotes(t, open(t, path, sqlitefile.Options{MustExist: true}))
}

func TestSettings(t *testing.T) {
	t.Parallel()
	f := fresh(t)
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "30000",
		"application_id": fmt.Sprint(0x67616d66), "user_version": fmt.Sprint(sqlitefile.NewestVersion()),
	} {
		var got string
		get := func(tx *sqlitefile.Tx) error { return tx.QueryRow("PRAGMA " + pragma).Scan(&got) }
		if err := f.Write(t.Context(), get); err != nil || got != want {
			t.Errorf("writer's %s: got %q, %v, want %q", pragma, got, err, want)
		}
		if err := f.Read(t.Context(), get); err != nil || got != want {
			t.Errorf("reader's %s: got %q, %v, want %q", pragma, got, err, want)
		}
	}
	err := f.Read(t.Context(), func(tx *sqlitefile.Tx) error {
		_, err := tx.Exec("CREATE TABLE t (x)")
		return err
	})
	if !errors.Is(err, sqlitefile.ErrReadOnly) {
		t.Errorf("write in a reader: got %v, want %v", err, sqlitefile.ErrReadOnly)
	}
}

func TestIDStaysWithTheFile(t *testing.T) {
	t.Parallel()
	path := made(t)
	id := func(path string) string {
		f := open(t, path, sqlitefile.Options{ReadOnly: true})
		id, err := f.ID(t.Context())
		if err != nil || len(id) < 20 {
			t.Fatalf("id: got %q, %v", id, err)
		}
		return id
	}
	first := id(path)
	moved := filepath.Join(t.TempDir(), "moved.db")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(moved, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := id(moved); got != first {
		t.Errorf("moved file: got %q, want %q", got, first)
	}
	if got := id(made(t)); got == first {
		t.Errorf("another file has the same id %q", got)
	}
}

func TestManyOpenANewFileAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gamefill.db")
	ids := make([]string, 8)
	errs := make([]error, len(ids))
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			f, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
			if errs[i] = err; err != nil {
				return
			}
			ids[i], _ = f.ID(t.Context())
			errs[i] = f.Close()
		})
	}
	group.Wait()
	for i := range ids {
		if errs[i] != nil || ids[i] != ids[0] || ids[i] == "" {
			t.Errorf("open %d: got id %q, %v, want %q", i, ids[i], errs[i], ids[0])
		}
	}
}

func TestReadOnlyOption(t *testing.T) {
	t.Parallel()
	path := made(t)
	w := open(t, path, sqlitefile.Options{})
	f := open(t, path, sqlitefile.Options{ReadOnly: true})
	write(t, w, "INSERT INTO note VALUES ('later', 5000)") // still in the log
	if got := count(t, f, "SELECT count(*) FROM note"); got != 1001 {
		t.Errorf("rows: got %d, want 1001", got)
	}
	ran := false
	if err := f.Write(t.Context(), func(*sqlitefile.Tx) error { ran = true; return nil }); !errors.Is(err,
		sqlitefile.ErrReadOnly) || ran {
		t.Errorf("write: got %v, ran %v, want %v", err, ran, sqlitefile.ErrReadOnly)
	}
	if got := f.Stats(); got != (sqlitefile.Stats{}) {
		t.Errorf("stats: got %+v", got)
	}
}

func TestCorruptFile(t *testing.T) {
	t.Parallel()
	path := made(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(content) / 3; i < len(content); i++ { // the last pages are those of the notes
		content[i] = byte(i * 7)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, path, sqlitefile.Options{})
	var n int
	err = f.Read(t.Context(), func(tx *sqlitefile.Tx) error {
		return tx.QueryRow("SELECT sum(n) FROM note NOT INDEXED").Scan(&n)
	})
	if !errors.Is(err, sqlitefile.ErrCorrupt) || failure.ClassOf(err) != failure.Environment ||
		!strings.Contains(err.Error(), "backup") {
		t.Errorf("read: got %v, want %v", err, sqlitefile.ErrCorrupt)
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	path := made(t)
	f := open(t, path, sqlitefile.Options{}.WithPragmas("max_page_count(1)")) // SQLite raises it to the pages in use
	big := func(tx *sqlitefile.Tx) error {
		for i := range 5000 {
			if _, err := tx.Exec("INSERT INTO note VALUES (?, ?)", strings.Repeat("x", 500), 10_000+i); err != nil {
				return err
			}
		}
		return nil
	}
	err := f.Write(t.Context(), big)
	if !errors.Is(err, sqlitefile.ErrDiskFull) || failure.ClassOf(err) != failure.Environment ||
		failure.ReasonOf(err) != "disk_full" {
		t.Errorf("got %v (%v, %s), want %v", err, failure.ClassOf(err), failure.ReasonOf(err), sqlitefile.ErrDiskFull)
	}
	// Whoever swallows the error and goes on must not have the rest committed by itself.
	err = f.Write(t.Context(), func(tx *sqlitefile.Tx) error {
		_ = big(tx)
		_, _ = tx.Exec("DELETE FROM note WHERE n = 1")
		_ = tx.QueryRow("DELETE FROM note WHERE n = 2 RETURNING n").Scan(new(int))
		return nil
	})
	if !errors.Is(err, sqlitefile.ErrDiskFull) {
		t.Errorf("swallowed: got %v, want %v", err, sqlitefile.ErrDiskFull)
	}
	if got := count(t, f, "SELECT count(*) FROM note"); got != 1000 {
		t.Errorf("rows: got %d, want 1000", got)
	}
	// In a group the one that needs the space fails, the others do not.
	errs := together(t, f,
		func(tx *sqlitefile.Tx) error { _, err := tx.Exec("UPDATE note SET who = '' WHERE n = 1"); return err },
		big,
		func(tx *sqlitefile.Tx) error { _, err := tx.Exec("UPDATE note SET who = '' WHERE n = 2"); return err })
	if errs[0] != nil || !errors.Is(errs[1], sqlitefile.ErrDiskFull) || errs[2] != nil {
		t.Errorf("group: got %v", errs)
	}
	if got := count(t, f, "SELECT count(*) FROM note WHERE who = ''"); got != 2 {
		t.Errorf("rows changed: got %d, want 2", got)
	}
}
