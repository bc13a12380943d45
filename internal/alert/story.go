package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// card shows one node of a small wave.
func card(m wave.Member, shared bool, cfg Config) message.Card {
	c := message.Card{Name: m.Node.Name, Lines: []message.Line{line(message.Priced(m.Node, cfg.Price))}}
	if l := labels(m.Node, cfg.Labels); l != "" {
		c.Lines = append(c.Lines, line(l))
	}
	c.Lines = append(c.Lines, story(m, cfg)...)
	c.Lines = append(c.Lines, causeOf(m, shared, cfg)...)
	return c
}

// shownAnyway are the words for ALERT_LABELS that stand for what each card shows already.
var shownAnyway = []string{"zone", "pool", "capacity type", "capacity", "arch"}

func labels(n fleet.Node, keys []string) string {
	var parts []string
	for _, k := range keys {
		if v, ok := n.Labels[k]; ok && !slices.Contains(shownAnyway, k) {
			parts = append(parts, k+"="+v)
		}
	}
	return strings.Join(parts, " · ")
}

// story tells the steps of a node's life that the wave knows, for its card.
func story(m wave.Member, cfg Config) []message.Line {
	var lines []message.Line
	joined, hasJoined := m.Step(fleet.Joined)
	ready, hasReady := m.Step(fleet.BecameReady)
	down, hasDown := m.Step(fleet.WentUnready)
	up, hasUp := m.Step(fleet.Recovered)
	left, hasLeft := m.Step(fleet.Removed)
	if hasJoined && joined.Occurrence > 1 {
		l := line("back since ", joined.At)
		if hasReady {
			l = append(l, line(", ready")...)
		} else if m.RemovedAt.IsZero() {
			l = append(l, line(", not ready yet")...)
		}
		lines = append(lines, append(l, line(": the same node, which had been recorded as gone")...))
	} else if hasJoined {
		l := line("joined ", joined.At)
		if hasReady {
			l = append(l, line(", ready after "+message.Duration(ready.At.Sub(joined.At)))...)
		} else if m.RemovedAt.IsZero() {
			l = append(l, line(", not ready yet")...)
		} else if !hasLeft {
			l = append(l, line(", left before it was ready")...)
		}
		lines = append(lines, l)
	} else if hasReady {
		lines = append(lines, readySince(m, ready))
	}
	if hasDown {
		l := line("not ready since ", down.At)
		if vague(down) {
			l = line("went not ready between ", down.NotBefore, " and ", down.At)
		}
		back, isBack := recovery(m)
		switch {
		case isBack && vague(down):
			l = append(l, line(", recovered ", back.At)...)
		case isBack:
			l = line("not ready from ", down.At, ", recovered after "+message.Duration(back.At.Sub(down.At)))
		case !m.RemovedAt.IsZero() && !hasLeft:
			l = append(l, line(", then it left")...)
		}
		lines = append(lines, l)
		if why := unready(m, down); why != "" && !isBack {
			lines = append(lines, line(why))
		}
	} else if hasUp {
		lines = append(lines, line("ready again since ", up.At))
	}
	if hasLeft {
		l := lifetime(m, left, cfg)
		if _, _, ending := m.Node.Leaving(); ending && !hasDown && m.Node.Ready.Status != fleet.Ready &&
			m.Node.Ready.Since.After(m.Node.CreatedAt) && left.At.Sub(m.Node.Ready.Since) >= time.Minute && !vague(left) {
			l = append(l, line(", not ready for its last "+message.Duration(left.At.Sub(m.Node.Ready.Since)))...)
		}
		lines = append(lines, l)
	}
	return lines
}

func readySince(m wave.Member, ready fleet.Change) message.Line {
	l := line("ready since ", ready.At)
	if born := m.Node.CreatedAt; !born.IsZero() {
		l = append(l, line(", "+message.Duration(ready.At.Sub(born))+" after it was created")...)
	}
	return l
}

// unready says in words why a node went not ready. What its condition says now counts if it is still that one.
func unready(m wave.Member, down fleet.Change) string {
	c := fleet.Condition{Reason: down.Reason}
	if m.Node.Ready.Status != fleet.Ready && m.Node.Ready.Reason == down.Reason {
		c.Message = m.Node.Ready.Message
	}
	return message.Unready(c)
}

// vague reports whether the time of a change is unknown by more than people care about.
func vague(c fleet.Change) bool {
	return c.Proof == fleet.ProofNone && c.At.Sub(c.NotBefore) >= time.Minute
}

func lifetime(m wave.Member, left fleet.Change, cfg Config) message.Line {
	born := m.Node.CreatedAt
	if j, ok := m.Step(fleet.Joined); ok && born.IsZero() {
		born = j.At
	}
	if vague(left) {
		l := line("left between ", left.NotBefore, " and ", left.At)
		if !born.IsZero() {
			l = append(l, line(fmt.Sprintf(", lived %s to %s", message.Duration(max(0, left.NotBefore.Sub(born))),
				message.Duration(left.At.Sub(born))))...)
		}
		return l
	}
	l := line("left ", left.At)
	if !born.IsZero() {
		l = append(l, line(", lived "+message.Duration(left.At.Sub(born))+
			message.AndLifeCost(cfg.priceOf(m.Node), left.At.Sub(born)))...)
	}
	return l
}

// machineWords says what kind of machine a node is, for the notification about it.
func machineWords(n fleet.Node, cfg Config) string {
	text := message.InShort(n)
	if price := message.HourlyPrice(cfg.priceOf(n)); price != "" {
		text += ", " + price
	}
	return " (" + text + ")"
}

// oneJoined is the notification that one node joined, after its name.
func oneJoined(m wave.Member, cfg Config) string {
	s := " joined" + machineWords(m.Node, cfg) + storyWords(m, cfg)
	if e, ok := came(m); ok && !e.IsZero() {
		s += ", " + message.Came(e.Cause, 1)
	}
	return s
}

// storyWords tells, after a node's name, what happened to it since it joined.
func storyWords(m wave.Member, cfg Config) (s string) {
	n := m.Node
	joined, _ := m.Step(fleet.Joined)
	if ready, ok := m.Step(fleet.BecameReady); ok {
		s += ", ready after " + message.Duration(ready.At.Sub(joined.At))
	}
	if down, ok := m.Step(fleet.WentUnready); ok {
		up, back := recovery(m)
		switch {
		case back:
			s += " was not ready, recovered after " + message.Duration(up.At.Sub(down.At))
		case !m.RemovedAt.IsZero():
			s += " was not ready and left"
		default:
			s += " is not ready" + strings.TrimSuffix(": "+unready(m, down), ": ") + common([]fleet.Node{n})
		}
	}
	if left, ok := m.Step(fleet.Removed); ok {
		if !vague(left) && !n.CreatedAt.IsZero() {
			s += ", lived " + message.Duration(left.At.Sub(n.CreatedAt)) +
				message.AndLifeCost(cfg.priceOf(n), left.At.Sub(n.CreatedAt))
		}
		if e, ok := went(m); ok && !e.IsZero() {
			s += ", " + message.Went(e.Cause) + drained(m, e)
		}
	}
	return s
}

// statistics are the sentences that a large wave has instead of cards.
func (r *rendering) statistics() []message.Line {
	var spent fleet.Cost // by those that left
	var toReady, lived, down []time.Duration
	causes := map[string]int{}
	var unproven, notReady int
	for _, m := range r.wave.Members {
		joined, hasJoined := m.Step(fleet.Joined)
		if ready, ok := m.Step(fleet.BecameReady); ok && hasJoined {
			toReady = append(toReady, ready.At.Sub(joined.At))
		}
		if d, ok := m.Step(fleet.WentUnready); ok {
			if up, ok := recovery(m); ok && !vague(d) {
				down = append(down, up.At.Sub(d.At))
			} else if !ok {
				notReady++
				if why := unready(m, d); why != "" {
					causes[why]++
				}
			}
		}
		if left, ok := m.Step(fleet.Removed); ok {
			if vague(left) {
				unproven++
			} else if !m.Node.CreatedAt.IsZero() {
				lived = append(lived, left.At.Sub(m.Node.CreatedAt))
				spent.Add(r.cfg.priceOf(m.Node), 1, left.At.Sub(m.Node.CreatedAt))
			}
		}
	}
	var lines []message.Line
	add := func(did string, ds []time.Duration) {
		if len(ds) == 0 {
			return
		}
		slices.Sort(ds)
		least, most := message.Duration(ds[0]), message.Duration(ds[len(ds)-1])
		if least != most {
			least = fmt.Sprintf("a median of %s (%s to %s)", message.Duration(ds[len(ds)/2]), least, most)
		}
		lines = append(lines, line(did+" "+least+"."))
	}
	add("Ready after", toReady)
	add("Recovered after", down)
	add("Lived", lived)
	if spent.Priced > 0 {
		lines = append(lines, line("They have cost "+message.Dollars(spent)+" in all."))
	}
	if unproven > 0 {
		lines = append(lines, line(fmt.Sprintf("When %s left is not recorded.", nodes(unproven))))
	}
	if len(causes) > 0 {
		lines = append(lines, line("Why they are not ready: "+counted(causes)+"."))
	}
	return lines
}

// counted lists what a map counts, most first, at most five.
func counted(counts map[string]int) string {
	keys := message.MostFirst(counts)
	var parts []string
	for i, k := range keys {
		if i == MaxInline {
			parts = append(parts, fmt.Sprintf("%d others", len(keys)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s", counts[k], message.Clip(k, 100)))
	}
	return strings.Join(parts, ", ")
}
