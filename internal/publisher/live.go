package publisher

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/terminal"
)

// DefaultLiveWindow is for how many days after a game date another pipeline, which knows nothing of leases, may still
// be writing it. Source: the old runbook, whose backfill raced the daily pipeline on one table.
const DefaultLiveWindow = 7

// EventLiveIncluded is the kind of the events that say that a run was let write what another pipeline may be writing.
const EventLiveIncluded = "live_included"

// today is the date as of which the live window counts.
func (r Request) today() gamedate.Date {
	if r.Today.IsZero() {
		return gamedate.Of(time.Now())
	}
	return r.Today
}

// live are the dates that lie within so many days of today. What lies ahead counts too.
func (r Request) live(dates []gamedate.Date, window int) (live []gamedate.Date) {
	first := r.today().AddDays(-window)
	for _, d := range dates {
		if !d.Before(first) {
			live = append(live, d)
		}
	}
	return live
}

// queued are the dates that a publish of the plan puts on the queue, in order.
func (p *Plan) queued() (dates []gamedate.Date) {
	for _, d := range p.Dates {
		if d.Verdict == Queue {
			dates = append(dates, d.Date)
		}
	}
	return dates
}

// Admit is the error with which Publish would refuse the plan before it writes anything, nil if it would apply it.
//
// Errors: *UsageError for dates within the live window, *ApprovalError.
func (p *Publisher) Admit(ctx context.Context, r Request, plan *Plan) error {
	_, err := p.admit(ctx, r, plan)
	return err
}

// CheckLive refuses dates to do that lie within the live window of the request: another pipeline may be writing them
// and cannot be locked out. Dates that are left, or not final, are no concern. Errors: *UsageError.
func (p *Plan) CheckLive(r Request) error {
	if live := r.live(p.queued(), r.LiveWindow); len(live) > 0 && !r.IncludeLive {
		return &UsageError{r.seenLive(live) + ": " + r.liveAdvice(live, p.Range)}
	}
	return nil
}

func (r Request) seenLive(live []gamedate.Date) string {
	return fmt.Sprintf("%s within the last %s, today being %s in New York (%s)",
		terminal.Plural(len(live), "date to do lies", "dates to do lie"), terminal.Plural(r.LiveWindow, "day", "days"),
		r.today(), some(live))
}

// liveAdvice says how to go on without the dates, or with them.
func (r Request) liveAdvice(live []gamedate.Date, whole gamedate.Range) string {
	out := "leave them for later"
	last := r.today().AddDays(-r.LiveWindow - 1)
	switch {
	case len(r.Dates) > 0:
		out = "leave them out of --dates"
	case !last.Before(whole.From):
		out = "end the range with --to " + last.String()
	}
	return "the live pipeline may be writing them, and no lease keeps it out; " + out +
		", or do them all the same with --include-live, which is recorded"
}

// checkLive is CheckLive as a check of the dates that the run will do, or may.
func checkLive(r Request, dates []gamedate.Date) job.Check {
	c := job.Check{Name: "no live dates", Verdict: job.Pass, Seen: "none",
		Bound: "none from " + r.today().AddDays(-r.LiveWindow).String() + " on"}
	live := r.live(dates, r.LiveWindow)
	switch {
	case len(live) == 0:
	case r.IncludeLive:
		c.Verdict, c.Seen = job.Warned, r.seenLive(live)
		c.Advice = "--include-live does them: `publisher validate` tells afterwards which of them somebody overwrote"
	default:
		c.Verdict, c.Seen, c.Advice = job.Failed, r.seenLive(live), r.liveAdvice(live, r.Range)
	}
	return c
}

// recordLive tells the audit trail which dates a run does although the default window has them.
func (p *Publisher) recordLive(ctx context.Context, run string, r Request, plan *Plan) error {
	live := r.live(plan.queued(), max(r.LiveWindow, DefaultLiveWindow))
	if len(live) == 0 {
		return nil
	}
	message := terminal.Plural(len(live), "date", "dates") + ": " + some(live)
	if !r.IncludeLive {
		message += fmt.Sprintf("; --live-window %d", r.LiveWindow)
	}
	if reason := strings.TrimSpace(r.Reason); reason != "" {
		message += ": " + reason
	}
	err := p.ports.Ledger.AddEvent(ctx, ledger.Event{Job: p.job.Name, Run: run, Actor: r.Actor, Kind: EventLiveIncluded,
		Message: message})
	if err != nil {
		return fmt.Errorf("record the live dates of run %s: %w", run, err)
	}
	return nil
}
