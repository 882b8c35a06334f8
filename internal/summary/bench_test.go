package summary

import (
	"testing"

	"gamefill/internal/boxscore"
)

// BenchmarkBuild builds an ordinary date: seven games, 34 rows each in the gamebook, 20 in the secondary source.
func BenchmarkBuild(b *testing.B) {
	w := newWorld(oneDate)
	for _, pair := range [][2]string{{"BOS", "CHI"}, {"MIA", "NYK"}, {"DEN", "LAL"}, {"UTA", "PHX"}, {"GSW", "DET"},
		{"MIN", "MIL"}, {"ATL", "BKN"}} {
		id := w.addFullGame(pair[0], pair[1], 110, 104)
		for _, team := range pair {
			for i := range 3 {
				w.addIdle(id, team, team+" Reserve "+string(rune('A'+i)), boxscore.Inactive)
			}
		}
		for i := range 10 {
			w.addBDL(id, pair[0], playerOf(pair[0], i), "24", teamLine(110, i))
			w.addBDL(id, pair[1], playerOf(pair[1], i), "24", teamLine(104, i))
		}
	}
	sh, in := w.shared(b), w.input()
	b.ReportAllocs()
	for b.Loop() {
		o, err := build(sh, in)
		if err != nil || len(o.Rows) != 7*34 {
			b.Fatal(len(o.Rows), err)
		}
	}
}
