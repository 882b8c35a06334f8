package worker_test

import (
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/setup"
	"gamefill/internal/testjob"
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
		Topology: pubsubqueue.Topology{AckDeadline: 10 * time.Second, DeliveryAttempts: deliveryAttempts}, ClientOptions: options})
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
