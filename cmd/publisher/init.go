package main

import (
	"fmt"
	"strings"

	"gamefill/internal/backend"
	"gamefill/internal/boxscore"
	"gamefill/internal/setup"
	"gamefill/internal/summary"
	"gamefill/internal/table"
	"gamefill/internal/terminal"
)

type initCommand struct {
	Check  bool `help:"Change nothing; say what is missing or differs, and what this account may not do. Exit code 3 if that is anything." env:"-" xor:"mode"`
	DryRun bool `help:"Change nothing; show what would be made." env:"-" xor:"mode"`
}

func (*initCommand) Help() string {
	return `Looks at everything that the three addresses name and makes what is missing: the SQLite file with its tables, Pub/Sub
topics and subscriptions, Firestore indexes, the BigQuery table that is written, and NULLABLE columns that it lacks. What
else exists is left as it is; where it is not as wanted, both values are shown with a command that mends it. Running it
again changes nothing.

It makes no project, no Firestore database and no dataset (their location is for good), no raw BigQuery table, and grants
no rights. A missing right is shown with the role that it takes, and does not keep the rest from being looked at.

Exit code 3 means that something is left to do; its advice says what.

Examples:
  publisher init
  publisher init --check --json
  publisher init --queue pubsub://demo-project/dates --ledger firestore://demo-project --dry-run`
}

// setupReport is what init prints with --json.
type setupReport struct {
	Findings []setup.Finding `json:"findings"`
	// Wanting counts the findings with something left to do.
	Wanting int `json:"wanting"`
}

func (c *initCommand) Run(e *environment) error {
	mode := setup.Make
	switch {
	case c.Check:
		mode = setup.Check
	case c.DryRun:
		mode = setup.DryRun
	}
	e.nameEmulators()
	findings, failed := backend.Setup(e.ctx, e.settings.addresses(),
		backend.Tables{Target: []*table.Schema{summary.Target}, Sources: boxscore.Tables}, mode)
	if len(findings) == 0 && failed != nil {
		return failed
	}
	report := setupReport{Findings: findings}
	for _, f := range findings {
		if f.Wanting(mode) {
			report.Wanting++
		}
	}
	if err := e.print(report, func() { c.table(e, report, mode, failed == nil) }); err != nil {
		return err
	}
	if failed == nil && report.Wanting > 0 {
		return &codeError{code: exitFailed}
	}
	return failed
}

// colours of the states.
var setupColours = map[setup.State]terminal.Colour{
	setup.Present: terminal.Faint, setup.Created: terminal.Green, setup.Missing: terminal.Yellow,
	setup.Differs: terminal.Yellow, setup.Forbidden: terminal.Red,
}

// table prints the findings, their advice, and what they come to; whole says that nothing failed to be looked at.
func (c *initCommand) table(e *environment, report setupReport, mode setup.Mode, whole bool) {
	t := terminal.NewTable("state", "resource", "seen", "wanted")
	made, makeable := 0, 0
	for _, f := range report.Findings {
		if f.State == setup.Created {
			made++
		}
		if f.Makeable {
			makeable++
		}
		t.Painted(setupColours[f.State], f.State, f.Resource, f.Seen, f.Wanted)
	}
	t.Write(e.out)
	for _, f := range report.Findings {
		if f.Advice != "" {
			fmt.Fprintf(e.out, "\n%s:\n  %s\n", f.Resource, f.Advice)
		}
	}
	var words []string
	if made > 0 {
		words = append(words, fmt.Sprintf("Made: %d.", made))
	}
	if makeable > 0 {
		words = append(words, fmt.Sprintf("To be made by `publisher init`: %d.", makeable))
	}
	left := report.Wanting
	if mode == setup.Check {
		left -= makeable
	}
	if left > 0 {
		words = append(words, fmt.Sprintf("To be done by a person, see the advice: %d.", left))
	}
	if whole && left+makeable == 0 {
		words = append(words, "Everything is there.")
	}
	if mode != setup.Make {
		words = append(words, "Nothing was changed.")
	}
	if len(words) > 0 {
		fmt.Fprintf(e.out, "\n%s\n", strings.Join(words, " "))
	}
}
