package publisher

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/price"
	"gamefill/internal/report"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
)

func TestMeasure(t *testing.T) {
	t.Parallel()
	attempts := func(n int, result string) (list []ledger.Attempt) {
		for i := range n {
			end := time.Date(2024, 5, 1, 12, 0, 10*i, 0, time.UTC)
			list = append(list,
				ledger.Attempt{Result: result, StartedAt: end.Add(-time.Duration(i+1) * time.Second), EndedAt: end})
		}
		return list
	}
	same := attempts(5, ledger.ResultComplete)
	for i := range same {
		same[i].EndedAt = same[0].EndedAt
	}
	replayed := attempts(9, ledger.ResultComplete)
	for i := range replayed[5:] { // hours later
		a := &replayed[5+i]
		a.StartedAt, a.EndedAt = a.StartedAt.Add(3*time.Hour), a.EndedAt.Add(3*time.Hour)
	}
	tests := []struct {
		name     string
		attempts []ledger.Attempt
		want     Estimate
	}{
		{"five completions", attempts(5, ledger.ResultComplete),
			Estimate{Writes: 12, MedianDate: 3 * time.Second, DatesPerMinute: 6, Duration: 2 * time.Minute,
				WorkerTime: 36 * time.Second}},
		{"idle hours do not count", replayed, Estimate{Writes: 12, MedianDate: 5 * time.Second,
			DatesPerMinute: 8 / (76 * time.Second).Minutes(), Duration: 114 * time.Second,
			WorkerTime: 60 * time.Second}},
		{"four are too few", attempts(4, ledger.ResultComplete), Estimate{Writes: 12}},
		{"failures do not count", attempts(9, ledger.ResultFailed), Estimate{Writes: 12}},
		{"all in one instant", same, Estimate{Writes: 12}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := Estimate{Writes: 12}
			if got, want := e.measure(tt.attempts), tt.want.DatesPerMinute > 0; got != want {
				t.Errorf("measured: got %v, want %v", got, want)
			}
			if diff := cmp.Diff(tt.want, e); diff != "" {
				t.Errorf("estimate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBusy(t *testing.T) {
	t.Parallel()
	attempt := func(owner string, from, to int) ledger.Attempt {
		a := ledger.Attempt{Owner: owner, StartedAt: time.Unix(int64(from), 0)}
		if to > 0 {
			a.EndedAt = time.Unix(int64(to), 0)
		}
		return a
	}
	tests := []struct {
		name     string
		attempts []ledger.Attempt
		want     time.Duration
	}{
		{"none", nil, 0},
		{"one after the other", []ledger.Attempt{attempt("a", 10, 20), attempt("a", 30, 35)}, 15 * time.Second},
		{"two at once count once", []ledger.Attempt{attempt("a", 15, 25), attempt("a", 10, 20)}, 15 * time.Second},
		{"one inside another", []ledger.Attempt{attempt("a", 10, 30), attempt("a", 15, 20), attempt("a", 25, 31)},
			21 * time.Second},
		{"two workers", []ledger.Attempt{attempt("a", 10, 20), attempt("b", 10, 20)}, 20 * time.Second},
		{"not ended", []ledger.Attempt{attempt("a", 10, 0)}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := busy(tt.attempts); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// silent is a warehouse that was asked a few queries and is there for nothing else.
type silent struct{ warehouse.Store }

func (silent) Queries() warehouse.Queries {
	return warehouse.Queries{Jobs: 5, Measured: 4, Billed: 40 << 20}
}

// amounts are the lines of a bill in short: quantity and how it is known.
func amounts(b price.Bill) map[string]string {
	found := map[string]string{}
	for _, l := range b.Lines {
		found[l.Item] = l.Amount() + ", " + string(l.Known)
	}
	return found
}

func TestExpect(t *testing.T) {
	t.Parallel()
	all := price.Services{Queue: true, Ledger: true, Warehouse: true}
	plan := &Plan{Dates: []DatePlan{
		{Date: tenth, Verdict: Queue, Reason: ledger.ReasonNew},
		{Date: tenth.AddDays(1), Verdict: Queue, Reason: ledger.ReasonChanged, Target: "t"},
		{Date: tenth.AddDays(2), Verdict: Queue, Reason: ledger.ReasonOrphaned, Target: "t"},
		{Date: tenth.AddDays(3), Verdict: Left, Target: "t"},
		{Date: tenth.AddDays(4), Verdict: NoGames},
		{Date: tenth.AddDays(5), Verdict: NoGames, State: ledger.NoGames},
	}}
	measured := Estimate{Measured: "r1", WorkerTime: 2500 * time.Millisecond}
	tests := []struct {
		name     string
		services price.Services
		estimate Estimate
		up       uploads
		asked    asked
		want     map[string]string
		total    price.Dollars
	}{
		{"nothing measured", all, Estimate{}, uploads{}, asked{}, map[string]string{
			"load jobs": "4, estimated", "bytes uploaded": "not known, unknown", "partitions deleted": "1, estimated",
			"query jobs": "5, estimated", "bytes billed for queries": "41.9 MB, estimated",
			"worker-seconds":  "not known, unknown",
			"Firestore reads": "33, estimated", "Firestore writes": "22, estimated", "Pub/Sub bytes": "6.0 kB, estimated",
			"Pub/Sub requests": "6, estimated",
		}, 238 + 20 + 40},
		{"measured", all, measured, uploads{"r1", 5, 5000, 1, 700},
			asked{"r1", warehouse.Queries{Jobs: 9, Measured: 9, Billed: 90 << 20}}, map[string]string{
				"load jobs": "4, estimated", "bytes uploaded": "3.4 kB, estimated", "partitions deleted": "1, estimated",
				"query jobs": "9, estimated", "bytes billed for queries": "94.4 MB, estimated", "worker-seconds": "3, estimated",
				"Firestore reads": "35, estimated", "Firestore writes": "22, estimated", "Pub/Sub bytes": "6.0 kB, estimated",
				"Pub/Sub requests": "6, estimated",
			}, 536 + 21 + 40 + 60},
		{"only the warehouse", price.Services{Warehouse: true}, measured, uploads{"r1", 5, 5000, 0, 0},
			asked{"r1", warehouse.Queries{Jobs: 1, Measured: 1}}, map[string]string{
				"load jobs": "4, estimated", "bytes uploaded": "4.0 kB, estimated", "partitions deleted": "1, estimated",
				"query jobs": "1, estimated", "bytes billed for queries": "0 B, estimated", "worker-seconds": "3, estimated",
			}, 60},
		{"embedded", price.Services{}, measured, uploads{}, asked{}, map[string]string{"worker-seconds": "3, estimated"}, 60},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &Publisher{ports: Ports{Store: silent{}, Services: tt.services}}
			b := p.expect(plan, tt.estimate, tt.up, tt.asked)
			if diff := cmp.Diff(tt.want, amounts(b)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if b.Total != tt.total {
				t.Errorf("total: got %d millionths, want %d", b.Total, tt.total)
			}
			for _, l := range b.Lines {
				if l.Basis == "" {
					t.Errorf("%s has no basis", l.Item)
				}
			}
		})
	}
}

func TestQueriesOf(t *testing.T) {
	t.Parallel()
	want := warehouse.Queries{Jobs: 12, Measured: 11, Billed: 1 << 40}
	half := warehouse.Queries{Jobs: 6, Measured: 5, Billed: 1 << 39}
	var events []ledger.Event
	for _, q := range []warehouse.Queries{half, want.Less(half)} {
		events = append(events, ledger.Event{Kind: EventQueries, Message: queriesText(q)},
			ledger.Event{Kind: "finished", Message: queriesText(q)})
	}
	if got := queriesOf(append(events, ledger.Event{Kind: EventQueries, Message: "many"})); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCosts(t *testing.T) {
	t.Parallel()
	at := func(second int) time.Time { return time.Date(2024, 5, 1, 12, 0, second, 0, time.UTC) }
	facts := func(outcome ledger.Outcome, sent, kept int64, before int) *ledger.Facts {
		return &ledger.Facts{Run: "r", Outcome: outcome, UploadedBytes: sent, KeptBytes: kept, Kept: kept > 0,
			PreImageRows: before, PreImage: table.Empty}
	}
	day := func(n int) gamedate.Date { return tenth.AddDays(n) }
	j := testjob.Job(nil)
	g := gathering{job: &j, run: ledger.Run{ID: "r", Range: gamedate.Range{From: day(0), To: day(4)}},
		entries: map[gamedate.Date]ledger.Entry{
			day(0): {Run: "r", State: ledger.Complete, PublishedSeq: 1, Facts: facts(ledger.Replaced, 1000, 400, 3)},
			day(1): {Run: "r", State: ledger.Complete, PublishedSeq: 1, Facts: facts(ledger.Emptied, 0, 300, 3)},
			day(2): {Run: "r", State: ledger.RolledBack, PublishedSeq: 2, Facts: facts(ledger.Replaced, 2000, 0, 0)},
			day(3): {Run: "later", State: ledger.Complete, PublishedSeq: 3,
				Facts: &ledger.Facts{Run: "later", Outcome: ledger.Replaced, UploadedBytes: 9000}},
			day(4): {Run: "r", State: ledger.Pending, PublishedSeq: 1},
		},
		attempts: []ledger.Attempt{
			{Date: day(0), Seq: 1, Owner: "a", StartedAt: at(0), EndedAt: at(10), Outcome: ledger.Replaced},
			{Date: day(1), Seq: 1, Owner: "a", StartedAt: at(5), EndedAt: at(12), Outcome: ledger.Emptied},
			{Date: day(2), Seq: 1, Owner: "b", StartedAt: at(0), EndedAt: at(4), Failure: &ledger.Failure{Stage: "write"}},
			{Date: day(2), Seq: 2, Owner: "b", StartedAt: at(4), EndedAt: at(8), Outcome: ledger.Replaced},
			{Date: day(3), Seq: 1, Owner: "b", StartedAt: at(8), EndedAt: at(9), Outcome: ledger.Replaced},
		},
		events: []ledger.Event{{Kind: EventQueries,
			Message: queriesText(warehouse.Queries{Jobs: 3, Measured: 3, Billed: 30 << 20})}},
		letters: []ledger.DeadLetter{{ID: "m"}},
	}
	tests := []struct {
		name     string
		services price.Services
		want     map[string]string
		total    price.Dollars
	}{
		{"Google Cloud", price.Services{Queue: true, Ledger: true, Warehouse: true}, map[string]string{
			"load jobs": "6, measured", "bytes uploaded": "3.7 kB, measured", "partitions deleted": "2, measured",
			"partitions kept for a rollback": "2, measured", "query jobs": "3, measured",
			"bytes billed for queries": "31.5 MB, measured",
			"Firestore reads":          "68, estimated", "Firestore writes": "37, estimated",
			"Pub/Sub bytes": "13.0 kB, estimated", "Pub/Sub requests": "13, estimated", "worker-seconds": "21, estimated",
		}, 179 + 41 + 67 + 420},
		{"embedded", price.Services{}, map[string]string{}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var r report.Report
			g.costs(&r, tt.services)
			if diff := cmp.Diff(tt.want, amounts(r.Costs)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if r.Costs.Total != tt.total {
				t.Errorf("total: got %d millionths, want %d", r.Costs.Total, tt.total)
			}
		})
	}
}
