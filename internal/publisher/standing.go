package publisher

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
)

// Standing is where a run is at one moment, from the records of single dates.
type Standing struct {
	States map[ledger.State]int `json:"states"`
	Done   int                  `json:"done"` // settled
	Total  int                  `json:"total"`
	// PerHour is the rate at which dates are settled now, 0 where there is not enough to tell.
	PerHour float64 `json:"dates_per_hour,omitempty"`
	// Left is how long the rest will take, nil where there is not enough to tell or nobody works.
	Left          *TimeLeft      `json:"time_left,omitempty"`
	MedianDate    time.Duration  `json:"median_date_ns,omitempty"` // from claim to completion, of the newest dates
	InFlight      []InFlight     `json:"in_flight,omitempty"`
	Slow          []SlowDate     `json:"slow,omitempty"`           // the slowest first
	OldestWaiting *OldestWaiting `json:"oldest_waiting,omitempty"` // nil when no message waits
	Waiting       []Postponed    `json:"waiting,omitempty"`
	DeadByClass   map[string]int `json:"dead_by_class,omitempty"`
	Dead          []DeadDate     `json:"dead,omitempty"`
}

// TimeLeft is an estimate with the range in which nine of ten such estimates would lie.
type TimeLeft struct {
	Likely time.Duration `json:"likely_ns"`
	Least  time.Duration `json:"least_ns"`
	Most   time.Duration `json:"most_ns"`
}

// InFlight is a date that a worker holds.
type InFlight struct {
	Date    gamedate.Date `json:"date"`
	Owner   string        `json:"owner"`
	Attempt int           `json:"attempt"`
	Until   time.Time     `json:"lease_until"`
	Age     time.Duration `json:"age_ns"` // since the claim
	Expired bool          `json:"expired,omitempty"`
}

// SlowDate is a date that takes, or took, more than three times the median.
type SlowDate struct {
	Date  gamedate.Date `json:"date"`
	Took  time.Duration `json:"took_ns"` // so far, where it is in flight
	Ended bool          `json:"ended"`
}

// OldestWaiting is the date whose message has waited longest for a worker.
type OldestWaiting struct {
	Date  gamedate.Date `json:"date"`
	Since time.Time     `json:"published_at"`
	Age   time.Duration `json:"age_ns"`
}

// Postponed is a date that is not tried before a certain time.
type Postponed struct {
	Date   gamedate.Date `json:"date"`
	Until  time.Time     `json:"not_before"`
	Reason string        `json:"reason"`
}

const (
	// enoughEnds is how many dates must be settled before a rate or a median means anything.
	enoughEnds = 5
	// slowTimes is from how many medians on a date is slow.
	slowTimes = 3
	// olderWeight is the weight of a gap between two completions relative to the next one: the newest twenty dominate.
	olderWeight = 0.9
	// nineOfTen is how many standard deviations to each side hold nine of ten values of a normal distribution.
	nineOfTen = 1.645
)

// StandingOf is the standing of a run at a moment. unsettled holds its Pending, Leased and Dead entries, attempts the
// newest of its attempts in any order, running ones included.
func StandingOf(run ledger.Run, counts map[ledger.State]int, unsettled []ledger.Entry, attempts []ledger.Attempt,
	now time.Time) Standing {
	s := Standing{States: counts}
	for state, n := range counts {
		s.Total += n
		if state.Settled() {
			s.Done += n
		}
	}
	var took []time.Duration
	var ends []time.Time
	running := map[gamedate.Date]ledger.Attempt{}
	for _, a := range attempts {
		switch {
		case a.EndedAt.IsZero():
			running[a.Date] = a
			continue
		case a.Result == ledger.ResultComplete:
			took = append(took, a.EndedAt.Sub(a.StartedAt))
		case a.Result != ledger.ResultDead:
			continue
		}
		if a.EndedAt.After(run.OpenedAt) {
			ends = append(ends, a.EndedAt)
		}
	}
	if len(took) >= enoughEnds {
		s.MedianDate = median(took)
	}
	for _, e := range unsettled {
		s.entry(e, running[e.Date], now)
	}
	if run.State.Working() {
		s.rate(ends, now)
	}
	s.slow(attempts)
	return s
}

// Outdated is what is left of an earlier version of the job's transform.
type Outdated struct {
	Dates int            `json:"dates"` // that are complete
	Range gamedate.Range `json:"range"` // the smallest that holds them
}

// Outdated counts the dates of every run that are complete by another version of the transform than the job's; nil when
// there are none. What other settings or changed inputs have made stale is not among them: only a plan looks at those.
func (p *Publisher) Outdated(ctx context.Context) (*Outdated, error) {
	entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, gamedate.Range{From: gamedate.Earliest, To: gamedate.Latest})
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	var out *Outdated
	for _, e := range entries { // in date order
		if e.State != ledger.Complete || e.Facts == nil || e.Facts.Version == p.job.Version {
			continue
		}
		if out == nil {
			out = &Outdated{Range: gamedate.Range{From: e.Date}}
		}
		out.Dates++
		out.Range.To = e.Date
	}
	return out, nil
}

// Writes judges the partition writes of the last 24 hours and those that a run may still make, by the run's threshold;
// nil where the warehouse limits none.
func (p *Publisher) Writes(ctx context.Context, run ledger.Run, counts map[ledger.State]int) (*job.Check, error) {
	if !p.ports.Services.Warehouse {
		return nil, nil
	}
	thresholds, err := p.job.EffectiveThresholds(run.Settings)
	if err != nil {
		return nil, err
	}
	t, ok := thresholds[job.ThresholdPartitionWrites]
	if !ok {
		return nil, nil
	}
	used, _, err := RecentWrites(ctx, p.ports.Ledger, p.job.Name, time.Now())
	if err != nil {
		return nil, err
	}
	c := checkWrites(t, used, counts[ledger.Pending]+counts[ledger.Leased])
	return &c, nil
}

// rate takes the gaps between completions, the newer ones weighing more, and what they say of the time left. The time
// since the last completion is a gap too when it is longer than they are, so that a standstill shows.
func (s *Standing) rate(ends []time.Time, now time.Time) {
	if len(ends) < enoughEnds {
		return
	}
	slices.SortFunc(ends, time.Time.Compare)
	var gaps []float64 // seconds
	for i := 1; i < len(ends); i++ {
		gaps = append(gaps, ends[i].Sub(ends[i-1]).Seconds())
	}
	mean, variance, n := weighted(gaps)
	if open := now.Sub(ends[len(ends)-1]).Seconds(); open > mean {
		mean, variance, n = weighted(append(gaps, open))
	}
	if mean <= 0 {
		return
	}
	s.PerHour = time.Hour.Seconds() / mean
	left := float64(s.Total - s.Done)
	if left == 0 {
		return
	}
	// of the gaps to come, and of their mean as it is known
	spread := nineOfTen * math.Sqrt(left*variance+left*left*variance/n)
	seconds := func(f float64) time.Duration {
		return time.Duration(max(0, f) * float64(time.Second)).Round(time.Millisecond)
	}
	s.Left = &TimeLeft{Likely: seconds(left * mean), Least: seconds(left*mean - spread), Most: seconds(left*mean + spread)}
	for _, w := range s.Waiting { // no rate makes a date that is put off come earlier
		wait := w.Until.Sub(now)
		s.Left.Likely, s.Left.Least, s.Left.Most = max(s.Left.Likely, wait), max(s.Left.Least, wait), max(s.Left.Most, wait)
	}
}

// weighted is the mean and variance of values, the later ones weighing more, and of how many equal weights they are
// worth.
func weighted(values []float64) (mean, variance, n float64) {
	var sum, squares float64
	weight := make([]float64, len(values))
	for i := range values {
		weight[i] = math.Pow(olderWeight, float64(len(values)-1-i))
		sum += weight[i]
		squares += weight[i] * weight[i]
		mean += weight[i] * values[i]
	}
	mean /= sum
	for i, v := range values {
		variance += weight[i] * (v - mean) * (v - mean)
	}
	return mean, variance / sum, sum * sum / squares
}

// entry adds what one unsettled or dead date says.
func (s *Standing) entry(e ledger.Entry, attempt ledger.Attempt, now time.Time) {
	switch {
	case e.State == ledger.Leased:
		f := InFlight{Date: e.Date, Owner: e.Owner, Attempt: e.Attempt, Until: e.LeaseUntil, Expired: now.After(e.LeaseUntil)}
		if attempt.Generation == e.Generation && !attempt.StartedAt.IsZero() {
			f.Age = max(0, now.Sub(attempt.StartedAt))
		}
		s.InFlight = append(s.InFlight, f)
	case e.State == ledger.Dead:
		d := DeadDate{Date: e.Date}
		class := "unknown"
		if e.Failure != nil {
			class = e.Failure.Class.String()
			d.Class, d.Reason, d.Message = class, e.Failure.Reason, e.Failure.Message
		}
		if s.DeadByClass == nil {
			s.DeadByClass = map[string]int{}
		}
		s.DeadByClass[class]++
		s.Dead = append(s.Dead, d)
	case !e.NotBefore.IsZero():
		w := Postponed{Date: e.Date, Until: e.NotBefore}
		if e.Failure != nil {
			w.Reason = e.Failure.Message
		}
		s.Waiting = append(s.Waiting, w)
	case e.State == ledger.Pending && e.PublishedSeq == e.Seq &&
		(s.OldestWaiting == nil || e.PublishedAt.Before(s.OldestWaiting.Since)):
		s.OldestWaiting = &OldestWaiting{Date: e.Date, Since: e.PublishedAt, Age: max(0, now.Sub(e.PublishedAt))}
	}
}

// slow lists the dates beyond three medians, of the newest ones.
func (s *Standing) slow(attempts []ledger.Attempt) {
	if s.MedianDate == 0 {
		return
	}
	bound := slowTimes * s.MedianDate
	for _, f := range s.InFlight {
		if f.Age > bound {
			s.Slow = append(s.Slow, SlowDate{Date: f.Date, Took: f.Age})
		}
	}
	for _, a := range attempts {
		if d := a.EndedAt.Sub(a.StartedAt); a.Result == ledger.ResultComplete && d > bound {
			s.Slow = append(s.Slow, SlowDate{Date: a.Date, Took: d, Ended: true})
		}
	}
	slices.SortFunc(s.Slow, func(a, b SlowDate) int { return cmp.Or(cmp.Compare(b.Took, a.Took), a.Date.Compare(b.Date)) })
}
