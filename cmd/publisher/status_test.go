package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
)

// statusWidth is how many columns the table of status has at most, without the lines that quote a message.
const statusWidth = 100

func TestStatusTable(t *testing.T) {
	t.Parallel()
	day := gamedate.MustParse("2022-01-15")
	at := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	full := status{Run: "r20240501-115500-abcdef", State: ledger.RunOpen, Range: gamedate.Range{From: day, To: day.AddDays(800)}, Version: "1.0.0",
		Checks: []job.Check{{Name: "no dead dates", Verdict: job.Failed, Seen: "2", Bound: "0"}, {Name: "of a season", Scope: "2021-22", Verdict: job.Failed}},
		Standing: publisher.Standing{States: map[ledger.State]int{ledger.Complete: 400, ledger.Leased: 2, ledger.Pending: 198, ledger.Dead: 2}, Done: 402, Total: 602,
			PerHour: 3600, Left: &publisher.TimeLeft{Likely: 200 * time.Second, Least: 150 * time.Second, Most: 250 * time.Second}, MedianDate: time.Second,
			InFlight: []publisher.InFlight{
				{Date: day, Owner: "gamefill-worker-7c9f8d6b5-x2x4q-1", Attempt: 1, Until: at, Age: 30 * time.Second},
				{Date: day.AddDays(1), Owner: "gamefill-worker-7c9f8d6b5-x2x4q-1", Attempt: 2, Until: at, Age: time.Minute, Expired: true}},
			Slow:          []publisher.SlowDate{{Date: day, Took: 30 * time.Second}, {Date: day.AddDays(3), Took: 4 * time.Second, Ended: true}},
			OldestWaiting: &publisher.OldestWaiting{Date: day.AddDays(2), Since: at, Age: 3 * time.Minute},
			Waiting:       []publisher.Postponed{{Date: day.AddDays(5), Until: at, Reason: "rate limit"}},
			DeadByClass:   map[string]int{"permanent": 1, "transient": 1},
			Dead:          []publisher.DeadDate{{Date: day.AddDays(6), Class: "permanent", Reason: "source_empty", Message: "no rows"}}},
		Percent: 66.7, Backlog: new(198), Letters: 2,
		approval: "sample of 10 dates: pass; approved by op@host: the sample passed"}
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
		{"everything", full, []string{"198 messages waiting", "3600 dates/hour, ETA 3m20s, in nine of ten cases from 2m30s to 4m10s", "fail no dead dates: 2, bound 0",
			"2022-01-15   30s", "until 12:00:00", "expired: its worker is gone", "oldest message 2022-01-17: waits for a worker since 3m0s",
			"slow 2022-01-15: takes so far 30s, the median is 1s", "slow 2022-01-18: took 4s", "waits 2022-01-20: until 2024-05-01T12:00:00Z: rate limit",
			"dead by class: 1 permanent, 1 transient", "dead 2022-01-21: source_empty (permanent): no rows", "Begin: sample of 10 dates: pass"},
			[]string{"not enough data", "of a season"}},
		{"just begun", begun, []string{"not enough data for an ETA yet"}, []string{"dates/hour"}},
		{"a queue that cannot count", uncounted, []string{"3 of 602 settled (66.7 %), 2 open dead letters"}, []string{"messages waiting"}},
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
