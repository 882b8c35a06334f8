package publisher

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

const pruned = "partitions are pruned"

// checkPruning proves that reading one date of a partitioned table reads that date alone: it must not be all that the
// table has, unless the day before reads less. Nothing is read. Every table that is not pruned is a check, and all that
// are together are one; stores that bill no reading have none.
func (p *Publisher) checkPruning(ctx context.Context, live []liveTable, date gamedate.Date) []job.Check {
	live = slices.DeleteFunc(slices.Clone(live), func(l liveTable) bool { return l.t.Partition == "" || l.is.Bytes == 0 })
	if len(live) == 0 {
		return nil
	}
	found := make([]*job.Check, len(live))
	read := make([]int64, len(live))
	var group errgroup.Group
	group.SetLimit(readers)
	for i, l := range live {
		group.Go(func() error {
			read[i], found[i] = p.checkPruned(ctx, l, date)
			return nil
		})
	}
	_ = group.Wait() // what goes wrong is a check
	var checks []job.Check
	right, bytes, all := 0, int64(0), int64(0)
	for i, c := range found {
		if c != nil {
			checks = append(checks, *c)
			continue
		}
		right, bytes, all = right+1, bytes+read[i], all+live[i].is.Bytes
	}
	if right > 0 {
		seen := fmt.Sprintf("%d of %d tables; %s reads %d of their %d bytes", right, len(live), date, bytes, all)
		checks = slices.Insert(checks, 0, job.Check{Name: pruned, Verdict: job.Pass, Seen: seen, Bound: "all"})
	}
	return checks
}

// checkPruned is what reading one date reads of a table, or a check that does not pass.
func (p *Publisher) checkPruned(ctx context.Context, l liveTable, date gamedate.Date) (int64, *job.Check) {
	var read [2]int64
	for i, d := range []gamedate.Date{date, date.AddDays(-1)} {
		n, err := p.ports.Store.ScanBytes(ctx, l.t, gamedate.Range{From: d, To: d})
		if err != nil {
			c := unseen(pruned, l.t.FullName(), err)
			return 0, &c
		}
		if read[i] = n; n < l.is.Bytes {
			return read[0], nil
		}
	}
	return 0, &job.Check{Name: pruned, Scope: l.t.FullName(), Verdict: job.Failed, Bound: "all",
		Seen:   fmt.Sprintf("%s and the day before read all %d bytes each", date, l.is.Bytes),
		Advice: "a date costs as much as the whole table: cut it by day on " + l.t.Partition}
}

// scanBytes is [Preflight.ScanBytes] of a range.
func (p *Publisher) scanBytes(ctx context.Context, r gamedate.Range) (int64, error) {
	type scan struct {
		t       *table.Schema
		columns []string
	}
	scans := []scan{{t: p.job.Calendar.Table}}
	for _, t := range p.job.References {
		scans = append(scans, scan{t: t})
	}
	for _, c := range p.job.Preflight.Counts {
		scans = append(scans, scan{c.Table, slices.Concat(c.By, c.Nulls)})
	}
	if p.job.Gates.Judge != nil {
		scans = append(scans, scan{p.job.Target, slices.Concat(p.job.Gates.By, p.job.Gates.Nulls)},
			scan{p.job.Target, p.job.Gates.Keys})
	}
	bytes := make([]int64, len(scans))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, s := range scans {
		group.Go(func() (err error) {
			bytes[i], err = p.ports.Store.ScanBytes(ctx, s.t, r, s.columns...)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	all := int64(0)
	for _, n := range bytes {
		all += n
	}
	return all, nil
}
