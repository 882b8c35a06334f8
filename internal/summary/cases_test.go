package summary

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"

	"github.com/google/go-cmp/cmp"
)

// What a minutes text does to a whole row, for every status and both sources.
func TestMinutesDecideTheRow(t *testing.T) {
	t.Parallel()
	const twelve = "12 6/9 0/0 0/0 0"
	tests := []struct {
		name    string
		src     source
		status  any // of the gamebook
		minutes any
		line    string
		want    string
	}{
		{"clock", gamebook, "active", "12:03", twelve, "player_status=active minutes_played=12.1 points=12"},
		{"blanks around", gamebook, "Active", " 21:30 ", twelve, "player_status=active minutes_played=21.5 points=12"},
		{"rounded up", gamebook, "active", "39:57", twelve, "player_status=active minutes_played=40.0 starter_flag=true"},
		{"a hundredth half way up", gamebook, "active", "31.45", twelve, "player_status=active minutes_played=31.5"},
		{"a duration", gamebook, "active", "PT24M01.00S", twelve, "player_status=active minutes_played=24.0"},
		{"a duration of whole minutes", gamebook, "active", "PT38M", twelve, "player_status=active minutes_played=38.0"},
		{"no second played", gamebook, "active", "0:00", "", "player_status=active minutes_played=0.0 points=0 is_dnp=false"},
		{"missing", gamebook, "active", nil, twelve, `player_status=active minutes_played=NULL points=12 quality_issues=["missing_minutes"]`},
		{"empty", gamebook, "active", "", twelve, `player_status=active minutes_played=NULL points=12 quality_issues=["missing_minutes"]`},
		{"a float's text", gamebook, "active", "1e3", twelve, `player_status=active minutes_played=NULL points=12 quality_issues=["bad_minutes"]`},
		{"not a number", gamebook, "active", "NaN", twelve, `player_status=active minutes_played=NULL points=12 quality_issues=["bad_minutes"]`},
		{"hours", gamebook, "active", "1:02:03", twelve, `player_status=active minutes_played=NULL points=12 quality_issues=["bad_minutes"]`},
		{"idle, a duration of nothing", gamebook, "dnp", "PT00M00.00S", "",
			"player_status=dnp minutes_played=NULL points=NULL quality_issues=NULL"},
		{"idle, a dash", gamebook, "inactive", "-", "",
			"player_status=inactive minutes_played=NULL points=NULL quality_issues=NULL"},
		{"words, no status", gamebook, "", "DND-Illness", "",
			"player_status=dnp minutes_played=NULL dnp_reason=DND-Illness dnp_reason_category=injury"},
		{"words against points", gamebook, "active", "DNP", twelve, `player_status=dnp minutes_played=NULL points=NULL quality_issues=["source_conflict"]`},
		{"secondary, nothing", bdl, nil, "00", "", `player_status=dnp minutes_played=NULL points=NULL quality_issues=["backup_source_used"]`},
		{"secondary, NULL and nothing", bdl, nil, nil, "", `player_status=dnp minutes_played=NULL points=NULL quality_issues=["backup_source_used"]`},
		{"secondary, points in no time", bdl, nil, "00", twelve, `player_status=active minutes_played=0.0 points=12 quality_issues=["backup_source_used","missing_plus_minus"]`},
		{"secondary, points and no minutes", bdl, nil, nil, twelve,
			`player_status=active minutes_played=NULL points=12 quality_issues=["backup_source_used","missing_minutes","missing_plus_minus"]`},
		{"secondary, time and no points", bdl, nil, "34", "", "player_status=active minutes_played=34.0 points=0"},
		{"secondary, words", bdl, nil, "DNP", "",
			"player_status=dnp minutes_played=NULL dnp_reason=DNP dnp_reason_category=other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(oneDate)
			w.addGame("BOS", "CHI", 110, 104)
			w.addCeltics(bosChi)
			if tt.src == gamebook {
				w.addBook(bosChi, "CHI", "Some One", "", tt.line, cells{"player_status": tt.status, "minutes": tt.minutes})
			} else {
				w.addBDL(bosChi, "CHI", "Some One", "", tt.line, cells{"minutes": tt.minutes})
			}
			wantCells(t, rowNamed(t, w.build(t), "Some One"), tt.want)
		})
	}
}

// NULL and zero stay apart on their way to the table.
func TestNullIsNotZero(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.addBook(bosChi, "CHI", "Some One", "", "", cells{"plus_minus": nil, "steals": nil})
	wantCells(t, rowNamed(t, w.build(t), "Some One"),
		"minutes_played=NULL plus_minus=NULL steals=NULL points=0 blocks=0 turnovers=0 "+
			`quality_issues=["missing_minutes","missing_plus_minus"] quality_score=95 processed_with_issues=true starter_flag=false`)
}

// A plus sign in front of plus_minus is read away; the value never comes from elsewhere.
func TestPlusMinusWithSign(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.addBook(bosChi, "CHI", "Some One", "0:00", "", cells{"plus_minus": "+7"})
	wantCells(t, rowNamed(t, w.build(t), "Some One"), "plus_minus=7")
}

// The season follows from the date alone.
func TestSeasonYear(t *testing.T) {
	t.Parallel()
	for date, want := range map[string]string{
		"2021-10-19": "season_year=2021", "2021-12-31": "season_year=2021", "2022-06-16": "season_year=2021",
		"2022-07-01": "season_year=2021", "2022-09-30": "season_year=2021", "2022-10-18": "season_year=2022",
	} {
		w := newWorld(date)
		w.addGame("BOS", "CHI", 110, 104)
		w.addTeam(w.id("BOS", "CHI"), "BOS", 110)
		wantCells(t, rowNamed(t, w.build(t), playerOf("BOS", 0)), want+" quality_issues=NULL")
	}
}

// The same pair meets on two days running with its sides changed: each row belongs to the game of its own date.
func TestSamePairOnTwoDays(t *testing.T) {
	t.Parallel()
	for date, sides := range map[string][2]string{"2022-01-15": {"BOS", "CHI"}, "2022-01-16": {"CHI", "BOS"}} {
		w := newWorld(date)
		w.addFullGame(sides[0], sides[1], 110, 104)
		w.addBook("20220115_BOS_CHI", "BOS", "First Day", "0:00", "")
		w.addBook("20220116_CHI_BOS", "BOS", "Second Day", "0:00", "")
		o := w.build(t)
		own, other := "firstday", "secondday"
		if date == "2022-01-16" {
			own, other = other, own
		}
		if len(rowsNamed(o, own)) != 1 || len(rowsNamed(o, other)) != 0 || o.Counts.RejectedBy[rejectBadGameID] != 1 {
			t.Errorf("%s: %d own rows, %d of the other day, rejected %v", date, len(rowsNamed(o, own)), len(rowsNamed(o, other)),
				o.Counts.RejectedBy)
		}
		wantCells(t, rowsNamed(o, own)[0], "opponent_team_abbr=CHI game_id="+w.id(sides[0], sides[1]))
	}
}

// Three ways to write one game, with the sides of the schedule; a fourth id is a game of its own.
func TestIDsOfOneGame(t *testing.T) {
	t.Parallel()
	w := newWorld("2024-01-04")
	w.addGame("DEN", "GSW", 110, 104)
	w.addTeam("20240104_DEN_GSW", "DEN", 110)
	for i := range 5 {
		w.addBook("20240104_GSW_DEN", "GSW", playerOf("GSW", i), "24:00", teamLine(104, i))
		w.addBook("20240104_GS_DEN", "GS", playerOf("GSW", 5+i), "24:00", teamLine(104, 5+i))
	}
	w.addBook("20240104_DEN_LAL", "LAL", "Third Team", "0:00", "")
	o := w.build(t)
	games := map[string]int{}
	for _, row := range o.Rows {
		games[row[out.game].Str()]++
	}
	if diff := cmp.Diff(map[string]int{"20240104_DEN_GSW": 20, "20240104_DEN_LAL": 1}, games); diff != "" {
		t.Errorf("games (-want +got):\n%s", diff)
	}
	if n := o.Counts.Counts; n[CountReversed] != 2 || n[CountNotInSchedule] != 1 {
		t.Errorf("game_id_reversed %d, game_not_in_schedule %d, want 2 and 1", n[CountReversed], n[CountNotInSchedule])
	}
	wantCells(t, rowNamed(t, o, playerOf("GSW", 7)),
		"team_abbr=GSW opponent_team_abbr=DEN win_flag=false is_partial_game_data=false")
}

// A line without a team takes that of the same person in the other source, and no other.
func TestMissingTeam(t *testing.T) {
	t.Parallel()
	none := cells{"team_abbr": nil}
	tests := []struct {
		name string
		add  func(w *world)
		want string // team, or the reason of the rejection
	}{
		{"same name", func(w *world) {
			w.addBDL(bosChi, "CHI", "Lost Man", "00", "")
		}, "CHI"},
		{"same person under another name", func(w *world) {
			w.know("foundman", "found_001", "CHI")
			w.known["lostman"] = true
			w.alias("lostman", "foundman", true)
			w.addBDL(bosChi, "CHI", "Found Man", "00", "")
		}, "CHI"},
		{"nobody", func(*world) {}, rejectMissingTeam},
		{"same name in another game", func(w *world) { w.addBDL(miaNyk, "MIA", "Lost Man", "00", "") }, rejectMissingTeam},
		{"same name in the same source", func(w *world) { w.addIdle(bosChi, "CHI", "Lost Man", boxscore.DNP) },
			rejectMissingTeam},
		{"the name on both teams", func(w *world) {
			w.addBDL(bosChi, "CHI", "Lost Man", "00", "")
			w.addBDL(bosChi, "BOS", "Lost Man", "00", "")
		}, rejectMissingTeam},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := twoGames()
			tt.add(w)
			w.addIdle(bosChi, "CHI", "Lost Man", boxscore.Inactive, none)
			o := w.build(t)
			if tt.want == rejectMissingTeam {
				if o.Counts.RejectedBy[rejectMissingTeam] != 1 {
					t.Errorf("rejected %v, want one %s", o.Counts.RejectedBy, tt.want)
				}
				return
			}
			wantCells(t, rowNamed(t, o, "Lost Man"), "team_abbr=CHI opponent_team_abbr=BOS player_status=inactive")
		})
	}
}

// A date fetched twice: the later version counts whichever way the two arrive, and the earlier one alone is refused
// afterwards unless forced.
func TestCorrectedSource(t *testing.T) {
	t.Parallel()
	const later = "2022-01-18T09:00:00Z"
	old, corrected := bostonAtChicago(), bostonAtChicago()
	for _, row := range corrected.book {
		row[columnsOf[gamebook].processed] = table.Timestamp(mustTime(later))
	}
	corrected.book[0][columnsOf[gamebook].stats[assists]] = table.Int(6)
	want := corrected.build(t)
	for _, order := range [][]table.Row{slices.Concat(old.book, corrected.book), slices.Concat(corrected.book, old.book)} {
		w := bostonAtChicago()
		w.book = order
		o := w.build(t)
		if got := Target.Fingerprint(o.Rows); got != Target.Fingerprint(want.Rows) {
			t.Error("both versions together are not the later one")
		}
		if got := o.Counts.RejectedBy[rejectDuplicate]; got != 20 {
			t.Errorf("%d older lines counted, want 20", got)
		}
		if got := o.NewestSource[boxscore.Gamebook.Name]; !got.Equal(mustTime(later)) {
			t.Errorf("newest source %v, want %s", got, later)
		}
	}
	back := bostonAtChicago()
	back.in.NewestSource = want.NewestSource
	if got := findings(back.build(t)); !slices.Equal(got, []string{"source_went_back error"}) {
		t.Errorf("findings %v", got)
	}
	back.in.Force = true
	if got := findings(back.build(t)); len(got) != 0 {
		t.Errorf("forced: findings %v, want none", got)
	}
}

func mustTime(s string) time.Time {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return at
}

// Equal numbers for two teams of two games are no namesake but one person doubled: the date fails and names the id.
func TestOneLineInTwoGames(t *testing.T) {
	t.Parallel()
	w := twoGames()
	w.know("calrivers", "rivers_001", "BOS")
	w.addBook(bosChi, "BOS", "Cal Rivers", "0:20", "2 1/1 0/0 0/0 0")
	w.addBook(miaNyk, "NYK", "Cal Rivers", "0:20", "2 1/1 0/0 0/0 0")
	if got := messageOf(w.build(t), "ambiguous_identity"); !strings.Contains(got, "rivers_001") {
		t.Errorf("message %q", got)
	}
}

// Limits of usage are those of the exact value, never of its rounded text.
func TestUsageLimitsAreExact(t *testing.T) {
	t.Parallel()
	tests := []struct {
		raw  ratio
		want [5]string // raw, usage, capped, valid, anomaly
	}{
		{ratio{50, 1}, [5]string{"50.00", "50.00", "50.00", "true", ""}},
		{ratio{50_001, 1000}, [5]string{"50.00", "50.00", "50.00", "false", "exceeds_max"}},
		{ratio{100, 1}, [5]string{"100.00", "100.00", "50.00", "false", "exceeds_max"}},
		{ratio{100_001, 1000}, [5]string{"100.00", "", "50.00", "false", "exceeds_max"}},
		{ratio{2995, 100}, [5]string{"29.95", "30.00", "29.95", "true", ""}},
		{ratio{29_949, 1000}, [5]string{"29.95", "29.90", "29.95", "true", ""}}, // once, not by way of 29.95
		{ratio{0, 1}, [5]string{"0.00", "0.00", "0.00", "true", ""}},
	}
	for _, tt := range tests {
		d := derived{team: &totals{complete: true}}
		d.setUsage(tt.raw)
		got := [5]string{d.usageRaw.Text(), d.usage.Text(), d.usageCapped.Text(), d.usageValid.Text(), d.usageAnomaly.Text()}
		if got != tt.want {
			t.Errorf("%d/%d: got %v, want %v", tt.raw.num, tt.raw.den, got, tt.want)
		}
	}
}

// A team is complete up to its tolerance and not one second, point or player beyond; unresolved players count.
func TestTeamCompleteness(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(w *world)
		want   string
	}{
		{"as played", func(*world) {}, "false 100.00"},
		{"a minute short", setMinutes("23:00"), "false 100.00"},
		{"a second more", setMinutes("22:59"), "true 99.58"},
		{"a minute over", setMinutes("25:00"), "false 100.00"},
		{"over by more", setMinutes("25:01"), "true 100.00"},
		{"one row in whole minutes moves nothing", setMinutes("23"), "false 100.00"},
		{"without time", setMinutes(""), "true 90.00"},
		{"without attempts", func(w *world) { w.book[10][columnsOf[gamebook].stats[fga]] = table.Null }, "true 100.00"},
		{"without turnovers", func(w *world) { w.book[10][columnsOf[gamebook].stats[turnovers]] = table.Null },
			"true 100.00"},
		{"without free throws", func(w *world) { w.book[10][columnsOf[gamebook].stats[fta]] = table.Null }, "false 100.00"},
		{"a point short", func(w *world) { w.book[10][columnsOf[gamebook].stats[points]] = table.Int(13) }, "true 100.00"},
		{"points without a known score", func(w *world) {
			w.book[10][columnsOf[gamebook].stats[points]] = table.Int(13)
			w.schedule = nil
			w.addGame("BOS", "CHI", 0, 0, cells{"away_team_score": nil, "home_team_score": nil})
		}, "false 100.00"},
		{"somebody the registry lacks", func(w *world) { w.players = nil }, "false 100.00"},
		{"four long players", func(w *world) {
			w.book = w.book[:10]
			for i, points := range []int{26, 26, 26, 26} {
				w.addBook(bosChi, "CHI", playerOf("CHI", i), "60:00", teamLine(10*points, 1))
			}
		}, "true 100.00"},
		{"five long players", func(w *world) {
			w.book = w.book[:10]
			for i, points := range []int{20, 20, 20, 20, 24} {
				w.addBook(bosChi, "CHI", playerOf("CHI", i), "48:00", teamLine(10*points, 1))
			}
		}, "false 100.00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := bostonAtChicago() // the first ten lines are of BOS, then CHI
			tt.change(w)
			row := rowNamed(t, w.build(t), playerOf("CHI", 1))
			if got := row[out.partial].Text() + " " + row[out.completeness].Text(); got != tt.want {
				t.Errorf("partial, completeness %s, want %s", got, tt.want)
			}
		})
	}
}

// setMinutes gives the first player of CHI another time.
func setMinutes(text string) func(w *world) {
	return func(w *world) { w.book[10][columnsOf[gamebook].minutes] = table.String(text) }
}

// A game that the gamebook lacks comes from the secondary source and counts neither for nor against the match rate.
func TestGameOfTheSecondarySourceOnly(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.addGame("MIA", "NYK", 99, 98)
	for i := range 10 {
		w.addBDL(miaNyk, "MIA", playerOf("MIA", i), "24", teamLine(99, i))
		w.addBDL(miaNyk, "NYK", playerOf("NYK", i), "24", teamLine(98, i))
	}
	o := w.build(t)
	if len(o.Findings) != 0 || o.Counts.Counts[CountMatchOf] != 0 {
		t.Errorf("findings %v, match of %d, want none", o.Findings, o.Counts.Counts[CountMatchOf])
	}
	wantCells(t, rowNamed(t, o, playerOf("NYK", 0)),
		"primary_source_used=bdl_boxscores is_partial_game_data=false win_flag=false")
}

// knotty is a date of everything that could let the order of the input show: ties between copies, lines without a
// team, ids taken back, games that no schedule has under two orders, contradicting scores and rosters without numbers.
func knotty() *world {
	w := newWorld(oneDate)
	w.addFullGame("BOS", "CHI", 110, 104)
	w.addGame("BOS", "CHI", 111, 104, cells{"game_id": "0022100999"}) // a second id for the pair, of the same age
	w.addGame("MIA", "NYK", 99, 98, cells{"away_team_score": nil, "home_team_score": nil})
	w.addTeam(miaNyk, "MIA", 99)
	for i := range 10 { // a roster read too early
		w.addIdle(miaNyk, "NYK", playerOf("NYK", i), boxscore.DNP)
		w.addBDL(miaNyk, "NYK", playerOf("NYK", i), "24", teamLine(98, i),
			cells{"home_team_score": 98 - i, "away_team_score": 99 + i, "period": 4 + i%2}) // one total, many scores
	}
	w.addTeam("20220115_DEN_LAL", "DEN", 90) // on no schedule, each side in its own order
	w.addTeam("20220115_LAL_DEN", "LAL", 90)

	w.know("calrivers", "rivers_001", "BOS")
	w.addBook(bosChi, "BOS", "Cal Rivers", "0:20", "2 1/1 0/0 0/0 0")
	w.addBook(miaNyk, "MIA", "Cal Rivers", "0:10", "0 0/0 0/0 0/0 1")
	w.addBDL(miaNyk, "MIA", "Cal Rivers", "0", "0 0/0 0/0 0/0 1")

	w.know("twin", "twin_001", "UTA")
	w.know("twin", "twin_002", "PHX")
	w.known["atwin"] = true
	w.alias("atwin", "twin", true)
	w.alias("atwin", "calrivers", true)
	w.addBook(bosChi, "CHI", "A Twin", "0:00", "")
	for _, c := range []cells{{"assists": 1}, {"assists": 2}, {"data_hash": "b"}, {"data_hash": "a"}, {"assists": 1}} {
		w.addBook(bosChi, "CHI", "Twin", "0:05", "", c)
		w.addBook(bosChi, "BOS", "Twin", "0:05", "", c)
	}
	w.known["nobody"] = true
	for _, team := range []any{nil, "BOS", "CHI"} {
		w.addIdle(bosChi, "CHI", "No Body", boxscore.Inactive, cells{"team_abbr": team})
		w.addIdle(bosChi, "CHI", "Nobody", boxscore.Inactive,
			cells{"team_abbr": team, "name_resolution_status": boxscore.NotFound})
	}
	w.addIdle(bosChi, "BOS", "BOS Player A", boxscore.DNP, cells{"team_abbr": nil, "minutes": "abc"})
	w.addBDL(bosChi, "BOS", "BOS Player B", "12:75", "99 9/9 0/0 0/0 0")
	w.addBDL(bosChi, "XXX", "BOS Player B", "12:75", "99 9/9 0/0 0/0 0")
	for i := range 2 * job.MaxRejections {
		w.addBook(bosChi, "LAL", playerOf("Stray", i%7), "1:00", "")
	}
	foreign(9, "20220115_CHI_BOS", cells{"paint_makes": 2, "created_at": loadedAt})(w)
	foreign(9, bosChi, cells{"paint_makes": 3, "processed_at": loadedAt})(w)
	return w
}

// However the rows of the knotty date are ordered, everything that comes out is the same.
func TestKnotsHideTheOrder(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	var want job.Output
	for i := range 50 {
		w := knotty()
		for _, rows := range [][]table.Row{w.schedule, w.book, w.bdl, w.players, w.aliases, w.in.Previous} {
			switch {
			case i == 1:
				slices.Reverse(rows)
			case i > 1:
				rng.Shuffle(len(rows), func(a, b int) { rows[a], rows[b] = rows[b], rows[a] })
			}
		}
		got := w.build(t)
		if i == 0 {
			want = got
			continue
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(table.Value.Equal)); diff != "" {
			t.Fatalf("order %d changes the output:\n%s", i, diff)
		}
	}
	n := want.Counts.Counts
	if n[CountAmbiguous] < 2 || n[CountNotInSchedule] != 1 || n[CountUnresolvedNames] == 0 || n[CountReversed] != 1 ||
		want.Counts.RejectedBy[rejectDuplicate] < 9 || want.Counts.RejectedBy[rejectMissingTeam] == 0 ||
		len(want.Unresolved) < 3 {
		t.Errorf("the date is not knotty enough: %+v, unresolved %v", want.Counts, want.Unresolved)
	}
}

// Five of eleven games under way: the date waits, names them, and builds nothing out of their zeros.
func TestLiveGamesHoldTheDate(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	teams := strings.Fields("BOS CHI MIA NYK DEN LAL UTA PHX GSW DET MIN MIL ATL BKN CHA CLE DAL HOU IND LAC MEM TOR")
	for i := 0; i < len(teams); i += 2 {
		if i < 12 {
			w.addFullGame(teams[i], teams[i+1], 110, 104)
			continue
		}
		w.addGame(teams[i], teams[i+1], 0, 0, cells{"game_status": boxscore.Live, "game_status_text": "Q1"})
		w.addBDL(w.id(teams[i], teams[i+1]), teams[i], "Early Line", "0", "")
	}
	o := w.build(t)
	if !strings.HasPrefix(o.NotReady, "5 games not final: ") || len(o.Rows) != 0 {
		t.Errorf("%d rows, %q", len(o.Rows), o.NotReady)
	}
	if got := expect(gamedate.MustParse(oneDate), w.schedule); got.Units != 6 || got.NotFinal != 5 {
		t.Errorf("expectation %+v, want 6 final and 5 not", got)
	}
}
