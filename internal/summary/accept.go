package summary

import (
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// minShareRows is how many rows must make a share bad before it judges: one row of a one-game date is already five
// percent.
const minShareRows = 3

// judgeShare judges part of whole; bad is how many of them, or of the rest, the bounds keep small.
func judgeShare(t job.Threshold, part, whole, bad int64) job.Verdict {
	if bad < minShareRows {
		return job.Pass
	}
	return t.Share(part, whole)
}

// judged is what the rules look at: a built date before it is published.
type judged struct {
	in         job.Input
	settings   Settings
	slate      *slate
	merged     *merged
	facts      map[*game]*gameFacts
	teams      map[teamGame]*totals
	impossible []string // ids active in two games
	rows       []table.Row
	counts     job.Counts
	newest     map[string]int64 // microseconds by source table, of the rows used
	previous   *previous
	games      []*game // with rows, by id
}

// rule is one named acceptance rule.
type rule struct {
	name, doc string
	check     func(*judged) verdicts
}

// verdicts are the sentences of one rule on one date, by level.
type verdicts struct{ errors, warnings []string }

func fails(format string, args ...any) verdicts {
	return verdicts{errors: []string{fmt.Sprintf(format, args...)}}
}

func warns(format string, args ...any) verdicts {
	return verdicts{warnings: []string{fmt.Sprintf(format, args...)}}
}

// says is a sentence about a share, at the level of its verdict and with the bound that it is beyond; nothing when it
// passes.
func says(v job.Verdict, t job.Threshold, format string, args ...any) verdicts {
	side, must := "most", "allowed"
	if t.Least {
		side, must = "least", "needed"
	}
	said := fmt.Sprintf(format, args...)
	switch v {
	case job.Failed:
		return fails("%s; at %s %s%% %s", said, side, t.Fail, must)
	case job.Warned:
		return warns("%s; at %s %s%% expected", said, side, t.Warn)
	}
	return verdicts{}
}

// beyond are the things that lie beyond a bound.
type beyond struct{ fail, warn []string }

func (b *beyond) add(v job.Verdict, thing string) {
	switch v {
	case job.Failed:
		b.fail = append(b.fail, thing)
	case job.Warned:
		b.warn = append(b.warn, thing)
	}
}

// say is one sentence a level; what gets its bounds in the order of the thresholds.
func (b *beyond) say(what string, thresholds ...job.Threshold) verdicts {
	var fail, warn []any
	for _, t := range thresholds {
		fail, warn = append(fail, t.Fail), append(warn, t.Warn)
	}
	v := listed(b.fail, fails, fmt.Sprintf(what, fail...))
	v.warnings = listed(b.warn, warns, fmt.Sprintf(what, warn...)).warnings
	return v
}

// rules are all acceptance rules, in the order in which findings are listed.
var rules = []rule{
	{"bad_schedule_id", "error: a league id on the schedule that is not ten digits of a known game type", badScheduleID},
	{"final_game_without_rows", "error: a final game of the schedule has no row", finalGameWithoutRows},
	{"game_without_active", "error: a game has no active player", gameWithoutActive},
	{"one_team_only", "error: a game has rows of one team only", oneTeamOnly},
	{"team_few_active", bounded("error: a team has fewer than FAIL active players; warn: fewer than WARN",
		"date.team_active_least"), teamFew},
	{"team_over_total", "error: a team's active points exceed its final score, or its seconds the team time plus " +
		"tolerance", teamOverTotal},
	{"duplicate_key", "error: two rows share a dedup_key, or lookup and team without being namesakes", duplicateKey},
	{"required_null", "error: a REQUIRED column is NULL", requiredNull},
	{"ambiguous_identity", "error: one person is active in two games of the date", activeInTwoGames},
	{"stats_without_play", "error: minutes or stats on a row that did not play", statsWithoutPlay},
	{"impossible_shots", "error: more makes than attempts, or more threes than field goals", impossibleShots},
	{"points_mismatch", bounded("error: points are not 2*FGM + 3PM + FTM on over FAIL% of active rows",
		"date.points_mismatch"), pointsMismatches},
	{"active_minutes_null", bounded("error: over FAIL% of active rows without minutes; warn: over WARN%",
		"date.active_minutes_null") + "; an error pauses the run", activeMinutesNull},
	{"match_rate", bounded("error: under FAIL% of the secondary source's players meet a gamebook person; warn: "+
		"under WARN%", "date.match_rate"), matchRate},
	{"usage_coverage", bounded("error: under FAIL% of active rows have usage; warn: under WARN%", "date.usage_coverage"),
		usageCoverage},
	{"shots_known", bounded("warn: under WARN% of active rows have field goal and free throw attempts",
		"date.shots_known"), shotsKnown},
	{"threes_known", bounded("warn: under WARN% of active rows have three-point attempts", "date.threes_known"),
		threesKnown},
	{"row_count_changed", bounded("error: rows of a status differ by over FAIL% from the version gamefill wrote; warn: "+
		"over WARN%", "date.row_count_changed"), rowCountChanged},
	{"active_rows_lost", bounded("error: a game loses over FAIL% of its active rows against a partition that gamefill "+
		"did not write", "date.active_rows_lost"), activeRowsLost},
	{"source_went_back", "error: a source is older than the one already used for the date", sourceWentBack},
	{"would_erase_columns", "error: values in unowned columns would be lost", wouldEraseColumns},
	{"team_incomplete", "warn: a team's rows do not add up to its game", teamIncomplete},
	{"second_spelling", "warn: a player only in the secondary source, on a team that the gamebook has in full",
		secondSpelling},
	{"active_per_game", bounded("warn: active players of a game outside WARN to WARN", "date.game_active_least",
		"date.game_active_most"), activePerGame},
	{"rows_per_game", bounded("warn: rows of a game outside WARN to WARN", "date.game_rows_least", "date.game_rows_most"),
		rowsPerGame},
	{"team_points", bounded("warn: a team's active points outside WARN to WARN", "date.team_points_least",
		"date.team_points_most"), teamPoints},
	{"player_points", bounded("warn: a player with more than WARN points", "date.player_points"), playerPoints},
	{"player_minutes", bounded("warn: a player with more than WARN minutes", "date.player_minutes"), playerMinutes},
	{"unresolved_share", bounded("warn: over WARN% of rows without a registry id", "date.unresolved_share"),
		unresolvedShare},
}

// runWide are the rules whose errors pause the run. The old runbook stopped all workers for one thing only: box scores
// that have lost their minutes, which is never one date's misfortune.
var runWide = []string{"active_minutes_null"}

// bounded puts the default bounds of thresholds, one after the other, where the text says WARN; FAIL is the first
// one's.
func bounded(text string, names ...string) string {
	for _, name := range names {
		t := defaultThresholds[name]
		text = strings.Replace(strings.Replace(text, "WARN", t.Warn.String(), 1), "FAIL", t.Fail.String(), 1)
	}
	return text
}

// threshold is a threshold as the run has it.
func (j *judged) threshold(name string) job.Threshold {
	t := defaultThresholds[name]
	t.Bounds = j.settings.Thresholds[name]
	return t
}

// judge applies every rule.
func (j *judged) judge() []job.Finding {
	var findings []job.Finding
	for _, r := range rules {
		v := r.check(j)
		for _, m := range v.errors {
			findings = append(findings, job.Finding{Rule: r.name, Level: job.Error, Message: m})
		}
		for _, m := range v.warnings {
			findings = append(findings, job.Finding{Rule: r.name, Level: job.Warn, Message: m})
		}
	}
	return findings
}

// sides yields the totals of the built games, away side first; a side without rows has nil.
func (j *judged) sides(f func(g *game, team string, t *totals)) {
	for _, g := range j.games {
		f(g, g.away, j.teams[teamGame{g, g.away}])
		f(g, g.home, j.teams[teamGame{g, g.home}])
	}
}

// tally adds up active players and rows of a game.
func (j *judged) tally(g *game) (active, rows int) {
	for _, team := range []string{g.away, g.home} {
		if t := j.teams[teamGame{g, team}]; t != nil {
			active += t.players
			rows += t.rows
		}
	}
	return active, rows
}

// gamesWhere lists built games that a condition holds for, each with a remark.
func (j *judged) gamesWhere(f func(g *game) (remark string, ok bool)) []string {
	var list []string
	for _, g := range j.games {
		if remark, ok := f(g); ok {
			list = append(list, g.id+remark)
		}
	}
	return list
}

// listed turns a list into one sentence, at the level of make, and nothing when it is empty.
func listed(list []string, level func(string, ...any) verdicts, what string) verdicts {
	if len(list) == 0 {
		return verdicts{}
	}
	return level("%d %s: %s", len(list), what, sampleOf(list, 10))
}

func badScheduleID(j *judged) verdicts {
	return listed(j.slate.badIDs, fails, "league ids on the schedule cannot be read")
}

func finalGameWithoutRows(j *judged) verdicts {
	finals := j.slate.byState(final)
	var missing []string
	for _, id := range finals {
		if !slices.ContainsFunc(j.games, func(g *game) bool { return g.id == id }) {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return verdicts{}
	}
	return fails("%d of %d games have rows; missing: %s", len(finals)-len(missing), len(finals),
		strings.Join(missing, ", "))
}

func gameWithoutActive(j *judged) verdicts {
	return listed(j.gamesWhere(func(g *game) (string, bool) {
		active, rows := j.tally(g)
		return fmt.Sprintf(" (%d rows)", rows), active == 0
	}), fails, "games without an active player")
}

func oneTeamOnly(j *judged) verdicts {
	var list []string
	j.sides(func(g *game, team string, t *totals) {
		if t == nil {
			list = append(list, fmt.Sprintf("%s (nobody of %s)", g.id, team))
		}
	})
	return listed(list, fails, "games with one team only")
}

func teamFew(j *judged) verdicts {
	least := j.threshold("date.team_active_least")
	var few beyond
	j.sides(func(g *game, team string, t *totals) {
		if t != nil {
			few.add(least.Count(int64(t.players)), fmt.Sprintf("%s %s %d", g.id, team, t.players))
		}
	})
	return few.say("teams with fewer than %s active players", least)
}

// teamOverTotal compares each team with what its game allows. The length of a game is one for both teams, so the side
// that fits it better says how long it was.
func teamOverTotal(j *judged) verdicts {
	var list []string
	over := map[teamGame]bool{}
	for _, g := range j.games {
		allowed, gap := int64(0), int64(-1)
		for _, team := range []string{g.away, g.home} {
			if t := j.teams[teamGame{g, team}]; t != nil {
				if d := abs(t.seconds - t.teamSeconds); gap < 0 || d < gap || d == gap && t.teamSeconds < allowed {
					allowed, gap = t.teamSeconds, d
				}
			}
		}
		for _, team := range []string{g.away, g.home} {
			t := j.teams[teamGame{g, team}]
			if t == nil {
				continue
			}
			if t.scoreKnown && t.pts > t.finalScore {
				list = append(list, fmt.Sprintf("%s %s %d points of %d", g.id, team, t.pts, t.finalScore))
				over[teamGame{g, team}] = true
			}
			if t.seconds > allowed+t.tolerance() {
				list = append(list, fmt.Sprintf("%s %s %d seconds of %d", g.id, team, t.seconds, allowed))
				over[teamGame{g, team}] = true
			}
		}
	}
	v := listed(list, fails, "teams over their total, so a person is doubled or a row is foreign")
	if suspects := secondOnly(j, over); len(v.errors) > 0 && len(suspects) > 0 {
		v.errors[0] += "; in the second source only: " + strings.Join(suspects, ", ") +
			": an alias joins a person spelt in two ways"
	}
	return v
}

// secondOnly names the active people of some teams whom the gamebook does not list: where a person is doubled, one of
// the two rows is such a one.
func secondOnly(j *judged, teams map[teamGame]bool) []string {
	var names []string
	for _, e := range j.merged.entries {
		if e.book == nil && e.active() && teams[teamGame{e.game, e.team}] {
			names = append(names, fmt.Sprintf("%s (%s, %s)", e.name, e.key, e.team))
		}
	}
	slices.Sort(names)
	return names
}

func duplicateKey(j *judged) verdicts {
	var list []string
	keys := make(map[string]bool, len(j.rows))
	type name struct{ lookup, team string }
	ids := make(map[name][]string, len(j.rows)) // of the rows before
	stored := make([]string, len(j.rows))
	for i, row := range j.rows {
		key, id := row[out.dedupKey].Str(), row[out.id].Str()
		n := name{row[out.lookup].Str(), row[out.team].Str()}
		others := ids[n]
		twin := len(others) > 0 && (id == "" || slices.Contains(others, id) || slices.Contains(others, ""))
		if keys[key] || twin {
			list = append(list, Target.Describe(row))
		}
		keys[key] = true
		if len(others) == 0 {
			others = stored[i : i : i+1] // nearly always the only one
		}
		ids[n] = append(others, id)
	}
	slices.Sort(list)
	return listed(list, fails, "rows whose key another row has")
}

func requiredNull(j *judged) verdicts {
	var list []string
	for _, row := range j.rows {
		for _, at := range requiredAt {
			if row[at].IsNull() {
				list = append(list, Target.Columns[at].Name+" of "+Target.Describe(row))
			}
		}
	}
	slices.Sort(list)
	return listed(list, fails, "REQUIRED values are NULL")
}

var requiredAt = func() (at []int) {
	for i := range Target.Columns {
		if Target.Columns[i].Required {
			at = append(at, i)
		}
	}
	return at
}()

func activeInTwoGames(j *judged) verdicts {
	return listed(j.impossible, fails, "persons active in two games of the date")
}

func statsWithoutPlay(j *judged) verdicts {
	var list []string
	for _, row := range j.rows {
		if row[out.active].IsTrue() {
			continue
		}
		stray := !row[out.minutes].IsNull()
		for _, at := range out.stats {
			stray = stray || !row[at].IsNull()
		}
		if stray {
			list = append(list, Target.Describe(row))
		}
	}
	slices.Sort(list)
	return listed(list, fails, "rows that did not play carry minutes or stats")
}

func impossibleShots(j *judged) verdicts {
	var list []string
	for _, e := range j.merged.entries {
		more := func(part, whole stat) bool {
			return e.stats.known(part) && e.stats.known(whole) && e.stats.n[part] > e.stats.n[whole]
		}
		if more(fgm, fga) || more(tpm, tpa) || more(ftm, fta) || more(tpm, fgm) {
			list = append(list, e.game.id+" "+e.key)
		}
	}
	return listed(list, fails, "rows with more makes than attempts or more threes than field goals")
}

// countActive counts active entries and those of them that a condition holds for.
func (j *judged) countActive(f func(e *entry) bool) (part, active int64) {
	for _, e := range j.merged.entries {
		if e.active() {
			active++
			if f(e) {
				part++
			}
		}
	}
	return part, active
}

func pointsMismatches(j *judged) verdicts {
	t := j.threshold("date.points_mismatch")
	n, active := j.countActive(func(e *entry) bool { return e.issues.has(issuePointsMismatch) })
	return says(judgeShare(t, n, active, n), t, "points are not 2*FGM + 3PM + FTM on %d of %d active rows", n, active)
}

func activeMinutesNull(j *judged) verdicts {
	t := j.threshold("date.active_minutes_null")
	n, active := j.countActive(func(e *entry) bool { return e.minutes.Kind != MinutesKnown })
	detail := ""
	if len(j.merged.badMinutes) > 0 {
		detail = "; unreadable: " + sampleOf(j.merged.badMinutes, 20)
	}
	return says(judgeShare(t, n, active, n), t, "%d of %d active rows without minutes%s", n, active, detail)
}

func matchRate(j *judged) verdicts {
	t := j.threshold("date.match_rate")
	found, of := j.merged.matchFound, j.merged.matchOf
	return says(judgeShare(t, found, of, of-found), t,
		"%d of %d players of %s in games of the gamebook meet a gamebook person; without: %s",
		found, of, boxscore.BDL.Name, sampleOf(j.merged.unmatched, 10))
}

func usageCoverage(j *judged) verdicts {
	t := j.threshold("date.usage_coverage")
	without, active := j.countActive(func(e *entry) bool { return !e.derived.usageShown })
	return says(judgeShare(t, active-without, active, without), t, "%d of %d active rows have usage",
		active-without, active)
}

// shotsKnown judges the lesser of two shares: active rows with field goal attempts, and with free throw attempts.
func shotsKnown(j *judged) verdicts {
	return j.attemptsKnown("date.shots_known", "field goal and free throw attempts", fga, fta)
}

func threesKnown(j *judged) verdicts {
	return j.attemptsKnown("date.threes_known", "three-point attempts", tpa)
}

// attemptsKnown judges the stat that the most active rows lack.
func (j *judged) attemptsKnown(threshold, what string, stats ...stat) verdicts {
	t := j.threshold(threshold)
	without, active := int64(0), int64(0)
	for _, s := range stats {
		lacking, of := j.countActive(func(e *entry) bool { return !e.stats.known(s) })
		without, active = max(without, lacking), of
	}
	return says(judgeShare(t, active-without, active, without), t, "%d of %d active rows have %s",
		active-without, active, what)
}

// rowCountChanged compares with the version that gamefill wrote. A date that has no game any more is emptied on
// purpose and is not judged.
func rowCountChanged(j *judged) verdicts {
	if j.in.PreviousFacts == nil || len(j.games) == 0 {
		return verdicts{}
	}
	t := j.threshold("date.row_count_changed")
	var parts []string
	var was, is int64
	verdict := job.Pass
	for _, status := range statuses {
		old, now := j.in.PreviousFacts.Counts[countStatus+status], j.counts.Counts[countStatus+status]
		was, is = was+old, is+now
		gap := abs(now - old)
		v := judgeShare(t, gap, old, gap)
		if v != job.Pass {
			parts = append(parts, fmt.Sprintf("%s %d to %d", status, old, now))
		}
		verdict = job.Worse(verdict, v)
	}
	verb := "change"
	if is < was {
		verb = "shrink"
	} else if is > was {
		verb = "grow"
	}
	return says(verdict, t, "would %s %d to %d rows: %s", verb, was, is, strings.Join(parts, ", "))
}

// activeRowsLost compares with a partition of unknown origin, where only a loss of active persons within a game that
// both versions have says something.
func activeRowsLost(j *judged) verdicts {
	if j.in.PreviousFacts != nil {
		return verdicts{}
	}
	t := j.threshold("date.active_rows_lost")
	var losing beyond
	for _, g := range j.games {
		was := int64(len(j.previous.active[g.id]))
		active, _ := j.tally(g)
		lost := was - int64(active)
		losing.add(judgeShare(t, lost, was, lost), fmt.Sprintf("%s (%d to %d)", g.id, was, active))
	}
	return losing.say("games would lose over %s%% of their active rows", t)
}

func sourceWentBack(j *judged) verdicts {
	if j.in.Force || len(j.games) == 0 {
		return verdicts{}
	}
	var list []string
	for _, s := range sourceTable {
		was, ok := j.in.NewestSource[s.Name]
		if !ok || was.IsZero() || !j.settings.Sources[s.Name].covers(j.in.Date) {
			continue
		}
		if now := j.newest[s.Name]; now < was.UnixMicro() {
			list = append(list, fmt.Sprintf("%s %s, was %s", s.Name, stamp(now), stamp(was.UnixMicro())))
		}
	}
	return listed(list, fails, "sources are older than those used before (force to go back)")
}

func stamp(micros int64) string {
	if micros == 0 {
		return "no rows"
	}
	return table.Timestamp(timeOf(micros)).Text()
}

func wouldEraseColumns(j *judged) verdicts {
	if said := j.previous.erased(j.settings.Unowned); said != "" {
		return fails("%s", said)
	}
	return verdicts{}
}

func teamIncomplete(j *judged) verdicts {
	return listed(j.incomplete(), warns, "teams whose rows do not add up to their game")
}

// incomplete lists the sides of built games that are not complete.
func (j *judged) incomplete() []string {
	var list []string
	j.sides(func(g *game, team string, t *totals) {
		if t != nil && !t.complete {
			list = append(list, fmt.Sprintf("%s %s (%d active, %d of %d seconds, %d points%s)",
				g.id, team, t.players, t.seconds, t.teamSeconds, t.pts, ofScore(t)))
		}
	})
	return list
}

func ofScore(t *totals) string {
	if !t.scoreKnown {
		return ""
	}
	return fmt.Sprintf(" of %d", t.finalScore)
}

func secondSpelling(j *judged) verdicts {
	var list []string
	for _, e := range j.merged.entries {
		if e.active() && e.book == nil && j.merged.bookActive[teamGame{e.game, e.team}] >= completeMinPlayers {
			list = append(list, e.game.id+" "+e.key)
		}
	}
	return listed(list, warns, "players only in the secondary source, on teams that the gamebook has")
}

func activePerGame(j *judged) verdicts {
	least, most := j.threshold("date.game_active_least"), j.threshold("date.game_active_most")
	var outside beyond
	for _, g := range j.games {
		active, _ := j.tally(g)
		outside.add(within(least, most, int64(active)), fmt.Sprintf("%s (%d)", g.id, active))
	}
	return outside.say("games with active players outside %s to %s", least, most)
}

func rowsPerGame(j *judged) verdicts {
	least, most := j.threshold("date.game_rows_least"), j.threshold("date.game_rows_most")
	var outside beyond
	for _, g := range j.games {
		_, rows := j.tally(g)
		outside.add(within(least, most, int64(rows)), fmt.Sprintf("%s (%d)", g.id, rows))
	}
	return outside.say("games with rows outside %s to %s", least, most)
}

func teamPoints(j *judged) verdicts {
	least, most := j.threshold("date.team_points_least"), j.threshold("date.team_points_most")
	var outside beyond
	j.sides(func(g *game, team string, t *totals) {
		if t != nil {
			outside.add(within(least, most, t.pts), fmt.Sprintf("%s %s %d", g.id, team, t.pts))
		}
	})
	return outside.say("teams with points outside %s to %s", least, most)
}

// within judges a number by both ends.
func within(least, most job.Threshold, n int64) job.Verdict {
	return job.Worse(least.Count(n), most.Count(n))
}

func playerPoints(j *judged) verdicts {
	t := j.threshold("date.player_points")
	return j.players(t, "points", func(e *entry) job.Verdict { return t.Count(e.stats.n[points]) })
}

func playerMinutes(j *judged) verdicts {
	t := j.threshold("date.player_minutes")
	return j.players(t, "minutes", func(e *entry) job.Verdict { return t.Mean(int64(e.minutes.Seconds), 60) })
}

// players judges every active entry by what it has of something.
func (j *judged) players(t job.Threshold, what string, judge func(e *entry) job.Verdict) verdicts {
	var many beyond
	for _, e := range j.merged.entries {
		if e.active() {
			many.add(judge(e), e.game.id+" "+e.key)
		}
	}
	return many.say("players with more than %s "+what, t)
}

func unresolvedShare(j *judged) verdicts {
	n := int64(0)
	for _, e := range j.merged.entries {
		if e.who.id == "" {
			n++
		}
	}
	t, all := j.threshold("date.unresolved_share"), int64(len(j.merged.entries))
	return says(judgeShare(t, n, all, n), t, "%d of %d rows without a registry id", n, all)
}
