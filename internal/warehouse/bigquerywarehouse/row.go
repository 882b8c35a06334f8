package bigquerywarehouse

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/bigquery"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// checkAll refuses rows that break the schema, are of another date, or hold what a load job would change.
func checkAll(t *table.Schema, date gamedate.Date, rows []table.Row) error {
	if t.Partition != "" && date.IsZero() {
		return failure.MarkPermanent(errors.New("a table with partitions needs a date"), badRow)
	}
	for i, row := range rows {
		if err := check(t, date, i, row); err != nil {
			return err
		}
	}
	return nil
}

// check looks at row i; the zero date takes rows of every date.
func check(t *table.Schema, date gamedate.Date, i int, row table.Row) error {
	err := t.Check(row, date)
	if err == nil && t.Partition != "" && row[t.MustIndex(t.Partition)].IsNull() {
		err = &table.ValueError{Column: t.Partition, Want: "a date", Got: "NULL"}
	}
	for c := 0; c < len(row) && err == nil; c++ {
		err = storable(&t.Columns[c], row[c])
	}
	if err != nil {
		return failure.MarkPermanent(fmt.Errorf("row %d (%s): %w", i+1, t.Describe(row), err), badRow)
	}
	return nil
}

// storable refuses values of the right type that BigQuery does not take from JSON or gives back as others: NaN and the
// infinities, which JSON has no number for; -0; instants and dates outside of its range; bytes that are not UTF-8.
// Source of the range: BigQuery documentation, "Data types", DATE and TIMESTAMP: years 1 to 9999.
func storable(c *table.Column, v table.Value) error {
	want := ""
	switch v.Type() {
	case table.FLOAT64:
		if f, _ := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) || f == 0 && math.Signbit(f) {
			want = "a finite number, and no negative zero"
		}
	case table.TIMESTAMP:
		if y := v.Time().Year(); y < 1 || y > 9999 {
			want = "a year from 1 to 9999"
		}
	case table.DATE:
		if d := v.Date(); d.Year < 1 || d.Year > 9999 || gamedate.FromTime(d.Time()) != d {
			want = "a date of the years 1 to 9999"
		}
	case table.STRING:
		if !utf8.ValidString(v.Str()) {
			want = "UTF-8"
		}
	case table.STRINGS:
		if slices.ContainsFunc(v.List(), func(s string) bool { return !utf8.ValidString(s) }) {
			want = "UTF-8"
		}
	}
	if want == "" {
		return nil
	}
	return &table.ValueError{Column: c.Name, Want: want, Got: v.Text()}
}

// encoder writes rows as gzip NDJSON, the form in which load jobs take them. NULLs are left out.
type encoder struct {
	t    *table.Schema
	buf  bytes.Buffer
	gzip *gzip.Writer
	line bytes.Buffer
}

func newEncoder(t *table.Schema) *encoder {
	e := &encoder{t: t}
	e.gzip, _ = gzip.NewWriterLevel(&e.buf, gzip.BestSpeed) // the level is a valid one
	return e
}

// encodeAll is the encoded form of rows that have been checked.
func encodeAll(t *table.Schema, rows []table.Row) ([]byte, error) {
	e := newEncoder(t)
	for _, row := range rows {
		if err := e.add(row); err != nil {
			return nil, err
		}
	}
	return e.finish()
}

func (e *encoder) add(row table.Row) error {
	e.line.Reset()
	separator := byte('{')
	for i, v := range row {
		if v.IsNull() {
			continue
		}
		e.line.WriteByte(separator)
		separator = ','
		name, err := json.Marshal(e.t.Columns[i].Name)
		if err != nil {
			return err
		}
		e.line.Write(name)
		e.line.WriteByte(':')
		value, err := jsonValue(v)
		if err != nil {
			return fmt.Errorf("encode column %s: %w", e.t.Columns[i].Name, err)
		}
		e.line.Write(value)
	}
	if separator == '{' {
		e.line.WriteByte('{')
	}
	e.line.WriteString("}\n")
	_, err := e.gzip.Write(e.line.Bytes())
	return err
}

// finish returns what was encoded and begins anew.
func (e *encoder) finish() ([]byte, error) {
	if err := e.gzip.Close(); err != nil {
		return nil, err
	}
	content := bytes.Clone(e.buf.Bytes())
	e.buf.Reset()
	e.gzip.Reset(&e.buf)
	return content, nil
}

// maxExact is the largest whole number up to which every one is a JSON number that keeps its value; larger ones go as
// text. Source: BigQuery documentation, "Loading JSON data from Cloud Storage", limitations: 2^53 - 1.
const maxExact = 1<<53 - 1

func jsonValue(v table.Value) ([]byte, error) {
	switch v.Type() {
	case table.INT64:
		if n, _ := v.Int64(); n < -maxExact || n > maxExact {
			return json.Marshal(v.Text())
		}
		return []byte(v.Text()), nil
	case table.FLOAT64:
		f, _ := v.Float64()
		return strconv.AppendFloat(nil, f, 'g', -1, 64), nil
	case table.BOOL:
		return []byte(v.Text()), nil
	case table.STRINGS:
		return json.Marshal(v.List())
	}
	return json.Marshal(v.Text()) // NUMERIC as text keeps every digit
}

// decoder turns rows of a result into rows of a schema. Columns are found by name, without regard to case as in
// BigQuery; columns that the result does not have are NULL.
type decoder struct {
	t       *table.Schema
	columns []int // of the result, one a column of the schema, -1 for none
}

func newDecoder(t *table.Schema, result bigquery.Schema) *decoder {
	d := &decoder{t: t}
	for _, c := range t.Columns {
		d.columns = append(d.columns,
			slices.IndexFunc(result, func(f *bigquery.FieldSchema) bool { return strings.EqualFold(f.Name, c.Name) }))
	}
	return d
}

func (d *decoder) row(values []bigquery.Value) (table.Row, error) {
	row := make(table.Row, len(d.t.Columns))
	for i := range d.t.Columns {
		if d.columns[i] < 0 {
			continue
		}
		v, err := decode(&d.t.Columns[i], values[d.columns[i]])
		if err != nil {
			return nil, err
		}
		row[i] = v
	}
	return row, nil
}

// decode is the value of a column as the client delivers it.
func decode(c *table.Column, stored bigquery.Value) (table.Value, error) {
	bad := func() (table.Value, error) {
		err := &table.ValueError{Column: c.Name, Want: c.TypeName(),
			Got: fmt.Sprintf("%.60q in the table", fmt.Sprint(stored))}
		return table.Null, failure.MarkPermanent(fmt.Errorf("%w: somebody else wrote it; correct the row", err),
			"bad_stored_value")
	}
	switch x := stored.(type) {
	case nil:
		return table.Null, nil
	case string:
		if c.Type == table.STRING {
			return table.String(x), nil
		}
	case int64:
		if c.Type == table.INT64 {
			return table.Int(x), nil
		}
	case float64:
		if c.Type == table.FLOAT64 {
			return table.Float(x), nil
		}
	case bool:
		if c.Type == table.BOOL {
			return table.Bool(x), nil
		}
	case time.Time:
		if c.Type == table.TIMESTAMP {
			return table.Timestamp(x), nil
		}
	case *big.Rat:
		if n, ok := unscaled(x, c.Scale); c.Type == table.NUMERIC && ok {
			return table.Numeric(n, c.Scale), nil
		}
	case []bigquery.Value:
		if c.Type != table.STRINGS {
			return bad()
		}
		var list []string
		for _, element := range x {
			text, ok := element.(string)
			if !ok {
				return bad()
			}
			list = append(list, text)
		}
		return table.Strings(list), nil
	case fmt.Stringer: // the client's civil.Date
		if d, err := gamedate.Parse(x.String()); c.Type == table.DATE && err == nil {
			return table.Date(d), nil
		}
	}
	return bad()
}

// unscaled is r times 10^scale; ok is false where that is no whole number of 64 bits.
func unscaled(r *big.Rat, scale int) (n int64, ok bool) {
	factor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	scaled := new(big.Rat).Mul(r, new(big.Rat).SetInt(factor))
	if !scaled.IsInt() || !scaled.Num().IsInt64() {
		return 0, false
	}
	return scaled.Num().Int64(), true
}
