package price_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/price"
)

func TestOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		list price.List
		n    int64
		want price.Dollars
	}{
		{"nothing", price.DocumentRead, 0, 0},
		{"less than nothing", price.DocumentRead, -5, 0},
		{"one read is 0.6 millionths", price.DocumentRead, 1, 1},
		{"two reads are 1.2 millionths", price.DocumentRead, 2, 1},
		{"half a millionth goes up", price.List{Dollars: 1, Per: 2}, 1, 1},
		{"a hair less goes down", price.List{Dollars: 499_999, Per: 1_000_000}, 1, 0},
		{"what is listed", price.DocumentRead, 100_000, 60_000},
		{"writes", price.DocumentWrite, 100_000, 180_000},
		{"no free amount is taken off", price.DocumentRead, 50_000, 30_000},
		{"a tebibyte scanned", price.Scan, price.TiB, 6_250_000},
		{"the least that a query of a table costs", price.Scan, 10 << 20, 60},
		{"a tebibyte carried", price.Throughput, price.TiB, 40_000_000},
		{"loads are free", price.Load, math.MaxInt32, 0},
		{"an hour of a worker", price.WorkerSecond, 3600, 72_000},
		{"more than 64 bits on the way", price.Throughput, 100_000 * price.TiB, 100_000 * 40 * price.Dollar},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.list.Of(tt.n); got != tt.want {
				t.Errorf("%s for %d: got %d millionths, want %d", tt.list, tt.n, got, tt.want)
			}
		})
	}
}

func TestDollars(t *testing.T) {
	t.Parallel()
	tests := []struct {
		amount     price.Dollars
		text, json string
	}{
		{0, "$0", "0.000000"},
		{1, "$0.000001", "0.000001"},
		{600, "$0.0006", "0.000600"},
		{100_000, "$0.10", "0.100000"},
		{999_999, "$0.999999", "0.999999"},
		{price.Dollar, "$1.00", "1.000000"},
		{12_345_678, "$12.35", "12.345678"},
		{-60_000, "-$0.06", "-0.060000"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			if got := tt.amount.String(); got != tt.text {
				t.Errorf("text: got %s, want %s", got, tt.text)
			}
			document, err := json.Marshal(tt.amount)
			if err != nil || string(document) != tt.json {
				t.Errorf("JSON: got %s and %v, want %s", document, err, tt.json)
			}
			var back price.Dollars
			if err := json.Unmarshal(document, &back); err != nil || back != tt.amount {
				t.Errorf("read back: got %d and %v, want %d", back, err, tt.amount)
			}
		})
	}
	for _, text := range []string{`"a lot"`, `0.0000001`, `1e30`, `[]`} {
		var d price.Dollars
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s: got %s, want an error", text, d)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 125_829_120: "125.8 MB",
		2_000_000_000: "2.0 GB", 7_500_000_000_000: "7.5 TB", 7_500_000_000_000_000: "7500.0 TB",
	} {
		if got := price.Size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	for list, want := range map[price.List]string{
		price.Load: "free", price.DocumentRead: "$0.06 per 100,000 reads", price.Scan: "$6.25 per TiB",
		price.CPU: "$0.000018 per vCPU-second",
	} {
		if got := list.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestBill(t *testing.T) {
	t.Parallel()
	var b price.Bill
	b.Add(price.Line{Item: "reads", Quantity: 200_000, Unit: "reads", Known: price.Estimated}, price.DocumentRead)
	b.Add(price.Line{Item: "bytes scanned", Unit: price.Bytes, Known: price.Unknown}, price.Scan)
	b.Show(price.Line{Item: "load jobs", Quantity: 1200, Unit: "jobs", Known: price.Measured})
	want := price.Bill{Total: 120_000, Lines: []price.Line{
		{Item: "reads", Quantity: 200_000, Unit: "reads", Known: price.Estimated,
			Price: "$0.06 per 100,000 reads", Cost: 120_000},
		{Item: "bytes scanned", Unit: price.Bytes, Known: price.Unknown, Price: "$6.25 per TiB"},
		{Item: "load jobs", Quantity: 1200, Unit: "jobs", Known: price.Measured},
	}}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Errorf("bill (-want +got):\n%s", diff)
	}
	for i, want := range []string{"200,000", "not known", "1,200"} {
		if got := b.Lines[i].Amount(); got != want {
			t.Errorf("amount of %s: got %q, want %q", b.Lines[i].Item, got, want)
		}
	}
}
