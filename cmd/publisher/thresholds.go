package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"gamefill/internal/job"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/terminal"
)

// thresholdFlags change the bounds that judge.
type thresholdFlags struct {
	Thresholds string   `help:"File of thresholds, YAML; docs/rules.md shows one." placeholder:"FILE" predictor:"file"`
	Threshold  []string `help:"One threshold; repeat for more. A bound may be none." placeholder:"NAME=WARN,FAIL" sep:"none" env:"-"`
}

// fileBounds are one entry of a file; a bound that is not given stays as it is.
type fileBounds struct {
	Warn *job.Amount `json:"warn"`
	Fail *job.Amount `json:"fail"`
}

// read returns the bounds that differ from the defaults or repeat them, and where each comes from.
func (f thresholdFlags) read() (bounds map[string]job.Bounds, from map[string]string, err error) {
	bounds, from = map[string]job.Bounds{}, map[string]string{}
	defaults := job.Defaults(summary.Job().Thresholds)
	var errs []error
	if f.Thresholds != "" {
		entries, err := readThresholds(f.Thresholds)
		if err != nil {
			return nil, nil, err
		}
		for name, entry := range entries {
			b := defaults[name].Bounds
			if entry.Warn != nil {
				b.Warn = *entry.Warn
			}
			if entry.Fail != nil {
				b.Fail = *entry.Fail
			}
			bounds[name], from[name] = b, f.Thresholds
		}
	}
	for _, text := range f.Threshold {
		name, value, _ := strings.Cut(text, "=")
		b, err := job.ParseBounds(value)
		if err != nil {
			errs = append(errs, fmt.Errorf("--threshold %s: %w", text, err))
			continue
		}
		bounds[name], from[name] = b, "--threshold"
	}
	_, unfit := defaults.With(bounds)
	if err := errors.Join(append(errs, unfit...)...); err != nil {
		return nil, nil, &publisher.UsageError{Problem: err.Error()}
	}
	return bounds, from, nil
}

func readThresholds(path string) (map[string]fileBounds, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &publisher.UsageError{Problem: "--thresholds: " + err.Error()}
	}
	entries, err := parseThresholds(text)
	if err != nil {
		return nil, &publisher.UsageError{Problem: fmt.Sprintf("--thresholds %s: %v", path, err)}
	}
	return entries, nil
}

// documentStart begins a document of a YAML stream.
var documentStart = regexp.MustCompile(`(?m)^---(?:\s|$)`)

// parseThresholds reads the one document of a file of thresholds; nothing in it is passed over.
func parseThresholds(text []byte) (map[string]fileBounds, error) {
	documents := 0
	for _, part := range documentStart.Split(string(text), -1) {
		for line := range strings.Lines(part) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				documents++
				break
			}
		}
	}
	if documents > 1 {
		return nil, fmt.Errorf("has %d YAML documents; put all thresholds into one", documents)
	}
	object, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	const want = "want names of thresholds, each with warn, fail or both"
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(object, &parts); err != nil {
		return nil, errors.New(want)
	}
	entries := make(map[string]fileBounds, len(parts))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		var entry fileBounds
		var unfit *json.UnmarshalTypeError
		decoder := json.NewDecoder(bytes.NewReader(parts[name]))
		decoder.DisallowUnknownFields()
		switch err := decoder.Decode(&entry); {
		case errors.As(err, &unfit), err == nil && entry == fileBounds{}:
			err = fmt.Errorf("%s: %s", name, want)
			errs = append(errs, err)
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "json: ")))
		}
		entries[name] = entry
	}
	return entries, errors.Join(errs...)
}

type thresholdsCommand struct {
	thresholdFlags `embed:""`
	RunID          string `name:"run" help:"Show what this run is judged by." placeholder:"ID"`
}

func (*thresholdsCommand) Help() string {
	return `Every bound that judges: single game dates before they are written (date.), a whole range (range.) and its inputs
before the first write (preflight.). Up to the first bound passes, beyond it warns, beyond the second fails. What a run is
judged by is stored with it.

Examples:
  publisher thresholds
  publisher thresholds --threshold range.unresolved=1,5
  publisher thresholds --run r20220120-090000-abcdef --json`
}

// thresholdView is one threshold as it holds.
type thresholdView struct {
	Name   string `json:"name"`
	Unit   string `json:"unit"`
	Side   string `json:"side"` // most or least
	Warn   string `json:"warn"`
	Fail   string `json:"fail"`
	From   string `json:"from"` // default, a file, --threshold, or the run
	Judges string `json:"judges"`
	Source string `json:"default_from"`
}

func (c *thresholdsCommand) Run(e *environment) error {
	bounds, from, err := c.read()
	if err != nil {
		return err
	}
	j := summary.Job()
	if c.RunID != "" {
		if len(bounds) > 0 {
			return &publisher.UsageError{Problem: "a run is judged by what is stored with it: " +
				"leave --thresholds and --threshold out"}
		}
		if bounds, from, err = c.stored(e); err != nil {
			return err
		}
	}
	effective, errs := job.Defaults(j.Thresholds).With(bounds)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	views := make([]thresholdView, len(j.Thresholds))
	for i, t := range j.Thresholds {
		t = effective[t.Name]
		views[i] = thresholdView{t.Name, t.Unit, "most", t.Warn.String(), t.Fail.String(), "default", t.Doc, t.Source}
		if t.Least {
			views[i].Side = "least"
		}
		if from[t.Name] != "" {
			views[i].From = from[t.Name]
		}
	}
	return e.print(views, func() {
		t := terminal.NewTable("threshold", "side", ">warn beyond", ">fail beyond", "of", "from", "judges")
		for _, v := range views {
			t.Row(v.Name, v.Side, v.Warn, v.Fail, v.Unit, v.From, v.Judges)
		}
		t.Write(e.out)
	})
}

// stored are the bounds of a run that are not the defaults.
func (c *thresholdsCommand) stored(e *environment) (bounds map[string]job.Bounds, from map[string]string, err error) {
	p, err := e.publisher(looks)
	if err != nil {
		return nil, nil, err
	}
	run, err := p.Find(e.ctx, c.RunID)
	if err != nil {
		return nil, nil, err
	}
	bounds, err = changedThresholds(run.Settings)
	from = map[string]string{}
	for name := range bounds {
		from[name] = "run " + run.ID
	}
	return bounds, from, err
}

// changedThresholds are the bounds of canonical settings that are not the defaults.
func changedThresholds(settings []byte) (map[string]job.Bounds, error) {
	j := summary.Job()
	effective, err := j.EffectiveThresholds(settings)
	if err != nil {
		return nil, err
	}
	changed := effective.Bounds()
	for _, t := range j.Thresholds {
		if changed[t.Name] == t.Bounds {
			delete(changed, t.Name)
		}
	}
	return changed, nil
}

// boundsText is "NAME=WARN,FAIL" in the order of names.
func boundsText(bounds map[string]job.Bounds) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(bounds)) {
		parts = append(parts, name+"="+bounds[name].String())
	}
	return strings.Join(parts, " ")
}
