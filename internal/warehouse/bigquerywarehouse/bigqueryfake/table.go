package bigqueryfake

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	bq "google.golang.org/api/bigquery/v2"
)

// tableRef names a table or, with a partition, one partition of it.
type tableRef struct{ project, dataset, table, partition string }

// refOf reads a reference, decorator included.
func refOf(r *bq.TableReference) tableRef {
	if r == nil {
		return tableRef{}
	}
	name, partition, _ := strings.Cut(r.TableId, "$")
	return tableRef{r.ProjectId, r.DatasetId, name, partition}
}

// String is the name in messages of the API, "project:dataset.table$partition".
func (r tableRef) String() string {
	name := r.project + ":" + r.dataset + "." + r.table
	if r.partition != "" {
		name += "$" + r.partition
	}
	return name
}

// sql is the name in messages about queries, "project.dataset.table".
func (r tableRef) sql() string { return r.project + "." + r.dataset + "." + r.table }

func (r tableRef) key() datasetKey { return datasetKey{r.project, r.dataset} }

func (r tableRef) whole() tableRef { r.partition = ""; return r }

func (r tableRef) resource() *bq.TableReference {
	name := r.table
	if r.partition != "" {
		name += "$" + r.partition
	}
	return &bq.TableReference{ProjectId: r.project, DatasetId: r.dataset, TableId: name}
}

// Names of the API. Source of the pseudo-partitions: documentation, "Querying partitioned tables".
const (
	nullPartition    = "__NULL__"
	unpartitioned    = "__UNPARTITIONED__"
	wholeTable       = "" // the one partition of a table without partitions
	typeTable        = "TABLE"
	typeSnapshot     = "SNAPSHOT"
	operationClone   = "CLONE"
	modeRepeated     = "REPEATED"
	modeRequired     = "REQUIRED"
	modeNullable     = "NULLABLE"
	partitionNoTable = "Cannot read partition information from a table that is not partitioned: %s"
)

type partition struct {
	rows     []row
	modified int64 // milliseconds since the epoch
}

type table struct {
	ref               tableRef
	dataset           *dataset
	kind              string // typeTable or typeSnapshot
	created, modified int64  // milliseconds since the epoch
	schema            []*bq.TableFieldSchema
	time              *bq.TimePartitioning
	ranges            *bq.RangePartitioning
	cluster           []string
	requireFilter     bool
	expires           int64 // milliseconds since the epoch, 0 for never
	labels            map[string]string
	description       string
	friendly          string
	clone             *bq.CloneDefinition
	snapshot          *bq.SnapshotDefinition
	partitions        map[string]*partition
	streamed          []row // in the streaming buffer
	streamedSince     time.Time
	rowPolicy         bool
	changes           []time.Time // modifications that count for the rate limit
	day               string      // of changedToday, UTC
	changedToday      int
}

func (t *table) partitioned() bool { return t.time != nil || t.ranges != nil }

// partitionColumn is the column that decides the partition, "" with ingestion time or without partitions.
func (t *table) partitionColumn() string {
	switch {
	case t.time != nil:
		return t.time.Field
	case t.ranges != nil:
		return t.ranges.Field
	}
	return ""
}

// field finds a column by its name, whose case does not matter; -1 if there is none.
func field(schema []*bq.TableFieldSchema, name string) int {
	return slices.IndexFunc(schema, func(f *bq.TableFieldSchema) bool { return strings.EqualFold(f.Name, name) })
}

var decorators = map[string]string{"HOUR": "2006010215", "DAY": "20060102", "MONTH": "200601", "YEAR": "2006"}

// checkPartition refuses decorators that name no partition the table could have. Source: documentation, "Managing
// partitioned table data", partition decorators; the wording of the second refusal is the fake's.
func (t *table) checkPartition(ref tableRef) error {
	if ref.partition == "" {
		return nil
	}
	switch {
	case !t.partitioned():
		return invalid(partitionNoTable, ref)
	case ref.partition == nullPartition || ref.partition == unpartitioned:
		return nil
	case t.ranges != nil:
		n, err := strconv.ParseInt(ref.partition, 10, 64)
		if r := t.ranges.Range; err != nil || n < r.Start || n >= r.End || (n-r.Start)%r.Interval != 0 {
			return invalid("Invalid partition ID %q for table %s", ref.partition, ref.whole())
		}
		return nil
	}
	layout := decorators[t.time.Type]
	if p, err := time.Parse(layout, ref.partition); err != nil || p.Format(layout) != ref.partition {
		return invalid("Invalid partition ID %q for table %s", ref.partition, ref.whole())
	}
	return nil
}

// partitionOf is the partition that a row belongs to; now is the time of its ingestion.
func (t *table) partitionOf(r row, now time.Time) string {
	if !t.partitioned() {
		return wholeTable
	}
	column := t.partitionColumn()
	if column == "" {
		return now.UTC().Format(decorators[t.time.Type])
	}
	i := field(t.schema, column)
	text, ok := r.cell(i, t.schema[i]).(string)
	switch {
	case !ok:
		return nullPartition
	case t.ranges != nil:
		n, _ := strconv.ParseInt(text, 10, 64) // an INTEGER
		g := t.ranges.Range
		if n < g.Start || n >= g.End {
			return unpartitioned
		}
		return strconv.FormatInt(n-(n-g.Start)%g.Interval, 10)
	case t.schema[i].Type == "TIMESTAMP":
		micros, _ := strconv.ParseInt(text, 10, 64)
		return time.UnixMicro(micros).UTC().Format(decorators[t.time.Type])
	}
	date, _ := time.Parse(time.DateOnly, text) // a DATE
	return date.Format(decorators[t.time.Type])
}

// rows is the content of a partition or, by a reference without one, of the table: in the order of partition ids, rows
// of the streaming buffer last if buffered. They belong to the table.
func (t *table) rows(partition string, buffered bool) []row {
	if partition != "" {
		if p := t.partitions[partition]; p != nil {
			return p.rows
		}
		return nil
	}
	var all []row
	for _, id := range slices.Sorted(maps.Keys(t.partitions)) {
		all = append(all, t.partitions[id].rows...)
	}
	if buffered {
		all = append(all, t.streamed...)
	}
	return all
}

// set makes rows the content of a partition.
func (t *table) set(id string, rows []row, now int64) {
	t.partitions[id] = &partition{rows: rows, modified: now}
	t.modified = now
}

// table finds a table; the reference may name a partition, which need not exist.
func (s *Server) table(ref tableRef) (*table, error) {
	d, err := s.dataset(ref.key())
	if err != nil {
		return nil, err
	}
	t := d.tables[ref.table]
	if t == nil {
		return nil, notFound("Table %s", ref.whole())
	}
	return t, nil
}

// sweep deletes what has expired. Sources: documentation, "Managing tables", expiration; "Managing partitioned tables",
// partition expiration: counted from the partition's own time in UTC.
func (s *Server) sweep() {
	now := s.options.Now()
	for _, d := range s.datasets {
		for name, t := range d.tables {
			if t.expires > 0 && t.expires <= now.UnixMilli() {
				delete(d.tables, name)
				continue
			}
			if t.time == nil || t.time.ExpirationMs <= 0 {
				continue
			}
			for id := range t.partitions {
				begin, err := time.Parse(decorators[t.time.Type], id)
				if err == nil && begin.UnixMilli()+t.time.ExpirationMs <= now.UnixMilli() {
					delete(t.partitions, id)
					t.modified = s.tick()
				}
			}
		}
	}
}

// Messages of the quotas. Source: documentation, "Troubleshoot quota and limit errors".
const (
	rateMessage = "Exceeded rate limits: too many table update operations for this table. For more information, see " +
		"https://cloud.google.com/bigquery/docs/troubleshoot-quotas"
	quotaMessage = "Quota exceeded: Your table exceeded quota for Number of partition modifications to a column " +
		"partitioned table. For more information, see https://cloud.google.com/bigquery/docs/troubleshoot-quotas"
)

// modify counts one modification of a partitioned table, or refuses it. Source: documentation, "Quotas and limits",
// partitioned tables.
func (s *Server) modify(t *table) error {
	if !t.partitioned() {
		return nil
	}
	now := s.options.Now()
	t.changes = slices.DeleteFunc(t.changes, func(at time.Time) bool { return now.Sub(at) >= 10*time.Second })
	if day := now.UTC().Format(time.DateOnly); day != t.day {
		t.day, t.changedToday = day, 0
	}
	if t.changedToday >= s.options.ModificationsPerDay {
		return &apiError{code: http.StatusForbidden, reason: "quotaExceeded", message: quotaMessage, location: "table.write"}
	}
	if len(t.changes) >= s.options.ModificationsPer10s {
		return &apiError{code: http.StatusForbidden, reason: "rateLimitExceeded", message: rateMessage,
			location: "table.write"}
	}
	t.changes = append(t.changes, now)
	t.changedToday++
	return nil
}

var tablePattern = regexp.MustCompile(`^[\p{L}\p{M}\p{N}\p{Pc}\p{Pd} ]+$`)

func (s *Server) tablesInsert(c *call) (any, error) {
	d, err := s.dataset(c.dataset())
	if err != nil {
		return nil, err
	}
	if err := s.allowed("bigquery.tables.create", c.Project, c.Dataset); err != nil {
		return nil, err
	}
	var in bq.Table
	if err := c.decode(&in, "tableReference", "schema", "timePartitioning", "rangePartitioning", "clustering",
		"requirePartitionFilter", "expirationTime", "labels", "description", "friendlyName"); err != nil {
		return nil, err
	}
	ref := refOf(in.TableReference)
	c.Table = ref.table
	if ref.key() != d.key || !named(tablePattern, ref.table) || ref.partition != "" {
		return nil, invalid("Invalid table ID %q", ref.table)
	}
	if d.tables[ref.table] != nil {
		return nil, refusal(http.StatusConflict, "duplicate", "Already Exists: Table %s", ref)
	}
	t, err := s.newTable(d, ref, &in)
	if err != nil {
		return nil, err
	}
	return t.resource(wholeTable), nil
}

// newTable makes a table. The dataset's default expirations apply: of partitions to partitioned tables, else of the
// table. Source: documentation, "Updating dataset properties", default expirations.
func (s *Server) newTable(d *dataset, ref tableRef, in *bq.Table) (*table, error) {
	now := s.tick()
	t := &table{
		ref: ref.whole(), dataset: d, kind: typeTable, created: now, modified: now, time: in.TimePartitioning,
		ranges: in.RangePartitioning, requireFilter: in.RequirePartitionFilter, expires: in.ExpirationTime, labels: in.Labels,
		description: in.Description, friendly: in.FriendlyName, partitions: map[string]*partition{},
	}
	if in.Schema != nil {
		schema, err := normalise(in.Schema.Fields)
		if err != nil {
			return nil, err
		}
		t.schema = schema
	}
	if t.time != nil && t.time.RequirePartitionFilter {
		t.requireFilter = true
	}
	if in.Clustering != nil {
		t.cluster = in.Clustering.Fields
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	switch {
	case t.time != nil && t.time.ExpirationMs == 0 && d.partitionMS > 0:
		t.time.ExpirationMs = d.partitionMS
	case t.expires == 0 && d.tableMS > 0 && (t.time == nil || d.partitionMS == 0):
		t.expires = now + d.tableMS
	}
	d.tables[ref.table] = t
	return t, nil
}

var columnPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,299}$`)

// normalise checks a schema and gives types and modes the names that the API answers with.
func normalise(fields []*bq.TableFieldSchema) ([]*bq.TableFieldSchema, error) {
	var schema []*bq.TableFieldSchema
	for _, in := range fields {
		f := *in
		switch name, known := typeNames[strings.ToUpper(f.Type)]; {
		case !known:
			return nil, unsupported("column %s of type %s", f.Name, f.Type)
		case !columnPattern.MatchString(f.Name):
			return nil, invalid(
				"Invalid field name %q. Fields must contain only letters, numbers, and underscores, start with a letter or "+
					"underscore, and be at most 300 characters long.", f.Name)
		case field(schema, f.Name) >= 0:
			return nil, invalid("Duplicate field name: %s", f.Name)
		case f.Precision > 0 && (name != "NUMERIC" || f.Scale > 9 || f.Precision-f.Scale > 29 || f.Precision < f.Scale):
			return nil, invalid("Invalid precision and scale of field %s", f.Name)
		default:
			f.Type = name
		}
		switch f.Mode = strings.ToUpper(f.Mode); f.Mode {
		case "":
			f.Mode = modeNullable
		case modeNullable, modeRequired, modeRepeated:
		default:
			return nil, invalid("Invalid mode %s of field %s", f.Mode, f.Name)
		}
		if f.DefaultValueExpression != "" || f.PolicyTags != nil || f.Collation != "" || f.MaxLength > 0 {
			return nil, unsupported("an option of column %s", f.Name)
		}
		schema = append(schema, &f)
	}
	return schema, nil
}

// check refuses partitioning and clustering that the schema does not carry. Sources: documentation, "Creating
// partitioned tables" and "Creating clustered tables", limitations.
func (t *table) check() error {
	column := func(name string) *bq.TableFieldSchema {
		if i := field(t.schema, name); i >= 0 {
			return t.schema[i]
		}
		return nil
	}
	if t.time != nil && t.ranges != nil {
		return invalid("Only one of timePartitioning and rangePartitioning can be set")
	}
	if t.time != nil {
		if decorators[t.time.Type] == "" {
			return invalid("Invalid time partitioning type %q", t.time.Type)
		}
		if name := t.time.Field; name != "" {
			f := column(name)
			switch {
			case f == nil:
				return invalid("The field specified for partitioning cannot be found in the schema: %s", name)
			case f.Type != "DATE" && f.Type != "TIMESTAMP" || f.Mode == modeRepeated ||
				f.Type == "DATE" && t.time.Type == "HOUR":
				return invalid(
					"The field specified for time partitioning can only be of type TIMESTAMP, DATE or DATETIME. "+
						"The type found is: %s.", f.Type)
			}
		}
	}
	if t.ranges != nil {
		f := column(t.ranges.Field)
		if f == nil || f.Type != "INTEGER" || t.ranges.Range == nil || t.ranges.Range.Interval <= 0 ||
			t.ranges.Range.Start >= t.ranges.Range.End {
			return invalid("Invalid range partitioning on %q", t.ranges.Field)
		}
	}
	if t.requireFilter && !t.partitioned() {
		return invalid("require_partition_filter cannot be set on a table that is not partitioned")
	}
	if len(t.cluster) > 4 {
		return invalid("Too many clustering fields: the maximum is 4")
	}
	for _, name := range t.cluster {
		if f := column(name); f == nil || f.Mode == modeRepeated || f.Type == "FLOAT" {
			return invalid("Invalid field %s for clustering", name)
		}
	}
	return nil
}

func (t *table) etag() string { return fmt.Sprintf("%d", t.modified) }

// resource describes the table or, given its id, one partition of it: its rows, bytes and time of last change.
func (t *table) resource(id string) *bq.Table {
	ref := t.ref
	ref.partition = id
	modified, rows := t.modified, t.rows(id, false)
	if p := t.partitions[id]; id != wholeTable && p != nil {
		modified = p.modified
	}
	out := &bq.Table{
		Kind: "bigquery#table", Etag: t.etag(), Id: ref.String(), TableReference: ref.resource(), Type: t.kind,
		Schema: &bq.TableSchema{Fields: t.schema}, TimePartitioning: t.time, RangePartitioning: t.ranges,
		RequirePartitionFilter: t.requireFilter, ExpirationTime: t.expires, Labels: t.labels, Description: t.description,
		FriendlyName: t.friendly, Location: t.dataset.location, CreationTime: t.created, LastModifiedTime: uint64(modified),
		CloneDefinition: t.clone, SnapshotDefinition: t.snapshot,
		NumRows: uint64(len(rows)), NumBytes: t.bytes(rows, nil), ForceSendFields: []string{"NumRows", "NumBytes"},
	}
	if len(t.cluster) > 0 {
		out.Clustering = &bq.Clustering{Fields: t.cluster}
	}
	if len(t.streamed) > 0 {
		out.StreamingBuffer = &bq.Streamingbuffer{
			EstimatedRows: uint64(len(t.streamed)), EstimatedBytes: uint64(t.bytes(t.streamed, nil)),
			OldestEntryTime: uint64(t.streamedSince.UnixMilli()),
		}
	}
	return out
}

// bytes is the logical size of rows, of the named columns only unless columns is nil.
func (t *table) bytes(rows []row, columns []string) (n int64) {
	for i, f := range t.schema {
		if columns != nil &&
			!slices.ContainsFunc(columns, func(name string) bool { return strings.EqualFold(name, f.Name) }) {
			continue
		}
		for _, r := range rows {
			n += size(f, r.cell(i, f))
		}
	}
	return n
}

// found is the table and partition that a call names. A partition without rows that never was there is not found unless
// Options.AbsentPartitionIsEmpty.
func (s *Server) found(c *call, permission string) (*table, error) {
	ref := c.ref()
	if err := s.allowed(permission, ref.project, ref.dataset, ref.table); err != nil {
		return nil, err
	}
	t, err := s.table(ref)
	if err != nil {
		return nil, err
	}
	if err := t.checkPartition(ref); err != nil {
		return nil, err
	}
	if ref.partition != "" && t.partitions[ref.partition] == nil && !s.options.AbsentPartitionIsEmpty {
		return nil, notFound("Table %s", ref)
	}
	return t, nil
}

func (s *Server) tablesGet(c *call) (any, error) {
	t, err := s.found(c, "bigquery.tables.get")
	if err != nil {
		return nil, err
	}
	out := t.resource(c.Partition)
	if c.query.Get("view") == "BASIC" {
		out.NumRows, out.NumBytes, out.ForceSendFields = 0, 0, nil
	}
	return out, nil
}

func (s *Server) tablesList(c *call) (any, error) {
	d, err := s.dataset(c.dataset())
	if err != nil {
		return nil, err
	}
	if err := s.allowed("bigquery.tables.list", c.Project, c.Dataset); err != nil {
		return nil, err
	}
	list := &bq.TableList{Kind: "bigquery#tableList", Tables: []*bq.TableListTables{}, TotalItems: int64(len(d.tables))}
	for _, name := range slices.Sorted(maps.Keys(d.tables)) {
		t := d.tables[name]
		list.Tables = append(list.Tables, &bq.TableListTables{
			Kind: "bigquery#table", Id: t.ref.String(), TableReference: t.ref.resource(), Type: t.kind, CreationTime: t.created,
			ExpirationTime: t.expires, TimePartitioning: t.time, RangePartitioning: t.ranges, Labels: t.labels,
		})
	}
	return list, nil
}

func (s *Server) tablesDelete(c *call) (any, error) {
	t, err := s.found(c, "bigquery.tables.delete")
	if err != nil {
		return nil, err
	}
	if c.Partition == "" {
		delete(t.dataset.tables, c.Table)
		return nil, nil
	}
	if t.kind == typeSnapshot {
		return nil, invalid("Cannot delete a partition of table snapshot %s", t.ref)
	}
	if err := s.modify(t); err != nil {
		return nil, err
	}
	delete(t.partitions, c.Partition)
	t.modified = s.tick()
	return nil, nil
}

func (s *Server) tablesPatch(c *call) (any, error) {
	ref := c.ref()
	if ref.partition != "" {
		return nil, unsupported("tables.patch of a partition")
	}
	t, err := s.found(c, "bigquery.tables.update")
	if err != nil {
		return nil, err
	}
	if err := c.ifMatch(t.etag()); err != nil {
		return nil, err
	}
	var in bq.Table
	if err := c.decode(&in, "schema", "timePartitioning", "clustering", "requirePartitionFilter",
		"expirationTime", "labels",
		"description", "friendlyName", "tableReference", "etag"); err != nil {
		return nil, err
	}
	changed := *t
	if c.sent("schema") && in.Schema != nil {
		if changed.schema, err = s.widen(t, in.Schema.Fields); err != nil {
			return nil, err
		}
	}
	if c.sent("timePartitioning") {
		if changed.time, err = changed.repartition(in.TimePartitioning); err != nil {
			return nil, err
		}
		changed.requireFilter = changed.requireFilter || in.TimePartitioning.RequirePartitionFilter
	}
	if c.sent("clustering") {
		changed.cluster = nil
		if in.Clustering != nil {
			changed.cluster = in.Clustering.Fields
		}
	}
	if c.sent("requirePartitionFilter") {
		changed.requireFilter = in.RequirePartitionFilter
	}
	if c.sent("expirationTime") {
		changed.expires = in.ExpirationTime
	}
	if c.sent("labels") {
		if changed.labels, err = mergeLabels(t.labels, c.raw["labels"]); err != nil {
			return nil, err
		}
	}
	if c.sent("description") {
		changed.description = in.Description
	}
	if c.sent("friendlyName") {
		changed.friendly = in.FriendlyName
	}
	if err := changed.check(); err != nil {
		return nil, err
	}
	if err := s.modify(t); err != nil {
		return nil, err
	}
	changed.changes, changed.day, changed.changedToday = t.changes, t.day, t.changedToday
	changed.modified = s.tick()
	*t = changed
	return t.resource(wholeTable), nil
}

// repartition takes a change of partition expiration and refuses any other. Source: documentation, "Managing
// partitioned tables": the partitioning of a table cannot be changed.
func (t *table) repartition(in *bq.TimePartitioning) (*bq.TimePartitioning, error) {
	if t.time == nil || in == nil || in.Field != t.time.Field || in.Type != "" && in.Type != t.time.Type {
		return nil, invalid("Cannot change partitioning/clustering spec for a partitioned/clustered table.")
	}
	changed := *t.time
	changed.ExpirationMs = in.ExpirationMs
	return &changed, nil
}

// mismatch is the refusal of a schema that is not the table's. Source of the wording: documentation, "Troubleshoot
// loading data", and errors quoted in public issues of the client libraries.
func mismatch(t *table, format string, args ...any) *apiError {
	return invalid("Provided Schema does not match Table %s. %s", t.ref, fmt.Sprintf(format, args...))
}

// widen takes the schema of a patch: all columns of the table, of the same type, and new columns after them. Source:
// documentation, "Modifying table schemas".
func (s *Server) widen(t *table, fields []*bq.TableFieldSchema) ([]*bq.TableFieldSchema, error) {
	wider, err := normalise(fields)
	if err != nil {
		return nil, err
	}
	for i, old := range t.schema {
		j := field(wider, old.Name)
		if j < 0 {
			return nil, mismatch(t, "Field %s is missing in new schema", old.Name)
		}
		if err := same(t, old, wider[j]); err != nil {
			return nil, err
		}
		if j != i {
			return nil, unsupported("another order of columns")
		}
	}
	for _, f := range wider[len(t.schema):] {
		if f.Mode == modeRequired {
			return nil, mismatch(t, "Cannot add required fields to an existing schema. (field: %s)", f.Name)
		}
	}
	return wider, nil
}

// same refuses another type, or a mode that takes fewer values.
func same(t *table, old, now *bq.TableFieldSchema) error {
	switch {
	case typeText(old) != typeText(now):
		return mismatch(t, "Field %s has changed type from %s to %s", old.Name, typeText(old), typeText(now))
	case old.Mode != now.Mode && (old.Mode != modeRequired || now.Mode != modeNullable):
		return mismatch(t, "Field %s has changed mode from %s to %s", old.Name, old.Mode, now.Mode)
	}
	return nil
}
