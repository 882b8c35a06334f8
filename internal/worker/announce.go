package worker

import (
	"context"
	"time"

	"gamefill/internal/notify"
)

// lastWords is how long a worker that ends may still tell what has happened.
const lastWords = 5 * time.Second

// announce tells people what becomes of the run: whenever looks says that it is this worker's turn, and once at the
// end. It has a goroutine of its own, so that no work waits for a service that does not answer.
func (w *Worker) announce(ctx context.Context, looks <-chan struct{}) {
	herald := notify.NewHerald(w.ledger, w.config.Notifier, w.job.Name, w.config.Owner, w.log, notify.Options{})
	for {
		select {
		case <-looks:
			herald.Announce(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
			defer cancel()
			herald.Announce(last)
			return
		}
	}
}
