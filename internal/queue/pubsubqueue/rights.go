package pubsubqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/iam/apiv1/iampb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gamefill/internal/setup"
)

// rights says what the service's agent may do and, in mode [setup.Check], what this account may. What is missing is
// left out: no right on it can be asked for. A server that keeps no rights, as emulators do, is one finding.
func (q *Queue) rights(ctx context.Context, mode setup.Mode) (findings []setup.Finding, err error) {
	var errs []error
	look := func(f setup.Finding, err error) {
		switch status.Code(err) {
		case codes.OK:
			findings = append(findings, f)
		case codes.NotFound, codes.Unimplemented:
		default:
			errs = append(errs, fmt.Errorf("%s: %w", f.Resource, err))
		}
		if status.Code(err) == codes.Unimplemented && len(findings) == 0 {
			findings = append(findings, setup.Finding{Resource: "rights on topics and subscriptions of project " + q.o.Project,
				State: setup.Unknown, Seen: "this server keeps none, as emulators do"})
		}
	}
	if mode == setup.Check {
		look(q.mayPublish(ctx, q.o.DeadLetterTopic))
		look(q.mayPublish(ctx, q.o.Topic))
		look(q.mayConsume(ctx, q.o.DeadLetterSubscription, ""))
		look(q.mayConsume(ctx, q.o.Subscription, "; only workers and publisher run need it"))
	}
	look(q.agentMayPublish(ctx))
	look(q.agentMayConsume(ctx))
	return findings, errors.Join(errs...)
}

// mayPublish asks whether this account may publish to a topic.
func (q *Queue) mayPublish(ctx context.Context, id string) (setup.Finding, error) {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const right = "pubsub.topics.publish"
	got, err := q.client.TopicAdminClient.TestIamPermissions(bounded,
		&iampb.TestIamPermissionsRequest{Resource: q.topicName(id), Permissions: []string{right}})
	return q.granted(topic(id), right, "", got), err
}

// mayConsume asks whether this account may receive from a subscription.
func (q *Queue) mayConsume(ctx context.Context, id, note string) (setup.Finding, error) {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const right = "pubsub.subscriptions.consume"
	got, err := q.client.SubscriptionAdminClient.TestIamPermissions(bounded,
		&iampb.TestIamPermissionsRequest{Resource: q.subscriptionName(id), Permissions: []string{right}})
	return q.granted(subscription(id), right, note, got), err
}

func (q *Queue) granted(r resource, right, note string, got *iampb.TestIamPermissionsResponse) setup.Finding {
	f := setup.Finding{Resource: q.named(r) + ", right of this account", State: setup.Present, Wanted: right}
	if !slices.Contains(got.GetPermissions(), right) {
		f.State, f.Seen, f.Advice = setup.Forbidden, "not granted", fmt.Sprintf("grant this account %s on it%s", r.role, note)
	}
	return f
}

// agent is the service's own account in a project, apart from the project's number.
const agent = "@gcp-sa-pubsub.iam.gserviceaccount.com"

// agentMayPublish looks whether the service may forward to the dead-letter topic.
func (q *Queue) agentMayPublish(ctx context.Context) (setup.Finding, error) {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	policy, err := q.client.TopicAdminClient.GetIamPolicy(bounded,
		&iampb.GetIamPolicyRequest{Resource: q.topicName(q.o.DeadLetterTopic)})
	return q.ofAgent(topic(q.o.DeadLetterTopic), policy, err)
}

// agentMayConsume looks whether the service may take from the workers' subscription what it has forwarded.
func (q *Queue) agentMayConsume(ctx context.Context) (setup.Finding, error) {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	policy, err := q.client.SubscriptionAdminClient.GetIamPolicy(bounded,
		&iampb.GetIamPolicyRequest{Resource: q.subscriptionName(q.o.Subscription)})
	return q.ofAgent(subscription(q.o.Subscription), policy, err)
}

// ofAgent judges the resource's own policy. That it lacks the role proves nothing: a grant on the whole project counts
// too.
func (q *Queue) ofAgent(r resource, policy *iampb.Policy, err error) (setup.Finding, error) {
	f := setup.Finding{Resource: q.named(r) + ", right of the Pub/Sub service agent", State: setup.Present, Wanted: r.role}
	switch code := status.Code(err); {
	case code == codes.PermissionDenied || code == codes.Unauthenticated:
		f.Seen = "this account may not read who has rights on it"
	case err != nil:
		return f, err
	case slices.ContainsFunc(policy.GetBindings(), func(b *iampb.Binding) bool {
		return b.GetRole() == r.role &&
			slices.ContainsFunc(b.GetMembers(), func(m string) bool { return strings.HasSuffix(m, agent) })
	}):
		return f, nil
	default:
		f.Seen = "not granted on it; a grant on the whole project counts too"
	}
	f.State = setup.Unknown
	f.Advice = fmt.Sprintf("gcloud pubsub %ss add-iam-policy-binding %s --project=%s --role=%s "+
		"--member=serviceAccount:service-$(gcloud projects describe %s --format='value(projectNumber)')%s", r.kind, r.id,
		q.o.Project, r.role, q.o.Project, agent)
	return f, nil
}
