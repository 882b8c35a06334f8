// Package firestoreledger keeps the ledger in Google Firestore, for workers on any number of hosts.
//
// One document holds one date, and a change of it is a compare-and-set: read, judge, write under the condition that the
// document is still as it was read, and judge anew if it is not. Where a change hangs on a second document that it does
// not write (a date may be queued only while its run has not ended), it is a short transaction over both. No counter is
// shared: progress is counted by state.
//
// All clocks are the store's: now is the time at which Firestore served the read that a decision rests on, so hosts may
// disagree about the time. Firestore keeps instants in whole microseconds, as the other adapters do.
//
// Documents, below an optional prefix of the top-level collections:
//
//	gamefill_jobs/{job}                                  what the job is bound to, and its open run
//	gamefill_jobs/{job}/dates/{date}                     entry and facts of one date
//	gamefill_jobs/{job}/dates/{date}/gamefill_attempts/{n}
//	gamefill_runs/{run}
//	gamefill_runs/{run}/registry/{chunk}                 reference snapshot, compressed and cut
//	gamefill_dead_letters/{id}
//	gamefill_events/{random id}
//	gamefill_roles/{role}
//
// The indexes that the queries need are made by [Ledger.Ensure]; deploy/firestore.indexes.json lists them for other
// tools.
package firestoreledger

import (
	"context"
	"fmt"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"

	"gamefill/internal/ledger"
	"gamefill/internal/reach"
)

// Options say where the ledger is.
type Options struct {
	Project  string // required
	Database string // "": (default)
	// Prefix comes before the names of all top-level collections, so that several ledgers share a database. Ensure makes
	// the indexes of its names; the committed file holds those of the empty prefix.
	Prefix string
	// Client options, for endpoints and credentials. Without any the client takes the environment's credentials, or the
	// emulator that FIRESTORE_EMULATOR_HOST names.
	Client []option.ClientOption
	// Reach, when given, is asked before the first call whether Firestore can be reached.
	Reach *reach.Service
}

// Ledger is a [ledger.Ledger] on Firestore.
type Ledger struct {
	client   *firestore.Client
	project  string
	database string
	prefix   string
	options  []option.ClientOption // for the client that makes indexes
	service  *reach.Service
}

var _ ledger.Ledger = (*Ledger)(nil)

// New returns the ledger that o names. It connects at the first call, not here. The caller closes it.
func New(ctx context.Context, o Options) (*Ledger, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Project == "" {
		return nil, fmt.Errorf("open Firestore: the project is missing")
	}
	if o.Database == "" {
		o.Database = firestore.DefaultDatabaseID
	}
	client, err := firestore.NewClientWithDatabase(ctx, o.Project, o.Database, o.Client...)
	if err != nil {
		return nil, fmt.Errorf("open Firestore database %s of project %s: %w", o.Database, o.Project, err)
	}
	return &Ledger{client, o.Project, o.Database, o.Prefix, o.Client, o.Reach}, nil
}

// Close closes the connections.
func (l *Ledger) Close() error { return l.client.Close() }
