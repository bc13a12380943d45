package digest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/query"
)

// MinSpotHours is how long spot nodes must have lived together for anything to be said of how often they are taken
// back: of less it would be chance. It is Rollcall's own choice.
const MinSpotHours = fleet.NodeTime(20 * time.Hour / time.Millisecond)

// SpotRow is what became of spot nodes.
type SpotRow struct {
	InstanceType, Zone string // untrusted; "" if unknown
	Nodes              int
	Hours              fleet.NodeTime // that they lived for sure
	Interrupted        int            // taken back by the cloud
	Gone               int            // nothing says why their machines were gone
	// Compared is how much of Hours both prices are known of, SpotUSD what that cost, and OnDemandUSD what it would have.
	Compared             fleet.NodeTime
	SpotUSD, OnDemandUSD float64
	lives                []time.Duration // of those interrupted
}

func (r *SpotRow) add(o SpotRow) {
	r.Nodes, r.Hours, r.Interrupted, r.Gone = r.Nodes+o.Nodes, r.Hours+o.Hours, r.Interrupted+o.Interrupted, r.Gone+o.Gone
	r.Compared, r.SpotUSD, r.OnDemandUSD = r.Compared+o.Compared, r.SpotUSD+o.SpotUSD, r.OnDemandUSD+o.OnDemandUSD
	r.lives = append(r.lives, o.lives...)
}

// Saved is what was saved against on-demand, of the hours of which both prices are known.
func (r SpotRow) Saved() float64 { return r.OnDemandUSD - r.SpotUSD }

// SpotUse is what became of all spot nodes of a period.
type SpotUse struct {
	All    SpotRow
	Median time.Duration // of the lives of those that were interrupted
	// Rows are those of at least MinSpotHours by type and zone, the most often interrupted first, and Rest all others
	// together, which are Others many rows.
	Rows   []SpotRow
	Rest   SpotRow
	Others int
}

// NewSpotUse sums up what spot nodes used of the first period of s.
func NewSpotUse(s query.Spending, price fleet.Pricer) (u SpotUse) {
	if len(s.Periods) == 0 {
		return u
	}
	price = priced(price)
	type key struct{ instanceType, zone string }
	rows := map[key]*SpotRow{}
	for _, x := range s.Periods[0] {
		g := s.Groups[x.Group]
		if g.CapacityType != "spot" {
			continue
		}
		r := SpotRow{Nodes: x.Nodes(), Hours: x.Sure, Interrupted: len(x.Interrupted), Gone: x.Gone, lives: x.Interrupted}
		spot, onDemand := price(g.Machine), price(onDemand(g.Machine))
		if spot.Exact() && onDemand.Exact() {
			r.Compared, r.SpotUSD, r.OnDemandUSD = x.Sure, spot.USD*x.Sure.Hours(), onDemand.USD*x.Sure.Hours()
		}
		k := key{g.InstanceType, g.Zone}
		if rows[k] == nil {
			rows[k] = &SpotRow{InstanceType: k.instanceType, Zone: k.zone}
		}
		rows[k].add(r)
		u.All.add(r)
	}
	for _, r := range rows {
		if r.Hours >= MinSpotHours {
			u.Rows = append(u.Rows, *r)
			continue
		}
		u.Rest.add(*r)
		u.Others++
	}
	slices.SortFunc(u.Rows, func(a, b SpotRow) int {
		return cmp.Or(cmp.Compare(b.rate(), a.rate()), cmp.Compare(b.Hours, a.Hours),
			cmp.Compare(a.InstanceType, b.InstanceType), cmp.Compare(a.Zone, b.Zone))
	})
	if n := len(u.All.lives); n > 0 {
		lives := slices.Sorted(slices.Values(u.All.lives))
		u.Median = lives[(n-1)/2]
	}
	return u
}

// onDemand is the same machine, if nobody could take it back. What a label says of the price is said of spot.
func onDemand(m fleet.Machine) fleet.Machine {
	m.CapacityType, m.LabelPrice = "on-demand", 0
	return m
}

// rate is how many of the nodes were taken back, by the hour.
func (r SpotRow) rate() float64 { return float64(r.Interrupted) / max(r.Hours.Hours(), 1e-9) }

// often says how often nodes were taken back in relation to their hours.
func (r SpotRow) often() string {
	if r.Interrupted == 0 {
		return fmt.Sprintf("none in %s", nodeHours(r.Hours))
	}
	text := fmt.Sprintf("%d in %s", r.Interrupted, nodeHours(r.Hours))
	if r.Interrupted > 1 && r.Hours >= MinSpotHours {
		text += fmt.Sprintf(", one each %s", hours(r.Hours/fleet.NodeTime(r.Interrupted))) + " h"
	}
	return text
}

// where names a row.
func (r SpotRow) where() string {
	text := message.OneWord(cmp.Or(r.InstanceType, "nodes of unknown type"))
	if r.Zone != "" {
		text += " in " + message.OneWord(r.Zone)
	}
	return text
}

// Lines say what is to be said of spot nodes; none if there is nothing.
func (u SpotUse) Lines() (texts []string) {
	a := u.All
	if a.Nodes == 0 {
		return nil
	}
	if a.Interrupted+a.Gone > 0 {
		text := fmt.Sprintf("%d of %s taken back by the cloud", a.Interrupted, message.Count(a.Nodes, "spot node"))
		if a.Interrupted > 0 {
			text += ": " + a.often() + ". "
			if a.Interrupted > 1 {
				text += "Half of them lived no longer than " + message.Duration(u.Median)
			} else {
				text += "It lived " + message.Duration(u.Median)
			}
		}
		texts = append(texts, text+".")
	}
	var most []string
	for _, r := range u.Rows[:min(len(u.Rows), maxGrew)] {
		if r.Interrupted > 0 && len(u.Rows) > 1 {
			most = append(most, r.where()+" ("+r.often()+")")
		}
	}
	if len(most) > 0 {
		texts = append(texts, "The most often: "+strings.Join(most, "; ")+".")
	}
	if a.Gone > 0 {
		texts = append(texts, fmt.Sprintf("%s more left of which nothing says why the machine was gone.",
			message.Count(a.Gone, "spot node")))
	}
	return append(texts, u.saved()...)
}

// saved says what spot nodes saved against on-demand.
func (u SpotUse) saved() []string {
	a := u.All
	if a.Compared <= 0 || a.OnDemandUSD <= 0 {
		return nil
	}
	usd := max(0, a.Saved())
	text := fmt.Sprintf("Saved against on-demand: %s (%s)", dollars(usd), share(usd/a.OnDemandUSD))
	if a.Saved() < 0 {
		text = fmt.Sprintf("Dearer than on-demand by %s", dollars(-a.Saved()))
	}
	if rest := a.Hours - a.Compared; rest >= fleet.Together(time.Minute) {
		text += fmt.Sprintf(", of %s; of %s the spot price or the on-demand price is not known", nodeHours(a.Compared),
			nodeHours(rest))
	}
	return []string{text + "."}
}

// RenderSpot says what became of the spot nodes of a period, without buttons.
func RenderSpot(f Facts, u SpotUse) message.Message {
	s := Summary{Cluster: f.Cluster, Span: f.known()}
	s.Coverage = (&summing{f: f, span: s.Span}).coverage()
	w := words{s}
	m := message.Message{Icon: "🎲", Cluster: f.Cluster, Period: s.Span, Nodes: u.All.Nodes}
	switch {
	case s.Length() <= 0:
		m.Headline = f.Cluster + ": nothing is known of that time yet"
	case u.All.Nodes == 0:
		m.Headline = fmt.Sprintf("%s: no spot nodes in %s", f.Cluster, spanWords(s.Length()))
	default:
		m.Headline = fmt.Sprintf("%s: %d of %s taken back in %s", f.Cluster, u.All.Interrupted,
			message.Count(u.All.Nodes, "spot node"), spanWords(s.Length()))
		if u.All.Compared > 0 && u.All.Saved() > 0 {
			m.Headline += ", " + dollars(u.All.Saved()) + " saved"
		}
	}
	m.Text = m.Headline
	if s.Length() <= 0 {
		m.Parts = []message.Part{{Lines: message.Sentence("Rollcall had not begun to watch, or does not keep it so long.")}}
		return m
	}
	var lines []message.Line
	texts := append([]string{w.period(), w.shortened()}, u.Lines()...)
	if u.All.Nodes > 0 && u.All.Compared == 0 {
		texts = append(texts, "What spot saves is not known: the built-in prices have none of spot. PRICES_FILE, or the "+
			"label "+fleet.PriceLabel+", can say them.")
	}
	for _, t := range texts {
		if t != "" {
			lines = append(lines, message.NewLine(t))
		}
	}
	m.Parts = append(m.Parts, message.Part{Lines: lines})
	if t := u.table(); t != nil {
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

// table is the table of what was taken back by type and zone.
func (u SpotUse) table() *message.Table {
	if u.All.Nodes == 0 {
		return nil
	}
	t := &message.Table{Head: []string{"Type, zone", "Taken back", "Saved"}}
	add := func(name string, r SpotRow) {
		saved := fleet.Unknown
		if r.Compared > 0 {
			saved = dollars(max(0, r.Saved()))
			if r.Saved() < 0 {
				saved = signed(r.Saved())
			}
		}
		t.Rows = append(t.Rows, []string{name, r.often(), saved})
	}
	shown := u.Rows
	rest := u.Rest
	others := u.Others
	if len(shown) > costRows {
		for _, r := range shown[costRows-1:] {
			rest.add(r)
			others++
		}
		shown = shown[:costRows-1]
	}
	for _, r := range shown {
		add(message.OneWord(cmp.Or(r.InstanceType, fleet.Unknown))+" "+message.OneWord(r.Zone), r)
	}
	if others > 0 {
		name := fmt.Sprintf("%d more", others)
		if len(u.Rows) <= costRows {
			name = fmt.Sprintf("%d with less than %s", others, nodeHours(MinSpotHours))
			if len(shown) == 0 && others == 1 {
				name = "all, less than " + nodeHours(MinSpotHours)
			}
		}
		add(name, rest)
	}
	return t
}
