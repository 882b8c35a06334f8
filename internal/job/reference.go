package job

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"gamefill/internal/table"
)

// PackReference writes reference tables in one canonical form and returns it with its SHA-256 in hex. Tables come in
// schema order, rows sorted by their canonical text, so the same content has the same hash whatever the order of
// reading. The form is JSON lines: a header per table ({"table":…,"columns":[…]}), then one array per row with texts
// as table.Value.Text writes them and null for NULL.
func PackReference(schemas []*table.Schema, rows map[string][]table.Row) (packed []byte, hash string, err error) {
	var out bytes.Buffer
	for _, s := range schemas {
		header, err := json.Marshal(referenceHeader{s.Name, s.Names()})
		if err != nil {
			return nil, "", fmt.Errorf("pack reference %s: %w", s.Name, err)
		}
		lines := make([][]byte, 0, len(rows[s.Name]))
		for _, row := range rows[s.Name] {
			texts := make([]*string, len(row))
			for i, v := range row {
				if !v.IsNull() {
					text := v.Text()
					texts[i] = &text
				}
			}
			line, err := json.Marshal(texts)
			if err != nil {
				return nil, "", fmt.Errorf("pack reference %s: %w", s.Name, err)
			}
			lines = append(lines, line)
		}
		slices.SortFunc(lines, bytes.Compare)
		out.Write(header)
		out.WriteByte('\n')
		for _, line := range lines {
			out.Write(line)
			out.WriteByte('\n')
		}
	}
	return out.Bytes(), HashOf(out.Bytes()), nil
}

// UnpackReference reads what PackReference wrote with the same schemas. A table or column that the schemas do not
// have, or that is missing, is an error: the snapshot was made by another build.
func UnpackReference(schemas []*table.Schema, packed []byte) (map[string][]table.Row, error) {
	rows := map[string][]table.Row{}
	var current *table.Schema
	for line := range bytes.Lines(packed) {
		if line[0] == '{' {
			var h referenceHeader
			if err := json.Unmarshal(line, &h); err != nil {
				return nil, fmt.Errorf("unpack reference: %w", err)
			}
			i := slices.IndexFunc(schemas, func(s *table.Schema) bool { return s.Name == h.Table })
			if i < 0 || !slices.Equal(schemas[i].Names(), h.Columns) {
				return nil, fmt.Errorf("unpack reference: table %s has columns %v, not those of this build", h.Table, h.Columns)
			}
			current = schemas[i]
			rows[current.Name] = nil
			continue
		}
		var texts []*string
		if err := json.Unmarshal(line, &texts); err != nil {
			return nil, fmt.Errorf("unpack reference: %w", err)
		}
		if current == nil || len(texts) != len(current.Columns) {
			return nil, fmt.Errorf("unpack reference: a row of %d values fits no table", len(texts))
		}
		row := make(table.Row, len(texts))
		for i, text := range texts {
			if text == nil {
				continue
			}
			v, err := current.Columns[i].ParseText(*text)
			if err != nil {
				return nil, fmt.Errorf("unpack reference %s: %w", current.Name, err)
			}
			row[i] = v
		}
		rows[current.Name] = append(rows[current.Name], row)
	}
	if len(rows) != len(schemas) {
		return nil, fmt.Errorf("unpack reference: %d tables, want %d", len(rows), len(schemas))
	}
	return rows, nil
}

type referenceHeader struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

// HashOf is the SHA-256 of b in hex.
func HashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
