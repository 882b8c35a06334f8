package price

import (
	"fmt"
	"slices"

	"gamefill/internal/terminal"
)

// Services say which ports are services that bill what is used. The zero value is the embedded backend.
type Services struct {
	Queue     bool `json:"pubsub,omitempty"`    // Pub/Sub
	Ledger    bool `json:"firestore,omitempty"` // Firestore
	Warehouse bool `json:"bigquery,omitempty"`  // BigQuery
}

// Any reports whether there is something to bill.
func (s Services) Any() bool { return s.Queue || s.Ledger || s.Warehouse }

// Known is how a quantity is known.
type Known string

// How quantities are known.
const (
	Measured  Known = "measured"  // recorded when it happened
	Estimated Known = "estimated" // computed from what was recorded or planned
	Unknown   Known = "unknown"   // nothing tells it
)

// unknown is what people read of what nothing tells.
const unknown = "not known"

// Line is one line of a bill.
type Line struct {
	Item     string  `json:"item"`     // "load jobs"
	Quantity int64   `json:"quantity"` // 0 when it is unknown
	Unit     string  `json:"unit"`     // of Quantity: "jobs", "bytes"
	Known    Known   `json:"known"`
	Basis    string  `json:"basis"` // where the quantity is from, or why it is unknown
	Price    string  `json:"price,omitempty"`
	Cost     Dollars `json:"cost_usd"`
}

// Amount is the quantity for people; what it counts is in Item.
func (l Line) Amount() string {
	switch {
	case l.Known == Unknown:
		return unknown
	case l.Unit == Bytes:
		return Size(l.Quantity)
	}
	return terminal.Count(l.Quantity)
}

// Charge is the cost for people.
func (l Line) Charge() string {
	switch {
	case l.Price == "":
		return ""
	case l.Known == Unknown && l.Price != free:
		return unknown
	}
	return l.Cost.String()
}

// Bytes is the unit of quantities that are bytes.
const Bytes = "bytes"

// Size is a number of bytes for people, in decimal multiples: "999 B", "1.5 kB", "125.8 MB".
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n) / 1000
	for _, unit := range []string{"kB", "MB", "GB"} {
		if v < 999.95 { // rounds to less than 1000.0
			return fmt.Sprintf("%.1f %s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.1f TB", v)
}

// Bill is what something used, or will use, and what that costs by list prices.
type Bill struct {
	// Services are those that the bill is about; none: nothing is billed, and there are no lines.
	Services Services `json:"services"`
	Lines    []Line   `json:"lines,omitempty"`
	Total    Dollars  `json:"total_usd"`
	// Missing is what the lines do not cover, in words.
	Missing []string `json:"not_covered,omitempty"`
}

// Whole reports whether the quantity of everything that has a price is known, so that the total is no lower bound.
func (b Bill) Whole() bool {
	return !slices.ContainsFunc(b.Lines, func(l Line) bool { return l.Charge() == unknown })
}

// Sum is the total for people: "$0.06", "at least $0.06".
func (b Bill) Sum() string {
	if b.Whole() {
		return b.Total.String()
	}
	return "at least " + b.Total.String()
}

// Add appends a line that costs what its quantity comes to at a price.
func (b *Bill) Add(l Line, at List) {
	l.Price, l.Cost = at.String(), at.Of(l.Quantity)
	b.Lines = append(b.Lines, l)
	b.Total += l.Cost
}

// Show appends a line that is no matter of price, as it is in another one already.
func (b *Bill) Show(l Line) { b.Lines = append(b.Lines, l) }
