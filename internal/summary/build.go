package summary

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"gamefill/internal/boxscore"
	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// Names in Output.Counts.Counts. They add up over dates.
const (
	countStatus           = "status."               // + player_status: rows out
	countSource           = "source."               // + primary_source_used: rows out
	countIssue            = "issues."               // + issue: rows out
	CountGames            = "games"                 // games with rows
	CountGamesFinal       = "games_final"           // games that the schedule counts and calls final
	CountActiveNoMinutes  = "minutes_null.active"   // active rows without minutes
	CountActiveUsage      = "usage.active"          // active rows with usage
	CountNotInSchedule    = "game_not_in_schedule"  // games with rows that the schedule lacks
	CountReversed         = "game_id_reversed"      // raw ids written HOME_AWAY, by source
	CountSourceConflict   = "source_conflict"       // rows whose sources, or status and numbers, contradict
	CountSourceDifference = "source_difference"     // persons whose two lines are far apart
	CountDisagreement     = "source_disagreement"   // games with over a tenth of such persons
	CountMatchFound       = "match.found"           // secondary players who met a gamebook person
	CountMatchOf          = "match.of"              // secondary players who should have
	CountIncompleteTeams  = "incomplete_team_games" // sides of games that do not add up
	CountUnresolved       = "unresolved"            // rows without a registry id
	CountNamesakes        = "namesakes_on_one_team" // rows that share lookup and team with another person
	CountAmbiguous        = "ambiguous_identity"    // rows whose name fits several ids
	CountUnresolvedNames  = "unresolved_inactive"   // inactive names left out, waiting for a person
	CountQualityScore     = "quality_score"         // sum of the rows' scores
	CountProductionReady  = "production_ready"      // rows that are production-ready
)

// shared is what the dates of one run have in common; read-only.
type shared struct {
	settings  Settings
	canonical []byte
	registry  *registry
}

// decodeRun prepares settings and reference rows, given by table name, for [build].
func decodeRun(settings []byte, references map[string][]table.Row) (any, error) {
	s, err := ParseSettings(settings)
	if err != nil {
		return nil, err
	}
	for _, schema := range []*table.Schema{boxscore.Registry, boxscore.Aliases} {
		for _, row := range references[schema.Name] {
			if len(row) != len(schema.Columns) {
				return nil, failure.MarkPermanent(fmt.Errorf("table %s: a row of %d values, want %d: "+
					"read the table with its declared columns", schema.FullName(), len(row), len(schema.Columns)), reasonMalformed)
			}
		}
	}
	evidence := s
	evidence.Thresholds = nil // they judge rows and make none
	return &shared{
		settings: s, canonical: evidence.Canonical(),
		registry: newRegistry(references[boxscore.Registry.Name], references[boxscore.Aliases.Name]),
	}, nil
}

// build makes the whole partition of one date.
//
// Errors are permanent and name what is wrong with the input: "row_of_another_date", "malformed_row", "source_empty"
// (final games, and not one usable row) or "invalid_output", which would be a fault of this package. Findings judge
// everything else. Output.Rejections lists rejected rows first, then notes about values left out of rows that were
// kept (source_conflict, source_difference, bad_minutes of idle players); notes are not counted in RejectedBy.
func build(run any, in job.Input) (job.Output, error) {
	sh := run.(*shared)
	schedule := in.Sources[boxscore.Schedule.Name]
	raw := [numSources][]table.Row{}
	for src, schema := range sourceTable {
		raw[src] = in.Sources[schema.Name]
	}
	if err := checkInput(in.Date, in.Sources); err != nil {
		return job.Output{}, err
	}

	c := &cleaner{
		date: in.Date, season: in.Date.SeasonYear(), registry: sh.registry, slate: readSlate(in.Date, schedule),
		reversed: map[string]bool{},
	}
	if open := c.slate.byState(notFinal); len(open) > 0 {
		return job.Output{NotReady: fmt.Sprintf("%d games not final: %s", len(open), strings.Join(open, ", "))}, nil
	}
	previous, err := readPrevious(in.Date, c.slate, in.Previous)
	if err != nil {
		return job.Output{}, failure.MarkPermanent(err, reasonMalformed)
	}

	evidence := map[string][][sha256.Size]byte{}
	for _, row := range schedule {
		evidence[boxscore.Schedule.Name] = append(evidence[boxscore.Schedule.Name], usedSchedule.RowHash(row))
	}
	c.lines = make([]*line, 0, len(raw[gamebook])+len(raw[bdl]))
	for src := range numSources {
		on := sh.settings.Sources[sourceTable[src].Name].covers(in.Date)
		evidence[sourceTable[src].Name] = c.decodeAll(src, raw[src], on)
	}
	c.canonicalOrder()
	c.findGames()
	c.findTeamsAndNames()
	keys := make([]string, len(c.lines))
	for i, l := range c.lines {
		keys[i] = l.key
	}
	c.identify()
	unresolved := c.dropUnresolved()
	c.findMissingTeams()
	c.withholdTaken()
	c.dropDuplicates()

	m := c.merge()
	impossible := m.markTwoGames()
	facts := c.readGameFacts()
	teams := m.sumTeams(facts)
	m.derive(facts, teams)
	rows := c.rows(m, facts, sh.settings.ProcessingContext)
	previous.carryOver(rows, in.Now, sh.settings.Unowned == UnownedCarry)

	j := &judged{
		in: in, settings: sh.settings, slate: c.slate, merged: m, facts: facts, teams: teams, impossible: impossible,
		rows: rows, newest: map[string]int64{}, previous: previous, games: builtGames(m),
	}
	for _, l := range c.lines {
		name := sourceTable[l.src].Name
		j.newest[name] = max(j.newest[name], l.seen)
	}
	j.counts = c.count(j, int64(len(raw[gamebook])+len(raw[bdl])), unresolved)

	output := job.Output{
		Rows: rows, Counts: j.counts, Findings: j.judge(), Rejections: c.rejected.list(),
		Unresolved:       m.unresolved(in.Date, unresolved),
		InputFingerprint: inputFingerprint(evidence, c, keys, sh.canonical),
		NewestSource:     map[string]time.Time{},
	}
	for name, micros := range j.newest {
		if micros != 0 {
			output.NewestSource[name] = timeOf(micros)
		}
	}
	if finals := c.slate.byState(final); len(rows) == 0 && len(finals) > 0 {
		return output, failure.MarkPermanent(fmt.Errorf("%d games scheduled, source empty: 0 of %d raw rows usable (%s): "+
			"load the box scores of %s and replay",
			len(finals), j.counts.RowsIn, reasonsOf(j.counts.RejectedBy), in.Date), "source_empty")
	}
	for _, row := range rows {
		if err := checkRow(row, in.Date); err != nil {
			return output, failure.MarkPermanent(fmt.Errorf("row %s: %w", Target.Describe(row), err), "invalid_output")
		}
	}
	return output, nil
}

// checkRow verifies a row against the schema, NULLs in REQUIRED columns aside: those are a finding of their own.
func checkRow(row table.Row, date gamedate.Date) error {
	for _, at := range requiredAt {
		if row[at].IsNull() {
			return nil
		}
	}
	return Target.Check(row, date)
}

// decodeAll reads the rows of a source, leaving out those that cannot be read, or all of them when the settings do not
// use the source on the date. It returns the hash of every row.
func (c *cleaner) decodeAll(src source, rows []table.Row, on bool) [][sha256.Size]byte {
	hashes := make([][sha256.Size]byte, len(rows))
	for i, row := range rows {
		l, reason, detail := decode(src, row)
		hashes[i] = l.hash
		if !on {
			reason, detail = rejectSourceOff, "the settings do not use the source on this date"
		}
		if reason != "" {
			c.rejected.add(src, row, reason, detail)
			continue
		}
		c.lines = append(c.lines, l)
	}
	return hashes
}

// builtGames are the games that have rows, by id.
func builtGames(m *merged) []*game {
	var games []*game
	for _, e := range m.entries { // sorted by game
		if g := e.game; len(games) == 0 || games[len(games)-1] != g {
			games = append(games, g)
		}
	}
	return games
}

// count gathers the additive facts of the date. Every raw row is used, alone or merged with its partner in the other
// source, or rejected.
func (c *cleaner) count(j *judged, rowsIn int64, unresolvedNames []*line) job.Counts {
	n := map[string]int64{
		CountGames: int64(len(j.games)), CountGamesFinal: int64(len(j.slate.byState(final))),
		CountActiveNoMinutes: 0, CountActiveUsage: 0,
		CountReversed: int64(len(c.reversed)), CountSourceConflict: j.merged.conflicts,
		CountSourceDifference: j.merged.differences, CountDisagreement: j.merged.disagreements,
		CountMatchFound: j.merged.matchFound, CountMatchOf: j.merged.matchOf,
		CountIncompleteTeams: int64(len(j.incomplete())), CountUnresolved: 0, CountAmbiguous: 0, CountNamesakes: 0,
		CountNotInSchedule: 0, CountUnresolvedNames: int64(len(unresolvedNames)),
	}
	for _, status := range statuses {
		n[countStatus+status] = 0
	}
	for _, g := range j.games {
		if g.state == unscheduled {
			n[CountNotInSchedule]++
		}
	}
	type name struct{ key, team string }
	seen := make(map[name]bool, len(j.merged.entries))
	var byIssue [numIssues]int64
	bySource := map[string]int64{}
	byStatus := map[string]int64{}
	for _, e := range j.merged.entries {
		byStatus[e.status]++
		bySource[e.used]++
		for is := range numIssues {
			if e.issues.has(is) {
				byIssue[is]++
			}
		}
		if e.active() && e.minutes.Kind != MinutesKnown {
			n[CountActiveNoMinutes]++
		}
		if e.derived.usageShown {
			n[CountActiveUsage]++
		}
		if seen[name{e.key, e.team}] {
			n[CountNamesakes]++
		}
		seen[name{e.key, e.team}] = true
	}
	for status, rows := range byStatus {
		n[countStatus+status] = rows
	}
	for used, rows := range bySource {
		n[countSource+used] = rows
	}
	for is, rows := range byIssue {
		if rows > 0 {
			n[countIssue+issueNames[is]] = rows
		}
	}
	n[CountQualityScore], n[CountProductionReady] = qualityOf(j.rows)
	n[CountUnresolved] = byIssue[issueUnresolvedPlayer]
	n[CountAmbiguous] = byIssue[issueAmbiguousIdentity]
	return job.Counts{
		RowsIn: rowsIn, RowsUsed: int64(len(c.lines)), RowsOut: int64(len(j.rows)), RejectedBy: c.rejected.by, Counts: n,
	}
}

// unresolved lists the names that the registry does not know, one entry per name and team: those of rows without an id,
// and inactive names that were left out.
func (m *merged) unresolved(date gamedate.Date, left []*line) []job.Unresolved {
	type spot struct{ lookup, team string }
	found := map[spot]*job.Unresolved{}
	add := func(name, lookup, team, gameID string, unmatched bool) {
		u := found[spot{lookup, team}]
		if u == nil {
			u = &job.Unresolved{Source: jobName, Name: name, Lookup: lookup, Season: date.Season(), Group: team, Unmatched: true}
			found[spot{lookup, team}] = u
		}
		u.Name = min(u.Name, name)
		u.Unmatched = u.Unmatched && unmatched
		if !slices.Contains(u.Examples, gameID) {
			u.Examples = append(u.Examples, gameID)
		}
	}
	for _, e := range m.entries {
		if e.who.id == "" {
			add(e.name, e.key, e.team, e.game.id, false)
		}
	}
	for i := range left {
		add(left[i].name, left[i].key, left[i].team, left[i].game.id, true)
	}
	list := make([]job.Unresolved, 0, len(found))
	for _, u := range found {
		slices.Sort(u.Examples)
		list = append(list, *u)
	}
	slices.SortFunc(list, func(a, b job.Unresolved) int {
		return cmp.Or(cmp.Compare(a.Lookup, b.Lookup), cmp.Compare(a.Group, b.Group))
	})
	return list
}

// reasonsOf writes counts by reason, sorted: "bad_stat 2, unknown_team 5".
func reasonsOf(by map[string]int64) string {
	if len(by) == 0 {
		return "no rows at all"
	}
	parts := make([]string, 0, len(by))
	for reason, n := range by {
		parts = append(parts, fmt.Sprintf("%s %d", reason, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
