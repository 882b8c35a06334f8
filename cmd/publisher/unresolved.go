package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/table"
	"gamefill/internal/terminal"
)

type unresolvedCommand struct {
	rangeFlags  `embed:""`
	Limit       int `help:"List at most this many names; 0: all." default:"20"`
	Suggestions int `help:"At most this many suggestions a name." default:"3"`
}

func (*unresolvedCommand) Help() string {
	return `Names are counted by the dates on which they appeared; a row with such a name is kept, without a player id. Rows of inactive
players whom the gamebook lists by a last name that it could not match are left out: only another gamebook mends those.
Suggestions are registry rows whose spelling is close, those of the same team and season first.

Examples:
  publisher unresolved
  publisher unresolved --season 2021-22 --json`
}

// Validate refuses negative numbers.
func (c *unresolvedCommand) Validate() error {
	if c.Limit < 0 || c.Suggestions < 0 {
		return errors.New("--limit and --suggestions must not be negative")
	}
	return nil
}

func (c *unresolvedCommand) Run(e *environment) error {
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	r := gamedate.Range{From: gamedate.Earliest, To: gamedate.Latest}
	if c.given() {
		var dates []gamedate.Date
		if r, dates, err = c.resolve(); err != nil {
			return err
		}
		if len(dates) > 0 && r.Days() != len(dates) {
			return &publisher.UsageError{Problem: "unresolved looks at whole ranges; give --from and --to"}
		}
	}
	names, err := p.Unresolved(e.ctx, r, c.Suggestions)
	if err != nil {
		return err
	}
	return e.print(names, func() {
		if len(names) == 0 {
			fmt.Fprintln(e.out, "Every name is known to the registry.")
			return
		}
		t := terminal.NewTable(">dates", "lookup", "name", "teams", "seasons", "first", "last", "example", "may be")
		for i, u := range names {
			if c.Limit > 0 && i == c.Limit {
				break
			}
			var guesses []string
			for _, s := range u.Suggestions {
				guesses = append(guesses, s.Lookup+" ("+s.Why+")")
			}
			example := ""
			if len(u.Examples) > 0 {
				example = u.Examples[0]
			}
			may := strings.Join(guesses, "; ")
			if u.Unmatched {
				may = "left out: " + lastNameOnly
			}
			t.Row(u.Occurrences, u.Lookup, u.Name, strings.Join(u.Groups, " "), strings.Join(u.Seasons, " "), u.First,
				u.Last, example, may)
		}
		t.Write(e.out)
		if c.Limit > 0 && len(names) > c.Limit {
			fmt.Fprintf(e.out, "… %d more; --limit 0 lists all\n", len(names)-c.Limit)
		}
		fmt.Fprintln(e.out, "Next: `publisher alias add LOOKUP PERSON --reason …` says who a name is, "+
			"and which dates to do again.")
	})
}

// lastNameOnly says of an unmatched name why no alias mends it, and what does.
const lastNameOnly = "the gamebook has a last name only, which an alias cannot tell from others; " +
	"import one that names the person"

type aliasCommand struct {
	Add aliasAdd `cmd:"" help:"Say that a spelling means a person of the registry."`
}

// operatorAliases marks aliases that an operator added; imports leave them alone.
const operatorAliases = "operator"

type aliasAdd struct {
	Spelling string `arg:"" help:"The name or lookup that the registry does not know."`
	Person   string `arg:"" help:"The name or lookup that it knows."`
	Reason   string `help:"Why, kept in the audit trail of the ledger." required:"" env:"-"`
	Replace  bool   `help:"The spelling is an alias of somebody else: point it to this person instead." env:"-"`
	DryRun   bool   `help:"Say what would change, change nothing."`
}

func (*aliasAdd) Help() string {
	return `Names are normalised, so "Nikola Jokić" and nikolajokic are the same. The alias holds from the next run on; the dates
that had the name are listed with the command that does them again.

Examples:
  publisher alias add "Cam Johnson" cameronjohnson --reason "same person, nickname"`
}

func (c *aliasAdd) Run(e *environment) error {
	alias, person := summary.Lookup(c.Spelling), summary.Lookup(c.Person)
	switch {
	case strings.TrimSpace(c.Reason) == "":
		return &publisher.UsageError{Problem: "say why with --reason"}
	case alias == "" || person == "":
		return &publisher.UsageError{Problem: "a name without letters or digits has no lookup"}
	case alias == person:
		return &publisher.UsageError{Problem: fmt.Sprintf("both names have the lookup %s: no alias is needed", alias)}
	}
	p, err := e.publisher(looks)
	if err != nil {
		return err
	}
	if err := c.check(e, alias, person); err != nil {
		return err
	}
	names, err := p.Unresolved(e.ctx, gamedate.Range{From: gamedate.Earliest, To: gamedate.Latest}, 0)
	if err != nil {
		return err
	}
	var dates []gamedate.Date
	if i := slices.IndexFunc(names, func(u publisher.Unknown) bool { return u.Lookup == alias }); i >= 0 {
		if dates = names[i].Dates; names[i].Unmatched {
			return fmt.Errorf("rows of %s are left out on %s, the last %s: %s", alias,
				terminal.Plural(len(dates), "date", "dates"), names[i].Last, lastNameOnly)
		}
	}
	open, _, err := e.backend.Ledger.OpenRun(e.ctx, summary.Job().Name)
	if err != nil {
		return err
	}
	if !c.DryRun {
		if err := c.write(e, alias, person); err != nil {
			return err
		}
	}
	view := map[string]any{"alias": alias, "person": person, "dates": dates, "open_run": open.ID, "dry_run": c.DryRun}
	return e.print(view, func() {
		c.table(e, alias, person, dates)
		if open.ID != "" {
			fmt.Fprintf(e.out, "Run %s is open and keeps the registry it began with: end it with `publisher validate` first; "+
				"`publisher run --stale` over its range then does again what it built without the alias.\n", open.ID)
		}
	})
}

// check refuses an alias to nobody, of somebody known, or that is there already.
func (c *aliasAdd) check(e *environment, alias, person string) error {
	registry, err := e.backend.Store.Read(e.ctx, boxscore.Registry, gamedate.Date{})
	if err != nil {
		return err
	}
	lookup := boxscore.Registry.MustIndex("player_lookup")
	knows := func(name string) bool {
		return slices.ContainsFunc(registry.Rows, func(r table.Row) bool { return r[lookup].Str() == name })
	}
	if !knows(person) {
		return fmt.Errorf("the registry knows nobody with the lookup %s; `publisher unresolved` suggests "+
			"people it knows", person)
	}
	if knows(alias) {
		return fmt.Errorf("the registry knows %s itself: an alias of it would never be used", alias)
	}
	aliases, err := e.backend.Store.Read(e.ctx, boxscore.Aliases, gamedate.Date{})
	if err != nil {
		return err
	}
	for _, row := range aliases.Rows {
		if row[boxscore.Aliases.MustIndex("alias_lookup")].Str() != alias ||
			!row[boxscore.Aliases.MustIndex("is_active")].IsTrue() {
			continue
		}
		switch other := row[boxscore.Aliases.MustIndex("nba_canonical_lookup")].Str(); {
		case other == person:
			return fmt.Errorf("%s is an alias of %s already", alias, person)
		case !c.Replace:
			return fmt.Errorf("%s is an alias of %s: --replace points it to %s instead", alias, other, person)
		}
	}
	return nil
}

func (c *aliasAdd) write(e *environment, alias, person string) error {
	row := make(table.Row, len(boxscore.Aliases.Columns))
	now := table.Timestamp(time.Now())
	for column, v := range map[string]table.Value{
		"alias_lookup": table.String(alias), "nba_canonical_lookup": table.String(person),
		"alias_display":         table.String(c.Spelling),
		"nba_canonical_display": table.String(c.Person), "alias_type": table.String("source_variation"),
		"alias_source": table.String(operatorAliases), "is_active": table.Bool(true), "created_at": now, "processed_at": now,
	} {
		row[boxscore.Aliases.MustIndex(column)] = v
	}
	var replace []string
	if c.Replace {
		replace = []string{"alias_lookup"}
	}
	_, err := e.backend.Store.Load(e.ctx, boxscore.Aliases, replace, func(yield func(table.Row) error) error {
		return yield(row)
	})
	if err != nil {
		return fmt.Errorf("add alias %s: %w", alias, err)
	}
	return e.backend.Ledger.AddEvent(e.ctx, ledger.Event{Job: summary.Job().Name, Kind: "alias_added", Actor: e.actor(),
		Message: alias + " is " + person + ": " + c.Reason})
}

func (c *aliasAdd) table(e *environment, alias, person string, dates []gamedate.Date) {
	verb := "is"
	if c.DryRun {
		verb = "would be"
	}
	fmt.Fprintf(e.out, "%s %s an alias of %s.\n", alias, verb, person)
	if len(dates) == 0 {
		fmt.Fprintln(e.out, "No completed date has that name unresolved.")
		if c.Replace {
			fmt.Fprintln(e.out, "Dates that were built with the old alias are built again by the next run over them.")
		}
		return
	}
	texts := make([]string, len(dates))
	for i, d := range dates {
		texts[i] = d.String()
	}
	fmt.Fprintf(e.out, "%s it unresolved. Next: `publisher run --dates %s` does just these again.\n",
		terminal.Plural(len(dates), "date has", "dates have"), strings.Join(texts, ","))
	fmt.Fprintln(e.out, "The registry counts as changed for every other date too: a run over more dates builds those, "+
		"finds them equal and writes nothing.")
}
