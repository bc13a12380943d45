package clustersim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Rollout is a rollout of a Deployment: the truth that what is told of it can be held against.
type Rollout struct {
	Deployment string // namespace/name
	From, To   string // ReplicaSets
	Pods       int
	Began      time.Time
	Ended      time.Time // zero while it goes on
	Back       bool      // it ended, or will end, as it began
}

// A rollout in the time of a line: one step after another, and how long one whose pods fail stands still.
const (
	rolloutPods  = 12
	rolloutSteps = 4
	rolloutStep  = 2 * time.Second
	rolloutFails = 15 * time.Second
)

// rolling is the Deployment that is rolled out. Its pods find room on any node, so nobody follows them.
type rolling struct {
	*workload
	rand  *rand.Rand
	all   []*Rollout
	times int // that a person has rolled it out
}

func (c *Cluster) newRolling() {
	r := rand.New(rand.NewPCG(c.config.Seed, 17))
	w := c.workloadBy(r, workload{namespace: "payments", name: "api", metric: cpuUsage, replicas: rolloutPods})
	c.api = rolling{workload: w, rand: r}
}

// rollOut gives the Deployment's pods another image, one part after another. With bad, the new pods crash, and after a
// while it is rolled back. It reports whether it was begun: there is one at a time.
func (c *Cluster) rollOut(l *line, bad bool) bool {
	if n := len(c.api.all); n > 0 && c.api.all[n-1].Ended.IsZero() {
		return false
	}
	old, next := c.api.set, c.api.set
	next.name, next.uid = c.api.name+"-"+suffix(c.api.rand, 10), c.uid()
	x := &Rollout{Deployment: c.api.namespace + "/" + c.api.name, From: old.name, To: next.name, Pods: rolloutPods,
		Began: time.Now(), Back: bad}
	c.api.all = append(c.api.all, x)
	const part = rolloutPods / rolloutSteps
	c.resize(next, 0, part)
	if bad {
		l.after(rolloutStep, func() { c.crash(next, part) })
		l.after(rolloutFails, func() {
			c.resize(next, part, 0)
			x.Ended = time.Now()
		})
		return true
	}
	c.api.set = next
	for i := range rolloutSteps {
		l.after(time.Duration(i+1)*rolloutStep, func() {
			c.resize(old, rolloutPods-i*part, rolloutPods-(i+1)*part)
			if i+1 < rolloutSteps {
				c.resize(next, (i+1)*part, (i+2)*part)
			} else {
				x.Ended = time.Now()
			}
		})
	}
	return true
}

// crash tells that pods of a ReplicaSet crash, each of them twice, on the nodes that have been ready for longest.
func (c *Cluster) crash(set reference, pods int) {
	for _, n := range c.nodes {
		if pods == 0 || !n.ready() {
			continue
		}
		pods--
		pod := set
		pod.apiVersion, pod.kind, pod.name, pod.uid = "v1", "Pod", set.name+"-"+suffix(c.api.rand, 5), c.uid()
		pod.fieldPath = "spec.containers{" + c.api.short() + "}"
		for range 2 { // the second repeats the first
			c.event(kubelet(n), pod, warning, "BackOff", fmt.Sprintf("Back-off restarting failed container %s in pod %s_%s(%s)",
				c.api.short(), pod.name, pod.namespace, pod.uid))
		}
	}
}

// resize tells that a ReplicaSet of the Deployment got another size.
func (c *Cluster) resize(set reference, from, to int) {
	what := "up"
	if to < from {
		what = "down"
	}
	c.event(deployer, c.api.deployment, normal, "ScalingReplicaSet",
		fmt.Sprintf("Scaled %s replica set %s from %d to %d", what, set.name, from, to))
	for range max(from, to) - min(from, to) {
		reason, did := "SuccessfulCreate", "Created pod: "
		if to < from {
			reason, did = "SuccessfulDelete", "Deleted pod: "
		}
		c.event(replicator, set, normal, reason, did+set.name+"-"+suffix(c.api.rand, 5))
	}
}

// RollOut rolls a Deployment out, also while the day is paused: every other time with pods that fail, which is rolled
// back after a while. It reports whether it was begun: there is one rollout at a time.
func (c *Cluster) RollOut() (ok bool) {
	c.control(func() {
		if ok = c.rollOut(&c.hand, c.api.times%2 == 1); ok {
			c.api.times++
		}
	})
	return ok
}

// Rollouts returns all rollouts, in the order of their beginning.
func (c *Cluster) Rollouts() []Rollout {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Rollout, len(c.api.all))
	for i, x := range c.api.all {
		all[i] = *x
	}
	return all
}
