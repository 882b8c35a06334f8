package worker_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/setup"
	"gamefill/internal/testjob"
	"gamefill/internal/worker"
)

// usePubSub replaces the world's queue by one on a Pub/Sub server within this process.
func (w *world) usePubSub() { w.pubSub(0) }

// pubSub does so with a subscription that forwards a message after some deliveries; 0 is the default.
func (w *world) pubSub(deliveryAttempts int) *pubsub.Client {
	w.t.Helper()
	server := pstest.NewServer()
	w.t.Cleanup(func() { _ = server.Close() })
	options := []option.ClientOption{option.WithEndpoint(server.Addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}
	q, err := pubsubqueue.New(w.t.Context(), pubsubqueue.Options{Project: "project", Topic: "dates", UnaryPull: true,
		Topology:      pubsubqueue.Topology{AckDeadline: 10 * time.Second, DeliveryAttempts: deliveryAttempts},
		ClientOptions: options})
	must(w.t, err)
	w.t.Cleanup(func() { _ = q.Close() })
	_, err = q.Ensure(w.t.Context(), setup.Make)
	must(w.t, err)
	w.queue = q
	client, err := pubsub.NewClient(w.t.Context(), "project", options...)
	must(w.t, err)
	w.t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestPubSubEndsWhereSQLiteEnds runs the same dates over both queues, one date dead at first and replayed.
func TestPubSubEndsWhereSQLiteEnds(t *testing.T) {
	t.Parallel()
	run := func(choose func(*world)) string {
		w := newWorld(t, week...)
		choose(w)
		w.reading("2022-06-08", testjob.Permanent, 1)
		w.publish(request(monday, sunday))
		w.drain()
		if got := w.entry("2022-06-08").State; got != ledger.Dead {
			t.Errorf("bad date: got %s, want dead", got)
		}
		open := w.open()
		if len(open) != 1 || open[0].Date != date("2022-06-08") {
			t.Fatalf("open letters: got %+v, want one of 2022-06-08", open)
		}
		w.sql(`DELETE FROM readings WHERE station = ?`, testjob.Permanent)
		if result := w.replay(publisher.ReplayRequest{}); result.Published != 1 {
			t.Fatalf("replay: got %+v, want one date published", result)
		}
		w.drain()
		if open := w.open(); len(open) != 0 {
			t.Errorf("open letters in the end: got %+v, want none", open)
		}
		j := w.validate(monday, sunday)
		if j.Verdict != job.Pass || j.States[ledger.Complete] != 6 {
			t.Errorf("in the end: got %s with %v, want pass with 6 complete", j.Verdict, j.States)
		}
		if n := w.hooks.Builds.Load(); n != 7 {
			t.Errorf("got %d builds, want 7: every date once, one twice", n)
		}
		return j.TableFingerprint
	}
	want := run(func(*world) {})
	if got := run((*world).usePubSub); got != want || want == "" {
		t.Errorf("table fingerprint over Pub/Sub: got %q, want that over SQLite, %q", got, want)
	}
}

// without deletes a topic or a subscription of the world's queue; the returned function makes it anew.
func (w *world) without(client *pubsub.Client, subscriptions, topics []string) (mend func()) {
	w.t.Helper()
	for _, id := range subscriptions {
		must(w.t, client.SubscriptionAdminClient.DeleteSubscription(w.t.Context(),
			&pubsubpb.DeleteSubscriptionRequest{Subscription: "projects/project/subscriptions/" + id}))
	}
	for _, id := range topics {
		must(w.t,
			client.TopicAdminClient.DeleteTopic(w.t.Context(),
				&pubsubpb.DeleteTopicRequest{Topic: "projects/project/topics/" + id}))
	}
	q := w.queue.(*pubsubqueue.Queue)
	return func() {
		_, err := q.Ensure(w.t.Context(), setup.Make)
		must(w.t, err)
	}
}

// noneDead wants nothing given up on and no attempt spent.
func (w *world) noneDead() {
	w.t.Helper()
	entries, err := w.ledger.RunEntries(w.t.Context(), testjob.Name, w.run().ID)
	must(w.t, err)
	for _, e := range entries {
		if e.State == ledger.Dead || e.Spent != 0 {
			w.t.Errorf("%s: got %s with %d attempts spent, want it alive with none", e.Date, e.State, e.Spent)
		}
	}
	letters, err := w.ledger.DeadLetters(w.t.Context(), ledger.DeadLetterFilter{})
	must(w.t, err)
	if len(letters) > 0 {
		w.t.Errorf("dead letters: got %+v, want none", letters)
	}
}

func TestPublishWithoutTopicNamesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	client := w.pubSub(0)
	mend := w.without(client, []string{"dates-worker"}, []string{"dates"})
	p := w.publisher()
	plan, err := p.Plan(t.Context(), request(monday, sunday))
	must(t, err)
	_, err = p.Publish(t.Context(), request(monday, sunday), plan, nil)
	unsent, ok := errors.AsType[*publisher.UnsentError](err)
	if !ok || len(unsent.Unsent) != 6 || !strings.Contains(err.Error(), "topic dates of project project is missing") {
		t.Fatalf("got %v, want six dates unsent and the topic named", err)
	}
	if state := w.run().State; state != ledger.RunPlanning {
		t.Errorf("run: got %s, want planning", state)
	}
	w.noneDead()
	mend()
	w.publish(request(monday, sunday))
	w.drain()
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("with the topic: got %s, want pass", j.Verdict)
	}
}

func TestWorkerWithoutSubscriptionEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	client := w.pubSub(0)
	w.publish(request(monday, sunday))
	mend := w.without(client, []string{"dates-worker"}, nil)
	err := w.worker(w.config()).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "subscription dates-worker of project project is missing") {
		t.Fatalf("got %v, want the subscription named", err)
	}
	w.noneDead()
	mend() // the messages are gone with the old subscription
	w.drainReconciled()
	if j := w.validate(monday, sunday); j.Verdict != job.Pass {
		t.Errorf("with the subscription: got %s, want pass", j.Verdict)
	}
}

// TestMissingTopicPausesTheRun: a reconciler that cannot publish, and a worker that cannot tell of a dead date, stop
// the run instead of going on in silence.
func TestMissingTopicPausesTheRun(t *testing.T) {
	t.Parallel()
	pausedBy := func(t *testing.T, w *world, c worker.Config, want string) {
		t.Helper()
		err := w.worker(c).Run(t.Context())
		p, ok := errors.AsType[*worker.PausedError](err)
		if !ok || p.Run.CauseKind != "environment" || !strings.Contains(p.Run.Cause, want) {
			t.Fatalf("got %v, want the run paused by its environment: %s", err, want)
		}
	}
	t.Run("of the dates", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, monday)
		client := w.pubSub(0)
		w.publish(request(monday, monday))
		hold := make(chan struct{})
		w.hooks.Build = func(gamedate.Date) error { <-hold; return nil }
		defer close(hold)
		e := w.entry(monday)
		w.claim(e, "killed", time.Millisecond)
		mend := w.without(client, nil, []string{"dates"})
		_, err := client.SubscriptionAdminClient.Pull(t.Context(),
			&pubsubpb.PullRequest{Subscription: "projects/project/subscriptions/dates-worker", MaxMessages: 1})
		must(t, err) // the killed worker has the message
		pausedBy(t, w, w.config(), "topic dates of project project is missing")
		if got := w.entry(monday).State; got != ledger.Pending {
			t.Errorf("got %s, want pending", got)
		}
		mend()
	})
	t.Run("of dead letters", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, week...)
		client := w.pubSub(0)
		w.reading(monday, testjob.Permanent, 1)
		w.withoutForwarding(client) // a topic that is forwarded to cannot be deleted here
		w.publish(request(monday, sunday))
		mend := w.without(client, nil, []string{"dates-dead"})
		pausedBy(t, w, w.config(), "topic dates-dead of project project is missing")
		if e := w.entry(monday); e.State != ledger.Dead || e.DeadPublished {
			t.Errorf("got %s, letter published %v, want dead and not", e.State, e.DeadPublished)
		}
		must(t, client.SubscriptionAdminClient.DeleteSubscription(t.Context(),
			// of the topic that was deleted
			&pubsubpb.DeleteSubscriptionRequest{Subscription: "projects/project/subscriptions/dates-dead-fold"}))
		mend()
		_, err := w.publisher().Resume(t.Context(), w.run().ID, "topic made", "tester")
		must(t, err)
		c := w.config()
		c.LeaseTTL = time.Second
		must(t, w.worker(c).Run(t.Context()))
		if open := w.open(); len(open) != 1 || open[0].Date != date(monday) {
			t.Errorf("open letters: got %+v, want one of %s", open, monday)
		}
	})
}

// withoutForwarding makes the workers' subscription anew, with no policy for dead letters.
func (w *world) withoutForwarding(client *pubsub.Client) {
	w.t.Helper()
	w.without(client, []string{"dates-worker"}, nil)
	_, err := client.SubscriptionAdminClient.CreateSubscription(w.t.Context(), &pubsubpb.Subscription{
		Name: "projects/project/subscriptions/dates-worker", Topic: "projects/project/topics/dates", AckDeadlineSeconds: 10})
	must(w.t, err)
}

// TestLongWaitsUseUpNoDeliveries: a quota that stays away, and a pause, both for longer than the queue's deliveries
// last.
func TestLongWaitsUseUpNoDeliveries(t *testing.T) {
	t.Parallel()
	const deliveries, waits = 5, 8
	t.Run("quota", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, monday)
		w.pubSub(deliveries)
		var refused atomic.Int64
		w.hooks.Build = func(gamedate.Date) error {
			if refused.Add(1) <= waits {
				return failure.Mark(errors.New("too many jobs"), failure.Quota, "rate")
			}
			return nil
		}
		w.publish(request(monday, monday))
		c := w.config()
		c.QuotaWait = 2 * time.Minute // kept in the ledger
		c.FoldEvery = 10 * time.Millisecond
		done := make(chan error, 1)
		wk := w.worker(c)
		go func() { done <- wk.Run(t.Context()) }()
		for range waits {
			eventually(t, "the date waits", func() bool { return !w.entry(monday).NotBefore.IsZero() })
			w.sql(`UPDATE ledger_entry SET not_before = 1 WHERE not_before IS NOT NULL`) // two minutes have passed
			eventually(t, "the wait is over",
				func() bool { return w.entry(monday).NotBefore.IsZero() || refused.Load() > waits })
		}
		must(t, <-done)
		if e := w.entry(monday); e.State != ledger.Complete || e.Attempt != waits+1 {
			t.Errorf("got %s at attempt %d, want complete at %d", e.State, e.Attempt, waits+1)
		}
		w.noneDead()
	})
	t.Run("pause", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, week...)
		w.pubSub(deliveries)
		id := w.publish(request(monday, sunday)).RunID
		_, err := w.publisher().Pause(t.Context(), id, "for the night", "tester")
		must(t, err)
		var receivers, looks atomic.Int64
		w.queue = &counted{w.queue, &receivers}
		real := w.ledger
		w.ledger = &away{Ledger: real, refuse: func(call string) error {
			if call == "OpenRun" {
				looks.Add(1)
			}
			return nil
		}}
		c := w.config()
		c.Drain = false
		stop := w.start(c)
		eventually(t, "the worker has looked often", func() bool { return looks.Load() > 2*deliveries })
		if n := receivers.Load(); n != 0 {
			t.Errorf("paused: got %d receivers, want none", n)
		}
		_, err = w.publisher().Resume(t.Context(), id, "morning", "tester")
		must(t, err)
		eventually(t, "everything is complete", func() bool {
			counts, err := real.CountStates(t.Context(), testjob.Name, id)
			must(t, err)
			return counts[ledger.Complete] == 6
		})
		must(t, stop())
		w.noneDead()
	})
}

// TestTwoVersionsOnOneSubscription: the worker of the wrong build takes nothing, says so, and is in nobody's way.
func TestTwoVersionsOnOneSubscription(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week...)
	w.usePubSub()
	id := w.publish(request(monday, sunday)).RunID
	w.job.Version = "8"
	c := w.config()
	c.Owner, c.Drain = "next", false
	next := w.worker(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- next.Run(ctx) }()
	eventually(t, "the next build is unhealthy", func() bool { return next.Healthy() != nil })
	w.job.Version = testjob.Version
	w.drain()
	attempts, err := w.ledger.Attempts(t.Context(), ledger.AttemptFilter{Job: testjob.Name, Run: id}, 0)
	must(t, err)
	for _, a := range attempts {
		if a.Owner == "next" {
			t.Errorf("%s: attempt by the wrong build", a.Date)
		}
	}
	if j := w.validate(monday, sunday); j.Verdict != job.Pass || len(attempts) != 6 {
		t.Errorf("got %s after %d attempts, want pass after 6", j.Verdict, len(attempts))
	}
	eventually(t, "without the run the next build is healthy", func() bool { return next.Healthy() == nil })
	cancel()
	must(t, <-done)
}
