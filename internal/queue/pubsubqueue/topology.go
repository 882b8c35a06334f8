package pubsubqueue

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Topology holds the settings of the subscriptions; zero means the default.
type Topology struct {
	// AckDeadline is how long a message is held before the first extension, 10 s to 10 min. Default 60 s.
	AckDeadline time.Duration
	// RetryMin and RetryMax bound the pause before a redelivery. Default 10 s and 10 min, the service's maximum.
	RetryMin, RetryMax time.Duration
	// DeliveryAttempts is after how many deliveries the service forwards a message to the dead-letter topic by itself, 5
	// to 100. Only a backstop, because the ledger decides what is dead. Default 100.
	DeliveryAttempts int
}

func (t Topology) withDefaults() Topology {
	return Topology{
		AckDeadline: cmp.Or(t.AckDeadline, time.Minute), RetryMin: cmp.Or(t.RetryMin, 10*time.Second),
		RetryMax: cmp.Or(t.RetryMax, 10*time.Minute), DeliveryAttempts: cmp.Or(t.DeliveryAttempts, 100),
	}
}

// Action says what became of a resource.
type Action string

// The actions.
const (
	Exists  Action = "exists"  // there, as it should be
	Missing Action = "missing" // not there; a dry run leaves it so
	Created Action = "created"
	Drifted Action = "drifted" // there with other settings, which are left alone
)

// Finding is one resource of the topology.
type Finding struct {
	Kind   string // "topic" or "subscription"
	ID     string
	Action Action
	Drift  []string // for Drifted: one sentence a setting
}

// Create makes what is missing and leaves alone what is there.
func (q *Queue) Create(ctx context.Context) error {
	_, err := q.EnsureTopology(ctx, false)
	return err
}

// EnsureTopology looks at both topics and both subscriptions, and makes those that are missing unless dryRun. It changes
// nothing that exists: differences are reported as drift. Two calls at once are safe.
//
// For its own forwarding the service needs rights that are not set here: its agent
// service-NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com must be publisher of the dead-letter topic and subscriber of the
// workers' subscription.
func (q *Queue) EnsureTopology(ctx context.Context, dryRun bool) ([]Finding, error) {
	var findings []Finding
	for _, id := range []string{q.o.DeadLetterTopic, q.o.Topic} {
		f, err := q.ensureTopic(ctx, id, dryRun)
		if err != nil {
			return findings, fmt.Errorf("set up queue: %w", q.classify(ctx, err, resource{"topic", id, "roles/pubsub.editor"}))
		}
		findings = append(findings, f)
	}
	worker := q.subscriptionSettings(q.o.Subscription, q.o.Topic)
	worker.DeadLetterPolicy = &pubsubpb.DeadLetterPolicy{
		DeadLetterTopic: q.topicName(q.o.DeadLetterTopic), MaxDeliveryAttempts: int32(q.o.Topology.DeliveryAttempts)}
	for _, s := range []struct {
		id   string
		want *pubsubpb.Subscription
	}{{q.o.DeadLetterSubscription, q.subscriptionSettings(q.o.DeadLetterSubscription, q.o.DeadLetterTopic)}, {q.o.Subscription, worker}} {
		f, err := q.ensureSubscription(ctx, s.id, s.want, dryRun)
		if err != nil {
			return findings, fmt.Errorf("set up queue: %w", q.classify(ctx, err, resource{"subscription", s.id, "roles/pubsub.editor"}))
		}
		findings = append(findings, f)
	}
	return findings, nil
}

func (q *Queue) subscriptionSettings(id, topicID string) *pubsubpb.Subscription {
	return &pubsubpb.Subscription{
		Name: q.subscriptionName(id), Topic: q.topicName(topicID),
		AckDeadlineSeconds: int32(q.o.Topology.AckDeadline / time.Second),
		RetryPolicy:        &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(q.o.Topology.RetryMin), MaximumBackoff: durationpb.New(q.o.Topology.RetryMax)},
		ExpirationPolicy:   &pubsubpb.ExpirationPolicy{}, // without a time to live: never
	}
}

func (q *Queue) ensureTopic(ctx context.Context, id string, dryRun bool) (Finding, error) {
	f := Finding{Kind: "topic", ID: id, Action: Exists}
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := q.client.TopicAdminClient.GetTopic(bounded, &pubsubpb.GetTopicRequest{Topic: q.topicName(id)})
	if status.Code(err) != codes.NotFound {
		return f, err
	}
	if f.Action = Missing; dryRun {
		return f, nil
	}
	f.Action = Created
	_, err = q.client.TopicAdminClient.CreateTopic(bounded, &pubsubpb.Topic{Name: q.topicName(id)})
	if status.Code(err) == codes.AlreadyExists { // somebody was faster
		f.Action, err = Exists, nil
	}
	return f, err
}

func (q *Queue) ensureSubscription(ctx context.Context, id string, want *pubsubpb.Subscription, dryRun bool) (Finding, error) {
	f := Finding{Kind: "subscription", ID: id, Action: Exists}
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	get := &pubsubpb.GetSubscriptionRequest{Subscription: want.GetName()}
	got, err := q.client.SubscriptionAdminClient.GetSubscription(bounded, get)
	if status.Code(err) == codes.NotFound {
		if f.Action = Missing; dryRun {
			return f, nil
		}
		f.Action = Created
		_, err = q.client.SubscriptionAdminClient.CreateSubscription(bounded, want)
		if status.Code(err) != codes.AlreadyExists {
			return f, err
		}
		f.Action = Exists // somebody was faster, perhaps with other settings
		got, err = q.client.SubscriptionAdminClient.GetSubscription(bounded, get)
	}
	if err != nil {
		return f, err
	}
	if f.Drift = drift(want, got); len(f.Drift) > 0 {
		f.Action = Drifted
	}
	return f, nil
}

// drift compares what matters to the queue; labels, retention and the like are free.
func drift(want, got *pubsubpb.Subscription) (sentences []string) {
	differ := func(what string, have, wanted any) {
		if have != wanted {
			sentences = append(sentences, fmt.Sprintf("%s is %v, want %v", what, have, wanted))
		}
	}
	differ("topic", got.GetTopic(), want.GetTopic())
	differ("ack deadline", seconds(got.GetAckDeadlineSeconds()), seconds(want.GetAckDeadlineSeconds()))
	differ("minimum back-off", got.GetRetryPolicy().GetMinimumBackoff().AsDuration(), want.GetRetryPolicy().GetMinimumBackoff().AsDuration())
	differ("maximum back-off", got.GetRetryPolicy().GetMaximumBackoff().AsDuration(), want.GetRetryPolicy().GetMaximumBackoff().AsDuration())
	differ("dead-letter topic", got.GetDeadLetterPolicy().GetDeadLetterTopic(), want.GetDeadLetterPolicy().GetDeadLetterTopic())
	differ("delivery attempts", got.GetDeadLetterPolicy().GetMaxDeliveryAttempts(), want.GetDeadLetterPolicy().GetMaxDeliveryAttempts())
	differ("push endpoint", got.GetPushConfig().GetPushEndpoint(), "")
	differ("filter", got.GetFilter(), "")
	differ("detached", got.GetDetached(), false)
	// Without a policy the service deletes a subscription that nobody used for 31 days.
	differ("never expires", got.GetExpirationPolicy() != nil && got.GetExpirationPolicy().GetTtl() == nil, true)
	return sentences
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
