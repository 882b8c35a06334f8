package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Rule is one property of the graph. Check returns a sentence for each violation.
type Rule struct {
	Name  string
	Check func(Graph) []string
}

// Rules returns every rule.
func Rules() []Rule {
	return []Rule{
		{"core knows no vendor", coreKnowsNoVendor},
		{"core knows no adapter", coreKnowsNoAdapter},
		{"adapters are named after technology and port", adapterNames},
		{"adapters are leaves", adaptersAreLeaves},
		{"only binaries know telemetry", onlyBinariesKnowTelemetry},
		{"engine knows no basketball", engineKnowsNoBasketball},
		{"every package has a comment", everyPackageHasComment},
		{"no test library in a binary", noTestLibraryInBinary},
		{"no drawers", noDrawers},
	}
}

// ports are the packages that own a port; adapters lie below them.
var ports = []string{"queue", "ledger", "warehouse", "notify"}

// vendors are the import paths, and what lies below them, that only adapters may know: SDKs and drivers.
var vendors = []string{
	"modernc.org/sqlite", "github.com/mattn/go-sqlite3",
	"cloud.google.com/go", "google.golang.org/api", "google.golang.org/grpc", "github.com/googleapis/gax-go",
	"github.com/prometheus", "go.opentelemetry.io",
}

// within reports whether p is root or lies below it.
func within(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

func withinAny(p string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return within(p, root) })
}

// portOf is the port that a path within the module lies below, and the rest of the path; "" for others and for the port
// itself.
func portOf(rel string) (port, rest string) {
	for _, port := range ports {
		if rest, ok := strings.CutPrefix(rel, "internal/"+port+"/"); ok {
			return port, rest
		}
	}
	return "", ""
}

// adapterOf is the path of the adapter that rel is or lies in, "" for others.
func adapterOf(rel string) string {
	port, rest := portOf(rel)
	first, _, _ := strings.Cut(rest, "/")
	if port == "" || isTestLibrary(first) {
		return ""
	}
	return "internal/" + port + "/" + first
}

// isTestLibrary reports whether a path names a package that exists for tests alone.
func isTestLibrary(p string) bool {
	base := path.Base(p)
	return within(p, "test") || strings.HasSuffix(base, "test") || strings.HasSuffix(base, "fake") || base == "testjob"
}

// isWiring reports whether rel may choose adapters: the binaries and the one package that opens backends.
func isWiring(rel string) bool { return within(rel, "cmd") || within(rel, "internal/backend") }

// isCore reports whether rel is ordinary code below internal: no adapter, no owner of a vendor's file, no wiring, and
// not what shows the process to others.
func isCore(rel string) bool {
	return within(rel, "internal") && adapterOf(rel) == "" && !isTestLibrary(rel) && !isWiring(rel) &&
		!within(rel, "internal/sqlitefile") && !within(rel, telemetry)
}

func arrow(chain []string) string { return strings.Join(chain, " -> ") }

func coreKnowsNoVendor(g Graph) (broken []string) {
	for _, p := range g.own() {
		if !isCore(p.Rel()) {
			continue
		}
		g.reach(p, func(chain []string) {
			if withinAny(chain[len(chain)-1], vendors) && !withinAny(chain[len(chain)-2], vendors) {
				broken = append(broken, arrow(chain)+": only an adapter may know a vendor's SDK")
			}
		})
		if slices.Contains(p.Imports, "database/sql") || slices.Contains(p.Imports, "database/sql/driver") {
			broken = append(broken, p.ImportPath+" imports database/sql: only an adapter may")
		}
	}
	return broken
}

func coreKnowsNoAdapter(g Graph) (broken []string) {
	for _, p := range g.own() {
		if !isCore(p.Rel()) {
			continue
		}
		for _, imported := range p.Imports {
			rel, ok := strings.CutPrefix(imported, Module+"/")
			if ok && (adapterOf(rel) != "" || isWiring(rel) || within(rel, "internal/sqlitefile")) {
				broken = append(broken,
					arrow([]string{p.ImportPath, imported})+": the core imports ports, never what implements or opens them")
			}
		}
	}
	return broken
}

func adapterNames(g Graph) (broken []string) {
	for _, p := range g.own() {
		port, rest := portOf(p.Rel())
		if port == "" {
			continue
		}
		first, _, _ := strings.Cut(rest, "/")
		if first == port+"test" || first != port && strings.HasSuffix(first, port) {
			continue
		}
		broken = append(broken,
			fmt.Sprintf("%s: want <technology>%s for an adapter, or %stest for the suite", p.ImportPath, port, port))
	}
	return broken
}

func adaptersAreLeaves(g Graph) (broken []string) {
	for _, p := range g.own() {
		rel := p.Rel()
		if isWiring(rel) || isTestLibrary(rel) {
			continue
		}
		for _, imported := range p.Imports {
			target, _ := strings.CutPrefix(imported, Module+"/")
			if adapter := adapterOf(target); adapter != "" && target != imported && adapter != adapterOf(rel) {
				broken = append(broken,
					arrow([]string{p.ImportPath, imported})+": only internal/backend, the binaries and tests import an adapter")
			}
		}
	}
	return broken
}

// telemetry is the package that shows a process to others.
const telemetry = "internal/telemetry"

func onlyBinariesKnowTelemetry(g Graph) (broken []string) {
	for _, p := range g.own() {
		if rel := p.Rel(); within(rel, "cmd") || within(rel, telemetry) || isTestLibrary(rel) {
			continue
		}
		for _, imported := range p.Imports {
			if within(imported, Module+"/"+telemetry) {
				broken = append(broken, arrow([]string{p.ImportPath, imported})+": who is measured does not know it")
			}
		}
	}
	return broken
}

// engine are the packages that move dates without knowing what is in them.
var engine = []string{
	"internal/queue", "internal/ledger", "internal/warehouse", "internal/job", "internal/publisher", "internal/worker",
	"internal/retry", "internal/failure", "internal/table", "internal/gamedate", "internal/faultinject",
	"internal/sqlitefile", "internal/backend", "internal/setup", "internal/testjob",
	"internal/reach", "internal/rebuild", "internal/diff", "internal/report", "internal/history", "internal/snapshot",
	"internal/price", telemetry, "internal/notify",
}

// basketball are the packages that know the game.
var basketball = []string{Module + "/internal/summary", Module + "/internal/boxscore", Module + "/internal/feed",
	Module + "/internal/demo"}

func engineKnowsNoBasketball(g Graph) (broken []string) {
	for _, p := range g.own() {
		if !withinAny(p.Rel(), engine) {
			continue
		}
		g.reach(p, func(chain []string) {
			if withinAny(chain[len(chain)-1], basketball) {
				broken = append(broken, arrow(chain)+": the engine knows no basketball")
			}
		})
	}
	return broken
}

func everyPackageHasComment(g Graph) (broken []string) {
	for _, p := range g.own() {
		if p.Doc == "" {
			broken = append(broken, p.ImportPath+" has no package comment")
		}
	}
	return broken
}

func noTestLibraryInBinary(g Graph) (broken []string) {
	for _, p := range g.own() {
		if !within(p.Rel(), "cmd") {
			continue
		}
		g.reach(p, func(chain []string) {
			last := chain[len(chain)-1]
			rel, own := strings.CutPrefix(last, Module+"/")
			switch {
			case within(last, "testing"), within(last, "net/http/httptest"), within(last, "github.com/google/go-cmp"),
				withinAny(last, vendors) && strings.HasSuffix(last, "test"), own && isTestLibrary(rel):
				broken = append(broken, arrow(chain)+": a test library is linked into a binary")
			}
		})
	}
	return broken
}

// drawers are names that say where something was put, not what it is.
var drawers = []string{"util", "utils", "common", "helper", "helpers", "types", "models", "misc", "shared",
	"base", "lib"}

func noDrawers(g Graph) (broken []string) {
	for _, p := range g.own() {
		if base := path.Base(p.ImportPath); slices.Contains(drawers, base) {
			broken = append(broken, p.ImportPath+": a package is named for its concept, not "+base)
		}
	}
	return broken
}
