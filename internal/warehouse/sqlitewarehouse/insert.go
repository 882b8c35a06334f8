package sqlitewarehouse

import (
	"database/sql/driver"
	"strings"

	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
)

// encoded are rows in stored form, ready to be inserted: that work is done before the write lock is taken. Columns that
// are NULL in every row are left out, which SQLite makes NULL by itself.
type encoded struct {
	query  string
	width  int            // columns used and the generation
	values []driver.Value // width values a row; the generation is the first
}

func (l *layout) encode(rows []table.Row) *encoded {
	filled := make([]bool, len(l.codecs))
	for _, row := range rows {
		for i := range row {
			if !row[i].IsNull() {
				filled[i] = true
			}
		}
	}
	var used []int
	columns := []string{generationColumn}
	for i, ok := range filled {
		if ok {
			used = append(used, i)
			columns = append(columns, l.t.Columns[i].Name)
		}
	}
	e := &encoded{width: len(columns), values: make([]driver.Value, 0, len(rows)*len(columns))}
	e.query = "INSERT INTO " + quote(l.t.Name) + " (" + quoteAll(columns) + ") VALUES (?" +
		strings.Repeat(", ?", e.width-1) + ")"
	for _, row := range rows {
		e.values = append(e.values, nil)
		for _, i := range used {
			e.values = append(e.values, l.codecs[i].encode(row[i]))
		}
	}
	return e
}

// insert adds the rows under a generation. It may be called again. One row a statement: measured with 8 and with 32,
// more rows a statement save nothing.
func (e *encoded) insert(tx *sqlitefile.Tx, generation int64) error {
	for rest := e.values; len(rest) > 0; rest = rest[e.width:] {
		row := rest[:e.width]
		row[0] = generation
		if err := tx.ExecValues(e.query, row); err != nil {
			return err
		}
	}
	return nil
}
