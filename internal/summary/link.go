package summary

import (
	"strings"

	"gamefill/internal/gamedate"
)

// referenceCodes are the team codes of Basketball-Reference that are not ours.
var referenceCodes = map[string]string{"BKN": "BRK", "CHA": "CHO", "PHX": "PHO"}

// firstLinkedSeason is the season from which on referenceCodes holds: Charlotte was CHA there until 2013-14.
const firstLinkedSeason = 2014

// boxScoreLink is the page of Basketball-Reference with the box score of a game, "" where it cannot be told. Pages are
// named after the date and the home team: https://www.basketball-reference.com/boxscores/202201150CHO.html.
func boxScoreLink(date gamedate.Date, id string) string {
	day, teams, _ := strings.Cut(id, "_")
	_, home, ok := strings.Cut(teams, "_")
	if !ok || day != date.Compact() || date.SeasonYear() < firstLinkedSeason {
		return ""
	}
	if code, ok := referenceCodes[home]; ok {
		home = code
	}
	return "https://www.basketball-reference.com/boxscores/" + day + "0" + home + ".html"
}
