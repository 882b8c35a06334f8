package summary

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gamefill/internal/boxscore"
	"gamefill/internal/job"
	"gamefill/internal/table"

	"github.com/google/go-cmp/cmp"
)

// twoSources is a game that the two sources tell differently.
func twoSources() *world {
	w := newWorld(oneDate)
	w.addGame("BOS", "CHI", 58, 9)
	w.addBook(bosChi, "BOS", "Marek Jovančić", "38:20", "46 20/30 6/9 0/0 0")
	w.addBook(bosChi, "BOS", "T.J. Wexler", "31:30", "12 6/9 0/0 0/0 0")
	w.addBook(bosChi, "CHI", "Devon Ruiz III", "0:01", "")
	w.addIdle(bosChi, "CHI", "Otis Grantham Jr.", boxscore.DNP)
	w.addBDL(bosChi, "BOS", "Marek Jovancic", "34", "39 18/30 3/9 0/0 0")
	w.addBDL(bosChi, "BOS", "TJ Wexler", "0", "12 6/9 0/0 0/0 0")
	w.addBDL(bosChi, "CHI", "Devon Ruiz III", "1", "")
	w.addBDL(bosChi, "CHI", "Amari Cole-Benton", "22", "9 4/8 1/2 0/0 0")
	return w
}

func TestTwoSourcesDisagree(t *testing.T) {
	t.Parallel()
	o := twoSources().build(t)
	var got []string
	for _, row := range o.Rows {
		got = append(got, show(row, "player_lookup team_abbr player_status minutes_played points primary_source_used"))
	}
	want := []string{
		"player_lookup=marekjovancic team_abbr=BOS player_status=active minutes_played=38.3 points=46 " +
			"primary_source_used=nbac_gamebook",
		"player_lookup=tjwexler team_abbr=BOS player_status=active minutes_played=31.5 points=12 " +
			"primary_source_used=nbac_gamebook",
		"player_lookup=amaricolebenton team_abbr=CHI player_status=active minutes_played=22.0 points=9 " +
			"primary_source_used=bdl_boxscores",
		"player_lookup=devonruiziii team_abbr=CHI player_status=active minutes_played=0.0 points=0 " +
			"primary_source_used=nbac_gamebook",
		"player_lookup=otisgranthamjr team_abbr=CHI player_status=dnp minutes_played=NULL points=NULL " +
			"primary_source_used=nbac_gamebook",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	for _, row := range o.Rows {
		if !slices.Contains(row[out.issues].List(), "source_disagreement") {
			t.Errorf("%s has no issue source_disagreement", Target.Describe(row))
		}
	}
	if n := o.Counts.Counts; n[CountSourceDifference] != 2 || n[CountDisagreement] != 1 {
		t.Errorf("differences %d, disagreements %d, want 2 and 1", n[CountSourceDifference], n[CountDisagreement])
	}
	var shown []string
	for _, r := range o.Rejections {
		shown = append(shown, r.Reason+": "+r.Detail)
	}
	want = []string{
		`source_difference: gamebook points 46 minutes "38:20", here points 39 minutes "34"`,
		`source_difference: gamebook points 12 minutes "31:30", here points 12 minutes "0"`,
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

func TestFarApart(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	lineOf := func(minutes string, points int) *line {
		l, reason, detail := decode(gamebook, w.bookRow(bosChi, "BOS", "A", minutes, "", cells{"points": points}))
		if reason != "" {
			t.Fatal(reason, detail)
		}
		return l
	}
	tests := []struct {
		minutes [2]string
		points  [2]int
		want    bool
	}{
		{[2]string{"30:00", "33"}, [2]int{10, 12}, false},
		{[2]string{"30:00", "33:01"}, [2]int{10, 10}, true},
		{[2]string{"30:00", "30"}, [2]int{10, 13}, true},
		{[2]string{"30:00", "30"}, [2]int{13, 10}, true},
		{[2]string{"", "30"}, [2]int{10, 10}, false},
	}
	for _, tt := range tests {
		got := farApart(lineOf(tt.minutes[0], tt.points[0]), lineOf(tt.minutes[1], tt.points[1])) != ""
		if got != tt.want {
			t.Errorf("%v %v far apart: %v, want %v", tt.minutes, tt.points, got, tt.want)
		}
	}
}

// One person in ten apart is no disagreement, one more is.
func TestDisagreementNeedsOverATenth(t *testing.T) {
	t.Parallel()
	for far, want := range map[int]int64{2: 0, 3: 1} {
		w := newWorld(oneDate)
		w.addFullGame("BOS", "CHI", 110, 104)
		for i := range 10 {
			minutes := "24"
			if i < far {
				minutes = "28"
			}
			w.addBDL(bosChi, "BOS", playerOf("BOS", i), minutes, teamLine(110, i))
			w.addBDL(bosChi, "CHI", playerOf("CHI", i), "24", teamLine(104, i))
		}
		if got := w.build(t).Counts.Counts[CountDisagreement]; got != want {
			t.Errorf("%d of 20 apart: %d disagreements, want %d", far, got, want)
		}
	}
}

func TestSourceSwitch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings string
		used     bool
	}{
		{`{}`, true},
		{`{"sources":{"bdl_player_boxscores":{"off":true}}}`, false},
		{`{"sources":{"bdl_player_boxscores":{"to":"2022-01-14"}}}`, false},
		{`{"sources":{"bdl_player_boxscores":{"to":"2022-01-15","from":"2022-01-15"}}}`, true},
		{`{"sources":{"bdl_player_boxscores":{"from":"2022-01-16"}}}`, false},
	} {
		w := twoSources()
		w.settings = tt.settings
		o := w.build(t)
		if got := len(rowsNamed(o, "amaricolebenton")) == 1; got != tt.used {
			t.Errorf("%s: used %v, want %v", tt.settings, got, tt.used)
		}
		if got := o.Counts.RejectedBy[rejectSourceOff] == 4; got == tt.used {
			t.Errorf("%s: rejected %v", tt.settings, o.Counts.RejectedBy)
		}
	}
}

func TestSeasonMismatch(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.addBook(bosChi, "CHI", "Odd Season", "0:00", "", cells{"season_year": 2022})
	wantCells(t, rowNamed(t, w.build(t), "Odd Season"), `season_year=2021 quality_issues=["season_mismatch"] processed_with_issues=true`)
}

func TestWhoWon(t *testing.T) {
	t.Parallel()
	none := cells{"away_team_score": nil, "home_team_score": nil}
	tests := []struct {
		name     string
		schedule cells
		bdl      cells
		want     string
	}{
		{"the schedule says", nil, nil, "win_flag=true"},
		{"the secondary source says", none, cells{"home_team_score": 104, "away_team_score": 110}, "win_flag=true"},
		{"its sides are reversed", none, cells{"home_team_score": 110, "away_team_score": 104, "home_team_abbr": "BOS",
			"away_team_abbr": "CHI"}, "win_flag=true"},
		{"a tie is unknown", cells{"away_team_score": 110, "home_team_score": 110},
			cells{"home_team_score": 99, "away_team_score": 98}, "win_flag=false"},
		{"the sums say", none, nil, "win_flag=true"},
		{"0-0 is unknown", cells{"away_team_score": 0, "home_team_score": 0}, nil, "win_flag=true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(oneDate)
			w.addGame("BOS", "CHI", 110, 104, tt.schedule)
			w.addCeltics(bosChi)
			w.addTeam(bosChi, "CHI", 104)
			if tt.bdl != nil {
				w.addBDL(bosChi, "BOS", "Abe Avery", "36", "27 10/18 3/7 4/5 3", tt.bdl)
			}
			wantCells(t, rowNamed(t, w.build(t), "Cy Cobb"), tt.want)
		})
	}
	t.Run("nobody knows", func(t *testing.T) {
		t.Parallel()
		w := newWorld(oneDate)
		w.addGame("BOS", "CHI", 0, 0, none)
		w.addTeam(bosChi, "BOS", 100)
		w.addTeam(bosChi, "CHI", 100)
		wantCells(t, rowNamed(t, w.build(t), playerOf("BOS", 0)), `win_flag=false quality_issues=["unknown_result"]`)
	})
}

// Without attempts or time a rate is NULL, and no row of any case holds a number that is not finite.
func TestNoDivisionByZero(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.addBook(bosChi, "CHI", "No Shots", "0:00", "")
	o := w.build(t)
	wantCells(t, rowNamed(t, o, "No Shots"), "ts_pct=NULL efg_pct=NULL usage_rate=NULL usage_rate_raw=NULL "+
		"usage_rate_capped=NULL points=0 minutes_played=0.0")
	for _, row := range o.Rows {
		if score, ok := row[out.score].Float64(); !ok || score < 0 || score > 100 {
			t.Errorf("quality_score %v", row[out.score].Text())
		}
	}
}

func TestLineage(t *testing.T) {
	t.Parallel()
	w := twoSources()
	w.addGame("MIA", "NYK", 99, 98) // final, without rows
	row := rowNamed(t, w.build(t), "TJ Wexler")
	wantCells(t, row, "source_nbac_last_updated=2022-01-16T10:00:00.000000Z source_nbac_rows_found=4 "+
		"source_nbac_completeness_pct=50.00 "+
		"source_bdl_rows_found=4 source_bdl_completeness_pct=50.00 source_team_rows_found=5 "+
		"source_team_completeness_pct=50.00 "+
		"source_odds_rows_found=NULL source_bbd_hash=NULL shot_zones_estimated=NULL")
	for _, name := range []string{"source_nbac_hash", "source_bdl_hash", "source_team_hash", "data_hash"} {
		if got := row[Target.MustIndex(name)].Str(); len(got) != 16 || strings.Trim(got, "0123456789abcdef") != "" {
			t.Errorf("%s %q, want 16 hex digits", name, got)
		}
	}
}

// messy is a date with everything at once: two sources, duplicates, namesakes, reversed ids, rejections.
func messy() *world {
	w := twoGames()
	w.know("calrivers", "rivers_001", "BOS")
	w.know("calrivers", "rivers_002", "CHI")
	w.known["newface"], w.known["brown"] = true, true
	w.addBook(bosChi, "BOS", "Cal Rivers", "0:00", "")
	w.addBook(bosChi, "CHI", "Cal Rivers", "0:00", "")
	w.addBook(bosChi, "CHI", "New Face", "12:75", "")
	w.addIdle(bosChi, "CHI", "Brown", boxscore.Inactive, cells{"name_resolution_status": boxscore.MultipleMatches})
	w.addBook(bosChi, "XXX", "Odd Row", "0:00", "")
	w.addBook(miaNyk, "MIA", "Amari Cole-Benton", "0:00", "", cells{"assists": 2})
	w.addBook(miaNyk, "NYK", "Amari Cole-Benton", "0:00", "", cells{"assists": 2})
	for i := range 10 {
		w.addBDL("20220115_NYK_MIA", "MIA", playerOf("MIA", i), "24", teamLine(99, i))
		w.addBDL(bosChi, "BOS", playerOf("BOS", i), "29", teamLine(110, i))
	}
	w.addGame("BOS", "CHI", 110, 104, cells{"game_id": "0022100400", "processed_at": "2022-01-17T00:00:00Z"})
	w.addGame("BOS", "CHI", 10, 4,
		cells{"game_id": "0022100400", "game_status": 2, "processed_at": "2022-01-18T00:00:00Z"})
	foreign(3, "20220115_CHI_BOS", cells{"paint_makes": 2})(w)
	w.in.Previous = append(w.in.Previous, w.in.Previous[0])
	w.settings = `{"unowned":"carry"}`
	return w
}

// The order of the input never shows: rows, findings, samples and fingerprints are the same for any of it.
func TestInputOrderNeverShows(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var want job.Output
	for i := range 50 {
		w := messy()
		for _, rows := range [][]table.Row{w.schedule, w.book, w.bdl, w.players, w.aliases, w.in.Previous} {
			if i == 1 {
				slices.Reverse(rows)
			} else if i > 1 {
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
		if a, b := Target.Fingerprint(want.Rows), Target.Fingerprint(got.Rows); a != b {
			t.Fatalf("order %d: fingerprint %s, want %s", i, b, a)
		}
	}
	if want.Counts.Counts[CountDisagreement] != 1 || want.Counts.Counts[CountReversed] != 1 || len(want.Rejections) < 4 {
		t.Errorf("the date is not messy enough: %+v", want.Counts)
	}
}

func TestBuildLeavesItsInputAlone(t *testing.T) {
	t.Parallel()
	w := messy()
	before := fmt.Sprint(w.book, w.bdl, w.schedule, w.in.Previous)
	w.build(t)
	if after := fmt.Sprint(w.book, w.bdl, w.schedule, w.in.Previous); after != before {
		t.Error("build changed its input")
	}
}

// Each input that can change the result changes the input fingerprint; a column that is not read does not.
func TestInputFingerprint(t *testing.T) {
	t.Parallel()
	base := messy().build(t).InputFingerprint
	tests := []struct {
		name   string
		change func(w *world)
		same   bool
	}{
		{"nothing", func(*world) {}, true},
		{"a stat", func(w *world) { w.book[0][columnsOf[gamebook].stats[assists]] = table.Int(9) }, false},
		{"the load time", func(w *world) { w.book[0][columnsOf[gamebook].processed] = table.Null }, false},
		{"a column not read", func(w *world) {
			w.book[0][boxscore.Gamebook.MustIndex("source_file_path")] = table.String("x")
		}, true},
		{"a row of the schedule", func(w *world) { w.schedule = w.schedule[:len(w.schedule)-1] }, false},
		{"a registry row of the date", func(w *world) { w.know("calrivers", "rivers_003", "MIA") }, false},
		{"a registry row of nobody here", func(w *world) { w.know("elsewhere", "elsewhere_001", "MIA") }, true},
		{"an alias of the date", func(w *world) { w.alias("newface", "oldface", true) }, false},
		{"a setting", func(w *world) { w.settings = `{}` }, false},
		{"the clock", func(w *world) { w.in.Now = loadTime().AddDate(1, 0, 0) }, true},
		{"the previous partition", func(w *world) { w.in.Previous = nil }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := messy()
			tt.change(w)
			if got := w.build(t).InputFingerprint == base; got != tt.same {
				t.Errorf("same fingerprint %v, want %v", got, tt.same)
			}
		})
	}
}
