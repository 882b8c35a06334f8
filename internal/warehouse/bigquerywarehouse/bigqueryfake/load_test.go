package bigqueryfake_test

import (
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/googleapi"

	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

func TestLoadReplacesAPartition(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	w.load("box$20220114", "other", bigquery.WriteTruncate, `{"day":"2022-01-14","player":"z"}`)
	w.load("box$20220115", "a", bigquery.WriteTruncate, `{"day":"2022-01-15","player":"x"}`,
		`{"day":"2022-01-15","player":"y"}`)
	before, err := w.table("box$20220115").Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.load("box$20220115", "b", bigquery.WriteTruncate,
		`{"day":"2022-01-15","player":"x","points":"9007199254740993","share":"1.005","rate":0.5,"active":true,"at":"2022-01-15T10:00:00.123456-05:00","tags":["b","a"]}`)
	want := [][]bigquery.Value{{
		civil.Date{Year: 2022, Month: 1, Day: 15}, "x", int64(9007199254740993), big.NewRat(101, 100), 0.5, true,
		time.Date(2022, 1, 15, 15, 0, 0, 123456000, time.UTC), []bigquery.Value{"b", "a"},
	}}
	rational := cmp.Comparer(func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })
	if diff := cmp.Diff(want, read(t, w.table("box$20220115").Read(t.Context())), rational); diff != "" {
		t.Errorf("partition (-want +got):\n%s", diff)
	}
	after, err := w.table("box$20220115").Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if before.NumRows != 2 || after.NumRows != 1 || !after.LastModifiedTime.After(before.LastModifiedTime) {
		t.Errorf("got %d rows at %v, then %d at %v", before.NumRows, before.LastModifiedTime, after.NumRows,
			after.LastModifiedTime)
	}
	if rows := read(t, w.box.Read(t.Context())); len(rows) != 2 {
		t.Errorf("got %d rows in the table, want 2", len(rows))
	}
	w.load("box$20220115", "c", bigquery.WriteTruncate)
	if rows := read(t, w.box.Read(t.Context())); len(rows) != 1 {
		t.Errorf("got %d rows after a load without rows, want 1", len(rows))
	}
}

func TestUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	var text strings.Builder
	for range 20_000 { // more than two chunks
		text.WriteString(`{"day":"2022-01-15","player":"a player with a long name"}` + "\n")
	}
	tests := []struct {
		name   string
		chunk  int
		zipped bool
	}{{"multipart", googleapi.DefaultUploadChunkSize, false}, {"zipped", googleapi.DefaultUploadChunkSize, true},
		{"resumable", googleapi.MinUploadChunkSize, false}}
	for _, tt := range tests {
		source := bigquery.NewReaderSource(strings.NewReader(text.String()))
		if tt.zipped {
			source = bigquery.NewReaderSource(zipped(t, text.String()))
		}
		source.SourceFormat = bigquery.JSON
		l := w.table("box$20220115").LoaderFrom(source)
		l.WriteDisposition, l.JobID, l.MediaOptions = bigquery.WriteTruncate, tt.name,
			[]googleapi.MediaOption{googleapi.ChunkSize(tt.chunk)}
		status, err := run(t.Context(), l.Run)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := status.Statistics.Details.(*bigquery.LoadStatistics).OutputRows; got != 20_000 {
			t.Errorf("%s: got %d rows, want 20000", tt.name, got)
		}
	}
}

func TestLoadRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	w.load("box$20220115", "first", bigquery.WriteTruncate, `{"day":"2022-01-15","player":"x"}`)
	w.create("plain", &bigquery.TableMetadata{Schema: boxSchema})
	tests := []struct {
		name, destination, row string
		change                 func(*bigquery.Loader)
		code                   int // 0: the job is taken and fails
		reason, words          string
		detail                 string
	}{
		{name: "other date", destination: "box$20220115", row: `{"day":"2022-01-16","player":"x"}`, reason: "invalid",
			words: "Some rows belong to different partitions rather than destination partition 20220115"},
		{name: "unknown field", destination: "box$20220115", row: `{"day":"2022-01-15","player":"x","odd":1}`,
			reason: "invalid",
			words:  "Rows: 1; errors: 1", detail: "No such field: odd"},
		{name: "missing", destination: "box$20220115", row: `{"day":"2022-01-15"}`, reason: "invalid",
			words: "too many errors", detail: "Missing required field: player"},
		{name: "null", destination: "box$20220115", row: `{"day":"2022-01-15","player":null}`, reason: "invalid",
			words: "too many errors", detail: "Only optional fields"},
		{name: "null element", destination: "box$20220115", row: `{"day":"2022-01-15","player":"x","tags":[null]}`,
			reason: "invalid", words: "too many errors", detail: "Only optional fields"},
		{name: "precision", destination: "box$20220115", row: `{"day":"2022-01-15","player":"x","share":"1000"}`,
			reason: "invalid", words: "too many errors", detail: "NUMERIC(5, 2)"},
		{name: "integer", destination: "box$20220115", row: `{"day":"2022-01-15","player":"x","points":1.5}`,
			reason: "invalid", words: "too many errors", detail: "integer"},
		{name: "date", destination: "box$20220115", row: `{"day":"2022-02-30","player":"x"}`, reason: "invalid",
			words: "too many errors", detail: "as DATE"},
		{name: "timestamp", destination: "box$20220115", row: `{"day":"2022-01-15","player":"x","at":"noon"}`,
			reason: "invalid", words: "too many errors", detail: "as TIMESTAMP"},
		{name: "no JSON", destination: "box$20220115", row: `{`, reason: "invalid", words: "too many errors",
			detail: "Parser terminated"},
		{name: "no partitions", destination: "plain$20220115", row: `{"day":"2022-01-15","player":"x"}`, reason: "invalid",
			words: "not partitioned"},
		{name: "decorator", destination: "box$2022", row: `{"day":"2022-01-15","player":"x"}`, reason: "invalid",
			words: "partition ID"},
		{name: "no table", destination: "none$20220115", row: `{}`, reason: "notFound",
			words: "Not found: Table league-1:nba.none"},
		{name: "write empty", destination: "box$20220115", row: `{"day":"2022-01-15","player":"x"}`, reason: "duplicate",
			words:  "Already Exists: Table",
			change: func(l *bigquery.Loader) { l.WriteDisposition = bigquery.WriteEmpty }},
		{name: "schema", destination: "box$20220115", row: `{"day":"2022-01-15","player":"x"}`, reason: "invalid",
			words: "Provided Schema does not match Table league-1:nba.box. Cannot add fields (field: odd)",
			change: func(l *bigquery.Loader) {
				l.Src.(*bigquery.ReaderSource).Schema = append(boxSchema[:len(boxSchema):len(boxSchema)],
					&bigquery.FieldSchema{Name: "odd", Type: bigquery.StringFieldType})
			}},
		{name: "id taken", destination: "box$20220115", code: http.StatusConflict, reason: "duplicate",
			words:  "Already Exists: Job league-1:europe-west1.first",
			change: func(l *bigquery.Loader) { l.JobID = "first" }},
		{name: "location", destination: "box$20220115", code: http.StatusNotFound, reason: "notFound",
			words:  "Not found: Dataset league-1:nba was not found in location US",
			change: func(l *bigquery.Loader) { l.Location = "US" }},
		{name: "format", destination: "box$20220115", code: http.StatusNotImplemented, reason: "notImplemented",
			words:  "unsupported by the fake",
			change: func(l *bigquery.Loader) { l.Src.(*bigquery.ReaderSource).SourceFormat = bigquery.Parquet }},
		{name: "option", destination: "box$20220115", code: http.StatusNotImplemented, reason: "notImplemented",
			words:  "unsupported by the fake: field configuration.load.ignoreUnknownValues",
			change: func(l *bigquery.Loader) { l.Src.(*bigquery.ReaderSource).IgnoreUnknownValues = true }},
	}
	for _, tt := range tests {
		l := w.loader(tt.destination, strings.ReplaceAll(tt.name, " ", "-"), bigquery.WriteTruncate, tt.row)
		if tt.change != nil {
			tt.change(l)
		}
		job, err := l.Run(t.Context())
		if tt.code == 0 && err == nil {
			var status *bigquery.JobStatus
			if status, err = job.Wait(t.Context()); err == nil {
				err = status.Err()
				if tt.detail != "" && (len(status.Errors) != 2 || !strings.Contains(status.Errors[1].Message, tt.detail)) {
					t.Errorf("%s: got errors %v, want %q", tt.name, status.Errors, tt.detail)
				}
			}
		}
		t.Run(tt.name, func(t *testing.T) { wantRefused(t, err, tt.code, tt.reason, tt.words) })
	}
	if rows := read(t, w.box.Read(t.Context())); len(rows) != 1 {
		t.Errorf("got %d rows after refusals, want 1", len(rows))
	}
}
