package clustersim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// workload is a Deployment with its ReplicaSet and HorizontalPodAutoscaler, or a Job: what asks
// for nodes. Workloads and pods are no objects of the API; only events tell of them.
type workload struct {
	namespace, name string
	pool            *pool
	types           []string // instance types that its pods ask for; nil: any of the pool's
	perNode         int      // how many of its pods fill a node
	metric          string   // by which it is scaled; "": a Job, which is not

	replicas                    int
	autoscaler, deployment, set reference
}

// pod is one of a workload's.
type pod struct {
	ref reference
}

func (c *Cluster) newWorkload(w workload) *workload { return c.workloadBy(c.day.rand, w) }

func (c *Cluster) workloadBy(r *rand.Rand, w workload) *workload {
	hash := suffix(r, 10)
	ref := func(api, kind, name string) reference {
		return reference{apiVersion: api, kind: kind, namespace: w.namespace, name: name, uid: c.uid()}
	}
	if w.metric == "" {
		w.set = ref("batch/v1", "Job", w.name)
		return &w
	}
	w.autoscaler = ref("autoscaling/v2", "HorizontalPodAutoscaler", w.name)
	w.deployment = ref("apps/v1", "Deployment", w.name)
	w.set = ref("apps/v1", "ReplicaSet", w.name+"-"+hash)
	return &w
}

const cpuUsage = "cpu resource utilization (percentage of request)"

func (c *Cluster) newWorkloads() {
	c.web = c.newWorkload(workload{namespace: "shop", name: "web", pool: generalPool, perNode: 2, metric: cpuUsage})
	c.checkout = c.newWorkload(workload{namespace: "shop", name: "checkout", pool: generalPool, perNode: 2,
		metric: cpuUsage})
	c.search = c.newWorkload(workload{namespace: "shop", name: "search", pool: armPool, perNode: 2, metric: cpuUsage})
	c.inference = c.newWorkload(workload{namespace: "ml", name: "inference", pool: gpuPool, perNode: 1,
		metric: "pods metric queue_depth"})
	c.render = c.newWorkload(workload{namespace: "media", name: "render", pool: generalPool, perNode: 1,
		metric: "pods metric frames_waiting",
		types:  []string{"c6i.2xlarge", "c6i.4xlarge", "c6i.xlarge"}})
	c.report = c.newWorkload(workload{namespace: "analytics", name: "report-29404920", pool: generalPool, perNode: 1,
		types: []string{"m5.large", "m5.xlarge"}})
	c.runner = c.newWorkload(workload{namespace: "ci", name: "runner", pool: runnerPool, perNode: 2,
		metric: "external metric jobs_queued"})
	c.groupStatus = reference{apiVersion: "v1", kind: "ConfigMap", namespace: "kube-system",
		name: "cluster-autoscaler-status", uid: c.uid()}
	// These two alone wait for long: a Deployment that is scaled down loses the pods first that wait.
	c.ranking = c.workloadBy(c.hand.rand, workload{namespace: "ml", name: "ranking", pool: gpuPool, perNode: 1,
		metric: "pods metric queue_depth"})
	c.encode = c.workloadBy(c.hand.rand, workload{namespace: "media", name: "encode", pool: generalPool, perNode: 1,
		metric: "pods metric videos_waiting", types: []string{"c6i.2xlarge"}})
	c.newRolling()
	c.agent = reference{apiVersion: "apps/v1", kind: "DaemonSet", namespace: "kube-system", name: "aws-node",
		uid: c.uid()}
}

// daemon starts the pod that every node has, for which nobody needs a node.
func (c *Cluster) daemon(n *node) {
	p := reference{apiVersion: "v1", kind: "Pod", namespace: c.agent.namespace,
		name: c.agent.name + "-" + suffix(n.line.rand, 5), uid: c.uid()}
	c.event(daemons, c.agent, normal, "SuccessfulCreate", "Created pod: "+p.name)
	c.recorder.scheduler(p, normal, "Binding", "Scheduled",
		fmt.Sprintf("Successfully assigned %s/%s to %s", p.namespace, p.name, n.name()), time.Now())
}

// alphabet is that of names which Kubernetes generates.
const alphabet = "bcdfghjklmnpqrstvwxz2456789"

func suffix(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// create makes n pods, which their ReplicaSet or Job tells of.
func (c *Cluster) create(l *line, w *workload, n int) []pod {
	pods := make([]pod, n)
	for i := range pods {
		pods[i].ref = reference{apiVersion: "v1", kind: "Pod", namespace: w.namespace,
			name: w.set.name + "-" + suffix(l.rand, 5), uid: c.uid()}
		by := replicator
		if w.metric == "" {
			by = jobs
		}
		c.event(by, w.set, normal, "SuccessfulCreate", "Created pod: "+pods[i].ref.name)
	}
	return pods
}

// grow asks for pods that need k more nodes, which are launched within the spread.
func (c *Cluster) grow(l *line, w *workload, k int, group string, spread time.Duration) {
	room := maxNodes - len(c.nodes)
	for _, n := range c.coming {
		room -= n
	}
	if k = min(k, room); k <= 0 {
		return
	}
	c.coming[group] += k
	scaled := c.rescale(w, w.replicas+k*w.perNode)
	for i := range k {
		// The pods are there at once, Karpenter batches them, and EC2 starts instances as it can.
		l.after(50*time.Millisecond+time.Duration(i)*15*time.Millisecond, func() {
			pods := c.create(l, w, w.perNode)
			c.pending(w, pods)
			l.after(l.between(600*time.Millisecond, 900*time.Millisecond)+spread*time.Duration(i)/time.Duration(k), func() {
				if c.full[w.pool] && !c.over[group] {
					c.pending(w, pods)
					c.refuse(l, w, pods, group, scaled)
					return
				}
				if c.coming[group]--; c.coming[group] == 0 {
					delete(c.coming, group)
				}
				if c.over[group] {
					c.ends(pods, true)
					w.replicas = max(0, w.replicas-len(pods))
					return
				}
				if k <= 20 { // later, each node waits for pods that wait for many
					c.pending(w, pods)
				}
				c.launch(l, w, pods, group, Demand, scaled)
			})
		})
	}
}

// rescale tells that a workload gets another size, and returns from which to which; "" if nothing tells.
func (c *Cluster) rescale(w *workload, size int) (scaled string) {
	size = max(0, size)
	old := w.replicas
	if w.replicas = size; w.metric == "" || size == old {
		return ""
	}
	why, what := "All metrics below target", "down"
	if size > old {
		why, what = w.metric+" above target", "up"
	}
	c.event(autoscaler, w.autoscaler, normal, "SuccessfulRescale", fmt.Sprintf("New size: %d; reason: %s", size, why))
	scaled = fmt.Sprintf("from %d to %d", old, size)
	for _, wait := range c.waiting {
		wait.Doubtful = wait.Doubtful || size < old && strings.HasPrefix(wait.Pod, w.set.name+"-")
	}
	c.event(deployer, w.deployment, normal, "ScalingReplicaSet",
		fmt.Sprintf("Scaled %s replica set %s %s", what, w.set.name, scaled))
	return scaled
}

// pending tells that pods fit on no node.
func (c *Cluster) pending(w *workload, pods []pod) {
	c.begins(w, pods)
	fits, tainted, others := 0, 0, 0
	for _, n := range c.nodes {
		switch {
		case !n.alive():
		case n.pool != w.pool:
			others++
		case n.stage == settled && !n.obj.Spec.Unschedulable:
			fits++
		default:
			tainted++
		}
	}
	for _, p := range pods {
		c.recorder.scheduler(p.ref, warning, "Scheduling", "FailedScheduling", unschedulable(fits, tainted, others),
			time.Now())
	}
}

// unschedulable is the scheduler's note on a pod that fits on no node: some are full, some
// tainted, and others it may not use.
func unschedulable(full, tainted, others int) string {
	parts := func(ps ...string) string {
		// The scheduler sorts them as text, number first.
		ps = slices.DeleteFunc(ps, func(p string) bool { return strings.HasPrefix(p, "0 ") })
		slices.Sort(ps)
		return strings.Join(ps, ", ") + "."
	}
	all := full + tainted + others
	why := parts(fmt.Sprintf("%d Insufficient cpu", full), fmt.Sprintf("%d node(s) had untolerated taint(s)", tainted),
		fmt.Sprintf("%d node(s) didn't match Pod's node affinity/selector", others))
	preemption := parts(fmt.Sprintf("%d No preemption victims found for incoming pod", full),
		fmt.Sprintf("%d Preemption is not helpful for scheduling", tainted+others))
	return fmt.Sprintf(
		"0/%d nodes are available: %s no new claims to deallocate, preemption: 0/%d nodes are available: %s", all, why, all,
		preemption)
}

// run tells that pods were given to a node and started there.
func (c *Cluster) run(n *node, pods []pod) {
	c.ends(pods, false)
	for _, p := range pods {
		c.recorder.scheduler(p.ref, normal, "Binding", "Scheduled",
			fmt.Sprintf("Successfully assigned %s/%s to %s", p.ref.namespace, p.ref.name, n.name()), time.Now())
	}
	c.later(n, n.line.between(400*time.Millisecond, 1500*time.Millisecond), func() {
		for _, p := range pods {
			on := n.work.container(p)
			c.event(kubelet(n), on, normal, "Pulled",
				fmt.Sprintf("Container image %q already present on machine", n.work.image()))
			c.event(kubelet(n), on, normal, "Created", "Container created")
			c.event(kubelet(n), on, normal, "Started", "Container started")
		}
	})
}

// container is a pod's only one, as kubelets refer to it.
func (w *workload) container(p pod) reference {
	on := p.ref
	on.fieldPath = "spec.containers{" + w.short() + "}"
	return on
}

func (w *workload) short() string { return cmp.Or(w.deployment.name, "report") }

func (w *workload) image() string {
	return "registry.example.com/" + w.namespace + "/" + w.short() + ":1.42.0"
}

// rehome starts a pod that was evicted from a node anew: on what was launched to replace that, or on another node of
// its workload, if one has room.
func (c *Cluster) rehome(from *node) {
	l, w := from.line, from.work
	if n := from.heir; n != nil && n.stage == settled {
		pods := c.create(l, w, 1)
		n.pods = append(n.pods, pods...)
		c.run(n, pods)
		return
	}
	var room []*node
	for _, n := range c.nodes {
		if n.stage == settled && n.work == w && !n.trouble && len(n.pods) < 2*w.perNode {
			room = append(room, n)
		}
	}
	if len(room) == 0 {
		w.replicas = max(0, w.replicas-1) // the Deployment shrinks with its nodes
		return
	}
	n := room[l.rand.IntN(len(room))]
	pods := c.create(l, w, 1)
	n.pods = append(n.pods, pods...)
	c.nominate(pods[0], "nodeclaim/"+n.claim.name+", node/"+n.name())
	if l.rand.IntN(4) == 0 { // Karpenter's other half looks at the node just then
		c.blocks(n, "Node is nominated for a pending pod")
	}
	c.run(n, pods)
}

// empty makes a workload smaller by all pods of some of its nodes.
func (c *Cluster) empty(w *workload, nodes []*node) {
	pods := 0
	for _, n := range nodes {
		pods += len(n.pods)
	}
	if pods == 0 {
		return
	}
	c.rescale(w, w.replicas-pods-c.giveUpWaiting(w))
	for _, n := range nodes {
		for _, p := range n.pods {
			if w.metric != "" {
				c.event(replicator, w.set, normal, "SuccessfulDelete", "Deleted pod: "+p.ref.name)
			}
			c.killing(n, p)
		}
		n.pods = nil
	}
}

func (c *Cluster) killing(n *node, p pod) {
	if n.alive() {
		c.event(kubelet(n), n.work.container(p), normal, "Killing", "Stopping container "+n.work.short())
	}
}

// event writes what a component says of an object now. It reports whether that was written.
func (c *Cluster) event(by author, on reference, kind, reason, note string) bool {
	return c.eventAt(by, on, kind, reason, note, time.Now())
}

// eventAt writes what a component says of an object at a moment, now or before the cluster was made.
func (c *Cluster) eventAt(by author, on reference, kind, reason, note string, at time.Time) bool {
	written := c.recorder.event(by, on, kind, reason, note, at)
	c.again(func() { c.recorder.event(by, on, kind, reason, note, time.Now()) })
	return written
}

// taint is one without a value.
func taint(key string, effect corev1.TaintEffect) corev1.Taint {
	return corev1.Taint{Key: key, Effect: effect}
}
