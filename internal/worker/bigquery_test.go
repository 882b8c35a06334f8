package worker_test

import (
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/option"

	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

// TestBigQueryEndsWhereSQLiteEnds runs two workers over a warehouse in BigQuery, with queue and ledger in SQLite: the
// engine may not notice.
func TestBigQueryEndsWhereSQLiteEnds(t *testing.T) {
	t.Parallel()
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
	mixed.endsLikeEmbedded(func() { mixed.store = open() })
	if v := fake.Violations("project.weather." + testjob.Target.Name); len(v) > 0 {
		t.Errorf("violations: got %v, want none", v)
	}
}
