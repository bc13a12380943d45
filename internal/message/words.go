package message

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"rollcall/internal/fleet"
)

// Clean makes text show what it says and nothing else: see fleet.CleanText. Every sink asks for it, whatever the text.
func Clean(s string) string { return fleet.CleanText(s) }

// Clip cuts s to at most n runes, ending in … if it cut.
func Clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// OneWord makes a name fit a headline: short, and on one line.
func OneWord(s string) string { return Clip(strings.Join(strings.Fields(s), " "), 80) }

// Count says how many there are of something: 1 node, 3 nodes.
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// AtLeast is Count of what was not counted to the end if capped is set: 20000+ nodes.
func AtLeast(n int, capped bool, thing string) string {
	if !capped {
		return Count(n, thing)
	}
	return fmt.Sprintf("%d+ %ss", n, thing)
}

// Thousands writes a whole number with commas.
func Thousands(n float64) string {
	text := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Duration shows a duration in its two largest units: 41 s, 3 m 10 s, 3 h 12 m, 2 d 4 h.
func Duration(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.size {
			continue
		}
		s := fmt.Sprintf("%d %s", d/u.size, u.name)
		if i+1 < len(units) {
			if rest := (d % u.size) / units[i+1].size; rest > 0 {
				s += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return s
	}
	return "0 s"
}

// Length is how long the period is.
func (p Period) Length() time.Duration { return p.Until.Sub(p.From) }

// Has reports whether a moment is within the period; the zero time never is.
func (p Period) Has(t time.Time) bool { return !t.IsZero() && !t.Before(p.From) && t.Before(p.Until) }

// ClockSpan words the period in UTC, for a line that cannot be shown in each reader's zone:
// 09:12–09:31 UTC.
func (p Period) ClockSpan() string {
	from, until := p.From.UTC(), p.Until.UTC()
	form := "15:04"
	if until.Sub(from) < time.Minute {
		form = "15:04:05"
	}
	if from.YearDay() != until.YearDay() || from.Year() != until.Year() {
		return from.Format("2 Jan "+form) + " – " + until.Format("2 Jan "+form) + " UTC"
	}
	return from.Format(form) + "–" + until.Format(form) + " UTC"
}

// Units is the length of a string in UTF-16 code units, which is how Slack counts at worst.
func Units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
