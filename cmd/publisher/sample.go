package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/terminal"
)

// defaultSampleAbove is the default of --sample-above: a month of dates may be done and looked at by itself.
const defaultSampleAbove = 31

// beginFlags say what has to come before a run begins; publish and run share them.
type beginFlags struct {
	Plan        string `help:"Apply just this plan and refuse when the world has moved: the hash that plan prints, or a file of plan --json." placeholder:"HASH" env:"-"`
	SampleAbove int    `help:"How many dates may be done before a sample has passed; 0: any number." default:"31" placeholder:"N"`
	NoSample    bool   `help:"Begin without a sample; needs --reason." env:"-"`
}

// check refuses a bound that no plan can meet.
func (f *beginFlags) check() error {
	if f.SampleAbove < 0 {
		return errors.New("--sample-above must not be negative")
	}
	return nil
}

// confirm says whether the plan is the one that was asked for.
func (f *beginFlags) confirm(plan *publisher.Plan) error {
	switch {
	case f.Plan == "":
		return nil
	case publisher.IsPlanHash(f.Plan):
		return plan.Holds(f.Plan)
	}
	text, err := os.ReadFile(f.Plan)
	if err != nil {
		return &publisher.UsageError{
			Problem: fmt.Sprintf("--plan: neither the first 12 digits of a plan's hash nor a file: %v", err)}
	}
	var before publisher.Plan
	if err := json.Unmarshal(text, &before); err != nil || before.Hash == "" {
		return &publisher.UsageError{
			Problem: fmt.Sprintf("--plan: %s is no plan as `publisher plan --json` prints it", f.Plan)}
	}
	return plan.HoldsAs(&before)
}

type sampleCommand struct {
	requestFlags  `embed:""`
	workFlags     `embed:""`
	notifyFlags   `embed:""`
	Detach        bool   `help:"Only queue the dates, for workers; the same command without it judges them later." env:"-"`
	AllowWarnings bool   `help:"Exit 0, not 5, when there are only warnings."`
	All           bool   `help:"Show every check, also those of single dates that pass."`
	Golden        string `help:"File of rows that are known to be right, CSV or JSON lines as export writes them; a sample without them, value for value, fails." placeholder:"FILE" env:"-"`
}

// Validate reports settings that cannot be, all together.
func (c *sampleCommand) Validate() error { return c.workFlags.check() }

func (*sampleCommand) Help() string {
	return `Does a few dates of a range first: the week from 2022-01-10 to 2022-01-16 where the range has it, and the first date of
most games of each season; or the dates of --dates. They are written like any other, then judged one by one, and the players
with the most minutes are shown. A sample that passes lets the rest of the range begin: publish or run it. One that fails
keeps it back until the same command passes or approve says why it may begin all the same. run does all this by itself.

The rows of --golden have the columns game_date, game_id, player_lookup and team_abbr, and any others: their values are
compared, but for clocks and lineage. Their dates are part of the sample.

Examples:
  publisher sample --from 2021-10-01 --to 2024-05-01 && publisher publish --from 2021-10-01 --to 2024-05-01
  publisher sample --season 2021-22 --dates 2022-01-15,2022-01-16
  publisher sample --season 2021-22 --golden known.csv
  publisher sample --season 2021-22 --detach`
}

func (c *sampleCommand) Run(e *environment) error {
	if err := c.told(e); err != nil {
		return err
	}
	golden, err := c.golden()
	if err != nil {
		return err
	}
	q, err := c.prepare(e, works, nil)
	if err != nil {
		return err
	}
	q.request.Golden = golden
	if c.Dates != "" {
		q.request.Canary = slices.Clone(q.request.Dates)
		if c.From != "" || c.Season != "" { // the whole range is planned, these dates come first
			q.request.Dates = nil
			if q.plan, err = q.p.Plan(e.ctx, q.request); err != nil {
				return err
			}
		}
	}
	result, err := q.sample(e)
	if err != nil {
		return err
	}
	if c.Detach {
		e.announce(result.RunID)
		return e.print(result, func() {
			fmt.Fprintf(e.out, "Run %s: %s of the sample queued.\n", result.RunID,
				terminal.Plural(result.Queued, "date", "dates"))
			fmt.Fprintln(e.out, "Next: `worker --drain` does them, the same command without --detach judges them.")
		})
	}
	counts, err := e.backend.Ledger.CountStates(e.ctx, result.Run.Job, result.RunID)
	if err != nil {
		return err
	}
	if done, total := settled(counts); done < total {
		if err := c.work(e, result.Run); err != nil {
			return err
		}
	}
	s, err := q.judge(e, &c.workFlags, result.Run)
	if err != nil {
		return err
	}
	if err := e.print(s, func() { sampleTable(e, s, c.All) }); err != nil {
		return err
	}
	if s.Verdict == job.Warned && !c.AllowWarnings {
		return &codeError{code: exitWarnings}
	}
	return sampleError(s)
}

// golden reads the rows that are known to be right, if any.
func (c *sampleCommand) golden() ([]publisher.Golden, error) {
	if c.Golden == "" {
		return nil, nil
	}
	file, err := os.Open(c.Golden)
	if err != nil {
		return nil, &publisher.UsageError{Problem: "--golden: " + err.Error()}
	}
	defer file.Close()
	golden, err := publisher.ReadGolden(file, summary.Target)
	if err != nil {
		return nil, &publisher.UsageError{Problem: fmt.Sprintf("--golden %s: %v", c.Golden, err)}
	}
	if r, _, err := c.resolve(); err == nil { // else prepare says what is wrong
		_, err = publisher.Check(summary.Job(), publisher.Request{Range: r, Golden: golden})
		return golden, err
	}
	return golden, nil
}

// sampleError is the exit code that follows from a sample.
func sampleError(s publisher.SampleResult) error {
	if s.Approved {
		return nil
	}
	return &codeError{exitApproval, "the sample failed; nothing else was done.\n" +
		"Mend what failed and repeat the command, or let the run begin all the same with " +
		"`publisher approve --reason \"…\"`, which is recorded with the run."}
}

// sample publishes the sample of what was prepared.
func (q *prepared) sample(e *environment) (publisher.Result, error) {
	part := *q
	part.request.Sample = true
	return part.apply(e)
}

// judge judges the sample of a run whose dates were worked on, after working on those that others have added meanwhile.
func (q *prepared) judge(e *environment, with *workFlags, run ledger.Run) (publisher.SampleResult, error) {
	for {
		current, err := q.p.Find(e.ctx, run.ID)
		if err != nil {
			return publisher.SampleResult{}, err
		}
		s, err := q.p.JudgeSample(e.ctx, current, q.request.Golden, e.actor())
		if errors.Is(err, publisher.ErrSampleUnderWay) {
			if err := with.work(e, run); err != nil {
				return s, err
			}
			continue
		}
		if err == nil {
			e.announce(run.ID)
		}
		return s, err
	}
}

// sampleTable prints the leading rows of each date, the checks that ask for something or, with all, all, and the
// verdict.
func sampleTable(e *environment, s publisher.SampleResult, all bool) {
	if len(s.Spots) > 0 {
		t := terminal.NewTable(append([]string{"date"}, s.Spots[0].Columns...)...)
		for _, spot := range s.Spots {
			date := spot.Date.String()
			for _, row := range spot.Rows {
				cells := []any{date}
				for _, cell := range row {
					cells = append(cells, cell)
				}
				t.Row(cells...)
				date = ""
			}
		}
		t.Write(e.out)
		fmt.Fprintln(e.out)
	}
	checkTable(e, s.Checks, "dates", all)
	for _, d := range s.DeadDates {
		fmt.Fprintf(e.out, "dead %s: %s: %s\n", d.Date, d.Reason, d.Message)
	}
	sampleLine(e, s)
}

// sampleLine is the verdict in one line.
func sampleLine(e *environment, s publisher.SampleResult) {
	follows := "the rest of the range waits"
	if s.Approved {
		follows = "the rest of the range may be published"
	}
	fmt.Fprintf(e.out, "Sample of %s, %s to %s: %s; %s.\n", terminal.Plural(len(s.Dates), "date", "dates"), s.Dates[0],
		s.Dates[len(s.Dates)-1], terminal.Paint(e.out, verdictColours[s.Verdict], string(s.Verdict)), follows)
}

type approveCommand struct {
	verbFlags `embed:""`
}

func (*approveCommand) Help() string {
	return `Lets a run begin whose sample has failed. Who did so and why is recorded with the run and shown by status. The approval
holds for that run alone; publish or run the range then does the rest of it.

Examples:
  publisher approve --reason "the box score of 2022-01-12 is known to lack a player"`
}

func (c *approveCommand) Run(e *environment) error {
	run, err := c.change(e, looks, publisher.CanApprove, func(p *publisher.Publisher, run string) (ledger.Run, error) {
		return p.Approve(e.ctx, run, c.Reason, e.actor())
	})
	if err != nil {
		return err
	}
	return c.report(e, "approve", run, "It is approved: publish or run its range to do the rest.")
}

// approvalText says who let a run begin, or what keeps it.
func approvalText(run ledger.Run) string {
	var parts []string
	if s := run.Sample; s != nil {
		verdict := string(s.Verdict)
		if verdict == "" {
			verdict = "under way"
		}
		parts = append(parts, fmt.Sprintf("sample of %s: %s", terminal.Plural(len(s.Dates), "date", "dates"), verdict))
	}
	if a := run.Approval; a != nil {
		word := "approved"
		if a.Override {
			word = "approved against the sample, or without one,"
		}
		parts = append(parts, fmt.Sprintf("%s by %s: %s", word, a.Actor, a.Reason))
	}
	return strings.Join(parts, "; ")
}

// admit is the error with which run would end before its first write, the sample's included.
func (q *prepared) admit(e *environment) error {
	needed, err := q.p.NeedsSample(e.ctx, q.request, q.plan)
	if err != nil {
		return err
	}
	request := q.request
	request.Sample = needed
	return q.p.Admit(e.ctx, request, q.plan)
}

// first does the sample of a run where one is missing, and plans anew. A sample that fails is an error.
func (c *runCommand) first(e *environment, q *prepared) error {
	if q.request.SkipSample {
		return nil
	}
	needed, err := q.p.NeedsSample(e.ctx, q.request, q.plan)
	if err != nil || !needed {
		return err
	}
	began := time.Now()
	result, err := q.sample(e)
	if err != nil {
		return err
	}
	if err := c.work(e, result.Run); err != nil {
		return err
	}
	s, err := q.judge(e, &c.workFlags, result.Run)
	if err != nil {
		return err
	}
	if !s.Approved {
		return errors.Join(e.print(s, func() { sampleTable(e, s, false) }), sampleError(s))
	}
	if !e.settings.JSON {
		sampleLine(e, s)
		fmt.Fprintf(e.out, "Sampled %s.\n", terminal.Duration(time.Since(began)))
	}
	q.plan, err = q.p.Plan(e.ctx, q.request)
	return err
}
