package deploy_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"gamefill/internal/queue/pubsubqueue"
	"gamefill/internal/setup"
	"gamefill/test/program"
)

// module is one directory of Terraform files.
type module struct {
	blocks []*hclsyntax.Block
}

// modules parses every directory of Terraform files, by path.
func modules(t *testing.T) map[string]*module {
	t.Helper()
	all := map[string]*module{}
	for _, file := range files(t, ".tf") {
		parsed, diags := hclsyntax.ParseConfig([]byte(program.Read(t, file)), file, hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		dir := path.Dir(file)
		if all[dir] == nil {
			all[dir] = &module{}
		}
		all[dir].blocks = append(all[dir].blocks, parsed.Body.(*hclsyntax.Body).Blocks...)
	}
	return all
}

// labelled are the blocks of a type by their first label.
func (m *module) labelled(kind string) map[string]*hclsyntax.Block {
	named := map[string]*hclsyntax.Block{}
	for _, b := range m.blocks {
		if b.Type == kind && len(b.Labels) > 0 {
			named[b.Labels[0]] = b
		}
	}
	return named
}

// resource is a resource by its type and name.
func (m *module) resource(t *testing.T, kind, name string) *hclsyntax.Body {
	t.Helper()
	for _, b := range m.blocks {
		if b.Type == "resource" && b.Labels[0] == kind && b.Labels[1] == name {
			return b.Body
		}
	}
	t.Fatalf("no resource %s.%s", kind, name)
	return nil
}

// references are all names below a root, such as var.NAME, that expressions of the module use.
func (m *module) references(root string) map[string]bool {
	used := map[string]bool{}
	for _, b := range m.blocks {
		_ = hclsyntax.VisitAll(b.Body, func(n hclsyntax.Node) hcl.Diagnostics {
			if e, ok := n.(*hclsyntax.ScopeTraversalExpr); ok && e.Traversal.RootName() == root && len(e.Traversal) > 1 {
				var names []string
				for _, step := range e.Traversal[1:] {
					if a, ok := step.(hcl.TraverseAttr); ok {
						names = append(names, a.Name)
					}
				}
				used[strings.Join(names, ".")] = true
			}
			return nil
		})
	}
	return used
}

// value is a literal attribute as text.
func value(t *testing.T, body *hclsyntax.Body, name string) string {
	t.Helper()
	attribute := body.Attributes[name]
	if attribute == nil {
		t.Fatalf("%s: no %s", body.SrcRange, name)
	}
	v, diags := attribute.Expr.Value(nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if v.Type().FriendlyName() == "number" {
		return v.AsBigFloat().String()
	}
	return v.AsString()
}

// child is the only nested block of a type.
func child(t *testing.T, body *hclsyntax.Body, kind string) *hclsyntax.Body {
	t.Helper()
	for _, b := range body.Blocks {
		if b.Type == kind {
			return b.Body
		}
	}
	t.Fatalf("%s: no block %s", body.SrcRange, kind)
	return nil
}

func TestTerraformFormat(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, ".tf") {
		text := program.Read(t, file)
		if diff := cmp.Diff(string(hclwrite.Format([]byte(text))), text); diff != "" {
			t.Errorf("%s: terraform fmt would change it (-want +got):\n%s", file, diff)
		}
	}
}

// terraform runs the program in a directory; the test is skipped where it is not installed.
func terraform(t *testing.T, dir string, args ...string) (out string, err error) {
	t.Helper()
	program, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not installed")
	}
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+os.DevNull, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")
	text, err := command.CombinedOutput()
	return string(text), err
}

// TestTerraformItselfFormats asks the program, where it is installed, whether the library above is right.
func TestTerraformItselfFormats(t *testing.T) {
	t.Parallel()
	if out, err := terraform(t, filepath.Join(program.Dir(t), "deploy", "terraform"), "fmt", "-check", "-recursive",
		"-diff"); err != nil {
		t.Errorf("terraform fmt: %v\n%s", err, out)
	}
}

// TestTerraformVariables lets Terraform judge values by a module's own rules. The variables alone need no provider.
func TestTerraformVariables(t *testing.T) {
	t.Parallel()
	const registry = "us-central1-docker.pkg.dev/p/gamefill/gamefill"
	digest := "@sha256:" + strings.Repeat("0a", 32)
	pool := map[string]string{"project": "p", "region": "us-central1", "image": registry + ":0.1.0",
		"service_account": "a@b", "queue": "pubsub://p/t", "ledger": "firestore://p", "warehouse": "bigquery://p"}
	for _, tt := range []struct {
		name, module string
		change       map[string]string
		refused      string // in the message
	}{
		{"a tag", "worker-pool", nil, ""},
		{"a digest", "worker-pool", map[string]string{"image": registry + digest}, ""},
		{"a tag and a digest", "worker-pool", map[string]string{"image": registry + ":0.1.0" + digest}, ""},
		{"latest", "worker-pool", map[string]string{"image": registry + ":latest"}, "other than latest"},
		{"neither tag nor digest", "worker-pool", map[string]string{"image": registry}, "other than latest"},
		{"half a digest", "worker-pool", map[string]string{"image": registry + digest[:40]}, "or a digest"},
		{"a disk for a queue", "worker-pool", map[string]string{"queue": "sqlite:gamefill.db"}, "share no disk"},
		{"a webhook's secret", "worker-pool", map[string]string{"notify_webhook": `{secret="gamefill-webhook",version="1"}`}, ""},
		{"a webhook's address", "worker-pool", map[string]string{"notify_webhook": `{secret="https://example.com/hook",version="1"}`}, "not its address"},
		{"a collector", "worker-pool", map[string]string{"otlp_endpoint": "http://collector:4318"}, ""},
		{"a collector by gRPC", "worker-pool", map[string]string{"otlp_endpoint": "collector:4317"}, "http or https"},
		{"half an instance", "worker-pool", map[string]string{"instances": "0.5"}, "whole number"},
		{"no fleet", "bigquery", map[string]string{"project": "p", "location": "US", "fleet": "0"}, "from 1 to 10"},
		{"ten workers", "bigquery", map[string]string{"project": "p", "location": "US", "fleet": "10"}, ""},
		{"eleven workers", "bigquery", map[string]string{"project": "p", "location": "US", "fleet": "11"}, "from 1 to 10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			text := program.Read(t, "deploy/terraform/modules/"+tt.module+"/variables.tf")
			if err := os.WriteFile(filepath.Join(dir, "variables.tf"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			values := map[string]string{}
			if tt.module == "worker-pool" {
				maps.Copy(values, pool)
			}
			maps.Copy(values, tt.change)
			args := []string{"plan", "-input=false", "-no-color", "-compact-warnings"}
			for name, value := range values {
				args = append(args, "-var", name+"="+value)
			}
			out, err := terraform(t, dir, args...)
			if refused := err != nil; refused != (tt.refused != "") ||
				!strings.Contains(strings.Join(strings.Fields(out), " "), tt.refused) {
				t.Errorf("got %v, want it refused with %q\n%s", err, tt.refused, out)
			}
		})
	}
}

// TestExamplesAgree: what the two examples have in common, they say alike. Each of them may add to it.
func TestExamplesAgree(t *testing.T) {
	t.Parallel()
	blocks := func(dir string) map[string]string {
		said := map[string]string{}
		for _, name := range []string{"main", "variables", "outputs"} {
			file := dir + "/" + name + ".tf"
			text := program.Read(t, file)
			parsed, diags := hclsyntax.ParseConfig([]byte(text), file, hcl.InitialPos)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			for _, b := range parsed.Body.(*hclsyntax.Body).Blocks {
				said[strings.Join(append([]string{b.Type}, b.Labels...), " ")] = string(b.Range().SliceBytes([]byte(text)))
			}
		}
		return said
	}
	cloudRun, gke := blocks("deploy/terraform/examples/cloud-run"), blocks("deploy/terraform/examples/gke")
	same := 0
	for name, text := range cloudRun {
		switch other, ok := gke[name]; {
		case !ok:
		// who works differs
		case slices.Contains([]string{"module accounts", "module registry", "resource google_project_service apis"}, name):
		case text != other:
			t.Errorf("%s differs (-cloud-run +gke):\n%s", name, cmp.Diff(text, other))
		default:
			same++
		}
	}
	if same < 20 {
		t.Errorf("got %d blocks that are the same, want those of all shared variables, outputs and modules", same)
	}
}

func TestTerraformIsDescribed(t *testing.T) {
	t.Parallel()
	for dir, m := range modules(t) {
		for _, tt := range []struct {
			kind     string
			required []string
		}{{"variable", []string{"description", "type"}}, {"output", []string{"description", "value"}}} {
			for name, b := range m.labelled(tt.kind) {
				for _, attribute := range tt.required {
					if b.Body.Attributes[attribute] == nil {
						t.Errorf("%s: %s %q has no %s", dir, tt.kind, name, attribute)
					}
				}
			}
		}
	}
}

func TestTerraformNamesExist(t *testing.T) {
	t.Parallel()
	all := modules(t)
	for dir, m := range all {
		variables, used := m.labelled("variable"), m.references("var")
		for name := range used {
			if name, _, _ = strings.Cut(name, "."); variables[name] == nil {
				t.Errorf("%s: var.%s is not declared", dir, name)
			}
		}
		for name := range variables {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(used)), func(u string) bool {
				return u == name || strings.HasPrefix(u, name+".")
			}) {
				t.Errorf("%s: variable %q is not used", dir, name)
			}
		}
		locals := map[string]bool{}
		for _, b := range m.blocks {
			if b.Type == "locals" {
				for name := range b.Body.Attributes {
					locals[name] = true
				}
			}
		}
		for name := range m.references("local") {
			if name, _, _ = strings.Cut(name, "."); !locals[name] {
				t.Errorf("%s: local.%s is not declared", dir, name)
			}
		}
		checkCalls(t, all, dir)
	}
}

// checkCalls wants every call of a module to name one that is there, to give it what it requires and nothing it does
// not know, and every module.NAME.OUTPUT to be an output.
func checkCalls(t *testing.T, all map[string]*module, dir string) {
	t.Helper()
	calls := all[dir].labelled("module")
	for name, call := range calls {
		called := all[path.Join(dir, value(t, call.Body, "source"))]
		if called == nil {
			t.Errorf("%s: module %q: no such source", dir, name)
			continue
		}
		variables := called.labelled("variable")
		for argument := range call.Body.Attributes {
			if variables[argument] == nil && !slices.Contains([]string{"source", "count", "for_each", "depends_on"}, argument) {
				t.Errorf("%s: module %q has no variable %q", dir, name, argument)
			}
		}
		for variable, b := range variables {
			if b.Body.Attributes["default"] == nil && call.Body.Attributes[variable] == nil {
				t.Errorf("%s: module %q needs %q", dir, name, variable)
			}
		}
	}
	for reference := range all[dir].references("module") {
		name, output, _ := strings.Cut(reference, ".")
		output, _, _ = strings.Cut(output, ".")
		call := calls[name]
		if call == nil {
			t.Errorf("%s: module.%s is not called", dir, name)
			continue
		}
		if output != "" && all[path.Join(dir, value(t, call.Body, "source"))].labelled("output")[output] == nil {
			t.Errorf("%s: module %q has no output %q", dir, name, output)
		}
	}
}

// TestTerraformPins: every module asks for the same Terraform and the same provider.
func TestTerraformPins(t *testing.T) {
	t.Parallel()
	pins := map[string][]string{}
	for dir := range modules(t) {
		text := strings.Join(found(`(required_version|source|version)\s+= "[^".]*[^"]*"`,
			program.Read(t, dir+"/versions.tf")), "; ")
		pins[text] = append(pins[text], dir)
	}
	if len(pins) != 1 {
		t.Errorf("got %v, want the same versions in every module", pins)
	}
}

// TestTerraformSubscriptions compares the subscriptions with those that `publisher init` makes.
func TestTerraformSubscriptions(t *testing.T) {
	t.Parallel()
	server := pstest.NewServer()
	t.Cleanup(func() { _ = server.Close() })
	at := []option.ClientOption{option.WithEndpoint(server.Addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}
	m := modules(t)["deploy/terraform/modules/pubsub"]
	topic := value(t, m.labelled("variable")["topic"].Body, "default")
	q, err := pubsubqueue.New(t.Context(), pubsubqueue.Options{Project: "p", Topic: topic, ClientOptions: at})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	if _, err := q.Ensure(t.Context(), setup.Make); err != nil {
		t.Fatal(err)
	}
	client, err := pubsub.NewClient(t.Context(), "p", at...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	for _, tt := range []struct{ resource, id string }{{"worker", topic + "-worker"}, {"fold", topic + "-dead-fold"}} {
		made, err := client.SubscriptionAdminClient.GetSubscription(t.Context(),
			&pubsubpb.GetSubscriptionRequest{Subscription: "projects/p/subscriptions/" + tt.id})
		if err != nil {
			t.Fatal(err) // also when the names differ
		}
		body := m.resource(t, "google_pubsub_subscription", tt.resource)
		retry := child(t, body, "retry_policy")
		differ := func(what string, got, want any) {
			if got != want {
				t.Errorf("subscription %s: %s: got %v, want %v", tt.resource, what, got, want)
			}
		}
		differ("ack deadline", value(t, body, "ack_deadline_seconds"), fmt.Sprint(made.GetAckDeadlineSeconds()))
		differ("minimum back-off", value(t, retry, "minimum_backoff"),
			seconds(made.GetRetryPolicy().GetMinimumBackoff().AsDuration()))
		differ("maximum back-off", value(t, retry, "maximum_backoff"),
			seconds(made.GetRetryPolicy().GetMaximumBackoff().AsDuration()))
		differ("time to live", value(t, child(t, body, "expiration_policy"), "ttl"), "")
		differ("never expires", made.GetExpirationPolicy().GetTtl() == nil, true)
		if policy := made.GetDeadLetterPolicy(); policy != nil {
			differ("delivery attempts", value(t, child(t, body, "dead_letter_policy"), "max_delivery_attempts"),
				fmt.Sprint(policy.GetMaxDeliveryAttempts()))
			differ("dead-letter topic", policy.GetDeadLetterTopic(), "projects/p/topics/"+topic+"-dead")
		}
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%ds", d/time.Second) }

// TestTerraformHasNoTTL: nothing in the ledger expires.
func TestTerraformHasNoTTL(t *testing.T) {
	t.Parallel()
	if text := program.Read(t, "deploy/terraform/modules/firestore/main.tf"); strings.Contains(text, "ttl_config") {
		t.Error("a time-to-live policy would delete the history of runs")
	}
}

// TestRolesAreDocumented: every role is in the table of docs/deploy.md and the other way round, and each is granted
// below a comment that says why.
func TestRolesAreDocumented(t *testing.T) {
	t.Parallel()
	var documented, granted []string
	for _, row := range table(t, "Roles") {
		documented = append(documented, row[1])
	}
	for _, file := range files(t, ".tf") {
		if !strings.Contains(file, "/modules/") {
			continue
		}
		text := program.Read(t, file)
		granted = append(granted, found(`roles/[A-Za-z]+\.[A-Za-z]+`, strings.Join(found(`\brole\s+= ".*"`, text), "\n"))...)
		for _, resource := range regexp.MustCompile(`(?m)^(.*)\n+resource "[a-z0-9_]*_iam_member" "(.*)"`).FindAllStringSubmatch(text, -1) {
			if comment := resource[1]; !strings.HasPrefix(comment, "# ") || strings.HasPrefix(comment, "# ---") {
				t.Errorf("%s: no comment says why %s is granted", file, resource[2])
			}
		}
	}
	slices.Sort(documented)
	slices.Sort(granted)
	if diff := cmp.Diff(slices.Compact(documented), slices.Compact(granted)); diff != "" {
		t.Errorf("documented and granted roles differ (-documented +granted):\n%s", diff)
	}
}

// TestTerraformHasNoPrimitiveRole: owner and editor of a project would make every other role pointless.
func TestTerraformHasNoPrimitiveRole(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, ".tf") {
		if broad := found(`roles/(owner|editor|viewer|[a-z]+\.admin)"`, program.Read(t, file)); broad != nil {
			t.Errorf("%s grants %v", file, broad)
		}
	}
}
