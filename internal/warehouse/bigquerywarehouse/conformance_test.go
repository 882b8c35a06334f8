package bigquerywarehouse_test

import (
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/option"

	"gamefill/internal/retry"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/internal/warehouse/warehousetest"
)

// service is a fake of BigQuery with one dataset, "league.suite" in US.
type service struct {
	*bigqueryfake.Server
	t   *testing.T
	url string
}

func newService(t *testing.T, o bigqueryfake.Options) *service {
	t.Helper()
	o.Projects = []string{"league", "billing"}
	if o.ModificationsPer10s == 0 {
		o.ModificationsPer10s = 1_000_000
	}
	s := &service{Server: bigqueryfake.New(o), t: t}
	var stop func()
	s.url, stop = bigqueryfake.Start(s.Server)
	t.Cleanup(stop)
	if err := s.client().Dataset("suite").Create(t.Context(), &bigquery.DatasetMetadata{Location: "US"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// client is another program's.
func (s *service) client() *bigquery.Client {
	s.t.Helper()
	c, err := bigquery.NewClient(s.t.Context(), "league", option.WithEndpoint(s.url), option.WithoutAuthentication())
	if err != nil {
		s.t.Fatal(err)
	}
	c.Location = "US"
	return c
}

// open is a store as one more process has it: it shares nothing with the others but the service.
func (s *service) open(change ...func(*bigquerywarehouse.Options)) *bigquerywarehouse.Store {
	s.t.Helper()
	o := bigquerywarehouse.Options{
		Project: "billing", Location: "US", Datasets: map[string]string{"suite": "league.suite"}, Endpoint: s.url,
		Modifications: 1_000_000, Poll: time.Millisecond, Retry: retry.Policy{Base: time.Millisecond},
	}
	for _, c := range change {
		c(&o)
	}
	w, err := bigquerywarehouse.New(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

// TestConformance also checks that no case made a request against the rules. That one generation replaces a partition
// twice is what some cases are about, so that rule is left to the engine's test.
func TestConformance(t *testing.T) {
	t.Parallel()
	warehousetest.Run(t, func(t *testing.T) warehouse.Store {
		s := newService(t, bigqueryfake.Options{})
		t.Cleanup(func() {
			for _, v := range s.Violations() {
				if !strings.Contains(v, "was replaced by") {
					t.Error(v)
				}
			}
		})
		return s.open()
	})
}
