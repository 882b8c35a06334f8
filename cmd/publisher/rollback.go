package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gamefill/internal/ledger"
	"gamefill/internal/notify"
	"gamefill/internal/publisher"
	"gamefill/internal/snapshot"
	"gamefill/internal/terminal"
)

type rollbackCommand struct {
	RunID       string `name:"run" help:"Which run." required:"" placeholder:"ID" env:"-"`
	rangeFlags  `embed:""`
	notifyFlags `embed:""`

	Reason string `help:"Why, for the audit trail." required:"" env:"-"`
	DryRun bool   `help:"Look at every date and say what would be put back; change nothing." env:"-"`
}

func (*rollbackCommand) Help() string {
	return `Puts back, date by date, what the run replaced: rows that it kept, or nothing where nothing was. Without dates it is
the whole run. The run must have ended or be paused with nothing in flight.

A date is refused, and left as it is, when its partition is not what the run wrote any more, when another run has done it
since, or when what was replaced is not kept any more (publisher snapshots). The exit code is 3 then. Repeating a rollback is
safe: it finishes what was interrupted.

Dates that were put back are not queued: plans leave them until --rolled-back or --force asks for them.

Examples:
  publisher rollback --run r20240501-120000-abcdef --dry-run --reason "wrong registry"
  publisher rollback --run r20240501-120000-abcdef --dates 2022-01-15,2022-01-16 --reason "wrong registry"`
}

func (c *rollbackCommand) Run(e *environment) error {
	request := publisher.RollbackRequest{Run: c.RunID, DryRun: c.DryRun, Reason: c.Reason, Actor: e.actor()}
	if c.given() {
		var err error
		if request.Range, request.Dates, err = c.resolve(); err != nil {
			return err
		}
	}
	if err := c.told(e); err != nil {
		return err
	}
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	progress := e.progress()
	result, err := p.Rollback(e.ctx, request, func(step string, done, total int) { progress.Set(step, done, total, "") })
	progress.Done()
	if errors.Is(err, ledger.ErrNoRun) {
		return fmt.Errorf("%w; `publisher runs` lists them", err)
	}
	if err != nil {
		return err
	}
	if n := result.Count(publisher.PutBack); n > 0 && !c.DryRun {
		e.tell(notify.Message{Kind: notify.RolledBack, Run: result.Run,
			Title: fmt.Sprintf("Run %s: %s put back", result.Run, terminal.Plural(n, "date was", "dates were")),
			Lines: []string{rollbackCounts(result), fmt.Sprintf("By %s: %s", request.Actor, c.Reason)}})
	}
	if err := e.print(result, func() { rollbackSummary(e, result) }); err != nil {
		return err
	}
	if n := result.Count(publisher.Refused) + result.Count(publisher.NotPutBack); n > 0 {
		return &codeError{exitFailed,
			fmt.Sprintf("as they were: %d of %s", n, terminal.Plural(len(result.Dates), "date", "dates"))}
	}
	return nil
}

// rollbackWords are the outcomes as people read them.
var rollbackWords = map[publisher.RollbackOutcome]string{
	publisher.PutBack: "put back", publisher.BackAlready: "put back before",
	publisher.NothingToDo: "not changed by the run", publisher.Refused: "refused", publisher.NotPutBack: "failed",
}

func rollbackSummary(e *environment, r *publisher.RolledBack) {
	t := terminal.NewTable("date", "outcome", ">rows", "detail")
	for _, d := range r.Dates {
		if len(r.Dates) <= listedDates || d.Outcome == publisher.Refused || d.Outcome == publisher.NotPutBack {
			t.Row(d.Date, rollbackWords[d.Outcome], d.Rows, d.Detail)
		}
	}
	if t.Len() > 0 {
		t.Write(e.out)
	}
	fmt.Fprintf(e.out, "Run %s: %s.\n", r.Run, rollbackCounts(r))
	if r.DryRun {
		fmt.Fprintln(e.out, "Nothing was changed (--dry-run).")
	}
}

// rollbackCounts is "3 put back, 1 refused".
func rollbackCounts(r *publisher.RolledBack) string {
	var parts []string
	for _, o := range []publisher.RollbackOutcome{publisher.PutBack, publisher.BackAlready, publisher.NothingToDo,
		publisher.Refused, publisher.NotPutBack} {
		if n := r.Count(o); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, rollbackWords[o]))
		}
	}
	if len(parts) == 0 {
		return "no date of it was completed"
	}
	return strings.Join(parts, ", ")
}

type snapshotsCommand struct {
	List snapshotsList `cmd:"" default:"withargs" help:"List what runs have kept of what they replaced, newest first."`
	Drop snapshotsDrop `cmd:"" help:"Drop what runs kept that ended long ago."`
}

type snapshotsList struct{}

func (*snapshotsList) Help() string {
	return fmt.Sprintf(`A run keeps the rows that it replaces, so that it can be rolled back, in a table of its own beside the target. They are
kept for %d days after the run has ended; the table is then dropped when a new run is made. BigQuery deletes it by itself that
long after it was made.

Examples:
  publisher snapshots`, retentionDays)
}

func (*snapshotsList) Run(e *environment) error {
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	snapshots, err := p.Snapshots(e.ctx)
	if err != nil {
		return err
	}
	return e.print(snapshots, func() { snapshotTable(e, snapshots) })
}

func snapshotTable(e *environment, snapshots []publisher.Snapshot) {
	if len(snapshots) == 0 {
		fmt.Fprintln(e.out, "Nothing is kept.")
		return
	}
	t := terminal.NewTable("run", "state", "range", "ended", "expires", ">rows", "table")
	for _, s := range snapshots {
		expires := moment(s.Expires)
		if !s.KeptUntil.IsZero() {
			expires = "from " + s.KeptUntil.Format(time.DateOnly) + ", when the next run begins"
		}
		t.Row(s.Run, s.State, s.Range, moment(s.Ended), expires, s.Rows, s.Table)
	}
	t.Write(e.out)
}

// moment is a time for a table, "" for the zero time.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateTime)
}

// day is the unit of --older-than.
const day = 24 * time.Hour

const retentionDays = int(snapshot.Retention / day)

type snapshotsDrop struct {
	OlderThan int  `help:"Of runs that ended more than this many days ago; 0: of all that have ended." default:"30" placeholder:"DAYS" env:"-"`
	DryRun    bool `help:"Say what would be dropped, drop nothing." env:"-"`
}

// Validate refuses an age that cannot be.
func (c *snapshotsDrop) Validate() error {
	if c.OlderThan < 0 {
		return errors.New("--older-than must not be negative")
	}
	return nil
}

func (*snapshotsDrop) Help() string {
	return `A run whose rows are dropped cannot be rolled back any more. What a run keeps that has not ended is never dropped.

Examples:
  publisher snapshots drop --older-than 7 --dry-run`
}

func (c *snapshotsDrop) Run(e *environment) error {
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	dropped, err := p.DropSnapshots(e.ctx, time.Now().Add(-time.Duration(c.OlderThan)*day), e.actor(), c.DryRun)
	if err != nil {
		return err
	}
	return e.print(dropped, func() {
		if len(dropped) > 0 {
			snapshotTable(e, dropped)
		}
		if c.DryRun {
			fmt.Fprintf(e.out, "%d would be dropped. Nothing was changed (--dry-run).\n", len(dropped))
			return
		}
		fmt.Fprintf(e.out, "%d dropped.\n", len(dropped))
	})
}
