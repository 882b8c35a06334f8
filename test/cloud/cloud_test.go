// Package cloud_test runs the whole job as it runs on Google Cloud, with the real programs as processes: messages on
// the Pub/Sub emulator, the ledger in the Firestore emulator, tables in the fake of BigQuery's API. What comes out must
// be, fingerprint for fingerprint, what the embedded backend makes of the same games.
package cloud_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gamefill/internal/backend"
	"gamefill/internal/boxscore"
	"gamefill/internal/faultinject"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/publisher"
	"gamefill/internal/setup"
	"gamefill/internal/summary"
	"gamefill/internal/table"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
	"gamefill/test/emulator"
	"gamefill/test/league"
	"gamefill/test/program"
)

// binaries are built once for the package.
var binaries *program.Set

func TestMain(m *testing.M) {
	os.Exit(program.Main(m, func(s *program.Set) { binaries = s }, "crashtest"))
}

// exitDead is the exit code of what ends with dead dates.
const exitDead = 3

// datasets are where the fake keeps the tables, all in one location.
var datasets = map[string]string{"raw": "nba_raw", "analytics": "nba_analytics", "reference": "nba_reference"}

const location = "us-west2"

// project is one Google Cloud project with nothing in it but datasets.
type project struct {
	program.File
	t         *testing.T
	id        string
	addresses backend.Addresses
	bigquery  *bigqueryfake.Server
}

// newProject makes the services of one test; the programs find them by address.
func newProject(t *testing.T) *project {
	t.Helper()
	emulator.PubSub(t)
	emulator.Firestore(t)
	id := "demo-" + strings.ToLower(rand.Text()[:8])
	p := &project{t: t, id: id, bigquery: bigqueryfake.New(bigqueryfake.Options{Projects: []string{id}})}
	endpoint, stop := bigqueryfake.Start(p.bigquery)
	t.Cleanup(stop)
	params := url.Values{"location": {location}, "endpoint": {endpoint}}
	for parameter, dataset := range datasets {
		params.Set(parameter, id+"."+dataset)
		createDataset(t, endpoint, id, dataset)
	}
	p.addresses = backend.Addresses{Queue: "pubsub://" + id + "/dates", Ledger: "firestore://" + id,
		Warehouse: "bigquery://" + id + "?" + params.Encode()}
	p.File = program.File{Set: binaries, Path: filepath.Join(t.TempDir(), "unused.db"), Env: []string{
		"GAMEFILL_QUEUE=" + p.addresses.Queue, "GAMEFILL_LEDGER=" + p.addresses.Ledger,
		"GAMEFILL_WAREHOUSE=" + p.addresses.Warehouse}}
	return p
}

// createDataset makes a dataset, as an administrator does by hand: gamefill never makes one.
func createDataset(t *testing.T, endpoint, project, dataset string) {
	t.Helper()
	body := fmt.Sprintf(`{"datasetReference":{"projectId":%q,"datasetId":%q},"location":%q}`, project, dataset, location)
	url := strings.TrimSuffix(endpoint, "/") + "/bigquery/v2/projects/" + project + "/datasets"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(response.Body)
		t.Fatalf("create dataset %s: got %s: %s", dataset, response.Status, answer)
	}
}

// open opens the project's ports in the test's process.
func (p *project) open() *backend.Backend {
	p.t.Helper()
	b, err := backend.Open(context.Background(), p.addresses, backend.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			p.t.Errorf("close the backend: %v", err)
		}
	})
	return b
}

// scrape puts raw tables and references of a file where a scraper keeps them: the whole of them, or the dates of a
// range.
func (p *project) scrape(from program.File, ranges ...gamedate.Range) {
	p.t.Helper()
	ctx, store := p.t.Context(), p.open().Store
	source := from.Open(p.t).Store
	whole := len(ranges) == 0
	if whole {
		ranges = []gamedate.Range{{From: gamedate.MustParse("2021-10-01"), To: gamedate.MustParse("2024-05-01")}}
	}
	for _, s := range boxscore.Tables {
		if s.Partition == "" && !whole {
			continue
		}
		if err := store.Create(ctx, s); err != nil {
			p.t.Fatal(err)
		}
		var replace []string
		if !whole {
			replace = []string{s.Partition}
		}
		_, err := store.Load(ctx, s, replace, func(yield func(table.Row) error) error {
			each := func(_ gamedate.Date, rows []table.Row) error {
				for _, row := range rows {
					if err := yield(row); err != nil {
						return err
					}
				}
				return nil
			}
			for _, r := range ranges {
				if err := source.ReadRange(ctx, s, r, each); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// target is the table that whole-partition writes alone may change.
func (p *project) target() string { return p.id + "." + summary.Target.FullName() }

// workerArgs are flags of an impatient worker, as in the crash tests: dates of a killed one come back soon.
func workerArgs(more ...string) []string {
	return append([]string{"--drain", "--lease-ttl", "5s", "--republish-after", "5s", "--reconcile-every", "500ms",
		"--control-every", "250ms", "--retry-base", "100ms", "--max-attempts", "20"}, more...)
}

// imported is a SQLite file with a league in its raw tables.
func imported(t *testing.T, o league.Options) (program.File, *league.League) {
	t.Helper()
	dir := t.TempDir()
	l, err := league.Write(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	f := program.File{Set: binaries, Path: filepath.Join(dir, "embedded.db")}
	f.Publish(t, 0, append([]string{"import"}, l.Files()...)...)
	return f, l
}

func TestEndToEndCloud(t *testing.T) {
	t.Parallel()
	dates := 60
	if testing.Short() {
		dates = 12
	}
	poison, _ := imported(t, league.Options{Dates: dates, NoBoxScores: []int{dates / 3, dates - 2}})
	mended, l := imported(t, league.Options{Dates: dates})
	dead := []gamedate.Date{l.GameDates[dates/3], l.GameDates[dates-2]}

	p := newProject(t)
	p.scrape(poison)
	var report struct{ Findings []setup.Finding }
	p.JSON(t, exitDead, &report, "init", "--check") // nothing is there yet
	whole := []string{"preflight", "--from", l.Range.From.String(), "--to", l.Range.To.String()}
	var f publisher.Preflight
	p.JSON(t, exitDead, &f, whole...)
	for _, c := range f.Checks {
		if c.Verdict == job.NotChecked || c.Verdict == job.Failed && (c.Seen == "" || c.Advice == "") {
			t.Errorf("pre-flight before init: got %+v, want what is missing to fail, and who makes it", c)
		}
	}
	p.Publish(t, 0, "init")
	p.JSON(t, 0, &report, "init", "--check")
	for _, f := range report.Findings {
		if f.State != setup.Present && f.State != setup.Unknown {
			t.Errorf("after init: got %+v, want everything present", f)
		}
	}

	// Two workers take the dates; one dies between a load and its completion, and the other finishes alone.
	p.Publish(t, 0, "publish", "--from", l.Range.From.String(), "--to", l.Range.To.String(), "--no-sample",
		"--reason", "end to end")
	dying := p.Start(t, faultinject.AfterWrite+":4", program.Worker, workerArgs()...)
	survivor := p.Start(t, "", program.Worker, workerArgs()...)
	if r := dying.Wait(); !r.Killed() {
		t.Errorf("worker with a crash point between load and completion: got %v, want SIGKILL", r)
	}
	if r := survivor.Wait(); r.Code != exitDead {
		t.Fatalf("worker that finishes: got %v, want exit code %d for the poison dates", r, exitDead)
	}
	var letters struct {
		Letters []struct{ Date gamedate.Date } `json:"letters"`
	}
	p.JSON(t, 0, &letters, "deadletters")
	var lettered []gamedate.Date
	for _, letter := range letters.Letters {
		lettered = append(lettered, letter.Date)
	}
	slices.SortFunc(lettered, gamedate.Date.Compare)
	if !slices.Equal(lettered, dead) {
		t.Errorf("dead letters: got %v, want %v", lettered, dead)
	}

	// The missing box scores arrive, the letters are replayed, and nothing else is done again.
	before := p.loads()
	for _, d := range dead {
		p.scrape(mended, gamedate.Range{From: d, To: d})
	}
	p.Publish(t, 0, "replay", "--all", "--reason", "the box scores have arrived")
	workers := []*program.Process{p.Start(t, "", program.Worker, workerArgs()...),
		p.Start(t, "", program.Worker, workerArgs()...)}
	for _, w := range workers {
		if r := w.Wait(); r.Code != 0 {
			t.Errorf("worker after the replay: got %v, want exit code 0", r)
		}
	}
	if got := p.loads() - before; got != len(dead) {
		t.Errorf("partitions loaded by the replay: got %d, want %d", got, len(dead))
	}
	var got, want publisher.Judgement
	p.JSON(t, 0, &got, "validate")
	mended.JSON(t, 0, &want, "run", "--from", l.Range.From.String(), "--to", l.Range.To.String(), "--no-sample",
		"--reason", "reference")
	if got.Verdict != job.Pass || !got.Finished || got.TableFingerprint != want.TableFingerprint ||
		got.Rows != want.Rows || got.Rows != l.Rows {
		t.Errorf("got verdict %s, finished %v, %d rows, fingerprint %s; want pass, true, %d, and the embedded backend's %s",
			got.Verdict, got.Finished, got.Rows, got.TableFingerprint, l.Rows, want.TableFingerprint)
	}
	// Nothing that emulators cannot tell warns for ever; the tables are pruned, and the writes of the day count.
	p.JSON(t, 0, &f, append(whole, "--force")...)
	seen := map[string]string{}
	for _, c := range f.Checks {
		seen[c.Name] = c.Seen
	}
	// The killed worker had two dates in flight; what it wrote without recording it, the ledger does not know.
	writes := regexp.MustCompile(fmt.Sprintf(`^used (%d|%d|%d) in the last 24 hours \+ planned %d of 30000$`, dates-2, dates-1, dates, dates))
	if !strings.HasPrefix(seen["partitions are pruned"], "4 of 4 tables; ") ||
		!writes.MatchString(seen["partition_writes"]) || f.ScanBytes == 0 {
		t.Errorf("pre-flight: got pruning %q, writes %q and %d bytes to read, want 4 tables, %s and some",
			seen["partitions are pruned"], seen["partition_writes"], f.ScanBytes, writes)
	}
	if problems := p.bigquery.Violations(p.target()); len(problems) > 0 {
		t.Errorf("requests that must never be made:\n%s", strings.Join(problems, "\n"))
	}
}

// loads counts the load jobs into partitions of the target that the service accepted.
func (p *project) loads() int {
	n := 0
	for _, r := range p.bigquery.Audit() {
		if r.Kind == bigqueryfake.JobsInsertLoad && r.Table == summary.Target.Name && r.Partition != "" &&
			r.Status == http.StatusOK {
			n++
		}
	}
	return n
}
