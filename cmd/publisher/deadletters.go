package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gamefill/internal/export"
	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/terminal"
	"gamefill/internal/worker"
)

// letterFlags choose dead letters.
type letterFlags struct {
	rangeFlags `embed:""`
	RunID      string `name:"run" help:"Only of this run." placeholder:"ID"`
	Class      string `help:"Only of this failure class: transient, permanent, quota, environment or crash." placeholder:"CLASS"`
	Stage      string `help:"Only that failed in this stage: message, read, build, accept, write, read_back or complete." placeholder:"STAGE"`
	Cause      string `help:"Only with this reason code." placeholder:"CODE"`
	Text       string `help:"Only whose reason or message contains this text." placeholder:"TEXT"`
}

// filter turns the flags into a ledger filter; dates is not empty when single dates were asked for.
func (f *letterFlags) filter() (filter ledger.DeadLetterFilter, dates []gamedate.Date, err error) {
	filter = ledger.DeadLetterFilter{Run: f.RunID, Class: f.Class, Stage: f.Stage, Reason: f.Cause, Text: f.Text}
	if f.Class != "" {
		if _, err := failure.ParseClass(f.Class); err != nil {
			return filter, nil, &publisher.UsageError{Problem: "--class: " + err.Error()}
		}
	}
	if f.Stage != "" && !slices.Contains(stages, f.Stage) {
		return filter, nil,
			&publisher.UsageError{Problem: fmt.Sprintf("--stage %q: want one of %s", f.Stage, strings.Join(stages, ", "))}
	}
	if f.given() {
		filter.Range, dates, err = f.resolve()
	}
	return filter, dates, err
}

// stages are where a date or a message can fail.
var stages = []string{"message", "claim", "read", "build", "accept", "write", "read_back", "complete"}

// knownRun refuses a run that does not exist.
func (f *letterFlags) knownRun(e *environment) error {
	if f.RunID == "" {
		return nil
	}
	_, err := e.backend.Ledger.Run(e.ctx, f.RunID)
	return err
}

// letters folds what waits on the topic, then reads the letters that match.
func (f *letterFlags) letters(e *environment, state ledger.LetterState) ([]ledger.DeadLetter, error) {
	filter, dates, err := f.filter()
	if err != nil {
		return nil, err
	}
	b, err := e.open(looks)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.knownRun(e), e.fold()); err != nil {
		return nil, err
	}
	filter.State = state
	letters, err := b.Ledger.DeadLetters(e.ctx, filter)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(letters, func(l ledger.DeadLetter) bool {
		return len(dates) > 0 && !slices.Contains(dates, l.Date)
	}), nil
}

// fold copies the dead letters that wait on the topic into the ledger; after that the ledger is their only store.
func (e *environment) fold() error {
	if _, err := worker.Fold(e.ctx, e.queue(), e.backend.Ledger); err != nil {
		return fmt.Errorf("fold dead letters into the ledger: %w", err)
	}
	return nil
}

type deadlettersCommand struct {
	List   lettersList   `cmd:"" default:"withargs" help:"List dead letters and their causes."`
	Show   lettersShow   `cmd:"" help:"Show one dead letter whole."`
	Export lettersExport `cmd:"" help:"Write dead letters as NDJSON, one a line."`
}

// letterView is a dead letter for people and scripts.
type letterView struct {
	ID          string             `json:"id"`
	State       ledger.LetterState `json:"state"`
	Job         string             `json:"job,omitempty"`
	Date        gamedate.Date      `json:"date,omitzero"`
	Run         string             `json:"run,omitempty"`
	Seq         int64              `json:"seq,omitempty"`
	Class       string             `json:"class"`
	Stage       string             `json:"stage"`
	Reason      string             `json:"reason"`
	Message     string             `json:"message"`
	Attempts    int                `json:"attempts"`
	PublishedAt time.Time          `json:"published_at"`
	SettledAt   time.Time          `json:"settled_at,omitzero"`
	Actor       string             `json:"actor,omitempty"`
	Note        string             `json:"note,omitempty"`
	Body        string             `json:"body"`
	Attributes  map[string]string  `json:"attributes,omitempty"`
}

func viewLetter(l ledger.DeadLetter) letterView {
	return letterView{ID: l.ID, State: l.State, Job: l.Job, Date: l.Date, Run: l.Run, Seq: l.Seq,
		Class: l.Failure.Class.String(), Stage: l.Failure.Stage,
		Reason: l.Failure.Reason, Message: l.Failure.Message, Attempts: l.Attempts, PublishedAt: l.PublishedAt,
		SettledAt: l.SettledAt, Actor: l.Actor, Note: l.Note, Body: string(l.Body), Attributes: l.Attributes}
}

func viewLetters(letters []ledger.DeadLetter) []letterView {
	views := make([]letterView, len(letters))
	for i, l := range letters {
		views[i] = viewLetter(l)
	}
	return views
}

type lettersList struct {
	letterFlags `embed:""`
	State       string `help:"Only in this state: open, replayed, resolved, superseded, or all." enum:"open,replayed,resolved,superseded,all" default:"open"`
	Limit       int    `help:"List at most this many; 0: all." default:"20"`
}

func (*lettersList) Help() string {
	return `A dead letter is a message given up on, with its reason. Its date keeps its old partition.

Examples:
  publisher deadletters
  publisher deadletters --class permanent --season 2021-22
  publisher deadletters --text "source empty" --state all --json`
}

func (c *lettersList) Run(e *environment) error {
	state := ledger.LetterState(c.State)
	if c.State == "all" {
		state = ""
	}
	if c.Limit < 0 {
		return &publisher.UsageError{Problem: "--limit must not be negative"}
	}
	letters, err := c.letters(e, state)
	if err != nil {
		return err
	}
	causes := publisher.Causes(letters)
	return e.print(map[string]any{"letters": viewLetters(letters), "causes": causes}, func() {
		if len(letters) == 0 {
			fmt.Fprintln(e.out, "No dead letters match.")
			return
		}
		t := terminal.NewTable(">letters", "class", "stage", "reason", "dates", "example")
		for _, c := range causes {
			span := c.First.String()
			switch {
			case c.First.IsZero():
				span = ""
			case c.Last != c.First:
				span += ".." + c.Last.String()
			}
			t.Row(c.Letters, c.Class, c.Stage, c.Reason, span, clip(c.Example, 80))
		}
		t.Write(e.out)
		fmt.Fprintln(e.out)
		t = terminal.NewTable("id", "date", "state", "class", "reason", ">attempts", "since", "message")
		for i, l := range letters {
			if c.Limit > 0 && i == c.Limit {
				break
			}
			date := ""
			if !l.Date.IsZero() {
				date = l.Date.String()
			}
			t.Row(l.ID, date, l.State, l.Failure.Class, l.Failure.Reason, l.Attempts, l.PublishedAt.Format(time.DateTime),
				clip(l.Failure.Message, 80))
		}
		t.Write(e.out)
		if c.Limit > 0 && len(letters) > c.Limit {
			fmt.Fprintf(e.out, "… %d more; --limit 0 lists all\n", len(letters)-c.Limit)
		}
		if state == ledger.LetterOpen {
			fmt.Fprintln(e.out, "Next: `publisher explain DATE` says more; mend the cause, "+
				"then `publisher replay --dates DATE --reason …`; `publisher resolve ID --reason …` closes one that needs nothing.")
		}
	})
}

// clip shortens a text for a table.
func clip(s string, most int) string {
	s, _, _ = strings.Cut(s, "\n")
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

type lettersShow struct {
	ID string `arg:"" help:"Id of the dead letter."`
}

func (c *lettersShow) Run(e *environment) error {
	b, err := e.open(looks)
	if err != nil {
		return err
	}
	if err := e.fold(); err != nil {
		return err
	}
	letters, err := b.Ledger.DeadLetters(e.ctx, ledger.DeadLetterFilter{})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(letters, func(l ledger.DeadLetter) bool { return l.ID == c.ID })
	if i < 0 {
		return fmt.Errorf("no dead letter has the id %s; `publisher deadletters --state all` lists them", c.ID)
	}
	v := viewLetter(letters[i])
	return e.print(v, func() {
		fmt.Fprintf(e.out, "Dead letter %s: %s\n  job       %s\n  date      %s\n  run       %s, seq %d\n  failed    %s in "+
			"stage %s after %s: %s\n  message   %s\n  since     %s\n  body      %s\n",
			v.ID, v.State, v.Job, textOf(v.Date), v.Run, v.Seq, v.Class, v.Stage,
			terminal.Plural(v.Attempts, "attempt", "attempts"), v.Reason, v.Message, v.PublishedAt.Format(time.RFC3339), v.Body)
		if v.Note != "" {
			fmt.Fprintf(e.out, "  settled   %s by %s: %s\n", v.SettledAt.Format(time.RFC3339), v.Actor, v.Note)
		}
	})
}

func textOf(d gamedate.Date) string {
	if d.IsZero() {
		return "none can be read"
	}
	return d.String()
}

type lettersExport struct {
	letterFlags `embed:""`
	Output      string `short:"o" help:"File to write, whole or not at all; - is standard output." default:"-"`
}

func (*lettersExport) Help() string {
	return "Letters of every state are written.\n\nExamples:\n  publisher deadletters export -o letters.ndjson"
}

func (c *lettersExport) Run(e *environment) error {
	letters, err := c.letters(e, "")
	if err != nil {
		return err
	}
	write := func(w io.Writer) error {
		enc := json.NewEncoder(w)
		for _, v := range viewLetters(letters) {
			if err := enc.Encode(v); err != nil {
				return err
			}
		}
		return nil
	}
	if c.Output == "-" {
		return write(e.out)
	}
	if err := export.File(c.Output, write); err != nil {
		return err
	}
	return e.print(map[string]any{"file": c.Output, "letters": len(letters)}, func() {
		fmt.Fprintf(e.out, "%s: %d dead letters.\n", c.Output, len(letters))
	})
}

type replayCommand struct {
	letterFlags `embed:""`
	All         bool   `help:"Every open letter; needed when no other filter is given." env:"-"`
	Limit       int    `help:"At most this many dates, the earliest first; 0: all." default:"0"`
	Reason      string `help:"Why a replay will work now, for the audit trail." env:"-"`
	DryRun      bool   `help:"Say what would be replayed, change nothing." env:"-"`
}

func (*replayCommand) Help() string {
	return `Each date is queued once, however many letters it has. Dates that are queued, in progress or done meanwhile are
skipped and named. The dates join the open run; when none is open, the run that gave up on them is opened again.

Examples:
  publisher replay --all --reason "box scores loaded"
  publisher replay --cause source_empty --season 2021-22 --limit 10 --reason "first ten"
  publisher replay --dates 2022-01-15 --dry-run`
}

func (c *replayCommand) Run(e *environment) error {
	filter, dates, err := c.filter()
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return &publisher.UsageError{Problem: "--limit must not be negative"}
	}
	if !c.All && !c.given() && filter == (ledger.DeadLetterFilter{}) {
		return &publisher.UsageError{Problem: "which letters? give a filter such as --dates or --cause, or --all"}
	}
	p, err := e.publisher(queues)
	if err != nil {
		return err
	}
	if err := errors.Join(c.knownRun(e), e.fold()); err != nil {
		return err
	}
	result, err := p.Replay(e.ctx, publisher.ReplayRequest{Filter: filter, Dates: dates, Limit: c.Limit, DryRun: c.DryRun,
		Reason: c.Reason, Actor: e.actor()})
	if err != nil {
		return err
	}
	return e.print(result, func() {
		verb := "replayed"
		if c.DryRun {
			verb = "would be replayed"
		}
		fmt.Fprintf(e.out, "%s read: %s %s, %s, %d skipped.\n", terminal.Plural(result.Read, "letter", "letters"),
			terminal.Plural(len(result.Dates), "date", "dates"), verb,
			terminal.Plural(result.Duplicates, "duplicate", "duplicates"), len(result.Skipped))
		for _, s := range result.Skipped {
			fmt.Fprintf(e.out, "  skipped %s %s: %s\n", textOf(s.Date), s.ID, s.Why)
		}
		if result.Read == 0 {
			fmt.Fprintln(e.out, "No open letter matches. A dead date whose letter is settled is queued by "+
				"`publisher publish --dates DATE`.")
		}
		if len(result.Dates) > 0 && !c.DryRun {
			fmt.Fprintf(e.out, "They are queued in run %s. Next: `worker --drain`, then `publisher validate`.\n", result.Run)
		}
	})
}

type resolveCommand struct {
	IDs    []string `arg:"" name:"id" help:"Ids of dead letters."`
	Reason string   `help:"Why they need nothing any more, for the audit trail." required:"" env:"-"`
	DryRun bool     `help:"Say what would be closed, change nothing." env:"-"`
}

func (*resolveCommand) Help() string {
	return `For letters that no replay can help: unreadable messages, other jobs' messages. The date of a letter stays dead.

Examples:
  publisher resolve 7Q3C… --reason "test message"`
}

func (c *resolveCommand) Run(e *environment) error {
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	if err := e.fold(); err != nil {
		return err
	}
	letters, err := e.backend.Ledger.DeadLetters(e.ctx, ledger.DeadLetterFilter{})
	if err != nil {
		return err
	}
	slices.Sort(c.IDs)
	c.IDs = slices.Compact(c.IDs)
	var open []string
	for _, id := range c.IDs {
		i := slices.IndexFunc(letters, func(l ledger.DeadLetter) bool { return l.ID == id })
		if i < 0 {
			return fmt.Errorf("no dead letter has the id %s; nothing was changed", id)
		}
		if letters[i].State == ledger.LetterOpen {
			open = append(open, id)
		}
	}
	n := len(open)
	if !c.DryRun {
		if n, err = p.Resolve(e.ctx, open, c.Reason, e.actor()); err != nil {
			return err
		}
	}
	return e.print(map[string]any{"resolved": n, "not_open": len(c.IDs) - n, "dry_run": c.DryRun}, func() {
		verb := "resolved"
		if c.DryRun {
			verb = "would be resolved"
		}
		fmt.Fprintf(e.out, "%s %s, %s not open.\n", terminal.Plural(n, "letter", "letters"), verb,
			terminal.Plural(len(c.IDs)-n, "was", "were"))
	})
}
