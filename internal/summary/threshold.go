package summary

import (
	"slices"

	"gamefill/internal/job"
)

// Where defaults come from.
const (
	fromRunbook  = "the old runbook"
	fromSpec     = "the transform's specification, section 12"
	fromIncident = "a failure that the old pipeline has had"
)

// Units.
const (
	ofActive    = "% of rows that played"
	ofAll       = "% of rows"
	ofGames     = "% of final games"
	players     = "players"
	rowsPerUnit = "rows a game"
)

func bounds(warn, fail int64) job.Bounds {
	return job.Bounds{Warn: job.Whole(warn), Fail: job.Whole(fail)}
}

func warnsBeyond(warn int64) job.Bounds { return job.Bounds{Warn: job.Whole(warn), Fail: job.None} }

// thresholds are all bounds of the job, those of the engine included, in the order in which they are listed. Names of
// one game date's acceptance begin with "date.", those of a whole range with "range.", of a sample with "sample.",
// those of its inputs with "preflight.".
var thresholds = slices.Concat([]job.Threshold{
	{Name: "date.match_rate", Unit: "% of players", Least: true, Bounds: bounds(95, 50),
		Doc: "players of the secondary source who meet a gamebook person", Source: fromIncident},
	{Name: "date.active_minutes_null", Unit: ofActive, Bounds: bounds(1, 5), Doc: "rows that played, without minutes",
		Source: fromRunbook},
	{Name: "date.usage_coverage", Unit: ofActive, Least: true, Bounds: bounds(80, 50),
		Doc: "rows that played, with a usage rate", Source: fromSpec},
	{Name: "date.shots_known", Unit: ofActive, Least: true, Bounds: warnsBeyond(90),
		Doc: "rows that played, with field goal and free throw attempts", Source: fromRunbook},
	{Name: "date.threes_known", Unit: ofActive, Least: true, Bounds: warnsBeyond(85),
		Doc: "rows that played, with three-point attempts", Source: fromRunbook},
	{Name: "date.points_mismatch", Unit: ofActive, Bounds: bounds(1, 1),
		Doc: "rows that played, whose points are not those of their shots", Source: fromSpec},
	{Name: "date.unresolved_share", Unit: ofAll, Bounds: warnsBeyond(2), Doc: "rows without a registry id",
		Source: fromIncident},
	{Name: "date.row_count_changed", Unit: "% of the rows before", Bounds: bounds(2, 5),
		Doc: "rows of a status more or fewer than in the version that gamefill wrote", Source: fromRunbook},
	{Name: "date.active_rows_lost", Unit: "% of the rows before", Bounds: bounds(5, 5),
		Doc: "rows that played fewer than in a game of a partition that gamefill did not write", Source: fromRunbook},
	{Name: "date.team_active_least", Unit: players, Least: true, Bounds: bounds(6, 5), Doc: "players of a team who played",
		Source: "five players a side are on the court"},
	{Name: "date.game_active_least", Unit: players, Least: true, Bounds: warnsBeyond(12),
		Doc: "players of a game who played", Source: fromSpec},
	{Name: "date.game_active_most", Unit: players, Bounds: warnsBeyond(36), Doc: "players of a game who played",
		Source: fromSpec},
	{Name: "date.game_rows_least", Unit: "rows", Least: true, Bounds: warnsBeyond(20),
		Doc: "rows of a game", Source: fromSpec},
	{Name: "date.game_rows_most", Unit: "rows", Bounds: warnsBeyond(48), Doc: "rows of a game", Source: fromSpec},
	{Name: "date.team_points_least", Unit: "points", Least: true, Bounds: warnsBeyond(70),
		Doc: "points of a team's players", Source: fromSpec},
	{Name: "date.team_points_most", Unit: "points", Bounds: warnsBeyond(180), Doc: "points of a team's players",
		Source: fromSpec},
	{Name: "date.player_points", Unit: "points", Bounds: warnsBeyond(80), Doc: "points of a player", Source: fromSpec},
	{Name: "date.player_minutes", Unit: "minutes", Bounds: warnsBeyond(60), Doc: "minutes of a player",
		Source: fromRunbook},

	{Name: "range.active_minutes_null", Unit: ofActive, Bounds: bounds(1, 5), Doc: "rows that played, without minutes",
		Source: fromRunbook},
	{Name: "range.active_row_count", Unit: "% of the baseline", Bounds: bounds(2, 5),
		Doc: "rows that played, more or fewer than --baseline-active", Source: fromRunbook},
	{Name: "range.rows_per_game_least", Unit: rowsPerUnit, Least: true, Bounds: warnsBeyond(20),
		Doc: "all rows by final games", Source: fromRunbook},
	{Name: "range.rows_per_game_most", Unit: rowsPerUnit, Bounds: warnsBeyond(48), Doc: "all rows by final games",
		Source: fromRunbook},
	{Name: "range.unresolved", Unit: ofAll, Bounds: warnsBeyond(2), Doc: "rows without a registry id",
		Source: fromIncident},
	{Name: "range.usage_coverage", Unit: ofActive, Least: true, Bounds: bounds(80, 50),
		Doc: "rows that played, with a usage rate", Source: fromRunbook},
	{Name: "range.shots_known", Unit: ofActive, Least: true, Bounds: warnsBeyond(90),
		Doc: "rows that played, with field goal and free throw attempts", Source: fromRunbook},
	{Name: "range.threes_known", Unit: ofActive, Least: true, Bounds: warnsBeyond(85),
		Doc: "rows that played, with three-point attempts", Source: fromRunbook},
	{Name: "range.quality_score", Unit: "points a row", Least: true, Bounds: warnsBeyond(75),
		Doc: "mean quality_score of the rows", Source: fromRunbook},
	{Name: "range.production_ready", Unit: ofAll, Least: true, Bounds: warnsBeyond(95),
		Doc: "rows that are production-ready", Source: fromRunbook},
	{Name: "range.source_disagreement", Unit: "% of games with rows", Bounds: bounds(1, 10),
		Doc: "games whose two sources are far apart for over a tenth of the players in both", Source: fromIncident},
	{Name: "range.incomplete_team_games", Unit: "team games", Bounds: warnsBeyond(0),
		Doc: "sides whose minutes or points do not add up to their game", Source: fromIncident},

	{Name: "sample.leading_minutes_least", Unit: "minutes", Least: true, Bounds: bounds(30, 20),
		Doc: "mean minutes of the five players of a date who have the most", Source: fromRunbook},
	{Name: "sample.leading_minutes_most", Unit: "minutes", Bounds: bounds(48, 60), Doc: "mean minutes of the five " +
		"players of a date who have the most", Source: "a game without overtime has 48 minutes; " +
		"the old runbook calls 60 corruption"},

	{Name: "preflight.games_without_rows", Unit: ofGames, Bounds: bounds(0, 50), Doc: "final games on the schedule " +
		"without a raw row in any source", Source: "a date without box scores fails by itself; when most games have none, " +
		"an import was forgotten"},
	{Name: "preflight.gamebook_games", Unit: ofGames, Least: true, Bounds: warnsBeyond(90),
		Doc: "final games on the schedule with rows of the gamebook", Source: fromRunbook},
	{Name: "preflight.bdl_games", Unit: ofGames, Least: true, Bounds: warnsBeyond(90),
		Doc: "final games on the schedule with rows of the secondary source", Source: fromRunbook},
	{Name: "preflight.games_without_active", Unit: ofGames, Bounds: bounds(0, 50),
		Doc: "final games whose gamebook rows are a roster only and that the secondary source lacks", Source: fromIncident},
	{Name: "preflight.gamebook_minutes_null", Unit: "% of active rows", Bounds: bounds(1, 5),
		Doc: "active gamebook rows without minutes", Source: fromRunbook},
	{Name: "preflight.bdl_minutes_null", Unit: ofAll, Bounds: bounds(1, 5),
		Doc: "rows of the secondary source without minutes", Source: fromRunbook},
	{Name: "preflight.unresolved", Unit: "% of raw rows", Bounds: warnsBeyond(2),
		Doc: "rows of both sources whose name neither registry nor aliases know", Source: fromIncident},
}, job.EngineThresholds())

var defaultThresholds = job.Defaults(thresholds)
