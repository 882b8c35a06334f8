package cloud_test

import (
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/test/emulator"
	"gamefill/test/league"
	"gamefill/test/program"
)

// pool is how deploy/cloud-run/worker-pool.yaml starts a worker: its arguments, and its settings but for the addresses.
func pool(t *testing.T) (args, settings []string) {
	t.Helper()
	text := program.Read(t, "deploy/cloud-run/worker-pool.yaml")
	var manifest struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Args []string
						Env  []struct{ Name, Value string }
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(text), &manifest); err != nil {
		t.Fatal(err)
	}
	worker := manifest.Spec.Template.Spec.Containers[0]
	for _, e := range worker.Env {
		switch e.Name {
		case "GAMEFILL_QUEUE", "GAMEFILL_LEDGER", "GAMEFILL_WAREHOUSE", "GAMEFILL_LISTEN":
		default:
			settings = append(settings, e.Name+"="+e.Value)
		}
	}
	return worker.Args, settings
}

// published is a project in which the dates of a league wait for workers, and the league's file.
func published(t *testing.T, dates int) (*project, program.File, *league.League) {
	t.Helper()
	games, l := imported(t, league.Options{Dates: dates})
	p := newProject(t)
	p.scrape(games)
	p.Publish(t, 0, "init")
	p.Publish(t, 0, "publish", "--from", l.Range.From.String(), "--to", l.Range.To.String(), "--no-sample",
		"--reason", "shutdown")
	return p, games, l
}

// TestInstanceIsStopped sends SIGTERM to a worker that is started as Cloud Run starts it, in the middle of loads, as
// Cloud Run does when it takes an instance away. A date whose load ends within the grace period is finished, one whose
// load does not is given back and spends nothing, none is begun, and another worker does the rest at once: leases and
// second publications are too long to help it.
func TestInstanceIsStopped(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the end of the grace period")
	}
	p, games, l := published(t, 12)

	const inProgress = 4 // GAMEFILL_CONCURRENCY of the manifest
	args, settings := pool(t)
	args = append(args, "--lease-ttl=30m", "--republish-after=30m")
	p.Env = append(p.Env, settings...)
	p.bigquery.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad, Table: summary.Target.Name}, inProgress,
		bigqueryfake.HoldRunning())
	stopped := p.Start(t, "", program.Worker, args...)
	p.untilHeld(stopped, inProgress)
	stopped.Signal(syscall.SIGTERM)
	stopped.UntilSaid(t, "told to stop")
	p.bigquery.Release(p.bigquery.Held()[0])
	if r := stopped.Wait(); r.Code != 0 || r.Signal != 0 {
		t.Fatalf("worker after SIGTERM: got %v\nwant exit code 0", r)
	}

	entries, err := p.open().Ledger.Entries(t.Context(), summary.Job().Name, l.Range)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, e := range entries {
		switch {
		case e.State == ledger.NoGames:
		case e.State == ledger.Complete && e.Attempt == 1:
			got["finished"]++
		case e.State == ledger.Pending && e.Attempt == 1 && e.Spent == 0:
			got["given back"]++
		case e.State == ledger.Pending && e.Attempt == 0:
			got["never begun"]++
		default:
			t.Errorf("%s: got %s after %d attempts, %d spent; want it finished, given back for nothing, or never begun", e.Date,
				e.State, e.Attempt, e.Spent)
		}
	}
	if got["finished"] != 1 || got["given back"] != inProgress-1 || got["never begun"] != len(l.GameDates)-inProgress {
		t.Errorf("got %v, want 1 finished, %d given back, %d never begun", got, inProgress-1, len(l.GameDates)-inProgress)
	}

	if r := p.Run(t, "", program.Worker, append(args, "--drain")...); r.Code != 0 {
		t.Fatalf("the next worker: got %v\nwant exit code 0", r)
	}
	var cloud, embedded publisher.Judgement
	p.JSON(t, 0, &cloud, "validate")
	games.JSON(t, 0, &embedded, "run", "--from", l.Range.From.String(), "--to", l.Range.To.String(), "--no-sample",
		"--reason", "reference")
	if cloud.TableFingerprint != embedded.TableFingerprint || cloud.Rows != l.Rows {
		t.Errorf("got %d rows, fingerprint %s; want %d, and the embedded backend's %s", cloud.Rows, cloud.TableFingerprint,
			l.Rows, embedded.TableFingerprint)
	}
}

// TestStoppedWithoutNetwork sends SIGTERM to such a worker when nothing gets through to the ledger any more, and
// nothing comes back. It leaves by itself, before Cloud Run would kill it, and says what it leaves behind.
func TestStoppedWithoutNetwork(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits until the worker leaves")
	}
	p, _, _ := published(t, 2)

	args, settings := pool(t)
	address, cut := wire(t, emulator.Firestore(t))
	p.Env = append(p.Env, append(settings, "FIRESTORE_EMULATOR_HOST="+address)...)
	p.bigquery.FailNext(bigqueryfake.Match{Kind: bigqueryfake.JobsInsertLoad, Table: summary.Target.Name}, 2,
		bigqueryfake.HoldRunning())
	stopped := p.Start(t, "", program.Worker, args...)
	p.untilHeld(stopped, 2)
	cut()
	stopped.Signal(syscall.SIGTERM)
	if r := stopped.Wait(); r.Code != 0 || !strings.Contains(r.Stderr, "left before everything was answered") {
		t.Errorf("worker after SIGTERM: got %v\nwant exit code 0, and what it has left", r)
	}
}

// untilHeld returns when a worker waits for so many loads that are held, and fails the test when it ends before.
func (p *project) untilHeld(worker *program.Process, loads int) {
	p.t.Helper()
	for tick := time.NewTicker(10 * time.Millisecond); len(p.bigquery.Held()) < loads; {
		select {
		case <-tick.C:
		case <-worker.Done():
			p.t.Fatalf("the worker ended before it was told to: %v", worker.Wait())
		}
	}
}

// wire carries connections to another address until it is cut: then nothing passes any more, and neither end is told.
func wire(t *testing.T, to string) (address string, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var passing sync.RWMutex // held by whoever cuts
	var ends sync.WaitGroup
	carry := func(to, from net.Conn) {
		defer to.Close()
		defer from.Close()
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			passing.RLock()
			_, failed := to.Write(buffer[:n])
			passing.RUnlock()
			if err != nil || failed != nil {
				return
			}
		}
	}
	ends.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			ends.Go(func() { carry(near, far) })
			ends.Go(func() { carry(far, near) })
		}
	})
	t.Cleanup(func() { l.Close(); ends.Wait() })
	return l.Addr().String(), func() { passing.Lock(); t.Cleanup(passing.Unlock) }
}
