// Package testjob is a job for tests that is not about basketball: rainfall per weather station and day. The engine's
// tests run on it, which shows that queue, ledger, warehouse, publisher and worker know nothing of the real job.
//
// Three tables: the plan of readings (calendar), the readings (source) and the stations (reference). The target has
// one row per station: the sum of its readings, in tenths of a millimetre. A test steers a date through its readings:
// see the Station constants.
package testjob

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/table"
)

// Name and Version of the job.
const (
	Name    = "rain_per_day"
	Version = "7"
)

// Station names that make a build go wrong on purpose.
const (
	Panics    = "panics"    // the build panics
	Permanent = "permanent" // a permanent error
	Flaky     = "flaky"     // a transient error
	TooWet    = "too_wet"   // a reading that fails acceptance (rule "too_wet")
	Odd       = "odd"       // a reading that is rejected and counted
)

// The tables.
var (
	Plan = &table.Schema{Dataset: "weather", Name: "reading_plan", Partition: "day", Key: []string{"day"},
		Columns: []table.Column{
			{Name: "day", Type: table.DATE, Required: true}, {Name: "stations", Type: table.INT64, Required: true},
			{Name: "closed", Type: table.BOOL, Required: true},
		}}
	Readings = &table.Schema{Dataset: "weather", Name: "readings", Partition: "day", Key: []string{"station", "hour"},
		Columns: []table.Column{
			{Name: "day", Type: table.DATE, Required: true}, {Name: "station", Type: table.STRING, Required: true},
			{Name: "hour", Type: table.INT64, Required: true}, {Name: "tenths", Type: table.INT64},
		}}
	Stations = &table.Schema{Dataset: "weather", Name: "stations", Key: []string{"station"}, Columns: []table.Column{
		{Name: "station", Type: table.STRING, Required: true}, {Name: "region", Type: table.STRING},
	}}
	Target = &table.Schema{Dataset: "weather", Name: "rain_per_day", Partition: "day", Key: []string{"station"},
		Columns: []table.Column{
			{Name: "day", Type: table.DATE, Required: true}, {Name: "station", Type: table.STRING, Required: true},
			{Name: "region", Type: table.STRING}, {Name: "tenths", Type: table.INT64},
			{Name: "written_at", Type: table.TIMESTAMP, Role: table.Volatile},
			{Name: "remark", Type: table.STRING, Role: table.Unowned},
		}}
)

// Tables are all tables of the job.
var Tables = []*table.Schema{Plan, Readings, Stations, Target}

// Hooks let a test watch or delay builds; the zero value does nothing.
type Hooks struct {
	Build func(date gamedate.Date) error
	// Builds counts calls.
	Builds atomic.Int64
}

// Job returns the job. hooks may be nil.
func Job(hooks *Hooks) job.Job {
	if hooks == nil {
		hooks = &Hooks{}
	}
	return job.Job{
		Name: Name, Version: Version, Target: Target, Sources: []*table.Schema{Readings, Plan},
		References: []*table.Schema{Stations},
		Calendar: job.Calendar{Table: Plan, Unit: "reading", Expect: expect, MaxQuietDays: 3,
			InSeason: func(d gamedate.Date) bool { return d.Month >= 3 && d.Month <= 11 },
			SeasonOf: func(d gamedate.Date) string { return fmt.Sprint(d.Year) }},
		Settings: settings, Decode: decode,
		Rules: []job.Rule{{Name: "too_wet", Doc: "no station above 500 mm a day"},
			{Name: "no_readings", Doc: "a planned day has readings"}},
		Build: func(shared any, in job.Input) (job.Output, error) {
			hooks.Builds.Add(1)
			if hooks.Build != nil {
				if err := hooks.Build(in.Date); err != nil {
					return job.Output{}, err
				}
			}
			return build(shared.(map[string]string), in)
		},
		Gates:    job.Gates{By: []string{"region"}, Nulls: []string{"tenths"}, Keys: []string{"station"}, Judge: judge},
		Sampling: job.Sampling{Canary: canary, SpotCheck: spotCheck},
	}
}

func expect(_ gamedate.Date, rows []table.Row) job.Expectation {
	var e job.Expectation
	for _, row := range rows {
		if row[2].IsTrue() {
			e.Units++
		} else {
			e.NotFinal++
		}
	}
	return e
}

type options struct {
	Unit string `json:"unit"`
}

func settings(raw []byte) ([]byte, error) {
	o := options{Unit: "tenths"}
	if len(raw) > 0 {
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			return nil, err
		}
	}
	if o.Unit != "tenths" && o.Unit != "hundredths" {
		return nil, fmt.Errorf("unit %q: want tenths or hundredths", o.Unit)
	}
	return json.Marshal(o)
}

func decode(_ []byte, references map[string][]table.Row) (any, error) {
	regions := map[string]string{}
	for _, row := range references[Stations.Name] {
		regions[row[0].Str()] = row[1].Str()
	}
	return regions, nil
}

func build(regions map[string]string, in job.Input) (job.Output, error) {
	out := job.Output{Counts: job.Counts{RejectedBy: map[string]int64{}, Counts: map[string]int64{}}}
	for _, row := range in.Sources[Plan.Name] {
		if !row[2].IsTrue() {
			out.NotReady = "the day is not closed"
			return out, nil
		}
	}
	sums := map[string]int64{}
	for _, row := range in.Sources[Readings.Name] {
		out.Counts.RowsIn++
		station := row[1].Str()
		switch station {
		case Panics:
			panic("a station that panics")
		case Permanent:
			return out, failure.MarkPermanent(errors.New("a station that cannot be"), "bad_station")
		case Flaky:
			return out, errors.New("a station that flickers")
		case Odd:
			out.Counts.RejectedBy["odd_station"]++
			out.Rejections = append(out.Rejections,
				job.Rejection{Source: Readings.Name, Reason: "odd_station", Key: Readings.Describe(row)})
			continue
		}
		out.Counts.RowsUsed++
		n, _ := row[3].Int64()
		sums[station] += n
		if station == TooWet {
			out.Findings = append(out.Findings,
				job.Finding{Rule: "too_wet", Level: job.Error, Message: "station too_wet has more than 500 mm"})
		}
		if _, ok := regions[station]; !ok {
			out.Unresolved = append(out.Unresolved, job.Unresolved{Source: Readings.Name, Name: station, Lookup: station})
		}
	}
	planned := len(in.Sources[Plan.Name]) > 0
	if planned && out.Counts.RowsIn == 0 {
		out.Findings = append(out.Findings,
			job.Finding{Rule: "no_readings", Level: job.Error, Message: "readings planned, source empty"})
	}
	remarks := map[string]table.Value{}
	for _, row := range in.Previous {
		remarks[row[1].Str()] = row[5]
	}
	for station, n := range sums {
		region := table.Null
		if r, ok := regions[station]; ok {
			region = table.String(r)
		}
		out.Rows = append(out.Rows,
			table.Row{table.Date(in.Date), table.String(station), region, table.Int(n), table.Timestamp(in.Now),
				remarks[station]})
	}
	slices.SortFunc(out.Rows, func(a, b table.Row) int { return a[1].Compare(b[1]) })
	out.Counts.RowsOut = int64(len(out.Rows))
	return out, nil
}

// canary begins with the first three days.
func canary(expected map[gamedate.Date]job.Expectation) []gamedate.Date {
	dates := slices.SortedFunc(maps.Keys(expected), gamedate.Date.Compare)
	return dates[:min(3, len(dates))]
}

// spotCheck shows every station and fails where nobody reported.
func spotCheck(rows []table.Row, _ job.Thresholds) job.SpotCheck {
	out := job.SpotCheck{Columns: []string{"station", "tenths"}}
	for _, row := range rows {
		out.Rows = append(out.Rows, []string{row[1].Text(), row[3].Text()})
	}
	c := job.Check{Name: "stations shown", Seen: fmt.Sprint(len(rows)), Verdict: job.Pass}
	if len(rows) == 0 {
		c.Verdict = job.Failed
	}
	out.Checks = []job.Check{c}
	return out
}

func judge(in job.GateInput) []job.Check {
	var rows int64
	for _, g := range in.Groups {
		rows += g.Rows
	}
	expected := 0
	for _, e := range in.Expected {
		expected += e.Units
	}
	c := job.Check{Name: "stations reported", Seen: fmt.Sprint(rows), Verdict: job.Pass}
	if rows == 0 && expected > 0 {
		c.Verdict = job.Failed
	}
	return []job.Check{c}
}
