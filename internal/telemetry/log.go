package telemetry

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// NewJSONHandler writes log lines as JSON in the field names that Cloud Logging knows: severity, message and time;
// other attributes keep their keys. A line written in a span names it. project is the Google Cloud project that keeps
// the traces; empty: the trace is named by its id alone.
func NewJSONHandler(w io.Writer, level slog.Leveler, project string) slog.Handler {
	rename := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.MessageKey:
			a.Key = "message"
		case slog.LevelKey:
			if l, ok := a.Value.Any().(slog.Level); ok {
				return slog.String("severity", severity(l))
			}
		}
		return a
	}
	return spanHandler{project, slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: rename})}
}

// severity is Cloud Logging's word for a level; the others are the same. Source: LogSeverity in its API reference.
func severity(l slog.Level) string {
	if l == slog.LevelWarn {
		return "WARNING"
	}
	return l.String()
}

// ProjectVariable names the environment variable with the Google Cloud project that keeps the traces.
const ProjectVariable = "GOOGLE_CLOUD_PROJECT"

// Fields that tie a line to its span. Source: Cloud Logging, "Structured logging", special JSON fields.
const (
	fieldTrace = "logging.googleapis.com/trace"
	fieldSpan  = "logging.googleapis.com/spanId"
)

// spanHandler adds the span of a line's context.
type spanHandler struct {
	project string
	slog.Handler
}

// Handle implements slog.Handler.
func (h spanHandler) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		name := span.TraceID().String()
		if h.project != "" {
			name = "projects/" + h.project + "/traces/" + name
		}
		r = r.Clone()
		r.AddAttrs(slog.String(fieldTrace, name), slog.String(fieldSpan, span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h spanHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return spanHandler{h.project, h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h spanHandler) WithGroup(name string) slog.Handler {
	return spanHandler{h.project, h.Handler.WithGroup(name)}
}
