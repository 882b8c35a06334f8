// Package ledgertest is the conformance suite of the ledger port: [Run] holds an adapter to every promise that
// package ledger makes. It is written against the port alone and runs unchanged on every adapter.
package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// Caps says what a test may do with an adapter.
type Caps struct {
	// Advance moves the store's clock forward. nil: the store has a clock of its own; the suite then uses leases of a
	// second or two and waits for them to end.
	Advance func(time.Duration)
}

// Open returns a fresh, empty ledger for one test and what can be done with it. It registers its own clean-up.
type Open func(t *testing.T) (ledger.Ledger, Caps)

// Run runs every case of the suite in parallel, each on a ledger of its own. Select one with -run: names are
// "group/what happens".
func Run(t *testing.T, open Open) {
	for _, group := range [][]testCase{runCases, planCases, claimCases, holderCases, stopCases, rollbackCases, raceCases,
		reconcileCases, recordCases} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				l, caps := open(t)
				c.run(newBench(t, l, caps))
			})
		}
	}
}

type testCase struct {
	name string
	run  func(*bench)
}

// What the suite calls its things.
const (
	jobName = "player_game_summary"
	target  = "sqlite:test/nba_analytics.player_game_summary"
	version = "5.1.0"
	run1    = "run-1"
	run2    = "run-2"
	alice   = "alice"
	bob     = "bob"

	// maxAttempts kills a date in tests that do not count attempts.
	maxAttempts = 5
)

var day = gamedate.MustParse("2022-01-15")

var season = gamedate.Range{From: gamedate.MustParse("2021-10-01"), To: gamedate.MustParse("2022-06-30")}

// bench is one test on one ledger, with helpers that end the test when the ledger refuses.
type bench struct {
	*testing.T
	ledger.Ledger
	caps   Caps
	passes int // calls of pass so far
}

func newBench(t *testing.T, l ledger.Ledger, caps Caps) *bench {
	return &bench{T: t, Ledger: l, caps: caps}
}

// Run is the ledger's: a testing.T has one too.
func (b *bench) Run(ctx context.Context, id string) (ledger.Run, error) { return b.Ledger.Run(ctx, id) }

// must ends the test on an error.
func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// wantErr wants an error that wraps target.
func (b *bench) wantErr(operation string, err, target error) {
	b.Helper()
	if !errors.Is(err, target) {
		b.Errorf("%s: got error %v, want %v", operation, err, target)
	}
}

// equal compares values of any type.
func (b *bench) equal(what string, got, want any) {
	b.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// ttl is a lease that a test lets expire: long with a clock that can be moved, short without.
func (b *bench) ttl() time.Duration {
	if b.caps.Advance == nil {
		return 2 * time.Second
	}
	return time.Minute
}

// pass lets d go by. A store with a clock of its own is asked until a role that was held for d has expired.
func (b *bench) pass(d time.Duration) {
	b.Helper()
	if b.caps.Advance != nil {
		b.caps.Advance(d)
		return
	}
	b.passes++
	role := fmt.Sprintf("hourglass-%d", b.passes)
	held, err := b.Hold(b.Context(), role, "upper", d)
	b.must(err)
	if !held {
		b.Fatalf("role %s: got false for a role that nobody holds", role)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(d + 30*time.Second); ; {
		<-tick.C
		run, err := b.Hold(b.Context(), role, "lower", time.Minute)
		b.must(err)
		if run {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("role %s held for %v has not expired 30 s later", role, d)
		}
	}
}

func newRun(id string) ledger.Run {
	return ledger.Run{ID: id, Job: jobName, Range: season, Target: target, Version: version, Settings: []byte(`{"a":1}`),
		SettingsHash: "settings", ReferenceHash: "reference", Reason: "a test", Actor: "suite"}
}

// move changes a run's state.
func (b *bench) move(id string, to ledger.RunState) ledger.Run {
	b.Helper()
	run, err := b.UpdateRun(b.Context(), id, ledger.Event{}, func(r *ledger.Run) error { return r.Move(to) })
	b.must(err)
	return run
}

// open makes run id, plans dates under it, marks them published and opens it.
func (b *bench) open(id string, dates ...gamedate.Date) []ledger.Entry {
	b.Helper()
	b.must(b.CreateRun(b.Context(), newRun(id), nil))
	entries := b.plan(id, dates...)
	b.publish(entries)
	b.move(id, ledger.RunOpen)
	return b.all(id)
}

func (b *bench) plan(run string, dates ...gamedate.Date) []ledger.Entry {
	b.Helper()
	plans := make([]ledger.Plan, len(dates))
	for i, d := range dates {
		plans[i] = ledger.Plan{Date: d, To: ledger.Pending, Reason: ledger.ReasonNew}
	}
	entries, err := b.Record(b.Context(), jobName, run, plans)
	b.must(err)
	return entries
}

func (b *bench) publish(entries []ledger.Entry) {
	b.Helper()
	var published []ledger.Published
	for _, e := range entries {
		published = append(published, ledger.Published{Date: e.Date, Seq: e.Seq})
	}
	b.must(b.MarkPublished(b.Context(), jobName, published))
}

func (b *bench) all(run string) []ledger.Entry {
	b.Helper()
	entries, err := b.RunEntries(b.Context(), jobName, run)
	b.must(err)
	return entries
}

// at returns the entry of one date, which must exist.
func (b *bench) at(date gamedate.Date) ledger.Entry {
	b.Helper()
	entries, err := b.Entries(b.Context(), jobName, gamedate.Range{From: date, To: date})
	b.must(err)
	if len(entries) != 1 {
		b.Fatalf("entries of %s: got %d, want 1", date, len(entries))
	}
	return entries[0]
}

func request(owner string, e ledger.Entry) ledger.ClaimRequest {
	return ledger.ClaimRequest{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq, Owner: owner, TTL: time.Minute,
		Version: version, MaxAttempts: maxAttempts}
}

// claim wants the outcome and returns the claim.
func (b *bench) claim(r ledger.ClaimRequest, want ledger.ClaimOutcome) ledger.Claim {
	b.Helper()
	c, err := b.Claim(b.Context(), r)
	b.must(err)
	if c.Outcome != want {
		b.Fatalf("claim of %s seq %d by %s: got %s, want %s", r.Date, r.Seq, r.Owner, c.Outcome, want)
	}
	return c
}

// take claims the date as it stands, for a lease that outlasts the test.
func (b *bench) take(owner string, date gamedate.Date) ledger.Claim {
	b.Helper()
	return b.claim(request(owner, b.at(date)), ledger.Claimed)
}

// takeBriefly claims the date for a lease that the test lets expire.
func (b *bench) takeBriefly(owner string, date gamedate.Date) ledger.Claim {
	b.Helper()
	r := request(owner, b.at(date))
	r.TTL = b.ttl()
	return b.claim(r, ledger.Claimed)
}

// complete takes and completes a date.
func (b *bench) complete(date gamedate.Date, facts ledger.Facts) {
	b.Helper()
	b.must(b.Complete(b.Context(), b.take(alice, date).Lease, facts))
}

// die takes a date and gives it up.
func (b *bench) die(date gamedate.Date) {
	b.Helper()
	b.must(b.Release(b.Context(), b.take(alice, date).Lease,
		ledger.Release{To: ledger.Dead, Spend: true, Result: ledger.ResultDead, Failure: badRows()}))
}

func badRows() *ledger.Failure {
	return &ledger.Failure{Class: failure.Permanent, Reason: "bad_rows", Stage: "accept", Message: "3 rows without a team"}
}

func simpleFacts() ledger.Facts {
	return ledger.Facts{Outcome: ledger.Replaced, Run: run1, Version: version, Rows: 210, Fingerprint: "f1",
		PreImage: "empty"}
}

// load is a write as its holder announces it.
func load(id string) ledger.WriteRecord {
	return ledger.WriteRecord{ID: id, Fingerprint: "of " + id, PreImage: "before " + id, PreImageRows: 7}
}

// announced is a write of run1 as the ledger keeps it.
func announced(generation int64, id string) ledger.WriteRecord {
	w := load(id)
	w.Generation, w.Run = generation, run1
	return w
}

// unchanged runs f and wants every entry, attempt and event as before.
func (b *bench) unchanged(what string, f func()) {
	b.Helper()
	before := b.picture()
	f()
	if diff := cmp.Diff(before, b.picture()); diff != "" {
		b.Errorf("%s changed the ledger (-before +after):\n%s", what, diff)
	}
}

type picture struct {
	Entries  []ledger.Entry
	Attempts []ledger.Attempt
	Runs     []ledger.Run
	Events   []ledger.Event
	Letters  []ledger.DeadLetter
}

func (b *bench) picture() (p picture) {
	b.Helper()
	var errs [5]error
	p.Entries, errs[0] = b.Entries(b.Context(), jobName, gamedate.Range{From: gamedate.Earliest, To: gamedate.Latest})
	p.Attempts, errs[1] = b.Attempts(b.Context(), ledger.AttemptFilter{}, 0)
	p.Runs, errs[2] = b.ListRuns(b.Context(), jobName, 0)
	p.Events, errs[3] = b.Events(b.Context(), jobName, "", 0)
	p.Letters, errs[4] = b.DeadLetters(b.Context(), ledger.DeadLetterFilter{})
	b.must(errors.Join(errs[:]...))
	return p
}

// together calls f n times at once and returns the errors in order.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	group.Wait()
	return errs
}

// dates returns n dates from day on.
func dates(n int) []gamedate.Date {
	var ds []gamedate.Date
	for i := range n {
		ds = append(ds, day.AddDays(i))
	}
	return ds
}

func datesOf(entries []ledger.Entry) []gamedate.Date {
	var ds []gamedate.Date
	for _, e := range entries {
		ds = append(ds, e.Date)
	}
	return ds
}

// outcomes counts what claims came to.
func outcomes(claims []ledger.Claim) map[ledger.ClaimOutcome]int {
	counts := map[ledger.ClaimOutcome]int{}
	for _, c := range claims {
		counts[c.Outcome]++
	}
	return counts
}
