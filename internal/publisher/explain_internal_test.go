package publisher

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/job"
)

func TestRuleResults(t *testing.T) {
	t.Parallel()
	rules := []job.Rule{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	findings := []job.Finding{
		{Rule: "c", Level: job.Error, Message: "bad", Accepted: true}, {Rule: "a", Level: job.Warn, Message: "odd"},
		{Rule: "c", Level: job.Warn, Message: "odd"},
	}
	want := []RuleResult{{"a", "warn", "odd"}, {"b", "passed", ""}, {"c", "overridden", "bad"}, {"c", "warn", "odd"}}
	if diff := cmp.Diff(want, ruleResults(rules, findings)); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}
