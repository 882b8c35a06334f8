package deploy_test

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// decode reads one YAML document of deploy/ into what the test looks at.
func decode[T any](t *testing.T, path string) (v T) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, path)), &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

// settings reads the lines NAME=VALUE of the settings of GKE's workers.
func settings(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(read(t, "deploy/gke/base/settings.env")) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			t.Fatalf("settings.env: %q", line)
		}
		all[name] = value
	}
	return all
}

type probe struct {
	HTTPGet struct {
		Path string
		Port any
	}
}

type container struct {
	Name  string
	Image string
	Args  []string
	Env   []struct{ Name, Value string }
	Ports []struct {
		Name          string
		ContainerPort int
	}
	StartupProbe, LivenessProbe, ReadinessProbe *probe
}

type workload struct {
	Metadata struct{ Name string }
	Spec     struct {
		Template struct {
			Spec struct {
				ServiceAccountName            string
				TerminationGracePeriodSeconds int
				Containers                    []container
			}
		}
	}
}

// grace is the worker's --grace in a list of arguments.
func grace(t *testing.T, args []string) time.Duration {
	t.Helper()
	for _, a := range args {
		if text, ok := strings.CutPrefix(a, "--grace="); ok {
			d, err := time.ParseDuration(text)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
	t.Fatalf("no --grace in %v", args)
	return 0
}

// fleet is the parameter of that name in an address of the warehouse.
func fleet(t *testing.T, address string) int {
	t.Helper()
	match := regexp.MustCompile(`[?&]fleet=(\d+)`).FindStringSubmatch(address)
	if match == nil {
		t.Fatalf("%s: no fleet", address)
	}
	n, err := strconv.Atoi(match[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDeployment(t *testing.T) {
	t.Parallel()
	d := decode[workload](t, "deploy/gke/base/deployment.yaml")
	pod := d.Spec.Template.Spec
	c := pod.Containers[0]
	if kill := time.Duration(pod.TerminationGracePeriodSeconds) * time.Second; kill <= grace(t, c.Args) {
		t.Errorf("got %v until the pod is killed, want more than --grace=%v", kill, grace(t, c.Args))
	}
	s := settings(t)
	checkAddresses(t, "deploy/gke/base/settings.env", s)
	if got, want := s["GAMEFILL_LISTEN"], ":"+strconv.Itoa(c.Ports[0].ContainerPort); got != want {
		t.Errorf("GAMEFILL_LISTEN: got %s, want %s, the container's port", got, want)
	}
	for path, p := range map[string]*probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
		if p.HTTPGet.Path != path || p.HTTPGet.Port != c.Ports[0].Name {
			t.Errorf("got probe %v, want %s on port %s", p.HTTPGet, path, c.Ports[0].Name)
		}
	}
	account := decode[struct {
		Metadata struct {
			Name        string
			Annotations map[string]string
		}
	}](t, "deploy/gke/base/worker-account.yaml")
	if account.Metadata.Name != pod.ServiceAccountName {
		t.Errorf("got account %s, want %s", account.Metadata.Name, pod.ServiceAccountName)
	}
	accounts := modules(t)["deploy/terraform/modules/service-accounts"]
	id := value(t, accounts.resource(t, "google_service_account", "worker"), "account_id")
	if got, want := account.Metadata.Annotations["iam.gke.io/gcp-service-account"], id+"@PROJECT.iam.gserviceaccount.com"; got != want {
		t.Errorf("got Google account %s, want %s, as Terraform makes it", got, want)
	}
	if example := read(t, "deploy/terraform/examples/gke/main.tf"); !strings.Contains(example, `"${var.namespace}/`+account.Metadata.Name+`"`) {
		t.Errorf("the example for GKE does not let %s act as the Google account", account.Metadata.Name)
	}
	for _, path := range []string{"network-policy.yaml", "pod-monitoring.yaml"} {
		if !strings.Contains(read(t, "deploy/gke/base/"+path), "port: "+c.Ports[0].Name+"\n") {
			t.Errorf("%s does not name the port %s", path, c.Ports[0].Name)
		}
	}
}

// TestMostWorkers: no autoscaler may run more workers than the addresses divide the load limit by.
func TestMostWorkers(t *testing.T) {
	t.Parallel()
	type limits struct {
		Spec struct{ MaxReplicas, MaxReplicaCount int }
	}
	type crema struct {
		Spec struct{ ScaledObjects []limits }
	}
	pool := environment(decode[workload](t, "deploy/cloud-run/worker-pool.yaml").Spec.Template.Spec.Containers[0])
	byDefault, err := strconv.Atoi(value(t, modules(t)["deploy/terraform/modules/bigquery"].labelled("variable")["fleet"].Body, "default"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		most      int
		dividedBy int
	}{
		{"hpa", decode[limits](t, "deploy/gke/overlays/hpa/autoscaler.yaml").Spec.MaxReplicas, fleet(t, settings(t)["GAMEFILL_WAREHOUSE"])},
		{"keda", decode[limits](t, "deploy/gke/overlays/keda/scaled-object.yaml").Spec.MaxReplicaCount, fleet(t, settings(t)["GAMEFILL_WAREHOUSE"])},
		{"cloud run", decode[crema](t, "deploy/cloud-run/autoscaler.yaml").Spec.ScaledObjects[0].Spec.MaxReplicaCount, fleet(t, pool["GAMEFILL_WAREHOUSE"])},
		{"terraform", byDefault, fleet(t, pool["GAMEFILL_WAREHOUSE"])},
	} {
		if tt.most != tt.dividedBy {
			t.Errorf("%s: got at most %d workers, want %d, the address's fleet", tt.name, tt.most, tt.dividedBy)
		}
	}
}

func environment(c container) map[string]string {
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
	}
	return env
}

// TestWorkerPool: the manifest fits Cloud Run's ten seconds and says the same as the Terraform module.
func TestWorkerPool(t *testing.T) {
	t.Parallel()
	pool := decode[workload](t, "deploy/cloud-run/worker-pool.yaml")
	c := pool.Spec.Template.Spec.Containers[0]
	if got := grace(t, c.Args); got >= 10*time.Second {
		t.Errorf("got --grace=%v, want less than the 10s after which the instance is killed", got)
	}
	checkAddresses(t, "deploy/cloud-run/worker-pool.yaml", environment(c))

	m := modules(t)["deploy/terraform/modules/worker-pool"]
	text := read(t, "deploy/terraform/modules/worker-pool/main.tf")
	if names := found(`GAMEFILL_[A-Z]+`, text); !slices.Equal(names, slices.Sorted(maps.Keys(environment(c)))) {
		t.Errorf("settings: got %v in the module, want those of the manifest", names)
	}
	if name := value(t, m.labelled("variable")["name"].Body, "default"); name != pool.Metadata.Name {
		t.Errorf("got pool %s in the module, want %s", name, pool.Metadata.Name)
	}
	if args := `args = ["` + strings.Join(c.Args, `", "`) + `"]`; !strings.Contains(text, args) {
		t.Errorf("the module does not have %s, as the manifest does", args)
	}
	collector := pool.Spec.Template.Spec.Containers[1]
	if image := value(t, m.labelled("variable")["metrics_image"].Body, "default"); collector.Image != image {
		t.Errorf("collector: got %s in the module, want %s", image, collector.Image)
	}
	for _, p := range []*probe{c.StartupProbe, c.LivenessProbe} {
		if p.HTTPGet.Path != "/livez" || !strings.Contains(text, `path = "/livez"`) {
			t.Errorf("got probe %v, want /livez", p.HTTPGet)
		}
	}
}

// TestCompose: the laptop's addresses are known, and the emulators listen where the programs look.
func TestCompose(t *testing.T) {
	t.Parallel()
	type service struct {
		Command     []string
		Environment map[string]string
	}
	compose := decode[struct{ Services map[string]service }](t, "deploy/compose.yaml")
	for _, name := range []string{"init", "worker", "publisher"} {
		env := compose.Services[name].Environment
		checkAddresses(t, "deploy/compose.yaml: "+name, env)
		for _, variable := range []string{"PUBSUB_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST"} {
			host, port, _ := strings.Cut(env[variable], ":")
			if !slices.Contains(compose.Services[host].Command, "--host-port=0.0.0.0:"+port) {
				t.Errorf("%s: %s is %s, where no service listens", name, variable, env[variable])
			}
		}
	}
}
