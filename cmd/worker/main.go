// Worker takes game dates from the queue and rebuilds their partitions. Run any number of them, anywhere that reaches
// the queue, the ledger and the warehouse. It needs no settings of the job: the run pins those.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"gamefill/internal/backend"
	"gamefill/internal/boxscore"
	"gamefill/internal/ledger"
	"gamefill/internal/notify"
	"gamefill/internal/notify/webhooknotify"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/table"
	"gamefill/internal/telemetry"
	"gamefill/internal/terminal"
	"gamefill/internal/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // default handling again: a second signal ends the process
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Config is every setting; each has a flag and an environment variable.
type Config struct {
	Queue     string `help:"Address of the message queue; default: ${default}." default:"${default}" placeholder:"ADDR"`
	Ledger    string `help:"Address of the completion ledger; default: ${default}." default:"${default}" placeholder:"ADDR"`
	Warehouse string `help:"Address of the warehouse; default: ${default}." default:"${default}" placeholder:"ADDR"`

	AllowMixedEmulators bool `help:"Work with an emulator of one Google Cloud service and the real other."`

	Drain       bool   `help:"Exit when every date of the open run is settled; without it, work until told to stop."`
	Concurrency int    `help:"Dates in progress at once; never more are held." default:"2"`
	Owner       string `help:"Name of this process in leases; default: host, pid and a random text."`

	LeaseTTL       time.Duration `help:"How long a claim holds without renewal; it is renewed every third of it." default:"60s"`
	Grace          time.Duration `help:"After SIGTERM, how long dates in progress may still take before they are given back." default:"25s"`
	MaxAttempts    int           `help:"Spent attempts that make a date dead." default:"5"`
	RetryBase      time.Duration `help:"First wait after a transient failure, doubled each time up to 10m." default:"10s"`
	NotFinalWait   time.Duration `help:"Wait before a date whose games are not final is tried again." default:"15m"`
	RepublishAfter time.Duration `help:"How long a published, unclaimed date waits before it is published again." default:"15m"`
	ControlEvery   time.Duration `help:"How often a run's pause and cancel are looked for." default:"1s"`
	ReconcileEvery time.Duration `help:"How often one of the workers tidies up after crashes." default:"5s"`

	NotifyWebhookFile string `help:"File with the address of a Slack-compatible webhook that is told what becomes of runs; or set $GAMEFILL_NOTIFY_WEBHOOK to the address." placeholder:"FILE"`

	Listen string `help:"Address, such as :8080, that answers /metrics, /livez and /readyz; empty: none." placeholder:"ADDR"`

	Log      string `help:"Log format: json, text, or auto (text on a terminal)." enum:"json,text,auto" default:"auto"`
	LogLevel string `help:"Least level that is logged." enum:"debug,info,warn,error" default:"info"`
}

// Validate reports all problems together, before any connection.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Concurrency >= 1, "--concurrency must be at least 1")
	check(c.MaxAttempts >= 1, "--max-attempts must be at least 1")
	check(c.LeaseTTL >= time.Second, "--lease-ttl must be at least 1s")
	check(c.Grace >= 0, "--grace must not be negative")
	check(c.RetryBase > 0 && c.RetryBase <= 10*time.Minute, "--retry-base must lie between 0 and 10m")
	check(c.ControlEvery > 0 && c.ControlEvery <= time.Minute, "--control-every must lie between 0 and 1m")
	check(c.ReconcileEvery > 0, "--reconcile-every must be positive")
	check(c.RepublishAfter > 0, "--republish-after must be positive")
	check(c.NotFinalWait > 0, "--not-final-wait must be positive")
	return errors.Join(append(errs, c.addresses().Validate())...)
}

func (c *Config) addresses() backend.Addresses {
	return backend.Addresses{Queue: c.Queue, Ledger: c.Ledger, Warehouse: c.Warehouse,
		AllowMixedEmulators: c.AllowMixedEmulators}
}

const exitCodes = `Exit codes: 0 stopped, or drained with every date done; 1 error, also a draining worker whose run is paused;
2 usage; 3 drained, with dead dates; 130 interrupted before anything was received.`

type exitPanic struct{}

// run is the whole program: parse, wire, run, exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	var c Config
	exited := 0
	parser, err := kong.New(&c, kong.Name("worker"), kong.Description("Rebuilds nba_analytics.player_game_summary: "+
		"takes game dates of the open run and replaces their partitions.\n\n"+exitCodes),
		kong.DefaultEnvars("GAMEFILL"), kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code; panic(exitPanic{}) }),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 110}), kong.Vars{"default": backend.Default})
	if err != nil {
		fmt.Fprintln(stderr, "worker:", err)
		return 1
	}
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(exitPanic); !ok {
				panic(p)
			}
			code = exited
		}
	}()
	if _, err := parser.Parse(args); err != nil {
		complain(stderr, err)
		fmt.Fprintln(stderr, "Run `worker --help` for the settings.")
		return 2
	}
	code, err = workAndLeave(ctx, c, stderr)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		fmt.Fprintln(stderr, "worker: interrupted; nothing is lost")
		return 130
	}
	if err != nil {
		complain(stderr, err)
	}
	return code
}

// complain prints an error, one line for each of its lines.
func complain(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(w, "worker:", strings.TrimSuffix(line, "\n"))
	}
}

// soonestKill is a little before the first kill that follows a SIGTERM anywhere: 10 s after it on Cloud Run and by
// `docker stop`, 30 s on Kubernetes.
const soonestKill = 9500 * time.Millisecond

// leaveAfter is how long after SIGTERM the process ends in any case: an eighth more than the grace period, for giving
// back what is left.
func (c *Config) leaveAfter() time.Duration { return max(soonestKill, c.Grace+c.Grace/8) }

// workAndLeave is [work] with an end: where ledger or queue do not answer any more, their clients would go on asking
// long after the grace period. Nothing is lost by leaving: leases end, and messages come again. What is left behind
// ends with the process.
func workAndLeave(ctx context.Context, c Config, stderr io.Writer) (int, error) {
	type result struct {
		code int
		err  error
	}
	ended := make(chan result, 1)
	go func() {
		code, err := work(ctx, c, stderr)
		ended <- result{code, err}
	}()
	select {
	case r := <-ended:
		return r.code, r.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(c.leaveAfter())
	defer timer.Stop()
	select {
	case r := <-ended:
		return r.code, r.err
	case <-timer.C:
		logger(c, stderr).WarnContext(ctx, "left before everything was answered: what was not given back comes again "+
			"when its lease ends")
		return 0, nil
	}
}

// work opens the backend and works until told to stop or, draining, until nothing is left.
func work(ctx context.Context, c Config, stderr io.Writer) (code int, err error) {
	log := logger(c, stderr)
	webhook, notified, err := webhooknotify.Open(c.NotifyWebhookFile, os.Getenv, webhooknotify.Options{})
	if err != nil {
		return 2, err
	}
	b, err := backend.Open(ctx, c.addresses(), backend.Options{MustExist: true, Tables: tables(), Lease: c.LeaseTTL})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	j := summary.Job()
	if c.Owner == "" {
		host, _ := os.Hostname() // only for people; the rest makes it unique
		c.Owner = fmt.Sprintf("%s-%d-%s", host, os.Getpid(), publisher.NewRunID(time.Now())[17:])
	}
	log.InfoContext(ctx, "start", "job", j.Name, "version", j.Version, "owner", c.Owner,
		"queue", c.Queue, "ledger", c.Ledger,
		"warehouse", c.Warehouse, "concurrency", c.Concurrency, "lease_ttl", c.LeaseTTL.String(), "grace", c.Grace.String(),
		"max_attempts", c.MaxAttempts, "drain", c.Drain, "listen", c.Listen)
	for _, e := range c.addresses().Emulators() {
		log.WarnContext(ctx, e.String(), "host", e.Host)
	}
	var notifier notify.Notifier
	if notified {
		notifier = webhook
		log.InfoContext(ctx, "notifications", "webhook", webhook.String())
	}
	unseen, err := b.CheckQueue(ctx)
	if err != nil {
		return 1, err
	}
	for _, f := range unseen {
		log.InfoContext(ctx, "not checked", "resource", f.Resource, "advice", f.Advice)
	}
	traces, err := telemetry.OpenTraces(ctx, "gamefill-worker", os.Getenv, log)
	if err != nil {
		return 1, err
	}
	defer func() {
		if err := traces.Close(); err != nil {
			log.WarnContext(ctx, "traces", "error", err.Error()) // the dates are done all the same
		}
	}()
	metrics := telemetry.NewMetrics(b.Ledger, j.Name, log)
	w, err := worker.New(ctx, j, traces.Queue(b.Queue), b.Ledger, b.Store, log, worker.Config{
		Tracer:   traces.Tracer(),
		Observer: metrics, Owner: c.Owner, Concurrency: c.Concurrency, LeaseTTL: c.LeaseTTL, Grace: c.Grace,
		MaxAttempts: c.MaxAttempts, RetryBase: c.RetryBase, NotFinal: c.NotFinalWait, RepublishAfter: c.RepublishAfter,
		ControlEvery: c.ControlEvery, ReconcileEvery: c.ReconcileEvery, Drain: c.Drain, Notifier: notifier})
	if err != nil {
		return 1, err
	}
	stop, err := listen(ctx, c.Listen, metrics.Handler(w.Healthy), log)
	if err != nil {
		return 1, err
	}
	defer stop()
	said := context.AfterFunc(ctx, func() {
		log.InfoContext(ctx, "told to stop: no more dates; those in progress have the grace period",
			"grace", c.Grace.String())
	})
	defer said()
	if err := w.Run(ctx); err != nil {
		return 1, err
	}
	if !c.Drain || ctx.Err() != nil {
		return 0, nil
	}
	return drained(ctx, b, j.Name, log, stderr)
}

// listen answers metrics and probes until stop is called: the dates that are finished after a stop signal are seen,
// too. An empty address is none.
func listen(ctx context.Context, address string, h http.Handler, log *slog.Logger) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	log.InfoContext(ctx, "listening", "address", l.Addr().String())
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var server sync.WaitGroup
	server.Go(func() {
		if err := telemetry.Serve(serving, l, h); err != nil {
			log.ErrorContext(serving, "metrics and probes", "error", err.Error()) // the work goes on; the probes tell who asks
		}
	})
	return func() { cancel(); server.Wait() }, nil
}

// tables are all tables the embedded warehouse keeps.
func tables() []*table.Schema {
	return append([]*table.Schema{summary.Target}, boxscore.Tables...)
}

// follows says what comes after the dates of a run in this state are settled.
func follows(state ledger.RunState) string {
	switch {
	case state == ledger.RunCanary:
		return "the same `publisher sample` again judges them"
	case state == ledger.RunAwaitingApproval:
		return "`publisher status` says what the sample came to"
	case state.Closed():
		return "the run is " + string(state)
	}
	return "`publisher validate` judges the run"
}

// drained says how the drained run ended: 0, or 3 when dates are dead.
func drained(ctx context.Context, b *backend.Backend, jobName string, log *slog.Logger, stderr io.Writer) (int, error) {
	runs, err := b.Ledger.ListRuns(ctx, jobName, 1)
	if err != nil {
		return 1, err
	}
	if len(runs) == 0 {
		fmt.Fprintln(stderr, "worker: there is no run to drain; `publisher publish` makes one")
		return 0, nil
	}
	counts, err := b.Ledger.CountStates(ctx, jobName, runs[0].ID)
	if err != nil {
		return 1, err
	}
	attrs := []any{"run_id", runs[0].ID}
	for _, state := range ledger.States {
		if n := counts[state]; n > 0 {
			attrs = append(attrs, string(state), n)
		}
	}
	log.InfoContext(ctx, "drained; "+follows(runs[0].State), attrs...)
	if n := counts[ledger.Dead]; n > 0 {
		fmt.Fprintf(stderr, "worker: run %s is drained with %d dead dates; `publisher deadletters` says why, "+
			"`publisher status` names them\n", runs[0].ID, n)
		return 3, nil
	}
	return 0, nil
}

func logger(c Config, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		panic(err) // the grammar allows only known levels
	}
	if c.Log == "json" || c.Log == "auto" && !terminal.IsTerminal(w) {
		return slog.New(telemetry.NewJSONHandler(w, level, os.Getenv(telemetry.ProjectVariable)))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
