package demo

import (
	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/summary"
)

// faults are what the sources have wrong about one game.
type faults struct {
	noBook     bool // the gamebook lacks the game
	rosterOnly bool // the gamebook was read too early: everybody is listed and nobody has played
	noSecond   bool // the secondary source lacks the game
	reversed   bool // the secondary source writes the id HOME_AWAY

	readTwice bool // the gamebook was read at half-time too, and both readings are there
	repeated  bool // the secondary source has a row twice
	far       bool // it gives a player three points too many
	lacks     bool // it lacks somebody who played
	noBench   bool // the gamebook lacks somebody who did not play
	noSteals  bool // the gamebook lacks a number
	conflict  bool // the gamebook says that somebody did not play, the secondary source that he did
	nameless  bool // the gamebook prints an inactive player's surname, and nobody could tell who that is
}

// faultsOf says what is wrong with the game of a number in its season. A game that a source lacks as a whole has no
// other fault, and no two faults of a game concern the same person.
func faultsOf(n int) faults {
	switch n {
	case 20:
		return faults{noBook: true}
	case 45:
		return faults{rosterOnly: true}
	case 70:
		return faults{noSecond: true}
	}
	return faults{
		reversed: n == 90, nameless: n == 61, readTwice: n%40 == 11, repeated: n%12 == 4, far: n%6 == 2, lacks: n%5 == 1,
		noBench: n%10 == 3, noSteals: n%25 == 5, conflict: n%50 == 30,
	}
}

// place points at a line of a game.
type place struct {
	side *side
	line int
}

// The persons whom a fault concerns.
func (g *game) farPlace() place      { return place{g.home, 0} }
func (g *game) stealsPlace() place   { return place{g.home, 2} }
func (g *game) conflictPlace() place { return place{g.home, g.home.find(boxscore.DNP)} }
func (g *game) namelessPlace() place { return place{g.home, len(g.home.lines) - 1} }
func (g *game) lacksPlace() place    { return place{g.away, g.away.find(boxscore.DNP) - 1} }
func (g *game) benchPlace() place    { return place{g.away, g.away.find(boxscore.DNP)} }

// find is the position of the first line of a status; who plays comes first, then the bench, then who is not dressed.
func (s *side) find(status string) int {
	for i := range s.lines {
		if s.lines[i].status == status {
			return i
		}
	}
	return -1
}

// inBook reports whether the gamebook lists a line.
func (g *game) inBook(p place) bool {
	return !g.postponed && !g.faults.noBook && !(g.faults.noBench && p == g.benchPlace())
}

// inSecond reports whether the secondary source lists a line: everybody who played, and some of those who sat.
func (g *game) inSecond(p place) bool {
	l := &p.side.lines[p.line]
	switch {
	case g.faults.noSecond, g.faults.lacks && p == g.lacksPlace():
		return false
	case g.faults.noBench && p == g.benchPlace(), g.faults.conflict && p == g.conflictPlace():
		return true
	case l.status == boxscore.DNP:
		return (l.player.number+g.date.Day)%2 == 0
	}
	return l.status == boxscore.Active
}

// each calls f for every listed person of a game.
func (g *game) each(f func(p place, l *line)) {
	for _, s := range g.sides() {
		for i := range s.lines {
			f(place{s, i}, &s.lines[i])
		}
	}
}

// Defect is one kind of fault in the sources of a league.
type Defect struct {
	// Name is the count of a run that shows it: a name in job.Counts.Counts, or "rejected." and a reason in RejectedBy.
	Name string `json:"name"`
	// Text says what is wrong and what becomes of it.
	Text string `json:"text"`
	// Made is how often the league has it: what the counts of all dates add up to when every date is built.
	Made int64 `json:"made"`
}

// Rejected begins the names of defects that are counted as rejected rows.
const Rejected = "rejected."

// Names of defects.
const (
	DefectDuplicate  = Rejected + "duplicate"
	DefectExcluded   = Rejected + "excluded_game"
	DefectPostponed  = Rejected + "game_not_final"
	DefectNameless   = Rejected + "unresolved_inactive"
	DefectOnlySecond = "source." + summary.UsedBDL
	DefectCombined   = "source." + summary.UsedCombined
	DefectConflict   = summary.CountSourceConflict
	DefectDifference = summary.CountSourceDifference
	DefectReversed   = summary.CountReversed
	DefectUnresolved = summary.CountUnresolved
	DefectTwoGames   = "issues.two_games_one_date"
)

// defects counts what a run must report.
func (l *League) defects() []Defect {
	made := map[string]int64{}
	for _, g := range l.games {
		g.count(made)
	}
	list := []Defect{
		{Name: DefectDuplicate, Text: "raw rows read twice; the newest one is used"},
		{Name: DefectExcluded, Text: "raw rows of a preseason game on a date with games that count; left out"},
		{Name: DefectPostponed, Text: "raw rows of a game that was called off; left out"},
		{Name: DefectNameless,
			Text: "inactive players of whom the gamebook knows the surname only; left out, listed by `unresolved`"},
		{Name: DefectOnlySecond, Text: "rows that the gamebook lacks; taken from the secondary source"},
		{Name: DefectCombined,
			Text: "rows of which the gamebook lacks a number; that one is taken from the secondary source"},
		{Name: DefectConflict, Text: "did not play, says one source, and the other says he did; the gamebook is believed"},
		{Name: DefectDifference, Text: "players with different points in the two sources; the gamebook is believed"},
		{Name: DefectReversed, Text: "game ids written HOME_AWAY; turned round"},
		{Name: DefectUnresolved,
			Text: "rows of a name that the registry does not know; kept without an id, listed by `unresolved`"},
		{Name: DefectTwoGames, Text: "rows of a traded player whom two teams list on one date; both are kept"},
	}
	for i := range list {
		list[i].Made = made[list[i].Name]
	}
	return list
}

// count adds a game's defects to made.
func (g *game) count(made map[string]int64) {
	count := func(name string, is bool) {
		if is {
			made[name]++
		}
	}
	if !g.counts() {
		g.each(func(p place, _ *line) {
			count(DefectPostponed, g.postponed && g.inSecond(p))
			count(DefectExcluded, g.onOpening() && g.inBook(p))
			count(DefectExcluded, g.onOpening() && g.inSecond(p))
		})
		return
	}
	f := g.faults
	count(DefectReversed, f.reversed)
	count(DefectDuplicate, f.repeated)
	count(DefectDifference, f.far)
	count(DefectCombined, f.noSteals)
	count(DefectConflict, f.conflict)
	count(DefectNameless, f.nameless)
	g.each(func(p place, l *line) {
		book, second := g.inBook(p), g.inSecond(p)
		count(DefectDuplicate, f.readTwice && book)
		count(DefectOnlySecond, second && (!book || f.rosterOnly && l.status == boxscore.Active))
		count(DefectUnresolved, l.player.number == misspelt && (book || second) && !(f.nameless && p == g.namelessPlace()))
		count(DefectTwoGames, l.reason == tradeReason)
	})
}

// onOpening reports whether a game that does not count is played on a date with games that do.
func (g *game) onOpening() bool {
	return g.kind() == preseason && g.date.Month == opening.Month && g.date.Day == opening.Day
}

// spoil is how a date is made to fail.
type spoil int

const (
	whole      spoil = iota // not at all
	noRows                  // both sources lack every game
	noGame                  // both sources lack one game
	impossible              // a line has more makes than attempts
)

// failures are the dates that fail, by position in the first season.
var failures = map[int]struct {
	spoil         spoil
	reason, cause string
}{
	12: {noRows, "source_empty", "neither source has the box scores of the date"},
	30: {noGame, "final_game_without_rows", "neither source has the box score of one game"},
	50: {impossible, "impossible_shots", "a player made more shots than he took"},
}

func (l *League) spoil(date gamedate.Date, position int) {
	if f, ok := failures[position]; ok {
		l.spoiling[date] = f.spoil
		l.Failing = append(l.Failing, Failing{Date: date, Reason: f.reason, Cause: f.cause})
	}
}
