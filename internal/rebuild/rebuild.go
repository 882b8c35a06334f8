// Package rebuild makes what the partition of one game date should hold, without writing it: [Inputs.Build] reads the
// date's source partitions and the target's present one, calls the job's build function and judges what it made.
//
// Workers write what it makes and a diff shows it, so what was looked at is what a worker would do. The package knows
// neither leases nor the queue.
package rebuild

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Stages of a build, for failures and durations.
const (
	StageRead   = "read"
	StageBuild  = "build"
	StageAccept = "accept"
)

// NotReadyError leaves a date open: its units are not final yet.
type NotReadyError struct{ Why string }

// Error is why the date cannot be built yet.
func (e *NotReadyError) Error() string { return e.Why }

// Inputs is what all dates of one run are built with. It is safe for concurrent use.
type Inputs struct {
	job      job.Job
	shared   any
	accepted map[string]bool
}

// NewInputs decodes canonical settings and a packed reference snapshot, once for all dates. Rules named by accept do
// not fail a date. A snapshot that this build cannot read is a failure of class Environment.
func NewInputs(j job.Job, settings, packed []byte, accept []string) (*Inputs, error) {
	references, err := job.UnpackReference(j.References, packed)
	if err != nil {
		return nil, failure.MarkEnvironment(err, "reference_unreadable")
	}
	shared, err := j.Decode(settings, references)
	if err != nil {
		return nil, err
	}
	accepted := map[string]bool{}
	for _, rule := range accept {
		accepted[rule] = true
	}
	return &Inputs{job: j, shared: shared, accepted: accepted}, nil
}

// Reader is the one thing that is asked of a warehouse here; see [warehouse.Partitions].
type Reader interface {
	Read(ctx context.Context, t *table.Schema, date gamedate.Date) (warehouse.Partition, error)
}

// Request names one date and what its rows may depend on besides the inputs.
type Request struct {
	Date  gamedate.Date
	Last  *ledger.Facts // of the date's last completion, nil when there is none
	Force bool          // allows going back to older sources
	Now   time.Time     // for volatile columns
}

// Built is one date's accepted partition, beside the one in the warehouse.
type Built struct {
	job.Output
	SourceTokens map[string]warehouse.Token // of the source partitions that were read, by table name
	Previous     warehouse.Partition        // the target's present partition
	Fingerprint  string                     // of Rows
	PreImage     string                     // fingerprint of Previous
	// Unchanged says that writing would change nothing: the owned columns are the same, and so are the unowned ones
	// where either side has any.
	Unchanged bool
}

// Build reads, builds and accepts one date; it writes nothing. enter is called as each stage begins.
//
// Errors: *NotReadyError; the warehouse's and the job's; what is not accepted is permanent, its reason the names of the
// rules.
func (in *Inputs) Build(ctx context.Context, store Reader, r Request, enter func(stage string)) (Built, error) {
	var b Built
	enter(StageRead)
	input, err := in.read(ctx, store, r, &b)
	if err != nil {
		return b, err
	}
	enter(StageBuild)
	if b.Output, err = in.job.Build(in.shared, input); err != nil {
		return b, err
	}
	if b.NotReady != "" {
		return b, &NotReadyError{b.NotReady}
	}
	enter(StageAccept)
	if err := in.accept(b.Output); err != nil {
		return b, err
	}
	t := in.job.Target
	b.Fingerprint, b.PreImage = t.Fingerprint(b.Rows), t.Fingerprint(b.Previous.Rows)
	b.Unchanged = b.Fingerprint == b.PreImage && (!t.HasUnowned(b.Previous.Rows) && !t.HasUnowned(b.Rows) ||
		t.ContentFingerprint(b.Rows) == t.ContentFingerprint(b.Previous.Rows))
	return b, nil
}

// read gathers the input of the build; what was read of the target and the tokens go to b.
func (in *Inputs) read(ctx context.Context, store Reader, r Request, b *Built) (job.Input, error) {
	b.SourceTokens = map[string]warehouse.Token{}
	input := job.Input{Date: r.Date, Sources: map[string][]table.Row{}, Accept: in.accepted, Now: r.Now, Force: r.Force}
	for _, source := range in.job.Sources {
		p, err := store.Read(ctx, source, r.Date)
		if err != nil {
			return input, fmt.Errorf("read %s of %s: %w", source.FullName(), r.Date, err)
		}
		input.Sources[source.Name], b.SourceTokens[source.Name] = p.Rows, p.Token
	}
	var err error
	if b.Previous, err = store.Read(ctx, in.job.Target, r.Date); err != nil {
		return input, fmt.Errorf("read %s of %s: %w", in.job.Target.FullName(), r.Date, err)
	}
	input.Previous = b.Previous.Rows
	if r.Last != nil {
		input.NewestSource = r.Last.NewestSource
		if len(b.Previous.Rows) > 0 && in.job.Target.Fingerprint(b.Previous.Rows) == r.Last.Fingerprint {
			input.PreviousFacts = &r.Last.Counts
		}
	}
	return input, nil
}

// accept judges what was built: every input row must be accounted for, and no error-level finding may stand unaccepted.
func (in *Inputs) accept(out job.Output) error {
	rejected := int64(0)
	for _, n := range out.Counts.RejectedBy {
		rejected += n
	}
	if c := out.Counts; c.RowsIn != c.RowsUsed+rejected || c.RowsOut != int64(len(out.Rows)) {
		return failure.MarkPermanent(fmt.Errorf("rows unaccounted for: %d in, %d used, %d rejected, %d counted out, %d out",
			c.RowsIn, c.RowsUsed, rejected, c.RowsOut, len(out.Rows)), "rows_unaccounted")
	}
	var rules, messages []string
	for i := range out.Findings {
		f := &out.Findings[i]
		if f.Level != job.Error {
			continue
		}
		if f.Accepted = in.accepted[f.Rule]; f.Accepted {
			continue
		}
		if !slices.Contains(rules, f.Rule) {
			rules = append(rules, f.Rule)
		}
		messages = append(messages, f.Rule+": "+f.Message)
	}
	if len(rules) == 0 {
		return nil
	}
	return failure.MarkPermanent(fmt.Errorf("not accepted, the old partition stays: %s", strings.Join(messages, "; ")),
		strings.Join(rules, ","))
}
