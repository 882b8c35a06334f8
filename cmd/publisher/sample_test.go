package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/test/league"
)

// spanOf is a command over the league's whole range, with further flags.
func (d *desk) spanOf(command string, more ...string) []string {
	return append(append([]string{command}, d.span()...), more...)
}

func TestSampleThenPublish(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	r := d.want(exitApproval, d.spanOf("publish", "--sample-above", "11")...)
	contains(t, r.errout, "12 dates are to be done", "publisher sample", "--no-sample --reason")

	r = d.want(exitDone, d.spanOf("sample")...)
	contains(t, r.out, "2022-01-10", "minutes_played", "player_full_name",
		": pass; the rest of the range may be published.")
	contains(t, d.want(exitDone, "status").out, "awaiting_approval", "sample of 7 dates: pass", "approved by ")

	var published publisher.Result
	d.document(exitDone, &published, d.spanOf("publish", "--sample-above", "1")...)
	if !published.Joined || published.Queued != 5 {
		t.Errorf("publish after the sample: got %+v, want 5 dates that join its run", published)
	}
	contains(t, d.want(exitDone, d.spanOf("run")...).out, ": pass. ", "12 complete")
}

func TestRunSamplesByItself(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	r := d.want(exitDone, d.spanOf("run", "--sample-above", "11")...)
	contains(t, r.out, "Sample of 7 dates, 2022-01-04 to 2022-01-16: pass", "12 complete")
	if r = d.want(exitDone, d.spanOf("run", "--sample-above", "1", "--force")...); strings.Contains(r.out, "Sample of") {
		t.Errorf("second run: got another sample, want the first to hold:\n%s", r.out)
	}
	var j publisher.Judgement
	d.document(exitDone, &j, "validate")
	if j.Verdict != job.Pass {
		t.Errorf("got %s, want pass", j.Verdict)
	}
}

// Two that run the same range at once do its sample together, and both go on when one of them has judged it.
func TestRunsAtOnce(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	var both sync.WaitGroup
	var results [2]result
	for i := range results {
		both.Go(func() { results[i] = d.do(d.spanOf("run", "--sample-above", "1")...) })
	}
	both.Wait()
	for _, r := range results {
		if r.code != exitDone {
			t.Errorf("got exit code %d, want 0\n%s%s", r.code, r.out, r.errout)
		}
	}
}

func TestFailedSample(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{NoBoxScores: []int{6}})
	dead := d.league.Dead[0].String()
	// the second does the dead date again
	for _, args := range [][]string{d.spanOf("run", "--sample-above", "5"), d.spanOf("sample")} {
		r := d.want(exitApproval, args...)
		contains(t, r.out, "dead "+dead+": source_empty", ": fail; the rest of the range waits")
		contains(t, r.errout, "publisher approve --reason")
	}
	var s publisher.SampleResult
	d.document(exitApproval, &s, d.spanOf("sample")...)
	if s.Approved || s.Verdict != job.Failed || len(s.Dates) != 7 || s.State != ledger.RunAwaitingApproval {
		t.Errorf("got %s, approved %v, %d dates, run %s; want fail, false, 7, awaiting_approval", s.Verdict, s.Approved,
			len(s.Dates), s.State)
	}
	contains(t, d.want(exitApproval, d.spanOf("publish")...).errout, "a sample that failed")
	d.want(exitUsage, "approve", "--reason", " ")
	contains(t, d.want(exitDone, "approve", "--reason", "known gap", "--dry-run").out, "Would approve")
	contains(t, d.want(exitDone, "approve", "--reason", "known gap").out, "awaiting_approval", "It is approved")
	contains(t, d.want(exitDone, "status").out, "sample of 7 dates: fail", "known gap")
	contains(t, d.want(exitDone, "runs", "show").out, "approved  known gap")
	contains(t, d.want(exitFailed, d.spanOf("run")...).out, "11 complete", "1 dead")
}

// The rows that a dead date kept from an earlier run say nothing of the sample.
func TestSampleHidesRowsOfDeadDates(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	d.want(exitDone, d.spanOf("run")...)
	dead, done := d.league.GameDates[0].String(), d.league.GameDates[1].String()
	for _, name := range []string{"nbac_gamebook_player_stats", "bdl_player_boxscores"} {
		d.sql(nil, "DELETE FROM "+name+" WHERE game_date = ?", dead)
	}
	var s publisher.SampleResult
	d.document(exitApproval, &s, d.spanOf("sample", "--force", "--dates", dead+","+done)...)
	if len(s.DeadDates) != 1 || len(s.Spots) != 1 || s.Spots[0].Date.String() != done {
		t.Errorf("got %d dead dates and spot checks %+v, want one dead date and the spot check of %s alone",
			len(s.DeadDates), s.Spots, done)
	}
}

// What a command says of the run that dates join is the run's state.
func TestJoinedRunState(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	d.want(exitDone, d.spanOf("sample", "--detach")...)
	contains(t, d.want(exitDone, d.spanOf("plan")...).out, "is canary; the dates join it.")
	d.want(exitDone, "pause", "--reason", "lunch")
	contains(t, d.want(exitDone, d.spanOf("plan")...).out, "is paused; the dates join it once it is resumed.")
	contains(t, d.want(exitDone, "resume", "--reason", "back").out, "is to be started again")
}

func TestNoSample(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	contains(t, d.want(exitUsage, d.spanOf("publish", "--no-sample")...).errout, "say why with --reason")
	d.want(exitUsage, d.spanOf("publish", "--sample-above", "-1")...)
	d.want(exitDone, d.spanOf("publish", "--sample-above", "1", "--no-sample", "--reason", "seen on the twin")...)
	contains(t, d.want(exitDone, "status").out, "without one", "seen on the twin")
}

func TestDetachedSample(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	contains(t, d.want(exitDone, d.spanOf("sample", "--detach", "--dates", d.league.GameDates[2].String())...).out,
		"1 date of the sample queued")
	contains(t, d.want(exitDone, "status").out, "canary", "under way")
	contains(t, d.want(exitApproval, d.spanOf("publish")...).errout, "under way")
	contains(t, d.want(exitDone, d.spanOf("sample", "--dates", d.league.GameDates[2].String())...).out,
		"Sample of 1 date,")
}

// A plan that publish would refuse for want of a sample says so: the sample makes its hash void.
func TestPlanAsksForSample(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: defaultSampleAbove + 1})
	contains(t, d.want(exitDone, d.spanOf("plan")...).out, "First `publisher sample`",
		"Apply it without a sample: publisher publish", "--no-sample --reason")
	d.want(exitDone, d.spanOf("sample")...)
	contains(t, d.want(exitDone, d.spanOf("plan")...).out, "Apply it: publisher publish")
}

func TestPlanHash(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	file := filepath.Join(t.TempDir(), "plan.json")
	text := d.want(exitDone, d.spanOf("plan", "--json")...).out
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := d.want(exitDone, d.spanOf("plan")...).out
	contains(t, out, "No cost: one file; at most 12 partitions are written.", "no measurement yet",
		"Apply it: publisher publish --from 2022-01-03")
	_, hash, _ := strings.Cut(out, "--plan ")
	hash = strings.TrimSpace(hash)

	d.want(exitUsage, d.spanOf("publish", "--plan", "no-such-file")...)
	d.want(exitUsage, d.spanOf("publish", "--plan", d.league.Schedule)...)
	r := d.want(exitError, d.spanOf("publish", "--plan", "0123456789ab")...)
	contains(t, r.errout, "nothing was published", "now: 2 no_games, 12 queue")
	contains(t, d.want(exitDone, d.spanOf("publish", "--dry-run", "--plan", hash)...).out, "No cost: one file",
		"Nothing was published")
	d.want(exitDone, d.spanOf("run", "--plan", hash)...)
	contains(t, d.want(exitDone, d.spanOf("plan", "--force")...).out, "dates a minute of run r")

	day := d.league.GameDates[3].String()
	d.sql(nil, `UPDATE nbac_gamebook_player_stats SET points = points WHERE game_date = ?`, day) // a token moves with any write
	r = d.want(exitError, d.spanOf("publish", "--plan", file)...)
	contains(t, r.errout, "nothing was published", "then and now: was 2 no_games, 12 queue, is ",
		"2022-01-03: was queue (new), is left", day+": was queue (new), is queue (changed)", "and ")
	if now := d.want(exitDone, d.spanOf("plan")...); !strings.Contains(now.out, "1 to do") {
		t.Errorf("plan after the refusals: got\n%s\nwant 1 date to do", now.out)
	}
}

// What export writes is golden until a value is another; a file that cannot be golden is refused before anything is
// done.
func TestGoldenFile(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{})
	last := d.league.GameDates[len(d.league.GameDates)-1].String()
	d.want(exitDone, "run", "--dates", last)
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, format := range []string{"csv", "ndjson"} {
		golden := write(format, d.want(exitDone, "export", "--from", last, "--to", last, "--format", format).out)
		r := d.want(exitDone, d.spanOf("sample", "--force", "--golden", golden)...)
		contains(t, r.out, "golden rows", ": pass; the rest of the range may be published.", last)
		d.want(exitDone, "cancel", "--reason", "the next format")
	}
	header, row, _ := strings.Cut(d.want(exitDone, "export", "--from", last, "--to", last).out, "\n")
	fields, names := strings.Split(strings.SplitN(row, "\n", 2)[0], ","), strings.Split(header, ",")
	var known, values []string
	for i, name := range names {
		switch name {
		case "game_date", "game_id", "player_lookup", "team_abbr":
			known, values = append(known, name), append(values, fields[i])
		case "season_year":
			known, values = append(known, name), append(values, "1999")
		}
	}
	golden := write("wrong.csv", strings.Join(known, ",")+"\n"+strings.Join(values, ",")+"\n")
	r := d.want(exitApproval, d.spanOf("sample", "--force", "--golden", golden)...)
	contains(t, r.out, "fail: golden rows: line 2, "+last, "season_year is 2021, want 1999")
	contains(t, d.want(exitDone, "status").out, "fail golden rows: 0 of 1 row")
	for _, args := range [][]string{
		d.spanOf("sample"), d.spanOf("sample", "--detach"), d.spanOf("run"), d.spanOf("run", "--dry-run"),
		d.spanOf("publish"), d.spanOf("publish", "--dry-run"),
	} { // nobody gets past the rows by leaving them out
		contains(t, d.want(exitApproval, args...).errout, "publisher approve --reason")
	}
	contains(t, d.want(exitApproval, d.spanOf("run")...).errout, "lacks golden rows", "with --golden")

	for text, want := range map[string]string{
		"game_date,game_id,player_lookup,team_abbr,points_scored\n": `no column "points_scored"`,
		"game_date,game_id,player_lookup\n":                         "column team_abbr is missing",
		"game_date,game_id,player_lookup,team_abbr\n1999-01-01,x,y,z\n": "golden row of line 2 is of 1999-01-01, " +
			"outside the range",
	} {
		contains(t, d.want(exitUsage, d.spanOf("sample", "--golden", write("bad.csv", text))...).errout, want)
	}
	contains(t, d.want(exitUsage, d.spanOf("sample", "--golden", filepath.Join(dir, "none"))...).errout, "no such file")
}
