// Package queuetest is the conformance suite of the port queue: [Run] checks every promise of its comments. It runs
// unchanged on every adapter; what adapters may do differently is data, in [Capabilities].
//
// The suite waits for things to happen, up to [Capabilities.Patience], and never for things not to happen: where a
// message must not come again, a later message is waited for, and the backlog is looked at where there is one.
package queuetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gamefill/internal/queue"
)

// Capabilities says what an adapter can do beyond the contract.
type Capabilities struct {
	Delay         bool // Nack's delay is honoured, not best effort
	DeliveryCount bool // DeliveryCount is known, from 1
	Backlog       bool // Backlog can tell, exactly
	// Patience is how long the suite waits for a delivery before the case fails; 0 means 30 s. It must be above the
	// adapter's longest redelivery.
	Patience time.Duration
}

// Run checks the queue that open makes. Each case opens a queue of its own, which must be empty and share nothing with
// the others: cases run in parallel. What open needs closed, it registers with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) queue.Queue, caps Capabilities) {
	t.Helper()
	if caps.Patience == 0 {
		caps.Patience = 30 * time.Second
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(&bench{T: t, queue: open(t), caps: caps})
		})
	}
}

var cases = []struct {
	name  string
	check func(*bench)
}{
	{"publish and receive", publishAndReceive},
	{"publish nothing", publishNothing},
	{"publish keeps no slice", publishKeepsNoSlice},
	{"cancelled context publishes nothing", cancelledPublish},
	{"cancelled context ends no delivery", cancelledEnd},
	{"cancelled context folds nothing", cancelledFold},
	{"receive with a cancelled context", cancelledReceive},
	{"ids are distinct", distinctIDs},
	{"at most so many handlers", boundedHandlers},
	{"holds only what handlers have", holdsOnlyHandled},
	{"keeps what a handler has", keepsHandled},
	{"ack ends", ackEnds},
	{"not ended comes again", unendedComesAgain},
	{"lost ack comes again", lostAck},
	{"nack comes again", nackComesAgain},
	{"nack with delay", nackWithDelay},
	{"five nacks", fiveNacks},
	{"dead letter", deadLetter},
	{"dead letter without a delivery", deadLetterAlone},
	{"first end decides", firstEndDecides},
	{"one end of many at once", racingEnds},
	{"fold keeps what fn refuses", foldRefused},
	{"fold keeps ids", foldKeepsIDs},
	{"fold many", foldMany},
	{"two folders", twoFolders},
	{"stop lets handlers finish", stopFinishes},
	{"stop with a full receiver", stopWhenFull},
	{"receive again after stop", receiveAgain},
	{"two receivers share", twoReceivers},
	{"publishers and receivers at once", everybodyAtOnce},
	{"backlog", backlog},
}

// bench is the queue under test with what the cases need.
type bench struct {
	*testing.T
	queue queue.Queue
	caps  Capabilities
}

// message is a message with a body and attributes that name it.
func message(name string) queue.Message {
	return queue.Message{Body: []byte(name), Attributes: map[string]string{"name": name, "seq": "1"}}
}

func messages(prefix string, n int) []queue.Message {
	var list []queue.Message
	for i := range n {
		list = append(list, message(prefix+strconv.Itoa(i)))
	}
	return list
}

func names(messages []queue.Message) []string {
	var list []string
	for _, m := range messages {
		list = append(list, string(m.Body))
	}
	return list
}

func (b *bench) publish(messages ...queue.Message) {
	b.Helper()
	errs := b.queue.Publish(b.Context(), messages)
	if len(errs) != len(messages) {
		b.Fatalf("publish: got %d results for %d messages", len(errs), len(messages))
	}
	if err := errors.Join(errs...); err != nil {
		b.Fatalf("publish: %v", err)
	}
}

// receiver is a Receive that runs beside the case.
type receiver struct {
	b      *bench
	cancel context.CancelFunc
	done   chan struct{} // closed when Receive has returned
	err    error
}

// receive starts a receiver; it is stopped at the end of the case at the latest, so handlers must not wait for more
// than the case releases.
func (b *bench) receive(limit int, handle func(context.Context, queue.Delivery)) *receiver {
	ctx, cancel := context.WithCancel(b.Context())
	r := &receiver{b: b, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = b.queue.Receive(ctx, limit, handle)
	}()
	b.Cleanup(func() { r.cancel(); <-r.done })
	return r
}

// stop ends the receiver and waits for it.
func (r *receiver) stop() {
	r.b.Helper()
	r.cancel()
	wait(r.b, r.done, "Receive to return")
	if r.err != nil {
		r.b.Fatalf("receive: got %v, want nil", r.err)
	}
}

// wait returns what comes from c, and fails the case when nothing does.
func wait[T any](b *bench, c <-chan T, what string) T {
	b.Helper()
	timer := time.NewTimer(b.caps.Patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		b.Fatalf("waited %v for %s", b.caps.Patience, what)
		panic("unreachable")
	}
}

// seen is one delivery as a handler saw it.
type seen struct {
	id    string
	count int
	name  string
}

func see(d queue.Delivery) seen {
	return seen{d.ID(), d.DeliveryCount(), string(d.Message().Body)}
}

// must fails the case, from any goroutine, when err is not nil.
func (b *bench) must(what string, err error) {
	if err != nil {
		b.Errorf("%s: got %v, want nil", what, err)
	}
}

// next receives n deliveries one after the other, ends each with end and returns them in the order in which they came.
// The last handler stays until the receiver is told to stop, so that nothing is delivered beyond the n.
func (b *bench) next(n int, end func(queue.Delivery) error) []seen {
	b.Helper()
	got := make(chan seen, n)
	stopping := make(chan struct{})
	left := n // one handler at a time touches it
	r := b.receive(1, func(_ context.Context, d queue.Delivery) {
		b.must("end", end(d))
		got <- see(d)
		if left--; left == 0 {
			<-stopping
		}
	})
	stop := sync.OnceFunc(func() { r.cancel(); close(stopping) })
	b.Cleanup(stop)
	var list []seen
	for range n {
		list = append(list, wait(b, got, "a delivery"))
	}
	stop()
	r.stop()
	return list
}

func (b *bench) ack(d queue.Delivery) error { return d.Ack(b.Context()) }

// drained checks that nothing waits: a message published now is the only one that comes, and the backlog is empty.
func (b *bench) drained() {
	b.Helper()
	b.publish(message("sentinel"))
	if got := b.next(1, b.ack); got[0].name != "sentinel" {
		b.Errorf("got %q again, want nothing but the sentinel", got[0].name)
	}
	if b.caps.Backlog {
		b.wantBacklog(0)
	}
}

func (b *bench) wantBacklog(want int) {
	b.Helper()
	n, ok, err := b.queue.Backlog(b.Context())
	if err != nil || !ok || n != want {
		b.Errorf("backlog: got %d, %v, %v, want %d", n, ok, err, want)
	}
}

// fold removes every dead letter and returns them.
func (b *bench) fold() []queue.DeadLetter {
	b.Helper()
	var letters []queue.DeadLetter
	n, err := b.queue.FoldDeadLetters(b.Context(), func(_ context.Context, l queue.DeadLetter) error {
		letters = append(letters, l)
		return nil
	})
	if err != nil {
		b.Fatalf("fold: %v", err)
	}
	if n != len(letters) {
		b.Errorf("fold: got %d removed, %d handed out", n, len(letters))
	}
	return letters
}

// awaitLetters folds until n letters have come: a published letter may take a moment to arrive.
func (b *bench) awaitLetters(n int) []queue.DeadLetter {
	b.Helper()
	var letters []queue.DeadLetter
	for end := time.Now().Add(b.caps.Patience); len(letters) < n; {
		letters = append(letters, b.fold()...)
		if time.Now().After(end) {
			b.Fatalf("waited %v for %d dead letters, got %d", b.caps.Patience, n, len(letters))
		}
	}
	return letters
}

// wantMessages compares without order.
func (b *bench) wantMessages(got, want []queue.Message) {
	b.Helper()
	byBody := cmpopts.SortSlices(func(x, y queue.Message) bool { return string(x.Body) < string(y.Body) })
	if diff := gocmp.Diff(want, got, byBody, cmpopts.EquateEmpty()); diff != "" {
		b.Errorf("messages (-want +got):\n%s", diff)
	}
}

// tally counts deliveries by name.
type tally struct {
	mu sync.Mutex // guards by
	by map[string]int
}

func (t *tally) add(name string) (times int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[string]int{}
	}
	t.by[name]++
	return t.by[name]
}

// names returns those counted, sorted.
func (t *tally) names() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.by))
}

func sortedNames(messages []queue.Message) []string {
	return slices.SortedFunc(slices.Values(names(messages)), cmp.Compare)
}

// errRefused is what folding functions of the cases return.
var errRefused = fmt.Errorf("refused by the case")
