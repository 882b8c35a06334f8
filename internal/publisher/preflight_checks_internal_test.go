package publisher

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/setup"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
)

var (
	errBroken  = errors.New("no answer")
	errDataset = failure.MarkEnvironment(errors.New("dataset weather not found"), "no_dataset")
	errDenied  = failure.MarkEnvironment(errors.New("access denied"), "access_denied")
)

// metered is a store that says what reading one date of a table would cost.
type metered struct {
	warehouse.Store
	bytes map[gamedate.Date]int64
	err   error
}

func (m metered) ScanBytes(_ context.Context, _ *table.Schema, r gamedate.Range, _ ...string) (int64, error) {
	return m.bytes[r.From], m.err
}

func (m metered) Describe(context.Context, *table.Schema) (warehouse.Description, error) {
	return warehouse.Description{}, m.err
}

func (m metered) Count(context.Context, *table.Schema, gamedate.Range, warehouse.Grouping) ([]warehouse.Group, error) {
	return nil, m.err
}

func (m metered) Read(context.Context, *table.Schema, gamedate.Date) (warehouse.Partition, error) {
	return warehouse.Partition{}, m.err
}

// pruningCases are of a table of 1,000 bytes.
var pruningCases = []struct {
	name        string
	day, before int64
	err         error
	want        job.Verdict
}{
	{"one date of many", 10, 0, nil, job.Pass},
	{"all but a byte", 999, 999, nil, job.Pass},
	{"the table's only date", 1000, 0, nil, job.Pass},
	{"a date without rows beside the only one", 0, 1000, nil, job.Pass},
	{"whatever the date", 1000, 1000, nil, job.Failed},
	{"no answer", 0, 0, errBroken, job.NotChecked},
	{"not allowed", 0, 0, errDenied, job.Failed},
}

func pruning(day, before int64, err error) []job.Check {
	d := tableRange.From
	p := &Publisher{ports: Ports{Store: metered{bytes: map[gamedate.Date]int64{d: day, d.AddDays(-1): before}, err: err}}}
	return p.checkPruning(context.Background(), []liveTable{
		{testjob.Readings, warehouse.Description{Exists: true, Bytes: 1000}},
		{testjob.Stations, warehouse.Description{Exists: true, Bytes: 1000}}, // has no partitions
		{testjob.Target, warehouse.Description{Exists: true}},                // has no rows
	}, d)
}

func TestCheckPruning(t *testing.T) {
	t.Parallel()
	for _, tt := range pruningCases {
		got := pruning(tt.day, tt.before, tt.err)
		if len(got) != 1 || got[0].Verdict != tt.want || (got[0].Advice == "") != (tt.want == job.Pass) {
			t.Errorf("%s: got %+v, want %s, and advice unless it passes", tt.name, got, tt.want)
		}
	}
	if got := pruning(10, 0, nil); got[0].Seen != "1 of 1 tables; 2022-01-10 reads 10 of their 1000 bytes" {
		t.Errorf("got %q", got[0].Seen)
	}
}

// Each statement of a plan, a pre-flight and a validation counts once.
func TestScanBytes(t *testing.T) {
	t.Parallel()
	j := testjob.Job(nil)
	j.Preflight.Counts = []job.Counting{{Table: testjob.Readings}, {Table: testjob.Readings, Undated: true}}
	store := metered{bytes: map[gamedate.Date]int64{tableRange.From: 10}}
	p := &Publisher{job: j, ports: Ports{Store: store}}
	// Calendar, stations, two counts, two of the gates.
	if n, err := p.scanBytes(t.Context(), tableRange); err != nil || n != 60 {
		t.Errorf("got %d bytes, %v, want six statements of 10", n, err)
	}
	store.err = errBroken
	p.ports.Store = store
	if _, err := p.scanBytes(t.Context(), tableRange); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
}

// What an error keeps from being looked at fails where something is missing or not allowed, and says who makes it.
func TestWhatCannotBeLookedAt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		want   job.Verdict
		advice string
	}{
		{errBroken, job.NotChecked, "message"},
		{errDenied, job.Failed, "message"},
		{errDataset, job.Failed, "deploy/terraform"},
	} {
		for _, c := range unseenCases(t, tt.err) {
			if c.Verdict != tt.want || c.Seen != tt.err.Error() || !strings.Contains(c.Advice, tt.advice) {
				t.Errorf("%v: got %+v, want %s with advice %q", tt.err, c, tt.want, tt.advice)
			}
		}
	}
}

// unseenCases are the checks of tables when the store answers with an error.
func unseenCases(t *testing.T, err error) []job.Check {
	t.Helper()
	j := testjob.Job(nil)
	j.Preflight = job.Preflight{Counts: []job.Counting{{Table: testjob.Readings}},
		Judge: func(job.PreflightInput) []job.Check { return nil }}
	p := &Publisher{job: j, ports: Ports{Store: metered{err: err}}}
	_, checks := p.liveTables(t.Context())
	if len(checks) != 4 {
		t.Errorf("got %d checks of tables, want one each", len(checks))
	}
	there := []liveTable{{testjob.Readings, warehouse.Description{Exists: true}}}
	counts, countErr := p.checkInputTables(t.Context(), there, &job.PreflightInput{Range: tableRange,
		Counts: map[string][]job.GroupCount{}})
	if countErr != nil {
		t.Fatal(countErr)
	}
	without, _ := p.checkInputTables(t.Context(), nil, &job.PreflightInput{Range: tableRange})
	if len(without) != len(counts)-1 {
		t.Errorf("a table that is missing: got %d checks after %d, want one fewer", len(without), len(counts))
	}
	return append(checks, counts...)
}

// What an emulator cannot tell is shown, and warns of nothing.
func TestEmulatorsCannotTell(t *testing.T) {
	t.Parallel()
	look := func(context.Context) ([]setup.Finding, error) {
		return []setup.Finding{{Resource: "rights", State: setup.Unknown}, {Resource: "topic", State: setup.Missing}}, nil
	}
	for emulated, want := range map[bool][]string{
		true:  {"shown queue and ledger are set up rights", "fail queue and ledger are set up topic"},
		false: {"warn queue and ledger are set up rights", "fail queue and ledger are set up topic"},
	} {
		p := &Publisher{ports: Ports{Setup: look, Emulated: emulated}}
		if diff := cmp.Diff(want, told(p.checkSetup(t.Context()))); diff != "" {
			t.Errorf("emulated %v (-want +got):\n%s", emulated, diff)
		}
	}
}

// TestEveryCheckIsDocumented: docs/rules.md has each check that the engine makes before the first write, with the
// verdicts that were seen here, and each was seen to pass too.
func TestEveryCheckIsDocumented(t *testing.T) {
	t.Parallel()
	seen := map[string]map[job.Verdict]bool{}
	see := func(checks ...job.Check) {
		for _, c := range checks {
			if seen[c.Name] == nil {
				seen[c.Name] = map[job.Verdict]bool{}
			}
			seen[c.Name][c.Verdict] = true
		}
	}
	for _, tt := range tableCases {
		see(tt.judged()...)
	}
	for _, tt := range pruningCases {
		see(pruning(tt.day, tt.before, tt.err)...)
	}
	for _, err := range []error{errBroken, errDenied} {
		see(unseenCases(t, err)...)
		p := &Publisher{ports: Ports{Setup: func(context.Context) ([]setup.Finding, error) {
			return []setup.Finding{{State: setup.Present}, {State: setup.Missing}, {State: setup.Unknown}}, err
		}}}
		see(p.checkSetup(t.Context())...)
	}
	for _, open := range []ledger.Run{{}, {ID: "r", State: ledger.RunPaused}} {
		c, err := checkRun(open, nil)
		if err != nil {
			t.Fatal(err)
		}
		see(c)
	}
	see(unplanned(errDenied), unseen("calendar is final", "", errDenied))
	d := tableRange.From
	see(checkCalendar("game", tableRange, nil),
		checkCalendar("game", tableRange, map[gamedate.Date]job.Expectation{d: {NotFinal: 1}}),
		checkSilence(nil), checkSilence([]Silence{{}}),
		checkLive(Request{Today: d}, nil), checkLive(Request{Today: d}, []gamedate.Date{d}),
		checkLive(Request{Today: d, IncludeLive: true}, []gamedate.Date{d}))
	writes := job.Defaults(job.EngineThresholds())[job.ThresholdPartitionWrites]
	see(checkWrites(writes, 0, 1000), checkWrites(writes, 0, 1001), checkWrites(writes, 0, 30_001))

	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "rules.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Checks before the first write\n")
	section, _, _ = strings.Cut(section, "\n### Of the raw box scores\n")
	documented := map[string]string{}
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); strings.HasPrefix(line, "| `") && len(cells) == 7 {
			documented[strings.Trim(cells[1], " `")] = cells[4]
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(documented))); diff != "" {
		t.Errorf("checks in docs/rules.md (-program +document):\n%s", diff)
	}
	// Those that only an error makes have nothing to pass.
	errorsOnly := []string{"dates can be planned", "rows are counted", "references are read"}
	summed := []string{"table exists", "columns are there", "columns and partitions fit", "no unknown columns",
		"clustered", "no streaming buffer",
		"nothing expires", "time travel"} // pass together, as "table is as needed"
	for name, verdicts := range seen {
		if !verdicts[job.Pass] && !slices.Contains(errorsOnly, name) && !slices.Contains(summed, name) {
			t.Errorf("%s: never seen to pass", name)
		}
		for _, v := range []job.Verdict{job.Warned, job.Failed} {
			if told := strings.Contains(documented[name], string(v)); told != verdicts[v] {
				t.Errorf("%s: seen to %s: %v, documented %v", name, v, verdicts[v], told)
			}
		}
	}
}
