package summary

import (
	"slices"
	"strings"
	"testing"

	"gamefill/internal/boxscore"
	"gamefill/internal/failure"
	"gamefill/internal/job"
)

const oneDate = "2022-01-15"

// celtics is a complete team of ten with 110 points, a known line for each kind of rounding.
var celtics = []struct{ name, minutes, line, want string }{
	{"Abe Avery", "36:00", "27 10/18 3/7 4/5 3", "minutes_played=36.0 ts_pct=0.668 efg_pct=0.639 usage_rate_raw=29.55 " +
		"usage_rate=29.60 starter_flag=true"},
	{"Bo Barnes", "34:30", "22 8/15 2/5 4/6 2", "minutes_played=34.5 ts_pct=0.624 efg_pct=0.600 usage_rate_raw=26.10 " +
		"usage_rate=26.10 starter_flag=true"},
	{"Cy Cobb", "33:00", "16 7/12 0/1 2/2 1", "minutes_played=33.0 ts_pct=0.621 efg_pct=0.583 usage_rate_raw=19.29 " +
		"usage_rate=19.30 starter_flag=true"},
	{"Dov Dunn", "31:15", "12 4/9 2/6 2/2 2", "minutes_played=31.3 ts_pct=0.607 efg_pct=0.556 usage_rate_raw=17.43 " +
		"usage_rate=17.40 starter_flag=true"},
	{"Eli East", "28:03", "14 5/11 2/5 2/2 2", "minutes_played=28.1 ts_pct=0.589 efg_pct=0.545 usage_rate_raw=22.69 " +
		"usage_rate=22.70 starter_flag=true"},
	{"Fritz Ford", "24:12", "8 3/7 1/3 1/2 1", "minutes_played=24.2 ts_pct=0.508 efg_pct=0.500 usage_rate_raw=16.83 " +
		"usage_rate=16.80 starter_flag=true"},
	{"Gil Gray", "20:00", "5 2/6 1/4 0/0 1", "minutes_played=20.0 ts_pct=0.417 efg_pct=0.417 usage_rate_raw=16.05 " +
		"usage_rate=16.00 starter_flag=false"},
	{"Hal Hunt", "18:00", "4 2/4 0/0 0/1 1", "minutes_played=18.0 ts_pct=0.450 efg_pct=0.500 usage_rate_raw=13.86 " +
		"usage_rate=13.90 starter_flag=false"},
	{"Ike Irons", "14:58", "2 0/0 0/0 2/2 0", "minutes_played=15.0 ts_pct=1.136 efg_pct=NULL usage_rate_raw=2.70 " +
		"usage_rate=2.70 starter_flag=false"},
	{"Jon Jukes", "0:02", "0 0/0 0/0 0/0 0", "minutes_played=0.0 ts_pct=NULL efg_pct=NULL usage_rate_raw=0.00 " +
		"usage_rate=0.00 starter_flag=false"},
}

func (w *world) addCeltics(game string) {
	for _, p := range celtics {
		w.addBook(game, "BOS", p.name, p.minutes, p.line)
	}
}

// bostonAtChicago is the golden game: BOS complete and by hand, CHI complete.
func bostonAtChicago() *world {
	w := newWorld(oneDate)
	w.addGame("BOS", "CHI", 110, 104)
	w.addCeltics(w.id("BOS", "CHI"))
	w.addTeam(w.id("BOS", "CHI"), "CHI", 104)
	return w
}

func TestCompleteTeamGame(t *testing.T) {
	t.Parallel()
	o := bostonAtChicago().build(t)
	for _, p := range celtics {
		row := rowNamed(t, o, p.name)
		wantCells(t, row, p.want)
		wantCells(t, row, "game_id=20220115_BOS_CHI game_date=2022-01-15 team_abbr=BOS opponent_team_abbr=CHI "+
			"season_year=2021 "+
			"win_flag=true is_active=true is_dnp=false player_status=active usage_rate_valid=true "+
			"usage_rate_anomaly_reason=NULL "+
			"is_partial_game_data=false game_completeness_pct=100.00 data_quality_flag=complete "+
			"game_status_at_processing=final "+
			"data_quality_tier=gold primary_source_used=nbac_gamebook quality_score=100 quality_issues=NULL "+
			"is_production_ready=true processed_with_issues=false record_version=1 processing_context=backfill")
	}
	wantCells(t, rowNamed(t, o, playerOf("CHI", 0)),
		"win_flag=false opponent_team_abbr=BOS dedup_key=20220115_BOS_CHI|chiplayera")
	if got := findings(o); len(got) != 0 {
		t.Errorf("findings %v", o.Findings)
	}
}

// rivals builds a BOS team around one player whose share of the team is given; the rest of the team is one filler line
// per remaining player.
func rivals(t *testing.T, minutes, line string, seconds int64, team [3]int64, period int64) derived {
	t.Helper()
	w := newWorld(oneDate)
	row := w.bookRow(w.id("BOS", "CHI"), "BOS", "Somebody", minutes, line)
	l, reason, _ := decode(gamebook, row)
	if reason != "" {
		t.Fatal(reason)
	}
	overtimes := max(0, period-4)
	tot := &totals{
		fga: team[0], fta: team[1], tov: team[2], players: 10, complete: true,
		seconds: seconds, teamSeconds: regulationSeconds + overtimes*overtimeSeconds,
	}
	d := derived{team: tot}
	d.ts = trueShooting(&l.stats).decimal(3, limitRatio)
	d.efg = effectiveFieldGoals(&l.stats).decimal(3, limitRatio)
	d.setUsage(usageRate(&l.stats, l.minutes, tot))
	return d
}

func TestUsageOfKnownLines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, minutes, line string
		team                [3]int64 // FGA, FTA, TOV
		period              int64
		want                [7]string // ts, efg, raw, usage, capped, valid, anomaly
	}{
		{"one overtime", "41:10", "31 11/24 2/8 7/9 4", [3]int64{97, 28, 15}, 5,
			[7]string{"0.554", "0.500", "33.10", "33.10", "33.10", "true", ""}},
		{"nothing made", "12:15", "0 0/5 0/3 0/0 1", [3]int64{85, 18, 12}, 4,
			[7]string{"0.000", "0.000", "22.41", "22.40", "22.41", "true", ""}},
		{"garbage time", "1:02", "3 1/2 1/2 0/0 0", [3]int64{90, 15, 13}, 4,
			[7]string{"0.750", "0.750", "84.77", "84.80", "50.00", "false", "exceeds_max"}},
		{"two seconds", "0:02", "0 0/1 0/0 0/0 0", [3]int64{90, 15, 13}, 4,
			[7]string{"0.000", "0.000", "1313.87", "", "50.00", "false", "exceeds_max"}},
		{"whole minutes", "34", "22 8/15 2/5 4/6 2", [3]int64{84, 22, 13}, 4,
			[7]string{"0.624", "0.600", "25.99", "26.00", "25.99", "true", ""}},
		{"no time", "0:00", "0 0/1 0/0 0/0 0", [3]int64{90, 15, 13}, 4,
			[7]string{"0.000", "0.000", "", "", "", "", ""}},
		{"no team plays", "10:00", "0 0/0 0/0 0/0 0", [3]int64{0, 0, 0}, 4,
			[7]string{"", "", "", "", "", "", ""}},
		{"a saturated share", "0:01", "0 0/5 0/0 0/0 5", [3]int64{10, 0, 5}, 4,
			[7]string{"0.000", "0.000", "9999.99", "", "50.00", "false", "exceeds_max"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := rivals(t, tt.minutes, tt.line, 0, tt.team, tt.period)
			got := [7]string{d.ts.Text(), d.efg.Text(), d.usageRaw.Text(), d.usage.Text(), d.usageCapped.Text(),
				d.usageValid.Text(), d.usageAnomaly.Text()}
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// In overtime a team plays 15900 seconds; the period of the secondary source says so, and without it the sum does.
func TestOvertime(t *testing.T) {
	t.Parallel()
	for _, period := range []any{5, nil} {
		w := newWorld(oneDate)
		w.addGame("BOS", "CHI", 110, 104)
		id := w.id("BOS", "CHI")
		for i := range 10 {
			w.addBook(id, "BOS", playerOf("BOS", i), "26:30", teamLine(110, i))
			w.addBook(id, "CHI", playerOf("CHI", i), "26:30", teamLine(104, i))
		}
		w.addBDL(id, "BOS", playerOf("BOS", 1), "27", teamLine(110, 1), cells{"period": period})
		o := w.build(t)
		// One of ten equal lines: 100 * 10.88 * 3180 / (1590 * 108.8). A team time of 48 minutes would give 18.11.
		wantCells(t, rowNamed(t, o, playerOf("BOS", 3)),
			"minutes_played=26.5 is_partial_game_data=false usage_rate_valid=true usage_rate_raw=20.00")
		if n := o.Counts.Counts[CountIncompleteTeams]; n != 0 {
			t.Errorf("period %v: %d incomplete teams, want 0", period, n)
		}
	}
}

func TestGarbageTimeRowIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	w.addGame("BOS", "CHI", 113, 104)
	id := w.id("BOS", "CHI")
	w.addTeam(id, "CHI", 104)
	w.addTeam(id, "BOS", 110)
	w.addBook(id, "BOS", "Late Entry", "0:30", "3 1/2 1/2 0/0 0")
	row := rowNamed(t, w.build(t), "Late Entry")
	wantCells(t, row, "minutes_played=0.5 points=3 usage_rate_capped=50.00 usage_rate_valid=false "+
		"usage_rate_anomaly_reason=exceeds_max data_quality_flag=partial")
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	const game = "20220115_BOS_CHI"
	const idle = "is_active=false is_dnp=true minutes_played=NULL points=NULL assists=NULL plus_minus=NULL ts_pct=NULL " +
		"usage_rate=NULL usage_rate_valid=NULL starter_flag=false "
	tests := []struct {
		name string
		add  func(w *world)
		want string
	}{
		{"a bench player in the secondary source", func(w *world) { w.addBDL(game, "CHI", "Some One", "00", "") },
			idle + "player_status=dnp dnp_reason=NULL dnp_reason_category=NULL primary_source_used=bdl_boxscores"},
		{"an appearance of no second", func(w *world) {
			w.addBook(game, "CHI", "Some One", "0:00", "", cells{"plus_minus": -2})
		}, "is_active=true is_dnp=false player_status=active minutes_played=0.0 points=0 ts_pct=NULL efg_pct=NULL " +
			"usage_rate=NULL usage_rate_raw=NULL usage_rate_valid=NULL plus_minus=-2"},
		{"coach's decision", func(w *world) {
			w.addIdle(game, "CHI", "Some One", boxscore.DNP, cells{"dnp_reason": "DNP-Coach's-Decision"})
		}, idle + "player_status=dnp dnp_reason=DNP-Coach's-Decision dnp_reason_category=coach_decision"},
		{"knee", func(w *world) {
			w.addIdle(game, "CHI", "Some One", boxscore.Inactive, cells{"dnp_reason": "Injury/Illness-RightKnee"})
		}, idle + "player_status=inactive dnp_reason_category=injury"},
		{"minutes in words", func(w *world) { w.addBook(game, "CHI", "Some One", "DNP-Coach", "", cells{"points": nil}) },
			idle + "player_status=dnp dnp_reason=DNP-Coach dnp_reason_category=coach_decision"},
		{"a team from the other source", func(w *world) {
			w.addIdle(game, "CHI", "Some One", boxscore.DNP, cells{"team_abbr": nil})
			w.addBDL(game, "CHI", "Some One", "00", "")
		}, idle + "team_abbr=CHI opponent_team_abbr=BOS player_status=dnp primary_source_used=nbac_gamebook"},
		{"gamebook says no, secondary yes", func(w *world) {
			w.addIdle(game, "CHI", "Some One", boxscore.DNP)
			w.addBDL(game, "CHI", "Some One", "12:00", "3 1/2 1/2 0/0 0")
		}, idle + `player_status=dnp quality_issues=["source_conflict"] processed_with_issues=true`},
		{"did not play with 21 points", func(w *world) {
			w.addBook(game, "CHI", "Some One", "28:10", "21 8/15 2/5 3/3 0", cells{"player_status": boxscore.DNP})
		}, idle + `player_status=dnp quality_issues=["source_conflict"]`},
		{"did not play, zeros and 0:00", func(w *world) {
			w.addBook(game, "CHI", "Some One", "0:00", "", cells{"player_status": boxscore.DNP})
		}, idle + "player_status=dnp quality_issues=NULL"},
		{"blank minutes and 12 points", func(w *world) { w.addBook(game, "CHI", "Some One", "", "12 6/9 0/0 0/0 0") },
			`is_active=true player_status=active minutes_played=NULL points=12 quality_issues=["missing_minutes"] usage_rate_anomaly_reason=partial_team_data`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := bostonAtChicago()
			tt.add(w)
			wantCells(t, rowNamed(t, w.build(t), "Some One"), strings.TrimSpace(tt.want))
		})
	}
}

func TestConflictLeavesATrace(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.addBook(w.id("BOS", "CHI"), "CHI", "Some One", "28:10", "21 8/15 2/5 3/3 0", cells{"player_status": boxscore.DNP})
	o := w.build(t)
	if got := o.Counts.Counts[CountSourceConflict]; got != 1 {
		t.Errorf("source_conflict %d, want 1", got)
	}
	if len(o.Rejections) != 1 || !strings.Contains(o.Rejections[0].Detail, "points 21") || len(o.Counts.RejectedBy) != 0 {
		t.Errorf("the points are not shown: %+v, rejected %v", o.Rejections, o.Counts.RejectedBy)
	}
}

// A gamebook that lists a team without any numbers was read too early: the secondary source speaks for that team.
func TestRosterOnlyTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	w.addGame("BOS", "CHI", 110, 104)
	id := w.id("BOS", "CHI")
	w.addCeltics(id)
	for i := range 10 {
		w.addIdle(id, "CHI", playerOf("CHI", i), boxscore.DNP)
		w.addBDL(id, "CHI", playerOf("CHI", i), "24:00", teamLine(104, i))
	}
	o := w.build(t)
	wantCells(t, rowNamed(t, o, playerOf("CHI", 2)), `is_active=true minutes_played=24.0 points=10 plus_minus=NULL primary_source_used=bdl_boxscores `+
		`data_quality_tier=silver quality_score=80 quality_issues=["backup_source_used","missing_plus_minus"] dnp_reason=NULL`)
	if n := o.Counts.Counts[CountSourceConflict]; n != 0 {
		t.Errorf("source_conflict %d, want 0", n)
	}
}

func TestMergeFillsFieldsAndGaps(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	id := w.id("BOS", "CHI")
	w.addBook(id, "CHI", "Player One", "", "20 10/15 0/0 0/0 0",
		cells{"offensive_rebounds": 1, "defensive_rebounds": 4, "plus_minus": 7, "minutes": nil})
	w.addBDL(id, "CHI", "Player One", "34", "20 10/15 0/0 0/0 0", cells{"offensive_rebounds": 1, "defensive_rebounds": 4})
	w.addBDL(id, "CHI", "Player Two", "28:03", "14 7/9 0/0 0/0 0", cells{"offensive_rebounds": 2, "defensive_rebounds": 3})
	o := w.build(t)
	wantCells(t, rowNamed(t, o, "Player One"), `minutes_played=34.0 points=20 plus_minus=7 offensive_rebounds=1 defensive_rebounds=4 `+
		`primary_source_used=nbac_bdl_combined data_quality_tier=silver quality_score=85 quality_issues=["backup_source_used"]`)
	wantCells(t, rowNamed(t, o, "Player Two"), `minutes_played=28.1 points=14 plus_minus=NULL offensive_rebounds=2 defensive_rebounds=3 `+
		`primary_source_used=bdl_boxscores data_quality_tier=silver quality_score=80 quality_issues=["backup_source_used","missing_plus_minus"]`)
}

func TestOnePersonUnderTwoSpellings(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	id := w.id("BOS", "CHI")
	w.addBook(id, "CHI", "Nikola Jokić", "0:00", "")
	w.addBDL(id, "CHI", "Nikola Jokić", "0", "", cells{"player_lookup": "nikolajoki"})
	wantCells(t, rowNamed(t, w.build(t), "Nikola Jokic"),
		"player_lookup=nikolajokic universal_player_id=nikolajokic_001 primary_source_used=nbac_gamebook")
}

func TestGameIDs(t *testing.T) {
	t.Parallel()
	t.Run("reversed in one source", func(t *testing.T) {
		t.Parallel()
		w := newWorld("2024-01-04")
		w.addFullGame("DEN", "GSW", 110, 104)
		w.addBDL("20240104_GSW_DEN", "DEN", playerOf("DEN", 0), "24", teamLine(110, 0),
			cells{"home_team_abbr": "DEN", "away_team_abbr": "GSW"})
		w.addBDL("20240104_GS_DEN", "GS", playerOf("GSW", 0), "24", teamLine(104, 0))
		o := w.build(t)
		wantCells(t, rowNamed(t, o, playerOf("DEN", 0)), "game_id=20240104_DEN_GSW")
		if got := o.Counts.Counts[CountReversed]; got != 2 {
			t.Errorf("game_id_reversed %d, want 2 (two raw ids)", got)
		}
		if got, want := o.Counts.RowsOut, int64(28); got != want {
			t.Errorf("%d rows, want %d", got, want)
		}
	})
	t.Run("codes of other feeds", func(t *testing.T) {
		t.Parallel()
		w := newWorld(oneDate)
		w.addGame("BKN", "PHX", 110, 104)
		w.addTeam("20220115_BRK_PHO", "BRK", 110)
		w.addTeam("20220115_BRK_PHO", "PHO", 104)
		wantCells(t, rowNamed(t, w.build(t), playerOf("BRK", 0)),
			"game_id=20220115_BKN_PHX team_abbr=BKN opponent_team_abbr=PHX")
	})
	t.Run("exhibitions are dropped before their codes are judged", func(t *testing.T) {
		t.Parallel()
		w := bostonAtChicago()
		w.addGame("LBN", "DRT", 163, 160, cells{"game_id": "0032100001", "is_all_star": true})
		w.addGame("MIA", "NYK", 99, 98, cells{"game_id": "0012100045"})
		w.addBook("20220115_LBN_DRT", "LBN", "Star Man", "20:00", "")
		w.addBook("20220115_MIA_NYK", "MIA", "Warm Up", "20:00", "")
		o := w.build(t)
		if got := o.Counts.RejectedBy[rejectExcludedGame]; got != 2 || len(o.Counts.RejectedBy) != 1 {
			t.Errorf("rejected %v, want 2 excluded_game", o.Counts.RejectedBy)
		}
		if got := o.Counts.Counts[CountGames]; got != 1 {
			t.Errorf("%d games, want 1", got)
		}
	})
	t.Run("not on the schedule", func(t *testing.T) {
		t.Parallel()
		w := bostonAtChicago()
		w.addTeam("20220115_MIA_NYK", "MIA", 100)
		w.addTeam("20220115_NYK_MIA", "NYK", 99)
		w.book = append(w.book, w.bookRow("20220115_MIA_NYK", "MIA", "Mia Extra", "0:00", ""))
		o := w.build(t)
		if got := o.Counts.Counts[CountNotInSchedule]; got != 1 {
			t.Errorf("game_not_in_schedule %d, want 1", got)
		}
		wantCells(t, rowNamed(t, o, playerOf("NYK", 1)),
			"game_id=20220115_MIA_NYK opponent_team_abbr=MIA win_flag=false game_status_at_processing=NULL")
	})
	t.Run("same pair on the next day", func(t *testing.T) {
		t.Parallel()
		w := bostonAtChicago()
		w.addBook("20220116_CHI_BOS", "CHI", "Day After", "20:00", "")
		if got := w.build(t).Counts.RejectedBy[rejectBadGameID]; got != 1 {
			t.Errorf("bad_game_id %d, want 1", got)
		}
	})
}

func TestIncompleteTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	w.addGame("BOS", "CHI", 110, 104)
	id := w.id("BOS", "CHI")
	w.addCeltics(id)
	for i, line := range []string{"20 10/15 0/0 0/0 1", "18 9/15 0/0 0/0 1", "8 4/8 0/0 0/0 1", "6 3/5 0/0 0/0 1",
		"4 2/5 0/0 0/0 1", "2 1/2 0/0 0/0 1"} {
		w.addBook(id, "CHI", playerOf("CHI", i), "25:00", line)
	}
	o := w.build(t)
	wantCells(t, rowNamed(t, o, playerOf("CHI", 0)), "usage_rate=NULL usage_rate_raw=NULL usage_rate_capped=NULL "+
		"usage_rate_valid=false usage_rate_anomaly_reason=partial_team_data "+
		"is_partial_game_data=true game_completeness_pct=62.50 data_quality_flag=partial_no_team_stats ts_pct=0.667")
	wantCells(t, rowNamed(t, o, "Abe Avery"), "usage_rate=29.60 is_partial_game_data=false")
	for _, f := range o.Findings {
		if f.Level == job.Error {
			t.Errorf("error %+v, want warnings only", f)
		}
	}
	if messageOf(o, "team_incomplete") == "" {
		t.Error("no warning about the incomplete team")
	}
}

func TestWholeMinuteTeam(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	w.addGame("BOS", "CHI", 110, 104)
	id := w.id("BOS", "CHI")
	w.addCeltics(id)
	for i, minutes := range []string{"34", "33", "31", "30", "28", "26", "22", "20", "11", "6"} {
		w.addBDL(id, "CHI", playerOf("CHI", i), minutes, teamLine(104, i))
	}
	o := w.build(t)
	wantCells(t, rowNamed(t, o, playerOf("CHI", 0)),
		"minutes_played=34.0 is_partial_game_data=false game_completeness_pct=100.00 data_quality_flag=complete")
	if n := o.Counts.Counts[CountIncompleteTeams]; n != 0 {
		t.Errorf("%d incomplete teams, want 0: %s", n, messageOf(o, "team_incomplete"))
	}
}

func TestSourceEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	for _, pair := range [][2]string{{"BOS", "CHI"}, {"MIA", "NYK"}} {
		w.addGame(pair[0], pair[1], 100, 99)
	}
	_, err := w.tryBuild(t)
	if !strings.Contains(errText(err), "2 games scheduled, source empty") || failure.ReasonOf(err) != "source_empty" ||
		failure.ClassOf(err) != failure.Permanent {
		t.Errorf("got %v (%s)", err, failure.ReasonOf(err))
	}
}

func TestPartialSource(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	w.addFullGame("BOS", "CHI", 110, 104)
	teams := strings.Fields("MIA NYK DEN LAL UTA PHX GSW DET MIN MIL ATL BKN CHA CLE DAL HOU")
	for i := 0; i < len(teams); i += 2 {
		w.addGame(teams[i], teams[i+1], 100, 99)
	}
	got := messageOf(w.build(t), "final_game_without_rows")
	if !strings.Contains(got, "1 of 9 games") || strings.Count(got, "20220115_") != 8 {
		t.Errorf("message %q", got)
	}
}

func TestRowOfAnotherDate(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.addBook(w.id("BOS", "CHI"), "CHI", "Day After", "20:00", "", cells{"game_date": "2022-01-16"})
	_, err := w.tryBuild(t)
	if failure.ClassOf(err) != failure.Permanent || failure.ReasonOf(err) != "row_of_another_date" ||
		!strings.Contains(errText(err), "Day After") {
		t.Errorf("got %v", err)
	}
}

func TestGamesNotFinal(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	w.addFullGame("BOS", "CHI", 110, 104)
	for i, pair := range [][2]string{{"MIA", "NYK"}, {"DEN", "LAL"}} {
		w.addGame(pair[0], pair[1], 0, 0, cells{"game_status": i + 1, "game_status_text": "7:30 pm ET"})
	}
	o := w.build(t)
	if want := "2 games not final: 20220115_DEN_LAL, 20220115_MIA_NYK"; o.NotReady != want || len(o.Rows) != 0 {
		t.Errorf("got %q and %d rows, want %q", o.NotReady, len(o.Rows), want)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Unreadable minutes are counted on rows of every status; those that did not play keep NULL.
func TestUnreadableMinutesOfIdlePlayers(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.addIdle(bosChi, "CHI", "Idle Man", boxscore.DNP, cells{"minutes": "12:75"})
	w.addBDL(bosChi, "CHI", "Bench Man", "1:02:03", "")
	o := w.build(t)
	for _, name := range []string{"Idle Man", "Bench Man"} {
		row := rowNamed(t, o, name)
		wantCells(t, row, "player_status=dnp minutes_played=NULL points=NULL processed_with_issues=true")
		if !slices.Contains(row[out.issues].List(), "bad_minutes") {
			t.Errorf("%s: issues %v, want bad_minutes", name, row[out.issues].List())
		}
	}
	if got := o.Counts.Counts["issues.bad_minutes"]; got != 2 {
		t.Errorf("%d issues bad_minutes, want 2", got)
	}
	var shown []string
	for _, r := range o.Rejections {
		shown = append(shown, r.Reason+" "+r.Detail)
	}
	if want := []string{`bad_minutes minutes "1:02:03"`, `bad_minutes minutes "12:75"`}; !slices.Equal(shown, want) {
		t.Errorf("shown %q, want %q", shown, want)
	}
}

// Words in place of minutes are the reason, without the blanks around them.
func TestMinutesInWordsAreTrimmed(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.addBook(bosChi, "CHI", "Some One", "  DND - Sore Knee ", "", cells{"points": nil})
	row := rowNamed(t, w.build(t), "Some One")
	if got := row[out.reason].Str(); got != "DND - Sore Knee" {
		t.Errorf("dnp_reason %q", got)
	}
	wantCells(t, row, "player_status=dnp dnp_reason_category=injury")
}
