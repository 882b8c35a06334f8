package pubsubqueue_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/setup"
)

// states are the findings about topics and subscriptions in short; those about rights are left out.
func states(findings []setup.Finding) (short []string) {
	for _, f := range findings {
		if strings.Contains(f.Resource, "right") {
			continue
		}
		line := strings.ReplaceAll(f.Resource, " of project project", "") + ": " + string(f.State)
		if f.Wanted != "" {
			line += ", is " + f.Seen + ", want " + f.Wanted
		}
		short = append(short, line)
	}
	return short
}

// ensure calls Ensure and wants these states.
func ensure(t *testing.T, q *pubsubqueue.Queue, mode setup.Mode, want ...string) []setup.Finding {
	t.Helper()
	findings, err := q.Ensure(t.Context(), mode)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, states(findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	return findings
}

// all is the same state four times.
func all(state string) []string {
	return []string{"topic dates-dead: " + state, "topic dates: " + state, "subscription dates-dead-fold: " + state,
		"subscription dates-worker: " + state}
}

func TestTopology(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	o := options(server.Addr)
	o.Topology = pubsubqueue.Topology{} // the defaults
	q := newQueue(t, o)
	for _, f := range ensure(t, q, setup.DryRun, all("missing")...) {
		if f.State == setup.Missing && (f.Wanting(setup.DryRun) || !f.Wanting(setup.Check)) {
			t.Errorf("%+v: want it left to do by a check alone", f)
		}
	}
	ensure(t, q, setup.Check, all("missing")...) // the first look has made nothing
	ensure(t, q, setup.Make, all("created")...)
	ensure(t, q, setup.Make, all("present")...)
	for _, f := range ensure(t, q, setup.Check, all("present")...) {
		if f.Wanting(setup.Check) {
			t.Errorf("%+v: want nothing left to do", f)
		}
	}

	got, err := admin(t, server.Addr).SubscriptionAdminClient.GetSubscription(t.Context(),
		&pubsubpb.GetSubscriptionRequest{Subscription: workers})
	if err != nil {
		t.Fatal(err)
	}
	want := &pubsubpb.Subscription{
		Name: workers, Topic: "projects/project/topics/dates", AckDeadlineSeconds: 60,
		RetryPolicy: &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(10 * time.Second),
			MaximumBackoff: durationpb.New(600 * time.Second)},
		DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: "projects/project/topics/dates-dead",
			MaxDeliveryAttempts: 100},
		ExpirationPolicy: &pubsubpb.ExpirationPolicy{},
	}
	ignore := protocmp.IgnoreFields(&pubsubpb.Subscription{}, "message_retention_duration", "push_config", "state")
	if diff := cmp.Diff(want, got, protocmp.Transform(), ignore); diff != "" {
		t.Errorf("subscription of the workers (-want +got):\n%s", diff)
	}

	o.Topology = pubsubqueue.Topology{AckDeadline: 20 * time.Second, DeliveryAttempts: 5}
	findings := ensure(t, newQueue(t, o), setup.Make, "topic dates-dead: present", "topic dates: present",
		"subscription dates-dead-fold, ack deadline: differs, is 1m0s, want 20s",
		"subscription dates-worker, ack deadline: differs, is 1m0s, want 20s",
		"subscription dates-worker, delivery attempts: differs, is 100, want 5")
	if want, got := "gcloud pubsub subscriptions update dates-dead-fold --project=project --ack-deadline=20",
		findings[2].Advice; got != want {
		t.Errorf("advice: got %q, want %q", got, want)
	}
	ensure(t, q, setup.Make, all("present")...) // drift has been reported, not repaired
}

const workers = "projects/project/subscriptions/dates-worker"

// admin is a client to change things with behind the queue's back.
func admin(t *testing.T, address string) *pubsub.Client {
	t.Helper()
	client, err := pubsub.NewClient(t.Context(), "project", at(address)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestForeignSubscription adopts a subscription that somebody made for something else: every setting that matters is a
// finding, with the command that mends it or the word that none does.
func TestForeignSubscription(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	client := admin(t, server.Addr)
	for _, topic := range []string{"projects/project/topics/dates", "projects/project/topics/other"} {
		if _, err := client.TopicAdminClient.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topic}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := client.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: workers, Topic: "projects/project/topics/other", AckDeadlineSeconds: 10, Filter: `attributes:x`,
		PushConfig:       &pubsubpb.PushConfig{PushEndpoint: "https://example.com/push"},
		ExpirationPolicy: &pubsubpb.ExpirationPolicy{Ttl: durationpb.New(31 * 24 * time.Hour)},
	})
	if err != nil {
		t.Fatal(err)
	}
	o := options(server.Addr)
	o.Topology = pubsubqueue.Topology{}
	findings := ensure(t, newQueue(t, o), setup.Make,
		"topic dates-dead: created", "topic dates: present", "subscription dates-dead-fold: created",
		"subscription dates-worker, topic: differs, is projects/project/topics/other, want projects/project/topics/dates",
		"subscription dates-worker, ack deadline: differs, is 10s, want 1m0s",
		"subscription dates-worker, minimum back-off: differs, is 0s, want 10s",
		"subscription dates-worker, maximum back-off: differs, is 0s, want 10m0s",
		"subscription dates-worker, dead-letter topic: differs, is none, want projects/project/topics/dates-dead",
		"subscription dates-worker, delivery attempts: differs, is 0, want 100",
		"subscription dates-worker, push endpoint: differs, is https://example.com/push, want none",
		"subscription dates-worker, filter: differs, is attributes:x, want none",
		"subscription dates-worker, expiration: differs, is 744h0m0s, want never",
	)
	for i, want := range map[int]string{
		3: "delete the subscription", 4: "--ack-deadline=60", 5: "--min-retry-delay=10s --max-retry-delay=600s",
		7: "--dead-letter-topic=dates-dead --max-delivery-attempts=100", 9: "modify-push-config dates-worker",
		10: "delete the subscription",
		11: "--expiration-period=never",
	} {
		if !strings.Contains(findings[i].Advice, want) || !findings[i].Wanting(setup.Make) {
			t.Errorf("%s: got advice %q, want %q in it", findings[i].Resource, findings[i].Advice, want)
		}
	}
}

// TestRefusals: what this account may not do is a finding with the role that it lacks, and hides nothing else.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		method string // that the server refuses
		mode   setup.Mode
		want   []string
		advice string // of the refused ones
	}{
		{"no topic to be made", "CreateTopic", setup.Make, []string{"topic dates-dead: forbidden", "topic dates: forbidden",
			"subscription dates-dead-fold: missing", "subscription dates-worker: missing"},
			"grant roles/pubsub.editor in project project"},
		{"no topic to be seen", "GetTopic", setup.Make, []string{"topic dates-dead: forbidden", "topic dates: forbidden",
			"subscription dates-dead-fold: missing", "subscription dates-worker: missing"},
			"grant roles/pubsub.viewer in project project"},
		{"no subscription to be made", "CreateSubscription", setup.Make,
			[]string{"topic dates-dead: created", "topic dates: created",
				"subscription dates-dead-fold: forbidden", "subscription dates-worker: forbidden"}, "grant roles/pubsub.editor"},
		{"no subscription to be seen", "GetSubscription", setup.Check,
			[]string{"topic dates-dead: missing", "topic dates: missing",
				"subscription dates-dead-fold: forbidden", "subscription dates-worker: forbidden"}, "grant roles/pubsub.viewer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := pstest.NewServer(pstest.WithErrorInjection(tt.method, codes.PermissionDenied, "as told"))
			t.Cleanup(func() { _ = server.Close() })
			for _, f := range ensure(t, newQueue(t, options(server.Addr)), tt.mode, tt.want...) {
				if f.State == setup.Forbidden &&
					(!strings.Contains(f.Advice, tt.advice) || f.Seen != "as told" || !f.Wanting(tt.mode)) {
					t.Errorf("got %+v, want the advice %q", f, tt.advice)
				}
			}
		})
	}
}

// TestEnsureTellsOtherErrors: an error that is no missing right ends in an error beside the findings.
func TestEnsureTellsOtherErrors(t *testing.T) {
	t.Parallel()
	server := pstest.NewServer(pstest.WithErrorInjection("GetSubscription", codes.InvalidArgument, "as told"))
	t.Cleanup(func() { _ = server.Close() })
	findings, err := newQueue(t, options(server.Addr)).Ensure(t.Context(), setup.Make)
	if err == nil || !strings.Contains(err.Error(), "subscription dates-worker of project project") {
		t.Errorf("got %v, want an error about the subscription", err)
	}
	if diff := cmp.Diff([]string{"topic dates-dead: created", "topic dates: created"}, states(findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// rightsOf answers for the server, which keeps no rights: granted are the permissions of this account, members the
// holders of every role.
func rightsOf(granted []string, policy *iampb.Policy, refused error) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker,
		opts ...grpc.CallOption) error {
		switch reply := reply.(type) {
		case *iampb.TestIamPermissionsResponse:
			for _, p := range req.(*iampb.TestIamPermissionsRequest).GetPermissions() {
				if slices.Contains(granted, p) {
					reply.Permissions = append(reply.Permissions, p)
				}
			}
			return nil
		case *iampb.Policy:
			reply.Bindings = policy.GetBindings()
			return refused
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
}

func TestRights(t *testing.T) {
	t.Parallel()
	const publish, consume = "pubsub.topics.publish", "pubsub.subscriptions.consume"
	agents := []string{"serviceAccount:service-123@gcp-sa-pubsub.iam.gserviceaccount.com"}
	both := &iampb.Policy{
		Bindings: []*iampb.Binding{{Role: "roles/pubsub.publisher", Members: agents},
			{Role: "roles/pubsub.subscriber", Members: agents}}}
	tests := []struct {
		name    string
		mode    setup.Mode
		granted []string
		policy  *iampb.Policy
		refused error
		want    map[string]setup.State // by the resource and whose right it is
		advice  []string
	}{
		{"all", setup.Check, []string{publish, consume}, both, nil,
			map[string]setup.State{"topic dates-dead account": setup.Present,
				"topic dates account": setup.Present, "subscription dates-dead-fold account": setup.Present,
				"subscription dates-worker account": setup.Present, "topic dates-dead agent": setup.Present,
				"subscription dates-worker agent": setup.Present}, nil},
		{"only the agent's are looked at when making", setup.Make, nil, both, nil, map[string]setup.State{
			"topic dates-dead agent": setup.Present, "subscription dates-worker agent": setup.Present}, nil},
		{"may not consume", setup.Check, []string{publish}, both, nil,
			map[string]setup.State{"topic dates-dead account": setup.Present,
				"topic dates account": setup.Present, "subscription dates-dead-fold account": setup.Forbidden,
				"subscription dates-worker account": setup.Forbidden, "topic dates-dead agent": setup.Present,
				"subscription dates-worker agent": setup.Present},
			[]string{"grant this account roles/pubsub.subscriber on it"}},
		{"no grant to the agent", setup.Make, nil, &iampb.Policy{}, nil, map[string]setup.State{
			"topic dates-dead agent": setup.Unknown, "subscription dates-worker agent": setup.Unknown},
			[]string{"gcloud pubsub topics add-iam-policy-binding dates-dead --project=project --role=roles/pubsub.publisher " +
				"--member=serviceAccount:service-$(gcloud projects describe project " +
				"--format='value(projectNumber)')@gcp-sa-pubsub.iam.gserviceaccount.com",
				"gcloud pubsub subscriptions add-iam-policy-binding dates-worker --project=project " +
					"--role=roles/pubsub.subscriber "}},
		{"policy not to be read", setup.Make, nil, nil, status.Error(codes.PermissionDenied, "as told"),
			map[string]setup.State{
				"topic dates-dead agent": setup.Unknown, "subscription dates-worker agent": setup.Unknown}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := options(newServer(t).Addr)
			create(t, o)
			o.ClientOptions = append(o.ClientOptions,
				option.WithGRPCDialOption(grpc.WithUnaryInterceptor(rightsOf(tt.granted, tt.policy, tt.refused))))
			findings, err := newQueue(t, o).Ensure(t.Context(), tt.mode)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]setup.State{}
			advice := ""
			for _, f := range findings {
				resource, right, ok := strings.Cut(f.Resource, " of project project, right of ")
				if ok {
					got[resource+" "+right[strings.LastIndex(right, " ")+1:]] = f.State
					advice += f.Advice + "\n"
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rights (-want +got):\n%s", diff)
			}
			for _, want := range tt.advice {
				if !strings.Contains(advice, want) {
					t.Errorf("got advice\n%swant %q in it", advice, want)
				}
			}
		})
	}
}

// TestServerWithoutRights: neither pstest nor the emulator keeps rights; that is said once and is nothing to be done.
func TestServerWithoutRights(t *testing.T) {
	t.Parallel()
	q := create(t, options(newServer(t).Addr))
	findings, err := q.Ensure(t.Context(), setup.Check)
	if err != nil {
		t.Fatal(err)
	}
	if last := findings[len(findings)-1]; len(findings) != 5 || last.State != setup.Unknown || last.Wanting(setup.Check) ||
		!strings.Contains(last.Seen, "emulators") {
		t.Errorf("got %+v, want four resources and the word that there are no rights", findings)
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		o    pubsubqueue.Options
		want []string
	}{
		{"nothing", pubsubqueue.Options{}, []string{"the project is missing", "the topic is missing"}},
		{"own dead-letter topic", pubsubqueue.Options{Project: "p", Topic: "t", DeadLetterTopic: "t"},
			[]string{"topic t is its own dead-letter topic"}},
		{"one subscription for all", pubsubqueue.Options{Project: "p", Topic: "t", Subscription: "t-dead-fold"},
			[]string{"subscription t-dead-fold is for dead letters and for workers"}},
		{"short extension", pubsubqueue.Options{Project: "p", Topic: "t", Extension: time.Second},
			[]string{"extension 1s: want 10s to 10m"}},
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
