package crash

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/faultinject"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/test/program"
)

// Who passes the points of what can be put back.
var (
	inKeeping  = []string{faultinject.AfterKeep}
	inRollback = []string{faultinject.BeforeRollback, faultinject.AfterRollback}
)

// overwrite changes every row of the target as somebody else would, and returns the table.
func (w *world) overwrite() []string {
	w.t.Helper()
	db := w.sql()
	if _, err := db.Exec(`UPDATE player_game_summary SET points = 7, points_line = 12.5, processed_at = '2019-05-06T07:08:09.000123Z'`); err != nil {
		w.t.Fatal(err)
	}
	return w.table()
}

func (w *world) sql() *sql.DB {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+w.Path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	return db
}

// table is every value of the target, one text a row, but the store's own bookkeeping.
func (w *world) table() (rows []string) {
	w.t.Helper()
	found, err := w.sql().Query(`SELECT * FROM player_game_summary`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		w.t.Fatal(err)
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			w.t.Fatal(err)
		}
		var b strings.Builder
		for i, v := range values {
			if columns[i] != "gamefill_generation" {
				fmt.Fprintf(&b, "%s=%v|", columns[i], v)
			}
		}
		rows = append(rows, b.String())
	}
	if err := found.Err(); err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(rows)
	return rows
}

// again publishes every date once more, by a new run.
func (w *world) again() string {
	w.t.Helper()
	w.Publish(w.t, 0, append(w.publishArgs(), "--force", "--unowned", "carry")...)
	runs, err := w.Open(w.t).Ledger.ListRuns(w.t.Context(), summary.Job().Name, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	return runs[0].ID
}

// putBack rolls the run back to the end and wants the table as it was before.
func (w *world) putBack(run string, before []string) {
	w.t.Helper()
	var got publisher.RolledBack
	w.JSON(w.t, 0, &got, "rollback", "--run", run, "--reason", "a test")
	dates := len(w.template.league.GameDates) - 1
	if n := got.Count(publisher.PutBack) + got.Count(publisher.BackAlready); n != dates || len(got.Dates) != dates {
		w.t.Errorf("rollback: got %+v, want all %d dates put back", got.Dates, dates)
	}
	if diff := cmp.Diff(before, w.table()); diff != "" {
		w.t.Errorf("table after the rollback (-want +got):\n%s", diff)
	}
	for d, e := range w.Entries(w.t, w.template.league.Range) {
		if e.Facts != nil && e.State != ledger.RolledBack {
			w.t.Errorf("%s after the rollback: got %s, want %s", d, e.State, ledger.RolledBack)
		}
	}
}

// TestWorkerDiesAndTheRunIsPutBack kills a worker around its writes over rows of somebody else: what the run wrote
// before the crash must not be taken for what was there.
func TestWorkerDiesAndTheRunIsPutBack(t *testing.T) {
	t.Parallel()
	points := slices.Concat(inKeeping,
		[]string{faultinject.BeforeWrite, faultinject.AfterWrite, faultinject.AfterComplete})
	if testing.Short() {
		points = []string{faultinject.AfterKeep, faultinject.AfterWrite}
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := small.open(t)
			w.publish()
			w.drain(1)
			w.validate()
			before := w.overwrite()
			run := w.again()
			w.crash(point+":2", program.Worker, workerArgs("--drain")...)
			w.drain(2)
			w.validate()
			w.putBack(run, before)
		})
	}
}

// TestRollbackDiesAndIsRepeated kills the rollback; the same command goes on.
func TestRollbackDiesAndIsRepeated(t *testing.T) {
	t.Parallel()
	for _, point := range inRollback {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := small.open(t)
			w.publish()
			w.drain(1)
			w.validate()
			before := w.overwrite()
			run := w.again()
			w.drain(1)
			w.validate()
			for _, pass := range []string{"1", "3"} {
				w.crash(point+":"+pass, program.Publisher, "rollback", "--run", run, "--reason", "a test")
			}
			w.putBack(run, before)
		})
	}
}
