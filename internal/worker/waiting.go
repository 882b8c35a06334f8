package worker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gamefill/internal/ledger"
)

const (
	// waitingLooks is how many looks at the run lie between two at the dates that are left.
	waitingLooks = 10
	// waitingDates is from how many dates on nobody is told of single ones: reading them all would cost more than it says.
	waitingDates = 1000
	// waitingNamed is how many dates a line names.
	waitingNamed = 5
)

// waiting tells what a draining worker waits for when it can do nothing itself.
type waiting struct {
	looked time.Time
	said   string // what the latest line was about, without what changes by itself
}

// tell logs the dates that are left once all of them are held by others or not to be tried before a certain time, and
// again when they change.
func (t *waiting) tell(ctx context.Context, w *Worker, run string, left int, s *slots) {
	if left > waitingDates || s.taken() || time.Since(t.looked) < waitingLooks*w.config.ControlEvery {
		return
	}
	t.looked = time.Now()
	entries, err := w.ledger.RunEntries(ctx, w.job.Name, run, ledger.Pending, ledger.Leased)
	if err != nil {
		return // the look at the run says what is wrong with the ledger
	}
	var waits, about []string
	for _, e := range entries {
		switch {
		case e.State == ledger.Leased && e.Owner != w.config.Owner:
			about = append(about, e.Date.String()+" "+e.Owner)
			waits = append(waits,
				fmt.Sprintf("%s held by %s until %s", e.Date, e.Owner, e.LeaseUntil.UTC().Format(time.RFC3339)))
		case e.State == ledger.Pending && e.NotBefore.After(time.Now()):
			line := fmt.Sprintf("%s not before %s", e.Date, e.NotBefore.UTC().Format(time.RFC3339))
			about, waits = append(about, line), append(waits, line)
		default:
			return // there is something to do
		}
	}
	if what := strings.Join(about, ", "); len(waits) > 0 && what != t.said {
		t.said = what
		text := strings.Join(waits[:min(waitingNamed, len(waits))], ", ")
		if n := len(waits) - waitingNamed; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
		w.log.InfoContext(ctx, "waiting for dates that cannot be done now", "run_id", run, "dates", len(waits), "waits", text)
	}
}
