package summary

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"strconv"
	"unicode/utf8"

	"gamefill/internal/boxscore"
	"gamefill/internal/table"
)

// hashedFields are the 48 columns that data_hash covers: who, what and the result, none of the metadata.
var hashedFields = []string{
	"player_lookup", "universal_player_id", "player_full_name", "game_id", "game_date", "team_abbr", "opponent_team_abbr",
	"season_year",
	"points", "minutes_played", "assists", "offensive_rebounds", "defensive_rebounds", "steals", "blocks", "turnovers",
	"fg_attempts", "fg_makes", "three_pt_attempts", "three_pt_makes", "ft_attempts", "ft_makes",
	"plus_minus", "personal_fouls",
	"paint_attempts", "paint_makes", "mid_range_attempts", "mid_range_makes", "paint_blocks", "mid_range_blocks",
	"three_pt_blocks", "and1_count", "assisted_fg_makes", "unassisted_fg_makes",
	"usage_rate", "ts_pct", "efg_pct", "starter_flag", "win_flag",
	"points_line", "over_under_result", "margin", "opening_line", "line_movement", "points_line_source",
	"opening_line_source", "is_active", "player_status",
}

// jsonField is one key of a canonical JSON object, with the text before its value.
type jsonField struct {
	before string // `{"a":` or `,"b":`
	at     int
}

// jsonFields are the fields in the order of their names.
func jsonFields(s *table.Schema, names []string) []jsonField {
	names = slices.Sorted(slices.Values(names))
	fields := make([]jsonField, len(names))
	for i, name := range names {
		open := ","
		if i == 0 {
			open = "{"
		}
		fields[i] = jsonField{open + strconv.Quote(name) + ":", s.MustIndex(name)}
	}
	return fields
}

var hashedJSON = jsonFields(Target, hashedFields)

// dataHash is the first 16 hex digits of SHA-256 over the canonical JSON of the hashed fields. buf is reused and
// returned.
func dataHash(row table.Row, buf []byte) (string, []byte) {
	buf = appendObject(buf, row, hashedJSON)
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:8]), buf
}

// appendObject writes fields of a row as canonical JSON: keys sorted, no spaces, decimals as plain text in quotes, so
// that no reader's floating point can change them, NULL kept.
func appendObject(b []byte, row table.Row, fields []jsonField) []byte {
	for _, f := range fields {
		b = append(b, f.before...)
		b = appendJSON(b, row[f.at])
	}
	return append(b, '}')
}

func appendJSON(b []byte, v table.Value) []byte {
	switch v.Type() {
	case 0:
		return append(b, "null"...)
	case table.INT64:
		n, _ := v.Int64()
		return strconv.AppendInt(b, n, 10)
	case table.DATE:
		d := v.Date()
		n := d.Year*10000 + int(d.Month)*100 + d.Day
		b = append(b, '"')
		for i, unit := range [...]int{1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 10, 1} {
			if i == 4 || i == 6 {
				b = append(b, '-')
			}
			b = append(b, byte('0'+n/unit%10))
		}
		return append(b, '"')
	case table.BOOL:
		return strconv.AppendBool(b, v.IsTrue())
	case table.STRINGS:
		return append(b, v.Text()...)
	}
	return appendQuoted(b, v.Text())
}

// appendQuoted writes a JSON string with the fewest escapes: quote, backslash, control characters. Bytes that are no
// UTF-8 become U+FFFD.
func appendQuoted(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// rowJSON is the canonical JSON of the owned columns of a row: the last tie-breaker between two rows.
func rowJSON(s *table.Schema, row table.Row) string {
	var names []string
	for _, c := range s.Columns {
		if c.Role == table.Owned {
			names = append(names, c.Name)
		}
	}
	return string(appendObject(nil, row, jsonFields(s, names)))
}

// hashSum is a SHA-256 over parts given in a fixed order; the zero value is ready.
type hashSum struct{ h hash.Hash }

func (s *hashSum) add(part []byte) {
	if s.h == nil {
		s.h = sha256.New()
	}
	s.h.Write(part)
}

// short is the first 16 hex digits, "" over no part.
func (s *hashSum) short() string {
	if s.h == nil {
		return ""
	}
	return hex.EncodeToString(s.h.Sum(nil)[:8])
}

// inputFingerprint is SHA-256 over everything that the rows of the date depend on: per table the sorted hashes of the
// used columns of every row, reference rows of every lookup of the date and of its alias targets, settings, version.
func inputFingerprint(hashes map[string][][sha256.Size]byte, c *cleaner, keys []string, settings []byte) string {
	h := sha256.New()
	put := func(label string, part []byte) {
		h.Write(strconv.AppendInt([]byte(label+" "), int64(len(part)), 10))
		h.Write(part)
	}
	put("version", []byte(Version))
	put("settings", settings)
	for _, s := range []*table.Schema{boxscore.Schedule, boxscore.Gamebook, boxscore.BDL} {
		rows := hashes[s.Name]
		slices.SortFunc(rows, func(a, b [sha256.Size]byte) int { return slices.Compare(a[:], b[:]) })
		put(s.Name, []byte(strconv.Itoa(len(rows))))
		for i := range rows {
			h.Write(rows[i][:])
		}
	}
	lookups := make(map[string]bool, len(keys))
	for _, key := range keys {
		lookups[key] = true
		for _, target := range c.registry.canonical[key] {
			lookups[target] = true
		}
	}
	all := make([]string, 0, len(lookups))
	for key := range lookups {
		all = append(all, key)
	}
	slices.Sort(all)
	for _, key := range all {
		h.Write(strconv.AppendQuote(nil, key))
		if sum, ok := c.registry.players[key]; ok {
			h.Write([]byte{1})
			h.Write(sum[:])
		}
		if sum, ok := c.registry.aliases[key]; ok {
			h.Write([]byte{2})
			h.Write(sum[:])
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
