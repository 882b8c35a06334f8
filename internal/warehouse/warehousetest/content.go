package warehousetest

import (
	"errors"
	"slices"
	"testing"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

var contentCases = []suiteCase{
	{"extreme values come back as they were", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		rows := extremes(day1)
		mustPut(t, w, s, day1, 1, rows)
		wantRows(t, w, s, day1, rows)
		if len(rows) < 10 || s.Fingerprint(rows) == s.Fingerprint(rows[1:]) {
			t.Fatal("the case compares nothing")
		}
	}},
	{"NULL is neither zero nor the empty text", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		null := set(s, make(table.Row, len(s.Columns)),
			map[string]table.Value{"day": table.Date(day1), "name": table.String("")})
		zero := set(s, null,
			map[string]table.Value{"n": table.Int(0), "ratio": table.Float(0), "amount": table.Numeric(0, 2),
				"ok": table.Bool(false)})
		mustPut(t, w, s, day1, 1, []table.Row{null})
		first := measure(t, w, s, day1)
		wantRows(t, w, s, day1, []table.Row{null})
		mustPut(t, w, s, day1, 1, []table.Row{zero})
		wantRows(t, w, s, day1, []table.Row{zero})
		if second := measure(t, w, s, day1); second.Fingerprint == first.Fingerprint || second.Token == first.Token {
			t.Errorf("zeros and NULLs look the same: %+v and %+v", first, second)
		}
	}},
	{"a row that breaks the schema is refused and nothing is written", func(t *testing.T, w warehouse.Store) {
		s, whole := tables(t, w)
		old := numbered(day1, 1, 6)
		before := mustPut(t, w, s, day1, 1, old)
		good := numbered(day1, 2, 6)[3]
		tests := []struct {
			name string
			bad  table.Row
			say  string
		}{
			{"another date", set(s, good, map[string]table.Value{"day": table.Date(day2)}), "day"},
			{"no date", set(s, good, map[string]table.Value{"day": table.Null}), "day"},
			{"NULL in REQUIRED", set(s, good, map[string]table.Value{"name": table.Null}), "name"},
			{"text for a number", set(s, good, map[string]table.Value{"n": table.String("7")}), "column n"},
			{"number for a text", set(s, good, map[string]table.Value{"name": table.Int(7)}), "column name"},
			{"float for a decimal", set(s, good, map[string]table.Value{"amount": table.Float(1.5)}), "amount"},
			{"decimal of another scale", set(s, good, map[string]table.Value{"amount": table.Numeric(15, 1)}), "amount"},
			{"too many digits", set(s, good, map[string]table.Value{"amount": table.Numeric(1_000_000, 2)}), "amount"},
			{"too many digits, negative",
				set(s, good, map[string]table.Value{"big": table.Numeric(-1_000_000_000_000_000_000, 4)}), "big"},
			{"number for a truth value", set(s, good, map[string]table.Value{"ok": table.Int(1)}), "column ok"},
			{"too few values", good[:4], "values"},
			{"too many values", append(slices.Clone(good), table.Int(1)), "values"},
			{"bytes that are not UTF-8", set(s, good, map[string]table.Value{"name": table.String("a\xffb")}), "name"},
			{"bytes that are not UTF-8 in a list",
				set(s, good, map[string]table.Value{"tags": table.Strings([]string{"\xc3"})}), "tags"},
		}
		for _, tt := range tests {
			rows := numbered(day1, 2, 6)
			rows[3] = tt.bad
			_, err := put(t.Context(), w, s, day1, 1, rows)
			if err == nil {
				t.Errorf("%s: accepted", tt.name)
				continue
			}
			wantPermanent(t, err, tt.say)
			if _, err := w.Load(t.Context(), s, nil, each(rows)); tt.name != "another date" {
				wantPermanent(t, err, tt.say)
			} else if err != nil { // Load takes every date
				t.Errorf("%s: load: %v", tt.name, err)
			} else {
				mustPut(t, w, s, day2, 1, nil)
				before = mustPut(t, w, s, day1, 1, old)
			}
		}
		wantRows(t, w, s, day1, old)
		if got := read(t, w, s, day1).Token; got != before.Token {
			t.Errorf("token: got %q, want %q", got, before.Token)
		}
		_, err := put(t.Context(), w, s, gamedate.Date{}, 1, numbered(day1, 2, 6))
		wantPermanent(t, err)
		_, err = put(t.Context(), w, whole, gamedate.Date{}, 1, []table.Row{{table.Null, table.Null, table.Null}})
		wantPermanent(t, err, "id")
	}},
	{"a refused row is named by its key", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		rows := numbered(day1, 7, 3)
		rows[2] = set(s, rows[2], map[string]table.Value{"ok": table.Int(1)})
		_, err := put(t.Context(), w, s, day1, 1, rows)
		wantPermanent(t, err, "name=player 002", "n=7", "column ok")
	}},
	{"equal tokens mean equal content", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		contents := [][]table.Row{
			numbered(day1, 1, 5), numbered(day1, 2, 5), numbered(day1, 1, 6), nil, extremes(day1),
			{numbered(day1, 1, 5)[0]}, {numbered(day1, 1, 5)[0], numbered(day1, 1, 5)[0]},
		}
		for _, column := range []string{"made_at", "version", "prop"} { // what fingerprints leave out is content too
			rows := numbered(day1, 1, 5)
			v := map[string]table.Value{"made_at": table.Timestamp(day2.Time()), "version": table.Int(99),
				"prop": table.Numeric(5, 1)}[column]
			rows[2] = set(s, rows[2], map[string]table.Value{column: v})
			contents = append(contents, rows)
		}
		seen := map[warehouse.Token]int{}
		for i, rows := range contents {
			r := mustPut(t, w, s, day1, 1, rows)
			if other, ok := seen[r.Token]; ok {
				t.Errorf("contents %d and %d have the token %q", other, i, r.Token)
			}
			seen[r.Token] = i
			for what, got := range map[string]warehouse.Token{"read": read(t, w, s, day1).Token,
				"measure": measure(t, w, s, day1).Token, "tokens": tokens(t, w, s)[day1]} {
				if got != r.Token {
					t.Errorf("content %d: %s: got %q, want the receipt's %q", i, what, got, r.Token)
				}
			}
		}
	}},
	{"a token stays while nobody writes", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		want := mustPut(t, w, s, day1, 1, numbered(day1, 1, 5)).Token
		mustPut(t, w, s, day2, 1, numbered(day2, 1, 5))
		if _, err := w.Load(t.Context(), s, nil, each(numbered(day3, 1, 5))); err != nil {
			t.Fatal(err)
		}
		if _, err := put(t.Context(), w, s, day1, 0, nil); !errors.Is(err, warehouse.ErrFenced) {
			t.Fatalf("got %v, want %v", err, warehouse.ErrFenced)
		}
		if got := read(t, w, s, day1).Token; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}},
}

func tokens(t *testing.T, w warehouse.Store, s *table.Schema) map[gamedate.Date]warehouse.Token {
	t.Helper()
	m, err := w.Tokens(t.Context(), s, span)
	if err != nil {
		t.Fatalf("tokens: %v", err)
	}
	return m
}

// wantNoTable checks the error of a call on a table that is not there.
func wantNoTable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, warehouse.ErrNoTable) || failure.ClassOf(err) != failure.Environment ||
		failure.ReasonOf(err) != "no_table" {
		t.Errorf("%s: got %v (%v, %s), want %v of the class environment, reason no_table", what, err, failure.ClassOf(err),
			failure.ReasonOf(err), warehouse.ErrNoTable)
	}
}
