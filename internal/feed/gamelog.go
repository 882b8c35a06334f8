package feed

import (
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/summary"
	"gamefill/internal/table"
)

var gamelogColumns = []string{
	"SEASON_ID", "GAME_ID", "GAME_DATE", "SEASON_TYPE", "MATCHUP", "WL", "TEAM_ID", "TEAM_ABBREVIATION", "TEAM_NAME",
	"PLAYER_ID", "PLAYER_NAME", "MIN", "FGM", "FGA", "FG3M", "FG3A", "FTM", "FTA", "OREB", "DREB", "REB", "AST", "STL",
	"BLK", "TOV", "PF", "PTS",
	"PLUS_MINUS",
}

var gamelogStats = []stat{
	{"FGM", "field_goals_made", false}, {"FGA", "field_goals_attempted", false}, {"FG3M", "three_pointers_made", false},
	{"FG3A", "three_pointers_attempted", false}, {"FTM", "free_throws_made", false},
	{"FTA", "free_throws_attempted", false}, {"OREB", "offensive_rebounds", false}, {"DREB", "defensive_rebounds", false},
	{"REB", "rebounds", false}, {"AST", "assists", false}, {"STL", "steals", false}, {"BLK", "blocks", false},
	{"TOV", "turnovers", false}, {"PF", "personal_fouls", false}, {"PTS", "points", false},
}

var gamelogRows = newBuilder(boxscore.BDL)

// parseGamelog reads one person of one game. The line has no score: it is filled in from the schedule; see scores.
// PLUS_MINUS is checked and left out, as the table has no such column.
func parseGamelog(r *record) entry {
	var g game
	r.league("GAME_ID", &g)
	r.played("GAME_DATE", &g)
	own := r.team("TEAM_ABBREVIATION", r.need("TEAM_ABBREVIATION"), g)
	r.matchup("MATCHUP", own, &g)
	if r.bad == nil {
		r.seasonID("SEASON_ID", g)
	}
	person, name := r.id("PLAYER_ID"), r.need("PLAYER_NAME")
	lookup := r.lookup("PLAYER_NAME", name)
	r.whole("PLUS_MINUS", true)
	e := entry{game: g, person: person, name: name}
	if r.bad != nil {
		return e
	}
	row := gamelogRows.row(values{
		"game_id": table.String(g.key()), "game_date": table.Date(g.date), "season_year": table.Int(int64(g.year)),
		"is_postseason": table.Bool(g.kind == summary.Playoffs), "game_status": table.String("Final"),
		"home_team_abbr": table.String(g.home), "away_team_abbr": table.String(g.away), "team_abbr": table.String(own),
		"player_full_name": table.String(name), "player_lookup": table.String(lookup), "minutes": r.optional("MIN"),
		"created_at": stamp(g.date), "processed_at": stamp(g.date),
	})
	for _, s := range gamelogStats {
		gamelogRows.set(row, s.to, r.whole(s.from, s.signed))
	}
	e.row = row
	return e
}

// matchup reads "LAL vs. GSW" (LAL at home) or "LAL @ GSW" (LAL away) as seen from the line's team.
func (r *record) matchup(column, own string, g *game) {
	s := r.need(column)
	first, second, home := strings.Cut(s, " vs. ")
	if !home {
		var away bool
		if first, second, away = strings.Cut(s, " @ "); !away {
			r.reject(ReasonValue, "%s: want AAA vs. BBB or AAA @ BBB, got %q", column, clip(s, 40))
			return
		}
	}
	first, second = r.team(column, first, *g), r.team(column, second, *g)
	g.home, g.away = second, first
	if home {
		g.home, g.away = first, second
	}
	if first != own || first == second {
		r.reject(ReasonNotPlaying, "%s: a line of %s has the match-up %q", column, own, clip(s, 40))
	}
}

// seasonID checks "22021" against the game id: the kind's last digit, then the season's first year.
func (r *record) seasonID(column string, g game) {
	want := g.league[2:3] + table.Int(int64(g.year)).Text()
	if s := r.need(column); s != want {
		r.reject(ReasonSeason, "%s: game %s has season id %s, got %q", column, g.league, want, clip(s, 40))
	}
}
