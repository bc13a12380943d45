package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// causeGroup is the nodes of a wave that came, or went, for one cause.
type causeGroup struct {
	fleet.Cause
	nodes, pods int
	of          map[fleet.Cause]int // the causes that are told as this one, by what is left out of it
}

// came is why a member joined, as far as its wave tells that it did.
func came(m wave.Member) (fleet.Explanation, bool) {
	_, joined := m.Step(fleet.Joined)
	return m.Came, joined
}

// went is why a member left.
func went(m wave.Member) (fleet.Explanation, bool) {
	_, left := m.Step(fleet.Removed)
	return m.Went, left
}

// grouped counts the causes of members, the most frequent first, and those of which none is known. Nodes of one
// workload are one group whatever made it grow: that is told as most of them have it.
func grouped(members []wave.Member, why func(wave.Member) (fleet.Explanation, bool)) (groups []causeGroup,
	unknown int) {
	index := map[fleet.Cause]int{}
	for _, m := range members {
		e, ok := why(m)
		if !ok {
			continue
		}
		if e.IsZero() {
			unknown++
			continue
		}
		key := e.Cause
		if key.For != (fleet.Workload{}) {
			key.Why, key.By = "", ""
		}
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, causeGroup{Cause: key, of: map[fleet.Cause]int{}})
		}
		groups[i].nodes++
		groups[i].pods += e.Pods
		groups[i].of[e.Cause]++
	}
	for i := range groups {
		g := &groups[i]
		most := 0
		for c, n := range g.of {
			if n > most || n == most && cmp.Or(cmp.Compare(c.Why, g.Why), cmp.Compare(c.By, g.By)) > 0 {
				g.Cause, most = c, n
			}
		}
	}
	slices.SortStableFunc(groups, func(a, b causeGroup) int {
		return cmp.Or(cmp.Compare(b.nodes, a.nodes), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.For.Namespace, b.For.Namespace), cmp.Compare(a.For.Name, b.For.Name), cmp.Compare(a.Why, b.Why))
	})
	return groups, unknown
}

// maxCauses is how many causes a message tells one by one.
const maxCauses = 3

// causeLines say why the nodes of a wave came and went, where it has more than one: one by one it is on their cards.
func (r *rendering) causeLines() (lines []message.Line) {
	members := r.wave.Members
	if len(members) < 2 {
		return nil
	}
	groups, unknown := grouped(members, came)
	lines = cameLines(groups, 0, unknown, len(groups) > 1 || unknown > 0)
	if r.named() {
		return lines
	}
	if why := wentInShort(members, !r.wave.ClosedAt.IsZero()); why != "" {
		lines = append(lines, line("Why they left: "+why+"."))
	}
	return lines
}

// cameLines say of groups of nodes why they came: each with its number, or the only one without. rest is how many more
// came for other causes, and unknown of how many none is known.
func cameLines(groups []causeGroup, rest, unknown int, numbered bool) (lines []message.Line) {
	for i, g := range groups {
		if i >= maxCauses {
			rest += g.nodes
			continue
		}
		text := message.Came(g.Cause, g.nodes)
		if numbered || g.Kind == fleet.Replacement {
			text = fmt.Sprintf("%d %s", g.nodes, text)
		} else {
			text = upper(text)
		}
		if more := message.CameBecause(g.Cause, g.pods); more != "" {
			text += ": " + more
		}
		lines = append(lines, line(text))
	}
	switch {
	case rest > 0 && unknown > 0:
		lines = append(lines, line(fmt.Sprintf("%d for other causes, %d not explained", rest, unknown)))
	case rest > 0:
		lines = append(lines, line(fmt.Sprintf("%d for other causes", rest)))
	case unknown > 0 && len(groups) > 0:
		lines = append(lines, line(fmt.Sprintf("%d not explained", unknown)))
	}
	return lines
}

// swapLines tell of the replacements that nodes of the wave have a part in as a whole, where the cards cannot say which
// node took the place of which.
func (r *rendering) swapLines() (lines []message.Line) {
	for _, s := range r.wave.Swaps {
		paired := !slices.ContainsFunc(r.wave.Members, func(m wave.Member) bool {
			return len(m.Others) == 0 && (m.Came.Disruption() == s.Reason || m.Went.Disruption() == s.Reason)
		})
		if paired {
			continue
		}
		when := line(" from ", s.Since, " to ", s.Until)
		if s.Until.Sub(s.Since) < time.Minute {
			when = line(" at ", s.Since)
		}
		// Others of them may have left without anything in their place: no event tells.
		lines = append(lines, line(fmt.Sprintf("%d %s left and %d joined in their place", count(s.Went),
			message.Replaced(s.Reason, count(s.Went)), count(s.Came)), when, change(message.CostOf(s.Went, r.cfg.Price),
			message.CostOf(s.Came, r.cfg.Price))+"."))
	}
	return lines
}

func count(machines map[fleet.Machine]int) (n int) {
	for _, of := range machines {
		n += of
	}
	return n
}

// wentInShort counts why members left: "9 consolidated by Karpenter (empty), 3 spot interruption".
func wentInShort(members []wave.Member, final bool) string {
	groups, unknown := grouped(members, went)
	if len(groups) == 0 && !final {
		return ""
	}
	var parts []string
	for i, g := range groups {
		if i == MaxInline {
			parts = append(parts, fmt.Sprintf("%d other causes", len(groups)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s", g.nodes, message.Went(g.Cause)))
	}
	if unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d not explained", unknown))
	}
	return strings.Join(parts, ", ")
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// causeOf are the lines of a member's card that say why it came and why it went. shared is set where the message says
// above the cards why its nodes came.
func causeOf(m wave.Member, shared bool, cfg Config) (lines []message.Line) {
	if e, ok := came(m); ok && !e.IsZero() {
		switch {
		case e.Kind == fleet.Replacement && len(e.Nodes) > 0:
			lines = append(lines, line("replaces "+names(e.Nodes)+becauseOf(e.Why)+cfg.inAll(m.Others, []fleet.Node{m.Node})))
		case !shared:
			text := message.Came(e.Cause, 1)
			if more := message.CameBecause(e.Cause, e.Pods); more != "" {
				text += ": " + more
			}
			lines = append(lines, line(text))
		}
	}
	if e, ok := went(m); ok && !e.IsZero() {
		text := message.Went(e.Cause) + drained(m, e)
		if e.SavingUSD > 0 {
			text += ", saves " + message.Hourly(fleet.Cost{USD: e.SavingUSD, Priced: 1}) + " by " + e.By + "'s prices"
		}
		lines = append(lines, line(text))
		if len(e.Nodes) > 0 {
			lines = append(lines, line("replaced by "+names(e.Nodes)+cfg.inAll([]fleet.Node{m.Node}, m.Others)))
		}
	}
	return lines
}

// inAll says by how much a replacement changed what is paid by the hour, if all prices are known.
func (c Config) inAll(before, after []fleet.Node) string {
	if len(before) == 0 || len(after) == 0 {
		return ""
	}
	var was, is fleet.Cost
	for _, n := range before {
		was.Add(c.priceOf(n), 1, time.Hour)
	}
	for _, n := range after {
		is.Add(c.priceOf(n), 1, time.Hour)
	}
	return change(was, is)
}

// change says by how much what is paid by the hour changed, if both are known.
func change(was, is fleet.Cost) string {
	if was.Priced == 0 || is.Priced == 0 || was.LeftOut()+is.LeftOut() > 0 || !was.Exact() || !is.Exact() {
		return ""
	}
	switch d := is.USD - was.USD; {
	case d > 0:
		return ", +" + message.Hourly(fleet.Cost{USD: d, Priced: 1}) + " in all"
	case d < 0:
		return ", −" + message.Hourly(fleet.Cost{USD: -d, Priced: 1}) + " in all"
	}
	return ", for the same price"
}

func becauseOf(why string) string {
	if why == "" {
		return ""
	}
	return " (" + message.OneWord(why) + ")"
}

// names lists the names of nodes, or counts them.
func names(of []string) string {
	if len(of) > MaxInline {
		return nodes(len(of))
	}
	var words []string
	for _, n := range of {
		words = append(words, message.OneWord(n))
	}
	return strings.Join(words, ", ")
}

// longDrain is how long a node must have been drained for that to be told. It is Rollcall's own choice.
const longDrain = 10 * time.Minute

// drained says how long a node was drained, if that took long.
func drained(m wave.Member, e fleet.Explanation) string {
	left, _ := m.Step(fleet.Removed)
	took := left.At.Sub(e.Since)
	if e.Since.IsZero() || vague(left) || took < longDrain {
		return ""
	}
	return ", drained for " + message.Duration(took)
}

// causesInShort is what the notification of a message says of why, after what happened; "" if nothing is known.
func (r *rendering) causesInShort() string {
	if groups, _ := grouped(r.wave.Members, came); len(groups) > 0 {
		return ", " + message.Came(groups[0].Cause, groups[0].nodes)
	}
	if groups, _ := grouped(r.wave.Members, went); len(groups) > 0 {
		text := message.Went(groups[0].Cause)
		if groups[0].nodes < len(r.wave.Members) {
			text = fmt.Sprintf("%d %s", groups[0].nodes, text)
		}
		return ": " + text
	}
	return ""
}

// causeCounts are the causes of a wave's nodes, for automations.
func causeCounts(members []wave.Member) (out []message.CauseCount) {
	count := map[fleet.CauseKind]int{}
	for _, m := range members {
		for _, why := range []func(wave.Member) (fleet.Explanation, bool){came, went} {
			if e, ok := why(m); ok && !e.IsZero() {
				count[e.Kind]++
			}
		}
	}
	for kind, n := range count {
		out = append(out, message.CauseCount{Cause: kind, Nodes: n})
	}
	slices.SortFunc(out, func(a, b message.CauseCount) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Cause, b.Cause))
	})
	return out
}
