package command

import (
	"regexp"
	"slices"
	"strings"
)

// What people who know other tools say first. Whoever means a node or a word to look for, quotes it.
var (
	listWords    = []string{"ls", "lst", "lists", "all", "nodes"}
	summaryWords = []string{"summary", "status", "count", "total", "totals", "overview", "ping"}
	aboutWords   = []string{"why", "show", "describe", "desc", "info", "find", "status"} // a node's name follows
	muteWords    = []string{"mute", "unmute", "silence", "unsilence", "snooze"}
	shellWords   = []string{"kubectl", "k", "get"}
	changeWords  = []string{"drain", "cordon", "uncordon", "delete", "evict", "taint", "scale", "reboot", "terminate"}
	nodeWords    = []string{"node", "nodes", "no"}
	allEvents    = []string{"ls", "list", "show", "all", "events", "event", "tail", "latest", "recent", "newest"}
	aboutEvents  = []string{"describe", "for", "of", "on", "about"} // an object follows
	eventWords   = []string{"warning", "warnings", "scaling", "why"}
)

// properties are words for nodes that are in some way, after list or before nodes: the filter that means the same.
var properties = map[string]string{"spot": "spot", "on-demand": "on-demand", "ondemand": "on-demand",
	"reserved": "reserved", "not-ready": "not-ready", "notready": "not-ready", "unready": "not-ready",
	"cordoned": "cordoned", "unschedulable": "cordoned", "schedulingdisabled": "cordoned", "removed": "removed",
	"gone": "removed", "deleted": "removed"}

// having are the filters that words ask for which name no node: list spot, not ready nodes. It is nil if they mean
// anything else, too.
func having(words []word) (flags []string) {
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch flag := properties[strings.ToLower(w.text)]; {
		case w.quoted:
			return nil
		case w.says([]string{"not"}) && i+1 < len(words) && words[i+1].says([]string{"ready"}):
			flags = append(flags, "not-ready")
			i++
		case flag != "":
			flags = append(flags, flag)
		case !w.says(nodeWords[:2]):
			return nil
		}
	}
	return flags
}

// undecorated is a word without what other bots want before their commands, and without the marks of bold, italic and
// struck text, if it is one of ours then.
func undecorated(w word) word {
	bare := strings.Trim(w.text, "!_~`")
	if strings.HasPrefix(bare, "**") && strings.HasSuffix(bare, "**") {
		bare = strings.Trim(bare, "*")
	}
	if bare != w.text && !w.quoted && (nodesVerb(bare) || saidFirst(bare)) {
		w.text = bare
	}
	return w
}

const muteProblem = "alerts are muted with the button Mute… under them"

// says reports whether an unquoted word is one of ours, whatever its case.
func (w word) says(words []string) bool {
	_, ok := oneOf(w.text, words...)
	return ok && !w.quoted
}

// unshelled are the words without what kubectl needs before them: kubectl get nodes.
func unshelled(words []word, kinds ...string) (rest []word, got bool) {
	rest = words
	if len(rest) > 1 && rest[0].says([]string{"kubectl", "k"}) {
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0].says([]string{"get"}) {
		got = true
		if rest = rest[1:]; len(rest) > 0 && rest[0].says(kinds) {
			return rest[1:], true
		}
	}
	return rest, got
}

// intent finds what is meant by the words of other tools. It sets the view where they say all, and
// returns the words that are left.
func (n *Nodes) intent(in *input, words []word) (rest []word, done bool, m *Mistake) {
	rest, got := unshelled(words, "nodes", "node", "no")
	switch {
	case got && len(rest) == 0:
		n.View = List
		return nil, true, nil
	case got:
		words = rest
	}
	if len(words) > 1 && words[0].says([]string{"kubectl"}) {
		words = words[1:]
	}
	words = slices.Clone(words)
	words[0] = undecorated(words[0])
	first := words[0]
	single := len(words) == 1
	filters := words
	if first.says([]string{"list"}) || first.says(listWords[:3]) {
		filters = words[1:]
	}
	last := words[len(words)-1]
	if flags := having(filters); len(flags) > 0 && (len(filters) < len(words) || last.says(nodeWords[:2])) {
		n.View = List
		for _, name := range flags {
			n.Set(name, "true", in.now) // none can fail
		}
		return nil, true, nil
	}
	switch {
	case !single && first.says(changeWords):
		near := ""
		if _, m := nodeName(last.text, false); m == nil && !last.says(nodeWords) {
			near = "/nodes " + quoteText(last.text, nodesVerb)
		}
		return nil, false, in.mistake(first.at, last.end,
			"Rollcall only watches: nothing in the cluster is changed from here", near, "/nodes help")
	case first.says([]string{"top"}) && !single && words[1].says(nodeWords):
		return nil, false, in.mistake(first.at, last.end, "how much nodes use is not recorded; how many there are is",
			"/nodes", "")
	case len(words) > 1 && first.says([]string{"how"}) && words[1].says([]string{"many"}):
		n.View = Summary
		return nil, true, nil
	case got && single && isKind(first):
		return nil, false, in.mistake(first.at, first.end, "Rollcall lists nodes; of other objects it knows the events",
			"/events --for "+strings.ToLower(first.text), "")
	case first.says(muteWords):
		return nil, false, in.mistake(first.at, words[len(words)-1].end, muteProblem, "", "/nodes help")
	case single && first.says(listWords):
		n.View = List
		return nil, true, nil
	case first.says(listWords[:3]): // ls web*
		list := first
		list.text = "list"
		return slices.Concat([]word{list}, words[1:]), false, nil
	case single && first.says(summaryWords):
		n.View = Summary
		return nil, true, nil
	case single && first.says([]string{"why"}):
		return nil, false, in.mistake(first.at, first.end, "why needs the name of a node", "", "/nodes why ip-10-0-0-1")
	case !single && first.says(aboutWords) && having(words[1:]) == nil && (last.says([]string{"nodes"}) &&
		(len(words) == 2 || len(words) == 3 && words[1].says([]string{"all", "the"}))):
		n.View = List // describe nodes, show all nodes
		return nil, true, nil
	case !single && first.says(aboutWords):
		words = words[1:]
		if len(words) > 1 && words[0].says([]string{"node", "nodes", "no"}) {
			words = words[1:]
		}
		if words[0].says(nodeVerbs) { // not a verb any more
			words = slices.Clone(words)
			words[0].quoted = true
		}
	}
	return words, false, nil
}

// isKind reports whether an unquoted word is a kind of objects other than nodes.
func isKind(w word) bool {
	k, known := knownKind(w.text)
	return known && k.kind != "Node" && !w.quoted
}

var nodeVerbs = []string{"list", "node", "digest", "waiting", "kept", "spot", "costs", "help"}

// saidFirst reports whether a word means something at the beginning of /nodes.
func saidFirst(s string) bool {
	w := word{text: s}
	return slices.ContainsFunc([][]string{listWords, summaryWords, aboutWords, muteWords, shellWords, changeWords,
		{"top", "how"}}, w.says)
}

// intent reads the words of other tools before and instead of a text to look for.
func (e *Events) intent(in *input) *Mistake {
	words, _ := unshelled(in.words, "events", "event", "ev")
	if len(words) == len(in.words)-1 && in.words[0].says([]string{"get"}) {
		words = in.words // get, as a word to look for
	}
	in.words = words
	if len(words) == 0 {
		return nil
	}
	first, last := words[0], words[len(words)-1]
	single := len(words) == 1
	if object, ok := regarded(words); ok && e.For.IsZero() {
		e.For, in.words = object, nil
		return nil
	}
	switch {
	case first.says(muteWords) && (single || meansTime(words[1].text, in.now)):
		return in.mistake(first.at, last.end, muteProblem, "", "/events help")
	case len(words) == 2 && first.says([]string{"why"}):
		near := "/nodes why " + quoteText(words[1].text, func(string) bool { return false })
		return in.mistake(first.at, last.end, "why a node came or went is told by /nodes", near, "")
	case single && first.says(allEvents):
		in.words = nil
	case single && first.says([]string{"scaling"}):
		in.words, e.Scaling = nil, true
	case single && first.says([]string{"warning", "warnings"}) && len(e.Types) == 0:
		in.words, e.Types = nil, []string{"Warning"}
	}
	return nil
}

// regarded is the object that the words name whose events are asked for: pod/web-1, pod web-1, describe pod web-1.
func regarded(words []word) (Object, bool) {
	said := len(words) > 1 && words[0].says(aboutEvents)
	if said {
		words = words[1:]
	}
	var text string
	switch kind, name, slash := strings.Cut(words[0].text, "/"); {
	case words[0].quoted || words[len(words)-1].quoted:
		return Object{}, false
	case len(words) == 1 && slash && name != "":
		if _, known := knownKind(kind); known {
			text = words[0].text
		}
	case len(words) == 2 && !slash:
		_, known := knownKind(words[0].text)
		if known && (said || strings.ContainsAny(words[1].text, "-0123456789")) {
			text = words[0].text + "/" + words[1].text
		}
	}
	if text == "" {
		return Object{}, false
	}
	object, err := ParseObject(text)
	return object, err == nil
}

// searched reports whether a word must be quoted to be looked for in events.
func searched(s string) bool {
	w := word{text: s}
	kind, _, _ := strings.Cut(s, "/")
	_, known := knownKind(kind)
	return known || slices.ContainsFunc([][]string{muteWords, shellWords, allEvents, eventWords, aboutEvents}, w.says)
}

// filterWord is a filter as other tools write it: type=Warning, reason:OOMKilling.
var filterWord = regexp.MustCompile(`^[A-Za-z]+[=:][^\s=:/]+$`)

// eventWord is the mistake of a word that would be looked for in events and means something else;
// nil if it is none.
func eventWord(in *input, i int) *Mistake {
	w := in.words[i]
	if w.quoted {
		return nil
	}
	const quoted = ", and a word to look for in quotes"
	bare := strings.ToLower(w.text)
	timed, next := false, ""
	for j := i + 1; j < len(in.words) && j < i+4 && !in.words[j].quoted && in.words[j].at == in.words[j-1].end+1; j++ {
		next = strings.TrimSpace(next + " " + in.words[j].text)
		timed = timed || meansTime(next, in.now)
	}
	flag := map[string]string{"since": "--since", "last": "--since", "past": "--since", "until": "--until",
		"to": "--until", "till": "--until"}[bare]
	switch {
	case timed && flag != "":
		return in.mistake(w.at, w.end, shown(w.text)+" before a time is written "+flag+quoted, flag, "")
	case filterWord.MatchString(w.text):
		name, value, _ := strings.Cut(strings.Replace(w.text, ":", "=", 1), "=")
		f := eventGrammar.find(strings.ToLower(name))
		if f == nil && strings.EqualFold(name, "type") {
			f = eventGrammar.find("types")
		}
		if f == nil || f.Value == "" || f.Button {
			return nil
		}
		return in.mistake(w.at, w.end, shown(w.text)+" is no word of an event but a filter"+quoted, "--"+f.Name+" "+
			quoteValue(value), "")
	case timed && bare == "between":
		return in.mistake(w.at, in.words[i+1].end, "two times are written --since and --until", "",
			"/events --since 2h --until 1h")
	case len(in.words) == 1 && (strings.ContainsAny(w.text, "0123456789") || bare == "today" || bare == "yesterday") &&
		meansTime(w.text, in.now) && !epochWord.MatchString(w.text):
		return in.mistake(w.at, w.end, "a time is written after --since"+quoted, "--since "+w.text, "")
	case i > 0 && i+1 < len(in.words) && (bare == "or" || w.text == "AND" || w.text == "&&"):
		return in.mistake(w.at, w.end, "all words must stand in an event: "+shown(w.text)+
			" means nothing between them; a word to look for stands in quotes", "", "/events OOMKilled")
	}
	return nil
}
