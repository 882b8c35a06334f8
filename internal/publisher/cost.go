package publisher

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/price"
	"gamefill/internal/report"
	"gamefill/internal/warehouse"
)

// Estimate is what a plan will cost, from what earlier runs took. It is no part of the plan's hash.
type Estimate struct {
	Writes int `json:"writes"` // partitions written at most
	// Measured says from which run the times come, "" when none is long enough to tell.
	Measured       string        `json:"measured_by,omitempty"`
	MedianDate     time.Duration `json:"median_date_ns,omitempty"` // from the claim of a date to its completion
	DatesPerMinute float64       `json:"dates_per_minute,omitempty"`
	Duration       time.Duration `json:"duration_ns,omitempty"`
	// WorkerTime is how long workers will be busy, all together.
	WorkerTime time.Duration `json:"worker_time_ns,omitempty"`
	// Bill is what the services will be asked for and what that costs, each line with its basis.
	Bill price.Bill `json:"bill"`
}

const (
	// measuredRuns is how many of the newest runs are looked through for one that tells how fast dates are done.
	measuredRuns = 10
	// measuredDates is how many completions a rate or a mean needs at least, and maxMeasured how many are read for a rate.
	measuredDates = 5
	maxMeasured   = 1000
)

// notMeasured is the basis of what only an earlier run can tell.
const notMeasured = "no measurement yet"

// Estimate says what the plan's dates will cost, by the newest finished runs that tell: of the rate, of the bytes that
// a date uploads and of the queries.
func (p *Publisher) Estimate(ctx context.Context, plan *Plan) (Estimate, error) {
	e := Estimate{Writes: plan.Count(Queue)}
	runs, err := p.ports.Ledger.ListRuns(ctx, p.job.Name, measuredRuns)
	if err != nil {
		return e, fmt.Errorf("list runs: %w", err)
	}
	runs = slices.DeleteFunc(runs, func(run ledger.Run) bool { return run.State != ledger.RunFinished })
	for _, run := range runs {
		attempts, err := p.ports.Ledger.Attempts(ctx, ledger.AttemptFilter{Job: p.job.Name, Run: run.ID, EndedOnly: true},
			maxMeasured)
		if err != nil {
			return e, fmt.Errorf("read attempts of run %s: %w", run.ID, err)
		}
		if e.measure(attempts) {
			e.Measured = run.ID
			break
		}
	}
	if !p.ports.Services.Any() {
		return e, nil
	}
	up, asked, err := p.past(ctx, runs)
	if err != nil {
		return e, err
	}
	e.Bill = p.expect(plan, e, up, asked)
	return e, nil
}

// measure takes the rate of completed attempts; false when they are too few.
func (e *Estimate) measure(attempts []ledger.Attempt) bool {
	var took []time.Duration
	var ends []time.Time
	for _, a := range attempts {
		if a.Result == ledger.ResultComplete {
			took = append(took, a.EndedAt.Sub(a.StartedAt))
			ends = append(ends, a.EndedAt)
		}
	}
	if len(ends) < measuredDates {
		return false
	}
	span := slices.MaxFunc(ends, time.Time.Compare).Sub(slices.MinFunc(ends, time.Time.Compare)) - idle(attempts)
	if span <= 0 {
		return false
	}
	e.MedianDate = median(took)
	e.DatesPerMinute = float64(len(ends)-1) / span.Minutes()
	e.Duration = time.Duration(float64(e.Writes) / e.DatesPerMinute * float64(time.Minute))
	e.WorkerTime = busy(attempts) / time.Duration(len(ends)) * time.Duration(e.Writes)
	return true
}

// maxIdle is the longest time without an attempt that is still of the work: a worker looks for messages, a container
// starts.
const maxIdle = time.Minute

// idle is how long nobody was at work for longer than maxIdle at a time: the run was paused, or waited to be replayed.
func idle(attempts []ledger.Attempt) (sum time.Duration) {
	ended := slices.Clone(attempts)
	ended = slices.DeleteFunc(ended, func(a ledger.Attempt) bool { return a.EndedAt.IsZero() })
	slices.SortFunc(ended, func(a, b ledger.Attempt) int { return a.StartedAt.Compare(b.StartedAt) })
	var until time.Time
	for i, a := range ended {
		if gap := a.StartedAt.Sub(until); i > 0 && gap > maxIdle {
			sum += gap
		}
		if a.EndedAt.After(until) {
			until = a.EndedAt
		}
	}
	return sum
}

// busy is how long workers were at work, all together: of each the time in which it had one date in hand or several.
// Attempts that have not ended are left out.
func busy(attempts []ledger.Attempt) time.Duration {
	byOwner := map[string][]ledger.Attempt{}
	for _, a := range attempts {
		if !a.EndedAt.IsZero() {
			byOwner[a.Owner] = append(byOwner[a.Owner], a)
		}
	}
	var sum time.Duration
	for _, own := range byOwner {
		slices.SortFunc(own, func(a, b ledger.Attempt) int { return a.StartedAt.Compare(b.StartedAt) })
		var until time.Time
		for _, a := range own {
			from := a.StartedAt
			if from.Before(until) {
				from = until
			}
			if a.EndedAt.After(from) {
				sum += a.EndedAt.Sub(from)
				until = a.EndedAt
			}
		}
	}
	return sum
}

// uploads are what completed dates have sent to the warehouse.
type uploads struct {
	run          string // that tells, "" for none
	dates, bytes int64  // written
	kept         int64  // dates of which something was kept
	keptBytes    int64
}

func (u *uploads) add(f *ledger.Facts) {
	if f.UploadedBytes > 0 {
		u.dates, u.bytes = u.dates+1, u.bytes+f.UploadedBytes
	}
	if f.KeptBytes > 0 {
		u.kept, u.keptBytes = u.kept+1, u.keptBytes+f.KeptBytes
	}
}

// expected is what so many dates will send, and keep of what they replace: what is kept is about as large as what
// replaces it, where no kept date tells.
func (u *uploads) expected(dates, kept int64) int64 {
	mean := u.bytes / u.dates
	meanKept := mean
	if u.kept > 0 {
		meanKept = u.keptBytes / u.kept
	}
	return dates*mean + kept*meanKept
}

// asked is what the commands of a run have queried.
type asked struct {
	run string // that tells, "" for none
	warehouse.Queries
}

// past looks through finished runs, newest first, for what dates upload and what a run queries.
func (p *Publisher) past(ctx context.Context, runs []ledger.Run) (up uploads, q asked, err error) {
	if !p.ports.Services.Warehouse {
		return up, q, nil
	}
	for _, run := range runs {
		if up.run == "" {
			entries, err := p.ports.Ledger.RunEntries(ctx, p.job.Name, run.ID, ledger.Complete)
			if err != nil {
				return up, q, fmt.Errorf("read entries of run %s: %w", run.ID, err)
			}
			found := uploads{run: run.ID}
			for _, e := range entries {
				if e.Facts != nil && e.Facts.Run == run.ID {
					found.add(e.Facts)
				}
			}
			if found.dates >= measuredDates {
				up = found
			}
		}
		if q.run == "" {
			events, err := p.ports.Ledger.Events(ctx, p.job.Name, run.ID, 0)
			if err != nil {
				return up, q, fmt.Errorf("read events of run %s: %w", run.ID, err)
			}
			if found := queriesOf(events); found.Jobs > 0 {
				q = asked{run.ID, found}
			}
		}
		if up.run != "" && q.run != "" {
			break
		}
	}
	return up, q, nil
}

// What the lines of bills are called.
const (
	itemLoads    = "load jobs"
	itemUploaded = "bytes uploaded"
	itemDeleted  = "partitions deleted"
	itemKept     = "partitions kept for a rollback"
	itemQueries  = "query jobs"
	itemScanned  = "bytes billed for queries"
)

// notCovered is what no bill has.
var notCovered = []string{
	"storage", "workers that wait for dates, and what the publisher runs on",
	"what renewed leases, retries, the reconciler and workers that drain ask of Firestore",
	"messages delivered more than once", "logs, metrics and network",
}

// expect is the bill of a plan.
func (p *Publisher) expect(plan *Plan, e Estimate, up uploads, q asked) price.Bill {
	b := price.Bill{Services: p.ports.Services, Missing: notCovered}
	var written, kept, emptied, settled int64
	for _, d := range plan.Dates {
		switch {
		case d.Verdict == NoGames && d.State != ledger.NoGames, d.Verdict == NoSchedule && d.State != ledger.NoSchedule:
			settled++
		case d.Verdict != Queue:
			continue
		case d.Reason == ledger.ReasonOrphaned:
			emptied++
		default:
			written++
		}
		if d.Verdict == Queue && d.Target != warehouse.NoToken {
			kept++
		}
	}
	queued := written + emptied
	if b.Services.Warehouse {
		b.Add(price.Line{Item: itemLoads, Quantity: written + kept, Unit: "jobs", Known: price.Estimated,
			Basis: fmt.Sprintf("at most: %d dates to write, %d whose rows are kept first", written, kept)}, price.Load)
		upload := price.Line{Item: itemUploaded, Unit: price.Bytes, Known: price.Unknown, Basis: notMeasured}
		if up.run != "" {
			upload.Quantity, upload.Known = up.expected(written, kept), price.Estimated
			upload.Basis = fmt.Sprintf("%s a date, the mean of %d dates of run %s", price.Size(up.bytes/up.dates),
				up.dates, up.run)
		}
		b.Add(upload, price.Load)
		b.Add(price.Line{Item: itemDeleted, Quantity: emptied, Unit: "partitions", Known: price.Estimated,
			Basis: "dates without games that have rows"}, price.Load)
		basis := "as the commands of run " + q.run
		if q.run == "" {
			q.Queries, basis = p.ports.Store.Queries(), "at least: what this plan itself has asked; "+notMeasured+" of the rest"
		}
		addQueries(&b, q.Queries, price.Estimated, basis)
	}
	if b.Services.Ledger {
		days := int64(len(plan.Dates))
		control := int64(e.WorkerTime / time.Second)
		basis := fmt.Sprintf("%d dates of the range, %d of them published and tried once", days, queued)
		addDocuments(&b, days*price.RangeReads+queued*(price.PublishReads+price.AttemptReads)+control*price.ControlReads,
			queued*(price.PublishWrites+price.AttemptWrites)+settled, basis)
	}
	if b.Services.Queue {
		addMessages(&b, 2*queued, fmt.Sprintf("%d messages, published and delivered once, each as %s", queued,
			price.Size(price.MessageBytes)))
	}
	if e.Measured == "" {
		addWorkers(&b, 0, price.Unknown, notMeasured)
	} else {
		addWorkers(&b, e.WorkerTime, price.Estimated, "as busy for a date as the workers of run "+e.Measured)
	}
	return b
}

func addQueries(b *price.Bill, q warehouse.Queries, known price.Known, basis string) {
	b.Show(price.Line{Item: itemQueries, Quantity: q.Jobs, Unit: "jobs", Known: known, Basis: basis})
	if q.Measured < q.Jobs {
		basis += fmt.Sprintf("; of %d queries it is not known what they were billed", q.Jobs-q.Measured)
	}
	b.Add(price.Line{Item: itemScanned, Quantity: q.Billed, Unit: price.Bytes, Known: known, Basis: basis}, price.Scan)
}

func addDocuments(b *price.Bill, reads, writes int64, basis string) {
	b.Add(price.Line{Item: "Firestore reads", Quantity: reads, Unit: "documents", Known: price.Estimated, Basis: basis},
		price.DocumentRead)
	b.Add(price.Line{Item: "Firestore writes", Quantity: writes, Unit: "documents", Known: price.Estimated, Basis: basis},
		price.DocumentWrite)
}

func addMessages(b *price.Bill, requests int64, basis string) {
	b.Show(price.Line{Item: "Pub/Sub requests", Quantity: requests, Unit: "requests",
		Known: price.Estimated, Basis: basis})
	b.Add(price.Line{Item: "Pub/Sub bytes", Quantity: requests * price.MessageBytes, Unit: price.Bytes,
		Known: price.Estimated, Basis: basis}, price.Throughput)
}

// addWorkers bills busy workers, rounded up to a second, as a Cloud Run instance of 1 vCPU and 1 GiB each.
func addWorkers(b *price.Bill, busy time.Duration, known price.Known, basis string) {
	b.Add(price.Line{Item: "worker-seconds", Quantity: int64((busy + time.Second - 1) / time.Second),
		Unit: "seconds", Known: known, Basis: basis + "; billed as Cloud Run with 1 vCPU and 1 GiB each"}, price.WorkerSecond)
}

// EventQueries is the kind of the events that say what a command has queried for a run.
const EventQueries = "queries"

const queriesForm = "%d queries, of which %d were billed for %d bytes"

func queriesText(q warehouse.Queries) string {
	return fmt.Sprintf(queriesForm, q.Jobs, q.Measured, q.Billed)
}

// chargeQueries tells the audit trail what this publisher has queried since it was made, or last told.
func (p *Publisher) chargeQueries(ctx context.Context, run, actor string) error {
	now := p.ports.Store.Queries()
	p.mu.Lock()
	spent := now.Less(p.charged)
	p.charged = now
	p.mu.Unlock()
	if spent.Jobs == 0 {
		return nil
	}
	event := ledger.Event{Job: p.job.Name, Run: run, Kind: EventQueries, Actor: actor, Message: queriesText(spent)}
	if err := p.ports.Ledger.AddEvent(ctx, event); err != nil {
		return fmt.Errorf("record the queries of run %s: %w", run, err)
	}
	return nil
}

// queriesOf adds up what the events of a run say of queries.
func queriesOf(events []ledger.Event) (sum warehouse.Queries) {
	for _, e := range events {
		var q warehouse.Queries
		if e.Kind != EventQueries {
			continue
		}
		if _, err := fmt.Sscanf(e.Message, queriesForm, &q.Jobs, &q.Measured, &q.Billed); err == nil {
			sum.Jobs, sum.Measured, sum.Billed = sum.Jobs+q.Jobs, sum.Measured+q.Measured, sum.Billed+q.Billed
		}
	}
	return sum
}

// costs makes the bill of the run.
func (g *gathering) costs(r *report.Report, services price.Services) {
	b := &r.Costs
	b.Services = services
	if !services.Any() {
		return
	}
	b.Missing = notCovered
	type message struct {
		date gamedate.Date
		seq  int64
	}
	var loads, deleted int64
	written := map[gamedate.Date]bool{}
	published := map[message]bool{}
	for _, a := range g.attempts {
		published[message{a.Date, a.Seq}] = true
		switch {
		case a.Outcome == ledger.Emptied:
			deleted++
		case wrote(a):
			loads++
		}
		if a.Outcome == ledger.Replaced {
			written[a.Date] = true
		}
	}
	var up uploads
	var kept int64
	for d, e := range g.entries {
		if e.Run == g.run.ID && e.PublishedSeq > 0 {
			published[message{d, e.PublishedSeq}] = true
		}
		if e.Facts == nil || e.Facts.Run != g.run.ID {
			continue
		}
		up.add(e.Facts)
		if e.Facts.Kept {
			kept++
		}
		switch {
		case e.State != ledger.RolledBack:
		case e.Facts.PreImageRows > 0:
			loads++
		default:
			deleted++
		}
	}
	if services.Warehouse {
		b.Add(price.Line{Item: itemLoads, Quantity: loads + kept, Unit: "jobs", Known: price.Measured,
			Basis: fmt.Sprintf("attempts that wrote or may have, %d that kept rows first, and rollbacks; "+
				"loads that were sent again within an attempt are not counted", kept)}, price.Load)
		uploaded := price.Line{Item: itemUploaded, Quantity: up.bytes + up.keptBytes, Unit: price.Bytes,
			Known: price.Measured,
			Basis: fmt.Sprintf("recorded with %d of %d dates that were written, %s of it to keep what was there",
				up.dates, len(written), price.Size(up.keptBytes))}
		if up.dates == 0 && len(written) > 0 {
			uploaded.Known = price.Unknown
		}
		b.Add(uploaded, price.Load)
		b.Add(price.Line{Item: itemDeleted, Quantity: deleted, Unit: "partitions", Known: price.Measured,
			Basis: "dates without games that had rows, and rollbacks to nothing"}, price.Load)
		b.Show(price.Line{Item: itemKept, Quantity: kept, Unit: "partitions", Known: price.Measured,
			Basis: "among the load jobs"})
		q, known, basis := queriesOf(g.events), price.Measured,
			"recorded by publish, and by the validation that closed the run"
		if q.Jobs == 0 {
			known, basis = price.Unknown, "not recorded; INFORMATION_SCHEMA.JOBS has them by the label statement"
		}
		addQueries(b, q, known, basis)
	}
	if services.Ledger {
		days, attempts, messages := int64(g.run.Range.Days()), int64(len(g.attempts)), int64(len(published))
		control := int64(busy(g.attempts) / time.Second)
		addDocuments(b, days*price.RangeReads+messages*price.PublishReads+attempts*price.AttemptReads+
			control*price.ControlReads, messages*price.PublishWrites+attempts*price.AttemptWrites,
			fmt.Sprintf("%d dates of the range, %d messages, %d attempts, %d s of control reads", days,
				messages, attempts, control))
	}
	if services.Queue {
		addMessages(b, int64(len(published)+len(g.attempts)+2*len(g.letters)),
			fmt.Sprintf("at least: %d messages, %d deliveries, %d dead letters, each as %s",
				len(published), len(g.attempts), len(g.letters), price.Size(price.MessageBytes)))
	}
	addWorkers(b, busy(g.attempts), price.Estimated, "the time in which workers had dates in hand, from the attempts")
}
