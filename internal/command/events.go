package command

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"rollcall/internal/nearest"
	"rollcall/internal/query"
)

// EventsView is what /events shows.
type EventsView int

// The views of /events.
const (
	Show         EventsView = iota // events, the newest first
	HelpOnEvents                   // how /events is used
)

// Events is what a person asks of /events. The zero value is all events that are kept. Fill it
// from a form with Set, or by hand and check it with Validate.
type Events struct {
	View  EventsView
	Topic string // of HelpOnEvents: a flag's name without dashes; "" is everything

	For        Object
	Namespaces []string // globs, lower case; empty: all
	Reasons    []string // globs
	Types      []string // Warning, Normal
	Since      Moment
	Until      Moment
	Scaling    bool
	Exact      bool     // show exact times instead of how long ago
	Text       []string // words that must all stand in an event; one may hold blanks
	Cluster    string   // "" is the only one, or all

	// Only events that are older than the one at Before, or newer than the one at After. Buttons
	// set one of them.
	Before, After Cursor
}

// ParseEvents reads the text of /events. now is only needed to tell what lies in the future. The
// error is a *Mistake.
func ParseEvents(text string, now time.Time) (Events, error) {
	e, m := parseEvents(text, now)
	if m != nil {
		return Events{}, explained(m, "/events", now, 3)
	}
	return e, nil
}

func parseEvents(text string, now time.Time) (Events, *Mistake) {
	var e Events
	in, m := eventGrammar.read(text, now, &e)
	if m != nil {
		return e, m
	}
	if in.help {
		topic, m := eventGrammar.topic(in)
		if m != nil && m.Nearest == "" {
			m.Problem += "; to look for the word help, quote it"
			var words []string
			for _, w := range in.words {
				words = append(words, quoteText(w.text, eventsVerb))
			}
			m.Nearest, m.Example = "/events 'help' "+strings.Join(words, " "), ""
		}
		return Events{View: HelpOnEvents, Topic: topic}, m
	}
	if e.View == HelpOnEvents { // --help
		return Events{View: HelpOnEvents}, nil
	}
	if m := e.intent(in); m != nil {
		return e, m
	}
	for i, w := range in.words {
		if m := eventWord(in, i); m != nil {
			return e, m
		}
		if strings.TrimSpace(w.text) != "" {
			e.Text = append(e.Text, strings.TrimSpace(w.text))
		}
	}
	flag, why, mended := e.conflict(now)
	if _, all := in.seen["all-namespaces"]; all && why == "" && len(e.Namespaces) > 0 {
		flag, why = "all-namespaces", "-A asks for all namespaces, and -n for some"
	}
	if why != "" {
		at := in.seen[flag]
		m := wrong(in.text, at.at, at.end, why, "", "")
		m.Nearest = strings.TrimSpace("/events " + mended.String())
		return e, m
	}
	short := e
	short.Before, short.After = Cursor{}, Cursor{}
	if utf8.RuneCountInString(short.String()) > maxPrinted {
		return e, tooLong("/events", in.text, problem("the text asks for more than fits into %d characters", maxPrinted))
	}
	return e, nil
}

// conflict finds filters that do not go together: the flag that is too much, why, and the nearest
// request without the conflict.
func (e Events) conflict(now time.Time) (flag, why string, mended Events) {
	mended = e
	kind := slices.IndexFunc(kinds, func(k resource) bool { return k.kind == e.For.Kind && k.clustered })
	since, until := e.Since.Time(now), e.Until.Time(now)
	switch {
	case kind >= 0 && len(e.Namespaces) > 0:
		mended.Namespaces = nil
		return "namespace", "-n does not go with --for " + e.For.String() + ": a " + e.For.Kind + " is in no namespace",
			mended
	case since.After(now):
		mended.Since = Moment{}
		return "since", "--since " + e.Since.String() + " is in the future", mended
	case !since.IsZero() && !until.IsZero() && !since.Before(until):
		mended.Since, mended.Until = e.Until, e.Since
		if since.Equal(until) {
			mended.Until = Moment{}
		}
		return "until", "nothing lies between --since " + e.Since.String() + " and --until " + e.Until.String(), mended
	case !e.Before.IsZero() && !e.After.IsZero():
		mended.After = Cursor{}
		return "after", "--before and --after do not go together", mended
	}
	return "", "", e
}

// Filter is the request's filter, seen from now. Exact, Before and After are not in it.
func (e Events) Filter(now time.Time) query.EventFilter {
	return query.EventFilter{
		Kind: e.For.Kind, Name: e.For.Name, Spaces: e.Namespaces, Reasons: e.Reasons, Types: e.Types, Text: e.Text,
		Scaling: e.Scaling, Since: e.Since.Time(now), Until: e.Until.Time(now),
	}
}

// String is the request as a text without /events. ParseEvents reads it as the same request. It
// is meant to be read, and has Slack's escapes only where it would be misunderstood without.
func (e Events) String() string {
	if e.View == HelpOnEvents {
		return strings.TrimSpace("help " + e.Topic)
	}
	words := eventGrammar.print(e)
	for _, t := range e.Text {
		words = append(words, quoteText(t, eventsVerb))
	}
	return escape(strings.Join(words, " "))
}

// Set gives the flag of this name (without dashes, see EventsHelp) another value, as a form does;
// "" takes the flag away. The error is a *Mistake whose text is the value. Validate checks the
// whole.
func (e *Events) Set(flag, value string, now time.Time) error {
	return eventGrammar.set(e, flag, value, now)
}

// SetText gives the request other words to look for, separated by blanks unless they are quoted.
// The error is a *Mistake whose text is the value.
func (e *Events) SetText(value string) error {
	if utf8.RuneCountInString(value) > MaxLength {
		return &Mistake{Command: "/events",
			Problem: problem("the text is longer than %d characters, which is more than is read", MaxLength)}
	}
	text, words, m := lex(escape(value), func(string) bool { return true })
	if m != nil {
		m.Command, m.Text = "/events", text
		m.Nearest = m.Text + m.replace
		return m
	}
	e.Text = nil
	for _, w := range words {
		if t := strings.TrimSpace(w.text); t != "" {
			e.Text = append(e.Text, t)
		}
	}
	return nil
}

// Value is the value of the flag of this name as Set takes it: "true" for one that takes none, ""
// if it was not given.
func (e Events) Value(flag string) string { return eventGrammar.value(e, flag) }

// Validate checks a request that was not parsed. The error is a *Mistake in the request's text.
func (e Events) Validate(now time.Time) error {
	_, err := ParseEvents(e.String(), now)
	return err
}

// Nearest is the whole command that was perhaps meant, for the answer that there are no such
// events; "" if none suggests itself.
func (e Events) Nearest() string {
	if e.View == HelpOnEvents {
		return ""
	}
	if _, known := knownKind(e.For.Kind); e.For.Kind != "" && !known {
		if k, ok := knownKind(nearest.Word(e.For.Kind, kindNames()...)); ok {
			e.For.Kind = k.kind
			if k.clustered {
				e.Namespaces = nil
			}
			return "/events " + e.String()
		}
	}
	if len(e.Text) != 1 {
		return ""
	}
	word := undot(strings.ToLower(e.Text[0]))
	e.Text = nil
	switch word {
	case "get":
		return strings.TrimSpace("/events " + e.String())
	case "scaling", "scale", "autoscaling":
		e.Scaling = true
		return "/events " + e.String()
	case "warning", "warnings", "normal":
		e.Types = []string{"Warning"}
		if word == "normal" {
			e.Types = []string{"Normal"}
		}
		return "/events " + e.String()
	case "help":
		return "/events help"
	}
	if o, err := ParseObject(word); err == nil && e.For.IsZero() {
		e.For = o
		if k, _ := knownKind(o.Kind); k.clustered {
			e.Namespaces = nil
		}
		return "/events " + e.String()
	}
	if len(word) > 2 && nearVerb(word) == "help" {
		return "/events help"
	}
	return ""
}

func eventsVerb(s string) bool {
	_, ok := oneOf(s, eventGrammar.verbs...)
	return ok || s == "?" || searched(s)
}

// sinceMoment is ParseMoment for what must lie in the past.
func sinceMoment(value string, now time.Time) (Moment, error) {
	m, err := ParseMoment(value, now)
	if err == nil && m.Time(now).After(now) {
		return Moment{}, all(value, shown(value)+" is in the future", "", "2h")
	}
	return m, err
}

func number(n int) string { return strconv.Itoa(n) }

// objectApart finds an object's name that was written apart from its kind, and a second object.
func objectApart(value, next string) (string, string) {
	if n := strings.ToLower(next); (n == "or" || n == "and") && strings.Contains(value, "/") {
		return "", "events are shown for one object at a time, whose name may be a glob"
	}
	if _, ok := knownKind(value); !ok || strings.Contains(value, "/") {
		return "", ""
	}
	if _, m := glob(next, "a name"); m != nil || strings.Contains(next, "/") {
		return "", ""
	}
	return strings.ToLower(value) + "/" + next, "a blank stands between the kind " + shown(value) + " and " + shown(next)
}

const (
	globDetail = "Alternatives are given between commas or by repeating the flag. * stands for anything and ? for one " +
		"character; capitals do not count."
	spanDetail = "Numbers with the units s, m, h, d and w: 90m, 1.5h, 1d12h, 2w."
	timeDetail = "A span before now (90m, 1.5h, 1d12h, 2w), a date (2026-11-24), or a date and time (2026-11-24T09:00, " +
		"or with its zone: 2026-11-24 09:00 +01:00, 10:30 UTC). Times without a zone are UTC."
)

var eventGrammar = &grammar[Events]{command: "/events", other: "/nodes", verbs: []string{"help"}, flags: eventFlags,
	foreign: eventsForeign, grep: func(s string) string {
		return quoteText(s, func(s string) bool { return strings.EqualFold(s, "help") })
	}}

var eventFlags = []option[Events]{
	apartBy(objectApart,
		single(Flag{Name: "for", Value: "KIND/NAME", Example: "pod/web-*",
			Ask: "About which object?", Meaning: "the object that events regard",
			Detail: "kubectl's names of kinds: node/no, pod/po, deployment/deploy, hpa, nodeclaim and so on; others as " +
				"Kubernetes writes them. The name may be a glob, and KIND alone is every object of it. A group after a dot " +
				"(deployments.apps) does not count."},
			func(e *Events) *Object { return &e.For }, without(ParseObject), Object.String)),
	list(Flag{Name: "namespace", Short: "n", Value: "NAMESPACE", Example: "kube-system",
		Ask: "In which namespaces?", Meaning: "namespace",
		Detail: globDetail},
		func(e *Events) *[]string { return &e.Namespaces }, parseNamespaces),
	toggle(Flag{Name: "all-namespaces", Short: "A", Meaning: "all namespaces, which is so without it too"},
		func(e Events) bool { return false }, func(*Events, bool) {}),
	list(Flag{Name: "reason", Value: "GLOB", Example: "Failed*",
		Ask: "For which reasons?", Meaning: "reason", Detail: globDetail},
		func(e *Events) *[]string { return &e.Reasons }, parseReasons),
	list(Flag{Name: "types", Value: "TYPE", Example: "Warning",
		Ask: "Warnings or normal events?", Meaning: "Warning or Normal", Choices: eventTypes},
		func(e *Events) *[]string { return &e.Types }, parseTypes),
	timed(
		single(Flag{Name: "since", Value: "TIME", Example: "2h",
			Ask: "Since when?", Meaning: "seen since then", Detail: timeDetail},
			func(e *Events) *Moment { return &e.Since }, sinceMoment, Moment.String)),
	timed(
		single(Flag{Name: "until", Value: "TIME", Example: "1h",
			Ask: "Until when?", Meaning: "seen until then", Detail: timeDetail},
			func(e *Events) *Moment { return &e.Until }, ParseMoment, Moment.String)),
	toggle(Flag{Name: "scaling", Meaning: "only what tells of scaling"},
		func(e Events) bool { return e.Scaling }, func(e *Events, v bool) { e.Scaling = v }),
	toggle(Flag{Name: "exact", Meaning: "exact times instead of how long ago"},
		func(e Events) bool { return e.Exact }, func(e *Events, v bool) { e.Exact = v }),
	single(Flag{Name: "cluster", Value: "CLUSTER", Example: "prod", Meaning: "cluster, where there are several"},
		func(e *Events) *string { return &e.Cluster }, without(parseCluster), text[string]),
	single(Flag{Name: "before", Value: "PLACE", Example: "1732400000000.0f3c", Meaning: "older than this event",
		Button: true},
		func(e *Events) *Cursor { return &e.Before }, without(ParseCursor), Cursor.String),
	single(Flag{Name: "after", Value: "PLACE", Example: "1732400000000.0f3c", Meaning: "newer than this event",
		Button: true},
		func(e *Events) *Cursor { return &e.After }, without(ParseCursor), Cursor.String),
	toggle(Flag{Name: "help", Short: "h", Meaning: "how the command is used"},
		func(Events) bool { return false }, func(e *Events, v bool) {
			if v {
				e.View = HelpOnEvents
			}
		}),
}

// timed gives a flag a value of several words, as times have: 1d 12h, 2026-11-24 09:00 +01:00.
func timed[T any](f option[T]) option[T] {
	f.takes, f.apart = timeTakes, timeApart
	return f
}

// apartBy gives a flag its own sense of what was written apart.
func apartBy[T any](apart func(value, next string) (string, string), f option[T]) option[T] {
	f.apart = apart
	return f
}

var wrongEventFlags = wrongFlags{
	"object": {"--for", ""}, "regarding": {"--for", ""}, "involved-object": {"--for", ""}, "ns": {"-n", ""},
	"namespaces": {"-n", ""},
	"all":        {"-A", ""}, "reasons": {"--reason", ""}, "since-time": {"--since", ""}, "after-time": {"--since", ""},
	"from": {"--since", ""},
	"to":   {"--until", ""}, "last": {"--since", ""}, "severity": {"--types", ""}, "level": {"--types", ""},
	"autoscaling": {"--scaling", ""},
	"context":     {"--cluster", ""}, "c": {"--cluster", ""}, "kind": {"--for", ""},
	"warning":        {"--types Warning", ""},
	"warnings":       {"--types Warning", ""},
	"normal":         {"--types Normal", ""},
	"pod":            {"--for", "objects are written KIND/NAME"},
	"node":           {"--for", "objects are written KIND/NAME"},
	"name":           {"--for", "objects are written KIND/NAME"},
	"field-selector": {"", "there are --for, --reason and --types"},
	"o":              {"", "answers have one form"},
	"output":         {"", "answers have one form"},
	"w":              {"", "answers do not change by themselves"},
	"f":              {"", "answers do not change by themselves"},
	"follow":         {"", "answers do not change by themselves"},
	"watch":          {"", "answers do not change by themselves"},
	"sort-by":        {"", "the newest come first"},
	"sort":           {"", "the newest come first"},
	"limit":          {"", "buttons lead to older events"},
	"page":           {"", "buttons lead to older events"},
	"text":           {"", "words to look for are written alone, for example /events Insufficient cpu"},
}

// eventsForeign explains a flag that /events does not have.
func eventsForeign(name, written, value string) (problem, near string) {
	if name == "type" {
		if _, err := parseTypes(value); err == nil {
			return shown(written) + " is not a filter of /events", "--types"
		}
		if value == "" {
			return shown(written) + " is not a filter of /events", "--types"
		}
		near := "/nodes --type m5.*"
		if likeType(value) || strings.ContainsAny(value, "*.") {
			near = "/nodes --type " + quoteValue(value)
		}
		return "--types is for Warning or Normal; instance types belong to /nodes --type", near
	}
	_, bad := glob(value, "a name")
	if k, ok := knownKind(name); ok && bad == nil && value != "" && len(name) > 2 && !strings.Contains(value, "/") {
		return shown(written) + " is not a filter of /events: objects are written KIND/NAME",
			"--for " + k.names[0] + "/" + value
	}
	if problem, near := wrongEventFlags.find(name, written, "/events"); problem != "" {
		return problem, near
	}
	return belongs(nodeFlags, "/nodes", name, value)
}
