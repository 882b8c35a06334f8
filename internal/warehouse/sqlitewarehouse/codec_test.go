package sqlitewarehouse

import (
	"testing"
	"time"

	"gamefill/internal/table"
)

func FuzzParseDate(f *testing.F) {
	for _, s := range []string{"2022-01-15", "2024-02-29", "2023-02-29", "0000-01-01", "0001-01-01", "9999-12-31",
		"2022-1-15", "2022-01-15 ", "", "+022-01-15"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseDate(s)
		want, err := time.Parse(time.DateOnly, s)
		if wantOK := err == nil && want.Year() >= 1; ok != wantOK || ok && (d.Time() != want || d.String() != s) {
			t.Errorf("%q: got %v, %v, want %v, %v", s, d, ok, want, err)
		}
	})
}

func FuzzParseTimestamp(f *testing.F) {
	for _, s := range []string{"2022-01-15T00:30:00.000000Z", "9999-12-31T23:59:59.999999Z", "2022-01-15T24:00:00.000000Z",
		"2022-01-15T00:60:00.000000Z",
		"2022-01-15T00:30:61.000000Z", "2022-01-15t00:30:00.000000z", "2022-01-15T00:30:00.00000Z",
		"2022-13-15T00:30:00.000000Z", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTimestamp(s)
		want, err := time.Parse(table.TimestampLayout, s)
		if ok && (err != nil || !got.Equal(want) || got.Format(table.TimestampLayout) != s) {
			t.Errorf("%q: got %v, want %v, %v", s, got, want, err)
		}
		if !ok && err == nil && want.Year() >= 1 && want.Format(table.TimestampLayout) == s {
			t.Errorf("%q: refused", s)
		}
	})
}
