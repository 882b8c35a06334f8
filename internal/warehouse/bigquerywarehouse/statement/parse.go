package statement

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrUnknown: a text is none of the statements.
var ErrUnknown = errors.New("not a statement of gamefill")

// Parse reads what [Statement.SQL] wrote. A text that differs from it in one byte is [ErrUnknown].
//
// The table of [PartitionTokens] comes without its name, which is the parameter @table.
func Parse(sql string) (Statement, error) {
	first, body, _ := strings.Cut(sql, "\n")
	name, ok := strings.CutPrefix(first, "-- gamefill: ")
	s := Statement{Name: Name(name)}
	read, known := readers[s.Name]
	if !ok || !known {
		return Statement{}, fmt.Errorf("%w: it begins with %.80q", ErrUnknown, first)
	}
	read(&s, body)
	check := s
	if s.Name == PartitionTokens {
		check.Table.Name = "t"
	}
	// The readers take what looks right; writing it again is what tells.
	if again, err := check.SQL(); err != nil || again != sql {
		return Statement{}, fmt.Errorf("%w: %s of another form", ErrUnknown, name)
	}
	return s, nil
}

var readers = map[Name]func(s *Statement, body string){
	PartitionTokens: func(s *Statement, body string) {
		project, dataset := cutLast(find(informationSchema, body))
		s.Table = Table{Project: project, Dataset: dataset}
	},
	ReadRange: func(s *Statement, body string) {
		s.Columns, s.Table, s.Partition = names(line(body, "SELECT ")), table(line(body, "FROM ")),
			name(line(body, "ORDER BY "))
	},
	ReadTable: func(s *Statement, body string) {
		s.Columns, s.Table = names(line(body, "SELECT ")), table(line(body, "FROM "))
	},
	CountGroups: func(s *Statement, body string) {
		s.Table = table(line(body, "FROM "))
		s.Partition = name(line(body, "WHERE "))
		selected := line(body, "SELECT ")
		head, tail, _ := strings.Cut(selected, "COUNT(*) AS row_count")
		if s.Partition != "" {
			_, keys, dated := strings.Cut(head, " AS part, ")
			if s.Undated = !dated; dated {
				head = keys
			}
		}
		s.By = names(head)
		keys, nulls, _ := strings.Cut(tail, " AS key_count")
		s.Keys = names(keys)
		for _, test := range nullTest.FindAllStringSubmatch(nulls, -1) {
			s.Nulls = append(s.Nulls, Column{Name: test[1] + test[2], Repeated: test[2] != ""})
		}
	},
	Occupy: func(*Statement, string) {},
	LoadRows: func(s *Statement, body string) {
		s.Table = table(line(body, "DELETE FROM "))
		s.Staging = table(strings.TrimSuffix(line(body, "FROM "), ";"))
		s.Columns = names(line(body, "SELECT "))
		condition := line(body, "WHERE ")
		if before, after, ok := strings.Cut(condition, " BETWEEN @from AND @to AND "); ok {
			s.Partition, condition = name(before), after
		}
		s.Whole = condition == "TRUE;"
		key, _, _ := strings.Cut(condition, " IN (SELECT ")
		s.Replace = names(key)
	},
}

var (
	quoted            = regexp.MustCompile("`([^`]*)`")
	informationSchema = regexp.MustCompile("FROM `([^`]*)`\\.INFORMATION_SCHEMA\\.PARTITIONS")
	nullTest          = regexp.MustCompile(
		"COUNTIF\\((?:`([^`]*)` IS NULL|IFNULL\\(ARRAY_LENGTH\\(`([^`]*)`\\), 0\\) = 0)\\)")
)

// line is the rest of the first line that begins with prefix, "" if there is none.
func line(body, prefix string) string {
	for l := range strings.SplitSeq(body, "\n") {
		if rest, ok := strings.CutPrefix(l, prefix); ok {
			return rest
		}
	}
	return ""
}

func find(pattern *regexp.Regexp, text string) string {
	if m := pattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// names are the quoted identifiers of a text.
func names(text string) (list []string) {
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}

// name is the first quoted identifier of a text, "" if there is none.
func name(text string) string { return find(quoted, text) }

// table reads a quoted table name. Projects may hold dots, so it is read from the end.
func table(text string) Table {
	rest, name := cutLast(name(text))
	project, dataset := cutLast(rest)
	return Table{project, dataset, name}
}

// cutLast cuts a text at its last dot.
func cutLast(text string) (before, after string) {
	if i := strings.LastIndexByte(text, '.'); i >= 0 {
		return text[:i], text[i+1:]
	}
	return "", text
}
