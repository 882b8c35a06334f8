package bigquerywarehouse

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"

	"gamefill/internal/failure"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

var box = &table.Schema{Dataset: "nba_raw", Name: "box", Columns: []table.Column{{Name: "id", Type: table.INT64}}}

func refused(code int, reason, message string) error {
	e := &googleapi.Error{Code: code, Message: message}
	if reason != "" {
		e.Errors = []googleapi.ErrorItem{{Reason: reason, Message: message}}
	}
	return e
}

func failed(reason, message string) error { return &bigquery.Error{Reason: reason, Message: message} }

func TestExplain(t *testing.T) {
	t.Parallel()
	s, err := New(t.Context(),
		Options{Project: "billing", Location: "US", Endpoint: "http://127.0.0.1:1",
			Datasets:       map[string]string{"nba_raw": "league.raw_data", "nba_analytics": "league.lines"},
			TargetDatasets: []string{"nba_analytics"}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		err    error
		class  failure.Class
		reason string
		again  bool
		say    []string
	}{
		{"too many changes",
			failed("rateLimitExceeded", "Exceeded rate limits: too many table update operations for this table"), failure.Quota,
			"rate_limit", true, nil},
		{"too many requests", refused(429, "", "slow down"), failure.Quota, "rate_limit", true, nil},
		{"daily quota", refused(403, "quotaExceeded", "Quota exceeded"), failure.Quota, "daily_quota", false, nil},
		{"server error", refused(503, "", "try later"), failure.Transient, "backend_error", true, nil},
		{"server error in a job", failed("backendError", "internal"), failure.Transient, "backend_error", true, nil},
		{"lost reply", &url.Error{Op: "Post", URL: "/", Err: errors.New("EOF")}, failure.Transient, "error", true, nil},
		{"own deadline", fmt.Errorf("insert: %w", context.DeadlineExceeded), failure.Transient, "timeout", true, nil},
		{"job that ran too long", failed("timeout", "Job timed out after 45s"), failure.Transient, "job_timeout", false,
			[]string{"may run 45s", "--lease-ttl"}},
		{"cancelled job", failed("stopped", "Job execution was cancelled"), failure.Transient, "job_stopped", false, nil},
		{"no right on a table",
			refused(403, "accessDenied", "Access Denied: Table league:raw_data.box: Permission bigquery.tables.getData denied"),
			failure.Environment, "access_denied", false, []string{"roles/bigquery.dataViewer", "league.raw_data"}},
		{"no right to write",
			refused(403, "accessDenied", "Access Denied: Table league:raw_data.box: "+
				"Permission bigquery.tables.updateData denied"),
			failure.Environment, "access_denied", false, []string{"roles/bigquery.dataEditor", "league.raw_data"}},
		{"rows that are hidden",
			refused(403, "accessDenied", "Access Denied: Table league:raw_data.box: "+
				"Permission bigquery.rowAccessPolicies.getFilteredData denied"),
			failure.Environment, "access_denied", false, []string{"row access policy"}},
		{"no right to make jobs",
			refused(403, "accessDenied", "Access Denied: Project billing: User does not have bigquery.jobs.create permission"),
			failure.Environment, "access_denied", false, []string{"roles/bigquery.jobUser", "project billing"}},
		{"no table", refused(404, "notFound", "Not found: Table league:raw_data.box"), failure.Environment, "no_table", false,
			[]string{"league.raw_data.box", "publisher init"}},
		{"no dataset", refused(404, "notFound", "Not found: Dataset league:raw_data"), failure.Environment, "no_dataset",
			false, []string{"create the dataset in location US"}},
		{"dataset elsewhere", refused(404, "notFound", "Not found: Dataset league:raw_data was not found in location US"),
			failure.Environment, "wrong_location", false, []string{"location US"}},
		{"no project", refused(404, "notFound", "Not found: Project league"), failure.Environment, "no_project", false, nil},
		{"rows of another form", failed("invalid", "Error while reading data, error message: JSON parsing error in row 1"),
			failure.Permanent, "bad_row", false, nil},
		{"schema changed under way", failed("invalid", "Provided Schema does not match Table league:raw_data.box$20220115"),
			failure.Environment, "schema_mismatch", false, []string{"publisher init --check"}},
		{"request of another form", refused(400, "invalid", "Invalid value"), failure.Environment, "invalid_request",
			false, nil},
		{"dear query", failed("bytesBilledLimitExceeded", "Query exceeded limit for bytes billed"), failure.Environment,
			"bytes_billed", false, []string{"10737418240"}},
		{"unknown reason", refused(418, "teapot", "no"), failure.Transient, "error", false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := judge(tt.err).again; got != tt.again {
				t.Errorf("again: got %v, want %v", got, tt.again)
			}
			err := s.explain(fmt.Errorf("call: %w", tt.err), box)
			if failure.ClassOf(err) != tt.class || failure.ReasonOf(err) != tt.reason {
				t.Errorf("got %v (%v, %s), want %v, %s", err, failure.ClassOf(err), failure.ReasonOf(err), tt.class, tt.reason)
			}
			for _, say := range tt.say {
				if !strings.Contains(err.Error(), say) {
					t.Errorf("error %q does not mention %q", err, say)
				}
			}
			if errors.Is(err, warehouse.ErrNoTable) != (tt.reason == "no_table") {
				t.Errorf("%v is or is not %v", err, warehouse.ErrNoTable)
			}
		})
	}
	target := &table.Schema{Dataset: "nba_analytics", Name: "lines", Columns: box.Columns}
	err = s.explain(refused(403, "accessDenied", "Access Denied: Permission bigquery.tables.getData denied"), target)
	if want := "roles/bigquery.dataEditor on dataset league.lines"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("no right on the target: got %v, want %s, which writing takes too", err, want)
	}
	for _, err := range []error{nil, context.Canceled, fmt.Errorf("job: %w", warehouse.ErrFenced)} {
		if got := s.explain(err, box); got != err {
			t.Errorf("got %v, want %v as it is", got, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), Options{Datasets: map[string]string{"nba_raw": "raw"}, Lease: -1})
	for _, want := range []string{"billing project", `"raw"`, "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that mentions %q", err, want)
		}
	}
}
