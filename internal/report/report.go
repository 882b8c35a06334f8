// Package report renders what became of a backfill run: as one HTML page that needs no network, and as Markdown.
//
// A [Report] is a plain value; whoever has the ledger and the warehouse fills it in. Rendering is pure: equal reports
// give equal bytes. The package knows no job: what is counted, and in which column, are words of the report.
package report

import (
	"cmp"
	"fmt"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/price"
	"gamefill/internal/terminal"
)

// Report is everything that is told about one run. Lists are whole; renderings cap them and say so.
type Report struct {
	MadeAt time.Time `json:"made_at"`
	// Unit names what the calendar counts, in the singular ("game").
	Unit string `json:"unit"`
	// Column is the column whose NULLs are counted, "" when the job counts none.
	Column string `json:"column,omitempty"`
	Run    Run    `json:"run"`
	// Sentence is the verdict in one sentence.
	Sentence  string    `json:"sentence"`
	Checklist []Item    `json:"checklist"`
	Plan      []Planned `json:"plan"`

	Verdict job.Verdict `json:"verdict"`
	Checks  []job.Check `json:"checks"`
	// JudgedAt is when the checks were made: when the run finished, or MadeAt for a run that has not.
	JudgedAt time.Time `json:"judged_at"`

	Months     []Month      `json:"months"`
	Dates      []Date       `json:"dates"` // every date of the range, in ascending order
	Throughput []Interval   `json:"throughput,omitempty"`
	Results    []Tally      `json:"attempt_results,omitempty"`   // attempts by result
	Tries      []Tally      `json:"attempts_per_date,omitempty"` // dates by their number of attempts
	Failures   []Failure    `json:"failures,omitempty"`
	Letters    []Letter     `json:"dead_letters,omitempty"`
	Unresolved []Unresolved `json:"unresolved,omitempty"`
	Stages     []Stage      `json:"stages,omitempty"`
	Slowest    []Slow       `json:"slowest,omitempty"`
	Quotas     []Quota      `json:"quotas"`
	Costs      price.Bill   `json:"costs"`
	Events     []Event      `json:"events"` // oldest first
}

// Run is what was asked for and what the run pins.
type Run struct {
	ID                 string         `json:"id"`
	Job                string         `json:"job"`
	Target             string         `json:"target"`
	Range              gamedate.Range `json:"range"`
	State              string         `json:"state"`
	Cause              string         `json:"cause,omitempty"`
	CausedBy           string         `json:"cause_kind,omitempty"`
	Reason             string         `json:"reason,omitempty"`
	Actor              string         `json:"actor"`
	Version            string         `json:"version"`
	Settings           string         `json:"settings"` // canonical
	SettingsHash       string         `json:"settings_hash"`
	ReferenceHash      string         `json:"reference_hash"`
	PlanHash           string         `json:"plan_hash"`
	Accept             []string       `json:"accepted_rules,omitempty"`
	Force              bool           `json:"force,omitempty"`
	StopOnFirstFailure bool           `json:"stop_on_first_failure,omitempty"`
	CreatedAt          time.Time      `json:"created_at"`
	FinishedAt         time.Time      `json:"finished_at,omitzero"`
}

// Item is one line of the success checklist.
type Item struct {
	Name    string      `json:"name"`
	Verdict job.Verdict `json:"verdict"`
	Note    string      `json:"note,omitempty"`
}

// Planned counts dates that the run's plan treated alike.
type Planned struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	Dates   int    `json:"dates"`
}

// Counts are rows and how many of them have NULL in Report.Column.
type Counts struct {
	Rows  int64 `json:"rows"`
	Nulls int64 `json:"nulls"`
}

// Group is the counts of the rows with one combination of the job's grouping columns.
type Group struct {
	Name string `json:"name"`
	Counts
}

// Month compares one month of the range before the run with what the table holds now. Before covers KnownDates of
// Dates: of the others it is not known what the run replaced.
type Month struct {
	Month      string  `json:"month"` // "2022-01"
	Dates      int     `json:"dates"`
	KnownDates int     `json:"known_dates"`
	RolledBack int     `json:"rolled_back,omitempty"` // dates that hold again what was there before
	Before     Counts  `json:"before"`
	Now        Counts  `json:"now"`
	Groups     []Group `json:"groups,omitempty"` // of Now, by name
}

// Date is one date of the range.
type Date struct {
	Date     gamedate.Date `json:"date"`
	Units    int           `json:"units"`           // that the calendar counts as final
	State    string        `json:"state,omitempty"` // "" when the ledger does not know the date
	Reason   string        `json:"reason,omitempty"`
	Outcome  string        `json:"outcome,omitempty"` // of the run's completion, "" when it completed nothing
	Attempts int           `json:"attempts"`          // of the run
	// RowsBefore is how many rows the partition held before the run, nil when that is not known.
	RowsBefore *int64 `json:"rows_before"`
	RowsNow    int64  `json:"rows_now"`
}

// Interval is how many dates were completed from a time on; intervals of a report are of equal length and without gaps.
type Interval struct {
	From      time.Time     `json:"from"`
	Length    time.Duration `json:"length_ns"`
	Completed int           `json:"completed"`
}

// Tally is how many of something there are.
type Tally struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Failure is failed attempts of one class and reason.
type Failure struct {
	Class    string        `json:"class"`
	Reason   string        `json:"reason"`
	Stage    string        `json:"stage"`
	Attempts int           `json:"attempts"`
	Dates    int           `json:"dates"`
	Example  gamedate.Date `json:"example"` // the newest
	Message  string        `json:"message"` // of the example
}

// Letter is one dead letter of the run.
type Letter struct {
	ID       string        `json:"id"`
	Date     gamedate.Date `json:"date,omitzero"` // zero when the message was unreadable
	State    string        `json:"state"`
	Class    string        `json:"class"`
	Reason   string        `json:"reason"`
	Stage    string        `json:"stage"`
	Attempts int           `json:"attempts"`
	Message  string        `json:"message"`
	Note     string        `json:"note,omitempty"`
}

// Unresolved are the names of one season that the references do not know.
type Unresolved struct {
	Season string `json:"season"`
	Dates  int    `json:"dates"` // with such a name
	Names  []Name `json:"names"` // the most frequent first
}

// Name is one name that the references do not know.
type Name struct {
	Lookup string `json:"lookup"`
	Name   string `json:"name"`
	Group  string `json:"group,omitempty"`
	Dates  int    `json:"dates"`
}

// Stage says how long one stage of the work took, over the dates that the run completed.
type Stage struct {
	Stage  string        `json:"stage"`
	Dates  int           `json:"dates"`
	Median time.Duration `json:"median_ns"`
	P95    time.Duration `json:"p95_ns"`
	Max    time.Duration `json:"max_ns"`
}

// Slow is one of the longest attempts.
type Slow struct {
	Date    gamedate.Date `json:"date"`
	Attempt int           `json:"attempt"`
	Result  string        `json:"result"`
	Took    time.Duration `json:"took_ns"`
	Stage   string        `json:"stage,omitempty"` // the longest of a completed attempt
}

// Quota is how much of something limited the run used.
type Quota struct {
	Name  string `json:"name"`
	Used  string `json:"used"`
	Bound string `json:"bound,omitempty"`
}

// Event is one line of the audit trail.
type Event struct {
	At      time.Time     `json:"at"`
	Date    gamedate.Date `json:"date,omitzero"`
	Kind    string        `json:"kind"`
	Actor   string        `json:"actor,omitempty"`
	Message string        `json:"message,omitempty"`
}

// Summarise is the verdict in one sentence: the state of the run, what became of its dates, and what the checks say.
func Summarise(r *Report) string {
	worst := map[string]job.Verdict{} // a check is made over the range and for each season of it
	for _, c := range r.Checks {
		worst[c.Name] = job.Worse(cmp.Or(worst[c.Name], job.Pass), c.Verdict)
	}
	judged := map[job.Verdict]int{}
	for _, v := range worst {
		judged[v]++
	}
	bad := judged[job.Failed] + judged[job.NotChecked]
	checks := "every check passes"
	switch {
	case len(r.Checks) == 0:
		checks = "nothing was judged"
	case bad > 0 && judged[job.Warned] > 0:
		checks = fmt.Sprintf("%s and %s", terminal.Plural(bad, "check fails", "checks fail"),
			terminal.Plural(judged[job.Warned], "warns", "warn"))
	case bad > 0:
		checks = terminal.Plural(bad, "check fails", "checks fail")
	case judged[job.Warned] > 0:
		checks = terminal.Plural(judged[job.Warned], "check warns", "checks warn")
	}
	states := map[string]int{}
	for _, d := range r.Dates {
		states[d.State]++
	}
	dates := fmt.Sprintf("%d of %s complete", states["complete"], terminal.Plural(len(r.Dates), "date", "dates"))
	for _, s := range []struct{ state, words string }{
		{"no_games", "without " + r.Unit + "s"}, {"no_schedule", "in a silence of the calendar"}, {"pending", "waiting"},
		{"leased", "in progress"},
		{"dead", "dead"}, {"cancelled", "cancelled"}, {"rolled_back", "rolled back"}, {"", "not in the ledger"},
	} {
		if n := states[s.state]; n > 0 {
			dates += fmt.Sprintf(", %d %s", n, s.words)
		}
	}
	return fmt.Sprintf("The run is %s: %s; %s.", r.Run.State, dates, checks)
}
