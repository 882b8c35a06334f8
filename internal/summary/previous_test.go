package summary

import (
	"strings"
	"testing"
	"time"

	"gamefill/internal/table"

	"github.com/google/go-cmp/cmp"
)

func loadTime() time.Time {
	at, err := time.Parse(time.RFC3339, loadedAt)
	if err != nil {
		panic(err)
	}
	return at
}

// A second run on the same input writes the same rows but for the clock; a change in one line changes one row.
func TestSecondRun(t *testing.T) {
	t.Parallel()
	first := bostonAtChicago().build(t)

	again := bostonAtChicago()
	again.in.Previous, again.in.PreviousFacts, again.in.NewestSource = first.Rows, &first.Counts, first.NewestSource
	again.in.Now = time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)
	second := again.build(t)
	if a, b := Target.Fingerprint(first.Rows), Target.Fingerprint(second.Rows); a != b {
		t.Errorf("fingerprints %s and %s", a, b)
	}
	if len(second.Findings) != 0 || first.InputFingerprint != second.InputFingerprint {
		t.Errorf("findings %v, input fingerprints %s and %s", second.Findings, first.InputFingerprint,
			second.InputFingerprint)
	}
	for i, row := range second.Rows {
		wantCells(t, row, "record_version=1 processed_at=2024-07-01T00:00:00.000000Z "+
			"created_at=2024-06-01T08:00:00.000000Z first_processed_at=2024-06-01T08:00:00.000000Z")
		if row[out.dataHash].Str() != first.Rows[i][out.dataHash].Str() {
			t.Errorf("%s: data_hash changed", Target.Describe(row))
		}
	}

	changed := bostonAtChicago()
	changed.in.Previous, changed.in.PreviousFacts = second.Rows, &second.Counts
	changed.book[0][columnsOf[gamebook].stats[assists]] = table.Int(6)
	changed.book[0][columnsOf[gamebook].processed] = table.Timestamp(loadTime().Add(time.Hour))
	var got []string
	for i, row := range changed.build(t).Rows {
		if version, _ := row[out.version].Int64(); version != 1 ||
			row[out.dataHash].Str() != second.Rows[i][out.dataHash].Str() {
			got = append(got, row[out.lookup].Str()+" "+row[out.version].Text())
		}
	}
	if diff := cmp.Diff([]string{"abeavery 2"}, got); diff != "" {
		t.Errorf("changed rows (-want +got):\n%s", diff)
	}
}

// The data hash covers 48 fields, and none of the volatile ones.
func TestHashedFields(t *testing.T) {
	t.Parallel()
	if len(hashedFields) != 48 || len(hashedJSON) != 48 {
		t.Errorf("%d fields, want 48", len(hashedFields))
	}
	for _, name := range hashedFields {
		if Target.Columns[Target.MustIndex(name)].Role == table.Volatile {
			t.Errorf("%s is volatile", name)
		}
	}
	row := rowOf(Target, cells{
		"player_lookup": "a", "player_full_name": "A \"B\" \\ \t é\xff", "game_date": "2022-01-15", "minutes_played": "36.0",
		"ts_pct": "0.050", "starter_flag": true, "points": -3,
	})
	got := string(appendObject(nil, row, hashedJSON))
	for _, want := range []string{
		`{"and1_count":null,`, `,"game_date":"2022-01-15",`, `,"minutes_played":"36.0",`, `,"points":-3,`, `,"ts_pct":"0.050",`,
		`,"player_full_name":"A \"B\" \\ \u0009 é` + "\ufffd" + `",`, `,"starter_flag":true,`, `"win_flag":null}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
	}
}

// Tables of another origin may hold one row several times, under either order of the id and with old codes.
func TestCarryOverFromTwins(t *testing.T) {
	t.Parallel()
	w := bostonAtChicago()
	for _, c := range []cells{
		{"game_id": "20220115_CHI_BOS", "created_at": "2022-01-20T00:00:00Z", "first_processed_at": "2022-01-19T00:00:00Z",
			"record_version": 4},
		{"game_id": "20220115_BOS_CHI", "created_at": "2022-01-18T00:00:00Z", "first_processed_at": "2022-01-21T00:00:00Z",
			"record_version": 2},
		{"game_id": "20220115_BOS_CHI", "created_at": nil, "first_processed_at": nil, "record_version": nil},
	} {
		w.in.Previous = append(w.in.Previous, rowOf(Target, with(cells{
			"player_lookup": "abeavery", "game_date": w.date, "team_abbr": "BOS", "opponent_team_abbr": "CHI",
			"season_year": 2021, "starter_flag": false, "win_flag": false, "is_active": true,
		}, c)))
	}
	o := w.build(t)
	wantCells(t, rowNamed(t, o, "Abe Avery"),
		"record_version=5 created_at=2022-01-18T00:00:00.000000Z first_processed_at=2022-01-19T00:00:00.000000Z")
	wantCells(t, rowNamed(t, o, "Bo Barnes"), "record_version=1 created_at=2024-06-01T08:00:00.000000Z")
}

func TestUnownedColumns(t *testing.T) {
	t.Parallel()
	owner := cells{"points_line": "25.5", "paint_attempts": 7, "processed_at": "2022-02-01T00:00:00Z"}
	older := cells{"points_line": "20.5", "paint_makes": 3, "processed_at": "2022-01-20T00:00:00Z"}
	build := func(settings string, rows ...table.Row) (string, table.Row, string) {
		w := bostonAtChicago()
		w.settings = settings
		w.in.Previous = rows
		o := w.build(t)
		return messageOf(o, "would_erase_columns"), rowNamed(t, o, "Abe Avery"),
			rowNamed(t, o, "Abe Avery")[out.dataHash].Str()
	}
	previous := func(lookup string, changes ...cells) table.Row {
		return rowOf(Target, with(cells{
			"player_lookup": lookup, "game_id": bosChi, "game_date": "2022-01-15", "team_abbr": "BOS",
			"opponent_team_abbr": "CHI", "season_year": 2021, "starter_flag": false, "win_flag": false, "is_active": true,
		}, changes...))
	}
	_, _, plain := build(`{}`)

	message, row, _ := build(`{}`, previous("abeavery", owner))
	if want := "values in columns that this job does not fill: paint_attempts 1, points_line 1"; message != want {
		t.Errorf("refuse: %q, want %q", message, want)
	}
	wantCells(t, row, "points_line=NULL paint_attempts=NULL")

	message, row, hash := build(`{"unowned":"carry"}`, previous("abeavery", older), previous("abeavery", owner))
	if message != "" {
		t.Errorf("carry: %q, want none", message)
	}
	wantCells(t, row, "points_line=25.5 paint_attempts=7 paint_makes=3")
	if hash != plain {
		t.Error("carried values change data_hash")
	}

	message, _, _ = build(`{"unowned":"carry"}`, previous("goneman", owner))
	if !strings.Contains(message, "1 rows") || !strings.Contains(message, "goneman BOS") {
		t.Errorf("carry without a successor: %q", message)
	}

	message, row, _ = build(`{"unowned":"erase"}`, previous("abeavery", owner))
	if message != "" {
		t.Errorf("erase: %q, want none", message)
	}
	wantCells(t, row, "points_line=NULL")
}
