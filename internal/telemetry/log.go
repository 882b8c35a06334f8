package telemetry

import (
	"io"
	"log/slog"
)

// NewJSONHandler writes log lines as JSON in the field names that Cloud Logging knows: severity, message and time; other
// attributes keep their keys.
func NewJSONHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
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
	}})
}

// severity is Cloud Logging's word for a level; the others are the same. Source: LogSeverity in its API reference.
func severity(l slog.Level) string {
	if l == slog.LevelWarn {
		return "WARNING"
	}
	return l.String()
}
