package feed

import (
	"errors"
	"strings"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/summary"
	"gamefill/internal/table"
)

// kindWords are the words of the schedule and the live feed; nobody has one for the All-Star game.
var kindWords = map[summary.GameType]string{
	summary.Preseason: "preseason", summary.Regular: "regular", summary.AllStar: "all-star",
	summary.Playoffs: "playoffs", summary.PlayIn: "play-in", summary.CupFinal: "nba_cup",
}

// game is one game as one line names it.
type game struct {
	league     string // ten digits
	kind       summary.GameType
	year       int // first year of the season
	date       gamedate.Date
	away, home string
}

// key is the id that all box-score tables share: YYYYMMDD_AWAY_HOME.
func (g game) key() string { return g.date.Compact() + "_" + g.away + "_" + g.home }

// league reads a league game id.
func (r *record) league(column string, g *game) {
	s := r.need(column)
	if s == "" {
		return
	}
	id, err := summary.ParseLeagueID(s)
	switch {
	case errors.Is(err, summary.ErrLeagueType):
		r.reject(ReasonGameKind, "%s: game %s is of no known kind: want an id that starts with 001 to 006", column, s)
	case err != nil:
		r.reject(ReasonGameID, "%s: want ten digits, got %q", column, clip(s, 40))
	}
	g.league, g.kind, g.year, r.restored = id.ID, id.Type, id.SeasonYear, id.Restored
}

// played reads the date of a game whose league id is known. A season's games lie between 1 September (preseason) and
// 31 October of the next year (the latest final ever was played on 2020-10-11).
func (r *record) played(column string, g *game) {
	g.date = r.date(column)
	if r.bad != nil {
		return
	}
	from, to := gamedate.Date{Year: g.year, Month: time.September, Day: 1},
		gamedate.Date{Year: g.year + 1, Month: time.October, Day: 31}
	if g.date.Before(from) || g.date.After(to) {
		r.reject(ReasonSeason, "game %s is of season %s, its date is %s", g.league, gamedate.SeasonName(g.year), g.date)
	}
}

// team reads a team code for a game whose league id is known. Counted games are played by the league's thirty teams;
// their codes may be spelt as other sources spell them.
func (r *record) team(column, code string, g game) string {
	if team, ok := summary.Team(code); ok {
		return team
	}
	code = strings.ToUpper(strings.TrimSpace(code))
	if code == "" {
		r.reject(ReasonMissing, "%s has no team code", column)
	} else if g.kind.Counts() || !tricode(code) {
		r.reject(ReasonTeam, "%s: no team has the code %q", column, clip(code, 40))
	}
	return code
}

func tricode(s string) bool {
	return len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// lookup normalises a name, or rejects the line when nothing of it is left.
func (r *record) lookup(column, name string) string {
	l := summary.Lookup(name)
	if l == "" && name != "" {
		r.reject(ReasonName, "%s: %q has no letter or digit to look it up by", column, clip(name, 40))
	}
	return l
}

// stamp is the processed_at and created_at of everything that a date made: noon UTC of the following day. It depends on
// the date alone, so that two imports of one file are the same rows.
func stamp(d gamedate.Date) table.Value {
	return table.Timestamp(d.AddDays(1).Time().Add(12 * time.Hour))
}
