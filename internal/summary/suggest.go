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
	boxscore.Registry.MustIndex("player_lookup"), boxscore.Registry.MustIndex("team_abbr"), boxscore.Registry.MustIndex("season"),
}

// suggest finds registry rows that an unresolved name may mean: those whose lookup differs by at most maxDistance
// letters (Levenshtein), and those of the same team and season whose lookup ends or begins with it, which is what a
// name printed without its first part looks like. Same team and season come first, then fewer letters, then the lookup.
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
		part := sameTeam && sameSeason && len(u.Lookup) >= 3 && (strings.HasSuffix(lookup, u.Lookup) || strings.HasPrefix(lookup, u.Lookup))
		if distance > maxDistance && !part {
			continue
		}
		c := candidate{Suggestion: job.Suggestion{Lookup: lookup, Name: row[registryAt.name].Str(), ID: row[registryAt.id].Str()}, rank: 2, distance: distance}
		c.Why = fmt.Sprintf("%d letters differ", distance)
		if part && distance > maxDistance {
			c.Why = "its name contains this one"
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
