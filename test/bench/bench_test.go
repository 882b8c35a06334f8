// Package bench measures the engine over the real range against the floor: a plain single-threaded loop over the same
// SQLite rows with the same transform. `make bench` runs it; it asserts no time.
package bench

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"gamefill/internal/backend"
	"gamefill/internal/boxscore"
	"gamefill/internal/feed"
	"gamefill/internal/gamedate"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/table"
	"gamefill/internal/worker"
)

var whole = gamedate.Range{From: gamedate.MustParse("2021-10-01"), To: gamedate.MustParse("2024-05-01")}

// rounds is how often loop and engine are measured in turn; the medians are compared.
const rounds = 3

func TestMain(m *testing.M) {
	if os.Getenv("GAMEFILL_BENCH") == "" {
		fmt.Println("skipped: set GAMEFILL_BENCH=1, as `make bench` does")
		return
	}
	os.Exit(m.Run())
}

// imported makes a file with the real raw rows.
func imported(t *testing.T) string {
	t.Helper()
	data := filepath.Join(root(t), "..", "shared", "data")
	if _, err := os.Stat(data); err != nil {
		t.Skipf("the real box scores are not at %s", data)
	}
	path := filepath.Join(t.TempDir(), "imported.db")
	b := open(t, path)
	for _, pattern := range []string{"schedule.csv", "players.csv", "live_boxscores_*.csv.gz",
		"gamelog_boxscores_*.csv.gz"} {
		files, err := filepath.Glob(filepath.Join(data, pattern))
		must(t, err)
		for _, f := range files {
			_, err := feed.Import(t.Context(), b.Store, f, feed.Options{})
			must(t, err)
		}
	}
	must(t, b.Close())
	return path
}

func open(t *testing.T, path string) *backend.Backend {
	t.Helper()
	address := "sqlite:" + path
	b, err := backend.Open(t.Context(), backend.Addresses{Queue: address, Ledger: address, Warehouse: address},
		backend.Options{Tables: append([]*table.Schema{summary.Target}, boxscore.Tables...)})
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	must(t, err)
	return filepath.Dir(strings.TrimSpace(string(out)))
}

func copyFile(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	out, err := os.Create(to)
	must(t, err)
	_, err = io.Copy(out, in)
	must(t, err)
	must(t, out.Close())
	return to
}

// TestRatio prints the engine's time over the real range as a ratio to the plain loop's.
func TestRatio(t *testing.T) {
	source := imported(t)
	var loop, engine []time.Duration
	var rows int
	for range rounds {
		took, n := plainLoop(t, copyFile(t, source))
		loop, rows = append(loop, took), n
		took, n = engineRun(t, copyFile(t, source), 2)
		engine = append(engine, took)
		if n != rows {
			t.Fatalf("the loop made %d rows, the engine %d", rows, n)
		}
	}
	l, e := median(loop), median(engine)
	t.Logf("%d rows over %s, %d CPUs: plain loop %s, engine with 2 workers %s, ratio %.2f (all: loop %v, engine %v)",
		rows, whole, runtime.NumCPU(), l.Round(time.Millisecond), e.Round(time.Millisecond),
		float64(e)/float64(l), loop, engine)
}

func median(d []time.Duration) time.Duration {
	sort.Slice(d, func(i, j int) bool { return d[i] < d[j] })
	return d[len(d)/2]
}

// engineRun publishes the range and drains it; planning is measured too, importing and validating are not.
func engineRun(t *testing.T, path string, concurrency int) (time.Duration, int) {
	t.Helper()
	b := open(t, path)
	defer b.Close()
	j := summary.Job()
	began := time.Now()
	p, err := publisher.New(t.Context(), j, publisher.Ports{Queue: b.Queue, Ledger: b.Ledger, Store: b.Store})
	must(t, err)
	r := publisher.Request{Range: whole, Actor: "bench"}
	plan, err := p.Plan(t.Context(), r)
	must(t, err)
	_, err = p.Publish(t.Context(), r, plan, nil)
	must(t, err)
	w, err := worker.New(t.Context(), j, b.Queue, b.Ledger, b.Store, slog.New(slog.NewTextHandler(io.Discard, nil)),
		worker.Config{Owner: "bench", Concurrency: concurrency, Drain: true})
	must(t, err)
	must(t, w.Run(t.Context()))
	took := time.Since(began)
	return took, count(t, path)
}

func count(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	must(t, db.QueryRow("SELECT count(*) FROM player_game_summary").Scan(&n))
	return n
}

// plainLoop does what a script would: for every date with games read the raw rows, transform, insert; one transaction.
func plainLoop(t *testing.T, path string) (time.Duration, int) {
	t.Helper()
	b := open(t, path) // makes the target table
	must(t, b.Close())
	ctx := context.Background()
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	must(t, err)
	defer db.Close()
	j := summary.Job()
	began := time.Now()
	tx, err := db.BeginTx(ctx, nil)
	must(t, err)
	references := map[string][]table.Row{}
	for _, s := range j.References {
		references[s.Name] = selectRows(t, tx, s, "")
	}
	settings, err := j.Settings(nil)
	must(t, err)
	shared, err := j.Decode(settings, references)
	must(t, err)
	names := `"` + strings.Join(summary.Target.Names(), `", "`) + `", "gamefill_generation"`
	insert, err := tx.Prepare("INSERT INTO player_game_summary (" + names + ") VALUES (?" +
		strings.Repeat(", ?", len(summary.Target.Columns)) + ")")
	must(t, err)
	written := 0
	now := time.Now().UTC()
	for d := range whole.Dates() {
		schedule := selectRows(t, tx, boxscore.Schedule, d.String())
		if j.Calendar.Expect(d, schedule).Units == 0 {
			continue
		}
		out, err := j.Build(shared, inputOf(d, schedule, selectRows(t, tx, boxscore.Gamebook, d.String()),
			selectRows(t, tx, boxscore.BDL, d.String()), now))
		must(t, err)
		args := make([]any, len(summary.Target.Columns)+1)
		args[len(args)-1] = 1
		for _, row := range out.Rows {
			for i, v := range row {
				args[i] = plain(v)
			}
			_, err := insert.Exec(args...)
			must(t, err)
			written++
		}
	}
	must(t, tx.Commit())
	return time.Since(began), written
}

// plain is the form of a value that SQLite stores.
func plain(v table.Value) any {
	switch v.Type() {
	case table.INT64:
		n, _ := v.Int64()
		return n
	case table.BOOL:
		return v.IsTrue()
	case table.FLOAT64:
		f, _ := v.Float64()
		return f
	case table.NUMERIC:
		n, scale, _ := v.Unscaled()
		f := float64(n)
		for range scale {
			f /= 10
		}
		return f
	case 0:
		return nil
	}
	return v.Text()
}

// selectRows reads one date of a raw table, or the whole table, by database/sql.
func selectRows(t *testing.T, tx *sql.Tx, s *table.Schema, day string) []table.Row {
	t.Helper()
	query, args := `SELECT "`+strings.Join(s.Names(), `", "`)+`" FROM "`+s.Name+`"`, []any{}
	if day != "" {
		query, args = query+` WHERE "`+s.Partition+`" = ?`, []any{day}
	}
	found, err := tx.Query(query, args...)
	must(t, err)
	defer found.Close()
	values := make([]any, len(s.Columns))
	into := make([]any, len(s.Columns))
	for i := range values {
		into[i] = &values[i]
	}
	var rows []table.Row
	for found.Next() {
		must(t, found.Scan(into...))
		row := make(table.Row, len(values))
		for i, v := range values {
			switch v := v.(type) {
			case int64:
				row[i] = table.Int(v)
				if s.Columns[i].Type == table.BOOL {
					row[i] = table.Bool(v == 1)
				}
			case float64:
				row[i] = table.Float(v)
			case string:
				row[i], err = s.Columns[i].ParseText(v)
				must(t, err)
			}
		}
		rows = append(rows, row)
	}
	must(t, found.Err())
	return rows
}

// TestPeakMemory runs the binary over one month and over the whole range and prints both peaks: memory must not grow
// with the number of dates.
func TestPeakMemory(t *testing.T) {
	source := imported(t)
	bin := filepath.Join(t.TempDir(), "publisher")
	build := exec.Command("go", "build", "-trimpath", "-o", bin, "./cmd/publisher")
	build.Dir = root(t)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	peak := func(from, to string) float64 {
		path := copyFile(t, source)
		c := exec.Command(bin, "run", "--from", from, "--to", to, "--allow-warnings", "--json")
		c.Env = append(os.Environ(), "GAMEFILL_QUEUE=sqlite:"+path, "GAMEFILL_LEDGER=sqlite:"+path,
			"GAMEFILL_WAREHOUSE=sqlite:"+path)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("run %s..%s: %v\n%s", from, to, err, out)
		}
		return float64(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	}
	month, all := peak("2022-01-01", "2022-01-31"), peak(whole.From.String(), whole.To.String())
	t.Logf("peak resident memory: 31 dates %.0f MiB, 944 dates %.0f MiB, ratio %.2f", month, all, all/month)
}
