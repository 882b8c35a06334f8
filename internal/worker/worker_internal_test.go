package worker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gamefill/internal/ledger"
)

// mute is a ledger that does not answer.
type mute struct{ ledger.Ledger }

func (mute) Run(ctx context.Context, _ string) (ledger.Run, error) {
	<-ctx.Done()
	return ledger.Run{}, ctx.Err()
}

// TestSilentLedgerIsUnhealthy: a look that waits for its answer is told of long before it is given up.
func TestSilentLedgerIsUnhealthy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &Worker{ledger: mute{}}
		ctx, cancel := context.WithCancel(t.Context())
		go w.look(ctx, ledger.Run{}, nil, nil)
		time.Sleep(silentAfter - time.Millisecond)
		if err := w.Healthy(); err != nil {
			t.Errorf("a slow answer: got %v, want healthy", err)
		}
		time.Sleep(time.Millisecond)
		if err := w.Healthy(); err == nil {
			t.Errorf("after %v: got healthy, want it to say that the ledger does not answer", silentAfter)
		}
		cancel()
		synctest.Wait()
		if err := w.Healthy(); err != nil {
			t.Errorf("once nobody asks: got %v, want healthy", err)
		}
	})
}

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
