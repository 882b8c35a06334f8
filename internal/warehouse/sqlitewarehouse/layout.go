package sqlitewarehouse

import (
	"crypto/sha256"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
)

// generationColumn is the one column of every table that no schema has.
const generationColumn = "gamefill_generation"

// errNoColumn: a caller named a column that the schema does not have.
var errNoColumn = errors.New("no such column")

// layout is how one schema lies in the file: codecs and statements.
type layout struct {
	t         *table.Schema
	all       *table.Schema // t with every column compared: what a token covers
	codecs    []codec
	bent      []int // columns of types that SQLite does not keep whole, see codec.check
	partition int   // index of the partition column, -1 without
}

func newLayout(t *table.Schema) *layout {
	all := *t
	all.Columns = slices.Clone(t.Columns)
	l := &layout{t: t, all: &all, codecs: make([]codec, len(t.Columns)), partition: -1}
	for i, c := range t.Columns {
		all.Columns[i].Role = table.Owned
		l.codecs[i] = newCodec(c)
		switch c.Type {
		case table.FLOAT64, table.TIMESTAMP, table.DATE, table.STRING, table.STRINGS:
			l.bent = append(l.bent, i)
		}
		if c.Name == t.Partition {
			l.partition = i
		}
	}
	return l
}

// checksum is the token text of a partition with these rows, "" without rows.
func (l *layout) checksum(rows []table.Row) string { return tokenText(l.all.Fingerprint(rows)) }

// tokenText makes a fingerprint a token.
func tokenText(fingerprint string) string {
	if fingerprint == table.Empty {
		return ""
	}
	return fingerprint
}

// checkAll refuses rows that break the schema, are of another date, or hold what SQLite cannot keep.
func (l *layout) checkAll(rows []table.Row, date gamedate.Date) error {
	if l.partition >= 0 && date.IsZero() {
		return failure.MarkPermanent(errors.New("a table with partitions needs a date"), "bad_row")
	}
	for i, row := range rows {
		if err := l.check(row, date); err != nil {
			return badRow(l.t, i, row, err)
		}
	}
	return nil
}

func (l *layout) check(row table.Row, date gamedate.Date) error {
	if l.partition < 0 {
		date = gamedate.Date{}
	}
	if err := l.t.Check(row, date); err != nil {
		return err
	}
	if l.partition >= 0 && row[l.partition].IsNull() {
		return &table.ValueError{Column: l.t.Partition, Want: "a date", Got: "NULL"}
	}
	for _, i := range l.bent {
		if err := l.codecs[i].check(row[i]); err != nil {
			return err
		}
	}
	return nil
}

// badRow names the row, counted from 1, by its key.
func badRow(t *table.Schema, i int, row table.Row, err error) error {
	return failure.MarkPermanent(fmt.Errorf("row %d (%s): %w", i+1, t.Describe(row), err), "bad_row")
}

// quote makes an identifier of a name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal makes an SQL text of s.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return strings.Join(quoted, ", ")
}

// where is the condition for one partition; its argument comes from partitionArgs.
func (l *layout) where() string {
	if l.partition < 0 {
		return ""
	}
	return " WHERE " + quote(l.t.Partition) + " = ?"
}

func (l *layout) partitionArgs(date gamedate.Date) []any {
	if l.partition < 0 {
		return nil
	}
	return []any{date.String()}
}

// whereRange is the condition for a range of partitions.
func (l *layout) whereRange(r gamedate.Range) (string, []any) {
	if l.partition < 0 {
		return "", nil
	}
	return " WHERE " + quote(l.t.Partition) + " BETWEEN ? AND ?", []any{r.From.String(), r.To.String()}
}

func (l *layout) deleteSQL() string { return "DELETE FROM " + quote(l.t.Name) + l.where() }

func (l *layout) selectSQL() string {
	return "SELECT " + quoteAll(l.t.Names()) + " FROM " + quote(l.t.Name) + l.where()
}

// scan hands each row of a partition to fn; the row is reused.
func (l *layout) scan(tx *sqlitefile.Tx, date gamedate.Date, fn func(table.Row) error) error {
	row := make(table.Row, len(l.codecs))
	err := tx.Scan(l.selectSQL(), l.partitionArgs(date), func(stored []driver.Value) error {
		for i := range stored {
			v, ok := l.codecs[i].decode(stored[i])
			if !ok {
				return l.badStored(i, stored[i])
			}
			row[i] = v
		}
		return fn(row)
	})
	return lookAgain(tx, l.t, err)
}

// badStored is the error for a value that no write of gamefill can have stored.
func (l *layout) badStored(i int, v driver.Value) error {
	err := &table.ValueError{Column: l.t.Columns[i].Name, Want: l.t.Columns[i].TypeName(),
		Got: fmt.Sprintf("%.60q in the file", fmt.Sprint(v))}
	return failure.MarkPermanent(fmt.Errorf("%w: somebody else wrote it; correct the row", err), "bad_stored_value")
}

// fingerprint reads a partition for its fingerprint by the roles of as. As a token text use it through tokenText.
func (l *layout) fingerprint(tx *sqlitefile.Tx, date gamedate.Date,
	as *table.Schema) (fingerprint string, rows int, err error) {
	var hashes [][sha256.Size]byte
	err = l.scan(tx, date, func(row table.Row) error {
		hashes = append(hashes, as.RowHash(row))
		return nil
	})
	return table.FingerprintHashes(hashes), len(hashes), err
}

// partitionCount is how many rows a partition holds.
type partitionCount struct {
	date gamedate.Date
	rows int
}

// counts returns the partitions of a range that hold rows, by date. It reads the partition index alone.
func (l *layout) counts(tx *sqlitefile.Tx, r gamedate.Range) ([]partitionCount, error) {
	var counts []partitionCount
	if l.partition < 0 {
		var n int
		err := tx.QueryRow("SELECT count(*) FROM " + quote(l.t.Name)).Scan(&n)
		if n > 0 {
			counts = []partitionCount{{rows: n}}
		}
		return counts, lookAgain(tx, l.t, err)
	}
	column := quote(l.t.Partition)
	where, args := l.whereRange(r)
	err := tx.Scan("SELECT "+column+", count(*) FROM "+quote(l.t.Name)+where+" GROUP BY 1 ORDER BY 1", args, func(
		row []driver.Value) error {
		v, ok := l.codecs[l.partition].decode(row[0])
		if !ok {
			return l.badStored(l.partition, row[0])
		}
		counts = append(counts, partitionCount{v.Date(), int(row[1].(int64))})
		return nil
	})
	return counts, lookAgain(tx, l.t, err)
}
