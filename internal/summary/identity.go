package summary

import (
	"cmp"
	"crypto/sha256"
	"slices"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// rank says how well a registry row fits a line; lower is better.
type rank uint8

const (
	sameTeam      rank = iota // the game's season and the line's team
	sameSeason                // the game's season
	earlierSeason             // the nearest season before
	laterSeason               // the nearest season after
	noRank                    // nobody
)

// identity is the person behind a name, as far as the registry knows.
type identity struct {
	id        string // "" for unresolved
	rank      rank
	ambiguous bool // several ids fit equally well, or the one that fits is taken
}

// candidate is one registry row that has an id.
type candidate struct {
	id       string
	season   int
	team     string
	activity int // newest known activity as yyyymmdd, 0 for none
}

// registry is the reference snapshot, indexed by lookup. It is read-only after [newRegistry].
type registry struct {
	candidates map[string][]candidate
	canonical  map[string][]string // active aliases: lookup to canonical lookups, sorted
	// evidence is the hash of the reference rows of a lookup, by table, for the input fingerprint.
	players, aliases map[string][sha256.Size]byte
}

func newRegistry(players, aliases []table.Row) *registry {
	r := &registry{
		candidates: make(map[string][]candidate, len(players)),
		canonical:  make(map[string][]string, len(aliases)),
	}
	s := boxscore.Registry
	id, lookup, team, season := s.MustIndex("universal_player_id"), s.MustIndex("player_lookup"), s.MustIndex("team_abbr"),
		s.MustIndex("season")
	activity := []int{
		s.MustIndex("last_gamebook_activity_date"), s.MustIndex("last_roster_activity_date"), s.MustIndex("last_game_date"),
	}
	for _, row := range players {
		name, err := gamedate.ParseSeason(row[season].Str())
		if err != nil || row[id].Str() == "" {
			continue // without an id or a season a row names nobody
		}
		c := candidate{id: row[id].Str(), season: name.From.Year, team: teamOrRaw(row[team].Str())}
		for _, at := range activity {
			if d := row[at].Date(); !d.IsZero() {
				c.activity = max(c.activity, d.Year*10000+int(d.Month)*100+d.Day)
			}
		}
		r.candidates[row[lookup].Str()] = append(r.candidates[row[lookup].Str()], c)
	}
	a := boxscore.Aliases
	from, to, active := a.MustIndex("alias_lookup"), a.MustIndex("nba_canonical_lookup"), a.MustIndex("is_active")
	for _, row := range aliases {
		if row[active].IsTrue() {
			r.canonical[row[from].Str()] = append(r.canonical[row[from].Str()], row[to].Str())
		}
	}
	for key, list := range r.canonical {
		slices.Sort(list)
		r.canonical[key] = slices.Compact(list)
	}
	r.players, r.aliases = hashByLookup(s, lookup, players), hashByLookup(a, from, aliases)
	return r
}

func hashByLookup(s *table.Schema, lookup int, rows []table.Row) map[string][sha256.Size]byte {
	grouped := make(map[string][][sha256.Size]byte, len(rows))
	for _, row := range rows {
		grouped[row[lookup].Str()] = append(grouped[row[lookup].Str()], s.RowHash(row))
	}
	out := make(map[string][sha256.Size]byte, len(grouped))
	for key, hashes := range grouped {
		slices.SortFunc(hashes, func(a, b [sha256.Size]byte) int { return slices.Compare(a[:], b[:]) })
		h := sha256.New()
		for i := range hashes {
			h.Write(hashes[i][:])
		}
		out[key] = [sha256.Size]byte(h.Sum(nil))
	}
	return out
}

// identify finds the person of a name on a team ("" for unknown) in a season: by the registry's own lookups, else
// through one active alias.
func (r *registry) identify(key string, season int, team string) identity {
	if c := r.candidates[key]; len(c) > 0 {
		return pick(c, season, team)
	}
	switch targets := r.canonical[key]; len(targets) {
	case 0:
		return identity{rank: noRank}
	case 1:
		return pick(r.candidates[targets[0]], season, team)
	default:
		var union []candidate
		for _, target := range targets {
			union = append(union, r.candidates[target]...)
		}
		return pick(union, season, team)
	}
}

// pick chooses among registry rows: the best rank, in it the latest activity, then the lowest id.
func pick(candidates []candidate, season int, team string) identity {
	// fit orders rows by rank and, across seasons, by distance.
	fit := func(c *candidate) (rank, int) {
		switch {
		case c.season == season && team != "" && c.team == team:
			return sameTeam, 0
		case c.season == season:
			return sameSeason, 0
		case c.season < season:
			return earlierSeason, season - c.season
		default:
			return laterSeason, c.season - season
		}
	}
	var best *candidate
	var bestRank rank
	var bestDistance int
	ambiguous := false
	for i := range candidates {
		c := &candidates[i]
		rank, distance := fit(c)
		if best != nil {
			switch cmp.Or(cmp.Compare(rank, bestRank), cmp.Compare(distance, bestDistance)) {
			case 1:
				continue
			case 0:
				ambiguous = ambiguous || c.id != best.id
				if cmp.Or(-cmp.Compare(c.activity, best.activity), cmp.Compare(c.id, best.id)) < 0 {
					best = c
				}
				continue
			}
		}
		best, bestRank, bestDistance, ambiguous = c, rank, distance, false
	}
	if best == nil {
		return identity{rank: noRank}
	}
	return identity{id: best.id, rank: bestRank, ambiguous: ambiguous}
}

// withholdTaken takes an id back from a line that played for another team than the one the registry has for that id,
// when a line of that very team played on the date: the two are namesakes, and the registry lacks one. A line of the
// same game with equal numbers is the same person listed twice and keeps the id, as does one in another game: there it
// is somebody active in two games, which acceptance refuses. The other lines of a namesake's name on that team in that
// game, idle ones and those of the other source, are the namesake's too.
func (c *cleaner) withholdTaken() {
	doubtful := func(l *line) bool { return l.played() && l.who.id != "" && l.who.rank != sameTeam }
	if !slices.ContainsFunc(c.lines, doubtful) {
		return
	}
	holders := map[string][]*line{}
	for _, l := range c.lines {
		if l.played() && l.who.id != "" && l.who.rank == sameTeam {
			holders[l.who.id] = append(holders[l.who.id], l)
		}
	}
	type spot struct {
		game          *game
		key, team, id string
	}
	namesakes := map[spot]bool{}
	for _, l := range c.lines {
		if !doubtful(l) {
			continue
		}
		taken, same := false, false
		for _, h := range holders[l.who.id] {
			if h.team != l.team {
				taken = true
				same = same || l.stats.sameKnown(&h.stats) && sameTime(l, h)
			}
		}
		if taken && !same {
			namesakes[spot{l.game, l.key, l.team, l.who.id}] = true
		}
	}
	if len(namesakes) == 0 {
		return
	}
	for _, l := range c.lines {
		if namesakes[spot{l.game, l.key, l.team, l.who.id}] {
			l.who = identity{rank: noRank, ambiguous: true}
		}
	}
}

// sameTime reports whether two lines can mean the same playing time: equal, or within a minute where one of them is in
// whole minutes, or unknown in one of them.
func sameTime(a, b *line) bool {
	if a.minutes.Kind != MinutesKnown || b.minutes.Kind != MinutesKnown {
		return true
	}
	gap := a.minutes.Seconds - b.minutes.Seconds
	if gap < 0 {
		gap = -gap
	}
	return gap == 0 || (a.minutes.WholeMinutes != b.minutes.WholeMinutes && gap <= 60)
}
