package summary

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
)

// gates asks for counts per date and status, and judges them per season and over the whole range.
func gates() job.Gates {
	return job.Gates{
		By: []string{"player_status"},
		Nulls: []string{"minutes_played", "usage_rate", "universal_player_id", "fg_attempts", "ft_attempts",
			"three_pt_attempts"},
		Keys:  []string{"game_date", "player_lookup", "team_abbr"},
		Judge: judgeRun,
	}
}

// Positions in GroupCount.Nulls, as gates asks for them.
const (
	nullMinutes = iota
	nullUsage
	nullID
	nullFieldGoals
	nullFreeThrows
	nullThrees
)

// runTotals are the counts of a scope.
type runTotals struct {
	games, builtGames                 int64 // the schedule's final games; games with rows by the ledger
	rows, duplicates                  int64
	active, activeNull, activeUsage   int64
	idle, idleNull                    int64 // listed and did not play
	minutesNull, noID, incompleteTeam int64
	fieldGoals, freeThrows, threes    int64 // active rows with the attempts known
	disagreeing                       int64 // games whose sources are far apart
	// rows of built dates, the sum of their scores, those that are production-ready
	scored, scores, ready int64

	gameDates int             // dates whose final games are all that the schedule has
	gaps      []gamedate.Date // those without a row
}

func (t *runTotals) group(g job.GroupCount) {
	t.rows += g.Rows
	t.minutesNull += g.Nulls[nullMinutes]
	t.noID += g.Nulls[nullID]
	if len(g.Keys) > 0 && g.Keys[0] == boxscore.Active {
		t.active += g.Rows
		t.activeNull += g.Nulls[nullMinutes]
		t.activeUsage += g.Rows - g.Nulls[nullUsage]
		t.fieldGoals += g.Rows - g.Nulls[nullFieldGoals]
		t.freeThrows += g.Rows - g.Nulls[nullFreeThrows]
		t.threes += g.Rows - g.Nulls[nullThrees]
		return
	}
	t.idle += g.Rows
	t.idleNull += g.Nulls[nullMinutes]
}

func (t *runTotals) fact(c job.Counts) {
	t.builtGames += c.Counts[CountGames]
	t.incompleteTeam += c.Counts[CountIncompleteTeams]
	t.disagreeing += c.Counts[CountDisagreement]
	if scores, ok := c.Counts[CountQualityScore]; ok { // facts of an older build have none
		t.scored += c.RowsOut
		t.scores += scores
		t.ready += c.Counts[CountProductionReady]
	}
}

// date takes one date's games and rows.
func (t *runTotals) date(d gamedate.Date, e job.Expectation, rows int64) {
	t.games += int64(e.Units)
	if e.Units == 0 || e.NotFinal > 0 {
		return
	}
	t.gameDates++
	if rows == 0 {
		t.gaps = append(t.gaps, d)
	}
}

// judgeRun turns the counts of a range into checks: first the whole range, then each season of it, in order.
func judgeRun(in job.GateInput) []job.Check {
	whole := &runTotals{}
	bySeason := map[string]*runTotals{}
	for year := in.Range.From.SeasonYear(); year <= in.Range.To.SeasonYear(); year++ {
		bySeason[gamedate.SeasonName(year)] = &runTotals{}
	}
	both := func(d gamedate.Date, f func(*runTotals)) {
		if !in.Range.Contains(d) {
			return
		}
		f(whole)
		f(bySeason[d.Season()])
	}
	rows := map[gamedate.Date]int64{}
	for _, g := range in.Groups {
		rows[g.Date] += g.Rows
		both(g.Date, func(t *runTotals) { t.group(g) })
	}
	for _, d := range slices.SortedFunc(maps.Keys(in.Expected), gamedate.Date.Compare) {
		both(d, func(t *runTotals) { t.date(d, in.Expected[d], rows[d]) })
	}
	for d, c := range in.Facts {
		both(d, func(t *runTotals) { t.fact(c) })
	}
	for d, n := range in.Repeats {
		both(d, func(t *runTotals) { t.duplicates += max(0, n-in.Facts[d].Counts[CountNamesakes]) })
	}

	checks := whole.checks("", in.Thresholds)
	checks = append(checks, judgeSeasons(bySeason),
		judgeActiveCount(in.Thresholds["range.active_row_count"], whole.active, in.Baseline))
	names := make([]string, 0, len(bySeason))
	for name := range bySeason {
		names = append(names, name)
	}
	slices.SortFunc(names, cmp.Compare[string])
	for _, name := range names {
		checks = append(checks, bySeason[name].checks(name, in.Thresholds)...)
	}
	return checks
}

// checks judges one scope.
func (t *runTotals) checks(scope string, by job.Thresholds) []job.Check {
	checks := []job.Check{
		judgeActiveMinutes(by["range.active_minutes_null"], t.activeNull, t.active, t.games),
		judgeIdleMinutes(t.idleNull, t.idle),
		judgeDuplicates(t.duplicates),
		{
			Name: "minutes_null", Verdict: job.Shown, Seen: share(t.minutesNull, t.rows),
			Advice: "judges nothing: rows that did not play have no minutes",
		},
		judgeGames(t.builtGames, t.games),
		judgeGaps(t.gaps, t.gameDates),
		judgeRowsPerGame(by["range.rows_per_game_least"], by["range.rows_per_game_most"], t.rows, t.games),
		judgeUnresolved(by["range.unresolved"], t.noID, t.rows),
		judgeUsage(by["range.usage_coverage"], t.activeUsage, t.active),
		judgeShots(by["range.shots_known"], min(t.fieldGoals, t.freeThrows), t.active),
		judgeThrees(by["range.threes_known"], t.threes, t.active),
		t.recorded(judgeScore(by["range.quality_score"], t.scores, t.scored)),
		t.recorded(judgeReady(by["range.production_ready"], t.ready, t.scored)),
		judgeIncomplete(by["range.incomplete_team_games"], t.incompleteTeam),
		judgeAgreement(by["range.source_disagreement"], t.disagreeing, t.builtGames),
	}
	for i := range checks {
		checks[i].Scope = scope
	}
	return checks
}

// share writes part of whole with its percentage for people; no judgement uses the text.
func share(part, whole int64) string {
	if whole == 0 {
		return fmt.Sprintf("%d of 0", part)
	}
	return fmt.Sprintf("%d of %d (%.2f%%)", part, whole, 100*float64(part)/float64(whole))
}

// checked is a check by a threshold; advice is given only where it is needed.
func checked(name string, t job.Threshold, v job.Verdict, seen, advice string) job.Check {
	c := job.Check{Name: name, Verdict: v, Seen: seen, Bound: t.Bound()}
	if v != job.Pass {
		c.Advice = advice
	}
	return c
}

// judgeActiveMinutes judges active rows without minutes. No rows at all are a failure where games were scheduled.
func judgeActiveMinutes(t job.Threshold, nulls, rows, games int64) job.Check {
	c := checked("active_minutes_null", t, t.Share(nulls, rows), share(nulls, rows),
		"look at the raw minutes of the worst dates")
	switch {
	case rows == 0 && games > 0:
		c.Verdict, c.Seen = job.Failed, fmt.Sprintf("no active rows, %d games scheduled", games)
		c.Advice = "look at the dates that are not complete"
	case rows == 0:
		c.Seen = "no active rows, no games scheduled"
	}
	return c
}

// judgeIdleMinutes judges rows that did not play: not one may have minutes.
func judgeIdleMinutes(nulls, rows int64) job.Check {
	c := job.Check{Name: "did_not_play_minutes_null", Verdict: job.Pass, Seen: share(nulls, rows), Bound: "all"}
	if nulls != rows {
		c.Verdict, c.Advice = job.Failed, "rows that did not play carry minutes: another writer has changed the table"
	}
	return c
}

// judgeActiveCount compares the active rows with the number that the operator expects.
func judgeActiveCount(t job.Threshold, actual, baseline int64) job.Check {
	if baseline <= 0 {
		return job.Check{Name: "active_row_count", Verdict: job.Shown, Seen: fmt.Sprint(actual),
			Advice: "no baseline was given"}
	}
	c := checked("active_row_count", t, t.Share(abs(actual-baseline), baseline), fmt.Sprint(actual),
		"compare the rows per season with the baseline's")
	c.Bound = fmt.Sprintf("%d, %s", baseline, c.Bound)
	return c
}

// judgeDuplicates judges rows beyond the first of their (game_date, player_lookup, team_abbr), namesakes not counted.
func judgeDuplicates(n int64) job.Check {
	c := job.Check{Name: "duplicate_keys", Verdict: job.Pass, Seen: fmt.Sprint(n), Bound: "0"}
	if n != 0 {
		c.Verdict, c.Advice = job.Failed, "publish the range again: it repairs partitions that somebody else has changed"
	}
	return c
}

// judgeSeasons wants rows in every season of the range that has games.
func judgeSeasons(bySeason map[string]*runTotals) job.Check {
	var present, missing []string
	for name, t := range bySeason {
		switch {
		case t.rows > 0:
			present = append(present, name)
		case t.games > 0:
			missing = append(missing, name)
		}
	}
	slices.Sort(present)
	slices.Sort(missing)
	c := job.Check{Name: "seasons_present", Verdict: job.Pass, Seen: fmt.Sprint(present), Bound: "every season with games"}
	if len(missing) > 0 {
		c.Verdict, c.Advice = job.Failed, fmt.Sprintf("no rows in %v", missing)
	}
	return c
}

// judgeGames compares games with rows, as the ledger recorded them, with the schedule's final games. Games that the
// schedule does not have can exceed it; that is shown per date.
func judgeGames(built, scheduled int64) job.Check {
	c := job.Check{Name: "games", Verdict: job.Pass, Seen: fmt.Sprint(built),
		Bound: fmt.Sprintf("%d final games on the schedule", scheduled)}
	switch {
	case built < scheduled:
		c.Verdict, c.Advice = job.Failed, "look at the dates that are not complete"
	case built > scheduled:
		c.Verdict, c.Advice = job.Warned, "some games with rows are not on the schedule"
	}
	return c
}

// judgeGaps wants rows on every date whose games are final, in the table itself: enough games in all may hide a date
// without any. How far such dates lie apart says nothing: the season has breaks of a week.
func judgeGaps(gaps []gamedate.Date, dates int) job.Check {
	c := job.Check{Name: "gaps", Verdict: job.Pass,
		Seen: fmt.Sprintf("%d of %d dates with final games", len(gaps), dates), Bound: "0"}
	if len(gaps) > 0 {
		c.Verdict, c.Advice = job.Failed, "no rows on "+firstDates(gaps)+"; publish the dates again"
	}
	return c
}

// firstDates names up to five dates.
func firstDates(dates []gamedate.Date) string {
	var texts []string
	for _, d := range dates[:min(len(dates), 5)] {
		texts = append(texts, d.String())
	}
	if n := len(dates) - len(texts); n > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(texts, ", ")
}

// judgeRowsPerGame judges all rows by games. Rows without a game on the schedule are judged per date.
func judgeRowsPerGame(least, most job.Threshold, rows, games int64) job.Check {
	c := job.Check{
		Name: "rows_per_game", Verdict: job.Pass, Seen: "no games",
		Bound: fmt.Sprintf("%s and %s", least.Bound(), most.Bound()),
	}
	if games == 0 {
		return c
	}
	c.Seen = fmt.Sprintf("%.1f", float64(rows)/float64(games))
	if c.Verdict = job.Worse(least.Mean(rows, games), most.Mean(rows, games)); c.Verdict != job.Pass {
		c.Advice = "compare the rows per date with the schedule"
	}
	return c
}

func judgeUnresolved(t job.Threshold, n, rows int64) job.Check {
	return checked("unresolved", t, t.Share(n, rows), share(n, rows),
		"list the names and add aliases, then run their dates again")
}

// judgeUsage judges the share of active rows with a usage rate.
func judgeUsage(t job.Threshold, with, active int64) job.Check {
	return checked("usage_coverage", t, t.Share(with, active), share(with, active),
		"look at the team games that are not complete")
}

// judgeShots judges the share of active rows whose field goal and free throw attempts are known; the lesser of the two
// counts.
func judgeShots(t job.Threshold, known, active int64) job.Check {
	return checked("shots_known", t, t.Share(known, active), share(known, active),
		"look at the raw attempts of the worst dates")
}

// judgeThrees judges the share of active rows whose three-point attempts are known.
func judgeThrees(t job.Threshold, known, active int64) job.Check {
	return checked("threes_known", t, t.Share(known, active), share(known, active),
		"look at the raw attempts of the worst dates")
}

// judgeScore judges the mean quality_score of the rows that were built. The range's partitions hold just these rows, or
// the engine says which do not.
func judgeScore(t job.Threshold, scores, rows int64) job.Check {
	seen := "no rows"
	if rows > 0 {
		seen = fmt.Sprintf("%.2f over %d rows", float64(scores)/float64(rows), rows)
	}
	return checked("quality_score", t, t.Mean(scores, rows), seen,
		"look at the primary sources of the worst dates: the secondary source is worth less")
}

// recorded is a check of recorded scores, which judges nothing where rows are and no date's facts know their scores.
func (t *runTotals) recorded(c job.Check) job.Check {
	if t.scored == 0 && t.rows > 0 {
		c.Verdict, c.Seen = job.Shown, "not recorded"
		c.Advice = "dates that an older build did have no scores in the ledger; `publisher run --force` does them again"
	}
	return c
}

// judgeReady judges the share of the rows that were built and are production-ready.
func judgeReady(t job.Threshold, ready, rows int64) job.Check {
	return checked("production_ready", t, t.Share(ready, rows), share(ready, rows),
		"look at the quality_issues of the rows that are not")
}

// judgeAgreement judges the games in which over a tenth of the players who are in both sources have lines far apart.
func judgeAgreement(t job.Threshold, disagreeing, games int64) job.Check {
	return checked("source_disagreement", t, t.Share(disagreeing, games), share(disagreeing, games),
		"explain the dates concerned; a source that has gone bad can be switched off between dates")
}

func judgeIncomplete(t job.Threshold, n int64) job.Check {
	return checked("incomplete_team_games", t, t.Count(n), fmt.Sprint(n),
		"explain the dates concerned: rows are missing or doubled in the source")
}
