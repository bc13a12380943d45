package command

import (
	"slices"
	"strings"
)

// What people who know other tools say first. Whoever means a node or a word to look for, quotes it.
var (
	listWords    = []string{"ls", "lst", "lists", "all", "nodes"}
	summaryWords = []string{"summary", "status", "count", "total", "totals", "overview"}
	aboutWords   = []string{"why", "show", "describe", "desc", "info", "find", "status"} // a node's name follows
	muteWords    = []string{"mute", "unmute", "silence", "unsilence", "snooze"}
	shellWords   = []string{"kubectl", "k", "get"}
	allEvents    = []string{"ls", "list", "show", "all", "events", "event"}
	eventWords   = []string{"warning", "warnings", "scaling", "why"}
)

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
	first := words[0]
	single := len(words) == 1
	switch {
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

var nodeVerbs = []string{"list", "node", "digest", "help"}

// saidFirst reports whether a word means something at the beginning of /nodes.
func saidFirst(s string) bool {
	w := word{text: s}
	return slices.ContainsFunc([][]string{listWords, summaryWords, aboutWords, muteWords, shellWords}, w.says)
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

// searched reports whether a word must be quoted to be looked for in events.
func searched(s string) bool {
	w := word{text: s}
	return slices.ContainsFunc([][]string{muteWords, shellWords, allEvents, eventWords}, w.says)
}

// eventWord is the mistake of a word that would be looked for in events and means something else;
// nil if it is none.
func eventWord(in *input, i int) *Mistake {
	w := in.words[i]
	if w.quoted {
		return nil
	}
	const quoted = ", and a word to look for in quotes"
	bare := strings.ToLower(w.text)
	timed := i+1 < len(in.words) && !in.words[i+1].quoted && in.words[i+1].at == w.end+1 &&
		meansTime(in.words[i+1].text, in.now)
	flag := map[string]string{"since": "--since", "last": "--since", "until": "--until", "to": "--until",
		"till": "--until"}[bare]
	switch {
	case timed && flag != "":
		return in.mistake(w.at, w.end, shown(w.text)+" before a time is written "+flag+quoted, flag, "")
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
