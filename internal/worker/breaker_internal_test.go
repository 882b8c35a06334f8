package worker

import (
	"strings"
	"testing"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/rebuild"
)

// opened is when the runs of these tests were last opened.
var opened = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

// history makes ended attempts, one a second, from lines "DAY RESULT CLASS REASON", the oldest first, as the ledger
// returns them: the newest first. A line "resume" opens the run anew.
func history(t *testing.T, run *ledger.Run, lines ...string) []ledger.Attempt {
	t.Helper()
	run.OpenedAt = opened
	var attempts []ledger.Attempt
	for i, line := range lines {
		at := opened.Add(time.Duration(i+1) * time.Second)
		if line == "resume" {
			run.OpenedAt = at
			continue
		}
		f := append(strings.Fields(line), "", "")
		a := ledger.Attempt{Date: gamedate.MustParse("2022-01-" + f[0]), EndedAt: at, Result: f[1]}
		if f[2] != "" {
			class, err := failure.ParseClass(f[2])
			if err != nil {
				t.Fatal(err)
			}
			a.Failure = &ledger.Failure{Class: class, Reason: f[3], Stage: rebuild.StageAccept, Message: "because"}
		}
		attempts = append([]ledger.Attempt{a}, attempts...)
	}
	return attempts
}

// gated is a job of which one rule concerns the whole run.
var gated = job.Job{Rules: []job.Rule{{Name: "gate", StopsRun: true}, {Name: "bad"}}}

func TestBreakerRules(t *testing.T) {
	t.Parallel()
	const bad1, bad2, bad3 = "03 dead permanent bad", "01 dead permanent bad", "02 dead permanent bad"
	tests := []struct {
		name  string
		first bool // --stop-on-first-failure
		lines []string
		kind  string // "" for nothing
		cause string // what the sentence contains
	}{
		{"nothing ended", false, nil, "", ""},
		{"two dates alike", false, []string{bad1, bad2}, "", ""},
		{"three dates alike", false, []string{bad1, bad2, bad3}, "breaker",
			"2022-01-01, 2022-01-02 and 2022-01-03 failed alike (permanent bad) with no success between"},
		{"three dates alike, failed for now", false,
			[]string{"01 failed transient timeout", "02 failed transient timeout", "03 failed transient timeout"}, "breaker",
			"transient timeout"},
		{"one date thrice", false,
			[]string{"01 failed transient timeout", "01 failed transient timeout", "01 dead transient timeout"}, "", ""},
		{"two dates, one of them twice", false,
			[]string{"01 failed transient timeout", "02 failed transient timeout", "01 failed transient timeout"}, "", ""},
		{"a success between", false, []string{bad1, "09 complete", bad2, bad3}, "", ""},
		{"a success before", false, []string{"09 complete", bad1, bad2, bad3}, "breaker", "failed alike"},
		{"a success after, by another worker", false, []string{bad1, bad2, bad3, "09 complete"}, "", ""},
		{"another reason", false, []string{bad1, bad2, "02 dead permanent other"}, "", ""},
		{"another class", false, []string{bad1, bad2, "02 failed transient bad"}, "", ""},
		{"another reason between", false, []string{bad1, "09 dead permanent other", bad2, bad3}, "breaker", "permanent bad"},
		{"before the run was resumed", false, []string{bad1, bad2, "resume", bad3}, "", ""},
		{"after it was resumed", false, []string{"09 dead permanent bad", "resume", bad1, bad2, bad3}, "breaker",
			"2022-01-01, 2022-01-02 and 2022-01-03"},
		{"shutdowns", false, []string{"01 released", "02 released", "03 released"}, "", ""},
		{"dates that are not final", false,
			[]string{"01 released transient not_final", "02 released transient not_final", "03 released transient not_final"},
			"", ""},
		{"rate limits", false, []string{"01 failed quota rate", "02 failed quota rate", "03 failed quota rate"}, "", ""},
		{"a worker that was killed", false,
			[]string{"01 expired crash lease_expired", "02 expired crash lease_expired", "03 expired crash lease_expired"},
			"", ""},
		{"a ledger that was away", false,
			[]string{"01 failed transient ledger_unavailable", "02 failed transient ledger_unavailable",
				"03 failed transient ledger_unavailable"}, "", ""},
		{"daily quota", false, []string{"01 failed quota daily_quota"}, "quota", "seen on 2022-01-01: because"},
		{"daily quota before the run was resumed", false, []string{"01 failed quota daily_quota", "resume"}, "", ""},
		{"environment of one date", false,
			[]string{"01 failed environment no_table", "01 failed environment no_table"}, "", ""},
		{"environment of one date, thrice", false,
			[]string{"01 failed environment no_table", "01 failed environment no_table", "01 failed environment no_table"},
			"environment", "no_table, seen on 2022-01-01: because"},
		{"environment of two dates", false,
			[]string{"02 failed environment no_table", "09 complete", "01 failed environment no_table"}, "environment",
			"no_table, seen on 2022-01-01 and 2022-01-02: because"},
		{"a run-wide rule", false, []string{"09 complete", "01 dead permanent gate", "08 complete"}, "breaker",
			"2022-01-01 failed gate, which concerns more than one date"},
		{"a run-wide rule among others", false, []string{"01 dead permanent bad,gate"}, "breaker", "failed gate"},
		{"another rule", false, []string{"01 dead permanent bad"}, "", ""},
		{"a run-wide rule before the run was resumed", false, []string{"01 dead permanent gate", "resume"}, "", ""},
		{"first failure not asked for", false, []string{bad1}, "", ""},
		{"first failure", true, []string{"09 complete", bad1, "08 complete"}, "breaker",
			"2022-01-03 failed (permanent bad), and the run stops at the first failure"},
		{"first failure, to be tried again", true, []string{"01 failed transient timeout"}, "breaker", "transient timeout"},
		{"first failure, a crash", true, []string{"01 expired crash lease_expired"}, "breaker", "crash lease_expired"},
		{"first failure of two is named", true, []string{bad2, bad1}, "breaker", "2022-01-01 failed"},
		{"first failure: a quota is none", true, []string{"01 failed quota rate"}, "", ""},
		{"first failure: a shutdown is none", true, []string{"01 released"}, "", ""},
		{"first failure: not final is none", true, []string{"01 released transient not_final"}, "", ""},
		{"first failure: one date's environment is none", true, []string{"01 failed environment no_table"}, "", ""},
		{"first failure before the run was resumed", true, []string{bad1, "resume"}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			run := ledger.Run{State: ledger.RunOpen, StopOnFirstFailure: tt.first}
			recent := history(t, &run, tt.lines...)
			got := judge(gated, run, recent)
			if got == nil {
				got = &trip{}
			}
			if got.kind != tt.kind || !strings.Contains(got.cause, tt.cause) {
				t.Errorf("got %q, %q, want %q with %q", got.kind, got.cause, tt.kind, tt.cause)
			}
			if want := tt.kind == "breaker"; got.hold != want {
				t.Errorf("holds writes: got %v, want %v", got.hold, want)
			}
		})
	}
}
