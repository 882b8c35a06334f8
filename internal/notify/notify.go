// Package notify tells people what becomes of a run: that it began, what its sample came to, that it stopped, what
// died, how far it is and how it ended.
//
// A [Notifier] takes a [Message] to where people look; the adapters lie below this package. A [Herald] finds in the
// ledger what is to be told, and sees to it that of any number of processes one tells it. Neither ever fails the work:
// a message that cannot be delivered is tried again later, and an outage is logged once.
package notify

import "context"

// Kind says what a message is about.
type Kind string

// The kinds of messages.
const (
	Started        Kind = "started"         // workers were first let at the run
	SamplePassed   Kind = "sample_passed"   // the sample was judged, and the rest may begin
	ApprovalNeeded Kind = "approval_needed" // the sample failed: somebody has to decide
	Paused         Kind = "paused"          // by an operator
	BreakerTripped Kind = "breaker_tripped" // paused by a rule: alike failures, environment, quota
	DeadLetters    Kind = "dead_letters"    // dates were given up on for one cause
	Milestone      Kind = "milestone"       // a quarter, half or three quarters of the dates are settled
	Completed      Kind = "completed"       // the run is finished: its summary
	Cancelled      Kind = "cancelled"       // the run is cancelled: its summary
	RolledBack     Kind = "rolled_back"     // dates of the run were put back
	Test           Kind = "test"            // somebody asked whether messages arrive
)

// Message is one thing to tell. It is plain text: an adapter escapes what its service would read as markup.
type Message struct {
	Kind  Kind
	Run   string   // id; "" for a test
	Title string   // one line that says it all, the run named
	Lines []string // details, one sentence or number each
}

// Notifier delivers messages.
type Notifier interface {
	// Notify delivers one message, or says why it did not; it repeats nothing. It blocks until the service has answered,
	// the adapter's time bound has passed or ctx has ended. After an error the message may still have arrived. Errors hold
	// no secret of the address. It may be called concurrently and does not keep m.Lines.
	Notify(ctx context.Context, m Message) error
}
