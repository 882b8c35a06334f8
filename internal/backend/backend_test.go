package backend_test

import (
	"path/filepath"
	"strings"
	"testing"

	"gamefill/internal/backend"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/queue/sqlitequeue"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, queue string
		want        string // what the error says, "" for none
	}{
		{"file", "sqlite:gamefill.db", ""},
		{"topic", "pubsub://project/dates", ""},
		{"topic with names", "pubsub://project/dates?subscription=mine&deadletter=given-up", ""},
		{"unknown scheme", "kafka:x", "unknown scheme; known are: sqlite:FILE, pubsub://PROJECT/TOPIC"},
		{"no file", "sqlite:", "the file is missing"},
		{"parameter of a file", "sqlite:gamefill.db?mode=ro", `unknown parameter "mode"; sqlite: takes none`},
		{"unknown parameter", "pubsub://project/dates?region=eu",
			`unknown parameter "region"; pubsub: takes subscription, deadletter`},
		{"empty parameter", "pubsub://project/dates?subscription=", `parameter "subscription": want one value`},
		{"parameter twice", "pubsub://project/dates?deadletter=a&deadletter=b", `parameter "deadletter" is given 2 times`},
		{"short topic", "pubsub://project/it", `no name for a topic or subscription: "it"`},
		{"topic with a blank", "pubsub://project/my dates", `no name for a topic or subscription: "my dates"`},
		{"full name of a subscription", "pubsub://project/dates?subscription=projects/p/subscriptions/s",
			"no name for a topic or subscription"},
		{"no slashes", "pubsub:project/dates", "want pubsub://PROJECT/TOPIC"},
		{"no topic", "pubsub://project", "want pubsub://PROJECT/TOPIC"},
		{"empty topic", "pubsub://project/", "want pubsub://PROJECT/TOPIC"},
		{"no project", "pubsub:///dates", "want pubsub://PROJECT/TOPIC"},
		{"path of the service", "pubsub://projects/p/topics/t", "want pubsub://PROJECT/TOPIC"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := backend.Addresses{Queue: tt.queue, Ledger: backend.Default, Warehouse: backend.Default}.Validate()
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v, want nil", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "--queue") {
				t.Errorf("got %v, want --queue and %q", err, tt.want)
			}
		})
	}
	err := backend.Addresses{Queue: backend.Default, Ledger: "pubsub://project/dates",
		Warehouse: backend.Default}.Validate()
	if err == nil || !strings.Contains(err.Error(), "--ledger") {
		t.Errorf("a topic as ledger: got %v, want an error naming --ledger", err)
	}
}

// TestOpenChoosesTheQueue is not parallel: it sets the variable with which the client library needs no account.
func TestOpenChoosesTheQueue(t *testing.T) {
	t.Setenv(pubsubqueue.EmulatorVariable, "127.0.0.1:1") // nobody is there; opening makes no call
	file := "sqlite:" + filepath.Join(t.TempDir(), "gamefill.db")
	for address, check := range map[string]func(any) bool{
		file:                     func(q any) bool { _, ok := q.(*sqlitequeue.Queue); return ok },
		"pubsub://project/dates": func(q any) bool { _, ok := q.(*pubsubqueue.Queue); return ok },
	} {
		b, err := backend.Open(t.Context(), backend.Addresses{Queue: address, Ledger: file, Warehouse: file},
			backend.Options{})
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		if !check(b.Queue) {
			t.Errorf("%s: got a %T", address, b.Queue)
		}
		if err := b.Close(); err != nil {
			t.Errorf("%s: close: %v", address, err)
		}
	}
}
