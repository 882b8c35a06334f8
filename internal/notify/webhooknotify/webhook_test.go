package webhooknotify_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gamefill/internal/notify"
	"gamefill/internal/notify/webhooknotify"
)

// secret is the part of the address that must not be seen.
const secret = "T000/B000/XyZsecret"

func open(t *testing.T, server *httptest.Server, o webhooknotify.Options) *webhooknotify.Webhook {
	t.Helper()
	w, err := webhooknotify.New(server.URL+"/services/"+secret, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestNotify(t *testing.T) {
	t.Parallel()
	type request struct{ method, path, kind, body string }
	got := make(chan request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Method, r.URL.Path, r.Header.Get("Content-Type"), string(body)}
	}))
	t.Cleanup(server.Close)
	m := notify.Message{Kind: notify.Started, Run: "r1", Title: "Run r1 has <begun> & goes on",
		Lines: []string{"1 > 0", "reason “é”"}}
	if err := open(t, server, webhooknotify.Options{}).Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r := <-got
	if r.method != http.MethodPost || r.path != "/services/"+secret || r.kind != "application/json" {
		t.Errorf("request: got %+v, want a JSON POST to the whole address", r)
	}
	var payload map[string]string
	if err := json.Unmarshal([]byte(r.body), &payload); err != nil {
		t.Fatal(err)
	}
	if want := "*Run r1 has &lt;begun&gt; &amp; goes on*\n1 &gt; 0\nreason “é”"; len(payload) != 1 ||
		payload["text"] != want {
		t.Errorf("payload: got %q, want the text %q alone", payload, want)
	}
}

func TestLongTextIsClipped(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var payload struct{ Text string }
		_ = json.NewDecoder(r.Body).Decode(&payload)
		got <- payload.Text
	}))
	t.Cleanup(server.Close)
	m := notify.Message{Title: "t", Lines: []string{strings.Repeat("é", 3000)}}
	if err := open(t, server, webhooknotify.Options{}).Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if s := <-got; len(s) > 3500 || len(s) < 3490 || !utf8.ValidString(s) || !strings.HasSuffix(s, "é…") {
		t.Errorf("got %d bytes ending in %q, want at most 3500 whole characters and an ellipsis", len(s), s[len(s)-8:])
	}
}

// Whatever goes wrong, the error says what and hides where.
func TestFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"refused", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "invalid_payload", http.StatusBadRequest) },
			"answered 400 Bad Request: invalid_payload"},
		{"gone", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no_service", http.StatusNotFound)
		}, "no_service"},
		{"too fast", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, "429"},
		{"moved", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, "302"},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(tt.handler)
			t.Cleanup(server.Close)
			err := open(t, server, webhooknotify.Options{}).Notify(t.Context(), notify.Message{Title: "t"})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want one with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("error %q shows the secret", err)
			}
		})
	}
}

// A service that never answers is given up on, by the bound or by the caller.
func TestSilentService(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		timeout time.Duration
		cancel  bool
		want    error
	}{
		{"bound", time.Millisecond, false, context.DeadlineExceeded},
		{"caller", time.Hour, true, context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if tt.cancel {
					cancel()
				}
				<-ended
			}))
			t.Cleanup(server.Close)
			t.Cleanup(func() { close(ended) }) // before the server waits for its handler
			t.Cleanup(cancel)
			err := open(t, server, webhooknotify.Options{Timeout: tt.timeout}).Notify(ctx, notify.Message{Title: "t"})
			if !errors.Is(err, tt.want) {
				t.Fatalf("got error %v, want %v", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("error %q shows the secret", err)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "hooks.example.com/" + secret, "ftp://example.com/" + secret,
		"https:///" + secret, "https://example.com/%zz" + secret} {
		if _, err := webhooknotify.New(address, webhooknotify.Options{}); err == nil ||
			strings.Contains(err.Error(), secret) {
			t.Errorf("%q: got error %v, want one without the secret", address, err)
		}
	}
	w, err := webhooknotify.New(" https://hooks.example.com/services/"+secret+"\n", webhooknotify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := w.String(), "https://hooks.example.com/…"; got != want {
		t.Errorf("shown: got %q, want %q", got, want)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "webhook")
	if err := os.WriteFile(file, []byte("https://file.example.com/"+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, file, variable string
		want                 string // "": none
		err                  string
	}{
		{"nothing", "", "", "", ""},
		{"environment", "", "https://env.example.com/" + secret, "https://env.example.com/…", ""},
		{"file before environment", file, "https://env.example.com/" + secret, "https://file.example.com/…", ""},
		{"no such file", file + "s", "", "", "no such file"},
		{"empty file", empty, "", "", "not an http or https URL"},
		{"bad variable", "", "secret.example.com/" + secret, "", webhooknotify.AddressVariable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, ok, err := webhooknotify.Open(tt.file, func(name string) string {
				if name == webhooknotify.AddressVariable {
					return tt.variable
				}
				return ""
			}, webhooknotify.Options{})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), secret) {
					t.Errorf("got error %v, want one with %q and without the secret", err, tt.err)
				}
				return
			}
			if err != nil || ok != (tt.want != "") || ok && w.String() != tt.want {
				t.Errorf("got %v, %v, %v, want %q", w, ok, err, tt.want)
			}
		})
	}
}
