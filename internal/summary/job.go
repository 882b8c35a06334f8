package summary

import (
	"slices"
	"time"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// Version is the transform's version. It changes with every change that can alter a row; dates done by another version
// are stale.
const Version = "1.0.0"

const jobName = "player_game_summary"

// Job is the rebuild of the summary table, for the engine.
func Job() job.Job {
	list := make([]job.Rule, len(rules))
	for i, r := range rules {
		list[i] = job.Rule{Name: r.name, Doc: r.doc, StopsRun: slices.Contains(runWide, r.name)}
	}
	return job.Job{
		Name:       jobName,
		Version:    Version,
		Target:     Target,
		Sources:    []*table.Schema{boxscore.Schedule, boxscore.Gamebook, boxscore.BDL},
		References: []*table.Schema{boxscore.Registry, boxscore.Aliases},
		Calendar: job.Calendar{
			Table: boxscore.Schedule, Unit: "game", SeasonNote: "although seasons run to mid-June", Expect: expect,
			InSeason: inSeason, MaxQuietDays: maxQuietDays, SeasonOf: gamedate.Date.Season, Link: boxScoreLink,
		},
		Settings: func(settings []byte) ([]byte, error) {
			s, err := ParseSettings(settings)
			if err != nil {
				return nil, err
			}
			return s.Canonical(), nil
		},
		RowSettings: rowSettings,
		Decode:      decodeRun,
		Build:       build,
		Suggest:     suggest,
		Rules:       list,
		Thresholds:  slices.Clone(thresholds),
		Preflight:   preflight(),
		Gates:       gates(),
		Sampling:    job.Sampling{Canary: canary, SpotCheck: spotCheck},
	}
}

// expect reads a date's schedule as [build] does: what counts there is expected here.
func expect(date gamedate.Date, rows []table.Row) job.Expectation {
	own := make([]table.Row, 0, len(rows))
	for _, row := range rows {
		if len(row) == len(boxscore.Schedule.Columns) {
			own = append(own, row)
		}
	}
	s := readSlate(date, own)
	names := s.byState(final)
	return job.Expectation{
		Units: len(names), NotFinal: len(s.byState(notFinal)), Excluded: len(s.byState(excluded)), Names: names,
	}
}

// maxQuietDays is the longest break without a game inside a season: the All-Star break has lasted seven days.
const maxQuietDays = 7

// inSeason reports whether a date lies between 25 October and 15 June, where the league has always played since 2021.
func inSeason(d gamedate.Date) bool {
	switch {
	case d.Month == time.October:
		return d.Day >= 25
	case d.Month == time.June:
		return d.Day <= 15
	}
	return d.Month > time.October || d.Month < time.June
}
