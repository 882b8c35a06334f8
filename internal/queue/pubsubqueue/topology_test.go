package pubsubqueue_test

import (
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"gamefill/internal/queue/pubsubqueue"
)

// actions are the findings in short, and all sentences of drift.
func actions(findings []pubsubqueue.Finding) (short, drift []string) {
	for _, f := range findings {
		short = append(short, f.Kind+" "+f.ID+" "+string(f.Action))
		drift = append(drift, f.Drift...)
	}
	return short, drift
}

func TestTopology(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	o := options(server.Addr)
	o.Topology = pubsubqueue.Topology{} // the defaults
	q := newQueue(t, o)
	ensure := func(q *pubsubqueue.Queue, dryRun bool, action string, wantDrift ...string) {
		t.Helper()
		findings, err := q.EnsureTopology(t.Context(), dryRun)
		if err != nil {
			t.Fatal(err)
		}
		short, drift := actions(findings)
		want := []string{"topic dates-dead exists", "topic dates exists",
			"subscription dates-dead-fold " + action, "subscription dates-worker " + action}
		if action != "drifted" {
			want[0], want[1] = "topic dates-dead "+action, "topic dates "+action
		}
		if diff := cmp.Diff(want, short); diff != "" {
			t.Errorf("findings (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(wantDrift, drift); diff != "" {
			t.Errorf("drift (-want +got):\n%s", diff)
		}
	}
	ensure(q, true, "missing")
	ensure(q, true, "missing") // the first look has made nothing
	ensure(q, false, "created")
	ensure(q, false, "exists")

	client, err := pubsub.NewClient(t.Context(), "project", at(server.Addr)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	got, err := client.SubscriptionAdminClient.GetSubscription(t.Context(), &pubsubpb.GetSubscriptionRequest{Subscription: "projects/project/subscriptions/dates-worker"})
	if err != nil {
		t.Fatal(err)
	}
	want := &pubsubpb.Subscription{
		Name: "projects/project/subscriptions/dates-worker", Topic: "projects/project/topics/dates", AckDeadlineSeconds: 60,
		RetryPolicy:      &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(10 * time.Second), MaximumBackoff: durationpb.New(600 * time.Second)},
		DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: "projects/project/topics/dates-dead", MaxDeliveryAttempts: 100},
		ExpirationPolicy: &pubsubpb.ExpirationPolicy{},
	}
	ignore := protocmp.IgnoreFields(&pubsubpb.Subscription{}, "message_retention_duration", "push_config", "state")
	if diff := cmp.Diff(want, got, protocmp.Transform(), ignore); diff != "" {
		t.Errorf("subscription of the workers (-want +got):\n%s", diff)
	}

	o.Topology = pubsubqueue.Topology{AckDeadline: 20 * time.Second, DeliveryAttempts: 5}
	ensure(newQueue(t, o), false, "drifted",
		"ack deadline is 1m0s, want 20s", // of the dead letters' subscription
		"ack deadline is 1m0s, want 20s", "delivery attempts is 100, want 5")
	ensure(q, false, "exists") // drift has been reported, not repaired
}

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		o    pubsubqueue.Options
		want []string
	}{
		{"nothing", pubsubqueue.Options{}, []string{"the project is missing", "the topic is missing"}},
		{"own dead-letter topic", pubsubqueue.Options{Project: "p", Topic: "t", DeadLetterTopic: "t"}, []string{"topic t is its own dead-letter topic"}},
		{"short extension", pubsubqueue.Options{Project: "p", Topic: "t", Extension: time.Second}, []string{"extension 1s: want 10s to 10m"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := pubsubqueue.New(t.Context(), tt.o)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}
