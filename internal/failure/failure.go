// Package failure sorts errors into the classes that decide what a worker does next.
//
// The class is marked at the place that knows, usually an adapter or the job, and asked for where the decision is made.
// An unmarked error is [Transient].
package failure

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Class says what follows from a failure of one game date.
type Class int

// The classes. What each spends and triggers is design decided: see docs/architecture.md, "Failure classes".
const (
	// Transient may succeed when tried again. It spends one attempt; the date is dead after the last one.
	Transient Class = iota
	// Permanent cannot succeed on the same input: bad rows, failed acceptance. The date is dead at once.
	Permanent
	// Quota means the store asked us to slow down for minutes or until tomorrow. It spends no attempt.
	Quota
	// Environment means that something outside the date is missing or forbidden: a table, a right, a schema.
	// It spends no attempt and kills no date; the second date that sees it pauses the run.
	Environment
	// Crash is an expired lease that nobody explained: the process that held it died. It spends one attempt.
	// Only the ledger's lease rules produce it.
	Crash
)

var names = [...]string{"transient", "permanent", "quota", "environment", "crash"}

// String is the class's name in logs, reports and stores.
func (c Class) String() string {
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("class(%d)", int(c))
	}
	return names[c]
}

// ParseClass reads what String writes.
func ParseClass(s string) (Class, error) {
	for i, n := range names {
		if n == s {
			return Class(i), nil
		}
	}
	return 0, fmt.Errorf("failure class %q: want one of %s", s, strings.Join(names[:], ", "))
}

// MarshalText writes the name.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the name.
func (c *Class) UnmarshalText(text []byte) error {
	parsed, err := ParseClass(string(text))
	if err == nil {
		*c = parsed
	}
	return err
}

// SpendsAttempt reports whether a failure of this class counts against the date's attempts.
func (c Class) SpendsAttempt() bool { return c == Transient || c == Permanent || c == Crash }

type classified struct {
	error
	class  Class
	reason string
}

func (c *classified) Unwrap() error { return c.error }

// Mark gives err a class and a reason: a short stable code ("source_empty") that groups equal failures. A nil err stays
// nil.
func Mark(err error, class Class, reason string) error {
	if err == nil {
		return nil
	}
	return &classified{err, class, reason}
}

// MarkPermanent marks err as [Permanent] with a reason code.
func MarkPermanent(err error, reason string) error { return Mark(err, Permanent, reason) }

// MarkEnvironment marks err as [Environment] with a reason code.
func MarkEnvironment(err error, reason string) error { return Mark(err, Environment, reason) }

// ClassOf is the class of the outermost mark, [Transient] when there is none.
func ClassOf(err error) Class {
	if c, ok := errors.AsType[*classified](err); ok {
		return c.class
	}
	return Transient
}

// ReasonOf is the reason code of the outermost mark; without one, "timeout" for a deadline, else "error".
func ReasonOf(err error) string {
	if c, ok := errors.AsType[*classified](err); ok && c.reason != "" {
		return c.reason
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "error"
}
