package job

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Threshold is one bound that judges, with its default. Up to Warn passes, beyond Warn and up to Fail warns, beyond
// Fail fails, so no value lies between two bands. Beyond is above, or below where Least is set.
type Threshold struct {
	Name string // "range.usage_coverage"; what comes before the point says what is judged
	Unit string // what the bounds count; a share begins with "%": "% of active rows"
	// Least says that the bounds are the least that is good; without it they are the most.
	Least bool
	Bounds
	Doc    string // what is judged, without the bounds
	Source string // where the default comes from
}

// Bounds are the two bounds of a threshold. Their text is "WARN,FAIL".
type Bounds struct{ Warn, Fail Amount }

// Amount is an exact decimal of at most four places, in ten-thousandths, or None.
type Amount int64

// None is the amount that nothing lies beyond. Its text is "none".
const None Amount = math.MinInt64

const (
	amountScale  = 10_000
	amountPlaces = 4
	// maxAmount keeps products with counts of rows far within 64 bits.
	maxAmount = 1_000_000 * amountScale
)

// Whole is n as an amount.
func Whole(n int64) Amount { return Amount(n * amountScale) }

// ParseAmount reads an amount from 0 to 1,000,000, or none.
func ParseAmount(text string) (Amount, error) {
	if text == "none" {
		return None, nil
	}
	whole, places, _ := strings.Cut(text, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	if !digits(whole) || strings.Contains(text, ".") && !digits(places) {
		return 0, fmt.Errorf("%q: want a number such as 5 or 0.5, or none", text)
	}
	if len(places) > amountPlaces {
		return 0, fmt.Errorf("%q: at most %d decimal places", text, amountPlaces)
	}
	n, err := strconv.ParseInt(whole+places+strings.Repeat("0", amountPlaces-len(places)), 10, 64)
	if err != nil || n > maxAmount {
		return 0, fmt.Errorf("%q: at most %s", text, Amount(maxAmount))
	}
	return Amount(n), nil
}

// String is the shortest text of the amount.
func (a Amount) String() string {
	if a == None {
		return "none"
	}
	text := strconv.FormatInt(int64(a/amountScale), 10)
	if rest := a % amountScale; rest != 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%0*d", amountPlaces, rest), "0")
	}
	return text
}

// UnmarshalJSON reads a number, or a text that ParseAmount reads.
func (a *Amount) UnmarshalJSON(text []byte) (err error) {
	*a, err = ParseAmount(strings.Trim(string(text), `"`))
	return err
}

// ParseBounds reads "WARN,FAIL".
func ParseBounds(text string) (b Bounds, err error) {
	warn, fail, ok := strings.Cut(text, ",")
	if !ok {
		return b, fmt.Errorf("%q: want WARN,FAIL", text)
	}
	if b.Warn, err = ParseAmount(strings.TrimSpace(warn)); err != nil {
		return b, err
	}
	b.Fail, err = ParseAmount(strings.TrimSpace(fail))
	return b, err
}

// String is the text that ParseBounds reads.
func (b Bounds) String() string { return b.Warn.String() + "," + b.Fail.String() }

// MarshalText implements [encoding.TextMarshaler].
func (b Bounds) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *Bounds) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBounds(string(text))
	return err
}

// beyond reports whether n per of is on the wrong side of a bound, exactly: n/of against a.
func (t Threshold) beyond(a Amount, n, of int64) bool {
	switch {
	case a == None:
		return false
	case t.Least:
		return n*amountScale < int64(a)*of
	}
	return n*amountScale > int64(a)*of
}

// Mean judges sum/n; nothing by nothing passes.
func (t Threshold) Mean(sum, n int64) Verdict {
	switch {
	case t.beyond(t.Fail, sum, n):
		return Failed
	case t.beyond(t.Warn, sum, n):
		return Warned
	}
	return Pass
}

// Share judges part of whole in percent.
func (t Threshold) Share(part, whole int64) Verdict { return t.Mean(100*part, whole) }

// Count judges a number.
func (t Threshold) Count(n int64) Verdict { return t.Mean(n, 1) }

// Bound says the bounds in words: "pass to 1%, warn to 5%".
func (t Threshold) Bound() string {
	word, sign := "to", ""
	if t.Least {
		word = "from"
	}
	if strings.HasPrefix(t.Unit, "%") {
		sign = "%"
	}
	text := fmt.Sprintf("pass %s %s%s", word, t.Warn, sign)
	if t.Fail != None && t.Fail != t.Warn {
		text += fmt.Sprintf(", warn %s %s%s", word, t.Fail, sign)
	}
	return text
}

// check says what keeps bounds from being those of the threshold.
func (t Threshold) check(b Bounds) error {
	switch {
	case b.Warn == None:
		return fmt.Errorf("threshold %s: the warn bound may not be none", t.Name)
	case strings.HasPrefix(t.Unit, "%") && max(b.Warn, b.Fail) > Whole(100):
		return fmt.Errorf("threshold %s: %s: more than 100 %%", t.Name, b)
	case b.Fail == None:
	case t.Least && b.Fail > b.Warn:
		return fmt.Errorf(
			"threshold %s: %s: the fail bound is above the warn bound; these are the least that is good, so it must not be",
			t.Name, b)
	case !t.Least && b.Fail < b.Warn:
		return fmt.Errorf(
			"threshold %s: %s: the fail bound is below the warn bound; these are the most that is good, so it must not be",
			t.Name, b)
	}
	return nil
}

// Thresholds are effective thresholds by name.
type Thresholds map[string]Threshold

// Defaults are the thresholds of a table as they are.
func Defaults(table []Threshold) Thresholds {
	effective := make(Thresholds, len(table))
	for _, t := range table {
		effective[t.Name] = t
	}
	return effective
}

// With returns the thresholds with other bounds for some of them. Unknown names and bounds that leave a gap are errors,
// all of them together.
func (t Thresholds) With(bounds map[string]Bounds) (Thresholds, []error) {
	effective := maps.Clone(t)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(bounds)) {
		one, ok := effective[name]
		if !ok {
			errs = append(errs,
				fmt.Errorf("unknown threshold %q; known are: %s", name, strings.Join(slices.Sorted(maps.Keys(t)), ", ")))
			continue
		}
		if err := one.check(bounds[name]); err != nil {
			errs = append(errs, err)
			continue
		}
		one.Bounds = bounds[name]
		effective[name] = one
	}
	return effective, errs
}

// Bounds are the bounds of every threshold: what is stored with a run.
func (t Thresholds) Bounds() map[string]Bounds {
	bounds := make(map[string]Bounds, len(t))
	for name, one := range t {
		bounds[name] = one.Bounds
	}
	return bounds
}

// EffectiveThresholds are the job's thresholds under canonical settings; see Job.Settings. Bounds that this build does
// not know are those of another build and judge nothing here.
func (j *Job) EffectiveThresholds(settings []byte) (Thresholds, error) {
	var stored struct {
		Thresholds map[string]Bounds `json:"thresholds"`
	}
	if len(settings) > 0 {
		if err := json.Unmarshal(settings, &stored); err != nil {
			return nil, fmt.Errorf("thresholds of the settings: %w", err)
		}
	}
	effective := Defaults(j.Thresholds)
	for name, bounds := range stored.Thresholds {
		if one, ok := effective[name]; ok {
			one.Bounds = bounds
			effective[name] = one
		}
	}
	return effective, nil
}

// ThresholdPartitionWrites is the engine's own threshold: how many partitions of the target may be written in a day.
const ThresholdPartitionWrites = "preflight.partition_writes"

// EngineThresholds are the thresholds that the engine judges by, whatever the job; they belong to every job's
// Thresholds.
func EngineThresholds() []Threshold {
	return []Threshold{{
		Name: ThresholdPartitionWrites, Unit: "writes", Bounds: Bounds{Whole(1000), Whole(30_000)},
		Doc: "partitions that runs wrote in the last 24 hours and those that this one will, where the warehouse has " +
			"daily quotas; a failed write counts there too",
		Source: "BigQuery: 30,000 partition modifications and 1,500 load jobs a table and day",
	}}
}
