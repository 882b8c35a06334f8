package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/notify"
)

// record is a ledger of one run, as a herald sees it. It is used by one goroutine.
type record struct {
	run    ledger.Run
	counts map[ledger.State]int
	dead   []ledger.Entry
	roles  map[string]holder
	broken error
}

type holder struct {
	owner string
	until time.Time
}

func (r *record) Run(context.Context, string) (ledger.Run, error) { return r.run, r.broken }

func (r *record) OpenRun(context.Context, string) (ledger.Run, bool, error) {
	if r.run.State.Closed() || r.broken != nil {
		return ledger.Run{}, false, r.broken
	}
	return r.run, true, nil
}

func (r *record) CountStates(context.Context, string, string) (map[ledger.State]int, error) {
	return r.counts, r.broken
}

func (r *record) RunEntries(context.Context, string, string, ...ledger.State) ([]ledger.Entry, error) {
	return r.dead, r.broken
}

func (r *record) Hold(_ context.Context, role, owner string, ttl time.Duration) (bool, error) {
	if h := r.roles[role]; r.broken != nil || h.owner != owner && time.Now().Before(h.until) {
		return false, r.broken
	}
	r.roles[role] = holder{owner, time.Now().Add(ttl)}
	return true, nil
}

// ear is a notifier that keeps what it is told, or fails.
type ear struct {
	heard  []notify.Message
	tries  int
	broken error
}

func (e *ear) Notify(_ context.Context, m notify.Message) error {
	e.tries++
	if e.broken == nil {
		e.heard = append(e.heard, m)
	}
	return e.broken
}

// take returns the kinds heard since the last call.
func (e *ear) take() []notify.Kind {
	var kinds []notify.Kind
	for _, m := range e.heard {
		kinds = append(kinds, m.Kind)
	}
	e.heard = nil
	return kinds
}

// opened is a run of 40 dates with games and 4 without, that workers were let at.
func opened() *record {
	return &record{
		run: ledger.Run{ID: "r1", Job: "rain", State: ledger.RunOpen, Version: "7", Actor: "ana", Reason: "a leak",
			OpenedAt: time.Now(), CreatedAt: time.Now(),
			Range: gamedate.Range{From: gamedate.MustParse("2022-05-01"), To: gamedate.MustParse("2022-06-13")}},
		counts: map[ledger.State]int{ledger.Pending: 40, ledger.NoGames: 4}, roles: map[string]holder{}}
}

func (r *record) done(n int) {
	r.counts = map[ledger.State]int{ledger.Pending: 40 - n, ledger.Complete: n, ledger.NoGames: 4}
}

func (r *record) die(day, reason string) {
	r.dead = append(r.dead, ledger.Entry{Date: gamedate.MustParse(day), State: ledger.Dead, DeadPublished: true,
		UpdatedAt: time.Now(), Failure: &ledger.Failure{Class: failure.Permanent, Reason: reason, Message: "no <rain>"}})
	r.counts = maps.Clone(r.counts)
	r.counts[ledger.Pending]--
	r.counts[ledger.Dead]++
}

func herald(r *record, e *ear, owner string) *notify.Herald {
	return notify.NewHerald(r, e, "rain", owner, slog.New(slog.DiscardHandler), notify.Options{})
}

func want(t *testing.T, e *ear, kinds ...notify.Kind) {
	t.Helper()
	if got := e.take(); !slices.Equal(got, kinds) {
		t.Errorf("told: got %v, want %v", got, kinds)
	}
}

// A run from its beginning to its end: each thing is told when it happens, once, whoever looks and how often.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, e := opened(), &ear{}
		first, second := herald(r, e, "one"), herald(r, e, "two")
		look := func() {
			for range 3 {
				first.Announce(t.Context())
				second.Announce(t.Context())
				time.Sleep(2 * time.Minute) // past the time for which a message belongs to one of them
			}
		}
		look()
		want(t, e, notify.Started)
		r.done(9)
		look()
		want(t, e)
		r.done(10)
		look()
		want(t, e, notify.Milestone)
		r.done(39) // past two of them: the higher one is told
		look()
		want(t, e, notify.Milestone)

		r.run.State, r.run.CauseKind, r.run.Cause = ledger.RunPaused, "breaker", "three died alike"
		look()
		want(t, e, notify.BreakerTripped)
		r.run.State, r.run.OpenedAt = ledger.RunOpen, time.Now()
		look()
		want(t, e)
		r.run.State, r.run.CauseKind = ledger.RunPaused, "operator" // a second pause is news
		look()
		want(t, e, notify.Paused)
		r.run.State, r.run.OpenedAt = ledger.RunOpen, time.Now()
		r.done(40)
		look()
		want(t, e)
		r.run.State, r.run.Verdict, r.run.FinishedAt = ledger.RunFinished, job.Pass, time.Now()
		look()
		want(t, e, notify.Completed)
		r.run.State, r.run.OpenedAt = ledger.RunOpen, time.Now()
		look()
		r.run.State = ledger.RunCancelled
		look()
		want(t, e, notify.Cancelled)
	})
}

func TestSample(t *testing.T) {
	t.Parallel()
	checks := []job.Check{{Name: "games", Verdict: job.Pass},
		{Name: "leading_minutes", Scope: "2022-05-01", Verdict: job.Failed, Seen: "2.0"}}
	tests := []struct {
		name    string
		sample  ledger.Sample
		approve bool
		want    notify.Kind
		line    string
	}{
		{"passed", ledger.Sample{Verdict: job.Pass}, true, notify.SamplePassed, "The rest of its dates may be published."},
		{"failed", ledger.Sample{Verdict: job.Failed, Checks: checks}, false, notify.ApprovalNeeded,
			"fail: leading_minutes 2022-05-01: 2.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, e := opened(), &ear{}
				h := herald(r, e, "one")
				tt.sample.Dates = []gamedate.Date{gamedate.MustParse("2022-05-01")}
				r.run.State, r.run.Sample = ledger.RunCanary, &ledger.Sample{Dates: tt.sample.Dates}
				r.done(39) // of the sample: no milestone
				h.Announce(t.Context())
				want(t, e, notify.Started)
				r.run.State, r.run.Sample = ledger.RunAwaitingApproval, &tt.sample
				if tt.approve {
					r.run.Approval = &ledger.Approval{Actor: "ana"}
				}
				h.Announce(t.Context())
				if len(e.heard) != 1 || !slices.Contains(e.heard[0].Lines, tt.line) {
					t.Errorf("got %+v, want one message with the line %q", e.heard, tt.line)
				}
				want(t, e, tt.want)
				r.run.OpenedAt = time.Now().Add(time.Second) // the sample was repeated
				h.Announce(t.Context())
				want(t, e, tt.want)
			})
		})
	}
}

// Dead dates are told by cause: the first at once, more of a cause together after the interval.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, e := opened(), &ear{}
		first, second := herald(r, e, "one"), herald(r, e, "two")
		look := func() {
			first.Announce(t.Context())
			second.Announce(t.Context())
			time.Sleep(61 * time.Second)
		}
		look()
		e.take()
		r.die("2022-05-01", "dry")
		r.dead[0].DeadPublished = false // its letter is not out yet
		look()
		want(t, e)
		r.dead[0].DeadPublished = true
		look()
		want(t, e, notify.DeadLetters)
		for day := 2; day < 9; day++ {
			r.die(fmt.Sprintf("2022-05-%02d", day), "dry")
			look()
			if day == 4 {
				want(t, e)
				r.die("2022-05-20", "wet") // another cause does not wait
				look()
				want(t, e, notify.DeadLetters)
			}
		}
		want(t, e)
		for range 12 {
			look()
		}
		if len(e.heard) != 1 {
			t.Fatalf("got %d messages about 7 dates that died within the interval, want 1: %+v", len(e.heard), e.heard)
		}
		last := e.heard[0]
		if want := "Run r1: dead dates, 8 of dry (permanent)"; last.Title != want {
			t.Errorf("title: got %q, want %q", last.Title, want)
		}
		if want := "2022-05-01, 2022-05-02, 2022-05-03, 2022-05-04, 2022-05-05, and 3 more"; last.Lines[0] != want {
			t.Errorf("dates: got %q, want %q", last.Lines[0], want)
		}
	})
}

// What ended before anybody looked is history; so is a run that nobody was let at.
func TestHistoryIsNotTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, e := opened(), &ear{}
		r.run.State = ledger.RunFinished
		herald(r, e, "one").Announce(t.Context())
		want(t, e)
		r.run.State, r.run.OpenedAt = ledger.RunPlanning, time.Time{}
		herald(r, e, "two").Announce(t.Context())
		want(t, e)
	})
}

func TestAnnounceRunTellsOfOneThatEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, e := opened(), &ear{}
		r.done(39)
		r.die("2022-05-01", "dry")
		r.run.State, r.run.Verdict, r.run.FinishedAt = ledger.RunFinished, job.Failed, r.run.CreatedAt.Add(time.Minute)
		r.run.Checks = []job.Check{{Name: "no dead dates", Verdict: job.Failed, Seen: "1"},
			{Name: "games", Verdict: job.Pass, Seen: "9"}}
		herald(r, e, "one").AnnounceRun(t.Context(), "r1")
		if len(e.heard) != 2 {
			t.Fatalf("got %+v, want the beginning and the end", e.heard)
		}
		want := notify.Message{Kind: notify.Completed, Run: "r1", Title: "Run r1 is finished: fail", Lines: []string{
			"Range 2022-05-01..2022-06-13: 39 complete, 4 no_games, 1 dead, 1m0s after it was planned", "Dead of dry: 1",
			"fail: no dead dates: 1", "`publisher report --run r1` has everything."}}
		if diff := cmp.Diff(want, e.heard[1]); diff != "" {
			t.Errorf("summary (-want +got):\n%s", diff)
		}
	})
}

// An outage is logged once, tried at most once a minute, and loses nothing.
func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, e := opened(), &ear{broken: errors.New("no route")}
		var log bytes.Buffer
		h := notify.NewHerald(r, e, "rain", "one", slog.New(slog.NewTextHandler(&log, nil)), notify.Options{})
		r.die("2022-05-01", "dry")
		for range 120 { // ten minutes of looks
			h.Announce(t.Context())
			time.Sleep(5 * time.Second)
		}
		if e.tries < 5 || e.tries > 11 {
			t.Errorf("tries in ten minutes: got %d, want about ten", e.tries)
		}
		e.broken = nil
		for range 60 {
			h.Announce(t.Context())
			time.Sleep(5 * time.Second)
		}
		want(t, e, notify.Started, notify.DeadLetters)
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("warnings: got %d, want 1:\n%s", n, log.String())
		}
		if n := strings.Count(log.String(), "notifications arrive again"); n != 1 {
			t.Errorf("recoveries: got %d, want 1:\n%s", n, log.String())
		}
	})
}

// A process that dies while it delivers leaves the message to the next.
func TestDeadHerald(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, e := opened(), &ear{}
		broken := &ear{broken: errors.New("killed")}
		herald(r, broken, "one").Announce(t.Context())
		h := herald(r, e, "two")
		h.Announce(t.Context())
		want(t, e)
		time.Sleep(61 * time.Second)
		h.Announce(t.Context())
		time.Sleep(61 * time.Second)
		h.Announce(t.Context())
		want(t, e, notify.Started)
	})
}

func TestLedgerIsAway(t *testing.T) {
	t.Parallel()
	r, e := opened(), &ear{}
	r.broken = errors.New("away")
	h := herald(r, e, "one")
	h.Announce(t.Context())
	h.AnnounceRun(t.Context(), "r1")
	want(t, e)
}

// What arrives long after it happened says when that was; what arrives at once does not.
func TestLateMessagesTellTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, e := opened(), &ear{broken: errors.New("no route")}
		h := herald(r, e, "one")
		h.Announce(t.Context())
		begun := time.Now().UTC().Format(time.RFC3339)
		time.Sleep(11 * time.Minute)
		r.die("2022-05-03", "no_readings")
		r.run.State, r.run.CauseKind, r.run.Cause, r.run.UpdatedAt = ledger.RunPaused, "operator", "lunch", time.Now()
		time.Sleep(9 * time.Minute) // of what happened since, nothing is late
		e.broken = nil
		h.Announce(t.Context())
		late := map[notify.Kind]string{}
		for _, m := range e.heard {
			late[m.Kind] = ""
			for _, line := range m.Lines {
				if strings.HasPrefix(line, "Told late") {
					late[m.Kind] = line
				}
			}
		}
		want := map[notify.Kind]string{notify.Started: "Told late: this is of " + begun + ".",
			notify.DeadLetters: "", notify.Paused: ""}
		if diff := cmp.Diff(want, late); diff != "" {
			t.Errorf("lines that tell the time (-want +got):\n%s", diff)
		}
		r.run.State, r.run.FinishedAt = ledger.RunCancelled, time.Now()
		ended := time.Now().UTC().Format(time.RFC3339)
		time.Sleep(time.Hour)
		h.AnnounceRun(t.Context(), r.run.ID)
		if last := e.heard[len(e.heard)-1]; last.Kind != notify.Cancelled ||
			!slices.Contains(last.Lines, "Told late: this is of "+ended+".") {
			t.Errorf("an end that nobody was there to tell: got %+v, want it to say %s", last, ended)
		}
	})
}
