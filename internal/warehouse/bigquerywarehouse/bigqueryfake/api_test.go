package bigqueryfake_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/iterator"

	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

// send makes a call as no client library does.
func (w *world) send(method, path, body string) (code int, reply string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+"/bigquery/v2/projects/"+project+path,
		strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestRowsOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	w.load("box$20220115", "a", bigquery.WriteTruncate,
		`{"day":"2022-01-15","player":"x","points":null,"share":12.50,"rate":2,"active":false,"at":"2022-01-15 00:00:00.5 UTC","tags":null}`)
	const rows = "/datasets/nba/tables/box$20220115/data?"
	tests := []struct{ query, want string }{
		{"formatOptions.useInt64Timestamp=true&fields=rows",
			`{"rows":[{"f":[{"v":"2022-01-15"},{"v":"x"},{"v":null},{"v":"12.5"},{"v":"2.0"},{"v":"false"},{"v":"1642204800500000"},{"v":[]}]}]}`},
		{"selectedFields=at,share&fields=rows,totalRows",
			`{"rows":[{"f":[{"v":"12.5"},{"v":"1.6422048005E+09"}]}],"totalRows":"1"}`},
		{"maxResults=0&fields=totalRows", `{"totalRows":"1"}`},
	}
	for _, tt := range tests {
		if code, got := w.send(http.MethodGet, rows+tt.query, ""); code != http.StatusOK || got != tt.want {
			t.Errorf("%s: got %d %s, want %s", tt.query, code, got, tt.want)
		}
	}
}

func TestWhatIsUnknownIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	const job = `{"jobReference":{"location":"europe-west1"},"configuration":`
	tests := []struct {
		name, method, path, body string
		code                     int
		words                    string
	}{
		{"method", http.MethodGet, "/datasets/nba/routines", "", http.StatusNotImplemented, "this method"},
		{"verb", http.MethodPut, "/datasets/nba/tables/box", "{}", http.StatusNotImplemented, "this method"},
		{"parameter", http.MethodGet, "/datasets/nba?datasetView=ACL", "", http.StatusNotImplemented,
			"parameter datasetView"},
		{"extract", http.MethodPost, "/jobs", job + `{"extract":{"compression":"GZIP"}}}`, http.StatusNotImplemented,
			"field configuration.extract"},
		{"no kind", http.MethodPost, "/jobs", job + `{"labels":{"a":"b"}}}`, http.StatusNotImplemented,
			"no load, copy or query"},
		{"no configuration", http.MethodPost, "/jobs", `{}`, http.StatusBadRequest, "configuration"},
		{"no JSON", http.MethodPost, "/jobs", `{`, http.StatusBadRequest, "Parse Error"},
		{"legacy SQL", http.MethodPost, "/queries", `{"query":"SELECT 1","location":"EU"}`, http.StatusNotImplemented,
			"legacy SQL"},
		{"nested fields", http.MethodGet, "/datasets/nba?fields=datasetReference/datasetId", "",
			http.StatusNotImplemented, "fields="},
		{"load without media", http.MethodPost, "/jobs",
			job +
				`{"load":{"sourceFormat":"NEWLINE_DELIMITED_JSON","destinationTable":{"projectId":"league-1","datasetId":"nba","tableId":"box"}}}}`,
			http.StatusBadRequest, "at least one source URI"},
		{"job id", http.MethodPost, "/jobs",
			`{"jobReference":{"jobId":"a b"},"configuration":{"query":{"query":"","useLegacySql":false}}}`,
			http.StatusBadRequest, "Invalid job ID"},
		{"page token", http.MethodGet, "/datasets/nba/tables/box/data?pageToken=x", "", http.StatusBadRequest,
			"Invalid page token"},
	}
	for _, tt := range tests {
		if code, got := w.send(tt.method, tt.path, tt.body); code != tt.code || !strings.Contains(got, tt.words) {
			t.Errorf("%s: got %d %s, want %d %s", tt.name, code, got, tt.code, tt.words)
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	w.create("another", &bigquery.TableMetadata{Schema: boxSchema})
	w.load("box", "a", bigquery.WriteAppend, aRow)
	w.fake.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}, 1, bigqueryfake.HoldRunning())
	if _, err := w.loader("box", "b", bigquery.WriteAppend, aRow).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var tables, jobs []string
	for it := w.client.Dataset("nba").Tables(t.Context()); ; {
		h, err := it.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, h.TableID)
	}
	list := w.client.Jobs(t.Context())
	list.State = bigquery.Running
	for {
		j, err := list.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j.ID())
	}
	if got := strings.Join(tables, " "); got != "another box" {
		t.Errorf("got tables %q", got)
	}
	if got := strings.Join(jobs, " "); got != "b" {
		t.Errorf("got running jobs %q, want b", got)
	}
	d, err := w.client.Datasets(t.Context()).Next()
	if err != nil || d.DatasetID != "nba" {
		t.Errorf("got dataset %v, %v", d, err)
	}
	done, err := w.client.JobFromIDLocation(t.Context(), "a", location)
	if err != nil {
		t.Fatal(err)
	}
	if err := done.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = w.client.JobFromIDLocation(t.Context(), "a", location)
	wantRefused(t, err, http.StatusNotFound, "notFound", "Not found: Job")
}

func TestTableUpdates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	var u bigquery.TableMetadataToUpdate
	u.SetLabel("a", "1")
	u.TimePartitioning = &bigquery.TimePartitioning{Field: "day", Expiration: 1000 * 24 * time.Hour}
	u.RequirePartitionFilter, u.Description, u.ExpirationTime = true, "box scores", time.Now().Add(time.Hour)
	meta, err := w.box.Update(t.Context(), u, "")
	if err != nil || meta.Labels["a"] != "1" || meta.TimePartitioning.Expiration != 1000*24*time.Hour ||
		!meta.RequirePartitionFilter || meta.Description != "box scores" || meta.ExpirationTime.IsZero() {
		t.Errorf("got %+v, %v", meta, err)
	}
	u = bigquery.TableMetadataToUpdate{ExpirationTime: bigquery.NeverExpire}
	u.DeleteLabel("a")
	if meta, err = w.box.Update(t.Context(), u, meta.ETag); err != nil || len(meta.Labels) != 0 ||
		!meta.ExpirationTime.IsZero() {
		t.Errorf("got %+v, %v, want neither label nor expiration", meta, err)
	}
	_, err = w.box.Update(t.Context(),
		bigquery.TableMetadataToUpdate{TimePartitioning: &bigquery.TimePartitioning{Field: "at"}}, "")
	wantRefused(t, err, http.StatusBadRequest, "invalid", "Cannot change partitioning")
}

func TestLoadMakesATableOnlyWhenItSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	load := func(id, row string) error {
		l := w.loader("made", id, bigquery.WriteTruncate, row)
		l.CreateDisposition = bigquery.CreateIfNeeded
		l.Src.(*bigquery.ReaderSource).Schema = boxSchema[:2]
		l.TimePartitioning = &bigquery.TimePartitioning{Field: "day"}
		_, err := run(t.Context(), l.Run)
		return err
	}
	wantRefused(t, load("a", `{}`), 0, "invalid", "too many errors")
	_, err := w.table("made").Metadata(t.Context())
	wantRefused(t, err, http.StatusNotFound, "notFound", "Not found: Table")
	if err := load("b", aRow); err != nil {
		t.Fatal(err)
	}
	if meta, err := w.table("made$20220115").Metadata(t.Context()); err != nil || meta.NumRows != 1 ||
		len(meta.Schema) != 2 {
		t.Errorf("got %+v, %v", meta, err)
	}
}

func TestLoadWithPartOfTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	load := func(id, row string) error {
		l := w.loader("box$20220115", id, bigquery.WriteTruncate, row)
		l.Src.(*bigquery.ReaderSource).Schema = bigquery.Schema{boxSchema[2], boxSchema[0], boxSchema[1]}
		_, err := run(t.Context(), l.Run)
		return err
	}
	if err := load("a", `{"points":7,"player":"x","day":"2022-01-15"}`); err != nil {
		t.Fatal(err)
	}
	if rows := read(t, w.box.Read(t.Context())); len(rows) != 1 || rows[0][1] != "x" || rows[0][2] != int64(7) ||
		rows[0][5] != nil {
		t.Errorf("got %v", rows)
	}
	wantRefused(t, load("b", `{"player":"x","day":"2022-01-15","active":true}`), 0, "invalid", "too many errors")
}
