// Package export writes a range of a partitioned table to one stream: CSV, NDJSON or Parquet.
//
// Partitions are read and written one by one, dates ascending, rows of a date in the order of the schema's key, so
// memory does not grow with the range (Parquet: beyond one row group) and equal tables make equal files. [ToFile] makes
// a file that is there whole or not at all.
//
// How values look:
//
//	          CSV                        NDJSON              Parquet
//	NULL      nothing between commas     null                null
//	STRING    text; the empty one is ""  string              STRING
//	INT64     digits                     number              INT64
//	FLOAT64   shortest exact decimal     the same, number    DOUBLE
//	NUMERIC   all places of the scale    the same, number    DECIMAL(precision, scale) on INT64
//	BOOL      true, false                true, false         BOOLEAN
//	DATE      2022-01-15                 "2022-01-15"        DATE
//	TIMESTAMP 2022-01-16T12:00:00.000000Z  the same, string  TIMESTAMP(MICROS, UTC)
//	STRINGS   JSON array                 array of strings    LIST of STRING
//
// An empty array is NULL, as everywhere in gamefill.
package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Format is a file format.
type Format uint8

// The formats.
const (
	CSV Format = iota + 1
	NDJSON
	Parquet
)

var formatNames = map[Format]string{CSV: "csv", NDJSON: "ndjson", Parquet: "parquet"}

// String is the format's name, which is also the ending of its files.
func (f Format) String() string { return formatNames[f] }

// ParseFormat reads a format's name.
func ParseFormat(s string) (Format, error) {
	for f, name := range formatNames {
		if s == name {
			return f, nil
		}
	}
	return 0, fmt.Errorf("export format %q: want csv, ndjson or parquet", s)
}

// FormatOf is the format that a path's ending names.
func FormatOf(path string) (Format, error) {
	ext := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	if ext == "jsonl" {
		ext = NDJSON.String()
	}
	f, err := ParseFormat(ext)
	if err != nil {
		return 0, fmt.Errorf("path %s: ending %q is no export format: want .csv, .ndjson or .parquet", path, ext)
	}
	return f, nil
}

// encoder writes rows in one format.
type encoder interface {
	write(rows []table.Row) error
	// close writes what the format has after its rows; it does not close the stream.
	close() error
}

// Write writes every row of t whose partition lies in r to w and returns how many there were. After an error w holds an
// unusable part of the output.
func Write(ctx context.Context, store warehouse.Tables, t *table.Schema, r gamedate.Range, f Format,
	w io.Writer) (rows int, err error) {
	enc, err := newEncoder(t, f, w)
	if err != nil {
		return 0, err
	}
	key := keyOf(t)
	err = store.ReadRange(ctx, t, r, func(date gamedate.Date, part []table.Row) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, row := range part {
			if err := t.Check(row, date); err != nil {
				return fmt.Errorf("%s, row %s: %w", date, t.Describe(row), err)
			}
		}
		slices.SortFunc(part, func(a, b table.Row) int { return compare(a, b, key) })
		rows += len(part)
		return enc.write(part)
	})
	if err == nil {
		err = enc.close()
	}
	if err != nil {
		return 0, fmt.Errorf("export %s, %s: %w", t.FullName(), r, err)
	}
	return rows, nil
}

func newEncoder(t *table.Schema, f Format, w io.Writer) (encoder, error) {
	switch f {
	case CSV:
		return newCSV(t, w), nil
	case NDJSON:
		return newNDJSON(t, w), nil
	case Parquet:
		return newParquet(t, w)
	}
	return nil, fmt.Errorf("export format %d is unknown", f)
}

// keyOf lists the columns to sort by: the key, then all others, so that the order is total even where rows share a key.
func keyOf(t *table.Schema) []int {
	var order []int
	for _, k := range t.Key {
		order = append(order, t.MustIndex(k))
	}
	for i := range t.Columns {
		if !slices.Contains(order, i) {
			order = append(order, i)
		}
	}
	return order
}

func compare(a, b table.Row, key []int) int {
	for _, i := range key {
		if c := a[i].Compare(b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// ToFile is [Write] to a file, by [File]. The folder must exist.
func ToFile(ctx context.Context, store warehouse.Tables, t *table.Schema, r gamedate.Range, f Format,
	path string) (rows int, err error) {
	err = File(path, func(w io.Writer) error {
		rows, err = Write(ctx, store, t, r, f, w)
		return err
	})
	if err != nil {
		return 0, err
	}
	return rows, nil
}

// File writes a file whole or not at all: write fills a temporary file in the same folder, which is made durable and
// gets its name at the end, so whoever sees path sees the old file or the whole new one. After an error path is as it
// was and the temporary file is gone.
func File(path string, write func(w io.Writer) error) (err error) {
	if err := writable(path); err != nil {
		return fmt.Errorf("export to %s: %w", path, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("export to %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreClosed(tmp.Close()), os.Remove(tmp.Name()))
		}
	}()
	if err := write(tmp); err != nil {
		return err
	}
	// CreateTemp makes files that nobody else may read; an export is an ordinary file.
	err = cmp.Or(tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("export to %s: %w", path, err)
	}
	return nil
}

// writable refuses a path that an export must not take the place of: what is no regular file, and databases.
func writable(path string) error {
	info, err := os.Stat(path)
	switch {
	case path == "":
		return errors.New("the name is empty: name a file to write")
	case err != nil:
		return nil // not there, or what is wrong shows when it is written
	case !info.Mode().IsRegular():
		return errors.New("is not a regular file: name a file to write")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	head := make([]byte, len(sqliteMagic))
	if _, err := io.ReadFull(f, head); err == nil && string(head) == sqliteMagic {
		return errors.New("is an SQLite database, perhaps the one that is read: name another file")
	}
	return nil
}

// sqliteMagic begins every SQLite file (sqlite.org/fileformat2.html, "Magic Header String").
const sqliteMagic = "SQLite format 3\x00"

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// ToHive writes the partitions of r as a directory that DuckDB, Spark and pandas open as one table: one file a
// partition, DIR/<partition column>=YYYY-MM-DD/part-0.<format>, written as by [ToFile]. The partition column is in the
// directories' names and not in the files, as the Hive layout has it. Partitions of r that hold no rows any more lose
// their file; other partitions of the directory are left alone, so a range can be written again. The directory is made
// if it is missing.
func ToHive(ctx context.Context, store warehouse.Tables, t *table.Schema, r gamedate.Range, f Format, dir string,
	progress func(date gamedate.Date)) (rows, files int, err error) {
	if t.Partition == "" {
		return 0, 0, fmt.Errorf("export to %s: table %s has no partitions: export it to one file", dir, t.FullName())
	}
	tokens, err := store.Tokens(ctx, t, r)
	if err != nil {
		return 0, 0, fmt.Errorf("export to %s: %w", dir, err)
	}
	narrow := narrowed{store, t, t.MustIndex(t.Partition)}
	schema := *t
	schema.Partition, schema.Columns = "", slices.Delete(slices.Clone(t.Columns), narrow.at, narrow.at+1)
	schema.Key = slices.DeleteFunc(slices.Clone(t.Key), func(k string) bool { return k == t.Partition })
	for d := range r.Dates() {
		if err := ctx.Err(); err != nil {
			return rows, files, err
		}
		folder := filepath.Join(dir, t.Partition+"="+d.String())
		path := filepath.Join(folder, "part-0."+f.String())
		if _, ok := tokens[d]; !ok {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return rows, files, fmt.Errorf("export to %s: %w", dir, err)
			}
			continue
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return rows, files, fmt.Errorf("export to %s: %w", dir, err)
		}
		n, err := ToFile(ctx, narrow, &schema, gamedate.Range{From: d, To: d}, f, path)
		if err != nil {
			return rows, files, err
		}
		rows, files = rows+n, files+1
		if progress != nil {
			progress(d)
		}
	}
	return rows, files, nil
}

// narrowed is a store that reads one table without its partition column, whatever schema it is asked for.
type narrowed struct {
	warehouse.Tables
	whole *table.Schema
	at    int // position of the partition column
}

func (n narrowed) ReadRange(ctx context.Context, _ *table.Schema, r gamedate.Range,
	fn func(gamedate.Date, []table.Row) error) error {
	return n.Tables.ReadRange(ctx, n.whole, r, func(d gamedate.Date, rows []table.Row) error {
		cut := make([]table.Row, len(rows))
		for i, row := range rows {
			if err := n.whole.Check(row, d); err != nil {
				return fmt.Errorf("%s, row %s: %w", d, n.whole.Describe(row), err)
			}
			cut[i] = slices.Delete(slices.Clone(row), n.at, n.at+1)
		}
		return fn(d, cut)
	})
}
