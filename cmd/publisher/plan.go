package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/terminal"
)

// buildFlags say which dates are built, and how.
type buildFlags struct {
	rangeFlags     `embed:""`
	thresholdFlags `embed:""`

	Force    bool     `help:"Do every date with games again, done or not." env:"-"`
	Accept   []string `help:"Acceptance rules whose errors do not fail a date in this run; needs --reason." placeholder:"RULE" env:"-"`
	Reason   string   `help:"Why, for the audit trail." env:"-"`
	Unowned  string   `help:"What becomes of values in columns that gamefill does not fill: refuse the date, carry them over, or erase them." enum:"refuse,carry,erase" default:"refuse"`
	JobFlags string   `name:"job-settings" help:"Further row-affecting settings of the job, as JSON." placeholder:"JSON"`
}

// requestFlags are shared by plan, publish and run.
type requestFlags struct {
	buildFlags `embed:""`
	liveFlags  `embed:""`

	StopOnFirstFailure bool `help:"Pause the run at the first failed attempt, whatever the date; without it, at failures of 3 dates alike." env:"-"`
	RolledBack         bool `help:"Do dates again that were rolled back; without it they are left." env:"-"`
	Stale              bool `help:"No other dates than those that are done and have become stale: by a newer version of the transform, other settings, or changed sources, registry or table." env:"-"`
	SkipPreflight      bool `help:"Begin without looking first whether something is wrong; needs --reason." env:"-"`
}

// liveFlags say what becomes of dates that a live pipeline may be writing.
type liveFlags struct {
	LiveWindow  int  `help:"Refuse dates to do of the last so many days in New York, and later ones: the live pipeline may be writing them." default:"7"`
	IncludeLive bool `help:"Do dates within the live window all the same; recorded with the run." env:"-"`
}

// request checks all flags, before anything is opened; problems come together.
func (f *buildFlags) request(e *environment) (publisher.Request, error) {
	r, dates, errRange := f.resolve()
	settings, errSettings := f.jobSettings()
	request := publisher.Request{Range: r, Dates: dates, Force: f.Force, Settings: settings, Accept: f.Accept,
		Reason: f.Reason, Actor: e.actor()}
	_, errCheck := publisher.Check(summary.Job(), request)
	return request, errors.Join(errRange, errSettings, errCheck)
}

// plan opens the backend and plans.
func (f *requestFlags) plan(e *environment,
	a access) (*publisher.Publisher, publisher.Request, *publisher.Plan, error) {
	request, err := f.request(e)
	request.StopOnFirstFailure, request.SkipPreflight, request.Undone, request.Stale = f.StopOnFirstFailure,
		f.SkipPreflight, f.RolledBack, f.Stale
	request.LiveWindow, request.IncludeLive = f.LiveWindow, f.IncludeLive
	if err == nil {
		_, err = publisher.Check(summary.Job(), request)
	}
	if err != nil {
		return nil, request, nil, err
	}
	p, err := e.publisher(a)
	if err != nil {
		return nil, request, nil, err
	}
	plan, err := p.Plan(e.ctx, request)
	return p, request, plan, err
}

type planCommand struct {
	requestFlags `embed:""`
	All          bool `help:"List every date, also those that are left."`
}

func (*planCommand) Help() string {
	return `Dates are queued because they are new, failed, forced, done by a stale version, or changed: a source, the registry
or the target is not what it was when the date was completed. Everything else is left, dates that were rolled back too
unless --rolled-back or --force asks for them. With --stale the plan holds nothing but dates done by a stale version, with other
settings or from inputs that have changed: none that is new or has failed.

Examples:
  publisher plan --from 2021-10-01 --to 2024-05-01
  publisher plan --season 2021-22 --all
  publisher plan --dates 2022-01-15,2022-01-16 --force
  publisher plan --from 2021-10-01 --to 2024-05-01 --stale`
}

// planView is the plan with what it will cost.
type planView struct {
	*publisher.Plan
	Estimate publisher.Estimate `json:"estimate"`
}

func (c *planCommand) Run(e *environment) error {
	p, request, plan, err := c.plan(e, looks)
	if err != nil {
		return err
	}
	cost, err := p.Estimate(e.ctx, plan)
	if err != nil {
		return err
	}
	request.SampleAbove = defaultSampleAbove
	live := plan.CheckLive(request)
	sampleFirst := false
	if live == nil {
		if sampleFirst, err = p.NeedsSample(e.ctx, request, plan); err != nil {
			return err
		}
	}
	return errors.Join(live, e.print(planView{plan, cost}, func() {
		if c.All || plan.Count(publisher.Queue) <= listedDates {
			dateTable(e, plan, c.All)
		}
		planSummary(e, plan)
		if cost.Writes > 0 {
			printEstimate(e, cost)
			if live != nil {
				return
			}
			if sampleFirst {
				fmt.Fprintln(e.out, "First `publisher sample` over the same range, then plan again: "+
					"what the sample does changes the plan.")
				fmt.Fprintf(e.out, "Apply it without a sample: %s --no-sample --reason …\n", e.publishing(plan))
				return
			}
			fmt.Fprintf(e.out, "Apply it: %s\n", e.publishing(plan))
		}
	}))
}

// publishing is the command that applies a plan: this one's flags, and the plan's hash.
func (e *environment) publishing(plan *publisher.Plan) string {
	words := []string{"publisher"}
	named := false
	for _, arg := range e.args {
		switch {
		case arg == "plan" && !named:
			words, named = append(words, "publish"), true
		case arg == "--all":
		default:
			words = append(words, quoted(arg))
		}
	}
	return strings.Join(append(words, "--plan", plan.Hash[:12]), " ")
}

// listedDates is how many queued dates a plan lists unasked.
const listedDates = 20

func dateTable(e *environment, plan *publisher.Plan, all bool) {
	t := terminal.NewTable("date", "verdict", "reason", ">games", "detail")
	for _, d := range plan.Dates {
		if all || d.Verdict == publisher.Queue || d.Verdict == publisher.NotFinal || d.Verdict == publisher.Undone {
			t.Row(d.Date, tableWords[d.Verdict], d.Reason, d.Units, d.Detail)
		}
	}
	if t.Len() > 0 {
		t.Write(e.out)
		fmt.Fprintln(e.out)
	}
}

// planSummary prints what a plan comes to.
func planSummary(e *environment, plan *publisher.Plan) {
	fmt.Fprintf(e.out, "%s, %s: %d to do, %d left as they are", plan.Range,
		terminal.Plural(len(plan.Dates), "date", "dates"), plan.Count(publisher.Queue), plan.Count(publisher.Left))
	for _, v := range []publisher.Verdict{publisher.Known, publisher.NoGames, publisher.NoSchedule,
		publisher.NotFinal, publisher.Undone} {
		if n := plan.Count(v); n > 0 {
			fmt.Fprintf(e.out, ", %d %s", n, verdictWords[v])
		}
	}
	fmt.Fprintln(e.out, ".")
	reasons := plan.Reasons()
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		parts = append(parts, fmt.Sprintf("%d %s", reasons[reason], reason))
	}
	if len(parts) > 0 {
		fmt.Fprintf(e.out, "Why: %s.\n", strings.Join(parts, ", "))
	}
	for _, s := range plan.Silences {
		fmt.Fprintln(e.out, terminal.Paint(e.out, terminal.Yellow, "Warning: "+s.Note+"; is the schedule complete?"))
	}
	switch {
	case plan.OpenState() == ledger.RunPaused:
		fmt.Fprintf(e.out, "Run %s is paused; the dates join it once it is resumed.\n", plan.OpenRun)
	case plan.OpenRun != "":
		fmt.Fprintf(e.out, "Run %s is %s; the dates join it.\n", plan.OpenRun, plan.OpenState())
	}
	if plan.StopOnFirstFailure {
		fmt.Fprintln(e.out, "The run stops at its first failure.")
	}
	fmt.Fprintf(e.out, "Plan %.12s, transform version %s.\n", plan.Hash, plan.Version)
}

// tableWords are the verdicts as a table shows them.
var tableWords = map[publisher.Verdict]string{
	publisher.Queue: "to do", publisher.Left: "left", publisher.Known: "queued before", publisher.NoGames: "no games",
	publisher.NoSchedule: "no schedule", publisher.NotFinal: "not final", publisher.Undone: "rolled back",
}

var verdictWords = map[publisher.Verdict]string{
	publisher.Known: "queued before", publisher.NoGames: "without games", publisher.NoSchedule: "without a schedule",
	publisher.NotFinal: "not final", publisher.Undone: "rolled back",
}

type publishCommand struct {
	requestFlags `embed:""`
	beginFlags   `embed:""`
	notifyFlags  `embed:""`
	DryRun       bool `help:"Show the plan and what is found before the first write, and exit as the command would; changes nothing." env:"-"`
}

// Validate refuses a bound that no plan can meet.
func (c *publishCommand) Validate() error { return c.check() }

func (*publishCommand) Help() string {
	return `The ledger is written first, then one message per date is published, then the run opens and workers begin.
Publishing the same range again is safe: dates that are queued are known, and what a crash left unpublished is
published.

Examples:
  publisher publish --from 2021-10-01 --to 2024-05-01 && worker --drain
  publisher publish --dates 2022-01-15 --force --reason "box score corrected"
  publisher publish --season 2021-22 --plan 5f2a90cc1b7e`
}

func (c *publishCommand) Run(e *environment) error {
	if err := c.told(e); err != nil {
		return err
	}
	q, err := c.prepareOrShow(e, &c.beginFlags, c.DryRun)
	if err != nil {
		return err
	}
	if c.DryRun {
		return q.p.Admit(e.ctx, q.request, q.plan)
	}
	result, err := q.apply(e)
	if err != nil {
		return err
	}
	e.announce(result.RunID)
	return e.print(result, func() {
		if result.Nothing {
			fmt.Fprintln(e.out, nothingToDo(q.plan))
			return
		}
		fmt.Fprintf(e.out, "Run %s: %s queued, %d known before, %d settled as without games, %s published.\n", result.RunID,
			terminal.Plural(result.Queued, "date", "dates"), result.Known, result.Settled,
			terminal.Plural(result.Published, "message", "messages"))
		if len(result.Held) > 0 {
			fmt.Fprintf(e.out, "%s still held by workers of a cancelled run, the first is %s; "+
				"publish again when the leases have ended.\n",
				terminal.Plural(len(result.Held), "date is", "dates are"), result.Held[0])
		}
		if result.Run.State == ledger.RunPaused {
			fmt.Fprintf(e.out, "It was paused meanwhile (%s: %s) and stays so: `publisher resume --reason …` "+
				"lets workers at it.\n", result.Run.CauseKind, result.Run.Cause)
			return
		}
		fmt.Fprintln(e.out, "Next: `worker --drain` does the work, `publisher status --watch` follows it, "+
			"`publisher validate` judges it.")
	})
}

// nothingToDo says why a plan queues nothing: done is not the same as put back or not final.
func nothingToDo(plan *publisher.Plan) string {
	if len(plan.Dates) == 0 { // of --stale
		return "Nothing to do: no date is stale."
	}
	var waiting []string
	if n := plan.Count(publisher.Undone); n > 0 {
		waiting = append(waiting, fmt.Sprintf("%d rolled back, which --rolled-back or --force does again", n))
	}
	if n := plan.Count(publisher.NotFinal); n > 0 {
		waiting = append(waiting, fmt.Sprintf("%d not final, to be published again when their games are over", n))
	}
	if len(waiting) == 0 {
		return "Nothing to do: every date is done, and nothing it was made from has changed."
	}
	return "Nothing to do now: " + strings.Join(waiting, "; ") + "."
}

// prepared is a plan that may be applied.
type prepared struct {
	p       *publisher.Publisher
	request publisher.Request
	plan    *publisher.Plan
}

// prepare plans, wants the plan to be the one that begin asks for, and looks before the first write.
func (f *requestFlags) prepare(e *environment, a access, begin *beginFlags) (*prepared, error) {
	p, request, plan, err := f.plan(e, a)
	if err != nil {
		return nil, err
	}
	if begin != nil {
		request.SampleAbove, request.SkipSample = begin.SampleAbove, begin.NoSample
		if _, err := publisher.Check(summary.Job(), request); err != nil {
			return nil, err
		}
		if err := begin.confirm(plan); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(plan.Refused(begin == nil), plan.CheckLive(request)); err != nil {
		return nil, err
	}
	q := &prepared{p, request, plan}
	if a == looks {
		return q, nil
	}
	if !e.settings.JSON {
		planSummary(e, plan)
	}
	return q, f.preflight(e, p, &q.request, plan)
}

// prepareOrShow is prepare, or with dryRun shows the plan and what a look before the first write finds: it ends as the
// command would there, and changes nothing.
func (f *requestFlags) prepareOrShow(e *environment, begin *beginFlags, dryRun bool) (*prepared, error) {
	if !dryRun {
		return f.prepare(e, works, begin)
	}
	q, err := f.prepare(e, looks, begin)
	if err != nil {
		return nil, err
	}
	if _, err := e.backend.CheckQueue(e.ctx); err != nil {
		return nil, err
	}
	found, err := f.look(e, q.p, q.request, q.plan)
	if err != nil {
		return nil, err
	}
	cost, err := q.p.Estimate(e.ctx, q.plan)
	if err != nil {
		return nil, err
	}
	return q, errors.Join(refusedBy(found), e.print(dryRunView{planView{q.plan, cost}, found}, func() {
		if q.plan.Count(publisher.Queue) <= listedDates {
			dateTable(e, q.plan, false)
		}
		planSummary(e, q.plan)
		if cost.Writes > 0 {
			printEstimate(e, cost)
		}
		if found != nil {
			fmt.Fprintln(e.out)
			preflightTable(e, *found, false)
		}
		fmt.Fprintln(e.out, "Nothing was published (--dry-run).")
	}))
}

// dryRunView is a plan with what it will cost and what was found before its first write, nil when nothing was looked
// at.
type dryRunView struct {
	planView
	Preflight *publisher.Preflight `json:"preflight,omitempty"`
}

// apply publishes what was prepared.
func (q *prepared) apply(e *environment) (publisher.Result, error) {
	progress := e.progress()
	defer progress.Done()
	return q.p.Publish(e.ctx, q.request, q.plan, func(step string, done, total int) {
		progress.Set(step, done, total, "")
	})
}

// jobSettings merges the settings flags into the job's settings document.
func (f *buildFlags) jobSettings() ([]byte, error) {
	settings := map[string]any{}
	if f.JobFlags != "" {
		if err := json.Unmarshal([]byte(f.JobFlags), &settings); err != nil {
			return nil, &publisher.UsageError{Problem: "--job-settings is not a JSON object: " + err.Error()}
		}
	}
	if _, ok := settings["unowned"]; !ok {
		settings["unowned"] = f.Unowned
	}
	bounds, _, err := f.read()
	if err != nil {
		return nil, err
	}
	if len(bounds) > 0 {
		if _, ok := settings["thresholds"]; ok {
			return nil, &publisher.UsageError{Problem: "--job-settings has thresholds: leave --thresholds and --threshold out"}
		}
		settings["thresholds"] = bounds
	}
	return json.Marshal(settings)
}
