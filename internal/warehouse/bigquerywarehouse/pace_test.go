package bigquerywarehouse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// most is the largest number of times within any ten seconds.
func most(times []time.Time) (n int) {
	for i, first := range times {
		j := i
		for j < len(times) && times[j].Sub(first) < 10*time.Second {
			j++
		}
		n = max(n, j-i)
	}
	return n
}

func TestPaceKeepsBelowTheQuota(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name               string
		per10s, fleet, max int
	}{
		{"alone", 40, 1, 49}, // the quota is 50
		{"fleet of 8", 40, 8, 6},
		{"large fleet", 40, 100, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPace(tt.per10s, tt.fleet, rand.Float64)
				var times []time.Time
				for range 200 {
					if err := p.wait(t.Context()); err != nil {
						t.Fatal(err)
					}
					times = append(times, time.Now())
				}
				if got := most(times); got > tt.max || got < 1 {
					t.Errorf("got %d in 10 s, want at most %d", got, tt.max)
				}
			})
		})
	}
}

// TestFleetKeepsBelowTheQuota lets every process of a fleet change the table as often as its pace allows, all from the
// same instant on, as after a pause, and once more after an hour in which nobody did.
func TestFleetKeepsBelowTheQuota(t *testing.T) {
	t.Parallel()
	const quota, concurrency = 50, 4
	for _, fleet := range []int{1, 2, 5, 8, 10, 11, 13, 20, 35, 49, 50, 51, 75, 100, 500} {
		t.Run(fmt.Sprint(fleet), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, uint64(fleet)))
				paces := make([]*pace, fleet)
				for i := range paces {
					phase := [2]float64{random.Float64(), random.Float64()}
					calls := 0
					paces[i] = newPace(40, fleet, func() float64 { calls++; return phase[(calls-1)%2] })
				}
				var mu sync.Mutex // guards times
				var times []time.Time
				for range 2 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute+20*time.Second*time.Duration(fleet)/40)
					var processes sync.WaitGroup
					for _, p := range paces {
						for range concurrency {
							processes.Go(func() {
								for p.wait(ctx) == nil {
									mu.Lock()
									times = append(times, time.Now())
									mu.Unlock()
								}
							})
						}
					}
					processes.Wait()
					cancel()
					time.Sleep(time.Hour) // on the bubble's clock
				}
				slices.SortFunc(times, time.Time.Compare)
				if got := most(times); got > quota || got < quota/3 {
					t.Errorf("got %d in 10 s, want at most %d, and not much less than the rate", got, quota)
				}
			})
		})
	}
}

func TestPaceSlowsDownForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPace(40, 1, rand.Float64)
		time.Sleep(time.Hour) // on the bubble's clock
		normal := p.limiter.Limit()
		p.slowDown()
		p.slowDown() // of a call under way at the same time
		if got := p.limiter.Limit(); got != normal/2 {
			t.Errorf("slowed: got %v, want %v", got, normal/2)
		}
		time.Sleep(settle)
		p.slowDown()
		if got := p.limiter.Limit(); got != normal/4 {
			t.Errorf("slowed again: got %v, want %v", got, normal/4)
		}
		for range 100 {
			time.Sleep(settle)
			p.slowDown()
		}
		if got := p.limiter.Limit(); got != normal*slowest {
			t.Errorf("slowest: got %v, want %v", got, normal*slowest)
		}
		time.Sleep(slowFor + time.Second)
		if err := p.wait(t.Context()); err != nil || p.limiter.Limit() != normal {
			t.Errorf("after a minute: got %v, %v, want %v", p.limiter.Limit(), err, normal)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
		}
	})
}
