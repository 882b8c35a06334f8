package main

import (
	"path/filepath"
	"strings"
	"testing"

	"gamefill/test/golden"

	"github.com/google/go-cmp/cmp"
)

// helped are all commands, in the order of the program's own list; "" is the program.
var helped = []string{
	"", "demo", "import", "init", "preflight", "thresholds", "plan", "diff", "sample", "approve", "publish", "run", "runs",
	"runs list", "runs show", "runs export", "status", "validate", "report", "pause", "resume", "cancel",
	"rollback", "snapshots", "snapshots list", "snapshots drop", "deadletters", "deadletters list", "deadletters show",
	"deadletters export", "replay", "resolve", "explain", "unresolved", "alias", "alias add", "notify",
	"export", "completion",
}

func TestHelp(t *testing.T) {
	t.Parallel()
	page := "# publisher\n\nEvery command with its flags, as `publisher COMMAND --help` prints them. " +
		"A flag beats its environment variable.\n"
	for _, command := range helped {
		r := cli(t.Context(), append(strings.Fields(command), "--help")...)
		if r.code != exitDone || r.errout != "" {
			t.Errorf("%s --help: got exit code %d and %q on standard error", command, r.code, r.errout)
		}
		name := strings.ReplaceAll(strings.TrimSpace("publisher "+command), " ", "-")
		golden.Compare(t, filepath.Join("testdata", "help", name+".txt"), r.out)
		if command != "" {
			page += "\n## " + command + "\n"
		}
		page += "\n```text\n" + r.out + "```\n"
	}
	golden.Compare(t, filepath.Join("..", "..", "docs", "cli", "publisher.md"), page)
}

func TestHelpListsEveryCommand(t *testing.T) {
	t.Parallel()
	_, list, _ := strings.Cut(cli(t.Context(), "--help").out, "Commands:\n")
	for line := range strings.Lines(list) {
		command, _, ok := strings.Cut(strings.TrimPrefix(line, "  "), "  ")
		if !strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "   ") || !ok {
			continue // the end of the list, or a line that goes on
		}
		found := false
		for _, h := range helped {
			found = found || h == command
		}
		if !found {
			t.Errorf("command %q has no golden help: add it to helped", command)
		}
	}
}

func TestNoArgumentsIsHelp(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(cli(t.Context(), "--help"), cli(t.Context()), cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("no arguments (-want +got):\n%s", diff)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for shell, want := range map[string]string{"bash": "complete -C", "zsh": "bashcompinit", "fish": "COMP_LINE"} {
		r := cli(t.Context(), "completion", shell)
		if r.code != exitDone {
			t.Errorf("%s: got exit code %d: %s", shell, r.code, r.errout)
		}
		contains(t, r.out, want)
	}
	if r := cli(t.Context(), "completion", "tcsh"); r.code != exitUsage {
		t.Errorf("unknown shell: got exit code %d, want %d", r.code, exitUsage)
	}
}
