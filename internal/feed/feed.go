// Package feed imports public NBA files into the raw tables of [boxscore]: a schedule, a list of players and two
// box-score feeds of the same games. [Import] takes one file, plain or gzip, whose format is given or recognised by its
// header line.
//
// A file is read twice. The first reading looks at every line and writes nothing; the second one loads the lines that
// were accepted, in one transaction, in place of whatever the warehouse held of the same games (schedule, box scores)
// or seasons (players). Importing a file again therefore changes nothing. Memory grows by some 60 bytes a line, for
// duplicates and spellings, never by the lines themselves.
//
// What is wrong with the file as a whole is an error and nothing is written: no header or another one, no text in
// UTF-8, broken gzip, an endless line, no rows. What is wrong with one line rejects that line, with its number and a
// reason; the others are loaded, unless so many are rejected that the file must be another thing than it seems
// ([Options.MaxRejections]). A line that repeats an earlier one letter by letter is counted and dropped. Two different
// lines about one person in one game are both kept: choosing between them is the transform's task.
//
// Registry, aliases and the scores in the second source depend on several files. The importers keep what they need for
// them ([People], [Games]) and make them anew after every file, so the order of the files does not matter.
//
// Left NULL because no file has it: personal fouls and reasons for not playing in the gamebook, the period and the
// balldontlie id in the second source, tip-off times, and data_hash, which the live loaders add.
package feed

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// ErrTooManyRejected: more lines are rejected than the caller allows; nothing was written.
var ErrTooManyRejected = errors.New("too many lines rejected")

// The default of [Options.MaxRejections]: a file is refused when it has at least tolerated+1 rejections and they are
// more than one line in twenty (5 %). The real files have none.
const (
	tolerated    = 2
	rejectedPart = 20
)

// sampleSize is how many rejections a report describes; it counts all of them.
const sampleSize = 100

// Options of an import; the zero value recognises the format and loads the file.
type Options struct {
	// Format is the name of a format; empty recognises it by the header line.
	Format string
	// DryRun reads and judges the file and writes nothing.
	DryRun bool
	// MaxRejections is how many rejected lines are acceptable: 0 stands for two, or 5 % of the lines if that is more;
	// a negative number allows none.
	MaxRejections int
	// Progress, if set, is told now and then how many of the bytes to read have been read; done grows up to total.
	Progress func(done, total int64)
}

// Report says what a file held and what became of it. Lines = Rows + Repeats + Rejected.
type Report struct {
	File   string `json:"file"`
	Format string `json:"format"`

	Lines    int           `json:"lines"`   // without the header and blank lines
	Rows     int           `json:"rows"`    // accepted
	Repeats  int           `json:"repeats"` // equal to an earlier line, dropped
	Rejected int           `json:"rejected"`
	Ignored  int           `json:"ignored"`  // numbers other than zero of people who did not play, stored as NULL
	Restored int           `json:"restored"` // lines whose game id had lost its leading zeros
	Dates    int           `json:"dates"`    // distinct game dates; 0 for players
	Games    int           `json:"games"`    // distinct games; 0 for players
	First    gamedate.Date `json:"first"`
	Last     gamedate.Date `json:"last"`

	RejectedBy map[string]int `json:"rejected_by,omitempty"` // by reason
	Rejections []Rejection    `json:"rejections,omitempty"`  // the first hundred, by line

	Removed  int            `json:"removed"` // raw rows that the file took the place of
	Moved    int            `json:"moved"`   // games that an earlier import had under another date or other teams
	Tables   map[string]int `json:"tables,omitempty"`
	Registry int            `json:"registry"` // registry rows after the import
	Aliases  int            `json:"aliases"`  // aliases after the import
	Scored   int            `json:"scored"`   // rows of the second source that got their score from this schedule
}

// entry is what one line says.
type entry struct {
	row    table.Row
	game   game
	until  gamedate.Date // end of the line's dates where it is not one game's
	unique string        // no two different lines may have it; empty: they may
	person int64
	name   string
}

// Import reads the file and loads it; see the package comment for what happens to bad input. The report is as complete
// as the import got, also beside an error: rejections are in it even when the file is refused for them.
//
// All rows of the file's own table arrive or none. Registry, aliases and scores follow in transactions of their own; an
// import that is interrupted between them is completed by importing any file again.
func Import(ctx context.Context, store warehouse.Store, path string, o Options) (Report, error) {
	im := &importer{store: store, path: path, o: o, report: Report{
		File: path, RejectedBy: map[string]int{}, Tables: map[string]int{},
	}}
	if err := im.run(ctx); err != nil {
		return im.report, fmt.Errorf("import %s: %w", path, err)
	}
	return im.report, nil
}

type importer struct {
	store  warehouse.Store
	path   string
	o      Options
	format Format
	report Report

	accepted bits
	sum      [sha256.Size]byte
	games    map[string]*sightings // by league id
	size     int64
}

// run finds out what the file is and imports it.
func (im *importer) run(ctx context.Context) error {
	form, err := sniff(im.path)
	if err != nil {
		return err
	}
	if t, ok := rawFormat(im.o.Format); ok {
		return im.importRaw(ctx, t, form)
	}
	d, named := documentFormat(im.o.Format)
	switch {
	case named && form != formDocument:
		return fmt.Errorf("is no JSON document, which format %s is", im.o.Format)
	case named, form == formDocument && im.o.Format == "":
		return im.importDocument(ctx, d)
	case form != formCSV && im.o.Format != "":
		_, err := ByName(im.o.Format)
		return cmp.Or(err, fmt.Errorf("is no CSV file, which format %s is", im.o.Format))
	case form != formCSV:
		t, err := recogniseRaw(im.path, form)
		if err != nil {
			return err
		}
		return im.importRaw(ctx, t, form)
	}
	if im.o.Format == "" {
		if t := im.rawHeader(); t != nil {
			return im.importRaw(ctx, t, form)
		}
	}
	return im.importFeed(ctx)
}

// rawHeader is the raw table whose columns the file's first line names, nil if there is none.
func (im *importer) rawHeader() *table.Schema {
	src, err := open(im.path)
	if err != nil {
		return nil // the import itself says what is wrong
	}
	defer src.Close()
	line, err := src.lines.next()
	if err != nil {
		return nil
	}
	names, err := split(nil, string(line))
	if err != nil {
		return nil
	}
	return rawTableOf(names)
}

// importFeed imports one of the public CSV feeds.
func (im *importer) importFeed(ctx context.Context) error {
	if err := im.survey(ctx); err != nil {
		return err
	}
	if err := im.judge(); err != nil {
		return err
	}
	if im.o.DryRun {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, t := range append(slices.Clone(boxscore.Tables), People, Games) {
		if err := im.store.Create(ctx, t); err != nil {
			return err
		}
	}
	if err := im.load(ctx); err != nil {
		return err
	}
	if im.format.boxScore {
		if err := im.note(ctx); err != nil {
			return err
		}
	}
	return im.derive(ctx)
}

// scan opens the file and yields its lines after the header to fn. It returns the hash of all lines.
func (im *importer) scan(ctx context.Context, pass int64,
	fn func(r *record, line []byte) error) (sum [sha256.Size]byte, err error) {
	src, err := open(im.path)
	if err != nil {
		return sum, err
	}
	defer src.Close()
	if info, err := src.file.Stat(); err == nil {
		im.size = info.Size()
	}
	h := sha256.New()
	r, err := im.header(src, h)
	if err != nil {
		return sum, err
	}
	passes := int64(2)
	if im.o.DryRun {
		passes = 1
	}
	progress := func() {
		if im.o.Progress != nil {
			im.o.Progress(min(src.read, im.size)+pass*im.size, passes*im.size)
		}
	}
	for {
		line, err := src.lines.next()
		if err == io.EOF {
			progress()
			return [sha256.Size]byte(h.Sum(nil)), nil
		}
		if err != nil {
			return sum, err
		}
		if src.lines.n%1000 == 0 {
			if err := ctx.Err(); err != nil {
				return sum, err
			}
			progress()
		}
		h.Write(line)
		h.Write(newline)
		if len(line) == 0 {
			continue
		}
		r.line = src.lines.n
		if err := fn(r, line); err != nil {
			return sum, err
		}
	}
}

var newline = []byte{'\n'}

// header reads the first line and settles the format.
func (im *importer) header(src *source, h hash.Hash) (*record, error) {
	line, err := src.lines.next()
	if err == io.EOF {
		return nil, errors.New("is empty: fetch it again")
	}
	if err != nil {
		return nil, err
	}
	h.Write(line)
	h.Write(newline)
	names, err := split(nil, string(line))
	if err != nil {
		return nil, fmt.Errorf("header line: %w", err)
	}
	if im.o.Format == "" {
		im.format, err = Recognise(names)
	} else if im.format, err = ByName(im.o.Format); err == nil {
		err = im.format.check(names)
	}
	if err != nil {
		return nil, err
	}
	im.report.Format = im.format.Name
	r := &record{columns: make(map[string]int, len(names))}
	for i, n := range names {
		r.columns[n] = i
	}
	return r, nil
}

// judge refuses a file without rows and one with too many rejections.
func (im *importer) judge() error {
	n := im.report.Rejected
	limit := max(tolerated, im.report.Lines/rejectedPart)
	switch {
	case im.o.MaxRejections > 0:
		limit = im.o.MaxRejections
	case im.o.MaxRejections < 0:
		limit = 0
	}
	switch {
	case im.report.Lines == 0:
		return errors.New("has a header and no rows: fetch it again")
	case n > limit:
		return fmt.Errorf(
			"%w: %d of %d, at most %d allowed; by reason: %s; first: line %d, %s: look at the file, or raise the limit",
			ErrTooManyRejected, n, im.report.Lines, limit, reasons(im.report.RejectedBy),
			im.report.Rejections[0].Line, im.report.Rejections[0].Detail)
	case im.report.Rows == 0:
		return fmt.Errorf("%w: all of its %d; by reason: %s", ErrTooManyRejected, n, reasons(im.report.RejectedBy))
	}
	return nil
}

// reasons writes counts in a fixed order.
func reasons(by map[string]int) string {
	s := ""
	for i, reason := range slices.Sorted(maps.Keys(by)) {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s %d", reason, by[reason])
	}
	return s
}
