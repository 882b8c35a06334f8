package publisher

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// minHash is how many digits of a plan's hash name it: 48 bits, far more than the plans that anybody looks at.
const minHash = 12

// MovedError refuses to apply a plan that is not the one that was looked at.
type MovedError struct {
	Asked, Now string
	// Moved says what differs, one a line; of a plan known by its hash alone only what it comes to now is known.
	Moved []string
}

// Error names both plans and what has moved.
func (e *MovedError) Error() string {
	return fmt.Sprintf("plan %.12s does not hold any more, it would be %.12s now; nothing was published\n%s", e.Asked, e.Now, strings.Join(e.Moved, "\n"))
}

// IsPlanHash reports whether text is a plan's hash or at least the first 12 digits of one.
func IsPlanHash(text string) bool {
	return len(text) >= minHash && len(text) <= 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}

// Holds says whether the plan is the one with this hash, or with a hash that begins so. Errors: *MovedError.
func (p *Plan) Holds(hash string) error {
	if len(hash) >= minHash && strings.HasPrefix(p.Hash, hash) {
		return nil
	}
	return &MovedError{Asked: hash, Now: p.Hash, Moved: []string{"now: " + p.counts(),
		"`publisher plan --json >FILE` before and --plan FILE here would have said what has moved"}}
}

// HoldsAs says whether the plan is the same as before, and if not what has moved since. Errors: *MovedError.
func (p *Plan) HoldsAs(before *Plan) error {
	if p.Hash == before.Hash {
		return nil
	}
	var moved []string
	differ := func(what, was, is string) {
		if was != is {
			moved = append(moved, fmt.Sprintf("%s: was %.40s, is %.40s", what, was, is))
		}
	}
	differ("job", before.Job, p.Job)
	differ("target", before.Target, p.Target)
	differ("transform version", before.Version, p.Version)
	differ("settings", before.SettingsHash, p.SettingsHash)
	differ("references", before.ReferenceHash, p.ReferenceHash)
	differ("then and now", before.counts(), p.counts())
	was := map[gamedate.Date]DatePlan{}
	for _, d := range before.Dates {
		was[d.Date] = d
	}
	var dates []string
	for _, d := range p.Dates {
		w, ok := was[d.Date]
		delete(was, d.Date)
		switch {
		case !ok:
			dates = append(dates, fmt.Sprintf("%s: was not planned, is %s", d.Date, d.text()))
		case w.text() != d.text():
			dates = append(dates, fmt.Sprintf("%s: was %s, is %s", d.Date, w.text(), d.text()))
		case w.Inputs != d.Inputs:
			dates = append(dates, fmt.Sprintf("%s: its sources or its target were written since", d.Date))
		}
	}
	for _, d := range slices.SortedFunc(maps.Keys(was), gamedate.Date.Compare) {
		dates = append(dates, fmt.Sprintf("%s: was %s, is not planned", d, was[d].text()))
	}
	if n := len(dates) - shownDates; n > 0 {
		dates = append(dates[:shownDates], fmt.Sprintf("and %d dates more", n))
	}
	return &MovedError{Asked: before.Hash, Now: p.Hash, Moved: append(moved, dates...)}
}

// shownDates is how many dates an error about a plan names.
const shownDates = 10

func (d DatePlan) text() string {
	if d.Reason == "" {
		return string(d.Verdict)
	}
	return fmt.Sprintf("%s (%s)", d.Verdict, d.Reason)
}

// counts are the dates by verdict, in words.
func (p *Plan) counts() string {
	by := map[string]int64{}
	for _, d := range p.Dates {
		by[string(d.Verdict)]++
	}
	return counted(by)
}

// inputs is a digest of the tokens that a date's plan rests on.
func (d DatePlan) inputs() string {
	sum := sha256.Sum256([]byte(d.Sources + "\n" + string(d.Target)))
	return hex.EncodeToString(sum[:6])
}

// Estimate is what a plan will cost, from what earlier runs took. It is no part of the plan's hash.
type Estimate struct {
	Writes int `json:"writes"` // partitions written at most, which is the number of load jobs where the warehouse has such
	// Measured says from which run the rest comes, "" when none is long enough to tell.
	Measured       string        `json:"measured_by,omitempty"`
	MedianDate     time.Duration `json:"median_date_ns,omitempty"` // from the claim of a date to its completion
	DatesPerMinute float64       `json:"dates_per_minute,omitempty"`
	Duration       time.Duration `json:"duration_ns,omitempty"`
}

const (
	// measuredRuns is how many of the newest runs are looked through for one that tells how fast dates are done.
	measuredRuns = 10
	// measuredDates is how many completions a rate needs at least, and maxMeasured how many are read.
	measuredDates = 5
	maxMeasured   = 1000
)

// Estimate says what the plan's dates will cost, at the rate of the newest finished run that has done enough dates.
func (p *Publisher) Estimate(ctx context.Context, plan *Plan) (Estimate, error) {
	e := Estimate{Writes: plan.Count(Queue)}
	runs, err := p.ports.Ledger.ListRuns(ctx, p.job.Name, measuredRuns)
	if err != nil {
		return e, fmt.Errorf("list runs: %w", err)
	}
	for _, run := range runs {
		if run.State != ledger.RunFinished {
			continue
		}
		attempts, err := p.ports.Ledger.Attempts(ctx, ledger.AttemptFilter{Job: p.job.Name, Run: run.ID, EndedOnly: true}, maxMeasured)
		if err != nil {
			return e, fmt.Errorf("read attempts of run %s: %w", run.ID, err)
		}
		if e.measure(attempts) {
			e.Measured = run.ID
			return e, nil
		}
	}
	return e, nil
}

// measure takes the rate of completed attempts; false when they are too few.
func (e *Estimate) measure(attempts []ledger.Attempt) bool {
	var took []time.Duration
	var ends []time.Time
	for _, a := range attempts {
		if a.Result == ledger.ResultComplete {
			took = append(took, a.EndedAt.Sub(a.StartedAt))
			ends = append(ends, a.EndedAt)
		}
	}
	if len(ends) < measuredDates {
		return false
	}
	span := slices.MaxFunc(ends, time.Time.Compare).Sub(slices.MinFunc(ends, time.Time.Compare))
	if span <= 0 {
		return false
	}
	e.MedianDate = median(took)
	e.DatesPerMinute = float64(len(ends)-1) / span.Minutes()
	e.Duration = time.Duration(float64(e.Writes) / e.DatesPerMinute * float64(time.Minute))
	return true
}

// median is the middle one, the upper of two; 0 of none.
func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}
