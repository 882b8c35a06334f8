package bigqueryfake

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	bq "google.golang.org/api/bigquery/v2"
)

// Match says which requests a fault meets. Empty fields match everything.
type Match struct {
	Kind      string // one of the kinds of requests
	Table     string // without dataset and decorator
	Partition string // the decorator after "$"
}

// Ways in which an exchange breaks.
const (
	hangUp      = "hang up"
	cutReply    = "cut the reply"
	breakUpload = "break the upload"
)

// Fault is what goes wrong with a request. Make one with the functions below.
type Fault struct {
	before, after *apiError
	broken        string
	failure       *bq.ErrorProto
	warnings      []*bq.ErrorProto
	hold          string // state in which the job stays
	stubborn      bool
}

// Refuse answers with an error; nothing is done.
func Refuse(code int, reason, message string) Fault {
	return Fault{before: &apiError{code: code, reason: reason, message: message}}
}

// Unavailable is 503 and nothing is done.
func Unavailable() Fault {
	return Refuse(http.StatusServiceUnavailable, "backendError",
		"Visibility check was unavailable. Please retry the request")
}

// RateLimited is 403 rateLimitExceeded and nothing is done.
func RateLimited() Fault { return Refuse(http.StatusForbidden, "rateLimitExceeded", rateMessage) }

// QuotaExceeded is 403 quotaExceeded and nothing is done.
func QuotaExceeded() Fault { return Refuse(http.StatusForbidden, "quotaExceeded", quotaMessage) }

// BackendError is 500 backendError and nothing is done.
func BackendError() Fault {
	return Refuse(http.StatusInternalServerError, "backendError",
		"Error encountered during execution. Retrying may solve the problem.")
}

// UnavailableAfter does what was asked and answers 503.
func UnavailableAfter() Fault { return Fault{after: Unavailable().before} }

// HangUp does what was asked and closes the connection without an answer.
func HangUp() Fault { return Fault{broken: hangUp} }

// CutReply does what was asked and closes the connection in the middle of the answer.
func CutReply() Fault { return Fault{broken: cutReply} }

// BreakUpload closes the connection during the upload of a load; no job comes of it.
func BreakUpload() Fault { return Fault{broken: breakUpload} }

// FailJob takes the job, which is DONE with an error at once and changes nothing. The change counts for the quotas.
func FailJob(reason, message string) Fault {
	return Fault{failure: &bq.ErrorProto{Reason: reason, Message: message}}
}

// WarnJob lets the job do its work and tells so many warnings about it: entries in its list of errors without an error
// result.
func WarnJob(message string, warnings int) Fault {
	return Fault{warnings: slices.Repeat([]*bq.ErrorProto{{Reason: "invalid", Message: message}}, warnings)}
}

// HoldRunning takes the job, which stays RUNNING and does its work when it is released.
func HoldRunning() Fault { return Fault{hold: running} }

// HoldPending takes the job, which stays PENDING and does its work when it is released.
func HoldPending() Fault { return Fault{hold: pending} }

// Stubborn is the same fault with a held job that neither jobs.cancel nor its timeout stops: both are best effort in
// the service.
func (f Fault) Stubborn() Fault { f.stubborn = true; return f }

// LosingReply is the same fault with the connection closed instead of an answer.
func (f Fault) LosingReply() Fault { f.broken = hangUp; return f }

type rule struct {
	match Match
	left  int
	fault Fault
}

// FailNext makes the next count requests that match meet a fault. Of several faults that wait for a request, the first
// one given takes it.
func (s *Server) FailNext(match Match, count int, fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &rule{match, count, fault})
}

// Pending returns how many faults have not met their request yet; a test that wants them all met checks that it is 0.
func (s *Server) Pending() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.faults {
		n += r.left
	}
	return n
}

// ClearFaults removes the faults that wait.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (m *Match) meets(r *Request) bool {
	return (m.Kind == "" || m.Kind == r.Kind) && (m.Table == "" || m.Table == r.Table) &&
		(m.Partition == "" || m.Partition == r.Partition)
}

// take is the fault that waits for a call.
func (s *Server) take(c *call) Fault {
	for _, r := range s.faults {
		if r.left > 0 && r.match.meets(&c.Request) {
			r.left--
			return r.fault
		}
	}
	return Fault{}
}

// Held returns the ids of the jobs that wait for Release, oldest first.
func (s *Server) Held() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.order {
		if j.state != done {
			ids = append(ids, j.key.id)
		}
	}
	return ids
}

// Release lets the held job of an id do its work and reports whether there was one.
func (s *Server) Release(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	for _, j := range s.order {
		if j.key.id == id && j.state != done {
			s.execute(j)
			return true
		}
	}
	return false
}

type denial struct {
	permission string
	path       []string // project, dataset, table
}

// Deny takes a permission ("bigquery.tables.updateData") away on a resource and what is below it: "project",
// "project.dataset" or "project.dataset.table". allow gives it back.
func (s *Server) Deny(permission, resource string) (allow func()) {
	d := &denial{permission, nil}
	project, rest, _ := strings.Cut(resource, ".")
	d.path = []string{project}
	if rest != "" {
		d.path = append(d.path, strings.SplitN(rest, ".", 2)...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denials = append(s.denials, d)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.denials = slices.DeleteFunc(s.denials, func(other *denial) bool { return other == d })
	}
}

// allowed refuses a permission that was taken away; path is a project, then a dataset, then a table.
func (s *Server) allowed(permission string, path ...string) error {
	for _, d := range s.denials {
		if d.permission == permission && len(d.path) <= len(path) && slices.Equal(d.path, path[:len(d.path)]) {
			return accessDenied(permission, path...)
		}
	}
	return nil
}

// accessDenied is worded as in documentation, "Troubleshoot IAM permissions".
func accessDenied(permission string, path ...string) *apiError {
	message := fmt.Sprintf("Access Denied: Project %s: User does not have %s permission in project %s.", path[0],
		permission, path[0])
	if len(path) > 1 {
		kind, name := "Dataset", path[0]+":"+path[1]
		if len(path) > 2 {
			kind, name = "Table", name+"."+path[2]
		}
		message = fmt.Sprintf("Access Denied: %s %s: Permission %s denied on %s %s (or it may not exist).", kind, name,
			permission, strings.ToLower(kind), name)
	}
	return refusal(http.StatusForbidden, "accessDenied", "%s", message)
}

// Stream puts rows (newline delimited JSON) into the streaming buffer of a table: queries see them, tabledata.list and
// the counts of partitions do not.
func (s *Server) Stream(project, dataset, name, ndjson string) error {
	return s.change(project, dataset, name, func(t *table) error {
		rows, failures := parseRows(t.schema, []byte(ndjson))
		if len(failures) > 0 {
			return fmt.Errorf("stream into %s: %s", t.ref, failures[0].Message)
		}
		if len(t.streamed) == 0 {
			t.streamedSince = s.options.Now()
		}
		t.streamed = append(slices.Clone(t.streamed), rows...)
		return nil
	})
}

// Flush moves the rows of a table's streaming buffer to their partitions.
func (s *Server) Flush(project, dataset, name string) error {
	return s.change(project, dataset, name, func(t *table) error {
		s.add(t, t.streamed)
		t.streamed = nil
		return nil
	})
}

// SetRowPolicy puts a table under a row access policy that shows this account no row, or lifts it.
func (s *Server) SetRowPolicy(project, dataset, name string, on bool) error {
	return s.change(project, dataset, name, func(t *table) error { t.rowPolicy = on; return nil })
}

func (s *Server) change(project, dataset, name string, change func(*table) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(tableRef{project, dataset, name, ""})
	if err != nil {
		return err
	}
	return change(t)
}
