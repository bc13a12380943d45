package message

import (
	"regexp"
	"strings"
)

// signs are what screen readers pass over or name by their shape, and the words for it.
var signs = strings.NewReplacer(" → ", " to ", "→", " to ", " · ", ", ",
	"≤ ", "at most ", "≥ ", "at least ", "≈ ", "about ", "◀ ", "", " ▶", "", "▸", "", "◂", "", "…", "")

var (
	before = regexp.MustCompile(`(\d)× `)               // 2× m5.large
	behind = regexp.MustCompile(`\(?×(\d+)\)?`)         // (×12)
	less   = regexp.MustCompile(`(^|[\s(])[−-](\$?\d)`) // −$0.44/h
	more   = regexp.MustCompile(`(^|[\s(])\+(\$?\d)`)
)

// Spoken is a text as somebody would read it aloud: signs have become words. Screen readers say the text of a message
// instead of its blocks, and phones show it.
func Spoken(s string) string {
	s = before.ReplaceAllString(s, "$1 ")
	s = behind.ReplaceAllString(s, "$1 times")
	s = less.ReplaceAllString(s, "${1}minus $2")
	s = more.ReplaceAllString(s, "${1}plus $2")
	return signs.Replace(s)
}
