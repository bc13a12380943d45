// Package channel reads a channel of the Slack emulator as a person would who checks Rollcall's
// promise: which node was told to have done what, in which message, and how often. The
// end-to-end tests judge by it, and the demo counts with it. It knows only what the channel
// shows, never the ledger, and it changes nothing.
package channel

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"rollcall/internal/slackemu"
)

// Telling is one statement of the channel: this node did that.
type Telling struct {
	Node string
	Step string // joined, ready, not_ready, recovered, removed
	TS   string // the message that says so
	Kind string // of its wave
}

// Wave is one wave's message as it stands now.
type Wave struct {
	TS      string
	Key     string
	Kind    string
	Nodes   int
	Text    string
	Edits   int
	Replies []slackemu.Message
}

type payload struct {
	Key     string `json:"key"`
	Cluster string `json:"cluster"`
	Kind    string `json:"kind"`
	Nodes   int    `json:"nodes"`
	Causes  []struct {
		Cause string `json:"cause"`
		Nodes int    `json:"nodes"`
	} `json:"causes"`
}

// Waves returns the waves of a channel, oldest first.
func Waves(s *slackemu.Server, channel string) []Wave {
	var waves []Wave
	for _, m := range s.Messages(channel) {
		p, ok := meta(m)
		if !ok {
			continue
		}
		w := Wave{TS: m.TS, Key: p.Key, Kind: p.Kind, Nodes: p.Nodes, Text: m.Text, Edits: len(m.Versions) - 1}
		for _, r := range s.Thread(channel, m.TS) {
			if r.TS != m.TS {
				w.Replies = append(w.Replies, r)
			}
		}
		waves = append(waves, w)
	}
	return waves
}

// meta reads the metadata of a wave's own message.
func meta(m slackemu.Message) (payload, bool) {
	if m.ThreadTS != "" && m.ThreadTS != m.TS {
		return payload{}, false
	}
	return read(m)
}

func read(m slackemu.Message) (payload, bool) {
	var p payload
	if m.Metadata == nil || m.Metadata.EventType != "rollcall_wave" {
		return p, false
	}
	return p, json.Unmarshal(m.Metadata.EventPayload, &p) == nil
}

// Tellings returns everything that the channel says of nodes.
func Tellings(s *slackemu.Server, channel string) []Telling {
	var out []Telling
	for _, w := range Waves(s, channel) {
		m, _ := s.Message(channel, w.TS)
		out = append(out, Of(m, nil)...)
		for _, r := range w.Replies {
			out = append(out, Of(r, &m)...)
		}
	}
	return out
}

// Of returns what one message says of nodes. parent is the message whose thread it is in, nil
// if it is in none: a list in a thread names the nodes, and what they did is said above it.
func Of(m slackemu.Message, parent *slackemu.Message) []Telling {
	about := m
	if parent != nil {
		if p, ok := read(m); ok && p.Kind == "stuck" {
			return nil // about nodes told before
		}
		about = *parent
	}
	p, ok := meta(about)
	// A mute counts changes and names no node; what keeps nodes, or goes round, is none of their steps.
	if !ok || p.Kind == "mute" || p.Kind == "kept" || p.Kind == "loop" {
		return nil
	}
	var out []Telling
	for node, steps := range statements(m.Blocks, p.Kind) {
		for _, step := range steps {
			out = append(out, Telling{Node: node, Step: step, TS: m.TS, Kind: p.Kind})
		}
	}
	return out
}

// About returns what kind of wave a message tells, and of how many nodes, as its metadata says;
// false for a reply in a thread and for what is no wave.
func About(m slackemu.Message) (kind string, nodes int, ok bool) {
	p, ok := meta(m)
	return p.Kind, p.Nodes, ok
}

// Causes returns of how many nodes a wave's message says why they came or went, by kind of cause, as its metadata says.
func Causes(m slackemu.Message) map[string]int {
	p, _ := meta(m)
	causes := map[string]int{}
	for _, c := range p.Causes {
		causes[c.Cause] += c.Nodes
	}
	return causes
}

type element struct {
	Type     string    `json:"type"`
	Text     any       `json:"text"`
	Elements []element `json:"elements"`
}

func (e element) plain() string {
	var b strings.Builder
	if s, ok := e.Text.(string); ok {
		b.WriteString(s)
	}
	for _, c := range e.Elements {
		b.WriteString(c.plain())
	}
	return b.String()
}

// statements reads cards (quotes) and lists (preformatted text): what each node did.
func statements(blocks json.RawMessage, kind string) map[string][]string {
	var bs []element
	if err := json.Unmarshal(blocks, &bs); err != nil {
		return nil
	}
	said := map[string][]string{}
	for _, b := range bs {
		for _, e := range b.Elements {
			switch e.Type {
			case "rich_text_quote":
				lines := strings.Split(e.plain(), "\n")
				said[lines[0]] = append(said[lines[0]], card(lines[1:])...)
			case "rich_text_preformatted":
				for line := range strings.SplitSeq(e.plain(), "\n") {
					name, steps, many := strings.Cut(line, "  ")
					if !many {
						steps = kind
					}
					for step := range strings.SplitSeq(steps, ", ") {
						said[name] = append(said[name], map[string]string{"left": "removed", "not ready": "not_ready"}[step])
						if last := said[name]; last[len(last)-1] == "" {
							last[len(last)-1] = step
						}
					}
				}
			}
		}
	}
	return said
}

// card reads the lines of a card.
func card(lines []string) (steps []string) {
	for _, l := range lines {
		switch {
		case strings.HasPrefix(l, "joined "):
			steps = append(steps, "joined")
			if strings.Contains(l, ", ready after ") {
				steps = append(steps, "ready")
			}
		case strings.HasPrefix(l, "back since "):
			steps = append(steps, "joined")
			if strings.Contains(l, ", ready:") {
				steps = append(steps, "ready")
			}
		case strings.HasPrefix(l, "ready since "):
			steps = append(steps, "ready")
		case strings.HasPrefix(l, "left "):
			steps = append(steps, "removed")
		case strings.HasPrefix(l, "not ready "), strings.HasPrefix(l, "went not ready "):
			steps = append(steps, "not_ready")
			if strings.Contains(l, ", recovered ") {
				steps = append(steps, "recovered")
			}
		case strings.HasPrefix(l, "ready again "):
			steps = append(steps, "recovered")
		}
	}
	return steps
}

// Expect compares what the channel tells of a step with the nodes that took it: the error
// names those lost, told twice, and made up.
func Expect(s *slackemu.Server, channel, step string, nodes []string) error {
	count := map[string]int{}
	for _, t := range Tellings(s, channel) {
		if t.Step == step {
			count[t.Node]++
		}
	}
	var lost, twice, invented []string
	for _, n := range nodes {
		switch count[n] {
		case 0:
			lost = append(lost, n)
		case 1:
		default:
			twice = append(twice, n)
		}
	}
	for n := range count {
		if !slices.Contains(nodes, n) {
			invented = append(invented, n)
		}
	}
	if len(lost)+len(twice)+len(invented) == 0 {
		return nil
	}
	return fmt.Errorf("%s of %d nodes: %d lost, %d told twice, %d made up; for example %v", step, len(nodes), len(lost),
		len(twice), len(invented), example(lost, twice, invented))
}

func example(lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		slices.Sort(l)
		out = append(out, l[:min(2, len(l))]...)
	}
	return out
}

// Log is the part of testing.TB that Dump needs.
type Log interface {
	Helper()
	Logf(format string, args ...any)
}

// Dump writes the channel to a test's log.
func Dump(tb Log, s *slackemu.Server, channel string) {
	tb.Helper()
	for _, w := range Waves(s, channel) {
		m, _ := s.Message(channel, w.TS)
		tb.Logf("%s %s (%d nodes, %d edits, %d replies)\n%s", w.TS, w.Kind, w.Nodes, w.Edits, len(w.Replies),
			slackemu.PlainText(m))
	}
}
