package failure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gamefill/internal/failure"
)

var classes = []failure.Class{failure.Transient, failure.Permanent, failure.Quota, failure.Environment, failure.Crash}

func TestClassNames(t *testing.T) {
	t.Parallel()
	names := []string{"transient", "permanent", "quota", "environment", "crash"}
	for i, c := range classes {
		if got := c.String(); got != names[i] {
			t.Errorf("name: got %q, want %q", got, names[i])
		}
		parsed, err := failure.ParseClass(names[i])
		if err != nil || parsed != c {
			t.Errorf("parse %q: got %v, %v, want %v", names[i], parsed, err, c)
		}
		text, err := json.Marshal(c)
		if err != nil || string(text) != `"`+names[i]+`"` {
			t.Errorf("JSON: got %s, %v, want %q", text, err, names[i])
		}
		var back failure.Class
		if err := json.Unmarshal(text, &back); err != nil || back != c {
			t.Errorf("JSON round trip: got %v, %v, want %v", back, err, c)
		}
	}
	for _, odd := range []failure.Class{-1, 5} {
		if got, want := odd.String(), fmt.Sprintf("class(%d)", int(odd)); got != want {
			t.Errorf("name: got %q, want %q", got, want)
		}
	}
	if c, err := failure.ParseClass("fatal"); err == nil || !strings.Contains(err.Error(), "environment") {
		t.Errorf("unknown class: got %v, %v, want an error that lists the classes", c, err)
	}
	kept := failure.Quota
	if err := json.Unmarshal([]byte(`"fatal"`), &kept); err == nil || kept != failure.Quota {
		t.Errorf("unknown class in JSON: got %v, %v, want an error and no change", kept, err)
	}
}

func TestSpendsAttempt(t *testing.T) {
	t.Parallel()
	want := map[failure.Class]bool{failure.Transient: true, failure.Permanent: true, failure.Crash: true,
		failure.Quota: false, failure.Environment: false}
	for _, c := range classes {
		if got := c.SpendsAttempt(); got != want[c] {
			t.Errorf("%v: got %v, want %v", c, got, want[c])
		}
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	root := errors.New("root")
	deadline := fmt.Errorf("read: %w", context.DeadlineExceeded)
	tests := []struct {
		name   string
		err    error
		class  failure.Class
		reason string
	}{
		{"unmarked", root, failure.Transient, "error"},
		{"no error", nil, failure.Transient, "error"},
		{"deadline", deadline, failure.Transient, "timeout"},
		{"marked", failure.MarkPermanent(root, "source_empty"), failure.Permanent, "source_empty"},
		{"environment", failure.MarkEnvironment(root, "table_missing"), failure.Environment, "table_missing"},
		{"marked, then wrapped", fmt.Errorf("read: %w", failure.Mark(root, failure.Quota, "rate")), failure.Quota, "rate"},
		{"outermost mark wins",
			failure.Mark(fmt.Errorf("x: %w", failure.MarkPermanent(root, "inner")), failure.Transient, "outer"),
			failure.Transient, "outer"},
		{"mark without a reason", failure.Mark(root, failure.Quota, ""), failure.Quota, "error"},
		{"deadline marked without a reason", failure.Mark(deadline, failure.Quota, ""), failure.Quota, "timeout"},
		{"joined", errors.Join(errors.New("close"), failure.MarkPermanent(root, "bad_row")), failure.Permanent, "bad_row"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := failure.ClassOf(tt.err); got != tt.class {
				t.Errorf("class: got %v, want %v", got, tt.class)
			}
			if got := failure.ReasonOf(tt.err); got != tt.reason {
				t.Errorf("reason: got %q, want %q", got, tt.reason)
			}
		})
	}
	if err := failure.Mark(nil, failure.Permanent, "x"); err != nil {
		t.Errorf("mark of no error: got %v, want nil", err)
	}
	marked := failure.MarkPermanent(root, "x")
	if !errors.Is(marked, root) || marked.Error() != root.Error() {
		t.Errorf("mark changes the error: got %v, want %v", marked, root)
	}
}
