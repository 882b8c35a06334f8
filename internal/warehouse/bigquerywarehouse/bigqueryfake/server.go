// Package bigqueryfake is an in-memory stand-in of BigQuery's HTTP API v2, for tests with the real client library and
// for rehearsals: see [New] and [Start]. It does what gamefill needs and refuses the rest: a call, option or SQL text
// that it does not know is 501 "unsupported by the fake" or, for SQL, 400 invalidQuery, never a success.
//
// Tests cause faults with [Server.FailNext], look at what was asked with [Server.Audit] and have every breach of
// gamefill's rules for BigQuery named by [Server.Violations].
//
// From the documentation (the pages are named where they are used): resources and their fields, partition decorators,
// dispositions, job states, locations, expirations, quotas and their messages, types and their rounding, data sizes,
// permissions, rules of schema changes. From public issues: the wording of schema mismatches, of failed JSON rows and
// of rows of another partition, and where in a job's status they stand.
//
// Assumptions, to be checked against the live service:
//   - tables.get, tables.delete and copies of a partition that is not there are 404 notFound;
//   - a truncating load without rows leaves a partition with no rows, which INFORMATION_SCHEMA.PARTITIONS lists;
//   - an unknown project is 404; a dataset in another location is 404 at jobs.insert, and the job id stays free;
//   - what is wrong with the destination table, and rateLimitExceeded, show as the error of a job that was taken;
//   - a job that was refused for its modification rate does not count as a modification, a failed one does, and
//     deleting a partition counts; the daily quota begins anew at midnight UTC;
//   - etags change with the content; cloned partitions have the time of the clone;
//   - messages about partition ids, NUMERIC out of range and timed out jobs.
//
// Deliberately stricter than the service: a STRING column takes JSON strings alone, TIMESTAMP takes no numbers, new
// columns stand at the end of a patched schema.
package bigqueryfake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	bq "google.golang.org/api/bigquery/v2"
)

// Options are the settings of a fake; the zero value works.
type Options struct {
	// Projects are known from the start; AddProject adds others.
	Projects []string
	// Now is the clock of stamps, expirations and quota windows. Default time.Now.
	Now func() time.Time
	// ModificationsPer10s is how often a partitioned table may be changed in 10 s. Default 50 (documentation, "Quotas and
	// limits", partitioned tables).
	ModificationsPer10s int
	// ModificationsPerDay is how often a partitioned table may be changed in a day. Default 30,000 (same page).
	ModificationsPerDay int
	// MaxPageRows bounds a page of rows. Default 100,000 (documentation, "Quotas and limits", tabledata.list).
	MaxPageRows int
	// AbsentPartitionIsEmpty makes a partition that is not there look like one without rows; without it is 404.
	AbsentPartitionIsEmpty bool
}

// Server is the fake. It is safe for concurrent use; calls take effect one after the other.
type Server struct {
	options Options
	mux     *http.ServeMux

	// mu guards everything below.
	mu         sync.Mutex
	projects   map[string]bool
	datasets   map[datasetKey]*dataset
	jobs       map[jobKey]*job
	order      []*job // of insertion
	requests   map[string]*job
	uploads    map[string]*upload
	pages      map[string]page
	lastMillis int64
	lastID     int
	audit      []Request
	faults     []*rule
	denials    []*denial
}

// New returns a fake without datasets.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.ModificationsPer10s = cmp.Or(o.ModificationsPer10s, 50)
	o.ModificationsPerDay = cmp.Or(o.ModificationsPerDay, 30_000)
	o.MaxPageRows = cmp.Or(o.MaxPageRows, 100_000)
	s := &Server{
		options: o, mux: http.NewServeMux(), projects: map[string]bool{}, datasets: map[datasetKey]*dataset{},
		jobs: map[jobKey]*job{}, requests: map[string]*job{}, uploads: map[string]*upload{}, pages: map[string]page{},
	}
	for _, p := range o.Projects {
		s.projects[p] = true
	}
	s.route()
	return s
}

// Start serves a fake on a port of this host until close is called; url is the endpoint for the client library.
func Start(s *Server) (url string, close func()) {
	h := httptest.NewServer(s)
	return h.URL, h.Close
}

// AddProject makes a project known.
func (s *Server) AddProject(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.projects[name] = true
}

// tick is a time in milliseconds since the epoch that is later than any before.
func (s *Server) tick() int64 {
	s.lastMillis = max(s.options.Now().UnixMilli(), s.lastMillis+1)
	return s.lastMillis
}

// prefix of the API's paths; the client library leaves it out when it is given an endpoint, except for uploads.
const prefix = "/bigquery/v2"

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rest, ok := strings.CutPrefix(r.URL.Path, prefix); ok {
		r = r.Clone(r.Context())
		r.URL.Path = rest
	}
	s.mux.ServeHTTP(w, r)
}

// call is one request on its way through the server.
type call struct {
	Request
	query  url.Values
	header http.Header
	body   []byte                     // JSON
	raw    map[string]json.RawMessage // of body
	media  []byte                     // of an upload
	insert *bq.Job                    // that the call asks for
	reply  http.Header
	fault  Fault
}

// operation does what a call asks, while the server is locked. A nil result is 204 without a body.
type operation func(*call) (any, error)

func (s *Server) route() {
	for pattern, o := range map[string]struct {
		kind string
		run  operation
	}{
		"GET /projects/{project}/datasets":                                     {DatasetsList, s.datasetsList},
		"POST /projects/{project}/datasets":                                    {DatasetsInsert, s.datasetsInsert},
		"GET /projects/{project}/datasets/{dataset}":                           {DatasetsGet, s.datasetsGet},
		"PATCH /projects/{project}/datasets/{dataset}":                         {DatasetsPatch, s.datasetsPatch},
		"DELETE /projects/{project}/datasets/{dataset}":                        {DatasetsDelete, s.datasetsDelete},
		"GET /projects/{project}/datasets/{dataset}/tables":                    {TablesList, s.tablesList},
		"POST /projects/{project}/datasets/{dataset}/tables":                   {TablesInsert, s.tablesInsert},
		"GET /projects/{project}/datasets/{dataset}/tables/{table}":            {TablesGet, s.tablesGet},
		"PATCH /projects/{project}/datasets/{dataset}/tables/{table}":          {TablesPatch, s.tablesPatch},
		"DELETE /projects/{project}/datasets/{dataset}/tables/{table}":         {TablesDelete, s.tablesDelete},
		"GET /projects/{project}/datasets/{dataset}/tables/{table}/data":       {TabledataList, s.tabledataList},
		"POST /projects/{project}/datasets/{dataset}/tables/{table}/insertAll": {TabledataInsertAll, s.insertAll},
		"GET /projects/{project}/jobs":                                         {JobsList, s.jobsList},
		"GET /projects/{project}/jobs/{job}":                                   {JobsGet, s.jobsGet},
		"POST /projects/{project}/jobs/{job}/cancel":                           {JobsCancel, s.jobsCancel},
		"DELETE /projects/{project}/jobs/{job}/delete":                         {JobsDelete, s.jobsDelete},
		"POST /projects/{project}/queries":                                     {JobsQuery, s.jobsQuery},
		"GET /projects/{project}/queries/{job}":                                {JobsGetQueryResults, s.jobsGetQueryResults},
		"/":                                                                    {Unknown, s.unknown},
	} {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil { // cut by the caller: nothing was asked
				return
			}
			s.serve(w, newCall(o.kind, r, body), o.run)
		})
	}
	s.mux.HandleFunc("POST /projects/{project}/jobs", s.insertMetadata)
	s.mux.HandleFunc("POST /upload"+prefix+"/projects/{project}/jobs", s.insertUpload)
	s.mux.HandleFunc("PUT /upload"+prefix+"/projects/{project}/jobs", s.insertUpload)
}

func newCall(kind string, r *http.Request, body []byte) *call {
	name, partition, _ := strings.Cut(r.PathValue("table"), "$")
	q := r.URL.Query()
	tableProject := ""
	if name != "" {
		tableProject = r.PathValue("project")
	}
	return &call{
		Request: Request{
			Kind: kind, Project: r.PathValue("project"), TableProject: tableProject, Dataset: r.PathValue("dataset"),
			Table: name, Partition: partition, JobID: r.PathValue("job"), Location: q.Get("location"),
		},
		query: q, header: r.Header, body: body, reply: http.Header{},
	}
}

// serve runs a call with the faults that wait for it, records it and answers.
func (s *Server) serve(w http.ResponseWriter, c *call, run operation) {
	code, body, broken := s.answer(c, run)
	if broken == hangUp || broken == cutReply && len(body) == 0 {
		panic(http.ErrAbortHandler)
	}
	for name, values := range c.reply {
		w.Header()[name] = values
	}
	if len(body) > 0 {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	}
	w.WriteHeader(code)
	if broken == cutReply {
		w.Write(body[:len(body)/2]) // the caller is about to be cut off: an error means no more than that
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	w.Write(body) // an error means that the caller is gone, who then does not know what happened, as with the service
}

func (s *Server) answer(c *call, run operation) (code int, body []byte, broken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	f := s.take(c)
	defer func() {
		c.Status = code
		if broken != "" {
			c.Status = 0
		}
		s.audit = append(s.audit, c.Request)
	}()
	if f.before != nil {
		return f.before.code, f.before.body(), ""
	}
	if f.broken == breakUpload {
		return 0, nil, hangUp
	}
	c.fault = f
	var out any
	err := c.knownParameters()
	if err == nil {
		out, err = run(c)
	}
	if err != nil {
		var refused *apiError
		if !errors.As(err, &refused) {
			refused = refusal(http.StatusInternalServerError, "internalError", "%v", err)
		}
		return refused.code, refused.body(), f.broken
	}
	if f.after != nil {
		return f.after.code, f.after.body(), ""
	}
	if out == nil {
		return http.StatusNoContent, nil, f.broken
	}
	if body, err = c.encode(out); err != nil {
		var refused *apiError
		if !errors.As(err, &refused) {
			panic(err) // values of this package
		}
		return refused.code, refused.body(), ""
	}
	return http.StatusOK, body, f.broken
}

// encode writes a result, of its top-level fields those that the parameter fields names.
func (c *call) encode(out any) ([]byte, error) {
	body, err := json.Marshal(out)
	fields := c.query.Get("fields")
	if err != nil || fields == "" {
		return body, err
	}
	if strings.ContainsAny(fields, "/(*") {
		return nil, unsupported("fields=%s", fields)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, err
	}
	wanted := strings.Split(fields, ",")
	for name := range all {
		if !slices.Contains(wanted, name) {
			delete(all, name)
		}
	}
	return json.Marshal(all)
}

// decode reads the body of a call and refuses fields other than those it may have, unless they are empty.
func (c *call) decode(in any, may ...string) error {
	if err := json.Unmarshal(c.body, &c.raw); err != nil {
		return refusal(http.StatusBadRequest, "parseError", "Parse Error")
	}
	if err := known(c.raw, "", may...); err != nil {
		return err
	}
	if err := json.Unmarshal(c.body, in); err != nil {
		return invalid("Invalid value in the request: %v", err)
	}
	return nil
}

// known refuses fields of a JSON object that the fake knows nothing of; what names the object.
func known(object map[string]json.RawMessage, what string, may ...string) error {
	for name, value := range object {
		if !slices.Contains(may, name) &&
			!slices.Contains([]string{`""`, "0", "false", "null", "[]", "{}"}, string(bytes.TrimSpace(value))) {
			return unsupported("field %s%s", what, name)
		}
	}
	return nil
}

// knownParameters refuses parameters of the URL that the fake does not heed and that could change the answer.
func (c *call) knownParameters() error {
	for name := range c.query {
		switch name {
		case "alt", "prettyPrint", "fields", "location", "maxResults", "pageToken", "startIndex", "selectedFields", "view",
			"formatOptions.useInt64Timestamp", "uploadType", "upload_id", "deleteContents", "stateFilter", "parentJobId",
			"minCreationTime", "maxCreationTime":
		case "timeoutMs", "projection", "allUsers", "all": // all of it is here at once, and there is one user
		default:
			return unsupported("parameter %s", name)
		}
	}
	return nil
}

// sent reports whether the body has a field, null included.
func (c *call) sent(name string) bool { return c.raw[name] != nil }

func (c *call) dataset() datasetKey { return datasetKey{c.Project, c.Dataset} }

func (c *call) ref() tableRef { return tableRef{c.Project, c.Dataset, c.Table, c.Partition} }

// ifMatch refuses a call whose If-Match header is not the etag of what it would change. Source: documentation of the
// etag field, and RFC 9110, section 13.1.1.
func (c *call) ifMatch(etag string) error {
	if want := c.header.Get("If-Match"); want != "" && want != "*" && want != etag {
		return refusal(http.StatusPreconditionFailed, "conditionNotMet", "Precondition check failed.")
	}
	return nil
}

func (s *Server) unknown(*call) (any, error) {
	return nil, unsupported("this method")
}
