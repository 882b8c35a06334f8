package bigquerywarehouse

import (
	"bytes"
	"compress/gzip"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

func TestEncodeKeepsEveryDigit(t *testing.T) {
	t.Parallel()
	s := &table.Schema{Columns: []table.Column{
		{Name: "n", Type: table.INT64}, {Name: "f", Type: table.FLOAT64},
		{Name: "d", Type: table.NUMERIC, Precision: 18, Scale: 4}, {Name: "b", Type: table.BOOL},
		{Name: "s", Type: table.STRING}, {Name: "l", Type: table.STRINGS}, {Name: "t", Type: table.TIMESTAMP},
		{Name: "day", Type: table.DATE},
	}}
	rows := []table.Row{
		{table.Int(1<<53 - 1), table.Float(0.1), table.Numeric(365000, 4), table.Bool(false), table.String(""),
			table.Strings([]string{"", `"`}),
			table.Timestamp(time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)), table.Date(gamedate.MustParse("2022-01-15"))},
		{table.Int(math.MinInt64), table.Float(math.MaxFloat64), table.Numeric(-999999999999999999, 4)}, // and NULLs
		{},
	}
	for len(rows[1]) < len(s.Columns) {
		rows[1] = append(rows[1], table.Null)
	}
	content, err := encodeAll(s, rows)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"n":9007199254740991,"f":0.1,"d":"36.5000","b":false,"s":"","l":["","\""],"t":"0001-01-01T00:00:00.000001Z","day":"2022-01-15"}
{"n":"-9223372036854775808","f":1.7976931348623157e+308,"d":"-99999999999999.9999"}
{}
`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDecodeRefusesWhatTheSchemaCannotHold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		column table.Column
		stored bigquery.Value
		want   table.Value // NULL where it is refused
	}{
		{"decimal without trailing zeros", table.Column{Type: table.NUMERIC, Precision: 5, Scale: 2}, big.NewRat(73, 2),
			table.Numeric(3650, 2)},
		{"decimal of more places", table.Column{Type: table.NUMERIC, Precision: 5, Scale: 1}, big.NewRat(1, 100), table.Null},
		{"decimal out of range", table.Column{Type: table.NUMERIC, Precision: 18, Scale: 4},
			new(big.Rat).SetInt64(math.MaxInt64), table.Null},
		{"text for a number", table.Column{Type: table.INT64}, "7", table.Null},
		{"number for a text", table.Column{Type: table.STRING}, int64(7), table.Null},
		{"list", table.Column{Type: table.STRINGS}, []bigquery.Value{"a", ""}, table.Strings([]string{"a", ""})},
		{"list of numbers", table.Column{Type: table.STRINGS}, []bigquery.Value{int64(1)}, table.Null},
		{"list for a text", table.Column{Type: table.STRING}, []bigquery.Value{"a"}, table.Null},
		{"instant", table.Column{Type: table.TIMESTAMP}, time.UnixMicro(-1).UTC(), table.Timestamp(time.UnixMicro(-1))},
		{"instant for a date", table.Column{Type: table.DATE}, time.UnixMicro(0).UTC(), table.Null},
	}
	for _, tt := range tests {
		tt.column.Name = "c"
		got, err := decode(&tt.column, tt.stored)
		if !got.Equal(tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got.Text(), tt.want.Text())
		}
		if refused := err != nil; refused != tt.want.IsNull() ||
			refused && (failure.ReasonOf(err) != "bad_stored_value" || !strings.Contains(err.Error(), "column c")) {
			t.Errorf("%s: got error %v", tt.name, err)
		}
	}
	if v, err := decode(&table.Column{Type: table.STRINGS}, []bigquery.Value(nil)); err != nil || !v.IsNull() {
		t.Errorf("empty list: got %v, %v, want NULL", v, err)
	}
}

func TestJobIDs(t *testing.T) {
	t.Parallel()
	id := jobID{"gamefill_job_20220115_run_g4_00ff", 9}
	again, err := parseJobID(id.String())
	if err != nil || again != id || id.next().String() != "gamefill_job_20220115_run_g4_00ff_a10" {
		t.Errorf("got %v, %v, next %s", again, err, id.next())
	}
	for _, text := range []string{"", "_a1", "gamefill", "gamefill_a", "gamefill_a-1", "gamefill_a9999999999"} {
		if id, err := parseJobID(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, id)
		}
	}
	if got := clean("Run 7/ä " + strings.Repeat("x", 99)); len(got) != 63 || !strings.HasPrefix(got, "run-7-x") {
		t.Errorf("got %q", got)
	}
}
