package worker

import (
	"time"

	"gamefill/internal/ledger"
)

// Observer is told what a worker does, as it happens, so that somebody may count it. Its methods are called from any
// goroutine, at once and for every date: they must be quick, and what they do never decides anything.
type Observer interface {
	// StageEnded: a stage of an attempt took that long, whether the attempt goes on or ends with it.
	StageEnded(stage string, took time.Duration)
	// AttemptEnded: an attempt ended and the ledger holds its result, one of the ledger's. failure is nil where there is
	// none. An attempt that lost its lease is none: whoever took the lease ends it.
	AttemptEnded(result string, failure *ledger.Failure)
	// LeaseLost: a date was lost while it was in progress.
	LeaseLost()
	// Duplicate: a delivery changed nothing, since it was an old copy or its date was settled.
	Duplicate()
}

// nobody watches.
type nobody struct{}

func (nobody) StageEnded(string, time.Duration)     {}
func (nobody) AttemptEnded(string, *ledger.Failure) {}
func (nobody) LeaseLost()                           {}
func (nobody) Duplicate()                           {}
