package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

var runStates = []ledger.RunState{ledger.RunPlanning, ledger.RunCanary, ledger.RunAwaitingApproval, ledger.RunOpen,
	ledger.RunPaused, ledger.RunFinished, ledger.RunCancelled}

func TestMove(t *testing.T) {
	t.Parallel()
	legal := map[ledger.RunState]string{ // every pair not listed here is illegal
		ledger.RunPlanning:         "canary open paused cancelled",
		ledger.RunCanary:           "planning awaiting_approval paused cancelled",
		ledger.RunAwaitingApproval: "planning cancelled",
		ledger.RunOpen:             "planning paused finished cancelled",
		ledger.RunPaused:           "planning open canary cancelled",
		ledger.RunFinished:         "open planning",
		ledger.RunCancelled:        "",
	}
	for _, from := range runStates {
		for _, to := range runStates {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				t.Parallel()
				want := slices.Contains(strings.Fields(legal[from]), string(to))
				run := ledger.Run{ID: "run-7", State: from}
				err := run.Move(to)
				if got := err == nil; got != want {
					t.Fatalf("allowed: got %v (%v), want %v", got, err, want)
				}
				end := from
				if want {
					end = to
				} else if !strings.Contains(err.Error(), "run-7") || !strings.Contains(err.Error(), string(to)) {
					t.Errorf("error %q names neither the run nor the state", err)
				}
				if run.State != end {
					t.Errorf("state: got %s, want %s", run.State, end)
				}
			})
		}
	}
}

func TestWorking(t *testing.T) {
	t.Parallel()
	for _, s := range runStates {
		want := s == ledger.RunOpen || s == ledger.RunCanary
		if got := s.Working(); got != want {
			t.Errorf("%s working: got %v, want %v", s, got, want)
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	for _, s := range runStates {
		want := s == ledger.RunFinished || s == ledger.RunCancelled
		if got := s.Closed(); got != want {
			t.Errorf("%s closed: got %v, want %v", s, got, want)
		}
	}
}

func TestSettled(t *testing.T) {
	t.Parallel()
	want := map[ledger.State]bool{ledger.Pending: false, ledger.Leased: false, ledger.Complete: true, ledger.NoGames: true,
		ledger.NoSchedule: true, ledger.Dead: true, ledger.Cancelled: true, ledger.RolledBack: true}
	if len(want) != len(ledger.States) {
		t.Errorf("States lists %d states, want %d", len(ledger.States), len(want))
	}
	for _, s := range ledger.States {
		if got := s.Settled(); got != want[s] {
			t.Errorf("%s settled: got %v, want %v", s, got, want[s])
		}
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	for _, s := range runStates {
		for _, hold := range []bool{false, true} {
			run := ledger.Run{State: s, HoldWrites: hold}
			want := ledger.Control{State: s, Stopped: hold || s == ledger.RunCancelled}
			if got := run.Control(); got != want {
				t.Errorf("%s, hold writes %v: got %+v, want %+v", s, hold, got, want)
			}
		}
	}
}

func TestCheckUpdate(t *testing.T) {
	t.Parallel()
	before := ledger.Run{ID: "run-7", Job: "j", Target: "t", State: ledger.RunOpen, CreatedAt: time.Unix(1, 0)}
	tests := []struct {
		name   string
		change func(*ledger.Run)
		ok     bool
	}{
		{"nothing", func(*ledger.Run) {}, true},
		{"same instant in another zone",
			func(r *ledger.Run) { r.CreatedAt = r.CreatedAt.In(time.FixedZone("x", 3600)) }, true},
		{"range and version", func(r *ledger.Run) { r.Range.To, r.Version = gamedate.Latest, "9" }, true},
		{"legal move", func(r *ledger.Run) { r.State = ledger.RunPaused }, true},
		{"illegal move", func(r *ledger.Run) { r.State = ledger.RunCanary }, false},
		{"unknown state", func(r *ledger.Run) { r.State = "stuck" }, false},
		{"id", func(r *ledger.Run) { r.ID = "run-8" }, false},
		{"job", func(r *ledger.Run) { r.Job = "k" }, false},
		{"target", func(r *ledger.Run) { r.Target = "u" }, false},
		{"creation time", func(r *ledger.Run) { r.CreatedAt = time.Unix(2, 0) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			after := before
			tt.change(&after)
			if err := ledger.CheckUpdate(before, after); (err == nil) != tt.ok {
				t.Errorf("got error %v, want allowed %v", err, tt.ok)
			}
		})
	}
}
