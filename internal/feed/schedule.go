package feed

import (
	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/summary"
	"gamefill/internal/table"
)

var scheduleColumns = []string{
	"game_id", "game_date", "season", "season_type", "home_team", "away_team", "home_pts", "away_pts", "home_team_id",
	"away_team_id",
}

var scheduleRows = newBuilder(boxscore.Schedule)

// parseSchedule reads one game. The file lists played games, so a game is final. A counted game without either score is
// kept as scheduled, so that its date stays open instead of looking empty; one score alone is rejected. A side that is
// no team of the league (preseason) has no score.
func parseSchedule(r *record) entry {
	var g game
	r.league("game_id", &g)
	r.played("game_date", &g)
	g.home, g.away = r.team("home_team", r.need("home_team"), g), r.team("away_team", r.need("away_team"), g)
	homePoints, awayPoints := r.whole("home_pts", false), r.whole("away_pts", false)
	if r.bad == nil {
		r.season("season", g)
		r.sameKind("season_type", g)
	}
	if g.home == g.away {
		r.reject(ReasonNotPlaying, "%s plays itself", g.home)
	}
	status, text := int64(boxscore.Final), "Final"
	if g.kind.Counts() && homePoints.IsNull() != awayPoints.IsNull() {
		r.reject(ReasonMissing, "one side has a score and the other has none")
	}
	if g.kind.Counts() && homePoints.IsNull() && awayPoints.IsNull() {
		status, text = boxscore.Scheduled, "Scheduled"
	}
	e := entry{game: g, unique: g.league + " " + g.date.String()}
	if r.bad != nil {
		return e
	}
	e.row = scheduleRows.row(values{
		"game_id": table.String(g.league), "game_date": table.Date(g.date),
		"season": r.optional("season"), "season_nba_format": table.String(gamedate.SeasonName(g.year)),
		"season_year": table.Int(int64(g.year)), "game_status": table.Int(status), "game_status_text": table.String(text),
		"home_team_tricode": table.String(g.home), "away_team_tricode": table.String(g.away),
		"home_team_score": homePoints, "away_team_score": awayPoints,
		"winning_team_tricode": winner(g, homePoints, awayPoints), "is_regular_season": table.Bool(g.kind == summary.Regular),
		"is_playoffs": table.Bool(g.kind == summary.Playoffs), "is_all_star": table.Bool(g.kind == summary.AllStar),
		"is_emirates_cup": isCup(g.kind), "processed_at": stamp(g.date),
	})
	return e
}

// winner is NULL unless both sides have points and they differ.
func winner(g game, home, away table.Value) table.Value {
	h, okHome := home.Int64()
	a, okAway := away.Int64()
	switch {
	case !okHome || !okAway || h == a:
		return table.Null
	case h > a:
		return table.String(g.home)
	}
	return table.String(g.away)
}

// isCup is known for the cup's final alone: its other games count as regular ones and the file does not tell them
// apart.
func isCup(k summary.GameType) table.Value {
	if k == summary.Regular {
		return table.Null
	}
	return table.Bool(k == summary.CupFinal)
}

// season checks a season written "2021-22" against the game id.
func (r *record) season(column string, g game) {
	if s, want := r.need(column), gamedate.SeasonName(g.year); s != want {
		r.reject(ReasonSeason, "%s: game %s is of season %s, got %q", column, g.league, want, clip(s, 40))
	}
}

// sameKind checks the word for the kind of game against the game id.
func (r *record) sameKind(column string, g game) {
	s := r.need(column)
	for _, word := range kindWords {
		if s == word {
			if want := kindWords[g.kind]; s != want {
				r.reject(ReasonKind, "%s: game %s is %s by its id, got %q", column, g.league, want, s)
			}
			return
		}
	}
	r.reject(ReasonValue, "%s: no kind of game is called %q", column, clip(s, 40))
}
