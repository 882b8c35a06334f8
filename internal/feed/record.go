package feed

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// The reasons for which a line is rejected.
const (
	ReasonFields     = "field_count"      // more or fewer fields than the header
	ReasonQuotes     = "bad_quotes"       // quotation marks that do not pair within the line
	ReasonMissing    = "missing_value"    // an empty field that must have a value
	ReasonNumber     = "bad_number"       // not a whole number, or a negative count
	ReasonDate       = "bad_date"         // no such date, or another form than YYYY-MM-DD
	ReasonValue      = "unknown_value"    // a word that the feed's description does not have
	ReasonName       = "bad_name"         // a name without one letter or digit to look it up by
	ReasonGameID     = "bad_game_id"      // not a league game id
	ReasonGameKind   = "unknown_kind"     // a league game id whose first three digits are no known kind of game
	ReasonKind       = "kind_mismatch"    // the line's kind of game is not that of its id
	ReasonSeason     = "season_mismatch"  // date or season do not belong to the season in the game id
	ReasonTeam       = "unknown_team"     // no team of the league has this code
	ReasonNotPlaying = "team_not_in_game" // the line's team is not one of its game's two, or plays itself
	ReasonGame       = "game_mismatch"    // most lines of the file give this game another date or other teams
	ReasonConflict   = "conflicting_line" // an earlier line has the same key and says something else
	ReasonRow        = "bad_row"          // the row does not fit its table
)

// Rejection is one line that was left out and why.
type Rejection struct {
	Line   int    `json:"line"` // 1 is the header
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Text   string `json:"text"` // the line, clipped
}

// record is one line on its way to a row. The first thing found wrong is kept in bad; reading on is harmless.
type record struct {
	line    int
	text    string
	columns map[string]int // position in fields
	fields  []string
	bad     *Rejection
	// ignored counts values that the mapping leaves out although they say something.
	ignored int
	// restored says that the game id got its leading zeros back.
	restored bool
}

// set takes the next line and splits it.
func (r *record) set(line int, text string) {
	r.line, r.text, r.bad, r.ignored, r.restored = line, text, nil, 0, false
	fields, err := split(r.fields[:0], text)
	if err != nil {
		r.reject(ReasonQuotes, "%v", err)
		return
	}
	r.fields = fields
	if len(fields) != len(r.columns) {
		r.reject(ReasonFields, "want %d fields, got %d", len(r.columns), len(fields))
	}
}

// split appends the fields of one line to dst. A quoted field may hold commas and doubled quotation marks but no line
// break: no field of these feeds has one, and so a lost quotation mark costs one line and not the rest of the file.
func split(dst []string, line string) ([]string, error) {
	if !strings.Contains(line, `"`) {
		for {
			field, rest, more := strings.Cut(line, ",")
			dst = append(dst, field)
			if !more {
				return dst, nil
			}
			line = rest
		}
	}
	fields, err := csv.NewReader(strings.NewReader(line)).Read()
	if pe, ok := errors.AsType[*csv.ParseError](err); ok {
		return dst, fmt.Errorf("at byte %d: %w", pe.Column, pe.Err)
	}
	if err != nil && err != io.EOF {
		return dst, err
	}
	return append(dst, fields...), nil
}

// reject keeps the first reason.
func (r *record) reject(reason, format string, args ...any) {
	if r.bad == nil {
		r.bad = &Rejection{Line: r.line, Reason: reason, Detail: fmt.Sprintf(format, args...), Text: clip(r.text, 160)}
	}
}

// get is a field as it stands; it may be empty.
func (r *record) get(column string) string {
	i := r.columns[column]
	if i >= len(r.fields) {
		return "" // a line with too few fields, rejected already
	}
	return r.fields[i]
}

// need is a field that must not be empty.
func (r *record) need(column string) string {
	s := r.get(column)
	if s == "" {
		r.reject(ReasonMissing, "%s is empty", column)
	}
	return s
}

// optional is a field as a STRING, NULL when empty.
func (r *record) optional(column string) table.Value {
	if s := r.get(column); s != "" {
		return table.String(s)
	}
	return table.Null
}

// whole is an optional whole number, NULL when empty; it may be negative where signed.
func (r *record) whole(column string, signed bool) table.Value {
	s := r.get(column)
	if s == "" {
		return table.Null
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || s[0] == '+' {
		r.reject(ReasonNumber, "%s: want a whole number, got %q", column, clip(s, 40))
		return table.Null
	}
	if n < 0 && !signed {
		r.reject(ReasonNumber, "%s: want a count, got %d", column, n)
		return table.Null
	}
	return table.Int(n)
}

// id is a positive number that must be there.
func (r *record) id(column string) int64 {
	s := r.need(column)
	n, err := strconv.ParseInt(s, 10, 64)
	if s != "" && (err != nil || n <= 0) {
		r.reject(ReasonNumber, "%s: want an id, a positive whole number, got %q", column, clip(s, 40))
	}
	return n
}

// flag is 0 or 1.
func (r *record) flag(column string) bool { return r.oneOf(column, "0", "1") == "1" }

// oneOf is a field that must be one of the words.
func (r *record) oneOf(column string, words ...string) string {
	s := r.need(column)
	for _, w := range words {
		if s == w {
			return s
		}
	}
	r.reject(ReasonValue, "%s: want one of %s, got %q", column, strings.Join(words, ", "), clip(s, 40))
	return s
}

// date is a date that must be there.
func (r *record) date(column string) gamedate.Date {
	d, err := gamedate.Parse(r.get(column))
	if err != nil {
		r.reject(ReasonDate, "%s: %v", column, err)
	}
	return d
}
