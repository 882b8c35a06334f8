package main

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gamefill/internal/setup"
	"gamefill/test/emulator"
	"gamefill/test/golden"
	"gamefill/test/league"
)

// wide is the space between columns, which depends on the length of this desk's own names.
var wide = regexp.MustCompile(` {2,}`)

// initGolden runs init, wants the exit code and compares the output with a golden file, in which this desk's own names
// are replaced.
func initGolden(t *testing.T, name string, code int, names *strings.Replacer, args ...string) {
	t.Helper()
	r := cli(t.Context(), append([]string{"init"}, args...)...)
	if r.code != code {
		t.Errorf("init %s: got exit code %d, want %d: %s", strings.Join(args, " "), r.code, code, r.errout)
	}
	got := names.Replace(r.out)
	if filepath.Ext(name) == ".txt" {
		got = wide.ReplaceAllString(got, "  ")
	}
	golden.Compare(t, filepath.Join("testdata", "init", name), got)
}

func TestInitFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := &desk{t: t, db: filepath.Join(dir, "gamefill.db")}
	names := strings.NewReplacer(d.db, "gamefill.db")
	run := func(name string, code int, args ...string) {
		t.Helper()
		initGolden(t, name, code, names, append(args, d.addresses()...)...)
	}
	run("file-dry-run.txt", exitDone, "--dry-run")
	run("file-check-missing.txt", exitFailed, "--check")
	run("file-check-missing.json", exitFailed, "--check", "--json")
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Fatalf("got file %s, want none made", files[0].Name())
	}
	run("file-made.txt", exitDone)
	run("file-present.txt", exitDone)
	run("file-present.txt", exitDone)
	run("file-check.txt", exitDone, "--check")
	run("file-check.json", exitDone, "--check", "--json")
}

// A database that init has made is one that the other commands take.
func TestInitThenRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t, league.Options{Dates: 2})
	d.want(exitDone, "init")
	d.want(exitDone, d.importArgs()...)
	d.want(exitDone, append([]string{"run"}, d.span()...)...)
	d.want(exitDone, "init", "--check")
	contains(t, d.want(exitDone, append([]string{"plan"}, d.span()...)...).out, "0 to do, 2 left as they are")
}

// On the emulators everything but the database is made, and what is said is pinned.
func TestInitCloud(t *testing.T) {
	t.Parallel()
	emulator.PubSub(t)
	emulator.Firestore(t)
	project := "init-" + strings.ToLower(rand.Text())
	file := filepath.Join(t.TempDir(), "gamefill.db")
	names := strings.NewReplacer(project, "demo-project", file, "gamefill.db")
	run := func(name string, code int, args ...string) {
		t.Helper()
		initGolden(t, name, code, names, append(args, "--queue", "pubsub://"+project+"/dates", "--ledger",
			"firestore://"+project, "--warehouse", "sqlite:"+file)...)
	}
	run("cloud-check-missing.txt", exitFailed, "--check")
	run("cloud-dry-run.txt", exitDone, "--dry-run")
	run("cloud-made.txt", exitDone)
	run("cloud-present.txt", exitDone)
	run("cloud-check.json", exitDone, "--check", "--json")
	checked := cli(t.Context(), "init", "--check", "--queue", "pubsub://"+project+"/dates", "--ledger",
		"firestore://"+project, "--warehouse", "sqlite:"+file)
	contains(t, checked.errout, "the queue is an emulator of Pub/Sub", "the ledger is an emulator of Firestore")
	// Another name of the subscription is drift only where it hangs on something else.
	r := cli(t.Context(), "init", "--check", "--json", "--queue",
		"pubsub://"+project+"/other?subscription=dates-worker&deadletter=dates-dead",
		"--ledger", "firestore://"+project, "--warehouse", "sqlite:"+file)
	var report setupReport
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatalf("%v: %s%s", err, r.out, r.errout)
	}
	var seen []string
	for _, f := range report.Findings {
		if f.Wanting(setup.Check) {
			seen = append(seen, strings.ReplaceAll(f.Resource, " of project "+project, "")+": "+string(f.State))
		}
	}
	want := "topic other: missing; subscription dates-worker, topic: differs"
	if got := strings.Join(seen, "; "); got != want || report.Wanting != 2 || r.code != exitFailed {
		t.Errorf("subscription of another topic: got %s, %d wanting and exit code %d, want %s, 2 and %d", got, report.Wanting,
			r.code, want, exitFailed)
	}
}

// One port that cannot be looked at hides nothing of the others.
func TestInitPartly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bad, good := filepath.Join(dir, "bad.db"), filepath.Join(dir, "good.db")
	if err := os.WriteFile(bad, []byte("no database at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := cli(t.Context(), "init", "--queue", "sqlite:"+bad, "--ledger", "sqlite:"+good, "--warehouse", "sqlite:"+good)
	if r.code != exitError {
		t.Errorf("got exit code %d, want %d", r.code, exitError)
	}
	contains(t, r.errout, "queue sqlite:"+bad, "not an SQLite file")
	contains(t, r.out, "created  SQLite file "+good, "Made: 7.")
	if strings.Contains(r.out, "Everything") {
		t.Errorf("got %s, want no claim that everything is there", r.out)
	}
	r = cli(t.Context(), "init", "--queue", "sqlite:"+bad, "--ledger", "sqlite:"+good, "--warehouse", "sqlite:"+good)
	if strings.HasSuffix(r.out, "\n\n") {
		t.Errorf("nothing made and one port not seen: got %q, want no empty lines at the end", r.out)
	}
}
