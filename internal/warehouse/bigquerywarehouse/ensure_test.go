package bigquerywarehouse

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	bq "google.golang.org/api/bigquery/v2"

	"gamefill/internal/setup"
	"gamefill/internal/table"
)

// catalogue answers for datasets and tables, and nothing else: what Ensure asks.
type catalogue struct {
	mu       sync.Mutex // guards what follows
	datasets map[string]*bq.Dataset
	tables   map[string]*bq.Table // by DATASET.TABLE
	granted  []string             // nil: rights are not kept
	refuse   string               // METHOD KIND that is answered by 403
}

func (c *catalogue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	fail := func(code int, reason, message string) {
		answer(code,
			map[string]any{
				"error": map[string]any{"code": code, "message": message,
					"errors": []map[string]string{{"reason": reason, "message": message}}}})
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/") // projects/P/datasets/D/tables/T
	kind := parts[len(parts)-1-(len(parts)+1)%2]
	if c.refuse == r.Method+" "+kind {
		fail(http.StatusForbidden, "accessDenied", "as told")
		return
	}
	dataset := c.datasets[parts[3]]
	switch name := parts[3] + "." + parts[len(parts)-1]; {
	case dataset == nil:
		fail(http.StatusNotFound, "notFound", "Not found: Dataset p:"+parts[3])
	case len(parts) == 4:
		answer(http.StatusOK, dataset)
	case strings.HasSuffix(r.URL.Path, ":testIamPermissions"):
		if c.granted == nil {
			fail(http.StatusNotImplemented, "notImplemented", "no rights are kept here")
			return
		}
		var asked bq.TestIamPermissionsRequest
		_ = json.NewDecoder(r.Body).Decode(&asked)
		asked.Permissions = slices.DeleteFunc(asked.Permissions,
			func(p string) bool { return !slices.Contains(c.granted, p) })
		answer(http.StatusOK, &bq.TestIamPermissionsResponse{Permissions: asked.Permissions})
	case r.Method == http.MethodPost:
		var made bq.Table
		_ = json.NewDecoder(r.Body).Decode(&made)
		made.Type = "TABLE"
		c.tables[parts[3]+"."+made.TableReference.TableId] = &made
		answer(http.StatusOK, &made)
	case c.tables[name] == nil:
		fail(http.StatusNotFound, "notFound", "Not found: Table p:"+name)
	case r.Method == http.MethodPatch:
		var changed bq.Table
		_ = json.NewDecoder(r.Body).Decode(&changed)
		c.tables[name].Schema = changed.Schema
		answer(http.StatusOK, c.tables[name])
	default:
		answer(http.StatusOK, c.tables[name])
	}
}

var (
	ensured = &table.Schema{Dataset: "out", Name: "made", Partition: "day", Cluster: []string{"name"}, RequireFilter: true,
		Columns: []table.Column{
			{Name: "day", Type: table.DATE, Required: true}, {Name: "name", Type: table.STRING},
			{Name: "share", Type: table.NUMERIC, Precision: 6, Scale: 2}}}
	raw = &table.Schema{Dataset: "in", Name: "raw", Partition: "day", Columns: []table.Column{
		{Name: "day", Type: table.DATE, Required: true}, {Name: "points", Type: table.INT64},
		{Name: "note", Type: table.STRING}}}
)

// liveRaw is the raw table as somebody else made it.
func liveRaw() *bq.Table {
	return &bq.Table{Type: "TABLE", TimePartitioning: &bq.TimePartitioning{Type: "DAY", Field: "day"},
		Schema: &bq.TableSchema{Fields: []*bq.TableFieldSchema{
			{Name: "day", Type: "DATE"}, {Name: "points", Type: "INTEGER", Mode: "REQUIRED"}, {Name: "mood", Type: "STRING"}}}}
}

// newEnsured is a store on a catalogue that holds both datasets and the raw table.
func newEnsured(t *testing.T) (*Store, *catalogue) {
	t.Helper()
	c := &catalogue{datasets: map[string]*bq.Dataset{"o": {Location: "US"}, "i": {Location: "US"}},
		tables: map[string]*bq.Table{"i.raw": liveRaw()}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	s, err := New(t.Context(),
		Options{Project: "p", Location: "US", Datasets: map[string]string{"out": "p.o", "in": "p.i"}, Endpoint: server.URL,
			Modifications: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// ensure wants these findings, in short.
func ensure(t *testing.T, s *Store, mode setup.Mode, want ...string) []setup.Finding {
	t.Helper()
	findings, err := s.Ensure(t.Context(), []*table.Schema{ensured}, []*table.Schema{raw}, mode)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range findings {
		line := fmt.Sprintf("%s: %s", f.Resource, f.State)
		if f.Seen != "" {
			line += ", is " + f.Seen
		}
		if f.Wanted != "" {
			line += ", want " + f.Wanted
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	return findings
}

const (
	outThere  = "dataset p.o: present, is US"
	inThere   = "dataset p.i: present, is US"
	rawThere  = "table p.i.raw: present, is without columns note, which are read as NULL"
	madeThere = "table p.o.made: present"
	layedOut  = "partitioned by day, clustered by name, partition filter required"
)

func TestEnsureMakesTheTarget(t *testing.T) {
	t.Parallel()
	s, c := newEnsured(t)
	ensure(t, s, setup.DryRun, outThere, "table p.o.made: missing, want "+layedOut, inThere, rawThere)
	ensure(t, s, setup.Check, outThere, "table p.o.made: missing, want "+layedOut, inThere, rawThere,
		"table p.i.raw, right of this account: unknown, is no rights are kept here, want bigquery.tables.getData")
	if len(c.tables) != 1 {
		t.Fatal("looking has made a table")
	}
	ensure(t, s, setup.Make, outThere, "table p.o.made: created, want "+layedOut, inThere, rawThere)
	made := c.tables["o.made"]
	if made.TimePartitioning == nil || made.TimePartitioning.Field != "day" || made.TimePartitioning.ExpirationMs != 0 ||
		!made.RequirePartitionFilter ||
		made.Clustering == nil || !slices.Equal(made.Clustering.Fields, []string{"name"}) || made.ExpirationTime != 0 ||
		len(made.Schema.Fields) != 3 {
		t.Errorf("got the table %+v, want it laid out as its schema says, without expiration", made)
	}
	for _, f := range ensure(t, s, setup.Make, outThere, madeThere, inThere, rawThere) {
		if f.Wanting(setup.Check) {
			t.Errorf("%+v: want nothing left to do", f)
		}
	}
}

// TestEnsureAdopts adds what is missing to a table that has more columns than the schema, and leaves those alone.
func TestEnsureAdopts(t *testing.T) {
	t.Parallel()
	s, c := newEnsured(t)
	c.tables["o.made"] = &bq.Table{Type: "TABLE",
		TimePartitioning: &bq.TimePartitioning{Type: "DAY", Field: "day", ExpirationMs: 86400000},
		Schema: &bq.TableSchema{
			Fields: []*bq.TableFieldSchema{{Name: "day", Type: "DATE", Mode: "REQUIRED"}, {Name: "props", Type: "STRING"},
				{Name: "name", Type: "STRING"}}}}
	rest := []string{"table p.o.made, columns that gamefill does not fill: present, is props",
		"table p.o.made, clustering: differs, is nothing, want name",
		"table p.o.made, partition filter required: differs, is false, want true",
		"table p.o.made, expiration of partitions: differs, is after 24h0m0s, want never", inThere, rawThere}
	findings := ensure(t, s, setup.DryRun,
		append([]string{outThere, "table p.o.made, columns: missing, want share NUMERIC(6, 2)"}, rest...)...)
	for i, want := range map[int]string{3: "bq update --clustering_fields=name p:o.made",
		4: "bq update --require_partition_filter=true p:o.made",
		5: "bq update --time_partitioning_expiration 0 p:o.made"} {
		if findings[i].Advice != want {
			t.Errorf("%s: got advice %q, want %q", findings[i].Resource, findings[i].Advice, want)
		}
	}
	ensure(t, s, setup.Make,
		append([]string{outThere, "table p.o.made, columns: created, want share NUMERIC(6, 2)"}, rest...)...)
	var names []string
	for _, f := range c.tables["o.made"].Schema.Fields {
		names = append(names, f.Name+" "+f.Mode)
	}
	if got, want := strings.Join(names, ", "), "day REQUIRED, props , name , share "; got != want {
		t.Errorf("columns: got %q, want %q: the new one last, NULLABLE", got, want)
	}
	ensure(t, s, setup.Make, append([]string{outThere, madeThere}, rest...)...)
}

// TestEnsureRefuses: what cannot be brought together is told and left alone.
func TestEnsureRefuses(t *testing.T) {
	t.Parallel()
	s, c := newEnsured(t)
	c.tables["o.made"] = &bq.Table{Type: "TABLE", TimePartitioning: &bq.TimePartitioning{Type: "MONTH", Field: "day"},
		RequirePartitionFilter: true,
		Clustering:             &bq.Clustering{Fields: []string{"name"}},
		Schema: &bq.TableSchema{Fields: []*bq.TableFieldSchema{
			{Name: "day", Type: "DATE"}, {Name: "name", Type: "INTEGER"}, {Name: "key", Type: "STRING", Mode: "REQUIRED"}}}}
	c.tables["i.raw"].Schema.Fields[1].Type = "STRING"
	findings := ensure(t, s, setup.Make, outThere,
		"table p.o.made: differs, is partitioned by MONTH on day, want day",
		"table p.o.made: differs, is column day is NULLABLE, want REQUIRED",
		"table p.o.made: differs, is column name is INT64, want STRING",
		"table p.o.made: differs, is column key is REQUIRED and not in the schema, so no row can be written",
		"table p.o.made, columns: missing, want share NUMERIC(6, 2)",
		"table p.o.made, columns that gamefill does not fill: present, is key", inThere,
		"table p.i.raw: differs, is column points is STRING, want INT64")
	for _, f := range findings {
		if f.State == setup.Differs && (!f.Wanting(setup.Make) || f.Advice == "") {
			t.Errorf("%+v: want it left to do, with advice", f)
		}
	}
	if len(c.tables["o.made"].Schema.Fields) != 3 {
		t.Error("a column was added to a table that does not fit")
	}
}

func TestEnsureLooksAtDatasets(t *testing.T) {
	t.Parallel()
	s, c := newEnsured(t)
	delete(c.datasets, "i")
	c.datasets["o"] = &bq.Dataset{Location: "EU", DefaultTableExpirationMs: 3600000, DefaultPartitionExpirationMs: 7200000}
	findings := ensure(t, s, setup.Make, "dataset p.o: differs, is EU, want US",
		"dataset p.o, expiration of new tables: differs, is after 1h0m0s, want never",
		"dataset p.o, expiration of new partitions: differs, is after 2h0m0s, want never",
		"table p.o.made: missing, want "+layedOut, "dataset p.i: missing, is Not found: Dataset p:i")
	if got, want := findings[4].Advice, "bq --location=US mk --dataset p:i"; got != want {
		t.Errorf("missing dataset: got advice %q, want %q", got, want)
	}
	if f := findings[3]; f.Makeable || !f.Wanting(setup.DryRun) {
		t.Errorf("got %+v, want the table left to a person while the location is wrong", f)
	}
	if len(c.tables) != 1 {
		t.Error("a table was made in a dataset elsewhere")
	}
}

// TestEnsureForbidden: a missing right is a finding with the role, and hides nothing else.
func TestEnsureForbidden(t *testing.T) {
	t.Parallel()
	tests := []struct {
		refuse string
		mode   setup.Mode
		want   []string
		advice string
	}{
		{"GET datasets", setup.Make, []string{"table out.made: forbidden, is as told", "table in.raw: forbidden, is as told"},
			"grant roles/bigquery.metadataViewer on dataset p."},
		{"POST tables", setup.Make, []string{outThere, "table p.o.made: forbidden, is as told", inThere, rawThere},
			"grant roles/bigquery.dataEditor on dataset p.o to this account"},
	}
	for _, tt := range tests {
		t.Run(tt.refuse, func(t *testing.T) {
			t.Parallel()
			s, c := newEnsured(t)
			c.refuse = tt.refuse
			for _, f := range ensure(t, s, tt.mode, tt.want...) {
				if f.State == setup.Forbidden && !strings.HasPrefix(f.Advice, tt.advice) {
					t.Errorf("%s: got advice %q, want %q", f.Resource, f.Advice, tt.advice)
				}
			}
		})
	}
}

func TestEnsureChecksRights(t *testing.T) {
	t.Parallel()
	s, c := newEnsured(t)
	ensure(t, s, setup.Make, outThere, "table p.o.made: created, want "+layedOut, inThere, rawThere)
	c.granted = []string{"bigquery.tables.getData"}
	findings := ensure(t, s, setup.Check, outThere, madeThere,
		"table p.o.made, right of this account: forbidden, is without bigquery.tables.updateData, want "+
			"bigquery.tables.getData, bigquery.tables.updateData",
		inThere, rawThere, "table p.i.raw, right of this account: present, want bigquery.tables.getData")
	if got, want := findings[2].Advice, "grant roles/bigquery.dataEditor on dataset p.o to this account"; got != want {
		t.Errorf("got advice %q, want %q", got, want)
	}
}
