package command

import (
	"slices"
	"strings"
)

// Help says how a command is used. It comes from the same table of flags that parsing goes by.
type Help struct {
	Command  string // /nodes
	Usage    []Line
	Flags    []Flag
	Examples []Line
	Notes    []string
}

// Line is something to type and what it does.
type Line struct{ Text, Meaning string }

// NodesHelp says how /nodes is used.
var NodesHelp = Help{
	Command: "/nodes",
	Usage: []Line{
		{"/nodes [filters] [--by WHAT]", "totals and groups of the nodes"},
		{"/nodes list [NAME…] [filters]", "the nodes, page by page; names are globs"},
		{"/nodes NAME", "one node: its name, how it begins, or a part of four characters; or a zone, type or pool"},
		{"/nodes digest [--since TIME]", "what happened and what it cost, of the last 24 hours if nothing is said"},
		{"/nodes waiting", "pods that wait for nodes now: why, and since when"},
		{"/nodes kept", "nodes that are kept from going: by whom, since when, and what they cost"},
		{"/nodes spot [--since TIME]", "spot nodes: how often they are taken back, and what they save"},
		{"/nodes costs [--since TIME] [--by WHAT]", "what nodes cost, by cause, pool, type, zone or capacity"},
		{"/nodes help [WORD]", "this, or more about one filter"},
	},
	Flags: shownFlags(nodeFlags),
	Examples: []Line{
		{"/nodes --by zone", "how many nodes each zone has"},
		{"/nodes list --spot --type m5.*,c6i.*", "spot nodes of two families"},
		{"/nodes list -l 'env in (a,b),!gpu'", "nodes with these labels"},
		{"/nodes list --not-ready --older 10m", "nodes that are older than ten minutes and not ready"},
		{"/nodes list --removed --since 1d --why spot", "spot nodes that the cloud took back since yesterday"},
		{"/nodes digest --since 7d", "the last week"},
	},
	Notes: []string{"Different filters must all hold. Values between commas, or of a repeated filter, are alternatives; " +
		"labels must all hold."},
}

// EventsHelp says how /events is used.
var EventsHelp = Help{
	Command: "/events",
	Usage: []Line{
		{"/events [filters] [TEXT…]", "events, the newest first; every word of the text must stand in them"},
		{"/events help [WORD]", "this, or more about one filter"},
	},
	Flags: shownFlags(eventFlags),
	Examples: []Line{
		{"/events --scaling --since 2h", "what scaled in the last two hours"},
		{"/events --for node/ip-10-0-0-1", "events of a node"},
		{"/events --for pod/web-* -n shop --types Warning", "warnings of some pods"},
		{"/events --reason FailedScheduling Insufficient cpu", "why pods are not scheduled, with two words of the note"},
		{"/events --since 2026-11-24T09:00 --until 2026-11-24T09:30", "half an hour, in UTC"},
	},
	Notes: []string{"Different filters must all hold. Values between commas, or of a repeated filter, are alternatives."},
}

// shownFlags are the flags that people use, in the order of the table.
func shownFlags[T any](flags []option[T]) []Flag {
	var out []Flag
	for _, f := range flags {
		if !f.Button && f.Name != "help" {
			out = append(out, f.Flag)
		}
	}
	return out
}

// Form is how the flag is typed: -l, --selector SELECTOR.
func (f Flag) Form() string {
	form := "--" + f.Name
	if f.Short != "" {
		form = "-" + f.Short + ", " + form
	}
	if f.Value != "" {
		form += " " + f.Value
	}
	return form
}

// About is the part of the help that a topic is about, as ParseNodes and ParseEvents return it;
// all of it for "".
func (h Help) About(topic string) Help {
	if topic == "" {
		return h
	}
	out := Help{Command: h.Command}
	form := ""
	for _, f := range h.Flags {
		if f.Name == topic {
			out.Flags = append(out.Flags, f)
			form = f.form()
		}
	}
	about := func(l Line) bool {
		words := strings.Fields(l.Text)
		if form != "" && slices.Contains(words, form) {
			return true
		}
		return len(words) > 1 && (words[1] == topic || topic == "node" && words[1] == "NAME")
	}
	for _, l := range h.Usage {
		if about(l) {
			out.Usage = append(out.Usage, l)
		}
	}
	for _, l := range h.Examples {
		if about(l) {
			out.Examples = append(out.Examples, l)
		}
	}
	if form != "" && len(out.Examples) == 0 {
		f := out.Flags[0]
		text := h.Command + " " + form
		if f.Value != "" {
			text += " " + f.Example
		}
		out.Examples = []Line{{text, f.Meaning}}
	}
	return out
}

// Words are the verbs and flags of a command, for completion; nil for a command that is not ours.
func Words(command string) []string {
	switch command {
	case "/nodes":
		return words(nodeGrammar)
	case "/events":
		return words(eventGrammar)
	}
	return nil
}

func words[T any](g *grammar[T]) []string {
	out := slices.Clone(g.verbs)
	for _, f := range g.flags {
		if f.Button {
			continue
		}
		if f.Short != "" {
			out = append(out, "-"+f.Short)
		}
		out = append(out, "--"+f.Name)
	}
	return out
}
