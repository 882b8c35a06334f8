package archtest_test

import (
	"slices"
	"strings"
	"testing"

	"gamefill/internal/archtest"
)

func TestModule(t *testing.T) {
	t.Parallel()
	g, err := archtest.Load("../..")
	if err != nil {
		t.Fatal(err)
	}
	// The rules must have something to bite on.
	for _, p := range []string{"internal/queue", "internal/queue/sqlitequeue", "internal/sqlitefile",
		"internal/archtest"} {
		if g[archtest.Module+"/"+p] == nil {
			t.Errorf("package %s is not in the graph", p)
		}
	}
	if p := g[archtest.Module+"/internal/sqlitefile"]; p != nil && !slices.Contains(p.Imports, "modernc.org/sqlite") {
		t.Errorf("imports of sqlitefile: got %v, want the driver among them", p.Imports)
	}
	for _, r := range archtest.Rules() {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			for _, b := range r.Check(g) {
				t.Error(b)
			}
		})
	}
}

// graph makes a graph from lines "path: import import". Paths that begin with a dot are the module's; every package has
// a comment unless its line ends in "nodoc".
func graph(lines ...string) archtest.Graph {
	full := func(p string) string {
		if rel, ok := strings.CutPrefix(p, "./"); ok {
			return archtest.Module + "/" + rel
		}
		return p
	}
	g := archtest.Graph{}
	for _, line := range lines {
		name, imports, _ := strings.Cut(line, ":")
		p := &archtest.Package{ImportPath: full(name), Doc: "Package x is here."}
		for _, i := range strings.Fields(imports) {
			if i == "nodoc" {
				p.Doc = ""
				continue
			}
			p.Imports = append(p.Imports, full(i))
		}
		g[p.ImportPath] = p
	}
	return g
}

func TestRulesCanFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		graph archtest.Graph
		rule  string // the one rule that is broken, "" for none
		says  string
	}{
		{name: "clean", graph: graph(
			"./internal/queue: context", "./internal/queue/queuetest: testing ./internal/queue github.com/google/go-cmp/cmp",
			"./internal/queue/pubsubqueue: ./internal/queue cloud.google.com/go/pubsub/v2",
			"./internal/queue/sqlitequeue: ./internal/queue ./internal/sqlitefile database/sql",
			"./internal/warehouse/bigquerywarehouse/bigqueryfake: net/http net/http/httptest",
			"./internal/sqlitefile: modernc.org/sqlite database/sql",
			"./internal/worker: ./internal/queue ./internal/faultinject", "./internal/summary: ./internal/boxscore",
			"./internal/faultinject: syscall",
			"./internal/backend: ./internal/queue/pubsubqueue ./internal/queue/sqlitequeue",
			"./cmd/worker: ./internal/backend ./internal/summary ./internal/worker ./internal/telemetry",
			"./internal/telemetry: ./internal/ledger github.com/prometheus/client_golang/prometheus",
			"./test/crash: ./internal/queue/sqlitequeue testing",
			"cloud.google.com/go/pubsub/v2: google.golang.org/grpc")},

		{name: "core imports an SDK", graph: graph("./internal/worker: cloud.google.com/go/bigquery"),
			rule: "core knows no vendor", says: "gamefill/internal/worker -> cloud.google.com/go/bigquery"},
		{name: "core reaches an SDK through a library",
			graph: graph("./internal/worker: example.org/x", "example.org/x: google.golang.org/grpc/status"),
			rule:  "core knows no vendor", says: "example.org/x -> google.golang.org/grpc/status"},
		{name: "core speaks SQL", graph: graph("./internal/publisher: database/sql"), rule: "core knows no vendor",
			says: "database/sql"},
		{name: "a new package of the core", graph: graph("./internal/novelty: modernc.org/sqlite/lib"),
			rule: "core knows no vendor", says: "novelty"},
		{name: "core imports the wiring", graph: graph("./internal/publisher: ./internal/backend"),
			rule: "core knows no adapter", says: "internal/backend"},
		{name: "core imports the file", graph: graph("./internal/ledger: ./internal/sqlitefile"),
			rule: "core knows no adapter", says: "internal/sqlitefile"},
		{name: "adapter with a strange name", graph: graph("./internal/ledger/sqlite: context"),
			rule: "adapters are named after technology and port", says: "<technology>ledger"},
		{name: "adapter of another port", graph: graph("./internal/ledger/sqlitequeue: context"),
			rule: "adapters are named after technology and port", says: "<technology>ledger"},
		{name: "adapter imports an adapter",
			graph: graph("./internal/queue/sqlitequeue: ./internal/ledger/sqliteledger", "./internal/ledger/sqliteledger:"),
			rule:  "adapters are leaves", says: "sqliteledger: only"},
		{name: "engine counts by itself",
			graph: graph("./internal/worker: ./internal/telemetry", "./internal/telemetry: ./internal/ledger"),
			rule:  "only binaries know telemetry", says: "gamefill/internal/worker -> gamefill/internal/telemetry"},
		{name: "engine knows box scores",
			graph: graph("./internal/worker: ./internal/novelty", "./internal/novelty: ./internal/boxscore",
				"./internal/boxscore:"),
			rule: "engine knows no basketball",
			says: "gamefill/internal/worker -> gamefill/internal/novelty -> gamefill/internal/boxscore"},
		{name: "adapter knows the summary",
			graph: graph("./internal/warehouse/bigquerywarehouse: ./internal/summary", "./internal/summary:"),
			rule:  "engine knows no basketball", says: "bigquerywarehouse"},
		{name: "no comment", graph: graph("./internal/worker: nodoc"), rule: "every package has a comment",
			says: "internal/worker"},
		{name: "testing in a binary", graph: graph("./cmd/worker: example.org/x", "example.org/x: testing"),
			rule: "no test library in a binary", says: "example.org/x -> testing"},
		{name: "comparison library in a binary", graph: graph("./cmd/worker: github.com/google/go-cmp/cmp"),
			rule: "no test library in a binary", says: "go-cmp"},
		{name: "suite in a binary",
			graph: graph("./cmd/publisher: ./internal/queue/queuetest", "./internal/queue/queuetest:"),
			rule:  "no test library in a binary", says: "queuetest"},
		{name: "decorators in a binary",
			graph: graph("./cmd/publisher: ./internal/worker", "./internal/worker: ./internal/faultinject/faulttest"),
			rule:  "no test library in a binary", says: "faulttest"},
		{name: "fake service in a binary", graph: graph("./cmd/publisher: cloud.google.com/go/pubsub/v2/pstest"),
			rule: "no test library in a binary", says: "pstest"},
		{name: "drawer", graph: graph("./internal/summary/helpers: strings"), rule: "no drawers", says: "helpers"},
	}
	covered := map[string]bool{}
	for _, tt := range tests {
		covered[tt.rule] = true
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, r := range archtest.Rules() {
				broken := r.Check(tt.graph)
				if r.Name != tt.rule {
					for _, b := range broken {
						t.Errorf("rule %q is broken too: %s", r.Name, b)
					}
					continue
				}
				if len(broken) != 1 || !strings.Contains(broken[0], tt.says) {
					t.Errorf("rule %q: got %q, want one violation naming %q", r.Name, broken, tt.says)
				}
			}
		})
	}
	t.Run("core imports an adapter", func(t *testing.T) { // breaks two rules: it is both no core and no leaf
		t.Parallel()
		g := graph("./internal/worker: ./internal/queue/sqlitequeue", "./internal/queue/sqlitequeue:")
		for _, r := range archtest.Rules() {
			want := 0
			if r.Name == "core knows no adapter" || r.Name == "adapters are leaves" {
				want = 1
			}
			if got := r.Check(g); len(got) != want {
				t.Errorf("rule %q: got %q, want %d violations", r.Name, got, want)
			}
		}
	})
	for _, r := range archtest.Rules() {
		if !covered[r.Name] {
			t.Errorf("no case breaks the rule %q", r.Name)
		}
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	if g, err := archtest.Load(t.TempDir()); err == nil {
		t.Errorf("a directory without a module: got %d packages, want an error", len(g))
	}
}
