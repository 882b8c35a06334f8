package demo

import (
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/summary"
)

// teamCodes are the league's thirty.
var teamCodes = strings.Fields(`ATL BOS BKN CHA CHI CLE DAL DEN DET GSW HOU IND LAC LAL MEM
	MIA MIL MIN NOP NYK OKC ORL PHI PHX POR SAC SAS TOR UTA WAS`)

// rosterSize is how many players a team has: those of a real one, without two-way contracts.
const rosterSize = 15

// player is one invented person and how the registry and the two sources spell his name.
type player struct {
	number               int // from 0
	id                   string
	name, book, second   string
	jersey, position     string
	alias, aliasSpelling string // lookup and spelling that only an alias resolves; "" for none
}

// Numbers of given names and surnames have no common divisor, so player n has given name n and surname n, each counted
// round, and no two of the players have both in common. A surname with a colon has a second form with accents.
var (
	givenNames = strings.Fields(`Abel Bastien Caspian Dermot Eamon Florin Gareth Hugo Ismael Jarek Keanu Leopold Milo
		Nestor Orson Pascal Quentin Rafferty Silas Thaddeus Ulric Viggo Wendell Xander Yorick Zeno Alaric Bowen Corwin
		Desmond Evander Ferris Gideon Hollis Ignace Jolyon Kester`)
	surnames = strings.Fields(`Ashgrove Brezal:Brézal Carrow Dunmore Eskild Farrant Gavrik:Gavřik Holloway Ibarne Jessup
		Kovacen:Kovačen Larkham Morcant Nyeland Oster:Öster Penhale Quillon Rosvik Sahin:Şahin Tamblyn Umbrell Vasquel
		Wexford Yarwood Zelnik:Želnik Ambrose Brackley Colder Drummer Elmore Fosdike Grenville Hathern Islip Joyner
		Kimber Lukor:Łukor Mallory Nesbitt Orchard Pavon:Pavón Radley Selwyn`)
	positions = []string{"PG", "SG", "SF", "PF", "C"}
)

// People of their own, by number: team times fifteen plus place on the roster.
const (
	misspelt     = 11*rosterSize + 6 // both sources leave a letter out, and no alias says so
	namesake     = 2*rosterSize + 4  // has the name of …
	namesakeTwin = 20*rosterSize + 5
	suffixEvery  = 45 // every so manieth player has a generation suffix
	suffixFrom   = 10
)

// rosters makes every team's players, as they stand before the first season.
func rosters() [][]*player {
	all := make([]*player, 0, len(teamCodes)*rosterSize)
	ids := map[string]int{}
	for n := range len(teamCodes) * rosterSize {
		p := &player{number: n, jersey: fmt.Sprint(n * 7 % 56), position: positions[n%len(positions)]}
		if n == namesakeTwin {
			p.name, p.book, p.second = all[namesake].name, all[namesake].book, all[namesake].second
		} else {
			p.spell()
		}
		lookup := summary.Lookup(p.name)
		ids[lookup]++
		p.id = fmt.Sprintf("%s_%03d", lookup, ids[lookup])
		all = append(all, p)
	}
	teams := make([][]*player, 0, len(teamCodes))
	for roster := range slices.Chunk(all, rosterSize) {
		teams = append(teams, slices.Clone(roster))
	}
	return teams
}

// spell decides how registry and sources write the player. Where they differ, it is the gamebook that has accents or
// suffix for even numbers, the secondary source for odd ones.
func (p *player) spell() {
	plain, accented, ok := strings.Cut(surnames[p.number%len(surnames)], ":")
	if !ok {
		accented = plain
	}
	given := givenNames[p.number%len(givenNames)] + " "
	full, short := given+accented, given+plain
	if p.number%suffixEvery == suffixFrom {
		suffix := " Jr."
		if p.number/suffixEvery%4 >= 2 { // each suffix for even and odd numbers
			suffix = " III"
		}
		p.aliasSpelling = short
		p.alias = summary.Lookup(short)
		full += suffix
	}
	p.name, p.book, p.second = full, full, short
	if p.number%2 == 1 {
		p.book, p.second = short, full
	}
	if p.number == misspelt {
		wrong := full[:len(full)-2] + full[len(full)-1:] // the last letter but one
		p.book, p.second = wrong, wrong
	}
}

// surname is what a gamebook prints of inactive players.
func (p *player) surname() string { return strings.Fields(p.book)[1] }

// skill is how much better than the average a player is, from -6 to 6.
func (p *player) skill() int { return p.number*5%13 - 6 }
