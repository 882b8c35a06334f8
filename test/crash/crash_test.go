package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gamefill/internal/faultinject"
	"gamefill/internal/ledger"
	"gamefill/internal/summary"
	"gamefill/test/program"
)

// Who passes a crash point.
var (
	inPublish = []string{faultinject.RunCreated, faultinject.EntriesRecorded, faultinject.RunOpened,
		faultinject.MessagePublished}
	inWorker = []string{faultinject.Claimed, faultinject.BeforeWrite, faultinject.AfterWrite, faultinject.AfterComplete,
		faultinject.AfterDeadRecorded, faultinject.AfterDeadLetter}
	inValidate = []string{faultinject.BeforeFinish}
)

// oncePassed are the worker's points that a run passes once: there is one dead date.
var oncePassed = []string{faultinject.AfterDeadRecorded, faultinject.AfterDeadLetter}

func TestEveryPointIsTested(t *testing.T) {
	t.Parallel()
	tested := slices.Concat(inPublish, inWorker, inValidate, inKeeping, inRollback)
	for _, p := range faultinject.Points() {
		if !slices.Contains(tested, p) {
			t.Errorf("crash point %s: got no test, want one", p)
		}
	}
}

func TestPublisherDiesAndPublishesAgain(t *testing.T) {
	t.Parallel()
	for _, point := range inPublish {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := small.open(t)
			w.crash(point, program.Publisher, w.publishArgs()...)
			w.publish()
			w.checkPublished()
			w.drain(3)
			w.check()
		})
	}
}

// TestPublisherDiesWhileWorkersWait kills the publisher and lets workers that were there before it go on as soon as the
// second publish has opened the run.
func TestPublisherDiesWhileWorkersWait(t *testing.T) {
	t.Parallel()
	points := inPublish
	if testing.Short() {
		points = points[len(points)-1:]
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := small.open(t)
			w.crash(point, program.Publisher, w.publishArgs()...)
			early := w.Start(t, "", program.Worker, workerArgs()...)
			w.publish()
			w.drain(1)
			early.Signal(syscall.SIGTERM)
			if r := early.Wait(); r.Code != 0 {
				t.Errorf("worker that was told to stop: got %v\nwant exit code 0", r)
			}
			w.check()
		})
	}
}

func TestWorkerDiesAndOthersFinish(t *testing.T) {
	t.Parallel()
	for _, point := range inWorker {
		passes := []int{1, 4}
		if testing.Short() || slices.Contains(oncePassed, point) {
			passes = passes[:1]
		}
		for _, pass := range passes {
			plan := fmt.Sprintf("%s:%d", point, pass)
			t.Run(plan, func(t *testing.T) {
				t.Parallel()
				w := small.open(t)
				w.publish()
				w.crash(plan, program.Worker, workerArgs("--drain")...)
				w.drain(3)
				w.check()
			})
		}
	}
}

func TestValidationDiesAndIsRepeated(t *testing.T) {
	t.Parallel()
	for _, point := range inValidate {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := small.open(t)
			w.publish()
			w.drain(1)
			w.crash(point, program.Publisher, "validate")
			w.check()
		})
	}
}

// TestRunDiesAndIsRepeated kills the one-process command at the points at which it holds no lease; the same command
// goes on.
func TestRunDiesAndIsRepeated(t *testing.T) {
	t.Parallel()
	points := slices.Concat(inPublish, inValidate)
	if testing.Short() {
		points = inValidate
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := small.open(t)
			args := w.args("run")
			w.crash(point, program.Publisher, args...)
			w.Publish(t, deadDates, args...)
			w.check()
		})
	}
}

// TestSampledRunDiesAndIsRepeated kills it while it publishes its sample, and while it publishes the rest; the same
// command goes on where it was.
func TestSampledRunDiesAndIsRepeated(t *testing.T) {
	t.Parallel()
	points := inPublish
	if testing.Short() {
		points = points[:1]
	}
	for _, point := range points {
		for _, pass := range []string{":1", ":2"} {
			if point == faultinject.RunCreated && pass == ":2" {
				continue // the rest joins the run
			}
			t.Run(point+pass, func(t *testing.T) {
				t.Parallel()
				w := small.open(t)
				args := append(w.args("run"), "--sample-above", "1")
				w.crash(point+pass, program.Publisher, args...)
				w.Publish(t, deadDates, args...)
				w.check()
			})
		}
	}
}

// TestThreeWorkersDieAtOnce gives each of three workers a point of its own. Each takes one date at a time and dies at
// its first, so none can finish before all three are dead.
func TestThreeWorkersDieAtOnce(t *testing.T) {
	t.Parallel()
	for _, points := range [][]string{
		{faultinject.Claimed, faultinject.BeforeWrite, faultinject.AfterWrite},
		{faultinject.BeforeWrite, faultinject.AfterWrite, faultinject.AfterComplete},
	} {
		t.Run(strings.Join(points, "+"), func(t *testing.T) {
			t.Parallel()
			w := small.open(t)
			var dying []*program.Process
			for _, p := range points {
				dying = append(dying, w.Start(t, p, program.Worker, workerArgs("--concurrency", "1")...))
			}
			w.publish()
			for i, p := range dying {
				if r := p.Wait(); !r.Killed() {
					t.Fatalf("worker at %s: got %v\nwant SIGKILL", points[i], r)
				}
			}
			w.drain(3)
			w.check()
		})
	}
}

// TestOneDateCrashesTooOften lets a date take its worker with it until its attempts are spent: it is dead then, with
// one letter, and publishing the range again does it.
func TestOneDateCrashesTooOften(t *testing.T) {
	t.Parallel()
	w := small.open(t)
	first := w.template.league.GameDates[0].String()
	w.Publish(t, 0, "publish", "--dates", first)
	const attempts = 2
	for range attempts {
		w.crash(faultinject.BeforeWrite, program.Worker, workerArgs("--drain", "--max-attempts", strconv.Itoa(attempts))...)
	}
	if r := w.Run(t, "", program.Worker,
		workerArgs("--drain", "--max-attempts", strconv.Itoa(attempts))...); r.Code != deadDates {
		t.Fatalf("worker after %d crashes: got %v\nwant exit code %d", attempts, r, deadDates)
	}
	b := w.Open(t)
	letters, err := b.Ledger.DeadLetters(context.Background(),
		ledger.DeadLetterFilter{Job: summary.Job().Name, State: ledger.LetterOpen})
	if err != nil {
		t.Fatal(err)
	}
	if len(letters) != 1 || letters[0].Date.String() != first {
		t.Errorf("dead letters: got %+v, want one of %s", letters, first)
	}
	w.Publish(t, 0, "publish", "--dates", first)
	if r := w.Run(t, "", program.Worker, workerArgs("--drain")...); r.Code != 0 {
		t.Errorf("worker after publishing again: got %v\nwant exit code 0", r)
	}
}

func TestSIGTERM(t *testing.T) {
	t.Parallel()
	for _, grace := range []string{"20s", "0s"} {
		t.Run("grace "+grace, func(t *testing.T) {
			t.Parallel()
			w := large.open(t)
			w.publish()
			b := w.Open(t)
			first := w.Start(t, "", program.Worker, workerArgs("--grace", grace)...)
			w.untilComplete(b, 2, first)
			first.Signal(syscall.SIGTERM)
			if r := first.Wait(); r.Code != 0 || r.Signal != 0 {
				t.Fatalf("worker after SIGTERM: got %v\nwant exit code 0", r)
			}
			entries, err := b.Ledger.Entries(t.Context(), summary.Job().Name, w.template.league.Range)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.State == ledger.Leased || e.State == ledger.Pending && e.Spent > 0 {
					t.Errorf("%s after SIGTERM: got %s with %d spent attempts, want it done or given back for nothing",
						e.Date, e.State, e.Spent)
				}
			}
			w.drain(1)
			w.check()
		})
	}
}

// TestStoppedWorkerComesBack freezes a worker for longer than its leases, lets another do its dates, and thaws it: a
// date it still believes in is not its own any more.
func TestStoppedWorkerComesBack(t *testing.T) {
	t.Parallel()
	w := large.open(t)
	w.publish()
	b := w.Open(t)
	frozen := w.Start(t, "", program.Worker, workerArgs("--concurrency", "4")...)
	w.untilComplete(b, 2, frozen)
	w.freeze(frozen)
	w.drain(1)
	frozen.Signal(syscall.SIGCONT)
	frozen.Signal(syscall.SIGTERM)
	if r := frozen.Wait(); r.Code != 0 {
		t.Errorf("worker that was frozen: got %v\nwant exit code 0", r)
	}
	w.check()
}

// roundsVariable is how many files the random killing works on.
const roundsVariable = "GAMEFILL_CRASH_ROUNDS"

func TestRandomKills(t *testing.T) {
	t.Parallel()
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	if text := os.Getenv(roundsVariable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("%s=%q: want a positive number", roundsVariable, text)
		}
		rounds = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for round := range rounds {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, uint64(round)))
			w := large.open(t)
			const most = 8 // waves of killing; there is little left to kill after them
			for wave := range most {
				processes := []*program.Process{w.Start(t, "", program.Publisher, w.publishArgs()...)}
				for range 1 + rng.IntN(3) {
					processes = append(processes, w.Start(t, "", program.Worker, workerArgs()...))
				}
				for _, p := range processes {
					select {
					case <-p.Done():
					case <-time.After(time.Duration(rng.IntN(120)) * time.Millisecond):
					}
					p.Signal(syscall.SIGKILL)
				}
				for _, p := range processes {
					if r := p.Wait(); r.Code > 0 {
						t.Errorf("wave %d: got %v\nwant exit code 0 or SIGKILL", wave, r)
					}
				}
			}
			w.publish()
			w.drain(3)
			w.check()
		})
	}
}
