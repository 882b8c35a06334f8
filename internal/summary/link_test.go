package summary

import (
	"testing"

	"gamefill/internal/gamedate"
)

func TestBoxScoreLink(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, date, id, want string }{
		{"the same code", "2022-01-18", "20220118_DET_GSW",
			"https://www.basketball-reference.com/boxscores/202201180GSW.html"},
		{"another code", "2022-01-15", "20220115_NOP_BKN",
			"https://www.basketball-reference.com/boxscores/202201150BRK.html"},
		{"the away team's code does not show", "2022-01-15", "20220115_CHA_NYK",
			"https://www.basketball-reference.com/boxscores/202201150NYK.html"},
		{"a season with other codes", "2013-11-01", "20131101_CLE_CHA", ""},
		{"another date", "2022-01-16", "20220115_NOP_BKN", ""},
		{"no game id", "2022-01-15", "0022100401", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := boxScoreLink(gamedate.MustParse(tt.date), tt.id); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
