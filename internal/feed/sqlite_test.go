package feed

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/sqlitewarehouse"
)

// embedded is the warehouse that the importers are made for, on a fresh file.
func embedded(t *testing.T) *sqlitewarehouse.Warehouse {
	t.Helper()
	f, err := sqlitefile.Open(t.Context(), filepath.Join(t.TempDir(), "gamefill.db"), sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	w, err := sqlitewarehouse.New(t.Context(), f, sqlitewarehouse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// tokens are those of every partition of every table that the importers write.
func tokens(t *testing.T, store warehouse.Tables) map[string]warehouse.Token {
	t.Helper()
	all := map[string]warehouse.Token{}
	for _, s := range append(slices.Clone(boxscore.Tables), People, Games) {
		found, err := store.Tokens(t.Context(), s, gamedate.Range{From: gamedate.Earliest, To: gamedate.Latest})
		if err != nil {
			t.Fatal(err)
		}
		for date, token := range found {
			all[s.Name+" "+date.String()] = token
		}
	}
	return all
}

// The embedded warehouse ends with the rows that the fake has, in any order of files, and keeps its tokens.
func TestEmbeddedWarehouse(t *testing.T) {
	t.Parallel()
	want := newMemory()
	texts := []string{scheduleText, playersText, liveText, logText}
	paths := make([]string, len(texts))
	for i, text := range texts {
		mustImport(t, want, text)
		paths[i] = write(t, text)
	}
	var first map[string]warehouse.Token
	for _, backward := range []bool{false, true} {
		if backward {
			slices.Reverse(paths)
		}
		store := embedded(t)
		for range 2 {
			for _, path := range paths {
				if _, err := Import(t.Context(), store, path, Options{}); err != nil {
					t.Fatal(err)
				}
			}
			if first == nil {
				first = tokens(t, store)
			}
			if diff := cmp.Diff(first, tokens(t, store)); diff != "" {
				t.Errorf("backward %v: tokens (-want +got):\n%s", backward, diff)
			}
		}
		for _, s := range append(slices.Clone(boxscore.Tables), People, Games) {
			var got []table.Row
			if s.Partition == "" {
				p, err := store.Read(t.Context(), s, gamedate.Date{})
				if err != nil {
					t.Fatal(err)
				}
				got = p.Rows
			} else {
				r := gamedate.Range{From: gamedate.Earliest, To: gamedate.Latest}
				err := store.ReadRange(t.Context(), s, r, func(_ gamedate.Date, rows []table.Row) error {
					got = append(got, rows...)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if s.Fingerprint(got) != want.fingerprints()[s.FullName()] {
				t.Errorf("%s: %d rows that differ from those of the fake", s.FullName(), len(got))
			}
		}
	}
}

// A game that moves and an alias that goes are whole-partition replacements in the embedded warehouse.
func TestEmbeddedCorrections(t *testing.T) {
	t.Parallel()
	store := embedded(t)
	for _, text := range []string{liveText, logText, adaMoved(), adaRenamed()} {
		if _, err := Import(t.Context(), store, write(t, text), Options{}); err != nil {
			t.Fatal(err)
		}
	}
	r := gamedate.Range{From: gamedate.MustParse("2021-10-01"), To: gamedate.MustParse("2021-10-31")}
	books, err := store.Tokens(t.Context(), boxscore.Gamebook, r)
	if err != nil {
		t.Fatal(err)
	}
	var dates []string
	for _, d := range slices.SortedFunc(maps.Keys(books), gamedate.Date.Compare) {
		dates = append(dates, d.String())
	}
	if diff := cmp.Diff([]string{"2021-10-05", "2021-10-18", "2021-10-20"}, dates); diff != "" {
		t.Errorf("dates with rows (-want +got):\n%s", diff)
	}
	aliases, err := store.Read(t.Context(), boxscore.Aliases, gamedate.Date{})
	if err != nil || len(aliases.Rows) != 0 {
		t.Errorf("got %d aliases, %v; want none", len(aliases.Rows), err)
	}
}

func TestRealFilesInEmbeddedWarehouse(t *testing.T) {
	t.Parallel()
	dir := realData(t)
	if raceDetector {
		t.Skip("too slow with the race detector; the same files go through TestRealFilesInAnyOrder")
	}
	store := embedded(t)
	lines := 0
	for _, f := range realFiles {
		r, err := Import(t.Context(), store, filepath.Join(dir, f.name), Options{})
		if err != nil {
			t.Fatal(err)
		}
		lines += r.Rows
	}
	if lines != 227_922 {
		t.Errorf("got %d rows, want 227922", lines)
	}
	want := tokens(t, store)
	for _, i := range []int{0, 1, 3, 6} {
		r, err := Import(t.Context(), store, filepath.Join(dir, realFiles[i].name), Options{})
		if err != nil || r.Removed != r.Rows {
			t.Fatalf("%s again: removed %d of %d rows, %v", r.File, r.Removed, r.Rows, err)
		}
	}
	if diff := cmp.Diff(want, tokens(t, store)); diff != "" {
		t.Errorf("a second import changes tokens (-want +got):\n%s", diff)
	}
}
