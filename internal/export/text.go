package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"gamefill/internal/table"
)

// csvEncoder writes RFC 4180 with "\n" line ends. encoding/csv cannot tell the empty text from NULL, so the quoting is
// done here: a field is quoted when it is an empty text or holds a comma, a quotation mark, a line break or an outer
// blank.
type csvEncoder struct {
	w *bufio.Writer
	t *table.Schema
}

func newCSV(t *table.Schema, w io.Writer) *csvEncoder {
	e := &csvEncoder{bufio.NewWriterSize(w, 64<<10), t}
	e.w.WriteString(strings.Join(t.Names(), ",") + "\n") // a bufio.Writer keeps its error for Flush
	return e
}

func (e *csvEncoder) write(rows []table.Row) error {
	for _, row := range rows {
		for i, v := range row {
			if i > 0 {
				e.w.WriteByte(',')
			}
			if v.IsNull() {
				continue
			}
			text := v.Text()
			if quotable(text) {
				text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			}
			e.w.WriteString(text)
		}
		if err := e.w.WriteByte('\n'); err != nil {
			return err
		}
	}
	return nil
}

func (e *csvEncoder) close() error { return e.w.Flush() }

func quotable(s string) bool {
	return s == "" || s != strings.TrimSpace(s) || strings.ContainsAny(s, ",\"\r\n")
}

// ndjsonEncoder writes one JSON object a line, its members in schema order, every column present.
type ndjsonEncoder struct {
	w     *bufio.Writer
	t     *table.Schema
	names [][]byte // `"name":`
	buf   bytes.Buffer
	json  *json.Encoder
}

func newNDJSON(t *table.Schema, w io.Writer) *ndjsonEncoder {
	e := &ndjsonEncoder{w: bufio.NewWriterSize(w, 64<<10), t: t}
	e.json = json.NewEncoder(&e.buf)
	e.json.SetEscapeHTML(false)
	for _, name := range t.Names() {
		e.names = append(e.names, append(bytes.Clone(e.quote(name)), ':'))
	}
	return e
}

func (e *ndjsonEncoder) write(rows []table.Row) error {
	for _, row := range rows {
		for i, v := range row {
			e.w.WriteByte("{,"[min(i, 1)])
			e.w.Write(e.names[i])
			switch v.Type() {
			case 0:
				e.w.WriteString("null")
			case table.STRING, table.DATE, table.TIMESTAMP:
				e.w.Write(e.quote(v.Text()))
			case table.STRINGS:
				e.w.Write(e.quote(v.List()))
			case table.FLOAT64:
				if f, _ := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) {
					return fmt.Errorf("row %s: column %s is %v, which JSON cannot say", e.t.Describe(row), e.t.Columns[i].Name, f)
				}
				e.w.WriteString(v.Text())
			default: // INT64, NUMERIC and BOOL: their text is their JSON, with all digits
				e.w.WriteString(v.Text())
			}
		}
		if _, err := e.w.WriteString("}\n"); err != nil {
			return err
		}
	}
	return nil
}

func (e *ndjsonEncoder) close() error { return e.w.Flush() }

// quote is the JSON of a text or a list of texts, valid until the next call.
func (e *ndjsonEncoder) quote(v any) []byte {
	e.buf.Reset()
	if err := e.json.Encode(v); err != nil {
		panic("texts always have a JSON form: " + err.Error())
	}
	return bytes.TrimSuffix(e.buf.Bytes(), []byte{'\n'})
}
