package crash

import (
	"context"
	"path/filepath"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/summary"
	"gamefill/test/league"
	"gamefill/test/program"
)

// TestBreakerStopsThreeProcesses lets three workers run into a stretch of dates without box scores: the run pauses, all
// three end with it, and no partition is written after the pause was recorded.
func TestBreakerStopsThreeProcesses(t *testing.T) {
	t.Parallel()
	var poison []int
	for n := 20; n < 48; n++ {
		poison = append(poison, n)
	}
	dir := t.TempDir()
	l, err := league.Write(dir, league.Options{Dates: 60, NoBoxScores: poison})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{File: program.File{Set: binaries, Path: filepath.Join(dir, "gamefill.db")}, t: t,
		template: &template{league: l}}
	w.Publish(t, 0, append([]string{"import"}, l.Files()...)...)
	w.Publish(t, 0, append(w.publishArgs(), "--no-sample", "--reason", "breaker")...)
	var workers []*program.Process
	for range 3 {
		workers = append(workers, w.Start(t, "", program.Worker, workerArgs("--drain", "--concurrency", "1")...))
	}
	for _, p := range workers {
		if r := p.Wait(); r.Code != 1 {
			t.Errorf("worker of a run that the breaker has paused: got %v\nwant exit code 1", r)
		}
	}

	ctx, b := context.Background(), w.Open(t)
	run, ok, err := b.Ledger.OpenRun(ctx, summary.Job().Name)
	if err != nil || !ok {
		t.Fatalf("open run: got %v, %v", ok, err)
	}
	if run.State != ledger.RunPaused || run.CauseKind != "breaker" {
		t.Fatalf("run: got %s by %q (%s), want it paused by the breaker", run.State, run.CauseKind, run.Cause)
	}
	events, err := b.Ledger.Events(ctx, run.Job, run.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	var paused *ledger.Event
	for i, e := range events {
		if e.Kind == "paused" {
			paused = &events[i]
		}
	}
	if paused == nil {
		t.Fatalf("events: got %+v, want one of the pause", events)
	}
	attempts, err := b.Ledger.Attempts(ctx, ledger.AttemptFilter{Job: run.Job, Run: run.ID}, 0)
	if err != nil {
		t.Fatal(err)
	}
	written := map[gamedate.Date]bool{}
	for _, a := range attempts {
		if a.Result != ledger.ResultComplete {
			continue
		}
		written[a.Date] = true
		if a.StartedAt.After(paused.At) {
			t.Errorf("%s was begun at %v and completed, after the pause at %v", a.Date, a.StartedAt, paused.At)
		}
	}
	// What the table holds is what was completed: nobody wrote and was stopped before he said so.
	for d := range l.Range.Dates() {
		m, err := b.Store.Measure(ctx, summary.Target, d)
		if err != nil {
			t.Fatal(err)
		}
		if (m.Rows > 0) != written[d] {
			t.Errorf("%s: got %d rows, completed %v", d, m.Rows, written[d])
		}
	}
	counts, err := b.Ledger.CountStates(ctx, run.Job, run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if counts[ledger.Pending] == 0 || counts[ledger.Dead] < 3 || counts[ledger.Leased] != 0 {
		t.Errorf("dates: got %v, want at least 3 dead, some pending and none leased", counts)
	}
}
