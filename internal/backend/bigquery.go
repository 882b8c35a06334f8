package backend

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gamefill/internal/warehouse/bigquerywarehouse"
)

const bigquery = "bigquery"

// datasets are the parameters of a BigQuery address that name a dataset, and the dataset names of the schemas they
// stand for.
var datasets = map[string]string{"raw": "nba_raw", "analytics": "nba_analytics", "reference": "nba_reference"}

// targetDataset holds what jobs write partition by partition.
const targetDataset = "nba_analytics"

// bigqueryForm is what a BigQuery address looks like.
const bigqueryForm = "bigquery://BILLING_PROJECT?raw=PROJECT.DATASET&analytics=PROJECT.DATASET&" +
	"reference=PROJECT.DATASET[&location=LOCATION]"

// bigqueryOptions are what a BigQuery address says.
func (a address) bigqueryOptions() (bigquerywarehouse.Options, error) {
	var o bigquerywarehouse.Options
	project, ok := strings.CutPrefix(a.path, "//")
	if !ok || project == "" || strings.Contains(project, "/") {
		return o, fmt.Errorf("want %s", bigqueryForm)
	}
	o.Project, o.Location, o.Endpoint = project, a.params.Get("location"), a.params.Get("endpoint")
	o.TargetDatasets = []string{targetDataset}
	o.Datasets = map[string]string{}
	for _, parameter := range slices.Sorted(maps.Keys(datasets)) {
		name, dataset := datasets[parameter], a.params.Get(parameter)
		if i := strings.LastIndexByte(dataset, '.'); i < 1 || i == len(dataset)-1 {
			return o, fmt.Errorf("parameter %q: got %q, want PROJECT.DATASET", parameter, dataset)
		}
		o.Datasets[name] = dataset
	}
	if o.Endpoint != "" {
		if u, err := url.Parse(o.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return o, fmt.Errorf("parameter %q: got %q, want http://HOST or https://HOST", "endpoint", o.Endpoint)
		}
	}
	if fleet := a.params.Get("fleet"); fleet != "" {
		n, err := strconv.Atoi(fleet)
		if err != nil || n < 1 {
			return o, fmt.Errorf("parameter %q: got %q, want how many processes write at once", "fleet", fleet)
		}
		o.Fleet = n
	}
	return o, nil
}

// bigquery opens the warehouse of an address that has passed Validate.
func (b *Backend) bigquery(ctx context.Context, addr address, lease time.Duration) (*bigquerywarehouse.Store, error) {
	o, err := addr.bigqueryOptions()
	if err != nil {
		return nil, err
	}
	o.Lease, o.Reach = lease, b.service(addr)
	if o.Location == "" { // New asks for it
		if err := o.Reach.Check(ctx); err != nil {
			return nil, err
		}
	}
	return bigquerywarehouse.New(ctx, o)
}
