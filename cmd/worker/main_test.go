package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"

	"gamefill/internal/backend"
	"gamefill/internal/feed"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/test/golden"
	"gamefill/test/league"
	"gamefill/test/program"
)

// TestMain takes away what the caller's environment would decide. With asWorker the program is the worker itself.
func TestMain(m *testing.M) {
	if os.Getenv(asWorker) != "" {
		main()
	}
	program.ForgetSettings()
	os.Exit(m.Run())
}

// cli runs the program as main does.
func cli(ctx context.Context, args ...string) (code int, out, errout string) {
	var stdout, stderr bytes.Buffer
	code = run(ctx, args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// site is a database with an invented league, and the flags that name it.
type site struct {
	league *league.League
	flags  []string
	back   *backend.Backend
}

func newSite(t *testing.T, o league.Options) *site {
	t.Helper()
	dir := t.TempDir()
	l, err := league.Write(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	address := "sqlite:" + filepath.Join(dir, "site.db")
	b, err := backend.Open(t.Context(), backend.Addresses{Queue: address, Ledger: address, Warehouse: address},
		backend.Options{Tables: tables()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	for _, file := range []string{l.Schedule, l.Players, l.Live, l.Gamelog} {
		if _, err := feed.Import(t.Context(), b.Store, file, feed.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	return &site{l, []string{"--queue", address, "--ledger", address, "--warehouse", address}, b}
}

// publish puts the league's dates on the queue.
func (s *site) publish(t *testing.T) (p *publisher.Publisher, run string) {
	t.Helper()
	p, err := publisher.New(t.Context(), summary.Job(),
		publisher.Ports{Queue: s.back.Queue, Ledger: s.back.Ledger, Store: s.back.Store})
	if err != nil {
		t.Fatal(err)
	}
	request := publisher.Request{Range: s.league.Range, Actor: "tester"}
	plan, err := p.Plan(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	result, err := p.Publish(t.Context(), request, plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p, result.RunID
}

func (s *site) count(t *testing.T, run string, state ledger.State) int {
	t.Helper()
	counts, err := s.back.Ledger.CountStates(t.Context(), summary.Job().Name, run)
	if err != nil {
		t.Fatal(err)
	}
	return counts[state]
}

func contains(t *testing.T, got string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(got, text) {
			t.Errorf("got\n%s\nwant it to contain %q", got, text)
		}
	}
}

// Not parallel: the client library reads the emulator's address from the process.
func TestRefusesSubscriptionOfAnotherTopic(t *testing.T) {
	s := newSite(t, league.Options{Dates: 1})
	server := pstest.NewServer()
	t.Cleanup(func() { _ = server.Close() })
	t.Setenv("PUBSUB_EMULATOR_HOST", server.Addr)
	client, err := pubsub.NewClient(t.Context(), "project")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	for _, id := range []string{"dates", "dates-dead", "other"} {
		if _, err := client.TopicAdminClient.CreateTopic(t.Context(),
			&pubsubpb.Topic{Name: "projects/project/topics/" + id}); err != nil {
			t.Fatal(err)
		}
	}
	for id, topic := range map[string]string{"dates-worker": "other", "dates-dead-fold": "dates-dead"} {
		if _, err := client.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{
			Name: "projects/project/subscriptions/" + id, Topic: "projects/project/topics/" + topic}); err != nil {
			t.Fatal(err)
		}
	}
	code, _, errout := cli(t.Context(),
		append([]string{"--drain"}, append(s.flags, "--queue", "pubsub://project/dates")...)...)
	if code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	contains(t, errout, "the queue is an emulator of Pub/Sub at "+server.Addr,
		"worker: check queue: subscription dates-worker of project project, topic: is projects/project/topics/other, want "+
			"projects/project/topics/dates")
}

func TestHelp(t *testing.T) {
	t.Parallel()
	code, out, errout := cli(t.Context(), "--help")
	if code != 0 || errout != "" {
		t.Errorf("got exit code %d and %q on standard error", code, errout)
	}
	page := "# worker\n\nEvery setting, as `worker --help` prints it. A flag beats its environment variable.\n\n" +
		"```text\n" + out + "```\n"
	golden.Compare(t, filepath.Join("testdata", "help", "worker.txt"), out)
	golden.Compare(t, filepath.Join("..", "..", "docs", "cli", "worker.md"), page)
}

func TestUsage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, args string
		want       []string
	}{
		{"unknown flag", "--bogus", []string{"unknown flag --bogus"}},
		{"an argument", "drain", []string{"unexpected argument drain"}},
		{"no number", "--concurrency two", []string{"--concurrency"}},
		{"no unit", "--lease-ttl 60", []string{"--lease-ttl"}},
		{"unknown log format", "--log xml", []string{"json", "text", "auto"}},
		{"unknown level", "--log-level loud", []string{"debug", "error"}},
		{"unknown scheme", "--queue kafka:x", []string{"--queue", "unknown scheme", "sqlite:FILE"}},
		{"unknown parameter", "--ledger sqlite:x.db?mode=ro", []string{`unknown parameter "mode"`}},
		{"several problems", "--concurrency 0 --max-attempts 0 --lease-ttl 1ms --grace=-1s --retry-base 1h " +
			"--control-every 1h --reconcile-every 0s --republish-after 0s --not-final-wait 0s --warehouse x:y",
			[]string{"--concurrency", "--max-attempts", "--lease-ttl", "--grace", "--retry-base", "--control-every",
				"--reconcile-every", "--republish-after", "--not-final-wait", "--warehouse"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, out, errout := cli(t.Context(), strings.Fields(tt.args)...)
			if code != 2 || out != "" {
				t.Errorf("got exit code %d and %q on standard output, want 2 and nothing", code, out)
			}
			contains(t, errout, append(tt.want, "Run `worker --help`")...)
		})
	}
}

func TestMissingDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	address := "sqlite:" + filepath.Join(dir, "none.db")
	code, _, errout := cli(t.Context(), "--drain", "--queue", address, "--ledger", address, "--warehouse", address)
	if code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	contains(t, errout, "none.db", "no such file", "check the path")
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("got file %s, want none made", files[0].Name())
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 4})
	p, run := s.publish(t)
	drain := append([]string{"--drain", "--log", "json"}, s.flags...)
	code, out, errout := cli(t.Context(), drain...)
	if code != 0 || out != "" {
		t.Errorf("got exit code %d and %q on standard output, want 0 and nothing\n%s", code, out, errout)
	}
	if got := s.count(t, run, ledger.Complete); got != 4 {
		t.Errorf("got %d complete dates, want 4", got)
	}
	for line := range strings.Lines(errout) {
		if !json.Valid([]byte(line)) {
			t.Errorf("log line is not JSON: %s", line)
		}
	}
	contains(t, errout, `"version":"`+summary.Version+`"`, `"game_date":"`+s.league.GameDates[0].String()+`"`, run,
		"drained; `publisher validate` judges the run")
	if _, err := p.Cancel(t.Context(), run, "enough", "tester"); err != nil {
		t.Fatal(err)
	}
	_, _, errout = cli(t.Context(), drain...)
	contains(t, errout, "nothing to drain", "drained; the run is cancelled")
}

// A sample is not judged by validate, nor is a run that waits for the rest of its dates.
func TestDrainSample(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 4})
	ports := publisher.Ports{Queue: s.back.Queue, Ledger: s.back.Ledger, Store: s.back.Store}
	p, err := publisher.New(t.Context(), summary.Job(), ports)
	if err != nil {
		t.Fatal(err)
	}
	request := publisher.Request{Range: s.league.Range, Actor: "tester", Sample: true}
	plan, err := p.Plan(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	result, err := p.Publish(t.Context(), request, plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	drain := append([]string{"--drain"}, s.flags...)
	_, _, errout := cli(t.Context(), drain...)
	contains(t, errout, "drained; the same `publisher sample` again judges them")
	if _, err := p.JudgeSample(t.Context(), result.Run, nil, "tester"); err != nil {
		t.Fatal(err)
	}
	_, _, errout = cli(t.Context(), drain...)
	contains(t, errout, "nothing to drain", "drained; `publisher status` says what the sample came to")
}

func TestDrainWithDeadDates(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 4, NoBoxScores: []int{1, 2}})
	_, run := s.publish(t)
	code, _, errout := cli(t.Context(), append([]string{"--drain"}, s.flags...)...)
	if code != 3 {
		t.Errorf("got exit code %d, want 3", code)
	}
	contains(t, errout, "run "+run+" is drained with 2 dead dates", "publisher status")
}

func TestDrainWithoutRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 1})
	code, _, errout := cli(t.Context(), append([]string{"--drain"}, s.flags...)...)
	if code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	contains(t, errout, "there is no run to drain", "publisher publish")
}

// A draining worker does not wait for a paused run: it says why and how to go on.
func TestDrainPausedRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 2})
	p, run := s.publish(t)
	if _, err := p.Pause(t.Context(), run, "maintenance", "tester"); err != nil {
		t.Fatal(err)
	}
	code, _, errout := cli(t.Context(), append([]string{"--drain", "--control-every", "10ms"}, s.flags...)...)
	if code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	contains(t, errout, "is paused", "maintenance", "resume")
	if got := s.count(t, run, ledger.Pending); got != 2 {
		t.Errorf("got %d pending dates, want 2", got)
	}
}

func TestInterruptedBeforeAnything(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 2})
	_, run := s.publish(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, _, errout := cli(ctx, append([]string{"--drain"}, s.flags...)...)
	if code != 130 {
		t.Errorf("got exit code %d, want 130", code)
	}
	contains(t, errout, "interrupted; nothing is lost")
	if got := s.count(t, run, ledger.Pending); got != 2 {
		t.Errorf("got %d pending dates, want 2", got)
	}
}

// Environment variables stand in for flags, and flags win.
func TestEnvironment(t *testing.T) {
	t.Setenv("GAMEFILL_CONCURRENCY", "0")
	t.Setenv("GAMEFILL_LEASE_TTL", "1ms")
	code, _, errout := cli(t.Context())
	if code != 2 {
		t.Errorf("got exit code %d, want 2", code)
	}
	contains(t, errout, "--concurrency must be", "--lease-ttl must be")
	s := newSite(t, league.Options{Dates: 1})
	s.publish(t)
	if code, _, errout := cli(t.Context(),
		append([]string{"--drain", "--concurrency", "1", "--lease-ttl", "30s"}, s.flags...)...); code != 0 {
		t.Errorf("flags over bad variables: got exit code %d: %s", code, errout)
	}
}
