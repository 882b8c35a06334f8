// Package terminal writes for people: aligned tables, progress on long work, colour where a terminal can show it.
//
// Nothing here decides; commands compute values and this package lays them out. Output that is not a terminal gets
// plain lines without control characters.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// IsTerminal reports whether w is a terminal that shows colour; NO_COLOR and TERM=dumb say no.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Colour of a word.
type Colour string

// The colours used, as ANSI codes.
const (
	Green  Colour = "32"
	Yellow Colour = "33"
	Red    Colour = "31"
	Bold   Colour = "1"
	Faint  Colour = "2"
)

// Paint colours text where w is a terminal.
func Paint(w io.Writer, c Colour, text string) string {
	if !IsTerminal(w) {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// Table is a table for people: columns are as wide as their widest cell, numbers are right-aligned.
type Table struct {
	header []string
	right  []bool
	rows   [][]string
	paint  map[int]Colour // by row
}

// NewTable makes a table; a heading that begins with ">" is a right-aligned column.
func NewTable(headings ...string) *Table {
	t := &Table{paint: map[int]Colour{}}
	for _, h := range headings {
		t.right = append(t.right, strings.HasPrefix(h, ">"))
		t.header = append(t.header, strings.TrimPrefix(h, ">"))
	}
	return t
}

// Row adds a row; cells are printed with fmt.Sprint.
func (t *Table) Row(cells ...any) { t.Painted("", cells...) }

// Painted adds a row in a colour.
func (t *Table) Painted(c Colour, cells ...any) {
	row := make([]string, len(t.header))
	for i := range row {
		if i < len(cells) {
			row[i] = strings.ReplaceAll(fmt.Sprint(cells[i]), "\n", " ")
		}
	}
	if c != "" {
		t.paint[len(t.rows)] = c
	}
	t.rows = append(t.rows, row)
}

// Len is the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Write lays the table out on w.
func (t *Table) Write(w io.Writer) {
	width := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) string {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if t.right[i] {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
			if i < len(row)-1 {
				b.WriteString("  ")
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	fmt.Fprintln(w, Paint(w, Bold, line(t.header)))
	for i, row := range t.rows {
		if c, ok := t.paint[i]; ok {
			fmt.Fprintln(w, Paint(w, c, line(row)))
		} else {
			fmt.Fprintln(w, line(row))
		}
	}
}

// Progress shows how far one step has come: a bar on a terminal, a line every tenth elsewhere. Steps that end within
// Quiet show nothing. What is to be said meanwhile is written to it, so that the two do not run into each other. It is
// safe for concurrent use.
type Progress struct {
	w      io.Writer
	silent bool

	mu      sync.Mutex // guards what follows, and writing to w
	began   time.Time
	step    string
	bar     *progressbar.ProgressBar
	printed int
	isTerm  bool
}

// Quiet is how long a step may take before it is worth a line.
const Quiet = time.Second

// NewProgress makes a progress display on w, usually standard error.
func NewProgress(w io.Writer) *Progress { return &Progress{w: w, isTerm: IsTerminal(w)} }

// NewSilentProgress makes one that shows no step and passes on what is written to it.
func NewSilentProgress(w io.Writer) *Progress { return &Progress{w: w, silent: true} }

// Write writes whole lines above the display, which the next Set draws again.
func (p *Progress) Write(lines []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // what is written matters more
	}
	return p.w.Write(lines)
}

// Set shows done of total units of a step; note is shown behind (rate, ETA) and may be "".
func (p *Progress) Set(step string, done, total int, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent {
		return
	}
	if step != p.step {
		p.end()
		p.step, p.began = step, time.Now()
	}
	if total <= 0 || time.Since(p.began) < Quiet {
		return
	}
	if p.isTerm {
		if p.bar == nil {
			p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(step),
				progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish())
		}
		p.bar.ChangeMax(total)
		p.bar.Describe(strings.TrimSpace(step + "  " + note))
		_ = p.bar.Set(done) // a bar that cannot be drawn is no reason to stop
		return
	}
	if tenth := done * 10 / total; tenth > p.printed {
		p.printed = tenth
		fmt.Fprintln(p.w, strings.TrimSpace(fmt.Sprintf("%s: %d of %d  %s", step, done, total, note)))
	}
}

// Done ends the current step's display.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
}

func (p *Progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	p.bar, p.step, p.printed = nil, "", 0
}

// Duration is d for people: "1m12s", "350ms".
func Duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// Plural is n with the words that fit it: "1 date", "130,425 rows".
func Plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(int64(n)) + " " + many
}

// Count is n with thousands separated: 130,425.
func Count(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
