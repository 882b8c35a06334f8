package summary

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// Reasons why an input row is left out; each is counted under its name in Counts.RejectedBy.
const (
	rejectSourceOff       = "source_off"             // the settings do not use the source on this date
	rejectExcludedGame    = "excluded_game"          // exhibition, or a side outside the league
	rejectGameNotFinal    = "game_not_final"         // postponed: not played on this date
	rejectBadGameID       = "bad_game_id"            // no id of the form YYYYMMDD_AWAY_HOME of this date
	rejectUnknownTeam     = "unknown_team"           // a team code outside the 30 and their known spellings
	rejectTeamNotInGame   = "team_not_in_game"       // a known team that is neither side of the game
	rejectMissingTeam     = "missing_team"           // no team, and the other source cannot tell
	rejectEmptyName       = "empty_name"             // nothing of the name remains
	rejectUnknownStatus   = "unknown_status"         // a player status outside active, dnp, inactive
	rejectBadStat         = "bad_stat"               // a count no game can produce
	rejectDuplicate       = "duplicate"              // the same person and game again in the same source
	rejectUnresolvedName  = "unresolved_inactive"    // a last name that was not matched to a person upstream
	reasonAnotherDate     = "row_of_another_date"    // a whole partition is refused for it
	reasonMalformed       = "malformed_row"          // a row whose width is not its schema's
	detailDuplicateExact  = "exact repeat"           //
	detailDuplicateOlder  = "older version"          //
	detailDuplicateEqual  = "same age, another copy" //
	detailDuplicateOfTeam = "listed under both teams"
)

// rejected gathers what was left out, with samples for people.
type rejected struct {
	by      map[string]int64
	samples []job.Rejection
	notes   []job.Rejection // values left out of rows that were kept; see note
}

func (r *rejected) add(src source, row table.Row, reason, detail string) {
	if r.by == nil {
		r.by = map[string]int64{}
	}
	r.by[reason]++
	r.samples = append(r.samples, job.Rejection{
		Source: sourceTable[src].Name, Reason: reason, Key: sourceTable[src].Describe(row), Detail: detail,
	})
}

// note records values that were left out of a kept row. It is shown beside the rejections but is not one: the row
// itself is used.
func (r *rejected) note(src source, row table.Row, reason, detail string) {
	r.notes = append(r.notes, job.Rejection{
		Source: sourceTable[src].Name, Reason: reason, Key: sourceTable[src].Describe(row), Detail: detail,
	})
}

// list is the samples in a fixed order, rejected rows before notes, cut to [job.MaxRejections].
func (r *rejected) list() []job.Rejection {
	for _, part := range [][]job.Rejection{r.samples, r.notes} {
		slices.SortFunc(part, func(a, b job.Rejection) int {
			return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Reason, b.Reason),
				cmp.Compare(a.Key, b.Key), cmp.Compare(a.Detail, b.Detail))
		})
	}
	all := append(slices.Clip(r.samples), r.notes...)
	return all[:min(len(all), job.MaxRejections)]
}

// checkInput refuses rows that cannot belong to the partition of the date: the wrong width or another date. Dropping
// them would hide a broken read. Neither the order of tables nor that of rows shows in the error.
func checkInput(date gamedate.Date, sources map[string][]table.Row) error {
	schemas := []*table.Schema{boxscore.Schedule, boxscore.Gamebook, boxscore.BDL}
	for _, schema := range schemas {
		wrong := -1
		for _, row := range sources[schema.Name] {
			if n := len(row); n != len(schema.Columns) && (wrong < 0 || n < wrong) {
				wrong = n
			}
		}
		if wrong >= 0 {
			return failure.MarkPermanent(fmt.Errorf("table %s: a row of %d values, want %d: "+
				"read the table with its declared columns", schema.FullName(), wrong, len(schema.Columns)), reasonMalformed)
		}
	}
	var strays []string
	for _, schema := range schemas {
		at := schema.MustIndex(schema.Partition)
		for _, row := range sources[schema.Name] {
			if row[at].Date() != date {
				strays = append(strays, schema.Name+" "+schema.Describe(row)+" game_date="+row[at].Text())
			}
		}
	}
	if len(strays) == 0 {
		return nil
	}
	slices.Sort(strays)
	return failure.MarkPermanent(fmt.Errorf("%d rows of another date in the partition of %s (%s): "+
		"repair the source partition", len(strays), date, sampleOf(strays, 3)), reasonAnotherDate)
}

// cleaner turns raw rows into lines with a known game, team, name and person.
type cleaner struct {
	date     gamedate.Date
	season   int
	slate    *slate
	registry *registry
	rejected rejected
	reversed map[string]bool // source and raw id of ids written HOME_AWAY
	lines    []*line
}

// canonicalOrder sorts lines by source and content: from here on, no result depends on the order of the input.
func (c *cleaner) canonicalOrder() {
	slices.SortFunc(c.lines, func(a, b *line) int {
		return cmp.Or(cmp.Compare(a.src, b.src), slices.Compare(a.hash[:], b.hash[:]))
	})
}

// keep drops the lines for which f gives a reason.
func (c *cleaner) keep(f func(l *line) (reason, detail string)) {
	kept := c.lines[:0]
	for _, l := range c.lines {
		if reason, detail := f(l); reason != "" {
			c.rejected.add(l.src, l.row, reason, detail)
			continue
		}
		kept = append(kept, l)
	}
	c.lines = kept
}

// findGames gives every line its game and drops lines of games that are not built.
//
// A game that the schedule does not have is kept under the order that the gamebook writes, else the order of the lines
// of the secondary source; one pair of teams never becomes two games of a date.
func (c *cleaner) findGames() {
	type rawGame struct {
		game           *game
		first, second  string
		reason, detail string
	}
	seen := map[string]rawGame{}
	lookUp := func(raw string) rawGame {
		if g, ok := seen[raw]; ok {
			return g
		}
		var g rawGame
		date, first, second, ok := splitGameID(raw)
		firstTeam, okFirst := Team(first)
		secondTeam, okSecond := Team(second)
		switch {
		case !ok || date != c.date.Compact():
			g.reason = rejectBadGameID
		case !okFirst || !okSecond:
			g.reason, g.detail = rejectExcludedGame, "a side outside the league"
		case firstTeam == secondTeam:
			g.reason = rejectBadGameID
		default:
			g.first, g.second = firstTeam, secondTeam
			g.game = c.slate.games[pairOf(firstTeam, secondTeam)]
			if g.game == nil {
				g.game = &game{id: gameID(c.date, firstTeam, secondTeam), away: firstTeam, home: secondTeam}
				c.slate.games[pairOf(firstTeam, secondTeam)] = g.game
			}
			switch g.game.state {
			case excluded:
				g.reason = rejectExcludedGame
			case postponed:
				g.reason, g.detail = rejectGameNotFinal, "postponed or cancelled on this date"
			}
		}
		seen[raw] = g
		return g
	}
	for _, raw := range c.unscheduledOrder() {
		lookUp(raw)
	}
	c.keep(func(l *line) (string, string) {
		raw := l.row[columnsOf[l.src].gameID].Str()
		g := lookUp(raw)
		if g.reason != "" {
			return g.reason, g.detail
		}
		if g.first != g.game.away {
			c.reversed[sourceTable[l.src].Name+" "+raw] = true
		}
		l.game = g.game
		return "", ""
	})
}

// unscheduledOrder lists raw ids in the order in which they may found a game that the schedule lacks: those of the
// gamebook first, then by number of lines, then alphabetically.
func (c *cleaner) unscheduledOrder() []string {
	type use struct {
		src source
		n   int
	}
	uses := map[string]use{}
	var ids []string
	for _, l := range c.lines { // the gamebook's lines come first
		raw := l.row[columnsOf[l.src].gameID].Str()
		u, ok := uses[raw]
		if !ok {
			u.src = l.src
			ids = append(ids, raw)
		}
		u.n++
		uses[raw] = u
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(uses[a].src, uses[b].src), -cmp.Compare(uses[a].n, uses[b].n), cmp.Compare(a, b))
	})
	return ids
}

// findTeamsAndNames reads team and name of each line. A line without a team keeps "" for now.
func (c *cleaner) findTeamsAndNames() {
	c.keep(func(l *line) (string, string) {
		at := &columnsOf[l.src]
		if code := l.row[at.team].Str(); strings.TrimSpace(code) != "" {
			team, ok := Team(code)
			if !ok {
				return rejectUnknownTeam, fmt.Sprintf("team %q", code)
			}
			if team != l.game.away && team != l.game.home {
				return rejectTeamNotInGame, fmt.Sprintf("team %s, game %s", team, l.game.id)
			}
			l.team = team
		}
		l.name = strings.TrimSpace(l.row[at.name].Str())
		l.key = Lookup(l.name)
		if l.key == "" && at.originalName >= 0 {
			l.name = strings.TrimSpace(l.row[at.originalName].Str())
			l.key = Lookup(l.name)
		}
		if l.key == "" {
			return rejectEmptyName, ""
		}
		return "", ""
	})
}

// identify finds the person of each line.
func (c *cleaner) identify() {
	type question struct{ key, team string }
	known := make(map[question]identity, len(c.lines))
	for _, l := range c.lines {
		q := question{l.key, l.team}
		who, ok := known[q]
		if !ok {
			who = c.registry.identify(l.key, c.season, l.team)
			known[q] = who
		}
		l.who = who
	}
}

// findMissingTeams takes the team of a line without one from the same player's line in the other source, and drops the
// line when there is none or when they disagree.
func (c *cleaner) findMissingTeams() {
	missing := false
	for _, l := range c.lines {
		missing = missing || l.team == ""
	}
	if !missing {
		return
	}
	c.keep(func(l *line) (string, string) {
		if l.team != "" {
			return "", ""
		}
		team := ""
		for _, p := range c.lines {
			same := p.key == l.key || l.who.id != "" && p.who.id == l.who.id
			if p.src == l.src || p.game != l.game || p.team == "" || !same || p.team == team {
				continue
			}
			if team != "" {
				return rejectMissingTeam, "the other source has the name on both teams"
			}
			team = p.team
		}
		if team == "" {
			return rejectMissingTeam, "no line of the player in the other source"
		}
		l.team = team
		l.who = c.registry.identify(l.key, c.season, team)
		return "", ""
	})
}

// dropUnresolved leaves out inactive names that upstream could not match to a person, and returns them.
func (c *cleaner) dropUnresolved() (names []*line) {
	c.keep(func(l *line) (string, string) {
		if l.src == gamebook && l.status == boxscore.Inactive &&
			(l.resolution == boxscore.NotFound || l.resolution == boxscore.MultipleMatches) {
			names = append(names, l)
			return rejectUnresolvedName, l.resolution
		}
		return "", ""
	})
	return names
}

// dropDuplicates keeps one line per source, game and person.
func (c *cleaner) dropDuplicates() {
	type slot struct {
		src  source
		game *game
		who  person
	}
	best := make(map[slot]*line, len(c.lines))
	for _, l := range c.lines {
		at := slot{l.src, l.game, l.person()}
		if old := best[at]; old == nil || l.better(old) {
			best[at] = l
		}
	}
	if len(best) == len(c.lines) {
		return
	}
	winners := make(map[*line]bool, len(best))
	for _, l := range best {
		winners[l] = true
	}
	kept := make([]*line, 0, len(best))
	for _, l := range c.lines {
		if winners[l] {
			kept = append(kept, l)
			continue
		}
		winner := best[slot{l.src, l.game, l.person()}]
		detail := detailDuplicateEqual
		switch {
		case l.hash == winner.hash:
			detail = detailDuplicateExact
		case l.team != winner.team:
			detail = detailDuplicateOfTeam
		case l.seen < winner.seen:
			detail = detailDuplicateOlder
		}
		c.rejected.add(l.src, l.row, rejectDuplicate, detail)
	}
	c.lines = kept
}

// better orders two lines of one person: the newest, the longer time, the team that the registry has, then content.
func (l *line) better(o *line) bool {
	at := &columnsOf[l.src]
	if c := cmp.Or(
		cmp.Compare(l.seen, o.seen),
		cmp.Compare(l.minutes.orLess(), o.minutes.orLess()),
		cmp.Compare(min(o.who.rank, sameSeason), min(l.who.rank, sameSeason)), // the registry's team or not
		cmp.Compare(o.row[at.dataHash].Str(), l.row[at.dataHash].Str()),
		cmp.Compare(o.team, l.team),
	); c != 0 {
		return c > 0
	}
	return rowJSON(usedSchema[l.src], l.row) < rowJSON(usedSchema[o.src], o.row)
}

// person identifies somebody within a game: the id, or name and team while there is none.
type person struct{ id, key, team string }

func (l *line) person() person {
	if l.who.id != "" {
		return person{id: l.who.id}
	}
	return person{key: l.key, team: l.team}
}

func lowerTrim(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// sampleOf joins the first n texts and says how many more there are.
func sampleOf(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(list[:n], "; "), len(list)-n)
}
