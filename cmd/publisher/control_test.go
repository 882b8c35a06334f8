package main

import (
	"strings"
	"testing"

	"gamefill/internal/publisher"
	"gamefill/test/league"
)

// A paused run takes no dates: one sentence says so, and what lets it go on.
func TestPausedRunIsJoinedLater(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 4})
	first := d.league.GameDates[0].String()
	var published publisher.Result
	d.document(exitDone, &published, "publish", "--dates", first)
	d.want(exitDone, "pause", "--reason", "lunch")
	for _, args := range [][]string{
		d.spanOf("publish"), d.spanOf("publish", "--skip-preflight", "--reason", "known"),
		d.spanOf("run"), d.spanOf("sample"), d.spanOf("publish", "--dates", first),
	} {
		r := d.want(exitError, args...)
		contains(t, r.errout, "is paused (operator: lunch)", "publisher resume --reason")
		if got := strings.Count(r.out+r.errout, published.RunID); got != 1 {
			t.Errorf("%s: the run is named %d times, want once:\n%s%s", args[0], got, r.out, r.errout)
		}
	}
	r := d.want(exitFailed, "validate")
	contains(t, r.out, "1 date is not done: "+first, "is paused (operator: lunch)",
		"publisher resume --reason …` lets it go on, then run workers")
	if strings.Contains(r.out, "publish the range") {
		t.Errorf("advice on a paused run: got\n%s\nwant it without publishing, which is refused", r.out)
	}
	contains(t, d.want(exitFailed, "validate", "--from", first, "--to", first).out, "publisher resume --reason")
	d.want(exitDone, "resume", "--reason", "back")
	contains(t, d.want(exitFailed, "validate").out, "run workers")
}

// What stopped a sample is not judged: the run is resumed first, and every refusal says so.
func TestStoppedSampleSaysTheWayOut(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{NoBoxScores: []int{6}})
	sample := d.spanOf("sample", "--stop-on-first-failure")
	contains(t, d.want(exitError, sample...).errout, "is paused (breaker")
	for _, r := range []result{
		d.want(exitError, "approve", "--reason", "known gap"), d.want(exitError, d.spanOf("publish")...),
		d.want(exitError, d.spanOf("run")...),
	} {
		contains(t, r.errout, "publisher resume --reason", "then the same `publisher sample` again")
	}
	d.want(exitDone, "resume", "--reason", "looked at it")
	d.want(exitError, sample...) // the same failure stops it again
}

// Where nothing can be paused, it says what can be done instead.
func TestPauseSaysWhatElse(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 4})
	d.want(exitDone, d.spanOf("sample")...)
	contains(t, d.want(exitError, "pause", "--reason", "lunch").errout, "no date of it is worked on",
		"publisher cancel --reason")
	contains(t, d.want(exitFailed, "validate").out, "publish the range")
	d.want(exitDone, d.spanOf("run")...)
	contains(t, d.want(exitError, "pause", "--reason", "lunch").errout, "no run is open")
}

// Without changing anything a verb's dry run ends as the verb does, in whatever state the run is.
func TestVerbsDryRun(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 4})
	verbs := []string{"pause", "resume", "approve", "cancel"}
	check := func(want ...string) { // what of verbs is refused, "" for nothing; none of them is done
		t.Helper()
		for i, verb := range verbs {
			r := d.do(verb, "--reason", "a test", "--dry-run")
			if want[i] == "" {
				if r.code != exitDone {
					t.Errorf("%s: got exit code %d, want 0\n%s", verb, r.code, r.errout)
				}
				contains(t, r.out, "Would "+verb)
				continue
			}
			if r.code != exitError {
				t.Errorf("%s: got exit code %d, want 1\n%s", verb, r.code, r.out)
			}
			contains(t, r.errout, want[i])
			contains(t, d.want(exitError, verb, "--reason", "a test").errout, want[i])
		}
	}
	// A ledger without dates:
	contains(t, d.want(exitFailed, d.spanOf("validate")...).out, ": fail. 0 rows. table_fingerprint")
	d.want(exitDone, d.spanOf("sample", "--detach")...)
	check("", "is canary, not paused: there is nothing to resume", "does not wait for an approval", "")
	d.want(exitDone, d.spanOf("sample")...)
	check("there is nothing to pause", "is awaiting_approval, not paused", "is approved already (the sample passed)", "")
	d.want(exitDone, d.spanOf("publish")...)
	check("", "is open, not paused", "is approved already", "")
	d.want(exitDone, "pause", "--reason", "a test")
	check("", "", "is approved already", "")
	d.want(exitDone, "cancel", "--reason", "a test")
	check("no run is open; `publisher runs`", "no run is open", "no run is open", "no run is open")

	var runs []runView
	d.want(exitDone, d.spanOf("run")...)
	d.document(exitDone, &runs, "runs")
	for i, state := range []string{"finished", "cancelled"} {
		for _, verb := range verbs {
			for _, more := range [][]string{nil, {"--dry-run"}} {
				r := d.want(exitError, append([]string{verb, "--run", runs[i].ID, "--reason", "a test"}, more...)...)
				contains(t, r.errout, "is "+state)
			}
		}
	}
}
