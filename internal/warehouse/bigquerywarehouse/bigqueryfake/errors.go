package bigqueryfake

import (
	"encoding/json"
	"fmt"
	"net/http"

	bq "google.golang.org/api/bigquery/v2"
)

// apiError is a refusal of a call. Its JSON form is the service's (documentation, "Error messages").
type apiError struct {
	code     int
	reason   string
	message  string
	location string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.code, e.reason, e.message) }

func refusal(code int, reason, format string, args ...any) *apiError {
	return &apiError{code: code, reason: reason, message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *apiError {
	return refusal(http.StatusBadRequest, "invalid", format, args...)
}

func notFound(format string, args ...any) *apiError {
	return refusal(http.StatusNotFound, "notFound", "Not found: "+format, args...)
}

// unsupported says that the service may do what was asked, and the fake does not.
func unsupported(format string, args ...any) *apiError {
	return refusal(http.StatusNotImplemented, "notImplemented", "unsupported by the fake: "+format, args...)
}

// statuses are the canonical names of HTTP codes (google.rpc.Code).
var statuses = map[int]string{
	http.StatusBadRequest:          "INVALID_ARGUMENT",
	http.StatusForbidden:           "PERMISSION_DENIED",
	http.StatusNotFound:            "NOT_FOUND",
	http.StatusConflict:            "ALREADY_EXISTS",
	http.StatusPreconditionFailed:  "FAILED_PRECONDITION",
	http.StatusTooManyRequests:     "RESOURCE_EXHAUSTED",
	http.StatusInternalServerError: "INTERNAL",
	http.StatusNotImplemented:      "UNIMPLEMENTED",
	http.StatusServiceUnavailable:  "UNAVAILABLE",
}

func (e *apiError) body() []byte {
	type item struct {
		Message      string `json:"message"`
		Domain       string `json:"domain"`
		Reason       string `json:"reason"`
		Location     string `json:"location,omitempty"`
		LocationType string `json:"locationType,omitempty"`
	}
	var body struct {
		Error struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
			Errors  []item `json:"errors"`
			Status  string `json:"status,omitempty"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message, body.Error.Status = e.code, e.message, statuses[e.code]
	one := item{Message: e.message, Domain: "global", Reason: e.reason, Location: e.location}
	if e.location != "" {
		one.LocationType = "other"
	}
	body.Error.Errors = []item{one}
	text, err := json.Marshal(body)
	if err != nil { // strings and numbers only
		panic(err)
	}
	return text
}

// proto is the refusal as the error of a job.
func (e *apiError) proto() *bq.ErrorProto {
	return &bq.ErrorProto{Reason: e.reason, Message: e.message, Location: e.location}
}

// jobCodes are the HTTP codes that stand for the error of a query job in jobs.query and jobs.getQueryResults. Source:
// documentation, "Error messages", error table.
var jobCodes = map[string]int{
	"accessDenied": 403, "backendError": 503, "billingNotEnabled": 403, "blocked": 403, "bytesBilledLimitExceeded": 400,
	"duplicate": 409, "internalError": 500, "invalid": 400, "invalidQuery": 400, "jobBackendError": 400,
	"jobInternalError": 400, "jobRateLimitExceeded": 400, "notFound": 404, "notImplemented": 501, "quotaExceeded": 403,
	"rateLimitExceeded": 403, "resourceInUse": 400, "resourcesExceeded": 400, "responseTooLarge": 403,
	"stopped": 400, "tableUnavailable": 400, "timeout": 400,
}

// ofJob is the refusal that the error of a job becomes.
func ofJob(e *bq.ErrorProto) *apiError {
	code := jobCodes[e.Reason]
	if code == 0 {
		code = http.StatusBadRequest
	}
	return &apiError{code: code, reason: e.Reason, message: e.Message, location: e.Location}
}
