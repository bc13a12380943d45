package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"rollcall/internal/alert"
	"rollcall/internal/nearest"
	"rollcall/internal/wave"
)

const routeExample = "pool=gpu,kind!=ready -> C0123456789 S0123456789"

// mentionID is whom a message rings: a person, a user group, or all who are there.
var mentionID = regexp.MustCompile(`^(?:[UWS][A-Z0-9]{6,}|@here)$`)

// everything is the matcher that matches everything.
const everything = "*"

// checkRoutes reads ROUTES: lines, between line breaks or semicolons, of matchers -> channel [mention…].
func (l *loader) checkRoutes(c *Config) {
	c.Routes = alert.Routes{Rest: c.SlackChannel}
	lines := strings.Split(strings.ReplaceAll(unquote(c.RouteLines), ";", "\n"), "\n")
	seen := map[string]int{}
	for i, text := range lines {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		wrong := func(format string, args ...any) {
			l.wrong("ROUTES", "line %d, %q: %s", i+1, text, fmt.Sprintf(format, args...))
		}
		matchers, to, ok := strings.Cut(text, "->")
		if !ok {
			wrong("it has no ->; write %s", routeExample)
			continue
		}
		r := alert.Route{Line: i + 1, Matchers: strings.TrimSpace(matchers)}
		selector, problem := routeSelector(r.Matchers)
		if problem != "" {
			wrong("%s", problem)
			continue
		}
		if first := seen[canonical(selector)]; first != 0 {
			wrong("line %d matches the same, so this one never does; take one of them out", first)
			continue
		}
		seen[canonical(selector)] = i + 1
		r.Mismatch, r.Nodes = mismatch(selector), admits(selector, string(wave.KindJoined), string(wave.KindRemoved))
		if r.To, problem = routePlace(strings.Fields(to)); problem != "" {
			wrong("%s", problem)
			continue
		}
		c.Routes.Lines = append(c.Routes.Lines, r)
	}
	l.digestsTo(c)
	if c.RemindAfter == 0 {
		return
	}
	l.atLeast("REMIND_AFTER", c.RemindAfter, time.Minute, ": whoever was rung must have read it; 0s turns it off")
	rings := func(r alert.Route) bool { return r.To.Mentions != "" }
	if !slices.ContainsFunc(c.Routes.Lines, rings) && !l.found("ROUTES") {
		l.wrong("REMIND_AFTER", "it rings whom ROUTES names, and ROUTES names nobody; write for example "+
			"severity=warning -> C0123456789 S0123456789 there")
	}
}

// DigestTo is a channel that gets digests.
type DigestTo struct {
	Channel  string
	Audience string // as wave.Digest has it: "" for the first channel that gets the digest of all nodes
	Part     bool   // of the nodes alone whose joining or leaving ROUTES sends there
}

// digestsTo finds which digest each channel of DIGEST_CHANNEL gets: of all nodes, or, if lines of ROUTES lead there, of
// those that they cover. SLACK_CHANNEL gets that of all.
func (l *loader) digestsTo(c *Config) {
	whole := false
	for i, id := range c.DigestChannels {
		if slices.Contains(c.DigestChannels[:i], id) {
			continue
		}
		to := DigestTo{Channel: id, Audience: id}
		var about []string
		nodes := false
		for _, r := range c.Routes.Lines {
			if r.To.Channel == id && id != c.SlackChannel {
				to.Part = true
				about, nodes = append(about, r.Matchers), nodes || r.Nodes
			}
		}
		if to.Part && !nodes {
			l.wrong("DIGEST_CHANNEL", "ROUTES sends no node that joins or leaves to %s (%s), so its digest would be empty; "+
				"take it out, or add a line for such nodes", id, strings.Join(about, "; "))
			continue
		}
		if !to.Part && !whole {
			whole, to.Audience = true, ""
		}
		c.DigestsTo = append(c.DigestsTo, to)
	}
}

// canonical is the same for selectors that are written in several ways.
func canonical(s labels.Selector) string {
	requirements, _ := s.Requirements()
	var all []string
	for _, r := range requirements {
		op := string(r.Operator())
		switch op {
		case "=", "==":
			op = "in"
		case "!=":
			op = "notin"
		}
		all = append(all, fmt.Sprintf("%s %s %q", r.Key(), op, slices.Sorted(slices.Values(r.Values().UnsortedList()))))
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// admits reports whether something of one of these kinds may match.
func admits(s labels.Selector, kinds ...string) bool {
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		if r.Key() == alert.KeyKind && !slices.ContainsFunc(kinds, func(kind string) bool {
			return r.Matches(labels.Set{alert.KeyKind: kind})
		}) {
			return false
		}
	}
	return true
}

// routePlace reads where a line leads: a channel, and whom it rings there. problem is "" if it is right.
func routePlace(words []string) (to wave.Place, problem string) {
	if len(words) == 0 {
		return to, "it names no channel after ->; write " + routeExample
	}
	to.Channel = words[0]
	if !channelID.MatchString(to.Channel) {
		return to, fmt.Sprintf("%q is not a channel ID; %s", to.Channel,
			nearestID(to.Channel, channelID, "names do not work: write the ID (C…, shown at the end of the channel's details)"))
	}
	for _, w := range words[1:] {
		if !mentionID.MatchString(w) {
			return to, fmt.Sprintf("%q rings nobody; %s", w, nearestMention(w))
		}
		to = to.And(w)
	}
	return to, ""
}

// nearestID is the ID in a text, as what to write, or else a hint.
func nearestID(text string, form *regexp.Regexp, hint string) string {
	for _, part := range regexp.MustCompile(`[A-Za-z0-9]+`).FindAllString(text, -1) {
		// A lower-case word is an ID only if it has a digit: otherwise it is a name.
		if upper := strings.ToUpper(part); form.MatchString(upper) &&
			(part == upper || strings.ContainsAny(part, "0123456789")) {
			return "write " + upper
		}
	}
	return hint
}

// nearestMention is whom somebody meant to ring, or what can be rung.
func nearestMention(w string) string {
	switch word := strings.ToLower(strings.Trim(w, "<!@>,")); {
	case nearest.Word(word, "here") != "" && len(word) < 7:
		return "write @here"
	case nearest.Word(word, "channel", "everyone") != "":
		return "only @here rings a whole channel, and only those who are there; write @here, or a user group's ID (S…)"
	}
	return nearestID(w, mentionID, "write a user's ID (U…, in a person's profile under ⋮ > Copy member ID), a user "+
		"group's (S…, in its details under ⋮ > Copy group ID), or @here")
}

// routeSelector reads the matchers of a line. problem is "" if they are right.
func routeSelector(text string) (s labels.Selector, problem string) {
	switch text {
	case "":
		return nil, "it matches nothing; write " + everything + " before -> for everything"
	case everything:
		return labels.Everything(), ""
	}
	s, err := labels.Parse(text)
	if err != nil {
		return nil, fmt.Sprintf("%v; write matchers as for kubectl get nodes -l, for example %s", err, routeExample)
	}
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		known, what := routeValues(r.Key())
		if known == nil {
			continue
		}
		for _, v := range slices.Sorted(slices.Values(r.Values().UnsortedList())) {
			if why := notRouted[v]; r.Key() == alert.KeyKind && why != "" {
				return nil, fmt.Sprintf("%q is not what a line is about: %s", v, why)
			}
			if !slices.Contains(known, v) {
				return nil, fmt.Sprintf("%q is no %s; write %s", v, what,
					cmp.Or(nearest.Word(v, known...), strings.Join(known[:len(known)-1], ", ")+" or "+known[len(known)-1]))
			}
		}
	}
	return s, ""
}

// routeValues are the values that a key has, and what they are; nil if it may have any.
func routeValues(key string) (known []string, what string) {
	switch key {
	case alert.KeyKind:
		return alert.RoutedKinds(), "kind"
	case alert.KeySeverity:
		return []string{alert.Warning, alert.Info}, "severity"
	}
	return nil, ""
}

// notRouted are kinds of messages that no line is about, and why.
var notRouted = map[string]string{
	string(wave.KindAway): "what happened while nobody watched goes where each change goes; write its kind, as in " +
		"kind in (joined,removed)",
	string(wave.KindCatchUp): "what waited for Slack goes where each change goes; write its kind, as in " +
		"kind in (joined,removed)",
	string(wave.KindMute): "a mute is told in the channel that it mutes",
	wave.PartStuck:        "nodes that do not become ready are told where their joining is; write kind=joined",
	wave.PartDigest:       "DIGEST_CHANNEL says where digests go",
}

// mismatch says which requirement of a selector something does not meet.
func mismatch(s labels.Selector) func(alert.Attributes) string {
	requirements, _ := s.Requirements()
	folded := slices.Clone(requirements)
	for i, r := range requirements {
		if r.Key() == alert.KeyType {
			var values []string
			for v := range r.Values() {
				values = append(values, strings.ToLower(v))
			}
			if same, err := labels.NewRequirement(r.Key(), r.Operator(), values); err == nil {
				folded[i] = *same
			}
		}
	}
	return func(of alert.Attributes) string {
		for i, r := range folded {
			if !r.Matches(attributes(of)) {
				return requirements[i].String()
			}
		}
		return ""
	}
}

// attributes are looked at by a selector as labels are. The names of machine types differ in case between sources, so
// it counts on neither side; and what stands in the place of one may have a space, which no selector can.
type attributes alert.Attributes

// Has implements labels.Labels.
func (a attributes) Has(key string) bool { _, ok := a(key); return ok }

// Get implements labels.Labels.
func (a attributes) Get(key string) string { v, _ := a.Lookup(key); return v }

// Lookup implements labels.Labels.
func (a attributes) Lookup(key string) (string, bool) {
	v, ok := a(key)
	if key == alert.KeyType {
		v = strings.ToLower(strings.ReplaceAll(v, " ", "-"))
	}
	return v, ok
}
