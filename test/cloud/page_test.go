package cloud_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gamefill/internal/publisher"
	"gamefill/test/league"
	"gamefill/test/program"
)

var (
	// pageCommands are the blocks of a page that a shell takes as they are.
	pageCommands = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	// pageAddresses are the three addresses that a page exports.
	pageAddresses = regexp.MustCompile(`(?m)^export (GAMEFILL_(?:QUEUE|LEDGER|WAREHOUSE))='(.*)'$`)
)

// TestGoogleCloudPage runs every command of docs/google-cloud.md that needs no console, in order, with the page's own
// addresses; the project's name is this test's, because an emulator that ran before may remember the page's.
func TestGoogleCloudPage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds both programs and plans the whole range several times")
	}
	root, err := program.Root()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "google-cloud.md"))
	if err != nil {
		t.Fatal(err)
	}
	p := newProject(t)
	_, query, _ := strings.Cut(p.addresses.Warehouse, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("demo-project", p.id, "location=US",
		"location="+location+"&endpoint="+url.QueryEscape(params.Get("endpoint")))
	var settings []string
	for _, m := range pageAddresses.FindAllStringSubmatch(string(page), -1) {
		settings = append(settings, m[1]+"="+here.Replace(m[2]))
	}
	blocks := pageCommands.FindAllStringSubmatch(string(page), -1)
	if len(settings) != 3 || len(blocks) < 4 {
		t.Fatalf("got %d addresses and %d blocks, want 3 and at least 4", len(settings), len(blocks))
	}
	games, l := imported(t, league.Options{Dates: 20})
	p.scrape(games)

	dir, bin := t.TempDir(), t.TempDir()
	if _, err := program.Build(bin); err != nil {
		t.Fatal(err)
	}
	environment := slices.DeleteFunc(os.Environ(), func(s string) bool {
		return strings.HasPrefix(s, "GAMEFILL_") || strings.HasPrefix(s, "PATH=")
	})
	environment = append(environment, "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	var said strings.Builder
	for _, block := range blocks {
		command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", block[1])
		command.Dir, command.Env = dir, slices.Concat(environment, settings)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s%v\n%s", block[1], err, out)
		}
		said.Write(out)
	}
	if !strings.Contains(said.String(), " is finished") {
		t.Errorf("got\n%s\nwant a run that is finished", said.String())
	}

	var got, want publisher.Judgement
	p.JSON(t, 0, &got, "validate", "--allow-warnings")
	games.JSON(t, 0, &want, "run", "--from", l.Range.From.String(), "--to", l.Range.To.String())
	if got.Rows != l.Rows || got.TableFingerprint != want.TableFingerprint {
		t.Errorf("after the page: got %d rows, fingerprint %s; want %d, and the embedded backend's %s", got.Rows,
			got.TableFingerprint, l.Rows, want.TableFingerprint)
	}
	if info, err := os.Stat(filepath.Join(dir, "week.parquet")); err != nil || info.Size() == 0 {
		t.Errorf("exported week: got %v, %v, want a file with rows", info, err)
	}
	if problems := p.bigquery.Violations(p.target()); len(problems) > 0 {
		t.Errorf("requests that must never be made:\n%s", strings.Join(problems, "\n"))
	}
}
