package digest

import (
	"fmt"
	"slices"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
)

// Kept is what kept nodes in the period, and what was there for nothing.
type Kept struct {
	fleet.Kept
	// Cordons are the nodes that are cordoned for long when the period ends, the longest first, with what they have cost
	// in the period.
	Cordons []Cordon
	Bare    Use // of nodes that hold nothing but DaemonSets' pods when the period ends, as far as events tell
}

// Cordon is a node that is cordoned for long.
type Cordon struct {
	Name    string // untrusted
	Since   time.Time
	AtLeast bool
}

// kept sums up what keeps nodes.
func (s *summing) kept() (k Kept, err error) {
	until := s.span.Until
	if w := s.f.WatchedUntil; !w.IsZero() && until.Sub(w) > fleet.Unwatched { // nobody knows what became of it
		until = w
	}
	var keeps []fleet.Keep
	if s.f.Keeps != nil {
		for x, err := range s.f.Keeps {
			if err != nil {
				return k, err
			}
			keeps = append(keeps, x)
			if x.Kind == fleet.ByCordon && x.At(until) && x.Counts(until) {
				k.Cordons = append(k.Cordons, Cordon{x.Node, x.Since, x.AtLeast})
			}
		}
	}
	slices.SortFunc(k.Cordons, func(a, b Cordon) int { return a.Since.Compare(b.Since) })
	k.Kept = fleet.SumKept(keeps, s.priceOf, s.span.From, until, false)
	for _, n := range s.f.Bare {
		if n.Joined.Before(until) {
			sure, unsure := s.alive(n, s.span)
			k.Bare.add(s.priceOf(n.Machine), sure, unsure)
		}
	}
	return k, nil
}

// slowly reports whether a node that has left was surely not ready for most of its life.
func (s *summing) slowly(n fleet.Life) bool {
	if n.Ready.IsZero() {
		// Of what joined before anybody watched it is not known whether it ever was.
		return !n.Joined.Before(s.f.KnownFrom)
	}
	return n.Ready.Sub(n.Joined) > n.Removed.Sub(n.Ready)
}

// How much a digest tells of what keeps nodes.
const (
	maxKeptBy  = 5
	maxCordons = 3
)

// kept tells who kept what, and what it cost in the period.
func (w words) kept() (texts []string) {
	k := w.s.Kept
	if n := len(k.Nodes); n > 0 {
		were := "were"
		if n == 1 {
			were = "was"
		}
		text := fmt.Sprintf("%s %s kept from being ended", message.Count(n, "node"), were)
		if k.Spent.Priced > 0 {
			text += ": " + message.Dollars(k.Spent) + " in the " + w.name()
		}
		texts = append(texts, text+". "+message.Needed(n, k.Could))
		if k.Could == n {
			texts[0] = text + ", though they could go."
		}
	}
	var rest fleet.KeptBy
	for i, b := range k.By {
		if i >= maxKeptBy {
			rest.Nodes, rest.Spent = rest.Nodes+b.Nodes, rest.Spent.Plus(b.Spent)
			continue
		}
		texts = append(texts, fmt.Sprintf("🧷 %d %s%s", b.Nodes, message.KeptBy(b.Keeper), costing(b.Spent)))
	}
	if rest.Nodes > 0 {
		texts = append(texts, fmt.Sprintf("🧷 %d for other reasons%s", rest.Nodes, costing(rest.Spent)))
	}
	for i, c := range k.Cordons {
		if i == maxCordons {
			texts = append(texts, fmt.Sprintf("🚧 %d more are cordoned for more than %s", len(k.Cordons)-i,
				message.Duration(fleet.LongCordon)))
			break
		}
		since := "since "
		if c.AtLeast {
			since = "at least since "
		}
		texts = append(texts, "🚧 "+c.Name+" is cordoned "+since+w.stamp(c.Since))
	}
	if n := k.Bare; n.Nodes > 0 {
		hold := "hold"
		if n.Nodes == 1 {
			hold = "holds"
		}
		texts = append(texts, fmt.Sprintf("%s %s nothing but pods of DaemonSets, as far as events tell%s",
			message.Count(n.Nodes, "node"), hold, costing(n.Cost)))
	}
	return texts
}

// costing is what something cost in the period, after a colon; "" if no price is known.
func costing(c fleet.Cost) string {
	if c.Priced == 0 {
		return ""
	}
	return ": " + message.Dollars(c)
}

func itsTheir(n int) string {
	if n == 1 {
		return "its"
	}
	return "their"
}
