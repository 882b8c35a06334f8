// Package backend opens the adapters that addresses name. It is the one place that knows them all; main asks it for the
// ports and hands those on.
//
// An address is SCHEME:REST. Nothing is guessed: an unknown scheme or parameter is an error that lists what is known.
package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/ledger"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/ledger/sqliteledger"
	"gamefill/internal/price"
	"gamefill/internal/queue"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/queue/sqlitequeue"
	"gamefill/internal/reach"
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
	// AllowMixedEmulators lets an emulator of one Google Cloud service stand beside a real other.
	AllowMixedEmulators bool
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
	// Lease is how long a claim of the workers that write holds without renewal. Zero is the worker's default.
	Lease time.Duration
	// ReachWithin bounds the look, before the first call, whether a remote service can be reached. Zero is 10 s.
	ReachWithin time.Duration
	// Retry bounds the tries of single warehouse calls.
	Retry retry.Policy
}

// Backend holds the open ports.
type Backend struct {
	Queue  queue.Queue
	Ledger ledger.Ledger
	Store  warehouse.Store

	files       map[string]*sqlitefile.File
	clients     []io.Closer
	reachWithin time.Duration
}

// address is a parsed address.
type address struct {
	port   string // queue, ledger or warehouse
	text   string // as it was given
	scheme string
	path   string
	params url.Values
}

const (
	sqlite    = "sqlite"
	pubsub    = "pubsub"
	firestore = "firestore"
)

// parameters are what the address of each scheme takes after the question mark.
var parameters = map[string][]string{
	pubsub:    {"subscription", "deadletter"},
	firestore: {"prefix"},
	bigquery:  {"raw", "analytics", "reference", "location", "endpoint", "fleet"},
}

// schemes are the known schemes by port, with what they look like.
var schemes = map[string][]string{
	"queue":     {"sqlite:FILE", "pubsub://PROJECT/TOPIC?subscription=…&deadletter=…"},
	"ledger":    {"sqlite:FILE", "firestore://PROJECT/DATABASE?prefix=…"},
	"warehouse": {"sqlite:FILE", bigqueryForm + "&endpoint=…&fleet=…"},
}

// pubsubName is what Pub/Sub takes as the name of a topic or subscription
// (https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names).
var pubsubName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._~+%-]{2,254}$`)

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
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if known := parameters[scheme]; !slices.Contains(known, name) {
			return address{}, fmt.Errorf("--%s %q: unknown parameter %q; %s: takes %s", port, text, name, scheme,
				cmp.Or(strings.Join(known, ", "), "none"))
		}
		switch values := params[name]; {
		case len(values) != 1:
			return address{}, fmt.Errorf("--%s %q: parameter %q is given %d times: want one value", port, text, name,
				len(values))
		case values[0] == "":
			return address{}, fmt.Errorf("--%s %q: parameter %q: want one value", port, text, name)
		}
	}
	addr := address{port, text, scheme, path, params}
	switch scheme {
	case pubsub:
		_, topic, ok := addr.topic()
		if !ok {
			return address{}, fmt.Errorf("--%s %q: want pubsub://PROJECT/TOPIC", port, text)
		}
		for _, name := range []string{topic, params.Get("subscription"), params.Get("deadletter")} {
			if name != "" && !pubsubName.MatchString(name) {
				return address{}, fmt.Errorf("--%s %q: no name for a topic or subscription: %q; "+
					"want a letter, then 2 to 254 letters, digits and characters of -_.~+%%", port, text, name)
			}
		}
	case firestore:
		if _, _, ok := addr.database(); !ok {
			return address{}, fmt.Errorf(
				"--%s %q: want firestore://PROJECT/DATABASE, or firestore://PROJECT for its default database", port, text)
		}
		if strings.Contains(params.Get("prefix"), "/") {
			return address{}, fmt.Errorf("--%s %q: a prefix has no slash: it begins the names of collections", port, text)
		}
	case bigquery:
		if _, err := addr.bigqueryOptions(); err != nil {
			return address{}, fmt.Errorf("--%s %q: %w", port, text, err)
		}
	case sqlite:
		if path == "" {
			return address{}, fmt.Errorf("--%s %q: the file is missing", port, text)
		}
	}
	return addr, nil
}

// topic is what the path of a Pub/Sub address names.
func (a address) topic() (project, topic string, ok bool) {
	path, ok := strings.CutPrefix(a.path, "//")
	project, topic, cut := strings.Cut(path, "/")
	return project, topic, ok && cut && project != "" && topic != "" && !strings.Contains(topic, "/")
}

// database is what the path of a Firestore address names; no database is the project's default one.
func (a address) database() (project, database string, ok bool) {
	path, ok := strings.CutPrefix(a.path, "//")
	project, database, named := strings.Cut(path, "/")
	return project, database, ok && project != "" && !(named && database == "") && !strings.Contains(database, "/")
}

// EmbeddedWarehouse reports whether the tables are in a SQLite file, where nobody else writes.
func (a Addresses) EmbeddedWarehouse() bool { return strings.HasPrefix(a.Warehouse, sqlite+":") }

// Services are the ports whose addresses name a service that bills what is used, or an emulator of one.
func (a Addresses) Services() price.Services {
	service := func(address, scheme string) bool { return strings.HasPrefix(address, scheme+":") }
	return price.Services{Queue: service(a.Queue, pubsub), Ledger: service(a.Ledger, firestore),
		Warehouse: service(a.Warehouse, bigquery)}
}

// Validate checks addresses, and the emulators that variables put in their place, without opening anything; all
// problems come together.
func (a Addresses) Validate() error {
	_, errQueue := parse("queue", a.Queue)
	_, errLedger := parse("ledger", a.Ledger)
	_, errWarehouse := parse("warehouse", a.Warehouse)
	return errors.Join(errQueue, errLedger, errWarehouse, a.checkEmulators(os.Getenv))
}

// Open opens all three ports. Ports that name one SQLite file share it. The caller closes the backend.
func Open(ctx context.Context, a Addresses, o Options) (_ *Backend, err error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	b := &Backend{files: map[string]*sqlitefile.File{}, reachWithin: o.ReachWithin}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	// The warehouse comes first: it is the strictest, and a file that the ports share is opened once.
	store, err := b.warehouse(ctx, a.Warehouse, o)
	if failure.ReasonOf(err) == reach.Reason {
		return nil, err // it names the address
	}
	if err != nil {
		return nil, fmt.Errorf("open warehouse %s: %w", a.Warehouse, err)
	}
	if b.Ledger, err = b.ledger(ctx, a.Ledger, o); err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", a.Ledger, err)
	}
	if b.Queue, err = b.queue(ctx, a.Queue, o); err != nil {
		return nil, fmt.Errorf("open queue %s: %w", a.Queue, err)
	}
	b.Store = retry.Warehouse(store, o.Retry)
	return b, nil
}

// warehouse opens the warehouse of an address that has passed Validate. Tables are made in a SQLite file only.
func (b *Backend) warehouse(ctx context.Context, text string, o Options) (warehouse.Store, error) {
	addr, err := parse("warehouse", text)
	if err != nil {
		return nil, err
	}
	if addr.scheme == bigquery {
		return b.bigquery(ctx, addr, o.Lease)
	}
	f, err := b.file(ctx, addr.path, o.MustExist || o.WarehouseMustExist)
	if err != nil {
		return nil, err
	}
	store, err := sqlitewarehouse.New(ctx, f, sqlitewarehouse.Options{})
	if err != nil {
		return nil, err
	}
	for _, t := range o.Tables {
		if err := store.Create(ctx, t); err != nil {
			return nil, err
		}
	}
	return store, nil
}

// ledger opens the ledger of an address that has passed Validate.
func (b *Backend) ledger(ctx context.Context, text string, o Options) (ledger.Ledger, error) {
	addr, err := parse("ledger", text)
	if err != nil {
		return nil, err
	}
	if addr.scheme == firestore {
		return b.firestore(ctx, addr)
	}
	f, err := b.file(ctx, addr.path, o.MustExist)
	if err != nil {
		return nil, err
	}
	return sqliteledger.New(ctx, f, sqliteledger.Options{})
}

// queue opens the queue of an address that has passed Validate.
func (b *Backend) queue(ctx context.Context, text string, o Options) (queue.Queue, error) {
	addr, err := parse("queue", text)
	if err != nil {
		return nil, err
	}
	if addr.scheme == pubsub {
		return b.pubsub(ctx, addr)
	}
	f, err := b.file(ctx, addr.path, o.MustExist)
	if err != nil {
		return nil, err
	}
	return sqlitequeue.New(ctx, f, sqlitequeue.Options{})
}

func (b *Backend) firestore(ctx context.Context, addr address) (*firestoreledger.Ledger, error) {
	project, database, _ := addr.database()
	l, err := firestoreledger.New(ctx,
		firestoreledger.Options{Project: project, Database: database, Prefix: addr.params.Get("prefix"),
			Reach: b.service(addr)})
	if err != nil {
		return nil, err
	}
	b.clients = append(b.clients, l)
	return l, nil
}

func (b *Backend) pubsub(ctx context.Context, addr address) (*pubsubqueue.Queue, error) {
	project, topic, _ := addr.topic()
	q, err := pubsubqueue.New(ctx, pubsubqueue.Options{
		Project: project, Topic: topic,
		Subscription: addr.params.Get("subscription"), DeadLetterTopic: addr.params.Get("deadletter"),
		Reach: b.service(addr),
	})
	if err != nil {
		return nil, err
	}
	b.clients = append(b.clients, q)
	return q, nil
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
	for _, c := range b.clients {
		errs = append(errs, c.Close())
	}
	for _, f := range b.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
