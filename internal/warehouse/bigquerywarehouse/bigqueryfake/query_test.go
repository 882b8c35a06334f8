package bigqueryfake_test

import (
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/civil"
	"github.com/google/go-cmp/cmp"

	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

func ref(name string) statement.Table {
	return statement.Table{Project: project, Dataset: "nba", Name: name}
}

func dates(from, to string) []bigquery.QueryParameter {
	date := func(text string) *bigquery.QueryParameterValue {
		return &bigquery.QueryParameterValue{Type: bigquery.StandardSQLDataType{TypeKind: "DATE"}, Value: text}
	}
	return []bigquery.QueryParameter{{Name: "from", Value: date(from)}, {Name: "to", Value: date(to)}}
}

// query is the query of a statement.
func (w *world) query(s statement.Statement, params []bigquery.QueryParameter) *bigquery.Query {
	w.t.Helper()
	sql, err := s.SQL()
	if err != nil {
		w.t.Fatal(err)
	}
	q := w.client.Query(sql)
	q.Parameters, q.Location = params, location
	return q
}

func (w *world) rows(q *bigquery.Query) [][]bigquery.Value {
	w.t.Helper()
	it, err := q.Read(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return read(w.t, it)
}

func filled(t *testing.T) *world {
	w := newWorld(t, bigqueryfake.Options{Now: newClock().Now, MaxPageRows: 2})
	w.load("box", "fill", bigquery.WriteAppend,
		`{"day":"2022-01-16","player":"z","points":1}`,
		`{"day":"2022-01-15","player":"x","points":1,"tags":["a"]}`,
		`{"day":"2022-01-15","player":"y","points":2}`,
		`{"day":"2022-01-15","player":"y"}`)
	return w
}

func TestStatements(t *testing.T) {
	t.Parallel()
	w := filled(t)
	day := func(d int) civil.Date { return civil.Date{Year: 2022, Month: 1, Day: d} }
	ranged := statement.Statement{Name: statement.ReadRange, Table: ref("box"), Partition: "day",
		Columns: []string{"day", "points"}}
	tests := []struct {
		name   string
		s      statement.Statement
		params []bigquery.QueryParameter
		want   [][]bigquery.Value
	}{
		{"occupy", statement.Statement{Name: statement.Occupy}, nil, [][]bigquery.Value{{int64(1)}}},
		{"range", ranged, dates("2022-01-15", "2022-01-15"),
			[][]bigquery.Value{{day(15), int64(1)}, {day(15), int64(2)}, {day(15), nil}}},
		{"empty range", ranged, dates("2022-02-15", "2022-02-16"), nil},
		{"table", statement.Statement{Name: statement.ReadTable, Table: ref("box"), Columns: []string{"player"}}, nil,
			[][]bigquery.Value{{"x"}, {"y"}, {"y"}, {"z"}}},
		{"groups", statement.Statement{
			Name: statement.CountGroups, Table: ref("box"), Partition: "day", Keys: []string{"player", "points"},
			Nulls: []statement.Column{{Name: "points"}, {Name: "tags", Repeated: true}},
		}, dates("2022-01-15", "2022-01-16"), [][]bigquery.Value{
			{day(15), int64(3), int64(3), int64(1), int64(2)}, {day(16), int64(1), int64(1), int64(0), int64(1)},
		}},
		{"groups of the table",
			statement.Statement{Name: statement.CountGroups, Table: ref("box"), By: []string{"player"}}, nil,
			[][]bigquery.Value{{"x", int64(1), int64(0)}, {"y", int64(2), int64(0)}, {"z", int64(1), int64(0)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, w.rows(w.query(tt.s, tt.params))); diff != "" {
				t.Errorf("fast path (-want +got):\n%s", diff)
			}
			q := w.query(tt.s, tt.params)
			q.JobID = strings.ReplaceAll(tt.name, " ", "-")
			job, err := q.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			it, err := job.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, read(t, it)); diff != "" {
				t.Errorf("job (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPartitionTokens(t *testing.T) {
	t.Parallel()
	w := filled(t)
	tokens := func() [][]bigquery.Value {
		return w.rows(
			w.query(statement.Statement{Name: statement.PartitionTokens, Table: ref("box")}, []bigquery.QueryParameter{
				{Name: "table", Value: "box"}, {Name: "from", Value: "20220101"}, {Name: "to", Value: "20220131"},
			}))
	}
	before := tokens()
	w.load("box$20220115", "again", bigquery.WriteTruncate, `{"day":"2022-01-15","player":"x"}`)
	if err := w.fake.Stream(project, "nba", "box", `{"day":"2022-01-16","player":"s"}`); err != nil {
		t.Fatal(err)
	}
	after := tokens()
	if len(before) != 2 || before[0][0] != "20220115" || before[0][1] != int64(3) || before[1][1] != int64(1) {
		t.Fatalf("got %v", before)
	}
	if len(after) != 3 || after[0][1] != int64(1) || after[0][2].(int64) <= before[0][2].(int64) ||
		after[1][2] != before[1][2] || after[2][0] != statement.Unpartitioned {
		t.Errorf("got %v after %v", after, before)
	}
	if rows := read(t, w.table("box$20220116").Read(t.Context())); len(rows) != 1 {
		t.Errorf("got %d rows of the partition while one is in the buffer, want 1", len(rows))
	}
	if meta, err := w.box.Metadata(t.Context()); err != nil || meta.StreamingBuffer == nil ||
		meta.StreamingBuffer.EstimatedRows != 1 {
		t.Errorf("got %+v, %v, want a streaming buffer", meta, err)
	}
	if err := w.fake.Flush(project, "nba", "box"); err != nil {
		t.Fatal(err)
	}
	if rows := read(t, w.table("box$20220116").Read(t.Context())); len(rows) != 2 {
		t.Errorf("got %d rows after the buffer is flushed, want 2", len(rows))
	}
}

func TestLoadRowsReplacesByKey(t *testing.T) {
	t.Parallel()
	w := filled(t)
	w.create("staging", &bigquery.TableMetadata{Schema: boxSchema})
	w.load("staging", "stage", bigquery.WriteAppend, `{"day":"2022-01-15","player":"y","points":9}`)
	s := statement.Statement{
		Name: statement.LoadRows, Table: ref("box"), Staging: ref("staging"), Columns: []string{"day", "player", "points"},
		Partition: "day", Replace: []string{"player"},
	}
	want := [][]bigquery.Value{{int64(2), int64(1)}}
	if diff := cmp.Diff(want, w.rows(w.query(s, dates("2022-01-15", "2022-01-15")))); diff != "" {
		t.Errorf("removed, added (-want +got):\n%s", diff)
	}
	var got []bigquery.Value
	for _, r := range read(t, w.box.Read(t.Context())) {
		got = append(got, r[1], r[2])
	}
	if diff := cmp.Diff([]bigquery.Value{"x", int64(1), "y", int64(9), "z", int64(1)}, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if err := w.fake.Stream(project, "nba", "box", aRow); err != nil {
		t.Fatal(err)
	}
	_, err := w.query(s, dates("2022-01-15", "2022-01-15")).Read(t.Context())
	wantRefused(t, err, http.StatusBadRequest, "invalidQuery", "streaming buffer")
}

func TestQueryRefusals(t *testing.T) {
	t.Parallel()
	w := filled(t)
	w.create("strict",
		&bigquery.TableMetadata{Schema: boxSchema, TimePartitioning: &bigquery.TimePartitioning{Field: "day"},
			RequirePartitionFilter: true})
	table := func(name string) statement.Statement {
		return statement.Statement{Name: statement.ReadTable, Table: ref(name), Columns: []string{"player"}}
	}
	ranged := statement.Statement{Name: statement.ReadRange, Table: ref("box"), Partition: "day",
		Columns: []string{"player"}}
	tests := []struct {
		name   string
		q      *bigquery.Query
		change func(*bigquery.Query)
		code   int
		reason string
		words  string
	}{
		{"other text", w.client.Query("SELECT 1"), nil, http.StatusBadRequest, "invalidQuery", "Syntax error"},
		{"no table", w.query(table("none"), nil), nil, http.StatusNotFound, "notFound", "Not found: Table league-1:nba.none"},
		{"no column",
			w.query(statement.Statement{Name: statement.ReadTable, Table: ref("box"), Columns: []string{"odd"}}, nil), nil,
			http.StatusBadRequest, "invalidQuery", "Unrecognized name: odd"},
		{"no filter", w.query(table("strict"), nil), nil, http.StatusBadRequest, "invalidQuery",
			"Cannot query over table 'league-1.nba.strict' without a filter over column(s) 'day'"},
		{"no parameter", w.query(ranged, nil), nil, http.StatusBadRequest, "invalidQuery", "Query parameter '"},
		{"type of a parameter",
			w.query(ranged, []bigquery.QueryParameter{{Name: "from", Value: "2022-01-15"}, {Name: "to", Value: "2022-01-15"}}),
			nil, http.StatusBadRequest, "invalidQuery", "No matching signature"},
		{"cost", w.query(table("box"), nil), func(q *bigquery.Query) { q.MaxBytesBilled = 1000 },
			http.StatusBadRequest, "bytesBilledLimitExceeded",
			"Query exceeded limit for bytes billed: 1000. 10485760 or higher required."},
		{"location", w.query(table("box"), nil), func(q *bigquery.Query) { q.Location = "US" },
			http.StatusNotFound, "notFound", "Not found: Dataset league-1:nba was not found in location US"},
		{"destination", w.query(table("box"), nil), func(q *bigquery.Query) {
			q.Dst = w.table("out")
		}, http.StatusNotImplemented, "notImplemented", "unsupported by the fake"},
	}
	for _, tt := range tests {
		if tt.change != nil {
			tt.change(tt.q)
		}
		_, err := tt.q.Read(t.Context())
		t.Run(tt.name, func(t *testing.T) { wantRefused(t, err, tt.code, tt.reason, tt.words) })
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	w := filled(t)
	q := w.query(
		statement.Statement{Name: statement.ReadRange, Table: ref("box"), Partition: "day", Columns: []string{"points"}},
		dates("2022-01-15", "2022-01-15"))
	q.DryRun = true
	job, err := q.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Three dates and two numbers of 8 bytes; a NULL has none.
	if got := job.LastStatus().Statistics.TotalBytesProcessed; got != 40 {
		t.Errorf("got %d bytes, want 40", got)
	}
}

func TestRowPolicyHidesRows(t *testing.T) {
	t.Parallel()
	w := filled(t)
	if err := w.fake.SetRowPolicy(project, "nba", "box", true); err != nil {
		t.Fatal(err)
	}
	if rows := w.rows(
		w.query(statement.Statement{Name: statement.ReadTable, Table: ref("box"), Columns: []string{"player"}}, nil)); len(
		rows) != 0 {
		t.Errorf("got %d rows, want none", len(rows))
	}
	var values []bigquery.Value
	wantRefused(t, w.box.Read(t.Context()).Next(&values), http.StatusForbidden, "accessDenied",
		"Access Denied: Table league-1:nba.box")
}
