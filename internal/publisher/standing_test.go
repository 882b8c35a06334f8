package publisher_test

import (
	"testing"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"

	"github.com/google/go-cmp/cmp"
)

var (
	opened = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	first  = gamedate.MustParse("2022-01-10")
)

// done are n completions of equal length, the first gap after opening and each a gap after the one before.
func done(n int, took, gap time.Duration) []ledger.Attempt {
	var list []ledger.Attempt
	for i := range n {
		end := opened.Add(time.Duration(i+1) * gap)
		list = append(list, ledger.Attempt{Date: first.AddDays(i), Result: ledger.ResultComplete,
			StartedAt: end.Add(-took), EndedAt: end})
	}
	return list
}

func TestTimeLeft(t *testing.T) {
	t.Parallel()
	open := ledger.Run{State: ledger.RunOpen, OpenedAt: opened}
	paused, waiting := open, open
	paused.State, waiting.State = ledger.RunPaused, ledger.RunAwaitingApproval
	counts := map[ledger.State]int{ledger.Complete: 10, ledger.Pending: 20}
	exact := &publisher.TimeLeft{Likely: 200 * time.Second, Least: 200 * time.Second, Most: 200 * time.Second}
	uneven := done(10, time.Second, 10*time.Second)
	uneven[4].EndedAt = uneven[4].EndedAt.Add(5 * time.Second)
	late := opened.Add(1000 * time.Second)
	tomorrow := []ledger.Entry{{Date: first, State: ledger.Pending, NotBefore: opened.Add(24 * time.Hour)},
		{Date: first.AddDays(1), State: ledger.Pending, NotBefore: opened}}
	old := done(4, time.Second, 10*time.Second)
	old = append(old, ledger.Attempt{Date: first, Result: ledger.ResultComplete, StartedAt: opened.Add(-time.Hour),
		EndedAt: opened.Add(-time.Hour)})
	tests := []struct {
		name      string
		run       ledger.Run
		attempts  []ledger.Attempt
		unsettled []ledger.Entry
		now       time.Time
		perHour   float64
		check     func(*publisher.TimeLeft) bool
	}{
		{"even", open, done(10, time.Second, 10*time.Second), nil, opened.Add(100 * time.Second),
			360, func(l *publisher.TimeLeft) bool { return cmp.Equal(l, exact) }},
		{"four are not enough", open, done(4, time.Second, 10*time.Second), nil, opened.Add(40 * time.Second),
			0, func(l *publisher.TimeLeft) bool { return l == nil }},
		{"five are", open, done(5, time.Second, 10*time.Second), nil, opened.Add(50 * time.Second),
			360, func(l *publisher.TimeLeft) bool { return cmp.Equal(l, exact) }},
		{"those before the opening do not count", open, old, nil, opened.Add(40 * time.Second),
			0, func(l *publisher.TimeLeft) bool { return l == nil }},
		{"uneven", open, uneven, nil, opened.Add(100 * time.Second), 360, func(l *publisher.TimeLeft) bool {
			return l != nil && l.Least < l.Likely && l.Likely < l.Most && l.Least > 0
		}},
		{"a standstill", open, done(10, time.Second, 10*time.Second), nil, late,
			0, func(l *publisher.TimeLeft) bool { return l != nil && l.Likely > 10*exact.Likely }},
		{"paused", paused, done(10, time.Second, 10*time.Second), nil, late,
			0, func(l *publisher.TimeLeft) bool { return l == nil }},
		{"waits for the rest", waiting, done(10, time.Second, 10*time.Second), nil, late,
			0, func(l *publisher.TimeLeft) bool { return l == nil }},
		{"one waits for tomorrow", open, done(10, time.Second, 10*time.Second), tomorrow, opened.Add(100 * time.Second),
			360, func(l *publisher.TimeLeft) bool {
				wait := 24*time.Hour - 100*time.Second
				return l != nil && l.Least == wait && l.Likely == wait && l.Most == wait
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := publisher.StandingOf(tt.run, counts, tt.unsettled, tt.attempts, tt.now)
			if !tt.check(s.Left) {
				t.Errorf("time left: got %+v", s.Left)
			}
			if tt.perHour > 0 && (s.PerHour < tt.perHour*0.9 || s.PerHour > tt.perHour*1.1) {
				t.Errorf("dates an hour: got %v, want about %v", s.PerHour, tt.perHour)
			}
			if s.Done != 10 || s.Total != 30 {
				t.Errorf("done: got %d of %d, want 10 of 30", s.Done, s.Total)
			}
		})
	}
}

func TestStandingOfDates(t *testing.T) {
	t.Parallel()
	now := opened.Add(time.Minute)
	attempts := done(5, 2*time.Second, 3*time.Second)
	// over three medians
	attempts[3].StartedAt = attempts[3].EndedAt.Add(-7 * time.Second)
	// exactly three
	attempts[4].StartedAt = attempts[4].EndedAt.Add(-6 * time.Second)
	// running
	attempts = append(attempts,
		ledger.Attempt{Date: first.AddDays(20), Generation: 3, StartedAt: now.Add(-20 * time.Second)},
		ledger.Attempt{Date: first.AddDays(21), Generation: 1, StartedAt: now.Add(-time.Hour)}) // of an older generation
	dead := func(day int, class failure.Class) ledger.Entry {
		return ledger.Entry{Date: first.AddDays(day), State: ledger.Dead,
			Failure: &ledger.Failure{Class: class, Reason: "r", Message: "m"}}
	}
	entries := []ledger.Entry{
		{Date: first.AddDays(20), State: ledger.Leased, Owner: "a", Attempt: 3, Generation: 3,
			LeaseUntil: now.Add(time.Minute)},
		{Date: first.AddDays(21), State: ledger.Leased, Owner: "b", Attempt: 2, Generation: 2,
			LeaseUntil: now.Add(-time.Second)},
		{Date: first.AddDays(22), State: ledger.Pending, Seq: 1, PublishedSeq: 1, PublishedAt: now.Add(-30 * time.Second)},
		{Date: first.AddDays(23), State: ledger.Pending, Seq: 2, PublishedSeq: 2, PublishedAt: now.Add(-40 * time.Second)},
		// not on the queue
		{Date: first.AddDays(24), State: ledger.Pending, Seq: 2, PublishedSeq: 1, PublishedAt: now.Add(-time.Hour)},
		{Date: first.AddDays(25), State: ledger.Pending, Seq: 1, NotBefore: now.Add(time.Hour),
			Failure: &ledger.Failure{Message: "quota"}},
		dead(26, failure.Permanent), dead(27, failure.Permanent), dead(28, failure.Transient),
	}
	s := publisher.StandingOf(ledger.Run{State: ledger.RunOpen, OpenedAt: opened}, nil, entries, attempts, now)
	want := publisher.Standing{
		MedianDate: 2 * time.Second,
		PerHour:    s.PerHour, // of TestTimeLeft
		InFlight: []publisher.InFlight{
			{Date: first.AddDays(20), Owner: "a", Attempt: 3, Until: now.Add(time.Minute), Age: 20 * time.Second},
			{Date: first.AddDays(21), Owner: "b", Attempt: 2, Until: now.Add(-time.Second), Expired: true},
		},
		Slow: []publisher.SlowDate{
			{Date: first.AddDays(20), Took: 20 * time.Second},
			{Date: first.AddDays(3), Took: 7 * time.Second, Ended: true},
		},
		OldestWaiting: &publisher.OldestWaiting{Date: first.AddDays(23), Since: now.Add(-40 * time.Second),
			Age: 40 * time.Second},
		Waiting:     []publisher.Postponed{{Date: first.AddDays(25), Until: now.Add(time.Hour), Reason: "quota"}},
		DeadByClass: map[string]int{"permanent": 2, "transient": 1},
		Dead: []publisher.DeadDate{
			{Date: first.AddDays(26), Class: "permanent", Reason: "r", Message: "m"},
			{Date: first.AddDays(27), Class: "permanent", Reason: "r", Message: "m"},
			{Date: first.AddDays(28), Class: "transient", Reason: "r", Message: "m"},
		},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("standing (-want +got):\n%s", diff)
	}
}
