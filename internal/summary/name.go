package summary

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Lookup is the normalised form of a display name: lower-case ASCII letters and digits only, accents folded, generation
// suffixes kept ("Jaren Jackson Junior" is "jarenjacksonjr"). It is "" when nothing of the name remains. Both sources
// are normalised by it, whatever lookup they store. Lookup(Lookup(s)) == Lookup(s) for names without a spelt-out
// suffix.
func Lookup(name string) string {
	if !isASCII(name) {
		name = fold(name)
	}
	name = strings.TrimSpace(name)
	short := ""
	for _, s := range suffixes {
		head := len(name) - len(s.ending)
		if head > 0 && isSpace(name[head-1]) && strings.EqualFold(name[head:], s.ending) {
			name, short = name[:head], s.short
			break
		}
	}
	key := make([]byte, 0, len(name)+len(short))
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			key = append(key, c)
		case 'A' <= c && c <= 'Z':
			key = append(key, c-'A'+'a')
		}
	}
	return string(append(key, short...))
}

// suffixes are the last words that are written in more than one way. "Jr" without a full stop needs no rule.
var suffixes = []struct{ ending, short string }{
	{"junior", "jr"}, {"senior", "sr"}, {"jr.", "jr"}, {"sr.", "sr"},
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// WithoutPrefix drops the digits that newer play-by-play lookups carry in front ("1630552jalenjohnson").
func WithoutPrefix(lookup string) string { return strings.TrimLeft(lookup, "0123456789") }

// transliterate spells letters that canonical decomposition leaves whole.
var transliterate = strings.NewReplacer(
	"ı", "i", "İ", "I", "Ł", "L", "ł", "l", "Đ", "D", "đ", "d", "Ð", "D", "ð", "d", "Ø", "O", "ø", "o",
	"Æ", "AE", "æ", "ae", "Œ", "OE", "œ", "oe", "ß", "ss", "ẞ", "SS", "Þ", "Th", "þ", "th",
)

// fold turns a name into ASCII: compatibility forms unified, marks dropped, special letters spelt out, the rest
// dropped. White space of any script stays a blank, so that suffixes are still found.
func fold(name string) string {
	decomposed := norm.NFD.String(transliterate.Replace(norm.NFKC.String(name)))
	bare := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, decomposed)
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return -1
		}
		return r
	}, transliterate.Replace(bare)) // once more: a mark may have hidden a letter, as in Ǿ
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > unicode.MaxASCII {
			return false
		}
	}
	return true
}
