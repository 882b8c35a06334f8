package publisher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"gamefill/internal/faultinject"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/table"
	"gamefill/internal/terminal"
	"gamefill/internal/warehouse"
)

// Judgement is what validation found over a range.
type Judgement struct {
	Range   gamedate.Range       `json:"range"`
	Run     string               `json:"run,omitempty"`
	Verdict job.Verdict          `json:"verdict"`
	Checks  []job.Check          `json:"checks"`
	States  map[ledger.State]int `json:"states"`
	Rows    int                  `json:"rows"`
	// TableFingerprint is SHA-256 over the sorted (date, fingerprint) of the partitions as they are in the warehouse.
	TableFingerprint string `json:"table_fingerprint"`
	// Overwritten are the dates whose partition is not what the ledger recorded, and those with rows that it knows nothing
	// of.
	Overwritten []gamedate.Date `json:"overwritten,omitempty"`
	// LookUps are for a person to compare with what others publish.
	LookUps []LookUp `json:"look_up,omitempty"`
	// DeadDates are the dates given up on.
	DeadDates []DeadDate `json:"dead,omitempty"`
	Finished  bool       `json:"finished"` // the run was closed by this validation
	// Thresholds are the bounds that were judged by.
	Thresholds map[string]job.Bounds `json:"thresholds,omitempty"`
}

// Judging is what a judgement is told besides the range.
type Judging struct {
	// Baseline is the number of active rows that the operator expects, 0 for none.
	Baseline int64
	// Settings hold the thresholds to judge by, as the job's Settings takes them; a run is judged by its own.
	Settings []byte
}

// DeadDate is one date given up on, with why.
type DeadDate struct {
	Date    gamedate.Date `json:"date"`
	Class   string        `json:"class"`
	Reason  string        `json:"reason"`
	Message string        `json:"message"`
}

// Validate reads every partition of a range back, compares it with what the ledger recorded, and runs the job's gates.
// With a run whose dates are all settled it also closes the run with the verdict; a run that cannot be closed yet is
// left as it is.
func (p *Publisher) Validate(ctx context.Context, r gamedate.Range, run *ledger.Run, actor string, by Judging,
	progress Progress) (Judgement, error) {
	if progress == nil {
		progress = func(string, int, int) {}
	}
	out := Judgement{Range: r, States: map[ledger.State]int{}}
	settings := by.Settings
	if run != nil {
		settings = run.Settings
	}
	thresholds, err := p.job.EffectiveThresholds(settings)
	if err != nil {
		return out, err
	}
	out.Thresholds = thresholds.Bounds()
	expected, silences, _, err := p.calendar(ctx, r)
	if err != nil {
		return out, err
	}
	entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, r)
	if err != nil {
		return out, fmt.Errorf("read entries: %w", err)
	}
	open, _, err := p.ports.Ledger.OpenRun(ctx, p.job.Name)
	if err != nil {
		return out, fmt.Errorf("look for the open run: %w", err)
	}
	byDate := map[gamedate.Date]*ledger.Entry{}
	for i := range entries {
		byDate[entries[i].Date] = &entries[i]
		out.States[entries[i].State]++
	}
	checks := []job.Check{
		checkSettled(r, expected, byDate, open),
		checkDead(entries, &out),
		checkUndone(entries),
		checkSilence(silences),
	}
	content, err := p.checkContent(ctx, r, byDate, &out, progress)
	if err != nil {
		return out, err
	}
	inputs, err := p.checkInputs(ctx, r, entries)
	if err != nil {
		return out, err
	}
	checks = append(append(checks, content...), checkRows(entries), checkFindings(entries), inputs)
	gates, err := p.gates(ctx, r, expected, entries, by.Baseline, thresholds)
	if err != nil {
		return out, err
	}
	out.Checks = append(checks, gates...)
	out.LookUps = p.lookUps(expected, entries)
	out.Verdict = job.Pass
	for _, c := range out.Checks {
		out.Verdict = job.Worse(out.Verdict, c.Verdict)
	}
	if run != nil {
		out.Run = run.ID
		if err := p.finish(ctx, *run, &out, actor); err != nil {
			return out, err
		}
	}
	return out, nil
}

// errNotOpen keeps finish from closing a run that somebody else has closed, or gives more dates, since it was read.
var errNotOpen = errors.New("the run is not open any more")

// finish closes a run whose entries are all settled, and leaves one that is not open.
func (p *Publisher) finish(ctx context.Context, run ledger.Run, out *Judgement, actor string) error {
	if run.State != ledger.RunOpen {
		return nil
	}
	counts, err := p.ports.Ledger.CountStates(ctx, p.job.Name, run.ID)
	if err != nil {
		return fmt.Errorf("count states of run %s: %w", run.ID, err)
	}
	if counts[ledger.Pending]+counts[ledger.Leased] > 0 {
		return nil
	}
	if err := p.chargeQueries(ctx, run.ID, actor); err != nil {
		return err
	}
	faultinject.Point(faultinject.BeforeFinish)
	event := ledger.Event{Kind: "finished", Actor: actor, Message: string(out.Verdict)}
	_, err = p.ports.Ledger.UpdateRun(ctx, run.ID, event, func(r *ledger.Run) error {
		if r.State != ledger.RunOpen {
			return errNotOpen
		}
		r.Verdict, r.Checks, r.Counts = out.Verdict, out.Checks, counts
		return r.Move(ledger.RunFinished)
	})
	if errors.Is(err, errNotOpen) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("finish run %s: %w", run.ID, err)
	}
	out.Finished = true
	return nil
}

// checkSettled judges whether anything is left to do; openRun is the job's open run, zero when there is none.
func checkSettled(r gamedate.Range, expected map[gamedate.Date]job.Expectation, entries map[gamedate.Date]*ledger.Entry,
	openRun ledger.Run) job.Check {
	c := job.Check{Name: "every date settled", Bound: "all dates"}
	var open, notFinal []gamedate.Date
	settled := 0
	for d := range r.Dates() {
		e := entries[d]
		switch {
		case e != nil && e.State.Settled():
			settled++
		case e == nil && expected[d].NotFinal > 0:
			notFinal = append(notFinal, d)
		default:
			open = append(open, d)
		}
	}
	c.Seen = fmt.Sprintf("%d of %d", settled, r.Days())
	switch {
	case len(open) > 0:
		c.Verdict = job.Failed
		next := "publish the range and run workers"
		switch {
		case openRun.State == ledger.RunPaused:
			next = isPaused(openRun) + ", then run workers"
		case openRun.Sampling():
			next = sampling(openRun).Error()
		}
		c.Advice = fmt.Sprintf("%s not done: %s; %s", terminal.Plural(len(open), "date is", "dates are"), some(open), next)
	case len(notFinal) > 0:
		c.Verdict = job.Warned
		c.Advice = fmt.Sprintf("%s not final: %s; publish again when they are",
			terminal.Plural(len(notFinal), "date is", "dates are"), some(notFinal))
	default:
		c.Verdict = job.Pass
	}
	return c
}

func checkDead(entries []ledger.Entry, out *Judgement) job.Check {
	c := job.Check{Name: "no dead dates", Bound: "0", Verdict: job.Pass}
	for _, e := range entries {
		if e.State != ledger.Dead {
			continue
		}
		d := DeadDate{Date: e.Date}
		if e.Failure != nil {
			d.Class, d.Reason, d.Message = e.Failure.Class.String(), e.Failure.Reason, e.Failure.Message
		}
		out.DeadDates = append(out.DeadDates, d)
	}
	c.Seen = fmt.Sprint(len(out.DeadDates))
	if n := len(out.DeadDates); n > 0 {
		c.Verdict = job.Failed
		first := out.DeadDates[0]
		c.Advice = fmt.Sprintf("%s: %s (%s); mend the cause and publish the date again", first.Date,
			first.Reason, first.Class)
	}
	return c
}

// checkUndone says which dates were put back on purpose, so that nobody takes the range for done.
func checkUndone(entries []ledger.Entry) job.Check {
	c := job.Check{Name: "no rolled-back dates", Bound: "0", Verdict: job.Pass}
	var back, interrupted []gamedate.Date
	for i := range entries {
		switch e := &entries[i]; {
		case e.State == ledger.RolledBack:
			back = append(back, e.Date)
		case e.RollingBack():
			interrupted = append(interrupted, e.Date)
		}
	}
	c.Seen = fmt.Sprint(len(back) + len(interrupted))
	switch {
	case len(interrupted) > 0:
		c.Verdict, c.Advice = job.Failed, "a rollback was interrupted, repeat it: "+some(interrupted)
	case len(back) > 0:
		c.Verdict, c.Advice = job.Warned, "publish with --rolled-back does them again: "+some(back)
	}
	return c
}

func checkSilence(silences []Silence) job.Check {
	c := job.Check{Name: "no silence in the calendar", Bound: "none in season", Verdict: job.Pass, Seen: "none"}
	var seen []string
	for _, s := range silences {
		seen = append(seen, fmt.Sprintf("from %s to %s", s.From, s.To))
	}
	if len(seen) > 0 {
		c.Verdict, c.Seen = job.Warned, fmt.Sprint(len(seen))
		c.Advice = fmt.Sprintf("nothing that counts %s; load the missing part of the calendar and publish again, "+
			"or accept the gap", strings.Join(seen, ", "))
	}
	return c
}

// readers is how many partitions are read back at once: enough to use two cores.
const readers = 2

// checkContent compares every partition with what the ledger recorded.
func (p *Publisher) checkContent(ctx context.Context, r gamedate.Range, entries map[gamedate.Date]*ledger.Entry,
	out *Judgement, progress Progress) ([]job.Check, error) {
	tokens, err := p.ports.Store.Tokens(ctx, p.job.Target, r)
	if err != nil {
		return nil, err
	}
	var dates []gamedate.Date
	for d := range r.Dates() {
		if e := entries[d]; tokens[d] != warehouse.NoToken ||
			e != nil && (e.State == ledger.Complete || e.State == ledger.RolledBack) {
			dates = append(dates, d)
		}
	}
	var mu sync.Mutex // guards the maps and counters below
	fingerprints := map[gamedate.Date]string{}
	var overwritten, strangers []gamedate.Date
	measured := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for _, d := range dates {
		group.Go(func() error {
			m, err := p.ports.Store.Measure(ctx, p.job.Target, d)
			if err != nil {
				return fmt.Errorf("read back %s: %w", d, err)
			}
			mu.Lock()
			defer mu.Unlock()
			fingerprints[d] = m.Fingerprint
			out.Rows += m.Rows
			e := entries[d]
			switch {
			case e != nil && e.Facts != nil && e.State != ledger.Dead: // queued again or cancelled: as before
				if !isRecorded(e, m.Fingerprint) {
					overwritten = append(overwritten, d)
				}
			case m.Fingerprint != table.Empty &&
				(e == nil || e.State == ledger.NoGames || e.State == ledger.NoSchedule || e.State == ledger.Complete):
				strangers = append(strangers, d)
			}
			measured++
			progress("read back", measured, len(dates))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out.TableFingerprint = table.RangeFingerprint(fingerprints)
	same := job.Check{Name: "partitions are what was recorded", Bound: "all", Verdict: job.Pass,
		Seen: fmt.Sprintf("%d of %d", len(dates)-len(overwritten)-len(strangers), len(dates))}
	if out.Overwritten = append(overwritten, strangers...); len(out.Overwritten) > 0 {
		same.Verdict = job.Failed
		slices.SortFunc(out.Overwritten, gamedate.Date.Compare)
		same.Advice = fmt.Sprintf("somebody else wrote %s; publish the range again to repair", some(out.Overwritten))
	}
	return []job.Check{same}, nil
}

// isRecorded reports whether a fingerprint is one that the ledger accounts for.
func isRecorded(e *ledger.Entry, fingerprint string) bool {
	switch {
	case e.State == ledger.RolledBack:
		return fingerprint == e.Facts.PreImage
	case e.Write.Rollback && fingerprint == e.Facts.PreImage: // queued again since, or interrupted
		return true
	}
	return fingerprint == e.Facts.Fingerprint
}

// checkRows adds up what became of the input rows: nothing may be missing without a reason.
func checkRows(entries []ledger.Entry) job.Check {
	c := job.Check{Name: "rows in = rows used + rejected", Bound: "every date", Verdict: job.Pass}
	var in, used, rejected int64
	var differ []gamedate.Date
	reasons := map[string]int64{}
	for _, e := range entries {
		if e.State != ledger.Complete || e.Facts == nil {
			continue
		}
		counts := e.Facts.Counts
		in, used, rejected = in+counts.RowsIn, used+counts.RowsUsed, rejected+sum(counts.RejectedBy)
		for reason, n := range counts.RejectedBy {
			reasons[reason] += n
		}
		if counts.RowsIn != counts.RowsUsed+sum(counts.RejectedBy) {
			differ = append(differ, e.Date)
		}
	}
	c.Seen = fmt.Sprintf("%d in, %d used, %d rejected", in, used, rejected)
	if rejected > 0 {
		c.Seen += " (" + counted(reasons) + ")"
	}
	if len(differ) > 0 {
		c.Verdict, c.Advice = job.Failed, "rows are unaccounted for on "+some(differ)
	}
	return c
}

// checkFindings says which acceptance rules warned, and which errors the run's overrides let through.
func checkFindings(entries []ledger.Entry) job.Check {
	c := job.Check{Name: "acceptance without warnings", Bound: "no warnings, no overrides",
		Verdict: job.Pass, Seen: "none"}
	rules := map[string]int64{}
	var dates []gamedate.Date
	for _, e := range entries {
		if e.State != ledger.Complete || e.Facts == nil || len(e.Facts.Findings) == 0 {
			continue
		}
		dates = append(dates, e.Date)
		for _, f := range e.Facts.Findings {
			if f.Accepted {
				rules[f.Rule+" overridden"]++
			} else {
				rules[f.Rule]++
			}
		}
	}
	if len(dates) > 0 {
		c.Verdict, c.Seen = job.Warned, counted(rules)
		c.Advice = "look at " + some(dates)
	}
	return c
}

// checkInputs compares what completed dates were made from with what the sources hold now.
func (p *Publisher) checkInputs(ctx context.Context, r gamedate.Range, entries []ledger.Entry) (job.Check, error) {
	c := job.Check{Name: "sources unchanged since", Bound: "every date", Verdict: job.Pass}
	sources, err := p.sourceTokens(ctx, r)
	if err != nil {
		return c, err
	}
	var changed []gamedate.Date
	for _, e := range entries {
		if e.State == ledger.Complete && e.Facts != nil &&
			len(changes(e.Facts, sources(e.Date), e.Facts.TargetToken, e.Facts.ReferenceHash)) > 0 {
			changed = append(changed, e.Date)
		}
	}
	c.Seen = terminal.Plural(len(changed), "date", "dates") + " changed"
	if len(changed) > 0 {
		c.Verdict, c.Advice = job.Warned, "publish the range again: it queues "+some(changed)
	}
	return c, nil
}

// counted is "3 bad_team, 1 late" in the order of names.
func counted(m map[string]int64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[name], name))
	}
	return strings.Join(parts, ", ")
}

// gates gathers the grouped counts and lets the job judge them.
func (p *Publisher) gates(ctx context.Context, r gamedate.Range, expected map[gamedate.Date]job.Expectation,
	entries []ledger.Entry, baseline int64, thresholds job.Thresholds) ([]job.Check, error) {
	g := p.job.Gates
	if g.Judge == nil {
		return nil, nil
	}
	in, err := p.gateInput(ctx, r, expected, entries, thresholds)
	if err != nil {
		return nil, err
	}
	in.Baseline = baseline
	return g.Judge(in), nil
}

// gateInput gathers what the job's gates judge. Dates that were rolled back are none of it.
func (p *Publisher) gateInput(ctx context.Context, r gamedate.Range, expected map[gamedate.Date]job.Expectation,
	entries []ledger.Entry, thresholds job.Thresholds) (job.GateInput, error) {
	g := p.job.Gates
	in := job.GateInput{Range: r, Repeats: map[gamedate.Date]int64{}, Expected: map[gamedate.Date]job.Expectation{},
		Facts: map[gamedate.Date]job.Counts{}, Thresholds: thresholds}
	groups, err := p.ports.Store.Count(ctx, p.job.Target, r, warehouse.Grouping{By: g.By, Nulls: g.Nulls})
	if err != nil {
		return in, fmt.Errorf("count %s: %w", p.job.Target.FullName(), err)
	}
	in.Groups = groupCounts(groups)
	if len(g.Keys) > 0 { // counted by themselves: a key may repeat across groups
		dates, err := p.ports.Store.Count(ctx, p.job.Target, r, warehouse.Grouping{Keys: g.Keys})
		if err != nil {
			return in, fmt.Errorf("count the keys of %s: %w", p.job.Target.FullName(), err)
		}
		for _, d := range dates {
			in.Repeats[d.Date] = d.Rows - d.Distinct
		}
	}
	for d, e := range expected {
		if r.Contains(d) {
			in.Expected[d] = e
		}
	}
	for _, e := range entries {
		switch {
		case e.State == ledger.RolledBack: // it holds what it held before, which nobody has built or accepted here
			delete(in.Expected, e.Date)
			delete(in.Repeats, e.Date)
			in.Groups = slices.DeleteFunc(in.Groups, func(g job.GroupCount) bool { return g.Date == e.Date })
		case e.State == ledger.Complete && e.Facts != nil:
			in.Facts[e.Date] = e.Facts.Counts
		}
	}
	return in, nil
}

// groupCounts are groups as a job sees them.
func groupCounts(groups []warehouse.Group) []job.GroupCount {
	counts := make([]job.GroupCount, len(groups))
	for i, g := range groups {
		counts[i] = job.GroupCount{Date: g.Date, Keys: g.Keys, Rows: g.Rows, Nulls: g.Nulls}
	}
	return counts
}

func sum(m map[string]int64) int64 {
	n := int64(0)
	for _, v := range m {
		n += v
	}
	return n
}

// some names up to five dates.
func some(dates []gamedate.Date) string {
	var texts []string
	for i, d := range dates {
		if i == 5 {
			texts = append(texts, fmt.Sprintf("and %d more", len(dates)-5))
			break
		}
		texts = append(texts, d.String())
	}
	return strings.Join(texts, ", ")
}
