package warehousetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// each is the source of a Load that yields rows.
func each(rows []table.Row) func(yield func(table.Row) error) error {
	return func(yield func(table.Row) error) error {
		for _, row := range rows {
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	}
}

func mustLoad(t *testing.T, w warehouse.Store, s *table.Schema, replace []string, rows []table.Row,
	want warehouse.LoadResult) {
	t.Helper()
	got, err := w.Load(t.Context(), s, replace, each(rows))
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	if got != want {
		t.Errorf("load: got %+v, want %+v", got, want)
	}
}

var loadCases = []suiteCase{
	{"Load without replace columns appends", func(t *testing.T, w warehouse.Store) {
		s, whole := tables(t, w)
		mustLoad(t, w, s, nil, slices.Concat(numbered(day1, 1, 3), numbered(day2, 1, 4)), warehouse.LoadResult{Added: 7})
		first := tokens(t, w, s)
		mustLoad(t, w, s, nil, numbered(day2, 2, 5), warehouse.LoadResult{Added: 5})
		wantRows(t, w, s, day1, numbered(day1, 1, 3))
		wantRows(t, w, s, day2, slices.Concat(numbered(day2, 1, 4), numbered(day2, 2, 5)))
		second := tokens(t, w, s)
		if first[day1] != second[day1] || first[day2] == second[day2] {
			t.Errorf("tokens: got %v, then %v", first, second)
		}
		mustLoad(t, w, whole, nil, nil, warehouse.LoadResult{})
		mustLoad(t, w, whole, nil, items("2021-22", "a", 1), warehouse.LoadResult{Added: 1})
		mustLoad(t, w, whole, nil, items("2021-22", "a", 1), warehouse.LoadResult{Added: 1})
		wantRows(t, w, whole, gamedate.Date{}, items("2021-22", "a", 1, 1))
	}},
	{"Load replaces the values that come", func(t *testing.T, w warehouse.Store) {
		_, s := tables(t, w)
		old := slices.Concat(items("2021-22", "old", 1, 2, 3), items("2022-23", "old", 4), items("", "old", 5, 6))
		mustLoad(t, w, s, []string{"season"}, old, warehouse.LoadResult{Added: 6})
		mustLoad(t, w, s, []string{"season"}, items("2021-22", "new", 1, 9, 1), warehouse.LoadResult{Removed: 3, Added: 3})
		wantRows(t, w, s, gamedate.Date{},
			slices.Concat(items("2021-22", "new", 1, 9, 1), items("2022-23", "old", 4), items("", "old", 5, 6)))
		// NULL is a value here
		mustLoad(t, w, s, []string{"season"}, items("", "new", 7), warehouse.LoadResult{Removed: 2, Added: 1})
		wantRows(t, w, s, gamedate.Date{},
			slices.Concat(items("2021-22", "new", 1, 9, 1), items("2022-23", "old", 4), items("", "new", 7)))
		mustLoad(t, w, s, []string{"season", "id"},
			slices.Concat(items("2021-22", "newer", 1), items("", "newer", 8), items("", "newer", 7)),
			warehouse.LoadResult{Removed: 3, Added: 3}) // combinations, not each column by itself
		wantRows(t, w, s, gamedate.Date{},
			slices.Concat(items("2021-22", "newer", 1), items("2021-22", "new", 9), items("2022-23", "old", 4),
				items("", "newer", 8, 7)))
		if _, err := w.Load(t.Context(), s, []string{"nobody"}, each(nil)); err == nil {
			t.Error("unknown replace column: accepted")
		}
	}},
	{"Load moves rows between partitions", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		mustLoad(t, w, s, nil, slices.Concat(numbered(day1, 1, 3), numbered(day2, 1, 3), numbered(day3, 2, 3)),
			warehouse.LoadResult{Added: 9})
		before := tokens(t, w, s)
		mustLoad(t, w, s, []string{"n"}, numbered(day2, 1, 2), warehouse.LoadResult{Removed: 6, Added: 2})
		wantRows(t, w, s, day1, nil)
		wantRows(t, w, s, day2, numbered(day2, 1, 2))
		wantRows(t, w, s, day3, numbered(day3, 2, 3))
		after := tokens(t, w, s)
		if _, ok := after[day1]; ok || after[day2] == before[day2] || after[day3] != before[day3] {
			t.Errorf("tokens: got %v, then %v", before, after)
		}
	}},
	{"Load of the same rows again is the same content", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		rows := slices.Concat(numbered(day1, 1, 30), extremes(day2))
		mustLoad(t, w, s, []string{"day"}, rows, warehouse.LoadResult{Added: len(rows)})
		mustLoad(t, w, s, []string{"day"}, rows, warehouse.LoadResult{Removed: len(rows), Added: len(rows)})
		wantRows(t, w, s, day1, numbered(day1, 1, 30))
		wantRows(t, w, s, day2, extremes(day2))
	}},
	{"Load that fails midway leaves the table as it was", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		mustLoad(t, w, s, []string{"day"}, numbered(day1, 1, 30), warehouse.LoadResult{Added: 30})
		before := tokens(t, w, s)
		boom := errors.New("boom")
		rows := slices.Concat(numbered(day1, 2, 700), numbered(day2, 2, 700))
		source := func(after func(yield func(table.Row) error) error) func(yield func(table.Row) error) error {
			return func(yield func(table.Row) error) error {
				if err := each(rows)(yield); err != nil {
					return err
				}
				return after(yield)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		bad := set(s, rows[0], map[string]table.Value{"name": table.Null})
		tests := []struct {
			name  string
			after func(yield func(table.Row) error) error
			want  error
		}{
			{"an error of the source", func(func(table.Row) error) error { return boom }, boom},
			{"a bad row", func(yield func(table.Row) error) error { return yield(bad) }, nil},
			{"a bad row that the source does not mind",
				func(yield func(table.Row) error) error { _ = yield(bad); _ = yield(rows[0]); return nil }, nil},
			{"a cancelled ctx", func(yield func(table.Row) error) error { cancel(); return each(rows)(yield) },
				context.Canceled},
		}
		for _, tt := range tests {
			result, err := w.Load(ctx, s, []string{"day"}, source(tt.after))
			switch {
			case tt.want != nil && !errors.Is(err, tt.want):
				t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			case tt.want == nil:
				wantPermanent(t, err, "name")
			}
			if result != (warehouse.LoadResult{}) {
				t.Errorf("%s: got %+v, want nothing done", tt.name, result)
			}
			wantRows(t, w, s, day1, numbered(day1, 1, 30))
			wantRows(t, w, s, day2, nil)
		}
		if got := tokens(t, w, s); got[day1] != before[day1] {
			t.Errorf("token: got %q, want %q", got[day1], before[day1])
		}
	}},
	{"Load does not keep rows and closes no generation", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		mustPut(t, w, s, day1, 6, nil)
		row := make(table.Row, len(s.Columns))
		if _, err := w.Load(t.Context(), s, nil, func(yield func(table.Row) error) error {
			for _, r := range numbered(day1, 1, 600) {
				copy(row, r) // one buffer for every row
				if err := yield(row); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		wantRows(t, w, s, day1, numbered(day1, 1, 600))
		mustPut(t, w, s, day1, 6, numbered(day1, 2, 3))
		if _, err := put(t.Context(), w, s, day1, 5, nil); !errors.Is(err, warehouse.ErrFenced) {
			t.Errorf("got %v, want %v", err, warehouse.ErrFenced)
		}
	}},
}
