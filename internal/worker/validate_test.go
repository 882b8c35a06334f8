package worker_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/publisher"
	"gamefill/internal/testjob"
)

// settled publishes a range, does it and closes the run.
func (w *world) settled(from, to string) (run string) {
	w.t.Helper()
	run = w.publish(request(from, to)).RunID
	w.drain()
	if j := w.validate(from, to); !j.Finished {
		w.t.Fatalf("run %s: got %+v, want it finished", run, j)
	}
	return run
}

// named finds a check.
func named(t *testing.T, checks []job.Check, name string) job.Check {
	t.Helper()
	i := slices.IndexFunc(checks, func(c job.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check %q", name)
	}
	return checks[i]
}

// TestEngineChecks has each check of the engine fire, and not fire for the next best run of two days.
func TestEngineChecks(t *testing.T) {
	t.Parallel()
	const first, second, third = "2022-01-04", "2022-01-05", "2022-01-06"
	nothing := func(*world, string) {}
	tests := []struct {
		name, check string
		prepare     func(w *world)             // before the run
		meanwhile   func(w *world, run string) // before the range is judged
		from, to    string
		want        job.Verdict
	}{
		{"a day that nobody published", "every date settled", func(w *world) { w.plan(third, true) }, nothing, first, third,
			job.Failed},
		{"a day that is not final", "every date settled", func(w *world) { w.plan(third, false) }, nothing, first, third,
			job.Warned},
		{"a day outside the range", "every date settled", func(w *world) { w.plan(third, true) }, nothing, first,
			second, job.Pass},
		{"a dead date", "no dead dates", func(w *world) { w.reading(second, testjob.Permanent, 1) }, nothing, first, second,
			job.Failed},
		{"a rejected row", "no dead dates", func(w *world) { w.reading(second, testjob.Odd, 1) }, nothing, first,
			second, job.Pass},
		{"a date that was put back", "no rolled-back dates", nil, func(w *world, run string) {
			w.rollback(publisher.RollbackRequest{Run: run, Dates: []gamedate.Date{date(second)}})
		}, first, second, job.Warned},
		{"a rollback that was only looked at", "no rolled-back dates", nil, func(w *world, run string) {
			w.rollback(publisher.RollbackRequest{Run: run, DryRun: true})
		}, first, second, job.Pass},
		{"four quiet days in season", "no silence in the calendar", func(w *world) {
			w.plan("2022-03-01", true)
			w.plan("2022-03-06", true)
		}, nothing,
			"2022-03-02", "2022-03-05", job.Warned},
		{"three quiet days in season", "no silence in the calendar", func(w *world) {
			w.plan("2022-03-01", true)
			w.plan("2022-03-05", true)
		}, nothing,
			"2022-03-02", "2022-03-04", job.Pass},
		{"another writer", "partitions are what was recorded", nil, func(w *world, _ string) {
			w.sql(`UPDATE rain_per_day SET tenths = tenths + 1 WHERE day = ? AND station = 'north'`, second)
		}, first, second, job.Failed},
		{"another writer who changes nothing", "partitions are what was recorded", nil, func(w *world, _ string) {
			w.sql(`UPDATE rain_per_day SET tenths = tenths + 0 WHERE day = ?`, second)
		}, first, second, job.Pass},
		{"a row that vanished", "rows in = rows used + rejected", nil, func(w *world, _ string) {
			// no worker completes such a date
			w.sql(`UPDATE ledger_facts SET facts = json_set(facts, '$.counts.rows_in', 99) WHERE date = ?`, second)
		}, first, second, job.Failed},
		{"a row that is rejected", "rows in = rows used + rejected", func(w *world) { w.reading(second, testjob.Odd, 1) },
			nothing, first, second, job.Pass},
		{"a warning", "acceptance without warnings", func(w *world) {
			build := w.job.Build
			w.job.Build = func(shared any, in job.Input) (job.Output, error) {
				out, err := build(shared, in)
				out.Findings = append(out.Findings, job.Finding{Rule: "too_wet", Level: job.Warn, Message: "nearly too wet"})
				return out, err
			}
		}, nothing, first, second, job.Warned},
		{"no warning", "acceptance without warnings", nil, nothing, first, second, job.Pass},
		{"a late reading", "sources unchanged since", nil, func(w *world, _ string) { w.reading(second, "east", 5) }, first,
			second, job.Warned},
		{"a late reading of another day", "sources unchanged since", nil,
			func(w *world, _ string) { w.reading(third, "east", 5) }, first, second, job.Pass},
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, tt := range tests {
		if tt.want == job.Pass {
			quiet[tt.check] = true
		} else {
			fires[tt.check] = true
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, first, second)
			if tt.prepare != nil {
				tt.prepare(w)
			}
			tt.meanwhile(w, w.settled(first, second))
			c := named(t, w.validate(tt.from, tt.to).Checks, tt.check)
			if c.Verdict != tt.want || (c.Advice == "") != (tt.want == job.Pass) {
				t.Errorf("got %+v, want %s, and advice unless it passes", c, tt.want)
			}
		})
	}
	w := newWorld(t, first, second)
	w.settled(first, second)
	for _, c := range w.validate(first, second).Checks {
		if c.Name != "stations reported" && (!fires[c.Name] || !quiet[c.Name]) { // that one is the job's
			t.Errorf("%q: seen to fire %v, seen not to fire %v", c.Name, fires[c.Name], quiet[c.Name])
		}
	}
}

// TestFailedAttemptsOfASample: an attempt that went wrong is told although its date is well.
func TestFailedAttemptsOfASample(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int64]job.Verdict{0: job.Pass, 1: job.Warned} {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fiveDays...)
			var builds atomic.Int64
			w.hooks.Build = func(gamedate.Date) error {
				if builds.Add(1) <= failures {
					return errors.New("a passing weakness")
				}
				return nil
			}
			if c := named(t, w.sample(guarded()).Checks, "no failed attempts"); c.Verdict != want {
				t.Errorf("got %+v, want %s", c, want)
			}
		})
	}
}
