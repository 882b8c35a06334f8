// Package sqliteledger keeps the ledger in an SQLite file, beside the queue and the warehouse of the embedded engine.
//
// Every change is one transaction of the file's single writer, so compare-and-set is a plain condition, and calls that
// wait at the same time share one fsync. Leases end by this host's clock: all processes that share the file run on one
// host. Instants are stored as whole microseconds in UTC.
//
// A [Ledger] also guards the warehouse of the same file: a partition is replaced only if, inside that very transaction,
// the lease of the writing generation is held and its run may write.
package sqliteledger

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"gamefill/internal/ledger"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/warehouse"
)

// Options tunes a Ledger; the zero Options works.
type Options struct {
	// Now is the clock that leases, roles and waits end by and that records are stamped with; nil means time.Now.
	Now func() time.Time
}

// Ledger is a [ledger.Ledger] on an SQLite file.
type Ledger struct {
	file  *sqlitefile.File
	clock func() time.Time
}

var _ ledger.Ledger = (*Ledger)(nil)

// New returns the ledger of f and makes it the guard of f's partition writes. Several Ledgers of one file, in one
// process or many, see the same state.
func New(ctx context.Context, f *sqlitefile.File, o Options) (*Ledger, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	f.SetWriteGuard(guard)
	return &Ledger{file: f, clock: o.Now}, nil
}

// now is the clock at the resolution of the store.
func (l *Ledger) now() time.Time { return l.clock().UTC().Truncate(time.Microsecond) }

// selectGuard finds what may stop a write: the entry's lease or rollback, and its run's control state.
const selectGuard = `SELECT e.state, e.generation, e.run, e.write_generation, e.write_rollback, r.state, r.hold_writes
	FROM ledger_entry e JOIN ledger_run r ON r.id = e.run WHERE e.job = ? AND e.date = ?`

// guard is the [sqlitefile.WriteGuard]. It admits the holder of exactly that generation of that run, and a rollback
// that was announced under it and has not been finished; what stops a run does not stop its rollback. Errors:
// warehouse.ErrFenced for everybody else, warehouse.ErrStopped when the run is cancelled or holds its writes.
func guard(tx *sqlitefile.Tx, job, run, date string, generation int64) error {
	held, stopped := false, false
	err := tx.Scan(selectGuard, []any{job, date}, func(values []driver.Value) error {
		c := columns{values: values}
		state, current, planned := ledger.State(c.text()), c.integer(), c.text()
		announced, rollback := c.integer(), c.flag()
		control := ledger.Run{State: ledger.RunState(c.text()), HoldWrites: c.flag()}
		rollingBack := state == ledger.Complete && rollback && announced == generation
		held = (state == ledger.Leased || rollingBack) && current == generation && planned == run
		stopped = control.Control().Stopped && !rollingBack
		return c.err
	})
	switch {
	case err != nil:
		return fmt.Errorf("look at the lease of %s: %w", date, err)
	case !held:
		return fmt.Errorf("generation %d of run %s does not hold %s any more: %w", generation, run, date, warehouse.ErrFenced)
	case stopped:
		return fmt.Errorf("run %s, date %s: %w", run, date, warehouse.ErrStopped)
	}
	return nil
}

// errConflict says that somebody else changed what a compare-and-set had read.
var errConflict = errors.New("changed meanwhile")
