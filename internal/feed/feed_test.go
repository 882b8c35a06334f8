package feed

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// The small league of these tests: one preseason and two regular games of 2021-22, all people invented.
const (
	scheduleText = `game_id,game_date,season,season_type,home_team,away_team,home_pts,away_pts,home_team_id,away_team_id
0012100007,2021-10-05,2021-22,preseason,UTA,ADL,120,,1,
0022100001,2021-10-19,2021-22,regular,MIL,BKN,127,104,1,2
0022100002,2021-10-20,2021-22,regular,LAL,GSW,114,121,3,4
`
	playersText = `season,player_id,name_live,name_gamelog,team,first_date,last_date,games_listed,games_played,games_started,games_inactive,start_positions,jersey_numbers
2021-22,11,Ada Quill,Ada Quill Jr.,MIL,2021-10-19,2021-10-19,1,1,1,0,PG/SG,4/5
2021-22,12,Bo Tern,,BKN,2021-10-19,2021-10-19,1,0,0,0,,9
2021-22,13,Cy Væring,Cy Væring,LAL,2021-10-20,2021-10-20,1,1,1,0,C,1
`
	liveHead = "GAME_ID,GAME_DATE,GAME_TYPE,TEAM_SIDE,TEAM,OPPONENT,personId,name,jerseyNum,position,starter,played," +
		"status,minutesCalculated,points,fieldGoalsMade,fieldGoalsAttempted,threePointersMade," +
		"threePointersAttempted,freeThrowsMade,freeThrowsAttempted,reboundsOffensive,reboundsDefensive," +
		"reboundsTotal,assists,steals,blocks,turnovers,plusMinusPoints,pointsFastBreak,pointsInThePaint\n"
	adaLive = "0022100001,2021-10-19,regular,homeTeam,MIL,BKN,11,Ada " +
		"Quill,4,PG,1,1,ACTIVE,PT25M,20,7,15,2,5,4,4,1,6,7,5,2,1,3,-4,6,8\n"
	boLive = "0022100001,2021-10-19,regular,awayTeam,BKN,MIL,12,Bo " +
		"Tern,9,,0,0,ACTIVE,PT00M,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0\n"
	cyLive = "0022100002,2021-10-20,regular,homeTeam,LAL,GSW,13,\"Cy \"\"V\"\" Væring, " +
		"Jr.\",1,C,0,0,INACTIVE,PT00M,0,0,0,0,0,0,0,0,2,2,0,0,0,0,0,0,0\n"
	preLive = "0012100007,2021-10-05,preseason,homeTeam,UTA,ADL,99,Swapped " +
		"Id,1,C,1,1,ACTIVE,PT10M,2,1,1,0,0,0,0,0,2,2,0,0,0,0,0,0,0\n"
	liveText = liveHead + preLive + adaLive + boLive + cyLive

	logHead = "SEASON_ID,GAME_ID,GAME_DATE,SEASON_TYPE,MATCHUP,WL,TEAM_ID,TEAM_ABBREVIATION,TEAM_NAME,PLAYER_ID," +
		"PLAYER_NAME,MIN,FGM,FGA,FG3M,FG3A,FTM,FTA,OREB,DREB,REB,AST,STL,BLK,TOV,PF,PTS,PLUS_MINUS\n"
	adaLog = "22021,0022100001,2021-10-19,Regular Season,MIL vs. BKN,W,1,MIL,Milwaukee,11,Ada Quill " +
		"Jr.,26,7,15,2,5,4,4,1,6,7,5,2,1,3,2,20,-3\n"
	cyLog = "22021,0022100002,2021-10-20,Regular Season,GSW @ LAL,W,4,GSW,Golden State,14,Di " +
		"Ox,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,0,\n"
	logText = logHead + adaLog + cyLog
)

// adaMoved is the live file with its first regular game a day earlier, adaRenamed the game log with Ada's other
// spelling.
func adaMoved() string   { return strings.ReplaceAll(liveText, "2021-10-19", "2021-10-18") }
func adaRenamed() string { return strings.Replace(logText, "Ada Quill Jr.", "Ada Quill", 1) }

// write puts text into a file of its own.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func mustImport(t *testing.T, m *memory, text string) Report {
	t.Helper()
	r, err := Import(t.Context(), m, write(t, text), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLiveRows(t *testing.T) {
	t.Parallel()
	m := newMemory()
	r := mustImport(t, m, liveText)
	want := []map[string]string{
		{
			"game_id": "20211005_ADL_UTA", "game_date": "2021-10-05", "season_year": "2021", "home_team_abbr": "UTA",
			"away_team_abbr": "ADL", "team_abbr": "UTA", "player_name": "Swapped Id", "player_name_original": "Swapped Id",
			"player_lookup": "swappedid", "player_status": "active", "name_resolution_status": "original", "minutes": "PT10M",
			"points": "2", "field_goals_made": "1", "field_goals_attempted": "1", "three_pointers_made": "0",
			"three_pointers_attempted": "0", "free_throws_made": "0", "free_throws_attempted": "0", "offensive_rebounds": "0",
			"defensive_rebounds": "2", "total_rebounds": "2", "assists": "0", "steals": "0", "blocks": "0", "turnovers": "0",
			"plus_minus": "0", "processed_at": "2021-10-06T12:00:00.000000Z",
		},
		{
			"game_id": "20211019_BKN_MIL", "game_date": "2021-10-19", "season_year": "2021", "home_team_abbr": "MIL",
			"away_team_abbr": "BKN", "team_abbr": "MIL", "player_name": "Ada Quill", "player_name_original": "Ada Quill",
			"player_lookup": "adaquill", "player_status": "active", "name_resolution_status": "original", "minutes": "PT25M",
			"points": "20", "field_goals_made": "7", "field_goals_attempted": "15", "three_pointers_made": "2",
			"three_pointers_attempted": "5", "free_throws_made": "4", "free_throws_attempted": "4", "offensive_rebounds": "1",
			"defensive_rebounds": "6", "total_rebounds": "7", "assists": "5", "steals": "2", "blocks": "1", "turnovers": "3",
			"plus_minus": "-4", "processed_at": "2021-10-20T12:00:00.000000Z",
		},
		{
			"game_id": "20211019_BKN_MIL", "game_date": "2021-10-19", "season_year": "2021", "home_team_abbr": "MIL",
			"away_team_abbr": "BKN", "team_abbr": "BKN", "player_name": "Bo Tern", "player_name_original": "Bo Tern",
			"player_lookup": "botern", "player_status": "dnp", "name_resolution_status": "original",
			"processed_at": "2021-10-20T12:00:00.000000Z",
		},
		{
			"game_id": "20211020_GSW_LAL", "game_date": "2021-10-20", "season_year": "2021", "home_team_abbr": "LAL",
			"away_team_abbr": "GSW", "team_abbr": "LAL", "player_name": `Cy "V" Væring, Jr.`,
			"player_name_original": `Cy "V" Væring, Jr.`, "player_lookup": "cyvvaeringjr", "player_status": "inactive",
			"name_resolution_status": "original",
			"processed_at":           "2021-10-21T12:00:00.000000Z",
		},
	}
	if diff := cmp.Diff(want, m.texts(t, boxscore.Gamebook)); diff != "" {
		t.Errorf("gamebook (-want +got):\n%s", diff)
	}
	if r.Format != FormatLive || r.Lines != 4 || r.Rows != 4 || r.Games != 3 || r.Dates != 3 || r.Ignored != 2 ||
		r.First.String() != "2021-10-05" || r.Last.String() != "2021-10-20" {
		t.Errorf("report: %+v", r)
	}
}

func TestGamelogRowsAndScores(t *testing.T) {
	t.Parallel()
	m := newMemory()
	mustImport(t, m, scheduleText)
	mustImport(t, m, logText)
	want := []map[string]string{
		{
			"game_id": "20211019_BKN_MIL", "game_date": "2021-10-19", "season_year": "2021", "is_postseason": "false",
			"game_status": "Final", "home_team_abbr": "MIL", "away_team_abbr": "BKN", "team_abbr": "MIL",
			"home_team_score": "127", "away_team_score": "104", "player_full_name": "Ada Quill Jr.",
			"player_lookup": "adaquilljr", "minutes": "26", "field_goals_made": "7", "field_goals_attempted": "15",
			"three_pointers_made": "2", "three_pointers_attempted": "5", "free_throws_made": "4", "free_throws_attempted": "4",
			"offensive_rebounds": "1", "defensive_rebounds": "6", "rebounds": "7", "assists": "5", "steals": "2", "blocks": "1",
			"turnovers": "3", "personal_fouls": "2", "points": "20",
			"created_at": "2021-10-20T12:00:00.000000Z", "processed_at": "2021-10-20T12:00:00.000000Z",
		},
		{
			"game_id": "20211020_GSW_LAL", "game_date": "2021-10-20", "season_year": "2021", "is_postseason": "false",
			"game_status": "Final", "home_team_abbr": "LAL", "away_team_abbr": "GSW", "team_abbr": "GSW",
			"home_team_score": "114", "away_team_score": "121", "player_full_name": "Di Ox", "player_lookup": "diox",
			"minutes": "0", "field_goals_made": "0", "field_goals_attempted": "0", "three_pointers_made": "0",
			"three_pointers_attempted": "0", "free_throws_made": "0", "free_throws_attempted": "0", "offensive_rebounds": "0",
			"defensive_rebounds": "0", "rebounds": "0", "assists": "0", "steals": "0", "blocks": "0", "turnovers": "0",
			"personal_fouls": "1", "points": "0",
			"created_at": "2021-10-21T12:00:00.000000Z", "processed_at": "2021-10-21T12:00:00.000000Z",
		},
	}
	if diff := cmp.Diff(want, m.texts(t, boxscore.BDL)); diff != "" {
		t.Errorf("second source (-want +got):\n%s", diff)
	}

	corrected := strings.Replace(scheduleText, "127,104", "128,104", 1)
	r := mustImport(t, m, corrected)
	if r.Scored != 1 || r.Removed != 3 {
		t.Errorf("corrected schedule: got %d rows scored, %d removed; want 1 and 3", r.Scored, r.Removed)
	}
	if got := m.texts(t, boxscore.BDL); len(got) != 2 ||
		!slices.ContainsFunc(got, func(row map[string]string) bool { return row["home_team_score"] == "128" }) {
		t.Errorf("after the corrected schedule: got %v", got)
	}
}

func TestScheduleRows(t *testing.T) {
	t.Parallel()
	m := newMemory()
	open := "0022100003,2021-10-21,2021-22,regular,UTA,BRK,,,,\n"
	mustImport(t, m, scheduleText+open)
	got := m.texts(t, boxscore.Schedule)
	want := []map[string]string{
		{
			"game_id": "0012100007", "season": "2021-22", "season_nba_format": "2021-22", "season_year": "2021",
			"game_date": "2021-10-05", "game_status": "3", "game_status_text": "Final", "home_team_tricode": "UTA",
			"away_team_tricode": "ADL", "home_team_score": "120", "is_regular_season": "false", "is_playoffs": "false",
			"is_all_star": "false", "is_emirates_cup": "false",
			"processed_at": "2021-10-06T12:00:00.000000Z",
		},
		{
			"game_id": "0022100001", "season": "2021-22", "season_nba_format": "2021-22", "season_year": "2021",
			"game_date": "2021-10-19", "game_status": "3", "game_status_text": "Final", "home_team_tricode": "MIL",
			"away_team_tricode": "BKN", "home_team_score": "127", "away_team_score": "104", "winning_team_tricode": "MIL",
			"is_regular_season": "true", "is_playoffs": "false", "is_all_star": "false",
			"processed_at": "2021-10-20T12:00:00.000000Z",
		},
		{
			"game_id": "0022100002", "season": "2021-22", "season_nba_format": "2021-22", "season_year": "2021",
			"game_date": "2021-10-20", "game_status": "3", "game_status_text": "Final", "home_team_tricode": "LAL",
			"away_team_tricode": "GSW", "home_team_score": "114", "away_team_score": "121", "winning_team_tricode": "GSW",
			"is_regular_season": "true", "is_playoffs": "false", "is_all_star": "false",
			"processed_at": "2021-10-21T12:00:00.000000Z",
		},
		{
			"game_id": "0022100003", "season": "2021-22", "season_nba_format": "2021-22", "season_year": "2021",
			"game_date": "2021-10-21", "game_status": "1", "game_status_text": "Scheduled", "home_team_tricode": "UTA",
			"away_team_tricode": "BKN", "is_regular_season": "true", "is_playoffs": "false", "is_all_star": "false",
			"processed_at": "2021-10-22T12:00:00.000000Z",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRegistryAndAliases(t *testing.T) {
	t.Parallel()
	m := newMemory()
	for _, text := range []string{logText, liveText, playersText} {
		mustImport(t, m, text)
	}
	// Ada's two spellings are used once each on one date: the alphabet decides. Cy's name in the list is only a fallback.
	registry := []map[string]string{
		{
			"universal_player_id": "adaquill_11", "player_name": "Ada Quill", "player_lookup": "adaquill", "team_abbr": "MIL",
			"season": "2021-22", "first_game_date": "2021-10-19", "last_game_date": "2021-10-19", "games_played": "1",
			"jersey_number": "4/5", "position": "PG/SG",
			"processed_at": "2021-10-20T12:00:00.000000Z",
		},
		{
			"universal_player_id": "botern_12", "player_name": "Bo Tern", "player_lookup": "botern", "team_abbr": "BKN",
			"season": "2021-22", "first_game_date": "2021-10-19", "last_game_date": "2021-10-19", "games_played": "0",
			"jersey_number": "9",
			"processed_at":  "2021-10-20T12:00:00.000000Z",
		},
		{
			"universal_player_id": "cyvvaeringjr_13", "player_name": `Cy "V" Væring, Jr.`, "player_lookup": "cyvvaeringjr",
			"team_abbr": "LAL", "season": "2021-22", "first_game_date": "2021-10-20", "last_game_date": "2021-10-20",
			"games_played": "1", "jersey_number": "1", "position": "C", "processed_at": "2021-10-21T12:00:00.000000Z",
		},
	}
	if diff := cmp.Diff(registry, m.texts(t, boxscore.Registry)); diff != "" {
		t.Errorf("registry (-want +got):\n%s", diff)
	}
	aliases := []map[string]string{
		{
			"alias_lookup": "adaquilljr", "nba_canonical_lookup": "adaquill", "alias_display": "Ada Quill Jr.",
			"nba_canonical_display": "Ada Quill", "alias_type": "suffix_difference", "alias_source": "nba_feeds",
			"is_active": "true", "created_at": "2021-10-20T12:00:00.000000Z", "processed_at": "2021-10-20T12:00:00.000000Z",
		},
		{
			"alias_lookup": "cyvaering", "nba_canonical_lookup": "cyvvaeringjr", "alias_display": "Cy Væring",
			"nba_canonical_display": `Cy "V" Væring, Jr.`, "alias_type": "source_variation", "alias_source": "nba_feeds",
			"is_active": "true", "created_at": "2021-10-21T12:00:00.000000Z", "processed_at": "2021-10-21T12:00:00.000000Z",
		},
	}
	if diff := cmp.Diff(aliases, m.texts(t, boxscore.Aliases)); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
}

func TestLongestUsedSpelling(t *testing.T) {
	t.Parallel()
	m := newMemory()
	again := strings.NewReplacer("0022100001", "0022100099", "2021-10-19", "2021-12-01", "Ada Quill",
		"Ada Quill Jr.").Replace(adaLive)
	mustImport(t, m, playersText)
	mustImport(t, m, liveHead+adaLive+again)
	mustImport(t, m, logText)
	var got []string
	for _, row := range m.texts(t, boxscore.Registry) {
		got = append(got, row["universal_player_id"])
	}
	if diff := cmp.Diff([]string{"adaquilljr_11", "botern_12", "cyvaering_13"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every order of the four files, and every file once more, ends in the same tables.
func TestOrderOfFilesDoesNotShow(t *testing.T) {
	t.Parallel()
	texts := []string{scheduleText, playersText, liveText, logText}
	var want map[string]string
	permute(texts, func(order []string) {
		m := newMemory()
		for _, text := range order {
			mustImport(t, m, text)
		}
		got := m.fingerprints()
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-first +this order):\n%s", diff)
		}
		m.loads = nil
		for _, text := range order {
			mustImport(t, m, text)
		}
		if diff := cmp.Diff(want, m.fingerprints()); diff != "" {
			t.Fatalf("after a second import (-want +got):\n%s", diff)
		}
		if slices.Contains(m.loads, boxscore.Registry.FullName()) || slices.Contains(m.loads, boxscore.Aliases.FullName()) {
			t.Errorf("second import wrote equal tables again: %v", m.loads)
		}
	})
}

func permute(list []string, fn func([]string)) {
	var rec func(n int)
	rec = func(n int) {
		if n == 0 {
			fn(list)
			return
		}
		for i := range n {
			list[i], list[n-1] = list[n-1], list[i]
			rec(n - 1)
			list[i], list[n-1] = list[n-1], list[i]
		}
	}
	rec(len(list))
}

func TestAcceptedForms(t *testing.T) {
	t.Parallel()
	header, rest, _ := strings.Cut(scheduleText, "\n")
	names := strings.Split(header, ",")
	var turned strings.Builder
	for line := range strings.Lines(scheduleText) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ",")
		slices.Reverse(fields)
		turned.WriteString(strings.Join(fields, ",") + "\n")
	}
	tests := []struct{ name, text string }{
		{"gzip", zipped(t, scheduleText)},
		{"two gzip members", zipped(t, scheduleText[:200]) + zipped(t, scheduleText[200:])},
		{"mark of UTF-8", "\ufeff" + scheduleText},
		{"CR LF", strings.ReplaceAll(scheduleText, "\n", "\r\n")},
		{"no end of line at the end", strings.TrimSuffix(scheduleText, "\n")},
		{"blank lines", header + "\n\n" + rest + "\n\n"},
		{"quoted header and fields",
			`"` + strings.Join(names, `","`) + `"` + "\n" + strings.Replace(rest, "2021-22", `"2021-22"`, 1)},
		{"columns in another order", turned.String()},
		{"lost leading zeros", strings.ReplaceAll(scheduleText, "\n00", "\n")},
		{"codes of other sources", strings.NewReplacer("BKN", " brk ", "GSW", "GS").Replace(scheduleText)},
	}
	want := newMemory()
	mustImport(t, want, scheduleText)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			r := mustImport(t, m, tt.text)
			if r.Rows != 3 || r.Rejected != 0 {
				t.Errorf("got %d rows, %d rejected: %v", r.Rows, r.Rejected, r.Rejections)
			}
			if diff := cmp.Diff(want.fingerprints(), m.fingerprints()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is wrong with the file as a whole: an error that says what to do, and nothing written.
func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	header, _, _ := strings.Cut(scheduleText, "\n")
	utf16 := "\xff\xfe"
	for _, c := range scheduleText {
		utf16 += string(byte(c)) + "\x00"
	}
	packed := zipped(t, strings.Repeat(scheduleText, 50))
	tests := []struct {
		name, text, want string
		o                Options
	}{
		{"empty", "", "is empty: fetch it again", Options{}},
		{"gzip of nothing", zipped(t, ""), "is empty: fetch it again", Options{}},
		{"header only", header + "\n", "has a header and no rows", Options{}},
		{"missing column", strings.Replace(scheduleText, ",home_pts", "", 1),
			`lacks "home_pts"; want exactly game_id,`, Options{}},
		{"unknown column", strings.Replace(scheduleText, "home_pts", "home_points", 1),
			`it lacks "home_pts", has unknown "home_points"`, Options{}},
		{"repeated column", strings.Replace(scheduleText, "away_pts", "home_pts", 1), `repeats "home_pts"`, Options{}},
		{"column in capitals", strings.Replace(scheduleText, "home_pts", "HOME_PTS", 1), `has unknown "HOME_PTS"`, Options{}},
		{"no header", strings.TrimPrefix(scheduleText, header+"\n"),
			"header is of no known format: found \"0012100007\"", Options{}},
		{"broken header", `game_id,"game_date` + "\n", "header line: at byte", Options{}},
		{"another format than named", scheduleText, "header is not of format nba-live", Options{Format: FormatLive}},
		{"unknown format", scheduleText, `format "nba": want one of nba-schedule, players, nba-live, nba-gamelog`,
			Options{Format: "nba"}},
		{"UTF-16", utf16, "is UTF-16 text: convert it to UTF-8", Options{}},
		{"UTF-16 without its mark", utf16[2:], "line 1 holds a NUL byte", Options{}},
		{"Latin-1", liveHead + adaLive + strings.Replace(boLive, "Bo", "B\xf6", 1), "line 3 is not UTF-8 text", Options{}},
		{"cut-off gzip", packed[:len(packed)/2], "broken or cut-off gzip", Options{}},
		{"gzip without its last byte", packed[:len(packed)-1], "broken or cut-off gzip", Options{}},
		{"broken gzip", packed[:2] + "nonsense", "broken or cut-off gzip", Options{}},
		{"wrong checksum", packed[:len(packed)-8] + "\x00\x00\x00\x00" + packed[len(packed)-4:],
			"broken or cut-off gzip", Options{}},
		{"junk after gzip", packed + "junk", "gzip", Options{}},
		{"line of 10 MB", scheduleText + strings.Repeat("x", 10<<20), "line 5 is longer than 1048576 bytes", Options{}},
		{"file of one line", strings.Repeat("x", 10<<20), "line 1 is longer than 1048576 bytes", Options{}},
		{"all lines rejected", header + "\nx\n", "too many lines rejected: all of its 1", Options{}},
		{"old line ends", strings.ReplaceAll(scheduleText, "\n", "\r"), "header is not of format nba-schedule", Options{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			_, err := Import(t.Context(), m, write(t, tt.text), tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && len(err.Error()) > 3000 {
				t.Errorf("message of %d bytes", len(err.Error()))
			}
			if len(m.tables) != 0 {
				t.Errorf("wrote %d tables", len(m.tables))
			}
		})
	}
	dir := t.TempDir()
	if _, err := Import(t.Context(), newMemory(), dir, Options{}); err == nil ||
		!strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: got %v", err)
	}
	if _, err := Import(t.Context(), newMemory(), filepath.Join(dir, "none.csv"), Options{}); !errors.Is(err,
		os.ErrNotExist) {
		t.Errorf("missing file: got %v", err)
	}
}

// What is wrong with one line: that line is rejected with its number and a reason, and the others are loaded.
func TestRejectedLines(t *testing.T) {
	t.Parallel()
	ada := func(old, with string) string {
		return liveHead + strings.Replace(adaLive, old, with, 1) + boLive + cyLive
	}
	logged := func(old, with string) string { return logHead + strings.Replace(adaLog, old, with, 1) + cyLog }
	planned := func(old, with string) string { return strings.Replace(scheduleText, old, with, 1) }
	listed := func(old, with string) string { return strings.Replace(playersText, old, with, 1) }
	tests := []struct {
		name, text   string
		line         int
		reason, want string
	}{
		{"too few fields", ada(",8\n", "\n"), 2, ReasonFields, "want 31 fields, got 30"},
		{"too many fields", ada("PT25M,", "PT25M,,"), 2, ReasonFields, "want 31 fields, got 32"},
		{"lost quotation mark", ada("Ada Quill", `"Ada Quill`), 2, ReasonQuotes, "at byte"},
		{"stray quotation mark", ada("Ada Quill", `Ada "Quill`), 2, ReasonQuotes, "bare"},
		{"no number", ada(",20,7,", ",twenty,7,"), 2, ReasonNumber, `points: want a whole number, got "twenty"`},
		{"a decimal", ada(",20,7,", ",20.0,7,"), 2, ReasonNumber, `points: want a whole number, got "20.0"`},
		{"a sign", ada(",20,7,", ",+20,7,"), 2, ReasonNumber, "points"},
		{"a huge number", ada(",20,7,", ",99999999999999999999,7,"), 2, ReasonNumber, "points"},
		{"a negative count", ada(",20,7,", ",-20,7,"), 2, ReasonNumber, "points: want a count, got -20"},
		{"a number that is not carried", ada(",6,8\n", ",6,x\n"), 2, ReasonNumber, "pointsInThePaint"},
		{"no number of one who did not play", liveHead + adaLive + strings.Replace(boLive, "PT00M,0", "PT00M,x", 1), 3,
			ReasonNumber, "points"},
		{"30 February", ada("2021-10-19", "2022-02-30"), 2, ReasonDate, "no such date"},
		{"a date the other way round", ada("2021-10-19", "19.10.2021"), 2, ReasonDate, "GAME_DATE"},
		{"no date", ada("2021-10-19", ""), 2, ReasonDate, "missing"},
		{"date of another season", ada("2021-10-19", "2022-11-19"), 2, ReasonSeason, "game 0022100001 is of season 2021-22"},
		{"no game id", ada("0022100001", ""), 2, ReasonMissing, "GAME_ID is empty"},
		{"letters in the game id", ada("0022100001", "002210000A"), 2, ReasonGameID, "want ten digits"},
		{"long game id", ada("0022100001", "00221000010"), 2, ReasonGameID, "want ten digits"},
		{"unknown kind of game", ada("0022100001", "0092100001"), 2, ReasonGameKind, "001 to 006"},
		{"kind and id differ", ada("regular", "playoffs"), 2, ReasonKind, "is regular by its id"},
		{"unknown word for the kind", ada("regular", "friendly"), 2, ReasonValue, "friendly"},
		{"unknown team", ada("MIL,BKN", "XXX,BKN"), 2, ReasonTeam, `no team has the code "XXX"`},
		{"no team", ada("MIL,BKN", ",BKN"), 2, ReasonMissing, "TEAM is empty"},
		{"a team against itself", ada("MIL,BKN", "MIL,MIL"), 2, ReasonNotPlaying, "MIL plays itself"},
		{"unknown side", ada("homeTeam", "home"), 2, ReasonValue, "TEAM_SIDE"},
		{"unknown mark", ada("1,1,ACTIVE", "1,yes,ACTIVE"), 2, ReasonValue, "played"},
		{"unknown status", ada("1,1,ACTIVE", "1,1,OUT"), 2, ReasonValue, "status"},
		{"no person", ada(",11,", ",,"), 2, ReasonMissing, "personId is empty"},
		{"person 0", ada(",11,", ",0,"), 2, ReasonNumber, "personId: want an id"},
		{"no name", ada("Ada Quill", ""), 2, ReasonMissing, "name is empty"},
		{"a name of nothing", ada("Ada Quill", "?!"), 2, ReasonName, "no letter or digit"},

		{"match-up of two others", logged("MIL vs. BKN", "LAL vs. BKN"), 2, ReasonNotPlaying, "a line of MIL"},
		{"match-up seen from the other side", logged("MIL vs. BKN", "BKN @ MIL"), 2, ReasonNotPlaying, "a line of MIL"},
		{"no match-up", logged("MIL vs. BKN", "MIL-BKN"), 2, ReasonValue, "AAA vs. BBB"},
		{"unknown opponent", logged("MIL vs. BKN", "MIL vs. QQQ"), 2, ReasonTeam, "QQQ"},
		{"season id", logged("22021,", "42021,"), 2, ReasonSeason, "season id 22021"},
		{"plus-minus", logged(",20,-3", ",20,-"), 2, ReasonNumber, "PLUS_MINUS"},

		{"one score only", planned("127,104", "127,"), 3, ReasonMissing, "one side has a score"},
		{"season of the schedule", planned("2021-10-20,2021-22", "2021-10-20,2022-23"), 4, ReasonSeason,
			`is of season 2021-22, got "2022-23"`},
		{"foreign team in a counted game", planned("MIL,BKN", "MIL,ADL"), 3, ReasonTeam, "ADL"},
		{"no code at all", planned("UTA,ADL", "UTA,ADELAIDE"), 2, ReasonTeam, "ADELAIDE"},
		{"one game twice", scheduleText + "0022100001,2021-10-19,2021-22,regular,MIL,BKN,127,105,1,2\n", 5, ReasonConflict,
			"line 3 has the key"},

		{"no such season", listed("2021-22,11", "2021-23,11"), 2, ReasonSeason, "2021-23"},
		{"neither name", listed("Bo Tern,", ","), 3, ReasonMissing, "name_live and name_gamelog"},
		{"dates reversed", listed("2021-10-19,2021-10-19", "2021-10-19,2021-10-18"), 2, ReasonDate, "is before first_date"},
		{"one player twice", playersText + "2021-22,12,Bo Tern,,BKN,2021-10-19,2021-10-20,2,0,0,0,,9\n", 5,
			ReasonConflict, "line 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			r, err := Import(t.Context(), m, write(t, tt.text), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Rejected != 1 || r.Rows != r.Lines-1 || len(r.Rejections) != 1 || r.RejectedBy[tt.reason] != 1 {
				t.Fatalf("got %+v, want one rejection for %s", r, tt.reason)
			}
			bad := r.Rejections[0]
			if bad.Line != tt.line || bad.Reason != tt.reason || !strings.Contains(bad.Detail, tt.want) || bad.Text == "" {
				t.Errorf("got %+v, want line %d, %s, %q", bad, tt.line, tt.reason, tt.want)
			}
			f, err := ByName(r.Format)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(m.tables[f.Table.FullName()]); got != r.Rows {
				t.Errorf("table has %d rows, report says %d", got, r.Rows)
			}
		})
	}
}

func TestEmptyStatIsNull(t *testing.T) {
	t.Parallel()
	m := newMemory()
	mustImport(t, m, liveHead+strings.Replace(adaLive, "PT25M,20,", ",,", 1))
	row := m.texts(t, boxscore.Gamebook)[0]
	if _, has := row["points"]; has || row["field_goals_made"] != "7" {
		t.Errorf("got %v", row)
	}
	if _, has := row["minutes"]; has {
		t.Errorf("minutes: got %q, want NULL", row["minutes"])
	}
}

func TestRepeatsAndDuplicates(t *testing.T) {
	t.Parallel()
	m := newMemory()
	other := strings.Replace(adaLive, ",20,7,", ",21,7,", 1)
	r := mustImport(t, m, liveHead+adaLive+boLive+adaLive+other+adaLive)
	if r.Lines != 5 || r.Rows != 3 || r.Repeats != 2 || r.Rejected != 0 {
		t.Errorf("got %d lines, %d rows, %d repeats, %d rejected; want 5, 3, 2, 0", r.Lines, r.Rows, r.Repeats, r.Rejected)
	}
	if got := len(m.tables[boxscore.Gamebook.FullName()]); got != 3 {
		t.Errorf("got %d rows, want 3", got)
	}
}

// A game has one date and one pair of teams in a file: those of most of its lines, wherever the others stand.
func TestOutvotedLines(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{
		strings.Replace(adaLive, "2021-10-19", "2021-10-18", 1),
		strings.Replace(adaLive, "MIL,BKN", "MIL,LAL", 1),
		strings.Replace(adaLive, "homeTeam", "awayTeam", 1),
	} {
		m := newMemory()
		r := mustImport(t, m, liveHead+odd+boLive+strings.Replace(boLive, "12,Bo", "15,Eb", 1)+cyLive)
		if r.Rows != 3 || r.RejectedBy[ReasonGame] != 1 || r.Rejections[0].Line != 2 ||
			!strings.Contains(r.Rejections[0].Detail, "20211019_BKN_MIL in 2 lines") {
			t.Errorf("got %+v", r)
		}
		if r.Dates != 2 || r.Games != 2 || r.First.String() != "2021-10-19" {
			t.Errorf("got %d dates, %d games from %s; want 2, 2, 2021-10-19", r.Dates, r.Games, r.First)
		}
		for _, row := range m.texts(t, boxscore.Gamebook) {
			if row["player_name"] == "Ada Quill" {
				t.Errorf("the outvoted line was loaded: %v", row)
			}
		}
	}
}

func TestRejectionLimit(t *testing.T) {
	t.Parallel()
	// file has good lines and bad ones.
	file := func(good, bad int) string {
		var b strings.Builder
		b.WriteString(liveHead)
		for i := range good {
			b.WriteString(strings.Replace(adaLive, ",11,", fmt.Sprintf(",%d,", 1000+i), 1))
		}
		for i := range bad {
			fmt.Fprintf(&b, "bad %d\n", i)
		}
		return b.String()
	}
	tests := []struct {
		name      string
		good, bad int
		limit     int
		refused   bool
	}{
		{"two of three", 1, 2, 0, false},
		{"three of four", 1, 3, 0, true},
		{"5 %", 95, 5, 0, false},
		{"6 %", 94, 6, 0, true},
		{"raised", 94, 6, 6, false},
		{"lowered", 95, 5, 4, true},
		{"none allowed", 99, 1, -1, true},
		{"none allowed, none there", 3, 0, -1, false},
		{"raised, but nothing left", 0, 5, 10, true},
		{"more than the sample", 10, 300, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			r, err := Import(t.Context(), m, write(t, file(tt.good, tt.bad)), Options{MaxRejections: tt.limit})
			if errors.Is(err, ErrTooManyRejected) != tt.refused || !tt.refused && err != nil {
				t.Fatalf("got %v, want refused=%v", err, tt.refused)
			}
			if r.Rejected != tt.bad || r.Rows != tt.good || len(r.Rejections) != min(tt.bad, sampleSize) {
				t.Errorf("report: %d rejected, %d rows, %d described", r.Rejected, r.Rows, len(r.Rejections))
			}
			if tt.refused && len(m.tables) != 0 {
				t.Error("a refused file was written")
			}
		})
	}
}

func TestReimportReplacesGames(t *testing.T) {
	t.Parallel()
	m := newMemory()
	mustImport(t, m, liveText)
	r := mustImport(t, m, liveHead+adaLive) // the game without Bo; other games are not in the file
	if r.Removed != 2 || len(m.tables[boxscore.Gamebook.FullName()]) != 3 {
		t.Errorf("removed %d, left %d rows; want 2 and 3", r.Removed, len(m.tables[boxscore.Gamebook.FullName()]))
	}
}

// A corrected file may give a game another date: its old rows go.
func TestMovedGame(t *testing.T) {
	t.Parallel()
	m := newMemory()
	mustImport(t, m, liveText)
	r := mustImport(t, m, adaMoved())
	if r.Moved != 1 || r.Removed != 4 {
		t.Errorf("got %d moved, %d removed; want 1 and 4", r.Moved, r.Removed)
	}
	want := newMemory()
	mustImport(t, want, adaMoved())
	if diff := cmp.Diff(want.fingerprints(), m.fingerprints()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Two games may swap their league ids: what the file has just loaded stays.
func TestSwappedGameIDs(t *testing.T) {
	t.Parallel()
	m := newMemory()
	mustImport(t, m, liveText)
	swapped := strings.NewReplacer("0022100001", "0022100002", "0022100002", "0022100001").Replace(liveText)
	r := mustImport(t, m, swapped)
	if r.Moved != 0 || r.Removed != 4 || len(m.tables[boxscore.Gamebook.FullName()]) != 4 {
		t.Errorf("got %d moved, %d removed, %d rows left; want 0, 4, 4", r.Moved, r.Removed,
			len(m.tables[boxscore.Gamebook.FullName()]))
	}
}

// A corrected file may take back the only alias; aliases of other sources stay.
func TestAliasesMayVanish(t *testing.T) {
	t.Parallel()
	m := newMemory()
	mustImport(t, m, liveText)
	mustImport(t, m, logText)
	if got := len(m.tables[boxscore.Aliases.FullName()]); got != 1 {
		t.Fatalf("got %d aliases, want 1", got)
	}
	other := aliasRows.row(values{
		"alias_lookup": table.String("x"), "nba_canonical_lookup": table.String("y"), "alias_source": table.String("by hand"),
		"is_active": table.Bool(true),
	})
	m.tables[boxscore.Aliases.FullName()] = append(m.tables[boxscore.Aliases.FullName()], other)
	r := mustImport(t, m, adaRenamed())
	got := m.texts(t, boxscore.Aliases)
	if r.Aliases != 0 || len(got) != 1 || got[0]["alias_source"] != "by hand" {
		t.Errorf("got %d aliases, table %v", r.Aliases, got)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	m := newMemory()
	var last, total int64
	r, err := Import(t.Context(), m, write(t, liveText),
		Options{DryRun: true, Progress: func(d, n int64) { last, total = d, n }})
	if err != nil || r.Rows != 4 || r.Games != 3 {
		t.Errorf("got %+v, %v", r, err)
	}
	if len(m.tables)+len(m.schemas) != 0 {
		t.Error("a dry run wrote")
	}
	if last != total || total != int64(len(liveText)) {
		t.Errorf("progress: got %d of %d, want %d", last, total, len(liveText))
	}
}

func TestProgressGrowsToTheEnd(t *testing.T) {
	t.Parallel()
	text := liveHead
	for i := range 5000 {
		text += strings.Replace(adaLive, ",11,", fmt.Sprintf(",%d,", 1000+i), 1)
	}
	var seen []int64
	var total int64
	_, err := Import(t.Context(), newMemory(), write(t, text),
		Options{Progress: func(d, n int64) { seen, total = append(seen, d), n }})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(seen) || len(seen) < 10 || seen[len(seen)-1] != total || total != 2*int64(len(text)) {
		t.Errorf("got %v of %d, want steps up to %d", seen, total, 2*len(text))
	}
}

func TestFailedLoadLeavesNothing(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.failOn[boxscore.Gamebook.FullName()] = 2
	if _, err := Import(t.Context(), m, write(t, liveText), Options{}); !errors.Is(err, errFull) {
		t.Fatalf("got %v, want %v", err, errFull)
	}
	for name, rows := range m.tables {
		if len(rows) != 0 {
			t.Errorf("%s has %d rows", name, len(rows))
		}
	}
	delete(m.failOn, boxscore.Gamebook.FullName())
	mustImport(t, m, liveText)
}

// An import that ends after the raw rows is completed by importing the file again.
func TestInterruptedBetweenTables(t *testing.T) {
	t.Parallel()
	want := newMemory()
	mustImport(t, want, playersText)
	mustImport(t, want, liveText)
	for _, s := range []*table.Schema{Games, boxscore.Registry} {
		m := newMemory()
		mustImport(t, m, playersText)
		m.failOn[s.FullName()] = 0
		if _, err := Import(t.Context(), m, write(t, liveText), Options{}); !errors.Is(err, errFull) {
			t.Fatalf("%s: got %v, want %v", s.Name, err, errFull)
		}
		delete(m.failOn, s.FullName())
		mustImport(t, m, liveText)
		if diff := cmp.Diff(want.fingerprints(), m.fingerprints()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.Name, diff)
		}
	}
}

// changing is a warehouse whose Create, called between the two readings, rewrites the file.
type changing struct {
	*memory
	change func() error
}

func (c changing) Create(ctx context.Context, s *table.Schema) error {
	return errors.Join(c.change(), c.memory.Create(ctx, s))
}

func TestFileChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a number":     strings.Replace(liveText, "PT25M,20,", "PT25M,21,", 1),
		"a bad line":   strings.Replace(liveText, "PT25M,20,", "PT25M,x,", 1),
		"another line": liveText + adaLive,
		"cut off":      liveHead + preLive,
	} {
		path := write(t, liveText)
		m := newMemory()
		_, err := Import(t.Context(), changing{m, func() error { return os.WriteFile(path, []byte(text), 0o600) }},
			path, Options{})
		if !errors.Is(err, errChanged) {
			t.Errorf("%s: got %v, want %v", name, err, errChanged)
		}
		if len(m.tables) != 0 {
			t.Errorf("%s: wrote %d tables", name, len(m.tables))
		}
	}
}

func TestCancelledImport(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := newMemory()
	if _, err := Import(ctx, m, write(t, liveText), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if len(m.tables) != 0 {
		t.Error("a cancelled import wrote")
	}
}

func TestFormatsAreDistinct(t *testing.T) {
	t.Parallel()
	for _, f := range Formats() {
		got, err := Recognise(f.Columns)
		if err != nil || got.Name != f.Name {
			t.Errorf("%s: recognised as %s, %v", f.Name, got.Name, err)
		}
		if f.Doc == "" {
			t.Errorf("%s: no description", f.Name)
		}
		for _, c := range f.replace {
			if f.Table.Index(c) < 0 {
				t.Errorf("%s: table %s has no column %s", f.Name, f.Table.Name, c)
			}
		}
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	if got := stamp(gamedate.MustParse("2021-12-31")).Text(); got != "2022-01-01T12:00:00.000000Z" {
		t.Errorf("got %s", got)
	}
}
