package summary

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
)

// nameCounts ask for the names that the raw tables print, by season, over all dates together: some thousand groups
// whatever the range, where counting them date by date would be reading the tables.
var nameCounts = [numSources]job.Counting{
	gamebook: {Table: boxscore.Gamebook, Undated: true,
		By: []string{"season_year", "player_name", "player_name_original", "player_status", "name_resolution_status"}},
	bdl: {Table: boxscore.BDL, Undated: true, By: []string{"season_year", "player_full_name"}},
}

// printedName is the name that a group of nameCounts prints and its lookup, as a build reads them; ok is false for rows
// that a build leaves out because of name or status.
func printedName(src source, keys []string) (name, lookup string, ok bool) {
	if src == bdl {
		name = strings.TrimSpace(keys[1])
		lookup = Lookup(name)
		return name, lookup, lookup != ""
	}
	name = strings.TrimSpace(keys[1])
	if lookup = Lookup(name); lookup == "" {
		name = strings.TrimSpace(keys[2])
		lookup = Lookup(name)
	}
	status := lowerTrim(keys[3])
	inName := lookup != "" && (status == "" || slices.Contains(statuses, status))
	unmatched := status == boxscore.Inactive && slices.Contains([]string{boxscore.NotFound, boxscore.MultipleMatches},
		lowerTrim(keys[4]))
	return name, lookup, inName && !unmatched
}

// knows reports whether a name means anybody: team and season choose among people, and never make nobody of somebody.
func (r *registry) knows(lookup string) bool {
	return len(r.candidates[lookup]) > 0 ||
		slices.ContainsFunc(r.canonical[lookup], func(target string) bool { return len(r.candidates[target]) > 0 })
}

// nameTotals are the raw rows of a scope by whether the registry knows their names.
type nameTotals struct {
	rows, unknown int64
	names         map[string]int64 // unknown ones as printed, by rows
}

func (t *nameTotals) add(name string, rows int64, known bool) {
	t.rows += rows
	if !known {
		t.unknown += rows
		if t.names == nil {
			t.names = map[string]int64{}
		}
		t.names[name] += rows
	}
}

// shownNames is how many unknown names a check lists.
const shownNames = 5

func (t *nameTotals) check(scope string, by job.Thresholds) job.Check {
	threshold := by["preflight.unresolved"]
	c := checked("unresolved", threshold, threshold.Share(t.unknown, t.rows), share(t.unknown, t.rows), "")
	c.Scope = scope
	if c.Verdict != job.Pass {
		names := slices.SortedFunc(maps.Keys(t.names), func(a, b string) int {
			return cmp.Or(-cmp.Compare(t.names[a], t.names[b]), cmp.Compare(a, b))
		})
		for i, name := range names {
			names[i] = fmt.Sprintf("%s (%d rows)", name, t.names[name])
		}
		c.Advice = fmt.Sprintf("rows of games that count get no id by them: load a newer registry "+
			"or `publisher alias add`; most rows have %s", sampleOf(names, shownNames))
	}
	return c
}

// judgeNames judges how many raw rows print a name that neither registry nor aliases know: over all dates, and by
// season. It is not asked of a table that could not be counted, nor of a source that is off; bounds of a source's dates
// are not heeded. A row without an id may still come of a name that is known here: two namesakes of whom the registry
// has one.
func judgeNames(in job.PreflightInput, settings Settings) (whole *job.Check, bySeason map[string]job.Check) {
	if in.References == nil {
		return nil, nil
	}
	people := newRegistry(in.References[boxscore.Registry.Name], in.References[boxscore.Aliases.Name])
	var all nameTotals
	seasons := map[string]*nameTotals{}
	counted := false
	for src, counting := range nameCounts {
		groups, ok := in.Counts[counting.Key()]
		if !ok || settings.Sources[counting.Table.Name].Off {
			continue
		}
		counted = true
		for _, g := range groups {
			name, lookup, ok := printedName(source(src), g.Keys)
			year, err := strconv.Atoi(g.Keys[0])
			if !ok || err != nil {
				continue
			}
			season := gamedate.SeasonName(year)
			if seasons[season] == nil {
				seasons[season] = &nameTotals{}
			}
			known := people.knows(lookup)
			all.add(name, g.Rows, known)
			seasons[season].add(name, g.Rows, known)
		}
	}
	if !counted {
		return nil, nil
	}
	c := all.check("", in.Thresholds)
	bySeason = map[string]job.Check{}
	for season, t := range seasons {
		bySeason[season] = t.check(season, in.Thresholds)
	}
	return &c, bySeason
}
