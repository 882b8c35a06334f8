package sqlitewarehouse

import (
	"context"
	"errors"
	"strings"

	"gamefill/internal/setup"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Ensure looks at tables, and in mode [setup.Make] makes those that are missing and adds what those that fit lack:
// NULLable columns, and the triggers and the index that gamefill keeps beside a table. A table that does not fit is a
// finding for each difference and is left alone. The package setup says what holds of every Ensure.
func (w *Warehouse) Ensure(ctx context.Context, tables []*table.Schema, mode setup.Mode) ([]setup.Finding, error) {
	var findings []setup.Finding
	var errs []error
	for _, t := range tables {
		f, err := w.ensure(ctx, t, mode)
		findings, errs = append(findings, f...), append(errs, err)
	}
	return findings, errors.Join(errs...)
}

func (w *Warehouse) ensure(ctx context.Context, t *table.Schema, mode setup.Mode) ([]setup.Finding, error) {
	f := setup.Finding{Resource: "table " + t.FullName(), State: setup.Present}
	l := newLayout(t)
	whole, err := w.isWhole(ctx, l)
	if whole || err != nil {
		return []setup.Finding{f}, err
	}
	var live liveTable
	if err := w.f.Read(ctx, func(tx *sqlitefile.Tx) (err error) {
		live, err = describe(tx, t.Name)
		return err
	}); err != nil {
		return nil, err
	}
	if mode == setup.Make {
		err := w.Create(ctx, t)
		if unfit, ok := errors.AsType[*warehouse.SchemaError](err); ok {
			return differences(f, unfit.Problems), nil
		}
		f.State, f.Seen = setup.Created, lacks(l, live)
		return []setup.Finding{f}, err
	}
	if problems := l.compare(live); len(problems) > 0 {
		return differences(f, problems), nil
	}
	f.State, f.Makeable, f.Seen = setup.Missing, true, lacks(l, live)
	return []setup.Finding{f}, nil
}

// differences are the findings about a table that does not fit.
func differences(f setup.Finding, problems []string) (all []setup.Finding) {
	f.State, f.Advice = setup.Differs, "rename the table, or mend it with any SQLite tool; it was left as it is"
	for _, p := range problems {
		f.Seen = p
		all = append(all, f)
	}
	return all
}

// lacks says what a table that fits lacks, "" where there is no table.
func lacks(l *layout, live liveTable) string {
	if live.kind == "" {
		return ""
	}
	var missing []string
	for _, c := range l.t.Columns {
		if _, there := live.columns[c.Name]; !there {
			missing = append(missing, c.Name)
		}
	}
	if len(missing) == 0 {
		return "without gamefill's triggers or index"
	}
	return "without columns " + strings.Join(missing, ", ")
}
