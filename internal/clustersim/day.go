package clustersim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// happening is what a day can bring.
type happening string

const (
	toLevel    happening = "level"       // the steady nodes become count
	gpus       happening = "gpus"        // count nodes with GPUs join
	burst      happening = "burst"       // count nodes join within seconds
	burstEnds  happening = "burst ends"  // and leave
	interrupt  happening = "interrupt"   // EC2 takes count spot nodes back
	drains     happening = "drains"      // a drain begins that lasts for two days
	drained    happening = "drained"     // the longest drain comes to its end
	runs       happening = "runs"        // the Cluster Autoscaler adds count nodes to its node group
	runsStay   happening = "runs stay"   // it begins to remove one of them, and takes that back
	runsEnd    happening = "runs end"    // it removes them
	byHand     happening = "by hand"     // a person deletes count NodeClaims
	drifts     happening = "drifts"      // Karpenter replaces count nodes
	fails      happening = "fails"       // a node goes not ready, and recovers
	neverReady happening = "never ready" // a node joins, and leaves without having been ready
	cordoned   happening = "cordoned"    // a person cordons a node for a while
	leaks      happening = "leaks"       // a Job gets a node that it does not give back
	leaksClear happening = "leaks clear" // until the morning
	atLimit    happening = "at limit"    // the pool with GPUs is at its limit, and count nodes more are wanted
	limitEnds  happening = "limit ends"  // it is raised
	wantedEnd  happening = "wanted end"  // what came then leaves
	kept       happening = "kept"        // budgets and pods keep count nodes that Karpenter would end
	letsGo     happening = "lets go"     // no more, and it ends them
	loops      happening = "loops"       // Karpenter replaces a node by one of its type, count times
	rollsOut   happening = "rolls out"   // a Deployment gets another image
	rollsBack  happening = "rolls back"  // another one, whose pods fail
)

// troubles are what a calm day does not bring.
var troubles = []happening{drains, atLimit, kept, loops, neverReady}

// scene is something that the day brings.
type scene struct {
	at    time.Duration // after 06:00, in the time of the simulated day
	what  happening
	count int
	phase string // which part of the day begins; "" is none
}

// dawn is when the simulated day begins.
const dawn = 6 * time.Hour

// Parts of the day, for people.
const (
	phaseMorning       = "morning rise"
	phaseDay           = "daytime"
	phaseBurst         = "noon burst"
	phaseConsolidation = "afternoon consolidation"
	phaseAfternoon     = "afternoon"
	phaseEvening       = "evening consolidation"
	phaseDrift         = "night, nodes get another image"
	phaseNight         = "night, with a slow leak"
	phaseClear         = "clearing the night's leak"
)

// In how many steps the cluster grows in the morning and shrinks in the evening.
const (
	morningSteps = 8
	eveningSteps = 6
)

// plan is what one day brings, in order; chance varies when and how much. first marks the day of
// the start, whose morning does not wait: a newcomer should see something at once.
func plan(night, day, burstNodes int, first bool, r *rand.Rand) []scene {
	var scenes []scene
	add := func(hour, minute, spread int, what happening, count int, phase string) {
		at := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute - dawn
		if at < 0 {
			at += 24 * time.Hour
		}
		if spread > 0 {
			at += time.Duration(r.IntN(2*spread+1)-spread) * time.Minute
		}
		scenes = append(scenes, scene{at, what, count, phase})
	}
	level := func(part float64) int { return night + int(math.Round(float64(day-night)*part)) }
	for i := range morningSteps {
		part := float64(i+1) / morningSteps
		part = part * part * (3 - 2*part) // slow, fast, slow
		if i == 0 {
			add(6, 10, 0, toLevel, max(level(part), min(day, night+1)), phaseMorning)
			continue
		}
		add(6, 10+30*i, 6, toLevel, level(part), "")
	}
	add(9, 0, 5, gpus, min(1+r.IntN(2), (day-night)/8), "")
	add(10, 10, 0, toLevel, day, phaseDay)
	add(10, 30, 8, interrupt, 1+r.IntN(2), "")
	add(11, 50, 5, burst, burstNodes, phaseBurst)
	add(12, 20, 0, drains, 1, "")
	add(12, 50, 3, drained, 1, "")
	add(13, 55, 3, runs, min(2, (day-night)/8), "")
	add(14, 15, 8, burstEnds, 0, phaseConsolidation)
	add(14, 35, 0, atLimit, 2, "")
	add(21, 25, 0, limitEnds, 0, "")
	add(24, 50, 0, wantedEnd, 0, "")
	add(13, 10, 0, kept, 3, "")
	add(20, 40, 0, letsGo, 0, "")
	add(17, 50, 0, loops, loopTurns, "")
	add(11, 0, 0, rollsOut, 1, "")
	add(15, 30, 0, rollsBack, 1, "")
	add(16, 10, 0, toLevel, day-r.IntN(4), phaseAfternoon)
	add(16, 25, 8, fails, 1, "")
	add(16, 50, 8, neverReady, 1, "")
	add(17, 10, 3, byHand, 1, "")
	add(17, 25, 8, cordoned, 1, "")
	for i := range eveningSteps {
		phase := ""
		if i == 0 {
			phase = phaseEvening
		}
		add(18, 20+40*i, 6, toLevel, level(1-float64(i+1)/eveningSteps), phase)
	}
	add(22, 25, 0, drifts, 3, phaseDrift)
	lost := 3 + r.IntN(3)
	for i := range lost {
		phase := ""
		if i == 0 {
			phase = phaseNight
		}
		add(23+(45+65*i)/60, (45+65*i)%60, 10, leaks, 1, phase)
	}
	add(25, 20, 0, runsStay, 1, "")
	add(26, 40, 0, runsEnd, 0, "")
	add(29, 0, 0, leaksClear, 0, phaseClear)
	if first {
		scenes[0].at = 0
	}
	slices.SortStableFunc(scenes, func(a, b scene) int { return int(a.at - b.at) })
	return scenes
}

// begin plans the day with a number, and the beginning of the next.
func (c *Cluster) begin(number int) {
	l := &c.day
	scenes := plan(c.config.Night, c.config.Day, c.config.Burst, number == 0, l.rand)
	dayBegins := startDelay + c.config.DayLength*time.Duration(number)
	for _, s := range scenes {
		if c.config.calm && slices.Contains(troubles, s.what) {
			continue
		}
		l.at(dayBegins+c.real(s.at), func() { c.play(s) })
	}
	l.at(dayBegins+c.config.DayLength, func() { c.begin(number + 1) })
}

// real is how long a time of the simulated day lasts at speed 1.
func (c *Cluster) real(simulated time.Duration) time.Duration {
	return time.Duration(float64(simulated) / float64(24*time.Hour) * float64(c.config.DayLength))
}

func (c *Cluster) play(s scene) {
	l := &c.day
	if s.phase != "" {
		c.phase = s.phase
	}
	c.log.Debug("scene", "clock", c.clockAt(l.here()), "what", s.what, "count", s.count, "phase", c.phase)
	switch s.what {
	case toLevel:
		c.toLevel(s.count)
	case gpus:
		c.grow(l, c.inference, s.count, steady, time.Second)
	case burst:
		c.beginBurst(l, s.count)
	case burstEnds:
		c.endBurst(l, c.dayBurst)
	case interrupt:
		for _, n := range c.pick(l, s.count,
			func(n *node) bool { return n.ready() && n.stage == settled && n.group == steady && n.spot == "spot" }) {
			c.interrupt(n)
		}
	case drains:
		if len(c.nodes) < 6*maxStuck {
			return
		}
		for _, n := range c.pick(l, s.count, karpenters) {
			c.stick(n, time.Now())
		}
	case drained:
		c.unstick()
	case runs:
		c.scaleUp(l, s.count)
	case runsStay:
		for _, n := range c.pick(l, s.count, func(n *node) bool { return n.stage == settled && n.pool == runnerPool }) {
			c.giveUpScaleDown(l, n)
		}
	case runsEnd:
		c.scaleDown(l)
	case byHand:
		for _, n := range c.pick(l, s.count, karpenters) {
			c.deleteClaim(n)
		}
	case drifts:
		for i, n := range c.pick(l, s.count, karpenters) {
			l.after(time.Duration(i)*400*time.Millisecond, func() { c.replace(n, Drifted) })
		}
	case fails:
		for _, n := range c.pick(l, s.count,
			karpenters) {
			c.fail(l, n, l.between(15*time.Second, 22*time.Second))
		}
	case neverReady:
		c.grow(l, c.web, s.count, dud, 0)
	case cordoned:
		for _, n := range c.pick(l, s.count, func(n *node) bool { return n.ready() && n.pool == systemPool }) {
			c.cordon(n, l.between(12*time.Second, 20*time.Second))
		}
	case leaks:
		c.grow(l, c.report, s.count, leak, 0)
	case atLimit:
		c.limit(gpuPool)
		c.grow(l, c.ranking, s.count, late, time.Second)
	case limitEnds:
		c.release(gpuPool)
	case wantedEnd:
		c.shrink(l, c.group(late), 2*time.Second)
	case leaksClear:
		c.shrink(l, c.group(leak), 2*time.Second)
	case kept:
		c.holdNodes(l, s.count)
	case letsGo:
		c.letGo(c.heldOf(l))
	case rollsOut, rollsBack:
		c.rollOut(l, s.what == rollsBack)
	case loops:
		for _, n := range c.pick(l, 1, func(n *node) bool { return karpenters(n) && n.pool == generalPool }) {
			c.loop(n, 1, s.count)
		}
	}
}

// toLevel makes the steady nodes as many as wanted: also after a person interfered.
func (c *Cluster) toLevel(want int) {
	l := &c.day
	have := len(c.group(steady)) + c.coming[steady] + c.stuck()
	switch more := want - have; {
	case more > 0:
		search := 0
		if more > 2 {
			search = more / 4
		}
		checkout := (more - search) * l.rand.IntN(30) / 100
		c.grow(l, c.search, search, steady, 2*time.Second)
		c.grow(l, c.checkout, checkout, steady, 2*time.Second)
		c.grow(l, c.web, more-search-checkout, steady, 2*time.Second)
	case more < 0:
		ns := c.pick(l, len(c.nodes),
			func(n *node) bool { return n.stage == settled && n.group == steady && !n.pool.managed })
		// What is dearest goes first.
		slices.SortStableFunc(ns, func(a, b *node) int { return dearness(b) - dearness(a) })
		c.shrink(l, ns[:min(-more, len(ns))], 3*time.Second)
	}
}

// karpenters reports whether a node is one of Karpenter's steady ones that nothing goes on with.
func karpenters(n *node) bool {
	return n.ready() && n.stage == settled && n.group == steady && !n.pool.managed
}

// stuck is how many nodes have a drain that lasts.
func (c *Cluster) stuck() (count int) {
	for _, n := range c.nodes {
		if n.stuck {
			count++
		}
	}
	return count
}

func dearness(n *node) int {
	if n.machine.gpu != "" {
		return 1
	}
	return 0
}

// group returns the nodes of a group that are not about to leave.
func (c *Cluster) group(name string) []*node {
	var ns []*node
	for _, n := range c.nodes {
		if n.group == name && n.stage < leaving {
			ns = append(ns, n)
		}
	}
	return ns
}

// beginBurst makes n nodes join within seconds, as a group of their own.
func (c *Cluster) beginBurst(l *line, n int) string {
	c.bursts++
	group := burstName(c.bursts)
	if l == &c.day {
		c.dayBurst = group
	}
	c.grow(l, c.render, n, group, min(12*time.Second, time.Duration(n)*200*time.Millisecond))
	return group
}

// endBurst makes the nodes of a burst leave again.
func (c *Cluster) endBurst(l *line, group string) {
	c.over[group] = true
	ns := c.group(group)
	l.rand.Shuffle(len(ns), func(i, j int) { ns[i], ns[j] = ns[j], ns[i] })
	c.shrink(l, ns, min(20*time.Second, time.Duration(len(ns))*500*time.Millisecond))
}
