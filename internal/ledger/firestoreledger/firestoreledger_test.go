package firestoreledger_test

import (
	"crypto/rand"
	"testing"

	"gamefill/internal/ledger"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/ledger/ledgertest"
	"gamefill/test/emulator"
)

// newLedger is a ledger of its own in the emulator.
func newLedger(t *testing.T) *firestoreledger.Ledger {
	t.Helper()
	emulator.Firestore(t)
	l, err := firestoreledger.New(t.Context(),
		firestoreledger.Options{Project: "gamefill-test", Prefix: rand.Text() + "_"})
	if err != nil {
		t.Fatal(err)
	}
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
