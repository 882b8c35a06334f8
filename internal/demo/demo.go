// Package demo invents a league and writes it into the raw tables, so that the whole program can be tried without data.
// The team codes are the league's thirty; players, games and results are made up.
//
// The two box-score sources of an invented league are wrong in the ways in which real ones are: they spell names
// differently, lack rows, games or single numbers, contradict each other, list a game twice, write old team codes or
// turn a game id round. [League.Defects] says which of that a run must report, and how often. Every date can be built
// without a warning nevertheless, unless [Options.Failures] asks for dates that cannot.
//
// Everything follows from the code: no clock, no map order and no floating point takes part, so that the same options
// give the same rows everywhere. The package fills tables; it neither plans nor builds.
package demo

import (
	"slices"

	"gamefill/internal/gamedate"
)

// Seed is what all dice of the league are thrown from, with the season and the game.
const Seed = 20211019

// Bounds of [Options.Seasons]: the first season is 2021-22, and the last one is over.
const (
	MaxSeasons  = 4
	firstSeason = 2021
)

// Options choose a league. The zero Options is one season in which every date can be built.
type Options struct {
	// Seasons is how many seasons are played, from 2021-22 on; at least 1 and at most [MaxSeasons], values outside are
	// brought to the nearer bound. A season is the same whatever follows it.
	Seasons int
	// Failures spoils three dates of the first season; see [League.Failing].
	Failures bool
}

// League is an invented league. It keeps who played what; rows are made when they are asked for.
type League struct {
	// Options are those the league was made with.
	Options Options
	// Range spans every date of the schedule, preseason included.
	Range gamedate.Range
	// GameDates are the dates with games that count, in order.
	GameDates []gamedate.Date
	// Games counts the games that count and were played, Players the persons.
	Games, Players int
	// Failing are the dates that cannot be built, in order; none without [Options.Failures].
	Failing []Failing
	// Defects is what the sources have wrong and a run reports, over all seasons.
	Defects []Defect

	games    []*game // in order of date
	people   []*player
	stints   []*stint
	spoiling map[gamedate.Date]spoil
}

// Failing is one date that fails on purpose until [Mend] loads what it lacks.
type Failing struct {
	Date gamedate.Date `json:"date"`
	// Reason is the reason with which the date becomes dead.
	Reason string `json:"reason"`
	// Cause says what is wrong with the sources, for people.
	Cause string `json:"cause"`
}

// Generate makes a league. The same options give the same league.
func Generate(o Options) *League {
	o.Seasons = min(max(o.Seasons, 1), MaxSeasons)
	l := &League{Options: o, spoiling: map[gamedate.Date]spoil{}}
	teams := rosters()
	for _, roster := range teams {
		l.people = append(l.people, roster...)
	}
	l.Players = len(l.people)
	for year := firstSeason; year < firstSeason+o.Seasons; year++ {
		s := &season{league: l, year: year, rosters: teams, stints: map[stintKey]*stint{}, dice: dice(uint64(year))}
		s.play()
	}
	slices.SortStableFunc(l.games, func(a, b *game) int { return a.date.Compare(b.date) })
	l.Range = gamedate.Range{From: l.games[0].date, To: l.games[len(l.games)-1].date}
	for _, g := range l.games {
		if g.counts() && (len(l.GameDates) == 0 || l.GameDates[len(l.GameDates)-1] != g.date) {
			l.GameDates = append(l.GameDates, g.date)
		}
		if g.counts() {
			l.Games++
		}
	}
	l.Defects = l.defects()
	return l
}
