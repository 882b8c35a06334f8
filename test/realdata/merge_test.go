package realdata

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gamefill/internal/gamedate"
)

// TestNamesMergeLikePersonIDs compares the table, whose people are merged by name, with the raw files, whose lines
// carry the league's person ids: the same people in the same games, each from the same sources. Nothing of the
// program's own reading of the files is used.
func TestNamesMergeLikePersonIDs(t *testing.T) {
	t.Parallel()
	f := wholeDone.open(t)
	// Triples; of the live feed whether the person played, of the game log whether the line says anything.
	live, gamelog := map[string]bool{}, map[string]bool{}
	lines(t, "live_boxscores_*.csv.gz", func(line map[string]string) {
		away, home := line["TEAM"], line["OPPONENT"]
		if line["TEAM_SIDE"] == "homeTeam" {
			away, home = home, away
		}
		live[triple(line, away, home, line["personId"])] = line["played"] == "1"
	})
	lines(t, "gamelog_boxscores_*.csv.gz", func(line map[string]string) {
		away, home, ok := strings.Cut(line["MATCHUP"], " @ ")
		if !ok {
			home, away, _ = strings.Cut(line["MATCHUP"], " vs. ")
		}
		gamelog[triple(line, away, home, line["PLAYER_ID"])] = says(line)
	})
	want := map[string]string{} // triple to source
	for key, played := range live {
		want[key] = "nbac_gamebook"
		if played && gamelog[key] { // the live feed decides who played
			want[key] = "nbac_bdl_combined"
		}
	}
	for key := range gamelog {
		if _, ok := live[key]; !ok {
			want[key] = "bdl_boxscores"
		}
	}

	got := map[string]string{}
	for _, row := range query(t, f, `SELECT game_date, game_id, universal_player_id, primary_source_used FROM player_game_summary`) {
		v := strings.Split(row, "|")
		_, person, _ := strings.Cut(v[2], "_") // the registry's ids are lookup_person
		key := strings.Join([]string{v[0], v[1], person}, " ")
		if _, doubled := got[key]; doubled {
			t.Errorf("%s: got several rows, want one", key)
		}
		got[key] = v[3]
	}
	var differ []string
	for key, source := range want {
		if got[key] != source {
			differ = append(differ, fmt.Sprintf("%s: got %q, want %s", key, got[key], source))
		}
	}
	for key, source := range got {
		if _, ok := want[key]; !ok {
			differ = append(differ, fmt.Sprintf("%s: got %s, want no row", key, source))
		}
	}
	slices.Sort(differ)
	if len(differ) > 0 {
		t.Errorf("%d of %d people in games differ, the first are:\n%s", len(differ), len(want),
			strings.Join(differ[:min(len(differ), 10)], "\n"))
	}
	if len(want) != 130_425 {
		t.Errorf("people in counted games of the files: got %d, want 130425", len(want))
	}
}

// says reports whether a line of the game log has anything to combine: minutes or a number. It lists people who were
// on the floor for some seconds with zeros only.
func says(line map[string]string) bool {
	for _, column := range strings.Fields("MIN FGA FTA OREB DREB AST STL BLK TOV PF PTS") {
		if line[column] != "0" {
			return true
		}
	}
	return false
}

// triple is date, game and person; the game is written as the table writes it.
func triple(line map[string]string, away, home, person string) string {
	date := line["GAME_DATE"]
	return fmt.Sprintf("%s %s_%s_%s %s", date, strings.ReplaceAll(date, "-", ""), away, home, person)
}

// preseason begins the ids of games that do not count.
const preseason = "001"

// lines hands out the lines of counted games within the whole range; use must not keep the map.
func lines(t *testing.T, pattern string, use func(map[string]string)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(data, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: got %v, %v, want files", pattern, paths, err)
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		unpacked, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		reader := csv.NewReader(unpacked)
		reader.ReuseRecord = true
		header, err := reader.Read()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		header = slices.Clone(header) // the reader uses its slice again
		line := map[string]string{}
		for {
			record, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for i, name := range header {
				line[name] = record[i]
			}
			date := gamedate.MustParse(line["GAME_DATE"])
			if whole.Contains(date) && !strings.HasPrefix(line["GAME_ID"], preseason) {
				use(line)
			}
		}
	}
}
