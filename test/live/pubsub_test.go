package live_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"gamefill/internal/failure"
	"gamefill/internal/queue"
	"gamefill/internal/setup"
)

const adr5 = "docs/adr/0005-pubsub-queue.md"

// longBackoff is the pause of the retry policy of a check that must not see a redelivery; the service's maximum.
const longBackoff = 10 * time.Minute

var pubSubChecks = []check{
	{name: "stream-flow-control", claim: "A stream that asks for one outstanding message gets no second one before the " +
		"first is ended", source: adr5, run: func(ctx context.Context, p *place) (string, error) {
		s, err := p.newSubscription(ctx, nil)
		if err != nil {
			return "", err
		}
		if err := s.publish(ctx, "a", "b", "c"); err != nil {
			return "", err
		}
		return s.streamOne(ctx)
	}},
	{name: "retry-backoff", claim: "A message that was given back comes no sooner than the retry policy's minimum, the " +
		"first time too", source: adr5, run: func(ctx context.Context, p *place) (string, error) {
		s, err := p.newSubscription(ctx, func(s *pubsubpb.Subscription) {
			s.RetryPolicy = &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(longBackoff),
				MaximumBackoff: durationpb.New(longBackoff)}
		})
		if err != nil {
			return "", err
		}
		if err := s.publish(ctx, "a"); err != nil {
			return "", err
		}
		m, err := s.pull(ctx)
		if err != nil {
			return "", err
		}
		if err := s.giveBack(ctx, m); err != nil {
			return "", err
		}
		quiet, cancel := context.WithTimeout(ctx, p.silence)
		defer cancel()
		_, err = s.pull(quiet)
		switch {
		case err == nil:
			return "", contradicted("it came again within %v, with a minimum of %v", p.silence, longBackoff)
		case quiet.Err() != nil && ctx.Err() == nil:
			return fmt.Sprintf("nothing came for %v", p.silence), nil
		}
		return "", err
	}},
	{name: "expired-deadline", claim: "A message that nobody ends comes again after its deadline", source: adr5,
		run: func(ctx context.Context, p *place) (string, error) {
			s, err := p.newSubscription(ctx, nil)
			if err != nil {
				return "", err
			}
			if err := s.publish(ctx, "a"); err != nil {
				return "", err
			}
			first, err := s.pull(ctx)
			if err != nil {
				return "", err
			}
			again, err := s.pull(ctx)
			if err != nil {
				return "", err
			}
			if first.GetMessage().GetMessageId() != again.GetMessage().GetMessageId() {
				return "", contradicted("another message came")
			}
			return "", nil
		}},
	{name: "delivery-attempt", claim: "With a dead-letter policy the first delivery is attempt 1 and the next one 2",
		source: adr5, run: func(ctx context.Context, p *place) (string, error) {
			s, err := p.newSubscription(ctx, p.deadLetterPolicy())
			if err != nil {
				return "", err
			}
			if err := s.publish(ctx, "a"); err != nil {
				return "", err
			}
			for want := range int32(2) {
				m, err := s.pull(ctx)
				if err != nil {
					return "", err
				}
				if got := m.GetDeliveryAttempt(); got != want+1 {
					return "", contradicted("delivery %d is attempt %d", want+1, got)
				}
				if err := s.giveBack(ctx, m); err != nil {
					return "", err
				}
			}
			return "", nil
		}},
	{name: "forwarded-letter", claim: "A message given back five times under a policy of five comes to the dead-letter " +
		"topic with CloudPubSubDeadLetterSource attributes", source: adr5,
		run: func(ctx context.Context, p *place) (string, error) {
			s, err := p.newSubscription(ctx, p.deadLetterPolicy())
			if err != nil {
				return "", err
			}
			letters := &subscription{p: p, topic: s.deadTopic, id: p.next()}
			if err := letters.create(ctx, nil); err != nil {
				return "", err
			}
			if err := p.grantAgent(ctx, s); err != nil {
				return "", err
			}
			if err := s.publish(ctx, "a"); err != nil {
				return "", err
			}
			for range leastAttempts {
				m, err := s.pull(ctx)
				if err != nil {
					return "", err
				}
				if err := s.giveBack(ctx, m); err != nil {
					return "", err
				}
			}
			letter, err := letters.pull(ctx)
			if err != nil {
				return "", err
			}
			for name := range letter.GetMessage().GetAttributes() {
				if strings.HasPrefix(name, "CloudPubSubDeadLetterSource") {
					return fmt.Sprint(letter.GetMessage().GetAttributes()), nil
				}
			}
			return "", contradicted("attributes %v", letter.GetMessage().GetAttributes())
		}},
	{name: "init-finds-its-queue", claim: "Topics and subscriptions are afterwards as init has made them", source: adr5,
		run: func(ctx context.Context, p *place) (string, error) {
			q := p.newQueue(p.t)
			if _, err := q.Ensure(ctx, setup.Make); err != nil {
				return "", err
			}
			findings, err := q.Ensure(ctx, setup.DryRun)
			if err != nil {
				return "", err
			}
			return allAre(findings, setup.Present)
		}},
	{name: "rights-of-queue", claim: "The service says whether this account may publish and receive",
		source: "docs/google-cloud.md, section 4", run: func(ctx context.Context, p *place) (string, error) {
			q := p.newQueue(p.t)
			if _, err := q.Ensure(ctx, setup.Make); err != nil {
				return "", err
			}
			findings, err := q.Ensure(ctx, setup.Check)
			if err != nil {
				return "", err
			}
			for _, f := range findings {
				if strings.HasPrefix(f.Resource, "rights on topics") {
					return "", errors.New(f.Seen)
				}
			}
			return allAre(findings, setup.Present)
		}},
	{name: "missing-topic", claim: "Publishing to a topic that is not there is an error at once, and not of the kind " +
		"that is tried again", source: adr5, run: func(ctx context.Context, p *place) (string, error) {
		q := p.newQueue(p.t)
		err := errors.Join(q.Publish(ctx, []queue.Message{{Body: []byte("a")}})...)
		switch {
		case err == nil:
			return "", contradicted("it went through")
		case failure.ClassOf(err) != failure.Environment:
			return "", contradicted("%v", err)
		}
		return err.Error(), nil
	}},
}

// leastAttempts is the smallest number of deliveries that a dead-letter policy takes. Source: Pub/Sub documentation,
// "Dead-letter topics", maximum delivery attempts.
const leastAttempts = 5

// subscription is a topic and a subscription of a check.
type subscription struct {
	p         *place
	topic, id string
	deadTopic string
}

// newSubscription makes a topic with a subscription whose settings change may set.
func (p *place) newSubscription(ctx context.Context, change func(*pubsubpb.Subscription)) (*subscription, error) {
	s := &subscription{p: p, topic: p.next(), id: p.next()}
	if err := p.newTopic(ctx, s.topic); err != nil {
		return nil, err
	}
	return s, s.create(ctx, change)
}

func (p *place) newTopic(ctx context.Context, id string) error {
	if _, err := p.pubsub.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: p.topicName(id)}); err != nil {
		return fmt.Errorf("make a topic: %w", err)
	}
	p.undoTopic(p.t, id)
	return nil
}

func (s *subscription) create(ctx context.Context, change func(*pubsubpb.Subscription)) error {
	settings := &pubsubpb.Subscription{Name: s.p.subscriptionName(s.id), Topic: s.p.topicName(s.topic),
		AckDeadlineSeconds: 10}
	if change != nil {
		change(settings)
	}
	if _, dead, ok := strings.Cut(settings.GetDeadLetterPolicy().GetDeadLetterTopic(), "/topics/"); ok {
		s.deadTopic = dead
		if err := s.p.newTopic(ctx, dead); err != nil {
			return err
		}
	}
	if _, err := s.p.pubsub.SubscriptionAdminClient.CreateSubscription(ctx, settings); err != nil {
		return fmt.Errorf("make a subscription: %w", err)
	}
	s.p.undoSubscription(s.p.t, s.id)
	return nil
}

// deadLetterPolicy names a dead-letter topic, which create makes.
func (p *place) deadLetterPolicy() func(*pubsubpb.Subscription) {
	topic := p.topicName(p.next())
	return func(s *pubsubpb.Subscription) {
		s.DeadLetterPolicy = &pubsubpb.DeadLetterPolicy{DeadLetterTopic: topic, MaxDeliveryAttempts: leastAttempts}
		s.RetryPolicy = &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(0), MaximumBackoff: durationpb.New(time.Second)}
	}
}

// grantAgent lets the service forward from a subscription to its dead-letter topic.
func (p *place) grantAgent(ctx context.Context, s *subscription) error {
	if p.number == "" {
		return errors.New("not asked: set GAMEFILL_LIVE_PROJECT_NUMBER, so that the service's agent can be let in")
	}
	policy := func(role string) *iampb.Policy {
		return &iampb.Policy{Bindings: []*iampb.Binding{
			{Role: role, Members: []string{"serviceAccount:service-" + p.number + "@gcp-sa-pubsub.iam.gserviceaccount.com"}}}}
	}
	if _, err := p.pubsub.TopicAdminClient.SetIamPolicy(ctx, &iampb.SetIamPolicyRequest{Resource: p.topicName(s.deadTopic),
		Policy: policy("roles/pubsub.publisher")}); err != nil {
		return err
	}
	_, err := p.pubsub.SubscriptionAdminClient.SetIamPolicy(ctx,
		&iampb.SetIamPolicyRequest{Resource: p.subscriptionName(s.id), Policy: policy("roles/pubsub.subscriber")})
	return err
}

func (s *subscription) publish(ctx context.Context, bodies ...string) error {
	var messages []*pubsubpb.PubsubMessage
	for _, body := range bodies {
		messages = append(messages, &pubsubpb.PubsubMessage{Data: []byte(body)})
	}
	_, err := s.p.pubsub.TopicAdminClient.Publish(ctx,
		&pubsubpb.PublishRequest{Topic: s.p.topicName(s.topic), Messages: messages})
	return err
}

// pull waits for one message.
func (s *subscription) pull(ctx context.Context) (*pubsubpb.ReceivedMessage, error) {
	for {
		response, err := s.p.pubsub.SubscriptionAdminClient.Pull(ctx,
			&pubsubpb.PullRequest{Subscription: s.p.subscriptionName(s.id), MaxMessages: 1})
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && status.Code(err) != codes.DeadlineExceeded:
			return nil, err
		case len(response.GetReceivedMessages()) > 0:
			return response.GetReceivedMessages()[0], nil
		}
	}
}

func (s *subscription) giveBack(ctx context.Context, m *pubsubpb.ReceivedMessage) error {
	return s.p.pubsub.SubscriptionAdminClient.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{
		Subscription: s.p.subscriptionName(s.id), AckIds: []string{m.GetAckId()}})
}

// streamOne opens a stream for one outstanding message and looks whether it gets more.
func (s *subscription) streamOne(ctx context.Context) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.p.pubsub.SubscriptionAdminClient.StreamingPull(ctx)
	if err != nil {
		return "", err
	}
	// A deadline above the wait, so that what comes is not the first message again.
	request := &pubsubpb.StreamingPullRequest{Subscription: s.p.subscriptionName(s.id), StreamAckDeadlineSeconds: 600,
		MaxOutstandingMessages: 1}
	if err := stream.Send(request); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	seen := 0
	var quiet *time.Timer
	for seen < 2 {
		response, err := stream.Recv()
		switch {
		case err != nil && seen == 1 && ctx.Err() != nil:
			return fmt.Sprintf("nothing more for %v", s.p.silence), nil
		case err != nil:
			return "", err
		}
		if seen += len(response.GetReceivedMessages()); seen > 0 && quiet == nil {
			quiet = time.AfterFunc(s.p.silence, cancel)
			defer quiet.Stop()
		}
	}
	return "", contradicted("%d messages came", seen)
}

// allAre judges what init says by the state in which everything should be; what the service cannot tell does not count,
// and what this account may not look at leaves the claim unknown.
func allAre(findings []setup.Finding, want setup.State) (string, error) {
	for _, f := range findings {
		switch f.State {
		case want, setup.Unknown:
		case setup.Forbidden:
			return "", fmt.Errorf("%s: %s", f.Resource, f.Seen)
		default:
			return "", contradicted("%s is %s: %s, want %s", f.Resource, f.State, f.Seen, f.Wanted)
		}
	}
	return fmt.Sprintf("%d findings", len(findings)), nil
}
