package worker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/worker"
)

// lines is a log that is read while it is written.
type lines struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// with returns the lines that contain text.
func (l *lines) with(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// A draining worker that can do nothing itself says which dates it waits for, and why; once, and again when it changes.
func TestDrainSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week[:3]...)
	run := w.publish(request(monday, sunday)).RunID
	throttled, elsewhere := date(week[0]), date(week[1])
	w.hooks.Build = func(d gamedate.Date) error {
		if d == throttled {
			return failure.Mark(errors.New("the day's quota"), failure.Quota, "quota")
		}
		return nil
	}
	claim, err := w.ledger.Claim(t.Context(),
		ledger.ClaimRequest{Job: w.job.Name, Run: run, Date: elsewhere, Seq: 1, Owner: "another-host",
			TTL: time.Hour, Version: w.job.Version})
	must(t, err)
	log := &lines{}
	wk, err := worker.New(t.Context(), w.job, w.queue, w.ledger, w.store,
		slog.New(slog.NewTextHandler(log, nil)), w.config())
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- wk.Run(ctx) }()
	const what = "waiting for dates that cannot be done now"
	eventually(t, "both dates are told", func() bool { return len(log.with(what)) > 0 })
	until := w.entry(week[0]).NotBefore.UTC().Format(time.RFC3339)
	for _, want := range []string{"run_id=" + run, "dates=2", week[0] + " not before " + until,
		week[1] + " held by another-host until "} {
		if line := log.with(what)[0]; !strings.Contains(line, want) {
			t.Errorf("got %q, want it to say %q", line, want)
		}
	}
	must(t, w.ledger.Release(t.Context(), claim.Lease, ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased}))
	eventually(t, "what is left is told", func() bool { return len(log.with("dates=1")) > 0 })
	if got := log.with(what); len(got) != 2 {
		t.Errorf("got %d lines, want one for each change:\n%s", len(got), strings.Join(got, ""))
	}
	stop()
	must(t, <-ended)
}
