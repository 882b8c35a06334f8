package sqlitefile_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"gamefill/internal/failure"
	"gamefill/internal/sqlitefile"
)

// asNobody runs fn on a thread whose file accesses are those of a user without rights, as root's are not refused.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if os.Getuid() != 0 {
		fn()
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := syscall.Setfsuid(65534); err != nil {
			done <- err
			return
		}
		fn()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestNotWritable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		dir, file os.FileMode
		o         sqlitefile.Options
		want      error
	}{
		{"read-only file", 0o777, 0o444, sqlitefile.Options{}, sqlitefile.ErrReadOnly},
		{"read-only directory", 0o555, 0o666, sqlitefile.Options{}, sqlitefile.ErrReadOnly},
		{"both", 0o555, 0o444, sqlitefile.Options{}, sqlitefile.ErrReadOnly},
		{"both, opened to read", 0o555, 0o444, sqlitefile.Options{ReadOnly: true}, nil},
		{"unreadable file", 0o777, 0o000, sqlitefile.Options{}, sqlitefile.ErrReadOnly},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := made(t)
			dir := filepath.Dir(path)
			if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.file); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, tt.dir); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
			asNobody(t, func() {
				f, err := sqlitefile.Open(t.Context(), path, tt.o)
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if err != nil {
					if failure.ClassOf(err) != failure.Environment || !strings.Contains(err.Error(), "writable") {
						t.Errorf("got %v (%v), want the environment and advice", err, failure.ClassOf(err))
					}
					return
				}
				if got := count(t, f, "SELECT count(*) FROM note"); got != 1000 {
					t.Errorf("rows: got %d, want 1000", got)
				}
				if err := f.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
		})
	}
}
