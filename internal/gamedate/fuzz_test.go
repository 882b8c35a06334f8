package gamedate_test

import (
	"testing"

	"gamefill/internal/gamedate"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "2022-01-15", "2022-02-30", "2022-01-15T00:00:00Z", "0000-00-00", "2079-12-31",
		"٢٠٢٢-01-15"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := gamedate.Parse(s)
		if err != nil {
			if !d.IsZero() {
				t.Errorf("%q: got %v beside %v", s, d, err)
			}
			return
		}
		if d.String() != s || d.Before(gamedate.Earliest) || d.After(gamedate.Latest) || d.AddDays(1).AddDays(-1) != d {
			t.Errorf("%q: got %v", s, d)
		}
	})
}

func FuzzParseRange(f *testing.F) {
	f.Add("2021-10-01", "2024-05-01")
	f.Add("2022-01-16", "2022-01-15")
	f.Add("", "2022-01-15")
	f.Fuzz(func(t *testing.T, from, to string) {
		r, err := gamedate.ParseRange(from, to)
		if err != nil {
			return
		}
		if r.From.String() != from || r.To.String() != to {
			t.Fatalf("%q..%q: got %v", from, to, r)
		}
		n := 0
		for d := range r.Dates() {
			if n++; !r.Contains(d) {
				t.Fatalf("%v does not contain %v", r, d)
			}
		}
		if n != r.Days() || n < 1 {
			t.Errorf("%v: %d dates, want %d", r, n, r.Days())
		}
	})
}

func FuzzParseStamp(f *testing.F) {
	for _, s := range []string{"2022-01-15", "2022-01-16T03:30:00Z", "2022-01-15 00:00:00 UTC",
		"2022-01-15T19:30:00-08:00", "2022-01-15T", "2022-01-15T00:00:00,5Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := gamedate.ParseStamp(s)
		if err != nil {
			if !d.IsZero() {
				t.Errorf("%q: got %v beside %v", s, d, err)
			}
			return
		}
		civil, err := gamedate.Parse(s[:10])
		if err != nil {
			t.Fatalf("%q: got %v, but its date is none: %v", s, d, err)
		}
		if days := d.Sub(civil); days < -2 || days > 2 { // an offset is at most a day, New York five hours more
			t.Errorf("%q: got %v", s, d)
		}
	})
}

func FuzzParseSeason(f *testing.F) {
	for _, s := range []string{"2021-22", "1999-00", "2021-23", "-001-00", "0x21-22"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := gamedate.ParseSeason(s)
		if err != nil {
			return
		}
		if r.From.Season() != s || r.To.Season() != s || r.To.AddDays(1).Season() == s || r.From.AddDays(-1).Season() == s {
			t.Errorf("%q: got %v", s, r)
		}
	})
}
