package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/test/league"
)

// statusWidth is how many columns the table of status has at most, without the lines that quote a message.
const statusWidth = 100

func TestStatusTable(t *testing.T) {
	t.Parallel()
	day := gamedate.MustParse("2022-01-15")
	at := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	full := status{Run: "r20240501-115500-abcdef", State: ledger.RunOpen,
		Range: gamedate.Range{From: day, To: day.AddDays(800)}, Version: "1.0.0",
		Checks: []job.Check{{Name: "no dead dates", Verdict: job.Failed, Seen: "2", Bound: "0"},
			{Name: "of a season", Scope: "2021-22", Verdict: job.Failed}},
		Standing: publisher.Standing{States: map[ledger.State]int{ledger.Complete: 400, ledger.Leased: 2, ledger.Pending: 198,
			ledger.Dead: 2}, Done: 402, Total: 602,
			PerHour: 3600, Left: &publisher.TimeLeft{Likely: 200 * time.Second, Least: 150 * time.Second,
				Most: 250 * time.Second}, MedianDate: time.Second,
			InFlight: []publisher.InFlight{
				{Date: day, Owner: "gamefill-worker-7c9f8d6b5-x2x4q-1", Attempt: 1, Until: at, Age: 30 * time.Second},
				{Date: day.AddDays(1), Owner: "gamefill-worker-7c9f8d6b5-x2x4q-1", Attempt: 2, Until: at,
					Age: time.Minute, Expired: true}},
			Slow: []publisher.SlowDate{{Date: day, Took: 30 * time.Second},
				{Date: day.AddDays(3), Took: 4 * time.Second, Ended: true}},
			OldestWaiting: &publisher.OldestWaiting{Date: day.AddDays(2), Since: at, Age: 3 * time.Minute},
			Waiting:       []publisher.Postponed{{Date: day.AddDays(5), Until: at, Reason: "rate limit"}},
			DeadByClass:   map[string]int{"permanent": 1, "transient": 1},
			Dead: []publisher.DeadDate{{Date: day.AddDays(6), Class: "permanent", Reason: "source_empty",
				Message: "no rows"}}},
		Percent: 66.7, Backlog: new(198), Letters: 2,
		approval: "sample of 10 dates: pass; approved by op@host: the sample passed"}
	full.Quota = &job.Check{Name: "partition_writes", Verdict: job.Pass,
		Seen: "used 400 in the last 24 hours + planned 200 of 30000", Bound: "pass to 1000, warn to 30000"}
	begun := full
	begun.Left, begun.Done = nil, 3
	uncounted := begun
	uncounted.Backlog = nil
	paused := begun
	paused.State, paused.Cause, paused.PausedBy = ledger.RunPaused, "lunch", "operator"
	tests := []struct {
		name         string
		status       status
		wants, lacks []string
	}{
		{"everything", full, []string{"198 messages waiting",
			"3600 dates/hour, ETA 3m20s, in nine of ten cases from 2m30s to 4m10s", "fail no dead dates: 2, bound 0",
			"2022-01-15   30s", "until 12:00:00", "expired: its worker is gone",
			"oldest message 2022-01-17: waits for a worker since 3m0s",
			"slow 2022-01-15: takes so far 30s, the median is 1s", "slow 2022-01-18: took 4s",
			"waits 2022-01-20: until 2024-05-01T12:00:00Z: rate limit",
			"dead by class: 1 permanent, 1 transient", "dead 2022-01-21: source_empty (permanent): no rows",
			"Begin: sample of 10 dates: pass", "partition writes: used 400 in the last 24 hours + planned 200 of 30000: pass"},
			[]string{"not enough data", "of a season"}},
		{"just begun", begun, []string{"not enough data for an ETA yet"}, []string{"dates/hour"}},
		{"a queue that cannot count", uncounted, []string{"3 of 602 settled (66.7 %), 2 open dead letters"},
			[]string{"messages waiting"}},
		{"paused", paused, []string{"Cause: lunch (by operator)"}, []string{"not enough data", "dates/hour"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			tt.status.write(&environment{settings: &Settings{}, out: &out})
			contains(t, out.String(), tt.wants...)
			for _, text := range tt.lacks {
				if strings.Contains(out.String(), text) {
					t.Errorf("got\n%s\nwant it without %q", out.String(), text)
				}
			}
			for line := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > statusWidth {
					t.Errorf("line of %d columns, want at most %d: %s", n, statusWidth, line)
				}
			}
		})
	}
}

// interrupter is standard output of somebody who presses Ctrl-C at what he reads.
type interrupter struct {
	bytes.Buffer
	press func()
}

func (i *interrupter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("open dead letters")) {
		i.press()
	}
	return i.Buffer.Write(p)
}

// An interrupted watch has lost nothing and says nothing; what is no terminal gets no control characters.
func TestInterruptedWatch(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 2})
	d.want(exitDone, d.spanOf("publish")...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errout := &interrupter{press: cancel}, &bytes.Buffer{}
	if code := run(ctx, append([]string{"status", "--watch"}, d.addresses()...), out, errout); code != exitInterrupted {
		t.Errorf("got exit code %d, want %d", code, exitInterrupted)
	}
	if errout.Len() > 0 {
		t.Errorf("got %q on standard error, want nothing", errout)
	}
	contains(t, out.String(), "0 of 2 settled")
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("got control characters in %q", out)
	}
}

// Month by month, status compares what the run replaced with what is there, as the report does; asked for, not by
// itself.
func TestStatusMonths(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 3})
	d.want(exitDone, d.spanOf("run")...)
	d.sql(nil, `UPDATE player_game_summary SET minutes_played = NULL`)
	d.want(exitDone, d.spanOf("run", "--force")...)
	var s status
	d.document(exitDone, &s, "status", "--months")
	if s.Column != "minutes_played" || len(s.Months) != 1 {
		t.Fatalf("got column %q and months %+v, want minutes_played and one month", s.Column, s.Months)
	}
	m := s.Months[0]
	if m.Month != "2022-01" || m.KnownDates != m.Dates || m.Before.Rows != m.Now.Rows || m.Before.Nulls != m.Before.Rows ||
		m.Now.Nulls >= m.Before.Nulls {
		t.Errorf("got %+v, want every row without minutes before and fewer now", m)
	}
	contains(t, d.want(exitDone, "status", "--months").out, "2022-01", "100.00 %", m.Now.Share())
	contains(t, d.want(exitDone, "status", "--watch", "--months").out, "2022-01", "100.00 %")
	if out := d.want(exitDone, "status").out; strings.Contains(out, "2022-01 ") {
		t.Errorf("got months unasked:\n%s", out)
	}
}

// What a sample failed of is shown while it is to be decided upon.
func TestStatusShowsChecksOfTheSample(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{NoBoxScores: []int{6}})
	d.want(exitApproval, d.spanOf("sample")...)
	contains(t, d.want(exitDone, "status").out, "fail no dead dates: 1, bound 0")
	d.want(exitDone, "approve", "--reason", "known gap")
	d.want(exitDone, d.spanOf("publish")...)
	if out := d.want(exitDone, "status").out; strings.Contains(out, "fail no dead dates") {
		t.Errorf("got the checks of a sample that is decided upon:\n%s", out)
	}
}

// Dates of another version of the transform are counted over all runs, with the command that does them again.
func TestStatusCountsOutdatedDates(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 3})
	d.want(exitDone, d.spanOf("run")...)
	var s status
	if d.document(exitDone, &s, "status"); s.Outdated != nil {
		t.Errorf("got %+v, want no outdated dates", s.Outdated)
	}
	first, second := d.league.GameDates[0].String(), d.league.GameDates[1].String()
	d.sql(nil, `UPDATE ledger_facts SET facts = json_set(facts, '$.version', '0.1') WHERE date IN (?, ?)`, first, second)
	d.want(exitDone, "run", "--dates", d.league.GameDates[2].String(), "--force")
	contains(t, d.want(exitDone, "status").out, "2 dates were done by another version",
		"publisher publish --stale --from "+first+" --to "+second)
}
