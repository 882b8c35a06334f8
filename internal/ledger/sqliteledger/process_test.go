package sqliteledger_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gamefill/internal/ledger"
	"gamefill/internal/ledger/sqliteledger"
	"gamefill/internal/sqlitefile"
)

// The tests of this file start the test binary again as other processes; helperEnv tells such a process what to do, as
// "ROLE PATH NAME".
const helperEnv = "GAMEFILL_SQLITELEDGER_HELPER"

// doomedAfter is how many dates a doomed helper claims before death may come.
const doomedAfter = 5

func TestMain(m *testing.M) {
	if instruction := os.Getenv(helperEnv); instruction != "" {
		if err := help(instruction); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// help is the whole life of a helper process: it claims every date of the run that it can get, prints each with its
// generation, and completes it. The role "holder" keeps the first until it is killed; the role "doomed" kills itself at
// any instant after its fifth, in a way that it cannot catch.
func help(instruction string) error {
	part := strings.SplitN(instruction, " ", 3)
	role, name, path := part[0], part[1], part[2]
	ctx := context.Background()
	f, err := sqlitefile.Open(ctx, path, sqlitefile.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := sqliteledger.New(ctx, f, sqliteledger.Options{})
	if err != nil {
		return err
	}
	entries, err := l.RunEntries(ctx, jobName, runID)
	if err != nil {
		return err
	}
	claimed := 0
	for _, e := range entries {
		c, err := l.Claim(ctx, request(e, name))
		if err != nil {
			return err
		}
		if c.Outcome != ledger.Claimed {
			continue
		}
		if err := l.BeginWrite(ctx, c.Lease, time.Minute, ledger.WriteRecord{ID: "load of " + name}); err != nil {
			return err
		}
		fmt.Println(e.Date, c.Lease.Generation)
		if claimed++; role == "doomed" && claimed == doomedAfter {
			go func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }()
		}
		if role == "holder" {
			select {}
		}
		if err := l.Complete(ctx, c.Lease, ledger.Facts{Outcome: ledger.Replaced, Fingerprint: name}); err != nil {
			return err
		}
	}
	if role == "doomed" {
		select {}
	}
	return nil
}

func helper(t *testing.T, role, name, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), helperEnv+"="+role+" "+name+" "+path)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestProcessesClaimEachDateOnce(t *testing.T) {
	t.Parallel()
	const dates, processes = 200, 4
	path := filepath.Join(t.TempDir(), "gamefill.db")
	l := newLedger(t, openFile(t, path), nil)
	openRun(t, l, dates)
	outputs := make([]strings.Builder, processes)
	var started []*exec.Cmd
	for i := range processes {
		cmd := helper(t, "worker", fmt.Sprintf("worker-%d", i), path)
		cmd.Stdout = &outputs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		started = append(started, cmd)
	}
	for _, cmd := range started {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("helper: %v", err)
		}
	}
	by := map[string]string{}
	for i := range outputs {
		for line := range strings.Lines(outputs[i].String()) {
			if other, taken := by[line]; taken {
				t.Errorf("%s: claimed by %s and worker-%d", strings.TrimSpace(line), other, i)
			}
			by[line] = fmt.Sprintf("worker-%d", i)
		}
	}
	entries, err := l.RunEntries(t.Context(), jobName, runID)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		want := by[e.Date.String()+" 1\n"]
		if e.State != ledger.Complete || e.Attempt != 1 || e.Facts == nil || e.Facts.Fingerprint != want {
			t.Errorf("%s: got %s after %d attempts with facts %+v, want complete after one by %q", e.Date, e.State, e.Attempt,
				e.Facts, want)
		}
	}
	attempts, err := l.Attempts(t.Context(), ledger.AttemptFilter{Run: runID, EndedOnly: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != dates || len(by) != dates || len(attempts) != dates {
		t.Errorf("got %d entries, %d claims and %d attempts, want %d each", len(entries), len(by), len(attempts), dates)
	}
}

func TestKilledHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gamefill.db")
	f := openFile(t, path)
	now := newLedger(t, f, nil)
	e := openRun(t, now, 1)[0]
	holder := helper(t, "holder", "killed", path)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if !bufio.NewScanner(out).Scan() {
		t.Fatalf("holder ended before it had a lease: %v", holder.Wait())
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed

	c, err := now.Claim(t.Context(), request(e, "heir"))
	if err != nil || c.Outcome != ledger.HeldBy || c.Entry.Owner != "killed" {
		t.Fatalf("claim before the lease ends: got %s of %q, %v, want %s of the killed", c.Outcome, c.Entry.Owner, err,
			ledger.HeldBy)
	}
	later := newLedger(t, f, func() time.Time { return time.Now().Add(time.Hour) })
	c, err = later.Claim(t.Context(), request(e, "heir"))
	if err != nil || c.Outcome != ledger.Claimed {
		t.Fatalf("claim after the lease has ended: got %s, %v, want %s", c.Outcome, err, ledger.Claimed)
	}
	if c.Lease.Generation != 2 || c.Lease.Attempt != 2 || c.Entry.Spent != 1 {
		t.Errorf("got generation %d, attempt %d, spent %d, want 2, 2, 1", c.Lease.Generation, c.Lease.Attempt, c.Entry.Spent)
	}
	if want := (ledger.WriteRecord{Generation: 1, ID: "load of killed", Run: runID}); c.Entry.Write != want {
		t.Errorf("write to close: got %+v, want %+v", c.Entry.Write, want)
	}
}

func TestKilledWorkerLeavesWholeEntries(t *testing.T) {
	t.Parallel()
	const dates, processes = 60, 3
	path := filepath.Join(t.TempDir(), "gamefill.db")
	l := newLedger(t, openFile(t, path), nil)
	openRun(t, l, dates)
	for i := range processes {
		doomed := helper(t, "doomed", fmt.Sprintf("killed-%d", i), path)
		if err := doomed.Run(); doomed.ProcessState == nil || doomed.ProcessState.ExitCode() != -1 {
			t.Fatalf("doomed helper: got %v, want it killed by a signal", err)
		}
	}
	rest := helper(t, "worker", "last", path)
	if err := rest.Run(); err != nil {
		t.Fatal(err)
	}
	entries, err := l.RunEntries(t.Context(), jobName, runID)
	if err != nil {
		t.Fatal(err)
	}
	leased := 0
	for _, e := range entries {
		attempts, err := l.Attempts(t.Context(), ledger.AttemptFilter{Job: jobName, Date: e.Date}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(attempts) != 1 {
			t.Fatalf("%s: got %d attempts, want 1", e.Date, len(attempts))
		}
		a := attempts[0]
		switch e.State {
		case ledger.Complete:
			if e.Facts == nil || e.Facts.Fingerprint != a.Owner || a.Result != ledger.ResultComplete {
				t.Errorf("%s: got facts %+v and attempt %+v, want one completion", e.Date, e.Facts, a)
			}
		case ledger.Leased:
			leased++
			if e.Facts != nil || a.Result != "" || e.Owner != a.Owner || !strings.HasPrefix(e.Owner, "killed") {
				t.Errorf("%s: got %+v and attempt %+v, want an unfinished attempt of a killed worker", e.Date, e, a)
			}
		default:
			t.Errorf("%s: got %s, want complete or leased", e.Date, e.State)
		}
	}
	if len(entries) != dates || leased > processes {
		t.Errorf("got %d entries, %d of them leased, want %d and at most one a killed worker", len(entries), leased, dates)
	}
}
