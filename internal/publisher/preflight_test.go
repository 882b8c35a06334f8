package publisher_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger/sqliteledger"
	"gamefill/internal/publisher"
	"gamefill/internal/queue/sqlitequeue"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse/sqlitewarehouse"
)

// open makes a publisher of a job on a fresh file whose calendar has one day, off season, and returns the ports too.
func open(t *testing.T, j job.Job) (*publisher.Publisher, publisher.Ports) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := sqlitefile.Open(ctx, filepath.Join(t.TempDir(), "preflight.db"), sqlitefile.Options{})
	must(err)
	t.Cleanup(func() { _ = f.Close() })
	q, err := sqlitequeue.New(ctx, f, sqlitequeue.Options{})
	must(err)
	l, err := sqliteledger.New(ctx, f, sqliteledger.Options{})
	must(err)
	s, err := sqlitewarehouse.New(ctx, f, sqlitewarehouse.Options{})
	must(err)
	for _, schema := range testjob.Tables {
		must(s.Create(ctx, schema))
	}
	day := table.Date(gamedate.MustParse("2022-01-05"))
	for schema, row := range map[*table.Schema]table.Row{
		testjob.Plan:     {day, table.Int(1), table.Bool(true)},
		testjob.Readings: {day, table.String("north"), table.Int(9), table.Null},
		testjob.Stations: {table.String("north"), table.String("hills")},
	} {
		_, err := s.Load(ctx, schema, nil, func(yield func(table.Row) error) error { return yield(row) })
		must(err)
	}
	ports := publisher.Ports{Queue: q, Ledger: l, Store: s}
	p, err := publisher.New(ctx, j, ports)
	must(err)
	return p, ports
}

// The job judges one count a table, and what cannot be counted is not checked, which fails.
func TestPreflightAsksTheJob(t *testing.T) {
	t.Parallel()
	var seen job.PreflightInput
	j := testjob.Job(nil)
	j.Thresholds = job.EngineThresholds()
	j.Preflight = job.Preflight{
		Counts: []job.Counting{{Table: testjob.Readings, By: []string{"station"}, Nulls: []string{"tenths"}}},
		Judge: func(in job.PreflightInput) []job.Check {
			seen = in
			return []job.Check{{Name: "readings", Verdict: job.Pass}}
		},
	}
	p, _ := open(t, j)
	day := gamedate.MustParse("2022-01-05")
	request := publisher.Request{Range: gamedate.Range{From: day, To: day.AddDays(2)}, Actor: "tester"}
	f, err := p.Preflight(t.Context(), request, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range f.Checks {
		names = append(names, string(c.Verdict)+" "+c.Name)
	}
	want := []string{"pass table is as needed", "pass no other run", "pass calendar is final",
		"pass no silence in the calendar", "pass no live dates", "pass readings"}
	if diff := cmp.Diff(want, names); diff != "" || f.Verdict != job.Pass || !f.Embedded || f.Summary() != "pass" {
		t.Errorf("got %s, embedded %v, checks (-want +got):\n%s", f.Verdict, f.Embedded, diff)
	}
	groups := seen.Counts[testjob.Readings.Name]
	if len(groups) != 1 || groups[0].Date != day || groups[0].Keys[0] != "north" || groups[0].Rows != 1 ||
		groups[0].Nulls[0] != 1 {
		t.Errorf("counts: got %+v, want the one reading without a value", groups)
	}
	if !seen.Queued[day] || len(seen.Queued) != 1 || seen.Expected[day].Units != 1 ||
		len(seen.References[testjob.Stations.Name]) != 1 {
		t.Errorf("got %+v, want the one day, expected and queued, and its station", seen)
	}

	j.Preflight.Counts = append(j.Preflight.Counts, job.Counting{Table: testjob.Readings, By: []string{"no such column"}})
	p, _ = open(t, j)
	if f, err = p.Preflight(t.Context(), request, nil); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(f.Checks, func(c job.Check) bool { return c.Verdict == job.NotChecked })
	if f.Verdict != job.NotChecked || i < 0 || !strings.Contains(f.Checks[i].Seen, "no such column") {
		t.Errorf("got %s, %+v, want a count that could not be made", f.Verdict, f.Checks)
	}
}

// A missing table keeps the dates from being planned, and the other checks are made all the same.
func TestPreflightWithoutTable(t *testing.T) {
	t.Parallel()
	j := testjob.Job(nil)
	j.Thresholds = job.EngineThresholds()
	absent := *j.Target
	absent.Name = "absent"
	j.Target = &absent
	p, _ := open(t, j)
	day := gamedate.MustParse("2022-01-05")
	f, err := p.Preflight(t.Context(), publisher.Request{Range: gamedate.Range{From: day, To: day}, Actor: "tester"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]job.Verdict{}
	for _, c := range f.Checks {
		verdicts[c.Name] = c.Verdict
	}
	if verdicts["table exists"] != job.Failed || verdicts["dates can be planned"] != job.Failed ||
		verdicts["calendar is final"] != job.Pass || f.Verdict == job.Pass {
		t.Errorf("got %s, checks %v, want the table that does not exist, a plan that was not made, "+
			"and the calendar all the same", f.Verdict, verdicts)
	}

	j = testjob.Job(nil)
	j.Calendar.Table = &absent
	p, _ = open(t, j)
	if f, err = p.Preflight(t.Context(), publisher.Request{Range: gamedate.Range{From: day, To: day}, Actor: "tester"},
		nil); err != nil {
		t.Fatal(err)
	}
	if last := f.Checks[len(f.Checks)-1]; last.Name != "calendar is final" || last.Verdict != job.Failed ||
		f.Verdict != job.Failed {
		t.Errorf("without a calendar: got %s, %+v, want it to fail", f.Verdict, last)
	}
}

// recorded publishes a request for the first time, and returns the last event of its run whose kind begins so.
func recorded(t *testing.T, r publisher.Request, begins string) (kind, message string) {
	t.Helper()
	p, ports := open(t, testjob.Job(nil))
	plan, err := p.Plan(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	result, err := p.Publish(t.Context(), r, plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	events, err := ports.Ledger.Events(t.Context(), testjob.Name, result.RunID, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if strings.HasPrefix(e.Kind, begins) {
			kind, message = e.Kind, e.Message
		}
	}
	return kind, message
}

// What was looked at, or why not, is in the run's audit trail; skipping needs a reason.
func TestPreflightIsRecorded(t *testing.T) {
	t.Parallel()
	day := gamedate.MustParse("2022-01-05")
	base := publisher.Request{Range: gamedate.Range{From: day, To: day}, Actor: "tester"}
	warned := base
	warned.Preflight = &publisher.Preflight{Verdict: job.Warned, Checks: []job.Check{
		{Name: "a", Verdict: job.Pass}, {Name: "b", Verdict: job.Warned}, {Name: "b", Scope: "2021-22", Verdict: job.Warned},
		{Name: "c", Scope: "2021-22", Verdict: job.Warned}}}
	skipped := base
	skipped.SkipPreflight, skipped.Reason = true, "known gap"
	for _, tt := range []struct {
		request       publisher.Request
		kind, message string
	}{{warned, publisher.EventPreflight, "warn: 2 checks: b, c"}, {skipped, publisher.EventPreflightSkipped, "known gap"},
		{base, "", ""}} {
		if kind, message := recorded(t, tt.request, "preflight"); kind != tt.kind || message != tt.message {
			t.Errorf("got event %q %q, want %q %q", kind, message, tt.kind, tt.message)
		}
	}
	skipped.Reason = " "
	_, err := publisher.Check(testjob.Job(nil), skipped)
	if err == nil || !strings.Contains(err.Error(), "--skip-preflight") {
		t.Errorf("skipped without a reason: got %v, want a usage error", err)
	}
}
