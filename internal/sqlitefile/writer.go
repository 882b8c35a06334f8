package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// maxBusyRetries is how often one write is begun again after SQLite called it off for a lock that another process held;
// each try waits busyTimeout for the lock.
const maxBusyRetries = 3

// The states of a request. Whoever moves it out of waiting decides: the writer starts it, or its caller gives it up.
const (
	waiting int32 = iota
	started
	givenUp
)

// request is one call of Write.
type request struct {
	ctx   context.Context
	fn    func(*Tx) error
	alone bool // in a transaction of its own, run once
	state atomic.Int32
	done  chan struct{} // closed when err and panicked are final

	err      error
	panicked *panicError
}

// panicError carries a panic of fn from the writer to the caller.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// writer commits requests in groups, on one goroutine with one connection.
type writer struct {
	path string
	c    *connection
	wake chan struct{} // holds one element when there is something to look at
	idle sync.WaitGroup

	writes  atomic.Int64
	commits atomic.Int64

	mu     sync.Mutex // guards queue and closed
	queue  []*request
	closed bool
}

func newWriter(path string, c *connection) *writer {
	return &writer{path: path, c: c, wake: make(chan struct{}, 1)}
}

func (w *writer) start() { w.idle.Go(w.run) }

// close serves what waits, then closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.nudge()
	w.idle.Wait()
	return w.c.close()
}

func (w *writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *writer) write(ctx context.Context, alone bool, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{ctx: ctx, fn: fn, alone: alone, done: make(chan struct{})}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return fmt.Errorf("%s: %w", w.path, ErrClosed)
	}
	w.queue = append(w.queue, r)
	w.mu.Unlock()
	w.nudge()
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, givenUp) {
			return ctx.Err()
		}
		<-r.done
	}
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}

// run serves groups until the writer is closed and nothing waits.
func (w *writer) run() {
	for {
		w.mu.Lock()
		pending, closed := len(w.queue) > 0, w.closed
		w.mu.Unlock()
		switch {
		case pending:
			w.group()
		case closed:
			return
		default:
			<-w.wake
		}
	}
}

// take starts the requests that wait and were not given up: one that wants to be alone, or all up to the next such.
func (w *writer) take() []*request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var group []*request
	for len(w.queue) > 0 {
		r := w.queue[0]
		if r.alone && len(group) > 0 {
			break
		}
		w.queue[0] = nil
		w.queue = w.queue[1:]
		if r.ctx.Err() == nil && r.state.CompareAndSwap(waiting, started) {
			group = append(group, r)
			if r.alone {
				break
			}
		}
	}
	return group
}

// group commits everything that waits once the lock is held: who came while it was waited for belongs to the group.
func (w *writer) group() {
	if err := w.c.exec("BEGIN IMMEDIATE"); err != nil {
		for _, r := range w.take() {
			r.finish(explain(w.path, err))
		}
		return
	}
	group := w.take()
	switch len(group) {
	case 0:
		_ = w.c.exec("ROLLBACK") // nothing was done
	case 1:
		w.single(group[0], true)
	default:
		if !w.together(group) {
			for _, r := range group {
				w.single(r, false)
			}
		}
	}
	w.c.trim()
}

// together runs the group in the transaction that is open, each request behind a savepoint, and commits. It reports
// false, and has settled nothing, when the shared transaction is gone.
func (w *writer) together(group []*request) bool {
	errs := make([]error, len(group))
	for i, r := range group {
		if err := w.c.exec("SAVEPOINT request"); err != nil {
			return w.abandon()
		}
		tx, err := w.call(r)
		if tx.broken != nil {
			return w.abandon()
		}
		if errs[i] = err; err != nil {
			if w.c.exec("ROLLBACK TO request") != nil {
				return w.abandon()
			}
		}
		if w.c.exec("RELEASE request") != nil {
			return w.abandon()
		}
	}
	if w.c.exec("COMMIT") != nil {
		return w.abandon()
	}
	w.commits.Add(1)
	for i, r := range group {
		if errs[i] == nil {
			w.writes.Add(1)
		}
		r.finish(errs[i])
	}
	return true
}

func (w *writer) abandon() bool {
	_ = w.c.exec("ROLLBACK") // SQLite may have ended the transaction by itself
	return false
}

// single runs one request in a transaction of its own; begun says that it is open already.
func (w *writer) single(r *request, begun bool) {
	var err error
	for range maxBusyRetries {
		if !begun {
			err = w.c.exec("BEGIN IMMEDIATE")
		}
		begun = false
		if err == nil {
			err = w.attempt(r)
		}
		if r.alone || !isBusy(err) {
			break
		}
	}
	r.finish(explain(w.path, err))
}

// attempt runs r in the transaction that is open and ends it.
func (w *writer) attempt(r *request) error {
	tx, err := w.call(r)
	if tx.broken != nil && !errors.Is(err, tx.broken) { // fn went on, or saw only that its next statement was refused
		err = tx.broken
	}
	if err == nil {
		err = w.c.exec("COMMIT")
	}
	if err != nil {
		w.abandon()
		return err
	}
	w.commits.Add(1)
	w.writes.Add(1)
	return nil
}

// call runs fn once and turns a panic into an error, which finish hands to the caller.
func (w *writer) call(r *request) (tx *Tx, err error) {
	tx = &Tx{ctx: r.ctx, c: w.c}
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
		tx.end()
	}()
	if err := r.ctx.Err(); err != nil {
		return tx, err
	}
	return tx, r.fn(tx)
}

// finish hands the verdict to the caller.
func (r *request) finish(err error) {
	if p, ok := errors.AsType[*panicError](err); ok {
		r.panicked = p
	}
	r.err = err
	close(r.done)
}
