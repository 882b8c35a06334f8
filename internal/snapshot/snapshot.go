// Package snapshot keeps what a run replaces, so that it can be put back: one ordinary table of the warehouse a run,
// beside the target and with its schema, whose partitions hold the rows that the run found there. It is written like
// any other table, so it works on every adapter. The ledger says which partition belongs to what; see
// ledger.WriteRecord.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Retention is how long kept rows can be counted on after their run has ended: a month, in which the old runbook's
// checks of the season's numbers come round at least once.
const Retention = 30 * 24 * time.Hour

// Table is the table in which a run keeps what it replaces in target.
func Table(target *table.Schema, run string) *table.Schema {
	t := *target
	t.Name += "_before_" + strings.ReplaceAll(run, "-", "_")
	t.Expires = Retention
	return &t
}

// PreImage is what a run replaces in one partition.
type PreImage struct {
	Fingerprint string // table.Empty when there are no rows
	Rows        int
	Kept        bool // the rows are in the run's table
}

// Find says what the run that holds e replaces when it finds a partition with so many rows of that fingerprint. own is
// true when that is what the run itself wrote before: then it is what those writes replaced, and nothing is to be kept.
// Else the rows are to be kept before the write, if there are any.
func Find(e ledger.Entry, fingerprint string, rows int) (p PreImage, own bool) {
	w, f := e.Write, e.Facts
	switch {
	case w.Run == e.Run && !w.Rollback && w.Fingerprint == fingerprint:
		return PreImage{w.PreImage, w.PreImageRows, w.PreImageRows > 0}, true
	case f != nil && f.Run == e.Run && f.Fingerprint == fingerprint:
		return PreImage{f.PreImage, f.PreImageRows, f.Kept}, true
	}
	return PreImage{fingerprint, rows, rows > 0}, false
}

// Store is what keeping needs of a warehouse.
type Store interface {
	Create(ctx context.Context, t *table.Schema) error
	Replace(ctx context.Context, w warehouse.Write) (warehouse.Receipt, error)
	Measure(ctx context.Context, t *table.Schema, date gamedate.Date) (warehouse.Measure, error)
}

// Keep makes rows what the fence's run has kept of the date, and reads them back. The run's table is made when it is
// first needed. Repeating it changes nothing. Errors: the warehouse's; rows that come back as others are transient.
func Keep(ctx context.Context, s Store, target *table.Schema, date gamedate.Date, fence warehouse.Fence,
	rows []table.Row) (warehouse.Receipt, error) {
	w := warehouse.Write{Table: Table(target, fence.Run), Date: date, Fence: fence, Rows: rows}
	receipt, err := s.Replace(ctx, w)
	if errors.Is(err, warehouse.ErrNoTable) {
		if err = s.Create(ctx, w.Table); err == nil {
			receipt, err = s.Replace(ctx, w)
		}
	}
	if err != nil {
		return receipt, fmt.Errorf("keep what is replaced: %w", err)
	}
	found, err := s.Measure(ctx, w.Table, date)
	if err != nil {
		return receipt, fmt.Errorf("read back what is kept: %w", err)
	}
	if want := target.Fingerprint(rows); found.Fingerprint != want || found.Rows != len(rows) {
		return receipt,
			failure.Mark(fmt.Errorf("%s %s holds %d rows with fingerprint %.12s, want %d with %.12s", w.Table.FullName(), date,
				found.Rows, found.Fingerprint, len(rows), want), failure.Transient, "kept_mismatch")
	}
	return receipt, nil
}
