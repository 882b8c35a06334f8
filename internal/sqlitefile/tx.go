package sqlitefile

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"
)

// Tx is one transaction, or one request's part of a group's. It is valid until the function it was given to returns,
// for that goroutine alone. Its statements are prepared once a connection and kept by their text, so queries should be
// constant texts with parameters. Every method first looks at the context of the Write or Read.
type Tx struct {
	ctx     context.Context
	c       *connection
	reading bool
	ended   bool
	broken  error // what ended the transaction under the caller
	rows    []*sql.Rows
	args    []driver.NamedValue // reused by every call
}

// errEnded is the answer of a Tx that was kept.
var errEnded = errors.New("transaction has ended")

func (tx *Tx) check() error {
	switch {
	case tx.ended:
		return errEnded
	case tx.broken != nil:
		return tx.broken
	}
	return tx.ctx.Err()
}

// note remembers an error after which SQLite may have rolled back the transaction: a later statement would then be
// committed by itself.
func (tx *Tx) note(err error) error {
	if err != nil && !tx.reading && endsTransaction(err) {
		tx.broken = err
	}
	return err
}

// queryContext is the context of queries. A reader's query is interrupted when its context ends; interrupting a writer
// would end the transaction that it shares.
func (tx *Tx) queryContext() context.Context {
	if tx.reading {
		return tx.ctx
	}
	return context.WithoutCancel(tx.ctx)
}

// end closes what the function left open.
func (tx *Tx) end() {
	tx.ended = true
	for _, r := range tx.rows {
		_ = r.Close() // only resets the statement
	}
}

// Exec runs one statement and returns how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (rowsAffected int64, err error) {
	if err := tx.check(); err != nil {
		return 0, err
	}
	s, err := tx.c.fastStmt(query)
	if err != nil {
		return 0, tx.note(err)
	}
	if err := tx.bind(args); err != nil {
		return 0, err
	}
	res, err := s.exec.ExecContext(context.Background(), tx.args)
	if err != nil {
		return 0, tx.note(err)
	}
	return res.RowsAffected()
}

// ExecValues is [Tx.Exec] for the hot path: values of SQLite's own Go types (nil, int64, float64, string, []byte),
// which are not kept.
func (tx *Tx) ExecValues(query string, values []driver.Value) error {
	if err := tx.check(); err != nil {
		return err
	}
	s, err := tx.c.fastStmt(query)
	if err != nil {
		return tx.note(err)
	}
	tx.bindValues(values)
	_, err = s.exec.ExecContext(context.Background(), tx.args)
	return tx.note(err)
}

// Query runs a query whose rows the caller goes through before it runs the same text again. Rows that are still open
// when the transaction ends are closed.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	s, err := tx.Prepare(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(tx.queryContext(), args...)
	if err != nil {
		return nil, tx.note(err)
	}
	tx.rows = append(tx.rows, rows)
	return rows, nil
}

// QueryRow runs a query for its first row. Errors, sql.ErrNoRows too, come from Scan of the result, which must be
// called.
func (tx *Tx) QueryRow(query string, args ...any) *sql.Row {
	s, err := tx.Prepare(query)
	if err != nil {
		// A Row cannot be made from an error. A refused query fails again by itself; one that must not run any more is
		// kept from it by a context that is done.
		ctx, cancel := context.WithCancel(tx.queryContext())
		if tx.check() != nil {
			cancel()
		}
		defer cancel()
		return tx.c.conn.QueryRowContext(ctx, query, args...)
	}
	return s.QueryRowContext(tx.queryContext(), args...)
}

// Prepare returns the kept statement of a query. It belongs to the connection: do not close it, nor use it afterwards.
func (tx *Tx) Prepare(query string) (*sql.Stmt, error) {
	if err := tx.check(); err != nil {
		return nil, err
	}
	s, err := tx.c.prepare(query)
	return s, tx.note(err)
}

// Scan runs a query and hands each row to fn as SQLite's own Go types: nil, int64, float64, string or []byte, no
// conversion and no reflection. The slice is reused for the next row; the texts in it are not. An error of fn ends it.
// fn may run other statements, the same query too.
func (tx *Tx) Scan(query string, args []any, fn func(row []driver.Value) error) (err error) {
	if err := tx.check(); err != nil {
		return err
	}
	s, err := tx.c.fastStmt(query)
	if err != nil {
		return tx.note(err)
	}
	if s.inUse { // a scan inside a scan of the same text
		if s, err = tx.c.newFastStmt(query); err != nil {
			return tx.note(err)
		}
		defer s.stmt.Close()
	}
	s.inUse = true
	defer func() { s.inUse = false }()
	if err := tx.bind(args); err != nil {
		return err
	}
	rows, err := s.query.QueryContext(tx.queryContext(), tx.args)
	if err != nil {
		return tx.note(err)
	}
	defer func() {
		if closeErr := rows.Close(); err == nil {
			err = tx.note(closeErr)
		}
	}()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := tx.ctx.Err(); err != nil {
			return err
		}
		switch err := rows.Next(row); {
		case err == io.EOF:
			return nil
		case err != nil:
			return tx.note(err)
		}
		if err := fn(row); err != nil {
			return err
		}
	}
}

// bindValues fills tx.args.
func (tx *Tx) bindValues(values []driver.Value) {
	tx.resize(len(values))
	for i, v := range values {
		tx.args[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
}

// bind fills tx.args with the arguments, converted as database/sql does.
func (tx *Tx) bind(args []any) error {
	tx.resize(len(args))
	for i, a := range args {
		nv := driver.NamedValue{Ordinal: i + 1}
		if named, ok := a.(sql.NamedArg); ok {
			nv.Name, a = named.Name, named.Value
		}
		switch a := a.(type) {
		case nil, int64, float64, string, []byte, bool, time.Time:
			nv.Value = a
		case int:
			nv.Value = int64(a)
		default:
			v, err := driver.DefaultParameterConverter.ConvertValue(a)
			if err != nil {
				return fmt.Errorf("argument %d: %w", i+1, err)
			}
			nv.Value = v
		}
		tx.args[i] = nv
	}
	return nil
}

func (tx *Tx) resize(n int) {
	if cap(tx.args) < n {
		tx.args = make([]driver.NamedValue, n)
	}
	tx.args = tx.args[:n]
}
