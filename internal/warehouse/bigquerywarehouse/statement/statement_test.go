package statement_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

var (
	box     = statement.Table{Project: "example.com:league", Dataset: "nba_raw", Name: "box"}
	staging = statement.Table{Project: "example.com:league", Dataset: "nba_raw", Name: "gamefill_staging_1"}
)

// every is one instance of each form that a template takes.
var every = []statement.Statement{
	{Name: statement.PartitionTokens, Table: box},
	{Name: statement.ReadRange, Table: box, Partition: "day", Columns: []string{"day", "n"}},
	{Name: statement.ReadTable, Table: box, Columns: []string{"id", "n"}},
	{Name: statement.CountGroups, Table: box, Partition: "day"},
	{Name: statement.CountGroups, Table: box, Partition: "day", By: []string{"ok", "n"}, Keys: []string{"name", "name"},
		Nulls: []statement.Column{{Name: "n"}, {Name: "tags", Repeated: true}}},
	{Name: statement.CountGroups, Table: box, Partition: "day", By: []string{"name"},
		Nulls: []statement.Column{{Name: "n"}}, Undated: true},
	{Name: statement.CountGroups, Table: box, Partition: "day", Undated: true},
	{Name: statement.CountGroups, Table: box},
	{Name: statement.CountGroups, Table: box, By: []string{"season"}, Keys: []string{"id"}},
	{Name: statement.Occupy},
	{Name: statement.LoadRows, Table: box, Staging: staging, Columns: []string{"id"}},
	{Name: statement.LoadRows, Table: box, Staging: staging, Columns: []string{"id", "n"}, Whole: true},
	{Name: statement.LoadRows, Table: box, Staging: staging, Columns: []string{"day", "id", "n"}, Partition: "day",
		Replace: []string{"id", "n"}},
}

func TestParseReadsWhatSQLWrites(t *testing.T) {
	t.Parallel()
	for _, want := range every {
		sql, err := want.SQL()
		if err != nil {
			t.Fatalf("%s: %v", want.Name, err)
		}
		if !strings.HasPrefix(sql, "-- gamefill: "+string(want.Name)+"\n") {
			t.Errorf("%s begins with %.40q", want.Name, sql)
		}
		got, err := statement.Parse(sql)
		if want.Name == statement.PartitionTokens {
			want.Table.Name = ""
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", sql, err, diff)
		}
	}
}

func TestParseRefusesWhatDiffers(t *testing.T) {
	t.Parallel()
	refuse := func(sql string) {
		if s, err := statement.Parse(sql); !errors.Is(err, statement.ErrUnknown) {
			t.Errorf("%q: got %+v, %v, want %v", sql, s, err, statement.ErrUnknown)
		}
	}
	for _, s := range every {
		sql, err := s.SQL()
		if err != nil {
			t.Fatal(err)
		}
		refuse(sql + " ")
		refuse(strings.ToLower(sql))
		refuse(strings.TrimPrefix(sql, "-- gamefill: "))
		refuse(strings.Replace(sql, "SELECT", "SELECT DISTINCT", 1))
		refuse(sql + "\nUNION ALL SELECT 1")
	}
	refuse("")
	refuse("SELECT 1")
	refuse("-- gamefill: merge\nSELECT 1")
}

func TestSQLRefusesNamesThatAreNone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		s    statement.Statement
	}{
		{"no template", statement.Statement{Name: "merge", Table: box}},
		{"quote in a column", statement.Statement{Name: statement.ReadTable, Table: box, Columns: []string{"a` FROM x; --"}}},
		{"no columns", statement.Statement{Name: statement.ReadTable, Table: box}},
		{"no partition", statement.Statement{Name: statement.ReadRange, Table: box, Columns: []string{"a"}}},
		{"decorator",
			statement.Statement{Name: statement.ReadTable,
				Table: statement.Table{Project: "p", Dataset: "d", Name: "t$20220115"}, Columns: []string{"a"}}},
		{"quote in a dataset",
			statement.Statement{Name: statement.PartitionTokens,
				Table: statement.Table{Project: "p", Dataset: "d`", Name: "t"}}},
		{"no staging", statement.Statement{Name: statement.LoadRows, Table: box, Columns: []string{"a"}}},
		{"replace",
			statement.Statement{Name: statement.LoadRows, Table: box, Staging: staging, Columns: []string{"a"},
				Replace: []string{""}}},
	}
	for _, tt := range tests {
		if sql, err := tt.s.SQL(); err == nil {
			t.Errorf("%s: got %q, want an error", tt.name, sql)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range every {
		sql, err := s.SQL()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		s, err := statement.Parse(sql)
		if err != nil {
			return
		}
		if s.Name == statement.PartitionTokens {
			s.Table.Name = "t"
		}
		if again, err := s.SQL(); err != nil || again != sql {
			t.Errorf("%q reads as %+v, which writes %q, %v", sql, s, again, err)
		}
	})
}
