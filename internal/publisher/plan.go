// Package publisher plans which game dates of a range are to be done and why, records the plan in the ledger, publishes
// one message per queued date, judges a finished run and closes it. It is written against the ports and a [job.Job].
package publisher

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/price"
	"gamefill/internal/setup"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// Verdict is what a plan says about one date.
type Verdict string

// The verdicts.
const (
	Queue      Verdict = "queue"       // to be done; Reason says why
	Left       Verdict = "left"        // done, and nothing it was made from has changed
	Known      Verdict = "known"       // queued or in progress already under the open run
	NoGames    Verdict = "no_games"    // the calendar has nothing and the target is empty
	NoSchedule Verdict = "no_schedule" // the same, inside a suspiciously long silence of the calendar
	Undone     Verdict = "rolled_back" // put back on purpose: left until it is asked for
	NotFinal   Verdict = "not_final"   // units under way or still to come: not queued, looked at again by the next plan
)

// DatePlan is the plan of one date.
type DatePlan struct {
	Date     gamedate.Date   `json:"date"`
	Verdict  Verdict         `json:"verdict"`
	Reason   string          `json:"reason,omitempty"` // for Queue: one of the ledger's Reason constants
	Detail   string          `json:"detail,omitempty"` // what changed, which units are not final
	Units    int             `json:"units"`            // counted final units
	Inputs   string          `json:"inputs"`           // digest of the tokens of sources and target
	State    ledger.State    `json:"state,omitempty"`  // the ledger's state before the plan
	Target   warehouse.Token `json:"-"`
	Sources  string          `json:"-"` // tokens of the sources, canonical text
	Expected job.Expectation `json:"-"`

	run string // of the entry
}

// Silence is a stretch of the calendar that is longer than a season allows.
//
// Note is the warning in words: "no counted game from … to … although seasons run to mid-June".
type Silence struct {
	Note string        `json:"note"`
	From gamedate.Date `json:"from"` // first date without a unit
	To   gamedate.Date `json:"to"`
}

// Plan is what would be done over a range, and why. Its hash covers all that decides, never costs or times.
type Plan struct {
	Job           string         `json:"job"`
	Range         gamedate.Range `json:"range"`
	Target        string         `json:"target"`
	Version       string         `json:"version"`
	SettingsHash  string         `json:"settings_hash"`
	ReferenceHash string         `json:"reference_hash"`
	Dates         []DatePlan     `json:"dates"`
	Silences      []Silence      `json:"silences,omitempty"`
	Hash          string         `json:"plan_hash"`
	// OpenRun is the id of the run that the dates would join, "" when a new one would be created.
	OpenRun string `json:"open_run,omitempty"`
	// StopOnFirstFailure: the run will stop at its first failure, because it was asked to or does already.
	StopOnFirstFailure bool `json:"stop_on_first_failure,omitempty"`

	settings []byte
	// rowSettings is the hash of the settings that decide rows.
	rowSettings string
	reference   []byte                 // nil when the open run's snapshot is used
	open        ledger.Run             // zero when a new one would be created
	quiet       map[gamedate.Date]bool // in-season dates of a silence
	expected    map[gamedate.Date]job.Expectation
}

// OpenState is the state of the run that the dates would join, "" when a new one would be created.
func (p *Plan) OpenState() ledger.RunState { return p.open.State }

// Count is the number of dates with a verdict.
func (p *Plan) Count(v Verdict) int {
	n := 0
	for _, d := range p.Dates {
		if d.Verdict == v {
			n++
		}
	}
	return n
}

// Reasons counts queued dates by reason.
func (p *Plan) Reasons() map[string]int {
	m := map[string]int{}
	for _, d := range p.Dates {
		if d.Verdict == Queue {
			m[d.Reason]++
		}
	}
	return m
}

// Request says what to plan.
type Request struct {
	Range gamedate.Range
	// Dates, when not empty, are the only dates planned; Range must span them.
	Dates []gamedate.Date
	// Force queues every date with units, done or not.
	Force bool
	// Undone queues the dates that were rolled back.
	Undone bool
	// Stale plans no other dates than those that are done and have become stale: by another version of the transform,
	// other settings, or changed inputs. It excludes Force.
	Stale bool
	// StopOnFirstFailure pauses the run at its first failure; a run that is joined keeps it from then on.
	StopOnFirstFailure bool
	// Settings are the job's row-affecting settings, JSON, nil for the defaults.
	Settings []byte
	// Accept names acceptance rules whose errors do not fail a date in this run; Reason is then required.
	Accept []string
	Reason string
	Actor  string
	// Preflight is what Preflight said about the request, nil when it was not asked; it is recorded with the run.
	Preflight *Preflight
	// SkipPreflight: the operator does not want it to be asked, and says in Reason why; recorded with the run.
	SkipPreflight bool
	// LiveWindow is how many days back from Today another pipeline may still write: dates to do that lie within are
	// refused unless IncludeLive, which is recorded with the run. 0: today and later alone.
	LiveWindow  int
	IncludeLive bool
	// Today is the current date in New York; zero: by the clock. No part of a plan depends on it.
	Today gamedate.Date
	// SampleAbove is how many dates a run may do before a sample has passed with the same version and settings; 0: any
	// number.
	SampleAbove int
	// SkipSample: the operator does not want a sample, and says in Reason why; recorded with the run.
	SkipSample bool
	// Sample does a few dates only, after which the run waits: Canary, or what the job chooses.
	Sample bool
	Canary []gamedate.Date
	// Golden rows are to be found in what a sample builds; their dates are among those it does.
	Golden []Golden
}

// Publisher is the operator's engine.
type Publisher struct {
	job    job.Job
	ports  Ports
	target string

	mu      sync.Mutex        // guards charged
	charged warehouse.Queries // what the store had queried when it was last told, see chargeQueries
}

// Ports are the stores a publisher works with.
type Ports struct {
	Queue  QueuePort
	Ledger ledger.Ledger
	Store  warehouse.Store
	// Setup looks at what queue and ledger need, in mode [setup.Check]; nil where they need nothing.
	Setup func(context.Context) ([]setup.Finding, error)
	// Emulated: what queue and ledger need of Google's services, emulators stand in for. What those cannot tell warns of
	// nothing.
	Emulated bool
	// Services says which of them bill what is used.
	Services price.Services
}

// New makes a publisher.
func New(ctx context.Context, j job.Job, p Ports) (*Publisher, error) {
	id, err := p.Store.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("warehouse identity: %w", err)
	}
	return &Publisher{job: j, ports: p, target: id + "/" + j.Target.FullName(), charged: p.Store.Queries()}, nil
}

// UsageError is a request that cannot be carried out as asked; nothing was done. Several problems are one a line.
type UsageError struct{ Problem string }

// Error is the problem.
func (e *UsageError) Error() string { return e.Problem }

// Check validates a request against a job without looking at any store and returns the canonical settings. All
// problems come together in one *UsageError, one a line.
func Check(j job.Job, r Request) (settings []byte, err error) {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, d := range r.Dates {
		if !r.Range.Contains(d) {
			add("date %s lies outside the range %s", d, r.Range)
		}
	}
	for _, g := range r.Golden {
		if !r.Range.Contains(g.Date) {
			add("the golden row of line %d is of %s, outside the range %s", g.Line, g.Date, r.Range)
		}
	}
	var names []string
	for _, rule := range j.Rules {
		names = append(names, rule.Name)
	}
	for _, rule := range r.Accept {
		if !slices.Contains(names, rule) {
			add("unknown acceptance rule %q; the rules are: %s", rule, strings.Join(names, ", "))
		}
	}
	if r.LiveWindow < 0 {
		add("--live-window must not be negative; 0 refuses today and later alone")
	}
	if r.Stale && r.Force {
		add("--stale and --force exclude each other: a forced date is done whether it is stale or not")
	}
	if len(r.Accept) > 0 && strings.TrimSpace(r.Reason) == "" {
		add("--accept overrides a safeguard: say why with --reason")
	}
	if r.SkipSample && strings.TrimSpace(r.Reason) == "" {
		add("--no-sample overrides a safeguard: say why with --reason")
	}
	if r.SkipPreflight && strings.TrimSpace(r.Reason) == "" {
		add("--skip-preflight overrides a safeguard: say why with --reason")
	}
	settings, err = j.Settings(r.Settings)
	if err != nil {
		add("%v", err)
	}
	if len(problems) > 0 {
		return nil, &UsageError{strings.Join(problems, "\n")}
	}
	return settings, nil
}

// settingsHash covers settings and overrides: two runs with the same hash build and accept the same way.
func settingsHash(settings []byte, accept []string) string {
	sorted := slices.Sorted(slices.Values(accept))
	return job.HashOf([]byte(string(settings) + "\naccept " + strings.Join(slices.Compact(sorted), ",")))
}

// Plan says what a publish of the request would do. It changes nothing.
//
// Errors: *UsageError, *ledger.OtherTargetError, *ledger.RunOpenError when an open run pins another version or other
// settings.
func (p *Publisher) Plan(ctx context.Context, r Request) (*Plan, error) {
	settings, err := Check(p.job, r)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Job: p.job.Name, Range: r.Range, Target: p.target, Version: p.job.Version,
		StopOnFirstFailure: r.StopOnFirstFailure, SettingsHash: settingsHash(settings, r.Accept), settings: settings,
		rowSettings: p.job.RowSettingsHash(settings)}
	bound, err := p.ports.Ledger.Target(ctx, p.job.Name)
	if err != nil {
		return nil, fmt.Errorf("read the ledger's target: %w", err)
	}
	if bound != "" && bound != p.target {
		return nil, &ledger.OtherTargetError{Job: p.job.Name, Bound: bound, Given: p.target}
	}
	open, isOpen, err := p.ports.Ledger.OpenRun(ctx, p.job.Name)
	if err != nil {
		return nil, fmt.Errorf("look for the open run: %w", err)
	}
	if isOpen {
		if open.Version != p.job.Version || open.SettingsHash != plan.SettingsHash {
			return nil, &ledger.RunOpenError{Open: open}
		}
		plan.OpenRun, plan.open, plan.ReferenceHash = open.ID, open, open.ReferenceHash
		plan.StopOnFirstFailure = plan.StopOnFirstFailure || open.StopOnFirstFailure
	} else if plan.reference, plan.ReferenceHash, err = p.readReference(ctx); err != nil {
		return nil, err
	}
	if err := p.planDates(ctx, r, plan); err != nil {
		return nil, err
	}
	plan.Hash = plan.hash()
	return plan, nil
}

// references reads every reference table, by table name.
func (p *Publisher) references(ctx context.Context) (map[string][]table.Row, error) {
	rows := map[string][]table.Row{}
	for _, t := range p.job.References {
		part, err := p.ports.Store.Read(ctx, t, gamedate.Date{})
		if err != nil {
			return nil, err
		}
		rows[t.Name] = part.Rows
	}
	return rows, nil
}

func (p *Publisher) readReference(ctx context.Context) (packed []byte, hash string, err error) {
	rows, err := p.references(ctx)
	if err != nil {
		return nil, "", err
	}
	return job.PackReference(p.job.References, rows)
}

// planDates fills the plan's dates and silences.
func (p *Publisher) planDates(ctx context.Context, r Request, plan *Plan) error {
	expected, silences, quiet, err := p.calendar(ctx, r.Range)
	if err != nil {
		return err
	}
	plan.Silences, plan.quiet, plan.expected = silences, quiet, expected
	// Entries first: a date that a worker completes during the plan is then still in progress. Read after the tokens, its
	// completion would look like a change of the target.
	list, err := p.ports.Ledger.Entries(ctx, p.job.Name, r.Range)
	if err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	entries := map[gamedate.Date]*ledger.Entry{}
	for i := range list {
		entries[list[i].Date] = &list[i]
	}
	sources, err := p.sourceTokens(ctx, r.Range)
	if err != nil {
		return err
	}
	targets, err := p.ports.Store.Tokens(ctx, p.job.Target, r.Range)
	if err != nil {
		return err
	}
	dates := r.Dates
	if len(dates) == 0 {
		dates = slices.Collect(r.Range.Dates())
	}
	slices.SortFunc(dates, gamedate.Date.Compare)
	for _, d := range slices.Compact(dates) {
		if one := judge(d, expected[d], entries[d], sources(d), targets[d], r, plan); !r.Stale || one.stale() {
			plan.Dates = append(plan.Dates, one)
		}
	}
	return nil
}

// sourceTokens reads the tokens of every source over a range; the function returns those of one date by table name.
func (p *Publisher) sourceTokens(ctx context.Context,
	r gamedate.Range) (func(gamedate.Date) map[string]warehouse.Token, error) {
	sources := map[string]map[gamedate.Date]warehouse.Token{}
	for _, t := range p.job.Sources {
		var err error
		if sources[t.Name], err = p.ports.Store.Tokens(ctx, t, r); err != nil {
			return nil, err
		}
	}
	return func(d gamedate.Date) map[string]warehouse.Token {
		now := map[string]warehouse.Token{}
		for name, tokens := range sources {
			now[name] = tokens[d]
		}
		return now
	}, nil
}

// forcedAlready reports whether the open run is a forced one and has done the date: the same command again goes on, and
// does not begin anew.
func forcedAlready(e *ledger.Entry, plan *Plan) bool {
	return plan.OpenRun != "" && plan.open.Force && e.State == ledger.Complete && e.Facts != nil &&
		e.Facts.Run == plan.OpenRun
}

// stale reports whether the date was done before and is to be done again because of what it was done from, or is queued
// for it.
func (d *DatePlan) stale() bool {
	return (d.Verdict == Queue || d.Verdict == Known) &&
		slices.Contains([]string{ledger.ReasonStale, ledger.ReasonSettings, ledger.ReasonChanged}, d.Reason)
}

// judge plans one date from what the calendar expects, the ledger remembers and the tables hold now.
func judge(d gamedate.Date, expect job.Expectation, e *ledger.Entry, sources map[string]warehouse.Token,
	target warehouse.Token, r Request, plan *Plan) DatePlan {
	out := DatePlan{Date: d, Units: expect.Units, Expected: expect, Target: target, Sources: tokenText(sources)}
	out.Inputs = out.inputs()
	if e != nil {
		out.State, out.run = e.State, e.Run
	}
	queue := func(reason, detail string) DatePlan {
		out.Verdict, out.Reason, out.Detail = Queue, reason, detail
		return out
	}
	switch {
	case e != nil && !e.State.Settled():
		out.Verdict, out.Reason = Known, e.Reason
		return out
	case e != nil && undone(e) && !r.Force && !r.Undone:
		out.Verdict, out.Detail = Undone, "--rolled-back or --force does it again"
		if e.RollingBack() {
			out.Detail = "interrupted: the same rollback again finishes it; " + out.Detail
		}
		return out
	case expect.NotFinal > 0:
		out.Verdict, out.Detail = NotFinal, fmt.Sprintf("%d of %d not final", expect.NotFinal, expect.NotFinal+expect.Units)
		return out
	case expect.Units == 0 && target != warehouse.NoToken:
		return queue(ledger.ReasonOrphaned, "")
	case expect.Units == 0 && e != nil && e.State == ledger.Complete: // emptied, and it can be rolled back
		out.Verdict = Left
		return out
	case expect.Units == 0:
		out.Verdict = NoGames
		if plan.quiet[d] {
			out.Verdict = NoSchedule
		}
		return out
	case e == nil || e.State == ledger.NoGames || e.State == ledger.NoSchedule:
		return queue(ledger.ReasonNew, "")
	case undone(e):
		return queue(ledger.ReasonUndone, "")
	case r.Force && !forcedAlready(e, plan):
		return queue(ledger.ReasonForced, "")
	case e.State == ledger.Dead || e.State == ledger.Cancelled:
		return queue(ledger.ReasonFailed, string(e.State))
	case e.Facts == nil:
		return queue(ledger.ReasonNew, "")
	case e.Facts.Version != plan.Version:
		return queue(ledger.ReasonStale, "version "+e.Facts.Version)
	case e.Facts.RowSettingsHash != plan.rowSettings:
		return queue(ledger.ReasonSettings, "")
	}
	if changed := changes(e.Facts, sources, target, plan.ReferenceHash); len(changed) > 0 {
		return queue(ledger.ReasonChanged, strings.Join(changed, ", "))
	}
	out.Verdict = Left
	return out
}

// undone reports whether the date was put back on purpose, or is about to be.
func undone(e *ledger.Entry) bool { return e.State == ledger.RolledBack || e.RollingBack() }

// changes names everything whose token is not the one the completion recorded. A missing token counts as changed.
func changes(f *ledger.Facts, sources map[string]warehouse.Token, target warehouse.Token, reference string) []string {
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if recorded, ok := f.SourceTokens[name]; !ok || recorded != sources[name] {
			changed = append(changed, name)
		}
	}
	if f.TargetToken != target {
		changed = append(changed, "target")
	}
	if f.ReferenceHash != reference {
		changed = append(changed, "references")
	}
	return changed
}

func tokenText(tokens map[string]warehouse.Token) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		fmt.Fprintf(&b, "%s=%s;", name, tokens[name])
	}
	return b.String()
}

// calendar reads what the calendar expects of every date, and the silences that are too long and touch the range. It
// looks past both ends of the range, so that a short range inside a long silence is judged like the long one; what lies
// outside the range altogether is no concern of it.
func (p *Publisher) calendar(ctx context.Context,
	r gamedate.Range) (map[gamedate.Date]job.Expectation, []Silence, map[gamedate.Date]bool, error) {
	c := p.job.Calendar
	margin := c.MaxQuietDays + 1
	wide := gamedate.Range{From: r.From.AddDays(-margin), To: r.To.AddDays(margin)}
	expected := map[gamedate.Date]job.Expectation{}
	err := p.ports.Store.ReadRange(ctx, c.Table, wide, func(d gamedate.Date, rows []table.Row) error {
		expected[d] = c.Expect(d, rows)
		return nil
	})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read calendar %s: %w", c.Table.FullName(), err)
	}
	silences, quiet := findSilences(wide, c, expected)
	silences = slices.DeleteFunc(silences, func(s Silence) bool { return s.To.Before(r.From) || s.From.After(r.To) })
	return expected, silences, quiet, nil
}

// findSilences returns the stretches without a unit that contain more than MaxQuietDays consecutive in-season dates,
// and those in-season dates.
func findSilences(r gamedate.Range, c job.Calendar,
	expected map[gamedate.Date]job.Expectation) ([]Silence, map[gamedate.Date]bool) {
	var silences []Silence
	quiet := map[gamedate.Date]bool{}
	var stretch, inSeason []gamedate.Date
	suspicious := false
	endSeason := func() {
		if len(inSeason) > c.MaxQuietDays {
			suspicious = true
			for _, d := range inSeason {
				quiet[d] = true
			}
		}
		inSeason = inSeason[:0]
	}
	endStretch := func() {
		endSeason()
		if suspicious {
			from, to := stretch[0], stretch[len(stretch)-1]
			note := strings.TrimSpace(fmt.Sprintf("no counted %s from %s to %s %s", c.Unit, from, to, c.SeasonNote))
			silences = append(silences, Silence{note, from, to})
		}
		stretch, suspicious = stretch[:0], false
	}
	for d := range r.Dates() {
		if e := expected[d]; e.Units+e.NotFinal > 0 {
			endStretch()
			continue
		}
		stretch = append(stretch, d)
		if c.InSeason(d) {
			inSeason = append(inSeason, d)
		} else {
			endSeason()
		}
	}
	endStretch()
	return silences, quiet
}

// hash is SHA-256 over job, target, version, settings, references and the sorted (date, verdict, reason, tokens).
func (p *Plan) hash() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%s\n%s\n%s\n%s\n", p.Job, p.Target, p.Version, p.SettingsHash, p.ReferenceHash)
	dates := slices.Clone(p.Dates)
	slices.SortFunc(dates, func(a, b DatePlan) int { return a.Date.Compare(b.Date) })
	for _, d := range dates {
		fmt.Fprintf(&b, "%s %s %q %s target=%s\n", d.Date, d.Verdict, d.Reason, d.Sources, d.Target)
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:])
}
