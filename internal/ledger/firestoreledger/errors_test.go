package firestoreledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gamefill/internal/failure"
	"gamefill/internal/ledger"
)

func TestErrorClasses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		err    error
		class  failure.Class
		reason string
		advice string
	}{
		{"forbidden", status.Error(codes.PermissionDenied, "no"), failure.Environment, "ledger_forbidden",
			"roles/datastore.user on project p"},
		{"no credentials", status.Error(codes.Unauthenticated, "no"), failure.Environment, "ledger_forbidden",
			"roles/datastore.user"},
		{"no database", status.Error(codes.NotFound, "The database (default) does not exist"), failure.Environment,
			"ledger_not_found", "create the Firestore database"},
		{"no index", status.Error(codes.FailedPrecondition, "The query requires an index."), failure.Environment,
			"ledger_index_missing", "publisher init"},
		{"datastore mode", status.Error(codes.FailedPrecondition, "not available for Firestore in Datastore Mode database d"),
			failure.Environment, "ledger_wrong_mode", "Native mode"},
		{"quota", status.Error(codes.ResourceExhausted, "slow"), failure.Quota, "ledger_quota", ""},
		{"no answer", fmt.Errorf("read: %w", context.DeadlineExceeded), failure.Transient, "timeout",
			"no answer in time from Firestore of project p"},
		{"unavailable", status.Error(codes.Unavailable, "later"), failure.Transient, "error", ""},
		{"lost race", errConflict, failure.Transient, "error", ""},
		{"lost lease", ledger.ErrLeaseLost, failure.Transient, "error", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := &Ledger{project: "p"}
			got := l.marked(t.Context(), tt.err)
			if class, reason := failure.ClassOf(got), failure.ReasonOf(got); class != tt.class || reason != tt.reason {
				t.Errorf("got %s, %s, want %s, %s", class, reason, tt.class, tt.reason)
			}
			if !errors.Is(got, tt.err) || !strings.Contains(got.Error(), tt.advice) {
				t.Errorf("got error %q, want one that wraps the cause and says %q", got, tt.advice)
			}
		})
	}
}

func TestErrorOfCancelledContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := &Ledger{project: "p"}
	if got := l.marked(ctx, status.Error(codes.Canceled, "gone")); !errors.Is(got, context.Canceled) {
		t.Errorf("got %v, want one that wraps context.Canceled", got)
	}
}

// TestAgain: lost races and passing troubles are tried again, refusals and other errors are not.
func TestAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		err   error
		tries int
	}{
		{"lost race", errConflict, 3},
		{"aborted", status.Error(codes.Aborted, "contention"), 3},
		{"unavailable", status.Error(codes.Unavailable, "down"), 3},
		{"forbidden", status.Error(codes.PermissionDenied, "no"), 1},
		{"refused", refuse(ledger.ErrLeaseLost), 1},
		{"refused by the caller, whatever it wraps", &refusal{errConflict}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			err := (&Ledger{}).again(t.Context(), func(context.Context) error {
				if tries++; tries < 3 {
					return tt.err
				}
				return nil
			})
			if tries != tt.tries || (err == nil) != (tt.tries == 3) {
				t.Errorf("got %d tries and error %v, want %d tries", tries, err, tt.tries)
			}
		})
	}
}
