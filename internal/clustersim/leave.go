package clustersim

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Why Karpenter disrupts a node, as its events say it.
const (
	underutilized = "Underutilized"
	emptyNode     = "Empty"
)

// shrink makes nodes leave within the spread: what runs on most is scaled down, so that Karpenter
// finds them empty, and the others it finds underutilized, and moves their pods.
func (c *Cluster) shrink(l *line, nodes []*node, spread time.Duration) {
	idle := nodes[:len(nodes)-len(nodes)/3]
	byWork := map[*workload][]*node{}
	var works []*workload // in their order: a map has none, and the story must
	for _, n := range idle {
		if byWork[n.work] == nil {
			works = append(works, n.work)
		}
		byWork[n.work] = append(byWork[n.work], n)
	}
	for _, w := range works {
		c.empty(w, byWork[w])
	}
	for i, n := range nodes {
		why := underutilized
		if i < len(idle) {
			why = emptyNode
		}
		l.after(l.between(600*time.Millisecond, 1200*time.Millisecond)+spread*time.Duration(i)/time.Duration(len(nodes)),
			func() { c.consolidate(n, why) })
	}
}

// consolidate is Karpenter's decision that a node is not needed.
func (c *Cluster) consolidate(n *node, why string) {
	switch n.stage {
	case launching:
		c.abandon(n)
		return
	case joining, settled:
	default:
		return
	}
	c.event(karpenter, n.ref(), normal, "DisruptionTerminating", "Disrupting Node: "+why)
	c.event(karpenter, n.claim, normal, "DisruptionTerminating", "Disrupting NodeClaim: "+why)
	c.terminate(n, why)
}

// abandon ends a claim whose instance has not joined.
func (c *Cluster) abandon(n *node) {
	n.stage = gone
	n.work.replicas = max(0, n.work.replicas-len(n.pods))
	c.forget(n)
	c.event(karpenter, reference{apiVersion: n.claim.apiVersion, kind: n.claim.kind}, normal, "Finalized",
		"Finalized karpenter.sh/termination")
}

// terminate drains and deletes a node as Karpenter does: it taints the node, where others cordon.
func (c *Cluster) terminate(n *node, why string) {
	l := n.line
	n.stage = leaving
	c.change(n, func(o *corev1.Node) {
		o.Spec.Taints = withTaint(o.Spec.Taints, taint("karpenter.sh/disrupted", corev1.TaintEffectNoSchedule))
	})
	c.leave(n, l.between(100*time.Millisecond, 200*time.Millisecond), func() {
		c.change(n, func(o *corev1.Node) {
			at, grace := second(time.Now()), int64(0)
			o.DeletionTimestamp, o.DeletionGracePeriodSeconds = &at, &grace
		})
		if len(n.pods) > 0 {
			c.event(karpenter, n.ref(), warning, "FailedDraining",
				fmt.Sprintf("Failed to drain node, %d pods are waiting to be evicted", len(n.pods)))
		}
		for _, p := range n.pods {
			c.event(karpenter, p.ref, normal, "Evicted", "Evicted pod: "+why)
			c.killing(n, p)
		}
		if n.group != dud && why != forced {
			for range n.pods {
				c.rehome(l, n.work)
			}
		}
		n.pods = nil
	})
	c.leave(n, l.between(4*time.Second, 6*time.Second), func() {
		c.transition(n, "Drained")
		c.event(karpenter, reference{apiVersion: "v1", kind: "Node"}, normal, "Finalized",
			"Finalized karpenter.sh/termination")
		c.event(karpenter, reference{apiVersion: n.claim.apiVersion, kind: n.claim.kind}, normal, "Finalized",
			"Finalized karpenter.sh/termination")
		c.delete(n)
	})
}

// leave takes a step of a node's end, unless it was deleted by hand meanwhile.
func (c *Cluster) leave(n *node, d time.Duration, do func()) {
	n.line.after(d, func() {
		if n.stage == leaving {
			do()
		}
	})
}

// delete removes the Node object. The node controller notices a little later.
func (c *Cluster) delete(n *node) {
	if n.work != nil {
		n.work.replicas = max(0, n.work.replicas-len(n.pods))
	}
	ref := n.ref()
	c.remove(n)
	n.line.after(n.line.between(time.Second, 4500*time.Millisecond), func() {
		c.event(controller, ref, normal, "RemovingNode",
			fmt.Sprintf("Node %s event: Removing Node %s from Controller", ref.name, ref.name))
	})
}

// forced is how evicted pods are told of an end that nobody planned.
const forced = "Forceful Termination"

// interrupt is EC2 taking a spot instance back: its node leaves, and another one comes for its
// pods.
func (c *Cluster) interrupt(n *node) {
	l := n.line
	n.trouble = true
	c.event(karpenter, n.claim, warning, "SpotInterrupted", "Spot interruption warning was triggered")
	c.event(karpenter, n.ref(), warning, "SpotInterrupted", "Spot interruption warning was triggered")
	for _, p := range n.pods {
		c.event(karpenter, p.ref, warning, "SpotInterrupted", "Spot interruption warning was triggered")
	}
	c.event(karpenter, n.claim, warning, "TerminatingOnInterruption",
		"Interruption triggered termination for the NodeClaim")
	c.event(karpenter, n.ref(), warning, "TerminatingOnInterruption", "Interruption triggered termination for the Node")
	c.later(n, l.between(500*time.Millisecond, 1500*time.Millisecond), func() {
		pods := len(n.pods)
		c.terminate(n, forced)
		l.after(l.between(400*time.Millisecond, 800*time.Millisecond), func() {
			anew := c.create(l, n.work, pods)
			c.pending(n.work, anew)
			l.after(l.between(600*time.Millisecond, 900*time.Millisecond), func() { c.launch(l, n.work, anew, n.group) })
		})
	})
}
