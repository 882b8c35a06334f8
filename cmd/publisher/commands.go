package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strings"

	"gamefill/internal/backend"
	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/notify"
	"gamefill/internal/publisher"
	"gamefill/internal/queue"
	"gamefill/internal/summary"
	"gamefill/internal/table"
	"gamefill/internal/telemetry"
	"gamefill/internal/terminal"
)

const defaultAddress = backend.Default

// Settings are the flags of every command.
type Settings struct {
	Queue               string `help:"Address of the message queue; default: ${default}." default:"${default}" placeholder:"ADDR"`
	Ledger              string `help:"Address of the completion ledger; default: ${default}." default:"${default}" placeholder:"ADDR"`
	Warehouse           string `help:"Address of the warehouse; default: ${default}." default:"${default}" placeholder:"ADDR"`
	AllowMixedEmulators bool   `help:"Work with an emulator of one Google Cloud service and the real other."`
	JSON                bool   `name:"json" help:"Print one JSON document instead of tables."`
	Actor               string `help:"Who is acting, for the audit trail; default: the user's name and host."`
}

// Validate reports every bad address together, before anything is opened.
func (s *Settings) Validate() error { return s.addresses().Validate() }

func (s *Settings) addresses() backend.Addresses {
	return backend.Addresses{Queue: s.Queue, Ledger: s.Ledger, Warehouse: s.Warehouse,
		AllowMixedEmulators: s.AllowMixedEmulators}
}

// commands is the grammar of the program.
type commands struct {
	Settings `embed:""`

	Demo        demoCommand        `cmd:"" help:"Make an invented league in a fresh file and do the whole job on it."`
	Import      importCommand      `cmd:"" help:"Load raw tables from files."`
	Init        initCommand        `cmd:"" help:"Make the topics, tables and indexes that the addresses name, or only look at them."`
	Preflight   preflightCommand   `cmd:"" help:"Say what is wrong before the first write; changes nothing."`
	Thresholds  thresholdsCommand  `cmd:"" help:"Show every bound that judges, and where it comes from."`
	Plan        planCommand        `cmd:"" help:"Show which dates would be done and why; changes nothing."`
	Diff        diffCommand        `cmd:"" help:"Build dates without writing and show what would change."`
	Sample      sampleCommand      `cmd:"" help:"Do a few dates of a range first and judge them; the rest waits."`
	Approve     approveCommand     `cmd:"" help:"Let a run begin whose sample has failed."`
	Publish     publishCommand     `cmd:"" help:"Record the plan and put one message per date on the queue, for workers."`
	Run         runCommand         `cmd:"" help:"Publish, work in this process, watch and validate."`
	Runs        runsCommand        `cmd:"" help:"List runs, or show one."`
	Status      statusCommand      `cmd:"" help:"Show the state of a run: dates by state, rate, what is in flight, what died."`
	Validate    validateCommand    `cmd:"" help:"Read every partition back, run the checks and close the run."`
	Report      reportCommand      `cmd:"" help:"Report a run as Markdown or as one HTML page with charts."`
	Pause       pauseCommand       `cmd:"" help:"Stop new claims; dates in flight finish."`
	Resume      resumeCommand      `cmd:"" help:"Let a paused run go on."`
	Cancel      cancelCommand      `cmd:"" help:"End a run for good; dates in flight stop before their write."`
	Rollback    rollbackCommand    `cmd:"" help:"Put back what a run replaced, as long as nobody wrote since."`
	Snapshots   snapshotsCommand   `cmd:"" help:"List and drop what runs keep of what they replaced."`
	Deadletters deadlettersCommand `cmd:"" help:"Browse what was given up on: list, show, causes, export."`
	Replay      replayCommand      `cmd:"" help:"Queue the dates of dead letters again."`
	Resolve     resolveCommand     `cmd:"" help:"Close dead letters that need nothing any more."`
	Explain     explainCommand     `cmd:"" help:"Tell the story of one date: inputs, attempts, result, rejections."`
	Unresolved  unresolvedCommand  `cmd:"" help:"List names that the registry does not know, with suggestions."`
	Alias       aliasCommand       `cmd:"" help:"Tell which person a spelling means."`
	Notify      notifyCommand      `cmd:"" help:"Test whether notifications arrive."`
	Export      exportCommand      `cmd:"" help:"Write a range of a table as CSV, NDJSON or Parquet."`
	Completion  completionCommand  `cmd:"" help:"Print shell completions for bash, zsh or fish."`
}

// environment is what commands work with.
type environment struct {
	ctx      context.Context
	settings *Settings
	args     []string // of the program
	out, err io.Writer
	backend  *backend.Backend
	traces   *telemetry.Traces // nil: there are none
	notifier notify.Notifier   // nil: nobody is told
}

// access says which files of an embedded backend a command may create, and whether it publishes.
type access int

const (
	looks   access = iota // none: the command shows what is there
	queues                // none, but it publishes
	works                 // queue and ledger, beside a warehouse that was loaded before; it may publish
	creates               // all: import starts from nothing
)

// open opens the backend once.
func (e *environment) open(a access) (*backend.Backend, error) {
	if e.backend != nil {
		return e.backend, nil
	}
	b, err := backend.Open(e.ctx, e.settings.addresses(),
		backend.Options{MustExist: a == looks || a == queues, WarehouseMustExist: a != creates, Tables: tables()})
	e.backend = b
	if err == nil {
		e.nameEmulators()
	}
	if err == nil && (a == queues || a == works) {
		_, err = b.CheckQueue(e.ctx)
	}
	if err == nil {
		e.traces, err = telemetry.OpenTraces(e.ctx, "gamefill-publisher", os.Getenv, logTo(e.err))
	}
	return b, err
}

// nameEmulators says which of the services are none of Google's.
func (e *environment) nameEmulators() {
	for _, emulator := range e.settings.addresses().Emulators() {
		fmt.Fprintln(e.err, "publisher:", emulator)
	}
}

// publisher opens the backend and makes the operator's engine.
func (e *environment) publisher(a access) (*publisher.Publisher, error) {
	b, err := e.open(a)
	if err != nil {
		return nil, err
	}
	return publisher.New(e.ctx, summary.Job(),
		publisher.Ports{Queue: e.queue(), Ledger: b.Ledger, Store: b.Store, Setup: b.CheckSetup,
			Emulated: e.settings.addresses().Emulated(), Services: e.settings.addresses().Services()})
}

// queue is the queue to publish on and to receive from.
func (e *environment) queue() queue.Queue { return e.traces.Queue(e.backend.Queue) }

// logTo tells what goes wrong beside the command; the rest is in the ledger.
func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (e *environment) close() {
	if err := e.traces.Close(); err != nil {
		fmt.Fprintln(e.err, "publisher: traces:", err)
	}
	if e.backend != nil {
		if err := e.backend.Close(); err != nil {
			fmt.Fprintln(e.err, "publisher: close:", err)
		}
	}
}

// print writes v as one JSON document, or calls table.
func (e *environment) print(v any, table func()) error {
	if !e.settings.JSON {
		table()
		return nil
	}
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// actor names who is acting.
func (e *environment) actor() string {
	if e.settings.Actor != "" {
		return e.settings.Actor
	}
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}

// progress is a display for long steps, silent with --json.
func (e *environment) progress() *terminal.Progress {
	if e.settings.JSON {
		return terminal.NewSilentProgress(e.err)
	}
	return terminal.NewProgress(e.err)
}

// tables are all tables the embedded warehouse keeps.
func tables() []*table.Schema {
	return append([]*table.Schema{summary.Target}, boxscore.Tables...)
}

// rangeFlags choose game dates.
type rangeFlags struct {
	From   string `help:"First game date, YYYY-MM-DD." placeholder:"DATE"`
	To     string `help:"Last game date, inclusive." placeholder:"DATE"`
	Season string `help:"A whole season instead of --from and --to, e.g. 2021-22." placeholder:"SEASON"`
	Dates  string `help:"Only these dates, comma-separated; without a range they are the range." placeholder:"DATE,..."`
}

// given reports whether any flag is set.
func (f rangeFlags) given() bool { return f != rangeFlags{} }

// resolve turns the flags into a range and, with --dates, the list of dates. All problems come together.
func (f rangeFlags) resolve() (gamedate.Range, []gamedate.Date, error) {
	var problems []string
	date := func(flag, text string) (d gamedate.Date) {
		var err error
		if text == "" {
			problems = append(problems, flag+" is missing")
		} else if d, err = gamedate.Parse(text); err != nil {
			problems = append(problems, flag+": "+err.Error())
		}
		return d
	}
	var dates []gamedate.Date
	var r gamedate.Range
	var err error
	if f.Dates != "" {
		if dates, err = gamedate.ParseList(f.Dates); err != nil {
			problems = append(problems, "--dates: "+err.Error())
		}
	}
	switch {
	case f.Season != "" && (f.From != "" || f.To != ""):
		problems = append(problems, "--season and --from/--to exclude each other")
	case f.Season != "":
		if r, err = gamedate.ParseSeason(f.Season); err != nil {
			problems = append(problems, "--season: "+err.Error())
		}
	case f.From != "" || f.To != "":
		r.From, r.To = date("--from", f.From), date("--to", f.To)
		if len(problems) == 0 && r.To.Before(r.From) {
			problems = append(problems, fmt.Sprintf("--to %s is before --from %s", r.To, r.From))
		}
	case len(dates) > 0:
		r = gamedate.Range{From: slices.MinFunc(dates, gamedate.Date.Compare),
			To: slices.MaxFunc(dates, gamedate.Date.Compare)}
	case f.Dates == "":
		problems = append(problems, "which dates? give --from and --to, --season or --dates")
	}
	if len(problems) > 0 {
		return gamedate.Range{}, nil, &publisher.UsageError{Problem: strings.Join(problems, "\n")}
	}
	return r, dates, nil
}

// whole resolves flags of a command that takes ranges only; verb says what it does with them.
func (f rangeFlags) whole(verb string) (gamedate.Range, error) {
	r, dates, err := f.resolve()
	if err == nil && len(dates) > 0 && r.Days() != len(dates) {
		err = &publisher.UsageError{Problem: verb + " whole ranges; give --from and --to"}
	}
	return r, err
}
