package command

import (
	"fmt"
	"regexp"
	"strings"

	"rollcall/internal/nearest"
)

// Names is what the commands are called in Slack. Every package writes /nodes and /events; an
// installation that shares its workspace with another one calls them something else, because Slack
// gives a command to one app only. The zero value changes nothing.
type Names struct{ Nodes, Events string }

// commandName is a command as Slack takes it: at most 32 characters, lower case, no blanks. Source:
// docs.slack.dev, App manifest reference and Slash commands.
var commandName = regexp.MustCompile(`^/[a-z0-9_-]{1,31}$`)

// ParseNames reads names as SLACK_COMMANDS has them: nodes=/staging-nodes,events=/staging-events. A
// command that is not named keeps its usual name.
func ParseNames(s string) (Names, error) {
	var n Names
	for pair := range strings.SplitSeq(s, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		what, name, _ := strings.Cut(pair, "=")
		what, name = strings.TrimPrefix(strings.TrimSpace(what), "/"), strings.TrimSpace(name)
		var to *string
		switch what {
		case "nodes":
			to = &n.Nodes
		case "events":
			to = &n.Events
		default:
			right := "nodes=/staging-nodes,events=/staging-events"
			if like := nearest.Word(what, "nodes", "events"); like != "" && name != "" {
				right = like + "=" + name
			}
			return Names{}, fmt.Errorf("%q names neither nodes nor events; write for example %s", pair, right)
		}
		if *to != "" {
			return Names{}, fmt.Errorf("%q names %s once more; it is %s already", pair, what, *to)
		}
		if !commandName.MatchString(name) {
			return Names{}, fmt.Errorf("%q is not a command as Slack takes it: a slash and up to 31 of a-z, 0-9, - and _; "+
				"write for example %s=%s", name, what, likeCommand(name, "/staging-"+what))
		}
		*to = name
	}
	if n.Name("/nodes") == n.Name("/events") {
		return Names{}, fmt.Errorf("nodes and events are both called %s; write for example "+
			"nodes=/staging-nodes,events=/staging-events", n.Name("/nodes"))
	}
	return n, nil
}

// likeCommand is the command that a person meant to name, or an example.
func likeCommand(name, example string) string {
	right := "/" + strings.TrimLeft(strings.ToLower(strings.Join(strings.Fields(name), "-")), "/")
	if commandName.MatchString(right) {
		return right
	}
	return example
}

// Name is what /nodes or /events is called.
func (n Names) Name(command string) string {
	switch {
	case command == "/nodes" && n.Nodes != "":
		return n.Nodes
	case command == "/events" && n.Events != "":
		return n.Events
	}
	return command
}

// Read is a text that somebody has typed, with /nodes or /events as its first word where the command
// has another name.
func (n Names) Read(text string) string {
	first, rest, more := strings.Cut(text, " ")
	if first == "" {
		return text
	}
	switch strings.ToLower(first) {
	case n.Nodes:
		first = "/nodes"
	case n.Events:
		first = "/events"
	default:
		return text
	}
	if !more {
		return first
	}
	return first + " " + rest
}

// aCommand is a command in a sentence; what belongs to a path is none.
var aCommand = regexp.MustCompile(`(^|[^\w/.-])(/nodes|/events)\b`)

// Show is a sentence of ours with the names that people type. Never use it on what came from the
// cluster: a path there is no command.
func (n Names) Show(text string) string {
	if n == (Names{}) {
		return text
	}
	return aCommand.ReplaceAllStringFunc(text, func(found string) string {
		at := strings.IndexByte(found, '/')
		return found[:at] + n.Name(found[at:])
	})
}
