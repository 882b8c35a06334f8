package deploy_test

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gamefill/test/program"

	"sigs.k8s.io/yaml"
)

// decode reads one YAML document of deploy/ into what the test looks at.
func decode[T any](t *testing.T, path string) (v T) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(program.Read(t, path)), &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

// settings reads the lines NAME=VALUE of the settings of GKE's workers.
func settings(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(program.Read(t, "deploy/gke/base/settings.env")) {
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
	if got, want := account.Metadata.Annotations["iam.gke.io/gcp-service-account"],
		id+"@PROJECT.iam.gserviceaccount.com"; got != want {
		t.Errorf("got Google account %s, want %s, as Terraform makes it", got, want)
	}
	example := program.Read(t, "deploy/terraform/examples/gke/main.tf")
	if !strings.Contains(example, `"${var.namespace}/`+account.Metadata.Name+`"`) {
		t.Errorf("the example for GKE does not let %s act as the Google account", account.Metadata.Name)
	}
	for _, path := range []string{"network-policy.yaml", "pod-monitoring.yaml"} {
		if !strings.Contains(program.Read(t, "deploy/gke/base/"+path), "port: "+c.Ports[0].Name+"\n") {
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
	byDefault, err := strconv.Atoi(value(t,
		modules(t)["deploy/terraform/modules/bigquery"].labelled("variable")["fleet"].Body, "default"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		most      int
		dividedBy int
	}{
		{"hpa", decode[limits](t, "deploy/gke/overlays/hpa/autoscaler.yaml").Spec.MaxReplicas,
			fleet(t, settings(t)["GAMEFILL_WAREHOUSE"])},
		{"keda", decode[limits](t, "deploy/gke/overlays/keda/scaled-object.yaml").Spec.MaxReplicaCount,
			fleet(t, settings(t)["GAMEFILL_WAREHOUSE"])},
		{"cloud run", decode[crema](t, "deploy/cloud-run/autoscaler.yaml").Spec.ScaledObjects[0].Spec.MaxReplicaCount,
			fleet(t, pool["GAMEFILL_WAREHOUSE"])},
		{"terraform", byDefault, fleet(t, pool["GAMEFILL_WAREHOUSE"])},
	} {
		if tt.most != tt.dividedBy {
			t.Errorf("%s: got at most %d workers, want %d, the address's fleet", tt.name, tt.most, tt.dividedBy)
		}
		// What the adapter lets each worker do in 10 s: its share of 40 changes, and a burst of its share of 5, at least 1.
		const per10s, limit = 40, 50
		each := float64(per10s)/float64(tt.dividedBy) + float64(max(1, per10s/8/tt.dividedBy))
		if got := float64(tt.most) * each; got > limit {
			t.Errorf("%s: got %.0f changes of a table in 10 s by %d workers, want %d at most", tt.name, got, tt.most, limit)
		}
	}
	adapter := program.Read(t, "internal/warehouse/bigquerywarehouse/bigquerywarehouse.go")
	if share := `o\.Modifications = cmp\.Or\(o\.Modifications, 40\)`; !regexp.MustCompile(share).MatchString(adapter) {
		t.Error("the adapter does not share out 40 changes in 10 s any more: compute with what it does")
	}
}

// TestSizing: the manifests run what docs/sizing.md recommends, and its table bears that out: for no range are more
// workers than that much quicker.
func TestSizing(t *testing.T) {
	t.Parallel()
	page := program.Read(t, "docs/sizing.md")
	stated := regexp.MustCompile("stop at (\\w+), which is `fleet=(\\d+)`").FindStringSubmatch(page)
	if stated == nil {
		t.Fatal("docs/sizing.md does not say where the manifests stop")
	}
	s := settings(t)
	if got := strconv.Itoa(fleet(t, s["GAMEFILL_WAREHOUSE"])); got != stated[2] {
		t.Errorf("got fleet=%s in the manifests, want %s, as docs/sizing.md says", got, stated[2])
	}
	simulated := regexp.MustCompile(`(?m)^\s*concurrency\s*= (\d+)`).FindStringSubmatch(
		program.Read(t, "docs/sizing/generate.go"))
	pool := environment(decode[workload](t, "deploy/cloud-run/worker-pool.yaml").Spec.Template.Spec.Containers[0])
	byDefault := value(t, modules(t)["deploy/terraform/modules/worker-pool"].labelled("variable")["concurrency"].Body,
		"default")
	for where, got := range map[string]string{"gke": s["GAMEFILL_CONCURRENCY"], "cloud run": pool["GAMEFILL_CONCURRENCY"],
		"terraform": byDefault} {
		if simulated == nil || got != simulated[1] {
			t.Errorf("%s: got %s dates at once, want what docs/sizing.md is computed for: %v", where, got, simulated)
		}
	}
	const slower = 1.5 // more than that would be worth more workers
	recommended, best := map[string]float64{}, map[string]float64{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([\d,]+) \| (\d+) \| ([\d.]+) (min|h|days) \|`).FindAllStringSubmatch(page, -1) {
		wall, err := strconv.ParseFloat(row[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		wall *= map[string]float64{"min": 1, "h": 60, "days": 24 * 60}[row[4]]
		if row[2] == stated[2] {
			recommended[row[1]] = wall
		}
		if b, ok := best[row[1]]; !ok || wall < b {
			best[row[1]] = wall
		}
	}
	if len(best) != 3 {
		t.Errorf("got ranges %v in the table of docs/sizing.md, want 3", slices.Sorted(maps.Keys(best)))
	}
	for dates, quickest := range best {
		if got, ok := recommended[dates]; !ok || got > slower*quickest {
			t.Errorf("%s dates: got %.0f minutes with %s workers and %.0f with the best number, want them closer", dates,
				got, stated[2], quickest)
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
	text := program.Read(t, "deploy/terraform/modules/worker-pool/main.tf")
	const webhook = "GAMEFILL_NOTIFY_WEBHOOK" // off by default, and so not in the manifest
	always := slices.DeleteFunc(found(`GAMEFILL_[A-Z_]+`, text), func(name string) bool { return name == webhook })
	if !slices.Equal(always, slices.Sorted(maps.Keys(environment(c)))) {
		t.Errorf("settings: got %v in the module, want those of the manifest", always)
	}
	if !regexp.MustCompile(`name = "` + webhook + `"\s+value_source {\s+secret_key_ref {`).MatchString(text) {
		t.Errorf("the module does not take %s from a secret", webhook)
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
		Command         []string
		Environment     map[string]string
		StopGracePeriod string `json:"stop_grace_period"`
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
	stop := parseDuration(t, compose.Services["worker"].StopGracePeriod)
	byDefault := regexp.MustCompile(`--grace=(\w+) `).FindStringSubmatch(program.Read(t, "docs/cli/worker.md"))
	if byDefault == nil || stop <= parseDuration(t, byDefault[1]) {
		t.Errorf("got %v until the worker is killed, want more than its own grace: %v", stop, byDefault)
	}
}
