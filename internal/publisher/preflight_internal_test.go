package publisher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/setup"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
)

// told are checks in short: "fail name scope".
func told(checks []job.Check) (short []string) {
	for _, c := range checks {
		short = append(short, strings.TrimSpace(string(c.Verdict)+" "+c.Name+" "+c.Scope))
	}
	return short
}

var (
	tableRange = gamedate.Range{From: gamedate.MustParse("2022-01-10"), To: gamedate.MustParse("2022-01-16")}
	tableNow   = time.Date(2022, 2, 9, 12, 0, 0, 0, time.UTC) // 30 days after the first date
)

const (
	target = "weather.rain_per_day"
	source = "weather.readings"
)

// tableCases change one property of a live table each.
var tableCases = func() []tableCase {
	const day = 24 * time.Hour
	station, tenths := testjob.Readings.Columns[1], testjob.Readings.Columns[3] // REQUIRED, and one that may be NULL
	return []tableCase{
		{name: "all as wanted", change: func(_, _ *warehouse.Description) {}},
		{name: "no target", change: func(t, _ *warehouse.Description) { t.Exists = false },
			want: []string{"fail table exists " + target}, advice: "init"},
		{name: "no source", change: func(_, s *warehouse.Description) { s.Exists = false },
			want: []string{"fail table exists " + source}, advice: "nothing here makes it"},
		{name: "a column of the target", change: func(t, _ *warehouse.Description) { t.Missing = []table.Column{tenths} },
			want: []string{"fail columns are there " + target}, seen: "tenths", advice: "init"},
		{name: "a needed column of a source",
			change: func(_, s *warehouse.Description) { s.Missing = []table.Column{station, tenths} },
			want:   []string{"fail columns are there " + source}, seen: "missing: station"},
		{name: "another column of a source", change: func(_, s *warehouse.Description) { s.Missing = []table.Column{tenths} },
			want: []string{"warn columns are there " + source}, seen: "tenths", advice: "NULL"},
		{name: "another type in the target",
			change: func(t, _ *warehouse.Description) { t.Different = []string{"column tenths is STRING, want INT64"} },
			want:   []string{"fail columns and partitions fit " + target}, seen: "STRING"},
		{name: "another type in a source", change: func(_, s *warehouse.Description) { s.Different = []string{"x"} },
			want: []string{"warn columns and partitions fit " + source}},
		{name: "a foreign column in the target", change: func(t, _ *warehouse.Description) { t.Extra = []string{"mood"} },
			want: []string{"warn no unknown columns " + target}, seen: "mood"},
		{name: "a foreign column in a source", change: func(_, s *warehouse.Description) { s.Extra = []string{"mood"} }},
		{name: "rows streamed into the target", change: func(t, _ *warehouse.Description) { t.StreamingBuffer = true },
			want: []string{"fail no streaming buffer " + target}, advice: "90 minutes"},
		{name: "rows streamed into a source", change: func(_, s *warehouse.Description) { s.StreamingBuffer = true },
			want: []string{"warn no streaming buffer " + source}},
		{name: "the target expires", change: func(t, _ *warehouse.Description) { t.Expires = tableNow.AddDate(1, 0, 0) },
			want: []string{"fail nothing expires " + target}, seen: "2023-02-09"},
		{name: "partitions expire within the range",
			change: func(_, s *warehouse.Description) { s.PartitionExpiration = 29 * day },
			want:   []string{"fail nothing expires " + source}, seen: "29 days"},
		{name: "partitions expire before the range",
			change: func(_, s *warehouse.Description) { s.PartitionExpiration = 30 * day }},
		{name: "a snapshot would expire", change: func(t, _ *warehouse.Description) { t.NewTableExpiration = 29 * day },
			want: []string{"fail nothing expires " + target}},
		{name: "a snapshot lives long enough", change: func(t, _ *warehouse.Description) { t.NewTableExpiration = 30 * day }},
		{name: "other clustering", change: func(t, _ *warehouse.Description) { t.Cluster = []string{"station"} },
			want: []string{"warn clustered " + target}},
		{name: "two locations", change: func(_, s *warehouse.Description) { s.Location = "US" },
			want: []string{"fail one location"}, seen: "US: " + source + "; us-west2: " + target},
		{name: "time travel of less than seven days",
			change: func(t, _ *warehouse.Description) { t.TimeTravel = 167 * time.Hour },
			want:   []string{"warn time travel " + target}, seen: "167 hours"},
		{name: "time travel of seven days", change: func(t, _ *warehouse.Description) { t.TimeTravel = 168 * time.Hour }},
		{name: "time travel of a source", change: func(_, s *warehouse.Description) { s.TimeTravel = 48 * time.Hour }},
	}
}()

// tableCase is a change of one live table and what is said of it.
type tableCase struct {
	name         string
	change       func(target, source *warehouse.Description)
	want         []string
	seen, advice string // of the first check that does not pass
}

// judged are the checks of both tables after the change.
func (tt tableCase) judged() []job.Check {
	a, b := warehouse.Description{Exists: true, Location: "us-west2"},
		warehouse.Description{Exists: true, Location: "us-west2"}
	tt.change(&a, &b)
	return judgeTables([]liveTable{{testjob.Target, a}, {testjob.Readings, b}}, testjob.Target, tableRange, tableNow)
}

// Every property of a live table is judged alone, and beside its edge nothing is said.
func TestJudgeTables(t *testing.T) {
	t.Parallel()
	for _, tt := range tableCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var bad []job.Check
			for _, c := range tt.judged() {
				if c.Verdict != job.Pass {
					bad = append(bad, c)
				}
			}
			if diff := cmp.Diff(tt.want, told(bad)); diff != "" {
				t.Fatalf("checks that do not pass (-want +got):\n%s", diff)
			}
			if len(bad) > 0 && (!strings.Contains(bad[0].Seen, tt.seen) || bad[0].Advice == "" ||
				!strings.Contains(bad[0].Advice, tt.advice)) {
				t.Errorf("got %+v, want it to have seen %q and to advise %q", bad[0], tt.seen, tt.advice)
			}
		})
	}
}

func TestTablesOfAFileHaveNoLocation(t *testing.T) {
	t.Parallel()
	there := liveTable{testjob.Stations, warehouse.Description{Location: "US"}}
	if !inFile([]liveTable{{}}) || inFile([]liveTable{{}, there}) || inFile(nil) {
		t.Error("a file is told by tables without a location")
	}
	got := told(judgeTables([]liveTable{{testjob.Target, warehouse.Description{Exists: true}}}, testjob.Target,
		gamedate.Range{}, time.Time{}))
	if diff := cmp.Diff([]string{"pass table is as needed"}, got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	missing := judgeTables([]liveTable{{testjob.Stations, warehouse.Description{}}}, testjob.Target,
		gamedate.Range{}, time.Time{})
	if diff := cmp.Diff([]string{"fail table exists weather.stations"}, told(missing)); diff != "" ||
		missing[0].Advice != "`publisher import` loads it" {
		t.Errorf("a missing one: got %+v, want who loads it", missing)
	}
}

func TestCheckRun(t *testing.T) {
	t.Parallel()
	open := ledger.Run{ID: "r1", State: ledger.RunOpen}
	broken := errors.New("the ledger is away")
	tests := []struct {
		name    string
		open    ledger.Run
		err     error
		want    job.Verdict
		seen    string
		wantErr error
	}{
		{"no run", ledger.Run{}, nil, job.Pass, "none is open", nil},
		{"one to join", open, nil, job.Pass, "run r1 is open", nil},
		{"a paused one", ledger.Run{ID: "r1", State: ledger.RunPaused}, nil, job.Failed, "run r1 is paused", nil},
		{"one with other settings", ledger.Run{}, &ledger.RunOpenError{Open: open}, job.Failed, "r1", nil},
		{"another target", ledger.Run{}, &ledger.OtherTargetError{Job: "j", Bound: "here", Given: "there"},
			job.Failed, "there", nil},
		{"no answer", ledger.Run{}, broken, "", "", broken},
	}
	for _, tt := range tests {
		c, err := checkRun(tt.open, tt.err)
		if !errors.Is(err, tt.wantErr) {
			t.Errorf("%s: got error %v, want %v", tt.name, err, tt.wantErr)
		}
		if err == nil && (c.Verdict != tt.want || !strings.Contains(c.Seen, tt.seen) ||
			(c.Advice == "") != (c.Verdict == job.Pass)) {
			t.Errorf("%s: got %+v, want %s with %q, and advice unless it passes", tt.name, c, tt.want, tt.seen)
		}
	}
}

func TestCheckSetup(t *testing.T) {
	t.Parallel()
	findings := []setup.Finding{
		{Resource: "topic dates", State: setup.Present},
		{Resource: "topic dates-dead", State: setup.Forbidden, Seen: "no publisher", Advice: "grant roles/pubsub.publisher"},
		{Resource: "subscription dates-worker, topic", State: setup.Differs, Seen: "others", Wanted: "dates",
			Advice: "make it anew"},
		{Resource: "subscription dates-dead-fold", State: setup.Missing, Makeable: true},
		{Resource: "rights of the service's agent", State: setup.Unknown},
	}
	p := &Publisher{ports: Ports{Setup: func(context.Context) ([]setup.Finding, error) {
		return findings, errors.New("no answer")
	}}}
	got := p.checkSetup(t.Context())
	const name = "queue and ledger are set up "
	if diff := cmp.Diff([]string{"pass " + strings.TrimSpace(name), "fail " + name + "topic dates-dead",
		"fail " + name + "subscription dates-worker, topic",
		"fail " + name + "subscription dates-dead-fold", "warn " + name + "rights of the service's agent",
		"not_checked " + strings.TrimSpace(name)}, told(got)); diff != "" {
		t.Fatalf("checks (-want +got):\n%s", diff)
	}
	if c := got[2]; c.Seen != "differs: others" || c.Bound != "dates" || c.Advice != "make it anew" {
		t.Errorf("got %+v, want both values and the advice", c)
	}
	if c := got[3]; c.Advice != "`publisher init` makes it" {
		t.Errorf("what is missing: got advice %q, want who makes it", c.Advice)
	}
	if c := got[4]; c.Advice == "" || strings.Contains(c.Advice, "init") {
		t.Errorf("what the service cannot tell: got advice %q, want some that does not send to init", c.Advice)
	}
	if got := (&Publisher{}).checkSetup(t.Context()); got != nil {
		t.Errorf("a queue in a file: got %v, want no check", got)
	}
}

func TestCheckCalendar(t *testing.T) {
	t.Parallel()
	r := gamedate.Range{From: gamedate.MustParse("2022-01-10"), To: gamedate.MustParse("2022-01-11")}
	expected := map[gamedate.Date]job.Expectation{r.From: {Units: 3}, r.To.AddDays(1): {NotFinal: 1}}
	if c := checkCalendar("game", r, expected); c.Verdict != job.Pass ||
		c.Seen != "3 games final on 1 dates, 0 not final" {
		t.Errorf("got %+v, want a pass: what lies outside the range is no concern", c)
	}
	expected[r.To] = job.Expectation{Units: 1, NotFinal: 2}
	if c := checkCalendar("game", r, expected); c.Verdict != job.Warned ||
		c.Seen != "4 games final on 2 dates, 2 not final" || !strings.Contains(c.Advice, "2022-01-11") {
		t.Errorf("got %+v, want a warning that names the date", c)
	}
}

func TestCheckWrites(t *testing.T) {
	t.Parallel()
	engine := job.Defaults(job.EngineThresholds())
	if len(engine) != 1 {
		t.Errorf("got thresholds %v of the engine, want the one whose bounds are walked here", engine)
	}
	threshold := engine[job.ThresholdPartitionWrites]
	for used, want := range map[int]job.Verdict{0: job.Pass, 988: job.Pass, 989: job.Warned, 29_988: job.Warned,
		29_989: job.Failed} {
		got := checkWrites(threshold, used, 12)
		if seen := fmt.Sprintf("used %d in the last 24 hours + planned 12 of 30000", used); got.Verdict != want ||
			got.Seen != seen || (got.Advice == "") != (want == job.Pass) {
			t.Errorf("%d and 12 writes: got %+v, want %s and %q", used, got, want, seen)
		}
	}
	threshold.Fail = job.None
	if got := checkWrites(threshold, 40_000, 0); got.Verdict != job.Warned || strings.Contains(got.Seen, "of") {
		t.Errorf("without a bound: got %+v, want a warning of no limit", got)
	}
}
