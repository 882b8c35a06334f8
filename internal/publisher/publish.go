package publisher

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gamefill/internal/faultinject"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/queue"
	"gamefill/internal/terminal"
)

// QueuePort is what publishing needs of the queue.
type QueuePort interface {
	Publish(ctx context.Context, messages []queue.Message) []error
}

// Result says what a Publish did.
type Result struct {
	Run       ledger.Run `json:"-"`
	RunID     string     `json:"run"`
	Joined    bool       `json:"joined"`    // the dates joined a run that was open
	Nothing   bool       `json:"nothing"`   // nothing was left to do: no run was made
	Queued    int        `json:"queued"`    // entries that became pending
	Known     int        `json:"known"`     // queued, in progress or settled as without games before
	Settled   int        `json:"settled"`   // recorded as without games
	Published int        `json:"published"` // messages put on the queue
	// Held are dates that a worker of a cancelled run still holds; publish again when its lease has ended.
	Held   []gamedate.Date `json:"held,omitempty"`
	Failed []Unsent        `json:"unsent,omitempty"`
}

// Unsent is a date whose message could not be published.
type Unsent struct {
	Date gamedate.Date `json:"date"`
	Err  string        `json:"error"`
}

// UnsentError lists the dates that are recorded but not on the queue.
type UnsentError struct{ Unsent []Unsent }

// Error names every date and says what to do.
func (e *UnsentError) Error() string {
	var dates []string
	for _, u := range e.Unsent {
		dates = append(dates, u.Date.String()+" ("+u.Err+")")
	}
	return fmt.Sprintf("%s not on the queue: %s; run the same publish again to publish just these",
		terminal.Plural(len(e.Unsent), "date is", "dates are"), strings.Join(dates, ", "))
}

// Progress is told how many dates of a step are done.
type Progress func(step string, done, total int)

// batch is how many dates are recorded, or published, per call: small enough for progress and for a store's limits.
const batch = 100

// Publish applies a plan: it creates or joins the run, records every date, publishes a message per queued date, and
// opens the run. Ledger first, then queue. A crash at any point is healed by publishing the same request again: a run
// that is still planning is taken up, recorded dates are known, unpublished ones are published.
//
// Errors: those of Plan and Plan.Refused; *UnsentError when messages could not be published, the run then stays
// planning.
func (p *Publisher) Publish(ctx context.Context, r Request, plan *Plan, progress Progress) (Result, error) {
	if progress == nil {
		progress = func(string, int, int) {}
	}
	if err := plan.Refused(r.Sample); err != nil {
		return Result{}, err
	}
	approval, err := p.admit(ctx, r, plan)
	if err != nil {
		return Result{}, err
	}
	if r.Sample {
		if plan, err = p.sampled(r, plan); err != nil {
			return Result{}, err
		}
	}
	var plans []ledger.Plan
	known := 0 // settled as without games before
	settle := func(d DatePlan, to ledger.State) {
		if d.State == to {
			known++
			return
		}
		plans = append(plans, ledger.Plan{Date: d.Date, To: to})
	}
	underWay := map[gamedate.Date]bool{} // in the open run; recorded already
	for _, d := range plan.Dates {
		switch d.Verdict {
		case Known:
			if d.run == plan.OpenRun {
				underWay[d.Date] = true
				continue
			}
			plans = append(plans, ledger.Plan{Date: d.Date, To: ledger.Pending, Reason: d.Reason})
		case Queue:
			plans = append(plans, ledger.Plan{Date: d.Date, To: ledger.Pending, Reason: d.Reason})
		case NoGames:
			settle(d, ledger.NoGames)
		case NoSchedule:
			settle(d, ledger.NoSchedule)
		}
	}
	resuming := plan.open.State == ledger.RunPlanning || plan.open.State == ledger.RunAwaitingApproval
	if len(plans)+len(underWay) == 0 && !resuming && !r.Sample {
		return Result{RunID: plan.OpenRun, Nothing: true, Known: known}, nil
	}
	run, joined, err := p.openRun(ctx, r, plan, approval)
	if _, raced := errors.AsType[*ledger.RunOpenError](err); raced && plan.OpenRun == "" {
		// Somebody else made a run between our plan and now: plan again, which joins it or says why it cannot.
		if plan, err = p.Plan(ctx, r); err != nil {
			return Result{}, err
		}
		return p.Publish(ctx, r, plan, progress)
	}
	if err != nil {
		return Result{}, err
	}
	if err := p.recordPreflight(ctx, run.ID, r); err != nil {
		return Result{}, err
	}
	if err := p.recordLive(ctx, run.ID, r, plan); err != nil {
		return Result{}, err
	}
	if err := p.chargeQueries(ctx, run.ID, r.Actor); err != nil {
		return Result{}, err
	}
	result := Result{RunID: run.ID, Joined: joined, Known: known}
	unpublished, err := p.record(ctx, run.ID, plans, plan, &result, progress)
	if err != nil {
		return result, err
	}
	lost, err := p.unpublished(ctx, run.ID, plan.Range, underWay)
	if err != nil {
		return result, err
	}
	result.Known += len(underWay)
	unpublished = append(unpublished, lost...)
	if err := p.settleLetters(ctx, r.Actor, plan.Range); err != nil {
		return result, err
	}
	faultinject.Point(faultinject.EntriesRecorded)
	if err := p.send(ctx, unpublished, nil, &result, progress); err != nil {
		return result, err
	}
	if len(result.Failed) > 0 {
		return result, &UnsentError{result.Failed}
	}
	event := ledger.Event{Kind: eventOpened, Actor: r.Actor,
		Message: fmt.Sprintf("%d queued, %d known, %d without games", result.Queued, result.Known, result.Settled)}
	result.Run, err = p.ports.Ledger.UpdateRun(ctx, run.ID, event, func(run *ledger.Run) error {
		run.PlanHash = plan.Hash
		switch {
		case run.State.Working():
			return nil // by another publisher that joined it too
		case run.State == ledger.RunPaused:
			return errPausedMeanwhile
		}
		return run.Move(run.WorkingState())
	})
	if errors.Is(err, errPausedMeanwhile) {
		event.Kind = eventPublished
		result.Run, err = p.ports.Ledger.UpdateRun(ctx, run.ID, event, func(run *ledger.Run) error {
			run.PlanHash = plan.Hash
			return nil
		})
	}
	if err != nil {
		return result, fmt.Errorf("open run %s: %w", run.ID, err)
	}
	faultinject.Point(faultinject.RunOpened)
	return result, nil
}

// errPausedMeanwhile keeps a run paused that was stopped while its dates were being published: opening it would undo
// that.
var errPausedMeanwhile = errors.New("the run was paused meanwhile")

// Kinds of the events between which a run is being published: from its creation, or from dates that join it, until it
// is open, or would be if it were not paused.
const (
	eventJoin      = "dates_join"
	eventOpened    = "run_opened"
	eventPublished = "published"
)

// published reports whether every date of a run has been recorded: no publisher is at work, or has died at it.
func (p *Publisher) published(ctx context.Context, run string) (bool, error) {
	events, err := p.ports.Ledger.Events(ctx, p.job.Name, run, 0)
	if err != nil {
		return false, fmt.Errorf("read events of run %s: %w", run, err)
	}
	for _, e := range events { // newest first
		switch e.Kind {
		case eventOpened, eventPublished:
			return true, nil
		case eventJoin:
			return false, nil
		}
	}
	return false, nil
}

// Kinds of the events that say what is known of a run's pre-flight.
const (
	EventPreflight        = "preflight"
	EventPreflightSkipped = "preflight_skipped"
)

// recordPreflight tells the audit trail what the checks before the first write came to, or that they were skipped and
// why.
func (p *Publisher) recordPreflight(ctx context.Context, run string, r Request) error {
	event := ledger.Event{Job: p.job.Name, Run: run, Actor: r.Actor}
	switch {
	case r.SkipPreflight:
		event.Kind, event.Message = EventPreflightSkipped, r.Reason
	case r.Preflight != nil:
		event.Kind, event.Message = EventPreflight, r.Preflight.Summary()
	default:
		return nil
	}
	if err := p.ports.Ledger.AddEvent(ctx, event); err != nil {
		return fmt.Errorf("record the pre-flight of run %s: %w", run, err)
	}
	return nil
}

// openRun creates the run, or takes the open one back to planning; both leave it in state planning.
func (p *Publisher) openRun(ctx context.Context, r Request, plan *Plan,
	approval *ledger.Approval) (run ledger.Run, joined bool, err error) {
	if plan.OpenRun != "" {
		event := ledger.Event{Kind: eventJoin, Actor: r.Actor, Message: plan.Range.String()}
		run, err = p.ports.Ledger.UpdateRun(ctx, plan.OpenRun, event, func(run *ledger.Run) error {
			if run.Sampling() || run.State == ledger.RunAwaitingApproval { // nothing but the sample was published
				run.Range = plan.Range
			} else {
				run.Range = span(run.Range, plan.Range)
			}
			if r.Force {
				run.Force = true
			}
			if r.StopOnFirstFailure {
				run.StopOnFirstFailure = true
			}
			switch {
			case r.Sample:
				plan.begin(run)
			case approval != nil:
				run.Approval = approval
			case run.Sampling(): // begun since the plan
				return sampling(*run)
			}
			return backToPlanning(run)
		})
		if err != nil {
			return run, true, fmt.Errorf("join the open run: %w", err)
		}
		return run, true, nil
	}
	run = ledger.Run{ID: NewRunID(time.Now()), Job: p.job.Name, Range: plan.Range,
		State: ledger.RunPlanning, Target: p.target,
		Version: plan.Version, Settings: plan.settings, SettingsHash: plan.SettingsHash, ReferenceHash: plan.ReferenceHash,
		PlanHash: plan.Hash, Accept: r.Accept, Force: r.Force, Reason: r.Reason, Actor: r.Actor,
		StopOnFirstFailure: r.StopOnFirstFailure, Approval: approval}
	if r.Sample {
		plan.begin(&run)
	}
	if err := p.dropExpired(ctx, r.Actor); err != nil {
		return run, false, err
	}
	if err := p.ports.Ledger.CreateRun(ctx, run, plan.reference); err != nil {
		return run, false, fmt.Errorf("create run: %w", err)
	}
	faultinject.Point(faultinject.RunCreated)
	return run, false, nil
}

// backToPlanning lets a run take more dates. Nobody concludes meanwhile that nothing is left.
func backToPlanning(run *ledger.Run) error {
	switch run.State {
	case ledger.RunPlanning:
		return nil
	case ledger.RunPaused:
		return resumeFirst(*run)
	}
	return run.Move(ledger.RunPlanning)
}

// span is the smallest range that contains both.
func span(a, b gamedate.Range) gamedate.Range {
	if b.From.Before(a.From) {
		a.From = b.From
	}
	if b.To.After(a.To) {
		a.To = b.To
	}
	return a
}

// NewRunID makes a run id: the UTC time for people, random letters for uniqueness. Ids are never compared by order.
func NewRunID(now time.Time) string {
	return "r" + now.UTC().Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:6])
}

// record writes the plans to the ledger and returns the entries whose message is not known to be on the queue.
func (p *Publisher) record(ctx context.Context, run string, plans []ledger.Plan, plan *Plan, result *Result,
	progress Progress) ([]ledger.Entry, error) {
	known := map[gamedate.Date]bool{}
	for _, d := range plan.Dates {
		known[d.Date] = d.Verdict == Known
	}
	var unpublished []ledger.Entry
	for done := 0; done < len(plans); {
		part := plans[done:min(done+batch, len(plans))]
		entries, err := p.ports.Ledger.Record(ctx, p.job.Name, run, part)
		if err != nil {
			return nil, fmt.Errorf("record dates in run %s: %w", run, err)
		}
		for _, e := range entries {
			switch {
			case e.Run != run:
				result.Held = append(result.Held, e.Date)
				continue
			case e.State.Settled():
				result.Settled++
				continue
			case known[e.Date]:
				result.Known++
			default:
				result.Queued++
			}
			if toPublish(e) {
				unpublished = append(unpublished, e)
			}
		}
		done += len(part)
		progress("record", done, len(plans))
	}
	return unpublished, nil
}

// unpublished returns those of a run's dates under way whose message is not known to be on the queue. They are only
// looked at: recorded again, a date that a worker has settled since the plan would be done a second time.
func (p *Publisher) unpublished(ctx context.Context, run string, r gamedate.Range,
	underWay map[gamedate.Date]bool) ([]ledger.Entry, error) {
	if len(underWay) == 0 {
		return nil, nil
	}
	entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, r)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	return slices.DeleteFunc(entries, func(e ledger.Entry) bool {
		return !underWay[e.Date] || e.Run != run || !toPublish(e)
	}), nil
}

// toPublish reports whether an entry waits for a message that is not known to be on the queue.
func toPublish(e ledger.Entry) bool {
	return e.State == ledger.Pending && e.PublishedSeq < e.Seq && e.NotBefore.IsZero()
}

// stageMessage is the stage of letters about messages that no entry stands behind: unreadable, or never planned.
const stageMessage = "message"

// settleLetters marks the open dead letters of a range whose dates have been queued again since as replayed, so that an
// open letter always asks for something. What a crash leaves out, the next publish makes up for.
func (p *Publisher) settleLetters(ctx context.Context, actor string, r gamedate.Range) error {
	letters, err := p.ports.Ledger.DeadLetters(ctx,
		ledger.DeadLetterFilter{Job: p.job.Name, Range: r, State: ledger.LetterOpen})
	if err != nil {
		return fmt.Errorf("read open dead letters of %s: %w", r, err)
	}
	if len(letters) == 0 {
		return nil
	}
	entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, r)
	if err != nil {
		return fmt.Errorf("read entries of %s: %w", r, err)
	}
	seqs := map[gamedate.Date]int64{}
	for _, e := range entries {
		seqs[e.Date] = e.Seq
	}
	var old []string
	for _, l := range letters {
		if l.Failure.Stage != stageMessage && l.Seq < seqs[l.Date] {
			old = append(old, l.ID)
		}
	}
	if len(old) == 0 {
		return nil
	}
	if _, err := p.ports.Ledger.SettleDeadLetters(ctx, old, ledger.LetterReplayed, actor,
		"the date was published again"); err != nil {
		return fmt.Errorf("settle dead letters of %s: %w", r, err)
	}
	return nil
}

// send publishes messages and records which are on the queue. before are the traces of the letters that they replay.
func (p *Publisher) send(ctx context.Context, entries []ledger.Entry, before map[gamedate.Date]string, result *Result,
	progress Progress) error {
	for done := 0; done < len(entries); {
		part := entries[done:min(done+batch, len(entries))]
		messages := make([]queue.Message, len(part))
		for i, e := range part {
			messages[i] = queue.Envelope{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq}.Message()
			if trace := before[e.Date]; trace != "" {
				messages[i].Attributes[queue.AttrTraceBefore] = trace
			}
		}
		var published []ledger.Published
		for i, err := range p.ports.Queue.Publish(ctx, messages) {
			if err != nil {
				result.Failed = append(result.Failed, Unsent{part[i].Date, err.Error()})
				continue
			}
			published = append(published, ledger.Published{Date: part[i].Date, Seq: part[i].Seq})
		}
		faultinject.Point(faultinject.MessagePublished)
		result.Published += len(published)
		if err := p.ports.Ledger.MarkPublished(ctx, p.job.Name, published); err != nil {
			return fmt.Errorf("record publications: %w", err)
		}
		done += len(part)
		progress("publish", done, len(entries))
	}
	return nil
}

// Pause stops new claims; dates in flight finish. A run that is paused already stays as it is, with its first reason.
// One that is being published stays paused when all its dates are.
func (p *Publisher) Pause(ctx context.Context, run, reason, actor string) (ledger.Run, error) {
	now, err := p.ports.Ledger.Run(ctx, run)
	if err != nil || now.State == ledger.RunPaused {
		return now, err
	}
	return p.ports.Ledger.UpdateRun(ctx, run,
		ledger.Event{Kind: "paused", Actor: actor, Message: reason}, func(r *ledger.Run) error {
			if err := CanPause(*r); err != nil {
				return err
			}
			r.Cause, r.CauseKind = reason, "operator"
			return r.Move(ledger.RunPaused)
		})
}

// CanPause says why Pause would not pause a run in its present state.
func CanPause(run ledger.Run) error {
	switch {
	case run.State == ledger.RunAwaitingApproval:
		return fmt.Errorf("run %s waits for the rest of its dates to be published: no date of it is worked on, "+
			"so there is nothing to pause; `publisher cancel --reason …` ends it", run.ID)
	case run.State.Closed():
		return fmt.Errorf("run %s is %s: there is nothing to pause", run.ID, run.State)
	}
	return nil
}

// Idle returns the entries of a run that are still leased, after ending the leases that have expired: their workers are
// gone. Ended dates wait in the ledger and are published by Resume.
func (p *Publisher) Idle(ctx context.Context, run ledger.Run) (held []ledger.Entry, err error) {
	if _, err := p.ports.Ledger.ExpireLeases(ctx, run.Job, run.ID, 0); err != nil {
		return nil, fmt.Errorf("expire leases: %w", err)
	}
	return p.ports.Ledger.RunEntries(ctx, run.Job, run.ID, ledger.Leased)
}

// Resume opens a paused run again and publishes the dates whose message is not on the queue: those whose lease ended
// during the pause. A run whose dates are not all recorded goes back to planning, so that nobody takes what there is
// for all of it; whoever publishes it, or publishes it again, opens it.
func (p *Publisher) Resume(ctx context.Context, run, reason, actor string) (ledger.Run, error) {
	published, err := p.published(ctx, run)
	if err != nil {
		return ledger.Run{}, err
	}
	waiting, err := p.ports.Ledger.RunEntries(ctx, p.job.Name, run, ledger.Pending)
	if err != nil {
		return ledger.Run{}, fmt.Errorf("read entries of run %s: %w", run, err)
	}
	waiting = slices.DeleteFunc(waiting, func(e ledger.Entry) bool {
		return e.PublishedSeq >= e.Seq || !e.NotBefore.IsZero()
	})
	resumed, err := p.ports.Ledger.UpdateRun(ctx, run,
		ledger.Event{Kind: "resumed", Actor: actor, Message: reason}, func(r *ledger.Run) error {
			if err := CanResume(*r); err != nil {
				return err
			}
			r.Cause, r.CauseKind, r.HoldWrites = "", "", false
			if !published {
				return r.Move(ledger.RunPlanning)
			}
			return r.Move(r.WorkingState())
		})
	if err != nil || !published {
		return resumed, err
	}
	var sent Result
	if err := p.send(ctx, waiting, nil, &sent, func(string, int, int) {}); err != nil {
		return resumed, err
	}
	if len(sent.Failed) > 0 {
		return resumed, &UnsentError{sent.Failed}
	}
	return resumed, nil
}

// CanResume says why Resume would not resume a run in its present state.
func CanResume(run ledger.Run) error {
	if run.State != ledger.RunPaused {
		return fmt.Errorf("run %s is %s, not paused: there is nothing to resume", run.ID, run.State)
	}
	return nil
}

// Cancel ends a run for good: dates that wait are cancelled, dates in flight stop before their write.
func (p *Publisher) Cancel(ctx context.Context, run, reason, actor string) (ledger.Run, error) {
	return p.ports.Ledger.UpdateRun(ctx, run,
		ledger.Event{Kind: "cancelled", Actor: actor, Message: reason}, func(r *ledger.Run) error {
			if err := CanCancel(*r); err != nil {
				return err
			}
			r.Cause, r.CauseKind, r.HoldWrites = reason, "operator", true
			return r.Move(ledger.RunCancelled)
		})
}

// CanCancel says why Cancel would not cancel a run in its present state.
func CanCancel(run ledger.Run) error {
	switch run.State {
	case ledger.RunFinished:
		return fmt.Errorf("run %s is finished: there is nothing to cancel; "+
			"`publisher rollback --run %s --reason …` puts back what it replaced", run.ID, run.ID)
	case ledger.RunCancelled:
		return fmt.Errorf("run %s is cancelled already", run.ID)
	}
	return nil
}

// ErrNoOpenRun: a verb that defaults to the job's open run found none.
var ErrNoOpenRun = errors.New("no run is open; `publisher runs` lists earlier ones")

// Find returns the named run, or the job's open run when id is "".
func (p *Publisher) Find(ctx context.Context, id string) (ledger.Run, error) {
	if id != "" {
		run, err := p.ports.Ledger.Run(ctx, id)
		if errors.Is(err, ledger.ErrNoRun) {
			err = fmt.Errorf("%w; `publisher runs` lists them", err)
		}
		return run, err
	}
	run, ok, err := p.ports.Ledger.OpenRun(ctx, p.job.Name)
	if err == nil && !ok {
		err = ErrNoOpenRun
	}
	return run, err
}

// FindLatest returns the named run, the open run, or else the newest run of the job.
func (p *Publisher) FindLatest(ctx context.Context, id string) (ledger.Run, error) {
	run, err := p.Find(ctx, id)
	if !errors.Is(err, ErrNoOpenRun) {
		return run, err
	}
	runs, err := p.ports.Ledger.ListRuns(ctx, p.job.Name, 1)
	if err != nil {
		return ledger.Run{}, err
	}
	if len(runs) == 0 {
		return ledger.Run{}, errors.New("there has been no run yet; `publish` or `run` starts one")
	}
	return runs[0], nil
}
