package pubsubqueue_test

import (
	"context"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc/codes"

	"gamefill/internal/failure"
	"gamefill/internal/setup"
)

// TestCheckFindsWhatLosesMessages spoils a complete queue in one way a case.
func TestCheckFindsWhatLosesMessages(t *testing.T) {
	t.Parallel()
	const topics, fold = "projects/project/topics/", "projects/project/subscriptions/dates-dead-fold"
	deleteTopic := func(id string) func(context.Context, *pubsub.Client) error {
		return func(ctx context.Context, c *pubsub.Client) error {
			return c.TopicAdminClient.DeleteTopic(ctx, &pubsubpb.DeleteTopicRequest{Topic: topics + id})
		}
	}
	deleteSubscription := func(name string) func(context.Context, *pubsub.Client) error {
		return func(ctx context.Context, c *pubsub.Client) error {
			return c.SubscriptionAdminClient.DeleteSubscription(ctx, &pubsubpb.DeleteSubscriptionRequest{Subscription: name})
		}
	}
	elsewhere := func(s *pubsubpb.Subscription) func(context.Context, *pubsub.Client) error {
		return func(ctx context.Context, c *pubsub.Client) error {
			if err := deleteSubscription(s.GetName())(ctx, c); err != nil {
				return err
			}
			if _, err := c.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: topics + "other"}); err != nil {
				return err
			}
			_, err := c.SubscriptionAdminClient.CreateSubscription(ctx, s)
			return err
		}
	}
	tests := []struct {
		name  string
		spoil func(context.Context, *pubsub.Client) error
		want  []string // nil for nothing wrong
	}{
		{"complete", nil, nil},
		{"without its topic", deleteTopic("dates"),
			[]string{"topic dates of project project is missing: publisher init makes it"}},
		{"without the dead-letter topic", func(ctx context.Context, c *pubsub.Client) error {
			if err := deleteSubscription(workers)(ctx, c); err != nil { // it forwards to that topic
				return err
			}
			return deleteTopic("dates-dead")(ctx, c)
		}, []string{"topic dates-dead of project project is missing",
			"subscription dates-worker of project project is missing"}},
		{"without its subscription", deleteSubscription(workers),
			[]string{"subscription dates-worker of project project is missing"}},
		{"dead letters that nobody keeps", deleteSubscription(fold),
			[]string{"subscription dates-dead-fold of project project is missing"}},
		{"subscription of another topic", elsewhere(&pubsubpb.Subscription{Name: workers, Topic: topics + "other"}),
			[]string{
				"subscription dates-worker of project project, topic: is projects/project/topics/other, want " +
					"projects/project/topics/dates: it cannot be changed"}},
		{"dead letters of another topic", elsewhere(&pubsubpb.Subscription{Name: fold, Topic: topics + "other"}),
			[]string{"subscription dates-dead-fold of project project, topic: is projects/project/topics/other"}},
		{"a filter", elsewhere(&pubsubpb.Subscription{Name: workers, Topic: topics + "dates", Filter: "attributes:x"}),
			[]string{"subscription dates-worker of project project, filter: is attributes:x, want none"}},
		{"push", elsewhere(
			&pubsubpb.Subscription{Name: workers, Topic: topics + "dates",
				PushConfig: &pubsubpb.PushConfig{PushEndpoint: "https://example.com"}}),
			[]string{"subscription dates-worker of project project, push endpoint: is https://example.com, want none"}},
		{"other settings lose nothing",
			elsewhere(&pubsubpb.Subscription{Name: workers, Topic: topics + "dates", AckDeadlineSeconds: 30}), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			q := create(t, options(server.Addr))
			if tt.spoil != nil {
				if err := tt.spoil(t.Context(), admin(t, server.Addr)); err != nil {
					t.Fatal(err)
				}
			}
			unseen, err := q.Check(t.Context())
			if len(unseen) > 0 || (err != nil) != (tt.want != nil) {
				t.Fatalf("got %v, %v, want an error with %q", unseen, err, tt.want)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			if err != nil && failure.ClassOf(err) != failure.Environment {
				t.Errorf("class: got %s, want environment", failure.ClassOf(err))
			}
		})
	}
}

// TestCheckIsNoRight: a worker may receive without being allowed to look.
func TestCheckIsNoRight(t *testing.T) {
	t.Parallel()
	server := pstest.NewServer(pstest.WithErrorInjection("GetSubscription", codes.PermissionDenied, "may not"),
		pstest.WithErrorInjection("GetTopic", codes.PermissionDenied, "may not"))
	t.Cleanup(func() { _ = server.Close() })
	unseen, err := newQueue(t, options(server.Addr)).Check(t.Context())
	if err != nil || len(unseen) != 4 || unseen[0].State != setup.Forbidden {
		t.Errorf("got %v, %v, want four unseen resources and no error", unseen, err)
	}
}
