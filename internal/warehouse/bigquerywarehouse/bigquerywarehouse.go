// Package bigquerywarehouse keeps the warehouse's tables in Google BigQuery.
//
// A partition is replaced by one load job into table$YYYYMMDD that truncates that partition alone, and emptied by
// deleting it; nothing else ever writes a job's target. The id of the job is known before it is sent ([Store.Prepare])
// and the ledger records it, so that whoever comes after a lost worker can close that very job ([Store.Close]). Inside
// one process the store also remembers the newest generation of each partition and lets one writer at a time into it.
// What this cannot refuse is said in docs/adr/0007-bigquery-writes.md.
//
// Partitions are read with tabledata.list, which is free, between two looks at the partition's token: its time of last
// change and its number of rows. Tables with rows in the streaming buffer are queried instead. Every SQL text is one of
// package statement.
package bigquerywarehouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/option"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/reach"
	"gamefill/internal/retry"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

// Options say where the tables are. The zero value of a field that is not required means its default.
type Options struct {
	// Project pays for jobs and holds them; required.
	Project string
	// Location is where the datasets are ("US", "europe-west1"), and is sent with every job. Default: what New finds, if
	// it is the same for all datasets that are there.
	Location string
	// Datasets maps the dataset names of the schemas to "project.dataset"; required.
	Datasets map[string]string
	// Endpoint is another address of the service. One that begins with http:// is called without credentials.
	Endpoint string
	// TargetDatasets are the schemas' dataset names of tables that whole-partition writes alone may change: Load refuses
	// them.
	TargetDatasets []string
	// Fleet is how many processes write at once; they share Modifications. Default 1.
	Fleet int
	// Modifications are the changes of one table in 10 s by the whole fleet. Default 40: BigQuery allows 50 for a
	// partitioned table (documentation, "Quotas and limits", partitioned tables), a fifth is left to others.
	Modifications int
	// MaxBytesBilled is what one query may cost; BigQuery refuses dearer ones before they run. Default 10 GiB: three
	// seasons of the summary, with all columns, are about 0.2 GiB.
	MaxBytesBilled int64
	// Lease is how long a worker's claim of a date holds without renewal. BigQuery gives up a write job by itself after
	// three quarters of it, so that whoever takes the date over soon sees its end. Default 60 s, as the worker's.
	Lease time.Duration
	// CallTimeout bounds one call with the retries that the client library makes within it. Default 30 s.
	CallTimeout time.Duration
	// Retry bounds the tries of one write in one call of Replace.
	Retry retry.Policy
	// Poll is the first wait between two looks at a running job; waits grow to 20 times as much. Default 100 ms.
	Poll time.Duration
	// Reach, when given, is asked before the first call whether BigQuery can be reached.
	Reach *reach.Service
	// Now is the clock for the expiry of tables. Default time.Now.
	Now func() time.Time
}

func (o *Options) setDefaults() {
	o.Fleet = cmp.Or(o.Fleet, 1)
	o.Modifications = cmp.Or(o.Modifications, 40)
	o.MaxBytesBilled = cmp.Or(o.MaxBytesBilled, 10<<30)
	o.Lease = cmp.Or(o.Lease, time.Minute)
	o.CallTimeout = cmp.Or(o.CallTimeout, 30*time.Second)
	o.Poll = cmp.Or(o.Poll, 100*time.Millisecond)
	if o.Now == nil {
		o.Now = time.Now
	}
}

// jobTimeout is when BigQuery gives up a write job by itself, in the milliseconds in which it is sent.
func (o *Options) jobTimeout() time.Duration { return (o.Lease * 3 / 4).Truncate(time.Millisecond) }

func (o *Options) check() error {
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Project == "" {
		report("the billing project is missing")
	}
	if len(o.Datasets) == 0 {
		report("no dataset is given")
	}
	for name, dataset := range o.Datasets {
		if project, id := cutDataset(dataset); project == "" || id == "" {
			report("dataset of %s: got %q, want PROJECT.DATASET", name, dataset)
		}
	}
	if o.Fleet < 0 || o.Modifications < 0 || o.MaxBytesBilled < 0 || o.Lease < 0 || o.CallTimeout < 0 || o.Poll < 0 {
		report("a number is negative")
	}
	return errors.Join(problems...)
}

// cutDataset cuts "project.dataset"; a project may hold dots.
func cutDataset(text string) (project, dataset string) {
	i := strings.LastIndexByte(text, '.')
	if i < 0 {
		return "", ""
	}
	return text[:i], text[i+1:]
}

// Store is the warehouse. It is safe for concurrent use and needs no closing: its client holds idle connections only.
type Store struct {
	options Options
	client  *bigquery.Client

	// mu guards the fields below; a pace is of one table, by its full name.
	mu         sync.Mutex
	queries    warehouse.Queries
	paces      map[string]*pace
	partitions map[partitionKey]*partition
}

var _ warehouse.Store = (*Store)(nil)

// New returns the store. With a location it makes no call: what is missing or forbidden shows in the first use.
// Without, it looks at the datasets, which have to be in one location; one that is not there shows in
// the first use too, unless none is.
func New(ctx context.Context, o Options) (*Store, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("bigquery warehouse: %w", err)
	}
	o.setDefaults()
	options := []option.ClientOption{option.WithTelemetryDisabled()}
	if o.Endpoint != "" {
		options = append(options, option.WithEndpoint(strings.TrimSuffix(o.Endpoint, "/")+"/"))
	}
	if strings.HasPrefix(o.Endpoint, "http://") {
		options = append(options, option.WithoutAuthentication())
	}
	client, err := bigquery.NewClient(ctx, o.Project, options...)
	if err != nil {
		return nil, fmt.Errorf("bigquery warehouse: %w", err)
	}
	s := &Store{options: o, client: client, paces: map[string]*pace{}, partitions: map[partitionKey]*partition{}}
	if o.Location == "" {
		if s.options.Location, err = s.locate(ctx); err != nil {
			return nil, fmt.Errorf("bigquery warehouse: location of the datasets: %w", err)
		}
	}
	client.Location = s.options.Location
	return s, nil
}

// locate is the one location of all datasets that are there: BigQuery joins and copies within one alone.
func (s *Store) locate(ctx context.Context) (string, error) {
	location, where := "", ""
	var missing error
	for _, name := range slices.Sorted(maps.Values(s.options.Datasets)) {
		project, id := cutDataset(name)
		var meta *bigquery.DatasetMetadata
		if err := s.bound(ctx, func(ctx context.Context) (err error) {
			meta, err = s.client.DatasetInProject(project, id).Metadata(ctx)
			return err
		}); err != nil {
			err = fmt.Errorf("dataset %s: %w", name, s.explain(err, nil))
			if failure.ReasonOf(err) != noDataset {
				return "", err
			}
			missing = err // its first use says so, as with a location in the address
			continue
		}
		if location != "" && !strings.EqualFold(location, meta.Location) {
			return "", failure.MarkEnvironment(fmt.Errorf("dataset %s is in %s, %s in %s: all have to be in one location",
				where, location, name, meta.Location), "wrong_location")
		}
		location, where = meta.Location, name
	}
	if location == "" {
		return "", missing
	}
	return location, nil
}

// Identity names the datasets, and the endpoint where it is a stand-in of the service.
func (s *Store) Identity(ctx context.Context) (string, error) {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s.options.Datasets)) {
		parts = append(parts, name+"="+s.options.Datasets[name])
	}
	id := "bigquery:" + strings.Join(parts, ",")
	if strings.HasPrefix(s.options.Endpoint, "http://") {
		id += " at " + s.options.Endpoint
	}
	return id, ctx.Err()
}

// live is where the table of a schema is.
func (s *Store) live(t *table.Schema) (statement.Table, error) {
	dataset, ok := s.options.Datasets[t.Dataset]
	if !ok {
		return statement.Table{}, failure.MarkEnvironment(
			fmt.Errorf("no dataset is given for %s: name one in the warehouse's address", t.Dataset), noDataset)
	}
	project, id := cutDataset(dataset)
	return statement.Table{Project: project, Dataset: id, Name: t.Name}, nil
}

// handle is the client's handle of a whole table.
func (s *Store) handle(t statement.Table) *bigquery.Table {
	return s.client.DatasetInProject(t.Project, t.Dataset).Table(t.Name)
}

// partitionHandle is the client's handle of one day's partition, by decorator.
func (s *Store) partitionHandle(t statement.Table, date gamedate.Date) *bigquery.Table {
	t.Name += "$" + date.Compact()
	return s.handle(t)
}

// partitionName names a partition in messages.
func partitionName(t *table.Schema, date gamedate.Date) string {
	if t.Partition == "" {
		return t.FullName()
	}
	return t.FullName() + " " + date.String()
}

// bound gives one remote call its own deadline. The client's own retries end there; the error of the last try is in
// what it returns then.
func (s *Store) bound(ctx context.Context, call func(context.Context) error) error {
	if err := s.options.Reach.Check(ctx); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, s.options.CallTimeout)
	defer cancel()
	err := call(bounded)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// sleep waits; it reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
