package worker_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/option"

	"gamefill/internal/job"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

// TestBigQueryEndsWhereSQLiteEnds runs two workers over a warehouse in BigQuery, with queue and ledger in SQLite: the
// engine may not notice.
func TestBigQueryEndsWhereSQLiteEnds(t *testing.T) {
	t.Parallel()
	embedded := newWorld(t, week...)
	embedded.publish(request(monday, sunday))
	embedded.drain()
	want := embedded.validate(monday, sunday)

	fake := bigqueryfake.New(bigqueryfake.Options{Projects: []string{"project"}, ModificationsPer10s: 1_000_000})
	endpoint, stop := bigqueryfake.Start(fake)
	t.Cleanup(stop)
	client, err := bigquery.NewClient(t.Context(), "project", option.WithEndpoint(endpoint),
		option.WithoutAuthentication())
	must(t, err)
	must(t, client.Dataset("weather").Create(t.Context(), &bigquery.DatasetMetadata{Location: "US"}))
	open := func() warehouse.Store {
		s, err := bigquerywarehouse.New(t.Context(), bigquerywarehouse.Options{
			Project: "project", Location: "US", Datasets: map[string]string{"weather": "project.weather"}, Endpoint: endpoint,
			Modifications: 1_000_000, Poll: time.Millisecond,
		})
		must(t, err)
		return s
	}
	mixed := newWorldOn(t, func(w *world) {
		w.file.SetWriteGuard(nil) // the ledger is not in the warehouse
		w.store = open()
	}, week...)
	mixed.publish(request(monday, sunday))
	var workers []func() error
	for range 2 {
		mixed.store = open() // a process of its own
		wk := mixed.worker(mixed.config())
		workers = append(workers, func() error { return wk.Run(t.Context()) })
	}
	errs := make([]error, len(workers))
	var group sync.WaitGroup
	for i, run := range workers {
		group.Go(func() { errs[i] = run() })
	}
	group.Wait()
	must(t, errors.Join(errs...))
	got := mixed.validate(monday, sunday)
	if got.Verdict != job.Pass || !got.Finished || got.Rows != want.Rows || got.TableFingerprint != want.TableFingerprint {
		t.Errorf("got verdict %s, finished %v, %d rows, fingerprint %s, want pass, true, %d, %s", got.Verdict,
			got.Finished, got.Rows,
			got.TableFingerprint, want.Rows, want.TableFingerprint)
	}
	if v := fake.Violations("project.weather." + testjob.Target.Name); len(v) > 0 {
		t.Errorf("violations: got %v, want none", v)
	}
}
