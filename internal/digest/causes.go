package digest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
)

// CauseUse is the nodes that came, or went, in the period for one cause; the zero cause is that of nodes of which
// nothing says why.
type CauseUse struct {
	Cause fleet.Cause // without what differs from node to node
	// Use is, of nodes that came, what they have cost in the period; of nodes that went, what they cost in an hour.
	Use
}

// alike is a cause without what differs from node to node.
func alike(c fleet.Cause) fleet.Cause {
	switch {
	case c.For != (fleet.Workload{}):
		return fleet.Cause{Kind: c.Kind, For: c.For}
	case c.Kind == fleet.OtherDisruption:
		return c
	}
	return fleet.Cause{Kind: c.Kind, By: c.By}
}

// causes sums up by cause.
type causes map[fleet.Cause]*Use

func (c causes) of(why fleet.Cause) *Use {
	why = alike(why)
	if c[why] == nil {
		c[why] = &Use{}
	}
	return c[why]
}

// list returns the causes, the dearest first, and last what is not explained.
func (c causes) list() (out []CauseUse) {
	for why, use := range c {
		out = append(out, CauseUse{why, *use})
	}
	slices.SortFunc(out, func(a, b CauseUse) int {
		known := func(x CauseUse) int {
			if x.Cause.IsZero() {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(known(a), known(b)), cmp.Compare(b.Cost.USD, a.Cost.USD), cmp.Compare(b.Nodes, a.Nodes),
			cmp.Compare(a.Cause.Kind, b.Cause.Kind), cmp.Compare(a.Cause.For.Namespace, b.Cause.For.Namespace),
			cmp.Compare(a.Cause.For.Name, b.Cause.For.Name), cmp.Compare(a.Cause.By, b.Cause.By),
			cmp.Compare(a.Cause.Why, b.Cause.Why))
	})
	return out
}

// maxCauses is how many causes a digest tells one by one.
const maxCauses = 5

// causes say what the nodes that came in the period came for, and why those that went did, if anything is known of
// that. What they count is all that came and went.
func (w words) causes() (lines []string) {
	if explained(w.s.Came) {
		lines = append(lines, "Came: "+causeList(w.s.Came, message.Dollars, func(c CauseUse) string {
			return message.CameInShort(c.Cause) + " " + message.Count(c.Nodes, "node")
		})+".")
	}
	if explained(w.s.Went) {
		lines = append(lines, "Went: "+causeList(w.s.Went, message.Hourly, func(c CauseUse) string {
			return fmt.Sprintf("%s %d", message.Went(c.Cause), c.Nodes)
		})+".")
	}
	return lines
}

func explained(causes []CauseUse) bool { return len(causes) > 0 && !causes[0].Cause.IsZero() }

func causeList(causes []CauseUse, cost func(fleet.Cost) string, words func(CauseUse) string) string {
	var parts []string
	add := func(text string, c fleet.Cost) {
		if c.Priced > 0 {
			text += ", " + cost(c)
		}
		parts = append(parts, text)
	}
	var rest CauseUse
	others := 0
	for i, c := range causes {
		switch {
		case c.Cause.IsZero():
		case i < maxCauses:
			add(words(c), c.Cost)
		default:
			others++
			rest.Nodes += c.Nodes
			rest.Cost = rest.Cost.Plus(c.Cost)
		}
	}
	if others > 0 {
		add(fmt.Sprintf("%s %d", message.Count(others, "other cause"), rest.Nodes), rest.Cost)
	}
	if last := causes[len(causes)-1]; last.Cause.IsZero() {
		add(fmt.Sprintf("not explained %d", last.Nodes), last.Cost)
	}
	return strings.Join(parts, "; ")
}
