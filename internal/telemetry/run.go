package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
)

// Ledger is what the gauges of the run are read from.
type Ledger interface {
	OpenRun(ctx context.Context, jobName string) (run ledger.Run, ok bool, err error)
	ListRuns(ctx context.Context, jobName string, limit int) ([]ledger.Run, error)
	CountStates(ctx context.Context, jobName, run string) (map[ledger.State]int, error)
	RunEntries(ctx context.Context, jobName, run string, states ...ledger.State) ([]ledger.Entry, error)
	Attempts(ctx context.Context, f ledger.AttemptFilter, limit int) ([]ledger.Attempt, error)
}

const (
	// readEvery is how often the ledger is read at most, however often the metrics are asked for.
	readEvery = 10 * time.Second
	// perEntry is how much later single entries are read again for each one read: twenty reads a second and worker at
	// most, which is 0.04 USD an hour at Firestore's 0.06 USD for 100,000 reads. The counts by state stay fresh.
	perEntry = 50 * time.Millisecond
	// writesEvery and perWrite are the same for the writes of the last day: five reads a second and worker at most, since
	// a quota of thousands can wait. When they cannot be counted in time, they are left alone for writesAway.
	writesEvery = 5 * time.Minute
	perWrite    = 200 * time.Millisecond
	writesAway  = time.Hour
	// readTimeout bounds one look at the ledger; Prometheus gives up a scrape after 10 s unless told otherwise.
	readTimeout = 5 * time.Second
	// recentAttempts is how many of the newest attempts the rate is taken from.
	recentAttempts = 100
)

// causes are the kinds of cause that pause a run: ledger.Run.CauseKind.
var causes = []string{"operator", "breaker", "environment", "quota"}

// Scopes of checks that are no season: the whole range of a run, and its sample, whose dates are told apart by no
// label.
const (
	scopeRange  = "range"
	scopeSample = "sample"
)

// checkKey tells checks apart.
type checkKey struct{ check, scope string }

// verdictValues are the values of gamefill_check_verdict.
var verdictValues = map[job.Verdict]float64{job.Pass: 0, job.Shown: 0, job.Warned: 1, job.Failed: 2, job.NotChecked: 2}

// runGauges reads the gauges of the job's open run. Without an open run there are no dates, and nothing is paused; the
// checks are those of the run before.
type runGauges struct {
	ledger Ledger
	job    string
	log    *slog.Logger

	dates, claimable, paused, oldest, progress, eta, verdict, writes *prometheus.Desc

	mu     sync.Mutex // guards what follows, and lets one scrape at a time read
	readAt time.Time
	err    error // of the latest read
	run    ledger.Run
	open   bool // there is a run
	counts map[ledger.State]int
	checks map[checkKey]float64 // by verdictValues

	detailedAt time.Time
	details    int       // entries and attempts read
	writesDue  time.Time // when writes are counted again
	written    int       // partitions, in the day before they were counted
	counted    bool      // they could be
	notBefore  []time.Time
	standing   publisher.Standing
	settledAt  time.Time // when a date was settled last, or the run was opened
}

func newRunGauges(l Ledger, jobName string, log *slog.Logger) *runGauges {
	return &runGauges{
		ledger: l, job: jobName, log: log,
		dates:     prometheus.NewDesc("gamefill_dates", "Dates of the open run by state.", []string{"state"}, nil),
		claimable: prometheus.NewDesc("gamefill_claimable_dates", "Dates that a worker may take now.", nil, nil),
		paused:    prometheus.NewDesc("gamefill_run_paused", "1 for the cause that pauses the run.", []string{"cause"}, nil),
		oldest: prometheus.NewDesc("gamefill_oldest_pending_seconds",
			"Age of the date that has waited longest, in seconds.", nil, nil),
		progress: prometheus.NewDesc("gamefill_last_progress_seconds",
			"Seconds since a date was settled, or the run was opened.", nil, nil),
		eta: prometheus.NewDesc("gamefill_eta_seconds",
			"Seconds until the run is settled at its present rate.", nil, nil),
		verdict: prometheus.NewDesc("gamefill_check_verdict",
			"Verdict of a check of the newest run: 0 pass or only shown, 1 warn, 2 fail.", []string{"check", "scope"}, nil),
		writes: prometheus.NewDesc("gamefill_partition_writes_last_day",
			"Partitions of the target written in the last 24 hours.", nil, nil),
	}
}

// Describe names the gauges.
func (g *runGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.dates, g.claimable, g.paused, g.oldest, g.progress, g.eta,
		g.verdict, g.writes} {
		ch <- d
	}
}

// Collect sends the gauges as the ledger had them at most readEvery ago. A ledger that does not answer has none: what
// it said before would look like a run that stands still.
func (g *runGauges) Collect(ch chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if g.readAt.IsZero() || now.Sub(g.readAt) >= readEvery {
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		if g.err = g.read(ctx, now); g.err != nil {
			g.log.WarnContext(ctx, "read the run for its metrics", "error", g.err.Error())
		} else if !now.Before(g.writesDue) {
			g.readWrites(ctx, now)
		}
		g.readAt = now
	}
	if g.err != nil {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, state := range ledger.States {
		gauge(g.dates, float64(g.counts[state]), string(state))
	}
	for _, cause := range causes {
		value := 0.0
		if g.open && g.run.State == ledger.RunPaused && g.run.CauseKind == cause {
			value = 1
		}
		gauge(g.paused, value, cause)
	}
	claimable, oldest := 0, 0.0
	if g.open && g.run.State.Working() {
		claimable = max(0, g.counts[ledger.Pending]-g.postponed(now))
	}
	if w := g.standing.OldestWaiting; g.open && w != nil {
		oldest = max(0, now.Sub(w.Since).Seconds())
	}
	gauge(g.claimable, float64(claimable))
	gauge(g.oldest, oldest)
	if g.open && !g.settledAt.IsZero() {
		gauge(g.progress, max(0, now.Sub(g.settledAt).Seconds()))
	}
	if left := g.standing.Left; g.open && left != nil {
		gauge(g.eta, left.Likely.Seconds())
	}
	if g.counted {
		gauge(g.writes, float64(g.written))
	}
	for key, value := range g.checks {
		gauge(g.verdict, value, key.check, key.scope)
	}
}

// postponed is how many dates wait for a time that has not come.
func (g *runGauges) postponed(now time.Time) (n int) {
	for _, until := range g.notBefore {
		if until.After(now) {
			n++
		}
	}
	return n
}

// read looks at the ledger: at the run and its counts, and at single dates when it is time or the run is another.
func (g *runGauges) read(ctx context.Context, now time.Time) error {
	run, open, err := g.ledger.OpenRun(ctx, g.job)
	if err != nil {
		return err
	}
	if !open {
		newest, err := g.ledger.ListRuns(ctx, g.job, 1)
		if err != nil {
			return fmt.Errorf("look for the newest run: %w", err)
		}
		g.run, g.open, g.counts, g.checks = ledger.Run{}, false, nil, nil
		if len(newest) > 0 {
			g.checks = verdicts(newest[0])
		}
		return nil
	}
	counts, err := g.ledger.CountStates(ctx, g.job, run.ID)
	if err != nil {
		return fmt.Errorf("count states of run %s: %w", run.ID, err)
	}
	same := run.ID == g.run.ID && run.State == g.run.State && run.OpenedAt.Equal(g.run.OpenedAt)
	if !same || now.Sub(g.detailedAt) >= max(readEvery, time.Duration(g.details)*perEntry) {
		if err := g.readDates(ctx, run, counts, now); err != nil {
			return err
		}
	}
	g.run, g.open, g.counts, g.checks = run, true, counts, verdicts(run)
	return nil
}

// readWrites counts the writes of the last day. Attempts may be many: when they take too long, the other gauges stay.
func (g *runGauges) readWrites(ctx context.Context, now time.Time) {
	written, read, err := publisher.RecentWrites(ctx, g.ledger, g.job, now)
	g.written, g.counted, g.writesDue = written, err == nil, now.Add(max(writesEvery, time.Duration(read)*perWrite))
	if err != nil {
		g.writesDue = now.Add(writesAway)
		g.log.WarnContext(ctx, "count the writes of the last day for the metrics", "error", err.Error())
	}
}

// verdicts are those of a run's latest validation, and those of its sample while the run waits for it: of a check the
// worst of all dates.
func verdicts(run ledger.Run) map[checkKey]float64 {
	worst := map[checkKey]float64{}
	add := func(check, scope string, v job.Verdict) {
		key := checkKey{check, scope}
		worst[key] = max(worst[key], verdictValues[v])
	}
	for _, c := range run.Checks {
		if _, err := gamedate.Parse(c.Scope); err != nil {
			add(c.Name, cmp.Or(c.Scope, scopeRange), c.Verdict)
		}
	}
	if run.Sampling() {
		for _, c := range run.Sample.Checks {
			add(c.Name, scopeSample, c.Verdict)
		}
	}
	return worst
}

// readDates reads what only single dates and attempts tell: who waits, since when, and how fast the run goes.
func (g *runGauges) readDates(ctx context.Context, run ledger.Run, counts map[ledger.State]int, now time.Time) error {
	pending, err := g.ledger.RunEntries(ctx, g.job, run.ID, ledger.Pending)
	if err != nil {
		return fmt.Errorf("read pending dates of run %s: %w", run.ID, err)
	}
	attempts, err := g.ledger.Attempts(ctx, ledger.AttemptFilter{Job: g.job, Run: run.ID, EndedOnly: true}, recentAttempts)
	if err != nil {
		return fmt.Errorf("read attempts of run %s: %w", run.ID, err)
	}
	if run.ID != g.run.ID || !run.OpenedAt.Equal(g.run.OpenedAt) {
		g.settledAt = run.OpenedAt
	}
	for _, a := range attempts {
		if (a.Result == ledger.ResultComplete || a.Result == ledger.ResultDead) && a.EndedAt.After(g.settledAt) {
			g.settledAt = a.EndedAt
		}
	}
	g.standing = publisher.StandingOf(run, counts, pending, attempts, now)
	g.notBefore = g.notBefore[:0]
	for _, w := range g.standing.Waiting {
		g.notBefore = append(g.notBefore, w.Until)
	}
	g.detailedAt, g.details = now, len(pending)+len(attempts)
	return nil
}
