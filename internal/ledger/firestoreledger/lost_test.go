package firestoreledger_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/ledger/firestoreledger"
)

// losing is a ledger whose next commit, once armed is set, takes effect while its answer is lost on the way.
func losing(t *testing.T) (l *firestoreledger.Ledger, armed *atomic.Bool) {
	t.Helper()
	armed = &atomic.Bool{}
	l = newLedger(t,
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
			invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
			err := invoke(ctx, method, req, reply, cc, o...)
			if err == nil && strings.HasSuffix(method, "/Commit") && armed.CompareAndSwap(true, false) {
				return status.Error(codes.Unavailable, "connection reset")
			}
			return err
		}))
	return l, armed
}

// TestLostAnswers: a change that took effect without an answer is recognised, not done twice.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	l, armed := losing(t)
	ctx, day := t.Context(), gamedate.MustParse("2022-01-15")
	losing := func(what string, call func() error) {
		t.Helper()
		armed.Store(true)
		if err := call(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if armed.Load() {
			t.Fatalf("%s: no answer was lost", what)
		}
	}
	// The first commit is that of the reference's only chunk.
	run := ledger.Run{ID: "run-1", Job: "j", Target: "t", Version: "1", Range: gamedate.Range{From: day, To: day}}
	losing("create run", func() error { return l.CreateRun(ctx, run, nil) })
	losing("record", func() error {
		_, err := l.Record(ctx, "j", "run-1", []ledger.Plan{{Date: day, To: ledger.Pending}})
		return err
	})
	if _, err := l.UpdateRun(ctx, "run-1", ledger.Event{},
		func(r *ledger.Run) error { return r.Move(ledger.RunOpen) }); err != nil {
		t.Fatal(err)
	}
	var claim ledger.Claim
	losing("claim", func() (err error) {
		claim, err = l.Claim(ctx,
			ledger.ClaimRequest{Job: "j", Run: "run-1", Date: day, Seq: 1, Owner: "alice", TTL: time.Minute, Version: "1"})
		return err
	})
	if claim.Outcome != ledger.Claimed || claim.Lease.Generation != 1 || claim.Entry.Spent != 0 {
		t.Fatalf("claim: got %s, generation %d, %d spent, want claimed, 1, 0", claim.Outcome, claim.Lease.Generation,
			claim.Entry.Spent)
	}
	losing("begin write",
		func() error { return l.BeginWrite(ctx, claim.Lease, time.Minute, ledger.WriteRecord{ID: "load-1"}) })
	losing("complete", func() error { return l.Complete(ctx, claim.Lease, ledger.Facts{Outcome: ledger.Replaced}) })
	r := ledger.Rollback{Job: "j", Run: "run-1", Date: day, Generation: 1}
	losing("begin rollback", func() error { return l.BeginRollback(ctx, r) })
	losing("finish rollback", func() error { return l.FinishRollback(ctx, r, ledger.Event{Kind: "rolled_back"}) })
	losing("event", func() error { return l.AddEvent(ctx, ledger.Event{Job: "j", Kind: "seen"}) })
	losing("dead letter", func() error { return l.RecordDeadLetter(ctx, ledger.DeadLetter{ID: "m1"}) })

	attempts, err := l.Attempts(ctx, ledger.AttemptFilter{Job: "j"}, 0)
	if err != nil || len(attempts) != 1 || attempts[0].Result != ledger.ResultComplete {
		t.Errorf("attempts: got %+v, %v, want one that is complete", attempts, err)
	}
	events, err := l.Events(ctx, "j", "", 0)
	if err != nil || len(events) != 2 {
		t.Errorf("events: got %+v, %v, want two", events, err)
	}
	entries, err := l.Entries(ctx, "j", run.Range)
	if err != nil || len(entries) != 1 || entries[0].Seq != 1 || entries[0].State != ledger.RolledBack {
		t.Errorf("entries: got %+v, %v, want one of seq 1 that is rolled back", entries, err)
	}
}
