package summary_test

import (
	"fmt"

	"gamefill/internal/summary"
)

func ExampleLookup() {
	for _, name := range []string{"Nikola Jokić", "De’Aaron Fox", "Wendell Carter, Jr.", "Jaren Jackson Junior"} {
		fmt.Println(summary.Lookup(name))
	}
	// Output:
	// nikolajokic
	// deaaronfox
	// wendellcarterjr
	// jarenjacksonjr
}

func ExampleParseMinutes() {
	for _, text := range []string{"12:15", "34", "PT34M56.00S", "12:75", "DNP - Coach's Decision"} {
		switch m := summary.ParseMinutes(text); m.Kind {
		case summary.MinutesKnown:
			tenths := summary.MinutesPlayed(m.Seconds)
			fmt.Printf("%d s, %d.%d minutes\n", m.Seconds, tenths/10, tenths%10)
		case summary.MinutesNotPlayed:
			fmt.Println("did not play")
		case summary.MinutesBad:
			fmt.Println("unreadable")
		}
	}
	// Output:
	// 735 s, 12.3 minutes
	// 2040 s, 34.0 minutes
	// 2096 s, 34.9 minutes
	// unreadable
	// did not play
}
