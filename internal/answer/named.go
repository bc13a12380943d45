package answer

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"rollcall/internal/command"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// How much of a text is looked at for names of nodes.
const (
	maxTokens = 300 // different words that could be one
	maxNamed  = 10  // nodes that are told of
)

// aName is what may be the name of a node: a DNS-1123 subdomain. It is told from other words by the ledger.
var aName = regexp.MustCompile(`[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])`)

// tokens are the words of a text that may be names of nodes, each once, and whether there are more.
func tokens(text string) (all []string, more bool) {
	seen := map[string]bool{}
	for _, word := range aName.FindAllString(strings.ToLower(text), -1) {
		if len(word) < leastPart || seen[word] {
			continue
		}
		if len(all) == maxTokens {
			return all, true
		}
		seen[word] = true
		all = append(all, word)
	}
	return all, false
}

// ToText says why the nodes that a text names came or went: any message of the channel, say.
func (a *Answerer) ToText(ctx context.Context, text string, now time.Time) message.Message {
	m, err := a.named(ctx, text, now)
	if err == nil && m == nil {
		return message.Notice("❓", "I found no node's name in this message",
			show("List of nodes", "/nodes list"), show("List of nodes that left", "/nodes list --removed"))
	}
	if err != nil {
		a.log.Error("looking for the nodes of a text failed", "err", err)
		return message.Notice("⚠️", "That could not be looked up in time. Please try again.")
	}
	return *m
}

// named tells of the nodes that a text names; nil if it names none.
func (a *Answerer) named(ctx context.Context, text string, now time.Time) (*message.Message, error) {
	clusters, err := a.store.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	words, more := tokens(text)
	var found []query.NodeRecord
	seen := map[string]bool{}
	of := map[string]query.ClusterRecord{}
	for _, word := range words {
		for _, c := range clusters {
			n, ok, err := a.store.NodeNamed(ctx, c.Cluster, word)
			if err != nil {
				return nil, err
			}
			if !ok || seen[n.UID] {
				continue
			}
			seen[n.UID], of[n.UID] = true, c
			if more = more || len(found) == maxNamed; len(found) < maxNamed {
				found = append(found, n)
			}
		}
	}
	elsewhere := func(n query.NodeRecord) string { // the cluster, where it is not our own
		if n.Cluster == a.cluster {
			return ""
		}
		return n.Cluster
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		m, err := a.node(ctx, of[found[0].UID], found[0], command.Nodes{Cluster: elsewhere(found[0])}, now)
		return &m, err
	}
	m := message.Message{Icon: "📋",
		Headline: message.AtLeast(len(found), more, "node") + " of this message, and why they came or left"}
	m.Text = m.Headline
	open := &message.Choice{Verb: message.Show, Prompt: "Open a node…"}
	for _, c := range clusters {
		var here []query.NodeRecord
		for _, n := range found {
			if n.Cluster == c.Cluster {
				here = append(here, n)
				open.Options = append(open.Options, message.Option{Label: n.Name, Value: nodeLine(n, elsewhere(n))})
			}
		}
		cards, err := a.nodeCards(ctx, here, now)
		if err != nil {
			return nil, err
		}
		if len(here) > 0 && len(clusters) > 1 {
			cards.Heading = c.Cluster
		}
		m.Parts = append(m.Parts, cards)
	}
	m.Parts = append(m.Parts, message.Part{Choice: open})
	return &m, nil
}

// Prompt is something that a person may ask.
type Prompt struct{ Title, Text string }

// Prompts are what Rollcall suggests to whoever writes to it directly. Slack shows four at most.
var Prompts = []Prompt{
	{"How many nodes are there?", "nodes"},
	{"Which nodes are not ready?", "nodes list --not-ready"},
	{"What has scaled in the last 2 hours?", "events --scaling --since 2h"},
	{"What did the last 24 hours cost?", "digest"},
}

// ToDirect answers a direct message: what a command line means, a name alone, or a text with names of nodes in it.
func (a *Answerer) ToDirect(ctx context.Context, text string, now time.Time) message.Message {
	line := command.Direct(text, a.names)
	if line == "" {
		return a.welcome()
	}
	said, err := a.read(ctx, line, now)
	if _, mistaken := errors.AsType[*command.Mistake](err); mistaken {
		// People write sentences: what counts is which nodes they are about.
		if m, err := a.named(ctx, text, now); err == nil && m != nil {
			return *m
		}
	}
	return a.told(ctx, line, now, said, err)
}

// welcome says what may be asked.
func (a *Answerer) welcome() message.Message {
	m := message.Message{Icon: "👋", Headline: "Ask me about the nodes of " + a.cluster}
	m.Text = m.Headline
	var buttons []message.Button
	for _, p := range Prompts {
		buttons = append(buttons, show(p.Title, command.Direct(p.Text, a.names)))
	}
	nodes, events := a.names.Name("/nodes"), a.names.Name("/events")
	m.Parts = []message.Part{{Lines: []message.Line{
		{{Text: fmt.Sprintf("Write what you would write after %s, or events and what you would write after %s. "+
			"The name of a node alone tells its story.", nodes, events)}},
	}}, {Buttons: buttons}, {Buttons: []message.Button{show("Help with "+nodes, "/nodes help"),
		show("Help with "+events, "/events help")}}}
	return m
}
