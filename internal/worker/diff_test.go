package worker_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"gamefill/internal/diff"
	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
)

func (w *world) diff(from, to string) *publisher.Diff {
	w.t.Helper()
	d, err := w.publisher().Diff(w.t.Context(), request(from, to), publisher.DiffOptions{Concurrency: 2, Examples: 3}, nil)
	must(w.t, err)
	return d
}

// What a diff shows is what a worker then does: added, removed and changed rows, and afterwards nothing.
func TestDiffIsWhatAWorkerDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2024-03-05", "2024-03-06", "2024-03-07")
	w.publish(request("2024-03-05", "2024-03-07"))
	w.drain()
	w.validate("2024-03-05", "2024-03-07")
	if d := w.diff("2024-03-01", "2024-03-09"); d.Total.Differ() || d.Total.Same != 6 || d.Failed != 0 ||
		d.Total.Dates != 9 {
		t.Fatalf("got %+v, want 6 equal rows on 9 dates", d)
	}
	w.load(testjob.Readings, []string{"day"},
		table.Row{w.dateValue("2024-03-06"), table.String("south"), table.Int(9), table.Int(31)},
		table.Row{w.dateValue("2024-03-06"), table.String("west"), table.Int(9), table.Int(1)})
	d := w.diff("2024-03-01", "2024-03-09")
	if want := (diff.Counts{Before: 6, After: 6, Same: 4, Added: 1, Removed: 1, Changed: 1}); d.Total.Counts != want ||
		d.Total.Differing != 1 {
		t.Errorf("got %+v on %d dates, want %+v on 1", d.Total.Counts, d.Total.Differing, want)
	}
	w.publish(request("2024-03-05", "2024-03-07"))
	w.drain()
	if d := w.diff("2024-03-01", "2024-03-09"); d.Total.Differ() || d.OpenRun == "" {
		t.Errorf("got %+v of run %q after the work, want no difference within the open run", d.Total.Counts, d.OpenRun)
	}
}

// Dates that cannot be built fail as in a worker, and nothing is left behind: no entry, no run, no row.
func TestDiffFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2024-03-05", "2024-03-06", "2024-03-07", "2024-03-08", "2024-03-09", "2024-03-10")
	for day, station := range map[string]string{"2024-03-05": testjob.Panics, "2024-03-06": testjob.Permanent,
		"2024-03-07": testjob.Flaky, "2024-03-08": testjob.TooWet} {
		w.reading(day, station, 1)
	}
	w.plan("2024-03-09", false)
	d := w.diff("2024-03-05", "2024-03-10")
	want := []struct {
		class         failure.Class
		reason, stage string
	}{
		{failure.Transient, "panic", "build"}, {failure.Permanent, "bad_station", "build"},
		{failure.Transient, "error", "build"}, {failure.Permanent, "too_wet", "accept"},
		{failure.Transient, "not_final", "build"},
	}
	for i, want := range want {
		if f := d.Dates[i].Failure; f == nil || f.Class != want.class || f.Reason != want.reason || f.Stage != want.stage {
			t.Errorf("%s: got %+v, want %+v", d.Dates[i].Date, f, want)
		}
	}
	if d.Failed != len(want) || d.Dates[5].Failure != nil || d.Total.Added != 2 {
		t.Errorf("got %d failed dates and %d added rows, want %d and 2", d.Failed, d.Total.Added, len(want))
	}
	if states := w.states("2024-03-05", "2024-03-10"); len(states) > 0 {
		t.Errorf("got entries %v, want none", states)
	}
	runs, err := w.ledger.ListRuns(t.Context(), w.job.Name, 0)
	must(t, err)
	tokens, err := w.store.Tokens(t.Context(), testjob.Target,
		gamedate.Range{From: date("2024-03-05"), To: date("2024-03-10")})
	must(t, err)
	if len(runs)+len(tokens) > 0 {
		t.Errorf("got runs %v and partitions %v, want none", runs, tokens)
	}
}

// A date whose entry knows its last completion is built with it, as a worker builds it, and the entry stays.
func TestDiffLeavesTheLedgerAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2024-03-05")
	w.publish(request("2024-03-05", "2024-03-05"))
	before := w.entry("2024-03-05")
	if d := w.diff("2024-03-05", "2024-03-05"); d.Total.Added != 2 {
		t.Errorf("got %+v, want 2 added rows", d.Total.Counts)
	}
	after := w.entry("2024-03-05")
	if after.State != ledger.Pending || after.Seq != before.Seq || after.Generation != before.Generation {
		t.Errorf("got entry %+v, want %+v", after, before)
	}
}

func TestDiffInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2024-03-05", "2024-03-06")
	ctx, cancel := context.WithCancel(t.Context())
	var built []gamedate.Date
	w.hooks.Build = func(d gamedate.Date) error {
		built = append(built, d)
		cancel()
		return nil
	}
	d, err := w.publisher().Diff(ctx, request("2024-03-05", "2024-03-06"), publisher.DiffOptions{Concurrency: 1}, nil)
	if d != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v, want the cancellation", d, err)
	}
	if want := []gamedate.Date{date("2024-03-05")}; !slices.Equal(built, want) {
		t.Errorf("got %v built, want %v", built, want)
	}
}
