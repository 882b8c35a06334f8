// Package league makes a small invented league as feed files, so that tests and documents can run the whole program
// without real data. The team codes are the league's thirty, everybody else is made up.
//
// The same options give the same bytes. Every game passes all rules of acceptance: each side has ten active players
// whose minutes add up to 240 and whose points add up to the final score, and two who are listed and do not play. One
// player a team is spelt differently in the two box-score feeds.
package league

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gamefill/internal/gamedate"
)

// Options say how large the league is. The zero Options is a league of twelve game dates.
type Options struct {
	// From is the first game date; zero: 2022-01-03. All dates must lie in one season.
	From gamedate.Date
	// Dates is how many dates have games, 0: 12. Every fifth day is free.
	Dates int
	// NoBoxScores are positions of game dates, from 0, whose games are final and have no box scores: they become dead.
	NoBoxScores []int
}

// League says what was written.
type League struct {
	// Schedule, Players, Live and Gamelog are the paths of the files, in the formats of internal/feed.
	Schedule, Players, Live, Gamelog string
	// Range spans all game dates.
	Range gamedate.Range
	// GameDates are the dates with games, Dead those of them without box scores.
	GameDates, Dead []gamedate.Date
	// Games, Rows and Active count what the summary table must hold: games with box scores, rows, rows who played.
	Games, Rows, Active int
}

// Files are the paths in the order in which a person would import them.
func (l *League) Files() []string { return []string{l.Schedule, l.Players, l.Live, l.Gamelog} }

const (
	defaultDates = 12
	freeEvery    = 5
	roster       = 12
	firstPerson  = 9_000_001
	firstTeam    = 1610612737
)

var teams = strings.Fields(`ATL BOS BKN CHA CHI CLE DAL DEN DET GSW HOU IND LAC LAL MEM
	MIA MIL MIN NOP NYK OKC ORL PHI PHX POR SAC SAS TOR UTA WAS`)

// Write writes the files into dir, which must exist.
func Write(dir string, o Options) (*League, error) {
	if o.From.IsZero() {
		o.From = gamedate.MustParse("2022-01-03")
	}
	o.Dates = cmp.Or(o.Dates, defaultDates)
	l := &League{Schedule: filepath.Join(dir, "schedule.csv"), Players: filepath.Join(dir, "players.csv"),
		Live: filepath.Join(dir, "live.csv"), Gamelog: filepath.Join(dir, "gamelog.csv")}
	w := newWriter()
	for day := 0; len(l.GameDates) < o.Dates; day++ {
		if day%freeEvery == freeEvery-1 {
			continue
		}
		date := o.From.AddDays(day)
		if date.Season() != o.From.Season() {
			return nil, fmt.Errorf("league of %d dates from %s: it leaves the season", o.Dates, o.From)
		}
		n := len(l.GameDates)
		l.GameDates = append(l.GameDates, date)
		boxScores := !slices.Contains(o.NoBoxScores, n)
		if !boxScores {
			l.Dead = append(l.Dead, date)
		}
		for i := range 1 + n%2 {
			w.game(date, teams[(4*n+2*i)%len(teams)], teams[(4*n+2*i+1)%len(teams)], boxScores)
			if boxScores {
				l.Games++
				l.Rows += 2 * roster
				l.Active += 2 * len(minutes)
			}
		}
	}
	l.Range = gamedate.Range{From: l.GameDates[0], To: l.GameDates[len(l.GameDates)-1]}
	w.roster(l.Range)
	for path, text := range map[string]*strings.Builder{l.Schedule: &w.schedule, l.Players: &w.players, l.Live: &w.live,
		l.Gamelog: &w.gamelog} {
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// writer gathers the text of the files.
type writer struct {
	schedule, players, live, gamelog strings.Builder
	games                            int
}

func newWriter() *writer {
	w := &writer{}
	w.schedule.WriteString(
		"game_id,game_date,season,season_type,home_team,away_team,home_pts,away_pts,home_team_id,away_team_id\n")
	w.players.WriteString("season,player_id,name_live,name_gamelog,team,first_date,last_date,games_listed,games_played," +
		"games_started,games_inactive,start_positions,jersey_numbers\n")
	w.live.WriteString(
		"GAME_ID,GAME_DATE,GAME_TYPE,TEAM_SIDE,TEAM,OPPONENT,personId,name,jerseyNum,position,starter,played,status," +
			"minutesCalculated,points,fieldGoalsMade,fieldGoalsAttempted,threePointersMade,threePointersAttempted," +
			"freeThrowsMade,freeThrowsAttempted,reboundsOffensive,reboundsDefensive,reboundsTotal," +
			"assists,steals,blocks,turnovers,plusMinusPoints,pointsFastBreak,pointsInThePaint\n")
	w.gamelog.WriteString(
		"SEASON_ID,GAME_ID,GAME_DATE,SEASON_TYPE,MATCHUP,WL,TEAM_ID,TEAM_ABBREVIATION,TEAM_NAME,PLAYER_ID," +
			"PLAYER_NAME,MIN,FGM,FGA,FG3M,FG3A,FTM,FTA,OREB,DREB,REB,AST,STL,BLK,TOV,PF,PTS,PLUS_MINUS\n")
	return w
}

// line is one player's game.
type line struct {
	minutes, fgm, fga, tpm, tpa, ftm, fta, oreb, dreb, ast, stl, blk, tov, pf int
}

func (l line) points() int { return 2*l.fgm + l.tpm + l.ftm }

// minutes of the ten who play; they add up to 240.
var minutes = []int{36, 34, 32, 30, 28, 24, 20, 16, 12, 8}

// team plays one side of a game.
func play(rng *rand.Rand) (lines []line, points int) {
	for _, m := range minutes {
		l := line{minutes: m, fgm: m/6 + rng.IntN(3), ftm: rng.IntN(1 + m/8), oreb: rng.IntN(3), dreb: rng.IntN(1 + m/5),
			ast: rng.IntN(1 + m/5), stl: rng.IntN(3), blk: rng.IntN(2), tov: rng.IntN(4), pf: rng.IntN(6)}
		l.fga = l.fgm + 1 + rng.IntN(m/4)
		l.tpm = rng.IntN(1 + l.fgm/2)
		l.tpa = l.tpm + rng.IntN(1+l.fga-l.fgm)
		l.fta = l.ftm + rng.IntN(2)
		lines = append(lines, l)
		points += l.points()
	}
	return lines, points
}

// game writes one game; box scores are left out when boxScores is false.
func (w *writer) game(date gamedate.Date, away, home string, boxScores bool) {
	w.games++
	id := fmt.Sprintf("002%02d%05d", date.SeasonYear()%100, w.games)
	seed := fnv.New64a()
	fmt.Fprint(seed, id, date)
	rng := rand.New(rand.NewPCG(seed.Sum64(), 1))
	awayLines, awayPoints := play(rng)
	homeLines, homePoints := play(rng)
	if awayPoints == homePoints { // no ties: one more free throw at home
		homeLines[0].ftm++
		homeLines[0].fta++
		homePoints++
	}
	fmt.Fprintf(&w.schedule, "%s,%s,%s,regular,%s,%s,%d,%d,%d,%d\n", id, date, date.Season(), home, away, homePoints,
		awayPoints, teamID(home), teamID(away))
	if !boxScores {
		return
	}
	shift := rng.IntN(roster)
	w.side(date, id, "awayTeam", away, home, awayLines, awayPoints-homePoints, shift)
	w.side(date, id, "homeTeam", home, away, homeLines, homePoints-awayPoints, shift)
}

var positions = []string{"PG", "SG", "SF", "PF", "C"}

// side writes one team of a game to both feeds. shift says who of the roster plays.
func (w *writer) side(date gamedate.Date, id, side, team, opponent string, lines []line, lead, shift int) {
	matchup, result := team+" @ "+opponent, "L"
	if side == "homeTeam" {
		matchup = team + " vs. " + opponent
	}
	if lead > 0 {
		result = "W"
	}
	for i := range roster {
		p := personOf(team, (i+shift)%roster)
		common := fmt.Sprintf("%s,%s,regular,%s,%s,%s,%d,%s,%d", id, date, side, team, opponent, p.id, p.live, p.jersey)
		if i >= len(lines) {
			status := "ACTIVE" // dressed and did not play
			if i == roster-1 {
				status = "INACTIVE"
			}
			fmt.Fprintf(&w.live, "%s,,0,0,%s,PT00M,%s\n", common, status, strings.TrimSuffix(strings.Repeat("0,", 17), ","))
			continue
		}
		l := lines[i]
		starter, position := 0, ""
		if i < len(positions) {
			starter, position = 1, positions[i]
		}
		plusMinus := lead * l.minutes / 48
		fmt.Fprintf(&w.live, "%s,%s,%d,1,ACTIVE,PT%02dM,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,0,0\n", common,
			position, starter, l.minutes, l.points(), l.fgm, l.fga, l.tpm, l.tpa, l.ftm, l.fta,
			l.oreb, l.dreb, l.oreb+l.dreb, l.ast, l.stl, l.blk, l.tov, plusMinus)
		fmt.Fprintf(&w.gamelog, "2%d,%s,%s,Regular Season,%s,%s,%d,%s,Team of %s,"+
			"%d,%s,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d\n",
			date.SeasonYear(), id, date, matchup, result, teamID(team), team, team, p.id, p.gamelog, l.minutes,
			l.fgm, l.fga, l.tpm, l.tpa, l.ftm, l.fta, l.oreb, l.dreb, l.oreb+l.dreb, l.ast, l.stl, l.blk, l.tov, l.pf,
			l.points(), plusMinus)
	}
}

// roster writes the list of players: every team in full, whether it plays or not.
func (w *writer) roster(r gamedate.Range) {
	for _, team := range teams {
		for i := range roster {
			p := personOf(team, i)
			fmt.Fprintf(&w.players, "%s,%d,%s,%s,%s,%s,%s,1,1,1,0,%s,%d\n", r.From.Season(), p.id, p.live,
				p.gamelog, team, r.From, r.To, positions[i%len(positions)], p.jersey)
		}
	}
}

func teamID(team string) int { return firstTeam + slices.Index(teams, team) }

// person is one invented player.
type person struct {
	id, jersey    int
	live, gamelog string
}

var (
	given = strings.Fields("Abel Bram Cyrus Dario Emil Fausto Gus Hollis Ivor Jabari Kellan Lazar")
	start = strings.Fields("Ash Birch Cedar Dun Elm Fern Glen Hazel Iron Juniper Knoll Linden Maple North Oak " +
		"Pine Quarry Reed Sand Thorn Upper Vale Willow Yarrow Alder Brook Clay Dale Ember Frost")
	end = strings.Fields("brook croft den field gate ham land moor ridge ton well wick")
)

// personOf names player i of a team; all names differ. The last but one of each roster has an accent in the game log
// and a generation suffix in only one of the feeds.
func personOf(team string, i int) person {
	n := slices.Index(teams, team)
	name := given[(n+5*i)%len(given)] + " " + start[n] + end[i]
	p := person{id: firstPerson + n*roster + i, jersey: 4 + 3*i, live: name, gamelog: name}
	if i == roster-2 {
		p.gamelog = strings.Replace(name, "a", "á", 1) + " Jr."
	}
	return p
}
