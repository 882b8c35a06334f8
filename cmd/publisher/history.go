package main

import (
	"fmt"
	"io"

	"gamefill/internal/export"
	"gamefill/internal/history"
	"gamefill/internal/publisher"
	"gamefill/internal/terminal"
)

type runsExport struct {
	ID     string `arg:"" optional:"" help:"Run id; default: the open run, or the latest."`
	Output string `short:"o" help:"File to write, whole or not at all; - is standard output." default:"-"`
}

func (*runsExport) Help() string {
	return `Everything the ledger knows of a run, as JSON lines: an object with "kind" and one key named like the kind. First the run,
then its entries by date, its attempts and events in the order of time, and its dead letters. Bytes are base64.

Examples:
  publisher runs export -o run.ndjson
  publisher runs export r20240501-120000-abcdef | jq -c 'select(.kind == "attempt").attempt'`
}

func (c *runsExport) Run(e *environment) error {
	if e.settings.JSON && c.Output == "-" {
		return &publisher.UsageError{Problem: "--json reports on a file: name it with -o; " +
			"what is written is JSON lines anyway"}
	}
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	run, err := p.FindLatest(e.ctx, c.ID)
	if err != nil {
		return err
	}
	lines := 0
	write := func(w io.Writer) error {
		lines, err = history.Write(e.ctx, e.backend.Ledger, run.ID, w)
		return err
	}
	if c.Output == "-" {
		return write(e.out)
	}
	if err := export.File(c.Output, write); err != nil {
		return err
	}
	return e.print(map[string]any{"file": c.Output, "run": run.ID, "lines": lines}, func() {
		fmt.Fprintf(e.out, "%s: %s of run %s.\n", c.Output, terminal.Plural(lines, "record", "records"), run.ID)
	})
}
