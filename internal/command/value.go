package command

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"rollcall/internal/nearest"
	"rollcall/internal/query"
)

// longest is the longest span of time that is understood: 100 years.
const longest = 36525 * 24 * time.Hour

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// units are those of Go, and days and weeks.
var units = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": day, "w": week,
}

// unitWords are the units as people write them. Months and years are of 30 and 365 days.
var unitWords = map[string]struct {
	unit string
	of   int
}{
	"s": {"s", 1}, "sec": {"s", 1}, "second": {"s", 1}, "m": {"m", 1}, "min": {"m", 1}, "minute": {"m", 1},
	"h": {"h", 1}, "hr": {"h", 1}, "hour": {"h", 1}, "d": {"d", 1}, "day": {"d", 1}, "w": {"w", 1}, "wk": {"w", 1},
	"week": {"w", 1}, "mo": {"d", 30}, "mon": {"d", 30}, "month": {"d", 30}, "y": {"d", 365}, "yr": {"d", 365},
	"year": {"d", 365},
}

func unitWord(s string) (unit string, of int, ok bool) {
	s = strings.ToLower(s)
	u, ok := unitWords[s]
	if !ok && len(s) > 2 {
		u, ok = unitWords[strings.TrimSuffix(s, "s")]
	}
	return u.unit, u.of, ok
}

var (
	spelledPart = regexp.MustCompile(`^(\d{1,6}(?:\.\d{1,3})?) ?([a-z]+)(,? and |, ?| )?`)
	spanPart    = regexp.MustCompile(`^(\d{1,18}(?:\.\d{1,9})?|\.\d{1,9})([a-zµμ]+)`)
	looseSpan   = regexp.MustCompile(`^(\d{1,6}(?:[.,]\d{1,3})?)? ?([a-z]*)(?:,? and |, ?| )?`)
	digits      = regexp.MustCompile(`^\d{1,18}(?:[.,]\d+)?$`)
)

// ParseDuration reads a span of time: Go's form with days and weeks, as in 90m, 1.5h, 1d12h, 2w.
// It is at least a second, at most 100 years, and rounded to whole seconds. The error is a
// *Mistake.
func ParseDuration(value string) (time.Duration, error) {
	s := bareSpan(undot(value))
	if s == "" {
		return 0, all(value, "a span of time is missing", "", "2h")
	}
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		near := ""
		if d, err := ParseDuration(rest); err == nil {
			near = FormatDuration(d)
		}
		return 0, all(value, shown(s)+" is negative, and spans of time reach back from now", near, "2h")
	}
	if digits.MatchString(s) {
		if strings.Trim(s, "0.,") == "" {
			return 0, all(value, shown(s)+" is no span of time; it must be at least a second", "", "2h")
		}
		example := strings.ReplaceAll(s, ",", ".") + "h"
		if n, _ := strconv.ParseFloat(example[:len(example)-1], 64); n > longest.Hours() {
			example = "2h"
		}
		return 0, all(value, shown(s)+" has no unit: s, m, h, d or w", "", example)
	}
	if d := spelledSpan(s); d != 0 {
		return d, nil
	}
	var sum float64
	for rest := s; rest != ""; {
		m := spanPart.FindStringSubmatch(rest)
		if m == nil || units[m[2]] == 0 {
			return 0, all(value, shown(s)+" is not a span of time, which is numbers with the units s, m, h, d and w",
				looseDuration(s), "1d12h")
		}
		n, _ := strconv.ParseFloat(m[1], 64)
		sum += n * float64(units[m[2]])
		rest = rest[len(m[0]):]
	}
	switch {
	case sum > float64(longest):
		return 0, all(value, shown(s)+" is more than 100 years", "", "52w")
	case sum == 0:
		return 0, all(value, shown(s)+" is no span of time; it must be at least a second", "", "2h")
	case sum < float64(time.Second):
		return 0, all(value, shown(s)+" is less than a second", "", "2h")
	}
	return time.Duration(math.Round(sum/float64(time.Second))) * time.Second, nil
}

// spelledSpan is a span in several words, 0 if it is none: 1d 12h, 2 hours, 1 day and 12 hours. Each
// unit is smaller than the one before; months and years are left out, because they differ.
func spelledSpan(s string) time.Duration {
	if strings.Contains(s, "M") { // minutes or months
		return 0
	}
	s = strings.ToLower(s)
	var sum float64
	least := longest
	for rest := s; rest != ""; {
		m := spelledPart.FindStringSubmatch(rest)
		if m == nil {
			return 0
		}
		unit, of, ok := unitWord(m[2])
		if !ok || of != 1 || units[unit] >= least {
			return 0
		}
		n, _ := strconv.ParseFloat(m[1], 64)
		least = units[unit]
		sum += n * float64(least)
		rest = rest[len(m[0]):]
		if rest == "" && m[3] != "" {
			return 0
		}
	}
	if sum < float64(time.Second) || sum > float64(longest) {
		return 0
	}
	return time.Duration(math.Round(sum/float64(time.Second))) * time.Second
}

// looseDuration is the span that a person meant, "" if that is not clear.
func looseDuration(s string) string {
	s = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(s, "+")))
	s = someOne.ReplaceAllString(s, "1 ")
	var sum float64
	last := ""
	for rest := s; rest != ""; {
		m := looseSpan.FindStringSubmatch(rest)
		if m == nil || m[0] == "" {
			return ""
		}
		if m[1] == "" && m[2] != s {
			return ""
		}
		n := 1.0
		if m[1] != "" {
			n, _ = strconv.ParseFloat(strings.ReplaceAll(m[1], ",", "."), 64)
		}
		unit, of, ok := unitWord(m[2])
		if m[2] == "" && last == "h" && len(m[0]) == len(rest) && len(m[1]) == 2 { // 2h30
			unit, of, ok = "m", 1, true
		}
		if !ok {
			return ""
		}
		sum += n * float64(of) * float64(units[unit])
		rest, last = rest[len(m[0]):], unit
		if strings.HasSuffix(m[0], " ") {
			last = "" // 2h 30 may be a word to look for
		}
	}
	if sum < float64(time.Second) || sum > float64(longest) {
		return ""
	}
	return FormatDuration(time.Duration(math.Round(sum/float64(time.Second))) * time.Second)
}

// FormatDuration writes a span of whole seconds as ParseDuration reads it: 2w, 1d12h, 1h30m.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	if d%week == 0 {
		return strconv.Itoa(int(d/week)) + "w"
	}
	var b strings.Builder
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / u.of; n > 0 {
			b.WriteString(strconv.Itoa(int(n)) + u.name)
			d -= n * u.of
		}
	}
	return b.String()
}

// Moment is a point in time as a person gave it: a span before whenever it is asked about, or a
// fixed time. The zero value is no moment.
type Moment struct {
	Ago time.Duration // whole seconds; 0 if At says it
	At  time.Time     // UTC, whole seconds
}

// IsZero reports whether no moment was given.
func (m Moment) IsZero() bool { return m.Ago == 0 && m.At.IsZero() }

// Time is the moment, seen from now; zero if none was given.
func (m Moment) Time(now time.Time) time.Time {
	if m.Ago != 0 {
		return now.Add(-m.Ago)
	}
	return m.At
}

// String is the moment as ParseMoment reads it, "" for none.
func (m Moment) String() string {
	switch {
	case m.Ago != 0:
		return FormatDuration(m.Ago)
	case m.At.IsZero():
		return ""
	}
	at := m.At.UTC()
	switch {
	case at.Truncate(day).Equal(at):
		return at.Format(time.DateOnly)
	case at.Second() == 0:
		return at.Format(minutes)
	}
	return at.Format(time.RFC3339)
}

const minutes = "2006-01-02T15:04"

var (
	clock     = regexp.MustCompile(`^([01]?\d|2[0-3])[:.]([0-5]\d)(?::([0-5]\d))?$`)
	isoDate   = regexp.MustCompile(`^\d{4}-\d{1,2}-\d{1,2}$`)
	dateLike  = regexp.MustCompile(`^\d{4}[-/.]\d{1,2}[-/.]\d`)
	euroDate  = regexp.MustCompile(`^(\d{1,2})[./-](\d{1,2})[./-](\d{4})$`)
	timeForms = []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", minutes, time.DateOnly}
)

// ParseMoment reads a span before now (see ParseDuration) or a time: a date, 2006-01-02T15:04,
// the same with seconds, or RFC 3339; also with a blank before the time of day or the zone. A time
// without a zone is UTC, and so is a day's beginning. Where a zone is said, a time is read as
// people, kubectl and logs write it: 10:30 UTC, Wed, 25 Nov 2026 09:15:00 +0100. The error is a
// *Mistake.
func ParseMoment(value string, now time.Time) (Moment, error) {
	s := strings.Join(strings.Fields(undot(value)), " ")
	at, sure := parseTime(s)
	meant := sure
	if !sure {
		at, sure, meant = sayTime(s, now)
	}
	if meant {
		if far := at.Sub(now); far > longest || far < -longest {
			return Moment{}, all(value, shown(s)+" is more than 100 years away", "", "2h")
		}
	}
	example := now.UTC().Format(minutes)
	switch {
	case sure:
		return Moment{At: at}, nil
	case meant:
		return Moment{}, all(value,
			problem("%s is not written as times are: 2h, %s or %s (UTC)", shown(s), example[:len(time.DateOnly)], example),
			Moment{At: at}.String(), "")
	}
	if t, ok := readSaying(s); ok && t.doubtful != "" {
		return Moment{}, all(value, t.doubtful+" stands for several time zones; write the hours from UTC, as in +05:30", "",
			example+"+05:30")
	}
	if m := repeated.FindStringSubmatch(s); m != nil {
		if d, err := ParseDuration(m[1]); err == nil {
			return Moment{}, all(value, "what is in parentheses says how often an event came, not since when",
				FormatDuration(d), "")
		}
	}
	if dateLike.MatchString(s) {
		return Moment{}, all(value, shown(s)+" is not a date, or a date and time, that exists", "", example)
	}
	d, err := ParseDuration(bareSpan(s))
	if m := asMistake(err); m != nil {
		m.Text, m.At, m.End = value, 0, len(value)
		return Moment{}, m
	}
	return Moment{Ago: d}, nil
}

func parseTime(s string) (time.Time, bool) {
	for _, form := range timeForms {
		if t, err := time.Parse(form, strings.ToUpper(s)); err == nil {
			return t.UTC().Truncate(time.Second), true
		}
	}
	return time.Time{}, false
}

// undot takes away blanks around a value, and one full stop after it, which phones put there.
func undot(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1 {
		s = strings.TrimSuffix(s, ".")
	}
	return s
}

// oneOf is the word of ours that s is, whatever its case and with a full stop of a phone.
func oneOf(s string, words ...string) (string, bool) {
	s = undot(s)
	i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, s) })
	if i < 0 {
		return "", false
	}
	return words[i], true
}

// parts are the alternatives of a list, between commas, and where each begins. Empty ones are
// left out: a comma at the end is no alternative.
func parts(value string) (alternatives []string, at []int) {
	begin := 0
	for s := range strings.SplitSeq(value, ",") {
		if t := strings.TrimSpace(s); t != "" {
			alternatives = append(alternatives, t)
			at = append(at, begin+strings.Index(s, t))
		}
		begin += len(s) + 1
	}
	return alternatives, at
}

// mention is the mistake of a value that a mention cannot be, nil if s is none.
func mention(value string, at int, s, what string) *Mistake {
	if !strings.HasPrefix(s, "@") && !strings.HasPrefix(s, "#") {
		return nil
	}
	return wrong(value, at, at+len(s), shown(s)+" is a mention, which cannot be used as "+what, "", "")
}

// alternatives reads a list of values, each of which read checks and makes canonical. Twice the
// same counts once.
func alternatives(value, what, example string, read func(string) (string, *Mistake)) ([]string, error) {
	list, at := parts(value)
	if len(list) == 0 {
		return nil, all(value, what+" is missing", "", example)
	}
	var out []string
	for i, s := range list {
		if m := mention(value, at[i], s, what); m != nil {
			m.Example = example
			return nil, m
		}
		v, m := read(s)
		if m != nil {
			if m.Nearest != "" {
				m.Nearest = value[:at[i]] + m.Nearest + value[at[i]+len(s):]
			}
			m.Text, m.At, m.End = value, m.At+at[i], m.End+at[i]
			m.Example = cmp.Or(m.Example, example)
			return nil, m
		}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out, nil
}

// character names a character that is wrong: one that cannot be seen has a name.
func character(r rune) string {
	switch {
	case r == ' ':
		return "a blank"
	case !unicode.IsGraphic(r) || unicode.IsSpace(r):
		return fmt.Sprintf("the invisible character U+%04X", r)
	}
	return "the character " + string(r)
}

// glob checks a glob that stands for names and the like.
func glob(s, what string) (string, *Mistake) {
	if utf8.RuneCountInString(s) > 253 {
		return "", all(s, shown(s)+" is too long for "+what, "", "")
	}
	for i, r := range s {
		if globRune(r) {
			continue
		}
		problem := character(r) + " cannot stand in " + what
		near := ""
		if r == ' ' {
			problem = shown(s) + " has a blank, and " + what + " has none"
			if near = orWord.ReplaceAllString(s, ","); near == s || strings.Contains(near, " ") {
				near = ""
			}
		}
		return "", wrong(s, i, i+utf8.RuneLen(r), problem, near, "")
	}
	return s, nil
}

// orWord stands between alternatives where people write no comma.
var orWord = regexp.MustCompile(`(?i) +(?:or|and) +`)

// regexpRunes have a meaning in regular expressions or shells, and none in globs.
const regexpRunes = `[]{}()^$+|\`

// unregexp is the glob that a regular expression or a list in braces means, "" if there is none.
func unregexp(s string) string {
	t := strings.NewReplacer(".*", "*", ".+", "*", `\.`, ".", "^", "", "$", "", "+", "*").Replace(s)
	t = strings.NewReplacer("(", "{", ")", "}", "|", ",").Replace(t)
	if before, rest, ok := strings.Cut(t, "{"); ok {
		middle, after, closed := strings.Cut(rest, "}")
		if !closed || middle == "" {
			return ""
		}
		var each []string
		for m := range strings.SplitSeq(middle, ",") {
			each = append(each, before+m+after)
		}
		t = strings.Join(each, ",")
	}
	if t == s || strings.Trim(t, ",") == "" ||
		strings.ContainsFunc(t, func(r rune) bool { return r != ',' && !globRune(r) }) {
		return ""
	}
	return t
}

func globRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-:/*?", r)
}

// notGlob is the mistake of a list of globs that is a regular expression or a list in braces, nil
// if it is neither. It looks at the list before commas part it.
func notGlob(value, what string) *Mistake {
	i := strings.IndexAny(value, regexpRunes)
	if i < 0 {
		return nil
	}
	near := unregexp(value)
	if strings.Contains(value, ".+") && strings.Contains(what, "type") {
		near = unregexp(strings.ReplaceAll(value, ".+", `\.*`)) // m5.+ is the family m5
	}
	return wrong(value, i, i+1,
		value[i:i+1]+" means nothing in a glob, which knows only * (anything) and ? (one character)", near, "")
}

// ParseGlobs reads alternatives between commas, each a glob in which * stands for anything and
// ? for one character. The error is a *Mistake.
func ParseGlobs(value string) ([]string, error) {
	return globs("a glob", "m5.*")(value)
}

func globs(what, example string) func(string) ([]string, error) {
	return func(value string) ([]string, error) {
		if m := notGlob(value, what); m != nil {
			if m.Nearest == "" {
				m.Example = example
			}
			return nil, m
		}
		return alternatives(value, what, example, func(s string) (string, *Mistake) { return glob(s, what) })
	}
}

// otherArches are names of architectures that Kubernetes has others for.
var otherArches = map[string]string{"x86_64": "amd64", "x86-64": "amd64", "x64": "amd64", "x86": "amd64",
	"intel": "amd64", "amd": "amd64", "aarch64": "arm64", "graviton": "arm64"}

func parseArches(value string) ([]string, error) {
	const what = "an architecture"
	return alternatives(value, what, "arm64", func(s string) (string, *Mistake) {
		if right := otherArches[strings.ToLower(s)]; right != "" {
			return "", all(s, shown(s)+" is called "+right+" in Kubernetes", right, "")
		}
		return glob(s, what)
	})
}

var capacities = []string{"spot", "on-demand", "reserved"}

func parseCapacities(value string) ([]string, error) {
	return alternatives(value, "a capacity type", "spot", func(s string) (string, *Mistake) {
		if c, ok := oneOf(s, capacities...); ok {
			return c, nil
		}
		near := nearest.Word(s, capacities...)
		switch strings.ToLower(s) {
		case "od", "regular", "standard", "normal":
			near = "on-demand"
		case "preemptible", "interruptible":
			near = "spot"
		}
		return "", all(s, shown(s)+" is not a capacity type: "+orList(capacities), near, "")
	})
}

func parseNamespaces(value string) ([]string, error) {
	const what = "a namespace"
	return alternatives(value, what, "kube-system", func(s string) (string, *Mistake) {
		for i, r := range s {
			if !(r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("-*?", r)) {
				return "", wrong(s, i, i+utf8.RuneLen(r), character(r)+" cannot stand in a namespace", "", "")
			}
		}
		if len(s) > 63 {
			return "", all(s, shown(s)+" is too long for a namespace, which has at most 63 characters", "", "")
		}
		return strings.ToLower(s), nil // namespaces always are
	})
}

func parseReasons(value string) ([]string, error) {
	const what, example = "a reason", "Failed*"
	m := notGlob(value, what)
	if i := strings.Index(value, ".*"); m == nil && i >= 0 {
		m = wrong(value, i, i+1, "reasons have no dots, and a glob's * alone stands for anything",
			strings.ReplaceAll(value, ".*", "*"), "")
	}
	if m != nil {
		if m.Nearest == "" {
			m.Example = example
		}
		return nil, m
	}
	return alternatives(value, what, example, func(s string) (string, *Mistake) {
		if utf8.RuneCountInString(s) > 128 {
			return "", all(s, shown(s)+" is too long for a reason, which has at most 128 characters", "", "")
		}
		return s, nil
	})
}

var (
	eventTypes   = []string{"Warning", "Normal"}
	instanceLike = regexp.MustCompile(
		`^(?:[a-z]+\d[a-z0-9-]*\.[a-z0-9*?-]+|(?:[a-z]\d[a-z]?|t2[ad])-[a-z]+(?:-\d+)?|standard_[a-z]+\d+\w*)$`)
)

// likeType reports whether a word looks like an instance type.
func likeType(s string) bool { return instanceLike.MatchString(strings.ToLower(s)) }

func parseTypes(value string) ([]string, error) {
	return alternatives(value, "a type of events", "Warning", func(s string) (string, *Mistake) {
		if t, ok := oneOf(s, eventTypes...); ok {
			return t, nil
		}
		if likeType(s) || strings.ContainsAny(s, ".*0123456789") {
			return "", all(s, "--types is for Warning or Normal; instance types belong to /nodes --type", "", "")
		}
		near := nearest.Word(s, eventTypes...)
		if _, ok := oneOf(s, "error", "errors", "bad", "failed", "warn"); ok {
			near = "Warning"
		}
		return "", all(s, shown(s)+" is not a type of events: Warning or Normal", near, "")
	})
}

// costDimensions are what costs are grouped by.
var costDimensions = []string{string(query.ByCause), string(query.ByPool), string(query.ByType), string(query.ByZone),
	string(query.ByCapacity)}

var dimensions = []string{string(query.ByType), string(query.ByZone), string(query.ByPool), string(query.ByCapacity),
	string(query.ByArch)}

// ParseDimension reads what nodes are grouped by: type, zone, pool, capacity, arch, or the key of
// a label. The error is a *Mistake.
func ParseDimension(value string) (query.Dimension, error) {
	s := undot(value)
	const what = "what nodes are grouped by"
	if s == "" {
		return "", all(value, what+" is missing", "", "zone")
	}
	if d, ok := oneOf(s, append(slices.Clone(dimensions), string(query.ByCause))...); ok {
		return query.Dimension(d), nil
	}
	if one, plural := strings.CutSuffix(strings.ToLower(s), "s"); plural && slices.Contains(dimensions, one) {
		return query.Dimension(one), nil
	}
	if m := mention(value, 0, value, what); m != nil {
		m.Example = "zone"
		return "", m
	}
	if strings.Contains(s, ",") {
		first, _, _ := strings.Cut(s, ",")
		near := ""
		if d, err := ParseDimension(first); err == nil {
			near = string(d)
		}
		return "", all(value, shown(s)+" is more than one thing to group by", near, "zone")
	}
	if why := badKey(s); why != "" {
		return "", all(value, shown(s)+" is neither "+orList(dimensions)+" nor the key of a label: "+why,
			nearest.Word(s, dimensions...), "zone")
	}
	return query.Dimension(s), nil
}

var sorts = []string{string(query.SortNewest), string(query.SortOldest), string(query.SortName), string(query.SortType),
	string(query.SortZone), string(query.SortPool)}

func parseSort(value string) (query.NodeSort, error) {
	if s, ok := oneOf(value, sorts...); ok {
		return query.NodeSort(s), nil
	}
	near := nearest.Word(value, sorts...)
	switch strings.ToLower(strings.TrimPrefix(value, ".metadata.")) {
	case "age", "creationtimestamp", "created", "new", "newer", "latest":
		near = "newest"
	case "old", "older":
		near = "oldest"
	}
	return "", all(value, shown(value)+" is not an order: "+orList(sorts), near, "newest")
}

// lastPage is the highest page that may be asked for.
const lastPage = 100_000

func parsePage(value string) (int, error) {
	s := undot(value)
	n, err := strconv.Atoi(s)
	switch {
	case err != nil && !digits.MatchString(s):
		return 0, all(value, shown(s)+" is not the number of a page", "", "2")
	case err != nil || n > lastPage:
		return 0, all(value, shown(s)+" is more pages than there can be", "", "2")
	case n < 1:
		return 0, all(value, "pages are counted from 1, and "+shown(s)+" is less", "1", "")
	case n == 1:
		return 0, nil
	}
	return n, nil
}

// parseWhy reads a part of a cause: words as they stand in messages, or a workload's name.
func parseWhy(value string) (string, error) {
	const example = "shop/checkout"
	s := strings.Join(strings.Fields(value), " ")
	if s == "" {
		return "", all(value, "a cause or a workload is missing", "", example)
	}
	if m := mention(value, strings.Index(value, s[:1]), s, "a cause"); m != nil {
		m.At, m.End, m.Example = 0, len(value), example
		return "", m
	}
	if utf8.RuneCountInString(s) > 80 {
		return "", all(value, shown(s)+" is too long: 80 characters are enough", "", example)
	}
	return s, nil
}

func parseCluster(value string) (string, error) {
	s := strings.TrimSpace(value)
	if s == "" {
		return "", all(value, "the name of a cluster is missing", "", "prod")
	}
	if m := mention(value, strings.Index(value, s), s, "the name of a cluster"); m != nil {
		m.Example = "prod"
		return "", m
	}
	if utf8.RuneCountInString(s) > 253 {
		return "", all(value, shown(s)+" is too long for the name of a cluster", "", "prod")
	}
	return s, nil
}

// Cursor is a place in a list of events, newest first: that of the event with this time and UID.
// The zero value stands for no place.
type Cursor struct {
	At  time.Time // the event's last time; UTC, whole milliseconds
	UID string
}

// IsZero reports whether there is no cursor.
func (c Cursor) IsZero() bool { return c.UID == "" && c.At.IsZero() }

// String is the cursor as ParseCursor reads it, "" for none.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	return strconv.FormatInt(c.At.UnixMilli(), 10) + "." + c.UID
}

var cursorForm = regexp.MustCompile(`^(\d{1,14})\.([0-9A-Za-z][0-9A-Za-z._:-]{0,127})$`)

// ParseCursor reads a place in a list of events: milliseconds since 1970, a dot, the UID. Buttons
// make them. The error is a *Mistake.
func ParseCursor(value string) (Cursor, error) {
	m := cursorForm.FindStringSubmatch(value)
	if m == nil {
		return Cursor{}, all(value,
			shown(value)+" is not a place in a list; the buttons Older and Newer make these, and --since and --until take times",
			"", "")
	}
	ms, _ := strconv.ParseInt(m[1], 10, 64)
	return Cursor{At: time.UnixMilli(ms).UTC(), UID: m[2]}, nil
}

// cutAny is strings.Cut at the first of some characters.
func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// nodeName checks the name of a node, or a part of one. Names are lower case.
func nodeName(s string, globs bool) (string, *Mistake) {
	if m := mention(s, 0, s, "the name of a node"); m != nil {
		m.Example = "/nodes ip-10-0-0-1"
		return "", m
	}
	for _, flag := range []string{"type", "zone", "pool", "arch", "capacity", "by", "sort", "cluster"} {
		if key, value, ok := cutAny(s, "=:"); ok && strings.EqualFold(key, flag) && value != "" {
			return "", all(s, shown(s)+" is not the name of a node but a filter", "--"+flag+" "+quoteValue(value), "")
		}
	}
	if key, value, ok := strings.Cut(s, "="); ok && badKey(strings.TrimSuffix(key, "!")) == "" {
		if _, err := ParseSelector(s); err == nil && value != "" {
			return "", all(s, shown(s)+" is not the name of a node but a label", "-l "+quoteValue(s), "")
		}
	}
	if likeType(s) && strings.Contains(s, "_") {
		return "", all(s, shown(s)+" is not the name of a node but an instance type", "--type "+quoteValue(s), "")
	}
	kind, name, slash := strings.Cut(s, "/")
	if slash {
		if k, ok := knownKind(kind); ok && k.kind != "Node" {
			near := "/events --for " + k.names[0] + "/" + name
			return "", all(s, shown(s)+" is a "+k.kind+", and /nodes tells about nodes", near, "")
		}
		return "", wrong(s, len(kind), len(kind)+1, "the character / cannot stand in the name of a node", "",
			"/nodes ip-10-0-0-1")
	}
	plain := false
	for i, r := range s {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		plain = plain || letter
		if !letter && !(r == '-' || r == '.') && !(globs && (r == '*' || r == '?')) {
			return "", wrong(s, i, i+utf8.RuneLen(r), character(r)+" cannot stand in the name of a node", "",
				"/nodes ip-10-0-0-1")
		}
		plain = plain || r == '*'
	}
	if !plain || len(s) > 253 {
		return "", all(s, shown(s)+" cannot be the name of a node", "", "/nodes ip-10-0-0-1")
	}
	return strings.ToLower(s), nil
}
