package demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
)

// Prefixes of league ids: the kind of a game.
const (
	preseason = "001"
	regular   = "002"
	allStar   = "003"
	playoffs  = "004"
)

// The calendar of a season. Games that count are played every third or fourth day, so that a whole season is some
// seventy dates and no silence of more than a week needs an explanation.
const (
	preseasonGames    = 3  // on each of its dates
	minGames          = 2  // on a date
	maxGames          = 8  // on a date of the regular season
	maxPlayoffGames   = 4  // on a date of the playoffs
	postponedAt       = 24 // position among the dates: a game is called off …
	postponedUntil    = 40 // … and played
	tradeAt           = 33 // a player changes teams
	allStarAfter      = 34 // the break follows this date
	playoffsFrom      = 52
	tradedPlace       = 4 // on the roster, of the player who is traded
	overtimeEvery     = 17
	overtimeFrom      = 9
	doubleOvertimeAt  = 150 // number of the game
	regulationSeconds = 4 * 12 * 60 * 5
	overtimeSeconds   = 5 * 60 * 5
)

// opening, last and preseasonDays are the days of a season.
var (
	opening       = gamedate.Date{Month: time.October, Day: 19}
	last          = gamedate.Date{Month: time.June, Day: 12}
	preseasonDays = []int{5, 8, 12} // of October
)

// season is one season being played.
type season struct {
	league  *League
	year    int // its first
	rosters [][]*player
	stints  map[stintKey]*stint
	dice    *rand.Rand

	ids     map[string]int // games by kind
	counted int
	pending *player // listed by two teams today
}

// stint is one player's time with a team in a season: a row of the registry.
type stint struct {
	player      *player
	season      int
	team        string
	first, last gamedate.Date
	games       int
}

type stintKey struct {
	player int
	team   string
}

// game is one game of the schedule.
type game struct {
	id         string // ten digits
	date       gamedate.Date
	away, home *side
	overtimes  int
	postponed  bool // called off on this date
	number     int  // among the counted games of the season, from 0
	season     int
	faults     faults
}

func (g *game) kind() string { return g.id[:3] }

// counts reports whether the game was played and belongs in the summary.
func (g *game) counts() bool {
	return !g.postponed && (g.kind() == regular || g.kind() == playoffs)
}

func (g *game) sides() []*side { return []*side{g.away, g.home} }

// side is one team of a game. A game called off has lines without numbers.
type side struct {
	team  string
	lines []line
	score int
}

// line is one listed player; seconds, box and plusMinus are those of somebody who played.
type line struct {
	player    *player
	status    string
	reason    string
	seconds   int
	box       box
	plusMinus int
}

func dice(n uint64) *rand.Rand { return rand.New(rand.NewPCG(Seed, n)) }

// dates are the dates of a season with games that count.
func (s *season) dates() []gamedate.Date {
	var dates []gamedate.Date
	d, end := opening, last
	d.Year, end.Year = s.year, s.year+1
	for ; !d.After(end); d = d.AddDays(3 + len(dates)%2) {
		dates = append(dates, d)
		if len(dates) == allStarAfter+1 {
			d = d.AddDays(3)
		}
	}
	return dates
}

// play plays the whole season.
func (s *season) play() {
	s.ids = map[string]int{}
	for _, day := range preseasonDays {
		order := s.shuffled()
		for i := range preseasonGames {
			s.game(gamedate.Date{Year: s.year, Month: time.October, Day: day}, preseason, order[2*i], order[2*i+1])
		}
	}
	var postponed *game
	traded, from, to := s.trade()
	for i, date := range s.dates() {
		order := s.shuffled()
		n, kind := minGames+s.dice.IntN(maxGames-minGames+1), regular
		if i >= playoffsFrom {
			n, kind = minGames+s.dice.IntN(maxPlayoffGames-minGames+1), playoffs
		}
		switch i {
		case 0: // an exhibition on opening night
			s.game(date, preseason, order[2*n], order[2*n+1])
		case postponedAt:
			postponed = s.game(date, kind, order[2*n], order[2*n+1])
		case postponedUntil:
			first(order, 0, slices.Index(teamCodes, postponed.away.team))
			first(order, 1, slices.Index(teamCodes, postponed.home.team))
		case tradeAt: // both teams play, not each other
			first(order, 0, from)
			first(order, 2, to)
			s.pending = traded
			s.rosters[to] = append(s.rosters[to], traded)
		}
		for k := range n {
			g := s.game(date, kind, order[2*k], order[2*k+1])
			if i == postponedUntil && k == 0 {
				s.ids[kind]--
				g.id = postponed.id
			}
		}
		switch i {
		case postponedAt:
			postponed.callOff()
		case tradeAt:
			s.pending = nil
			s.rosters[from] = slices.DeleteFunc(s.rosters[from], func(p *player) bool { return p == traded })
		case allStarAfter:
			s.exhibition(date.AddDays(3))
		}
		if s.league.Options.Failures && s.year == firstSeason {
			s.league.spoil(date, i)
		}
	}
}

// trade chooses who changes teams this season: another one each year.
func (s *season) trade() (p *player, from, to int) {
	from, to = 3+s.year-firstSeason, 17+s.year-firstSeason
	return s.rosters[from][tradedPlace], from, to
}

// shuffled is every team's number in the order of the day: the first two play, then the next two.
func (s *season) shuffled() []int { return s.dice.Perm(len(teamCodes)) }

// first puts a team at a position of the order.
func first(order []int, at, team int) {
	i := slices.Index(order, team)
	order[at], order[i] = order[i], order[at]
}

// leagueID is the next id of a kind of game.
func (s *season) leagueID(kind string) string {
	s.ids[kind]++
	return fmt.Sprintf("%s%02d%05d", kind, s.year%100, s.ids[kind])
}

// game plays one game and appends it to the league.
func (s *season) game(date gamedate.Date, kind string, away, home int) *game {
	g := &game{id: s.leagueID(kind), date: date, season: s.year, number: -1}
	counted := kind != preseason
	if counted {
		g.number = s.counted
		s.counted++
		switch {
		case g.number == doubleOvertimeAt:
			g.overtimes = 2
		case g.number%overtimeEvery == overtimeFrom:
			g.overtimes = 1
		}
		g.faults = faultsOf(g.number)
	}
	g.away, g.home = s.side(date, away, g.overtimes, counted), s.side(date, home, g.overtimes, counted)
	if g.away.score == g.home.score { // no ties: one more free throw at home
		b := &g.home.lines[0].box
		b.ftm++
		b.fta++
		g.home.score++
	}
	g.away.plusMinus(g.away.score-g.home.score, g.overtimes)
	g.home.plusMinus(g.home.score-g.away.score, g.overtimes)
	s.league.games = append(s.league.games, g)
	return g
}

// callOff takes a game's numbers away: it was not played on this date.
func (g *game) callOff() {
	g.postponed = true
	g.faults = faults{}
	for _, s := range g.sides() {
		s.score = 0
		for i := range s.lines {
			s.lines[i] = line{player: s.lines[i].player, status: boxscore.DNP}
		}
	}
}

// exhibition is the All-Star game: a row of the schedule whose sides are no teams of the league.
func (s *season) exhibition(date gamedate.Date) {
	s.league.games = append(s.league.games, &game{id: s.leagueID(allStar), date: date, season: s.year, number: -1,
		away: &side{team: "EST", score: 171}, home: &side{team: "WST", score: 168}})
}

// note keeps that a team listed a player.
func (s *season) note(p *player, team string, date gamedate.Date) {
	key := stintKey{p.number, team}
	st := s.stints[key]
	if st == nil {
		st = &stint{player: p, season: s.year, team: team, first: date}
		s.stints[key] = st
		s.league.stints = append(s.league.stints, st)
	}
	st.last = date
	st.games++
}
