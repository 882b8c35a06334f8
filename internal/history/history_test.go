package history_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/history"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/ledger/sqliteledger"
	"gamefill/internal/sqlitefile"
	"gamefill/test/emulator"
)

const (
	jobName = "rain_per_day"
	version = "7"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sqlite is a ledger in a file of its own.
func sqlite(t *testing.T) ledger.Ledger {
	f, err := sqlitefile.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), sqlitefile.Options{})
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	l, err := sqliteledger.New(t.Context(), f, sqliteledger.Options{})
	must(t, err)
	return l
}

// firestore is a ledger of its own in the emulator.
func firestore(t *testing.T) ledger.Ledger {
	emulator.Firestore(t)
	l, err := firestoreledger.New(t.Context(),
		firestoreledger.Options{Project: "gamefill-test", Prefix: rand.Text() + "_"})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// lived makes a run of 40 dates, of which one is complete, one dead with its letter and the others wait, and beside it
// an event of the whole job, which is no part of the run.
func lived(t *testing.T, l ledger.Ledger) (run string) {
	t.Helper()
	run = "r1"
	ctx, day := t.Context(), gamedate.MustParse("2022-01-01")
	must(t, l.CreateRun(ctx,
		ledger.Run{ID: run, Job: jobName, Range: gamedate.Range{From: day, To: day.AddDays(39)}, Target: "target",
			Version: version, Settings: []byte(`{"unit":"tenths"}`), Accept: []string{"too_wet"}, Reason: "why", Actor: "op"},
		[]byte("reference")))
	var plans []ledger.Plan
	for i := range 40 {
		plans = append(plans, ledger.Plan{Date: day.AddDays(i), To: ledger.Pending, Reason: ledger.ReasonNew})
	}
	entries, err := l.Record(ctx, jobName, run, plans)
	must(t, err)
	_, err = l.UpdateRun(ctx, run, ledger.Event{Kind: "run_opened", Actor: "op", Message: "40 queued"},
		func(r *ledger.Run) error { return r.Move(ledger.RunOpen) })
	must(t, err)
	claim := func(e ledger.Entry) ledger.Lease {
		c, err := l.Claim(ctx,
			ledger.ClaimRequest{Job: jobName, Run: run, Date: e.Date, Seq: e.Seq, Owner: "worker", TTL: time.Hour,
				Version: version, MaxAttempts: 5})
		must(t, err)
		return c.Lease
	}
	must(t, l.Complete(ctx, claim(entries[0]),
		ledger.Facts{Outcome: ledger.Replaced, Run: run, Rows: 2, Fingerprint: "abc",
			Counts:   job.Counts{RowsIn: 2, RowsUsed: 2, RowsOut: 2},
			Findings: []job.Finding{{Rule: "too_wet", Level: job.Error, Accepted: true}}}))
	bad := ledger.Failure{Class: failure.Permanent, Reason: "bad_station", Stage: "build",
		Message: "a \"station\"\nthat cannot be"}
	must(t, l.Release(ctx, claim(entries[35]),
		ledger.Release{To: ledger.Dead, Spend: true, Result: ledger.ResultDead, Failure: &bad}))
	must(t, l.RecordDeadLetter(ctx,
		ledger.DeadLetter{ID: "letter", Job: jobName, Date: entries[35].Date, Run: run, Seq: 1, Body: []byte{0, 0xff, '\n'},
			Attributes: map[string]string{"a": "b"}, Failure: bad, Attempts: 1,
			PublishedAt: time.Date(2022, 2, 1, 0, 0, 0, 1000, time.UTC)}))
	must(t, l.AddEvent(ctx, ledger.Event{Job: jobName, Kind: "elsewhere"}))
	return run
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) ledger.Ledger{"sqlite": sqlite, "firestore": firestore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			id := lived(t, l)
			var out bytes.Buffer
			lines, err := history.Write(t.Context(), l, id, &out)
			must(t, err)
			if n := strings.Count(out.String(), "\n"); n != lines || lines != 1+40+2+1+1 {
				t.Errorf("got %d lines, %d reported, want 45", n, lines)
			}
			var run ledger.Run
			var entries []ledger.Entry
			var attempts []ledger.Attempt
			var events []ledger.Event
			var letters []ledger.DeadLetter
			must(t, history.Read(&out, func(line history.Line) error {
				switch line.Kind {
				case history.Run:
					run = *line.Run
				case history.Entry:
					entries = append(entries, *line.Entry)
				case history.Attempt:
					attempts = append([]ledger.Attempt{*line.Attempt}, attempts...)
				case history.Event:
					events = append([]ledger.Event{*line.Event}, events...)
				case history.DeadLetter:
					letters = append(letters, *line.DeadLetter)
				}
				return nil
			}))
			same := func(what string, got, want any, err error) {
				t.Helper()
				must(t, err)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s read back (-ledger +history):\n%s", what, diff)
				}
			}
			wantRun, err := l.Run(t.Context(), id)
			same("run", run, wantRun, err)
			wantEntries, err := l.RunEntries(t.Context(), jobName, id)
			same("entries", entries, wantEntries, err)
			wantAttempts, err := l.Attempts(t.Context(), ledger.AttemptFilter{Job: jobName, Run: id}, 0)
			same("attempts", attempts, wantAttempts, err)
			wantEvents, err := l.Events(t.Context(), jobName, id, 0)
			same("events", events, wantEvents, err)
			wantLetters, err := l.DeadLetters(t.Context(), ledger.DeadLetterFilter{Job: jobName, Run: id})
			same("dead letters", letters, wantLetters, err)
		})
	}
}

func TestWriteOfNoRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if _, err := history.Write(t.Context(), sqlite(t), "nobody", &out); !errors.Is(err, ledger.ErrNoRun) || out.Len() > 0 {
		t.Errorf("got %v and %q, want ErrNoRun and nothing", err, out.String())
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	const good = `{"kind":"event","event":{"kind":"paused"}}` + "\n"
	stop := errors.New("enough")
	tests := []struct {
		name, lines string
		fn          error
		want        string
	}{
		{"nothing", "", nil, ""},
		{"a good line", good, nil, ""},
		{"an unknown kind", good + `{"kind":"odd"}`, nil, `line 2: kind "odd"`},
		{"a line without its record", `{"kind":"entry"}`, nil, `line 1: kind "entry"`},
		{"a line that is cut off", good + `{"kind":"event","ev`, nil, "line 2"},
		{"no JSON", "hello", nil, "line 1"},
		{"the reader's own error", good, stop, "enough"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := history.Read(strings.NewReader(tt.lines), func(history.Line) error { return tt.fn })
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
