package digest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
)

// Consolidation is what autoscalers did to save money in the period, and what came of it.
type Consolidation struct {
	Removed  Use // nodes that it ended, and what they would have cost until the period's end
	Replaced Use // nodes that it launched in the place of others, and what they have cost in the period
	Again    int // of these, how many it ended again in the period
	// Expected is what the autoscaler said that it saves by the hour, each command once, by its own prices; Said is how
	// many of the nodes it said so of.
	Expected float64
	Said     int
}

// commandSpan is how far apart the nodes of one command are said to be candidates.
const commandSpan = time.Minute

// candidates are what the autoscaler said of the nodes that it ended, by UID: the last of each.
type candidates map[string][]fleet.Event

var (
	savings = regexp.MustCompile(`\(savings: \$([0-9]+(?:\.[0-9]+)?)\)$`)
	partOf  = regexp.MustCompile(`\(part of ([0-9]{1,6})-node consolidation\)`)
)

// command is what a statement about a candidate says of the command that it is part of.
type command struct {
	text  string  // the same of all its nodes
	nodes int     // how many it is for; 0 if the text does not say, and is the same for all
	usd   float64 // what it saves by the hour
	at    time.Time
}

func commandOf(e fleet.Event) (c command, ok bool) {
	m := savings.FindStringSubmatch(e.Note)
	if m == nil {
		return c, false
	}
	usd, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return c, false
	}
	c = command{text: e.Note, usd: usd, at: e.Last}
	if p := partOf.FindStringSubmatch(e.Note); p != nil {
		if c.nodes, err = strconv.Atoi(p[1]); err != nil || c.nodes < 1 {
			return c, false
		}
		c.text = m[1] // the rest of it names the node
	}
	return c, true
}

// consolidated reports whether a node went because an autoscaler found too little on it.
func consolidated(c fleet.Cause) bool { return c.Kind == fleet.Empty || c.Kind == fleet.Underutilized }

// replacing reports whether a node came in the place of others that were to be consolidated.
func replacing(c fleet.Cause) bool {
	return c.Kind == fleet.Replacement && (strings.EqualFold(c.Why, "underutilized") || strings.EqualFold(c.Why, "empty"))
}

// consolidate adds a life to the account.
func (s *summing) consolidate(n fleet.Life, price fleet.Price, sure, unsure time.Duration) {
	c := &s.consolidation
	joined, left := s.span.Has(n.Joined), s.span.Has(n.Removed) && consolidated(n.Went)
	if joined && replacing(n.Came) {
		c.Replaced.add(price, sure, unsure)
		if left {
			c.Again++
		}
	} else if left { // else nobody would have it but for the consolidation before
		c.Removed.add(price, s.span.Until.Sub(n.Removed), 0)
	}
	if left {
		s.ended = append(s.ended, n)
	}
}

// expect adds what the autoscaler expected of the nodes that it ended.
func (s *summing) expect() error {
	if s.f.Candidates == nil || len(s.ended) == 0 {
		return nil
	}
	said := candidates{}
	for e, err := range s.f.Candidates {
		if err != nil {
			return err
		}
		said[e.Regarding.UID] = append(said[e.Regarding.UID], e)
	}
	whole := map[string]bool{}
	parts := map[string][]command{} // of commands whose nodes are told each for itself
	for _, n := range s.ended {
		var last fleet.Event
		for _, e := range said[n.UID] {
			if !e.First.After(n.Removed) && !e.Last.Before(last.Last) {
				last = e
			}
		}
		c, ok := commandOf(last)
		switch {
		case !ok:
		case c.nodes > 1:
			key := fmt.Sprintf("%d %s", c.nodes, c.text)
			parts[key] = append(parts[key], c)
		default:
			s.consolidation.Said++
			if !whole[c.text] {
				whole[c.text] = true
				s.consolidation.Expected += c.usd
			}
		}
	}
	for _, all := range parts {
		slices.SortFunc(all, func(a, b command) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
		// Of a command of which not all nodes went, something else was carried out.
		for len(all) > 0 {
			n := min(len(all), all[0].nodes)
			if n == all[0].nodes && all[n-1].at.Sub(all[0].at) <= commandSpan {
				s.consolidation.Said += n
				s.consolidation.Expected += all[0].usd
				all = all[n:]
			} else {
				all = all[1:]
			}
		}
	}
	return nil
}

// consolidation tells what consolidation did, what the autoscaler expected of it, and what came of it.
func (w words) consolidation() (texts []string) {
	c := w.s.Consolidation
	ended := c.Removed.Nodes + c.Again
	if ended == 0 {
		return nil
	}
	text := message.Count(ended, "node") + " removed"
	if c.Replaced.Nodes > 0 {
		text += fmt.Sprintf(", and %d launched in their place", c.Replaced.Nodes)
		if c.Again > 0 {
			text += fmt.Sprintf(", of which %d were removed again", c.Again)
		}
	}
	texts = append(texts, text+".")
	if c.Said > 0 {
		text := fmt.Sprintf("The autoscaler expected to save %s", message.Hourly(fleet.Cost{USD: c.Expected, Priced: 1}))
		if c.Said < ended {
			text += fmt.Sprintf(" by %d of them, and says nothing of the others", c.Said)
		}
		texts = append(texts, text+".")
	}
	gone, new := known(c.Removed.Cost), known(c.Replaced.Cost)
	if c.Removed.Cost.Priced == 0 || c.Replaced.Cost.LeftOut() > 0 {
		return texts
	}
	if c.Replaced.Nodes == 0 {
		return append(texts, fmt.Sprintf("Until the end of the %s they would have cost %s.", w.name(), message.Dollars(gone)))
	}
	text = fmt.Sprintf("Until the end of the %s those that went would have cost %s, and those in their place cost %s",
		w.name(), message.Dollars(gone), message.Dollars(new))
	if diff := gone.USD - new.USD; gone.Exact() && new.Exact() && c.Removed.Cost.LeftOut() == 0 {
		if diff >= 0 {
			text += fmt.Sprintf(": it saved %s", dollars(diff))
		} else {
			text += fmt.Sprintf(": it cost %s more than it saved", dollars(-diff))
		}
	}
	return append(texts, text+".")
}
