package backend

import (
	"context"

	"gamefill/internal/setup"
)

// CheckQueue says what keeps messages or dead letters from arriving, before anything is published or received: most of it
// would lose them without a word. unseen are resources at which this account may not look. A queue in a file has nothing
// to be checked.
func (b *Backend) CheckQueue(ctx context.Context) (unseen []setup.Finding, err error) {
	if q, ok := b.Queue.(interface {
		Check(ctx context.Context) ([]setup.Finding, error)
	}); ok {
		return q.Check(ctx)
	}
	return nil, nil
}
