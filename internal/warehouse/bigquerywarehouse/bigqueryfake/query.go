package bigqueryfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	bq "google.golang.org/api/bigquery/v2"

	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

func invalidQuery(format string, args ...any) *apiError {
	return refusal(http.StatusBadRequest, "invalidQuery", format, args...)
}

// result is what a statement returns.
type result struct {
	fields []*bq.TableFieldSchema
	rows   []row
	bytes  int64 // read from tables
	tables []tableRef
	kind   string // SELECT or SCRIPT
}

// execution is one run of a statement.
type execution struct {
	statement.Statement
	job    *job
	params map[string]string
	dry    bool // changes nothing
}

// statements are what the fake executes; whatever else is asked is refused.
var statements = map[statement.Name]struct {
	params map[string]string // types by name
	run    func(*Server, *execution) (*result, error)
}{
	statement.PartitionTokens: {map[string]string{"table": "STRING", "from": "STRING", "to": "STRING"},
		(*Server).partitionTokens},
	statement.ReadRange:   {dates, (*Server).readRows},
	statement.ReadTable:   {nil, (*Server).readRows},
	statement.CountGroups: {dates, (*Server).countGroups},
	statement.Occupy:      {nil, (*Server).occupy},
	statement.LoadRows:    {dates, (*Server).loadRows},
}

var dates = map[string]string{"from": "DATE", "to": "DATE"}

// planQuery refuses what the service refuses before it takes a query job.
func (s *Server) planQuery(j *job) error {
	cfg := j.config.Query
	if cfg.UseLegacySql == nil || *cfg.UseLegacySql {
		return unsupported("legacy SQL")
	}
	if cfg.DestinationTable != nil {
		return unsupported("configuration.query.destinationTable")
	}
	st, err := statement.Parse(cfg.Query)
	if err != nil {
		return invalidQuery("Syntax error: %v", err)
	}
	known, ok := statements[st.Name]
	if !ok {
		return invalidQuery("Syntax error: statement %s is unsupported by the fake", st.Name)
	}
	wanted := known.params
	if st.Partition == "" && st.Name != statement.PartitionTokens {
		wanted = nil
	}
	params, err := parameters(cfg.QueryParameters, wanted)
	if err != nil {
		return err
	}
	if st.Name == statement.PartitionTokens {
		st.Table.Name = params["table"]
	}
	for _, t := range []statement.Table{st.Table, st.Staging} {
		if t == (statement.Table{}) {
			continue
		}
		if _, err := s.located(j, datasetKey{t.Project, t.Dataset}); err != nil {
			return err
		}
		permission := "bigquery.tables.getData"
		if st.Name == statement.PartitionTokens {
			permission = "bigquery.tables.get"
		}
		if err := s.allowed(permission, t.Project, t.Dataset, t.Name); err != nil {
			return err
		}
	}
	if st.Name == statement.LoadRows {
		if err := s.allowed("bigquery.tables.updateData", st.Table.Project, st.Table.Dataset, st.Table.Name); err != nil {
			return err
		}
	}
	j.run = func(j *job) error {
		r, err := known.run(s, &execution{st, j, params, j.config.DryRun})
		if err != nil {
			return err
		}
		billed := billedBytes(r)
		j.fields, j.rows = r.fields, r.rows
		j.query = &bq.JobStatistics2{
			StatementType: r.kind, TotalBytesProcessed: r.bytes, TotalBytesBilled: billed,
			TotalBytesProcessedAccuracy: "PRECISE",
			Schema:                      &bq.TableSchema{Fields: r.fields},
		}
		for _, ref := range r.tables {
			j.query.ReferencedTables = append(j.query.ReferencedTables, ref.resource())
		}
		return nil
	}
	return nil
}

const mebi = 1 << 20

// billedBytes is what a query costs: whole MiB, at least 10 MiB a table. Source: documentation, "Pricing", on-demand
// compute.
func billedBytes(r *result) int64 {
	return max((r.bytes+mebi-1)/mebi*mebi, int64(10*len(r.tables))*mebi)
}

// affordable refuses a query that costs more than it may. Source: documentation, "Estimate and control costs", maximum
// bytes billed.
func (e *execution) affordable(r *result) error {
	if limit := e.job.config.Query.MaximumBytesBilled; limit > 0 && billedBytes(r) > limit {
		return refusal(http.StatusBadRequest, "bytesBilledLimitExceeded",
			"Query exceeded limit for bytes billed: %d. %d or higher required.", limit, billedBytes(r))
	}
	return nil
}

// parameters reads the named parameters of a query and refuses others than those wanted.
func parameters(given []*bq.QueryParameter, wanted map[string]string) (map[string]string, error) {
	params := map[string]string{}
	for _, p := range given {
		if p.Name == "" || p.ParameterType == nil || p.ParameterValue == nil || p.ParameterType.ArrayType != nil {
			return nil, unsupported("a query parameter without name or of another type than a scalar")
		}
		kind, ok := wanted[p.Name]
		if !ok {
			return nil, unsupported("query parameter %s, which the statement does not use", p.Name)
		}
		if p.ParameterType.Type != kind {
			return nil, invalidQuery("No matching signature for operator BETWEEN for argument types: %s, %s", kind,
				p.ParameterType.Type)
		}
		params[p.Name] = p.ParameterValue.Value
		if kind == "DATE" && !datePattern.MatchString(p.ParameterValue.Value) {
			return nil, invalidQuery("Could not cast literal %q to type DATE", p.ParameterValue.Value)
		}
	}
	for name := range wanted {
		if _, ok := params[name]; !ok {
			return nil, invalidQuery("Query parameter '%s' not found", name)
		}
	}
	return params, nil
}

func column(name, kind string) *bq.TableFieldSchema {
	return &bq.TableFieldSchema{Name: name, Type: kind, Mode: modeNullable}
}

func (s *Server) occupy(e *execution) (*result, error) {
	return &result{fields: []*bq.TableFieldSchema{column("occupied", "INTEGER")}, rows: []row{{"1"}}, kind: "SELECT"}, nil
}

// partitionTokens lists partitions as INFORMATION_SCHEMA.PARTITIONS does: a table that is not there has none.
func (s *Server) partitionTokens(e *execution) (*result, error) {
	r := &result{
		fields: []*bq.TableFieldSchema{column("partition_id", "STRING"), column("total_rows", "INTEGER"),
			column("modified_millis", "INTEGER")},
		kind: "SELECT",
	}
	ref := refOfSQL(e.Table)
	r.tables = []tableRef{{ref.project, ref.dataset, "INFORMATION_SCHEMA.PARTITIONS", ""}}
	r.bytes = 10 * mebi // the least that a query of INFORMATION_SCHEMA costs (documentation, its introduction, pricing)
	if err := e.affordable(r); err != nil {
		return nil, err
	}
	t := s.datasets[ref.key()].tables[ref.table]
	if t == nil {
		return r, nil
	}
	add := func(id string, rows int, modified int64) {
		r.rows = append(r.rows, row{id, strconv.Itoa(rows), strconv.FormatInt(modified, 10)})
	}
	for id, p := range t.partitions {
		if id >= e.params["from"] && id <= e.params["to"] {
			add(id, len(p.rows), p.modified)
		}
	}
	if len(t.streamed) > 0 {
		add(unpartitioned, len(t.streamed), t.streamedSince.UnixMilli())
	}
	slices.SortFunc(r.rows, func(a, b row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return r, nil
}

func refOfSQL(t statement.Table) tableRef { return tableRef{t.Project, t.Dataset, t.Name, ""} }

// scan is the table of a statement and the rows whose partition column is within the parameters, or all rows without
// one. It counts the bytes of the columns in the partitions that it reads.
func (s *Server) scan(e *execution, columns []string) (*table, []row, *result, error) {
	ref := refOfSQL(e.Table)
	t, err := s.table(ref)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, name := range columns {
		if field(t.schema, name) < 0 {
			return nil, nil, nil, invalidQuery("Unrecognized name: %s", name)
		}
	}
	if t.requireFilter && (e.Partition == "" || !strings.EqualFold(e.Partition, t.partitionColumn())) {
		return nil, nil, nil, invalidQuery(
			"Cannot query over table '%s' without a filter over column(s) '%s' that can be used for partition elimination",
			ref.sql(), t.partitionColumn())
	}
	r := &result{kind: "SELECT", tables: []tableRef{ref}}
	rows, read := t.rows("", true), t.rows("", true)
	if e.Partition != "" {
		i := field(t.schema, e.Partition)
		if i < 0 || t.schema[i].Type != "DATE" {
			return nil, nil, nil, invalidQuery("No matching signature for operator BETWEEN for column %s", e.Partition)
		}
		rows = slices.DeleteFunc(slices.Clone(rows), func(r row) bool {
			date, ok := r.cell(i, t.schema[i]).(string)
			return !ok || date < e.params["from"] || date > e.params["to"]
		})
		if strings.EqualFold(e.Partition, t.partitionColumn()) {
			read = t.within(e.params["from"], e.params["to"])
		}
		columns = append(slices.Clone(columns), e.Partition)
	}
	r.bytes = t.bytes(read, columns)
	if t.rowPolicy {
		rows = nil
	}
	return t, rows, r, e.affordable(r)
}

// within is what a query with a filter on the partition column reads: the partitions that the filter meets, and the
// streaming buffer, whose rows are in none. Source: documentation, "Querying partitioned tables", partition pruning.
func (t *table) within(from, to string) (read []row) {
	id := func(text string) string {
		date, _ := time.Parse(time.DateOnly, text) // a DATE parameter
		return date.Format(decorators[t.time.Type])
	}
	for _, name := range slices.Sorted(maps.Keys(t.partitions)) {
		if name >= id(from) && name <= id(to) {
			read = append(read, t.partitions[name].rows...)
		}
	}
	return append(read, t.streamed...)
}

// readRows executes ReadRange and ReadTable.
func (s *Server) readRows(e *execution) (*result, error) {
	t, rows, r, err := s.scan(e, e.Columns)
	if err != nil {
		return nil, err
	}
	if i := field(t.schema, e.Partition); i >= 0 {
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a[i].(string), b[i].(string)) })
	}
	var columns []int
	for _, name := range e.Columns {
		i := field(t.schema, name)
		f := *t.schema[i]
		if f.Name = name; f.Mode == modeRequired { // results of queries are NULLABLE
			f.Mode = modeNullable
		}
		columns, r.fields = append(columns, i), append(r.fields, &f)
	}
	r.rows = project(t.schema, rows, columns)
	return r, nil
}

// keyOf is one text for the values of columns, which is the same for the same values, NULL included.
func keyOf(schema []*bq.TableFieldSchema, r row, columns []int) string {
	var values []cell
	for _, i := range columns {
		values = append(values, r.cell(i, schema[i]))
	}
	text, err := json.Marshal(values)
	if err != nil { // texts and lists of texts
		panic(err)
	}
	return string(text)
}

func indexes(schema []*bq.TableFieldSchema, names []string) (list []int) {
	for _, name := range names {
		list = append(list, field(schema, name))
	}
	return list
}

func (s *Server) countGroups(e *execution) (*result, error) {
	names := slices.Concat(e.By, e.Keys)
	for _, c := range e.Nulls {
		names = append(names, c.Name)
	}
	t, rows, r, err := s.scan(e, names)
	if err != nil {
		return nil, err
	}
	by, keys := indexes(t.schema, e.By), indexes(t.schema, e.Keys)
	var nulls []int
	for _, c := range e.Nulls {
		i := field(t.schema, c.Name)
		if c.Repeated != (t.schema[i].Mode == modeRepeated) {
			return nil, invalidQuery("No matching signature for column %s of mode %s", c.Name, t.schema[i].Mode)
		}
		nulls = append(nulls, i)
	}
	if e.Partition != "" && !e.Undated {
		by = append([]int{field(t.schema, e.Partition)}, by...)
		r.fields = append(r.fields, column("part", "DATE"))
	}
	for i, c := range indexes(t.schema, e.By) {
		if t.schema[c].Mode == modeRepeated {
			return nil, invalidQuery("Grouping by expressions of type ARRAY is not allowed")
		}
		f := *t.schema[c]
		f.Name, f.Mode = fmt.Sprintf("b%d", i), modeNullable
		r.fields = append(r.fields, &f)
	}
	r.fields = append(r.fields, column("row_count", "INTEGER"), column("key_count", "INTEGER"))
	for i := range nulls {
		r.fields = append(r.fields, column(fmt.Sprintf("z%d", i), "INTEGER"))
	}
	groups := map[string][]row{}
	for _, member := range rows {
		key := keyOf(t.schema, member, by)
		groups[key] = append(groups[key], member)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		members := groups[key]
		var out row
		for _, c := range by {
			out = append(out, members[0].cell(c, t.schema[c]))
		}
		distinct := map[string]bool{}
		for _, member := range members {
			if len(keys) > 0 {
				distinct[keyOf(t.schema, member, keys)] = true
			}
		}
		out = append(out, strconv.Itoa(len(members)), strconv.Itoa(len(distinct)))
		for _, c := range nulls {
			n := 0
			for _, member := range members {
				switch v := member.cell(c, t.schema[c]).(type) {
				case nil:
					n++
				case []string:
					if len(v) == 0 {
						n++
					}
				}
			}
			out = append(out, strconv.Itoa(n))
		}
		r.rows = append(r.rows, out)
	}
	return r, nil
}

// loadRows is the script that replaces rows of a table by those of a staging table in one transaction.
func (s *Server) loadRows(e *execution) (*result, error) {
	staging, err := s.table(refOfSQL(e.Staging))
	if err != nil {
		return nil, err
	}
	t, candidates, r, err := s.scan(e, slices.Concat(e.Columns, e.Replace))
	if err != nil {
		return nil, err
	}
	if err := e.insertable(t, staging); err != nil {
		return nil, err
	}
	switch {
	case t.kind == typeSnapshot:
		return nil, invalidQuery("%s is a table snapshot, which is read-only", t.ref)
	case t.rowPolicy || staging.rowPolicy: // documentation, row-level security: DML needs the TRUE filter
		return nil, accessDenied("bigquery.rowAccessPolicies.getFilteredData", t.ref.project, t.ref.dataset, t.ref.table)
	// documentation, "Data manipulation language", limitations
	case len(t.streamed) > 0 && (e.Whole || len(e.Replace) > 0):
		return nil, invalidQuery(
			"UPDATE or DELETE statement over table %s would affect rows in the streaming buffer, which is not supported",
			t.ref.sql())
	}
	staged := staging.rows("", true)
	r.kind, r.tables = "SCRIPT", append(r.tables, staging.ref)
	r.bytes += staging.bytes(staged, e.Columns)
	if err := e.affordable(r); err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, in := range staged {
		wanted[keyOf(staging.schema, in, indexes(staging.schema, e.Replace))] = true
	}
	doomed := map[*cell]bool{} // by the address of a row's first cell
	for _, c := range candidates {
		if e.Whole || len(e.Replace) > 0 && wanted[keyOf(t.schema, c, indexes(t.schema, e.Replace))] {
			doomed[&c[0]] = true
		}
	}
	r.fields = []*bq.TableFieldSchema{column("removed", "INTEGER"), column("added", "INTEGER")}
	r.rows = []row{{strconv.Itoa(len(doomed)), strconv.Itoa(len(staged))}}
	if e.dry {
		return r, nil
	}
	now := s.tick()
	for id, p := range t.partitions {
		kept := slices.DeleteFunc(slices.Clone(p.rows), func(old row) bool { return doomed[&old[0]] })
		if len(kept) < len(p.rows) {
			t.set(id, kept, now)
		}
	}
	var added []row
	columns := indexes(staging.schema, e.Columns)
	for _, in := range staged {
		out := make(row, len(t.schema))
		for i, name := range e.Columns {
			out[field(t.schema, name)] = in.cell(columns[i], staging.schema[columns[i]])
		}
		added = append(added, out)
	}
	s.add(t, added)
	return r, nil
}

// insertable refuses columns of the staging table that do not fit the table.
func (e *execution) insertable(t, staging *table) error {
	for _, name := range slices.Concat(e.Columns, e.Replace) {
		i, j := field(t.schema, name), field(staging.schema, name)
		if j < 0 {
			return invalidQuery("Unrecognized name: %s", name)
		}
		if a, b := t.schema[i], staging.schema[j]; a.Type != b.Type || (a.Mode == modeRepeated) != (b.Mode == modeRepeated) {
			return invalidQuery("Query column %s has type %s which cannot be inserted into column %s, which has type %s", b.Name,
				b.Type, a.Name, a.Type)
		}
	}
	staged := staging.rows("", true)
	for _, f := range t.schema {
		if f.Mode != modeRequired {
			continue
		}
		j := field(staging.schema, f.Name)
		missing := func(r row) bool { return j < 0 || r.cell(j, staging.schema[j]) == nil }
		filled := slices.ContainsFunc(e.Columns, func(name string) bool { return strings.EqualFold(name, f.Name) })
		if !filled || slices.ContainsFunc(staged, missing) {
			return invalidQuery("Required field %s cannot be null", f.Name)
		}
	}
	return nil
}

// jobsQuery is the fast path: it inserts a query job and brings the first page of its result, or refuses with its
// error.
func (s *Server) jobsQuery(c *call) (any, error) {
	var in bq.QueryRequest
	if err := c.decode(&in, "query", "location", "useLegacySql", "maximumBytesBilled", "requestId", "labels",
		"formatOptions",
		"useQueryCache", "queryParameters", "parameterMode", "timeoutMs", "maxResults", "kind"); err != nil {
		return nil, err
	}
	c.nameStatement(in.Query)
	c.Location, c.Labels = in.Location, in.Labels
	j := s.requests[c.Project+" "+in.RequestId]
	if j == nil || in.RequestId == "" {
		c.insert = &bq.Job{
			JobReference: &bq.JobReference{Location: in.Location},
			Configuration: &bq.JobConfiguration{Labels: in.Labels, Query: &bq.JobConfigurationQuery{
				Query: in.Query, UseLegacySql: in.UseLegacySql, UseQueryCache: in.UseQueryCache,
				MaximumBytesBilled: in.MaximumBytesBilled, QueryParameters: in.QueryParameters, ParameterMode: in.ParameterMode,
			}},
		}
		var err error
		if j, err = s.insert(c); err != nil {
			return nil, err
		}
		s.requests[c.Project+" "+in.RequestId] = j
	}
	c.JobID = j.key.id
	if in.MaxResults > 0 {
		c.query.Set("maxResults", strconv.FormatInt(in.MaxResults, 10))
	}
	if in.FormatOptions != nil && in.FormatOptions.UseInt64Timestamp {
		c.query.Set("formatOptions.useInt64Timestamp", "true")
	}
	p, err := s.resultPage(c, j)
	if err != nil {
		return nil, err
	}
	return &bq.QueryResponse{
		Kind: "bigquery#queryResponse", JobReference: p.JobReference, JobComplete: p.JobComplete, Schema: p.Schema,
		Rows: p.Rows, PageToken: p.PageToken, TotalRows: p.TotalRows, TotalBytesProcessed: p.TotalBytesProcessed,
		Location:        j.key.location,
		ForceSendFields: []string{"JobComplete", "TotalRows"},
	}, nil
}

func (s *Server) jobsGetQueryResults(c *call) (any, error) {
	j, err := s.job(c)
	if err != nil {
		return nil, err
	}
	if j.config.Query == nil {
		return nil, invalid("Cannot get query results for a job that is not a query: %s", j.key)
	}
	return s.resultPage(c, j)
}

func (s *Server) resultPage(c *call, j *job) (*bq.GetQueryResultsResponse, error) {
	r := j.resource()
	out := &bq.GetQueryResultsResponse{
		Kind: "bigquery#getQueryResultsResponse", JobReference: r.JobReference, JobComplete: j.state == done,
		ForceSendFields: []string{"JobComplete"},
	}
	switch {
	case j.state != done:
		return out, nil
	case j.failure != nil:
		return nil, ofJob(j.failure)
	}
	part, token, err := s.cut(c, j.key.String(), j.rows)
	if err != nil {
		return nil, err
	}
	out.Schema, out.Rows, out.PageToken = &bq.TableSchema{Fields: j.fields},
		wireRows(j.fields, part, int64Timestamp(c)), token
	out.TotalRows, out.TotalBytesProcessed = uint64(len(j.rows)), r.Statistics.TotalBytesProcessed
	out.ForceSendFields = append(out.ForceSendFields, "TotalRows")
	return out, nil
}
