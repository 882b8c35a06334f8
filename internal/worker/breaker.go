package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/rebuild"
)

const (
	// recentAttempts is how many attempts a failing worker looks back on: design section 6.
	recentAttempts = 20
	// alikeDates is how many dates must fail alike, with no success between, to stop the run: design section 6. One date
	// may be odd and two a coincidence; three are the data or the program.
	alikeDates = 3
	// environmentDates is the same for failures of the surroundings, which concern every date.
	environmentDates = 2
	// environmentAttempts is how often they may meet one date, in a run that has no other left.
	environmentAttempts = 3
)

// reasonLedger is the reason of attempts that failed because the ledger did not answer. It breaks nothing: it concerns
// whatever is in progress at once and passes by itself, and a pause would have to be written to the same ledger.
const reasonLedger = "ledger_unavailable"

// ledgerFailed marks an error of a ledger call within an attempt, unless it has a class or a meaning of its own.
func ledgerFailed(err error) error {
	if errors.Is(err, ledger.ErrLeaseLost) || errors.Is(err, ledger.ErrStopped) ||
		failure.ClassOf(err) != failure.Transient {
		return err
	}
	return failure.Mark(err, failure.Transient, reasonLedger)
}

// trip is what a rule has decided: why the run is to be paused.
type trip struct {
	kind  string // the run's CauseKind
	cause string // one sentence, for the operator
	// hold stops the dates in flight before their write; without it they finish.
	hold bool
}

// rules are looked at in this order after a failed attempt; the first that says something decides. A rule is told the
// attempts that have ended since the run was last opened, newest first, and returns nil when it has nothing to say.
var rules = []func(j job.Job, run ledger.Run, ended []ledger.Attempt) *trip{firstFailure, failedGate, dailyQuota,
	environmentFailures, alikeFailures}

// judge says whether failures stop a run. recent are its newest ended attempts, newest first.
func judge(j job.Job, run ledger.Run, recent []ledger.Attempt) *trip {
	ended := slices.Clone(recent)
	ended = slices.DeleteFunc(ended, func(a ledger.Attempt) bool { return !a.EndedAt.After(run.OpenedAt) })
	for _, rule := range rules {
		if t := rule(j, run, ended); t != nil {
			return t
		}
	}
	return nil
}

// firstFailure stops a run that is to stop at its first failure: any attempt that was spent.
func firstFailure(_ job.Job, run ledger.Run, ended []ledger.Attempt) *trip {
	if !run.StopOnFirstFailure {
		return nil
	}
	for _, a := range slices.Backward(ended) {
		if a.Result != ledger.ResultReleased && a.Failure != nil && a.Failure.Class.SpendsAttempt() {
			return &trip{"breaker",
				fmt.Sprintf("%s failed (%s %s), and the run stops at the first failure: %s", a.Date, a.Failure.Class,
					a.Failure.Reason, advice(a.Date)), true}
		}
	}
	return nil
}

// failedGate stops a run at the first date that fails one of the job's rules that speak of the whole run. The reason of
// such a failure lists the rules.
func failedGate(j job.Job, _ ledger.Run, ended []ledger.Attempt) *trip {
	for _, a := range slices.Backward(ended) {
		if a.Result != ledger.ResultDead || a.Failure == nil || a.Failure.Stage != rebuild.StageAccept {
			continue
		}
		for _, name := range strings.Split(a.Failure.Reason, ",") {
			if slices.ContainsFunc(j.Rules, func(r job.Rule) bool { return r.StopsRun && r.Name == name }) {
				return &trip{"breaker",
					fmt.Sprintf("%s failed %s, which concerns more than one date: %s", a.Date, name, advice(a.Date)), true}
			}
		}
	}
	return nil
}

// DailyQuota is the reason code of a quota that will not come back before tomorrow; it pauses the run.
const DailyQuota = "daily_quota"

func dailyQuota(_ job.Job, _ ledger.Run, ended []ledger.Attempt) *trip {
	for _, a := range ended {
		if a.Failure != nil && a.Failure.Class == failure.Quota && a.Failure.Reason == DailyQuota {
			return &trip{"quota", fmt.Sprintf("daily quota exhausted, seen on %s: %s", a.Date, a.Failure.Message), false}
		}
	}
	return nil
}

// environmentFailures stops a run whose surroundings are not there: whatever its date, every one would fail.
func environmentFailures(_ job.Job, _ ledger.Run, ended []ledger.Attempt) *trip {
	var dates []gamedate.Date
	var newest *ledger.Failure
	met := 0
	for _, a := range ended {
		if a.Failure == nil || a.Failure.Class != failure.Environment {
			continue
		}
		if newest == nil {
			newest = a.Failure
		}
		met++
		if !slices.Contains(dates, a.Date) {
			dates = append(dates, a.Date)
		}
		if len(dates) == environmentDates || met == environmentAttempts {
			return &trip{"environment",
				fmt.Sprintf("%s, seen on %s: %s", newest.Reason, datesText(dates), newest.Message), false}
		}
	}
	return nil
}

// alikeFailures stops a run in which different dates fail for one reason while none succeeds. Attempts that were given
// back, waits for a quota, and leases that expired with their worker say nothing about the dates.
func alikeFailures(_ job.Job, _ ledger.Run, ended []ledger.Attempt) *trip {
	type kind struct {
		class  failure.Class
		reason string
	}
	seen := map[kind][]gamedate.Date{}
	for _, a := range ended {
		if a.Result == ledger.ResultComplete {
			return nil
		}
		if a.Result != ledger.ResultFailed && a.Result != ledger.ResultDead || a.Failure == nil ||
			a.Failure.Reason == reasonLedger ||
			a.Failure.Class != failure.Permanent && a.Failure.Class != failure.Transient {
			continue
		}
		k := kind{a.Failure.Class, a.Failure.Reason}
		if slices.Contains(seen[k], a.Date) {
			continue
		}
		if seen[k] = append(seen[k], a.Date); len(seen[k]) == alikeDates {
			return &trip{"breaker",
				fmt.Sprintf("%s failed alike (%s %s) with no success between: %s", datesText(seen[k]), k.class, k.reason,
					advice(a.Date)), true}
		}
	}
	return nil
}

// datesText is "2022-01-15, 2022-01-16 and 2022-01-18", in date order.
func datesText(dates []gamedate.Date) string {
	var texts []string
	for _, d := range slices.SortedFunc(slices.Values(dates), gamedate.Date.Compare) {
		texts = append(texts, d.String())
	}
	if len(texts) < 2 {
		return strings.Join(texts, "")
	}
	last := len(texts) - 1
	return strings.Join(texts[:last], ", ") + " and " + texts[last]
}

// advice ends the sentence of a tripped breaker.
func advice(d gamedate.Date) string {
	return fmt.Sprintf("`publisher explain %s` tells why; mend the cause and `publisher resume`, or `publisher cancel`", d)
}

// breaker judges a run after a failed attempt, which the ledger must hold already so that of two workers that fail at
// once the later one sees both, and pauses the run when a rule says so. Without an answer from the ledger nothing
// happens: the next failure is judged too.
func (w *Worker) breaker(ctx context.Context, id string) {
	run, err := w.ledger.Run(ctx, id)
	if err != nil {
		w.log.WarnContext(ctx, "read run", "run_id", id, "error", err.Error())
		return
	}
	recent, err := w.ledger.Attempts(ctx, ledger.AttemptFilter{Job: run.Job, Run: id, EndedOnly: true}, recentAttempts)
	if err != nil {
		w.log.WarnContext(ctx, "read attempts", "run_id", id, "error", err.Error())
		return
	}
	if t := judge(w.job, run, recent); t != nil {
		w.pause(ctx, run, *t)
	}
}

// pause pauses an open run. One that was paused, ended or opened anew since it was judged is left as it is.
func (w *Worker) pause(ctx context.Context, judged ledger.Run, t trip) {
	event := ledger.Event{Kind: "paused", Actor: w.config.Owner, Message: t.cause}
	run, err := w.ledger.UpdateRun(ctx, judged.ID, event, func(r *ledger.Run) error {
		if !r.State.Working() || !r.OpenedAt.Equal(judged.OpenedAt) {
			return errNotOpen
		}
		r.CauseKind, r.Cause, r.HoldWrites = t.kind, t.cause, t.hold
		return r.Move(ledger.RunPaused)
	})
	if errors.Is(err, errNotOpen) {
		return
	}
	if err != nil {
		w.log.WarnContext(ctx, "pause run", "run_id", judged.ID, "error", err.Error())
		return
	}
	w.log.ErrorContext(ctx, "run paused", "run_id", run.ID, "cause_kind", t.kind, "cause", t.cause)
	if t.hold {
		w.reportPast(ctx, run)
	}
}

var errNotOpen = errors.New("the run is not open")

// pauseWithoutQueue pauses a run when err says that a topic is missing or forbidden. That concerns every date, so one
// that meets it is enough: nothing can be published, and a dead letter would be in the ledger alone.
func (w *Worker) pauseWithoutQueue(ctx context.Context, id string, err error) {
	if failure.ClassOf(err) != failure.Environment {
		return
	}
	run, readErr := w.ledger.Run(ctx, id)
	if readErr != nil {
		w.log.WarnContext(ctx, "read run", "run_id", id, "error", readErr.Error())
		return
	}
	w.pause(ctx, run, trip{kind: "environment", cause: err.Error()})
}

// reportPast records which dates had read the control state before the run was paused: those alone may be written after
// the pause. A store that looks again within the write's own transaction refuses them too.
func (w *Worker) reportPast(ctx context.Context, run ledger.Run) {
	entries, err := w.ledger.RunEntries(ctx, run.Job, run.ID, ledger.Leased, ledger.Complete)
	if err != nil {
		w.log.WarnContext(ctx, "look for writes past the pause", "run_id", run.ID, "error", err.Error())
		return
	}
	var past []gamedate.Date
	for _, e := range entries {
		announced := e.Write.Generation > 0 && e.Write.Generation == e.Generation
		if announced && (e.State == ledger.Leased || e.UpdatedAt.After(run.UpdatedAt)) {
			past = append(past, e.Date)
		}
	}
	message := fmt.Sprintf("past their control read when the run was paused: %d", len(past))
	if len(past) > 0 {
		message += " (" + datesText(past) + ")"
	}
	w.event(ctx, ledger.Event{Job: run.Job, Run: run.ID, Kind: "writes_past_pause", Message: message})
}
