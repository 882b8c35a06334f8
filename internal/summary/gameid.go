package summary

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// GameType is the kind of game that a league id's first three digits tell.
type GameType string

// The game types, with the prefix of their league ids.
const (
	Preseason GameType = "preseason" // 001
	Regular   GameType = "regular"   // 002
	AllStar   GameType = "all_star"  // 003
	Playoffs  GameType = "playoffs"  // 004
	PlayIn    GameType = "play_in"   // 005
	CupFinal  GameType = "cup_final" // 006
)

var gameTypes = map[string]GameType{
	"001": Preseason, "002": Regular, "003": AllStar, "004": Playoffs, "005": PlayIn, "006": CupFinal,
}

// Counts reports whether games of the type belong in the summary: all but preseason and all-star games.
func (t GameType) Counts() bool { return t != Preseason && t != AllStar && t != "" }

// LeagueID is a classified ten-digit game id.
type LeagueID struct {
	ID         string // ten digits
	Type       GameType
	SeasonYear int  // first year of the season, of two digits: 46 to 99 are 19xx, the rest 20xx
	Restored   bool // leading zeros had been lost
}

// Errors of [ParseLeagueID].
var (
	ErrLeagueID   = errors.New("want up to ten digits")
	ErrLeagueType = errors.New("unknown game type")
)

// leagueIDDigits is the length of a league id: type (3), season (2), number (5).
const leagueIDDigits = 10

// ParseLeagueID reads a league game id. A spreadsheet or a number column may have eaten its leading zeros: they are put
// back. Letters, an empty or longer id and an unknown type are errors.
func ParseLeagueID(s string) (LeagueID, error) {
	if s == "" || len(s) > leagueIDDigits || strings.Trim(s, "0123456789") != "" {
		return LeagueID{}, fmt.Errorf("league game id %q: %w", s, ErrLeagueID)
	}
	id := LeagueID{ID: strings.Repeat("0", leagueIDDigits-len(s)) + s, Restored: len(s) < leagueIDDigits}
	if id.Type = gameTypes[id.ID[:3]]; id.Type == "" {
		return LeagueID{}, fmt.Errorf("league game id %q: %w %s", s, ErrLeagueType, id.ID[:3])
	}
	yy := int(id.ID[3]-'0')*10 + int(id.ID[4]-'0')
	if id.SeasonYear = 2000 + yy; yy >= 46 { // the league's first season began in 1946
		id.SeasonYear = 1900 + yy
	}
	return id, nil
}

// gameID is the canonical key of a game: date, away, home.
func gameID(date gamedate.Date, away, home string) string {
	return date.Compact() + "_" + away + "_" + home
}

// splitGameID takes a raw id apart: its date digits and the two codes as written, in their order.
func splitGameID(id string) (date, first, second string, ok bool) {
	date, rest, ok1 := strings.Cut(strings.TrimSpace(id), "_")
	first, second, ok2 := strings.Cut(rest, "_")
	ok = ok1 && ok2 && len(date) == 8 && strings.Trim(date, "0123456789") == "" && isCode(first) && isCode(second)
	return date, first, second, ok
}

// isCode reports whether s has the form of a team code: two to four letters, blanks around them ignored.
func isCode(s string) bool {
	s = strings.TrimSpace(s)
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return len(s) >= 2 && len(s) <= 4
}

// gameState is what the schedule says about a game on its date.
type gameState uint8

const (
	unscheduled gameState = iota // raw data has it, the schedule does not
	excluded                     // exhibition, or a side outside the league
	postponed                    // not played on this date
	notFinal                     // under way or still to come
	final
)

// game is one game of the date.
type game struct {
	id         string // canonical
	away, home string
	state      gameState
	score      score // final score by the schedule
}

// score is a final score; known is false for none, 0-0 and ties.
type score struct {
	away, home int64
	known      bool
}

func newScore(away, home int64) score {
	return score{away, home, away != home && away >= 0 && home >= 0}
}

// of is the team's points and its opponent's.
func (s score) of(g *game, team string) (own, other int64) {
	if team == g.home {
		return s.home, s.away
	}
	return s.away, s.home
}

// pair is two team codes in alphabetical order: a game of a date whichever way its id is written.
type pair struct{ low, high string }

func pairOf(a, b string) pair {
	if a > b {
		a, b = b, a
	}
	return pair{a, b}
}

// slate is the schedule of one date.
type slate struct {
	games  map[pair]*game
	badIDs []string // league ids that cannot be read, sorted
	// foreign names rows of another date, which a partition cannot hold.
	foreign []string
}

// byState are the canonical ids in one state, sorted.
func (s *slate) byState(state gameState) []string {
	var ids []string
	for _, g := range s.games {
		if g.state == state {
			ids = append(ids, g.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// scheduleRow is one schedule row, decoded.
type scheduleRow struct {
	row       table.Row
	id        string
	status    int64
	processed int64 // microseconds, 0 for NULL
}

var scheduleAt = struct {
	id, date, status, statusText, home, away, homeScore, awayScore, allStar, processed int
}{
	boxscore.Schedule.MustIndex("game_id"), boxscore.Schedule.MustIndex("game_date"),
	boxscore.Schedule.MustIndex("game_status"), boxscore.Schedule.MustIndex("game_status_text"),
	boxscore.Schedule.MustIndex("home_team_tricode"), boxscore.Schedule.MustIndex("away_team_tricode"),
	boxscore.Schedule.MustIndex("home_team_score"), boxscore.Schedule.MustIndex("away_team_score"),
	boxscore.Schedule.MustIndex("is_all_star"), boxscore.Schedule.MustIndex("processed_at"),
}

// readSlate folds the schedule's rows of a date into games: per league id the row with the highest status, then the
// newest. Planning and building both use it, so that they cannot expect different games.
func readSlate(date gamedate.Date, rows []table.Row) *slate {
	s := &slate{games: make(map[pair]*game, len(rows))}
	best := make(map[string]scheduleRow, len(rows))
	for _, row := range rows {
		if row[scheduleAt.date].Date() != date {
			s.foreign = append(s.foreign, boxscore.Schedule.Describe(row))
			continue
		}
		r := scheduleRow{row: row, id: row[scheduleAt.id].Str()}
		r.status, _ = row[scheduleAt.status].Int64()
		if at := row[scheduleAt.processed]; !at.IsNull() {
			r.processed = at.Time().UnixMicro()
		}
		if league, err := ParseLeagueID(r.id); err == nil {
			r.id = league.ID
		}
		if old, seen := best[r.id]; !seen || r.supersedes(old) {
			best[r.id] = r
		}
	}
	slices.Sort(s.foreign)

	newest := make([]scheduleRow, 0, len(best))
	for _, r := range best {
		newest = append(newest, r)
	}
	// Two ids for one pair on one date: the first in this order stands.
	slices.SortFunc(newest, func(a, b scheduleRow) int {
		return cmp.Or(-cmp.Compare(a.state(), b.state()), -cmp.Compare(a.processed, b.processed), cmp.Compare(a.id, b.id))
	})
	for _, r := range newest {
		g := r.game(date)
		if g.state != excluded {
			if _, err := ParseLeagueID(r.id); err != nil {
				s.badIDs = append(s.badIDs, fmt.Sprintf("%q", r.id))
			}
		}
		if p := pairOf(g.away, g.home); s.games[p] == nil {
			s.games[p] = g
		}
	}
	slices.Sort(s.badIDs)
	return s
}

// supersedes orders two rows of one league id and date; the raw values decide last, so input order never does.
func (r scheduleRow) supersedes(old scheduleRow) bool {
	if c := cmp.Or(cmp.Compare(r.status, old.status), cmp.Compare(r.processed, old.processed)); c != 0 {
		return c > 0
	}
	return slices.CompareFunc(r.row, old.row, table.Value.Compare) > 0
}

func (r scheduleRow) state() gameState {
	league, err := ParseLeagueID(r.id)
	_, okAway := Team(r.row[scheduleAt.away].Str())
	_, okHome := Team(r.row[scheduleAt.home].Str())
	switch {
	case !okAway || !okHome || r.row[scheduleAt.allStar].IsTrue() || err == nil && !league.Type.Counts():
		return excluded
	case r.status == boxscore.Final:
		return final
	case saysPostponed(r.row[scheduleAt.statusText].Str()):
		return postponed
	}
	return notFinal
}

// game is the row as a game. A league id that cannot be read counts like any other, so that the date is planned and
// then fails by name instead of being passed over.
func (r scheduleRow) game(date gamedate.Date) *game {
	away, home := teamOrRaw(r.row[scheduleAt.away].Str()), teamOrRaw(r.row[scheduleAt.home].Str())
	g := &game{id: gameID(date, away, home), away: away, home: home, state: r.state()}
	awayScore, okAway := r.row[scheduleAt.awayScore].Int64()
	homeScore, okHome := r.row[scheduleAt.homeScore].Int64()
	if okAway && okHome {
		g.score = newScore(awayScore, homeScore)
	}
	return g
}

// teamOrRaw keeps the codes of excluded games apart without making them teams.
func teamOrRaw(code string) string {
	if team, ok := Team(code); ok {
		return team
	}
	return strings.ToUpper(strings.TrimSpace(code))
}

// saysPostponed reads a status text: "PPD", "Postponed", "Cancelled".
func saysPostponed(text string) bool {
	for _, word := range words(text) {
		switch word {
		case "ppd", "postponed", "cancelled", "canceled":
			return true
		}
	}
	return false
}
