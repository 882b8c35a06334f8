package feed

import "gamefill/internal/table"

// Dataset holds the importers' own notes, beside the raw tables that they fill. The tables' names say it too, for
// stores that have no datasets.
const Dataset = "gamefill_feed"

// People keeps the lines of players.csv as given. The registry cannot be made from them alone (its lookups depend on
// the spellings in the box scores), so they are kept until those are there.
var People = &table.Schema{
	Dataset: Dataset, Name: "feed_people", Key: []string{"season", "player_id", "team"},
	Columns: []table.Column{
		{Name: "season", Type: table.STRING, Required: true}, {Name: "player_id", Type: table.INT64, Required: true},
		{Name: "team", Type: table.STRING, Required: true},
		{Name: "name_live", Type: table.STRING}, {Name: "name_gamelog", Type: table.STRING},
		{Name: "first_date", Type: table.DATE, Required: true}, {Name: "last_date", Type: table.DATE, Required: true},
		{Name: "games_listed", Type: table.INT64}, {Name: "games_played", Type: table.INT64},
		{Name: "start_positions", Type: table.STRING}, {Name: "jersey_numbers", Type: table.STRING},
	},
}

// Games keeps, per box-score feed and game, who was listed under which spelling: the raw tables have no person ids.
// Registry and aliases are made from it, and it says which rows of the second source wait for a score.
var Games = &table.Schema{
	Dataset: Dataset, Name: "feed_games", Key: []string{"feed", "league_id"},
	Columns: []table.Column{
		{Name: "feed", Type: table.STRING, Required: true, Doc: "name of the format"},
		{Name: "league_id", Type: table.STRING, Required: true, Doc: "ten digits"},
		{Name: "game_id", Type: table.STRING, Required: true, Doc: "YYYYMMDD_AWAY_HOME"},
		{Name: "game_date", Type: table.DATE, Required: true},
		{Name: "counted", Type: table.BOOL, Required: true, Doc: "false for preseason and All-Star games"},
		{Name: "people", Type: table.STRINGS, Doc: "one \"person id, blank, spelling\" a line; counted games only"},
	},
}

var gamesRows = newBuilder(Games)
