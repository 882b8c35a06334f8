package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gamefill/internal/backend"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/report"
	"gamefill/internal/summary"
	"gamefill/internal/terminal"
)

type statusCommand struct {
	RunID  string        `name:"run" help:"Which run; default: the open one, or the latest." placeholder:"ID"`
	Watch  bool          `help:"Show it again and again until the run ends."`
	Every  time.Duration `help:"How often --watch looks." default:"2s"`
	Months bool          `help:"Show too, month by month, the share of rows without minutes before the run and now. It counts the table: --watch does so every 30s."`
}

// Validate refuses a watch that would never rest.
func (c *statusCommand) Validate() error {
	if c.Every < time.Second {
		return errors.New("--every must be at least 1s")
	}
	return nil
}

func (*statusCommand) Help() string {
	return `Everything is counted from the records of single dates. A single look also counts, over all runs, the dates that another
version of the transform has done; what other settings or changed inputs have made stale is told by plan. With --watch --json
one document is printed a line, one line a look.

Examples:
  publisher status
  publisher status --watch
  publisher status --months
  publisher status --json`
}

// status is what the command prints.
type status struct {
	Run                string          `json:"run"`
	State              ledger.RunState `json:"state"`
	Range              gamedate.Range  `json:"range"`
	Version            string          `json:"version"`
	Cause              string          `json:"cause,omitempty"`
	PausedBy           string          `json:"cause_kind,omitempty"` // operator, breaker, environment or quota
	StopOnFirstFailure bool            `json:"stop_on_first_failure,omitempty"`
	Accepted           []string        `json:"accepted_rules,omitempty"`
	// Preflight is what is recorded of the checks before the first write, "" for nothing.
	Preflight string `json:"preflight,omitempty"`
	// Live are the dates that were done although another pipeline may have been writing them, in words.
	Live string `json:"live_included,omitempty"`
	// Thresholds are the bounds that are not the defaults.
	Thresholds map[string]job.Bounds `json:"thresholds,omitempty"`
	Sample     *ledger.Sample        `json:"sample,omitempty"`
	Approval   *ledger.Approval      `json:"approval,omitempty"`
	Verdict    string                `json:"verdict,omitempty"`
	Checks     []job.Check           `json:"checks,omitempty"` // of the last validation
	publisher.Standing
	Percent  float64             `json:"percent"`
	Backlog  *int                `json:"queue_backlog,omitempty"` // nil: the queue cannot tell
	Letters  int                 `json:"open_dead_letters"`
	Outdated *publisher.Outdated `json:"outdated,omitempty"` // dates of any run; of a single look
	// Months compare the share of NULLs in Column before the run and now.
	Months    []report.Month     `json:"months,omitempty"`
	Column    string             `json:"months_column,omitempty"`
	Quota     *job.Check         `json:"quota,omitempty"` // partition writes; nil where the warehouse limits none
	Emulators []backend.Emulator `json:"emulators,omitempty"`

	run      ledger.Run
	approval string // sample and approval, in words
}

func (c *statusCommand) Run(e *environment) error {
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	if !c.Watch {
		s, err := c.look(e, p)
		if err != nil {
			return err
		}
		if err := c.count(e, p, &s); err != nil {
			return err
		}
		if s.Outdated, err = p.Outdated(e.ctx); err != nil {
			return err
		}
		return e.print(s, func() { s.write(e) })
	}
	if err = c.watch(e, p); e.ctx.Err() != nil {
		return &codeError{code: exitInterrupted} // nothing was under way that could be lost
	}
	return err
}

// countEvery is how often a watch counts what takes longer: it changes slowly, and services charge for it.
const countEvery = 30 * time.Second

// watch looks again and again, until the run ends or ctx is done.
func (c *statusCommand) watch(e *environment, p *publisher.Publisher) error {
	var counted status
	var at time.Time
	for {
		s, err := c.look(e, p)
		if err != nil {
			return err
		}
		if at.IsZero() || time.Since(at) >= countEvery || s.State.Closed() {
			counted, at = s, time.Now()
			if err := c.count(e, p, &counted); err != nil {
				return err
			}
		}
		s.Months, s.Column, s.Quota = counted.Months, counted.Column, counted.Quota
		switch {
		case e.settings.JSON:
			err = json.NewEncoder(e.out).Encode(s) // one line a look
		case terminal.IsTerminal(e.out):
			fmt.Fprint(e.out, "\x1b[H\x1b[2J")
			s.write(e)
		default:
			s.write(e)
			fmt.Fprintln(e.out)
		}
		if err != nil || s.State.Closed() {
			return err
		}
		select {
		case <-e.ctx.Done():
			return e.ctx.Err()
		case <-time.After(c.Every):
		}
	}
}

// look reads the run's status from the records.
func (c *statusCommand) look(e *environment, p *publisher.Publisher) (status, error) {
	run, err := p.FindLatest(e.ctx, c.RunID)
	if err != nil {
		return status{}, err
	}
	s, err := gather(e.ctx, e.backend, run)
	s.run, s.Emulators = run, e.settings.addresses().Emulators()
	return s, err
}

// count adds what takes more than the records of the run's dates.
func (c *statusCommand) count(e *environment, p *publisher.Publisher, s *status) (err error) {
	if s.Quota, err = p.Writes(e.ctx, s.run, s.States); err != nil {
		return err
	}
	if c.Months {
		s.Months, s.Column, err = p.Months(e.ctx, s.run)
	}
	return err
}

// recentAttempts is how many attempts rate, median and slow dates are taken from.
const recentAttempts = 200

// gather reads a run's status from the records.
func gather(ctx context.Context, b *backend.Backend, run ledger.Run) (status, error) {
	s := status{Run: run.ID, State: run.State, Range: run.Range, Version: run.Version, Cause: run.Cause,
		PausedBy: run.CauseKind, StopOnFirstFailure: run.StopOnFirstFailure, Accepted: run.Accept,
		Sample: run.Sample, Approval: run.Approval, Verdict: string(run.Verdict), Checks: run.Checks,
		approval: approvalText(run)}
	var err error
	if s.Thresholds, err = changedThresholds(run.Settings); err != nil {
		return s, err
	}
	if s.Preflight, s.Live, err = recordedBefore(ctx, b.Ledger, run); err != nil {
		return s, err
	}
	counts, err := b.Ledger.CountStates(ctx, run.Job, run.ID)
	if err != nil {
		return s, err
	}
	entries, err := b.Ledger.RunEntries(ctx, run.Job, run.ID, ledger.Leased, ledger.Dead, ledger.Pending)
	if err != nil {
		return s, err
	}
	attempts, err := b.Ledger.Attempts(ctx, ledger.AttemptFilter{Job: run.Job, Run: run.ID}, recentAttempts)
	if err != nil {
		return s, err
	}
	s.Standing = publisher.StandingOf(run, counts, entries, attempts, time.Now())
	if s.Total > 0 {
		s.Percent = float64(s.Done*1000/s.Total) / 10
	}
	switch n, ok, err := b.Queue.Backlog(ctx); {
	case err != nil:
		return s, err
	case ok:
		s.Backlog = &n
	}
	letters, err := b.Ledger.DeadLetters(ctx, ledger.DeadLetterFilter{Job: run.Job, Run: run.ID, State: ledger.LetterOpen})
	if err != nil {
		return s, err
	}
	s.Letters = len(letters)
	return s, nil
}

// recordedBefore is what the newest publish of a run found before its first write, and which live dates were let
// through last.
func recordedBefore(ctx context.Context, l ledger.Ledger, run ledger.Run) (preflight, live string, err error) {
	events, err := l.Events(ctx, run.Job, run.ID, 0)
	if err != nil {
		return "", "", err
	}
	for _, e := range events {
		switch e.Kind {
		case publisher.EventPreflight:
			preflight = cmp.Or(preflight, e.Message)
		case publisher.EventPreflightSkipped:
			preflight = cmp.Or(preflight, "skipped: "+e.Message)
		case publisher.EventLiveIncluded:
			live = cmp.Or(live, e.Message)
		}
	}
	return preflight, live, nil
}

func (s status) write(e *environment) {
	colour := terminal.Green
	if s.State == ledger.RunPaused || s.State == ledger.RunCancelled {
		colour = terminal.Yellow
	}
	fmt.Fprintf(e.out, "Run %s: %s, %s, transform version %s\n", s.Run, terminal.Paint(e.out, colour, string(s.State)),
		s.Range, s.Version)
	if s.Cause != "" {
		fmt.Fprintf(e.out, "Cause: %s (by %s)\n", s.Cause, s.PausedBy)
	}
	for _, emulator := range s.Emulators {
		fmt.Fprintln(e.out, terminal.Paint(e.out, terminal.Yellow, "Note: "+emulator.String()))
	}
	if s.StopOnFirstFailure {
		fmt.Fprintln(e.out, "Stops at the first failure.")
	}
	if len(s.Accepted) > 0 {
		fmt.Fprintln(e.out, "Rules overridden:", strings.Join(s.Accepted, ", "))
	}
	if s.Preflight != "" && s.Preflight != string(job.Pass) {
		fmt.Fprintln(e.out, "Pre-flight:", s.Preflight)
	}
	if s.Live != "" {
		fmt.Fprintln(e.out, "Live dates included:", s.Live)
	}
	if len(s.Thresholds) > 0 {
		fmt.Fprintln(e.out, "Thresholds changed:", boundsText(s.Thresholds))
	}
	if s.approval != "" {
		fmt.Fprintln(e.out, "Begin:", s.approval)
	}
	if s.Sample != nil && s.State == ledger.RunAwaitingApproval {
		writeChecks(e, s.Sample.Checks, true)
	}
	if s.Verdict != "" {
		fmt.Fprintln(e.out, "Verdict:", s.Verdict)
	}
	writeChecks(e, s.Checks, false)
	t := terminal.NewTable("state", ">dates")
	for _, state := range ledger.States {
		if n := s.States[state]; n > 0 {
			t.Row(state, n)
		}
	}
	t.Write(e.out)
	fmt.Fprintf(e.out, "%d of %d settled (%.1f %%), ", s.Done, s.Total, s.Percent)
	if s.Backlog != nil {
		fmt.Fprintf(e.out, "%s waiting, ", terminal.Plural(*s.Backlog, "message", "messages"))
	}
	fmt.Fprintln(e.out, terminal.Plural(s.Letters, "open dead letter", "open dead letters"))
	switch {
	case s.Left != nil:
		fmt.Fprintf(e.out, "%.0f dates/hour, ETA %s, in nine of ten cases from %s to %s\n", s.PerHour,
			terminal.Duration(s.Left.Likely), terminal.Duration(s.Left.Least), terminal.Duration(s.Left.Most))
	case s.Done < s.Total && s.State.Working():
		fmt.Fprintln(e.out, "not enough data for an ETA yet")
	}
	if q := s.Quota; q != nil {
		fmt.Fprintf(e.out, "partition writes: %s: %s\n", q.Seen,
			terminal.Paint(e.out, verdictColours[q.Verdict], string(q.Verdict)))
	}
	s.writeDates(e)
	if o := s.Outdated; o != nil {
		fmt.Fprintf(e.out, "%s done by another version of the transform: `publisher publish --stale --from %s --to %s` "+
			"does them again.\n", terminal.Plural(o.Dates, "date was", "dates were"), o.Range.From, o.Range.To)
	}
	s.writeMonths(e)
}

// writeChecks prints the checks that ask for something, with scopes those of single scopes too.
func writeChecks(e *environment, checks []job.Check, scopes bool) {
	asking := slices.DeleteFunc(slices.Clone(checks), func(c job.Check) bool {
		return good(c) || c.Scope != "" && !scopes
	})
	atMost(e, "not passed", asking, func(c job.Check) string {
		return fmt.Sprintf("  %s %s: %s, bound %s", c.Verdict, strings.TrimSpace(c.Name+" "+c.Scope), c.Seen, c.Bound)
	})
}

// writeMonths prints what the table held before the run and holds now.
func (s status) writeMonths(e *environment) {
	if len(s.Months) == 0 {
		return
	}
	t := terminal.NewTable("month", ">dates", ">rows before", ">without "+s.Column, ">rows now", ">without "+s.Column)
	for _, m := range s.Months {
		if m.Before.Rows+m.Now.Rows == 0 && m.KnownDates == m.Dates {
			continue // nothing was played
		}
		rows, share := terminal.Count(m.Before.Rows), m.Before.Share()
		switch {
		case m.KnownDates == 0:
			rows, share = "not known", "not known"
		case m.KnownDates < m.Dates:
			share += " of " + terminal.Plural(m.KnownDates, "date", "dates")
		}
		t.Row(m.Month, m.Dates, rows, share, terminal.Count(m.Now.Rows), m.Now.Share())
	}
	if t.Len() > 0 {
		t.Write(e.out)
	}
}

// writeDates prints what is to be said of single dates: a table of those in flight, then lines.
func (s status) writeDates(e *environment) {
	if len(s.InFlight) > 0 {
		t := terminal.NewTable("in flight", ">age", ">attempt", "owner", "lease")
		for _, f := range s.InFlight {
			lease := "until " + f.Until.Format(time.TimeOnly)
			if f.Expired {
				lease = "expired: its worker is gone"
			}
			t.Row(f.Date, terminal.Duration(f.Age), f.Attempt, f.Owner, lease)
		}
		t.Write(e.out)
	}
	if o := s.OldestWaiting; o != nil {
		fmt.Fprintf(e.out, "oldest message %s: waits for a worker since %s\n", o.Date, terminal.Duration(o.Age))
	}
	atMost(e, "slow", s.Slow, func(d publisher.SlowDate) string {
		took := "took"
		if !d.Ended {
			took = "takes so far"
		}
		return fmt.Sprintf("slow %s: %s %s, the median is %s", d.Date, took, terminal.Duration(d.Took),
			terminal.Duration(s.MedianDate))
	})
	atMost(e, "waiting", s.Waiting, func(w publisher.Postponed) string {
		return fmt.Sprintf("waits %s: until %s: %s", w.Date, w.Until.Format(time.RFC3339), w.Reason)
	})
	if len(s.DeadByClass) > 0 {
		var parts []string
		for _, class := range slices.Sorted(maps.Keys(s.DeadByClass)) {
			parts = append(parts, fmt.Sprintf("%d %s", s.DeadByClass[class], class))
		}
		fmt.Fprintf(e.out, "dead by class: %s\n", strings.Join(parts, ", "))
	}
	atMost(e, "dead", s.Dead, func(d publisher.DeadDate) string {
		return fmt.Sprintf("%s %s: %s (%s): %s", terminal.Paint(e.out, terminal.Red, "dead"), d.Date,
			d.Reason, d.Class, d.Message)
	})
}

// atMost prints a line for each of a list, and of a long list how many more there are.
func atMost[T any](e *environment, what string, list []T, line func(T) string) {
	for i, one := range list {
		if i == listedDates {
			fmt.Fprintf(e.out, "… %d more %s\n", len(list)-listedDates, what)
			return
		}
		fmt.Fprintln(e.out, line(one))
	}
}

// stateText is "553 complete, 391 no_games" in the order of the states.
func stateText(states map[ledger.State]int) string {
	var parts []string
	for _, state := range ledger.States {
		if n := states[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

type runsCommand struct {
	List   runsList   `cmd:"" default:"withargs" help:"List runs, newest first."`
	Show   runsShow   `cmd:"" help:"Show one run and its audit trail."`
	Export runsExport `cmd:"" help:"Write everything the ledger knows of a run as JSON lines."`
}

type runsList struct {
	Limit int `help:"At most this many; 0: all." default:"20"`
}

// Validate refuses a negative limit.
func (c *runsList) Validate() error {
	if c.Limit < 0 {
		return errors.New("--limit must not be negative")
	}
	return nil
}

// runView is a run for people and scripts.
type runView struct {
	ID                 string               `json:"id"`
	State              ledger.RunState      `json:"state"`
	Range              gamedate.Range       `json:"range"`
	Version            string               `json:"version"`
	Verdict            string               `json:"verdict,omitempty"`
	Reason             string               `json:"reason,omitempty"`
	Actor              string               `json:"actor"`
	Accept             []string             `json:"accepted_rules,omitempty"`
	Force              bool                 `json:"force,omitempty"`
	StopOnFirstFailure bool                 `json:"stop_on_first_failure,omitempty"`
	Target             string               `json:"target"`
	PlanHash           string               `json:"plan_hash"`
	Settings           string               `json:"settings_hash"`
	States             map[ledger.State]int `json:"states"`
	Created            time.Time            `json:"created_at"`
	Finished           *time.Time           `json:"finished_at,omitempty"`
	Events             []eventView          `json:"events,omitempty"`
}

type eventView struct {
	At      time.Time      `json:"at"`
	Date    *gamedate.Date `json:"date,omitempty"`
	Kind    string         `json:"kind"`
	Actor   string         `json:"actor"`
	Message string         `json:"message"`
}

func viewOf(ctx context.Context, b *backend.Backend, r ledger.Run) (runView, error) {
	v := runView{ID: r.ID, State: r.State, Range: r.Range, Version: r.Version, Verdict: string(r.Verdict),
		Reason: r.Reason, Actor: r.Actor,
		Accept: r.Accept, Force: r.Force, StopOnFirstFailure: r.StopOnFirstFailure, Target: r.Target, PlanHash: r.PlanHash,
		Settings: r.SettingsHash, States: r.Counts, Created: r.CreatedAt}
	if !r.FinishedAt.IsZero() {
		v.Finished = &r.FinishedAt
	}
	if len(v.States) > 0 {
		return v, nil
	}
	var err error
	v.States, err = b.Ledger.CountStates(ctx, r.Job, r.ID)
	return v, err
}

func (c *runsList) Run(e *environment) error {
	b, err := e.open(looks)
	if err != nil {
		return err
	}
	runs, err := b.Ledger.ListRuns(e.ctx, summary.Job().Name, c.Limit)
	if err != nil {
		return err
	}
	views := make([]runView, len(runs))
	for i, r := range runs {
		if views[i], err = viewOf(e.ctx, b, r); err != nil {
			return err
		}
	}
	return e.print(views, func() {
		if len(views) == 0 {
			fmt.Fprintln(e.out, "There has been no run yet; `publisher publish` or `publisher run` starts one.")
			return
		}
		t := terminal.NewTable("run", "state", "verdict", "range", "version", "created", "dates", "reason")
		for _, v := range views {
			t.Row(v.ID, v.State, v.Verdict, v.Range, v.Version, v.Created.Format(time.DateTime), stateText(v.States), v.Reason)
		}
		t.Write(e.out)
	})
}

type runsShow struct {
	ID string `arg:"" optional:"" help:"Run id; default: the open run, or the latest."`
}

func (c *runsShow) Run(e *environment) error {
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	run, err := p.FindLatest(e.ctx, c.ID)
	if err != nil {
		return err
	}
	v, err := viewOf(e.ctx, e.backend, run)
	if err != nil {
		return err
	}
	events, err := e.backend.Ledger.Events(e.ctx, run.Job, run.ID, 0)
	if err != nil {
		return err
	}
	for _, event := range slices.Backward(events) { // oldest first, as a story is told
		view := eventView{At: event.At, Kind: event.Kind, Actor: event.Actor, Message: event.Message}
		if !event.Date.IsZero() {
			view.Date = &event.Date
		}
		v.Events = append(v.Events, view)
	}
	return e.print(v, func() {
		fmt.Fprintf(e.out, "Run %s: %s %s\n  range     %s\n  version   %s\n  target    %s\n  plan      %s\n  settings  "+
			"%s\n  by        %s, %s\n  dates     %s\n",
			v.ID, v.State, v.Verdict, v.Range, v.Version, v.Target, v.PlanHash, v.Settings, v.Actor,
			v.Created.Format(time.RFC3339), stateText(v.States))
		if v.Reason != "" {
			fmt.Fprintln(e.out, "  reason   ", v.Reason)
		}
		if len(v.Accept) > 0 {
			fmt.Fprintln(e.out, "  rules overridden:", strings.Join(v.Accept, ", "))
		}
		for _, event := range v.Events {
			date := ""
			if event.Date != nil {
				date = event.Date.String() + " "
			}
			fmt.Fprintf(e.out, "  %s  %s%s  %s  (%s)\n", event.At.Format(time.DateTime), date, event.Kind,
				event.Message, event.Actor)
		}
	})
}
