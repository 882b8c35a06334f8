package bigquerywarehouse_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"

	"gamefill/internal/gamedate"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

// Dry runs tell whether a table is cut by day, whatever it says of itself, and are no queries that cost anything.
func TestScanBytesTellsHowATableIsCut(t *testing.T) {
	t.Parallel()
	schema := bigquery.Schema{
		{Name: "day", Type: bigquery.DateFieldType, Required: true},
		{Name: "name", Type: bigquery.StringFieldType, Required: true},
		{Name: "points", Type: bigquery.IntegerFieldType},
	}
	const row = `{"day":"2022-01-15","name":"a","points":1}` + "\n" + `{"day":"2022-02-15","name":"b","points":2}`
	tests := []struct {
		name    string
		cut     *bigquery.TimePartitioning
		on      string
		of      int64 // of two rows of 19 bytes each, in two months
		ofEmpty int64 // the same of the day before, which has none
	}{
		{"by day", &bigquery.TimePartitioning{Field: "day"}, "2022-01-15", 19, 0},
		{"by month", &bigquery.TimePartitioning{Field: "day", Type: bigquery.MonthPartitioningType}, "2022-01-15", 19, 19},
		{"by time of ingestion", &bigquery.TimePartitioning{}, "2022-01-15", 38, 38},
		{"not at all", nil, "2022-01-15", 38, 38},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, bigqueryfake.Options{})
			h := s.client().Dataset("suite").Table("scores")
			if err := h.Create(t.Context(), &bigquery.TableMetadata{Schema: schema, TimePartitioning: tt.cut}); err != nil {
				t.Fatal(err)
			}
			source := bigquery.NewReaderSource(strings.NewReader(row))
			source.SourceFormat = bigquery.JSON
			job, err := h.LoaderFrom(source).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if status, err := job.Wait(t.Context()); err != nil || status.Err() != nil {
				t.Fatal(err, status.Err())
			}
			w := s.open(func(o *bigquerywarehouse.Options) { o.MaxBytesBilled = 1 })
			date := gamedate.MustParse(tt.on)
			for _, look := range []struct {
				date gamedate.Date
				want int64
			}{{date, tt.of}, {date.AddDays(-1), tt.ofEmpty}} {
				got, err := w.ScanBytes(t.Context(), scores, gamedate.Range{From: look.date, To: look.date})
				if err != nil || got != look.want {
					t.Errorf("%s: got %d bytes, %v, want %d", look.date, got, err, look.want)
				}
			}
			if d, err := w.Describe(t.Context(), scores); err != nil || d.Bytes != 38 {
				t.Errorf("describe: got %d bytes, %v, want 38", d.Bytes, err)
			}
			if q := w.Queries(); q != (warehouse.Queries{}) {
				t.Errorf("got %+v, want no query that costs", q)
			}
		})
	}
	s := newService(t, bigqueryfake.Options{})
	if _, err := s.open().ScanBytes(t.Context(), scores, gamedate.Range{From: day, To: day}); !errors.Is(err,
		warehouse.ErrNoTable) {
		t.Errorf("a missing table: got %v, want %v", err, warehouse.ErrNoTable)
	}
}

func TestDescribeTimeTravel(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	w := s.open()
	create(t, w)
	dataset := s.client().Dataset("suite")
	for _, want := range []time.Duration{168 * time.Hour, 48 * time.Hour} {
		if _, err := dataset.Update(t.Context(), bigquery.DatasetMetadataToUpdate{MaxTimeTravel: want}, ""); err != nil {
			t.Fatal(err)
		}
		if d, err := w.Describe(t.Context(), scores); err != nil || d.TimeTravel != want {
			t.Errorf("got %s, %v, want %s", d.TimeTravel, err, want)
		}
	}
	if _, err := dataset.Update(t.Context(), bigquery.DatasetMetadataToUpdate{MaxTimeTravel: 24 * time.Hour},
		""); err == nil {
		t.Error("one day: got no error, want the fake to refuse what the service refuses")
	}
}
