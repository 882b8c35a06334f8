package summary

import (
	"strings"
	"testing"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"

	"github.com/google/go-cmp/cmp"
)

// TestFieldThresholds has the cases from the field, and what a check says besides its bounds, which TestThresholdEdges
// walks.
func TestFieldThresholds(t *testing.T) {
	t.Parallel()
	by := func(name string) job.Threshold { return defaultThresholds["range."+name] }
	minutes := func(nulls, rows, games int64) job.Check {
		return judgeActiveMinutes(by("active_minutes_null"), nulls, rows, games)
	}
	count := func(actual int64) job.Check { return judgeActiveCount(by("active_row_count"), actual, 83_534) }
	overall := (&runTotals{rows: 130_000, minutesNull: 52_000}).checks("", defaultThresholds)
	tests := []struct {
		name  string
		check job.Check
		want  job.Verdict
	}{
		{"t01", minutes(99, 10_000, 500), job.Pass},
		{"t02: exactly 1%", minutes(100, 10_000, 500), job.Pass},
		{"t03", minutes(101, 10_000, 500), job.Warned},
		{"t04: rounds to 1.00%", minutes(10_004, 1_000_000, 500), job.Warned},
		{"t05: exactly 5%", minutes(500, 10_000, 500), job.Warned},
		{"t06: rounds to 5.00%", minutes(50_004, 1_000_000, 500), job.Failed},
		{"t07", minutes(9950, 10_000, 500), job.Failed},
		{"t08", judgeIdleMinutes(500, 500), job.Pass},
		{"t09", judgeIdleMinutes(499, 500), job.Failed},
		{"t10", count(81_864), job.Pass},
		{"t11", count(81_863), job.Warned},
		{"t12", count(85_204), job.Pass},
		{"t13", count(85_205), job.Warned},
		{"t14", count(79_358), job.Warned},
		{"t15", count(79_357), job.Failed},
		{"t16", count(87_710), job.Warned},
		{"t17", count(87_711), job.Failed},
		{"t18", judgeDuplicates(0), job.Pass},
		{"t19", judgeDuplicates(1), job.Failed},
		{"t20: rows that did not play", verdictOf(t, overall, "", "minutes_null"), job.Shown},
		{"t21: no rows, games were scheduled", minutes(0, 0, 1), job.Failed},
		{"t22: no rows, no games", minutes(0, 0, 0), job.Pass},
		{"no baseline", judgeActiveCount(by("active_row_count"), 5, 0), job.Shown},
		{"rows without games", judgeRowsPerGame(by("rows_per_game_least"), by("rows_per_game_most"), 5, 0), job.Pass},
		{"nothing to score", judgeScore(by("quality_score"), 0, 0), job.Pass},
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
		Repeats:  map[gamedate.Date]int64{},
		Facts:    map[gamedate.Date]job.Counts{},
		Baseline: 60, Thresholds: job.Defaults(thresholds),
	}
	for _, d := range []gamedate.Date{first, second} {
		games := int64(in.Expected[d].Units)
		in.Facts[d] = job.Counts{RowsOut: 28 * games, Counts: map[string]int64{
			CountGames: games, CountQualityScore: 90 * 28 * games, CountProductionReady: 28 * games}}
		in.Groups = append(in.Groups,
			job.GroupCount{Date: d, Keys: []string{boxscore.Active}, Rows: 20 * games, Nulls: []int64{0, 0, 0, 0, 0, 0}},
			job.GroupCount{Date: d, Keys: []string{boxscore.DNP}, Rows: 8 * games,
				Nulls: []int64{8 * games, 8 * games, 0, 8 * games, 8 * games, 8 * games}},
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

// gateCases change a good run of two seasons.
var gateCases = []struct {
	name, scope, check string
	change             func(in *job.GateInput)
	want               job.Verdict
}{
	{"a doubled key", "", "duplicate_keys", func(in *job.GateInput) { in.Repeats[in.Groups[0].Date] = 1 }, job.Failed},
	{"a reported namesake", "", "duplicate_keys", func(in *job.GateInput) {
		in.Repeats[in.Groups[0].Date] = 1
		in.Facts[in.Groups[0].Date].Counts[CountNamesakes] = 1
	}, job.Pass},
	{"a reported namesake, and a doubled key on another date", "", "duplicate_keys", func(in *job.GateInput) {
		in.Repeats[in.Groups[2].Date] = 1
		in.Facts[in.Groups[0].Date].Counts[CountNamesakes] = 1
	}, job.Failed},
	{"minutes on an idle row", "",
		"did_not_play_minutes_null", func(in *job.GateInput) { in.Groups[1].Nulls[nullMinutes]-- }, job.Failed},
	{"no minutes on idle rows", "", "did_not_play_minutes_null", func(in *job.GateInput) {
		in.Groups[1].Rows,
			in.Groups[1].Nulls[nullMinutes] = 5, 5
	}, job.Pass},
	{"a season without rows", "", "seasons_present", func(in *job.GateInput) { dropDate(in, "2022-12-01") }, job.Failed},
	{"the same season by itself", "2022-23", "active_minutes_null", func(in *job.GateInput) { dropDate(in, "2022-12-01") },
		job.Failed},
	{"the other season", "2021-22", "active_minutes_null", func(in *job.GateInput) { dropDate(in, "2022-12-01") },
		job.Pass},
	{"a season without games", "", "seasons_present", func(in *job.GateInput) {
		dropDate(in, "2022-12-01")
		delete(in.Expected, gamedate.MustParse("2022-12-01"))
	}, job.Pass},
	{"a date without facts", "2022-23",
		"games", func(in *job.GateInput) { delete(in.Facts, gamedate.MustParse("2022-12-01")) }, job.Failed},
	{"a game that is not on the schedule", "2022-23", "games", func(in *job.GateInput) {
		in.Facts[gamedate.MustParse("2022-12-01")].Counts[CountGames]++
	}, job.Warned},
	{"the other season's games", "2021-22",
		"games", func(in *job.GateInput) { delete(in.Facts, gamedate.MustParse("2022-12-01")) }, job.Pass},
	{"a date without rows", "", "gaps", func(in *job.GateInput) { dropDate(in, "2022-12-01") }, job.Failed},
	{"a date without rows whose last game is under way", "", "gaps", func(in *job.GateInput) {
		dropDate(in, "2022-12-01")
		in.Expected[gamedate.MustParse("2022-12-01")] = job.Expectation{Units: 1, NotFinal: 1}
	}, job.Pass},
	{"free throws unknown", "2021-22", "shots_known", func(in *job.GateInput) { in.Groups[0].Nulls[nullFreeThrows] = 5 },
		job.Warned},
	{"threes unknown", "2021-22", "threes_known", func(in *job.GateInput) { in.Groups[0].Nulls[nullThrees] = 7 },
		job.Warned},
	{"threes of idle rows", "2021-22", "threes_known", func(in *job.GateInput) { in.Groups[1].Nulls[nullThrees] = 0 },
		job.Pass},
	{"a game whose sources disagree", "2021-22", "source_disagreement", func(in *job.GateInput) {
		in.Facts[gamedate.MustParse("2022-01-15")].Counts[CountDisagreement] = 1
	}, job.Failed},
	{"a date outside the range", "", "active_row_count", func(in *job.GateInput) {
		in.Groups = append(in.Groups, job.GroupCount{Date: gamedate.MustParse("2024-01-01"), Keys: []string{boxscore.Active},
			Rows: 500, Nulls: []int64{0, 0, 0, 0, 0, 0}})
	}, job.Pass},
	{"a baseline far off", "", "active_row_count", func(in *job.GateInput) { in.Baseline = 100 }, job.Failed},
	{"low scores", "2022-23", "quality_score", func(in *job.GateInput) {
		in.Facts[gamedate.MustParse("2022-12-01")].Counts[CountQualityScore] = 28*75 - 1
	}, job.Warned},
	{"low scores of a few", "", "quality_score", func(in *job.GateInput) {
		in.Facts[gamedate.MustParse("2022-12-01")].Counts[CountQualityScore] = 28*75 - 1
	}, job.Pass},
	{"rows not ready", "2022-23", "production_ready", func(in *job.GateInput) {
		in.Facts[gamedate.MustParse("2022-12-01")].Counts[CountProductionReady] = 26
	}, job.Warned},
	{"facts that know no scores", "2022-23", "quality_score", func(in *job.GateInput) {
		delete(in.Facts[gamedate.MustParse("2022-12-01")].Counts, CountQualityScore)
	}, job.Shown},
	{"a season without rows to score", "2022-23",
		"quality_score", func(in *job.GateInput) { dropDate(in, "2022-12-01") }, job.Pass},
	{"no usage", "", "usage_coverage", func(in *job.GateInput) {
		for i := range in.Groups {
			in.Groups[i].Nulls[nullUsage] = in.Groups[i].Rows
		}
	}, job.Failed},
	{"nobody resolved", "", "unresolved", func(in *job.GateInput) { in.Groups[0].Nulls[nullID] = in.Groups[0].Rows },
		job.Warned},
	{"an incomplete team", "", "incomplete_team_games", func(in *job.GateInput) {
		in.Facts[in.Groups[0].Date].Counts[CountIncompleteTeams] = 1
	}, job.Warned},
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
	if got := verdictOf(t, checks, "", "minutes_null"); got.Verdict != job.Shown ||
		!strings.HasPrefix(got.Seen, "24 of 84 ") {
		t.Errorf("overall share %+v, want it shown only", got)
	}
	if diff := cmp.Diff(checks, judge(gateInput())); diff != "" {
		t.Errorf("two judgements differ:\n%s", diff)
	}

	for _, tt := range gateCases {
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

// The facts of a date hold what its rows say of their quality: those of players whom the gamebook lacks are worth less.
func TestQualityFacts(t *testing.T) {
	t.Parallel()
	w := twoGames()
	secondary(0, 1)(w)
	counts := w.build(t).Counts
	if got, want := counts.Counts[CountQualityScore], int64(56*scoreGold+scoreSilver-deduction); got != want {
		t.Errorf("scores: got %d, want %d", got, want)
	}
	if got := counts.Counts[CountProductionReady]; got != 57 || counts.RowsOut != 57 {
		t.Errorf("got %d of %d rows ready, want 57 of 57", got, counts.RowsOut)
	}
}
