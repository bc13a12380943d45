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
	"rollcall/internal/wave"
)

// How much of each part a digest shows: what a phone shows without scrolling for ever.
const (
	tableRows  = 8 // of the table of machines
	maxSources = 3
)

// bare is what remains to be said of a digest where Slack refuses all that came from the cluster.
const bare = "Rollcall's digest is ready, but Slack refuses it. Type /nodes digest for it."

// Render says what a digest reads. Its moments are in the summary's own zone, as is its
// picture: a digest is forwarded, and all who read it should read the same. mutes are those that
// the summary's counts are of.
func Render(s Summary, mutes []wave.Mute) message.Message {
	w := words{s}
	v := message.Message{Kind: "digest", Cluster: s.Cluster, Nodes: s.End, Period: s.Span, Icon: "📊",
		Headline: w.headline(), Text: w.headline(), Bare: bare}
	if s.Joined+s.Left > 0 {
		if w.judgement() != "" {
			v.Text += ". " + w.nodes() + ":"
		} else {
			v.Text += ","
		}
		v.Text += fmt.Sprintf(" %d joined, %d left, most at once %d", s.Joined, s.Left, s.Peak)
	}
	add := func(heading string, texts ...string) {
		p := message.Part{Heading: heading}
		for _, t := range texts {
			if t != "" {
				p.Lines = append(p.Lines, message.Line{{Text: t}})
			}
		}
		if len(p.Lines) > 0 {
			v.Parts = append(v.Parts, p)
		}
	}
	if s.Length() <= 0 {
		v.Headline = fmt.Sprintf("%s: nothing is known of that time yet", s.Cluster)
		v.Text = v.Headline
		add("", "Rollcall had not begun to watch, or does not keep it so long.")
		return v
	}
	if s.Quiet() {
		add("", append([]string{w.period(), w.quiet(), w.comparison()}, message.CostDoubts(s.Cost)...)...)
		add("Kept", w.kept()...)
		add("Rollouts", w.rollouts()...)
		return v
	}
	add("", w.period(), w.shortened(), w.counts(), w.comparison())
	if len(s.Chart.Series) > 0 {
		v.Parts = append(v.Parts, message.Part{Chart: &s.Chart, Alt: w.picture()})
	}
	if t := w.machines(); t != nil {
		v.Parts = append(v.Parts, message.Part{Table: t})
	}
	add("Why", w.causes()...)
	add("Scaling", append(w.runs("🔺", "joined", s.Ups), w.runs("🔻", "left", s.Downs)...)...)
	add("Churn", w.churn()...)
	add("Waited", w.waited()...)
	add("Consolidation", w.consolidation()...)
	add("Spot", s.Spot.Lines()...)
	add("Not ready", w.down()...)
	add("Kept", w.kept()...)
	add("Rollouts", w.rollouts()...)
	add("Autoscalers", append(w.scalings("HPA", s.HPAs), w.scalings("Deployment", s.Deployments)...)...)
	add("Muted", w.muted(mutes)...)
	add("Not known", w.unknown()...)
	if len(s.Sources) > 0 {
		sources := slices.Clone(s.Sources)
		if len(sources) > maxSources {
			sources = append(sources[:maxSources], "others")
		}
		v.Parts = append(v.Parts,
			message.Part{Note: message.Line{{Text: "Prices: " + strings.Join(sources, ", ") + ". Estimates, not your bill."}}})
	}
	return v
}

// words are what is said of a summary.
type words struct{ s Summary }

// headline is the judgement of the period; where too little is known for one, how many nodes there were and what they
// cost.
func (w words) headline() string {
	s := w.s
	where := s.Cluster
	if s.Part {
		where += " · this channel's nodes"
	}
	if w.name() == week {
		where += " · Week " + w.days()
	}
	if judgement := w.judgement(); judgement != "" {
		return where + ": " + judgement
	}
	nodes := fmt.Sprintf("%d → %s", s.Start, message.Count(s.End, "node"))
	if s.Start == s.End {
		nodes = message.Count(s.End, "node")
		if s.Joined+s.Left == 0 {
			nodes += " all the time"
		}
	}
	text := where + ": " + nodes
	if s.Cost.Priced > 0 {
		text += ", " + message.Dollars(s.Cost)
	}
	text += " in " + spanWords(s.Length())
	if p, ok := percent(s.Cost, s.Length(), w.previousCost(), s.PreviousSpan.Length()); ok {
		text += " (" + p + ")"
	}
	return text
}

// week is what a period is called that has a week.
const week = "week"

// name is what the period is called. Clocks that are changed make a day of 23 or 25 hours.
func (w words) name() string {
	const hours24 = 24 * time.Hour
	switch d := w.s.Length(); {
	case (d - time.Hour).Abs() <= time.Minute:
		return "hour"
	case (d - hours24).Abs() <= 2*time.Hour:
		return "day"
	case (d - 7*hours24).Abs() <= 2*time.Hour:
		return week
	case d >= 28*hours24-2*time.Hour && d <= 31*hours24+2*time.Hour:
		return "month"
	}
	return "period"
}

// days names the days that have the most of their hours in the period: 23–29 Nov.
func (w words) days() string {
	const half = 12*time.Hour - 1
	from, until := w.s.From.Add(half), w.s.Until.Add(-half-2)
	if from.Month() != until.Month() {
		return from.Format("2 Jan") + "–" + until.Format("2 Jan")
	}
	return fmt.Sprintf("%d–%s", from.Day(), until.Format("2 Jan"))
}

// spanWords is a length of time in one unit where it is nearly one: 24 h, 7 days, 90 m.
func spanWords(d time.Duration) string {
	const day = 24 * time.Hour
	if days := d.Round(time.Hour) / day; days >= 2 && d.Round(time.Hour)%day == 0 {
		return fmt.Sprintf("%d days", days)
	}
	if hours := d.Round(time.Minute) / time.Hour; hours >= 2 && hours < 48 && d.Round(time.Minute)%time.Hour == 0 {
		return fmt.Sprintf("%d h", hours)
	}
	return message.Duration(d)
}

func (w words) previousCost() fleet.Cost {
	if w.s.Previous == nil {
		return fleet.Cost{}
	}
	return w.s.Previous.Cost
}

// percent compares two costs by the hour. It does not where one is not known, or where only one
// is an upper bound.
func percent(now fleet.Cost, length time.Duration, before fleet.Cost, lengthBefore time.Duration) (string, bool) {
	times, ok := ratio(now, length, before, lengthBefore)
	if !ok {
		return "", false
	}
	p := math.Round(100 * (times - 1))
	switch {
	case p > 999:
		return fmt.Sprintf("%.0f times as much", times), true
	case p > 0:
		return fmt.Sprintf("+%.0f %%", p), true
	case p < 0:
		return fmt.Sprintf("−%.0f %%", -p), true
	}
	return same, true
}

// ratio is how many times as much one cost is as another, by the hour. It is not known where one of them is not, or
// where only one is a bound.
func ratio(now fleet.Cost, length time.Duration, before fleet.Cost, lengthBefore time.Duration) (float64, bool) {
	if length <= 0 || lengthBefore <= 0 || before.USD <= 0 || now.Priced == 0 || !now.Comparable(before) {
		return 0, false
	}
	return now.USD / length.Hours() / (before.USD / lengthBefore.Hours()), true
}

// What a period costs beside the average of those before, to be called normal, and to be called expensive. They are
// Rollcall's own choice.
const (
	normal    = 1.15
	expensive = 1.5
)

// judgement is what somebody would say of the period in a sentence; "" where too little is known to compare it with.
func (w words) judgement() string {
	s := w.s
	if s.Average == nil || s.Average.Periods < 2 {
		return ""
	}
	usual, ok := ratio(s.Cost, s.Length(), s.Average.Cost, s.Average.Length)
	if !ok {
		return ""
	}
	text := "a normal " + w.name()
	switch {
	case usual > expensive:
		text = "an expensive " + w.name()
	case usual > normal:
		text = fmt.Sprintf("a dearer %s than usual", w.name())
	case usual < 1/normal:
		text = fmt.Sprintf("a cheaper %s than usual", w.name())
	}
	text += ", " + rounded(s.Cost)
	if times, ok := ratio(s.Cost, s.Length(), w.previousCost(), s.PreviousSpan.Length()); ok && w.alike() {
		text += fmt.Sprintf(", %s the %s before", compared(times), w.name())
	}
	if len(s.Came) > 0 && s.Came[0].Cause.Kind == fleet.Demand && s.Came[0].Cost.USD >= s.Cost.USD/5 {
		text += fmt.Sprintf("; %s of it %s", rounded(s.Came[0].Cost), message.CameInShort(s.Came[0].Cause))
	}
	return text
}

// rounded is a cost as a headline has it: without what is said of its unknown part elsewhere, and from a hundred
// dollars on without cents.
func rounded(c fleet.Cost) string {
	usd := c.USD
	if c = known(c); usd >= 100 {
		c.USD = math.Round(c.USD)
		if c.AtMost { // a bound stays one
			c.USD = math.Ceil(usd - 1e-6)
		} else if c.AtLeast {
			c.USD = math.Floor(usd + 1e-6)
		}
	}
	return strings.TrimSuffix(message.Dollars(c), ".00")
}

// compared says how a cost is to another that it is some times as much as: 73 % more than.
func compared(times float64) string {
	switch p := math.Round(100 * (times - 1)); {
	case p > 999:
		return fmt.Sprintf("%.0f times as much as", times)
	case p > 0:
		return fmt.Sprintf("%.0f %% more than", p)
	case p < 0:
		return fmt.Sprintf("%.0f %% less than", -p)
	}
	return "as much as"
}

// same is what percent says of two costs that are alike.
const same = "±0 %"

// stamp is a moment of the summary as short as its period lets it be.
func (w words) stamp(t time.Time) string {
	t = t.In(w.s.From.Location())
	switch d := w.s.Length(); {
	case t.Before(w.s.From.AddDate(0, 0, -1)):
		return t.Format("2 Jan 15:04")
	case d <= 25*time.Hour:
		return t.Format("15:04")
	case d <= 7*24*time.Hour+2*time.Hour: // of two Mondays, one has the morning and one the evening
		return t.Format("Mon 15:04")
	}
	return t.Format("2 Jan 15:04")
}

// stamps is a span of the summary.
func (w words) stamps(s Span) string {
	from, until := w.stamp(s.From), w.stamp(s.Until)
	if from == until {
		return from
	}
	a, b := s.From.In(w.s.From.Location()), s.Until.In(w.s.From.Location())
	if a.YearDay() == b.YearDay() && a.Year() == b.Year() {
		until = b.Format("15:04")
	}
	return from + "–" + until
}

func (w words) period() string {
	from, until := w.s.From, w.s.Until
	form := "Mon 2 Jan 15:04"
	a, b := from.Format(form), until.Format(form)
	if from.Year() == until.Year() && from.YearDay() == until.YearDay() {
		b = until.Format("15:04")
	}
	zoneA, zoneB := from.Format("MST"), until.Format("MST")
	if zoneA != zoneB { // clocks were changed in between
		a += " " + zoneA
	}
	return fmt.Sprintf("%s – %s %s", a, b, zoneB)
}

func (w words) counts() string {
	s := w.s
	text := fmt.Sprintf("%s joined, %d left.", message.Count(s.Joined, "node"), s.Left)
	if w.judgement() != "" { // otherwise they are in the headline
		text = fmt.Sprintf("%s: %d joined, %d left.", w.nodes(), s.Joined, s.Left)
	}
	if s.Peak > max(s.Start, s.End) {
		text += fmt.Sprintf(" Most at once: %d, at %s.", s.Peak, w.stamp(s.PeakAt))
	}
	if s.Low < min(s.Start, s.End) {
		text += fmt.Sprintf(" Fewest: %d, at %s.", s.Low, w.stamp(s.LowAt))
	}
	return text
}

// nodes says how many there were when the period began and ended.
func (w words) nodes() string {
	if w.s.Start == w.s.End {
		return "As before, " + message.Count(w.s.End, "node")
	}
	return fmt.Sprintf("%d → %s", w.s.Start, message.Count(w.s.End, "node"))
}

// quiet says that nothing happened.
func (w words) quiet() string {
	if w.judgement() != "" {
		return message.Count(w.s.End, "node") + " all the time: nothing happened."
	}
	return "Nothing happened to the nodes."
}

// comparison says how much was used, and what the headline does not say of how that compares.
func (w words) comparison() string {
	s := w.s
	if s.Nodes == 0 {
		return ""
	}
	var parts []string
	if s.Previous != nil && s.Previous.Nodes > 0 {
		times, ok := ratio(s.Cost, s.Length(), s.Previous.Cost, s.PreviousSpan.Length())
		diff := s.Cost.USD - s.Previous.Cost.USD
		switch {
		case ok && !w.alike():
			parts = append(parts, fmt.Sprintf("By the hour %s in the %s before", compared(times),
				spanWords(s.PreviousSpan.Length())))
		case ok && diff >= 0.005:
			parts = append(parts, fmt.Sprintf("%s more than the %s before", dollars(diff), w.name()))
		case ok && diff <= -0.005:
			parts = append(parts, fmt.Sprintf("%s less than the %s before", dollars(-diff), w.name()))
		case !ok && s.Previous.Cost.Priced > 0:
			parts = append(parts,
				fmt.Sprintf("%s in the %s before", message.Dollars(known(s.Previous.Cost)), spanWords(s.PreviousSpan.Length())))
		}
	}
	if a := s.Average; a != nil && a.Periods > 1 {
		if times, ok := ratio(s.Cost, s.Length(), a.Cost, a.Length); ok {
			parts = append(parts, fmt.Sprintf("%s the average of the last %d %ss", compared(times), a.Periods, w.name()))
		}
	}
	text := nodeHours(s.Hours.Sure) + "."
	if len(parts) > 0 {
		compared := strings.Join(parts, ", ")
		text += " " + strings.ToUpper(compared[:1]) + compared[1:] + "."
	}
	return text
}

// alike reports whether the period before was about as long, so that their sums compare.
func (w words) alike() bool {
	return (w.s.PreviousSpan.Length() - w.s.Length()).Abs() <= w.s.Length()/10
}

// known is a cost without what is said of its unknown part elsewhere.
func known(c fleet.Cost) fleet.Cost {
	c.Unpriced, c.Billed = 0, 0
	return c
}

// signed is a difference in dollars.
func signed(usd float64) string {
	if usd < 0 {
		return "−" + dollars(-usd)
	}
	return "+" + dollars(usd)
}

// dollars is an amount.
func dollars(usd float64) string { return message.Dollars(fleet.Cost{USD: usd, Priced: 1}) }

// hours is a time in hours as people count them.
func hours(d fleet.NodeTime) string {
	h := d.Hours()
	if h < 100 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", h), ".0")
	}
	return message.Thousands(math.Round(h))
}

// nodeHours is a time in node-hours, with the unit.
func nodeHours(d fleet.NodeTime) string {
	if h := hours(d); h != "1" {
		return h + " node-hours"
	}
	return "1 node-hour"
}

// picture says in words what the picture shows.
func (w words) picture() string {
	s := w.s
	text := fmt.Sprintf("Nodes by %s: %d at %s", s.Chart.By, s.Start, w.stamp(s.From))
	if s.Peak > s.Start {
		text += fmt.Sprintf(", most at once %d at %s", s.Peak, w.stamp(s.PeakAt))
	}
	if s.Low < s.Start {
		text += fmt.Sprintf(", fewest %d at %s", s.Low, w.stamp(s.LowAt))
	}
	text += fmt.Sprintf(", %d at the end", s.End)
	var parts []string
	for _, x := range s.Chart.Series {
		if n := x.Nodes[len(x.Nodes)-1]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, message.Clip(x.Name, 40)))
		}
	}
	if len(parts) > 1 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	text += fmt.Sprintf(". %d joined, %d left.", s.Joined, s.Left)
	if n := len(s.Coverage.Gaps); n > 0 {
		text += fmt.Sprintf(" Not watched: %s.", w.gaps())
	}
	return text
}

// machines is the table of what was used by instance type and capacity type. A phone shows three columns, and what
// people look for first is the cost; the hours of a machine whose price is not known stand for it.
func (w words) machines() *message.Table {
	s := w.s
	if len(s.Machines) == 0 {
		return nil
	}
	costs, changes := s.Cost.Priced > 0, s.Previous != nil && w.alike()
	t := &message.Table{Head: []string{"Type", "Node-hours"}}
	if costs {
		t.Head = []string{"Type", "Cost", "Node-hours"}
	}
	if changes {
		t.Head = append(t.Head[:min(len(t.Head), 2)], "Change")
	}
	row := func(name string, u, before Use) {
		cells := []string{name}
		switch {
		case costs && u.Cost.Priced == 0 && u.Cost.LeftOut() > 0:
			cells = append(cells, fleet.Unknown)
		case costs:
			cells = append(cells, message.Dollars(u.Cost))
		}
		if !costs || !changes {
			cells = append(cells, hours(u.Hours.Sure))
		}
		if changes {
			cells = append(cells, change(u, before))
		}
		t.Rows = append(t.Rows, cells)
	}
	var rest, restBefore Use
	more := 0
	for i, m := range s.Machines {
		if i >= tableRows && len(s.Machines) > tableRows+1 {
			more++
			rest, restBefore = plus(rest, m.Use), plus(restBefore, m.Before)
			continue
		}
		row(strings.TrimSpace(cmp.Or(m.InstanceType, fleet.Unknown)+" "+m.CapacityType), m.Use, m.Before)
	}
	if more > 0 {
		row(fmt.Sprintf("%d more", more), rest, restBefore)
	}
	return t
}

func plus(a, b Use) Use {
	a.Nodes += b.Nodes
	a.Hours.Sure, a.Hours.Unsure = a.Hours.Sure+b.Hours.Sure, a.Hours.Unsure+b.Hours.Unsure
	a.Cost, a.UnsureUSD = a.Cost.Plus(b.Cost), a.UnsureUSD+b.UnsureUSD
	return a
}

// change compares the use of a kind of machine with the period before: in dollars, or in hours
// where the price is not known.
func change(now, before Use) string {
	switch {
	case before.Nodes == 0 && now.Nodes > 0:
		return "new"
	case now.Cost.LeftOut()+before.Cost.LeftOut() == 0:
		if d := now.Cost.USD - before.Cost.USD; math.Abs(d) >= 0.005 {
			return signed(d)
		}
		return "same"
	}
	switch d := now.Hours.Sure - before.Hours.Sure; {
	case d > fleet.Together(time.Minute):
		return "+" + hours(d) + " h"
	case d < -fleet.Together(time.Minute):
		return "−" + hours(-d) + " h"
	}
	return "same"
}

// runs tells the largest growths or shrinkings.
func (w words) runs(icon, verb string, rs []Run) (texts []string) {
	for _, r := range rs {
		texts = append(texts, fmt.Sprintf("%s %s  %d %s (%d → %d)", icon, w.stamps(r.Span), r.Nodes, verb, r.Before, r.After))
	}
	return texts
}

func (w words) churn() (texts []string) {
	c := w.s.Churn
	if n := c.Short; n.Nodes > 0 {
		text := fmt.Sprintf("%s lived less than an hour: %s", message.Count(n.Nodes, "node"), nodeHours(n.Hours.Sure))
		if n.Cost.Priced > 0 {
			text += ", " + message.Dollars(n.Cost)
		}
		texts = append(texts, text+".")
	}
	switch {
	case c.Ready > 1 && message.Duration(c.Median) != message.Duration(c.Worst):
		texts = append(texts, fmt.Sprintf("Ready after a median of %s, at worst %s (%s).", message.Duration(c.Median),
			message.Duration(c.Worst), c.WorstName))
	case c.Ready > 0:
		texts = append(texts, fmt.Sprintf("Ready after %s (%s).", message.Duration(c.Worst), c.WorstName))
	}
	if n := c.Slow; n.Nodes > 0 {
		text := message.Count(n.Nodes, "node") + " left without ever having been ready"
		if n.Nodes > c.SlowNever {
			text = fmt.Sprintf("%s lived for less than %s own start", message.Count(n.Nodes, "node"), itsTheir(n.Nodes))
			if c.SlowNever > 0 {
				text += fmt.Sprintf(", %d of them without ever having been ready", c.SlowNever)
			}
		}
		text += ": " + nodeHours(n.Hours.Sure)
		if n.Cost.Priced > 0 {
			text += ", " + message.Dollars(n.Cost)
		}
		texts = append(texts, text+".")
	}
	for _, l := range c.Loops {
		what := strings.TrimSpace(l.CapacityType + " " + cmp.Or(l.InstanceType, "nodes of unknown type"))
		if l.Pool != "" {
			what += " of pool " + l.Pool
		}
		texts = append(texts, fmt.Sprintf("🔁 %s: replaced by the same type %d times.", what, l.Times))
	}
	return texts
}

func (w words) down() (texts []string) {
	d := w.s.Down
	if d.Incidents == 0 {
		return nil
	}
	text := fmt.Sprintf("%s on %s, %s together", message.Count(d.Incidents, "incident"), message.Count(d.Nodes, "node"),
		message.Duration(d.Total))
	if d.Left > 0 {
		text += fmt.Sprintf("; %d ended with the node", d.Left)
	}
	if d.Lasting > 0 {
		text += fmt.Sprintf("; %d not over", d.Lasting)
	}
	texts = append(texts, text+".")
	for _, i := range d.Longest {
		end := i.Until
		how := "recovered"
		switch {
		case end.IsZero():
			end, how = w.s.Until, "not over"
		case i.Left:
			how = "then it left"
		}
		why := ""
		if i.Reason != "" {
			why = " (" + message.Unready(fleet.Condition{Reason: i.Reason}) + ")"
		}
		texts = append(texts,
			fmt.Sprintf("❌ %s  %s%s: %s, %s", w.stamp(i.From), i.NodeName, why, message.Duration(end.Sub(i.From)), how))
	}
	return texts
}

// scalings tells which autoscalers changed sizes the most often.
func (w words) scalings(kind string, sc Scalings) (texts []string) {
	if sc.Objects == 0 {
		return nil
	}
	if sc.Objects > len(sc.Top) {
		texts = append(texts,
			fmt.Sprintf("%d %ss changed size %s. The most often:", sc.Objects, kind, times(sc.Times, sc.AtLeast)))
	}
	for _, x := range sc.Top {
		text := fmt.Sprintf("%s/%s (%s)", x.Namespace, x.Name, kind)
		if x.To >= 0 {
			switch {
			case x.From >= 0:
				text += fmt.Sprintf(" %d → %d", x.From, x.To)
			default:
				text += fmt.Sprintf(" to %d", x.To)
			}
			if x.High > max(x.From, x.To) || x.Low < x.To && (x.From < 0 || x.Low < x.From) {
				text += fmt.Sprintf(", between %d and %d", x.Low, x.High)
			}
			text += ","
		}
		texts = append(texts, text+" "+times(x.Times, x.AtLeast))
	}
	return texts
}

func times(n int, atLeast bool) string {
	switch {
	case atLeast:
		return fmt.Sprintf("at least %d times", n)
	case n == 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// muted tells what mutes kept quiet, by mute.
func (w words) muted(mutes []wave.Mute) (texts []string) {
	changes := map[int64]int{}
	var order []int64
	for _, m := range w.s.Muted {
		if changes[m.Mute] == 0 {
			order = append(order, m.Mute)
		}
		changes[m.Mute] += m.Changes
	}
	for _, id := range order {
		what, by := "a mute", ""
		if i := slices.IndexFunc(mutes, func(m wave.Mute) bool { return m.ID == id }); i >= 0 {
			what, by = mutes[i].Subject(), cmp.Or(mutes[i].ByName, "somebody")
			by = " (by " + by + ")"
		}
		texts = append(texts, fmt.Sprintf("🔕 %s%s: %s kept quiet", what, by, message.Count(changes[id], "change")))
	}
	return texts
}

// shortened says that the figures begin later than the period was to.
func (w words) shortened() string {
	if !w.s.Coverage.Shortened {
		return ""
	}
	return fmt.Sprintf("The figures begin on %s: Rollcall had not begun to watch before, or does not keep it so long.",
		w.s.From.Format("2 Jan at 15:04"))
}

// unknown says what the digest cannot know.
func (w words) unknown() (texts []string) {
	s, c := w.s, w.s.Coverage
	if c.Unwatched > 0 {
		text := fmt.Sprintf("Not watched for %s: %s", message.Duration(c.Unwatched), w.gaps())
		switch {
		case c.EventsLost >= time.Minute:
			text += fmt.Sprintf(". For %s of it Kubernetes had no events any more: nodes that came and went then left no trace",
				message.Duration(c.EventsLost))
		default:
			text += ". What changed was found out afterwards"
		}
		texts = append(texts, text+".")
		if c.Ongoing {
			texts[len(texts)-1] = fmt.Sprintf("Not watched for %s: %s, and still not when the period ended.",
				message.Duration(c.Unwatched), w.gaps())
		}
	}
	if s.Hours.Unsure >= fleet.Together(time.Minute) {
		text := fmt.Sprintf("Up to %s more", nodeHours(s.Hours.Unsure))
		if s.UnsureUSD >= 0.005 {
			text += fmt.Sprintf(" (%s)", message.Dollars(fleet.Cost{USD: s.UnsureUSD, Priced: 1}))
		}
		texts = append(texts, text+": when some nodes left was not seen.")
	}
	return append(texts, message.CostDoubts(s.Cost)...)
}

// maxGaps is how many gaps are named.
const maxGaps = 3

func (w words) gaps() string {
	var parts []string
	for i, g := range w.s.Coverage.Gaps {
		if i == maxGaps {
			parts = append(parts, fmt.Sprintf("%d more", len(w.s.Coverage.Gaps)-i))
			break
		}
		parts = append(parts, w.stamps(g))
	}
	return strings.Join(parts, ", ")
}

// PictureWords says in words what the picture of a digest shows.
func PictureWords(s Summary) string { return words{s}.picture() }

// PictureTitle heads the picture of a digest.
func PictureTitle(s Summary) string {
	w := words{s}
	return fmt.Sprintf("%s: nodes, %s", w.s.Cluster, w.period())
}
