package feed

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/summary"
	"gamefill/internal/table"
)

// realData is the folder of real files beside the repository. Without it the test is skipped, unless
// GAMEFILL_REQUIRE_DATA=1 says that it must be there.
func realData(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(filepath.Join(dir, "schedule.csv")); err != nil {
		if os.Getenv("GAMEFILL_REQUIRE_DATA") == "1" {
			t.Fatalf("real data required: %v", err)
		}
		t.Skipf("no real data: %v", err)
	}
	return dir
}

// realFiles are the files with what their description says of them.
var realFiles = []struct {
	name, format string
	rows         int
	first, last  string
}{
	{"schedule.csv", FormatSchedule, 4081, "2021-10-03", "2024-06-17"},
	{"players.csv", FormatPlayers, 2105, "2021-10-19", "2024-06-17"},
	{"live_boxscores_2021-22.csv.gz", FormatLive, 47265, "2021-10-03", "2022-06-16"},
	{"live_boxscores_2022-23.csv.gz", FormatLive, 43584, "2022-09-30", "2023-04-09"},
	{"live_boxscores_2023-24.csv.gz", FormatLive, 48975, "2023-10-05", "2024-06-17"},
	{"gamelog_boxscores_2021-22.csv.gz", FormatGamelog, 27931, "2021-10-19", "2022-06-16"},
	{"gamelog_boxscores_2022-23.csv.gz", FormatGamelog, 25895, "2022-10-18", "2023-04-09"},
	{"gamelog_boxscores_2023-24.csv.gz", FormatGamelog, 28086, "2023-10-24", "2024-06-17"},
}

func TestRealFilesInAnyOrder(t *testing.T) {
	t.Parallel()
	dir := realData(t)
	ctx := context.Background()

	forward := newMemory()
	ignored := 0
	for _, f := range realFiles {
		r, err := Import(ctx, forward, filepath.Join(dir, f.name), Options{})
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		if r.Format != f.format || r.Lines != f.rows || r.Rows != f.rows || r.Rejected != 0 || r.Repeats != 0 ||
			r.Removed != 0 {
			t.Errorf("%s: got format %s, %d lines, %d rows, %d rejected, %d repeats, %d removed; want %s and %d rows",
				f.name, r.Format, r.Lines, r.Rows, r.Rejected, r.Repeats, r.Removed, f.format, f.rows)
		}
		if r.First != gamedate.MustParse(f.first) || r.Last != gamedate.MustParse(f.last) {
			t.Errorf("%s: got %s..%s, want %s..%s", f.name, r.First, r.Last, f.first, f.last)
		}
		ignored += r.Ignored
	}
	if got := len(forward.tables[boxscore.Registry.FullName()]); got != 2105 {
		t.Errorf("registry: got %d rows, want 2105", got)
	}
	if ignored != 1 { // two rebounds of a man who did not play on 2021-11-08
		t.Errorf("ignored numbers: got %d, want 1", ignored)
	}
	aliases := map[string]string{}
	for _, row := range forward.texts(t, boxscore.Aliases) {
		aliases[row["alias_lookup"]] = row["nba_canonical_lookup"]
	}
	want := map[string]string{
		"brandonboston": "brandonbostonjr", "camjohnson": "cameronjohnson", "craigporter": "craigporterjr",
		"duncandrobinson": "duncanrobinson", "eneskanter": "enesfreedom", "jeenathanwilliams": "natewilliams",
		"jeffdowtin": "jeffdowtinjr", "jimmybutleriii": "jimmybutler", "kenyonmartinjr": "kjmartin",
		"orlandoorobinson": "orlandorobinson", "reggiebullock": "reggiebullockjr", "rubennembhardjr": "rjnembhardjr",
		"treyjemisoniii": "treyjemison",
	}
	if diff := cmp.Diff(want, aliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	for _, row := range forward.texts(t, boxscore.BDL) {
		if row["home_team_score"] == "" || row["away_team_score"] == "" {
			t.Fatalf("no score: %v", row)
		}
	}

	if raceDetector {
		return
	}
	rows, unresolved := summarise(t, forward)
	if rows != 130_425 || unresolved != 0 {
		t.Errorf("summary of 2021-10-01..2024-05-01: got %d rows, %d unresolved names; want 130425 and 0", rows, unresolved)
	}

	first := forward.fingerprints()
	backward := newMemory()
	for _, f := range slices.Backward(realFiles) {
		if _, err := Import(ctx, backward, filepath.Join(dir, f.name), Options{Format: f.format}); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
	}
	if diff := cmp.Diff(first, backward.fingerprints()); diff != "" {
		t.Errorf("another order of the files gives other tables (-want +got):\n%s", diff)
	}
	for _, f := range realFiles[:4] {
		if _, err := Import(ctx, forward, filepath.Join(dir, f.name), Options{}); err != nil {
			t.Fatalf("%s again: %v", f.name, err)
		}
	}
	if diff := cmp.Diff(first, forward.fingerprints()); diff != "" {
		t.Errorf("a second import changes tables (-want +got):\n%s", diff)
	}
}

// summarise builds every date of the range that the files' description speaks of and counts what comes out.
func summarise(t *testing.T, m *memory) (rows, unresolved int) {
	t.Helper()
	j := summary.Job()
	settings, err := j.Settings(nil)
	if err != nil {
		t.Fatal(err)
	}
	references := map[string][]table.Row{}
	for _, s := range j.References {
		references[s.Name] = m.rows(s, gamedate.Range{})
	}
	shared, err := j.Decode(settings, references)
	if err != nil {
		t.Fatal(err)
	}
	r := gamedate.Range{From: gamedate.MustParse("2021-10-01"), To: gamedate.MustParse("2024-05-01")}
	inputs := map[gamedate.Date]map[string][]table.Row{}
	for _, s := range j.Sources {
		err := m.ReadRange(t.Context(), s, r, func(date gamedate.Date, part []table.Row) error {
			if inputs[date] == nil {
				inputs[date] = map[string][]table.Row{}
			}
			inputs[date][s.Name] = part
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for date, sources := range inputs {
		out, err := j.Build(shared, job.Input{Date: date, Sources: sources, Now: date.AddDays(2).Time()})
		if err != nil {
			t.Fatalf("%s: %v", date, err)
		}
		rows += len(out.Rows)
		unresolved += len(out.Unresolved)
	}
	return rows, unresolved
}
