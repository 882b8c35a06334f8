package sqliteledger_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"gamefill/internal/ledger"
)

// BenchmarkDate is the ledger's part of one date: claim, renew, begin the write, complete. Each call is durable when it
// returns. "alone" is one worker; "together" is many, whose calls are committed in groups.
func BenchmarkDate(b *testing.B) {
	one := func(b *testing.B, l ledger.Ledger, e ledger.Entry) {
		c, err := l.Claim(b.Context(), request(e, "worker"))
		if err != nil || c.Outcome != ledger.Claimed {
			b.Errorf("claim of %s: got %s, %v, want %s", e.Date, c.Outcome, err, ledger.Claimed)
		}
		if _, err := l.Renew(b.Context(), c.Lease, time.Minute); err != nil {
			b.Error(err)
		}
		if err := l.BeginWrite(b.Context(), c.Lease, time.Minute, ledger.WriteRecord{ID: "load"}); err != nil {
			b.Error(err)
		}
		if err := l.Complete(b.Context(), c.Lease,
			ledger.Facts{Outcome: ledger.Replaced, Rows: 210, Fingerprint: "f"}); err != nil {
			b.Error(err)
		}
	}
	const dates = 10_000 // before one is queued again
	b.Run("alone", func(b *testing.B) {
		l := newLedger(b, openFile(b, filepath.Join(b.TempDir(), "gamefill.db")), nil)
		entries := openRun(b, l, dates)
		i := 0
		for b.Loop() {
			one(b, l, next(b, l, entries, i))
			i++
		}
	})
	b.Run("together", func(b *testing.B) {
		l := newLedger(b, openFile(b, filepath.Join(b.TempDir(), "gamefill.db")), nil)
		entries := openRun(b, l, dates)
		var i atomic.Int64
		b.SetParallelism(16)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				one(b, l, next(b, l, entries, int(i.Add(1)-1)))
			}
		})
	})
}

// next is the i-th entry; a benchmark that runs out of dates queues them again.
func next(b *testing.B, l ledger.Ledger, entries []ledger.Entry, i int) ledger.Entry {
	if i < len(entries) {
		return entries[i]
	}
	e := entries[i%len(entries)]
	again, err := l.Record(b.Context(), jobName, runID,
		[]ledger.Plan{{Date: e.Date, To: ledger.Pending, Reason: ledger.ReasonForced}})
	if err != nil {
		b.Error(err)
		return e
	}
	return again[0]
}
