package firestoreledger

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
)

func TestPortions(t *testing.T) {
	t.Parallel()
	first := gamedate.MustParse("2022-01-01")
	for _, tt := range []struct {
		name string
		days []int // after the first
		want []int // sizes
	}{
		{"none", nil, nil},
		{"one", []int{0}, []int{1}},
		{"a full one", days(maxDocuments), []int{maxDocuments}},
		{"one more", days(maxDocuments + 1), []int{maxDocuments, 1}},
		{"several", days(2*maxDocuments + 30), []int{maxDocuments, maxDocuments, 30}},
		{"a date twice", []int{0, 1, 0, 2, 1, 2}, []int{2, 3, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got, all []int
			for p := range portions(tt.days, func(d int) gamedate.Date { return first.AddDays(d) }) {
				got, all = append(got, len(p)), append(all, p...)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("sizes (-want +got):\n%s", diff)
			}
			if !slices.Equal(all, tt.days) {
				t.Errorf("together: got %v, want %v", all, tt.days)
			}
		})
	}
}

func days(n int) []int {
	var all []int
	for i := range n {
		all = append(all, i)
	}
	return all
}
