package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/failure"
	"gamefill/internal/ledger"
)

// leased is an entry that somebody holds, with some attempts spent.
func leased(spent int) ledger.Entry {
	return ledger.Entry{State: ledger.Leased, Owner: "alice", LeaseUntil: time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC),
		Generation: 3, Attempt: 4, Spent: spent, DeadPublished: true}
}

func TestExpire(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		run         ledger.RunState
		spent       int // before
		maxAttempts int
		want        ledger.State
	}{
		{"attempts are left", ledger.RunOpen, 1, 3, ledger.Pending},
		{"the last attempt", ledger.RunOpen, 2, 3, ledger.Dead},
		{"no limit", ledger.RunOpen, 99, 0, ledger.Pending},
		{"paused", ledger.RunPaused, 0, 3, ledger.Pending},
		{"cancelled before dead", ledger.RunCancelled, 2, 3, ledger.Cancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := leased(tt.spent)
			e.Expire(tt.run, tt.maxAttempts)
			want := leased(tt.spent + 1)
			want.State, want.Owner, want.LeaseUntil = tt.want, "", time.Time{}
			want.Failure = &ledger.Failure{Class: failure.Crash, Reason: "lease_expired", Stage: "claim",
				Message: "alice held the date until 2024-05-01T12:00:00Z and was not heard of again"}
			if diff := cmp.Diff(want, e); diff != "" {
				t.Errorf("entry (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 1, 11, 0, 0, 0, time.UTC)
	at, failed := now.Add(time.Hour), &ledger.Failure{Class: failure.Transient, Reason: "x"}
	tests := []struct {
		name    string
		release ledger.Release
		run     ledger.RunState
		want    ledger.Entry // beside what every release does
	}{
		{"given back", ledger.Release{To: ledger.Pending}, ledger.RunOpen,
			ledger.Entry{State: ledger.Pending, DeadPublished: true}},
		{"not before", ledger.Release{To: ledger.Pending, NotBefore: at}, ledger.RunOpen,
			ledger.Entry{State: ledger.Pending, NotBefore: at, DeadPublished: true}},
		{"a delay counts from the store's now", ledger.Release{To: ledger.Pending, NotBefore: at, Delay: time.Minute},
			ledger.RunOpen,
			ledger.Entry{State: ledger.Pending, NotBefore: now.Add(time.Minute), DeadPublished: true}},
		{"cancelled meanwhile", ledger.Release{To: ledger.Pending, Delay: time.Minute}, ledger.RunCancelled,
			ledger.Entry{State: ledger.Cancelled, DeadPublished: true}},
		{"dead", ledger.Release{To: ledger.Dead, Spend: true, Failure: failed}, ledger.RunOpen,
			ledger.Entry{State: ledger.Dead, Spent: 1, Failure: failed}},
		{"dead in a cancelled run", ledger.Release{To: ledger.Dead}, ledger.RunCancelled, ledger.Entry{State: ledger.Dead}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := leased(0)
			e.Release(tt.release, tt.run, now)
			tt.want.Generation, tt.want.Attempt = 3, 4
			if diff := cmp.Diff(tt.want, e); diff != "" {
				t.Errorf("entry (-want +got):\n%s", diff)
			}
		})
	}
	for _, wrong := range []ledger.Release{{To: ledger.Complete, Result: ledger.ResultReleased},
		{To: ledger.Dead, Result: ledger.ResultComplete}} {
		if err := wrong.Check(); err == nil {
			t.Errorf("%+v: got no error, want one", wrong)
		}
	}
	if err := (ledger.Release{To: ledger.Dead, Result: ledger.ResultDead}).Check(); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}
