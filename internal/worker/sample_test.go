package worker_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/testjob"
)

// fiveDays are dates with readings; the job begins with the first three.
var fiveDays = []string{"2022-05-01", "2022-05-02", "2022-05-03", "2022-05-04", "2022-05-05"}

// guarded asks for the five days, with a bound that they exceed.
func guarded() publisher.Request {
	r := request("2022-05-01", "2022-05-05")
	r.SampleAbove = 4
	return r
}

// sample publishes the sample of a request, works it off and judges it.
func (w *world) sample(r publisher.Request) publisher.SampleResult {
	w.t.Helper()
	r.Sample = true
	result := w.publish(r)
	w.drain()
	s, err := w.publisher().JudgeSample(w.t.Context(), w.openRun(), nil, "tester")
	must(w.t, err)
	if s.Run != result.RunID {
		w.t.Fatalf("sampled run: got %s, want %s", s.Run, result.RunID)
	}
	return s
}

func (w *world) openRun() ledger.Run {
	w.t.Helper()
	run, ok, err := w.ledger.OpenRun(w.t.Context(), w.job.Name)
	must(w.t, err)
	if !ok {
		w.t.Fatal("no run is open")
	}
	return run
}

// refused wants publishing to ask for an approval, and to leave everything as it was.
func (w *world) refused(r publisher.Request, wants ...string) {
	w.t.Helper()
	before := w.states("2022-05-01", "2022-05-05")
	p := w.publisher()
	plan, err := p.Plan(w.t.Context(), r)
	must(w.t, err)
	_, err = p.Publish(w.t.Context(), r, plan, nil)
	if _, ok := errors.AsType[*publisher.ApprovalError](err); !ok {
		w.t.Fatalf("publish: got error %v, want an ApprovalError", err)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			w.t.Errorf("error %q: want it to say %q", err, want)
		}
	}
	if after := w.states("2022-05-01", "2022-05-05"); !slices.Equal(before, after) {
		w.t.Errorf("states after a refusal: got %v, want %v", after, before)
	}
}

func TestSampleComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	w.refused(guarded(), "5 dates are to be done", "publisher sample", "--no-sample")

	s := w.sample(guarded())
	if s.Verdict != job.Pass || !s.Approved || s.State != ledger.RunAwaitingApproval {
		t.Fatalf("sample: got %s, approved %v, run %s; want pass, true, awaiting_approval: %+v", s.Verdict, s.Approved,
			s.State, s.Checks)
	}
	if got, want := s.Dates, []gamedate.Date{date(fiveDays[0]), date(fiveDays[1]),
		date(fiveDays[2])}; !slices.Equal(got, want) {
		t.Errorf("sampled dates: got %v, want %v", got, want)
	}
	if len(s.Spots) != 3 || s.Spots[0].Date != date(fiveDays[0]) || len(s.Spots[0].Rows) != 2 {
		t.Errorf("spot check: got %+v, want two stations on each of three dates", s.Spots)
	}
	if got, want := w.states("2022-05-01", "2022-05-05"),
		slices.Repeat([]ledger.State{ledger.Complete}, 3); !slices.Equal(got, want) {
		t.Fatalf("states after the sample: got %v, want %v", got, want)
	}
	run := w.openRun()
	if a := run.Approval; a == nil || a.Override || a.Version != testjob.Version || a.PlanHash != run.Sample.PlanHash ||
		a.SettingsHash != run.SettingsHash {
		t.Errorf("approval: got %+v, want one bound to the run's version, plan and settings", a)
	}

	if result := w.publish(guarded()); !result.Joined || result.RunID != s.Run || result.Queued != 2 {
		t.Fatalf("publishing the rest: got %+v, want 2 dates that join run %s", result, s.Run)
	}
	w.drain()
	if j := w.validate("2022-05-01", "2022-05-05"); !j.Finished || j.Verdict != job.Pass {
		t.Errorf("validation: got %s, finished %v, want pass and true: %+v", j.Verdict, j.Finished, j.Checks)
	}

	again := guarded() // what passed holds for later runs of the same version and settings
	again.Force = true
	if result := w.publish(again); result.Queued != 5 {
		t.Errorf("publishing all again: got %d dates queued, want 5", result.Queued)
	}
	if a := w.openRun().Approval; a == nil || !strings.Contains(a.Reason, s.Run) {
		t.Errorf("approval of the later run: got %+v, want it to name run %s", a, s.Run)
	}
}

func TestSampleOfOtherSettingsDoesNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	w.sample(guarded())
	w.publish(guarded())
	w.drain()
	w.validate("2022-05-01", "2022-05-05")
	other := guarded()
	other.Settings = []byte(`{"unit":"hundredths"}`)
	w.refused(other)
}

func TestSampleOfACancelledRunDoesNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	s := w.sample(guarded())
	_, err := w.publisher().Cancel(t.Context(), s.Run, "the numbers look odd", "tester")
	must(t, err)
	r := guarded()
	r.Force = true
	w.refused(r)
}

func TestAtTheBoundNoSampleIsAsked(t *testing.T) {
	t.Parallel()
	for name, above := range map[string]int{"at the bound": 5, "no bound": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fiveDays...)
			r := guarded()
			r.SampleAbove = above
			if result := w.publish(r); result.Queued != 5 {
				t.Errorf("queued: got %d, want 5", result.Queued)
			}
			if run := w.openRun(); run.Approval != nil || run.State != ledger.RunOpen {
				t.Errorf("run: got %s with approval %v, want open with none", run.State, run.Approval)
			}
		})
	}
}

func TestFailedSampleHoldsTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	w.reading(fiveDays[1], testjob.TooWet, 9000)
	s := w.sample(guarded())
	if s.Verdict != job.Failed || s.Approved || len(s.DeadDates) != 1 {
		t.Fatalf("sample with a dead date: got %s, approved %v, %d dead, want fail, false and 1", s.Verdict, s.Approved,
			len(s.DeadDates))
	}
	small := request(fiveDays[4], fiveDays[4]) // a few dates would open the run as well
	for _, r := range []publisher.Request{guarded(), small} {
		w.refused(r, "failed", "publisher approve")
	}
	w.drain() // nothing is left to do, and nobody waits

	_, err := w.publisher().Approve(t.Context(), s.Run, " ", "tester")
	if _, ok := errors.AsType[*publisher.UsageError](err); !ok {
		t.Errorf("approval without a reason: got %v, want a UsageError", err)
	}
	run, err := w.publisher().Approve(t.Context(), s.Run, "known rain", "tester")
	must(t, err)
	if a := run.Approval; a == nil || !a.Override || a.Actor != "tester" || a.Reason != "known rain" {
		t.Errorf("approval: got %+v, want an override by tester", a)
	}
	if _, err := w.publisher().Approve(t.Context(), s.Run, "twice", "tester"); err == nil {
		t.Error("second approval: got no error")
	}
	events, err := w.ledger.Events(t.Context(), w.job.Name, s.Run, 1)
	must(t, err)
	if events[0].Kind != publisher.EventApproved || events[0].Message != "known rain" {
		t.Errorf("newest event: got %+v, want the approval", events[0])
	}
	w.publish(guarded())
	if run := w.openRun(); run.State != ledger.RunOpen {
		t.Errorf("run after publishing the rest: got %s, want open", run.State)
	}
}

func TestMendedSamplePasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	w.sql(`DELETE FROM readings WHERE day = ?`, fiveDays[0])
	first := w.sample(guarded())
	if first.Verdict != job.Failed {
		t.Fatalf("sample without readings: got %s, want fail", first.Verdict)
	}
	w.reading(fiveDays[0], "north", 5)
	second := w.sample(guarded())
	if second.Run != first.Run || !second.Approved {
		t.Errorf("mended sample: got run %s, approved %v, want run %s and true: %+v", second.Run, second.Approved, first.Run,
			second.Checks)
	}
}

func TestSampleUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	r := guarded()
	r.Sample = true
	result := w.publish(r)
	if run := w.openRun(); run.State != ledger.RunCanary || result.Queued != 3 {
		t.Fatalf("run: got %s with %d dates, want canary with 3", run.State, result.Queued)
	}
	if _, err := w.publisher().JudgeSample(t.Context(), w.openRun(), nil, "tester"); !errors.Is(err,
		publisher.ErrSampleUnderWay) {
		t.Errorf("judging too early: got %v, want ErrSampleUnderWay", err)
	}
	w.refused(guarded(), "under way")

	p := w.publisher()
	_, err := p.Pause(t.Context(), result.RunID, "lunch", "tester")
	must(t, err)
	run, err := p.Resume(t.Context(), result.RunID, "back", "tester")
	must(t, err)
	if run.State != ledger.RunCanary {
		t.Errorf("resumed sample: got %s, want canary", run.State)
	}

	skip := guarded()
	skip.SkipSample, skip.Reason = true, "seen before"
	w.publish(skip)
	if run := w.openRun(); run.State != ledger.RunOpen || run.Approval == nil || !run.Approval.Override {
		t.Errorf("run after an override: got %s with approval %+v, want open with an override", run.State, run.Approval)
	}
}

func TestSampleOfChosenDates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	r := guarded()
	r.Canary = []gamedate.Date{date(fiveDays[4])}
	if s := w.sample(r); !slices.Equal(s.Dates, r.Canary) {
		t.Errorf("sampled dates: got %v, want %v", s.Dates, r.Canary)
	}
}

func TestOverrideNeedsAReason(t *testing.T) {
	t.Parallel()
	r := guarded()
	r.SkipSample = true
	if _, err := publisher.Check(testjob.Job(nil), r); err == nil || !strings.Contains(err.Error(), "--reason") {
		t.Errorf("check: got %v, want it to ask for a reason", err)
	}
}

// The range of a run is what was published: that of its sample says only where the sample was taken from.
func TestRangeAfterASample(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	whole, sampled := guarded().Range, guarded()
	sampled.Canary = []gamedate.Date{date(fiveDays[0])}
	w.sample(sampled)
	if run := w.openRun(); run.Range != whole || run.Sample.Range != whole {
		t.Errorf("sampled run: got range %s, its sample's %s, want %s", run.Range, run.Sample.Range, whole)
	}
	w.publish(request(fiveDays[3], fiveDays[4]))
	run := w.openRun()
	if want := request(fiveDays[3], fiveDays[4]).Range; run.Range != want || run.Sample.Range != whole {
		t.Errorf("published run: got range %s, its sample's %s, want %s and %s", run.Range, run.Sample.Range, want, whole)
	}
	w.drain()
	w.publish(request(fiveDays[2], fiveDays[2])) // joins: from now on both belong to the run
	w.drain()
	run = w.openRun()
	if want := request(fiveDays[2], fiveDays[4]).Range; run.Range != want {
		t.Errorf("run that was joined: got range %s, want %s", run.Range, want)
	}
	j, err := w.publisher().Validate(t.Context(), run.Range, &run, "tester", publisher.Judging{}, nil)
	must(t, err)
	if !j.Finished || j.Verdict != job.Pass {
		t.Errorf("validation: got %s, finished %v, want pass and true: %+v", j.Verdict, j.Finished, j.Checks)
	}
	if got := w.rollback(publisher.RollbackRequest{Run: run.ID, DryRun: true}); len(got.Dates) != 4 {
		t.Errorf("rollback of the run: got %+v, want its three dates and that of the sample", got.Dates)
	}
}

// eastLines is what a check says of the first n lines of a station that is not there.
func eastLines(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf("line %d, 2022-05-01 east: there is no such row", i+2))
	}
	return strings.Join(parts, "; ")
}

// Golden rows are found and equal, or the sample fails and says which is not, in what; their dates are part of it.
func TestGoldenRows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, csv string
		want      job.Check
	}{
		{"equal", "day,station,region,tenths\n2022-05-01,north,hills,12\n2022-05-05,south,plain,30\n",
			job.Check{Verdict: job.Pass, Seen: "2 of 2 rows"}},
		{"clocks are not compared", "day,station,written_at\n2022-05-01,north,2001-01-01T00:00:00Z\n",
			job.Check{Verdict: job.Pass, Seen: "1 of 1 row"}},
		{"other values", "day,station,region,tenths\n2022-05-02,north,,13\n2022-05-01,south,plain,30\n",
			job.Check{Verdict: job.Failed, Seen: "1 of 2 rows",
				Advice: `line 2, 2022-05-02 north: region is "hills", want NULL, tenths is 12, want 13`}},
		{"no such row", "day,station\n2022-05-01,east\n",
			job.Check{Verdict: job.Failed, Seen: "0 of 1 row", Advice: "line 2, 2022-05-01 east: there is no such row"}},
		{"many", "day,station\n" + strings.Repeat("2022-05-01,east\n", 7),
			job.Check{Verdict: job.Failed, Seen: "0 of 7 rows", Advice: eastLines(5) + "; and 2 more"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fiveDays...)
			golden, err := publisher.ReadGolden(strings.NewReader(tt.csv), testjob.Target)
			must(t, err)
			r := guarded()
			r.Golden, r.Sample = golden, true
			w.publish(r)
			w.drain()
			s, err := w.publisher().JudgeSample(t.Context(), w.openRun(), golden, "tester")
			must(t, err)
			i := slices.IndexFunc(s.Checks, func(c job.Check) bool { return c.Name == "golden rows" })
			if i < 0 {
				t.Fatalf("got checks %+v, want golden rows among them", s.Checks)
			}
			if got := s.Checks[i]; got.Verdict != tt.want.Verdict || got.Seen != tt.want.Seen || got.Advice != tt.want.Advice {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if s.Approved != (tt.want.Verdict == job.Pass) {
				t.Errorf("approved: got %v with verdict %s", s.Approved, s.Verdict)
			}
		})
	}
}

// The golden row of a date that died is not what the table holds from before.
func TestGoldenRowOfADeadDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	w.publish(request(fiveDays[0], fiveDays[0]))
	w.drain()
	w.validate(fiveDays[0], fiveDays[0])
	w.reading(fiveDays[0], testjob.TooWet, 9000)
	golden, err := publisher.ReadGolden(strings.NewReader("day,station,tenths\n2022-05-01,north,12\n"), testjob.Target)
	must(t, err)
	r := guarded()
	r.Golden, r.Sample = golden, true
	w.publish(r)
	w.drain()
	s, err := w.publisher().JudgeSample(t.Context(), w.openRun(), golden, "tester")
	must(t, err)
	if i := slices.IndexFunc(s.Checks, func(c job.Check) bool {
		return c.Name == "golden rows"
	}); i < 0 || !strings.Contains(s.Checks[i].Advice, "was not done") {
		t.Errorf("got checks %+v, want the golden row refused", s.Checks)
	}
}
