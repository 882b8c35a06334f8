package firestoreledger_test

import (
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore/apiv1/firestorepb"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/price"
)

// meter counts documents that are read and written, as the service bills them: each document of a request once, there
// or not.
type meter struct {
	mu            sync.Mutex // guards the counts
	reads, writes int
}

func (m *meter) count(_ string, request any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch r := request.(type) {
	case *firestorepb.CommitRequest:
		m.writes += len(r.GetWrites())
	case *firestorepb.BatchGetDocumentsRequest:
		m.reads += len(r.GetDocuments())
	}
}

// take returns what was counted since the last take.
func (m *meter) take() (reads, writes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	reads, writes = m.reads, m.writes
	m.reads, m.writes = 0, 0
	return reads, writes
}

// TestDateTakesSoManyDocuments: the numbers with which costs are estimated are those of the calls that are made.
func TestDateTakesSoManyDocuments(t *testing.T) {
	t.Parallel()
	var m meter
	l := watched(t, m.count)
	ctx := t.Context()
	dates := gamedate.Range{From: gamedate.MustParse("2022-01-10"), To: gamedate.MustParse("2022-01-14")}
	n := dates.Days()
	var plans []ledger.Plan
	var published []ledger.Published
	for d := range dates.Dates() {
		plans = append(plans, ledger.Plan{Date: d, To: ledger.Pending, Reason: ledger.ReasonNew})
		published = append(published, ledger.Published{Date: d, Seq: 1})
	}
	must(t, l.CreateRun(ctx, ledger.Run{ID: "run-1", Job: "j", Target: "t", Version: "1", Range: dates}, nil))

	m.take()
	_, err := l.Record(ctx, "j", "run-1", plans)
	must(t, err)
	must(t, l.MarkPublished(ctx, "j", published))
	const run = 1 // document of the run, read once a batch
	if reads, writes := m.take(); reads != n*price.PublishReads+run || writes != n*price.PublishWrites {
		t.Errorf("publishing %d dates: got %d reads and %d writes, want %d and %d", n, reads, writes,
			n*price.PublishReads+run, n*price.PublishWrites)
	}

	_, err = l.UpdateRun(ctx, "run-1", ledger.Event{}, func(r *ledger.Run) error { return r.Move(ledger.RunOpen) })
	must(t, err)
	m.take()
	for d := range dates.Dates() {
		c, err := l.Claim(ctx,
			ledger.ClaimRequest{Job: "j", Run: "run-1", Date: d, Seq: 1, Owner: "alice", TTL: time.Minute, Version: "1"})
		must(t, err)
		must(t, l.BeginWrite(ctx, c.Lease, time.Minute, ledger.WriteRecord{ID: "w"}))
		must(t, l.Complete(ctx, c.Lease, ledger.Facts{Outcome: ledger.Replaced}))
	}
	if reads, writes := m.take(); reads != n*price.AttemptReads || writes != n*price.AttemptWrites {
		t.Errorf("%d attempts: got %d reads and %d writes, want %d and %d", n, reads, writes, n*price.AttemptReads,
			n*price.AttemptWrites)
	}

	_, err = l.Run(ctx, "run-1")
	must(t, err)
	if reads, writes := m.take(); reads != price.ControlReads || writes != 0 {
		t.Errorf("a look at the run's control state: got %d reads and %d writes, want %d and 0", reads, writes,
			price.ControlReads)
	}
}
