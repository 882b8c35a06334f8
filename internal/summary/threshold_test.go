package summary

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// edge is how one threshold judges, through the rule or check that it belongs to.
type edge struct {
	threshold, gate string
	// of is what a share is taken of; for other thresholds the number of steps in one unit: 60 seconds in a minute.
	of int64
	// judge is the verdict of the gate on n steps, or n of of.
	judge func(t *testing.T, gate string, by job.Thresholds, n int64) job.Verdict
}

// edges has every threshold of the job but the engine's own, which the publisher judges.
var edges = []edge{
	{"date.match_rate", "match_rate", 1000,
		ofRule(func(n int64) *judged { return &judged{merged: &merged{matchFound: n, matchOf: 1000}} })},
	{"date.active_minutes_null", "active_minutes_null", 1000,
		ofRule(lineup(func(e *entry) { e.minutes.Kind = MinutesAbsent }))},
	{"date.usage_coverage", "usage_coverage", 1000, ofRule(but(lineup(func(e *entry) { e.derived.usageShown = false })))},
	{"date.shots_known", "shots_known", 1000, ofRule(but(lineup(func(e *entry) { e.stats.has &^= 1 << fga })))},
	{"date.shots_known", "shots_known", 1000, ofRule(but(lineup(func(e *entry) { e.stats.has &^= 1 << fta })))},
	{"date.threes_known", "threes_known", 1000, ofRule(but(lineup(func(e *entry) { e.stats.has &^= 1 << tpa })))},
	{"date.points_mismatch", "points_mismatch", 1000,
		ofRule(lineup(func(e *entry) { e.issues.add(issuePointsMismatch) }))},
	{"date.unresolved_share", "unresolved_share", 1000, ofRule(lineup(func(e *entry) { e.who.id = "" }))},
	{"date.row_count_changed", "row_count_changed", 1000,
		ofRule(func(n int64) *judged { return rewritten(1000, 1000+n) })},
	{"date.row_count_changed", "row_count_changed", 1000,
		ofRule(func(n int64) *judged { return rewritten(1000, 1000-n) })},
	{"date.active_rows_lost", "active_rows_lost", 1000, ofRule(func(n int64) *judged {
		j := sideOf(totals{players: 1000 - int(n)})
		j.previous = &previous{active: map[string]map[rowKey]bool{bosChi: {}}}
		for i := range 1000 {
			j.previous.active[bosChi][rowKey{bosChi, fmt.Sprint(i), "BOS"}] = true
		}
		return j
	})},
	{"date.team_active_least", "team_few_active", 1,
		ofRule(func(n int64) *judged { return sideOf(totals{players: int(n)}) })},
	{"date.game_active_least", "active_per_game", 1,
		ofRule(func(n int64) *judged { return sideOf(totals{players: int(n)}) })},
	{"date.game_active_most", "active_per_game", 1,
		ofRule(func(n int64) *judged { return sideOf(totals{players: int(n)}) })},
	{"date.game_rows_least", "rows_per_game", 1, ofRule(func(n int64) *judged { return sideOf(totals{rows: int(n)}) })},
	{"date.game_rows_most", "rows_per_game", 1, ofRule(func(n int64) *judged { return sideOf(totals{rows: int(n)}) })},
	{"date.team_points_least", "team_points", 1, ofRule(func(n int64) *judged { return sideOf(totals{pts: n}) })},
	{"date.team_points_most", "team_points", 1, ofRule(func(n int64) *judged { return sideOf(totals{pts: n}) })},
	{"date.player_points", "player_points", 1,
		ofRule(func(n int64) *judged { return lineup(func(e *entry) { e.stats.set(points, n) })(1) })},
	{"date.player_minutes", "player_minutes", 60,
		ofRule(func(n int64) *judged { return lineup(func(e *entry) { e.minutes.Seconds = n })(1) })},

	{"range.active_minutes_null", "active_minutes_null", 10_000,
		ofRange(func(in *job.GateInput, n int64) { in.Groups[0].Nulls[nullMinutes] = n })},
	{"range.active_row_count", "active_row_count", 10_000,
		ofRange(func(in *job.GateInput, n int64) { in.Groups[0].Rows += n })},
	{"range.active_row_count", "active_row_count", 10_000,
		ofRange(func(in *job.GateInput, n int64) { in.Groups[0].Rows -= n })},
	{"range.rows_per_game_least", "rows_per_game", 400,
		ofRange(func(in *job.GateInput, n int64) { in.Groups[0].Rows = n })},
	{"range.rows_per_game_most", "rows_per_game", 400,
		ofRange(func(in *job.GateInput, n int64) { in.Groups[0].Rows = n })},
	{"range.unresolved", "unresolved", 10_000,
		ofRange(func(in *job.GateInput, n int64) { in.Groups[0].Nulls[nullID] = n })},
	{"range.usage_coverage", "usage_coverage", 10_000,
		ofRange(func(in *job.GateInput, n int64) { in.Groups[0].Nulls[nullUsage] = 10_000 - n })},
	{"range.shots_known", "shots_known", 10_000,
		ofRange(func(in *job.GateInput, n int64) { in.Groups[0].Nulls[nullFieldGoals] = 10_000 - n })},
	{"range.shots_known", "shots_known", 10_000,
		ofRange(func(in *job.GateInput, n int64) { in.Groups[0].Nulls[nullFreeThrows] = 10_000 - n })},
	{"range.threes_known", "threes_known", 10_000,
		ofRange(func(in *job.GateInput, n int64) { in.Groups[0].Nulls[nullThrees] = 10_000 - n })},
	{"range.quality_score", "quality_score", 10_000, ofRange(fact(CountQualityScore))},
	{"range.production_ready", "production_ready", 10_000, ofRange(fact(CountProductionReady))},
	{"range.source_disagreement", "source_disagreement", 400, ofRange(fact(CountDisagreement))},
	{"range.incomplete_team_games", "incomplete_team_games", 1, ofRange(fact(CountIncompleteTeams))},

	{"sample.leading_minutes_least", "leading_minutes", 50, ofSpot}, // tenths of a minute of five players
	{"sample.leading_minutes_most", "leading_minutes", 50, ofSpot},

	{"preflight.games_without_rows", "games_without_rows", 20, ofInputs(func(in *job.PreflightInput, n int64) {
		lose(in, boxscore.Gamebook, int(n))
		lose(in, boxscore.BDL, int(n))
	})},
	{"preflight.gamebook_games", "gamebook_games", 20,
		ofInputs(func(in *job.PreflightInput, n int64) { lose(in, boxscore.Gamebook, 20-int(n)) })},
	{"preflight.bdl_games", "bdl_games", 20,
		ofInputs(func(in *job.PreflightInput, n int64) { lose(in, boxscore.BDL, 20-int(n)) })},
	{"preflight.games_without_active", "games_without_active", 20,
		ofInputs(func(in *job.PreflightInput, n int64) { rosterOnly(in, int(n)) })},
	{"preflight.gamebook_minutes_null", "gamebook_minutes_null", 400,
		ofInputs(func(in *job.PreflightInput, n int64) { withoutMinutes(in, boxscore.Gamebook, n) })},
	{"preflight.unresolved", "unresolved", 1200, ofInputs(func(in *job.PreflightInput, n int64) { renamed(in, n) })},
	{"preflight.bdl_minutes_null", "bdl_minutes_null", 600,
		ofInputs(func(in *job.PreflightInput, n int64) { withoutMinutes(in, boxscore.BDL, n) })},
}

func ruleNamed(name string) rule {
	return rules[slices.IndexFunc(rules, func(r rule) bool { return r.name == name })]
}

// ofRule asks an acceptance rule about a date made for n.
func ofRule(date func(n int64) *judged) func(*testing.T, string, job.Thresholds, int64) job.Verdict {
	return func(_ *testing.T, gate string, by job.Thresholds, n int64) job.Verdict {
		j := date(n)
		j.settings.Thresholds = by.Bounds()
		switch v := ruleNamed(gate).check(j); {
		case len(v.errors) > 0:
			return job.Failed
		case len(v.warnings) > 0:
			return job.Warned
		}
		return job.Pass
	}
}

// lineup makes a date of a thousand players of one side, the first n of them changed.
func lineup(change func(e *entry)) func(n int64) *judged {
	return func(n int64) *judged {
		j := sideOf(totals{players: 1000})
		j.merged = &merged{}
		for i := range int64(1000) {
			e := &entry{game: j.games[0], team: "BOS", key: fmt.Sprint(i), status: boxscore.Active,
				minutes: Minutes{Kind: MinutesKnown}}
			e.who.id, e.stats.has, e.derived.usageShown = "known", 1<<numStats-1, true
			if i < n {
				change(e)
			}
			j.merged.entries = append(j.merged.entries, e)
		}
		return j
	}
}

// but leaves n of the thousand as they are.
func but(date func(n int64) *judged) func(n int64) *judged {
	return func(n int64) *judged { return date(1000 - n) }
}

// sideOf is a date of one game that has one side.
func sideOf(t totals) *judged {
	g := &game{id: bosChi, away: "BOS", home: "CHI"}
	return &judged{games: []*game{g}, teams: map[teamGame]*totals{{g, "BOS"}: &t}}
}

// rewritten is a date that had so many active rows, and has others now.
func rewritten(was, is int64) *judged {
	j := sideOf(totals{})
	j.in.PreviousFacts = &job.Counts{Counts: map[string]int64{countStatus + boxscore.Active: was}}
	j.counts.Counts = map[string]int64{countStatus + boxscore.Active: is}
	return j
}

// ofRange asks the gates of a range about a date of 10,000 active rows and 400 games; its season is judged like the
// range.
func ofRange(change func(in *job.GateInput, n int64)) func(*testing.T, string, job.Thresholds, int64) job.Verdict {
	return func(t *testing.T, gate string, by job.Thresholds, n int64) job.Verdict {
		d := gamedate.MustParse("2022-01-15")
		in := job.GateInput{
			Range: gamedate.Range{From: d, To: d}, Thresholds: by, Baseline: 10_000,
			Expected: map[gamedate.Date]job.Expectation{d: {Units: 400}},
			Groups: []job.GroupCount{{Date: d, Keys: []string{boxscore.Active}, Rows: 10_000,
				Nulls: make([]int64, len(Job().Gates.Nulls))}},
			Facts: map[gamedate.Date]job.Counts{d: {RowsOut: 10_000, Counts: map[string]int64{
				CountGames: 400, CountQualityScore: 100 * 10_000, CountProductionReady: 10_000}}},
		}
		change(&in, n)
		checks := Job().Gates.Judge(in)
		whole := advised(t, verdictOf(t, checks, "", gate))
		for _, c := range checks {
			if c.Name == gate && c.Verdict != whole {
				t.Errorf("%s of %d: got %s for %q and %s for the range", gate, n, c.Verdict, c.Scope, whole)
			}
		}
		return whole
	}
}

// advised is the verdict of a check, which says what to do unless it passes.
func advised(t *testing.T, c job.Check) job.Verdict {
	t.Helper()
	if (c.Advice == "") != (c.Verdict == job.Pass) {
		t.Errorf("advice of %s: got %q", c.Verdict, c.Advice)
	}
	return c.Verdict
}

// fact sets what the ledger recorded of the date.
func fact(name string) func(in *job.GateInput, n int64) {
	return func(in *job.GateInput, n int64) { in.Facts[in.Range.From].Counts[name] = n }
}

// ofInputs asks the checks before the first write about twenty games, changed for n.
func ofInputs(
	change func(in *job.PreflightInput, n int64),
) func(*testing.T, string, job.Thresholds, int64) job.Verdict {
	return func(t *testing.T, gate string, by job.Thresholds, n int64) job.Verdict {
		in := rawInputs(t)
		in.Thresholds = by
		change(in, n)
		return advised(t, verdictOf(t, Job().Preflight.Judge(*in), "", gate))
	}
}

// ofSpot asks the spot check of a sample about five players who have n tenths of a minute together.
func ofSpot(t *testing.T, gate string, by job.Thresholds, n int64) job.Verdict {
	var rows []table.Row
	for i := range int64(leaders) {
		rows = append(rows, playerOn(fmt.Sprint(i), table.Numeric(n/leaders+(n%leaders+i)/leaders, 1)))
	}
	return advised(t, verdictOf(t, Job().Sampling.SpotCheck(rows, by).Checks, "", gate))
}

// step is the number of steps that lie on a bound.
func (e *edge) step(t *testing.T, threshold job.Threshold, bound job.Amount) int64 {
	per := int64(job.Whole(1))
	if strings.HasPrefix(threshold.Unit, "%") {
		per *= 100
	}
	if int64(bound)*e.of%per != 0 {
		t.Fatalf("no number of steps lies on %s: take another of", bound)
	}
	return int64(bound) * e.of / per
}

// TestThresholdEdges walks every threshold: on the first bound passes, a step beyond warns, on the second still warns,
// a step beyond fails. A threshold without a second bound warns however far beyond, and fails beyond one that it is
// given.
func TestThresholdEdges(t *testing.T) {
	t.Parallel()
	for i, e := range edges {
		t.Run(fmt.Sprintf("%s_%d", e.threshold, i), func(t *testing.T) {
			t.Parallel()
			at, ok := defaultThresholds[e.threshold]
			if !ok {
				t.Fatalf("no threshold %s", e.threshold)
			}
			beyond := int64(1)
			if at.Least {
				beyond = -1
			}
			by := defaultThresholds
			check := func(n int64, want job.Verdict) {
				t.Helper()
				if got := e.judge(t, e.gate, by, n); got != want {
					t.Errorf("%s by %s: %d of %d: got %s, want %s", e.gate, by[e.threshold].Bounds, n, e.of, got, want)
				}
			}
			if at.Fail == job.None {
				other := job.Bounds{Warn: at.Warn, Fail: 2*at.Warn + job.Whole(1)}
				if at.Least {
					other.Fail = at.Warn / 2
				}
				check(e.step(t, at, other.Fail)+beyond, job.Warned)
				given, errs := defaultThresholds.With(map[string]job.Bounds{e.threshold: other})
				if len(errs) > 0 {
					t.Fatal(errs)
				}
				by, at = given, given[e.threshold]
			}
			warn, fail := e.step(t, at, at.Warn), e.step(t, at, at.Fail)
			check(warn, job.Pass)
			if warn != fail {
				check(warn+beyond, job.Warned)
				check(fail, job.Warned)
			}
			check(fail+beyond, job.Failed)
		})
	}
	engine := job.Defaults(job.EngineThresholds())
	for _, threshold := range thresholds {
		_, ours := engine[threshold.Name]
		if has := slices.ContainsFunc(edges, func(e edge) bool { return e.threshold == threshold.Name }); has == ours {
			t.Errorf("threshold %s: walked here %v, want %v", threshold.Name, has, !ours)
		}
	}
}

// shownOnly are the checks that judge nothing.
var shownOnly = []string{"minutes_null"}

// TestGatesAreTriedBothWays: every acceptance rule and every check is seen to fire and not to fire.
func TestGatesAreTriedBothWays(t *testing.T) {
	t.Parallel()
	fires, quiet := map[string]bool{}, map[string]bool{}
	of := func(kind, name string, verdicts ...job.Verdict) {
		for _, v := range verdicts {
			if v == job.Warned || v == job.Failed {
				fires[kind+name] = true
			} else {
				quiet[kind+name] = true
			}
		}
	}
	kinds := map[string]string{"date": "rule ", "range": "range check ", "sample": "sample check ",
		"preflight": "preflight check "}
	for _, e := range edges {
		scope, _, _ := strings.Cut(e.threshold, ".")
		of(kinds[scope], e.gate, job.Pass, job.Failed)
	}
	for _, c := range ruleCases {
		of("rule ", c.rule, job.Failed, job.Pass)
	}
	for _, c := range rowCases {
		of("rule ", c.rule, map[bool]job.Verdict{true: job.Failed, false: job.Pass}[c.want])
	}
	for _, c := range gateCases {
		of("range check ", c.check, c.want)
	}
	for _, c := range inputCases {
		of("preflight check ", c.check, c.want)
	}
	want := map[string]bool{}
	for _, r := range Job().Rules {
		want["rule "+r.Name] = true
		if r.Doc == "" {
			t.Errorf("rule %s has no text", r.Name)
		}
	}
	for _, c := range Job().Gates.Judge(gateInput()) {
		want["range check "+c.Name] = !slices.Contains(shownOnly, c.Name)
	}
	for _, c := range Job().Preflight.Judge(*rawInputs(t)) {
		want["preflight check "+c.Name] = true
	}
	for _, c := range Job().Sampling.SpotCheck(nil, defaultThresholds).Checks {
		want["sample check "+c.Name] = true
	}
	for name, judges := range want {
		if fires[name] != judges || quiet[name] != judges {
			t.Errorf("%s: seen to fire %v, seen not to fire %v, want %v", name, fires[name], quiet[name], judges)
		}
	}
	for name := range fires {
		if _, ok := want[name]; !ok {
			t.Errorf("%s has cases and is none of the job's", name)
		}
	}
}
