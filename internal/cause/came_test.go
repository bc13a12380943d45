package cause

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"rollcall/internal/cause/causetest"
	"rollcall/internal/fleet"
)

// ready is when the node of these tests became ready.
var ready = born.Add(time.Minute)

// stream builds the events of a cluster around the birth of a node. Moments are seconds from it.
type stream []fleet.Event

func (s *stream) add(kind, name, reason, note string, seconds int) {
	serial++
	at := born.Add(time.Duration(seconds) * time.Second)
	e := fleet.Event{Cluster: "prod", UID: fmt.Sprint("s", serial), Reason: reason, Note: note, Count: 1, First: at,
		Last: at, Controller: "karpenter", Regarding: fleet.ObjectRef{Kind: kind, Namespace: "shop", Name: name, UID: "uid-" + name}}
	if kind == "Node" || kind == "NodeClaim" {
		e.Regarding.Namespace = ""
	}
	if kind == "NodeClaim" {
		e.Regarding.UID = "c1"
	}
	*s = append(*s, e)
}

// pod is a pod of a creator that found no room; nominated for the node's claim, assigned to the node, or both.
func (s *stream) pod(creator, name string, created, nominated, scheduled int) {
	if creator != "" {
		note := "Created pod: " + name
		if creator == "StatefulSet" {
			note = "create Pod " + name + " in StatefulSet db successful"
		}
		owner := name[:len(name)-2]
		s.add(creator, owner, "SuccessfulCreate", note, created)
	}
	s.add("Pod", name, "FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu.", created+1)
	if nominated != 0 {
		s.add("Pod", name, "Nominated", "Pod should schedule on: nodeclaim/general-abcde", nominated)
	}
	if scheduled != 0 {
		s.add("Pod", name, "Scheduled", "Successfully assigned shop/"+name+" to n1", scheduled)
	}
}

func (s *stream) scaled(deployment, replicaSet string, from, to, seconds int) {
	direction := "up"
	if to < from {
		direction = "down"
	}
	s.add("Deployment", deployment, "ScalingReplicaSet",
		fmt.Sprintf("Scaled %s replica set %s from %d to %d", direction, replicaSet, from, to), seconds)
}

func (s *stream) rescaled(hpa, reason string, to, seconds int) {
	note := fmt.Sprintf("New size: %d; reason: %s", to, reason)
	s.add("HorizontalPodAutoscaler", hpa, "SuccessfulRescale", note, seconds)
}

const aboveTarget = "cpu resource utilization (percentage of request) above target"

func TestCame(t *testing.T) {
	deployment := func(why string) fleet.Cause {
		return fleet.Cause{Kind: fleet.Demand, By: karpenter, Why: why,
			For: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "web"}}
	}
	demand := func(by, kind, name string) fleet.Cause {
		return fleet.Cause{Kind: fleet.Demand, By: by, For: fleet.Workload{Kind: kind, Namespace: "shop", Name: name}}
	}
	web := func(s *stream, pods int) {
		for i := range pods {
			s.pod("ReplicaSet", fmt.Sprintf("web-5d8-%d", i), -60, -55, 70)
		}
	}
	for name, test := range map[string]struct {
		node  fleet.Node
		build func(s *stream)
		want  fleet.Cause
		pods  int
		nodes []string
	}{
		"nothing": {theNode(claimed1), func(*stream) {}, fleet.Cause{}, 0, nil},
		"the whole chain": {theNode(claimed1), func(s *stream) {
			s.rescaled("web", aboveTarget, 52, -63)
			s.scaled("web", "web-5d8", 14, 52, -62)
			web(s, 6)
		}, deployment("its HPA went from 14 to 52 (cpu above target)"), 6, nil},
		"scaled by hand": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 14, 52, -62)
			web(s, 3)
		}, deployment("scaled from 14 to 52"), 3, nil},
		"a rescale of long ago is another's": {theNode(claimed1), func(s *stream) {
			s.rescaled("web", aboveTarget, 52, -900)
			s.scaled("web", "web-5d8", 14, 52, -62)
			web(s, 3)
		}, deployment("scaled from 14 to 52"), 3, nil},
		"another size is another's": {theNode(claimed1), func(s *stream) {
			s.rescaled("web", aboveTarget, 50, -63)
			s.scaled("web", "web-5d8", 14, 52, -62)
			web(s, 3)
		}, deployment("scaled from 14 to 52"), 3, nil},
		"of two that gave the size, the one of its name": {theNode(claimed1), func(s *stream) {
			s.rescaled("api", "memory resource utilization (percentage of request) above target", 52, -64)
			s.rescaled("web", aboveTarget, 52, -63)
			s.scaled("web", "web-5d8", 14, 52, -62)
			web(s, 3)
		}, deployment("its HPA went from 14 to 52 (cpu above target)"), 3, nil},
		"of two that gave the size, neither": {theNode(claimed1), func(s *stream) {
			s.rescaled("api", aboveTarget, 52, -64)
			s.rescaled("cron", aboveTarget, 52, -63)
			s.scaled("web", "web-5d8", 14, 52, -62)
			web(s, 3)
		}, deployment("scaled from 14 to 52"), 3, nil},
		"a rollout": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-old", 0, 14, -5000)
			s.scaled("web", "web-5d8", 0, 7, -62)
			s.scaled("web", "web-old", 14, 7, -61)
			web(s, 3)
		}, deployment("its rollout"), 3, nil},
		"pods that were evicted are asked for by nobody": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 0, 14, -3600)
			web(s, 2)
		}, deployment(""), 2, nil},
		"pods that were evicted right after it was scaled are asked for by nobody": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 14, 52, -66)
			s.add("Pod", "web-5d8-z", "Evicted", "Evicted pod: Forceful Termination", -61)
			web(s, 2)
		}, deployment(""), 2, nil},
		"whose pods were evicted says nothing of others": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 14, 52, -66)
			s.add("Pod", "web-77f-z", "Evicted", "Evicted pod: Empty", -61)
			s.add("Pod", "web-5d8-z", "Evicted", "Evicted pod: Empty", -90)
			s.add("Pod", "web-5d8-z", "Evicted", "Evicted pod: Empty", -50)
			web(s, 2)
		}, deployment("scaled from 14 to 52"), 2, nil},
		"more evictions than are read may have been of anybody": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 14, 52, -66)
			for i := range most {
				s.add("Pod", fmt.Sprint("api-77f-", i), "Evicted", "Evicted pod: Empty", -61)
			}
			web(s, 2)
		}, deployment(""), 2, nil},
		"it was scaled again after its pods were seen": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 14, 52, -62)
			s.scaled("web", "web-5d8", 52, 60, -40)
			web(s, 2)
		}, deployment("scaled from 14 to 52"), 2, nil},
		"for which of two sizes is not known": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 14, 52, -65)
			s.scaled("web", "web-5d8", 52, 60, -58)
			web(s, 2)
		}, deployment(""), 2, nil},
		"pods that were nominated after it was scaled again": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 14, 52, -62)
			s.scaled("web", "web-5d8", 52, 60, -56)
			web(s, 2)
		}, deployment("scaled from 14 to 52"), 2, nil},
		"pods that were nominated after it was scaled again, and seen nobody knows when": {theNode(claimed1),
			func(s *stream) {
				s.scaled("web", "web-5d8", 14, 52, -62)
				s.scaled("web", "web-5d8", 52, 60, -56)
				s.add("ReplicaSet", "web-5d8", "SuccessfulCreate", "Created pod: web-5d8-x", -60)
				s.add("Pod", "web-5d8-x", "Nominated", "Pod should schedule on: nodeclaim/general-abcde", -55)
			}, deployment(""), 1, nil},
		"pods that were nominated long after they were seen": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 14, 52, -62)
			s.pod("ReplicaSet", "web-5d8-x", -60, -30, 0)
		}, deployment("scaled from 14 to 52"), 1, nil},
		"pods of two sizes": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 14, 52, -62)
			web(s, 2)
			s.scaled("web", "web-5d8", 52, 60, -40)
			s.pod("ReplicaSet", "web-5d8-x", -38, -35, 70)
		}, deployment(""), 3, nil},
		"of a scaling that is lost the one before is not told": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 14, 18, -75)
			web(s, 2)
		}, deployment(""), 2, nil},
		"of combined scalings only the last is known": {theNode(claimed1), func(s *stream) {
			s.add("Deployment", "web", "ScalingReplicaSet",
				"(combined from similar events): Scaled up replica set web-5d8 from 52 to 60", -62)
			(*s)[0].Count, (*s)[0].Last = 9, born.Add(-40*time.Second)
			web(s, 2)
		}, deployment(""), 2, nil},
		"the last of combined scalings, by the HPA": {theNode(claimed1), func(s *stream) {
			s.add("Deployment", "web", "ScalingReplicaSet",
				"(combined from similar events): Scaled up replica set web-5d8 from 52 to 60", -300)
			(*s)[0].Count, (*s)[0].Last = 9, born.Add(-62*time.Second)
			s.rescaled("web", aboveTarget, 60, -63)
			web(s, 2)
		}, deployment("its HPA went from 52 to 60 (cpu above target)"), 2, nil},
		"the last of combined scalings": {theNode(claimed1), func(s *stream) {
			s.add("Deployment", "web", "ScalingReplicaSet",
				"(combined from similar events): Scaled up replica set web-5d8 from 52 to 60", -300)
			(*s)[0].Count, (*s)[0].Last = 9, born.Add(-62*time.Second)
			web(s, 2)
		}, deployment("scaled from 52 to 60"), 2, nil},
		"a large Deployment's pods take long to be created": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 0, 6000, -300)
			web(s, 2)
		}, deployment("scaled from 0 to 6000"), 2, nil},
		"a ReplicaSet of which an event has told gives its pods' owner": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 2, 9, -62)
			s.pod("", "web-5d8-x", -60, -55, 0)
		}, deployment("scaled from 2 to 9"), 1, nil},
		"a name alone proves no owner": {theNode(claimed1), func(s *stream) { s.pod("", "web-5d8-x", -60, -55, 0) },
			demand(karpenter, "Pod", "web-5d8-x"), 1, nil},
		"a ReplicaSet without a Deployment": {theNode(claimed1),
			func(s *stream) { s.pod("ReplicaSet", "web-5d8-x", -60, -55, 0) }, demand(karpenter, "ReplicaSet", "web-5d8"), 1, nil},
		"a StatefulSet": {theNode(claimed1), func(s *stream) { s.pod("StatefulSet", "db-0", -60, -55, 70) },
			demand(karpenter, "StatefulSet", "db"), 1, nil},
		"a Job": {theNode(claimed1), func(s *stream) { s.pod("Job", "train-x", -60, -55, 70) },
			demand(karpenter, "Job", "train"), 1, nil},
		"a CronJob": {theNode(claimed1), func(s *stream) {
			s.add("CronJob", "nightly", "SuccessfulCreate", "Created job nightly-2933", -62)
			s.pod("Job", "nightly-2933-x", -60, -55, 70)
		}, demand(karpenter, "CronJob", "nightly"), 1, nil},
		"a DaemonSet is no demand": {theNode(claimed1), func(s *stream) {
			s.pod("DaemonSet", "agent-x", -60, 0, 70)
			s.pod("DaemonSet", "agent-y", -60, -55, 0)
		}, fleet.Cause{}, 0, nil},
		"pods that had not waited are no demand": {theNode(claimed1), func(s *stream) {
			s.add("ReplicaSet", "web-5d8", "SuccessfulCreate", "Created pod: web-5d8-x", 100)
			s.add("Pod", "web-5d8-x", "Scheduled", "Successfully assigned shop/web-5d8-x to n1", 101)
		}, fleet.Cause{}, 0, nil},
		"nor are pods that began to wait when the node was there": {theNode(claimed1), func(s *stream) {
			s.pod("ReplicaSet", "web-5d8-x", 30, 0, 70)
		}, fleet.Cause{}, 0, nil},
		"nor those that came when it was old": {theNode(claimed1), func(s *stream) {
			s.pod("ReplicaSet", "web-5d8-x", -60, 0, 3000)
		}, fleet.Cause{}, 0, nil},
		"nor those nominated for a node that was there": {theNode(claimed1), func(s *stream) {
			s.add("Pod", "web-5d8-x", "Nominated", "Pod should schedule on: nodeclaim/general-abcde, node/n1", 65)
		}, fleet.Cause{}, 0, nil},
		"not nominated, but waited and assigned": {theNode(claimed1), func(s *stream) {
			s.scaled("web", "web-5d8", 2, 9, -62)
			s.pod("ReplicaSet", "web-5d8-x", -60, 0, 70)
		}, fleet.Cause{Kind: fleet.Demand, Why: "scaled from 2 to 9",
			For: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "web"}}, 1, nil},
		"of two workloads the larger": {theNode(claimed1), func(s *stream) {
			s.pod("Job", "train-x", -60, -55, 0)
			s.pod("StatefulSet", "db-0", -60, -55, 0)
			s.pod("StatefulSet", "db-1", -60, -55, 0)
		}, demand(karpenter, "StatefulSet", "db"), 2, nil},
		"of another claim": {theNode(), func(s *stream) { web(s, 2) }, fleet.Cause{Kind: fleet.Demand,
			For: fleet.Workload{Kind: "ReplicaSet", Namespace: "shop", Name: "web-5d8"}}, 2, nil},
		// The Cluster Autoscaler.
		"its pods, assigned": {theNode(), func(s *stream) {
			s.pod("StatefulSet", "db-0", -60, 0, 70)
			s.add("Pod", "db-0", "TriggeredScaleUp", "pod triggered scale-up: [{general 0->4 (max: 6)}]", -50)
		}, demand(autoscaler, "StatefulSet", "db"), 1, nil},
		"its pods, of which none is known to be here": {theNode(), func(s *stream) {
			s.pod("StatefulSet", "db-0", -60, 0, 0)
			s.add("Pod", "db-0", "TriggeredScaleUp", "pod triggered scale-up: [{general 0->4 (max: 6)}]", -50)
		}, demand(autoscaler, "StatefulSet", "db"), 0, nil},
		"of another group": {theNode(), func(s *stream) {
			s.add("Pod", "db-0", "TriggeredScaleUp", "pod triggered scale-up: [{general-2 0->4 (max: 6)}]", -50)
		}, fleet.Cause{}, 0, nil},
		"of long ago": {theNode(), func(s *stream) {
			s.add("Pod", "db-0", "TriggeredScaleUp", "pod triggered scale-up: [{general 0->4 (max: 6)}]", -5000)
		}, fleet.Cause{}, 0, nil},
		"a capacity buffer": {theNode(), func(s *stream) {
			s.add("CapacityBuffer", "spare", "TriggeredScaleUp",
				"capacity buffer 3 fake pods triggered scale-up: [{general 0->1 (max: 6)}]", -50)
		}, fleet.Cause{Kind: fleet.Headroom, By: autoscaler,
			For: fleet.Workload{Kind: "CapacityBuffer", Namespace: "shop", Name: "spare"}}, 0, nil},
		"a buffer or pods": {theNode(), func(s *stream) {
			s.add("CapacityBuffer", "spare", "TriggeredScaleUp",
				"capacity buffer 3 fake pods triggered scale-up: [{general 0->1 (max: 6)}]", -50)
			s.add("Pod", "db-0", "TriggeredScaleUp", "pod triggered scale-up: [{general 0->4 (max: 6)}]", -50)
		}, fleet.Cause{}, 0, nil},
		// Replacements.
		"a replacement": {theNode(claimed1), func(s *stream) {
			s.add("NodeClaim", "general-abcde", "DisruptionLaunching", "Launching NodeClaim: Drifted", -60)
			s.add("NodeClaim", "general-zzzzz", "DisruptionTerminating", "Disrupting NodeClaim: Drifted", 90)
			s.add("Node", "old", "DisruptionTerminating", "Disrupting Node: Drifted", 90)
			web(s, 2)
		}, fleet.Cause{Kind: fleet.Replacement, By: karpenter, Why: "drifted"}, 0, []string{"old"}},
		"a replacement of one of two": {theNode(claimed1), func(s *stream) {
			s.add("NodeClaim", "general-abcde", "DisruptionLaunching", "Launching NodeClaim: Drifted", -60)
			for _, old := range []string{"old-1", "old-2"} {
				s.add("NodeClaim", "general-"+old, "DisruptionTerminating", "Disrupting NodeClaim: Drifted", 90)
				s.add("Node", old, "DisruptionTerminating", "Disrupting Node: Drifted", 90)
			}
		}, fleet.Cause{Kind: fleet.Replacement, By: karpenter, Why: "drifted"}, 0, nil},
		"a replacement of one of two, where the other's launch is lost": {theNode(claimed1), func(s *stream) {
			s.add("NodeClaim", "general-abcde", "DisruptionLaunching", "Launching NodeClaim: Drifted", -60)
			for _, claim := range []string{"general-abcde", "general-fghij"} {
				s.add("NodeClaim", claim, "DisruptionWaitingReadiness", "Waiting on readiness to continue disruption", -60)
			}
			s.add("NodeClaim", "general-zzzzz", "DisruptionTerminating", "Disrupting NodeClaim: Drifted", 90)
			s.add("Node", "old", "DisruptionTerminating", "Disrupting Node: Drifted", 90)
		}, fleet.Cause{Kind: fleet.Replacement, By: karpenter, Why: "drifted"}, 0, nil},
		"a replacement of one of two, where half of the other's end is lost": {theNode(claimed1), func(s *stream) {
			s.add("NodeClaim", "general-abcde", "DisruptionLaunching", "Launching NodeClaim: Drifted", -60)
			s.add("NodeClaim", "general-zzzzz", "DisruptionTerminating", "Disrupting NodeClaim: Drifted", 90)
			s.add("Node", "old", "DisruptionTerminating", "Disrupting Node: Drifted", 90)
			s.add("Node", "older", "DisruptionTerminating", "Disrupting Node: Drifted", 60)
		}, fleet.Cause{Kind: fleet.Replacement, By: karpenter, Why: "drifted"}, 0, nil},
		"a replacement while another pool's goes on for another reason": {theNode(claimed1), func(s *stream) {
			s.add("NodeClaim", "general-abcde", "DisruptionLaunching", "Launching NodeClaim: Drifted", -60)
			for _, claim := range []string{"general-abcde", "batch-fghij", "general-klmno"} {
				s.add("NodeClaim", claim, "DisruptionWaitingReadiness", "Waiting on readiness to continue disruption", -60)
			}
			s.add("NodeClaim", "general-klmno", "DisruptionLaunching", "Launching NodeClaim: Underutilized", -60)
			s.add("NodeClaim", "general-zzzzz", "DisruptionTerminating", "Disrupting NodeClaim: Drifted", 90)
			s.add("Node", "old", "DisruptionTerminating", "Disrupting Node: Drifted", 90)
		}, fleet.Cause{Kind: fleet.Replacement, By: karpenter, Why: "drifted"}, 0, []string{"old"}},
		"a replacement of what is not gone yet": {theNode(claimed1), func(s *stream) {
			s.add("NodeClaim", "general-abcde", "DisruptionLaunching", "Launching NodeClaim: Underutilized/Replace", -60)
			s.add("NodeClaim", "general-zzzzz", "DisruptionTerminating", "Disrupting NodeClaim: Underutilized", -600)
			s.add("Node", "earlier", "DisruptionTerminating", "Disrupting Node: Underutilized", -600)
		}, fleet.Cause{Kind: fleet.Replacement, By: karpenter, Why: "underutilized"}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var s stream
			test.build(&s)
			evidence := &causetest.Evidence{Events: s}
			e, err := Came(t.Context(), test.node, ready, time.Time{}, evidence)
			if err != nil || e.Cause != test.want || e.Pods != test.pods || fmt.Sprint(e.Nodes) != fmt.Sprint(test.nodes) {
				t.Errorf("%+v, %d pods, %q, want %+v, %d pods, %q (%v)", e.Cause, e.Pods, e.Nodes, test.want, test.pods, test.nodes,
					err)
			}
			if e.IsZero() != (len(e.Chain) == 0) || len(e.Chain) > maxChain || e.Strength > Strongest {
				t.Errorf("the chain of %+v is %+v, its strength %d", e.Cause, e.Chain, e.Strength)
			}
			r := rand.New(rand.NewPCG(2, 2))
			for range 5 {
				evidence.Events = append(evidence.Events, evidence.Events[:min(1, len(s))]...) // said again, as the same event
				r.Shuffle(len(evidence.Events), func(i, j int) {
					evidence.Events[i], evidence.Events[j] = evidence.Events[j], evidence.Events[i]
				})
				again, err := Came(t.Context(), test.node, ready, time.Time{}, evidence)
				if err != nil || again.Cause != e.Cause || again.Pods != e.Pods {
					t.Errorf("in another order it is %+v, not %+v (%v)", again, e, err)
				}
			}
		})
	}
}

// A node that has left has nothing to do with the pods of the next one under its name.
func TestCameBeforeTheNextOfItsName(t *testing.T) {
	var s stream
	s.pod("StatefulSet", "db-0", -60, 0, 0)
	s.add("Pod", "db-0", "Scheduled", "Successfully assigned shop/db-0 to n1", 200)
	n := fleet.Node{Name: "n1", UID: "u1", CreatedAt: born}
	for removed, want := range map[int]fleet.CauseKind{0: fleet.Demand, 100: "", 300: fleet.Demand} {
		var removedAt time.Time
		if removed > 0 {
			removedAt = born.Add(time.Duration(removed) * time.Second)
		}
		e, err := Came(t.Context(), n, ready, removedAt, &causetest.Evidence{Events: s})
		if err != nil || e.Kind != want {
			t.Errorf("removed after %d s it came for %+v, %v; want %q", removed, e.Cause, err, want)
		}
	}
}
