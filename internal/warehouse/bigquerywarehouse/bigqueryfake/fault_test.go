package bigqueryfake_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/googleapi"

	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/internal/warehouse/bigquerywarehouse/statement"
)

func TestFaultsOfALoad(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault bigqueryfake.Fault
		code  int // of the refusal; -1 when the connection breaks, 0 when the job is taken and fails
		taken bool
	}{
		{"unavailable", bigqueryfake.Unavailable(), http.StatusServiceUnavailable, false},
		{"unavailable after", bigqueryfake.UnavailableAfter(), http.StatusServiceUnavailable, true},
		{"hang up", bigqueryfake.HangUp(), -1, true},
		{"cut reply", bigqueryfake.CutReply(), -1, true},
		{"broken upload", bigqueryfake.BreakUpload(), -1, false},
		{"rate", bigqueryfake.RateLimited(), http.StatusForbidden, false},
		{"quota", bigqueryfake.QuotaExceeded(), http.StatusForbidden, false},
		{"backend", bigqueryfake.BackendError(), http.StatusInternalServerError, false},
		{"too many", bigqueryfake.Refuse(http.StatusTooManyRequests, "rateLimitExceeded", "slow down"),
			http.StatusTooManyRequests, false},
		{"failed job", bigqueryfake.FailJob("backendError", "try again"), 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bigqueryfake.Options{})
			w.fake.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad}, 1, tt.fault)
			_, err := run(t.Context(), w.loader("box$20220115", "a", bigquery.WriteTruncate, aRow).Run)
			refused, isRefusal := err.(*googleapi.Error)
			switch {
			case err == nil:
				t.Errorf("got no error")
			case tt.code > 0 && (!isRefusal || refused.Code != tt.code), tt.code < 0 && isRefusal:
				t.Errorf("got %v, want code %d", err, tt.code)
			case tt.code == 0:
				wantRefused(t, err, 0, "backendError", "try again")
			}
			if got := w.fake.Pending(); got != 0 {
				t.Errorf("got %d faults left, want 0", got)
			}
			job, err := w.client.JobFromIDLocation(t.Context(), "a", location)
			if !tt.taken {
				wantRefused(t, err, http.StatusNotFound, "notFound", "Not found: Job")
				w.load("box$20220115", "a", bigquery.WriteTruncate, aRow) // the id is free
				return
			}
			if err != nil || !job.LastStatus().Done() {
				t.Fatalf("got %v, %v, want the job", job, err)
			}
			want := 1
			if tt.code == 0 {
				want = 0
			}
			if rows := read(t, w.box.Read(t.Context())); len(rows) != want {
				t.Errorf("got %d rows, want %d", len(rows), want)
			}
		})
	}
}

func TestFaultsMeetWhatTheyMatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	w.fake.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad, Table: "box", Partition: "20220116"}, 1,
		bigqueryfake.FailJob("invalid", "as told"))
	w.load("box$20220115", "a", bigquery.WriteTruncate, aRow)
	_, err := run(t.Context(),
		w.loader("box$20220116", "b", bigquery.WriteTruncate, `{"day":"2022-01-16","player":"x"}`).Run)
	wantRefused(t, err, 0, "invalid", "as told")
	w.fake.FailNext(bigqueryfake.Match{Kind: bigqueryfake.TablesGet}, 1,
		bigqueryfake.Refuse(http.StatusForbidden, "forbidden", "as told"))
	_, err = w.box.Metadata(t.Context())
	wantRefused(t, err, http.StatusForbidden, "forbidden", "as told")
	w.fake.FailNext(bigqueryfake.Match{}, 1, bigqueryfake.Unavailable())
	w.fake.ClearFaults()
	if _, err := w.box.Metadata(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLostReplyOfAQueryIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	w.fake.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsQuery}, 1, bigqueryfake.UnavailableAfter())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	it, err := w.query(statement.Statement{Name: statement.Occupy}, nil).Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if rows := read(t, it); len(rows) != 1 {
		t.Errorf("got %d rows, want 1", len(rows))
	}
	var ids []string
	for _, r := range w.fake.Audit() {
		if r.Kind == bigqueryfake.JobsQuery {
			ids = append(ids, r.JobID)
		}
	}
	if len(ids) != 2 || ids[0] != ids[1] || ids[0] == "" {
		t.Errorf("got jobs %q, want one job asked for twice", ids)
	}
}

func TestAbortedUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bigqueryfake.Options{})
	w.fake.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsUpload}, 1, bigqueryfake.HangUp())
	source := bigquery.NewReaderSource(strings.NewReader(strings.Repeat(aRow+"\n", 20_000)))
	source.SourceFormat = bigquery.JSON
	l := w.box.LoaderFrom(source)
	l.JobID, l.MediaOptions = "a", []googleapi.MediaOption{googleapi.ChunkSize(googleapi.MinUploadChunkSize)}
	if _, err := l.Run(t.Context()); err == nil {
		t.Error("got no error")
	}
	if rows := read(t, w.box.Read(t.Context())); len(rows) != 0 {
		t.Errorf("got %d rows, want none", len(rows))
	}
}
