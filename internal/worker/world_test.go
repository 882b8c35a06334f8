package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/ledger/sqliteledger"
	"gamefill/internal/publisher"
	"gamefill/internal/queue"
	"gamefill/internal/queue/sqlitequeue"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/sqlitewarehouse"
	"gamefill/internal/worker"
)

// world is a whole embedded system on the test job.
type world struct {
	t      *testing.T
	path   string
	file   *sqlitefile.File
	queue  queue.Queue
	ledger ledger.Ledger
	store  warehouse.Store
	hooks  *testjob.Hooks
	job    job.Job
	owners atomic.Int64
}

// newWorld makes a world whose calendar plans the given dates, each with readings of two stations.
func newWorld(t *testing.T, dates ...string) *world {
	t.Helper()
	return newWorldOn(t, func(*world) {}, dates...)
}

// newWorldOn makes a world whose ports choose may replace before anything is stored.
func newWorldOn(t *testing.T, choose func(*world), dates ...string) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "world.db"), hooks: &testjob.Hooks{}}
	w.job = testjob.Job(w.hooks)
	w.openFile()
	choose(w)
	ctx := t.Context()
	for _, s := range testjob.Tables {
		must(t, w.store.Create(ctx, s))
	}
	w.load(testjob.Stations, nil, table.Row{table.String("north"), table.String("hills")},
		table.Row{table.String("south"), table.String("plain")})
	for _, text := range dates {
		w.plan(text, true)
		w.reading(text, "north", 12)
		w.reading(text, "south", 30)
	}
	return w
}

// openFile opens the world's file as another process would.
func (w *world) openFile() {
	w.t.Helper()
	ctx := w.t.Context()
	var err error
	w.file, err = sqlitefile.Open(ctx, w.path, sqlitefile.Options{})
	must(w.t, err)
	file := w.file
	w.t.Cleanup(func() { _ = file.Close() })
	w.queue, err = sqlitequeue.New(ctx, w.file, sqlitequeue.Options{Hold: time.Second})
	must(w.t, err)
	w.ledger, err = sqliteledger.New(ctx, w.file, sqliteledger.Options{})
	must(w.t, err)
	w.store, err = sqlitewarehouse.New(ctx, w.file, sqlitewarehouse.Options{})
	must(w.t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func date(text string) gamedate.Date { return gamedate.MustParse(text) }

// load adds rows to a raw table; replace columns take the place of earlier rows.
func (w *world) load(s *table.Schema, replace []string, rows ...table.Row) {
	w.t.Helper()
	_, err := w.store.Load(w.t.Context(), s, replace, func(yield func(table.Row) error) error {
		for _, r := range rows {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	})
	must(w.t, err)
}

func (w *world) plan(day string, closed bool) {
	w.load(testjob.Plan, []string{"day"}, table.Row{table.Date(date(day)), table.Int(2), table.Bool(closed)})
}

func (w *world) reading(day, station string, tenths int64) {
	w.load(testjob.Readings, nil, table.Row{table.Date(date(day)), table.String(station), table.Int(9), table.Int(tenths)})
}

// sql runs a statement behind gamefill's back, as a person with a SQLite shell would.
func (w *world) sql(statement string, args ...any) {
	w.t.Helper()
	must(w.t, w.file.Write(w.t.Context(), func(tx *sqlitefile.Tx) error {
		_, err := tx.Exec(statement, args...)
		return err
	}))
}

func (w *world) publisher() *publisher.Publisher {
	w.t.Helper()
	p, err := publisher.New(w.t.Context(), w.job, publisher.Ports{Queue: w.queue, Ledger: w.ledger, Store: w.store})
	must(w.t, err)
	return p
}

// request asks for a closed range.
func request(from, to string) publisher.Request {
	return publisher.Request{Range: gamedate.Range{From: date(from), To: date(to)}, Actor: "tester"}
}

// publish plans and publishes; it fails the test on an error.
func (w *world) publish(r publisher.Request) publisher.Result {
	w.t.Helper()
	p := w.publisher()
	plan, err := p.Plan(w.t.Context(), r)
	must(w.t, err)
	result, err := p.Publish(w.t.Context(), r, plan, nil)
	must(w.t, err)
	return result
}

// config is a fast worker's.
func (w *world) config() worker.Config {
	return worker.Config{Owner: fmt.Sprintf("worker-%d", w.owners.Add(1)), Concurrency: 4, LeaseTTL: 20 * time.Second,
		Grace: 10 * time.Second, RetryBase: time.Millisecond, HeldWait: 20 * time.Millisecond,
		ControlEvery: 10 * time.Millisecond, ReconcileEvery: 20 * time.Millisecond, Drain: true}
}

func (w *world) worker(c worker.Config) *worker.Worker {
	w.t.Helper()
	wk, err := worker.New(w.t.Context(), w.job, w.queue, w.ledger, w.store,
		slog.New(slog.NewTextHandler(io.Discard, nil)), c)
	must(w.t, err)
	return wk
}

// drain runs one worker until everything is settled.
func (w *world) drain() {
	w.t.Helper()
	must(w.t, w.worker(w.config()).Run(w.t.Context()))
}

// endsLikeEmbedded publishes the week of a world of whose ports some are not embedded, lets two workers drain it at
// once, and wants what an embedded world makes of that week. process gives the world the ports of one worker's process.
func (w *world) endsLikeEmbedded(process func()) {
	w.t.Helper()
	embedded := newWorld(w.t, week...)
	embedded.publish(request(monday, sunday))
	embedded.drain()
	want := embedded.validate(monday, sunday)

	w.publish(request(monday, sunday))
	var workers [2]*worker.Worker
	for i := range workers {
		process()
		workers[i] = w.worker(w.config())
	}
	var errs [len(workers)]error
	var group sync.WaitGroup
	for i, wk := range workers {
		group.Go(func() { errs[i] = wk.Run(w.t.Context()) })
	}
	group.Wait()
	must(w.t, errors.Join(errs[:]...))
	got := w.validate(monday, sunday)
	if got.Verdict != job.Pass || !got.Finished || got.Rows != want.Rows || got.TableFingerprint != want.TableFingerprint {
		w.t.Errorf("got verdict %s, finished %v, %d rows, fingerprint %s, want pass, true, %d, %s", got.Verdict,
			got.Finished, got.Rows, got.TableFingerprint, want.Rows, want.TableFingerprint)
	}
}

// claim takes a date as a worker does whose process then stands still or dies.
func (w *world) claim(e ledger.Entry, owner string, ttl time.Duration) ledger.Claim {
	w.t.Helper()
	c, err := w.ledger.Claim(w.t.Context(), ledger.ClaimRequest{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq,
		Owner: owner, TTL: ttl, Version: testjob.Version, MaxAttempts: 5})
	must(w.t, err)
	return c
}

func (w *world) entry(day string) ledger.Entry {
	w.t.Helper()
	entries, err := w.ledger.Entries(w.t.Context(), w.job.Name, gamedate.Range{From: date(day), To: date(day)})
	must(w.t, err)
	if len(entries) != 1 {
		w.t.Fatalf("entries of %s: got %d, want 1", day, len(entries))
	}
	return entries[0]
}

// states are the entry states of a range, in date order.
func (w *world) states(from, to string) []ledger.State {
	w.t.Helper()
	entries, err := w.ledger.Entries(w.t.Context(), w.job.Name, gamedate.Range{From: date(from), To: date(to)})
	must(w.t, err)
	var states []ledger.State
	for _, e := range entries {
		states = append(states, e.State)
	}
	return states
}

// validate judges a range, closing the open run if there is one.
func (w *world) validate(from, to string) publisher.Judgement {
	w.t.Helper()
	p := w.publisher()
	run, ok, err := w.ledger.OpenRun(w.t.Context(), w.job.Name)
	must(w.t, err)
	var open *ledger.Run
	if ok {
		open = &run
	}
	j, err := p.Validate(w.t.Context(), gamedate.Range{From: date(from), To: date(to)}, open, "tester",
		publisher.Judging{}, nil)
	must(w.t, err)
	return j
}

// fingerprint is the table fingerprint of a range.
func (w *world) fingerprint(from, to string) string { return w.validate(from, to).TableFingerprint }

// eventually polls a condition; the bound only ends a broken test.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// start runs a worker in the background; the returned function cancels it and returns its error.
func (w *world) start(c worker.Config) (stop func() error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	wk := w.worker(c)
	done := make(chan error, 1)
	go func() { done <- wk.Run(ctx) }()
	var err error
	ended := false
	stop = func() error {
		cancel()
		if !ended {
			err, ended = <-done, true
		}
		return err
	}
	w.t.Cleanup(func() { _ = stop() })
	return stop
}

func (w *world) dateValue(text string) table.Value { return table.Date(date(text)) }
