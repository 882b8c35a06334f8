// Package job says what the engine needs to know about a table that it rebuilds: a [Job] is a value with the target's
// schema, its sources, a pure build function and the gates that judge the result.
//
// Queue, ledger, warehouse, publisher and worker are given a Job and know nothing else about its subject. Jobs are
// stateless and safe for concurrent use; everything that a build may depend on is in [Input].
package job

import (
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// Job is one kind of rebuild. All function fields MUST be pure: equal arguments give equal results, no clock, no I/O.
type Job struct {
	Name    string // the word in messages and in the ledger: "player_game_summary"
	Version string // transform version; dates done by another version are stale
	Target  *table.Schema
	Sources []*table.Schema // partitioned like the target, read per date
	// References are read once per run, canonicalised, hashed and pinned in the ledger; see [PackReference].
	References []*table.Schema
	Calendar   Calendar

	// Settings checks and canonicalises row-affecting settings. Empty input means the defaults. Unknown keys and
	// impossible values are errors. The canonical text is stored with the run and hashed; workers build with it. It is a
	// JSON object; its member "thresholds", where it has one, holds the bounds of every threshold by name.
	Settings func(settings []byte) (canonical []byte, err error)

	// RowSettings is the part of canonical settings whose change makes finished dates stale: what decides rows, without
	// what only decides whether rows may be written (overrides, how to treat the old partition). nil: all of them.
	RowSettings func(settings []byte) []byte

	// Decode prepares what one run shares between dates: settings as canonicalised and reference rows by table name.
	// The result is passed to Build unchanged and MUST be safe for concurrent reads.
	Decode func(settings []byte, references map[string][]table.Row) (shared any, err error)

	// Build makes the whole partition of one date, or says why there is none. See [Output].
	Build func(shared any, in Input) (Output, error)

	// Suggest returns what in the reference tables an unresolved name may mean, the likeliest first, at most most; nil
	// when the job has no names.
	Suggest func(references map[string][]table.Row, u Unresolved, most int) []Suggestion

	// Rules names every acceptance rule that a finding may carry and an override may accept.
	Rules []Rule

	// Thresholds is every bound that judges, with its default; [EngineThresholds] are among them.
	Thresholds []Threshold

	// Preflight judges the inputs of a run before its first write.
	Preflight Preflight

	// Gates asks the warehouse for counts over the whole range of a run, and judges them.
	Gates Gates

	// Sampling is how a run over many dates begins; without a Canary it begins with all of them.
	Sampling Sampling
}

// RowSettingsHash is the SHA-256, in hex, of the settings that decide rows; see Job.RowSettings.
func (j *Job) RowSettingsHash(settings []byte) string {
	if j.RowSettings != nil {
		settings = j.RowSettings(settings)
	}
	return HashOf(settings)
}

// Rule is one acceptance rule.
type Rule struct {
	Name string
	Doc  string // what fails or warns, with its bounds
	// StopsRun says that an error of one date speaks of the whole run, which is paused at once: more dates would only
	// repeat what one person has to look at.
	StopsRun bool
}

// Calendar tells planning which dates have work.
type Calendar struct {
	Table *table.Schema // read for the range; partitioned like the target
	// Expect judges one date's calendar rows: what a rebuild of that date must find.
	Expect func(date gamedate.Date, rows []table.Row) Expectation
	// InSeason reports whether a date lies where a longer silence of the calendar is suspicious.
	InSeason func(date gamedate.Date) bool
	// Unit names what is counted, in the singular ("game"), and SeasonNote says in words until when a season lasts
	// ("although seasons run to mid-June"); both are for messages.
	Unit, SeasonNote string
	// Link is the address where others publish about one unit of a date, named as in Expectation.Names; "" where there is
	// none. nil: nobody does.
	Link func(date gamedate.Date, name string) string
	// MaxQuietDays is the longest stretch of in-season dates without a unit that needs no warning.
	MaxQuietDays int
	// SeasonOf names the season of a date, for roll-ups.
	SeasonOf func(date gamedate.Date) string
}

// Expectation is what the calendar promises for one date, in the job's units (games).
type Expectation struct {
	Units    int      // units that count and are final
	NotFinal int      // units that count and are under way or still to come
	Excluded int      // units that do not count (exhibitions)
	Names    []string // the counted final units
}

// Input is everything one build may depend on.
type Input struct {
	Date     gamedate.Date
	Sources  map[string][]table.Row // by Schema.Name; rows in no defined order
	Previous []table.Row            // the target's present partition
	// PreviousFacts are the counts the ledger recorded when gamefill itself wrote exactly that partition; nil when
	// somebody else wrote it or it is empty.
	PreviousFacts *Counts
	// NewestSource is, by source table, the newest input time recorded by the last completion of this date.
	NewestSource map[string]time.Time
	// Accept names the rules whose error-level findings do not fail the date.
	Accept map[string]bool
	// Now is written to volatile columns only.
	Now time.Time
	// Force allows going back to older sources.
	Force bool
}

// Output is one built partition and everything worth recording about how it came to be.
// Rows in = rows used + rejected: RowsIn = RowsUsed + sum of RejectedBy.
type Output struct {
	Rows   []table.Row // whole partition in schema order
	Counts Counts
	// Findings are the acceptance rules that fired. An error-level finding not in Input.Accept fails the date.
	Findings []Finding
	// Rejections samples rejected input rows, then values left out of rows that were kept; at most MaxRejections.
	// RejectedBy counts all rejected rows, and no others.
	Rejections []Rejection
	Unresolved []Unresolved
	// InputFingerprint is evidence of what was read; no decision rests on it.
	InputFingerprint string
	// NewestSource is, by source table, the newest input time among the rows used.
	NewestSource map[string]time.Time
	// NotReady is not "" when the date cannot be built yet: it stays open and is tried again later.
	NotReady string
}

// MaxRejections bounds the rejected rows kept as samples per date.
const MaxRejections = 100

// Counts are additive facts of one date, by name: "rows", "status.active", "source.nbac_gamebook", "rejected.bad_team".
type Counts struct {
	RowsIn     int64            `json:"rows_in"`
	RowsUsed   int64            `json:"rows_used"`
	RowsOut    int64            `json:"rows_out"`
	RejectedBy map[string]int64 `json:"rejected_by,omitempty"`
	Counts     map[string]int64 `json:"counts,omitempty"`
}

// Level is a finding's weight.
type Level string

// The levels.
const (
	Warn  Level = "warn"
	Error Level = "error"
)

// Finding is one acceptance rule that fired on one date.
type Finding struct {
	Rule    string `json:"rule"`
	Level   Level  `json:"level"`
	Message string `json:"message"` // one sentence with the numbers seen and the bound
	// Accepted is set by the engine when the run's overrides allow it.
	Accepted bool `json:"accepted,omitempty"`
}

// Rejection is one input row that was left out.
type Rejection struct {
	Source string `json:"source"`
	Reason string `json:"reason"`
	Key    string `json:"key"` // names the row by its key columns
	Detail string `json:"detail,omitempty"`
}

// Unresolved is one name that the references do not know, on one date.
type Unresolved struct {
	Source   string   `json:"source"`
	Name     string   `json:"name"`
	Lookup   string   `json:"lookup"`
	Season   string   `json:"season"`
	Group    string   `json:"group"` // the team or other unit it appeared with
	Examples []string `json:"examples,omitempty"`
	// Unmatched: its rows were left out, since their source could not tell who is meant. No reference mends that.
	Unmatched bool `json:"unmatched,omitempty"`
}

// Suggestion is something that an unresolved name may mean.
type Suggestion struct {
	Lookup string `json:"lookup"`
	Name   string `json:"name"`
	ID     string `json:"id,omitempty"`
	Why    string `json:"why"` // "2 letters differ, same team and season"
}

// Gates judge a whole run from grouped counts of the target.
type Gates struct {
	By    []string // columns to group by besides the date
	Nulls []string // columns whose NULLs are counted
	Keys  []string // columns whose combinations should not repeat on a date; see GateInput.Repeats
	// Judge turns what was found into checks; see [Verdict].
	Judge func(in GateInput) []Check
}

// GateInput is what a run-wide judgement may look at.
type GateInput struct {
	Range  gamedate.Range
	Groups []GroupCount
	// Repeats are, by date, the rows beyond the first of their combination of Keys, whatever groups they are in.
	Repeats  map[gamedate.Date]int64
	Expected map[gamedate.Date]Expectation
	Facts    map[gamedate.Date]Counts // of completed dates
	// Baseline is the number of rows of the job's main status that the operator expects, 0 for none.
	Baseline   int64
	Thresholds Thresholds
}

// Preflight judges the inputs of a whole run from grouped counts of tables.
type Preflight struct {
	Counts []Counting
	// Judge turns what was found into checks. A table that could not be counted is not in PreflightInput.Counts; the
	// engine says so.
	Judge func(in PreflightInput) []Check
}

// Counting asks for one grouped count: NULLs of columns by date and the values of other columns.
type Counting struct {
	Table     *table.Schema
	By, Nulls []string
	// Undated counts the dates that the run will do, and those between them, all together: for columns of too many values
	// to be counted date by date.
	Undated bool
}

// Key is what PreflightInput.Counts has the count under: a table may be counted both ways.
func (c Counting) Key() string {
	if c.Undated {
		return c.Table.Name + ", undated"
	}
	return c.Table.Name
}

// PreflightInput is what a judgement before the first write may look at.
type PreflightInput struct {
	Range      gamedate.Range
	Settings   []byte // canonical
	Thresholds Thresholds
	Expected   map[gamedate.Date]Expectation
	Queued     map[gamedate.Date]bool  // dates that the run will build
	Counts     map[string][]GroupCount // by [Counting.Key]
	References map[string][]table.Row
}

// GroupCount is one (date, By values) group: values and NULL counts are in the order in which they were asked for.
type GroupCount struct {
	Date  gamedate.Date
	Keys  []string
	Rows  int64
	Nulls []int64
}

// Verdict is the result of a check.
type Verdict string

// The verdicts, from best to worst. Shown is a number that judges nothing.
const (
	Pass       Verdict = "pass"
	Shown      Verdict = "shown"
	Warned     Verdict = "warn"
	Failed     Verdict = "fail"
	NotChecked Verdict = "not_checked" // could not be judged; counts as fail
)

// Worse is the worse of two verdicts.
func Worse(a, b Verdict) Verdict {
	rank := map[Verdict]int{Pass: 0, Shown: 0, Warned: 1, NotChecked: 2, Failed: 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Check is one judged fact: the number seen, the bound and what to do.
type Check struct {
	Name    string  `json:"name"`
	Scope   string  `json:"scope,omitempty"` // season or "" for the whole range
	Verdict Verdict `json:"verdict"`
	Seen    string  `json:"seen"`
	Bound   string  `json:"bound,omitempty"`
	Advice  string  `json:"advice,omitempty"`
}
