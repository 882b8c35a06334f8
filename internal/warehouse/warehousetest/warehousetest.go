// Package warehousetest is the conformance suite of the warehouse port: what an adapter promises, one case a sentence.
//
// An adapter's test calls [Run] with a function that opens an empty store. The suite makes its own tables, in the
// dataset "suite", and never looks behind the port, so it runs unchanged on every adapter.
package warehousetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Run runs the suite. open returns a store without tables that no other test uses; it registers its own clean-up.
func Run(t *testing.T, open func(t *testing.T) warehouse.Store) {
	for _, group := range [][]suiteCase{writeCases, fenceCases, contentCases, tableCases, countCases, loadCases} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(t, open(t))
			})
		}
	}
}

// suiteCase is one promise.
type suiteCase struct {
	name string
	run  func(t *testing.T, w warehouse.Store)
}

// tables makes the suite's tables and returns their schemas.
func tables(t *testing.T, w warehouse.Store) (partitioned, whole *table.Schema) {
	t.Helper()
	partitioned, whole = kinds(), plain()
	for _, s := range []*table.Schema{partitioned, whole} {
		if err := w.Create(t.Context(), s); err != nil {
			t.Fatalf("create: %v", err)
		}
	}
	return partitioned, whole
}

// put is one write under a generation.
func put(ctx context.Context, w warehouse.Store, s *table.Schema, date gamedate.Date, generation int64,
	rows []table.Row) (warehouse.Receipt, error) {
	write := warehouse.Write{Table: s, Date: date,
		Fence: warehouse.Fence{Job: "suite", Run: "run", Generation: generation}, Rows: rows}
	id, err := w.Prepare(ctx, write)
	if err != nil {
		return warehouse.Receipt{}, err
	}
	write.ID = id
	return w.Replace(ctx, write)
}

func mustPut(t *testing.T, w warehouse.Store, s *table.Schema, date gamedate.Date, generation int64,
	rows []table.Row) warehouse.Receipt {
	t.Helper()
	r, err := put(t.Context(), w, s, date, generation, rows)
	if err != nil {
		t.Fatalf("replace %s: %v", date, err)
	}
	if r.Rows != len(rows) {
		t.Errorf("receipt of %s: got %d rows, want %d", date, r.Rows, len(rows))
	}
	if r.Bytes < 0 || len(rows) == 0 && r.Bytes != 0 {
		t.Errorf("receipt of %s: got %d bytes for %d rows, want none for none", date, r.Bytes, len(rows))
	}
	return r
}

func read(t *testing.T, w warehouse.Store, s *table.Schema, date gamedate.Date) warehouse.Partition {
	t.Helper()
	p, err := w.Read(t.Context(), s, date)
	if err != nil {
		t.Fatalf("read %s: %v", date, err)
	}
	return p
}

func measure(t *testing.T, w warehouse.Store, s *table.Schema, date gamedate.Date) warehouse.Measure {
	t.Helper()
	m, err := w.Measure(t.Context(), s, date)
	if err != nil {
		t.Fatalf("measure %s: %v", date, err)
	}
	return m
}

// lines are the rows as sorted texts, NULL told from "".
func lines(rows []table.Row) []string {
	var out []string
	for _, row := range rows {
		var b strings.Builder
		for _, v := range row {
			if v.IsNull() {
				b.WriteString("NULL|")
			} else {
				fmt.Fprintf(&b, "%s %q|", v.Type(), v.Text())
			}
		}
		out = append(out, b.String())
	}
	slices.Sort(out)
	return out
}

// wantRows checks that a partition holds exactly these rows, by Read and by Measure.
func wantRows(t *testing.T, w warehouse.Store, s *table.Schema, date gamedate.Date, want []table.Row) {
	t.Helper()
	got := read(t, w, s, date)
	if diff := cmp.Diff(lines(want), lines(got.Rows)); diff != "" {
		t.Errorf("rows of %s (-want +got):\n%s", date, diff)
	}
	m := measure(t, w, s, date)
	if wantM := (warehouse.Measure{Rows: len(want), Fingerprint: s.Fingerprint(want), Token: got.Token}); m != wantM {
		t.Errorf("measure of %s: got %+v, want %+v", date, m, wantM)
	}
	if got.Token == warehouse.NoToken != (len(want) == 0) {
		t.Errorf("token of %s with %d rows: got %q", date, len(want), got.Token)
	}
}

// wantPermanent checks the class and the reason of a refused row.
func wantPermanent(t *testing.T, err error, mentions ...string) {
	t.Helper()
	if failure.ClassOf(err) != failure.Permanent || failure.ReasonOf(err) != "bad_row" {
		t.Errorf("got %v (%v, %s), want a permanent error with reason bad_row", err, failure.ClassOf(err),
			failure.ReasonOf(err))
		return
	}
	for _, m := range mentions {
		if !strings.Contains(err.Error(), m) {
			t.Errorf("error %q does not mention %q", err, m)
		}
	}
}

var writeCases = []suiteCase{
	{"Replace changes one partition and leaves the others row for row", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		for i, d := range []gamedate.Date{day1, day2, day3} {
			mustPut(t, w, s, d, 1, numbered(d, i, 20))
		}
		mustPut(t, w, s, day2, 1, numbered(day2, 9, 7))
		wantRows(t, w, s, day1, numbered(day1, 0, 20))
		wantRows(t, w, s, day2, numbered(day2, 9, 7))
		wantRows(t, w, s, day3, numbered(day3, 2, 20))
	}},
	{"Replace by no rows empties the partition", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		mustPut(t, w, s, day1, 1, numbered(day1, 1, 5))
		mustPut(t, w, s, day2, 1, numbered(day2, 1, 5))
		if r := mustPut(t, w, s, day2, 1, nil); r.Token != warehouse.NoToken {
			t.Errorf("receipt: got token %q, want none", r.Token)
		}
		wantRows(t, w, s, day1, numbered(day1, 1, 5))
		wantRows(t, w, s, day2, nil)
		mustPut(t, w, s, day3, 1, nil) // never held rows
		wantRows(t, w, s, day3, nil)
	}},
	{"Replace repeated leaves the same content", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		rows := extremes(day1)
		for range 3 {
			mustPut(t, w, s, day1, 4, rows)
			wantRows(t, w, s, day1, rows)
		}
	}},
	{"Replace does not keep the slice", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		rows := numbered(day1, 1, 5)
		mustPut(t, w, s, day1, 1, rows)
		clear(rows)
		wantRows(t, w, s, day1, numbered(day1, 1, 5))
		p := read(t, w, s, day1) // the rows belong to the caller
		for _, row := range p.Rows {
			clear(row)
		}
		wantRows(t, w, s, day1, numbered(day1, 1, 5))
	}},
	{"Replace accepts rows in any order and duplicates", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		rows := numbered(day1, 1, 12)
		slices.Reverse(rows)
		rows = append(rows, rows[3])
		mustPut(t, w, s, day1, 1, rows)
		wantRows(t, w, s, day1, rows)
	}},
	{"Replace of a table without partitions changes the whole table", func(t *testing.T, w warehouse.Store) {
		_, s := tables(t, w)
		mustPut(t, w, s, gamedate.Date{}, 1, items("2021-22", "a", 1, 2, 3))
		mustPut(t, w, s, gamedate.Date{}, 2, items("2022-23", "b", 4))
		wantRows(t, w, s, gamedate.Date{}, items("2022-23", "b", 4))
	}},
	{"a ctx that is cancelled on entry changes nothing", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		before := mustPut(t, w, s, day1, 1, numbered(day1, 1, 5))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := put(ctx, w, s, day1, 2, numbered(day1, 2, 5)); !errors.Is(err, context.Canceled) {
			t.Errorf("replace: got %v, want %v", err, context.Canceled)
		}
		if err := w.Close(ctx, s, day1, warehouse.Fence{Generation: 9}, ""); !errors.Is(err, context.Canceled) {
			t.Errorf("close: got %v, want %v", err, context.Canceled)
		}
		if _, err := w.Load(ctx, s, nil, each(numbered(day1, 3, 5))); !errors.Is(err, context.Canceled) {
			t.Errorf("load: got %v, want %v", err, context.Canceled)
		}
		if err := w.Create(ctx, &table.Schema{Dataset: "suite", Name: "never", Columns: plain().Columns}); !errors.Is(err,
			context.Canceled) {
			t.Errorf("create: got %v, want %v", err, context.Canceled)
		}
		if _, err := w.Read(t.Context(), &table.Schema{Dataset: "suite", Name: "never", Columns: plain().Columns},
			gamedate.Date{}); !errors.Is(err, warehouse.ErrNoTable) {
			t.Errorf("read of a table that was not made: got %v, want %v", err, warehouse.ErrNoTable)
		}
		wantRows(t, w, s, day1, numbered(day1, 1, 5))
		if got := read(t, w, s, day1).Token; got != before.Token {
			t.Errorf("token: got %q, want %q", got, before.Token)
		}
		mustPut(t, w, s, day1, 1, numbered(day1, 4, 5)) // the generation was not raised either
	}},
	{"a ctx cancelled midway leaves the old content or the whole new one", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		mustPut(t, w, s, day1, 1, numbered(day1, 1, 300))
		for round := range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			before := measure(t, w, s, day1)
			next := numbered(day1, round+2, 300)
			started := make(chan struct{})
			var calls sync.WaitGroup
			var err error
			calls.Go(func() { close(started); _, err = put(ctx, w, s, day1, 1, next) })
			calls.Go(func() {
				<-started
				for range round * 5 { // later and later into the call
					_, _ = w.Tokens(t.Context(), s, span)
				}
				cancel()
			})
			calls.Wait()
			after := measure(t, w, s, day1)
			switch {
			case err == nil && after.Fingerprint != s.Fingerprint(next):
				t.Errorf("round %d: replace returned nil without its content", round)
			case err != nil && after.Fingerprint != before.Fingerprint && after.Fingerprint != s.Fingerprint(next):
				t.Errorf("round %d: %v left a mixture", round, err)
			}
		}
	}},
	{"of two writers of one date one wins whole", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		for round := range 25 {
			a, b := numbered(day1, 2*round, 40), numbered(day1, 2*round+1, 55)
			race(t, func() error { _, err := put(t.Context(), w, s, day1, 1, a); return err },
				func() error { _, err := put(t.Context(), w, s, day1, 1, b); return err })
			got := measure(t, w, s, day1)
			if got.Fingerprint != s.Fingerprint(a) && got.Fingerprint != s.Fingerprint(b) {
				t.Fatalf("round %d: %d rows that are neither writer's", round, got.Rows)
			}
		}
	}},
	{"writers of different dates do not fail each other", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		var calls []func() error
		for i, d := range slices.Collect(span.Dates()) {
			calls = append(calls, func() error { _, err := put(t.Context(), w, s, d, 1, numbered(d, i, 10)); return err })
		}
		race(t, calls...)
		for i, d := range slices.Collect(span.Dates()) {
			wantRows(t, w, s, d, numbered(d, i, 10))
		}
	}},
	{"readers see the old rows or the new rows, never a mixture", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		const versions = 30
		known := map[string]bool{}
		for v := range versions {
			known[s.Fingerprint(numbered(day1, v, 30+v))] = true
		}
		mustPut(t, w, s, day1, 1, numbered(day1, 0, 30))
		ctx, stop := context.WithCancel(t.Context())
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				for ctx.Err() == nil {
					p, err := w.Read(t.Context(), s, day1)
					if err != nil || !known[s.Fingerprint(p.Rows)] {
						t.Errorf("read: %d rows of no version, %v", len(p.Rows), err)
						return
					}
					if m, err := w.Measure(t.Context(), s, day1); err != nil || !known[m.Fingerprint] {
						t.Errorf("measure: %d rows of no version, %v", m.Rows, err)
						return
					}
				}
			})
		}
		for v := range versions {
			mustPut(t, w, s, day1, 1, numbered(day1, v, 30+v))
		}
		stop()
		readers.Wait()
	}},
}

// race runs the calls at once and fails on any error.
func race(t *testing.T, calls ...func() error) {
	t.Helper()
	start := make(chan struct{})
	errs := make([]error, len(calls))
	var group sync.WaitGroup
	for i, call := range calls {
		group.Go(func() { <-start; errs[i] = call() })
	}
	close(start)
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

var fenceCases = []suiteCase{
	{"an older generation after a newer is fenced", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		mustPut(t, w, s, day1, 5, numbered(day1, 5, 5))
		if _, err := put(t.Context(), w, s, day1, 4, numbered(day1, 4, 5)); !errors.Is(err, warehouse.ErrFenced) {
			t.Errorf("generation 4 after 5: got %v, want %v", err, warehouse.ErrFenced)
		}
		wantRows(t, w, s, day1, numbered(day1, 5, 5))
		mustPut(t, w, s, day1, 5, numbered(day1, 6, 5))
		mustPut(t, w, s, day1, 7, numbered(day1, 7, 5))
		mustPut(t, w, s, day2, 4, numbered(day2, 4, 5)) // another partition has its own
	}},
	{"an emptied partition keeps its generation", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		mustPut(t, w, s, day1, 5, nil)
		if _, err := put(t.Context(), w, s, day1, 4, numbered(day1, 4, 5)); !errors.Is(err, warehouse.ErrFenced) {
			t.Errorf("generation 4 after 5: got %v, want %v", err, warehouse.ErrFenced)
		}
		wantRows(t, w, s, day1, nil)
	}},
	{"after Close an older write cannot land", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		mustPut(t, w, s, day1, 3, numbered(day1, 3, 5))
		old := warehouse.Write{Table: s, Date: day1, Fence: warehouse.Fence{Job: "suite", Run: "run", Generation: 3},
			Rows: numbered(day1, 4, 9)}
		id, err := w.Prepare(t.Context(), old)
		if err != nil {
			t.Fatal(err)
		}
		old.ID = id
		before := read(t, w, s, day1)
		for range 2 { // repeating it changes nothing
			if err := w.Close(t.Context(), s, day1, warehouse.Fence{Job: "suite", Run: "run", Generation: 4}, id); err != nil {
				t.Fatalf("close: %v", err)
			}
		}
		if _, err := w.Replace(t.Context(), old); !errors.Is(err, warehouse.ErrFenced) {
			t.Errorf("closed write: got %v, want %v", err, warehouse.ErrFenced)
		}
		wantRows(t, w, s, day1, numbered(day1, 3, 5))
		if got := read(t, w, s, day1).Token; got != before.Token {
			t.Errorf("token: got %q, want %q", got, before.Token)
		}
		if err := w.Close(t.Context(), s, day1, warehouse.Fence{Job: "suite", Run: "run", Generation: 3}, ""); !errors.Is(err,
			warehouse.ErrFenced) {
			t.Errorf("close by an older fence: got %v, want %v", err, warehouse.ErrFenced)
		}
		mustPut(t, w, s, day1, 4, numbered(day1, 5, 5))
	}},
	{"Close of a partition that never was", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		if err := w.Close(t.Context(), s, day1, warehouse.Fence{Job: "suite", Run: "run", Generation: 2}, ""); err != nil {
			t.Fatalf("close: %v", err)
		}
		wantRows(t, w, s, day1, nil)
		if _, err := put(t.Context(), w, s, day1, 1, numbered(day1, 1, 5)); !errors.Is(err, warehouse.ErrFenced) {
			t.Errorf("write: got %v, want %v", err, warehouse.ErrFenced)
		}
	}},
	{"racing generations end with the newer", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		for round := range int64(10) {
			older, newer := numbered(day1, 1, 20), numbered(day1, 2, 25)
			race(t, func() error {
				_, err := put(t.Context(), w, s, day1, 2*round+1, older)
				if errors.Is(err, warehouse.ErrFenced) {
					return nil
				}
				return err
			}, func() error { _, err := put(t.Context(), w, s, day1, 2*round+2, newer); return err })
			wantRows(t, w, s, day1, newer)
		}
	}},
	{"unguarded writes pass without a run", func(t *testing.T, w warehouse.Store) {
		s, _ := tables(t, w)
		if _, err := w.Replace(t.Context(),
			warehouse.Write{Table: s, Date: day1, Fence: warehouse.Fence{Unguarded: true},
				Rows: numbered(day1, 1, 5)}); err != nil {
			t.Fatal(err)
		}
		wantRows(t, w, s, day1, numbered(day1, 1, 5))
		mustPut(t, w, s, day1, 1, numbered(day1, 2, 5))
	}},
}
