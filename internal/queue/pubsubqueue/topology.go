package pubsubqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"gamefill/internal/setup"
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

// Ensure looks at both topics and both subscriptions, and makes those that are missing in mode [setup.Make]. It changes
// nothing that exists: each setting of a subscription that is not as wanted is a finding with the command that mends
// it. In mode [setup.Check] it also asks what this account may do.
//
// For its own forwarding the service needs rights that are not granted here: its agent must be publisher of the
// dead-letter topic and subscriber of the workers' subscription. Two findings say how that stands. The package setup
// says what holds of every Ensure.
func (q *Queue) Ensure(ctx context.Context, mode setup.Mode) ([]setup.Finding, error) {
	if err := q.o.Reach.Check(ctx); err != nil {
		return nil, fmt.Errorf("set up queue: %w", err)
	}
	var findings []setup.Finding
	var errs []error
	look := func(more []setup.Finding, err error) {
		findings, errs = append(findings, more...), append(errs, err)
	}
	look(q.ensureTopic(ctx, q.o.DeadLetterTopic, mode))
	look(q.ensureTopic(ctx, q.o.Topic, mode))
	look(q.ensureSubscription(ctx, q.o.DeadLetterSubscription,
		q.subscriptionSettings(q.o.DeadLetterSubscription, q.o.DeadLetterTopic), mode))
	worker := q.subscriptionSettings(q.o.Subscription, q.o.Topic)
	worker.DeadLetterPolicy = &pubsubpb.DeadLetterPolicy{
		DeadLetterTopic: q.topicName(q.o.DeadLetterTopic), MaxDeliveryAttempts: int32(q.o.Topology.DeliveryAttempts)}
	look(q.ensureSubscription(ctx, q.o.Subscription, worker, mode))
	look(q.rights(ctx, mode))
	if err := errors.Join(errs...); err != nil {
		return findings, fmt.Errorf("set up queue: %w", err)
	}
	return findings, nil
}

func (q *Queue) subscriptionSettings(id, topicID string) *pubsubpb.Subscription {
	return &pubsubpb.Subscription{
		Name: q.subscriptionName(id), Topic: q.topicName(topicID),
		AckDeadlineSeconds: int32(q.o.Topology.AckDeadline / time.Second),
		RetryPolicy: &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(q.o.Topology.RetryMin),
			MaximumBackoff: durationpb.New(q.o.Topology.RetryMax)},
		ExpirationPolicy: &pubsubpb.ExpirationPolicy{}, // without a time to live: never
	}
}

// ensured turns the end of looking at a resource into its finding; err is nil, a missing right, or something else that
// ends in an error.
func (q *Queue) ensured(ctx context.Context, f setup.Finding, err error, r resource) ([]setup.Finding, error) {
	switch status.Code(err) {
	case codes.OK:
		return []setup.Finding{f}, nil
	case codes.PermissionDenied, codes.Unauthenticated:
		f.State, f.Seen, f.Makeable = setup.Forbidden, status.Convert(err).Message(), false
		f.Advice = fmt.Sprintf("grant %s in project %s to this account", r.role, q.o.Project)
		return []setup.Finding{f}, nil
	case codes.NotFound: // of what a new subscription hangs on
		f.State, f.Makeable, f.Advice = setup.Missing, false, "its topic is missing: make that first"
		return []setup.Finding{f}, nil
	}
	return nil, q.classify(ctx, err, r)
}

func (q *Queue) ensureTopic(ctx context.Context, id string, mode setup.Mode) ([]setup.Finding, error) {
	f := setup.Finding{Resource: q.named(topic(id)), State: setup.Present}
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	role := viewer
	_, err := q.client.TopicAdminClient.GetTopic(bounded, &pubsubpb.GetTopicRequest{Topic: q.topicName(id)})
	if status.Code(err) == codes.NotFound {
		if f.State, f.Makeable, err = setup.Missing, true, nil; mode == setup.Make {
			role = editor
			f.State, f.Makeable = setup.Created, false
			_, err = q.client.TopicAdminClient.CreateTopic(bounded, &pubsubpb.Topic{Name: q.topicName(id)})
			if status.Code(err) == codes.AlreadyExists { // somebody was faster
				f.State, err = setup.Present, nil
			}
		}
	}
	return q.ensured(ctx, f, err, resource{"topic", id, role})
}

func (q *Queue) ensureSubscription(ctx context.Context, id string, want *pubsubpb.Subscription,
	mode setup.Mode) ([]setup.Finding, error) {
	f := setup.Finding{Resource: q.named(subscription(id)), State: setup.Present}
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	role := viewer
	get := &pubsubpb.GetSubscriptionRequest{Subscription: want.GetName()}
	got, err := q.client.SubscriptionAdminClient.GetSubscription(bounded, get)
	if status.Code(err) == codes.NotFound {
		if f.State, f.Makeable, err = setup.Missing, true, nil; mode == setup.Make {
			role = editor
			f.State, f.Makeable = setup.Created, false
			_, err = q.client.SubscriptionAdminClient.CreateSubscription(bounded, want)
			if status.Code(err) == codes.AlreadyExists { // somebody was faster, perhaps with other settings
				f.State = setup.Present
				got, err = q.client.SubscriptionAdminClient.GetSubscription(bounded, get)
			}
		}
	}
	if err == nil && got != nil {
		if drift := q.drift(id, want, got); len(drift) > 0 {
			return drift, nil
		}
	}
	return q.ensured(ctx, f, err, resource{"subscription", id, role})
}

// Roles that looking and making need.
const (
	viewer = "roles/pubsub.viewer"
	editor = "roles/pubsub.editor"
)

// anew is the way to change what the service fixes when a subscription is made. Nothing is lost by it: pending dates
// that nobody claims are published again.
const anew = "it cannot be changed: delete the subscription and run publisher init, or name another in the queue's " +
	"address"

// drift compares what matters to the queue, a finding for each setting that differs; labels, retention and the like are
// free.
func (q *Queue) drift(id string, want, got *pubsubpb.Subscription) (findings []setup.Finding) {
	differ := func(what string, seen, wanted any, flags string) {
		if seen == wanted {
			return
		}
		advice := anew
		if flags != "" {
			verb := "update"
			if what == "push endpoint" {
				verb = "modify-push-config"
			}
			advice = fmt.Sprintf("gcloud pubsub subscriptions %s %s --project=%s %s", verb, id, q.o.Project, flags)
		}
		findings = append(findings, setup.Finding{Resource: q.named(subscription(id)) + ", " + what, State: setup.Differs,
			Wanted: fmt.Sprint(wanted), Seen: fmt.Sprint(seen), Advice: advice})
	}
	differ("topic", got.GetTopic(), want.GetTopic(), "")
	differ("ack deadline", seconds(got.GetAckDeadlineSeconds()), seconds(want.GetAckDeadlineSeconds()),
		fmt.Sprintf("--ack-deadline=%d", want.GetAckDeadlineSeconds()))
	least, most := want.GetRetryPolicy().GetMinimumBackoff().AsDuration(),
		want.GetRetryPolicy().GetMaximumBackoff().AsDuration()
	backoff := fmt.Sprintf("--min-retry-delay=%gs --max-retry-delay=%gs", least.Seconds(), most.Seconds())
	differ("minimum back-off", got.GetRetryPolicy().GetMinimumBackoff().AsDuration(), least, backoff)
	differ("maximum back-off", got.GetRetryPolicy().GetMaximumBackoff().AsDuration(), most, backoff)
	letters := "--clear-dead-letter-policy"
	if want.GetDeadLetterPolicy() != nil {
		letters = fmt.Sprintf("--dead-letter-topic=%s --max-delivery-attempts=%d", q.o.DeadLetterTopic,
			want.GetDeadLetterPolicy().GetMaxDeliveryAttempts())
	}
	differ("dead-letter topic", orNone(got.GetDeadLetterPolicy().GetDeadLetterTopic()),
		orNone(want.GetDeadLetterPolicy().GetDeadLetterTopic()), letters)
	differ("delivery attempts", got.GetDeadLetterPolicy().GetMaxDeliveryAttempts(),
		want.GetDeadLetterPolicy().GetMaxDeliveryAttempts(), letters)
	differ("push endpoint", orNone(got.GetPushConfig().GetPushEndpoint()), orNone(""), "--push-endpoint=")
	differ("filter", orNone(got.GetFilter()), orNone(""), "")
	differ("detached", got.GetDetached(), false, "")
	// Without a policy the service deletes a subscription that nobody used for 31 days.
	differ("expiration", expiration(got), expiration(want), "--expiration-period=never")
	return findings
}

func orNone(text string) string { return cmp.Or(text, "none") }

// expiration is after how long without use the service deletes a subscription, in words.
func expiration(s *pubsubpb.Subscription) string {
	switch policy := s.GetExpirationPolicy(); {
	case policy == nil:
		return "the service's default"
	case policy.GetTtl() == nil:
		return "never"
	default:
		return policy.GetTtl().AsDuration().String()
	}
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
