package clustersim

import (
	"fmt"
	"slices"
	"time"
)

// keptEvery is how often Karpenter says that something keeps a node: it looks every ten seconds, and says the same no
// sooner than after two minutes (karpenter, pkg/controllers/disruption/events).
const keptEvery = 2 * time.Minute

// failureStands is for how long a failed scale-down, of which the Cluster Autoscaler says no more, is told as what
// keeps its node.
const failureStands = 45 * time.Minute

// KeeperKind is what keeps a node from being ended.
type KeeperKind string

// What keeps nodes.
const (
	KeptByBudget  KeeperKind = "PodDisruptionBudget" // which is at its limit
	KeptByPod     KeeperKind = "pod"                 // that is annotated with do-not-disrupt
	KeptByFailure KeeperKind = "scale-down failed"   // the Cluster Autoscaler could not end it
)

// Keep is that something keeps a node from being ended, or has kept it: the truth that what is told of it can be held
// against.
type Keep struct {
	Node, UID       string
	Kind            KeeperKind
	Namespace, Name string      // of the budget or the pod
	Since           time.Time   // when that was first said
	Said            []time.Time // when, as far as the statements were written: a component may not say the same at will
	Until           time.Time   // when the node was let go or ended; zero while it is kept
}

// maxKeeps is how many keeps that are over are remembered.
const maxKeeps = 1000

// keep notes that something keeps a node.
func (c *Cluster) keep(n *node, kind KeeperKind, namespace, name string) *Keep {
	if over := len(c.keeps) - 2*maxKeeps; over > 0 {
		rest := c.keeps[:0:0]
		for _, k := range c.keeps {
			if over--; k.Until.IsZero() || over < -maxKeeps {
				rest = append(rest, k)
			}
		}
		c.keeps = rest
	}
	k := &Keep{Node: n.name(), UID: string(n.obj.UID), Kind: kind, Namespace: namespace, Name: name, Since: time.Now(),
		Said: []time.Time{time.Now()}}
	c.keeps = append(c.keeps, k)
	n.kept = append(n.kept, k)
	return k
}

// unkeep notes that nothing keeps a node any more.
func (n *node) unkeep() {
	for _, k := range n.kept {
		if k.Until.IsZero() {
			k.Until = time.Now()
		}
	}
	n.kept = nil
}

// Keeps returns what keeps nodes, in the order of its beginning: all that goes on, and the last that is over.
func (c *Cluster) Keeps() []Keep {
	c.mu.Lock()
	defer c.mu.Unlock()
	ks := make([]Keep, len(c.keeps))
	for i, k := range c.keeps {
		ks[i] = *k
		ks[i].Said = slices.Clone(k.Said)
	}
	return ks
}

// hold lets something keep a node that Karpenter would end, until letGo. Karpenter says so again and again.
func (c *Cluster) hold(n *node, by KeeperKind) {
	n.trouble = true
	namespace, name := n.work.namespace, n.work.short()
	note := fmt.Sprintf("Pdb prevents pod evictions (PodDisruptionBudget=[%s/%s])", namespace, name)
	if by == KeptByPod {
		namespace, name = "ml", fmt.Sprintf("notebook-%d", n.line.rand.IntN(10))
		note = fmt.Sprintf(`Pod has "karpenter.sh/do-not-disrupt" annotation (Pod=[%s/%s])`, namespace, name)
	}
	k := c.keep(n, by, namespace, name)
	var say func()
	say = func() {
		if !k.Until.IsZero() {
			return
		}
		if c.blocks(n, note) && k.Since.Before(time.Now()) {
			k.Said = append(k.Said, time.Now())
		}
		c.wall.after(keptEvery, say)
	}
	say()
}

// blocks is what Karpenter says of a node that it may not end. It reports whether that was written.
func (c *Cluster) blocks(n *node, why string) bool {
	c.event(karpenter, n.claim, normal, "DisruptionBlocked", why)
	return c.event(karpenter, n.ref(), normal, "DisruptionBlocked", why)
}

// heldOf are the nodes of a line that hold keeps.
func (c *Cluster) heldOf(l *line) (ns []*node) {
	for _, n := range c.nodes {
		if n.line == l && len(n.kept) > 0 && n.kept[0].Kind != KeptByFailure {
			ns = append(ns, n)
		}
	}
	return ns
}

// letGo ends what keeps nodes, and Karpenter ends them, as it wanted to.
func (c *Cluster) letGo(ns []*node) {
	for i, n := range ns {
		n.unkeep()
		n.line.after(n.line.between(600*time.Millisecond, 1200*time.Millisecond)+time.Duration(i)*300*time.Millisecond,
			func() { c.disrupt(n, Underutilized) })
	}
}

// holdNodes lets a budget or a pod keep up to count of Karpenter's nodes, in turn.
func (c *Cluster) holdNodes(l *line, count int) []*node {
	ns := c.pick(l, count, karpenters)
	for i, n := range ns {
		n.line = l
		c.hold(n, []KeeperKind{KeptByBudget, KeptByBudget, KeptByPod}[i%3])
	}
	return ns
}

// handKept is how many nodes a person lets something keep at once.
const handKept = 3

// KeepNodes lets a PodDisruptionBudget and a pod keep a few of Karpenter's nodes, also while the day is paused, until
// LetGo or for a while. It returns their names.
func (c *Cluster) KeepNodes(d time.Duration) (names []string) {
	c.control(func() {
		ns := c.holdNodes(&c.hand, handKept)
		for _, n := range ns {
			names = append(names, n.name())
		}
		c.hand.after(d, func() {
			c.letGo(slices.DeleteFunc(ns, func(n *node) bool { return len(n.kept) == 0 })) // let go already
		})
	})
	return names
}

// LetGo ends what KeepNodes has begun.
func (c *Cluster) LetGo() { c.control(func() { c.letGo(c.heldOf(&c.hand)) }) }

// loopTurns is how often a node of a scene is replaced by one like it.
const loopTurns = 3

// loop replaces a node by one of the same type again and again, as Karpenter does where something changes each node so
// that it drifts at once.
func (c *Cluster) loop(n *node, turn, turns int) {
	l := n.line
	c.replace(n, Drifted)
	heir, done := n.heir, n.heir.initialized
	heir.machine, heir.spot, heir.trouble, heir.came.Turn = n.machine, n.spot, true, turn
	heir.initialized = func() {
		done()
		if turn == turns {
			heir.trouble = false
			return
		}
		c.later(heir, 2*time.Second+l.between(0, c.real(10*time.Minute)), func() { c.loop(heir, turn+1, turns) })
	}
}
