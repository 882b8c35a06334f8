package sqlitefile

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// busyTimeout is how long a statement waits for another process's lock. The longest that a healthy process keeps it is
// one load of a raw season (about 2 s); another program that keeps it longer is an operator's problem.
const busyTimeout = 30 * time.Second

// maxStatements is how many prepared statements a connection keeps between transactions: several times what queue,
// ledger and a dozen tables need.
const maxStatements = 256

type openMode string

// How a connection opens the file: SQLite URI parameters (sqlite.org/uri.html).
const (
	modeCreate    openMode = "mode=rwc"
	modeReadWrite openMode = "mode=rw"
	modeReadOnly  openMode = "mode=ro"
	modeImmutable openMode = "mode=ro&immutable=1"
)

// connection is one SQLite connection with its prepared statements. One goroutine at a time uses it.
type connection struct {
	db    *sql.DB
	conn  *sql.Conn
	raw   driver.Conn // of conn, which is pinned for the connection's whole life
	stmts map[string]*sql.Stmt
	fast  map[string]*fastStmt
}

// fastStmt is a prepared statement used below database/sql, which would convert and lock for every value.
type fastStmt struct {
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	stmt  driver.Stmt
	inUse bool // a Scan is going through its rows
}

// connect opens one connection. synchronous=FULL makes a commit durable in WAL mode; the page cache of 8 MiB holds the
// upper pages of every index and keeps memory flat, however large the file; a log of 16 MiB between checkpoints (in
// pages of 4 KiB) halves the work of the default 4 MiB for whole-partition writes.
func connect(ctx context.Context, path string, mode openMode, pragmas []string) (*connection, error) {
	settings := append([]string{
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
		"foreign_keys(1)", "synchronous(FULL)", "temp_store(MEMORY)", "cache_size(-8192)",
		"wal_autocheckpoint(4096)", "journal_size_limit(67108864)",
	}, pragmas...)
	query := string(mode) + "&_dqs=0" // a "name" that is no column is an error, not the text 'name'
	for _, s := range settings {
		query += "&_pragma=" + url.QueryEscape(s)
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: query}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	c := &connection{db: db, conn: conn, stmts: map[string]*sql.Stmt{}, fast: map[string]*fastStmt{}}
	err = conn.Raw(func(raw any) error { c.raw = raw.(driver.Conn); return nil })
	return c, err
}

// readOnly reports whether SQLite can only read the file, which it decides by itself when it may not write it.
func (c *connection) readOnly() (bool, error) {
	ro, ok := c.raw.(interface{ IsReadOnly(string) (bool, error) })
	if !ok {
		return false, errors.New("driver cannot tell whether the file is read-only")
	}
	return ro.IsReadOnly("main")
}

// useWAL switches the file to the write-ahead log, which stays with the file. SQLite does not wait for locks here, so
// the loop does: another process may be switching too.
func useWAL(ctx context.Context, c *connection) error {
	for deadline := time.Now().Add(busyTimeout); ; {
		var mode string
		err := c.conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		switch {
		case err == nil && strings.EqualFold(mode, "wal"):
			return nil
		case err == nil:
			return fmt.Errorf("journal mode is %q, want wal: is the file on a network disk?", mode)
		case !isBusy(err) || time.Now().After(deadline):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// script runs statements that need no arguments and are not worth keeping.
func (c *connection) script(ctx context.Context, text string) error {
	_, err := c.conn.ExecContext(ctx, text)
	return err
}

// exec runs one kept statement without arguments, whatever the context: BEGIN, COMMIT and the like.
func (c *connection) exec(query string) error {
	s, err := c.fastStmt(query)
	if err != nil {
		return err
	}
	_, err = s.exec.ExecContext(context.Background(), nil)
	return err
}

func (c *connection) prepare(query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.conn.PrepareContext(context.Background(), query)
	if err == nil {
		c.stmts[query] = s
	}
	return s, err
}

func (c *connection) fastStmt(query string) (*fastStmt, error) {
	if s, ok := c.fast[query]; ok {
		return s, nil
	}
	s, err := c.newFastStmt(query)
	if err == nil {
		c.fast[query] = s
	}
	return s, err
}

func (c *connection) newFastStmt(query string) (*fastStmt, error) {
	stmt, err := c.raw.Prepare(query)
	if err != nil {
		return nil, err
	}
	exec, okExec := stmt.(driver.StmtExecContext)
	rows, okQuery := stmt.(driver.StmtQueryContext)
	if !okExec || !okQuery {
		return nil, errors.Join(errors.New("driver statements take no context"), stmt.Close())
	}
	return &fastStmt{exec: exec, query: rows, stmt: stmt}, nil
}

// trim forgets the prepared statements when there are too many; to be called between transactions.
func (c *connection) trim() {
	if len(c.stmts)+len(c.fast) > maxStatements {
		_ = c.closeStatements() // finalizing reports the error of the last run again, nothing new
	}
}

func (c *connection) closeStatements() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	for _, s := range c.fast {
		errs = append(errs, s.stmt.Close())
	}
	clear(c.stmts)
	clear(c.fast)
	return errors.Join(errs...)
}

func (c *connection) close() error {
	return errors.Join(c.closeStatements(), c.conn.Close(), c.db.Close())
}

// pool hands out connections that can only read, at most size of them, opened when first needed.
type pool struct {
	path   string
	mode   openMode
	slots  chan struct{} // one element a connection in use
	closed chan struct{}

	mu   sync.Mutex // guards idle and done
	idle []*connection
	done bool
}

func newPool(path string, mode openMode, size int) *pool {
	return &pool{path: path, mode: mode, slots: make(chan struct{}, size), closed: make(chan struct{})}
}

func (p *pool) take(ctx context.Context) (*connection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
	case <-p.closed:
		return nil, fmt.Errorf("%s: %w", p.path, ErrClosed)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if p.done {
		p.mu.Unlock()
		<-p.slots
		return nil, fmt.Errorf("%s: %w", p.path, ErrClosed)
	}
	var c *connection
	if n := len(p.idle); n > 0 {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	p.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := connect(ctx, p.path, p.mode, []string{"query_only(1)"})
	if err != nil {
		<-p.slots
	}
	return c, err
}

func (p *pool) give(c *connection) {
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
	<-p.slots
}

// close waits for the connections in use.
func (p *pool) close() error {
	p.mu.Lock()
	p.done = true
	p.mu.Unlock()
	close(p.closed)
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	var errs []error
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
