package summary

import (
	"gamefill/internal/boxscore"
	"gamefill/internal/table"
)

// Lengths of a game, in seconds of all five players of a team together.
const (
	regulationSeconds = 4 * 12 * 60 * 5 // 14400
	overtimeSeconds   = 5 * 60 * 5      // 1500
	maxOvertimes      = 6               // the most ever played; the search for the best fit ends there
)

// completeMinPlayers is the fewest players that can finish a game.
const completeMinPlayers = 5

// totals are the sums over the active rows of one team in one game.
type totals struct {
	fga, fta, tov, pts int64
	seconds            int64
	players, rows      int
	wholeMinutes       int  // active rows whose time is in whole minutes
	gaps               bool // some active row lacks FGA, TOV or minutes
	teamSeconds        int64
	finalScore         int64
	scoreKnown         bool
	complete           bool
}

// tolerance is how far the sum of seconds may be from the team's time: a minute, or half a minute for each row that
// was rounded to a whole one.
func (t *totals) tolerance() int64 { return max(60, 30*int64(t.wholeMinutes)) }

// completeness is the share of the team's time accounted for, at most one.
func (t *totals) completeness() ratio {
	if t.complete || t.seconds >= t.teamSeconds {
		return ratio{1, 1}
	}
	return ratio{t.seconds, t.teamSeconds}
}

// gameFacts is what the lines of a game say about the game itself.
type gameFacts struct {
	period     int64 // greatest period seen, 0 for unknown
	score      score // by the schedule, else by the secondary source
	overByFeed bool  // the secondary source calls the game final
}

// readGameFacts gathers period, score and status of each game from the secondary source's lines.
func (c *cleaner) readGameFacts() map[*game]*gameFacts {
	at := &columnsOf[bdl]
	facts := map[*game]*gameFacts{}
	for _, l := range c.lines {
		f := facts[l.game]
		if f == nil {
			f = &gameFacts{score: l.game.score}
			facts[l.game] = f
		}
		if l.src != bdl {
			continue
		}
		if period, ok := l.row[at.period].Int64(); ok {
			f.period = max(f.period, period)
		}
		f.overByFeed = f.overByFeed || lowerTrim(l.row[at.gameStatus].Str()) == "final"
		if !l.game.score.known {
			// A score grows during a game, so the greatest total is the last.
			if s := feedScore(l); s.known && (!f.score.known || s.home+s.away > f.score.home+f.score.away) {
				f.score = s
			}
		}
	}
	return facts
}

// feedScore is the score that a line of the secondary source carries, turned to the game's home and away.
func feedScore(l *line) score {
	at := &columnsOf[bdl]
	home, okHome := l.row[at.homeScore].Int64()
	away, okAway := l.row[at.awayScore].Int64()
	team, ok := Team(l.row[at.homeTeam].Str())
	switch {
	case !okHome || !okAway || !ok:
		return score{}
	case team == l.game.home:
		return newScore(away, home)
	case team == l.game.away:
		return newScore(home, away)
	}
	return score{}
}

// sumTeams adds up the active entries of each team and judges completeness. The sums come from the rows that are
// written, unresolved persons included, never from another table.
func (m *merged) sumTeams(facts map[*game]*gameFacts) map[teamGame]*totals {
	teams := map[teamGame]*totals{}
	for _, e := range m.entries {
		t := teams[teamGame{e.game, e.team}]
		if t == nil {
			t = &totals{}
			teams[teamGame{e.game, e.team}] = t
		}
		e.derived.team = t
		t.rows++
		if !e.active() {
			continue
		}
		t.players++
		t.fga += e.stats.n[fga]
		t.fta += e.stats.n[fta]
		t.tov += e.stats.n[turnovers]
		t.pts += e.stats.n[points]
		t.seconds += e.minutes.Seconds
		if e.minutes.WholeMinutes {
			t.wholeMinutes++
		}
		if !e.stats.known(fga) || !e.stats.known(turnovers) || e.minutes.Kind != MinutesKnown {
			t.gaps = true
		}
	}
	for side, t := range teams {
		f := facts[side.game]
		overtimes := max(0, min(f.period-4, maxOvertimes))
		if f.period == 0 {
			overtimes = bestFit(t.seconds)
		}
		t.teamSeconds = regulationSeconds + overtimeSeconds*overtimes
		if f.score.known {
			t.finalScore, _ = f.score.of(side.game, side.team)
			t.scoreKnown = true
		}
		t.complete = t.players >= completeMinPlayers && !t.gaps &&
			abs(t.seconds-t.teamSeconds) <= t.tolerance() && (!t.scoreKnown || t.pts == t.finalScore)
	}
	return teams
}

// bestFit is the number of overtimes whose team time is nearest to the sum of seconds, the fewer of two.
func bestFit(seconds int64) (overtimes int64) {
	for n := int64(1); n <= maxOvertimes; n++ {
		if abs(seconds-regulationSeconds-overtimeSeconds*n) < abs(seconds-regulationSeconds-overtimeSeconds*overtimes) {
			overtimes = n
		}
	}
	return overtimes
}

// derived are the computed columns of an entry.
type derived struct {
	team                  *totals
	ts, efg               table.Value
	usage, usageRaw       table.Value
	usageCapped           table.Value
	usageValid            table.Value
	usageAnomaly          table.Value
	usageShown            bool // usage is not NULL
	starter, win          bool
	minutes, completeness table.Value
}

// Limits of the decimal columns, unscaled: the largest value that fits.
const (
	limitRatio   = 99_999  // NUMERIC(5,3)
	limitUsage   = 999_999 // NUMERIC(6,2): 9999.99
	usageMaxReal = 50      // percent; above, a usage is an artefact of a short stint
	usageMaxEver = 100     // percent; above, it is no share of anything
	starterLimit = 20 * 60 // seconds
)

// trueShooting is points per scoring attempt as a ratio, normally 0 to 1.5:
//
//	PTS / (2 * (FGA + 0.44*FTA))
//
// Unknown when a term is, or without any attempt. Source: Basketball-Reference glossary, "True Shooting Percentage".
func trueShooting(s *stats) ratio {
	if !s.known(points) || !s.known(fga) || !s.known(fta) {
		return ratio{}
	}
	return ratio{100 * s.n[points], 2 * (100*s.n[fga] + 44*s.n[fta])}
}

// effectiveFieldGoals counts a three as one and a half, as a ratio from 0 to 1.5:
//
//	(FGM + 0.5*3PM) / FGA
//
// Unknown without FGM or an attempt; unknown threes count as none. Source: the same glossary, "Effective Field Goal
// Percentage".
func effectiveFieldGoals(s *stats) ratio {
	if !s.known(fgm) || !s.known(fga) {
		return ratio{}
	}
	return ratio{2*s.n[fgm] + s.n[tpm], 2 * s.n[fga]}
}

// usageRate is the percent of the team's plays that the player ended while on the floor:
//
//	100 * (FGA + 0.44*FTA + TOV) * (team seconds / 5) / (seconds * (team FGA + 0.44*team FTA + team TOV))
//
// Team seconds are those of the real game, overtimes included. Unknown without playing time, FGA or TOV, for a team
// that does not add up, or without team plays. Source: the same glossary, "Usage Percentage".
func usageRate(s *stats, m Minutes, t *totals) ratio {
	if m.Kind != MinutesKnown || m.Seconds == 0 || !s.known(fga) || !s.known(turnovers) || !t.complete {
		return ratio{}
	}
	plays := 100*s.n[fga] + 44*s.n[fta] + 100*s.n[turnovers]
	teamPlays := 100*t.fga + 44*t.fta + 100*t.tov
	return ratio{100 * plays * t.teamSeconds, 5 * m.Seconds * teamPlays}
}

// decimal rounds a ratio once into a NUMERIC; NULL when unknown.
func (r ratio) decimal(scale int, limit int64) table.Value {
	if !r.known() {
		return table.Null
	}
	return table.Numeric(r.scaled(scale, limit), scale)
}

// derive fills the computed columns of every entry.
func (m *merged) derive(facts map[*game]*gameFacts, teams map[teamGame]*totals) {
	for _, e := range m.entries {
		d := &e.derived
		d.completeness = d.team.completeness().decimal2()
		own, other, known := result(e, facts[e.game], teams)
		d.win = known && own > other
		if !known {
			e.issues.add(issueUnknownResult)
		}
		if !e.active() {
			continue
		}
		if e.minutes.Kind == MinutesKnown {
			d.minutes = table.Numeric(MinutesPlayed(e.minutes.Seconds), 1)
			d.starter = e.minutes.Seconds > starterLimit
		}
		d.ts = trueShooting(&e.stats).decimal(3, limitRatio)
		d.efg = effectiveFieldGoals(&e.stats).decimal(3, limitRatio)
		d.setUsage(usageRate(&e.stats, e.minutes, d.team))
		if pointsMismatch(&e.stats) {
			e.issues.add(issuePointsMismatch)
		}
	}
}

func (r ratio) decimal2() table.Value { return ratio{100 * r.num, r.den}.decimal(2, 10_000) }

// setUsage derives the five usage columns of an active entry from the exact raw value.
func (d *derived) setUsage(raw ratio) {
	if !d.team.complete {
		d.usageValid, d.usageAnomaly = table.Bool(false), table.String(anomalyPartialTeam)
		return
	}
	if !raw.known() {
		return
	}
	d.usageRaw = raw.decimal(2, limitUsage)
	if raw.atMost(usageMaxEver) {
		d.usage, d.usageShown = table.Numeric(10*raw.scaled(1, limitUsage), 2), true
	}
	if raw.atMost(usageMaxReal) {
		d.usageCapped, d.usageValid = d.usageRaw, table.Bool(true)
		return
	}
	d.usageCapped = table.Numeric(usageMaxReal*100, 2)
	d.usageValid, d.usageAnomaly = table.Bool(false), table.String(anomalyExceedsMax)
}

// result is the score of an entry's game from its team's side: the known final score, else the sums of both teams'
// rows. Without both sides, or at a tie, nobody has won.
func result(e *entry, f *gameFacts, teams map[teamGame]*totals) (own, other int64, known bool) {
	if f.score.known {
		own, other = f.score.of(e.game, e.team)
		return own, other, true
	}
	us, them := teams[teamGame{e.game, e.team}], teams[teamGame{e.game, e.opponent()}]
	if us == nil || them == nil || us.pts == them.pts {
		return 0, 0, false
	}
	return us.pts, them.pts, true
}

// pointsMismatch reports whether points are not what the shots add up to, where all four are known:
//
//	PTS = 2*FGM + 3PM + FTM
func pointsMismatch(s *stats) bool {
	if !s.known(points) || !s.known(fgm) || !s.known(tpm) || !s.known(ftm) {
		return false
	}
	return s.n[points] != 2*s.n[fgm]+s.n[tpm]+s.n[ftm]
}

// gameStatus is the value of game_status_at_processing: games that are built are final, unless no source says so.
func gameStatus(g *game, f *gameFacts) table.Value {
	if g.state == final || f.overByFeed {
		return table.String(gameStatusFinal)
	}
	return table.Null
}

// Statuses in the order of their counts.
var statuses = []string{boxscore.Active, boxscore.DNP, boxscore.Inactive}
