package cloud_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gamefill/internal/publisher"
	"gamefill/test/league"
	"gamefill/test/program"
)

// pageAddresses are the three addresses that a page exports.
var pageAddresses = regexp.MustCompile(`(?m)^export (GAMEFILL_(?:QUEUE|LEDGER|WAREHOUSE))='(.*)'$`)

// TestGoogleCloudPage runs every command of docs/google-cloud.md that needs no console, in order, with the page's own
// addresses; the project's name is this test's, because an emulator that ran before may remember the page's.
func TestGoogleCloudPage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds both programs and plans the whole range several times")
	}
	p := newProject(t)
	_, query, _ := strings.Cut(p.addresses.Warehouse, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("demo-project", p.id, "location=US",
		"location="+location+"&endpoint="+url.QueryEscape(params.Get("endpoint")))
	const page = "docs/google-cloud.md"
	var settings []string
	for _, m := range pageAddresses.FindAllStringSubmatch(program.Read(t, page), -1) {
		settings = append(settings, m[1]+"="+here.Replace(m[2]))
	}
	blocks := program.Blocks(t, page, "sh")
	if len(settings) != 3 || len(blocks) < 4 {
		t.Fatalf("got %d addresses and %d blocks, want 3 and at least 4", len(settings), len(blocks))
	}
	games, l := imported(t, league.Options{Dates: 20})
	p.scrape(games)

	dir, bin := t.TempDir(), t.TempDir()
	if _, err := program.Build(bin); err != nil {
		t.Fatal(err)
	}
	environment := append(append(program.Environment(), program.PathWith(bin)), settings...)
	var said strings.Builder
	for _, block := range blocks {
		said.WriteString(program.Paste(t, dir, environment, block.Script, 0))
	}
	if !strings.Contains(said.String(), " is finished") {
		t.Errorf("got\n%s\nwant a run that is finished", said.String())
	}

	p.endsLike(games, l)
	if info, err := os.Stat(filepath.Join(dir, "week.parquet")); err != nil || info.Size() == 0 {
		t.Errorf("exported week: got %v, %v, want a file with rows", info, err)
	}
	if problems := p.bigquery.Violations(p.target()); len(problems) > 0 {
		t.Errorf("requests that must never be made:\n%s", strings.Join(problems, "\n"))
	}
}

// endsLike wants the project's rows, of the league's whole range, to be those that the embedded backend makes of it.
func (p *project) endsLike(games program.File, l *league.League) {
	p.t.Helper()
	var got, want publisher.Judgement
	p.JSON(p.t, 0, &got, "validate", "--allow-warnings")
	games.JSON(p.t, 0, &want, "run", "--from", l.Range.From.String(), "--to", l.Range.To.String())
	if got.Rows != l.Rows || got.TableFingerprint != want.TableFingerprint {
		p.t.Errorf("after the page: got %d rows, fingerprint %s; want %d, and the embedded backend's %s", got.Rows,
			got.TableFingerprint, l.Rows, want.TableFingerprint)
	}
}
