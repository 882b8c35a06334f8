package bigquerywarehouse

import (
	"strings"
	"testing"

	"cloud.google.com/go/bigquery"

	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

// TestOutcomeTellsWhatWasWrong loads a column that the table lacks: the service's summary only counts errors.
func TestOutcomeTellsWhatWasWrong(t *testing.T) {
	t.Parallel()
	endpoint, stop := bigqueryfake.Start(bigqueryfake.New(bigqueryfake.Options{Projects: []string{"league"}}))
	t.Cleanup(stop)
	s, err := New(t.Context(),
		Options{Project: "league", Location: "US", Datasets: map[string]string{"nba_raw": "league.nba_raw"},
			Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.client.Dataset("nba_raw").Create(t.Context(), &bigquery.DatasetMetadata{Location: "US"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), box); err != nil {
		t.Fatal(err)
	}
	job, err := s.loader(s.handle(statement.Table{Project: "league", Dataset: "nba_raw", Name: "box"}),
		[]byte(`{"id":"1","odd":"x"}`+"\n")).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	result, ok, err := s.wait(t.Context(), job)
	if !ok || err != nil {
		t.Fatalf("wait: got %v, %v", ok, err)
	}
	if result == nil || !strings.Contains(result.Error(), "No such field: odd") || judge(result).reason != schemaMismatch {
		t.Errorf("got %v (%s), want it to name the column, and %s", result, judge(result).reason, schemaMismatch)
	}
}
