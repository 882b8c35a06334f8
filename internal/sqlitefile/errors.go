package sqlitefile

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"gamefill/internal/failure"
)

// Errors that [Open], [File.Write] and [File.Read] wrap. All but [ErrBusy] and [ErrClosed] are of the class
// failure.Environment, and their texts say what to do next.
var (
	// ErrNewerVersion: a newer build of gamefill has upgraded the file; see [NewerVersionError].
	ErrNewerVersion = errors.New("file was written by a newer version of gamefill")
	// ErrOlderVersion: a file opened read-only that an older build made; only a writing Open upgrades it.
	ErrOlderVersion = errors.New("file was written by an older version of gamefill")
	// ErrNotSQLite: the path holds a file of another kind.
	ErrNotSQLite = errors.New("not an SQLite file")
	// ErrForeign: an SQLite file that another program made.
	ErrForeign = errors.New("an SQLite file, but not one of gamefill")
	// ErrDirectory: the path is a directory.
	ErrDirectory = errors.New("path is a directory")
	// ErrMissing: there is no file, and Open was not allowed to make one; or its directory is missing.
	ErrMissing = errors.New("no such file")
	// ErrReadOnly: the file, its directory or this opening of it cannot be written.
	ErrReadOnly = errors.New("file cannot be written")
	// ErrDiskFull: no space is left; the transaction was rolled back.
	ErrDiskFull = errors.New("disk is full")
	// ErrCorrupt: SQLite found the file damaged.
	ErrCorrupt = errors.New("file is damaged")
	// ErrIO: the operating system failed to read or write.
	ErrIO = errors.New("input or output error")
	// ErrBusy: another process kept the write lock longer than the busy timeout. Trying again may succeed.
	ErrBusy = errors.New("file is locked by another process")
	// ErrClosed: the File is closed.
	ErrClosed = errors.New("file is closed")
)

// NewerVersionError says which schema versions do not fit. It is an [ErrNewerVersion].
type NewerVersionError struct {
	File  int // schema version in the file
	Build int // newest schema version this build knows
}

// Error names both versions.
func (e *NewerVersionError) Error() string {
	return fmt.Sprintf("%v: the file has schema version %d, this build knows up to %d", ErrNewerVersion, e.File, e.Build)
}

// Is makes errors.Is(err, ErrNewerVersion) true.
func (e *NewerVersionError) Is(target error) bool { return target == ErrNewerVersion }

// complaint is one kind of trouble: the sentinel, the reason code of its failure mark and the advice to the operator.
type complaint struct {
	err    error
	class  failure.Class
	reason string
	advice string
}

var (
	diskFull = complaint{ErrDiskFull, failure.Environment, "disk_full",
		"free space on its disk, then resume; nothing committed was lost"}
	corrupt = complaint{ErrCorrupt, failure.Environment, "file_corrupt",
		"stop all workers, keep a copy, and restore a backup or salvage with: sqlite3 FILE .recover"}
	notOurs = complaint{ErrNotSQLite, failure.Environment, "not_sqlite",
		"give the path of a gamefill file or of one that does not exist yet; it was left as it is"}
	readOnly = complaint{ErrReadOnly, failure.Environment, "read_only",
		"make the file and its directory writable for this user (SQLite keeps FILE-wal and FILE-shm beside it)"}
	inOut = complaint{ErrIO, failure.Environment, "io_error",
		"look at the disk and at the system's log; nothing committed was lost"}
	busy = complaint{ErrBusy, failure.Transient, "busy",
		"look for a program that keeps a transaction open, such as an sqlite3 shell, and end it"}
	noOpen = complaint{ErrReadOnly, failure.Environment, "cannot_open",
		"make the file readable and its directory writable for this user"}
	foreign = complaint{ErrForeign, failure.Environment, "foreign_file",
		"give the path of a gamefill file or of one that does not exist yet; it was left as it is"}
	newer = complaint{ErrNewerVersion, failure.Environment, "newer_file",
		"use the build that upgraded the file, or a newer one; the file was left as it is"}
	older = complaint{ErrOlderVersion, failure.Environment, "older_file",
		"open it once for writing: start a worker, or publisher init"}
	isDir = complaint{ErrDirectory, failure.Environment, "path_is_directory",
		"give the path of a file, such as DIR/gamefill.db"}
	missing = complaint{ErrMissing, failure.Environment, "file_missing",
		"check the path; `publisher import` makes a new file"}
	noParent = complaint{ErrMissing, failure.Environment, "directory_missing", "make the directory first"}
)

// about is the complaint as an error about path; cause may be nil.
func (c complaint) about(path string, cause error) error {
	err := fmt.Errorf("%s: %w: %s", path, c.err, c.advice)
	switch {
	case cause != nil && errors.Is(cause, c.err): // the cause says more than the sentinel
		err = fmt.Errorf("%s: %w: %s", path, cause, c.advice)
	case cause != nil:
		err = fmt.Errorf("%s: %w (%w): %s", path, c.err, cause, c.advice)
	}
	return failure.Mark(err, c.class, c.reason)
}

// byCode are the complaints for SQLite's primary result codes.
var byCode = map[int]complaint{
	sqlite3.SQLITE_FULL:     diskFull,
	sqlite3.SQLITE_CORRUPT:  corrupt,
	sqlite3.SQLITE_NOTADB:   notOurs,
	sqlite3.SQLITE_READONLY: readOnly,
	sqlite3.SQLITE_IOERR:    inOut,
	sqlite3.SQLITE_BUSY:     busy,
	sqlite3.SQLITE_PROTOCOL: busy,
	sqlite3.SQLITE_CANTOPEN: noOpen,
}

// code is SQLite's primary result code of err, SQLITE_OK when err is not SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return sqlite3.SQLITE_OK
}

// explain adds sentinel, class and advice to an error of SQLite that an operator can do something about. Other errors
// pass, and so do errors that were explained before.
func explain(path string, err error) error {
	c, known := byCode[code(err)]
	if !known || errors.Is(err, c.err) {
		return err
	}
	return c.about(path, err)
}

// endsTransaction reports whether SQLite may have rolled the whole transaction back along with the failed statement
// (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
func endsTransaction(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	return false
}

// isBusy reports whether err is SQLite's refusal to wait longer for a lock.
//
// SQLITE_PROTOCOL is the write-ahead log's own word for it: too many tries to get its lock while another process,
// stopped perhaps, held it (sqlite.org/rescode.html#protocol).
func isBusy(err error) bool {
	return code(err) == sqlite3.SQLITE_BUSY || code(err) == sqlite3.SQLITE_PROTOCOL
}

// IsSQLError reports whether SQLite refused a statement for what it says: a table or column that is not there, say.
func IsSQLError(err error) bool { return code(err) == sqlite3.SQLITE_ERROR }
