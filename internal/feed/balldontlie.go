package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gamefill/internal/gamedate"
	"gamefill/internal/summary"
	"gamefill/internal/table"
)

// bdlTeam is a side of a game in a balldontlie answer. A box-score answer has its players, a stat line has not.
type bdlTeam struct {
	ID           int64             `json:"id"`
	Abbreviation string            `json:"abbreviation"`
	Players      []json.RawMessage `json:"players"`
}

// bdlGame is a game, of a box-score answer (date, teams with players) or of a stat line (ids of the teams).
type bdlGame struct {
	Date         string  `json:"date"`
	Season       int64   `json:"season"`
	Status       string  `json:"status"`
	Period       number  `json:"period"`
	Postseason   bool    `json:"postseason"`
	HomeScore    number  `json:"home_team_score"`
	VisitorScore number  `json:"visitor_team_score"`
	HomeID       int64   `json:"home_team_id"`
	VisitorID    int64   `json:"visitor_team_id"`
	Home         bdlTeam `json:"home_team"`
	Visitor      bdlTeam `json:"visitor_team"`
}

// bdlLine is one person's line.
type bdlLine struct {
	Min      *string `json:"min"`
	FGM      number  `json:"fgm"`
	FGA      number  `json:"fga"`
	FG3M     number  `json:"fg3m"`
	FG3A     number  `json:"fg3a"`
	FTM      number  `json:"ftm"`
	FTA      number  `json:"fta"`
	OREB     number  `json:"oreb"`
	DREB     number  `json:"dreb"`
	REB      number  `json:"reb"`
	AST      number  `json:"ast"`
	STL      number  `json:"stl"`
	BLK      number  `json:"blk"`
	Turnover number  `json:"turnover"`
	PF       number  `json:"pf"`
	PTS      number  `json:"pts"`
	Player   struct {
		ID     int64  `json:"id"`
		First  string `json:"first_name"`
		Last   string `json:"last_name"`
		Pos    string `json:"position"`
		Jersey string `json:"jersey_number"`
	} `json:"player"`
	Team bdlTeam  `json:"team"`
	Game *bdlGame `json:"game"`
}

// balldontlie reads an answer of the box-scores endpoint (games with their players) or of the stats endpoint (one line
// a person, with the person's game). A stat line names its own team only; the other side's code comes from the lines of
// the same answer, and a game of which only one side is there is an error.
func balldontlie(_ *importer, _ context.Context, raw []byte, yield func(line)) error {
	var answer struct {
		Data []json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("data is no list: %w", err)
	}
	var lines []bdlLine
	codes := map[int64]string{}
	for i, item := range answer.Data {
		var game bdlGame
		if err := json.Unmarshal(item, &game); err == nil && len(game.Home.Players)+len(game.Visitor.Players) > 0 {
			for _, team := range []bdlTeam{game.Visitor, game.Home} {
				for _, player := range team.Players {
					var l bdlLine
					if err := json.Unmarshal(player, &l); err != nil {
						yield(line{text: string(player), reason: ReasonNumber, detail: err.Error()})
						continue
					}
					yield(bdlRow(l, game, team.Abbreviation, string(player)))
				}
			}
			continue
		}
		var l bdlLine
		if err := json.Unmarshal(item, &l); err != nil {
			yield(line{text: string(item), reason: ReasonNumber, detail: err.Error()})
			continue
		}
		if l.Game == nil {
			return fmt.Errorf("data[%d] is neither a game with players nor a stat line with its game", i)
		}
		codes[l.Team.ID] = l.Team.Abbreviation
		lines = append(lines, l)
	}
	for _, l := range lines {
		game := *l.Game
		game.Home.Abbreviation, game.Visitor.Abbreviation = codes[game.HomeID], codes[game.VisitorID]
		if game.Home.Abbreviation == "" || game.Visitor.Abbreviation == "" {
			return errors.New(
				"has the lines of one side of a game only, so the other side's code is unknown: fetch all pages of the game")
		}
		text, _ := json.Marshal(l.Player)
		yield(bdlRow(l, game, l.Team.Abbreviation, string(text)))
	}
	return nil
}

// bdlRow makes one row of the second source, or says why the line is none.
func bdlRow(l bdlLine, g bdlGame, code, text string) line {
	bad := func(reason, format string, args ...any) line {
		return line{text: text, reason: reason, detail: fmt.Sprintf(format, args...)}
	}
	date, err := gamedate.Parse(g.Date)
	if err != nil {
		return bad(ReasonDate, "date: %v", err)
	}
	home, okHome := summary.Team(g.Home.Abbreviation)
	away, okAway := summary.Team(g.Visitor.Abbreviation)
	own, okOwn := summary.Team(code)
	switch {
	case !okHome || !okAway || !okOwn:
		return bad(ReasonTeam, "no team has one of the codes %q, %q, %q", g.Home.Abbreviation, g.Visitor.Abbreviation, code)
	case home == away || own != home && own != away:
		return bad(ReasonNotPlaying, "%s is not one of the two sides %s and %s", own, away, home)
	case g.Season != 0 && g.Season != int64(date.SeasonYear()):
		return bad(ReasonSeason, "season %d does not hold %s", g.Season, date)
	}
	name := strings.TrimSpace(l.Player.First + " " + l.Player.Last)
	lookup := summary.Lookup(name)
	if lookup == "" {
		return bad(ReasonName, "%q has no letter or digit to look it up by", name)
	}
	minutes := table.Null
	if l.Min != nil {
		minutes = table.String(*l.Min)
	}
	key := game{date: date, away: away, home: home}.key()
	return line{text: text, row: gamelogRows.row(values{
		"game_id": table.String(key), "game_date": table.Date(date), "season_year": table.Int(int64(date.SeasonYear())),
		"is_postseason": table.Bool(g.Postseason), "game_status": textOr(g.Status), "period": g.Period.Value,
		"home_team_abbr": table.String(home), "away_team_abbr": table.String(away), "team_abbr": table.String(own),
		"home_team_score": g.HomeScore.Value, "away_team_score": g.VisitorScore.Value,
		"player_full_name": table.String(name), "player_lookup": table.String(lookup),
		"bdl_player_id": table.Int(l.Player.ID), "jersey_number": textOr(l.Player.Jersey), "position": textOr(l.Player.Pos),
		"minutes": minutes, "points": l.PTS.Value, "assists": l.AST.Value, "rebounds": l.REB.Value,
		"offensive_rebounds": l.OREB.Value, "defensive_rebounds": l.DREB.Value, "steals": l.STL.Value, "blocks": l.BLK.Value,
		"turnovers": l.Turnover.Value, "personal_fouls": l.PF.Value, "field_goals_made": l.FGM.Value,
		"field_goals_attempted": l.FGA.Value, "three_pointers_made": l.FG3M.Value, "three_pointers_attempted": l.FG3A.Value,
		"free_throws_made": l.FTM.Value, "free_throws_attempted": l.FTA.Value,
		"created_at": stamp(date), "processed_at": stamp(date),
	})}
}
