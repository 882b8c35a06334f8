package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/diff"
	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/test/league"
)

// diff runs a diff of the whole range with --json and shows that it left the database as it was.
func (d *desk) diff(code int, args ...string) publisher.Diff {
	d.t.Helper()
	before, err := os.ReadFile(d.db)
	if err != nil {
		d.t.Fatal(err)
	}
	var got publisher.Diff
	d.document(code, &got, append(append([]string{"diff"}, d.span()...), args...)...)
	after, err := os.ReadFile(d.db)
	if err != nil {
		d.t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		d.t.Errorf("diff %v wrote to the database", args)
	}
	return got
}

func TestDiff(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 4})
	days := d.league.Range.Days()

	got := d.diff(exitDifferences)
	if want := (diff.Counts{After: d.league.Rows, Added: d.league.Rows}); got.Total.Counts != want ||
		got.Total.Differing != 4 || len(got.Dates) != days {
		t.Errorf("before the first run: got %+v in %d of %d dates, want %+v in 4 of %d", got.Total.Counts,
			got.Total.Differing, len(got.Dates), want, days)
	}
	contains(t, d.want(exitDone, "runs").out, "There has been no run yet")

	d.want(exitDone, append([]string{"run"}, d.span()...)...)
	got = d.diff(exitDone)
	if want := (diff.Counts{Before: d.league.Rows, After: d.league.Rows, Same: d.league.Rows}); got.Total.Counts != want {
		t.Errorf("after the run: got %+v, want %+v", got.Total.Counts, want)
	}
	contains(t, d.want(exitDone, append([]string{"diff"}, d.span()...)...).out, "0 differ", "as it is now",
		"nothing was written")

	date := d.league.GameDates[1].String()
	var lookup string
	d.sql(&lookup, `SELECT player_lookup FROM nbac_gamebook_player_stats WHERE game_date = ? AND player_status = 'active' ORDER BY player_lookup`, date)
	d.sql(nil, `UPDATE nbac_gamebook_player_stats SET assists = 50 WHERE game_date = ? AND player_lookup = ?`, date, lookup)
	got = d.diff(exitDifferences, "--concurrency", "3")
	rows := 0
	for _, x := range got.Dates {
		if x.Date.String() == date {
			rows = x.Before
		}
	}
	if want := (diff.Counts{Before: d.league.Rows, After: d.league.Rows, Same: d.league.Rows - rows, Changed: 1,
		Lineage: rows - 1}); got.Total.Counts != want {
		t.Errorf("after a raw row changed: got %+v, want %+v", got.Total.Counts, want)
	}
	if x := got.Total.Examples.Changed; len(x) != 1 || x[0].Date.String() != date ||
		!strings.Contains(x[0].Key, "player_lookup="+lookup+" ") {
		t.Errorf("got changed rows %+v, want %s on %s", x, lookup, date)
	}
	var columns []string
	for _, c := range got.Total.Columns {
		columns = append(columns, c.Column)
	}
	if d := cmp.Diff([]string{"assists", "data_hash"}, columns); d != "" {
		t.Errorf("changed columns (-want +got):\n%s", d)
	}
	if x := got.Total.Columns[0].Examples; len(x) != 1 || x[0].After == nil || *x[0].After != "50" {
		t.Errorf("got examples %+v, want one that ends at 50", x)
	}

	short := d.diff(exitDifferences, "--summary")
	if short.Total.Counts != got.Total.Counts || len(short.Dates) != 0 || len(short.Total.Examples.Changed) != 0 {
		t.Errorf("summary: got %+v, want the same counts and neither dates nor examples", short)
	}
	d.want(exitDone, append([]string{"run"}, d.span()...)...)
	d.diff(exitDone)
}

// Values in columns of others refuse a date; asked to erase them, the diff counts what would go.
func TestDiffUnowned(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	d.want(exitDone, append([]string{"run"}, d.span()...)...)
	date := d.league.GameDates[0].String()
	d.sql(nil, `UPDATE player_game_summary SET points_line = 12.5 WHERE game_date = ?`, date)
	got := d.diff(exitError)
	if got.Failed != 1 || got.Dates[0].Failure == nil || got.Dates[0].Failure.Reason != "would_erase_columns" {
		t.Errorf("refuse: got %+v", got.Dates[0])
	}
	d.diff(exitDone, "--unowned", "carry")
	got = d.diff(exitDifferences, "--unowned", "erase")
	if x := got.Total.ErasedColumns; len(x) != 1 || x[0].Column != "points_line" || x[0].Rows != got.Total.Erasing ||
		x[0].Rows != got.Dates[0].Before {
		t.Errorf("erase: got columns %+v of %d rows, want points_line of %d", x, got.Total.Erasing, got.Dates[0].Before)
	}
	contains(t, d.want(exitDifferences, "diff", "--dates", date, "--unowned", "erase").out, "would be erased",
		"--unowned=carry keeps")
}

// A date that cannot be built is listed and decides the exit code; the others are compared.
func TestDiffCannotBuild(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 3, NoBoxScores: []int{1}})
	got := d.diff(exitError)
	if got.Failed != 1 || got.Total.Added != d.league.Rows {
		t.Errorf("got %d failed dates and %d added rows, want 1 and %d", got.Failed, got.Total.Added, d.league.Rows)
	}
	for _, x := range got.Dates {
		if (x.Failure != nil) != (x.Date == d.league.Dead[0]) || (x.Failure == nil) != (x.Counts != nil) {
			t.Errorf("got %+v", x)
		}
		if x.Failure != nil && (x.Failure.Reason != "source_empty" || x.Failure.Class != failure.Permanent ||
			x.Failure.Stage != "build") {
			t.Errorf("got %+v, want source_empty", x.Failure)
		}
	}
	if short := d.diff(exitError, "--summary"); len(short.Dates) != 1 || short.Dates[0].Failure == nil {
		t.Errorf("summary: got dates %+v, want the one that failed", short.Dates)
	}
	r := d.want(exitError, append([]string{"diff"}, d.span()...)...)
	contains(t, r.out, d.league.Dead[0].String()+" cannot be built: source_empty, permanent in stage build: ",
		d.league.GameDates[2].String()+"  ")
	contains(t, r.errout, "1 of 3 dates cannot be built")
}

// While a run is open, its snapshot of the registry counts; the output says so.
func TestDiffOfAnOpenRun(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	d.want(exitDone, append([]string{"run"}, d.span()...)...)
	var published publisher.Result
	d.document(exitDone, &published, append([]string{"publish", "--force"}, d.span()...)...)
	d.sql(nil, `UPDATE nba_players_registry SET universal_player_id = universal_player_id || 'x'`)
	if got := d.diff(exitDone); got.OpenRun != published.RunID {
		t.Errorf("got run %q, want %q", got.OpenRun, published.RunID)
	}
	contains(t, d.want(exitDone, append([]string{"diff"}, d.span()...)...).out,
		"the registry as run "+published.RunID+" pinned it")

	d.want(exitDone, "cancel", "--reason", "a test")
	got := d.diff(exitDifferences)
	if got.OpenRun != "" || got.Total.Changed == 0 || got.Total.Added+got.Total.Removed > 0 {
		t.Errorf("got run %q and %+v, want changed rows without any run", got.OpenRun, got.Total.Counts)
	}
}

func TestDiffPage(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2, NoBoxScores: []int{1}})
	page := filepath.Join(t.TempDir(), "diff.html")
	r := d.want(exitError, append([]string{"diff", "--html", page}, d.span()...)...)
	contains(t, r.out, "Written: "+page)
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if r := d.want(exitError, append([]string{"diff", "--html", "-"}, d.span()...)...); r.out != string(b) {
		t.Errorf("a page on standard output: got %d bytes, want the %d of the file", len(r.out), len(b))
	}
	contains(t, d.want(exitUsage, append([]string{"diff", "--html", "-", "--json"}, d.span()...)...).errout,
		"--json is standard output already")
	contains(t, string(b), "<!DOCTYPE html>", "prefers-color-scheme", "source_empty", "Examples of rows",
		d.league.GameDates[0].String(), "</html>")
	for _, outside := range []string{"http:", "https:", "<script", "<link", "src=", "url("} {
		if strings.Contains(string(b), outside) {
			t.Errorf("got a page with %q, want one that needs nothing else", outside)
		}
	}
	contains(t, d.want(exitError, "diff", "--dates", d.league.GameDates[0].String(), "--html", d.db).errout,
		"is an SQLite database")
}

// Texts of the data are text on the page.
func TestDiffPageEscapes(t *testing.T) {
	t.Parallel()
	value := "<b>&\"'"
	x := publisher.Diff{Job: "j", Failed: 1, Dates: []publisher.DateDiff{
		{Date: gamedate.MustParse("2022-01-15"), Failure: &ledger.Failure{Message: value}},
		{Date: gamedate.MustParse("2022-01-16"), Counts: &diff.Counts{Changed: 1}},
	}}
	x.Total.Columns = []diff.Column{{Column: value, Rows: 1, Examples: []diff.ColumnExample{{Key: value, Before: &value}}}}
	x.Total.Examples.Changed = []diff.RowExample{{Key: value, Cells: []diff.Cell{{Column: value, After: &value}}}}
	var page bytes.Buffer
	if err := diffPage.Execute(&page, &x); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page.String(), "<b>") {
		t.Errorf("got markup of the data:\n%s", &page)
	}
	if got := strings.Count(page.String(), "&lt;b&gt;&amp;&#34;&#39;"); got != 7 {
		t.Errorf("got the text %d times, want 7:\n%s", got, &page)
	}
	contains(t, page.String(), "NULL", "2022-01-16")
}

func TestDiffUsage(t *testing.T) {
	t.Parallel()
	d := newDesk(t, league.Options{Dates: 1})
	r := d.want(exitUsage, "diff", "--dates", "2022-01-03", "--examples=-1", "--concurrency=0")
	contains(t, r.errout, "--examples must not be negative", "--concurrency must be at least 1")
	contains(t, d.want(exitUsage, "diff").errout, "which dates?")
}
