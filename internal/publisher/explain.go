package publisher

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/warehouse"
)

// Story is everything known about one game date.
type Story struct {
	Date      gamedate.Date   `json:"date"`
	Season    string          `json:"season"`
	Expected  job.Expectation `json:"expected"`
	State     ledger.State    `json:"state,omitempty"` // "" when the ledger does not know the date
	Run       string          `json:"run,omitempty"`
	Seq       int64           `json:"seq"`
	Reason    string          `json:"reason,omitempty"` // why it was queued last
	Owner     string          `json:"owner,omitempty"`
	Until     time.Time       `json:"lease_until,omitzero"`
	NotBefore time.Time       `json:"not_before,omitzero"`
	Failure   *ledger.Failure `json:"failure,omitempty"`
	Facts     *ledger.Facts   `json:"facts,omitempty"`
	// Write is the newest write that was announced: its ID names the warehouse's own job where that has jobs.
	Write ledger.WriteRecord `json:"write,omitzero"`
	// Acceptance is what every rule of acceptance said of the completed date, in the job's order.
	Acceptance []RuleResult `json:"acceptance,omitempty"`
	// Thresholds are the bounds that the date's run judges by; empty without a run.
	Thresholds map[string]job.Bounds `json:"thresholds,omitempty"`
	// Now is the partition as it is in the warehouse.
	Now    warehouse.Measure `json:"now"`
	Inputs []InputState      `json:"inputs"`
	// Plan is what the next publish would do with the date under the same settings, "" when it cannot be told.
	Plan     Verdict             `json:"plan,omitempty"`
	PlanWhy  string              `json:"plan_why,omitempty"`
	Attempts []ledger.Attempt    `json:"attempts,omitempty"` // oldest first
	Letters  []ledger.DeadLetter `json:"dead_letters,omitempty"`
	Events   []ledger.Event      `json:"events,omitempty"` // of this date, oldest first
}

// RuleResult is what one rule of acceptance said of a date.
type RuleResult struct {
	Rule    string `json:"rule"`
	Result  string `json:"result"` // passed, warn, error, or overridden: an error that the run accepts
	Message string `json:"message,omitempty"`
}

// ruleResults are the results of all rules; a rule that fired several times has one for each.
func ruleResults(rules []job.Rule, findings []job.Finding) []RuleResult {
	var out []RuleResult
	for _, rule := range rules {
		fired := false
		for _, f := range findings {
			if f.Rule != rule.Name {
				continue
			}
			fired = true
			result := string(f.Level)
			if f.Level == job.Error && f.Accepted {
				result = "overridden"
			}
			out = append(out, RuleResult{rule.Name, result, f.Message})
		}
		if !fired {
			out = append(out, RuleResult{Rule: rule.Name, Result: "passed"})
		}
	}
	return out
}

// InputState compares one source partition with what the last completion read.
type InputState struct {
	Table    string          `json:"table"`
	Recorded warehouse.Token `json:"recorded,omitempty"`
	Now      warehouse.Token `json:"now,omitempty"`
	Changed  bool            `json:"changed"`
}

// Explain gathers the story of a date. A date that nobody planned has a story too: what the calendar and the tables
// say.
func (p *Publisher) Explain(ctx context.Context, date gamedate.Date) (Story, error) {
	one := gamedate.Range{From: date, To: date}
	s := Story{Date: date, Season: p.job.Calendar.SeasonOf(date)}
	expected, _, _, err := p.calendar(ctx, one)
	if err != nil {
		return s, err
	}
	s.Expected = expected[date]
	entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, one)
	if err != nil {
		return s, fmt.Errorf("read entry of %s: %w", date, err)
	}
	if len(entries) == 1 {
		e := entries[0]
		s.State, s.Run, s.Seq, s.Reason, s.Owner, s.Until, s.NotBefore, s.Failure, s.Facts = e.State, e.Run, e.Seq, e.Reason,
			e.Owner, e.LeaseUntil, e.NotBefore, e.Failure, e.Facts
		s.Write = e.Write
	}
	if s.Facts != nil {
		s.Acceptance = ruleResults(p.job.Rules, s.Facts.Findings)
	}
	if s.Now, err = p.ports.Store.Measure(ctx, p.job.Target, date); err != nil {
		return s, fmt.Errorf("read %s of %s: %w", p.job.Target.FullName(), date, err)
	}
	sources, err := p.sourceTokens(ctx, one)
	if err != nil {
		return s, err
	}
	now := sources(date)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		in := InputState{Table: name, Now: now[name]}
		if s.Facts != nil {
			in.Recorded = s.Facts.SourceTokens[name]
			in.Changed = in.Recorded != in.Now
		}
		s.Inputs = append(s.Inputs, in)
	}
	if err := p.foretell(ctx, one, &s); err != nil {
		return s, err
	}
	if s.Attempts, err = p.ports.Ledger.Attempts(ctx, ledger.AttemptFilter{Job: p.job.Name, Date: date}, 0); err != nil {
		return s, fmt.Errorf("read attempts of %s: %w", date, err)
	}
	slices.Reverse(s.Attempts)
	if s.Letters, err = p.ports.Ledger.DeadLetters(ctx, ledger.DeadLetterFilter{Job: p.job.Name, Range: one}); err != nil {
		return s, fmt.Errorf("read dead letters of %s: %w", date, err)
	}
	events, err := p.ports.Ledger.Events(ctx, p.job.Name, "", 0)
	if err != nil {
		return s, fmt.Errorf("read events: %w", err)
	}
	s.Events = slices.DeleteFunc(events, func(e ledger.Event) bool { return e.Date != date })
	slices.Reverse(s.Events)
	return s, nil
}

// foretell plans the date under the settings and overrides of the run that did it last.
func (p *Publisher) foretell(ctx context.Context, one gamedate.Range, s *Story) error {
	r := Request{Range: one}
	if s.Run != "" {
		run, err := p.ports.Ledger.Run(ctx, s.Run)
		if err != nil {
			return fmt.Errorf("read run %s: %w", s.Run, err)
		}
		r.Settings, r.Accept, r.Reason = run.Settings, run.Accept, "as before"
		thresholds, err := p.job.EffectiveThresholds(run.Settings)
		if err != nil {
			return err
		}
		s.Thresholds = thresholds.Bounds()
	}
	plan, err := p.Plan(ctx, r)
	if err != nil {
		s.PlanWhy = err.Error()
		return nil
	}
	d := plan.Dates[0]
	s.Plan, s.PlanWhy = d.Verdict, d.Reason
	switch {
	case s.PlanWhy == "":
		s.PlanWhy = d.Detail
	case d.Detail != "":
		s.PlanWhy += ": " + d.Detail
	}
	return nil
}

// Unknown is one name that the references do not know, over a range of dates.
type Unknown struct {
	Lookup      string           `json:"lookup"`
	Name        string           `json:"name"` // as a source printed it
	Source      string           `json:"source"`
	Occurrences int              `json:"occurrences"` // dates on which it appeared
	First       gamedate.Date    `json:"first"`
	Last        gamedate.Date    `json:"last"`
	Seasons     []string         `json:"seasons"`
	Groups      []string         `json:"groups"` // teams or other units
	Examples    []string         `json:"examples,omitempty"`
	Suggestions []job.Suggestion `json:"suggestions,omitempty"`
	Dates       []gamedate.Date  `json:"dates"`
	// Unmatched: on each of these dates its rows were left out, see [job.Unresolved].
	Unmatched bool `json:"unmatched,omitempty"`
}

// examplesKept is how many example units an aggregated name keeps.
const examplesKept = 5

// Unresolved aggregates over a range the names that the references did not know, the most frequent first, with the
// job's suggestions from the references as they are now. It is made from the facts of completed dates, so a date that
// is done again replaces its own contribution.
func (p *Publisher) Unresolved(ctx context.Context, r gamedate.Range, suggestions int) ([]Unknown, error) {
	entries, err := p.ports.Ledger.Entries(ctx, p.job.Name, r)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	byLookup := map[string]*Unknown{}
	for _, e := range entries {
		if e.Facts == nil || e.State != ledger.Complete {
			continue
		}
		for _, u := range e.Facts.Unresolved {
			byLookup[u.Lookup] = addUnresolved(byLookup[u.Lookup], e.Date, u)
		}
	}
	out := make([]Unknown, 0, len(byLookup))
	for _, u := range byLookup {
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b Unknown) int {
		if a.Occurrences != b.Occurrences {
			return b.Occurrences - a.Occurrences
		}
		if a.Lookup < b.Lookup {
			return -1
		}
		return 1
	})
	if p.job.Suggest == nil || len(out) == 0 || suggestions == 0 {
		return out, nil
	}
	references, err := p.references(ctx)
	if err != nil {
		return nil, err
	}
	for i := range out {
		u := job.Unresolved{Source: out[i].Source, Name: out[i].Name, Lookup: out[i].Lookup, Season: out[i].Seasons[0],
			Group: out[i].Groups[0]}
		out[i].Suggestions = p.job.Suggest(references, u, suggestions)
	}
	return out, nil
}

func addUnresolved(u *Unknown, date gamedate.Date, seen job.Unresolved) *Unknown {
	if u == nil {
		u = &Unknown{Lookup: seen.Lookup, Name: seen.Name, Source: seen.Source, First: date, Unmatched: true}
	}
	if len(u.Dates) == 0 || u.Dates[len(u.Dates)-1] != date { // two sources of one date are one occurrence
		u.Occurrences++
		u.Dates = append(u.Dates, date)
	}
	u.Last, u.Unmatched = date, u.Unmatched && seen.Unmatched
	if !slices.Contains(u.Seasons, seen.Season) {
		u.Seasons = append(u.Seasons, seen.Season)
	}
	if !slices.Contains(u.Groups, seen.Group) {
		u.Groups = append(u.Groups, seen.Group)
	}
	for _, example := range seen.Examples {
		if len(u.Examples) < examplesKept && !slices.Contains(u.Examples, example) {
			u.Examples = append(u.Examples, example)
		}
	}
	return u
}
