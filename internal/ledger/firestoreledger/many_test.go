package firestoreledger_test

import (
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// TestManyDates: calls on more dates than one commit takes do them all.
func TestManyDates(t *testing.T) {
	t.Parallel()
	const n = 230
	l, ctx := newLedger(t), t.Context()
	first := gamedate.MustParse("2022-01-01")
	season := gamedate.Range{From: first, To: first.AddDays(n - 1)}
	wantCounts := func(state ledger.State) {
		t.Helper()
		counts, err := l.CountStates(ctx, "j", "run-1")
		must(t, err)
		if len(counts) != 1 || counts[state] != n {
			t.Errorf("counts: got %v, want %d %s", counts, n, state)
		}
	}
	must(t, l.CreateRun(ctx, ledger.Run{ID: "run-1", Job: "j", Target: "t", Range: season}, nil))
	var plans []ledger.Plan
	var dates []gamedate.Date
	for i := range n {
		dates = append(dates, first.AddDays(i))
		plans = append(plans, ledger.Plan{Date: dates[i], To: ledger.Pending, Reason: ledger.ReasonNew})
	}
	entries, err := l.Record(ctx, "j", "run-1", plans)
	must(t, err)
	requeued, err := l.Requeue(ctx, "j", "run-1", dates)
	must(t, err)
	if len(entries) != n || len(requeued) != n {
		t.Fatalf("got %d entries recorded and %d requeued, want %d", len(entries), len(requeued), n)
	}
	var published []ledger.Published
	for _, e := range requeued {
		published = append(published, ledger.Published{Date: e.Date, Seq: e.Seq})
	}
	must(t, l.MarkPublished(ctx, "j", published))
	wantCounts(ledger.Pending)
	stored, err := l.Entries(ctx, "j", season)
	must(t, err)
	for i, e := range stored {
		if e.Date != dates[i] || e.Seq != 2 || e.PublishedSeq != 2 {
			t.Errorf("entry %d: got %s, seq %d, published %d, want %s, 2, 2", i, e.Date, e.Seq, e.PublishedSeq, dates[i])
		}
	}
	_, err = l.UpdateRun(ctx, "run-1", ledger.Event{}, func(r *ledger.Run) error { return r.Move(ledger.RunCancelled) })
	must(t, err)
	wantCounts(ledger.Cancelled)
}
