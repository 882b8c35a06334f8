package bigquerywarehouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/bigquery"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

// view is what one look at a partition, or at a table without partitions, shows.
type view struct {
	live  statement.Table
	meta  *bigquery.TableMetadata
	rows  uint64
	token warehouse.Token // NoToken without rows; says nothing about rows in the streaming buffer
}

// look reads the metadata of a partition by its decorator; the zero date looks at the whole table. A partition that is
// not there is an empty one. A table that is not there, is elsewhere, is no table or has other partitions is an error.
func (s *Store) look(ctx context.Context, t *table.Schema, date gamedate.Date) (view, error) {
	live, err := s.live(t)
	if err != nil {
		return view{}, err
	}
	v := view{live: live}
	if t.Partition != "" && !date.IsZero() {
		v.meta, err = s.metadata(ctx, s.partitionHandle(live, date))
		if err == nil {
			v.rows = v.meta.NumRows
		} else if hasCode(err, http.StatusNotFound) || hasCode(err, http.StatusBadRequest) {
			v.meta, err = s.metadata(ctx, s.handle(live)) // is it the partition, the table, or how that is cut?
		}
	} else if v.meta, err = s.metadata(ctx, s.handle(live)); err == nil {
		v.rows = v.meta.NumRows
	}
	if err != nil {
		return view{}, s.explain(err, t)
	}
	if v.meta.Location != "" && !strings.EqualFold(v.meta.Location, s.options.Location) {
		return view{}, s.wrongLocation(t, v.meta.Location)
	}
	if problems := partitionProblems(t, v.meta); len(problems) > 0 {
		return view{}, schemaError(t, problems)
	}
	v.token = tokenOf(v.meta.LastModifiedTime.UnixMilli(), v.rows)
	return v, nil
}

func (s *Store) metadata(ctx context.Context, h *bigquery.Table) (meta *bigquery.TableMetadata, err error) {
	err = s.bound(ctx, func(ctx context.Context) (err error) { meta, err = h.Metadata(ctx); return err })
	return meta, err
}

// tokenOf is the token of a partition with so many rows that was changed at an instant in milliseconds since the epoch.
func tokenOf(millis int64, rows uint64) warehouse.Token {
	if rows == 0 {
		return warehouse.NoToken
	}
	return warehouse.Token(fmt.Sprintf("%d.%d", millis, rows))
}

// partitionProblems says how the partitions of a table are not what the schema says, or that it is none: a view, say.
func partitionProblems(t *table.Schema, meta *bigquery.TableMetadata) (problems []string) {
	if meta.Type != "" && meta.Type != bigquery.RegularTable {
		problems = append(problems, fmt.Sprintf("it is a %s, want a table", meta.Type))
	}
	if got := partitioning(meta); got != t.Partition {
		problems = append(problems, fmt.Sprintf("partitioned by %s, want %s", orNothing(got), orNothing(t.Partition)))
	}
	return problems
}

// partitioning is [warehouse.Description.Partitioning] of a table.
func partitioning(meta *bigquery.TableMetadata) string {
	switch p := meta.TimePartitioning; {
	case meta.RangePartitioning != nil:
		return "range of " + meta.RangePartitioning.Field
	case p == nil:
		return ""
	case p.Field == "":
		return string(p.Type) + " of ingestion"
	case p.Type != bigquery.DayPartitioningType && p.Type != "":
		return string(p.Type) + " on " + p.Field
	default:
		if f := field(meta.Schema, p.Field); f != nil && f.Type != bigquery.DateFieldType {
			return "DAY on " + string(f.Type) + " " + p.Field
		}
		return p.Field
	}
}

func orNothing(partitioning string) string {
	if partitioning == "" {
		return "nothing"
	}
	return partitioning
}

// field finds a live column; names do not differ by case alone in BigQuery.
func field(schema bigquery.Schema, name string) *bigquery.FieldSchema {
	i := slices.IndexFunc(schema, func(f *bigquery.FieldSchema) bool { return strings.EqualFold(f.Name, name) })
	if i < 0 {
		return nil
	}
	return schema[i]
}

// extra are the live columns that the schema does not know.
func extra(t *table.Schema, live bigquery.Schema) (names []string) {
	for _, f := range live {
		if !slices.ContainsFunc(t.Columns, func(c table.Column) bool { return strings.EqualFold(c.Name, f.Name) }) {
			names = append(names, f.Name)
		}
	}
	return names
}

// fieldTypes are the types of columns as the client names them.
var fieldTypes = map[table.Type]bigquery.FieldType{
	table.STRING: bigquery.StringFieldType, table.INT64: bigquery.IntegerFieldType, table.FLOAT64: bigquery.FloatFieldType,
	table.NUMERIC: bigquery.NumericFieldType, table.BOOL: bigquery.BooleanFieldType, table.DATE: bigquery.DateFieldType,
	table.TIMESTAMP: bigquery.TimestampFieldType, table.STRINGS: bigquery.StringFieldType,
}

// fieldOf is the live column that a column of a schema is.
func fieldOf(c table.Column) *bigquery.FieldSchema {
	f := &bigquery.FieldSchema{Name: c.Name, Type: fieldTypes[c.Type], Description: c.Doc,
		Repeated: c.Type == table.STRINGS}
	f.Required = c.Required && !f.Repeated
	if c.Type == table.NUMERIC {
		f.Precision, f.Scale = int64(c.Precision), int64(c.Scale)
	}
	return f
}

// typeText is a live column's type as in GoogleSQL, to be compared and shown.
func typeText(f *bigquery.FieldSchema) string {
	text := string(f.Type)
	for ours, theirs := range fieldTypes {
		if theirs == f.Type && ours != table.STRINGS {
			text = ours.String()
		}
	}
	if f.Precision > 0 {
		text += fmt.Sprintf("(%d, %d)", f.Precision, f.Scale)
	}
	if f.Repeated {
		text = "ARRAY<" + text + ">"
	}
	return text
}

// compare lists the columns that are missing and what differs otherwise, one sentence each.
func compare(t *table.Schema, meta *bigquery.TableMetadata) (missing []table.Column, different []string) {
	different = partitionProblems(t, meta)
	for _, c := range t.Columns {
		f := field(meta.Schema, c.Name)
		switch want := typeText(fieldOf(c)); {
		case f == nil:
			missing = append(missing, c)
		case typeText(f) != want:
			different = append(different, fmt.Sprintf("column %s is %s, want %s", c.Name, typeText(f), want))
		case f.Required != c.Required && !f.Repeated:
			different = append(different, fmt.Sprintf("column %s is %s, want %s", c.Name, mode(f.Required), mode(c.Required)))
		}
	}
	for _, name := range extra(t, meta.Schema) {
		if field(meta.Schema, name).Required {
			different = append(different,
				fmt.Sprintf("column %s is REQUIRED and not in the schema, so no row can be written", name))
		}
	}
	return missing, different
}

func mode(required bool) string {
	if required {
		return "REQUIRED"
	}
	return "NULLABLE"
}

// readable refuses columns whose values would not come back as the schema's: other types. Columns that the live table
// lacks are read as NULL where the schema allows it, other modes do not matter.
func readable(t *table.Schema, meta *bigquery.TableMetadata) error {
	var problems []string
	for _, c := range t.Columns {
		f := field(meta.Schema, c.Name)
		switch want := fieldOf(c); {
		case f == nil && c.Required:
			problems = append(problems, fmt.Sprintf("column %s is missing", c.Name))
		case f != nil && (f.Type != want.Type || f.Repeated != want.Repeated):
			problems = append(problems, fmt.Sprintf("column %s is %s, want %s", c.Name, typeText(f), c.TypeName()))
		}
	}
	if len(problems) > 0 {
		return schemaError(t, problems)
	}
	return nil
}

// writable refuses a live table that a replacement would fail on.
func writable(t *table.Schema, meta *bigquery.TableMetadata) error {
	missing, problems := compare(t, meta)
	for _, c := range missing {
		problems = append(problems, fmt.Sprintf("column %s is missing", c.Name))
	}
	if len(problems) > 0 {
		return schemaError(t, problems)
	}
	return nil
}

// Describe implements [warehouse.Describer]: the table's metadata and the defaults of its dataset.
func (s *Store) Describe(ctx context.Context, t *table.Schema) (warehouse.Description, error) {
	d, err := s.describe(ctx, t)
	if err != nil {
		return warehouse.Description{}, fmt.Errorf("describe %s: %w", t.FullName(), err)
	}
	return d, nil
}

func (s *Store) describe(ctx context.Context, t *table.Schema) (warehouse.Description, error) {
	live, err := s.live(t)
	if err != nil {
		return warehouse.Description{}, err
	}
	d := warehouse.Description{Table: live.String(), RowPoliciesUnknown: true}
	var dataset *bigquery.DatasetMetadata
	if err := s.bound(ctx, func(ctx context.Context) (err error) {
		dataset, err = s.client.DatasetInProject(live.Project, live.Dataset).Metadata(ctx)
		return err
	}); err != nil {
		return d, s.explain(err, t)
	}
	d.Location = dataset.Location
	d.NewTableExpiration, d.NewPartitionExpiration = dataset.DefaultTableExpiration, dataset.DefaultPartitionExpiration
	d.TimeTravel = cmp.Or(dataset.MaxTimeTravel, defaultTimeTravel)
	meta, err := s.metadata(ctx, s.handle(live))
	switch {
	case hasCode(err, http.StatusNotFound):
		d.Missing = t.Columns
		return d, nil
	case err != nil:
		return d, s.explain(err, t)
	}
	d.Exists, d.Rows, d.Bytes = true, int64(meta.NumRows), meta.NumBytes
	d.Partitioning, d.RequireFilter = partitioning(meta), meta.RequirePartitionFilter
	if meta.Clustering != nil {
		d.Cluster = meta.Clustering.Fields
	}
	d.Expires, d.StreamingBuffer = meta.ExpirationTime, meta.StreamingBuffer != nil
	if meta.TimePartitioning != nil {
		d.PartitionExpiration = meta.TimePartitioning.Expiration
	}
	d.Missing, d.Different = compare(t, meta)
	d.Extra = extra(t, meta.Schema)
	return d, nil
}

// defaultTimeTravel is of datasets that do not say. Source: BigQuery REST reference, Dataset.maxTimeTravelHours.
const defaultTimeTravel = 168 * time.Hour

// ScanBytes implements [warehouse.Describer] with dry runs of the statements that read and count: the service says what
// it would read and reads nothing. How the live table is cut does not matter, so they tell whether it is cut at all.
func (s *Store) ScanBytes(ctx context.Context, t *table.Schema, r gamedate.Range, columns ...string) (int64, error) {
	n, err := s.scanBytes(ctx, t, r, columns)
	if err != nil {
		return 0, fmt.Errorf("dry run over %s: %w", t.FullName(), err)
	}
	return n, nil
}

func (s *Store) scanBytes(ctx context.Context, t *table.Schema, r gamedate.Range,
	columns []string) (most int64, err error) {
	live, err := s.live(t)
	if err != nil {
		return 0, err
	}
	if len(columns) == 0 {
		meta, err := s.metadata(ctx, s.handle(live))
		if err != nil {
			return 0, s.explain(err, t)
		}
		columns = present(t, meta)
	}
	for _, name := range columns {
		if t.Index(name) < 0 {
			return 0, fmt.Errorf("%w: %q", errNoColumn, name)
		}
	}
	read := statement.Statement{Name: statement.ReadTable, Table: live, Columns: columns}
	count := statement.Statement{Name: statement.CountGroups, Table: live, Partition: t.Partition,
		Nulls: nullTests(t, columns)}
	var params []bigquery.QueryParameter
	if t.Partition != "" {
		read.Name, read.Partition, params = statement.ReadRange, t.Partition, dateParameters(r)
	}
	for _, st := range []statement.Statement{read, count} {
		n, err := s.dryRun(ctx, st, params)
		if err != nil {
			return 0, s.explain(fmt.Errorf("%s: %w", st.Name, err), t)
		}
		most = max(most, n)
	}
	return most, nil
}

// dryRun asks how many bytes a statement would read.
func (s *Store) dryRun(ctx context.Context, st statement.Statement,
	params []bigquery.QueryParameter) (n int64, err error) {
	q, err := s.newQuery(st, params)
	if err != nil {
		return 0, err
	}
	q.DryRun, q.MaxBytesBilled = true, 0 // nothing is billed
	err = s.bound(ctx, func(ctx context.Context) error {
		job, err := q.Run(ctx)
		if err != nil {
			return err
		}
		n = job.LastStatus().Statistics.TotalBytesProcessed
		return job.LastStatus().Err()
	})
	return n, err
}

// Create implements [warehouse.Tables]: a day partition for each date of the partition column, clustered. The table has
// an expiration if the schema has one, its partitions have none.
func (s *Store) Create(ctx context.Context, t *table.Schema) error {
	if err := s.ensure(ctx, t, false); err != nil {
		return fmt.Errorf("create %s: %w", t.FullName(), err)
	}
	return nil
}

// Drop implements [warehouse.Tables].
func (s *Store) Drop(ctx context.Context, t *table.Schema) (dropped bool, err error) {
	if dropped, err = s.drop(ctx, t); err != nil {
		return false, fmt.Errorf("drop %s: %w", t.FullName(), err)
	}
	return dropped, nil
}

func (s *Store) drop(ctx context.Context, t *table.Schema) (dropped bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	live, err := s.live(t)
	if err != nil {
		return false, err
	}
	if err = s.explain(s.bound(ctx, s.handle(live).Delete), t); errors.Is(err, warehouse.ErrNoTable) {
		return false, nil
	}
	return err == nil, err
}

// Adopt is Create for a table that somebody else filled as well: columns that the schema does not know are left as they
// are. Replace refuses to erase values in them.
func (s *Store) Adopt(ctx context.Context, t *table.Schema) error {
	if err := s.ensure(ctx, t, true); err != nil {
		return fmt.Errorf("adopt %s: %w", t.FullName(), err)
	}
	return nil
}

// raceTries bounds how often ensure looks again because somebody else made or changed the table meanwhile.
const raceTries = 10

func (s *Store) ensure(ctx context.Context, t *table.Schema, allowExtra bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if i := t.Index(t.Partition); t.Partition != "" && (i < 0 || t.Columns[i].Type != table.DATE) {
		return schemaError(t,
			[]string{fmt.Sprintf("the partition column %s is not a DATE column of the schema", t.Partition)})
	}
	live, err := s.live(t)
	if err != nil {
		return err
	}
	h := s.handle(live)
	for range raceTries {
		meta, err := s.metadata(ctx, h)
		switch {
		case hasCode(err, http.StatusNotFound):
			err = s.create(ctx, h, t)
			if err == nil {
				return nil
			}
			if hasCode(err, http.StatusConflict) { // somebody was faster
				continue
			}
			return s.explain(err, t)
		case err != nil:
			return s.explain(err, t)
		}
		err = s.extend(ctx, h, t, meta, allowExtra)
		if hasCode(err, http.StatusPreconditionFailed) {
			continue
		}
		return err
	}
	return errors.New("others keep changing the table")
}

func (s *Store) create(ctx context.Context, h *bigquery.Table, t *table.Schema) error {
	meta := &bigquery.TableMetadata{}
	for _, c := range t.Columns {
		meta.Schema = append(meta.Schema, fieldOf(c))
	}
	if t.Partition != "" {
		meta.TimePartitioning = &bigquery.TimePartitioning{Type: bigquery.DayPartitioningType, Field: t.Partition}
		meta.RequirePartitionFilter = t.RequireFilter
	}
	if t.Expires > 0 {
		meta.ExpirationTime = s.options.Now().Add(t.Expires)
	}
	if len(t.Cluster) > 0 {
		meta.Clustering = &bigquery.Clustering{Fields: t.Cluster}
	}
	if err := s.pace(t).wait(ctx); err != nil {
		return err
	}
	return s.bound(ctx, func(ctx context.Context) error { return h.Create(ctx, meta) })
}

// extend adds what can be added to a live table that fits otherwise. It gives the service's error raw when the table
// was changed since it was looked at.
func (s *Store) extend(ctx context.Context, h *bigquery.Table, t *table.Schema, meta *bigquery.TableMetadata,
	allowExtra bool) error {
	missing, problems := compare(t, meta)
	for _, c := range missing {
		if c.Required {
			problems = append(problems, fmt.Sprintf("column %s is missing and REQUIRED, so it cannot be added", c.Name))
		}
	}
	if !allowExtra {
		for _, name := range extra(t, meta.Schema) {
			problems = append(problems, fmt.Sprintf("column %s is not in the schema: a replacement would wipe it", name))
		}
	}
	if len(problems) > 0 {
		return schemaError(t, problems)
	}
	if len(missing) == 0 {
		return nil
	}
	wider := slices.Clone(meta.Schema)
	for _, c := range missing {
		wider = append(wider, fieldOf(c))
	}
	if err := s.pace(t).wait(ctx); err != nil {
		return err
	}
	err := s.bound(ctx, func(ctx context.Context) error {
		_, err := h.Update(ctx, bigquery.TableMetadataToUpdate{Schema: wider}, meta.ETag)
		return err
	})
	if hasCode(err, http.StatusPreconditionFailed) {
		return err
	}
	return s.explain(err, t)
}
