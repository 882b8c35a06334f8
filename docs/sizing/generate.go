//go:build ignore

// Generate computes the table of docs/sizing.md by simulation and writes it between the page's two marks:
//
//	go run docs/sizing/generate.go
//
// It simulates a run on Google Cloud, date by date: every worker takes four dates at a time, each passes the stages of
// a worker with the latencies below, and every change of a table waits for the fleet's share of BigQuery's quota, as
// the adapter's pace does. Nothing is random but the spread of latencies, whose seed is fixed: every run writes the
// same bytes.
package main

import (
	"container/heap"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"gamefill/internal/price"
)

// What a date costs in time. Nothing here was measured on the service; the assumptions are on the cautious side of what
// the services' documentation and public reports give. docs/live-checks.md says how to measure.
const (
	firestoreOp   = 60 * time.Millisecond  // one commit or read of a document in the same region
	firestoreOps  = 8                      // receive to ack: claim (2), begin write (2), complete (2), control reads (2)
	apiCall       = 150 * time.Millisecond // tables.get, tabledata.list, jobs.insert
	readCalls     = 12                     // three sources and the old partition, each token, rows, token
	writeCalls    = 6                      // look before and after, kept rows measured, read-back
	loadJob       = 4 * time.Second        // median of a load job of 200 kB, from its upload to DONE
	build         = 20 * time.Millisecond  // measured: parse, derive, accept and fingerprint one date
	coldStart     = 10 * time.Second       // container start to first receive
	autoscalerLag = 60 * time.Second       // backlog seen to the last worker of the step asked for
	spread        = 0.35                   // sigma of the log-normal spread of every latency
)

// Limits. Source: BigQuery documentation, "Quotas and limits", partitioned tables: 50 changes in 10 s and 30,000 a day;
// the adapter keeps 40 of the 50 for the whole fleet, and 28 for one of more than 50 workers.
const (
	changesPer10s = 40.0
	crowdPer10s   = 28.0
	crowd         = 50
	changesPerDay = 30_000
	concurrency   = 4 // dates a worker holds, the default of --concurrency
)

// What a date asks of Firestore and of Pub/Sub; prices are those of package price.
const (
	readsPerDate  = price.PublishReads + price.AttemptReads + price.RangeReads
	writesPerDate = price.PublishWrites + price.AttemptWrites
	bytesPerDate  = 2 * price.MessageBytes // published and delivered once
)

// bucket is the pace of one table: changes are given out one after the other.
type bucket struct {
	each  time.Duration // between two changes
	next  time.Duration // when the next change may be made
	day   int
	today int
}

// take returns when a change asked for at now may be made.
func (b *bucket) take(now time.Duration) time.Duration {
	at := max(now, b.next)
	if day := int(at / (24 * time.Hour)); day != b.day {
		b.day, b.today = day, 0
	}
	if b.today == changesPerDay {
		b.day, b.today = b.day+1, 0
		at = time.Duration(b.day) * 24 * time.Hour
	}
	b.today++
	b.next = at + b.each
	return at
}

// The stages of a date at whose end something happens.
const (
	arrive = iota // a slot is free
	keep          // read and built; what is there is kept in another table
	write         // kept; the partition is written
)

type event struct {
	at    time.Duration
	stage int
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// result is what a simulation came to.
type result struct {
	wall   time.Duration
	waited float64 // share of the slots' busy time spent waiting for the pace
	cost   price.Dollars
}

func simulate(dates, workers int) result {
	rng := rand.New(rand.NewPCG(uint64(dates), uint64(workers)))
	vary := func(d time.Duration) time.Duration {
		return time.Duration(float64(d) * math.Exp(spread*rng.NormFloat64()))
	}
	var queue events
	start := make([]time.Duration, workers)
	for w := range workers {
		start[w] = coldStart
		if w > 0 {
			start[w] += time.Duration(float64(autoscalerLag) * float64(w) / float64(workers))
		}
		for range concurrency {
			heap.Push(&queue, event{start[w], arrive})
		}
	}
	rate := changesPer10s
	if workers > crowd {
		rate = crowdPer10s
	}
	each := time.Duration(10 / rate * float64(time.Second))
	kept, target := bucket{each: each}, bucket{each: each}
	left := dates
	var wall, busy, waited time.Duration
	for queue.Len() > 0 {
		e := heap.Pop(&queue).(event)
		switch e.stage {
		case arrive:
			wall = max(wall, e.at)
			if left == 0 {
				continue
			}
			left--
			took := vary(firestoreOps/2*firestoreOp) + vary(readCalls*apiCall) + build
			busy += took
			heap.Push(&queue, event{e.at + took, keep})
		case keep, write:
			table, after := &kept, write
			if e.stage == write {
				table, after = &target, arrive
			}
			at := table.take(e.at)
			took := vary(loadJob) + vary(writeCalls/2*apiCall)
			if e.stage == write {
				took += vary(firestoreOps / 2 * firestoreOp)
			}
			waited += at - e.at
			busy += took
			heap.Push(&queue, event{at + took, after})
		}
	}
	var working time.Duration // also when they wait
	for _, s := range start {
		working += wall - min(s, wall)
	}
	n, seconds := int64(dates), int64(working/time.Second)
	return result{wall, float64(waited) / float64(waited+busy), price.WorkerSecond.Of(seconds) +
		price.DocumentRead.Of(n*readsPerDate+seconds*price.ControlReads) + price.DocumentWrite.Of(n*writesPerDate) +
		price.Throughput.Of(n*bytesPerDate)}
}

func table() string {
	var b strings.Builder
	b.WriteString("| dates | workers | wall time | of it waiting for the quota | cost |\n" +
		"| ---: | ---: | ---: | ---: | ---: |\n")
	for _, dates := range []int{600, 10_000, 1_000_000} {
		for _, workers := range []int{1, 2, 5, 10, 25, 50, 100, 500} {
			r := simulate(dates, workers)
			fmt.Fprintf(&b, "| %s | %d | %s | %.0f %% | $%.2f |\n", grouped(dates), workers, long(r.wall), 100*r.waited,
				float64(r.cost)/float64(price.Dollar))
		}
	}
	return b.String()
}

func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func long(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 72*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.1f days", d.Hours()/24)
}

const (
	page  = "docs/sizing.md"
	begin = "<!-- computed by docs/sizing/generate.go -->\n"
	end   = "<!-- end -->\n"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail if the page has another table")
	flag.Parse()
	there, err := os.ReadFile(page)
	if err != nil {
		log.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(there), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		log.Fatalf("%s lacks the lines that the table stands between", page)
	}
	text := before + begin + "\n" + table() + "\n" + end + after
	if text == string(there) {
		return
	}
	if *check {
		log.Fatalf("%s is not what generate.go writes: run it again", page)
	}
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}
}
