package publisher

import (
	"errors"
	"strings"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
)

func TestLiveWindow(t *testing.T) {
	t.Parallel()
	today := gamedate.MustParse("2022-03-13") // the clocks go forward in New York
	days := func(ago ...int) (dates []gamedate.Date) {
		for _, n := range ago {
			dates = append(dates, today.AddDays(-n))
		}
		return dates
	}
	tests := []struct {
		name   string
		window int
		todo   []gamedate.Date
		only   []gamedate.Date // --dates
		live   string          // those named, "" for none
		advice string
	}{
		{"eight days ago", 7, days(8), nil, "", ""},
		{"seven days ago", 7, days(7), nil, "2022-03-06", "--to 2022-03-05"},
		{"both", 7, days(8, 7), nil, "2022-03-06", "--to 2022-03-05"},
		{"today", 7, days(0), nil, "2022-03-13", "--to 2022-03-05"},
		{"tomorrow", 7, days(-1), nil, "2022-03-14", "--to 2022-03-05"},
		{"yesterday without a window", 0, days(1), nil, "", ""},
		{"today without a window", 0, days(0), nil, "2022-03-13", "--to 2022-03-12"},
		{"a wider window than the range", 30, days(8), nil, "2022-03-05", "leave them for later"},
		{"single dates", 7, days(7), days(7), "2022-03-06", "leave them out of --dates"},
		{"nothing to do", 7, nil, nil, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Request{Range: gamedate.Range{From: today.AddDays(-20), To: today.AddDays(5)}, Dates: tt.only,
				LiveWindow: tt.window, Today: today}
			plan := &Plan{Range: r.Range}
			for d := range r.Range.Dates() {
				plan.Dates = append(plan.Dates, DatePlan{Date: d, Verdict: Left}) // live ones are no concern
			}
			for _, d := range tt.todo {
				plan.Dates[d.Sub(r.Range.From)].Verdict = Queue
			}
			err := plan.CheckLive(r)
			c := checkLive(r, plan.queued())
			if tt.live == "" {
				if err != nil || c.Verdict != job.Pass {
					t.Errorf("got %v, %+v, want no date refused", err, c)
				}
				return
			}
			usage, ok := errors.AsType[*UsageError](err)
			if !ok || !strings.Contains(usage.Problem, "("+tt.live+")") || !strings.Contains(usage.Problem, tt.advice) ||
				!strings.Contains(usage.Problem, "--include-live") {
				t.Errorf("got %v, want a usage error with %s, %q and --include-live", err, tt.live, tt.advice)
			}
			if c.Verdict != job.Failed || usage != nil && usage.Problem != c.Seen+": "+c.Advice {
				t.Errorf("got %+v, want a failed check with the words of %v", c, err)
			}
			r.IncludeLive = true
			if err, c := plan.CheckLive(r), checkLive(r, plan.queued()); err != nil || c.Verdict != job.Warned ||
				!strings.Contains(c.Seen, tt.live) {
				t.Errorf("with --include-live: got %v, %+v, want a warning that names %s", err, c, tt.live)
			}
		})
	}
}

func TestTodayIsByTheClock(t *testing.T) {
	t.Parallel()
	var r Request
	if r.today().IsZero() {
		t.Error("got no date, want the clock's")
	}
}
