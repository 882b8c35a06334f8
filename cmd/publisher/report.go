package main

import (
	"cmp"
	"fmt"
	"io"

	"gamefill/internal/export"
	"gamefill/internal/report"
)

type reportCommand struct {
	RunID    string `name:"run" help:"Which run; default: the open one, or the latest." placeholder:"ID"`
	HTML     string `name:"html" help:"Write a page with charts; it needs no network." placeholder:"FILE" env:"-"`
	Markdown string `help:"Write Markdown to a file; without any file it goes to standard output." placeholder:"FILE" env:"-"`
}

func (*reportCommand) Help() string {
	return `Tells what was asked for, what became of every date, what the checks say, what the table held before and holds now, and what
went wrong, from the ledger and the warehouse alone. A finished run is told with the checks that closed it; any other is
judged now, as validate does it, and stays as it is. Nothing is guessed: what is not known is called so.

The exit code is 0 whatever the verdict; validate has the exit codes of verdicts. --json has every line of the lists that
the other forms cut.

Examples:
  publisher report --html report.html --markdown report.md
  publisher report --run ID --json`
}

func (c *reportCommand) Run(e *environment) error {
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
	for _, file := range []struct {
		path   string
		render func(io.Writer, *report.Report) error
	}{{c.HTML, report.HTML}, {c.Markdown, report.Markdown}} {
		if file.path == "" {
			continue
		}
		if err := export.File(file.path, func(w io.Writer) error { return file.render(w, r) }); err != nil {
			return err
		}
		if !e.settings.JSON {
			fmt.Fprintf(e.out, "Written: %s\n", file.path)
		}
	}
	if !e.settings.JSON && cmp.Or(c.HTML, c.Markdown) == "" {
		return report.Markdown(e.out, r)
	}
	return e.print(r, func() { fmt.Fprintln(e.out, r.Sentence) })
}
