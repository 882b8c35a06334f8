package feed

import (
	"encoding/csv"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"gamefill/internal/gamedate"
)

// FuzzSplit compares the splitting of one line with the standard library's, which knows of line breaks as well.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "a,b", ",", `"a,b",c`, `"a""b"`, `"a`, `a"b`, `"a"b`, `"",`, "é,\u2028", " a , b "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\r\n") || line == "" {
			return // lines have no line breaks; empty ones are skipped before
		}
		got, err := split(nil, line)
		r := csv.NewReader(strings.NewReader(line))
		want, wantErr := r.Read()
		if (err == nil) != (wantErr == nil || wantErr == io.EOF) {
			t.Fatalf("split(%q): got error %v, want %v", line, err, wantErr)
		}
		if err == nil && !slices.Equal(got, want) {
			t.Errorf("split(%q): got %q, want %q", line, got, want)
		}
	})
}

// FuzzLines checks that whatever bytes come, lines end, are valid text and lose nothing.
func FuzzLines(f *testing.F) {
	for _, s := range []string{"a\nb", "a\r\n\n", "\ufeffa\n", "\xff\xfea\x00", "\x1f\x8b\x08", "a\xff\n",
		"\n\n", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := newLines(strings.NewReader(text))
		if err != nil {
			return
		}
		var got []string
		for {
			line, err := l.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
			if !utf8.Valid(line) || strings.ContainsAny(string(line), "\x00\n") {
				t.Fatalf("line %d is %q", l.n, line)
			}
			got = append(got, string(line))
		}
		if strings.HasPrefix(text, "\x1f\x8b") {
			return
		}
		var want []string
		for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
			want = append(want, strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// FuzzParse checks that no line of any format makes a row that its table refuses, or a panic.
func FuzzParse(f *testing.F) {
	for i, text := range []string{scheduleText, playersText, liveText, logText} {
		for line := range strings.Lines(text) {
			f.Add(i, strings.TrimSpace(line))
		}
	}
	f.Fuzz(func(t *testing.T, i int, line string) {
		if !utf8.ValidString(line) || strings.ContainsAny(line, "\x00\r\n") {
			return
		}
		format := formats[uint(i)%uint(len(formats))]
		r := &record{columns: map[string]int{}}
		for i, c := range format.Columns {
			r.columns[c] = i
		}
		r.set(2, line)
		if r.bad != nil {
			return
		}
		e := format.parse(r)
		if r.bad == nil {
			if err := format.Table.Check(e.row, gamedate.Date{}); err != nil {
				t.Errorf("%s: %q: %v", format.Name, line, err)
			}
		} else if r.bad.Reason == "" || r.bad.Detail == "" {
			t.Errorf("%s: %q: rejected without saying why: %+v", format.Name, line, r.bad)
		}
	})
}
