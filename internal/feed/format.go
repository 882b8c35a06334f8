package feed

import (
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/table"
)

// The names of the formats.
const (
	FormatSchedule = "nba-schedule"
	FormatPlayers  = "players"
	FormatLive     = "nba-live"
	FormatGamelog  = "nba-gamelog"
)

// Format is one kind of file this package can read. A file has a format when its header line names exactly the
// Columns, in any order.
type Format struct {
	Name    string
	Doc     string        // what one line is
	Columns []string      // in the order in which the feed writes them
	Table   *table.Schema // where accepted lines go

	// parse turns one line into one row of Table and what is remembered about it.
	parse func(r *record) entry
	// replace are the columns of Table whose values in a file say which rows the file takes the place of.
	replace []string
	// boxScore says that the lines are people in games: one file must give each game one date and one pair of teams.
	boxScore bool
}

var formats = []Format{
	{
		Name: FormatSchedule, Doc: "one game, with its final score", Columns: scheduleColumns,
		Table: boxscore.Schedule, parse: parseSchedule, replace: []string{"game_date", "game_id"},
	},
	{
		Name: FormatPlayers, Doc: "one player, season and team", Columns: playersColumns,
		Table: People, parse: parsePlayer, replace: []string{"season"},
	},
	{
		Name: FormatLive, Doc: "one person listed for a game, played or not", Columns: liveColumns,
		Table: boxscore.Gamebook, parse: parseLive, replace: []string{"game_date", "game_id"}, boxScore: true,
	},
	{
		Name: FormatGamelog, Doc: "one person who played in a game", Columns: gamelogColumns,
		Table: boxscore.BDL, parse: parseGamelog, replace: []string{"game_date", "game_id"}, boxScore: true,
	},
}

// Formats lists the formats in the order in which a person would import them. The caller owns the slice.
func Formats() []Format { return slices.Clone(formats) }

// Known reports whether a name is one of a format: of a CSV feed, a document or a raw table. The error lists all names.
func Known(name string) error {
	if _, ok := rawFormat(name); ok {
		return nil
	}
	if _, ok := documentFormat(name); ok {
		return nil
	}
	_, err := ByName(name)
	return err
}

// ByName finds a CSV feed's format by its name; the error lists the names of all formats.
func ByName(name string) (Format, error) {
	var names []string
	for _, f := range formats {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	for _, d := range documents {
		names = append(names, d.name)
	}
	for _, t := range boxscore.Tables {
		names = append(names, t.Name)
	}
	return Format{}, fmt.Errorf("format %q: want one of %s", name, strings.Join(names, ", "))
}

// Recognise finds the format whose columns are exactly those of the header. The error is a *HeaderError about the
// format that has most columns in common with it.
func Recognise(header []string) (Format, error) {
	best, most := formats[0], -1
	var nearest *HeaderError
	for _, f := range formats {
		if f.check(header) == nil {
			return f, nil
		}
		if n := f.common(header); n > most {
			best, most = f, n
		}
	}
	// A raw table that the header is nearer to is what the message should be about.
	for _, t := range boxscore.Tables {
		n := 0
		for _, name := range header {
			if t.Index(name) >= 0 {
				n++
			}
		}
		if e := rawColumns(t, header); e != nil && n > most {
			most, nearest = n, e
		}
	}
	switch {
	case nearest != nil:
		return Format{}, nearest
	case most == 0:
		return Format{}, &HeaderError{Found: header}
	}
	return Format{}, best.check(header)
}

// check is nil when header names exactly the format's columns, else a *HeaderError.
func (f Format) check(header []string) error {
	e := &HeaderError{Format: f.Name, Want: f.Columns, Found: header}
	seen := map[string]bool{}
	for _, h := range header {
		switch {
		case seen[h]:
			if !slices.Contains(e.Repeated, h) {
				e.Repeated = append(e.Repeated, h)
			}
		case !slices.Contains(f.Columns, h):
			e.Unknown = append(e.Unknown, h)
		}
		seen[h] = true
	}
	for _, c := range f.Columns {
		if !seen[c] {
			e.Missing = append(e.Missing, c)
		}
	}
	if len(e.Repeated)+len(e.Unknown)+len(e.Missing) == 0 {
		return nil
	}
	return e
}

func (f Format) common(header []string) int {
	n := 0
	for _, c := range f.Columns {
		if slices.Contains(header, c) {
			n++
		}
	}
	return n
}

// HeaderError says how a header line differs from a format. Format is empty when the header has no column of any.
type HeaderError struct {
	Format   string
	Want     []string
	Found    []string
	Missing  []string
	Unknown  []string
	Repeated []string
}

// Error lists the differences, then what was expected and what was found.
func (e *HeaderError) Error() string {
	if e.Format == "" {
		var b strings.Builder
		fmt.Fprintf(&b, "header is of no known format: found %s; want one of", quoted(e.Found))
		for _, f := range formats {
			fmt.Fprintf(&b, " %s (%s)", f.Name, strings.Join(f.Columns, ","))
		}
		return b.String()
	}
	var parts []string
	for _, p := range []struct {
		what string
		list []string
	}{{"lacks", e.Missing}, {"has unknown", e.Unknown}, {"repeats", e.Repeated}} {
		if len(p.list) > 0 {
			parts = append(parts, p.what+" "+quoted(p.list))
		}
	}
	return fmt.Sprintf("header is not of format %s: it %s; want exactly %s, found %s",
		e.Format, strings.Join(parts, ", "), strings.Join(e.Want, ","), quoted(e.Found))
}

// quoted writes at most 40 names, each clipped: a header line may be anything.
func quoted(names []string) string {
	const most = 40
	var b strings.Builder
	for i, n := range names {
		if i == most {
			fmt.Fprintf(&b, ",… (%d in all)", len(names))
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(clip(fmt.Sprintf("%q", n), 40))
	}
	return b.String()
}
