package summary

import (
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// Bounds of the acceptance rules. Shares are compared as exact integers, part*100 against percent*whole, and never
// judge alone: minShareRows rows must be concerned, since one row of a one-game date is already five percent.
const (
	minShareRows = 3

	matchErrorPercent, matchWarnPercent       = 50, 5 // unmatched: match rate under 50, under 95
	minutesErrorPercent, minutesWarnPercent   = 5, 1
	usageErrorPercent, usageWarnPercent       = 50, 20 // without usage: coverage under 50, under 80
	pointsErrorPercent                        = 1
	unresolvedWarnPercent                     = 2
	rowCountErrorPercent, rowCountWarnPercent = 5, 2
	lostErrorPercent                          = 5

	teamMinActive, teamFewActive = 5, 6
	gameMinActive, gameMaxActive = 12, 36
	gameMinRows, gameMaxRows     = 20, 48
	teamMinPoints, teamMaxPoints = 70, 180
	playerMaxPoints              = 80
	playerMaxSeconds             = 60 * 60
)

// over reports whether part of whole is more than percent, and enough rows to judge.
func over(part, whole, percent int64) bool {
	return part >= minShareRows && part*100 > percent*whole
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

// rules are all acceptance rules, in the order in which findings are listed.
var rules = []rule{
	{"bad_schedule_id", "error: a league id on the schedule that is not ten digits of a known game type", badScheduleID},
	{"final_game_without_rows", "error: a final game of the schedule has no row", finalGameWithoutRows},
	{"game_without_active", "error: a game has no active player", gameWithoutActive},
	{"one_team_only", "error: a game has rows of one team only", oneTeamOnly},
	{"team_few_active", "error: a team has fewer than 5 active players; warn: fewer than 6", teamFew},
	{"team_over_total", "error: a team's active points exceed its final score, or its seconds the team time plus tolerance", teamOverTotal},
	{"duplicate_key", "error: two rows share a dedup_key, or lookup and team without being namesakes", duplicateKey},
	{"required_null", "error: a REQUIRED column is NULL", requiredNull},
	{"ambiguous_identity", "error: one person is active in two games of the date", activeInTwoGames},
	{"stats_without_play", "error: minutes or stats on a row that did not play", statsWithoutPlay},
	{"impossible_shots", "error: more makes than attempts, or more threes than field goals", impossibleShots},
	{"points_mismatch", "error: points are not 2*FGM + 3PM + FTM on over 1% of active rows", pointsMismatches},
	{"active_minutes_null", "error: over 5% of active rows without minutes; warn: over 1%", activeMinutesNull},
	{"match_rate", "error: under 50% of the secondary source's players meet a gamebook person; warn: under 95%", matchRate},
	{"usage_coverage", "error: under 50% of active rows have usage; warn: under 80%", usageCoverage},
	{"row_count_changed", "error: rows of a status differ by over 5% from the version gamefill wrote; warn: over 2%", rowCountChanged},
	{"active_rows_lost", "error: a game loses over 5% of its active rows against a partition that gamefill did not write", activeRowsLost},
	{"source_went_back", "error: a source is older than the one already used for the date", sourceWentBack},
	{"would_erase_columns", "error: values in unowned columns would be lost", wouldEraseColumns},
	{"team_incomplete", "warn: a team's rows do not add up to its game", teamIncomplete},
	{"second_spelling", "warn: a player only in the secondary source, on a team that the gamebook has in full", secondSpelling},
	{"active_per_game", "warn: active players of a game outside 12 to 36", activePerGame},
	{"rows_per_game", "warn: rows of a game outside 20 to 48", rowsPerGame},
	{"team_points", "warn: a team's active points outside 70 to 180", teamPoints},
	{"player_points", "warn: a player with more than 80 points", playerPoints},
	{"player_minutes", "warn: a player with more than 60 minutes", playerMinutes},
	{"unresolved_share", "warn: over 2% of rows without a registry id", unresolvedShare},
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
	return fails("%d of %d games have rows; missing: %s", len(finals)-len(missing), len(finals), strings.Join(missing, ", "))
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
	var tooFew, few []string
	j.sides(func(g *game, team string, t *totals) {
		switch said := ""; {
		case t == nil:
		case t.players < teamMinActive:
			said = fmt.Sprintf("%s %s %d", g.id, team, t.players)
			tooFew = append(tooFew, said)
		case t.players < teamFewActive:
			said = fmt.Sprintf("%s %s %d", g.id, team, t.players)
			few = append(few, said)
		}
	})
	v := listed(tooFew, fails, fmt.Sprintf("teams with fewer than %d active players", teamMinActive))
	v.warnings = listed(few, warns, fmt.Sprintf("teams with fewer than %d active players", teamFewActive)).warnings
	return v
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
		v.errors[0] += "; in the second source only: " + strings.Join(suspects, ", ") + ": an alias joins a person spelt in two ways"
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

// countEntries counts active entries and those of them that a condition holds for.
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
	n, active := j.countActive(func(e *entry) bool { return e.issues.has(issuePointsMismatch) })
	if !over(n, active, pointsErrorPercent) {
		return verdicts{}
	}
	return fails("points are not 2*FGM + 3PM + FTM on %d of %d active rows, at most %d%% allowed", n, active, pointsErrorPercent)
}

func activeMinutesNull(j *judged) verdicts {
	n, active := j.countActive(func(e *entry) bool { return e.minutes.Kind != MinutesKnown })
	detail := ""
	if len(j.merged.badMinutes) > 0 {
		detail = "; unreadable: " + sampleOf(j.merged.badMinutes, 20)
	}
	switch {
	case over(n, active, minutesErrorPercent):
		return fails("%d of %d active rows without minutes, at most %d%% allowed%s", n, active, minutesErrorPercent, detail)
	case over(n, active, minutesWarnPercent):
		return warns("%d of %d active rows without minutes, at most %d%% expected%s", n, active, minutesWarnPercent, detail)
	}
	return verdicts{}
}

func matchRate(j *judged) verdicts {
	of := j.merged.matchOf
	missing := of - j.merged.matchFound
	if !over(missing, of, matchWarnPercent) {
		return verdicts{}
	}
	said := fmt.Sprintf("%d of %d players of %s in games of the gamebook meet a gamebook person; without: %s",
		j.merged.matchFound, of, boxscore.BDL.Name, sampleOf(j.merged.unmatched, 10))
	if over(missing, of, matchErrorPercent) {
		return fails("%s; at least %d%% needed", said, 100-matchErrorPercent)
	}
	return warns("%s; at least %d%% expected", said, 100-matchWarnPercent)
}

func usageCoverage(j *judged) verdicts {
	n, active := j.countActive(func(e *entry) bool { return !e.derived.usageShown })
	switch {
	case over(n, active, usageErrorPercent):
		return fails("%d of %d active rows have usage, at least %d%% needed", active-n, active, 100-usageErrorPercent)
	case over(n, active, usageWarnPercent):
		return warns("%d of %d active rows have usage, at least %d%% expected", active-n, active, 100-usageWarnPercent)
	}
	return verdicts{}
}

// rowCountChanged compares with the version that gamefill wrote. A date that has no game any more is emptied on
// purpose and is not judged.
func rowCountChanged(j *judged) verdicts {
	if j.in.PreviousFacts == nil || len(j.games) == 0 {
		return verdicts{}
	}
	var parts []string
	var was, is int64
	failed, warned := false, false
	for _, status := range statuses {
		old, now := j.in.PreviousFacts.Counts[countStatus+status], j.counts.Counts[countStatus+status]
		was, is = was+old, is+now
		gap := abs(now - old)
		failed = failed || over(gap, old, rowCountErrorPercent)
		warned = warned || over(gap, old, rowCountWarnPercent)
		if over(gap, old, rowCountWarnPercent) {
			parts = append(parts, fmt.Sprintf("%s %d to %d", status, old, now))
		}
	}
	verb := "change"
	if is < was {
		verb = "shrink"
	} else if is > was {
		verb = "grow"
	}
	said := fmt.Sprintf("would %s %d to %d rows: %s", verb, was, is, strings.Join(parts, ", "))
	switch {
	case failed:
		return fails("%s; at most %d%% a status allowed", said, rowCountErrorPercent)
	case warned:
		return warns("%s; at most %d%% a status expected", said, rowCountWarnPercent)
	}
	return verdicts{}
}

// activeRowsLost compares with a partition of unknown origin, where only a loss of active persons within a game that
// both versions have says something.
func activeRowsLost(j *judged) verdicts {
	if j.in.PreviousFacts != nil {
		return verdicts{}
	}
	return listed(j.gamesWhere(func(g *game) (string, bool) {
		was := int64(len(j.previous.active[g.id]))
		active, _ := j.tally(g)
		return fmt.Sprintf(" (%d to %d)", was, active), over(was-int64(active), was, lostErrorPercent)
	}), fails, "games would lose active rows")
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
	return listed(j.gamesWhere(func(g *game) (string, bool) {
		active, _ := j.tally(g)
		return fmt.Sprintf(" (%d)", active), active < gameMinActive || active > gameMaxActive
	}), warns, fmt.Sprintf("games with active players outside %d to %d", gameMinActive, gameMaxActive))
}

func rowsPerGame(j *judged) verdicts {
	return listed(j.gamesWhere(func(g *game) (string, bool) {
		_, rows := j.tally(g)
		return fmt.Sprintf(" (%d)", rows), rows < gameMinRows || rows > gameMaxRows
	}), warns, fmt.Sprintf("games with rows outside %d to %d", gameMinRows, gameMaxRows))
}

func teamPoints(j *judged) verdicts {
	var list []string
	j.sides(func(g *game, team string, t *totals) {
		if t != nil && (t.pts < teamMinPoints || t.pts > teamMaxPoints) {
			list = append(list, fmt.Sprintf("%s %s %d", g.id, team, t.pts))
		}
	})
	return listed(list, warns, fmt.Sprintf("teams with points outside %d to %d", teamMinPoints, teamMaxPoints))
}

// players lists active entries that a condition holds for.
func (j *judged) players(f func(e *entry) bool) []string {
	var list []string
	for _, e := range j.merged.entries {
		if e.active() && f(e) {
			list = append(list, e.game.id+" "+e.key)
		}
	}
	return list
}

func playerPoints(j *judged) verdicts {
	return listed(j.players(func(e *entry) bool { return e.stats.n[points] > playerMaxPoints }), warns,
		fmt.Sprintf("players with more than %d points", playerMaxPoints))
}

func playerMinutes(j *judged) verdicts {
	return listed(j.players(func(e *entry) bool { return e.minutes.Seconds > playerMaxSeconds }), warns,
		fmt.Sprintf("players with more than %d minutes", playerMaxSeconds/60))
}

func unresolvedShare(j *judged) verdicts {
	n := int64(0)
	for _, e := range j.merged.entries {
		if e.who.id == "" {
			n++
		}
	}
	if all := int64(len(j.merged.entries)); over(n, all, unresolvedWarnPercent) {
		return warns("%d of %d rows without a registry id, at most %d%% expected", n, all, unresolvedWarnPercent)
	}
	return verdicts{}
}
