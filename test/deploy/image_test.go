package deploy_test

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gamefill/test/program"

	"github.com/google/go-cmp/cmp"
)

// instruction is one instruction of a Dockerfile.
type instruction struct {
	name string
	args []string
}

// instructions reads the plain Dockerfile that deploy/ has: no here-documents, no directives but comments. Its syntax
// is checked by Docker's own parser in deploy/validate.
func instructions(t *testing.T) (list []instruction) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(program.Read(t, "deploy/Dockerfile"), "")
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		if words := strings.Fields(line); len(words) > 0 {
			list = append(list, instruction{words[0], words[1:]})
		}
	}
	return list
}

// all are the arguments of every instruction of a name.
func all(list []instruction, name string) (args [][]string) {
	for _, i := range list {
		if i.name == name {
			args = append(args, i.args)
		}
	}
	return args
}

// sources are what the image's build copies from the repository.
func sources(list []instruction) (paths []string) {
	for _, args := range all(list, "COPY") {
		if !strings.HasPrefix(args[0], "--from=") {
			paths = append(paths, args[:len(args)-1]...)
		}
	}
	return paths
}

func TestImageUsesTheModulesGo(t *testing.T) {
	t.Parallel()
	_, image, ok := strings.Cut(strings.Join(slices.Concat(all(instructions(t), "ARG")...), " "), "BUILD_IMAGE=golang:")
	if !ok {
		t.Fatal("no BUILD_IMAGE=golang:VERSION in the Dockerfile")
	}
	module := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(program.Read(t, "go.mod"))[1]
	if got, _, _ := strings.Cut(image, "-"); got != module {
		t.Errorf("got Go %s in the image, want %s, as in go.mod", got, module)
	}
}

// TestImageContext: what the ignore file lets in is what the Dockerfile copies.
func TestImageContext(t *testing.T) {
	t.Parallel()
	var let []string
	for line := range strings.Lines(program.Read(t, "deploy/Dockerfile.dockerignore")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			let = append(let, name)
		}
	}
	copied := sources(instructions(t))
	slices.Sort(let)
	slices.Sort(copied)
	if diff := cmp.Diff(copied, let); diff != "" {
		t.Errorf("copied and let in differ (-copied +let in):\n%s", diff)
	}
}

func TestImageRunsWithoutRights(t *testing.T) {
	t.Parallel()
	list := instructions(t)
	for _, tt := range []struct{ instruction, pattern string }{
		{"USER", `^[1-9]\d*:[1-9]\d*$`}, // a number, which Kubernetes can tell from root
		{"ENTRYPOINT", `^\["/usr/local/bin/worker"\]$`},
	} {
		args := all(list, tt.instruction)
		if len(args) != 1 || !regexp.MustCompile(tt.pattern).MatchString(strings.Join(args[0], " ")) {
			t.Errorf("%s: got %v, want one that matches %s", tt.instruction, args, tt.pattern)
		}
	}
}

// TestImageBuild does what the image's build does, in a directory that has only what is copied there, and looks at the
// files that end up in the image.
func TestImageBuild(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds both programs from nothing")
	}
	list := instructions(t)
	src := t.TempDir()
	for _, name := range sources(list) {
		copyWithoutTests(t, filepath.Join(program.Dir(t), name), filepath.Join(src, name))
	}
	for _, args := range all(list, "RUN") {
		if !slices.Contains(args, "make") {
			continue // fetches modules or makes an empty directory
		}
		command := exec.CommandContext(t.Context(), "sh", "-ec", strings.Join(args, " "))
		command.Dir = src
		command.Env = append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH, "MAKEFLAGS=", "MFLAGS=")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	var binaries []string
	for _, args := range all(list, "COPY") {
		if args[0] == "--from=build" && len(args) > 2 && strings.HasPrefix(args[1], "/src/") {
			binaries = append(binaries, args[1:len(args)-1]...)
		}
	}
	if len(binaries) != 2 {
		t.Fatalf("got %v from the build, want both programs", binaries)
	}
	for _, name := range binaries {
		file := filepath.Join(src, strings.TrimPrefix(name, "/src/"))
		if out, err := exec.CommandContext(t.Context(), file, "--help").CombinedOutput(); err != nil {
			t.Errorf("%s --help: %v\n%s", path.Base(name), err, out)
		}
		if runtime.GOOS == "linux" {
			wantStatic(t, file)
		}
	}
}

// wantStatic wants a program that asks for no loader: the image has none.
func wantStatic(t *testing.T, file string) {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s is linked dynamically", filepath.Base(file))
		}
	}
}

// copyWithoutTests copies a file or a directory as the ignore file filters it.
func copyWithoutTests(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		switch target := filepath.Join(to, rel); {
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case strings.HasSuffix(name, "_test.go"):
			return nil
		default:
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			return os.WriteFile(target, b, 0o644)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
