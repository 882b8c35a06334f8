package worker_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/queue"
	"gamefill/internal/telemetry"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
)

// traced is a world whose publisher and worker trace, each into its own recorder, as two processes would.
type traced struct {
	*world
	published, worked *tracetest.SpanRecorder
	publisherTraces   *telemetry.Traces
	workerTraces      *telemetry.Traces
	plain             queue.Queue
}

func newTraced(t *testing.T, choose func(*world), dates ...string) *traced {
	t.Helper()
	w := &traced{world: newWorldOn(t, choose, dates...), published: tracetest.NewSpanRecorder(),
		worked: tracetest.NewSpanRecorder()}
	w.publisherTraces = telemetry.NewTraces(sdktrace.WithSpanProcessor(w.published))
	w.workerTraces = telemetry.NewTraces(sdktrace.WithSpanProcessor(w.worked))
	w.plain = w.queue
	return w
}

// as lets the world's queue be that of one of the processes.
func (w *traced) as(t *telemetry.Traces) { w.queue = t.Queue(w.plain) }

// drain runs one tracing worker until everything is settled.
func (w *traced) drain() {
	w.t.Helper()
	w.as(w.workerTraces)
	c := w.config()
	c.Tracer = w.workerTraces.Tracer()
	must(w.t, w.worker(c).Run(w.t.Context()))
}

// attributes are a span's attributes as text.
func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	m := map[string]string{}
	for _, a := range s.Attributes() {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

// of are the spans of a name and date, in order of their ends.
func of(r *tracetest.SpanRecorder, name, day string) []sdktrace.ReadOnlySpan {
	return slices.DeleteFunc(r.Ended(), func(s sdktrace.ReadOnlySpan) bool {
		return s.Name() != name || attributes(s)["game_date"] != day
	})
}

// only is the one span of a name and date.
func only(t *testing.T, r *tracetest.SpanRecorder, name, day string) sdktrace.ReadOnlySpan {
	t.Helper()
	spans := of(r, name, day)
	if len(spans) != 1 {
		t.Fatalf("spans %s of %s: got %d, want 1", name, day, len(spans))
	}
	return spans[0]
}

// stages are the children of a span, in order.
func stages(r *tracetest.SpanRecorder, parent sdktrace.ReadOnlySpan) (names []string) {
	for _, s := range r.Ended() {
		if s.Parent().SpanID() == parent.SpanContext().SpanID() &&
			s.SpanContext().TraceID() == parent.SpanContext().TraceID() &&
			!s.StartTime().Before(parent.StartTime()) && !s.EndTime().After(parent.EndTime()) {
			names = append(names, s.Name())
		}
	}
	return names
}

// TestTraceOfDates follows dates that end in different ways from the publisher over each queue to a worker, and one of
// them through its replay.
func TestTraceOfDates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		choose func(*world)
	}{{"sqlite", func(*world) {}}, {"pubsub", (*world).usePubSub}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newTraced(t, tt.choose, week...)
			good, bad := week[0], week[1]
			w.reading(bad, testjob.Permanent, 1)
			w.as(w.publisherTraces)
			run := w.publish(request(monday, sunday)).RunID
			w.drain()

			sent, done := only(t, w.published, "publish", good), only(t, w.worked, "attempt", good)
			if got, want := done.Parent().SpanID(), sent.SpanContext().SpanID(); got != want || !done.Parent().IsRemote() {
				t.Errorf("parent of the attempt: got %s, want the publication, %s, of another process", got, want)
			}
			if got, want := done.SpanContext().TraceID(), sent.SpanContext().TraceID(); got != want {
				t.Errorf("trace of the attempt: got %s, want %s", got, want)
			}
			if sent.Parent().IsValid() || len(sent.Links()) > 0 {
				t.Errorf("publication: got parent %v and links %v, want a trace's beginning", sent.Parent(), sent.Links())
			}
			want := map[string]string{"run_id": run, "game_date": good, "attempt": "1", "generation": "1", "seq": "1",
				"outcome": string(ledger.Replaced)}
			if diff := cmp.Diff(want, attributes(done)); diff != "" {
				t.Errorf("attempt that was completed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"claim", "read", "build", "accept", "write", "read_back", "complete"},
				stages(w.worked, done)); diff != "" {
				t.Errorf("its stages (-want +got):\n%s", diff)
			}

			dead := only(t, w.worked, "attempt", bad)
			letter := w.open()[0]
			want = map[string]string{"run_id": run, "game_date": bad, "attempt": "1", "generation": "1", "seq": "1",
				"outcome": ledger.ResultDead,
				"class":   "permanent", "reason": letter.Failure.Reason, "stage": letter.Failure.Stage}
			if diff := cmp.Diff(want, attributes(dead)); diff != "" {
				t.Errorf("attempt that was the last (-want +got):\n%s", diff)
			}
			if got := letter.Attributes[queue.AttrTrace]; !strings.Contains(got, dead.SpanContext().SpanID().String()) {
				t.Errorf("trace of the dead letter: got %q, want span %s", got, dead.SpanContext().SpanID())
			}

			w.sql(`DELETE FROM readings WHERE station = ?`, testjob.Permanent)
			w.as(w.publisherTraces)
			w.replay(publisher.ReplayRequest{})
			w.drain()
			again, attempts := of(w.published, "publish", bad)[1], of(w.worked, "attempt", bad)
			if again.SpanContext().TraceID() == dead.SpanContext().TraceID() || again.Parent().IsValid() {
				t.Error("the replay goes on in the trace before, want one of its own")
			}
			if links := again.Links(); len(links) != 1 || links[0].SpanContext.SpanID() != dead.SpanContext().SpanID() {
				t.Errorf("links of the replay: got %v, want one to the attempt that was the last, %v", links, dead.SpanContext())
			}
			if len(attempts) != 2 || attempts[1].Parent().SpanID() != again.SpanContext().SpanID() ||
				len(attempts[1].Links()) > 0 {
				t.Errorf("attempts in the end: got %d, want a second one below the replay", len(attempts))
			}
		})
	}
}

// TestTraceOfUntracedReplay replays a letter that carries a trace in a process that makes none.
func TestTraceOfUntracedReplay(t *testing.T) {
	t.Parallel()
	w := newTraced(t, func(*world) {}, week[0])
	w.reading(week[0], testjob.Permanent, 1)
	w.publish(request(monday, sunday))
	w.drain()
	first := only(t, w.worked, "attempt", week[0])
	if first.Parent().IsValid() {
		t.Errorf("attempt of a message without a trace: got parent %v, want none", first.Parent())
	}
	w.sql(`DELETE FROM readings WHERE station = ?`, testjob.Permanent)
	w.as(nil)
	w.replay(publisher.ReplayRequest{})
	w.drain()
	last := of(w.worked, "attempt", week[0])[1]
	if last.SpanContext().TraceID() == first.SpanContext().TraceID() {
		t.Error("the replay goes on in the trace before, want one of its own")
	}
	if links := last.Links(); len(links) != 1 || links[0].SpanContext.SpanID() != first.SpanContext().SpanID() {
		t.Errorf("links: got %v, want one to the attempt before, %v", links, first.SpanContext())
	}
}

// TestTraceOfLostLease ends the span of an attempt that nobody records.
func TestTraceOfLostLease(t *testing.T) {
	t.Parallel()
	w := newTraced(t, func(*world) {}, week[0])
	w.as(w.publisherTraces)
	w.publish(request(monday, sunday))
	fenced := false
	w.store = &failing{Store: w.store, replace: func(warehouse.Write) (bool, error) {
		if fenced {
			return false, nil
		}
		fenced = true
		return true, warehouse.ErrFenced
	}}
	w.as(w.workerTraces)
	c := w.config()
	c.Concurrency, c.LeaseTTL, c.Tracer = 1, time.Second, w.workerTraces.Tracer()
	must(t, w.worker(c).Run(t.Context()))
	spans := of(w.worked, "attempt", week[0])
	if len(spans) != 2 {
		t.Fatalf("got %d attempts, want 2", len(spans))
	}
	var outcomes []string
	for _, s := range spans {
		outcomes = append(outcomes, attributes(s)["outcome"])
	}
	if diff := cmp.Diff([]string{"lease_lost", string(ledger.Replaced)}, outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// TestNoTraces: without a tracer messages and letters carry nothing, and the queue is the queue itself.
func TestNoTraces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week[0])
	w.reading(week[0], testjob.Permanent, 1)
	seen := &peeking{Queue: w.queue}
	var none *telemetry.Traces
	if w.queue = none.Queue(seen); w.queue != queue.Queue(seen) {
		t.Error("got another queue, want the one that was given")
	}
	if none.Tracer() != nil {
		t.Error("got a tracer, want none")
	}
	must(t, none.Close())
	w.publish(request(monday, sunday))
	w.drain()
	letter := w.open()[0]
	w.sql(`DELETE FROM readings WHERE station = ?`, testjob.Permanent)
	w.replay(publisher.ReplayRequest{Dates: []gamedate.Date{date(week[0])}})
	if len(seen.messages) != 2 {
		t.Fatalf("got %d messages, want 2", len(seen.messages))
	}
	for _, m := range append(seen.messages, queue.Message{Attributes: letter.Attributes}) {
		for _, name := range []string{queue.AttrTrace, queue.AttrTraceBefore} {
			if got, ok := m.Attributes[name]; ok {
				t.Errorf("%s: got %q, want no such attribute", name, got)
			}
		}
	}
}

// peeking keeps what is published.
type peeking struct {
	queue.Queue
	messages []queue.Message
}

func (p *peeking) Publish(ctx context.Context, messages []queue.Message) []error {
	p.messages = append(p.messages, messages...)
	return p.Queue.Publish(ctx, messages)
}
