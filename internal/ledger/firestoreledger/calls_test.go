package firestoreledger_test

import (
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// recorder notes the methods that are called.
type recorder struct {
	mu      sync.Mutex // guards methods
	methods []string
}

func (r *recorder) note(method string, _ any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.methods = append(r.methods, path.Base(method))
}

// take returns what was called since the last take.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.methods = nil }()
	return r.methods
}

// TestAnsweredClaimsTakeOneCall: a claim that cannot be granted is answered by one read, without waiting or trying
// again.
func TestAnsweredClaimsTakeOneCall(t *testing.T) {
	t.Parallel()
	var calls recorder
	l := watched(t, calls.note)
	ctx, held, complete := t.Context(), gamedate.MustParse("2022-01-15"), gamedate.MustParse("2022-01-16")
	must(t, l.CreateRun(ctx,
		ledger.Run{ID: "run-1", Job: "j", Target: "t", Version: "1", Range: gamedate.Range{From: held, To: complete}}, nil))
	_, err := l.Record(ctx, "j", "run-1",
		[]ledger.Plan{{Date: held, To: ledger.Pending}, {Date: complete, To: ledger.Pending}})
	must(t, err)
	_, err = l.UpdateRun(ctx, "run-1", ledger.Event{}, func(r *ledger.Run) error { return r.Move(ledger.RunOpen) })
	must(t, err)
	claim := func(d gamedate.Date, owner string) ledger.Claim {
		t.Helper()
		c, err := l.Claim(ctx,
			ledger.ClaimRequest{Job: "j", Run: "run-1", Date: d, Seq: 1, Owner: owner, TTL: time.Minute, Version: "1"})
		must(t, err)
		return c
	}
	until := claim(held, "alice").Entry.LeaseUntil
	must(t, l.Complete(ctx, claim(complete, "alice").Lease, ledger.Facts{Outcome: ledger.Replaced}))
	tests := []struct {
		date gamedate.Date
		want ledger.ClaimOutcome
	}{{held, ledger.HeldBy}, {complete, ledger.AlreadySettled}}
	for _, tt := range tests {
		calls.take()
		c := claim(tt.date, "bob")
		if c.Outcome != tt.want || c.Entry.Owner == "bob" || tt.want == ledger.HeldBy && !c.Entry.LeaseUntil.Equal(until) {
			t.Errorf("%s: got %s of %+v, want %s", tt.date, c.Outcome, c.Entry, tt.want)
		}
		if got := calls.take(); !slices.Equal(got, []string{"BatchGetDocuments"}) {
			t.Errorf("%s: got calls %v, want one read", tt.date, got)
		}
	}
}
