package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Set is schedules that have digests beside each other, in the order in which those come that are due at one moment:
// the more frequent first, and of two that are alike, the one that is written first. Use NewSet.
type Set []*Schedule

// rhythms are what schedules are told apart by: how far apart their ticks are on average.
var rhythms = []struct {
	name  string
	below time.Duration
}{{"hour", 12 * time.Hour}, {"day", 3 * day}, {"week", 18 * day}, {"month", 60 * day}}

const day = 24 * time.Hour

// NewSet returns a set of schedules, and names each by its rhythm: a schedule that is moved from nine to ten o'clock
// has the name that it had, and its periods go on. It refuses two schedules that are the same.
func NewSet(all ...*Schedule) (Set, error) {
	set := slices.Clone(all)
	for i, s := range set {
		if slices.ContainsFunc(set[:i], func(o *Schedule) bool { return o.spec == s.spec }) {
			return nil, fmt.Errorf("%s is there twice", s.text)
		}
	}
	slices.SortStableFunc(set, func(a, b *Schedule) int { return int((a.usual - b.usual) / time.Second) })
	seen := map[string]int{}
	for _, s := range set {
		s.name = "year"
		for _, r := range slices.Backward(rhythms) {
			if s.usual < r.below {
				s.name = r.name
			}
		}
		if seen[s.name]++; seen[s.name] > 1 {
			s.name = fmt.Sprintf("%s-%d", s.name, seen[s.name])
		}
	}
	return set, nil
}

// Next returns the first tick of any schedule after t, zero if there is none within years.
func (s Set) Next(t time.Time) (next time.Time) {
	for _, x := range s {
		if tick := x.Next(t); !tick.IsZero() && (next.IsZero() || tick.Before(next)) {
			next = tick
		}
	}
	return next
}

// Of returns the schedule with a name; nil if there is none.
func (s Set) Of(name string) *Schedule {
	if i := slices.IndexFunc(s, func(x *Schedule) bool { return x.name == name }); i >= 0 {
		return s[i]
	}
	return nil
}

// Name is what a schedule is called in the ledger: hour, day, week, month or year, with a number where a set has
// several of a rhythm; "" outside of a set.
func (s *Schedule) Name() string { return s.name }

// String is the schedule as it is written, without its zone.
func (s *Schedule) String() string { return s.text }

// Usual is how far apart the ticks are on average.
func (s *Schedule) Usual() time.Duration { return s.usual }

// usually is the average distance of ticks.
func usually(s *Schedule) time.Duration {
	if s.clock == nil {
		return s.every
	}
	const most = 60
	first := s.Next(leapYear)
	last, n := first, time.Duration(0)
	for next := s.Next(last); n < most && !next.IsZero(); next = s.Next(last) {
		last, n = next, n+1
	}
	if n == 0 {
		return 4 * 366 * day
	}
	return last.Sub(first) / n
}

// Split returns the schedules that a text names, each as it is written: a semicolon or a line's end is between two.
func Split(text string) (specs []string) {
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '\n' || r == '\r' }) {
		if part = strings.TrimSpace(part); part != "" {
			specs = append(specs, part)
		}
	}
	return specs
}

// Respell returns what a text should be that names several schedules with something else between them than Split
// wants: commas, "and", or nothing. ok is false where it can be read as no such thing.
func Respell(text string) (right string, ok bool) {
	text = strings.NewReplacer("|", " ", "&", " ", "+", " ", "[", " ", "]", " ", `"`, " ", "'", " ", ";", " ", ",@",
		" @").Replace(text)
	var words []string
	for w := range strings.FieldsSeq(text) {
		// A comma at a word's end is between two schedules.
		if w = strings.Trim(w, ","); w != "" && w != "/" && !strings.EqualFold(w, "and") {
			words = append(words, w)
		}
	}
	var specs []string
	for len(words) > 0 {
		n := len(crontab)
		switch {
		case strings.EqualFold(words[0], "@every"):
			n = 2
		case words[0][0] == '@':
			n = 1
		}
		if n > len(words) {
			return "", false
		}
		spec := strings.Join(words[:n], " ")
		if _, err := Parse(spec, time.UTC); err != nil {
			return "", false
		}
		specs, words = append(specs, spec), words[n:]
	}
	return strings.Join(specs, "; "), len(specs) > 1
}
