package publisher

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gamefill/internal/ledger"
)

// quotaPeriod is how far back writes count against a daily quota. Source: BigQuery documentation, "Quotas and limits",
// quota replenishment: daily quotas come back at intervals throughout the day, not at one hour of it; so no write of
// the last 24 hours is taken for forgotten.
const quotaPeriod = 24 * time.Hour

const (
	// usedRuns is how many of the newest runs are looked through for writes.
	usedRuns = 50
	// usedAttempts are read of a run at first, and maxUsed at most: one more than any quota of partition modifications.
	usedAttempts = 1000
	maxUsed      = 30_001
)

// Attempted is where the writes of runs are read from.
type Attempted interface {
	ListRuns(ctx context.Context, jobName string, limit int) ([]ledger.Run, error)
	Attempts(ctx context.Context, f ledger.AttemptFilter, limit int) ([]ledger.Attempt, error)
}

// RecentWrites is how many partitions of the target a job's attempts have written in the 24 hours before now, as far as
// the ledger knows: those that reached their write, and of a run 30,001 at most. Writes of a rollback and of other
// programs are not among them. read is how many runs and attempts were read for it.
func RecentWrites(ctx context.Context, l Attempted, jobName string, now time.Time) (written, read int, err error) {
	since := now.Add(-quotaPeriod)
	runs, err := l.ListRuns(ctx, jobName, usedRuns)
	if err != nil {
		return 0, 0, fmt.Errorf("list runs: %w", err)
	}
	read = len(runs)
	for _, run := range runs {
		if run.State.Closed() && run.UpdatedAt.Before(since) {
			continue
		}
		recent, n, err := attemptsSince(ctx, l, jobName, run.ID, since)
		if err != nil {
			return 0, 0, fmt.Errorf("read attempts of run %s: %w", run.ID, err)
		}
		read += n
		for _, a := range recent {
			if wrote(a) {
				written++
			}
		}
	}
	return written, read, nil
}

// attemptsSince are a run's newest attempts that ended since, maxUsed at most, and how many were read for it.
func attemptsSince(ctx context.Context, l Attempted, jobName, run string,
	since time.Time) (recent []ledger.Attempt, read int, err error) {
	for limit := usedAttempts; ; limit = maxUsed {
		attempts, err := l.Attempts(ctx, ledger.AttemptFilter{Job: jobName, Run: run, EndedOnly: true}, limit)
		if err != nil {
			return nil, 0, err
		}
		read += len(attempts)
		end := slices.IndexFunc(attempts, func(a ledger.Attempt) bool { return a.EndedAt.Before(since) })
		switch {
		case end >= 0:
			return attempts[:end], read, nil
		case len(attempts) < limit || limit == maxUsed:
			return attempts, read, nil
		}
	}
}
