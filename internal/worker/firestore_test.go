package worker_test

import (
	"crypto/rand"
	"errors"
	"sync"
	"testing"

	"gamefill/internal/job"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/test/emulator"
)

// TestFirestoreLedgerEndsInTheSameTable runs two workers over a ledger in Firestore, with queue and warehouse in
// SQLite: the engine may not notice.
func TestFirestoreLedgerEndsInTheSameTable(t *testing.T) {
	t.Parallel()
	embedded := newWorld(t, week...)
	embedded.publish(request(monday, sunday))
	embedded.drain()
	want := embedded.validate(monday, sunday)

	emulator.Firestore(t)
	l, err := firestoreledger.New(t.Context(),
		firestoreledger.Options{Project: "gamefill-test", Prefix: rand.Text() + "_"})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	mixed := newWorld(t, week...)
	mixed.file.SetWriteGuard(nil) // the ledger is not in the warehouse's file
	mixed.ledger = l
	mixed.publish(request(monday, sunday))
	workers := []func() error{}
	for range 2 {
		wk := mixed.worker(mixed.config())
		workers = append(workers, func() error { return wk.Run(t.Context()) })
	}
	errs := make([]error, len(workers))
	var group sync.WaitGroup
	for i, run := range workers {
		group.Go(func() { errs[i] = run() })
	}
	group.Wait()
	must(t, errors.Join(errs...))
	got := mixed.validate(monday, sunday)
	if got.Verdict != job.Pass || !got.Finished || got.Rows != want.Rows || got.TableFingerprint != want.TableFingerprint {
		t.Errorf("got verdict %s, finished %v, %d rows, fingerprint %s, want pass, true, %d, %s", got.Verdict,
			got.Finished, got.Rows,
			got.TableFingerprint, want.Rows, want.TableFingerprint)
	}
}
