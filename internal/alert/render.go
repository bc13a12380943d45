package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// maxRows is how many groups a table shows; a phone shows about that many at once.
const maxRows = 12

// Render says what a wave's main message reads. baseline groups are the nodes of the first start, used by
// WaveBaseline only.
func Render(w wave.Wave, totals fleet.Totals, baseline []fleet.Group, cfg Config) Message {
	m := Message{Kind: w.Kind, Nodes: len(w.Members), Footer: footer(w, totals)}
	switch w.Kind {
	case wave.KindBaseline:
		m.Nodes = totals.Nodes
		m.Icon, m.Headline = "📋", fmt.Sprintf("Rollcall is watching %s: %s, %d ready%s", w.Cluster, nodes(totals.Nodes), totals.Ready, comma(totals.Cost))
		m.Table = GroupTable(baseline)
		m.Lines = append(m.Lines, line("From now on nodes that join, become ready, go not ready or leave are told here."))
		m.Footer = nil
	case wave.KindJoined:
		renderJoined(&m, w)
	case wave.KindReady:
		m.Icon, m.Headline = "🟢", fmt.Sprintf("%s: %s became ready", w.Cluster, nodes(len(w.Members)))
	case wave.KindNotReady:
		renderNotReady(&m, w)
	case wave.KindRecovered:
		m.Icon, m.Headline = "🟢", fmt.Sprintf("%s: %s recovered", w.Cluster, nodes(len(w.Members)))
	case wave.KindRemoved:
		m.Icon, m.Headline = "⚪", fmt.Sprintf("%s: %s left", w.Cluster, nodes(len(w.Members)))
	case wave.KindSurge, wave.KindCreep:
		renderGrowth(&m, w, totals)
	case wave.KindMute:
		renderMute(&m, w)
	default: // away, catch-up
		renderSummary(&m, w)
	}
	m.Headline += costWords(w, cfg)
	if len(w.Members) > maxInline {
		m.Table = GroupTable(Groups(w.Members, cfg.Price))
		m.Lines = append(m.Lines, statistics(w, cfg)...)
		if w.ClosedAt.IsZero() {
			m.Lines = append(m.Lines, line("The names follow in the thread."))
		} else {
			m.Lines = append(m.Lines, line("All names are in the thread."))
		}
	} else {
		for _, member := range w.Members {
			m.Cards = append(m.Cards, card(member, w.Kind, cfg))
		}
	}
	m.Lines = append(m.Lines, unknowable(w)...)
	dateOld(m.Lines, w.OpenedAt)
	for _, c := range m.Cards {
		dateOld(c.Lines, w.OpenedAt)
	}
	m.Text = m.Headline
	switch {
	case w.Kind == wave.KindMute:
		m.Text = muteInShort(m, w)
	case w.Gap != nil || w.Kind == wave.KindCatchUp || len(w.Members) == 0:
	case len(w.Members) == 1:
		m.Text = fmt.Sprintf("%s: %s", w.Cluster, oneLine(w.Members[0], w.Kind, cfg))
	default:
		m.Text = fmt.Sprintf("%s (%s)", m.Headline, typesInShort(Groups(w.Members, nil)))
	}
	return m
}

func footer(w wave.Wave, t fleet.Totals) Line { return line(Count(w.Cluster, t)) }

// dateOld shows the date of moments that are not of the message's own day.
func dateOld(lines []Line, opened time.Time) {
	for _, l := range lines {
		for i := range l {
			l[i].Day = l[i].Day || !l[i].At.IsZero() && !opened.IsZero() && l[i].At.Sub(opened).Abs() > 12*time.Hour
		}
	}
}

// Count says how many nodes a cluster has: "prod: 45 nodes, 43 ready".
func Count(cluster string, t fleet.Totals) string {
	s := fmt.Sprintf("%s: %s, %d ready", cluster, nodes(t.Nodes), t.Ready)
	if t.Cordoned > 0 {
		s += fmt.Sprintf(", %d cordoned", t.Cordoned)
	}
	return s + comma(t.Cost)
}

// comma adds what something costs by the hour to a sentence, if any of it has a price.
func comma(c fleet.Cost) string {
	if c.Priced == 0 {
		return ""
	}
	return ", " + Hourly(c)
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
func costWords(w wave.Wave, cfg Config) string {
	var came, left fleet.Cost
	for _, m := range w.Members {
		p := cfg.priceOf(m.Node)
		_, joined := m.Step(fleet.Joined)
		_, removed := m.Step(fleet.Removed)
		switch {
		case w.Kind == wave.KindRemoved || removed && !joined:
			left.Add(p, 1, time.Hour)
		case joined && !removed || w.Kind != wave.KindAway && w.Kind != wave.KindCatchUp:
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
	switch w.Kind {
	case wave.KindJoined:
		return ", " + Hourly(came) + " more" + unpriced
	case wave.KindRemoved:
		return ", " + Hourly(left) + " less" + unpriced
	case wave.KindNotReady, wave.KindReady:
		return ", " + Hourly(came) + unpriced
	case wave.KindAway, wave.KindCatchUp:
		if came.AtMost || left.AtMost { // the difference of two bounds is none
			return ""
		}
		switch d := came.USD - left.USD; {
		case d > 0:
			return ", " + Hourly(fleet.Cost{USD: d, Priced: 1}) + " more" + unpriced
		case d < 0:
			return ", " + Hourly(fleet.Cost{USD: -d, Priced: 1}) + " less" + unpriced
		}
	}
	return ""
}

// lifeCost says what a node cost in a time, "" if its price is not known.
func (c Config) lifeCost(n fleet.Node, d time.Duration) string {
	var cost fleet.Cost
	cost.Add(c.priceOf(n), 1, max(0, d))
	if cost.Priced == 0 {
		return ""
	}
	return ", " + Dollars(cost)
}

func renderJoined(m *Message, w wave.Wave) {
	ready, gone := 0, 0
	for _, member := range w.Members {
		if _, ok := member.Step(fleet.BecameReady); ok {
			ready++
		} else if !member.RemovedAt.IsZero() {
			gone++
		}
	}
	m.Icon, m.Headline = "🟢", fmt.Sprintf("%s: %s joined", w.Cluster, nodes(len(w.Members)))
	switch {
	case ready == len(w.Members) && ready > 1:
		m.Headline += ", all ready"
	case ready == len(w.Members):
		m.Headline += ", ready"
	case gone == len(w.Members):
		m.Icon = "⚪"
		m.Headline += ", left before ready"
	case gone > 0:
		m.Headline += fmt.Sprintf(", %d ready, %d left before that", ready, gone)
	case ready == 0:
		m.Icon = "🟡"
		m.Headline += ", not ready yet"
	default:
		m.Icon = "🟡"
		m.Headline += fmt.Sprintf(", %d ready", ready)
	}
}

func renderNotReady(m *Message, w wave.Wave) {
	back, gone := 0, 0
	for _, member := range w.Members {
		if _, ok := recovery(member); ok {
			back++
		} else if !member.RemovedAt.IsZero() {
			gone++
		}
	}
	n := len(w.Members)
	switch {
	case back == n && n == 1:
		m.Icon, m.Headline = "🟢", fmt.Sprintf("%s: 1 node was not ready and recovered", w.Cluster)
	case back == n:
		m.Icon, m.Headline = "🟢", fmt.Sprintf("%s: %s were not ready, all recovered", w.Cluster, nodes(n))
	case gone == n:
		m.Icon, m.Headline = "⚪", fmt.Sprintf("%s: %s not ready, then left", w.Cluster, nodes(n))
	case back+gone == n:
		m.Icon, m.Headline = "⚪", fmt.Sprintf("%s: %s not ready, %d recovered, %d left", w.Cluster, nodes(n), back, gone)
	case back+gone > 0:
		m.Icon, m.Headline = "🔴", fmt.Sprintf("%s: %s not ready, %d recovered, %d left", w.Cluster, nodes(n), back, gone)
	default:
		m.Icon, m.Headline = "🔴", fmt.Sprintf("%s: %s not ready", w.Cluster, nodes(n))
	}
}

// recovery returns the recovery that follows the member's last not-ready step.
func recovery(m wave.Member) (fleet.Change, bool) {
	down, ok := m.Step(fleet.WentUnready)
	if !ok {
		return fleet.Change{}, false
	}
	up, ok := m.Step(fleet.Recovered)
	return up, ok && up.Occurrence >= down.Occurrence
}

func renderSummary(m *Message, w wave.Wave) {
	count := map[fleet.ChangeKind]int{}
	ready := 0 // of those that joined
	for _, member := range w.Members {
		_, joined := member.Step(fleet.Joined)
		if _, ok := member.Step(fleet.BecameReady); ok && joined {
			ready++
		}
		for _, kind := range []fleet.ChangeKind{fleet.Joined, fleet.BecameReady, fleet.WentUnready, fleet.Recovered, fleet.Removed} {
			if _, ok := member.Step(kind); ok {
				count[kind]++
			}
		}
	}
	var what, changes []string
	if n := count[fleet.Joined]; n > 0 {
		came := fmt.Sprintf("+%d", n)
		switch {
		case ready == n && n == 1:
			came += " (ready)"
		case ready == n:
			came += " (all ready)"
		case ready > 0:
			came += fmt.Sprintf(" (%d ready)", ready)
		}
		changes = append(changes, came)
	}
	if n := count[fleet.Removed]; n > 0 {
		changes = append(changes, fmt.Sprintf("−%d", n))
	}
	if len(changes) > 0 {
		what = append(what, strings.Join(changes, " "))
	}
	if n := count[fleet.BecameReady] - ready; n > 0 {
		what = append(what, fmt.Sprintf("%d became ready", n))
	}
	if n := count[fleet.WentUnready]; n > 0 {
		what = append(what, fmt.Sprintf("%d went not ready", n))
	}
	if n := count[fleet.Recovered]; n > 0 {
		what = append(what, fmt.Sprintf("%d recovered", n))
	}
	why, from, until := "while Slack could not be reached", w.OpenedAt, w.LastAt
	if w.Gap != nil {
		why, from, until = "while I was away", w.Gap.From, w.Gap.Until
		if w.Gap.Cause != "" && w.Gap.Cause != "restart" {
			why = "while the watch was interrupted"
		}
	}
	m.Icon = "📋"
	m.Headline = fmt.Sprintf("%s: %s %s: %s", w.Cluster, why, clockSpan(from, until), strings.Join(what, ", "))
}

// clockSpan is a span in UTC for the one line that Slack cannot show in each reader's zone.
func clockSpan(from, until time.Time) string {
	from, until = from.UTC(), until.UTC()
	form := "15:04"
	if until.Sub(from) < time.Minute {
		form = "15:04:05"
	}
	if from.YearDay() != until.YearDay() || from.Year() != until.Year() {
		return from.Format("2 Jan "+form) + " – " + until.Format("2 Jan "+form) + " UTC"
	}
	return from.Format(form) + "–" + until.Format(form) + " UTC"
}

func renderGrowth(m *Message, w wave.Wave, t fleet.Totals) {
	g := w.About.Growth
	if g == nil {
		g = &wave.Growth{To: t.Nodes}
	}
	m.Nodes = g.To - g.From
	if w.Kind == wave.KindSurge {
		m.Icon, m.Headline = "🚨", fmt.Sprintf("%s: surge, %d more nodes in %s (%d → %d)", w.Cluster, g.To-g.From, Duration(g.Over), g.From, g.To)
		m.Lines = append(m.Lines, line(fmt.Sprintf("Usual growth in such a span, over the last day: %d at most.", g.Usual)))
		return
	}
	m.Icon, m.Headline = "📈", fmt.Sprintf("%s: creep, never below %d nodes in the last day, %d more than %s ago", w.Cluster, g.To, g.To-g.From, Duration(g.Over))
	m.Lines = append(m.Lines, line("The cluster grows slowly and does not shrink back. The next step is told too."))
}

// renderMute says that a mute has begun or, once its wave is closed, that it has ended.
func renderMute(m *Message, w wave.Wave) {
	m.Footer = nil
	mute := w.Mute
	if mute == nil {
		mute = &wave.Mute{Scope: wave.MuteCluster, At: w.OpenedAt, Until: w.LastAt}
	}
	if w.ClosedAt.IsZero() {
		m.Icon = "🔕"
		m.Lead = line(w.Cluster+": "+mutedAlerts(*mute)+" muted until ", mute.Until, " (by "+person(mute.ByName)+")")
		m.Lines = append(m.Lines, line("What happens meanwhile is kept: it is in /nodes and /events."))
	} else {
		how := "ran out"
		if mute.End().Before(mute.Until) {
			how = "undone by " + person(cmp.Or(mute.EndedByName, sameName(*mute)))
		}
		m.Icon, m.Nodes = "🔔", w.Muted.Nodes
		m.Lead = line(w.Cluster+": the mute of "+muteScope(*mute)+" ended at ", mute.End(), " ("+how+")")
		kept := keptQuiet(w.Muted)
		kept = strings.ToUpper(kept[:1]) + kept[1:] + "."
		if w.Muted.Nodes > 0 {
			kept += " See /nodes and /events."
		}
		asked := person(mute.ByName)
		m.Lines = append(m.Lines, line(kept), line("It began at ", mute.At, " (by "+asked+")."))
	}
	dateOld([]Line{m.Lead}, w.OpenedAt)
	m.Headline = m.Lead.String()
}

// muteInShort is the one line that tells a mute or its end.
func muteInShort(m Message, w wave.Wave) string {
	if w.ClosedAt.IsZero() {
		return m.Headline
	}
	return m.Headline + "; " + keptQuiet(w.Muted)
}

func keptQuiet(m wave.Muted) string {
	var parts []string
	changes := 0
	for _, k := range []struct {
		kind fleet.ChangeKind
		text string
	}{{fleet.Joined, "joined"}, {fleet.BecameReady, "became ready"}, {fleet.WentUnready, "went not ready"}, {fleet.Recovered, "recovered"}, {fleet.Removed, "left"}} {
		if n := m.Changes[k.kind]; n > 0 {
			changes += n
			parts = append(parts, fmt.Sprintf("%d %s", n, k.text))
		}
	}
	switch changes {
	case 0:
		return "no change was kept quiet"
	case 1:
		return "1 change was kept quiet: " + parts[0]
	}
	return fmt.Sprintf("%d changes of %s were kept quiet: %s", changes, nodes(m.Nodes), strings.Join(parts, ", "))
}

// mutedAlerts is the subject of a sentence about what a mute hides.
func mutedAlerts(m wave.Mute) string {
	if m.Scope == wave.MuteCluster {
		return "all alerts are"
	}
	return "alerts for " + muteScope(m) + " are"
}

// muteScope names the nodes that a mute is about.
func muteScope(m wave.Mute) string {
	value := oneWord(m.Value)
	switch {
	case m.Scope == wave.MuteCluster:
		return "all alerts"
	case m.Scope == wave.MutePool && value == "":
		return "nodes without a pool"
	case m.Scope == wave.MutePool:
		return "pool " + value
	case value == "":
		return "nodes of unknown type"
	}
	return "type " + value
}

// person names a person, as Slack gives the name.
func person(name string) string { return or(oneWord(name), "somebody") }

// sameName is the name of the person who muted, if it is the one who ended the mute.
func sameName(m wave.Mute) string {
	if m.EndedBy == m.By {
		return m.ByName
	}
	return ""
}

// oneWord makes a name fit a headline: short, and on one line.
func oneWord(s string) string { return Clip(strings.Join(strings.Fields(s), " "), 80) }

// card shows one node of a small wave.
func card(m wave.Member, kind wave.Kind, cfg Config) Card {
	c := Card{Name: m.Node.Name, Lines: []Line{line(Priced(m.Node, cfg.Price))}}
	if l := labels(m.Node, cfg.Labels); l != "" {
		c.Lines = append(c.Lines, line(l))
	}
	return Card{Name: c.Name, Lines: append(c.Lines, story(m, kind, cfg)...)}
}

// Attributes lists what kind of machine a node is; what labels do not tell is said to be
// unknown.
func Attributes(n fleet.Node) string {
	parts := []string{or(n.InstanceType, "instance type unknown"), or(n.CapacityType, "capacity type unknown"), or(n.Zone, "zone unknown")}
	if n.Pool == "" {
		parts = append(parts, "pool unknown")
	} else {
		parts = append(parts, "pool "+n.Pool)
	}
	return strings.Join(append(parts, or(n.Arch, "architecture unknown")), " · ")
}

// Priced is Attributes with what the node costs, if that is known.
func Priced(n fleet.Node, price fleet.Pricer) string {
	s := Attributes(n)
	if price == nil {
		return s
	}
	if p := price(n.Machine()); p.Known {
		s += " · " + Hourly(hourlyOf(p))
	}
	return s
}

// hourlyOf is the cost of one machine by the hour.
func hourlyOf(p fleet.Price) (c fleet.Cost) {
	c.Add(p, 1, time.Hour)
	return c
}

func or(s, unknown string) string {
	if s == "" {
		return unknown
	}
	return s
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
func story(m wave.Member, kind wave.Kind, cfg Config) []Line {
	var lines []Line
	joined, hasJoined := m.Step(fleet.Joined)
	ready, hasReady := m.Step(fleet.BecameReady)
	down, hasDown := m.Step(fleet.WentUnready)
	up, hasUp := m.Step(fleet.Recovered)
	left, hasLeft := m.Step(fleet.Removed)
	if hasJoined {
		l := line("joined ", joined.At)
		if hasReady {
			l = append(l, line(", ready after "+Duration(ready.At.Sub(joined.At)))...)
		} else if m.RemovedAt.IsZero() {
			l = append(l, line(", not ready yet")...)
		} else if !hasLeft {
			l = append(l, line(", left before it was ready")...)
		}
		lines = append(lines, l)
	} else if hasReady {
		lines = append(lines, line("ready since ", ready.At, after(", ", ready.At.Sub(m.Node.CreatedAt), " after it was created", m.Node.CreatedAt)))
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
			l = line("not ready from ", down.At, ", recovered after "+Duration(back.At.Sub(down.At)))
		case !m.RemovedAt.IsZero() && !hasLeft:
			l = append(l, line(", then it left")...)
		}
		lines = append(lines, l)
		if why := reason(m, down); why != "" && !isBack {
			lines = append(lines, line(why))
		}
	} else if hasUp {
		lines = append(lines, line("ready again since ", up.At))
	}
	if hasLeft {
		lines = append(lines, lifetime(m, left, cfg))
		if why := Cause(m.Evidence, m.Node.UID); why != "" {
			lines = append(lines, line(why))
		}
	}
	return lines
}

func after(before string, d time.Duration, text string, known time.Time) string {
	if known.IsZero() {
		return ""
	}
	return before + Duration(d) + text
}

// maxReason bounds the free text of a condition on a card, in runes.
const maxReason = 200

func reason(m wave.Member, down fleet.Change) string {
	s := down.Reason
	if m.Node.Ready.Status != fleet.Ready && m.Node.Ready.Message != "" && m.Node.Ready.Reason == down.Reason {
		s += ": " + m.Node.Ready.Message
	}
	return Clip(strings.TrimPrefix(s, ": "), maxReason)
}

// vague reports whether the time of a change is unknown by more than people care about.
func vague(c fleet.Change) bool {
	return c.Proof == fleet.ProofNone && c.At.Sub(c.NotBefore) >= time.Minute
}

func lifetime(m wave.Member, left fleet.Change, cfg Config) Line {
	born := m.Node.CreatedAt
	if j, ok := m.Step(fleet.Joined); ok && born.IsZero() {
		born = j.At
	}
	if vague(left) {
		l := line("left between ", left.NotBefore, " and ", left.At)
		if !born.IsZero() {
			l = append(l, line(fmt.Sprintf(", lived %s to %s", Duration(max(0, left.NotBefore.Sub(born))), Duration(left.At.Sub(born))))...)
		}
		return l
	}
	l := line("left ", left.At)
	if !born.IsZero() {
		l = append(l, line(", lived "+Duration(left.At.Sub(born))+cfg.lifeCost(m.Node, left.At.Sub(born)))...)
	}
	return l
}

// oneLine sums up a single node for the notification.
func oneLine(m wave.Member, kind wave.Kind, cfg Config) string {
	n := m.Node
	s := n.Name
	machine := fmt.Sprintf(" (%s, %s, %s%s)", or(n.InstanceType, "type unknown"), or(n.CapacityType, "capacity unknown"), or(n.Zone, "zone unknown"), comma(hourlyOf(cfg.priceOf(n))))
	switch kind {
	case wave.KindJoined:
		s += " joined" + machine
	case wave.KindReady:
		return s + " became ready" + machine
	case wave.KindRemoved:
		s += " left" + machine
	case wave.KindRecovered:
		return s + " recovered"
	}
	joined, _ := m.Step(fleet.Joined)
	if ready, ok := m.Step(fleet.BecameReady); ok {
		s += ", ready after " + Duration(ready.At.Sub(joined.At))
	}
	if down, ok := m.Step(fleet.WentUnready); ok {
		up, back := recovery(m)
		switch {
		case back:
			s += " was not ready, recovered after " + Duration(up.At.Sub(down.At))
		case !m.RemovedAt.IsZero():
			s += " was not ready and left"
		default:
			s += " is not ready" + strings.TrimSuffix(": "+down.Reason, ": ")
		}
	}
	if left, ok := m.Step(fleet.Removed); ok {
		if !vague(left) && !n.CreatedAt.IsZero() {
			s += ", lived " + Duration(left.At.Sub(n.CreatedAt)) + cfg.lifeCost(n, left.At.Sub(n.CreatedAt))
		}
		if why := Cause(m.Evidence, n.UID); why != "" {
			s += ", " + why
		}
	}
	return s
}

// statistics are the sentences that a large wave has instead of cards.
func statistics(w wave.Wave, cfg Config) []Line {
	var spent fleet.Cost // by those that left
	var toReady, lived, down []time.Duration
	causes := map[string]int{}
	var unproven, notReady int
	for _, m := range w.Members {
		joined, hasJoined := m.Step(fleet.Joined)
		if ready, ok := m.Step(fleet.BecameReady); ok && hasJoined {
			toReady = append(toReady, ready.At.Sub(joined.At))
		}
		if d, ok := m.Step(fleet.WentUnready); ok {
			if up, ok := recovery(m); ok && !vague(d) {
				down = append(down, up.At.Sub(d.At))
			} else if !ok {
				notReady++
				if d.Reason != "" {
					causes[d.Reason]++
				}
			}
		}
		if left, ok := m.Step(fleet.Removed); ok {
			if vague(left) {
				unproven++
			} else if !m.Node.CreatedAt.IsZero() {
				lived = append(lived, left.At.Sub(m.Node.CreatedAt))
				spent.Add(cfg.priceOf(m.Node), 1, left.At.Sub(m.Node.CreatedAt))
			}
			if why := Cause(m.Evidence, m.Node.UID); why != "" {
				causes[why]++
			}
		}
	}
	var lines []Line
	add := func(form string, ds []time.Duration) {
		if len(ds) == 0 {
			return
		}
		slices.Sort(ds)
		lines = append(lines, line(fmt.Sprintf(form, Duration(ds[len(ds)/2]), Duration(ds[0]), Duration(ds[len(ds)-1]))))
	}
	add("Ready after a median of %s (%s to %s).", toReady)
	add("Recovered after a median of %s (%s to %s).", down)
	add("Lived a median of %s (%s to %s).", lived)
	if spent.Priced > 0 {
		lines = append(lines, line("They have cost "+Dollars(spent)+" in all."))
	}
	if unproven > 0 {
		lines = append(lines, line(fmt.Sprintf("When %s left is not recorded.", nodes(unproven))))
	}
	if len(causes) > 0 {
		lines = append(lines, line("Why: "+counted(causes)+"."))
	}
	return lines
}

// counted lists what a map counts, most first, at most five.
func counted(counts map[string]int) string {
	keys := slices.SortedFunc(mapKeys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var parts []string
	for i, k := range keys {
		if i == maxInline {
			parts = append(parts, fmt.Sprintf("%d other causes", len(keys)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s", counts[k], Clip(k, 100)))
	}
	return strings.Join(parts, ", ")
}

func mapKeys(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// unknowable says what nobody can know about a gap.
func unknowable(w wave.Wave) []Line {
	g := w.Gap
	if g == nil || !g.Missed {
		return nil
	}
	switch {
	case g.EventsFrom.IsZero():
		return []Line{line("Events could not be read: nodes that came and went in that time are not known.")}
	case g.EventsFrom.Sub(g.From) > time.Minute:
		return []Line{line("Kubernetes keeps no events from before ", g.EventsFrom, ": nodes that came and went earlier left no trace.")}
	}
	return nil
}

// List says what a thread reply reads that names the given members of a wave; n is the first
// one's number in the wave, from 1.
func List(w wave.Wave, members []wave.Member, n int) Message {
	m := Message{Kind: PartList, Nodes: len(members), Icon: "📋", Table: &Table{}}
	m.Headline = fmt.Sprintf("Nodes %d–%d of %d", n, n+len(members)-1, len(w.Members))
	m.Text = fmt.Sprintf("%s: nodes %d–%d of %d", w.Cluster, n, n+len(members)-1, len(w.Members))
	index := map[fleet.Group]int{}
	for _, member := range members {
		g := groupOf(member.Node)
		i, ok := index[g]
		if !ok {
			i = len(m.Table.Rows)
			index[g] = i
			m.Table.Rows = append(m.Table.Rows, []string{Attributes(member.Node)})
			m.Table.Names = append(m.Table.Names, nil)
		}
		name := member.Node.Name
		if w.Kind == wave.KindAway || w.Kind == wave.KindCatchUp {
			name += "  " + stepsInShort(member)
		}
		m.Table.Names[i] = append(m.Table.Names[i], name)
	}
	return m
}

func stepsInShort(m wave.Member) string {
	var parts []string
	for _, s := range []struct {
		kind fleet.ChangeKind
		text string
	}{{fleet.Joined, "joined"}, {fleet.BecameReady, "ready"}, {fleet.WentUnready, "not ready"}, {fleet.Recovered, "recovered"}, {fleet.Removed, "left"}} {
		if _, ok := m.Step(s.kind); ok {
			parts = append(parts, s.text)
		}
	}
	return strings.Join(parts, ", ")
}

// Stuck says what the thread reply reads about nodes of a wave that did not become ready, and
// whether there are any.
func Stuck(w wave.Wave, cfg Config) (Message, bool) {
	var names []string
	var cost fleet.Cost
	for _, m := range w.Members {
		_, joined := m.Step(fleet.Joined)
		_, ready := m.Step(fleet.BecameReady)
		if joined && !ready && m.RemovedAt.IsZero() {
			cost.Add(cfg.priceOf(m.Node), 1, time.Hour)
			why := cmp.Or(m.Node.Ready.Message, m.Node.Ready.Reason, "no Ready condition")
			names = append(names, m.Node.Name+": "+Clip(why, maxReason))
		}
	}
	if len(names) == 0 {
		return Message{}, false
	}
	m := Message{Kind: PartStuck, Nodes: len(names), Icon: "🔴", Broad: true}
	m.Headline = fmt.Sprintf("%s: %s not ready %s after joining%s", w.Cluster, nodes(len(names)), Duration(cfg.ReadyDeadline), comma(cost))
	m.Text = m.Headline
	if len(names) == 1 {
		m.Text += ": " + names[0]
	}
	const most = 20
	for _, n := range names[:min(most, len(names))] {
		m.Lines = append(m.Lines, line("• "+n))
	}
	if len(names) > most {
		m.Lines = append(m.Lines, line(fmt.Sprintf("and %d more", len(names)-most)))
	}
	return m, true
}

func groupOf(n fleet.Node) fleet.Group {
	return fleet.Group{InstanceType: n.InstanceType, CapacityType: n.CapacityType, Zone: n.Zone, Pool: n.Pool, Arch: n.Arch}
}

// Groups counts members that are alike, the largest group first, with what they cost by the hour
// if prices are given.
func Groups(members []wave.Member, price fleet.Pricer) []fleet.Group {
	index := map[fleet.Group]*fleet.Group{}
	for _, m := range members {
		g := index[groupOf(m.Node)]
		if g == nil {
			g = new(groupOf(m.Node))
			index[*g] = g
		}
		g.Nodes++
		if price != nil {
			g.Cost.Add(price(m.Node.Machine()), 1, time.Hour)
		}
	}
	groups := make([]fleet.Group, 0, len(index))
	for _, g := range index {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b fleet.Group) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.InstanceType, b.InstanceType), cmp.Compare(a.CapacityType, b.CapacityType),
			cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.Arch, b.Arch))
	})
	return groups
}

// GroupTable shows groups, the largest first as given, leaving out columns in which nothing is known.
func GroupTable(groups []fleet.Group) *Table {
	if len(groups) == 0 {
		return nil
	}
	t := &Table{Head: []string{"Nodes", "Type", "Capacity"}}
	zones := slices.ContainsFunc(groups, func(g fleet.Group) bool { return g.Zone != "" })
	pools := slices.ContainsFunc(groups, func(g fleet.Group) bool { return g.Pool != "" })
	costs := slices.ContainsFunc(groups, func(g fleet.Group) bool { return g.Cost.Priced > 0 })
	if zones {
		t.Head = append(t.Head, "Zone")
	}
	if pools {
		t.Head = append(t.Head, "Pool")
	}
	if costs {
		t.Head = append(t.Head, "Cost")
	}
	rest, restNodes := 0, 0
	var restCost fleet.Cost
	for i, g := range groups {
		if i >= maxRows {
			rest++
			restNodes += g.Nodes
			restCost = restCost.Plus(g.Cost)
			continue
		}
		row := []string{fmt.Sprint(g.Nodes), or(g.InstanceType, fleet.Unknown), or(g.CapacityType, fleet.Unknown)}
		if zones {
			row = append(row, or(g.Zone, fleet.Unknown))
		}
		if pools {
			row = append(row, or(g.Pool, fleet.Unknown))
		}
		if costs {
			row = append(row, Hourly(g.Cost))
		}
		t.Rows = append(t.Rows, row)
	}
	if rest > 0 {
		row := []string{fmt.Sprint(restNodes), fmt.Sprintf("in %d more groups", rest)}
		for len(row) < len(t.Head) {
			row = append(row, "…")
		}
		if costs {
			row[len(row)-1] = Hourly(restCost)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// typesInShort names the largest groups for the notification.
func typesInShort(groups []fleet.Group) string {
	count := map[string]int{}
	for _, g := range groups {
		count[strings.TrimSpace(or(g.InstanceType, "type unknown")+" "+g.CapacityType)] += g.Nodes
	}
	keys := slices.SortedFunc(mapKeys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	var parts []string
	for i, k := range keys {
		if i == 3 {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, fmt.Sprintf("%d× %s", count[k], k))
	}
	return strings.Join(parts, ", ")
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// Clip cuts s to at most n runes, ending in … if it cut.
func Clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// Duration shows a duration in its two largest units: 41 s, 3 m 10 s, 3 h 12 m, 2 d 4 h.
func Duration(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.size {
			continue
		}
		s := fmt.Sprintf("%d %s", d/u.size, u.name)
		if i+1 < len(units) {
			if rest := (d % u.size) / units[i+1].size; rest > 0 {
				s += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return s
	}
	return "0 s"
}
