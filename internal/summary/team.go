package summary

import "strings"

// teamCodes maps every accepted spelling to one of the 30 codes.
var teamCodes = func() map[string]string {
	codes := map[string]string{
		"BRK": "BKN", "PHO": "PHX", "CHO": "CHA", "GS": "GSW", "NY": "NYK", "SA": "SAS",
		"NO": "NOP", "NOH": "NOP", "UTAH": "UTA", "WSH": "WAS",
	}
	for code := range strings.FieldsSeq(`ATL BOS BKN CHA CHI CLE DAL DEN DET GSW HOU IND LAC LAL MEM
		MIA MIL MIN NOP NYK OKC ORL PHI PHX POR SAC SAS TOR UTA WAS`) {
		codes[code] = code
	}
	return codes
}()

// Team is the team's code among the 30, from any known spelling in any case, blanks around it ignored.
// ok is false for everything else: an unknown code is never cut or guessed.
func Team(code string) (team string, ok bool) {
	if team, ok = teamCodes[code]; ok {
		return team, true
	}
	code = strings.TrimSpace(code)
	if !isASCII(code) { // ToUpper would turn a dotless i or a long s into a letter of a code
		return "", false
	}
	team, ok = teamCodes[strings.ToUpper(code)]
	return team, ok
}
