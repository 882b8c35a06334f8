package table

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"math"
	"strconv"
	"strings"
	"time"

	"gamefill/internal/gamedate"
)

// Value is one cell: a NULL or a value of one [Type]. The zero Value is NULL. Values are immutable.
//
// NUMERIC is a scaled integer: 36.5 at scale 1 is 365. TIMESTAMP is microseconds since the Unix epoch, UTC.
type Value struct {
	kind  Type
	scale uint8
	num   int64
	str   string
	list  []string
}

// Null is the NULL of every type.
var Null = Value{}

// Constructors, one a type.

// String is a STRING value; the empty text is not NULL.
func String(s string) Value { return Value{kind: STRING, str: s} }

// Int is an INT64 value.
func Int(n int64) Value { return Value{kind: INT64, num: n} }

// Bool is a BOOL value.
func Bool(b bool) Value {
	v := Value{kind: BOOL}
	if b {
		v.num = 1
	}
	return v
}

// Float is a FLOAT64 value.
func Float(f float64) Value { return Value{kind: FLOAT64, num: int64(math.Float64bits(f))} }

// Numeric is a NUMERIC value: unscaled / 10^scale.
func Numeric(unscaled int64, scale int) Value {
	return Value{kind: NUMERIC, scale: uint8(scale), num: unscaled}
}

// Date is a DATE value; the zero date is NULL.
func Date(d gamedate.Date) Value {
	if d.IsZero() {
		return Null
	}
	return Value{kind: DATE, num: int64(d.Year)*10000 + int64(d.Month)*100 + int64(d.Day)}
}

// Timestamp is a TIMESTAMP value, cut to microseconds; the zero time is NULL.
func Timestamp(t time.Time) Value {
	if t.IsZero() {
		return Null
	}
	return Value{kind: TIMESTAMP, num: t.UnixMicro()}
}

// Strings is an ARRAY<STRING> value. NULL and the empty array are the same value; the slice is kept, not copied.
func Strings(list []string) Value {
	if len(list) == 0 {
		return Null
	}
	return Value{kind: STRINGS, list: list}
}

// IsNull reports whether v is NULL.
func (v Value) IsNull() bool { return v.kind == 0 }

// Type is the value's type, 0 for NULL.
func (v Value) Type() Type { return v.kind }

// Str is the text of a STRING, "" for NULL.
func (v Value) Str() string { return v.str }

// Int64 is the number of an INT64; ok is false for NULL.
func (v Value) Int64() (n int64, ok bool) { return v.num, v.kind == INT64 }

// IsTrue reports whether v is the BOOL true.
func (v Value) IsTrue() bool { return v.kind == BOOL && v.num == 1 }

// Float64 is the number of a FLOAT64; ok is false for NULL.
func (v Value) Float64() (f float64, ok bool) {
	return math.Float64frombits(uint64(v.num)), v.kind == FLOAT64
}

// Unscaled is the integer of a NUMERIC at its scale; ok is false for NULL.
func (v Value) Unscaled() (n int64, scale int, ok bool) {
	return v.num, int(v.scale), v.kind == NUMERIC
}

// Date is the date of a DATE, the zero date for NULL.
func (v Value) Date() gamedate.Date {
	if v.kind != DATE {
		return gamedate.Date{}
	}
	return gamedate.Date{Year: int(v.num / 10000), Month: time.Month(v.num / 100 % 100), Day: int(v.num % 100)}
}

// Time is the instant of a TIMESTAMP in UTC, the zero time for NULL.
func (v Value) Time() time.Time {
	if v.kind != TIMESTAMP {
		return time.Time{}
	}
	return time.UnixMicro(v.num).UTC()
}

// List is the texts of an ARRAY<STRING>; nil for NULL. The caller must not change it.
func (v Value) List() []string { return v.list }

// Text is the canonical text of v, "" for NULL: decimals with all their places ("36.0"), dates YYYY-MM-DD, timestamps
// RFC 3339 with microseconds in UTC, arrays as JSON.
func (v Value) Text() string {
	switch v.kind {
	case STRING:
		return v.str
	case INT64:
		return strconv.FormatInt(v.num, 10)
	case BOOL:
		return strconv.FormatBool(v.num == 1)
	case FLOAT64:
		return strconv.FormatFloat(math.Float64frombits(uint64(v.num)), 'g', -1, 64)
	case NUMERIC:
		return decimalText(v.num, int(v.scale))
	case DATE:
		return v.Date().String()
	case TIMESTAMP:
		return v.Time().Format(TimestampLayout)
	case STRINGS:
		b, _ := json.Marshal(v.list) // texts always marshal
		return string(b)
	}
	return ""
}

// TimestampLayout is the fixed-width text form of TIMESTAMP values; its order is the order of time.
const TimestampLayout = "2006-01-02T15:04:05.000000Z"

func decimalText(n int64, scale int) string {
	if scale == 0 {
		return strconv.FormatInt(n, 10)
	}
	sign := ""
	u := uint64(n)
	if n < 0 {
		sign, u = "-", uint64(-n)
	}
	s := strconv.FormatUint(u, 10)
	if len(s) <= scale {
		s = strings.Repeat("0", scale-len(s)+1) + s
	}
	return sign + s[:len(s)-scale] + "." + s[len(s)-scale:]
}

// ParseText reads the canonical text of a non-NULL value of type c. Errors name the column and the text.
func (c Column) ParseText(s string) (Value, error) {
	bad := func() (Value, error) {
		return Null, &ValueError{Column: c.Name, Want: c.TypeName(), Got: strconv.Quote(clip(s))}
	}
	switch c.Type {
	case STRING:
		return String(s), nil
	case INT64:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return bad()
		}
		return Int(n), nil
	case BOOL:
		switch strings.ToLower(s) {
		case "true", "t", "1":
			return Bool(true), nil
		case "false", "f", "0":
			return Bool(false), nil
		}
		return bad()
	case FLOAT64:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return bad()
		}
		return Float(f), nil
	case NUMERIC:
		n, ok := parseDecimal(s, c.Scale)
		if !ok {
			return bad()
		}
		return Numeric(n, c.Scale), nil
	case DATE:
		d, err := gamedate.Parse(s)
		if err != nil {
			return bad()
		}
		return Date(d), nil
	case TIMESTAMP:
		for _, layout := range []string{TimestampLayout, time.RFC3339Nano, "2006-01-02 15:04:05.999999 MST",
			"2006-01-02 15:04:05.999999"} {
			if t, err := time.Parse(layout, s); err == nil {
				return Timestamp(t), nil
			}
		}
		return bad()
	case STRINGS:
		var list []string
		if err := json.Unmarshal([]byte(s), &list); err != nil {
			return bad()
		}
		return Strings(list), nil
	}
	return bad()
}

// parseDecimal reads a plain decimal exactly at the scale; more non-zero places than the scale are refused.
func parseDecimal(s string, scale int) (int64, bool) {
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	whole, frac, _ := strings.Cut(s, ".")
	frac = strings.TrimRight(frac, "0")
	if whole == "" || len(frac) > scale {
		return 0, false
	}
	n, err := strconv.ParseUint(whole+frac+strings.Repeat("0", scale-len(frac)), 10, 63)
	if err != nil {
		return 0, false
	}
	if neg {
		return -int64(n), true
	}
	return int64(n), true
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}

// Equal reports whether v and w are the same value of the same type. Two NULLs are equal.
func (v Value) Equal(w Value) bool { return v.Compare(w) == 0 }

// Compare orders values of one type, NULL first; it is meant for sorting and for equality, not for SQL semantics.
func (v Value) Compare(w Value) int {
	if c := cmp.Compare(v.kind, w.kind); c != 0 {
		return c
	}
	switch v.kind {
	case STRING:
		return cmp.Compare(v.str, w.str)
	case FLOAT64:
		return cmp.Compare(math.Float64frombits(uint64(v.num)), math.Float64frombits(uint64(w.num)))
	case STRINGS:
		return cmp.Compare(v.Text(), w.Text())
	}
	return cmp.Or(cmp.Compare(v.scale, w.scale), cmp.Compare(v.num, w.num))
}

// append writes a self-delimiting form of v to h: type, then length or fixed bytes. Two different values never write
// the same bytes; the bytes are the input of [Fingerprint].
func (v Value) append(b []byte) []byte {
	b = append(b, byte(v.kind))
	switch v.kind {
	case 0:
	case STRING:
		b = binary.AppendUvarint(b, uint64(len(v.str)))
		b = append(b, v.str...)
	case STRINGS:
		b = binary.AppendUvarint(b, uint64(len(v.list)))
		for _, s := range v.list {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
	case NUMERIC:
		b = append(b, v.scale)
		b = binary.BigEndian.AppendUint64(b, uint64(v.num))
	default:
		b = binary.BigEndian.AppendUint64(b, uint64(v.num))
	}
	return b
}

// Row is one row, values in the schema's column order.
type Row []Value

// ValueError says which column refused which value.
type ValueError struct {
	Column string
	Want   string // the column's type, or "a value" where NULL was given for a REQUIRED column
	Got    string
}

// Error names column, wanted type and given value.
func (e *ValueError) Error() string {
	return fmt.Sprintf("column %s: want %s, got %s", e.Column, e.Want, e.Got)
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
