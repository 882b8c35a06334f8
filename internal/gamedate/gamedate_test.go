package gamedate_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want error // nil: the text is its own date
	}{
		{"2022-01-15", nil},
		{"2024-02-29", nil},
		{"1946-11-01", nil},
		{"2079-12-31", nil},
		{"", gamedate.ErrMissing},
		{"20220115", gamedate.ErrFormat},
		{"01/15/2022", gamedate.ErrFormat},
		{"2022-1-15", gamedate.ErrFormat},
		{"2022-01-15\n", gamedate.ErrFormat},
		{" 2022-01-15", gamedate.ErrFormat},
		{"２０２２-01-15", gamedate.ErrFormat},
		{"2022-01-15T00:00:00Z", gamedate.ErrDateOnly},
		{"2022-01-15 00:00:00", gamedate.ErrDateOnly},
		{"2021-13-01", gamedate.ErrNoMonth},
		{"2022-02-30", gamedate.ErrNoDate},
		{"2023-02-29", gamedate.ErrNoDate},
		{"1900-02-29", gamedate.ErrNoDate},
		{"2022-00-10", gamedate.ErrNoDate},
		{"2022-01-00", gamedate.ErrNoDate},
		{"2022-04-31", gamedate.ErrNoDate},
		{"0000-00-00", gamedate.ErrNoDate},
		{"0000-01-01", gamedate.ErrNoDate},
		{"1946-10-31", gamedate.ErrCalendar},
		{"2080-01-01", gamedate.ErrCalendar},
		{"2099-01-01", gamedate.ErrCalendar},
		{"0001-01-01", gamedate.ErrCalendar},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			got, err := gamedate.Parse(tt.in)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error: got %v, want %v", err, tt.want)
			}
			if tt.want == nil && got.String() != tt.in {
				t.Errorf("got %v, want %v", got, tt.in)
			}
			if tt.want != nil && !got.IsZero() {
				t.Errorf("date beside an error: got %v, want none", got)
			}
			if tt.want != nil && tt.in != "" && !strings.Contains(err.Error(), tt.in[:4]) {
				t.Errorf("error %q does not name the value %q", err, tt.in)
			}
		})
	}
}

func TestMustParsePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("got no panic for a date that does not exist")
		}
	}()
	gamedate.MustParse("2022-02-30")
}

func TestParseStamp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in, want string
		wantErr        error
	}{
		{name: "late game", in: "2022-01-16T03:30:00Z", want: "2022-01-15"},
		{name: "evening before the spring change", in: "2022-03-13T01:00:00Z", want: "2022-03-12"},
		{name: "last minute of standard time", in: "2022-03-13T06:59:00Z", want: "2022-03-13"},
		{name: "late on the day of the spring change", in: "2022-03-14T03:30:00Z", want: "2022-03-13"},
		{name: "evening before the autumn change", in: "2022-11-06T03:30:00Z", want: "2022-11-05"},
		{name: "first 01:30 of the autumn change", in: "2022-11-06T05:30:00Z", want: "2022-11-06"},
		{name: "second 01:30 of the autumn change", in: "2022-11-06T06:30:00Z", want: "2022-11-06"},
		{name: "late on the day of the autumn change", in: "2022-11-07T04:30:00Z", want: "2022-11-06"},
		{name: "afternoon in Paris", in: "2024-01-11T19:00:00Z", want: "2024-01-11"},
		{name: "morning in Japan", in: "2022-09-30T10:00:00Z", want: "2022-09-30"},
		{name: "other zone", in: "2022-01-15T19:30:00-08:00", want: "2022-01-15"},
		{name: "zone of another date", in: "2022-01-16T09:00:00+05:30", want: "2022-01-15"},
		{name: "fraction", in: "2022-01-16T03:30:00.123456Z", want: "2022-01-15"},
		{name: "store's instant", in: "2022-01-16 03:30:00 UTC", want: "2022-01-15"},
		{name: "plain date", in: "2022-01-15", want: "2022-01-15"},
		{name: "midnight with milliseconds", in: "2022-01-15T00:00:00.000Z", want: "2022-01-15"},
		{name: "store's midnight", in: "2022-01-15 00:00:00 UTC", want: "2022-01-15"},
		{name: "midnight", in: "2022-01-15T00:00:00Z", want: "2022-01-15"},
		{name: "midnight at offset zero", in: "2022-01-15T00:00:00+00:00", want: "2022-01-15"},
		{name: "just after midnight is an instant", in: "2022-01-15T00:00:00.001Z", want: "2022-01-14"},
		{name: "midnight elsewhere is an instant", in: "2022-01-15T00:00:00+09:00", want: "2022-01-14"},
		{name: "midnight in New York", in: "2022-01-15T00:00:00-05:00", want: "2022-01-15"},
		{name: "nothing", in: "", wantErr: gamedate.ErrMissing},
		{name: "word", in: "yesterday", wantErr: gamedate.ErrFormat},
		{name: "no zone", in: "2022-01-15T00:00:00", wantErr: gamedate.ErrStamp},
		{name: "no clock", in: "2022-01-15T", wantErr: gamedate.ErrStamp},
		{name: "hour 25", in: "2022-01-15T25:00:00Z", wantErr: gamedate.ErrStamp},
		{name: "trailing text", in: "2022-01-15 00:00:00 UTC!", wantErr: gamedate.ErrStamp},
		{name: "no such date", in: "2022-02-30T00:00:00Z", wantErr: gamedate.ErrNoDate},
		{name: "before the calendar in New York", in: "1946-11-01T01:00:00Z", wantErr: gamedate.ErrCalendar},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := gamedate.ParseStamp(tt.in)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error: got %v, want %v", err, tt.wantErr)
			}
			if tt.wantErr == nil && got.String() != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to string
		days     int
	}{
		{"2021-10-01", "2024-05-01", 944}, // one less if the end did not belong to it
		{"2024-02-28", "2024-03-01", 3},
		{"2023-02-28", "2023-03-01", 2},
		{"2022-03-12", "2022-03-14", 3},
		{"2022-11-05", "2022-11-07", 3},
		{"2023-03-11", "2023-03-13", 3},
		{"2023-11-04", "2023-11-06", 3},
		{"2024-03-09", "2024-03-11", 3},
		{"2021-10-01", "2022-06-30", 273},
		{"2022-07-01", "2023-06-30", 365},
		{"2023-07-01", "2024-05-01", 306},
		{"2022-01-15", "2022-01-15", 1},
	}
	for _, tt := range tests {
		t.Run(tt.from+".."+tt.to, func(t *testing.T) {
			t.Parallel()
			r, err := gamedate.ParseRange(tt.from, tt.to)
			if err != nil {
				t.Fatal(err)
			}
			dates := slices.Collect(r.Dates())
			if len(dates) != tt.days || r.Days() != tt.days {
				t.Fatalf("days: got %d enumerated, %d counted, want %d", len(dates), r.Days(), tt.days)
			}
			if first, last := dates[0].String(), dates[len(dates)-1].String(); first != tt.from || last != tt.to {
				t.Errorf("ends: got %s and %s, want %s and %s", first, last, tt.from, tt.to)
			}
			for i, d := range dates {
				if !r.Contains(d) {
					t.Errorf("%s is enumerated, but not contained", d)
				}
				if i > 0 && (d.Sub(dates[i-1]) != 1 || d.Compare(dates[i-1]) != 1) {
					t.Errorf("%s follows %s", d, dates[i-1])
				}
			}
			if r.Contains(r.From.AddDays(-1)) || r.Contains(r.To.AddDays(1)) {
				t.Error("a neighbour of the range is contained")
			}
			if got, want := r.String(), tt.from+".."+tt.to; got != want {
				t.Errorf("text: got %s, want %s", got, want)
			}
		})
	}
	t.Run("stops early", func(t *testing.T) {
		t.Parallel()
		for d := range (gamedate.Range{From: date("2022-01-01"), To: date("2022-01-03")}).Dates() {
			if d.Day == 2 {
				return
			}
		}
		t.Error("the loop's return was not reached")
	})
}

func TestShardsCoverTheRange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name               string
		shards             [][2]string
		distinct, repeated int
	}{
		{"adjoining",
			[][2]string{{"2021-10-01", "2022-06-30"}, {"2022-07-01", "2023-06-30"}, {"2023-07-01", "2024-05-01"}}, 944, 0},
		{"overlapping",
			[][2]string{{"2021-10-01", "2022-06-30"}, {"2022-06-25", "2023-06-30"}, {"2023-07-01", "2024-05-01"}}, 944, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			times := map[gamedate.Date]int{}
			repeated := 0
			for _, s := range tt.shards {
				r, err := gamedate.ParseRange(s[0], s[1])
				if err != nil {
					t.Fatal(err)
				}
				for d := range r.Dates() {
					if times[d]++; times[d] > 1 {
						repeated++
					}
				}
			}
			if len(times) != tt.distinct || repeated != tt.repeated {
				t.Errorf("got %d distinct, %d repeated, want %d and %d", len(times), repeated, tt.distinct, tt.repeated)
			}
		})
	}
}

func TestParseRangeErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to string
		want     error
		text     string // what the message must name
	}{
		{"2023-02-29", "2023-03-01", gamedate.ErrNoDate, `range start: date "2023-02-29"`},
		{"2021-13-01", "2021-12-01", gamedate.ErrNoMonth, `"2021-13-01"`},
		{"01/15/2022", "01/16/2022", gamedate.ErrFormat, `"01/15/2022"`},
		{"2022-01-16", "2022-01-15", gamedate.ErrReversed, "2022-01-16..2022-01-15"},
		{"", "2022-01-15", gamedate.ErrMissing, "range start"},
		{"2022-01-15", "", gamedate.ErrMissing, "range end"},
		{"20220115", "20220116", gamedate.ErrFormat, `"20220115"`},
		{"2022-01-15T00:00:00Z", "2022-01-16", gamedate.ErrDateOnly, `"2022-01-15T00:00:00Z"`},
		{"0000-00-00", "2022-01-15", gamedate.ErrNoDate, `"0000-00-00"`},
		{"2022-01-15", "2022-01-32", gamedate.ErrNoDate, `range end: date "2022-01-32"`},
	}
	for _, tt := range tests {
		t.Run(tt.from+".."+tt.to, func(t *testing.T) {
			t.Parallel()
			_, err := gamedate.ParseRange(tt.from, tt.to)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %v naming %s", err, tt.want, tt.text)
			}
		})
	}
}

func TestParseList(t *testing.T) {
	t.Parallel()
	got, err := gamedate.ParseList("2022-01-15, 2021-12-25,2022-01-15")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]gamedate.Date{date("2022-01-15"), date("2021-12-25")}, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "2022-01-15,", "2022-01-15;2022-01-16", "2022-01-15,2022-02-30"} {
		if got, err := gamedate.ParseList(bad); err == nil {
			t.Errorf("list %q: got %v, want an error", bad, got)
		}
	}
}

func TestSeasons(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2021-10-01": "2021-22", "2021-09-30": "2020-21", "2022-06-16": "2021-22", "2000-01-01": "1999-00",
		"1999-12-31": "1999-00", "2009-10-27": "2009-10", "2022-12-31": "2022-23",
	} {
		if got := date(in).Season(); got != want {
			t.Errorf("season of %s: got %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"2021-22": "2021-10-01..2022-09-30", "1999-00": "1999-10-01..2000-09-30", "1946-47": "1946-10-01..1947-09-30",
	} {
		got, err := gamedate.ParseSeason(in)
		if err != nil || got.String() != want {
			t.Errorf("season %s: got %v, %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "2021", "2021-23", "2021-2022", "21-22", "2021/22", "2021-22 ", "+021-22", "1945-46",
		"2079-80", "2021-2x"} {
		if got, err := gamedate.ParseSeason(bad); err == nil {
			t.Errorf("season %q: got %v, want an error", bad, got)
		}
	}
}

func TestTextForms(t *testing.T) {
	t.Parallel()
	d := date("2022-01-05")
	if got, want := d.Compact(), "20220105"; got != want {
		t.Errorf("compact: got %s, want %s", got, want)
	}
	type holder struct {
		Set   gamedate.Date
		Unset gamedate.Date
		In    gamedate.Range
		By    map[gamedate.Date]int
	}
	want := holder{Set: d, In: gamedate.Range{From: d, To: d.AddDays(3)}, By: map[gamedate.Date]int{d: 1}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"Set":"2022-01-05","Unset":"","In":{"from":"2022-01-05","to":"2022-01-08"},"By":{"2022-01-05":1}}`; string(text) != want {
		t.Errorf("JSON: got %s, want %s", text, want)
	}
	var got holder
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"Set":"2022-02-30"}`), &got); !errors.Is(err, gamedate.ErrNoDate) {
		t.Errorf("JSON with a date that does not exist: got %v, want %v", err, gamedate.ErrNoDate)
	}
}

func TestDateArithmetic(t *testing.T) {
	t.Parallel()
	if got, want := date("2024-02-28").AddDays(2), date("2024-03-01"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := date("2024-03-01").AddDays(-366), date("2023-03-01"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := gamedate.Latest.Sub(gamedate.Earliest), 48638; got != want {
		t.Errorf("days of the calendar: got %d, want %d", got, want)
	}
	a, b := date("2022-01-15"), date("2022-02-01")
	if !a.Before(b) || b.Before(a) || a.Before(a) || !b.After(a) || a.After(a) || a.Sub(b) != -17 {
		t.Errorf("order of %v and %v is wrong", a, b)
	}
	if !(gamedate.Date{}).IsZero() || a.IsZero() {
		t.Error("only the zero value is no date")
	}
	at := time.Date(2022, time.January, 15, 23, 59, 0, 0, time.FixedZone("", -11*3600))
	if got := gamedate.FromTime(at); got != a {
		t.Errorf("date in the time's own zone: got %v, want %v", got, a)
	}
}

func date(s string) gamedate.Date { return gamedate.MustParse(s) }
