package main

import (
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/export"
	"gamefill/internal/publisher"
	"gamefill/internal/table"
	"gamefill/internal/terminal"
)

type exportCommand struct {
	rangeFlags `embed:""`
	Table      string `help:"Which table." default:"player_game_summary"`
	Format     string `help:"Output format: csv, ndjson or parquet." enum:"csv,ndjson,parquet" default:"csv"`
	Output     string `short:"o" help:"File to write, whole or not at all; - is standard output." default:"-"`
}

func (*exportCommand) Help() string {
	return `Rows are sorted by date and key. In CSV a NULL is an empty field and an empty text is "".

Examples:
  publisher export --from 2022-01-10 --to 2022-01-16 --format csv
  publisher export --season 2021-22 --format parquet -o 2021-22.parquet
  publisher export --table nbac_schedule --dates 2022-01-15 --format ndjson`
}

func (c *exportCommand) Run(e *environment) error {
	i := slices.IndexFunc(tables(), func(t *table.Schema) bool { return t.Name == c.Table || t.FullName() == c.Table })
	if i < 0 {
		var names []string
		for _, t := range tables() {
			names = append(names, t.Name)
		}
		return &publisher.UsageError{Problem: fmt.Sprintf("unknown table %q; the tables are: %s", c.Table, strings.Join(names, ", "))}
	}
	t := tables()[i]
	r, err := c.whole("export writes")
	if err != nil {
		return err
	}
	if e.settings.JSON && c.Output == "-" {
		return &publisher.UsageError{Problem: "--json reports on a file: name it with -o; for rows as JSON use --format ndjson"}
	}
	format, err := export.ParseFormat(c.Format)
	if err != nil {
		return err
	}
	if c.Format == "parquet" && c.Output == "-" && terminal.IsTerminal(e.out) {
		return &publisher.UsageError{Problem: "parquet is binary: name a file with -o"}
	}
	b, err := e.open(looks)
	if err != nil {
		return err
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
		fmt.Fprintf(e.out, "%s: %s rows of %s, %s.\n", c.Output, terminal.Count(int64(rows)), t.FullName(), r)
	})
}
