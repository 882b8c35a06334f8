package summary

import (
	"cmp"
	"fmt"
	"slices"

	"gamefill/internal/boxscore"
)

// Values of primary_source_used.
const (
	UsedGamebook = "nbac_gamebook"
	UsedBDL      = "bdl_boxscores"
	UsedCombined = "nbac_bdl_combined"
)

// entry is one person in one game: a row in the making.
type entry struct {
	game         *game
	team         string
	name, key    string
	who          identity
	book, second *line // the lines behind it, at least one

	status  string
	reason  string
	minutes Minutes // Kind is MinutesKnown or MinutesAbsent
	stats   stats
	used    string
	issues  issueSet

	derived derived
}

func (e *entry) active() bool { return e.status == boxscore.Active }

// opponent is the other side of the entry's game.
func (e *entry) opponent() string {
	if e.team == e.game.home {
		return e.game.away
	}
	return e.game.home
}

// teamGame is one side of one game.
type teamGame struct {
	game *game
	team string
}

// merged is the date's entries with what the two sources said about each other.
type merged struct {
	entries []*entry // by game, team, key, id
	// matchOf counts secondary lines that played in games the gamebook covers, matchFound those that met a gamebook
	// line, unmatched names the others.
	matchOf, matchFound int64
	unmatched           []string
	conflicts           int64 // entries whose sources, or whose status and numbers, contradict each other
	differences         int64 // persons active in both sources with numbers far apart
	disagreements       int64 // games with too many such persons
	badMinutes          []string
	bookActive          map[teamGame]int // active gamebook lines of a team in a game
}

// Limits between the sources, from the transform's rules: apart by more than these is a difference, and more than one
// person in ten is a disagreement about the game.
const (
	farPoints       = 2
	farSeconds      = 3 * 60
	disagreeingOneN = 10
)

// merge makes one entry per game and person. The gamebook wins where it has the person; the secondary source fills
// single fields and whole persons that it lacks, and takes over a team that the gamebook lists without any numbers.
func (c *cleaner) merge() *merged {
	type slot struct {
		game *game
		who  person
	}
	m := &merged{bookActive: map[teamGame]int{}, entries: make([]*entry, 0, len(c.lines))}
	at := make(map[slot]int, len(c.lines))
	covered := map[*game]bool{}
	for _, l := range c.lines { // the gamebook's lines come first
		s := slot{l.game, l.person()}
		n, ok := at[s]
		if !ok {
			n = len(m.entries)
			at[s] = n
			m.entries = append(m.entries, &entry{game: l.game, team: l.team, name: l.name, key: l.key, who: l.who})
		}
		e := m.entries[n]
		switch l.src {
		case gamebook:
			e.book = l
			covered[l.game] = true
			if l.played() {
				m.bookActive[teamGame{l.game, l.team}]++
			}
		case bdl:
			e.second = l
			if l.played() && covered[l.game] {
				m.matchOf++
				if e.book != nil {
					m.matchFound++
				} else {
					m.unmatched = append(m.unmatched, l.game.id+" "+l.name)
				}
			}
		}
	}
	for _, e := range m.entries {
		c.settle(m, e)
	}
	m.compareSources(&c.rejected)
	slices.SortFunc(m.entries, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.game.id, b.game.id), cmp.Compare(a.team, b.team),
			cmp.Compare(a.key, b.key), cmp.Compare(a.who.id, b.who.id))
	})
	slices.Sort(m.unmatched)
	slices.Sort(m.badMinutes)
	return m
}

// settle decides what an entry says: status, numbers, and which source they are from.
func (c *cleaner) settle(m *merged, e *entry) {
	primary := e.book
	e.used = UsedGamebook
	if primary == nil {
		primary, e.used = e.second, UsedBDL
	}
	conflict := false
	contradicts := func(l *line, detail string) {
		conflict = true
		c.rejected.note(l.src, l.row, CountSourceConflict, detail+" "+l.numbers())
	}
	if !primary.played() && primary.showsPlay() {
		contradicts(primary, "kept as "+primary.status+" without its own")
	}
	rosterOnly := e.book != nil && m.bookActive[teamGame{e.game, e.team}] == 0
	e.status, e.reason = primary.status, primary.reason
	switch {
	case primary.played():
		e.take(primary)
	case e.book != nil && e.second != nil && e.second.played() && rosterOnly:
		e.status, e.reason, e.used = boxscore.Active, "", UsedBDL
		e.take(e.second)
	case e.book != nil && e.second != nil && e.second.played():
		contradicts(e.second, "gamebook says "+e.status+", left out")
	}
	if e.active() && primary == e.book && e.used == UsedGamebook && e.second != nil && e.second.played() {
		e.fill(e.second)
	}
	if conflict {
		m.conflicts++
		e.issues.add(issueSourceConflict)
	}
	for _, l := range []*line{e.book, e.second} {
		if l != nil && l.season != int64(c.season) {
			e.issues.add(issueSeasonMismatch)
		}
	}
	switch {
	case e.active():
		m.noteMinutes(e)
	case primary.minutes.Kind == MinutesBad:
		e.issues.add(issueBadMinutes)
		c.rejected.note(primary.src, primary.row, issueNames[issueBadMinutes],
			fmt.Sprintf("minutes %q", primary.row[columnsOf[primary.src].minutes].Str()))
	}
	if e.who.ambiguous {
		e.issues.add(issueAmbiguousIdentity)
	}
	if e.who.id == "" {
		e.issues.add(issueUnresolvedPlayer)
	}
}

// take makes a line's numbers the entry's.
func (e *entry) take(l *line) {
	e.stats = l.stats
	if l.minutes.Kind == MinutesKnown {
		e.minutes = l.minutes
	}
}

// fill takes from the secondary source what the gamebook does not give, plus_minus aside.
func (e *entry) fill(l *line) {
	if missing := l.stats.has &^ e.stats.has &^ (1 << plusMinus); missing != 0 {
		for i := range numStats {
			if missing&(1<<i) != 0 {
				e.stats.set(i, l.stats.n[i])
			}
		}
		e.used = UsedCombined
	}
	if e.minutes.Kind != MinutesKnown && l.minutes.Kind == MinutesKnown {
		e.minutes = l.minutes
		e.used = UsedCombined
	}
}

// noteMinutes marks an active entry whose playing time was unreadable or is missing. Unreadable text is counted even
// where the other source filled the gap.
func (m *merged) noteMinutes(e *entry) {
	bad := false
	for _, l := range []*line{e.book, e.second} {
		if l == nil || l.minutes.Kind != MinutesBad || (l == e.second && e.minutes.Kind == MinutesKnown) {
			continue
		}
		bad = true
		m.badMinutes = append(m.badMinutes, fmt.Sprintf("%q (%s %s)",
			l.row[columnsOf[l.src].minutes].Str(), e.game.id, e.key))
	}
	switch {
	case bad:
		e.issues.add(issueBadMinutes)
	case e.minutes.Kind != MinutesKnown:
		e.issues.add(issueMissingMinutes)
	}
}

// compareSources looks, per game, at the persons whom both sources call active. Where over a tenth of them are far
// apart, every entry of the game carries the issue.
func (m *merged) compareSources(notes *rejected) {
	type tally struct{ both, far int }
	games := map[*game]*tally{}
	for _, e := range m.entries {
		if e.book == nil || e.second == nil || !e.book.played() || !e.second.played() {
			continue
		}
		t := games[e.game]
		if t == nil {
			t = &tally{}
			games[e.game] = t
		}
		t.both++
		if far := farApart(e.book, e.second); far != "" {
			t.far++
			m.differences++
			notes.note(bdl, e.second.row, CountSourceDifference, far)
		}
	}
	disagree := func(g *game) bool {
		t := games[g]
		return t != nil && t.far*disagreeingOneN > t.both
	}
	for g := range games {
		if disagree(g) {
			m.disagreements++
		}
	}
	if m.disagreements == 0 {
		return
	}
	for _, e := range m.entries {
		if disagree(e.game) {
			e.issues.add(issueSourceDisagreement)
		}
	}
}

// farApart says how two lines of one person differ by more than the limits, "" if they do not.
func farApart(book, second *line) string {
	a, okA := book.stats.get(points)
	b, okB := second.stats.get(points)
	farInPoints := okA && okB && abs(a-b) > farPoints
	farInTime := book.minutes.Kind == MinutesKnown && second.minutes.Kind == MinutesKnown &&
		abs(book.minutes.Seconds-second.minutes.Seconds) > farSeconds
	if !farInPoints && !farInTime {
		return ""
	}
	return fmt.Sprintf("gamebook %s, here %s", book.numbers(), second.numbers())
}

// numbers is a line's points and minutes for a message.
func (l *line) numbers() string {
	at := &columnsOf[l.src]
	pts, mins := l.row[at.stats[points]].Text(), l.row[at.minutes].Str()
	if pts == "" {
		pts = "NULL"
	}
	return fmt.Sprintf("points %s minutes %q", pts, mins)
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// markTwoGames finds persons who stand in more than one game of the date: listed twice is possible on the day of a
// trade, active twice is not. It returns the ids of the latter, sorted.
func (m *merged) markTwoGames() (impossible []string) {
	type seen struct{ rows, active int }
	ids := make(map[string]seen, len(m.entries))
	for _, e := range m.entries {
		if e.who.id == "" {
			continue
		}
		s := ids[e.who.id]
		s.rows++
		if e.active() {
			s.active++
		}
		ids[e.who.id] = s
	}
	for _, e := range m.entries {
		if e.who.id != "" && ids[e.who.id].rows > 1 {
			e.issues.add(issueTwoGames)
		}
	}
	for id, s := range ids {
		if s.active > 1 {
			impossible = append(impossible, id)
		}
	}
	slices.Sort(impossible)
	return impossible
}
