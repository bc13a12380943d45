package cause

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/cause/causetest"
	"rollcall/internal/fleet"
)

var simSeed = flag.Uint64("sim.seed", 0, "play this run of the simulation alone, from 1, and say what it was")

// truth is what really was the matter with a node.
type truth struct {
	node             fleet.Node
	ready            time.Time
	came, went       fleet.CauseKind
	by               string                  // who ended it
	for_             map[fleet.Workload]bool // whose pods waited for it
	whys             []string                // what may be said of what made them grow
	replaces         []string
	goneAt           time.Time
	lostCame, lostWe bool // evidence of it was lost
	silent           bool // nothing in the world says why it went
}

// world is a cluster in which the truth is known, with what its controllers write.
type world struct {
	r        *rand.Rand
	now      time.Time
	loss     float64 // how many events are lost, 0 to 1
	nominate int     // how many of Karpenter's Nominated may still be written in this burst: 10, and 5 a second
	events   []fleet.Event
	nodes    []*truth
	n        int
	lost     bool // one was lost since this was reset
}

// say writes an event, if it is not lost, and perhaps again later.
func (w *world) say(kind, namespace, name, uid, reason, note, controller string, at time.Time) {
	if w.r.Float64() < w.loss {
		w.lost = true
		return
	}
	w.n++
	e := fleet.Event{Cluster: "prod", UID: fmt.Sprint("event-", w.n), Reason: reason, Note: note, Count: 1, First: at,
		Last: at, Controller: controller, Regarding: fleet.ObjectRef{Kind: kind, Namespace: namespace, Name: name, UID: uid}}
	if w.r.IntN(10) == 0 { // a recorder is slow
		e.First = e.First.Add(time.Duration(w.r.IntN(3000)) * time.Millisecond)
		e.Last = e.First
	}
	if w.r.IntN(12) == 0 {
		e.Count, e.Last = 3, e.Last.Add(time.Duration(w.r.IntN(90))*time.Second)
	}
	if e.Scaling() {
		w.events = append(w.events, e)
	}
}

// workload asks for pods.
type workload struct {
	fleet.Workload
	replicaSet string
	size       int
	hpa        bool
}

// grow makes a workload ask for more pods, and makes nodes for those that find no room. karpenter makes them, or the
// Cluster Autoscaler.
func (w *world) grow(x *workload, by string) {
	from, more := x.size, 1+w.r.IntN(30)
	x.size += more
	at, whys := w.now, []string{""}
	w.lost = false
	switch x.Kind {
	case "Deployment":
		size := fmt.Sprintf("from %d to %d", from, x.size)
		whys = append(whys, "scaled "+size)
		if x.hpa && w.r.IntN(3) > 0 {
			w.say("HorizontalPodAutoscaler", x.Namespace, x.Name, "", "SuccessfulRescale",
				fmt.Sprintf("New size: %d; reason: cpu resource utilization (percentage of request) above target", x.size),
				"horizontal-pod-autoscaler", at)
			whys = append(whys, "its HPA went "+size+" (cpu above target)")
		}
		w.say("Deployment", x.Namespace, x.Name, "", "ScalingReplicaSet",
			fmt.Sprintf("Scaled up replica set %s %s", x.replicaSet, size), "deployment-controller", at.Add(time.Second))
	case "CronJob":
		w.n++
		x.replicaSet = fmt.Sprintf("%s-%d", x.Name, w.n)
		w.say("CronJob", x.Namespace, x.Name, "", "SuccessfulCreate", "Created job "+x.replicaSet, "cronjob-controller", at)
	}
	creator := cmp.Or(map[string]string{"Deployment": "ReplicaSet", "CronJob": "Job"}[x.Kind], x.Kind)
	owner := cmp.Or(x.replicaSet, x.Name)
	var pods []string
	for i := range more {
		w.n++
		pod := fmt.Sprintf("%s-p%dx", owner, w.n)
		pods = append(pods, pod)
		note := "Created pod: " + pod
		if x.Kind == "StatefulSet" {
			note = fmt.Sprintf("create Pod %s in StatefulSet %s successful", pod, x.Name)
		}
		if i >= 10 { // the recorder combines them, and the ledger keeps the names of each version
			note = "(combined from similar events): " + note
		}
		w.say(creator, x.Namespace, owner, "", "SuccessfulCreate", note, "controller", at.Add(2*time.Second))
		w.say("Pod", x.Namespace, pod, "uid-"+pod, "FailedScheduling", "0/9 nodes are available: 9 Insufficient cpu.",
			"default-scheduler", at.Add(3*time.Second))
	}
	w.nominate = 10
	for len(pods) > 0 {
		mine := pods[:min(len(pods), 1+w.r.IntN(8))]
		pods = pods[len(mine):]
		t := w.join(by, at.Add(40*time.Second))
		t.came, t.for_, t.whys = fleet.Demand, map[fleet.Workload]bool{x.Workload: true}, whys
		for _, pod := range mine {
			switch {
			case by == karpenter && w.nominate > 0:
				w.nominate--
				w.say("Pod", x.Namespace, pod, "uid-"+pod, "Nominated", "Pod should schedule on: nodeclaim/"+t.node.Owner.Name,
					"karpenter", at.Add(5*time.Second))
			case by == autoscaler:
				w.say("Pod", x.Namespace, pod, "uid-"+pod, "TriggeredScaleUp",
					fmt.Sprintf("pod triggered scale-up: [{%s 1->9 (max: 20)}]", t.node.Pool), "cluster-autoscaler",
					at.Add(6*time.Second))
			}
			w.say("Pod", x.Namespace, pod, "uid-"+pod, "Scheduled",
				fmt.Sprintf("Successfully assigned %s/%s to %s", x.Namespace, pod, t.node.Name), "default-scheduler",
				t.ready.Add(time.Duration(w.r.IntN(5))*time.Second))
		}
		w.daemon(t)
		t.lostCame = w.lost
	}
}

// daemon starts a DaemonSet's pod on a node, which is nobody's demand.
func (w *world) daemon(t *truth) {
	w.n++
	pod := fmt.Sprintf("agent-%d", w.n)
	w.say("DaemonSet", "kube-system", "agent", "", "SuccessfulCreate", "Created pod: "+pod, "daemonset-controller",
		t.node.CreatedAt)
	w.say("Pod", "kube-system", pod, "uid-"+pod, "Scheduled",
		fmt.Sprintf("Successfully assigned kube-system/%s to %s", pod, t.node.Name), "default-scheduler", t.node.CreatedAt.Add(time.Second))
}

// join makes a node. Names come back.
func (w *world) join(by string, at time.Time) *truth {
	w.n++
	n := fleet.Node{Cluster: "prod", UID: fmt.Sprint("uid-", w.n), Name: fmt.Sprint("ip-10-0-0-", w.n), CreatedAt: at,
		Pool: []string{"general", "batch"}[w.r.IntN(2)], CapacityType: []string{"spot", "on-demand"}[w.r.IntN(2)]}
	for _, old := range w.nodes {
		if !old.goneAt.IsZero() && old.goneAt.Before(at.Add(-2*time.Minute)) && w.r.IntN(4) == 0 &&
			!slices.ContainsFunc(w.nodes, func(x *truth) bool {
				return x.node.Name == old.node.Name && (x.goneAt.IsZero() || x.goneAt.After(old.goneAt))
			}) {
			n.Name = old.node.Name
			break
		}
	}
	if by == karpenter {
		n.Owner = fleet.ObjectRef{Kind: "NodeClaim", Name: fmt.Sprintf("%s-c%d", n.Pool, w.n), UID: fmt.Sprint("claim-", w.n)}
	}
	t := &truth{node: n, ready: at.Add(30 * time.Second)}
	w.nodes = append(w.nodes, t)
	return t
}

// both writes what Karpenter says of a node and its NodeClaim.
func (w *world) both(t *truth, reason, note string, at time.Time) {
	w.say("Node", "", t.node.Name, t.node.UID, reason, note, "karpenter", at)
	w.say("NodeClaim", "", t.node.Owner.Name, t.node.Owner.UID, reason, strings.Replace(note, "Node:", "NodeClaim:", 1),
		"karpenter", at)
}

// end ends a node, for one of the reasons that there are.
func (w *world) end(t *truth, by string) {
	drain := time.Duration(1+w.r.IntN(90)) * time.Second
	if w.r.IntN(5) == 0 {
		drain = time.Duration(1+w.r.IntN(30)) * time.Hour
	}
	from := w.now
	t.goneAt, t.by = from.Add(drain), by
	w.lost = false
	on := func(reason, note, controller string, at time.Time) {
		w.say("Node", "", t.node.Name, t.node.UID, reason, note, controller, at)
	}
	taint := func(key, value string) {
		t.node.Taints = append(t.node.Taints, fleet.Taint{Key: key, Value: value, Effect: "NoSchedule"})
	}
	draining := func() {
		taint("karpenter.sh/disrupted", "")
		t.node.DeletedAt = from
		if drain > time.Minute {
			on("FailedDraining", "Failed to drain node, 1 pods are waiting to be evicted", "karpenter", from.Add(10*time.Second))
		}
		on("InstanceTerminating", "Instance is terminating", "karpenter", t.goneAt.Add(-time.Second))
	}
	disrupt := func(kind fleet.CauseKind, word string) {
		t.went = kind
		w.both(t, "DisruptionTerminating", "Disrupting Node: "+word, from)
		draining()
	}
	what := w.r.IntN(8)
	switch {
	case by == karpenter && what == 0:
		disrupt(fleet.Empty, []string{"Empty", "Empty/Delete"}[w.r.IntN(2)])
	case by == karpenter && what == 1:
		on("ConsolidationCandidate", fmt.Sprintf("Consolidation candidate: delete: [%s] (savings: $0.31)", t.node.Name),
			"karpenter", from.Add(-time.Minute))
		disrupt(fleet.Underutilized, "Underutilized")
	case by == karpenter && what == 2: // with a replacement
		launch := from.Add(-2 * time.Minute)
		fresh := w.join(karpenter, launch.Add(30*time.Second))
		fresh.node.Pool = t.node.Pool
		fresh.node.Owner.Name = t.node.Pool + "-" + fresh.node.Owner.UID
		fresh.came, fresh.replaces = fleet.Replacement, []string{t.node.Name}
		w.say("NodeClaim", "", fresh.node.Owner.Name, fresh.node.Owner.UID, "DisruptionLaunching",
			"Launching NodeClaim: Drifted", "karpenter", launch)
		fresh.lostCame = w.lost
		disrupt(fleet.Drifted, "Drifted")
	case by == karpenter && what == 3: // expiry, or a person
		t.went, t.silent = fleet.NotSaid, true
		draining()
	case what == 4:
		t.went, t.by = fleet.SpotInterruption, ""
		if by == karpenter {
			w.both(t, "SpotInterrupted", "Spot interruption warning was triggered", from)
			w.both(t, "TerminatingOnInterruption", "Interruption triggered termination for the Node", from)
			draining()
		} else {
			on("SpotInterruption", "Spot ITN received.", "aws-node-termination-handler", from)
			on("DeletingNode", "Deleting node because it does not exist in the cloud provider", "cloud-node-lifecycle",
				t.goneAt)
		}
	case what == 5:
		t.went, t.by = fleet.MachineGone, ""
		on("DeletingNode", "Deleting node because it does not exist in the cloud provider", "cloud-node-lifecycle", t.goneAt)
	case what == 6: // by hand, and nothing says so; the Cluster Autoscaler had tried before
		t.by, t.silent = "", true
		if by == autoscaler {
			on("ScaleDown", marked, "cluster-autoscaler", from.Add(-10*time.Minute))
			on("ScaleDownFailed", "failed to drain and delete node: x", "cluster-autoscaler", from.Add(-5*time.Minute))
		} else {
			t.by, t.went = karpenter, fleet.NotSaid
			draining()
		}
	case by == autoscaler:
		t.went = []fleet.CauseKind{fleet.Empty, fleet.Underutilized}[w.r.IntN(2)]
		taint("ToBeDeletedByClusterAutoscaler", fmt.Sprint(from.Unix()))
		on("ScaleDown", marked, "cluster-autoscaler", from)
		config := func(reason, note string, at time.Time) {
			if w.r.IntN(3) == 0 {
				note = "(combined from similar events): " + note
			}
			w.say("ConfigMap", "kube-system", "cluster-autoscaler-status", "", reason, note, "cluster-autoscaler", at)
		}
		if t.went == fleet.Empty {
			config("ScaleDownEmpty", fmt.Sprintf("Scale-down: removing empty node %q", t.node.Name), from)
			config("ScaleDownEmpty", fmt.Sprintf("Scale-down: empty node %s removed", t.node.Name), t.goneAt)
		} else {
			config("ScaleDown", fmt.Sprintf("Scale-down: removing node %s, utilization: {0.5}, pods to reschedule: a", t.node.Name),
				from)
			config("ScaleDown", fmt.Sprintf("Scale-down: node %s removed with drain", t.node.Name), t.goneAt)
		}
	default: // Karpenter is ended from outside
		t.went, t.by = fleet.EndedOutside, ""
		w.both(t, "InstanceTerminating", "Instance is terminating", from)
		w.both(t, "TerminatingOnInterruption", "Interruption triggered termination for the Node", from)
		taint("karpenter.sh/disrupted", "")
	}
	on("RemovingNode", "Node event: Removing Node from Controller", "node-controller", t.goneAt.Add(time.Second))
	t.lostWe = w.lost
	// A user of another namespace would have it believed otherwise.
	if w.r.IntN(3) == 0 {
		w.say("Node", "mallory", t.node.Name, t.node.UID, "SpotInterrupted", "Spot!", "karpenter", from)
		w.say("ConfigMap", "mallory", "cluster-autoscaler-status", "", "ScaleDownEmpty",
			fmt.Sprintf("Scale-down: empty node %s removed", t.node.Name), "cluster-autoscaler", from)
	}
}

func simulate(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 14))
	w := &world{r: r, now: born, loss: []float64{0, 0, 0.05, 0.3}[r.IntN(4)]}
	by := []string{karpenter, autoscaler}[r.IntN(2)]
	var loads []*workload
	for i, kind := range []string{"Deployment", "Deployment", "Deployment", "StatefulSet", "Job", "CronJob"} {
		x := &workload{Workload: fleet.Workload{Kind: kind, Namespace: "shop", Name: fmt.Sprint("w", i)}, hpa: i < 2}
		if kind == "Deployment" {
			x.replicaSet = x.Name + "-5d8f"
		}
		loads = append(loads, x)
	}
	for range 6 + r.IntN(10) {
		w.now = w.now.Add(time.Duration(5+r.IntN(90)) * time.Minute)
		if r.IntN(2) == 0 {
			w.grow(loads[r.IntN(len(loads))], by)
			continue
		}
		for range 1 + r.IntN(4) {
			var alive []*truth
			for _, t := range w.nodes {
				if t.goneAt.IsZero() && t.ready.Before(w.now) {
					alive = append(alive, t)
				}
			}
			if len(alive) > 0 {
				w.end(alive[r.IntN(len(alive))], by)
			}
		}
	}
	return w
}

// weaker are what may be said instead of the truth where evidence is lost: less, and nothing else.
var weaker = map[fleet.CauseKind][]fleet.CauseKind{
	fleet.SpotInterruption: {fleet.OtherDisruption, fleet.NotSaid, fleet.MachineGone},
	fleet.Empty:            {fleet.NotSaid}, fleet.Underutilized: {fleet.NotSaid}, fleet.Drifted: {fleet.NotSaid},
	fleet.EndedOutside: {fleet.OtherDisruption, fleet.NotSaid},
}

// TestSimulation holds that in clusters whose truth is known no false cause is told, whatever is lost, late, repeated,
// combined, taken back or forged, and that of what the evidence is there for nearly all is explained.
func TestSimulation(t *testing.T) {
	explainable, unexplained, told := 0, 0, 0
	for i := range uint64(500) {
		seed := i + 1
		if *simSeed != 0 && seed != *simSeed {
			continue
		}
		w := simulate(seed)
		evidence := &causetest.Evidence{Events: w.events}
		for _, x := range w.nodes {
			evidence.Nodes = append(evidence.Nodes, x.node)
		}
		for _, x := range w.nodes {
			complain := func(what string, e fleet.Explanation) {
				t.Errorf("seed %d: of %s (%s) it is said %s %+v %q; the truth is %q, %q, %v, %q, %q", seed, x.node.Name, x.node.UID,
					what, e.Cause, e.Nodes, x.came, x.went, x.for_, x.whys, x.replaces)
				if *simSeed != 0 {
					t.Logf("%+v\n%+v", *x, e.Chain)
				}
			}
			came, err := Came(t.Context(), x.node, x.ready, time.Time{}, evidence)
			if err != nil {
				t.Fatal(err)
			}
			if !x.lostCame {
				explainable++
			}
			switch {
			case came.IsZero():
				if !x.lostCame {
					unexplained++
				}
			case came.Kind != x.came, came.Kind == fleet.Demand && !x.asked(came.For),
				came.Kind == fleet.Demand && !slices.Contains(x.whys, came.Why),
				came.Kind == fleet.Replacement && slices.ContainsFunc(came.Nodes, func(n string) bool {
					return !slices.Contains(x.replaces, n)
				}):
				complain("that it came for", came)
			default:
				told++
			}
			if x.goneAt.IsZero() {
				continue
			}
			went, err := Went(t.Context(), x.node, x.goneAt, evidence)
			if err != nil {
				t.Fatal(err)
			}
			if !x.lostWe && !x.silent {
				explainable++
			}
			switch {
			case went.IsZero():
				if !x.lostWe && !x.silent {
					unexplained++
				}
			case went.Kind == x.went && (went.By == x.by || x.by == ""), x.lostWe && slices.Contains(weaker[x.went], went.Kind),
				// A recorder that is slow leaves open what came first.
				x.went == fleet.EndedOutside && went.By == "the cloud":
				told++
			default:
				complain("that it went for", went)
			}
		}
	}
	t.Logf("%d causes told, of %d with all evidence %d not explained", told, explainable, unexplained)
	if unexplained*20 > explainable {
		t.Errorf("%d of %d are not explained although the evidence is there", unexplained, explainable)
	}
}

// asked reports whether a workload asked for the node, or for its pods, whose owner is not known where that was lost.
func (x *truth) asked(for_ fleet.Workload) bool {
	if x.for_[for_] {
		return true
	}
	for w := range x.for_ {
		below := for_.Namespace == w.Namespace && strings.HasPrefix(for_.Name, w.Name+"-")
		if x.lostCame && below && slices.Contains([]string{"Pod", "ReplicaSet", "Job"}, for_.Kind) {
			return true
		}
	}
	return false
}
