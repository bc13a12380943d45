package digest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// CostRow is what the nodes of a row of costs used.
type CostRow struct {
	Name string // untrusted; "" if it is not known
	Use
	Before Use        // in the period before; only if Costs.Before is set
	Now    fleet.Cost // by the hour, of those that live at the end of the period
}

// Costs is what nodes cost in a period, by something.
type Costs struct {
	Cluster string
	Span
	By         query.Dimension
	Use                   // of all
	Before     *Use       // in the period of the same length before; nil if that is not known whole
	BeforeSpan Span       // only if Before is set
	Now        fleet.Cost // by the hour, at the end of the period
	End        int        // how many nodes there were then
	Rows       []CostRow  // the dearest first
	Coverage   Coverage
}

// used is what nodes used, and what of it costs what.
func used(x query.Spent, p fleet.Price) Use {
	u := Use{Nodes: x.Nodes(), Hours: Hours{x.Sure, x.Unsure}}
	u.Cost.Add(p, u.Nodes, 0)
	if !p.Known {
		return u
	}
	u.Cost.USD = p.USD * x.Sure.Hours()
	u.UnsureUSD = p.USD * x.Unsure.Hours()
	return u
}

// NewCosts sums up what nodes used: of the period of the facts, and, if s has a second one, of the one before it.
func NewCosts(f Facts, s query.Spending, by query.Dimension) Costs {
	c := Costs{Cluster: f.Cluster, Span: f.known(), By: by}
	c.Coverage = (&summing{f: f, span: c.Span}).coverage()
	price := priced(f.Price)
	rows := map[string]*CostRow{}
	row := func(g query.SpendGroup) *CostRow {
		name := costName(g, by)
		if rows[name] == nil {
			rows[name] = &CostRow{Name: name}
		}
		return rows[name]
	}
	for _, x := range s.Periods[0] {
		g := s.Groups[x.Group]
		p := price(g.Machine)
		r, u := row(g), used(x, p)
		r.Use, c.Use = plus(r.Use, u), plus(c.Use, u)
		r.Now.Add(p, x.End, time.Hour)
		c.Now.Add(p, x.End, time.Hour)
		c.End += x.End
	}
	if len(s.Periods) > 1 && len(f.Before) > 0 && !f.Before[0].From.Before(f.KnownFrom) {
		c.Before, c.BeforeSpan = &Use{}, f.Before[0]
		for _, x := range s.Periods[1] {
			g := s.Groups[x.Group]
			r, u := row(g), used(x, price(g.Machine))
			r.Before, *c.Before = plus(r.Before, u), plus(*c.Before, u)
		}
	}
	for _, r := range rows {
		c.Rows = append(c.Rows, *r)
	}
	slices.SortFunc(c.Rows, func(a, b CostRow) int {
		return cmp.Or(cmp.Compare(b.Cost.USD, a.Cost.USD), cmp.Compare(b.Hours.Sure, a.Hours.Sure),
			cmp.Compare(b.Before.Cost.USD, a.Before.Cost.USD), cmp.Compare(a.Name, b.Name))
	})
	return c
}

// priced asks for each price once.
func priced(price fleet.Pricer) fleet.Pricer {
	known := map[fleet.Machine]fleet.Price{}
	return func(m fleet.Machine) fleet.Price {
		p, ok := known[m]
		if !ok {
			p = price(m)
			known[m] = p
		}
		return p
	}
}

// costName is what a group is called among those of a dimension.
func costName(g query.SpendGroup, by query.Dimension) string {
	switch by {
	case query.ByType:
		return g.InstanceType
	case query.ByZone:
		return g.Zone
	case query.ByCapacity:
		return g.CapacityType
	case query.ByCause:
		return string(g.Came)
	}
	return g.Pool
}

// shown is what people read of a row's name.
func (c Costs) shown(name string) string {
	switch {
	case c.By != query.ByCause:
		return cmp.Or(name, fleet.Unknown)
	case name == string(fleet.Demand):
		return "pods that waited"
	case name == string(fleet.Replacement):
		return "replacements"
	case name == "":
		return "not said by anything"
	}
	return name
}

// costHeads heads the first column of costs.
var costHeads = map[query.Dimension]string{query.ByType: "Type", query.ByZone: "Zone", query.ByCapacity: "Capacity",
	query.ByCause: "They came for", query.ByPool: "Pool"}

// costRows is how many rows a table of costs has at most: about what a phone shows at once.
const costRows = 12

// RenderCosts says what costs read, without buttons.
func RenderCosts(c Costs) message.Message {
	w := words{Summary{Cluster: c.Cluster, Span: c.Span, Use: c.Use, Coverage: c.Coverage}}
	m := message.Message{Icon: "💰", Cluster: c.Cluster, Period: c.Span, Nodes: c.End}
	switch {
	case c.Length() <= 0:
		m.Headline = c.Cluster + ": nothing is known of that time yet"
		m.Parts = []message.Part{{Lines: message.Sentence("Rollcall had not begun to watch, or does not keep it so long.")}}
	case c.Nodes == 0:
		m.Headline = fmt.Sprintf("%s: no nodes in %s", c.Cluster, spanWords(c.Length()))
	default:
		m.Headline = fmt.Sprintf("%s: %s in %s%s", c.Cluster, message.Dollars(known(c.Cost)), spanWords(c.Length()),
			c.compared())
		if c.Cost.Priced == 0 {
			m.Headline = fmt.Sprintf("%s: %s in %s, %s", c.Cluster, nodeHours(c.Hours.Sure), spanWords(c.Length()),
				message.Dollars(c.Cost))
		}
	}
	m.Text = m.Headline
	if c.Length() <= 0 {
		return m
	}
	var lines []message.Line
	for _, t := range append([]string{w.period(), w.shortened(), c.now()}, c.grew()...) {
		if t != "" {
			lines = append(lines, message.NewLine(t))
		}
	}
	m.Parts = append(m.Parts, message.Part{Lines: lines})
	if t := c.table(); t != nil {
		m.Parts = append(m.Parts, message.Part{Table: t})
	}
	var doubts []message.Line
	for _, t := range w.unknown() {
		if t != "" {
			doubts = append(doubts, message.NewLine(t))
		}
	}
	if len(doubts) > 0 {
		m.Parts = append(m.Parts, message.Part{Heading: "Not known", Lines: doubts})
	}
	return m
}

// compared says how the cost is to that of the period before, after a comma; "" where that is not known.
func (c Costs) compared() string {
	if c.Before == nil {
		return ""
	}
	times, ok := ratio(c.Cost, c.Length(), c.Before.Cost, c.BeforeSpan.Length())
	if !ok {
		return ""
	}
	return fmt.Sprintf(", %s the %s before", compared(times), spanWords(c.BeforeSpan.Length()))
}

// now says what the nodes cost by the hour.
func (c Costs) now() string {
	text := "Now " + message.Count(c.End, "node")
	if c.End > 0 && c.Now.Priced > 0 {
		text += ", " + message.Hourly(c.Now)
	}
	return text + ". " + nodeHours(c.Hours.Sure) + " in all."
}

// maxGrew is how many rows are named whose cost has changed most.
const maxGrew = 3

// grew says which rows cost more, and less, than in the period before; what is unknown of that is not said.
func (c Costs) grew() (texts []string) {
	switch {
	case c.Before == nil && !c.Coverage.Shortened:
		return []string{"The time before is not known whole, so there is nothing to compare with."}
	case c.Before == nil || c.Before.Cost.Priced == 0 || !c.Cost.Comparable(c.Before.Cost):
		return nil
	}
	type change struct {
		name string
		usd  float64
	}
	var all []change
	for _, r := range c.Rows {
		if d := r.Cost.USD - r.Before.Cost.USD; math.Abs(d) >= 0.005 && r.Cost.LeftOut()+r.Before.Cost.LeftOut() == 0 {
			all = append(all, change{c.shown(r.Name), d})
		}
	}
	slices.SortFunc(all, func(a, b change) int {
		return cmp.Or(cmp.Compare(math.Abs(b.usd), math.Abs(a.usd)), cmp.Compare(a.name, b.name))
	})
	var parts []string
	for _, x := range all[:min(len(all), maxGrew)] {
		parts = append(parts, message.OneWord(x.name)+" "+signed(x.usd))
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{"What changed most: " + strings.Join(parts, ", ") + "."}
}

// table is the table of costs. A phone shows three columns.
func (c Costs) table() *message.Table {
	if c.Nodes == 0 {
		return nil
	}
	t := &message.Table{Head: []string{costHeads[c.By], "Cost", "Node-hours, now"}}
	add := func(name string, u Use, now fleet.Cost) {
		cost := fleet.Unknown
		if u.Cost.Priced > 0 || u.Nodes == 0 {
			cost = message.Dollars(known(u.Cost))
			if c.Cost.USD > 0 && len(c.Rows) > 1 {
				cost += " · " + share(u.Cost.USD/c.Cost.USD)
			}
		}
		use := hours(u.Hours.Sure) + " h"
		if now.Priced > 0 {
			use += " · " + message.Hourly(known(now))
		}
		t.Rows = append(t.Rows, []string{name, cost, use})
	}
	var rest CostRow
	more := 0
	for i, r := range c.Rows {
		switch {
		case r.Nodes == 0: // only in the period before
		case i >= costRows-1 && len(c.Rows) > costRows:
			more++
			rest.Use, rest.Now = plus(rest.Use, r.Use), rest.Now.Plus(r.Now)
		default:
			add(message.OneWord(c.shown(r.Name)), r.Use, r.Now)
		}
	}
	if more > 0 {
		add(fmt.Sprintf("%d more", more), rest.Use, rest.Now)
	}
	return t
}

// share is a part of a whole in percent.
func share(part float64) string {
	switch p := 100 * part; {
	case p > 0 && p < 1:
		return "<1 %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}
