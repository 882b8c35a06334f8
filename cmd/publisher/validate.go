package main

import (
	"encoding/json"
	"errors"
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
	All            bool  `help:"Show every check, also those of single seasons that pass."`
	BaselineActive int64 `help:"Number of active rows expected; without it the count is shown and judges nothing." placeholder:"N"`
}

// check refuses a baseline that no table can meet.
func (f *validateFlags) check() error {
	if f.BaselineActive < 0 {
		return errors.New("--baseline-active must not be negative")
	}
	return nil
}

type validateCommand struct {
	rangeFlags     `embed:""`
	validateFlags  `embed:""`
	thresholdFlags `embed:""`
	notifyFlags    `embed:""`
	RunID          string `name:"run" help:"Validate this run's range; default: the open run, or the latest." placeholder:"ID"`
}

// Validate reports settings that cannot be.
func (c *validateCommand) Validate() error { return c.check() }

func (*validateCommand) Help() string {
	return `Reads every partition of the range back and compares it with what the ledger recorded, runs the table's checks, and
closes the run when all its dates are settled. It names games, of each season the first, one in the middle and the last, with
the page to compare them with. Checks are judged over the whole range and for each season in it; of the
seasons only what does not pass is shown, unless --all is given. --json has everything.

Examples:
  publisher validate
  publisher validate --from 2022-01-01 --to 2022-01-31
  publisher validate --allow-warnings --json`
}

func (c *validateCommand) Run(e *environment) error {
	if err := c.told(e); err != nil {
		return err
	}
	var r gamedate.Range
	if c.given() {
		var err error
		if c.RunID != "" {
			return &publisher.UsageError{Problem: "--run and a range exclude each other"}
		}
		if r, err = c.whole("validate judges"); err != nil {
			return err
		}
	}
	bounds, _, err := c.read()
	if err != nil {
		return err
	}
	if !c.given() && len(bounds) > 0 {
		return &publisher.UsageError{Problem: "a run is judged by the thresholds that are stored with it; " +
			"give --from and --to to judge a range by others"}
	}
	settings, err := json.Marshal(map[string]any{"thresholds": bounds})
	if err != nil {
		return err
	}
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	if c.given() {
		return c.judge(e, p, r, nil, settings)
	}
	run, err := p.FindLatest(e.ctx, c.RunID)
	if err != nil {
		return err
	}
	return c.judge(e, p, run.Range, &run, nil)
}

// judge validates a range, prints the checks and returns the exit code that follows. settings hold the thresholds where
// there is no run.
func (f *validateFlags) judge(e *environment, p *publisher.Publisher, r gamedate.Range, run *ledger.Run,
	settings []byte) error {
	progress := e.progress()
	j, err := p.Validate(e.ctx, r, run, e.actor(), publisher.Judging{Baseline: f.BaselineActive, Settings: settings},
		func(step string, done, total int) { progress.Set(step, done, total, "") })
	progress.Done()
	if err != nil {
		return err
	}
	e.announce(j.Run)
	if err := e.print(j, func() { judgement(e, j, f.All) }); err != nil {
		return err
	}
	return verdictError(j.Verdict, f.AllowWarnings)
}

var verdictColours = map[job.Verdict]terminal.Colour{
	job.Pass: terminal.Green, job.Warned: terminal.Yellow, job.Failed: terminal.Red, job.NotChecked: terminal.Red,
	job.Shown: terminal.Faint,
}

// good reports whether a check asks for nothing.
func good(c job.Check) bool { return c.Verdict == job.Pass || c.Verdict == job.Shown }

// checkTable prints the checks of the whole range and, of single scopes (seasons, dates), those that ask
// for something or, with all, all.
func checkTable(e *environment, checks []job.Check, scopes string, all bool) {
	t := terminal.NewTable("verdict", "check", "scope", "seen", "bound")
	hidden := 0
	for _, c := range checks {
		switch {
		case c.Scope == "":
			t.Painted(verdictColours[c.Verdict], c.Verdict, c.Name, "range", c.Seen, c.Bound)
		case all || !good(c):
			t.Painted(verdictColours[c.Verdict], c.Verdict, c.Name, c.Scope, c.Seen, c.Bound)
		default:
			hidden++
		}
	}
	t.Write(e.out)
	if hidden > 0 {
		fmt.Fprintf(e.out, "%s not shown; --all shows everything.\n", terminal.Plural(hidden,
			"check of single "+scopes+" asks for nothing and is", "checks of single "+scopes+" ask for nothing and are"))
	}
	fmt.Fprintln(e.out)
	told := map[string]bool{} // seasons repeat the advice of the whole range
	for _, c := range checks {
		if line := c.Name + ": " + c.Advice; c.Advice != "" && !good(c) && !told[line] {
			told[line] = true
			fmt.Fprintf(e.out, "%s: %s\n", c.Verdict, line)
		}
	}
}

// judgement prints the checks, the dead dates and the verdict.
func judgement(e *environment, j publisher.Judgement, all bool) {
	checkTable(e, j.Checks, "seasons", all)
	for i, d := range j.DeadDates {
		if i == listedDates {
			fmt.Fprintf(e.out, "… %s; --json lists all\n",
				terminal.Plural(len(j.DeadDates)-listedDates, "more dead date", "more dead dates"))
			break
		}
		fmt.Fprintf(e.out, "dead %s: %s: %s\n", d.Date, d.Reason, d.Message)
	}
	if len(j.LookUps) > 0 {
		fmt.Fprintln(e.out, "Compare by hand, with what others publish:")
		t := terminal.NewTable("date", "game", "page")
		for _, l := range j.LookUps {
			t.Row(l.Date, l.Name, l.Link)
		}
		t.Write(e.out)
		fmt.Fprintln(e.out)
	}
	fmt.Fprintf(e.out, "%s: %s. %s rows%s. table_fingerprint %s\n", j.Range,
		terminal.Paint(e.out, verdictColours[j.Verdict], string(j.Verdict)),
		terminal.Count(int64(j.Rows)), prefixed(", ", stateText(j.States)), j.TableFingerprint)
	if j.Finished {
		fmt.Fprintf(e.out, "Run %s is finished.\n", j.Run)
	}
}
