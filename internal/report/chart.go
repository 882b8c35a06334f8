package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/go-analyze/charts"
	"github.com/go-analyze/charts/chartdraw"

	"gamefill/internal/gamedate"
	"gamefill/internal/terminal"
)

// Size of a chart in its own units; the page scales it to its width.
const (
	chartWidth  = 920
	chartHeight = 250
	chartFont   = 8.5
)

// widestBar is the greatest width of a bar.
const widestBar = 60.0

// shownLabels is how many labels fit below an axis.
const shownLabels = 10

// maxBars is how many groups of bars fit side by side and stay readable.
const maxBars = 70

// The library writes colours into the drawing. These stand for the page's own, which follow light and dark.
var (
	inkText = charts.ColorRGB(1, 0, 0)
	inkLine = charts.ColorRGB(2, 0, 0)
	inkGrid = charts.ColorRGB(3, 0, 0)
	inkBars = []charts.Color{charts.ColorRGB(4, 0, 0), charts.ColorRGB(5, 0, 0)} // what was, what is

	inks = strings.NewReplacer("rgb(1,0,0)", "var(--text)", "rgb(2,0,0)", "var(--faint)", "rgb(3,0,0)", "var(--line)",
		"rgb(4,0,0)", "var(--bar1)", "rgb(5,0,0)", "var(--bar2)", "'Roboto Medium',sans-serif", "inherit",
		` xmlns:xlink="http://www.w3.org/1999/xlink"`, "")
)

// unknown is the value of a bar that is left out.
var unknown = charts.GetNullValue()

// chart is a bar chart as data.
type chart struct {
	id, title, description string
	labels                 []string
	names                  []string    // of the series
	values                 [][]float64 // by series and label; one series or two
	format                 func(float64) string
	top                    float64 // of the value axis, 0: as the values ask for
}

// draw renders the chart as an SVG element with a title and a description; nothing for fewer than two labels, of which
// the table says as much.
func (c chart) draw() (template.HTML, error) {
	if len(c.labels) < 2 {
		return "", nil
	}
	most := 0.0
	for _, series := range c.values {
		for _, v := range series {
			if v != unknown {
				most = math.Max(most, v)
			}
		}
	}
	o := charts.NewBarChartOptionWithData(c.values)
	o.Theme = charts.GetTheme(charts.ThemeLight).WithBackgroundColor(chartdraw.ColorTransparent).WithTextColor(inkText).
		WithXAxisColor(inkLine).WithYAxisColor(inkLine).WithAxisSplitLineColor(inkGrid).
		WithSeriesColors(inkBars[2-len(c.values):])
	o.BarSize = min(0.75, widestBar*float64(len(c.labels)*len(c.values))/chartWidth)
	font := charts.FontStyle{FontSize: chartFont, FontColor: inkText}
	o.Padding = charts.Box{Top: 8, Left: 4, Right: 8, Bottom: 4, IsSet: true}
	o.CategoryAxis.Labels, o.CategoryAxis.LabelFontStyle = sparse(c.labels), font
	o.CategoryAxis.LabelCount = len(c.labels)
	o.Legend = charts.LegendOption{SeriesNames: c.names, FontStyle: font, Show: charts.Ptr(len(c.names) > 1)}
	axis := charts.ValueAxisOption{Min: charts.Ptr(0.0), LabelFontStyle: font, ValueFormatter: c.format, LabelCount: 5}
	axis.Max = charts.Ptr(ceiling(most))
	if c.top > 0 {
		axis.Max = charts.Ptr(c.top)
	}
	o.ValueAxis = []charts.ValueAxisOption{axis}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: chartWidth,
		Height: chartHeight})
	if err := p.BarChart(o); err != nil {
		return "", fmt.Errorf("chart %s: %w", c.id, err)
	}
	drawn, err := p.Bytes()
	if err != nil {
		return "", fmt.Errorf("chart %s: %w", c.id, err)
	}
	head := fmt.Sprintf(`<svg role="img" aria-labelledby="%[1]s-title %[1]s-description"`, c.id)
	described := fmt.Sprintf(`><title id="%[1]s-title">%[2]s</title><desc id="%[1]s-description">%[3]s</desc>`, c.id,
		html.EscapeString(c.title), html.EscapeString(c.description))
	svg := strings.Replace(inks.Replace(string(drawn)), "<svg", head, 1)
	return template.HTML(strings.Replace(svg, ">", described, 1)), nil // labels are escaped by the library
}

// ceiling is the least number not below most that an axis of four steps ends at: its steps are whole and round.
func ceiling(most float64) float64 {
	for scale := 1.0; ; scale *= 10 {
		for _, tenths := range []float64{10, 12, 15, 20, 25, 30, 40, 50, 60, 80} {
			if step := scale * tenths / 10; step == math.Trunc(step) && 4*step >= most {
				return 4 * step
			}
		}
	}
}

// sparse is labels with so many of them left blank that the others do not touch.
func sparse(labels []string) []string {
	every := (len(labels) + shownLabels - 1) / shownLabels
	shown := make([]string, len(labels))
	for i := 0; i < len(labels); i += every {
		shown[i] = labels[i]
	}
	return shown
}

func nullsChart(r *Report) chart {
	c := chart{id: "nulls", title: fmt.Sprintf("NULL share of %s by month, before the run and now", r.Column),
		description: "The months' numbers are in the table below. Where it is not known of a whole month what was there " +
			"before, that bar is left out.",
		names: []string{"before the run", "now"}, values: make([][]float64, 2), top: 100,
		format: func(v float64) string { return fmt.Sprintf("%.0f %%", v) }}
	percent := func(n Counts) float64 {
		if n.Rows == 0 {
			return unknown
		}
		return 100 * float64(n.Nulls) / float64(n.Rows)
	}
	for _, m := range r.Months {
		before := unknown
		if m.KnownDates == m.Dates {
			before = percent(m.Before)
		}
		if now := percent(m.Now); before != unknown || now != unknown { // a month without rows has no share
			c.labels = append(c.labels, m.Month)
			c.values[0], c.values[1] = append(c.values[0], before), append(c.values[1], now)
		}
	}
	return c
}

// rowsChart shows the rows of every date, or of weeks or months where there are too many dates to show.
func rowsChart(r *Report) chart {
	c := chart{id: "rows", names: []string{"before the run", "now"}, values: make([][]float64, 2), format: whole}
	per, name := perDate, "date"
	if len(r.Dates) > maxBars {
		per, name = perWeek, "week"
	}
	if len(r.Dates) > 7*maxBars {
		per, name = perMonth, "month"
	}
	c.title = "Rows per " + name + ", before the run and now"
	c.description = fmt.Sprintf("From %s to %s. Where it is not known of a whole %s what was there before, "+
		"that bar is left out.", r.Run.Range.From, r.Run.Range.To, name)
	for _, d := range r.Dates {
		label := per(d.Date)
		last := len(c.labels) - 1
		if last < 0 || c.labels[last] != label {
			c.labels = append(c.labels, label)
			c.values[0], c.values[1] = append(c.values[0], 0), append(c.values[1], 0)
			last++
		}
		c.values[1][last] += float64(d.RowsNow)
		switch {
		case d.RowsBefore == nil:
			c.values[0][last] = unknown
		case c.values[0][last] != unknown:
			c.values[0][last] += float64(*d.RowsBefore)
		}
	}
	return c
}

func perDate(d gamedate.Date) string  { return d.String() }
func perMonth(d gamedate.Date) string { return d.String()[:len("2006-01")] }

// perWeek is the Monday of the date's week.
func perWeek(d gamedate.Date) string {
	return d.AddDays(-(int(d.Time().Weekday()) + 6) % 7).String()
}

func throughputChart(r *Report) chart {
	c := chart{id: "throughput", names: []string{"dates"}, values: make([][]float64, 1), format: whole}
	if len(r.Throughput) == 0 {
		return c
	}
	first := r.Throughput[0]
	c.title = fmt.Sprintf("Dates completed per %s, by the time since %s", brief(first.Length), stamp(first.From))
	c.description = fmt.Sprintf("%d intervals.", len(r.Throughput))
	for _, i := range r.Throughput {
		c.labels = append(c.labels, brief(i.From.Sub(first.From)))
		c.values[0] = append(c.values[0], float64(i.Completed))
	}
	return c
}

func triesChart(r *Report) chart {
	c := chart{id: "tries", title: "Dates by their number of attempts", description: "The same numbers are in the table.",
		names: []string{"dates"}, values: make([][]float64, 1), format: whole}
	for _, t := range r.Tries {
		c.labels = append(c.labels, t.Name)
		c.values[0] = append(c.values[0], float64(t.Count))
	}
	return c
}

func failuresChart(r *Report) chart {
	c := chart{id: "failures", title: "Failed attempts by class",
		description: "The table below has the reasons of each class.",
		names:       []string{"attempts"}, values: make([][]float64, 1), format: whole}
	at := map[string]int{}
	for _, f := range r.Failures {
		i, ok := at[f.Class]
		if !ok {
			i = len(c.labels)
			at[f.Class] = i
			c.labels, c.values[0] = append(c.labels, f.Class), append(c.values[0], 0)
		}
		c.values[0][i] += float64(f.Attempts)
	}
	return c
}

func whole(v float64) string { return terminal.Count(int64(math.Round(v))) }

// brief is a duration without zeros at its end: "5m", "1h30m", "250ms".
func brief(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Second:
		d = d.Round(time.Microsecond)
		if d >= time.Millisecond {
			d = d.Round(100 * time.Microsecond)
		}
	case d < time.Minute:
		d = d.Round(100 * time.Millisecond)
	default:
		d = d.Round(time.Second)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}
