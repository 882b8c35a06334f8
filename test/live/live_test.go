package live_test

import (
	"cmp"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gamefill/internal/ledger"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/ledger/ledgertest"
	"gamefill/internal/queue"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/queue/queuetest"
	"gamefill/internal/setup"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/warehousetest"
)

// The settings of the live suite.
const (
	projectVariable  = "GAMEFILL_LIVE_PROJECT"
	locationVariable = "GAMEFILL_LIVE_LOCATION"       // of datasets; default US
	numberVariable   = "GAMEFILL_LIVE_PROJECT_NUMBER" // for the check that lets Pub/Sub's agent in
	// how many loads the check of the daily limit may spend; default none
	loadsVariable = "GAMEFILL_LIVE_LOADS"
)

// patience is how long a case of the queue's suite waits for a delivery: services promise no time, and a second
// redelivery comes after the second deadline of 10 s.
const patience = 3 * time.Minute

// longest is far above what a whole run takes.
const longest = 3 * time.Hour

// TestLive asks a real project. It is the only test here that leaves this host.
func TestLive(t *testing.T) {
	project := os.Getenv(projectVariable)
	if project == "" {
		t.Skipf("%s is not set: it names the project to ask; docs/live-checks.md says what that costs", projectVariable)
	}
	for _, variable := range []string{firestoreledger.EmulatorVariable, pubsubqueue.EmulatorVariable} {
		if os.Getenv(variable) != "" {
			t.Fatalf("%s is set: an emulator would be taken for the service; unset it", variable)
		}
	}
	if end, ok := t.Deadline(); ok && time.Until(end) < longest {
		t.Fatalf("a test that is cut off by its timeout cleans nothing up: run with -timeout 4h")
	}
	loads, err := strconv.Atoi(cmp.Or(os.Getenv(loadsVariable), "0"))
	if err != nil || loads < 0 {
		t.Fatalf("%s: got %q, want a number of loads", loadsVariable, os.Getenv(loadsVariable))
	}
	name := newName()
	p := &place{t: t, project: project, number: os.Getenv(numberVariable),
		location: cmp.Or(os.Getenv(locationVariable), "US"), name: name,
		database: strings.ReplaceAll(name, "_", "-"), loads: loads, silence: 10 * time.Second, made: new(atomic.Int64)}
	t.Logf("everything is called %s…; what is left if this process is killed goes with\n"+
		"  bq ls -d --max_results=1000 --project_id=%s | grep -o '%s[^ ]*' | xargs -n1 -I{} bq rm -r -f -d %s:{}\n"+
		"  gcloud pubsub subscriptions list --project=%s --filter=name:%s --format='value(name)' | xargs -n1 gcloud pubsub "+
		"subscriptions delete\n"+
		"  gcloud pubsub topics list --project=%s --filter=name:%s --format='value(name)' | xargs -n1 gcloud "+
		"pubsub topics delete\n"+
		"  gcloud firestore databases delete --project=%s --database=%s", name, project, name, project, project, name,
		project, name, project, p.database)
	p.connect()
	p.dataset = p.newDataset(t, expiresAfter)
	p.newDatabase()
	var results []result
	t.Cleanup(func() { report(t, results) })
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			r := c.find(t.Context(), p.in(t))
			results = append(results, r)
			switch r.verdict {
			case didNotHold:
				t.Errorf("%s: %s. It did not hold: %s", c.source, c.claim, r.seen)
			case unknown:
				t.Skipf("unknown: %s", r.seen)
			}
		})
	}
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			// Here and not at the end: a suite that -run leaves out is not reported.
			t.Cleanup(func() {
				r := result{check{name: suite.name}, held, "every case"}
				if t.Failed() {
					r.verdict, r.seen = didNotHold, "the cases that failed are above"
				}
				results = append(results, r)
			})
			suite.run(t, p)
		})
	}
}

// suites are the conformance suites of the ports.
var suites = []struct {
	name string
	run  func(*testing.T, *place)
}{
	{"conformance-of-the-queue", func(t *testing.T, p *place) {
		queuetest.Run(t, func(t *testing.T) queue.Queue {
			q := p.newQueue(t)
			if _, err := q.Ensure(t.Context(), setup.Make); err != nil {
				t.Fatal(err)
			}
			return q
		}, queuetest.Capabilities{DeliveryCount: true, Patience: patience})
	}},
	{"conformance-of-the-ledger", func(t *testing.T, p *place) {
		// Indexes belong to names of collections, so all cases share one set of them, one after the other.
		var one sync.Mutex
		ledgertest.Run(t, func(t *testing.T) (ledger.Ledger, ledgertest.Caps) {
			one.Lock()
			t.Cleanup(one.Unlock)
			if err := p.wipe(t.Context()); err != nil {
				t.Fatalf("wipe the database: %v", err)
			}
			return p.newLedger(t), ledgertest.Caps{}
		})
	}},
	{"conformance-of-the-warehouse", func(t *testing.T, p *place) {
		warehousetest.Run(t, func(t *testing.T) warehouse.Store {
			return p.store(t, p.newDataset(t, 0)) // a case looks at the expiration
		})
	}},
}
