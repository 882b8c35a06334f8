// Package retry is a decorator: a warehouse whose single calls are tried again after transient errors.
//
// A retried call is not an attempt: attempts are whole executions of a date and are counted by the ledger. Errors of
// any other class, lost leases and stopped runs are returned at once. Every call of the port is safe to repeat.
package retry

import (
	"context"
	"errors"
	"time"

	"github.com/sethvargo/go-retry"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Policy bounds the tries of one call. The zero value of a field means its default.
type Policy struct {
	Tries uint64        // all tries of one call, the first included; default 4
	Base  time.Duration // first wait, doubled each time, with full jitter; default 200 ms
	Total time.Duration // all tries and waits together; default 30 s
}

func (p *Policy) setDefaults() {
	if p.Tries == 0 {
		p.Tries = 4
	}
	if p.Base == 0 {
		p.Base = 200 * time.Millisecond
	}
	if p.Total == 0 {
		p.Total = 30 * time.Second
	}
}

// Do calls fn until it succeeds, fails for good, or the policy is used up; the last error is returned.
func Do(ctx context.Context, p Policy, fn func(context.Context) error) error {
	p.setDefaults()
	b := retry.NewExponential(p.Base)
	b = retry.WithFullJitter(b)
	b = retry.WithMaxRetries(p.Tries-1, b)
	b = retry.WithMaxDuration(p.Total, b)
	return retry.Do(ctx, b, func(ctx context.Context) error {
		err := fn(ctx)
		if err != nil && transient(ctx, err) {
			return retry.RetryableError(err)
		}
		return err
	})
}

func transient(ctx context.Context, err error) bool {
	return ctx.Err() == nil && failure.ClassOf(err) == failure.Transient &&
		!errors.Is(err, warehouse.ErrFenced) && !errors.Is(err, warehouse.ErrStopped)
}

// Warehouse wraps a store: the calls that workers make on partitions are retried, the others pass through.
func Warehouse(s warehouse.Store, p Policy) warehouse.Store { return &store{Store: s, policy: p} }

type store struct {
	warehouse.Store
	policy Policy
}

func (s *store) Read(ctx context.Context, t *table.Schema, date gamedate.Date) (p warehouse.Partition, err error) {
	err = Do(ctx, s.policy, func(ctx context.Context) (err error) { p, err = s.Store.Read(ctx, t, date); return err })
	return p, err
}

func (s *store) Prepare(ctx context.Context, w warehouse.Write) (id string, err error) {
	err = Do(ctx, s.policy, func(ctx context.Context) (err error) { id, err = s.Store.Prepare(ctx, w); return err })
	return id, err
}

func (s *store) Replace(ctx context.Context, w warehouse.Write) (r warehouse.Receipt, err error) {
	err = Do(ctx, s.policy, func(ctx context.Context) (err error) { r, err = s.Store.Replace(ctx, w); return err })
	return r, err
}

func (s *store) Close(ctx context.Context, t *table.Schema, date gamedate.Date, fence warehouse.Fence,
	id string) error {
	return Do(ctx, s.policy, func(ctx context.Context) error { return s.Store.Close(ctx, t, date, fence, id) })
}

func (s *store) Measure(ctx context.Context, t *table.Schema, date gamedate.Date) (m warehouse.Measure, err error) {
	err = Do(ctx, s.policy, func(ctx context.Context) (err error) { m, err = s.Store.Measure(ctx, t, date); return err })
	return m, err
}
