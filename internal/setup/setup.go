// Package setup is what an adapter says about the resources that it needs: topics, tables, indexes. [Finding] is one of
// them, or one setting of it; [Mode] says how far looking at them may go.
//
// Adapters offer Ensure(ctx, Mode) ([]Finding, error). It looks at everything even if some of it is refused, so that an
// operator sees all findings at once; its error joins what could not be found out for another reason than a missing
// right, and findings come with it. A second call in mode [Make] finds everything present, and calls at once are safe.
// What exists is never changed unless the adapter says so.
package setup

// Mode says how far Ensure goes.
type Mode int

// The modes.
const (
	Make   Mode = iota // make what is missing
	DryRun             // change nothing, and say what Make would make
	Check              // change nothing, and ask also what this account may do
)

// State is how a resource was found, or how Ensure leaves it.
type State string

// The states.
const (
	Present   State = "present"   // there, as wanted
	Created   State = "created"   // was missing, made by this call
	Missing   State = "missing"   // not there
	Differs   State = "differs"   // there, and not as wanted
	Forbidden State = "forbidden" // this account may not look at it, make it or use it
	Unknown   State = "unknown"   // the service cannot tell
)

// Finding is one resource, or one setting of a resource that was found.
type Finding struct {
	Resource string `json:"resource"` // kind and name: "topic dates of project demo-project"
	State    State  `json:"state"`
	// Wanted and Seen say what a setting should be and is, "" where the resource itself is meant.
	Wanted string `json:"wanted,omitempty"`
	Seen   string `json:"seen,omitempty"`
	// Makeable says of what is missing or differs that Make makes it as wanted.
	Makeable bool `json:"makeable,omitempty"`
	// Advice is what a person can do about it, "" if nothing is to be done. Lines of commands stand alone.
	Advice string `json:"advice,omitempty"`
}

// Wanting reports whether something is left to do after a call in this mode. What the service cannot tell is not
// counted.
func (f Finding) Wanting(m Mode) bool {
	switch f.State {
	case Missing, Differs:
		return !f.Makeable || m == Check
	case Forbidden:
		return true
	}
	return false
}
