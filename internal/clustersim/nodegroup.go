package clustersim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The runners' node group is scaled by the Cluster Autoscaler, which a cluster that moves to Karpenter still has for a
// while. Its name is that of its Auto Scaling group, as EKS makes it of the node group's.
const (
	runnerGroup = "eks-runners-5ac4b9d1-7e02-4c11-9d0a-3f7b6a1c2e85"
	runnerMost  = 4
)

const marked = "marked the node as toBeDeleted/unschedulable"

// runners are the node group's nodes, but for those that are leaving.
func (c *Cluster) runners() (ns []*node) {
	for _, n := range c.nodes {
		if n.pool == runnerPool && n.stage < leaving {
			ns = append(ns, n)
		}
	}
	return ns
}

// scaleUp asks for pods that need k more nodes of the node group, and the Cluster Autoscaler adds them.
func (c *Cluster) scaleUp(l *line, k int) {
	w, have := c.runner, len(c.runners())
	if k = min(k, runnerMost-have, maxNodes-len(c.nodes)); k <= 0 {
		return
	}
	scaled := c.rescale(w, w.replicas+k*w.perNode)
	l.after(50*time.Millisecond, func() {
		pods := c.create(l, w, k*w.perNode)
		c.pending(w, pods)
		l.after(l.between(800*time.Millisecond, 1200*time.Millisecond), func() {
			status := func(note string) {
				c.event(groupScaler, c.groupStatus, normal, "ScaledUpGroup",
					fmt.Sprintf(note, runnerGroup, have+k, have, runnerMost))
			}
			status("Scale-up: setting group %s size to %d instead of %d (max: %d)")
			status("Scale-up: group %s size set to %d instead of %d (max: %d)")
			for _, p := range pods {
				c.event(groupScaler, p.ref, normal, "TriggeredScaleUp",
					fmt.Sprintf("pod triggered scale-up: [{%s %d->%d (max: %d)}]", runnerGroup, have, have+k, runnerMost))
			}
			for i := range k {
				n := c.start(l, w, runnerGroup, Came{Kind: Demand, Workload: w.namespace + "/" + w.name})
				n.pods, n.scaled = pods[i*w.perNode:(i+1)*w.perNode], scaled
			}
		})
	})
}

// mark is how the Cluster Autoscaler begins to end a node.
func (c *Cluster) mark(n *node) {
	n.trouble = true
	n.unkeep()
	c.change(n, func(o *corev1.Node) {
		o.Spec.Taints = withTaint(o.Spec.Taints, corev1.Taint{Key: beingScaledDown,
			Value: strconv.FormatInt(time.Now().Unix(), 10), Effect: corev1.TaintEffectNoSchedule})
	})
	c.event(groupScaler, n.ref(), normal, "ScaleDown", marked)
}

const beingScaledDown = "ToBeDeletedByClusterAutoscaler"

// giveUpScaleDown is a scale-down that the Cluster Autoscaler begins and takes back: pods do not leave, or it is
// restarted meanwhile and cleans up what it finds.
func (c *Cluster) giveUpScaleDown(l *line, n *node) {
	c.mark(n)
	var pods []string
	for _, p := range n.pods {
		pods = append(pods, p.ref.name)
	}
	c.event(groupScaler, c.groupStatus, normal, "ScaleDown", fmt.Sprintf(
		"Scale-down: removing node %s, utilization: {0.42 0.18 0 0 cpu 0.42}, pods to reschedule: %s", n.name(),
		strings.Join(pods, ",")))
	failed := l.rand.IntN(2) == 0
	c.laterOn(l, n, l.between(2*time.Second, 4*time.Second), func() {
		n.trouble = false
		c.change(n, func(o *corev1.Node) { o.Spec.Taints = withoutTaint(o.Spec.Taints, beingScaledDown) })
		if failed {
			c.event(groupScaler, n.ref(), warning, "ScaleDownFailed", "failed to drain and delete node: Failed to drain "+
				"node "+n.name()+", due to following errors: [pods remaining after timeout]")
			k := c.keep(n, KeptByFailure, "", "")
			c.wall.after(failureStands, func() {
				if k.Until.IsZero() {
					k.Until = time.Now()
				}
			})
			return
		}
		c.event(groupScaler, n.ref(), normal, "ClusterAutoscalerCleanup",
			"removed "+beingScaledDown+" taint from node "+n.name())
	})
}

// scaleDown lets the runners' jobs end, and the Cluster Autoscaler remove their nodes, which it finds empty.
func (c *Cluster) scaleDown(l *line) {
	ns := c.runners()
	c.empty(c.runner, ns)
	for i, n := range ns {
		if n.stage != settled || n.trouble {
			continue
		}
		l.after(time.Duration(1+i)*300*time.Millisecond, func() {
			switch m := c.config.mishaps; {
			case n.stage != settled:
			case m.outside > 0 && l.rand.Float64() < m.outside:
				c.vanish(n, Went{Terminated, Person})
			default:
				c.mark(n)
				c.event(groupScaler, c.groupStatus, normal, "ScaleDownEmpty",
					fmt.Sprintf("Scale-down: removing empty node %q", n.name()))
				name := n.name()
				l.after(l.between(1500*time.Millisecond, 2500*time.Millisecond), func() {
					c.event(groupScaler, c.groupStatus, normal, "ScaleDownEmpty",
						fmt.Sprintf("Scale-down: empty node %s removed", name))
					c.vanish(n, Went{Empty, ClusterAutoscaler})
				})
			}
		})
	}
}

// vanish is the end of a node whose instance is terminated: the cloud's controller finds that out, and deletes it.
func (c *Cluster) vanish(n *node, went Went) {
	if n.stage == gone {
		return
	}
	n.stage, n.went = leaving, went
	c.leave(n, n.line.between(time.Second, 2*time.Second), func() {
		c.event(cloudLife, n.ref(), normal, "DeletingNode",
			"Deleting node "+n.name()+" because it does not exist in the cloud provider")
		c.delete(n)
	})
}
