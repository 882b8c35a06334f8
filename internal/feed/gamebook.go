package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/summary"
	"gamefill/internal/table"
)

// teamNames are the teams' full names as gamebooks print them, in lower case.
var teamNames = map[string]string{
	"atlanta hawks": "ATL", "boston celtics": "BOS", "brooklyn nets": "BKN", "charlotte hornets": "CHA",
	"chicago bulls": "CHI", "cleveland cavaliers": "CLE", "dallas mavericks": "DAL", "denver nuggets": "DEN",
	"detroit pistons": "DET", "golden state warriors": "GSW", "houston rockets": "HOU", "indiana pacers": "IND",
	"la clippers": "LAC", "los angeles clippers": "LAC", "los angeles lakers": "LAL", "memphis grizzlies": "MEM",
	"miami heat": "MIA", "milwaukee bucks": "MIL", "minnesota timberwolves": "MIN", "new orleans pelicans": "NOP",
	"new york knicks": "NYK", "oklahoma city thunder": "OKC", "orlando magic": "ORL", "philadelphia 76ers": "PHI",
	"phoenix suns": "PHX", "portland trail blazers": "POR", "sacramento kings": "SAC", "san antonio spurs": "SAS",
	"toronto raptors": "TOR", "utah jazz": "UTA", "washington wizards": "WAS",
}

// bookPerson is one entry of a parsed gamebook.
type bookPerson struct {
	Name      string `json:"name"`
	Team      string `json:"team"`
	DNPReason string `json:"dnp_reason"`
	Reason    string `json:"reason"`
	Stats     *struct {
		Minutes *string `json:"minutes"`
		FGM     number  `json:"field_goals_made"`
		FGA     number  `json:"field_goals_attempted"`
		FG3M    number  `json:"three_pointers_made"`
		FG3A    number  `json:"three_pointers_attempted"`
		FTM     number  `json:"free_throws_made"`
		FTA     number  `json:"free_throws_attempted"`
		OREB    number  `json:"offensive_rebounds"`
		DREB    number  `json:"defensive_rebounds"`
		REB     number  `json:"total_rebounds"`
		AST     number  `json:"assists"`
		PF      number  `json:"personal_fouls"`
		STL     number  `json:"steals"`
		TOV     number  `json:"turnovers"`
		BLK     number  `json:"blocks"`
		PM      number  `json:"plus_minus"`
		PTS     number  `json:"points"`
	} `json:"stats"`
}

// gamebook reads one parsed gamebook: everybody listed for one game, with minutes to the second and the reasons of
// those who did not play. Inactive players are printed by their last name; each is looked for among the registry's
// players of the team and season, and says how that went in name_resolution_status.
func gamebook(im *importer, ctx context.Context, raw []byte, yield func(line)) error {
	var book struct {
		Code     string            `json:"game_code"`
		Date     string            `json:"date"`
		Away     string            `json:"away_team"`
		Home     string            `json:"home_team"`
		Active   []json.RawMessage `json:"active_players"`
		DNP      []json.RawMessage `json:"dnp_players"`
		Inactive []json.RawMessage `json:"inactive_players"`
	}
	if err := json.Unmarshal(raw, &book); err != nil {
		return fmt.Errorf("is no gamebook: %w", err)
	}
	date, err := gamedate.Parse(book.Date)
	if err != nil {
		return err
	}
	away, okAway := summary.Team(book.Away)
	home, okHome := summary.Team(book.Home)
	if !okAway || !okHome || away == home {
		return fmt.Errorf("no game is played by %q at %q", clip(book.Away, 40), clip(book.Home, 40))
	}
	g := game{date: date, away: away, home: home}
	roster, err := im.roster(ctx, date)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		status string
		people []json.RawMessage
	}{{boxscore.Active, book.Active}, {boxscore.DNP, book.DNP}, {boxscore.Inactive, book.Inactive}} {
		for _, item := range part.people {
			yield(bookRow(g, book.Code, part.status, item, roster))
		}
	}
	return nil
}

// member is one registry row of a season.
type member struct{ team, lookup, name string }

// roster reads the registry's players of a date's season; a missing registry is an empty one.
func (im *importer) roster(ctx context.Context, date gamedate.Date) ([]member, error) {
	if im.store == nil {
		return nil, nil // a dry run of files alone
	}
	registry, err := im.store.Read(ctx, boxscore.Registry, gamedate.Date{})
	if failure.ClassOf(err) == failure.Environment {
		return nil, nil // not there yet: last names stay unresolved
	}
	if err != nil {
		return nil, err
	}
	var list []member
	for _, row := range registry.Rows {
		if registryRows.get(row, "season").Str() == date.Season() {
			list = append(list,
				member{registryRows.get(row, "team_abbr").Str(), registryRows.get(row, "player_lookup").Str(),
					registryRows.get(row, "player_name").Str()})
		}
	}
	return list, nil
}

// bookRow makes one row of the gamebook, or says why the entry is none.
func bookRow(g game, code, status string, item json.RawMessage, roster []member) line {
	text := string(item)
	bad := func(reason, format string, args ...any) line {
		return line{text: text, reason: reason, detail: fmt.Sprintf(format, args...)}
	}
	var p bookPerson
	if err := json.Unmarshal(item, &p); err != nil {
		return bad(ReasonNumber, "%v", err)
	}
	team, ok := teamNames[strings.ToLower(strings.TrimSpace(p.Team))]
	if !ok {
		team, ok = summary.Team(p.Team)
	}
	switch {
	case !ok:
		return bad(ReasonTeam, "no team is called %q", clip(p.Team, 40))
	case team != g.home && team != g.away:
		return bad(ReasonNotPlaying, "%s is not one of the two sides %s and %s", team, g.away, g.home)
	case summary.Lookup(p.Name) == "":
		return bad(ReasonName, "%q has no letter or digit to look it up by", p.Name)
	case status == boxscore.Active && p.Stats == nil:
		return bad(ReasonMissing, "an active player without stats")
	}
	name, resolution := p.Name, boxscore.Original
	if status == boxscore.Inactive {
		name, resolution = resolve(p.Name, team, roster)
	}
	row := liveRows.row(values{
		"game_id": table.String(g.key()), "game_code": textOr(code), "game_date": table.Date(g.date),
		"season_year": table.Int(int64(g.date.SeasonYear())), "home_team_abbr": table.String(g.home),
		"away_team_abbr": table.String(g.away), "player_name": table.String(name),
		"player_name_original": table.String(p.Name), "player_lookup": table.String(summary.Lookup(name)),
		"team_abbr": table.String(team), "player_status": table.String(status),
		"name_resolution_status": table.String(resolution), "dnp_reason": textOr(p.DNPReason + p.Reason),
		"processed_at": stamp(g.date),
	})
	if s := p.Stats; s != nil && status == boxscore.Active {
		if s.Minutes != nil {
			liveRows.set(row, "minutes", table.String(*s.Minutes))
		}
		for column, n := range map[string]number{
			"points": s.PTS, "field_goals_made": s.FGM, "field_goals_attempted": s.FGA, "three_pointers_made": s.FG3M,
			"three_pointers_attempted": s.FG3A, "free_throws_made": s.FTM, "free_throws_attempted": s.FTA,
			"offensive_rebounds": s.OREB, "defensive_rebounds": s.DREB, "total_rebounds": s.REB, "assists": s.AST,
			"steals": s.STL, "blocks": s.BLK, "turnovers": s.TOV, "personal_fouls": s.PF, "plus_minus": s.PM,
		} {
			liveRows.set(row, column, n.Value)
		}
	}
	return line{text: text, row: row}
}

// resolve finds the person behind a last name among a team's players: exactly one whose lookup ends with it. None and
// several are said so, and the name stays as printed.
func resolve(name, team string, roster []member) (resolved, status string) {
	last := summary.Lookup(name)
	var found []member
	for _, m := range roster {
		if m.team == team && strings.HasSuffix(m.lookup, last) && !slices.Contains(found, m) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return name, boxscore.NotFound
	case 1:
		return found[0].name, boxscore.Resolved
	}
	return name, boxscore.MultipleMatches
}
