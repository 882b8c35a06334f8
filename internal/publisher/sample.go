package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/terminal"
)

// ApprovalError refuses to begin before a sample has passed or somebody has taken it upon himself.
type ApprovalError struct{ Problem string }

// Error says what is missing and what to do.
func (e *ApprovalError) Error() string { return e.Problem }

// EventApproved is the kind of the events that say who let a run begin; EventSampled of those that say what a sample
// came to.
const (
	EventApproved = "approved"
	EventSampled  = "sampled"
)

// approvedRuns is how many of the newest runs are looked through for a sample that has passed.
const approvedRuns = 50

// NeedsSample reports whether Publish would refuse the plan until a sample has passed, or go on with one that is under
// way.
func (p *Publisher) NeedsSample(ctx context.Context, r Request, plan *Plan) (bool, error) {
	_, err := p.admit(ctx, r, plan)
	if _, missing := errors.AsType[*ApprovalError](err); missing {
		return true, nil
	}
	return false, err
}

// admit says by what approval a plan may be applied, nil where none is needed. Errors: *UsageError for live dates,
// *ApprovalError.
func (p *Publisher) admit(ctx context.Context, r Request, plan *Plan) (*ledger.Approval, error) {
	if err := plan.CheckLive(r); err != nil {
		return nil, err
	}
	approval := &ledger.Approval{Actor: r.Actor, Reason: r.Reason, PlanHash: plan.Hash, Version: plan.Version,
		SettingsHash: plan.SettingsHash, Override: true}
	n := plan.Count(Queue)
	switch {
	case r.Sample:
		if plan.OpenRun != "" && !plan.open.Sampling() && plan.open.State != ledger.RunAwaitingApproval {
			return nil, fmt.Errorf("run %s is %s: a sample comes before a run; wait until it has ended",
				plan.OpenRun, plan.open.State)
		}
		if len(r.Golden) == 0 && failedGolden(plan.open) {
			return nil, &ApprovalError{fmt.Sprintf("run %s lacks golden rows: repeat `publisher sample` with --golden, "+
				"or let the run begin all the same with `publisher approve --reason TEXT`; `publisher cancel` ends it",
				plan.OpenRun)}
		}
		return nil, nil
	case plan.open.Sampling() && r.SkipSample:
		return approval, nil
	case plan.open.Sampling():
		return nil, sampling(plan.open)
	case r.SampleAbove == 0 || n <= r.SampleAbove || plan.open.Approval != nil:
		return nil, nil
	case r.SkipSample:
		return approval, nil
	}
	runs, err := p.ports.Ledger.ListRuns(ctx, p.job.Name, approvedRuns)
	if err != nil {
		return nil, fmt.Errorf("look for a sample that has passed: %w", err)
	}
	for _, run := range runs {
		a := run.Approval
		if a != nil && !a.Override && run.State != ledger.RunCancelled && a.Version == plan.Version &&
			a.SettingsHash == plan.SettingsHash {
			earned := *a
			if run.ID != plan.OpenRun {
				earned.Reason = fmt.Sprintf("a sample passed in run %s", run.ID)
			}
			return &earned, nil
		}
	}
	return nil, &ApprovalError{fmt.Sprintf("%d dates are to be done, and no sample has passed with transform version %s "+
		"and these settings: "+
		"`publisher sample` over the same range does a few dates first and judges them; --no-sample --reason TEXT "+
		"goes without", n, plan.Version)}
}

// Refused says why nothing can be published now, nil when it can: a paused run takes no dates, nor begins a sample. A
// plan that leaves everything as it is joins no run.
func (p *Plan) Refused(sample bool) error {
	joins := func(d DatePlan) bool {
		return d.Verdict == Queue || d.Verdict == Known || d.Verdict == NoGames && d.State != ledger.NoGames ||
			d.Verdict == NoSchedule && d.State != ledger.NoSchedule
	}
	if p.open.State != ledger.RunPaused || !sample && !slices.ContainsFunc(p.Dates, joins) {
		return nil
	}
	return resumeFirst(p.open)
}

// resumeFirst refuses a command that a paused run keeps from being carried out.
func resumeFirst(run ledger.Run) error {
	then := "then repeat the command"
	if run.Sampling() {
		then = "then the same `publisher sample` again judges what it has begun"
	}
	return fmt.Errorf("%s, %s", isPaused(run), then)
}

// isPaused says why a run is paused, and what ends that.
func isPaused(run ledger.Run) string {
	return fmt.Sprintf("run %s is paused (%s: %s): `publisher resume --reason …` lets it go on", run.ID,
		run.CauseKind, run.Cause)
}

// sampling says what a run that is not approved waits for.
func sampling(run ledger.Run) error {
	what := "has a sample under way: `publisher sample` over the same range judges it when its dates are settled"
	if run.State == ledger.RunAwaitingApproval {
		what = "has a sample that failed: mend what failed and repeat `publisher sample`, " +
			"or let the run begin all the same with `publisher approve --reason TEXT`"
	}
	return &ApprovalError{fmt.Sprintf("run %s %s; `publisher cancel` ends it", run.ID, what)}
}

// sampled is the part of a plan that is done first: the dates asked for, or what the job chooses. Its hash stays the
// whole plan's.
func (p *Publisher) sampled(r Request, plan *Plan) (*Plan, error) {
	chosen := r.Canary
	if len(chosen) == 0 {
		if p.job.Sampling.Canary == nil {
			return nil, &UsageError{"job " + p.job.Name + " has no dates to begin with: choose some with --dates"}
		}
		expected := map[gamedate.Date]job.Expectation{}
		for _, d := range plan.Dates {
			if d.Units > 0 && d.Verdict != NotFinal && d.Verdict != Undone {
				expected[d.Date] = d.Expected
			}
		}
		chosen = p.job.Sampling.Canary(expected)
	}
	for _, g := range r.Golden {
		chosen = append(slices.Clip(chosen), g.Date)
	}
	part := *plan
	part.Dates = slices.DeleteFunc(slices.Clone(plan.Dates), func(d DatePlan) bool {
		return d.Units == 0 || !slices.Contains(chosen, d.Date)
	})
	if len(part.Dates) == 0 {
		return nil, &UsageError{fmt.Sprintf("none of the dates of %s has a %s that is final: there is nothing to sample",
			plan.Range, p.job.Calendar.Unit)}
	}
	return &part, nil
}

// begin makes a run a sampled one, with the dates of the plan.
func (p *Plan) begin(run *ledger.Run) {
	sample := &ledger.Sample{Range: p.Range, PlanHash: p.Hash}
	if run.Sample != nil {
		sample.Dates = slices.Clone(run.Sample.Dates)
	}
	for _, d := range p.Dates {
		sample.Dates = append(sample.Dates, d.Date)
	}
	slices.SortFunc(sample.Dates, gamedate.Date.Compare)
	sample.Dates = slices.Compact(sample.Dates)
	run.Sample, run.Approval = sample, nil
}

// failedGolden reports whether a sample was judged to lack golden rows. Those who do not have the rows cannot judge it
// again.
func failedGolden(run ledger.Run) bool {
	return run.Sample != nil && slices.ContainsFunc(run.Sample.Checks, func(c job.Check) bool {
		return c.Name == goldenRows && c.Verdict == job.Failed
	})
}

// SampleResult is what a sample came to.
type SampleResult struct {
	Run     string          `json:"run"`
	State   ledger.RunState `json:"state"`
	Dates   []gamedate.Date `json:"dates"`
	Verdict job.Verdict     `json:"verdict"`
	Checks  []job.Check     `json:"checks"`
	// Spots are the dates as a person looks at them.
	Spots     []Spot     `json:"spot_check,omitempty"`
	DeadDates []DeadDate `json:"dead,omitempty"`
	Approved  bool       `json:"approved"` // the rest of the run may be published
}

// Spot is the spot check of one date.
type Spot struct {
	Date gamedate.Date `json:"date"`
	job.SpotCheck
}

// ErrSampleUnderWay: dates of the sample are not settled yet; nothing was judged.
var ErrSampleUnderWay = errors.New("dates of the sample are not settled yet: start workers, " +
	"and judge it again when they are done")

// JudgeSample judges the settled dates of a sampled run, one by one: dead dates, failed attempts, findings, the job's
// gates, its spot check and the golden rows, where there are any. The run then waits for the rest of its dates; a
// sample without a failed check approves them. What somebody else has judged since it was begun is returned as it was
// recorded, without spots, unless there are golden rows that he did not have.
//
// Errors: ErrSampleUnderWay; those of reading.
func (p *Publisher) JudgeSample(ctx context.Context, run ledger.Run, golden []Golden,
	actor string) (SampleResult, error) {
	out := SampleResult{Run: run.ID, State: run.State}
	if judged(run) && len(golden) == 0 {
		return recordedSample(run), nil
	}
	if run.State == ledger.RunPlanning && run.Sampling() {
		return out, ErrSampleUnderWay
	}
	if run.Sample == nil || run.State != ledger.RunCanary {
		return out, fmt.Errorf("run %s is %s: it has no sample to judge", run.ID, run.State)
	}
	out.Dates = run.Sample.Dates
	counts, err := p.ports.Ledger.CountStates(ctx, p.job.Name, run.ID)
	if err != nil {
		return out, fmt.Errorf("count states of run %s: %w", run.ID, err)
	}
	if counts[ledger.Pending]+counts[ledger.Leased] > 0 {
		return out, ErrSampleUnderWay
	}
	if err := p.judgeSample(ctx, run, golden, &out); err != nil {
		return out, err
	}
	out.Verdict = job.Pass
	for _, c := range out.Checks {
		out.Verdict = job.Worse(out.Verdict, c.Verdict)
	}
	out.Approved = passed(out.Verdict)
	event := ledger.Event{Kind: EventSampled, Actor: actor,
		Message: fmt.Sprintf("%s: %s", out.Verdict, terminal.Plural(len(out.Dates), "date", "dates"))}
	updated, err := p.ports.Ledger.UpdateRun(ctx, run.ID, event, func(r *ledger.Run) error {
		if judged(*r) && len(golden) == 0 {
			return errJudgedMeanwhile
		}
		if r.State == ledger.RunPlanning && r.Sampling() { // somebody else has begun it anew
			return ErrSampleUnderWay
		}
		r.Sample.Verdict, r.Sample.Checks = out.Verdict, out.Checks
		if out.Approved {
			r.Approval = &ledger.Approval{Actor: actor, Reason: "the sample passed", PlanHash: r.Sample.PlanHash,
				Version: r.Version, SettingsHash: r.SettingsHash}
		}
		return r.Move(ledger.RunAwaitingApproval)
	})
	if errors.Is(err, errJudgedMeanwhile) {
		if run, err = p.ports.Ledger.Run(ctx, run.ID); err == nil {
			return recordedSample(run), nil
		}
	}
	if err != nil {
		return out, fmt.Errorf("record the sample of run %s: %w", run.ID, err)
	}
	out.State = updated.State
	return out, nil
}

var errJudgedMeanwhile = errors.New("the sample was judged meanwhile")

// judged reports whether the sample that the run began last has its verdict.
func judged(run ledger.Run) bool { return run.Sample != nil && run.Sample.Verdict != "" }

// recordedSample is a judged sample as the ledger has it.
func recordedSample(run ledger.Run) SampleResult {
	s := run.Sample
	return SampleResult{Run: run.ID, State: run.State, Dates: s.Dates, Verdict: s.Verdict, Checks: s.Checks,
		Approved: passed(s.Verdict)}
}

// passed reports whether a sample of this verdict lets the rest of its run begin.
func passed(v job.Verdict) bool { return job.Worse(v, job.Warned) == job.Warned }

// judgeSample gathers the checks and spots of a sample.
func (p *Publisher) judgeSample(ctx context.Context, run ledger.Run, golden []Golden, out *SampleResult) error {
	thresholds, err := p.job.EffectiveThresholds(run.Settings)
	if err != nil {
		return err
	}
	whole := gamedate.Range{From: out.Dates[0], To: out.Dates[len(out.Dates)-1]}
	entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, whole)
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e ledger.Entry) bool { return !slices.Contains(out.Dates, e.Date) })
	attempts, err := p.ports.Ledger.Attempts(ctx, ledger.AttemptFilter{Job: p.job.Name, Run: run.ID, EndedOnly: true}, 0)
	if err != nil {
		return fmt.Errorf("read attempts of run %s: %w", run.ID, err)
	}
	var judged Judgement
	out.Checks = []job.Check{checkDead(entries, &judged), checkAttempts(attempts), checkRows(entries),
		checkFindings(entries)}
	out.DeadDates = judged.DeadDates
	expected, _, _, err := p.calendar(ctx, whole)
	if err != nil {
		return err
	}
	in, err := p.gateInput(ctx, whole, expected, entries, thresholds)
	if err != nil {
		return err
	}
	if len(golden) > 0 {
		c, err := p.checkGolden(ctx, golden, in.Facts)
		if err != nil {
			return err
		}
		out.Checks = append(out.Checks, c)
	}
	for _, d := range out.Dates {
		checks, spot, err := p.sampleDate(ctx, d, in)
		if err != nil {
			return err
		}
		out.Checks = append(out.Checks, checks...)
		if spot != nil {
			out.Spots = append(out.Spots, *spot)
		}
	}
	return nil
}

// sampleDate judges one date of a sample.
func (p *Publisher) sampleDate(ctx context.Context, d gamedate.Date, in job.GateInput) ([]job.Check, *Spot, error) {
	var checks []job.Check
	if p.job.Gates.Judge != nil {
		one := in
		one.Range = gamedate.Range{From: d, To: d}
		one.Groups = slices.DeleteFunc(slices.Clone(in.Groups), func(g job.GroupCount) bool { return g.Date != d })
		one.Repeats = map[gamedate.Date]int64{d: in.Repeats[d]}
		one.Expected = map[gamedate.Date]job.Expectation{d: in.Expected[d]}
		one.Facts = map[gamedate.Date]job.Counts{}
		if facts, ok := in.Facts[d]; ok {
			one.Facts[d] = facts
		}
		for _, c := range p.job.Gates.Judge(one) {
			if c.Scope == "" { // narrower scopes say the same of a single date
				checks = append(checks, c)
			}
		}
	}
	var spot *Spot
	// a dead date has its old rows, which say nothing of the sample
	if _, built := in.Facts[d]; built && p.job.Sampling.SpotCheck != nil {
		part, err := p.ports.Store.Read(ctx, p.job.Target, d)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s of %s: %w", p.job.Target.FullName(), d, err)
		}
		spot = &Spot{Date: d, SpotCheck: p.job.Sampling.SpotCheck(part.Rows, in.Thresholds)}
		checks = append(checks, spot.Checks...)
	}
	for i := range checks {
		checks[i].Scope = d.String()
	}
	return checks, spot, nil
}

// checkAttempts says which attempts went wrong, whatever became of their dates afterwards.
func checkAttempts(attempts []ledger.Attempt) job.Check {
	c := job.Check{Name: "no failed attempts", Bound: "0", Verdict: job.Pass}
	var dates []gamedate.Date
	n := 0
	for _, a := range attempts {
		if a.Result == ledger.ResultFailed || a.Result == ledger.ResultDead || a.Result == ledger.ResultExpired {
			n++
			dates = append(dates, a.Date)
		}
	}
	c.Seen = fmt.Sprint(n)
	if n > 0 {
		slices.SortFunc(dates, gamedate.Date.Compare)
		c.Verdict, c.Advice = job.Warned, "`publisher explain` tells why: "+some(slices.Compact(dates))
	}
	return c
}

// Approve lets a run whose sample failed begin all the same.
func (p *Publisher) Approve(ctx context.Context, run, reason, actor string) (ledger.Run, error) {
	if strings.TrimSpace(reason) == "" {
		return ledger.Run{}, &UsageError{Problem: "say why with --reason"}
	}
	return p.ports.Ledger.UpdateRun(ctx, run,
		ledger.Event{Kind: EventApproved, Actor: actor, Message: reason}, func(r *ledger.Run) error {
			if err := CanApprove(*r); err != nil {
				return err
			}
			r.Approval = &ledger.Approval{Actor: actor, Reason: reason, PlanHash: r.Sample.PlanHash, Version: r.Version,
				SettingsHash: r.SettingsHash, Override: true}
			return nil
		})
}

// CanApprove says why Approve would not approve a run in its present state.
func CanApprove(run ledger.Run) error {
	switch {
	case run.State.Closed():
		return fmt.Errorf("run %s is %s and does not wait for an approval", run.ID, run.State)
	case run.Approval != nil:
		return fmt.Errorf("run %s is approved already (%s): publish or run its range to do the rest",
			run.ID, run.Approval.Reason)
	case run.State == ledger.RunPaused:
		return resumeFirst(run)
	case run.State != ledger.RunAwaitingApproval:
		return fmt.Errorf("run %s is %s and does not wait for an approval", run.ID, run.State)
	}
	return nil
}
