package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// The names of the document formats.
const (
	FormatBalldontlie = "balldontlie"
	FormatGamebook    = "gamebook"
)

// MaxDocument is the largest JSON document read, in bytes after decompression. A date's box scores have 0.3 MB.
const MaxDocument = 64 << 20

// document is a kind of JSON document that holds the people of one or more games. Unlike the CSV feeds it is small and
// read whole; what it says of a game takes the place of all rows that the table has of that game.
type document struct {
	name  string
	table *table.Schema
	// key is a field that every document of the kind has and no other kind.
	key string
	// people yields one line for each person; an error is about the whole document.
	people func(im *importer, ctx context.Context, raw []byte, yield func(line)) error
}

// line is one person of one game, or why the entry is none.
type line struct {
	row    table.Row
	text   string
	reason string
	detail string
}

var documents = []document{
	{name: FormatBalldontlie, table: boxscore.BDL, key: "data", people: balldontlie},
	{name: FormatGamebook, table: boxscore.Gamebook, key: "active_players", people: gamebook},
}

// documentFormat finds a document format by name.
func documentFormat(name string) (document, bool) {
	for _, d := range documents {
		if d.name == name {
			return d, true
		}
	}
	return document{}, false
}

// importDocument reads a whole JSON document; d is the zero document when its kind is to be recognised.
func (im *importer) importDocument(ctx context.Context, d document) error {
	src, err := open(im.path)
	if err != nil {
		return err
	}
	defer src.Close()
	raw, err := io.ReadAll(io.LimitReader(src.lines.br, MaxDocument+1))
	if err != nil {
		return broken(err)
	}
	if len(raw) > MaxDocument {
		return fmt.Errorf("is larger than %d bytes: cut it into one document a date", MaxDocument)
	}
	if d, err = recogniseDocument(d, raw); err != nil {
		return err
	}
	im.report.Format = d.name
	rows, err := im.readDocument(ctx, d, raw)
	if err != nil {
		return err
	}
	if im.report.Lines == 0 {
		return errors.New("names no players: fetch it again")
	}
	if err := im.judge(); err != nil || im.o.DryRun {
		return err
	}
	if err := im.store.Create(ctx, d.table); err != nil {
		return err
	}
	result, err := im.store.Load(ctx, d.table, []string{"game_date", "game_id"}, func(yield func(table.Row) error) error {
		for _, row := range rows {
			if err := yield(row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	im.report.Removed, im.report.Tables[d.table.FullName()] = result.Removed, result.Added
	return nil
}

// recogniseDocument checks that raw is a document of kind d, or finds its kind.
func recogniseDocument(d document, raw []byte) (document, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return d, fmt.Errorf("is no JSON object: %w: fetch it again", err)
	}
	if d.name != "" {
		if _, ok := fields[d.key]; !ok {
			return d, fmt.Errorf("is no document of format %s: it lacks %q, found %s", d.name, d.key,
				quoted(slices.Sorted(maps.Keys(fields))))
		}
		return d, nil
	}
	for _, kind := range documents {
		if _, ok := fields[kind.key]; ok {
			return kind, nil
		}
	}
	return d, fmt.Errorf("is a JSON document of no known format: found %s; want %q (balldontlie) or %q (gamebook)",
		quoted(slices.Sorted(maps.Keys(fields))), "data", "active_players")
}

// readDocument judges every person and returns the accepted rows.
func (im *importer) readDocument(ctx context.Context, d document, raw []byte) ([]table.Row, error) {
	var rows []table.Row
	dates, games, seen := map[gamedate.Date]bool{}, map[string]bool{}, map[string]bool{}
	dateAt, gameAt := d.table.MustIndex("game_date"), d.table.MustIndex("game_id")
	err := d.people(im, ctx, raw, func(l line) {
		im.report.Lines++
		if l.reason == "" {
			if err := d.table.Check(l.row, l.row[dateAt].Date()); err != nil {
				l.reason, l.detail = ReasonRow, err.Error()
			}
		}
		if l.reason != "" {
			im.reject(Rejection{Line: im.report.Lines, Reason: l.reason, Detail: l.detail, Text: clip(l.text, 160)})
			return
		}
		hash := d.table.RowHash(l.row)
		if seen[string(hash[:])] {
			im.report.Repeats++
			return
		}
		seen[string(hash[:])] = true
		rows = append(rows, l.row)
		dates[l.row[dateAt].Date()], games[l.row[gameAt].Str()] = true, true
		im.span(l.row[dateAt].Date())
	})
	im.report.Rows, im.report.Dates, im.report.Games = len(rows), len(dates), len(games)
	return rows, err
}

// number is a count that may be missing, null or written as a text.
type number struct{ table.Value }

func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" || s == "" {
		return nil
	}
	v, err := strconv.ParseInt(strings.TrimPrefix(s, "+"), 10, 32)
	if err != nil {
		return fmt.Errorf("want a whole number, got %s", clip(string(b), 40))
	}
	n.Value = table.Int(v)
	return nil
}

// textOr is a STRING, NULL when empty.
func textOr(s string) table.Value {
	if s == "" {
		return table.Null
	}
	return table.String(s)
}
