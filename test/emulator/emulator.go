// Package emulator starts the official Google Cloud emulators for tests, each at most once per test binary.
//
// They are Java programs in the Google Cloud SDK; `gcloud info` says where that is. A test that needs one is skipped
// where it is missing, or fails when GAMEFILL_REQUIRE_EMULATORS=1 says that it must not be. An emulator that runs
// already is used instead: the usual variables, FIRESTORE_EMULATOR_HOST and PUBSUB_EMULATOR_HOST, name it.
//
// An emulator ends with the process that started it, however that ends: a shell holds a pipe to the test binary and
// ends the emulator when the pipe closes.
package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// startWithin bounds the wait for an emulator to listen; it usually takes a second or two.
const startWithin = time.Minute

// Firestore returns the host:port of the Firestore emulator. The variable FIRESTORE_EMULATOR_HOST names it from then
// on, so that clients made without options find it too. Its data are shared by the whole binary: tests use namespaces.
func Firestore(t testing.TB) string {
	t.Helper()
	return firestore.host(t)
}

// PubSub returns the host:port of the Pub/Sub emulator, which PUBSUB_EMULATOR_HOST names from then on. Its topics are
// shared by the whole binary: tests use project names of their own.
func PubSub(t testing.TB) string {
	t.Helper()
	return pubsub.host(t)
}

var firestore = &emulator{
	name:      "Firestore",
	variable:  "FIRESTORE_EMULATOR_HOST",
	component: "cloud-firestore-emulator",
	jars:      "platform/cloud-firestore-emulator/*.jar",
	mainClass: "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
}

var pubsub = &emulator{
	name:      "Pub/Sub",
	variable:  "PUBSUB_EMULATOR_HOST",
	component: "pubsub-emulator",
	jars:      "platform/pubsub-emulator/lib/*.jar",
	mainClass: "com.google.cloud.pubsub.testing.v1.Main",
}

type emulator struct {
	name      string
	variable  string // names a running one
	component string // of the SDK
	jars      string // pattern below the SDK's root
	mainClass string

	once    sync.Once
	address string
	err     error
}

func (e *emulator) host(t testing.TB) string {
	t.Helper()
	e.once.Do(func() { e.address, e.err = e.start() })
	switch missing := (*missingError)(nil); {
	case e.err == nil:
	case errors.As(e.err, &missing) && os.Getenv("GAMEFILL_REQUIRE_EMULATORS") != "1":
		t.Skipf("%s emulator: %v", e.name, e.err)
	default:
		t.Fatalf("%s emulator: %v", e.name, e.err)
	}
	return e.address
}

// missingError says what has to be installed.
type missingError struct{ what string }

func (e *missingError) Error() string { return e.what }

// supervise runs its arguments until they end or standard input is closed, whichever comes first.
const supervise = `"$@" </dev/null & pid=$!
(cat >/dev/null; kill -9 $pid 2>/dev/null) <&3 &
wait $pid`

func (e *emulator) start() (address string, err error) {
	if running := os.Getenv(e.variable); running != "" {
		return running, nil
	}
	command, err := e.command()
	if err != nil {
		return "", err
	}
	address, err = freeAddress()
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	var output lockedBuffer
	cmd := exec.Command("sh",
		append([]string{"-c", "exec 3<&0; " + supervise, "sh"}, append(command, "--host="+host, "--port="+port)...)...)
	cmd.Stdout, cmd.Stderr = &output, &output
	if _, err := cmd.StdinPipe(); err != nil { // stays open for as long as this process lives
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(startWithin)
	for {
		select {
		case err := <-ended:
			return "", fmt.Errorf("it ended at once (%v) and said:\n%s", err, output.String())
		case <-timeout:
			return "", fmt.Errorf("it does not listen on %s after %v and said:\n%s", address, startWithin, output.String())
		case <-tick.C:
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err != nil {
				continue
			}
			return address, errors.Join(conn.Close(), os.Setenv(e.variable, address))
		}
	}
}

// command is how the emulator is started, without its address.
func (e *emulator) command() ([]string, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, &missingError{"java is not installed"}
	}
	root, err := exec.Command("gcloud", "info", "--format=value(installation.sdk_root)").Output()
	if err != nil {
		return nil, &missingError{fmt.Sprintf("the Google Cloud SDK is not installed (gcloud info: %v)", err)}
	}
	jars, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), filepath.FromSlash(e.jars)))
	if err != nil {
		return nil, err
	}
	if len(jars) == 0 {
		return nil, &missingError{"it is not part of this Google Cloud SDK: gcloud components install " + e.component}
	}
	return []string{java, "-cp", strings.Join(jars, string(os.PathListSeparator)), e.mainClass}, nil
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// lockedBuffer keeps what an emulator prints.
type lockedBuffer struct {
	mu     sync.Mutex // guards buffer
	buffer bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
