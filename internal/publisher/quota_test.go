package publisher_test

import (
	"context"
	"testing"
	"time"

	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
)

// attempted has the attempts of runs by id, newest first.
type attempted struct {
	runs     []ledger.Run
	attempts map[string][]ledger.Attempt
}

func (a *attempted) ListRuns(context.Context, string, int) ([]ledger.Run, error) { return a.runs, nil }

func (a *attempted) Attempts(_ context.Context, f ledger.AttemptFilter, limit int) ([]ledger.Attempt, error) {
	all := a.attempts[f.Run]
	return all[:min(limit, len(all))], nil
}

func TestRecentWrites(t *testing.T) {
	t.Parallel()
	now := opened
	ended := func(ago time.Duration, outcome ledger.Outcome, stage string) ledger.Attempt {
		a := ledger.Attempt{EndedAt: now.Add(-ago), Outcome: outcome}
		if stage != "" {
			a.Failure = &ledger.Failure{Stage: stage}
		}
		return a
	}
	many := func(n int, ago time.Duration) (all []ledger.Attempt) {
		for range n {
			all = append(all, ended(ago, ledger.Replaced, ""))
		}
		return all
	}
	const day = 24 * time.Hour
	open, old := ledger.Run{ID: "open", State: ledger.RunOpen}, ledger.Run{ID: "old", State: ledger.RunFinished}
	open.UpdatedAt, old.UpdatedAt = now.Add(-2*day), now.Add(-day-time.Second)
	recent := old
	recent.ID, recent.UpdatedAt = "recent", now.Add(-day)
	tests := []struct {
		name          string
		a             attempted
		written, read int
	}{
		{"no run", attempted{}, 0, 0},
		{"what reached its write", attempted{[]ledger.Run{open}, map[string][]ledger.Attempt{"open": {
			ended(0, ledger.Replaced, ""), ended(0, ledger.Emptied, ""), ended(0, ledger.Unchanged, ""), ended(0, "", "write"),
			ended(0, "", "read_back"), ended(0, "", "build"),
		}}}, 4, 7},
		{"a day and no longer", attempted{[]ledger.Run{open}, map[string][]ledger.Attempt{"open": {
			ended(day, ledger.Replaced, ""), ended(day+time.Second, ledger.Replaced, "")}}}, 1, 3},
		{"all runs", attempted{[]ledger.Run{open, recent},
			map[string][]ledger.Attempt{"open": many(2, 0), "recent": many(3, time.Hour)}}, 5, 7},
		{"a run that ended before is not read",
			attempted{[]ledger.Run{old}, map[string][]ledger.Attempt{"old": many(3, 0)}}, 0, 1},
		{"more than are read at first",
			attempted{[]ledger.Run{open}, map[string][]ledger.Attempt{"open": append(many(1500, 0), many(9, 2*day)...)}},
			1500, 1 + 1000 + 1509},
		{"more than any quota", attempted{[]ledger.Run{open}, map[string][]ledger.Attempt{"open": many(40_000, 0)}},
			30_001, 1 + 1000 + 30_001},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			written, read, err := publisher.RecentWrites(t.Context(), &tt.a, "job", now)
			if err != nil || written != tt.written || read != tt.read {
				t.Errorf("got %d written, %d read, %v, want %d and %d", written, read, err, tt.written, tt.read)
			}
		})
	}
}
