package diff

import (
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// Counts are the numbers of one comparison; they add up over dates.
type Counts struct {
	Before  int `json:"rows_before"`
	After   int `json:"rows_after"`
	Same    int `json:"same"`
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Changed int `json:"changed"`
	Lineage int `json:"lineage_only"` // rows of which only lineage columns differ
	// Erasing is the number of old rows that would lose values in unowned columns.
	Erasing    int `json:"erasing"`
	Duplicates int `json:"duplicate_keys"`
}

// Counts are the comparison's numbers.
func (p Partition) Counts() Counts {
	return Counts{p.Before, p.After, p.Same, len(p.Added), len(p.Removed), len(p.Changed), len(p.Lineage),
		len(p.Erased), len(p.Duplicates)}
}

// Differ reports whether anything differs. Duplicates alone do not: both sides may have the same ones.
func (c Counts) Differ() bool { return c.Added+c.Removed+c.Changed+c.Lineage+c.Erasing > 0 }

func (c *Counts) add(d Counts) {
	c.Before += d.Before
	c.After += d.After
	c.Same += d.Same
	c.Added += d.Added
	c.Removed += d.Removed
	c.Changed += d.Changed
	c.Lineage += d.Lineage
	c.Erasing += d.Erasing
	c.Duplicates += d.Duplicates
}

// Cell is one column of one row before and after; nil is NULL, or no row.
type Cell struct {
	Column string  `json:"column"`
	Before *string `json:"before"`
	After  *string `json:"after"`
}

// RowExample is one row that differs. Added and removed rows have no cells.
type RowExample struct {
	Date  gamedate.Date `json:"date"`
	Key   string        `json:"key"`             // as table.Schema.Describe writes it, of the new row where there is one
	Cells []Cell        `json:"cells,omitempty"` // without lineage columns
}

// ColumnExample is one value that differs.
type ColumnExample struct {
	Date   gamedate.Date `json:"date"`
	Key    string        `json:"key,omitempty"` // "" in lineage columns: it is one of all rows of the date
	Before *string       `json:"before"`
	After  *string       `json:"after"`
}

// Column is what happens to one column over all dates.
type Column struct {
	Column   string          `json:"column"`
	Rows     int             `json:"rows"`
	Examples []ColumnExample `json:"examples,omitempty"`
}

// DuplicateExample is one key with several rows on at least one side.
type DuplicateExample struct {
	Date   gamedate.Date `json:"date"`
	Key    string        `json:"key"`
	Before int           `json:"rows_before"`
	After  int           `json:"rows_after"`
}

// Total is what a rollup has added up.
type Total struct {
	Counts
	Dates     int `json:"dates"`           // compared
	Differing int `json:"differing_dates"` // of them
	// Columns are those in which changed rows differ, in schema order. LineageColumns come apart, with one example a date
	// at most. ErasedColumns are the unowned ones that would lose values.
	Columns        []Column `json:"columns"`
	LineageColumns []Column `json:"lineage_columns"`
	ErasedColumns  []Column `json:"erased_columns"`
	Examples       Examples `json:"examples"`
}

// Examples are rows that differ, in the order in which dates were added.
type Examples struct {
	Added      []RowExample       `json:"added,omitempty"`
	Removed    []RowExample       `json:"removed,omitempty"`
	Changed    []RowExample       `json:"changed,omitempty"`
	Duplicates []DuplicateExample `json:"duplicate_keys,omitempty"`
}

// Rollup adds up comparisons of partitions of one table. It keeps counts and a bounded number of examples.
type Rollup struct {
	schema   *table.Schema
	examples int
	total    Total
	changed  []Column // by schema position
	erased   []Column
}

// NewRollup makes an empty rollup that keeps at most examples examples of each kind and of each column.
func NewRollup(s *table.Schema, examples int) *Rollup {
	r := &Rollup{schema: s, examples: examples, changed: make([]Column, len(s.Columns)),
		erased: make([]Column, len(s.Columns))}
	for i, c := range s.Columns {
		r.changed[i].Column, r.erased[i].Column = c.Name, c.Name
	}
	return r
}

// Add adds one date. Examples are kept in the order of calls.
func (r *Rollup) Add(date gamedate.Date, p Partition) {
	c := p.Counts()
	r.total.Dates++
	if c.Differ() {
		r.total.Differing++
	}
	r.total.add(c)
	examples := &r.total.Examples
	for _, row := range p.Added {
		keep(&examples.Added, r.examples, func() RowExample { return RowExample{Date: date, Key: r.schema.Describe(row)} })
	}
	for _, row := range p.Removed {
		keep(&examples.Removed, r.examples, func() RowExample { return RowExample{Date: date, Key: r.schema.Describe(row)} })
	}
	for _, d := range p.Duplicates {
		keep(&examples.Duplicates, r.examples, func() DuplicateExample {
			return DuplicateExample{date, r.schema.Describe(d.Row), d.Before, d.After}
		})
	}
	for _, change := range p.Changed {
		keep(&examples.Changed, r.examples, func() RowExample {
			row := RowExample{Date: date, Key: r.schema.Describe(change.After)}
			for _, i := range change.Columns {
				if !r.schema.Columns[i].Lineage {
					row.Cells = append(row.Cells, Cell{r.schema.Columns[i].Name, text(change.Before, i), text(change.After, i)})
				}
			}
			return row
		})
		r.column(r.changed, date, change.Before, change.After, change.Columns)
	}
	for _, change := range p.Lineage {
		r.column(r.changed, date, change.Before, change.After, change.Columns)
	}
	for _, loss := range p.Erased {
		r.column(r.erased, date, loss.Before, loss.After, loss.Columns)
	}
}

// column counts one row in each of its columns.
func (r *Rollup) column(columns []Column, date gamedate.Date, before, after table.Row, positions []int) {
	named := after
	if named == nil {
		named = before
	}
	for _, i := range positions {
		columns[i].Rows++
		if r.schema.Columns[i].Lineage {
			if x := columns[i].Examples; len(x) == 0 || x[len(x)-1].Date != date {
				keep(&columns[i].Examples, r.examples, func() ColumnExample {
					return ColumnExample{Date: date, Before: text(before, i), After: text(after, i)}
				})
			}
			continue
		}
		keep(&columns[i].Examples, r.examples, func() ColumnExample {
			return ColumnExample{date, r.schema.Describe(named), text(before, i), text(after, i)}
		})
	}
}

// Total is the sum so far.
func (r *Rollup) Total() Total {
	t := r.total
	t.Columns, t.LineageColumns, t.ErasedColumns = []Column{}, []Column{}, []Column{} // empty lists in JSON, not null
	for i, c := range r.schema.Columns {
		switch changed := r.changed[i]; {
		case changed.Rows > 0 && c.Lineage:
			t.LineageColumns = append(t.LineageColumns, changed)
		case changed.Rows > 0:
			t.Columns = append(t.Columns, changed)
		}
		if r.erased[i].Rows > 0 {
			t.ErasedColumns = append(t.ErasedColumns, r.erased[i])
		}
	}
	return t
}

// keep appends an example while there are fewer than most.
func keep[T any](list *[]T, most int, example func() T) {
	if len(*list) < most {
		*list = append(*list, example())
	}
}

// text is a value's canonical text, nil for NULL and for no row.
func text(row table.Row, i int) *string {
	if row == nil || row[i].IsNull() {
		return nil
	}
	s := row[i].Text()
	return &s
}
