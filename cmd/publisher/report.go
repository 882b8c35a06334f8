package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"gamefill/internal/export"
	"gamefill/internal/publisher"
	"gamefill/internal/report"
)

type reportCommand struct {
	RunID    string `name:"run" help:"Which run; default: the open one, or the latest." placeholder:"ID"`
	HTML     string `name:"html" help:"Write a page with charts; it needs no network. - is standard output." placeholder:"FILE" env:"-"`
	Markdown string `help:"Write Markdown to a file; without any file it goes to standard output, as with -." placeholder:"FILE" env:"-"`
}

// standardOutput is what a file is called that is none.
const standardOutput = "-"

// Validate refuses two documents in one stream.
func (c *reportCommand) Validate() error {
	if c.HTML == standardOutput && c.Markdown == standardOutput {
		return errors.New("--html and --markdown cannot both be standard output")
	}
	return nil
}

func (*reportCommand) Help() string {
	return `Tells what was asked for, what became of every date, what the checks say, what the table held before and holds now, and what
went wrong, from the ledger and the warehouse alone. A finished run is told with the checks that closed it; any other is
judged now, as validate does it, and stays as it is. Nothing is guessed: what is not known is called so.

The exit code is 0 whatever the verdict; validate has the exit codes of verdicts. --json has every line of the lists that
the other forms cut. On Google Cloud the costs are told by list price: what was recorded, what is estimated, and what is
not covered.

Examples:
  publisher report --html report.html --markdown report.md
  publisher report --html - >report.html
  publisher report --run ID --json`
}

func (c *reportCommand) Run(e *environment) error {
	if e.settings.JSON && (c.HTML == standardOutput || c.Markdown == standardOutput) {
		return &publisher.UsageError{Problem: "--json is standard output already: name a file for the other form"}
	}
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	run, err := p.FindLatest(e.ctx, c.RunID)
	if err != nil {
		return err
	}
	progress := e.progress()
	r, err := p.Report(e.ctx, run.ID, func(step string, done, total int) { progress.Set(step, done, total, "") })
	progress.Done()
	if err != nil {
		return err
	}
	told := e.out // what is for people gives way to a document
	if c.HTML == standardOutput || c.Markdown == standardOutput {
		told = e.err
	}
	for _, file := range []struct {
		path   string
		render func(io.Writer, *report.Report) error
	}{{c.HTML, report.HTML}, {c.Markdown, report.Markdown}} {
		switch file.path {
		case "":
			continue
		case standardOutput:
			if err := file.render(e.out, r); err != nil {
				return err
			}
			continue
		}
		if err := export.File(file.path, func(w io.Writer) error { return file.render(w, r) }); err != nil {
			return err
		}
		if !e.settings.JSON {
			fmt.Fprintf(told, "Written: %s\n", file.path)
		}
	}
	if !e.settings.JSON && cmp.Or(c.HTML, c.Markdown) == "" {
		return report.Markdown(e.out, r)
	}
	return e.print(r, func() { fmt.Fprintln(told, r.Sentence) })
}
