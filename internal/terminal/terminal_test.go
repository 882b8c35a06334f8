package terminal_test

import (
	"testing"

	"gamefill/internal/terminal"
)

func TestPlural(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 rows", 1: "1 row", 2: "2 rows", 999: "999 rows", 1000: "1,000 rows",
		130_425: "130,425 rows", -1: "-1 rows", -1234: "-1,234 rows"} {
		if got := terminal.Plural(n, "row", "rows"); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
	if got := terminal.Plural(int64(1), "date is", "dates are"); got != "1 date is" {
		t.Errorf("got %q, want %q", got, "1 date is")
	}
}
