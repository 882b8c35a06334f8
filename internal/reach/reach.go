// Package reach says whether a remote service can be reached at all. Client libraries repeat a call that nobody answers
// for half a minute and more, and then tell only that time has run out; an adapter asks here before its first call, so
// that an operator soon hears which address it is and why.
//
// Any answer is enough, a refusal too: rights, names and everything else show in the calls themselves. A service that
// has been reached once is not asked again.
package reach

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"gamefill/internal/failure"
)

// defaultWithin leaves a busy network time for a few connections, and an emulator that was just started time to listen.
const defaultWithin = 10 * time.Second

// pause is between two tries.
const pause = 250 * time.Millisecond

// remembered is for how long the end of a look is told to others instead of looking again: what waits for several calls
// at once does not wait for each of them.
const remembered = 10 * time.Second

// Reason is the reason code of the error that a service cannot be reached.
const Reason = "unreachable"

// Options describe a service.
type Options struct {
	// Name is the service in messages: "the ledger firestore://project".
	Name string
	// URL is where it is: https://HOST or http://HOST:PORT, or grpc://HOST:PORT for gRPC without TLS, as emulators have
	// it.
	URL string
	// Advice ends the message: what to do when it cannot be reached.
	Advice string
	// Within bounds a look. Default 10 s.
	Within time.Duration
}

// Service is a remote service. A nil Service counts as reached. It is safe for concurrent use.
type Service struct {
	o       Options
	client  *http.Client
	reached atomic.Bool

	// looking holds a value while somebody looks; the holder alone uses failed and at.
	looking chan struct{}
	failed  error
	at      time.Time // of failed
}

// New describes a service; it makes no call.
func New(o Options) *Service {
	if o.Within == 0 {
		o.Within = defaultWithin
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	if host, ok := strings.CutPrefix(o.URL, "grpc://"); ok {
		o.URL = "http://" + host
		transport.Proxy = nil // those for HTTP are none for HTTP/2 without TLS
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Service{o: o, client: &http.Client{Transport: transport, CheckRedirect: noRedirect},
		looking: make(chan struct{}, 1)}
}

// Check returns nil once the service has answered anything. Until then it looks, again and again where nobody listens,
// for as long as [Options.Within]. The error is one sentence and transient, with reason [Reason], or ctx's.
func (s *Service) Check(ctx context.Context) error {
	if s == nil || s.reached.Load() {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case s.looking <- struct{}{}:
	}
	defer func() { <-s.looking }()
	if s.reached.Load() {
		return nil
	}
	if s.failed != nil && time.Since(s.at) < remembered {
		return s.failed
	}
	err := s.look(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		s.reached.Store(true)
		return nil
	}
	s.failed = failure.Mark(fmt.Errorf("%s cannot be reached: %w; %s", s.o.Name, err, s.o.Advice), failure.Transient,
		Reason)
	s.at = time.Now()
	return s.failed
}

// look tries until there is an answer, or no hope or no time left.
func (s *Service) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Within)
	defer cancel()
	defer s.client.CloseIdleConnections()
	var last error
	for {
		err := s.try(ctx)
		switch {
		case err == nil:
			return nil
		case last != nil && ctx.Err() != nil: // the last try was cut short: the one before knows more
			return last
		}
		last = err
		if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// try asks once. What came of a connection, be it an error, is an answer.
func (s *Service) try(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.o.URL, nil)
	if err != nil {
		return err
	}
	response, err := s.client.Do(request)
	if err == nil {
		return response.Body.Close()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("no answer from %s within %s", request.URL.Host, s.o.Within)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		return op
	}
	return nil
}
