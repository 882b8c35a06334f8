package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gamefill/internal/ledger"
	"gamefill/internal/queue"
	"gamefill/internal/worker"
)

// Traces follows game dates from the publisher to the workers: a trace begins where a date's message is published, the
// message carries it in the attributes of W3C Trace Context, and each attempt is a span of it with a child for each
// stage. Safe for concurrent use. A nil *Traces follows nothing: Queue and Close change nothing, and Tracer is nil.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// endpoints are the variables that switch traces on (OpenTelemetry, "OTLP Exporter Configuration"). The exporter reads
// them itself, with all others of that page.
var endpoints = []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}

// OpenTraces exports spans by OTLP over HTTP in the name of service, which $OTEL_SERVICE_NAME changes. It returns nil
// when no endpoint is set. What the exporter complains of later goes to log, for the whole process; it never holds up
// work.
func OpenTraces(ctx context.Context, service string, getenv func(string) string, log *slog.Logger) (*Traces, error) {
	on := false
	for _, name := range endpoints {
		on = on || getenv(name) != ""
	}
	if !on {
		return nil, nil
	}
	named, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", service)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("read what traces say of this process: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("export traces", "error", err.Error()) }))
	return NewTraces(sdktrace.WithBatcher(exporter), sdktrace.WithResource(named)), nil
}

// NewTraces hands spans to what the options name.
func NewTraces(options ...sdktrace.TracerProviderOption) *Traces {
	provider := sdktrace.NewTracerProvider(options...)
	return &Traces{provider, provider.Tracer("gamefill")}
}

// closeTimeout bounds the export of the last spans: Cloud Run leaves 2 s between the end of --grace=8s and its SIGKILL,
// and the exit needs some of them.
const closeTimeout = time.Second

// Close exports the spans that have ended, a second at most; the rest is lost.
func (t *Traces) Close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("export the last spans: %w", err)
	}
	return nil
}

// Names of attributes: the keys of log lines.
const (
	keyRun        = attribute.Key("run_id")
	keyDate       = attribute.Key("game_date")
	keyAttempt    = attribute.Key("attempt")
	keyGeneration = attribute.Key("generation")
	keySeq        = attribute.Key("seq")
	keyOutcome    = attribute.Key("outcome")
	keyClass      = attribute.Key("class")
	keyReason     = attribute.Key("reason")
	keyStage      = attribute.Key("stage")
)

// Tracer is what a worker tells of its attempts; nil when nothing follows them.
func (t *Traces) Tracer() worker.Tracer {
	if t == nil {
		return nil
	}
	return attempts{t.tracer}
}

// attempts makes a span of each attempt. It implements worker.Tracer.
type attempts struct{ tracer trace.Tracer }

// Begin begins the span of an attempt, in the trace of the delivery that ctx comes from. A message without a trace
// begins one, linked to the trace before its replay.
func (t attempts) Begin(ctx context.Context, m queue.Message, l ledger.Lease) context.Context {
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		keyRun.String(l.Run), keyDate.String(l.Date.String()), keyAttempt.Int(l.Attempt), keyGeneration.Int64(l.Generation),
		keySeq.Int64(l.Seq))}
	if !trace.SpanContextFromContext(ctx).IsValid() {
		options = append(options, linkBefore(m)...)
	}
	ctx, _ = t.tracer.Start(ctx, "attempt", options...)
	return ctx
}

// StageEnded adds a stage to the span of an attempt.
func (t attempts) StageEnded(ctx context.Context, stage string, took time.Duration) {
	now := time.Now()
	_, span := t.tracer.Start(ctx, stage, trace.WithTimestamp(now.Add(-took)))
	span.End(trace.WithTimestamp(now))
}

// End ends the span of an attempt; one that failed is an error, whose message stays in the ledger and the logs.
func (t attempts) End(ctx context.Context, outcome string, f *ledger.Failure) {
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(keyOutcome.String(outcome))
	if f != nil {
		span.SetAttributes(keyClass.String(f.Class.String()), keyReason.String(f.Reason), keyStage.String(f.Stage))
		if outcome != ledger.ResultReleased {
			span.SetStatus(codes.Error, f.Reason)
		}
	}
	span.End()
}

// linkBefore links a span to the trace that a replayed message names.
func linkBefore(m queue.Message) []trace.SpanStartOption {
	before := traceOf(context.Background(), map[string]string{queue.AttrTrace: m.Attributes[queue.AttrTraceBefore]})
	if link := trace.LinkFromContext(before); link.SpanContext.IsValid() {
		return []trace.SpanStartOption{trace.WithLinks(link)}
	}
	return nil
}

// traceOf is ctx in the trace that attributes carry; what is no trace is ignored.
func traceOf(ctx context.Context, attributes map[string]string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(attributes))
}

// carry is a message that carries the trace of ctx; m when there is none.
func carry(ctx context.Context, m queue.Message) queue.Message {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return m
	}
	attributes := map[string]string{}
	maps.Copy(attributes, m.Attributes)
	propagation.TraceContext{}.Inject(ctx, propagation.MapCarrier(attributes))
	m.Attributes = attributes
	return m
}

// Queue is q with every message and dead letter carrying its trace.
func (t *Traces) Queue(q queue.Queue) queue.Queue {
	if t == nil {
		return q
	}
	return &tracedQueue{q, t.tracer}
}

type tracedQueue struct {
	queue.Queue
	tracer trace.Tracer
}

// Publish begins a trace for each message. Messages of one command do not share one: a season would be a trace that no
// viewer shows.
func (q *tracedQueue) Publish(ctx context.Context, messages []queue.Message) []error {
	carrying, spans := make([]queue.Message, len(messages)), make([]trace.Span, len(messages))
	for i, m := range messages {
		options := append(linkBefore(m), trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindProducer),
			trace.WithAttributes(
				keyRun.String(m.Attributes[queue.AttrRun]), keyDate.String(m.Attributes[queue.AttrDate])))
		var traced context.Context
		traced, spans[i] = q.tracer.Start(ctx, "publish", options...)
		carrying[i] = carry(traced, m)
	}
	errs := q.Queue.Publish(ctx, carrying)
	for i, span := range spans {
		if errs[i] != nil {
			span.SetStatus(codes.Error, errs[i].Error())
		}
		span.End()
	}
	return errs
}

// Receive hands each delivery on in its message's trace.
func (q *tracedQueue) Receive(ctx context.Context, maxOutstanding int,
	handle func(context.Context, queue.Delivery)) error {
	return q.Queue.Receive(ctx, maxOutstanding, func(ctx context.Context, d queue.Delivery) {
		handle(traceOf(ctx, d.Message().Attributes), tracedDelivery{d})
	})
}

// PublishDeadLetter adds the trace of ctx.
func (q *tracedQueue) PublishDeadLetter(ctx context.Context, dl queue.Message) error {
	return q.Queue.PublishDeadLetter(ctx, carry(ctx, dl))
}

type tracedDelivery struct{ queue.Delivery }

// DeadLetter adds the trace of ctx: the attempt that was the last.
func (d tracedDelivery) DeadLetter(ctx context.Context, dl queue.Message) error {
	return d.Delivery.DeadLetter(ctx, carry(ctx, dl))
}
