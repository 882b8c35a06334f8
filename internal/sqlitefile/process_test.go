package sqlitefile_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gamefill/internal/sqlitefile"
)

// childEnv makes the test binary a writer of the file it names; childName is its name in the rows.
const (
	childEnv  = "SQLITEFILE_TEST_CHILD"
	childName = "SQLITEFILE_TEST_NAME"
)

const (
	childWriters = 4  // goroutines in a child
	childWrites  = 60 // writes of each
	batchRows    = 50 // rows of one write of an endless child
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := child(context.Background(), path, os.Getenv(childName)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child writes rows that the parent counts. The child named "endless" writes batches until it is killed and says so
// after each.
func child(ctx context.Context, path, name string) error {
	f, err := sqlitefile.Open(ctx, path, sqlitefile.Options{})
	if err != nil {
		return err
	}
	for n := 0; name == "endless"; n++ {
		err := f.Write(ctx, func(tx *sqlitefile.Tx) error {
			for i := range batchRows {
				if _, err := tx.Exec("INSERT INTO note VALUES (?, ?)", name, n*batchRows+i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		fmt.Println("committed", n)
	}
	var group sync.WaitGroup
	errs := make(chan error, childWriters)
	for g := range childWriters {
		group.Go(func() {
			for i := range childWrites {
				if err := f.Write(ctx, func(tx *sqlitefile.Tx) error {
					if _, err := tx.Exec("UPDATE total SET n = n + 1"); err != nil {
						return err
					}
					_, err := tx.Exec("INSERT INTO note VALUES (?, (SELECT n FROM total))", fmt.Sprintf("%s-%d-%d", name, g, i))
					return err
				}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	s := f.Stats()
	fmt.Printf("writes %d commits %d\n", s.Writes, s.Commits)
	return f.Close()
}

func startChild(t *testing.T, path, name string) (*exec.Cmd, *bufio.Scanner, *strings.Builder) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path, childName+"="+name)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out), &stderr
}

func TestProcessesLoseNoWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gamefill.db")
	f := withNotes(t, open(t, path, sqlitefile.Options{}))
	write(t, f, "CREATE TABLE total (n INTEGER)")
	write(t, f, "INSERT INTO total VALUES (0)")
	const children = 3
	var group sync.WaitGroup
	for c := range children {
		cmd, out, stderr := startChild(t, path, fmt.Sprint("child", c))
		group.Go(func() {
			var writes, commits int
			for out.Scan() {
				if _, err := fmt.Sscanf(out.Text(), "writes %d commits %d", &writes, &commits); err != nil {
					t.Errorf("child says %q: %v", out.Text(), err)
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("child %d: %v: %s", c, err, stderr)
			}
			if writes != childWriters*childWrites || commits >= writes || commits == 0 {
				t.Errorf("child %d: %d writes in %d commits, want %d writes and fewer commits", c, writes, commits,
					childWriters*childWrites)
			}
		})
	}
	group.Wait()
	want := children * childWriters * childWrites
	for _, query := range []string{"SELECT n FROM total", "SELECT count(*) FROM note",
		"SELECT count(DISTINCT who) FROM note", "SELECT max(n) FROM note"} {
		if got := count(t, f, query); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
}

func TestKilledWriterLeavesNoHalfTransaction(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gamefill.db")
	f := withNotes(t, open(t, path, sqlitefile.Options{}))
	for round := range 3 {
		write(t, f, "DELETE FROM note")
		cmd, out, stderr := startChild(t, path, "endless")
		said := 0
		for said <= 3+7*round && out.Scan() {
			said++
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
			t.Fatalf("child ended by itself: %s", stderr)
		}
		rows := count(t, f, "SELECT count(*) FROM note")
		if rows%batchRows != 0 {
			t.Errorf("round %d: %d rows, not whole batches of %d", round, rows, batchRows)
		}
		if rows < said*batchRows {
			t.Errorf("round %d: %d rows, but %d batches were committed", round, rows, said)
		}
	}
	write(t, f, "INSERT INTO note VALUES ('after', -1)") // the lock is free
}
