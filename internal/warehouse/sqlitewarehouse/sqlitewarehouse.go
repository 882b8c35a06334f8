// Package sqlitewarehouse keeps the warehouse's tables in one SQLite file, shared with the embedded queue and ledger.
//
// Every table.Schema is one SQL table under the schema's name, so a person can open the file with any SQLite tool. The
// table has one more column, gamefill_generation, which gamefill's own writes fill. Values are stored as
//
//	INT64      INTEGER
//	BOOL       INTEGER, 0 or 1
//	FLOAT64    REAL; NaN and -0, which SQLite cannot keep, are refused
//	NUMERIC    REAL up to a precision of 15, which a double keeps exactly, else TEXT
//	STRING     TEXT, valid UTF-8, NUL included
//	DATE       TEXT, YYYY-MM-DD
//	TIMESTAMP  TEXT, table.TimestampLayout, years 1 to 9999
//	ARRAY      TEXT, JSON; the empty array is NULL
//
// so that SQL comparisons and sums mean what they say. The token of a partition is the fingerprint of all its columns
// as gamefill wrote them; triggers replace it by random text when anybody else changes a row, with whatever tool.
package sqlitewarehouse

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Options is empty: the file's options are given where it is opened.
type Options struct{}

// Warehouse is the warehouse on one file. It holds no state of its own.
type Warehouse struct {
	f *sqlitefile.File
}

var _ warehouse.Store = (*Warehouse)(nil)

// New returns the warehouse on f, which stays the caller's to close.
func New(ctx context.Context, f *sqlitefile.File, _ Options) (*Warehouse, error) {
	return &Warehouse{f}, ctx.Err()
}

// Identity is "sqlite:" and the file's random id: it does not change with the path that the file is reached by.
func (w *Warehouse) Identity(ctx context.Context) (string, error) {
	id, err := w.f.ID(ctx)
	return "sqlite:" + id, err
}

// Queries are none: what a file is asked costs nothing.
func (w *Warehouse) Queries() warehouse.Queries { return warehouse.Queries{} }

// Prepare returns "": a write is one transaction and needs no job.
func (w *Warehouse) Prepare(ctx context.Context, _ warehouse.Write) (string, error) {
	return "", ctx.Err()
}

// partitionKey is the bookkeeping's name for a partition: the date, ” for a table without partitions.
func partitionKey(t *table.Schema, date gamedate.Date) string {
	if t.Partition == "" {
		return ""
	}
	return date.String()
}

// Replace implements [warehouse.Partitions]. The guard of the file, if any, is asked inside the transaction.
func (w *Warehouse) Replace(ctx context.Context, write warehouse.Write) (warehouse.Receipt, error) {
	receipt, err := w.replace(ctx, write)
	if err != nil {
		return warehouse.Receipt{}, fmt.Errorf("replace %s: %w", partitionName(write.Table, write.Date), err)
	}
	return receipt, nil
}

func (w *Warehouse) replace(ctx context.Context, write warehouse.Write) (warehouse.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return warehouse.Receipt{}, err
	}
	l := newLayout(write.Table)
	if err := l.checkAll(write.Rows, write.Date); err != nil {
		return warehouse.Receipt{}, err
	}
	in := l.encode(write.Rows)
	key := partitionKey(write.Table, write.Date)
	checksum := l.checksum(write.Rows)
	err := w.f.Write(ctx, func(tx *sqlitefile.Tx) error {
		if err := registered(tx, write.Table); err != nil {
			return err
		}
		state, err := readState(tx, write.Table.Name, key)
		if err != nil {
			return err
		}
		if !write.Fence.Unguarded {
			if err := w.admit(tx, write, state.generation); err != nil {
				return err
			}
			state.generation = write.Fence.Generation
		}
		if _, err := tx.Exec(l.deleteSQL(), l.partitionArgs(write.Date)...); err != nil {
			return lookAgain(tx, write.Table, err)
		}
		if err := in.insert(tx, state.generation); err != nil {
			return lookAgain(tx, write.Table, err)
		}
		state.checksum, state.rows = checksum, sql.NullInt64{Int64: int64(len(write.Rows)), Valid: true}
		return writeState(tx, write.Table.Name, key, state)
	})
	return warehouse.Receipt{Rows: len(write.Rows), Token: warehouse.Token(checksum)}, err
}

// admit is the fence: first the generation that the partition has seen, then the ledger's word, if it is in this file.
func (w *Warehouse) admit(tx *sqlitefile.Tx, write warehouse.Write, stored int64) error {
	fence := write.Fence
	if stored > fence.Generation {
		return fmt.Errorf("%w: generation %d has it, this write is of %d", warehouse.ErrFenced, stored, fence.Generation)
	}
	guard := w.f.WriteGuard()
	if guard == nil {
		return nil
	}
	return guard(tx, fence.Job, fence.Run, partitionKey(write.Table, write.Date), fence.Generation)
}

// Close implements [warehouse.Partitions]: it raises the generation that the partition has seen. Transactions have no
// older write in flight that could land later, so id is not looked at.
func (w *Warehouse) Close(ctx context.Context, t *table.Schema, date gamedate.Date, fence warehouse.Fence,
	_ string) error {
	key := partitionKey(t, date)
	err := w.f.Write(ctx, func(tx *sqlitefile.Tx) error {
		if err := registered(tx, t); err != nil {
			return err
		}
		state, err := readState(tx, t.Name, key)
		if err != nil {
			return err
		}
		if state.generation > fence.Generation {
			return fmt.Errorf("%w: generation %d has it, this call is of %d", warehouse.ErrFenced, state.generation,
				fence.Generation)
		}
		_, err = tx.Exec(`INSERT INTO warehouse_partition (table_name, partition_date, generation) VALUES (?, ?, ?)
			ON CONFLICT (table_name, partition_date) DO UPDATE SET generation = excluded.generation`, t.Name, key, fence.Generation)
		return err
	})
	if err != nil {
		return fmt.Errorf("close %s: %w", partitionName(t, date), err)
	}
	return nil
}

// Read implements [warehouse.Partitions].
func (w *Warehouse) Read(ctx context.Context, t *table.Schema, date gamedate.Date) (warehouse.Partition, error) {
	l := newLayout(t)
	var p warehouse.Partition
	err := w.f.Read(ctx, func(tx *sqlitefile.Tx) error {
		p = warehouse.Partition{}
		if err := registered(tx, t); err != nil {
			return err
		}
		if err := l.scan(tx, date, func(row table.Row) error {
			p.Rows = append(p.Rows, slices.Clone(row))
			return nil
		}); err != nil {
			return err
		}
		state, err := readState(tx, t.Name, partitionKey(t, date))
		if token, known := state.token(len(p.Rows)); known {
			p.Token = token
		} else {
			p.Token = warehouse.Token(l.checksum(p.Rows))
		}
		return err
	})
	if err != nil {
		return warehouse.Partition{}, fmt.Errorf("read %s: %w", partitionName(t, date), err)
	}
	return p, nil
}

// Measure implements [warehouse.Partitions].
func (w *Warehouse) Measure(ctx context.Context, t *table.Schema, date gamedate.Date) (warehouse.Measure, error) {
	l := newLayout(t)
	var m warehouse.Measure
	err := w.f.Read(ctx, func(tx *sqlitefile.Tx) error {
		if err := registered(tx, t); err != nil {
			return err
		}
		var err error
		if m.Fingerprint, m.Rows, err = l.fingerprint(tx, date, t); err != nil {
			return err
		}
		m.Token, err = l.token(tx, date, m.Rows)
		return err
	})
	if err != nil {
		return warehouse.Measure{}, fmt.Errorf("measure %s: %w", partitionName(t, date), err)
	}
	return m, nil
}

// Tokens implements [warehouse.Tables].
func (w *Warehouse) Tokens(ctx context.Context, t *table.Schema,
	r gamedate.Range) (map[gamedate.Date]warehouse.Token, error) {
	l := newLayout(t)
	var tokens map[gamedate.Date]warehouse.Token
	err := w.f.Read(ctx, func(tx *sqlitefile.Tx) error {
		tokens = map[gamedate.Date]warehouse.Token{}
		if err := registered(tx, t); err != nil {
			return err
		}
		counts, err := l.counts(tx, r)
		if err != nil {
			return err
		}
		for _, c := range counts {
			if tokens[c.date], err = l.token(tx, c.date, c.rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("tokens of %s: %w", t.FullName(), err)
	}
	return tokens, nil
}

// ReadRange implements [warehouse.Tables]. Each partition is one snapshot of its own and fn runs outside of it, so fn
// may use the warehouse and take its time.
func (w *Warehouse) ReadRange(ctx context.Context, t *table.Schema, r gamedate.Range,
	fn func(gamedate.Date, []table.Row) error) error {
	l := newLayout(t)
	var counts []partitionCount
	err := w.f.Read(ctx, func(tx *sqlitefile.Tx) (err error) {
		if err := registered(tx, t); err != nil {
			return err
		}
		counts, err = l.counts(tx, r)
		return err
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", t.FullName(), err)
	}
	for _, c := range counts {
		p, err := w.Read(ctx, t, c.date)
		if err != nil {
			return err
		}
		if len(p.Rows) == 0 { // emptied since
			continue
		}
		if err := fn(c.date, p.Rows); err != nil {
			return err
		}
	}
	return nil
}

// registered refuses a table that [Warehouse.Create] has not made or adopted.
func registered(tx *sqlitefile.Tx, t *table.Schema) error {
	var dataset string
	err := tx.QueryRow("SELECT dataset FROM warehouse_table WHERE table_name = ?", t.Name).Scan(&dataset)
	if errors.Is(err, sql.ErrNoRows) || err == nil && dataset != t.Dataset {
		return noTable(t)
	}
	return err
}

func noTable(t *table.Schema) error {
	return failure.MarkEnvironment(
		fmt.Errorf("%w: %s: make it with publisher init, or publisher import if it is a raw table",
			warehouse.ErrNoTable, t.FullName()), "no_table")
}

// lookAgain explains an error of a statement on t's rows: somebody may have dropped the table or a column.
func lookAgain(tx *sqlitefile.Tx, t *table.Schema, err error) error {
	if err == nil || !sqlitefile.IsSQLError(err) {
		return err
	}
	var there int
	if tx.QueryRow("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?", t.Name).Scan(&there) == nil &&
		there == 0 {
		return noTable(t)
	}
	return failure.MarkEnvironment(fmt.Errorf("%w: compare the table with its schema: publisher init --check", err),
		"schema_mismatch")
}

func partitionName(t *table.Schema, date gamedate.Date) string {
	if t.Partition == "" {
		return t.FullName()
	}
	return t.FullName() + " " + date.String()
}

// state is the bookkeeping of one partition; the zero state is that of one never heard of.
type state struct {
	generation int64
	checksum   string
	rows       sql.NullInt64 // not valid after somebody else's change
}

func readState(tx *sqlitefile.Tx, name, key string) (s state, err error) {
	err = tx.Scan(
		"SELECT generation, checksum, row_count FROM warehouse_partition WHERE table_name = ? AND partition_date = ?",
		[]any{name, key}, func(row []driver.Value) error {
			s.generation, s.checksum = row[0].(int64), row[1].(string)
			s.rows.Int64, s.rows.Valid = row[2].(int64)
			return nil
		})
	return s, err
}

func writeState(tx *sqlitefile.Tx, name, key string, s state) error {
	_, err := tx.Exec(`INSERT INTO warehouse_partition (table_name, partition_date, generation, checksum, row_count)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT (table_name, partition_date) DO UPDATE SET
		generation = excluded.generation, checksum = excluded.checksum, row_count = excluded.row_count`,
		name, key, s.generation, s.checksum, s.rows)
	return err
}

// token is the token of a partition that holds so many rows. It is not known when the bookkeeping and the rows
// disagree: somebody copied rows with their generation, or removed bookkeeping. Then only the content tells.
func (s state) token(rows int) (token warehouse.Token, known bool) {
	switch {
	case rows == 0:
		return warehouse.NoToken, true
	case s.checksum != "" && (!s.rows.Valid || s.rows.Int64 == int64(rows)):
		return warehouse.Token(s.checksum), true
	}
	return "", false
}

// token is the token of a partition that holds so many rows.
func (l *layout) token(tx *sqlitefile.Tx, date gamedate.Date, rows int) (warehouse.Token, error) {
	state, err := readState(tx, l.t.Name, partitionKey(l.t, date))
	if err != nil {
		return "", err
	}
	if token, known := state.token(rows); known {
		return token, nil
	}
	checksum, _, err := l.fingerprint(tx, date, l.all)
	return warehouse.Token(checksum), err
}
