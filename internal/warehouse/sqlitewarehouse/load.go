package sqlitewarehouse

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gamefill/internal/gamedate"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// loadBuffer is how many rows Load holds before it inserts them.
const loadBuffer = 256

// Load implements [warehouse.Loader], in one transaction: other writers of this process and of others wait meanwhile.
// rows runs inside it and must not use the file. The token of every partition it touches is computed from the content,
// so that loading the same rows again leaves the tokens as they were.
func (w *Warehouse) Load(ctx context.Context, t *table.Schema, replace []string,
	rows func(yield func(table.Row) error) error) (warehouse.LoadResult, error) {
	for _, name := range replace {
		if t.Index(name) < 0 {
			return warehouse.LoadResult{}, fmt.Errorf("load %s: %w: %q", t.FullName(), errNoColumn, name)
		}
	}
	ld := &load{l: newLayout(t), touched: map[gamedate.Date]bool{}}
	for _, name := range replace {
		ld.replace = append(ld.replace, t.Index(name))
	}
	err := w.f.WriteOnce(ctx, func(tx *sqlitefile.Tx) error { return ld.run(tx, rows) })
	if err != nil {
		return warehouse.LoadResult{}, fmt.Errorf("load %s: %w", t.FullName(), err)
	}
	return ld.result, nil
}

// load is one Load under way.
type load struct {
	l       *layout
	replace []int // columns

	before  int64 // the highest rowid of the old rows: new rows lie above it
	buffer  []table.Row
	nulls   map[string]table.Row   // rows with a NULL replace value, one a combination
	touched map[gamedate.Date]bool // partitions whose rows have changed
	result  warehouse.LoadResult
	err     error // the first that add returned: it ends the load even if the source goes on
}

func (ld *load) run(tx *sqlitefile.Tx, rows func(yield func(table.Row) error) error) error {
	t := ld.l.t
	if err := registered(tx, t); err != nil {
		return err
	}
	var before sql.NullInt64
	if err := tx.QueryRow("SELECT max(rowid) FROM " + quote(t.Name)).Scan(&before); err != nil {
		return lookAgain(tx, t, err)
	}
	ld.before = before.Int64
	if err := rows(func(row table.Row) error {
		if ld.err == nil {
			ld.err = ld.add(tx, row)
		}
		return ld.err
	}); err != nil {
		return err
	}
	if ld.err != nil {
		return ld.err
	}
	if err := ld.flush(tx); err != nil {
		return err
	}
	if err := ld.remove(tx); err != nil {
		return err
	}
	return ld.stamp(tx)
}

// add checks one row and keeps it for the next insert.
func (ld *load) add(tx *sqlitefile.Tx, row table.Row) error {
	if err := ld.l.check(row, gamedate.Date{}); err != nil {
		return badRow(ld.l.t, ld.result.Added+len(ld.buffer), row, err)
	}
	ld.touched[ld.l.dateOf(row)] = true
	if slices.ContainsFunc(ld.replace, func(i int) bool { return row[i].IsNull() }) {
		var key strings.Builder
		for _, i := range ld.replace {
			fmt.Fprintf(&key, "%d %q ", row[i].Type(), row[i].Text())
		}
		if ld.nulls == nil {
			ld.nulls = map[string]table.Row{}
		}
		ld.nulls[key.String()] = slices.Clone(row)
	}
	ld.buffer = append(ld.buffer, slices.Clone(row))
	if len(ld.buffer) < loadBuffer {
		return nil
	}
	return ld.flush(tx)
}

// dateOf is the partition of a row, the zero date without partitions.
func (l *layout) dateOf(row table.Row) gamedate.Date {
	if l.partition < 0 {
		return gamedate.Date{}
	}
	return row[l.partition].Date()
}

// flush inserts the rows kept. Their generation is 0: no lease is needed to load.
func (ld *load) flush(tx *sqlitefile.Tx) error {
	if err := ld.l.encode(ld.buffer).insert(tx, 0); err != nil {
		return lookAgain(tx, ld.l.t, err)
	}
	ld.result.Added += len(ld.buffer)
	ld.buffer = ld.buffer[:0]
	return nil
}

// remove deletes the old rows whose replace columns have values that came again: one statement for all combinations
// without NULL, which IN compares, and one for each combination with NULL.
func (ld *load) remove(tx *sqlitefile.Tx) error {
	if len(ld.replace) == 0 || ld.result.Added == 0 {
		return nil
	}
	columns := make([]string, len(ld.replace))
	for i, c := range ld.replace {
		columns[i] = ld.l.t.Columns[c].Name
	}
	name, list := quote(ld.l.t.Name), quoteAll(columns)
	if err := ld.removeWhere(tx, "("+list+") IN (SELECT "+list+" FROM "+name+" WHERE rowid > ?)", ld.before); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(ld.nulls)) {
		var conditions []string
		var args []any
		for i, c := range ld.replace {
			conditions = append(conditions, quote(columns[i])+" IS ?")
			args = append(args, ld.l.codecs[c].encode(ld.nulls[key][c]))
		}
		if err := ld.removeWhere(tx, strings.Join(conditions, " AND "), args...); err != nil {
			return err
		}
	}
	return nil
}

// removeWhere deletes old rows and notes the partitions that they leave.
func (ld *load) removeWhere(tx *sqlitefile.Tx, condition string, args ...any) error {
	l := ld.l
	from := " FROM " + quote(l.t.Name) + " WHERE rowid <= ? AND " + condition
	args = append([]any{ld.before}, args...)
	if l.partition >= 0 {
		err := tx.Scan("SELECT DISTINCT "+quote(l.t.Partition)+from, args, func(row []driver.Value) error {
			v, ok := l.codecs[l.partition].decode(row[0])
			if !ok {
				return l.badStored(l.partition, row[0])
			}
			ld.touched[v.Date()] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	n, err := tx.Exec("DELETE"+from, args...)
	ld.result.Removed += int(n)
	return err
}

// stamp gives every partition touched the token of its content.
func (ld *load) stamp(tx *sqlitefile.Tx) error {
	l := ld.l
	for _, date := range slices.SortedFunc(maps.Keys(ld.touched), gamedate.Date.Compare) {
		fingerprint, n, err := l.fingerprint(tx, date, l.all)
		if err != nil {
			return err
		}
		key := partitionKey(l.t, date)
		s, err := readState(tx, l.t.Name, key)
		if err != nil {
			return err
		}
		s.checksum, s.rows = tokenText(fingerprint), sql.NullInt64{Int64: int64(n), Valid: true}
		if err := writeState(tx, l.t.Name, key, s); err != nil {
			return err
		}
	}
	return nil
}
