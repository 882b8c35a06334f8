package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/retry"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// flaky fails its first calls of Read.
type flaky struct {
	warehouse.Store
	fail  int
	err   error
	calls int
}

func (f *flaky) Read(context.Context, *table.Schema, gamedate.Date) (warehouse.Partition, error) {
	f.calls++
	if f.calls <= f.fail {
		return warehouse.Partition{}, f.err
	}
	return warehouse.Partition{Token: "t"}, nil
}

func TestWarehouse(t *testing.T) {
	t.Parallel()
	unavailable := errors.New("503")
	tests := []struct {
		name  string
		fail  int
		err   error
		calls int
		ok    bool
	}{
		{"works at once", 0, nil, 1, true},
		{"two failures, then it works", 2, unavailable, 3, true},
		{"fails for good after four tries", 9, unavailable, 4, false},
		{"permanent is not repeated", 9, failure.MarkPermanent(unavailable, "bad"), 1, false},
		{"quota is not repeated", 9, failure.Mark(unavailable, failure.Quota, "rate"), 1, false},
		{"environment is not repeated", 9, failure.MarkEnvironment(unavailable, "no_table"), 1, false},
		{"a lost lease is not repeated", 9, warehouse.ErrFenced, 1, false},
		{"a stopped run is not repeated", 9, warehouse.ErrStopped, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				f := &flaky{fail: tt.fail, err: tt.err}
				p, err := retry.Warehouse(f, retry.Policy{}).Read(t.Context(), nil, gamedate.Date{})
				if f.calls != tt.calls || (err == nil) != tt.ok {
					t.Errorf("got %d calls, error %v, want %d calls, success %v", f.calls, err, tt.calls, tt.ok)
				}
				if tt.ok && p.Token != "t" {
					t.Errorf("got %+v", p)
				}
				if !tt.ok && !errors.Is(err, tt.err) {
					t.Errorf("got %v, want the last error", err)
				}
				if waited := time.Since(began); waited > 30*time.Second {
					t.Errorf("waited %s, want at most 30 s", waited)
				}
			})
		})
	}
}

func TestCancelledCallIsNotRepeated(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := retry.Do(ctx, retry.Policy{}, func(ctx context.Context) error {
		calls++
		cancel()
		return ctx.Err()
	})
	if calls != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %d calls, %v, want 1, cancelled", calls, err)
	}
}
