package pubsubqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/failure"
	"gamefill/internal/setup"
)

// decisive are the settings of a subscription without which messages go astray: nobody gets them, or not all of them.
var decisive = []string{"topic", "push endpoint", "filter", "detached"}

// Check says what keeps messages or dead letters from arriving: a resource that is missing, a subscription of another
// topic. It makes and changes nothing. A program that publishes or receives calls it before it begins, since the
// service takes messages that no subscription keeps without a word. Settings that merely differ are [Queue.Ensure]'s to
// report.
//
// unseen are resources at which this account may not look; whether they are right shows in use. The error is of class
// Environment and joins all problems, each with what to do.
func (q *Queue) Check(ctx context.Context) (unseen []setup.Finding, err error) {
	if err := q.o.Reach.Check(ctx); err != nil {
		return nil, fmt.Errorf("check queue: %w", err)
	}
	var problems []error
	look := func(findings []setup.Finding, err error) {
		if err != nil {
			problems = append(problems, err)
		}
		for _, f := range findings {
			switch {
			case f.State == setup.Forbidden:
				unseen = append(unseen, f)
			case f.State == setup.Missing:
				problems = append(problems, fmt.Errorf("%s is missing: publisher init makes it", f.Resource))
			case f.State == setup.Differs &&
				slices.ContainsFunc(decisive, func(s string) bool { return strings.HasSuffix(f.Resource, ", "+s) }):
				problems = append(problems, fmt.Errorf("%s: is %s, want %s: %s", f.Resource, f.Seen, f.Wanted, f.Advice))
			}
		}
	}
	// A subscription that names the right topic shows that this is there too: that of a deleted one is "_deleted-topic_".
	// So two calls do where all is well.
	unknown := func(f setup.Finding) bool {
		return f.State == setup.Missing || f.State == setup.Forbidden || strings.HasSuffix(f.Resource, ", topic")
	}
	for _, pair := range [][2]string{{q.o.Topic, q.o.Subscription}, {q.o.DeadLetterTopic, q.o.DeadLetterSubscription}} {
		topic, subscription := pair[0], pair[1]
		found, err := q.ensureSubscription(ctx, subscription, q.subscriptionSettings(subscription, topic), setup.DryRun)
		if err != nil || slices.ContainsFunc(found, unknown) {
			look(q.ensureTopic(ctx, topic, setup.DryRun))
		}
		look(found, err)
	}
	if len(problems) > 0 {
		return unseen, failure.MarkEnvironment(fmt.Errorf("check queue: %w", errors.Join(problems...)), "queue_incomplete")
	}
	return unseen, nil
}
