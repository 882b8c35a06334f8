// Package live_test asks the real services of Google Cloud whether what gamefill believes of them is true: the three
// conformance suites, and every claim that documentation does not settle as a check of its own. docs/live-checks.md
// says how to run it.
//
// It runs only where GAMEFILL_LIVE_PROJECT names a project. Everything that it touches it has made itself under a
// random name; what exists already ends the run. Without that variable the same checks run against the emulators and
// the fake of BigQuery, and against fakes that do the opposite, so that the suite itself is known to be able to fail.
package live_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/firestore"
	admin "cloud.google.com/go/firestore/apiv1/admin"
	"cloud.google.com/go/firestore/apiv1/admin/adminpb"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/warehouse/bigquerywarehouse"
)

// expiresAfter ends the tables of a dataset that a killed run has left behind.
const expiresAfter = 24 * time.Hour

// cleanWithin bounds the removal of one resource; a database takes longest.
const cleanWithin = 5 * time.Minute

// place is where checks run: a project of Google Cloud, real or not, with clients of the services.
type place struct {
	t        *testing.T
	project  string
	number   string // of the project, "" where it is not known
	location string // of datasets
	name     string // begins the name of everything that is made
	database string // of Firestore
	endpoint string // of BigQuery, "" for the real one
	loads    int    // how many loads of one table may be spent on its daily limit, 0: none
	// silence is how long a check waits for what must not happen; the real services would answer within a second.
	silence time.Duration

	bigquery  *bigquery.Client
	pubsub    *pubsub.Client
	firestore *firestore.Client
	dataset   *bigquery.Dataset // of the checks
	made      *atomic.Int64     // numbers names
}

// newName is a name that nothing has: letters, digits and underscores.
func newName() string { return "gamefill_live_" + strings.ToLower(rand.Text()[:12]) }

// must ends the test on an error.
func (p *place) must(what string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// next is a name for one more resource.
func (p *place) next() string { return fmt.Sprintf("%s_%d", p.name, p.made.Add(1)) }

// in is the same place for a test within p's: what it makes goes when that test ends.
func (p *place) in(t *testing.T) *place {
	within := *p
	within.t = t
	return &within
}

// undo takes a resource away when t ends, however it ends; byHand is the command that does the same.
func (p *place) undo(t testing.TB, byHand string, remove func(context.Context) error) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), cleanWithin)
		defer cancel()
		if err := remove(ctx); err != nil && status.Code(err) != codes.NotFound {
			t.Errorf("clean up: %v\nby hand:\n  %s", err, byHand)
		}
	})
}

// connect makes the clients of a place.
func (p *place) connect() {
	p.t.Helper()
	ctx := context.WithoutCancel(p.t.Context())
	var options []option.ClientOption
	if p.endpoint != "" {
		options = []option.ClientOption{option.WithEndpoint(p.endpoint + "/"), option.WithoutAuthentication()}
	}
	var err error
	p.bigquery, err = bigquery.NewClient(ctx, p.project, options...)
	p.must("BigQuery", err)
	p.bigquery.Location = p.location
	p.pubsub, err = pubsub.NewClient(ctx, p.project)
	p.must("Pub/Sub", err)
	p.firestore, err = firestore.NewClientWithDatabase(ctx, p.project, p.database)
	p.must("Firestore", err)
	p.t.Cleanup(func() {
		if err := errors.Join(p.bigquery.Close(), p.pubsub.Close(), p.firestore.Close()); err != nil {
			p.t.Errorf("close: %v", err)
		}
	})
}

// newDataset makes a dataset whose tables end by themselves if expires says so, and takes it away with t. One that
// exists is somebody else's and ends the test.
func (p *place) newDataset(t testing.TB, expires time.Duration) *bigquery.Dataset {
	t.Helper()
	d := p.bigquery.Dataset(p.next())
	if err := d.Create(t.Context(),
		&bigquery.DatasetMetadata{Location: p.location, DefaultTableExpiration: expires}); err != nil {
		t.Fatalf("make dataset %s, which must not be there: %v", d.DatasetID, err)
	}
	p.undo(t, fmt.Sprintf("bq rm -r -f -d %s:%s", p.project, d.DatasetID), d.DeleteWithContents)
	return d
}

// store is a warehouse of one dataset.
func (p *place) store(t testing.TB, d *bigquery.Dataset) *bigquerywarehouse.Store {
	t.Helper()
	s, err := bigquerywarehouse.New(t.Context(),
		bigquerywarehouse.Options{Project: p.project, Location: p.location, Endpoint: p.endpoint,
			Datasets: map[string]string{"suite": p.project + "." + d.DatasetID}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newQueue connects to a queue of its own, whose topics and subscriptions go with t; [pubsubqueue.Queue.Ensure] makes
// them.
func (p *place) newQueue(t testing.TB) *pubsubqueue.Queue {
	t.Helper()
	topic := p.next()
	q, err := pubsubqueue.New(t.Context(), pubsubqueue.Options{Project: p.project, Topic: topic,
		Topology: pubsubqueue.Topology{AckDeadline: 10 * time.Second, RetryMin: time.Millisecond,
			RetryMax: 10 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	p.undoTopic(t, topic)
	p.undoTopic(t, topic+"-dead")
	p.undoSubscription(t, topic+"-worker")
	p.undoSubscription(t, topic+"-dead-fold")
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return q
}

func (p *place) topicName(id string) string { return "projects/" + p.project + "/topics/" + id }

func (p *place) subscriptionName(id string) string {
	return "projects/" + p.project + "/subscriptions/" + id
}

func (p *place) undoTopic(t testing.TB, id string) {
	p.undo(t, fmt.Sprintf("gcloud pubsub topics delete %s --project=%s", id, p.project), func(ctx context.Context) error {
		return p.pubsub.TopicAdminClient.DeleteTopic(ctx, &pubsubpb.DeleteTopicRequest{Topic: p.topicName(id)})
	})
}

func (p *place) undoSubscription(t testing.TB, id string) {
	p.undo(t, fmt.Sprintf("gcloud pubsub subscriptions delete %s --project=%s", id, p.project),
		func(ctx context.Context) error {
			return p.pubsub.SubscriptionAdminClient.DeleteSubscription(ctx,
				&pubsubpb.DeleteSubscriptionRequest{Subscription: p.subscriptionName(id)})
		})
}

// newLedger connects to the place's database.
func (p *place) newLedger(t testing.TB) *firestoreledger.Ledger {
	t.Helper()
	l, err := firestoreledger.New(t.Context(), firestoreledger.Options{Project: p.project, Database: p.database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// newDatabase makes the place's database: indexes and documents go with it.
func (p *place) newDatabase() {
	p.t.Helper()
	ctx := p.t.Context()
	c, err := admin.NewFirestoreAdminClient(ctx)
	p.must("Firestore's administration", err)
	p.t.Cleanup(func() { _ = c.Close() })
	operation, err := c.CreateDatabase(ctx,
		&adminpb.CreateDatabaseRequest{Parent: "projects/" + p.project, DatabaseId: p.database,
			Database: &adminpb.Database{Type: adminpb.Database_FIRESTORE_NATIVE, LocationId: firestoreLocation(p.location)}})
	p.must("make database "+p.database+", which must not be there", err)
	p.undo(p.t, fmt.Sprintf("gcloud firestore databases delete --database=%s --project=%s", p.database, p.project),
		func(ctx context.Context) error {
			operation, err := c.DeleteDatabase(ctx,
				&adminpb.DeleteDatabaseRequest{Name: "projects/" + p.project + "/databases/" + p.database})
			if err != nil {
				return err
			}
			_, err = operation.Wait(ctx)
			return err
		})
	_, err = operation.Wait(ctx)
	p.must("make database "+p.database, err)
}

// firestoreLocation is where a database stands beside datasets of a location. Source: Firestore documentation,
// "Locations": the multi-regions have names of their own.
func firestoreLocation(location string) string {
	switch strings.ToUpper(location) {
	case "US":
		return "nam5"
	case "EU":
		return "eur3"
	}
	return strings.ToLower(location)
}

// wipe deletes every document of the place's database.
func (p *place) wipe(ctx context.Context) error {
	collections, err := p.firestore.Collections(ctx).GetAll()
	if err != nil {
		return err
	}
	for _, c := range collections {
		if err := p.wipeCollection(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (p *place) wipeCollection(ctx context.Context, c *firestore.CollectionRef) error {
	documents, err := c.DocumentRefs(ctx).GetAll()
	if err != nil {
		return err
	}
	for _, d := range documents {
		below, err := d.Collections(ctx).GetAll()
		if err != nil {
			return err
		}
		for _, c := range below {
			if err := p.wipeCollection(ctx, c); err != nil {
				return err
			}
		}
		if _, err := d.Delete(ctx); err != nil {
			return err
		}
	}
	return nil
}
