package deploy_test

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gamefill/test/program"

	"github.com/google/go-cmp/cmp"
)

// alert is what both forms of an alert say.
type alert struct {
	Severity string
	Query    string
	For      time.Duration
}

// TestAlertsAgree: Prometheus and Google Cloud are told the same, once Terraform's variables have their defaults. The
// alert on the queue asks another metric in each.
func TestAlertsAgree(t *testing.T) {
	t.Parallel()
	module := modules(t)["deploy/terraform/modules/monitoring"]
	text := regexp.MustCompile(`\$\{var\.(\w+) \* (\d+)\}`).ReplaceAllStringFunc(
		program.Read(t, "deploy/terraform/modules/monitoring/main.tf"),
		func(product string) string {
			factors := regexp.MustCompile(`var\.(\w+) \* (\d+)`).FindStringSubmatch(product)
			result := 1
			for _, factor := range []string{value(t, module.labelled("variable")[factors[1]].Body, "default"), factors[2]} {
				n, err := strconv.Atoi(factor)
				if err != nil {
					t.Fatal(err)
				}
				result *= n
			}
			return strconv.Itoa(result)
		})
	want := map[string]alert{}
	for _, match := range regexp.MustCompile(`(?m)^    ([a-z-]+) = {\n +severity = "(\w+)"\n +query +=( ".*")\n +duration = "(\w+)"`).FindAllStringSubmatch(text, -1) {
		query, err := strconv.Unquote(strings.TrimSpace(match[3]))
		if err != nil {
			t.Fatal(err)
		}
		want[match[1]] = alert{strings.ToLower(match[2]), query, parseDuration(t, match[4])}
	}
	type rules struct {
		Groups []struct {
			Rules []struct {
				Expr, For   string
				Labels      map[string]string
				Annotations struct{ Runbook string }
			}
		}
	}
	got := map[string]alert{}
	for _, g := range decode[rules](t, "deploy/alerts/gamefill.yaml").Groups {
		for _, r := range g.Rules {
			name := strings.TrimSuffix(path.Base(r.Annotations.Runbook), ".md")
			got[name] = alert{r.Labels["severity"], r.Expr, parseDuration(t, r.For)}
		}
	}
	queue := "unread-queue"
	if _, ok := got[queue]; !ok || !strings.Contains(text, `display_name          = "gamefill `+queue+`"`) {
		t.Errorf("no alert %s in one of them", queue)
	}
	delete(got, queue)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alerts (-Terraform +Prometheus):\n%s", diff)
	}
	if len(want) < 8 {
		t.Errorf("got alerts %v in Terraform, want 8", slices.Sorted(maps.Keys(want)))
	}
}

// parseDuration reads a duration; "" is none.
func parseDuration(t *testing.T, text string) time.Duration {
	t.Helper()
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
