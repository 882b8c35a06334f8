package bigqueryfake

import (
	"net/http"
	"time"

	bq "google.golang.org/api/bigquery/v2"
)

// planCopy refuses what the service refuses before it takes a copy job.
func (s *Server) planCopy(j *job) error {
	cfg := j.config.Copy
	to := refOf(cfg.DestinationTable)
	if _, err := s.located(j, to.key()); err != nil {
		return err
	}
	var sources []tableRef
	for _, source := range cfg.SourceTables {
		sources = append(sources, refOf(source))
	}
	if cfg.SourceTable != nil {
		sources = append(sources, refOf(cfg.SourceTable))
	}
	if len(sources) == 0 {
		return invalid("Required parameter is missing: sourceTables")
	}
	for _, from := range sources {
		if _, err := s.located(j, from.key()); err != nil {
			return err
		}
		if err := s.allowed("bigquery.tables.getData", from.project, from.dataset, from.table); err != nil {
			return err
		}
	}
	if err := s.allowed("bigquery.tables.updateData", to.project, to.dataset, to.table); err != nil {
		return err
	}
	if err := checkDispositions(cfg.CreateDisposition, cfg.WriteDisposition); err != nil {
		return err
	}
	switch cfg.OperationType {
	case "", "OPERATION_TYPE_UNSPECIFIED", "COPY":
		if cfg.DestinationExpirationTime != "" {
			return unsupported("destinationExpirationTime of a plain copy")
		}
		j.run = func(*job) error { return s.copy(cfg, sources, to) }
	case operationClone, typeSnapshot, "RESTORE":
		if len(sources) > 1 || sources[0].partition != "" || to.partition != "" {
			return invalid("%s takes one whole table", cfg.OperationType)
		}
		j.run = func(*job) error { return s.clone(cfg, sources[0], to) }
	default:
		return invalid("Invalid value for operationType: %s", cfg.OperationType)
	}
	return nil
}

// source finds a table or partition that is copied. Source: documentation, "Managing partitioned table data", copy
// partitions; and "Using row-level security with other BigQuery features", copy jobs.
func (s *Server) source(from tableRef) (*table, error) {
	t, err := s.table(from)
	if err != nil {
		return nil, err
	}
	if err := t.checkPartition(from); err != nil {
		return nil, err
	}
	if from.partition != "" && t.partitions[from.partition] == nil {
		return nil, notFound("Table %s", from)
	}
	if t.rowPolicy {
		return nil, accessDenied("bigquery.rowAccessPolicies.getFilteredData", from.project, from.dataset, from.table)
	}
	return t, nil
}

// copy is the work of a plain copy job. Rows in a streaming buffer are not copied (documentation, "Managing tables",
// copy).
func (s *Server) copy(cfg *bq.JobConfigurationTableCopy, sources []tableRef, to tableRef) (err error) {
	var rows []row
	var first *table
	for _, ref := range sources {
		from, err := s.source(ref)
		if err != nil {
			return err
		}
		if first == nil {
			first = from
		}
		if err := alike(first, from); err != nil {
			return err
		}
		rows = append(rows, from.rows(ref.partition, false)...)
	}
	t, undo, err := s.destination(to, cfg.CreateDisposition, func(d *dataset) (*table, error) {
		return s.newTable(d, to, first.definition())
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			undo()
		}
	}()
	if err := s.modify(t); err != nil {
		return err
	}
	disposition := cfg.WriteDisposition
	if disposition == "" {
		disposition = "WRITE_EMPTY"
	}
	if disposition != "WRITE_TRUNCATE" || to.partition != "" {
		if err := alike(t, first); err != nil {
			return err
		}
	}
	return s.write(t, to.partition, disposition, first.schema, rows)
}

// definition is what a copy of the table begins with.
func (t *table) definition() *bq.Table {
	out := &bq.Table{
		Schema: &bq.TableSchema{Fields: t.schema}, RangePartitioning: t.ranges, RequirePartitionFilter: t.requireFilter,
		Clustering: &bq.Clustering{Fields: t.cluster}, Description: t.description,
	}
	if t.time != nil {
		p := *t.time
		out.TimePartitioning = &p
	}
	return out
}

// alike refuses tables whose rows do not fit each other column by column.
func alike(t, other *table) error {
	if len(t.schema) != len(other.schema) {
		return mismatch(t, "It has %d fields and %s has %d", len(t.schema), other.ref, len(other.schema))
	}
	for i, f := range t.schema {
		if g := other.schema[i]; g.Name != f.Name {
			return mismatch(t, "Field %s is missing in new schema", f.Name)
		} else if err := same(t, f, g); err != nil {
			return err
		}
	}
	return nil
}

// clone is the work of a job that clones, snapshots or restores a table. The new table has the rows of one moment and a
// life of its own. Sources: documentation, "Introduction to table clones" and "Introduction to table snapshots".
func (s *Server) clone(cfg *bq.JobConfigurationTableCopy, from, to tableRef) error {
	base, err := s.source(from)
	if err != nil {
		return err
	}
	if cfg.OperationType != "RESTORE" && base.kind == typeSnapshot ||
		cfg.OperationType == "RESTORE" && base.kind != typeSnapshot {
		return invalid("%s does not take the %s %s", cfg.OperationType, base.kind, base.ref)
	}
	d, err := s.dataset(to.key())
	if err != nil {
		return err
	}
	if cfg.WriteDisposition != "" && cfg.WriteDisposition != "WRITE_EMPTY" {
		return unsupported("%s of a %s", cfg.WriteDisposition, cfg.OperationType)
	}
	if d.tables[to.table] != nil {
		return refusal(http.StatusConflict, "duplicate", "Already Exists: Table %s", to)
	}
	if err := s.allowed("bigquery.tables.create", to.project, to.dataset); err != nil {
		return err
	}
	definition := base.definition()
	if cfg.DestinationExpirationTime != "" {
		at, err := time.Parse(time.RFC3339, cfg.DestinationExpirationTime)
		if err != nil || !at.After(s.options.Now()) {
			return invalid("Invalid value for destinationExpirationTime: %s", cfg.DestinationExpirationTime)
		}
		definition.ExpirationTime = at.UnixMilli()
	}
	t, err := s.newTable(d, to, definition)
	if err != nil {
		return err
	}
	moment := time.UnixMilli(t.created).UTC().Format(time.RFC3339Nano)
	switch cfg.OperationType {
	case typeSnapshot:
		t.kind = typeSnapshot
		t.snapshot = &bq.SnapshotDefinition{BaseTableReference: base.ref.resource(), SnapshotTime: moment}
	case operationClone:
		t.clone = &bq.CloneDefinition{BaseTableReference: base.ref.resource(), CloneTime: moment}
	}
	for id, p := range base.partitions {
		t.set(id, p.rows, t.created)
	}
	return nil
}
