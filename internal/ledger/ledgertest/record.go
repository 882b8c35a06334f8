package ledgertest

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// recordCases: history.
var recordCases = []testCase{
	{"attempts/numbered for good", func(b *bench) {
		b.open(run1, day)
		for i := range 3 {
			b.must(b.Release(b.Context(), b.take(alice, day).Lease,
				ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased}))
			b.equal("attempt", b.at(day).Attempt, i+1)
		}
		b.complete(day, simpleFacts())
		b.plan(run1, day)
		b.take(bob, day)
		attempts, err := b.Attempts(b.Context(), ledger.AttemptFilter{Job: jobName, Date: day}, 0)
		b.must(err)
		var got []string
		for _, a := range attempts {
			got = append(got, fmt.Sprintf("%d seq %d generation %d %s %q", a.N, a.Seq, a.Generation, a.Owner, a.Result))
		}
		b.equal("attempts, newest first", got, []string{
			`5 seq 2 generation 5 bob ""`, `4 seq 1 generation 4 alice "complete"`, `3 seq 1 generation 3 alice "released"`,
			`2 seq 1 generation 2 alice "released"`, `1 seq 1 generation 1 alice "released"`,
		})
	}},
	{"attempts/filters", func(b *bench) {
		ds := dates(3)
		b.open(run1, ds...)
		b.complete(ds[0], simpleFacts())
		running := b.take(alice, ds[1]).Lease
		b.die(ds[2])
		want := func(f ledger.AttemptFilter, limit int, want ...gamedate.Date) {
			b.Helper()
			attempts, err := b.Attempts(b.Context(), f, limit)
			b.must(err)
			var got []gamedate.Date
			for _, a := range attempts {
				got = append(got, a.Date)
			}
			b.equal(fmt.Sprintf("dates of attempts %+v, at most %d", f, limit), got, want)
		}
		want(ledger.AttemptFilter{}, 0, ds[2], ds[1], ds[0])
		want(ledger.AttemptFilter{Job: jobName, Run: run1}, 2, ds[2], ds[1])
		want(ledger.AttemptFilter{Run: run1, EndedOnly: true}, 0, ds[2], ds[0])
		want(ledger.AttemptFilter{Job: jobName, Date: ds[1]}, 0, ds[1])
		want(ledger.AttemptFilter{Job: jobName, Date: ds[1], EndedOnly: true}, 0)
		want(ledger.AttemptFilter{Run: run2}, 0)
		want(ledger.AttemptFilter{Job: "other"}, 0)
		b.pass(time.Millisecond)
		b.must(b.Complete(b.Context(), running, simpleFacts()))
		want(ledger.AttemptFilter{Job: jobName, Run: run1}, 0, ds[2], ds[1], ds[0])
		want(ledger.AttemptFilter{Job: jobName, Run: run1, EndedOnly: true}, 2, ds[1], ds[2]) // by their end
	}},
	{"events/newest first", func(b *bench) {
		events := []ledger.Event{
			{Job: jobName, Run: run1, Kind: "run_created", Actor: "op", Message: "first"},
			{Job: jobName, Run: run1, Date: day, Kind: "superseded", Actor: alice},
			{Job: jobName, Run: run2, Kind: "paused", Message: "a \u201cquoted\u201d\nline"},
			{Job: "other", Run: "run-x", Kind: "paused"},
		}
		for _, e := range events {
			b.must(b.AddEvent(b.Context(), e))
			b.pass(time.Millisecond)
		}
		want := func(job, run string, limit int, want ...ledger.Event) {
			b.Helper()
			got, err := b.Events(b.Context(), job, run, limit)
			b.must(err)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(ledger.Event{}, "At")); diff != "" {
				b.Errorf("events of %s %s, at most %d (-want +got):\n%s", job, run, limit, diff)
			}
			for _, e := range got {
				if e.At.IsZero() {
					b.Errorf("event %s has no time", e.Kind)
				}
			}
		}
		want(jobName, "", 0, events[2], events[1], events[0])
		want(jobName, "", 1, events[2])
		want(jobName, run1, 0, events[1], events[0])
		want("other", "", 0, events[3])
		want("other", run1, 0)
	}},
	{"dead letters/come back", func(b *bench) {
		full := letter("m1", 0)
		bare := ledger.DeadLetter{ID: "m2", State: ledger.LetterOpen, PublishedAt: full.PublishedAt.Add(time.Second)}
		for _, d := range []ledger.DeadLetter{full, bare} {
			b.must(b.RecordDeadLetter(b.Context(), d))
		}
		got := b.letters(ledger.DeadLetterFilter{})
		if diff := cmp.Diff([]ledger.DeadLetter{full, bare}, got,
			cmpopts.IgnoreFields(ledger.DeadLetter{}, "FoldedAt")); diff != "" {
			b.Errorf("letters (-want +got):\n%s", diff)
		}
		if got[0].FoldedAt.IsZero() {
			b.Error("no time of folding")
		}
	}},
	{"dead letters/kept once", func(b *bench) {
		b.must(b.RecordDeadLetter(b.Context(), letter("m1", 0)))
		b.must(b.RecordDeadLetter(b.Context(), letter("m2", 1)))
		b.settle([]string{"m1"}, ledger.LetterResolved, 1)
		b.unchanged("the same ids again", func() {
			other := letter("m1", 5)
			other.Failure.Reason = "other"
			b.must(errors.Join(b.RecordDeadLetter(b.Context(), other), b.RecordDeadLetter(b.Context(), letter("m2", 1))))
		})
	}},
	{"dead letters/filters", func(b *bench) {
		letters := []ledger.DeadLetter{letter("m3", 0), letter("m1", 1), letter("m2", 2),
			{ID: "m0", State: ledger.LetterOpen}}
		letters[1].Run, letters[1].Failure = run2, ledger.Failure{Class: failure.Crash, Stage: "claim",
			Reason: "lease_expired", Message: "\u00c9COLE gone"}
		letters[2].Job = "other"
		letters[3].PublishedAt = letters[0].PublishedAt.Add(time.Hour)
		letters[3].Failure = ledger.Failure{Class: failure.Permanent, Stage: "message", Reason: "not JSON"}
		for _, d := range letters {
			b.must(b.RecordDeadLetter(b.Context(), d))
		}
		b.settle([]string{"m2"}, ledger.LetterResolved, 1)
		for _, tt := range []struct {
			name   string
			filter ledger.DeadLetterFilter
			want   []string
		}{
			{"all, oldest first", ledger.DeadLetterFilter{}, []string{"m3", "m1", "m2", "m0"}},
			{"job", ledger.DeadLetterFilter{Job: jobName}, []string{"m3", "m1"}},
			{"run", ledger.DeadLetterFilter{Run: run2}, []string{"m1"}},
			{"range", ledger.DeadLetterFilter{Range: gamedate.Range{From: day.AddDays(1), To: day.AddDays(2)}},
				[]string{"m1", "m2"}},
			{"state", ledger.DeadLetterFilter{State: ledger.LetterOpen}, []string{"m3", "m1", "m0"}},
			{"class", ledger.DeadLetterFilter{Class: "crash"}, []string{"m1"}},
			{"stage", ledger.DeadLetterFilter{Stage: "message"}, []string{"m0"}},
			{"reason", ledger.DeadLetterFilter{Reason: "bad_rows"}, []string{"m3", "m2"}},
			{"text in the reason", ledger.DeadLetterFilter{Text: "Not json"}, []string{"m0"}},
			{"text in the message", ledger.DeadLetterFilter{Text: "\u00e9cole"}, []string{"m1"}},
			{"text with signs", ledger.DeadLetterFilter{Text: "100%"}, nil},
			{"two fields", ledger.DeadLetterFilter{Job: jobName, Class: "permanent"}, []string{"m3"}},
			{"nothing", ledger.DeadLetterFilter{Job: jobName, Stage: "message"}, nil},
		} {
			var got []string
			for _, d := range b.letters(tt.filter) {
				got = append(got, d.ID)
			}
			b.equal(tt.name, got, tt.want)
		}
	}},
	{"dead letters/settled once", func(b *bench) {
		for i, id := range []string{"m1", "m2", "m3"} {
			b.must(b.RecordDeadLetter(b.Context(), letter(id, i)))
		}
		b.settle([]string{"m1", "m2", "unknown"}, ledger.LetterReplayed, 2)
		b.unchanged("settling again", func() {
			b.settle([]string{"m1", "m2"}, ledger.LetterResolved, 0)
			b.settle(nil, ledger.LetterResolved, 0)
		})
		got := b.letters(ledger.DeadLetterFilter{State: ledger.LetterReplayed})
		b.equal("replayed", len(got), 2)
		for _, d := range got {
			if d.Actor != "op" || d.Note != "seen" || d.SettledAt.IsZero() {
				b.Errorf("%s: got %q, %q, %v, want who, why and when", d.ID, d.Actor, d.Note, d.SettledAt)
			}
		}
		b.unchanged("settling to open", func() {
			if _, err := b.SettleDeadLetters(b.Context(), []string{"m3"}, ledger.LetterOpen, "op", ""); err == nil {
				b.Error("got no error for a letter settled as open")
			}
		})
	}},
}

// letter is a dead letter of the i-th date, published i seconds after the first.
func letter(id string, i int) ledger.DeadLetter {
	return ledger.DeadLetter{ID: id, Job: jobName, Date: day.AddDays(i), Run: run1, Seq: 3,
		Body:       []byte("{\"v\":1}\x00\xff"),
		Attributes: map[string]string{"job": jobName, "seq": "3"}, Failure: *badRows(), Attempts: 2,
		PublishedAt: time.Date(2024, 5, 1, 12, 0, i, 5000, time.UTC), State: ledger.LetterOpen}
}

func (b *bench) letters(f ledger.DeadLetterFilter) []ledger.DeadLetter {
	b.Helper()
	letters, err := b.DeadLetters(b.Context(), f)
	b.must(err)
	return letters
}

// settle wants n letters to change.
func (b *bench) settle(ids []string, state ledger.LetterState, n int) {
	b.Helper()
	got, err := b.SettleDeadLetters(b.Context(), ids, state, "op", "seen")
	b.must(err)
	b.equal(fmt.Sprintf("letters settled as %s", state), got, n)
}
