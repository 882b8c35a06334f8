package summary

import (
	"fmt"
	"strings"
	"testing"

	"gamefill/internal/boxscore"
	"gamefill/internal/job"
)

// theKeyX is a registry where one name means two persons.
func theKeyX(changes ...func(w *world)) *registry {
	w := newWorld(oneDate)
	w.know("x", "x_001", "ORL", cells{"season": "2020-21"})
	w.know("x", "x_001", "CHI")
	w.know("x", "x_002", "MIA")
	for _, f := range changes {
		f(w)
	}
	return newRegistry(w.players, w.aliases)
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	later := func(w *world) {
		w.players[2][boxscore.Registry.MustIndex("last_roster_activity_date")] = rowOf(boxscore.Registry, cells{
			"last_roster_activity_date": "2022-01-10"})[boxscore.Registry.MustIndex("last_roster_activity_date")]
	}
	tests := []struct {
		name     string
		registry *registry
		key      string
		season   int
		team     string
		want     identity
	}{
		{"same team", theKeyX(), "x", 2021, "CHI", identity{"x_001", sameTeam, false}},
		{"the other's team", theKeyX(), "x", 2021, "MIA", identity{"x_002", sameTeam, false}},
		{"a third team", theKeyX(), "x", 2021, "BOS", identity{"x_001", sameSeason, true}},
		{"a third team, latest activity", theKeyX(later), "x", 2021, "BOS", identity{"x_002", sameSeason, true}},
		{"team unknown", theKeyX(), "x", 2021, "", identity{"x_001", sameSeason, true}},
		{"a season before all", theKeyX(), "x", 2015, "CHI", identity{"x_001", laterSeason, false}},
		{"a season of one", theKeyX(), "x", 2020, "MIA", identity{"x_001", sameSeason, false}},
		{"a season after all", theKeyX(), "x", 2023, "CHI", identity{"x_001", earlierSeason, true}},
		{"nobody", theKeyX(), "y", 2021, "CHI", identity{"", noRank, false}},
		{"an alias", theKeyX(func(w *world) { w.alias("ex", "x", true) }), "ex", 2021, "MIA",
			identity{"x_002", sameTeam, false}},
		{"an inactive alias", theKeyX(func(w *world) { w.alias("ex", "x", false) }), "ex", 2021, "MIA",
			identity{"", noRank, false}},
		{"one hop only", theKeyX(func(w *world) { w.alias("ex", "x", true); w.alias("exx", "ex", true) }), "exx", 2021, "MIA",
			identity{"", noRank, false}},
		{"two canonicals", theKeyX(func(w *world) {
			w.know("z", "z_009", "BOS")
			w.alias("ex", "x", true)
			w.alias("ex", "z", true)
		}), "ex", 2021, "BOS", identity{"z_009", sameTeam, false}},
		{"a row without an id is no candidate", theKeyX(func(w *world) {
			w.know("q", "", "BOS", cells{"universal_player_id": nil})
			w.alias("q", "x", true)
		}), "q", 2021, "CHI", identity{"x_001", sameTeam, false}},
		{"old team codes", theKeyX(func(w *world) { w.know("b", "b_001", "BRK") }), "b", 2021, "BKN",
			identity{"b_001", sameTeam, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.registry.identify(tt.key, tt.season, tt.team); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestAliasJoinsTwoSources(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.know("marcusmorrissr", "marcusmorrissr_001", "CHI")
	w.known["marcusmorris"] = true
	w.alias("marcusmorris", "marcusmorrissr", true)
	id := w.id("BOS", "CHI")
	w.addBook(id, "CHI", "Marcus Morris", "0:00", "", cells{"personal_fouls": nil})
	w.addBDL(id, "CHI", "Marcus Morris Sr.", "0", "", cells{"personal_fouls": 1})
	wantCells(t, rowNamed(t, w.build(t), "Marcus Morris"),
		"player_lookup=marcusmorris universal_player_id=marcusmorrissr_001 personal_fouls=1 "+
			"primary_source_used=nbac_bdl_combined")
}

func TestUnresolvedIsKeptAndQueued(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	w.known["newface"], w.known["brown"] = true, true
	id := w.id("BOS", "CHI")
	w.addBook(id, "CHI", "New Face", "0:00", "")
	w.addIdle(id, "CHI", "Brown", boxscore.Inactive, cells{"name_resolution_status": boxscore.MultipleMatches})
	w.addIdle(id, "BOS", "Brown", boxscore.Inactive, cells{"name_resolution_status": boxscore.NotFound})
	o := w.build(t)
	wantCells(t, rowNamed(t, o, "New Face"), `universal_player_id=NULL quality_issues=["unresolved_player"] is_active=true`)
	if rows := rowsNamed(o, "brown"); len(rows) != 0 {
		t.Errorf("%d rows of a last name, want 0", len(rows))
	}
	if got := o.Counts.RejectedBy[rejectUnresolvedName]; got != 2 {
		t.Errorf("%d last names rejected, want 2", got)
	}
	var got []string
	for _, u := range o.Unresolved {
		got = append(got, strings.Join([]string{u.Source, u.Lookup, u.Season, u.Group, strings.Join(u.Examples, ","),
			fmt.Sprint(u.Unmatched)}, " "))
	}
	want := "player_game_summary brown 2021-22 BOS 20220115_BOS_CHI true|player_game_summary brown 2021-22 CHI " +
		"20220115_BOS_CHI true|" +
		"player_game_summary newface 2021-22 CHI 20220115_BOS_CHI false"
	if strings.Join(got, "|") != want {
		t.Errorf("queue\n got %v\nwant %v", strings.Join(got, "|"), want)
	}
}

// twoGames is a date with BOS at CHI and MIA at NYK.
func twoGames() *world {
	w := newWorld(oneDate)
	w.addFullGame("BOS", "CHI", 110, 104)
	w.addFullGame("MIA", "NYK", 99, 98)
	return w
}

func TestNamesakesOfOneDate(t *testing.T) {
	t.Parallel()
	w := twoGames()
	w.know("calrivers", "rivers_001", "BOS")
	w.know("calrivers", "rivers_002", "CHI")
	id := w.id("BOS", "CHI")
	w.addBook(id, "BOS", "Cal Rivers", "20:00", "8 4/8 0/0 0/0 0")
	w.addBook(id, "CHI", "Cal Rivers", "15:00", "3 1/2 1/1 0/0 0")
	rows := rowsNamed(w.build(t), "calrivers")
	if len(rows) != 2 {
		t.Fatalf("%d rows, want 2", len(rows))
	}
	wantCells(t, rows[0], "universal_player_id=rivers_001 team_abbr=BOS points=8 "+
		"dedup_key=20220115_BOS_CHI|calrivers|BOS quality_issues=NULL")
	wantCells(t, rows[1], "universal_player_id=rivers_002 team_abbr=CHI points=3 "+
		"dedup_key=20220115_BOS_CHI|calrivers|CHI quality_issues=NULL")
}

// A name that played for a team the registry does not give it, while its only bearer played elsewhere, is a namesake.
func TestNamesakeThatTheRegistryLacks(t *testing.T) {
	t.Parallel()
	w := twoGames()
	w.know("calrivers", "rivers_001", "BOS")
	w.addBook(w.id("BOS", "CHI"), "BOS", "Cal Rivers", "20:00", "8 4/8 0/0 0/0 0")
	w.addBook(w.id("MIA", "NYK"), "NYK", "Cal Rivers", "15:00", "3 1/2 1/1 0/0 0")
	o := w.build(t)
	rows := rowsNamed(o, "calrivers")
	if len(rows) != 2 {
		t.Fatalf("%d rows, want 2", len(rows))
	}
	wantCells(t, rows[0], "universal_player_id=rivers_001 team_abbr=BOS")
	wantCells(t, rows[1], `universal_player_id=NULL team_abbr=NYK quality_issues=["ambiguous_identity","unresolved_player"]`)
	if messageOf(o, "ambiguous_identity") != "" {
		t.Error("two namesakes are not one person in two games")
	}
}

func TestListedByTwoTeams(t *testing.T) {
	t.Parallel()
	traded := func() *world {
		w := twoGames()
		w.know("dealtman", "dealt_001", "BOS")
		w.know("dealtman", "dealt_001", "NYK")
		return w
	}
	t.Run("did not play", func(t *testing.T) {
		t.Parallel()
		w := traded()
		w.addIdle(w.id("BOS", "CHI"), "BOS", "Dealt Man", boxscore.Inactive)
		w.addIdle(w.id("MIA", "NYK"), "NYK", "Dealt Man", boxscore.DNP)
		o := w.build(t)
		rows := rowsNamed(o, "dealtman")
		if len(rows) != 2 {
			t.Fatalf("%d rows, want 2", len(rows))
		}
		for _, row := range rows {
			wantCells(t, row, `universal_player_id=dealt_001 quality_issues=["two_games_one_date"] processed_with_issues=true`)
		}
		if got := findings(o); len(got) != 0 {
			t.Errorf("findings %v, want none", got)
		}
	})
	t.Run("played for one", func(t *testing.T) {
		t.Parallel()
		w := traded()
		w.addIdle(w.id("BOS", "CHI"), "BOS", "Dealt Man", boxscore.Inactive)
		w.addBook(w.id("MIA", "NYK"), "NYK", "Dealt Man", "0:00", "")
		if got := findings(w.build(t)); len(got) != 0 {
			t.Errorf("findings %v, want none", got)
		}
	})
	t.Run("played for both", func(t *testing.T) {
		t.Parallel()
		w := traded()
		w.addBook(w.id("BOS", "CHI"), "BOS", "Dealt Man", "0:00", "")
		w.addBook(w.id("MIA", "NYK"), "NYK", "Dealt Man", "0:00", "")
		o := w.build(t)
		if got := strings.Join(findings(o), ","); got != "ambiguous_identity error" {
			t.Errorf("findings %v", o.Findings)
		}
	})
}

func TestTradedPlayerByDate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ date, team, opponent string }{{"2016-01-10", "CHI", "BOS"},
		{"2016-03-01", "ATL", "BOS"}} {
		w := newWorld(tt.date)
		w.know("movingman", "moving_001", "ATL") // the directory has the later team only
		w.addFullGame(tt.opponent, tt.team, 110, 104)
		w.addBook(w.id(tt.opponent, tt.team), tt.team, "Moving Man", "0:00", "")
		wantCells(t, rowNamed(t, w.build(t), "Moving Man"), "universal_player_id=moving_001 team_abbr="+tt.team+
			" opponent_team_abbr=BOS season_year=2015")
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	w := twoGames()
	w.know("amaricolebenton", "cole_001", "MIA")
	id := w.id("MIA", "NYK")
	// Listed under both teams of one game with one and the same line.
	w.addBook(id, "MIA", "Amari Cole-Benton", "30:00", "14 7/9 0/0 0/0 1")
	w.addBook(id, "NYK", "Amari Cole-Benton", "30:00", "14 7/9 0/0 0/0 1")
	// An exact repeat, and an older version.
	w.addBook(id, "MIA", "Devon Ruiz III", "0:00", "")
	w.addBook(id, "MIA", "Devon Ruiz III", "0:00", "")
	w.addBook(id, "MIA", "T.J. Wexler", "0:00", "", cells{"assists": 1})
	w.addBook(id, "MIA", "TJ Wexler", "0:00", "", cells{"assists": 2, "processed_at": "2022-01-17T10:00:00Z"})
	// Of the same age the longer time counts.
	w.addBook(id, "MIA", "Otis Grantham Jr.", "0:10", "")
	w.addBook(id, "MIA", "Otis Grantham, Jr.", "0:20", "")
	o := w.build(t)
	wantCells(t, rowNamed(t, o, "Amari Cole-Benton"),
		"universal_player_id=cole_001 team_abbr=MIA points=14 dedup_key=20220115_MIA_NYK|amaricolebenton")
	wantCells(t, rowNamed(t, o, "Devon Ruiz III"), "player_lookup=devonruiziii")
	wantCells(t, rowNamed(t, o, "TJ Wexler"), "assists=2")
	wantCells(t, rowNamed(t, o, "Otis Grantham Jr"), "minutes_played=0.3")
	if got := o.Counts.RejectedBy[rejectDuplicate]; got != 4 {
		t.Errorf("%d duplicates, want 4: %v", got, o.Rejections)
	}
	details := map[string]int{}
	for _, r := range o.Rejections {
		details[r.Detail]++
	}
	for _, want := range []string{detailDuplicateExact, detailDuplicateOlder, detailDuplicateOfTeam,
		detailDuplicateEqual} {
		if details[want] != 1 {
			t.Errorf("details %v, want one %q", details, want)
		}
	}
}

func TestRejections(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, reason string
		changes      cells
	}{
		{"unknown code", rejectUnknownTeam, cells{"team_abbr": "XXX"}},
		{"a nickname", rejectUnknownTeam, cells{"team_abbr": "Warriors"}},
		{"a team of another game", rejectTeamNotInGame, cells{"team_abbr": "LAL"}},
		{"no team", rejectMissingTeam, cells{"team_abbr": ""}},
		{"NULL team", rejectMissingTeam, cells{"team_abbr": nil}},
		{"no name", rejectEmptyName, cells{"player_name": "   ", "player_name_original": ""}},
		{"a game of another date", rejectBadGameID, cells{"game_id": "20220114_BOS_CHI"}},
		{"a league id", rejectBadGameID, cells{"game_id": "0022100400"}},
		{"one team twice", rejectBadGameID, cells{"game_id": "20220115_BRK_BKN"}},
		{"a side outside the league", rejectExcludedGame, cells{"game_id": "20220115_MEL_CHI"}},
		{"an unknown status", rejectUnknownStatus, cells{"player_status": "suspended"}},
		{"a negative count", rejectBadStat, cells{"assists": -1}},
		{"an absurd count", rejectBadStat, cells{"points": 10_000}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := bostonAtChicago()
			w.addBook(w.id("BOS", "CHI"), "CHI", "Odd Row", "0:00", "", tt.changes)
			o := w.build(t)
			if got := o.Counts.RejectedBy; got[tt.reason] != 1 || len(got) != 1 {
				t.Errorf("rejected %v, want one %s", got, tt.reason)
			}
			if len(o.Rejections) != 1 || o.Rejections[0].Reason != tt.reason || o.Rejections[0].Key == "" {
				t.Errorf("sample %+v", o.Rejections)
			}
			if rows := rowsNamed(o, "oddrow"); len(rows) != 0 {
				t.Errorf("%d rows, want 0", len(rows))
			}
		})
	}
	t.Run("the printed name where the resolved one is missing", func(t *testing.T) {
		t.Parallel()
		w := bostonAtChicago()
		w.addBook(w.id("BOS", "CHI"), "CHI", "Printed", "0:00", "", cells{"player_name": nil})
		wantCells(t, rowNamed(t, w.build(t), "Printed"), "player_full_name=Printed universal_player_id=printed_001")
	})
	t.Run("samples are bounded", func(t *testing.T) {
		t.Parallel()
		w := bostonAtChicago()
		for range 2 * job.MaxRejections {
			w.addBook(w.id("BOS", "CHI"), "XXX", "Odd Row", "0:00", "")
		}
		o := w.build(t)
		if len(o.Rejections) != job.MaxRejections || o.Counts.RejectedBy[rejectUnknownTeam] != 2*job.MaxRejections {
			t.Errorf("%d samples of %v", len(o.Rejections), o.Counts.RejectedBy)
		}
	})
}

// what all later rules would decide the other way.
func TestBetterLine(t *testing.T) {
	t.Parallel()
	w := newWorld(oneDate)
	lineOf := func(team, minutes string, r rank, changes cells) *line {
		l, reason, detail := decode(gamebook, w.bookRow(bosChi, team, "A", minutes, "", changes))
		if reason != "" {
			t.Fatal(reason, detail)
		}
		l.team, l.who = team, identity{id: "a_001", rank: r}
		return l
	}
	const later = "2022-01-17T10:00:00Z"
	tests := []struct {
		name          string
		better, worse *line
	}{
		{"newer", lineOf("CHI", "1:00", laterSeason, cells{"processed_at": later, "data_hash": "b"}),
			lineOf("BOS", "9:00", sameTeam, cells{"data_hash": "a"})},
		{"longer", lineOf("CHI", "9:00", laterSeason, cells{"data_hash": "b"}),
			lineOf("BOS", "1:00", sameTeam, cells{"data_hash": "a"})},
		{"no time, against none given", lineOf("CHI", "0:00", laterSeason, cells{"data_hash": "b"}),
			lineOf("BOS", "", sameTeam, cells{"data_hash": "a"})},
		{"the registry's team", lineOf("CHI", "9:00", sameTeam, cells{"data_hash": "b"}),
			lineOf("BOS", "9:00", sameSeason, cells{"data_hash": "a"})},
		{"lower hash, however near the other's season", lineOf("CHI", "9:00", laterSeason, cells{"data_hash": "a"}),
			lineOf("BOS", "9:00", sameSeason, cells{"data_hash": "b"})},
		{"lower team", lineOf("BOS", "9:00", sameSeason, cells{"assists": 2}),
			lineOf("CHI", "9:00", sameSeason, cells{"assists": 1})},
		{"lower content", lineOf("BOS", "9:00", sameSeason, cells{"assists": 1}),
			lineOf("BOS", "9:00", sameSeason, cells{"assists": 2})},
	}
	for _, tt := range tests {
		if !tt.better.better(tt.worse) || tt.worse.better(tt.better) {
			t.Errorf("%s: the other one wins", tt.name)
		}
	}
}

// A namesake whom the gamebook lists as idle and the secondary source as active is one unknown person, not two.
func TestNamesakeInBothSources(t *testing.T) {
	t.Parallel()
	w := twoGames()
	w.know("calrivers", "rivers_001", "BOS")
	w.addBook(bosChi, "BOS", "Cal Rivers", "0:20", "2 1/1 0/0 0/0 0")
	w.addIdle(miaNyk, "NYK", "Cal Rivers", boxscore.DNP)
	w.addBDL(miaNyk, "NYK", "Cal Rivers", "15", "3 1/2 1/1 0/0 0")
	o := w.build(t)
	rows := rowsNamed(o, "calrivers")
	if len(rows) != 2 {
		t.Fatalf("%d rows, want 2: %v", len(rows), findings(o))
	}
	wantCells(t, rows[0], "universal_player_id=rivers_001 team_abbr=BOS is_active=true")
	wantCells(t, rows[1], `universal_player_id=NULL team_abbr=NYK player_status=dnp quality_issues=["ambiguous_identity","source_conflict","unresolved_player"]`)
	if got := messageOf(o, "duplicate_key"); got != "" {
		t.Error(got)
	}
}
