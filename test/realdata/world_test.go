// Package realdata runs the real binaries over three seasons of real box scores and checks what must come out: counts,
// verdicts, the same fingerprint however the work is done, and that a change redoes exactly the dates it touches.
//
// The files lie outside the repository, in ../shared/data beside it. Without them every test is skipped; with
// GAMEFILL_REQUIRE_DATA=1 that is a failure. They are imported once, into a file that the tests copy.
package realdata

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "modernc.org/sqlite"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/test/program"
)

var (
	// data is the folder of real files, "" when there is none; dataErr says why.
	data    string
	dataErr error
	// scratch holds the binaries and the files that several tests share.
	scratch string
	// binaries are the ordinary build; nil without data.
	binaries *program.Set
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	root, err := program.Root()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir := filepath.Join(filepath.Dir(root), "shared", "data")
	if _, dataErr = os.Stat(filepath.Join(dir, "schedule.csv")); dataErr != nil {
		return m.Run() // nothing to build for
	}
	data = dir
	if scratch, err = os.MkdirTemp("", "gamefill-realdata-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	if binaries, err = program.Build(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// needData skips the test without real files, or fails it where they must be.
func needData(t *testing.T) {
	t.Helper()
	switch {
	case data != "":
	case os.Getenv("GAMEFILL_REQUIRE_DATA") == "1":
		t.Fatalf("GAMEFILL_REQUIRE_DATA=1, and the real files are not there: %v", dataErr)
	default:
		t.Skipf("no real files: %v", dataErr)
	}
}

// shared is a file that is made once, when the first test asks for it, and that no test changes.
type shared struct {
	name string
	make func(t *testing.T, f program.File)
	once sync.Once
	ok   bool
}

func (s *shared) open(t *testing.T) program.File {
	t.Helper()
	needData(t)
	f := program.File{Set: binaries, Path: filepath.Join(scratch, s.name)}
	s.once.Do(func() {
		s.make(t, f)
		s.ok = true
	})
	if !s.ok {
		t.Fatalf("%s could not be made; another test says why", s.name)
	}
	return f
}

// The whole asked range, and parts of it that are enough where the whole adds nothing.
var (
	whole = dates("2021-10-01", "2024-05-01")
	month = dates("2022-01-01", "2022-01-31")
	week  = dates("2022-01-03", "2022-01-09")
)

func dates(from, to string) gamedate.Range {
	return gamedate.Range{From: gamedate.MustParse(from), To: gamedate.MustParse(to)}
}

// args are a publisher command over a range.
func args(command string, r gamedate.Range, more ...string) []string {
	return append([]string{command, "--from", r.From.String(), "--to", r.To.String()}, more...)
}

// imported holds the raw tables and nothing else.
var imported = &shared{name: "imported.db", make: func(t *testing.T, f program.File) {
	files, err := filepath.Glob(filepath.Join(data, "*_boxscores_*.csv.gz"))
	if err != nil || len(files) != 6 {
		t.Fatalf("box-score files: got %v, %v, want six", files, err)
	}
	files = append(files, filepath.Join(data, "schedule.csv"), filepath.Join(data, "players.csv"))
	f.Publish(t, 0, append([]string{"import"}, files...)...)
}}

// The exit code of a judgement with warnings only.
const warnings = 5

// wholeJudgement is what the first run over the whole range said.
var wholeJudgement publisher.Judgement

// wholeDone holds the whole range, done by `publisher run` in one process.
var wholeDone = &shared{name: "whole.db", make: func(t *testing.T, f program.File) {
	copyFile(t, imported.open(t), f)
	f.JSON(t, warnings, &wholeJudgement, args("run", whole)...)
}}

// monthDone holds the month, done in one process.
var monthDone = &shared{name: "month.db", make: func(t *testing.T, f program.File) {
	copyFile(t, imported.open(t), f)
	f.Publish(t, 0, args("run", month)...)
}}

func copyFile(t *testing.T, from, to program.File) {
	t.Helper()
	content, err := os.ReadFile(from.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to.Path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// judge validates a range that was run before, and returns what it found.
func judge(t *testing.T, f program.File, code int, r gamedate.Range) publisher.Judgement {
	t.Helper()
	var j publisher.Judgement
	f.JSON(t, code, &j, args("validate", r)...)
	return j
}

// generations are the claims of every date of a range so far: a date that is done again has more of them.
func generations(t *testing.T, f program.File, r gamedate.Range) map[string]int64 {
	t.Helper()
	g := map[string]int64{}
	for d, e := range f.Entries(t, r) {
		g[d.String()] = e.Generation
	}
	return g
}

// plus returns generations with one more for each of the given dates.
func plus(before map[string]int64, redone ...string) map[string]int64 {
	after := map[string]int64{}
	for d, n := range before {
		after[d] = n
	}
	for _, d := range redone {
		after[d]++
	}
	return after
}

// database opens the file as a person with a SQLite shell would.
func database(t *testing.T, f program.File) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+f.Path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // so that ATTACH holds for every statement
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// edit runs statements on a file behind the program's back and returns how many rows the last one changed.
func edit(t *testing.T, f program.File, statements ...string) int64 {
	t.Helper()
	db := database(t, f)
	defer db.Close()
	changed := int64(0)
	for _, s := range statements {
		result, err := db.Exec(s)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if changed, err = result.RowsAffected(); err != nil {
			t.Fatal(err)
		}
	}
	return changed
}

// query returns the rows of a query, each as its values separated by bars; NULL is an empty value.
func query(t *testing.T, f program.File, statement string) []string {
	t.Helper()
	db := database(t, f)
	defer db.Close()
	rows, err := db.Query(statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values := make([]sql.NullString, len(columns))
	targets := make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	var out []string
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = v.String
		}
		out = append(out, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// states counts the entries of a range by state.
func states(t *testing.T, f program.File, r gamedate.Range) map[ledger.State]int {
	t.Helper()
	n := map[ledger.State]int{}
	for _, e := range f.Entries(t, r) {
		n[e.State]++
	}
	return n
}
