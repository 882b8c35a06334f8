package table_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

var day = gamedate.MustParse("2022-01-15")

var every = &table.Schema{Dataset: "d", Name: "every", Partition: "day", Key: []string{"day", "s"},
	Columns: []table.Column{
		{Name: "day", Type: table.DATE, Required: true},
		{Name: "s", Type: table.STRING, Required: true},
		{Name: "i", Type: table.INT64},
		{Name: "f", Type: table.FLOAT64},
		{Name: "n", Type: table.NUMERIC, Precision: 6, Scale: 2},
		{Name: "b", Type: table.BOOL},
		{Name: "t", Type: table.TIMESTAMP, Role: table.Volatile},
		{Name: "l", Type: table.STRINGS},
		{Name: "u", Type: table.STRING, Role: table.Unowned},
	}}

func row(s string) table.Row {
	return table.Row{table.Date(day), table.String(s), table.Int(7), table.Float(0.1), table.Numeric(3650, 2),
		table.Bool(true),
		table.Timestamp(time.Date(2022, 1, 16, 3, 30, 0, 123456000, time.UTC)), table.Strings([]string{"a", "b"}),
		table.String("theirs")}
}

func TestTextRoundTrip(t *testing.T) {
	t.Parallel()
	tests := []struct {
		column table.Column
		value  table.Value
		text   string
	}{
		{every.Columns[1], table.String(""), ""},
		{every.Columns[1], table.String("Jokić, \"N\"\n\x00"), "Jokić, \"N\"\n\x00"},
		{every.Columns[2], table.Int(math.MinInt64), "-9223372036854775808"},
		{every.Columns[2], table.Int(math.MaxInt64), "9223372036854775807"},
		{every.Columns[3], table.Float(math.SmallestNonzeroFloat64), "5e-324"},
		{every.Columns[4], table.Numeric(999999, 2), "9999.99"},
		{every.Columns[4], table.Numeric(-5, 2), "-0.05"},
		{every.Columns[4], table.Numeric(0, 2), "0.00"},
		{every.Columns[5], table.Bool(false), "false"},
		{every.Columns[0], table.Date(day), "2022-01-15"},
		{every.Columns[6], table.Timestamp(time.Date(1946, 11, 1, 0, 0, 0, 1000, time.UTC)), "1946-11-01T00:00:00.000001Z"},
		{every.Columns[7], table.Strings([]string{"", "x,y", "\""}), `["","x,y","\""]`},
	}
	for _, tt := range tests {
		if got := tt.value.Text(); got != tt.text {
			t.Errorf("%s: text %q, want %q", tt.column.Name, got, tt.text)
		}
		back, err := tt.column.ParseText(tt.text)
		if err != nil || !back.Equal(tt.value) {
			t.Errorf("%s: parse %q: got %v, %v", tt.column.Name, tt.text, back.Text(), err)
		}
	}
}

func TestParseTextRefuses(t *testing.T) {
	t.Parallel()
	for column, texts := range map[int][]string{
		0: {"2022-02-30", "20220115", ""},
		2: {"1.5", "", "9223372036854775808", "1e3"},
		3: {"NaN", "Inf", "x"},
		4: {"1.234", "1e2", "", ".5x", "--1"},
		5: {"yes", ""},
		6: {"yesterday", "2022-01-15"},
		7: {"a,b", "[1]"},
	} {
		for _, text := range texts {
			_, err := every.Columns[column].ParseText(text)
			var bad *table.ValueError
			if !errors.As(err, &bad) || bad.Column != every.Columns[column].Name {
				t.Errorf("column %s, %q: got %v, want a *ValueError naming the column", every.Columns[column].Name, text, err)
			}
		}
	}
}

func TestNullIsNotZero(t *testing.T) {
	t.Parallel()
	for _, zero := range []table.Value{table.Int(0), table.String(""), table.Numeric(0, 2), table.Bool(false),
		table.Float(0)} {
		if zero.IsNull() || zero.Equal(table.Null) {
			t.Errorf("%s 0 is taken for NULL", zero.Type())
		}
	}
	if !table.Strings(nil).IsNull() || !table.Date(gamedate.Date{}).IsNull() || !table.Timestamp(time.Time{}).IsNull() {
		t.Error("an empty array, no date and no time are NULL")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	change := func(column string, v table.Value) table.Row {
		r := row("a")
		r[every.MustIndex(column)] = v
		return r
	}
	tests := []struct {
		name   string
		row    table.Row
		column string // that is named, "" for a good row
	}{
		{"good", row("a"), ""},
		{"nullable NULL", change("i", table.Null), ""},
		{"required NULL", change("s", table.Null), "s"},
		{"wrong type", change("i", table.String("7")), "i"},
		{"wrong scale", change("n", table.Numeric(36500, 3)), "n"},
		{"too large", change("n", table.Numeric(1000000, 2)), "n"},
		{"largest", change("n", table.Numeric(999999, 2)), ""},
		{"another date", change("day", table.Date(day.AddDays(1))), "day"},
		{"too short", row("a")[:3], "*"},
	}
	for _, tt := range tests {
		err := every.Check(tt.row, day)
		var bad *table.ValueError
		switch {
		case tt.column == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.column != "" && (!errors.As(err, &bad) || bad.Column != tt.column):
			t.Errorf("%s: got %v, want column %s named", tt.name, err, tt.column)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	base := []table.Row{row("a"), row("b"), row("c")}
	want := every.Fingerprint(base)
	reversed := slices.Clone(base)
	slices.Reverse(reversed)
	if got := every.Fingerprint(reversed); got != want {
		t.Error("row order shows")
	}
	for i, c := range every.Columns {
		changed := row("a")
		switch c.Type {
		case table.STRING:
			changed[i] = table.String("other")
		case table.TIMESTAMP:
			changed[i] = table.Timestamp(time.Unix(1, 0))
		default:
			changed[i] = table.Null
		}
		differs := every.Fingerprint([]table.Row{changed, base[1], base[2]}) != want
		if differs != (c.Role == table.Owned) {
			t.Errorf("column %s (role %d): a change shows %v", c.Name, c.Role, differs)
		}
	}
	if every.Fingerprint(base[:2]) == want || every.Fingerprint(append(base, row("c"))) == want {
		t.Error("a missing or doubled row does not show")
	}
	if got := every.Fingerprint(nil); got != table.Empty {
		t.Errorf("no rows: got %q", got)
	}
	// Values that print alike must not hash alike, and neighbours must not run together.
	a, b := row("ab"), row("a")
	b[7] = table.Strings([]string{"ba", "b"})
	if every.Fingerprint([]table.Row{a}) == every.Fingerprint([]table.Row{b}) {
		t.Error("neighbouring values run together")
	}
}

func TestContentFingerprintSeesUnownedColumns(t *testing.T) {
	t.Parallel()
	mine, theirs := row("a"), row("a")
	theirs[8] = table.Null
	if every.Fingerprint([]table.Row{mine}) != every.Fingerprint([]table.Row{theirs}) {
		t.Error("unowned columns show in the fingerprint")
	}
	if every.ContentFingerprint([]table.Row{mine}) == every.ContentFingerprint([]table.Row{theirs}) {
		t.Error("unowned columns do not show in the content fingerprint")
	}
	if !every.HasUnowned([]table.Row{mine}) || every.HasUnowned([]table.Row{theirs}) {
		t.Error("HasUnowned is wrong")
	}
}

func TestRangeFingerprint(t *testing.T) {
	t.Parallel()
	next := day.AddDays(1)
	a := table.RangeFingerprint(map[gamedate.Date]string{day: "x", next: "y"})
	if a == table.RangeFingerprint(map[gamedate.Date]string{day: "y", next: "x"}) {
		t.Error("swapped dates do not show")
	}
	if a != table.RangeFingerprint(map[gamedate.Date]string{day: "x", next: "y", day.AddDays(9): table.Empty}) {
		t.Error("dates without rows show")
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff("day=2022-01-15 s=a", every.Describe(row("a"))); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "-1.5", "36.50", "9999.99", "x", "1e5", "0.005"} {
		f.Add(s)
	}
	c := every.Columns[4]
	f.Fuzz(func(t *testing.T, s string) {
		v, err := c.ParseText(s)
		if err != nil {
			return
		}
		back, err := c.ParseText(v.Text())
		if err != nil || !back.Equal(v) {
			t.Errorf("%q reads as %s, which does not read back: %v", s, v.Text(), err)
		}
	})
}

func TestParseObject(t *testing.T) {
	t.Parallel()
	s := &table.Schema{Name: "things",
		Columns: []table.Column{{Name: "name", Type: table.STRING}, {Name: "n", Type: table.INT64},
			{Name: "ok", Type: table.BOOL}, {Name: "notes", Type: table.STRINGS}}}
	row, given, err := s.ParseObject([]byte(`{"ok":true,"n":9007199254740993,"notes":["a","b"],"name":null}`))
	if err != nil {
		t.Fatal(err)
	}
	want := table.Row{table.Null, table.Int(9007199254740993), table.Bool(true), table.Strings([]string{"a", "b"})}
	for i := range want {
		if !row[i].Equal(want[i]) {
			t.Errorf("%s: got %v, want %v", s.Columns[i].Name, row[i], want[i])
		}
	}
	if !slices.Equal(given, []int{0, 1, 2, 3}) {
		t.Errorf("got columns %v given, want all", given)
	}
	if row, given, err := s.ParseObject([]byte(`{"n":1}`)); err != nil || len(given) != 1 || !row[0].IsNull() {
		t.Errorf("got %v, %v, %v, want n alone", row, given, err)
	}
	for text, want := range map[string]string{
		`{"wind":1}`:     "column wind: want a column of things",
		`{"n":"many"}`:   "column n: ",
		`{"n":1}{"n":2}`: "something follows",
		`[1]`:            "not a JSON object",
		``:               "not a JSON object",
	} {
		if _, _, err := s.ParseObject([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one that says %q", text, err, want)
		}
	}
}
