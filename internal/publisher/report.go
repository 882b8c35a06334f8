package publisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/price"
	"gamefill/internal/report"
	"gamefill/internal/snapshot"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Report gathers what became of a run, from the ledger and the warehouse; it changes nothing. A finished run is
// reported with the checks that closed it, any other is judged now. What the run replaced is known where its rows were
// kept, where there were none, and where nothing was written. Errors: ledger.ErrNoRun, those of Validate. progress may
// be nil.
func (p *Publisher) Report(ctx context.Context, id string, progress Progress) (*report.Report, error) {
	run, err := p.ports.Ledger.Run(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("report run %s: %w", id, err)
	}
	g := gathering{job: &p.job, run: run, entries: map[gamedate.Date]ledger.Entry{}}
	r := &report.Report{MadeAt: time.Now().UTC(), Unit: p.job.Calendar.Unit, Column: nullColumn(&p.job),
		Run: reportedRun(run)}
	r.Verdict, r.Checks, r.JudgedAt = run.Verdict, run.Checks, run.FinishedAt
	if run.State != ledger.RunFinished || len(run.Checks) == 0 {
		judgement, err := p.Validate(ctx, run.Range, nil, "", Judging{Settings: run.Settings}, progress)
		if err != nil {
			return nil, err
		}
		r.Verdict, r.Checks, r.JudgedAt = judgement.Verdict, judgement.Checks, r.MadeAt
	}
	if err := p.gather(ctx, &g); err != nil {
		return nil, err
	}
	g.compare(r)
	g.plan(r)
	g.work(r)
	g.failures(r)
	g.unresolved(r)
	g.durations(r)
	if err := g.quotas(r, p.ports.Services); err != nil {
		return nil, err
	}
	g.costs(r, p.ports.Services)
	for _, e := range g.events {
		r.Events = append(r.Events, report.Event{At: e.At, Date: e.Date, Kind: e.Kind, Actor: e.Actor, Message: e.Message})
	}
	for _, l := range g.letters {
		r.Letters = append(r.Letters, report.Letter{ID: l.ID, Date: l.Date, State: string(l.State),
			Class: l.Failure.Class.String(), Reason: l.Failure.Reason,
			Stage: l.Failure.Stage, Attempts: l.Attempts, Message: l.Failure.Message, Note: l.Note})
	}
	r.Checklist = g.checklist(r)
	r.Sentence = report.Summarise(r)
	return r, nil
}

func reportedRun(run ledger.Run) report.Run {
	return report.Run{ID: run.ID, Job: run.Job, Target: run.Target, Range: run.Range,
		State: string(run.State), Cause: run.Cause,
		CausedBy: run.CauseKind, Reason: run.Reason, Actor: run.Actor, Version: run.Version, Settings: string(run.Settings),
		SettingsHash: run.SettingsHash, ReferenceHash: run.ReferenceHash, PlanHash: run.PlanHash,
		Accept: run.Accept, Force: run.Force,
		StopOnFirstFailure: run.StopOnFirstFailure, CreatedAt: run.CreatedAt, FinishedAt: run.FinishedAt}
}

// gathering is what a report is made from.
type gathering struct {
	job      *job.Job
	run      ledger.Run
	expected map[gamedate.Date]job.Expectation
	entries  map[gamedate.Date]ledger.Entry
	later    map[string]bool // ids of runs that were made after this one
	attempts []ledger.Attempt
	events   []ledger.Event
	letters  []ledger.DeadLetter
	// now and kept are the counts of the target and of what the run kept of it; hasKept is false when that is gone, or
	// never was. tokens are the target's.
	now, kept map[gamedate.Date][]warehouse.Group
	hasKept   bool
	tokens    map[gamedate.Date]warehouse.Token
}

// Months compares the target before a run and now, month by month, as its report does; column is the one whose NULLs
// are counted, "" when the job counts none. It counts the target and what the run kept of it, which in BigQuery is a
// query each.
func (p *Publisher) Months(ctx context.Context, run ledger.Run) (months []report.Month, column string, err error) {
	g := gathering{job: &p.job, run: run, entries: map[gamedate.Date]ledger.Entry{}}
	if err := p.gatherTable(ctx, &g); err != nil {
		return nil, "", err
	}
	r := report.Report{}
	g.compare(&r)
	return r.Months, nullColumn(&p.job), nil
}

// nullColumn is the column whose NULLs a job's gates count first, "" for none.
func nullColumn(j *job.Job) string {
	if len(j.Gates.Nulls) == 0 {
		return ""
	}
	return j.Gates.Nulls[0]
}

// gather reads ledger and warehouse.
func (p *Publisher) gather(ctx context.Context, g *gathering) (err error) {
	if g.expected, _, _, err = p.calendar(ctx, g.run.Range); err != nil {
		return err
	}
	if g.attempts, err = p.ports.Ledger.Attempts(ctx, ledger.AttemptFilter{Job: p.job.Name, Run: g.run.ID},
		0); err != nil {
		return fmt.Errorf("read attempts of run %s: %w", g.run.ID, err)
	}
	if g.events, err = p.ports.Ledger.Events(ctx, p.job.Name, g.run.ID, 0); err != nil {
		return fmt.Errorf("read events of run %s: %w", g.run.ID, err)
	}
	slices.Reverse(g.events)
	if g.letters, err = p.ports.Ledger.DeadLetters(ctx,
		ledger.DeadLetterFilter{Job: p.job.Name, Run: g.run.ID}); err != nil {
		return fmt.Errorf("read dead letters of run %s: %w", g.run.ID, err)
	}
	return p.gatherTable(ctx, g)
}

// gatherTable reads what compares the target before the run with the target now.
func (p *Publisher) gatherTable(ctx context.Context, g *gathering) error {
	entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, g.run.Range)
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	for _, e := range entries {
		g.entries[e.Date] = e
	}
	runs, err := p.ports.Ledger.ListRuns(ctx, p.job.Name, 0)
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	g.later = map[string]bool{}
	for _, run := range runs {
		if run.ID == g.run.ID {
			break // newest first
		}
		g.later[run.ID] = true
	}
	if g.tokens, err = p.ports.Store.Tokens(ctx, p.job.Target, g.run.Range); err != nil {
		return fmt.Errorf("tokens of %s: %w", p.job.Target.FullName(), err)
	}
	if g.now, err = p.countByDate(ctx, p.job.Target, g.run.Range); err != nil {
		return err
	}
	g.kept, err = p.countByDate(ctx, snapshot.Table(p.job.Target, g.run.ID), g.run.Range)
	if errors.Is(err, warehouse.ErrNoTable) {
		return nil
	}
	g.hasKept = err == nil
	return err
}

// countByDate counts a table's rows, grouped as the job's gates group them.
func (p *Publisher) countByDate(ctx context.Context, t *table.Schema,
	r gamedate.Range) (map[gamedate.Date][]warehouse.Group, error) {
	groups, err := p.ports.Store.Count(ctx, t, r, warehouse.Grouping{By: p.job.Gates.By, Nulls: p.job.Gates.Nulls})
	if err != nil {
		return nil, fmt.Errorf("count %s: %w", t.FullName(), err)
	}
	byDate := map[gamedate.Date][]warehouse.Group{}
	for _, group := range groups {
		byDate[group.Date] = append(byDate[group.Date], group)
	}
	return byDate, nil
}

// countsOf adds groups up; NULLs are those of the first column that the gates count.
func countsOf(groups []warehouse.Group) (c report.Counts) {
	for _, group := range groups {
		c.Rows += group.Rows
		if len(group.Nulls) > 0 {
			c.Nulls += group.Nulls[0]
		}
	}
	return c
}

// before is what the partition of a date held before the run. NULLs are known whenever nullsKnown is; the number of
// rows may be known without them.
func (g *gathering) before(d gamedate.Date) (c report.Counts, rowsKnown, nullsKnown bool) {
	e, ok := g.entries[d]
	switch {
	case ok && g.later[e.Run]:
		return c, false, false // planned again since, which may have changed facts and partition
	case !ok || e.Facts == nil || e.Facts.Run != g.run.ID:
		return countsOf(g.now[d]), true, true // the run has completed nothing here
	case e.Facts.PreImage == table.Empty:
		return c, true, true
	case e.Facts.Kept && g.hasKept:
		return countsOf(g.kept[d]), true, true
	case e.Facts.PreImage == e.Facts.Fingerprint && e.Facts.TargetToken == g.tokens[d]:
		return countsOf(g.now[d]), true, true
	}
	return report.Counts{Rows: int64(e.Facts.PreImageRows)}, true, false
}

// compare fills in what there was before the run and what there is now, by month and by date.
func (g *gathering) compare(r *report.Report) {
	attempts := map[gamedate.Date]int{}
	for _, a := range g.attempts {
		attempts[a.Date]++
	}
	months := map[string]*report.Month{}
	groups := map[string]map[string]report.Counts{}
	for d := range g.run.Range.Dates() {
		e := g.entries[d]
		now := countsOf(g.now[d])
		line := report.Date{Date: d, Units: g.expected[d].Units, State: string(e.State),
			Attempts: attempts[d], RowsNow: now.Rows}
		if e.Run == g.run.ID {
			line.Reason = e.Reason
		}
		if e.Facts != nil && e.Facts.Run == g.run.ID {
			line.Outcome = string(e.Facts.Outcome)
		}
		before, rowsKnown, nullsKnown := g.before(d)
		if rowsKnown {
			line.RowsBefore = &before.Rows
		}
		r.Dates = append(r.Dates, line)

		name := fmt.Sprintf("%04d-%02d", d.Year, int(d.Month))
		m := months[name]
		if m == nil {
			m = &report.Month{Month: name}
			months[name], groups[name] = m, map[string]report.Counts{}
		}
		m.Dates++
		if e.State == ledger.RolledBack {
			m.RolledBack++
		}
		m.Now.Rows, m.Now.Nulls = m.Now.Rows+now.Rows, m.Now.Nulls+now.Nulls
		if nullsKnown {
			m.KnownDates++
			m.Before.Rows, m.Before.Nulls = m.Before.Rows+before.Rows, m.Before.Nulls+before.Nulls
		}
		for _, group := range g.now[d] {
			key := strings.Join(group.Keys, ", ")
			sum, one := groups[name][key], countsOf([]warehouse.Group{group})
			groups[name][key] = report.Counts{Rows: sum.Rows + one.Rows, Nulls: sum.Nulls + one.Nulls}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(months)) {
		m := months[name]
		for _, key := range slices.Sorted(maps.Keys(groups[name])) {
			m.Groups = append(m.Groups, report.Group{Name: key, Counts: groups[name][key]})
		}
		r.Months = append(r.Months, *m)
	}
}

// plan counts dates by what the run does with them and why, as the ledger has it.
func (g *gathering) plan(r *report.Report) {
	counted := map[report.Planned]int{}
	for d := range g.run.Range.Dates() {
		e, ok := g.entries[d]
		var planned report.Planned
		switch {
		case !ok && g.expected[d].NotFinal > 0:
			planned.Verdict = string(NotFinal)
		case !ok:
			planned.Verdict = "not in the ledger"
		case g.later[e.Run]:
			planned = report.Planned{Verdict: "planned again", Reason: "by a later run"}
		case e.Run != g.run.ID:
			planned = report.Planned{Verdict: string(Left), Reason: "settled by an earlier run"}
		case e.State == ledger.NoGames || e.State == ledger.NoSchedule:
			planned.Verdict = string(e.State)
		default:
			planned = report.Planned{Verdict: "queued", Reason: e.Reason}
		}
		counted[planned]++
	}
	for planned, n := range counted {
		planned.Dates = n
		r.Plan = append(r.Plan, planned)
	}
	slices.SortFunc(r.Plan, func(a, b report.Planned) int {
		return cmp.Or(cmp.Compare(b.Dates, a.Dates), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Reason, b.Reason))
	})
}

// maxIntervals is how many intervals the throughput is told in.
const maxIntervals = 60

// intervals are the lengths that the throughput is told in: the shortest that gives at most maxIntervals is taken.
var intervals = []time.Duration{
	10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second,
	5 * time.Second, 10 * time.Second,
	30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
	6 * time.Hour, 24 * time.Hour,
}

// work tallies attempts and tells when dates were completed.
func (g *gathering) work(r *report.Report) {
	results, byDate, tries := map[string]int{}, map[gamedate.Date]int{}, map[int]int{}
	var first, last time.Time
	for _, a := range g.attempts {
		results[cmp.Or(a.Result, "not yet")]++
		byDate[a.Date]++
		if first.IsZero() || a.StartedAt.Before(first) {
			first = a.StartedAt
		}
		if a.Result == ledger.ResultComplete && a.EndedAt.After(last) {
			last = a.EndedAt
		}
	}
	for _, n := range byDate {
		tries[n]++
	}
	for _, name := range slices.Sorted(maps.Keys(results)) {
		r.Results = append(r.Results, report.Tally{Name: name, Count: results[name]})
	}
	for _, n := range slices.Sorted(maps.Keys(tries)) {
		r.Tries = append(r.Tries, report.Tally{Name: fmt.Sprint(n), Count: tries[n]})
	}
	if last.IsZero() {
		return
	}
	length := intervals[len(intervals)-1]
	if i := slices.IndexFunc(intervals, func(l time.Duration) bool { return last.Sub(first) < maxIntervals*l }); i >= 0 {
		length = intervals[i]
	}
	r.Throughput = make([]report.Interval, last.Sub(first)/length+1)
	for i := range r.Throughput {
		r.Throughput[i] = report.Interval{From: first.Add(time.Duration(i) * length), Length: length}
	}
	for _, a := range g.attempts {
		if a.Result == ledger.ResultComplete {
			r.Throughput[a.EndedAt.Sub(first)/length].Completed++
		}
	}
}

// failures groups failed attempts.
func (g *gathering) failures(r *report.Report) {
	type kind struct{ class, reason, stage string }
	found := map[kind]*report.Failure{}
	dates := map[kind]map[gamedate.Date]bool{}
	for _, a := range g.attempts { // newest first
		if a.Failure == nil {
			continue
		}
		k := kind{a.Failure.Class.String(), a.Failure.Reason, a.Failure.Stage}
		if found[k] == nil {
			found[k] = &report.Failure{Class: k.class, Reason: k.reason, Stage: k.stage, Example: a.Date,
				Message: a.Failure.Message}
			dates[k] = map[gamedate.Date]bool{}
		}
		found[k].Attempts++
		dates[k][a.Date] = true
	}
	for k, f := range found {
		f.Dates = len(dates[k])
		r.Failures = append(r.Failures, *f)
	}
	slices.SortFunc(r.Failures, func(a, b report.Failure) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(b.Attempts, a.Attempts), cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.Stage, b.Stage))
	})
}

// unresolved groups by season the names that completed dates of the range have left.
func (g *gathering) unresolved(r *report.Report) {
	type season struct {
		dates map[gamedate.Date]bool
		names map[string]*report.Name
	}
	seasons := map[string]*season{}
	seen := map[string]gamedate.Date{} // the newest date of a season's name: two sources of one date count once
	for d := range g.run.Range.Dates() {
		e := g.entries[d]
		if e.State != ledger.Complete || e.Facts == nil {
			continue
		}
		for _, u := range e.Facts.Unresolved {
			key := cmp.Or(u.Season, g.job.Calendar.SeasonOf(d))
			s := seasons[key]
			if s == nil {
				s = &season{map[gamedate.Date]bool{}, map[string]*report.Name{}}
				seasons[key] = s
			}
			s.dates[d] = true
			if s.names[u.Lookup] == nil {
				s.names[u.Lookup] = &report.Name{Lookup: u.Lookup, Name: u.Name, Group: u.Group}
			}
			if seen[key+" "+u.Lookup] != d {
				seen[key+" "+u.Lookup] = d
				s.names[u.Lookup].Dates++
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(seasons)) {
		out := report.Unresolved{Season: key, Dates: len(seasons[key].dates)}
		for _, name := range seasons[key].names {
			out.Names = append(out.Names, *name)
		}
		slices.SortFunc(out.Names, func(a, b report.Name) int {
			return cmp.Or(cmp.Compare(b.Dates, a.Dates), cmp.Compare(a.Lookup, b.Lookup))
		})
		r.Unresolved = append(r.Unresolved, out)
	}
}

// stageOrder is the order of an attempt's stages; others come after them.
var stageOrder = []string{"claim", "read", "build", "accept", "keep", "write", "read_back", "complete"}

// slowestKept is how many of the longest attempts are told.
const slowestKept = 10

// durations says how long stages and the longest attempts took.
func (g *gathering) durations(r *report.Report) {
	byStage := map[string][]time.Duration{}
	longest := map[gamedate.Date]string{}
	for d, e := range g.entries {
		if e.Facts == nil || e.Facts.Run != g.run.ID {
			continue
		}
		var most time.Duration
		for _, stage := range slices.Sorted(maps.Keys(e.Facts.Durations)) {
			took := e.Facts.Durations[stage]
			byStage[stage] = append(byStage[stage], took)
			if took > most {
				most, longest[d] = took, stage
			}
		}
	}
	place := func(stage string) int {
		if i := slices.Index(stageOrder, stage); i >= 0 {
			return i
		}
		return len(stageOrder)
	}
	for stage, took := range byStage {
		slices.Sort(took)
		r.Stages = append(r.Stages, report.Stage{Stage: stage, Dates: len(took), Median: rank(took, 50), P95: rank(took, 95),
			Max: took[len(took)-1]})
	}
	slices.SortFunc(r.Stages, func(a, b report.Stage) int {
		return cmp.Or(cmp.Compare(place(a.Stage), place(b.Stage)), cmp.Compare(a.Stage, b.Stage))
	})
	newest := map[gamedate.Date]bool{} // facts are of the newest completion
	for _, a := range g.attempts {
		if a.EndedAt.IsZero() {
			continue
		}
		slow := report.Slow{Date: a.Date, Attempt: a.N, Result: a.Result, Took: a.EndedAt.Sub(a.StartedAt)}
		if a.Result == ledger.ResultComplete && !newest[a.Date] {
			newest[a.Date] = true
			slow.Stage = longest[a.Date]
		} else if a.Failure != nil {
			slow.Stage = a.Failure.Stage
		}
		r.Slowest = append(r.Slowest, slow)
	}
	slices.SortStableFunc(r.Slowest, func(a, b report.Slow) int { return cmp.Compare(b.Took, a.Took) })
	r.Slowest = r.Slowest[:min(len(r.Slowest), slowestKept)]
}

// rank is the smallest of sorted durations that is not below percent of them (nearest rank).
func rank(sorted []time.Duration, percent int) time.Duration {
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}

// quotas says what the run used of what a warehouse limits; a file limits nothing.
func (g *gathering) quotas(r *report.Report, services price.Services) error {
	thresholds, err := g.job.EffectiveThresholds(g.run.Settings)
	if err != nil {
		return err
	}
	writes := map[gamedate.Date]int{} // by the UTC day on which they were made
	total, busiest, waits, kept := 0, 0, 0, 0
	for _, a := range g.attempts {
		if f := a.Failure; f != nil && f.Class == failure.Quota {
			waits++
		}
		if wrote(a) {
			day := gamedate.FromTime(a.EndedAt.UTC())
			writes[day]++
			total, busiest = total+1, max(busiest, writes[day])
		}
	}
	for _, e := range g.entries {
		if e.Facts != nil && e.Facts.Run == g.run.ID && e.Facts.Kept {
			kept++
		}
	}
	bound := ""
	if t, ok := thresholds[job.ThresholdPartitionWrites]; ok && services.Warehouse {
		bound = t.Bound()
	}
	r.Quotas = []report.Quota{
		{Name: "partitions of the table written", Used: fmt.Sprintf("%d, at most %d a day", total, busiest), Bound: bound},
		{Name: "partitions kept for a rollback", Used: fmt.Sprint(kept)},
		{Name: "attempts that waited for a quota", Used: fmt.Sprint(waits)},
	}
	return nil
}

// wrote reports whether an attempt changed the target, or may have before it failed.
func wrote(a ledger.Attempt) bool {
	return a.Outcome == ledger.Replaced || a.Outcome == ledger.Emptied ||
		a.Failure != nil && slices.Contains([]string{"write", "read_back", "complete"}, a.Failure.Stage)
}

// checklist is the old runbook's: what must be true before anybody calls the run a success.
func (g *gathering) checklist(r *report.Report) []report.Item {
	items := []report.Item{
		g.recorded("pre-flight before the first write", EventPreflight, EventPreflightSkipped, "skipped"),
		g.recorded("sample before the full run", EventSampled, EventApproved, "approved by hand"),
	}
	for _, c := range r.Checks {
		if c.Scope != "" {
			continue
		}
		item := report.Item{Name: c.Name, Verdict: c.Verdict, Note: c.Seen}
		if c.Verdict == job.Shown {
			item.Note += ": " + c.Advice
		}
		items = append(items, item)
	}
	open := 0
	for _, l := range g.letters {
		if l.State == ledger.LetterOpen {
			open++
		}
	}
	letters := report.Item{Name: "no open dead letters", Verdict: job.Pass, Note: fmt.Sprint(open)}
	if open > 0 {
		letters.Verdict = job.Failed
	}
	overrides := report.Item{Name: "no rule overridden", Verdict: job.Pass, Note: "none"}
	if len(g.run.Accept) > 0 {
		overrides.Verdict, overrides.Note = job.Warned, strings.Join(g.run.Accept, ", ")
	}
	finished := report.Item{Name: "run finished", Verdict: job.Pass, Note: string(g.run.State)}
	switch g.run.State {
	case ledger.RunFinished:
	case ledger.RunCancelled:
		finished.Verdict = job.Failed
	default:
		finished.Verdict = job.Warned
	}
	return append(items, letters, overrides, finished, g.spotCheck(r))
}

// recorded is what the audit trail says of a step that a run may have had: its verdict, or that somebody went past it.
func (g *gathering) recorded(name, judged, passed, how string) report.Item {
	item := report.Item{Name: name, Verdict: job.NotChecked, Note: "none is recorded"}
	for _, e := range g.events {
		switch e.Kind {
		case judged:
			verdict, _, _ := strings.Cut(e.Message, ":")
			item.Verdict, item.Note = job.Verdict(verdict), e.Message
		case passed:
			item.Verdict, item.Note = job.Warned, how+": "+e.Message
		}
	}
	return item
}

// spotCheck names dates that a person should look at: the first, the middle and the last that were completed.
func (g *gathering) spotCheck(r *report.Report) report.Item {
	var done []string
	for _, d := range r.Dates {
		if d.State == string(ledger.Complete) && d.Units > 0 {
			done = append(done, d.Date.String())
		}
	}
	item := report.Item{Name: "spot check by a person", Verdict: job.NotChecked, Note: "nothing is complete"}
	if len(done) > 0 {
		sample := slices.Compact([]string{done[0], done[len(done)/2], done[len(done)-1]})
		item.Note = fmt.Sprintf("compare a %s of %s with what others publish about it", g.job.Calendar.Unit,
			strings.Join(sample, ", "))
	}
	return item
}
