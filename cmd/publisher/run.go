package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"gamefill/internal/backend"
	"gamefill/internal/ledger"
	"gamefill/internal/summary"
	"gamefill/internal/terminal"
	"gamefill/internal/worker"
)

type runCommand struct {
	requestFlags  `embed:""`
	validateFlags `embed:""`
	beginFlags    `embed:""`
	workFlags     `embed:""`
	notifyFlags   `embed:""`
	DryRun        bool `help:"Show the plan and what is found before the first write, and exit as the command would; changes nothing." env:"-"`
}

// workFlags are shared by the commands that work in this process.
type workFlags struct {
	Concurrency int           `help:"Dates in progress at once." default:"2"`
	Grace       time.Duration `help:"After an interrupt, how long dates in progress may still take." default:"25s"`
}

// check reports settings that cannot be, all together.
func (f *workFlags) check() error {
	var errs []error
	if f.Concurrency < 1 {
		errs = append(errs, errors.New("--concurrency must be at least 1"))
	}
	if f.Grace < 0 {
		errs = append(errs, errors.New("--grace must not be negative"))
	}
	return errors.Join(errs...)
}

// Validate reports settings that cannot be, all together.
func (c *runCommand) Validate() error {
	return errors.Join(c.validateFlags.check(), c.beginFlags.check(), c.workFlags.check())
}

func (*runCommand) Help() string {
	return `Publishes the range, does the work in this process, shows progress, and validates. Interrupted, it gives back what
it has not finished; the same command goes on from there. Over more than --sample-above dates, a sample of them is done and
judged first, as sample does it; when it fails, nothing else is done.

Examples:
  publisher run --from 2021-10-01 --to 2024-05-01
  publisher run --season 2023-24 --allow-warnings
  publisher run --dates 2022-01-15 --force`
}

func (c *runCommand) Run(e *environment) error {
	if err := c.told(e); err != nil {
		return err
	}
	began := time.Now()
	q, err := c.prepareOrShow(e, &c.beginFlags, c.DryRun)
	if err != nil {
		return err
	}
	if c.DryRun {
		return q.admit(e)
	}
	if err := c.first(e, q); err != nil {
		return err
	}
	result, err := q.apply(e)
	if err != nil {
		return err
	}
	var run *ledger.Run
	if result.Nothing {
		if !e.settings.JSON {
			fmt.Fprintln(e.out, nothingToDo(q.plan))
		}
	} else {
		if err := c.work(e, result.Run); err != nil {
			return err
		}
		current, err := q.p.Find(e.ctx, result.RunID)
		if err != nil {
			return err
		}
		run = &current
		if !e.settings.JSON {
			fmt.Fprintf(e.out, "Worked %s.\n", terminal.Duration(time.Since(began)))
		}
	}
	r := q.plan.Range
	if run != nil {
		r = run.Range
	}
	settings, err := c.jobSettings() // they were read before; a run has its own
	if err != nil {
		return err
	}
	return c.judge(e, q.p, r, run, settings)
}

// work runs workers in this process until the run is settled, with live progress.
func (f *workFlags) work(e *environment, run ledger.Run) error {
	host, _ := os.Hostname() // only a name in leases; the pid and the run id make it unique enough on one host
	progress := e.progress()
	config := worker.Config{Owner: fmt.Sprintf("%s-%d-run", host, os.Getpid()), Concurrency: f.Concurrency, Drain: true,
		Grace: f.Grace, Tracer: e.traces.Tracer(), Notifier: e.notifier}
	ports := e.backend
	w, err := worker.New(e.ctx, summary.Job(), e.queue(), ports.Ledger, ports.Store, logTo(progress), config)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(e.ctx)
	var group errgroup.Group
	group.Go(func() error {
		follow(watching, e.backend, run, progress)
		return nil
	})
	err = w.Run(e.ctx)
	stop()
	_ = group.Wait() // follow returns no error: progress is no reason to fail
	if err == nil && e.ctx.Err() != nil {
		return e.ctx.Err()
	}
	return err
}

// follow shows a run's progress, derived from its entries, until ctx is done.
func follow(ctx context.Context, b *backend.Backend, run ledger.Run, progress *terminal.Progress) {
	defer progress.Done()
	rate := newRate(time.Now())
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		counts, err := b.Ledger.CountStates(ctx, run.Job, run.ID)
		if err != nil {
			continue // the next look may work; the run itself reports what is wrong
		}
		done, total := settled(counts)
		progress.Set("dates", done, total, rate.note(time.Now(), done, total))
	}
}

// settled returns how many of a run's dates are settled, and how many it has.
func settled(counts map[ledger.State]int) (done, total int) {
	for state, n := range counts {
		total += n
		if state.Settled() {
			done += n
		}
	}
	return done, total
}

// rateMeter is an exponentially weighted rate of finished dates.
type rateMeter struct {
	began, last time.Time
	done        int
	perSecond   float64
	samples     int
}

func newRate(now time.Time) *rateMeter { return &rateMeter{began: now, last: now} }

// halfWeight is the share of a new sample in the rate: with a look every half second, the last three seconds dominate.
const halfWeight = 0.2

// enoughSamples is how many looks are needed before a rate means anything.
const enoughSamples = 3

// note is the rate and the time left, or what is missing to tell.
func (r *rateMeter) note(now time.Time, done, total int) string {
	seconds := now.Sub(r.last).Seconds()
	if seconds <= 0 {
		return ""
	}
	if r.samples > 0 || done > 0 {
		sample := float64(done-r.done) / seconds
		if r.samples <= 1 {
			r.perSecond = sample
		} else {
			r.perSecond += halfWeight * (sample - r.perSecond)
		}
		r.samples++
	}
	r.last, r.done = now, done
	if r.samples < enoughSamples || r.perSecond <= 0 {
		return "not enough data for an ETA yet"
	}
	left := time.Duration(float64(total-done) / r.perSecond * float64(time.Second))
	return fmt.Sprintf("%.0f dates/s, ETA %s", r.perSecond, terminal.Duration(left))
}
