package main

import (
	"fmt"
	"strings"

	"gamefill/internal/price"
	"gamefill/internal/publisher"
	"gamefill/internal/terminal"
)

// printEstimate says what a plan will cost in time and money.
func printEstimate(e *environment, c publisher.Estimate) {
	if c.Bill.Services.Any() {
		fmt.Fprintln(e.out)
		t := terminal.NewTable("estimate", ">how much", "price", ">cost", "from")
		for _, l := range c.Bill.Lines {
			t.Row(l.Item, l.Amount(), l.Price, l.Charge(), l.Basis)
		}
		t.Write(e.out)
		fmt.Fprintf(e.out, "\nCost: %s. %s Not covered: %s.\n", c.Bill.Sum(), price.Note, strings.Join(c.Bill.Missing, "; "))
	} else {
		fmt.Fprintf(e.out, "No cost: one file; at most %s.\n",
			terminal.Plural(c.Writes, "partition is written", "partitions are written"))
	}
	if c.Measured == "" {
		fmt.Fprintln(e.out, "Duration: no measurement yet.")
		return
	}
	fmt.Fprintf(e.out, "Duration: about %s at the %.0f dates a minute of run %s, whose median date took %s.\n",
		terminal.Duration(c.Duration), c.DatesPerMinute, c.Measured, terminal.Duration(c.MedianDate))
}
