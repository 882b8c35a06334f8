package feed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
)

// MaxLine is the longest line accepted, in bytes. The longest line of the real feeds has about 200.
const MaxLine = 1 << 20

// source is one opened file: its lines, decompressed when the first two bytes are gzip's.
type source struct {
	file  *os.File
	read  int64 // bytes taken from the file, compressed ones when it is compressed
	lines *lines
}

// open checks that path is a regular, non-empty file and finds its lines.
func open(path string) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, errors.New("is a directory: name the files in it")
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file: it is read twice, so save it first")
	case info.Size() == 0:
		return nil, errors.New("is empty: fetch it again")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &source{file: file}
	if s.lines, err = newLines(counter{file, &s.read}); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

func (s *source) Close() error { return s.file.Close() }

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n *int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

// lines yields the lines of a text file one by one, at most MaxLine bytes each, all of them UTF-8.
type lines struct {
	br  *bufio.Reader
	n   int // number of the last line, 1 is the header
	buf []byte
}

// newLines finds out by the first bytes whether r is gzip, and refuses text that is not UTF-8 by its mark.
func newLines(r io.Reader) (*lines, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := br.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, broken(err)
		}
		br = bufio.NewReaderSize(zr, 64<<10)
	}
	mark, err := br.Peek(3)
	if err != nil && err != io.EOF {
		return nil, broken(err)
	}
	switch {
	case bytes.HasPrefix(mark, []byte{0xff, 0xfe}), bytes.HasPrefix(mark, []byte{0xfe, 0xff}):
		return nil, errors.New("is UTF-16 text: convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)")
	case bytes.Equal(mark, []byte("\ufeff")):
		br.Discard(3) // cannot fail: the bytes were peeked
	}
	return &lines{br: br}, nil
}

// broken says of a read error what to do about it.
func broken(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return fmt.Errorf("broken or cut-off gzip: %w: fetch it again", err)
	}
	return fmt.Errorf("read: %w", err)
}

// next is the next line without its line end, valid until the following call; io.EOF after the last. An error is about
// the whole file: a line that is too long, is not text or cannot be read.
func (l *lines) next() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.br.ReadSlice('\n')
		if len(l.buf)+len(part) > MaxLine {
			return nil, fmt.Errorf("line %d is longer than %d bytes: is this a CSV file?", l.n+1, MaxLine)
		}
		if err == nil && len(l.buf) == 0 {
			return l.line(part) // the common case: no copy
		}
		l.buf = append(l.buf, part...)
		switch {
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(l.buf) == 0:
			return nil, io.EOF
		case err == nil, err == io.EOF:
			return l.line(l.buf)
		default:
			return nil, fmt.Errorf("after line %d: %w", l.n, broken(err))
		}
	}
}

func (l *lines) line(b []byte) ([]byte, error) {
	l.n++
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte{'\n'}), []byte{'\r'})
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("line %d is not UTF-8 text: %s: convert the file to UTF-8", l.n,
			clip(fmt.Sprintf("%q", b), 80))
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, fmt.Errorf("line %d holds a NUL byte: %s: this is not UTF-8 text", l.n, clip(fmt.Sprintf("%q", b), 80))
	}
	return b, nil
}

// clip cuts s to at most n bytes at a rune's edge and marks the cut.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
