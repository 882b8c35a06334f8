package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gamefill/test/league"
)

func TestWorkerTells(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 2})
	_, id := s.publish(t)
	told := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- r.URL.Path + " " + string(body)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "webhook")
	if err := os.WriteFile(file, []byte(server.URL+"/secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errout := cli(t.Context(),
		append([]string{"--drain", "--log", "json", "--notify-webhook-file", file}, s.flags...)...)
	if code != 0 {
		t.Fatalf("got exit code %d, want 0\n%s", code, errout)
	}
	if len(told) != 1 {
		t.Fatalf("got %d messages, want one", len(told))
	}
	contains(t, <-told, "/secret", "Run "+id, "has begun: 2 dates")
	contains(t, errout, `"webhook":"`+server.URL+`/…"`)
	if strings.Contains(errout, "/secret") {
		t.Errorf("log shows the webhook's address:\n%s", errout)
	}
}

func TestBadWebhookIsUsage(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 1})
	code, _, errout := cli(t.Context(),
		append([]string{"--drain", "--notify-webhook-file", filepath.Join(t.TempDir(), "none")}, s.flags...)...)
	if code != 2 {
		t.Errorf("got exit code %d, want 2", code)
	}
	contains(t, errout, "no such file")
}
