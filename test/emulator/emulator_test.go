package emulator_test

import (
	"net"
	"os"
	"testing"
	"time"

	"gamefill/test/emulator"
)

func TestStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, variable string
		start          func(testing.TB) string
	}{
		{"firestore", "FIRESTORE_EMULATOR_HOST", emulator.Firestore},
		{"pubsub", "PUBSUB_EMULATOR_HOST", emulator.PubSub},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			host := tt.start(t)
			conn, err := net.DialTimeout("tcp", host, 10*time.Second)
			if err != nil {
				t.Fatalf("dial: %v", err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			if again := tt.start(t); again != host {
				t.Errorf("second call: got %s, want %s again", again, host)
			}
			if got := os.Getenv(tt.variable); got != host {
				t.Errorf("%s: got %q, want %q", tt.variable, got, host)
			}
		})
	}
}
