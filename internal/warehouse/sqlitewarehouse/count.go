package sqlitewarehouse

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/gamedate"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Count implements [warehouse.Tables] with one statement: an inner grouping by all keys, whose groups the outer one
// counts for Distinct and sums for the rest. Distinct is 0 when no Keys are asked for.
func (w *Warehouse) Count(ctx context.Context, t *table.Schema, r gamedate.Range,
	g warehouse.Grouping) ([]warehouse.Group, error) {
	for _, name := range slices.Concat(g.By, g.Nulls, g.Keys) {
		if t.Index(name) < 0 {
			return nil, fmt.Errorf("count %s: %w: %q", t.FullName(), errNoColumn, name)
		}
	}
	l := newLayout(t)
	query, args := l.countSQL(r, g)
	var groups []warehouse.Group
	err := w.f.Read(ctx, func(tx *sqlitefile.Tx) error {
		groups = nil
		if err := registered(tx, t); err != nil {
			return err
		}
		err := tx.Scan(query, args, func(row []driver.Value) error {
			group, err := l.group(row, g)
			groups = append(groups, group)
			return err
		})
		return lookAgain(tx, t, err)
	})
	if err != nil {
		return nil, fmt.Errorf("count %s: %w", t.FullName(), err)
	}
	slices.SortFunc(groups, func(a, b warehouse.Group) int {
		return cmp.Or(a.Date.Compare(b.Date), slices.Compare(a.Keys, b.Keys))
	})
	return groups, nil
}

// dated reports whether groups are of single partitions.
func (l *layout) dated(g warehouse.Grouping) bool { return l.partition >= 0 && !g.Undated }

// countSQL returns rows of: date, the By columns, rows, distinct, one count a Nulls column.
func (l *layout) countSQL(r gamedate.Range, g warehouse.Grouping) (string, []any) {
	date := "''"
	if l.dated(g) {
		date = quote(l.t.Partition)
	}
	inner := []string{date + " AS d"}
	outer := []string{"d"}
	for i, name := range g.By {
		inner = append(inner, fmt.Sprintf("%s AS b%d", quote(name), i))
		outer = append(outer, fmt.Sprintf("b%d", i))
	}
	grouped := strings.Join(outer, ", ")
	innerGroups := grouped
	for _, name := range g.Keys {
		innerGroups += ", " + quote(name)
	}
	inner = append(inner, "count(*) AS n")
	outer = append(outer, "sum(n)", "count(*)")
	for i, name := range g.Nulls {
		inner = append(inner, fmt.Sprintf("count(*) - count(%s) AS z%d", quote(name), i))
		outer = append(outer, fmt.Sprintf("sum(z%d)", i))
	}
	where, args := l.whereRange(r)
	return "SELECT " + strings.Join(outer, ", ") + " FROM (SELECT " + strings.Join(inner, ", ") + " FROM " +
		quote(l.t.Name) + where +
		" GROUP BY " + innerGroups + ") GROUP BY " + grouped, args
}

func (l *layout) group(row []driver.Value, g warehouse.Grouping) (warehouse.Group, error) {
	var group warehouse.Group
	if l.dated(g) {
		v, ok := l.codecs[l.partition].decode(row[0])
		if !ok {
			return group, l.badStored(l.partition, row[0])
		}
		group.Date = v.Date()
	}
	row = row[1:]
	for i, name := range g.By {
		c := l.t.Index(name)
		v, ok := l.codecs[c].decode(row[i])
		if !ok {
			return group, l.badStored(c, row[i])
		}
		group.Keys = append(group.Keys, v.Text())
	}
	row = row[len(g.By):]
	group.Rows = row[0].(int64)
	if len(g.Keys) > 0 {
		group.Distinct = row[1].(int64)
	}
	for _, n := range row[2:] {
		group.Nulls = append(group.Nulls, n.(int64))
	}
	return group, nil
}
