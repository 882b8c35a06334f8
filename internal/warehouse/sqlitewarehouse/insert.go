package sqlitewarehouse

import (
	"database/sql/driver"
	"strings"

	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
)

// rowsPerStatement is how many rows one INSERT carries. More rows a statement save little: the work is in the rows.
const rowsPerStatement = 8

// encoded are rows in stored form, ready to be inserted: that work is done before the write lock is taken. Columns that
// are NULL in every row are left out, which SQLite makes NULL by itself.
type encoded struct {
	columns []string
	width   int            // columns and the generation
	values  []driver.Value // width values a row; the generation is the first
	rows    int
	table   string
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
	for i, ok := range filled {
		if ok {
			used = append(used, i)
		}
	}
	e := &encoded{table: l.t.Name, rows: len(rows), width: len(used) + 1, columns: []string{generationColumn}}
	for _, i := range used {
		e.columns = append(e.columns, l.t.Columns[i].Name)
	}
	e.values = make([]driver.Value, 0, len(rows)*e.width)
	for _, row := range rows {
		e.values = append(e.values, nil)
		for _, i := range used {
			e.values = append(e.values, l.codecs[i].encode(row[i]))
		}
	}
	return e
}

// insert adds the rows under a generation. It may be called again.
func (e *encoded) insert(tx *sqlitefile.Tx, generation int64) error {
	for i := 0; i < len(e.values); i += e.width {
		e.values[i] = generation
	}
	rest := e.values
	for _, n := range []int{rowsPerStatement, 1} {
		query := e.sql(n)
		for step := n * e.width; len(rest) >= step; rest = rest[step:] {
			if err := tx.ExecValues(query, rest[:step]); err != nil {
				return err
			}
		}
	}
	return nil
}

// sql is the INSERT of n rows.
func (e *encoded) sql(n int) string {
	row := "(?" + strings.Repeat(", ?", e.width-1) + ")"
	return "INSERT INTO " + quote(e.table) + " (" + quoteAll(e.columns) + ") VALUES " + row + strings.Repeat(", "+row, n-1)
}
