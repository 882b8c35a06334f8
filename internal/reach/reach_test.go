package reach_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"gamefill/internal/failure"
	"gamefill/internal/reach"
	"gamefill/test/emulator"
)

// listen takes connections until the test ends, and does with each what accepted says.
func listen(t *testing.T, accepted func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().String()
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	silent := listen(t, func(net.Conn) {})
	tests := []struct {
		name, address, why string
		within             time.Duration // long enough for several refusals on a busy machine
	}{
		{"nobody listens", "127.0.0.1:1", "connect: connection refused", 2 * time.Second},
		{"no answer", silent, "no answer from " + silent + " within 50ms", 50 * time.Millisecond},
	}
	for _, tt := range tests {
		for _, scheme := range []string{"grpc", "http", "https"} {
			t.Run(tt.name+", "+scheme, func(t *testing.T) {
				t.Parallel()
				s := reach.New(reach.Options{Name: "the ledger x", URL: scheme + "://" + tt.address, Advice: "start it",
					Within: tt.within})
				err := s.Check(t.Context())
				if err == nil {
					t.Fatal("got no error, want one")
				}
				text := err.Error()
				if !strings.HasPrefix(text, "the ledger x cannot be reached: ") || !strings.Contains(text, tt.why) ||
					!strings.HasSuffix(text, "; start it") || strings.Contains(text, "\n") {
					t.Errorf("got %q, want one sentence with %q", text, tt.why)
				}
				if failure.ClassOf(err) != failure.Transient || failure.ReasonOf(err) != "unreachable" {
					t.Errorf("got %v, %s, want transient, unreachable", failure.ClassOf(err), failure.ReasonOf(err))
				}
			})
		}
	}
}

// TestReachable: any answer is one.
func TestReachable(t *testing.T) {
	t.Parallel()
	refusing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	plain, secure := httptest.NewServer(refusing), httptest.NewTLSServer(refusing) // of a certificate that nobody knows
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	for name, url := range map[string]func(*testing.T) string{
		"http":        func(*testing.T) string { return plain.URL },
		"https":       func(*testing.T) string { return secure.URL },
		"grpc":        func(*testing.T) string { return "grpc://" + l.Addr().String() },
		"hangs up":    func(t *testing.T) string { return "grpc://" + listen(t, func(c net.Conn) { _ = c.Close() }) },
		"firestore":   func(t *testing.T) string { return "grpc://" + emulator.Firestore(t) },
		"pubsub":      func(t *testing.T) string { return "grpc://" + emulator.PubSub(t) },
		"not grpc":    func(*testing.T) string { return strings.Replace(plain.URL, "http", "grpc", 1) },
		"a wrong TLS": func(*testing.T) string { return strings.Replace(plain.URL, "http", "https", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := reach.New(reach.Options{Name: "x", URL: url(t)}).Check(t.Context()); err != nil {
				t.Errorf("got %v, want nil", err)
			}
		})
	}
}

func TestAskedOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	s := reach.New(reach.Options{Name: "x", URL: server.URL})
	for range 2 {
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	}
	server.Close()
	if err := s.Check(t.Context()); err != nil || asked.Load() != 1 {
		t.Errorf("got %v after %d requests, want nil after 1: later troubles are the calls' own", err, asked.Load())
	}
	silent := reach.New(
		reach.Options{Name: "x", URL: "http://" + listen(t, func(net.Conn) {}), Within: 50 * time.Millisecond})
	if first, second := silent.Check(t.Context()), silent.Check(t.Context()); first == nil || second != first {
		t.Errorf("got %v, then %v, want the same error without another look", first, second)
	}
}

func TestNothingToAsk(t *testing.T) {
	t.Parallel()
	if err := (*reach.Service)(nil).Check(t.Context()); err != nil {
		t.Errorf("no service: got %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := reach.New(reach.Options{Name: "x", URL: "http://" + listen(t, func(net.Conn) { cancel() }), Within: time.Hour})
	if err := s.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
}
