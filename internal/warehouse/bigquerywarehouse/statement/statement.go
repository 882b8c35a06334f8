// Package statement holds every SQL statement that is sent to BigQuery: six templates, each beginning with a line
// "-- gamefill: NAME". A [Statement] is one of them with its tables and columns; [Statement.SQL] writes it and [Parse]
// reads it back, accepting exactly what SQL writes, so that whoever executes, audits or analyses the statements need
// not understand SQL at large.
//
// Values never stand in the text: they are query parameters, listed with each [Name]. Identifiers are quoted and
// checked, so a text from outside cannot become SQL.
package statement

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Name is the name of a template.
type Name string

// The templates. Parameters of type DATE bound the partition column, so that BigQuery reads the named partitions only.
const (
	// PartitionTokens lists the partitions of one table: partition_id STRING, total_rows INT64, modified_millis INT64
	// (since the epoch), ascending by partition_id. Rows that are still in the streaming buffer have the id
	// [Unpartitioned]. Parameters: table, from, to, all STRING; from and to as YYYYMMDD. Uses Table; its Name is a
	// parameter, not text.
	PartitionTokens Name = "partition_tokens"
	// ReadRange reads Columns of a range of partitions, ascending by Partition. Parameters: from, to DATE.
	ReadRange Name = "read_range"
	// ReadTable reads Columns of a whole table without partitions. No parameters.
	ReadTable Name = "read_table"
	// CountGroups counts a range of partitions by partition and the By columns: part DATE, b0, b1, …, row_count INT64,
	// key_count INT64 (distinct combinations of Keys, 0 without), z0, z1, … INT64 (NULLs of the Nulls columns; an empty
	// array is NULL). Parameters: from, to DATE. Undated counts the partitions of the range together: no column part. With
	// an empty Partition it counts a whole table: no column part, no parameters.
	CountGroups Name = "count_groups"
	// Occupy does nothing: its job id is what matters. No parameters.
	Occupy Name = "occupy"
	// LoadRows is a script of one transaction: rows of Table that have the values of the Replace columns of a row in
	// Staging are deleted, all rows of Table if Whole, and the rows of Staging are added. It returns one row: removed
	// INT64, added INT64. Parameters: from, to DATE where Partition is set, else none.
	LoadRows Name = "load_rows"
)

// Unpartitioned is the partition_id of rows that are still in the streaming buffer. Source: BigQuery documentation,
// "Querying partitioned tables", pseudo-partitions.
const Unpartitioned = "__UNPARTITIONED__"

// Table names a table.
type Table struct {
	Project, Dataset, Name string
}

// String is "project.dataset.name".
func (t Table) String() string { return t.Project + "." + t.Dataset + "." + t.Name }

// Statement is one statement: a template and what stands in it. Which fields a template uses is said at its name; the
// others are zero.
type Statement struct {
	Name      Name
	Table     Table
	Partition string   // DATE column, "" for a table without partitions
	Columns   []string // read, or loaded
	By        []string
	Nulls     []Column
	Keys      []string
	Undated   bool
	Staging   Table
	Replace   []string
	Whole     bool
}

// Column is a column whose type changes the text.
type Column struct {
	Name     string
	Repeated bool
}

// SQL writes the statement. It fails on an unknown template and on identifiers that BigQuery would not take.
func (s Statement) SQL() (string, error) {
	if err := s.check(); err != nil {
		return "", fmt.Errorf("statement %s: %w", s.Name, err)
	}
	return "-- gamefill: " + string(s.Name) + "\n" + s.body(), nil
}

func (s Statement) body() string {
	switch s.Name {
	case PartitionTokens:
		return "SELECT partition_id, total_rows, UNIX_MILLIS(last_modified_time) AS modified_millis\n" +
			"FROM `" + s.Table.Project + "." + s.Table.Dataset + "`.INFORMATION_SCHEMA.PARTITIONS\n" +
			"WHERE table_name = @table AND (partition_id BETWEEN @from AND @to OR partition_id = '" + Unpartitioned + "')\n" +
			"ORDER BY partition_id"
	case ReadRange:
		return "SELECT " + quoteAll(s.Columns) + "\nFROM " + quote(s.Table.String()) + s.where() + "\nORDER BY " +
			quote(s.Partition)
	case ReadTable:
		return "SELECT " + quoteAll(s.Columns) + "\nFROM " + quote(s.Table.String())
	case CountGroups:
		return s.countGroups()
	case Occupy:
		return "SELECT 1 AS occupied"
	case LoadRows:
		return s.loadRows()
	}
	return ""
}

func (s Statement) where() string {
	if s.Partition == "" {
		return ""
	}
	return "\nWHERE " + quote(s.Partition) + " BETWEEN @from AND @to"
}

func (s Statement) countGroups() string {
	var selected, groups []string
	if s.Partition != "" && !s.Undated {
		selected = append(selected, quote(s.Partition)+" AS part")
	}
	for i, name := range s.By {
		selected = append(selected, fmt.Sprintf("%s AS b%d", quote(name), i))
	}
	for i := range selected {
		groups = append(groups, fmt.Sprint(i+1))
	}
	selected = append(selected, "COUNT(*) AS row_count")
	if len(s.Keys) > 0 {
		selected = append(selected, "COUNT(DISTINCT "+key(s.Keys)+") AS key_count")
	} else {
		selected = append(selected, "0 AS key_count")
	}
	for i, c := range s.Nulls {
		test := quote(c.Name) + " IS NULL"
		if c.Repeated {
			test = "IFNULL(ARRAY_LENGTH(" + quote(c.Name) + "), 0) = 0"
		}
		selected = append(selected, fmt.Sprintf("COUNTIF(%s) AS z%d", test, i))
	}
	sql := "SELECT " + strings.Join(selected, ", ") + "\nFROM " + quote(s.Table.String()) + s.where()
	if len(groups) == 0 { // without groups an empty table would count as one of no rows
		return sql + "\nHAVING COUNT(*) > 0"
	}
	return sql + "\nGROUP BY " + strings.Join(groups, ", ")
}

// key is SQL for one text that is the same for the same values of the columns, NULL included.
func key(columns []string) string {
	fields := make([]string, len(columns))
	for i, name := range columns {
		fields[i] = fmt.Sprintf("%s AS k%d", quote(name), i)
	}
	return "TO_JSON_STRING(STRUCT(" + strings.Join(fields, ", ") + "))"
}

func (s Statement) loadRows() string {
	table, staging := quote(s.Table.String()), quote(s.Staging.String())
	var conditions []string
	if s.Partition != "" { // tables that require a partition filter want one here too
		conditions = append(conditions, quote(s.Partition)+" BETWEEN @from AND @to")
	}
	switch {
	case s.Whole:
		conditions = append(conditions, "TRUE")
	case len(s.Replace) == 0:
		conditions = append(conditions, "FALSE")
	default:
		conditions = append(conditions, key(s.Replace)+" IN (SELECT "+key(s.Replace)+" FROM "+staging+")")
	}
	columns := quoteAll(s.Columns)
	return "DECLARE removed, added INT64;\nBEGIN TRANSACTION;\n" +
		"DELETE FROM " + table + "\nWHERE " + strings.Join(conditions, " AND ") + ";\nSET removed = @@row_count;\n" +
		"INSERT INTO " + table + " (" + columns + ")\nSELECT " + columns + "\nFROM " + staging +
		";\nSET added = @@row_count;\n" +
		"COMMIT TRANSACTION;\nSELECT removed, added;"
}

// Identifiers as BigQuery takes them without the newer flexible names. Sources: BigQuery documentation, "Lexical
// structure", and Resource Manager, "Creating and managing projects" (a project id may carry a domain:
// "example.com:project").
var (
	projectPattern    = regexp.MustCompile(`^[a-z][a-z0-9.:-]*$`)
	identifierPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	datasetPattern    = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

var errIdentifier = errors.New("not an identifier")

func (t Table) check() error {
	for _, part := range []struct {
		pattern *regexp.Regexp
		text    string
	}{{projectPattern, t.Project}, {datasetPattern, t.Dataset}, {datasetPattern, t.Name}} {
		if !part.pattern.MatchString(part.text) {
			return fmt.Errorf("table %s: %w: %q", t, errIdentifier, part.text)
		}
	}
	return nil
}

func (s Statement) check() error {
	var needs struct{ table, partition, columns, staging bool }
	switch s.Name {
	case PartitionTokens:
		needs.table = true
	case ReadRange:
		needs.table, needs.partition, needs.columns = true, true, true
	case ReadTable:
		needs.table, needs.columns = true, true
	case CountGroups:
		needs.table = true
	case Occupy:
	case LoadRows:
		needs.table, needs.columns, needs.staging = true, true, true
	default:
		return errors.New("no such template")
	}
	if needs.columns && len(s.Columns) == 0 {
		return errors.New("no columns")
	}
	if needs.table {
		if err := s.Table.check(); err != nil {
			return err
		}
	}
	if needs.staging {
		if err := s.Staging.check(); err != nil {
			return err
		}
	}
	names := slices.Concat(s.Columns, s.By, s.Keys, s.Replace)
	for _, c := range s.Nulls {
		names = append(names, c.Name)
	}
	if needs.partition || s.Partition != "" {
		names = append(names, s.Partition)
	}
	for _, name := range names {
		if !identifierPattern.MatchString(name) {
			return fmt.Errorf("column: %w: %q", errIdentifier, name)
		}
	}
	return nil
}

// quote makes a quoted identifier of a name that has been checked.
func quote(name string) string { return "`" + name + "`" }

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, ", ")
}
