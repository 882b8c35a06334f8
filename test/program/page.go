package program

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Dir is [Root] for a test, which ends without one.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Read returns a file of the module by its path below the root.
func Read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Dir(t), path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Block is one fenced block of a page, and the lines of the ```text block that shows its output, if one follows before
// the next block.
type Block struct {
	Script string
	Output []string
}

// Blocks returns the blocks of a page in one of the languages, in order. The page is named by its path below the root.
func Blocks(t testing.TB, page string, languages ...string) []Block {
	t.Helper()
	var blocks []Block
	var lines []string
	inside, language := false, ""
	for line := range strings.Lines(Read(t, page)) {
		fence, isFence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case isFence && !inside:
			inside, language, lines = true, fence, nil
		case isFence:
			inside = false
			switch n := len(blocks); {
			case slices.Contains(languages, language):
				blocks = append(blocks, Block{Script: strings.Join(lines, "\n")})
			case language == "text" && n > 0 && blocks[n-1].Output == nil:
				blocks[n-1].Output = lines
			}
		case inside:
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return blocks
}

// Paste runs a block as somebody in dir would paste it into bash with the given environment, stopping at the first
// command that fails. It returns all output, and fails the test unless the exit code is code.
func Paste(t testing.TB, dir string, environment []string, script string, code int) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	command.Dir, command.Env = dir, environment
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	out, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s\n%v", script, err)
	}
	if got := command.ProcessState.ExitCode(); got != code {
		t.Fatalf("%s\ngot exit code %d, want %d\n%s", script, got, code, out)
	}
	return string(out)
}

// Environment is this process's environment without any GAMEFILL_ variable.
func Environment() []string {
	return slices.DeleteFunc(os.Environ(), func(setting string) bool { return strings.HasPrefix(setting, "GAMEFILL_") })
}

// PathWith is the environment's PATH with one directory before all others.
func PathWith(dir string) string {
	return "PATH=" + dir + string(filepath.ListSeparator) + os.Getenv("PATH")
}

// ForgetSettings takes away what the caller's environment would decide in a test that runs a program within its own
// process: settings, and how wide help is.
func ForgetSettings() {
	for _, setting := range os.Environ() {
		if name, _, _ := strings.Cut(setting, "="); strings.HasPrefix(name, "GAMEFILL_") || name == "COLUMNS" {
			os.Unsetenv(name)
		}
	}
}
