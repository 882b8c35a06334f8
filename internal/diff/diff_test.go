package diff_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/diff"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

var day = gamedate.MustParse("2022-01-15")

// scores has a key of two columns, of which one may be NULL, and columns of every role.
var scores = &table.Schema{Dataset: "d", Name: "scores", Partition: "day", Key: []string{"name", "id"},
	Columns: []table.Column{
		{Name: "day", Type: table.DATE, Required: true}, {Name: "id", Type: table.STRING},
		{Name: "name", Type: table.STRING, Required: true},
		{Name: "points", Type: table.INT64}, {Name: "at", Type: table.INT64, Role: table.Volatile},
		{Name: "note", Type: table.STRING, Role: table.Unowned}, {Name: "of", Type: table.INT64, Lineage: true},
	}}

// score makes a row; "" and a negative number are NULL.
func score(name, id string, points, at int, note string) table.Row {
	row := table.Row{table.Date(day), table.Null, table.String(name), table.Null, table.Int(int64(at)),
		table.Null, table.Int(1)}
	if id != "" {
		row[1] = table.String(id)
	}
	if points >= 0 {
		row[3] = table.Int(int64(points))
	}
	if note != "" {
		row[5] = table.String(note)
	}
	return row
}

func rows(rows ...table.Row) []table.Row { return rows }

// made sets the lineage column of rows.
func made(of int64, rows ...table.Row) []table.Row {
	var changed []table.Row
	for _, row := range rows {
		row = slices.Clone(row)
		row[scores.MustIndex("of")] = table.Int(of)
		changed = append(changed, row)
	}
	return changed
}

// tell puts a comparison into words.
func tell(p diff.Partition) (lines []string) {
	names := func(columns []int) (names []string) {
		for _, c := range columns {
			names = append(names, scores.Columns[c].Name)
		}
		return names
	}
	for _, row := range p.Added {
		lines = append(lines, "+ "+scores.Describe(row))
	}
	for _, row := range p.Removed {
		lines = append(lines, "- "+scores.Describe(row))
	}
	for _, c := range p.Changed {
		lines = append(lines, fmt.Sprint("~ ", scores.Describe(c.After), " ", names(c.Columns)))
	}
	for _, c := range p.Lineage {
		lines = append(lines, fmt.Sprint("lineage ", scores.Describe(c.After), " ", names(c.Columns)))
	}
	for _, l := range p.Erased {
		lines = append(lines, fmt.Sprint("erased ", scores.Describe(l.Before), " ", names(l.Columns)))
	}
	for _, d := range p.Duplicates {
		lines = append(lines, fmt.Sprintf("duplicate %s %d %d", scores.Describe(d.Row), d.Before, d.After))
	}
	return lines
}

func TestCompare(t *testing.T) {
	t.Parallel()
	a, b, c := score("a", "1", 10, 0, ""), score("b", "2", 20, 0, ""), score("c", "3", 30, 0, "")
	tests := []struct {
		name          string
		before, after []table.Row
		want          []string
	}{
		{"both empty", nil, nil, nil},
		{"order does not show", rows(a, b, c), rows(c, a, b), nil},
		{"volatile columns do not show", rows(a), rows(score("a", "1", 10, 99, "")), nil},
		{"all added", nil, rows(b, a), []string{"+ name=a id=1", "+ name=b id=2"}},
		{"all removed", rows(b, a), nil, []string{"- name=a id=1", "- name=b id=2"}},
		{"changed", rows(a, b), rows(a, score("b", "2", 21, 0, "")), []string{"~ name=b id=2 [points]"}},
		{"from NULL", rows(score("a", "1", -1, 0, "")), rows(score("a", "1", 0, 0, "")), []string{"~ name=a id=1 [points]"}},
		{"to NULL", rows(score("a", "1", 0, 0, "")), rows(score("a", "1", -1, 0, "")), []string{"~ name=a id=1 [points]"}},
		{"another name is another row", rows(a), rows(score("x", "1", 10, 0, "")),
			[]string{"+ name=x id=1", "- name=a id=1"}},
		{"a person becomes known", rows(score("a", "", 10, 0, ""), b), rows(a, b), []string{"~ name=a id=1 [id]"}},
		{"a person becomes known, other numbers", rows(score("a", "", 10, 0, "")), rows(score("a", "1", 11, 0, "")),
			[]string{"~ name=a id=1 [id points]"}},
		{"the key decides before its required part", rows(score("a", "", 10, 0, ""), score("a", "1", 11, 0, "")),
			rows(score("a", "1", 10, 0, "")), []string{"- name=a id=", "~ name=a id=1 [points]"}},
		{"erased", rows(score("a", "1", 10, 0, "theirs")), rows(a), []string{"erased name=a id=1 [note]"}},
		{"carried", rows(score("a", "1", 10, 0, "theirs")), rows(score("a", "1", 10, 5, "theirs")), nil},
		{"replaced in an unowned column", rows(score("a", "1", 10, 0, "theirs")), rows(score("a", "1", 10, 0, "ours")),
			[]string{"erased name=a id=1 [note]"}},
		{"new in an unowned column", rows(a), rows(score("a", "1", 10, 0, "ours")), []string{"~ name=a id=1 [note]"}},
		{"erased with the row", rows(score("a", "1", 10, 0, "theirs")), nil,
			[]string{"- name=a id=1", "erased name=a id=1 [note]"}},
		{"changed and erased", rows(score("a", "1", 10, 0, "theirs")), rows(score("a", "1", 11, 0, "")),
			[]string{"~ name=a id=1 [points]", "erased name=a id=1 [note]"}},
		{"lineage alone", rows(a, b), made(2, a, b), []string{"lineage name=a id=1 [of]", "lineage name=b id=2 [of]"}},
		{"lineage beside a change", rows(a, b), made(2, a, score("b", "2", 21, 0, "")),
			[]string{"~ name=b id=2 [points of]", "lineage name=a id=1 [of]"}},
		{"twins of another lineage stay together", rows(score("a", "1", 10, 0, ""), score("a", "1", 12, 0, "")),
			made(2, score("a", "1", 9, 0, ""), score("a", "1", 10, 0, "")),
			[]string{"~ name=a id=1 [points of]", "lineage name=a id=1 [of]", "duplicate name=a id=1 2 2"}},
		{"the same duplicates", rows(a, a), rows(a, a), []string{"duplicate name=a id=1 2 2"}},
		{"one of two", rows(a, a), rows(a), []string{"- name=a id=1", "duplicate name=a id=1 2 1"}},
		{"two of one", rows(a, b), rows(a, a, b), []string{"+ name=a id=1", "duplicate name=a id=1 1 2"}},
		{"one of two twins changes", rows(a, score("a", "1", 12, 0, "")), rows(score("a", "1", 13, 0, ""), a),
			[]string{"~ name=a id=1 [points]", "duplicate name=a id=1 2 2"}},
		{"twins keep what they have", rows(score("a", "1", 10, 0, "x"), score("a", "1", 10, 0, "y")),
			rows(score("a", "1", 10, 0, "y")),
			[]string{"- name=a id=1", "erased name=a id=1 [note]", "duplicate name=a id=1 2 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := diff.Compare(scores, tt.before, tt.after)
			if d := cmp.Diff(tt.want, tell(p)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// For any two versions: the numbers account for every row, comparing a version with itself finds nothing, nothing is
// found exactly when the contents are equal, the order of rows does not show, and applying the difference to the old
// version gives the new one.
func TestCompareAnyTwoVersions(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 11))
		version := func() (version []table.Row) {
			for range rng.IntN(7) {
				version = append(version,
					score(string(rune('a'+rng.IntN(3))), []string{"", "1", "2"}[rng.IntN(3)], rng.IntN(3)-1, rng.IntN(9),
						[]string{"", "", "x", "y"}[rng.IntN(4)]))
			}
			return version
		}
		before, after := version(), version()
		if seed%3 == 0 { // two unrelated versions are seldom equal
			after = slices.Clone(before)
			for i := range after {
				after[i] = slices.Clone(after[i])
				after[i][4] = table.Int(int64(rng.IntN(9)))
				if rng.IntN(6) == 0 {
					after[i][3] = table.Int(7)
				}
				if seed%2 == 0 {
					after[i][6] = table.Int(2)
				}
			}
		}
		p := diff.Compare(scores, before, after)
		if got := tell(diff.Compare(scores, shuffled(rng, before), shuffled(rng, after))); !slices.Equal(got, tell(p)) {
			t.Errorf("seed %d: the order of rows shows: got %q, want %q", seed, got, tell(p))
		}
		if self := diff.Compare(scores, before, shuffled(rng, before)); !self.Empty() || self.Same != len(before) {
			t.Errorf("seed %d: compared with itself: got %q", seed, tell(self))
		}
		if want := scores.ContentFingerprint(before) == scores.ContentFingerprint(after); p.Empty() != want {
			t.Errorf("seed %d: got empty %v, want %v: %q", seed, p.Empty(), want, tell(p))
		}
		c := p.Counts()
		if c.Before != c.Same+c.Lineage+c.Changed+c.Removed || c.After != c.Same+c.Lineage+c.Changed+c.Added ||
			c.Before != len(before) || c.After != len(after) {
			t.Errorf("seed %d: rows unaccounted for: %+v of %d and %d", seed, c, len(before), len(after))
		}
		if got, want := scores.Fingerprint(apply(before, p)), scores.Fingerprint(after); got != want {
			t.Errorf("seed %d: the difference applied to the old version is not the new one: %q", seed, tell(p))
		}
	}
}

func shuffled(rng *rand.Rand, rows []table.Row) []table.Row {
	rows = slices.Clone(rows)
	rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows
}

// apply does to before what p says, column by column.
func apply(before []table.Row, p diff.Partition) []table.Row {
	gone := map[*table.Value]int{} // rows are shared, so a row's first value names it
	for _, row := range p.Removed {
		gone[&row[0]]++
	}
	patches := map[*table.Value]diff.Change{}
	for _, c := range slices.Concat(p.Changed, p.Lineage) {
		patches[&c.Before[0]] = c
	}
	var after []table.Row
	for _, row := range before {
		if gone[&row[0]] > 0 {
			gone[&row[0]]--
			continue
		}
		change := patches[&row[0]]
		row = slices.Clone(row)
		for _, i := range change.Columns {
			row[i] = change.After[i]
		}
		after = append(after, row)
	}
	return append(after, p.Added...)
}

func TestRollup(t *testing.T) {
	t.Parallel()
	r := diff.NewRollup(scores, 1)
	next := day.AddDays(1)
	same := score("s", "9", 9, 0, "")
	r.Add(day, diff.Compare(scores,
		rows(score("a", "", -1, 0, "x"), score("b", "2", 2, 0, ""), score("d", "4", 4, 0, ""), same),
		made(2, score("a", "1", 1, 0, ""), score("b", "2", 3, 0, ""), score("c", "3", 3, 0, ""), score("c", "3", 3, 0, ""),
			same)))
	r.Add(next, diff.Compare(scores, rows(same), rows(score("s", "9", 9, 5, ""))))
	r.Add(next.AddDays(1), diff.Compare(scores, rows(score("e", "5", 5, 0, "x"), same), made(3, same)))
	text := func(s string) *string { return &s }
	want := diff.Total{
		Counts: diff.Counts{Before: 7, After: 7, Same: 1, Added: 2, Removed: 2, Changed: 2, Lineage: 2,
			Erasing: 2, Duplicates: 1},
		Dates: 3, Differing: 2,
		Columns: []diff.Column{
			{Column: "id", Rows: 1, Examples: []diff.ColumnExample{{Date: day, Key: "name=a id=1", After: text("1")}}},
			{Column: "points", Rows: 2, Examples: []diff.ColumnExample{{Date: day, Key: "name=a id=1", After: text("1")}}},
		},
		LineageColumns: []diff.Column{{Column: "of", Rows: 4,
			Examples: []diff.ColumnExample{{Date: day, Before: text("1"), After: text("2")}}}},
		ErasedColumns: []diff.Column{
			{Column: "note", Rows: 2, Examples: []diff.ColumnExample{{Date: day, Key: "name=a id=1", Before: text("x")}}},
		},
		Examples: diff.Examples{
			Added:   []diff.RowExample{{Date: day, Key: "name=c id=3"}},
			Removed: []diff.RowExample{{Date: day, Key: "name=d id=4"}},
			Changed: []diff.RowExample{{Date: day, Key: "name=a id=1", Cells: []diff.Cell{
				{Column: "id", After: text("1")}, {Column: "points", After: text("1")}}}},
			Duplicates: []diff.DuplicateExample{{Date: day, Key: "name=c id=3", After: 2}},
		},
	}
	if d := cmp.Diff(want, r.Total()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	empty := diff.NewRollup(scores, 0)
	empty.Add(day, diff.Compare(scores, nil, rows(score("a", "1", 1, 0, ""))))
	if got := empty.Total(); got.Added != 1 || len(got.Examples.Added) != 0 || got.Columns == nil {
		t.Errorf("no examples asked for: got %+v", got)
	}
}
