package pubsubqueue_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc/codes"

	"gamefill/internal/failure"
	"gamefill/internal/queue"
)

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	publish := func(ctx context.Context, q queue.Queue) error {
		return errors.Join(q.Publish(ctx, []queue.Message{{Body: []byte("m")}})...)
	}
	letter := func(ctx context.Context, q queue.Queue) error {
		return q.PublishDeadLetter(ctx, queue.Message{Body: []byte("letter")})
	}
	receive := func(ctx context.Context, q queue.Queue) error {
		return q.Receive(ctx, 2, func(context.Context, queue.Delivery) {})
	}
	fold := func(ctx context.Context, q queue.Queue) error {
		_, err := q.FoldDeadLetters(ctx, func(context.Context, queue.DeadLetter) error { return nil })
		return err
	}
	tests := []struct {
		name   string
		call   func(context.Context, queue.Queue) error
		method string // that the server refuses, "" when nothing has been set up
		code   codes.Code
		stream bool
		class  failure.Class
		reason string
		says   []string
	}{
		{name: "no topic", call: publish, class: failure.Environment, reason: "topic_missing",
			says: []string{"topic dates of project project", "publisher init"}},
		{name: "no dead-letter topic", call: letter, class: failure.Environment, reason: "topic_missing",
			says: []string{"topic dates-dead"}},
		{name: "no subscription", call: receive, class: failure.Environment, reason: "subscription_missing",
			says: []string{"subscription dates-worker"}},
		{name: "no subscription for the stream", call: receive, stream: true, class: failure.Environment,
			reason: "subscription_missing", says: []string{"subscription dates-worker"}},
		{name: "no subscription to fold", call: fold, class: failure.Environment, reason: "subscription_missing",
			says: []string{"subscription dates-dead-fold"}},
		{name: "may not publish", call: publish, method: "Publish", code: codes.PermissionDenied, class: failure.Environment,
			reason: "topic_forbidden", says: []string{"topic dates", "roles/pubsub.publisher"}},
		{name: "may not receive", call: receive, method: "Pull", code: codes.PermissionDenied, class: failure.Environment,
			reason: "subscription_forbidden", says: []string{"subscription dates-worker", "roles/pubsub.subscriber"}},
		{name: "quota", call: fold, method: "Pull", code: codes.ResourceExhausted, class: failure.Quota,
			reason: "pubsub_quota", says: []string{"subscription dates-dead-fold"}},
		{name: "bad request", call: publish, method: "Publish", code: codes.InvalidArgument, class: failure.Permanent,
			reason: "bad_request", says: []string{"topic dates"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var reactors []pstest.ServerReactorOption
			if tt.method != "" {
				reactors = append(reactors, pstest.WithErrorInjection(tt.method, tt.code, "as told"))
			}
			server := pstest.NewServer(reactors...)
			t.Cleanup(func() { _ = server.Close() })
			o := options(server.Addr)
			o.UnaryPull = !tt.stream
			q := newQueue(t, o)
			err := tt.call(t.Context(), q)
			if err == nil || failure.ClassOf(err) != tt.class || failure.ReasonOf(err) != tt.reason {
				t.Errorf("got %v: %v %s, want %v %s", err, failure.ClassOf(err), failure.ReasonOf(err), tt.class, tt.reason)
			}
			for _, s := range tt.says {
				if err != nil && !strings.Contains(err.Error(), s) {
					t.Errorf("got %v, want %q in it", err, s)
				}
			}
		})
	}
}

func TestReceiveRefusesNoHandlers(t *testing.T) {
	t.Parallel()
	q := create(t, options(newServer(t).Addr))
	err := q.Receive(t.Context(), 0, func(context.Context, queue.Delivery) {})
	if err == nil || failure.ClassOf(err) != failure.Permanent {
		t.Errorf("got %v, want a permanent error", err)
	}
}
