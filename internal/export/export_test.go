package export

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// every has one column of each type, not in the order of the alphabet.
var every = &table.Schema{
	Dataset: "test", Name: "every", Partition: "game_date", Key: []string{"id"},
	Columns: []table.Column{
		{Name: "id", Type: table.INT64, Required: true}, {Name: "game_date", Type: table.DATE, Required: true},
		{Name: "text", Type: table.STRING}, {Name: "count", Type: table.INT64}, {Name: "ratio", Type: table.FLOAT64},
		{Name: "amount", Type: table.NUMERIC, Precision: 6, Scale: 2}, {Name: "flag", Type: table.BOOL},
		{Name: "at", Type: table.TIMESTAMP}, {Name: "list", Type: table.STRINGS}, {Name: "born", Type: table.DATE},
	},
}

var (
	first  = gamedate.MustParse("2022-01-15")
	second = gamedate.MustParse("2022-01-16")
	both   = gamedate.Range{From: first, To: second}
)

func full(id int64, date gamedate.Date) table.Row {
	return table.Row{
		table.Int(id), table.Date(date), table.String("O'Neil, \"Jo\"\nJosé <b>"), table.Int(-7), table.Float(0.1),
		table.Numeric(-12345, 2), table.Bool(true), table.Timestamp(time.Date(2022, 1, 16, 12, 0, 0, 123456000, time.UTC)),
		table.Strings([]string{"a", "", "b,c"}), table.Date(gamedate.MustParse("1946-11-01")),
	}
}

func nulls(id int64, date gamedate.Date) table.Row {
	row := make(table.Row, len(every.Columns))
	row[0], row[1] = table.Int(id), table.Date(date)
	return row
}

// blank has values that are easily taken for NULL.
func blank(id int64, date gamedate.Date) table.Row {
	return table.Row{
		table.Int(id), table.Date(date), table.String(""), table.Int(0), table.Float(0), table.Numeric(0, 2),
		table.Bool(false), table.Timestamp(time.Unix(0, 0)), table.Strings([]string{""}),
		table.Date(gamedate.MustParse("1970-01-01")),
	}
}

// shelf is a table in memory; it yields the rows of a date in the order in which they lie.
type shelf struct {
	warehouse.Tables
	dates []gamedate.Date
	rows  func(gamedate.Date) []table.Row
	err   error // after the last date
}

func (s shelf) ReadRange(_ context.Context, _ *table.Schema, r gamedate.Range,
	fn func(gamedate.Date, []table.Row) error) error {
	for _, d := range s.dates {
		if r.Contains(d) {
			if err := fn(d, s.rows(d)); err != nil {
				return err
			}
		}
	}
	return s.err
}

func sample() shelf {
	return shelf{dates: []gamedate.Date{first, second}, rows: func(d gamedate.Date) []table.Row {
		if d == first {
			return []table.Row{nulls(3, d), full(1, d), blank(2, d)}
		}
		return []table.Row{full(1, d)}
	}}
}

func TestTextFormats(t *testing.T) {
	t.Parallel()
	tests := []struct {
		format Format
		want   string
	}{
		{CSV, `id,game_date,text,count,ratio,amount,flag,at,list,born
1,2022-01-15,"O'Neil, ""Jo""
José <b>",-7,0.1,-123.45,true,2022-01-16T12:00:00.123456Z,"[""a"","""",""b,c""]",1946-11-01
2,2022-01-15,"",0,0,0.00,false,1970-01-01T00:00:00.000000Z,"[""""]",1970-01-01
3,2022-01-15,,,,,,,,
1,2022-01-16,"O'Neil, ""Jo""
José <b>",-7,0.1,-123.45,true,2022-01-16T12:00:00.123456Z,"[""a"","""",""b,c""]",1946-11-01
`},
		{NDJSON, `{"id":1,"game_date":"2022-01-15","text":"O'Neil, \"Jo\"\nJosé <b>","count":-7,"ratio":0.1,"amount":-123.45,"flag":true,"at":"2022-01-16T12:00:00.123456Z","list":["a","","b,c"],"born":"1946-11-01"}
{"id":2,"game_date":"2022-01-15","text":"","count":0,"ratio":0,"amount":0.00,"flag":false,"at":"1970-01-01T00:00:00.000000Z","list":[""],"born":"1970-01-01"}
{"id":3,"game_date":"2022-01-15","text":null,"count":null,"ratio":null,"amount":null,"flag":null,"at":null,"list":null,"born":null}
{"id":1,"game_date":"2022-01-16","text":"O'Neil, \"Jo\"\nJosé <b>","count":-7,"ratio":0.1,"amount":-123.45,"flag":true,"at":"2022-01-16T12:00:00.123456Z","list":["a","","b,c"],"born":"1946-11-01"}
`},
	}
	for _, tt := range tests {
		t.Run(tt.format.String(), func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			n, err := Write(t.Context(), sample(), every, both, tt.format, &b)
			if err != nil || n != 4 {
				t.Fatalf("got %d rows, %v; want 4", n, err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The standard library must be able to read what the package writes itself.
func TestTextIsReadable(t *testing.T) {
	t.Parallel()
	var c, j bytes.Buffer
	for f, b := range map[Format]*bytes.Buffer{CSV: &c, NDJSON: &j} {
		if _, err := Write(t.Context(), sample(), every, both, f, b); err != nil {
			t.Fatal(err)
		}
	}
	records, err := csv.NewReader(&c).ReadAll()
	if err != nil || len(records) != 5 {
		t.Fatalf("csv: got %d records, %v; want 5", len(records), err)
	}
	if got, want := records[1][2], full(1, first)[2].Str(); got != want {
		t.Errorf("csv text: got %q, want %q", got, want)
	}
	for line := range strings.Lines(j.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// readParquet reads a file back as rows of the schema.
func readParquet(t *testing.T, s *table.Schema, b []byte) []table.Row {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, field := range f.Schema().Fields() {
		names = append(names, field.Name())
	}
	if diff := cmp.Diff(s.Names(), names); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	var rows []table.Row
	for _, group := range f.RowGroups() {
		r := group.Rows()
		buf := make([]parquet.Row, 100)
		for {
			n, err := r.ReadRows(buf)
			for _, raw := range buf[:n] {
				row := make(table.Row, len(s.Columns))
				raw.Range(func(i int, vs []parquet.Value) bool {
					row[i] = fromParquet(s.Columns[i], vs)
					return true
				})
				rows = append(rows, row)
			}
			if err != nil {
				break
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

func fromParquet(c table.Column, vs []parquet.Value) table.Value {
	if vs[0].IsNull() {
		return table.Null
	}
	v := vs[0]
	switch c.Type {
	case table.INT64:
		return table.Int(v.Int64())
	case table.FLOAT64:
		return table.Float(v.Double())
	case table.NUMERIC:
		return table.Numeric(v.Int64(), c.Scale)
	case table.BOOL:
		return table.Bool(v.Boolean())
	case table.DATE:
		return table.Date(epoch.AddDays(int(v.Int32())))
	case table.TIMESTAMP:
		return table.Timestamp(time.UnixMicro(v.Int64()))
	case table.STRINGS:
		var list []string
		for _, v := range vs {
			list = append(list, string(v.ByteArray()))
		}
		return table.Strings(list)
	}
	return table.String(string(v.ByteArray()))
}

func texts(rows []table.Row) [][]string {
	var out [][]string
	for _, row := range rows {
		var line []string
		for _, v := range row {
			if v.IsNull() {
				line = append(line, "NULL")
			} else {
				line = append(line, v.Type().String()+" "+v.Text())
			}
		}
		out = append(out, line)
	}
	return out
}

func TestParquetComesBack(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	n, err := Write(t.Context(), sample(), every, both, Parquet, &b)
	if err != nil || n != 4 {
		t.Fatalf("got %d rows, %v; want 4", n, err)
	}
	want := []table.Row{full(1, first), blank(2, first), nulls(3, first), full(1, second)}
	if diff := cmp.Diff(texts(want), texts(readParquet(t, every, b.Bytes()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParquetTypes(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if _, err := Write(t.Context(), sample(), every, both, Parquet, &b); err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	want := `message every {
	required int64 id (INT(64,true));
	required int32 game_date (DATE);
	optional binary text (STRING);
	optional int64 count (INT(64,true));
	optional double ratio;
	optional int32 amount (DECIMAL(6,2));
	optional boolean flag;
	optional int64 at (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	optional group list (LIST) {
		repeated group list {
			required binary element (STRING);
		}
	}
	optional int32 born (DATE);
}`
	if diff := cmp.Diff(want, f.Schema().String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParquetManyRowGroups(t *testing.T) {
	t.Parallel()
	const perDate = rowGroup - 1
	s := shelf{dates: []gamedate.Date{first, second}, rows: func(d gamedate.Date) []table.Row {
		rows := make([]table.Row, perDate)
		for i := range rows {
			rows[i] = nulls(int64(i), d)
		}
		return rows
	}}
	var b bytes.Buffer
	if _, err := Write(t.Context(), s, every, both, Parquet, &b); err != nil {
		t.Fatal(err)
	}
	rows := readParquet(t, every, b.Bytes())
	if len(rows) != 2*perDate {
		t.Fatalf("got %d rows, want %d", len(rows), 2*perDate)
	}
	if last := rows[len(rows)-1]; last[1].Date() != second || last[0].Text() != "19998" {
		t.Errorf("last row: got %v", texts(rows[len(rows)-1:]))
	}
}

func TestSameRowsMakeSameBytes(t *testing.T) {
	t.Parallel()
	turned := sample()
	forward := turned.rows
	turned.rows = func(d gamedate.Date) []table.Row {
		rows := forward(d)
		slices.Reverse(rows)
		return rows
	}
	for f := range formatNames {
		var a, b bytes.Buffer
		if _, err := Write(t.Context(), sample(), every, both, f, &a); err != nil {
			t.Fatal(err)
		}
		if _, err := Write(t.Context(), turned, every, both, f, &b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: another order of rows gives other bytes", f)
		}
	}
}

// Rows that share a key (raw tables hold such) still have one order.
func TestEqualKeysHaveOneOrder(t *testing.T) {
	t.Parallel()
	a, b := nulls(1, first), full(1, first)
	var out []string
	for _, rows := range [][]table.Row{{a, b}, {b, a}} {
		var buf bytes.Buffer
		s := shelf{dates: []gamedate.Date{first}, rows: func(gamedate.Date) []table.Row { return slices.Clone(rows) }}
		if _, err := Write(t.Context(), s, every, both, CSV, &buf); err != nil {
			t.Fatal(err)
		}
		out = append(out, buf.String())
	}
	if diff := cmp.Diff(out[0], out[1]); diff != "" {
		t.Errorf("the order of rows shows:\n%s", diff)
	}
}

func TestNoRows(t *testing.T) {
	t.Parallel()
	for f, want := range map[Format]string{CSV: strings.Join(every.Names(), ",") + "\n", NDJSON: ""} {
		var b bytes.Buffer
		n, err := Write(t.Context(), shelf{}, every, both, f, &b)
		if n != 0 || err != nil || b.String() != want {
			t.Errorf("%s: got %d, %v, %q; want %q", f, n, err, b.String(), want)
		}
	}
	var b bytes.Buffer
	if _, err := Write(t.Context(), shelf{}, every, both, Parquet, &b); err != nil {
		t.Fatal(err)
	}
	if rows := readParquet(t, every, b.Bytes()); len(rows) != 0 {
		t.Errorf("parquet: got %d rows, want none", len(rows))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	notNumber := full(1, first)
	notNumber[4] = table.Float(math.NaN())
	otherDate := nulls(1, second)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	wide := *every
	wide.Columns = append(slices.Clone(every.Columns),
		table.Column{Name: "wide", Type: table.NUMERIC, Precision: 38, Scale: 9})
	huge := table.Schema{Dataset: "test", Name: "huge", Columns: []table.Column{{Name: "n", Type: table.NUMERIC}}}
	one := func(row table.Row) shelf {
		return shelf{dates: []gamedate.Date{first}, rows: func(gamedate.Date) []table.Row { return []table.Row{row} }}
	}
	tests := []struct {
		name   string
		ctx    context.Context
		store  shelf
		schema *table.Schema
		format Format
		want   string
	}{
		{"not a number in JSON", t.Context(), one(notNumber), every, NDJSON, "column ratio is NaN"},
		{"row of another date", t.Context(), one(otherDate), every, CSV, "column game_date: want 2022-01-15"},
		{"store fails", t.Context(), shelf{err: errors.New("disk gone")}, every, CSV,
			"export test.every, 2022-01-15..2022-01-16: disk gone"},
		{"cancelled", gone, sample(), every, CSV, "context canceled"},
		{"too many digits for the type", t.Context(), shelf{}, &wide, Parquet,
			"column wide: a decimal of 38 digits does not fit"},
		{"too many digits in a value", t.Context(), one(table.Row{table.Numeric(math.MinInt64, 0)}), &huge, Parquet,
			"does not fit 18 digits"},
		{"no format", t.Context(), sample(), every, 0, "export format 0 is unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, err := Write(tt.ctx, tt.store, tt.schema, both, tt.format, &bytes.Buffer{})
			if n != 0 || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %d, %v; want 0 and %q", n, err, tt.want)
			}
		})
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriterFails(t *testing.T) {
	t.Parallel()
	for f := range formatNames {
		if _, err := Write(t.Context(), sample(), every, both, f, fullDisk{}); err == nil ||
			!strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: got %v, want the writer's error", f, err)
		}
	}
}

func TestToFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "out.csv")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := sample()
	broken.err = errors.New("disk gone")
	if _, err := ToFile(t.Context(), broken, every, both, CSV, path); err == nil {
		t.Error("got no error from a broken store")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("after an error: got %q, %v; want the old file", b, err)
	}
	n, err := ToFile(t.Context(), sample(), every, both, CSV, path)
	if err != nil || n != 4 {
		t.Fatalf("got %d, %v; want 4 rows", n, err)
	}
	var want bytes.Buffer
	if _, err := Write(t.Context(), sample(), every, both, CSV, &want); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, want.Bytes()) {
		t.Errorf("got %q, %v", b, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v; want the file alone", entries, err)
	}
	if _, err := ToFile(t.Context(), sample(), every, both, CSV, dir); err == nil ||
		!strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder as path: got %v", err)
	}
	if _, err := ToFile(t.Context(), sample(), every, both, CSV, filepath.Join(dir, "none", "out.csv")); err == nil {
		t.Error("a folder that is not there: got no error")
	}
	if runtime.GOOS != "windows" {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("mode: got %v, %v; want 0644", info.Mode(), err)
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]Format{"a.csv": CSV, "b/c.NDJSON": NDJSON, "x.jsonl": NDJSON,
		"p.parquet": Parquet} {
		if got, err := FormatOf(path); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", path, got, err, want)
		}
	}
	for _, path := range []string{"a", "a.xlsx", "csv", "a.csv.gz"} {
		if got, err := FormatOf(path); err == nil {
			t.Errorf("%s: got %v, want an error", path, got)
		}
	}
	if _, err := ParseFormat("CSV "); err == nil || !strings.Contains(err.Error(), "want csv, ndjson or parquet") {
		t.Errorf("got %v", err)
	}
}

// Tokens makes a shelf's dates known; a date with rows has a token.
func (s shelf) Tokens(_ context.Context, _ *table.Schema, r gamedate.Range) (map[gamedate.Date]warehouse.Token, error) {
	tokens := map[gamedate.Date]warehouse.Token{}
	for _, d := range s.dates {
		if r.Contains(d) && len(s.rows(d)) > 0 {
			tokens[d] = "some"
		}
	}
	return tokens, nil
}

func TestToHive(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	rows, files, err := ToHive(t.Context(), sample(), every, both, Parquet, dir, nil)
	if err != nil || rows != 4 || files != 2 {
		t.Fatalf("got %d rows in %d files, %v; want 4 in 2", rows, files, err)
	}
	narrow := *every
	narrow.Columns = append([]table.Column{every.Columns[0]}, every.Columns[2:]...)
	b, err := os.ReadFile(filepath.Join(dir, "game_date=2022-01-15", "part-0.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	cut := func(row table.Row) table.Row { return append(table.Row{row[0]}, row[2:]...) }
	want := []table.Row{cut(full(1, first)), cut(blank(2, first)), cut(nulls(3, first))}
	if diff := cmp.Diff(texts(want), texts(readParquet(t, &narrow, b))); diff != "" {
		t.Errorf("first date (-want +got):\n%s", diff)
	}

	// The second date loses its rows: written again, its file goes and the first stays.
	less := sample()
	less.rows = func(d gamedate.Date) []table.Row {
		if d == second {
			return nil
		}
		return sample().rows(d)
	}
	if rows, files, err = ToHive(t.Context(), less, every, both, Parquet, dir, nil); err != nil || rows != 3 ||
		files != 1 {
		t.Errorf("written again: got %d rows in %d files, %v; want 3 in 1", rows, files, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "game_date=2022-01-16", "part-0.parquet")); !os.IsNotExist(err) {
		t.Errorf("the file of a date without rows is there: %v", err)
	}
	flat := &table.Schema{Name: "flat", Columns: every.Columns[:1]}
	if _, _, err := ToHive(t.Context(), sample(), flat, both, Parquet, dir, nil); err == nil {
		t.Error("a table without partitions: got no error")
	}
}
