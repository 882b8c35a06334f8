package worker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/faultinject/faulttest"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/ledger/sqliteledger"
	"gamefill/internal/publisher"
	"gamefill/internal/snapshot"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
)

// The dates of a legacy table: the first has rows of others, the second none, the third rows without readings.
const (
	legacyDay = "2022-03-07"
	newDay    = "2022-03-08"
	orphanDay = "2022-03-09"
)

// legacyRows are rows as somebody else left them, with a remark of his own and an odd clock.
func legacyRows(day string) []table.Row {
	at := table.Timestamp(time.Date(2019, 5, 6, 7, 8, 9, 123_000, time.UTC))
	return []table.Row{
		{table.Date(date(day)), table.String("north"), table.Null, table.Int(99), at, table.String("by hand")},
		{table.Date(date(day)), table.String("south"), table.String("?"), table.Null, at, table.Null},
	}
}

// newLegacy is a world whose target holds rows already, and what it holds.
func newLegacy(t *testing.T) (*world, map[string][]string) {
	w := newWorld(t, legacyDay, newDay)
	for _, day := range []string{legacyDay, orphanDay} {
		_, err := w.store.Replace(t.Context(),
			warehouse.Write{Table: testjob.Target, Date: date(day), Fence: warehouse.Fence{Unguarded: true},
				Rows: legacyRows(day)})
		must(t, err)
	}
	return w, w.target()
}

// target is every value of the target table by date, as sorted texts.
func (w *world) target() map[string][]string {
	w.t.Helper()
	all := map[string][]string{}
	for d := range (gamedate.Range{From: date(legacyDay), To: date(orphanDay)}).Dates() {
		p, err := w.store.Read(w.t.Context(), testjob.Target, d)
		must(w.t, err)
		for _, row := range p.Rows {
			var texts []string
			for _, v := range row {
				texts = append(texts, v.Type().String()+" "+v.Text())
			}
			all[d.String()] = append(all[d.String()], strings.Join(texts, "|"))
		}
		slices.Sort(all[d.String()])
	}
	return all
}

// finished publishes the three dates, does them and closes the run.
func (w *world) finished(change ...func(*publisher.Request)) string {
	w.t.Helper()
	r := request(legacyDay, orphanDay)
	for _, c := range change {
		c(&r)
	}
	run := w.publish(r).RunID
	w.drain()
	if j := w.validate(legacyDay, orphanDay); !j.Finished {
		w.t.Fatalf("run %s: got %+v, want it finished", run, j)
	}
	return run
}

// rollback rolls a run back; it fails the test on an error.
func (w *world) rollback(r publisher.RollbackRequest) *publisher.RolledBack {
	w.t.Helper()
	r.Reason, r.Actor = "a test", "tester"
	got, err := w.publisher().Rollback(w.t.Context(), r, nil)
	must(w.t, err)
	return got
}

// outcomes are what became of the dates, "DATE outcome".
func outcomes(r *publisher.RolledBack) (all []string) {
	for _, d := range r.Dates {
		all = append(all, d.Date.String()+" "+string(d.Outcome))
	}
	return all
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var allBack = []string{legacyDay + " rolled_back", newDay + " rolled_back", orphanDay + " rolled_back"}

func TestRollbackPutsBackEveryValue(t *testing.T) {
	t.Parallel()
	w, before := newLegacy(t)
	run := w.finished()
	after := w.target()
	if len(after[legacyDay]) != 2 || len(after[newDay]) != 2 || len(after[orphanDay]) != 0 ||
		slices.Equal(after[legacyDay], before[legacyDay]) {
		t.Fatalf("after the run: got %v, want the first two dates built and the third emptied", after)
	}

	dry := w.rollback(publisher.RollbackRequest{Run: run, DryRun: true})
	wantEqual(t, "dry run", outcomes(dry), allBack)
	wantEqual(t, "table after the dry run", w.target(), after)
	wantEqual(t, "states after the dry run", w.states(legacyDay, orphanDay),
		[]ledger.State{ledger.Complete, ledger.Complete, ledger.Complete})

	wantEqual(t, "rollback", outcomes(w.rollback(publisher.RollbackRequest{Run: run})), allBack)
	wantEqual(t, "table", w.target(), before)
	wantEqual(t, "states", w.states(legacyDay, orphanDay),
		[]ledger.State{ledger.RolledBack, ledger.RolledBack, ledger.RolledBack})
	events, err := w.ledger.Events(t.Context(), testjob.Name, run, 3)
	must(t, err)
	for _, e := range events {
		if e.Kind != "rolled_back" || e.Actor != "tester" || e.Message != "a test" || e.Date.IsZero() {
			t.Errorf("event: got %+v, want a date rolled back by the tester", e)
		}
	}

	again := w.rollback(publisher.RollbackRequest{Run: run})
	wantEqual(t, "rollback repeated", outcomes(again),
		[]string{legacyDay + " back_before", newDay + " back_before", orphanDay + " back_before"})
	wantEqual(t, "table after the repetition", w.target(), before)

	j := w.validate(legacyDay, orphanDay)
	checks := map[string]job.Verdict{}
	for _, c := range j.Checks {
		checks[c.Name] = c.Verdict
	}
	if checks["no rolled-back dates"] != job.Warned || checks["partitions are what was recorded"] != job.Pass {
		t.Errorf("validate: got %+v, want a warning about rolled-back dates and no other writer", j.Checks)
	}
	if j.Verdict != job.Warned {
		t.Errorf("validate of a run that was rolled back: got %s, want %s: %+v", j.Verdict, job.Warned, j.Checks)
	}
	w.sql(`DELETE FROM rain_per_day WHERE day = ?`, legacyDay)
	j = w.validate(legacyDay, orphanDay)
	wantEqual(t, "overwritten", j.Overwritten, []gamedate.Date{date(legacyDay)})
	for _, c := range j.Checks {
		if c.Name == "partitions are what was recorded" && c.Verdict != job.Failed {
			t.Errorf("validate after somebody deleted rows that were put back: got %+v, want a failure", c)
		}
	}
}

func TestRollbackOfSomeDates(t *testing.T) {
	t.Parallel()
	w, before := newLegacy(t)
	run := w.finished()
	after := w.target()
	got := w.rollback(publisher.RollbackRequest{Run: run, Dates: []gamedate.Date{date(orphanDay)}})
	wantEqual(t, "one date", outcomes(got), []string{orphanDay + " rolled_back"})
	wantEqual(t, "the date", w.target()[orphanDay], before[orphanDay])
	wantEqual(t, "another", w.target()[legacyDay], after[legacyDay])
	got = w.rollback(publisher.RollbackRequest{Run: run, Range: gamedate.Range{From: date(newDay), To: date(orphanDay)}})
	wantEqual(t, "a range", outcomes(got), []string{newDay + " rolled_back", orphanDay + " back_before"})
	got = w.rollback(
		publisher.RollbackRequest{Run: run, Dates: []gamedate.Date{date("2022-04-01")},
			Range: gamedate.Range{From: date("2022-04-01"), To: date("2022-04-01")}})
	wantEqual(t, "a date of nobody", outcomes(got), []string{"2022-04-01 refused"})
}

func TestRollbackRefusesADateThatIsNotTheRunsAnyMore(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// meanwhile happens between the run and its rollback.
		meanwhile func(w *world, run string)
		say       string
	}{
		{"somebody wrote", func(w *world, _ string) { w.sql(`UPDATE rain_per_day SET tenths = 1 WHERE day = ?`, legacyDay) },
			"the run wrote"},
		{"somebody deleted", func(w *world, _ string) { w.sql(`DELETE FROM rain_per_day WHERE day = ?`, legacyDay) },
			"fingerprint empty, the run wrote"},
		{"somebody filled his own columns", func(w *world, _ string) {
			w.sql(`UPDATE rain_per_day SET remark = 'later' WHERE day = ?`, legacyDay)
		}, "columns since that gamefill does not fill"},
		{"what was kept is gone", func(w *world, run string) {
			_, err := w.store.Drop(w.t.Context(), snapshot.Table(testjob.Target, run))
			must(w.t, err)
		}, "not kept any more: there is no table weather.rain_per_day_before_"},
		{"what was kept was changed", func(w *world, run string) {
			w.sql(`UPDATE ` + snapshot.Table(testjob.Target, run).Name + ` SET tenths = 1`)
		}, "the run replaced 2 with"},
		{"another run has done it", func(w *world, _ string) {
			w.reading(legacyDay, "north", 500)
			w.finished()
		}, "has done it since"},
		{"it is queued again", func(w *world, _ string) {
			w.reading(legacyDay, "north", 500)
			w.publish(request(legacyDay, legacyDay))
		}, "it is pending in run"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, _ := newLegacy(t)
			run := w.finished()
			tt.meanwhile(w, run)
			before := w.target()[legacyDay]
			got := w.rollback(
				publisher.RollbackRequest{Run: run, Dates: []gamedate.Date{date(legacyDay)},
					Range: gamedate.Range{From: date(legacyDay), To: date(legacyDay)}})
			if len(got.Dates) != 1 || got.Dates[0].Outcome != publisher.Refused ||
				!strings.Contains(got.Dates[0].Detail, tt.say) {
				t.Errorf("got %+v, want a refusal that says %q", got.Dates, tt.say)
			}
			wantEqual(t, "the partition", w.target()[legacyDay], before)
			rest := w.rollback(publisher.RollbackRequest{Run: run, Dates: []gamedate.Date{date(newDay)}})
			wantEqual(t, "another date", outcomes(rest), []string{newDay + " rolled_back"})
		})
	}
}

// A date of a build that recorded nothing of what it kept cannot be put back, unless there was nothing before.
func TestRollbackOfADateThatWasNotKept(t *testing.T) {
	t.Parallel()
	w, _ := newLegacy(t)
	run := w.finished()
	w.sql(`UPDATE ledger_facts SET facts = json_remove(facts, '$.kept', '$.content_fingerprint')`)
	got := w.rollback(publisher.RollbackRequest{Run: run})
	wantEqual(t, "outcomes", outcomes(got),
		[]string{legacyDay + " refused", newDay + " rolled_back", orphanDay + " refused"})
}

func TestRollbackNeedsARunAtRest(t *testing.T) {
	t.Parallel()
	w, before := newLegacy(t)
	run := w.publish(request(legacyDay, orphanDay)).RunID
	r := publisher.RollbackRequest{Run: run, Reason: "a test"}
	refused := func(say string) {
		t.Helper()
		if _, err := w.publisher().Rollback(t.Context(), r, nil); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("got %v, want an error that says %q", err, say)
		}
	}
	refused("pause it first")
	e := w.entry(legacyDay)
	claim := w.claim(e, "busy", time.Minute)
	_, err := w.publisher().Pause(t.Context(), run, "a test", "tester")
	must(t, err)
	refused("1 date is in flight in run " + run + ", the first is " + legacyDay)
	must(t, w.ledger.Release(t.Context(), claim.Lease, ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased}))
	_, err = w.publisher().Resume(t.Context(), run, "a test", "tester")
	must(t, err)
	w.drain()
	_, err = w.publisher().Pause(t.Context(), run, "a test", "tester")
	must(t, err)
	wantEqual(t, "paused", outcomes(w.rollback(publisher.RollbackRequest{Run: run, Dates: []gamedate.Date{date(newDay)}})),
		[]string{newDay + " rolled_back"})
	_, err = w.publisher().Cancel(t.Context(), run, "a test", "tester")
	must(t, err)
	wantEqual(t, "cancelled", outcomes(w.rollback(publisher.RollbackRequest{Run: run})),
		[]string{legacyDay + " rolled_back", newDay + " back_before", orphanDay + " rolled_back"})
	wantEqual(t, "table", w.target(), before)

	r.Reason = " "
	refused("--reason")
	r.Reason, r.Run = "a test", "nobody"
	if _, err := w.publisher().Rollback(t.Context(), r, nil); !errors.Is(err, ledger.ErrNoRun) {
		t.Errorf("got %v, want %v", err, ledger.ErrNoRun)
	}
}

// A run that does a date several times puts back what was there before the first of them.
func TestWhatTheRunWroteItselfIsNotKept(t *testing.T) {
	t.Parallel()
	w, before := newLegacy(t)
	run := w.publish(request(legacyDay, orphanDay)).RunID
	w.drain()
	// joins
	w.publish(publisher.Request{Range: gamedate.Range{From: date(legacyDay), To: date(orphanDay)}, Force: true,
		Actor: "tester"})
	w.reading(legacyDay, "north", 500)
	w.drain()
	if got := w.entry(legacyDay); got.Run != run || got.Attempt != 2 || !got.Facts.Kept || got.Facts.PreImageRows != 2 {
		t.Fatalf("got %+v with facts %+v, want a second attempt of the run with the first one's pre-image", got, got.Facts)
	}
	w.validate(legacyDay, orphanDay)
	wantEqual(t, "rollback", outcomes(w.rollback(publisher.RollbackRequest{Run: run})), allBack)
	wantEqual(t, "table", w.target(), before)
}

// A worker that dies between its write and its completion leaves rows of the run: the next must not take them for what
// was there before.
func TestWhatACrashLeftIsNotKept(t *testing.T) {
	t.Parallel()
	w, before := newLegacy(t)
	run := w.publish(request(legacyDay, orphanDay)).RunID
	real := w.store
	for _, fault := range []faulttest.Fault{
		{Method: faulttest.Measure, Table: testjob.Target.FullName(), Date: date(legacyDay), Times: 1, Effect: faulttest.Fail,
			Err: errors.New("lost at the read-back")},
		{Method: faulttest.Replace, Table: testjob.Target.FullName(), Date: date(orphanDay), Times: 1,
			Effect: faulttest.LoseReply, Err: errors.New("lost reply of the write")},
		{Method: faulttest.Measure, Table: snapshot.Table(testjob.Target, run).FullName(), Date: date(legacyDay), Times: 1,
			Effect: faulttest.Fail, Err: errors.New("lost while it was kept")},
	} {
		w.store = faulttest.Warehouse(w.store, fault)
	}
	w.drain()
	w.store = real
	if a, b := w.entry(legacyDay), w.entry(orphanDay); a.Attempt < 3 || b.Attempt != 2 {
		t.Fatalf("attempts: got %d and %d, want the faults to have struck", a.Attempt, b.Attempt)
	}
	w.validate(legacyDay, orphanDay)
	wantEqual(t, "rollback", outcomes(w.rollback(publisher.RollbackRequest{Run: run})), allBack)
	wantEqual(t, "table", w.target(), before)
}

// Rows that somebody else put in the run's way are what the run replaced last.
func TestForeignWritesDuringTheRunAreKept(t *testing.T) {
	t.Parallel()
	w, _ := newLegacy(t)
	run := w.publish(request(legacyDay, orphanDay)).RunID
	w.drain()
	w.sql(`UPDATE rain_per_day SET tenths = 77 WHERE day = ?`, legacyDay)
	theirs := w.target()[legacyDay]
	w.publish(publisher.Request{Range: gamedate.Range{From: date(legacyDay), To: date(legacyDay)}, Force: true,
		Actor: "tester"})
	w.drain()
	w.validate(legacyDay, orphanDay)
	w.rollback(publisher.RollbackRequest{Run: run})
	wantEqual(t, "partition", w.target()[legacyDay], theirs)
}

func TestRunThatChangesNothingHasNothingToPutBack(t *testing.T) {
	t.Parallel()
	w, _ := newLegacy(t)
	w.finished()
	second := w.finished(func(r *publisher.Request) { r.Force = true })
	wantEqual(t, "outcomes", outcomes(w.rollback(publisher.RollbackRequest{Run: second})),
		[]string{legacyDay + " unchanged", newDay + " unchanged"})
	snapshots, err := w.publisher().Snapshots(t.Context())
	must(t, err)
	if len(snapshots) != 1 || snapshots[0].Run == second || snapshots[0].Rows != 4 {
		t.Errorf("snapshots: got %+v, want the first run's with 4 rows", snapshots)
	}
}

func TestRolledBackDatesAreLeftUntilAskedFor(t *testing.T) {
	t.Parallel()
	w, _ := newLegacy(t)
	run := w.finished()
	after := w.target()
	w.rollback(publisher.RollbackRequest{Run: run})
	verdicts := func(change func(*publisher.Request)) (all []string) {
		t.Helper()
		r := request(legacyDay, orphanDay)
		change(&r)
		plan, err := w.publisher().Plan(t.Context(), r)
		must(t, err)
		for _, d := range plan.Dates {
			all = append(all, strings.TrimSpace(string(d.Verdict)+" "+d.Reason))
		}
		return all
	}
	wantEqual(t, "plan", verdicts(func(*publisher.Request) {}), []string{"rolled_back", "rolled_back", "rolled_back"})
	asked := []string{"queue rolled back", "queue rolled back", "queue rows without games"}
	wantEqual(t, "plan --rolled-back", verdicts(func(r *publisher.Request) { r.Undone = true }), asked)
	wantEqual(t, "plan --force", verdicts(func(r *publisher.Request) { r.Force = true }), asked)
	if result := w.publish(request(legacyDay, orphanDay)); !result.Nothing {
		t.Errorf("publish: got %+v, want nothing to do", result)
	}

	second := w.finished(func(r *publisher.Request) { r.Undone = true })
	for day, rows := range w.target() {
		if len(rows) != len(after[day]) {
			t.Errorf("%s done again: got %v, want %v", day, rows, after[day])
		}
	}
	wantEqual(t, "the second run's rollback", outcomes(w.rollback(publisher.RollbackRequest{Run: second})), allBack)
}

// between is a store at which something happens right before the target is replaced.
type between struct {
	warehouse.Store
	happens func()
}

func (s *between) Replace(ctx context.Context, w warehouse.Write) (warehouse.Receipt, error) {
	if w.Table.Name == testjob.Target.Name && s.happens != nil {
		s.happens()
		s.happens = nil
	}
	return s.Store.Replace(ctx, w)
}

func TestAWorkerThatClaimsMeanwhileWins(t *testing.T) {
	t.Parallel()
	w, _ := newLegacy(t)
	run := w.finished()
	after := w.target()[legacyDay]
	real := w.store
	w.store = &between{real, func() {
		w.store = real
		r := request(legacyDay, legacyDay)
		r.Force = true
		w.publish(r)
		w.drain()
	}}
	got := w.rollback(publisher.RollbackRequest{Run: run, Dates: []gamedate.Date{date(legacyDay)}})
	if len(got.Dates) != 1 || got.Dates[0].Outcome != publisher.Refused ||
		!strings.Contains(got.Dates[0].Detail, "taken it meanwhile") {
		t.Errorf("got %+v, want a refusal", got.Dates)
	}
	if e := w.entry(legacyDay); e.State != ledger.Complete || e.Run == run || len(w.target()[legacyDay]) != len(after) {
		t.Errorf("got %s in run %s with %v, want it complete in another run", e.State, e.Run, w.target()[legacyDay])
	}
}

func TestAnInterruptedRollbackIsFinished(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	tests := []struct {
		name  string
		fault faulttest.Fault
	}{
		{"before the write", faulttest.Fault{Method: faulttest.Replace, Effect: faulttest.Fail, Err: lost}},
		{"after the write", faulttest.Fault{Method: faulttest.Replace, Effect: faulttest.LoseReply, Err: lost}},
		{"write that was never made", faulttest.Fault{Method: faulttest.Replace, Effect: faulttest.Pretend}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, before := newLegacy(t)
			run := w.finished()
			real := w.store
			w.store = faulttest.Warehouse(real, tt.fault)
			wantEqual(t, "interrupted",
				outcomes(w.rollback(publisher.RollbackRequest{Run: run, Dates: []gamedate.Date{date(legacyDay)}})),
				[]string{legacyDay + " failed"})
			w.store = real
			plan, err := w.publisher().Plan(t.Context(), request(legacyDay, legacyDay))
			must(t, err)
			if d := plan.Dates[0]; d.Verdict != publisher.Undone || !strings.Contains(d.Detail, "interrupted") {
				t.Errorf("plan: got %+v, want it left as interrupted", d)
			}
			if j := w.validate(legacyDay, orphanDay); j.Verdict != job.Failed {
				t.Errorf("validate: got %+v, want a failure", j.Checks)
			}
			wantEqual(t, "repeated", outcomes(w.rollback(publisher.RollbackRequest{Run: run})), allBack)
			wantEqual(t, "table", w.target(), before)
		})
	}
}

// Values in columns of others come back too where erasing them was all that the run did.
func TestRollbackOfErasedColumns(t *testing.T) {
	t.Parallel()
	w, _ := newLegacy(t)
	w.finished()
	w.sql(`UPDATE rain_per_day SET remark = 'mine' WHERE day = ?`, newDay)
	before := w.target()
	build := w.job.Build
	w.job.Build = func(shared any, in job.Input) (job.Output, error) {
		in.Previous = nil // the job carries remarks over from there
		return build(shared, in)
	}
	second := w.finished(func(r *publisher.Request) { r.Force = true })
	if got := w.target()[newDay]; slices.Equal(got, before[newDay]) {
		t.Fatalf("got %v, want the remarks erased", got)
	}
	w.rollback(publisher.RollbackRequest{Run: second})
	wantEqual(t, "table", w.target()[newDay], before[newDay])
}

func TestSnapshotsAreDropped(t *testing.T) {
	t.Parallel()
	w, _ := newLegacy(t)
	now := time.Now()
	past := func(age time.Duration) { // the ledger's clock
		var err error
		w.ledger, err = sqliteledger.New(t.Context(), w.file,
			sqliteledger.Options{Now: func() time.Time { return now.Add(-age) }})
		must(t, err)
	}
	const day = 24 * time.Hour
	again := func(r *publisher.Request) { r.Force = true }
	runs := func() (ids []string) {
		t.Helper()
		snapshots, err := w.publisher().Snapshots(t.Context())
		must(t, err)
		for _, s := range snapshots {
			ids = append(ids, s.Run)
		}
		return ids
	}
	past(40 * day)
	oldest := w.finished()
	wantEqual(t, "kept by the first run", runs(), []string{oldest})
	past(20 * day)
	w.reading(legacyDay, "north", 500)
	newer := w.finished(again) // a new run drops what has been kept for longer than the retention
	wantEqual(t, "kept after 20 days", runs(), []string{newer})
	past(0)
	w.reading(legacyDay, "north", 600)
	open := w.publish(request(legacyDay, orphanDay)).RunID
	w.drain()
	wantEqual(t, "kept after today's run", runs(), []string{open, newer})

	p := w.publisher()
	dropped, err := p.DropSnapshots(t.Context(), now.Add(time.Hour), "tester", true)
	must(t, err)
	if len(dropped) != 1 || dropped[0].Run != newer || len(runs()) != 2 {
		t.Errorf("dry run: got %+v, want the ended run's and nothing dropped", dropped)
	}
	dropped, err = p.DropSnapshots(t.Context(), now.Add(time.Hour), "tester", false)
	must(t, err)
	if len(dropped) != 1 || dropped[0].Run != newer {
		t.Errorf("dropped: got %+v, want that of %s", dropped, newer)
	}
	wantEqual(t, "kept by the open run", runs(), []string{open})
	events, err := w.ledger.Events(t.Context(), testjob.Name, newer, 1)
	must(t, err)
	if len(events) != 1 || events[0].Kind != "snapshot_dropped" || events[0].Actor != "tester" {
		t.Errorf("events: got %+v, want the dropping", events)
	}
}
