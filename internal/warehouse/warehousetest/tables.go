package warehousetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

var tableCases = []suiteCase{
	{"Identity stays and is not empty", func(t *testing.T, w warehouse.Store) {
		before, err := w.Identity(t.Context())
		if err != nil || before == "" {
			t.Fatalf("got %q, %v", before, err)
		}
		s, _ := tables(t, w)
		mustPut(t, w, s, day1, 1, numbered(day1, 1, 3))
		if after, err := w.Identity(t.Context()); err != nil || after != before {
			t.Errorf("got %q, %v, want %q", after, err, before)
		}
	}},
	{"Queries counts up, and bills nothing that was not run", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		mustPut(t, w, s, day1, 1, numbered(day1, 1, 3))
		before := w.Queries()
		for range 2 {
			if _, err := w.Count(t.Context(), s, span, warehouse.Grouping{}); err != nil {
				t.Fatal(err)
			}
		}
		q := w.Queries().Less(before)
		if q.Jobs != 0 && q.Jobs != 2 || q.Measured > q.Jobs || (q.Billed > 0) != (q.Measured > 0) {
			t.Errorf("of two counts: got %+v, want two queries or none, billed if measured", q)
		}
	}},
	{"a missing table is named", func(t *testing.T, w warehouse.Store) {
		s := kinds()
		_, err := w.Read(t.Context(), s, day1)
		wantNoTable(t, "read", err)
		_, err = put(t.Context(), w, s, day1, 1, numbered(day1, 1, 3))
		wantNoTable(t, "replace", err)
		_, err = w.Measure(t.Context(), s, day1)
		wantNoTable(t, "measure", err)
		_, err = w.Tokens(t.Context(), s, span)
		wantNoTable(t, "tokens", err)
		_, err = w.Count(t.Context(), s, span, warehouse.Grouping{})
		wantNoTable(t, "count", err)
		_, err = w.Load(t.Context(), s, nil, each(numbered(day1, 1, 3)))
		wantNoTable(t, "load", err)
		wantNoTable(t, "range", w.ReadRange(t.Context(), s, span, func(gamedate.Date, []table.Row) error { return nil }))
		wantNoTable(t, "close", w.Close(t.Context(), s, day1, warehouse.Fence{Generation: 1}, ""))
		if err != nil && !strings.Contains(err.Error(), s.FullName()) {
			t.Errorf("error %q does not name the table", err)
		}
	}},
	{"Create repeated changes nothing", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		want := mustPut(t, w, s, day1, 1, numbered(day1, 1, 5)).Token
		for range 3 {
			if err := w.Create(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		wantRows(t, w, s, day1, numbered(day1, 1, 5))
		if got := tokens(t, w, s)[day1]; got != want {
			t.Errorf("token: got %q, want %q", got, want)
		}
	}},
	{"Create by several at once", func(t *testing.T, w warehouse.Store) {
		var calls []func() error
		for range 6 {
			calls = append(calls, func() error { return w.Create(t.Context(), kinds()) })
		}
		race(t, calls...)
		mustPut(t, w, kinds(), day1, 1, numbered(day1, 1, 3))
	}},
	{"Create adds nullable columns", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		old := numbered(day1, 1, 5)
		mustPut(t, w, s, day1, 1, old)
		wider := kinds()
		wider.Columns = slices.Insert(wider.Columns, 3,
			table.Column{Name: "extra", Type: table.NUMERIC, Precision: 4, Scale: 1})
		if err := w.Create(t.Context(), wider); err != nil {
			t.Fatal(err)
		}
		var want []table.Row
		for _, row := range old {
			want = append(want, slices.Insert(slices.Clone(row), 3, table.Null))
		}
		wantRows(t, w, wider, day1, want)
		want[0] = set(wider, want[0], map[string]table.Value{"extra": table.Numeric(-5, 1)})
		mustPut(t, w, wider, day1, 1, want)
		wantRows(t, w, wider, day1, want)
	}},
	{"Create refuses a table that differs and leaves it alone", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		mustPut(t, w, s, day1, 1, numbered(day1, 1, 5))
		tests := []struct {
			name   string
			change func(*table.Schema)
			say    string
		}{
			{"type", func(s *table.Schema) { s.Columns[2].Type = table.STRING }, "column n"},
			{"type that is stored alike", func(s *table.Schema) { s.Columns[6].Type = table.INT64 }, "column ok"},
			{"scale", func(s *table.Schema) { s.Columns[4].Scale = 1 }, "column amount"},
			{"mode", func(s *table.Schema) { s.Columns[2].Required = true }, "column n"},
			{"mode, the other way", func(s *table.Schema) { s.Columns[1].Required = false }, "column name"},
			{"partition", func(s *table.Schema) { s.Partition = "other_day" }, "other_day"},
			{"no partition", func(s *table.Schema) { s.Partition = "" }, "day"},
			{"a new REQUIRED column", func(s *table.Schema) {
				s.Columns = append(s.Columns, table.Column{Name: "must", Type: table.INT64, Required: true})
			}, "column must"},
			{"a column nobody knows any more", func(s *table.Schema) { s.Columns = slices.Delete(s.Columns, 12, 13) },
				"column prop"},
		}
		for _, tt := range tests {
			other := kinds()
			tt.change(other)
			other.Columns = append(other.Columns, table.Column{Name: "not_added", Type: table.INT64})
			err := w.Create(t.Context(), other)
			problem, ok := errors.AsType[*warehouse.SchemaError](err)
			if !ok || problem.Table != s.FullName() || !strings.Contains(fmt.Sprint(problem.Problems), tt.say) {
				t.Errorf("%s: got %v, want a schema error about %q", tt.name, err, tt.say)
			}
		}
		if err := w.Create(t.Context(), s); err != nil { // it has no column "not_added"
			t.Errorf("create again: %v", err)
		}
		wantRows(t, w, s, day1, numbered(day1, 1, 5))
	}},
	{"Describe says what is there and how it differs", func(t *testing.T, w warehouse.Store) {
		describe := func(s *table.Schema) warehouse.Description {
			t.Helper()
			d, err := w.Describe(t.Context(), s)
			if err != nil {
				t.Fatalf("describe: %v", err)
			}
			return d
		}
		if d := describe(kinds()); d.Exists || d.Fits() || d.Table == "" || len(d.Missing) != len(kinds().Columns) {
			t.Errorf("a missing table: got %+v", d)
		}
		s, whole := tables(t, w)
		mustPut(t, w, s, day1, 1, numbered(day1, 1, 5))
		if d := describe(s); !d.Fits() || d.Rows != 5 || d.Partitioning != "day" || len(d.Extra) != 0 ||
			!d.Expires.IsZero() || d.StreamingBuffer {
			t.Errorf("a table that fits: got %+v", d)
		}
		if d := describe(whole); !d.Fits() || d.Rows != 0 || d.Partitioning != "" {
			t.Errorf("a table without partitions: got %+v", d)
		}
		other := kinds()
		other.Columns[2].Type = table.STRING
		other.Columns[12] = table.Column{Name: "added", Type: table.BOOL}
		other.Partition = "other_day"
		d := describe(other)
		if d.Fits() || len(d.Missing) != 1 || d.Missing[0] != other.Columns[12] || len(d.Extra) != 1 || d.Extra[0] != "prop" {
			t.Errorf("missing and extra columns: got %+v", d)
		}
		for _, want := range []string{"column n", "other_day"} {
			if !strings.Contains(fmt.Sprint(d.Different), want) {
				t.Errorf("differences: got %v, want one about %q", d.Different, want)
			}
		}
	}},
	{"ScanBytes is what reading a range costs, if anything", func(t *testing.T, w warehouse.Store) {
		s, whole := tables(t, w)
		mustPut(t, w, s, day1, 1, numbered(day1, 1, 5))
		mustPut(t, w, s, day2, 1, numbered(day2, 1, 5))
		mustPut(t, w, whole, gamedate.Date{}, 1, items("2021-22", "a", 1, 2))
		scan := func(s *table.Schema, r gamedate.Range, columns ...string) int64 {
			t.Helper()
			n, err := w.ScanBytes(t.Context(), s, r, columns...)
			if err != nil {
				t.Fatalf("scan %s of %s: %v", s.FullName(), r, err)
			}
			return n
		}
		on := func(d gamedate.Date) gamedate.Range { return gamedate.Range{From: d, To: d} }
		d, err := w.Describe(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		one, other, both := scan(s, on(day1)), scan(s, on(day2)), scan(s, gamedate.Range{From: day1, To: day2})
		if one+other != both || both != d.Bytes || scan(s, on(day1.AddDays(-9))) != 0 {
			t.Errorf("got %d and %d bytes of two dates, %d of both, table of %d: want no other date read", one, other,
				both, d.Bytes)
		}
		if name := scan(s, on(day1), "name"); both > 0 && name >= one || both == 0 && name != 0 {
			t.Errorf("one column: got %d bytes, want fewer than all columns' %d", name, one)
		}
		if n := scan(whole, on(day1)); (n > 0) != (both > 0) {
			t.Errorf("a table without partitions: got %d bytes, want all of it", n)
		}
		if _, err := w.ScanBytes(t.Context(), s, on(day1), "nobody"); both > 0 && err == nil {
			t.Error("an unknown column: got no error")
		}
	}},
	{"Drop takes the table, its rows and its history", func(t *testing.T, w warehouse.Store) {
		s, whole := tables(t, w)
		mustPut(t, w, s, day1, 7, numbered(day1, 1, 5))
		mustPut(t, w, whole, gamedate.Date{}, 1, items("2021-22", "a", 1, 2))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if dropped, err := w.Drop(ctx, s); dropped || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: got %v, %v, want %v", dropped, err, context.Canceled)
		}
		for i, want := range []bool{true, false, false} {
			if dropped, err := w.Drop(t.Context(), s); err != nil || dropped != want {
				t.Errorf("drop %d: got %v, %v, want %v", i+1, dropped, err, want)
			}
		}
		_, err := w.Read(t.Context(), s, day1)
		wantNoTable(t, "read", err)
		if d, err := w.Describe(t.Context(), s); err != nil || d.Exists {
			t.Errorf("description: got %+v, %v, want none", d, err)
		}
		if got := len(read(t, w, whole, gamedate.Date{}).Rows); got != 2 {
			t.Errorf("rows of the other table: got %d, want 2", got)
		}
		if err := w.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		wantRows(t, w, s, day1, nil)
		mustPut(t, w, s, day1, 7, numbered(day1, 2, 3))
		wantRows(t, w, s, day1, numbered(day1, 2, 3))
	}},
	{"Create passes on the expiration where the store has one", func(t *testing.T, w warehouse.Store) {
		s := kinds()
		s.Expires = 30 * 24 * time.Hour
		for range 2 {
			if err := w.Create(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		mustPut(t, w, s, day1, 1, numbered(day1, 1, 5)) // years before the table was made
		wantRows(t, w, s, day1, numbered(day1, 1, 5))
		d, err := w.Describe(t.Context(), s)
		if err != nil || !d.Fits() || d.PartitionExpiration != 0 {
			t.Errorf("got %+v, %v, want a table that fits, without expiration of partitions", d, err)
		}
		if left := time.Until(d.Expires); !d.Expires.IsZero() && (left > s.Expires || left < s.Expires/2) {
			t.Errorf("got an end in %v, want never or in %v", left, s.Expires)
		}
	}},
	{"Tokens covers the dates of the range that hold rows", func(t *testing.T, w warehouse.Store) {
		s, whole := tables(t, w)
		want := map[gamedate.Date]warehouse.Token{}
		for i, d := range []gamedate.Date{span.From, day2, span.To} {
			want[d] = mustPut(t, w, s, d, 1, numbered(d, i, 3)).Token
		}
		for _, d := range []gamedate.Date{span.From.AddDays(-1), span.To.AddDays(1)} {
			mustPut(t, w, s, d, 1, numbered(d, 1, 3))
		}
		mustPut(t, w, s, day3, 1, numbered(day3, 1, 3))
		mustPut(t, w, s, day3, 1, nil)
		if diff := cmp.Diff(want, tokens(t, w, s)); diff != "" {
			t.Errorf("tokens (-want +got):\n%s", diff)
		}
		if got := tokens(t, w, whole); len(got) != 0 {
			t.Errorf("empty table without partitions: got %v", got)
		}
		r := mustPut(t, w, whole, gamedate.Date{}, 1, items("2021-22", "a", 1))
		if diff := cmp.Diff(map[gamedate.Date]warehouse.Token{{}: r.Token}, tokens(t, w, whole)); diff != "" {
			t.Errorf("tokens of a table without partitions (-want +got):\n%s", diff)
		}
	}},
	{"ReadRange goes by date and ends with fn's error", func(t *testing.T, w warehouse.Store) {
		s, whole := tables(t, w)
		dates := []gamedate.Date{span.From, day1, day2, day3, span.To}
		for _, i := range []int{3, 0, 4, 2, 1} {
			mustPut(t, w, s, dates[i], 1, numbered(dates[i], i, 4+i))
		}
		mustPut(t, w, s, span.To.AddDays(1), 1, numbered(span.To.AddDays(1), 1, 2))
		var got []gamedate.Date
		err := w.ReadRange(t.Context(), s, span, func(d gamedate.Date, rows []table.Row) error {
			got = append(got, d)
			if diff := cmp.Diff(lines(numbered(d, len(got)-1, 3+len(got))), lines(rows)); diff != "" {
				t.Errorf("rows of %s (-want +got):\n%s", d, diff)
			}
			if _, err := w.Read(t.Context(), s, d); err != nil { // fn may use the store
				t.Errorf("read inside: %v", err)
			}
			return nil
		})
		if diff := cmp.Diff(dates, got); err != nil || diff != "" {
			t.Errorf("%v; dates (-want +got):\n%s", err, diff)
		}
		boom, calls := errors.New("boom"), 0
		err = w.ReadRange(t.Context(), s, span, func(gamedate.Date, []table.Row) error { calls++; return boom })
		if !errors.Is(err, boom) || calls != 1 {
			t.Errorf("got %v after %d calls, want %v after 1", err, calls, boom)
		}
		mustPut(t, w, whole, gamedate.Date{}, 1, items("2021-22", "a", 1, 2))
		var rows []table.Row
		if err := w.ReadRange(t.Context(), whole, span, func(d gamedate.Date, r []table.Row) error {
			if !d.IsZero() {
				t.Errorf("date of a table without partitions: got %s", d)
			}
			rows = append(rows, r...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(lines(items("2021-22", "a", 1, 2)), lines(rows)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	}},
}

var countCases = []suiteCase{
	{"Count groups by date and keys, counts NULLs and distinct keys", func(t *testing.T, w warehouse.Store) {
		s, whole := tables(t, w)
		row := func(d gamedate.Date, name string, n, ok, amount table.Value) table.Row {
			return set(s, make(table.Row, len(s.Columns)),
				map[string]table.Value{"day": table.Date(d), "name": table.String(name), "n": n, "ok": ok, "amount": amount})
		}
		yes, no := table.Bool(true), table.Bool(false)
		mustPut(t, w, s, day2, 1, []table.Row{
			row(day2, "a", table.Int(1), yes, table.Numeric(150, 2)),
			row(day2, "a", table.Int(1), yes, table.Null),
			row(day2, "a", table.Null, yes, table.Null),
			row(day2, "b", table.Null, no, table.Null),
			row(day2, "b", table.Null, table.Null, table.Numeric(0, 2)),
		})
		mustPut(t, w, s, day1, 1, []table.Row{row(day1, "z", table.Int(5), no, table.Null)})
		mustPut(t, w, s, span.To.AddDays(1), 1, numbered(span.To.AddDays(1), 1, 2))
		tests := []struct {
			name string
			g    warehouse.Grouping
			want []warehouse.Group
		}{
			{"nothing asked", warehouse.Grouping{}, []warehouse.Group{{Date: day1, Rows: 1}, {Date: day2, Rows: 5}}},
			{"nulls", warehouse.Grouping{Nulls: []string{"n", "amount", "name"}}, []warehouse.Group{
				{Date: day1, Rows: 1, Nulls: []int64{0, 1, 0}}, {Date: day2, Rows: 5, Nulls: []int64{3, 3, 0}}}},
			{"distinct", warehouse.Grouping{Keys: []string{"name", "n"}}, []warehouse.Group{
				{Date: day1, Rows: 1, Distinct: 1}, {Date: day2, Rows: 5, Distinct: 3}}},
			{"by a truth value with NULL", warehouse.Grouping{By: []string{"ok"}, Nulls: []string{"n"}, Keys: []string{"name"}},
				[]warehouse.Group{
					{Date: day1, Keys: []string{"false"}, Rows: 1, Nulls: []int64{0}, Distinct: 1},
					{Date: day2, Keys: []string{""}, Rows: 1, Nulls: []int64{1}, Distinct: 1},
					{Date: day2, Keys: []string{"false"}, Rows: 1, Nulls: []int64{1}, Distinct: 1},
					{Date: day2, Keys: []string{"true"}, Rows: 3, Nulls: []int64{1}, Distinct: 1}}},
			{"all dates together", warehouse.Grouping{Undated: true, Nulls: []string{"n"}, Keys: []string{"name"}},
				[]warehouse.Group{
					{Rows: 6, Nulls: []int64{3}, Distinct: 3}}},
			{"all dates together by a truth value", warehouse.Grouping{Undated: true, By: []string{"ok"}}, []warehouse.Group{
				{Keys: []string{""}, Rows: 1}, {Keys: []string{"false"}, Rows: 2}, {Keys: []string{"true"}, Rows: 3}}},
			{"by two columns", warehouse.Grouping{By: []string{"name", "amount"}, Keys: []string{"name", "name"}},
				[]warehouse.Group{
					{Date: day1, Keys: []string{"z", ""}, Rows: 1, Distinct: 1},
					{Date: day2, Keys: []string{"a", ""}, Rows: 2, Distinct: 1},
					{Date: day2, Keys: []string{"a", "1.50"}, Rows: 1, Distinct: 1},
					{Date: day2, Keys: []string{"b", ""}, Rows: 1, Distinct: 1},
					{Date: day2, Keys: []string{"b", "0.00"}, Rows: 1, Distinct: 1}}},
		}
		for _, tt := range tests {
			got, err := w.Count(t.Context(), s, span, tt.g)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
		empty := gamedate.Range{From: span.From.AddDays(-9), To: span.From.AddDays(-2)}
		if got, err := w.Count(t.Context(), s, empty, warehouse.Grouping{Undated: true}); err != nil || len(got) != 0 {
			t.Errorf("dates without rows together: got %v, %v, want no groups", got, err)
		}
		if got, err := w.Count(t.Context(), whole, span, warehouse.Grouping{}); err != nil || len(got) != 0 {
			t.Errorf("empty table: got %v, %v, want no groups", got, err)
		}
		mustPut(t, w, whole, gamedate.Date{}, 1, append(items("2021-22", "a", 1, 1, 2), items("", "b", 3)...))
		got, err := w.Count(t.Context(), whole, span,
			warehouse.Grouping{By: []string{"season"}, Keys: []string{"id"}, Undated: true})
		want := []warehouse.Group{{Keys: []string{""}, Rows: 1, Distinct: 1},
			{Keys: []string{"2021-22"}, Rows: 3, Distinct: 2}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("table without partitions: %v (-want +got):\n%s", err, diff)
		}
		for _, g := range []warehouse.Grouping{{By: []string{"nobody"}}, {Nulls: []string{"nobody"}},
			{Keys: []string{"no\"body"}}} {
			if _, err := w.Count(t.Context(), s, span, g); err == nil || !strings.Contains(err.Error(), "body") {
				t.Errorf("unknown column: got %v", err)
			}
		}
	}},
}
