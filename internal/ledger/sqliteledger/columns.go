package sqliteledger

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/sqlitefile"
)

// columns reads the values of one row from left to right. The first misfit is kept in err and everything after it reads
// as zero, so a row is read without a check a column.
type columns struct {
	values []driver.Value
	err    error
}

func (c *columns) take() driver.Value {
	if c.err != nil {
		return nil
	}
	if len(c.values) == 0 {
		c.err = fmt.Errorf("row is too short")
		return nil
	}
	v := c.values[0]
	c.values = c.values[1:]
	return v
}

func (c *columns) misfit(v driver.Value, want string) {
	if c.err == nil {
		c.err = fmt.Errorf("stored value is %T, want %s", v, want)
	}
}

// text reads a text; NULL is "".
func (c *columns) text() string {
	switch v := c.take().(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	default:
		c.misfit(v, "text")
		return ""
	}
}

// bytes reads a text or blob; NULL is nil.
func (c *columns) bytes() []byte {
	switch v := c.take().(type) {
	case nil:
		return nil
	case string:
		return []byte(v)
	case []byte:
		return append([]byte{}, v...)
	default:
		c.misfit(v, "bytes")
		return nil
	}
}

// integer reads an integer; NULL is 0.
func (c *columns) integer() int64 {
	switch v := c.take().(type) {
	case nil:
		return 0
	case int64:
		return v
	default:
		c.misfit(v, "an integer")
		return 0
	}
}

func (c *columns) flag() bool { return c.integer() != 0 }

// instant reads microseconds; NULL is the zero time.
func (c *columns) instant() time.Time {
	switch v := c.take().(type) {
	case nil:
		return time.Time{}
	case int64:
		return time.UnixMicro(v).UTC()
	default:
		c.misfit(v, "an instant")
		return time.Time{}
	}
}

func (c *columns) date() gamedate.Date {
	var d gamedate.Date
	if err := d.UnmarshalText([]byte(c.text())); err != nil && c.err == nil {
		c.err = err
	}
	return d
}

// json reads a JSON text into what to points at; NULL leaves it alone.
func (c *columns) json(to any) {
	text := c.bytes()
	if c.err == nil && text != nil {
		c.err = json.Unmarshal(text, to)
	}
}

// scan runs a query and returns what read makes of each row.
func scan[T any](tx *sqlitefile.Tx, query string, args []any, read func(*columns) T) ([]T, error) {
	var found []T
	err := tx.Scan(query, args, func(values []driver.Value) error {
		c := columns{values: values}
		found = append(found, read(&c))
		return c.err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// read is scan on a snapshot of its own.
func read[T any](ctx context.Context, l *Ledger, query string, args []any,
	read func(*columns) T) (found []T, err error) {
	err = l.file.Read(ctx, func(tx *sqlitefile.Tx) (err error) {
		found, err = scan(tx, query, args, read)
		return err
	})
	return found, err
}

// micros is an instant as stored; the zero time is NULL.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// flag is a truth value as stored.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// dateText is a game date as stored; the zero date is "".
func dateText(d gamedate.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

// jsonText is v as stored; nil pointers, slices and maps are NULL.
func jsonText(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if string(text) == "null" {
		return nil, nil
	}
	return string(text), nil
}
