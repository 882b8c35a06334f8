package worker_test

import (
	"crypto/rand"
	"testing"

	"gamefill/internal/ledger/firestoreledger"
	"gamefill/test/emulator"
)

// TestFirestoreLedgerEndsInTheSameTable runs two workers over a ledger in Firestore, with queue and warehouse in
// SQLite: the engine may not notice.
func TestFirestoreLedgerEndsInTheSameTable(t *testing.T) {
	t.Parallel()
	emulator.Firestore(t)
	l, err := firestoreledger.New(t.Context(),
		firestoreledger.Options{Project: "gamefill-test", Prefix: rand.Text() + "_"})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	mixed := newWorld(t, week...)
	mixed.file.SetWriteGuard(nil) // the ledger is not in the warehouse's file
	mixed.ledger = l
	mixed.endsLikeEmbedded(func() {})
}
