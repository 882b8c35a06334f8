package summary

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// rowKey finds a row again in the partition that it replaces.
type rowKey struct{ game, lookup, team string }

// kept is what the previous partition holds under one key. Tables written before this transform may hold several rows
// there, so it is folded over all of them.
type kept struct {
	created, first time.Time // earliest, zero for none
	version        int64     // greatest, 1 where none was recorded
	hashes         []string
	unowned        table.Row // by position among unownedAt; nil when all NULL
	placed         bool      // a new row has taken the unowned values
}

// previous is the partition about to be replaced.
type previous struct {
	rows map[rowKey]*kept
	// active are the distinct active persons of each game.
	active map[string]map[rowKey]bool
	// unownedCounts are non-NULL values by unowned column.
	unownedCounts map[string]int64
}

var unownedAt = func() (at []int) {
	for i := range Target.Columns {
		if Target.Columns[i].Role == table.Unowned {
			at = append(at, i)
		}
	}
	return at
}()

// readPrevious indexes the previous partition by canonical keys: codes mapped, ids turned to the schedule's order.
func readPrevious(date gamedate.Date, s *slate, rows []table.Row) (*previous, error) {
	p := &previous{
		rows: make(map[rowKey]*kept, len(rows)), active: map[string]map[rowKey]bool{}, unownedCounts: map[string]int64{},
	}
	for _, row := range rows {
		if len(row) != len(Target.Columns) {
			return nil, fmt.Errorf("previous partition of %s: a row of %d values, want %d: "+
				"read the table with its declared columns", date, len(row), len(Target.Columns))
		}
	}
	// The newest row first, so that its unowned values win over those of older copies.
	ordered := slices.Clone(rows)
	slices.SortFunc(ordered, func(a, b table.Row) int {
		return cmp.Or(-a[out.processed].Compare(b[out.processed]), slices.CompareFunc(a, b, table.Value.Compare))
	})
	for _, row := range ordered {
		key := rowKey{canonicalID(date, s, row[out.game].Str()), row[out.lookup].Str(), teamOrRaw(row[out.team].Str())}
		k := p.rows[key]
		if k == nil {
			k = &kept{}
			p.rows[key] = k
		}
		k.created = earliest(k.created, row[out.created].Time())
		k.first = earliest(k.first, row[out.firstProcessed].Time())
		version, _ := row[out.version].Int64()
		k.version = max(k.version, version, 1)
		k.hashes = append(k.hashes, row[out.dataHash].Str())
		if row[out.active].IsTrue() {
			if p.active[key.game] == nil {
				p.active[key.game] = map[rowKey]bool{}
			}
			p.active[key.game][key] = true
		}
		for n, at := range unownedAt {
			if row[at].IsNull() {
				continue
			}
			p.unownedCounts[Target.Columns[at].Name]++
			if k.unowned == nil {
				k.unowned = make(table.Row, len(unownedAt))
			}
			if k.unowned[n].IsNull() {
				k.unowned[n] = row[at]
			}
		}
	}
	return p, nil
}

// canonicalID is a stored game id with known codes in the order of the date's games; an id that cannot be read stays.
func canonicalID(date gamedate.Date, s *slate, id string) string {
	_, first, second, ok := splitGameID(id)
	if !ok {
		return id
	}
	first, second = teamOrRaw(first), teamOrRaw(second)
	if g := s.games[pairOf(first, second)]; g != nil {
		return g.id
	}
	return gameID(date, first, second)
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// carryOver fills the volatile columns of new rows: first seen and version come from the previous partition, and the
// version grows only where the data hash is new. With carryUnowned, values of unowned columns move by key as well.
func (p *previous) carryOver(rows []table.Row, now time.Time, carryUnowned bool) {
	stamp := table.Timestamp(now)
	for _, row := range rows {
		row[out.processed], row[out.created], row[out.firstProcessed] = stamp, stamp, stamp
		row[out.version] = table.Int(1)
		k := p.rows[rowKey{row[out.game].Str(), row[out.lookup].Str(), row[out.team].Str()}]
		if k == nil {
			continue
		}
		if !k.created.IsZero() {
			row[out.created] = table.Timestamp(k.created)
		}
		if !k.first.IsZero() {
			row[out.firstProcessed] = table.Timestamp(k.first)
		}
		version := k.version
		if !slices.Contains(k.hashes, row[out.dataHash].Str()) {
			version++
		}
		row[out.version] = table.Int(version)
		if carryUnowned && k.unowned != nil {
			for n, at := range unownedAt {
				row[at] = k.unowned[n]
			}
			k.placed = true
		}
	}
}

// erased describes the unowned values that a replacement would lose, "" for none.
func (p *previous) erased(unowned string) string {
	switch unowned {
	case UnownedErase:
		return ""
	case UnownedCarry:
		var lost []string
		for key, k := range p.rows {
			if k.unowned != nil && !k.placed {
				lost = append(lost, key.game+" "+key.lookup+" "+key.team)
			}
		}
		if len(lost) == 0 {
			return ""
		}
		slices.Sort(lost)
		return fmt.Sprintf("%d rows with values in unowned columns have no successor: %s", len(lost), sampleOf(lost, 5))
	}
	if len(p.unownedCounts) == 0 {
		return ""
	}
	var parts []string
	for _, at := range unownedAt {
		if n := p.unownedCounts[Target.Columns[at].Name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", Target.Columns[at].Name, n))
		}
	}
	return "values in columns that this job does not fill: " + strings.Join(parts, ", ")
}
