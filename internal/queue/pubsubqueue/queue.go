// Package pubsubqueue is the queue on Google Cloud Pub/Sub.
//
// A queue is four resources: a topic with one subscription that the workers share, and a dead-letter topic with one
// subscription that is folded into the ledger. [Queue.Ensure] makes them.
//
// Two ways to receive keep one promise, that a worker holds only what its handlers work on. The ordinary one is a
// single stream whose flow control the service honours. Servers that do not honour it, the emulator and pstest, are
// asked for one message per free handler instead ([Options.UnaryPull]).
//
// Delays are best effort: the subscription's retry policy decides when a nacked message comes again. The queue cannot
// tell its backlog, and the delivery count is what the service says, 0 when it says nothing.
package pubsubqueue

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"

	"gamefill/internal/failure"
	"gamefill/internal/queue"
	"gamefill/internal/reach"
)

// EmulatorVariable names the environment variable that points the client library at an emulator.
const EmulatorVariable = "PUBSUB_EMULATOR_HOST"

// Options name the queue and tune it. Project and Topic are required; zero means the default for the rest.
type Options struct {
	Project string
	Topic   string
	// Subscription is the one that all workers share. Default: the topic's name and "-worker".
	Subscription string
	// DeadLetterTopic receives what is given up on. Default: the topic's name and "-dead".
	DeadLetterTopic string
	// DeadLetterSubscription is what FoldDeadLetters reads. Default: the dead-letter topic's name and "-fold".
	DeadLetterSubscription string

	// UnaryPull asks for one message per free handler instead of opening a stream: for servers without flow control. It
	// polls, so it is no mode for the real service. It is always on when the variable PUBSUB_EMULATOR_HOST is set.
	UnaryPull bool
	// Extension is by how much a hold is put off at a time while a handler runs, 10 s to 10 min; a killed worker's
	// message comes again after that. Default 60 s.
	Extension time.Duration
	// MaxExtension is how long a message is kept for one handler; it must be above the longest date. Default 2 h.
	MaxExtension time.Duration
	// ShutdownTimeout bounds how long Receive waits for the client library after the last handler has returned; what it
	// has not sent by then is delivered again. Default 15 s.
	ShutdownTimeout time.Duration
	// PublishTimeout bounds the tries of one publication. Default 30 s.
	PublishTimeout time.Duration

	// Topology holds the settings of subscriptions that Ensure makes.
	Topology Topology

	// ClientOptions go to the client library: credentials, an endpoint.
	ClientOptions []option.ClientOption

	// Reach, when given, is asked before the first look or fold whether Pub/Sub can be reached.
	Reach *reach.Service
}

func (o Options) withDefaults() Options {
	o.Subscription = cmp.Or(o.Subscription, o.Topic+"-worker")
	o.DeadLetterTopic = cmp.Or(o.DeadLetterTopic, o.Topic+"-dead")
	o.DeadLetterSubscription = cmp.Or(o.DeadLetterSubscription, o.DeadLetterTopic+"-fold")
	o.UnaryPull = o.UnaryPull || os.Getenv(EmulatorVariable) != ""
	o.Extension = cmp.Or(o.Extension, time.Minute)
	o.MaxExtension = cmp.Or(o.MaxExtension, 2*time.Hour)
	o.ShutdownTimeout = cmp.Or(o.ShutdownTimeout, 15*time.Second)
	o.PublishTimeout = cmp.Or(o.PublishTimeout, 30*time.Second)
	o.Topology = o.Topology.withDefaults()
	return o
}

func (o Options) validate() error {
	var errs []error
	for _, f := range []struct{ name, value string }{{"project", o.Project}, {"topic", o.Topic}} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("pubsub queue: the %s is missing", f.name))
		}
	}
	if o.Topic != "" && o.Topic == o.DeadLetterTopic {
		errs = append(errs, fmt.Errorf("pubsub queue: topic %s is its own dead-letter topic; name another", o.Topic))
	}
	if o.Subscription != "" && o.Subscription == o.DeadLetterSubscription {
		errs = append(errs,
			fmt.Errorf("pubsub queue: subscription %s is for dead letters and for workers; name another", o.Subscription))
	}
	if o.Extension < 10*time.Second || o.Extension > 10*time.Minute { // the service's bounds of an ack deadline
		errs = append(errs, fmt.Errorf("pubsub queue: extension %v: want 10s to 10m", o.Extension))
	}
	return errors.Join(errs...)
}

// callTimeout bounds a single call with the client library's own retries.
const callTimeout = 15 * time.Second

// Queue implements [queue.Queue].
type Queue struct {
	o           Options
	client      *pubsub.Client
	messages    *pubsub.Publisher
	deadLetters *pubsub.Publisher
}

var _ queue.Queue = (*Queue)(nil)

// New connects. It makes no call: whether the topics exist shows at the first use, or in [Queue.Ensure].
func New(ctx context.Context, o Options) (*Queue, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, failure.MarkPermanent(err, "bad_setting")
	}
	client, err := pubsub.NewClient(ctx, o.Project, o.ClientOptions...)
	if err != nil {
		return nil, fmt.Errorf("pubsub client of project %s: %w", o.Project, err)
	}
	q := &Queue{o: o, client: client}
	q.messages = q.publisher(o.Topic)
	q.deadLetters = q.publisher(o.DeadLetterTopic)
	return q, nil
}

func (q *Queue) publisher(topic string) *pubsub.Publisher {
	p := q.client.Publisher(q.topicName(topic))
	p.PublishSettings.Timeout = q.o.PublishTimeout
	return p
}

// Close sends what is still buffered and closes the connections. A Receive that gave up waiting ends with it.
func (q *Queue) Close() error {
	q.messages.Stop()
	q.deadLetters.Stop()
	if err := q.client.Close(); err != nil {
		return fmt.Errorf("close pubsub client: %w", err)
	}
	return nil
}

func (q *Queue) topicName(id string) string { return "projects/" + q.o.Project + "/topics/" + id }

func (q *Queue) subscriptionName(id string) string {
	return "projects/" + q.o.Project + "/subscriptions/" + id
}

// Publish implements [queue.Queue]. The client library batches the messages and retries each batch up to
// [Options.PublishTimeout]. When ctx ends, messages on their way may still arrive.
func (q *Queue) Publish(ctx context.Context, messages []queue.Message) []error {
	errs := make([]error, len(messages))
	results := make([]*pubsub.PublishResult, len(messages))
	for i, m := range messages {
		if errs[i] = ctx.Err(); errs[i] == nil {
			results[i] = q.messages.Publish(ctx, encode(m))
		}
	}
	for i, r := range results {
		if r != nil {
			_, errs[i] = r.Get(ctx)
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("publish: %w", q.classify(ctx, errs[i], topic(q.o.Topic)))
		}
	}
	return errs
}

// PublishDeadLetter implements [queue.Queue].
func (q *Queue) PublishDeadLetter(ctx context.Context, dl queue.Message) error {
	err := ctx.Err()
	if err == nil {
		_, err = q.deadLetters.Publish(ctx, encode(dl)).Get(ctx)
	}
	if err != nil {
		return fmt.Errorf("publish dead letter: %w", q.classify(ctx, err, topic(q.o.DeadLetterTopic)))
	}
	return nil
}

// encode copies m: when ctx ends early, the library still reads what it was given.
func encode(m queue.Message) *pubsub.Message {
	return &pubsub.Message{Data: bytes.Clone(m.Body), Attributes: maps.Clone(m.Attributes)}
}

// Backlog implements [queue.Queue]; ok is always false. The service counts in its monitoring alone, minutes late.
func (q *Queue) Backlog(context.Context) (n int, ok bool, err error) { return 0, false, nil }
