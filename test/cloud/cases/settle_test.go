package cases_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"gamefill/internal/failure"
	"gamefill/internal/faultinject/faulttest"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/queue"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/worker"
)

// replay folds and replays every open letter.
func (w *world) replay() publisher.ReplayResult {
	w.t.Helper()
	w.letters("")
	result, err := w.publisher().Replay(w.t.Context(), publisher.ReplayRequest{Reason: "mended", Actor: "tester"})
	must(w.t, err)
	return result
}

// TestPublishThatFailsForAWhile: two refusals of the service are no failure of the command.
func TestPublishThatFailsForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, ten...)
	refusals := 0
	w.pubsub.refusing(func(method string, _ any) error {
		if method != "Publish" {
			return nil
		}
		if refusals++; refusals > 2 {
			return nil
		}
		return status.Error(codes.Unavailable, "try again")
	})
	if r := w.publish(ten[0], ten[9]); r.Published != 10 || len(w.pubsub.dates()) != 10 {
		t.Errorf("got %d published and %d messages, want 10 and 10", r.Published, len(w.pubsub.dates()))
	}
	if n := w.pubsub.count("Publish"); n < 3 {
		t.Errorf("got %d calls, want the two refused ones and more", n)
	}
}

// TestPublishThatFailsForGood: the one date that did not get through is named, and a rerun publishes it alone.
func TestPublishThatFailsForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, ten...)
	real := w.queue
	w.queue = faulttest.Queue(real,
		faulttest.QueueFaults{FailPublish: map[int]error{5: errors.New("no route to the service")}})
	_, err := w.tryPublish(request(ten[0], ten[9]))
	unsent, ok := errors.AsType[*publisher.UnsentError](err)
	if !ok || len(unsent.Unsent) != 1 || unsent.Unsent[0].Date != date(ten[4]) || len(w.pubsub.dates()) != 9 {
		t.Fatalf("got %v and %d messages, want %s unsent and 9", err, len(w.pubsub.dates()), ten[4])
	}
	w.queue = real
	if r := w.publish(ten[0], ten[9]); r.Published != 1 || len(w.pubsub.dates()) != 10 {
		t.Errorf("rerun: got %d published and %d messages in all, want 1 and 10", r.Published, len(w.pubsub.dates()))
	}
	w.drain()
	w.passes(ten[0], ten[9], 10)
}

// TestPublishedIsNotComplete: without a worker nothing is complete, and publishing twice loads once.
func TestPublishedIsNotComplete(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, ten...)
	w.publish(ten[0], ten[9])
	if diff := cmp.Diff(map[ledger.State]int{ledger.Pending: 10}, w.counts()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if r := w.publish(ten[0], ten[9]); r.Known != 10 || r.Published != 0 {
		t.Errorf("second publish: got %d known and %d published, want 10 and 0", r.Known, r.Published)
	}
	w.drain()
	if loads := w.loads(); len(loads) != 10 {
		t.Errorf("got loads %v, want one a date", loads)
	}
	w.passes(ten[0], ten[9], 10)
}

// TestLargePlanNeedsFewAdminCalls: how often topics and subscriptions are looked at does not grow with the range.
func TestLargePlanNeedsFewAdminCalls(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("publishes 600 dates")
	}
	var dates []string
	for i, d := range days("2021-10-01", 944) {
		if i%3 != 2 && len(dates) < 600 {
			dates = append(dates, d)
		}
	}
	w := newWorld(t, conditions{}, dates...)
	admin := []string{"CreateTopic", "GetTopic", "CreateSubscription", "GetSubscription"}
	before := w.pubsub.count(admin...)
	_, err := w.queue.(*pubsubqueue.Queue).Check(t.Context())
	must(t, err)
	if r := w.publish("2021-10-01", "2024-05-01"); r.Published != 600 {
		t.Errorf("got %d published, want 600", r.Published)
	}
	if n := w.pubsub.count(admin...) - before; n > 2 {
		t.Errorf("admin calls: got %d, want at most 2", n)
	}
}

// TestPermanentAndTransientPartWays: what no repetition mends is dead at once with everything that a person needs; two
// refusals of the warehouse are no attempt.
func TestPermanentAndTransientPartWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, week...)
	w.stations(monday, "north", testjob.Permanent)
	unavailable := onLoads
	unavailable.Partition = "20220607"
	w.service.FailNext(unavailable, 2, serviceUnavailable)
	w.publish(monday, sunday)
	w.drain()
	letters := w.letters(ledger.LetterOpen)
	if len(letters) != 1 {
		t.Fatalf("open letters: got %+v, want one", letters)
	}
	l := letters[0]
	if l.Date != date(monday) || l.Run != w.latest().ID || l.Attempts != 1 || l.Failure.Class != failure.Permanent ||
		l.Failure.Reason != "bad_station" || l.PublishedAt.IsZero() {
		t.Errorf("letter: got %+v, want that of %s, permanent by bad_station after 1 attempt", l, monday)
	}
	if e := w.entry("2022-06-07"); e.State != ledger.Complete || e.Attempt != 1 || e.Spent != 0 {
		t.Errorf("date of a busy service: got %s at attempt %d with %d spent, want complete at 1 with 0",
			e.State, e.Attempt, e.Spent)
	}
	if n := w.pubsub.unacked(); n != 0 {
		t.Errorf("messages left: got %d, want none", n)
	}
}

// TestReplayTouchesOnlyWhatFails: the first replay does two dates, the second the one that failed again.
func TestReplayTouchesOnlyWhatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, ten...)
	w.stations(ten[2], "north", testjob.Permanent)
	w.stations(ten[6], "north", testjob.TooWet)
	w.publish(ten[0], ten[9])
	w.drain()
	for i, mend := range []string{ten[2], ten[6]} {
		w.stations(mend, "north", "south")
		before := w.hooks.Builds.Load()
		result := w.replay()
		w.drain()
		if want := 2 - i; len(result.Dates) != want || int(w.hooks.Builds.Load()-before) != want {
			t.Errorf("replay %d: got %v and %d builds, want %d of each", i+1, result.Dates, w.hooks.Builds.Load()-before, want)
		}
	}
	if open := w.letters(ledger.LetterOpen); len(open) != 0 {
		t.Errorf("open letters: got %+v, want none", open)
	}
	w.passes(ten[0], ten[9], 10)
}

// TestCopiesOfALetterAreReplayedOnce: three letters of one date are one message, and all are settled.
func TestCopiesOfALetterAreReplayedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, monday)
	w.stations(monday, "north", testjob.Permanent)
	w.publish(monday, monday)
	w.drain()
	first := w.letters(ledger.LetterOpen)[0]
	for range 2 {
		must(t, w.queue.PublishDeadLetter(t.Context(), queue.Message{Body: first.Body, Attributes: first.Attributes}))
	}
	w.stations(monday, "north")
	sent := len(w.pubsub.dates())
	if r := w.replay(); len(r.Dates) != 1 || r.Published != 1 || len(w.pubsub.dates()) != sent+1 {
		t.Errorf("got %+v and %d messages, want one date and one message", r, len(w.pubsub.dates())-sent)
	}
	if all, open := w.letters(""), w.letters(ledger.LetterOpen); len(all) != 3 || len(open) != 0 {
		t.Errorf("letters: got %d with %d open, want 3 with none", len(all), len(open))
	}
	w.drain()
	w.passes(monday, monday, 1)
}

// TestAttemptsAreCountedWithoutTheQueue: a subscription that counts no deliveries changes nothing about the fifth
// attempt.
func TestAttemptsAreCountedWithoutTheQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, monday)
	client, err := pubsub.NewClient(t.Context(), "project", option.WithEndpoint(w.pubsub.Addr),
		option.WithoutAuthentication(), option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	const subscription = "projects/project/subscriptions/dates-worker"
	must(t, client.SubscriptionAdminClient.DeleteSubscription(t.Context(),
		&pubsubpb.DeleteSubscriptionRequest{Subscription: subscription}))
	// without a policy for dead letters
	_, err = client.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: subscription, Topic: "projects/project/topics/dates", AckDeadlineSeconds: 10})
	must(t, err)
	w.stations(monday, testjob.Flaky)
	w.publish(monday, monday)
	w.drain()
	if e := w.entry(monday); e.State != ledger.Dead || e.Attempt != 5 || e.Failure == nil ||
		e.Failure.Class != failure.Transient {
		t.Errorf("got %s after %d attempts, %+v, want dead after 5 transient ones", e.State, e.Attempt, e.Failure)
	}
	if open := w.letters(ledger.LetterOpen); len(open) != 1 || open[0].Attempts != 5 {
		t.Errorf("open letters: got %+v, want one after 5 attempts", open)
	}
}

// TestMissingDatasetPausesTheRun: what every date would meet stops the run at the second one and kills none.
func TestMissingDatasetPausesTheRun(t *testing.T) {
	t.Parallel()
	dates := days("2022-06-01", 30)
	w := newWorld(t, conditions{}, dates...)
	w.publish(dates[0], dates[29])
	ready := []*worker.Worker{w.worker(w.config()), w.worker(w.config())}
	must(t, w.client().Dataset("weather").DeleteWithContents(t.Context()))
	for _, err := range w.run(ready...) {
		paused, ok := errors.AsType[*worker.PausedError](err)
		if !ok || paused.Run.CauseKind != "environment" || !strings.Contains(paused.Run.Cause, "Dataset project:weather") {
			t.Errorf("got %v, want the run paused because of the missing dataset", err)
		}
	}
	if n := len(w.attempts()); n < 2 || n > 10 { // two decide; each of the eight slots may have one under way
		t.Errorf("got %d attempts, want two and what was under way", n)
	}
	events, err := w.ledger.Events(t.Context(), testjob.Name, w.latest().ID, 0)
	must(t, err)
	told := 0
	for _, e := range events {
		if e.Kind == "paused" {
			told++
		}
	}
	if counts := w.counts(); counts[ledger.Pending] != 30 || told != 1 {
		t.Errorf("got %v, cause told %d times, want 30 pending, once", counts, told)
	}
	w.nothingLost()
}

// TestSourceWithoutAColumnPausesTheRun: a raw table that lost a column concerns every date, so none of them dies of it.
func TestSourceWithoutAColumnPausesTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, week...)
	w.publish(monday, sunday)
	ready := w.worker(w.config())
	raw := w.client().Dataset("weather").Table(testjob.Readings.Name)
	meta, err := raw.Metadata(t.Context())
	must(t, err)
	must(t, raw.Delete(t.Context()))
	kept := slices.DeleteFunc(meta.Schema, func(f *bigquery.FieldSchema) bool { return f.Name == "station" })
	must(t, raw.Create(t.Context(), &bigquery.TableMetadata{Schema: kept, TimePartitioning: meta.TimePartitioning}))
	paused, ok := errors.AsType[*worker.PausedError](w.run(ready)[0])
	if !ok || paused.Run.CauseKind != "environment" || !strings.Contains(paused.Run.Cause, "column station is missing") {
		t.Errorf("got %v, want the run paused because of column station", paused)
	}
	w.nothingLost()
}

// TestMalformedMessages: what is no message of the job is kept with its reason, and the planned dates are done.
func TestMalformedMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, week[:3]...)
	id := w.publish(week[0], week[2]).RunID
	body := func(text string) []byte { return []byte(strings.ReplaceAll(text, "RUN", id)) }
	bad := []struct {
		body   []byte
		reason string
	}{
		{nil, "empty"},
		{body(`hello`), "not JSON"},
		{body(`{"v":1,"job":"rain_per_day","run":"RUN","date":"2022-06`), "not JSON"},
		{body(`["2022-06-06"]`), "not an object"},
		{body(`{"v":1,"job":"rain_per_day","run":"RUN"}`), "date missing"},
		{body(`{"v":1,"job":"rain_per_day","run":"RUN","date":20220606}`), "date is not text"},
		{body(`{"v":1,"job":"rain_per_day","run":"RUN","date":"2022-02-30"}`), "bad date"},
		{body(`{"v":1,"job":"rain_per_day","run":"RUN","date":"2022-06-06T00:00:00Z"}`), "bad date"},
		{append(body(`{"v":1,"date":"`), 0xff, 0xfe, '"', '}'), "not UTF-8"},
		{body(`{"v":1,"job":"other_job","run":"RUN","date":"2022-06-06"}`), "unknown job"},
		{body(`{"v":2,"job":"rain_per_day","run":"RUN","date":"2022-06-06"}`), "unsupported version"},
		{body(`{"v":1,"job":"rain_per_day","run":"RUN","date":"2099-01-01"}`), "bad date"},
		{body(`{"v":1,"job":"rain_per_day","run":"RUN","date":"2022-07-01"}`), "not planned"},
	}
	want := map[string]int{}
	for i, b := range bad {
		want[b.reason]++
		// Pub/Sub takes no message that has neither body nor attributes.
		errs := w.queue.Publish(t.Context(), []queue.Message{{Body: b.body, Attributes: map[string]string{"trace": "abc"}}})
		if errs[0] != nil {
			t.Fatalf("message %d: %v", i, errs[0])
		}
	}
	e := w.entry(week[0])
	extra := queue.Envelope{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq}.Message()
	extra.Body = body(`{"v":1,"job":"rain_per_day","run":"RUN","date":"2022-06-06","note":"x"}`) // a copy with a field that nobody knows
	must(t, w.queue.Publish(t.Context(), []queue.Message{extra})[0])
	w.start(w.worker(w.lasting()))
	eventually(t, "every message is acked", func() bool { return w.pubsub.unacked() == 0 })
	got := map[string]int{}
	for _, l := range w.letters(ledger.LetterOpen) {
		got[l.Failure.Reason]++
		if l.Attributes["trace"] != "abc" {
			t.Errorf("%s: got attributes %v, want those of the message kept", l.Failure.Reason, l.Attributes)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if loads := w.loads(); len(loads) != 3 {
		t.Errorf("got loads %v, want one of each planned date", loads)
	}
	w.passes(week[0], week[2], 3)
}

// TestResumeIsPerDate: after one date failed and another's worker was killed, those two are left, not what comes after
// the last success; the killed one's message waits for its lease and is then a second attempt.
func TestResumeIsPerDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, ten...)
	w.stations(ten[3], "north", testjob.Permanent)
	w.publish(ten[0], ten[9])
	e := w.entry(ten[6])
	killed, err := w.ledger.Claim(t.Context(),
		ledger.ClaimRequest{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq, Owner: "killed",
			TTL: time.Minute, Version: testjob.Version, MaxAttempts: 5})
	must(t, err)
	stop := w.start(w.worker(w.lasting()))
	eventually(t, "eight are complete, one is dead, and the message of the held one comes again and again", func() bool {
		counts, deliveries := w.counts(), 0
		for _, m := range w.pubsub.dates() {
			deliveries = max(deliveries, m.Deliveries)
		}
		return counts[ledger.Complete] == 8 && counts[ledger.Dead] == 1 && deliveries > 3
	})
	must(t, stop())
	if got := w.entry(ten[6]); got.Owner != "killed" || got.Attempt != 1 {
		t.Errorf("held date: got attempt %d by %s, want 1 by its holder", got.Attempt, got.Owner)
	}
	// The service's clock cannot be moved on to the end of that lease, so the date goes to a holder whose lease is short.
	must(t, w.ledger.Release(t.Context(), killed.Lease, ledger.Release{To: ledger.Pending, Result: ledger.ResultReleased}))
	_, err = w.ledger.Claim(t.Context(),
		ledger.ClaimRequest{Job: e.Job, Run: e.Run, Date: e.Date, Seq: e.Seq, Owner: "killed again",
			TTL: 500 * time.Millisecond, Version: testjob.Version, MaxAttempts: 5})
	must(t, err)
	w.stations(ten[3], "north", "south")
	before, loads := w.hooks.Builds.Load(), len(w.loads())
	if r := w.publish(ten[0], ten[9]); r.Queued != 1 || r.Known != 1 {
		t.Errorf("resume: got %d queued and %d known, want the failed one and the unfinished one", r.Queued, r.Known)
	}
	w.drain()
	if builds, more := w.hooks.Builds.Load()-before, w.loads()[loads:]; builds != 2 || len(more) != 2 {
		t.Errorf("got %d builds and loads %v, want exactly the 4th and the 7th", builds, more)
	}
	if e := w.entry(ten[6]); e.Attempt != 3 || e.Spent != 1 {
		t.Errorf("killed date: got attempt %d with %d spent, want 3 with the expired lease alone", e.Attempt, e.Spent)
	}
	w.passes(ten[0], ten[9], 10)
}

// TestEmptySourceIsNoSuccess: a planned day without rows fails and keeps its partition; when they arrive they are
// loaded.
func TestEmptySourceIsNoSuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, monday)
	w.publish(monday, monday)
	w.drain()
	w.passes(monday, monday, 1)
	w.stations(monday)
	w.publish(monday, monday)
	w.drain()
	if e := w.entry(monday); e.State != ledger.Dead || !strings.Contains(e.Failure.Message, "source empty") ||
		w.rows(monday) != 2 {
		t.Errorf("got %s, %+v with %d rows, want dead by its empty source with the old 2", e.State, e.Failure, w.rows(monday))
	}
	w.stations(monday, many(204)...)
	w.replay()
	w.drain()
	if n := w.rows(monday); n != 204 {
		t.Errorf("got %d rows, want 204", n)
	}
	w.passes(monday, monday, 1)
}

// TestFirestoreAwayForAWhile: a ledger that is away in mid-run for as long as a lease lasts kills no date and pauses
// nothing.
func TestFirestoreAwayForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, ten...)
	w.publish(ten[0], ten[9])
	var built atomic.Int64
	away := make(chan struct{})
	w.hooks.Build = func(gamedate.Date) error {
		if built.Add(1) == 4 {
			w.network.down.Store(true)
			close(away)
		}
		return nil
	}
	c := w.config()
	c.LeaseTTL, c.MaxAttempts = 2*time.Second, 3
	done := make(chan error, 1)
	wk := w.worker(c)
	go func() { done <- wk.Run(t.Context()) }()
	<-away
	back := time.AfterFunc(c.LeaseTTL, func() { w.network.down.Store(false) })
	defer back.Stop()
	must(t, <-done)
	if n := w.network.refused.Load(); n < 5 {
		t.Errorf("got %d calls refused, want the ledger to have been missed", n)
	}
	if run := w.latest(); run.State != ledger.RunOpen {
		t.Errorf("run: got %s (%s), want open", run.State, run.Cause)
	}
	if open := w.letters(""); len(open) != 0 {
		t.Errorf("letters: got %+v, want none", open)
	}
	w.passes(ten[0], ten[9], 10)
}

// TestTablesThatWantAFilter: every statement has a condition on the partition column.
func TestTablesThatWantAFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, conditions{}, week...)
	for _, s := range []*table.Schema{testjob.Plan, testjob.Readings, testjob.Target} {
		_, err := w.client().Dataset("weather").Table(s.Name).Update(t.Context(),
			bigquery.TableMetadataToUpdate{RequirePartitionFilter: true}, "")
		must(t, err)
	}
	f, err := w.publisher().Preflight(t.Context(), request(monday, sunday), nil)
	must(t, err)
	for _, c := range f.Checks {
		if strings.Contains(c.Seen, "filter") {
			t.Errorf("preflight: %+v", c)
		}
	}
	w.publish(monday, sunday)
	w.drain()
	w.passes(monday, sunday, len(week))
	w.stations(monday, "north")
	if r := w.publish(monday, sunday); r.Queued != 1 {
		t.Errorf("after a change: got %d queued, want 1", r.Queued)
	}
	w.drain()
	w.passes(monday, sunday, len(week))
}
