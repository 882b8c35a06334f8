package publisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/setup"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Preflight is what can be known to be wrong before the first write of a run.
type Preflight struct {
	Range   gamedate.Range `json:"range"`
	Verdict job.Verdict    `json:"verdict"`
	Checks  []job.Check    `json:"checks"`
	// Embedded says that the warehouse is a file: what only services have (locations, expirations, quotas) is not among
	// the checks.
	Embedded bool `json:"embedded,omitempty"`
	// ScanBytes is how many bytes one plan, one pre-flight and one validation of the range would read, by dry run:
	// calendar and references, and what the job has counted. 0 where the warehouse bills none, or could not tell.
	ScanBytes  int64                 `json:"scan_bytes,omitempty"`
	Thresholds map[string]job.Bounds `json:"thresholds"`
}

// Summary is the verdict, how many checks do not pass, and their names, each once:
// "warn: 2 checks: clustered, bdl_games".
func (f Preflight) Summary() string {
	var names []string
	for _, c := range f.Checks {
		if c.Verdict != job.Pass && c.Verdict != job.Shown && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	checks := "checks"
	switch len(names) {
	case 0:
		return string(f.Verdict)
	case 1:
		checks = "check"
	}
	return fmt.Sprintf("%s: %d %s: %s", f.Verdict, len(names), checks, strings.Join(names, ", "))
}

// Preflight checks everything that a run over the request's dates depends on, and writes nothing. plan is what Plan
// said about the request; nil plans here, and what keeps the plan from being made is then a failed check.
//
// Errors: *UsageError, and those of reading ledger and calendar that are not of class environment. What is missing or
// not allowed is a failed check; what cannot be found out for another reason is one with verdict [job.NotChecked].
func (p *Publisher) Preflight(ctx context.Context, r Request, plan *Plan) (Preflight, error) {
	settings, err := Check(p.job, r)
	if err != nil {
		return Preflight{}, err
	}
	thresholds, err := p.job.EffectiveThresholds(settings)
	if err != nil {
		return Preflight{}, err
	}
	out := Preflight{Range: r.Range, Thresholds: thresholds.Bounds()}
	live, checks := p.liveTables(ctx)
	out.Embedded = inFile(live)
	out.Checks = append(p.checkSetup(ctx), append(checks, judgeTables(live, p.job.Target, r.Range, time.Now())...)...)

	if plan == nil {
		plan, err = p.Plan(ctx, r)
	}
	var open ledger.Run
	if err == nil && plan.OpenRun != "" {
		if open, err = p.ports.Ledger.Run(ctx, plan.OpenRun); err != nil {
			return out, fmt.Errorf("read run %s: %w", plan.OpenRun, err)
		}
	}
	run, err := checkRun(open, err)
	switch {
	case err == nil:
		out.Checks = append(out.Checks, run)
	case failure.ClassOf(err) == failure.Environment:
		out.Checks = append(out.Checks, unplanned(err))
	default:
		return out, err
	}
	var expected map[gamedate.Date]job.Expectation
	var silences []Silence
	if plan != nil {
		expected, silences = plan.expected, plan.Silences
	} else if expected, silences, _, err = p.calendar(ctx, r.Range); failure.ClassOf(err) == failure.Environment {
		out.Checks = append(out.Checks, unseen("calendar is final", "", err))
		out.judge()
		return out, nil
	} else if err != nil {
		return out, err
	}
	out.Checks = append(out.Checks, checkCalendar(p.job.Calendar.Unit, r.Range, expected), checkSilence(silences))
	dates := withUnits(r.Range, expected) // they may be queued
	if plan != nil {
		dates = plan.queued()
	}
	out.Checks = append(out.Checks, checkLive(r, dates))
	out.Checks = append(out.Checks, p.checkPruning(ctx, live, slices.Concat(dates, []gamedate.Date{r.Range.From})[0])...)
	in := job.PreflightInput{Range: r.Range, Settings: settings, Thresholds: thresholds,
		Expected: map[gamedate.Date]job.Expectation{},
		Queued:   map[gamedate.Date]bool{}, Counts: map[string][]job.GroupCount{}}
	for d, e := range expected {
		if r.Range.Contains(d) {
			in.Expected[d] = e
		}
	}
	if plan != nil {
		for _, d := range dates {
			in.Queued[d] = true
		}
		if t, ok := thresholds[job.ThresholdPartitionWrites]; ok && !out.Embedded {
			used, _, err := RecentWrites(ctx, p.ports.Ledger, p.job.Name, time.Now())
			if err != nil {
				return out, err
			}
			out.Checks = append(out.Checks, checkWrites(t, used, len(dates)+plan.Count(Known)))
		}
	}
	inputs, err := p.checkInputTables(ctx, live, &in)
	if err != nil {
		return out, err
	}
	out.Checks = append(out.Checks, inputs...)
	if out.ScanBytes, err = p.scanBytes(ctx, r.Range); ctx.Err() != nil {
		return out, err // any other error has its check: what cannot be read cannot be counted
	}
	out.judge()
	return out, nil
}

// judge sets the verdict to that of the worst check.
func (f *Preflight) judge() {
	f.Verdict = job.Pass
	for _, c := range f.Checks {
		f.Verdict = job.Worse(f.Verdict, c.Verdict)
	}
}

// unplanned is the check of dates that the surroundings keep from being planned, as a missing table does.
func unplanned(err error) job.Check {
	return job.Check{Name: "dates can be planned", Verdict: job.Failed, Seen: err.Error(), Bound: "planned",
		Advice: "mend what else fails, then look again"}
}

// checkSetup turns what queue and ledger say about their resources into checks: one for all that is right, one for each
// that is not.
func (p *Publisher) checkSetup(ctx context.Context) []job.Check {
	const name = "queue and ledger are set up"
	if p.ports.Setup == nil {
		return nil
	}
	findings, err := p.ports.Setup(ctx)
	var checks []job.Check
	right := 0
	for _, f := range findings {
		c := job.Check{Name: name, Scope: f.Resource, Verdict: job.Failed, Seen: string(f.State), Bound: f.Wanted,
			Advice: cmp.Or(f.Advice, "`publisher init` makes it")}
		if f.Seen != "" {
			c.Seen += ": " + f.Seen
		}
		switch {
		case f.Wanting(setup.Check):
		case f.State == setup.Unknown && p.ports.Emulated:
			c.Verdict, c.Advice = job.Shown, ""
		case f.State == setup.Unknown:
			c.Verdict, c.Advice = job.Warned, cmp.Or(f.Advice, "the service cannot tell, so there is nothing to mend")
		default:
			right++
			continue
		}
		checks = append(checks, c)
	}
	if err != nil {
		checks = append(checks, unseen(name, "", err))
	}
	if right > 0 {
		checks = slices.Insert(checks, 0, job.Check{Name: name, Verdict: job.Pass,
			Seen: fmt.Sprintf("%d resources as wanted", right)})
	}
	return checks
}

// liveTable is a table that the job needs, as it is.
type liveTable struct {
	t  *table.Schema
	is warehouse.Description
}

// needed are the tables that the job cannot do without.
func (p *Publisher) needed() []*table.Schema {
	return slices.Concat([]*table.Schema{p.job.Target}, p.job.Sources, p.job.References)
}

// liveTables describes the target, the sources and the references; a table that cannot be described is a check instead.
func (p *Publisher) liveTables(ctx context.Context) (live []liveTable, failed []job.Check) {
	for _, t := range p.needed() {
		d, err := p.ports.Store.Describe(ctx, t)
		if err != nil {
			failed = append(failed, unseen("table exists", t.FullName(), err))
			continue
		}
		live = append(live, liveTable{t, d})
	}
	return live, failed
}

// inFile reports whether the tables lie in a file; of tables that could not be looked at nobody knows.
func inFile(live []liveTable) bool {
	return len(live) > 0 && !slices.ContainsFunc(live, func(l liveTable) bool { return l.is.Location != "" })
}

// unseen is a check that an error kept from being made: it fails where something is missing or not allowed, and the
// error says what.
func unseen(name, scope string, err error) job.Check {
	c := job.Check{Name: name, Scope: scope, Verdict: job.NotChecked, Seen: err.Error(),
		Advice: "see the message, then look again"}
	if failure.ClassOf(err) == failure.Environment {
		c.Verdict = job.Failed
	}
	if failure.ReasonOf(err) == "no_dataset" {
		c.Advice = "`publisher init` makes no dataset, since its location is for good: deploy/terraform does, " +
			"or `bq mk --dataset`"
	}
	return c
}

// judgeTables judges live tables: every problem is a check, and all that is right together is one.
func judgeTables(live []liveTable, target *table.Schema, r gamedate.Range, now time.Time) []job.Check {
	var checks []job.Check
	locations := map[string][]string{}
	for _, l := range live {
		checks = append(checks, judgeTable(l, l.t == target, r, now)...)
		if l.is.Location != "" {
			locations[l.is.Location] = append(locations[l.is.Location], l.t.FullName())
		}
	}
	if right := len(live) - len(scopes(checks)); right > 0 {
		checks = slices.Insert(checks, 0, job.Check{Name: "table is as needed", Verdict: job.Pass,
			Seen: fmt.Sprintf("%d of %d tables", right, len(live))})
	}
	if len(locations) > 0 {
		c := job.Check{Name: "one location", Verdict: job.Pass, Bound: "1"}
		var seen []string
		for _, location := range slices.Sorted(maps.Keys(locations)) {
			seen = append(seen, location+": "+strings.Join(locations[location], ", "))
		}
		if c.Seen = strings.Join(seen, "; "); len(locations) > 1 {
			c.Verdict, c.Advice = job.Failed, "tables of several locations cannot be joined: bring the datasets to one location"
		}
		checks = append(checks, c)
	}
	return checks
}

// scopes are the different scopes of checks.
func scopes(checks []job.Check) map[string]bool {
	m := map[string]bool{}
	for _, c := range checks {
		m[c.Scope] = true
	}
	return m
}

// keptFor is how long a snapshot of the target is kept: a dataset's default must not end it earlier.
const keptFor = 30 * 24 * time.Hour

// wantedTimeTravel is for how long a warehouse should be able to show what a table was. It is the last resort when what
// a run kept for its rollback is gone. Source: BigQuery documentation, "Data retention with time travel and fail-safe":
// two to seven days, seven by default.
const wantedTimeTravel = 7 * 24 * time.Hour

func hours(d time.Duration) string { return fmt.Sprintf("%d hours", d/time.Hour) }

// judgeTable says what is wrong with one live table.
func judgeTable(l liveTable, isTarget bool, r gamedate.Range, now time.Time) (checks []job.Check) {
	add := func(name string, v job.Verdict, seen, bound, advice string) {
		checks = append(checks, job.Check{Name: name, Scope: l.t.FullName(), Verdict: v, Seen: seen, Bound: bound,
			Advice: advice})
	}
	d := l.is
	if !d.Exists {
		advice := "`publisher import` loads it"
		switch {
		case isTarget:
			advice = "`publisher init` makes it"
		case d.Location != "":
			advice = "it is only read, and nothing here makes it: ask those who load dataset " + l.t.Dataset +
				", or name another dataset in --warehouse"
		}
		add("table exists", job.Failed, "missing", d.Table, advice)
		return checks
	}
	var missing, needed []string
	for _, c := range d.Missing {
		missing = append(missing, c.Name)
		if c.Required {
			needed = append(needed, c.Name)
		}
	}
	switch {
	case isTarget && len(missing) > 0:
		add("columns are there", job.Failed, "missing: "+strings.Join(missing, ", "), "all",
			"`publisher init` adds those that may be NULL")
	case len(needed) > 0:
		add("columns are there", job.Failed, "missing: "+strings.Join(needed, ", "), "those that may not be NULL",
			"rows cannot be read without them: mend the table")
	case len(missing) > 0:
		add("columns are there", job.Warned, "missing: "+strings.Join(missing, ", "), "all", "they are read as NULL")
	}
	switch {
	case len(d.Different) > 0 && isTarget:
		add("columns and partitions fit", job.Failed, strings.Join(d.Different, "; "), "the schema",
			"a person must mend it: nothing that exists is changed")
	case len(d.Different) > 0:
		add("columns and partitions fit", job.Warned, strings.Join(d.Different, "; "), "the schema",
			"another type cannot be read; another mode can")
	}
	if isTarget && len(d.Extra) > 0 {
		add("no unknown columns", job.Warned, strings.Join(d.Extra, ", "), "none",
			"a date with values in them is refused; add them to the schema as unowned columns")
	}
	if isTarget && d.Location != "" && !slices.Equal(d.Cluster, l.t.Cluster) {
		add("clustered", job.Warned, cmp.Or(strings.Join(d.Cluster, ", "), "not"), strings.Join(l.t.Cluster, ", "),
			"queries cost more; results are the same")
	}
	switch {
	case d.StreamingBuffer && isTarget:
		add("no streaming buffer", job.Failed, "rows wait in it", "none",
			"another program streams into the table: stop it, and wait 90 minutes")
	case d.StreamingBuffer:
		add("no streaming buffer", job.Warned, "rows wait in it", "none",
			"rows that were streamed in the last 90 minutes are not seen yet")
	}
	if !d.Expires.IsZero() {
		add("nothing expires", job.Failed, "the table is deleted on "+d.Expires.UTC().Format(time.DateOnly), "never",
			"take the expiration from the table")
	}
	if e := d.PartitionExpiration; e > 0 && l.t.Partition != "" &&
		gamedate.Of(now).AddDays(-int(e/(24*time.Hour))).After(r.From) {
		add("nothing expires", job.Failed, fmt.Sprintf("partitions are deleted after %d days", e/(24*time.Hour)),
			"none of the range", "take the expiration from the table's partitions")
	}
	if isTarget && d.TimeTravel > 0 && d.TimeTravel < wantedTimeTravel {
		add("time travel", job.Warned, hours(d.TimeTravel), hours(wantedTimeTravel)+" or more",
			"what was overwritten can be read back for so long where no kept copy is left: "+
				"raise the dataset's time travel window")
	}
	if isTarget && d.NewTableExpiration > 0 && d.NewTableExpiration < keptFor {
		add("nothing expires", job.Failed, fmt.Sprintf("new tables of the dataset are deleted after %d days",
			d.NewTableExpiration/(24*time.Hour)), "30 days or never",
			"the snapshot to roll back to would be lost: change the dataset's default")
	}
	return checks
}

// checkRun judges whether a run can begin, from what planning said. open is the run that the dates would join, zero
// when there is none.
func checkRun(open ledger.Run, planErr error) (job.Check, error) {
	c := job.Check{Name: "no other run", Verdict: job.Pass, Seen: "none is open",
		Bound: "none, or one that these dates can join"}
	otherTarget, isOther := errors.AsType[*ledger.OtherTargetError](planErr)
	otherRun, isOpen := errors.AsType[*ledger.RunOpenError](planErr)
	switch {
	case isOther:
		c.Verdict, c.Seen, c.Advice = job.Failed, otherTarget.Error(), "check the addresses"
	case isOpen:
		c.Verdict, c.Seen = job.Failed, otherRun.Error()
		c.Advice = fmt.Sprintf("end it with `publisher validate` when its dates are settled, "+
			"or with `publisher cancel --run %s`", otherRun.Open.ID)
	case planErr != nil:
		return c, planErr
	case open.State == ledger.RunPaused:
		c.Verdict, c.Seen, c.Advice = job.Failed, fmt.Sprintf("run %s is paused", open.ID),
			"`publisher status` says why; resume or cancel it"
	case open.ID != "":
		c.Seen = fmt.Sprintf("run %s is open and takes the dates", open.ID)
	}
	return c, nil
}

// checkCalendar says what the calendar promises; units that are not final leave their dates open.
func checkCalendar(unit string, r gamedate.Range, expected map[gamedate.Date]job.Expectation) job.Check {
	c := job.Check{Name: "calendar is final", Verdict: job.Pass, Bound: "0 not final"}
	var open []gamedate.Date
	units, dates, notFinal := 0, 0, 0
	for d := range r.Dates() {
		e := expected[d]
		units, notFinal = units+e.Units, notFinal+e.NotFinal
		if e.Units+e.NotFinal > 0 {
			dates++
		}
		if e.NotFinal > 0 {
			open = append(open, d)
		}
	}
	c.Seen = fmt.Sprintf("%d %ss final on %d dates, %d not final", units, unit, dates, notFinal)
	if notFinal > 0 {
		c.Verdict, c.Advice = job.Warned, "these dates are left for a later run: "+some(open)
	}
	return c
}

// withUnits are the dates of the range on which the calendar has final units.
func withUnits(r gamedate.Range, expected map[gamedate.Date]job.Expectation) (dates []gamedate.Date) {
	for d := range r.Dates() {
		if expected[d].Units > 0 {
			dates = append(dates, d)
		}
	}
	return dates
}

// checkWrites judges the writes of the last 24 hours and those of the dates that the run is to do.
func checkWrites(t job.Threshold, used, planned int) job.Check {
	c := job.Check{Name: "partition_writes", Verdict: t.Count(int64(used + planned)), Bound: t.Bound(),
		Seen: fmt.Sprintf("used %d in the last 24 hours + planned %d", used, planned)}
	if t.Fail != job.None {
		c.Seen += " of " + t.Fail.String()
	}
	if c.Verdict != job.Pass {
		c.Advice = "split the range, and run the parts on different days"
	}
	return c
}

// checkInputTables counts what the job asks for, reads the references, and lets the job judge. Tables that are missing
// are left out: another check says so.
func (p *Publisher) checkInputTables(ctx context.Context, live []liveTable,
	in *job.PreflightInput) ([]job.Check, error) {
	asked := p.job.Preflight
	if asked.Judge == nil {
		return nil, nil
	}
	var checks []job.Check
	var mu sync.Mutex // guards checks and in.Counts
	var group errgroup.Group
	group.SetLimit(readers)
	absent := p.needed()
	for _, l := range live {
		if l.is.Exists {
			absent = slices.DeleteFunc(absent, func(t *table.Schema) bool { return t == l.t })
		}
	}
	for _, c := range asked.Counts {
		if slices.Contains(absent, c.Table) {
			continue
		}
		r := in.Range
		if c.Undated && len(in.Queued) > 0 {
			queued := slices.SortedFunc(maps.Keys(in.Queued), gamedate.Date.Compare)
			r = gamedate.Range{From: queued[0], To: queued[len(queued)-1]}
		}
		group.Go(func() error {
			groups, err := p.ports.Store.Count(ctx, c.Table, r, warehouse.Grouping{By: c.By, Nulls: c.Nulls, Undated: c.Undated})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				checks = append(checks, unseen("rows are counted", c.Table.FullName(), err))
				return nil
			}
			counts := groupCounts(groups)
			in.Counts[c.Key()] = counts
			return nil
		})
	}
	references, err := p.references(ctx)
	_ = group.Wait() // what cannot be counted is a check
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		checks = append(checks, unseen("references are read", "", err))
	} else {
		in.References = references
	}
	slices.SortFunc(checks, func(a, b job.Check) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Scope, b.Scope))
	})
	return append(checks, asked.Judge(*in)...), nil
}
