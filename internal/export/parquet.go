package export

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// rowGroup is how many rows are encoded together: large enough to compress well, small enough to hold (about 40 MB of a
// table with a hundred columns).
const rowGroup = 20_000

// maxNarrowPrecision is up to how many digits a Parquet decimal belongs on INT32 (Parquet format, "Logical Types").
const maxNarrowPrecision = 9

// maxPrecision is how many decimal digits a Parquet decimal on INT64 has at most (Parquet format, "Logical Types").
const (
	maxPrecision = 18
	maxUnscaled  = 1_000_000_000_000_000_000 // 10^maxPrecision
)

// parquetEncoder writes rows by column position, without any Go struct: the schema is only known at run time.
type parquetEncoder struct {
	t       *table.Schema
	w       *parquet.GenericWriter[any]
	rows    []parquet.Row
	pending int // rows since the last row group
}

func newParquet(t *table.Schema, w io.Writer) (*parquetEncoder, error) {
	fields := orderedFields{Group: parquet.Group{}, names: t.Names()}
	for _, c := range t.Columns {
		node, err := parquetNode(c)
		if err != nil {
			return nil, err
		}
		fields.Group[c.Name] = node
	}
	return &parquetEncoder{t: t, w: parquet.NewGenericWriter[any](w, parquet.NewSchema(t.Name, fields),
		parquet.Compression(&parquet.Snappy), parquet.CreatedBy("gamefill", "", ""))}, nil
}

// orderedFields is a group whose fields keep the order of the table; a plain group sorts them by name.
type orderedFields struct {
	parquet.Group
	names []string
}

// Fields implements parquet.Node.
func (o orderedFields) Fields() []parquet.Field {
	fields := o.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int {
		return cmp.Compare(slices.Index(o.names, a.Name()), slices.Index(o.names, b.Name()))
	})
	return fields
}

// parquetNode is the Parquet type of a column. Only REQUIRED columns are required; a list is NULL when it is empty.
func parquetNode(c table.Column) (parquet.Node, error) {
	var node parquet.Node
	switch c.Type {
	case table.STRING:
		node = parquet.String()
	case table.INT64:
		node = parquet.Int(64)
	case table.FLOAT64:
		node = parquet.Leaf(parquet.DoubleType)
	case table.BOOL:
		node = parquet.Leaf(parquet.BooleanType)
	case table.DATE:
		node = parquet.Date()
	case table.TIMESTAMP:
		node = parquet.Timestamp(parquet.Microsecond)
	case table.NUMERIC:
		precision := cmp.Or(c.Precision, maxPrecision)
		if precision > maxPrecision {
			return nil, fmt.Errorf("column %s: a decimal of %d digits does not fit: at most %d", c.Name, precision, maxPrecision)
		}
		physical := parquet.Int64Type
		if precision <= maxNarrowPrecision {
			physical = parquet.Int32Type
		}
		node = parquet.Decimal(c.Scale, precision, physical)
	case table.STRINGS:
		return parquet.Optional(parquet.List(parquet.String())), nil
	default:
		return nil, fmt.Errorf("column %s: type %s has no Parquet form", c.Name, c.Type)
	}
	if c.Required {
		return parquet.Required(node), nil
	}
	return parquet.Optional(node), nil
}

func (e *parquetEncoder) write(rows []table.Row) error {
	for len(rows) > 0 {
		n := min(len(rows), rowGroup-e.pending)
		e.rows = e.rows[:0]
		for _, row := range rows[:n] {
			for i, v := range row {
				if n, _, ok := v.Unscaled(); ok && (n <= -maxUnscaled || n >= maxUnscaled) {
					return fmt.Errorf("column %s: decimal %s does not fit %d digits", e.t.Columns[i].Name, v.Text(), maxPrecision)
				}
			}
			e.rows = append(e.rows, e.row(row))
		}
		if _, err := e.w.WriteRows(e.rows); err != nil {
			return err
		}
		rows = rows[n:]
		if e.pending += n; e.pending == rowGroup {
			e.pending = 0
			if err := e.w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *parquetEncoder) close() error { return e.w.Close() }

// row spells out the levels of each value: definition 0 is NULL, 1 a value of an optional column, 2 an element of an
// optional list, whose elements after the first have repetition 1.
func (e *parquetEncoder) row(row table.Row) parquet.Row {
	out := make(parquet.Row, 0, len(row))
	for i, v := range row {
		c := e.t.Columns[i]
		switch {
		case v.IsNull():
			out = append(out, parquet.NullValue().Level(0, 0, i))
		case c.Type == table.STRINGS:
			for n, s := range v.List() {
				out = append(out, parquet.ByteArrayValue([]byte(s)).Level(min(n, 1), 2, i))
			}
		case c.Required:
			out = append(out, parquetValue(c, v).Level(0, 0, i))
		default:
			out = append(out, parquetValue(c, v).Level(0, 1, i))
		}
	}
	return out
}

// epoch is day 0 of a Parquet DATE.
var epoch = gamedate.Date{Year: 1970, Month: 1, Day: 1}

func parquetValue(c table.Column, v table.Value) parquet.Value {
	switch v.Type() {
	case table.INT64:
		n, _ := v.Int64()
		return parquet.Int64Value(n)
	case table.FLOAT64:
		f, _ := v.Float64()
		return parquet.DoubleValue(f)
	case table.NUMERIC:
		n, _, _ := v.Unscaled()
		if c.Precision > 0 && c.Precision <= maxNarrowPrecision {
			return parquet.Int32Value(int32(n))
		}
		return parquet.Int64Value(n)
	case table.BOOL:
		return parquet.BooleanValue(v.IsTrue())
	case table.DATE:
		return parquet.Int32Value(int32(v.Date().Sub(epoch)))
	case table.TIMESTAMP:
		return parquet.Int64Value(v.Time().UnixMicro())
	}
	return parquet.ByteArrayValue([]byte(v.Str()))
}
