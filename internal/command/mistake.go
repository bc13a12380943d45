package command

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Mistake is what is wrong with a text, or with one value of a form. It holds what the person
// wrote: show it to nobody else, and as plain text.
type Mistake struct {
	Command string // /nodes or /events; "" for a value alone
	Text    string // the whole text as it was understood: escapes undone, quotes and dashes plain
	At, End int    // the part of Text that is wrong, in bytes, at the boundaries of runes
	Problem string // what was found and what was expected; no full stop
	Nearest string // the flag, value or whole command that was probably meant, "" if none
	Example string // something right, where there is no Nearest
	Fix     string // a whole command that is right and probably meant, "" if none is known

	replace string // what would be right in Text instead of the part from cut to cutEnd
	cut     int
	cutEnd  int
	raw     bool // Nearest is more than a value, and goes without quotes
}

// Error is the mistake as one line.
func (m *Mistake) Error() string {
	switch {
	case m.Nearest != "":
		return m.Problem + "; did you mean " + m.Nearest + "?"
	case strings.HasSuffix(m.Example, " help"):
		return m.Problem + "; see " + m.Example
	case m.Example != "":
		return m.Problem + "; write for example " + m.Example
	}
	return m.Problem
}

// Marked is the text in three parts, of which the second is wrong. It is empty where something
// is missing.
func (m *Mistake) Marked() (before, bad, after string) {
	return m.Text[:m.At], m.Text[m.At:m.End], m.Text[m.End:]
}

// wrong is a mistake that is a part of one value.
func wrong(value string, at, end int, problem, nearest, example string) *Mistake {
	return &Mistake{Text: value, At: at, End: end, Problem: problem, Nearest: nearest, Example: example}
}

// all is a mistake that is the whole of a value.
func all(value, problem, nearest, example string) *Mistake {
	return wrong(value, 0, len(value), problem, nearest, example)
}

// asMistake is the *Mistake that an error of this package is.
func asMistake(err error) *Mistake {
	m, _ := errors.AsType[*Mistake](err)
	return m
}

// shown is a text in quotes, for a problem: short enough to be read on a phone.
func shown(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return `"` + s + `"`
}

// orList is "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// tooLong is the mistake of a text that nobody typed.
func tooLong(command, text, problem string) *Mistake {
	return &Mistake{Command: command, Text: text, At: len(text), End: len(text), Problem: problem,
		Example: command + " help"}
}

// mend fills in m.Fix, if what m takes for right is right indeed.
func (m *Mistake) mend(right func(wholeCommand string) (string, bool)) {
	try := m.Nearest
	if m.replace != "" {
		try = m.Command + " " + escape(m.Text[:m.cut]+m.replace+m.Text[m.cutEnd:])
	}
	if !strings.HasPrefix(try, "/nodes") && !strings.HasPrefix(try, "/events") {
		return
	}
	if fixed, ok := right(try); ok {
		m.Fix = fixed
	}
}

// swap says what would be right instead of the part of Text from cut to end.
func (m *Mistake) swap(cut, end int, right string) *Mistake {
	m.cut, m.cutEnd, m.replace = cut, end, right
	return m
}

func problem(format string, args ...any) string { return fmt.Sprintf(format, args...) }
