package summary

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
)

// What becomes of values that the previous partition holds in unowned columns.
const (
	UnownedRefuse = "refuse" // the date fails
	UnownedCarry  = "carry"  // they are copied into the new rows by key
	UnownedErase  = "erase"  // they are lost
)

// Settings are the row-affecting choices of a run. The zero value of each field means its default; [ParseSettings]
// writes the defaults out, so that two runs with equal behaviour have equal text.
type Settings struct {
	// Accept are acceptance rules whose errors the operator has accepted, sorted, each once.
	Accept []string `json:"accept"`
	// ProcessingContext is written to every row: backfill (the default), daily, cascade or manual.
	ProcessingContext string `json:"processing_context"`
	// Sources switches the two sources, by table name. A source that is not named is on for all dates.
	Sources map[string]Switch `json:"sources"`
	// Thresholds are the bounds of every threshold, by name; those that are not given have their default.
	Thresholds map[string]job.Bounds `json:"thresholds,omitempty"`
	// Unowned is one of refuse (the default), carry and erase.
	Unowned string `json:"unowned"`
}

// Switch says on which dates a source is used.
type Switch struct {
	From gamedate.Date `json:"from"` // first date it is used; "" for no bound
	Off  bool          `json:"off"`
	To   gamedate.Date `json:"to"` // last date it is used; "" for no bound
}

// covers reports whether the source is used on a date.
func (s Switch) covers(d gamedate.Date) bool {
	return !s.Off && (s.From.IsZero() || !d.Before(s.From)) && (s.To.IsZero() || !d.After(s.To))
}

var contexts = []string{"backfill", "cascade", "daily", "manual"}

// ParseSettings reads settings as JSON; empty input means the defaults. Unknown keys, values and rule names are errors,
// reported together.
func ParseSettings(data []byte) (Settings, error) {
	var s Settings
	if len(bytes.TrimSpace(data)) > 0 {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil {
			return Settings{}, fmt.Errorf("settings: %w", err)
		}
		if _, err := d.Token(); err != io.EOF {
			return Settings{}, errors.New("settings: more than one JSON value")
		}
	}
	if s.ProcessingContext == "" {
		s.ProcessingContext = "backfill"
	}
	if s.Unowned == "" {
		s.Unowned = UnownedRefuse
	}
	var errs []error
	if !slices.Contains(contexts, s.ProcessingContext) {
		errs = append(errs, fmt.Errorf("settings: processing_context %q: want one of %v", s.ProcessingContext, contexts))
	}
	if !slices.Contains([]string{UnownedRefuse, UnownedCarry, UnownedErase}, s.Unowned) {
		errs = append(errs, fmt.Errorf("settings: unowned %q: want refuse, carry or erase", s.Unowned))
	}
	slices.Sort(s.Accept)
	s.Accept = slices.Compact(s.Accept)
	for _, name := range s.Accept {
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.name == name }) {
			errs = append(errs, fmt.Errorf("settings: accept: no rule %q", name))
		}
	}
	full := make(map[string]Switch, numSources)
	for _, table := range sourceTable {
		full[table.Name] = s.Sources[table.Name]
	}
	for name, sw := range s.Sources {
		if _, ok := full[name]; !ok {
			errs = append(errs, fmt.Errorf("settings: sources: no source %q", name))
		}
		if !sw.From.IsZero() && !sw.To.IsZero() && sw.To.Before(sw.From) {
			errs = append(errs, fmt.Errorf("settings: sources: %s: to %s is before from %s", name, sw.To, sw.From))
		}
	}
	s.Sources = full
	if s.Accept == nil {
		s.Accept = []string{}
	}
	effective, unfit := defaultThresholds.With(s.Thresholds)
	for _, err := range unfit {
		errs = append(errs, fmt.Errorf("settings: %w", err))
	}
	s.Thresholds = effective.Bounds()
	return s, errors.Join(errs...)
}

// Canonical is the one text of equal settings: every field written, keys sorted.
func (s Settings) Canonical() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic("summary: settings: " + err.Error()) // texts, dates and booleans always marshal
	}
	return b
}

// rowSettings are the settings that decide rows: which sources are used and what is written to every row. Accepted
// rules, thresholds and the treatment of unowned columns say whether a partition may be replaced; changing them makes
// no done date stale.
func rowSettings(canonical []byte) []byte {
	s, err := ParseSettings(canonical)
	if err != nil {
		return canonical // of another build, whose version tells it apart
	}
	s.Accept, s.Unowned, s.Thresholds = []string{}, "", nil
	return s.Canonical()
}
