package worker_test

import (
	"strings"
	"testing"

	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/price"
	"gamefill/internal/publisher"
)

// Where the warehouse limits partition writes, those of the last day and those to come are judged; a file has no limit.
func TestWritesOfTheDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fiveDays...)
	w.job.Thresholds = job.EngineThresholds()
	w.publish(request(fiveDays[0], fiveDays[2]))
	w.drain()
	w.publish(request(fiveDays[3], fiveDays[4]))
	run := w.openRun()
	counts, err := w.ledger.CountStates(t.Context(), w.job.Name, run.ID)
	must(t, err)
	for _, limited := range []bool{false, true} {
		p, err := publisher.New(t.Context(), w.job,
			publisher.Ports{Queue: w.queue, Ledger: w.ledger, Store: w.store, Services: price.Services{Warehouse: limited}})
		must(t, err)
		c, err := p.Writes(t.Context(), run, counts)
		must(t, err)
		switch {
		case !limited && c != nil:
			t.Errorf("a warehouse without a limit: got %+v, want nothing", c)
		case limited &&
			(c == nil || c.Verdict != job.Pass || !strings.HasPrefix(c.Seen, "used 3 in the last 24 hours + planned 2 of ")):
			t.Errorf("got %+v with %d dates pending, want 3 used and 2 planned", c, counts[ledger.Pending])
		}
	}
}
