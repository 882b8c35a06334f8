package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"gamefill/test/league"
)

// drainTraced drains the site with a worker process that exports traces to endpoint, and returns what it logged.
func (s *site) drainTraced(t *testing.T, endpoint string) (log string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], append([]string{"--drain", "--log", "json"}, s.flags...)...)
	command.Env = append(os.Environ(), asWorker+"=1", "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint,
		"GOOGLE_CLOUD_PROJECT=a-project")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("worker: %v\n%s", err, out)
	}
	return string(out)
}

// TestTracesReachCollector runs a worker process beside a collector, and looks for the spans that its log lines name.
func TestTracesReachCollector(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 3})
	_, run := s.publish(t)
	var mu sync.Mutex // guards spans
	var spans bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path != "/v1/traces" {
			t.Errorf("got a request for %s, want /v1/traces", r.URL.Path)
		}
		if _, err := io.Copy(&spans, r.Body); err != nil {
			t.Error(err)
		}
	}))
	defer collector.Close()
	log := s.drainTraced(t, collector.URL)
	mu.Lock()
	defer mu.Unlock()
	contains(t, spans.String(), "gamefill-worker", run, "attempt", "read_back", "replaced")
	complete := 0
	for line := range strings.Lines(log) {
		var l struct {
			Message string
			Trace   string `json:"logging.googleapis.com/trace"`
			Span    string `json:"logging.googleapis.com/spanId"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("not a line of JSON: %s", line)
		}
		if l.Message != "date complete" {
			continue
		}
		complete++
		id, ok := strings.CutPrefix(l.Trace, "projects/a-project/traces/")
		for _, text := range []string{id, l.Span} {
			raw, err := hex.DecodeString(text)
			if !ok || err != nil || len(raw) == 0 || !bytes.Contains(spans.Bytes(), raw) {
				t.Errorf("no span is that of the line %s", line)
			}
		}
	}
	if complete != 3 {
		t.Errorf("got %d dates complete, want 3:\n%s", complete, log)
	}
}

// TestSilentCollector: a collector that never answers costs the last spans, and neither a date nor the exit code.
func TestSilentCollector(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 1})
	s.publish(t)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer collector.Close()
	contains(t, s.drainTraced(t, collector.URL), `"message":"date complete"`, `"error":"export the last spans: context deadline exceeded"`)
}
