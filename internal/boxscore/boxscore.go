// Package boxscore declares the raw tables that the summary is built from: two box-score sources, the schedule, the
// player registry and its aliases. It holds schemas only; importers fill them, internal/summary reads them.
//
// Column names and types are those of the live warehouse (datasets nba_raw and nba_reference).
package boxscore

import "gamefill/internal/table"

// Datasets of the live warehouse.
const (
	Raw       = "nba_raw"
	Reference = "nba_reference"
)

// Player statuses of the gamebook.
const (
	Active   = "active"
	DNP      = "dnp"
	Inactive = "inactive"
)

// Name resolution statuses of the gamebook: how the name printed in the book was matched to a person upstream.
const (
	Original        = "original"
	Resolved        = "resolved"
	NotFound        = "not_found"
	MultipleMatches = "multiple_matches"
)

// Game statuses of the schedule.
const (
	Scheduled = 1
	Live      = 2
	Final     = 3
)

// Schedule is one row per game and load; the newest final row of a (game_id, game_date) counts.
// game_id is the league's ten-digit id, reused when a game is postponed.
var Schedule = &table.Schema{
	Dataset: Raw, Name: "nbac_schedule", Partition: "game_date", RequireFilter: true,
	Key: []string{"game_id", "game_date", "processed_at"},
	Columns: []table.Column{
		required("game_id", table.STRING), str("game_code"), str("season"), str("season_nba_format"),
		required("season_year", table.INT64), required("game_date", table.DATE), of("game_date_est", table.TIMESTAMP),
		num("game_status"), str("game_status_text"),
		required("home_team_tricode", table.STRING), required("away_team_tricode", table.STRING),
		num("home_team_score"), num("away_team_score"), str("winning_team_tricode"),
		of("is_regular_season", table.BOOL), of("is_playoffs", table.BOOL), of("is_all_star", table.BOOL),
		of("is_emirates_cup", table.BOOL), of("neutral_site_flag", table.BOOL), of("processed_at", table.TIMESTAMP),
	},
}

// Gamebook is the primary source: everybody listed for a game, played or not. minutes is text ("MM:SS"), NULL for
// those who did not play, like every stat.
var Gamebook = &table.Schema{
	Dataset: Raw, Name: "nbac_gamebook_player_stats", Partition: "game_date",
	Cluster: []string{"season_year", "team_abbr", "player_status", "name_resolution_status"},
	Key:     []string{"game_id", "player_name_original", "team_abbr"},
	Columns: []table.Column{
		required("game_id", table.STRING), str("game_code"), str("source_file_path"), str("processed_by_run_id"),
		required("game_date", table.DATE), required("season_year", table.INT64),
		str("home_team_abbr"), str("away_team_abbr"), str("player_name"), required("player_name_original", table.STRING),
		str("player_lookup"), str("team_abbr"), required("player_status", table.STRING), str("dnp_reason"),
		str("name_resolution_status"), str("minutes"), of("minutes_decimal", table.FLOAT64),
		num("points"), num("field_goals_made"), num("field_goals_attempted"), num("three_pointers_made"),
		num("three_pointers_attempted"), num("free_throws_made"), num("free_throws_attempted"),
		num("offensive_rebounds"), num("defensive_rebounds"), num("total_rebounds"), num("assists"), num("steals"),
		num("blocks"), num("turnovers"), num("personal_fouls"), num("plus_minus"),
		str("data_hash"), of("processed_at", table.TIMESTAMP),
	},
}

// BDL is the secondary source: whole minutes as text, zeros where a stat is missing, no plus_minus, no status.
var BDL = &table.Schema{
	Dataset: Raw, Name: "bdl_player_boxscores", Partition: "game_date", RequireFilter: true,
	Cluster: []string{"player_lookup", "team_abbr", "game_date"},
	Key:     []string{"game_id", "player_full_name", "team_abbr"},
	Columns: []table.Column{
		required("game_id", table.STRING), required("game_date", table.DATE), required("season_year", table.INT64),
		required("is_postseason", table.BOOL), str("game_status"), num("period"),
		required("home_team_abbr", table.STRING), required("away_team_abbr", table.STRING),
		required("team_abbr", table.STRING), num("home_team_score"), num("away_team_score"),
		required("player_full_name", table.STRING), required("player_lookup", table.STRING),
		num("bdl_player_id"), str("jersey_number"), str("position"), str("minutes"),
		num("points"), num("assists"), num("rebounds"), num("offensive_rebounds"), num("defensive_rebounds"),
		num("steals"), num("blocks"), num("turnovers"), num("personal_fouls"),
		num("field_goals_made"), num("field_goals_attempted"), num("three_pointers_made"), num("three_pointers_attempted"),
		num("free_throws_made"), num("free_throws_attempted"),
		str("data_hash"), required("created_at", table.TIMESTAMP), required("processed_at", table.TIMESTAMP),
	},
}

// Registry is one row per player, season and team. Not partitioned.
var Registry = &table.Schema{
	Dataset: Reference, Name: "nba_players_registry",
	Key: []string{"player_lookup", "season", "team_abbr", "universal_player_id"},
	Columns: []table.Column{
		str("universal_player_id"), required("player_name", table.STRING), required("player_lookup", table.STRING),
		required("team_abbr", table.STRING), required("season", table.STRING),
		of("first_game_date", table.DATE), of("last_game_date", table.DATE), num("games_played"),
		str("jersey_number"), str("position"), num("source_priority"), of("confidence_score", table.FLOAT64),
		of("last_gamebook_activity_date", table.DATE), of("last_roster_activity_date", table.DATE),
		of("processed_at", table.TIMESTAMP),
	},
}

// Aliases maps a spelling's lookup to the lookup the registry knows. Not partitioned.
var Aliases = &table.Schema{
	Dataset: Reference, Name: "player_aliases", Key: []string{"alias_lookup", "nba_canonical_lookup"},
	Columns: []table.Column{
		required("alias_lookup", table.STRING), required("nba_canonical_lookup", table.STRING),
		str("alias_display"), str("nba_canonical_display"), str("alias_type"), str("alias_source"),
		required("is_active", table.BOOL), of("created_at", table.TIMESTAMP), of("processed_at", table.TIMESTAMP),
	},
}

// Tables are all raw tables, partitioned ones first.
var Tables = []*table.Schema{Schedule, Gamebook, BDL, Registry, Aliases}

func of(name string, t table.Type) table.Column { return table.Column{Name: name, Type: t} }
func str(name string) table.Column              { return of(name, table.STRING) }
func num(name string) table.Column              { return of(name, table.INT64) }
func required(name string, t table.Type) table.Column {
	return table.Column{Name: name, Type: t, Required: true}
}
