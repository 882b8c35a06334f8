package main

import (
	"fmt"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/terminal"
)

// validateFlags are shared by validate and run.
type validateFlags struct {
	AllowWarnings  bool  `help:"Exit 0, not 5, when there are only warnings."`
	BaselineActive int64 `help:"Number of active rows expected; without it the count is shown and judges nothing." placeholder:"N"`
}

type validateCommand struct {
	rangeFlags    `embed:""`
	validateFlags `embed:""`
	RunID         string `name:"run" help:"Validate this run's range; default: the open run, or the latest." placeholder:"ID"`
}

func (*validateCommand) Help() string {
	return `Reads every partition of the range back and compares it with what the ledger recorded, runs the table's checks, and
closes the run when all its dates are settled.

Examples:
  publisher validate
  publisher validate --from 2022-01-01 --to 2022-01-31
  publisher validate --allow-warnings --json`
}

func (c *validateCommand) Run(e *environment) error {
	p, err := e.publisher(true)
	if err != nil {
		return err
	}
	if c.given() {
		if c.RunID != "" {
			return &publisher.UsageError{Problem: "--run and a range exclude each other"}
		}
		r, dates, err := c.resolve()
		if err != nil {
			return err
		}
		if len(dates) > 0 && r.Days() != len(dates) {
			return &publisher.UsageError{Problem: "validate judges whole ranges; give --from and --to"}
		}
		return c.judge(e, p, r, nil)
	}
	run, err := p.FindLatest(e.ctx, c.RunID)
	if err != nil {
		return err
	}
	return c.judge(e, p, run.Range, &run)
}

// judge validates a range, prints the checks and returns the exit code that follows.
func (f *validateFlags) judge(e *environment, p *publisher.Publisher, r gamedate.Range, run *ledger.Run) error {
	progress := e.progress()
	j, err := p.Validate(e.ctx, r, run, e.actor(), f.BaselineActive, func(step string, done, total int) { progress.Set(step, done, total, "") })
	progress.Done()
	if err != nil {
		return err
	}
	if err := e.print(j, func() { judgement(e, j) }); err != nil {
		return err
	}
	switch j.Verdict {
	case job.Failed, job.NotChecked:
		return &codeError{code: exitFailed}
	case job.Warned:
		if !f.AllowWarnings {
			return &codeError{code: exitWarnings}
		}
	}
	return nil
}

var verdictColours = map[job.Verdict]terminal.Colour{
	job.Pass: terminal.Green, job.Warned: terminal.Yellow, job.Failed: terminal.Red, job.NotChecked: terminal.Red, job.Shown: terminal.Faint,
}

func judgement(e *environment, j publisher.Judgement) {
	t := terminal.NewTable("verdict", "check", "scope", "seen", "bound")
	for _, c := range j.Checks {
		t.Painted(verdictColours[c.Verdict], c.Verdict, c.Name, c.Scope, c.Seen, c.Bound)
	}
	t.Write(e.out)
	fmt.Fprintln(e.out)
	for _, c := range j.Checks {
		if c.Advice != "" && c.Verdict != job.Pass && c.Verdict != job.Shown {
			fmt.Fprintf(e.out, "%s: %s\n", c.Name, c.Advice)
		}
	}
	for i, d := range j.DeadDates {
		if i == listedDates {
			fmt.Fprintf(e.out, "… %d more dead dates; --json lists all\n", len(j.DeadDates)-listedDates)
			break
		}
		fmt.Fprintf(e.out, "dead %s: %s: %s\n", d.Date, d.Reason, d.Message)
	}
	fmt.Fprintf(e.out, "%s: %s. %s rows, %s. table_fingerprint %s\n", j.Range, terminal.Paint(e.out, verdictColours[j.Verdict], string(j.Verdict)),
		terminal.Count(int64(j.Rows)), stateText(j.States), j.TableFingerprint)
	if j.Finished {
		fmt.Fprintf(e.out, "Run %s is finished.\n", j.Run)
	}
}
