package demo_test

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/boxscore"
	"gamefill/internal/demo"
	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/summary"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/sqlitewarehouse"
)

// sum is the SHA-256 over the rows of every table, in the order in which they come.
func sum(l *demo.League) string {
	h := sha256.New()
	for _, t := range boxscore.Tables {
		for row := range l.Rows(t) {
			hash := t.RowHash(row)
			h.Write(hash[:])
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestSameOptionsSameRows(t *testing.T) {
	t.Parallel()
	plain := sum(demo.Generate(demo.Options{}))
	if got := sum(demo.Generate(demo.Options{Seasons: 1})); got != plain {
		t.Errorf("second league: got rows %s, want %s", got, plain)
	}
	if sum(demo.Generate(demo.Options{Failures: true})) == plain {
		t.Error("failures change nothing")
	}
}

func TestSeasonsAreBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ asked, want int }{{-1, 1}, {0, 1}, {2, 2}, {99, demo.MaxSeasons}} {
		l := demo.Generate(demo.Options{Seasons: tt.asked})
		if got := l.Range.To.SeasonYear() - l.Range.From.SeasonYear() + 1; got != tt.want {
			t.Errorf("%d seasons: got %d, want %d", tt.asked, got, tt.want)
		}
	}
}

// A season does not depend on those that follow.
func TestFirstSeasonStays(t *testing.T) {
	t.Parallel()
	one, two := demo.Generate(demo.Options{Seasons: 1}), demo.Generate(demo.Options{Seasons: 2})
	for _, schema := range []*table.Schema{boxscore.Schedule, boxscore.Gamebook, boxscore.BDL} {
		var want, got []table.Row
		for row := range one.Rows(schema) {
			want = append(want, row)
		}
		for row := range two.Rows(schema) {
			if got = append(got, row); len(got) == len(want) {
				break // also: the sequence ends when asked
			}
		}
		if schema.Fingerprint(got) != schema.Fingerprint(want) {
			t.Errorf("%s: the first season differs", schema.Name)
		}
	}
}

// world is a league in the form in which dates are built.
type world struct {
	league  *demo.League
	shared  any
	sources map[gamedate.Date]map[string][]table.Row
}

func newWorld(t *testing.T, o demo.Options) *world {
	t.Helper()
	w := &world{league: demo.Generate(o), sources: map[gamedate.Date]map[string][]table.Row{}}
	references := map[string][]table.Row{}
	for _, schema := range boxscore.Tables {
		for row := range w.league.Rows(schema) {
			if schema.Partition == "" {
				references[schema.Name] = append(references[schema.Name], row)
				if err := schema.Check(row, gamedate.Date{}); err != nil {
					t.Fatal(err)
				}
				continue
			}
			date := row[schema.MustIndex(schema.Partition)].Date()
			if err := schema.Check(row, date); err != nil {
				t.Fatal(err)
			}
			if w.sources[date] == nil {
				w.sources[date] = map[string][]table.Row{}
			}
			w.sources[date][schema.Name] = append(w.sources[date][schema.Name], row)
		}
	}
	settings, err := summary.Job().Settings(nil)
	if err != nil {
		t.Fatal(err)
	}
	if w.shared, err = summary.Job().Decode(settings, references); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) build(date gamedate.Date) (job.Output, error) {
	return summary.Job().Build(w.shared, job.Input{Date: date, Sources: w.sources[date]})
}

// Every date is built without a finding, and the counts of all dates are those that the league says it has wrong.
func TestEveryDefectIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, demo.Options{Seasons: demo.MaxSeasons})
	counts, rejected := map[string]int64{}, map[string]int64{}
	for _, date := range w.league.GameDates {
		out, err := w.build(date)
		if err != nil || out.NotReady != "" || len(out.Findings) > 0 {
			t.Fatalf("%s: got error %v, not ready %q, findings %+v", date, err, out.NotReady, out.Findings)
		}
		for name, n := range out.Counts.Counts {
			counts[name] += n
		}
		for reason, n := range out.Counts.RejectedBy {
			rejected[reason] += n
		}
	}
	var want, got []demo.Defect
	for _, d := range w.league.Defects {
		if d.Made == 0 {
			t.Errorf("the league has no %s", d.Name)
		}
		want = append(want, d)
		if reason, ok := strings.CutPrefix(d.Name, demo.Rejected); ok {
			d.Made = rejected[reason]
			delete(rejected, reason)
		} else {
			d.Made = counts[d.Name]
		}
		got = append(got, d)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defects (-league +counts):\n%s", diff)
	}
	if len(rejected) > 0 {
		t.Errorf("got rows rejected for reasons that the league does not name: %v", rejected)
	}
	// Accents and suffixes that one source lacks keep nobody apart, and no other name is unknown.
	if counts[summary.CountMatchFound] != counts[summary.CountMatchOf] || counts[summary.CountMatchOf] == 0 {
		t.Errorf("got %d of %d players matched", counts[summary.CountMatchFound], counts[summary.CountMatchOf])
	}
	if got, want := counts[summary.CountGames], int64(w.league.Games); got != want {
		t.Errorf("got %d games built, want %d", got, want)
	}
	for _, name := range []string{summary.CountAmbiguous, summary.CountDisagreement, summary.CountIncompleteTeams,
		summary.CountNotInSchedule} {
		if counts[name] != 0 {
			t.Errorf("got %s %d, want 0", name, counts[name])
		}
	}
}

// What no count of a run shows is in the raw rows.
func TestRawRows(t *testing.T) {
	t.Parallel()
	l := demo.Generate(demo.Options{})
	spellings := map[string]map[string]bool{} // by source
	seen := map[string]int{}
	dates := map[string]map[gamedate.Date]bool{} // of final and called-off rows, by league id
	teams := map[string]map[string]bool{}        // registry: by id
	ids := map[string]map[string]bool{}          // registry: by lookup
	add := func(m map[string]map[string]bool, key, value string) {
		if m[key] == nil {
			m[key] = map[string]bool{}
		}
		m[key][value] = true
	}
	for _, schema := range boxscore.Tables {
		get := func(row table.Row, column string) table.Value { return row[schema.MustIndex(column)] }
		for row := range l.Rows(schema) {
			switch schema {
			case boxscore.Schedule:
				id, status := get(row, "game_id").Str(), get(row, "game_status_text").Str()
				seen["prefix "+id[:3]]++
				if dates[id] == nil {
					dates[id] = map[gamedate.Date]bool{}
				}
				if status == "Final" || status == "PPD" {
					dates[id][get(row, "game_date").Date()] = true
				}
			case boxscore.Gamebook:
				add(spellings, schema.Name, get(row, "player_name").Str())
				seen["gamebook "+get(row, "team_abbr").Str()]++
				seen["reason of "+get(row, "player_status").Str()+": "+fmt.Sprint(!get(row, "dnp_reason").IsNull())]++
				if m := get(row, "minutes").Str(); m != "" && !strings.Contains(m, ":") {
					t.Errorf("gamebook minutes %q, want MM:SS", m)
				}
			case boxscore.BDL:
				add(spellings, schema.Name, get(row, "player_full_name").Str())
				seen["second "+get(row, "team_abbr").Str()]++
				seen["period "+get(row, "period").Text()]++
				if m := get(row, "minutes").Str(); strings.Contains(m, ":") {
					t.Errorf("minutes %q of the second source, want whole ones", m)
				}
			case boxscore.Registry:
				add(teams, get(row, "universal_player_id").Str(), get(row, "team_abbr").Str())
				add(ids, get(row, "player_lookup").Str(), get(row, "universal_player_id").Str())
			}
		}
	}
	for _, want := range []string{"prefix 001", "prefix 002", "prefix 003", "prefix 004", "gamebook BRK", "gamebook BKN",
		"second PHO", "second PHX",
		"period 4", "period 5", "period 6", "reason of dnp: true", "reason of inactive: true"} {
		if seen[want] == 0 {
			t.Errorf("no row with %s", want)
		}
	}
	several := func(m map[string]map[string]bool) (n int) {
		for _, values := range m {
			if len(values) > 1 {
				n++
			}
		}
		return n
	}
	if got := several(teams); got != 1 {
		t.Errorf("got %d players of two teams, want 1", got)
	}
	if got := several(ids); got != 1 {
		t.Errorf("got %d lookups with two players, want 1", got)
	}
	moved := 0
	for _, days := range dates {
		if len(days) > 1 {
			moved++
		}
	}
	if moved != 1 {
		t.Errorf("got %d league ids on two dates, want 1", moved)
	}
	for _, mark := range []string{"é", "Ş", " Jr.", " III"} {
		for _, source := range []string{boxscore.Gamebook.Name, boxscore.BDL.Name} {
			alone := false
			for name := range spellings[source] {
				alone = alone || strings.Contains(name, mark)
			}
			if !alone {
				t.Errorf("%s has no name with %q", source, mark)
			}
		}
	}
}

// With failures exactly the promised dates fail, each for its reason.
func TestFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, demo.Options{Failures: true})
	var got []string
	for _, date := range w.league.GameDates {
		out, err := w.build(date)
		if err != nil {
			got = append(got, date.String()+" "+failure.ReasonOf(err))
			continue
		}
		for _, f := range out.Findings {
			if f.Level == job.Error {
				got = append(got, date.String()+" "+f.Rule)
			}
		}
	}
	var want []string
	for _, f := range w.league.Failing {
		want = append(want, f.Date.String()+" "+f.Reason)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) != 3 {
		t.Errorf("failing dates (-promised +built):\n%s", diff)
	}
}

func open(t *testing.T) warehouse.Store {
	t.Helper()
	f, err := sqlitefile.Open(t.Context(), filepath.Join(t.TempDir(), "demo.db"), sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	store, err := sqlitewarehouse.New(t.Context(), f, sqlitewarehouse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// fingerprint is that of all partitions of a table.
func fingerprint(t *testing.T, store warehouse.Store, schema *table.Schema, r gamedate.Range) string {
	t.Helper()
	all := map[gamedate.Date]string{}
	err := store.ReadRange(t.Context(), schema, r, func(date gamedate.Date, rows []table.Row) error {
		all[date] = schema.Fingerprint(rows)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return table.RangeFingerprint(all)
}

// A spoilt league that is mended holds what a league without failures holds; mending again changes nothing.
func TestLoadAndMend(t *testing.T) {
	t.Parallel()
	spoilt, sound := open(t), open(t)
	if _, found, err := demo.Find(t.Context(), spoilt); found || err != nil {
		t.Fatalf("empty store: got found %v, error %v", found, err)
	}
	o := demo.Options{Seasons: 1, Failures: true}
	l := demo.Generate(o)
	report, err := demo.Load(t.Context(), spoilt, l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Load(t.Context(), sound, demo.Generate(demo.Options{})); err != nil {
		t.Fatal(err)
	}
	if got, found, err := demo.Find(t.Context(), spoilt); got != o || !found || err != nil {
		t.Errorf("got options %+v, found %v, error %v", got, found, err)
	}
	for i, schema := range boxscore.Tables {
		rows := 0
		for range l.Rows(schema) {
			rows++
		}
		if got, want := report.Tables[i], (demo.TableRows{Table: schema.FullName(), Rows: rows}); got != want {
			t.Errorf("got report %+v, want %+v", got, want)
		}
	}
	for range 2 {
		mended, err := demo.Mend(t.Context(), spoilt, l)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(mended.Tables, func(r demo.TableRows) bool { return r.Rows == 0 }) || len(mended.Tables) != 2 {
			t.Errorf("got report %+v, want rows in both sources", mended)
		}
		for _, schema := range []*table.Schema{boxscore.Schedule, boxscore.Gamebook, boxscore.BDL} {
			if fingerprint(t, spoilt, schema, l.Range) != fingerprint(t, sound, schema, l.Range) {
				t.Errorf("%s is not what a sound league has", schema.Name)
			}
		}
	}
	report, err = demo.Mend(t.Context(), sound, demo.Generate(demo.Options{}))
	if err != nil || slices.ContainsFunc(report.Tables, func(r demo.TableRows) bool { return r.Rows != 0 }) {
		t.Errorf("mending a sound league: got %+v, %v", report, err)
	}
}
