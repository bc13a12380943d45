package command

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	clockWord = regexp.MustCompile(
		`^(\d{1,2})(?:[:.](\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?)? ?([ap])?\.?(m)?\.?(z|[+-]\d\d:?\d\d|[+-]\d\d?)?$`)
	offsetWord = regexp.MustCompile(`^(?:utc|gmt)?([+-])(\d{1,2})(?::?(\d\d))?$`)
	dayWord    = regexp.MustCompile(`^(\d{1,2})(?:st|nd|rd|th)?$`)
	yearWord   = regexp.MustCompile(`^(?:19|20)\d\d$`)
	numberDate = regexp.MustCompile(`^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$`)
	dashedDate = regexp.MustCompile(`^(\d{1,2})-([a-z]{3,9})-(\d{4})$`)
	zonePlace  = regexp.MustCompile(`^[A-Z][A-Za-z]+/[A-Z][A-Za-z_/-]+$`)
	repeated   = regexp.MustCompile(`^(\S+) \(x\d+ over [^)]*\)$`)
	epochWord  = regexp.MustCompile(`^1\d{9}(?:\d{3})?$`)
)

// zoneHours are the abbreviations of time zones that mean one thing, in hours east of Greenwich.
var zoneHours = map[string]int{"z": 0, "utc": 0, "gmt": 0, "wet": 0, "cet": 1, "west": 1, "cest": 2, "eet": 2,
	"eest": 3,
	"msk":  3, "jst": 9, "kst": 9, "sgt": 8, "hkt": 8, "aest": 10, "aedt": 11, "est": -5, "edt": -4, "cdt": -5, "mst": -7,
	"mdt": -6, "pst": -8, "pdt": -7}

// doubtfulZones are the abbreviations that several zones share.
var doubtfulZones = []string{"ist", "bst", "cst", "ast", "et", "pt", "ct", "mt"}

var monthWords = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september",
	"october",
	"november", "december"}

var weekdayWords = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// named is the place of the name that s is, or begins with three letters or more; -1 for none.
func named(s string, names []string) int {
	s = strings.TrimSuffix(s, ".")
	return slices.IndexFunc(names, func(n string) bool { return len(s) > 2 && strings.HasPrefix(n, s) })
}

// zoneOf is the time zone that a word names.
func zoneOf(s string) (*time.Location, bool) {
	if hours, ok := zoneHours[s]; ok {
		return time.FixedZone("", hours*60*60), true
	}
	m := offsetWord.FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	hours, _ := strconv.Atoi(m[2])
	minutes, _ := strconv.Atoi(m[3]) // "" is 0
	if hours > 14 || minutes > 59 {
		return nil, false
	}
	seconds := (hours*60 + minutes) * 60
	if m[1] == "-" {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), true
}

// saying is what the words of a time say.
type saying struct {
	year, month, day int // 0: not said
	ago              int // days before today: 0 for today, 1 for yesterday
	weekday          int // 0: not said, 1: Sunday
	relative         bool
	iso              bool // the date is written as in a log
	clock            time.Duration
	clocked          bool
	zone             *time.Location // nil: not said
	doubtful         string         // an abbreviation that several zones share
}

// readSaying reads a time as people, kubectl and logs write it: Wed, 25 Nov 2026 09:15:00 +0100;
// yesterday 9am; 10:30 UTC. Every word must have a meaning.
func readSaying(s string) (t saying, ok bool) {
	words := strings.Fields(strings.ToLower(s))
	for i := 0; i < len(words); i++ {
		w := strings.TrimSuffix(words[i], ",")
		more := i+1 < len(words)
		if more && dayWord.MatchString(w) || more && clock.MatchString(w) {
			if half := strings.ReplaceAll(words[i+1], ".", ""); half == "am" || half == "pm" {
				w += half
				i++
				more = i+1 < len(words)
			}
		}
		if (w == "at" || w == "on" || w == "last") && more {
			continue
		}
		if date, rest, cut := strings.Cut(w, "t"); cut && numberDate.MatchString(date) {
			if !t.readDate(date) || !t.readClock(rest) {
				return t, false
			}
			continue
		}
		if !t.readDate(w) && !t.readDay(w) && !t.readClock(w) && !t.readZone(w) {
			return t, false
		}
	}
	dated := t.year != 0 && t.month != 0 && t.day != 0
	switch {
	case t.month != 0 && t.day == 0, t.month == 0 && (t.day != 0 || t.year != 0): // half a date
		return t, false
	case t.relative && (t.month != 0 || t.weekday != 0), t.weekday != 0 && t.month != 0 && !dated:
		return t, false
	case !t.relative && t.month == 0 && t.weekday == 0 && !t.clocked: // a zone alone
		return t, false
	}
	return t, true
}

func (t *saying) readDate(w string) bool {
	if t.month != 0 {
		return false
	}
	var year, month, day string
	if m := numberDate.FindStringSubmatch(w); m != nil {
		year, month, day = m[1], m[2], m[3]
		t.iso = isoDate.MatchString(w)
	} else if m := euroDate.FindStringSubmatch(w); m != nil {
		day, month, year = m[1], m[2], m[3]
		d, _ := strconv.Atoi(day)
		switch n, _ := strconv.Atoi(month); {
		case n > 12: // as in America
			day, month = month, day
		case d <= 12 && d != n && !strings.Contains(w, "."):
			return false // nobody knows which is which
		}
	} else if m := dashedDate.FindStringSubmatch(w); m != nil && named(m[2], monthWords) >= 0 {
		day, month, year = m[1], strconv.Itoa(named(m[2], monthWords)+1), m[3]
	} else {
		return false
	}
	at, err := time.Parse("2006-1-2", year+"-"+month+"-"+day)
	if err != nil {
		return false
	}
	t.year, t.month, t.day = at.Year(), int(at.Month()), at.Day()
	return true
}

// readDay reads a word of a day: today, Monday, 25th, Nov, 2026.
func (t *saying) readDay(w string) bool {
	number := func(field *int, n int) bool {
		free := *field == 0
		*field = n
		return free
	}
	if w == "today" || w == "yesterday" {
		again := t.relative
		t.relative, t.ago = true, strings.Count(w, "yester")
		return !again
	}
	if i := named(w, weekdayWords); i >= 0 {
		return number(&t.weekday, i+1)
	}
	if i := named(w, monthWords); i >= 0 {
		return number(&t.month, i+1)
	}
	if yearWord.MatchString(w) {
		n, _ := strconv.Atoi(w)
		return number(&t.year, n)
	}
	if m := dayWord.FindStringSubmatch(w); m != nil && m[1] != "0" && m[1] != "00" {
		n, _ := strconv.Atoi(m[1])
		return number(&t.day, n)
	}
	return false
}

func (t *saying) readClock(w string) bool {
	if t.clocked {
		return false
	}
	switch w {
	case "noon", "midday":
		t.clock, t.clocked = 12*time.Hour, true
		return true
	case "midnight":
		t.clocked = true
		return true
	}
	m := clockWord.FindStringSubmatch(w)
	if m == nil || m[2] == "" && m[4] == "" || (m[4] == "") != (m[5] == "") {
		return false
	}
	hour, _ := strconv.Atoi(m[1])
	minute, _ := strconv.Atoi(m[2])
	second, _ := strconv.Atoi(m[3])
	if m[4] != "" {
		if hour < 1 || hour > 12 {
			return false
		}
		hour %= 12
		if m[4] == "p" {
			hour += 12
		}
	}
	if hour > 23 || minute > 59 || second > 59 {
		return false
	}
	t.clocked = true
	t.clock = time.Duration((hour*60+minute)*60+second) * time.Second
	if strings.HasPrefix(m[6], "-") && t.month == 0 {
		return false // 09:00-10:00 is two times
	}
	return m[6] == "" || t.readZone(m[6])
}

func (t *saying) readZone(w string) bool {
	if t.zone != nil || t.doubtful != "" {
		return false
	}
	if slices.Contains(doubtfulZones, w) {
		t.doubtful = strings.ToUpper(w)
		return true
	}
	zone, ok := zoneOf(w)
	t.zone = zone
	return ok
}

// time is the moment that the words mean. It is sure where no other can be meant; where a zone or
// a year is missing, or a day was guessed, it is not. ok is false if there is no such day.
func (t saying) time(now time.Time) (at time.Time, sure, ok bool) {
	zone := t.zone
	if zone == nil {
		zone = time.UTC
	}
	today := now.In(zone)
	on := func(year, month, day int) time.Time {
		return time.Date(year, time.Month(month), day, 0, 0, 0, 0, zone).Add(t.clock)
	}
	sure = t.zone != nil || t.iso
	switch {
	case t.month != 0:
		year := t.year
		if year == 0 {
			sure, year = false, today.Year()
			if on(year, t.month, t.day).After(now) {
				year--
			}
		}
		at = on(year, t.month, t.day)
		if at.Day() != t.day || t.weekday != 0 && int(at.Weekday()) != t.weekday-1 {
			return at, false, false
		}
	case t.weekday != 0:
		sure = false
		back := (int(today.Weekday()) - (t.weekday - 1) + 7) % 7
		at = on(today.Year(), int(today.Month()), today.Day()-back)
		if at.After(now) {
			at = on(today.Year(), int(today.Month()), today.Day()-back-7)
		}
	default:
		at = on(today.Year(), int(today.Month()), today.Day()-t.ago)
		if !t.relative && at.After(now) {
			sure, at = false, on(today.Year(), int(today.Month()), today.Day()-1)
		}
	}
	return at.UTC().Truncate(time.Second), sure, true
}

// sayTime is the moment that a person's words mean, see saying.
func sayTime(s string, now time.Time) (at time.Time, sure, ok bool) {
	if epochWord.MatchString(s) {
		n, _ := strconv.ParseInt(s, 10, 64)
		if len(s) > 10 {
			n /= 1000
		}
		return time.Unix(n, 0).UTC(), false, true
	}
	t, ok := readSaying(s)
	if !ok || t.doubtful != "" {
		return at, false, false
	}
	return t.time(now)
}

// bareSpan is a span without the words that people put around it: the last 2 hours, 2h ago.
func bareSpan(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 4 && strings.EqualFold(s[len(s)-4:], " ago") {
		return strings.TrimSpace(s[:len(s)-4])
	}
	if m := beforeSpan.FindString(s); m != "" {
		return s[len(m):]
	}
	return s
}

var (
	beforeSpan = regexp.MustCompile(`(?i)^(?:than|(?:the )?(?:last|past)) `)
	someOne    = regexp.MustCompile(`(?i)^(?:an?|one) `)
)

// meansTime reports whether words are a time or a span of it, if perhaps not in a form that is
// accepted.
func meansTime(s string, now time.Time) bool {
	if t, ok := readSaying(s); ok {
		_, _, ok = t.time(now)
		return ok
	}
	if _, ok := parseTime(s); ok || repeated.MatchString(s) {
		return true
	}
	return looseDuration(bareSpan(s)) != ""
}

// timeWords is the most words that a time has: Wed Nov 25 09:15:00 pm UTC 2026.
const timeWords = 8

// timeTakes is how many of the words after a time's first belong to it.
func timeTakes(value word, rest []word, now time.Time) int {
	s, took := value.text, 0
	for i, w := range rest {
		if i == timeWords || w.quoted || w.text == "" || w.flaggy() && !w.negative() {
			break
		}
		if s += " " + w.text; meansTime(undot(s), now) {
			took = i + 1
		}
	}
	return took
}

// timeApart finds what follows a time as if it belonged to it, and does not.
func timeApart(value, next string) (string, string) {
	n := strings.ToLower(undot(next))
	_, zone := zoneOf(n)
	_, err := ParseDuration(bareSpan(value))
	switch {
	case zonePlace.MatchString(undot(next)):
		return "", shown(next) + " does not go with " + shown(value) + "; write the hours from UTC, as in +01:00"
	case n == "am", n == "pm", err != nil && (zone || clock.MatchString(n)):
		return "", shown(next) + " does not go with " + shown(value)
	case strings.HasPrefix(n, "(x"), n == "ago", zone, slices.Contains(doubtfulZones, n),
		offsetWord.MatchString(n), clock.MatchString(n):
		return value, shown(next) + " does not go with " + shown(value) +
			"; to look for the word, quote it"
	}
	return "", ""
}

// bindsBack reports whether a word, unquoted, would be read as a part of what stands before it, or
// as a filter without its dashes.
func bindsBack(s string) bool {
	if zonePlace.MatchString(undot(s)) {
		return true
	}
	s = strings.ToLower(undot(s))
	_, zone := zoneOf(s)
	switch s {
	case "or", "and", "am", "pm", "ago", "noon", "midday", "midnight", "since", "until", "last", "past", "the", "today",
		"yesterday":
		return true
	}
	return zone || looseDuration(s) != "" || slices.Contains(doubtfulZones, s) || named(s, weekdayWords) >= 0
}
