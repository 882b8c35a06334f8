// Package analyse_test gives every SQL statement to GoogleSQL's own analyser, against a catalog of the schemas that
// gamefill knows: columns that do not exist, functions, types, parameters and grammar. What is BigQuery's alone
// (quotas, partition filters, transactions, system variables) it does not see.
//
// It is a module of its own because the analyser takes minutes and gigabytes to build; `make ci-extra` runs it.
package analyse_test

import (
	"strings"
	"testing"

	"github.com/goccy/go-googlesql"

	"gamefill/internal/boxscore"
	"gamefill/internal/summary"
	"gamefill/internal/table"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

const project = "league-1"

var schemas = append([]*table.Schema{summary.Target}, boxscore.Tables...)

func live(t *table.Schema) statement.Table {
	return statement.Table{Project: project, Dataset: t.Dataset, Name: t.Name}
}

func staging(t *table.Schema) statement.Table {
	return statement.Table{Project: project, Dataset: t.Dataset, Name: "gamefill_staging_" + t.Name}
}

// instances are the statements on one table, in every form.
func instances(t *table.Schema) []statement.Statement {
	var nulls []statement.Column
	for _, c := range t.Columns {
		nulls = append(nulls, statement.Column{Name: c.Name, Repeated: c.Type == table.STRINGS})
	}
	list := []statement.Statement{
		{Name: statement.PartitionTokens, Table: live(t)},
		{Name: statement.ReadTable, Table: live(t), Columns: t.Names()},
		{Name: statement.CountGroups, Table: live(t), Partition: t.Partition},
		{Name: statement.CountGroups, Table: live(t), Partition: t.Partition, By: t.Key, Nulls: nulls, Keys: t.Names()},
		{Name: statement.Occupy},
		{Name: statement.LoadRows, Table: live(t), Staging: staging(t), Columns: t.Names(), Partition: t.Partition},
		{Name: statement.LoadRows, Table: live(t), Staging: staging(t), Columns: t.Names(), Partition: t.Partition,
			Replace: t.Key},
		{Name: statement.LoadRows, Table: live(t), Staging: staging(t), Columns: t.Names(), Partition: t.Partition,
			Whole: true},
	}
	if t.Partition != "" {
		list = append(list,
			statement.Statement{Name: statement.ReadRange, Table: live(t), Partition: t.Partition, Columns: t.Names()},
			statement.Statement{Name: statement.CountGroups, Table: live(t), Partition: t.Partition, Undated: true},
			statement.Statement{Name: statement.CountGroups, Table: live(t), Partition: t.Partition, By: t.Key, Nulls: nulls,
				Undated: true})
	}
	return list
}

// analyser holds a catalog of all schemas. Its objects live as long as the process.
type analyser struct {
	catalog *googlesql.SimpleCatalog
	types   *googlesql.TypeFactory
	typeOf  map[table.Type]googlesql.Googlesql_TypeNode
	options func(t *testing.T, parameters map[string]table.Type) *googlesql.AnalyzerOptions
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newAnalyser(t *testing.T) *analyser {
	t.Helper()
	check(t, googlesql.Init())
	language := must[*googlesql.LanguageOptions](t)(googlesql.NewLanguageOptions())
	check(t, language.EnableMaximumLanguageFeatures())
	check(t, language.SetSupportsAllStatementKinds())
	check(t, language.SetProductMode(googlesql.ProductModeProductExternal))
	a := &analyser{typeOf: map[table.Type]googlesql.Googlesql_TypeNode{}}
	a.types = must[*googlesql.TypeFactory](t)(googlesql.NewTypeFactory())
	a.catalog = must[*googlesql.SimpleCatalog](t)(googlesql.NewSimpleCatalog("catalog", nil))
	check(t, a.catalog.AddBuiltinFunctionsAndTypes(&googlesql.BuiltinFunctionOptions{LanguageOptions: language}))
	for ours, get := range map[table.Type]func() (googlesql.Googlesql_TypeNode, error){
		table.STRING: a.types.GetString, table.INT64: a.types.GetInt64, table.FLOAT64: a.types.GetDouble,
		table.NUMERIC: a.types.GetNumeric, table.BOOL: a.types.GetBool, table.DATE: a.types.GetDate,
		table.TIMESTAMP: a.types.GetTimestamp,
	} {
		a.typeOf[ours] = must[googlesql.Googlesql_TypeNode](t)(get())
	}
	a.typeOf[table.STRINGS] = must[googlesql.Googlesql_TypeNode](t)(a.types.MakeArrayType2(a.typeOf[table.STRING]))
	a.options = func(t *testing.T, parameters map[string]table.Type) *googlesql.AnalyzerOptions {
		o := must[*googlesql.AnalyzerOptions](t)(googlesql.NewAnalyzerOptions2())
		check(t, o.SetLanguage(language))
		for name, typ := range parameters {
			check(t, o.AddQueryParameter(name, a.typeOf[typ]))
		}
		return o
	}
	datasets := map[string]bool{}
	for _, s := range schemas {
		a.add(t, a.catalog, live(s).String(), s.Columns)
		a.add(t, a.catalog, staging(s).String(), s.Columns)
		if datasets[s.Dataset] {
			continue
		}
		datasets[s.Dataset] = true
		dataset := must[*googlesql.SimpleCatalog](t)(googlesql.NewSimpleCatalog(project+"."+s.Dataset, nil))
		information := must[*googlesql.SimpleCatalog](t)(googlesql.NewSimpleCatalog("INFORMATION_SCHEMA", nil))
		// Source: BigQuery documentation, "PARTITIONS view", schema.
		a.add(t, information, "PARTITIONS", []table.Column{
			{Name: "table_catalog", Type: table.STRING}, {Name: "table_schema", Type: table.STRING},
			{Name: "table_name", Type: table.STRING}, {Name: "partition_id", Type: table.STRING},
			{Name: "total_rows", Type: table.INT64}, {Name: "total_logical_bytes", Type: table.INT64},
			{Name: "total_billable_bytes", Type: table.INT64}, {Name: "last_modified_time", Type: table.TIMESTAMP},
			{Name: "storage_tier", Type: table.STRING},
		})
		check(t, dataset.AddCatalog(information))
		check(t, a.catalog.AddCatalog(dataset))
	}
	return a
}

func (a *analyser) add(t *testing.T, catalog *googlesql.SimpleCatalog, name string, columns []table.Column) {
	t.Helper()
	made := must[*googlesql.SimpleTable](t)(googlesql.NewSimpleTable(name, 0))
	for _, c := range columns {
		check(t, made.AddColumn2(
			must[*googlesql.SimpleColumn](t)(googlesql.NewSimpleColumn(name, c.Name, a.typeOf[c.Type], false, true)), false))
	}
	check(t, catalog.AddTable(made))
}

// parameters are the types of the parameters that a statement's comment names.
func parameters(s statement.Statement) map[string]table.Type {
	switch {
	case s.Name == statement.PartitionTokens:
		return map[string]table.Type{"table": table.STRING, "from": table.STRING, "to": table.STRING}
	case s.Partition != "":
		return map[string]table.Type{"from": table.DATE, "to": table.DATE}
	}
	return nil
}

// analysable are the parts of a statement that the analyser takes: of a script, its DML.
func analysable(s statement.Statement, sql string) []string {
	if s.Name != statement.LoadRows {
		return []string{sql}
	}
	var parts []string
	for part := range strings.SplitSeq(sql, ";\n") {
		if strings.HasPrefix(part, "DELETE ") || strings.HasPrefix(part, "INSERT ") {
			parts = append(parts, part)
		}
	}
	return parts
}

func (a *analyser) analyse(t *testing.T, sql string, parameters map[string]table.Type) error {
	t.Helper()
	_, err := googlesql.AnalyzeStatement(sql, a.options(t, parameters), a.catalog, a.types)
	return err
}

// TestStatements is one test without parts: the analyser is not safe for concurrent use.
func TestStatements(t *testing.T) {
	a := newAnalyser(t)
	n := 0
	for _, s := range schemas {
		for _, st := range instances(s) {
			sql, err := st.SQL()
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range analysable(st, sql) {
				if err := a.analyse(t, part, parameters(st)); err != nil {
					t.Errorf("%s on %s: %v\n%s", st.Name, s.FullName(), err, part)
				}
				n++
			}
		}
	}
	t.Logf("%d statements", n)
	for _, sql := range []string{ // the analyser refuses
		"SELECT nobody FROM `" + live(summary.Target).String() + "`",
		"SELECT player_lookup FROM `" + live(summary.Target).String() + "` WHERE game_date BETWEEN @since AND @to",
		"SELECT COUNT(DISTINCT quality_issues) FROM `" + live(summary.Target).String() + "` GROUP BY nobody",
		"SELECT partition_id FROM `" + project + ".nowhere`.INFORMATION_SCHEMA.PARTITIONS",
	} {
		if err := a.analyse(t, sql, map[string]table.Type{"to": table.DATE}); err == nil {
			t.Errorf("%s: got no error, want one", sql)
		}
	}
}
