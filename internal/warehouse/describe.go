package warehouse

import (
	"context"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// Describer says what a live table is, for set-up and preflight. It changes nothing.
type Describer interface {
	// Describe looks at the table of a schema. A table that is not there is no error: Exists is false. What is reported
	// is of one moment.
	Describe(ctx context.Context, t *table.Schema) (Description, error)

	// ScanBytes is how many bytes the store would bill for reading columns of a range in one statement, the dearest of
	// those that it has for a range of this table; without columns all that the table has. None is run. A table without
	// partitions is read whole, whatever the range. Stores that bill no reading say 0.
	ScanBytes(ctx context.Context, t *table.Schema, r gamedate.Range, columns ...string) (int64, error)
}

// Description is a live table beside its schema. What a store does not have is zero.
type Description struct {
	// Table is where it was looked for, in the store's own words: "project.dataset.table".
	Table  string
	Exists bool
	Rows   int64
	// Bytes is the size of its rows as the store bills the reading of them, 0 for stores that bill none.
	Bytes int64
	// Location is where the store keeps it ("US"), "" for stores without.
	Location string
	// Partitioning is how it is cut: the name of a DATE column when every date is a partition, "" without partitions, and
	// words for anything else ("MONTH on day").
	Partitioning  string
	Cluster       []string
	RequireFilter bool

	// Missing are columns of the schema that the table lacks; NULLABLE ones can be added.
	Missing []table.Column
	// Extra are columns of the table that the schema does not know.
	Extra []string
	// Different are other differences, one sentence each: type, mode, partitioning. They need a person.
	Different []string

	// Expires is when the table will be deleted, zero for never.
	Expires time.Time
	// PartitionExpiration is how long after its date a partition is deleted, zero for never.
	PartitionExpiration time.Duration
	// NewTableExpiration and NewPartitionExpiration are what a table made in this dataset gets, zero for never.
	NewTableExpiration     time.Duration
	NewPartitionExpiration time.Duration

	// TimeTravel is for how long the store can still show what the table was before it was changed.
	TimeTravel time.Duration

	// StreamingBuffer says that rows streamed into the table are not yet in their partitions.
	StreamingBuffer bool
	// RowPoliciesUnknown says that the store may hide rows from this account and does not tell.
	RowPoliciesUnknown bool
}

// Fits reports whether the table is there and can be written as it is.
func (d Description) Fits() bool {
	return d.Exists && len(d.Missing) == 0 && len(d.Different) == 0
}
