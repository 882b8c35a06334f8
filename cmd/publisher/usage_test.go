package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gamefill/test/league"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	whole := "--from 2022-01-10 --to 2022-01-16"
	tests := []struct {
		name, args string
		want       []string // all of them on standard error
	}{
		{"unknown command", "bogus", []string{"unexpected argument bogus", "Run `publisher --help`"}},
		{"unknown flag", "plan --bogus", []string{"unknown flag --bogus", "Run `publisher plan --help`"}},
		{"unknown flag of a nested command", "runs show --bogus", []string{"Run `publisher runs show --help`"}},
		{"flag without value", "plan --from", []string{"--from"}},
		{"no range", "plan", []string{"--from and --to, --season or --dates"}},
		{"half a range", "publish --to 2022-01-15", []string{"--from is missing"}},
		{"reversed", "publish --from 2022-01-16 --to 2022-01-15", []string{"--to 2022-01-15 is before --from 2022-01-16"}},
		{"30 February", "publish --from 2022-02-30 --to 2022-03-01", []string{`--from: date "2022-02-30": no such date`}},
		{"29 February of a common year", "run --dates 2022-02-28,2022-02-29", []string{`date "2022-02-29": no such date`}},
		{"no such month", "plan --from 2021-13-01 --to 2021-12-01", []string{"no such month"}},
		{"other order of day and month", "plan --from 01/15/2022 --to 01/16/2022", []string{"YYYY-MM-DD"}},
		{"no hyphens", "plan --from 20220115 --to 20220116", []string{"YYYY-MM-DD"}},
		{"an instant", "plan --from 2022-01-15T00:00:00Z --to 2022-01-16", []string{"without a time of day"}},
		{"season of two years", "plan --season 2021-23", []string{"--season", "2021-22"}},
		{"season and range", "plan --season 2021-22 --from 2021-10-01", []string{"exclude each other"}},
		{"date outside its range", "plan " + whole + " --dates 2022-02-01", []string{"date 2022-02-01 lies outside"}},
		{"unknown rule", "publish --reason x --accept nope " + whole, []string{`unknown acceptance rule "nope"`, "match_rate"}},
		{"override without a reason", "run --accept match_rate " + whole, []string{"say why with --reason"}},
		{"settings are no object", "plan --job-settings 5 " + whole, []string{"--job-settings is not a JSON object"}},
		{"unknown setting", `plan --job-settings {"x":1} ` + whole, []string{`unknown field "x"`}},
		{"unknown choice", "plan --unowned keep " + whole, []string{"--unowned", "refuse", "carry", "erase"}},
		{"unknown scheme", "status --ledger kafka:x", []string{"--ledger", "unknown scheme", "sqlite:FILE"}},
		{"no scheme", "status --queue desk.db", []string{"--queue", "unknown scheme"}},
		{"unknown parameter", "status --warehouse sqlite:x.db?mode=ro", []string{`unknown parameter "mode"`}},
		{"no file", "status --warehouse sqlite:", []string{"the file is missing"}},
		{"no dates at once", "run --concurrency 0 " + whole, []string{"--concurrency must be at least 1"}},
		{"no concurrency and less than no rows", "run --concurrency 0 --baseline-active=-1 " + whole,
			[]string{"--concurrency", "--baseline-active"}},
		{"less than no rows", "validate --baseline-active=-1", []string{"--baseline-active must not be negative"}},
		{"restless watch", "status --watch --every 0s", []string{"--every must be at least 1s"}},
		{"less than no runs", "runs --limit=-1", []string{"--limit must not be negative"}},
		{"pause without a reason", "pause", []string{"--reason"}},
		{"validate a run and a range", "validate --run r1 " + whole, []string{"--run and a range exclude each other"}},
		{"validate single dates", "validate --dates 2022-01-10,2022-01-16", []string{"validate judges whole ranges"}},
		{"export single dates", "export --dates 2022-01-10,2022-01-16", []string{"export writes whole ranges"}},
		{"unknown table", "export --table nope " + whole, []string{`unknown table "nope"`, "player_game_summary", "nbac_schedule"}},
		{"unknown export format", "export --format xml " + whole, []string{"csv", "ndjson", "parquet"}},
		{"export of rows and a report in one stream", "export --json " + whole, []string{"name it with -o"}},
		{"import of nothing", "import", []string{"<files>"}},
		{"import of missing files", "import a.csv b.csv", []string{"a.csv", "b.csv", "no such file"}},
		{"import over somebody's raw tables",
			"import --warehouse bigquery://p?raw=p.r&analytics=p.a&reference=p.f&location=US usage_test.go",
			[]string{"import fills the raw tables of a SQLite file", "--warehouse sqlite:FILE"}},
		{"unknown import format", "import --format xml a.csv", []string{"a.csv", `--format "xml"`, "nba-schedule"}},
		{"several problems", "publish --from 2022-02-30 --to x --accept nope",
			[]string{"--from: ", "--to: ", "nope", "--reason"}},
		{"several addresses", "plan --queue a:b --ledger c:d --warehouse e:f " + whole,
			[]string{"--queue", "--ledger", "--warehouse"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := strings.Fields(tt.args)
			for _, port := range []string{"--queue", "--ledger", "--warehouse"} {
				if !strings.Contains(tt.args, port) {
					args = append(args, port, "sqlite:"+filepath.Join(dir, "none.db"))
				}
			}
			r := cli(t.Context(), args...)
			if r.code != exitUsage {
				t.Errorf("got exit code %d, want %d", r.code, exitUsage)
			}
			if r.out != "" {
				t.Errorf("got %q on standard output, want nothing", r.out)
			}
			contains(t, r.errout, tt.want...)
			for line := range strings.Lines(r.errout) {
				if !strings.HasPrefix(line, "publisher: ") && !strings.HasPrefix(line, "Run `") {
					t.Errorf("line %q does not say who complains", line)
				}
			}
			if files, _ := os.ReadDir(dir); len(files) > 0 {
				t.Errorf("got file %s, want none made", files[0].Name())
			}
		})
	}
}

// Commands that look, and those that work on loaded tables, say that the database is missing and make none.
func TestMissingDatabase(t *testing.T) {
	t.Parallel()
	whole := " --from 2022-01-10 --to 2022-01-16"
	for _, args := range []string{
		"plan" + whole, "publish" + whole, "publish --dry-run" + whole, "run" + whole, "runs", "runs show",
		"status", "validate", "pause --reason x", "resume --reason x", "cancel --reason x", "export" + whole,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := &desk{t: t, db: filepath.Join(dir, "none.db")}
			r := d.want(exitError, strings.Fields(args)...)
			contains(t, r.errout, d.db, "no such file", "check the path")
			if files, _ := os.ReadDir(dir); len(files) > 0 {
				t.Errorf("got file %s, want none made", files[0].Name())
			}
		})
	}
}

// A loaded warehouse is enough for a run: queue and ledger may be files that do not exist yet.
func TestLedgerOfItsOwn(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	other := "sqlite:" + filepath.Join(t.TempDir(), "ledger.db")
	args := append([]string{"run", "--queue", other, "--ledger", other, "--warehouse", "sqlite:" + d.db}, d.span()...)
	if r := cli(t.Context(), args...); r.code != exitDone {
		t.Fatalf("got exit code %d\n%s%s", r.code, r.out, r.errout)
	}
	args = append([]string{"plan", "--warehouse", "sqlite:" + d.db, "--ledger", other, "--queue", other}, d.span()...)
	contains(t, cli(t.Context(), args...).out, "0 to do, 2 left as they are")
}

func TestCancelledContext(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		append([]string{"plan"}, d.span()...), append([]string{"publish"}, d.span()...), append([]string{"run"}, d.span()...),
		{"status"}, {"validate"}, d.importArgs(),
	} {
		r := cli(ctx, append(args, d.addresses()...)...)
		if r.code != exitInterrupted {
			t.Errorf("%s: got exit code %d, want %d: %s", args[0], r.code, exitInterrupted, r.errout)
		}
		contains(t, r.errout, "interrupted", "the same command goes on")
	}
	var runs []runView
	d.document(exitDone, &runs, "runs")
	if len(runs) != 0 {
		t.Errorf("got %d runs, want none", len(runs))
	}
}

// Environment variables stand in for flags, and flags win.
func TestEnvironment(t *testing.T) {
	d := loaded(t, league.Options{Dates: 2})
	for _, port := range []string{"QUEUE", "LEDGER", "WAREHOUSE"} {
		t.Setenv("GAMEFILL_"+port, "sqlite:"+d.db)
	}
	t.Setenv("GAMEFILL_FROM", d.league.Range.From.String())
	t.Setenv("GAMEFILL_TO", d.league.Range.To.String())
	r := cli(t.Context(), "plan")
	if r.code != exitDone {
		t.Fatalf("got exit code %d: %s", r.code, r.errout)
	}
	contains(t, r.out, d.league.Range.String()+", 2 dates: 2 to do")

	contains(t, cli(t.Context(), "plan", "--to", d.league.Range.From.String()).out, "1 date: 1 to do")

	t.Setenv("GAMEFILL_LEDGER", "kafka:x")
	if r := cli(t.Context(), "plan"); r.code != exitUsage || !strings.Contains(r.errout, "unknown scheme") {
		t.Errorf("got exit code %d and %q, want the bad address refused", r.code, r.errout)
	}
	if r := cli(t.Context(), "plan", "--ledger", "sqlite:"+d.db); r.code != exitDone {
		t.Errorf("flag over a bad variable: got exit code %d: %s", r.code, r.errout)
	}
}

// Every format that --format names is taken.
func TestImportFormats(t *testing.T) {
	t.Parallel()
	list := cli(t.Context(), "import", "--format", "nothing", "usage_test.go").errout
	_, list, _ = strings.Cut(list, "want one of ")
	names := strings.Split(strings.TrimSpace(strings.SplitN(list, "\n", 2)[0]), ", ")
	if len(names) < 11 {
		t.Fatalf("got formats %v, want all eleven", names)
	}
	for _, name := range names {
		r := cli(t.Context(), "import", "--dry-run", "--format", name, "usage_test.go")
		if r.code != exitError || strings.Contains(r.errout, "want one of") {
			t.Errorf("%s: got exit code %d: %s, want the file refused and not the format", name, r.code, r.errout)
		}
	}
}
