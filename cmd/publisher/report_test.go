package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/report"
	"gamefill/test/league"
)

func TestReport(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 4})
	if r := d.want(exitError, "report"); r.out != "" {
		t.Errorf("before any run: got %q on standard output", r.out)
	}
	d.want(exitDone, append([]string{"run", "--reason", "the *first* season"}, d.span()...)...)
	before, err := os.ReadFile(d.db)
	if err != nil {
		t.Fatal(err)
	}

	var got report.Report
	d.document(exitDone, &got, "report")
	rows := int64(0)
	for _, m := range got.Months {
		rows += m.Now.Rows
	}
	if got.Run.Reason != "the *first* season" || got.Column != "minutes_played" ||
		len(got.Dates) != d.league.Range.Days() || rows != int64(d.league.Rows) {
		t.Errorf("got reason %q, column %q, %d dates and %d rows, want %d and %d", got.Run.Reason, got.Column, len(got.Dates),
			rows, d.league.Range.Days(), d.league.Rows)
	}
	markdown := d.want(exitDone, "report", "--run", got.Run.ID).out
	contains(t, markdown, "# player_game_summary, ", got.Sentence, `the \*first\* season`, "NULL now, active", "## Success checklist")

	dir := t.TempDir()
	page, text := filepath.Join(dir, "r.html"), filepath.Join(dir, "r.md")
	contains(t, d.want(exitDone, "report", "--html", page, "--markdown", text).out, "Written: "+page,
		"Written: "+text, got.Sentence)
	for path, want := range map[string]string{page: "</html>\n", text: "## Dates"} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		contains(t, string(content), want, "2022")
	}
	var again report.Report
	d.document(exitDone, &again, "report", "--html", page)
	again.MadeAt = got.MadeAt
	if diff := cmp.Diff(canonical(t, got), canonical(t, again)); diff != "" {
		t.Errorf("a second report (-first +second):\n%s", diff)
	}
	if r := d.want(exitDone, "report", "--html", "-", "--markdown", text); !strings.HasPrefix(r.out, "<!DOCTYPE html>") ||
		!strings.HasSuffix(r.out, "</html>\n") {
		t.Errorf("a page on standard output: got %d bytes that begin with %.20q, want the page alone", len(r.out), r.out)
	}
	contains(t, d.want(exitDone, "report", "--markdown", "-").out, "# player_game_summary, ", "No cost: one file.")
	contains(t, d.want(exitUsage, "report", "--markdown", "-", "--html", "-").errout, "cannot both be standard output")
	contains(t, d.want(exitUsage, "report", "--markdown", "-", "--json").errout, "--json is standard output already")
	if _, err := os.Stat("-"); err == nil {
		t.Error("a file called - was written")
	}
	d.want(exitError, "report", "--html", filepath.Join(dir, "missing", "r.html"))
	d.want(exitError, "report", "--run", "nobody")

	after, err := os.ReadFile(d.db)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("report wrote to the database")
	}
}

func canonical(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
