package snapshot_test

import (
	"fmt"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"golang.org/x/sync/errgroup"
	"google.golang.org/api/option"

	"gamefill/internal/gamedate"
	"gamefill/internal/snapshot"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

// Several workers make the table of their run at once, and each finds its rows in it.
func TestKeepInBigQuery(t *testing.T) {
	t.Parallel()
	url, stop := bigqueryfake.Start(bigqueryfake.New(bigqueryfake.Options{Projects: []string{"league"}}))
	t.Cleanup(stop)
	client, err := bigquery.NewClient(t.Context(), "league", option.WithEndpoint(url), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Dataset("weather").Create(t.Context(), &bigquery.DatasetMetadata{Location: "US"}); err != nil {
		t.Fatal(err)
	}
	open := func() *bigquerywarehouse.Store {
		t.Helper()
		s, err := bigquerywarehouse.New(t.Context(), bigquerywarehouse.Options{Project: "league", Location: "US",
			Datasets: map[string]string{"weather": "league.weather"}, Endpoint: url, Poll: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const workers = 4
	rows := func(d gamedate.Date) []table.Row {
		return []table.Row{
			{table.Date(d), table.String("north"), table.Null, table.Int(int64(d.Day)), table.Timestamp(d.Time()),
				table.String("by hand")}}
	}
	fence := warehouse.Fence{Job: testjob.Name, Run: "r-1", Generation: 1}
	var group errgroup.Group
	for i := range workers {
		s, d := open(), day.AddDays(i)
		group.Go(func() error {
			receipt, err := snapshot.Keep(t.Context(), s, testjob.Target, d, fence, rows(d))
			if err == nil && receipt.Bytes == 0 {
				return fmt.Errorf("keep %s: got no bytes uploaded", d)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	kept, s := snapshot.Table(testjob.Target, "r-1"), open()
	for i := range workers {
		d := day.AddDays(i)
		p, err := s.Read(t.Context(), kept, d)
		if err != nil || kept.ContentFingerprint(p.Rows) != kept.ContentFingerprint(rows(d)) {
			t.Errorf("%s: got %v, %v, want %v", d, p.Rows, err, rows(d))
		}
	}
	if d, err := s.Describe(t.Context(), kept); err != nil || d.Expires.IsZero() {
		t.Errorf("got %+v, %v, want a table that expires", d, err)
	}
}
