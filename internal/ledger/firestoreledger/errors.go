package firestoreledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gamefill/internal/failure"
)

// errConflict says that somebody else changed what a compare-and-set had read.
var errConflict = errors.New("changed meanwhile")

// marked gives an error of the service its class and says what to do about it. Errors of other origin stay as they are.
func (l *Ledger) marked(ctx context.Context, err error) error {
	if err == nil || failure.ClassOf(err) != failure.Transient {
		return err
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer in time from Firestore of project %s: %w", l.project, err)
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	switch {
	case s.Code() == codes.PermissionDenied || s.Code() == codes.Unauthenticated:
		err = fmt.Errorf("%w; grant roles/datastore.user on project %s to the account that this runs as", err, l.project)
		return failure.MarkEnvironment(err, "ledger_forbidden")
	case s.Code() == codes.NotFound:
		err = fmt.Errorf(
			"%w; create the Firestore database (Native mode) in project %s, and grant roles/datastore.user on it",
			err, l.project)
		return failure.MarkEnvironment(err, "ledger_not_found")
	case s.Code() == codes.FailedPrecondition && strings.Contains(s.Message(), "index"):
		err = fmt.Errorf("%w; make the indexes with publisher init", err)
		return failure.MarkEnvironment(err, "ledger_index_missing")
	case s.Code() == codes.FailedPrecondition && strings.Contains(s.Message(), "Datastore Mode"):
		err = fmt.Errorf("%w; name a Firestore database in Native mode in the ledger's address", err)
		return failure.MarkEnvironment(err, "ledger_wrong_mode")
	case s.Code() == codes.ResourceExhausted:
		return failure.Mark(err, failure.Quota, "ledger_quota")
	}
	return err
}

// retried reports whether the service asks for another try: nothing was changed, or a repeated change finds out.
func retried(err error) bool {
	if errors.Is(err, errConflict) {
		return true
	}
	switch status.Code(err) {
	case codes.Aborted, codes.Unavailable:
		return true
	}
	return false
}

// lostRace reports whether a commit failed because a document was not as its precondition said.
func lostRace(err error) bool {
	switch status.Code(err) {
	case codes.FailedPrecondition, codes.AlreadyExists:
		return true
	case codes.InvalidArgument: // a transaction that has ended already, perhaps by a commit whose answer was lost
		return strings.Contains(strings.ToLower(err.Error()), "transaction")
	case codes.NotFound: // of a document to be updated; that of the whole database shows at the read before
		return strings.Contains(err.Error(), "entity") || strings.Contains(err.Error(), "document to update")
	}
	return false
}
