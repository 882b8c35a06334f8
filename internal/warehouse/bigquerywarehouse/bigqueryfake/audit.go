package bigqueryfake

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	bq "google.golang.org/api/bigquery/v2"
)

// Kinds of requests. A jobs.insert is of one of the last four; the upload of a load counts as jobs.insert.load when it
// is complete, its steps before that as JobsUpload.
const (
	DatasetsList        = "datasets.list"
	DatasetsInsert      = "datasets.insert"
	DatasetsGet         = "datasets.get"
	DatasetsPatch       = "datasets.patch"
	DatasetsDelete      = "datasets.delete"
	TablesList          = "tables.list"
	TablesInsert        = "tables.insert"
	TablesGet           = "tables.get"
	TablesPatch         = "tables.patch"
	TablesDelete        = "tables.delete"
	TabledataList       = "tabledata.list"
	TabledataInsertAll  = "tabledata.insertAll"
	JobsList            = "jobs.list"
	JobsGet             = "jobs.get"
	JobsCancel          = "jobs.cancel"
	JobsDelete          = "jobs.delete"
	JobsQuery           = "jobs.query"
	JobsGetQueryResults = "jobs.getQueryResults"
	JobsUpload          = "jobs.upload"
	JobsInsert          = "jobs.insert" // of a job the fake cannot read
	JobsInsertLoad      = "jobs.insert.load"
	JobsInsertCopy      = "jobs.insert.copy"
	JobsInsertQuery     = "jobs.insert.query"
	Unknown             = "unknown"
)

// Request is one request as it was answered. Project is the one in the path; for jobs that have a destination,
// TableProject, Dataset, Table and Partition name it. Fields that a kind does not have are empty.
type Request struct {
	Kind             string
	Project          string
	Location         string
	JobID            string
	TableProject     string
	Dataset          string
	Table            string
	Partition        string // the decorator after "$"
	WriteDisposition string
	Labels           map[string]string
	Statement        string // the name of the SQL statement
	Status           int    // HTTP code of the answer; 0 when none arrived whole
}

// Audit returns every request, in the order in which they took effect.
func (s *Server) Audit() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.audit)
}

// truncates reports whether a disposition empties what it writes to.
func truncates(disposition string) bool {
	return disposition == "WRITE_TRUNCATE" || disposition == "WRITE_TRUNCATE_DATA"
}

// Violations names each breach of gamefill's rules for BigQuery: streaming inserts; a query that writes into a table of
// the targets ("project.dataset.table") or into any partitioned table by a destination; a truncating job whose
// destination is a whole table; more than one truncating job that changed a partition under one generation; a job call
// without location. It is nil when there is none.
func (s *Server) Violations(targets ...string) (broken []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.audit {
		report := func(format string, args ...any) {
			broken = append(broken, fmt.Sprintf("request %d, %s %s: ", i+1, r.Kind, r.JobID)+fmt.Sprintf(format, args...))
		}
		ref := tableRef{r.TableProject, r.Dataset, r.Table, r.Partition}
		if r.Kind == TabledataInsertAll {
			report("streaming insert into %s", r.Table)
		}
		if (strings.HasPrefix(r.Kind, "jobs.insert.") || r.Kind == JobsGet || r.Kind == JobsCancel || r.Kind == JobsQuery ||
			r.Kind == JobsGetQueryResults) && r.Location == "" {
			report("without location")
		}
		if truncates(r.WriteDisposition) && r.Partition == "" {
			report("truncates the whole table %s", ref)
		}
		query := r.Kind == JobsInsertQuery || r.Kind == JobsQuery
		if query && (slices.Contains(targets, ref.sql()) || r.WriteDisposition != "" && s.isPartitioned(ref)) {
			report("a query writes into %s", ref)
		}
	}
	return append(broken, s.doubled()...)
}

func (s *Server) isPartitioned(ref tableRef) bool {
	t, err := s.table(ref)
	return err == nil && t.partitioned()
}

// doubled names partitions that several jobs of one generation replaced.
func (s *Server) doubled() (broken []string) {
	ids := map[string][]string{}
	for _, j := range s.order {
		ref, disposition := destination(j.config)
		generation := j.config.Labels["generation"]
		if generation == "" || ref.partition == "" || !truncates(disposition) || j.state != done || j.failure != nil {
			continue
		}
		key := fmt.Sprintf("%s under generation %s of run %q", ref, generation, j.config.Labels["run"])
		ids[key] = append(ids[key], j.key.id)
	}
	for _, key := range slices.Sorted(maps.Keys(ids)) {
		if len(ids[key]) > 1 {
			broken = append(broken,
				fmt.Sprintf("%s was replaced by %d jobs: %s", key, len(ids[key]), strings.Join(ids[key], ", ")))
		}
	}
	return broken
}

// destination is what a job writes to by its configuration, and how.
func destination(c *bq.JobConfiguration) (tableRef, string) {
	switch {
	case c.Load != nil:
		return refOf(c.Load.DestinationTable), c.Load.WriteDisposition
	case c.Copy != nil:
		return refOf(c.Copy.DestinationTable), c.Copy.WriteDisposition
	case c.Query != nil && c.Query.DestinationTable != nil:
		disposition := c.Query.WriteDisposition
		if disposition == "" {
			disposition = "WRITE_EMPTY"
		}
		return refOf(c.Query.DestinationTable), disposition
	}
	return tableRef{}, ""
}
