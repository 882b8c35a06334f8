package feed

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// memory is a warehouse of slices: what the importers need of the port, and no more. It checks rows as a store would,
// and a Load that fails leaves the table as it was.
type memory struct {
	warehouse.Store // nil: a method that the importers are not meant to call panics

	mu      sync.Mutex // guards tables, failOn and loads
	tables  map[string][]table.Row
	schemas map[string]*table.Schema
	// failOn makes the Load of the named table fail after so many rows.
	failOn map[string]int
	loads  []string
}

var errFull = errors.New("disk full")

func newMemory() *memory {
	return &memory{tables: map[string][]table.Row{}, schemas: map[string]*table.Schema{}, failOn: map[string]int{}}
}

func (m *memory) Create(_ context.Context, t *table.Schema) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.schemas[t.FullName()] = t
	return nil
}

func (m *memory) Read(_ context.Context, t *table.Schema, date gamedate.Date) (warehouse.Partition, error) {
	return warehouse.Partition{Rows: m.rows(t, gamedate.Range{From: date, To: date})}, nil
}

// rows copies the rows of a range; the zero range is the whole table.
func (m *memory) rows(t *table.Schema, r gamedate.Range) []table.Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rows []table.Row
	for _, row := range m.tables[t.FullName()] {
		if t.Partition == "" || r.Contains(row[t.MustIndex(t.Partition)].Date()) {
			rows = append(rows, slices.Clone(row))
		}
	}
	return rows
}

func (m *memory) ReadRange(_ context.Context, t *table.Schema, r gamedate.Range,
	fn func(gamedate.Date, []table.Row) error) error {
	byDate := map[gamedate.Date][]table.Row{}
	for _, row := range m.rows(t, r) {
		d := row[t.MustIndex(t.Partition)].Date()
		byDate[d] = append(byDate[d], row)
	}
	for _, d := range slices.SortedFunc(maps.Keys(byDate), gamedate.Date.Compare) {
		if err := fn(d, byDate[d]); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Replace(_ context.Context, w warehouse.Write) (warehouse.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := slices.DeleteFunc(m.tables[w.Table.FullName()], func(row table.Row) bool {
		return w.Table.Partition == "" || row[w.Table.MustIndex(w.Table.Partition)].Date() == w.Date
	})
	m.tables[w.Table.FullName()] = append(kept, w.Rows...)
	return warehouse.Receipt{Rows: len(w.Rows)}, nil
}

func (m *memory) Load(_ context.Context, t *table.Schema, replace []string,
	rows func(func(table.Row) error) error) (warehouse.LoadResult, error) {
	key := func(row table.Row) string {
		s := ""
		for _, c := range replace {
			s += row[t.MustIndex(c)].Text() + "\x00"
		}
		return s
	}
	var added []table.Row
	gone := map[string]bool{}
	m.mu.Lock()
	limit, fails := m.failOn[t.FullName()]
	m.mu.Unlock()
	err := rows(func(row table.Row) error {
		if err := t.Check(row, gamedate.Date{}); err != nil {
			return err
		}
		if fails && len(added) == limit {
			return errFull
		}
		added = append(added, slices.Clone(row))
		gone[key(row)] = true
		return nil
	})
	if err != nil {
		return warehouse.LoadResult{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads = append(m.loads, t.FullName())
	before := len(m.tables[t.FullName()])
	kept := slices.DeleteFunc(slices.Clone(m.tables[t.FullName()]), func(row table.Row) bool { return gone[key(row)] })
	m.tables[t.FullName()] = append(kept, added...)
	return warehouse.LoadResult{Removed: before - len(kept), Added: len(added)}, nil
}

// fingerprints is one text per table: equal contents have equal texts, whatever the order of rows.
func (m *memory) fingerprints() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]string{}
	for name, rows := range m.tables {
		out[name] = m.schemas[name].Fingerprint(rows)
	}
	return out
}

// texts are the rows of a table as maps of their values that are not NULL.
func (m *memory) texts(t *testing.T, s *table.Schema) []map[string]string {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []map[string]string
	for _, row := range m.tables[s.FullName()] {
		text := map[string]string{}
		for i, v := range row {
			if !v.IsNull() {
				text[s.Columns[i].Name] = v.Text()
			}
		}
		out = append(out, text)
	}
	return out
}
