package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gamefill/test/league"
	"gamefill/test/program"
)

// TestMain takes away what the caller's environment would decide.
func TestMain(m *testing.M) {
	program.ForgetSettings()
	os.Exit(m.Run())
}

// result is what one command left behind.
type result struct {
	code        int
	out, errout string
}

// cli runs the program as main does.
func cli(ctx context.Context, args ...string) result {
	var out, errout bytes.Buffer
	code := run(ctx, args, &out, &errout)
	return result{code, out.String(), errout.String()}
}

// desk is an operator's desk: a database file of its own and, beside it, the files of an invented league.
type desk struct {
	t      *testing.T
	db     string
	league *league.League
}

// newDesk makes a desk whose database does not exist yet.
func newDesk(t *testing.T, o league.Options) *desk {
	t.Helper()
	dir := t.TempDir()
	l, err := league.Write(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t, filepath.Join(dir, "desk.db"), l}
}

// loaded makes a desk whose database holds the league.
func loaded(t *testing.T, o league.Options) *desk {
	t.Helper()
	d := newDesk(t, o)
	d.want(0, d.importArgs()...)
	return d
}

func (d *desk) importArgs() []string {
	return []string{"import", d.league.Schedule, d.league.Players, d.league.Live, d.league.Gamelog}
}

// span are the flags that name the league's whole range.
func (d *desk) span() []string {
	return []string{"--from", d.league.Range.From.String(), "--to", d.league.Range.To.String()}
}

// do runs a command on the desk's database.
func (d *desk) do(args ...string) result {
	return cli(d.t.Context(), append(args, d.addresses()...)...)
}

func (d *desk) addresses() []string {
	return []string{"--queue", "sqlite:" + d.db, "--ledger", "sqlite:" + d.db, "--warehouse", "sqlite:" + d.db}
}

// want runs a command and fails the test unless it exits with the code.
func (d *desk) want(code int, args ...string) result {
	d.t.Helper()
	r := d.do(args...)
	if r.code != code {
		d.t.Fatalf("%s: got exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.errout)
	}
	return r
}

// document runs a command with --json, wants the exit code, and decodes the one document on standard output into v.
func (d *desk) document(code int, v any, args ...string) {
	d.t.Helper()
	r := d.want(code, append(args, "--json")...)
	decoder := json.NewDecoder(strings.NewReader(r.out))
	if err := decoder.Decode(v); err != nil {
		d.t.Fatalf("%s --json: %v\n%s", strings.Join(args, " "), err, r.out)
	}
	if _, err := decoder.Token(); err != io.EOF {
		d.t.Fatalf("%s --json: got more than one document: %v\n%s", strings.Join(args, " "), err, r.out)
	}
}

// contains fails the test for every text that got lacks.
func contains(t *testing.T, got string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(got, text) {
			t.Errorf("got\n%s\nwant it to contain %q", got, text)
		}
	}
}

// sql runs one statement on the desk's database as a person with a SQLite shell would; into, if not nil, gets the first
// column of the first row.
func (d *desk) sql(into any, statement string, args ...any) {
	d.t.Helper()
	db, err := sql.Open("sqlite", d.db)
	if err != nil {
		d.t.Fatal(err)
	}
	defer db.Close()
	if into != nil {
		err = db.QueryRow(statement, args...).Scan(into)
	} else {
		_, err = db.Exec(statement, args...)
	}
	if err != nil {
		d.t.Fatalf("%s: %v", statement, err)
	}
}
