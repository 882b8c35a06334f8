package bigquerywarehouse

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"cloud.google.com/go/bigquery"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/retry"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

// partitionKey names a partition in this process; the zero date is a table without partitions.
type partitionKey struct {
	table string
	date  gamedate.Date
}

// partition is what this process knows of one partition. lock holds a value while somebody writes or closes it; the
// holder alone uses generation and pending.
type partition struct {
	lock       chan struct{}
	generation int64 // the newest that wrote or closed
	pending    jobID // the write whose outcome is not known, zero for none

	// prepared counts the ids given out under preparedFor; the store's mu guards both.
	prepared    int
	preparedFor int64
}

func (s *Store) partition(t *table.Schema, date gamedate.Date) *partition {
	if t.Partition == "" {
		date = gamedate.Date{}
	}
	key := partitionKey{t.FullName(), date}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partitions[key]
	if p == nil {
		p = &partition{lock: make(chan struct{}, 1)}
		s.partitions[key] = p
	}
	return p
}

// enter waits for the partition and refuses a generation older than the newest. The returned function leaves it.
func (p *partition) enter(ctx context.Context, fence warehouse.Fence) (leave func(), err error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case p.lock <- struct{}{}:
	}
	if !fence.Unguarded && p.generation > fence.Generation {
		<-p.lock
		return nil, fmt.Errorf("%w: generation %d has it, this call is of %d", warehouse.ErrFenced, p.generation,
			fence.Generation)
	}
	return func() { <-p.lock }, nil
}

// Prepare implements [warehouse.Partitions]: the id of the load job that Replace will send. It is
//
//	gamefill_<job>_<date>_<run>_g<generation>_<content>_a<n>
//
// with 16 hex digits of a hash over the destination and every value, and a number that grows with each call of one
// generation. It makes no call.
func (s *Store) Prepare(ctx context.Context, w warehouse.Write) (string, error) {
	id, err := s.prepare(ctx, w)
	if err != nil {
		return "", fmt.Errorf("prepare %s: %w", partitionName(w.Table, w.Date), err)
	}
	return id.String(), nil
}

func (s *Store) prepare(ctx context.Context, w warehouse.Write) (jobID, error) {
	if err := ctx.Err(); err != nil {
		return jobID{}, err
	}
	live, err := s.live(w.Table)
	if err != nil {
		return jobID{}, err
	}
	if err := checkAll(w.Table, w.Date, w.Rows); err != nil {
		return jobID{}, err
	}
	day := "whole"
	if w.Table.Partition != "" {
		day = w.Date.Compact()
	}
	run := clean(w.Fence.Run)
	if w.Fence.Unguarded {
		run = strings.ToLower(rand.Text())
	}
	content := sha256.Sum256([]byte(live.String() + " " + w.Fence.Run + " " + everything(w.Table).Fingerprint(w.Rows)))
	p := s.partition(w.Table, w.Date)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.preparedFor != w.Fence.Generation {
		p.preparedFor, p.prepared = w.Fence.Generation, 0
	}
	p.prepared++
	return jobID{
		fmt.Sprintf("gamefill_%s_%s_%s_g%d_%s", clean(w.Fence.Job), day, run, w.Fence.Generation,
			hex.EncodeToString(content[:8])), p.prepared}, nil
}

// used notes the last number that a write of the generation has taken, so that Prepare gives out a later one.
func (s *Store) used(p *partition, generation int64, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.preparedFor == generation {
		p.prepared = max(p.prepared, number)
	}
}

// Replace implements [warehouse.Partitions]. A failed load job is followed by one with the next number only when the
// failure had nothing to do with the content; both are closed by the one id that the ledger has.
//
// Values in columns that the schema does not know are not erased: such a partition is a permanent error with reason
// "would_erase_columns".
func (s *Store) Replace(ctx context.Context, w warehouse.Write) (warehouse.Receipt, error) {
	receipt, err := s.replace(ctx, w)
	if err != nil {
		return warehouse.Receipt{}, fmt.Errorf("replace %s: %w", partitionName(w.Table, w.Date), err)
	}
	return receipt, nil
}

func (s *Store) replace(ctx context.Context, w warehouse.Write) (receipt warehouse.Receipt, err error) {
	if err := ctx.Err(); err != nil {
		return receipt, err
	}
	if err := checkAll(w.Table, w.Date, w.Rows); err != nil {
		return receipt, err
	}
	var id jobID
	if w.ID == "" {
		id, err = s.prepare(ctx, w)
	} else {
		id, err = parseJobID(w.ID)
	}
	if err != nil {
		return receipt, err
	}
	p := s.partition(w.Table, w.Date)
	leave, err := p.enter(ctx, w.Fence)
	if err != nil {
		return receipt, err
	}
	defer leave()
	before, err := s.look(ctx, w.Table, w.Date)
	if err != nil {
		return receipt, err
	}
	if err := writable(w.Table, before.meta); err != nil {
		return receipt, err
	}
	if err := s.wouldErase(ctx, w.Table, w.Date, before); err != nil {
		return receipt, err
	}
	if !w.Fence.Unguarded {
		p.generation = w.Fence.Generation
	}
	if err := s.settle(ctx, p, w.Table, labels(w.Fence, w.Date, purposeClose), id); err != nil {
		return receipt, err
	}
	switch {
	case w.Table.Partition == "":
		id, receipt.Bytes, err = s.replaceWhole(ctx, p, w, before.live, id)
	case len(w.Rows) == 0:
		id, err = s.empty(ctx, w, before, id)
	default:
		id, receipt, err = s.load(ctx, p, w, before.live, id)
	}
	s.used(p, w.Fence.Generation, id.number)
	if err != nil {
		return receipt, err
	}
	after, err := s.look(ctx, w.Table, w.Date)
	if err != nil {
		return receipt, err
	}
	receipt.Rows, receipt.Token = len(w.Rows), after.token
	return receipt, nil
}

// settle closes the write of this process whose outcome is not known, unless it is the one that is tried again now,
// which looks for its jobs itself.
func (s *Store) settle(ctx context.Context, p *partition, t *table.Schema, labels map[string]string,
	again jobID) error {
	if p.pending == (jobID{}) || p.pending.base == again.base && p.pending.number >= again.number {
		return nil
	}
	if err := s.closeJob(ctx, t, p.pending, again, labels); err != nil {
		return fmt.Errorf("close job %s: %w", p.pending, err)
	}
	p.pending = jobID{}
	return nil
}

// truncating is the one constructor of a job that replaces what is there. Its destination is a partition by decorator,
// never a table by name, so it cannot truncate more than one day.
func (s *Store) truncating(live statement.Table, date gamedate.Date, content []byte) *bigquery.Loader {
	l := s.loader(s.partitionHandle(live, date), content)
	l.WriteDisposition = bigquery.WriteTruncate
	return l
}

// loader is a load job of encoded rows into a table that exists, whose own schema they have to fit.
func (s *Store) loader(dst *bigquery.Table, content []byte) *bigquery.Loader {
	source := bigquery.NewReaderSource(bytes.NewReader(content))
	source.SourceFormat = bigquery.JSON
	l := dst.LoaderFrom(source)
	l.CreateDisposition, l.WriteDisposition = bigquery.CreateNever, bigquery.WriteAppend
	l.Location, l.JobTimeout = s.options.Location, s.options.jobTimeout()
	return l
}

// load replaces the partition by one load job. The receipt has the bytes of its body, and as warnings what the service
// remarked on a job that did its work.
func (s *Store) load(ctx context.Context, p *partition, w warehouse.Write, live statement.Table,
	id jobID) (last jobID, receipt warehouse.Receipt, err error) {
	content, err := encodeAll(w.Table, w.Rows)
	if err != nil {
		return id, receipt, err
	}
	marks := labels(w.Fence, w.Date, purposeReplace)
	job := &write{
		id: id,
		insert: func(ctx context.Context, id string) (*bigquery.Job, error) {
			l := s.truncating(live, w.Date, content)
			l.JobID, l.Labels = id, marks
			return l.Run(ctx)
		},
		mine: func(j *bigquery.Job) bool {
			return loadsInto(j, s.partitionHandle(live, w.Date)) && sameLabels(j, marks)
		},
	}
	done, err := s.run(ctx, p, w.Table, job)
	if err != nil {
		return job.id, receipt, err
	}
	receipt.Bytes = int64(len(content))
	for _, e := range done.LastStatus().Errors { // of a job without an error result they are no failures
		receipt.Warnings = append(receipt.Warnings, e.Error())
	}
	return job.id, receipt, nil
}

// loadsInto reports whether a job is a load into that very destination. The id holds the hash of the content, so with
// the labels it is the same write.
func loadsInto(j *bigquery.Job, dst *bigquery.Table) bool {
	config, err := j.Config()
	if err != nil {
		return false
	}
	load, ok := config.(*bigquery.LoadConfig)
	return ok && load.Dst != nil && load.Dst.ProjectID == dst.ProjectID && load.Dst.DatasetID == dst.DatasetID &&
		load.Dst.TableID == dst.TableID
}

func sameLabels(j *bigquery.Job, want map[string]string) bool {
	for name, value := range want {
		if label(j, name) != value {
			return false
		}
	}
	return true
}

// empty deletes the partition. A deletion has no id, so it has a ticket: a job that does nothing, under the id that the
// ledger knows. Whoever closes this write takes the id of the next ticket; without a ticket nothing is deleted.
func (s *Store) empty(ctx context.Context, w warehouse.Write, before view, id jobID) (jobID, error) {
	if before.rows == 0 {
		return id, nil
	}
	marks := labels(w.Fence, w.Date, purposeEmpty)
	for {
		err := s.occupy(ctx, id, marks)
		if err == nil {
			break
		}
		if !hasCode(err, http.StatusConflict) {
			return id, s.explain(err, w.Table)
		}
		ticket, err := s.lookup(ctx, id)
		switch {
		case err != nil:
			return id, s.explain(err, w.Table)
		case !sameLabels(ticket, marks):
			return id, fmt.Errorf("%w: job %s is another write's", warehouse.ErrFenced, id)
		}
		id = id.next() // used by an earlier try
	}
	var final error
	err := retry.Do(ctx, s.options.Retry, func(ctx context.Context) error {
		if err := s.pace(w.Table).wait(ctx); err != nil {
			return err
		}
		err := s.bound(ctx, s.partitionHandle(before.live, w.Date).Delete)
		v := judge(err)
		switch {
		case err == nil, hasCode(err, http.StatusNotFound): // there is none
			return nil
		case v.reason == rateLimited:
			s.pace(w.Table).slowDown()
		}
		if v.again {
			return err
		}
		final = err
		return nil
	})
	if err == nil {
		err = final
	}
	return id, s.explain(err, w.Table)
}

// wouldErase refuses a partition that has values in columns that the schema does not know.
func (s *Store) wouldErase(ctx context.Context, t *table.Schema, date gamedate.Date, v view) error {
	unknown := extra(t, v.meta.Schema)
	if len(unknown) == 0 || v.rows == 0 {
		return nil
	}
	counts := map[string]int{}
	count := func(schema bigquery.Schema, values []bigquery.Value) error {
		for i, f := range schema {
			if list, repeated := values[i].([]bigquery.Value); values[i] != nil && !(repeated && len(list) == 0) &&
				slices.Contains(unknown, f.Name) {
				counts[f.Name]++
			}
		}
		return nil
	}
	var err error
	if t.Partition == "" {
		err = s.values(ctx, t, statement.Statement{Name: statement.ReadTable, Table: v.live, Columns: unknown}, nil, count)
	} else {
		err = s.listed(ctx, t, date, v, func(values []bigquery.Value) error { return count(v.meta.Schema, values) })
	}
	if err != nil || len(counts) == 0 {
		return err
	}
	var found []string
	for _, name := range unknown {
		if n := counts[name]; n > 0 {
			found = append(found, fmt.Sprintf("%s (%d rows)", name, n))
		}
	}
	return failure.MarkPermanent(
		fmt.Errorf("the replacement would erase values of columns that the schema does not know: %s",
			strings.Join(found, ", ")), "would_erase_columns")
}

// Close implements [warehouse.Partitions]. A write that is under way is cancelled, which may come too late, and waited
// for; one that was never sent finds its id taken.
func (s *Store) Close(ctx context.Context, t *table.Schema, date gamedate.Date, fence warehouse.Fence,
	id string) error {
	if err := s.close(ctx, t, date, fence, id); err != nil {
		return fmt.Errorf("close %s: %w", partitionName(t, date), err)
	}
	return nil
}

func (s *Store) close(ctx context.Context, t *table.Schema, date gamedate.Date, fence warehouse.Fence,
	id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var recorded jobID
	if id != "" {
		var err error
		if recorded, err = parseJobID(id); err != nil {
			return err
		}
	}
	p := s.partition(t, date)
	leave, err := p.enter(ctx, fence)
	if err != nil {
		return err
	}
	defer leave()
	if _, err := s.look(ctx, t, date); err != nil {
		return err
	}
	p.generation = max(p.generation, fence.Generation)
	marks := labels(fence, date, purposeClose)
	if err := s.settle(ctx, p, t, marks, jobID{}); err != nil {
		return err
	}
	if recorded == (jobID{}) {
		return nil
	}
	return s.closeJob(ctx, t, recorded, jobID{}, marks)
}
