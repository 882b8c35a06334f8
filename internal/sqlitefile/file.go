// Package sqlitefile owns one SQLite file: its schema and migrations, the one writer of this process and a pool of
// readers. The embedded queue, ledger and warehouse share a [File] and so one transaction log and one fsync.
//
// Every process that uses the file has its own File; they meet in SQLite's locks (write-ahead log, synchronous=FULL),
// so the file must be on a local disk of one host. Within a process, [File.Write] calls that wait at the same time are
// committed together: that is what makes many small durable writes cheap, and it keeps the processes from starving one
// another, since a process asks for the lock once a group.
//
// The package knows no queue, ledger or warehouse; it only carries their migrations, which share one ordered sequence.
package sqlitefile

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Options says how to open a file. The zero Options creates a missing file and reads and writes.
type Options struct {
	// ReadOnly refuses every Write and never creates or upgrades the file.
	ReadOnly bool
	// Readers is how many reads run at once; 0 means one a CPU, at least 2.
	Readers int
	// MustExist refuses to create a missing file.
	MustExist bool

	pragmas []string // extra settings of the writer's connection, for tests
}

// File is one open SQLite file. Its methods are safe for concurrent use.
type File struct {
	path    string
	id      string
	readers *pool
	writer  *writer // nil when read-only
	guard   atomic.Pointer[WriteGuard]

	closeOnce sync.Once
	closeErr  error
}

// WriteGuard is asked, inside the transaction that is about to replace the partition of date, whether the holder of
// generation may still write it. A nil error lets the write go on; any other ends it and is what the writer returns.
// The ledger on the same file sets one, so that a lost lease or a stopped run is seen exactly.
type WriteGuard func(tx *Tx, job, run, date string, generation int64) error

// SetWriteGuard makes g the guard of all later partition writes through f; nil removes it.
func (f *File) SetWriteGuard(g WriteGuard) {
	if g == nil {
		f.guard.Store(nil)
		return
	}
	f.guard.Store(&g)
}

// WriteGuard returns the guard, nil when there is none.
func (f *File) WriteGuard() WriteGuard {
	if g := f.guard.Load(); g != nil {
		return *g
	}
	return nil
}

// Open opens the file at path, creates it if Options allow, and brings its schema to this build's version. Several
// processes may do so at once. A file that is not ours is refused and left as it is; see the errors of this package.
func Open(ctx context.Context, path string, o Options) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := inspect(abs, o); err != nil {
		return nil, err
	}
	if o.Readers <= 0 {
		o.Readers = max(2, runtime.NumCPU())
	}
	f := &File{path: abs}
	if o.ReadOnly {
		err = f.openReadOnly(ctx, o)
	} else {
		err = f.openReadWrite(ctx, o)
	}
	if err != nil {
		_ = f.Close() // the error of opening says more
		return nil, err
	}
	return f, nil
}

// inspect finds what can be known to be wrong from the outside, where SQLite's own answer would be vague.
func inspect(path string, o Options) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if o.MustExist || o.ReadOnly {
			return missing.about(path, nil)
		}
		if parent, err := os.Stat(filepath.Dir(path)); err != nil || !parent.IsDir() {
			return noParent.about(filepath.Dir(path), nil)
		}
		return nil
	case errors.Is(err, fs.ErrPermission):
		return noOpen.about(path, err)
	case err != nil:
		return inOut.about(path, err)
	case info.IsDir():
		return isDir.about(path, nil)
	}
	return inspectHeader(path)
}

// magic starts every SQLite file that is not empty (sqlite.org/fileformat2.html, section 1.3).
var magic = []byte("SQLite format 3\x00")

func inspectHeader(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return noOpen.about(path, err)
	}
	defer file.Close()
	head := make([]byte, len(magic))
	n, err := io.ReadFull(file, head)
	switch {
	case err == io.EOF: // an empty file: SQLite takes it for a new one
		return nil
	case err != nil && err != io.ErrUnexpectedEOF:
		return inOut.about(path, err)
	case !bytes.Equal(head[:n], magic):
		return notOurs.about(path, nil)
	}
	return nil
}

// openReadWrite looks at the file before it changes anything, then sets the log mode and migrates.
func (f *File) openReadWrite(ctx context.Context, o Options) error {
	c, err := connect(ctx, f.path, modeCreate, o.pragmas)
	if err != nil {
		return explain(f.path, err)
	}
	f.writer = newWriter(f.path, c)
	if ro, err := c.readOnly(); err != nil {
		return explain(f.path, err)
	} else if ro {
		return readOnly.about(f.path, nil)
	}
	if _, err := checkOurs(ctx, c, f.path, len(migrations)); err != nil {
		return err
	}
	if err := useWAL(ctx, c); err != nil {
		return explain(f.path, err)
	}
	if err := migrate(ctx, c, f.path, migrations); err != nil {
		return err
	}
	f.writer.start()
	f.readers = newPool(f.path, modeReadWrite, o.Readers)
	return f.loadID(ctx)
}

// openReadOnly takes a file of exactly this build's schema version. A file in a directory that cannot be written is
// read as immutable if nobody can have an open log beside it.
func (f *File) openReadOnly(ctx context.Context, o Options) error {
	mode := modeReadOnly
	c, err := connect(ctx, f.path, mode, nil)
	version := 0
	if err == nil {
		version, err = checkOurs(ctx, c, f.path, len(migrations))
		_ = c.close()
	}
	if errors.Is(explain(f.path, err), ErrReadOnly) { // the log's own files cannot be made
		if info, statErr := os.Stat(f.path + "-wal"); statErr == nil && info.Size() > 0 {
			return noOpen.about(f.path, err)
		}
		mode = modeImmutable
		if c, err = connect(ctx, f.path, mode, nil); err == nil {
			version, err = checkOurs(ctx, c, f.path, len(migrations))
			_ = c.close()
		}
	}
	if err != nil {
		return explain(f.path, err)
	}
	if version < len(migrations) {
		return older.about(f.path,
			fmt.Errorf("%w: the file has schema version %d, this build needs %d", ErrOlderVersion, version, len(migrations)))
	}
	f.readers = newPool(f.path, mode, o.Readers)
	return f.loadID(ctx)
}

func (f *File) loadID(ctx context.Context) error {
	err := f.Read(ctx, func(tx *Tx) error {
		return tx.QueryRow("SELECT id FROM gamefill_file").Scan(&f.id)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return corrupt.about(f.path, errors.New("its table gamefill_file has lost the file's id"))
	}
	return err
}

// Path is the absolute path of the file.
func (f *File) Path() string { return f.path }

// ID is the random text that the file got when it was created. It stays with the file wherever that is moved.
func (f *File) ID(ctx context.Context) (string, error) { return f.id, ctx.Err() }

// Close waits for the writes and reads that have begun or wait, refuses later ones and closes the file. Calling it
// again returns the same.
func (f *File) Close() error {
	f.closeOnce.Do(func() {
		if f.readers != nil {
			f.closeErr = f.readers.close()
		}
		if f.writer != nil { // last, so that it is the last connection and moves the log into the file
			f.closeErr = errors.Join(f.closeErr, f.writer.close())
		}
	})
	return f.closeErr
}

// Read runs fn on one consistent snapshot: fn sees what was committed when it made its first query, whatever is written
// meanwhile. It waits for a free reader. fn must not call Read or Write of the same File and must not keep tx.
func (f *File) Read(ctx context.Context, fn func(tx *Tx) error) (err error) {
	c, err := f.readers.take(ctx)
	if err != nil {
		return explain(f.path, err)
	}
	defer f.readers.give(c)
	if err := beginRead(ctx, c); err != nil {
		return explain(f.path, err)
	}
	tx := &Tx{ctx: ctx, c: c, reading: true}
	defer func() {
		tx.end()
		if endErr := c.exec("ROLLBACK"); endErr != nil && err == nil {
			err = explain(f.path, endErr)
		}
		c.trim()
	}()
	return explain(f.path, fn(tx))
}

// beginRead opens a snapshot. SQLite waits by itself for a lock, but gives up after some seconds on the one that guards
// the log's index (SQLITE_PROTOCOL) when the process that holds it stands still; this goes on as long as a write would.
func beginRead(ctx context.Context, c *connection) error {
	for deadline := time.Now().Add(busyTimeout); ; {
		err := c.exec("BEGIN")
		if err != nil {
			return err
		}
		if err = c.exec("SELECT 1 FROM gamefill_file"); err == nil {
			return nil
		}
		_ = c.exec("ROLLBACK") // the snapshot was not opened
		if !isBusy(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Write runs fn in the single writer of this process, inside a transaction that holds the write lock from its start,
// and returns nil when fn's changes are durable. An error of fn, which Write returns, undoes fn's changes and no
// others.
//
// Calls that wait at the same time are committed together, each behind a savepoint of its own. When the shared
// transaction fails, each is run again alone, so fn may run more than once: it must reset what it captures, and do
// nothing that cannot be undone. fn runs on the writer's goroutine: it must not call Write or Read of the same File,
// must not call runtime.Goexit (as t.Fatal does) and must not keep tx. A panic in fn undoes its changes and goes on in
// the caller.
//
// If ctx is done before fn starts, fn is not run and nothing is changed; afterwards each statement of tx looks at ctx
// before it starts, and a commit that has begun is not given up.
func (f *File) Write(ctx context.Context, fn func(tx *Tx) error) error {
	return f.write(ctx, false, fn)
}

// WriteOnce is [File.Write] in a transaction of its own: fn runs at most once, and nobody waits for a long fn's commit
// but those who come after it. It is for bulk loads, whose input can be read only once.
func (f *File) WriteOnce(ctx context.Context, fn func(tx *Tx) error) error {
	return f.write(ctx, true, fn)
}

func (f *File) write(ctx context.Context, alone bool, fn func(tx *Tx) error) error {
	if f.writer == nil {
		return readOnly.about(f.path, errors.New("opened read-only"))
	}
	return f.writer.write(ctx, alone, fn)
}

// Stats counts what the writer has done since the file was opened.
type Stats struct {
	Writes  int64 // calls of Write that were committed
	Commits int64 // transactions, one fsync each
}

// Stats returns the counts; Writes above Commits is group commit at work.
func (f *File) Stats() Stats {
	if f.writer == nil {
		return Stats{}
	}
	return Stats{Writes: f.writer.writes.Load(), Commits: f.writer.commits.Load()}
}
