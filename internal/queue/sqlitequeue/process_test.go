package sqlitequeue_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gamefill/internal/queue"
	"gamefill/internal/queue/sqlitequeue"
	"gamefill/internal/sqlitefile"
)

// childVariable makes the test binary a receiver on the file it names, instead of running tests.
const childVariable = "SQLITEQUEUE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child receives until nothing is left. It says "have N" when a handler has message N. Every seventh message becomes a
// dead letter, every fifth is nacked when it comes for the first time.
func child(path string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	f, err := sqlitefile.Open(ctx, path, sqlitefile.Options{MustExist: true})
	if err != nil {
		return err
	}
	// The hold is short, so that the messages of a killed process come back soon.
	q, err := sqlitequeue.New(ctx, f, sqlitequeue.Options{Hold: time.Second})
	if err != nil {
		return err
	}
	var watch sync.WaitGroup
	watch.Go(func() {
		defer stop()
		for range time.Tick(20 * time.Millisecond) {
			if n, _, err := q.Backlog(ctx); n == 0 || err != nil {
				return
			}
		}
	})
	err = q.Receive(ctx, 4, func(ctx context.Context, d queue.Delivery) {
		name := string(d.Message().Body)
		fmt.Println("have", name)
		n, err := strconv.Atoi(name)
		switch {
		case err != nil:
		case n%5 == 1 && d.DeliveryCount() == 1:
			err = d.Nack(ctx, time.Millisecond)
		case n%7 == 0:
			err = d.DeadLetter(ctx, d.Message())
		default:
			err = d.Ack(ctx)
		}
		if err != nil && !errors.Is(err, sqlitequeue.ErrHoldLost) { // a process that was too slow leaves it to another
			fmt.Println("error", err)
		}
	})
	watch.Wait()
	return errors.Join(err, f.Close())
}

// runChild runs one receiver process and hands each line it says to note. With lines above 0 it is killed with SIGKILL
// when it has said that many.
func runChild(path string, lines int, note func(line string)) error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	said := bufio.NewScanner(out)
	for n := 1; said.Scan(); n++ { // what it said before it died counts
		note(said.Text())
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				return err
			}
		}
	}
	if err := cmd.Wait(); err != nil && lines == 0 {
		return err
	}
	return said.Err()
}

// TestKilledProcessesLoseNothing runs three receiver processes on one queue and kills each several times in the middle
// of its work: in the end every message was handled, none is left, and exactly the right dead letters are there.
func TestKilledProcessesLoseNothing(t *testing.T) {
	t.Parallel()
	const total, processes, kills = 300, 3, 4
	path := dbPath(t)
	q := newQueue(t, openFile(t, path), sqlitequeue.Options{})
	var list []queue.Message
	for i := range total {
		list = append(list, queue.Message{Body: []byte(strconv.Itoa(i))})
	}
	publish(t, q, list...)

	var mu sync.Mutex // guards have
	have := map[string]int{}
	note := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		name, ok := strings.CutPrefix(line, "have ")
		if !ok {
			t.Errorf("a receiver says %q", line)
			return
		}
		have[name]++
	}
	var group sync.WaitGroup
	for p := range processes {
		group.Go(func() {
			for k := range kills {
				if err := runChild(path, 3+5*p+4*k, note); err != nil {
					t.Errorf("receiver to be killed: %v", err)
				}
			}
			if err := runChild(path, 0, note); err != nil {
				t.Errorf("receiver: %v", err)
			}
		})
	}
	group.Wait()

	if n, _, err := q.Backlog(t.Context()); n != 0 || err != nil {
		t.Errorf("backlog: got %d, %v, want 0", n, err)
	}
	letters := map[string]int{}
	if _, err := q.FoldDeadLetters(t.Context(), func(_ context.Context, l queue.DeadLetter) error {
		letters[string(l.Message.Body)]++
		return nil
	}); err != nil {
		t.Error(err)
	}
	again := 0
	for i := range total {
		name := strconv.Itoa(i)
		if have[name] == 0 {
			t.Errorf("message %s was lost", name)
		}
		again += max(have[name]-1, 0)
		if got, want := letters[name] > 0, i%7 == 0; got != want {
			t.Errorf("dead letter of message %s: got %v, want %v", name, got, want)
		}
	}
	if again < total/5 {
		t.Errorf("redeliveries: got %d, want at least the %d nacked ones", again, total/5)
	}
}
