package bigqueryfake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	bq "google.golang.org/api/bigquery/v2"
)

// A cell is a stored value in the text of the API: nil for NULL, a string, or []string for a REPEATED column, which is
// never NULL. A TIMESTAMP is its microseconds since the epoch.
type cell = any

// row holds one cell a column, in the order of the schema. Rows are never changed once they are stored; those that are
// shorter than the schema were stored before its last columns were added.
type row []cell

func (r row) cell(i int, f *bq.TableFieldSchema) cell {
	if i < len(r) && r[i] != nil {
		return r[i]
	}
	if f.Mode == "REPEATED" {
		return []string(nil)
	}
	return nil
}

// typeNames are the types that the fake stores, by both of their names; the API answers with the older one.
var typeNames = map[string]string{
	"STRING": "STRING", "INTEGER": "INTEGER", "INT64": "INTEGER", "FLOAT": "FLOAT", "FLOAT64": "FLOAT",
	"NUMERIC": "NUMERIC", "DECIMAL": "NUMERIC", "BOOLEAN": "BOOLEAN", "BOOL": "BOOLEAN", "DATE": "DATE",
	"TIMESTAMP": "TIMESTAMP",
}

// typeText is a column's type as messages show it.
func typeText(f *bq.TableFieldSchema) string {
	if f.Precision > 0 {
		return fmt.Sprintf("%s(%d, %d)", f.Type, f.Precision, f.Scale)
	}
	return f.Type
}

// size is the logical size of a value in bytes. Source: documentation, "Estimate and control costs", data size
// calculation.
func size(f *bq.TableFieldSchema, c cell) (n int64) {
	one := func(text string) int64 {
		switch f.Type {
		case "STRING":
			return 2 + int64(len(text))
		case "NUMERIC":
			return 16
		case "BOOLEAN":
			return 1
		}
		return 8
	}
	switch c := c.(type) {
	case string:
		return one(c)
	case []string:
		for _, text := range c {
			n += one(text)
		}
	}
	return n
}

// wire is a value in the JSON form of a row.
func wire(f *bq.TableFieldSchema, c cell, int64Timestamp bool) any {
	one := func(text string) string {
		if f.Type != "TIMESTAMP" || int64Timestamp {
			return text
		}
		micros, _ := strconv.ParseInt(text, 10, 64) // stored by this package
		return strconv.FormatFloat(float64(micros)/1e6, 'E', -1, 64)
	}
	switch c := c.(type) {
	case string:
		return one(c)
	case []string:
		elements := []any{}
		for _, text := range c {
			elements = append(elements, map[string]any{"v": one(text)})
		}
		return elements
	}
	return nil
}

// wireRows is rows in the JSON form of tabledata.list and of query results.
func wireRows(fields []*bq.TableFieldSchema, rows []row, int64Timestamp bool) []*bq.TableRow {
	list := []*bq.TableRow{}
	for _, r := range rows {
		out := &bq.TableRow{}
		for i, f := range fields {
			c := &bq.TableCell{V: wire(f, r.cell(i, f), int64Timestamp)}
			if c.V == nil {
				c.NullFields = []string{"V"}
			}
			out.F = append(out.F, c)
		}
		list = append(list, out)
	}
	return list
}

// rowError is what is wrong with a row, in the service's words.
type rowError string

func (e rowError) Error() string { return string(e) }

func badRow(format string, args ...any) error { return rowError(fmt.Sprintf(format, args...)) }

// parse reads the value of a column from JSON as a load job does. The error is the words of the service after "JSON
// parsing error in row starting at position N: ".
func parse(f *bq.TableFieldSchema, raw json.RawMessage) (cell, error) {
	null := bytes.Equal(raw, []byte("null"))
	if f.Mode != "REPEATED" {
		switch {
		case null && f.Mode == "REQUIRED":
			return nil, badRow("Only optional fields can be set to NULL. Field: %s; Value: NULL", f.Name)
		case null:
			return nil, nil
		}
		return parseOne(f, raw)
	}
	if null { // documentation, "Data types", array type: a NULL array is stored as an empty one
		return []string(nil), nil
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return nil, badRow("Repeated field must be imported as a JSON array. Field: %s", f.Name)
	}
	var list []string
	for _, e := range elements {
		if bytes.Equal(e, []byte("null")) {
			return nil, badRow("Only optional fields can be set to NULL. Field: %s; Value: NULL", f.Name)
		}
		text, err := parseOne(f, e)
		if err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	return list, nil
}

// maxExact is the largest whole number that a JSON number brings unharmed. Source: documentation, "Loading JSON data
// from Cloud Storage", limitations: 2^53 - 1.
const maxExact = 1<<53 - 1

var datePattern = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)

func parseOne(f *bq.TableFieldSchema, raw json.RawMessage) (string, error) {
	var value any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return "", badRow("Parser terminated before end of string")
	}
	quoted, isString := value.(string)
	number, isNumber := value.(json.Number)
	text := quoted
	if isNumber {
		text = number.String()
	}
	bad := func(kind string) (string, error) {
		return "", badRow("Could not convert value to %s. Field: %s; Value: %s", kind, f.Name, strings.Trim(string(raw), `"`))
	}
	switch f.Type {
	case "STRING":
		if !isString {
			return bad("string")
		}
		return quoted, nil
	case "INTEGER":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return bad("integer")
		}
		if isNumber && (n > maxExact || n < -maxExact) {
			n = int64(float64(n)) // what the documentation warns of
		}
		return strconv.FormatInt(n, 10), nil
	case "FLOAT":
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return bad("float")
		}
		return floatText(x), nil
	case "NUMERIC":
		return parseNumeric(f, text)
	case "BOOLEAN":
		if b, ok := value.(bool); ok {
			return strconv.FormatBool(b), nil
		}
		if b := strings.ToLower(quoted); b == "true" || b == "false" {
			return b, nil
		}
		return bad("boolean")
	case "DATE":
		if _, err := time.Parse(time.DateOnly, quoted); err != nil || !datePattern.MatchString(quoted) || quoted < "0001" {
			return "", badRow("Could not parse '%s' as DATE for field %s", strings.Trim(string(raw), `"`), f.Name)
		}
		return quoted, nil
	case "TIMESTAMP":
		t, ok := parseTimestamp(quoted)
		if !ok {
			return "", badRow("Could not parse '%s' as TIMESTAMP for field %s", strings.Trim(string(raw), `"`), f.Name)
		}
		return strconv.FormatInt(t.UnixMicro(), 10), nil
	}
	return "", badRow("type %s is unsupported by the fake", f.Type)
}

func floatText(x float64) string {
	switch {
	case math.IsInf(x, 1):
		return "Infinity"
	case math.IsInf(x, -1):
		return "-Infinity"
	case math.IsNaN(x):
		return "NaN"
	}
	text := strconv.FormatFloat(x, 'G', -1, 64)
	if !strings.ContainsAny(text, ".E") {
		text += ".0"
	}
	return text
}

// timestampLayouts are forms of TIMESTAMP in JSON. Source: documentation, "Data types", timestamp type: canonical
// format, with a zone or without, which is UTC.
var timestampLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 UTC", "2006-01-02T15:04:05",
	"2006-01-02 15:04:05",
}

var finerThanMicros = regexp.MustCompile(`\.\d{7,}`)

func parseTimestamp(text string) (time.Time, bool) {
	if finerThanMicros.MatchString(text) {
		return time.Time{}, false
	}
	for _, layout := range timestampLayouts {
		if t, err := time.Parse(layout, text); err == nil && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 {
			return t, true
		}
	}
	return time.Time{}, false
}

var numericPattern = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?$`)

// parseNumeric reads a NUMERIC. Digits beyond the scale are rounded half away from zero, whole digits beyond precision
//   - scale are an error. Source: documentation, "Data types", parameterized decimal type; NUMERIC alone is NUMERIC(38,
//     9).
func parseNumeric(f *bq.TableFieldSchema, text string) (string, error) {
	bad := badRow("Invalid NUMERIC value: %s Field: %s; Value: %s", text, f.Name, text)
	if !numericPattern.MatchString(text) {
		return "", bad
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return "", bad
	}
	precision, scale := int64(38), int64(9)
	if f.Precision > 0 {
		precision, scale = f.Precision, f.Scale
	}
	rounded := r.FloatString(int(scale)) // rounds half away from zero
	if strings.Contains(rounded, ".") {
		rounded = strings.TrimRight(strings.TrimRight(rounded, "0"), ".")
	}
	if rounded == "-0" {
		rounded = "0"
	}
	whole, _, _ := strings.Cut(strings.TrimPrefix(rounded, "-"), ".")
	if whole != "0" && int64(len(whole)) > precision-scale {
		return "", badRow("NUMERIC value %s is out of range of %s. Field: %s; Value: %s", text, typeText(f), f.Name, text)
	}
	return rounded, nil
}
