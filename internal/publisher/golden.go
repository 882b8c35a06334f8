package publisher

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
	"gamefill/internal/terminal"
)

// Golden is a row that somebody knows to be right: a sample that does not build it fails.
type Golden struct {
	Line int // of the file
	Date gamedate.Date
	Row  table.Row // in schema order
	// Columns are the positions of the columns that are known.
	Columns []int
}

// ReadGolden reads golden rows of t: CSV with a header line, or JSON objects, one a line, as `publisher export` writes
// them. The file may have any of t's columns, but MUST have the partition column and those of the key that may not be
// NULL, which tell the rows apart. An empty CSV field is NULL; for the empty text there is JSON.
func ReadGolden(r io.Reader, t *table.Schema) ([]Golden, error) {
	buffered := bufio.NewReader(r)
	first, err := buffered.Peek(1)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var rows []Golden
	if string(first) == "{" {
		rows, err = goldenJSON(buffered, t)
	} else {
		rows, err = goldenCSV(buffered, t)
	}
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("has no rows")
	}
	for i := range rows {
		if err := rows[i].check(t); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// identity are the columns that a golden row must have.
func identity(t *table.Schema) []string {
	names := []string{t.Partition}
	for _, name := range t.Key {
		if i := t.Index(name); t.Columns[i].Required && name != t.Partition {
			names = append(names, name)
		}
	}
	return names
}

// check wants what tells the row from others, and takes its date from it.
func (g *Golden) check(t *table.Schema) error {
	for _, name := range identity(t) {
		if i := t.MustIndex(name); g.Row[i].IsNull() {
			return fmt.Errorf("line %d: %s is missing", g.Line, name)
		}
	}
	g.Date = g.Row[t.MustIndex(t.Partition)].Date()
	return nil
}

func (g *Golden) set(t *table.Schema, column, text string) error {
	i := t.Index(column)
	v, err := t.Columns[i].ParseText(text)
	if err != nil {
		return fmt.Errorf("line %d: %w", g.Line, err)
	}
	g.Row[i] = v
	return nil
}

func goldenCSV(r io.Reader, t *table.Schema) ([]Golden, error) {
	c := csv.NewReader(r)
	header, err := c.Read()
	switch {
	case err == io.EOF:
		return nil, nil
	case err != nil:
		return nil, err
	}
	var columns []int
	for _, name := range header {
		i := t.Index(name)
		if i < 0 {
			return nil, unknownColumn(name, t)
		}
		if slices.Contains(columns, i) {
			return nil, fmt.Errorf("column %q comes twice", name)
		}
		columns = append(columns, i)
	}
	for _, name := range identity(t) {
		if !slices.Contains(header, name) {
			return nil, fmt.Errorf("column %s is missing: rows are told apart by %s", name, strings.Join(identity(t), ", "))
		}
	}
	var rows []Golden
	for {
		fields, err := c.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := c.FieldPos(0)
		g := Golden{Line: line, Row: make(table.Row, len(t.Columns)), Columns: columns}
		for i, text := range fields {
			if text == "" {
				continue
			}
			if err := g.set(t, header[i], text); err != nil {
				return nil, err
			}
		}
		rows = append(rows, g)
	}
}

func goldenJSON(r *bufio.Reader, t *table.Schema) ([]Golden, error) {
	var rows []Golden
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, err
		}
		last := err == io.EOF
		if len(bytes.TrimSpace(line)) > 0 {
			g := Golden{Line: n}
			if g.Row, g.Columns, err = t.ParseObject(line); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			rows = append(rows, g)
		}
		if last {
			return rows, nil
		}
	}
}

func unknownColumn(name string, t *table.Schema) error {
	return fmt.Errorf("%s has no column %q; its columns are: %s", t.FullName(), name, strings.Join(t.Names(), ", "))
}

// goldenRows is the name of the check of a sample's golden rows.
const goldenRows = "golden rows"

// namedGolden is how many differences a check names.
const namedGolden = 5

// checkGolden compares golden rows with what was built for the dates of a sample. built are the dates that are
// complete.
func (p *Publisher) checkGolden(ctx context.Context, golden []Golden,
	built map[gamedate.Date]job.Counts) (job.Check, error) {
	c := job.Check{Name: goldenRows, Bound: "all are there and equal", Verdict: job.Pass}
	partitions := map[gamedate.Date][]table.Row{}
	var wrong []string
	for _, g := range golden {
		_, done := built[g.Date]
		if _, read := partitions[g.Date]; done && !read {
			part, err := p.ports.Store.Read(ctx, p.job.Target, g.Date)
			if err != nil {
				return c, fmt.Errorf("read %s of %s: %w", p.job.Target.FullName(), g.Date, err)
			}
			partitions[g.Date] = part.Rows
		}
		var difference string
		if !done {
			difference = "its date was not done by the sample"
		} else {
			difference = g.compare(p.job.Target, partitions[g.Date])
		}
		if difference != "" {
			wrong = append(wrong, fmt.Sprintf("line %d, %s %s: %s", g.Line, g.Date, g.name(p.job.Target), difference))
		}
	}
	c.Seen = fmt.Sprintf("%d of %s", len(golden)-len(wrong), terminal.Plural(len(golden), "row", "rows"))
	if len(wrong) > 0 {
		c.Verdict = job.Failed
		if n := len(wrong) - namedGolden; n > 0 {
			wrong = append(wrong[:namedGolden], fmt.Sprintf("and %d more", n))
		}
		c.Advice = strings.Join(wrong, "; ")
	}
	return c, nil
}

// name tells the row from others of its date.
func (g *Golden) name(t *table.Schema) string {
	var parts []string
	for _, column := range identity(t)[1:] {
		parts = append(parts, g.Row[t.MustIndex(column)].Text())
	}
	return strings.Join(parts, " ")
}

// compare says what is wrong with the row of the golden row's key, "" for nothing. Clocks and lineage are not compared:
// they differ between two runs, or with other rows of the date.
func (g *Golden) compare(t *table.Schema, rows []table.Row) string {
	keys := identity(t)
	var found []table.Row
	for _, row := range rows {
		if !slices.ContainsFunc(keys, func(name string) bool { i := t.MustIndex(name); return !row[i].Equal(g.Row[i]) }) {
			found = append(found, row)
		}
	}
	switch len(found) {
	case 0:
		return "there is no such row"
	case 1:
	default:
		return fmt.Sprintf("there are %d such rows", len(found))
	}
	var differ []string
	for _, i := range g.Columns {
		column := t.Columns[i]
		if column.Role == table.Volatile || column.Lineage || found[0][i].Equal(g.Row[i]) {
			continue
		}
		differ = append(differ, fmt.Sprintf("%s is %s, want %s", column.Name, shown(found[0][i]), shown(g.Row[i])))
	}
	return strings.Join(differ, ", ")
}

// shown is a value in a message: NULL is told from the empty text.
func shown(v table.Value) string {
	switch {
	case v.IsNull():
		return "NULL"
	case v.Type() == table.STRING:
		return strconv.Quote(v.Text())
	}
	return v.Text()
}
