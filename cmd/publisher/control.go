package main

import (
	"fmt"
	"strings"
	"time"

	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
)

// verbFlags are shared by the verbs that change a run's state.
type verbFlags struct {
	notifyFlags `embed:""`

	RunID  string `name:"run" help:"Which run; default: the open one." placeholder:"ID"`
	Reason string `help:"Why, for the audit trail." required:"" env:"-"`
	DryRun bool   `help:"Say what would change, change nothing." env:"-"`
}

// change finds the run and applies the verb, or with --dry-run says whether it could be.
func (f *verbFlags) change(e *environment, a access, can func(ledger.Run) error,
	apply func(p *publisher.Publisher, run string) (ledger.Run, error)) (ledger.Run, error) {
	if strings.TrimSpace(f.Reason) == "" {
		return ledger.Run{}, &publisher.UsageError{Problem: "say why with --reason"}
	}
	if err := f.told(e); err != nil {
		return ledger.Run{}, err
	}
	p, err := e.publisher(a)
	if err != nil {
		return ledger.Run{}, err
	}
	run, err := p.Find(e.ctx, f.RunID)
	if err != nil {
		return run, err
	}
	if f.DryRun {
		return run, can(run)
	}
	if run, err = apply(p, run.ID); err == nil {
		e.announce(run.ID)
	}
	return run, err
}

// report prints the run's new state, or with --dry-run the state that it stays in.
func (f *verbFlags) report(e *environment, verb string, run ledger.Run, note string) error {
	view, err := viewOf(e.ctx, e.backend, run)
	if err != nil {
		return err
	}
	return e.print(view, func() {
		if f.DryRun {
			fmt.Fprintf(e.out, "Would %s run %s, which is %s over %s. Nothing was changed (--dry-run).\n", verb, run.ID,
				run.State, run.Range)
			return
		}
		fmt.Fprintf(e.out, "Run %s is %s. %s\n", run.ID, run.State, note)
	})
}

type pauseCommand struct {
	verbFlags `embed:""`
	Wait      bool `help:"Return when no date is in flight any more."`
}

func (*pauseCommand) Help() string {
	return `No worker claims another date; dates in flight finish. Nothing is lost: resume lets the run go on.

Examples:
  publisher pause --reason "warehouse maintenance" --wait`
}

func (c *pauseCommand) Run(e *environment) error {
	run, err := c.change(e, looks, publisher.CanPause, func(p *publisher.Publisher, run string) (ledger.Run, error) {
		return p.Pause(e.ctx, run, c.Reason, e.actor())
	})
	if err != nil {
		return err
	}
	if c.Wait && !c.DryRun {
		if err := waitIdle(e, run); err != nil {
			return err
		}
	}
	return c.report(e, "pause", run, "No date is claimed any more; `publisher resume --reason …` lets it go on.")
}

// waitIdle returns when no entry of the run is leased. Leases of dead workers end here when they expire, since no
// worker may be left to end them.
func waitIdle(e *environment, run ledger.Run) error {
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	progress := e.progress()
	defer progress.Done()
	most := 0
	for {
		held, err := p.Idle(e.ctx, run)
		if err != nil {
			return err
		}
		n := len(held)
		if n == 0 {
			return nil
		}
		most = max(most, n)
		first := held[0]
		progress.Set("dates in flight finish", most-n, most,
			fmt.Sprintf("waiting for %s, held by %s until %s", first.Date, first.Owner, first.LeaseUntil.Format(time.TimeOnly)))
		select {
		case <-e.ctx.Done():
			return e.ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

type resumeCommand struct {
	verbFlags `embed:""`
}

func (*resumeCommand) Help() string {
	return "Examples:\n  publisher resume --reason \"maintenance over\""
}

func (c *resumeCommand) Run(e *environment) error {
	run, err := c.change(e, queues, publisher.CanResume, func(p *publisher.Publisher, run string) (ledger.Run, error) {
		return p.Resume(e.ctx, run, c.Reason, e.actor())
	})
	if err != nil {
		return err
	}
	if run.State == ledger.RunPlanning {
		return c.report(e, "resume", run, "Its publisher goes on; if none is at work, publish its range again.")
	}
	return c.report(e, "resume", run, "Workers claim dates again; a `worker --drain` that ended at the pause is "+
		"to be started again.")
}

type cancelCommand struct {
	verbFlags `embed:""`
}

func (*cancelCommand) Help() string {
	return `Final: dates that wait are cancelled, dates in flight stop before their write and leave their partition untouched.
What is done stays done; a new publish does the rest.

Examples:
  publisher cancel --reason "wrong range"`
}

func (c *cancelCommand) Run(e *environment) error {
	run, err := c.change(e, looks, publisher.CanCancel, func(p *publisher.Publisher, run string) (ledger.Run, error) {
		return p.Cancel(e.ctx, run, c.Reason, e.actor())
	})
	if err != nil {
		return err
	}
	return c.report(e, "cancel", run, "Publishing the range again makes a new run of what is left.")
}
