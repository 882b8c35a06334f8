package worker

import (
	"context"
	"time"

	"gamefill/internal/ledger"
	"gamefill/internal/queue"
)

// Tracer follows single attempts, so that somebody may look at what one did and what came before it. Its methods are
// called from any goroutine: they must be quick, and what they do never decides anything.
type Tracer interface {
	// Begin: an attempt begins at the date of a delivered message; ctx is the delivery's. All that the attempt does is
	// done with the context returned, which ends when ctx does.
	Begin(ctx context.Context, m queue.Message, l ledger.Lease) context.Context
	// StageEnded: a stage took that long; ctx comes from Begin.
	StageEnded(ctx context.Context, stage string, took time.Duration)
	// End: the attempt is over; ctx comes from Begin. outcome is the date's outcome or the attempt's result, both of the
	// ledger's, or LeaseLost; failure is nil where there is none. The ledger may not hold it, where it did not answer.
	End(ctx context.Context, outcome string, failure *ledger.Failure)
}

// LeaseLost is the outcome of an attempt that somebody else has gone on with.
const LeaseLost = "lease_lost"

// untraced follows nothing.
type untraced struct{}

func (untraced) Begin(ctx context.Context, _ queue.Message, _ ledger.Lease) context.Context {
	return ctx
}
func (untraced) StageEnded(context.Context, string, time.Duration) {}
func (untraced) End(context.Context, string, *ledger.Failure)      {}
