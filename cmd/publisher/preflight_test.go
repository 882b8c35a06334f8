package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/publisher"
	"gamefill/test/league"
)

// bad are the checks that do not pass, over the whole range.
func bad(f publisher.Preflight) (names []string) {
	for _, c := range f.Checks {
		if c.Scope == "" && c.Verdict != job.Pass {
			names = append(names, string(c.Verdict)+" "+c.Name)
		}
	}
	return names
}

func TestPreflightExitCodes(t *testing.T) {
	t.Parallel()
	whole := loaded(t, league.Options{Dates: 4})
	contains(t, whole.want(exitDone, append([]string{"preflight"}, whole.span()...)...).out, "The warehouse is embedded",
		": pass.")

	gap := loaded(t, league.Options{Dates: 4, NoBoxScores: []int{1}})
	var f publisher.Preflight
	gap.document(exitWarnings, &f, append([]string{"preflight"}, gap.span()...)...)
	if got := strings.Join(bad(f), ", "); got != "warn games_without_rows, warn gamebook_games, warn bdl_games" ||
		f.Verdict != job.Warned {
		t.Errorf("a date without box scores: got %s: %s", f.Verdict, got)
	}
	gap.want(exitDone, append([]string{"preflight", "--allow-warnings"}, gap.span()...)...)
	gap.want(exitFailed, append([]string{"preflight", "--threshold", "preflight.games_without_rows=0,20"},
		gap.span()...)...)
	var runs []any
	gap.document(exitDone, &runs, "runs", "list")
	if len(runs) != 0 {
		t.Errorf("after preflight: got runs %v, want none", runs)
	}
}

// What fails is refused before the first write; going on all the same takes a reason, which stays with the run.
func TestPreflightRefuses(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 3})
	d.sql(nil, "DELETE FROM nba_players_registry")
	run := append([]string{"run"}, d.span()...)
	r := d.want(exitFailed, run...)
	contains(t, r.out, "registry_seasons", "2021-22: 0 rows")
	contains(t, r.errout, "nothing was written", "--skip-preflight")
	d.want(exitFailed, append([]string{"publish"}, d.span()...)...)
	var runs []any
	d.document(exitDone, &runs, "runs", "list")
	if len(runs) != 0 {
		t.Fatalf("after a refusal: got runs %v, want none", runs)
	}
	contains(t, d.want(exitUsage, append(run, "--skip-preflight")...).errout, "--skip-preflight overrides a safeguard")
	d.want(exitFailed, append(run, "--skip-preflight", "--reason", "names come later")...) // it begins, and its dates fail
	contains(t, d.want(exitDone, "status").out, "Pre-flight: skipped: names come later")
	contains(t, d.want(exitDone, "runs", "show").out, publisher.EventPreflightSkipped)
}

// A value in a column that nobody fills is counted before a run that would lose it.
func TestPreflightCountsUnownedValues(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	d.want(exitDone, append([]string{"run"}, d.span()...)...)
	day := d.league.GameDates[0].String()
	d.sql(nil, "UPDATE player_game_summary SET paint_attempts = 3 WHERE rowid = (SELECT min(rowid) FROM "+
		"player_game_summary WHERE game_date = ?)", day)
	contains(t, d.want(exitFailed, append([]string{"preflight"}, d.span()...)...).out, "unowned_columns",
		"1 values (paint_attempts 2021-22: 1)")
	d.want(exitDone, append([]string{"preflight", "--unowned", "carry"}, d.span()...)...)
	d.want(exitWarnings, append([]string{"preflight", "--unowned", "erase"}, d.span()...)...)
}

// Dates that the live pipeline may be writing are refused by every command that would write them, and by name in a
// pre-flight; the plan is the same, whatever the window.
func TestLiveDatesAreRefused(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 3})
	last := d.league.GameDates[2]
	window := []string{"--live-window", strconv.Itoa(gamedate.Of(time.Now()).Sub(last))} // the last date; tomorrow none
	if gamedate.Of(time.Now()).Sub(last) != gamedate.Of(time.Now().Add(time.Minute)).Sub(last) {
		t.Skip("midnight in New York is about to change the window")
	}
	with := func(command string, more ...string) []string { return d.spanOf(command, append(window, more...)...) }
	for _, command := range [][]string{with("publish"), with("run"), with("sample"), with("publish", "--dry-run"),
		with("run", "--dry-run")} {
		contains(t, d.want(exitUsage, command...).errout, "1 date to do lies within", last.String(),
			"--to "+last.AddDays(-1).String(), "--include-live")
	}
	r := d.want(exitUsage, with("plan")...)
	contains(t, r.out, "3 to do")
	contains(t, r.errout, last.String(), "--include-live")
	if strings.Contains(r.out, "Apply it") {
		t.Errorf("plan tells how to apply what is refused:\n%s", r.out)
	}
	contains(t, d.want(exitFailed, with("preflight")...).out, "fail", "no live dates", last.String())
	contains(t, d.want(exitUsage, d.spanOf("plan", "--live-window=-1")...).errout, "--live-window must not be negative")
	var runs []any
	d.document(exitDone, &runs, "runs", "list")
	if len(runs) != 0 {
		t.Fatalf("after refusals: got runs %v, want none", runs)
	}

	var refused, plain publisher.Plan
	d.document(exitUsage, &refused, with("plan")...)
	d.document(exitDone, &plain, d.spanOf("plan")...)
	if refused.Hash != plain.Hash || plain.Hash == "" {
		t.Errorf("got plans %s and %s, want one whatever the window", refused.Hash, plain.Hash)
	}
	contains(t, d.want(exitWarnings, with("preflight", "--include-live")...).out, "warn", "no live dates")
	contains(t, d.want(exitDone, with("publish", "--include-live")...).out, "3 dates queued")
	contains(t, d.want(exitDone, "status").out, "Live dates included: 1 date: "+last.String(),
		"Pre-flight: warn: 1 check: no live dates\n")
	contains(t, d.want(exitDone, "runs", "show").out, publisher.EventLiveIncluded)
}

// A dry run looks as the command would, says what it finds, ends as it would, and writes nothing.
func TestDryRunEndsAsTheCommandWould(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 3})
	r := d.want(exitDone, d.spanOf("publish", "--dry-run")...)
	contains(t, r.out, "3 to do", "registry_seasons", ": pass.", "Nothing was published (--dry-run).")
	contains(t, d.want(exitApproval, d.spanOf("publish", "--dry-run", "--sample-above", "2")...).errout,
		"publisher sample")
	d.want(exitDone, d.spanOf("run", "--dry-run", "--sample-above", "2")...) // it would do the sample by itself
	d.sql(nil, "DELETE FROM nba_players_registry")
	for _, command := range []string{"publish", "run"} {
		r := d.want(exitFailed, d.spanOf(command, "--dry-run")...)
		contains(t, r.out, "3 to do", "fail", "registry_seasons", "Nothing was published (--dry-run).")
		contains(t, r.errout, "nothing was written", "--skip-preflight")
		d.want(exitDone, d.spanOf(command, "--dry-run", "--skip-preflight", "--reason", "names come later")...)
	}
	var view struct {
		Hash      string              `json:"plan_hash"`
		Preflight publisher.Preflight `json:"preflight"`
	}
	d.document(exitFailed, &view, d.spanOf("publish", "--dry-run")...)
	if view.Hash == "" || view.Preflight.Verdict != job.Failed {
		t.Errorf("got %+v, want the plan and what failed", view)
	}
	var runs []any
	d.document(exitDone, &runs, "runs", "list")
	if len(runs) != 0 {
		t.Errorf("after dry runs: got runs %v, want none", runs)
	}
}

// thresholdOf returns one line of `publisher thresholds`.
func (d *desk) thresholdOf(name string, args ...string) string {
	d.t.Helper()
	var views []thresholdView
	d.document(exitDone, &views, append([]string{"thresholds"}, args...)...)
	for _, v := range views {
		if v.Name == name {
			return v.Warn + "," + v.Fail + " " + v.From
		}
	}
	d.t.Fatalf("no threshold %s in %v", name, views)
	return ""
}

// Flags beat the file, the file beats the defaults; a run keeps what it was opened with.
func TestThresholdsComeFromFileAndFlags(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	file := filepath.Join(t.TempDir(), "thresholds.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("range.rows_per_game_most:\n  warn: 23.5\nrange.unresolved: {warn: 1, fail: none}\n" +
		"range.usage_coverage: {fail: 60}\n")
	both := []string{"--thresholds", file, "--threshold", "range.unresolved=0.5,3"}
	for name, want := range map[string]string{
		"range.rows_per_game_most": "23.5,none " + file, "range.unresolved": "0.5,3 --threshold",
		"range.usage_coverage": "80,60 " + file,
		"date.player_points":   "80,none default",
	} {
		if got := d.thresholdOf(name, both...); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}

	var j publisher.Judgement // 24 rows a game
	d.document(exitWarnings, &j, append(append([]string{"run"}, d.span()...), both...)...)
	var warned []string
	for _, c := range j.Checks {
		if c.Verdict == job.Warned && c.Scope == "" {
			warned = append(warned, c.Name)
		}
	}
	if strings.Join(warned, " ") != "rows_per_game" || j.Thresholds["range.unresolved"].String() != "0.5,3" {
		t.Errorf("got warnings %v by %v, want rows_per_game alone", warned, j.Thresholds)
	}
	contains(t, d.want(exitDone, "status").out,
		"Thresholds changed: range.rows_per_game_most=23.5,none range.unresolved=0.5,3 range.usage_coverage=80,60")
	if got := d.thresholdOf("range.unresolved", "--run", j.Run); got != "0.5,3 run "+j.Run {
		t.Errorf("of the run: got %s", got)
	}
	d.want(exitWarnings, "validate") // by the run's own
	contains(t, d.want(exitUsage, "validate", "--threshold", "range.rows_per_game_most=48,none").errout, "stored with it")
	d.want(exitDone, append([]string{"validate"}, d.span()...)...) // by the defaults
	contains(t, d.want(exitDone, append([]string{"plan"}, d.span()...)...).out, "0 to do, 2 left")

	for text, want := range map[string]string{
		"range.unresolvd: {warn: 1}":                               `unknown threshold "range.unresolvd"; known are: date.active_minutes_null`,
		"range.unresolved: {worn: 1}":                              `range.unresolved: unknown field "worn"`,
		"range.unresolved: {warn: 3, fail: 2}":                     "below the warn bound",
		"range.unresolved: {warn: high}":                           `range.unresolved: "high": want a number such as 5`,
		"range.unresolved: {warn: 1}\nrange.unresolved: {warn: 2}": "already set",
		"range.unresolved:": "range.unresolved: want names of thresholds, " +
			"each with warn, fail or both",
		"range.unresolved: 5": "range.unresolved: want names of thresholds, " +
			"each with warn, fail or both",
		"[]": "yaml: want names of thresholds, " +
			"each with warn, fail or both", "a: [": "yaml: line 1:",
		"range.unresolved: {warn: 1}\n---\nrange.shots_known: {warn: 80}": "has 2 YAML documents",
	} {
		write(text)
		contains(t, d.want(exitUsage, "thresholds", "--thresholds", file).errout, want)
	}
	for _, text := range []string{"", "# none\n", "---\n# one\n---\nrange.unresolved: {warn: 1}\n"} {
		write(text)
		d.want(exitDone, "thresholds", "--thresholds", file)
	}
	r := d.want(exitUsage, "thresholds", "--threshold", "range.unresolved=1", "--threshold", "nonsense")
	contains(t, r.errout, "--threshold range.unresolved=1: \"1\": want WARN,FAIL", "--threshold nonsense")
	contains(t, d.want(exitUsage, "thresholds", "--thresholds", file+".not").errout, "no such file")
}
