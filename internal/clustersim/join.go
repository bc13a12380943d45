package clustersim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// registerEvery is how far apart the node controller writes RegisteredNode: in a burst it
	// was seen to write no more than two a second.
	registerEvery = 500 * time.Millisecond
	// heartbeat is the shortest time between two of a kubelet's; the longest is twice that, less
	// than the five minutes after which it must post.
	heartbeat = 2 * time.Minute
	// Karpenter limits its Nominated, of all pods together: karpenter,
	// pkg/controllers/provisioning/scheduling/events.go.
	nominateRate  = 5 // a second
	nominateBurst = 10
)

// start starts an instance of a workload's pool, which joins as a node.
func (c *Cluster) start(l *line, w *workload, group string, came Came) *node {
	r := l.rand
	n := &node{line: l, group: group, pool: w.pool, work: w, zone: r.IntN(len(zones)), spot: w.pool.capacityType(r),
		came: came}
	types := w.types
	if types == nil {
		types = w.pool.types
	}
	n.machine = choose(types, r)
	c.nodes = append(c.nodes, n)
	if n.pool.managed {
		l.after(l.between(1500*time.Millisecond, 2500*time.Millisecond), func() { c.join(n) })
		return n
	}
	n.claim = c.newClaim(n.pool, r)
	l.after(l.between(200*time.Millisecond, 500*time.Millisecond), func() {
		if n.stage == launching {
			c.transition(n, "Launched")
		}
	})
	l.after(l.between(700*time.Millisecond, 1500*time.Millisecond), func() { c.join(n) })
	return n
}

func (c *Cluster) newClaim(p *pool, r *rand.Rand) reference {
	return reference{apiVersion: "karpenter.sh/v1", kind: "NodeClaim", name: p.name + "-" + suffix(r, 5), uid: c.uid()}
}

// launch starts an instance for pods that fit on no node. scaled is by how much their workload was scaled for them.
func (c *Cluster) launch(l *line, w *workload, pods []pod, group string, came CameKind, scaled string) {
	n := c.start(l, w, group, Came{Kind: came, Workload: w.namespace + "/" + w.name})
	n.pods, n.scaled = pods, scaled
	for _, p := range pods {
		c.nominate(p, "nodeclaim/"+n.claim.name)
	}
}

// nominate tells which NodeClaim Karpenter means a pod for, unless it has told much of late.
func (c *Cluster) nominate(p pod, target string) {
	now, b := time.Now(), &c.nominations
	b.tokens = min(nominateBurst, b.tokens+nominateRate*now.Sub(b.last).Seconds())
	if b.last = now; b.tokens < 1 {
		return
	}
	b.tokens--
	c.event(karpenter, p.ref, normal, "Nominated", "Pod should schedule on: "+target)
}

// transition tells that a condition of a node's claim has become true.
func (c *Cluster) transition(n *node, condition string) {
	c.event(karpenter, n.claim, normal, condition,
		fmt.Sprintf("Status condition transitioned, Type: %s, Status: Unknown -> True, Reason: %s", condition, condition))
}

// join is the kubelet's registration of its node.
func (c *Cluster) join(n *node) {
	if n.stage != launching {
		return
	}
	now := time.Now()
	l := n.line
	n.stage = joining
	c.put(n, c.newObject(n, c.freeName(n.zone, l), now))
	c.joined++
	c.status(n, "Starting", "Starting kubelet.")
	c.status(n, "NodeHasSufficientMemory", "")
	c.status(n, "NodeHasNoDiskPressure", "")
	c.status(n, "NodeHasSufficientPID", "")
	c.status(n, "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods")
	c.daemon(n)
	c.later(n, l.between(150*time.Millisecond, 400*time.Millisecond), func() {
		if !n.pool.managed {
			c.change(n, n.adopt)
			c.transition(n, "Registered")
		}
		c.event(cloud, n.ref(), normal, "Synced", "Node synced successfully")
	})
	// The node controller tells in its own time.
	l.registered = max(l.here()+l.between(300*time.Millisecond, 1500*time.Millisecond), l.registered+registerEvery)
	ref := n.ref()
	l.at(l.registered, func() {
		if n.stage == gone {
			return
		}
		c.event(controller, ref, normal, "RegisteredNode",
			fmt.Sprintf("Node %s event: Registered Node %s in Controller", ref.name, ref.name))
	})
	c.beat(n)
	ready := l.between(3*time.Second, 8*time.Second)
	if n.group == dud {
		c.giveUp(n)
		return
	}
	c.later(n, ready, func() { c.becomeReady(n) })
}

// becomeReady makes a node that joined ready, and starts its pods.
func (c *Cluster) becomeReady(n *node) {
	l := n.line
	n.stage = settled
	c.change(n, func(o *corev1.Node) { o.Status.Conditions = stamped(healthy, o.Status.Conditions, time.Now()) })
	c.status(n, "NodeReady", "")
	c.later(n, l.between(100*time.Millisecond, 300*time.Millisecond), func() {
		c.change(n, func(o *corev1.Node) { o.Spec.Taints = withoutTaint(o.Spec.Taints, corev1.TaintNodeNotReady) })
		c.run(n, n.pods)
	})
	if n.pool.managed {
		return
	}
	c.later(n, l.between(300*time.Millisecond, 600*time.Millisecond), func() {
		c.change(n, func(o *corev1.Node) { o.Labels = withLabel(o.Labels, "karpenter.sh/initialized", "true") })
		c.transition(n, "Initialized")
		c.transition(n, "Ready")
		if n.initialized != nil {
			n.initialized()
		}
	})
	if l.rand.IntN(4) == 0 {
		c.later(n, l.between(10*time.Second, 30*time.Second), func() {
			why := "Can't replace with a cheaper node"
			if n.spot == "spot" {
				why = "SpotToSpotConsolidation is disabled, can't replace a spot node with a spot node"
			}
			c.event(karpenter, n.ref(), normal, "Unconsolidatable", why)
			c.event(karpenter, n.claim, normal, "Unconsolidatable", why)
		})
	}
}

// status writes a kubelet's event on its node; a note of "" is the usual one.
func (c *Cluster) status(n *node, reason, note string) {
	if note == "" {
		note = fmt.Sprintf("Node %s status is now: %s", n.name(), reason)
	}
	c.event(kubelet(n), n.kubeletRef(), normal, reason, note)
}

// beat lets the kubelet post its node's status now and then, in real time: a paused story is a
// quiet cluster, not a dead one.
func (c *Cluster) beat(n *node) {
	c.wall.after(c.wall.between(heartbeat, 2*heartbeat), func() {
		if !n.alive() {
			return
		}
		if !n.silent() {
			c.change(n, func(o *corev1.Node) {
				cs := slices.Clone(o.Status.Conditions)
				for i := range cs {
					cs[i].LastHeartbeatTime = second(time.Now())
				}
				o.Status.Conditions = cs
			})
		}
		c.beat(n)
	})
}

// silent reports whether the node's kubelet has stopped posting.
func (n *node) silent() bool { return readyStatus(n.obj) == corev1.ConditionUnknown }

// later takes a step of a node's life, unless the node is leaving or gone by then.
func (c *Cluster) later(n *node, d time.Duration, do func()) { c.laterOn(n.line, n, d, do) }

// laterOn is later by the clock of another line.
func (c *Cluster) laterOn(l *line, n *node, d time.Duration, do func()) {
	l.after(d, func() {
		if n.stage == joining || n.stage == settled {
			do()
		}
	})
}

// change stores another version of a node. do gets a copy that shares maps and slices with the
// old one: it replaces them, and never writes into them.
func (c *Cluster) change(n *node, do func(*corev1.Node)) {
	o := *n.obj
	do(&o)
	c.put(n, &o)
}

// freeName returns a name that no live node has.
func (c *Cluster) freeName(zone int, l *line) string {
	free := func(name string) bool {
		return !slices.ContainsFunc(c.nodes, func(n *node) bool { return n.alive() && n.name() == name })
	}
	if reused := c.config.mishaps.reused; reused > 0 && l.rand.Float64() < reused {
		var last *life
		for _, old := range c.lives {
			if gone := !old.RemovedAt.IsZero() && time.Since(old.RemovedAt) > 5*time.Second; gone && free(old.Name) &&
				(last == nil || old.RemovedAt.After(last.RemovedAt)) {
				last = old
			}
		}
		if last != nil {
			return last.Name
		}
	}
	for {
		name := nameOf(address(zone, l.rand))
		if free(name) {
			return name
		}
	}
}

func nameOf(address string) string {
	b := []byte("ip-" + address + ".ec2.internal")
	for i := range len("ip-") + len(address) {
		if b[i] == '.' {
			b[i] = '-'
		}
	}
	return string(b)
}

// uid returns a new UID. They differ from one start to the next, also with the same seed: to a
// ledger that is kept, a UID that comes back would be the same node.
func (c *Cluster) uid() types.UID {
	a, b := c.ids.Uint64(), c.ids.Uint64()
	return types.UID(fmt.Sprintf("%08x-%04x-4%03x-%x%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, 8+b>>62, b>>48&0xfff,
		b&0xffffffffffff))
}

// populate puts the nodes of the night into a new cluster. They are older than it, so that no
// one takes them for new.
func (c *Cluster) populate(now time.Time) {
	works := []*workload{c.web, c.web, c.search, c.checkout}
	for i := range c.config.Night {
		r := c.day.rand
		n := &node{line: &c.day, stage: settled, zone: i % len(zones), work: works[i%len(works)]}
		n.pool, n.spot = n.work.pool, n.work.pool.capacityType(r)
		age := time.Duration(1+r.IntN(8)) * time.Hour
		types := n.pool.types
		if i < min(systemNodes, c.config.Night/2) {
			n.work, n.pool, n.spot, types = nil, systemPool, "on-demand", systemPool.types
			age = time.Duration(3+r.IntN(6)) * 24 * time.Hour
		} else {
			n.claim = c.newClaim(n.pool, r)
			for range n.work.perNode {
				n.pods = append(n.pods,
					pod{reference{apiVersion: "v1", kind: "Pod", namespace: n.work.namespace,
						name: n.work.set.name + "-" + suffix(r, 5), uid: c.uid()}})
			}
			n.work.replicas += n.work.perNode
		}
		n.machine = choose(types, r)
		born := now.Add(-age - time.Duration(r.IntN(3600))*time.Second)
		o := c.newObject(n, c.freeName(n.zone, &c.day), born)
		o.Spec.Taints = withoutTaint(o.Spec.Taints, corev1.TaintNodeNotReady)
		o.Status.Conditions = stamped(healthy, nil, born.Add(40*time.Second))
		if !n.pool.managed {
			n.adopt(o)
			o.Labels["karpenter.sh/initialized"] = "true"
		}
		c.nodes = append(c.nodes, n)
		c.put(n, o)
		n.life.Created, n.life.ReadyAt = born, born.Add(40*time.Second)
		c.beat(n)
		if i >= c.config.Night-min(maxStuck, c.config.Night/6) {
			c.stick(n, now.Add(-time.Duration(35+r.IntN(20))*time.Minute))
		}
	}
}

func burstName(n int) string { return "burst " + strconv.Itoa(n) }
