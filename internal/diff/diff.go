// Package diff compares two versions of one partition row by row. [Compare] is pure; a [Rollup] adds up the comparisons
// of many dates in memory that grows with neither the dates nor their rows.
package diff

import (
	"slices"

	"gamefill/internal/table"
)

// Partition is what turns one version of a partition into another. Rows of both sides are accounted for: before = same
// + lineage + changed + removed, after = same + lineage + changed + added.
//
// Rows are paired as multisets. Equal rows of one key are the same; what is left of the key is paired as changed. Rows
// still alone then are paired by the REQUIRED columns of the key, so that a row whose person became known counts as
// changed in that column and not as one row that went and one that came. Volatile columns are left out.
type Partition struct {
	Before, After  int // rows
	Same           int
	Added, Removed []table.Row
	Changed        []Change
	Lineage        []Change // rows that differ in lineage columns alone
	// Erased are old rows, removed or not, with values in unowned columns that the new version does not have.
	Erased     []Loss
	Duplicates []Duplicate
}

// Change is one row with another content.
type Change struct {
	Before, After table.Row
	Columns       []int // ascending: owned columns that differ, and unowned ones that get their first value
}

// Loss is one old row whose values in unowned columns would go.
type Loss struct {
	Before  table.Row
	After   table.Row // nil when the row is removed
	Columns []int     // ascending
}

// Duplicate is a key with several rows on at least one side.
type Duplicate struct {
	Row           table.Row // the first of them
	Before, After int       // rows
}

// Empty reports whether both versions hold the same: nothing in owned columns differs, nothing in unowned ones is lost
// or new. It is true exactly when the versions have one table.Schema.ContentFingerprint.
func (p Partition) Empty() bool {
	return !p.Counts().Differ()
}

// Compare compares two versions of one partition of s. Rows hold values in schema order and may come in any order: it
// does not show in the result, whose lists are sorted by key. The slices are left as they are; the result shares the
// rows.
func Compare(s *table.Schema, before, after []table.Row) Partition {
	p := Partition{Before: len(before), After: len(after)}
	key, required := keyColumns(s)
	own, owned, content := slices.Clone(key), slices.Clone(key), slices.Clone(key)
	for i, c := range s.Columns {
		if c.Role == table.Owned && !c.Lineage {
			own = append(own, i)
		}
		if c.Role == table.Owned {
			owned = append(owned, i)
		}
		if c.Role != table.Volatile {
			content = append(content, i)
		}
	}
	before = slices.SortedFunc(slices.Values(before), by(content))
	after = slices.SortedFunc(slices.Values(after), by(content))
	p.Duplicates = duplicates(by(key), before, after)
	for _, columns := range [][]int{content, owned, own, key, required} {
		if len(columns) > 0 {
			before, after = match(by(columns), before, after, func(b, a table.Row) { p.pair(s, b, a) })
		}
	}
	for _, row := range before {
		p.lose(s, row, nil)
	}
	p.Removed, p.Added = before, after
	slices.SortStableFunc(p.Removed, by(content))
	slices.SortStableFunc(p.Added, by(content))
	slices.SortStableFunc(p.Changed, func(a, b Change) int { return by(content)(a.After, b.After) })
	slices.SortStableFunc(p.Lineage, func(a, b Change) int { return by(content)(a.After, b.After) })
	slices.SortStableFunc(p.Erased, func(a, b Loss) int { return by(content)(a.Before, b.Before) })
	return p
}

// keyColumns are the positions of the key's columns, and of those of them that are never NULL.
func keyColumns(s *table.Schema) (key, required []int) {
	for _, name := range s.Key {
		i := s.MustIndex(name)
		key = append(key, i)
		if s.Columns[i].Required {
			required = append(required, i)
		}
	}
	return key, required
}

// by orders rows by columns, the first column first.
func by(columns []int) func(a, b table.Row) int {
	return func(a, b table.Row) int {
		for _, c := range columns {
			if d := a[c].Compare(b[c]); d != 0 {
				return d
			}
		}
		return 0
	}
}

// match pairs rows that compare as equal, in the order they have, and returns those without a partner.
func match(compare func(a, b table.Row) int, before, after []table.Row,
	pair func(b, a table.Row)) (restBefore, restAfter []table.Row) {
	slices.SortStableFunc(before, compare)
	slices.SortStableFunc(after, compare)
	for len(before) > 0 && len(after) > 0 {
		switch d := compare(before[0], after[0]); {
		case d < 0:
			restBefore, before = append(restBefore, before[0]), before[1:]
		case d > 0:
			restAfter, after = append(restAfter, after[0]), after[1:]
		default:
			pair(before[0], after[0])
			before, after = before[1:], after[1:]
		}
	}
	return append(restBefore, before...), append(restAfter, after...)
}

// pair records what became of one row.
func (p *Partition) pair(s *table.Schema, before, after table.Row) {
	c := Change{Before: before, After: after}
	lineage := true
	for i, column := range s.Columns {
		if column.Role == table.Owned && !before[i].Equal(after[i]) ||
			column.Role == table.Unowned && before[i].IsNull() && !after[i].IsNull() {
			c.Columns = append(c.Columns, i)
			lineage = lineage && column.Lineage
		}
	}
	switch {
	case len(c.Columns) == 0:
		p.Same++
	case lineage:
		p.Lineage = append(p.Lineage, c)
	default:
		p.Changed = append(p.Changed, c)
	}
	p.lose(s, before, after)
}

// lose records the values in unowned columns of before that after, nil for a removed row, does not have.
func (p *Partition) lose(s *table.Schema, before, after table.Row) {
	var lost []int
	for i, c := range s.Columns {
		if c.Role == table.Unowned && !before[i].IsNull() && (after == nil || !before[i].Equal(after[i])) {
			lost = append(lost, i)
		}
	}
	if len(lost) > 0 {
		p.Erased = append(p.Erased, Loss{before, after, lost})
	}
}

// duplicates finds keys with several rows. Both sides are sorted by key.
func duplicates(compare func(a, b table.Row) int, before, after []table.Row) (found []Duplicate) {
	for len(before) > 0 || len(after) > 0 {
		var first table.Row
		if len(after) == 0 || len(before) > 0 && compare(before[0], after[0]) <= 0 {
			first = before[0]
		} else {
			first = after[0]
		}
		same := func(rows []table.Row) int {
			n := slices.IndexFunc(rows, func(r table.Row) bool { return compare(r, first) != 0 })
			if n < 0 {
				return len(rows)
			}
			return n
		}
		b, a := same(before), same(after)
		if b > 1 || a > 1 {
			found = append(found, Duplicate{first, b, a})
		}
		before, after = before[b:], after[a:]
	}
	return found
}
