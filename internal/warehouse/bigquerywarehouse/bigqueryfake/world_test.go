package bigqueryfake_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"strings"
	"testing"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"

	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

const (
	project  = "league-1"
	location = "europe-west1"
)

// world is a fake with a client, one dataset "nba" and in it the table "box", partitioned by day.
type world struct {
	t      *testing.T
	fake   *bigqueryfake.Server
	client *bigquery.Client
	url    string
	box    *bigquery.Table
}

var boxSchema = bigquery.Schema{
	{Name: "day", Type: bigquery.DateFieldType, Required: true},
	{Name: "player", Type: bigquery.StringFieldType, Required: true},
	{Name: "points", Type: bigquery.IntegerFieldType},
	{Name: "share", Type: bigquery.NumericFieldType, Precision: 5, Scale: 2},
	{Name: "rate", Type: bigquery.FloatFieldType},
	{Name: "active", Type: bigquery.BooleanFieldType},
	{Name: "at", Type: bigquery.TimestampFieldType},
	{Name: "tags", Type: bigquery.StringFieldType, Repeated: true},
}

func newWorld(t *testing.T, o bigqueryfake.Options) *world {
	t.Helper()
	o.Projects = []string{project}
	w := &world{t: t, fake: bigqueryfake.New(o)}
	url, stop := bigqueryfake.Start(w.fake)
	t.Cleanup(stop)
	client, err := bigquery.NewClient(t.Context(), project, option.WithEndpoint(url+"/"), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	client.Location = location
	w.client, w.url = client, url
	if err := client.Dataset("nba").Create(t.Context(), &bigquery.DatasetMetadata{Location: location}); err != nil {
		t.Fatal(err)
	}
	w.box = w.create("box", &bigquery.TableMetadata{
		Schema: boxSchema, TimePartitioning: &bigquery.TimePartitioning{Field: "day"},
		Clustering: &bigquery.Clustering{Fields: []string{"player"}},
	})
	return w
}

func (w *world) create(name string, meta *bigquery.TableMetadata) *bigquery.Table {
	w.t.Helper()
	h := w.table(name)
	if err := h.Create(w.t.Context(), meta); err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) table(name string) *bigquery.Table { return w.client.Dataset("nba").Table(name) }

// loader is a load job of rows into a table or partition.
func (w *world) loader(destination, id string, disposition bigquery.TableWriteDisposition,
	rows ...string) *bigquery.Loader {
	source := bigquery.NewReaderSource(strings.NewReader(strings.Join(rows, "\n")))
	source.SourceFormat = bigquery.JSON
	l := w.table(destination).LoaderFrom(source)
	l.JobID, l.WriteDisposition, l.CreateDisposition = id, disposition, bigquery.CreateNever
	return l
}

// run runs a job that starts with start, to its end.
func run(ctx context.Context, start func(context.Context) (*bigquery.Job, error)) (*bigquery.JobStatus, error) {
	job, err := start(ctx)
	if err != nil {
		return nil, err
	}
	status, err := job.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return status, status.Err()
}

func (w *world) load(destination, id string, disposition bigquery.TableWriteDisposition, rows ...string) {
	w.t.Helper()
	if _, err := run(w.t.Context(), w.loader(destination, id, disposition, rows...).Run); err != nil {
		w.t.Fatalf("load %s: %v", id, err)
	}
}

// read is every row of a table or partition.
func read(t *testing.T, it *bigquery.RowIterator) (rows [][]bigquery.Value) {
	t.Helper()
	for {
		var values []bigquery.Value
		switch err := it.Next(&values); {
		case errors.Is(err, iterator.Done):
			return rows
		case err != nil:
			t.Fatal(err)
		}
		rows = append(rows, values)
	}
}

// wantRefused looks for a refusal of a call, or the error of a job, with a reason and words.
func wantRefused(t *testing.T, err error, code int, reason, words string) {
	t.Helper()
	if refused, ok := errors.AsType[*googleapi.Error](err); ok && len(refused.Errors) == 1 {
		if refused.Code != code || refused.Errors[0].Reason != reason || !strings.Contains(refused.Message, words) {
			t.Errorf("got %d %s %q, want %d %s %q", refused.Code, refused.Errors[0].Reason, refused.Message, code, reason, words)
		}
		return
	}
	if failed, ok := errors.AsType[*bigquery.Error](err); ok {
		if code != 0 || failed.Reason != reason || !strings.Contains(failed.Message, words) {
			t.Errorf("got a job's %s %q, want %d %s %q", failed.Reason, failed.Message, code, reason, words)
		}
		return
	}
	t.Errorf("got %v, want %d %s %q", err, code, reason, words)
}

func zipped(t *testing.T, text string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}
