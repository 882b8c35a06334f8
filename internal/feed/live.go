package feed

import (
	"gamefill/internal/boxscore"
	"gamefill/internal/table"
)

var liveColumns = []string{
	"GAME_ID", "GAME_DATE", "GAME_TYPE", "TEAM_SIDE", "TEAM", "OPPONENT", "personId", "name", "jerseyNum",
	"position", "starter", "played", "status", "minutesCalculated", "points", "fieldGoalsMade", "fieldGoalsAttempted",
	"threePointersMade", "threePointersAttempted", "freeThrowsMade", "freeThrowsAttempted", "reboundsOffensive",
	"reboundsDefensive", "reboundsTotal", "assists", "steals", "blocks", "turnovers", "plusMinusPoints", "pointsFastBreak",
	"pointsInThePaint",
}

// liveStats are the numbers that the gamebook has too; personal_fouls has none.
var liveStats = []stat{
	{"points", "points", false}, {"fieldGoalsMade", "field_goals_made", false},
	{"fieldGoalsAttempted", "field_goals_attempted", false}, {"threePointersMade", "three_pointers_made", false},
	{"threePointersAttempted", "three_pointers_attempted", false}, {"freeThrowsMade", "free_throws_made", false},
	{"freeThrowsAttempted", "free_throws_attempted", false}, {"reboundsOffensive", "offensive_rebounds", false},
	{"reboundsDefensive", "defensive_rebounds", false}, {"reboundsTotal", "total_rebounds", false},
	{"assists", "assists", false}, {"steals", "steals", false}, {"blocks", "blocks", false},
	{"turnovers", "turnovers", false}, {"plusMinusPoints", "plus_minus", true},
}

// liveOnly are the numbers that the gamebook does not have; they are checked and left out.
var liveOnly = []string{"pointsFastBreak", "pointsInThePaint"}

var liveRows = newBuilder(boxscore.Gamebook)

// parseLive reads one person of one game. The feed writes zeros for those who did not play, the gamebook NULL; a number
// of such a person that is not zero is left out too and counted as ignored.
func parseLive(r *record) entry {
	var g game
	r.league("GAME_ID", &g)
	r.played("GAME_DATE", &g)
	own, other := r.team("TEAM", r.need("TEAM"), g), r.team("OPPONENT", r.need("OPPONENT"), g)
	g.home, g.away = own, other
	if r.oneOf("TEAM_SIDE", "homeTeam", "awayTeam") == "awayTeam" {
		g.home, g.away = other, own
	}
	if own == other {
		r.reject(ReasonNotPlaying, "%s plays itself", own)
	}
	if r.bad == nil {
		r.sameKind("GAME_TYPE", g)
	}
	person, name := r.id("personId"), r.need("name")
	lookup := r.lookup("name", name)
	r.flag("starter")
	status := liveStatus(r.flag("played"), r.oneOf("status", "ACTIVE", "INACTIVE"))
	for _, column := range liveOnly {
		r.whole(column, false)
	}
	e := entry{game: g, person: person, name: name}
	if r.bad != nil {
		return e
	}
	row := liveRows.row(values{
		"game_id": table.String(g.key()), "game_date": table.Date(g.date), "season_year": table.Int(int64(g.year)),
		"home_team_abbr": table.String(g.home), "away_team_abbr": table.String(g.away), "team_abbr": table.String(own),
		"player_name": table.String(name), "player_name_original": table.String(name), "player_lookup": table.String(lookup),
		"player_status": table.String(status), "name_resolution_status": table.String(boxscore.Original),
		"processed_at": stamp(g.date),
	})
	for _, s := range liveStats {
		v := r.whole(s.from, s.signed)
		if status == boxscore.Active {
			liveRows.set(row, s.to, v)
		} else if n, ok := v.Int64(); ok && n != 0 {
			r.ignored++
		}
	}
	if status == boxscore.Active {
		liveRows.set(row, "minutes", r.optional("minutesCalculated"))
	}
	e.row = row
	return e
}

// liveStatus reads the feed's two marks as the gamebook would: who played is active whatever the roster said.
func liveStatus(played bool, roster string) string {
	switch {
	case played:
		return boxscore.Active
	case roster == "ACTIVE":
		return boxscore.DNP
	}
	return boxscore.Inactive
}
