package backend_test

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/backend"
	"gamefill/internal/setup"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/test/emulator"
)

var tables = backend.Tables{Target: []*table.Schema{testjob.Target}, Sources: []*table.Schema{testjob.Readings}}

// states are findings in short.
func states(findings []setup.Finding) (short []string) {
	for _, f := range findings {
		short = append(short, f.Resource+": "+string(f.State))
	}
	return short
}

// setUp wants these findings and no error.
func setUp(t *testing.T, a backend.Addresses, mode setup.Mode, want ...string) []setup.Finding {
	t.Helper()
	findings, err := backend.Setup(t.Context(), a, tables, mode)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, states(findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	return findings
}

func TestSetupOfOneFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gamefill.db")
	a := backend.Addresses{Queue: "sqlite:" + path, Ledger: "sqlite:" + path, Warehouse: "sqlite:" + path}
	all := func(state string) []string {
		return []string{"SQLite file " + path + ": " + state, "table " + testjob.Target.FullName() + ": " + state,
			"table " + testjob.Readings.FullName() + ": " + state}
	}
	for _, mode := range []setup.Mode{setup.DryRun, setup.Check} {
		for _, f := range setUp(t, a, mode, all("missing")...) {
			if f.Wanting(mode) != (mode == setup.Check) {
				t.Errorf("%+v: want it left to do by a check alone", f)
			}
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Fatalf("looking has made the file (%v)", err)
	}
	setUp(t, a, setup.Make, all("created")...)
	for _, mode := range []setup.Mode{setup.Make, setup.DryRun, setup.Check} {
		setUp(t, a, mode, all("present")...)
	}
}

func TestSetupOfThreeFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, l, w := filepath.Join(dir, "q.db"), filepath.Join(dir, "l.db"), filepath.Join(dir, "none", "w.db")
	a := backend.Addresses{Queue: "sqlite:" + q, Ledger: "sqlite:" + l, Warehouse: "sqlite:" + w}
	if err := os.WriteFile(q, []byte("no database at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []setup.Mode{setup.DryRun, setup.Make} {
		findings, err := backend.Setup(t.Context(), a, tables, mode)
		if !errors.Is(err, sqlitefile.ErrNotSQLite) || !strings.Contains(err.Error(), "queue sqlite:"+q) {
			t.Errorf("got %v, want an error about the queue's file", err)
		}
		switch mode {
		case setup.DryRun:
			if len(findings) != 4 || findings[0].Resource != "SQLite file "+l || findings[1].Makeable ||
				findings[1].Advice == "" {
				t.Errorf("got %+v, want the ledger's file, and the warehouse's with the advice to make its directory", findings)
			}
		case setup.Make:
			if !errors.Is(err, sqlitefile.ErrMissing) || len(findings) != 1 || findings[0].State != setup.Created {
				t.Errorf("got %+v and %v, want the ledger's file made and the missing directory told", findings, err)
			}
		}
	}
}

// TestSetupOfTables: a table that lacks something is mended, one that does not fit is left alone.
func TestSetupOfTables(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gamefill.db")
	a := backend.Addresses{Queue: "sqlite:" + path, Ledger: "sqlite:" + path, Warehouse: "sqlite:" + path}
	if _, err := backend.Setup(t.Context(), a, backend.Tables{}, setup.Make); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	last := testjob.Target.Columns[len(testjob.Target.Columns)-1].Name
	if _, err := db.Exec("CREATE TABLE " + testjob.Readings.Name + " (nothing_known BLOB)"); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []setup.Mode{setup.Check, setup.Make} {
		findings, err := backend.Setup(t.Context(), a, tables, mode)
		if err != nil {
			t.Fatal(err)
		}
		differs := 0
		for _, f := range findings[2:] {
			if f.Resource == "table "+testjob.Readings.FullName() && f.State == setup.Differs && f.Seen != "" &&
				f.Wanting(mode) {
				differs++
			}
		}
		if differs == 0 || differs != len(findings)-2 {
			t.Errorf("got %+v, want only differences of the foreign table", findings[2:])
		}
	}
	if _, err := db.Exec("ALTER TABLE " + testjob.Target.Name + " DROP COLUMN " + last); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		mode  setup.Mode
		state setup.State
	}{{setup.DryRun, setup.Missing}, {setup.Make, setup.Created}} {
		findings, err := backend.Setup(t.Context(), a, tables, tt.mode)
		if err != nil {
			t.Fatal(err)
		}
		if f := findings[1]; f.State != tt.state || f.Seen != "without columns "+last {
			t.Errorf("got %+v, want it %s without column %s", f, tt.state, last)
		}
	}
}

// TestSetupOnEmulators makes everything in both, twice.
func TestSetupOnEmulators(t *testing.T) {
	t.Parallel()
	emulator.PubSub(t)
	emulator.Firestore(t)
	project := "setup-" + strings.ToLower(rand.Text())
	a := backend.Addresses{Queue: "pubsub://" + project + "/dates", Ledger: "firestore://" + project,
		Warehouse: "sqlite:" + filepath.Join(t.TempDir(), "gamefill.db")}
	want := func(queue, file string) (all []string) {
		for _, r := range []string{"topic dates-dead", "topic dates", "subscription dates-dead-fold",
			"subscription dates-worker"} {
			all = append(all, r+" of project "+project+": "+queue)
		}
		return append(all, "rights on topics and subscriptions of project "+project+": unknown",
			"Firestore database (default) of project "+project+": present",
			"indexes of Firestore database (default) of project "+project+": present",
			"SQLite file "+strings.TrimPrefix(a.Warehouse, "sqlite:")+": "+file,
			"table "+testjob.Target.FullName()+": "+file, "table "+testjob.Readings.FullName()+": "+file)
	}
	setUp(t, a, setup.Check, want("missing", "missing")...)
	setUp(t, a, setup.Make, want("created", "created")...)
	setUp(t, a, setup.Make, want("present", "present")...)
	for _, f := range setUp(t, a, setup.Check, want("present", "present")...) {
		if f.Wanting(setup.Check) {
			t.Errorf("%+v: want nothing left to do", f)
		}
	}
}

// TestSetupOfBigQuery: what is refused there comes beside what was found elsewhere.
func TestSetupOfBigQuery(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error": {"code": 403, "message": "as told", "errors": [{"reason": "accessDenied"}]}}`)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "gamefill.db")
	a := backend.Addresses{Queue: "sqlite:" + file, Ledger: "sqlite:" + file,
		Warehouse: "bigquery://demo-project?raw=p.r&analytics=p.a&reference=p.f&location=US&endpoint=" + server.URL}
	target := &table.Schema{Dataset: "nba_analytics", Name: "made", Columns: testjob.Target.Columns}
	findings, err := backend.Setup(t.Context(), a, backend.Tables{Target: []*table.Schema{target}}, setup.Make)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"SQLite file " + file + ": created", "table nba_analytics.made: forbidden"}
	if diff := cmp.Diff(want, states(findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
