package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// RenderList says what a thread reply reads that names the given members of a wave; n is the
// first one's number in the wave, from 1.
func RenderList(w wave.Wave, members []wave.Member, n int) message.Message {
	about := fmt.Sprintf("odes %d–%d of %d", n, n+len(members)-1, len(w.Members))
	t := &message.Table{}
	index := map[listGroup]int{}
	for _, member := range members {
		g := listGroupOf(member)
		i, ok := index[g]
		if !ok {
			i = len(t.Rows)
			index[g] = i
			title := message.Attributes(member.Node)
			if g.why != "" {
				title += ": " + g.why
			}
			t.Rows = append(t.Rows, []string{title})
			t.Names = append(t.Names, nil)
		}
		name := member.Node.Name
		if kindOf(w.Kind).mixed {
			name += "  " + stepsInShort(member)
		}
		t.Names[i] = append(t.Names[i], name)
	}
	return message.Message{Kind: wave.PartList, Cluster: w.Cluster, Nodes: len(members), Icon: "📋", Headline: "N" + about,
		Text: w.Cluster + ": n" + about, Parts: []message.Part{{Table: t}}}
}

// listGroup is what nodes have in common that a list names together: what they are and, if they are gone, why.
type listGroup struct {
	fleet.Group
	why string
}

func listGroupOf(m wave.Member) listGroup {
	g := listGroup{Group: group(m.Node)}
	if e, ok := went(m); ok {
		g.why = message.Went(e.Cause)
	}
	return g
}

func stepsInShort(m wave.Member) string {
	var parts []string
	for _, kind := range fleet.ChangeKinds {
		if _, ok := m.Step(kind); ok {
			parts = append(parts, message.Step(kind).Short)
		}
	}
	return strings.Join(parts, ", ")
}

// listSize is about how many characters a member takes in a list at most, and with its group's
// line if it is the first of it.
func listSize(w wave.Wave, m wave.Member, firstOfGroup bool) int {
	size := message.Units(m.Node.Name) + 1
	if kindOf(w.Kind).mixed {
		size += len("  joined, ready, not ready, recovered, left")
	}
	if firstOfGroup {
		size += min(message.Units(message.Attributes(m.Node)), 300) + message.Units(listGroupOf(m).why) + 42
	}
	return size
}

// NextList returns the UIDs of the nodes that the next list of a wave's thread names: of those that
// none names yet as many as fit into room characters, and at least one.
func NextList(w wave.Wave, room int) (uids []string) {
	seen := map[listGroup]bool{}
	for _, m := range w.Members {
		if m.Part != "" {
			continue
		}
		g := listGroupOf(m)
		room -= listSize(w, m, !seen[g])
		if seen[g] = true; room < 0 && len(uids) > 0 {
			break
		}
		uids = append(uids, m.Node.UID)
	}
	return uids
}

// RenderUpdate says what the thread reply reads that stands for an edit of a wave's main message, which takes none any
// more: the message as it is now, and of the nodes only what is not told yet.
func RenderUpdate(w wave.Wave, totals fleet.Totals, cfg Config) message.Message {
	var untold []message.Card
	for _, m := range w.Members {
		i := slices.IndexFunc(m.Steps, func(c fleet.Change) bool { return c.ID > m.ToldUpTo })
		if i >= 0 {
			m.Steps = m.Steps[i:]
			untold = append(untold, card(m, false, cfg))
		}
	}
	m := Render(w, totals, nil, cfg)
	m.Kind = wave.PartUpdate
	m.Parts = slices.DeleteFunc(m.Parts, func(p message.Part) bool {
		return len(p.Buttons) > 0 || len(p.Cards) > 0 && len(untold) == 0
	})
	for i := range m.Parts {
		if len(m.Parts[i].Cards) > 0 {
			m.Parts[i].Cards = untold
		}
	}
	return m
}

// RenderNeverReady says what the thread reply reads about nodes of a wave that did not become
// ready in time, and whether there are any.
func RenderNeverReady(w wave.Wave, cfg Config) (message.Message, bool) {
	var names, whys []string
	var stuck []fleet.Node
	for _, m := range w.Members {
		_, joined := m.Step(fleet.Joined)
		_, ready := m.Step(fleet.BecameReady)
		if joined && !ready && m.RemovedAt.IsZero() && m.Node.Ready.Status != fleet.Ready {
			why := cmp.Or(message.Unready(m.Node.Ready), "no Ready condition")
			stuck, whys = append(stuck, m.Node), append(whys, why)
			name := m.Node.Name
			if machine := message.Machine(m.Node); machine != "" {
				name += " (" + machine + ")"
			}
			names = append(names, name+": "+why)
		}
	}
	if len(names) == 0 {
		return message.Message{}, false
	}
	m := message.Message{Kind: wave.PartStuck, Cluster: w.Cluster, Nodes: len(names), Icon: "❌", Broad: true}
	m.Headline = fmt.Sprintf("%s: %s not ready %s after joining", w.Cluster, nodes(len(names)),
		message.Duration(cfg.ReadyDeadline)) + shared(whys) + common(stuck)
	m.Text = m.Headline
	if len(names) == 1 {
		m.Text = fmt.Sprintf("%s: %s not ready %s after joining: %s%s", w.Cluster, stuck[0].Name,
			message.Duration(cfg.ReadyDeadline), whys[0], common(stuck))
	}
	const most = 20
	var lines []message.Line
	for _, n := range names[:min(most, len(names))] {
		lines = append(lines, line("• "+n))
	}
	if len(names) > most {
		lines = append(lines, line(fmt.Sprintf("and %d more", len(names)-most)))
	}
	// What happened to them is what a person wants to see next.
	m.Parts = []message.Part{{Lines: append(lines, lookLines(w)...)},
		{Buttons: append(lookButton(w, true), eventsButton(w))}}
	return m, true
}
