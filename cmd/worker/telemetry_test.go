package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/test/league"
)

// asWorker in the environment makes the test's program the worker, so that a test can have it as a process of its own.
const asWorker = "GAMEFILL_TEST_AS_WORKER"

// process starts a worker as a process that listens, and returns its address. It gets SIGTERM when the test ends, and
// must exit with code 0.
func (s *site) process(t *testing.T, flags ...string) (address string) {
	t.Helper()
	command := exec.Command(os.Args[0],
		append(append([]string{"--listen", "127.0.0.1:0", "--log", "json"}, flags...), s.flags...)...)
	command.Env = append(os.Environ(), asWorker+"=1")
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct{ Message, Severity, Address string }
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Errorf("not a line of JSON: %s", lines.Text())
			}
			if line.Severity == "" {
				t.Errorf("no severity: %s", lines.Text())
			}
			if line.Message == "listening" {
				said <- line.Address
			}
		}
		ended <- command.Wait()
	}()
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("after SIGTERM: got %v, want exit code 0", err)
		}
	})
	select {
	case address = <-said:
	case err := <-ended:
		t.Fatalf("the worker ended: %v", err)
	}
	return address
}

// get asks a worker and returns the status and the body.
func get(t *testing.T, address, path string) (int, string) {
	t.Helper()
	response, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// samples are the values of gamefill's metrics by name and labels.
func samples(t *testing.T, address string) map[string]float64 {
	t.Helper()
	code, body := get(t, address, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("/metrics: got status %d: %s", code, body)
	}
	values := map[string]float64{}
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		// labels may have blanks
		name, text := line[:strings.LastIndexByte(line, ' ')], line[strings.LastIndexByte(line, ' ')+1:]
		if !strings.HasPrefix(name, "gamefill_") {
			continue
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		values[name] = value
	}
	return values
}

// TestMetricsAreTheLedgers scrapes a worker in mid-run, with all its dates settled and the run not judged yet.
func TestMetricsAreTheLedgers(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 8, NoBoxScores: []int{3}})
	_, run := s.publish(t)
	address := s.process(t)
	for _, path := range []string{"/livez", "/readyz"} {
		if code, body := get(t, address, path); code != http.StatusOK {
			t.Errorf("%s: got status %d: %s", path, code, body)
		}
	}
	name := summary.Job().Name
	var counts map[ledger.State]int
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(20 * time.Millisecond); counts[ledger.Complete] != 7 || counts[ledger.Dead] != 1; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("got %v after a minute, want 7 dates complete and 1 dead", counts)
		}
		var err error
		if counts, err = s.back.Ledger.CountStates(t.Context(), name, run); err != nil {
			t.Fatal(err)
		}
	}
	attempts, err := s.back.Ledger.Attempts(t.Context(), ledger.AttemptFilter{Job: name, Run: run}, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"gamefill_claimable_dates": 0, "gamefill_lease_lost_total": 0, "gamefill_duplicates_total": 0,
		"gamefill_oldest_pending_seconds": 0, `gamefill_run_paused{cause="operator"}`: 0,
		`gamefill_run_paused{cause="breaker"}`:           0,
		"gamefill_partition_writes_last_day":             float64(counts[ledger.Complete]),
		`gamefill_stage_seconds_count{stage="claim"}`:    float64(len(attempts)),
		`gamefill_stage_seconds_count{stage="read"}`:     float64(len(attempts)),
		`gamefill_stage_seconds_count{stage="complete"}`: float64(counts[ledger.Complete]),
	}
	for _, state := range ledger.States {
		want[`gamefill_dates{state="`+string(state)+`"}`] = float64(counts[state])
	}
	for _, a := range attempts {
		class := "none"
		if a.Failure != nil {
			class = a.Failure.Class.String()
		}
		want[`gamefill_attempts_total{class="`+class+`",result="`+a.Result+`"}`]++
	}
	// The worker counts an attempt after the ledger has it.
	got := map[string]float64{}
	ended := func(class, result string) bool {
		key := `gamefill_attempts_total{class="` + class + `",result="` + result + `"}`
		return got[key] == want[key]
	}
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		got = samples(t, address)
		if ended("none", ledger.ResultComplete) && ended("permanent", ledger.ResultDead) || time.Now().After(deadline) {
			break
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			delete(got, key)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-ledger +metrics):\n%s", diff)
	}
}

// TestCheckVerdictsAreTheLedgers scrapes a worker after its run was validated, with a date given up on.
func TestCheckVerdictsAreTheLedgers(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 4, NoBoxScores: []int{1}})
	p, id := s.publish(t)
	if code, _, errout := cli(t.Context(), append([]string{"--drain"}, s.flags...)...); code != 3 {
		t.Fatalf("drain: got exit code %d, want 3: %s", code, errout)
	}
	run, err := s.back.Ledger.Run(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Validate(t.Context(), run.Range, &run, "tester", publisher.Judging{}, nil); err != nil {
		t.Fatal(err)
	}
	if run, err = s.back.Ledger.Run(t.Context(), id); err != nil || run.State != ledger.RunFinished {
		t.Fatalf("got run %s, %v, want it finished", run.State, err)
	}
	want := map[string]float64{}
	for _, c := range run.Checks {
		scope := c.Scope
		if scope == "" {
			scope = "range"
		}
		value := map[job.Verdict]float64{job.Pass: 0, job.Shown: 0, job.Warned: 1, job.Failed: 2,
			job.NotChecked: 2}[c.Verdict]
		want[`gamefill_check_verdict{check="`+c.Name+`",scope="`+scope+`"}`] = value
	}
	if dead := `gamefill_check_verdict{check="no dead dates",scope="range"}`; want[dead] != 2 {
		t.Errorf("got checks %v, want one that fails for the dead date", want)
	}
	got := samples(t, s.process(t))
	for name := range got {
		if !strings.HasPrefix(name, "gamefill_check_verdict{") {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-ledger +metrics):\n%s", diff)
	}
}

// TestPausedRunOffersNothing: an autoscaler must not add workers to a run that nobody may work on.
func TestPausedRunOffersNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 3})
	p, run := s.publish(t)
	if _, err := p.Pause(t.Context(), run, "maintenance", "tester"); err != nil {
		t.Fatal(err)
	}
	got := samples(t, s.process(t))
	for name, want := range map[string]float64{`gamefill_dates{state="pending"}`: 3, "gamefill_claimable_dates": 0,
		`gamefill_run_paused{cause="operator"}`: 1, `gamefill_run_paused{cause="breaker"}`: 0} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
}

func TestListenOnATakenAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t, league.Options{Dates: 1})
	address := s.process(t)
	code, _, errout := cli(t.Context(), append([]string{"--drain", "--listen", address}, s.flags...)...)
	if code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	contains(t, errout, "worker: --listen: ", address)
}
