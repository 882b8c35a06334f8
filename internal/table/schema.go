// Package table describes tables and their rows without any store: a [Schema] names columns, types and roles, a [Row]
// holds one [Value] a column, and [Schema.Fingerprint] says whether two partitions are the same.
//
// The package knows neither SQL nor any service. Stores translate; jobs declare schemas; the engine only moves rows.
package table

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"gamefill/internal/gamedate"
)

// Type is a column type, named as in GoogleSQL.
type Type uint8

// The column types. STRINGS is ARRAY<STRING>, the one REPEATED type.
const (
	STRING Type = iota + 1
	INT64
	FLOAT64
	NUMERIC
	BOOL
	DATE
	TIMESTAMP
	STRINGS
)

var typeNames = map[Type]string{
	STRING: "STRING", INT64: "INT64", FLOAT64: "FLOAT64", NUMERIC: "NUMERIC", BOOL: "BOOL", DATE: "DATE",
	TIMESTAMP: "TIMESTAMP", STRINGS: "ARRAY<STRING>",
}

// String is the GoogleSQL name.
func (t Type) String() string { return typeNames[t] }

// Role says who fills a column and whether it counts when two partitions are compared.
type Role uint8

// The roles.
const (
	// Owned columns are filled by the job and compared.
	Owned Role = iota
	// Volatile columns are filled by the job and may differ between two runs on the same input (clocks, versions).
	Volatile
	// Unowned columns belong to somebody else: the job leaves them NULL, and a replacement must not wipe them unasked.
	Unowned
)

// Column is one column of a table.
type Column struct {
	Name      string
	Type      Type
	Precision int // NUMERIC only: decimal digits in all
	Scale     int // NUMERIC only: digits after the point
	Required  bool
	Role      Role
	// Lineage columns say what the partition was made from, the same on every row of it: a difference there is no
	// difference of a row. They are owned and compared like others.
	Lineage bool
	Doc     string // unit, range and source, one sentence
}

// TypeName is the column's type in GoogleSQL: "NUMERIC(6, 2)".
func (c Column) TypeName() string {
	if c.Type == NUMERIC && c.Precision > 0 {
		return fmt.Sprintf("NUMERIC(%d, %d)", c.Precision, c.Scale)
	}
	return c.Type.String()
}

// Schema is one table. Partition names its DATE partition column and is empty for a table without partitions.
type Schema struct {
	Dataset   string
	Name      string
	Columns   []Column
	Partition string
	Cluster   []string
	Key       []string // columns that identify a row within its partition, for messages and fingerprints
	// RequireFilter says that queries must name the partition (BigQuery's require_partition_filter).
	RequireFilter bool
	// Expires is how long after it was made the table may be deleted by its store, 0 for never.
	Expires time.Duration
}

// FullName is "dataset.name".
func (s *Schema) FullName() string { return s.Dataset + "." + s.Name }

// Index is the position of the named column, -1 if there is none.
func (s *Schema) Index(column string) int {
	return slices.IndexFunc(s.Columns, func(c Column) bool { return c.Name == column })
}

// MustIndex is [Schema.Index] for columns that the code itself declares; it panics on an unknown name.
func (s *Schema) MustIndex(column string) int {
	i := s.Index(column)
	if i < 0 {
		panic("table " + s.FullName() + " has no column " + column)
	}
	return i
}

// Names are the column names in order.
func (s *Schema) Names() []string {
	names := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		names[i] = c.Name
	}
	return names
}

// Check verifies one row against the schema: width, types, REQUIRED columns, the precision of decimals, and, where the
// table is partitioned, that the row is of date. Errors are *ValueError.
func (s *Schema) Check(row Row, date gamedate.Date) error {
	if len(row) != len(s.Columns) {
		return &ValueError{Column: "*", Want: fmt.Sprintf("%d values", len(s.Columns)), Got: fmt.Sprint(len(row))}
	}
	for i, v := range row {
		c := &s.Columns[i]
		if v.IsNull() {
			if c.Required {
				return &ValueError{Column: c.Name, Want: "a value", Got: "NULL"}
			}
			continue
		}
		if v.kind != c.Type || (c.Type == NUMERIC && int(v.scale) != c.Scale) {
			got := v.kind.String()
			if v.kind == NUMERIC {
				got = fmt.Sprintf("NUMERIC at scale %d", v.scale)
			}
			return &ValueError{Column: c.Name, Want: c.TypeName(), Got: got + " " + clip(v.Text())}
		}
		if c.Type == NUMERIC && c.Precision > 0 && c.Precision < len(pow10) {
			if limit := pow10[c.Precision]; v.num >= limit || v.num <= -limit {
				return &ValueError{Column: c.Name, Want: c.TypeName(), Got: v.Text()}
			}
		}
		if c.Name == s.Partition && !date.IsZero() && v.Date() != date {
			return &ValueError{Column: c.Name, Want: date.String(), Got: v.Date().String()}
		}
	}
	return nil
}

var pow10 = func() []int64 {
	p := []int64{1}
	for range 18 {
		p = append(p, p[len(p)-1]*10)
	}
	return p
}()

// Describe names a row for a message by the schema's key columns: "game_id=… player_lookup=…".
func (s *Schema) Describe(row Row) string {
	var parts []string
	for _, k := range s.Key {
		if i := s.Index(k); i >= 0 && i < len(row) {
			parts = append(parts, k+"="+row[i].Text())
		}
	}
	return strings.Join(parts, " ")
}

// RowHash is the SHA-256 of a row's owned columns: typed values in schema order, volatile and unowned columns left out.
func (s *Schema) RowHash(row Row) [sha256.Size]byte {
	var buf [2048]byte
	b := buf[:0]
	for i := range s.Columns {
		if s.Columns[i].Role == Owned {
			b = row[i].append(b)
		}
	}
	return sha256.Sum256(b)
}

// Fingerprint is the SHA-256, in hex, over the sorted row hashes of a partition. It depends on the values in their
// columns' types alone: not on row order, storage, text form, volatile or unowned columns. An empty partition has the
// fingerprint [Empty].
//
// Row hashes contain every key column, so sorting by hash is sorting by row: no separate key is needed.
func (s *Schema) Fingerprint(rows []Row) string {
	if len(rows) == 0 {
		return Empty
	}
	hashes := make([][sha256.Size]byte, len(rows))
	for i, row := range rows {
		hashes[i] = s.RowHash(row)
	}
	return FingerprintHashes(hashes)
}

// FingerprintHashes is [Schema.Fingerprint] for row hashes gathered one by one; it sorts the slice in place.
func FingerprintHashes(hashes [][sha256.Size]byte) string {
	if len(hashes) == 0 {
		return Empty
	}
	slices.SortFunc(hashes, func(a, b [sha256.Size]byte) int { return slices.Compare(a[:], b[:]) })
	h := sha256.New()
	for i := range hashes {
		h.Write(hashes[i][:])
	}
	return hexSum(h)
}

// Empty is the fingerprint of a partition without rows.
const Empty = "empty"

// RangeFingerprint is the SHA-256, in hex, over the sorted (date, fingerprint) of the given partitions; empty ones are
// left out, so that a range's fingerprint does not depend on how many dates without rows were asked for.
func RangeFingerprint(partitions map[gamedate.Date]string) string {
	dates := make([]gamedate.Date, 0, len(partitions))
	for d, fp := range partitions {
		if fp != Empty {
			dates = append(dates, d)
		}
	}
	slices.SortFunc(dates, gamedate.Date.Compare)
	h := sha256.New()
	for _, d := range dates {
		fmt.Fprintf(h, "%s %s\n", d, partitions[d])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ContentFingerprint is [Schema.Fingerprint] with the unowned columns included: equal content means that replacing one
// partition by the other would change nothing that anybody fills on purpose.
func (s *Schema) ContentFingerprint(rows []Row) string {
	hashes := make([][sha256.Size]byte, len(rows))
	for i, row := range rows {
		var b []byte
		for c := range s.Columns {
			if s.Columns[c].Role != Volatile {
				b = row[c].append(b)
			}
		}
		hashes[i] = sha256.Sum256(b)
	}
	return FingerprintHashes(hashes)
}

// HasUnowned reports whether any row has a value in an unowned column.
func (s *Schema) HasUnowned(rows []Row) bool {
	for i := range s.Columns {
		if s.Columns[i].Role == Unowned && slices.ContainsFunc(rows, func(r Row) bool { return !r[i].IsNull() }) {
			return true
		}
	}
	return false
}
