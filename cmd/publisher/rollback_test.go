package main

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/snapshot"
	"gamefill/test/league"
)

// table is every value of the target table but the bookkeeping of the store, as SQLite keeps it: one text a row.
func (d *desk) table() (rows []string) {
	d.t.Helper()
	db, err := sql.Open("sqlite", d.db)
	if err != nil {
		d.t.Fatal(err)
	}
	defer db.Close()
	found, err := db.Query(`SELECT * FROM player_game_summary`)
	if err != nil {
		d.t.Fatal(err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		d.t.Fatal(err)
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			d.t.Fatal(err)
		}
		var b strings.Builder
		for i, v := range values {
			if columns[i] != "gamefill_generation" {
				fmt.Fprintf(&b, "%s=%T %v|", columns[i], v, v)
			}
		}
		rows = append(rows, b.String())
	}
	if err := found.Err(); err != nil {
		d.t.Fatal(err)
	}
	slices.Sort(rows)
	return rows
}

// same compares the table with what it was.
func (d *desk) same(when string, want []string) {
	d.t.Helper()
	if diff := cmp.Diff(want, d.table()); diff != "" {
		d.t.Errorf("table %s (-want +got):\n%s", when, diff)
	}
}

// newestRun is the id of the newest run.
func (d *desk) newestRun() string {
	d.t.Helper()
	var runs []runView
	d.document(exitDone, &runs, "runs")
	if len(runs) == 0 {
		d.t.Fatal("runs: got none")
	}
	return runs[0].ID
}

// legacy makes a desk whose table was filled before by somebody else: doubled rows, odd clocks, columns of his own. It
// returns the desk and the table.
func legacy(t *testing.T, dates int) (*desk, []string) {
	t.Helper()
	d := loaded(t, league.Options{Dates: dates})
	d.want(exitDone, append([]string{"run"}, d.span()...)...)
	first := d.league.GameDates[0].String()
	d.sql(nil, `UPDATE player_game_summary SET points = points + 1, points_line = 12.5, processed_at = '2019-05-06T07:08:09.000123Z' WHERE game_date = ?`, first)
	d.sql(nil, `DELETE FROM player_game_summary WHERE game_date = ?`, d.league.GameDates[1].String())
	return d, d.table()
}

func TestRollback(t *testing.T) {
	t.Parallel()
	d, before := legacy(t, 3)
	first, second, third := d.league.GameDates[0], d.league.GameDates[1], d.league.GameDates[2]
	d.want(exitDone, append([]string{"run", "--unowned", "carry", "--force"}, d.span()...)...)
	run, after := d.newestRun(), d.table()
	if slices.Equal(before, after) {
		t.Fatal("the second run changed nothing")
	}
	reason := []string{"--run", run, "--reason", "a test"}

	var got publisher.RolledBack
	d.document(exitDone, &got, append([]string{"rollback", "--dry-run"}, reason...)...)
	if !got.DryRun || got.Count(publisher.PutBack) != 2 || got.Count(publisher.NothingToDo) != 1 {
		t.Errorf("dry run: got %+v, want two dates to put back", got)
	}
	d.same("after the dry run", after)

	contains(t, d.want(exitDone, append([]string{"rollback", "--dates", second.String()}, reason...)...).out,
		second.String()+"  put back", "Run "+run+": 1 put back.")
	contains(t, d.want(exitDone, append([]string{"rollback"}, reason...)...).out, first.String()+"  put back",
		"put back before", third.String()+"  not changed by the run",
		"Run "+run+": 1 put back, 1 put back before, 1 not changed by the run.")
	d.same("after the rollback", before)
	contains(t, d.want(exitDone, append([]string{"rollback"}, reason...)...).out, "2 put back before")

	var plan publisher.Plan
	d.document(exitDone, &plan, append([]string{"plan", "--unowned", "carry"}, d.span()...)...)
	if plan.Count(publisher.Undone) != 2 || plan.Count(publisher.Queue) != 0 {
		t.Errorf("plan: got %d rolled back and %d queued, want 2 and none", plan.Count(publisher.Undone),
			plan.Count(publisher.Queue))
	}
	contains(t, d.want(exitDone, append([]string{"plan", "--unowned", "carry"}, d.span()...)...).out, "2 rolled back",
		"--rolled-back or --force does it again")
	contains(t, d.want(exitDone, append([]string{"plan", "--unowned", "carry", "--rolled-back"}, d.span()...)...).out,
		"Why: 2 rolled back.")
	r := d.want(exitDone, append([]string{"publish", "--unowned", "carry"}, d.span()...)...)
	contains(t, r.out, "Nothing to do now: 2 rolled back, which --rolled-back or --force does again.")
	contains(t, d.want(exitDone, "explain", first.String()).out, ": rolled_back",
		"the partition is what the run replaced", "a test",
		"next publish rolled_back: --rolled-back or --force does it again")
	var s status
	d.document(exitDone, &s, "status", "--run", run)
	if s.States[ledger.RolledBack] != 2 {
		t.Errorf("status: got %v, want two dates rolled back", s.States)
	}
	contains(t, d.do(append([]string{"validate"}, d.span()...)...).out, "no rolled-back dates", "--rolled-back")
}

func TestRollbackRefuses(t *testing.T) {
	t.Parallel()
	d, _ := legacy(t, 3)
	d.want(exitDone, append([]string{"run", "--unowned", "erase", "--force"}, d.span()...)...)
	run := d.newestRun()
	d.sql(nil, `UPDATE player_game_summary SET points = 99 WHERE game_date = ?`, d.league.GameDates[0].String())
	written := d.table()
	r := d.want(exitFailed, "rollback", "--run", run, "--reason", "a test", "--from", d.league.GameDates[0].String(),
		"--to", d.league.GameDates[0].String())
	contains(t, r.out, d.league.GameDates[0].String()+"  refused", "somebody wrote it since", "the run wrote")
	contains(t, r.errout, "as they were: 1 of 1 date")
	d.same("after the refusal", written)

	contains(t, d.want(exitError, "rollback", "--run", "nobody", "--reason", "a test").errout,
		"no such run", "publisher runs")
	contains(t, d.want(exitUsage, "rollback", "--reason", "a test").errout, "--run")
	contains(t, d.want(exitUsage, "rollback", "--run", run).errout, "--reason")
	contains(t, d.want(exitUsage, "rollback", "--run", run, "--reason", "x", "--from", "2022-01-01").errout,
		"--to is missing")

	d.want(exitDone, append([]string{"publish", "--unowned", "carry"}, d.span()...)...)
	contains(t, d.want(exitError, "rollback", "--run", d.newestRun(), "--reason", "a test").errout, "pause it first")
}

func TestSnapshots(t *testing.T) {
	t.Parallel()
	d, _ := legacy(t, 2)
	contains(t, d.want(exitDone, "snapshots").out, "Nothing is kept.")
	d.want(exitDone, append([]string{"run", "--unowned", "carry", "--force"}, d.span()...)...)
	run := d.newestRun()
	var kept []publisher.Snapshot
	d.document(exitDone, &kept, "snapshots", "list")
	if len(kept) != 1 || kept[0].Run != run || kept[0].Rows == 0 || kept[0].State != ledger.RunFinished {
		t.Fatalf("got %+v, want what run %s keeps", kept, run)
	}
	if want := kept[0].Ended.Add(snapshot.Retention); kept[0].Ended.IsZero() || !kept[0].KeptUntil.Equal(want) {
		t.Errorf("kept until: got %v, want %v, the retention after the end", kept[0].KeptUntil, want)
	}
	contains(t, d.want(exitDone, "snapshots").out, run, kept[0].Table,
		"from "+kept[0].KeptUntil.Format(time.DateOnly)+", when the next run begins")
	if r := d.want(exitDone, "snapshots", "drop"); r.out != "0 dropped.\n" {
		t.Errorf("drop of what is too young: got %q, want no word of what is kept", r.out)
	}
	contains(t, d.want(exitDone, "snapshots", "drop", "--older-than", "0", "--dry-run").out, run, "1 would be dropped.")
	contains(t, d.want(exitDone, "snapshots", "drop", "--older-than", "0").out, run, "1 dropped.")
	contains(t, d.want(exitDone, "snapshots").out, "Nothing is kept.")
	contains(t, d.want(exitFailed, "rollback", "--run", run, "--reason", "a test").out,
		d.league.GameDates[0].String()+"  refused", "not kept any more", "1 put back")
	contains(t, d.want(exitDone, "runs", "show", run).out, "snapshot_dropped")
	contains(t, d.want(exitUsage, "snapshots", "drop", "--older-than=-1").errout, "must not be negative")
}
