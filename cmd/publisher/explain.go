package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/price"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/table"
	"gamefill/internal/terminal"
)

type explainCommand struct {
	Date string `arg:"" help:"Game date, YYYY-MM-DD."`
}

func (*explainCommand) Help() string {
	return `Examples:
  publisher explain 2022-01-15
  publisher explain 2022-01-15 --json`
}

func (c *explainCommand) Run(e *environment) error {
	date, err := gamedate.Parse(c.Date)
	if err != nil {
		return &publisher.UsageError{Problem: err.Error()}
	}
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	if err := e.fold(); err != nil {
		return err
	}
	s, err := p.Explain(e.ctx, date)
	if err != nil {
		return err
	}
	return e.print(s, func() { tell(e, s) })
}

// tell prints a story, the present first, then how it came about.
func tell(e *environment, s publisher.Story) {
	state := string(s.State)
	if state == "" {
		state = "not in the ledger"
	}
	colour := terminal.Green
	if s.State != ledger.Complete && s.State != ledger.NoGames {
		colour = terminal.Yellow
	}
	if s.State == ledger.Dead {
		colour = terminal.Red
	}
	fmt.Fprintf(e.out, "%s, season %s: %s\n", s.Date, s.Season, terminal.Paint(e.out, colour, state))
	line := func(name, format string, args ...any) {
		fmt.Fprintf(e.out, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("calendar", "%s final, %d not final, %d not counted%s", terminal.Plural(s.Expected.Units, "game", "games"),
		s.Expected.NotFinal, s.Expected.Excluded, listed(s.Expected.Names))
	if s.Run != "" {
		line("run", "%s, publication %d%s", s.Run, s.Seq, prefixed(", because: ", s.Reason))
	}
	if s.Owner != "" {
		line("in progress", "%s, lease until %s", s.Owner, s.Until.Format(time.RFC3339))
	}
	if !s.NotBefore.IsZero() {
		line("waits", "until %s", s.NotBefore.Format(time.RFC3339))
	}
	if f := s.Failure; f != nil {
		line("failure", "%s in stage %s: %s: %s", f.Class, f.Stage, f.Reason, f.Message)
	}
	line("partition", "%s, fingerprint %.16s", terminal.Plural(s.Now.Rows, "row", "rows"), s.Now.Fingerprint)
	if w := s.Write; w.ID != "" {
		what := "written"
		if w.Rollback {
			what = "put back"
		}
		line("write", "%s as %s under generation %d by run %s", what, w.ID, w.Generation, w.Run)
	}
	if s.Thresholds != nil {
		line("thresholds", "%s", thresholdsText(s.Thresholds))
	}
	if s.Facts != nil {
		tellFacts(e, line, s)
	}
	for _, in := range s.Inputs {
		note := "present"
		switch {
		case in.Now == "":
			note = "empty"
		case s.Facts != nil && in.Changed:
			note = "changed since"
		case s.Facts != nil:
			note = "unchanged since"
		}
		line("input", "%s: %s", in.Table, note)
	}
	switch {
	case s.Plan != "":
		line("next publish", "%s%s", s.Plan, prefixed(": ", s.PlanWhy))
	case s.PlanWhy != "":
		line("next publish", "cannot be told: %s", s.PlanWhy)
	}
	if len(s.Attempts) > 0 {
		fmt.Fprintln(e.out)
		t := terminal.NewTable(">attempt", "run", ">generation", "started", "took", "result", "why", "owner")
		for _, a := range s.Attempts {
			took, why, result := "", string(a.Outcome), a.Result
			if !a.EndedAt.IsZero() {
				took = terminal.Duration(a.EndedAt.Sub(a.StartedAt))
			}
			if a.Failure != nil {
				why = fmt.Sprintf("%s, %s: %s", a.Failure.Class, a.Failure.Reason, clip(a.Failure.Message, 60))
			}
			if result == "" {
				result = "running"
			}
			t.Row(a.N, a.Run, a.Generation, a.StartedAt.Format(time.DateTime), took, result, why, a.Owner)
		}
		t.Write(e.out)
	}
	for _, l := range s.Letters {
		fmt.Fprintf(e.out, "dead letter %s: %s, %s%s\n", l.ID, l.State, l.Failure.Reason, prefixed(", ", l.Note))
	}
	for _, event := range s.Events {
		fmt.Fprintf(e.out, "%s  %s  %s  (%s)\n", event.At.Format(time.DateTime), event.Kind, event.Message, event.Actor)
	}
	if s.State == ledger.Dead {
		fmt.Fprintf(e.out, "Next: mend the cause, then `publisher replay --dates %s --reason …` and `worker --drain`.\n",
			s.Date)
		fmt.Fprintf(e.out, "The raw rows: `publisher export --table nbac_gamebook_player_stats --dates %s`, "+
			"`--table bdl_player_boxscores`, `--table nbac_schedule`.\n", s.Date)
	}
	fmt.Fprintf(e.out, "Deeper: `publisher diff --dates %s`, `publisher export --dates %s`, "+
		"`publisher deadletters --dates %s --state all`", s.Date, s.Date, s.Date)
	if s.Run != "" {
		fmt.Fprintf(e.out, ", `publisher runs show %s`, `publisher report --run %s`", s.Run, s.Run)
	}
	fmt.Fprintln(e.out)
}

// tellFacts prints what the last completion recorded.
func tellFacts(e *environment, line func(string, string, ...any), s publisher.Story) {
	f := s.Facts
	line("done", "%s by run %s at %s, transform version %s: %s", f.Outcome, f.Run, f.CompletedAt.Format(time.RFC3339),
		f.Version, took(f.Durations))
	expected := f.Fingerprint
	if s.State == ledger.RolledBack {
		expected = f.PreImage
		fmt.Fprintln(e.out, terminal.Paint(e.out, terminal.Yellow, "  rolled back: the partition is what the run replaced; "+
			"--rolled-back or --force does it again"))
	}
	if expected != s.Now.Fingerprint {
		fmt.Fprintln(e.out, terminal.Paint(e.out, terminal.Red, "  overwritten: the partition is not what was recorded ("+
			clip(expected, 16)+")"))
	}
	if f.PreImage == table.Empty {
		line("replaced", "nothing: the partition was empty")
	} else {
		line("replaced", "%s, fingerprint %.16s", terminal.Plural(f.PreImageRows, "row", "rows"), f.PreImage)
	}
	if f.UploadedBytes+f.KeptBytes > 0 {
		line("uploaded", "%s, and %s to keep what was replaced", price.Size(f.UploadedBytes), price.Size(f.KeptBytes))
	}
	line("rows", "%d in, %d used, %d out%s", f.Counts.RowsIn, f.Counts.RowsUsed, f.Counts.RowsOut,
		prefixed("; rejected: ", countsText(f.Counts.RejectedBy, "")))
	line("statuses", "%s", countsText(f.Counts.Counts, "status."))
	line("sources", "%s", countsText(f.Counts.Counts, "source."))
	if issues := countsText(f.Counts.Counts, "issues."); issues != "" {
		line("issues", "%s", issues)
	}
	line("fingerprints", "input %.16s, references %.16s, settings %.16s", f.InputFingerprint,
		f.ReferenceHash, f.SettingsHash)
	passed := 0
	for _, r := range s.Acceptance {
		if r.Message == "" {
			passed++
			continue
		}
		line("acceptance", "%s (%s): %s", r.Rule, r.Result, r.Message)
	}
	line("acceptance", "%s passed", terminal.Plural(passed, "rule", "rules"))
	rejected := 0
	for _, n := range f.Counts.RejectedBy {
		rejected += int(n)
	}
	for i, r := range f.Rejections {
		name := "rejected"
		if i >= rejected {
			name = "left out" // a value of a row that was kept; the job lists these last
		}
		if i == shownRejections {
			line(name, "… %d more; --json has up to %d", len(f.Rejections)-shownRejections, job.MaxRejections)
			break
		}
		line(name, "%s: %s: %s%s", r.Source, r.Reason, r.Key, prefixed(": ", r.Detail))
	}
	for _, u := range f.Unresolved {
		if u.Unmatched {
			line("unresolved", "%s (%s) of %s in %s is left out: %s", u.Name, u.Lookup, u.Group, u.Source, lastNameOnly)
			continue
		}
		line("unresolved", "%s (%s) of %s in %s: `publisher unresolved` suggests who it may be", u.Name,
			u.Lookup, u.Group, u.Source)
	}
}

// thresholdsText names the bounds that are not the defaults.
func thresholdsText(bounds map[string]job.Bounds) string {
	defaults := job.Defaults(summary.Job().Thresholds).Bounds()
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(bounds)) {
		if bounds[name] != defaults[name] {
			changed = append(changed, fmt.Sprintf("%s %s, not %s", name, bounds[name], defaults[name]))
		}
	}
	if len(changed) == 0 {
		return fmt.Sprintf("the %d defaults, as `publisher thresholds` shows them", len(bounds))
	}
	return fmt.Sprintf("%d, of which the run has changed %s", len(bounds), strings.Join(changed, "; "))
}

// took is "12ms: read 3ms, build 2ms, write 5ms".
func took(durations map[string]time.Duration) string {
	var parts []string
	var total time.Duration
	for _, stage := range slices.Sorted(maps.Keys(durations)) {
		total += durations[stage]
		parts = append(parts, stage+" "+terminal.Duration(durations[stage]))
	}
	return terminal.Duration(total) + " (" + strings.Join(parts, ", ") + ")"
}

// countsText is "20 active, 3 dnp" of the counts whose name has a prefix.
func countsText(counts map[string]int64, prefix string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if rest, ok := strings.CutPrefix(name, prefix); ok && counts[name] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[name], rest))
		}
	}
	return strings.Join(parts, ", ")
}

// prefixed is text behind a prefix, nothing for an empty text.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func listed(names []string) string {
	return prefixed(": ", strings.Join(names, ", "))
}
