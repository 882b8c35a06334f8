package sqlitewarehouse_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/sqlitewarehouse"
)

var (
	friday   = gamedate.MustParse("2022-01-14")
	saturday = gamedate.MustParse("2022-01-15")
	january  = gamedate.Range{From: gamedate.MustParse("2022-01-01"), To: gamedate.MustParse("2022-01-31")}
)

// lines is the schema of this file's tests.
func lines() *table.Schema {
	return &table.Schema{Dataset: "nba", Name: "lines", Partition: "game_date", Key: []string{"player"},
		Columns: []table.Column{
			{Name: "game_date", Type: table.DATE, Required: true},
			{Name: "player", Type: table.STRING, Required: true},
			{Name: "minutes", Type: table.NUMERIC, Precision: 5, Scale: 1},
			{Name: "points", Type: table.INT64},
			{Name: "active", Type: table.BOOL},
			{Name: "rate", Type: table.FLOAT64},
			{Name: "tipped_at", Type: table.TIMESTAMP},
			{Name: "teams", Type: table.STRINGS},
		}}
}

func line(date gamedate.Date, player string, points int64) table.Row {
	return table.Row{table.Date(date), table.String(player), table.Numeric(365, 1), table.Int(points), table.Bool(true),
		table.Float(0.5),
		table.Timestamp(time.Date(2022, 1, 15, 0, 30, 0, 0, time.UTC)), table.Strings([]string{"LAL", "BOS"})}
}

// world is a warehouse with the table lines: two rows on Friday, one on Saturday.
type world struct {
	t    *testing.T
	s    *table.Schema
	path string
	f    *sqlitefile.File
	w    *sqlitewarehouse.Warehouse
	db   *sql.DB // somebody else
}

func newWorld(t *testing.T) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gamefill.db")
	f := openFile(t, path)
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(20000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	x := &world{t: t, s: lines(), path: path, f: f, w: newWarehouse(t, f), db: db}
	if err := x.w.Create(t.Context(), x.s); err != nil {
		t.Fatal(err)
	}
	x.replace(friday, line(friday, "james", 30), line(friday, "curry", 28))
	x.replace(saturday, line(saturday, "james", 11))
	return x
}

func (x *world) replace(date gamedate.Date, rows ...table.Row) warehouse.Receipt {
	x.t.Helper()
	r, err := x.w.Replace(x.t.Context(),
		warehouse.Write{Table: x.s, Date: date, Fence: warehouse.Fence{Job: "j", Run: "r", Generation: 1}, Rows: rows})
	if err != nil {
		x.t.Fatal(err)
	}
	return r
}

func (x *world) exec(query string, args ...any) {
	x.t.Helper()
	if _, err := x.db.ExecContext(x.t.Context(), query, args...); err != nil {
		x.t.Fatalf("%s: %v", query, err)
	}
}

func (x *world) tokens() map[gamedate.Date]warehouse.Token {
	x.t.Helper()
	m, err := x.w.Tokens(x.t.Context(), x.s, january)
	if err != nil {
		x.t.Fatal(err)
	}
	return m
}

func TestForeignEditsChangeTheToken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name             string
		sql              string
		friday, saturday bool // whether its token changes
	}{
		{"update", "UPDATE lines SET points = 31 WHERE player = 'curry'", true, false},
		{"update of the hidden column", "UPDATE lines SET gamefill_generation = NULL WHERE player = 'curry'", true, false},
		{"move to another date", "UPDATE lines SET game_date = '2022-01-15' WHERE player = 'curry'", true, true},
		{"delete", "DELETE FROM lines WHERE player = 'curry'", true, false},
		{"delete all", "DELETE FROM lines", true, true},
		{"insert", "INSERT INTO lines (game_date, player) VALUES ('2022-01-15', 'x')", false, true},
		{"copy of a whole row", "INSERT INTO lines SELECT * FROM lines WHERE player = 'curry'", true, false},
		{"bookkeeping removed and row copied",
			"DELETE FROM warehouse_partition; INSERT INTO lines SELECT * FROM lines WHERE player = 'curry'", true, false},
		{"nothing", "DELETE FROM lines WHERE player = 'nobody'", false, false},
		{"vacuum", "VACUUM", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t)
			before := x.tokens()
			x.exec(tt.sql)
			after := x.tokens()
			if got := after[friday] != before[friday]; got != tt.friday {
				t.Errorf("friday: changed %v, want %v (%q, then %q)", got, tt.friday, before[friday], after[friday])
			}
			if got := after[saturday] != before[saturday]; got != tt.saturday {
				t.Errorf("saturday: changed %v, want %v (%q, then %q)", got, tt.saturday, before[saturday], after[saturday])
			}
			for date := range after {
				m, err := x.w.Measure(t.Context(), x.s, date)
				if err != nil || m.Token != after[date] {
					t.Errorf("measure of %s: got %q, %v, want the token %q", date, m.Token, err, after[date])
				}
				p, err := x.w.Read(t.Context(), x.s, date)
				if err != nil || p.Token != after[date] {
					t.Errorf("read of %s: got %q, %v, want the token %q", date, p.Token, err, after[date])
				}
			}
			x.replace(friday, line(friday, "james", 30), line(friday, "curry", 28))
			if got := x.tokens()[friday]; got != before[friday] {
				t.Errorf("after the same write: got %q, want %q", got, before[friday])
			}
		})
	}
}

func TestEachForeignEditIsATokenOfItsOwn(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	seen := map[warehouse.Token]bool{x.tokens()[friday]: true}
	for i := range 5 {
		x.exec("UPDATE lines SET points = ? WHERE player = 'curry'", i%2)
		token := x.tokens()[friday]
		if seen[token] {
			t.Errorf("edit %d: token %q was there before", i, token)
		}
		seen[token] = true
	}
}

func TestTokenIsOfTheContent(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	rows := []table.Row{line(friday, "james", 30), line(friday, "curry", 28)}
	want := x.tokens()
	load := func(rows []table.Row) {
		t.Helper()
		if _, err := x.w.Load(t.Context(), x.s, []string{"game_date"}, func(yield func(table.Row) error) error {
			for _, r := range rows {
				if err := yield(r); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		load(rows)
		if diff := cmp.Diff(want, x.tokens()); diff != "" {
			t.Errorf("after a load of the same rows (-want +got):\n%s", diff)
		}
	}
	other := newWorld(t)
	if diff := cmp.Diff(want, other.tokens()); diff != "" {
		t.Errorf("in another file (-want +got):\n%s", diff)
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	write := warehouse.Write{Table: x.s, Date: friday, Fence: warehouse.Fence{Job: "job", Run: "run", Generation: 7},
		Rows: []table.Row{line(friday, "new", 1)}}
	before := x.tokens()
	type call struct {
		Job, Run, Date string
		Generation     int64
		Rows           int
	}
	var calls []call
	var answer error
	x.f.SetWriteGuard(func(tx *sqlitefile.Tx, job, run, date string, generation int64) error {
		var n int
		if err := tx.QueryRow("SELECT count(*) FROM lines WHERE game_date = ?", date).Scan(&n); err != nil {
			return err
		}
		calls = append(calls, call{job, run, date, generation, n})
		return answer
	})
	for _, answer = range []error{warehouse.ErrStopped, warehouse.ErrFenced} {
		if _, err := x.w.Replace(t.Context(), write); !errors.Is(err, answer) {
			t.Errorf("got %v, want %v", err, answer)
		}
	}
	if diff := cmp.Diff(before, x.tokens()); diff != "" {
		t.Errorf("a vetoed write changed tokens (-before +after):\n%s", diff)
	}
	asked := call{"job", "run", "2022-01-14", 7, 2}
	if diff := cmp.Diff([]call{asked, asked}, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	// A vetoed write does not raise the generation, a fenced one does not reach the guard, an unguarded one passes by.
	answer, calls = nil, nil
	x.replace(friday, line(friday, "james", 30))
	write.Fence.Generation = 0
	if _, err := x.w.Replace(t.Context(), write); !errors.Is(err, warehouse.ErrFenced) || len(calls) != 1 {
		t.Errorf("fenced: got %v and %d calls, want %v and 1 call", err, len(calls), warehouse.ErrFenced)
	}
	answer = warehouse.ErrStopped
	write.Fence = warehouse.Fence{Unguarded: true}
	if _, err := x.w.Replace(t.Context(), write); err != nil || len(calls) != 1 {
		t.Errorf("unguarded: got %v and %d calls, want success and 1 call", err, len(calls))
	}
	write.Fence = warehouse.Fence{Generation: 0}
	if _, err := x.w.Replace(t.Context(), write); !errors.Is(err, warehouse.ErrFenced) {
		t.Errorf("after an unguarded write: got %v, want %v", err, warehouse.ErrFenced)
	}
}

func TestTwoFilesOfOnePath(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(wd, x.path)
	if err != nil {
		t.Fatal(err)
	}
	w := newWarehouse(t, openFile(t, relative))
	a, errA := x.w.Identity(t.Context())
	b, errB := w.Identity(t.Context())
	if a != b || errA != nil || errB != nil || !strings.HasPrefix(a, "sqlite:") {
		t.Errorf("identities: got %q, %v and %q, %v, want the same", a, errA, b, errB)
	}
	if c, err := newWorld(t).w.Identity(t.Context()); c == a || err != nil {
		t.Errorf("identity of another file: got %q, %v", c, err)
	}
	if _, err := w.Replace(t.Context(),
		warehouse.Write{Table: x.s, Date: friday, Fence: warehouse.Fence{Generation: 5},
			Rows: []table.Row{line(friday, "x", 1)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.w.Replace(t.Context(),
		warehouse.Write{Table: x.s, Date: friday, Fence: warehouse.Fence{Generation: 4}}); !errors.Is(err,
		warehouse.ErrFenced) {
		t.Errorf("older write through the other: got %v, want %v", err, warehouse.ErrFenced)
	}
	if m, err := x.w.Measure(t.Context(), x.s, friday); err != nil || m.Rows != 1 {
		t.Errorf("got %+v, %v, want 1 row", m, err)
	}
}

func TestRowsReadableByOthers(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	var got string
	err := x.db.QueryRowContext(t.Context(), `SELECT game_date || ' ' || player || ' ' || minutes || ' ' || points || ' ' || active || ' ' ||
		rate || ' ' || tipped_at || ' ' || teams || ' ' || gamefill_generation FROM lines WHERE player = 'curry'`).Scan(&got)
	if want := `2022-01-14 curry 36.5 28 1 0.5 2022-01-15T00:30:00.000000Z ["LAL","BOS"] 1`; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestAdoptsATableOfPlainSQL(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	x.exec(`CREATE TABLE older (game_date TEXT NOT NULL, points INTEGER)`)
	x.exec(`INSERT INTO older VALUES ('2022-01-14', 1), ('2022-01-14', 2), ('2022-01-15', 3)`)
	x.s = &table.Schema{Dataset: "nba", Name: "older", Partition: "game_date", Columns: []table.Column{
		{Name: "game_date", Type: table.DATE, Required: true}, {Name: "points", Type: table.INT64},
		{Name: "note", Type: table.STRING}}}
	if _, err := x.w.Read(t.Context(), x.s, friday); !errors.Is(err, warehouse.ErrNoTable) {
		t.Errorf("before: got %v, want %v", err, warehouse.ErrNoTable)
	}
	if err := x.w.Create(t.Context(), x.s); err != nil {
		t.Fatal(err)
	}
	before := x.tokens()
	if len(before) != 2 || before[friday] == before[saturday] || before[friday] == warehouse.NoToken {
		t.Errorf("tokens: got %v", before)
	}
	if diff := cmp.Diff(before, x.tokens()); diff != "" {
		t.Errorf("tokens of rows that nobody touched (-first +second):\n%s", diff)
	}
	x.exec("UPDATE older SET points = 9 WHERE points = 3")
	after := x.tokens()
	if after[friday] != before[friday] || after[saturday] == before[saturday] {
		t.Errorf("tokens: got %v, then %v", before, after)
	}
	x.replace(friday, table.Row{table.Date(friday), table.Int(5), table.String("new")})
	if m, err := x.w.Measure(t.Context(), x.s, friday); err != nil || m.Rows != 1 {
		t.Errorf("got %+v, %v, want 1 row", m, err)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		sql  string
		s    func(*table.Schema)
		say  string
	}{
		{"another dataset's name", "", func(s *table.Schema) { s.Dataset = "raw" }, "belongs to nba.lines"},
		{"a column of somebody else", "ALTER TABLE lines ADD COLUMN props TEXT", func(*table.Schema) {},
			"column props is not in the schema"},
		{"a view", "CREATE VIEW v AS SELECT 1", func(s *table.Schema) { s.Name = "v" }, "something else: view"},
		{"an index", "", func(s *table.Schema) { s.Name = "gamefill_lines_partition" }, "something else: index"},
		{"bookkeeping", "", func(s *table.Schema) { s.Name = "warehouse_partition" }, "column checksum is not in the schema"},
		{"a plain table of other types", "CREATE TABLE plain (game_date DATE, player TEXT NOT NULL)",
			func(s *table.Schema) { s.Name = "plain" }, "column game_date is DATE, want TEXT"},
		{"reserved column", "", func(s *table.Schema) { s.Name = "fresh"; s.Columns[3].Name = "gamefill_generation" },
			"reserved"},
		{"partition column missing", "", func(s *table.Schema) { s.Name = "fresh"; s.Partition = "day" },
			"partition column day"},
		{"partition column of another type", "", func(s *table.Schema) { s.Name = "fresh"; s.Partition = "player" },
			"partition column player"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t)
			if tt.sql != "" {
				x.exec(tt.sql)
			}
			s := lines()
			tt.s(s)
			err := x.w.Create(t.Context(), s)
			if problem, ok := errors.AsType[*warehouse.SchemaError](err); !ok ||
				!strings.Contains(fmt.Sprint(problem.Problems), tt.say) {
				t.Errorf("got %v, want a schema error that says %q", err, tt.say)
			}
			other := lines()
			other.Dataset = "raw"
			if _, err := x.w.Read(t.Context(), other, friday); !errors.Is(err, warehouse.ErrNoTable) {
				t.Errorf("read of raw.lines: got %v, want %v", err, warehouse.ErrNoTable)
			}
		})
	}
}

func TestOddNames(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	s := &table.Schema{Dataset: "o'dd", Name: `o'dd "table"; --`, Partition: `da"y`, Columns: []table.Column{
		{Name: `da"y`, Type: table.DATE}, {Name: "select", Type: table.INT64}, {Name: "it's", Type: table.STRING}}}
	x.s = s
	for range 2 {
		if err := x.w.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	row := table.Row{table.Date(friday), table.Int(1), table.String("x")}
	x.replace(friday, row)
	p, err := x.w.Read(t.Context(), s, friday)
	if err != nil || s.Fingerprint(p.Rows) != s.Fingerprint([]table.Row{row}) {
		t.Errorf("got %v, %v", p.Rows, err)
	}
	groups, err := x.w.Count(t.Context(), s, january,
		warehouse.Grouping{By: []string{"it's"}, Nulls: []string{"select"}, Keys: []string{`da"y`}})
	if diff := cmp.Diff([]warehouse.Group{{Date: friday, Keys: []string{"x"}, Rows: 1, Nulls: []int64{0}, Distinct: 1}},
		groups); err != nil || diff != "" {
		t.Errorf("%v; groups (-want +got):\n%s", err, diff)
	}
}

func TestTableChangedUnderneath(t *testing.T) {
	t.Parallel()
	write := func(x *world) error {
		_, err := x.w.Replace(t.Context(),
			warehouse.Write{Table: x.s, Date: friday, Fence: warehouse.Fence{Generation: 2},
				Rows: []table.Row{line(friday, "x", 1)}})
		return err
	}
	read := func(x *world) error { _, err := x.w.Read(t.Context(), x.s, friday); return err }
	tests := []struct {
		name   string
		sql    string
		call   func(x *world) error
		reason string
	}{
		{"dropped, write", "DROP TABLE lines", write, "no_table"},
		{"dropped, read", "DROP TABLE lines", read, "no_table"},
		{"column dropped, write", "ALTER TABLE lines DROP COLUMN points", write, "schema_mismatch"},
		{"column dropped, read", "ALTER TABLE lines DROP COLUMN points", read, "schema_mismatch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t)
			x.exec(tt.sql)
			err := tt.call(x)
			if failure.ClassOf(err) != failure.Environment || failure.ReasonOf(err) != tt.reason {
				t.Errorf("got %v (%v, %s), want environment, %s", err, failure.ClassOf(err), failure.ReasonOf(err), tt.reason)
			}
			if got := errors.Is(err, warehouse.ErrNoTable); got != (tt.reason == "no_table") {
				t.Errorf("is ErrNoTable: got %v", got)
			}
		})
	}
	t.Run("dropped and made again", func(t *testing.T) {
		t.Parallel()
		x := newWorld(t)
		x.exec("DROP TABLE lines")
		if err := x.w.Create(t.Context(), x.s); err != nil {
			t.Fatal(err)
		}
		if got := x.tokens(); len(got) != 0 {
			t.Errorf("tokens: got %v, want none", got)
		}
		x.exec("INSERT INTO lines (game_date, player) VALUES ('2022-01-14', 'x'), ('2022-01-14', 'y')")
		x.replace(friday, line(friday, "james", 30))
	})
}

func TestBadStoredValues(t *testing.T) {
	t.Parallel()
	for column, value := range map[string]any{
		"minutes": "ten", "points": 1.5, "active": 2, "rate": "x", "tipped_at": "yesterday", "teams": "LAL",
		"player": []byte{1},
	} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t)
			x.exec("UPDATE lines SET "+column+" = ? WHERE player = 'curry'", value)
			_, err := x.w.Measure(t.Context(), x.s, friday)
			if failure.ClassOf(err) != failure.Permanent || failure.ReasonOf(err) != "bad_stored_value" ||
				!strings.Contains(fmt.Sprint(err), column) {
				t.Errorf("got %v (%v, %s), want permanent, bad_stored_value", err, failure.ClassOf(err), failure.ReasonOf(err))
			}
			x.replace(friday, line(friday, "james", 30)) // a rebuild heals it
		})
	}
	t.Run("too many digits", func(t *testing.T) {
		t.Parallel()
		x := newWorld(t)
		x.exec("UPDATE lines SET minutes = 10000.04")
		if _, err := x.w.Read(t.Context(), x.s, friday); failure.ReasonOf(err) != "bad_stored_value" {
			t.Errorf("got %v, want bad_stored_value", err)
		}
	})
	t.Run("other writers' forms", func(t *testing.T) {
		t.Parallel()
		x := newWorld(t)
		x.exec("UPDATE lines SET minutes = 36, tipped_at = '2022-01-14T19:30:00-05:00', teams = '[ \"LAL\", \"BOS\" ]' " +
			"WHERE player = 'curry'")
		p, err := x.w.Read(t.Context(), x.s, friday)
		if err != nil {
			t.Fatal(err)
		}
		want := line(friday, "curry", 28)
		want[2] = table.Numeric(360, 1)
		if got := x.s.Fingerprint(p.Rows); got != x.s.Fingerprint([]table.Row{line(friday, "james", 30), want}) {
			t.Errorf("got %v", p.Rows)
		}
	})
}

// roundTrip writes rows of lines and reads them back.
func (x *world) roundTrip(rows ...table.Row) {
	x.t.Helper()
	x.replace(friday, rows...)
	m, err := x.w.Measure(x.t.Context(), x.s, friday)
	if err != nil {
		x.t.Fatal(err)
	}
	if want := x.s.Fingerprint(rows); m.Fingerprint != want {
		p, _ := x.w.Read(x.t.Context(), x.s, friday)
		x.t.Errorf("fingerprint: got %s, want %s; rows %v, want %v", m.Fingerprint, want, p.Rows, rows)
	}
}

func TestValuesThatOnlySQLiteKeeps(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	row := line(friday, "nul\x00inside", 1)
	row[5] = table.Float(math.Inf(-1))
	other := line(friday, "\x00", 2)
	other[5] = table.Float(math.Inf(1))
	other[7] = table.Strings([]string{"a\x00b", "\u2028"})
	x.roundTrip(row, other)
}

func TestValuesThatSQLiteWouldBend(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	for _, tt := range []struct {
		column int
		v      table.Value
	}{
		{5, table.Float(math.NaN())},
		{5, table.Float(math.Copysign(0, -1))},
		{6, table.Timestamp(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))},
		{6, table.Timestamp(time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC))},
	} {
		row, column := line(friday, "x", 1), tt.column
		row[column] = tt.v
		_, err := x.w.Replace(t.Context(),
			warehouse.Write{Table: x.s, Date: friday, Fence: warehouse.Fence{Generation: 1}, Rows: []table.Row{row}})
		if failure.ReasonOf(err) != "bad_row" || !strings.Contains(err.Error(), "row 1 (player=x)") ||
			!strings.Contains(err.Error(), x.s.Columns[column].Name) {
			t.Errorf("%s: got %v, want a bad row", x.s.Columns[column].Name, err)
		}
	}
	row := line(friday, "x", 1)
	row[0] = table.Date(gamedate.Date{Year: 2022, Month: 1, Day: 32})
	if _, err := x.w.Replace(t.Context(),
		warehouse.Write{Table: x.s, Date: gamedate.Date{Year: 2022, Month: 1, Day: 32}, Fence: warehouse.Fence{Generation: 1},
			Rows: []table.Row{row}}); failure.ReasonOf(err) != "bad_row" {
		t.Errorf("no such date: got %v, want a bad row", err)
	}
}

func TestDecimalsAreExact(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	r := rand.New(rand.NewPCG(1, 2))
	x.s = &table.Schema{Dataset: "nba", Name: "decimals", Partition: "game_date",
		Columns: []table.Column{{Name: "game_date", Type: table.DATE, Required: true}}}
	limits := []int64{}
	for scale := 0; scale <= 15; scale++ {
		for _, precision := range []int{max(1, scale), 15, 16, 18} {
			x.s.Columns = append(x.s.Columns,
				table.Column{Name: fmt.Sprintf("d%d_%d", precision, scale), Type: table.NUMERIC, Precision: precision,
					Scale: scale})
			limits = append(limits, int64(math.Pow10(precision)))
			if precision == 15 && scale == 15 {
				break // the names would repeat
			}
		}
	}
	x.s.Columns = append(x.s.Columns, table.Column{Name: "free", Type: table.NUMERIC, Scale: 9})
	limits = append(limits, math.MaxInt64)
	if err := x.w.Create(t.Context(), x.s); err != nil {
		t.Fatal(err)
	}
	var rows []table.Row
	for n := range 400 {
		row := table.Row{table.Date(friday)}
		for i, c := range x.s.Columns[1:] {
			v := r.Int64N(limits[i])
			switch n {
			case 0:
				v = limits[i] - 1
			case 1:
				v = 0
			case 2:
				v = 1
			}
			if n%2 == 1 {
				v = -v
			}
			row = append(row, table.Numeric(v, c.Scale))
		}
		rows = append(rows, row)
	}
	x.roundTrip(rows...)
}

func TestTimestampsRoundTrip(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	r := rand.New(rand.NewPCG(3, 4))
	first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).UnixMicro()
	var rows []table.Row
	for range 500 {
		row := line(friday, "x", 1)
		row[6] = table.Timestamp(time.UnixMicro(first + r.Int64N(last-first)))
		rows = append(rows, row)
	}
	x.roundTrip(rows...)
}

func TestQueriesUseThePartitionIndex(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	for query, want := range map[string]string{
		"SELECT game_date, count(*) FROM lines WHERE game_date BETWEEN '2022-01-01' AND '2022-01-31' GROUP BY 1 " +
			"ORDER BY 1": "SEARCH lines USING COVERING INDEX",
		"SELECT player FROM lines WHERE game_date = '2022-01-14'": "SEARCH lines USING INDEX",
		"DELETE FROM lines WHERE game_date = '2022-01-14'":        "SEARCH lines USING COVERING INDEX",
	} {
		var id, parent, unused int
		var plan string
		if err := x.db.QueryRowContext(t.Context(), "EXPLAIN QUERY PLAN "+query).Scan(&id, &parent, &unused,
			&plan); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(plan, want) {
			t.Errorf("%s: plan %q, want %q", query, plan, want)
		}
	}
}

func TestLoadKeepsOtherWritersOut(t *testing.T) {
	t.Parallel()
	x := newWorld(t)
	other := newWarehouse(t, openFile(t, x.path))
	before := x.tokens()
	result, err := x.w.Load(t.Context(), x.s, []string{"player"}, func(yield func(table.Row) error) error {
		if err := yield(line(saturday, "james", 99)); err != nil {
			return err
		}
		// What the load has done so far is nobody's to see.
		m, err := other.Measure(t.Context(), x.s, saturday)
		if err == nil && (m.Rows != 1 || m.Token != before[saturday]) {
			t.Errorf("seen from outside: %+v", m)
		}
		return err
	})
	if want := (warehouse.LoadResult{Removed: 2, Added: 1}); err != nil || result != want {
		t.Errorf("got %+v, %v, want %+v", result, err, want)
	}
}
