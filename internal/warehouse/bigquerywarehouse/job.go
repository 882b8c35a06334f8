package bigquerywarehouse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/bigquery"

	"gamefill/internal/gamedate"
	"gamefill/internal/retry"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

// jobID is the id of a write job: "…_a1". A job that failed keeps its id for ever, so the next try has the next number;
// it is sent only after the job before it is known to have failed. Whoever closes a write follows the same numbers.
type jobID struct {
	base   string
	number int
}

func (id jobID) String() string { return fmt.Sprintf("%s_a%d", id.base, id.number) }

func (id jobID) next() jobID { return jobID{id.base, id.number + 1} }

var jobIDPattern = regexp.MustCompile(`^(.+)_a([0-9]{1,9})$`)

func parseJobID(text string) (jobID, error) {
	m := jobIDPattern.FindStringSubmatch(text)
	if m == nil {
		return jobID{}, fmt.Errorf("write id %q: want one that ends in _a and a number", text)
	}
	number, err := strconv.Atoi(m[2])
	return jobID{m[1], number}, err
}

// notInID matches what job ids and labels do not take. Sources: BigQuery REST reference, JobReference.jobId (letters,
// digits, underscores, dashes, 1,024 characters); documentation, "Requirements for labels" (lower case, 63 characters).
var notInID = regexp.MustCompile(`[^a-z0-9_-]+`)

// clean makes a text part of a job id or a label.
func clean(text string) string {
	text = notInID.ReplaceAllString(strings.ToLower(text), "-")
	return text[:min(len(text), 63)]
}

// Labels of jobs, and what the purpose says.
const (
	labelGeneration = "generation"
	labelPurpose    = "purpose"

	purposeReplace = "replace"
	purposeEmpty   = "empty" // a job that does nothing and says that a partition is about to be deleted
	purposeClose   = "close" // a job that does nothing and takes the id of a write that shall never come
)

func labels(fence warehouse.Fence, date gamedate.Date, purpose string) map[string]string {
	l := map[string]string{
		"job": clean(fence.Job), "run": clean(fence.Run), labelGeneration: strconv.FormatInt(max(fence.Generation, 0), 10),
		labelPurpose: purpose,
	}
	if !date.IsZero() {
		l["date"] = date.String()
	}
	return l
}

// label is a label of a job of any kind, "" if it has none.
func label(j *bigquery.Job, name string) string {
	config, err := j.Config()
	if err != nil {
		return ""
	}
	switch c := config.(type) {
	case *bigquery.LoadConfig:
		return c.Labels[name]
	case *bigquery.QueryConfig:
		return c.Labels[name]
	}
	return ""
}

// lookup finds a job by its id.
func (s *Store) lookup(ctx context.Context, id jobID) (job *bigquery.Job, err error) {
	err = s.bound(ctx, func(ctx context.Context) (err error) {
		job, err = s.client.JobFromProject(ctx, s.options.Project, id.String(), s.options.Location)
		return err
	})
	return job, err
}

// pollGrowth and pollMost are how the waits between two looks at a job grow.
const (
	pollGrowth = 1.5
	pollMost   = 20
)

// wait looks at a job until it is DONE and returns the error that it ended with. ok is false when that is not known.
func (s *Store) wait(ctx context.Context, job *bigquery.Job) (result error, ok bool, err error) {
	status := job.LastStatus()
	for pause := s.options.Poll; status == nil ||
		!status.Done(); pause = min(time.Duration(float64(pause)*pollGrowth), pollMost*s.options.Poll) {
		if !sleep(ctx, pause) {
			return nil, false, ctx.Err()
		}
		if err := s.bound(ctx,
			func(ctx context.Context) (err error) { status, err = job.Status(ctx); return err }); err != nil {
			return nil, false, err
		}
	}
	return outcome(status), true, nil
}

// outcome is the error of a job that is DONE, nil for none. The service's summary ("JSON table encountered too many
// errors") says little: what was wrong stands in the list beside it. Entries of that list without a summary are
// warnings.
func outcome(status *bigquery.JobStatus) error {
	summary, is := errors.AsType[*bigquery.Error](status.Err())
	if !is {
		return status.Err()
	}
	whole := *summary
	for _, detail := range status.Errors {
		if detail.Message != "" && !strings.Contains(whole.Message, detail.Message) {
			whole.Message += "; " + detail.Message
		}
	}
	return &whole
}

// write is a job that changes tables, sent under an id of its own.
type write struct {
	id jobID
	// insert sends the job under an id. The content is kept, so it may be called again.
	insert func(ctx context.Context, id string) (*bigquery.Job, error)
	// mine reports whether a job that has the id is this very write, sent before.
	mine func(*bigquery.Job) bool
}

// run sends a write and waits until it is done. A reply that was lost is looked for under the same id; only a job that
// is known to have failed, for a reason that is not its content's, is followed by one with the next id. p remembers the
// id whose outcome is not known. Another owner's job under the id is [warehouse.ErrFenced].
func (s *Store) run(ctx context.Context, p *partition, t *table.Schema, w *write) (done *bigquery.Job, err error) {
	var final error
	err = retry.Do(ctx, s.options.Retry, func(ctx context.Context) error {
		job, err := s.try(ctx, p, t, w)
		if err == nil {
			done = job
			return nil
		}
		v := judge(err)
		if v.reason == rateLimited {
			s.pace(t).slowDown()
		}
		if !v.again || errors.Is(err, warehouse.ErrFenced) {
			final = err
			return nil
		}
		return err
	})
	if err == nil {
		err = final
	}
	return done, s.explain(err, t)
}

func (s *Store) try(ctx context.Context, p *partition, t *table.Schema, w *write) (*bigquery.Job, error) {
	if err := s.pace(t).wait(ctx); err != nil {
		return nil, err
	}
	p.pending = w.id
	var job *bigquery.Job
	err := s.bound(ctx, func(ctx context.Context) (err error) { job, err = w.insert(ctx, w.id.String()); return err })
	if err != nil {
		code, _, _, answered := serviceError(err)
		if answered && code != http.StatusConflict && code < http.StatusInternalServerError {
			p.pending = jobID{} // refused
			return nil, err
		}
		// The id is taken, by an earlier try of this call or by somebody else; or it may be.
		found, lookupErr := s.lookup(ctx, w.id)
		switch {
		case lookupErr != nil && code == http.StatusConflict:
			// not wrapped: it may be, later
			return nil, fmt.Errorf("job %s is there, but cannot be looked at: %v", w.id, lookupErr)
		case lookupErr != nil:
			return nil, fmt.Errorf("job %s: %w, and no trace of it: %v", w.id, err, lookupErr)
		case !w.mine(found):
			p.pending = jobID{}
			return nil, fmt.Errorf("%w: job %s is another write's", warehouse.ErrFenced, w.id)
		}
		job = found
	}
	result, ok, err := s.wait(ctx, job)
	if !ok {
		return nil, fmt.Errorf("wait for job %s: %w", w.id, err)
	}
	p.pending = jobID{}
	if result != nil {
		result = fmt.Errorf("job %s: %w", w.id, result)
		if judge(result).again {
			w.id = w.id.next()
		}
		return nil, result
	}
	return job, nil
}

// occupy takes an id with a job that does nothing.
func (s *Store) occupy(ctx context.Context, id jobID, labels map[string]string) error {
	q, err := s.newQuery(statement.Statement{Name: statement.Occupy}, nil)
	if err != nil {
		return err
	}
	q.JobID, q.Labels = id.String(), labels
	return s.bound(ctx, func(ctx context.Context) error { _, err := q.Run(ctx); return err })
}

// closeJob returns when no job of this id, or of one that may follow it, can change a table any more: running ones are
// waited for, and the first id that no job has is taken. It leaves alone the id end and what follows it; zero is no
// end.
func (s *Store) closeJob(ctx context.Context, t *table.Schema, id, end jobID, labels map[string]string) error {
	for id != end {
		job, err := s.lookup(ctx, id)
		if hasCode(err, http.StatusNotFound) {
			err = s.occupy(ctx, id, labels)
			if hasCode(err, http.StatusConflict) { // the write came first
				continue
			}
			return s.explain(err, t)
		}
		if err != nil {
			return s.explain(err, t)
		}
		if status := job.LastStatus(); status == nil || !status.Done() {
			_ = s.bound(ctx, job.Cancel) // best effort: what counts is that it ends
		}
		result, ok, err := s.wait(ctx, job)
		if !ok {
			return s.explain(err, t)
		}
		if result == nil && label(job, labelPurpose) != purposeEmpty {
			return nil // its sender adopts it and sends no other
		}
		id = id.next()
	}
	return nil
}
