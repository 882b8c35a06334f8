package bigquerywarehouse

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gamefill/internal/table"
)

// slowFor is how long the halved rate lasts after the service said rateLimitExceeded.
const slowFor = time.Minute

// settle is how soon a halved rate may be halved again: the refusals of calls that were under way count as one.
const settle = 2 * time.Second

// slowest is the least part of the normal rate.
const slowest = 1.0 / 32

// pace of a table: the quota is each table's own.
func (s *Store) pace(t *table.Schema) *pace {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.paces[t.FullName()]
	if p == nil {
		p = newPace(s.options.Modifications, s.options.Fleet)
		s.paces[t.FullName()] = p
	}
	return p
}

// pace spreads the modifications of one table by this process, failed ones included, so that a fleet stays below the
// quota.
type pace struct {
	normal  rate.Limit
	limiter *rate.Limiter

	// mu guards slowed.
	mu     sync.Mutex
	slowed time.Time // when the rate was halved last, zero at the normal rate
}

func newPace(per10s, fleet int) *pace {
	normal := rate.Limit(float64(per10s) / 10 / float64(fleet))
	return &pace{normal: normal, limiter: rate.NewLimiter(normal, max(1, per10s/8/fleet))} // a burst fits above the rate
}

// wait blocks until the next modification may be made.
func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	if !p.slowed.IsZero() && time.Since(p.slowed) > slowFor {
		p.slowed = time.Time{}
		p.limiter.SetLimit(p.normal)
	}
	p.mu.Unlock()
	if err := p.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("wait for a table modification: %w", err)
	}
	return nil
}

// slowDown halves the rate for [slowFor].
func (p *pace) slowDown() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.slowed) >= settle {
		p.slowed = now
		p.limiter.SetLimit(max(p.limiter.Limit()/2, p.normal*slowest))
	}
}
