package realdata

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/ledger"
	"gamefill/test/program"
)

// The exit code of a run with dead dates or a failed check.
const failed = 3

// An older writer's dates: one with every row twice, one with the home team first in the game id, one with both kinds
// of id for everybody.
const (
	doubled   = "2022-01-05"
	homeFirst = "2022-01-06"
	bothIDs   = "2022-01-07"
)

var legacyDates = []string{doubled, homeFirst, bothIDs}

const legacyList = "('" + doubled + "', '" + homeFirst + "', '" + bothIDs + "')"

// legacy writes rows as an older writer left them, with plain SQL: people who played only, no registry ids, no hashes,
// values in columns that gamefill does not fill, and one person several times. Of two copies the newer has the line
// that counts, the older has the first times and the greater version.
func legacy(t *testing.T) program.File {
	t.Helper()
	source := monthDone.open(t)
	f := imported.open(t).Copy(t)
	// turned is the game id with the home team first: 20220106_BOS_NYK is 20220106_NYK_BOS.
	const turned = `substr(game_id, 1, 9) || substr(game_id, 14, 3) || '_' || substr(game_id, 10, 3)`
	insert := func(id, line, version, stamp, dates string) string {
		return fmt.Sprintf(`INSERT INTO player_game_summary (player_lookup, player_full_name, game_id, game_date, team_abbr, opponent_team_abbr,
			season_year, points, minutes_played, starter_flag, win_flag, is_active, points_line, over_under_result, record_version,
			created_at, first_processed_at, processed_at)
			SELECT player_lookup, player_full_name, %s, game_date, team_abbr, opponent_team_abbr, season_year, points, minutes_played,
			starter_flag, win_flag, is_active, %s, 'OVER', %s, '%[4]s', '%[4]s', '%[4]s'
			FROM made.player_game_summary WHERE is_active AND game_date IN (%[5]s)`, id, line, version, stamp, dates)
	}
	const older, newer = "2023-03-01T08:00:00.000000Z", "2023-05-01T08:00:00.000000Z"
	quoted := func(dates ...string) string { return "'" + strings.Join(dates, "', '") + "'" }
	edit(t, f, `ATTACH '`+source.Path+`' AS made`,
		insert("game_id", "points + 0.5", "2", newer, quoted(doubled, bothIDs)),
		insert("game_id", "points + 7.5", "4", older, quoted(doubled)),
		insert(turned, "points + 0.5", "2", newer, quoted(homeFirst)),
		insert(turned, "points + 7.5", "4", older, quoted(bothIDs)),
		`DETACH made`)
	return f
}

// legacyRows are the older writer's dates, every column, in the order of storage.
func legacyRows(t *testing.T, f program.File) []string {
	t.Helper()
	return query(t, f, `SELECT rowid, * FROM player_game_summary WHERE game_date IN `+legacyList+` ORDER BY rowid`)
}

func TestLegacyRows(t *testing.T) {
	t.Parallel()
	f := legacy(t)
	before := legacyRows(t, f)
	want := judge(t, monthDone.open(t), 0, week)

	// In two runs: three dates that fail alike would pause one.
	f.Publish(t, failed, args("run", dates("2022-01-03", homeFirst))...)
	f.Publish(t, failed, args("run", dates(bothIDs, "2022-01-09"))...)
	entries := f.Entries(t, week)
	for d, e := range entries {
		legacy := slices.Contains(legacyDates, d.String())
		switch {
		case !legacy && e.State != ledger.Complete:
			t.Errorf("%s, without older rows: got %s, want complete", d, e.State)
		case legacy && (e.State != ledger.Dead || e.Failure == nil || e.Failure.Reason != "would_erase_columns"):
			t.Errorf("%s, with older rows: got %s (%+v), want dead with would_erase_columns", d, e.State, e.Failure)
		case legacy && !strings.Contains(e.Failure.Message, "points_line"):
			t.Errorf("%s: got message %q, want one that names the columns", d, e.Failure.Message)
		}
	}
	if diff := cmp.Diff(before, legacyRows(t, f)); diff != "" {
		t.Errorf("rows of dates that were not accepted (-before +after):\n%s", diff)
	}

	for _, unowned := range []string{"carry", "erase"} {
		t.Run(unowned, func(t *testing.T) {
			t.Parallel()
			f := f.Copy(t)
			f.Publish(t, 0, args("run", week, "--unowned", unowned)...)
			got := judge(t, f, 0, week)
			if got.TableFingerprint != want.TableFingerprint || got.Rows != want.Rows {
				t.Errorf("got %d rows, table fingerprint %s; want %d and %s, as if there had been no older writer",
					got.Rows, got.TableFingerprint, want.Rows, want.TableFingerprint)
			}
			folded(t, f, unowned == "carry")
			explained(t, f)
		})
	}
}

// folded wants one row for everybody who played: with the newer line where lines are carried and none where they are
// not, and either way with the earliest times and the version after the greatest.
func folded(t *testing.T, f program.File, carried bool) {
	t.Helper()
	var want []string
	for _, d := range legacyDates {
		n := query(t, monthDone.open(t), `SELECT count(*) FROM player_game_summary WHERE is_active AND game_date = '`+d+`'`)[0]
		lines, first, version := n, "2023-03-01T08:00:00.000000Z", "5"
		if d == homeFirst { // there is one copy only
			first, version = "2023-05-01T08:00:00.000000Z", "3"
		}
		if !carried {
			lines = "0"
		}
		want = append(want, strings.Join([]string{d, n, lines, lines, first, first, first, version, version}, "|"))
	}
	got := query(t, f, `SELECT game_date, count(*), ifnull(sum(points_line = points + 0.5), 0), sum(over_under_result IS NOT NULL),
		min(created_at), max(created_at), max(first_processed_at), min(record_version), max(record_version)
		FROM player_game_summary WHERE is_active AND game_date IN `+legacyList+` GROUP BY 1 ORDER BY 1`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("date, active rows, lines, results, first seen, versions (-want +got):\n%s", diff)
	}
	others := query(t, f, `SELECT count(*) FROM player_game_summary WHERE NOT is_active AND points_line IS NOT NULL`)
	if diff := cmp.Diff([]string{"0"}, others); diff != "" {
		t.Errorf("lines of people who did not play (-want +got):\n%s", diff)
	}
}

// explained wants the facts of the older writer's dates to say what was there and what took its place.
func explained(t *testing.T, f program.File) {
	t.Helper()
	for d, e := range f.Entries(t, week) {
		if e.State != ledger.Complete || e.Facts == nil {
			t.Errorf("%s: got %s, want complete with facts", d, e.State)
			continue
		}
		if !slices.Contains(legacyDates, d.String()) {
			continue
		}
		copies := 2
		if d.String() == homeFirst {
			copies = 1
		}
		active := int(e.Facts.Counts.Counts["status.active"])
		if e.Facts.Outcome != ledger.Replaced || active == 0 || e.Facts.PreImageRows != copies*active ||
			e.Facts.Rows != int(e.Facts.Counts.RowsOut) {
			t.Errorf("%s: got %s, %d rows before, %d after, %d of them active; want replaced, %d before and %d after",
				d, e.Facts.Outcome, e.Facts.PreImageRows, e.Facts.Rows, active, copies*active, e.Facts.Counts.RowsOut)
		}
	}
}
