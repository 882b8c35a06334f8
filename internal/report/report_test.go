package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/price"
	"gamefill/internal/report"
	"gamefill/test/golden"
)

func at(minute int) time.Time { return time.Date(2026, 3, 1, 9, minute, 0, 0, time.UTC) }

func day(text string) gamedate.Date { return gamedate.MustParse(text) }

func rows(n int64) *int64 { return &n }

// rain is the report of a run with something in every list.
func rain() *report.Report {
	r := &report.Report{
		MadeAt: at(30), Unit: "reading", Column: "tenths",
		Run: report.Run{
			ID: "20260301-090000-ab12", Job: "rain_per_day", Target: "sqlite:rain.db weather.rain_per_day",
			Range: gamedate.Range{From: day("2022-01-30"), To: day("2022-02-03")}, State: "finished",
			Reason: "the gauges were read anew", Actor: "keeper@hill", Version: "7",
			Settings: `{"unit":"tenths"}`, SettingsHash: strings.Repeat("ab", 32),
			ReferenceHash: strings.Repeat("cd", 32), PlanHash: strings.Repeat("ef", 32),
			Accept: []string{"too_wet"}, Force: true, StopOnFirstFailure: true, CreatedAt: at(0), FinishedAt: at(20),
		},
		Verdict: job.Failed, JudgedAt: at(20),
		Checks: []job.Check{
			{Name: "every date settled", Verdict: job.Pass, Seen: "5 of 5", Bound: "all dates"},
			{Name: "no dead dates", Verdict: job.Failed, Seen: "1", Bound: "0",
				Advice: "mend the cause and publish the date again"},
			{Name: "tenths_null", Scope: "2022", Verdict: job.Warned, Seen: "1 of 50 (2.00%)",
				Bound: "pass to 1%, warn to 5%", Advice: "look"},
			{Name: "stations", Verdict: job.Shown, Seen: "50"},
			{Name: "stations", Scope: "2022", Verdict: job.Pass, Seen: "50"},
		},
		Checklist: []report.Item{
			{Name: "every date settled", Verdict: job.Pass, Note: "5 of 5"},
			{Name: "no dead dates", Verdict: job.Failed, Note: "1"},
			{Name: "no rule overridden", Verdict: job.Warned, Note: "too_wet"},
			{Name: "spot check by a person", Verdict: job.NotChecked, Note: "compare a reading"},
		},
		Plan: []report.Planned{{Verdict: "queued", Reason: "new", Dates: 3}, {Verdict: "no_games", Dates: 2}},
		Months: []report.Month{
			{Month: "2022-01", Dates: 2, KnownDates: 2, RolledBack: 1, Before: report.Counts{Rows: 1200, Nulls: 1140},
				Now: report.Counts{Rows: 1210, Nulls: 484},
				Groups: []report.Group{{Name: "hills", Counts: report.Counts{Rows: 726}},
					{Name: "plain", Counts: report.Counts{Rows: 484, Nulls: 484}}}},
			{Month: "2022-02", Dates: 3, KnownDates: 1, Before: report.Counts{Rows: 10, Nulls: 9},
				Now:    report.Counts{Rows: 50, Nulls: 1},
				Groups: []report.Group{{Name: "", Counts: report.Counts{Rows: 50, Nulls: 1}}}},
		},
		Dates: []report.Date{
			{Date: day("2022-01-30"), Units: 2, State: "complete", Reason: "new", Outcome: "replaced", Attempts: 1,
				RowsBefore: rows(600), RowsNow: 605},
			{Date: day("2022-01-31"), Units: 2, State: "complete", Reason: "new", Outcome: "unchanged", Attempts: 2,
				RowsBefore: rows(600), RowsNow: 605},
			{Date: day("2022-02-01"), State: "no_games", RowsBefore: rows(0)},
			{Date: day("2022-02-02"), Units: 1, State: "dead", Reason: "new", Attempts: 5, RowsNow: 50},
			{Date: day("2022-02-03"), State: "no_games", RowsBefore: rows(0)},
		},
		Throughput: []report.Interval{{From: at(1), Length: 5 * time.Minute, Completed: 1},
			{From: at(6), Length: 5 * time.Minute}, {From: at(11), Length: 5 * time.Minute, Completed: 1}},
		Results: []report.Tally{{Name: "complete", Count: 2}, {Name: "dead", Count: 1}, {Name: "failed", Count: 5}},
		Tries:   []report.Tally{{Name: "1", Count: 1}, {Name: "2", Count: 1}, {Name: "5", Count: 1}},
		Failures: []report.Failure{
			{Class: "permanent", Reason: "bad_station", Stage: "build", Attempts: 1, Dates: 1, Example: day("2022-02-02"),
				Message: "a station that cannot be"},
			{Class: "transient", Reason: "timeout", Stage: "read", Attempts: 5, Dates: 2, Example: day("2022-02-02"),
				Message: "read readings: deadline exceeded"},
		},
		Letters: []report.Letter{
			{ID: "m1", Date: day("2022-02-02"), State: "open", Class: "permanent", Reason: "bad_station", Stage: "build",
				Attempts: 5, Message: "a station that cannot be"},
			{ID: "m2", State: "resolved", Class: "permanent", Reason: "unreadable", Message: "no JSON", Note: "a stray message"},
		},
		Unresolved: []report.Unresolved{{Season: "2022", Dates: 2, Names: []report.Name{
			{Lookup: "hilltop", Name: "Hill Top", Group: "north", Dates: 2}, {Lookup: "sea", Name: "Sea", Dates: 1}}}},
		Stages: []report.Stage{{Stage: "read", Dates: 2, Median: 1500 * time.Microsecond, P95: 2 * time.Second,
			Max: 90 * time.Minute}},
		Slowest: []report.Slow{{Date: day("2022-01-31"), Attempt: 2, Result: "complete", Took: 90 * time.Minute,
			Stage: "read_back"}},
		Quotas: []report.Quota{{Name: "partitions of the table written", Used: "2, at most 2 a day",
			Bound: "pass to 1000, warn to 30000"}},
		Costs: bill(),
		Events: []report.Event{
			{At: at(0), Kind: "run_opened", Actor: "keeper@hill", Message: "3 queued"},
			{At: at(12), Date: day("2022-02-02"), Kind: "republished", Actor: "worker-1"},
			{At: at(20), Kind: "finished", Actor: "keeper@hill", Message: "fail"},
		},
	}
	r.Sentence = report.Summarise(r)
	return r
}

// bill has a line of every kind.
func bill() price.Bill {
	b := price.Bill{Services: price.Services{Warehouse: true, Ledger: true}, Missing: []string{"storage", "the weather"}}
	b.Add(price.Line{Item: "load jobs", Quantity: 1200, Unit: "jobs", Known: price.Measured, Basis: "counted"}, price.Load)
	b.Show(price.Line{Item: "partitions kept for a rollback", Quantity: 2, Unit: "partitions", Known: price.Measured,
		Basis: "among the load jobs"})
	b.Add(price.Line{Item: "bytes billed for queries", Unit: price.Bytes, Known: price.Unknown, Basis: "not recorded"},
		price.Scan)
	b.Add(price.Line{Item: "Firestore reads", Quantity: 200_000, Unit: "documents", Known: price.Estimated,
		Basis: "2 dates"}, price.DocumentRead)
	return b
}

// renderings are both forms of a report.
var renderings = []struct {
	name   string
	render func(io.Writer, *report.Report) error
}{{"rain.html", report.HTML}, {"rain.md", report.Markdown}}

func render(t *testing.T, f func(io.Writer, *report.Report) error, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, tt := range renderings {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := render(t, tt.render, rain())
			golden.Compare(t, filepath.Join("testdata", tt.name), got)
			if again := render(t, tt.render, rain()); again != got {
				t.Error("a second rendering differs")
			}
		})
	}
}

// TestPageStandsAlone wants nothing that a browser would fetch or run, ids that are unique and exist where they are
// referred to, and charts with words.
func TestPageStandsAlone(t *testing.T) {
	t.Parallel()
	root, err := html.Parse(strings.NewReader(render(t, report.HTML, rain())))
	if err != nil {
		t.Fatal(err)
	}
	ids, referred, charts := map[string]int{}, []string{}, 0
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "link", "iframe", "object", "embed", "img", "image", "use", "base", "form":
			t.Errorf("got an element %s", n.Data)
		case "style":
			if css := n.FirstChild.Data; strings.Contains(css, "url(") || strings.Contains(css, "@import") {
				t.Error("the style sheet refers to something outside")
			}
		case "svg":
			charts++
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "id":
				ids[a.Val]++
			case a.Key == "href" && strings.HasPrefix(a.Val, "#"):
				referred = append(referred, a.Val[1:])
			case a.Key == "aria-labelledby":
				referred = append(referred, strings.Fields(a.Val)...)
			case a.Key == "href", a.Key == "src", a.Key == "srcset", a.Key == "action", strings.HasPrefix(a.Key, "on"):
				t.Errorf("got %s=%q on %s", a.Key, a.Val, n.Data)
			case strings.Contains(a.Val, "url("):
				t.Errorf("got %s=%q on %s", a.Key, a.Val, n.Data)
			}
		}
	}
	if charts != 5 {
		t.Errorf("charts: got %d, want 5", charts)
	}
	for _, id := range referred {
		if ids[id] != 1 {
			t.Errorf("id %q is referred to: got %d elements, want 1", id, ids[id])
		}
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("id %q: got %d elements, want 1", id, n)
		}
	}
}

// hostile is text that would be markup wherever it was not escaped, and break a table of Markdown.
const hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\n| a | [b](http://example.org) `c` **d** " +
	"\"'&amp; ${e} </style>"

// TestHostileText puts hostile text into every text of the report.
func TestHostileText(t *testing.T) {
	t.Parallel()
	r := rain()
	document, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatal(err)
	}
	n := 0
	poison(v, &n)
	if n < 50 {
		t.Fatalf("texts: got %d, want at least 50", n)
	}
	if document, err = json.Marshal(v); err != nil {
		t.Fatal(err)
	}
	bad := &report.Report{}
	if err := json.Unmarshal(document, bad); err != nil {
		t.Fatal(err)
	}

	clean, err := html.Parse(strings.NewReader(render(t, report.HTML, r)))
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(render(t, report.HTML, bad)))
	if err != nil {
		t.Fatal(err)
	}
	allowed := elements(clean)
	for name := range elements(root) {
		if allowed[name] == 0 {
			t.Errorf("the text made an element %s", name)
		}
	}
	if got, want := elements(root)["style"], 1; got != want {
		t.Errorf("style elements: got %d, want %d", got, want)
	}

	lines := strings.Split(render(t, report.Markdown, bad), "\n")
	for i, line := range lines {
		if strings.Contains(line, "<") || strings.Contains(line, "[b](") || strings.Contains(line, " **d**") {
			t.Errorf("line %d: got markup in %q", i+1, line)
		}
		if i > 0 && strings.HasPrefix(line, "|") && strings.HasPrefix(lines[i-1], "|") {
			if got, want := bars(line), bars(lines[i-1]); got != want {
				t.Errorf("line %d: got %d bars, want %d as in the line above: %q", i+1, got, want, line)
			}
		}
	}
}

// poison replaces every text that is no number, date, time, verdict or month.
func poison(v any, n *int) {
	change := func(text string, set func(string)) {
		if _, err := time.Parse(time.RFC3339, text); err == nil || len(text) == len("2022-01") ||
			len(text) == len("2022-01-30") && text[4] == '-' {
			return
		}
		*n++
		set(hostile)
	}
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if text, ok := inner.(string); ok && key != "verdict" {
				change(text, func(s string) { v[key] = s })
			} else {
				poison(inner, n)
			}
		}
	case []any:
		for i, inner := range v {
			if text, ok := inner.(string); ok {
				change(text, func(s string) { v[i] = s })
			} else {
				poison(inner, n)
			}
		}
	}
}

func elements(root *html.Node) map[string]int {
	found := map[string]int{}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			found[n.Data]++
		}
	}
	return found
}

// bars counts the bars of a line that are not escaped.
func bars(line string) int { return strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") }

// TestLongLists has more than a page shows, and more dates than fit side by side.
func TestLongLists(t *testing.T) {
	t.Parallel()
	tests := []struct {
		days  int
		chart string
	}{{60, "Rows per date"}, {300, "Rows per week"}, {944, "Rows per month"}}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.days), func(t *testing.T) {
			t.Parallel()
			r := rain()
			r.Run.Range = gamedate.Range{From: day("2021-10-01"), To: day("2021-10-01").AddDays(tt.days - 1)}
			r.Dates, r.Events = nil, nil
			for d := range r.Run.Range.Dates() {
				r.Dates = append(r.Dates, report.Date{Date: d, Units: 1, State: "complete", RowsBefore: rows(1), RowsNow: 2})
				r.Events = append(r.Events, report.Event{At: at(1), Kind: "republished", Date: d})
			}
			more := fmt.Sprintf("… and %d more", tt.days-50)
			for _, form := range renderings {
				if got := strings.Count(render(t, form.render, r), more); got != 2 {
					t.Errorf("%s: got %q %d times, want twice, for events and dates", form.name, more, got)
				}
			}
			page := render(t, report.HTML, r)
			if !strings.Contains(page, tt.chart+", before the run and now") {
				t.Errorf("got no chart %q", tt.chart)
			}
			if size := len(page); size > 200_000 {
				t.Errorf("page: got %d bytes, want at most 200000", size)
			}
		})
	}
}

// TestEmptyReport has a run of which nothing is known yet.
func TestEmptyReport(t *testing.T) {
	t.Parallel()
	r := &report.Report{Unit: "reading",
		Run:   report.Run{ID: "r1", State: "planning", Range: gamedate.Range{From: day("2022-01-30"), To: day("2022-01-30")}},
		Dates: []report.Date{{Date: day("2022-01-30"), RowsBefore: rows(0)}}, Verdict: job.NotChecked}
	r.Sentence = report.Summarise(r)
	if want := "The run is planning: 0 of 1 date complete, 1 not in the ledger; nothing was judged."; r.Sentence != want {
		t.Errorf("got %q, want %q", r.Sentence, want)
	}
	for _, form := range renderings {
		page := render(t, form.render, r)
		if !strings.Contains(page, "No attempt has begun.") || strings.Contains(page, "NULL") {
			t.Errorf("%s: got\n%s", form.name, page)
		}
	}
}

func TestSummarise(t *testing.T) {
	t.Parallel()
	checks := func(verdicts ...job.Verdict) (list []job.Check) {
		for i, v := range verdicts {
			list = append(list, job.Check{Name: fmt.Sprint(i), Verdict: v},
				job.Check{Name: fmt.Sprint(i), Scope: "2022", Verdict: job.Worse(job.Pass, v)})
		}
		return list
	}
	tests := []struct {
		name   string
		checks []job.Check
		want   string
	}{
		{"pass", checks(job.Pass, job.Shown), "every check passes"},
		{"one warning", checks(job.Pass, job.Warned), "1 check warns"},
		{"failures", checks(job.Failed, job.NotChecked), "2 checks fail"},
		{"both", checks(job.Failed, job.Warned, job.Warned), "1 check fails and 2 warn"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &report.Report{Run: report.Run{State: "finished"}, Checks: tt.checks,
				Dates: []report.Date{{State: "complete"}, {State: "dead"}}}
			want := "The run is finished: 1 of 2 dates complete, 1 dead; " + tt.want + "."
			if got := report.Summarise(r); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
