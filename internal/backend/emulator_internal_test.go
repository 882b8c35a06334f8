package backend

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEmulatorsAndRealServices(t *testing.T) {
	t.Parallel()
	const file, topic, database = "sqlite:x.db", "pubsub://p/dates", "firestore://p"
	variables := func(pubsubHost, firestoreHost string) map[string]string {
		return map[string]string{"PUBSUB_EMULATOR_HOST": pubsubHost, "FIRESTORE_EMULATOR_HOST": firestoreHost}
	}
	tests := []struct {
		name          string
		queue, ledger string
		allow         bool
		variables     map[string]string
		emulators     []string
		refused       []string // parts of the refusal; nil for none
	}{
		{"embedded, whatever the variables say", file, file, false, variables("localhost:1", "localhost:2"), nil, nil},
		{"both real", topic, database, false, nil, nil, nil},
		{"both emulators", topic, database, false, variables("localhost:1", "localhost:2"), []string{
			"the queue is an emulator of Pub/Sub at localhost:1 (PUBSUB_EMULATOR_HOST)",
			"the ledger is an emulator of Firestore at localhost:2 (FIRESTORE_EMULATOR_HOST)"}, nil},
		{"the only Google service is an emulator", topic, file, false, variables("localhost:1", ""), []string{
			"the queue is an emulator of Pub/Sub at localhost:1 (PUBSUB_EMULATOR_HOST)"}, nil},
		{"the other variable", topic, file, false, variables("", "localhost:2"), nil, nil},
		{"queue emulator, real ledger", topic, database, false, variables("localhost:1", ""), []string{
			"the queue is an emulator of Pub/Sub at localhost:1 (PUBSUB_EMULATOR_HOST)"},
			[]string{"the queue is an emulator of Pub/Sub", "the ledger is Firestore in a real project (firestore://p)",
				"--allow-mixed-emulators"}},
		{"ledger emulator, real queue", topic, database, false, variables("", "localhost:2"), []string{
			"the ledger is an emulator of Firestore at localhost:2 (FIRESTORE_EMULATOR_HOST)"},
			[]string{"the ledger is an emulator of Firestore", "the queue is Pub/Sub in a real project (pubsub://p/dates)"}},
		{"mixed and meant", topic, database, true, variables("localhost:1", ""), []string{
			"the queue is an emulator of Pub/Sub at localhost:1 (PUBSUB_EMULATOR_HOST)"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := Addresses{Queue: tt.queue, Ledger: tt.ledger, Warehouse: file, AllowMixedEmulators: tt.allow}
			getenv := func(name string) string { return tt.variables[name] }
			found, _ := a.services(getenv)
			var got []string
			for _, e := range found {
				got = append(got, e.String())
			}
			if diff := cmp.Diff(tt.emulators, got); diff != "" {
				t.Errorf("emulators (-want +got):\n%s", diff)
			}
			err := a.checkEmulators(getenv)
			if (err != nil) != (tt.refused != nil) {
				t.Fatalf("got error %v, want one with %q", err, tt.refused)
			}
			for _, want := range tt.refused {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

func TestLocalEndpoints(t *testing.T) {
	t.Parallel()
	tests := []struct{ endpoint, want string }{
		{"", ""}, {"https://bigquery.googleapis.com", ""}, {"https://bigquery.example", ""}, {"://", ""},
		{"http://127.0.0.1:9050", "127.0.0.1:9050"}, {"https://localhost:9050/", "localhost:9050"},
		{"http://[::1]:9050", "[::1]:9050"},
		{"http://emulator:9050", "emulator:9050"},
	}
	for _, tt := range tests {
		t.Run(url.PathEscape(tt.endpoint), func(t *testing.T) {
			t.Parallel()
			if got := local(tt.endpoint); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
