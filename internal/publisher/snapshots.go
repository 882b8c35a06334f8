package publisher

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/snapshot"
	"gamefill/internal/terminal"
)

// Snapshot is what one run keeps of what it replaced.
type Snapshot struct {
	Run     string          `json:"run"`
	State   ledger.RunState `json:"state"`
	Range   gamedate.Range  `json:"range"`
	Table   string          `json:"table"`
	Rows    int64           `json:"rows"`
	Ended   time.Time       `json:"ended,omitzero"`   // of the run; zero while it is open
	Expires time.Time       `json:"expires,omitzero"` // when the store deletes it by itself; zero for never
	// KeptUntil is when it may go where the store deletes nothing by itself: the first new run after it drops it. Zero
	// while the run is open.
	KeptUntil time.Time `json:"kept_until,omitzero"`
}

// Snapshots returns what the job's runs keep, the newest run first.
func (p *Publisher) Snapshots(ctx context.Context) ([]Snapshot, error) {
	return p.snapshots(ctx, func(ledger.Run) bool { return true })
}

// snapshots returns what those of the job's runs keep that wanted is true for.
func (p *Publisher) snapshots(ctx context.Context, wanted func(ledger.Run) bool) ([]Snapshot, error) {
	runs, err := p.ports.Ledger.ListRuns(ctx, p.job.Name, 0)
	if err != nil {
		return nil, err
	}
	found := []Snapshot{}
	for _, run := range runs {
		if run.Target != p.target || !wanted(run) {
			continue
		}
		d, err := p.ports.Store.Describe(ctx, snapshot.Table(p.job.Target, run.ID))
		if err != nil {
			return nil, err
		}
		if !d.Exists {
			continue
		}
		s := Snapshot{Run: run.ID, State: run.State, Range: run.Range, Table: d.Table, Rows: d.Rows, Ended: run.FinishedAt,
			Expires: d.Expires}
		if s.Expires.IsZero() && !s.Ended.IsZero() {
			s.KeptUntil = s.Ended.Add(snapshot.Retention)
		}
		found = append(found, s)
	}
	return found, nil
}

// DropSnapshots drops what is kept by runs that ended before a time, and returns what was dropped. Runs that have not
// ended keep theirs. After it these runs cannot be rolled back. With dryRun nothing is dropped.
func (p *Publisher) DropSnapshots(ctx context.Context, ended time.Time, actor string, dryRun bool) ([]Snapshot, error) {
	old, err := p.endedWithin(ctx, time.Time{}, ended)
	if err != nil || dryRun {
		return old, err
	}
	return p.drop(ctx, old, actor)
}

// endedWithin returns what is kept by runs that ended within [from, to).
func (p *Publisher) endedWithin(ctx context.Context, from, to time.Time) ([]Snapshot, error) {
	return p.snapshots(ctx, func(r ledger.Run) bool {
		return r.State.Closed() && !r.FinishedAt.Before(from) && r.FinishedAt.Before(to)
	})
}

// drop drops snapshots one by one and returns those that are gone.
func (p *Publisher) drop(ctx context.Context, snapshots []Snapshot, actor string) ([]Snapshot, error) {
	for i, s := range snapshots {
		if _, err := p.ports.Store.Drop(ctx, snapshot.Table(p.job.Target, s.Run)); err != nil {
			return snapshots[:i], err
		}
		event := ledger.Event{Job: p.job.Name, Run: s.Run, Kind: "snapshot_dropped", Actor: actor,
			Message: fmt.Sprintf("%s with %s; the run cannot be rolled back any more", s.Table,
				terminal.Plural(s.Rows, "row", "rows"))}
		if err := p.ports.Ledger.AddEvent(ctx, event); err != nil {
			return snapshots[:i+1], err
		}
	}
	return snapshots, nil
}

// dropExpired drops what has been kept for longer than the retention, before a new run, where the store does not do so
// by itself. What had expired when the run before was made is gone, so only what expired since is looked at, however
// many runs there have been.
func (p *Publisher) dropExpired(ctx context.Context, actor string) error {
	last, err := p.ports.Ledger.ListRuns(ctx, p.job.Name, 1)
	if err != nil || len(last) == 0 {
		return err
	}
	const long = snapshot.Retention
	old, err := p.endedWithin(ctx, last[0].CreatedAt.Add(-long), time.Now().Add(-long))
	if err == nil {
		_, err = p.drop(ctx, slices.DeleteFunc(old, func(s Snapshot) bool { return !s.Expires.IsZero() }), actor)
	}
	if err != nil {
		return fmt.Errorf("drop what was kept longer than %d days: %w", int(long.Hours()/24), err)
	}
	return nil
}
