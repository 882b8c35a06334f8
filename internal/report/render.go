package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"reflect"
	"strings"
	textTemplate "text/template"

	"gamefill/internal/job"
	"gamefill/internal/price"
	"gamefill/internal/terminal"
)

// listed is how many lines a table of a rendering has before it says how many more there are.
const listed = 50

// HTML writes the report as one page without scripts, links and other files.
func HTML(w io.Writer, r *Report) error {
	view := page{Report: r, Charts: map[string]figure{}}
	for _, c := range []chart{nullsChart(r), rowsChart(r), throughputChart(r), triesChart(r), failuresChart(r)} {
		drawn, err := c.draw()
		if err != nil {
			return err
		}
		if drawn != "" {
			view.Charts[c.id] = figure{c.title, drawn}
		}
	}
	if err := htmlPage.Execute(w, view); err != nil {
		return fmt.Errorf("render the report of run %s: %w", r.Run.ID, err)
	}
	return nil
}

// Markdown writes the report as GitHub-flavoured Markdown, without the charts.
func Markdown(w io.Writer, r *Report) error {
	if err := markdownPage.Execute(w, page{Report: r}); err != nil {
		return fmt.Errorf("render the report of run %s: %w", r.Run.ID, err)
	}
	return nil
}

// page is what the templates are given.
type page struct {
	*Report
	Charts map[string]figure
}

// figure is a chart as it was drawn.
type figure struct {
	Title string
	SVG   template.HTML
}

//go:embed report.html
var htmlText string

//go:embed report.md
var markdownText string

var functions = map[string]any{
	"brief": brief, "count": count, "groups": groups, "groupShare": groupShare, "head": head, "more": more,
	"plural": terminal.Plural[int], "quiet": quiet, "rows": rows, "share": Counts.Share, "short": short, "stamp": stamp,
	"telling": telling, "undone": undone, "verdict": verdict, "wide": wide, "words": words,
	"join":       func(list []string) string { return strings.Join(list, ", ") },
	"list":       func(items []string) string { return strings.Join(items, "; ") },
	"listPrices": func() string { return price.Note },
}

var (
	htmlPage     = template.Must(template.New("report.html").Funcs(functions).Parse(htmlText))
	markdownPage = textTemplate.Must(textTemplate.New("report.md").Funcs(functions).
			Funcs(map[string]any{"md": md, "code": code}).Parse(markdownText))
)

// head is the lines of a list that are shown.
func head(list any) any {
	v := reflect.ValueOf(list)
	return v.Slice(0, min(v.Len(), listed)).Interface()
}

// more is how many lines of a list are not shown.
func more(list any) int { return max(0, reflect.ValueOf(list).Len()-listed) }

// telling are the checks of the whole range, and those of single seasons that ask for something.
func telling(checks []job.Check) []job.Check {
	var found []job.Check
	for _, c := range checks {
		if c.Scope == "" || c.Verdict != job.Pass && c.Verdict != job.Shown {
			found = append(found, c)
		}
	}
	return found
}

// quiet is how many checks are not told.
func quiet(checks []job.Check) int { return len(checks) - len(telling(checks)) }

// wide are the dates worth a line of their own: those with rows, work or attempts.
func wide(dates []Date) []Date {
	var found []Date
	for _, d := range dates {
		if d.Units > 0 || d.Attempts > 0 || d.RowsNow > 0 || d.RowsBefore == nil || *d.RowsBefore > 0 {
			found = append(found, d)
		}
	}
	return found
}

// groups are the names of all groups of the months, in order.
func groups(months []Month) []string {
	var names []string
	seen := map[string]bool{}
	for _, m := range months {
		for _, g := range m.Groups {
			if !seen[g.Name] {
				seen[g.Name] = true
				names = append(names, g.Name)
			}
		}
	}
	return names
}

// undone is how many dates of the months were rolled back.
func undone(months []Month) (n int) {
	for _, m := range months {
		n += m.RolledBack
	}
	return n
}

func groupShare(m Month, name string) string {
	for _, g := range m.Groups {
		if g.Name == name {
			return g.Share()
		}
	}
	return "no rows"
}

// Share is the part of rows that is NULL, for people.
func (c Counts) Share() string {
	if c.Rows == 0 {
		return "no rows"
	}
	return fmt.Sprintf("%.2f %%", 100*float64(c.Nulls)/float64(c.Rows))
}

func rows(n *int64) string {
	if n == nil {
		return "not known"
	}
	return terminal.Count(*n)
}

func count(n any) string { return terminal.Count(reflect.ValueOf(n).Int()) }

// short is the beginning of a hash.
func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	return hash
}

// verdict is a verdict in words with a mark, so that no colour is needed to read it.
func verdict(v job.Verdict) string {
	switch v {
	case job.Pass:
		return "✓ pass"
	case job.Warned:
		return "! warn"
	case job.Failed:
		return "✗ fail"
	case job.NotChecked:
		return "– not checked"
	}
	return "· " + string(v)
}

// words are a stable code in words.
func words(code string) string { return strings.ReplaceAll(code, "_", " ") }

// md is text that Markdown shows as it is, in a line or in a cell of a table.
func md(v any) string {
	var b strings.Builder
	text := strings.Join(strings.Fields(fmt.Sprint(v)), " ")
	letter := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] >= '0' && text[i] <= '9' || text[i] >= 'a' && text[i] <= 'z' ||
			text[i] >= 'A' && text[i] <= 'Z')
	}
	for i := range len(text) {
		switch c := text[i]; c {
		case '<':
			b.WriteString("&lt;")
			continue
		case '>':
			b.WriteString("&gt;")
			continue
		case '&':
			b.WriteString("&amp;")
			continue
		case '_':
			if !letter(i-1) || !letter(i+1) { // inside of a word it means nothing
				b.WriteByte('\\')
			}
		case '\\', '`', '*', '[', ']', '|', '~', '#':
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// code is text as a code span, in a line or in a cell of a table.
func code(v any) string {
	text := strings.Join(strings.Fields(fmt.Sprint(v)), " ")
	if strings.ContainsAny(text, "`|\\<") || text == "" {
		return md(text)
	}
	return "`" + text + "`"
}
