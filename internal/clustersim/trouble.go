package clustersim

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// fail makes a ready node go not ready, as the node controller finds it, and recover after a
// while of the line given.
func (c *Cluster) fail(l *line, n *node, recovers time.Duration) {
	n.trouble = true
	c.change(n, func(o *corev1.Node) {
		o.Status.Conditions = silent(o.Status.Conditions, time.Now())
		o.Spec.Taints = withTaint(o.Spec.Taints,
			taint(corev1.TaintNodeUnreachable, corev1.TaintEffectNoSchedule),
			taint(corev1.TaintNodeUnreachable, corev1.TaintEffectNoExecute))
	})
	c.event(controller, n.ref(), normal, "NodeNotReady", "Node "+n.name()+" status is now: NodeNotReady")
	for _, p := range n.pods {
		c.event(controller, p.ref, warning, "NodeNotReady", "Node is not ready")
	}
	c.laterOn(l, n, recovers, func() {
		n.trouble = false
		c.change(n, func(o *corev1.Node) { o.Status.Conditions = stamped(healthy, o.Status.Conditions, time.Now()) })
		c.status(n, "NodeReady", "")
		c.laterOn(l, n, 200*time.Millisecond, func() {
			c.change(n, func(o *corev1.Node) { o.Spec.Taints = withoutTaint(o.Spec.Taints, corev1.TaintNodeUnreachable) })
		})
	})
}

// cordon is a person who keeps new pods away from a node for a while.
func (c *Cluster) cordon(n *node, d time.Duration) {
	n.trouble = true
	c.change(n, func(o *corev1.Node) {
		o.Spec.Unschedulable = true
		o.Spec.Taints = withTaint(o.Spec.Taints, taint(corev1.TaintNodeUnschedulable, corev1.TaintEffectNoSchedule))
	})
	c.status(n, "NodeNotSchedulable", "")
	c.later(n, d, func() {
		n.trouble = false
		c.change(n, func(o *corev1.Node) {
			o.Spec.Unschedulable = false
			o.Spec.Taints = withoutTaint(o.Spec.Taints, corev1.TaintNodeUnschedulable)
		})
		c.status(n, "NodeSchedulable", "")
	})
}

// giveUp ends a node that joined and never becomes ready: its network plugin does not start, so
// its pods stay pending until Karpenter removes it.
func (c *Cluster) giveUp(n *node) {
	l := n.line
	n.trouble = true
	for _, d := range []time.Duration{10 * time.Second, 25 * time.Second} {
		c.later(n, d, func() { c.pending(n.work, n.pods) })
	}
	c.later(n, l.between(36*time.Second, 54*time.Second), func() {
		n.work.replicas = max(0, n.work.replicas-len(n.pods))
		c.ends(n.pods, true)
		n.pods = nil // they never started
		c.terminate(n, forced, Went{NeverReady, Karpenter})
	})
}

// pick returns up to n of the nodes that which takes, by the line's chance. Nodes of another
// scene are left alone.
func (c *Cluster) pick(l *line, n int, which func(*node) bool) []*node {
	var from []*node
	for _, nd := range c.nodes {
		if !nd.trouble && which(nd) {
			from = append(from, nd)
		}
	}
	l.rand.Shuffle(len(from), func(i, j int) { from[i], from[j] = from[j], from[i] })
	return from[:min(n, len(from))]
}
