package notify

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/terminal"
)

// Ledger is what a herald reads, and where it marks what is told.
type Ledger interface {
	Run(ctx context.Context, id string) (ledger.Run, error)
	OpenRun(ctx context.Context, jobName string) (run ledger.Run, ok bool, err error)
	CountStates(ctx context.Context, jobName, run string) (map[ledger.State]int, error)
	RunEntries(ctx context.Context, jobName, run string, states ...ledger.State) ([]ledger.Entry, error)
	// Hold is the mark: whoever holds the role named after a message delivers it.
	Hold(ctx context.Context, role, owner string, ttl time.Duration) (bool, error)
}

// Options tune a herald. The zero value of a field means its default.
type Options struct {
	// Interval is the shortest time between two messages about dates that died of one cause; default 15 min.
	Interval time.Duration
	// Retry is how long a message that was not delivered waits, and how long one belongs to the process that has begun to
	// deliver it. It must be longer than a delivery may take; default 1 min.
	Retry time.Duration
}

const (
	// kept is how long it is remembered that a message was told. It outlasts any run.
	kept = 365 * 24 * time.Hour
	// milestoneDates is how many dates make a run long enough for milestones: fewer are done before anybody looks.
	milestoneDates = 20
	// listed is how many names, dates or checks a message lists.
	listed = 5
	// late is from how long after the event on a message says when that was: sooner, its reader takes it for now.
	late = 10 * time.Minute
)

// Herald tells what becomes of a job's runs. Every message has a name made from the run and from what happened; a role
// of that name in the ledger is held by whoever delivers it: for Options.Retry before, and for good after it arrived.
// So no two processes tell the same, and one that dies or fails in between leaves the message to the next.
//
// A herald is used by one goroutine.
type Herald struct {
	ledger   Ledger
	notifier Notifier
	job      string
	owner    string
	log      *slog.Logger
	options  Options

	follows string               // the run that was open at the latest look
	asked   map[string]time.Time // by role: not to be asked for before, by this process's clock
	failing bool                 // the latest delivery failed
	waits   time.Time            // while it is failing: until when nothing is delivered
}

// NewHerald makes a herald. owner MUST be unique per process.
func NewHerald(l Ledger, n Notifier, jobName, owner string, log *slog.Logger, o Options) *Herald {
	o.Interval = cmp.Or(o.Interval, 15*time.Minute)
	o.Retry = cmp.Or(o.Retry, time.Minute)
	return &Herald{ledger: l, notifier: n, job: jobName, owner: owner, log: log, options: o, asked: map[string]time.Time{}}
}

// Announce tells what is new about the open run, and about the run that was open at the latest call: its end. Runs that
// ended before are history. What goes wrong is logged; nothing else follows from it.
func (h *Herald) Announce(ctx context.Context) {
	run, ok, err := h.ledger.OpenRun(ctx, h.job)
	if err != nil {
		h.unread(ctx, err)
		return
	}
	if h.follows != "" && h.follows != run.ID {
		h.AnnounceRun(ctx, h.follows)
	}
	h.follows = run.ID
	if ok {
		h.announce(ctx, run)
	}
}

// AnnounceRun tells what is new about one run, whatever its state.
func (h *Herald) AnnounceRun(ctx context.Context, id string) {
	run, err := h.ledger.Run(ctx, id)
	if err != nil {
		h.unread(ctx, err)
		return
	}
	h.announce(ctx, run)
}

func (h *Herald) unread(ctx context.Context, err error) {
	if ctx.Err() == nil {
		h.log.WarnContext(ctx, "look for news", "error", err.Error())
	}
}

// news is one message that may be due.
type news struct {
	// name tells the message from all others about the run; of two occurrences of one kind too.
	name    string
	message Message
	at      time.Time // when it happened, zero where that is not known
	// cause, where it is not "", allows one message per Options.Interval.
	cause string
}

// announce delivers what is due, in the order in which it happened, up to the first message that does not arrive.
func (h *Herald) announce(ctx context.Context, run ledger.Run) {
	if h.failing && time.Now().Before(h.waits) {
		return
	}
	counts, err := h.ledger.CountStates(ctx, run.Job, run.ID)
	if err != nil {
		h.unread(ctx, err)
		return
	}
	var dead []ledger.Entry
	if counts[ledger.Dead] > 0 {
		if dead, err = h.ledger.RunEntries(ctx, run.Job, run.ID, ledger.Dead); err != nil {
			h.unread(ctx, err)
			return
		}
	}
	for _, n := range due(run, counts, dead) {
		if !h.tell(ctx, run.ID, n) {
			return
		}
	}
}

// tell delivers one message unless somebody has done so, or is at it; false when it was tried and did not arrive.
func (h *Herald) tell(ctx context.Context, run string, n news) bool {
	role := "told:" + run + ":" + n.name
	if !h.hold(ctx, role, h.options.Retry) {
		return true
	}
	interval := ""
	if n.cause != "" {
		interval = "told:" + run + ":" + n.cause
		if !h.hold(ctx, interval, h.options.Interval) {
			return true
		}
	}
	if !n.at.IsZero() && time.Since(n.at) > late {
		n.message.Lines = append(n.message.Lines, fmt.Sprintf("Told late: this is of %s.", n.at.UTC().Format(time.RFC3339)))
	}
	err := h.notifier.Notify(ctx, n.message)
	h.noted(ctx, n.message, err)
	if err != nil {
		if interval != "" {
			_, _ = h.ledger.Hold(ctx, interval, h.owner, 0) // else the next try waits for the interval
			delete(h.asked, interval)
		}
		return false
	}
	if _, err := h.ledger.Hold(ctx, role, h.owner, kept); err != nil {
		h.unread(ctx, fmt.Errorf("remember that it was told: %w", err)) // it may be told once more, by somebody else
	}
	h.asked[role] = time.Now().Add(kept)
	return true
}

// hold asks for a role, and then not again for as long: whoever has it keeps it that long.
func (h *Herald) hold(ctx context.Context, role string, ttl time.Duration) bool {
	now := time.Now()
	if now.Before(h.asked[role]) {
		return false
	}
	held, err := h.ledger.Hold(ctx, role, h.owner, ttl)
	if err != nil {
		h.unread(ctx, err)
		return false
	}
	h.asked[role] = now.Add(ttl)
	return held
}

// noted logs the begin and the end of an outage.
func (h *Herald) noted(ctx context.Context, m Message, err error) {
	switch {
	case err != nil && !h.failing:
		h.log.WarnContext(ctx, "notifications do not arrive; they are tried again, and the work goes on", "run_id", m.Run,
			"kind", string(m.Kind), "error", err.Error())
	case err == nil && h.failing:
		h.log.InfoContext(ctx, "notifications arrive again", "run_id", m.Run, "kind", string(m.Kind))
	}
	h.failing, h.waits = err != nil, time.Now().Add(h.options.Retry)
}

// due is everything that can be told of a run as it is now, told or not, in the order in which it happened.
//
// What can happen more than once is named after the opening before it: between two openings a run is paused, judged or
// ended once.
func due(run ledger.Run, counts map[ledger.State]int, dead []ledger.Entry) []news {
	if run.OpenedAt.IsZero() { // nobody has worked on it
		return nil
	}
	var out []news
	say := func(name string, at time.Time, m Message) {
		m.Run = run.ID
		out = append(out, news{name: name, message: m, at: at})
	}
	opening := fmt.Sprint(":", run.OpenedAt.UnixMicro())
	say(string(Started), run.CreatedAt, started(run, counts))
	if s := run.Sample; s != nil && s.Verdict != "" && run.State == ledger.RunAwaitingApproval {
		m := sampled(run)
		say(string(m.Kind)+opening, run.UpdatedAt, m)
	}
	if !run.State.Closed() {
		out = append(out, deaths(run, dead)...)
	}
	switch run.State {
	case ledger.RunOpen:
		if percent := milestone(counts); percent > 0 {
			say(fmt.Sprintf("%s:%d", Milestone, percent), time.Time{}, Message{Kind: Milestone,
				Title: fmt.Sprintf("Run %s: %d%% of the dates are settled", run.ID, percent), Lines: []string{countsLine(counts)}})
		}
	case ledger.RunPaused:
		m := paused(run)
		say(string(m.Kind)+opening, run.UpdatedAt, m)
	case ledger.RunFinished:
		say(string(Completed)+opening, run.FinishedAt, Message{Kind: Completed,
			Title: fmt.Sprintf("Run %s is finished: %s", run.ID, run.Verdict), Lines: summary(run, counts, dead)})
	case ledger.RunCancelled:
		lines := summary(run, counts, dead)
		if run.Cause != "" {
			lines = append([]string{run.Cause}, lines...)
		}
		say(string(Cancelled), run.FinishedAt,
			Message{Kind: Cancelled, Title: fmt.Sprintf("Run %s is cancelled", run.ID), Lines: lines})
	}
	return out
}

func started(run ledger.Run, counts map[ledger.State]int) Message {
	what := terminal.Plural(toDo(counts), "date", "dates")
	if run.Sampling() {
		what = fmt.Sprintf("a sample of %s; the rest waits for it", terminal.Plural(len(run.Sample.Dates), "date", "dates"))
	}
	m := Message{Kind: Started, Title: fmt.Sprintf("Run %s of %s has begun: %s", run.ID, run.Job, what),
		Lines: []string{fmt.Sprintf("Range %s, transform version %s", run.Range, run.Version)}}
	if run.Actor != "" {
		m.Lines = append(m.Lines, "Begun by "+run.Actor+prefixed(": ", run.Reason))
	}
	if len(run.Accept) > 0 {
		m.Lines = append(m.Lines, "Rules overridden: "+strings.Join(run.Accept, ", "))
	}
	return m
}

func sampled(run ledger.Run) Message {
	lines := asking(run.Sample.Checks)
	if run.Approval != nil && !run.Approval.Override {
		return Message{Kind: SamplePassed,
			Title: fmt.Sprintf("The sample of run %s is judged: %s", run.ID, run.Sample.Verdict),
			Lines: append(lines, "The rest of its dates may be published.")}
	}
	return Message{Kind: ApprovalNeeded,
		Title: fmt.Sprintf("Run %s needs an approval: its sample is judged %s", run.ID, run.Sample.Verdict),
		Lines: append(lines, "Mend what failed and repeat `publisher sample`, or `publisher approve --reason …`.")}
}

func paused(run ledger.Run) Message {
	if run.CauseKind == "operator" {
		return Message{Kind: Paused, Title: fmt.Sprintf("Run %s is paused", run.ID), Lines: []string{run.Cause}}
	}
	return Message{Kind: BreakerTripped, Title: fmt.Sprintf("Run %s has stopped itself (%s)", run.ID, run.CauseKind),
		Lines: []string{run.Cause}}
}

// deaths is one message per cause whose dead dates have their letters out. It is named after the newest of them: the
// same dates are told once, and new ones of the cause after the interval.
func deaths(run ledger.Run, dead []ledger.Entry) []news {
	byCause := map[string][]ledger.Entry{}
	for _, e := range dead {
		if e.Failure != nil && e.DeadPublished { // nothing but a replay changes such an entry
			cause := e.Failure.Class.String() + ":" + e.Failure.Reason
			byCause[cause] = append(byCause[cause], e)
		}
	}
	var out []news
	for _, cause := range slices.Sorted(maps.Keys(byCause)) {
		entries := byCause[cause]
		newest := slices.MaxFunc(entries, func(a, b ledger.Entry) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
		f := newest.Failure
		out = append(out, news{
			name:  fmt.Sprintf("%s:%s:%d", DeadLetters, cause, newest.UpdatedAt.UnixMicro()),
			at:    newest.UpdatedAt,
			cause: string(DeadLetters) + ":" + cause,
			message: Message{Kind: DeadLetters, Run: run.ID,
				Title: fmt.Sprintf("Run %s: dead dates, %d of %s (%s)", run.ID, len(entries), f.Reason, f.Class),
				Lines: []string{dates(entries), fmt.Sprintf("%s: %s", newest.Date, f.Message),
					fmt.Sprintf("`publisher explain %s` tells more.", newest.Date)}},
		})
	}
	return out
}

// milestone is the highest quarter of the dates that is settled, in percent; 0 for none, for all, and for a short run.
func milestone(counts map[ledger.State]int) int {
	total := toDo(counts)
	done := total - counts[ledger.Pending] - counts[ledger.Leased]
	if total < milestoneDates || done == total {
		return 0
	}
	return 100 * done / total / 25 * 25
}

// toDo counts a run's dates that have something to do, done or not.
func toDo(counts map[ledger.State]int) int {
	total := 0
	for state, n := range counts {
		if state != ledger.NoGames && state != ledger.NoSchedule {
			total += n
		}
	}
	return total
}

// summary says how a run ended.
func summary(run ledger.Run, counts map[ledger.State]int, dead []ledger.Entry) []string {
	lines := []string{fmt.Sprintf("Range %s: %s", run.Range, countsLine(counts))}
	if !run.FinishedAt.IsZero() {
		lines[0] += fmt.Sprintf(", %s after it was planned", run.FinishedAt.Sub(run.CreatedAt).Round(time.Second))
	}
	byReason := map[string]int{}
	for _, e := range dead {
		if e.Failure != nil {
			byReason[e.Failure.Reason]++
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		lines = append(lines, fmt.Sprintf("Dead of %s: %d", reason, byReason[reason]))
	}
	return append(append(lines, asking(run.Checks)...), fmt.Sprintf("`publisher report --run %s` has everything.", run.ID))
}

// asking lists the first checks that did not pass.
func asking(checks []job.Check) []string {
	var lines []string
	more := 0
	for _, c := range checks {
		switch {
		case c.Verdict == job.Pass || c.Verdict == job.Shown:
			continue
		case len(lines) == listed:
			more++
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %s%s: %s", c.Verdict, c.Name, prefixed(" ", c.Scope), c.Seen))
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("… and %s that did not pass", terminal.Plural(more, "more check", "more checks")))
	}
	return lines
}

func countsLine(counts map[ledger.State]int) string {
	var parts []string
	for _, state := range ledger.States {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

// dates names the first dates of entries.
func dates(entries []ledger.Entry) string {
	all := make([]gamedate.Date, len(entries))
	for i, e := range entries {
		all[i] = e.Date
	}
	slices.SortFunc(all, gamedate.Date.Compare)
	var texts []string
	for _, d := range all[:min(listed, len(all))] {
		texts = append(texts, d.String())
	}
	if n := len(all) - listed; n > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(texts, ", ")
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
