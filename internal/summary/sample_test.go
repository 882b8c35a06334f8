package summary

import (
	"slices"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"

	"github.com/google/go-cmp/cmp"
)

func TestCanary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		games map[string]int
		want  []string
	}{
		{"nothing", nil, nil},
		{"the runbook's week", map[string]int{"2022-01-09": 5, "2022-01-10": 5, "2022-01-13": 1, "2022-01-16": 8, "2022-01-17": 2},
			[]string{"2022-01-10", "2022-01-13", "2022-01-16"}},
		{"a week without games on one date", map[string]int{"2022-01-11": 0, "2022-01-12": 3}, []string{"2022-01-12"}},
		{"the first of the busiest dates of each season", map[string]int{"2022-02-01": 4, "2022-02-03": 9, "2022-02-04": 9, "2022-11-01": 12, "2022-11-02": 3, "2024-01-01": 1},
			[]string{"2022-02-03", "2022-11-01", "2024-01-01"}},
		{"a range without the week", map[string]int{"2023-01-10": 2}, []string{"2023-01-10"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			expected := map[gamedate.Date]job.Expectation{}
			for d, n := range tt.games {
				expected[gamedate.MustParse(d)] = job.Expectation{Units: n}
			}
			var got []string
			for _, d := range slices.SortedFunc(slices.Values(canary(expected)), gamedate.Date.Compare) {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("dates (-want +got):\n%s", diff)
			}
		})
	}
}

// Minutes on and beside both limits, in tenths over five players.
func TestLeaders(t *testing.T) {
	t.Parallel()
	least, most := defaultThresholds["sample.leading_minutes_least"], defaultThresholds["sample.leading_minutes_most"]
	tests := []struct {
		name      string
		tenths, n int64
		want      job.Verdict
	}{
		{"30 minutes", 1500, 5, job.Pass},
		{"just under 30", 1499, 5, job.Warned},
		{"20", 1000, 5, job.Warned},
		{"just under 20", 999, 5, job.Failed},
		{"48", 2400, 5, job.Pass},
		{"just over 48", 2401, 5, job.Warned},
		{"60", 3000, 5, job.Warned},
		{"just over 60", 3001, 5, job.Failed},
		{"nobody", 0, 0, job.Failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := judgeLeaders(least, most, tt.tenths, tt.n)
			if c.Verdict != tt.want {
				t.Errorf("verdict: got %s, want %s", c.Verdict, tt.want)
			}
			if (c.Advice != "") != (tt.want != job.Pass) {
				t.Errorf("advice of %s: got %q", tt.want, c.Advice)
			}
		})
	}
}

func TestSpotCheck(t *testing.T) {
	t.Parallel()
	player := func(name string, minutes table.Value) table.Row {
		row := make(table.Row, len(Target.Columns))
		row[Target.MustIndex("player_full_name")] = table.String(name)
		row[Target.MustIndex("player_lookup")] = table.String(name)
		row[Target.MustIndex("minutes_played")] = minutes
		return row
	}
	var rows []table.Row
	for i, name := range []string{"f", "e", "d", "c", "b"} {
		rows = append(rows, player(name, table.Numeric(int64(300+10*i), 1)))
	}
	rows = append(rows, player("a", table.Numeric(340, 1)), player("idle", table.Null))
	got := spotCheck(rows, defaultThresholds)
	var names []string
	for _, cells := range got.Rows {
		names = append(names, cells[0])
	}
	if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(names, want) {
		t.Errorf("players: got %v, want %v: most minutes first, then by name", names, want)
	}
	if len(got.Checks) != 1 || got.Checks[0].Seen != "32.8" || got.Checks[0].Verdict != job.Pass {
		t.Errorf("checks: got %+v, want one that passes with 32.8 minutes", got.Checks)
	}
}
