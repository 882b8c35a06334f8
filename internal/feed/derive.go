package feed

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/summary"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// AliasSource marks the aliases that this package makes; those of other sources are left alone.
const AliasSource = "nba_feeds"

// The kinds of alias that can be told from the spellings alone.
const (
	aliasSuffix    = "suffix_difference" // "Craig Porter" and "Craig Porter Jr."
	aliasVariation = "source_variation"
)

var (
	registryRows = newBuilder(boxscore.Registry)
	aliasRows    = newBuilder(boxscore.Aliases)
)

// derive makes what depends on several files: the registry, the aliases, and after a schedule the scores. It depends on
// what is in [People] and [Games] alone, so the order in which files came does not show.
func (im *importer) derive(ctx context.Context) error {
	notes, err := readGames(ctx, im.store)
	if err != nil {
		return err
	}
	if im.format.Name == FormatSchedule {
		return im.rescore(ctx, notes)
	}
	listed, err := im.store.Read(ctx, People, gamedate.Date{})
	if err != nil {
		return err
	}
	persons := gather(notes, listed.Rows)
	registry := registryOf(persons, listed.Rows)
	im.report.Registry = len(registry)
	if err := im.renew(ctx, boxscore.Registry, "season", registry); err != nil {
		return err
	}
	aliases := aliasesOf(persons)
	im.report.Aliases = len(aliases)
	return im.renew(ctx, boxscore.Aliases, "alias_source", aliases)
}

// renew makes rows the content of the unpartitioned table t for the values of the column that rows have; aliases, which
// are all of one source, may also become none. Equal content is left alone.
func (im *importer) renew(ctx context.Context, t *table.Schema, column string, rows []table.Row) error {
	i := t.MustIndex(column)
	mine := map[string]bool{AliasSource: true} // no season has this name
	for _, row := range rows {
		mine[row[i].Str()] = true
	}
	present, err := im.store.Read(ctx, t, gamedate.Date{})
	if err != nil {
		return err
	}
	var old, others []table.Row
	for _, row := range present.Rows {
		if mine[row[i].Str()] {
			old = append(old, row)
		} else {
			others = append(others, row)
		}
	}
	if t.Fingerprint(old) == t.Fingerprint(rows) {
		return nil
	}
	im.report.Tables[t.FullName()] = len(rows)
	if len(rows) == 0 {
		_, err := im.store.Replace(ctx, warehouse.Write{Table: t, Fence: warehouse.Fence{Unguarded: true}, Rows: others})
		return err
	}
	_, err = im.store.Load(ctx, t, []string{column}, func(yield func(table.Row) error) error {
		for _, row := range rows {
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// usage counts how often a spelling was used: in box scores of counted games and, by games, in the list of players.
// Box scores decide; the list only speaks where they say nothing. They are added before the list.
type usage struct {
	games, listed int64
	first, last   gamedate.Date
}

func (u *usage) add(games, listed int64, first, last gamedate.Date) {
	if games == 0 && u.games > 0 {
		u.listed += listed // box scores have said when the spelling was used
		return
	}
	u.games += games
	u.listed += listed
	if u.first.IsZero() || first.Before(u.first) {
		u.first = first
	}
	if last.After(u.last) {
		u.last = last
	}
}

// compare puts the more used first.
func (u *usage) compare(v *usage) int {
	return cmp.Or(cmp.Compare(v.games, u.games), cmp.Compare(v.listed, u.listed), v.last.Compare(u.last))
}

// person is one person id with all spellings, grouped by the lookup they share.
type person struct {
	lookups map[string]*usage
	names   map[string]map[string]*usage // by lookup, then by spelling
}

func (p *person) add(name string, games, listed int64, first, last gamedate.Date) {
	lookup := summary.Lookup(name)
	if p.lookups[lookup] == nil {
		p.lookups[lookup], p.names[lookup] = &usage{}, map[string]*usage{}
	}
	if p.names[lookup][name] == nil {
		p.names[lookup][name] = &usage{}
	}
	p.lookups[lookup].add(games, listed, first, last)
	p.names[lookup][name].add(games, listed, first, last)
}

// canonical is the lookup used longest, counted in lines of box scores.
func (p *person) canonical() string { return most(p.lookups) }

// display is the spelling of a lookup that is used most.
func (p *person) display(lookup string) string { return most(p.names[lookup]) }

// most is the most used key, the first in the alphabet of equals.
func most(uses map[string]*usage) string {
	return slices.MinFunc(slices.Collect(maps.Keys(uses)), func(a, b string) int {
		return cmp.Or(uses[a].compare(uses[b]), strings.Compare(a, b))
	})
}

// gather collects the spellings of every person id.
func gather(notes []gameNote, listed []table.Row) map[int64]*person {
	persons := map[int64]*person{}
	of := func(id int64) *person {
		p := persons[id]
		if p == nil {
			p = &person{map[string]*usage{}, map[string]map[string]*usage{}}
			persons[id] = p
		}
		return p
	}
	// One person has few spellings and many games: fold the games before the names are normalised.
	uses := map[string]*usage{}
	for _, n := range notes {
		for _, who := range n.people {
			if uses[who] == nil {
				uses[who] = &usage{}
			}
			uses[who].add(1, 0, n.date, n.date)
		}
	}
	for who, u := range uses {
		id, name := personOf(who)
		of(id).add(name, u.games, 0, u.first, u.last)
	}
	for _, row := range listed {
		get := func(column string) table.Value { return peopleRows.get(row, column) }
		id, _ := get("player_id").Int64()
		for column, games := range map[string]string{"name_live": "games_listed", "name_gamelog": "games_played"} {
			if name := get(column).Str(); name != "" {
				n, _ := get(games).Int64()
				of(id).add(name, 0, n, get("first_date").Date(), get("last_date").Date())
			}
		}
	}
	return persons
}

// registryOf makes one registry row of each line of the list. All rows of a person have one lookup, the canonical one.
func registryOf(persons map[int64]*person, listed []table.Row) []table.Row {
	rows := make([]table.Row, 0, len(listed))
	for _, row := range listed {
		get := func(column string) table.Value { return peopleRows.get(row, column) }
		id, _ := get("player_id").Int64()
		lookup := persons[id].canonical()
		rows = append(rows, registryRows.row(values{
			"universal_player_id": table.String(lookup + "_" + get("player_id").Text()),
			"player_name":         table.String(persons[id].display(lookup)), "player_lookup": table.String(lookup),
			"team_abbr": get("team"), "season": get("season"), "first_game_date": get("first_date"),
			"last_game_date": get("last_date"), "games_played": get("games_played"), "jersey_number": get("jersey_numbers"),
			"position":     get("start_positions"),
			"processed_at": stamp(get("last_date").Date()),
		}))
	}
	return rows
}

// aliasesOf makes one alias of every lookup of a person that is not the canonical one.
func aliasesOf(persons map[int64]*person) []table.Row {
	var rows []table.Row
	made := map[[2]string]bool{} // namesakes may have the same two lookups
	for _, id := range slices.Sorted(maps.Keys(persons)) {
		p := persons[id]
		canonical := p.canonical()
		for _, alias := range slices.Sorted(maps.Keys(p.lookups)) {
			if pair := [2]string{alias, canonical}; alias != canonical && !made[pair] {
				made[pair] = true
				u := p.lookups[alias]
				rows = append(rows, aliasRows.row(values{
					"alias_lookup": table.String(alias), "nba_canonical_lookup": table.String(canonical),
					"alias_display": table.String(p.display(alias)), "nba_canonical_display": table.String(p.display(canonical)),
					"alias_type": table.String(aliasType(alias, canonical)), "alias_source": table.String(AliasSource),
					"is_active": table.Bool(true), "created_at": stamp(u.first), "processed_at": stamp(u.last),
				}))
			}
		}
	}
	return rows
}

// aliasType compares two lookups: one may be the other with a generation suffix.
func aliasType(a, b string) string {
	for _, suffix := range []string{"jr", "sr", "ii", "iii", "iv"} {
		if a == b+suffix || b == a+suffix {
			return aliasSuffix
		}
	}
	return aliasVariation
}
