package sqlitewarehouse

import (
	"database/sql/driver"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// maxRealPrecision is how many decimal digits a double keeps exactly (DBL_DIG of IEEE 754 binary64).
const maxRealPrecision = 15

// codec turns the values of one column into what SQLite stores and back.
type codec struct {
	column table.Column
	real   bool    // a NUMERIC kept as REAL
	factor float64 // 10^scale of such a column
	unit   int64   // the same
	limit  float64 // 10^precision
}

func newCodec(c table.Column) codec {
	real := c.Type == table.NUMERIC && c.Precision > 0 && c.Precision <= maxRealPrecision && c.Scale <= c.Precision
	k := codec{column: c, real: real}
	if real {
		k.factor, k.limit = math.Pow10(c.Scale), math.Pow10(c.Precision)
		k.unit = int64(k.factor)
	}
	return k
}

// sqlType is the declared type: one that the driver hands over as it is.
func (k *codec) sqlType() string {
	switch k.column.Type {
	case table.INT64, table.BOOL:
		return "INTEGER"
	case table.FLOAT64:
		return "REAL"
	case table.NUMERIC:
		if k.real {
			return "REAL"
		}
	}
	return "TEXT"
}

// check refuses values of the right type that SQLite would change: NaN, which becomes NULL; -0, which becomes 0;
// instants whose text has no fixed width; bytes that are not UTF-8, which other stores and JSON do not keep.
func (k *codec) check(v table.Value) error {
	want := ""
	switch v.Type() {
	case table.FLOAT64:
		if f, _ := v.Float64(); math.IsNaN(f) || f == 0 && math.Signbit(f) {
			want = "a number, and no negative zero"
		}
	case table.TIMESTAMP:
		if y := v.Time().Year(); y < 1 || y > 9999 {
			want = "a year from 1 to 9999"
		}
	case table.DATE:
		if !isDate(v.Date()) {
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
	return &table.ValueError{Column: k.column.Name, Want: want, Got: v.Text()}
}

// encode is the stored form of v.
func (k *codec) encode(v table.Value) driver.Value {
	switch v.Type() {
	case 0:
		return nil
	case table.INT64:
		n, _ := v.Int64()
		return n
	case table.BOOL:
		if v.IsTrue() {
			return int64(1)
		}
		return int64(0)
	case table.FLOAT64:
		f, _ := v.Float64()
		return f
	case table.NUMERIC:
		if k.real {
			n, _, _ := v.Unscaled()
			if n%k.unit == 0 { // SQLite stores it shorter, and gives it back as a REAL
				return n / k.unit
			}
			return float64(n) / k.factor
		}
	case table.STRING:
		return v.Str()
	}
	return v.Text()
}

// decode is the value of a stored form; ok is false for what encode never makes of this column.
func (k *codec) decode(stored driver.Value) (v table.Value, ok bool) {
	switch x := stored.(type) {
	case nil:
		return table.Null, true
	case int64:
		switch k.column.Type {
		case table.INT64:
			return table.Int(x), true
		case table.BOOL:
			return table.Bool(x == 1), x == 0 || x == 1
		}
	case float64:
		switch {
		case k.real:
			n := math.Round(x * k.factor)
			return table.Numeric(int64(n), k.column.Scale), math.Abs(n) < k.limit
		case k.column.Type == table.FLOAT64:
			return table.Float(x), true
		}
	case string:
		switch k.column.Type {
		case table.STRING:
			return table.String(x), true
		case table.DATE:
			if d, ok := parseDate(x); ok {
				return table.Date(d), true
			}
		case table.TIMESTAMP, table.STRINGS, table.NUMERIC:
			if k.column.Type == table.TIMESTAMP {
				if t, ok := parseTimestamp(x); ok {
					return table.Timestamp(t), true
				}
			}
			if k.real {
				return table.Null, false
			}
			v, err := k.column.ParseText(x)
			return v, err == nil
		}
	}
	return table.Null, false
}

// parseDate reads YYYY-MM-DD. Unlike gamedate.Parse it takes dates outside of the league's calendar: a column may hold
// dates of birth.
func parseDate(s string) (d gamedate.Date, ok bool) {
	if len(s) != len("2006-01-02") || s[4] != '-' || s[7] != '-' {
		return d, false
	}
	y, okY := digits(s[:4])
	m, okM := digits(s[5:7])
	day, okD := digits(s[8:])
	d = gamedate.Date{Year: y, Month: time.Month(m), Day: day}
	return d, okY && okM && okD && isDate(d)
}

// isDate reports whether d is a date of the years 1 to 9999, those whose text has its fixed width.
func isDate(d gamedate.Date) bool {
	return d.Year >= 1 && d.Year <= 9999 && gamedate.FromTime(d.Time()) == d
}

// parseTimestamp reads table.TimestampLayout; other forms, which only somebody else can have written, are left to the
// slower table.Column.ParseText.
func parseTimestamp(s string) (t time.Time, ok bool) {
	if len(s) != len(table.TimestampLayout) || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' ||
		s[26] != 'Z' {
		return t, false
	}
	d, okDate := parseDate(s[:10])
	hour, okH := digits(s[11:13])
	minute, okM := digits(s[14:16])
	second, okS := digits(s[17:19])
	micro, okF := digits(s[20:26])
	if !okDate || !okH || !okM || !okS || !okF || hour > 23 || minute > 59 || second > 59 {
		return t, false
	}
	return time.Date(d.Year, d.Month, d.Day, hour, minute, second, micro*1000, time.UTC), true
}

func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
