package summary

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

var (
	inputDates = []gamedate.Date{gamedate.MustParse("2022-01-15"), gamedate.MustParse("2022-12-01")}
	inputTeams = strings.Fields("ATL BOS BKN CHA CHI CLE DAL DEN DET GSW HOU IND LAC LAL MEM MIA MIL MIN NOP NYK")
)

// rawInputs are two dates of two seasons, each with ten final games that both sources have in full, 20 active rows a
// game.
func rawInputs(t *testing.T) *job.PreflightInput {
	t.Helper()
	settings, err := Job().Settings(nil)
	if err != nil {
		t.Fatal(err)
	}
	in := &job.PreflightInput{
		Range:      gamedate.Range{From: gamedate.MustParse("2021-10-01"), To: gamedate.MustParse("2023-06-30")},
		Settings:   settings,
		Thresholds: job.Defaults(thresholds), Expected: map[gamedate.Date]job.Expectation{}, Queued: map[gamedate.Date]bool{},
		Counts: map[string][]job.GroupCount{Target.Name: {}}, References: map[string][]table.Row{},
	}
	for _, d := range inputDates {
		in.Queued[d] = true
		e := job.Expectation{Units: 10}
		for i := 0; i < len(inputTeams); i += 2 {
			id := gameID(d, inputTeams[i], inputTeams[i+1])
			e.Names = append(e.Names, id)
			in.Counts[boxscore.Gamebook.Name] = append(in.Counts[boxscore.Gamebook.Name],
				job.GroupCount{Date: d, Keys: []string{id, boxscore.Active}, Rows: 20, Nulls: []int64{0}},
				job.GroupCount{Date: d, Keys: []string{id, boxscore.DNP}, Rows: 10, Nulls: []int64{10}})
			in.Counts[boxscore.BDL.Name] = append(in.Counts[boxscore.BDL.Name],
				// the other order
				job.GroupCount{Date: d, Keys: []string{gameID(d, inputTeams[i+1], inputTeams[i])}, Rows: 30, Nulls: []int64{0}})
		}
		in.Expected[d] = e
		in.Counts[nameCounts[gamebook].Key()] = append(in.Counts[nameCounts[gamebook].Key()], gamebookNames(d, "A", 300))
		in.Counts[nameCounts[bdl].Key()] = append(in.Counts[nameCounts[bdl].Key()],
			job.GroupCount{Keys: []string{fmt.Sprint(d.SeasonYear()), "A"}, Rows: 300})
		in.References[boxscore.Registry.Name] = append(in.References[boxscore.Registry.Name],
			rowOf(boxscore.Registry, cells{"season": d.Season(), "player_name": "A", "player_lookup": "a", "team_abbr": "BOS",
				"universal_player_id": "a_1"}))
	}
	return in
}

// gamebookNames is a count of active gamebook rows with a name.
func gamebookNames(d gamedate.Date, name string, rows int64) job.GroupCount {
	return job.GroupCount{Keys: []string{fmt.Sprint(d.SeasonYear()), name, name, boxscore.Active, boxscore.Original},
		Rows: rows}
}

// renamed gives n of the 300 gamebook rows of the first date a name that nobody knows.
func renamed(in *job.PreflightInput, n int64) {
	groups := in.Counts[nameCounts[gamebook].Key()]
	groups[0].Rows -= n
	in.Counts[nameCounts[gamebook].Key()] = append(groups, gamebookNames(inputDates[0], "Nobody", n))
}

// aliased gives that name an alias.
func aliased(in *job.PreflightInput, active bool) {
	in.References[boxscore.Aliases.Name] = []table.Row{rowOf(boxscore.Aliases,
		cells{"alias_lookup": "nobody", "nba_canonical_lookup": "a", "is_active": active})}
}

// lose removes the first n games from the counts of a table.
func lose(in *job.PreflightInput, schema *table.Schema, n int) {
	gone := map[string]bool{}
	in.Counts[schema.Name] = slices.DeleteFunc(in.Counts[schema.Name], func(g job.GroupCount) bool {
		if len(gone) < n || gone[g.Keys[0]] {
			gone[g.Keys[0]] = true
			return true
		}
		return false
	})
}

// withoutMinutes takes the minutes from n rows of a table that played.
func withoutMinutes(in *job.PreflightInput, schema *table.Schema, n int64) {
	for i, g := range in.Counts[schema.Name] {
		if n > 0 && (len(g.Keys) == 1 || g.Keys[1] == boxscore.Active) {
			in.Counts[schema.Name][i].Nulls[0] = min(n, g.Rows)
			n -= min(n, g.Rows)
		}
	}
}

// rosterOnly makes nobody active in the first n games of the gamebook, and takes them from the other source.
func rosterOnly(in *job.PreflightInput, n int) {
	for i := range 2 * n {
		if in.Counts[boxscore.Gamebook.Name][i].Keys[1] == boxscore.Active {
			in.Counts[boxscore.Gamebook.Name][i].Keys[1] = boxscore.Inactive
		}
	}
	lose(in, boxscore.BDL, n)
}

func erasing(values int64, unowned string) func(in *job.PreflightInput) {
	return func(in *job.PreflightInput) {
		nulls := make([]int64, len(unownedAt))
		for i := range nulls {
			nulls[i] = 30
		}
		nulls[0] -= values
		in.Counts[Target.Name] = []job.GroupCount{{Date: inputDates[0], Rows: 30, Nulls: nulls}}
		in.Settings = []byte(fmt.Sprintf(`{"unowned":%q}`, unowned))
	}
}

// inputCases change inputs that are whole. TestThresholdEdges walks the bounds.
var inputCases = []struct {
	name, scope, check string
	change             func(in *job.PreflightInput)
	want               job.Verdict
}{
	{"a game in no source", "", "games_without_rows",
		func(in *job.PreflightInput) { lose(in, boxscore.Gamebook, 1); lose(in, boxscore.BDL, 1) }, job.Warned},
	{"its own season", "2021-22", "games_without_rows",
		func(in *job.PreflightInput) { lose(in, boxscore.Gamebook, 1); lose(in, boxscore.BDL, 1) }, job.Warned},
	{"the other season", "2022-23", "games_without_rows",
		func(in *job.PreflightInput) { lose(in, boxscore.Gamebook, 1); lose(in, boxscore.BDL, 1) }, job.Pass},
	{"a game in one source", "", "games_without_rows", func(in *job.PreflightInput) { lose(in, boxscore.Gamebook, 1) },
		job.Pass},
	{"a source that is switched off", "", "bdl_games", func(in *job.PreflightInput) {
		lose(in, boxscore.BDL, 20)
		in.Settings = []byte(`{"sources":{"bdl_player_boxscores":{"off":true}}}`)
	}, job.Pass},
	{"a source that is off, and the other has gaps", "", "games_without_rows", func(in *job.PreflightInput) {
		lose(in, boxscore.Gamebook, 1)
		in.Settings = []byte(`{"sources":{"bdl_player_boxscores":{"off":true}}}`)
	}, job.Warned},
	{"a roster, and the other source has the game", "", "games_without_active", func(in *job.PreflightInput) {
		in.Counts[boxscore.Gamebook.Name][0].Keys[1] = boxscore.Inactive
	}, job.Pass},
	{"all of them in one season", "2021-22",
		"gamebook_minutes_null", func(in *job.PreflightInput) { withoutMinutes(in, boxscore.Gamebook, 11) }, job.Failed},
	{"another bound", "", "bdl_minutes_null", func(in *job.PreflightInput) {
		withoutMinutes(in, boxscore.BDL, 31)
		in.Thresholds, _ = in.Thresholds.With(map[string]job.Bounds{"preflight.bdl_minutes_null": bounds(6, 10)})
	}, job.Pass},
	{"a season without registry", "", "registry_seasons", func(in *job.PreflightInput) {
		in.References[boxscore.Registry.Name] = in.References[boxscore.Registry.Name][:1]
	}, job.Failed},
	{"a season without games needs none", "", "registry_seasons", func(in *job.PreflightInput) {
		in.References[boxscore.Registry.Name] = in.References[boxscore.Registry.Name][:1]
		delete(in.Expected, inputDates[1])
	}, job.Pass},
	{"2% of 1,200 rows with an unknown name", "",
		"unresolved", func(in *job.PreflightInput) { renamed(in, 24) }, job.Pass},
	{"over 2%", "", "unresolved", func(in *job.PreflightInput) { renamed(in, 25) }, job.Warned},
	{"2% of a season", "2021-22", "unresolved", func(in *job.PreflightInput) { renamed(in, 12) }, job.Pass},
	{"over 2% of a season", "2021-22", "unresolved", func(in *job.PreflightInput) { renamed(in, 13) }, job.Warned},
	{"names of another season", "2022-23", "unresolved", func(in *job.PreflightInput) { renamed(in, 300) }, job.Pass},
	{"an alias", "", "unresolved", func(in *job.PreflightInput) { renamed(in, 300); aliased(in, true) }, job.Pass},
	{"an alias that is not active", "",
		"unresolved", func(in *job.PreflightInput) { renamed(in, 300); aliased(in, false) }, job.Warned},
	{"a registry without ids", "", "unresolved", func(in *job.PreflightInput) {
		for _, row := range in.References[boxscore.Registry.Name] {
			row[boxscore.Registry.MustIndex("universal_player_id")] = table.Null
		}
	}, job.Warned},
	{"unknown names of a source that is off", "", "unresolved", func(in *job.PreflightInput) {
		in.Counts[nameCounts[bdl].Key()][0].Keys[1] = "Nobody"
		in.Settings = []byte(`{"sources":{"bdl_player_boxscores":{"off":true}}}`)
	}, job.Pass},
	{"unknown names that a build leaves out", "", "unresolved", func(in *job.PreflightInput) {
		renamed(in, 100)
		last := in.Counts[nameCounts[gamebook].Key()][2]
		last.Keys[3], last.Keys[4] = boxscore.Inactive, boxscore.NotFound
	}, job.Pass},
	{"a value that nobody fills", "", "unowned_columns", erasing(1, UnownedRefuse), job.Failed},
	{"no value", "", "unowned_columns", erasing(0, UnownedRefuse), job.Pass},
	{"a value that is carried", "", "unowned_columns", erasing(1, UnownedCarry), job.Pass},
	{"a value that is erased", "", "unowned_columns", erasing(1, UnownedErase), job.Warned},
	{"a value on a date that is left", "", "unowned_columns", func(in *job.PreflightInput) {
		erasing(1, UnownedRefuse)(in)
		delete(in.Queued, inputDates[0])
	}, job.Pass},
}

func TestJudgeInputs(t *testing.T) {
	t.Parallel()
	judge := Job().Preflight.Judge
	for _, c := range judge(*rawInputs(t)) {
		if c.Verdict != job.Pass || c.Advice != "" {
			t.Errorf("whole inputs: %+v", c)
		}
	}
	for _, tt := range inputCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := rawInputs(t)
			tt.change(in)
			c := verdictOf(t, judge(*in), tt.scope, tt.check)
			if c.Verdict != tt.want || (c.Advice == "") != (tt.want == job.Pass) {
				t.Errorf("%+v, want %s, and advice unless it passes", c, tt.want)
			}
		})
	}
}

// What could not be counted is judged by nobody, and the rest is.
func TestJudgeInputsThatAreNotCounted(t *testing.T) {
	t.Parallel()
	in := rawInputs(t)
	delete(in.Counts, boxscore.BDL.Name)
	delete(in.Counts, Target.Name)
	delete(in.Counts, nameCounts[bdl].Key())
	in.References = nil
	names := map[string]bool{}
	for _, c := range judgeInputs(*in) {
		names[c.Name] = true
	}
	if len(names) != 2 || !names["gamebook_games"] || !names["gamebook_minutes_null"] {
		t.Errorf("got checks %v, want those of the gamebook alone", names)
	}
}

func TestUnownedValuesAreCountedByColumnAndSeason(t *testing.T) {
	t.Parallel()
	in := rawInputs(t)
	erasing(2, UnownedRefuse)(in)
	second := in.Counts[Target.Name][0]
	second.Date = inputDates[1]
	in.Counts[Target.Name] = append(in.Counts[Target.Name], second)
	column := Target.Columns[unownedAt[0]].Name
	want := fmt.Sprintf("4 values (%s 2021-22: 2, %s 2022-23: 2)", column, column)
	if c := verdictOf(t, judgeInputs(*in), "", "unowned_columns"); c.Seen != want {
		t.Errorf("got %q, want %q", c.Seen, want)
	}
}

// The advice names who is missing, the commonest first; the names are read as a build reads them.
func TestUnknownNamesAreListed(t *testing.T) {
	t.Parallel()
	in := rawInputs(t)
	renamed(in, 40)
	groups := in.Counts[nameCounts[gamebook].Key()]
	groups = append(groups, gamebookNames(inputDates[1], " ", 7), gamebookNames(inputDates[1], "José Ñ.", 50))
	groups[3].Keys[2] = "Á" // the original name stands in: "a"
	in.Counts[nameCounts[gamebook].Key()] = groups
	c := verdictOf(t, judgeInputs(*in), "", "unresolved")
	if c.Seen != "90 of 1257 (7.16%)" ||
		!strings.HasSuffix(c.Advice, "most rows have José Ñ. (50 rows); Nobody (40 rows)") {
		t.Errorf("got %q, %q", c.Seen, c.Advice)
	}
}

// The bounds of minutes before the first write are those after it: the same cases, on raw rows of both sources.
func TestRawMinutesAtTheEdges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		id          string
		nulls, rows int64
		want        job.Verdict
	}{
		{"t01", 99, 10_000, job.Pass}, {"t02", 100, 10_000, job.Pass}, {"t03", 101, 10_000, job.Warned},
		{"t04", 10_004, 1_000_000, job.Warned},
		{"t05", 500, 10_000, job.Warned}, {"t06", 50_004, 1_000_000, job.Failed}, {"t07", 9950, 10_000, job.Failed},
	} {
		totals := inputTotals{rows: [numSources]int64{tt.rows, tt.rows}, noMinutes: [numSources]int64{tt.nulls, tt.nulls}}
		checks := totals.checks("", defaultThresholds, func(*table.Schema) bool { return true })
		for _, name := range []string{"gamebook_minutes_null", "bdl_minutes_null"} {
			if got := verdictOf(t, checks, "", name); got.Verdict != tt.want {
				t.Errorf("%s, %s: %d of %d: got %s, want %s", tt.id, name, tt.nulls, tt.rows, got.Verdict, tt.want)
			}
		}
	}
}
