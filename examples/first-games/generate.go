//go:build ignore

// Generate writes the example games beside it: a schedule, a list of players and two box-score feeds in the formats
// that `publisher import` reads. Players and results are invented, team codes and team ids are the league's. Every run
// writes the same bytes:
//
//	go run examples/first-games/generate.go
//
// The games are small but complete: minutes of a team add up to the length of the game, points to its final score, and
// each side lists players who did not play. Among them are accents that one feed drops, a suffix that one feed leaves
// out, an overtime game and a date without a game.
package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	dir := flag.String("dir", "examples/first-games", "where to write")
	check := flag.Bool("check", false, "write nothing; fail if a file is not what would be written")
	flag.Parse()
	l := newLeague()
	for _, g := range games {
		l.play(g)
	}
	for name, lines := range map[string][][]string{
		"schedule.csv": l.schedule, "players.csv": l.players(), "live_boxscores.csv": l.live,
		"gamelog_boxscores.csv": l.gamelog,
	} {
		if err := write(filepath.Join(*dir, name), lines, *check); err != nil {
			log.Fatal(err)
		}
	}
}

func write(path string, lines [][]string, check bool) error {
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.WriteAll(lines); err != nil {
		return err
	}
	if check {
		if there, err := os.ReadFile(path); err != nil || string(there) != b.String() {
			return fmt.Errorf("%s is not what generate.go writes: run it again (%v)", path, err)
		}
		return nil
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

const season, seasonYear = "2021-22", "2021"

// game is one game to play. A game without overtime lasts 240 player-minutes a side, each overtime adds 25.
type game struct {
	id, date, away, home string
	overtimes            int
}

// games leave 2022-01-13 out: a date without a game.
var games = []game{
	{"0022100601", "2022-01-10", "BOS", "NYK", 0}, {"0022100602", "2022-01-10", "DEN", "LAL", 0},
	{"0022100603", "2022-01-11", "MIA", "CHI", 0},
	{"0022100604", "2022-01-12", "NYK", "MIA", 0}, {"0022100605", "2022-01-12", "LAL", "BOS", 0},
	{"0022100606", "2022-01-14", "CHI", "DEN", 0},
	{"0022100607", "2022-01-15", "BOS", "CHI", 0}, {"0022100608", "2022-01-15", "MIA", "LAL", 0},
	{"0022100609", "2022-01-16", "NYK", "DEN", 1},
}

// teams are the clubs that play, with the league's ids.
var teams = []struct{ code, id, name string }{
	{"BOS", "1610612738", "Boston Celtics"}, {"CHI", "1610612741", "Chicago Bulls"},
	{"DEN", "1610612743", "Denver Nuggets"}, {"LAL", "1610612747", "Los Angeles Lakers"},
	{"MIA", "1610612748", "Miami Heat"}, {"NYK", "1610612752", "New York Knicks"},
}

// A side lists its whole roster of thirteen for a game.
const (
	playing = 10 // of them play, the first five start
	sitting = 2  // are active and do not play; the rest is inactive
)

// Invented names: given name i goes with surname i. A surname belongs to one team.
var (
	given = []string{
		"Aldo", "Bram", "Cyril", "Dorian", "Emeric", "Fabian", "Gustav", "Hector", "Ilias", "Jorrit",
		"Kasimir", "Lorenz", "Matthis",
	}
	surnames = map[string][]string{
		"BOS": {"Abernetti", "Borrowdale", "Candlewick", "Dunmarrow", "Eastergate", "Fennimoor", "Gladwyn", "Harrowgate",
			"Inglethorp", "Jessamy", "Kettlewell", "Longacre", "Merriweth"},
		"CHI": {"Nettlefold", "Oakhanger", "Pemberlane", "Quillfeather", "Ravensmoor", "Saltmarsh", "Thistlewood", "Underhay",
			"Vantongeren", "Wexcombe", "Yarborow", "Zellweger", "Ashgrove"},
		"DEN": {"Brackenbury", "Coldharbour", "Dovecote", "Elmsworth", "Foxglove", "Greenhalge", "Hollowell", "Ironmonger",
			"Juniperus", "Kingsbere", "Larkspur", "Moorcroft", "Northcliff"},
		"LAL": {"Overstrand", "Pinewater", "Quenington", "Rosewarne", "Silverdale", "Turnpike", "Upperton", "Vinehall",
			"Wintergreen", "Yellowley", "Amberley", "Bellwether", "Copperfield"},
		"MIA": {"Drystone", "Evenlode", "Fairweather", "Goldfinch", "Hazelden", "Islington", "Jackdaw", "Kestrel", "Lapwing",
			"Mistlethrush", "Nightjar", "Ouzel", "Pipistrel"},
		"NYK": {"Quarrier", "Redpoll", "Sandpiper", "Tanager", "Umberto", "Vesperling", "Whimbrel", "Yellowhammer", "Zorzal",
			"Avocet", "Bluethroat", "Crossbill", "Dunnock"},
	}
	// Written differently by the two feeds: accents are lost in the live one, and so is one suffix.
	gamelogNames = map[string]string{
		"Aldo Abernetti": "Aldó Abernetti", "Bram Oakhanger": "Bram Öakhanger", "Cyril Dovecote": "Cyril Dovečote",
		"Dorian Rosewarne": "Dorian Rosewarne Jr.", "Emeric Hazelden": "Émeric Hazelden",
	}
	positions = []string{"PG", "SG", "SF", "PF", "C"}
)

// player is one person of a team and what the season's list says about him.
type player struct {
	id                                 int
	live, gamelog, team, jersey        string
	position                           string // when he starts
	first, last                        string
	games, played, started, isInactive int
}

type league struct {
	dice                    *rand.Rand
	rosters                 map[string][]*player
	schedule, live, gamelog [][]string
}

func newLeague() *league {
	l := &league{dice: rand.New(rand.NewPCG(2022, 1)), rosters: map[string][]*player{}}
	id := 9000001
	for _, t := range teams {
		for i, surname := range surnames[t.code] {
			p := &player{id: id, live: given[i] + " " + surname, team: t.code, jersey: fmt.Sprint(3*i + 1)}
			if p.gamelog = gamelogNames[p.live]; p.gamelog == "" {
				p.gamelog = p.live
			}
			if i < len(positions) {
				p.position = positions[i]
			}
			l.rosters[t.code] = append(l.rosters[t.code], p)
			id++
		}
	}
	l.schedule = [][]string{{"game_id", "game_date", "season", "season_type", "home_team", "away_team", "home_pts",
		"away_pts", "home_team_id", "away_team_id"}}
	l.live = [][]string{{
		"GAME_ID", "GAME_DATE", "GAME_TYPE", "TEAM_SIDE", "TEAM", "OPPONENT", "personId", "name", "jerseyNum",
		"position", "starter",
		"played", "status", "minutesCalculated", "points", "fieldGoalsMade", "fieldGoalsAttempted", "threePointersMade",
		"threePointersAttempted", "freeThrowsMade", "freeThrowsAttempted", "reboundsOffensive",
		"reboundsDefensive", "reboundsTotal",
		"assists", "steals", "blocks", "turnovers", "plusMinusPoints", "pointsFastBreak", "pointsInThePaint",
	}}
	l.gamelog = [][]string{{
		"SEASON_ID", "GAME_ID", "GAME_DATE", "SEASON_TYPE", "MATCHUP", "WL", "TEAM_ID", "TEAM_ABBREVIATION",
		"TEAM_NAME", "PLAYER_ID",
		"PLAYER_NAME", "MIN", "FGM", "FGA", "FG3M", "FG3A", "FTM", "FTA", "OREB", "DREB", "REB", "AST", "STL",
		"BLK", "TOV", "PF", "PTS", "PLUS_MINUS",
	}}
	return l
}

// line is one player's box score.
type line struct {
	p                                    *player
	minutes                              int
	fgm, fga, tpm, tpa, ftm, fta         int
	oreb, dreb, ast, stl, blk, tov, foul int
	plusMinus                            int
}

func (b *line) points() int { return 2*b.fgm + b.tpm + b.ftm }

// side is one team's box score of one game.
type side struct {
	code, opponent, where string
	played                []*line
	idle                  []*player // the first are active, the rest is not
}

func (s *side) score() int {
	n := 0
	for _, b := range s.played {
		n += b.points()
	}
	return n
}

// play makes up one game and writes its lines.
func (l *league) play(g game) {
	away := l.side(g, g.away, g.home, "awayTeam")
	home := l.side(g, g.home, g.away, "homeTeam")
	if away.score() == home.score() { // no draws: one more free throw
		home.played[0].ftm++
		home.played[0].fta++
	}
	margin := home.score() - away.score()
	l.plusMinus(home, margin)
	l.plusMinus(away, -margin)
	l.schedule = append(l.schedule, []string{
		g.id, g.date, season, "regular", g.home, g.away, fmt.Sprint(home.score()), fmt.Sprint(away.score()),
		teamID(g.home), teamID(g.away),
	})
	for _, s := range []*side{away, home} {
		l.record(g, s, (margin > 0) == (s == home))
	}
}

// side makes up one team's box score. Who sits changes from game to game.
func (l *league) side(g game, code, opponent, where string) *side {
	s := &side{code: code, opponent: opponent, where: where}
	roster := l.rosters[code]
	bench := append([]*player{}, roster[len(positions):]...)
	l.dice.Shuffle(len(bench), func(i, j int) { bench[i], bench[j] = bench[j], bench[i] })
	subs := playing - len(positions)
	s.idle = bench[subs:]
	for i, p := range append(append([]*player{}, roster[:len(positions)]...), bench[:subs]...) {
		minutes := 32
		if i >= len(positions) {
			minutes = 16
		}
		s.played = append(s.played, &line{p: p, minutes: minutes})
	}
	for range 12 { // move minutes around, keeping their sum
		from, to := s.played[l.dice.IntN(playing)], s.played[l.dice.IntN(playing)]
		if from.minutes > 8 && to.minutes < 40 {
			from.minutes--
			to.minutes++
		}
	}
	for i := range 5 * g.overtimes * len(positions) {
		s.played[i%len(positions)].minutes++
	}
	for _, b := range s.played {
		l.shoot(b)
	}
	return s
}

// shoot makes up the numbers of one player from his minutes.
func (l *league) shoot(b *line) {
	upTo := func(n int) int { return l.dice.IntN(n + 1) }
	b.fga = b.minutes/3 + upTo(3)
	b.tpa = upTo(b.fga / 2)
	b.tpm = upTo((b.tpa + 1) / 2)
	twos := b.fga - b.tpa
	b.fgm = b.tpm + twos/3 + upTo(twos/3)
	b.fta = upTo(b.minutes / 8)
	b.ftm = b.fta - upTo(b.fta/3)
	b.oreb, b.dreb = upTo(2), upTo(b.minutes/5)
	b.ast, b.stl, b.blk, b.tov = upTo(b.minutes/6), upTo(2), upTo(1), upTo(3)
	b.foul = upTo(4)
}

// plusMinus spreads the margin: five players are on the floor, so a side's numbers add up to five times the margin.
func (l *league) plusMinus(s *side, margin int) {
	rest := 5 * margin
	for i, b := range s.played {
		b.plusMinus = rest / (playing - i)
		if i < playing-1 {
			b.plusMinus += l.dice.IntN(9) - 4
		}
		rest -= b.plusMinus
	}
}

// record writes the lines of both feeds. The live feed lists everybody, the game log only those who played.
func (l *league) record(g game, s *side, won bool) {
	matchup, result := g.away+" @ "+g.home, "L"
	if s.where == "homeTeam" {
		matchup = g.home + " vs. " + g.away
	}
	if won {
		result = "W"
	}
	for i, b := range s.played {
		starter, position := "0", ""
		if i < len(positions) {
			starter, position = "1", b.p.position
			b.p.started++
		}
		b.p.played++
		b.p.list(g.date)
		l.live = append(l.live, fields(g.id, g.date, "regular", s.where, s.code, s.opponent, b.p.id, b.p.live,
			b.p.jersey, position, starter, "1", "ACTIVE", fmt.Sprintf("PT%02dM", b.minutes), b.points(), b.fgm, b.fga,
			b.tpm, b.tpa, b.ftm, b.fta, b.oreb, b.dreb, b.oreb+b.dreb, b.ast, b.stl, b.blk, b.tov, b.plusMinus, 2*(b.fgm/5),
			2*((b.fgm-b.tpm)/2)))
		l.gamelog = append(l.gamelog, fields("2"+seasonYear, g.id, g.date, "Regular Season", matchup, result,
			teamID(s.code), s.code, teamName(s.code), b.p.id, b.p.gamelog, b.minutes, b.fgm, b.fga, b.tpm, b.tpa,
			b.ftm, b.fta, b.oreb, b.dreb, b.oreb+b.dreb, b.ast, b.stl, b.blk, b.tov, b.foul, b.points(), b.plusMinus))
	}
	for i, p := range s.idle {
		status := "ACTIVE"
		if i >= sitting {
			status = "INACTIVE"
			p.isInactive++
		}
		p.list(g.date)
		l.live = append(l.live, fields(g.id, g.date, "regular", s.where, s.code, s.opponent, p.id, p.live, p.jersey,
			"", "0", "0", status, "PT00M", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	}
}

func (p *player) list(date string) {
	p.games++
	if p.first == "" {
		p.first = date
	}
	p.last = date
}

// players is the season's list, one line a player.
func (l *league) players() [][]string {
	lines := [][]string{{
		"season", "player_id", "name_live", "name_gamelog", "team", "first_date", "last_date", "games_listed", "games_played",
		"games_started", "games_inactive", "start_positions", "jersey_numbers",
	}}
	for _, t := range teams {
		for _, p := range l.rosters[t.code] {
			gamelog := p.gamelog
			if p.played == 0 {
				gamelog = ""
			}
			lines = append(lines, fields(season, p.id, p.live, gamelog, p.team, p.first, p.last, p.games, p.played,
				p.started, p.isInactive, p.position, p.jersey))
		}
	}
	return lines
}

func fields(values ...any) []string {
	line := make([]string, len(values))
	for i, v := range values {
		line[i] = fmt.Sprint(v)
	}
	return line
}

func teamID(code string) string   { return team(code, func(i int) string { return teams[i].id }) }
func teamName(code string) string { return team(code, func(i int) string { return teams[i].name }) }

func team(code string, get func(int) string) string {
	for i, t := range teams {
		if t.code == code {
			return get(i)
		}
	}
	panic("no team " + code)
}
