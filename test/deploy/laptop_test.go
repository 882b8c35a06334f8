package deploy_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gamefill/test/emulator"
	"gamefill/test/program"
)

// TestLaptop does what deploy/compose.yaml does, without containers: the services' settings, with the emulators' real
// addresses in place of the services' names, and the publisher's commands that stand at the head of the file.
func TestLaptop(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds both programs and starts emulators")
	}
	pubsub, firestore := emulator.PubSub(t), emulator.Firestore(t)
	dir := t.TempDir()
	if _, err := program.Build(dir); err != nil {
		t.Fatal(err)
	}
	// An emulator that ran before may remember the project.
	own := "laptop-" + strings.ToLower(rand.Text()[:12])
	local := strings.NewReplacer("gamefill-local", own, "/data/", dir+"/", "pubsub:8085", pubsub,
		"firestore:8080", firestore, "/examples/", filepath.Join(program.Dir(t), "examples/first-games")+"/")

	type service struct {
		Environment map[string]string
		Healthcheck struct{ Test []string }
	}
	compose := decode[struct{ Services map[string]service }](t, "deploy/compose.yaml")
	execute := func(service, name string, args ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), filepath.Join(dir, name), args...)
		command.Env = program.Environment()
		for name, value := range compose.Services[service].Environment {
			command.Env = append(command.Env, name+"="+local.Replace(value))
		}
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}

	for name, host := range map[string]string{"pubsub": pubsub, "firestore": firestore} {
		test := compose.Services[name].Healthcheck.Test
		if len(test) < 2 || test[1] != "curl" {
			t.Fatalf("%s: got health check %v, want curl", name, test)
		}
		asked, err := url.Parse(test[len(test)-1])
		if err != nil {
			t.Fatal(err)
		}
		asked.Host = host // it listens elsewhere here
		response, err := http.Get(asked.String())
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != http.StatusOK {
			t.Errorf("%s: got %s from %s, want what curl --fail takes for well", name, response.Status, asked)
		}
	}
	execute("init", program.Publisher, "init")
	documented := regexp.MustCompile(`(?m)^#   docker compose .* run --rm publisher (.*)`).FindAllStringSubmatch(
		strings.ReplaceAll(program.Read(t, "deploy/compose.yaml"), "\\\n#", ""), -1)
	ran := 0
	for _, match := range documented {
		if strings.HasPrefix(match[1], "status") {
			continue // watches until workers are done; they come below
		}
		var args []string
		for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(match[1], -1) {
			args = append(args, local.Replace(strings.Trim(word, `"`)))
		}
		execute("publisher", program.Publisher, args...)
		ran++
	}
	if ran < 2 {
		t.Errorf("got %d commands at the head of compose.yaml, want import and publish", ran)
	}
	execute("worker", program.Worker, "--drain")
	execute("publisher", program.Publisher, "validate")
}
