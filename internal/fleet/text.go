package fleet

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanText makes text from the cluster show what it says, whoever wrote it, and nothing else:
//
//   - what is not UTF-8 becomes U+FFFD;
//   - line and paragraph separators, and control characters other than the line break, become spaces;
//   - what has no width or turns the direction of the text around it is dropped: bidirectional controls, zero-width
//     spaces and joiners, tags, fillers, and the C1 control characters. A joined emoji falls into those that it is
//     made of.
//
// Cleaning clean text returns it as it is, and allocates nothing.
func CleanText(s string) string {
	if clean(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	var b strings.Builder
	b.Grow(len(s))
	last := rune(0)
	for _, r := range s {
		if r = shown(r, last); r >= 0 {
			b.WriteRune(r)
			last = r
		}
	}
	return b.String()
}

// clean reports whether CleanText has nothing to do.
func clean(s string) bool {
	last := rune(0)
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
		if shown(r, last) != r {
			return false
		}
		last = r
	}
	return true
}

// shown is what CleanText makes of a rune that follows last: the rune itself, a space, or -1 for nothing.
func shown(r, last rune) rune {
	switch {
	case r >= ' ' && r < 0x7f, r == '\n':
		return r
	case r <= 0x7f, r == '\u0085', unicode.In(r, unicode.Zl, unicode.Zp):
		return ' '
	case r == '\uFE0F' && unicode.Is(unicode.So, last):
		return r // shows a symbol as an emoji, as our own words do
	case unicode.In(r, unicode.Cc, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return -1
	case unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r):
		return -1
	}
	return r
}

// Cut makes text at most so many bytes long: what is longer ends in an ellipsis, and no character is cut in half. The
// result of a cut keeps nothing of the longer text in memory.
func Cut(s string, bytes int) string {
	const ellipsis = "…"
	if len(s) <= bytes {
		return s
	}
	end := max(0, bytes-len(ellipsis))
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
