package sqliteledger_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/warehouse"
)

const (
	jobName = "player_game_summary"
	runID   = "run-1"
	version = "5.1.0"
)

var day = gamedate.MustParse("2022-01-15")

// openRun makes an open run over n dates from day on.
func openRun(t testing.TB, l ledger.Ledger, n int) []ledger.Entry {
	t.Helper()
	ctx := t.Context()
	run := ledger.Run{ID: runID, Job: jobName, Range: gamedate.Range{From: day, To: day.AddDays(n)}, Target: "target",
		Version: version}
	if err := l.CreateRun(ctx, run, nil); err != nil {
		t.Fatal(err)
	}
	var plans []ledger.Plan
	for i := range n {
		plans = append(plans, ledger.Plan{Date: day.AddDays(i), To: ledger.Pending, Reason: ledger.ReasonNew})
	}
	entries, err := l.Record(ctx, jobName, runID, plans)
	if err != nil {
		t.Fatal(err)
	}
	update(t, l, func(r *ledger.Run) error { return r.Move(ledger.RunOpen) })
	return entries
}

func update(t testing.TB, l ledger.Ledger, change func(*ledger.Run) error) {
	t.Helper()
	if _, err := l.UpdateRun(t.Context(), runID, ledger.Event{}, change); err != nil {
		t.Fatal(err)
	}
}

func request(e ledger.Entry, owner string) ledger.ClaimRequest {
	return ledger.ClaimRequest{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq, Owner: owner, TTL: time.Minute,
		Version: version, MaxAttempts: 5}
}

func claim(t testing.TB, l ledger.Ledger, e ledger.Entry) ledger.Lease {
	t.Helper()
	c, err := l.Claim(t.Context(), request(e, "worker"))
	if err != nil || c.Outcome != ledger.Claimed {
		t.Fatalf("claim of %s: got %s, %v, want %s", e.Date, c.Outcome, err, ledger.Claimed)
	}
	return c.Lease
}

// guarded asks f's guard inside a transaction that would have written, and reports whether the row it wrote is there.
func guarded(t *testing.T, f *sqlitefile.File, job, run, date string, generation int64) (written bool, err error) {
	t.Helper()
	var before, after int64
	count := func(tx *sqlitefile.Tx) (n int64, err error) {
		err = tx.QueryRow("SELECT count(*) FROM ledger_event WHERE kind = 'row of a partition'").Scan(&n)
		return n, err
	}
	err = f.Write(t.Context(), func(tx *sqlitefile.Tx) (err error) {
		if before, err = count(tx); err != nil {
			return err
		}
		if _, err := tx.Exec(
			"INSERT INTO ledger_event (at, job, run, date, kind, actor, message) VALUES (0, '', '', '', 'row of a partition', " +
				"'', '')"); err != nil {
			return err
		}
		return f.WriteGuard()(tx, job, run, date, generation)
	})
	if readErr := f.Read(t.Context(),
		func(tx *sqlitefile.Tx) (err error) { after, err = count(tx); return err }); readErr != nil {
		t.Fatal(readErr)
	}
	return after > before, err
}

// beginRollback completes the date and announces that it is put back, under the next generation.
func beginRollback(t *testing.T, l ledger.Ledger, lease ledger.Lease) {
	t.Helper()
	if err := l.Complete(t.Context(), lease, ledger.Facts{}); err != nil {
		t.Fatal(err)
	}
	r := ledger.Rollback{Job: lease.Job, Date: lease.Date, Run: lease.Run, Generation: lease.Generation}
	if err := l.BeginRollback(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func TestWriteGuard(t *testing.T) {
	t.Parallel()
	c := newClock()
	tests := []struct {
		name string
		// prepare changes the ledger after the date was claimed under generation 1.
		prepare    func(t *testing.T, l ledger.Ledger, lease ledger.Lease)
		run        string
		generation int64
		want       error
	}{
		{name: "held", want: nil},
		{name: "held, expired and not taken",
			prepare: func(*testing.T, ledger.Ledger, ledger.Lease) { c.Advance(time.Hour) }, want: nil},
		{name: "paused", prepare: func(t *testing.T, l ledger.Ledger, _ ledger.Lease) {
			update(t, l, func(r *ledger.Run) error { return r.Move(ledger.RunPaused) })
		}, want: nil},
		{name: "older generation", generation: -1, want: warehouse.ErrFenced},
		{name: "generation to come", generation: 1, want: warehouse.ErrFenced},
		{name: "other run", run: "run-2", want: warehouse.ErrFenced},
		{name: "taken by another", prepare: func(t *testing.T, l ledger.Ledger, lease ledger.Lease) {
			c.Advance(time.Hour)
			claim(t, l, ledger.Entry{Job: lease.Job, Run: lease.Run, Date: lease.Date, Seq: lease.Seq})
		}, want: warehouse.ErrFenced},
		{name: "released", prepare: func(t *testing.T, l ledger.Ledger, lease ledger.Lease) {
			if err := l.Release(t.Context(), lease,
				ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased}); err != nil {
				t.Fatal(err)
			}
		}, want: warehouse.ErrFenced},
		{name: "completed", prepare: func(t *testing.T, l ledger.Ledger, lease ledger.Lease) {
			if err := l.Complete(t.Context(), lease, ledger.Facts{}); err != nil {
				t.Fatal(err)
			}
		}, want: warehouse.ErrFenced},
		{name: "rolling back", prepare: beginRollback, generation: 1, want: nil},
		{name: "rolling back a cancelled run", prepare: func(t *testing.T, l ledger.Ledger, lease ledger.Lease) {
			beginRollback(t, l, lease)
			update(t, l, func(r *ledger.Run) error { r.HoldWrites = true; return r.Move(ledger.RunCancelled) })
		}, generation: 1, want: nil},
		{name: "older than the rollback", prepare: beginRollback, want: warehouse.ErrFenced},
		{name: "rolling back for another run", prepare: beginRollback, run: "run-2", generation: 1,
			want: warehouse.ErrFenced},
		{name: "rolled back", prepare: func(t *testing.T, l ledger.Ledger, lease ledger.Lease) {
			beginRollback(t, l, lease)
			r := ledger.Rollback{Job: lease.Job, Date: lease.Date, Run: lease.Run, Generation: lease.Generation}
			if err := l.FinishRollback(t.Context(), r, ledger.Event{Kind: "rolled_back"}); err != nil {
				t.Fatal(err)
			}
		}, generation: 1, want: warehouse.ErrFenced},
		{name: "claimed while it was rolled back", prepare: func(t *testing.T, l ledger.Ledger, lease ledger.Lease) {
			beginRollback(t, l, lease)
			entries, err := l.Record(t.Context(), lease.Job, lease.Run, []ledger.Plan{{Date: lease.Date, To: ledger.Pending}})
			if err != nil {
				t.Fatal(err)
			}
			claim(t, l, entries[0])
		}, generation: 1, want: warehouse.ErrFenced},
		{name: "cancelled", prepare: func(t *testing.T, l ledger.Ledger, _ ledger.Lease) {
			update(t, l, func(r *ledger.Run) error { return r.Move(ledger.RunCancelled) })
		}, want: warehouse.ErrStopped},
		{name: "holds writes", prepare: func(t *testing.T, l ledger.Ledger, _ ledger.Lease) {
			update(t, l, func(r *ledger.Run) error { r.HoldWrites = true; return r.Move(ledger.RunPaused) })
		}, want: warehouse.ErrStopped},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := openFile(t, filepath.Join(t.TempDir(), "gamefill.db"))
			l := newLedger(t, f, c.Now)
			lease := claim(t, l, openRun(t, l, 1)[0])
			if tt.prepare != nil {
				tt.prepare(t, l, lease)
			}
			run := runID
			if tt.run != "" {
				run = tt.run
			}
			written, err := guarded(t, f, jobName, run, day.String(), lease.Generation+tt.generation)
			if !errors.Is(err, tt.want) {
				t.Errorf("guard: got %v, want %v", err, tt.want)
			}
			if written != (tt.want == nil) {
				t.Errorf("row written: got %v, want %v", written, tt.want == nil)
			}
		})
	}
}

func TestWriteGuardOfAnUnknownDate(t *testing.T) {
	t.Parallel()
	f := openFile(t, filepath.Join(t.TempDir(), "gamefill.db"))
	l := newLedger(t, f, nil)
	lease := claim(t, l, openRun(t, l, 1)[0])
	for _, tt := range []struct{ job, date string }{{"other", day.String()}, {jobName, day.AddDays(1).String()},
		{jobName, ""}} {
		if _, err := guarded(t, f, tt.job, runID, tt.date, lease.Generation); !errors.Is(err, warehouse.ErrFenced) {
			t.Errorf("guard of job %q, date %q: got %v, want %v", tt.job, tt.date, err, warehouse.ErrFenced)
		}
	}
}
