package validate_test

import (
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// listed are the metrics of docs/deploy.md and their labels.
func listed(t *testing.T) map[string][]string {
	t.Helper()
	metrics := map[string][]string{}
	for _, match := range regexp.MustCompile("(?m)^\\| `(gamefill_[a-z_]+)(?:{([a-z,]+)})?` \\|").FindAllStringSubmatch(
		string(read(t, "../../docs/deploy.md")), -1) {
		metrics[match[1]] = strings.Split(match[2], ",")
	}
	if len(metrics) == 0 {
		t.Fatal("docs/deploy.md lists no metrics")
	}
	return metrics
}

// checkQuery wants a query of metrics that docs/deploy.md lists, by labels that they have; foreign are others' metrics.
func checkQuery(t *testing.T, what, query string, metrics map[string][]string, foreign ...string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	selectors := 0
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		selectors++
		if slices.Contains(foreign, s.Name) {
			return nil
		}
		name := regexp.MustCompile(`_seconds_(bucket|count|sum)$`).ReplaceAllString(s.Name, "_seconds") // series of a histogram
		has, ok := metrics[name]
		if !ok {
			t.Errorf("%s: docs/deploy.md lists no metric %s", what, s.Name)
		}
		for _, m := range s.LabelMatchers {
			if m.Name != labels.MetricName && !slices.Contains(has, m.Name) {
				t.Errorf("%s: %s has no label %s", what, s.Name, m.Name)
			}
		}
		return nil
	})
	if selectors == 0 {
		t.Errorf("%s: asks for no metric", what)
	}
}

// TestAlerts loads the rules as Prometheus does, checks what they ask for, and wants the page that each of them names.
func TestAlerts(t *testing.T) {
	t.Parallel()
	groups, errs := rulefmt.ParseFile("../alerts/gamefill.yaml", false, model.LegacyValidation,
		parser.NewParser(parser.Options{}), slog.Default())
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		t.FailNow()
	}
	metrics := listed(t)
	pages := map[string]bool{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			checkQuery(t, r.Alert, r.Expr, metrics, "pubsub_googleapis_com:subscription_oldest_unacked_message_age")
			page := r.Annotations["runbook"]
			name := strings.TrimSuffix(strings.TrimPrefix(page, "docs/runbooks/"), ".md")
			if pages[name] {
				t.Errorf("%s: %s is another alert's page", r.Alert, page)
			}
			pages[name] = true
			if !strings.Contains(string(read(t, "../../"+page)), "\nAlert `"+name+"`. ") {
				t.Errorf("%s: %s does not begin with the alert's name", r.Alert, page)
			}
			if !slices.Contains([]string{"critical", "error", "warning"}, r.Labels["severity"]) ||
				r.Annotations["summary"] == "" {
				t.Errorf("%s: got severity %q and summary %q", r.Alert, r.Labels["severity"], r.Annotations["summary"])
			}
		}
	}
	if len(pages) != 9 {
		t.Errorf("got alerts %v, want 9", slices.Sorted(maps.Keys(pages)))
	}
}
