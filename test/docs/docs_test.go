// Package docs_test keeps the documents true: it runs the commands that they show in a copy of the module, and compares
// their tables with the program.
package docs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/test/program"
)

// clone copies what a build needs into a new directory, as a checkout would have it. A directory `shared` beside the
// module is beside the copy too.
func clone(t *testing.T) string {
	t.Helper()
	from, base := program.Dir(t), t.TempDir()
	to := filepath.Join(base, "gamefill")
	for _, name := range []string{"cmd", "internal", "examples"} {
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "Makefile"} {
		if err := os.WriteFile(filepath.Join(to, name), []byte(program.Read(t, name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shared := filepath.Join(filepath.Dir(from), "shared")
	if _, err := os.Stat(shared); err == nil {
		if err := os.Symlink(shared, filepath.Join(base, "shared")); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// hasData reports whether the real box scores are there; where they must be, their absence fails the test.
func hasData(t *testing.T) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(program.Dir(t), "..", "shared", "data", "schedule.csv"))
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("GAMEFILL_REQUIRE_DATA") != "" {
		t.Fatal("GAMEFILL_REQUIRE_DATA is set and ../shared/data is not there")
	}
	return err == nil
}

// execute runs a block as somebody in dir would paste it, and wants an exit code and the output that the page shows.
// Both programs are on the path once the block before has built them.
func execute(t *testing.T, dir string, b program.Block, code int) string {
	t.Helper()
	environment := slices.DeleteFunc(program.Environment(), func(setting string) bool {
		return strings.HasPrefix(setting, "MAKE") || strings.HasPrefix(setting, "MFLAGS=")
	})
	out := program.Paste(t, dir, append(environment, program.PathWith(filepath.Join(dir, "bin"))), b.Script, code)
	for _, line := range b.Output {
		if !shown(out, line) {
			t.Errorf("%s\ngot\n%s\nwant the line %q", b.Script, out, line)
		}
	}
	return out
}

// shown reports whether out has the line; "…" stands for anything.
func shown(out, line string) bool {
	parts := strings.Split(line, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("(?m)^" + strings.Join(parts, ".*") + "$").MatchString(out)
}

// step is what is expected of one block.
type step struct {
	begins   string // how the block begins, so that a block that moves is noticed
	code     int
	data     bool     // needs the real box scores
	extra    bool     // another test runs the like of it: only in make ci-extra
	never    bool     // only looked at
	contains []string // in its output
}

func follow(t *testing.T, document string, steps []step) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the programs and runs them over the whole range: not with -short")
	}
	for _, tool := range []string{"bash", "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	blocks := program.Blocks(t, document, "sh")
	if len(blocks) != len(steps) {
		t.Fatalf("%s: got %d sh blocks, want %d: describe new ones here", document, len(blocks), len(steps))
	}
	dir := clone(t)
	withData := hasData(t)
	for i, s := range steps {
		if !strings.HasPrefix(blocks[i].Script, s.begins) {
			t.Fatalf("%s: block %d is %q, want it to begin with %q", document, i+1, blocks[i].Script, s.begins)
		}
		if s.never || s.extra && !program.Extra() {
			continue
		}
		if s.data && !withData {
			t.Logf("%s: block %d is not run: ../shared/data is not there", document, i+1)
			continue
		}
		out := execute(t, dir, blocks[i], s.code)
		for _, text := range s.contains {
			if !strings.Contains(out, text) {
				t.Errorf("%s\ngot\n%s\nwant it to contain %q", blocks[i].Script, out, text)
			}
		}
	}
}

func TestReadme(t *testing.T) {
	t.Parallel()
	follow(t, "README.md", []step{
		{begins: "make demo", contains: []string{"67 complete", "verdict", "is finished.", "Every date is done."}},
		{begins: "make check", never: true}, // this test is part of it
		{begins: "export PATH=", data: true, contains: []string{"2,105 rows, 13 aliases", "944 dates: 553 to do"}},
		{begins: "publisher sample", data: true, contains: []string{"Sample of 10 dates", ": pass; ", "543 dates queued",
			"130,425 rows", "553 complete", ": warn. ", "is finished"}},
		{begins: "publisher run", data: true, contains: []string{"Nothing to do", "553 left as they are"}},
		{begins: "publisher export", data: true, contains: []string{"week.parquet"}},
	})
}

func TestOperating(t *testing.T) {
	t.Parallel()
	follow(t, filepath.Join("docs", "operating.md"), []step{
		{begins: "go build", contains: []string{"302 games", "Nothing is done yet"}},
		{begins: "bin/publisher preflight", code: 5, contains: []string{"9 of 302"}},
		{begins: "bin/publisher plan", contains: []string{"First `publisher sample`"}},
		{begins: "bin/publisher diff", code: 1, contains: []string{"3 of 249 dates cannot be built"}},
		{begins: "bin/publisher sample"},
		{begins: "bin/publisher publish", code: 3, contains: []string{"64 dates queued", "3 dead dates"}},
		{begins: "bin/publisher pause"},
		{begins: "bin/publisher validate", code: 3, contains: []string{"64 complete", "3 dead"}},
		{begins: "bin/publisher deadletters", contains: []string{"source_empty", "impossible_shots"}},
		{begins: "bin/publisher demo --mend", contains: []string{"3 dates replayed", "is finished."}},
		{begins: "bin/publisher unresolved", contains: []string{"xanderselwyn", "67 complete"}},
		{begins: "bin/publisher report", contains: []string{"report.html", "week.parquet"}},
		{begins: "export GAMEFILL_QUEUE", data: true, extra: true,
			contains: []string{"Sample of 10 dates", "130,425 rows", "553 complete", ": warn. ", "seasons.html"}},
		{begins: "bin/publisher diff"},
		{begins: "run=$(bin/publisher runs", contains: []string{"28 put back", "Nothing was changed"}},
	})
}

// `make check` is what the README names; its recipe is not this test's to run.
func TestMakefileHasTheTargets(t *testing.T) {
	t.Parallel()
	makefile := program.Read(t, "Makefile")
	for _, target := range []string{"demo", "check"} {
		if !regexp.MustCompile(`(?m)^` + target + `:`).MatchString(makefile) {
			t.Errorf("Makefile has no target %s, which the README names", target)
		}
	}
}

// rowsOf returns the cells of a document's table rows whose first cell is code, by that code.
func rowsOf(t *testing.T, path string) map[string][]string {
	t.Helper()
	return rowsIn(program.Read(t, path))
}

// rowsIn is rowsOf for a part of a document.
func rowsIn(text string) map[string][]string {
	rows := map[string][]string{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows[strings.Trim(cells[0], "`")+fmt.Sprintf(" (%d)", len(cells))] = cells[1:]
	}
	return rows
}

// docs/rules.md has every acceptance rule, word by word, and no other.
func TestAcceptanceRules(t *testing.T) {
	t.Parallel()
	want, got := map[string]string{}, map[string]string{}
	for _, r := range summary.Job().Rules {
		want[r.Name] = r.Doc
	}
	for name, cells := range rowsOf(t, "docs/rules.md") {
		if name, ok := strings.CutSuffix(name, " (2)"); ok {
			got[name] = cells[0]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/rules.md (-program +document):\n%s", diff)
	}
}

// ownNumber is a number of games or rows at the head of a bound: the range's own, not the rule's.
var ownNumber = regexp.MustCompile(`^\d+(?:, | (final ))`)

// docs/rules.md has every check of a validation with its bound, and no other.
func TestChecks(t *testing.T) {
	t.Parallel()
	want, got := map[string]string{}, map[string]string{}
	for _, c := range judged(t) {
		want[c.Name] = ownNumber.ReplaceAllString(c.Bound, "$1")
	}
	for name, cells := range rowsOf(t, "docs/rules.md") {
		if name, ok := strings.CutSuffix(name, " (4)"); ok {
			got[name] = cells[0]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/rules.md (-program +document):\n%s", diff)
	}
}

// dated is a date in a bound, which moves with the clock.
var dated = regexp.MustCompile(`\d{4}-\d{2}-\d{2}`)

// docs/rules.md has every check of the raw box scores with its bound, and no other, and the bounds of the engine's
// checks as they are in a file. That it has all of the engine's, a test of that package sees to.
func TestChecksBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(program.Read(t, "docs/rules.md"), "\n## Checks before the first write\n")
	engine, rest, _ := strings.Cut(text, "\n### Of the raw box scores\n")
	ours, _, _ := strings.Cut(rest, "\n## ")
	var f publisher.Preflight
	examples(t).JSON(t, 0, &f, "preflight", "--from", "2022-01-10", "--to", "2022-01-16")
	want, got := map[string]string{}, map[string]string{}
	for _, c := range f.Checks {
		if c.Scope == "" {
			want[c.Name] = dated.ReplaceAllString(c.Bound, "that date")
		}
	}
	for part, whole := range map[string]bool{engine: false, ours: true} {
		for name, cells := range rowsIn(part) {
			name = strings.TrimSuffix(name, " (5)")
			if _, made := want[name]; made || whole {
				got[name] = cells[1]
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/rules.md (-program +document):\n%s", diff)
	}
}

// docs/rules.md has every threshold with its default, and no other.
func TestThresholds(t *testing.T) {
	t.Parallel()
	want, got := map[string][]string{}, map[string][]string{}
	for _, threshold := range summary.Job().Thresholds {
		side := "most"
		if threshold.Least {
			side = "least"
		}
		want[threshold.Name] = []string{threshold.Unit, side, threshold.Warn.String(), threshold.Fail.String(),
			threshold.Doc, threshold.Source}
	}
	for name, cells := range rowsOf(t, "docs/rules.md") {
		if name, ok := strings.CutSuffix(name, " (7)"); ok {
			got[name] = cells
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/rules.md (-program +document):\n%s", diff)
	}
}

// examples is a fresh file with the example games.
func examples(t *testing.T) program.File {
	t.Helper()
	set, err := program.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(program.Dir(t), "examples", "first-games", "*.csv"))
	if err != nil || len(files) != 4 {
		t.Fatalf("got examples %v, %v", files, err)
	}
	file := program.File{Set: set, Path: filepath.Join(t.TempDir(), "examples.db")}
	file.Publish(t, 0, append([]string{"import"}, files...)...)
	return file
}

// judged runs the example games and returns the checks of the whole range.
func judged(t *testing.T) []job.Check {
	t.Helper()
	var j publisher.Judgement
	examples(t).JSON(t, 0, &j, "run", "--from", "2022-01-10", "--to", "2022-01-16", "--baseline-active", "180")
	if j.Verdict != job.Pass ||
		j.Range != (gamedate.Range{From: gamedate.MustParse("2022-01-10"), To: gamedate.MustParse("2022-01-16")}) {
		t.Errorf("got %s over %s, want the example games to pass", j.Verdict, j.Range)
	}
	return slices.DeleteFunc(j.Checks, func(c job.Check) bool { return c.Scope != "" })
}

// Links between documents lead somewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(program.Dir(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	if len(documents) < 5 {
		t.Fatalf("got documents %v, want more", documents)
	}
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), m[1])); err != nil {
				t.Errorf("%s: link to %s leads nowhere", document, m[1])
			}
		}
	}
}
