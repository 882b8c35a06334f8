package backend

import (
	"os"

	"gamefill/internal/reach"
)

// service is the Google Cloud service of an address that has passed Validate, or what stands in for it.
func (b *Backend) service(a address) *reach.Service {
	o := reach.Options{Name: "the " + a.port + " " + a.text, Within: b.reachWithin}
	g := google[a.scheme]
	switch endpoint, emulator := a.params.Get("endpoint"), os.Getenv(g.variable); {
	case g.variable != "" && emulator != "":
		o.URL = "grpc://" + emulator
		o.Advice = "start the emulator that " + g.variable + " names, or unset the variable"
	case endpoint != "":
		o.URL = endpoint
		o.Advice = "start what endpoint= names, or correct it"
	default:
		o.URL = "https://" + g.host
		o.Advice = "see whether this host has a network, and a firewall or proxy that keeps " + g.host + " from it"
	}
	return reach.New(o)
}
