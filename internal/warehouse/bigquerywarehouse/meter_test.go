package bigquerywarehouse_test

import (
	"errors"
	"net/http"
	"testing"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/iterator"

	"gamefill/internal/gamedate"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

// TestReceiptHasTheBytesOfTheLoad compares with what the service says that it was sent.
func TestReceiptHasTheBytesOfTheLoad(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	w := s.open()
	create(t, w)
	write := prepared(t, w, 1, version(day, 1))
	receipt, err := w.Replace(t.Context(), write)
	if err != nil {
		t.Fatal(err)
	}
	job, err := s.client().JobFromProject(t.Context(), "billing", write.ID, "US")
	if err != nil {
		t.Fatal(err)
	}
	sent := job.LastStatus().Statistics.Details.(*bigquery.LoadStatistics).InputFileBytes
	if receipt.Bytes != sent || sent == 0 {
		t.Errorf("bytes: got %d, want the %d that were sent", receipt.Bytes, sent)
	}
	if receipt, err = w.Replace(t.Context(), prepared(t, w, 2, nil)); err != nil || receipt.Bytes != 0 {
		t.Errorf("a deletion: got %d bytes and %v, want 0 and nil", receipt.Bytes, err)
	}
}

// TestQueriesAreCounted has two queries, of the second of which nobody says what it was billed.
func TestQueriesAreCounted(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	w := s.open()
	create(t, w)
	replace(t, w, 1, version(day, 1))
	if got := w.Queries(); got != (warehouse.Queries{}) {
		t.Errorf("before the first query: got %+v, want none", got)
	}
	count := func() {
		t.Helper()
		if _, err := w.Count(t.Context(), scores, gamedate.Range{From: day, To: day}, warehouse.Grouping{}); err != nil {
			t.Fatal(err)
		}
	}
	count()
	first := warehouse.Queries{Jobs: 1, Billed: 10 << 20, Measured: 1} // the least for one table
	if got := w.Queries(); got != first {
		t.Errorf("after one query: got %+v, want %+v", got, first)
	}
	s.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsGet}, 1,
		bigqueryfake.Refuse(http.StatusForbidden, "accessDenied", "no"))
	count()
	if got, want := w.Queries().Less(first), (warehouse.Queries{Jobs: 1}); got != want {
		t.Errorf("a query that nobody may look at: got %+v, want %+v", got, want)
	}

	labelled := 0
	for it := s.client().Jobs(t.Context()); ; {
		it.ProjectID = "billing"
		job, err := it.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if config, err := job.Config(); err == nil {
			if q, ok := config.(*bigquery.QueryConfig); ok && q.Labels["statement"] == "count_groups" {
				labelled++
			}
		}
	}
	if labelled != 2 {
		t.Errorf("query jobs labelled with their statement: got %d, want 2", labelled)
	}
}
