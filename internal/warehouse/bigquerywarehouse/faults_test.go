package bigquerywarehouse_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/retry"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/bigquerywarehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

var scores = &table.Schema{
	Dataset: "suite", Name: "scores", Partition: "day", Key: []string{"name"},
	Columns: []table.Column{
		{Name: "day", Type: table.DATE, Required: true}, {Name: "name", Type: table.STRING, Required: true},
		{Name: "points", Type: table.INT64},
	},
}

var day = gamedate.MustParse("2022-01-15")

// version is a partition's content whose every row tells which version it is.
func version(d gamedate.Date, v int) []table.Row {
	var rows []table.Row
	for i := range 5 {
		rows = append(rows, table.Row{table.Date(d), table.String(fmt.Sprint("player ", i)), table.Int(int64(v))})
	}
	return rows
}

// prepared is a write of a generation as a worker has it after the ledger recorded its id.
func prepared(t *testing.T, w *bigquerywarehouse.Store, generation int64, rows []table.Row) warehouse.Write {
	t.Helper()
	write := warehouse.Write{Table: scores, Date: day, Fence: fence(generation), Rows: rows}
	id, err := w.Prepare(t.Context(), write)
	if err != nil {
		t.Fatal(err)
	}
	write.ID = id
	return write
}

func fence(generation int64) warehouse.Fence {
	return warehouse.Fence{Job: "job", Run: "run", Generation: generation}
}

func replace(t *testing.T, w *bigquerywarehouse.Store, generation int64, rows []table.Row) {
	t.Helper()
	if _, err := w.Replace(t.Context(), prepared(t, w, generation, rows)); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, w *bigquerywarehouse.Store) {
	t.Helper()
	if err := w.Create(t.Context(), scores); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, w *bigquerywarehouse.Store, rows []table.Row) {
	t.Helper()
	m, err := w.Measure(t.Context(), scores, day)
	if err != nil || m.Rows != len(rows) || m.Fingerprint != scores.Fingerprint(rows) {
		t.Errorf("got %+v, %v, want %d rows, %s", m, err, len(rows), scores.Fingerprint(rows))
	}
}

// wantNoViolation checks the audit of a whole test.
func wantNoViolation(t *testing.T, s *service) {
	t.Helper()
	if v := s.Violations("league.suite.scores"); len(v) > 0 {
		t.Errorf("violations: %s", strings.Join(v, "\n"))
	}
	if n := s.Pending(); n > 0 {
		t.Errorf("got %d faults that met no request, want 0", n)
	}
}

// ids are the different ids of the load jobs that were sent, in order.
func (s *service) ids() (ids []string) {
	for _, r := range s.Audit() {
		if r.Kind == bigqueryfake.JobsInsertLoad && !slices.Contains(ids, r.JobID) {
			ids = append(ids, r.JobID)
		}
	}
	return ids
}

func TestWriteSurvives(t *testing.T) {
	t.Parallel()
	insert := bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}
	tests := []struct {
		name  string
		match bigqueryfake.Match
		fault bigqueryfake.Fault
		count int
		jobs  int // ids that were used
	}{
		{"503 before", insert, bigqueryfake.Unavailable(), 2, 1},
		{"503 after", insert, bigqueryfake.UnavailableAfter(), 1, 1},
		{"reply lost", insert, bigqueryfake.HangUp(), 1, 1},
		{"reply cut", insert, bigqueryfake.CutReply(), 1, 1},
		{"upload cut", insert, bigqueryfake.BreakUpload(), 1, 1},
		{"backend error", insert, bigqueryfake.BackendError(), 1, 1},
		{"rate limit at the door", insert, bigqueryfake.RateLimited(), 1, 1},
		{"rate limit in the job", insert, bigqueryfake.FailJob("rateLimitExceeded", "Exceeded rate limits"), 2, 3},
		{"backend error in the job", insert, bigqueryfake.FailJob("backendError", "internal"), 1, 2},
		{"failed job whose reply was lost", insert, bigqueryfake.FailJob("backendError", "internal").LosingReply(), 1, 2},
		{"503 while looking", bigqueryfake.Match{Kind: bigqueryfake.TablesGet, Table: "scores"},
			bigqueryfake.Unavailable(), 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, bigqueryfake.Options{})
			w := s.open()
			create(t, w)
			s.FailNext(tt.match, tt.count, tt.fault)
			replace(t, w, 1, version(day, 1))
			want(t, w, version(day, 1))
			if ids := s.ids(); len(ids) != tt.jobs {
				t.Errorf("got jobs %v, want %d", ids, tt.jobs)
			}
			wantNoViolation(t, s)
		})
	}
}

func TestWriteEnds(t *testing.T) {
	t.Parallel()
	insert := bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}
	tests := []struct {
		name   string
		fault  bigqueryfake.Fault
		count  int
		class  failure.Class
		reason string
	}{
		{"daily quota at the door", bigqueryfake.QuotaExceeded(), 1, failure.Quota, "daily_quota"},
		{"daily quota in the job", bigqueryfake.FailJob("quotaExceeded", "Quota exceeded"), 1, failure.Quota, "daily_quota"},
		{"rate limit for long", bigqueryfake.FailJob("rateLimitExceeded", "Exceeded rate limits"), 4, failure.Quota,
			"rate_limit"},
		{"no service for long", bigqueryfake.Unavailable(), 4, failure.Transient, "backend_error"},
		{"bad rows", bigqueryfake.FailJob("invalid", "Error while reading data"), 1, failure.Permanent, "bad_row"},
		{"cancelled by somebody", bigqueryfake.FailJob("stopped", "Job execution was cancelled"), 1, failure.Transient,
			"job_stopped"},
		{"no right", bigqueryfake.Refuse(403, "accessDenied", "Access Denied: Table league:suite.scores"), 1,
			failure.Environment, "access_denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, bigqueryfake.Options{})
			w := s.open()
			create(t, w)
			replace(t, w, 1, version(day, 1))
			s.FailNext(insert, tt.count, tt.fault)
			_, err := w.Replace(t.Context(), prepared(t, w, 2, version(day, 2)))
			if err == nil || failure.ClassOf(err) != tt.class || failure.ReasonOf(err) != tt.reason {
				t.Errorf("got %v (%v, %s), want %v, %s", err, failure.ClassOf(err), failure.ReasonOf(err), tt.class, tt.reason)
			}
			want(t, w, version(day, 1))
			replace(t, w, 3, version(day, 3)) // the next attempt
			want(t, w, version(day, 3))
			wantNoViolation(t, s)
		})
	}
}

// TestManyDatesAtASmallQuota runs the service's clock twenty times as fast as ours.
func TestManyDatesAtASmallQuota(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	s := newService(t,
		bigqueryfake.Options{ModificationsPer10s: 5, Now: func() time.Time { return begin.Add(20 * time.Since(begin)) }})
	w := s.open(func(o *bigquerywarehouse.Options) {
		o.Modifications, o.Retry = 400, retry.Policy{Base: 50 * time.Millisecond, Tries: 20}
	})
	create(t, w)
	dates := make(chan gamedate.Date, 40)
	for i := range 40 {
		dates <- day.AddDays(i)
	}
	close(dates)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for d := range dates {
				write := warehouse.Write{Table: scores, Date: d, Fence: fence(1), Rows: version(d, 1)}
				if _, err := w.Replace(t.Context(), write); err != nil {
					t.Errorf("%s: %v", d, err)
				}
			}
		})
	}
	workers.Wait()
	tokens, err := w.Tokens(t.Context(), scores, gamedate.Range{From: day, To: day.AddDays(39)})
	if err != nil || len(tokens) != 40 {
		t.Errorf("got %d partitions, %v, want 40", len(tokens), err)
	}
	refusals := 0
	for _, id := range s.ids() {
		if !strings.HasSuffix(id, "_a1") {
			refusals++
		}
	}
	if refusals == 0 {
		t.Error("the quota refused nothing: the test shows nothing")
	}
	wantNoViolation(t, s)
}

// held waits until a job waits for its release.
func (s *service) held() string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	for {
		if ids := s.Held(); len(ids) > 0 {
			return ids[0]
		}
		select {
		case <-ctx.Done():
			s.t.Fatal("no job is held")
		case <-time.After(time.Millisecond):
		}
	}
}

// asked waits until a request of a kind was answered.
func (s *service) asked(kind string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	for !slices.ContainsFunc(s.Audit(), func(r bigqueryfake.Request) bool { return r.Kind == kind }) {
		select {
		case <-ctx.Done():
			s.t.Fatalf("no %s was asked for", kind)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestCloseWaitsForAJobThatCannotBeCancelled(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]bigqueryfake.Fault{"running": bigqueryfake.HoldRunning(),
		"pending": bigqueryfake.HoldPending()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, bigqueryfake.Options{})
			older, newer := s.open(), s.open()
			create(t, older)
			s.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}, 1, hold.Stubborn())
			write := prepared(t, older, 1, version(day, 1))
			var calls sync.WaitGroup
			var errOlder, errClose error
			calls.Go(func() { _, errOlder = older.Replace(t.Context(), write) })
			id := s.held()
			closed := make(chan struct{})
			calls.Go(func() {
				defer close(closed)
				errClose = newer.Close(t.Context(), scores, day, fence(2), write.ID)
			})
			s.asked(bigqueryfake.JobsCancel)
			select {
			case <-closed:
				t.Error("closed while the job runs")
			default:
			}
			if !s.Release(id) {
				t.Error("nothing to release")
			}
			calls.Wait()
			if err := errors.Join(errOlder, errClose); err != nil {
				t.Fatal(err)
			}
			want(t, newer, version(day, 1)) // it landed before Close returned
			replace(t, newer, 2, version(day, 2))
			want(t, older, version(day, 2))
			wantNoViolation(t, s)
		})
	}
}

func TestCloseCancels(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	older, newer := s.open(), s.open()
	create(t, older)
	s.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}, 1, bigqueryfake.HoldRunning())
	write := prepared(t, older, 1, version(day, 1))
	var call sync.WaitGroup
	var err error
	call.Go(func() { _, err = older.Replace(t.Context(), write) })
	s.held()
	if err := newer.Close(t.Context(), scores, day, fence(2), write.ID); err != nil {
		t.Fatal(err)
	}
	call.Wait()
	if failure.ReasonOf(err) != "job_stopped" {
		t.Errorf("got %v, want a job that was stopped", err)
	}
	want(t, newer, nil)
	wantNoViolation(t, s)
}

// TestJobsEndBeforeTheLease moves the service's clock to the end of a job that goes on and on.
func TestJobsEndBeforeTheLease(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		lease, want time.Duration
	}{
		{"default", 0, 45 * time.Second},
		{"short", 10 * time.Second, 7500 * time.Millisecond},
		{"long", 4 * time.Minute, 3 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var passed atomic.Int64
			begin := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
			s := newService(t, bigqueryfake.Options{Now: func() time.Time { return begin.Add(time.Duration(passed.Load())) }})
			w := s.open(func(o *bigquerywarehouse.Options) { o.Lease = tt.lease })
			create(t, w)
			s.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}, 1, bigqueryfake.HoldRunning())
			write := prepared(t, w, 1, version(day, 1))
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var call sync.WaitGroup
			var err error
			call.Go(func() { _, err = w.Replace(ctx, write) })
			id := s.held()
			passed.Store(int64(tt.want - time.Millisecond))
			if job, err := s.client().JobFromProject(t.Context(), "billing", id, "US"); err != nil || job.LastStatus().Done() {
				t.Errorf("a millisecond before its time is over: got %v, %v, want a job that runs", job, err)
			}
			passed.Store(int64(tt.want + time.Second)) // the service counts from the job's creation
			call.Wait()
			if failure.ReasonOf(err) != "job_timeout" || failure.ClassOf(err) != failure.Transient ||
				!strings.Contains(err.Error(), "--lease-ttl") {
				t.Errorf("got %v (%v), want a transient job_timeout that names --lease-ttl", err, failure.ClassOf(err))
			}
			want(t, w, nil)
		})
	}
}

func TestAZombieFindsItsIDTaken(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rows []table.Row
		// before is what the older worker does before it falls asleep.
		before func(t *testing.T, s *service, write warehouse.Write)
	}{
		{"before its upload", version(day, 2), func(*testing.T, *service, warehouse.Write) {}},
		{"before the upload that follows a failed one", version(day, 2), func(t *testing.T, s *service,
			write warehouse.Write) {
			s.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}, 1,
				bigqueryfake.FailJob("backendError", "internal"))
			once := s.open(func(o *bigquerywarehouse.Options) { o.Retry.Tries = 1 })
			if _, err := once.Replace(t.Context(), write); failure.ReasonOf(err) != "backend_error" {
				t.Fatalf("got %v, want a backend error", err)
			}
		}},
		{"whose last upload left no trace", version(day, 2), func(t *testing.T, s *service, write warehouse.Write) {
			s.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}, 4, bigqueryfake.Unavailable())
			if _, err := s.open().Replace(t.Context(), write); failure.ReasonOf(err) != "backend_error" {
				t.Fatalf("got %v, want a backend error", err)
			}
		}},
		{"before it empties", nil, func(*testing.T, *service, warehouse.Write) {}},
		{"before it tries to empty again", nil, func(t *testing.T, s *service, write warehouse.Write) {
			s.FailNext(bigqueryfake.Match{Kind: bigqueryfake.TablesDelete}, 1, bigqueryfake.Refuse(400, "invalid", "as told"))
			if _, err := s.open().Replace(t.Context(), write); err == nil {
				t.Fatal("emptied")
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, bigqueryfake.Options{})
			older, newer := s.open(), s.open()
			create(t, older)
			replace(t, older, 1, version(day, 1))
			write := prepared(t, older, 2, tt.rows)
			tt.before(t, s, write)
			if err := newer.Close(t.Context(), scores, day, fence(3), write.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := older.Replace(t.Context(), write); !errors.Is(err, warehouse.ErrFenced) {
				t.Errorf("got %v, want %v", err, warehouse.ErrFenced)
			}
			want(t, newer, version(day, 1))
			replace(t, newer, 3, version(day, 3))
			if _, err := older.Replace(t.Context(), write); !errors.Is(err, warehouse.ErrFenced) {
				t.Errorf("later: got %v, want %v", err, warehouse.ErrFenced)
			}
			want(t, newer, version(day, 3))
			wantNoViolation(t, s)
		})
	}
}

func TestEmptyingDeletesThePartition(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	w := s.open()
	create(t, w)
	replace(t, w, 1, version(day, 1))
	write := prepared(t, w, 2, nil)
	for _, fault := range []bigqueryfake.Fault{bigqueryfake.UnavailableAfter(), {}} {
		s.FailNext(bigqueryfake.Match{Kind: bigqueryfake.TablesDelete}, 1, fault)
		if r, err := w.Replace(t.Context(), write); err != nil || r.Token != warehouse.NoToken {
			t.Fatalf("got %+v, %v, want an empty partition", r, err)
		}
		want(t, w, nil)
		replace(t, w, 2, version(day, 2))
	}
	s.ClearFaults()
	want(t, w, version(day, 2))
}

func TestAnUnknownOutcomeIsClosedByTheNextWriter(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	w := s.open()
	create(t, w)
	s.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}, 1, bigqueryfake.HoldRunning().Stubborn())
	ctx, cancel := context.WithCancel(t.Context())
	var call sync.WaitGroup
	var err error
	call.Go(func() { _, err = w.Replace(ctx, prepared(t, w, 1, version(day, 1))) })
	id := s.held()
	cancel()
	call.Wait()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	call.Go(func() { _, err = w.Replace(t.Context(), prepared(t, w, 2, version(day, 2))) })
	s.asked(bigqueryfake.JobsCancel)
	s.Release(id)
	call.Wait()
	if err != nil {
		t.Fatal(err)
	}
	want(t, w, version(day, 2))
	wantNoViolation(t, s)
}

// TestAWriteMayBeTriedAgain repeats a call whose second job has no known outcome: it may not shut itself out.
func TestAWriteMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	insert := bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}
	for name, fault := range map[string]bigqueryfake.Fault{"not taken": bigqueryfake.Unavailable(),
		"taken": bigqueryfake.HangUp()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, bigqueryfake.Options{})
			w := s.open(func(o *bigquerywarehouse.Options) { o.Retry.Tries = 2 })
			create(t, w)
			write := prepared(t, w, 1, version(day, 1))
			s.FailNext(insert, 1, bigqueryfake.FailJob("backendError", "internal"))
			s.FailNext(insert, 1, fault)
			s.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsGet}, 1, bigqueryfake.Refuse(400, "invalid", "as told"))
			if _, err := w.Replace(t.Context(), write); err == nil {
				t.Fatal("got no error, want an unknown outcome")
			}
			if _, err := w.Replace(t.Context(), write); err != nil {
				t.Errorf("again: %v", err)
			}
			want(t, w, version(day, 1))
			if ids := s.ids(); len(ids) != 2 {
				t.Errorf("got jobs %v, want 2", ids)
			}
			wantNoViolation(t, s)
		})
	}
}

func TestTheLiveTableDecides(t *testing.T) {
	t.Parallel()
	columns := func() bigquery.Schema {
		return bigquery.Schema{{Name: "day", Type: "DATE", Required: true}, {Name: "name", Type: "STRING", Required: true},
			{Name: "points", Type: "INTEGER"}}
	}
	byDay := &bigquery.TimePartitioning{Type: bigquery.DayPartitioningType, Field: "day"}
	tests := []struct {
		name string
		meta bigquery.TableMetadata
		say  string
	}{
		{"no partitions", bigquery.TableMetadata{Schema: columns()}, "partitioned by nothing, want day"},
		{"months",
			bigquery.TableMetadata{Schema: columns(),
				TimePartitioning: &bigquery.TimePartitioning{Type: bigquery.MonthPartitioningType, Field: "day"}}, "MONTH on day"},
		{"ingestion",
			bigquery.TableMetadata{Schema: columns(),
				TimePartitioning: &bigquery.TimePartitioning{Type: bigquery.DayPartitioningType}}, "DAY of ingestion"},
		{"ranges", bigquery.TableMetadata{Schema: columns(), RangePartitioning: &bigquery.RangePartitioning{Field: "points",
			Range: &bigquery.RangePartitioningRange{Start: 0, End: 100, Interval: 10}}}, "range of points"},
		{"other type",
			bigquery.TableMetadata{Schema: append(columns()[:2], &bigquery.FieldSchema{Name: "points", Type: "FLOAT"}),
				TimePartitioning: byDay}, "column points is FLOAT64, want INT64"},
		{"missing column", bigquery.TableMetadata{Schema: columns()[:2], TimePartitioning: byDay},
			"column points is missing"},
		{"required column that nobody fills",
			bigquery.TableMetadata{
				Schema:           append(columns(), &bigquery.FieldSchema{Name: "more", Type: "STRING", Required: true}),
				TimePartitioning: byDay}, "column more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, bigqueryfake.Options{})
			if err := s.client().Dataset("suite").Table("scores").Create(t.Context(), &tt.meta); err != nil {
				t.Fatal(err)
			}
			w := s.open()
			_, err := w.Replace(t.Context(), prepared(t, w, 1, version(day, 1)))
			if failure.ClassOf(err) != failure.Environment || failure.ReasonOf(err) != "schema_mismatch" ||
				!strings.Contains(err.Error(), tt.say) {
				t.Errorf("got %v (%v, %s), want an environment error about %q", err, failure.ClassOf(err),
					failure.ReasonOf(err), tt.say)
			}
			if ids := s.ids(); len(ids) > 0 {
				t.Errorf("got jobs %v, want none", ids)
			}
		})
	}
}

func TestColumnsThatTheSchemaDoesNotKnowAreNotErased(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	w := s.open()
	create(t, w)
	h := s.client().Dataset("suite").Table("scores")
	meta, err := h.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wider := append(meta.Schema, &bigquery.FieldSchema{Name: "remark", Type: "STRING"},
		&bigquery.FieldSchema{Name: "tags", Type: "STRING", Repeated: true})
	if _, err := h.Update(t.Context(), bigquery.TableMetadataToUpdate{Schema: wider}, meta.ETag); err != nil {
		t.Fatal(err)
	}
	replace(t, w, 1, version(day, 1)) // NULLs may go
	replace(t, w, 2, version(day, 2))
	d, err := w.Describe(t.Context(), scores)
	if err != nil || !slices.Equal(d.Extra, []string{"remark", "tags"}) || !d.Fits() || d.Location != "US" || d.Rows != 5 {
		t.Errorf("describe: got %+v, %v", d, err)
	}
	source := bigquery.NewReaderSource(strings.NewReader(`{"day":"2022-01-15","name":"somebody","remark":"by hand"}`))
	source.SourceFormat = bigquery.JSON
	job, err := h.LoaderFrom(source).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status, err := job.Wait(t.Context()); err != nil || status.Err() != nil {
		t.Fatal(err, status.Err())
	}
	for _, rows := range [][]table.Row{version(day, 3), nil} {
		_, err = w.Replace(t.Context(), prepared(t, w, 3, rows))
		if failure.ClassOf(err) != failure.Permanent || failure.ReasonOf(err) != "would_erase_columns" ||
			!strings.Contains(err.Error(), "remark (1 rows)") {
			t.Errorf("got %v (%v, %s), want a permanent error, would_erase_columns", err, failure.ClassOf(err),
				failure.ReasonOf(err))
		}
	}
	p, err := w.Read(t.Context(), scores, day)
	if err != nil || len(p.Rows) != 6 {
		t.Errorf("read: got %d rows, %v, want 6", len(p.Rows), err)
	}
}

func TestStreamingBuffer(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	w := s.open()
	create(t, w)
	replace(t, w, 1, version(day, 1))
	r := gamedate.Range{From: day, To: day}
	before, err := w.Tokens(t.Context(), scores, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stream("league", "suite", "scores", `{"day":"2022-01-15","name":"late","points":1}`); err != nil {
		t.Fatal(err)
	}
	streamed := append(version(day, 1), table.Row{table.Date(day), table.String("late"), table.Int(1)})
	want(t, w, streamed)
	p, err := w.Read(t.Context(), scores, day)
	if err != nil || p.Token == before[day] || p.Token == warehouse.NoToken {
		t.Errorf("token: got %q, %v, want another than %q", p.Token, err, before[day])
	}
	during, err := w.Tokens(t.Context(), scores, r)
	if err != nil || during[day] == before[day] {
		t.Errorf("tokens: got %q, %v, want another than %q", during[day], err, before[day])
	}
	if d, err := w.Describe(t.Context(), scores); err != nil || !d.StreamingBuffer {
		t.Errorf("describe: got %+v, %v, want a streaming buffer", d, err)
	}
	if err := s.Flush("league", "suite", "scores"); err != nil {
		t.Fatal(err)
	}
	want(t, w, streamed)
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*bigquerywarehouse.Options)
		deny   [2]string // permission and resource
		reason string
		say    string
	}{
		{"dataset", func(o *bigquerywarehouse.Options) {
			o.Datasets["suite"] = "league.nowhere"
		}, [2]string{}, "no_dataset", "create the dataset"},
		{"project", func(o *bigquerywarehouse.Options) {
			o.Datasets["suite"] = "nobody.suite"
		}, [2]string{}, "no_project", "projects in the warehouse's address"},
		{"location", func(o *bigquerywarehouse.Options) { o.Location = "EU" }, [2]string{}, "wrong_location", "US"},
		{"right to make jobs", nil, [2]string{"bigquery.jobs.create", "billing"}, "access_denied",
			"roles/bigquery.jobUser on project billing"},
		{"right to write", nil, [2]string{"bigquery.tables.updateData", "league.suite.scores"}, "access_denied",
			"roles/bigquery.dataEditor on dataset league.suite"},
		{"right to look", nil, [2]string{"bigquery.tables.get", "league.suite"}, "access_denied",
			"roles/bigquery.dataViewer on dataset league.suite"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, bigqueryfake.Options{})
			create(t, s.open())
			var changes []func(*bigquerywarehouse.Options)
			if tt.change != nil {
				changes = append(changes, tt.change)
			} else {
				t.Cleanup(s.Deny(tt.deny[0], tt.deny[1]))
			}
			w := s.open(changes...)
			_, err := w.Replace(t.Context(), prepared(t, w, 1, version(day, 1)))
			if failure.ClassOf(err) != failure.Environment || failure.ReasonOf(err) != tt.reason ||
				!strings.Contains(err.Error(), tt.say) {
				t.Errorf("got %v (%v, %s), want an environment error, %s, that says %q", err, failure.ClassOf(err),
					failure.ReasonOf(err), tt.reason, tt.say)
			}
		})
	}
}

func TestHiddenRowsAreNoEmptyPartition(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	w := s.open()
	create(t, w)
	replace(t, w, 1, version(day, 1))
	if err := s.SetRowPolicy("league", "suite", "scores", true); err != nil {
		t.Fatal(err)
	}
	p, err := w.Read(t.Context(), scores, day)
	if failure.ClassOf(err) != failure.Environment {
		t.Errorf("got %d rows, %v (%v), want an environment error", len(p.Rows), err, failure.ClassOf(err))
	}
}

func TestAPartitionLargerThanAPageIsRefused(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{MaxPageRows: 4})
	w := s.open()
	create(t, w)
	replace(t, w, 1, version(day, 1))
	if p, err := w.Read(t.Context(), scores, day); failure.ClassOf(err) != failure.Permanent ||
		failure.ReasonOf(err) != "partition_too_large" {
		t.Errorf("got %d rows, %v, want a permanent error, partition_too_large", len(p.Rows), err)
	}
	if err := w.ReadRange(t.Context(), scores, gamedate.Range{From: day, To: day}, func(_ gamedate.Date,
		rows []table.Row) error {
		if len(rows) != 5 { // pages of a query's result are of one moment
			t.Errorf("range: got %d rows, want 5", len(rows))
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestLoadRefusesTargets(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	w := s.open(func(o *bigquerywarehouse.Options) { o.TargetDatasets = []string{"suite"} })
	create(t, w)
	_, err := w.Load(t.Context(), scores, nil,
		func(yield func(table.Row) error) error { return yield(version(day, 1)[0]) })
	if err == nil {
		t.Error("got no error, want one")
	}
	want(t, w, nil)
}
