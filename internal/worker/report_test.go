package worker_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/report"
	"gamefill/internal/snapshot"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
)

func (w *world) report(run string) *report.Report {
	w.t.Helper()
	r, err := w.publisher().Report(w.t.Context(), run, nil)
	must(w.t, err)
	return r
}

// itemOf is a line of the checklist.
func itemOf(r *report.Report, name string) report.Item {
	i := slices.IndexFunc(r.Checklist, func(item report.Item) bool { return item.Name == name })
	if i < 0 {
		return report.Item{}
	}
	return r.Checklist[i]
}

// A report of a first run and of a second one over it: what was there before is counted where it was kept.
func TestReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2024-03-05", "2024-03-06", "2024-03-07", "2024-03-08")
	w.reading("2024-03-06", "west", 7) // unknown to the stations
	w.reading("2024-03-07", testjob.Permanent, 1)
	ask := request("2024-03-04", "2024-03-08")
	ask.Reason = "the gauges were read anew"
	first := w.publish(ask).RunID
	w.drain()

	r := w.report(first)
	if r.Run.State != string(ledger.RunOpen) || r.Verdict != job.Failed || !r.JudgedAt.Equal(r.MadeAt) ||
		itemOf(r, "run finished").Verdict != job.Warned {
		t.Errorf("before the end: got %s, %s, judged at %v", r.Run.State, r.Verdict, r.JudgedAt)
	}
	w.validate("2024-03-04", "2024-03-08")

	r = w.report(first)
	if r.Run.State != string(ledger.RunFinished) || r.Run.Reason != ask.Reason || r.Unit != "reading" ||
		r.Column != "tenths" || r.JudgedAt.Equal(r.MadeAt) {
		t.Errorf("got run %+v, unit %q, column %q", r.Run, r.Unit, r.Column)
	}
	if want := "The run is finished: 3 of 5 dates complete, 1 in a silence of the calendar, 1 dead; 1 check fails and " +
		"1 warns."; r.Sentence != want {
		t.Errorf("sentence: got %q, want %q", r.Sentence, want)
	}
	if diff := cmp.Diff(
		[]report.Planned{{Verdict: "queued", Reason: ledger.ReasonNew, Dates: 4}, {Verdict: "no_schedule", Dates: 1}},
		r.Plan); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	wantMonths := []report.Month{{Month: "2024-03", Dates: 5, KnownDates: 5, Now: report.Counts{Rows: 7},
		Groups: []report.Group{{Name: "", Counts: report.Counts{Rows: 1}}, {Name: "hills", Counts: report.Counts{Rows: 3}},
			{Name: "plain", Counts: report.Counts{Rows: 3}}}}}
	if diff := cmp.Diff(wantMonths, r.Months); diff != "" {
		t.Errorf("months (-want +got):\n%s", diff)
	}
	wantFailures := []report.Failure{
		{Class: "permanent", Reason: "bad_station", Stage: "build", Attempts: 1, Dates: 1, Example: date("2024-03-07"),
			Message: r.Failures[0].Message}}
	if diff := cmp.Diff(wantFailures, r.Failures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	wantUnresolved := []report.Unresolved{
		{Season: "2024", Dates: 1, Names: []report.Name{{Lookup: "west", Name: "west", Dates: 1}}}}
	if diff := cmp.Diff(wantUnresolved, r.Unresolved); diff != "" {
		t.Errorf("unresolved (-want +got):\n%s", diff)
	}
	completed := 0
	for _, interval := range r.Throughput {
		completed += interval.Completed
	}
	if completed != 3 || len(r.Stages) == 0 || r.Stages[0].Stage != "claim" || len(r.Slowest) != 4 ||
		!strings.HasPrefix(r.Quotas[0].Used, "3, ") {
		t.Errorf("got %d completed, stages %v, slowest %v, quotas %v", completed, r.Stages, r.Slowest, r.Quotas)
	}
	if got := itemOf(r, "no open dead letters"); got.Verdict != job.Failed {
		t.Errorf("open dead letters: got %v, want %v", got, job.Failed)
	}
	if got := itemOf(r, "pre-flight before the first write"); got.Verdict != job.NotChecked {
		t.Errorf("pre-flight: got %v, want %v", got, job.NotChecked)
	}

	// A second run rewrites one date, leaves one unchanged and does another for the first time.
	w.load(testjob.Readings, []string{"day"},
		table.Row{w.dateValue("2024-03-05"), table.String("south"), table.Int(9), table.Int(31)})
	w.sql(`UPDATE rain_per_day SET tenths = NULL WHERE day = '2024-03-08' AND station = 'south'`)
	second := w.publish(request("2024-03-05", "2024-03-08")).RunID
	w.drain()
	w.validate("2024-03-05", "2024-03-08")
	r = w.report(second)
	if got := r.Months[0]; got.KnownDates != 4 || got.Before != (report.Counts{Rows: 7, Nulls: 1}) ||
		got.Now != (report.Counts{Rows: 6}) {
		t.Errorf("second run: got %+v, want 7 rows with 1 NULL before and 6 rows without now", got)
	}
	if got := *r.Dates[0].RowsBefore; got != 2 || r.Dates[0].RowsNow != 1 ||
		r.Dates[0].Outcome != string(ledger.Replaced) {
		t.Errorf("rewritten date: got %+v with %d rows before, want 2", r.Dates[0], got)
	}
	if got := w.report(first).Plan; !slices.Contains(got,
		report.Planned{Verdict: "planned again", Reason: "by a later run", Dates: 3}) {
		t.Errorf("plan of the first run now: got %v, want 3 dates planned again", got)
	}

	// When what was kept is gone, the rows are known still and the NULLs are not.
	_, err := w.store.Drop(t.Context(), snapshot.Table(w.job.Target, second))
	must(t, err)
	r = w.report(second)
	if got := r.Months[0].KnownDates; got != 2 || *r.Dates[0].RowsBefore != 2 {
		t.Errorf("without what was kept: got %d known dates and %d rows before, want 2 and 2", got, *r.Dates[0].RowsBefore)
	}
	var page bytes.Buffer
	must(t, report.HTML(&page, r))
	if !strings.Contains(page.String(), "2 of 4 dates") {
		t.Error("the page does not say of how many dates it is known what was before")
	}
}

func TestReportErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "2024-03-05")
	if _, err := w.publisher().Report(t.Context(), "nobody", nil); !errors.Is(err, ledger.ErrNoRun) {
		t.Errorf("unknown run: got %v, want %v", err, ledger.ErrNoRun)
	}
	run := w.publish(request("2024-03-05", "2024-03-05")).RunID
	ctx, cancel := context.WithCancel(t.Context())
	p := w.publisher()
	cancel()
	if _, err := p.Report(ctx, run, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
}
