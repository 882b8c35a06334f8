package bigqueryfake_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"

	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

const aRow = `{"day":"2022-01-15","player":"x"}`

// clock is a clock that tests set.
type clock struct{ millis atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.millis.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) Now() time.Time          { return time.UnixMilli(c.millis.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.millis.Add(d.Milliseconds()) }

func TestJobsAreFoundInTheirLocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	l := w.loader("box$20220115", "a", bigquery.WriteTruncate, aRow)
	l.Labels = map[string]string{"generation": "3"}
	if _, err := run(t.Context(), l.Run); err != nil {
		t.Fatal(err)
	}
	job, err := w.client.JobFromIDLocation(t.Context(), "a", location)
	if err != nil {
		t.Fatal(err)
	}
	config, err := job.Config()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.(*bigquery.LoadConfig); got.Dst.TableID != "box$20220115" || got.Labels["generation"] != "3" ||
		job.LastStatus().State != bigquery.Done {
		t.Errorf("got %+v", got)
	}
	_, err = w.client.JobFromIDLocation(t.Context(), "a", "US")
	wantRefused(t, err, http.StatusNotFound, "notFound", "Not found: Job league-1:US.a")
	w.client.Location = ""
	_, err = w.client.JobFromID(t.Context(), "a")
	wantRefused(t, err, http.StatusNotFound, "notFound", "Not found: Job league-1:a")
}

func TestHeldJobs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		fault  bigqueryfake.Fault
		state  bigquery.State
		end    func(*testing.T, *world, *clock, *bigquery.Job)
		reason string // of the error of the job, "" for success
	}{
		{"released", bigqueryfake.HoldRunning(), bigquery.Running, func(*testing.T, *world, *clock, *bigquery.Job) {}, ""},
		{"queued", bigqueryfake.HoldPending(), bigquery.Pending, func(*testing.T, *world, *clock, *bigquery.Job) {}, ""},
		{"cancelled", bigqueryfake.HoldRunning(), bigquery.Running, cancel, "stopped"},
		{"cancelled in vain", bigqueryfake.HoldRunning().Stubborn(), bigquery.Running, cancel, ""},
		{"timed out", bigqueryfake.HoldPending(), bigquery.Pending,
			func(_ *testing.T, _ *world, c *clock, _ *bigquery.Job) { c.advance(time.Minute) }, "timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			w := newWorld(t, bigqueryfake.Options{Now: c.Now})
			w.fake.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad, Table: "box", Partition: "20220115"},
				1, tt.fault)
			l := w.loader("box$20220115", "held", bigquery.WriteTruncate, aRow)
			l.JobTimeout = 30 * time.Second
			job, err := l.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			status, err := job.Status(t.Context())
			if err != nil || status.State != tt.state {
				t.Errorf("got state %v, %v, want %v", status, err, tt.state)
			}
			if rows := read(t, w.box.Read(t.Context())); len(rows) != 0 {
				t.Errorf("got %d rows while the job is held, want 0", len(rows))
			}
			tt.end(t, w, c, job)
			if held := w.fake.Held(); tt.reason == "" && (len(held) != 1 || held[0] != "held") {
				t.Errorf("got held jobs %v, want the one", held)
			}
			w.fake.Release("held")
			if status, err = job.Status(t.Context()); err != nil || !status.Done() {
				t.Fatalf("got %v, %v, want a job that is done", status, err)
			}
			rows := read(t, w.box.Read(t.Context()))
			if tt.reason == "" {
				if status.Err() != nil || len(rows) != 1 {
					t.Errorf("got %v and %d rows, want 1", status.Err(), len(rows))
				}
				return
			}
			wantRefused(t, status.Err(), 0, tt.reason, "")
			if len(rows) != 0 {
				t.Errorf("got %d rows, want 0", len(rows))
			}
		})
	}
}

func cancel(t *testing.T, _ *world, _ *clock, job *bigquery.Job) {
	t.Helper()
	if err := job.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	c := newClock()
	w := newWorld(t, bigqueryfake.Options{Now: c.Now, ModificationsPer10s: 2, ModificationsPerDay: 4})
	load := func(id string) error {
		_, err := run(t.Context(), w.loader("box$20220115", id, bigquery.WriteTruncate, aRow).Run)
		return err
	}
	for _, id := range []string{"a1", "a2"} {
		if err := load(id); err != nil {
			t.Fatal(err)
		}
	}
	wantRefused(t, load("a3"), 0, "rateLimitExceeded", "too many table update operations")
	c.advance(10 * time.Second)
	_, err := run(t.Context(), w.loader("box$20220115", "bad", bigquery.WriteTruncate, `{}`).Run)
	wantRefused(t, err, 0, "invalid", "") // counts
	if err := load("b1"); err != nil {
		t.Fatal(err)
	}
	c.advance(10 * time.Second)
	wantRefused(t, load("c1"), 0, "quotaExceeded", "Number of partition modifications")
	wantRefused(t, w.table("box$20220115").Delete(t.Context()), http.StatusForbidden, "quotaExceeded", "")
	c.advance(24 * time.Hour)
	if err := load("d1"); err != nil {
		t.Errorf("next day: %v", err)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	load := func(id string) error {
		_, err := run(t.Context(), w.loader("box$20220115", id, bigquery.WriteTruncate, aRow).Run)
		return err
	}
	tests := []struct {
		permission, resource string
		call                 func() error
		words                string
	}{
		{"bigquery.jobs.create", project, func() error { return load("a") },
			"Access Denied: Project league-1: User does not have bigquery.jobs.create permission in project league-1."},
		{"bigquery.tables.updateData", project + ".nba.box", func() error { return load("b") },
			"Access Denied: Table league-1:nba.box: Permission bigquery.tables.updateData denied on table league-1:nba.box " +
				"(or it may not exist)."},
		{"bigquery.tables.get", project + ".nba", func() error {
			_, err := w.box.Metadata(t.Context())
			return err
		}, "Permission bigquery.tables.get denied on table"},
		{"bigquery.datasets.get", project + ".nba", func() error {
			_, err := w.client.Dataset("nba").Metadata(t.Context())
			return err
		},
			"Access Denied: Dataset league-1:nba: Permission bigquery.datasets.get denied on dataset"},
	}
	for _, tt := range tests {
		allow := w.fake.Deny(tt.permission, tt.resource)
		wantRefused(t, tt.call(), http.StatusForbidden, "accessDenied", tt.words)
		allow()
		if err := tt.call(); err != nil {
			t.Errorf("%s given back: %v", tt.permission, err)
		}
	}
}
