// Package price has the list prices of the services that gamefill uses, and the arithmetic of a bill. It is pure and
// knows no service but by name.
//
// Prices are those that the services' public pages list for the United States, as known in 2025; they may have changed
// since. Free amounts, discounts and taxes are left out, so a bill says what is used costs, not what will be charged.
package price

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"gamefill/internal/terminal"
)

// Note is what goes with every bill.
const Note = "List prices in US dollars for the United States as known in 2025, which may have changed; " +
	"free amounts and discounts are not taken off."

// Dollars are an amount of US dollars, in millionths.
type Dollars int64

// Dollar is one dollar.
const Dollar Dollars = 1_000_000

// number is the amount with every digit: "0.000600".
func (d Dollars) number() string {
	sign, n := "", int64(d)
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%06d", sign, n/int64(Dollar), n%int64(Dollar))
}

// String is the amount for people: cents from a dollar on, else as many digits as tell it: "$12.30", "$0.0006", "$0".
func (d Dollars) String() string {
	switch {
	case d == 0:
		return "$0"
	case d < 0:
		return "-" + (-d).String()
	case d >= Dollar:
		return fmt.Sprintf("$%.2f", float64(d)/float64(Dollar))
	}
	text := strings.TrimRight(d.number(), "0")
	return "$" + text + strings.Repeat("0", max(0, len("0.00")-len(text)))
}

// MarshalJSON writes a number of dollars.
func (d Dollars) MarshalJSON() ([]byte, error) { return []byte(d.number()), nil }

// UnmarshalJSON reads a number of dollars with at most six decimals.
func (d *Dollars) UnmarshalJSON(text []byte) error {
	var n json.Number
	if err := json.Unmarshal(text, &n); err != nil {
		return fmt.Errorf("read an amount of dollars: %w", err)
	}
	r, ok := new(big.Rat).SetString(n.String())
	if ok {
		r.Mul(r, new(big.Rat).SetInt64(int64(Dollar)))
	}
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return fmt.Errorf("read an amount of dollars: got %s, want at most six decimals", n)
	}
	*d = Dollars(r.Num().Int64())
	return nil
}

// List is one list price: so many dollars for Per units.
type List struct {
	Dollars Dollars
	Per     int64
	Unit    string // of one, in words: "reads"; for bytes the multiple that is priced: "TiB"
}

// Of is what n units cost, rounded half up to a millionth of a dollar. Negative numbers cost nothing.
func (l List) Of(n int64) Dollars {
	if n <= 0 || l.Dollars == 0 {
		return 0
	}
	// (2*n*dollars + per) / (2*per), which may exceed 64 bits on the way
	up := new(big.Int).Mul(big.NewInt(2*n), big.NewInt(int64(l.Dollars)))
	up.Add(up, big.NewInt(l.Per))
	return Dollars(up.Div(up, big.NewInt(2*l.Per)).Int64())
}

// String is the price for people: "$0.06 per 100,000 reads", "free".
func (l List) String() string {
	switch {
	case l.Dollars == 0:
		return free
	case l.Per == 1 || l.Per == TiB:
		return fmt.Sprintf("%s per %s", l.Dollars, l.Unit)
	}
	return fmt.Sprintf("%s per %s %s", l.Dollars, terminal.Count(l.Per), l.Unit)
}

// free is the price of what costs nothing.
const free = "free"

// TiB is a tebibyte, in which BigQuery and Pub/Sub count.
const TiB = 1 << 40

// The list prices. Sources: the pages named, for the United States, as known in 2025.
var (
	// Load is a load job and what it uploads. Source: "BigQuery pricing", free operations, batch loading from the shared
	// pool.
	Load = List{}
	// Scan is what a query reads, billed by whole MiB and at least 10 MiB for each table. Source: "BigQuery pricing",
	// on-demand compute, United States (multi-region).
	Scan = List{6_250_000, TiB, "TiB"}
	// DocumentRead and DocumentWrite are Firestore's. Source: "Firestore pricing", Standard edition, nam5; a single region
	// costs half.
	DocumentRead  = List{60_000, 100_000, "reads"}
	DocumentWrite = List{180_000, 100_000, "writes"}
	// Throughput is what Pub/Sub carries, each request counted as MessageBytes at least. Source: "Pub/Sub pricing",
	// message delivery basic.
	Throughput = List{40_000_000, TiB, "TiB"}
	// CPU and Memory are of a Cloud Run instance that is billed as long as it lives. Source: "Cloud Run pricing", CPU
	// always allocated, tier 1 regions; worker pools are not dearer.
	CPU    = List{18, 1, "vCPU-second"}
	Memory = List{2, 1, "GiB-second"}
	// WorkerSecond is a worker as deploy/ makes it: one vCPU and one GiB.
	WorkerSecond = List{CPU.Dollars + Memory.Dollars, 1, "worker-second"}
)

// MessageBytes is the least that a request to publish or to deliver is counted as; a message of gamefill is smaller.
// Source: "Pub/Sub pricing", message delivery basic: "a minimum of 1,000 bytes per publish, push or pull request".
const MessageBytes = 1000

// What one game date takes in documents of a Firestore ledger, counted by a test of package firestoreledger at the
// calls that its adapter makes. Publishing is recording the date and marking its message as published; an attempt goes
// from the claim to the completion with one write in between. Renewals of leases that last, and retries, come on top.
const (
	PublishReads  = 2
	PublishWrites = 2
	AttemptReads  = 5
	AttemptWrites = 5
	// RangeReads are of each date of the range, done or not: by the plan that is published, and by the validation.
	RangeReads = 2
)

// ControlReads are the documents that a worker reads a second: the run's control state.
const ControlReads = 1
