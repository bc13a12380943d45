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

// rendering is a wave's main message in the making.
type rendering struct {
	wave   wave.Wave
	kind   kind
	totals fleet.Totals
	first  []fleet.Group // the nodes of the first start; only for the baseline
	cfg    Config

	m     message.Message
	cards []message.Card
	table *message.Table
	above []message.Line // the table
	lines []message.Line // below it
	quiet bool           // without the running totals
}

// headline is the notification of a message whose headline says it all.
func (r *rendering) headline() string { return r.m.Headline }

// titled sets the icon and the headline, which begins with the cluster.
func (r *rendering) titled(icon, format string, args ...any) {
	r.m.Icon, r.m.Headline = icon, r.wave.Cluster+": "+fmt.Sprintf(format, args...)
}

// add adds a line below.
func (r *rendering) add(l ...message.Line) { r.lines = append(r.lines, l...) }

// line builds a line of strings and moments.
var line = message.NewLine

// Render says what a wave's main message reads. first are the groups of nodes of the first start,
// which the baseline alone shows. It says the same for the same ledger, whenever it is asked.
func Render(w wave.Wave, totals fleet.Totals, first []fleet.Group, cfg Config) message.Message {
	r := &rendering{wave: w, kind: kindOf(w.Kind), totals: totals, first: first, cfg: cfg,
		m: message.Message{Kind: string(w.Kind), Cluster: w.Cluster, Nodes: len(w.Members)}}
	r.kind.say(r)
	r.m.Headline += r.costWords()
	if !r.named() {
		var common message.Line
		if common, r.table = message.GroupTable(Groups(w.Members, cfg.Price)); len(common) > 0 {
			r.above = append(r.above, common)
		}
		r.add(r.statistics()...)
		if w.ClosedAt.IsZero() {
			r.add(line("The names follow in the thread."))
		} else {
			r.add(line("All names are in the thread."))
		}
	} else {
		groups, unknown := grouped(w.Members, came)
		shared := len(w.Members) > 1 && len(groups) == 1 && unknown == 0
		for _, member := range w.Members {
			r.cards = append(r.cards, card(member, shared, cfg))
		}
	}
	r.add(r.swapLines()...)
	r.add(unknowable(w.Gap)...)
	r.add(lookLines(w)...)
	dateOld(r.lines, w.OpenedAt)
	for _, c := range r.cards {
		dateOld(c.Lines, w.OpenedAt)
	}
	r.m.Text = r.notification()
	r.m.Causes = causeCounts(w.Members)
	r.m.Mentions = strings.Fields(cfg.Routes.Rung(w.Mentions))
	for _, p := range []message.Part{
		{Lines: append(r.causeLines(), r.above...)}, {Cards: r.cards}, {Table: r.table}, {Lines: r.lines},
		{Footer: r.footer()}, {Buttons: Buttons(w)},
	} {
		if len(p.Cards)+len(p.Lines)+len(p.Footer)+len(p.Buttons) > 0 || p.Table != nil {
			r.m.Parts = append(r.m.Parts, p)
		}
	}
	return r.m
}

// named reports whether the message names its nodes one by one. What its thread has named it does not: a version
// before this one may have.
func (r *rendering) named() bool {
	kinds := map[[2]string]bool{}
	for _, m := range r.wave.Members {
		kinds[[2]string{m.Node.InstanceType, m.Node.CapacityType}] = true
	}
	return Named(len(r.wave.Members), len(kinds)) && !hasPart(r.wave, wave.PartList)
}

// notification is what phones show of the message: its whole point in one line.
func (r *rendering) notification() string {
	members := r.wave.Members
	switch {
	case r.kind.short != nil:
		return r.kind.short(r)
	case r.wave.Gap != nil || len(members) == 0:
		return r.m.Headline
	case len(members) == 1 && r.kind.one != nil:
		n := members[0]
		return fmt.Sprintf("%s: %s%s", r.wave.Cluster, n.Node.Name, r.kind.one(n, r.cfg))
	}
	text := r.m.Headline
	if types := message.TypesInShort(Groups(members, nil)); types != "" {
		text += " (" + types + ")"
	}
	return text + r.causesInShort()
}

func (r *rendering) footer() message.Line {
	if r.quiet {
		return nil
	}
	parts := []string{message.Totals(r.wave.Cluster, r.totals)}
	for _, p := range r.wave.Pools {
		grew := slices.ContainsFunc(r.wave.Members, func(m wave.Member) bool {
			return m.Node.Owner.Kind == "NodeClaim" && m.Node.Pool == p.Name
		})
		if use := message.PoolUse(p); grew && use != "" && len(parts) <= maxPools {
			parts = append(parts, use)
		}
	}
	return line(strings.Join(parts, "; "))
}

// maxPools is of how many pools a message says how much of their limits they use.
const maxPools = 2

// dateOld shows the date of moments that are not of the message's own day.
func dateOld(lines []message.Line, opened time.Time) {
	if opened.IsZero() {
		return
	}
	for _, l := range lines {
		for i := range l {
			l[i].Day = l[i].Day || !l[i].At.IsZero() && l[i].At.Sub(opened).Abs() > 12*time.Hour
		}
	}
}

// priceOf is what a node costs.
func (c Config) priceOf(n fleet.Node) fleet.Price {
	if c.Price == nil {
		return fleet.Price{}
	}
	return c.Price(n.Machine())
}

// costWords says at the end of a headline what the wave's nodes cost by the hour, or by how much
// they changed what the cluster costs.
func (r *rendering) costWords() string {
	if r.kind.cost == nil {
		return ""
	}
	var came, left fleet.Cost
	for _, m := range r.wave.Members {
		p := r.cfg.priceOf(m.Node)
		_, joined := m.Step(fleet.Joined)
		_, removed := m.Step(fleet.Removed)
		switch {
		case removed && !joined:
			left.Add(p, 1, time.Hour)
		case joined && !removed || !r.kind.mixed:
			came.Add(p, 1, time.Hour)
		}
	}
	unpriced := ""
	if n := came.Unpriced + left.Unpriced; n > 0 {
		unpriced = fmt.Sprintf(" (%d not priced)", n)
	}
	came.Unpriced, left.Unpriced = 0, 0
	if came.Priced+left.Priced == 0 {
		return ""
	}
	if words := r.kind.cost(came, left); words != "" {
		return ", " + words + unpriced
	}
	return ""
}

func costMore(came, _ fleet.Cost) string { return message.Hourly(came) + " more" }
func costLess(_, left fleet.Cost) string { return message.Hourly(left) + " less" }
func costDifference(came, left fleet.Cost) string {
	if !came.Exact() || !left.Exact() { // the difference of two bounds is not a bound
		return ""
	}
	switch d := came.USD - left.USD; {
	case d > 0:
		return costMore(fleet.Cost{USD: d, Priced: 1}, fleet.Cost{})
	case d < 0:
		return costLess(fleet.Cost{}, fleet.Cost{USD: -d, Priced: 1})
	}
	return ""
}

// unknowable says what a comparison after a gap rests on, and what it cannot show.
func unknowable(g *fleet.Gap) []message.Line {
	if g == nil || !g.Missed {
		return nil
	}
	var lines []message.Line
	if !g.Confirmed.IsZero() {
		lines = append(lines,
			line("A list lacked all or nearly all nodes. A second one, at ", g.Confirmed, ", confirmed it."))
	}
	switch {
	case g.EventsFrom.IsZero():
		lines = append(lines, line("Events could not be read: nodes that came and went in that time are not known."))
	case g.EventsFrom.Sub(g.From) > time.Minute:
		lines = append(lines, line("Kubernetes keeps no events from before ", g.EventsFrom,
			": nodes that came and went earlier left no trace."))
	}
	return lines
}

// group is what a node is counted by.
func group(n fleet.Node) fleet.Group {
	return fleet.Group{InstanceType: n.InstanceType, CapacityType: n.CapacityType, Zone: n.Zone, Pool: n.Pool,
		Arch: n.Arch}
}

// Groups counts members that are alike, the largest group first, with what they cost by the hour
// if prices are given.
func Groups(members []wave.Member, price fleet.Pricer) []fleet.Group {
	index := map[fleet.Group]int{}
	var groups []fleet.Group
	for _, m := range members {
		key := group(m.Node)
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, key)
		}
		groups[i].Nodes++
		if price != nil {
			groups[i].Cost.Add(price(m.Node.Machine()), 1, time.Hour)
		}
	}
	slices.SortFunc(groups, compareGroups)
	return groups
}
