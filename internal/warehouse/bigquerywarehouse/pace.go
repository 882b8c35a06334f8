package bigquerywarehouse

import (
	"context"
	"fmt"
	"math/rand/v2"
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

// A process whose rate was idle may make one modification at once. As long as the fleet has at most atOnce processes,
// these fit above the rate: 40 + 10 in 10 s. Those of a larger fleet begin at random instead, each within the time that
// lies between two of its modifications, so that what they make in any 10 s is spread around the rate, by less than
// what is left above it up to a fleet of crowd. Above that each process is slower: 28 modifications in 10 s on average,
// where 51 are more than four standard deviations away however large the fleet is.
const (
	atOnce    = 10
	crowd     = 50
	crowdRate = 0.7 // of the rate
)

// pace of a table: the quota is each table's own.
func (s *Store) pace(t *table.Schema) *pace {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.paces[t.FullName()]
	if p == nil {
		p = newPace(s.options.Modifications, s.options.Fleet, rand.Float64)
		s.paces[t.FullName()] = p
	}
	return p
}

// pace spreads the modifications of one table by this process, failed ones included, so that a fleet stays below the
// quota.
type pace struct {
	normal  rate.Limit
	limiter *rate.Limiter
	spread  time.Duration  // within which an idle process begins; 0: at once
	random  func() float64 // in [0, 1)

	// mu guards what follows.
	mu     sync.Mutex
	slowed time.Time // when the rate was halved last, zero at the normal rate
	begin  time.Time // before which an idle process does not begin
}

func newPace(per10s, fleet int, random func() float64) *pace {
	normal := rate.Limit(float64(per10s) / 10 / float64(fleet))
	if fleet > crowd {
		normal *= crowdRate
	}
	p := &pace{normal: normal, limiter: rate.NewLimiter(normal, max(1, per10s/8/fleet)), random: random}
	if fleet > atOnce {
		p.spread = time.Duration(float64(time.Second) / float64(normal))
	}
	return p
}

// wait blocks until the next modification may be made.
func (p *pace) wait(ctx context.Context) error {
	if err := p.waitToBegin(ctx); err != nil {
		return err
	}
	if err := p.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("wait for a table modification: %w", err)
	}
	return nil
}

// waitToBegin restores the normal rate when it is time, and blocks while an idle process of a large fleet may not
// begin.
func (p *pace) waitToBegin(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	if !p.slowed.IsZero() && now.Sub(p.slowed) > slowFor {
		p.slowed = time.Time{}
		p.limiter.SetLimit(p.normal)
	}
	if p.spread > 0 && !now.Before(p.begin) && p.limiter.TokensAt(now) >= 1 {
		p.begin = now.Add(time.Duration(p.random() * float64(p.spread)))
	}
	left := p.begin.Sub(now)
	p.mu.Unlock()
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
