package pubsubqueue_test

import (
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"gamefill/internal/queue"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/queue/queuetest"
	"gamefill/internal/setup"
)

// at connects to a server on this host.
func at(address string) []option.ClientOption {
	return []option.ClientOption{option.WithEndpoint(address), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}
}

// options are those of tests: the shortest deadlines and back-offs that servers accept.
func options(address string) pubsubqueue.Options {
	return pubsubqueue.Options{
		Project: "project", Topic: "dates", UnaryPull: true, ClientOptions: at(address),
		Topology: pubsubqueue.Topology{AckDeadline: 10 * time.Second, RetryMin: time.Millisecond,
			RetryMax: 10 * time.Millisecond},
	}
}

// newServer is a pstest server for the length of a test.
func newServer(t testing.TB) *pstest.Server {
	t.Helper()
	server := pstest.NewServer()
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// newQueue connects without making anything.
func newQueue(t testing.TB, o pubsubqueue.Options) *pubsubqueue.Queue {
	t.Helper()
	q, err := pubsubqueue.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return q
}

// create connects and makes the topology.
func create(t testing.TB, o pubsubqueue.Options) *pubsubqueue.Queue {
	t.Helper()
	q := newQueue(t, o)
	if _, err := q.Ensure(t.Context(), setup.Make); err != nil {
		t.Fatal(err)
	}
	return q
}

func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T) queue.Queue {
		return create(t, options(newServer(t).Addr))
	}, queuetest.Capabilities{DeliveryCount: true, Patience: time.Minute})
}
