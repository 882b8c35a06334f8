package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gamefill/test/league"
)

// channel is a webhook that keeps the first lines of what it is told; file holds its address.
type channel struct {
	file string

	mu    sync.Mutex // guards told
	told  []string
	reads int // of told, by news
}

// secretPath is the part of a webhook's address that must not be seen.
const secretPath = "services/T000/XyZsecret"

// newChannel opens a channel that answers every message with status.
func newChannel(t *testing.T, status int) *channel {
	t.Helper()
	c := &channel{file: filepath.Join(t.TempDir(), "webhook")}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var payload struct{ Text string }
		_ = json.NewDecoder(r.Body).Decode(&payload)
		title, _, _ := strings.Cut(payload.Text, "\n")
		c.mu.Lock()
		c.told = append(c.told, strings.Trim(title, "*"))
		c.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	if err := os.WriteFile(c.file, []byte(server.URL+"/"+secretPath+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// news wants just these texts, one in each title told since the last call, in any order.
func (c *channel) news(t *testing.T, after string, texts ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := c.told[c.reads:]
	c.reads = len(c.told)
	if len(fresh) != len(texts) {
		t.Errorf("told after %s: got %q, want %q", after, fresh, texts)
		return
	}
	contains(t, strings.Join(fresh, "\n"), texts...)
}

func TestCommandsTell(t *testing.T) {
	t.Parallel()
	d, c := loaded(t, league.Options{Dates: 4}), newChannel(t, http.StatusOK)
	notified := []string{"--notify-webhook-file", c.file}
	do := func(code int, args ...string) { d.want(code, append(args, notified...)...) }

	do(exitDone, append([]string{"publish"}, d.span()...)...)
	c.news(t, "publish", "has begun: 4 dates")
	do(exitDone, "pause", "--reason", "lunch")
	c.news(t, "pause", "is paused")
	do(exitDone, "resume", "--reason", "back")
	do(exitDone, append([]string{"run"}, d.span()...)...)
	c.news(t, "run", "is finished: pass")
	do(exitDone, "validate")
	do(exitDone, append([]string{"run"}, d.span()...)...)
	c.news(t, "another validate and an idle run")
	do(exitDone, "rollback", "--run", d.newestRun(), "--reason", "a test", "--dry-run")
	c.news(t, "a dry run")
	do(exitDone, "rollback", "--run", d.newestRun(), "--reason", "a test")
	c.news(t, "rollback", "4 dates were put back")

	do(exitDone, append([]string{"sample", "--rolled-back"}, d.span()...)...)
	c.news(t, "sample", "has begun: a sample of", "is judged: pass")
	do(exitDone, "cancel", "--reason", "enough")
	c.news(t, "cancel", "is cancelled")
}

// A webhook that refuses everything fails no command and is not shown.
func TestCommandsGoOnUntold(t *testing.T) {
	t.Parallel()
	d, c := loaded(t, league.Options{Dates: 2}), newChannel(t, http.StatusServiceUnavailable)
	var shown string
	for _, args := range [][]string{append([]string{"publish"}, d.span()...), append([]string{"run"}, d.span()...)} {
		r := d.want(exitDone, append(args, "--notify-webhook-file", c.file)...)
		if n := strings.Count(r.errout, "503 Service Unavailable"); n == 0 {
			t.Errorf("%s: got %q on standard error, want it to say that nobody was told", args[0], r.errout)
		}
		shown += r.out + r.errout
	}
	r := d.want(exitDone, "rollback", "--run", d.newestRun(), "--reason", "a test", "--notify-webhook-file", c.file)
	contains(t, r.errout, "nobody was told")
	if shown += r.out + r.errout; strings.Contains(shown, secretPath) {
		t.Errorf("got %q, which shows the webhook's address", shown)
	}
}

func TestNotifyTest(t *testing.T) {
	t.Parallel()
	works, refuses := newChannel(t, http.StatusOK), newChannel(t, http.StatusForbidden)
	tests := []struct {
		name string
		args []string
		code int
		out  string // on standard output or error
	}{
		{"arrives", []string{"--test", "--notify-webhook-file", works.file}, exitDone, "has arrived at http://127.0.0.1"},
		{"refused", []string{"--test", "--notify-webhook-file", refuses.file}, exitError, "403 Forbidden"},
		{"nobody", []string{"--test"}, exitUsage, "GAMEFILL_NOTIFY_WEBHOOK"},
		{"no such file", []string{"--test", "--notify-webhook-file", works.file + "s"}, exitUsage, "no such file"},
		{"nothing to do", nil, exitUsage, "--test"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := cli(t.Context(), append([]string{"notify"}, tt.args...)...)
			if r.code != tt.code {
				t.Errorf("got exit code %d, want %d", r.code, tt.code)
			}
			contains(t, r.out+r.errout, tt.out)
			if strings.Contains(r.out+r.errout, secretPath) {
				t.Errorf("got %q, which shows the webhook's address", r.out+r.errout)
			}
		})
	}
}

// A webhook that cannot be opened stops a command before it changes anything.
func TestBadWebhookIsUsage(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 1})
	d.want(exitUsage, append([]string{"publish", "--notify-webhook-file", d.db + ".none"}, d.span()...)...)
	var runs []runView
	if d.document(exitDone, &runs, "runs"); len(runs) != 0 {
		t.Errorf("runs: got %+v, want none", runs)
	}
}
