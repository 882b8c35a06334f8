package feed

import (
	"gamefill/internal/gamedate"
	"gamefill/internal/summary"
	"gamefill/internal/table"
)

var playersColumns = []string{
	"season", "player_id", "name_live", "name_gamelog", "team", "first_date", "last_date", "games_listed", "games_played",
	"games_started", "games_inactive", "start_positions", "jersey_numbers",
}

var peopleRows = newBuilder(People)

// parsePlayer reads one player, season and team. The registry is made from these rows and from the spellings in the box
// scores; see derive.
func parsePlayer(r *record) entry {
	season := r.need("season")
	if _, err := gamedate.ParseSeason(season); err != nil && season != "" {
		r.reject(ReasonSeason, "%v", err)
	}
	person := r.id("player_id")
	live, gamelog := r.get("name_live"), r.get("name_gamelog")
	if live == "" && gamelog == "" {
		r.reject(ReasonMissing, "name_live and name_gamelog are empty")
	}
	r.lookup("name_live", live)
	r.lookup("name_gamelog", gamelog)
	team := r.team("team", r.need("team"), game{kind: summary.Regular})
	first, last := r.date("first_date"), r.date("last_date")
	if r.bad == nil && last.Before(first) {
		r.reject(ReasonDate, "last_date %s is before first_date %s", last, first)
	}
	for _, column := range []string{"games_started", "games_inactive"} {
		r.whole(column, false)
	}
	e := entry{game: game{date: first}, until: last, person: person,
		unique: season + " " + table.Int(person).Text() + " " + team}
	row := peopleRows.row(values{
		"season": table.String(season), "player_id": table.Int(person), "team": table.String(team),
		"name_live": r.optional("name_live"), "name_gamelog": r.optional("name_gamelog"),
		"first_date": table.Date(first), "last_date": table.Date(last),
		"games_listed": r.whole("games_listed", false), "games_played": r.whole("games_played", false),
		"start_positions": r.optional("start_positions"), "jersey_numbers": r.optional("jersey_numbers"),
	})
	e.row = row
	return e
}
