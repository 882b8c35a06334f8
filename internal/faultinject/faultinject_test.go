package faultinject

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePlan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       map[string][]int
		wantErr    string
	}{
		{name: "nothing", text: "", want: map[string][]int{}},
		{name: "first pass", text: "claimed", want: map[string][]int{Claimed: {1}}},
		{name: "third pass", text: "claimed:3", want: map[string][]int{Claimed: {3}}},
		{name: "several", text: "claimed:2, after_write,claimed:5", want: map[string][]int{Claimed: {2, 5}, AfterWrite: {1}}},
		{name: "unknown name", text: "claimed,before_brunch", wantErr: `"before_brunch"`},
		{name: "empty item", text: "claimed,", wantErr: `unknown crash point ""`},
		{name: "pass zero", text: "claimed:0", wantErr: `"claimed:0"`},
		{name: "pass is no number", text: "claimed:x", wantErr: `"claimed:x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parsePlan(tt.text)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error: got %v, want one with %s", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPointsAreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range Points() {
		if seen[p] || p == "" || strings.ContainsAny(p, ":, ") {
			t.Errorf("point %q: repeated, or not usable in %s", p, Variable)
		}
		seen[p] = true
	}
	if got, want := len(seen), 14; got != want {
		t.Errorf("points: got %d, want %d", got, want)
	}
}
