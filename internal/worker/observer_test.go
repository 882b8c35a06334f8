package worker_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/queue"
	"gamefill/internal/warehouse"
)

// tally is an observer that counts.
type tally struct {
	mu     sync.Mutex // guards counts
	counts map[string]int
}

func (t *tally) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
}

func (t *tally) StageEnded(stage string, took time.Duration) {
	if took >= 0 {
		t.add("stage " + stage)
	}
}

func (t *tally) AttemptEnded(result string, f *ledger.Failure) {
	if f != nil {
		result += " " + f.Class.String()
	}
	t.add(result)
}

func (t *tally) LeaseLost() { t.add("lease lost") }
func (t *tally) Duplicate() { t.add("duplicate") }

// TestObserver sees a date that fails once, one that is dead, one whose lease is lost once, and a message that comes
// twice.
func TestObserver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, week[:4]...)
	run := w.publish(request(monday, sunday)).RunID
	flaky, bad, lost := date(week[0]), date(week[1]), date(week[2])
	var mu sync.Mutex // guards tries
	tries := map[gamedate.Date]int{}
	w.hooks.Build = func(d gamedate.Date) error {
		mu.Lock()
		defer mu.Unlock()
		tries[d]++
		switch {
		case d == flaky && tries[d] == 1:
			return errors.New("a hiccup")
		case d == bad:
			return failure.Mark(errors.New("a bad row"), failure.Permanent, "bad_row")
		}
		return nil
	}
	w.store = &failing{Store: w.store, replace: func(write warehouse.Write) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if write.Date == lost && tries[lost] == 1 {
			return true, warehouse.ErrFenced
		}
		return false, nil
	}}
	copied := queue.Envelope{Job: w.job.Name, Run: run, Date: date(week[3]), Seq: 1}.Message()
	for _, err := range w.queue.Publish(t.Context(), []queue.Message{copied}) {
		must(t, err)
	}
	seen := &tally{counts: map[string]int{}}
	c := w.config()
	c.Observer, c.Concurrency, c.LeaseTTL = seen, 1, time.Second
	must(t, w.worker(c).Run(t.Context()))

	attempts := map[string]int{}
	list, err := w.ledger.Attempts(t.Context(), ledger.AttemptFilter{Job: w.job.Name, Run: run}, 0)
	must(t, err)
	for _, a := range list {
		if a.Result == ledger.ResultExpired { // the lost lease: its attempt ends without the worker
			attempts["lease lost"]++
			continue
		}
		key := a.Result
		if a.Failure != nil {
			key += " " + a.Failure.Class.String()
		}
		attempts[key]++
	}
	want := map[string]int{"complete": 3, "failed transient": 1, "dead permanent": 1, "lease lost": 1}
	if diff := cmp.Diff(want, attempts); diff != "" {
		t.Errorf("the ledger's attempts (-want +got):\n%s", diff)
	}
	if n := seen.counts["duplicate"]; n < 1 || n > 2 {
		// the old message of the lost lease may come before it is acked, too
		t.Errorf("got %d duplicates, want 1 or 2", n)
	}
	delete(seen.counts, "duplicate")
	for stage, n := range map[string]int{"claim": 6, "read": 6, "build": 6, "accept": 4, "write": 4, "read_back": 3,
		"complete": 3} {
		want["stage "+stage] = n
	}
	if diff := cmp.Diff(want, seen.counts); diff != "" {
		t.Errorf("what was observed (-want +got):\n%s", diff)
	}
}
