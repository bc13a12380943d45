package clustersim

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
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
		why := Underutilized
		if i < len(idle) {
			why = Empty
		}
		l.after(l.between(600*time.Millisecond, 1200*time.Millisecond)+spread*time.Duration(i)/time.Duration(len(nodes)),
			func() { c.disrupt(n, why) })
	}
}

// disrupt is Karpenter's decision that a node is not needed, or not as it is.
func (c *Cluster) disrupt(n *node, why WentKind) {
	switch n.stage {
	case launching:
		c.abandon(n)
		return
	case joining, settled:
	default:
		return
	}
	c.disrupting(n, why, time.Now())
	c.terminate(n, title(why), Went{why, Karpenter})
}

// disrupting is what Karpenter says when it begins to end a node for a reason.
func (c *Cluster) disrupting(n *node, why WentKind, at time.Time) {
	c.eventAt(karpenter, n.ref(), normal, "DisruptionTerminating", "Disrupting Node: "+title(why), at)
	c.eventAt(karpenter, n.claim, normal, "DisruptionTerminating", "Disrupting NodeClaim: "+title(why), at)
}

// title is a reason as Karpenter writes it.
func title(why WentKind) string { return strings.ToUpper(string(why[:1])) + string(why[1:]) }

// replace is Karpenter's disruption of a node whose pods need another one: that is launched first, and once it is
// initialized the old one is ended.
func (c *Cluster) replace(n *node, why WentKind) {
	n.trouble = true
	n.heir = c.start(n.line, n.work, n.group, Came{Kind: Replacement, Replaces: n.name()})
	c.event(karpenter, n.heir.claim, normal, "DisruptionLaunching", "Launching NodeClaim: "+title(why))
	c.event(karpenter, n.heir.claim, normal, "DisruptionWaitingReadiness", "Waiting on readiness to continue disruption")
	n.heir.initialized = func() {
		n.line.after(n.line.between(200*time.Millisecond, time.Second), func() { c.disrupt(n, why) })
	}
}

// abandon ends a claim whose instance has not joined.
func (c *Cluster) abandon(n *node) {
	n.stage = gone
	n.work.replicas = max(0, n.work.replicas-len(n.pods))
	c.forget(n)
	c.event(karpenter, reference{apiVersion: n.claim.apiVersion, kind: n.claim.kind}, normal, "Finalized",
		"Finalized karpenter.sh/termination")
}

// terminate drains and deletes a node as Karpenter does. why is what it says to the pods.
func (c *Cluster) terminate(n *node, why string, went Went) {
	l := n.line
	c.condemn(n, went)
	c.leave(n, l.between(100*time.Millisecond, 200*time.Millisecond), func() {
		c.change(n, func(o *corev1.Node) { deleting(o, time.Now()) })
		c.blocked(n, time.Now())
		c.evict(n, why)
	})
	c.finalize(n, l.between(4*time.Second, 6*time.Second))
}

// condemn marks a node as Karpenter does before it drains it: by a taint, where others cordon.
func (c *Cluster) condemn(n *node, went Went) {
	n.stage, n.went = leaving, went
	n.unkeep()
	c.change(n, func(o *corev1.Node) {
		o.Spec.Taints = withTaint(o.Spec.Taints, taint("karpenter.sh/disrupted", corev1.TaintEffectNoSchedule))
	})
}

// deleting is what the API server makes of an object that is deleted while it has a finalizer.
func deleting(o *corev1.Node, now time.Time) {
	at, grace := second(now), int64(0)
	o.DeletionTimestamp, o.DeletionGracePeriodSeconds = &at, &grace
}

// blocked tells that pods are still to leave a node.
func (c *Cluster) blocked(n *node, at time.Time) {
	if len(n.pods) > 0 {
		c.eventAt(karpenter, n.ref(), warning, "FailedDraining",
			fmt.Sprintf("Failed to drain node, %d pods are waiting to be evicted", len(n.pods)), at)
	}
}

// evict ends a node's pods, which start anew elsewhere.
func (c *Cluster) evict(n *node, why string) {
	for _, p := range n.pods {
		c.event(karpenter, p.ref, normal, "Evicted", "Evicted pod: "+why)
		c.killing(n, p)
	}
	if n.group != dud && !n.anew {
		for range n.pods {
			c.rehome(n)
		}
	}
	n.pods = nil
}

// finalize ends a drained node's instance, and then its object.
func (c *Cluster) finalize(n *node, d time.Duration) {
	if n.line.rand.IntN(2) == 0 { // if EC2's own message comes before the end
		c.leave(n, d-500*time.Millisecond, func() {
			c.event(karpenter, n.claim, warning, "InstanceTerminating", "Instance is terminating")
			c.event(karpenter, n.ref(), warning, "InstanceTerminating", "Instance is terminating")
		})
	}
	c.leave(n, d, func() {
		c.transition(n, "Drained")
		c.event(karpenter, reference{apiVersion: "v1", kind: "Node"}, normal, "Finalized",
			"Finalized karpenter.sh/termination")
		c.event(karpenter, reference{apiVersion: n.claim.apiVersion, kind: n.claim.kind}, normal, "Finalized",
			"Finalized karpenter.sh/termination")
		c.delete(n)
	})
}

// A drain that lasts: a PodDisruptionBudget lets no pod go. In a day of five minutes nothing lasts long, so the nodes
// with which a cluster begins have been drained for most of an hour, and later ones are for two days.
const (
	maxStuck = 2 // at night, if there are enough nodes
	// complains is how far apart Karpenter's complaints of it are: it repeats an event after two minutes at the soonest.
	complains = 2 * time.Minute
)

// stick begins a drain that lasts, or has begun it.
func (c *Cluster) stick(n *node, at time.Time) {
	n.trouble, n.stuck = true, true
	c.disrupting(n, Underutilized, at)
	c.condemn(n, Went{Underutilized, Karpenter})
	c.change(n, func(o *corev1.Node) { deleting(o, at) })
	for ; !at.After(time.Now()); at = at.Add(complains) {
		c.blocked(n, at)
	}
	c.complain(n)
}

func (c *Cluster) complain(n *node) {
	c.leave(n, complains, func() {
		if n.stuck {
			c.blocked(n, time.Now())
			c.complain(n)
		}
	})
}

// unstick ends the longest drain: its pods may go.
func (c *Cluster) unstick() {
	var longest *node
	for _, n := range c.nodes {
		if n.stuck && (longest == nil || n.obj.DeletionTimestamp.Before(longest.obj.DeletionTimestamp)) {
			longest = n
		}
	}
	if longest == nil {
		return
	}
	longest.stuck = false
	c.evict(longest, title(longest.went.Kind))
	c.finalize(longest, longest.line.between(time.Second, 2*time.Second))
}

// deleteClaim is a person's kubectl delete nodeclaim: Karpenter drains the node, and gives no reason.
func (c *Cluster) deleteClaim(n *node) {
	n.trouble = true
	c.terminate(n, forced, Went{ClaimDeleted, Person})
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
		n.anew = true
		c.terminate(n, forced, Went{Interrupted, EC2})
		l.after(l.between(400*time.Millisecond, 800*time.Millisecond), func() {
			anew := c.create(l, n.work, pods)
			c.pending(n.work, anew)
			l.after(l.between(600*time.Millisecond, 900*time.Millisecond),
				func() { c.launch(l, n.work, anew, n.group, Evicted, "") })
		})
	})
}
