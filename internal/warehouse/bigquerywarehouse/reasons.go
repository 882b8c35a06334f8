package bigquerywarehouse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"

	"gamefill/internal/failure"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// verdict is what an error reason of the service means.
type verdict struct {
	class  failure.Class
	reason string
	// again says that the same content may be sent once more right away: the refusal had nothing to do with it.
	again bool
}

// Reason codes that more than one place uses.
const (
	rateLimited    = "rate_limit"
	schemaMismatch = "schema_mismatch"
	badRow         = "bad_row"
	noDataset      = "no_dataset"
	jobTimedOut    = "job_timeout" // the job ran longer than it may
	// dailyQuota is the reason at which a worker pauses the run until tomorrow.
	dailyQuota = "daily_quota"
)

// reasons is the one table of what the service says. Sources: BigQuery documentation, "Error messages" (error table:
// reason, HTTP code, what to do) and "Quotas and limits"; which of them the client tries again by itself is in its
// source, bigquery.go, defaultRetryReasons and jobRetryReasons.
var reasons = map[string]verdict{
	"rateLimitExceeded":        {failure.Quota, rateLimited, true}, // 403; too many changes of one table in 10 s
	"jobRateLimitExceeded":     {failure.Quota, rateLimited, true}, // 400
	"quotaExceeded":            {failure.Quota, dailyQuota, false}, // 403; changes, loads or bytes of a day
	"backendError":             {failure.Transient, "backend_error", true},
	"internalError":            {failure.Transient, "backend_error", true},
	"jobBackendError":          {failure.Transient, "backend_error", true},
	"jobInternalError":         {failure.Transient, "backend_error", true},
	"tableUnavailable":         {failure.Transient, "backend_error", true},
	"timeout":                  {failure.Transient, jobTimedOut, false},
	"stopped":                  {failure.Transient, "job_stopped", false},
	"resourcesExceeded":        {failure.Transient, "resources_exceeded", false},
	"accessDenied":             {failure.Environment, "access_denied", false},
	"authError":                {failure.Environment, "access_denied", false},
	"required":                 {failure.Environment, "access_denied", false}, // 401, no credentials
	"forbidden":                {failure.Environment, "access_denied", false},
	"accessNotConfigured":      {failure.Environment, "access_denied", false}, // the API is switched off
	"billingNotEnabled":        {failure.Environment, "billing", false},
	"blocked":                  {failure.Environment, "billing", false},
	"bytesBilledLimitExceeded": {failure.Environment, "bytes_billed", false}, // dearer than MaxBytesBilled
	"notFound":                 {failure.Environment, "not_found", false},
	"invalid":                  {failure.Permanent, badRow, false}, // of a load job: rows that the table refuses
	"invalidQuery":             {failure.Environment, schemaMismatch, false},
	"responseTooLarge":         {failure.Environment, "response_too_large", false},
}

// codes is what HTTP codes mean whose reason is not in the table.
var codes = map[int]verdict{
	http.StatusTooManyRequests:     {failure.Quota, rateLimited, true},
	http.StatusUnauthorized:        {failure.Environment, "access_denied", false},
	http.StatusForbidden:           {failure.Environment, "access_denied", false},
	http.StatusNotFound:            {failure.Environment, "not_found", false},
	http.StatusInternalServerError: {failure.Transient, "backend_error", true},
	http.StatusBadGateway:          {failure.Transient, "backend_error", true},
	http.StatusServiceUnavailable:  {failure.Transient, "backend_error", true},
	http.StatusGatewayTimeout:      {failure.Transient, "backend_error", true},
}

// serviceError takes the service's own words out of an error: a refused call, or a job that is DONE with an error.
func serviceError(err error) (code int, reason, message string, ok bool) {
	if refused, is := errors.AsType[*googleapi.Error](err); is {
		if len(refused.Errors) > 0 {
			reason = refused.Errors[0].Reason
		}
		return refused.Code, reason, refused.Message, true
	}
	if failed, is := errors.AsType[*bigquery.Error](err); is {
		return 0, failed.Reason, failed.Message, true
	}
	return 0, "", "", false
}

// hasCode reports whether the service answered with an HTTP code.
func hasCode(err error, code int) bool {
	got, _, _, ok := serviceError(err)
	return ok && got == code
}

// judge is the verdict on an error.
func judge(err error) verdict {
	code, reason, message, ok := serviceError(err)
	if !ok { // the reply was lost, or never came
		return verdict{failure.Transient, failure.ReasonOf(err), true}
	}
	v, known := reasons[reason]
	if !known {
		v = codes[code] // the zero verdict is transient
	}
	switch {
	case v.reason == badRow && strings.Contains(message, "Provided Schema does not match"),
		v.reason == badRow && strings.Contains(message, "No such field"):
		// Wording of load jobs that disagree with the table's columns.
		return verdict{failure.Environment, schemaMismatch, false}
	case v.reason == badRow && code != 0: // a call, not a job: no row is to blame
		return verdict{failure.Environment, "invalid_request", false}
	case v.reason == "":
		v.reason = "error"
	}
	return v
}

// explain classifies an error of one call, or of one job, on a table and tells the operator what to do; t may be nil.
// The errors of a cancelled ctx and of a lost fence pass as they are.
func (s *Store) explain(err error, t *table.Schema) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, warehouse.ErrFenced) {
		return err
	}
	v := judge(err)
	switch v.reason {
	case "not_found":
		return s.notFound(err, t)
	case "access_denied":
		err = fmt.Errorf("%w; %s", err, s.roleAdvice(err, t))
	case "bytes_billed":
		err = fmt.Errorf("%w: a query may cost %d bytes", err, s.options.MaxBytesBilled)
	case jobTimedOut:
		err = fmt.Errorf("%w: it may run %s, three quarters of the lease: work with a longer --lease-ttl", err,
			s.options.jobTimeout())
	case schemaMismatch:
		err = fmt.Errorf("%w: compare the table with its schema: publisher init --check", err)
	}
	return failure.Mark(err, v.class, v.reason)
}

// notFound says what is missing. The service names it in its message: "Not found: Table p:d.t", "Not found: Dataset p:d
// was not found in location EU". Source: BigQuery documentation, "Error messages", notFound; and the wording of the
// live service, which only chooses the words here, never whether something is done.
func (s *Store) notFound(err error, t *table.Schema) error {
	_, _, message, _ := serviceError(err)
	switch {
	case strings.Contains(message, "was not found in location"):
		return failure.MarkEnvironment(
			fmt.Errorf("%w: the warehouse's address says location %s; name the location of the dataset there",
				err, s.options.Location), "wrong_location")
	case strings.Contains(message, "Dataset"):
		return failure.MarkEnvironment(
			fmt.Errorf("%w: create the dataset in location %s, or name another in the warehouse's address",
				err, s.options.Location), noDataset)
	case strings.Contains(message, "Project"):
		return failure.MarkEnvironment(fmt.Errorf("%w: check the projects in the warehouse's address", err), "no_project")
	case t != nil && (strings.Contains(message, "Table") || message == ""):
		return s.noTable(t)
	}
	return failure.MarkEnvironment(err, "not_found")
}

func (s *Store) noTable(t *table.Schema) error {
	return failure.MarkEnvironment(fmt.Errorf("%w: %s (%s): make it with publisher init, or load it if it is a raw table",
		warehouse.ErrNoTable, t.FullName(), s.options.Datasets[t.Dataset]+"."+t.Name), "no_table")
}

// roleAdvice names the resource and the role that lets this account in. Source: BigQuery documentation, "IAM roles and
// permissions": jobUser holds bigquery.jobs.create, dataViewer reads the tables of a dataset, dataEditor writes them
// too; and "Introduction to row-level security": who is to see rows under a policy is named by the policy.
func (s *Store) roleAdvice(err error, t *table.Schema) string {
	_, _, message, _ := serviceError(err)
	project := fmt.Sprintf("grant roles/bigquery.jobUser on project %s", s.options.Project)
	switch {
	case strings.Contains(message, "bigquery.jobs") || strings.Contains(message, "Access Denied: Project"):
		return project
	case strings.Contains(message, "bigquery.rowAccessPolicies"):
		return "let a row access policy of the table show all of its rows to this account"
	case t != nil && strings.Contains(message, "bigquery.tables.get") &&
		!slices.Contains(s.options.TargetDatasets, t.Dataset):
		return fmt.Sprintf("grant roles/bigquery.dataViewer on dataset %s", s.options.Datasets[t.Dataset])
	case t != nil:
		return fmt.Sprintf("grant roles/bigquery.dataEditor on dataset %s", s.options.Datasets[t.Dataset])
	}
	return project
}

// schemaError marks a difference between live table and schema as the environment's fault.
func schemaError(t *table.Schema, problems []string) error {
	return failure.MarkEnvironment(&warehouse.SchemaError{Table: t.FullName(), Problems: problems}, schemaMismatch)
}

func (s *Store) wrongLocation(t *table.Schema, location string) error {
	return failure.MarkEnvironment(
		fmt.Errorf("dataset %s is in location %s, the warehouse's address says %s: name its location there",
			s.options.Datasets[t.Dataset], location, s.options.Location), "wrong_location")
}
