package bigqueryfake

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	bq "google.golang.org/api/bigquery/v2"

	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

// States of a job.
const (
	pending = "PENDING"
	running = "RUNNING"
	done    = "DONE"
)

// jobKey identifies a job. Source: documentation, JobReference: an id is unique within project and location.
type jobKey struct{ project, location, id string }

// String is the name in messages of the API, "project:location.id".
func (k jobKey) String() string { return k.project + ":" + k.location + "." + k.id }

func (k jobKey) folded() jobKey { k.location = strings.ToLower(k.location); return k }

type job struct {
	key                     jobKey
	config                  *bq.JobConfiguration
	state                   string
	failure                 *bq.ErrorProto
	errors                  []*bq.ErrorProto
	created, started, ended int64 // milliseconds since the epoch
	stubborn                bool
	run                     func(*job) error // nil once it ran
	load                    *bq.JobStatistics3
	query                   *bq.JobStatistics2
	fields                  []*bq.TableFieldSchema // of the result of a query
	rows                    []row
}

func (j *job) resource() *bq.Job {
	out := &bq.Job{
		Kind: "bigquery#job", Id: j.key.String(), Etag: fmt.Sprintf("%s-%s", j.key.id, j.state),
		JobReference:  &bq.JobReference{ProjectId: j.key.project, Location: j.key.location, JobId: j.key.id},
		Configuration: j.config,
		Status:        &bq.JobStatus{State: j.state, ErrorResult: j.failure, Errors: j.errors},
		Statistics:    &bq.JobStatistics{CreationTime: j.created, StartTime: j.started, EndTime: j.ended},
		UserEmail:     "fake@example.com",
	}
	if j.state == done {
		out.Statistics.Load, out.Statistics.Query = j.load, j.query
		if j.query != nil {
			out.Statistics.TotalBytesProcessed = j.query.TotalBytesProcessed
		}
	}
	return out
}

// detailed is an error of a job with more than one entry in its list.
type detailed struct {
	*apiError
	details []*bq.ErrorProto
}

func (e *detailed) Unwrap() error { return e.apiError }

// finish ends a job.
func (s *Server) finish(j *job, err error) {
	if j.started == 0 {
		j.started = s.tick()
	}
	j.state, j.ended, j.run = done, s.tick(), nil
	if err == nil {
		return
	}
	var refused *apiError
	if !errors.As(err, &refused) {
		refused = refusal(http.StatusInternalServerError, "internalError", "%v", err)
	}
	j.failure = refused.proto()
	j.errors = []*bq.ErrorProto{j.failure}
	if more, ok := errors.AsType[*detailed](err); ok {
		j.errors = append(j.errors, more.details...)
	}
}

// execute does the work of a job.
func (s *Server) execute(j *job) {
	s.settle(j)
	if j.state == done {
		return
	}
	j.started = cmp.Or(j.started, s.tick())
	s.finish(j, j.run(j))
}

// settle ends a held job whose timeout is over. Source: documentation, JobConfiguration, jobTimeoutMs.
func (s *Server) settle(j *job) {
	if limit := j.config.JobTimeoutMs; j.state != done && limit > 0 && !j.stubborn &&
		s.options.Now().UnixMilli() >= j.created+limit {
		s.finish(j, refusal(http.StatusBadRequest, "timeout", "Job timed out after %gs", float64(limit)/1000))
	}
}

// job finds the job that a call names. Without location only jobs in the multi-regions are found. Source:
// documentation, "Managing jobs" and jobs.get.
func (s *Server) job(c *call) (*job, error) {
	if err := s.project(c.Project); err != nil {
		return nil, err
	}
	if err := s.allowed("bigquery.jobs.get", c.Project); err != nil {
		return nil, err
	}
	locations := []string{c.Location}
	if c.Location == "" {
		locations = []string{"US", "EU"}
	}
	for _, location := range locations {
		if j := s.jobs[jobKey{c.Project, location, c.JobID}.folded()]; j != nil {
			s.settle(j)
			return j, nil
		}
	}
	if c.Location == "" {
		return nil, notFound("Job %s:%s", c.Project, c.JobID)
	}
	return nil, notFound("Job %s", jobKey{c.Project, c.Location, c.JobID})
}

func (s *Server) jobsGet(c *call) (any, error) {
	j, err := s.job(c)
	if err != nil {
		return nil, err
	}
	return j.resource(), nil
}

func (s *Server) jobsCancel(c *call) (any, error) {
	j, err := s.job(c)
	if err != nil {
		return nil, err
	}
	if j.state != done && !j.stubborn {
		s.finish(j, refusal(http.StatusBadRequest, "stopped", "Job execution was cancelled: User requested cancellation"))
	}
	return &bq.JobCancelResponse{Kind: "bigquery#jobCancelResponse", Job: j.resource()}, nil
}

func (s *Server) jobsDelete(c *call) (any, error) {
	j, err := s.job(c)
	if err != nil {
		return nil, err
	}
	if j.state != done {
		return nil, invalid("Job %s is not done", j.key)
	}
	delete(s.jobs, j.key.folded())
	s.order = slices.DeleteFunc(s.order, func(other *job) bool { return other == j })
	return nil, nil
}

// jobsList lists jobs of a project in every location, newest first.
func (s *Server) jobsList(c *call) (any, error) {
	if err := s.project(c.Project); err != nil {
		return nil, err
	}
	for _, name := range []string{"parentJobId", "minCreationTime", "maxCreationTime", "pageToken"} {
		if c.query.Get(name) != "" {
			return nil, unsupported("jobs.list with %s", name)
		}
	}
	list := &bq.JobList{Kind: "bigquery#jobList", Jobs: []*bq.JobListJobs{}}
	for _, j := range slices.Backward(s.order) {
		s.settle(j)
		states := c.query["stateFilter"]
		if j.key.project != c.Project || len(states) > 0 && !slices.Contains(states, strings.ToLower(j.state)) {
			continue
		}
		r := j.resource()
		list.Jobs = append(list.Jobs, &bq.JobListJobs{
			Kind: r.Kind, Id: r.Id, JobReference: r.JobReference, Configuration: r.Configuration, Status: r.Status,
			Statistics: r.Statistics, State: j.state, ErrorResult: j.failure, UserEmail: r.UserEmail,
		})
	}
	return list, nil
}

// insertMetadata takes jobs.insert without media.
func (s *Server) insertMetadata(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil { // cut by the caller: nothing was asked
		return
	}
	c := newCall(JobsInsert, r, body)
	s.serve(w, c, c.reading(s.jobsInsert))
}

// reading reads the job that the call asks for, now, so that faults and audit know it, and gives the operation that
// inserts it or refuses what could not be read.
func (c *call) reading(insert operation) operation {
	if err := c.readJob(); err != nil {
		return func(*call) (any, error) { return nil, err }
	}
	return insert
}

func (c *call) readJob() error {
	var in bq.Job
	if err := c.decode(&in, "jobReference", "configuration"); err != nil {
		return err
	}
	var config map[string]json.RawMessage
	if err := json.Unmarshal(c.raw["configuration"], &config); err != nil || in.Configuration == nil {
		return invalid("Required parameter is missing: configuration")
	}
	if err := known(config, "configuration.", "load", "copy", "query", "labels", "jobTimeoutMs", "dryRun",
		"jobType"); err != nil {
		return err
	}
	if in.JobReference == nil {
		in.JobReference = &bq.JobReference{}
	}
	c.insert, c.JobID, c.Location, c.Labels = &in, in.JobReference.JobId, in.JobReference.Location, in.Configuration.Labels
	ref, disposition := destination(in.Configuration)
	c.TableProject, c.Dataset, c.Table, c.Partition, c.WriteDisposition = ref.project, ref.dataset, ref.table,
		ref.partition, disposition
	switch cfg := in.Configuration; {
	case cfg.Load != nil:
		c.Kind = JobsInsertLoad
		return knownWithin(config, "load", "sourceFormat", "schema", "destinationTable", "createDisposition",
			"writeDisposition",
			"timePartitioning", "clustering")
	case cfg.Copy != nil:
		c.Kind = JobsInsertCopy
		return knownWithin(config, "copy", "sourceTables", "sourceTable", "destinationTable", "createDisposition",
			"writeDisposition",
			"operationType", "destinationExpirationTime")
	case cfg.Query != nil:
		c.Kind = JobsInsertQuery
		c.nameStatement(cfg.Query.Query)
		return knownWithin(config, "query", "query", "useLegacySql", "useQueryCache", "maximumBytesBilled", "queryParameters",
			"parameterMode", "priority", "writeDisposition", "createDisposition")
	}
	return unsupported("a job that is no load, copy or query")
}

func knownWithin(config map[string]json.RawMessage, part string, may ...string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(config[part], &fields); err != nil {
		return invalid("Invalid value for: %s", part)
	}
	return known(fields, "configuration."+part+".", may...)
}

// nameStatement records the name of a statement and the table that it changes.
func (c *call) nameStatement(sql string) {
	st, err := statement.Parse(sql)
	if err != nil {
		return
	}
	c.Statement = string(st.Name)
	if st.Name == statement.LoadRows {
		c.TableProject, c.Dataset, c.Table = st.Table.Project, st.Table.Dataset, st.Table.Name
	}
}

var jobIDPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (s *Server) jobsInsert(c *call) (any, error) {
	j, err := s.insert(c)
	if err != nil {
		return nil, err
	}
	return j.resource(), nil
}

// insert takes the job that a call asks for and runs it, unless a fault holds it or the call is a dry run.
func (s *Server) insert(c *call) (*job, error) {
	if err := s.project(c.Project); err != nil {
		return nil, err
	}
	if err := s.allowed("bigquery.jobs.create", c.Project); err != nil {
		return nil, err
	}
	config := c.insert.Configuration
	j := &job{key: jobKey{c.Project, c.Location, c.JobID}, config: config, state: pending, stubborn: c.fault.stubborn}
	if p := c.insert.JobReference.ProjectId; p != "" && p != c.Project {
		return nil, invalid("Value for projectId in content does not agree with value in path.")
	}
	if j.key.id == "" {
		s.lastID++
		j.key.id = fmt.Sprintf("job_fake%d", s.lastID)
		c.JobID = j.key.id
	}
	if !named(jobIDPattern, j.key.id) {
		return nil, invalid(
			"Invalid job ID %q. Must be alphanumeric (plus dashes and underscores) and must be at most 1024 characters long.",
			j.key.id)
	}
	var err error
	switch {
	case config.Load != nil:
		config.JobType = "LOAD"
		err = s.planLoad(c, j)
	case config.Copy != nil:
		config.JobType = "COPY"
		err = s.planCopy(j)
	default:
		config.JobType = "QUERY"
		err = s.planQuery(j)
	}
	// Of the refusals a taken id comes first: whoever looks whether a job was taken must not be told of anything else.
	if j.key.location == "" {
		j.key.location = "US"
	}
	if s.jobs[j.key.folded()] != nil {
		return nil, refusal(http.StatusConflict, "duplicate", "Already Exists: Job %s", j.key)
	}
	if err != nil {
		return nil, err
	}
	j.created = s.tick()
	if config.DryRun {
		if config.Query == nil {
			return nil, unsupported("a dry run of a load or copy job")
		}
		s.finish(j, j.run(j))
		if j.failure != nil {
			return nil, ofJob(j.failure)
		}
		return j, nil
	}
	s.jobs[j.key.folded()] = j
	s.order = append(s.order, j)
	switch {
	case c.fault.failure != nil:
		var failure error = &apiError{reason: c.fault.failure.Reason, message: c.fault.failure.Message}
		if ref, _ := destination(config); ref.table != "" {
			if t, err := s.table(ref); err == nil {
				if refused := s.modify(t); refused != nil {
					failure = refused
				}
			}
		}
		s.finish(j, failure)
	case c.fault.hold != "":
		if j.state = c.fault.hold; j.state == running {
			j.started = s.tick()
		}
	default:
		j.errors = c.fault.warnings
		s.execute(j)
	}
	return j, nil
}

// located refuses a dataset in another location than the job's; a job without location gets the dataset's. Source:
// documentation, "Dataset locations", specify locations.
func (s *Server) located(j *job, key datasetKey) (*dataset, error) {
	d, err := s.dataset(key)
	switch {
	case err != nil && (j.key.location == "" || !s.projects[key.project]):
		return nil, err
	case j.key.location == "":
		j.key.location = d.location
	}
	if d == nil || !strings.EqualFold(d.location, j.key.location) {
		return nil, notFound("Dataset %s was not found in location %s", key, j.key.location)
	}
	return d, nil
}

// upload is a resumable upload under way. Source: documentation, "Upload data for jobs", resumable uploads.
type upload struct {
	body  []byte // of the first request
	media []byte
	reply any // once it is complete
}

// insertUpload takes jobs.insert with media, in one request or in several.
func (s *Server) insertUpload(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil { // cut by the caller: what came does not count
		return
	}
	c := newCall(JobsUpload, r, body)
	id := c.query.Get("upload_id")
	switch kind := c.query.Get("uploadType"); {
	case id != "":
		s.continueUpload(w, c, id)
	case kind == "multipart":
		c.Kind = JobsInsert
		if c.body, c.media, err = related(r.Header.Get("Content-Type"), body); err != nil {
			s.serve(w, c, func(*call) (any, error) { return nil, invalid("Invalid multipart request: %v", err) })
			return
		}
		s.serve(w, c, c.reading(s.jobsInsert))
	case kind == "resumable":
		s.serve(w, c, func(c *call) (any, error) {
			s.lastID++
			id := fmt.Sprintf("upload%d", s.lastID)
			s.uploads[id] = &upload{body: c.body}
			c.reply.Set("Location", "http://"+r.Host+r.URL.Path+"?uploadType=resumable&upload_id="+id)
			return struct{}{}, nil
		})
	default:
		s.serve(w, c, func(*call) (any, error) { return nil, unsupported("uploadType=%s", kind) })
	}
}

// related cuts a multipart/related body into its JSON and its media.
func related(contentType string, body []byte) (metadata, media []byte, err error) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, nil, err
	}
	parts := multipart.NewReader(strings.NewReader(string(body)), params["boundary"])
	var read [2][]byte
	for i := range read {
		part, err := parts.NextPart()
		if err != nil {
			return nil, nil, fmt.Errorf("part %d: %w", i+1, err)
		}
		if read[i], err = io.ReadAll(part); err != nil {
			return nil, nil, fmt.Errorf("part %d: %w", i+1, err)
		}
	}
	return read[0], read[1], nil
}

var rangePattern = regexp.MustCompile(`^bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)$`)

// continueUpload takes one chunk of a resumable upload; with the last one the job is inserted.
func (s *Server) continueUpload(w http.ResponseWriter, c *call, id string) {
	chunk := c.body
	s.mu.Lock()
	u := s.uploads[id]
	s.mu.Unlock()
	m := rangePattern.FindStringSubmatch(c.header.Get("Content-Range"))
	refuse := func(err error) { s.serve(w, c, func(*call) (any, error) { return nil, err }) }
	switch {
	case u == nil:
		refuse(notFound("upload %s", id))
		return
	case m == nil:
		refuse(invalid("Invalid Content-Range"))
		return
	}
	run := func(c *call) (any, error) { return nil, nil }
	total := -1
	if m[3] != "*" {
		total, _ = strconv.Atoi(m[3]) // digits
		c.body = u.body
		run = c.reading(s.jobsInsert)
	}
	s.serve(w, c, func(c *call) (any, error) {
		if u.reply != nil {
			return u.reply, nil
		}
		if m[1] != "" {
			from, _ := strconv.Atoi(m[1]) // digits
			if from > len(u.media) {
				return nil, refusal(http.StatusRequestedRangeNotSatisfiable, "badRequest", "Chunk begins at %d, want %d", from,
					len(u.media))
			}
			u.media = append(u.media[:from:from], chunk...)
		}
		if total != len(u.media) {
			if len(u.media) > 0 {
				c.reply.Set("Range", fmt.Sprintf("bytes=0-%d", len(u.media)-1))
			}
			if c.header.Get("X-GUploader-No-308") != "yes" {
				return nil, &apiError{code: http.StatusPermanentRedirect, reason: "resumeIncomplete", message: "Resume Incomplete"}
			}
			c.reply.Set("X-Http-Status-Code-Override", "308")
			return struct{}{}, nil
		}
		c.media = u.media
		out, err := run(c)
		if err == nil {
			u.reply = out
		}
		return out, err
	})
}
