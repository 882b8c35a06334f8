package pubsubqueue_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"gamefill/internal/queue"
	"gamefill/internal/queue/queuetest"
)

// emulatorJar finds the official emulator, a part of the Google Cloud SDK.
func emulatorJar(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "gcloud", "info", "--format=value(installation.sdk_root)").Output()
	if err != nil {
		return "", fmt.Errorf("no Google Cloud SDK: %w", err)
	}
	lib := filepath.Join(strings.TrimSpace(string(out)), "platform", "pubsub-emulator", "lib")
	jars, err := filepath.Glob(filepath.Join(lib, "cloud-pubsub-emulator*.jar"))
	if err == nil && len(jars) == 0 {
		err = fmt.Errorf("no emulator in %s: gcloud components install pubsub-emulator", lib)
	}
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("the emulator needs Java: %w", err)
	}
	return jars[0], nil
}

// startEmulator runs the emulator on a free port for the length of the test, or skips the test where there is none;
// GAMEFILL_REQUIRE_EMULATORS=1 makes that a failure.
func startEmulator(t *testing.T) (address string) {
	t.Helper()
	jar, err := emulatorJar(t.Context())
	if err != nil {
		if os.Getenv("GAMEFILL_REQUIRE_EMULATORS") == "1" {
			t.Fatalf("Pub/Sub emulator: %v", err)
		}
		t.Skipf("Pub/Sub emulator: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	var output strings.Builder // read after the process has ended
	emulator := exec.Command("java", "-jar", jar, "--host=127.0.0.1", "--port="+port)
	emulator.Stdout, emulator.Stderr = &output, &output
	if err := emulator.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = emulator.Process.Kill()
		_ = emulator.Wait()
		if t.Failed() {
			text := output.String()
			t.Logf("the emulator's last words:\n%s", text[max(0, len(text)-1000):])
		}
	})
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = pubsubpb.NewPublisherClient(connection).ListTopics(ctx,
		&pubsubpb.ListTopicsRequest{Project: "projects/ready"}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatalf("the emulator does not answer: %v", err)
	}
	return address
}

func TestConformanceOnEmulator(t *testing.T) {
	t.Parallel()
	address := startEmulator(t)
	var projects atomic.Int64
	queuetest.Run(t, func(t *testing.T) queue.Queue {
		o := options(address)
		o.Project = fmt.Sprintf("case-%d", projects.Add(1))
		return create(t, o)
	}, queuetest.Capabilities{DeliveryCount: true, Patience: time.Minute})
	t.Run("service forwards", func(t *testing.T) {
		t.Parallel()
		o := options(address)
		o.Project = "forwards"
		forwards(t, o)
	})
}
