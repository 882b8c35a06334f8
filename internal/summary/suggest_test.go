package summary

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/boxscore"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

func TestSuggest(t *testing.T) {
	t.Parallel()
	person := func(name, team, season string) table.Row {
		row := make(table.Row, len(boxscore.Registry.Columns))
		row[registryAt.name], row[registryAt.lookup] = table.String(name), table.String(Lookup(name))
		row[registryAt.team], row[registryAt.season] = table.String(team), table.String(season)
		return row
	}
	references := map[string][]table.Row{boxscore.Registry.Name: {
		person("Ann Tolliver", "CHI", "2021-22"), person("Ann Tolliver", "CHI", "2020-21"),
		person("Ana Tolliver", "MIA", "2021-22"),
		person("Anne Tolliver", "BOS", "2019-20"), person("Charlie Brown Jr.", "CHI", "2021-22"),
		person("Zed Zimmer", "CHI", "2021-22"), person("Bo Brown", "MIA", "2021-22"),
	}}
	tests := []struct {
		name string
		most int
		want []string
	}{
		{"Anm Tolliver", 3, []string{"anntolliver: 1 letter differs, same team and season",
			"anatolliver: 1 letter differs, same season", "annetolliver: 2 letters differ"}},
		{"Anm Tolliver", 1, []string{"anntolliver: 1 letter differs, same team and season"}},
		{"Charles Brown", 3, []string{"charliebrownjr: same surname, same team and season"}},
		{"Brown", 3, []string{"charliebrownjr: same surname, same team and season",
			"bobrown: 2 letters differ, same season"}},
		{"Quite Another", 3, nil},
	}
	for _, tt := range tests {
		var got []string
		for _, s := range suggest(references,
			job.Unresolved{Name: tt.name, Lookup: Lookup(tt.name), Season: "2021-22", Group: "CHI"}, tt.most) {
			got = append(got, s.Lookup+": "+s.Why)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s, at most %d (-want +got):\n%s", tt.name, tt.most, diff)
		}
	}
}
