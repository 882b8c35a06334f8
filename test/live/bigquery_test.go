package live_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"cloud.google.com/go/bigquery"
	"golang.org/x/sync/errgroup"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"

	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

const (
	adr7    = "docs/adr/0007-bigquery-writes.md"
	fakeBQ  = "package bigqueryfake"
	adapter = "package bigquerywarehouse"
)

// The partitions of checks, and a row of each.
const (
	partition = "20220115"
	other     = "20220116"
	absent    = "20220117"
	row       = `{"day":"2022-01-15","player":"x"}`
	otherRow  = `{"day":"2022-01-16","player":"x"}`
)

const (
	// rateLoads are enough loads of one table to meet its limit of 50 changes in 10 s.
	rateLoads = 90
	// belowRate is a pause between two loads that stays below that limit: 33 in 10 s.
	belowRate = 300 * time.Millisecond
	// senders is how many loads are on their way at once; each takes some seconds.
	senders = 16
)

var bigQueryChecks = []check{
	{name: "absent-partition-get", claim: "tables.get of a partition that is not there is 404 notFound", source: fakeBQ,
		run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx)
			if err != nil {
				return "", err
			}
			_, err = b.part(absent).Metadata(ctx)
			return refused(err, http.StatusNotFound, "notFound", "")
		}},
	{name: "absent-partition-delete", claim: "tables.delete of a partition that is not there is 404 notFound",
		source: fakeBQ, run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx)
			if err != nil {
				return "", err
			}
			return refused(b.part(absent).Delete(ctx), http.StatusNotFound, "notFound", "")
		}},
	{name: "absent-partition-copy", claim: "A copy job of a partition that is not there ends with notFound",
		source: fakeBQ, run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx)
			if err != nil {
				return "", err
			}
			c := b.part(absent).CopierFrom(b.part(absent))
			c.Dst, c.WriteDisposition = p.dataset.Table(p.next()), bigquery.WriteTruncate
			return refused(end(ctx, c.Run), 0, "notFound", "")
		}},
	{name: "empty-load", claim: "A truncating load without rows leaves a partition of no rows, which " +
		"INFORMATION_SCHEMA.PARTITIONS lists", source: fakeBQ, run: func(ctx context.Context, p *place) (string, error) {
		b, err := p.newBox(ctx, row)
		if err != nil {
			return "", err
		}
		if err := b.load(ctx, partition); err != nil {
			return "", err
		}
		listed, err := b.partitions(ctx)
		if err != nil {
			return "", err
		}
		if got, ok := listed[partition]; !ok || got.rows != 0 {
			return "", contradicted("the partition is listed: %v, with %d rows", ok, got.rows)
		}
		return "", nil
	}},
	{name: "delete-partition", claim: "Deleting by decorator takes one partition and leaves the table and the others",
		source: adr7, run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx, row, otherRow)
			if err != nil {
				return "", err
			}
			if err := b.part(partition).Delete(ctx); err != nil {
				return "", err
			}
			rows, err := b.days(ctx)
			if err != nil {
				return "", err
			}
			if strings.Join(rows, " ") != "2022-01-16" {
				return "", contradicted("rows left: %v", rows)
			}
			return "", nil
		}},
	{name: "dry-run-prunes", claim: "A dry run of a statement with dates as parameters counts the bytes of their " +
		"partitions alone", source: adapter, run: func(ctx context.Context, p *place) (string, error) {
		b, err := p.newBox(ctx, row, otherRow)
		if err != nil {
			return "", err
		}
		var bytes [3]int64
		for i, days := range [][2]string{{"2022-01-15", "2022-01-15"}, {"2022-01-15", "2022-01-16"},
			{"2022-01-17", "2022-01-17"}} {
			if bytes[i], err = b.dryRun(ctx, days[0], days[1]); err != nil {
				return "", err
			}
		}
		seen := fmt.Sprintf("one day %d, both %d, another %d bytes", bytes[0], bytes[1], bytes[2])
		if bytes[0] == 0 || bytes[1] != 2*bytes[0] || bytes[2] != 0 {
			return "", contradicted("%s", seen)
		}
		return seen, nil
	}},
	{name: "unknown-project", claim: "A dataset of a project that is not there is 404 notFound", source: fakeBQ,
		run: func(ctx context.Context, p *place) (string, error) {
			nobody := strings.ReplaceAll(newName(), "_", "-")
			_, err := p.bigquery.DatasetInProject(nobody, "none").Metadata(ctx)
			if call, ok := errors.AsType[*googleapi.Error](err); ok && call.Code == http.StatusForbidden {
				return "", contradicted("%v", call)
			}
			return refused(err, http.StatusNotFound, "notFound", "Project")
		}},
	{name: "other-location", claim: "A load whose location is not the dataset's is 404 at jobs.insert, and its id " +
		"stays free", source: fakeBQ, run: func(ctx context.Context, p *place) (string, error) {
		b, err := p.newBox(ctx)
		if err != nil {
			return "", err
		}
		elsewhere := "EU"
		if strings.EqualFold(p.location, elsewhere) {
			elsewhere = "US"
		}
		id := p.next()
		for range 2 { // a taken id would be 409 the second time
			l := b.loader(partition, id, row)
			l.Location = elsewhere
			_, err := l.Run(ctx)
			if _, err := refused(err, http.StatusNotFound, "notFound", ""); err != nil {
				return "", err
			}
		}
		_, err = p.bigquery.JobFromIDLocation(ctx, id, elsewhere)
		return refused(err, http.StatusNotFound, "notFound", "Job")
	}},
	{name: "missing-destination", claim: "A load into a missing table is taken, and the job ends with notFound",
		source: fakeBQ, run: func(ctx context.Context, p *place) (string, error) {
			missing := &box{p, p.dataset.Table(p.next())}
			return refused(missing.load(ctx, partition, row), 0, "notFound", "")
		}},
	{name: "rate-limit", claim: "More than 50 changes of a partitioned table in 10 s end jobs that were taken with " +
		"rateLimitExceeded", source: fakeBQ, run: func(ctx context.Context, p *place) (string, error) {
		b, err := p.newBox(ctx)
		if err != nil {
			return "", err
		}
		began := time.Now()
		if _, err = b.loadMany(ctx, rateLoads, 0); err == nil {
			return "", fmt.Errorf("%d loads in %v met no limit", rateLoads, time.Since(began).Round(time.Second))
		}
		return refused(err, 0, "rateLimitExceeded", "")
	}},
	{name: "refused-load-not-counted", claim: "A job that was refused for its rate does not count as a change of " +
		"the table", source: fakeBQ, run: notAsked("it takes a table near its daily limit of 30,000 changes")},
	{name: "failed-load-counts", claim: "A failed load counts as a change of the table", source: fakeBQ,
		run: notAsked("it takes a table near its daily limit of 30,000 changes")},
	{name: "deletion-counts", claim: "Deleting a partition counts as a change of the table", source: fakeBQ,
		run: notAsked("it takes a table near its daily limit of 30,000 changes")},
	{name: "daily-quota-at-midnight", claim: "The daily quota of changes begins anew at midnight UTC", source: fakeBQ,
		run: notAsked("it takes a spent quota and a night")},
	{name: "loads-a-day", claim: "1,500 loads a day and table do not bind loads into partitions",
		source: "docs/google-cloud.md, section 6", within: time.Hour,
		run: func(ctx context.Context, p *place) (string, error) {
			if p.loads == 0 {
				return "", errors.New("not asked: set GAMEFILL_LIVE_LOADS to more than 1,500")
			}
			b, err := p.newBox(ctx)
			if err != nil {
				return "", err
			}
			done, err := b.loadMany(ctx, p.loads, belowRate)
			if failed, ok := errors.AsType[*bigquery.Error](err); ok && failed.Reason == "quotaExceeded" {
				return "", contradicted("after %d loads: %v", done, err)
			}
			if call, ok := errors.AsType[*googleapi.Error](err); ok && len(call.Errors) > 0 &&
				call.Errors[0].Reason == "quotaExceeded" {
				return "", contradicted("after %d loads: %v", done, err)
			}
			return fmt.Sprintf("%d loads", done), err
		}},
	{name: "etag-changes", claim: "A table's etag changes with its content", source: fakeBQ,
		run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx, row)
			if err != nil {
				return "", err
			}
			before, err := b.table.Metadata(ctx)
			if err != nil {
				return "", err
			}
			if err := b.load(ctx, partition, row, row); err != nil {
				return "", err
			}
			after, err := b.table.Metadata(ctx)
			if err != nil {
				return "", err
			}
			if before.ETag == after.ETag {
				return "", contradicted("it stayed %s", after.ETag)
			}
			return "", nil
		}},
	{name: "clone-time", claim: "The partitions of a clone have the time of the clone as that of their last change",
		source: fakeBQ, run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx, row)
			if err != nil {
				return "", err
			}
			clone := &box{p, p.dataset.Table(p.next())}
			c := clone.table.CopierFrom(b.table)
			c.OperationType = bigquery.CloneOperation
			if err := end(ctx, c.Run); err != nil {
				return "", err
			}
			base, err := b.part(partition).Metadata(ctx)
			if err != nil {
				return "", err
			}
			cloned, err := clone.part(partition).Metadata(ctx)
			if err != nil {
				return "", err
			}
			if !cloned.LastModifiedTime.After(base.LastModifiedTime) {
				return "", contradicted("base %v, clone %v", base.LastModifiedTime, cloned.LastModifiedTime)
			}
			return "", nil
		}},
	{name: "token-agrees", claim: "Metadata by decorator and INFORMATION_SCHEMA.PARTITIONS have the same rows and, to " +
		"the millisecond, the same time of last change", source: adr7,
		run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx, row, row, otherRow)
			if err != nil {
				return "", err
			}
			if err := b.load(ctx, other, otherRow); err != nil { // so that partition and table differ
				return "", err
			}
			meta, err := b.part(partition).Metadata(ctx)
			if err != nil {
				return "", err
			}
			listed, err := b.partitions(ctx)
			if err != nil {
				return "", err
			}
			got := listedPartition{int64(meta.NumRows), meta.LastModifiedTime.UnixMilli()}
			if want := listed[partition]; got != want || got.rows != 2 {
				return "", contradicted("decorator %+v, list %+v, want 2 rows", got, want)
			}
			return "", nil
		}},
	{name: "taken-id", claim: "A job under the id of a job that is done is 409 duplicate", source: adr7,
		run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx)
			if err != nil {
				return "", err
			}
			id := p.next()
			if err := end(ctx, b.loader(partition, id, row).Run); err != nil {
				return "", err
			}
			_, err = b.loader(partition, id, row).Run(ctx)
			return refused(err, http.StatusConflict, "duplicate", "")
		}},
	{name: "failed-id", claim: "The id of a job that failed stays taken", source: adr7,
		run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx)
			if err != nil {
				return "", err
			}
			id := p.next()
			if _, err := refused(end(ctx, b.loader(partition, id, "{}").Run), 0, "invalid", ""); err != nil {
				return "", fmt.Errorf("a load of a bad row did not fail as it should: %v", err)
			}
			_, err = b.loader(partition, id, row).Run(ctx)
			return refused(err, http.StatusConflict, "duplicate", "")
		}},
	{name: "occupied-id", claim: "A load under the id of a query that does nothing is 409 duplicate: closing a write " +
		"keeps it from landing", source: adr7, run: func(ctx context.Context, p *place) (string, error) {
		b, err := p.newBox(ctx)
		if err != nil {
			return "", err
		}
		q, err := p.query(statement.Statement{Name: statement.Occupy})
		if err != nil {
			return "", err
		}
		q.JobID = p.next()
		if err := end(ctx, q.Run); err != nil {
			return "", err
		}
		_, err = b.loader(partition, q.JobID, row).Run(ctx)
		return refused(err, http.StatusConflict, "duplicate", "")
	}},
	{name: "old-id", claim: "A taken id is refused however old its job is", source: adr7,
		run: notAsked("it takes a job that is older than the six months for which jobs are listed")},
	{name: "other-date", claim: "A load of a row of another date into a partition ends with invalid and changes nothing",
		source: fakeBQ, run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx, row)
			if err != nil {
				return "", err
			}
			seen, err := refused(b.load(ctx, partition, otherRow), 0, "invalid", "")
			if err != nil {
				return "", err
			}
			rows, err := b.days(ctx)
			if err == nil && strings.Join(rows, " ") != "2022-01-15" {
				err = contradicted("rows afterwards: %v", rows)
			}
			return seen, err
		}},
	{name: "partition-id", claim: "A decorator that is no date is refused with 400 invalid", source: fakeBQ,
		run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx)
			if err != nil {
				return "", err
			}
			_, err = b.part("20221332").Metadata(ctx)
			return refused(err, http.StatusBadRequest, "invalid", "")
		}},
	{name: "numeric-range", claim: "A NUMERIC beyond its precision fails the load with invalid", source: fakeBQ,
		run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx)
			if err != nil {
				return "", err
			}
			return refused(b.load(ctx, partition, `{"day":"2022-01-15","player":"x","share":1000}`), 0, "invalid", "")
		}},
	{name: "job-timeout", claim: "A load that outlives its timeout ends with timeout or stopped", source: fakeBQ,
		run: func(ctx context.Context, p *place) (string, error) {
			b, err := p.newBox(ctx)
			if err != nil {
				return "", err
			}
			l := b.loader(partition, p.next(), row)
			l.JobTimeout = time.Second
			err = end(ctx, l.Run)
			if err == nil {
				return "", errors.New("the load was done within its timeout of 1 s")
			}
			if seen, err := refused(err, 0, "stopped", ""); err == nil {
				return seen, nil
			}
			return refused(err, 0, "timeout", "")
		}},
	{name: "streaming-buffer", claim: "Rows in the streaming buffer are in no list by decorator and in the count of no " +
		"partition; a query sees them", source: adr7, run: func(ctx context.Context, p *place) (string, error) {
		b, err := p.newBox(ctx)
		if err != nil {
			return "", err
		}
		if err := b.table.Inserter().Put(ctx,
			&bigquery.ValuesSaver{Schema: boxSchema[:2], InsertID: "1", Row: []bigquery.Value{"2022-01-15", "x"}}); err != nil {
			return "", err
		}
		queried, err := b.days(ctx)
		if err != nil {
			return "", err
		}
		listed, err := b.partitions(ctx)
		if err != nil {
			return "", err
		}
		if len(queried) != 1 || listed[partition].rows != 0 {
			return "", contradicted("queried %v, listed %+v", queried, listed)
		}
		return "", nil
	}},
}

// box is a table of a check, partitioned by day.
type box struct {
	p     *place
	table *bigquery.Table
}

var boxSchema = bigquery.Schema{
	{Name: "day", Type: bigquery.DateFieldType, Required: true},
	{Name: "player", Type: bigquery.StringFieldType, Required: true},
	{Name: "share", Type: bigquery.NumericFieldType, Precision: 5, Scale: 2},
}

// newBox makes a table that has the rows.
func (p *place) newBox(ctx context.Context, rows ...string) (*box, error) {
	b := &box{p, p.dataset.Table(p.next())}
	err := b.table.Create(ctx,
		&bigquery.TableMetadata{Schema: boxSchema, TimePartitioning: &bigquery.TimePartitioning{Field: "day"}})
	if err != nil {
		return nil, fmt.Errorf("make a table: %w", err)
	}
	if len(rows) > 0 {
		l := b.loader("", p.next(), rows...)
		l.WriteDisposition = bigquery.WriteAppend
		if err := end(ctx, l.Run); err != nil {
			return nil, fmt.Errorf("fill a table: %w", err)
		}
	}
	return b, nil
}

// part is the handle of a partition, "" the whole table.
func (b *box) part(id string) *bigquery.Table {
	if id == "" {
		return b.table
	}
	return b.p.dataset.Table(b.table.TableID + "$" + id)
}

// loader is a load job like those of gamefill.
func (b *box) loader(id, jobID string, rows ...string) *bigquery.Loader {
	source := bigquery.NewReaderSource(strings.NewReader(strings.Join(rows, "\n")))
	source.SourceFormat = bigquery.JSON
	l := b.part(id).LoaderFrom(source)
	l.JobID, l.WriteDisposition, l.CreateDisposition = jobID, bigquery.WriteTruncate, bigquery.CreateNever
	return l
}

func (b *box) load(ctx context.Context, id string, rows ...string) error {
	return end(ctx, b.loader(id, b.p.next(), rows...).Run)
}

// loadMany loads one partition n times, several at once, with a pause between the starts of two. It returns how many
// were done and the first error.
func (b *box) loadMany(ctx context.Context, n int, pause time.Duration) (int64, error) {
	var done atomic.Int64
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	for range n {
		group.Go(func() error {
			err := b.load(within, partition, row)
			if err == nil {
				done.Add(1)
			}
			return err
		})
		select {
		case <-time.After(pause):
		case <-within.Done(): // one has failed: those that follow fail at once
		}
	}
	err := group.Wait()
	return done.Load(), err
}

// end runs a job to its end; a job that failed is an error.
func end(ctx context.Context, start func(context.Context) (*bigquery.Job, error)) error {
	job, err := start(ctx)
	if err != nil {
		return err
	}
	status, err := job.Wait(ctx)
	if err != nil {
		return err
	}
	return status.Err()
}

// query is one of gamefill's statements.
func (p *place) query(s statement.Statement, params ...bigquery.QueryParameter) (*bigquery.Query, error) {
	sql, err := s.SQL()
	if err != nil {
		return nil, err
	}
	q := p.bigquery.Query(sql)
	q.Parameters, q.DisableQueryCache, q.MaxBytesBilled = params, true, 1<<30
	return q, nil
}

func (b *box) name() statement.Table {
	return statement.Table{Project: b.p.project, Dataset: b.table.DatasetID, Name: b.table.TableID}
}

// each hands the rows of a statement to fn.
func (p *place) each(ctx context.Context, q *bigquery.Query, fn func([]bigquery.Value)) error {
	it, err := q.Read(ctx)
	if err != nil {
		return err
	}
	for {
		var values []bigquery.Value
		switch err := it.Next(&values); {
		case errors.Is(err, iterator.Done):
			return nil
		case err != nil:
			return err
		}
		fn(values)
	}
}

type listedPartition struct{ rows, modified int64 }

// partitions are those that INFORMATION_SCHEMA.PARTITIONS lists, by id.
func (b *box) partitions(ctx context.Context) (map[string]listedPartition, error) {
	q, err := b.p.query(statement.Statement{Name: statement.PartitionTokens, Table: b.name()},
		bigquery.QueryParameter{Name: "table", Value: b.table.TableID},
		bigquery.QueryParameter{Name: "from", Value: partition}, bigquery.QueryParameter{Name: "to", Value: absent})
	if err != nil {
		return nil, err
	}
	all := map[string]listedPartition{}
	err = b.p.each(ctx, q, func(values []bigquery.Value) {
		id, _ := values[0].(string)
		rows, _ := values[1].(int64)
		modified, _ := values[2].(int64)
		all[id] = listedPartition{rows, modified}
	})
	return all, err
}

// dryRun is how many bytes reading the days of a range would take.
func (b *box) dryRun(ctx context.Context, from, to string) (int64, error) {
	date := func(name, value string) bigquery.QueryParameter {
		return bigquery.QueryParameter{Name: name, Value: &bigquery.QueryParameterValue{
			Type: bigquery.StandardSQLDataType{TypeKind: "DATE"}, Value: value}}
	}
	s := statement.Statement{Name: statement.ReadRange, Table: b.name(), Partition: "day",
		Columns: []string{"day", "player"}}
	q, err := b.p.query(s, date("from", from), date("to", to))
	if err != nil {
		return 0, err
	}
	q.DryRun, q.MaxBytesBilled = true, 0
	job, err := q.Run(ctx)
	if err != nil {
		return 0, err
	}
	return job.LastStatus().Statistics.TotalBytesProcessed, job.LastStatus().Err()
}

// days are the dates of all rows, as a query sees them.
func (b *box) days(ctx context.Context) (all []string, err error) {
	q, err := b.p.query(statement.Statement{Name: statement.ReadTable, Table: b.name(), Columns: []string{"day"}})
	if err != nil {
		return nil, err
	}
	err = b.p.each(ctx, q, func(values []bigquery.Value) { all = append(all, fmt.Sprint(values[0])) })
	return all, err
}

// refused says whether the service refused a call with a code, or ended a job with an error where code is 0, for a
// reason and in words. Another answer contradicts; no answer is unknown.
func refused(err error, code int, reason, words string) (seen string, _ error) {
	if err == nil {
		return "", contradicted("it went through")
	}
	gotCode, gotReason, message := 0, "", ""
	if call, ok := errors.AsType[*googleapi.Error](err); ok {
		gotCode, message = call.Code, call.Message
		if len(call.Errors) > 0 {
			gotReason = call.Errors[0].Reason
		}
	} else if job, ok := errors.AsType[*bigquery.Error](err); ok {
		gotReason, message = job.Reason, job.Message
	} else {
		return "", err
	}
	seen = fmt.Sprintf("%d %s: %s", gotCode, gotReason, message)
	if gotCode == 0 {
		seen = fmt.Sprintf("job ended with %s: %s", gotReason, message)
	}
	switch {
	case gotCode == code && gotReason == reason && strings.Contains(message, words):
		return seen, nil
	case gotReason == "accessDenied", gotReason == "backendError", gotReason == "internalError",
		gotCode >= http.StatusInternalServerError:
		return "", err // the question was not answered
	}
	return "", contradicted("%s", seen)
}
