// Package validate_test decodes deploy/ as the APIs do that it is written for: an unknown field, a field of another
// type or a misspelt name is an error. It is a module of its own, because those APIs' types are many times the program.
package validate_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/compose-spec/compose-go/v2/cli"
	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	run "google.golang.org/api/run/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// strict decodes YAML as the API server does in strict mode: names are told apart by case, too.
func strict(t *testing.T, what string, text []byte, into any) {
	t.Helper()
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	problems, err := json.UnmarshalStrict(asJSON, into)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if err := errors.Join(problems...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// kinds are the types of what the overlays make; PodMonitoring has a schema alone.
var kinds = map[string]func() any{
	"Namespace":               func() any { return new(core.Namespace) },
	"ServiceAccount":          func() any { return new(core.ServiceAccount) },
	"ConfigMap":               func() any { return new(core.ConfigMap) },
	"Deployment":              func() any { return new(apps.Deployment) },
	"PodDisruptionBudget":     func() any { return new(policy.PodDisruptionBudget) },
	"NetworkPolicy":           func() any { return new(networking.NetworkPolicy) },
	"HorizontalPodAutoscaler": func() any { return new(autoscaling.HorizontalPodAutoscaler) },
	"ScaledObject":            func() any { return new(keda.ScaledObject) },
	"TriggerAuthentication":   func() any { return new(keda.TriggerAuthentication) },
}

func TestGKE(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path       string
		component  string // that is added to it
		autoscaler string // the kind that makes the overlay
		replicas   bool   // whether the Deployment itself says how many
	}{
		{"base", "", "", true},
		{"overlays/hpa", "", "HorizontalPodAutoscaler", false},
		{"overlays/keda", "", "ScaledObject", false},
		{"overlays/hpa", "traces", "HorizontalPodAutoscaler", false},
		{"overlays/keda", "traces", "ScaledObject", false},
	} {
		t.Run(tt.path+" "+tt.component, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("../gke", tt.path)
			if tt.component != "" {
				dir = added(t, tt.path, tt.component)
			}
			resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]any{}
			for _, r := range resources.Resources() {
				text, err := r.AsYAML()
				if err != nil {
					t.Fatal(err)
				}
				if r.GetKind() == "PodMonitoring" {
					bySchema(t, "testdata/podmonitorings.yaml", text)
					continue
				}
				decoded, ok := kinds[r.GetKind()]
				if !ok {
					t.Errorf("nothing decodes %s %s", r.GetKind(), r.GetName())
					continue
				}
				object := decoded()
				strict(t, r.GetKind()+" "+r.GetName(), text, object)
				seen[r.GetKind()] = object
				if r.GetKind() != "Namespace" && r.GetNamespace() != "gamefill" {
					t.Errorf("%s %s: got namespace %q, want gamefill", r.GetKind(), r.GetName(), r.GetNamespace())
				}
			}
			if tt.autoscaler != "" && seen[tt.autoscaler] == nil {
				t.Errorf("no %s", tt.autoscaler)
			}
			settings := seen["ConfigMap"].(*core.ConfigMap)
			checkDeployment(t, seen["Deployment"].(*apps.Deployment), settings, tt.replicas)
			checkTraces(t, settings.Data["OTEL_EXPORTER_OTLP_ENDPOINT"], seen["NetworkPolicy"].(*networking.NetworkPolicy),
				tt.component == "traces")
		})
	}
}

// added is a copy of an overlay that names a component.
func added(t *testing.T, overlay, component string) (dir string) {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS("../gke")); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(copied, overlay)
	file := filepath.Join(dir, "kustomization.yaml")
	if err := os.WriteFile(file, append(read(t, file), "\ncomponents:\n  - ../../components/"+component+"\n"...),
		0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkTraces wants workers to be told of a collector and let out to its port when they trace, and neither when they do
// not.
func checkTraces(t *testing.T, endpoint string, policy *networking.NetworkPolicy, on bool) {
	t.Helper()
	var ports []string
	for _, rule := range policy.Spec.Egress {
		for _, port := range rule.Ports {
			ports = append(ports, port.Port.String())
		}
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(endpoint, "http://"), ":")
	if (endpoint != "") != on || slices.Contains(ports, "4318") != on || on && port != "4318" {
		t.Errorf("got traces to %q, ports %v let out; want both for 4318: %v", endpoint, ports, on)
	}
}

// checkDeployment looks at what kustomize puts together: the hashed name of the settings, the image, the selectors, and
// that no autoscaler is overruled by a number in the Deployment.
func checkDeployment(t *testing.T, d *apps.Deployment, settings *core.ConfigMap, replicas bool) {
	t.Helper()
	if got := d.Spec.Replicas != nil; got != replicas {
		t.Errorf("replicas given: got %v, want %v", got, replicas)
	}
	c := d.Spec.Template.Spec.Containers[0]
	if got := c.EnvFrom[0].ConfigMapRef.Name; got != settings.Name {
		t.Errorf("settings: got %s, want %s", got, settings.Name)
	}
	if e := c.Env[0]; e.Name != "GAMEFILL_NOTIFY_WEBHOOK" || !*e.ValueFrom.SecretKeyRef.Optional {
		t.Errorf("got %v, want the webhook from a secret that need not be there", e)
	}
	if !strings.Contains(c.Image, "/gamefill:") {
		t.Errorf("got image %s, want the one of the kustomization", c.Image)
	}
	for key, value := range d.Spec.Selector.MatchLabels {
		if got := d.Spec.Template.Labels[key]; got != value {
			t.Errorf("label %s: got %q on pods, want %q, as the selector", key, got, value)
		}
	}
	if s := c.SecurityContext; !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation ||
		s.Capabilities.Drop[0] != "ALL" {
		t.Errorf("got security context %v, want a read-only root and no rights", s)
	}
	if s := d.Spec.Template.Spec.SecurityContext; !*s.RunAsNonRoot ||
		s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("got security context %v, want no root and the default seccomp profile", s)
	}
}

// bySchema validates an object as the API server does with a custom resource, and wants no field that it would drop.
func bySchema(t *testing.T, definition string, text []byte) {
	t.Helper()
	var crd apiextensionsv1.CustomResourceDefinition
	strict(t, definition, read(t, definition), &crd)
	var object map[string]any
	strict(t, crd.Spec.Names.Kind, text, &object)
	for _, v := range crd.Spec.Versions {
		if crd.Spec.Group+"/"+v.Name != object["apiVersion"] {
			continue
		}
		var props apiextensions.JSONSchemaProps
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema,
			&props, nil); err != nil {
			t.Fatal(err)
		}
		validator, _, err := validation.NewSchemaValidator(&props)
		if err != nil {
			t.Fatal(err)
		}
		if errs := validation.ValidateCustomResource(nil, object, validator); len(errs) > 0 {
			t.Errorf("%s: %v", crd.Spec.Names.Kind, errs.ToAggregate())
		}
		structural, err := schema.NewStructural(&props)
		if err != nil {
			t.Fatal(err)
		}
		if dropped := pruning.PruneWithOptions(object, structural, true,
			schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}); len(dropped) > 0 {
			t.Errorf("%s: unknown fields %v", crd.Spec.Names.Kind, dropped)
		}
		return
	}
	t.Errorf("%s has no version %v", definition, object["apiVersion"])
}

func TestCloudRunWorkerPool(t *testing.T) {
	t.Parallel()
	var pool run.WorkerPool
	strict(t, "worker-pool.yaml", read(t, "../cloud-run/worker-pool.yaml"), &pool)
	if got := pool.ApiVersion + " " + pool.Kind; got != "run.googleapis.com/v1 WorkerPool" {
		t.Errorf("got %s, want run.googleapis.com/v1 WorkerPool", got)
	}
	if n := len(pool.Spec.Template.Spec.Containers); n != 2 {
		t.Errorf("got %d containers, want the worker and its collector", n)
	}
}

// crema is the document of Cloud Run External Metrics Autoscaling: KEDA's own types in a list.
type crema struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		PollingInterval        int `json:"pollingInterval"`
		TriggerAuthentications []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Spec keda.TriggerAuthenticationSpec `json:"spec"`
		} `json:"triggerAuthentications"`
		ScaledObjects []struct {
			Spec keda.ScaledObjectSpec `json:"spec"`
		} `json:"scaledObjects"`
	} `json:"spec"`
}

// TestCloudRunAutoscaler: the settings are KEDA's, and both platforms scale alike.
func TestCloudRunAutoscaler(t *testing.T) {
	t.Parallel()
	var settings crema
	strict(t, "autoscaler.yaml", read(t, "../cloud-run/autoscaler.yaml"), &settings)
	var gke keda.ScaledObject
	strict(t, "scaled-object.yaml", read(t, "../gke/overlays/keda/scaled-object.yaml"), &gke)
	cloudRun := settings.Spec.ScaledObjects[0].Spec
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"reference", cloudRun.Triggers[0].AuthenticationRef.Name, settings.Spec.TriggerAuthentications[0].Metadata.Name},
		{"least", *cloudRun.MinReplicaCount, *gke.Spec.MinReplicaCount},
		{"most", *cloudRun.MaxReplicaCount, *gke.Spec.MaxReplicaCount},
		{"threshold", cloudRun.Triggers[0].Metadata["threshold"], gke.Spec.Triggers[0].Metadata["threshold"]},
		{"server", cloudRun.Triggers[0].Metadata["serverAddress"], gke.Spec.Triggers[0].Metadata["serverAddress"]},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

// adapter is what the chart of prometheus-adapter takes: a rule as the adapter's own configuration has it
// (kubernetes-sigs/prometheus-adapter, pkg/config).
type adapter struct {
	Prometheus struct {
		URL  string `json:"url"`
		Port int    `json:"port"`
	} `json:"prometheus"`
	Rules struct {
		Default  bool `json:"default"`
		External []struct {
			SeriesQuery string `json:"seriesQuery"`
			Resources   struct {
				Overrides map[string]struct {
					Group    string `json:"group"`
					Resource string `json:"resource"`
				} `json:"overrides"`
			} `json:"resources"`
			Name struct {
				Matches string `json:"matches"`
				As      string `json:"as"`
			} `json:"name"`
			MetricsQuery string `json:"metricsQuery"`
		} `json:"external"`
	} `json:"rules"`
}

// TestPrometheusAdapter: the adapter serves the metric that the HPA asks for, from a metric that workers have.
func TestPrometheusAdapter(t *testing.T) {
	t.Parallel()
	var values adapter
	strict(t, "adapter-values.yaml", read(t, "../gke/overlays/hpa/adapter-values.yaml"), &values)
	var hpa autoscaling.HorizontalPodAutoscaler
	strict(t, "autoscaler.yaml", read(t, "../gke/overlays/hpa/autoscaler.yaml"), &hpa)
	rule := values.Rules.External[0]
	if got, want := rule.Name.As, hpa.Spec.Metrics[0].External.Metric.Name; got != want {
		t.Errorf("the adapter serves %s, want %s, which the HPA asks for", got, want)
	}
	metrics := listed(t)
	for name, has := range metrics {
		metrics[name] = append(has, "namespace") // the collector's
	}
	checkQuery(t, "seriesQuery", rule.SeriesQuery, metrics)
	query, err := template.New("").Delims("<<", ">>").Option("missingkey=error").Parse(rule.MetricsQuery)
	if err != nil {
		t.Fatal(err)
	}
	var asked strings.Builder
	if err := query.Execute(&asked, map[string]string{"Series": rule.Name.As, "LabelMatchers": `namespace="gamefill"`, "GroupBy": "namespace"}); err != nil {
		t.Fatal(err)
	}
	checkQuery(t, "metricsQuery", asked.String(), metrics)
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parsed, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range parsed.Warnings {
		t.Errorf("line %d: %s", w.Location.Start.Line, w.Short)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 2 {
		t.Errorf("got %d stages, want one that builds and one that is the image", len(stages))
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(project.ServiceNames(), " "), "firestore init publisher pubsub worker"; got != want {
		t.Errorf("got services %s, want %s", got, want)
	}
	for name, s := range project.Services {
		if s.Build == nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
