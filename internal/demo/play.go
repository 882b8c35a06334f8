package demo

import (
	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
)

// box is what one player did. Points follow from it.
type box struct {
	fgm, fga, tpm, tpa, ftm, fta          int
	oreb, dreb, ast, stl, blk, tov, fouls int
}

func (b box) points() int { return 2*b.fgm + b.tpm + b.ftm }

// Bounds of a side's points; a game outside them is played again, so that none looks suspicious.
const (
	minPoints, maxPoints = 80, 165
	minActive, maxActive = 8, 11
	hurt                 = 2 // players of a side who are not dressed
)

// usualMinutes are those of a rotation's eleven, before they are stretched to the length of the game.
var usualMinutes = [maxActive]int{35, 34, 32, 30, 27, 22, 19, 16, 13, 9, 6}

var (
	hurtReasons = []string{"Injury/Illness - Left Ankle; Sprain", "Injury/Illness - Right Knee; Soreness", "Rest",
		"Personal Reasons", "Health and Safety Protocols", "Injury/Illness - Lower Back; Strain", "G League - On Assignment"}
	benchReasons = []string{"DNP - Coach's Decision", "DNP - Coach's Decision", "DNP - Coach's Decision",
		"DND - Left Hamstring; Tightness", "NWT - Personal"}
	tradeReason = "Not With Team - Trade Pending"
)

// side makes one team of a game: whom it lists and, of those who play, what they do. counted games enter the registry.
func (s *season) side(date gamedate.Date, team, overtimes int, counted bool) *side {
	roster := s.rosters[team]
	out := map[int]bool{}
	for len(out) < hurt {
		out[s.dice.IntN(len(roster))] = true
	}
	active := minActive + s.dice.IntN(maxActive-minActive+1)
	var lines, bench, inactive []line
	for i, p := range roster {
		if counted {
			s.note(p, teamCodes[team], date)
		}
		switch {
		case p == s.pending:
			inactive = append(inactive, line{player: p, status: boxscore.Inactive, reason: tradeReason})
		case out[i]:
			inactive = append(inactive,
				line{player: p, status: boxscore.Inactive, reason: hurtReasons[s.dice.IntN(len(hurtReasons))]})
		case len(lines) < active:
			lines = append(lines, line{player: p, status: boxscore.Active})
		default:
			bench = append(bench, line{player: p, status: boxscore.DNP, reason: benchReasons[s.dice.IntN(len(benchReasons))]})
		}
	}
	sd := &side{team: teamCodes[team]}
	for sd.score < minPoints || sd.score > maxPoints {
		s.shareTime(lines, regulationSeconds+overtimeSeconds*overtimes)
		sd.score = 0
		for i := range lines {
			lines[i].box = s.box(lines[i].seconds, lines[i].player.skill())
			sd.score += lines[i].box.points()
		}
	}
	sd.lines = append(append(lines, bench...), inactive...)
	return sd
}

// shareTime divides the team's seconds among those who play, to the second.
func (s *season) shareTime(lines []line, total int) {
	sum := 0
	for i := range lines {
		lines[i].seconds = usualMinutes[i]*60 - 90 + s.dice.IntN(181)
		sum += lines[i].seconds
	}
	left := total
	for i := range lines {
		lines[i].seconds = lines[i].seconds * total / sum
		left -= lines[i].seconds
	}
	lines[0].seconds += left
}

// box throws the dice for one player's game: about 87 shots and 27 free throws a team in regulation.
// skill is added to the percentages.
func (s *season) box(seconds, skill int) (b box) {
	percent := func(n int) bool { return s.dice.IntN(100) < n }
	for range (seconds*(30+skill)/100 + s.dice.IntN(240)) / 60 {
		b.fga++
		three := percent(38)
		if three {
			b.tpa++
		}
		switch {
		case three && percent(36+skill):
			b.fgm++
			b.tpm++
		case !three && percent(52+skill):
			b.fgm++
		}
	}
	for range (seconds*9/100 + s.dice.IntN(120)) / 60 {
		b.fta++
		if percent(78 + skill) {
			b.ftm++
		}
	}
	upTo := func(every int) int { return s.dice.IntN(1 + seconds/every) }
	b.oreb, b.dreb, b.ast = upTo(700), upTo(220), upTo(300)
	b.stl, b.blk, b.tov = upTo(900), upTo(1400), upTo(500)
	b.fouls = min(6, upTo(350))
	return b
}

// plusMinus gives everybody his share of the final lead, by time played.
func (s *side) plusMinus(lead, overtimes int) {
	for i := range s.lines {
		s.lines[i].plusMinus = lead * s.lines[i].seconds * 5 / (regulationSeconds + overtimeSeconds*overtimes)
	}
}
