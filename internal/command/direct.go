package command

import (
	"regexp"
	"slices"
	"strings"
)

// The first words of what people write to Rollcall itself, without a slash.
var (
	directNodes  = []string{"nodes", "node"}
	directEvents = []string{"events", "event", "warning", "warnings", "scaling"}
	greetings    = []string{"hi", "hello", "hey", "help", "start", "thanks", "thank", "ok", "test", "ping"}
)

// mentioned is a mention at the beginning of a text, as Slack sends it: people call whom they talk to.
var mentioned = regexp.MustCompile(`^\s*<@[A-Z0-9]+(?:\|[^<>]*)?>[\s,:]*`)

// Direct is the command line that a direct message means: it needs no slash, and a text that does not begin with nodes
// or events is about nodes. It is "" for a message that asks for nothing, such as a greeting.
func Direct(text string, names Names) string {
	text = strings.TrimSpace(mentioned.ReplaceAllString(text, ""))
	text = names.Read(strings.TrimSpace(strings.Trim(text, "`*_")))
	first, rest, _ := strings.Cut(text, " ")
	word := strings.ToLower(strings.Trim(first, ".,:;!?"))
	says := func(words []string) bool { return slices.Contains(words, word) }
	switch {
	case word == "" || says(greetings) && len(strings.Fields(rest)) < 3:
		return ""
	case strings.HasPrefix(first, "/nodes") || strings.HasPrefix(first, "/events"):
		return text
	case says(directNodes[:1]):
		return strings.TrimSpace("/nodes " + rest)
	case says(directNodes):
		return strings.TrimSpace("/nodes node " + rest)
	case says(directEvents[:2]):
		return strings.TrimSpace("/events " + rest)
	case says(directEvents):
		return "/events " + text
	}
	return "/nodes " + text
}
