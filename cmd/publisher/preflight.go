package main

import (
	"errors"
	"fmt"

	"gamefill/internal/job"
	"gamefill/internal/price"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/terminal"
)

type preflightCommand struct {
	buildFlags    `embed:""`
	liveFlags     `embed:""`
	AllowWarnings bool `help:"Exit 0, not 5, when there are only warnings."`
	All           bool `help:"Show every check, also those of single seasons that pass."`
}

func (*preflightCommand) Help() string {
	return `Everything that can be known to be wrong before the first write: queue and ledger, tables and where they lie,
another run, the calendar, dates that the live pipeline may be writing, and how complete the raw box scores are and
whether their names are known, by source and season. Nothing is changed. publish, run and sample do the same before
they begin, and refuse when something fails; docs/rules.md tells every check.

Examples:
  publisher preflight --from 2021-10-01 --to 2024-05-01
  publisher preflight --season 2021-22 --allow-warnings --json`
}

func (c *preflightCommand) Run(e *environment) error {
	request, err := c.request(e)
	request.LiveWindow, request.IncludeLive = c.LiveWindow, c.IncludeLive
	if err == nil {
		_, err = publisher.Check(summary.Job(), request)
	}
	if err != nil {
		return err
	}
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	f, err := p.Preflight(e.ctx, request, nil)
	if err != nil {
		return err
	}
	if err := e.print(f, func() { preflightTable(e, f, c.All) }); err != nil {
		return err
	}
	return verdictError(f.Verdict, c.AllowWarnings)
}

// verdictError is the exit code that follows from a verdict.
func verdictError(v job.Verdict, allowWarnings bool) error {
	switch v {
	case job.Failed, job.NotChecked:
		return &codeError{code: exitFailed}
	case job.Warned:
		if !allowWarnings {
			return &codeError{code: exitWarnings}
		}
	}
	return nil
}

func preflightTable(e *environment, f publisher.Preflight, all bool) {
	checkTable(e, f.Checks, "seasons", all)
	if f.Embedded {
		fmt.Fprintln(e.out, "The warehouse is embedded: there is no location, expiration or quota to be checked.")
	}
	if f.ScanBytes > 0 {
		fmt.Fprintf(e.out, "A plan, a pre-flight and a validation of the range read %s, by dry run.\n",
			price.Size(f.ScanBytes))
	}
	fmt.Fprintf(e.out, "%s: %s.\n", f.Range, terminal.Paint(e.out, verdictColours[f.Verdict], string(f.Verdict)))
}

// preflight looks before the first write of a plan, if it writes at all. What fails is an exit code, with the checks
// printed; of warnings a line is printed.
func (f *requestFlags) preflight(e *environment, p *publisher.Publisher, request *publisher.Request,
	plan *publisher.Plan) error {
	found, err := f.look(e, p, *request, plan)
	if err != nil || found == nil {
		return err
	}
	request.Preflight = found
	if refused := refusedBy(found); refused != nil {
		return errors.Join(refused, e.print(found, func() { preflightTable(e, *found, false) }))
	}
	if found.Verdict == job.Warned && !e.settings.JSON {
		fmt.Fprintln(e.out, terminal.Paint(e.out, terminal.Yellow,
			"Pre-flight "+found.Summary()+"; `publisher preflight` tells more."))
	}
	return nil
}

// look is what a pre-flight finds before the first write of a plan, nil if it is skipped or nothing will be written.
func (f *requestFlags) look(e *environment, p *publisher.Publisher, request publisher.Request,
	plan *publisher.Plan) (*publisher.Preflight, error) {
	if f.SkipPreflight || plan.Count(publisher.Queue) == 0 {
		return nil, nil
	}
	found, err := p.Preflight(e.ctx, request, plan)
	if err != nil {
		return nil, fmt.Errorf("look before the first write: %w", err)
	}
	return &found, nil
}

// refusedBy is the error of a run that must not begin for what a pre-flight found, nil if it may.
func refusedBy(found *publisher.Preflight) error {
	if found == nil || found.Verdict != job.Failed && found.Verdict != job.NotChecked {
		return nil
	}
	return &codeError{exitFailed, "nothing was written: something is wrong before the run begins.\n" +
		"Mend it, or go on with --skip-preflight --reason \"…\", which is recorded with the run."}
}
