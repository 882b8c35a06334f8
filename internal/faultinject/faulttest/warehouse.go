package faulttest

import (
	"context"
	"sync"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Method names a call of the warehouse.
type Method string

// The methods that faults can be put on.
const (
	Read      Method = "Read"
	Prepare   Method = "Prepare"
	Replace   Method = "Replace"
	Close     Method = "Close"
	Measure   Method = "Measure"
	Create    Method = "Create"
	Drop      Method = "Drop"
	Tokens    Method = "Tokens"
	ReadRange Method = "ReadRange"
	Count     Method = "Count"
	Load      Method = "Load"
)

// Effect is what becomes of a call.
type Effect int

// The effects.
const (
	// None lets the call through; with a Delay it is only slow.
	None Effect = iota
	// Fail does not make the call and returns Err.
	Fail
	// LoseReply makes the call and returns Err: the caller cannot know that it took effect.
	LoseReply
	// Pretend does not make the call and reports success: rows written are reported as asked for, and stored nowhere.
	// For methods that return data it is an empty answer.
	Pretend
	// ReportNothing makes the call and reports that it did nothing, without an error.
	ReportNothing
)

// Fault is one misbehaviour. Zero selecting fields match every call.
type Fault struct {
	Method Method
	Table  string        // "dataset.name"
	Date   gamedate.Date // of the partition; methods on ranges match if the range contains it
	Skip   int           // matching calls that are let through first
	Times  int           // how many matching calls are hit after those; 0 means all

	Effect Effect
	Err    error
	// Delay is waited before anything else; the end of the call's context ends it early, with that error.
	Delay time.Duration
}

// Warehouse returns s with faults. Of several faults that match a call, the first that is not used up hits it. A fault
// that fails calls without an Err panics here: it would look like success.
func Warehouse(s warehouse.Store, faults ...Fault) warehouse.Store {
	for _, f := range faults {
		if (f.Effect == Fail || f.Effect == LoseReply) && f.Err == nil {
			panic("faulttest: a fault of " + string(f.Method) + " fails without an error")
		}
	}
	return &faultyStore{Store: s, faults: faults, seen: make([]int, len(faults))}
}

type faultyStore struct {
	warehouse.Store
	faults []Fault

	mu   sync.Mutex // guards seen
	seen []int      // matching calls a fault
}

// pick finds the fault for a call and waits its delay. An error ends the call.
func (s *faultyStore) pick(ctx context.Context, m Method, t *table.Schema, r gamedate.Range) (Fault, error) {
	f := s.match(m, t, r)
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return f, ctx.Err()
		}
	}
	if f.Effect == Fail {
		return f, f.Err
	}
	return f, nil
}

func (s *faultyStore) match(m Method, t *table.Schema, r gamedate.Range) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Method != "" && f.Method != m || f.Table != "" && f.Table != t.FullName() ||
			!f.Date.IsZero() && !r.Contains(f.Date) {
			continue
		}
		s.seen[i]++
		if n := s.seen[i] - f.Skip; n > 0 && (f.Times == 0 || n <= f.Times) {
			return f
		}
	}
	return Fault{}
}

// call makes one call with one result under its fault. pretended is the answer of Pretend, nothing that of
// ReportNothing.
func call[T any](ctx context.Context, s *faultyStore, m Method, t *table.Schema, r gamedate.Range, pretended, nothing T,
	do func() (T, error)) (T, error) {
	var none T
	f, err := s.pick(ctx, m, t, r)
	if err != nil {
		return none, err
	}
	if f.Effect == Pretend {
		return pretended, nil
	}
	result, err := do()
	switch {
	case err != nil:
		return result, err
	case f.Effect == LoseReply:
		return none, f.Err
	case f.Effect == ReportNothing:
		return nothing, nil
	}
	return result, nil
}

// done is the result of methods that have none.
type done = struct{}

func one(d gamedate.Date) gamedate.Range { return gamedate.Range{From: d, To: d} }

func (s *faultyStore) Read(ctx context.Context, t *table.Schema, date gamedate.Date) (warehouse.Partition, error) {
	return call(ctx, s, Read, t, one(
		date), warehouse.Partition{}, warehouse.Partition{}, func() (warehouse.Partition, error) {
		return s.Store.Read(ctx, t, date)
	})
}

func (s *faultyStore) Prepare(ctx context.Context, w warehouse.Write) (string, error) {
	return call(ctx, s, Prepare, w.Table, one(w.Date), "", "", func() (string, error) { return s.Store.Prepare(ctx, w) })
}

func (s *faultyStore) Replace(ctx context.Context, w warehouse.Write) (warehouse.Receipt, error) {
	pretended := warehouse.Receipt{Rows: len(w.Rows)}
	return call(ctx, s, Replace, w.Table, one(w.Date), pretended, warehouse.Receipt{}, func() (warehouse.Receipt, error) {
		return s.Store.Replace(ctx, w)
	})
}

func (s *faultyStore) Close(ctx context.Context, t *table.Schema, date gamedate.Date, fence warehouse.Fence,
	id string) error {
	_, err := call(ctx, s, Close, t, one(date), done{}, done{}, func() (done, error) {
		return done{}, s.Store.Close(ctx, t, date, fence, id)
	})
	return err
}

func (s *faultyStore) Measure(ctx context.Context, t *table.Schema, date gamedate.Date) (warehouse.Measure, error) {
	empty := warehouse.Measure{Fingerprint: table.Empty}
	return call(ctx, s, Measure, t, one(date), empty, empty, func() (warehouse.Measure, error) {
		return s.Store.Measure(ctx, t, date)
	})
}

func (s *faultyStore) Create(ctx context.Context, t *table.Schema) error {
	_, err := call(ctx, s, Create, t, gamedate.Range{}, done{}, done{}, func() (done, error) {
		return done{}, s.Store.Create(ctx, t)
	})
	return err
}

func (s *faultyStore) Drop(ctx context.Context, t *table.Schema) (bool, error) {
	return call(ctx, s, Drop, t, gamedate.Range{}, true, false, func() (bool, error) { return s.Store.Drop(ctx, t) })
}

func (s *faultyStore) Tokens(ctx context.Context, t *table.Schema,
	r gamedate.Range) (map[gamedate.Date]warehouse.Token, error) {
	return call(ctx, s, Tokens, t, r, nil, nil, func() (map[gamedate.Date]warehouse.Token, error) {
		return s.Store.Tokens(ctx, t, r)
	})
}

func (s *faultyStore) ReadRange(ctx context.Context, t *table.Schema, r gamedate.Range,
	fn func(gamedate.Date, []table.Row) error) error {
	_, err := call(ctx, s, ReadRange, t, r, done{}, done{}, func() (done, error) {
		return done{}, s.Store.ReadRange(ctx, t, r, fn)
	})
	return err
}

func (s *faultyStore) Count(ctx context.Context, t *table.Schema, r gamedate.Range,
	g warehouse.Grouping) ([]warehouse.Group, error) {
	return call(ctx, s, Count, t, r, nil, nil, func() ([]warehouse.Group, error) { return s.Store.Count(ctx, t, r, g) })
}

func (s *faultyStore) Load(ctx context.Context, t *table.Schema, replace []string,
	rows func(func(table.Row) error) error) (warehouse.LoadResult, error) {
	return call(ctx, s, Load, t, gamedate.Range{}, warehouse.LoadResult{}, warehouse.LoadResult{},
		func() (warehouse.LoadResult, error) {
			return s.Store.Load(ctx, t, replace, rows)
		})
}
