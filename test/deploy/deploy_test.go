// Package deploy_test keeps deploy/ true without any service: that the image builds what the Makefile builds, that the
// Terraform configuration is whole and sets what the program sets, and that its names, settings, flags, roles and
// metrics are those of the programs and of docs/deploy.md. Whether manifests are valid in the eyes of their APIs is
// checked by the module in deploy/validate.
package deploy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gamefill/internal/backend"
	"gamefill/test/program"
)

// files are the paths below deploy/ with one of the extensions, without deploy/validate, which is a module of its own.
func files(t *testing.T, extensions ...string) (paths []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(program.Dir(t)), "deploy", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == "deploy/validate" || strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !d.IsDir() && slices.Contains(extensions, filepath.Ext(path)) {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatalf("no file %v below deploy/", extensions)
	}
	return paths
}

// found are the distinct matches of a pattern in a text, sorted.
func found(pattern, text string) []string {
	matches := regexp.MustCompile(pattern).FindAllString(text, -1)
	slices.Sort(matches)
	return slices.Compact(matches)
}

func TestSettingsAreKnown(t *testing.T) {
	t.Parallel()
	help := program.Read(t, "docs/cli/worker.md") + program.Read(t, "docs/cli/publisher.md")
	telemetry := program.Read(t, "internal/telemetry/trace.go") + program.Read(t, "internal/telemetry/log.go")
	const setting, flag = `GAMEFILL_[A-Z_]+[A-Z]`, `--[a-z][a-z-]*[a-z](=|\b)`
	for _, path := range files(t, ".tf", ".yaml", ".env") {
		text := program.Read(t, path)
		for _, name := range found(setting, text) {
			if !slices.Contains(found(setting, help), name) {
				t.Errorf("%s: no program has the setting %s", path, name)
			}
		}
		// What is not gamefill's own, the telemetry reads.
		for _, name := range found(`\b(OTEL|GOOGLE)_[A-Z_]+[A-Z]\b`, text) {
			if !strings.Contains(telemetry, `"`+name+`"`) {
				t.Errorf("%s: no program reads %s", path, name)
			}
		}
		for _, list := range regexp.MustCompile(`(?m)args(?::\s*\n(?:\s*(?:#.*|- .*)\n)+| = \[.*\])`).FindAllString(text, -1) {
			for _, name := range found(flag, list) {
				if !strings.Contains(help, strings.TrimSuffix(name, "=")+"=") {
					t.Errorf("%s: the worker has no flag %s", path, name)
				}
			}
		}
	}
}

// TestMetricsAreListed: the document lists what the worker has, and manifests ask for nothing else.
func TestMetricsAreListed(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, row := range table(t, "Metrics") {
		listed = append(listed, found(`gamefill_[a-z_]+`, row[0])...)
	}
	slices.Sort(listed)
	has := found(`gamefill_[a-z_]+`,
		program.Read(t, "internal/telemetry/metrics.go")+program.Read(t, "internal/telemetry/run.go"))
	if !slices.Equal(listed, has) {
		t.Errorf("docs/deploy.md lists %v, want what the worker has: %v", listed, has)
	}
	var used []string
	for _, path := range files(t, ".tf", ".yaml") {
		for _, name := range found(`\bgamefill_[a-z_]+[a-z]\b`, program.Read(t, path)) {
			used = append(used, name)
			if !slices.Contains(listed, name) {
				t.Errorf("%s: docs/deploy.md does not list the metric %s", path, name)
			}
		}
	}
	if !slices.Contains(used, "gamefill_claimable_dates") {
		t.Error("no autoscaler asks for gamefill_claimable_dates")
	}
}

// table returns the cells of the first table below a heading of docs/deploy.md, without its head.
func table(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	_, section, ok := strings.Cut(program.Read(t, "docs/deploy.md"), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/deploy.md has no heading %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if rows != nil {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("docs/deploy.md: no table below %q", heading)
	}
	return rows[2:]
}

// checkAddresses wants addresses that the programs take, once the placeholders are filled in.
func checkAddresses(t *testing.T, what string, settings map[string]string) {
	t.Helper()
	fill := strings.NewReplacer("PROJECT", "some-project")
	a := backend.Addresses{
		Queue:     fill.Replace(settings["GAMEFILL_QUEUE"]),
		Ledger:    fill.Replace(settings["GAMEFILL_LEDGER"]),
		Warehouse: fill.Replace(settings["GAMEFILL_WAREHOUSE"]),
		// Another test may have started an emulator, which its variable names for the whole process.
		AllowMixedEmulators: true,
	}
	if err := a.Validate(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}
