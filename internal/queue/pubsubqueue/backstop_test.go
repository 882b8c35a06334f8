package pubsubqueue_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"gamefill/internal/queue"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/setup"
)

// TestDeadLetterPathIsLookedAt spoils one thing on the way of dead letters a case: each has its own finding, which says
// what to do, and looking publishes nothing.
func TestDeadLetterPathIsLookedAt(t *testing.T) {
	t.Parallel()
	const publish, consume = "pubsub.topics.publish", "pubsub.subscriptions.consume"
	agents := []string{"serviceAccount:service-123@gcp-sa-pubsub.iam.gserviceaccount.com"}
	both := []string{"roles/pubsub.publisher", "roles/pubsub.subscriber"}
	tests := []struct {
		name     string
		granted  []string
		policy   []string               // roles that the service's agent has
		remake   *pubsubpb.Subscription // deleted, and made as it is unless it has no topic
		resource string                 // of the finding
		words    string                 // of its advice
	}{
		{"no right to publish dead letters", []string{consume}, both, nil,
			"topic dates-dead of project project, right of this account", "roles/pubsub.publisher"},
		{"no right to receive", []string{publish}, both, nil,
			"subscription dates-worker of project project, right of this account", "roles/pubsub.subscriber"},
		{"the service may not forward", []string{publish, consume}, []string{"roles/pubsub.subscriber"}, nil,
			"topic dates-dead of project project, right of the Pub/Sub service agent", "roles/pubsub.publisher"},
		{"the service may not take what it forwards", []string{publish, consume}, []string{"roles/pubsub.publisher"}, nil,
			"subscription dates-worker of project project, right of the Pub/Sub service agent", "roles/pubsub.subscriber"},
		{"nobody keeps dead letters", []string{publish, consume}, both,
			&pubsubpb.Subscription{Name: "projects/project/subscriptions/dates-dead-fold"},
			"subscription dates-dead-fold of project project", ""},
		{"three deliveries", []string{publish, consume}, both,
			&pubsubpb.Subscription{Name: workers, Topic: "projects/project/topics/dates", AckDeadlineSeconds: 10,
				DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{
					DeadLetterTopic: "projects/project/topics/dates-dead", MaxDeliveryAttempts: 3}},
			"subscription dates-worker of project project, delivery attempts", "--max-delivery-attempts=100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			o := options(server.Addr)
			create(t, o)
			if tt.remake != nil {
				client := admin(t, server.Addr).SubscriptionAdminClient
				err := client.DeleteSubscription(t.Context(),
					&pubsubpb.DeleteSubscriptionRequest{Subscription: tt.remake.GetName()})
				if err == nil && tt.remake.GetTopic() != "" {
					_, err = client.CreateSubscription(t.Context(), tt.remake)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			policy := &iampb.Policy{}
			for _, role := range tt.policy {
				policy.Bindings = append(policy.Bindings, &iampb.Binding{Role: role, Members: agents})
			}
			o.ClientOptions = append(o.ClientOptions,
				option.WithGRPCDialOption(grpc.WithUnaryInterceptor(rightsOf(tt.granted, policy, nil))))
			findings, err := newQueue(t, o).Ensure(t.Context(), setup.Check)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(findings, func(f setup.Finding) bool {
				return strings.HasPrefix(f.Resource, tt.resource) && f.State != setup.Present
			})
			if i < 0 || !strings.Contains(findings[i].Advice, tt.words) {
				t.Errorf("got %+v, want a finding of %q with advice about %q", findings, tt.resource, tt.words)
			}
			if n := len(server.Messages()); n != 0 {
				t.Errorf("messages: got %d, want none", n)
			}
		})
	}
}

// TestServiceForwards runs on pstest what [TestConformanceOnEmulator] runs on the emulator.
func TestServiceForwards(t *testing.T) {
	t.Parallel()
	forwards(t, options(newServer(t).Addr))
}

// forwards: what nobody ends is delivered as often as the subscription says, and is then a dead letter.
func forwards(t *testing.T, o pubsubqueue.Options) {
	t.Helper()
	const deliveries = 5
	o.Topology.DeliveryAttempts = deliveries
	q := create(t, o)
	publish(t, q, "m")
	got := make(chan int, 2*deliveries)
	cancel, done := receive(t, q, 1, func(ctx context.Context, d queue.Delivery) {
		got <- d.DeliveryCount()
		if err := d.Nack(ctx, 0); err != nil {
			t.Errorf("nack: %v", err)
		}
	})
	var counts []int
	for range deliveries {
		counts = append(counts, wait(t, got, "a delivery"))
	}
	if want := []int{1, 2, 3, 4, 5}; !slices.Equal(counts, want) {
		t.Errorf("delivery counts: got %v, want %v", counts, want)
	}
	var letters []string
	for end := time.Now().Add(patience); len(letters) == 0 && time.Now().Before(end); {
		_, err := q.FoldDeadLetters(t.Context(), func(_ context.Context, l queue.DeadLetter) error {
			letters = append(letters, string(l.Message.Body))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := wait(t, done, "Receive to return"); err != nil {
		t.Error(err)
	}
	if !slices.Equal(slices.Compact(letters), []string{"m"}) || len(got) != 0 {
		// at least once: pstest may forward it twice
		t.Errorf("got letters %q and %d deliveries beyond the %d, want the message and none", letters, len(got), deliveries)
	}
}

// limits notes what streams ask of the server.
type limits struct {
	grpc.ClientStream
	most *atomic.Int64
}

func (l limits) SendMsg(m any) error {
	if r, ok := m.(*pubsubpb.StreamingPullRequest); ok && r.GetSubscription() != "" {
		l.most.Store(r.GetMaxOutstandingMessages())
	}
	return l.ClientStream.SendMsg(m)
}

// TestStreamAsksForNoMoreThanItsHandlers: the service is told how many messages may be out, so none is held unstarted.
func TestStreamAsksForNoMoreThanItsHandlers(t *testing.T) {
	t.Parallel()
	var most, streams atomic.Int64
	o := options(newServer(t).Addr)
	o.UnaryPull = false
	o.ClientOptions = append(o.ClientOptions, option.WithGRPCDialOption(grpc.WithStreamInterceptor(
		func(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer,
			opts ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := open(ctx, d, cc, method, opts...)
			streams.Add(1)
			return limits{s, &most}, err
		})))
	q := create(t, o)
	publish(t, q, "m")
	got := make(chan struct{}, 1)
	cancel, done := receive(t, q, 4, func(ctx context.Context, d queue.Delivery) {
		if err := d.Ack(ctx); err != nil {
			t.Errorf("ack: %v", err)
		}
		got <- struct{}{}
	})
	wait(t, got, "a delivery")
	cancel()
	if err := wait(t, done, "Receive to return"); err != nil {
		t.Error(err)
	}
	if most.Load() != 4 || streams.Load() != 1 {
		t.Errorf("got %d messages at once on %d streams, want 4 on 1", most.Load(), streams.Load())
	}
}
