package job

import (
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// Sampling says how a run over many dates begins with few of them, which are judged before the rest may be done.
type Sampling struct {
	// Canary chooses the dates to begin with among those of expected, which hold the final units of the dates that a
	// run would do; in no order. It chooses none only where no date has a unit.
	Canary func(expected map[gamedate.Date]Expectation) []gamedate.Date
	// SpotCheck shows one finished partition as a person looks at it, and judges what can be judged of that. nil: nothing
	// is shown.
	SpotCheck func(rows []table.Row, by Thresholds) SpotCheck
}

// SpotCheck is a small table of one date, the first row on top, and what was judged of it.
type SpotCheck struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
	Checks  []Check    `json:"-"`
}
