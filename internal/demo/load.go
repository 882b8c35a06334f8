package demo

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Marker is a table of one row that says that a warehouse holds a demo, and which one.
var Marker = &table.Schema{
	Dataset: "gamefill_demo", Name: "demo_league", Key: []string{"seed"},
	Columns: []table.Column{
		{Name: "seed", Type: table.INT64, Required: true}, {Name: "seasons", Type: table.INT64, Required: true},
		{Name: "failures", Type: table.BOOL, Required: true, Doc: "whether dates were made to fail"},
	},
}

// Report says how many rows came into each raw table.
type Report struct {
	Tables []TableRows `json:"tables"`
}

// TableRows are the rows of one table.
type TableRows struct {
	Table string `json:"table"`
	Rows  int    `json:"rows"`
}

// Load marks the store as a demo's and appends the league to its raw tables, which it makes where they are missing.
// Each table is loaded whole or not at all. The store should hold no other box scores: nothing is replaced.
func Load(ctx context.Context, store warehouse.Store, l *League) (Report, error) {
	var report Report
	for _, t := range append([]*table.Schema{Marker}, boxscore.Tables...) {
		if err := store.Create(ctx, t); err != nil {
			return report, fmt.Errorf("make table %s: %w", t.FullName(), err)
		}
	}
	mark := rowOf(Marker,
		values{"seed": table.Int(Seed), "seasons": number(l.Options.Seasons), "failures": table.Bool(l.Options.Failures)})
	if _, err := store.Replace(ctx,
		warehouse.Write{Table: Marker, Fence: warehouse.Fence{Unguarded: true}, Rows: []table.Row{mark}}); err != nil {
		return report, fmt.Errorf("mark the demo: %w", err)
	}
	for _, t := range boxscore.Tables {
		if err := report.load(ctx, store, t, nil, l.Rows(t)); err != nil {
			return report, err
		}
	}
	return report, nil
}

// Find reports whether the store holds a demo, and the options that it was made with.
func Find(ctx context.Context, store warehouse.Partitions) (o Options, found bool, err error) {
	p, err := store.Read(ctx, Marker, gamedate.Date{})
	switch {
	case errors.Is(err, warehouse.ErrNoTable):
		return Options{}, false, nil
	case err != nil:
		return Options{}, false, fmt.Errorf("look for a demo: %w", err)
	case len(p.Rows) == 0:
		return Options{}, false, nil
	}
	seasons, _ := p.Rows[0][Marker.MustIndex("seasons")].Int64()
	return Options{Seasons: int(seasons), Failures: p.Rows[0][Marker.MustIndex("failures")].IsTrue()}, true, nil
}

// Mend replaces the box scores of the failing dates by complete and correct ones, as a late delivery would. Doing it
// again changes nothing; a league without failing dates needs nothing.
func Mend(ctx context.Context, store warehouse.Loader, l *League) (Report, error) {
	var report Report
	for _, t := range []*table.Schema{boxscore.Gamebook, boxscore.BDL} {
		rows := l.rows(t, func(gamedate.Date) spoil { return whole },
			func(d gamedate.Date) bool { return l.spoiling[d] != whole })
		if err := report.load(ctx, store, t, []string{"game_date"}, rows); err != nil {
			return report, err
		}
	}
	return report, nil
}

func (r *Report) load(ctx context.Context, store warehouse.Loader, t *table.Schema, replace []string,
	rows iter.Seq[table.Row]) error {
	result, err := store.Load(ctx, t, replace, func(yield func(table.Row) error) error {
		for row := range rows {
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load the demo: %w", err)
	}
	r.Tables = append(r.Tables, TableRows{t.FullName(), result.Added})
	return nil
}
