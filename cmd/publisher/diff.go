package main

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"gamefill/internal/diff"
	"gamefill/internal/export"
	"gamefill/internal/publisher"
	"gamefill/internal/terminal"
)

type diffCommand struct {
	buildFlags  `embed:""`
	Summary     bool   `help:"Counts only: no single dates, no examples." env:"-"`
	Examples    int    `help:"How many examples to show of each kind and of each column." default:"5"`
	HTML        string `name:"html" help:"Write a page with the same content, too; it needs no network. - is standard output, instead of the table." placeholder:"FILE" env:"-"`
	Concurrency int    `help:"Dates built at once." default:"2"`
}

// Validate reports settings that cannot be, all together.
func (c *diffCommand) Validate() error {
	var errs []error
	if c.Examples < 0 {
		errs = append(errs, errors.New("--examples must not be negative"))
	}
	if c.Concurrency < 1 {
		errs = append(errs, errors.New("--concurrency must be at least 1"))
	}
	return errors.Join(errs...)
}

func (*diffCommand) Help() string {
	return `Builds every date of the range as a worker would, done or not, and compares it with the table, row by row. Nothing is
written, neither table nor ledger nor queue. While a run is open its snapshot of the registry is built with, else the
registry as it is. Columns that tell when a row was written are left out. Lineage columns, the same on every row of a
date, and values in columns that gamefill does not fill and that would go, are counted apart.

Exit code 0: no differences; 5: differences; 1: some dates cannot be built, the others are shown.

Examples:
  publisher diff --from 2021-10-01 --to 2024-05-01 --summary
  publisher diff --dates 2022-01-15 --examples 50
  publisher diff --season 2021-22 --unowned carry --html diff.html`
}

func (c *diffCommand) Run(e *environment) error {
	request, err := c.request(e)
	if err != nil {
		return err
	}
	if e.settings.JSON && c.HTML == standardOutput {
		return &publisher.UsageError{Problem: "--json is standard output already: name a file for --html"}
	}
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	options := publisher.DiffOptions{Concurrency: c.Concurrency, Examples: c.Examples}
	if c.Summary {
		options.Examples = 0
	}
	progress := e.progress()
	d, err := p.Diff(e.ctx, request, options, func(step string, done, total int) { progress.Set(step, done, total, "") })
	progress.Done()
	if err != nil {
		return err
	}
	if c.Summary {
		d.Dates = slices.DeleteFunc(d.Dates, func(date publisher.DateDiff) bool { return date.Failure == nil })
	}
	if c.HTML == standardOutput {
		if err := diffPage.Execute(e.out, d); err != nil {
			return err
		}
	} else if err := e.print(d, func() { differences(e, d) }); err != nil {
		return err
	}
	if c.HTML != "" && c.HTML != standardOutput {
		if err := export.File(c.HTML, func(w io.Writer) error { return diffPage.Execute(w, d) }); err != nil {
			return err
		}
		if !e.settings.JSON {
			fmt.Fprintf(e.out, "Written: %s\n", c.HTML)
		}
	}
	switch {
	case d.Failed > 0:
		return &codeError{exitError,
			fmt.Sprintf("%d of %s cannot be built", d.Failed, terminal.Plural(d.Failed+d.Total.Dates, "date", "dates"))}
	case d.Total.Differ():
		return &codeError{code: exitDifferences}
	}
	return nil
}

// differences prints a diff: dates, columns, rows, then what cannot be built and the sum.
func differences(e *environment, d *publisher.Diff) {
	diffDates(e, d.Dates)
	diffColumns(e, "column", d.Total.Columns)
	diffColumns(e, "lineage column", d.Total.LineageColumns)
	diffColumns(e, "would be erased", d.Total.ErasedColumns)
	diffRows(e, d.Total.Examples)
	for _, date := range d.Dates {
		if f := date.Failure; f != nil {
			text := fmt.Sprintf("%s cannot be built: %s, %s in stage %s: %s", date.Date, f.Reason, f.Class, f.Stage,
				clip(f.Message, 200))
			fmt.Fprintln(e.out, terminal.Paint(e.out, terminal.Red, text))
		}
	}
	t := d.Total
	fmt.Fprintf(e.out, "%s: %s compared, %s differ: %s added, %s removed, %s changed, "+
		"%s with another lineage only, %s the same.\n",
		d.Range, terminal.Plural(t.Dates, "date", "dates"), count(t.Differing), terminal.Plural(t.Added, "row", "rows"),
		count(t.Removed), count(t.Changed), count(t.Lineage), count(t.Same))
	if t.Erasing > 0 {
		fmt.Fprintln(e.out, terminal.Paint(e.out, terminal.Yellow, fmt.Sprintf(
			"Warning: %s would lose values in columns that gamefill does not fill; --unowned=carry keeps those "+
				"of rows that stay.", terminal.Plural(t.Erasing, "row", "rows"))))
	}
	if t.Duplicates > 0 {
		fmt.Fprintln(e.out, terminal.Paint(e.out, terminal.Yellow,
			fmt.Sprintf("Warning: several rows have the same key: %s.", terminal.Plural(t.Duplicates, "key", "keys"))))
	}
	fmt.Fprintf(e.out, "Built with transform version %s and %s; nothing was written.\n", d.Version, references(d))
}

// references says what registry a diff was built with.
func references(d *publisher.Diff) string {
	if d.OpenRun != "" {
		return fmt.Sprintf("the registry as run %s pinned it (%.12s)", d.OpenRun, d.ReferenceHash)
	}
	return fmt.Sprintf("the registry as it is now (%.12s)", d.ReferenceHash)
}

// differing are the dates that differ or hold duplicate keys.
func differing(dates []publisher.DateDiff) []publisher.DateDiff {
	var found []publisher.DateDiff
	for _, date := range dates {
		if date.Counts != nil && (date.Differ() || date.Duplicates > 0) {
			found = append(found, date)
		}
	}
	return found
}

func diffDates(e *environment, dates []publisher.DateDiff) {
	found := differing(dates)
	if len(found) == 0 {
		return
	}
	t := terminal.NewTable("date", ">before", ">after", ">added", ">removed", ">changed", ">lineage only", ">same",
		">erasing", ">duplicate keys")
	for _, d := range found[:min(len(found), listedDates)] {
		t.Row(d.Date, d.Before, d.After, d.Added, d.Removed, d.Changed, d.Lineage, d.Same, d.Erasing, d.Duplicates)
	}
	t.Write(e.out)
	if more := len(found) - listedDates; more > 0 {
		fmt.Fprintf(e.out, "… %s; --json and --html list all\n",
			terminal.Plural(more, "more date differs", "more dates differ"))
	}
	fmt.Fprintln(e.out)
}

// diffColumns prints how many rows differ in each column, with the examples that were kept.
func diffColumns(e *environment, heading string, columns []diff.Column) {
	if len(columns) == 0 {
		return
	}
	headings := []string{heading, ">rows"}
	if slices.ContainsFunc(columns, func(c diff.Column) bool { return len(c.Examples) > 0 }) {
		headings = append(headings, "before", "after", "date", "key")
	}
	t := terminal.NewTable(headings...)
	for _, c := range columns {
		if len(c.Examples) == 0 {
			t.Row(c.Column, c.Rows)
		}
		for i, x := range c.Examples {
			cells := []any{"", "", clip(shown(x.Before), shownValue), clip(shown(x.After), shownValue), x.Date, x.Key}
			if i == 0 {
				cells[0], cells[1] = c.Column, c.Rows
			}
			t.Row(cells...)
		}
	}
	t.Write(e.out)
	fmt.Fprintln(e.out)
}

// shownValue is how many letters of a value a table shows.
const shownValue = 40

func diffRows(e *environment, x diff.Examples) {
	t := terminal.NewTable("row", "date", "key", "columns")
	for _, row := range x.Added {
		t.Row("added", row.Date, row.Key)
	}
	for _, row := range x.Removed {
		t.Row("removed", row.Date, row.Key)
	}
	for _, row := range x.Changed {
		var columns []string
		for _, cell := range row.Cells {
			columns = append(columns, cell.Column)
		}
		t.Row("changed", row.Date, row.Key, strings.Join(columns, ", "))
	}
	for _, d := range x.Duplicates {
		t.Row("duplicate key", d.Date, d.Key,
			fmt.Sprintf("%s before, %d after", terminal.Plural(d.Before, "row", "rows"), d.After))
	}
	if t.Len() > 0 {
		t.Write(e.out)
		fmt.Fprintln(e.out)
	}
}

// shown is a value for people.
func shown(value *string) string {
	if value == nil {
		return "NULL"
	}
	return *value
}

func count(n int) string { return terminal.Count(int64(n)) }

//go:embed diff.html
var diffHTML string

// diffPage renders a *publisher.Diff as one page without scripts, links or other files.
var diffPage = template.Must(template.New("diff").Funcs(template.FuncMap{
	"count": count, "shown": shown, "references": references, "differing": differing,
}).Parse(diffHTML))
