package queue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/internal/queue"
)

func TestEnvelopeMessage(t *testing.T) {
	t.Parallel()
	e := queue.Envelope{Job: "player_game_summary", Run: "r1", Date: gamedate.MustParse("2022-01-15"), Seq: 7}
	m := e.Message()
	if got, want := string(m.Body), `{"v":1,"job":"player_game_summary","run":"r1","date":"2022-01-15"}`; got != want {
		t.Errorf("body: got %s, want %s", got, want)
	}
	want := map[string]string{"job": "player_game_summary", "run": "r1", "date": "2022-01-15", "seq": "7"}
	if diff := cmp.Diff(want, m.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	got, err := queue.ParseEnvelope(m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
}

func TestParseEnvelope(t *testing.T) {
	t.Parallel()
	january := func(day int) queue.Envelope {
		return queue.Envelope{Job: "player_game_summary", Run: "r1", Date: gamedate.Date{Year: 2022, Month: 1, Day: day}}
	}
	seq := january(15)
	seq.Seq = 12
	tests := []struct {
		name, body string
		attributes map[string]string
		want       queue.Envelope
		reason     string // of the *EnvelopeError; "" when the message can be read
		detail     string // what the error must name
	}{
		{name: "plain", body: `{"v":1,"job":"player_game_summary","run":"r1","date":"2022-01-15"}`, want: january(15)},
		{name: "white space around it",
			body: "\n {\"v\" : 1,\"job\":\"player_game_summary\",\"run\":\"r1\",\"date\":\"2022-01-15\"}\r\n",
			want: january(15)},
		{name: "field of a later version of the publisher",
			body: `{"v":1,"job":"player_game_summary","run":"r1","date":"2022-01-16","colour":{"deep":[1]}}`, want: january(16)},
		{name: "attributes of others", body: `{"v":1,"job":"player_game_summary","run":"r1","date":"2022-01-17"}`,
			attributes: map[string]string{"traceparent": "00-1"}, want: january(17)},
		{name: "seq", body: `{"v":1,"job":"player_game_summary","run":"r1","date":"2022-01-15"}`,
			attributes: map[string]string{"seq": "12"}, want: seq},
		{name: "a job this build does not have", body: `{"v":1,"job":"other_job","run":"r1","date":"2022-01-15"}`,
			want: queue.Envelope{Job: "other_job", Run: "r1", Date: gamedate.MustParse("2022-01-15")}},

		{name: "empty", body: "", reason: "empty"},
		{name: "white space", body: " \n\t", reason: "empty"},
		{name: "word", body: "hello", reason: "not JSON"},
		{name: "cut off", body: `{"v":1,"job":"player_game_summary","run":"r1","date":"2022-01`, reason: "not JSON"},
		{name: "two values", body: `{"v":1} {"v":1}`, reason: "not JSON"},
		{name: "array", body: `["2022-01-15"]`, reason: "not an object"},
		{name: "number", body: `20220115`, reason: "not an object"},
		{name: "null", body: `null`, reason: "not an object"},
		{name: "not UTF-8", body: "{\"v\":1,\"date\":\"\xff\xfe\"}", reason: "not UTF-8"},
		{name: "version missing", body: `{"job":"player_game_summary","run":"r1","date":"2022-01-15"}`,
			reason: "version missing"},
		{name: "version null", body: `{"v":null,"job":"player_game_summary","run":"r1","date":"2022-01-15"}`,
			reason: "unsupported version"},
		{name: "next version", body: `{"v":2,"job":"player_game_summary","run":"r1","date":"2022-01-15"}`,
			reason: "unsupported version", detail: "v is 2, this build reads 1"},
		{name: "version as text", body: `{"v":"1","job":"player_game_summary","run":"r1","date":"2022-01-15"}`,
			reason: "unsupported version"},
		{name: "job missing", body: `{"v":1,"run":"r1","date":"2022-01-15"}`, reason: "job missing"},
		{name: "job empty", body: `{"v":1,"job":"","run":"r1","date":"2022-01-15"}`, reason: "job missing"},
		{name: "job is a number", body: `{"v":1,"job":7,"run":"r1","date":"2022-01-15"}`, reason: "job is not text"},
		{name: "run missing", body: `{"v":1,"job":"player_game_summary","date":"2022-01-15"}`, reason: "run missing"},
		{name: "run is an object", body: `{"v":1,"job":"player_game_summary","run":{},"date":"2022-01-15"}`,
			reason: "run is not text"},
		{name: "date missing", body: `{"v":1,"job":"player_game_summary","run":"r1"}`, reason: "date missing"},
		{name: "date null", body: `{"v":1,"job":"player_game_summary","run":"r1","date":null}`, reason: "date missing"},
		{name: "date is a number", body: `{"v":1,"job":"player_game_summary","run":"r1","date":20220115}`,
			reason: "date is not text"},
		{name: "no such date", body: `{"v":1,"job":"player_game_summary","run":"r1","date":"2022-02-30"}`, reason: "bad date",
			detail: "no such date"},
		{name: "instant", body: `{"v":1,"job":"player_game_summary","run":"r1","date":"2022-01-15T00:00:00Z"}`,
			reason: "bad date", detail: "without a time of day"},
		{name: "American date", body: `{"v":1,"job":"player_game_summary","run":"r1","date":"01/15/2022"}`,
			reason: "bad date", detail: "YYYY-MM-DD"},
		{name: "past the calendar", body: `{"v":1,"job":"player_game_summary","run":"r1","date":"2099-01-01"}`,
			reason: "bad date", detail: "outside the calendar"},
		{name: "seq is no number", body: `{"v":1,"job":"player_game_summary","run":"r1","date":"2022-01-15"}`,
			attributes: map[string]string{"seq": "x"}, reason: "bad seq", detail: `"x"`},
		{name: "seq below zero", body: `{"v":1,"job":"player_game_summary","run":"r1","date":"2022-01-15"}`,
			attributes: map[string]string{"seq": "-1"}, reason: "bad seq"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := queue.ParseEnvelope(queue.Message{Body: []byte(tt.body), Attributes: tt.attributes})
			if tt.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("envelope (-want +got):\n%s", diff)
				}
				return
			}
			unreadable, ok := errors.AsType[*queue.EnvelopeError](err)
			if !ok {
				t.Fatalf("got %v, %v, want an *EnvelopeError", got, err)
			}
			if unreadable.Reason != tt.reason || !strings.Contains(err.Error(), tt.detail) ||
				!strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got %v, want reason %q naming %q", err, tt.reason, tt.detail)
			}
		})
	}
}

func FuzzParseEnvelope(f *testing.F) {
	f.Add([]byte(`{"v":1,"job":"player_game_summary","run":"r1","date":"2022-01-15"}`), "3")
	f.Add([]byte(`{"V":1,"JOB":"j","v":1,"run":"r","date":"2022-01-15"}`), "")
	f.Add([]byte(`["2022-01-15"]`), "x")
	f.Add([]byte("{\"v\":1,\"date\":\"\xff\"}"), "-1")
	f.Add([]byte(`{"v":1,"job":"\ud800","run":"r","date":"2022-01-15"}`), "+5")
	f.Fuzz(func(t *testing.T, body []byte, seq string) {
		m := queue.Message{Body: body, Attributes: map[string]string{queue.AttrSeq: seq}}
		e, err := queue.ParseEnvelope(m)
		if err != nil {
			if unreadable, ok := errors.AsType[*queue.EnvelopeError](err); !ok || unreadable.Reason == "" {
				t.Fatalf("got %v, want an *EnvelopeError with a reason", err)
			}
			return
		}
		if e.Job == "" || e.Run == "" || e.Date.IsZero() || e.Seq < 0 {
			t.Fatalf("incomplete: %+v", e)
		}
		again, err := queue.ParseEnvelope(e.Message())
		if err != nil || again != e {
			t.Errorf("round trip: got %+v, %v, want %+v", again, err, e)
		}
	})
}
