package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/history"
	"gamefill/test/league"
)

func TestRunsExport(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 4, NoBoxScores: []int{1}})
	contains(t, d.want(exitError, "runs", "export").errout, "no run yet")
	d.want(exitFailed, append([]string{"run"}, d.span()...)...)
	streamed := d.want(exitDone, "runs", "export").out
	got := map[history.Kind]int{}
	if err := history.Read(strings.NewReader(streamed), func(l history.Line) error {
		got[l.Kind]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got[history.Event] == 0 {
		t.Error("got no events")
	}
	delete(got, history.Event)
	days := d.league.Range.Days()
	if diff := cmp.Diff(map[history.Kind]int{history.Run: 1, history.Entry: days, history.Attempt: 4,
		history.DeadLetter: 1}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	file := filepath.Join(t.TempDir(), "run.ndjson")
	contains(t, d.want(exitDone, "runs", "export", "-o", file).out, file+": ", " records of run r")
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(streamed, string(written)); diff != "" {
		t.Errorf("file (-streamed +written):\n%s", diff)
	}
	contains(t, d.want(exitUsage, "runs", "export", "--json").errout, "name it with -o")
	contains(t, d.want(exitError, "runs", "export", "nobody").errout, "no such run")
}

// Not parallel: the client libraries read the variables from the process.
func TestEmulatorsAreNamed(t *testing.T) {
	d := loaded(t, league.Options{Dates: 2})
	d.want(exitDone, append([]string{"run"}, d.span()...)...)
	t.Setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
	const named = "the queue is an emulator of Pub/Sub at 127.0.0.1:1 (PUBSUB_EMULATOR_HOST)"
	status := []string{"status", "--queue", "pubsub://project/dates", "--ledger", "sqlite:" + d.db,
		"--warehouse", "sqlite:" + d.db}
	r := cli(t.Context(), status...)
	if r.code != exitDone {
		t.Fatalf("status: got exit code %d\n%s", r.code, r.errout)
	}
	contains(t, r.out, "Note: "+named)
	contains(t, r.errout, "publisher: "+named)
	contains(t, cli(t.Context(), append(status, "--json")...).out, `"emulators": [`, `"host": "127.0.0.1:1"`)

	t.Setenv("FIRESTORE_EMULATOR_HOST", "")
	mixed := []string{"status", "--queue", "pubsub://project/dates", "--ledger", "firestore://project",
		"--warehouse", "sqlite:" + d.db}
	if r := cli(t.Context(), mixed...); r.code != exitUsage {
		t.Errorf("emulator and real service: got exit code %d, want %d", r.code, exitUsage)
	} else {
		contains(t, r.errout, named, "the ledger is Firestore in a real project", "--allow-mixed-emulators")
	}
	if strings.Contains(d.want(exitDone, "status").out, "emulator") {
		t.Error("a variable that no address is concerned with is shown")
	}
}
