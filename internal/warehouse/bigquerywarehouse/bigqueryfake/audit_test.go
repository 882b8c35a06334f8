package bigqueryfake_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/bigquery"
	"github.com/google/go-cmp/cmp"

	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

func TestAuditRecordsRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	before := len(w.fake.Audit())
	l := w.loader("box$20220115", "a", bigquery.WriteTruncate, aRow)
	l.Labels = map[string]string{"run": "r"}
	if _, err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.rows(w.query(statement.Statement{Name: statement.Occupy}, nil))
	if _, err := w.table("none").Metadata(t.Context()); err == nil {
		t.Error("got no error")
	}
	want := []bigqueryfake.Request{
		{Kind: bigqueryfake.JobsInsertLoad, Project: project, Location: location, JobID: "a", TableProject: project,
			Dataset: "nba", Table: "box",
			Partition: "20220115", WriteDisposition: "WRITE_TRUNCATE", Labels: map[string]string{"run": "r"},
			Status: http.StatusOK},
		{Kind: bigqueryfake.JobsQuery, Project: project, Location: location, JobID: "job_fake1", Statement: "occupy",
			Status: http.StatusOK},
		{Kind: bigqueryfake.TablesGet, Project: project, TableProject: project, Dataset: "nba", Table: "none",
			Status: http.StatusNotFound},
	}
	if diff := cmp.Diff(want, w.fake.Audit()[before:]); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func TestViolations(t *testing.T) {
	t.Parallel()
	load := func(t *testing.T, w *world, destination, id, generation string) {
		l := w.loader(destination, id, bigquery.WriteTruncate, aRow)
		l.Labels = map[string]string{"generation": generation}
		if _, err := run(t.Context(), l.Run); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		do   func(*testing.T, *world)
		want string // in the one violation; "" for none

		targets []string
	}{
		{name: "as it should be", do: func(t *testing.T, w *world) {
			w.fake.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}, 1, bigqueryfake.FailJob("backendError", ""))
			if _, err := run(t.Context(), w.loader("box$20220115", "a1", bigquery.WriteTruncate, aRow).Run); err == nil {
				t.Error("got no error")
			}
			load(t, w, "box$20220115", "a2", "1")
			load(t, w, "box$20220115", "b1", "2")
			if _, err := w.loader("box$20220115", "b1", bigquery.WriteTruncate, aRow).Run(t.Context()); err == nil {
				t.Error("got no error")
			}
		}},
		{name: "streaming insert", do: func(t *testing.T, w *world) {
			err := w.box.Inserter().Put(t.Context(), &bigquery.ValuesSaver{Schema: boxSchema[1:2], Row: []bigquery.Value{"x"}})
			wantRefused(t, err, http.StatusForbidden, "accessDenied", "")
		}, want: "streaming insert into box"},
		{name: "whole table", do: func(t *testing.T, w *world) { load(t, w, "box", "a", "1") },
			want: "truncates the whole table league-1:nba.box"},
		{name: "two jobs", do: func(t *testing.T, w *world) {
			load(t, w, "box$20220115", "a1", "1")
			load(t, w, "box$20220115", "a2", "1")
		}, want: "replaced by 2 jobs: a1, a2"},
		{name: "no location", do: func(t *testing.T, w *world) {
			r, err := http.Get(w.url + "/projects/" + project + "/jobs/a")
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, r.Body)
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
			if err != nil || r.StatusCode != http.StatusNotFound {
				t.Errorf("got %s, %v", r.Status, err)
			}
		}, want: "without location"},
		{name: "query into a partitioned table", do: func(t *testing.T, w *world) {
			q := w.query(statement.Statement{Name: statement.Occupy}, nil)
			q.Dst = w.box
			_, err := q.Run(t.Context())
			wantRefused(t, err, http.StatusNotImplemented, "notImplemented", "destinationTable")
		}, want: "a query writes into league-1:nba.box"},
		{name: "DML on a target", do: func(t *testing.T, w *world) {
			w.create("staging", &bigquery.TableMetadata{Schema: boxSchema})
			w.rows(w.query(statement.Statement{
				Name: statement.LoadRows, Table: ref("box"), Staging: ref("staging"), Columns: []string{"day", "player"},
				Partition: "day",
			}, dates("2022-01-15", "2022-01-15")))
		}, want: "a query writes into league-1:nba.box", targets: []string{project + ".nba.box"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bigqueryfake.Options{})
			tt.do(t, w)
			got := w.fake.Violations(tt.targets...)
			if tt.want == "" && got != nil || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
