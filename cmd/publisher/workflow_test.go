package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/feed"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/test/league"
)

func TestRunToTheEnd(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	r := d.want(exitDone, append([]string{"run"}, d.span()...)...)
	contains(t, r.out, "12 to do", "Why: 12 new.", ": pass. ", "12 complete", "table_fingerprint ", "is finished.",
		"checks of single seasons ask for nothing and are not shown")
	if strings.Contains(r.out, "Warning") {
		t.Errorf("got a warning:\n%s", r.out)
	}
	first := fingerprint(r.out)

	r = d.want(exitDone, append([]string{"run"}, d.span()...)...)
	contains(t, r.out, "Nothing to do", "12 left as they are")
	if got := fingerprint(r.out); got != first {
		t.Errorf("second run: got table_fingerprint %s, want %s", got, first)
	}

	r = d.want(exitDone, append([]string{"run", "--force"}, d.span()...)...)
	contains(t, r.out, "Why: 12 forced.")
	if got := fingerprint(r.out); got != first {
		t.Errorf("forced run: got table_fingerprint %s, want %s", got, first)
	}
	contains(t, d.want(exitDone, "status").out, "finished", "Verdict: pass", "settled (100.0 %)")
	contains(t, d.want(exitDone, "runs", "show").out, "run_opened", "finished")
	if got := strings.Count(d.want(exitDone, "runs").out, "pass"); got != 2 {
		t.Errorf("got %d runs that passed, want 2", got)
	}
}

func fingerprint(out string) string {
	_, text, _ := strings.Cut(out, "table_fingerprint ")
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// One date of ten cannot be done: the exit code says so and is no crash's, the summary counts, names and explains.
func TestPartialRun(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 10, NoBoxScores: []int{3}})
	dead := d.league.Dead[0].String()
	r := d.want(exitFailed, append([]string{"run"}, d.span()...)...)
	contains(t, r.out, "9 complete", "1 dead", "dead "+dead+": source_empty", ": fail. ")
	contains(t, d.want(exitDone, "status").out, "dead "+dead+": source_empty (permanent)")

	var j publisher.Judgement
	d.document(exitFailed, &j, "validate")
	if got, want := j.States,
		map[ledger.State]int{ledger.Complete: 9, ledger.Dead: 1, ledger.NoGames: 2}; !cmp.Equal(got, want) {
		t.Errorf("got states %v, want %v", got, want)
	}
	if len(j.DeadDates) != 1 || j.DeadDates[0].Date.String() != dead || j.DeadDates[0].Class != "permanent" {
		t.Errorf("got dead dates %+v, want %s, permanent", j.DeadDates, dead)
	}

	plan := d.want(exitDone, append([]string{"plan"}, d.span()...)...)
	contains(t, plan.out, "1 to do, 9 left as they are", "Why: 1 failed.", dead)
}

// Only warnings: an exit code of their own, which the operator may take for done.
func TestWarningsOnly(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	expect := fmt.Sprint(d.league.Active * 31 / 30) // some three percent more than there are
	run := append([]string{"run", "--baseline-active", expect}, d.span()...)
	contains(t, d.want(exitWarnings, run...).out, ": warn. ", "warn: active_row_count: ")
	d.want(exitDone, append(run, "--allow-warnings")...)
	contains(t, d.want(exitFailed, "validate", "--baseline-active", fmt.Sprint(2*d.league.Active)).out, ": fail. ")
}

func TestValidateShowsSeasonsOnRequest(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	d.want(exitDone, append([]string{"run"}, d.span()...)...)
	short, long := d.want(exitDone, "validate").out, d.want(exitDone, "validate", "--all").out
	if strings.Contains(short, "2021-22  ") {
		t.Errorf("got a season that passes:\n%s", short)
	}
	contains(t, long, "2021-22  ")
	contains(t, short, "Compare by hand", "https://www.basketball-reference.com/boxscores/"+
		d.league.GameDates[0].Compact()+"0")
	if strings.Contains(long, "not shown") {
		t.Errorf("got hidden checks in spite of --all:\n%s", long)
	}
	if got := strings.Count(long, "\n") - strings.Count(short, "\n"); got < 8 {
		t.Errorf("got %d lines more with --all, want the checks of one season", got)
	}
}

// Three adjoining ranges and then overlapping ones, published into one run: each date is accounted for once.
func TestShards(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		ranges []string
		known  []int // by range
	}{
		{"adjoining", []string{"2021-10-01..2022-06-30", "2022-07-01..2023-06-30", "2023-07-01..2024-05-01"}, []int{0, 0, 0}},
		{"overlapping", []string{"2021-10-01..2022-06-30", "2022-06-25..2023-06-30", "2023-07-01..2024-05-01"},
			[]int{0, 6, 0}},
		{"overlap with games", []string{"2021-10-01..2022-01-07", "2022-01-03..2024-05-01"}, []int{0, 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := loaded(t, league.Options{})
			total, runs := 0, map[string]bool{}
			for i, r := range tt.ranges {
				from, to, _ := strings.Cut(r, "..")
				var got publisher.Result
				d.document(exitDone, &got, "publish", "--from", from, "--to", to)
				if got.Known != tt.known[i] {
					t.Errorf("%s: got %d known dates, want %d", r, got.Known, tt.known[i])
				}
				if got.Published != got.Queued {
					t.Errorf("%s: got %d messages for %d queued dates", r, got.Published, got.Queued)
				}
				total += got.Queued + got.Settled
				runs[got.RunID] = true
			}
			if total != 944 {
				t.Errorf("got %d dates accounted for, want 944", total)
			}
			if len(runs) != 1 {
				t.Errorf("got runs %v, want one", runs)
			}
			var s status
			d.document(exitDone, &s, "status")
			if s.Backlog == nil {
				t.Fatal("got no number of messages, want one from a queue in a file")
			}
			if s.Total != 944 || s.States[ledger.Pending] != len(d.league.GameDates) || *s.Backlog != len(d.league.GameDates) {
				t.Errorf("got %d dates, %d pending, %d messages, want 944, %[4]d, %[4]d", s.Total, s.States[ledger.Pending],
					*s.Backlog, len(d.league.GameDates))
			}
		})
	}
}

func TestPlanDates(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	first, second, third := d.league.GameDates[0].String(), d.league.GameDates[1].String(), d.league.GameDates[2].String()
	verdicts := func(args ...string) map[string]string {
		t.Helper()
		var plan publisher.Plan
		d.document(exitDone, &plan, append([]string{"plan"}, args...)...)
		got := map[string]string{}
		for _, p := range plan.Dates {
			if p.Verdict != publisher.NoGames && p.Verdict != publisher.NoSchedule {
				got[p.Date.String()] = strings.TrimSpace(string(p.Verdict) + " " + p.Reason)
			}
		}
		return got
	}
	check := func(want map[string]string, args ...string) {
		t.Helper()
		if diff := cmp.Diff(want, verdicts(args...)); diff != "" {
			t.Errorf("plan %v (-want +got):\n%s", args, diff)
		}
	}
	check(map[string]string{first: "queue new", third: "queue new"}, "--dates", third+","+first+","+third)
	if got := verdicts("--season", "2021-22"); len(got) != len(d.league.GameDates) {
		t.Errorf("season: got %d dates with games, want %d", len(got), len(d.league.GameDates))
	}
	if got := verdicts("--season", "2022-23"); len(got) != 0 {
		t.Errorf("season without games: got %v", got)
	}

	d.want(exitDone, "run", "--dates", first)
	check(map[string]string{first: "left", second: "queue new"}, "--from", first, "--to", second)
	check(map[string]string{first: "queue forced", second: "queue new"}, "--from", first, "--to", second, "--force")
	check(map[string]string{first: "left", third: "queue new"}, "--from", first, "--to", third, "--dates", first+","+third)

	d.want(exitDone, "publish", "--dates", second)
	check(map[string]string{first: "left", second: "known new"}, "--from", first, "--to", second)
	contains(t, d.want(exitDone, "plan", "--dates", second).out, "1 queued before", "is open; the dates join it")
}

// --dry-run leaves everything as it was.
func TestDryRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t, league.Options{Dates: 4})
	contains(t, d.want(exitDone, append(d.importArgs(), "--dry-run")...).out, "Nothing was written (--dry-run)")
	if _, err := os.Stat(d.db); !os.IsNotExist(err) {
		t.Errorf("import --dry-run: got %v, want no database", err)
	}
	d.want(exitDone, d.importArgs()...)
	contains(t, d.want(exitDone, append([]string{"publish", "--dry-run"}, d.span()...)...).out, "4 to do",
		"Nothing was published (--dry-run)")
	contains(t, d.want(exitDone, append([]string{"run", "--dry-run"}, d.span()...)...).out, "4 to do",
		"Nothing was published (--dry-run)")
	contains(t, d.want(exitDone, "runs").out, "There has been no run yet")

	d.want(exitDone, append([]string{"publish"}, d.span()...)...)
	before := d.want(exitDone, "runs", "show").out
	for _, verb := range []string{"pause", "cancel"} {
		contains(t, d.want(exitDone, verb, "--reason", "a test", "--dry-run").out, "Would "+verb+" run ",
			"Nothing was changed (--dry-run)")
		if diff := cmp.Diff(before, d.want(exitDone, "runs", "show").out); diff != "" {
			t.Errorf("%s --dry-run changed the run (-before +after):\n%s", verb, diff)
		}
	}
}

func TestPauseResumeCancel(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 4})
	contains(t, d.want(exitError, "pause", "--reason", "x").errout, "no run is open", "`publisher runs` lists")
	contains(t, d.want(exitError, "status").errout, "no run yet", "`publish` or `run`")
	d.want(exitDone, append([]string{"publish"}, d.span()...)...)
	contains(t, d.want(exitError, "resume", "--reason", "x").errout, "not paused")
	contains(t, d.want(exitDone, "pause", "--reason", "maintenance", "--wait").out, "is paused", "publisher resume")
	contains(t, d.want(exitDone, "status").out, "paused", "Cause: maintenance")
	contains(t, d.want(exitError, append([]string{"publish"}, d.span()...)...).errout, "is paused (operator: maintenance)",
		"publisher resume --reason")
	d.want(exitDone, "resume", "--reason", "over")
	contains(t, d.want(exitDone, "cancel", "--reason", "wrong range").out, "is cancelled")
	contains(t, d.want(exitError, "cancel", "--reason", "again").errout, "no run is open")
	contains(t, d.want(exitDone, append([]string{"run"}, d.span()...)...).out, "4 failed", ": pass. ")
	show := d.want(exitError, "runs", "show", "nope")
	contains(t, show.errout, `run "nope": no such run`, "`publisher runs` lists them")
	var runs []runView
	d.document(exitDone, &runs, "runs")
	if len(runs) != 2 || runs[1].State != ledger.RunCancelled {
		t.Fatalf("got runs %+v, want a finished one and before it a cancelled one", runs)
	}
	contains(t, d.want(exitDone, "runs", "show", runs[1].ID).out, "paused  maintenance", "resumed  over",
		"cancelled  wrong range")
}

// A run pins its settings: other ones are refused while it is open, and the message says how to end it.
func TestOtherSettingsAreRefused(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	d.want(exitDone, append([]string{"publish"}, d.span()...)...)
	r := d.want(exitError, append([]string{"publish", "--accept", "match_rate", "--reason", "a test"}, d.span()...)...)
	contains(t, r.errout, "pins another version or other settings", "publisher validate", "publisher cancel --run r")
}

func TestExport(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	d.want(exitDone, append([]string{"run"}, d.span()...)...)
	csv := d.want(exitDone, append([]string{"export"}, d.span()...)...).out
	if got, want := strings.Count(csv, "\n"), d.league.Rows+1; got != want {
		t.Errorf("got %d lines, want %d", got, want)
	}
	file := filepath.Join(t.TempDir(), "rows.parquet")
	var report struct{ Rows int }
	d.document(exitDone, &report, append([]string{"export", "--format", "parquet", "-o", file}, d.span()...)...)
	if report.Rows != d.league.Rows {
		t.Errorf("got %d rows, want %d", report.Rows, d.league.Rows)
	}
	if b, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(b), "PAR1") {
		t.Errorf("got no Parquet file: %v", err)
	}
	schedule := d.want(exitDone, append([]string{"export", "--table", "nba_raw.nbac_schedule", "--format", "ndjson"},
		d.span()...)...).out
	for line := range strings.Lines(schedule) {
		if !json.Valid([]byte(line)) {
			t.Errorf("got line %q, want JSON", line)
		}
	}
}

// Every command prints one document with --json.
func TestJSON(t *testing.T) {
	t.Parallel()
	d := newDesk(t, league.Options{Dates: 3})
	var reports []feed.Report
	d.document(exitDone, &reports, append(d.importArgs(), "--dry-run")...)
	d.document(exitDone, &reports, d.importArgs()...)
	if len(reports) != 4 || reports[0].Rows == 0 {
		t.Errorf("got reports %+v, want four with rows", reports)
	}
	var runs []runView
	d.document(exitDone, &runs, "runs")
	if runs == nil || len(runs) != 0 {
		t.Errorf("got runs %v, want an empty list", runs)
	}
	var plan publisher.Plan
	for _, args := range [][]string{{"plan"}, {"publish", "--dry-run"}, {"run", "--dry-run"}} {
		plan = publisher.Plan{}
		d.document(exitDone, &plan, append(args, d.span()...)...)
		if got := plan.Count(publisher.Queue); got != 3 {
			t.Errorf("%v: got %d dates to do, want 3", args, got)
		}
	}
	var published publisher.Result
	d.document(exitDone, &published, "publish", "--dates", d.league.GameDates[0].String())
	if published.Queued != 1 || published.RunID == "" {
		t.Errorf("got %+v, want one date queued in a run", published)
	}
	var view runView
	for _, args := range [][]string{{"pause", "--dry-run"}, {"pause", "--wait"}, {"resume"}} {
		view = runView{}
		d.document(exitDone, &view, append(args, "--reason", "a test")...)
		if view.ID != published.RunID {
			t.Errorf("%v: got run %q, want %q", args, view.ID, published.RunID)
		}
	}
	var s status
	d.document(exitDone, &s, "status")
	if s.Run != published.RunID || s.State != ledger.RunOpen {
		t.Errorf("got status of %q, %s", s.Run, s.State)
	}
	var j publisher.Judgement
	d.document(exitFailed, &j, "validate")
	j = publisher.Judgement{}
	d.document(exitDone, &j, append([]string{"run"}, d.span()...)...)
	if j.Verdict != job.Pass || j.Rows != d.league.Rows || !j.Finished || j.Range != d.league.Range {
		t.Errorf("got %s, %d rows, finished %v, %s", j.Verdict, j.Rows, j.Finished, j.Range)
	}
	if j.TableFingerprint == "" {
		t.Error("got no table_fingerprint")
	}
	d.document(exitDone, &view, "runs", "show")
	d.document(exitDone, &s, "status", "--watch")
	d.document(exitDone, &published, "publish", "--force", "--dates", d.league.GameDates[0].String())
	d.document(exitDone, &view, "cancel", "--reason", "a test")
	if view.State != ledger.RunCancelled {
		t.Errorf("got state %s, want cancelled", view.State)
	}
}
