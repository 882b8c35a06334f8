// Package gamedate holds the unit of work of the system: the game date, a civil date in the league's calendar.
//
// A [Date] has no clock and no zone, so it cannot shift by a day. Instants become dates in one place, [Of], which uses
// America/New_York. A [Range] is closed at both ends: planning, publishing, reporting and validating all use the same
// set.
package gamedate

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the zone of the league must be known on every host
)

// Earliest and Latest bound the calendar: the league's first game was played on 1946-11-01, and no schedule reaches a
// century past the three-point line. A date outside is a typing error, not a date without games.
var (
	Earliest = Date{1946, time.November, 1}
	Latest   = Date{2079, time.December, 31}
)

// Errors that [Parse], [ParseStamp] and [NewRange] wrap.
var (
	ErrMissing  = errors.New("missing")
	ErrFormat   = errors.New("format must be YYYY-MM-DD")
	ErrDateOnly = errors.New("want a date without a time of day (YYYY-MM-DD)")
	ErrNoDate   = errors.New("no such date")
	ErrNoMonth  = errors.New("no such month")
	ErrCalendar = errors.New("outside the calendar")
	ErrReversed = errors.New("end before start")
	ErrStamp    = errors.New("want YYYY-MM-DD, or an instant with its zone (RFC 3339)")
)

// Date is one civil date. The zero value is no date; [Date.IsZero] tells.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

var (
	form      = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})$`)
	withClock = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}[T ]`)
)

// Parse reads YYYY-MM-DD, exactly. Errors wrap one of this package's sentinels and name the text.
func Parse(s string) (Date, error) {
	if s == "" {
		return Date{}, fmt.Errorf("date: %w", ErrMissing)
	}
	if withClock.MatchString(s) {
		return Date{}, fmt.Errorf("date %q: %w", s, ErrDateOnly)
	}
	if !form.MatchString(s) {
		return Date{}, fmt.Errorf("date %q: %w", s, ErrFormat)
	}
	y, m, d := digits(s[0:4]), digits(s[5:7]), digits(s[8:10])
	if m > 12 {
		return Date{}, fmt.Errorf("date %q: %w", s, ErrNoMonth)
	}
	date := Date{y, time.Month(m), d}
	if m == 0 || d == 0 || y == 0 || FromTime(date.Time()) != date {
		return Date{}, fmt.Errorf("date %q: %w", s, ErrNoDate)
	}
	if date.Before(Earliest) || date.After(Latest) {
		return Date{}, fmt.Errorf("date %q: %w (%s to %s)", s, ErrCalendar, Earliest, Latest)
	}
	return date, nil
}

// ParseStamp reads the texts in which stores and exports write a game date:
//
//   - a plain date, as [Parse] does;
//   - an instant with its zone, RFC 3339 or with BigQuery's blank and "UTC" ("2022-01-16 03:30:00 UTC"): the game date
//     is [Of] that instant;
//   - a date at exactly midnight UTC ("2022-01-15T00:00:00.000Z", "2022-01-15 00:00:00 UTC"): what a store writes that
//     has no date type. It means that calendar date, not the evening before in New York.
//
// The last rule makes ParseStamp wrong for a column of tip-off times: in winter 19:00 Eastern is midnight UTC. Read
// such a column as instants and ask [Of].
func ParseStamp(s string) (Date, error) {
	if !withClock.MatchString(s) {
		return Parse(s)
	}
	civil, err := Parse(s[:10])
	if err != nil {
		return Date{}, fmt.Errorf("stamp %q: %w", s, err)
	}
	text := s[:10] + "T" + s[11:]
	if clock, ok := strings.CutSuffix(text, " UTC"); ok {
		text = clock + "Z"
	}
	t, err := time.Parse(time.RFC3339, text) // takes fractions of a second too
	if err != nil {
		return Date{}, fmt.Errorf("stamp %q: %w", s, ErrStamp)
	}
	_, offset := t.Zone()
	date := Of(t)
	if offset == 0 && t.Equal(civil.Time()) {
		date = civil
	}
	if date.Before(Earliest) || date.After(Latest) {
		return Date{}, fmt.Errorf("stamp %q: %w (%s to %s)", s, ErrCalendar, Earliest, Latest)
	}
	return date, nil
}

// MustParse is [Parse] for constants in code and tests; it panics on an error.
func MustParse(s string) Date {
	d, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return d
}

// FromTime drops the clock of t in t's own zone.
func FromTime(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// eastern is the league's zone; time/tzdata is linked in, so loading cannot fail on any host.
var eastern = sync.OnceValue(func() *time.Location {
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic("gamedate: zone America/New_York: " + err.Error())
	}
	return loc
})

// Of is the game date of an instant: its civil date in America/New_York. A game that tips off at 22:30 Eastern belongs
// to that date although it is the next day in UTC.
func Of(t time.Time) Date { return FromTime(t.In(eastern())) }

// Time is midnight UTC of the date, for calendar arithmetic and for stores that have no date type.
func (d Date) Time() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// IsZero reports whether d is the zero value, no date.
func (d Date) IsZero() bool { return d == Date{} }

// String is YYYY-MM-DD.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// Compact is YYYYMMDD, the form of partition decorators and game ids.
func (d Date) Compact() string { return fmt.Sprintf("%04d%02d%02d", d.Year, int(d.Month), d.Day) }

// AddDays is the date n days later; n may be negative.
func (d Date) AddDays(n int) Date { return FromTime(d.Time().AddDate(0, 0, n)) }

// Sub is the number of days from e to d.
func (d Date) Sub(e Date) int { return int(d.Time().Sub(e.Time()).Hours() / 24) }

// Compare is -1, 0 or +1 as d is before, equal to or after e.
func (d Date) Compare(e Date) int { return d.Time().Compare(e.Time()) }

// Before reports whether d is before e.
func (d Date) Before(e Date) bool { return d.Compare(e) < 0 }

// After reports whether d is after e.
func (d Date) After(e Date) bool { return d.Compare(e) > 0 }

// SeasonYear is the first year of the season that d belongs to: 2021 for 2021-10-19 and for 2022-06-16.
// The season's year turns on 1 October.
func (d Date) SeasonYear() int {
	if d.Month >= time.October {
		return d.Year
	}
	return d.Year - 1
}

// Season is the season of d as the league writes it: "2021-22".
func (d Date) Season() string { return SeasonName(d.SeasonYear()) }

// SeasonName writes a season by its first year: 2021 is "2021-22", 1999 is "1999-00".
func SeasonName(year int) string { return fmt.Sprintf("%d-%02d", year, (year+1)%100) }

// MarshalText writes YYYY-MM-DD; the zero date is the empty text.
func (d Date) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Range is the closed range of game dates From..To; both ends belong to it.
type Range struct {
	From Date `json:"from"`
	To   Date `json:"to"`
}

// NewRange checks that the range is not reversed.
func NewRange(from, to Date) (Range, error) {
	if to.Before(from) {
		return Range{}, fmt.Errorf("range %s..%s: %w", from, to, ErrReversed)
	}
	return Range{from, to}, nil
}

// ParseRange reads both ends, start first; the error names the end that is wrong.
func ParseRange(from, to string) (Range, error) {
	f, err := Parse(from)
	if err != nil {
		return Range{}, fmt.Errorf("range start: %w", err)
	}
	t, err := Parse(to)
	if err != nil {
		return Range{}, fmt.Errorf("range end: %w", err)
	}
	return NewRange(f, t)
}

// ParseSeason reads "2021-22" as the season's whole range, 1 October to 30 September.
func ParseSeason(s string) (Range, error) {
	var y, end int
	if n, err := fmt.Sscanf(s, "%4d-%2d", &y, &end); n != 2 || err != nil || len(s) != 7 || SeasonName(y) != s {
		return Range{}, fmt.Errorf("season %q: want the form 2021-22", s)
	}
	r := Range{Date{y, time.October, 1}, Date{y + 1, time.September, 30}}
	if r.From.Before(Earliest.AddDays(-31)) || r.To.After(Latest) {
		return Range{}, fmt.Errorf("season %q: %w", s, ErrCalendar)
	}
	return r, nil
}

// Days is the number of dates in the range.
func (r Range) Days() int { return r.To.Sub(r.From) + 1 }

// Contains reports whether d belongs to the range.
func (r Range) Contains(d Date) bool { return !d.Before(r.From) && !d.After(r.To) }

// Dates yields every date of the range once, in order.
func (r Range) Dates() iter.Seq[Date] {
	return func(yield func(Date) bool) {
		for d := r.From; !d.After(r.To); d = d.AddDays(1) {
			if !yield(d) {
				return
			}
		}
	}
}

// String is "2021-10-01..2024-05-01".
func (r Range) String() string { return r.From.String() + ".." + r.To.String() }

// ParseList reads comma-separated dates; order does not matter and a repeated date counts once.
func ParseList(s string) ([]Date, error) {
	var dates []Date
	seen := map[Date]bool{}
	for part := range strings.SplitSeq(s, ",") {
		d, err := Parse(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if !seen[d] {
			seen[d] = true
			dates = append(dates, d)
		}
	}
	return dates, nil
}

func digits(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}
