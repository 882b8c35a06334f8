package main

import (
	"fmt"
	"testing"

	"gamefill/internal/job"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/test/league"
)

// The story of a date says what it was judged by and what each rule said, and leads on.
func TestExplainTellsTheJudgement(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 1})
	d.want(exitDone, append([]string{"run", "--threshold", "date.unresolved_share=0.5,3"}, d.span()...)...)
	date := d.league.GameDates[0].String()
	rules := len(summary.Job().Rules)

	out := d.want(exitDone, "explain", date).out
	contains(t, out, "of which the run has changed date.unresolved_share 0.5,3, not 2,none",
		fmt.Sprintf("%d rules passed", rules), "publisher diff --dates "+date, "publisher report --run "+d.newestRun())

	var s publisher.Story
	d.document(exitDone, &s, "explain", date)
	if got, want := s.Thresholds["date.unresolved_share"].String(), "0.5,3"; got != want {
		t.Errorf("threshold: got %s, want %s", got, want)
	}
	if len(s.Acceptance) != rules {
		t.Errorf("acceptance: got %d results, want one for each of %d rules", len(s.Acceptance), rules)
	}
	if s.Write.Run != s.Run || s.Write.Fingerprint != s.Facts.Fingerprint {
		t.Errorf("write: got %+v, want that of run %s with fingerprint %s", s.Write, s.Run, s.Facts.Fingerprint)
	}
	d.want(exitDone, append([]string{"run", "--force"}, d.span()...)...)
	contains(t, d.want(exitDone, "explain", date).out,
		fmt.Sprintf("the %d defaults", len(job.Defaults(summary.Job().Thresholds))))
}

// A value that a row was kept without is not a rejected row.
func TestExplainTellsRejectedRowsFromValuesLeftOut(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 1})
	date := d.league.GameDates[0].String()
	d.sql(nil, "UPDATE bdl_player_boxscores SET points = points + 10 WHERE game_date = ?", date)
	d.want(exitFailed, append([]string{"run"}, d.span()...)...)
	contains(t, d.want(exitDone, "explain", date).out, "left out     bdl_player_boxscores: source_difference")
}
