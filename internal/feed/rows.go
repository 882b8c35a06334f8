package feed

import "gamefill/internal/table"

// builder fills rows of one table by column name.
type builder struct {
	schema *table.Schema
	index  map[string]int
}

func newBuilder(t *table.Schema) builder {
	b := builder{t, map[string]int{}}
	for i, c := range t.Columns {
		b.index[c.Name] = i
	}
	return b
}

// values maps column names to values; absent columns are NULL.
type values map[string]table.Value

// row makes a row; a name that the table lacks is a mistake in this package and panics.
func (b builder) row(vs values) table.Row {
	row := make(table.Row, len(b.schema.Columns))
	for name, v := range vs {
		b.set(row, name, v)
	}
	return row
}

func (b builder) set(row table.Row, name string, v table.Value) {
	i, ok := b.index[name]
	if !ok {
		panic("table " + b.schema.FullName() + " has no column " + name)
	}
	row[i] = v
}

func (b builder) get(row table.Row, name string) table.Value { return row[b.schema.MustIndex(name)] }

// stat says which column of a file goes to which column of a table.
type stat struct {
	from, to string
	signed   bool
}
