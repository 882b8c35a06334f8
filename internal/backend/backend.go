// Package backend opens the adapters that addresses name. It is the one place that knows them all; main asks it for the
// ports and hands those on.
//
// An address is SCHEME:REST. Nothing is guessed: an unknown scheme or parameter is an error that lists what is known.
package backend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"gamefill/internal/ledger"
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

	files map[string]*sqlitefile.File
}

// address is a parsed address.
type address struct {
	scheme string
	path   string
	params url.Values
}

// schemes are the known schemes by port, with what they look like.
var schemes = map[string][]string{
	"queue":     {"sqlite:FILE"},
	"ledger":    {"sqlite:FILE"},
	"warehouse": {"sqlite:FILE"},
}

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
	if path == "" {
		return address{}, fmt.Errorf("--%s %q: the file is missing", port, text)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		return address{}, fmt.Errorf("--%s %q: unknown parameter %q; sqlite: takes none", port, text, name)
	}
	return address{scheme, path, params}, nil
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
	ledgerFile, err := file("ledger", a.Ledger, o.MustExist)
	if err != nil {
		return nil, err
	}
	if b.Ledger, err = sqliteledger.New(ctx, ledgerFile, sqliteledger.Options{}); err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", a.Ledger, err)
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
	for _, f := range b.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
