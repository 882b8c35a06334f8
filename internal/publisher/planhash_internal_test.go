package publisher

import (
	"strings"
	"testing"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"

	"github.com/google/go-cmp/cmp"
)

var tenth = gamedate.MustParse("2022-01-10")

func TestHoldsAs(t *testing.T) {
	t.Parallel()
	before := func() *Plan {
		return &Plan{Job: "j", Target: "t", Version: "1", SettingsHash: "s", ReferenceHash: "r",
			Hash: "before", Dates: []DatePlan{
				{Date: tenth, Verdict: Queue, Reason: ledger.ReasonNew, Inputs: "a"},
				{Date: tenth.AddDays(1), Verdict: NoGames, Inputs: "b"},
			}}
	}
	tests := []struct {
		name   string
		change func(*Plan)
		want   []string
	}{
		{"version", func(p *Plan) { p.Version = "2" }, []string{"transform version: was 1, is 2"}},
		{"settings", func(p *Plan) { p.SettingsHash = "x" }, []string{"settings: was s, is x"}},
		{"references", func(p *Plan) { p.ReferenceHash = "x" }, []string{"references: was r, is x"}},
		{"target", func(p *Plan) { p.Target = "x" }, []string{"target: was t, is x"}},
		{"verdict", func(p *Plan) { p.Dates[0].Verdict, p.Dates[0].Reason = Left, "" },
			[]string{"then and now: was 1 no_games, 1 queue, is 1 left, 1 no_games", "2022-01-10: was queue (new), is left"}},
		{"tokens", func(p *Plan) { p.Dates[1].Inputs = "x" },
			[]string{"2022-01-11: its sources or its target were written since"}},
		{"other dates", func(p *Plan) { p.Dates[0].Date = tenth.AddDays(5) },
			[]string{"2022-01-15: was not planned, is queue (new)", "2022-01-10: was queue (new), is not planned"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := before()
			now.Hash = "now"
			tt.change(now)
			err := now.HoldsAs(before())
			moved, ok := err.(*MovedError)
			if !ok {
				t.Fatalf("got %v, want a MovedError", err)
			}
			if diff := cmp.Diff(tt.want, moved.Moved); diff != "" {
				t.Errorf("what has moved (-want +got):\n%s", diff)
			}
		})
	}
	if err := before().HoldsAs(before()); err != nil {
		t.Errorf("the same plan: got %v, want nil", err)
	}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	p := &Plan{Hash: strings.Repeat("0123456789abcdef", 4)}
	for hash, want := range map[string]bool{p.Hash: true, p.Hash[:12]: true, p.Hash[:11]: false, "": false,
		"1" + p.Hash[1:]: false, p.Hash + "0": false} {
		if got := p.Holds(hash) == nil; got != want {
			t.Errorf("holds %q: got %v, want %v", hash, got, want)
		}
	}
	for text, want := range map[string]bool{p.Hash: true, p.Hash[:12]: true, p.Hash[:11]: false, "plan.json": false,
		"plan-of-today.json": false, p.Hash + "0": false} {
		if got := IsPlanHash(text); got != want {
			t.Errorf("%q is a hash: got %v, want %v", text, got, want)
		}
	}
}
