package publisher

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
)

func TestLookUps(t *testing.T) {
	t.Parallel()
	expected := map[gamedate.Date]job.Expectation{}
	var entries []ledger.Entry
	add := func(day string, state ledger.State, names ...string) {
		d := gamedate.MustParse(day)
		expected[d] = job.Expectation{Units: len(names), Names: names}
		entries = append(entries, ledger.Entry{Date: d, State: state})
	}
	for day := 1; day <= 6; day++ {
		add(fmt.Sprintf("2021-05-%02d", day), ledger.Complete, "a", "b")
	}
	add("2021-05-07", ledger.Dead, "a")
	add("2021-05-08", ledger.NoGames)
	add("2022-05-01", ledger.Complete, "secret", "b") // the first has no page
	add("2022-05-02", ledger.Complete, "secret")
	p := &Publisher{job: job.Job{Calendar: job.Calendar{
		SeasonOf: func(d gamedate.Date) string { return fmt.Sprint(d.Year) },
		Link: func(d gamedate.Date, name string) string {
			if name == "secret" {
				return ""
			}
			return "https://example.com/" + d.String() + name
		},
	}}}
	var got []string
	for _, l := range p.lookUps(expected, entries) {
		got = append(got, l.Season+" "+l.Date.String()+" "+l.Name+" "+l.Link)
	}
	want := []string{
		"2021 2021-05-01 a https://example.com/2021-05-01a", "2021 2021-05-04 a https://example.com/2021-05-04a",
		"2021 2021-05-06 a https://example.com/2021-05-06a", "2022 2022-05-01 b https://example.com/2022-05-01b",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("chosen (-want +got):\n%s", diff)
	}
	p.job.Calendar.Link = nil
	if got := p.lookUps(expected, entries); got != nil {
		t.Errorf("of a job without pages: got %v, want none", got)
	}
}
