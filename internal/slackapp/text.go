package slackapp

import (
	"strings"
	"unicode/utf16"

	"rollcall/internal/message"
)

// units is the length of a string as Slack counts it at worst.
func units(s string) int { return message.Units(s) }

// clip cuts valid UTF-8 to at most n units, ending in … if it cut.
func clip(s string, n int) string {
	if units(s) <= n {
		return s
	}
	n-- // for the …
	for i, r := range s {
		if n -= utf16.RuneLen(r); n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// clean makes a string one that a block takes: never empty, and with nothing in it that message.Clean takes out. The
// cluster's texts are clean since they came in; those of a ledger that an older Rollcall has filled may not be.
func clean(s string) string {
	if s = message.Clean(s); s == "" {
		return " "
	}
	return s
}

// escape makes text inert where Slack parses it, and at most limit characters long. Only three
// characters carry meaning there; none of their entities is cut in half.
func escape(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range clean(s) {
		out := string(r)
		switch r {
		case '&':
			out = "&amp;"
		case '<':
			out = "&lt;"
		case '>':
			out = "&gt;"
		}
		if n += units(out); n >= limit {
			b.WriteString("…")
			break
		}
		b.WriteString(out)
	}
	return b.String()
}
