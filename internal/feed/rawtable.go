package feed

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
)

// A file in the shape of a raw table is what a warehouse writes when a table is extracted: CSV with a header line, JSON
// lines, or Parquet, the first two plain or gzip. Its format is the table's name. Its rows are appended, as the live
// loaders append; a row that the file or the table has already, value for value, is a repeat and is dropped and
// counted. An empty CSV field is NULL: CSV as extracted does not tell it from an empty text.

// rawFormat returns the raw table that a format names.
func rawFormat(name string) (*table.Schema, bool) {
	for _, t := range boxscore.Tables {
		if t.Name == name {
			return t, true
		}
	}
	return nil, false
}

// rawColumns reports whether names are columns of t, all of its REQUIRED ones among them.
func rawColumns(t *table.Schema, names []string) *HeaderError {
	e := &HeaderError{Format: t.Name, Want: t.Names(), Found: names}
	seen := map[string]bool{}
	for _, n := range names {
		switch {
		case seen[n]:
			e.Repeated = append(e.Repeated, n)
		case t.Index(n) < 0:
			e.Unknown = append(e.Unknown, n)
		}
		seen[n] = true
	}
	for _, c := range t.Columns {
		if c.Required && !seen[c.Name] {
			e.Missing = append(e.Missing, c.Name)
		}
	}
	if len(e.Repeated)+len(e.Unknown)+len(e.Missing) == 0 {
		return nil
	}
	return e
}

// rawTableOf finds the raw table whose columns are those of a header.
func rawTableOf(names []string) *table.Schema {
	for _, t := range boxscore.Tables {
		if rawColumns(t, names) == nil {
			return t
		}
	}
	return nil
}

// rawRow is one row of a raw file, or why it is none.
type rawRow struct {
	n    int // line or row number, the header is line 1
	text string
	row  table.Row
	bad  error
}

// rawReader yields the rows of one opened file, io.EOF after the last.
type rawReader interface {
	next() (rawRow, error)
}

// importRaw loads a file in the shape of t.
func (im *importer) importRaw(ctx context.Context, t *table.Schema, form fileForm) error {
	im.report.Format = t.Name
	seen := map[[sha256.Size]byte]bool{}
	present := map[gamedate.Date]bool{}
	dates := map[gamedate.Date]bool{}
	games := map[string]bool{}
	fingerprint := *t // row hashes over every column: none of a raw table is volatile
	learn := func(d gamedate.Date) error {
		if present[d] || im.o.DryRun && !im.hasTable(ctx, t) {
			return nil
		}
		present[d] = true
		p, err := im.store.Read(ctx, t, d)
		if err != nil {
			return err
		}
		for _, row := range p.Rows {
			seen[fingerprint.RowHash(row)] = true
		}
		return nil
	}
	if !im.o.DryRun {
		if err := im.store.Create(ctx, t); err != nil {
			return err
		}
	}
	position := t.Index(t.Partition)
	lastBad := false
	err := im.scanRaw(ctx, t, form, 0, func(r rawRow) error {
		im.report.Lines++
		date := gamedate.Date{}
		if r.bad == nil && position >= 0 {
			date = r.row[position].Date()
		}
		if r.bad == nil {
			r.bad = t.Check(r.row, date)
		}
		lastBad = r.bad != nil
		if lastBad {
			im.reject(Rejection{Line: r.n, Reason: ReasonRow, Detail: r.bad.Error(), Text: clip(r.text, 160)})
			return nil
		}
		if err := learn(date); err != nil {
			return err
		}
		hash := fingerprint.RowHash(r.row)
		if seen[hash] {
			im.report.Repeats++
			return nil
		}
		seen[hash] = true
		im.accepted.set(r.n)
		im.report.Rows++
		if !date.IsZero() {
			dates[date] = true
			im.span(date)
		}
		if g := t.Index("game_id"); g >= 0 {
			games[date.String()+r.row[g].Str()] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if lastBad && cutOff(im.path) {
		return fmt.Errorf("is cut off in its last line, %d: extract it again", im.report.Lines+1)
	}
	im.report.Dates, im.report.Games = len(dates), len(games)
	im.report.Rejections = im.report.Rejections[:min(sampleSize, len(im.report.Rejections))]
	if im.report.Lines == 0 {
		return errors.New("has no rows: extract it again")
	}
	if im.report.Repeats < im.report.Lines {
		if err := im.judge(); err != nil {
			return err
		}
	}
	if im.o.DryRun || im.report.Rows == 0 {
		return nil
	}
	result, err := im.store.Load(ctx, t, nil, func(yield func(table.Row) error) error {
		return im.scanRaw(ctx, t, form, 1, func(r rawRow) error {
			if !im.accepted.has(r.n) {
				return nil
			}
			if r.bad != nil {
				return errChanged
			}
			return yield(r.row)
		})
	})
	if err != nil {
		return err
	}
	im.report.Tables[t.FullName()] = result.Added
	return nil
}

// cutOff reports whether a plain text file ends without a line end; gzip and Parquet say themselves when they are cut.
func cutOff(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head, last := make([]byte, 4), make([]byte, 1)
	if _, err := f.ReadAt(head, 0); err != nil || bytes.HasPrefix(head, []byte{0x1f, 0x8b}) || string(head) == "PAR1" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	_, err = f.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n'
}

// hasTable reports whether the store has the table; a dry run makes none.
func (im *importer) hasTable(ctx context.Context, t *table.Schema) bool {
	if im.store == nil {
		return false
	}
	_, err := im.store.Tokens(ctx, t, gamedate.Range{From: gamedate.Earliest, To: gamedate.Earliest})
	return err == nil
}

// scanRaw reads the whole file once; pass 0 or 1 of two, for progress.
func (im *importer) scanRaw(ctx context.Context, t *table.Schema, form fileForm, pass int64,
	fn func(rawRow) error) error {
	src, err := openFile(im.path)
	if err != nil {
		return err
	}
	defer src.file.Close()
	reader, err := newRawReader(t, form, src)
	if err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := reader.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if im.o.Progress != nil && r.n%1000 == 0 {
			im.o.Progress(pass*src.size+src.read, 2*src.size)
		}
		if err := fn(r); err != nil {
			return err
		}
	}
}

// rawSource is an opened file and how far it has been read.
type rawSource struct {
	file       *os.File
	size, read int64
}

func openFile(path string) (*rawSource, error) {
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	// open has looked at the first bytes; the raw readers begin again.
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		s.Close()
		return nil, err
	}
	info, err := s.file.Stat()
	if err != nil {
		s.Close()
		return nil, err
	}
	return &rawSource{file: s.file, size: info.Size()}, nil
}

func newRawReader(t *table.Schema, form fileForm, src *rawSource) (rawReader, error) {
	if form == formParquet {
		return newParquetReader(t, src)
	}
	l, err := newLines(counter{src.file, &src.read})
	if err != nil {
		return nil, err
	}
	if form == formJSON {
		return &jsonLines{t, l}, nil
	}
	return newCSVReader(t, l)
}

// csvRows reads CSV with a header line. A quoted field may hold line breaks.
type csvRows struct {
	t  *table.Schema
	r  *csv.Reader
	at []int // column of each field
	n  int
}

func newCSVReader(t *table.Schema, l *lines) (*csvRows, error) {
	c := &csvRows{t: t, r: csv.NewReader(utf8Reader{l.br}), n: 1}
	c.r.ReuseRecord = true
	header, err := c.r.Read()
	if err != nil {
		return nil, fmt.Errorf("header line: %w", err)
	}
	if bad := rawColumns(t, header); bad != nil {
		return nil, bad
	}
	for _, name := range header {
		c.at = append(c.at, t.Index(name))
	}
	return c, nil
}

// utf8Reader names the encoding problem of a file that csv would pass on.
type utf8Reader struct{ r *bufio.Reader }

func (u utf8Reader) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if err != nil && err != io.EOF {
		err = broken(err)
	}
	if bytes.IndexByte(p[:n], 0) >= 0 {
		return 0, errors.New("holds a NUL byte: this is not UTF-8 text")
	}
	return n, err
}

func (c *csvRows) next() (rawRow, error) {
	fields, err := c.r.Read()
	c.n++
	r := rawRow{n: c.n, text: strings.Join(fields, ",")}
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		r.bad = parse
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.row = make(table.Row, len(c.t.Columns))
	for i, field := range fields {
		if field == "" {
			continue
		}
		if r.row[c.at[i]], err = c.t.Columns[c.at[i]].ParseText(field); err != nil {
			r.bad = err
			return r, nil
		}
	}
	return r, nil
}

// jsonLines reads one JSON object a line, as an extract writes them: numbers of 64 bits may be texts.
type jsonLines struct {
	t *table.Schema
	l *lines
}

func (j *jsonLines) next() (rawRow, error) {
	for {
		line, err := j.l.next()
		if err != nil {
			return rawRow{}, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r := rawRow{n: j.l.n, text: string(line)}
		r.row, _, r.bad = j.t.ParseObject(line)
		return r, nil
	}
}

// parquetRows reads a Parquet file of flat columns.
type parquetRows struct {
	t      *table.Schema
	groups []parquet.RowGroup
	rows   parquet.Rows
	at     []int // table column of each leaf
	units  []time.Duration
	buffer []parquet.Row
	have   int
	used   int
	n      int
}

func newParquetReader(t *table.Schema, src *rawSource) (*parquetRows, error) {
	f, err := parquet.OpenFile(src.file, src.size)
	if err != nil {
		return nil, fmt.Errorf("broken Parquet file: %w: extract it again", err)
	}
	p := &parquetRows{t: t, groups: f.RowGroups(), buffer: make([]parquet.Row, 64)}
	var names []string
	for _, path := range f.Schema().Columns() {
		names = append(names, strings.Join(path, "."))
		leaf, _ := f.Schema().Lookup(path...)
		unit := time.Microsecond
		if l := leaf.Node.Type().LogicalType(); l != nil {
			if stamp, ok := l.Value.(*format.TimestampType); ok && stamp.Unit.Value != nil {
				unit = stamp.Unit.Value.Duration()
			}
		}
		p.units = append(p.units, unit)
	}
	if bad := rawColumns(t, names); bad != nil {
		return nil, bad
	}
	for _, name := range names {
		p.at = append(p.at, t.Index(name))
	}
	return p, nil
}

func (p *parquetRows) next() (rawRow, error) {
	for p.used == p.have {
		if p.rows == nil {
			if len(p.groups) == 0 {
				return rawRow{}, io.EOF
			}
			p.rows, p.groups = p.groups[0].Rows(), p.groups[1:]
		}
		n, err := p.rows.ReadRows(p.buffer)
		p.have, p.used = n, 0
		if err != nil && err != io.EOF {
			return rawRow{}, fmt.Errorf("broken Parquet file after row %d: %w: extract it again", p.n, err)
		}
		if n == 0 {
			if err := p.rows.Close(); err != nil {
				return rawRow{}, err
			}
			p.rows = nil
		}
	}
	r := rawRow{n: p.n + 1, row: make(table.Row, len(p.t.Columns))}
	p.n++
	for _, v := range p.buffer[p.used] {
		i := p.at[v.Column()]
		if v.IsNull() {
			continue
		}
		value, err := p.value(p.t.Columns[i], v, p.units[v.Column()])
		if err != nil {
			r.bad = err
			break
		}
		r.row[i] = value
	}
	p.used++
	r.text = p.t.Describe(r.row)
	return r, nil
}

// parquetEpoch is day 0 of a Parquet DATE.
var parquetEpoch = gamedate.Date{Year: 1970, Month: time.January, Day: 1}

func (p *parquetRows) value(c table.Column, v parquet.Value, unit time.Duration) (table.Value, error) {
	integer := v.Kind() == parquet.Int32 || v.Kind() == parquet.Int64
	number := v.Int64()
	if v.Kind() == parquet.Int32 {
		number = int64(v.Int32())
	}
	switch {
	case c.Type == table.INT64 && integer:
		return table.Int(number), nil
	case c.Type == table.DATE && v.Kind() == parquet.Int32:
		return table.Date(parquetEpoch.AddDays(int(number))), nil
	case c.Type == table.TIMESTAMP && v.Kind() == parquet.Int64:
		return table.Timestamp(time.Unix(0, 0).Add(time.Duration(number) * unit)), nil
	case c.Type == table.FLOAT64 && v.Kind() == parquet.Double:
		return table.Float(v.Double()), nil
	case c.Type == table.BOOL && v.Kind() == parquet.Boolean:
		return table.Bool(v.Boolean()), nil
	case v.Kind() == parquet.ByteArray:
		return c.ParseText(string(v.ByteArray()))
	}
	return table.Null, &table.ValueError{Column: c.Name, Want: c.TypeName(), Got: v.Kind().String() + " " + v.String()}
}

// fileForm is what the bytes of a file look like.
type fileForm int

const (
	formCSV      fileForm = iota // text with a header line
	formJSON                     // one JSON object a line
	formDocument                 // one JSON document over many lines, or on one
	formParquet
)

// sniff looks at the beginning of a file: never at its name.
func sniff(path string) (fileForm, error) {
	src, err := open(path)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	head, err := src.lines.br.Peek(sniffed)
	if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
		return 0, broken(err)
	}
	if bytes.HasPrefix(head, []byte("PAR1")) {
		return formParquet, nil
	}
	text := bytes.TrimLeft(head, " \t\r\n")
	if !bytes.HasPrefix(text, []byte("{")) && !bytes.HasPrefix(text, []byte("[")) {
		return formCSV, nil
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	var object map[string]json.RawMessage
	if json.Unmarshal(first, &object) == nil { // a whole object on the first line
		_, answer := object["data"]
		_, book := object["game_code"]
		if _, players := object["active_players"]; !answer && !(book && players) {
			return formJSON, nil
		}
	}
	return formDocument, nil
}

// sniffed is how much of a file is looked at: more than any header line or first row.
const sniffed = 32 << 10

// recogniseRaw finds the raw table of a CSV, JSON-lines or Parquet file by its columns.
func recogniseRaw(path string, form fileForm) (*table.Schema, error) {
	src, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer src.file.Close()
	var names []string
	switch form {
	case formParquet:
		f, err := parquet.OpenFile(src.file, src.size)
		if err != nil {
			return nil, fmt.Errorf("broken Parquet file: %w: extract it again", err)
		}
		for _, path := range f.Schema().Columns() {
			names = append(names, strings.Join(path, "."))
		}
	case formJSON:
		l, err := newLines(counter{src.file, &src.read})
		if err != nil {
			return nil, err
		}
		line, err := l.next()
		if err != nil {
			return nil, err
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(line, &fields); err != nil {
			return nil, fmt.Errorf("line 1 is no JSON object: %w", err)
		}
		for name := range fields {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	if t := rawTableOf(names); t != nil {
		return t, nil
	}
	var tables []string
	for _, t := range boxscore.Tables {
		tables = append(tables, t.Name)
	}
	return nil, fmt.Errorf("has the columns of no raw table: found %s; name the table with --format: one of %s",
		quoted(names), strings.Join(tables, ", "))
}
