package summary

import "strings"

// MinutesKind says what a minutes text turned out to be.
type MinutesKind uint8

// The kinds.
const (
	MinutesAbsent    MinutesKind = iota // no value: NULL, "", "-", "null"
	MinutesKnown                        // a playing time
	MinutesNotPlayed                    // words that say the person did not play
	MinutesBad                          // unreadable; counted, never guessed
)

// Minutes is one parsed playing time.
type Minutes struct {
	Kind    MinutesKind
	Seconds int64 // 0 to 4800 when Kind is MinutesKnown
	// WholeMinutes is set when the source gave no seconds, so the true time lies within half a minute.
	WholeMinutes bool
}

// orLess is the time for comparison: none given is less than no time played.
func (m Minutes) orLess() int64 {
	if m.Kind != MinutesKnown {
		return -1
	}
	return m.Seconds
}

// maxSeconds is 80 minutes: a game of six overtimes, the most ever played, has 78.
const maxSeconds = 80 * 60

// ParseMinutes reads a playing time as the sources write it: "34:56", "34", "34.5", "PT34M56.00S", "PT34M", or words
// such as "DNP - Coach's Decision". Text is never read as a floating-point number. Fractions of a second round half up.
func ParseMinutes(s string) Minutes {
	s = strings.TrimSpace(s)
	if s == "" || s == "-" || strings.EqualFold(s, "null") {
		return Minutes{}
	}
	if saysNotPlayed(s) {
		return Minutes{Kind: MinutesNotPlayed}
	}
	m, ok := parseClock(s)
	if !ok || m.Seconds > maxSeconds {
		return Minutes{Kind: MinutesBad}
	}
	m.Kind = MinutesKnown
	return m
}

func saysNotPlayed(s string) bool {
	for _, word := range []string{"dnp", "dnd", "nwt", "did not", "inactive"} {
		if len(s) >= len(word) && strings.EqualFold(s[:len(word)], word) {
			return true
		}
	}
	return false
}

func parseClock(s string) (Minutes, bool) {
	if len(s) > 2 && strings.EqualFold(s[:2], "PT") {
		return parseDuration(strings.ToUpper(s[2:]))
	}
	if minutes, seconds, ok := strings.Cut(s, ":"); ok {
		m, okM := digits(strings.TrimSpace(minutes))
		sec, okS := digits(strings.TrimSpace(seconds))
		return Minutes{Seconds: m*60 + sec}, okM && okS && sec < 60
	}
	whole, fraction, decimal := strings.Cut(s, ".")
	m, ok := digits(whole)
	if !decimal {
		return Minutes{Seconds: m * 60, WholeMinutes: true}, ok
	}
	frac, unit, okF := fractionOf(fraction)
	if !ok || !okF {
		return Minutes{}, false
	}
	return Minutes{Seconds: m*60 + (2*60*frac+unit)/(2*unit)}, true
}

// parseDuration reads what follows PT in an ISO 8601 duration of minutes and seconds: "34M56.00S", "34M", "56S".
func parseDuration(s string) (Minutes, bool) {
	var out Minutes
	if head, rest, ok := strings.Cut(s, "M"); ok {
		m, okM := digits(head)
		if !okM {
			return Minutes{}, false
		}
		if rest == "" {
			return Minutes{Seconds: m * 60, WholeMinutes: true}, true
		}
		out.Seconds, s = m*60, rest
	}
	s, ok := strings.CutSuffix(s, "S")
	if !ok {
		return Minutes{}, false
	}
	whole, fraction, decimal := strings.Cut(s, ".")
	sec, ok := digits(whole)
	if !ok || sec > 59 {
		return Minutes{}, false
	}
	if decimal {
		frac, unit, okF := fractionOf(fraction)
		if !okF {
			return Minutes{}, false
		}
		sec += (2*frac + unit) / (2 * unit)
	}
	out.Seconds += sec
	return out, true
}

// digits reads one to five ASCII digits; more would not be a playing time.
func digits(s string) (int64, bool) {
	if s == "" || len(s) > 5 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// fractionOf reads the digits behind a point as frac/unit, unit a power of ten. Digits past the ninth are checked and
// dropped: below a nanosecond they cannot matter to any source.
func fractionOf(s string) (frac, unit int64, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, 0, false
		}
	}
	unit = 1
	for i := range min(len(s), 9) {
		frac, unit = frac*10+int64(s[i]-'0'), unit*10
	}
	return frac, unit, s != ""
}

// MinutesPlayed is the playing time in tenths of a minute, rounded half up once from whole seconds: 735 s is 12.3.
func MinutesPlayed(seconds int64) (tenths int64) { return (seconds*10 + 30) / 60 }
