package publisher

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/queue"
	"gamefill/internal/terminal"
)

// Cause groups dead letters that ended for the same reason.
type Cause struct {
	Class   string        `json:"class"`
	Stage   string        `json:"stage"`
	Reason  string        `json:"reason"`
	Letters int           `json:"letters"`
	First   gamedate.Date `json:"first,omitzero"` // zero for unreadable messages
	Last    gamedate.Date `json:"last,omitzero"`
	Example string        `json:"example"` // message of the newest letter
}

// Causes groups letters by class, stage and reason, the most frequent first.
func Causes(letters []ledger.DeadLetter) []Cause {
	groups := map[[3]string]*Cause{}
	for _, l := range letters {
		key := [3]string{l.Failure.Class.String(), l.Failure.Stage, l.Failure.Reason}
		c := groups[key]
		if c == nil {
			c = &Cause{Class: key[0], Stage: key[1], Reason: key[2]}
			groups[key] = c
		}
		c.Letters++
		c.Example = l.Failure.Message
		if l.Date.IsZero() {
			continue
		}
		if c.First.IsZero() || l.Date.Before(c.First) {
			c.First = l.Date
		}
		if c.Last.IsZero() || l.Date.After(c.Last) {
			c.Last = l.Date
		}
	}
	causes := make([]Cause, 0, len(groups))
	for _, c := range groups {
		causes = append(causes, *c)
	}
	slices.SortFunc(causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Stage, b.Stage),
			cmp.Compare(a.Class, b.Class))
	})
	return causes
}

// ReplayResult says what a Replay did, or with dryRun would do. Read = Replayed dates + Duplicates + Skipped.
type ReplayResult struct {
	Run        string          `json:"run,omitempty"`
	Read       int             `json:"read"`       // open letters that matched
	Dates      []gamedate.Date `json:"dates"`      // replayed
	Duplicates int             `json:"duplicates"` // further letters of the same dates
	Skipped    []SkippedLetter `json:"skipped,omitempty"`
	DryRun     bool            `json:"dry_run,omitempty"`
	Published  int             `json:"published"`
}

// SkippedLetter is a letter that a replay leaves alone, with why.
type SkippedLetter struct {
	ID   string        `json:"id"`
	Date gamedate.Date `json:"date,omitzero"`
	Why  string        `json:"why"`
}

// ReplayRequest selects the letters to replay.
type ReplayRequest struct {
	Filter ledger.DeadLetterFilter
	Dates  []gamedate.Date // only these, when not empty
	Limit  int             // at most this many dates, the earliest first; 0: all
	DryRun bool
	Reason string // required unless DryRun
	Actor  string
}

// Replay queues the dates of open dead letters again, one message a date however many letters it has, and marks the
// letters replayed. Only dates that the ledger holds as dead are replayed: a letter whose date is queued, in progress
// or done is skipped and says so, as is one that no date can be read from. The dates join the job's open run; when none
// is open, the run that gave up on them is opened again, so they are done with the settings and the reference snapshot
// that it pins.
//
// Ledger first, then queue: a crash in between is healed by replaying again. Replaying twice queues nothing twice.
func (p *Publisher) Replay(ctx context.Context, r ReplayRequest) (ReplayResult, error) {
	result := ReplayResult{DryRun: r.DryRun}
	if !r.DryRun && strings.TrimSpace(r.Reason) == "" {
		return result, &UsageError{Problem: "replaying is a decision: say why with --reason"}
	}
	r.Filter.State = ledger.LetterOpen // of every job: letters that cannot be replayed are named, not hidden
	letters, err := p.ports.Ledger.DeadLetters(ctx, r.Filter)
	if err != nil {
		return result, fmt.Errorf("read dead letters: %w", err)
	}
	letters = slices.DeleteFunc(letters, func(l ledger.DeadLetter) bool {
		return len(r.Dates) > 0 && !slices.Contains(r.Dates, l.Date)
	})
	slices.SortStableFunc(letters, func(a, b ledger.DeadLetter) int { return a.Date.Compare(b.Date) })
	result.Read = len(letters)
	chosen, err := p.chooseDates(ctx, letters, r.Limit, &result)
	if err != nil || len(result.Dates) == 0 {
		return result, err
	}
	run, err := p.runToReplay(ctx, result.Dates)
	if err != nil || r.DryRun {
		result.Run = run.ID
		return result, err
	}
	return result, p.replay(ctx, r, run, chosen, tracesOf(letters), &result)
}

// chooseDates finds the dead entries of the letters and sorts the letters into replayed, duplicate and skipped.
func (p *Publisher) chooseDates(ctx context.Context, letters []ledger.DeadLetter, limit int,
	result *ReplayResult) (ids []string, err error) {
	skip := func(l ledger.DeadLetter, why string) {
		result.Skipped = append(result.Skipped, SkippedLetter{l.ID, l.Date, why})
	}
	chosen := map[gamedate.Date]bool{}
	for _, l := range letters {
		if l.Date.IsZero() || l.Job != p.job.Name {
			skip(l, "it is no readable message of job "+p.job.Name+": look at it and resolve it")
			continue
		}
		if chosen[l.Date] {
			result.Duplicates++
			ids = append(ids, l.ID)
			continue
		}
		entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, gamedate.Range{From: l.Date, To: l.Date})
		if err != nil {
			return nil, fmt.Errorf("read entry of %s: %w", l.Date, err)
		}
		begun := false // by a replay that did not come to its end
		if len(entries) == 1 && entries[0].State == ledger.Pending && l.Seq < entries[0].Seq {
			run, err := p.ports.Ledger.Run(ctx, entries[0].Run)
			if err != nil {
				return nil, fmt.Errorf("read run %s: %w", entries[0].Run, err)
			}
			begun = run.State == ledger.RunPlanning
		}
		switch {
		case len(entries) == 0:
			skip(l, "the ledger does not know its date: nobody planned it; publish the date, or resolve the letter")
		case entries[0].State != ledger.Dead && !begun:
			skip(l, fmt.Sprintf("its date is %s, not dead", entries[0].State))
		case limit > 0 && len(result.Dates) >= limit:
			skip(l, "beyond --limit")
		default:
			chosen[l.Date] = true
			result.Dates = append(result.Dates, l.Date)
			ids = append(ids, l.ID)
		}
	}
	return ids, nil
}

// tracesOf are the traces of dates that were given up on: what the newest letter of each carries.
func tracesOf(letters []ledger.DeadLetter) map[gamedate.Date]string {
	traces, seqs := map[gamedate.Date]string{}, map[gamedate.Date]int64{}
	for _, l := range letters {
		if trace := l.Attributes[queue.AttrTrace]; trace != "" && l.Seq >= seqs[l.Date] {
			traces[l.Date], seqs[l.Date] = trace, l.Seq
		}
	}
	return traces
}

// replay opens the run, queues the dates, whose traces before are known, and marks the letters.
func (p *Publisher) replay(ctx context.Context, r ReplayRequest, run ledger.Run, ids []string,
	before map[gamedate.Date]string, result *ReplayResult) error {
	run, err := p.beginReplay(ctx, r, run.ID, result.Dates)
	if err != nil {
		return err
	}
	result.Run = run.ID
	plans := make([]ledger.Plan, len(result.Dates))
	for i, d := range result.Dates {
		plans[i] = ledger.Plan{Date: d, To: ledger.Pending, Reason: ledger.ReasonReplayed}
	}
	entries, err := p.ports.Ledger.Record(ctx, p.job.Name, run.ID, plans)
	if err != nil {
		return fmt.Errorf("queue replayed dates: %w", err)
	}
	sent := Result{}
	entries = slices.DeleteFunc(entries, func(e ledger.Entry) bool {
		return e.State != ledger.Pending || e.PublishedSeq >= e.Seq
	})
	if err := p.send(ctx, entries, before, &sent, func(string, int, int) {}); err != nil {
		return err
	}
	result.Published = sent.Published
	if _, err := p.ports.Ledger.SettleDeadLetters(ctx, ids, ledger.LetterReplayed, r.Actor, r.Reason); err != nil {
		return fmt.Errorf("mark letters replayed: %w", err)
	}
	if len(sent.Failed) > 0 {
		return &UnsentError{sent.Failed}
	}
	event := ledger.Event{Kind: "replayed", Actor: r.Actor,
		Message: terminal.Plural(len(result.Dates), "date", "dates") + ": " + r.Reason}
	if _, err := p.ports.Ledger.UpdateRun(ctx, run.ID, event, func(run *ledger.Run) error {
		if run.State == ledger.RunPlanning {
			return run.Move(run.WorkingState())
		}
		return nil
	}); err != nil {
		return fmt.Errorf("open run %s: %w", run.ID, err)
	}
	return nil
}

// runToReplay finds the run that replayed dates join: the job's open run, or else the run of the first date. A run of
// another transform version is refused: its workers are gone, and publishing the dates does them with this version.
func (p *Publisher) runToReplay(ctx context.Context, dates []gamedate.Date) (ledger.Run, error) {
	run, ok, err := p.ports.Ledger.OpenRun(ctx, p.job.Name)
	if err != nil {
		return run, fmt.Errorf("look for the open run: %w", err)
	}
	if !ok {
		entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, gamedate.Range{From: dates[0], To: dates[0]})
		if err != nil {
			return run, fmt.Errorf("read entry of %s: %w", dates[0], err)
		}
		if run, err = p.ports.Ledger.Run(ctx, entries[0].Run); err != nil {
			return run, fmt.Errorf("read run %s: %w", entries[0].Run, err)
		}
		if run.State == ledger.RunCancelled {
			return run, fmt.Errorf("run %s, which gave up on the dates, is cancelled: `publisher publish --dates …` makes a "+
				"new run of them", run.ID)
		}
	}
	if run.Version != p.job.Version {
		return run, fmt.Errorf("run %s pins transform version %s and this build is %s: publish the dates instead", run.ID,
			run.Version, p.job.Version)
	}
	probe := run
	return run, backToPlanning(&probe)
}

// beginReplay takes a run back to planning, wide enough for the dates.
func (p *Publisher) beginReplay(ctx context.Context, r ReplayRequest, id string,
	dates []gamedate.Date) (ledger.Run, error) {
	event := ledger.Event{Kind: "replay_begun", Actor: r.Actor, Message: r.Reason}
	run, err := p.ports.Ledger.UpdateRun(ctx, id, event, func(run *ledger.Run) error {
		for _, d := range dates {
			run.Range = span(run.Range, gamedate.Range{From: d, To: d})
		}
		return backToPlanning(run)
	})
	if err != nil {
		return run, fmt.Errorf("open run for replay: %w", err)
	}
	return run, nil
}

// Resolve closes dead letters without replaying them, with a note; it returns how many were open.
func (p *Publisher) Resolve(ctx context.Context, ids []string, note, actor string) (int, error) {
	if strings.TrimSpace(note) == "" {
		return 0, &UsageError{Problem: "say why the letters need nothing any more, with --reason"}
	}
	return p.ports.Ledger.SettleDeadLetters(ctx, ids, ledger.LetterResolved, actor, note)
}
