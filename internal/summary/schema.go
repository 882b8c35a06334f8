package summary

import "gamefill/internal/table"

// Target is the one definition of the output table: columns in the order of the live table, then the five quality
// columns that its DDL never had. One row per person and game, partitioned by game date.
var Target = &table.Schema{
	Dataset:   "nba_analytics",
	Name:      "player_game_summary",
	Partition: "game_date",
	Cluster:   []string{"universal_player_id", "player_lookup", "team_abbr", "game_date"},
	Key:       []string{"game_id", "player_lookup", "team_abbr", "universal_player_id"},
	Columns:   columns(),
}

func columns() []table.Column {
	var cols []table.Column
	// Identity.
	cols = append(cols,
		required(text("player_lookup", "Normalised name: a-z and 0-9 of the name in the winning source.")),
		text("universal_player_id", "Registry id of the person; NULL while the registry does not know the name."),
		text("player_full_name", "Name as the winning source shows it."),
		required(text("game_id", "YYYYMMDD_AWAY_HOME, sides as on the schedule.")),
		required(table.Column{Name: "game_date", Type: table.DATE, Doc: "US Eastern calendar date of the game."}),
		required(text("team_abbr", "Team that listed the person, one of the 30 codes.")),
		required(text("opponent_team_abbr", "The other side of game_id.")),
		required(integer("season_year", "First year of the season: 2021 for 2021-22, computed from game_date.")),
	)
	// Box score; NULL throughout for those who did not play.
	cols = append(cols,
		integer("points", "Points scored."),
		numeric("minutes_played", 5, 1, "Minutes to a tenth, from whole seconds, half up."),
		integer("assists", "Assists."),
		integer("offensive_rebounds", "Offensive rebounds."),
		integer("defensive_rebounds", "Defensive rebounds."),
		integer("steals", "Steals."),
		integer("blocks", "Blocked shots."),
		integer("turnovers", "Turnovers of the player; team turnovers are nobody's."),
		integer("fg_attempts", "Field goals attempted, threes included."),
		integer("fg_makes", "Field goals made, threes included."),
		integer("three_pt_attempts", "Three-pointers attempted, from the box score."),
		integer("three_pt_makes", "Three-pointers made, from the box score."),
		integer("ft_attempts", "Free throws attempted."),
		integer("ft_makes", "Free throws made."),
		integer("plus_minus", "Score difference while on the floor; gamebook only."),
		integer("personal_fouls", "Personal fouls."),
	)
	// Shot zones, from play-by-play.
	for _, name := range []string{
		"paint_attempts", "paint_makes", "mid_range_attempts", "mid_range_makes", "three_attempts_pbp", "three_makes_pbp",
	} {
		cols = append(cols, unowned(integer(name, "Shots by zone, from play-by-play.")))
	}
	cols = append(cols, unowned(boolean("has_complete_shot_zones", "Whether play-by-play covered all shots.")))
	for _, name := range []string{
		"paint_blocks", "mid_range_blocks", "three_pt_blocks", "and1_count", "assisted_fg_makes", "unassisted_fg_makes",
	} {
		cols = append(cols, unowned(integer(name, "Events by zone or kind, from play-by-play.")))
	}
	// Efficiency.
	cols = append(cols,
		numeric("usage_rate", 6, 2, "Percent of team plays used while on the floor, to one place; NULL above 100."),
		numeric("ts_pct", 5, 3, "True shooting as a ratio, normally 0 to 1.5."),
		numeric("efg_pct", 5, 3, "Effective field goals as a ratio, 0 to 1.5."),
		required(boolean("starter_flag", "More than 20 minutes played: a proxy, not the line-up.")),
		required(boolean("win_flag", "Whether the team won; FALSE with issue unknown_result where no score is known.")),
	)
	// Betting lines.
	cols = append(cols,
		unowned(numeric("points_line", 4, 1, "Points line before tip-off.")),
		unowned(text("over_under_result", "OVER, UNDER or PUSH against the line.")),
		unowned(numeric("margin", 6, 2, "Points minus the line.")),
		unowned(numeric("opening_line", 4, 1, "First line seen.")),
		unowned(numeric("line_movement", 4, 1, "Last line minus first line.")),
		unowned(text("points_line_source", "Bookmaker of the line.")),
		unowned(text("opening_line_source", "Bookmaker of the first line.")),
	)
	// Availability.
	cols = append(cols,
		required(boolean("is_active", "Whether the person played.")),
		text("player_status", "active, dnp or inactive."),
		boolean("is_dnp", "Whether the person was listed and did not play."),
		text("dnp_reason", "Reason as the source prints it; NULL for those who played."),
		text("dnp_reason_category", "injury, rest, personal, coach_decision or other; NULL without a reason."),
	)
	// Lineage, the same on every row of a date.
	for _, p := range []struct {
		prefix string
		owned  bool
	}{
		{"nbac", true}, {"bdl", true}, {"bbd", false}, {"nbac_pbp", false}, {"odds", false}, {"bp", false}, {"team", true},
	} {
		lineage := []table.Column{
			{Name: "source_" + p.prefix + "_last_updated", Type: table.TIMESTAMP,
				Doc: "Newest processed_at among the rows used."},
			integer("source_"+p.prefix+"_rows_found", "Rows used on the date."),
			numeric("source_"+p.prefix+"_completeness_pct", 5, 2, "Percent of the schedule's final games found."),
			text("source_"+p.prefix+"_hash", "Hash over the rows used, 16 hex digits."),
		}
		for _, c := range lineage {
			c.Lineage = p.owned
			if !p.owned {
				c = unowned(c)
			}
			cols = append(cols, c)
		}
	}
	// Quality.
	cols = append(cols,
		text("data_quality_tier", "gold, silver or bronze, by source."),
		text("primary_source_used", "nbac_gamebook, bdl_boxscores or nbac_bdl_combined."),
		boolean("processed_with_issues", "Any issue other than missing_plus_minus and missing_shot_zones."),
		unowned(boolean("shot_zones_estimated", "Whether zones were estimated.")),
	)
	// Completeness of the team's box score.
	cols = append(cols,
		boolean("is_partial_game_data", "Whether the team's rows do not add up to its game."),
		numeric("game_completeness_pct", 5, 2, "Percent of the team's playing time accounted for; 100 when complete."),
		text("game_status_at_processing", "scheduled, in_progress or final; NULL when no source says."),
	)
	// Usage checks.
	cols = append(cols,
		boolean("usage_rate_valid", "Raw usage of at most 50 in a complete team; NULL for those who did not play "+
			"or played no second."),
		numeric("usage_rate_capped", 5, 2, "The smaller of raw usage and 50."),
		numeric("usage_rate_raw", 6, 2, "Usage as computed, at most 9999.99."),
		text("usage_rate_anomaly_reason", "partial_team_data or exceeds_max; NULL when valid."),
	)
	// Versioning.
	cols = append(cols,
		text("dedup_key", "game_id|player_lookup, longer where two persons share it; unique in the table."),
		volatile(integer("record_version", "1, and one more each time data_hash changes.")),
		volatile(table.Column{Name: "first_processed_at", Type: table.TIMESTAMP, Doc: "When the row first appeared."}),
		text("data_hash", "First 16 hex digits of SHA-256 over 48 fields of the row."),
		volatile(table.Column{Name: "created_at", Type: table.TIMESTAMP, Doc: "When the row first appeared."}),
		volatile(table.Column{Name: "processed_at", Type: table.TIMESTAMP, Doc: "When the row was built."}),
	)
	// Quality columns that the live DDL lacks.
	cols = append(cols,
		table.Column{Name: "quality_score", Type: table.FLOAT64,
			Doc: "Start score of the source minus 5 per deduction, 0 to 100."},
		table.Column{Name: "quality_issues", Type: table.STRINGS, Doc: "Names of the row's issues, sorted."},
		boolean("is_production_ready", "Score of at least 50 and no disqualifying issue."),
		text("data_quality_flag", "complete, partial or partial_no_team_stats."),
		text("processing_context", "Mode the run declared: daily, cascade, backfill or manual."),
	)
	return cols
}

func text(name, doc string) table.Column {
	return table.Column{Name: name, Type: table.STRING, Doc: doc}
}

func integer(name, doc string) table.Column {
	return table.Column{Name: name, Type: table.INT64, Doc: doc}
}

func boolean(name, doc string) table.Column {
	return table.Column{Name: name, Type: table.BOOL, Doc: doc}
}

func numeric(name string, precision, scale int, doc string) table.Column {
	return table.Column{Name: name, Type: table.NUMERIC, Precision: precision, Scale: scale, Doc: doc}
}

func required(c table.Column) table.Column { c.Required = true; return c }
func unowned(c table.Column) table.Column  { c.Role = table.Unowned; return c }
func volatile(c table.Column) table.Column { c.Role = table.Volatile; return c }
