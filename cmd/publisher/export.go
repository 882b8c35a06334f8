package main

import (
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/export"
	"gamefill/internal/gamedate"
	"gamefill/internal/publisher"
	"gamefill/internal/table"
	"gamefill/internal/terminal"
	"gamefill/internal/warehouse"
)

type exportCommand struct {
	rangeFlags `embed:""`
	Table      string `help:"Which table." default:"player_game_summary"`
	Format     string `help:"Output format: csv, ndjson or parquet." enum:"csv,ndjson,parquet" default:"csv" env:"-"`
	Layout     string `help:"file writes one stream; hive writes a directory with one file a date, which DuckDB and pandas open as one table." enum:"file,hive" default:"file"`
	Output     string `short:"o" help:"File to write, whole or not at all, or the directory of --layout hive; - is standard output." default:"-"`
}

func (*exportCommand) Help() string {
	return `Rows are sorted by date and key. In CSV a NULL is an empty field and an empty text is "".

Examples:
  publisher export --from 2022-01-10 --to 2022-01-16 --format csv
  publisher export --season 2021-22 --format parquet -o 2021-22.parquet
  publisher export --season 2021-22 --format parquet --layout hive -o summary/
  publisher export --table nbac_schedule --dates 2022-01-15 --format ndjson`
}

func (c *exportCommand) Run(e *environment) error {
	i := slices.IndexFunc(tables(), func(t *table.Schema) bool { return t.Name == c.Table || t.FullName() == c.Table })
	if i < 0 {
		var names []string
		for _, t := range tables() {
			names = append(names, t.Name)
		}
		return &publisher.UsageError{Problem: fmt.Sprintf("unknown table %q; the tables are: %s", c.Table,
			strings.Join(names, ", "))}
	}
	t := tables()[i]
	r, err := c.whole("export writes")
	if err != nil {
		return err
	}
	if e.settings.JSON && c.Output == "-" {
		return &publisher.UsageError{Problem: "--json reports on a file: name it with -o; " +
			"for rows as JSON use --format ndjson"}
	}
	format, err := export.ParseFormat(c.Format)
	if err != nil {
		return err
	}
	if c.Layout == "hive" && c.Output == "-" {
		return &publisher.UsageError{Problem: "--layout hive writes a directory: name it with -o"}
	}
	if c.Format == "parquet" && c.Output == "-" && terminal.IsTerminal(e.out) {
		return &publisher.UsageError{Problem: "parquet is binary: name a file with -o"}
	}
	b, err := e.open(looks)
	if err != nil {
		return err
	}
	if c.Layout == "hive" {
		return c.hive(e, b.Store, t, r, format)
	}
	if c.Output == "-" {
		_, err := export.Write(e.ctx, b.Store, t, r, format, e.out)
		return err
	}
	rows, err := export.ToFile(e.ctx, b.Store, t, r, format, c.Output)
	if err != nil {
		return err
	}
	return e.print(map[string]any{"file": c.Output, "rows": rows, "table": t.FullName(), "range": r}, func() {
		fmt.Fprintf(e.out, "%s: %s of %s, %s.\n", c.Output, terminal.Plural(rows, "row", "rows"), t.FullName(), r)
	})
}

// hive writes a directory of one file a date.
func (c *exportCommand) hive(e *environment, store warehouse.Tables, t *table.Schema, r gamedate.Range,
	format export.Format) error {
	progress := e.progress()
	rows, files, err := export.ToHive(e.ctx, store, t, r, format, c.Output, func(d gamedate.Date) {
		progress.Set("export", d.Sub(r.From)+1, r.Days(), d.String())
	})
	progress.Done()
	if err != nil {
		return err
	}
	return e.print(map[string]any{"directory": c.Output, "rows": rows, "files": files, "table": t.FullName(),
		"range": r}, func() {
		fmt.Fprintf(e.out, "%s: %s of %s, %s, in %s.\n", c.Output, terminal.Plural(rows, "row", "rows"), t.FullName(), r,
			terminal.Plural(files, "file", "files"))
		if format == export.Parquet {
			fmt.Fprintf(e.out, "DuckDB: SELECT * FROM read_parquet('%s/*/*.parquet', hive_partitioning = true)\n",
				strings.TrimSuffix(c.Output, "/"))
		}
	})
}
