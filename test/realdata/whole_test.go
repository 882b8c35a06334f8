package realdata

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/faultinject"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/test/program"
)

func TestWholeRange(t *testing.T) {
	t.Parallel()
	f := wholeDone.open(t)
	j := wholeJudgement

	settled := 0
	for state, n := range j.States {
		if state.Settled() {
			settled += n
		}
	}
	empty := j.States[ledger.NoGames] + j.States[ledger.NoSchedule]
	if got, want := [3]int{settled, j.States[ledger.Complete], empty}, [3]int{944, 553, 391}; got != want {
		t.Errorf("settled, complete and empty dates: got %v, want %v", got, want)
	}
	if j.Rows != 130_425 || !j.Finished || j.Verdict != job.Warned {
		t.Errorf("got %d rows, finished %v, verdict %s; want 130425, true and warn", j.Rows, j.Finished, j.Verdict)
	}

	var warned []string
	for _, c := range j.Checks {
		// docs/rules.md has it
		if want := "90.71 over 130425 rows"; c.Name == "quality_score" && c.Scope == "" && c.Seen != want {
			t.Errorf("quality_score: got %q, want %q", c.Seen, want)
		}
		switch c.Verdict {
		case job.Warned:
			warned = append(warned, strings.Join([]string{c.Name, c.Seen, c.Advice}, ": "))
		case job.Failed, job.NotChecked:
			t.Errorf("check %s %s: got %s (%s), want no failure", c.Name, c.Scope, c.Verdict, c.Seen)
		}
	}
	// The files leave out the play-in and the playoffs of 2023.
	if len(warned) != 1 || !strings.HasPrefix(warned[0], "no silence in the calendar") ||
		!strings.Contains(warned[0], "from 2023-04-10 to 2023-10-23") {
		t.Errorf("warnings: got %q, want the calendar's silence from 2023-04-10 to 2023-10-23 alone", warned)
	}

	const counts = `SELECT count(*), sum(is_active), sum(universal_player_id IS NULL),
		sum(is_partial_game_data), sum(is_active AND primary_source_used = 'nbac_bdl_combined') > 0.99 * sum(is_active)
		FROM player_game_summary`
	if diff := cmp.Diff([]string{"130425|81257|0|0|1"}, query(t, f, counts)); diff != "" {
		t.Errorf("rows, active rows, unresolved rows, rows of incomplete team-games, over 99 %% combined "+
			"(-want +got):\n%s", diff)
	}
}

// TestWholeRangeAgain runs the range a second time: nothing is done again, and warnings can be allowed.
func TestWholeRangeAgain(t *testing.T) {
	t.Parallel()
	f := wholeDone.open(t).Copy(t)
	before := generations(t, f, whole)
	var plan struct {
		Dates []struct{ Verdict string }
	}
	f.JSON(t, 0, &plan, args("plan", whole)...)
	for _, d := range plan.Dates {
		if d.Verdict == "queue" {
			t.Errorf("plan after the run: got a queued date, want none: %v", d)
		}
	}
	f.Publish(t, 0, args("run", whole, "--allow-warnings")...)
	if diff := cmp.Diff(before, generations(t, f, whole)); diff != "" {
		t.Errorf("generations (-first +second run):\n%s", diff)
	}
}

// workerArgs are a draining worker's flags; what a killed worker held comes back after seconds.
var workerArgs = []string{"--drain", "--lease-ttl", "5s", "--republish-after", "10s", "--reconcile-every", "500ms",
	"--retry-base", "100ms", "--max-attempts", "20", "--log-level", "warn"}

// drain runs three workers at once and wants each to end well.
func drain(t *testing.T, f program.File) {
	t.Helper()
	var running []*program.Process
	for range 3 {
		running = append(running, f.Start(t, "", program.Worker, workerArgs...))
	}
	for _, p := range running {
		if r := p.Wait(); r.Code != 0 {
			t.Fatalf("draining worker: got %v\nwant exit code 0", r)
		}
	}
}

// sameAsWhole wants a file to hold what the one-process run has made.
func sameAsWhole(t *testing.T, f program.File) {
	t.Helper()
	j := judge(t, f, warnings, whole)
	if j.TableFingerprint != wholeJudgement.TableFingerprint {
		t.Errorf("table fingerprint: got %s, want %s", j.TableFingerprint, wholeJudgement.TableFingerprint)
	}
	if diff := cmp.Diff(wholeJudgement.Checks, j.Checks); diff != "" {
		t.Errorf("checks (-one process +these):\n%s", diff)
	}
	if diff := cmp.Diff(wholeJudgement.States, j.States); diff != "" {
		t.Errorf("states (-one process +these):\n%s", diff)
	}
}

func TestKilledProcessesMakeTheSameTable(t *testing.T) {
	t.Parallel()
	wholeDone.open(t)
	dir := filepath.Join(t.TempDir(), "bin")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	set, err := program.Build(dir, "crashtest")
	if err != nil {
		t.Fatal(err)
	}
	f := imported.open(t).Copy(t)
	f.Set = set
	// The third of six batches of messages is on the queue, and the ledger does not know.
	if r := f.Run(t, faultinject.MessagePublished+":3", program.Publisher,
		args("publish", whole, "--sample-above", "0")...); !r.Killed() {
		t.Fatalf("publisher: got %v\nwant SIGKILL", r)
	}
	f.Publish(t, 0, args("publish", whole, "--sample-above", "0")...)
	// The passes add up to less than the dates there are, so every worker lives to die at its point.
	var dying []*program.Process
	for _, plan := range []string{faultinject.Claimed + ":40", faultinject.BeforeWrite + ":60",
		faultinject.AfterWrite + ":50", faultinject.AfterComplete + ":70"} {
		dying = append(dying, f.Start(t, plan, program.Worker, workerArgs...))
	}
	for _, p := range dying {
		if r := p.Wait(); !r.Killed() {
			t.Fatalf("worker: got %v\nwant SIGKILL", r)
		}
	}
	drain(t, f)
	if r := f.Run(t, faultinject.BeforeFinish, program.Publisher, "validate"); !r.Killed() {
		t.Fatalf("validation: got %v\nwant SIGKILL", r)
	}
	f.Publish(t, warnings, "validate")
	sameAsWhole(t, f)
}
