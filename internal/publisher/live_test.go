package publisher_test

import (
	"errors"
	"strings"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/publisher"
	"gamefill/internal/testjob"
)

// Whoever publishes, nothing is written for a date within the window; that it was is recorded, and the plan is the
// same.
func TestPublishRefusesLiveDates(t *testing.T) {
	t.Parallel()
	day := gamedate.MustParse("2022-01-05")
	base := publisher.Request{Range: gamedate.Range{From: day.AddDays(-3), To: day}, Actor: "tester", LiveWindow: 7,
		Today: day.AddDays(7)}
	p, ports := open(t, testjob.Job(nil))
	plan, err := p.Plan(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []publisher.Request{base, {Range: base.Range, LiveWindow: 7, Today: base.Today, Sample: true}} {
		_, err = p.Publish(t.Context(), r, plan, nil)
		if _, usage := errors.AsType[*publisher.UsageError](err); !usage || p.Admit(t.Context(), r, plan) == nil {
			t.Fatalf("sample %v: got %v, want a usage error", r.Sample, err)
		}
	}
	f, err := p.Preflight(t.Context(), base, plan)
	if err != nil || f.Verdict != job.Failed || !strings.Contains(f.Summary(), "no live dates") {
		t.Fatalf("pre-flight: got %s, %v, want a failure", f.Summary(), err)
	}
	if runs, err := ports.Ledger.ListRuns(t.Context(), testjob.Name, 0); err != nil || len(runs) != 0 {
		t.Fatalf("got runs %v, %v, want none", runs, err)
	}
	later := base
	later.Today = day.AddDays(8)
	if again, err := p.Plan(t.Context(), later); err != nil || again.Hash != plan.Hash || again.CheckLive(later) != nil {
		t.Fatalf("a day later: got %v, %v, want the same plan, without a live date", again, err)
	}

	included := base
	included.IncludeLive, included.Reason = true, "the feed is down"
	narrow := base
	narrow.LiveWindow = 2
	for _, tt := range []struct {
		request publisher.Request
		want    string
	}{
		{included, "1 date: 2022-01-05: the feed is down"},
		{narrow, "1 date: 2022-01-05; --live-window 2"},
		{later, ""},
	} {
		if _, got := recorded(t, tt.request, publisher.EventLiveIncluded); got != tt.want {
			t.Errorf("got event %q, want %q", got, tt.want)
		}
	}
	negative := base
	negative.LiveWindow = -1
	_, err = publisher.Check(testjob.Job(nil), negative)
	if err == nil || !strings.Contains(err.Error(), "--live-window") {
		t.Errorf("a window of -1 days: got %v, want a usage error", err)
	}
}
