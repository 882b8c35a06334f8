package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/telemetry"
	"gamefill/internal/worker"
)

var _ worker.Observer = (*telemetry.Metrics)(nil)

const jobName = "weather"

// records is a ledger's answer, and how often it was asked.
type records struct {
	run             ledger.Run // the newest
	none            bool       // the newest is closed, or there is none
	counts          map[ledger.State]int
	pending         []ledger.Entry
	attempts        []ledger.Attempt
	err             error
	runsErr         error // of listing runs
	looks, detailed int
	listed          int
}

func (r *records) OpenRun(context.Context, string) (ledger.Run, bool, error) {
	r.looks++
	return r.run, !r.none && r.err == nil, r.err
}

func (r *records) ListRuns(context.Context, string, int) ([]ledger.Run, error) {
	r.listed++
	if r.run.ID == "" || r.runsErr != nil {
		return nil, r.runsErr
	}
	return []ledger.Run{r.run}, r.err
}

func (r *records) CountStates(context.Context, string, string) (map[ledger.State]int, error) {
	return r.counts, r.err
}

func (r *records) RunEntries(context.Context, string, string, ...ledger.State) ([]ledger.Entry, error) {
	r.detailed++
	return r.pending, r.err
}

func (r *records) Attempts(_ context.Context, _ ledger.AttemptFilter, limit int) ([]ledger.Attempt, error) {
	return r.attempts[:min(limit, len(r.attempts))], r.err
}

var quiet = slog.New(slog.DiscardHandler)

// get asks for a path and returns the status and the body.
func get(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// scrape returns gamefill's samples by name and labels, as they are written.
func scrape(t *testing.T, m *telemetry.Metrics) map[string]float64 {
	t.Helper()
	code, body := get(m.Handler(func() error { return nil }), "/metrics")
	if code != http.StatusOK {
		t.Fatalf("got status %d: %s", code, body)
	}
	samples := map[string]float64{}
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		// labels may have blanks
		name, text := line[:strings.LastIndexByte(line, ' ')], line[strings.LastIndexByte(line, ' ')+1:]
		if !strings.HasPrefix(name, "gamefill_") || strings.Contains(name, "_bucket") {
			continue
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		samples[name] = value
	}
	return samples
}

// of keeps the samples whose name begins with one of the prefixes.
func of(samples map[string]float64, prefixes ...string) map[string]float64 {
	kept := map[string]float64{}
	for name, value := range samples {
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				kept[name] = value
			}
		}
	}
	return kept
}

var onRun = []string{"gamefill_dates", "gamefill_claimable", "gamefill_run_paused", "gamefill_oldest", "gamefill_last",
	"gamefill_eta", "gamefill_check"}

// entry is a pending date that was published that long before now.
func entry(day string, now time.Time, waited time.Duration) ledger.Entry {
	return ledger.Entry{Date: gamedate.MustParse(day), State: ledger.Pending, Seq: 1, PublishedSeq: 1,
		PublishedAt: now.Add(-waited)}
}

func TestGaugesOfTheRun(t *testing.T) {
	t.Parallel()
	states := func(pending, complete float64) map[string]float64 {
		return map[string]float64{
			`gamefill_dates{state="pending"}`: pending, `gamefill_dates{state="leased"}`: 0, `gamefill_dates{state="complete"}`: complete,
			`gamefill_dates{state="no_games"}`: 0, `gamefill_dates{state="no_schedule"}`: 0, `gamefill_dates{state="dead"}`: 0,
			`gamefill_dates{state="cancelled"}`: 0, `gamefill_dates{state="rolled_back"}`: 0,
			`gamefill_run_paused{cause="operator"}`: 0, `gamefill_run_paused{cause="breaker"}`: 0,
			`gamefill_run_paused{cause="environment"}`: 0, `gamefill_run_paused{cause="quota"}`: 0,
		}
	}
	tests := []struct {
		name    string
		records func(now time.Time) *records
		want    map[string]float64 // beside the states
		pending float64
		done    float64
	}{
		{name: "no run", records: func(time.Time) *records { return &records{none: true} },
			want: map[string]float64{"gamefill_claimable_dates": 0, "gamefill_oldest_pending_seconds": 0}},
		{name: "open", pending: 4, done: 6, records: func(now time.Time) *records {
			r := &records{run: ledger.Run{ID: "r", State: ledger.RunOpen, OpenedAt: now.Add(-time.Hour)},
				counts:  map[ledger.State]int{ledger.Pending: 4, ledger.Complete: 6},
				pending: []ledger.Entry{entry("2022-01-01", now, time.Minute), entry("2022-01-02", now, 3*time.Minute)}}
			later := entry("2022-01-03", now, time.Hour)
			later.NotBefore = now.Add(time.Second)
			due := entry("2022-01-04", now, time.Hour)
			due.NotBefore = now.Add(-time.Second)
			r.pending = append(r.pending, later, due)
			for i := range 6 {
				end := now.Add(-time.Duration(10*i+10) * time.Second)
				r.attempts = append(r.attempts,
					ledger.Attempt{Date: gamedate.MustParse("2022-02-01").AddDays(i), Result: ledger.ResultComplete,
						StartedAt: end.Add(-time.Second), EndedAt: end})
			}
			r.attempts = append(r.attempts, ledger.Attempt{Result: ledger.ResultFailed, EndedAt: now})
			return r
		}, want: map[string]float64{"gamefill_claimable_dates": 3, "gamefill_oldest_pending_seconds": 180,
			"gamefill_last_progress_seconds": 10, "gamefill_eta_seconds": 40}},
		{name: "open, nothing settled since", pending: 1, records: func(now time.Time) *records {
			return &records{run: ledger.Run{ID: "r", State: ledger.RunCanary, OpenedAt: now.Add(-time.Hour)},
				counts: map[ledger.State]int{ledger.Pending: 1}, pending: []ledger.Entry{entry("2022-01-01", now, time.Hour)},
				attempts: []ledger.Attempt{{Result: ledger.ResultComplete, EndedAt: now.Add(-2 * time.Hour)}}}
		}, want: map[string]float64{"gamefill_claimable_dates": 1, "gamefill_oldest_pending_seconds": 3600,
			"gamefill_last_progress_seconds": 3600}},
		{name: "paused", pending: 2, records: func(now time.Time) *records {
			return &records{run: ledger.Run{ID: "r", State: ledger.RunPaused, CauseKind: "quota",
				OpenedAt: now.Add(-time.Minute)},
				counts: map[ledger.State]int{ledger.Pending: 2}}
		}, want: map[string]float64{"gamefill_claimable_dates": 0, "gamefill_oldest_pending_seconds": 0,
			"gamefill_last_progress_seconds":     60,
			`gamefill_run_paused{cause="quota"}`: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				want := states(tt.pending, tt.done)
				for name, value := range tt.want {
					want[name] = value
				}
				got := of(scrape(t, telemetry.NewMetrics(tt.records(time.Now()), jobName, quiet)), onRun...)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("samples (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestVerdictsOfTheRun: the worst verdict of each check by scope, and never a date.
func TestVerdictsOfTheRun(t *testing.T) {
	t.Parallel()
	validated := []job.Check{
		{Name: "games", Verdict: job.Pass}, {Name: "games", Scope: "2021-22", Verdict: job.Warned},
		{Name: "games", Scope: "2022-23", Verdict: job.Failed}, {Name: "rows", Verdict: job.Shown},
		{Name: "readable", Verdict: job.NotChecked}, {Name: "readable", Verdict: job.Pass},
		{Name: "games", Scope: "2022-01-15", Verdict: job.Failed},
	}
	ofRange := map[string]float64{
		`gamefill_check_verdict{check="games",scope="range"}`: 0, `gamefill_check_verdict{check="games",scope="2021-22"}`: 1,
		`gamefill_check_verdict{check="games",scope="2022-23"}`: 2, `gamefill_check_verdict{check="rows",scope="range"}`: 0,
		`gamefill_check_verdict{check="readable",scope="range"}`: 2,
	}
	sample := &ledger.Sample{Verdict: job.Failed, Checks: []job.Check{
		{Name: "minutes", Scope: "2022-01-10", Verdict: job.Failed},
		{Name: "minutes", Scope: "2022-01-11", Verdict: job.Pass}, {Name: "no dead dates", Verdict: job.Pass},
	}}
	tests := []struct {
		name    string
		records records
		want    map[string]float64
	}{
		{"no run", records{none: true}, map[string]float64{}},
		{"finished", records{none: true, run: ledger.Run{ID: "r", State: ledger.RunFinished, Checks: validated}}, ofRange},
		{"reopened", records{run: ledger.Run{ID: "r", State: ledger.RunOpen, Checks: validated}}, ofRange},
		{"not validated yet", records{run: ledger.Run{ID: "r", State: ledger.RunOpen}}, map[string]float64{}},
		{"waits for an approval", records{run: ledger.Run{ID: "r", State: ledger.RunAwaitingApproval, Sample: sample}},
			map[string]float64{`gamefill_check_verdict{check="minutes",scope="sample"}`: 2,
				`gamefill_check_verdict{check="no dead dates",scope="sample"}`: 0}},
		{"approved all the same",
			records{run: ledger.Run{ID: "r", State: ledger.RunOpen, Sample: sample, Approval: &ledger.Approval{Override: true}}},
			map[string]float64{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := of(scrape(t, telemetry.NewMetrics(&tt.records, jobName, quiet)), "gamefill_check")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("samples (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWritesOfTheLastDay: counted every five minutes, the less often the more there are, and gone alone when they take
// too long.
func TestWritesOfTheLastDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &records{run: ledger.Run{ID: "r", State: ledger.RunOpen}, counts: map[ledger.State]int{ledger.Complete: 2}}
		wrote := ledger.Attempt{Result: ledger.ResultComplete, Outcome: ledger.Replaced, EndedAt: time.Now()}
		r.attempts = []ledger.Attempt{wrote, {Result: ledger.ResultComplete, Outcome: ledger.Unchanged, EndedAt: time.Now()}}
		m := telemetry.NewMetrics(r, jobName, quiet)
		check := func(after time.Duration, want float64, there bool, listed int) {
			t.Helper()
			time.Sleep(after)
			all := scrape(t, m)
			if got, ok := all["gamefill_partition_writes_last_day"]; got != want || ok != there || r.listed != listed {
				t.Errorf("got %v, there %v, after %d looks, want %v, %v and %d", got, ok, r.listed, want, there, listed)
			}
			if all[`gamefill_dates{state="complete"}`] != 2 {
				t.Errorf("got %v, want the dates whatever becomes of the writes", all)
			}
		}
		check(0, 1, true, 1)
		for len(r.attempts) < 2000 {
			r.attempts = append(r.attempts, wrote)
		}
		check(4*time.Minute, 1, true, 1)
		check(time.Minute, 1999, true, 2)
		check(10*time.Minute, 1999, true, 2) // 3,001 records were read for it
		r.runsErr = errors.New("too slow")
		check(time.Minute, 0, false, 3)
		r.runsErr = nil
		check(59*time.Minute, 0, false, 3)
		check(time.Minute, 1999, true, 4)
	})
}

// TestLedgerIsReadSeldom: however often metrics are asked for, and single dates the less often the more there are.
func TestLedgerIsReadSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		r := &records{run: ledger.Run{ID: "r", State: ledger.RunOpen, OpenedAt: now},
			counts: map[ledger.State]int{ledger.Pending: 600}}
		for range 600 {
			r.pending = append(r.pending, entry("2022-01-01", now, 0))
		}
		m := telemetry.NewMetrics(r, jobName, quiet)
		for range 60 {
			scrape(t, m)
			time.Sleep(time.Second)
		}
		if r.looks != 6 || r.detailed != 2 {
			t.Errorf("in a minute: got %d looks at the run and %d at its dates, want 6 and 2", r.looks, r.detailed)
		}
		if got := scrape(t, m)["gamefill_oldest_pending_seconds"]; got != 60 {
			t.Errorf("an age read a while ago: got %v s, want 60", got)
		}
		r.run.State, r.detailed = ledger.RunPaused, 0
		time.Sleep(10 * time.Second)
		scrape(t, m)
		if r.detailed != 1 {
			t.Errorf("after the run changed: got %d looks at its dates, want 1", r.detailed)
		}
	})
}

// TestLedgerAway: no gauge is made up, the worker's own numbers stay, and the ledger is not asked more often for it.
func TestLedgerAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &records{err: errors.New("away")}
		m := telemetry.NewMetrics(r, jobName, quiet)
		for range 9 {
			got := scrape(t, m)
			if run := of(got, onRun...); len(run) > 0 {
				t.Errorf("got %v, want nothing about the run", run)
			}
			if _, ok := got["gamefill_lease_lost_total"]; !ok {
				t.Error("the worker's counters are gone")
			}
			time.Sleep(time.Second)
		}
		if r.looks != 1 {
			t.Errorf("got %d looks, want 1", r.looks)
		}
	})
}

func TestCountersOfTheWorker(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics(&records{none: true}, jobName, quiet)
	m.AttemptEnded(ledger.ResultComplete, nil)
	m.AttemptEnded(ledger.ResultFailed, &ledger.Failure{Class: failure.Quota})
	m.AttemptEnded(ledger.ResultFailed, &ledger.Failure{Class: failure.Quota})
	m.StageEnded("write", 1500*time.Millisecond)
	m.LeaseLost()
	m.Duplicate()
	want := map[string]float64{
		`gamefill_attempts_total{class="none",result="complete"}`:      1,
		`gamefill_attempts_total{class="quota",result="failed"}`:       2,
		`gamefill_attempts_total{class="transient",result="failed"}`:   0,
		`gamefill_attempts_total{class="environment",result="failed"}`: 0,
		`gamefill_attempts_total{class="permanent",result="dead"}`:     0,
		`gamefill_attempts_total{class="transient",result="dead"}`:     0,
		`gamefill_stage_seconds_sum{stage="write"}`:                    1.5,
		`gamefill_stage_seconds_count{stage="write"}`:                  1,
		`gamefill_lease_lost_total`:                                    1,
		`gamefill_duplicates_total`:                                    1,
	}
	got := of(scrape(t, m), "gamefill_attempts", "gamefill_stage", "gamefill_lease", "gamefill_duplicates")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	var unwell error
	h := telemetry.NewMetrics(&records{none: true}, jobName, quiet).Handler(func() error { return unwell })
	check := func(path string, wantCode int, want string) {
		t.Helper()
		if code, body := get(h, path); code != wantCode || body != want {
			t.Errorf("%s: got %d %q, want %d %q", path, code, body, wantCode, want)
		}
	}
	check("/livez", http.StatusOK, "ok\n")
	check("/readyz", http.StatusOK, "ok\n")
	unwell = errors.New("6 dates wait on the queue")
	check("/livez", http.StatusOK, "ok\n")
	check("/readyz", http.StatusServiceUnavailable, "6 dates wait on the queue\n")
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	m := telemetry.NewMetrics(&records{none: true}, jobName, quiet)
	go func() { done <- telemetry.Serve(ctx, l, m.Handler(func() error { return nil })) }()
	response, err := http.Get("http://" + l.Addr().String() + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Error(err)
	}
	response.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v, want nil", err)
	}
	broken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broken.Close()
	if err := telemetry.Serve(t.Context(), broken, http.NotFoundHandler()); err == nil {
		t.Error("a closed listener: got nil, want an error")
	}
}

func TestJSONHandler(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(telemetry.NewJSONHandler(&out, slog.LevelInfo, "a-project"))
	log.Debug("not this")
	log.Warn("lease lost", "game_date", "2022-01-03", slog.Group("of", "msg", "kept", "level", 3))
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", out.String(), err)
	}
	if text, ok := got["time"].(string); !ok {
		t.Errorf("got time %v, want one", got["time"])
	} else if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
		t.Error(err)
	}
	delete(got, "time")
	want := map[string]any{"severity": "WARNING", "message": "lease lost", "game_date": "2022-01-03",
		"of": map[string]any{"msg": "kept", "level": 3.0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

func TestJSONHandlerNamesSpan(t *testing.T) {
	t.Parallel()
	spans := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 0xf9, 15: 0x36}, SpanID: trace.SpanID{0xf0, 7: 0xb7}}))
	for _, tt := range []struct {
		name, project string
		ctx           context.Context
		trace, span   any
	}{
		{"no span", "a-project", t.Context(), nil, nil},
		{"project", "a-project", spans, "projects/a-project/traces/4bf90000000000000000000000000036", "f0000000000000b7"},
		{"no project", "", spans, "4bf90000000000000000000000000036", "f0000000000000b7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log := slog.New(telemetry.NewJSONHandler(&out, slog.LevelInfo, tt.project)).With("run_id", "r")
			log.InfoContext(tt.ctx, "date complete")
			var got map[string]any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatalf("%s: %v", out.String(), err)
			}
			if got["logging.googleapis.com/trace"] != tt.trace || got["logging.googleapis.com/spanId"] != tt.span ||
				got["run_id"] != "r" {
				t.Errorf("got %v, want trace %v and span %v", got, tt.trace, tt.span)
			}
		})
	}
}

func TestOpenTracesWithoutEndpoint(t *testing.T) {
	t.Parallel()
	traces, err := telemetry.OpenTraces(t.Context(), "gamefill-worker", func(name string) string {
		return map[string]string{"OTEL_SERVICE_NAME": "workers"}[name]
	}, quiet)
	if traces != nil || err != nil {
		t.Errorf("got %v, %v, want no traces", traces, err)
	}
}
