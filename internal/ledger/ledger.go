// Package ledger is the port to the durable state of every game date and every run: what is planned, who holds a date,
// what was tried, what was written and checked. The queue only wakes workers; the ledger decides.
//
// The interface is split by caller: [Runs], [Planning] and [RollingBack] serve the publisher, [Leases] the workers,
// [Reconciling] the one worker that tidies up, [Records] whoever reports. Adapters live below this package and pass the
// suite in ledgertest unchanged. All methods are safe for concurrent use; a ctx that is cancelled on entry changes
// nothing.
//
// Two numbers order everything, and no clock does: seq grows with every publication of a date, generation with every
// claim. A change that carries an old generation is [ErrLeaseLost]; a delivery that carries an old seq is Superseded.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/warehouse"
)

// Errors that callers branch on.
var (
	// ErrLeaseLost: the caller's generation is not the entry's any more, or the entry is not leased; nothing changed.
	ErrLeaseLost = errors.New("the lease is lost")
	// ErrStopped: the run is cancelled, or holds its writes; nothing changed. The date goes back unwritten.
	ErrStopped = errors.New("the run is stopped")
	// ErrMoved: the date of a rollback is not complete under that run and generation any more; nothing changed.
	ErrMoved = errors.New("the date has moved on")
	// ErrNoRun: no run has that id.
	ErrNoRun = errors.New("no such run")
	// ErrUnsettled: the run cannot finish, dates of it are Pending or Leased; nothing changed.
	ErrUnsettled = errors.New("dates of the run are not settled")
)

// RunOpenError refuses a second open run of a job.
type RunOpenError struct{ Open Run }

// Error names the open run.
func (e *RunOpenError) Error() string {
	return fmt.Sprintf("run %s of job %s is %s over %s", e.Open.ID, e.Open.Job, e.Open.State, e.Open.Range)
}

// OtherTargetError refuses to use a ledger with a target other than the one it was bound to by its first run.
type OtherTargetError struct{ Job, Bound, Given string }

// Error names both targets.
func (e *OtherTargetError) Error() string {
	return fmt.Sprintf(
		"this ledger keeps job %s for target %s, not for %s: use the ledger that belongs to the target, or a fresh one",
		e.Job, e.Bound, e.Given)
}

// State is the state of one entry. See docs/architecture.md for the diagram.
type State string

// The entry states.
const (
	Pending    State = "pending"     // to be done: published, about to be, or waiting for NotBefore
	Leased     State = "leased"      // a worker has it
	Complete   State = "complete"    // written (or found equal), read back, recorded
	NoGames    State = "no_games"    // the calendar has nothing for the date and the target is empty
	NoSchedule State = "no_schedule" // part of a suspiciously long silence of the calendar; settled with a warning
	Dead       State = "dead"        // given up on, with a reason; replayed on purpose only
	Cancelled  State = "cancelled"   // its run was cancelled before it was done
	RolledBack State = "rolled_back" // complete, then put back
)

// States in the order people read them.
var States = []State{Pending, Leased, Complete, NoGames, NoSchedule, Dead, Cancelled, RolledBack}

// Settled reports whether nothing is left to do: every state but Pending and Leased.
func (s State) Settled() bool { return s != Pending && s != Leased }

// Reasons for queueing a date; the plan shows them.
const (
	ReasonNew      = "new"                // never done
	ReasonFailed   = "failed"             // dead or cancelled before
	ReasonForced   = "forced"             // asked for by --force
	ReasonStale    = "stale version"      // done by another transform version
	ReasonSettings = "other settings"     // done with other settings that decide rows
	ReasonChanged  = "changed"            // a source, the references or the target changed since
	ReasonOrphaned = "rows without games" // the target holds rows of a date without games: they are to be removed
	ReasonReplayed = "replayed"           // a dead letter was replayed
	ReasonUndone   = "rolled back"        // put back before, and asked for again
)

// Entry is the ledger's record of one (job, date).
type Entry struct {
	Job   string        `json:"job"`
	Date  gamedate.Date `json:"date"`
	State State         `json:"state"`
	Run   string        `json:"run"` // the run that planned it last

	Seq          int64     `json:"seq"`                    // number of the latest publication, from 1; 0 when it was never queued
	PublishedSeq int64     `json:"published_seq,omitzero"` // the highest seq whose message is known to be on the queue
	PublishedAt  time.Time `json:"published_at,omitzero"`
	NotBefore    time.Time `json:"not_before,omitzero"` // Pending only: do not publish before
	Reason       string    `json:"reason,omitzero"`     // why it was queued, one of the Reason constants

	Generation int64     `json:"generation"` // grows with every claim and is never reset
	Attempt    int       `json:"attempt"`    // number of claims in all
	Spent      int       `json:"spent"`      // attempts that count against the limit since the date was last queued on purpose
	Owner      string    `json:"owner,omitzero"`
	LeaseUntil time.Time `json:"lease_until,omitzero"` // store's clock

	// Write is the newest write that a holder announced; Generation 0 when there is none. A claimant whose generation
	// is higher closes it before it writes.
	Write WriteRecord `json:"write,omitzero"`

	Failure       *Failure  `json:"failure,omitzero"`        // the latest failure; nil after a completion
	DeadPublished bool      `json:"dead_published,omitzero"` // Dead only: the dead letter is known to be on the dead-letter topic
	Facts         *Facts    `json:"facts,omitzero"`          // of the latest completion, kept while the date is done again
	UpdatedAt     time.Time `json:"updated_at,omitzero"`
}

// WriteRecord is one announced write: what warehouse.Partitions.Prepare returned, under which generation, and what it
// writes over what.
type WriteRecord struct {
	Generation int64  `json:"generation"`
	ID         string `json:"id,omitempty"`
	Run        string `json:"run,omitempty"`
	// Fingerprint is of the rows that are written; PreImage and PreImageRows are of what the run replaces with them,
	// which is kept when there are rows.
	Fingerprint  string `json:"fingerprint,omitempty"`
	PreImage     string `json:"pre_image,omitempty"`
	PreImageRows int    `json:"pre_image_rows,omitempty"`
	// Rollback: announced by BeginRollback, not by the holder of a lease.
	Rollback bool `json:"rollback,omitempty"`
}

// RollingBack reports whether a rollback of the entry was begun and neither finished nor overtaken by a claim.
func (e *Entry) RollingBack() bool {
	return e.State == Complete && e.Write.Rollback && e.Write.Generation == e.Generation
}

// Failure is why an attempt ended badly.
type Failure struct {
	Class   failure.Class `json:"class"`
	Reason  string        `json:"reason"` // short stable code
	Stage   string        `json:"stage"`  // claim, read, build, accept, keep, write, read_back, complete
	Message string        `json:"message"`
}

// Outcome names what a completion did.
type Outcome string

// The outcomes of a completed date.
const (
	Replaced  Outcome = "replaced"  // the partition was replaced
	Unchanged Outcome = "unchanged" // what was built equals what is there: nothing was written
	Emptied   Outcome = "emptied"   // rows of a date without games were removed
)

// Facts are recorded with a completion. Everything later asked about the date is answered from here.
type Facts struct {
	Outcome      Outcome `json:"outcome"`
	Run          string  `json:"run"`
	Version      string  `json:"version"` // transform version
	SettingsHash string  `json:"settings_hash"`
	// RowSettingsHash is of the settings that decide rows alone: a date done under another one is stale.
	RowSettingsHash string `json:"row_settings_hash"`
	ReferenceHash   string `json:"reference_hash"`

	Rows        int    `json:"rows"`        // read back from the warehouse
	Fingerprint string `json:"fingerprint"` // read back from the warehouse
	// ContentFingerprint is of the same rows with the columns of others; "" in facts older than the field.
	ContentFingerprint string `json:"content_fingerprint,omitempty"`
	// PreImage is the fingerprint of what the run replaced, table.Empty for none: of the first of its writes that did not
	// replace its own output.
	PreImage     string `json:"pre_image"`
	PreImageRows int    `json:"pre_image_rows"`
	Kept         bool   `json:"kept,omitempty"` // the rows of the pre-image were kept

	InputFingerprint string                     `json:"input_fingerprint,omitempty"`
	SourceTokens     map[string]warehouse.Token `json:"source_tokens"` // by table name, of what was read
	TargetToken      warehouse.Token            `json:"target_token"`  // of what was read back
	NewestSource     map[string]time.Time       `json:"newest_source,omitempty"`
	Counts           job.Counts                 `json:"counts"`
	Findings         []job.Finding              `json:"findings,omitempty"`
	Rejections       []job.Rejection            `json:"rejections,omitempty"` // sample, at most job.MaxRejections
	Unresolved       []job.Unresolved           `json:"unresolved,omitempty"`
	Durations        map[string]time.Duration   `json:"durations_ns,omitempty"` // by stage
	// UploadedBytes and KeptBytes are what the attempt sent to the warehouse: the rows that it wrote, and those that it
	// kept of what it replaced. 0 where nothing was sent, and in facts older than the fields.
	UploadedBytes int64     `json:"uploaded_bytes,omitempty"`
	KeptBytes     int64     `json:"kept_bytes,omitempty"`
	CompletedAt   time.Time `json:"completed_at"`
}

// Attempt is one execution of a date's work, numbered from 1 per entry.
type Attempt struct {
	Job        string        `json:"job"`
	Date       gamedate.Date `json:"date"`
	N          int           `json:"attempt"`
	Run        string        `json:"run"`
	Seq        int64         `json:"seq"`
	Generation int64         `json:"generation"`
	Owner      string        `json:"owner,omitzero"`
	StartedAt  time.Time     `json:"started_at,omitzero"`
	EndedAt    time.Time     `json:"ended_at,omitzero"` // zero while running
	// Result is "" while running, then complete, released (shutdown, not final, stopped), failed, dead or expired.
	Result  string   `json:"result"`
	Failure *Failure `json:"failure,omitzero"`
	Outcome Outcome  `json:"outcome,omitzero"` // of a completed attempt
}

// Attempt results.
const (
	ResultComplete = "complete"
	ResultReleased = "released"
	ResultFailed   = "failed"
	ResultDead     = "dead"
	ResultExpired  = "expired"
)

// Plan is one date's part of a plan.
type Plan struct {
	Date   gamedate.Date
	To     State  // Pending, NoGames or NoSchedule
	Reason string // for Pending: why
}

// Planning is what the publisher does with entries.
type Planning interface {
	// Entries returns the entries of a range in date order; dates never planned are absent.
	Entries(ctx context.Context, jobName string, r gamedate.Range) ([]Entry, error)

	// Record applies plans under a run. To Pending: an absent or settled entry becomes Pending with the next seq, the
	// run, reason, Spent 0 and no NotBefore, keeping its Facts; an entry that is Pending or Leased already stays as it
	// is. To NoGames or NoSchedule: an absent or settled entry takes that state and the run; Pending or Leased ones
	// stay. It returns the entries as they are afterwards, in the order of plans. Every single entry changes whole or
	// not; a crash in between leaves a prefix done, and repeating the call does the rest.
	//
	// An entry that another, cancelled run left Leased is ended first if its lease has expired; an unexpired one stays,
	// and the returned entry names the other run. Errors: ErrNoRun, ErrStopped when the run is finished or cancelled.
	Record(ctx context.Context, jobName, run string, plans []Plan) ([]Entry, error)

	// MarkPublished records that messages are on the queue. A seq lower than the entry's PublishedSeq changes nothing.
	MarkPublished(ctx context.Context, jobName string, published []Published) error

	// CountStates counts the entries whose Run is run by state, from the entries themselves.
	CountStates(ctx context.Context, jobName, run string) (map[State]int, error)

	// RunEntries returns the entries whose Run is run, in date order; with states given, only those.
	RunEntries(ctx context.Context, jobName, run string, states ...State) ([]Entry, error)
}

// Published says that the message with this seq is on the queue.
type Published struct {
	Date gamedate.Date
	Seq  int64
}

// ClaimRequest asks for the lease of one date.
type ClaimRequest struct {
	Job     string
	Run     string // of the message
	Date    gamedate.Date
	Seq     int64 // of the message
	Owner   string
	TTL     time.Duration
	Version string // the claimant's transform version
	// MaxAttempts is how many spent attempts make a date dead (0: no number does); an expired lease found by the claim
	// spends one.
	MaxAttempts int
}

// ClaimOutcome is what a claim came to. All but Claimed leave the caller without a lease.
type ClaimOutcome string

// The claim outcomes, in the order in which Claim looks for them.
const (
	// NotPlanned: the ledger has no such entry, or never gave out this seq for this run. Recorded with the dead letters
	// by the worker.
	NotPlanned ClaimOutcome = "not_planned"
	// Superseded: the message's seq is lower than the entry's: an old copy. Ack.
	Superseded ClaimOutcome = "superseded"
	// ClaimCancelled: the entry or its run was cancelled. Ack.
	ClaimCancelled ClaimOutcome = "cancelled"
	// AlreadySettled: nothing to do. Ack; if Entry is Dead and not DeadPublished, publish its dead letter first.
	AlreadySettled ClaimOutcome = "already_settled"
	// RunNotOpen: the entry's run is planning, paused or waits for approval. Give the message back and stop receiving.
	RunNotOpen ClaimOutcome = "run_not_open"
	// OtherVersion: the run pins another transform version. Give the message back; this worker is the wrong build.
	OtherVersion ClaimOutcome = "other_version"
	// NotYet: the entry waits for NotBefore; it will be published again. Ack.
	NotYet ClaimOutcome = "not_yet"
	// HeldBy: somebody holds an unexpired lease (Entry.Owner, Entry.LeaseUntil). Give the message back with a delay.
	HeldBy ClaimOutcome = "held_by"
	// DiedOfCrashes: the expired lease that this claim found spent the last attempt; the entry is now Dead.
	DiedOfCrashes ClaimOutcome = "died_of_crashes"
	// Claimed: the caller has the lease.
	Claimed ClaimOutcome = "claimed"
)

// Claim is the answer to a ClaimRequest.
type Claim struct {
	Outcome ClaimOutcome
	Entry   Entry // as it is after the claim; zero for NotPlanned
	Lease   Lease // for Claimed
	Run     Run   // the entry's run; zero for NotPlanned
	// Wait is, for HeldBy, how long the other lease still runs by the store's clock.
	Wait time.Duration
}

// Lease is the exclusive, expiring right to write one date's partition.
type Lease struct {
	Job        string
	Date       gamedate.Date
	Run        string
	Seq        int64
	Generation int64
	Attempt    int
	Owner      string
	Until      time.Time // store's clock
}

// Release says how an attempt ends without completion.
type Release struct {
	To        State     // Pending or Dead
	NotBefore time.Time // Pending only; zero: at once
	// Delay is an alternative to NotBefore counted from the store's now.
	Delay   time.Duration
	Spend   bool     // count this attempt against the limit
	Result  string   // ResultReleased, ResultFailed or ResultDead
	Failure *Failure // nil for a plain release
}

// Leases is what workers do with entries.
type Leases interface {
	// Claim asks for the lease by compare-and-set on the entry and answers at once, whatever the answer; it never
	// waits for another holder. A granted claim raises Generation and Attempt, starts an attempt record, and returns
	// the entry with the Write record of an older generation still in it. An expired lease found on the way ends its
	// attempt as expired (class crash) and spends one attempt.
	Claim(ctx context.Context, r ClaimRequest) (Claim, error)

	// Renew extends the lease to ttl from the store's now, never shortens it, and returns the run's control state. A lease
	// that has expired and that nobody has taken is renewed too: the generation decides, not the clock.
	// Errors: ErrLeaseLost.
	Renew(ctx context.Context, l Lease, ttl time.Duration) (Control, error)

	// BeginWrite renews the lease, re-reads the control state and records the write, in one change; Generation, Run and
	// Rollback of w are not looked at: they are the lease's. After it returned nil the holder may call warehouse Replace
	// under l.Generation. Errors: ErrLeaseLost, ErrStopped.
	BeginWrite(ctx context.Context, l Lease, ttl time.Duration, w WriteRecord) error

	// Complete makes the entry Complete with facts, ends the attempt and clears the lease. Repeating it after success,
	// with the same generation, returns nil and changes nothing. Errors: ErrLeaseLost.
	Complete(ctx context.Context, l Lease, facts Facts) error

	// Release ends the attempt as r says and clears the lease. In a cancelled run an entry released to Pending becomes
	// Cancelled. A nil Failure leaves the entry's earlier one. Errors: ErrLeaseLost, after a repeated call too.
	Release(ctx context.Context, l Lease, r Release) error

	// MarkDeadPublished records that the dead letter of (date, seq) is on the dead-letter topic.
	MarkDeadPublished(ctx context.Context, jobName string, date gamedate.Date, seq int64) error
}

// Rollback names the putting back of one date.
type Rollback struct {
	Job         string
	Date        gamedate.Date
	Run         string
	Generation  int64  // of the Complete entry
	ID          string // what warehouse Prepare returned
	Fingerprint string // of what is put back
}

// RollingBack puts back what a run wrote, without a lease: the date is settled, and the generation keeps others away.
type RollingBack interface {
	// BeginRollback gives a Complete entry of that run and generation the next generation and records the write. After
	// it returned nil the caller may call warehouse Replace under r.Generation+1, whatever the state of the run. Whoever
	// claims the date later finds the write and closes it. Repeating it changes nothing. Errors: ErrMoved.
	BeginRollback(ctx context.Context, r Rollback) error

	// FinishRollback makes the entry of a begun rollback RolledBack, with event in the same change; facts stay. Repeating
	// it after success returns nil and changes nothing. Errors: ErrMoved.
	FinishRollback(ctx context.Context, r Rollback, event Event) error
}

// begun reports whether e is in, or after, the rollback that r began.
func (r Rollback) begun(e *Entry) bool {
	return e.Run == r.Run && e.Generation == r.Generation+1 && e.Write.Generation == e.Generation && e.Write.Rollback &&
		e.Write.ID == r.ID
}

// Begin announces the rollback in e, or says that it cannot; changed is false when it was announced before. For
// adapters.
func (r Rollback) Begin(e *Entry) (changed bool, err error) {
	switch {
	case e.RollingBack() && r.begun(e):
		return false, nil
	case e.State != Complete || e.Run != r.Run || e.Generation != r.Generation:
		return false, ErrMoved
	}
	e.Generation++
	e.Write = WriteRecord{Generation: e.Generation, ID: r.ID, Run: r.Run, Fingerprint: r.Fingerprint, Rollback: true}
	return true, nil
}

// Finish ends a begun rollback in e, or says that it cannot; changed is false when it was ended before. For adapters.
func (r Rollback) Finish(e *Entry) (changed bool, err error) {
	switch {
	case !r.begun(e) || e.State != Complete && e.State != RolledBack:
		return false, ErrMoved
	case e.State == RolledBack:
		return false, nil
	}
	e.State = RolledBack
	return true, nil
}

// Control is what a holder must know about its run.
type Control struct {
	State RunState
	// Stopped: no write may happen any more (cancelled, or the run holds its writes).
	Stopped bool
}

// Reconciling is what the one reconciler does. See design: it heals what crashes leave behind.
type Reconciling interface {
	// Hold takes or renews a named role for owner; false when another owner holds it unexpired. A ttl of 0 gives it up.
	Hold(ctx context.Context, role, owner string, ttl time.Duration) (bool, error)

	// Due returns the Pending entries of a run whose message should be published (again): never published and
	// untouched for at least unclaimedFor, published that long ago and not claimed since, given back that long ago, or
	// past their NotBefore. In date order.
	Due(ctx context.Context, jobName, run string, unclaimedFor time.Duration) ([]Entry, error)

	// Requeue gives each date that is still Pending the next seq and clears NotBefore, so that older copies are
	// superseded; it returns the entries that changed. Dates in other states are left out.
	Requeue(ctx context.Context, jobName, run string, dates []gamedate.Date) ([]Entry, error)

	// ExpireLeases ends every expired lease of a run: the attempt is recorded as expired (class crash), one attempt is
	// spent, the entry becomes Pending with the next seq, or Dead when maxAttempts are spent (0: never), or Cancelled when
	// the run is. It returns the entries that changed.
	ExpireLeases(ctx context.Context, jobName, run string, maxAttempts int) ([]Entry, error)
}

// Records is history: attempts, events and dead letters.
type Records interface {
	// Attempts returns attempts, newest first, at most limit (0: all): by their start, with EndedOnly by their end.
	Attempts(ctx context.Context, f AttemptFilter, limit int) ([]Attempt, error)

	// AddEvent appends to the audit trail; At is set by the store.
	AddEvent(ctx context.Context, e Event) error
	// Events returns events, newest first, at most limit (0: all); run "" means every run of the job.
	Events(ctx context.Context, jobName, run string, limit int) ([]Event, error)

	// RecordDeadLetter keeps one dead letter; one with the same ID is kept once, and its state is left alone.
	RecordDeadLetter(ctx context.Context, d DeadLetter) error
	// DeadLetters returns the letters that match, oldest first.
	DeadLetters(ctx context.Context, f DeadLetterFilter) ([]DeadLetter, error)
	// SettleDeadLetters moves open letters to state (LetterReplayed, LetterResolved, LetterSuperseded) with a note; it
	// returns how many changed.
	SettleDeadLetters(ctx context.Context, ids []string, state LetterState, actor, note string) (int, error)
}

// AttemptFilter selects attempts; zero fields match all.
type AttemptFilter struct {
	Job  string
	Run  string
	Date gamedate.Date
	// EndedOnly leaves running attempts out.
	EndedOnly bool
}

// Event is one line of the audit trail.
type Event struct {
	At      time.Time     `json:"at"`
	Job     string        `json:"job"`
	Run     string        `json:"run,omitzero"`
	Date    gamedate.Date `json:"date,omitzero"` // zero for events of the whole run
	Kind    string        `json:"kind"`          // run_opened, paused, resumed, cancelled, finished, republished, rolled_back, ...
	Actor   string        `json:"actor,omitzero"`
	Message string        `json:"message,omitzero"`
}

// LetterState is what became of a dead letter.
type LetterState string

// The letter states.
const (
	LetterOpen       LetterState = "open"
	LetterReplayed   LetterState = "replayed"
	LetterResolved   LetterState = "resolved"
	LetterSuperseded LetterState = "superseded" // an old copy: the ledger has moved on
)

// DeadLetter is one message given up on, as the ledger keeps it.
type DeadLetter struct {
	ID          string            `json:"id"` // the queue's id of the dead-letter message
	Job         string            `json:"job,omitzero"`
	Date        gamedate.Date     `json:"date,omitzero"` // zero when the message was unreadable
	Run         string            `json:"run,omitzero"`
	Seq         int64             `json:"seq,omitzero"`
	Body        []byte            `json:"body,omitzero"`
	Attributes  map[string]string `json:"attributes,omitzero"`
	Failure     Failure           `json:"failure"`
	Attempts    int               `json:"attempts,omitzero"`
	PublishedAt time.Time         `json:"published_at,omitzero"`
	FoldedAt    time.Time         `json:"folded_at,omitzero"` // set by the store
	State       LetterState       `json:"state"`
	Actor       string            `json:"actor,omitzero"`
	Note        string            `json:"note,omitzero"`
	SettledAt   time.Time         `json:"settled_at,omitzero"`
}

// DeadLetterFilter selects dead letters; zero fields match all. Text matches reason and message, case-insensitively.
type DeadLetterFilter struct {
	Job    string
	Run    string
	Range  gamedate.Range // zero: every date, unreadable ones included
	State  LetterState
	Class  string
	Stage  string
	Reason string
	Text   string
}

// Ledger is everything at once, what an adapter implements and the wiring passes on.
type Ledger interface {
	Runs
	Planning
	Leases
	RollingBack
	Reconciling
	Records
}
