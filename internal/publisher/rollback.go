package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"gamefill/internal/faultinject"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/snapshot"
	"gamefill/internal/table"
	"gamefill/internal/terminal"
	"gamefill/internal/warehouse"
)

// RollbackRequest says what of a run is put back.
type RollbackRequest struct {
	Run string
	// Range restricts it to some dates; the zero range is the whole run. Dates, when not empty, are the only ones.
	Range  gamedate.Range
	Dates  []gamedate.Date
	DryRun bool // look at every date, change nothing
	Reason string
	Actor  string
}

// RollbackOutcome is what became of one date.
type RollbackOutcome string

// The outcomes of a rollback.
const (
	PutBack     RollbackOutcome = "rolled_back" // the partition is what the run replaced; with DryRun: it would be
	BackAlready RollbackOutcome = "back_before" // rolled back by an earlier call
	NothingToDo RollbackOutcome = "unchanged"   // the run left the partition as it was
	Refused     RollbackOutcome = "refused"     // the partition is not the run's any more, or what it replaced is not kept
	NotPutBack  RollbackOutcome = "failed"      // a call went wrong; the same rollback again goes on from there
)

// RolledBack says what a rollback did, or would do.
type RolledBack struct {
	Run    string         `json:"run"`
	DryRun bool           `json:"dry_run,omitempty"`
	Dates  []DateRollback `json:"dates"` // in ascending order
}

// DateRollback is one date of a rollback.
type DateRollback struct {
	Date    gamedate.Date   `json:"date"`
	Outcome RollbackOutcome `json:"outcome"`
	Detail  string          `json:"detail,omitempty"` // why it was refused or failed
	// Rows and Fingerprint are of what is put back; Replaced is the fingerprint of what the run wrote over it.
	Rows        int    `json:"rows"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Replaced    string `json:"replaced,omitempty"`
}

// Count is the number of dates with an outcome.
func (r *RolledBack) Count(o RollbackOutcome) int {
	n := 0
	for _, d := range r.Dates {
		if d.Outcome == o {
			n++
		}
	}
	return n
}

// rollers is how many dates are put back at once: a date is mostly waiting for the store.
const rollers = 4

// Rollback puts back what a run replaced, date by date: every date that the run completed and left with another
// content. A date is refused unless the partition is what the run wrote. What became of a date is in the result,
// refusals and failures too. Nothing is queued: a date that was put back is left by later plans until it is asked for.
//
// It is safe to repeat: what is back already is left, and what a crash interrupted is finished. Errors:
// ledger.ErrNoRun,
// *UsageError, *ledger.OtherTargetError, a run that is at work, and a cancelled ctx. progress may be nil.
func (p *Publisher) Rollback(ctx context.Context, r RollbackRequest, progress Progress) (*RolledBack, error) {
	if strings.TrimSpace(r.Reason) == "" {
		return nil, &UsageError{"say why with --reason"}
	}
	run, err := p.ports.Ledger.Run(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	if run.Job != p.job.Name {
		return nil, fmt.Errorf("run %s is of job %s: %w", run.ID, run.Job, ledger.ErrNoRun)
	}
	if run.Target != p.target {
		return nil, &ledger.OtherTargetError{Job: p.job.Name, Bound: run.Target, Given: p.target}
	}
	if err := p.atRest(ctx, run); err != nil {
		return nil, err
	}
	if r.Range == (gamedate.Range{}) {
		r.Range = run.Span()
	}
	out := &RolledBack{Run: run.ID, DryRun: r.DryRun}
	todo, err := p.rollbackDates(ctx, run, r, out)
	if err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(string, int, int) {}
	}
	var mu sync.Mutex // guards out and done
	done := 0
	var group errgroup.Group
	group.SetLimit(rollers)
	for _, e := range todo {
		group.Go(func() error {
			d := p.rollBack(ctx, r, e)
			mu.Lock()
			defer mu.Unlock()
			out.Dates = append(out.Dates, d)
			done++
			progress("put back", done, len(todo))
			return nil
		})
	}
	_ = group.Wait() // what went wrong is in the dates
	if err := ctx.Err(); err != nil {
		return out, fmt.Errorf("roll back run %s: %w", run.ID, err)
	}
	slices.SortFunc(out.Dates, func(a, b DateRollback) int { return a.Date.Compare(b.Date) })
	return out, nil
}

// atRest refuses a run whose workers may still write.
func (p *Publisher) atRest(ctx context.Context, run ledger.Run) error {
	switch {
	case run.State.Closed():
		return nil
	case run.State != ledger.RunPaused && run.State != ledger.RunAwaitingApproval:
		return fmt.Errorf("run %s is %s and its workers may write: pause it first (publisher pause --run %s --wait "+
			"--reason …), cancel it, or let it finish", run.ID, run.State, run.ID)
	}
	held, err := p.ports.Ledger.RunEntries(ctx, run.Job, run.ID, ledger.Leased)
	if err == nil && len(held) > 0 {
		err = fmt.Errorf("%s in flight in run %s, the first is %s: wait for the end (publisher pause --run "+
			"%s --wait --reason …)", terminal.Plural(len(held), "date is", "dates are"), run.ID, held[0].Date, run.ID)
	}
	return err
}

// rollbackDates returns the entries to look at, and adds to out what can be said without the warehouse.
func (p *Publisher) rollbackDates(ctx context.Context, run ledger.Run, r RollbackRequest,
	out *RolledBack) (todo []ledger.Entry, err error) {
	list, err := p.ports.Ledger.Entries(ctx, p.job.Name, r.Range)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	entries := map[gamedate.Date]ledger.Entry{}
	for _, e := range list {
		entries[e.Date] = e
	}
	wrote, err := p.written(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	for d := range r.Range.Dates() {
		asked := slices.Contains(r.Dates, d)
		e, known := entries[d]
		say := func(o RollbackOutcome, format string, args ...any) {
			out.Dates = append(out.Dates, DateRollback{Date: d, Outcome: o, Detail: fmt.Sprintf(format, args...)})
		}
		f := e.Facts
		switch {
		case len(r.Dates) > 0 && !asked:
		case !known || f == nil || f.Run != run.ID:
			switch {
			case wrote[d] && f != nil:
				say(Refused, "run %s has done it since; what run %s replaced is not known any more", f.Run, run.ID)
			case asked:
				say(Refused, "run %s has not completed it", run.ID)
			}
		case f.PreImage == f.Fingerprint && !f.Kept:
			say(NothingToDo, "")
		case e.State == ledger.RolledBack:
			say(BackAlready, "")
		case e.State != ledger.Complete || e.Run != run.ID:
			say(Refused, "it is %s in run %s: %s", e.State, e.Run, whenNotComplete(e.State))
		default:
			todo = append(todo, e)
		}
	}
	return todo, nil
}

// whenNotComplete says what to do about a date that was completed by the run and is in another state since.
func whenNotComplete(s ledger.State) string {
	switch {
	case !s.Settled():
		return "let it finish, then roll back that run, or cancel that run"
	case s == ledger.NoGames || s == ledger.NoSchedule:
		return "it was planned again since, as a date without anything to do"
	}
	return "it was queued again since and is not done; publish it, then roll back that run"
}

// written are the dates whose partitions a run has changed.
func (p *Publisher) written(ctx context.Context, run string) (map[gamedate.Date]bool, error) {
	attempts, err := p.ports.Ledger.Attempts(ctx, ledger.AttemptFilter{Job: p.job.Name, Run: run, EndedOnly: true}, 0)
	if err != nil {
		return nil, fmt.Errorf("read attempts of run %s: %w", run, err)
	}
	wrote := map[gamedate.Date]bool{}
	for _, a := range attempts {
		if a.Outcome == ledger.Replaced || a.Outcome == ledger.Emptied {
			wrote[a.Date] = true
		}
	}
	return wrote, nil
}

// refusal is why a date is left as it is.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// movedOn is the refusal of a date that somebody else has taken.
func movedOn() error { return refuse("somebody has taken it meanwhile: a worker, or another rollback") }

// rollBack puts one date back.
func (p *Publisher) rollBack(ctx context.Context, r RollbackRequest, e ledger.Entry) DateRollback {
	d := DateRollback{Date: e.Date, Outcome: PutBack, Rows: e.Facts.PreImageRows, Fingerprint: e.Facts.PreImage,
		Replaced: e.Facts.Fingerprint}
	err := p.tryRollBack(ctx, r, e)
	if err == nil {
		return d
	}
	d.Outcome, d.Detail = NotPutBack, err.Error()
	if refused, ok := errors.AsType[*refusal](err); ok {
		d.Outcome, d.Detail = Refused, refused.why
	}
	return d
}

// tryRollBack looks, announces, writes, reads back and records. The generation that it announces under fences off the
// run's own late writes; a worker that claims the date later fences off this one. Errors: *refusal, those of the ports.
func (p *Publisher) tryRollBack(ctx context.Context, r RollbackRequest, e ledger.Entry) error {
	kept, err := p.kept(ctx, e)
	if err != nil {
		return err
	}
	back, err := p.isBack(ctx, e, kept)
	if err != nil || r.DryRun {
		return err
	}
	target := p.job.Target
	fence := warehouse.Fence{Job: e.Job, Run: e.Run, Generation: e.Generation + 1}
	write := warehouse.Write{Table: target, Date: e.Date, Fence: fence, Rows: kept}
	if write.ID, err = p.ports.Store.Prepare(ctx, write); err != nil {
		return fmt.Errorf("prepare write: %w", err)
	}
	step := ledger.Rollback{Job: e.Job, Date: e.Date, Run: e.Run, Generation: e.Generation, ID: write.ID,
		Fingerprint: e.Facts.PreImage}
	if err := p.ports.Ledger.BeginRollback(ctx, step); err != nil {
		return explainMoved(err)
	}
	faultinject.Point(faultinject.BeforeRollback)
	if e.Write.Rollback { // one that was interrupted: nothing of it can land after this
		if err := p.ports.Store.Close(ctx, target, e.Date, fence, e.Write.ID); err != nil {
			return explainMoved(fmt.Errorf("close the earlier rollback: %w", err))
		}
		if back, err = p.isBack(ctx, e, kept); err != nil {
			return err
		}
	}
	if !back {
		if _, err := p.ports.Store.Replace(ctx, write); err != nil {
			return explainMoved(fmt.Errorf("put back: %w", err))
		}
		if back, err = p.isBack(ctx, e, kept); err == nil && !back {
			err = errors.New("read back: the partition is still what the run wrote")
		}
		if err != nil {
			return err
		}
	}
	faultinject.Point(faultinject.AfterRollback)
	return explainMoved(p.ports.Ledger.FinishRollback(ctx, step,
		ledger.Event{Kind: "rolled_back", Actor: r.Actor, Message: r.Reason}))
}

// explainMoved makes a lost race a refusal.
func explainMoved(err error) error {
	if errors.Is(err, ledger.ErrMoved) || errors.Is(err, warehouse.ErrFenced) {
		return movedOn()
	}
	return err
}

// kept returns the rows that the run replaced, none where it replaced nothing.
func (p *Publisher) kept(ctx context.Context, e ledger.Entry) ([]table.Row, error) {
	if e.Facts.PreImage == table.Empty {
		return nil, nil
	}
	if !e.Facts.Kept {
		return nil, refuse("what the run replaced was not kept: the date was done by a build that kept nothing")
	}
	t := snapshot.Table(p.job.Target, e.Run)
	partition, err := p.ports.Store.Read(ctx, t, e.Date)
	switch {
	case errors.Is(err, warehouse.ErrNoTable):
		return nil, refuse("what the run replaced is not kept any more: there is no table %s", t.FullName())
	case err != nil:
		return nil, fmt.Errorf("read what is kept: %w", err)
	}
	if found := t.Fingerprint(partition.Rows); found != e.Facts.PreImage {
		return nil, refuse("%s holds %s with fingerprint %.12s, the run replaced %d with %.12s", t.FullName(),
			terminal.Plural(len(partition.Rows), "row", "rows"), found, e.Facts.PreImageRows, e.Facts.PreImage)
	}
	return partition.Rows, nil
}

// isBack reports whether the partition holds the kept rows already. If it holds neither these nor what the run wrote,
// the date is refused: somebody else wrote it.
func (p *Publisher) isBack(ctx context.Context, e ledger.Entry, kept []table.Row) (bool, error) {
	t, f := p.job.Target, e.Facts
	live, err := p.ports.Store.Read(ctx, t, e.Date)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", t.FullName(), err)
	}
	content := t.ContentFingerprint(live.Rows)
	if content == t.ContentFingerprint(kept) {
		return true, nil
	}
	if found := t.Fingerprint(live.Rows); found != f.Fingerprint {
		return false, refuse("somebody wrote it since: the partition has fingerprint %.12s, the run wrote %.12s",
			found, f.Fingerprint)
	}
	if f.ContentFingerprint != "" && content != f.ContentFingerprint {
		return false, refuse("somebody filled columns since that gamefill does not fill: the content has fingerprint "+
			"%.12s, the run wrote %.12s", content, f.ContentFingerprint)
	}
	return false, nil
}
