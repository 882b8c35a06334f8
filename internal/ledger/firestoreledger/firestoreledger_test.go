package firestoreledger_test

import (
	"crypto/rand"
	"testing"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"gamefill/internal/ledger"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/ledger/ledgertest"
	"gamefill/test/emulator"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newLedger is a ledger of its own in the emulator; with options, over a connection that has them.
func newLedger(t *testing.T, dial ...grpc.DialOption) *firestoreledger.Ledger {
	t.Helper()
	address := emulator.Firestore(t)
	o := firestoreledger.Options{Project: "gamefill-test", Prefix: rand.Text() + "_"}
	if len(dial) > 0 {
		conn, err := grpc.NewClient(address, append(dial, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		must(t, err)
		o.Client = []option.ClientOption{option.WithGRPCConn(conn)}
	}
	l, err := firestoreledger.New(t.Context(), o)
	must(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

func TestConformance(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) (ledger.Ledger, ledgertest.Caps) { return newLedger(t), ledgertest.Caps{} })
}
