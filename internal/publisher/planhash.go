package publisher

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/terminal"
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
	return fmt.Sprintf("plan %.12s does not hold any more, it would be %.12s now; nothing was published\n%s", e.Asked,
		e.Now, strings.Join(e.Moved, "\n"))
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
		dates = append(dates[:shownDates], "and "+terminal.Plural(n, "date more", "dates more"))
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

// median is the middle one, the upper of two; 0 of none.
func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}
