package backend

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/queue/pubsubqueue"
)

// Emulator is a service that an address names and that an emulator stands in for.
type Emulator struct {
	Port    string `json:"port"`    // queue, ledger or warehouse
	Service string `json:"service"` // Pub/Sub, Firestore or BigQuery
	Host    string `json:"host"`
	Why     string `json:"why"` // the variable or parameter that says so
}

// String is the emulator in words: "the queue is an emulator of Pub/Sub at localhost:8085 (PUBSUB_EMULATOR_HOST)".
func (e Emulator) String() string {
	return fmt.Sprintf("the %s is an emulator of %s at %s (%s)", e.Port, e.Service, e.Host, e.Why)
}

// google are the Google Cloud services by scheme: where each is, and the variable that points its client library at an
// emulator; BigQuery's has none and is pointed at one by its address.
var google = map[string]struct{ service, host, variable string }{
	"pubsub":    {"Pub/Sub", "pubsub.googleapis.com", pubsubqueue.EmulatorVariable},
	"firestore": {"Firestore", "firestore.googleapis.com", firestoreledger.EmulatorVariable},
	"bigquery":  {"BigQuery", "bigquery.googleapis.com", ""},
}

// Emulators are the addresses' services that emulators stand in for. A variable that no address is concerned with says
// nothing. Addresses that Validate refuses are left out.
func (a Addresses) Emulators() []Emulator {
	emulators, _ := a.services(os.Getenv)
	return emulators
}

// Emulated reports whether emulators stand in for all Google services that the addresses name.
func (a Addresses) Emulated() bool {
	emulators, real := a.services(os.Getenv)
	return len(emulators) > 0 && len(real) == 0
}

// services tells emulators from the names of real Google services.
func (a Addresses) services(getenv func(string) string) (emulators []Emulator, real []string) {
	for _, p := range []struct{ port, text string }{{"queue", a.Queue}, {"ledger", a.Ledger}, {"warehouse", a.Warehouse}} {
		addr, err := parse(p.port, p.text)
		if err != nil {
			continue
		}
		g, ok := google[addr.scheme]
		if !ok {
			continue
		}
		e := Emulator{Port: p.port, Service: g.service, Why: g.variable}
		if g.variable != "" {
			e.Host = getenv(g.variable)
		} else {
			e.Host, e.Why = local(addr.params.Get("endpoint")), "endpoint="
		}
		if e.Host == "" {
			real = append(real, "the "+p.port+" is "+g.service+" in a real project ("+p.text+")")
			continue
		}
		emulators = append(emulators, e)
	}
	return emulators, real
}

// local is the host of an endpoint that cannot be the real service, which is on no loopback address and takes no plain
// HTTP; "" for any other.
func local(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return u.Host
	}
	return ""
}

// checkEmulators refuses to work with an emulator of one Google service and the real other: most often a variable is
// left over from a test, and a run would be recorded in one place and done in another.
func (a Addresses) checkEmulators(getenv func(string) string) error {
	emulators, real := a.services(getenv)
	if a.AllowMixedEmulators || len(emulators) == 0 || len(real) == 0 {
		return nil
	}
	var said []string
	for _, e := range emulators {
		said = append(said, e.String())
	}
	return fmt.Errorf("%s, but %s: unset the variable, or say --allow-mixed-emulators if this is meant",
		strings.Join(said, " and "), strings.Join(real, " and "))
}
