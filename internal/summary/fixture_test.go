package summary

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// cells are a row's values by column: text is read as the column's type, int and bool are taken as they are.
type cells map[string]any

// rowOf builds a row of a schema; columns not named are NULL.
func rowOf(s *table.Schema, c cells) table.Row {
	row := make(table.Row, len(s.Columns))
	for name, v := range c {
		at := s.MustIndex(name)
		switch v := v.(type) {
		case nil:
		case int:
			row[at] = table.Int(int64(v))
		case bool:
			row[at] = table.Bool(v)
		case gamedate.Date:
			row[at] = table.Date(v)
		case table.Value:
			row[at] = v
		case string:
			parsed, err := s.Columns[at].ParseText(v)
			if err != nil {
				panic(err)
			}
			row[at] = parsed
		default:
			panic(fmt.Sprintf("cell %s: %T", name, v))
		}
	}
	return row
}

// with is a copy of c changed by each of the others in turn.
func with(c cells, others ...cells) cells {
	c = maps.Clone(c)
	for _, o := range others {
		maps.Copy(c, o)
	}
	return c
}

// loadedAt is when the fixtures' rows were loaded.
const loadedAt = "2022-01-16T10:00:00Z"

// world is the input of one date in the making.
type world struct {
	date      gamedate.Date
	schedule  []table.Row
	book, bdl []table.Row
	players   []table.Row
	aliases   []table.Row
	known     map[string]bool
	settings  string
	in        job.Input // Previous, PreviousFacts, NewestSource, Force
}

func newWorld(date string) *world {
	return &world{date: gamedate.MustParse(date), known: map[string]bool{}}
}

// id is the canonical id of a game of the date.
func (w *world) id(away, home string) string { return gameID(w.date, away, home) }

// addGame puts a final game on the schedule. League ids count up by game.
func (w *world) addGame(away, home string, awayPoints, homePoints int, changes ...cells) {
	w.schedule = append(w.schedule, rowOf(boxscore.Schedule, with(cells{
		"game_id": fmt.Sprintf("00221%05d", 400+len(w.schedule)), "season_year": w.date.SeasonYear(), "game_date": w.date,
		"game_status": boxscore.Final, "game_status_text": "Final", "away_team_tricode": away, "home_team_tricode": home,
		"away_team_score": awayPoints, "home_team_score": homePoints, "processed_at": loadedAt,
	}, changes...)))
}

// know adds a person to the registry.
func (w *world) know(lookup, id, team string, changes ...cells) {
	w.known[lookup] = true
	w.players = append(w.players, rowOf(boxscore.Registry, with(cells{
		"universal_player_id": id, "player_name": lookup, "player_lookup": lookup, "team_abbr": team,
		"season": w.date.Season(),
	}, changes...)))
}

// meet makes sure that the registry knows a name somehow.
func (w *world) meet(name, team string) {
	if key := Lookup(name); key != "" && !w.known[key] {
		w.know(key, key+"_001", team)
	}
}

func (w *world) alias(from, to string, active bool) {
	w.aliases = append(w.aliases, rowOf(boxscore.Aliases, cells{
		"alias_lookup": from, "nba_canonical_lookup": to, "is_active": active,
	}))
}

// shots reads "27 10/18 3/7 4/5 3": points, field goals, threes, free throws, turnovers. Other counts are zero.
func shots(line string) cells {
	c := cells{}
	for _, name := range sourceStats[bdl] {
		if name != "" {
			c[name] = 0
		}
	}
	if line == "" {
		return c
	}
	var pts, fgMade, fgTried, threeMade, threeTried, ftMade, ftTried, tov int
	if n, err := fmt.Sscanf(line, "%d %d/%d %d/%d %d/%d %d", &pts, &fgMade, &fgTried, &threeMade, &threeTried, &ftMade,
		&ftTried, &tov); n != 8 {
		panic(err)
	}
	maps.Copy(c, cells{
		"points": pts, "field_goals_made": fgMade, "field_goals_attempted": fgTried, "three_pointers_made": threeMade,
		"three_pointers_attempted": threeTried, "free_throws_made": ftMade, "free_throws_attempted": ftTried,
		"turnovers": tov,
	})
	return c
}

// bookRow is a gamebook row of somebody who played.
func (w *world) bookRow(game, team, name, minutes, line string, changes ...cells) table.Row {
	return rowOf(boxscore.Gamebook, with(cells{
		"game_id": game, "game_date": w.date, "season_year": w.date.SeasonYear(), "player_name": name,
		"player_name_original": name, "player_lookup": "as stored", "team_abbr": team, "player_status": boxscore.Active,
		"name_resolution_status": boxscore.Original, "minutes": minutes, "plus_minus": 0, "processed_at": loadedAt,
	}, append([]cells{shots(line)}, changes...)...))
}

func (w *world) addBook(game, team, name, minutes, line string, changes ...cells) {
	w.meet(name, team)
	w.book = append(w.book, w.bookRow(game, team, name, minutes, line, changes...))
}

// addIdle adds a gamebook row of somebody who did not play: everything NULL.
func (w *world) addIdle(game, team, name, status string, changes ...cells) {
	w.meet(name, team)
	w.book = append(w.book, rowOf(boxscore.Gamebook, with(cells{
		"game_id": game, "game_date": w.date, "season_year": w.date.SeasonYear(), "player_name": name,
		"player_name_original": name, "team_abbr": team, "player_status": status,
		"name_resolution_status": boxscore.Original, "processed_at": loadedAt,
	}, changes...)))
}

func (w *world) addBDL(game, team, name, minutes, line string, changes ...cells) {
	w.meet(name, team)
	_, away, home, _ := splitGameID(game)
	w.bdl = append(w.bdl, rowOf(boxscore.BDL, with(cells{
		"game_id": game, "game_date": w.date, "season_year": w.date.SeasonYear(), "is_postseason": false,
		"game_status": "Final", "home_team_abbr": home, "away_team_abbr": away, "team_abbr": team,
		"player_full_name": name, "player_lookup": "as stored", "minutes": minutes, "processed_at": loadedAt,
		"created_at": loadedAt,
	}, append([]cells{shots(line)}, changes...)...)))
}

// teamLine spreads points over ten players of 24 minutes each; see addTeam.
func teamLine(points, i int) string {
	share := points / 10
	if i == 0 {
		share += points % 10
	}
	return fmt.Sprintf("%d %d/%d 0/1 %d/%d 1", share, share/2, share/2+4, share%2, share%2+1)
}

// addTeam adds ten gamebook rows that make a complete team with the given points.
func (w *world) addTeam(game, team string, points int) {
	for i := range 10 {
		w.addBook(game, team, playerOf(team, i), "24:00", teamLine(points, i))
	}
}

// playerOf names the i-th player of addTeam.
func playerOf(team string, i int) string { return team + " Player " + string(rune('A'+i)) }

// addFullGame adds a final game with two complete teams and enough idle players for an ordinary game.
func (w *world) addFullGame(away, home string, awayPoints, homePoints int) string {
	w.addGame(away, home, awayPoints, homePoints)
	id := w.id(away, home)
	w.addTeam(id, away, awayPoints)
	w.addTeam(id, home, homePoints)
	for i := range 4 {
		w.addIdle(id, away, away+" Bench "+string(rune('A'+i)), boxscore.Inactive)
		w.addIdle(id, home, home+" Bench "+string(rune('A'+i)), boxscore.DNP)
	}
	return id
}

// input is the world as the engine would hand it over.
func (w *world) input() job.Input {
	in := w.in
	in.Date = w.date
	in.Sources = map[string][]table.Row{
		boxscore.Schedule.Name: w.schedule, boxscore.Gamebook.Name: w.book, boxscore.BDL.Name: w.bdl,
	}
	if in.Now.IsZero() {
		in.Now = time.Date(2024, 6, 1, 8, 0, 0, 0, time.UTC)
	}
	return in
}

func (w *world) shared(t testing.TB) any {
	t.Helper()
	sh, err := decodeRun([]byte(w.settings), map[string][]table.Row{
		boxscore.Registry.Name: w.players, boxscore.Aliases.Name: w.aliases,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sh
}

func (w *world) tryBuild(t testing.TB) (job.Output, error) {
	t.Helper()
	return build(w.shared(t), w.input())
}

// build builds the date and checks what must hold for every build: the account of rows and the schema.
func (w *world) build(t testing.TB) job.Output {
	t.Helper()
	o, err := w.tryBuild(t)
	if err != nil {
		t.Fatalf("build %s: %v", w.date, err)
	}
	checkAccount(t, o)
	for _, row := range o.Rows {
		if err := Target.Check(row, w.date); err != nil {
			t.Errorf("row %s: %v", Target.Describe(row), err)
		}
	}
	return o
}

// checkAccount verifies that rows in = rows used + rejected.
func checkAccount(t testing.TB, o job.Output) {
	t.Helper()
	sum := o.Counts.RowsUsed
	for _, n := range o.Counts.RejectedBy {
		sum += n
	}
	if sum != o.Counts.RowsIn {
		t.Errorf("rows in %d, used and rejected %d (%+v)", o.Counts.RowsIn, sum, o.Counts)
	}
	if int64(len(o.Rows)) != o.Counts.RowsOut {
		t.Errorf("%d rows, counted %d", len(o.Rows), o.Counts.RowsOut)
	}
}

// rowsNamed are the output rows of a lookup.
func rowsNamed(o job.Output, lookup string) []table.Row {
	var rows []table.Row
	for _, row := range o.Rows {
		if row[out.lookup].Str() == lookup {
			rows = append(rows, row)
		}
	}
	return rows
}

// rowNamed is the one output row of a name.
func rowNamed(t testing.TB, o job.Output, name string) table.Row {
	t.Helper()
	rows := rowsNamed(o, Lookup(name))
	if len(rows) != 1 {
		t.Fatalf("%d rows of %q, want 1", len(rows), name)
	}
	return rows[0]
}

// show reads columns of a row as text, NULL as "NULL": "points=27 ts_pct=0.668".
func show(row table.Row, columns string) string {
	var parts []string
	for name := range strings.FieldsSeq(columns) {
		v := row[Target.MustIndex(name)]
		text := v.Text()
		if v.IsNull() {
			text = "NULL"
		}
		parts = append(parts, name+"="+text)
	}
	return strings.Join(parts, " ")
}

// wantCells compares columns of a row with "column=value" texts.
func wantCells(t testing.TB, row table.Row, want string) {
	t.Helper()
	var names []string
	for part := range strings.FieldsSeq(want) {
		name, _, _ := strings.Cut(part, "=")
		names = append(names, name)
	}
	if got := show(row, strings.Join(names, " ")); got != want {
		t.Errorf("%s:\n got %s\nwant %s", Target.Describe(row), got, want)
	}
}

// findings lists "rule level" of an output, sorted.
func findings(o job.Output) []string {
	var list []string
	for _, f := range o.Findings {
		list = append(list, f.Rule+" "+string(f.Level))
	}
	slices.Sort(list)
	return list
}

// messageOf is the message of the first finding of a rule.
func messageOf(o job.Output, rule string) string {
	for _, f := range o.Findings {
		if f.Rule == rule {
			return f.Message
		}
	}
	return ""
}
