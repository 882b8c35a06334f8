package cloud_test

import (
	"slices"
	"strings"
	"testing"

	"gamefill/internal/price"
	"gamefill/internal/publisher"
	"gamefill/internal/report"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/test/league"
	"gamefill/test/program"
)

// TestCosts compares what plan and report say of a run with what the services were asked for.
func TestCosts(t *testing.T) {
	t.Parallel()
	games, l := imported(t, league.Options{Dates: 6})
	p := newProject(t)
	p.scrape(games)
	p.Publish(t, 0, "init")
	span := []string{"--from", l.Range.From.String(), "--to", l.Range.To.String()}
	plan := func(more ...string) publisher.Estimate {
		t.Helper()
		var view struct{ Estimate publisher.Estimate }
		p.JSON(t, 0, &view, append(append([]string{"plan"}, span...), more...)...)
		return view.Estimate
	}
	line := func(b price.Bill, item string) price.Line {
		t.Helper()
		for _, found := range b.Lines {
			if found.Item == item {
				return found
			}
		}
		t.Fatalf("the bill has no %s: %+v", item, b.Lines)
		return price.Line{}
	}
	want := func(b price.Bill, item string, known price.Known, least, most int64) {
		t.Helper()
		if got := line(b, item); got.Known != known || got.Quantity < least || got.Quantity > most {
			t.Errorf("%s: got %d, %s (%s), want %d to %d, %s", item, got.Quantity, got.Known, got.Basis, least, most, known)
		}
	}

	before := plan().Bill
	want(before, "load jobs", price.Estimated, 6, 6)
	want(before, "bytes uploaded", price.Unknown, 0, 0)
	want(before, "worker-seconds", price.Unknown, 0, 0)
	want(before, "bytes billed for queries", price.Estimated, 10<<20, 1<<30)
	want(before, "Pub/Sub bytes", price.Estimated, 12_000, 12_000)

	p.Publish(t, 0, append([]string{"publish", "--no-sample", "--reason", "costs"}, span...)...)
	if r := p.Start(t, "", program.Worker, workerArgs()...).Wait(); r.Code != 0 {
		t.Fatalf("worker: got %v, want exit code 0", r)
	}
	p.Publish(t, 0, "validate")
	var sent int64
	for _, r := range p.bigquery.Audit() {
		if r.Kind == bigqueryfake.JobsInsertLoad && r.Partition != "" {
			sent++
		}
	}
	var got report.Report
	p.JSON(t, 0, &got, "report")
	want(got.Costs, "load jobs", price.Measured, sent, sent)
	want(got.Costs, "bytes uploaded", price.Measured, int64(l.Rows)*20, int64(l.Rows)*1000)
	want(got.Costs, "query jobs", price.Measured, 4, 100)
	want(got.Costs, "bytes billed for queries", price.Measured, 40<<20, 4<<30)
	want(got.Costs, "partitions deleted", price.Measured, 0, 0)
	want(got.Costs, "Pub/Sub bytes", price.Estimated, 12_000, 30_000)
	if q := line(got.Costs, "bytes billed for queries"); got.Costs.Total < q.Cost || q.Cost != price.Scan.Of(q.Quantity) {
		t.Errorf("costs: got %s in all and %s for queries of %d bytes", got.Costs.Total, q.Cost, q.Quantity)
	}

	var story publisher.Story
	p.JSON(t, 0, &story, "explain", l.GameDates[0].String())
	if story.Facts == nil || story.Facts.UploadedBytes == 0 || story.Facts.KeptBytes != 0 {
		t.Errorf("facts of a date: got %+v, want bytes uploaded, and none kept", story.Facts)
	}

	told := p.Publish(t, 0, "explain", l.GameDates[0].String()).Stdout
	if !strings.Contains(told, price.Size(story.Facts.UploadedBytes)+", and 0 B to keep") {
		t.Errorf("explain: got\n%s\nwant it to say what was uploaded", told)
	}
	told = p.Publish(t, 0, append([]string{"publish", "--dry-run", "--force"}, span...)...).Stdout
	if !strings.Contains(told, "Not covered: storage;") {
		t.Errorf("dry run: got\n%s\nwant it to say what it will cost", told)
	}

	// Once a run is measured, a plan over the same dates uploads as much, and keeps as much again.
	uploaded := line(got.Costs, "bytes uploaded").Quantity
	after := plan("--force").Bill
	want(after, "load jobs", price.Estimated, 12, 12)
	want(after, "bytes uploaded", price.Estimated, 2*uploaded-12, 2*uploaded)
	want(after, "query jobs", price.Estimated, line(got.Costs, "query jobs").Quantity,
		line(got.Costs, "query jobs").Quantity)
	if plan := plan("--force"); plan.Measured != got.Run.ID || plan.Duration == 0 {
		t.Errorf("measured by: got %q and %v, want run %s", plan.Measured, plan.Duration, got.Run.ID)
	}

	// Putting one date back is a deletion, since nothing was there before; the report says so.
	p.Publish(t, 0, "rollback", "--run", got.Run.ID, "--dates", l.GameDates[0].String(), "--reason", "costs")
	p.JSON(t, 0, &got, "report")
	want(got.Costs, "partitions deleted", price.Measured, 1, 1)
	rolledBack := 0
	for _, m := range got.Months {
		rolledBack += m.RolledBack
	}
	i := slices.IndexFunc(got.Dates, func(d report.Date) bool { return d.Date == l.GameDates[0] })
	if d := got.Dates[i]; rolledBack != 1 || d.State != "rolled_back" || d.RowsNow != 0 {
		t.Errorf("after the rollback: got %d dates and %+v, want 1 without rows", rolledBack, d)
	}
}
