package publisher

import (
	"slices"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
)

// LookUp is one unit of the calendar that a person should compare with what others publish about it.
type LookUp struct {
	Season string        `json:"season"`
	Date   gamedate.Date `json:"date"`
	Name   string        `json:"name"`
	Link   string        `json:"link"`
}

// lookUps chooses what to compare by hand: of each season's complete dates the first, the middle and the last, and of
// each the calendar's first unit that has a page. The same range gives the same choice; nothing is named in advance,
// since a date known by heart may have no such game.
func (p *Publisher) lookUps(expected map[gamedate.Date]job.Expectation, entries []ledger.Entry) []LookUp {
	if p.job.Calendar.Link == nil {
		return nil
	}
	var seasons []string
	bySeason := map[string][]LookUp{}
	for _, e := range entries { // in date order
		if e.State != ledger.Complete {
			continue
		}
		for _, name := range expected[e.Date].Names {
			link := p.job.Calendar.Link(e.Date, name)
			if link == "" {
				continue
			}
			season := p.job.Calendar.SeasonOf(e.Date)
			if bySeason[season] == nil {
				seasons = append(seasons, season)
			}
			bySeason[season] = append(bySeason[season], LookUp{season, e.Date, name, link})
			break
		}
	}
	var out []LookUp
	for _, season := range seasons {
		all := bySeason[season]
		out = append(out, slices.Compact([]LookUp{all[0], all[len(all)/2], all[len(all)-1]})...)
	}
	return out
}
