// Package cases_test shows, on the adapters of Google Cloud, how a run meets what has gone wrong for people who filled
// partitions over a queue: copies and lost acks, stops, stalls, faults of loads, quotas, leases that end too early.
//
// Everything runs within the test's process, on a job that is not about basketball: messages on the client library's
// own server for tests, the ledger in the Firestore emulator, tables in the fake of BigQuery's API. Times are scaled
// down.
package cases_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/publisher"
	"gamefill/internal/queue"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/retry"
	"gamefill/internal/setup"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/internal/worker"
	"gamefill/test/emulator"
)

// target is the job's table as BigQuery knows it.
const target = "project.weather.rain_per_day"

// week is 2022-06-06..12 without the 9th; ten is 2022-06-01..10.
var (
	week = []string{"2022-06-06", "2022-06-07", "2022-06-08", "2022-06-10", "2022-06-11", "2022-06-12"}
	ten  = days("2022-06-01", 10)
)

const monday, sunday = "2022-06-06", "2022-06-12"

// world is one job on the three services.
type world struct {
	t       *testing.T
	pubsub  *pubSub
	network *network
	service *bigqueryfake.Server
	url     string // of service
	hooks   *testjob.Hooks
	job     job.Job
	log     io.Writer // of workers
	ports
	workers, seeds atomic.Int64
}

// ports are what one process works on.
type ports struct {
	queue  queue.Queue
	ledger ledger.Ledger
	store  warehouse.Store
}

// conditions are what a test wants of its services; the zero value is a quiet day.
type conditions struct {
	queue   func(*pubsubqueue.Options)
	service bigqueryfake.Options
	store   func(*bigquerywarehouse.Options)
}

// newWorld makes a world whose calendar plans the dates, each with readings of two stations.
func newWorld(t *testing.T, c conditions, dates ...string) *world {
	t.Helper()
	w := &world{t: t, pubsub: newPubSub(t), network: &network{}, hooks: &testjob.Hooks{}, log: io.Discard}
	w.job = testjob.Job(w.hooks)
	w.queue = w.openQueue(c.queue)
	_, err := w.queue.(*pubsubqueue.Queue).Ensure(t.Context(), setup.Make)
	must(t, err)
	w.ledger = w.openLedger()
	c.service.Projects = []string{"project"}
	if c.service.ModificationsPer10s == 0 {
		c.service.ModificationsPer10s = 1_000_000
	}
	w.service = bigqueryfake.New(c.service)
	url, stop := bigqueryfake.Start(w.service)
	t.Cleanup(stop)
	w.url = url
	must(t, w.client().Dataset("weather").Create(t.Context(), &bigquery.DatasetMetadata{Location: "us-west2"}))
	w.store = w.openStore(c.store)
	for _, s := range testjob.Tables {
		must(t, w.store.Create(t.Context(), s))
	}
	w.seed(testjob.Stations, "", table.Row{table.String("north"), table.String("hills")},
		table.Row{table.String("south"), table.String("plain")})
	var plan, readings []table.Row
	for _, d := range dates {
		plan = append(plan, table.Row{table.Date(date(d)), table.Int(2), table.Bool(true)})
		readings = append(readings, reading(d, "north"), reading(d, "south"))
	}
	w.load(testjob.Plan, plan)
	w.load(testjob.Readings, readings)
	t.Cleanup(func() {
		if broken := w.service.Violations(target); len(broken) > 0 {
			t.Errorf("requests that must never be made:\n%s", strings.Join(broken, "\n"))
		}
		if n := w.service.Pending(); n > 0 {
			t.Errorf("faults that met no request: got %d, want 0", n)
		}
	})
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func date(text string) gamedate.Date { return gamedate.MustParse(text) }

// days are n dates in a row.
func days(first string, n int) (all []string) {
	for i := range n {
		all = append(all, date(first).AddDays(i).String())
	}
	return all
}

// client is that of another program.
func (w *world) client() *bigquery.Client {
	w.t.Helper()
	c, err := bigquery.NewClient(w.t.Context(), "project", option.WithEndpoint(w.url), option.WithoutAuthentication())
	must(w.t, err)
	c.Location = "us-west2"
	return c
}

// openStore is the warehouse as one more process has it.
func (w *world) openStore(change func(*bigquerywarehouse.Options)) warehouse.Store {
	w.t.Helper()
	o := bigquerywarehouse.Options{Project: "project", Location: "us-west2",
		Datasets: map[string]string{"weather": "project.weather"}, Endpoint: w.url,
		Modifications: 1_000_000, Poll: time.Millisecond, Retry: retry.Policy{Base: time.Millisecond}}
	if change != nil {
		change(&o)
	}
	s, err := bigquerywarehouse.New(w.t.Context(), o)
	must(w.t, err)
	return s
}

func (w *world) openQueue(change func(*pubsubqueue.Options)) *pubsubqueue.Queue {
	w.t.Helper()
	o := pubsubqueue.Options{Project: "project", Topic: "dates", UnaryPull: true,
		// The server for tests keeps no pause between deliveries, so a hundred of them last no time.
		Topology: pubsubqueue.Topology{AckDeadline: 10 * time.Second, RetryMin: time.Millisecond,
			RetryMax: 10 * time.Millisecond, DeliveryAttempts: 1_000_000},
		ClientOptions: []option.ClientOption{option.WithEndpoint(w.pubsub.Addr), option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}}
	if change != nil {
		change(&o)
	}
	q, err := pubsubqueue.New(w.t.Context(), o)
	must(w.t, err)
	w.t.Cleanup(func() { _ = q.Close() })
	return q
}

func (w *world) openLedger() *firestoreledger.Ledger {
	w.t.Helper()
	conn, err := grpc.NewClient(emulator.Firestore(w.t), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(w.network.unary), grpc.WithStreamInterceptor(w.network.stream))
	must(w.t, err)
	l, err := firestoreledger.New(w.t.Context(),
		firestoreledger.Options{Project: "gamefill-test", Prefix: rand.Text() + "_",
			Client: []option.ClientOption{option.WithGRPCConn(conn)}})
	must(w.t, err)
	w.t.Cleanup(func() { _ = l.Close() })
	return l
}

// pubSub is a Pub/Sub server of the test's own.
type pubSub struct {
	*pstest.Server
	mu    sync.Mutex     // guards what follows
	calls map[string]int // by method
	// refuse may answer a call with an error; it must not block.
	refuse func(method string, request any) error
	ahead  time.Duration // of the server's clock
}

func newPubSub(t *testing.T) *pubSub {
	t.Helper()
	p := &pubSub{calls: map[string]int{}}
	var reactors []pstest.ServerReactorOption
	for _, method := range []string{"Publish", "Pull", "CreateTopic", "GetTopic", "CreateSubscription",
		"GetSubscription"} {
		reactors = append(reactors, pstest.ServerReactorOption{FuncName: method, Reactor: reactor{p, method}})
	}
	p.Server = pstest.NewServer(reactors...)
	p.SetTimeNowFunc(func() time.Time {
		p.mu.Lock()
		defer p.mu.Unlock()
		return time.Now().Add(p.ahead)
	})
	t.Cleanup(func() { _ = p.Close() })
	return p
}

type reactor struct {
	p      *pubSub
	method string
}

func (r reactor) React(request any) (handled bool, answer any, err error) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	r.p.calls[r.method]++
	if r.p.refuse != nil {
		err = r.p.refuse(r.method, request)
	}
	if err == errNothing {
		return true, &pubsubpb.PullResponse{}, nil
	}
	return err != nil, nil, err
}

// errNothing as a refusal answers a pull as if no message waited.
var errNothing = status.Error(codes.NotFound, "no message")

// refusing replaces how calls are refused; nil ends it.
func (p *pubSub) refusing(refuse func(method string, request any) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// count is how often methods have been called.
func (p *pubSub) count(methods ...string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range methods {
		n += p.calls[m]
	}
	return n
}

// advance moves the server's clock: holds end earlier by so much.
func (p *pubSub) advance(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead += d
}

// dates are the messages for workers that the server has ever had.
func (p *pubSub) dates() []*pstest.Message {
	return slices.DeleteFunc(p.Messages(), func(m *pstest.Message) bool { return !strings.HasSuffix(m.Topic, "/dates") })
}

// unacked is how many of them wait or are held.
func (p *pubSub) unacked() (n int) {
	for _, m := range p.dates() {
		if m.Acks == 0 {
			n++
		}
	}
	return n
}

// network is the way to Firestore.
type network struct {
	down    atomic.Bool
	refused atomic.Int64
}

func (n *network) pass() error {
	if n.down.Load() {
		n.refused.Add(1)
		return status.Error(codes.Unavailable, "the service is currently unavailable")
	}
	return nil
}

func (n *network) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
	if err := n.pass(); err != nil {
		return err
	}
	return invoke(ctx, method, req, reply, cc, o...)
}

func (n *network) stream(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	open grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
	if err := n.pass(); err != nil {
		return nil, err
	}
	return open(ctx, d, cc, method, o...)
}

func reading(day, station string) table.Row {
	return table.Row{table.Date(date(day)), table.String(station), table.Int(9), table.Int(12)}
}

// load adds rows to a raw table.
func (w *world) load(s *table.Schema, rows []table.Row) {
	w.t.Helper()
	_, err := w.store.Load(w.t.Context(), s, nil, func(yield func(table.Row) error) error {
		for _, r := range rows {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	})
	must(w.t, err)
}

// seed replaces what a raw table has of a day; "" is a table without days.
func (w *world) seed(s *table.Schema, day string, rows ...table.Row) {
	w.t.Helper()
	write := warehouse.Write{Table: s, Fence: warehouse.Fence{Job: "seed", Generation: w.seeds.Add(1), Unguarded: true},
		Rows: rows}
	if day != "" {
		write.Date = date(day)
	}
	_, err := w.store.Replace(w.t.Context(), write)
	must(w.t, err)
}

// stations replaces a day's readings by one of each station.
func (w *world) stations(day string, names ...string) {
	w.t.Helper()
	var rows []table.Row
	for _, n := range names {
		rows = append(rows, reading(day, n))
	}
	w.seed(testjob.Readings, day, rows...)
}

// many are the names of n stations.
func many(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("station-%03d", i))
	}
	return names
}

func (w *world) publisher() *publisher.Publisher {
	w.t.Helper()
	p, err := publisher.New(w.t.Context(), w.job, publisher.Ports{Queue: w.queue, Ledger: w.ledger, Store: w.store})
	must(w.t, err)
	return p
}

func request(from, to string) publisher.Request {
	return publisher.Request{Range: gamedate.Range{From: date(from), To: date(to)}, Actor: "tester"}
}

func (w *world) tryPublish(r publisher.Request) (publisher.Result, error) {
	w.t.Helper()
	p := w.publisher()
	plan, err := p.Plan(w.t.Context(), r)
	must(w.t, err)
	return p.Publish(w.t.Context(), r, plan, nil)
}

func (w *world) publish(from, to string) publisher.Result {
	w.t.Helper()
	result, err := w.tryPublish(request(from, to))
	must(w.t, err)
	return result
}

// again puts further copies of a date's message on the queue.
func (w *world) again(e ledger.Entry, copies int) {
	w.t.Helper()
	m := queue.Envelope{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq}.Message()
	for _, err := range w.queue.Publish(w.t.Context(), slices.Repeat([]queue.Message{m}, copies)) {
		must(w.t, err)
	}
}

// config is a fast worker's, which ends when everything is settled.
func (w *world) config() worker.Config {
	return worker.Config{Owner: fmt.Sprintf("worker-%d", w.workers.Add(1)), Concurrency: 4, LeaseTTL: 20 * time.Second,
		Grace: 10 * time.Second, RetryBase: time.Millisecond, HeldWait: 20 * time.Millisecond,
		ControlEvery: 20 * time.Millisecond, ReconcileEvery: 100 * time.Millisecond, Drain: true}
}

// lasting is the same of a worker that goes on until it is stopped.
func (w *world) lasting() worker.Config {
	c := w.config()
	c.Drain = false
	return c
}

// worker is one on the world's ports as they are, or as change leaves them.
func (w *world) worker(c worker.Config, change ...func(*ports)) *worker.Worker {
	w.t.Helper()
	p := w.ports
	for _, f := range change {
		f(&p)
	}
	wk, err := worker.New(w.t.Context(), w.job, p.queue, p.ledger, p.store, slog.New(slog.NewTextHandler(w.log, nil)), c)
	must(w.t, err)
	return wk
}

// drain runs workers until everything is settled.
func (w *world) drain(workers ...*worker.Worker) {
	w.t.Helper()
	if len(workers) == 0 {
		workers = append(workers, w.worker(w.config()))
	}
	for _, err := range w.run(workers...) {
		must(w.t, err)
	}
}

// run runs workers at the same time and returns their errors.
func (w *world) run(workers ...*worker.Worker) []error {
	errs := make([]error, len(workers))
	var group sync.WaitGroup
	for i, wk := range workers {
		group.Go(func() { errs[i] = wk.Run(w.t.Context()) })
	}
	group.Wait()
	return errs
}

// start runs a worker beside the test; stop is its signal to end, and waits for it.
func (w *world) start(wk *worker.Worker) (stop func() error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- wk.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	w.t.Cleanup(func() { _ = stop() })
	return stop
}

// eventually polls; the bound only ends a broken test.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (w *world) entry(day string) ledger.Entry {
	w.t.Helper()
	entries, err := w.ledger.Entries(w.t.Context(), testjob.Name, gamedate.Range{From: date(day), To: date(day)})
	must(w.t, err)
	if len(entries) != 1 {
		w.t.Fatalf("entries of %s: got %d, want 1", day, len(entries))
	}
	return entries[0]
}

// latest is the job's newest run.
func (w *world) latest() ledger.Run {
	w.t.Helper()
	runs, err := w.ledger.ListRuns(w.t.Context(), testjob.Name, 1)
	must(w.t, err)
	return runs[0]
}

// counts are the dates of the newest run by state.
func (w *world) counts() map[ledger.State]int {
	w.t.Helper()
	counts, err := w.ledger.CountStates(w.t.Context(), testjob.Name, w.latest().ID)
	must(w.t, err)
	return counts
}

// attempts are those of the newest run that have ended.
func (w *world) attempts() []ledger.Attempt {
	w.t.Helper()
	all, err := w.ledger.Attempts(w.t.Context(),
		ledger.AttemptFilter{Job: testjob.Name, Run: w.latest().ID, EndedOnly: true}, 0)
	must(w.t, err)
	return all
}

// letters are the dead letters, folded first; an empty state is all.
func (w *world) letters(state ledger.LetterState) []ledger.DeadLetter {
	w.t.Helper()
	_, err := worker.Fold(w.t.Context(), w.queue, w.ledger)
	must(w.t, err)
	letters, err := w.ledger.DeadLetters(w.t.Context(), ledger.DeadLetterFilter{State: state})
	must(w.t, err)
	return letters
}

// nothingLost wants no date dead, no attempt spent and no dead letter.
func (w *world) nothingLost() {
	w.t.Helper()
	entries, err := w.ledger.RunEntries(w.t.Context(), testjob.Name, w.latest().ID)
	must(w.t, err)
	for _, e := range entries {
		if e.State == ledger.Dead || e.Spent != 0 {
			w.t.Errorf("%s: got %s with %d attempts spent, want it alive with none", e.Date, e.State, e.Spent)
		}
	}
	if letters := w.letters(""); len(letters) > 0 {
		w.t.Errorf("dead letters: got %+v, want none", letters)
	}
}

// passes judges a range and wants it complete and right, with so many dates.
func (w *world) passes(from, to string, complete int) publisher.Judgement {
	w.t.Helper()
	p := w.publisher()
	run, ok, err := w.ledger.OpenRun(w.t.Context(), testjob.Name)
	must(w.t, err)
	var open *ledger.Run
	if ok {
		open = &run
	}
	j, err := p.Validate(w.t.Context(), gamedate.Range{From: date(from), To: date(to)}, open, "tester",
		publisher.Judging{}, nil)
	must(w.t, err)
	if j.Verdict != job.Pass || j.States[ledger.Complete] != complete {
		w.t.Errorf("validate: got %s with %v, want pass with %d complete: %+v", j.Verdict, j.States, complete, j.Checks)
	}
	return j
}

// loads are the partitions of the target that load jobs replaced, in order of the jobs, failed ones included.
func (w *world) loads() (partitions []string) {
	var seen []string
	for _, r := range w.service.Audit() {
		if r.Kind == bigqueryfake.JobsInsertLoad && r.Table == testjob.Target.Name && r.Labels["purpose"] == "replace" &&
			!slices.Contains(seen, r.JobID) {
			seen, partitions = append(seen, r.JobID), append(partitions, r.Partition)
		}
	}
	return partitions
}

// rows is what the target has of a day.
func (w *world) rows(day string) int {
	w.t.Helper()
	m, err := w.store.Measure(w.t.Context(), testjob.Target, date(day))
	must(w.t, err)
	return m.Rows
}

// onLoads are load jobs into the target.
var onLoads = bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad, Table: testjob.Target.Name}
