package worker

import (
	"testing"
	"time"
)

func TestLookAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		drain      bool
		took, want time.Duration
	}{
		{"a file", true, time.Millisecond, drainPoll},
		{"a service", true, 40 * time.Millisecond, 360 * time.Millisecond},
		{"a slow service", true, time.Second, time.Second},
		{"not draining", false, time.Millisecond, time.Second},
	} {
		c := Config{Drain: tt.drain, ControlEvery: time.Second}
		if got := c.lookAgain(tt.took); got != tt.want {
			t.Errorf("%s: got %v after a look of %v, want %v", tt.name, got, tt.took, tt.want)
		}
	}
}
