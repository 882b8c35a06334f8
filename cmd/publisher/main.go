// Publisher is the operator's tool: it imports raw tables, plans and publishes backfill runs, watches and judges them.
// Workers (cmd/worker) do the work; `publisher run` does both in one process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/posener/complete"
	"github.com/willabides/kongplete"

	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // default handling again: a second signal ends the process
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes; --help prints them too.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2
	exitFailed      = 3 // finished with dead letters or a failed gate
	exitApproval    = 4 // needs approval
	exitWarnings    = 5 // finished with warnings only
	exitDifferences = 5 // of diff
	exitInterrupted = 130
)

const exitCodes = `Exit codes: 0 done; 1 error; 2 usage; 3 finished with dead dates or a failed check;
4 needs approval; 5 finished with warnings only (0 with --allow-warnings), or diff found differences; 130 interrupted.`

// codeError carries an exit code through an error return; its text is printed unless it is empty.
type codeError struct {
	code int
	text string
}

func (e *codeError) Error() string { return e.text }

// run is the whole program: parse, wire, run, exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	var c commands
	exited := -1
	parser, err := kong.New(&c, kong.Name("publisher"), kong.Description("Rebuilds "+
		"nba_analytics.player_game_summary game date by game date.\n\n"+exitCodes),
		kong.DefaultEnvars("GAMEFILL"), kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code; panic(exitPanic{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Vars{"default": defaultAddress})
	if err != nil {
		fmt.Fprintln(stderr, "publisher:", err)
		return exitError
	}
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(exitPanic); !ok {
				panic(p)
			}
			code = exited
		}
	}()
	kongplete.Complete(parser, kongplete.WithExitFunc(func(code int) { exited = code; panic(exitPanic{}) }),
		kongplete.WithPredictor("file", complete.PredictFiles("*")))
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		complain(stderr, err)
		if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context.Selected() != nil {
			fmt.Fprintf(stderr, "Run `publisher %s --help` for its flags.\n", p.Context.Selected().Path())
		} else {
			fmt.Fprintln(stderr, "Run `publisher --help` for the commands.")
		}
		return exitUsage
	}
	env := &environment{ctx: ctx, settings: &c.Settings, args: args, out: stdout, err: stderr}
	defer env.close()
	return exitCode(ctx, parsed.Run(env), stderr)
}

type exitPanic struct{}

// complain prints an error, one line for each of its lines.
func complain(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(w, "publisher:", strings.TrimSuffix(line, "\n"))
	}
}

// exitCode turns the outcome of a command into the process's exit code, and prints what went wrong, once.
func exitCode(ctx context.Context, err error, stderr io.Writer) int {
	if err == nil {
		return exitDone
	}
	if c, ok := errors.AsType[*codeError](err); ok {
		if c.text != "" {
			complain(stderr, c)
		}
		return c.code
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "publisher: interrupted; nothing is lost: the same command goes on from here")
		return exitInterrupted
	}
	complain(stderr, err)
	if open, ok := errors.AsType[*ledger.RunOpenError](err); ok {
		fmt.Fprintf(stderr, "It pins another version or other settings. End it with `publisher validate` (when its dates "+
			"are settled) or `publisher cancel --run %s`.\n", open.Open.ID)
	}
	if _, ok := errors.AsType[*publisher.UsageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*publisher.ApprovalError](err); ok {
		return exitApproval
	}
	return exitError
}
