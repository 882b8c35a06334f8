package archtest

import (
	"bytes"
	"go/scanner"
	"go/token"
	"unicode/utf8"
)

// MaxLine is how many characters a line of Go source has at most, a tab counting one.
const MaxLine = 120

// LongLines returns the numbers of the lines of a Go source that are longer than [MaxLine]. Lines that hold a raw
// string, or a part of one, may be: struct tags cannot be broken, and a break within SQL or JSON is part of the text.
func LongLines(src []byte) []int {
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, 0)
	raw := map[int]bool{}
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			break
		}
		if tok == token.STRING && literal[0] == '`' {
			first := file.Line(pos)
			for line := first; line <= first+bytes.Count([]byte(literal), []byte("\n")); line++ {
				raw[line] = true
			}
		}
	}
	var long []int
	for i, line := range bytes.Split(src, []byte("\n")) {
		if utf8.RuneCount(line) > MaxLine && !raw[i+1] {
			long = append(long, i+1)
		}
	}
	return long
}
