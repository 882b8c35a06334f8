package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"gamefill/internal/backend"
	"gamefill/internal/demo"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
	"gamefill/internal/terminal"
)

type demoCommand struct {
	File     string `help:"SQLite file to make; it holds everything, whatever --queue, --ledger and --warehouse say." default:"gamefill-demo.db" predictor:"file"`
	Fresh    bool   `help:"Make the file anew if it is there; only a demo's file is ever replaced."`
	Seasons  int    `help:"Seasons to play, from 2021-22 on; at most 4." default:"1"`
	Failures bool   `help:"Spoil three dates of the first season, to see how dates fail and how they are mended."`
	Load     bool   `help:"Only load the league, to take every step of the job oneself."`
	Mend     bool   `help:"Load what the spoilt dates of --file lack; publishing or replaying them is left to you."`
}

// Validate reports settings that cannot be, all together.
func (c *demoCommand) Validate() error {
	var errs []error
	if c.Seasons < 1 || c.Seasons > demo.MaxSeasons {
		errs = append(errs, fmt.Errorf("--seasons must be from 1 to %d", demo.MaxSeasons))
	}
	if c.File == "" || strings.Contains(c.File, "?") {
		errs = append(errs, errors.New("--file must be a path without a question mark"))
	}
	if c.Mend && (c.Fresh || c.Failures || c.Load || c.Seasons != 1) {
		errs = append(errs, errors.New("--mend works on a demo that is there: it goes with --file only"))
	}
	return errors.Join(errs...)
}

func (*demoCommand) Help() string {
	return `Invents a league whose two box-score sources disagree as real ones do, loads it into a file of its own, and does the
whole job on it: plan, publish, work, read back, validate. The last lines say what to look at next. The same flags
give the same league. With --failures the exit code is 3, as after any run with dead dates.

Examples:
  publisher demo
  publisher demo --failures --fresh
  publisher demo --mend
  publisher demo --load --file gamefill.db`
}

// demoView is the command's JSON document.
type demoView struct {
	File       string           `json:"file"`
	Range      gamedate.Range   `json:"range"`
	GameDates  int              `json:"game_dates"`
	Games      int              `json:"games"`
	Players    int              `json:"players"`
	Loaded     []demo.TableRows `json:"loaded"`
	Failing    []demo.Failing   `json:"failing,omitempty"`
	Defects    []defectView     `json:"defects,omitempty"`
	Validation json.RawMessage  `json:"validation,omitempty"` // the document of `publisher validate`
	Next       []nextStep       `json:"next"`
}

// defectView is one kind of fault in the sources, with how often the run met it.
type defectView struct {
	Name string `json:"name"`
	Seen int64  `json:"seen"`
	Text string `json:"text"`
}

// nextStep is a command to copy, and why one would.
type nextStep struct {
	Command string `json:"command"`
	Why     string `json:"why"`
}

func (c *demoCommand) Run(e *environment) error {
	address := "sqlite:" + c.File
	e.settings.Queue, e.settings.Ledger, e.settings.Warehouse = address, address, address
	if c.Mend {
		return c.mend(e)
	}
	if err := c.clear(e); err != nil {
		return err
	}
	began := time.Now()
	l := demo.Generate(demo.Options{Seasons: c.Seasons, Failures: c.Failures})
	report, err := c.load(e, l)
	if err != nil {
		return err
	}
	view := c.view(l, report)
	if !e.settings.JSON {
		fmt.Fprintf(e.out, "An invented league: %s, %d game dates, %s games, %s players, in %s.\n",
			terminal.Plural(c.Seasons, "season", "seasons"), view.GameDates,
			terminal.Count(int64(view.Games)), terminal.Count(int64(view.Players)), c.File)
		loadedTable(e, report)
		fmt.Fprintf(e.out, "Loaded in %s. ", terminal.Duration(time.Since(began)))
	}
	if c.Load {
		view.Next = append(c.exports(), c.first(l)...)
		return e.print(view, func() {
			fmt.Fprintln(e.out, "Nothing is done yet. The job, step by step:")
			steps(e, view.Next)
		})
	}
	if !e.settings.JSON {
		fmt.Fprintf(e.out, "Now the job itself, as `publisher run --from %s --to %s` does it:\n\n", l.Range.From, l.Range.To)
	}
	var document bytes.Buffer // what the run prints with --json becomes a part of our document
	inner := *e
	if e.settings.JSON {
		inner.out = &document
	}
	run := runCommand{workFlags: workFlags{Concurrency: 2, Grace: 25 * time.Second},
		beginFlags: beginFlags{SampleAbove: defaultSampleAbove}}
	run.From, run.To, run.Unowned = l.Range.From.String(), l.Range.To.String(), summary.UnownedRefuse
	verdict := run.Run(&inner)
	if _, judged := errors.AsType[*codeError](verdict); verdict != nil && !judged {
		return c.interrupted(e, verdict, fmt.Sprintf("`publisher demo --fresh --file %s` begins anew", quoted(c.File)))
	}
	if view.Defects, err = defectsSeen(e, l); err != nil {
		return err
	}
	view.Validation = document.Bytes()
	if err := e.print(view, func() { c.tell(e, view) }); err != nil {
		return err
	}
	return verdict
}

// view gathers what is known before the run.
func (c *demoCommand) view(l *demo.League, report demo.Report) demoView {
	return demoView{File: c.File, Range: l.Range, GameDates: len(l.GameDates), Games: l.Games, Players: l.Players,
		Loaded: report.Tables, Failing: l.Failing, Next: c.next(l)}
}

// load makes the file and fills it. A file that is not filled does not stay: nothing would say that it is a demo's.
func (c *demoCommand) load(e *environment, l *demo.League) (report demo.Report, err error) {
	b, err := e.open(creates)
	if err == nil {
		report, err = demo.Load(e.ctx, b.Store, l)
	}
	if err == nil {
		return report, nil
	}
	if e.backend != nil {
		err = errors.Join(err, e.backend.Close())
		e.backend = nil
	}
	return report, c.interrupted(e, errors.Join(err, c.remove()), "no file is left behind")
}

// interrupted says what follows after a signal, where the same command would not go on.
func (c *demoCommand) interrupted(e *environment, err error, follows string) error {
	if e.ctx.Err() == nil {
		return err
	}
	return &codeError{exitInterrupted, "interrupted; " + follows}
}

// clear makes room for the file. Whatever is no demo's is left alone.
func (c *demoCommand) clear(e *environment) error {
	info, err := os.Stat(c.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !c.Fresh:
		return &publisher.UsageError{Problem: c.File + " is there already: --fresh makes a demo's file anew, " +
			"--file chooses another"}
	}
	found := false
	if info.Mode().IsRegular() && info.Size() > 0 { // opening an empty file would fill it
		_, found, err = c.find(e)
	}
	if err != nil || !found {
		return errors.Join(&publisher.UsageError{Problem: c.File + " is no demo's file and is left alone: " +
			"choose another with --file"}, err)
	}
	return c.remove()
}

// remove removes the file and what SQLite keeps beside it; files that are not there are no error.
func (c *demoCommand) remove() error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(c.File + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// find opens the file to look whether it is a demo's, and closes it again.
func (c *demoCommand) find(e *environment) (o demo.Options, found bool, err error) {
	address := "sqlite:" + c.File
	b, err := backend.Open(e.ctx, backend.Addresses{Queue: address, Ledger: address, Warehouse: address},
		backend.Options{MustExist: true})
	if err != nil {
		return o, false, err
	}
	o, found, err = demo.Find(e.ctx, b.Store)
	return o, found, errors.Join(err, b.Close())
}

// mend loads what the spoilt dates lack.
func (c *demoCommand) mend(e *environment) error {
	if _, err := os.Stat(c.File); err != nil {
		return &publisher.UsageError{Problem: fmt.Sprintf("%v: make it with `publisher demo --failures`", err)}
	}
	b, err := e.open(looks)
	if err != nil {
		return err
	}
	options, found, err := demo.Find(e.ctx, b.Store)
	switch {
	case err != nil:
		return err
	case !found:
		return &publisher.UsageError{Problem: c.File + " is no demo's file: make one with `publisher demo --failures`"}
	case !options.Failures:
		return &publisher.UsageError{Problem: c.File + " has no spoilt dates: " +
			"make them with `publisher demo --failures --fresh`"}
	}
	l := demo.Generate(options)
	report, err := demo.Mend(e.ctx, b.Store, l)
	if err != nil {
		return err
	}
	view := c.view(l, report)
	view.Next = append(c.exports(), c.again(l)...)
	return e.print(view, func() {
		loadedTable(e, report)
		for _, f := range l.Failing {
			fmt.Fprintf(e.out, "%s, dead as %s: complete and correct box scores are there now.\n", f.Date, f.Reason)
		}
		fmt.Fprintln(e.out, "\nNothing happens by itself. Queue the dates again:")
		steps(e, view.Next)
	})
}

// loadedTable lists the raw tables and their rows.
func loadedTable(e *environment, report demo.Report) {
	t := terminal.NewTable("table", ">rows")
	for _, r := range report.Tables {
		t.Row(r.Table, terminal.Count(int64(r.Rows)))
	}
	t.Write(e.out)
}

// defectsSeen adds up, over the completed dates, what the run recorded about the defects of the league.
func defectsSeen(e *environment, l *demo.League) ([]defectView, error) {
	entries, err := e.backend.Ledger.Entries(e.ctx, summary.Job().Name, l.Range)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	var views []defectView
	for _, d := range l.Defects {
		v := defectView{Name: d.Name, Text: d.Text}
		reason, rejected := strings.CutPrefix(d.Name, demo.Rejected)
		for _, entry := range entries {
			switch {
			case entry.State != ledger.Complete || entry.Facts == nil:
			case rejected:
				v.Seen += entry.Facts.Counts.RejectedBy[reason]
			default:
				v.Seen += entry.Facts.Counts.Counts[d.Name]
			}
		}
		views = append(views, v)
	}
	return views, nil
}

// tell prints what the run met and what to look at next.
func (c *demoCommand) tell(e *environment, view demoView) {
	fmt.Fprintln(e.out, "\nThe sources disagree as real ones do. What the run met, and what became of it:")
	t := terminal.NewTable(">seen", "counted as", "what")
	for _, d := range view.Defects {
		t.Row(d.Seen, d.Name, d.Text)
	}
	t.Write(e.out)
	if len(view.Failing) > 0 {
		fmt.Fprintf(e.out, "\n%s spoilt on purpose and dead; all others are done. Find out why, "+
			"mend what is wrong, do it again:\n", terminal.Plural(len(view.Failing), "date is", "dates are"))
	} else {
		fmt.Fprintln(e.out, "\nEvery date is done. Look around:")
	}
	steps(e, view.Next)
}

// steps prints commands to copy, each below what it is for: a comment behind it would not do in every shell.
func steps(e *environment, list []nextStep) {
	for _, s := range list {
		if s.Why != "" {
			fmt.Fprintf(e.out, "  %s:\n", s.Why)
		}
		fmt.Fprintf(e.out, "    %s\n", s.Command)
	}
}

// exports set the shell up: the addresses, and the path where the programs are not found.
func (c *demoCommand) exports() []nextStep {
	var list []nextStep
	if _, err := exec.LookPath("publisher"); err != nil {
		if self, err := os.Executable(); err == nil {
			list = append(list, nextStep{"export PATH=" + quoted(filepath.Dir(self)) + `:"$PATH"`, "where the programs are"})
		}
	}
	command := "export"
	for _, port := range []string{"QUEUE", "LEDGER", "WAREHOUSE"} {
		command += " GAMEFILL_" + port + "=" + quoted("sqlite:"+c.File)
	}
	return append(list, nextStep{command, "where this demo is"})
}

// next are the commands that follow a demo.
func (c *demoCommand) next(l *demo.League) []nextStep {
	list := append(c.exports(), nextStep{"publisher status", "where the run stands"})
	if len(l.Failing) > 0 {
		list = append(list,
			nextStep{"publisher deadletters list", "what was given up on, and why"},
			nextStep{"publisher explain " + l.Failing[0].Date.String(), "the story of one date"},
			nextStep{"publisher demo --mend --file " + quoted(c.File), "load the box scores that were missing or wrong"})
		return append(list, c.again(l)...)
	}
	day := l.GameDates[len(l.GameDates)/2]
	return append(list,
		nextStep{"publisher runs show", "its audit trail"},
		nextStep{"publisher explain " + day.String(), "one date: inputs, result, rejected rows"},
		nextStep{"publisher unresolved", "names that the registry does not know, with suggestions"},
		nextStep{fmt.Sprintf("publisher export --from %s --to %s --format csv -o demo-%s.csv", day, day, day),
			"take a date elsewhere"},
		nextStep{"sqlite3 " + quoted(c.File) + ` "` + scorers + `"`, "the best scorers"},
		nextStep{"publisher demo --failures --fresh --file " + quoted(c.File),
			"the same with dates that fail, and how they are mended"})
}

// first are the commands that do a league which is only loaded.
func (c *demoCommand) first(l *demo.League) []nextStep {
	span := fmt.Sprintf("--from %s --to %s", l.Range.From, l.Range.To)
	return []nextStep{
		{"publisher preflight " + span, "what is wrong before the first write"},
		{"publisher sample " + span, "a few dates first, judged and shown"},
		{"publisher publish " + span, "the plan is recorded, and the other dates are queued"},
		{"worker --drain", "do the work"},
		{"publisher validate", "judge it"},
	}
}

// scorers is a query that anybody would try first.
const scorers = "SELECT player_full_name, team_abbr, count(*) AS games, round(avg(points), 1) AS points " +
	"FROM player_game_summary WHERE is_active GROUP BY 1, 2 HAVING games >= 20 ORDER BY 4 DESC LIMIT 10"

// again are the commands that do mended dates again.
func (c *demoCommand) again(l *demo.League) []nextStep {
	return []nextStep{
		{`publisher replay --all --reason "box scores loaded"`, "queue the dead dates again"},
		{"worker --drain", "do the work"},
		{"publisher validate", "everything passes now"},
		{fmt.Sprintf("publisher run --from %s --to %s", l.Range.From, l.Range.To), "or all three in one"},
	}
}

// quoted is a word for a POSIX shell.
func quoted(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._/:-+,=@%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
