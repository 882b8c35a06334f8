package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
)

// RunState is the state of a backfill run.
type RunState string

// The run states.
const (
	// the publisher is still recording dates; nobody may conclude that nothing is left
	RunPlanning RunState = "planning"
	RunCanary   RunState = "canary" // only the dates of the sample are queued, and are worked on
	// the sample is judged; nothing is worked on until the rest is published
	RunAwaitingApproval RunState = "awaiting_approval"
	RunOpen             RunState = "open"
	RunPaused           RunState = "paused"
	RunFinished         RunState = "finished" // every date settled and judged; see Run.Verdict
	RunCancelled        RunState = "cancelled"
)

// Closed reports whether the run has ended: finished or cancelled. A job has at most one run that has not.
func (s RunState) Closed() bool { return s == RunFinished || s == RunCancelled }

// Working reports whether workers claim dates of the run.
func (s RunState) Working() bool { return s == RunOpen || s == RunCanary }

// moves are the legal changes of a run's state. Replaying dead dates reopens a finished run.
var moves = map[RunState][]RunState{
	RunPlanning:         {RunCanary, RunOpen, RunPaused, RunCancelled},
	RunCanary:           {RunPlanning, RunAwaitingApproval, RunPaused, RunCancelled},
	RunAwaitingApproval: {RunPlanning, RunCancelled},
	RunOpen:             {RunPlanning, RunPaused, RunFinished, RunCancelled},
	RunPaused:           {RunPlanning, RunOpen, RunCanary, RunCancelled},
	RunFinished:         {RunOpen, RunPlanning},
}

// Run is one request to fill a range of game dates.
type Run struct {
	ID  string `json:"id"`
	Job string `json:"job"`
	// Range is the smallest that holds what was published; before that, the range of the sample.
	Range  gamedate.Range `json:"range"`
	State  RunState       `json:"state"`
	Target string         `json:"target,omitzero"` // identity of the target: warehouse identity and table

	Version       string   `json:"version,omitzero"`  // transform version, pinned
	Settings      []byte   `json:"settings,omitzero"` // canonical settings, pinned; workers build with these
	SettingsHash  string   `json:"settings_hash,omitzero"`
	ReferenceHash string   `json:"reference_hash,omitzero"` // of the reference snapshot kept with the run
	PlanHash      string   `json:"plan_hash,omitzero"`      // of the latest plan applied
	Accept        []string `json:"accept,omitempty"`
	Force         bool     `json:"force,omitzero"`
	// StopOnFirstFailure pauses the run at the first failed attempt that spends one, of whatever date.
	StopOnFirstFailure bool `json:"stop_on_first_failure,omitzero"`

	Reason string `json:"reason,omitzero"` // why the run exists, in the operator's words
	Actor  string `json:"actor,omitzero"`

	Sample   *Sample   `json:"sample,omitempty"`   // nil for a run that began without one
	Approval *Approval `json:"approval,omitempty"` // nil until somebody, or a sample that passed, lets all dates begin

	// HoldWrites stops dates in flight before their write (a tripped breaker); pausing without it lets them finish.
	HoldWrites bool `json:"hold_writes,omitzero"`
	// Cause is why the run is paused or cancelled: one sentence.
	Cause string `json:"cause,omitzero"`
	// CauseKind is who decided: operator, breaker, environment, quota.
	CauseKind string `json:"cause_kind,omitzero"`

	Verdict job.Verdict   `json:"verdict,omitzero"` // of a finished run
	Checks  []job.Check   `json:"checks,omitempty"` // of the latest validation
	Counts  map[State]int `json:"counts,omitempty"`

	// Set by the store. OpenedAt is when workers were last let at the run: failures before it do not count for the
	// breaker. FinishedAt is when the run finished or was cancelled, zero while it has done neither.
	CreatedAt  time.Time `json:"created_at,omitzero"`
	UpdatedAt  time.Time `json:"updated_at,omitzero"`
	OpenedAt   time.Time `json:"opened_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
}

// Sample is the part of a run that is done first.
type Sample struct {
	Dates    []gamedate.Date `json:"dates"`
	Range    gamedate.Range  `json:"range,omitzero"`   // that the sample was taken from, by the latest of its plans
	PlanHash string          `json:"plan_hash"`        // of the plan over the whole range that the sample was taken from
	Verdict  job.Verdict     `json:"verdict,omitzero"` // "" until the sample is judged
	Checks   []job.Check     `json:"checks,omitempty"` // what it was judged by
}

// Approval lets all dates of the run that it is kept in begin. One that was earned by a sample also holds for later
// runs of the same version and settings.
type Approval struct {
	Actor        string `json:"actor"`
	Reason       string `json:"reason"`
	PlanHash     string `json:"plan_hash"` // of the plan that was looked at
	Version      string `json:"version"`
	SettingsHash string `json:"settings_hash"`
	// Override is set where nobody waited for a sample, or where it failed.
	Override bool `json:"override,omitempty"`
}

// Sampling reports whether the run waits for its sample: no other date of it may begin.
func (r *Run) Sampling() bool { return r.Sample != nil && r.Approval == nil }

// Span is the smallest range that holds all dates the run may have written: its own, and those of its sample.
func (r *Run) Span() gamedate.Range {
	span := r.Range
	if r.Sample == nil {
		return span
	}
	for _, d := range r.Sample.Dates {
		if d.Before(span.From) {
			span.From = d
		}
		if d.After(span.To) {
			span.To = d
		}
	}
	return span
}

// WorkingState is the state in which workers claim the run's dates.
func (r *Run) WorkingState() RunState {
	if r.Sampling() {
		return RunCanary
	}
	return RunOpen
}

// Move changes the state, or says why it cannot be changed.
func (r *Run) Move(to RunState) error {
	if !slices.Contains(moves[r.State], to) {
		return fmt.Errorf("run %s is %s and cannot become %s", r.ID, r.State, to)
	}
	r.State = to
	return nil
}

// CheckUpdate says what keeps a run from being stored over the one it was made from: a changed identity field or a
// change of state that [Run.Move] would refuse. For adapters.
func CheckUpdate(before, after Run) error {
	if after.ID != before.ID || after.Job != before.Job || after.Target != before.Target ||
		!after.CreatedAt.Equal(before.CreatedAt) {
		return fmt.Errorf("id, job, target and creation time of run %s cannot be changed", before.ID)
	}
	if after.State == before.State {
		return nil
	}
	return before.Move(after.State)
}

// Stamp sets the times of a run that is stored over the one it was made from, by the store's now. For adapters.
func (r *Run) Stamp(before Run, now time.Time) {
	r.UpdatedAt, r.OpenedAt, r.FinishedAt = now, before.OpenedAt, before.FinishedAt
	if r.State.Working() && !before.State.Working() {
		r.OpenedAt = now
	}
	switch {
	case !r.State.Closed():
		r.FinishedAt = time.Time{}
	case !before.State.Closed():
		r.FinishedAt = now
	}
}

// Control is what a holder of a lease must know.
func (r *Run) Control() Control {
	return Control{State: r.State, Stopped: r.State == RunCancelled || r.HoldWrites}
}

// Runs is the control plane.
type Runs interface {
	// CreateRun stores a new run in state Planning and its reference snapshot (any size; the adapter splits it), and
	// binds the job to run.Target if it is the ledger's first. Nothing is stored when it fails.
	// Errors: *RunOpenError, *OtherTargetError.
	CreateRun(ctx context.Context, run Run, reference []byte) error

	// Run returns one run. Errors: ErrNoRun.
	Run(ctx context.Context, id string) (Run, error)

	// OpenRun returns the job's run that is neither finished nor cancelled; ok is false when there is none.
	OpenRun(ctx context.Context, jobName string) (run Run, ok bool, err error)

	// ListRuns returns runs, newest first, at most limit (0: all).
	ListRuns(ctx context.Context, jobName string, limit int) ([]Run, error)

	// UpdateRun reads the run, lets change edit it, and stores it by compare-and-set, with event (if its Kind is not
	// "") in the same change. change may be called again after a conflict and must not keep the pointer; its error
	// ends the call with nothing stored. Identity fields (ID, Job, Target, CreatedAt) and moves that Run.Move refuses are
	// errors. Reopening a finished run while another run of the job is open is *RunOpenError. Cancelling turns the run's
	// Pending entries to Cancelled in the same change (or before the call returns); a Leased one becomes Cancelled when
	// its lease ends without completion. Finishing while entries are Pending or Leased is ErrUnsettled.
	// Errors: ErrNoRun.
	UpdateRun(ctx context.Context, id string, event Event, change func(*Run) error) (Run, error)

	// Reference returns the snapshot stored with the run.
	Reference(ctx context.Context, run string) ([]byte, error)

	// Target returns what the job is bound to, "" when the ledger has no run of it yet.
	Target(ctx context.Context, jobName string) (string, error)
}
