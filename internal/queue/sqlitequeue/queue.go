// Package sqlitequeue is the embedded queue: messages are rows of an SQLite file that every process of the host opens.
//
// A receiver takes a message by writing a random holder token and a time until which nobody else may take it; it renews
// that hold while the handler runs. An ack deletes the row if the token still stands. A process that dies at whatever
// instant leaves its messages to come back when their hold ends, so nothing has to clean up after it.
//
// Times are the host's clock. If it is set back, messages that were due stay invisible until it has caught up.
//
// One [Queue] wakes its own receivers at once; across processes receivers poll with a read, which costs no write lock.
// The package does not order messages, though it prefers those that have been due longest.
package sqlitequeue

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"gamefill/internal/failure"
	"gamefill/internal/queue"
	"gamefill/internal/sqlitefile"
)

// Defaults of [Options].
const (
	// DefaultTopic is the topic when none is named.
	DefaultTopic = "default"
	// DefaultHold is how long the messages of a dead process stay invisible. It is far above the pause that a busy disk
	// or a stopped scheduler causes, and renewal starts after a third of it.
	DefaultHold = 30 * time.Second
	// DefaultMinPoll and DefaultMaxPoll bound the wait between two looks at an empty queue. A look reads one index
	// entry, so four a second and process are free; messages published by the same process do not wait for it.
	DefaultMinPoll = 5 * time.Millisecond
	DefaultMaxPoll = 250 * time.Millisecond
)

// publishChunk is how many messages one transaction publishes: enough to make the fsync's share small, few enough that
// the acks of a running worker do not wait behind a whole season.
const publishChunk = 500

// ErrHoldLost is returned by Ack when the hold ended before (the process stood still for longer than it) and another
// receiver may have the message: it will be, or has been, delivered again.
var ErrHoldLost = errors.New("hold on the message was lost, it is delivered again")

// Options says how a queue works. The zero Options works.
type Options struct {
	// Topic separates queues that share a file.
	Topic string
	// Hold is how long a taken message stays invisible without renewal.
	Hold time.Duration
	// MinPoll and MaxPoll bound the wait between two looks at an empty queue; it doubles from one to the other.
	MinPoll, MaxPoll time.Duration
	// Now is the host's clock.
	Now func() time.Time
}

// Queue is one topic of a file with its dead letters. It implements [queue.Queue].
type Queue struct {
	file    *sqlitefile.File
	o       Options
	changed broadcast // a message may have become due earlier than receivers know
}

var _ queue.Queue = (*Queue)(nil)

// New makes a queue on f. It keeps f open for others: the caller closes f after the last Receive has returned.
func New(ctx context.Context, f *sqlitefile.File, o Options) (*Queue, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Topic == "" {
		o.Topic = DefaultTopic
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&o.Hold, DefaultHold}, {&o.MinPoll, DefaultMinPoll}, {&o.MaxPoll, DefaultMaxPoll}} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Hold < time.Millisecond || o.MinPoll < 0 || o.MaxPoll < o.MinPoll || !utf8.ValidString(o.Topic) {
		return nil, fmt.Errorf(
			"queue %q: hold %v, poll %v to %v: want a hold of at least 1ms and a minimum poll up to the maximum",
			o.Topic, o.Hold, o.MinPoll, o.MaxPoll)
	}
	return &Queue{file: f, o: o}, nil
}

// now is the host's clock in microseconds.
func (q *Queue) now() int64 { return q.o.Now().UnixMicro() }

// row is a message in the form in which it is stored.
type row struct {
	id         string
	body       []byte
	attributes string
}

// encode checks and stores a message in a row under a new id.
func encode(m queue.Message) (row, error) {
	for k, v := range m.Attributes {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return row{}, failure.MarkPermanent(fmt.Errorf("attribute %q is not UTF-8", k), "bad_message")
		}
	}
	attributes := []byte("{}")
	if len(m.Attributes) > 0 {
		attributes, _ = json.Marshal(m.Attributes) // texts always marshal
	}
	body := m.Body
	if body == nil {
		body = []byte{} // a nil slice would be NULL
	}
	return row{rand.Text(), body, string(attributes)}, nil
}

// decode reads the body and attributes columns of a row.
func decode(body, attributes driver.Value) (queue.Message, error) {
	var m queue.Message
	b, okBody := body.([]byte)
	text, okText := attributes.(string)
	if !okBody || !okText {
		return m, fmt.Errorf("stored message has columns of types %T and %T", body, attributes)
	}
	m.Body = slices.Clone(b)
	if err := json.Unmarshal([]byte(text), &m.Attributes); err != nil {
		return m, fmt.Errorf("stored attributes: %w", err)
	}
	return m, nil
}

const insertMessage = `INSERT INTO queue_message (id, topic, body, attributes, published_at, visible_at)
	VALUES (?, ?, ?, ?, ?, ?)`

// Publish implements [queue.Queue]. Messages are published in transactions of up to 500. A message whose attributes are
// not UTF-8 gets a permanent error (reason "bad_message") and does not keep the others back.
func (q *Queue) Publish(ctx context.Context, messages []queue.Message) []error {
	errs := make([]error, len(messages))
	rows := make([]row, len(messages))
	var good []int // positions
	for i, m := range messages {
		if rows[i], errs[i] = encode(m); errs[i] == nil {
			good = append(good, i)
		} else {
			errs[i] = fmt.Errorf("publish: %w", errs[i])
		}
	}
	for chunk := range slices.Chunk(good, publishChunk) {
		err := q.file.Write(ctx, func(tx *sqlitefile.Tx) error {
			now := q.now()
			for _, i := range chunk {
				r := &rows[i]
				if err := tx.ExecValues(insertMessage,
					[]driver.Value{r.id, q.o.Topic, r.body, r.attributes, now, now}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			err = fmt.Errorf("publish: %w", err)
			for _, i := range chunk {
				errs[i] = err
			}
			continue
		}
		q.changed.notify()
	}
	return errs
}

// Backlog implements [queue.Queue]; ok is always true.
func (q *Queue) Backlog(ctx context.Context) (n int, ok bool, err error) {
	err = q.file.Read(ctx, func(tx *sqlitefile.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM queue_message WHERE topic = ?`, q.o.Topic).Scan(&n)
	})
	if err != nil {
		return 0, false, fmt.Errorf("backlog: %w", err)
	}
	return n, true, nil
}

// broadcast wakes everybody who waits. The zero broadcast is ready.
type broadcast struct {
	mu sync.Mutex // guards ch
	ch chan struct{}
}

// wait returns a channel that the next notify closes.
func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
