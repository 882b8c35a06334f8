package sqlitewarehouse_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"gamefill/internal/gamedate"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/sqlitewarehouse"
)

// The size of the table that the project is about: three seasons of game dates, one row a player and game.
const (
	benchDates = 600
	benchRows  = 230
)

// wide is a table of the summary's shape: 105 columns, a third of which nobody fills.
func wide() *table.Schema {
	t := &table.Schema{Dataset: "bench", Name: "wide", Partition: "game_date", Key: []string{"name"},
		Columns: []table.Column{
			{Name: "game_date", Type: table.DATE, Required: true},
			{Name: "name", Type: table.STRING, Required: true},
			{Name: "made_at", Type: table.TIMESTAMP, Role: table.Volatile},
			{Name: "flags", Type: table.STRINGS},
			{Name: "active", Type: table.BOOL},
		}}
	for i := len(t.Columns); i < 105; i++ {
		c := table.Column{Name: fmt.Sprintf("c%03d", i), Type: table.INT64}
		switch {
		case i%3 == 0:
			c.Role = table.Unowned
		case i%10 == 1:
			c.Type = table.STRING
		case i%3 == 1:
			c.Type, c.Precision, c.Scale = table.NUMERIC, 6, 2
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

func wideRows(t *table.Schema, date gamedate.Date) []table.Row {
	rows := make([]table.Row, benchRows)
	for n := range rows {
		row := make(table.Row, len(t.Columns))
		for i, c := range t.Columns {
			switch {
			case c.Role == table.Unowned:
			case c.Type == table.DATE:
				row[i] = table.Date(date)
			case c.Type == table.STRING:
				row[i] = table.String(fmt.Sprintf("player-%d-%d", n, i))
			case c.Type == table.TIMESTAMP:
				row[i] = table.Timestamp(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
			case c.Type == table.STRINGS:
				row[i] = table.Strings([]string{"a", "b"})
			case c.Type == table.BOOL:
				row[i] = table.Bool(n%2 == 0)
			case c.Type == table.NUMERIC:
				row[i] = table.Numeric(int64(n*100+i), 2)
			default:
				row[i] = table.Int(int64(n + i))
			}
		}
		rows[n] = row
	}
	return rows
}

func benchWarehouse(b *testing.B, s *table.Schema) *sqlitewarehouse.Warehouse {
	b.Helper()
	f, err := sqlitefile.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"), sqlitefile.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	w, err := sqlitewarehouse.New(b.Context(), f, sqlitewarehouse.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Create(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	return w
}

// all runs do for every date, two at a time as two workers would.
func all(b *testing.B, do func(date gamedate.Date) error) {
	b.Helper()
	var g errgroup.Group
	g.SetLimit(2)
	first := gamedate.MustParse("2021-10-19")
	for i := range benchDates {
		g.Go(func() error { return do(first.AddDays(i)) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPartitions times what a whole backfill asks of the file; one operation is all its partitions.
func BenchmarkPartitions(b *testing.B) {
	s := wide()
	partitions := map[gamedate.Date][]table.Row{}
	for i := range benchDates {
		date := gamedate.MustParse("2021-10-19").AddDays(i)
		partitions[date] = wideRows(s, date)
	}
	replace := func(w *sqlitewarehouse.Warehouse) func(gamedate.Date) error {
		return func(date gamedate.Date) error {
			_, err := w.Replace(b.Context(),
				warehouse.Write{Table: s, Date: date, Fence: warehouse.Fence{Generation: 1}, Rows: partitions[date]})
			return err
		}
	}
	b.Run("Replace/empty", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			w := benchWarehouse(b, s)
			b.StartTimer()
			all(b, replace(w))
		}
	})
	w := benchWarehouse(b, s)
	all(b, replace(w))
	b.Run("Replace/full", func(b *testing.B) {
		for b.Loop() {
			all(b, replace(w))
		}
	})
	b.Run("Measure", func(b *testing.B) {
		for b.Loop() {
			all(b, func(date gamedate.Date) error {
				m, err := w.Measure(b.Context(), s, date)
				if err == nil && m.Rows != benchRows {
					err = fmt.Errorf("%s: got %d rows, want %d", date, m.Rows, benchRows)
				}
				return err
			})
		}
	})
	b.Run("Read", func(b *testing.B) {
		for b.Loop() {
			all(b, func(date gamedate.Date) error {
				_, err := w.Read(b.Context(), s, date)
				return err
			})
		}
	})
	b.Run("Tokens", func(b *testing.B) {
		for b.Loop() {
			tokens, err := w.Tokens(b.Context(), s,
				gamedate.Range{From: gamedate.MustParse("2021-01-01"), To: gamedate.MustParse("2024-12-31")})
			if err != nil || len(tokens) != benchDates {
				b.Fatalf("got %d tokens, %v", len(tokens), err)
			}
		}
	})
}

// BenchmarkLoad times one raw season: 50,000 rows, loaded over the same rows.
func BenchmarkLoad(b *testing.B) {
	s := wide()
	s.Columns = s.Columns[:35]
	w := benchWarehouse(b, s)
	load := func() (warehouse.LoadResult, error) {
		return w.Load(b.Context(), s, []string{"game_date"}, func(yield func(table.Row) error) error {
			for i := range 50_000 / benchRows {
				for _, row := range wideRows(s, gamedate.MustParse("2021-10-19").AddDays(i)) {
					if err := yield(row); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if _, err := load(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if result, err := load(); err != nil || result.Added != result.Removed {
			b.Fatal(result, err)
		}
	}
}
