package cause

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/cause/causetest"
	"rollcall/internal/fleet"
)

// waitsOf are the waits that events tell of, as the ledger keeps them. Pods that got a node wait no more.
func waitsOf(events []fleet.Event) (waits []fleet.Wait) {
	index := map[string]int{}
	for _, e := range events {
		word, ok := e.OfWait()
		if !ok || e.Regarding.Kind != "Pod" {
			continue
		}
		i, known := index[e.Regarding.Name]
		switch {
		case !known && word.Step == fleet.WaitComing:
			continue
		case !known:
			i = len(waits)
			index[e.Regarding.Name] = i
			waits = append(waits, fleet.Wait{Pod: e.Regarding})
		}
		if word.Step == fleet.WaitPlaced {
			waits[i].First = time.Time{}
			continue
		}
		waits[i] = waits[i].Hear(e, word)
	}
	var open []fleet.Wait
	for _, w := range waits {
		if !w.First.IsZero() {
			open = append(open, w)
		}
	}
	return open
}

// TestWaiting holds in which state pods are that wait, why, since when, and whose they are.
func TestWaiting(t *testing.T) {
	const limit = "Failed to schedule pod, all available instance types exceed limits for nodepool (NodePool=general)"
	at := func(s int) time.Time { return born.Add(time.Duration(s) * time.Second) }
	web := fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "web"}
	pods := func(s *stream, n int) {
		s.scaled("web", "web-5d8", 0, n, -1)
		for i := range n {
			s.pod("ReplicaSet", fmt.Sprintf("web-5d8-%c", 'a'+i), 0, 0, 0)
		}
	}
	for _, c := range []struct {
		name  string
		now   int
		build func(s *stream)
		want  []fleet.Waiting
	}{
		{"refused by Karpenter", 120, func(s *stream) {
			pods(s, 3)
			for i := range 3 {
				s.add("Pod", fmt.Sprintf("web-5d8-%c", 'a'+i), "FailedScheduling", limit, 5+i)
			}
		}, []fleet.Waiting{{State: fleet.Refused, Pool: "general", Pods: 3, Since: at(1), Told: at(5),
			Refusal: fleet.Refusal{Kind: fleet.AtLimit, By: fleet.Karpenter, Pool: "general"},
			For:     []fleet.PodsOf{{Workload: web, Pods: 3}}}}},
		{"nobody answers", 120, func(s *stream) { pods(s, 2) },
			[]fleet.Waiting{{State: fleet.Unanswered, Pods: 2, Since: at(1), For: []fleet.PodsOf{{Workload: web, Pods: 2}}}}},
		{"nodes are coming, for a part", 120, func(s *stream) {
			pods(s, 2)
			s.add("Pod", "web-5d8-a", "Nominated", "Pod should schedule on: nodeclaim/general-abcde", 10)
			s.add("Pod", "web-5d8-b", "FailedScheduling", limit, 10)
		}, []fleet.Waiting{
			{State: fleet.Coming, Pool: "general", Pods: 1, Since: at(1), Told: at(10), For: []fleet.PodsOf{{Workload: web, Pods: 1}}},
			{State: fleet.Refused, Pool: "general", Pods: 1, Since: at(1), Told: at(10),
				Refusal: fleet.Refusal{Kind: fleet.AtLimit, By: fleet.Karpenter, Pool: "general"},
				For:     []fleet.PodsOf{{Workload: web, Pods: 1}}}}},
		{"and got one", 120, func(s *stream) {
			pods(s, 1)
			s.add("Pod", "web-5d8-a", "Nominated", "Pod should schedule on: nodeclaim/general-abcde", 10)
			s.add("Pod", "web-5d8-a", "Scheduled", "Successfully assigned shop/web-5d8-a to n1", 60)
		}, nil},
		{"the machine did not start", 120, func(s *stream) {
			pods(s, 1)
			s.add("Pod", "web-5d8-a", "Nominated", "Pod should schedule on: nodeclaim/general-abcde", 10)
			s.add("NodeClaim", "general-abcde", "InsufficientCapacityError",
				"NodeClaim general-abcde event: We currently do not have sufficient p4d.24xlarge capacity in the Availability "+
					"Zone you requested (us-east-1a)", 12)
		}, []fleet.Waiting{{State: fleet.Refused, Pool: "general", Pods: 1, Since: at(1), Told: at(12),
			Refusal: fleet.Refusal{Kind: fleet.NoCapacity, By: fleet.Karpenter, Pool: "general",
				Detail: "p4d.24xlarge in us-east-1a"},
			For: []fleet.PodsOf{{Workload: web, Pods: 1}}}}},
		{"that of another pod did not", 120, func(s *stream) {
			pods(s, 1)
			s.add("Pod", "web-5d8-a", "Nominated", "Pod should schedule on: nodeclaim/general-abcde", 10)
			s.add("NodeClaim", "general-fghij", "InsufficientCapacityError", "NodeClaim general-fghij event: none", 12)
		}, []fleet.Waiting{{State: fleet.Coming, Pool: "general", Pods: 1, Since: at(1), Told: at(10),
			For: []fleet.PodsOf{{Workload: web, Pods: 1}}}}},
		{"machine after machine does not", 200, func(s *stream) {
			pods(s, 1)
			for i, claim := range []string{"general-aaaaa", "general-bbbbb", "general-ccccc", "general-ddddd"} {
				s.add("Pod", "web-5d8-a", "Nominated", "Pod should schedule on: nodeclaim/"+claim, 10+40*i)
				if i < 3 {
					s.add("NodeClaim", claim, "InsufficientCapacityError", "NodeClaim "+claim+" event: none", 12+40*i)
				}
			}
		}, []fleet.Waiting{{State: fleet.Refused, Pool: "general", Pods: 1, Since: at(1), Told: at(12),
			Refusal: fleet.Refusal{Kind: fleet.NoCapacity, By: fleet.Karpenter, Pool: "general", Detail: "none"},
			For:     []fleet.PodsOf{{Workload: web, Pods: 1}}}}},
		{"a node group fails", 200, func(s *stream) {
			pods(s, 1)
			s.add("Pod", "web-5d8-a", "TriggeredScaleUp", "pod triggered scale-up: [{eks-gpu 0->1 (max: 6)}]", 10)
			s.add("ConfigMap", "cluster-autoscaler-status", "ScaleUpTimedOut",
				"Nodes added to group eks-gpu failed to register within 15m0s", 100)
		}, []fleet.Waiting{{State: fleet.Refused, Pool: "eks-gpu", Pods: 1, Since: at(1), Told: at(100),
			Refusal: fleet.Refusal{Kind: fleet.NoRegister, By: fleet.ClusterAutoscaler, Pool: "eks-gpu"},
			For:     []fleet.PodsOf{{Workload: web, Pods: 1}}}}},
		{"long overdue", 1000, func(s *stream) {
			pods(s, 1)
			s.add("Pod", "web-5d8-a", "TriggeredScaleUp", "pod triggered scale-up: [{eks-gpu 0->1 (max: 6)}]", 10)
		}, []fleet.Waiting{{State: fleet.Overdue, Pool: "eks-gpu", Pods: 1, Since: at(1), Told: at(1),
			For: []fleet.PodsOf{{Workload: web, Pods: 1}}}}},
		{"not heard of for a quarter of an hour after a refusal", 1000, func(s *stream) {
			pods(s, 1)
			s.add("Pod", "web-5d8-a", "FailedScheduling", limit, 10)
		}, nil},
		{"not heard of, but the scheduler repeats itself seldom", 2100, func(s *stream) { pods(s, 1) },
			[]fleet.Waiting{{State: fleet.Unanswered, Pods: 1, Since: at(1), For: []fleet.PodsOf{{Workload: web, Pods: 1}}}}},
		{"of a DaemonSet", 120, func(s *stream) { s.pod("DaemonSet", "agent-a", 0, 0, 0) }, nil},
		{"of nobody known", 120, func(s *stream) {
			s.pod("", "what-ever-a", 0, 0, 0)
			s.pod("", "alone", 5, 0, 0)
		}, []fleet.Waiting{{State: fleet.Unanswered, Pods: 2, Since: at(1), For: []fleet.PodsOf{
			{Workload: fleet.Workload{Kind: "Pod", Namespace: "shop", Name: "alone"}, Pods: 1},
			{Workload: fleet.Workload{Kind: "Pod", Namespace: "shop", Name: "what-ever-*"}, Pods: 1}}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s stream
			c.build(&s)
			waits := waitsOf(s)
			got, err := Waiting(t.Context(), waits, at(c.now), &causetest.Evidence{Events: s})
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if got[i].Note == "" {
					t.Errorf("the scheduler's word on %+v is missing", got[i])
				}
				if len(got[i].Waits) != got[i].Pods {
					t.Errorf("%d of %d pods are listed", len(got[i].Waits), got[i].Pods)
				}
				got[i].Note, got[i].Waits = "", nil
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
