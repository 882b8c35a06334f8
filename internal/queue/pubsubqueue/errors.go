package pubsubqueue

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gamefill/internal/failure"
)

// resource is what a call was about, and the role that permits it.
type resource struct {
	kind, id, role string
}

func topic(id string) resource { return resource{"topic", id, "roles/pubsub.publisher"} }

func subscription(id string) resource {
	return resource{"subscription", id, "roles/pubsub.subscriber"}
}

// named is a resource in words.
func (q *Queue) named(r resource) string {
	return fmt.Sprintf("%s %s of project %s", r.kind, r.id, q.o.Project)
}

// classify marks err with its failure class and says what to do. The error of an ended ctx stays recognisable.
func (q *Queue) classify(ctx context.Context, err error, r resource) error {
	where := q.named(r)
	switch status.Code(err) {
	case codes.NotFound:
		return failure.MarkEnvironment(
			fmt.Errorf("%s is missing: create it with publisher init, or correct the queue's address: %w", where, err),
			r.kind+"_missing")
	case codes.PermissionDenied, codes.Unauthenticated:
		return failure.MarkEnvironment(fmt.Errorf("%s: access refused: grant this account %s on it: %w", where, r.role, err),
			r.kind+"_forbidden")
	case codes.ResourceExhausted:
		return failure.Mark(fmt.Errorf("%s: %w", where, err), failure.Quota, "pubsub_quota")
	case codes.InvalidArgument:
		return failure.MarkPermanent(fmt.Errorf("%s: %w", where, err), "bad_request")
	case codes.Canceled, codes.DeadlineExceeded:
		if ended := ctx.Err(); ended != nil {
			return fmt.Errorf("%s: %w", where, ended)
		}
	}
	return fmt.Errorf("%s: %w", where, err)
}

// lasting reports whether receiving cannot go on after an error with this code: trying again would not help.
func lasting(err error) bool {
	switch status.Code(err) {
	case codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.InvalidArgument, codes.FailedPrecondition,
		codes.Unimplemented:
		return true
	}
	return false
}
