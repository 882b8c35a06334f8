package live_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/test/emulator"
	"gamefill/test/program"
)

// newStandIn is a place without the services: the emulators and a fake of BigQuery.
func newStandIn(t *testing.T, o bigqueryfake.Options) (*place, *bigqueryfake.Server) {
	t.Helper()
	if os.Getenv(projectVariable) != "" {
		t.Skipf("%s is set: emulators have no place in a process that asks the services", projectVariable)
	}
	emulator.PubSub(t)
	emulator.Firestore(t)
	name := newName()
	o.Projects = []string{strings.ReplaceAll(name, "_", "-")}
	fake := bigqueryfake.New(o)
	endpoint, stop := bigqueryfake.Start(fake)
	t.Cleanup(stop)
	p := &place{t: t, project: o.Projects[0], location: "US", name: name, database: "(default)",
		endpoint: endpoint, loads: 3, silence: 20 * time.Second, made: new(atomic.Int64)}
	p.connect()
	p.dataset = p.newDataset(t, expiresAfter)
	return p, fake
}

// onStandIns are the verdicts on the stand-ins other than held: what the table of docs/adr/0005-pubsub-queue.md says
// that they do not show, and what only the services can tell.
var onStandIns = map[string]verdict{
	"stream-flow-control":         didNotHold,
	"retry-backoff":               didNotHold,
	"forwarded-letter":            unknown,
	"rights-of-queue":             unknown,
	"fields-of-an-empty-database": unknown,
	"indexes-are-built":           unknown,
	"refused-load-not-counted":    unknown,
	"failed-load-counts":          unknown,
	"deletion-counts":             unknown,
	"daily-quota-at-midnight":     unknown,
	"old-id":                      unknown,
	"job-timeout":                 unknown,
	"streaming-buffer":            unknown,
}

// TestChecksOnStandIns runs every check where its answer is known.
func TestChecksOnStandIns(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for deadlines of 10 s")
	}
	p, _ := newStandIn(t, bigqueryfake.Options{ModificationsPer10s: 40})
	want, got := map[string]verdict{}, map[string]verdict{}
	var results []result
	for _, c := range checks {
		r := c.find(t.Context(), p)
		results = append(results, r)
		want[c.name], got[c.name] = held, r.verdict
		if v, ok := onStandIns[c.name]; ok {
			want[c.name] = v
		}
	}
	report(t, results)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

// TestChecksCanFail runs checks of BigQuery against a fake that does otherwise, or does not answer.
func TestChecksCanFail(t *testing.T) {
	t.Parallel()
	loadsOf := func(partition string) bigqueryfake.Match {
		return bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad, Partition: partition}
	}
	denied := bigqueryfake.Refuse(http.StatusForbidden, "accessDenied", "Access Denied")
	tests := []struct {
		check   string
		options bigqueryfake.Options
		match   bigqueryfake.Match
		fault   *bigqueryfake.Fault
		want    verdict
	}{
		{check: "absent-partition-get", options: bigqueryfake.Options{AbsentPartitionIsEmpty: true}, want: didNotHold},
		{check: "absent-partition-delete", options: bigqueryfake.Options{AbsentPartitionIsEmpty: true}, want: didNotHold},
		{check: "absent-partition-get", match: bigqueryfake.Match{Kind: bigqueryfake.TablesGet},
			fault: &denied, want: unknown},
		{check: "missing-destination", match: loadsOf(partition),
			fault: fault(bigqueryfake.Refuse(http.StatusNotFound, "notFound", "Not found: Table")), want: didNotHold},
		{check: "other-location", match: loadsOf(partition),
			fault: fault(bigqueryfake.Refuse(http.StatusBadRequest, "invalid", "Wrong location")), want: didNotHold},
		{check: "rate-limit", options: bigqueryfake.Options{ModificationsPer10s: 1_000_000}, want: unknown},
		{check: "rate-limit", match: loadsOf(partition), fault: fault(bigqueryfake.QuotaExceeded()), want: didNotHold},
		{check: "loads-a-day", match: loadsOf(partition), fault: fault(bigqueryfake.QuotaExceeded()), want: didNotHold},
		{check: "failed-id", match: loadsOf(partition), fault: &denied, want: unknown},
		{check: "other-date", match: loadsOf(partition), fault: fault(bigqueryfake.FailJob("backendError", "later")),
			want: unknown},
		{check: "numeric-range", match: loadsOf(partition), fault: fault(bigqueryfake.FailJob("notFound", "no table")),
			want: didNotHold},
		{check: "partition-id", match: bigqueryfake.Match{Kind: bigqueryfake.TablesGet, Partition: "20221332"},
			fault: fault(bigqueryfake.Refuse(http.StatusNotFound, "notFound", "Not found: Table")), want: didNotHold},
		{check: "job-timeout", match: loadsOf(partition), fault: fault(bigqueryfake.HoldRunning()), want: held},
		{check: "dry-run-prunes", match: bigqueryfake.Match{Kind: bigqueryfake.JobsInsertQuery},
			fault: &denied, want: unknown},
		{check: "delete-partition", match: bigqueryfake.Match{Kind: bigqueryfake.TablesDelete},
			fault: fault(bigqueryfake.HangUp()), want: unknown},
	}
	for _, tt := range tests {
		t.Run(tt.check+" "+string(tt.want), func(t *testing.T) {
			t.Parallel()
			p, fake := newStandIn(t, tt.options)
			if tt.fault != nil {
				fake.FailNext(tt.match, 1, *tt.fault)
			}
			for _, c := range checks {
				if c.name != tt.check {
					continue
				}
				if r := c.find(t.Context(), p); r.verdict != tt.want || fake.Pending() != 0 {
					t.Errorf("got %s (%s), %d faults unmet, want %s", r.verdict, r.seen, fake.Pending(), tt.want)
				}
				return
			}
			t.Errorf("there is no check %s", tt.check)
		})
	}
}

func fault(f bigqueryfake.Fault) *bigqueryfake.Fault { return &f }

// docs/live-checks.md has every check in order, word by word, and no other.
func TestPageListsTheChecks(t *testing.T) {
	t.Parallel()
	page := program.Read(t, "docs/live-checks.md")
	var want []string
	names := map[string]bool{}
	for _, c := range checks {
		if names[c.name] {
			t.Errorf("two checks are called %s", c.name)
		}
		names[c.name] = true
		want = append(want, "| `"+c.name+"` | "+c.claim+" | "+c.source+" |")
	}
	got := regexp.MustCompile("(?m)^\\| `[a-z-]+` \\|.*\\|$").FindAllString(page, -1)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/live-checks.md (-checks +page):\n%s", diff)
	}
}
