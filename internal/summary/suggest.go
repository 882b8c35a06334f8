package summary

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"gamefill/internal/boxscore"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// maxDistance is the largest edit distance of a suggestion: two slips, or "jr" more or less.
const maxDistance = 2

var registryAt = struct{ id, name, lookup, team, season int }{
	boxscore.Registry.MustIndex("universal_player_id"), boxscore.Registry.MustIndex("player_name"),
	boxscore.Registry.MustIndex("player_lookup"), boxscore.Registry.MustIndex("team_abbr"),
	boxscore.Registry.MustIndex("season"),
}

// suggest finds registry rows that an unresolved name may mean: those whose lookup differs by at most maxDistance
// letters (Levenshtein), and those of the same team and season with the same surname, which is what a nickname or a
// name printed by its last part looks like. Same team and season come first, then fewer letters, then the lookup.
func suggest(references map[string][]table.Row, u job.Unresolved, most int) []job.Suggestion {
	type candidate struct {
		job.Suggestion
		rank, distance int
	}
	best := map[string]candidate{}
	for _, row := range references[boxscore.Registry.Name] {
		lookup := row[registryAt.lookup].Str()
		sameTeam := row[registryAt.team].Str() == u.Group
		sameSeason := row[registryAt.season].Str() == u.Season
		distance := levenshtein.ComputeDistance(u.Lookup, lookup)
		family := sameTeam && sameSeason && surname(u.Name) != "" && surname(u.Name) == surname(row[registryAt.name].Str())
		if distance > maxDistance && !family {
			continue
		}
		c := candidate{Suggestion: job.Suggestion{Lookup: lookup, Name: row[registryAt.name].Str(),
			ID: row[registryAt.id].Str()}, rank: 2, distance: distance}
		c.Why = fmt.Sprintf("%d letters differ", distance)
		if distance == 1 {
			c.Why = "1 letter differs"
		}
		if distance > maxDistance {
			c.Why = "same surname"
		}
		switch {
		case sameTeam && sameSeason:
			c.rank, c.Why = 0, c.Why+", same team and season"
		case sameSeason:
			c.rank, c.Why = 1, c.Why+", same season"
		}
		old, ok := best[lookup]
		if !ok || c.rank < old.rank {
			best[lookup] = c
		}
	}
	list := make([]candidate, 0, len(best))
	for _, c := range best {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.distance, b.distance), cmp.Compare(a.Lookup, b.Lookup))
	})
	var out []job.Suggestion
	for _, c := range list[:min(most, len(list))] {
		out = append(out, c.Suggestion)
	}
	return out
}

// surname is the lookup of a name's last part, suffixes left out: "brown" for "Charlie Brown Jr.".
func surname(name string) string {
	parts := strings.Fields(name)
	for len(parts) > 0 {
		last := Lookup(parts[len(parts)-1])
		if len(parts) == 1 || !slices.Contains([]string{"jr", "sr", "ii", "iii", "iv"}, last) {
			return last
		}
		parts = parts[:len(parts)-1]
	}
	return ""
}
