package summary

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// preflight asks for the games and the names of each raw table and for the values of unowned columns, and judges them
// per season and over the whole range.
func preflight() job.Preflight {
	var unowned []string
	for _, at := range unownedAt {
		unowned = append(unowned, Target.Columns[at].Name)
	}
	return job.Preflight{
		Counts: []job.Counting{
			{Table: boxscore.Gamebook, By: []string{"game_id", "player_status"}, Nulls: []string{"minutes"}},
			{Table: boxscore.BDL, By: []string{"game_id"}, Nulls: []string{"minutes"}},
			{Table: Target, Nulls: unowned},
			nameCounts[gamebook], nameCounts[bdl],
		},
		Judge: judgeInputs,
	}
}

// rawGame is what the sources have of one game; rows and noMinutes are those of players who played, where the source
// says so.
type rawGame struct {
	listed, rows, noMinutes [numSources]int64
}

// inputTotals are the raw counts of a scope.
type inputTotals struct {
	games           int64 // final on the schedule
	without, idle   int64 // of them: in no source; in the gamebook alone, and nobody is active
	wanted, has     [numSources]int64
	rows, noMinutes [numSources]int64
}

// gameKey is a game of a date, whichever way its id is written.
type gameKey struct {
	date gamedate.Date
	pair pair
}

// keyOf reads a game id of a date; ok is false for one that no build would use.
func keyOf(date gamedate.Date, id string) (key gameKey, ok bool) {
	digits, first, second, ok := splitGameID(id)
	a, okA := Team(first)
	b, okB := Team(second)
	return gameKey{date, pairOf(a, b)}, ok && okA && okB && digits == date.Compact()
}

// judgeInputs turns counts of the inputs into checks: first the whole range, then each season that has games.
func judgeInputs(in job.PreflightInput) []job.Check {
	settings, err := ParseSettings(in.Settings)
	if err != nil {
		return []job.Check{{Name: "settings", Verdict: job.NotChecked, Seen: err.Error(),
			Advice: "give settings that this build knows"}}
	}
	counted := func(t *table.Schema) bool { _, ok := in.Counts[t.Name]; return ok }
	raw := map[gameKey]*rawGame{}
	whole, bySeason := &inputTotals{}, map[string]*inputTotals{}
	for src := range numSources {
		for _, g := range in.Counts[sourceTable[src].Name] {
			key, ok := keyOf(g.Date, g.Keys[0])
			if !ok || !settings.Sources[sourceTable[src].Name].covers(g.Date) {
				continue
			}
			if raw[key] == nil {
				raw[key] = &rawGame{}
			}
			raw[key].listed[src] += g.Rows
			if src == bdl || slices.Contains([]string{boxscore.Active, ""}, lowerTrim(g.Keys[1])) {
				raw[key].rows[src] += g.Rows
				raw[key].noMinutes[src] += g.Nulls[0]
			}
		}
	}
	for d, e := range in.Expected {
		if len(e.Names) == 0 {
			continue
		}
		if bySeason[d.Season()] == nil {
			bySeason[d.Season()] = &inputTotals{}
		}
		for _, t := range []*inputTotals{whole, bySeason[d.Season()]} {
			t.add(d, e.Names, raw, settings)
		}
	}
	seasons := slices.Sorted(maps.Keys(bySeason))
	checks := whole.checks("", in.Thresholds, counted)
	if in.References != nil {
		checks = append(checks, judgeRegistry(in.References[boxscore.Registry.Name], seasons))
	}
	names, namesBySeason := judgeNames(in, settings)
	if names != nil {
		checks = append(checks, *names)
	}
	if counted(Target) {
		checks = append(checks, judgeUnowned(in.Counts[Target.Name], in.Queued, settings.Unowned))
	}
	for _, season := range seasons {
		checks = append(checks, bySeason[season].checks(season, in.Thresholds, counted)...)
		if c, ok := namesBySeason[season]; ok {
			checks = append(checks, c)
		}
	}
	return checks
}

// add counts a date's final games.
func (t *inputTotals) add(d gamedate.Date, names []string, raw map[gameKey]*rawGame, settings Settings) {
	for _, name := range names {
		t.games++
		g := &rawGame{}
		if key, ok := keyOf(d, name); ok && raw[key] != nil {
			g = raw[key]
		}
		switch {
		case g.listed == [numSources]int64{}:
			t.without++
		case g.rows[gamebook] == 0 && g.listed[bdl] == 0:
			t.idle++
		}
		for src := range numSources {
			if !settings.Sources[sourceTable[src].Name].covers(d) {
				continue
			}
			t.wanted[src]++
			if g.listed[src] > 0 {
				t.has[src]++
			}
			t.rows[src] += g.rows[src]
			t.noMinutes[src] += g.noMinutes[src]
		}
	}
}

// checks judges one scope by the tables that could be counted.
func (t *inputTotals) checks(scope string, by job.Thresholds, counted func(*table.Schema) bool) (checks []job.Check) {
	judge := func(name string, part, whole int64, advice string) {
		threshold := by["preflight."+name]
		c := checked(name, threshold, threshold.Share(part, whole), share(part, whole), advice)
		c.Scope = scope
		checks = append(checks, c)
	}
	if counted(boxscore.Gamebook) && counted(boxscore.BDL) {
		judge("games_without_rows", t.without, t.games, "load the missing box scores; dates without any fail by themselves")
		judge("games_without_active", t.idle, t.games, "these gamebooks were read before the games: load them again")
	}
	if counted(boxscore.Gamebook) {
		judge("gamebook_games", t.has[gamebook], t.wanted[gamebook],
			"load the missing gamebooks; the other source takes their place, without plus/minus")
		judge("gamebook_minutes_null", t.noMinutes[gamebook], t.rows[gamebook],
			"look at the raw minutes of the worst dates before anything is written")
	}
	if counted(boxscore.BDL) {
		judge("bdl_games", t.has[bdl], t.wanted[bdl],
			"load the missing games of the secondary source; the gamebook does without")
		judge("bdl_minutes_null", t.noMinutes[bdl], t.rows[bdl],
			"look at the raw minutes of the worst dates before anything is written")
	}
	return checks
}

// judgeRegistry wants people in the registry for every season with games.
func judgeRegistry(rows []table.Row, seasons []string) job.Check {
	at := boxscore.Registry.MustIndex("season")
	people := map[string]int{}
	for _, row := range rows {
		people[row[at].Str()]++
	}
	c := job.Check{Name: "registry_seasons", Verdict: job.Pass, Bound: "every season with games"}
	var seen, empty []string
	for _, season := range seasons {
		seen = append(seen, fmt.Sprintf("%s: %d rows", season, people[season]))
		if people[season] == 0 {
			empty = append(empty, season)
		}
	}
	if c.Seen = cmp.Or(strings.Join(seen, ", "), "no season with games"); len(empty) > 0 {
		c.Verdict, c.Advice = job.Failed, "load the registry of "+strings.Join(empty, ", ")+": nobody would have an id"
	}
	return c
}

// judgeUnowned looks for values in columns that gamefill does not fill, on dates that will be replaced.
func judgeUnowned(groups []job.GroupCount, queued map[gamedate.Date]bool, unowned string) job.Check {
	type cell struct{ column, season string }
	values := map[cell]int64{}
	total := int64(0)
	for _, g := range groups {
		if !queued[g.Date] {
			continue
		}
		for i, nulls := range g.Nulls {
			if n := g.Rows - nulls; n > 0 {
				values[cell{Target.Columns[unownedAt[i]].Name, g.Date.Season()}] += n
				total += n
			}
		}
	}
	c := job.Check{Name: "unowned_columns", Verdict: job.Pass, Seen: "no values",
		Bound: "none, unless --unowned says what becomes of them"}
	if total == 0 {
		return c
	}
	cells := slices.SortedFunc(maps.Keys(values), func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.column, b.column), cmp.Compare(a.season, b.season))
	})
	var seen []string
	for _, at := range cells {
		seen = append(seen, fmt.Sprintf("%s %s: %d", at.column, at.season, values[at]))
	}
	c.Seen = fmt.Sprintf("%d values (%s)", total, strings.Join(seen, ", "))
	switch unowned {
	case UnownedRefuse:
		c.Verdict, c.Advice = job.Failed,
			"their dates would be refused: say --unowned=carry to keep the values, or --unowned=erase to lose them"
	case UnownedErase:
		c.Verdict, c.Advice = job.Warned, "they will be lost, as --unowned=erase says"
	}
	return c
}
