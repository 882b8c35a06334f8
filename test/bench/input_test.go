package bench

import (
	"time"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// inputOf is the input of a first build.
func inputOf(d gamedate.Date, schedule, gamebook, bdl []table.Row, now time.Time) job.Input {
	return job.Input{Date: d, Now: now, Sources: map[string][]table.Row{
		boxscore.Schedule.Name: schedule, boxscore.Gamebook.Name: gamebook, boxscore.BDL.Name: bdl}}
}
