package bigqueryfake_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

func TestDatasets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	d := w.client.Dataset("other")
	if err := d.Create(t.Context(),
		&bigquery.DatasetMetadata{Location: "EU", DefaultTableExpiration: time.Hour,
			DefaultPartitionExpiration: 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, d.Create(t.Context(), nil), http.StatusConflict, "duplicate", "Already Exists: Dataset league-1:other")
	before, err := d.Metadata(t.Context())
	if err != nil || before.Location != "EU" || before.DefaultTableExpiration != time.Hour ||
		before.DefaultPartitionExpiration != 24*time.Hour {
		t.Errorf("got %+v, %v", before, err)
	}
	if err := d.Table("whole").Create(t.Context(), &bigquery.TableMetadata{Schema: boxSchema}); err != nil {
		t.Fatal(err)
	}
	if meta, err := d.Table("whole").Metadata(t.Context()); err != nil || meta.ExpirationTime.IsZero() {
		t.Errorf("got %+v, %v, want the dataset's expiration", meta, err)
	}
	if _, err := d.Update(t.Context(), bigquery.DatasetMetadataToUpdate{DefaultTableExpiration: time.Duration(0)},
		before.ETag); err != nil {
		t.Fatal(err)
	}
	_, err = d.Update(t.Context(), bigquery.DatasetMetadataToUpdate{Description: "late"}, before.ETag)
	wantRefused(t, err, http.StatusPreconditionFailed, "conditionNotMet", "")
	if after, err := d.Metadata(t.Context()); err != nil || after.DefaultTableExpiration != 0 || after.Description != "" {
		t.Errorf("got %+v, %v", after, err)
	}
	wantRefused(t, d.Delete(t.Context()), http.StatusBadRequest, "resourceInUse", "Dataset league-1:other is still in use")
	if err := d.DeleteWithContents(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = d.Metadata(t.Context())
	wantRefused(t, err, http.StatusNotFound, "notFound", "Not found: Dataset league-1:other")
	_, err = w.client.DatasetInProject("nobody", "other").Metadata(t.Context())
	wantRefused(t, err, http.StatusNotFound, "notFound", "Not found: Project nobody")
}

func TestTableSchemaChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	w.load("box$20220115", "a", bigquery.WriteTruncate, aRow)
	add := func(s bigquery.Schema, f ...*bigquery.FieldSchema) bigquery.Schema { return slices.Concat(s, f) }
	retyped := slices.Clone(boxSchema)
	retyped[2] = &bigquery.FieldSchema{Name: "points", Type: bigquery.StringFieldType}
	tests := []struct {
		name   string
		schema bigquery.Schema
		words  string
	}{
		{"dropped", boxSchema[:len(boxSchema)-1],
			"Provided Schema does not match Table league-1:nba.box. Field tags is missing in new schema"},
		{"retyped", retyped, "Field points has changed type from INTEGER to STRING"},
		{"required", add(boxSchema, &bigquery.FieldSchema{Name: "new", Type: bigquery.StringFieldType, Required: true}),
			"Cannot add required fields"},
		{"twice", add(boxSchema, &bigquery.FieldSchema{Name: "DAY", Type: bigquery.DateFieldType}), "Duplicate field name"},
	}
	for _, tt := range tests {
		_, err := w.box.Update(t.Context(), bigquery.TableMetadataToUpdate{Schema: tt.schema}, "")
		wantRefused(t, err, http.StatusBadRequest, "invalid", tt.words)
	}
	before, err := w.box.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wider := add(boxSchema, &bigquery.FieldSchema{Name: "note", Type: bigquery.StringFieldType})
	if _, err := w.box.Update(t.Context(), bigquery.TableMetadataToUpdate{Schema: wider}, before.ETag); err != nil {
		t.Fatal(err)
	}
	_, err = w.box.Update(t.Context(), bigquery.TableMetadataToUpdate{Schema: wider}, before.ETag)
	wantRefused(t, err, http.StatusPreconditionFailed, "conditionNotMet", "")
	if rows := read(t, w.box.Read(t.Context())); len(rows) != 1 || len(rows[0]) != len(wider) ||
		rows[0][len(boxSchema)] != nil {
		t.Errorf("got %v, want the row with a NULL note", rows)
	}
}

func TestTablesThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	tests := []struct {
		name  string
		meta  bigquery.TableMetadata
		code  int
		words string
	}{
		{"box", bigquery.TableMetadata{Schema: boxSchema}, http.StatusConflict, "Already Exists: Table league-1:nba.box"},
		{"a", bigquery.TableMetadata{Schema: boxSchema, TimePartitioning: &bigquery.TimePartitioning{Field: "none"}},
			http.StatusBadRequest, "cannot be found in the schema"},
		{"a", bigquery.TableMetadata{Schema: boxSchema, TimePartitioning: &bigquery.TimePartitioning{Field: "player"}},
			http.StatusBadRequest, "TIMESTAMP, DATE or DATETIME"},
		{"a", bigquery.TableMetadata{Schema: boxSchema, RequirePartitionFilter: true}, http.StatusBadRequest,
			"not partitioned"},
		{"a", bigquery.TableMetadata{Schema: boxSchema, Clustering: &bigquery.Clustering{Fields: []string{"tags"}}},
			http.StatusBadRequest, "clustering"},
		{"a", bigquery.TableMetadata{Schema: bigquery.Schema{{Name: "j", Type: bigquery.JSONFieldType}}},
			http.StatusNotImplemented, "unsupported by the fake"},
		{"a", bigquery.TableMetadata{ViewQuery: "SELECT 1"}, http.StatusNotImplemented, "unsupported by the fake"},
	}
	for _, tt := range tests {
		err := w.table(tt.name).Create(t.Context(), &tt.meta)
		reason := map[int]string{http.StatusConflict: "duplicate", http.StatusBadRequest: "invalid",
			http.StatusNotImplemented: "notImplemented"}[tt.code]
		wantRefused(t, err, tt.code, reason, tt.words)
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{false, true} {
		w := newWorld(t, bigqueryfake.Options{AbsentPartitionIsEmpty: empty})
		w.load("box", "all", bigquery.WriteAppend, aRow, `{"day":"2022-01-16","player":"x"}`)
		if err := w.table("box$20220115").Delete(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rows := read(t, w.box.Read(t.Context())); len(rows) != 1 ||
			rows[0][0] != (civil.Date{Year: 2022, Month: 1, Day: 16}) {
			t.Errorf("got %v, want the other partition alone", rows)
		}
		meta, err := w.table("box$20220115").Metadata(t.Context())
		if empty {
			if err != nil || meta.NumRows != 0 {
				t.Errorf("got %v, %v, want no rows", meta, err)
			}
			continue
		}
		wantRefused(t, err, http.StatusNotFound, "notFound", "Not found: Table league-1:nba.box$20220115")
	}
}

func TestOtherPartitionings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{Now: newClock().Now})
	tests := []struct {
		name, partition string
		meta            bigquery.TableMetadata
	}{
		{"month", "202201",
			bigquery.TableMetadata{
				TimePartitioning: &bigquery.TimePartitioning{Type: bigquery.MonthPartitioningType, Field: "day"}}},
		{"hour", "2022011509",
			bigquery.TableMetadata{
				TimePartitioning: &bigquery.TimePartitioning{Type: bigquery.HourPartitioningType, Field: "at"}}},
		{"ingestion", "20260301", bigquery.TableMetadata{TimePartitioning: &bigquery.TimePartitioning{}}},
		{"range", "20",
			bigquery.TableMetadata{
				RangePartitioning: &bigquery.RangePartitioning{Field: "points",
					Range: &bigquery.RangePartitioningRange{Start: 0, End: 100, Interval: 10}}}},
	}
	for _, tt := range tests {
		tt.meta.Schema = boxSchema
		w.create(tt.name, &tt.meta)
		w.load(tt.name, tt.name, bigquery.WriteAppend,
			`{"day":"2022-01-15","player":"x","points":23,"at":"2022-01-15 09:30:00 UTC"}`)
		if meta, err := w.table(tt.name + "$" + tt.partition).Metadata(t.Context()); err != nil || meta.NumRows != 1 {
			t.Errorf("%s: got %v, %v, want the row", tt.name, meta, err)
		}
	}
}

func TestExpirations(t *testing.T) {
	t.Parallel()
	c := newClock() // 1 March 2026
	w := newWorld(t, bigqueryfake.Options{Now: c.Now})
	w.create("old", &bigquery.TableMetadata{Schema: boxSchema, ExpirationTime: c.Now().Add(time.Hour)})
	w.create("short",
		&bigquery.TableMetadata{Schema: boxSchema,
			TimePartitioning: &bigquery.TimePartitioning{Field: "day", Expiration: 48 * time.Hour}})
	w.load("short", "a", bigquery.WriteAppend, `{"day":"2026-02-28","player":"x"}`, `{"day":"2026-03-01","player":"x"}`)
	for _, want := range []int{2, 1, 0} {
		if rows := read(t, w.table("short").Read(t.Context())); len(rows) != want {
			t.Errorf("on %s: got %d rows, want %d", c.Now(), len(rows), want)
		}
		c.advance(24 * time.Hour)
	}
	_, err := w.table("old").Metadata(t.Context())
	wantRefused(t, err, http.StatusNotFound, "notFound", "Not found: Table league-1:nba.old")
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	var rows []string
	for range 5 {
		rows = append(rows, aRow)
	}
	w.load("box$20220115", "a", bigquery.WriteTruncate, rows...)
	it := w.table("box$20220115").Read(t.Context())
	it.PageInfo().MaxSize = 2
	it.StartIndex = 1
	var first []bigquery.Value
	if err := it.Next(&first); err != nil || it.TotalRows != 5 || it.PageInfo().Token == "" {
		t.Errorf("got %d rows, token %q, %v", it.TotalRows, it.PageInfo().Token, err)
	}
	w.load("box$20220115", "b", bigquery.WriteTruncate) // the pages are of one moment
	if rest := read(t, it); len(rest) != 3 {
		t.Errorf("got %d more rows, want 3", len(rest))
	}
}

func TestCopies(t *testing.T) {
	t.Parallel()
	c := newClock()
	w := newWorld(t, bigqueryfake.Options{Now: c.Now})
	w.load("box", "a", bigquery.WriteAppend, aRow, `{"day":"2022-01-16","player":"x"}`)
	copyJob := func(id, to, from string, change func(*bigquery.Copier)) error {
		job := w.table(to).CopierFrom(w.table(from))
		job.JobID = id
		if change != nil {
			change(job)
		}
		_, err := run(t.Context(), job.Run)
		return err
	}
	operation := func(o bigquery.TableCopyOperationType) func(*bigquery.Copier) {
		return func(c *bigquery.Copier) { c.OperationType = o }
	}
	truncate := func(c *bigquery.Copier) { c.WriteDisposition = bigquery.WriteTruncate }
	for id, o := range map[string]bigquery.TableCopyOperationType{"clone": bigquery.CloneOperation,
		"snapshot": bigquery.SnapshotOperation} {
		if err := copyJob(id, id, "box", operation(o)); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
	}
	w.load("box$20220115", "b", bigquery.WriteTruncate, `{"day":"2022-01-15","player":"new"}`)
	if meta, err := w.table("clone").Metadata(t.Context()); err != nil || meta.CloneDefinition == nil ||
		meta.CloneDefinition.BaseTableReference.TableID != "box" ||
		meta.TimePartitioning == nil || meta.TimePartitioning.Field != "day" || meta.NumRows != 2 {
		t.Errorf("got %+v, %v, want a clone", meta, err)
	}
	if meta, err := w.table("snapshot").Metadata(t.Context()); err != nil || meta.Type != bigquery.Snapshot ||
		meta.SnapshotDefinition == nil {
		t.Errorf("got %+v, %v, want a snapshot", meta, err)
	}
	if err := copyJob("back", "box$20220115", "clone$20220115", truncate); err != nil {
		t.Fatal(err)
	}
	var players []bigquery.Value
	for _, r := range read(t, w.box.Read(t.Context())) {
		players = append(players, r[1])
	}
	if diff := cmp.Diff([]bigquery.Value{"x", "x"}, players); diff != "" {
		t.Errorf("after copying back (-want +got):\n%s", diff)
	}
	wantRefused(t, copyJob("again", "clone", "box", operation(bigquery.CloneOperation)), 0, "duplicate",
		"Already Exists: Table league-1:nba.clone")
	wantRefused(t, copyJob("full", "box$20220115", "clone$20220115", nil), 0, "duplicate", "Already Exists")
	wantRefused(t, copyJob("other", "box$20220115", "clone$20220116", truncate), 0, "invalid",
		"Some rows belong to different partitions")
	wantRefused(t, copyJob("absent", "box$20220117", "clone$20220117", truncate), 0, "notFound",
		"Not found: Table league-1:nba.clone$20220117")
	wantRefused(t, copyJob("frozen", "snapshot$20220115", "box$20220115", truncate), 0, "invalid", "read-only")
	if err := copyJob("restore", "restored", "snapshot", operation(bigquery.RestoreOperation)); err != nil {
		t.Fatal(err)
	}
	if rows := read(t, w.table("restored").Read(t.Context())); len(rows) != 2 {
		t.Errorf("got %d rows restored, want 2", len(rows))
	}
}

func TestCloneExpires(t *testing.T) {
	t.Parallel()
	c := newClock()
	w := newWorld(t, bigqueryfake.Options{Now: c.Now})
	// The client's copier has no field for the expiration.
	body := `{"jobReference":{"projectId":"league-1","location":"europe-west1","jobId":"clone"},"configuration":{"copy":{"operationType":"CLONE",
		"destinationExpirationTime":"2026-03-31T00:00:00Z","sourceTables":[{"projectId":"league-1","datasetId":"nba","tableId":"box"}],
		"destinationTable":{"projectId":"league-1","datasetId":"nba","tableId":"clone"}}}}`
	r, err := http.Post(w.url+"/bigquery/v2/projects/league-1/jobs", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("got %s, %v", r.Status, err)
	}
	want := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)
	if meta, err := w.table("clone").Metadata(t.Context()); err != nil || !meta.ExpirationTime.Equal(want) {
		t.Errorf("got %v, %v, want it to expire at %v", meta, err, want)
	}
}
