package live_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// check is one claim about a service that gamefill rests on and that the documentation does not settle.
type check struct {
	name   string // short and unique: it selects the check with -run
	claim  string // one sentence that is true or false of the service
	source string // where gamefill relies on it
	within time.Duration
	// run finds out. nil means that the claim holds, a [contradiction] that it does not; any other error says why it is
	// not known. seen is what to print beside it.
	run func(ctx context.Context, p *place) (seen string, err error)
}

// checks are all of them, in the order in which they run: those of Firestore begin with an empty database.
var checks = slices.Concat(bigQueryChecks, pubSubChecks, firestoreChecks)

// defaultWithin bounds a check that says nothing else; a load job takes seconds.
const defaultWithin = 5 * time.Minute

// contradiction is what the service did instead of what was claimed.
type contradiction struct{ seen string }

func (c *contradiction) Error() string { return c.seen }

func contradicted(format string, args ...any) error {
	return &contradiction{fmt.Sprintf(format, args...)}
}

// notAsked is the run of a claim that no short run can settle; how says what would.
func notAsked(how string) func(context.Context, *place) (string, error) {
	return func(context.Context, *place) (string, error) { return "", errors.New("not asked: " + how) }
}

// verdict is what became of a claim.
type verdict string

const (
	held       verdict = "held"
	didNotHold verdict = "did not hold"
	unknown    verdict = "unknown"
)

// result is a verdict with what was seen.
type result struct {
	check   check
	verdict verdict
	seen    string
}

// find runs a check.
func (c check) find(ctx context.Context, p *place) result {
	within := c.within
	if within == 0 {
		within = defaultWithin
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	seen, err := c.run(ctx, p)
	against, ok := errors.AsType[*contradiction](err)
	switch {
	case err == nil:
		return result{c, held, seen}
	case ok:
		return result{c, didNotHold, against.seen}
	}
	return result{c, unknown, err.Error()}
}

// report prints the results as a table, in words that fit a line.
func report(t *testing.T, results []result) {
	t.Helper()
	var b strings.Builder
	counts := map[verdict]int{}
	for _, r := range results {
		counts[r.verdict]++
		seen := []rune(strings.Join(strings.Fields(r.seen), " "))
		if len(seen) > 120 {
			seen = append(seen[:119], '…')
		}
		fmt.Fprintf(&b, "%-30s %-12s %s\n", r.check.name, r.verdict, string(seen))
	}
	t.Logf("what held\n%s%d held, %d did not hold, %d unknown", b.String(), counts[held],
		counts[didNotHold], counts[unknown])
}
