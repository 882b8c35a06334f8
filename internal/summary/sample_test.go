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
		{"the runbook's week",
			map[string]int{"2022-01-09": 5, "2022-01-10": 5, "2022-01-13": 1, "2022-01-16": 8, "2022-01-17": 2},
			[]string{"2022-01-10", "2022-01-13", "2022-01-16"}},
		{"a week without games on one date", map[string]int{"2022-01-11": 0, "2022-01-12": 3}, []string{"2022-01-12"}},
		{"the first of the busiest dates of each season", map[string]int{"2022-02-01": 4, "2022-02-03": 9, "2022-02-04": 9,
			"2022-11-01": 12, "2022-11-02": 3, "2024-01-01": 1},
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

// playerOn is a row of somebody with these minutes.
func playerOn(name string, minutes table.Value) table.Row {
	return rowOf(Target, cells{"player_full_name": name, "player_lookup": name, "minutes_played": minutes})
}

func TestSpotCheck(t *testing.T) {
	t.Parallel()
	var rows []table.Row
	for i, name := range []string{"f", "e", "d", "c", "b"} {
		rows = append(rows, playerOn(name, table.Numeric(int64(300+10*i), 1)))
	}
	rows = append(rows, playerOn("a", table.Numeric(340, 1)), playerOn("idle", table.Null))
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
	if got := spotCheck(rows[len(rows)-1:], defaultThresholds).Checks; len(got) != 1 || got[0].Verdict != job.Failed ||
		got[0].Advice == "" {
		t.Errorf("nobody with minutes: got %+v, want a failure that says what to do", got)
	}
}
