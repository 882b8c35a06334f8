package sqlitewarehouse

import (
	"context"
	"fmt"
	"slices"

	"gamefill/internal/gamedate"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Describe implements [warehouse.Describer]. A table that gamefill has neither made nor adopted is described by its SQL
// types; what it is partitioned by is then not known, and no difference.
func (w *Warehouse) Describe(ctx context.Context, t *table.Schema) (warehouse.Description, error) {
	l := newLayout(t)
	d := warehouse.Description{Table: t.FullName()}
	err := w.f.Read(ctx, func(tx *sqlitefile.Tx) error {
		d = warehouse.Description{Table: t.FullName()}
		live, err := describe(tx, t.Name)
		if err != nil {
			return err
		}
		d.Exists = live.kind != ""
		for _, c := range t.Columns {
			if _, there := live.columns[c.Name]; !there {
				d.Missing = append(d.Missing, c)
			}
		}
		if !d.Exists {
			return nil
		}
		d.Partitioning = live.partition
		d.Extra = slices.DeleteFunc(slices.Clone(live.order),
			func(name string) bool { return name == generationColumn || t.Index(name) >= 0 })
		d.Different = l.differences(live)
		if live.kind != "table" {
			return nil
		}
		return tx.QueryRow("SELECT count(*) FROM " + quote(t.Name)).Scan(&d.Rows)
	})
	if err != nil {
		return warehouse.Description{}, fmt.Errorf("describe %s: %w", t.FullName(), err)
	}
	return d, nil
}

// ScanBytes implements [warehouse.Describer]: reading a file costs nothing.
func (w *Warehouse) ScanBytes(ctx context.Context, _ *table.Schema, _ gamedate.Range, _ ...string) (int64, error) {
	return 0, ctx.Err()
}
