package sqliteledger

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/sqlitefile"
)

// TestQueriesUseIndexes asks SQLite how it would run each query: none may read a whole table or sort, but those that
// are meant to.
func TestQueriesUseIndexes(t *testing.T) {
	t.Parallel()
	f, err := sqlitefile.Open(t.Context(), filepath.Join(t.TempDir(), "gamefill.db"), sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	day := gamedate.MustParse("2022-01-15")
	attempts := func(f ledger.AttemptFilter) string { query, _ := attemptQuery(f, 20); return query }
	letters := func(f ledger.DeadLetterFilter) string { query, _ := deadLetterQuery(f); return query }
	events := func(run string) string { query, _ := eventQuery("j", run, 20); return query }
	tests := []struct {
		name, query string
		index       string // what must be used
		sorts       bool   // few rows are put in order afterwards
	}{
		{name: "guard", query: selectGuard, index: "PRIMARY KEY (job=? AND date=?)"},
		{name: "held", query: selectHeld, index: "PRIMARY KEY (job=? AND date=?)"},
		{name: "target", query: selectTarget, index: "PRIMARY KEY"},
		{name: "run", query: selectRun, index: "(id=?)"},
		{name: "revision", query: selectRevision, index: "(id=?)"},
		{name: "open run", query: selectOpenRun, index: "ledger_run_open (job=?)"},
		{name: "runs", query: selectRuns, index: "ledger_run_job (job=?)"},
		{name: "run state", query: selectRunState, index: "(id=?)"},
		{name: "update run", query: updateRun, index: "(id=?)"},
		{name: "cancel pending", query: cancelPending, index: "ledger_entry_run (run=? AND state=?)"},
		{name: "unsettled", query: selectUnsettled, index: "ledger_entry_run (run=? AND state=?)"},
		{name: "reference", query: selectReference, index: "PRIMARY KEY (run=?)"},
		{name: "entry", query: selectEntry, index: "PRIMARY KEY (job=? AND date=?)"},
		{name: "entries", query: selectEntries, index: "PRIMARY KEY (job=? AND date>? AND date<?)"},
		{name: "update entry", query: updateEntry, index: "PRIMARY KEY (job=? AND date=?)"},
		{name: "end attempt", query: endAttempt, index: "ledger_attempt_date (job=? AND date=? AND attempt=?)"},
		{name: "run entries", query: selectRunEntries, index: "PRIMARY KEY (job=?)"},
		{name: "run entries in a state", query: selectRunInState, index: "ledger_entry_run (run=? AND state=? AND job=?)"},
		{name: "count states", query: countStates, index: "ledger_entry_run (run=?"},
		{name: "mark published", query: markPublished, index: "PRIMARY KEY (job=? AND date=?)"},
		{name: "due", query: selectDue, index: "ledger_entry_run (run=? AND state=? AND job=?)"},
		{name: "expired", query: selectExpired, index: "ledger_entry_run (run=? AND state=? AND job=?)"},
		{name: "settle dead letter", query: settleDeadLetter, index: "PRIMARY KEY (id=?)"},

		{name: "attempts of a date", query: attempts(ledger.AttemptFilter{Job: "j", Date: day}),
			index: "ledger_attempt_date (job=? AND date=?)", sorts: true},
		{name: "attempts of a run", query: attempts(ledger.AttemptFilter{Job: "j", Run: "r"}),
			index: "ledger_attempt_run (run=?)"},
		{name: "ended attempts of a run", query: attempts(ledger.AttemptFilter{Job: "j", Run: "r", EndedOnly: true}),
			index: "ledger_attempt_ended (run=?"},
		{name: "events of a job", query: events(""), index: "ledger_event_job (job=?)"},
		{name: "events of a run", query: events("r"), index: "ledger_event_run (job=? AND run=?)"},
		{name: "open dead letters", query: letters(ledger.DeadLetterFilter{Job: "j", State: ledger.LetterOpen}),
			index: "ledger_dead_letter_job (job=? AND state=?)"},
		{name: "open dead letters of a run", query: letters(ledger.DeadLetterFilter{Run: "r", State: ledger.LetterOpen}),
			index: "ledger_dead_letter_run (run=? AND state=?)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var plan []string
			err := f.Read(t.Context(), func(tx *sqlitefile.Tx) (err error) {
				none := make([]any, parameters(tt.query))
				plan, err = scan(tx, "EXPLAIN QUERY PLAN "+tt.query, none, func(c *columns) string {
					_, _, _ = c.integer(), c.integer(), c.integer()
					return c.text()
				})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(plan, "\n")
			if strings.Contains(text, "SCAN") {
				t.Errorf("reads a whole table:\n%s", text)
			}
			if sorts := strings.Contains(text, "TEMP B-TREE"); sorts != tt.sorts {
				t.Errorf("sorts: got %v, want %v:\n%s", sorts, tt.sorts, text)
			}
			if !strings.Contains(text, tt.index) {
				t.Errorf("does not use %s:\n%s", tt.index, text)
			}
		})
	}
}

var placeholder = regexp.MustCompile(`\?(\d*)`)

// parameters counts the parameters of a query, which are all plain or all numbered.
func parameters(query string) (n int) {
	for _, match := range placeholder.FindAllStringSubmatch(query, -1) {
		if number, err := strconv.Atoi(match[1]); err == nil {
			n = max(n, number)
		} else {
			n++
		}
	}
	return n
}
