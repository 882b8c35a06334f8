// Package program builds this module's binaries and runs them as processes of their own, for tests that must see what
// an operator sees: exit codes, output, signals and what a killed process leaves behind.
//
// A [Set] is one build. Its processes inherit the test's environment without any GAMEFILL_ variable, so that nothing
// outside the test decides what they do.
package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Names of the binaries.
const (
	Publisher = "publisher"
	Worker    = "worker"
)

// Set is the binaries of one build.
type Set struct{ dir string }

// Build compiles both binaries into dir with the given build tags.
func Build(dir string, tags ...string) (*Set, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-tags", strings.Join(tags, ","), "-o", dir+string(filepath.Separator),
		"./cmd/"+Publisher, "./cmd/"+Worker)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the binaries: %w\n%s", err, out)
	}
	return &Set{dir}, nil
}

// Extra reports whether tests shall also do what is too long for every check; `make ci-extra` wants it.
func Extra() bool { return os.Getenv("GAMEFILL_EXTRA") != "" }

// Path is where a binary of the set is.
func (s *Set) Path(name string) string { return filepath.Join(s.dir, name) }

// Root is the directory of the module: the nearest one upwards of the working directory with a go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod here or above")
		}
		dir = parent
	}
}

// Main is the body of a TestMain: it builds a set with the given tags into a directory that goes again, hands it to
// use, runs the tests and returns the code to exit with.
func Main(m *testing.M, use func(*Set), tags ...string) int {
	dir, err := os.MkdirTemp("", "gamefill-binaries-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	set, err := Build(dir, tags...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	use(set)
	return m.Run()
}

// File is one SQLite file that processes of a set work on, with all three ports.
type File struct {
	Set  *Set
	Path string
	// Env is added to the environment of every process.
	Env []string
}

// Result is how a process ended.
type Result struct {
	Code           int            // exit code; -1 when a signal ended it
	Signal         syscall.Signal // 0 unless a signal ended it
	Stdout, Stderr string
}

// String is the result for a failure message.
func (r Result) String() string {
	return fmt.Sprintf("exit code %d, signal %v\nstdout: %s\nstderr: %s", r.Code, r.Signal, last(r.Stdout), last(r.Stderr))
}

// last cuts long output to its end, which says what went wrong.
func last(s string) string {
	const most = 4000
	if len(s) <= most {
		return s
	}
	return "…" + s[len(s)-most:]
}

// Killed reports whether SIGKILL ended the process.
func (r Result) Killed() bool { return r.Signal == syscall.SIGKILL }

// Process is a running binary.
type Process struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr output
	done   chan struct{}
}

// output is what a process has printed so far.
type output struct {
	mu     sync.Mutex // guards buffer
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// patience ends a process that hangs. It is far above what any test needs, and only ends broken ones.
const patience = 3 * time.Minute

// Start starts a binary on the file. crash is the value of GAMEFILL_CRASH, "" for none. The process is killed when the
// test ends or the patience of this package does.
func (f File) Start(t testing.TB, crash, name string, args ...string) *Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	p := &Process{cmd: exec.CommandContext(ctx, f.Set.Path(name), args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = filepath.Dir(f.Path), Environment()
	for _, port := range []string{"QUEUE", "LEDGER", "WAREHOUSE"} {
		p.cmd.Env = append(p.cmd.Env, "GAMEFILL_"+port+"=sqlite:"+f.Path)
	}
	if crash != "" {
		p.cmd.Env = append(p.cmd.Env, "GAMEFILL_CRASH="+crash)
	}
	p.cmd.Env = append(p.cmd.Env, f.Env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		cancel()
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is read from ProcessState
		cancel()
		close(p.done)
	}()
	t.Cleanup(func() {
		cancel()
		<-p.done
	})
	return p
}

// Signal sends a signal; a process that has ended already is left alone.
func (p *Process) Signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// Freeze stops a running process with SIGSTOP and returns when all of it stands still; SIGCONT lets it go on.
func (p *Process) Freeze(t testing.TB) {
	t.Helper()
	p.Signal(syscall.SIGSTOP)
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || !status.Stopped() {
			t.Fatalf("freeze the process: got status %#x, %v, want a stopped one", uint32(status), err)
		}
		return
	}
}

// UntilSaid returns when the process has printed text on standard error, and fails the test when it ends without.
func (p *Process) UntilSaid(t testing.TB, text string) {
	t.Helper()
	for tick := time.NewTicker(5 * time.Millisecond); !strings.Contains(p.stderr.String(), text); <-tick.C {
		select {
		case <-p.done:
			if r := p.Wait(); !strings.Contains(r.Stderr, text) {
				t.Fatalf("got %v\nwant it to say %q", r, text)
			}
		default:
		}
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end of the process.
func (p *Process) Wait() Result {
	<-p.done
	r := Result{Code: p.cmd.ProcessState.ExitCode(), Stdout: p.stdout.String(), Stderr: p.stderr.String()}
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		r.Signal = status.Signal()
	}
	return r
}

// Run runs a binary to its end.
func (f File) Run(t testing.TB, crash, name string, args ...string) Result {
	t.Helper()
	return f.Start(t, crash, name, args...).Wait()
}

// Publish runs the publisher and fails the test unless it exits with code.
func (f File) Publish(t testing.TB, code int, args ...string) Result {
	t.Helper()
	r := f.Run(t, "", Publisher, args...)
	if r.Code != code {
		t.Fatalf("publisher %s: got %v\nwant exit code %d", strings.Join(args, " "), r, code)
	}
	return r
}

// JSON runs the publisher with --json, fails the test unless it exits with code, and decodes what it printed into v.
func (f File) JSON(t testing.TB, code int, v any, args ...string) {
	t.Helper()
	r := f.Publish(t, code, append(args, "--json")...)
	if err := json.Unmarshal([]byte(r.Stdout), v); err != nil {
		t.Fatalf("publisher %s: %v: %s", strings.Join(args, " "), err, last(r.Stdout))
	}
}

// Copy copies the file, which no process may have open, into a new directory of the test.
func (f File) Copy(t testing.TB) File {
	t.Helper()
	if info, err := os.Stat(f.Path + "-wal"); err == nil && info.Size() > 0 {
		t.Fatalf("copy %s: its write-ahead log is not empty, so somebody has it open", f.Path)
	}
	content, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	to := File{Set: f.Set, Path: filepath.Join(t.TempDir(), filepath.Base(f.Path)), Env: f.Env}
	if err := os.WriteFile(to.Path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}
