package job_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/job"
	"gamefill/internal/table"
)

var people = &table.Schema{Dataset: "ref", Name: "people", Columns: []table.Column{
	{Name: "name", Type: table.STRING}, {Name: "height", Type: table.NUMERIC, Precision: 5, Scale: 2},
	{Name: "tags", Type: table.STRINGS}}}

func TestReferenceIsCanonicalAndReadsBack(t *testing.T) {
	t.Parallel()
	rows := []table.Row{
		{table.String("Ünal \"U\"\n"), table.Numeric(19850, 2), table.Strings([]string{"x"})},
		{table.String(""), table.Null, table.Null},
		{table.Null, table.Numeric(-1, 2), table.Null},
	}
	packed, hash, err := job.PackReference([]*table.Schema{people}, map[string][]table.Row{"people": rows})
	if err != nil {
		t.Fatal(err)
	}
	reversed := slices.Clone(rows)
	slices.Reverse(reversed)
	again, hash2, err := job.PackReference([]*table.Schema{people}, map[string][]table.Row{"people": reversed})
	if err != nil || !bytes.Equal(packed, again) || hash != hash2 {
		t.Errorf("the order of rows shows: %v", err)
	}
	back, err := job.UnpackReference([]*table.Schema{people}, packed)
	if err != nil {
		t.Fatal(err)
	}
	text := func(rows []table.Row) (texts []string) {
		for _, r := range rows {
			var parts []string
			for _, v := range r {
				parts = append(parts, v.Type().String()+"="+v.Text())
			}
			texts = append(texts, strings.Join(parts, ";"))
		}
		slices.Sort(texts)
		return texts
	}
	if diff := cmp.Diff(text(rows), text(back["people"])); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestUnpackReferenceRefusesAnotherBuildsSnapshot(t *testing.T) {
	t.Parallel()
	packed, _, err := job.PackReference([]*table.Schema{people}, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := &table.Schema{Dataset: "ref", Name: "people", Columns: people.Columns[:2]}
	for name, schemas := range map[string][]*table.Schema{
		"other columns": {other}, "another table": {{Dataset: "ref", Name: "pets", Columns: people.Columns}},
		"one more table": {people, {Dataset: "ref", Name: "pets"}},
	} {
		if _, err := job.UnpackReference(schemas, packed); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	for _, bad := range []string{"[1,2]\n", "{\"table\":\n", "nonsense\n", "[null]\n"} {
		if _, err := job.UnpackReference([]*table.Schema{people}, append(bytes.Clone(packed), bad...)); err == nil {
			t.Errorf("%q behind the snapshot: got no error", bad)
		}
	}
}

func TestWorse(t *testing.T) {
	t.Parallel()
	order := []job.Verdict{job.Pass, job.Warned, job.Failed}
	for i, a := range order {
		for j, b := range order {
			if got, want := job.Worse(a, b), order[max(i, j)]; got != want {
				t.Errorf("worse of %s and %s: got %s, want %s", a, b, got, want)
			}
		}
	}
	if got := job.Worse(job.NotChecked, job.Warned); got != job.NotChecked {
		t.Errorf("a check that could not be made is worse than a warning, got %s", got)
	}
}
