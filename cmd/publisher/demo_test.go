package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/demo"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
)

// demoDesk is a desk whose database a demo makes.
func demoDesk(t *testing.T) *desk { return &desk{t: t, db: filepath.Join(t.TempDir(), "demo.db")} }

// demo runs the command on the desk's file and reads its document.
func (d *desk) demo(code int, args ...string) (view demoView, judgement publisher.Judgement) {
	d.t.Helper()
	r := cli(d.t.Context(), append([]string{"demo", "--json", "--file", d.db}, args...)...)
	if r.code != code {
		d.t.Fatalf("demo %v: got exit code %d, want %d\n%s%s", args, r.code, code, r.out, r.errout)
	}
	if err := json.Unmarshal([]byte(r.out), &view); err != nil {
		d.t.Fatalf("demo %v: %v\n%s", args, err, r.out)
	}
	if len(view.Validation) > 0 {
		if err := json.Unmarshal(view.Validation, &judgement); err != nil {
			d.t.Fatal(err)
		}
	}
	return view, judgement
}

func TestDemo(t *testing.T) {
	t.Parallel()
	d := demoDesk(t)
	view, judgement := d.demo(exitDone)
	if judgement.Verdict != "pass" || !judgement.Finished || judgement.States[ledger.Complete] != view.GameDates {
		t.Errorf("got verdict %s, finished %v, states %v, want all %d dates complete", judgement.Verdict, judgement.Finished,
			judgement.States, view.GameDates)
	}
	var want []defectView
	for _, defect := range demo.Generate(demo.Options{}).Defects {
		want = append(want, defectView{Name: defect.Name, Seen: defect.Made, Text: defect.Text})
	}
	if diff := cmp.Diff(want, view.Defects); diff != "" {
		t.Errorf("defects (-made +seen):\n%s", diff)
	}
	d.follow(view.Next)
}

// follow runs the commands that a demo or a mending prints, but demos and workers, as a shell would.
func (d *desk) follow(steps []nextStep) {
	d.t.Helper()
	ran := 0
	for _, s := range steps {
		args := words(s.Command)
		switch {
		case args[0] == "sqlite3":
			db, err := sql.Open("sqlite", args[1])
			if err != nil {
				d.t.Fatal(err)
			}
			var player, team string
			var games int
			var points float64
			if err := db.QueryRowContext(d.t.Context(), args[2]).Scan(&player, &team, &games, &points); err != nil ||
				points < 5 {
				d.t.Errorf("%s: got %s, %.1f points, error %v", s.Command, player, points, err)
			}
			if err := db.Close(); err != nil {
				d.t.Error(err)
			}
		case args[0] != "publisher", args[1] == "demo":
			continue
		default:
			if i := slices.Index(args, "-o"); i >= 0 {
				args[i+1] = filepath.Join(filepath.Dir(d.db), args[i+1])
			}
			if r := d.do(args[1:]...); r.code != exitDone {
				d.t.Errorf("%s: got exit code %d\n%s%s", s.Command, r.code, r.out, r.errout)
			}
		}
		ran++
	}
	if ran < 4 {
		d.t.Errorf("got %d commands to follow, want some: %+v", ran, steps)
	}
}

// words splits a command as a shell does, as far as words in double quotes need it.
func words(command string) (list []string) {
	for i, part := range strings.Split(command, `"`) {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

// Spoilt dates fail for the promised reasons; mended and replayed they leave what a demo without failures leaves.
func TestDemoFailures(t *testing.T) {
	t.Parallel()
	d := demoDesk(t)
	view, judgement := d.demo(exitFailed, "--failures")
	var got []demo.Failing
	for _, dead := range judgement.DeadDates {
		if dead.Class != "permanent" {
			t.Errorf("%s: got class %s, want permanent", dead.Date, dead.Class)
		}
		got = append(got, demo.Failing{Date: dead.Date, Reason: dead.Reason})
	}
	var want []demo.Failing
	for _, f := range view.Failing {
		want = append(want, demo.Failing{Date: f.Date, Reason: f.Reason})
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) != 3 {
		t.Fatalf("dead dates (-promised +dead):\n%s", diff)
	}
	contains(t, d.want(exitDone, "deadletters", "list").out, "source_empty", "final_game_without_rows", "impossible_shots")

	mended, _ := d.demo(exitDone, "--mend")
	if len(mended.Loaded) != 2 {
		t.Errorf("got %+v loaded, want rows of both sources", mended.Loaded)
	}
	contains(t, d.want(exitDone, "replay", "--all", "--reason", "box scores loaded").out, "3 dates replayed")
	run := []string{"run", "--from", view.Range.From.String(), "--to", view.Range.To.String()}
	r := d.want(exitDone, run...)
	contains(t, r.out, ": pass. ", "is finished.")
	_, sound := demoDesk(t).demo(exitDone)
	if got, want := fingerprint(r.out), sound.TableFingerprint; got != want {
		t.Errorf("after mending: got table_fingerprint %s, want %s as without failures", got, want)
	}
	contains(t, d.want(exitDone, append([]string{"plan"}, run[1:]...)...).out, "0 to do")
}

// The lines for people name the commands in the order in which they help.
func TestDemoForPeople(t *testing.T) {
	t.Parallel()
	d := demoDesk(t)
	r := cli(t.Context(), "demo", "--failures", "--file", d.db)
	if r.code != exitFailed {
		t.Fatalf("got exit code %d\n%s", r.code, r.errout)
	}
	rest := r.out
	for _, want := range []string{"An invented league: 1 season, ", "Loaded in ", "3 dead",
		"3 dates are spoilt on purpose", "export GAMEFILL_QUEUE=sqlite:",
		"publisher status", "publisher deadletters list", "publisher demo --mend --file ", "publisher replay --all --reason ",
		"publisher validate"} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("no %q, or too early, in\n%s", want, r.out)
		}
		rest = after
	}
	r = cli(t.Context(), "demo", "--mend", "--file", d.db)
	contains(t, r.out, "dead as source_empty", "Nothing happens by itself", "publisher replay")
	if r.code != exitDone {
		t.Errorf("mend: got exit code %d", r.code)
	}
}

// A file that is there is never replaced unless it is a demo's and the operator says so.
func TestDemoLeavesFilesAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	made := demoDesk(t)
	made.demo(exitDone)
	other := demoDesk(t) // a database of ours, without a demo in it
	csv := write("schedule.csv",
		"game_id,game_date,season,season_type,home_team,away_team,home_pts,away_pts,home_team_id,away_team_id\n"+
			"0022100001,2021-10-19,2021-22,regular,ATL,BOS,101,99,1,2\n")
	other.want(exitDone, "import", csv)

	tests := []struct {
		name string
		args []string
		want string
	}{
		{"a demo", []string{"--file", made.db}, "--fresh makes a demo's file anew"},
		{"another text", []string{"--file", csv}, "is there already"},
		{"another text, fresh", []string{"--fresh", "--file", csv}, "is no demo's file"},
		{"an empty file, fresh", []string{"--fresh", "--file", write("empty.db", "")}, "is no demo's file"},
		{"a folder, fresh", []string{"--fresh", "--file", dir}, "is no demo's file"},
		{"a database without a demo, fresh", []string{"--fresh", "--file", other.db}, "is no demo's file"},
		{"mending a database without a demo", []string{"--mend", "--file", other.db}, "is no demo's file"},
		{"mending a demo without failures", []string{"--mend", "--file", made.db}, "no spoilt dates"},
		{"mending nothing", []string{"--mend", "--file", filepath.Join(dir, "none.db")}, "no such file"},
		{"no seasons", []string{"--seasons", "0", "--file", filepath.Join(dir, "none.db")}, "--seasons must be from 1 to 4"},
		{"too many seasons", []string{"--seasons", "5", "--file", filepath.Join(dir, "none.db")},
			"--seasons must be from 1 to 4"},
		{"mending and failing", []string{"--mend", "--failures", "--file", made.db}, "it goes with --file only"},
		{"a path that is an address", []string{"--file", filepath.Join(dir, "a?b.db")}, "question mark"},
	}
	before := listing(t, dir)
	for _, tt := range tests {
		r := cli(t.Context(), append([]string{"demo"}, tt.args...)...)
		if r.code != exitUsage || r.out != "" {
			t.Errorf("%s: got exit code %d and %q, want %d and nothing", tt.name, r.code, r.out, exitUsage)
		}
		contains(t, r.errout, tt.want)
	}
	if diff := cmp.Diff(before, listing(t, dir)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
	contains(t, other.want(exitDone, "plan", "--dates", "2021-10-19").out, "1 to do")
	made.demo(exitDone, "--fresh")
}

func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	d := demoDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := cli(ctx, "demo", "--file", d.db)
	if r.code != exitInterrupted {
		t.Errorf("got exit code %d, want %d\n%s", r.code, exitInterrupted, r.errout)
	}
	contains(t, r.errout, "interrupted; no file is left behind")
	if files := listing(t, filepath.Dir(d.db)); len(files) > 0 {
		t.Errorf("got files %v, want none", files)
	}
}

// listing is the files of a folder with their content.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(content)
	}
	return files
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{
		"gamefill-demo.db": "gamefill-demo.db", "": "''", "my demo.db": "'my demo.db'", "it's.db": `'it'\''s.db'`, "$HOME/x": "'$HOME/x'", "~/x": "'~/x'",
	} {
		if got := quoted(word); got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
	}
}

// A league that is only loaded is done by the steps that are named.
func TestDemoLoad(t *testing.T) {
	t.Parallel()
	d := demoDesk(t)
	view, judgement := d.demo(exitDone, "--load", "--failures")
	if len(view.Loaded) == 0 || len(view.Failing) != 3 || judgement.Verdict != "" {
		t.Errorf("got %+v, want a spoilt league loaded and nothing judged", view)
	}
	span := []string{"--from", view.Range.From.String(), "--to", view.Range.To.String()}
	contains(t, d.want(exitDone, append([]string{"plan"}, span...)...).out, "67 to do")
	var last string
	for _, s := range view.Next {
		switch args := words(s.Command); {
		case args[0] == "worker":
			d.want(exitFailed, append([]string{"run"}, span...)...) // works in this process
		case args[0] == "publisher" && args[1] == "validate":
			last = d.want(exitFailed, args[1:]...).out
		case args[0] == "publisher":
			d.do(args[1:]...)
		}
	}
	contains(t, last, "64 complete, ", "3 dead")
}
