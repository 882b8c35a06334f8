package summary

import (
	"strings"
	"testing"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"

	"github.com/google/go-cmp/cmp"
)

// Counts on and beside every limit of the run-wide gates.
func TestGateLimits(t *testing.T) {
	t.Parallel()
	by := func(name string) job.Threshold { return defaultThresholds["range."+name] }
	tests := []struct {
		name  string
		check job.Check
		want  job.Verdict
	}{
		{"just under 1%", judgeActiveMinutes(by("active_minutes_null"), 99, 10_000, 1), job.Pass},
		{"exactly 1%", judgeActiveMinutes(by("active_minutes_null"), 100, 10_000, 1), job.Pass},
		{"just over 1%", judgeActiveMinutes(by("active_minutes_null"), 101, 10_000, 1), job.Warned},
		{"rounds to 1.00%", judgeActiveMinutes(by("active_minutes_null"), 10_004, 1_000_000, 1), job.Warned},
		{"exactly 5%", judgeActiveMinutes(by("active_minutes_null"), 500, 10_000, 1), job.Warned},
		{"rounds to 5.00%", judgeActiveMinutes(by("active_minutes_null"), 50_004, 1_000_000, 1), job.Failed},
		{"nearly all", judgeActiveMinutes(by("active_minutes_null"), 9950, 10_000, 1), job.Failed},
		{"no rows although games were scheduled", judgeActiveMinutes(by("active_minutes_null"), 0, 0, 1), job.Failed},
		{"no rows and no games", judgeActiveMinutes(by("active_minutes_null"), 0, 0, 0), job.Pass},
		{"all idle rows without minutes", judgeIdleMinutes(500, 500), job.Pass},
		{"one idle row with minutes", judgeIdleMinutes(499, 500), job.Failed},
		{"2% fewer", judgeActiveCount(by("active_row_count"), 81_864, 83_534), job.Pass},
		{"over 2% fewer", judgeActiveCount(by("active_row_count"), 81_863, 83_534), job.Warned},
		{"2% more", judgeActiveCount(by("active_row_count"), 85_204, 83_534), job.Pass},
		{"over 2% more", judgeActiveCount(by("active_row_count"), 85_205, 83_534), job.Warned},
		{"5% fewer", judgeActiveCount(by("active_row_count"), 79_358, 83_534), job.Warned},
		{"over 5% fewer", judgeActiveCount(by("active_row_count"), 79_357, 83_534), job.Failed},
		{"5% more", judgeActiveCount(by("active_row_count"), 87_710, 83_534), job.Warned},
		{"over 5% more", judgeActiveCount(by("active_row_count"), 87_711, 83_534), job.Failed},
		{"no baseline", judgeActiveCount(by("active_row_count"), 5, 0), job.Shown},
		{"no duplicate", judgeDuplicates(0), job.Pass},
		{"one duplicate", judgeDuplicates(1), job.Failed},
		{"all games", judgeGames(9, 9), job.Pass},
		{"a game short", judgeGames(8, 9), job.Failed},
		{"a game too many", judgeGames(10, 9), job.Warned},
		{"20 rows a game", judgeRowsPerGame(by("rows_per_game_least"), by("rows_per_game_most"), 200, 10), job.Pass},
		{"under 20 rows a game", judgeRowsPerGame(by("rows_per_game_least"), by("rows_per_game_most"), 199, 10), job.Warned},
		{"48 rows a game", judgeRowsPerGame(by("rows_per_game_least"), by("rows_per_game_most"), 480, 10), job.Pass},
		{"over 48 rows a game", judgeRowsPerGame(by("rows_per_game_least"), by("rows_per_game_most"), 481, 10), job.Warned},
		{"rows without games", judgeRowsPerGame(by("rows_per_game_least"), by("rows_per_game_most"), 5, 0), job.Pass},
		{"2% unresolved", judgeUnresolved(by("unresolved"), 2, 100), job.Pass},
		{"over 2% unresolved", judgeUnresolved(by("unresolved"), 201, 10_000), job.Warned},
		{"80% usage", judgeUsage(by("usage_coverage"), 80, 100), job.Pass},
		{"under 80% usage", judgeUsage(by("usage_coverage"), 7999, 10_000), job.Warned},
		{"50% usage", judgeUsage(by("usage_coverage"), 50, 100), job.Warned},
		{"under 50% usage", judgeUsage(by("usage_coverage"), 4999, 10_000), job.Failed},
		{"90% of the shots", judgeShots(by("shots_known"), 90, 100), job.Pass},
		{"under 90% of the shots", judgeShots(by("shots_known"), 8999, 10_000), job.Warned},
		{"85% of the threes", judgeThrees(by("threes_known"), 85, 100), job.Pass},
		{"under 85% of the threes", judgeThrees(by("threes_known"), 8499, 10_000), job.Warned},
		{"1% of the games disagree", judgeAgreement(by("source_disagreement"), 1, 100), job.Pass},
		{"over 1% of the games disagree", judgeAgreement(by("source_disagreement"), 101, 10_000), job.Warned},
		{"10% of the games disagree", judgeAgreement(by("source_disagreement"), 10, 100), job.Warned},
		{"over 10% of the games disagree", judgeAgreement(by("source_disagreement"), 1001, 10_000), job.Failed},
		{"no gap", judgeGaps(nil, 9), job.Pass},
		{"a gap", judgeGaps([]gamedate.Date{gamedate.MustParse("2022-01-15")}, 9), job.Failed},
		{"complete teams", judgeIncomplete(by("incomplete_team_games"), 0), job.Pass},
		{"an incomplete team", judgeIncomplete(by("incomplete_team_games"), 1), job.Warned},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.check.Verdict != tt.want {
				t.Errorf("%+v, want %s", tt.check, tt.want)
			}
			if bad := tt.want == job.Warned || tt.want == job.Failed; bad && tt.check.Advice == "" {
				t.Errorf("%+v says nothing about what to do", tt.check)
			}
		})
	}
}

// gateInput is two seasons of one good date each.
func gateInput() job.GateInput {
	first, second := gamedate.MustParse("2022-01-15"), gamedate.MustParse("2022-12-01")
	in := job.GateInput{
		Range:    gamedate.Range{From: gamedate.MustParse("2021-10-01"), To: gamedate.MustParse("2023-06-30")},
		Expected: map[gamedate.Date]job.Expectation{first: {Units: 2}, second: {Units: 1}},
		Facts:    map[gamedate.Date]job.Counts{},
		Baseline: 60, Thresholds: job.Defaults(thresholds),
	}
	for d, games := range map[gamedate.Date]int64{first: 2, second: 1} {
		in.Facts[d] = job.Counts{Counts: map[string]int64{CountGames: games}}
		in.Groups = append(in.Groups,
			job.GroupCount{Date: d, Keys: []string{boxscore.Active}, Rows: 20 * games, Nulls: []int64{0, 0, 0, 0, 0, 0}, Distinct: 20 * games},
			job.GroupCount{Date: d, Keys: []string{boxscore.DNP}, Rows: 8 * games, Nulls: []int64{8 * games, 8 * games, 0, 8 * games, 8 * games, 8 * games}, Distinct: 8 * games},
		)
	}
	return in
}

// verdictOf finds one check; it must be there once.
func verdictOf(t *testing.T, checks []job.Check, scope, name string) job.Check {
	t.Helper()
	var found []job.Check
	for _, c := range checks {
		if c.Scope == scope && c.Name == name {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d checks %s %q, want 1", len(found), name, scope)
	}
	return found[0]
}

func TestJudgeRun(t *testing.T) {
	t.Parallel()
	judge := Job().Gates.Judge
	checks := judge(gateInput())
	for _, c := range checks {
		if c.Verdict != job.Pass && c.Verdict != job.Shown {
			t.Errorf("a good run: %+v", c)
		}
	}
	if got := verdictOf(t, checks, "", "minutes_null"); got.Verdict != job.Shown || !strings.HasPrefix(got.Seen, "24 of 84 ") {
		t.Errorf("overall share %+v, want it shown only", got)
	}
	if diff := cmp.Diff(checks, judge(gateInput())); diff != "" {
		t.Errorf("two judgements differ:\n%s", diff)
	}

	tests := []struct {
		name, scope, check string
		change             func(in *job.GateInput)
		want               job.Verdict
	}{
		{"a doubled key", "", "duplicate_keys", func(in *job.GateInput) { in.Groups[0].Distinct-- }, job.Failed},
		{"a reported namesake", "", "duplicate_keys", func(in *job.GateInput) {
			in.Groups[0].Distinct--
			in.Facts[in.Groups[0].Date].Counts[CountNamesakes] = 1
		}, job.Pass},
		{"namesakes of whom one did not play", "", "duplicate_keys", func(in *job.GateInput) {
			in.Facts[in.Groups[0].Date].Counts[CountNamesakes] = 1
		}, job.Pass},
		{"minutes on an idle row", "", "did_not_play_minutes_null", func(in *job.GateInput) { in.Groups[1].Nulls[nullMinutes]-- }, job.Failed},
		{"a season without rows", "", "seasons_present", func(in *job.GateInput) { dropDate(in, "2022-12-01") }, job.Failed},
		{"the same season by itself", "2022-23", "active_minutes_null", func(in *job.GateInput) { dropDate(in, "2022-12-01") }, job.Failed},
		{"the other season", "2021-22", "active_minutes_null", func(in *job.GateInput) { dropDate(in, "2022-12-01") }, job.Pass},
		{"a season without games", "", "seasons_present", func(in *job.GateInput) {
			dropDate(in, "2022-12-01")
			delete(in.Expected, gamedate.MustParse("2022-12-01"))
		}, job.Pass},
		{"a date without facts", "2022-23", "games", func(in *job.GateInput) { delete(in.Facts, gamedate.MustParse("2022-12-01")) }, job.Failed},
		{"a date without rows", "", "gaps", func(in *job.GateInput) { dropDate(in, "2022-12-01") }, job.Failed},
		{"a date without rows whose last game is under way", "", "gaps", func(in *job.GateInput) {
			dropDate(in, "2022-12-01")
			in.Expected[gamedate.MustParse("2022-12-01")] = job.Expectation{Units: 1, NotFinal: 1}
		}, job.Pass},
		{"free throws unknown", "2021-22", "shots_known", func(in *job.GateInput) { in.Groups[0].Nulls[nullFreeThrows] = 5 }, job.Warned},
		{"threes unknown", "2021-22", "threes_known", func(in *job.GateInput) { in.Groups[0].Nulls[nullThrees] = 7 }, job.Warned},
		{"threes of idle rows", "2021-22", "threes_known", func(in *job.GateInput) { in.Groups[1].Nulls[nullThrees] = 0 }, job.Pass},
		{"a game whose sources disagree", "2021-22", "source_disagreement", func(in *job.GateInput) {
			in.Facts[gamedate.MustParse("2022-01-15")].Counts[CountDisagreement] = 1
		}, job.Failed},
		{"a date outside the range", "", "active_row_count", func(in *job.GateInput) {
			in.Groups = append(in.Groups, job.GroupCount{Date: gamedate.MustParse("2024-01-01"), Keys: []string{boxscore.Active},
				Rows: 500, Nulls: []int64{0, 0, 0, 0, 0, 0}, Distinct: 500})
		}, job.Pass},
		{"a baseline far off", "", "active_row_count", func(in *job.GateInput) { in.Baseline = 100 }, job.Failed},
		{"no usage", "", "usage_coverage", func(in *job.GateInput) {
			for i := range in.Groups {
				in.Groups[i].Nulls[nullUsage] = in.Groups[i].Rows
			}
		}, job.Failed},
		{"nobody resolved", "", "unresolved", func(in *job.GateInput) { in.Groups[0].Nulls[nullID] = in.Groups[0].Rows }, job.Warned},
		{"an incomplete team", "", "incomplete_team_games", func(in *job.GateInput) {
			in.Facts[in.Groups[0].Date].Counts[CountIncompleteTeams] = 1
		}, job.Warned},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := gateInput()
			tt.change(&in)
			if got := verdictOf(t, judge(in), tt.scope, tt.check); got.Verdict != tt.want {
				t.Errorf("%+v, want %s", got, tt.want)
			}
		})
	}
}

// dropDate removes the counted rows and facts of a date; the schedule still promises it.
func dropDate(in *job.GateInput, date string) {
	d := gamedate.MustParse(date)
	var kept []job.GroupCount
	for _, g := range in.Groups {
		if g.Date != d {
			kept = append(kept, g)
		}
	}
	in.Groups = kept
	delete(in.Facts, d)
}
