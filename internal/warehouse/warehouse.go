// Package warehouse is the port to the tables: it reads partitions, replaces one whole partition atomically, and says
// what a table holds. Rows are values in schema order ([table.Row]); the port knows no basketball.
//
// Adapters live below this package, one per store, and pass the suite in warehousetest unchanged. The interface is
// split by caller: workers need [Partitions], planning and validation need [Tables], importers [Loader], set-up and
// preflight [Describer].
package warehouse

import (
	"context"
	"errors"
	"fmt"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// Errors that callers branch on.
var (
	// ErrFenced: an owner of a newer generation has written or closed the partition; nothing was written.
	ErrFenced = errors.New("a newer generation owns the partition")
	// ErrStopped: the run was paused or cancelled before the write; nothing was written.
	ErrStopped = errors.New("the run was stopped before the write")
	// ErrNoTable: the table does not exist. Its class is failure.Environment.
	ErrNoTable = errors.New("no such table")
)

// Fence orders the writers of one partition. A write whose Generation is lower than one the store has seen is refused.
// Run and Job let a store that also holds the ledger check, inside the write transaction, that the lease of this
// generation is still held and the run may still write; other stores check the generation alone.
type Fence struct {
	Job        string
	Run        string
	Generation int64
	// Unguarded writes belong to no run (seeding a table, tests): no lease and no run state is looked at.
	Unguarded bool
}

// Write is one whole-partition replacement.
type Write struct {
	Table *table.Schema
	Date  gamedate.Date
	Fence Fence
	// ID is what Prepare returned; the ledger has recorded it before Replace is called.
	ID   string
	Rows []table.Row
}

// Receipt says what a Replace made durable.
type Receipt struct {
	Rows  int
	Token Token
	// Bytes are what the rows took on their way to the store, as they were sent (compressed), each once, however often it
	// had to be tried. 0 for a deletion, and for stores that nothing is uploaded to.
	Bytes int64
	// Warnings are what the store remarked on a write that it made all the same; most stores never do.
	Warnings []string
}

// Token is an opaque text that changes whenever the content of a partition may have changed, whoever changed it.
// Equal tokens mean equal content. The token of a partition that never held rows is NoToken.
type Token string

// NoToken is the token of a partition without rows.
const NoToken Token = ""

// Measure is what a read-back found in a partition.
type Measure struct {
	Rows        int
	Fingerprint string // table.Schema.Fingerprint, table.Empty when there are no rows
	Token       Token  // of the very content that was measured
}

// Partition is one partition as read: the rows and the token of that content, from one snapshot.
type Partition struct {
	Rows  []table.Row
	Token Token
}

// Partitions is what a worker does with partitions. All methods are safe for concurrent use; a ctx that is cancelled on
// entry changes nothing.
type Partitions interface {
	// Read returns every row of one partition and its token from one snapshot: rows of one version, never a mixture.
	// The order of rows is not defined. For a table without partitions pass the zero date and get the whole table.
	// The rows belong to the caller.
	Read(ctx context.Context, t *table.Schema, date gamedate.Date) (Partition, error)

	// Prepare returns the id under which Replace will write, unique for the content and the generation; the caller
	// records it in the ledger before it calls Replace. Prepare changes nothing. Stores without write jobs return "".
	Prepare(ctx context.Context, w Write) (id string, err error)

	// Replace makes w.Rows the whole content of the partition w.Date. It is atomic: readers see the old rows or the new
	// rows, never a mixture. Empty rows empty the partition. Repeating a call leaves the same content. It blocks until
	// the write is durable and does not keep the slice.
	//
	// A row that breaks the schema, or is of another date, is a permanent error (reason "bad_row") and nothing is
	// written. A fence older than the partition's is ErrFenced, a stopped run ErrStopped. Of two calls at once for one
	// date one wins whole; calls for different dates do not fail each other.
	Replace(ctx context.Context, w Write) (Receipt, error)

	// Close makes sure that no write of a generation below fence.Generation can land any more: id is the write that
	// the older generation recorded ("" when it recorded none). When Close returns, the partition is what it will be
	// until somebody writes under this or a newer generation. Repeating it changes nothing. An older fence is ErrFenced.
	Close(ctx context.Context, t *table.Schema, date gamedate.Date, fence Fence, id string) error

	// Measure reads the partition back from the store: row count, fingerprint and token of one snapshot.
	Measure(ctx context.Context, t *table.Schema, date gamedate.Date) (Measure, error)
}

// Tables is what planning and set-up do with whole tables.
type Tables interface {
	// Identity names the warehouse: the address and an id that stays with the store (a file's random id, a project).
	// Two stores have different identities.
	Identity(ctx context.Context) (string, error)

	// Create makes the table if it is missing; an existing table that lacks nullable columns gets them added, one that
	// differs in type, mode or partitioning is a *SchemaError and is left alone. Repeating it changes nothing. A table
	// that it makes is deleted t.Expires later by stores that do so; others keep it until Drop.
	Create(ctx context.Context, t *table.Schema) error

	// Drop deletes the table with all its rows; dropped is false when there was none. It may then be made again.
	Drop(ctx context.Context, t *table.Schema) (dropped bool, err error)

	// Tokens returns the token of every partition of the range that holds rows, in one call. A table without
	// partitions has one token under the zero date. Dates absent from the map have NoToken.
	Tokens(ctx context.Context, t *table.Schema, r gamedate.Range) (map[gamedate.Date]Token, error)

	// ReadRange streams the rows of a range of partitions to fn, dates in ascending order, rows within a date in no
	// defined order. It reads partition by partition: memory does not grow with the range. An error from fn ends it.
	ReadRange(ctx context.Context, t *table.Schema, r gamedate.Range,
		fn func(date gamedate.Date, rows []table.Row) error) error

	// Count groups the rows of a range; see Grouping. The result is sorted by date, then by the keys.
	Count(ctx context.Context, t *table.Schema, r gamedate.Range, g Grouping) ([]Group, error)
}

// Loader adds raw rows; importers use it. Whole files load atomically: all rows of a call or none.
type Loader interface {
	// Load replaces, for every value of the replace columns that occurs in rows, all rows of the table with that
	// value, then appends rows; without replace columns it only appends. rows is called once and yields until it
	// returns an error or is done; an error leaves the table as it was. It returns how many rows went and came.
	Load(ctx context.Context, t *table.Schema, replace []string,
		rows func(yield func(table.Row) error) error) (LoadResult, error)
}

// LoadResult counts what a Load did.
type LoadResult struct {
	Removed int
	Added   int
}

// Metered says what queries have cost.
type Metered interface {
	// Queries counts the queries that this store has run for its callers since it was opened; all zero for stores that run
	// none that are billed. It never blocks.
	Queries() Queries
}

// Queries are how many queries were run, and what they were billed for.
type Queries struct {
	Jobs int64 `json:"jobs"`
	// Billed are the bytes billed, known of Measured of the jobs.
	Billed   int64 `json:"billed_bytes"`
	Measured int64 `json:"measured_jobs"`
}

// Less is what came since an earlier count.
func (q Queries) Less(earlier Queries) Queries {
	return Queries{q.Jobs - earlier.Jobs, q.Billed - earlier.Billed, q.Measured - earlier.Measured}
}

// Store is everything at once, what an adapter implements and the wiring passes on.
type Store interface {
	Partitions
	Tables
	Loader
	Describer
	Metered
}

// Grouping asks for counts per partition and per distinct combination of the By columns, or without regard to
// partitions.
type Grouping struct {
	By    []string // columns to group by within a partition; may be empty
	Nulls []string // columns whose NULLs are counted
	Keys  []string // columns whose distinct combinations are counted; may be empty
	// Undated groups the rows of all partitions together; the date of a group is then zero.
	Undated bool
}

// Group is one group's counts. A NULL key value has the text "" in Keys.
type Group struct {
	Date     gamedate.Date
	Keys     []string // one a By column
	Rows     int64
	Nulls    []int64 // one a Nulls column
	Distinct int64   // distinct combinations of the Keys columns
}

// SchemaError says how a live table differs from the schema file.
type SchemaError struct {
	Table    string
	Problems []string // one sentence each
}

// Error lists every problem.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("table %s does not fit the schema: %v", e.Table, e.Problems)
}
