package bigquerywarehouse

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/iterator"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

// stageRows is how many rows one load job adds to a staging table: they are held in memory, encoded, until the job is
// done.
const stageRows = 50_000

// stageLife is when a staging table that a dead process left behind is deleted.
const stageLife = 24 * time.Hour

// errTarget: a table that only whole-partition writes may change.
var errTarget = errors.New("a job writes this table partition by partition; rows are never added to it")

// Load implements [warehouse.Loader]: rows go to a staging table first, then one transaction moves them. It is for raw
// and reference tables and refuses [Options.TargetDatasets].
func (s *Store) Load(ctx context.Context, t *table.Schema, replace []string,
	rows func(yield func(table.Row) error) error) (warehouse.LoadResult, error) {
	result, err := s.loadRows(ctx, t, replace, rows)
	if err != nil {
		return warehouse.LoadResult{}, fmt.Errorf("load %s: %w", t.FullName(), err)
	}
	return result, nil
}

func (s *Store) loadRows(ctx context.Context, t *table.Schema, replace []string,
	rows func(yield func(table.Row) error) error) (warehouse.LoadResult, error) {
	if err := ctx.Err(); err != nil {
		return warehouse.LoadResult{}, err
	}
	for _, name := range replace {
		if t.Index(name) < 0 {
			return warehouse.LoadResult{}, fmt.Errorf("%w: %q", errNoColumn, name)
		}
	}
	if slices.Contains(s.options.TargetDatasets, t.Dataset) {
		return warehouse.LoadResult{}, errTarget
	}
	v, err := s.look(ctx, t, gamedate.Date{})
	if err != nil {
		return warehouse.LoadResult{}, err
	}
	if err := writable(t, v.meta); err != nil {
		return warehouse.LoadResult{}, err
	}
	st := &stage{s: s, t: t, live: v.live, encoder: newEncoder(t)}
	defer st.drop(ctx)
	if err := rows(func(row table.Row) error {
		if st.err == nil {
			st.err = st.add(ctx, row)
		}
		return st.err
	}); err != nil {
		return warehouse.LoadResult{}, err
	}
	if st.err != nil || st.count == 0 {
		return warehouse.LoadResult{}, st.err
	}
	return st.move(ctx, &partition{}, st.job("load"), nil, statement.Statement{Replace: replace})
}

// replaceWhole makes rows the content of a table without partitions, in one transaction: a truncating load would have
// to name the table without a partition. bytes were uploaded.
func (s *Store) replaceWhole(ctx context.Context, p *partition, w warehouse.Write, live statement.Table,
	id jobID) (last jobID, bytes int64, err error) {
	st := &stage{s: s, t: w.Table, live: live, encoder: newEncoder(w.Table)}
	defer st.drop(ctx)
	if err := st.create(ctx); err != nil { // also without rows: the script reads it
		return id, 0, err
	}
	for _, row := range w.Rows {
		if err := st.add(ctx, row); err != nil {
			return id, 0, err
		}
	}
	job := &write{id: id}
	_, err = st.move(ctx, p, job, labels(w.Fence, w.Date, purposeReplace), statement.Statement{Whole: true})
	return job.id, st.bytes, err
}

// stage is a staging table being filled.
type stage struct {
	s       *Store
	t       *table.Schema
	live    statement.Table
	staging statement.Table // zero until it is made
	encoder *encoder
	held    int // rows in the encoder
	count   int
	bytes   int64 // uploaded
	err     error // the first that add returned: it ends the load even if the source goes on
}

// job is a write of one kind with an id that nobody else has.
func (st *stage) job(kind string) *write {
	return &write{id: jobID{"gamefill_" + kind + "_" + strings.ToLower(rand.Text()), 1}}
}

// create makes the staging table, beside the live one and with its columns.
func (st *stage) create(ctx context.Context) error {
	staging := st.live
	staging.Name = "gamefill_staging_" + strings.ToLower(rand.Text())
	meta := &bigquery.TableMetadata{ExpirationTime: st.s.options.Now().Add(stageLife)}
	for _, c := range st.t.Columns {
		meta.Schema = append(meta.Schema, fieldOf(c))
	}
	err := st.s.bound(ctx, func(ctx context.Context) error { return st.s.handle(staging).Create(ctx, meta) })
	if err != nil {
		return st.s.explain(fmt.Errorf("make staging table: %w", err), st.t)
	}
	st.staging = staging
	return nil
}

// add checks a row and keeps it for the next load job.
func (st *stage) add(ctx context.Context, row table.Row) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := check(st.t, gamedate.Date{}, st.count, row); err != nil {
		return err
	}
	if err := st.encoder.add(row); err != nil {
		return err
	}
	st.count++
	if st.held++; st.held < stageRows {
		return nil
	}
	return st.flush(ctx)
}

// flush sends the rows held.
func (st *stage) flush(ctx context.Context) error {
	if st.held == 0 {
		return nil
	}
	if st.staging == (statement.Table{}) {
		if err := st.create(ctx); err != nil {
			return err
		}
	}
	content, err := st.encoder.finish()
	if err != nil {
		return err
	}
	st.held = 0
	dst := st.s.handle(st.staging)
	w := st.job("stage")
	w.insert = func(ctx context.Context, id string) (*bigquery.Job, error) {
		l := st.s.loader(dst, content)
		l.JobID = id
		return l.Run(ctx)
	}
	w.mine = func(j *bigquery.Job) bool { return loadsInto(j, dst) }
	if _, err = st.s.run(ctx, &partition{}, st.t, w); err == nil {
		st.bytes += int64(len(content))
	}
	return err
}

// move sends what is held and runs the script that moves the staged rows into the live table.
func (st *stage) move(ctx context.Context, p *partition, w *write, labels map[string]string,
	script statement.Statement) (warehouse.LoadResult, error) {
	var result warehouse.LoadResult
	if err := st.flush(ctx); err != nil {
		return result, err
	}
	script.Name, script.Table, script.Staging, script.Columns, script.Partition = statement.LoadRows, st.live, st.staging,
		st.t.Names(), st.t.Partition
	var params []bigquery.QueryParameter
	if st.t.Partition != "" {
		params = dateParameters(allDates)
	}
	q, err := st.s.newQuery(script, params)
	if err != nil {
		return result, err
	}
	if labels != nil {
		q.Labels = labels
	}
	w.insert = func(ctx context.Context, id string) (*bigquery.Job, error) {
		q.JobID = id
		return q.Run(ctx)
	}
	w.mine = func(j *bigquery.Job) bool { return sameLabels(j, q.Labels) }
	job, err := st.s.run(ctx, p, st.t, w)
	if err != nil {
		return result, err
	}
	err = st.s.bound(ctx, func(ctx context.Context) error {
		it, err := job.Read(ctx)
		if err != nil {
			return err
		}
		var values []bigquery.Value
		if err := it.Next(&values); err != nil {
			if errors.Is(err, iterator.Done) {
				return errors.New("the script returned no counts")
			}
			return err
		}
		removed, ok := values[0].(int64)
		added, okAdded := values[1].(int64)
		if !ok || !okAdded {
			return fmt.Errorf("unexpected counts %v", values)
		}
		result = warehouse.LoadResult{Removed: int(removed), Added: int(added)}
		return nil
	})
	return result, st.s.explain(err, st.t)
}

// allDates are the bounds of the DATE type. Source: BigQuery documentation, "Data types".
var allDates = gamedate.Range{From: gamedate.Date{Year: 1, Month: time.January, Day: 1},
	To: gamedate.Date{Year: 9999, Month: time.December, Day: 31}}

// drop deletes the staging table, also after the call was cancelled; what it cannot delete expires.
func (st *stage) drop(ctx context.Context) {
	if st.staging == (statement.Table{}) {
		return
	}
	_ = st.s.bound(context.WithoutCancel(ctx), st.s.handle(st.staging).Delete)
}
