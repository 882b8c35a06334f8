package publisher_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/publisher"
	"gamefill/internal/testjob"
)

// Both forms of a file, with any columns, are the same rows; what cannot be a row of the table is named by its line.
func TestReadGolden(t *testing.T) {
	t.Parallel()
	two := []string{"2: 2022-05-01 north day=2022-05-01 station=north region=hills tenths=12",
		"3: 2022-05-02 south day=2022-05-02 station=south region= tenths=30"}
	lines := func(texts []string, less int) []string { // JSON has no header line
		out := make([]string, len(texts))
		for i, text := range texts {
			out[i] = string(text[0]-byte(less)) + text[1:]
		}
		return out
	}
	tests := []struct {
		name, text string
		want       []string
		wrong      string
	}{
		{"CSV", "day,station,region,tenths\n2022-05-01,north,hills,12\n2022-05-02,south,,30\n", two, ""},
		{"CSV in another order", "tenths,region,station,day\n12,hills,north,2022-05-01\n30,,south,2022-05-02", two, ""},
		{"JSON", `{"day":"2022-05-01","station":"north","region":"hills","tenths":12}` + "\n\n", lines(two[:1], 1), ""},
		{"JSON without a line end", `{"tenths":"12","station":"north","day":"2022-05-01","region":"hills"}`, lines(two[:1], 1), ""},
		{"keys alone", "day,station\n2022-05-01,north\n", []string{"2: 2022-05-01 north day=2022-05-01 station=north"}, ""},
		{"nothing", "", nil, "has no rows"},
		{"a header alone", "day,station\n", nil, "has no rows"},
		{"unknown column", "day,station,wind\n", nil, `weather.rain_per_day has no column "wind"; its columns are: day, station`},
		{"unknown member", `{"day":"2022-05-01","station":"north","wind":1}`, nil, `line 1: column wind: want a column of rain_per_day, got an unknown one`},
		{"a column twice", "day,station,day\n", nil, `column "day" comes twice`},
		{"no key", "day,tenths\n2022-05-01,12\n", nil, "column station is missing: rows are told apart by day, station"},
		{"no key in one row", "day,station,tenths\n2022-05-01,north,12\n2022-05-01,,12\n", nil, "line 3: station is missing"},
		{"no date in JSON", `{"station":"north"}`, nil, "line 1: day is missing"},
		{"no number", "day,station,tenths\n2022-05-01,north,many\n", nil, `line 2: column tenths`},
		{"ragged", "day,station\n2022-05-01\n", nil, "wrong number of fields"},
		{"no JSON", "{day\n", nil, "line 1: not a JSON object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			golden, err := publisher.ReadGolden(strings.NewReader(tt.text), testjob.Target)
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) {
					t.Fatalf("got error %v, want one that says %q", err, tt.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range golden {
				text := string('0'+rune(g.Line)) + ": " + g.Date.String() + " " + g.Row[testjob.Target.MustIndex("station")].Text()
				columns := map[int]bool{}
				for _, i := range g.Columns {
					columns[i] = true
				}
				for i, c := range testjob.Target.Columns {
					if columns[i] {
						text += " " + c.Name + "=" + g.Row[i].Text()
					}
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}
