package deploy_test

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gamefill/test/program"
)

// call is one execution of a program that a page's command lines name.
type call struct {
	dir  string // below the repository
	args []string
}

// standIn records how it is called, and answers as far as the lines after it need.
const standIn = `#!/bin/sh
{ printf '%s' "$PWD"; for a in "${0##*/}" "$@"; do printf '\037%s' "$a"; done; printf '\036'; } >>"$CALLS"
if [ -p /dev/stdin ]; then cat >/dev/null; fi
case "$* " in
*"output -raw repository "*) echo us-central1-docker.pkg.dev/my-project/gamefill ;;
*"output -raw "*_account*) echo gamefill-worker@my-project.iam.gserviceaccount.com ;;
*"output -raw warehouse "*) echo bigquery://my-project ;;
*"output -raw "*) echo some-output ;;
*image_summary.digest*) echo sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef ;;
*projectNumber*) echo 123456789012 ;;
esac
`

// follow lets bash execute the blocks of a page in a copy of deploy/, each from its root, as somebody would paste them.
// What needs a service or a build is a stand-in; everything else, such as cd, sed and expansions, is real.
func follow(t *testing.T, page string, languages ...string) (copied string, calls []call) {
	t.Helper()
	base := t.TempDir()
	copied, bin := filepath.Join(base, "gamefill"), filepath.Join(base, "bin")
	if err := os.CopyFS(filepath.Join(copied, "deploy"), os.DirFS(filepath.Join(program.Dir(t), "deploy"))); err != nil {
		t.Fatal(err)
	}
	programs := []string{filepath.Join(copied, "bin", "publisher")}
	for _, name := range []string{"gcloud", "bq", "terraform", "docker", "kubectl", "kustomize", "helm", "make", "less"} {
		programs = append(programs, filepath.Join(bin, name))
	}
	for _, name := range programs {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(standIn), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	record := filepath.Join(base, "calls")
	for _, block := range program.Blocks(t, page, languages...) {
		program.Paste(t, copied, []string{program.PathWith(bin), "HOME=" + base, "CALLS=" + record,
			"PROJECT=my-project", "REGION=us-central1", "VERSION=0.1.0",
			"REPOSITORY=us-central1-docker.pkg.dev/my-project/gamefill", "WEBHOOK=https://example.com/hook",
			"GAMEFILL_QUEUE=pubsub://my-project/gamefill-dates", "GAMEFILL_LEDGER=firestore://my-project/gamefill",
			"GAMEFILL_WAREHOUSE=bigquery://my-project"}, block.Script, 0)
	}
	recorded, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.SplitSeq(strings.TrimSuffix(string(recorded), "\036"), "\036") {
		fields := strings.Split(text, "\037")
		dir, err := filepath.Rel(copied, fields[0])
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call{filepath.ToSlash(dir), fields[1:]})
	}
	return copied, calls
}

// TestPageNamesWhatIsThere: Terraform's variables and outputs, targets of make and directories of kustomize are there,
// and the lines that fill in names leave none out.
func TestPageNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	copied, calls := follow(t, "docs/deploy.md", "bash")
	counted := map[string]int{}
	for _, c := range calls {
		name, args := c.args[0], c.args[1:]
		counted[name]++
		switch name {
		case "terraform":
			dir := c.dir
			if below, ok := strings.CutPrefix(args[0], "-chdir="); ok {
				dir, args = below, args[1:]
			}
			checkTerraformCall(t, dir, args)
		case "make":
			if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(args[0]) + `:`).MatchString(program.Read(t, "Makefile")) {
				t.Errorf("make has no target %s", args[0])
			}
		case "kubectl":
			if i := slices.Index(args, "-k"); i >= 0 {
				if _, err := os.Stat(filepath.Join(program.Dir(t), c.dir, args[i+1], "kustomization.yaml")); err != nil {
					t.Errorf("kubectl %v: %v", args, err)
				}
			}
		case "helm":
			if i := slices.Index(args, "--version"); !strings.Contains(program.Read(t, "deploy/validate/go.mod"),
				"\tgithub.com/kedacore/keda/v2 v"+args[i+1]+"\n") {
				t.Errorf("helm %v: want the version of KEDA that the manifests are decoded for", args)
			}
		case "kustomize":
			if _, err := os.Stat(filepath.Join(program.Dir(t), c.dir, "kustomization.yaml")); err != nil {
				t.Errorf("kustomize %v: %v", args, err)
			}
			if args[1] == "add" {
				if _, err := os.Stat(filepath.Join(program.Dir(t), c.dir, args[3], "kustomization.yaml")); err != nil {
					t.Errorf("kustomize %v: %v", args, err)
				}
			}
		}
	}
	for _, name := range []string{"terraform", "make", "kubectl", "kustomize", "helm", "gcloud", "docker", "publisher"} {
		if counted[name] == 0 {
			t.Errorf("docs/deploy.md never calls %s", name)
		}
	}
	placeholder := regexp.MustCompile(`(?m)^[^#\n]*\b(PROJECT|REGION)\b.*$`)
	for _, path := range files(t, ".yaml", ".env") {
		if !strings.HasPrefix(path, "deploy/gke/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(copied, path))
		if err != nil {
			t.Fatal(err)
		}
		if left := placeholder.FindAllString(string(text), -1); left != nil {
			t.Errorf("%s: got %q after the page's lines, want names in place of these", path, left)
		}
		if filepath.Base(path) == "settings.env" &&
			!strings.Contains(string(text), "\nGAMEFILL_LEDGER=firestore://my-project/") {
			t.Errorf("%s: got %s, want the project's name in it", path, text)
		}
	}
	text, err := os.ReadFile(filepath.Join(copied, "bin", "autoscaler.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if left := placeholder.FindAllString(string(text), -1); left != nil ||
		!strings.Contains(string(text), "/locations/us-central1/workerpools/") {
		t.Errorf("autoscaler.yaml: got %s after the page's line, want no placeholder", text)
	}
}

// checkTerraformCall wants a directory of the examples and names that it has.
func checkTerraformCall(t *testing.T, dir string, args []string) {
	t.Helper()
	m := modules(t)[dir]
	if m == nil {
		t.Errorf("terraform %v is run in %s, which has no configuration", args, dir)
		return
	}
	switch args[0] {
	case "output":
		if m.labelled("output")[args[2]] == nil {
			t.Errorf("%s has no output %s", dir, args[2])
		}
	case "apply":
		given := map[string]bool{}
		for i, a := range args {
			if a == "-var" {
				name, _, _ := strings.Cut(args[i+1], "=")
				given[name] = true
				if m.labelled("variable")[name] == nil {
					t.Errorf("%s has no variable %s", dir, name)
				}
			}
		}
		for name, v := range m.labelled("variable") {
			if v.Body.Attributes["default"] == nil && !given[name] {
				t.Errorf("terraform %v does not give %s", args, name)
			}
		}
	}
}

// TestGcloudKnows lets the Cloud SDK parse every gcloud line of the pages and of deploy/ without executing it.
func TestGcloudKnows(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts the Cloud SDK")
	}
	if err := exec.Command("gcloud", "--version").Run(); err != nil {
		if os.Getenv("GAMEFILL_REQUIRE_EMULATORS") == "1" {
			t.Fatalf("gcloud: %v", err)
		}
		t.Skipf("gcloud: %v", err)
	}
	_, calls := follow(t, "docs/deploy.md", "bash")
	_, more := follow(t, "docs/google-cloud.md", "text")
	var lines []string
	for _, c := range slices.Concat(calls, more) {
		if c.args[0] == "gcloud" {
			lines = append(lines, strings.Join(c.args, " "))
		}
	}
	pool := program.Read(t, "deploy/cloud-run/worker-pool.yaml")
	for _, match := range regexp.MustCompile(`(?m)^#\s+(gcloud .*)$`).FindAllStringSubmatch(pool, -1) {
		lines = append(lines, match[1])
	}
	for _, s := range decode[struct {
		Services map[string]struct{ Command []string }
	}](t, "deploy/compose.yaml").Services {
		if len(s.Command) > 0 && s.Command[0] == "gcloud" {
			lines = append(lines, strings.Join(s.Command, " "))
		}
	}
	if len(lines) < 30 {
		t.Errorf("got lines %v, want those of both pages, of the manifest and of the laptop", lines)
	}
	// An SDK from before worker pools were generally available has them in beta, with another name for the flag.
	older := strings.NewReplacer("gcloud run worker-pools ", "gcloud beta run worker-pools ",
		" --instances=", " --scaling=")
	var again []string
	for line, problem := range lint(t, lines) {
		if old := older.Replace(line); old != line && strings.Contains(problem, "Invalid choice: 'worker-pools'") {
			again = append(again, old)
			continue
		}
		if problem != "" {
			t.Errorf("%s: %s", line, problem)
		}
	}
	if again == nil {
		return
	}
	for line, problem := range lint(t, again) {
		if problem != "" {
			t.Errorf("%s: %s", line, problem)
		}
	}
}

// lint is what the SDK's own linter says of each line, "" when nothing is wrong with it.
func lint(t *testing.T, lines []string) map[string]string {
	t.Helper()
	type command struct {
		Text    string `json:"command_string"`
		Success bool   `json:"success"`
		Problem string `json:"error_message"`
	}
	var commands []command
	problems := map[string]string{}
	for _, line := range lines {
		if _, ok := problems[line]; !ok {
			commands, problems[line] = append(commands, command{Text: line}), "not answered"
		}
	}
	text, err := json.Marshal(commands)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "commands.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "gcloud", "meta", "lint-gcloud-commands",
		"--commands-file="+file).Output()
	if err != nil {
		t.Fatalf("gcloud meta lint-gcloud-commands: %v", err)
	}
	var answers []command
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(commands) {
		t.Fatalf("gcloud meta lint-gcloud-commands: got %d answers to %d lines, %v: %.200s", len(answers),
			len(commands), err, out)
	}
	for i, a := range answers {
		problems[commands[i].Text] = a.Problem
		if !a.Success {
			problems[commands[i].Text] = cmp.Or(a.Problem, "refused")
		}
	}
	return problems
}
