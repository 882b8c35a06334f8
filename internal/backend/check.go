package backend

import (
	"context"
	"errors"

	"gamefill/internal/setup"
)

// CheckSetup looks at everything that queue and ledger need, see [setup.Check]. What lies in a file needs nothing.
func (b *Backend) CheckSetup(ctx context.Context) (findings []setup.Finding, err error) {
	var errs []error
	for _, port := range []any{b.Queue, b.Ledger} {
		if p, ok := port.(interface {
			Ensure(ctx context.Context, m setup.Mode) ([]setup.Finding, error)
		}); ok {
			more, err := p.Ensure(ctx, setup.Check)
			findings, errs = append(findings, more...), append(errs, err)
		}
	}
	return findings, errors.Join(errs...)
}

// CheckQueue says what keeps messages or dead letters from arriving, before anything is published or received: most of
// it would lose them without a word. unseen are resources at which this account may not look. A queue in a file has
// nothing to be checked.
func (b *Backend) CheckQueue(ctx context.Context) (unseen []setup.Finding, err error) {
	if q, ok := b.Queue.(interface {
		Check(ctx context.Context) ([]setup.Finding, error)
	}); ok {
		return q.Check(ctx)
	}
	return nil, nil
}
