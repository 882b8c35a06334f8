package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gamefill/internal/feed"
	"gamefill/internal/publisher"
	"gamefill/internal/terminal"
	"gamefill/internal/warehouse"
)

type importCommand struct {
	Format        string   `help:"Format of the files; default: recognised by their content. One of nba-schedule, players, nba-live, nba-gamelog, balldontlie, gamebook, or the name of a raw table." placeholder:"NAME" env:"-"`
	Files         []string `arg:"" help:"Files to load, plain or gzip." predictor:"file"`
	MaxRejections int      `help:"Rejected lines that are acceptable per file; 0: two, or 5 % of the lines if that is more; -1: none." default:"0"`
	DryRun        bool     `help:"Read and judge the files, write nothing." env:"-"`
}

func (*importCommand) Help() string {
	return `Every file is loaded whole or not at all; importing it again replaces the raw rows of its games. The order of
files does not matter. Lines that cannot be used are rejected, counted and shown with their number and reason.

Besides the four public feeds, JSON answers of balldontlie, parsed gamebooks, and files in the shape of a raw table (CSV,
JSON lines or Parquet, as a warehouse extracts them) are read. Rows of the latter are appended, and rows that are there
already are dropped and counted as repeats.

It fills the embedded warehouse alone: raw tables in BigQuery belong to whoever scrapes the box scores.

Examples:
  publisher import --format nba-schedule schedule.csv
  publisher import live_boxscores_*.csv.gz gamelog_boxscores_*.csv.gz
  publisher import bdl_box_scores_2024-01-15.json
  publisher import --format nbac_gamebook_player_stats extract-*.parquet
  publisher import --dry-run players.csv`
}

func (c *importCommand) Run(e *environment) error {
	if err := c.look(); err != nil {
		return err
	}
	if !c.DryRun && !e.settings.addresses().EmbeddedWarehouse() {
		return &publisher.UsageError{Problem: fmt.Sprintf("import fills the raw tables of a SQLite file; "+
			"those of %s are kept by whoever scrapes the box scores, "+
			"and import would write over them: name a file with --warehouse sqlite:FILE", e.settings.Warehouse)}
	}
	var store warehouse.Store // a dry run reads files only and leaves no file behind
	if !c.DryRun {
		b, err := e.open(creates)
		if err != nil {
			return err
		}
		store = b.Store
	}
	progress := e.progress()
	var reports []feed.Report
	var failed error
	for _, file := range c.Files {
		name := filepath.Base(file)
		report, err := feed.Import(e.ctx, store, file,
			feed.Options{Format: c.Format, DryRun: c.DryRun, MaxRejections: c.MaxRejections,
				Progress: func(done, total int64) { progress.Set("import "+name+", KiB", int(done>>10), int(total>>10), "") }})
		progress.Done()
		reports = append(reports, report)
		if err != nil {
			failed = errors.Join(failed, err)
			if e.ctx.Err() != nil {
				break
			}
		}
	}
	err := e.print(reports, func() { c.table(e, reports) })
	return errors.Join(failed, err)
}

// look finds files that are not there and a format that does not exist before anything is opened or loaded.
func (c *importCommand) look() error {
	var problems []string
	if c.Format != "" {
		if err := feed.Known(c.Format); err != nil {
			problems = append(problems, "--"+err.Error())
		}
	}
	for _, file := range c.Files {
		if _, err := os.Stat(file); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) > 0 {
		return &publisher.UsageError{Problem: strings.Join(problems, "\n")}
	}
	return nil
}

func (c *importCommand) table(e *environment, reports []feed.Report) {
	t := terminal.NewTable("file", "format", ">lines", ">rows", ">repeats", ">rejected", ">replaced",
		">games", ">dates", "range")
	for _, r := range reports {
		span := ""
		if !r.First.IsZero() {
			span = r.First.String() + ".." + r.Last.String()
		}
		colour := terminal.Colour("")
		if r.Rejected > 0 {
			colour = terminal.Yellow
		}
		t.Painted(colour, filepath.Base(r.File), r.Format, terminal.Count(int64(r.Lines)), terminal.Count(int64(r.Rows)),
			r.Repeats, r.Rejected, terminal.Count(int64(r.Removed)), terminal.Count(int64(r.Games)), r.Dates, span)
	}
	t.Write(e.out)
	for _, r := range reports {
		for _, reason := range slices.Sorted(maps.Keys(r.RejectedBy)) {
			fmt.Fprintf(e.out, "%s: %s rejected: %s\n", filepath.Base(r.File),
				terminal.Plural(r.RejectedBy[reason], "line", "lines"), reason)
		}
		for i, rejection := range r.Rejections {
			if i == shownRejections {
				fmt.Fprintf(e.out, "  … %d more; --json lists up to a hundred\n", r.Rejected-shownRejections)
				break
			}
			fmt.Fprintf(e.out, "  line %d: %s: %s: %s\n", rejection.Line, rejection.Reason, rejection.Detail, rejection.Text)
		}
	}
	if c.DryRun {
		fmt.Fprintln(e.out, "Nothing was written (--dry-run).")
		return
	}
	for _, r := range slices.Backward(reports) {
		if r.Registry+r.Aliases > 0 { // a schedule leaves both alone
			fmt.Fprintf(e.out, "Registry: %s, %s.\n", terminal.Plural(r.Registry, "row", "rows"),
				terminal.Plural(r.Aliases, "alias", "aliases"))
			break
		}
	}
}

// shownRejections is how many rejected lines a table shows per file.
const shownRejections = 10
