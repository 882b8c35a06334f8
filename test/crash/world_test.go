// Package crash kills real processes. It builds both binaries with the tag crashtest, starts them on one SQLite file
// with an invented league in it, kills them with SIGKILL at every named crash point and at random instants, starts them
// again without it, and compares what they leave with an undisturbed run: the same table fingerprint, every date
// settled, one dead letter for the one date that has no box scores.
//
// GAMEFILL_CRASH_ROUNDS sets how many files the random killing works on; -short trims the list of crash points.
package crash

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/backend"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/worker"
	"gamefill/test/league"
	"gamefill/test/program"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// binaries are built once for the package.
var binaries *program.Set

func TestMain(m *testing.M) {
	os.Exit(program.Main(m, func(s *program.Set) { binaries = s }, "crashtest"))
}

// Exit codes of a worker that has drained a run with the poison date in it, and of a validation that finds it.
const deadDates = 3

// template is a file with an imported league, made once and copied by every test, and what an undisturbed run makes
// of it.
type template struct {
	options league.Options

	once    sync.Once
	league  *league.League
	content []byte // of the SQLite file
	want    publisher.Judgement
}

var (
	// small has few dates, so that a test is mostly its own crash; the fourth has no box scores and becomes dead.
	small = &template{options: league.Options{Dates: 10, NoBoxScores: []int{3}}}
	// large keeps several workers busy long enough to be killed in the midst of it.
	large = &template{options: league.Options{Dates: 60, NoBoxScores: []int{20}}}
)

// world is one copy of a template.
type world struct {
	program.File
	t        *testing.T
	template *template
}

// open returns a fresh copy of the template.
func (tp *template) open(t *testing.T) *world {
	t.Helper()
	tp.once.Do(func() { tp.make(t) })
	if tp.want.TableFingerprint == "" {
		t.Fatal("the template could not be made; another test says why")
	}
	return tp.copy(t)
}

// make imports the league and runs it undisturbed.
func (tp *template) make(t *testing.T) {
	dir := t.TempDir()
	l, err := league.Write(dir, tp.options)
	if err != nil {
		t.Fatal(err)
	}
	tp.league = l
	f := program.File{Set: binaries, Path: filepath.Join(dir, "template.db")}
	f.Publish(t, 0, append([]string{"import"}, l.Files()...)...)
	if tp.content, err = os.ReadFile(f.Path); err != nil {
		t.Fatal(err)
	}
	w := tp.copy(t)
	w.publish()
	w.drain(1)
	want := w.validate()
	if got := want.States[ledger.Complete]; got != len(l.GameDates)-1 || want.Rows != l.Rows || !want.Finished {
		t.Fatalf("undisturbed run: got %d complete dates, %d rows, finished %v; want %d, %d and true",
			got, want.Rows, want.Finished, len(l.GameDates)-1, l.Rows)
	}
	tp.want = want
}

func (tp *template) copy(t *testing.T) *world {
	t.Helper()
	w := &world{File: program.File{Set: binaries, Path: filepath.Join(t.TempDir(), "gamefill.db")}, t: t, template: tp}
	if err := os.WriteFile(w.Path, tp.content, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// args are a command over the whole league.
func (w *world) args(command string) []string {
	r := w.template.league.Range
	return []string{command, "--from", r.From.String(), "--to", r.To.String()}
}

// publishArgs publish the whole league at once.
func (w *world) publishArgs() []string { return append(w.args("publish"), "--sample-above", "0") }

func (w *world) publish() {
	w.t.Helper()
	w.Publish(w.t, 0, w.publishArgs()...)
}

// workerArgs are flags of an impatient worker: short leases and an early second publication, so that dates and messages
// in the hands of a killed one come back soon, and many attempts, so that crashes alone kill no date.
func workerArgs(more ...string) []string {
	return append([]string{"--lease-ttl", "2s", "--republish-after", "2s", "--reconcile-every", "200ms",
		"--control-every", "100ms", "--retry-base", "100ms", "--max-attempts", "50"}, more...)
}

// drain runs n workers at once until everything is settled.
func (w *world) drain(n int) {
	w.t.Helper()
	var running []*program.Process
	for range n {
		running = append(running, w.Start(w.t, "", program.Worker, workerArgs("--drain")...))
	}
	for _, p := range running {
		if r := p.Wait(); r.Code != deadDates {
			w.t.Fatalf("draining worker: got %v\nwant exit code %d for the date without box scores", r, deadDates)
		}
	}
}

// crash runs a binary and fails the test unless SIGKILL ends it.
func (w *world) crash(point, name string, args ...string) {
	w.t.Helper()
	if r := w.Run(w.t, point, name, args...); !r.Killed() {
		w.t.Fatalf("%s with GAMEFILL_CRASH=%s: got %v\nwant SIGKILL", name, point, r)
	}
}

// validate judges the open run, or the latest.
func (w *world) validate() publisher.Judgement {
	w.t.Helper()
	var j publisher.Judgement
	w.JSON(w.t, deadDates, &j, "validate")
	return j
}

// checkPublished wants every game date on the queue, and the ledger to know it, before any worker could mend it.
func (w *world) checkPublished() {
	w.t.Helper()
	l := w.template.league
	entries := w.Entries(w.t, l.Range)
	for _, d := range l.GameDates {
		if e := entries[d]; e.State != ledger.Pending || e.PublishedSeq != e.Seq {
			w.t.Errorf("%s after publishing again: got %s, seq %d published of %d; want pending and published", d, e.State,
				e.PublishedSeq, e.Seq)
		}
	}
	n, ok, err := w.Open(w.t).Queue.Backlog(context.Background())
	if err != nil || !ok || n < len(l.GameDates) {
		w.t.Errorf("messages on the queue: got %d, %v, %v; want at least %d", n, ok, err, len(l.GameDates))
	}
}

// check compares the file with what the undisturbed run left, after closing the run if it is open.
func (w *world) check() {
	w.t.Helper()
	got, want := w.validate(), w.template.want
	if got.TableFingerprint != want.TableFingerprint {
		w.t.Errorf("table fingerprint: got %s, want %s", got.TableFingerprint, want.TableFingerprint)
	}
	if got.Rows != want.Rows {
		w.t.Errorf("rows: got %d, want %d", got.Rows, want.Rows)
	}
	if diff := cmp.Diff(want.Checks, got.Checks); diff != "" {
		w.t.Errorf("checks (-undisturbed +crashed):\n%s", diff)
	}
	b := w.Open(w.t)
	w.checkEntries(b)
	w.checkAttempts(b)
	w.checkLetters(b)
	w.checkNothingLeft()
}

// checkEntries wants every date settled as the league says, and the run finished.
func (w *world) checkEntries(b *backend.Backend) {
	w.t.Helper()
	ctx, l := context.Background(), w.template.league
	entries, err := b.Ledger.Entries(ctx, summary.Job().Name, l.Range)
	if err != nil {
		w.t.Fatal(err)
	}
	states := map[gamedate.Date]ledger.State{}
	for _, e := range entries {
		states[e.Date] = e.State
	}
	for d := range l.Range.Dates() {
		want := ledger.NoGames
		switch {
		case slices.Contains(l.Dead, d):
			want = ledger.Dead
		case slices.Contains(l.GameDates, d):
			want = ledger.Complete
		}
		if states[d] != want {
			w.t.Errorf("state of %s: got %q, want %s", d, states[d], want)
		}
	}
	runs, err := b.Ledger.ListRuns(ctx, summary.Job().Name, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(runs) != 1 || runs[0].State != ledger.RunFinished {
		w.t.Errorf("runs: got %+v, want one finished run", runs)
	}
}

// checkAttempts wants the history of every date to be without gaps: as many attempts as claims and generations, each
// ended, all but the last of a publication given back, failed or expired, and the last one the date's own end.
func (w *world) checkAttempts(b *backend.Backend) {
	w.t.Helper()
	ctx, l := context.Background(), w.template.league
	entries, err := b.Ledger.Entries(ctx, summary.Job().Name, l.Range)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		attempts, err := b.Ledger.Attempts(ctx, ledger.AttemptFilter{Job: summary.Job().Name, Date: e.Date}, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(attempts) != e.Attempt || e.Generation != int64(e.Attempt) {
			w.t.Errorf("%s: got %d attempts recorded, %d claims, generation %d; want one number", e.Date, len(attempts),
				e.Attempt, e.Generation)
		}
		for i, a := range attempts { // newest first
			if a.N != len(attempts)-i || a.Generation != int64(a.N) || a.EndedAt.IsZero() {
				w.t.Errorf("%s: attempt %d of %d: got number %d, generation %d, end %v; want them in a row and ended", e.Date,
					len(attempts)-i, len(attempts), a.N, a.Generation, a.EndedAt)
			}
			complete, dead := a.Result == ledger.ResultComplete, a.Result == ledger.ResultDead
			switch {
			case i == 0 && complete != (e.State == ledger.Complete), i == 0 && dead != (e.State == ledger.Dead):
				w.t.Errorf("%s is %s: got a last attempt that is %s", e.Date, e.State, a.Result)
			case i > 0 && complete, i > 0 && dead && a.Seq == e.Seq:
				w.t.Errorf("%s: attempt %d of %d: got %s, want it to be the last of its publication", e.Date, a.N,
					len(attempts), a.Result)
			}
		}
	}
}

// checkLetters wants exactly one open letter, of the dead date's newest death: none lost, none doubled. Copies of it,
// and letters of earlier deaths, which a publish does once more, are kept and are not open.
func (w *world) checkLetters(b *backend.Backend) {
	w.t.Helper()
	ctx, l := context.Background(), w.template.league
	if _, err := worker.Fold(ctx, b.Queue, b.Ledger); err != nil { // what is still on the topic counts too
		w.t.Fatal(err)
	}
	entries, err := b.Ledger.Entries(ctx, summary.Job().Name, gamedate.Range{From: l.Dead[0], To: l.Dead[0]})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(entries) != 1 || !entries[0].DeadPublished {
		w.t.Errorf("entry of %s: got %+v, want one whose letter is published", l.Dead[0], entries)
		return
	}
	attempts, err := b.Ledger.Attempts(ctx, ledger.AttemptFilter{Job: summary.Job().Name, Date: l.Dead[0]}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	letters, err := b.Ledger.DeadLetters(ctx, ledger.DeadLetterFilter{Job: summary.Job().Name})
	if err != nil {
		w.t.Fatal(err)
	}
	died := map[int64]bool{} // by seq
	for _, a := range attempts {
		died[a.Seq] = died[a.Seq] || a.Result == ledger.ResultDead
	}
	open := 0
	for _, letter := range letters {
		if letter.Date != l.Dead[0] || !died[letter.Seq] {
			w.t.Errorf("dead letter of %s, seq %d: got it, want letters of deaths of %s alone", letter.Date,
				letter.Seq, l.Dead[0])
		}
		if letter.State == ledger.LetterOpen {
			open++
			if letter.Seq != entries[0].Seq {
				w.t.Errorf("open dead letter of %s: got seq %d, want %d", letter.Date, letter.Seq, entries[0].Seq)
			}
		}
	}
	if open != 1 {
		w.t.Errorf("open dead letters: got %d, want 1: %+v", open, letters)
	}
}

// checkNothingLeft wants a new plan to queue the dead date only: every other completion remembers what its date was
// made from, and those tokens are the ones of the tables.
func (w *world) checkNothingLeft() {
	w.t.Helper()
	var plan publisher.Plan
	w.JSON(w.t, 0, &plan, w.args("plan")...)
	for _, d := range plan.Dates {
		if dead := slices.Contains(w.template.league.Dead, d.Date); (d.Verdict == publisher.Queue) != dead {
			w.t.Errorf("plan of %s after the run: got %s %s %s, want only dead dates queued", d.Date,
				d.Verdict, d.Reason, d.Detail)
		}
	}
}

// patience bounds polls; it is far above what they need.
const patience = time.Minute

// untilComplete polls until at least n dates are complete, or p has ended.
func (w *world) untilComplete(b *backend.Backend, n int, p *program.Process) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		entries, err := b.Ledger.Entries(ctx, summary.Job().Name, w.template.league.Range)
		if err != nil {
			w.t.Fatal(err)
		}
		complete := 0
		for _, e := range entries {
			if e.State == ledger.Complete {
				complete++
			}
		}
		if complete >= n {
			return
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("complete dates after %v: got %d, want %d", patience, complete, n)
		case <-p.Done():
			w.t.Fatalf("the worker ended with %d complete dates, want %d: %v", complete, n, p.Wait())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// freeze freezes a process at an instant at which it is in no write transaction. A process frozen within one
// keeps SQLite's file lock for as long as it stands still, and with it every other process out.
func (w *world) freeze(p *program.Process) {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+w.Path+"?_txlock=immediate&_pragma=busy_timeout(0)")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		p.Freeze(w.t)
		tx, err := db.Begin()
		if err == nil {
			if err := tx.Rollback(); err != nil {
				w.t.Fatal(err)
			}
			return
		}
		if e, ok := errors.AsType[*sqlite.Error](err); !ok || e.Code() != sqlite3.SQLITE_BUSY {
			w.t.Fatal(err)
		}
		p.Signal(syscall.SIGCONT)
	}
	w.t.Fatalf("the process was in a transaction whenever it was frozen, for %v", patience)
}
