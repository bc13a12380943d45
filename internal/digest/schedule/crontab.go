package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is one of the five fields of a line of crontab.
type field struct {
	name     string
	low, top int
	words    []string // that stand for numbers, from low on; in lower case and whole
	bounds   string   // what may stand in it
}

var crontab = []field{
	{name: "minute", top: 59, bounds: "0 to 59"},
	{name: "hour", top: 23, bounds: "0 to 23"},
	{name: "day of the month", low: 1, top: 31, bounds: "1 to 31"},
	{name: "month", low: 1, top: 12, bounds: "1 to 12, or JAN to DEC", words: []string{"january", "february", "march",
		"april", "may", "june", "july", "august", "september", "october", "november", "december"}},
	{name: "weekday", top: 7, bounds: "0 to 7, or SUN to SAT", words: []string{"sunday", "monday", "tuesday", "wednesday",
		"thursday", "friday", "saturday"}},
}

// weekdays is the place of the weekday in crontab. A week goes on after its end, so SAT-SUN is a
// range.
const weekdays = 4

// plain writes a line of crontab as the library reads it: 7 is a Sunday for cron and not for the
// library (robfig/cron#122), names may be whole, and ranges of weekdays may pass the week's end.
func plain(spec string) (string, error) {
	spec = strings.TrimSpace(spec)
	if every, ok := strings.CutPrefix(spec, "@every "); ok {
		if _, err := time.ParseDuration(strings.TrimSpace(every)); err != nil {
			return "", fmt.Errorf("%q is not a span of time as in @every 12h, with the units h, m and s", every)
		}
		return spec, nil
	}
	if strings.HasPrefix(spec, "@") {
		if !slices.Contains(descriptors, strings.ToLower(spec)) {
			return "", fmt.Errorf("%q is none of %s and @every 12h", spec, strings.Join(descriptors, ", "))
		}
		return strings.ToLower(spec), nil
	}
	parts := strings.Fields(spec)
	if len(parts) != len(crontab) {
		return "", fmt.Errorf("there must be five fields, and there are %d", len(parts))
	}
	for i, f := range crontab {
		var out []string
		for item := range strings.SplitSeq(parts[i], ",") {
			if item == "" {
				continue
			}
			p, err := f.plain(item, i == weekdays)
			if err != nil {
				return "", err
			}
			out = append(out, p)
		}
		if len(out) == 0 {
			return "", fmt.Errorf("the %s is %s, and nothing stands for it", f.name, f.bounds)
		}
		parts[i] = strings.Join(out, ",")
	}
	return strings.Join(parts, " "), nil
}

var descriptors = []string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}

// plain writes one item of a field's list.
func (f field) plain(item string, cyclic bool) (string, error) {
	wrong := fmt.Errorf("the %s is %s, and not %q", f.name, f.bounds, item)
	span, every, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		var err error
		if step, err = strconv.Atoi(every); err != nil || step < 1 {
			return "", wrong
		}
	}
	if span == "*" || span == "?" {
		return item, nil
	}
	first, last, ranged := strings.Cut(span, "-")
	low, ok := f.number(first)
	if !ok {
		return "", wrong
	}
	top := low
	switch {
	case ranged:
		if top, ok = f.number(last); !ok {
			return "", wrong
		}
	case stepped:
		top = f.top
		if cyclic {
			top = 6
		}
	}
	if !cyclic {
		if top < low {
			return "", fmt.Errorf("the range %q of the %s ends before it begins", item, f.name)
		}
		return fmt.Sprintf("%d-%d/%d", low, top, step), nil
	}
	if top < low {
		top += 7
	}
	var days []string
	for d := low; d <= top; d += step {
		days = append(days, strconv.Itoa(d%7))
	}
	return strings.Join(days, ","), nil
}

// number is what an item's end stands for: digits, or the beginning of a name, of three letters at
// least.
func (f field) number(s string) (int, bool) {
	if n, err := strconv.Atoi(s); err == nil {
		return n, n >= f.low && n <= f.top && s[0] != '+'
	}
	s = strings.ToLower(s)
	i := slices.IndexFunc(f.words, func(w string) bool { return len(s) > 2 && strings.HasPrefix(w, s) })
	return i + f.low, i >= 0
}
