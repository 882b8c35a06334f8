package bigqueryfake

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	bq "google.golang.org/api/bigquery/v2"
)

// planLoad refuses what the service refuses before it takes a load job.
func (s *Server) planLoad(c *call, j *job) error {
	cfg := j.config.Load
	ref := refOf(cfg.DestinationTable)
	if _, err := s.located(j, ref.key()); err != nil {
		return err
	}
	if err := s.allowed("bigquery.tables.updateData", ref.project, ref.dataset, ref.table); err != nil {
		return err
	}
	if cfg.SourceFormat != "NEWLINE_DELIMITED_JSON" {
		return unsupported("source format %q", cfg.SourceFormat)
	}
	if c.media == nil {
		return invalid("Load configuration must specify at least one source URI")
	}
	if err := checkDispositions(cfg.CreateDisposition, cfg.WriteDisposition); err != nil {
		return err
	}
	content := c.media
	j.run = func(j *job) error { return s.load(j, ref, content) }
	return nil
}

func checkDispositions(create, write string) error {
	if !slices.Contains([]string{"", "CREATE_IF_NEEDED", "CREATE_NEVER"}, create) {
		return invalid("Invalid value for createDisposition: %s", create)
	}
	if write == "WRITE_TRUNCATE_DATA" {
		return unsupported("%s", write)
	}
	if !slices.Contains([]string{"", "WRITE_TRUNCATE", "WRITE_APPEND", "WRITE_EMPTY"}, write) {
		return invalid("Invalid value for writeDisposition: %s", write)
	}
	return nil
}

// load is the work of a load job.
func (s *Server) load(j *job, ref tableRef, content []byte) (err error) {
	cfg := j.config.Load
	t, undo, err := s.destination(ref, cfg.CreateDisposition, func(d *dataset) (*table, error) {
		if cfg.Schema == nil {
			return nil, invalid("No schema specified on job or table.")
		}
		return s.newTable(d, ref,
			&bq.Table{Schema: cfg.Schema, TimePartitioning: cfg.TimePartitioning, Clustering: cfg.Clustering})
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
		disposition = "WRITE_APPEND"
	}
	schema, err := t.loadSchema(cfg, ref, disposition)
	if err != nil {
		return err
	}
	text, err := plain(content)
	if err != nil {
		return invalid("Error while reading data, error message: %v", err)
	}
	rows, failures := parseRows(schema, text)
	if len(failures) > 0 {
		// Where the messages stand is from public issues of the client libraries: the reason is in the list only.
		return &detailed{
			invalid("Error while reading data, error message: JSON table encountered too many errors, giving up. Rows: %d; "+
				"errors: %d. Please look into the errors[] collection for more details.",
				len(rows)+len(failures), len(failures)), failures}
	}
	if err := s.write(t, ref.partition, disposition, schema, rows); err != nil {
		return err
	}
	j.load = &bq.JobStatistics3{
		InputFiles: 1, InputFileBytes: int64(len(content)), OutputRows: int64(len(rows)), OutputBytes: t.bytes(rows, nil),
		ForceSendFields: []string{"OutputRows", "OutputBytes", "BadRecords"},
	}
	return nil
}

// destination finds the table that a job writes to or, where the job may, makes it; undo takes it away again.
func (s *Server) destination(ref tableRef, create string,
	make func(*dataset) (*table, error)) (t *table, undo func(), err error) {
	d, err := s.dataset(ref.key())
	if err != nil {
		return nil, nil, err
	}
	undo = func() {}
	if t = d.tables[ref.table]; t == nil {
		if create == "CREATE_NEVER" {
			return nil, nil, notFound("Table %s", ref.whole())
		}
		if err := s.allowed("bigquery.tables.create", ref.project, ref.dataset); err != nil {
			return nil, nil, err
		}
		if t, err = make(d); err != nil {
			return nil, nil, err
		}
		undo = func() { delete(d.tables, ref.table) }
	}
	if t.kind == typeSnapshot {
		return nil, nil, invalid("%s is a table snapshot, which is read-only", t.ref)
	}
	if err := t.checkPartition(ref); err != nil {
		undo()
		return nil, nil, err
	}
	return t, undo, nil
}

// loadSchema is the schema of the rows of a load job: the table's own, or the job's where that fits the table. A job
// that overwrites a whole table brings the table's new schema. Source: documentation, JobConfigurationLoad,
// schemaUpdateOptions.
func (t *table) loadSchema(cfg *bq.JobConfigurationLoad, ref tableRef,
	disposition string) ([]*bq.TableFieldSchema, error) {
	if p := cfg.TimePartitioning; p != nil && (t.time == nil || p.Type != t.time.Type || p.Field != t.time.Field) {
		return nil, invalid(
			"Incompatible table partitioning specification. Destination table exists with another partitioning specification " +
				"than the job's.")
	}
	if cfg.Schema == nil {
		return t.schema, nil
	}
	given, err := normalise(cfg.Schema.Fields)
	if err != nil {
		return nil, err
	}
	if disposition == "WRITE_TRUNCATE" && ref.partition == "" {
		return given, nil
	}
	for _, f := range given {
		i := field(t.schema, f.Name)
		if i < 0 {
			return nil, mismatch(t, "Cannot add fields (field: %s)", f.Name)
		}
		if err := same(t, t.schema[i], f); err != nil {
			return nil, err
		}
		if f.Mode != t.schema[i].Mode {
			return nil, mismatch(t, "Field %s has changed mode from %s to %s", f.Name, t.schema[i].Mode, f.Mode)
		}
	}
	for _, f := range t.schema {
		if f.Mode == modeRequired && field(given, f.Name) < 0 {
			return nil, mismatch(t, "Field %s is missing in new schema", f.Name)
		}
	}
	return given, nil
}

// plain is content without gzip.
func plain(content []byte) ([]byte, error) {
	if !bytes.HasPrefix(content, []byte{0x1f, 0x8b}) {
		return content, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// parseRows reads newline delimited JSON. Rows that do not fit are in failures, by the position of their first byte.
func parseRows(schema []*bq.TableFieldSchema, text []byte) (rows []row, failures []*bq.ErrorProto) {
	position := 0
	for line := range bytes.Lines(text) {
		if content := bytes.TrimSpace(line); len(content) > 0 {
			r, err := parseRow(schema, content)
			if err != nil {
				failures = append(failures, &bq.ErrorProto{
					Reason: "invalid",
					Message: fmt.Sprintf(
						"Error while reading data, error message: JSON parsing error in row starting at position %d: %v", position, err),
				})
			} else {
				rows = append(rows, r)
			}
		}
		position += len(line)
	}
	return rows, failures
}

func parseRow(schema []*bq.TableFieldSchema, line []byte) (row, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(line, &values); err != nil {
		return nil, badRow("Parser terminated before end of string")
	}
	r := make(row, len(schema))
	filled := make([]bool, len(schema))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := field(schema, name)
		if i < 0 {
			return nil, badRow("No such field: %s.", name)
		}
		v, err := parse(schema[i], values[name])
		if err != nil {
			return nil, err
		}
		r[i], filled[i] = v, true
	}
	for i, f := range schema {
		if f.Mode == modeRequired && !filled[i] {
			return nil, badRow("Missing required field: %s.", f.Name)
		}
	}
	return r, nil
}

// write puts rows of a schema into a table, or into one partition of it, all or none. With WRITE_TRUNCATE of a whole
// table the schema becomes the table's.
func (s *Server) write(t *table, id, disposition string, schema []*bq.TableFieldSchema, rows []row) error {
	if disposition != "WRITE_TRUNCATE" || id != "" {
		rows = arrange(rows, schema, t.schema)
	}
	if id != "" && t.partitionColumn() != "" {
		for _, r := range rows {
			if t.partitionOf(r, s.options.Now()) != id {
				return invalid("Some rows belong to different partitions rather than destination partition %s", id)
			}
		}
	}
	switch {
	case disposition == "WRITE_EMPTY" && len(t.rows(id, true)) > 0:
		return refusal(http.StatusConflict, "duplicate", "Already Exists: Table %s",
			tableRef{t.ref.project, t.ref.dataset, t.ref.table, id})
	case disposition == "WRITE_TRUNCATE" && id == "":
		changed := *t
		changed.schema = schema
		if err := changed.check(); err != nil {
			return err
		}
		t.schema, t.partitions, t.modified = schema, map[string]*partition{}, s.tick()
	case disposition == "WRITE_TRUNCATE":
		t.set(id, rows, s.tick())
		return nil
	}
	if id == "" {
		s.add(t, rows)
	} else {
		t.set(id, append(slices.Clone(t.rows(id, false)), rows...), s.tick())
	}
	return nil
}

// arrange puts the values of rows in the order of another schema, which has all columns of theirs.
func arrange(rows []row, from, to []*bq.TableFieldSchema) []row {
	arranged := make([]row, len(rows))
	for n, r := range rows {
		arranged[n] = make(row, len(to))
		for i, f := range from {
			arranged[n][field(to, f.Name)] = r.cell(i, f)
		}
	}
	return arranged
}

// add appends rows to the partitions they belong to.
func (s *Server) add(t *table, rows []row) {
	now, at := s.tick(), s.options.Now()
	parts := map[string][]row{}
	for _, r := range rows {
		id := t.partitionOf(r, at)
		parts[id] = append(parts[id], r)
	}
	for id, part := range parts {
		var old []row
		if p := t.partitions[id]; p != nil {
			old = p.rows
		}
		t.set(id, append(slices.Clone(old), part...), now)
	}
}
