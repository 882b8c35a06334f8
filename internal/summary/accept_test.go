package summary

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gamefill/internal/boxscore"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

const (
	bosChi = "20220115_BOS_CHI"
	miaNyk = "20220115_MIA_NYK"
	denLal = "20220115_DEN_LAL"
)

// addShort adds a third game, DEN at LAL, with so many active players a side, and idle ones up to 14 rows a side.
func addShort(away, home int) func(w *world) {
	return func(w *world) {
		w.addGame("DEN", "LAL", 110, 104)
		for team, n := range map[string]int{"DEN": away, "LAL": home} {
			for i := range 14 {
				if i < n {
					w.addBook(denLal, team, playerOf(team, i), "10:00", teamLine(70, i))
				} else {
					w.addIdle(denLal, team, playerOf(team, i), boxscore.DNP)
				}
			}
		}
	}
}

func bookNames(n int, line, minutes string, changes ...cells) func(w *world) {
	return func(w *world) {
		for i := range n {
			w.addBook(bosChi, "BOS", "Extra "+string(rune('A'+i)), minutes, line, changes...)
		}
	}
}

func idleNames(n int) func(w *world) {
	return func(w *world) {
		for i := range n {
			w.addIdle(bosChi, "BOS", "Extra "+string(rune('A'+i)), boxscore.Inactive)
		}
	}
}

// secondary adds n lines of the base team to the secondary source, and other names beside them.
func secondary(matched, others int) func(w *world) {
	return func(w *world) {
		for i := range matched {
			w.addBDL(bosChi, "BOS", playerOf("BOS", i), "24", teamLine(110, i))
		}
		for i := range others {
			w.addBDL(bosChi, "BOS", "Name, Other "+string(rune('A'+i)), "0", "", cells{"assists": 1})
		}
	}
}

// spoil takes the turnovers from the first player of a side, so that the side does not add up.
func spoil(teams ...string) func(w *world) {
	return func(w *world) {
		for _, row := range w.book {
			for _, team := range teams {
				if row[columnsOf[gamebook].name].Str() == playerOf(team, 0) {
					row[columnsOf[gamebook].stats[turnovers]] = table.Null
				}
			}
		}
	}
}

// writtenBefore sets the facts of a previous version by status.
func writtenBefore(active, dnp, inactive int64) func(w *world) {
	return func(w *world) {
		w.in.PreviousFacts = &job.Counts{Counts: map[string]int64{
			"status.active": active, "status.dnp": dnp, "status.inactive": inactive,
		}}
	}
}

// foreign fills the previous partition with so many active rows of BOS at CHI, under the id that is given.
func foreign(n int, id string, changes ...cells) func(w *world) {
	return func(w *world) {
		for i := range n {
			name := fmt.Sprintf("old%c", 'a'+i)
			w.in.Previous = append(w.in.Previous, rowOf(Target, with(cells{
				"player_lookup": name, "game_id": id, "game_date": w.date, "team_abbr": "BOS", "opponent_team_abbr": "CHI",
				"season_year": 2021, "starter_flag": false, "win_flag": false, "is_active": true,
			}, changes...)))
		}
	}
}

func usedBefore(at string) func(w *world) {
	return func(w *world) {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			panic(err)
		}
		w.in.NewestSource = map[string]time.Time{boxscore.Gamebook.Name: when}
	}
}

func both(list ...func(w *world)) func(w *world) {
	return func(w *world) {
		for _, f := range list {
			f(w)
		}
	}
}

func gameWith(change cells) func(w *world) {
	return func(w *world) { w.addGame("DEN", "LAL", 110, 104, change) }
}

func setPoints(points int) func(w *world) {
	return func(w *world) {
		w.schedule, w.book = nil, nil
		w.addFullGame("BOS", "CHI", points, 104)
	}
}

// onlyRows leaves one game of so many rows.
func onlyRows(n int) func(w *world) {
	return func(w *world) {
		w.schedule, w.book = nil, nil
		w.addGame("BOS", "CHI", 110, 104)
		w.addTeam(bosChi, "CHI", 104)
		for i := range n - 10 {
			w.addBook(bosChi, "BOS", playerOf("BOS", i), "24:00", teamLine(110, i))
		}
	}
}

// ruleCases are, for each rule, a date on which it fires and the next best one.
var ruleCases = []struct {
	rule       string
	level      job.Level
	fire, edge func(w *world)
}{
	{"bad_schedule_id", job.Error, gameWith(cells{"game_id": "0072100001"}), gameWith(cells{"game_id": "22100777"})},
	{"bad_schedule_id", job.Error, gameWith(cells{"game_id": "00221000A1"}),
		gameWith(cells{"game_id": "x", "home_team_tricode": "RMD"})},
	{"final_game_without_rows", job.Error, gameWith(nil), gameWith(cells{"game_status": 1, "game_status_text": "PPD"})},
	{"game_without_active", job.Error, addShort(0, 0), addShort(1, 0)},
	{"one_team_only", job.Error, both(gameWith(nil), func(w *world) { w.addIdle(denLal, "DEN", "One Man", boxscore.DNP) }),
		addShort(0, 0)},
	{"team_few_active", job.Error, addShort(4, 8), addShort(5, 8)},
	{"team_few_active", job.Warn, addShort(5, 8), addShort(6, 8)},
	{"team_over_total", job.Error, bookNames(1, "1 0/0 0/0 1/1 0", "0:00"), bookNames(1, "0 0/0 0/0 0/1 0", "0:00")},
	{"team_over_total", job.Error, bookNames(1, "", "1:01"), bookNames(1, "", "1:00")},
	{"ambiguous_identity", job.Error, func(w *world) {
		w.know("dealtman", "dealt_001", "BOS")
		w.know("dealtman", "dealt_001", "NYK")
		w.addBook(bosChi, "BOS", "Dealt Man", "0:00", "")
		w.addBook(miaNyk, "NYK", "Dealt Man", "0:00", "")
	}, func(w *world) {
		w.know("dealtman", "dealt_001", "BOS")
		w.know("dealtman", "dealt_001", "NYK")
		w.addBook(bosChi, "BOS", "Dealt Man", "0:00", "")
		w.addIdle(miaNyk, "NYK", "Dealt Man", boxscore.Inactive)
	}},
	{"impossible_shots", job.Error, bookNames(1, "0 1/0 0/0 0/0 0", "0:00"), bookNames(1, "0 1/1 0/0 0/0 0", "0:00")},
	{"impossible_shots", job.Error, bookNames(1, "0 2/2 1/0 0/0 0", "0:00"), bookNames(1, "0 2/2 1/1 0/0 0", "0:00")},
	{"impossible_shots", job.Error, bookNames(1, "0 0/0 0/0 2/1 0", "0:00"), bookNames(1, "0 0/0 0/0 1/1 0", "0:00")},
	{"impossible_shots", job.Error, bookNames(1, "0 1/2 2/2 0/0 0", "0:00"), bookNames(1, "0 2/2 2/2 0/0 0", "0:00")},
	{"points_mismatch", job.Error, bookNames(3, "0 0/0 0/0 1/1 0", "0:00"), bookNames(2, "0 0/0 0/0 1/1 0", "0:00")},
	{"active_minutes_null", job.Error, bookNames(3, "", "12:75"), bookNames(2, "", "12:75")},
	{"match_rate", job.Error, secondary(2, 3), secondary(3, 3)},
	{"match_rate", job.Warn, secondary(3, 3), secondary(1, 2)},
	{"usage_coverage", job.Error, spoil("BOS", "CHI", "MIA"), spoil("BOS", "CHI")},
	{"usage_coverage", job.Warn, spoil("BOS"), bookNames(8, "", "0:00")},
	{"shots_known", job.Warn, bookNames(5, "", "0:00", cells{"field_goals_attempted": nil}),
		bookNames(4, "", "0:00", cells{"field_goals_attempted": nil})},
	{"shots_known", job.Warn, bookNames(5, "", "0:00", cells{"free_throws_attempted": nil}),
		bookNames(4, "", "0:00", cells{"free_throws_attempted": nil})},
	{"threes_known", job.Warn, bookNames(8, "", "0:00", cells{"three_pointers_attempted": nil}),
		bookNames(7, "", "0:00", cells{"three_pointers_attempted": nil})},
	{"row_count_changed", job.Error, writtenBefore(44, 8, 8), writtenBefore(42, 8, 8)},
	{"row_count_changed", job.Error, writtenBefore(40, 11, 8), writtenBefore(40, 10, 8)},
	{"row_count_changed", job.Error, writtenBefore(37, 8, 8), writtenBefore(38, 8, 8)},
	{"active_rows_lost", job.Error, foreign(23, bosChi), foreign(22, bosChi)},
	{"active_rows_lost", job.Error, foreign(23, "20220115_CHI_BOS"), foreign(23, denLal)},
	{"active_rows_lost", job.Error, foreign(23, bosChi), both(foreign(23, bosChi), writtenBefore(40, 8, 8))},
	{"source_went_back", job.Error, usedBefore("2022-01-16T10:00:01Z"), usedBefore(loadedAt)},
	{"source_went_back", job.Error, usedBefore("2022-01-16T10:00:01Z"),
		both(usedBefore("2022-01-16T10:00:01Z"), func(w *world) { w.in.Force = true })},
	{"would_erase_columns", job.Error, foreign(1, bosChi, cells{"paint_attempts": 0}),
		foreign(1, bosChi, cells{"points": 5})},
	{"team_incomplete", job.Warn, spoil("BOS"), bookNames(1, "", "1:00")},
	{"second_spelling", job.Warn, secondary(0, 1), both(addShort(4, 8), func(w *world) {
		w.addBDL(denLal, "DEN", "Gap Filler", "0", "", cells{"assists": 1})
	})},
	{"active_per_game", job.Warn, addShort(6, 5), addShort(6, 6)},
	{"active_per_game", job.Warn, bookNames(17, "", "0:00"), bookNames(16, "", "0:00")},
	{"rows_per_game", job.Warn, onlyRows(19), onlyRows(20)},
	{"rows_per_game", job.Warn, idleNames(21), idleNames(20)},
	{"team_points", job.Warn, setPoints(69), setPoints(70)},
	{"team_points", job.Warn, setPoints(181), setPoints(180)},
	{"player_points", job.Warn, bookNames(1, "81 40/40 0/0 1/1 0", "0:00"), bookNames(1, "80 40/40 0/0 0/0 0", "0:00")},
	{"player_minutes", job.Warn, bookNames(1, "", "60:01"), bookNames(1, "", "60:00")},
	{"unresolved_share", job.Warn,
		both(func(w *world) { w.known["extraa"], w.known["extrab"], w.known["extrac"] = true, true, true }, idleNames(3)),
		both(func(w *world) { w.known["extraa"], w.known["extrab"] = true, true }, idleNames(2))},
}

// Each rule fires on one date and not on the next best one. Both start from two ordinary games without a finding.
func TestRules(t *testing.T) {
	t.Parallel()
	if got := findings(twoGames().build(t)); len(got) != 0 {
		t.Fatalf("two ordinary games have findings %v", got)
	}
	for i, tt := range ruleCases {
		t.Run(fmt.Sprintf("%s_%s_%d", tt.rule, tt.level, i), func(t *testing.T) {
			t.Parallel()
			want := tt.rule + " " + string(tt.level)
			w := twoGames()
			tt.fire(w)
			if got := findings(w.build(t)); !slices.Contains(got, want) {
				t.Errorf("does not fire: %v", got)
			}
			w = twoGames()
			tt.edge(w)
			if o := w.build(t); slices.Contains(findings(o), want) {
				t.Errorf("fires at its edge: %s", messageOf(o, tt.rule))
			}
		})
	}
}

var (
	anyRow = cells{
		"player_lookup": "a", "game_id": bosChi, "game_date": "2022-01-15", "team_abbr": "BOS", "opponent_team_abbr": "CHI",
		"season_year": 2021, "starter_flag": false, "win_flag": false, "is_active": true, "is_dnp": false,
		"dedup_key": "a", "universal_player_id": "a_001",
	}
	idleRow = cells{"is_active": false, "is_dnp": true}
)

// rowCases are the rules that guard against faults of the transform itself and cannot be reached through it.
var rowCases = []struct {
	name, rule string
	rows       []cells
	want       bool
}{
	{"one key twice", "duplicate_key", []cells{anyRow, with(anyRow, cells{"player_lookup": "b"})}, true},
	{"one name twice", "duplicate_key", []cells{anyRow, with(anyRow, cells{"dedup_key": "b"})}, true},
	{"one name twice, one unresolved", "duplicate_key",
		[]cells{anyRow, with(anyRow, cells{"dedup_key": "b", "universal_player_id": nil})}, true},
	{"namesakes of one team", "duplicate_key",
		[]cells{anyRow, with(anyRow, cells{"dedup_key": "b", "universal_player_id": "a_002"})}, false},
	{"one name on two teams", "duplicate_key",
		[]cells{anyRow, with(anyRow, cells{"dedup_key": "b", "team_abbr": "CHI"})}, false},
	{"no opponent", "required_null", []cells{with(anyRow, cells{"opponent_team_abbr": nil})}, true},
	{"all there", "required_null", []cells{anyRow}, false},
	{"idle with points", "stats_without_play", []cells{with(anyRow, idleRow, cells{"points": 0})}, true},
	{"idle with minutes", "stats_without_play", []cells{with(anyRow, idleRow, cells{"minutes_played": "0.0"})}, true},
	{"idle", "stats_without_play", []cells{with(anyRow, idleRow)}, false},
	{"active with points", "stats_without_play", []cells{with(anyRow, cells{"points": 0})}, false},
}

func TestRowRules(t *testing.T) {
	t.Parallel()
	for _, tt := range rowCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := &judged{}
			for _, c := range tt.rows {
				j.rows = append(j.rows, rowOf(Target, c))
			}
			if got := ruleNamed(tt.rule).check(j); (len(got.errors) > 0) != tt.want {
				t.Errorf("got %v, want fired %v", got.errors, tt.want)
			}
		})
	}
}

// A share judges nothing before it concerns three rows.
func TestSharesOfFewRows(t *testing.T) {
	t.Parallel()
	one := job.Threshold{Unit: "%", Bounds: bounds(1, 1)}
	for part, want := range map[int64]job.Verdict{0: job.Pass, 2: job.Pass, 3: job.Failed} {
		if got := judgeShare(one, part, part, part); got != want {
			t.Errorf("%d of %d against 1%%: got %v, want %v", part, part, got, want)
		}
	}
}

// Of 200 active rows, three unreadable times warn and eleven fail, and the texts are shown.
func TestUnreadableMinutes(t *testing.T) {
	t.Parallel()
	teams := strings.Fields("BOS CHI MIA NYK DEN LAL UTA PHX GSW DET MIN MIL ATL BKN CHA CLE DAL HOU IND LAC")
	for _, tt := range []struct {
		bad  int
		want job.Level
	}{{3, job.Warn}, {11, job.Error}} {
		w := newWorld(oneDate)
		for i := 0; i < len(teams); i += 2 {
			w.addFullGame(teams[i], teams[i+1], 110, 104)
		}
		texts := []string{"12:75", "abc", "1e3"}
		at := 0
		for _, row := range w.book {
			if row[columnsOf[gamebook].status].Str() == boxscore.Active && at < tt.bad {
				row[columnsOf[gamebook].minutes] = table.String(texts[at%3])
				at++
			}
		}
		o := w.build(t)
		if got := findings(o); !slices.Contains(got, "active_minutes_null "+string(tt.want)) {
			t.Errorf("%d of 200: %v", tt.bad, got)
		}
		message := messageOf(o, "active_minutes_null")
		for _, text := range append(texts, fmt.Sprintf("%d of 200", tt.bad), "bosplayera") {
			if !strings.Contains(message, text) {
				t.Errorf("message %q lacks %q", message, text)
			}
		}
		if got := o.Counts.Counts["issues.bad_minutes"]; got != int64(tt.bad) {
			t.Errorf("%d issues, want %d", got, tt.bad)
		}
		wantCells(t, rowNamed(t, o, playerOf("BOS", 0)), `minutes_played=NULL points=11 is_active=true quality_issues=["bad_minutes"]`)
	}
}

func TestShrinkNamesBothCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	w.addGame("BOS", "CHI", 110, 104)
	for i := range 6 {
		w.addBook(bosChi, "BOS", playerOf("BOS", i), "24:00", teamLine(110, i))
		w.addBook(bosChi, "CHI", playerOf("CHI", i), "24:00", teamLine(104, i))
	}
	for i := range 6 {
		w.addIdle(bosChi, "BOS", playerOf("BOS", 10+i), boxscore.DNP)
		w.addIdle(bosChi, "CHI", playerOf("CHI", 10+i), boxscore.Inactive)
	}
	writtenBefore(140, 30, 50)(w)
	if got := messageOf(w.build(t), "row_count_changed"); !strings.Contains(got, "would shrink 220 to 24") {
		t.Errorf("message %q", got)
	}
}

// All names of the secondary source written another way: nothing matches, and the date stops.
func TestNamesChangeTheirForm(t *testing.T) {
	t.Parallel()
	w := twoGames()
	for i := range 10 {
		w.known[Lookup("A, BOS Player")] = true
		w.addBDL(bosChi, "BOS", fmt.Sprintf("%c, BOS Player", 'A'+i), "24", teamLine(110, i))
	}
	o := w.build(t)
	if got := messageOf(o, "match_rate"); !strings.HasPrefix(got, "0 of 10 ") ||
		!slices.Contains(findings(o), "match_rate error") {
		t.Errorf("message %q", got)
	}
}

// A date without games whose partition holds rows is emptied, and nothing counts that as a loss.
func TestPartitionWithoutGames(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	w.addGame("BOS", "CHI", 0, 0, cells{"game_status": 1, "game_status_text": "Postponed"})
	foreign(20, bosChi)(w)
	writtenBefore(20, 0, 0)(w)
	w.addBook(bosChi, "BOS", "Early Row", "0:00", "")
	usedBefore("2022-02-01T00:00:00Z")(w)
	o := w.build(t)
	if len(o.Rows) != 0 || len(o.Findings) != 0 || o.NotReady != "" {
		t.Errorf("%d rows, findings %v, %q", len(o.Rows), o.Findings, o.NotReady)
	}
	if got := o.Counts.RejectedBy[rejectGameNotFinal]; got != 1 {
		t.Errorf("rejected %v, want 1 game_not_final", o.Counts.RejectedBy)
	}
}
