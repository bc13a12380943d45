package clustersim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Karpenter says every five minutes of a pod that it makes no node for it: karpenter,
// pkg/controllers/provisioning/scheduling/events.go.
const refuseEvery = 5 * time.Minute

// wanted is a node that pods wait for and that is not launched, because its pool is at its limit.
type wanted struct {
	line   *line
	work   *workload
	pods   []pod
	group  string
	scaled string
}

// Wait is the wait of a pod for a node: the truth that what is told of it can be held against.
type Wait struct {
	Namespace, Pod string
	Pool           string    // from which its node is to come
	Since          time.Time // when it found no room
	RefusedAt      time.Time // when Karpenter first said that it makes no node for it; zero if it makes one
	Until          time.Time // when it got a node, or was deleted; zero while it waits
	Deleted        bool
	// Doubtful is set if its Deployment was scaled down meanwhile: a real one would have deleted it first, and here
	// pods of nodes that go are.
	Doubtful bool
}

// maxWaits is how many waits that are over are remembered.
const maxWaits = 5000

// begins notes that pods wait.
func (c *Cluster) begins(w *workload, pods []pod) {
	for _, p := range pods {
		if c.waiting[p.ref.uid] == nil {
			wait := &Wait{Namespace: p.ref.namespace, Pod: p.ref.name, Pool: w.pool.name, Since: time.Now()}
			c.waiting[p.ref.uid] = wait
			c.waits = append(c.waits, wait)
		}
	}
}

// ends notes that pods wait no more.
func (c *Cluster) ends(pods []pod, deleted bool) {
	for _, p := range pods {
		if wait := c.waiting[p.ref.uid]; wait != nil {
			wait.Until, wait.Deleted = time.Now(), deleted
			delete(c.waiting, p.ref.uid)
		}
	}
	if len(c.waits)-len(c.waiting) > 2*maxWaits {
		c.waits = append(c.waits[:0:0], c.waits[maxWaits:]...)
	}
}

// Waits returns the waits of pods for nodes, in the order of their beginning: all that go on, and the last few thousand
// that are over.
func (c *Cluster) Waits() []Wait {
	c.mu.Lock()
	defer c.mu.Unlock()
	ws := make([]Wait, len(c.waits))
	for i, w := range c.waits {
		ws[i] = *w
	}
	return ws
}

// limit brings a pool to its limit: for what its workloads want from now on, no node comes until release.
func (c *Cluster) limit(p *pool) { c.full[p] = true }

// refuse lets pods wait whose pool is at its limit. Karpenter says so again and again.
func (c *Cluster) refuse(l *line, w *workload, pods []pod, group, scaled string) {
	c.refused[w.pool] = append(c.refused[w.pool], wanted{l, w, pods, group, scaled})
	var say func()
	say = func() {
		for _, p := range pods {
			wait := c.waiting[p.ref.uid]
			if wait == nil || !c.full[w.pool] {
				return
			}
			if wait.RefusedAt.IsZero() {
				wait.RefusedAt = time.Now()
			}
			c.event(karpenter, p.ref, warning, "FailedScheduling", exceeded(w.pool))
		}
		c.wall.after(refuseEvery, say)
	}
	say()
}

// exceeded is what Karpenter says of a pod that may only use one pool, which is at its limit.
func exceeded(p *pool) string {
	why := []string{}
	for _, other := range []*pool{generalPool, armPool, gpuPool} {
		if other != p {
			why = append(why, fmt.Sprintf("incompatible requirements, key karpenter.sh/nodepool, karpenter.sh/nodepool In [%s] "+
				"not in karpenter.sh/nodepool In [%s]", p.name, other.name))
		}
	}
	why = append(why, fmt.Sprintf("all available instance types exceed limits for nodepool (NodePool=%s)", p.name))
	return "Failed to schedule pod, " + strings.Join(why, "; ")
}

// release raises a pool's limit: what waited for it is launched.
func (c *Cluster) release(p *pool) {
	c.full[p] = false
	held := c.refused[p]
	delete(c.refused, p)
	for i, n := range held {
		// Karpenter looks at all pods that wait again within seconds.
		n.line.after(n.line.between(time.Second, 2*time.Second)+time.Duration(i)*100*time.Millisecond, func() {
			c.coming[n.group]--
			if c.over[n.group] {
				c.ends(n.pods, true)
				n.work.replicas = max(0, n.work.replicas-len(n.pods))
				return
			}
			c.launch(n.line, n.work, n.pods, n.group, Demand, n.scaled)
		})
	}
}

// giveUpWaiting deletes the pods of a workload that wait because its pool is at its limit, and returns how many: a
// Deployment that is scaled down loses those first.
func (c *Cluster) giveUpWaiting(w *workload) (pods int) {
	c.refused[w.pool] = slices.DeleteFunc(c.refused[w.pool], func(n wanted) bool {
		if n.work != w {
			return false
		}
		c.coming[n.group]--
		c.ends(n.pods, true)
		pods += len(n.pods)
		return true
	})
	return pods
}

// limitNodes is how many nodes are wanted beyond the limit that a person brings a pool to.
const limitNodes = 4

// ReachLimit brings the pool that most workloads use to its limit for a while, also while the day is paused, and asks
// for a few nodes more. They come when the limit is raised, and leave again after one to one and a half minutes. It
// returns the pool's name.
func (c *Cluster) ReachLimit(d time.Duration) (pool string) {
	c.control(func() {
		c.limit(generalPool)
		c.bursts++
		group := burstName(c.bursts)
		c.grow(&c.hand, c.encode, limitNodes, group, time.Second)
		c.hand.after(d, func() {
			c.release(generalPool)
			c.hand.after(c.hand.between(60*time.Second, 90*time.Second), func() { c.endBurst(&c.hand, group) })
		})
		pool = generalPool.name
	})
	return pool
}

// RaiseLimit ends what ReachLimit has begun.
func (c *Cluster) RaiseLimit() { c.control(func() { c.release(generalPool) }) }
