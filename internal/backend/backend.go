// Package backend opens the adapters that addresses name. It is the one place that knows them all; main asks it for the
// ports and hands those on.
//
// An address is SCHEME:REST: sqlite:FILE, or firestore://PROJECT/DATABASE?prefix=PREFIX for the ledger. Nothing is guessed: an unknown scheme or parameter is an error that lists what is known.
package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"gamefill/internal/ledger"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/ledger/sqliteledger"
	"gamefill/internal/queue"
	"gamefill/internal/queue/sqlitequeue"
	"gamefill/internal/retry"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/sqlitewarehouse"
)

// Addresses choose one adapter a port.
type Addresses struct {
	Queue     string
	Ledger    string
	Warehouse string
}

// Default is the embedded backend: one SQLite file in the working directory.
const Default = "sqlite:gamefill.db"

// Options tune the opening.
type Options struct {
	// MustExist refuses to create a SQLite file that is not there: for commands that only look.
	MustExist bool
	// WarehouseMustExist refuses to create the warehouse's file: for commands that work on tables loaded before, where
	// a new file would only hide a mistyped path.
	WarehouseMustExist bool
	// Tables are made in an embedded warehouse when missing; other warehouses are set up by `init`.
	Tables []*table.Schema
	// Retry bounds the tries of single warehouse calls.
	Retry retry.Policy
}

// Backend holds the open ports.
type Backend struct {
	Queue  queue.Queue
	Ledger ledger.Ledger
	Store  warehouse.Store

	files   map[string]*sqlitefile.File
	closers []io.Closer // clients of remote stores
}

// The schemes.
const (
	schemeSQLite    = "sqlite"
	schemeFirestore = "firestore"
)

// address is a parsed address.
type address struct {
	scheme   string
	path     string // sqlite: the file
	project  string // firestore
	database string // firestore; "" for the default one
	params   url.Values
}

// schemes are the known schemes by port, with what they look like.
var schemes = map[string][]string{
	"queue":     {"sqlite:FILE"},
	"ledger":    {"sqlite:FILE", "firestore://PROJECT/DATABASE"},
	"warehouse": {"sqlite:FILE"},
}

// parameters are the names that an address of a scheme may have after its question mark.
var parameters = map[string][]string{schemeFirestore: {"prefix"}}

func parse(port, text string) (address, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	known := slices.ContainsFunc(schemes[port], func(s string) bool { return strings.HasPrefix(s, scheme+":") })
	if !ok || !known {
		return address{}, fmt.Errorf("--%s %q: unknown scheme; known are: %s", port, text, strings.Join(schemes[port], ", "))
	}
	path, query, _ := strings.Cut(rest, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return address{}, fmt.Errorf("--%s %q: %w", port, text, err)
	}
	a := address{scheme: scheme, params: params}
	if scheme == schemeFirestore {
		if a.project, a.database, err = parseFirestore(path); err != nil {
			return address{}, fmt.Errorf("--%s %q: %w", port, text, err)
		}
	} else if a.path = path; path == "" {
		return address{}, fmt.Errorf("--%s %q: the file is missing", port, text)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		takes := parameters[scheme]
		switch {
		case len(takes) == 0:
			return address{}, fmt.Errorf("--%s %q: unknown parameter %q; %s: takes none", port, text, name, scheme)
		case !slices.Contains(takes, name):
			return address{}, fmt.Errorf("--%s %q: unknown parameter %q; %s: takes %s", port, text, name, scheme, strings.Join(takes, ", "))
		case len(params[name]) > 1:
			return address{}, fmt.Errorf("--%s %q: parameter %q is given %d times", port, text, name, len(params[name]))
		}
	}
	if strings.Contains(params.Get("prefix"), "/") {
		return address{}, fmt.Errorf("--%s %q: a prefix has no slash: it begins the names of collections", port, text)
	}
	return a, nil
}

// parseFirestore reads //PROJECT/DATABASE or //PROJECT, which is the default database.
func parseFirestore(path string) (project, database string, err error) {
	names, ok := strings.CutPrefix(path, "//")
	project, database, named := strings.Cut(names, "/")
	if !ok || project == "" || named && database == "" || strings.Contains(database, "/") {
		return "", "", fmt.Errorf("want firestore://PROJECT/DATABASE, or firestore://PROJECT for its default database")
	}
	return project, database, nil
}

// Validate checks addresses without opening anything; all problems come together.
func (a Addresses) Validate() error {
	_, errQueue := parse("queue", a.Queue)
	_, errLedger := parse("ledger", a.Ledger)
	_, errWarehouse := parse("warehouse", a.Warehouse)
	return errors.Join(errQueue, errLedger, errWarehouse)
}

// Open opens all three ports. Ports that name one SQLite file share it. The caller closes the backend.
func Open(ctx context.Context, a Addresses, o Options) (_ *Backend, err error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	b := &Backend{files: map[string]*sqlitefile.File{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	file := func(port, text string, mustExist bool) (*sqlitefile.File, error) {
		addr, err := parse(port, text)
		if err != nil {
			return nil, err
		}
		return b.file(ctx, addr.path, mustExist)
	}
	// The warehouse comes first: it is the strictest, and a file that the ports share is opened once.
	warehouseFile, err := file("warehouse", a.Warehouse, o.MustExist || o.WarehouseMustExist)
	if err != nil {
		return nil, err
	}
	if err := b.openLedger(ctx, a.Ledger, o.MustExist); err != nil {
		return nil, err
	}
	queueFile, err := file("queue", a.Queue, o.MustExist)
	if err != nil {
		return nil, err
	}
	if b.Queue, err = sqlitequeue.New(ctx, queueFile, sqlitequeue.Options{}); err != nil {
		return nil, fmt.Errorf("open queue %s: %w", a.Queue, err)
	}
	store, err := sqlitewarehouse.New(ctx, warehouseFile, sqlitewarehouse.Options{})
	if err != nil {
		return nil, fmt.Errorf("open warehouse %s: %w", a.Warehouse, err)
	}
	for _, t := range o.Tables {
		if err := store.Create(ctx, t); err != nil {
			return nil, fmt.Errorf("table %s in %s: %w", t.FullName(), a.Warehouse, err)
		}
	}
	b.Store = retry.Warehouse(store, o.Retry)
	return b, nil
}

// openLedger opens the ledger that an address names.
func (b *Backend) openLedger(ctx context.Context, text string, mustExist bool) error {
	addr, err := parse("ledger", text)
	if err != nil {
		return err
	}
	if addr.scheme == schemeFirestore {
		l, err := firestoreledger.New(ctx, firestoreledger.Options{Project: addr.project, Database: addr.database, Prefix: addr.params.Get("prefix")})
		if err != nil {
			return fmt.Errorf("open ledger %s: %w", text, err)
		}
		b.closers = append(b.closers, l)
		b.Ledger = l
		return nil
	}
	f, err := b.file(ctx, addr.path, mustExist)
	if err != nil {
		return err
	}
	if b.Ledger, err = sqliteledger.New(ctx, f, sqliteledger.Options{}); err != nil {
		return fmt.Errorf("open ledger %s: %w", text, err)
	}
	return nil
}

// file opens a SQLite file once per backend.
func (b *Backend) file(ctx context.Context, path string, mustExist bool) (*sqlitefile.File, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if f, ok := b.files[absolute]; ok {
		return f, nil
	}
	f, err := sqlitefile.Open(ctx, path, sqlitefile.Options{MustExist: mustExist})
	if err != nil {
		return nil, err
	}
	b.files[absolute] = f
	return f, nil
}

// Close closes everything that Open opened.
func (b *Backend) Close() error {
	var errs []error
	for _, c := range b.closers {
		errs = append(errs, c.Close())
	}
	for _, f := range b.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
