package summary

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// sampleWeek is the week that the old runbook begins with; its facts are known.
var sampleWeek = gamedate.Range{From: gamedate.Date{Year: 2022, Month: 1, Day: 10},
	To: gamedate.Date{Year: 2022, Month: 1, Day: 16}}

// canary begins with the runbook's week, where it is among the dates, and with each season's first date of most games;
// the busiest date of all is one of those.
func canary(expected map[gamedate.Date]job.Expectation) []gamedate.Date {
	chosen := map[gamedate.Date]bool{}
	busiest := map[string]gamedate.Date{}
	for d, e := range expected {
		if e.Units == 0 {
			continue
		}
		if sampleWeek.Contains(d) {
			chosen[d] = true
		}
		best, ok := busiest[d.Season()]
		if !ok || e.Units > expected[best].Units || e.Units == expected[best].Units && d.Before(best) {
			busiest[d.Season()] = d
		}
	}
	for _, d := range busiest {
		chosen[d] = true
	}
	var dates []gamedate.Date
	for d := range chosen {
		dates = append(dates, d)
	}
	return dates
}

// leaders is how many players of a date are looked at: those with the most minutes.
const leaders = 5

// spotCheck shows the players with the most minutes of one date and judges the mean of these minutes: "45:58" that
// became nothing, or seconds that became minutes, show there at once.
func spotCheck(rows []table.Row, by job.Thresholds) job.SpotCheck {
	minutes := Target.MustIndex("minutes_played")
	tenths := func(r table.Row) int64 { n, _, _ := r[minutes].Unscaled(); return n }
	top := slices.DeleteFunc(slices.Clone(rows), func(r table.Row) bool { return r[minutes].IsNull() })
	name := Target.MustIndex("player_lookup")
	slices.SortFunc(top, func(a, b table.Row) int {
		return cmp.Or(cmp.Compare(tenths(b), tenths(a)), a[name].Compare(b[name]))
	})
	top = top[:min(leaders, len(top))]
	out := job.SpotCheck{Columns: []string{"player_full_name", "team_abbr", "minutes_played", "points",
		"assists", "usage_rate"}}
	sum := int64(0)
	for _, r := range top {
		sum += tenths(r)
		var cells []string
		for _, column := range out.Columns {
			cells = append(cells, r[Target.MustIndex(column)].Text())
		}
		out.Rows = append(out.Rows, cells)
	}
	out.Checks = []job.Check{judgeLeaders(by["sample.leading_minutes_least"], by["sample.leading_minutes_most"],
		sum, int64(len(top)))}
	return out
}

// judgeLeaders judges the mean minutes of the leading players of a date, given in tenths. Nobody with minutes is a
// failure.
func judgeLeaders(least, most job.Threshold, tenths, n int64) job.Check {
	c := job.Check{Name: "leading_minutes", Verdict: job.Failed, Seen: "nobody has minutes",
		Bound: fmt.Sprintf("%s and %s", least.Bound(), most.Bound())}
	if n > 0 {
		c.Seen = strconv.FormatFloat(float64(tenths)/float64(10*n), 'f', 1, 64)
		c.Verdict = job.Worse(least.Mean(tenths, 10*n), most.Mean(tenths, 10*n))
	}
	if c.Verdict != job.Pass {
		c.Advice = "compare the players below with the league's box score, and look at the raw minutes of the date"
	}
	return c
}
