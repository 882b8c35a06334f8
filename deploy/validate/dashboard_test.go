package validate_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// TestDashboard decodes the dashboard strictly as Grafana's own types have it, checks what its panels ask for, and
// wants no two panels in one place.
func TestDashboard(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins()
	text := read(t, "../grafana/gamefill.json")
	// The strict decoder knows the fields and fills in nothing when all is well; no problem is an empty list there.
	err := new(dashboard.Dashboard).UnmarshalJSONStrict(text)
	if problems, ok := err.(cog.BuildErrors); err != nil && (!ok || len(problems) > 0) {
		t.Fatal(err)
	}
	var d dashboard.Dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	metrics := listed(t)
	taken := map[[2]uint32]string{}
	ids := map[uint32]bool{}
	queries := 0
	for _, either := range d.Panels {
		p := either.Panel
		title := *p.Title
		if ids[*p.Id] {
			t.Errorf("%s: another panel has the id %d", title, *p.Id)
		}
		ids[*p.Id] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]uint32{x, y}]; ok {
					t.Fatalf("%s lies over %s", title, other)
				}
				taken[[2]uint32{x, y}] = title
			}
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: ends at column %d, want 24 at most", title, p.GridPos.X+p.GridPos.W)
		}
		for _, target := range p.Targets {
			query, ok := target.(*prometheus.Dataquery)
			if !ok {
				t.Errorf("%s: got a query of type %T, want Prometheus's", title, target)
				continue
			}
			queries++
			checkQuery(t, title, strings.ReplaceAll(query.Expr, "$__rate_interval", "5m"), metrics)
		}
	}
	if queries == 0 {
		t.Error("no panel asks for anything")
	}
}
