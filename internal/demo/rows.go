package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"strings"
	"time"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/summary"
	"gamefill/internal/table"
)

// values maps column names to values; absent columns are NULL.
type values map[string]table.Value

// rowOf makes a row; a name that the table lacks is a mistake in this package and panics.
func rowOf(t *table.Schema, vs values) table.Row {
	row := make(table.Row, len(t.Columns))
	for name, v := range vs {
		row[t.MustIndex(name)] = v
	}
	return row
}

func text(s string) table.Value { return table.String(s) }
func number(n int) table.Value  { return table.Int(int64(n)) }

// orNull is text, NULL for "".
func orNull(s string) table.Value {
	if s == "" {
		return table.Null
	}
	return table.String(s)
}

// at is an instant on a date, UTC.
func at(date gamedate.Date, hour, minute int) table.Value {
	return table.Timestamp(date.Time().Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute))
}

// Rows yields the rows of one of boxscore.Tables, in a fixed order: games by date. A table that the league does not
// fill has none.
func (l *League) Rows(t *table.Schema) iter.Seq[table.Row] {
	return l.rows(t, func(d gamedate.Date) spoil { return l.spoiling[d] }, func(gamedate.Date) bool { return true })
}

// rows yields the rows of the dates that are wanted, spoilt as asked. Tables without partitions come whole.
func (l *League) rows(t *table.Schema, spoilt func(gamedate.Date) spoil,
	wanted func(gamedate.Date) bool) iter.Seq[table.Row] {
	return func(yield func(table.Row) bool) {
		goes := true
		out := func(row table.Row) {
			goes = goes && yield(row)
		}
		switch t {
		case boxscore.Registry:
			for _, s := range l.stints {
				out(s.row())
			}
			return
		case boxscore.Aliases:
			for _, p := range l.people {
				if p.alias != "" {
					out(p.aliasRow())
				}
			}
			return
		}
		var before gamedate.Date
		for _, g := range l.games {
			if !goes {
				return
			}
			firstOfDate := g.date != before
			before = g.date
			if !wanted(g.date) {
				continue
			}
			s := spoilt(g.date)
			missing := s == noRows || s == noGame && firstOfDate
			switch {
			case t == boxscore.Schedule:
				g.schedule(out)
			case t == boxscore.Gamebook && !missing:
				g.book(s == impossible && firstOfDate, out)
			case t == boxscore.BDL && !missing:
				g.second(out)
			}
		}
	}
}

// Old codes: the loaders write them until the turn of the year, as real ones did after teams had moved.
func oldCode(team, is, was string, date gamedate.Date) string {
	if team == is && date.Month >= time.October {
		return was
	}
	return team
}

func bookCode(team string, date gamedate.Date) string   { return oldCode(team, "BKN", "BRK", date) }
func secondCode(team string, date gamedate.Date) string { return oldCode(team, "PHX", "PHO", date) }

// schedule yields the row that announced the game and the one that says how it ended.
func (g *game) schedule(out func(table.Row)) {
	common := func(status int, statusText string, processed table.Value) values {
		return values{
			"game_id": text(g.id), "game_code": text(g.date.Compact() + "/" + g.away.team + g.home.team),
			"season": text(gamedate.SeasonName(g.season)), "season_nba_format": text(gamedate.SeasonName(g.season)),
			"season_year": number(g.season), "game_date": table.Date(g.date), "game_date_est": at(g.date, 0, 0),
			"game_status": number(status), "game_status_text": text(statusText),
			"home_team_tricode": text(g.home.team), "away_team_tricode": text(g.away.team),
			"is_regular_season": table.Bool(g.kind() == regular), "is_playoffs": table.Bool(g.kind() == playoffs),
			"is_all_star": table.Bool(g.kind() == allStar), "is_emirates_cup": table.Bool(false),
			"neutral_site_flag": table.Bool(g.kind() == allStar),
			"processed_at":      processed,
		}
	}
	out(rowOf(boxscore.Schedule, common(boxscore.Scheduled, "7:30 pm ET", at(g.date.AddDays(-14), 9, 0))))
	after := at(g.date.AddDays(1), 5, 0)
	if g.postponed {
		out(rowOf(boxscore.Schedule, common(boxscore.Scheduled, "PPD", after)))
		return
	}
	vs := common(boxscore.Final, "Final", after)
	vs["home_team_score"], vs["away_team_score"] = number(g.home.score), number(g.away.score)
	vs["winning_team_tricode"] = text(g.home.team)
	if g.away.score > g.home.score {
		vs["winning_team_tricode"] = text(g.away.team)
	}
	out(rowOf(boxscore.Schedule, vs))
}

// hash is a stand-in for the loaders' hash of a line.
func hash(parts ...any) table.Value {
	sum := sha256.Sum256([]byte(fmt.Sprint(parts...)))
	return text(hex.EncodeToString(sum[:8]))
}

// book yields the gamebook's rows. Where a date is to fail, wrong makes the first line impossible.
func (g *game) book(wrong bool, out func(table.Row)) {
	g.each(func(p place, l *line) {
		if !g.inBook(p) {
			return
		}
		if g.faults.readTwice {
			early := *l
			early.seconds, early.box = l.seconds/2, l.box.half()
			out(g.bookRow(p, early, at(g.date.AddDays(1), 2, 0)))
		}
		now := *l
		if wrong && p.line == 0 && p.side == g.home {
			now.box.fga = 0
		}
		if g.faults.rosterOnly && l.status == boxscore.Active {
			now.status = boxscore.DNP
		}
		out(g.bookRow(p, now, at(g.date.AddDays(1), 6, 0)))
	})
}

// half is about what a box score shows at half-time.
func (b box) half() box {
	return box{b.fgm / 2, b.fga / 2, b.tpm / 2, b.tpa / 2, b.ftm / 2, b.fta / 2, b.oreb / 2, b.dreb / 2, b.ast / 2,
		b.stl / 2, b.blk / 2, b.tov / 2, b.fouls / 2}
}

func (g *game) bookRow(p place, l line, processed table.Value) table.Row {
	away, home := bookCode(g.away.team, g.date), bookCode(g.home.team, g.date)
	id := g.date.Compact() + "_" + away + "_" + home
	vs := values{
		"game_id": text(id), "game_code": text(g.date.Compact() + "/" + away + home),
		"source_file_path":    text("gamebook/" + g.date.String() + "/" + away + home + ".json"),
		"processed_by_run_id": text("demo"), "game_date": table.Date(g.date), "season_year": number(g.season),
		"home_team_abbr": text(home), "away_team_abbr": text(away), "player_name": text(l.player.book),
		"player_name_original": text(l.player.book), "player_lookup": text(summary.Lookup(l.player.book)),
		"team_abbr": text(bookCode(p.side.team, g.date)), "player_status": text(l.status), "dnp_reason": orNull(l.reason),
		"name_resolution_status": text(boxscore.Original), "processed_at": processed,
		"data_hash": hash(id, l.player.book, l.status, l.seconds, l.box),
	}
	switch {
	case l.status == boxscore.Inactive && g.faults.nameless && p == g.namelessPlace():
		name := l.player.surname()
		vs["player_name"], vs["player_name_original"], vs["player_lookup"] = text(name), text(name),
			text(summary.Lookup(name))
		vs["name_resolution_status"] = text(boxscore.NotFound)
	case l.status == boxscore.Inactive: // printed by surname, matched to the roster upstream
		vs["player_name_original"], vs["name_resolution_status"] = text(l.player.surname()), text(boxscore.Resolved)
	case l.status == boxscore.Active:
		vs["minutes"] = text(fmt.Sprintf("%d:%02d", l.seconds/60, l.seconds%60))
		vs["plus_minus"] = number(l.plusMinus)
		vs["total_rebounds"] = number(l.box.oreb + l.box.dreb)
		l.box.fill(vs)
		if g.faults.noSteals && p == g.stealsPlace() {
			delete(vs, "steals")
		}
	}
	return rowOf(boxscore.Gamebook, vs)
}

// fill writes the counts that both sources name alike.
func (b box) fill(vs values) {
	for name, n := range map[string]int{
		"points": b.points(), "field_goals_made": b.fgm, "field_goals_attempted": b.fga, "three_pointers_made": b.tpm,
		"three_pointers_attempted": b.tpa, "free_throws_made": b.ftm, "free_throws_attempted": b.fta,
		"offensive_rebounds": b.oreb, "defensive_rebounds": b.dreb, "assists": b.ast, "steals": b.stl, "blocks": b.blk,
		"turnovers": b.tov, "personal_fouls": b.fouls,
	} {
		vs[name] = number(n)
	}
}

// second yields the secondary source's rows: whole minutes, zeros for who did not play, no status.
func (g *game) second(out func(table.Row)) {
	again := g.faults.repeated
	g.each(func(p place, l *line) {
		if !g.inSecond(p) {
			return
		}
		row := g.secondRow(p, *l)
		out(row)
		if again {
			out(row)
			again = false
		}
	})
}

// smallDifferences: every so manieth line has one assist more, as a scorer's correction that one source missed.
const smallDifferences = 7

func (g *game) secondRow(p place, l line) table.Row {
	away, home := secondCode(g.away.team, g.date), secondCode(g.home.team, g.date)
	id := g.date.Compact() + "_" + away + "_" + home
	if g.faults.reversed {
		id = g.date.Compact() + "_" + home + "_" + away
	}
	if g.faults.conflict && p == g.conflictPlace() {
		l.seconds, l.box = 3*60, box{fgm: 1, fga: 2}
	}
	minutes := (l.seconds + 30) / 60
	vs := values{
		"game_id": text(id), "game_date": table.Date(g.date), "season_year": number(g.season),
		"is_postseason": table.Bool(g.kind() == playoffs), "home_team_abbr": text(home), "away_team_abbr": text(away),
		"team_abbr": text(secondCode(p.side.team, g.date)), "player_full_name": text(l.player.second),
		"player_lookup": text(weakLookup(l.player.second)), "bdl_player_id": number(9000 + l.player.number),
		"jersey_number": text(l.player.jersey), "position": text(l.player.position),
		"minutes": text(fmt.Sprintf("%02d", minutes)), "rebounds": number(l.box.oreb + l.box.dreb),
		"data_hash":  hash(id, l.player.second, minutes, l.box),
		"created_at": at(g.date.AddDays(1), 8, 0), "processed_at": at(g.date.AddDays(1), 8, 0),
	}
	l.box.fill(vs)
	if l.status == boxscore.Active && (l.player.number+g.date.Day)%smallDifferences == 0 && !g.faults.noBook &&
		!g.faults.rosterOnly {
		vs["assists"] = number(l.box.ast + 1)
	}
	if g.faults.far && p == g.farPlace() {
		vs["points"] = number(l.box.points() + 3)
	}
	if !g.postponed {
		vs["game_status"], vs["period"] = text("Final"), number(4+g.overtimes)
		vs["home_team_score"], vs["away_team_score"] = number(g.home.score), number(g.away.score)
	}
	return rowOf(boxscore.BDL, vs)
}

// weakLookup is the key that the secondary source's loader stores: letters with accents are dropped, not folded.
func weakLookup(name string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
}

// row is the stint as the registry has it.
func (s *stint) row() table.Row {
	return rowOf(boxscore.Registry, values{
		"universal_player_id": text(s.player.id), "player_name": text(s.player.name),
		"player_lookup": text(summary.Lookup(s.player.name)), "team_abbr": text(s.team),
		"season": text(gamedate.SeasonName(s.season)), "first_game_date": table.Date(s.first),
		"last_game_date": table.Date(s.last), "games_played": number(s.games), "jersey_number": text(s.player.jersey),
		"position": text(s.player.position), "source_priority": number(1), "confidence_score": table.Float(1),
		"last_gamebook_activity_date": table.Date(s.last), "last_roster_activity_date": table.Date(s.last),
		"processed_at": at(s.last.AddDays(1), 7, 0),
	})
}

func (p *player) aliasRow() table.Row {
	made := at(gamedate.Date{Year: firstSeason, Month: time.September, Day: 1}, 0, 0)
	return rowOf(boxscore.Aliases, values{
		"alias_lookup": text(p.alias), "nba_canonical_lookup": text(summary.Lookup(p.name)),
		"alias_display": text(p.aliasSpelling), "nba_canonical_display": text(p.name),
		"alias_type": text("suffix_difference"), "alias_source": text("demo"),
		"is_active": table.Bool(true), "created_at": made, "processed_at": made,
	})
}
