package bigquerywarehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gamefill/internal/failure"
	"gamefill/internal/setup"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Ensure looks at the datasets and tables. In mode [setup.Make] it makes targets that are missing, and adds to those
// that fit the NULLABLE columns that they lack, shown first by the other modes; another type, mode or partitioning is
// reported and nothing is added then. Sources are only read: they are never made or changed, and a column that readers
// take for NULL is no difference. Datasets are not made, because their location is for good. Expirations are reported,
// and never set. The package setup says what holds of every Ensure.
func (s *Store) Ensure(ctx context.Context, targets, sources []*table.Schema,
	mode setup.Mode) ([]setup.Finding, error) {
	e := &ensuring{s: s, mode: mode, datasets: map[string]bool{}}
	var errs []error
	for _, t := range targets {
		errs = append(errs, e.table(ctx, t, true))
	}
	for _, t := range sources {
		errs = append(errs, e.table(ctx, t, false))
	}
	return e.findings, errors.Join(errs...)
}

// ensuring is one call of Ensure.
type ensuring struct {
	s        *Store
	mode     setup.Mode
	datasets map[string]bool // that something was said about
	findings []setup.Finding
}

func (e *ensuring) add(f setup.Finding) { e.findings = append(e.findings, f) }

// table looks at one table and, before the first of its dataset, at that.
func (e *ensuring) table(ctx context.Context, t *table.Schema, target bool) error {
	d, err := e.s.Describe(ctx, t)
	if err != nil {
		return e.failed(err, t, "table "+t.FullName(), "roles/bigquery.metadataViewer")
	}
	usable := e.dataset(d, t, target)
	f := setup.Finding{Resource: "table " + d.Table, State: setup.Present}
	switch {
	case target:
		err = e.target(ctx, f, d, t, usable)
	case d.Exists:
		err = e.source(ctx, f, d, t)
	default:
		f.State, f.Advice = setup.Missing,
			"it is read, never made: load it, or name the dataset that holds it in the warehouse's address"
		e.add(f)
	}
	if err == nil && d.Exists && e.mode == setup.Check {
		err = e.rights(ctx, f, t, target)
	}
	return err
}

// rights asks what this account may do with the rows of a table that is there.
func (e *ensuring) rights(ctx context.Context, f setup.Finding, t *table.Schema, target bool) error {
	live, err := e.s.live(t)
	if err != nil {
		return err
	}
	wanted, role := []string{"bigquery.tables.getData"}, "roles/bigquery.dataViewer"
	if target {
		wanted, role = append(wanted, "bigquery.tables.updateData"), "roles/bigquery.dataEditor"
	}
	var granted []string
	err = e.s.bound(ctx, func(ctx context.Context) (err error) {
		granted, err = e.s.handle(live).IAM().TestPermissions(ctx, wanted)
		return err
	})
	f.Resource, f.Wanted = f.Resource+", right of this account", strings.Join(wanted, ", ")
	lacking := slices.DeleteFunc(wanted, func(p string) bool { return slices.Contains(granted, p) })
	_, _, message, answered := serviceError(err)
	switch {
	case err != nil && !answered:
		return fmt.Errorf("%s: %w", f.Resource, err)
	case err != nil: // stand-ins of the service keep no rights
		f.State, f.Seen = setup.Unknown, message
	case len(lacking) > 0:
		f.State, f.Seen = setup.Forbidden, "without "+strings.Join(lacking, ", ")
		f.Advice = fmt.Sprintf("grant %s on dataset %s to this account", role, e.s.options.Datasets[t.Dataset])
	}
	e.add(f)
	return nil
}

// failed turns a missing dataset or right into a finding; everything else stays an error.
func (e *ensuring) failed(err error, t *table.Schema, resource, role string) error {
	dataset := e.s.options.Datasets[t.Dataset]
	_, _, message, _ := serviceError(err)
	switch failure.ReasonOf(err) {
	case noDataset:
		if message == "" { // the address names none, so there is nothing to look at
			return err
		}
		if !e.datasets[dataset] {
			e.datasets[dataset] = true
			project, id := cutDataset(dataset)
			e.add(setup.Finding{Resource: "dataset " + dataset, State: setup.Missing, Seen: message,
				Advice: fmt.Sprintf("bq --location=%s mk --dataset %s:%s", e.s.options.Location, project, id)})
		}
	case "access_denied":
		e.add(setup.Finding{Resource: resource, State: setup.Forbidden, Seen: message,
			Advice: fmt.Sprintf("grant %s on dataset %s to this account", role, dataset)})
	default:
		return err
	}
	return nil
}

// dataset says where the dataset is and what it gives to new tables; it reports whether tables may be made there.
func (e *ensuring) dataset(d warehouse.Description, t *table.Schema, target bool) (usable bool) {
	name := e.s.options.Datasets[t.Dataset]
	usable = strings.EqualFold(d.Location, e.s.options.Location)
	if e.datasets[name] {
		return usable
	}
	e.datasets[name] = true
	f := setup.Finding{Resource: "dataset " + name, State: setup.Present, Seen: d.Location}
	if !usable {
		f.State, f.Wanted = setup.Differs, e.s.options.Location
		f.Advice = "all datasets are in one location, which the warehouse's address names (location=…); name theirs, or " +
			"other datasets"
	}
	e.add(f)
	project, id := cutDataset(name)
	if target && d.NewTableExpiration > 0 {
		e.expires(f.Resource+", expiration of new tables", after(d.NewTableExpiration), true,
			fmt.Sprintf("bq update --default_table_expiration 0 %s:%s", project, id))
	}
	if target && d.NewPartitionExpiration > 0 {
		e.expires(f.Resource+", expiration of new partitions", after(d.NewPartitionExpiration), true,
			fmt.Sprintf("bq update --default_partition_expiration 0 %s:%s", project, id))
	}
	return usable
}

// expires reports an expiration that is set. Of a target it differs from what is wanted; how long a source keeps its
// rows is for its owners to say.
func (e *ensuring) expires(resource, seen string, target bool, mend string) {
	f := setup.Finding{Resource: resource, State: setup.Present, Seen: seen}
	if target {
		f.State, f.Wanted, f.Advice = setup.Differs, "never", mend
	}
	e.add(f)
}

// expirations of a table that is there.
func (e *ensuring) expirations(f setup.Finding, d warehouse.Description, target bool) {
	bq := commandName(d.Table)
	if !d.Expires.IsZero() {
		e.expires(f.Resource+", expiration", "at "+d.Expires.UTC().Format(time.RFC3339), target,
			"bq update --expiration 0 "+bq)
	}
	if d.PartitionExpiration > 0 {
		e.expires(f.Resource+", expiration of partitions", after(d.PartitionExpiration), target,
			"bq update --time_partitioning_expiration 0 "+bq)
	}
}

func after(d time.Duration) string { return "after " + d.String() }

// commandName is a table as the command line tool takes it: PROJECT:DATASET.TABLE. A project may hold dots.
func commandName(name string) string {
	rest, id := cutDataset(name)
	project, dataset := cutDataset(rest)
	return project + ":" + dataset + "." + id
}

func (e *ensuring) target(ctx context.Context, f setup.Finding, d warehouse.Description, t *table.Schema,
	usable bool) error {
	if !d.Exists {
		f.Wanted = layout(t)
		return e.make(ctx, f, t, usable)
	}
	problems := slices.Clone(d.Different)
	var addable []string
	for _, c := range d.Missing {
		if c.Required {
			problems = append(problems, fmt.Sprintf("column %s is missing and REQUIRED, so it cannot be added", c.Name))
		} else {
			addable = append(addable, c.Name+" "+c.TypeName())
		}
	}
	if len(problems) == 0 && len(addable) == 0 {
		e.add(f)
	}
	for _, p := range problems {
		g := f
		g.State, g.Seen, g.Advice = setup.Differs, p,
			"it was left as it is: migrate the table by hand, or name another dataset in the warehouse's address"
		e.add(g)
	}
	columns := setup.Finding{Resource: f.Resource + ", columns", State: setup.Present, Wanted: strings.Join(addable, ", ")}
	switch {
	case len(addable) > 0 && len(problems) > 0:
		columns.State, columns.Advice = setup.Missing, "they are added when nothing else differs"
		e.add(columns)
	case len(addable) > 0:
		if err := e.make(ctx, columns, t, usable); err != nil {
			return err
		}
	}
	if len(d.Extra) > 0 {
		e.add(setup.Finding{Resource: f.Resource + ", columns that gamefill does not fill", State: setup.Present,
			Seen: strings.Join(d.Extra, ", ")})
	}
	bq := commandName(d.Table)
	if !slices.Equal(d.Cluster, t.Cluster) {
		e.add(setup.Finding{Resource: f.Resource + ", clustering", State: setup.Differs,
			Seen:   orNothing(strings.Join(d.Cluster, ",")),
			Wanted: orNothing(strings.Join(t.Cluster, ",")),
			Advice: "bq update --clustering_fields=" + strings.Join(t.Cluster, ",") + " " + bq})
	}
	if d.RequireFilter != t.RequireFilter {
		e.add(setup.Finding{Resource: f.Resource + ", partition filter required", State: setup.Differs,
			Seen:   fmt.Sprint(d.RequireFilter),
			Wanted: fmt.Sprint(t.RequireFilter),
			Advice: fmt.Sprintf("bq update --require_partition_filter=%t %s", t.RequireFilter, bq)})
	}
	e.expirations(f, d, true)
	return nil
}

// make makes the table or adds its columns, and adds the finding.
func (e *ensuring) make(ctx context.Context, f setup.Finding, t *table.Schema, usable bool) error {
	f.State = setup.Missing
	switch {
	case !usable:
		f.Advice = "the location comes first"
	case e.mode != setup.Make:
		f.Makeable = true
	default:
		err := e.s.Adopt(ctx, t)
		if differs, ok := errors.AsType[*warehouse.SchemaError](err); ok { // somebody changed it meanwhile
			f.State, f.Seen = setup.Differs, strings.Join(differs.Problems, "; ")
		} else if err != nil {
			return e.failed(err, t, f.Resource, "roles/bigquery.dataEditor")
		} else {
			f.State = setup.Created
		}
	}
	e.add(f)
	return nil
}

// layout is how a table is cut, in words.
func layout(t *table.Schema) string {
	words := "partitioned by " + orNothing(t.Partition)
	if len(t.Cluster) > 0 {
		words += ", clustered by " + strings.Join(t.Cluster, ", ")
	}
	if t.RequireFilter {
		words += ", partition filter required"
	}
	return words
}

// source asks what the readers of the table would say.
func (e *ensuring) source(ctx context.Context, f setup.Finding, d warehouse.Description, t *table.Schema) error {
	live, err := e.s.live(t)
	if err != nil {
		return err
	}
	meta, err := e.s.metadata(ctx, e.s.handle(live))
	if err != nil {
		return e.failed(e.s.explain(err, t), t, f.Resource, "roles/bigquery.dataViewer")
	}
	problems := partitionProblems(t, meta)
	if unfit, ok := errors.AsType[*warehouse.SchemaError](readable(t, meta)); ok {
		problems = append(problems, unfit.Problems...)
	}
	var absent []string
	for _, c := range d.Missing {
		if !c.Required {
			absent = append(absent, c.Name)
		}
	}
	if len(absent) > 0 {
		f.Seen = "without columns " + strings.Join(absent, ", ") + ", which are read as NULL"
	}
	if len(problems) == 0 {
		e.add(f)
	}
	for _, p := range problems {
		f.State, f.Seen, f.Advice = setup.Differs, p,
			"it cannot be read like this: name the dataset that holds the right table in the warehouse's address"
		e.add(f)
	}
	e.expirations(f, d, false)
	return nil
}
