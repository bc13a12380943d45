package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

func compareGroups(a, b fleet.Group) int {
	return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.InstanceType, b.InstanceType),
		cmp.Compare(a.CapacityType, b.CapacityType), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Pool, b.Pool),
		cmp.Compare(a.Arch, b.Arch))
}

func nodes(n int) string { return message.Count(n, "node") }

// sayPlainly says that all nodes of the wave did one thing.
func sayPlainly(icon, did string) func(*rendering) {
	return func(r *rendering) { r.titled(icon, "%s %s", nodes(len(r.wave.Members)), did) }
}

func sayBaseline(r *rendering) {
	t := r.totals
	r.m.Nodes = t.Nodes
	r.m.Icon = "📋"
	r.m.Headline = fmt.Sprintf("Rollcall is watching %s: %s, %d ready%s", r.wave.Cluster, nodes(t.Nodes), t.Ready,
		message.AndHourly(t.Cost))
	var common message.Line
	if common, r.table = message.GroupTable(r.first); len(common) > 0 {
		r.above = append(r.above, common)
	}
	r.quiet = true
	r.add(line("From now on nodes that join, become ready, go not ready or leave are told here."))
}

func sayJoined(r *rendering) {
	ready, gone, n := 0, 0, len(r.wave.Members)
	for _, member := range r.wave.Members {
		if _, ok := member.Step(fleet.BecameReady); ok {
			ready++
		} else if !member.RemovedAt.IsZero() {
			gone++
		}
	}
	icon, how := "🟢", ""
	switch {
	case ready == n && ready > 1:
		how = "all ready"
	case ready == n:
		how = "ready"
	case gone == n:
		icon, how = "⬜", "left before ready"
	case gone > 0:
		how = fmt.Sprintf("%d ready, %d left before that", ready, gone)
	case ready == 0:
		icon, how = "⏳", "not ready yet"
	default:
		icon, how = "⏳", fmt.Sprintf("%d ready", ready)
	}
	r.titled(icon, "%s joined, %s", nodes(n), how)
}

func sayNotReady(r *rendering) {
	back, gone, n := 0, 0, len(r.wave.Members)
	for _, member := range r.wave.Members {
		if _, ok := recovery(member); ok {
			back++
		} else if !member.RemovedAt.IsZero() {
			gone++
		}
	}
	switch {
	case back == n && n == 1:
		r.titled("🟢", "1 node was not ready and recovered")
	case back == n:
		r.titled("🟢", "%s were not ready, all recovered", nodes(n))
	case gone == n:
		r.titled("⬜", "%s not ready, then left", nodes(n))
	case back+gone == n:
		r.titled("⬜", "%s not ready, %d recovered, %d left", nodes(n), back, gone)
	case back+gone > 0:
		r.titled("❌", "%s not ready, %d recovered, %d left%s", nodes(n), back, gone, r.downWords())
	default:
		r.titled("❌", "%s not ready%s", r.outOf(n), r.downWords())
	}
}

// outOf is a number of nodes, and of how many: 2 of 60 nodes.
func (r *rendering) outOf(n int) string {
	if r.totals.Nodes <= n {
		return nodes(n)
	}
	return fmt.Sprintf("%d of %s", n, nodes(r.totals.Nodes))
}

// downWords say of nodes that are not ready why, and what they have in common: ": kubelet silent · pool batch, c".
func (r *rendering) downWords() string {
	var why []string
	var down []fleet.Node
	for _, m := range r.wave.Members {
		step, _ := m.Step(fleet.WentUnready)
		if _, back := recovery(m); back || !m.RemovedAt.IsZero() {
			continue
		}
		why, down = append(why, unready(m, step)), append(down, m.Node)
	}
	if len(down) == 0 {
		return ""
	}
	return shared(why) + common(down)
}

// shared is a text that all have, or the most frequent ones with their numbers, after a colon; "" if there is none.
func shared(texts []string) string {
	counts := map[string]int{}
	for _, t := range texts {
		counts[t]++
	}
	if len(counts) == 1 {
		return strings.TrimSuffix(": "+texts[0], ": ")
	}
	if n := counts[""]; n > 0 {
		delete(counts, "")
		counts["for unknown reasons"] = n
	}
	return ": " + counted(counts)
}

// common is the pool and the zone that all nodes are of, if they are of one.
func common(of []fleet.Node) string {
	var parts []string
	all := func(property func(fleet.Node) string) string {
		for _, n := range of {
			if property(n) != property(of[0]) {
				return ""
			}
		}
		return property(of[0])
	}
	if pool := all(func(n fleet.Node) string { return n.Pool }); pool != "" {
		parts = append(parts, "pool "+message.OneWord(pool))
	}
	if zone := all(func(n fleet.Node) string { return n.Zone }); zone != "" {
		parts = append(parts, message.OneWord(zone))
	}
	if len(parts) == 0 {
		return ""
	}
	return " · " + strings.Join(parts, ", ")
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

func saySummary(r *rendering) {
	w := r.wave
	count := map[fleet.ChangeKind]int{}
	ready := 0 // of those that joined
	for _, member := range w.Members {
		_, joined := member.Step(fleet.Joined)
		if _, ok := member.Step(fleet.BecameReady); ok && joined {
			ready++
		}
		for _, kind := range fleet.ChangeKinds {
			if _, ok := member.Step(kind); ok {
				count[kind]++
			}
		}
	}
	var what []string
	if n := count[fleet.Joined]; n > 0 {
		came := fmt.Sprintf("%d joined", n)
		switch {
		case ready == n && n == 1:
			came += " (ready)"
		case ready == n:
			came += " (all ready)"
		case ready > 0:
			came += fmt.Sprintf(" (%d ready)", ready)
		}
		what = append(what, came)
	}
	if n := count[fleet.Removed]; n > 0 {
		what = append(what, fmt.Sprintf("%d left", n))
	}
	count[fleet.BecameReady] -= ready
	for _, kind := range []fleet.ChangeKind{fleet.BecameReady, fleet.WentUnready, fleet.Recovered} {
		if n := count[kind]; n > 0 {
			what = append(what, fmt.Sprintf("%d %s", n, message.Step(kind).Did))
		}
	}
	why, span := "while Slack could not be reached", message.Period{From: w.OpenedAt, Until: w.LastAt}
	if w.Gap != nil {
		why, span = "while I was away", message.Period{From: w.Gap.From, Until: w.Gap.Until}
		switch w.Gap.Cause {
		case "", "restart":
		case "cluster restored":
			why = "after the cluster was restored from a backup"
		default:
			why = "while the watch was interrupted"
		}
	}
	r.titled("📋", "%s %s: %s", why, span.ClockSpan(), strings.Join(what, ", "))
}

// growth is what a surge or a creep observed.
func (r *rendering) growth() wave.Growth {
	g := wave.Growth{To: r.totals.Nodes}
	if r.wave.About.Growth != nil {
		g = *r.wave.About.Growth
	}
	r.m.Nodes = g.To - g.From
	return g
}

func saySurge(r *rendering) {
	g := r.growth()
	r.titled("🚨", "surge, %d more nodes in %s (%d → %d)%s", g.To-g.From, message.Duration(g.Over), g.From, g.To,
		dearer(g))
	r.add(grown(g)...)
	r.add(whyGrown(g, "Why they came is not known yet: the alerts about them say so if it becomes known.")...)
	usual := "none"
	switch {
	case g.Dear && g.UsualUSD > 0:
		usual = "up to " + message.Hourly(fleet.Cost{USD: g.UsualUSD, Priced: 1})
	case !g.Dear && g.Usual > 0:
		usual = "up to " + nodes(g.Usual)
	}
	r.add(line("Usual growth in such a span: " + usual + "."))
}

func sayCreep(r *rendering) {
	g := r.growth()
	r.titled("📈", "creep, never below %d nodes in the last day, %d more than %s ago%s", g.To, g.To-g.From,
		message.Duration(g.Over), dearer(g))
	r.add(grown(g)...)
	r.add(whyGrown(g, "Why they came is not known.")...)
	r.add(line("The cluster grows slowly and does not shrink back. The next step is told too."))
}

// whyGrown says why the nodes came that joined meanwhile, or that nothing is known of it.
func whyGrown(g wave.Growth, unknown string) (lines []message.Line) {
	joined := g.OtherCauses + g.Unexplained
	var groups []causeGroup
	for _, c := range g.Why {
		joined += c.Nodes
		groups = append(groups, causeGroup{Cause: c.Cause, nodes: c.Nodes})
	}
	switch {
	case joined == 0: // an earlier version did not look
		return nil
	case len(groups) == 0:
		return []message.Line{line(unknown)}
	case joined != g.To-g.From: // others have left
		lines = append(lines, line(fmt.Sprintf("Of the %s that joined since and stayed:", nodes(joined))))
	}
	return append(lines, cameLines(groups, g.OtherCauses, g.Unexplained, true)...)
}

// dearer is what grew costs more by the hour, and how many times as much all costs now, after a comma.
func dearer(g wave.Growth) string {
	if g.USD <= 0 {
		return ""
	}
	more := ", " + message.Hourly(fleet.Cost{USD: g.USD, Priced: g.To - g.From}) + " more"
	if times := (g.WasUSD + g.USD) / g.WasUSD; g.WasUSD > 0 && times >= 2 {
		precision := 0
		if times < 10 {
			precision = 1
		}
		text := strconv.FormatFloat(times, 'f', precision, 64)
		more += ", " + strings.TrimSuffix(text, ".0") + " times as much as before"
	}
	return more
}

// grown says which nodes there are more of.
func grown(g wave.Growth) []message.Line {
	var parts []string
	rest := g.To - g.From
	for _, m := range g.Most {
		rest -= m.Nodes
		parts = append(parts, fmt.Sprintf("%d %s in %s", m.Nodes, cmp.Or(message.OneWord(m.InstanceType), "of unknown type"),
			cmp.Or(strings.TrimSuffix("pool "+message.OneWord(m.Pool), "pool "), "no pool")))
	}
	if len(parts) == 0 {
		return nil
	}
	text := "More of them: " + strings.Join(parts, ", ")
	if rest > 0 {
		text += fmt.Sprintf(", and %d others", rest)
	}
	return []message.Line{line(text + ".")}
}

// muteOf is the mute that a wave tells; one of everything if the ledger does not have it.
func muteOf(w wave.Wave) wave.Mute {
	if w.Mute == nil {
		return wave.Mute{Scope: wave.MuteCluster, At: w.OpenedAt, Until: w.LastAt}
	}
	return *w.Mute
}

// sayMute says that a mute has begun or, once its wave is closed, that it has ended.
func sayMute(r *rendering) {
	r.quiet = true
	mute := muteOf(r.wave)
	by := person(mute.ByName)
	if r.wave.ClosedAt.IsZero() {
		r.m.Icon = "🔕"
		r.m.Lead = line(r.wave.Cluster+": "+mutedAlerts(mute)+" muted until ", mute.Until, " (by "+by+")")
		r.add(line("What happens meanwhile is still recorded."))
		switch channels := r.cfg.Routes.Channels(); {
		case len(channels) < 2:
		case slices.Contains(channels, mute.Channel):
			r.add(line("Other channels are told as always."))
		default:
			r.add(line("This goes for all channels."))
		}
	} else {
		how := "ran out"
		if mute.End().Before(mute.Until) {
			how = "undone by " + person(cmp.Or(mute.EndedByName, sameName(mute)))
		}
		r.m.Icon, r.m.Nodes = "🔔", r.wave.Muted.Nodes
		r.m.Lead = line(r.wave.Cluster+": the mute of "+muteScope(mute)+" ended at ", mute.End(), " ("+how+")")
		kept := keptQuiet(mute, r.wave.Muted)
		r.add(line(strings.ToUpper(kept[:1])+kept[1:]+"."), line("It began at ", mute.At, " (by "+by+")."))
	}
	dateOld([]message.Line{r.m.Lead}, r.wave.OpenedAt)
	r.m.Headline = r.m.Lead.String()
}

// sayBlind says that the cluster cannot be seen, or was not for a while.
func sayBlind(r *rendering) {
	b := wave.Blind{}
	if r.wave.About.Blind != nil {
		b = *r.wave.About.Blind
	}
	r.quiet = true
	name := r.wave.Cluster
	why := line()
	if words := strings.Fields(message.Clean(b.Why)); len(words) > 0 {
		why = line("The last error: " + message.Clip(strings.Join(words, " "), maxError))
	}
	switch over := !b.Until.IsZero(); {
	case !over && b.Events:
		r.m.Icon = "⚠️"
		r.m.Lead = line(name+": I have seen no events since ", b.Since, ", so I cannot say why nodes come and go")
		r.add(why, line("Nodes that join or leave are told as always."))
	case !over:
		r.m.Icon = "⚠️"
		r.m.Lead = line(name+": I have not seen the cluster since ", b.Since)
		r.add(why, line("What happens meanwhile is told once I see it again."))
	case b.Events:
		r.m.Icon = "🟢"
		r.m.Lead = line(name+": I saw no events from ", b.Since, " to ", b.Until)
		if b.Until.Sub(b.Since) < eventLife {
			r.add(line("Why nodes came and went meanwhile is looked for now."))
		} else {
			r.add(line("Kubernetes forgets events after an hour: why nodes came and went before ", b.Until.Add(-eventLife),
				" may never be known."))
		}
	default:
		r.m.Icon = "🟢"
		r.m.Lead = line(name+": I did not see the cluster from ", b.Since, " to ", b.Until)
		r.add(line(missed(b.Missed)))
	}
	dateOld([]message.Line{r.m.Lead}, r.wave.OpenedAt)
	r.m.Headline = r.m.Lead.String()
	r.lines = slices.DeleteFunc(r.lines, func(l message.Line) bool { return len(l) == 0 })
}

// eventLife is how long an API server keeps events by default: kube-apiserver --event-ttl.
const eventLife = time.Hour

// maxError is how much of an error's text is told, in characters.
const maxError = 300

// missed says what was found out once the cluster was seen again.
func missed(changes map[fleet.ChangeKind]int) string {
	var parts []string
	for _, kind := range fleet.ChangeKinds {
		if n := changes[kind]; n > 0 && kind != fleet.Cordoned && kind != fleet.Uncordoned {
			parts = append(parts, fmt.Sprintf("%d %s", n, message.Step(kind).Did))
		}
	}
	if len(parts) == 0 {
		return "No change of a node was missed."
	}
	return "Missed, and recorded since: " + strings.Join(parts, ", ") + "."
}

// muteInShort is the one line that tells a mute or its end.
func muteInShort(r *rendering) string {
	if r.wave.ClosedAt.IsZero() {
		return r.m.Headline
	}
	return r.m.Headline + "; " + keptQuiet(muteOf(r.wave), r.wave.Muted)
}

func keptQuiet(by wave.Mute, m wave.Muted) string {
	if by.Scope == wave.MuteDeployment {
		return "rollouts that ended meanwhile are not told"
	}
	var parts []string
	changes := 0
	for _, kind := range fleet.ChangeKinds {
		if n := m.Changes[kind]; n > 0 {
			changes += n
			parts = append(parts, fmt.Sprintf("%d %s", n, message.Step(kind).Did))
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
	if m.Scope == wave.MuteDeployment {
		return muteScope(m) + " are"
	}
	return "alerts for " + muteScope(m) + " are"
}

// muteScope names the nodes that a mute is about.
func muteScope(m wave.Mute) string {
	value := message.OneWord(m.Value)
	switch {
	case m.Scope == wave.MuteCluster:
		return "all alerts"
	case m.Scope == wave.MuteDeployment:
		return "rollouts of " + value
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
func person(name string) string { return cmp.Or(message.OneWord(name), "somebody") }

// sameName is the name of the person who muted, if it is the one who ended the mute.
func sameName(m wave.Mute) string {
	if m.EndedBy == m.By {
		return m.ByName
	}
	return ""
}
