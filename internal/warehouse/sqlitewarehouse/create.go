package sqlitewarehouse

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Create implements [warehouse.Tables]. A table of that name which somebody made with plain SQL is adopted when its
// columns fit. Columns that the schema does not know are a difference too: a replacement would wipe them.
func (w *Warehouse) Create(ctx context.Context, t *table.Schema) error {
	l := newLayout(t)
	if whole, err := w.isWhole(ctx, l); whole || err != nil {
		return err
	}
	err := w.f.Write(ctx, func(tx *sqlitefile.Tx) error {
		live, err := describe(tx, t.Name)
		if err != nil {
			return err
		}
		if problems := l.compare(live); len(problems) > 0 {
			return &warehouse.SchemaError{Table: t.FullName(), Problems: problems}
		}
		return l.apply(tx, live)
	})
	if err != nil {
		return fmt.Errorf("create %s: %w", t.FullName(), err)
	}
	return nil
}

// Drop implements [warehouse.Tables]. A table of that name that gamefill has neither made nor adopted is left alone.
func (w *Warehouse) Drop(ctx context.Context, t *table.Schema) (dropped bool, err error) {
	err = w.f.Write(ctx, func(tx *sqlitefile.Tx) error {
		live, err := describe(tx, t.Name)
		if dropped = live.registered && live.dataset == t.Dataset; err != nil || !dropped {
			return err
		}
		if live.kind == "table" { // with its index and triggers; somebody may have dropped it
			if _, err := tx.Exec("DROP TABLE " + quote(t.Name)); err != nil {
				return err
			}
		}
		for _, bookkeeping := range []string{"warehouse_table", "warehouse_column", "warehouse_partition"} {
			if _, err := tx.Exec("DELETE FROM "+bookkeeping+" WHERE table_name = ?", t.Name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("drop %s: %w", t.FullName(), err)
	}
	return dropped, nil
}

// isWhole reports whether the table, its index and its triggers are all there and fit. It only reads, so a process that
// opens a table which others write waits for nobody.
func (w *Warehouse) isWhole(ctx context.Context, l *layout) (whole bool, err error) {
	err = w.f.Read(ctx, func(tx *sqlitefile.Tx) error {
		live, err := describe(tx, l.t.Name)
		if err != nil {
			return err
		}
		_, counts := live.columns[generationColumn]
		whole = live.registered && counts && len(l.compare(live)) == 0
		for _, c := range l.t.Columns {
			whole = whole && live.columns[c.Name].typeName != ""
		}
		helpers := len(l.triggers())
		if l.partition >= 0 {
			helpers++
		}
		return tx.Scan(
			`SELECT count(*) FROM sqlite_schema WHERE tbl_name = ? AND type IN ('trigger', 'index') AND name GLOB 'gamefill_*'`,
			[]any{l.t.Name}, func(row []driver.Value) error {
				whole = whole && row[0].(int64) == int64(helpers)
				return nil
			})
	})
	return whole, err
}

// liveTable is what the file holds under a name.
type liveTable struct {
	kind       string // "" when there is nothing, "table", "view", …
	registered bool
	dataset    string
	partition  string
	columns    map[string]liveColumn // by name
	order      []string
}

type liveColumn struct {
	sqlType  string
	notNull  bool
	typeName string // of the schema, "" when gamefill has not made the column
}

func describe(tx *sqlitefile.Tx, name string) (liveTable, error) {
	live := liveTable{columns: map[string]liveColumn{}}
	if err := tx.Scan("SELECT type FROM sqlite_schema WHERE name = ?", []any{name}, func(row []driver.Value) error {
		live.kind = row[0].(string)
		return nil
	}); err != nil {
		return live, err
	}
	if err := tx.Scan("SELECT dataset, partition_column FROM warehouse_table WHERE table_name = ?", []any{name}, func(
		row []driver.Value) error {
		live.registered, live.dataset, live.partition = true, row[0].(string), row[1].(string)
		return nil
	}); err != nil {
		return live, err
	}
	err := tx.Scan(`SELECT c.name, c.type, c."notnull", w.type_name FROM pragma_table_info(?) AS c
		LEFT JOIN warehouse_column AS w ON w.table_name = ? AND w.column_name = c.name ORDER BY c.cid`, []any{name, name}, func(row []driver.Value) error {
		typeName, _ := row[3].(string)
		live.order = append(live.order, row[0].(string))
		live.columns[row[0].(string)] = liveColumn{strings.ToUpper(row[1].(string)), row[2].(int64) != 0, typeName}
		return nil
	})
	return live, err
}

// compare lists what keeps [Warehouse.Create] from taking the live table: its differences, REQUIRED columns that are
// missing, and columns that the schema does not know.
func (l *layout) compare(live liveTable) []string {
	problems := l.differences(live)
	if live.kind != "table" {
		return problems
	}
	for _, c := range l.t.Columns {
		if _, there := live.columns[c.Name]; !there && c.Required {
			problems = append(problems, fmt.Sprintf("column %s is missing and REQUIRED, so it cannot be added", c.Name))
		}
	}
	for _, name := range live.order {
		if name != generationColumn && l.t.Index(name) < 0 {
			problems = append(problems, fmt.Sprintf("column %s is not in the schema: a replacement would wipe it", name))
		}
	}
	return problems
}

// differences lists how the live table differs other than by columns that one of the two lacks, one sentence each.
func (l *layout) differences(live liveTable) (problems []string) {
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if l.t.Partition != "" && (l.partition < 0 || l.t.Columns[l.partition].Type != table.DATE) {
		report("the partition column %s is not a DATE column of the schema", l.t.Partition)
	}
	if l.t.Index(generationColumn) >= 0 {
		report("the column name %s is reserved", generationColumn)
	}
	if live.registered && live.dataset != l.t.Dataset {
		report("the name belongs to %s.%s; one file holds one table of a name", live.dataset, l.t.Name)
	}
	if live.kind == "" || len(problems) > 0 {
		return problems
	}
	if live.kind != "table" {
		report("the name belongs to something else: %s", live.kind)
		return problems
	}
	if live.registered && live.partition != l.t.Partition {
		report("partitioned by %s, want %s", orNothing(live.partition), orNothing(l.t.Partition))
	}
	for i, c := range l.t.Columns {
		has, there := live.columns[c.Name]
		switch want := l.codecs[i].sqlType(); {
		case !there:
		case has.sqlType != want:
			report("column %s is %s, want %s (%s)", c.Name, has.sqlType, want, c.TypeName())
		case has.typeName != "" && has.typeName != c.TypeName():
			report("column %s holds %s, want %s", c.Name, has.typeName, c.TypeName())
		case has.notNull != c.Required:
			report("column %s is %s, want %s", c.Name, mode(has.notNull), mode(c.Required))
		}
	}
	return problems
}

func orNothing(column string) string {
	if column == "" {
		return "nothing"
	}
	return column
}

func mode(required bool) string {
	if required {
		return "REQUIRED"
	}
	return "NULLABLE"
}

// apply makes the table, or adds what the live one lacks. Every statement is one that a second call leaves out or that
// changes nothing the second time.
func (l *layout) apply(tx *sqlitefile.Tx, live liveTable) error {
	var statements []string
	name := quote(l.t.Name)
	if live.kind == "" {
		statements = append(statements,
			"DELETE FROM warehouse_column WHERE table_name = "+literal(l.t.Name), // of a table that somebody dropped
			"CREATE TABLE "+name+" (\n    "+strings.Join(l.definitions(), ",\n    ")+"\n)")
	} else {
		for i, c := range l.t.Columns {
			if _, there := live.columns[c.Name]; !there {
				statements = append(statements, "ALTER TABLE "+name+" ADD COLUMN "+l.definition(i))
			}
		}
		if _, there := live.columns[generationColumn]; !there {
			statements = append(statements, "ALTER TABLE "+name+" ADD COLUMN "+generationColumn+" INTEGER")
		}
	}
	if l.partition >= 0 {
		statements = append(statements,
			"CREATE INDEX IF NOT EXISTS "+quote("gamefill_"+l.t.Name+"_partition")+" ON "+name+" ("+quote(l.t.Partition)+")")
	}
	statements = append(statements, l.triggers()...)
	if !live.registered {
		if live.kind != "" {
			statements = append(statements, l.markAll())
		}
		statements = append(statements, "INSERT INTO warehouse_table (table_name, dataset, partition_column) VALUES ("+
			literal(l.t.Name)+", "+literal(l.t.Dataset)+", "+literal(l.t.Partition)+")")
	}
	for _, s := range statements {
		if _, err := tx.Exec(s); err != nil {
			return err
		}
	}
	for _, c := range l.t.Columns {
		if _, err := tx.Exec(
			"INSERT INTO warehouse_column (table_name, column_name, type_name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
			l.t.Name, c.Name, c.TypeName()); err != nil {
			return err
		}
	}
	return nil
}

func (l *layout) definition(i int) string {
	d := quote(l.t.Columns[i].Name) + " " + l.codecs[i].sqlType()
	if l.t.Columns[i].Required {
		d += " NOT NULL"
	}
	return d
}

func (l *layout) definitions() []string {
	var d []string
	for i := range l.t.Columns {
		d = append(d, l.definition(i))
	}
	return append(d, generationColumn+" INTEGER")
}

// randomChecksum is SQL for a token that nobody has seen.
const randomChecksum = "'edited-' || lower(hex(randomblob(16)))"

// mark is SQL that gives the partition of a row, named NEW or OLD in a trigger, a new random token.
func (l *layout) mark(row string) string {
	date := "''"
	if l.partition >= 0 {
		date = "ifnull(" + row + "." + quote(l.t.Partition) + ", '')"
	}
	return "INSERT INTO warehouse_partition (table_name, partition_date, checksum) VALUES (" + literal(l.t.Name) + ", " +
		date + ", " + randomChecksum +
		") ON CONFLICT (table_name, partition_date) DO UPDATE SET checksum = excluded.checksum, row_count = NULL;"
}

// triggers notice every change of a row but gamefill's own inserts, which set the generation and then the token.
// Deletes of gamefill's own are noticed too; the write that follows in their transaction sets the token.
func (l *layout) triggers() []string {
	trigger := func(event, when, body string) string {
		return "CREATE TRIGGER IF NOT EXISTS " + quote("gamefill_"+l.t.Name+"_"+strings.ToLower(event)) +
			" AFTER " + event + " ON " + quote(l.t.Name) + when + " BEGIN " + body + " END"
	}
	return []string{
		trigger("INSERT", " WHEN NEW."+generationColumn+" IS NULL", l.mark("NEW")),
		trigger("UPDATE", "", l.mark("OLD")+" "+l.mark("NEW")),
		trigger("DELETE", "", l.mark("OLD")),
	}
}

// markAll gives every partition of an adopted table its first token.
func (l *layout) markAll() string {
	date := "''"
	if l.partition >= 0 {
		date = "ifnull(" + quote(l.t.Partition) + ", '')"
	}
	return "INSERT INTO warehouse_partition (table_name, partition_date, checksum) SELECT " + literal(l.t.Name) + ", " +
		date + ", " + randomChecksum +
		" FROM " + quote(l.t.Name) +
		" WHERE true GROUP BY 2 ON CONFLICT (table_name, partition_date) DO UPDATE SET checksum = excluded.checksum, " +
		"row_count = NULL"
}
