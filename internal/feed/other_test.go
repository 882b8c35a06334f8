package feed

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/boxscore"
	"gamefill/internal/export"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// save writes a file and returns its path; gzipped ones are compressed whatever their name.
func save(t *testing.T, name, text string, gzipped bool) string {
	t.Helper()
	b := []byte(text)
	if gzipped {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b = z.Bytes()
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func rowsOf(t *testing.T, store warehouse.Partitions, s *table.Schema, date string) []table.Row {
	t.Helper()
	d := gamedate.Date{}
	if date != "" {
		d = gamedate.MustParse(date)
	}
	p, err := store.Read(t.Context(), s, d)
	if err != nil {
		t.Fatal(err)
	}
	return p.Rows
}

// cells are some columns of a table's rows as texts, by the first of them.
func cells(s *table.Schema, rows []table.Row, key string, columns ...string) map[string]string {
	out := map[string]string{}
	for _, row := range rows {
		var texts []string
		for _, c := range columns {
			text := row[s.MustIndex(c)].Text()
			if row[s.MustIndex(c)].IsNull() {
				text = "NULL"
			}
			texts = append(texts, text)
		}
		out[row[s.MustIndex(key)].Text()] = strings.Join(texts, "|")
	}
	return out
}

const boxScores = `{"data": [
 {"date": "2022-01-15", "season": 2021, "status": "Final", "period": 5, "postseason": false, "home_team_score": 104, "visitor_team_score": 110,
  "home_team": {"id": 5, "abbreviation": "CHI", "players": [
   {"min": "34", "fgm": 8, "fga": 15, "fg3m": 2, "fg3a": 5, "ftm": 4, "fta": 6, "oreb": 1, "dreb": 4, "reb": 5, "ast": 3, "stl": 1, "blk": 0, "turnover": 2, "pf": 3, "pts": 22,
    "player": {"id": 7, "first_name": "Öskar", "last_name": "Ålund Jr.", "position": "G", "jersey_number": "0"}},
   {"min": "00", "fgm": 0, "fga": 0, "fg3m": 0, "fg3a": 0, "ftm": 0, "fta": 0, "oreb": 0, "dreb": 0, "reb": 0, "ast": 0, "stl": 0, "blk": 0, "turnover": 0, "pf": 0, "pts": 0,
    "player": {"id": 8, "first_name": "Bench", "last_name": "Warmer", "position": "", "jersey_number": null}}]},
  "visitor_team": {"id": 2, "abbreviation": "BOS", "players": [
   {"min": null, "fgm": null, "pts": null, "player": {"id": 9, "first_name": "Nil", "last_name": "Value"}},
   {"min": "12", "pts": "many", "player": {"id": 10, "first_name": "Bad", "last_name": "Number"}}]}}
]}`

func TestBalldontlie(t *testing.T) {
	t.Parallel()
	store := embedded(t)
	for _, gzipped := range []bool{false, true} { // again: the games are replaced
		r, err := Import(t.Context(), store, save(t, "answer.txt", boxScores, gzipped), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Format != FormatBalldontlie || r.Lines != 4 || r.Rows != 3 || r.RejectedBy[ReasonNumber] != 1 || r.Games != 1 {
			t.Errorf("report: got %+v, want 3 of 4 lines of one game", r)
		}
	}
	got := cells(boxscore.BDL, rowsOf(t, store, boxscore.BDL, "2022-01-15"), "player_full_name", "game_id", "team_abbr",
		"player_lookup", "minutes", "points", "period", "home_team_score", "jersey_number", "processed_at")
	want := map[string]string{
		"Öskar Ålund Jr.": "20220115_BOS_CHI|CHI|oskaralundjr|34|22|5|104|0|2022-01-16T12:00:00.000000Z",
		"Bench Warmer":    "20220115_BOS_CHI|CHI|benchwarmer|00|0|5|104|NULL|2022-01-16T12:00:00.000000Z",
		"Nil Value":       "20220115_BOS_CHI|BOS|nilvalue|NULL|NULL|5|104|NULL|2022-01-16T12:00:00.000000Z",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestBalldontlieStatLines(t *testing.T) {
	t.Parallel()
	line := func(name, team, id string) string {
		return `{"id": 1, "min": "20", "pts": 4, "player": {"id": ` + id + `, "first_name": "` + name + `", "last_name": "Test"}, "team": {"id": ` + id + `, "abbreviation": "` + team + `"},
		 "game": {"id": 5, "date": "2022-01-15", "season": 2021, "status": "Final", "period": 4, "home_team_id": 21, "visitor_team_id": 12, "home_team_score": 91, "visitor_team_score": 80}}`
	}
	store := embedded(t)
	both := `{"data": [` + line("Ann", "OKC", "21") + "," + line("Bob", "IND", "12") + `], "meta": {"per_page": 100}}`
	if _, err := Import(t.Context(), store, save(t, "stats.json", both, false),
		Options{Format: FormatBalldontlie}); err != nil {
		t.Fatal(err)
	}
	got := cells(boxscore.BDL, rowsOf(t, store, boxscore.BDL, "2022-01-15"), "player_full_name", "game_id", "team_abbr")
	if diff := cmp.Diff(map[string]string{"Ann Test": "20220115_IND_OKC|OKC", "Bob Test": "20220115_IND_OKC|IND"},
		got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	one := `{"data": [` + line("Ann", "OKC", "21") + `]}`
	if _, err := Import(t.Context(), store, save(t, "stats.json", one, false), Options{}); err == nil ||
		!strings.Contains(err.Error(), "one side") {
		t.Errorf("one side of a game: got %v", err)
	}
}

const book = `{
 "game_code": "20220115/BOSCHI", "date": "2022-01-15", "away_team": "BOS", "home_team": "CHI",
 "active_players": [{"name": "Öskar Ålund", "team": "CHICAGO BULLS", "status": "active", "stats": {"minutes": "34:56", "points": 22, "field_goals_made": 8, "plus_minus": -7}}],
 "dnp_players": [{"name": "Sit Ting", "team": "Boston Celtics", "status": "did_not_play", "dnp_reason": "DNP - Coach's Decision"}],
 "inactive_players": [
  {"name": "Brown", "team": "Chicago Bulls", "reason": "Injury/Illness - Left Knee; Soreness"},
  {"name": "Greene", "team": "Chicago Bulls", "reason": "G League"},
  {"name": "Grey", "team": "Boston Celtics", "reason": "Rest"},
  {"name": "Nobody", "team": "Springfield Atoms", "reason": "Rest"}]
}`

func TestGamebook(t *testing.T) {
	t.Parallel()
	store := embedded(t)
	if err := store.Create(t.Context(), boxscore.Registry); err != nil {
		t.Fatal(err)
	}
	_, err := store.Load(t.Context(), boxscore.Registry, nil, func(yield func(table.Row) error) error {
		for _, p := range [][3]string{{"Ada Brown", "adabrown", "CHI"}, {"Bea Brown", "beabrown", "CHI"},
			{"Cy Greene", "cygreene", "CHI"}, {"Di Greene", "digreene", "BOS"}} {
			if err := yield(
				registryRows.row(
					values{"player_name": table.String(p[0]), "player_lookup": table.String(p[1]), "team_abbr": table.String(p[2]),
						"season": table.String("2021-22")})); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Import(t.Context(), store, save(t, "book.json", book, false), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Format != FormatGamebook || r.Rows != 5 || r.RejectedBy[ReasonTeam] != 1 {
		t.Errorf("report: got %+v, want 5 rows and one unknown team", r)
	}
	got := cells(boxscore.Gamebook, rowsOf(t, store, boxscore.Gamebook, "2022-01-15"), "player_name_original",
		"player_name", "team_abbr", "player_status", "name_resolution_status", "minutes", "points", "plus_minus",
		"dnp_reason")
	want := map[string]string{
		"Öskar Ålund": "Öskar Ålund|CHI|active|original|34:56|22|-7|NULL",
		"Sit Ting":    "Sit Ting|BOS|dnp|original|NULL|NULL|NULL|DNP - Coach's Decision",
		"Brown":       "Brown|CHI|inactive|multiple_matches|NULL|NULL|NULL|Injury/Illness - Left Knee; Soreness",
		"Greene":      "Cy Greene|CHI|inactive|resolved|NULL|NULL|NULL|G League",
		"Grey":        "Grey|BOS|inactive|not_found|NULL|NULL|NULL|Rest",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// A table that is extracted in any form and imported elsewhere is the same table; again, it is all repeats.
func TestRawTableInEveryForm(t *testing.T) {
	t.Parallel()
	from := embedded(t)
	for _, text := range []string{scheduleText, playersText, liveText, logText} {
		if _, err := Import(t.Context(), from, save(t, "feed.csv", text, false), Options{}); err != nil {
			t.Fatal(err)
		}
	}
	all := gamedate.Range{From: gamedate.Earliest, To: gamedate.Latest}
	for _, s := range []*table.Schema{boxscore.Schedule, boxscore.Gamebook, boxscore.BDL} {
		for _, f := range []export.Format{export.CSV, export.NDJSON, export.Parquet} {
			t.Run(s.Name+" "+f.String(), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "extract")
				n, err := export.ToFile(context.Background(), from, s, all, f, path)
				if err != nil || n == 0 {
					t.Fatalf("export: got %d rows, %v", n, err)
				}
				to := embedded(t)
				dry, err := Import(context.Background(), to, path, Options{DryRun: true})
				if err != nil || dry.Rows != n {
					t.Fatalf("dry run: got %+v, %v, want %d rows", dry, err, n)
				}
				for _, want := range []Report{{Rows: n}, {Repeats: n}} {
					r, err := Import(context.Background(), to, path, Options{})
					if err != nil {
						t.Fatal(err)
					}
					if r.Format != s.Name || r.Lines != n || r.Rows != want.Rows || r.Repeats != want.Repeats || r.Rejected != 0 {
						t.Errorf("got %+v, want %d rows and %d repeats", r, want.Rows, want.Repeats)
					}
				}
				mine, err := from.Tokens(context.Background(), s, all)
				if err != nil {
					t.Fatal(err)
				}
				theirs, err := to.Tokens(context.Background(), s, all)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(mine, theirs); diff != "" {
					t.Errorf("tokens (-extracted +imported):\n%s", diff)
				}
			})
		}
	}
}

func TestRawTableRefusals(t *testing.T) {
	t.Parallel()
	const head = "game_id,game_date,season_year,home_team_tricode,away_team_tricode"
	good := head +
		"\n0022100400,2021-12-15,2021,CHI,BOS\n0022100401,2021-12-15,2021,LAL,DEN\n0022100402,2021-12-16,2021,MIA,NYK\n"
	tests := []struct {
		name, text, format string
		want               string // in the error; "" for a rejection
		rejected           int
	}{
		{"a bad date is one rejection", good + "0022100403,2021-02-30,2021,MIA,NYK\n", "", "", 1},
		{"a REQUIRED column that is NULL", good + ",2021-12-16,2021,MIA,NYK\n", "", "", 1},
		{"a row of another width", good + "1,2\n", "", "", 1},
		{"a missing column", "game_id,game_date\n1,2021-12-15\n", boxscore.Schedule.Name, "lacks", 0},
		{"an unknown column", head + ",points\n1,2021-12-15,2021,CHI,BOS,3\n", boxscore.Schedule.Name, "unknown", 0},
		{"cut off in the last line", good + "00221004", "", "cut off", 0},
		{"nearly a raw table", head + ",points\n1,2021-12-15,2021,CHI,BOS,3\n", "", "format nbac_schedule", 0},
		{"header only", head + "\n", "", "no rows", 0},
		{"JSON of no table", `{"a":1}` + "\n", "", "no raw table", 0},
		{"a JSON document of no kind", "{\n\"a\": 1}\n", "", "no known format", 0},
		{"a document where a feed is named", boxScores, FormatLive, "no CSV file", 0},
		{"a feed where a document is named", scheduleText, FormatGamebook, "no JSON document", 0},
		{"a document of another kind", boxScores, FormatGamebook, "active_players", 0},
		{"cut-off JSON", boxScores[:len(boxScores)/2], "", "no JSON object", 0},
		{"an unknown format", good, "excel", "balldontlie", 0},
		{"broken Parquet", "PAR1 and nothing else", "", "Parquet", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := embedded(t)
			r, err := Import(t.Context(), store, save(t, "file", tt.text, false), Options{Format: tt.format})
			if tt.want == "" {
				if err != nil || r.Rejected != tt.rejected || r.Rows != 3 {
					t.Errorf("got %+v, %v, want %d rejected and 3 rows", r, err, tt.rejected)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if tokens, err := store.Tokens(t.Context(), boxscore.Schedule,
				gamedate.Range{From: gamedate.Earliest, To: gamedate.Latest}); err == nil && len(tokens) > 0 {
				t.Errorf("something was loaded: %v", tokens)
			}
		})
	}
}
