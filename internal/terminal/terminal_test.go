package terminal_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
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

// What is written to a progress display comes out whole, silent or not, whoever shows steps meanwhile.
func TestProgressTakesLines(t *testing.T) {
	t.Parallel()
	for _, show := range []func(io.Writer) *terminal.Progress{terminal.NewProgress, terminal.NewSilentProgress} {
		var out strings.Builder
		p := show(&out)
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() { p.Set("dates", i, 10, "") })
			group.Go(func() { fmt.Fprintln(p, "a line") })
		}
		group.Wait()
		p.Done()
		if got := strings.Count(out.String(), "a line\n"); got != 10 {
			t.Errorf("got %d lines in %q, want 10", got, out.String())
		}
	}
}
