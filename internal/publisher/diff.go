package publisher

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"gamefill/internal/diff"
	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/rebuild"
)

// Diff is what workers would change in a range if every date of it were built now.
type Diff struct {
	Job           string         `json:"job"`
	Range         gamedate.Range `json:"range"`
	Target        string         `json:"target"`
	Version       string         `json:"version"`
	SettingsHash  string         `json:"settings_hash"`
	ReferenceHash string         `json:"reference_hash"`
	// OpenRun is the id of the open run whose snapshot of the references was built with, "" when they were read as they
	// are now.
	OpenRun string `json:"open_run,omitempty"`
	// Failed is the number of dates that could not be built; Total is over the others.
	Failed int        `json:"failed_dates"`
	Total  diff.Total `json:"total"`
	Dates  []DateDiff `json:"dates,omitempty"` // in ascending order
}

// DateDiff is one date of a diff: either counts or a failure.
type DateDiff struct {
	Date gamedate.Date `json:"date"`
	*diff.Counts
	// Failure is why the date cannot be built, as a worker would record it; nothing of it was compared.
	Failure *ledger.Failure `json:"failure,omitempty"`
}

// DiffOptions tune a diff.
type DiffOptions struct {
	Concurrency int // dates in memory at once, at least 1
	Examples    int // kept of each kind and of each column
}

// Diff builds every date of the request as a worker would, done or not, and compares it with the partition in the
// warehouse. It writes nothing, neither to the warehouse nor to ledger or queue. A date that cannot be built does not
// end it: see DateDiff.Failure.
//
// Errors: those of Plan, and a cancelled ctx. progress may be nil.
func (p *Publisher) Diff(ctx context.Context, r Request, o DiffOptions, progress Progress) (*Diff, error) {
	plan, err := p.Plan(ctx, r)
	if err != nil {
		return nil, err
	}
	d := &Diff{Job: plan.Job, Range: plan.Range, Target: plan.Target, Version: plan.Version,
		SettingsHash: plan.SettingsHash, ReferenceHash: plan.ReferenceHash, OpenRun: plan.OpenRun}
	reference := plan.reference
	if plan.OpenRun != "" {
		run, err := p.ports.Ledger.Run(ctx, plan.OpenRun)
		if err != nil {
			return nil, fmt.Errorf("read run %s: %w", plan.OpenRun, err)
		}
		if reference, err = p.ports.Ledger.Reference(ctx, plan.OpenRun); err != nil {
			return nil, fmt.Errorf("read the references of run %s: %w", plan.OpenRun, err)
		}
		r.Force = r.Force || run.Force
	}
	inputs, err := rebuild.NewInputs(p.job, plan.settings, reference, r.Accept)
	if err != nil {
		return nil, fmt.Errorf("decode settings and references: %w", err)
	}
	entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, plan.Range)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	last := map[gamedate.Date]*ledger.Facts{}
	for _, e := range entries {
		last[e.Date] = e.Facts
	}

	if progress == nil {
		progress = func(string, int, int) {}
	}
	rollup := diff.NewRollup(p.job.Target, o.Examples)
	now := time.Now().UTC()
	for dates := range slices.Chunk(plan.Dates, o.Concurrency) {
		compared, failures := make([]diff.Partition, len(dates)), make([]*ledger.Failure, len(dates))
		var building sync.WaitGroup
		for i, planned := range dates {
			building.Go(func() {
				request := rebuild.Request{Date: planned.Date, Last: last[planned.Date], Force: r.Force, Now: now}
				compared[i], failures[i] = p.compare(ctx, inputs, request)
			})
		}
		building.Wait()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("compare dates from %s: %w", dates[0].Date, ctx.Err())
		}
		for i, planned := range dates {
			date := DateDiff{Date: planned.Date, Failure: failures[i]}
			if date.Failure != nil {
				d.Failed++
			} else {
				counts := compared[i].Counts()
				date.Counts = &counts
				rollup.Add(planned.Date, compared[i])
			}
			d.Dates = append(d.Dates, date)
		}
		progress("compare", len(d.Dates), len(plan.Dates))
	}
	d.Total = rollup.Total()
	return d, nil
}

// compare builds one date and compares it with its partition. A panic is a failure of the date alone.
func (p *Publisher) compare(ctx context.Context, inputs *rebuild.Inputs,
	r rebuild.Request) (compared diff.Partition, failed *ledger.Failure) {
	stage := ""
	fail := func(err error) *ledger.Failure {
		return &ledger.Failure{Class: failure.ClassOf(err), Reason: failure.ReasonOf(err), Stage: stage, Message: err.Error()}
	}
	defer func() {
		if v := recover(); v != nil {
			failed = fail(failure.Mark(fmt.Errorf("panic: %v\n%s", v, debug.Stack()), failure.Transient, "panic"))
		}
	}()
	built, err := inputs.Build(ctx, p.ports.Store, r, func(s string) { stage = s })
	if notReady, ok := errors.AsType[*rebuild.NotReadyError](err); ok {
		err = failure.Mark(notReady, failure.Transient, string(NotFinal))
	}
	if err != nil {
		return compared, fail(err)
	}
	return diff.Compare(p.job.Target, built.Previous.Rows, built.Rows), nil
}
