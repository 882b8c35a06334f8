package summary

import (
	"slices"
	"strings"
	"testing"

	"gamefill/internal/boxscore"
	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"

	"github.com/google/go-cmp/cmp"
)

// The same schedule rows on different dates: what each date expects, and what building it says.
func TestPostponedGames(t *testing.T) {
	t.Parallel()
	type entry struct {
		league, away, home string
		status             int
		text               string
		points             [2]int
	}
	played := func(league, away, home string, a, h int) entry {
		return entry{league, away, home, boxscore.Final, "Final", [2]int{a, h}}
	}
	tests := []struct {
		name, date string
		entries    []entry
		rows       bool // the source has the first game
		want       job.Expectation
		says       string // an error finding's rule, "not ready", or ""
	}{
		{"one game has no rows", "2021-12-15",
			[]entry{played("0022100401", "BOS", "CHI", 110, 104), played("0022100404", "MIA", "NYK", 95, 90)}, true,
			job.Expectation{Units: 2, Names: []string{"20211215_BOS_CHI", "20211215_MIA_NYK"}}, "final_game_without_rows"},
		{"postponed", "2021-12-16", []entry{{"0022100402", "DEN", "LAL", boxscore.Scheduled, "PPD", [2]int{}}}, false,
			job.Expectation{}, ""},
		{"the same id, played later", "2022-02-10", []entry{played("0022100402", "DEN", "LAL", 99, 101)}, true,
			job.Expectation{Units: 1, Names: []string{"20220210_DEN_LAL"}}, ""},
		{"cancelled", "2021-12-17", []entry{{"0022100403", "UTA", "PHX", boxscore.Scheduled, "Cancelled", [2]int{}}}, false,
			job.Expectation{}, ""},
		{"live", "2021-12-18", []entry{{"0022100405", "UTA", "PHX", boxscore.Live, "Q3 4:10", [2]int{}}}, false,
			job.Expectation{NotFinal: 1}, "not ready"},
		{"the newest of several rows", "2021-12-19", []entry{
			{"0022100406", "UTA", "PHX", boxscore.Scheduled, "PPD", [2]int{}}, played("0022100406", "UTA", "PHX", 99, 98),
			played("22100406", "UTA", "PHX", 99, 98),
		}, true, job.Expectation{Units: 1, Names: []string{"20211219_UTA_PHX"}}, ""},
		{"exhibitions", "2021-12-20",
			[]entry{played("0012100406", "UTA", "PHX", 99, 98), played("0022100407", "RMD", "PHX", 9, 98)}, false,
			job.Expectation{Excluded: 2}, ""},
		{"play-in and cup final", "2021-12-21",
			[]entry{played("0052100121", "UTA", "PHX", 99, 98), played("0062300001", "IND", "LAL", 99, 98)}, true,
			job.Expectation{Units: 2, Names: []string{"20211221_IND_LAL", "20211221_UTA_PHX"}}, "final_game_without_rows"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(tt.date)
			for _, e := range tt.entries {
				w.addGame(e.away, e.home, e.points[0], e.points[1],
					cells{"game_id": e.league, "game_status": e.status, "game_status_text": e.text})
			}
			if tt.rows {
				e := tt.entries[0]
				score := tt.entries[len(tt.entries)-1].points
				if tt.entries[0].points[0] > 0 {
					score = e.points
				}
				w.addTeam(w.id(e.away, e.home), e.away, score[0])
				w.addTeam(w.id(e.away, e.home), e.home, score[1])
			}
			if diff := cmp.Diff(tt.want, expect(w.date, w.schedule)); diff != "" {
				t.Errorf("expectation (-want +got):\n%s", diff)
			}
			o := w.build(t)
			var got []string
			if o.NotReady != "" {
				got = append(got, "not ready")
			}
			for _, f := range o.Findings {
				if f.Level == job.Error {
					got = append(got, f.Rule)
				}
			}
			if strings.Join(got, ",") != tt.says {
				t.Errorf("says %v, want %q", got, tt.says)
			}
		})
	}
}

func TestInSeason(t *testing.T) {
	t.Parallel()
	for date, want := range map[string]bool{
		"2021-10-24": false, "2021-10-25": true, "2021-12-24": true, "2022-02-20": true, "2022-06-15": true,
		"2022-06-16": false, "2022-08-01": false, "2022-09-30": false, "2022-11-08": true,
	} {
		if got := inSeason(gamedate.MustParse(date)); got != want {
			t.Errorf("in season %s: %v, want %v", date, got, want)
		}
	}
}

// The table: 99 columns of the live DDL, then five that it lacks; who owns what; what can never be NULL.
func TestTarget(t *testing.T) {
	t.Parallel()
	if got := len(Target.Columns); got != 104 {
		t.Errorf("%d columns, want 99 and 5", got)
	}
	types := map[string]int{}
	names := map[table.Role][]string{}
	var required []string
	seen := map[string]bool{}
	for _, c := range Target.Columns {
		types[c.TypeName()]++
		names[c.Role] = append(names[c.Role], c.Name)
		if c.Required {
			required = append(required, c.Name)
		}
		if seen[c.Name] || c.Doc == "" {
			t.Errorf("column %s is declared twice or has no text", c.Name)
		}
		seen[c.Name] = true
	}
	if diff := cmp.Diff(strings.Fields(`player_lookup game_id game_date team_abbr opponent_team_abbr season_year starter_flag win_flag is_active`), required); diff != "" {
		t.Errorf("REQUIRED (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(strings.Fields(`record_version first_processed_at created_at processed_at`), names[table.Volatile]); diff != "" {
		t.Errorf("volatile (-want +got):\n%s", diff)
	}
	if got := len(names[table.Unowned]); got != 13+7+4*4+1 {
		t.Errorf("%d unowned columns: %v", got, names[table.Unowned])
	}
	for name, want := range map[string]string{
		"minutes_played": "NUMERIC(5, 1)", "usage_rate": "NUMERIC(6, 2)", "usage_rate_raw": "NUMERIC(6, 2)",
		"usage_rate_capped": "NUMERIC(5, 2)",
		"ts_pct":            "NUMERIC(5, 3)", "efg_pct": "NUMERIC(5, 3)", "margin": "NUMERIC(6, 2)",
		"points_line":                "NUMERIC(4, 1)",
		"source_bp_completeness_pct": "NUMERIC(5, 2)", "source_team_last_updated": "TIMESTAMP", "game_date": "DATE",
		"quality_score": "FLOAT64", "quality_issues": "ARRAY<STRING>", "record_version": "INT64",
	} {
		if got := Target.Columns[Target.MustIndex(name)].TypeName(); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	for _, name := range append(append([]string{Target.Partition}, Target.Key...), Target.Cluster...) {
		if Target.Index(name) < 0 {
			t.Errorf("no column %s", name)
		}
	}
}

// Every column that the job owns is filled somewhere in an ordinary or a troubled date, and no other one ever.
func TestOwnedColumnsAreFilled(t *testing.T) {
	t.Parallel()
	w := twoSources()
	w.addIdle(bosChi, "CHI", "Sore Man", boxscore.Inactive, cells{"dnp_reason": "Knee"})
	rows := w.build(t).Rows
	rows = append(rows, bostonAtChicago().build(t).Rows...)
	filled := map[string]bool{}
	for _, row := range rows {
		for i, v := range row {
			filled[Target.Columns[i].Name] = filled[Target.Columns[i].Name] || !v.IsNull()
		}
	}
	for _, c := range Target.Columns {
		if want := c.Role != table.Unowned; filled[c.Name] != want {
			t.Errorf("column %s filled %v, want %v", c.Name, filled[c.Name], want)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	const defaults = `{"accept":[],"processing_context":"backfill","sources":{` +
		`"bdl_player_boxscores":{"from":"","off":false,"to":""},"nbac_gamebook_player_stats":{"from":"","off":false,"to":""}},"unowned":"refuse"}`
	canonical := Job().Settings
	first, err := canonical(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", " ", "{}", `{"unowned":"refuse"}`, `{"processing_context":"backfill","accept":[]}`, defaults,
		`{"thresholds":{"date.player_points":"80,none"}}`, string(first)} {
		got, err := canonical([]byte(text))
		if err != nil || string(got) != string(first) {
			t.Errorf("settings %q = %s, %v\nwant %s", text, got, err, first)
		}
	}
	// What decides rows has not changed since runs were first recorded, so that their dates are not stale.
	want := strings.Replace(defaults, `"refuse"`, `""`, 1)
	for _, text := range []string{"", defaults, `{"unowned":"carry","accept":["match_rate"],"thresholds":{"date.player_points":"90,100"}}`} {
		if got := Job().RowSettings([]byte(text)); string(got) != want {
			t.Errorf("row settings of %s: got %s, want %s", text, got, want)
		}
	}
	a, errA := canonical([]byte(`{"accept":["match_rate","bad_schedule_id","match_rate"],"unowned":"carry"}`))
	b, errB := canonical([]byte(`{"unowned":"carry","accept":["bad_schedule_id","match_rate"]}`))
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Errorf("%s %v\n%s %v", a, errA, b, errB)
	}
	for text, want := range map[string]string{
		`{"unknown":1}`:                         "unknown",
		`{`:                                     "settings",
		`{} {}`:                                 "more than one",
		`{"unowned":"keep"}`:                    "unowned",
		`{"processing_context":"later"}`:        "processing_context",
		`{"accept":["no_such_rule"]}`:           "no_such_rule",
		`{"thresholds":{"date.no_such":"1,2"}}`: `unknown threshold "date.no_such"; known are: date.active_minutes_null`,
		`{"thresholds":{"date.player_points":"2,1"}}`:                                  "below the warn bound",
		`{"thresholds":{"date.player_points":"1"}}`:                                    "want WARN,FAIL",
		`{"sources":{"odds":{}}}`:                                                      "odds",
		`{"sources":{"bdl_player_boxscores":{"from":"2022-02-30"}}}`:                   "no such date",
		`{"sources":{"bdl_player_boxscores":{"from":"2022-02-02","to":"2022-02-01"}}}`: "before from",
		`{"unowned":"keep","processing_context":"later"}`:                              "processing_context",
	} {
		if got, err := canonical([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("settings %s = %s, %v, want an error about %q", text, got, err, want)
		}
	}
}

func TestContextIsWritten(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.settings = `{"processing_context":"manual"}`
	wantCells(t, rowNamed(t, w.build(t), "Abe Avery"), "processing_context=manual")
}

// A row of the wrong width means that a table was read with other columns; nothing is built from it.
func TestMalformedRows(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world){
		"source":   func(w *world) { w.book[3] = w.book[3][:5] },
		"schedule": func(w *world) { w.schedule[0] = nil },
		"previous": func(w *world) { w.in.Previous = []table.Row{{table.Null}} },
	} {
		w := bostonAtChicago()
		change(w)
		if _, err := w.tryBuild(t); err == nil || !strings.Contains(err.Error(), "declared columns") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := decodeRun(nil, map[string][]table.Row{boxscore.Aliases.Name: {{table.Null}}}); err == nil {
		t.Error("a short alias row is taken")
	}
}

// A broken read is reported in the same words whatever the order of tables and rows.
func TestInputErrorsAreStable(t *testing.T) {
	t.Parallel()
	want := ""
	for i := range 20 {
		w := bostonAtChicago()
		w.book[3], w.book[5] = w.book[3][:5], w.book[5][:7]
		w.schedule = append(w.schedule, table.Row{})
		w.addBDL(bosChi, "BOS", "Abe Avery", "36", "")
		w.bdl[0] = w.bdl[0][:2]
		if i%2 == 1 {
			slices.Reverse(w.book)
			slices.Reverse(w.schedule)
		}
		_, err := w.tryBuild(t)
		if failure.ReasonOf(err) != reasonMalformed {
			t.Fatalf("got %v", err)
		}
		if want == "" {
			want = err.Error()
		}
		if err.Error() != want {
			t.Fatalf("got %q, before %q", err, want)
		}
	}
}
