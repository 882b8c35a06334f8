package cloud_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/test/program"
)

// TestOperatingPage takes the steps of docs/operating.md with all three services of Google Cloud in the place of the
// file: the exit codes are the page's, and what comes out is what the file has in the end. The league is loaded into
// the raw tables beforehand, and mended there, because `demo` only makes files.
func TestOperatingPage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("does a season of dates twice")
	}
	file := program.File{Set: binaries, Path: filepath.Join(t.TempDir(), "gamefill.db")}
	var l struct {
		Range   gamedate.Range
		Failing []struct{ Date gamedate.Date }
	}
	file.JSON(t, 0, &l, "demo", "--load", "--failures", "--file", file.Path)
	p := newProject(t)
	defer func() {
		if problems := p.bigquery.Violations(p.target()); len(problems) > 0 {
			t.Errorf("requests that must never be made:\n%s", strings.Join(problems, "\n"))
		}
	}()
	p.scrape(file)
	p.Publish(t, 0, "init")
	mend := func() {
		file.Publish(t, 0, "demo", "--mend", "--file", file.Path)
		for _, f := range l.Failing {
			p.scrape(file, gamedate.Range{From: f.Date, To: f.Date})
		}
	}

	steps := []struct {
		begins string
		code   int
		before func()
	}{
		{begins: "bin/publisher preflight", code: 5},
		{begins: "bin/publisher plan"},
		{begins: "bin/publisher diff", code: 1},
		{begins: "bin/publisher sample"},
		{begins: "bin/publisher publish", code: exitDead},
		{begins: "bin/publisher pause"},
		{begins: "bin/publisher validate", code: exitDead},
		{begins: "bin/publisher deadletters"},
		{begins: "bin/publisher demo --mend", before: mend},
		{begins: "bin/publisher unresolved"},
		{begins: "bin/publisher report"},
		{begins: "bin/publisher diff"},
		{begins: "run=$(bin/publisher runs"},
	}
	blocks := slices.DeleteFunc(program.Blocks(t, "docs/operating.md", "sh"), func(b program.Block) bool {
		return strings.HasPrefix(b.Script, "go build") || strings.HasPrefix(b.Script, "export ") // the file, and real seasons
	})
	if len(blocks) != len(steps) {
		t.Fatalf("got %d blocks, want %d: describe new ones here", len(blocks), len(steps))
	}
	for i, s := range steps {
		if !strings.HasPrefix(blocks[i].Script, s.begins) {
			t.Fatalf("block %d is %q, want it to begin with %q", i+1, blocks[i].Script, s.begins)
		}
		if s.before != nil {
			s.before()
		}
		p.shell(s.code, blocks[i].Script)
	}

	// The file takes the short way to the same rows: mended from the start, and with the alias.
	file.Publish(t, 0, "alias", "add", "Xander Selwn", "xanderselwyn", "--reason", "as on the page")
	var got, want publisher.Judgement
	span := []string{"--from", l.Range.From.String(), "--to", l.Range.To.String()}
	file.JSON(t, 0, &want, append([]string{"run", "--no-sample", "--reason", "reference"}, span...)...)
	p.JSON(t, 0, &got, "validate")
	if got.Verdict != job.Pass || got.TableFingerprint != want.TableFingerprint || got.Rows != want.Rows {
		t.Errorf("got %s, %d rows, fingerprint %s; want pass, %d, %s", got.Verdict, got.Rows, got.TableFingerprint, want.Rows,
			want.TableFingerprint)
	}

	if !program.Extra() {
		return
	}
	// What the page shows with --dry-run, and the way back again.
	var runs []struct{ ID string }
	p.JSON(t, 0, &runs, "runs")
	p.Publish(t, 0, "rollback", "--run", runs[0].ID, "--reason", "the alias was wrong")
	var back publisher.Judgement
	p.JSON(t, 5, &back, append([]string{"validate"}, span...)...)
	if n := back.States[ledger.RolledBack]; n != 28 || back.TableFingerprint == want.TableFingerprint {
		t.Errorf("after the rollback: got %d dates put back, fingerprint %s; want the 28 of the misspelt name as they were",
			n, back.TableFingerprint)
	}
	p.shell(0, "bin/publisher publish --rolled-back --reason 'it was right' --from "+l.Range.From.String()+" --to "+
		l.Range.To.String()+"; bin/worker --drain")
	p.JSON(t, 0, &got, "validate")
	if got.TableFingerprint != want.TableFingerprint {
		t.Errorf("done again: got fingerprint %s, want %s", got.TableFingerprint, want.TableFingerprint)
	}
}

// shell runs a block of a page against the project and wants an exit code.
func (p *project) shell(code int, script string) {
	p.t.Helper()
	script = strings.ReplaceAll(script, "bin/publisher demo --mend --file gamefill.db\n", "")
	script = strings.NewReplacer("bin/publisher", p.Set.Path(program.Publisher), "bin/worker",
		p.Set.Path(program.Worker)).Replace(script)
	program.Paste(p.t, filepath.Dir(p.Path), append(program.Environment(), p.Env...), script, code)
}
