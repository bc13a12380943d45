package cause

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
)

func TestKeeper(t *testing.T) {
	pdb := func(namespace, name, more string) fleet.Keeper {
		return fleet.Keeper{Kind: fleet.ByBudget, Namespace: namespace, Name: name, Why: more}
	}
	pod := func(namespace, name string) fleet.Keeper {
		return fleet.Keeper{Kind: fleet.ByPod, Namespace: namespace, Name: name}
	}
	policy := func(pool, why string) fleet.Keeper { return fleet.Keeper{Kind: fleet.ByPolicy, Name: pool, Why: why} }
	none := fleet.Keeper{}
	for _, tc := range []struct {
		reason, note string
		want         fleet.Keeper
	}{
		// Karpenter 1.14, as recorded.
		{"DisruptionBlocked", "Pdb prevents pod evictions (PodDisruptionBudget=[shop/db])", pdb("shop", "db", "")},
		{"DisruptionBlocked", `Pod has "karpenter.sh/do-not-disrupt" annotation (Pod=shop/pet-644c86c4b6-4wqmg)`,
			pod("shop", "pet-644c86c4b6-4wqmg")},
		{"DisruptionBlocked", "Node is nominated for a pending pod", none},
		{"DisruptionBlocked", "Node isn't initialized", none},
		{"DisruptionBlocked", "Node is deleting or marked for deletion", none},
		{"Unconsolidatable", "Can't replace with a cheaper node", none},
		{"Unconsolidatable", "Can't remove without creating 2 candidates", none},
		{"Unconsolidatable", "SpotToSpotConsolidation is disabled, can't replace a spot node with a spot node",
			fleet.Keeper{Kind: fleet.BySpot}},
		// Other versions, as their sources and people's issues have them.
		{"DisruptionBlocked", "Pdb prevents pod evictions (PodDisruptionBudget=kube-system/coredns)",
			pdb("kube-system", "coredns", "")},
		{"DisruptionBlocked", "Pdb prevents pod evictions (PodDisruptionBudget=[shop/z shop/a])", pdb("shop", "a", "shop/z")},
		{"DisruptionBlocked", `Cannot disrupt Node: PDB "shop/db" prevents pod evictions`, pdb("shop", "db", "")},
		{"Unconsolidatable", "pdb default/inflate-pdb prevents pod evictions", pdb("default", "inflate-pdb", "")},
		{"DisruptionBlocked", `Cannot disrupt Node: Pod "ml/notebook-7" has "karpenter.sh/do-not-disrupt" annotation`,
			pod("ml", "notebook-7")},
		{"DisruptionBlocked", "Cannot disrupt Node: Nominated for a pending pod", none},
		{"DisruptionBlocked", `Disruption is blocked through the "karpenter.sh/do-not-disrupt" annotation`,
			fleet.Keeper{Kind: fleet.ByAnnotation}},
		{"DisruptionBlocked", `repair is blocked through the "karpenter.sh/do-not-disrupt" annotation`,
			fleet.Keeper{Kind: fleet.ByAnnotation}},
		{"Unconsolidatable", "SpotToSpotConsolidation requires 15 cheaper instance type options than the current " +
			"candidate to consolidate, got 3", fleet.Keeper{Kind: fleet.BySpot}},
		{"Unconsolidatable", `NodePool "batch" has consolidation disabled`, policy("batch", "consolidation disabled")},
		{"Unconsolidatable", `NodePool "batch" has consolidation policy WhenEmpty, but node is not empty`,
			policy("batch", "consolidation policy WhenEmpty, but node is not empty")},
		{"Unconsolidatable", `Node "general-x" has buffer pods`, none},
		{"Unconsolidatable", "Not all pods would schedule, shop/web-1 => incompatible", none},
		{"ConsolidationRejected", "Consolidation rejected: empty/5f: delete: [n1] (savings: $0.10), reason: pod churn " +
			"(savings: $0.10)", fleet.Keeper{Kind: fleet.ByRejection, Why: "pod churn"}},
		{"NodeRepairBlocked", "more than 20% nodes are unhealthy in the nodepool",
			fleet.Keeper{Kind: fleet.ByRepair, Why: "more than 20% nodes are unhealthy in the nodepool"}},
		{"ScaleDownFailed", "failed to drain and delete node: pods remaining after timeout",
			fleet.Keeper{Kind: fleet.ByFailure, Why: "pods remaining after timeout"}},
		// What nobody knows yet, in its own words.
		{"DisruptionBlocked", "The moon\nis  full", fleet.Keeper{Kind: fleet.ByBlock, Why: "The moon is full"}},
		{"Unconsolidatable", "The moon is full", fleet.Keeper{Kind: fleet.ByRejection, Why: "The moon is full"}},
		{"DisruptionBlocked", "", none},
		{"DisruptionTerminating", "Disrupting Node: Empty", none},
		{"ConsolidationCandidate", "Consolidation candidate: delete: [n1] (savings: $0.10)", none},
	} {
		e := fleet.Event{Reason: tc.reason, Note: tc.note, Controller: "karpenter", Regarding: fleet.ObjectRef{Kind: "Node",
			Name: "n1", UID: "u1"}}
		if got, ok := Keeper(e); got != tc.want || ok != (tc.want != none) {
			t.Errorf("%s %q: %+v, %t; want %+v", tc.reason, tc.note, got, ok, tc.want)
		}
		for _, forged := range []fleet.ObjectRef{{Kind: "Node", Namespace: "mallory", Name: "n1"},
			{Kind: "NodeClaim", Name: "general-x"}, {Kind: "Pod", Namespace: "shop", Name: "web"}} {
			e.Regarding = forged
			if got, ok := Keeper(e); ok {
				t.Errorf("%s on %+v keeps: %+v", tc.reason, forged, got)
			}
		}
	}
	budget := func(note string) fleet.Keeper {
		k, _ := Keeper(fleet.Event{Reason: "DisruptionBlocked", Note: note, Regarding: fleet.ObjectRef{Kind: "NodePool",
			Name: "general"}})
		return k
	}
	if k := budget("No allowed disruptions due to blocking budget"); k != (fleet.Keeper{Kind: fleet.ByPoolBudget,
		Name: "general"}) {
		t.Errorf("a pool's budget: %+v", k)
	}
	if k := budget("No allowed disruptions for disruption reason Drifted due to blocking budget"); k.Why != "drifted" {
		t.Errorf("a pool's budget for one reason: %+v", k)
	}
	if k := budget("Something else"); k != none {
		t.Errorf("something else of a pool: %+v", k)
	}
	long, _ := Keeper(fleet.Event{Reason: "DisruptionBlocked", Regarding: fleet.ObjectRef{Kind: "Node", Name: "n"},
		Note: "Pdb prevents pod evictions (PodDisruptionBudget=[" + strings.Repeat("é", 500) + "/" + strings.Repeat("x", 500) +
			" \u202eevil])"})
	if len(long.Name)+len(long.Namespace) > 2*maxKeeperName || strings.Contains(fmt.Sprintf("%+v", long), "\u202e") {
		t.Errorf("it is not clipped and cleaned: %+v", long)
	}
}

func FuzzKeeper(f *testing.F) {
	f.Add("DisruptionBlocked", "Pdb prevents pod evictions (PodDisruptionBudget=[shop/db])")
	f.Add("Unconsolidatable", `NodePool "batch" has consolidation disabled`)
	f.Add("DisruptionBlocked", "Pdb prevents pod evictions (PodDisruptionBudget=[ , ])")
	f.Fuzz(func(t *testing.T, reason, note string) {
		k, ok := Keeper(fleet.Event{Reason: reason, Note: note, Regarding: fleet.ObjectRef{Kind: "Node", Name: "n"}})
		if ok == (k == fleet.Keeper{}) {
			t.Errorf("%t of %+v", ok, k)
		}
		if len(k.Namespace) > maxKeeperName || len(k.Name) > maxKeeperName || len(k.Why) > maxKeeperWhy {
			t.Errorf("it is too long: %+v", k)
		}
	})
}

func TestStates(t *testing.T) {
	since := time.Unix(1795656653, 0).UTC()
	n := fleet.Node{Cordoned: true, Detail: fleet.Detail{Taints: []fleet.Taint{{Key: CandidateTaint, Value: "1795656653",
		Effect: "PreferNoSchedule"}}}}
	got := States(n)
	if len(got) != 2 || !got[fleet.Keeper{Kind: fleet.ByUnneeded}].Equal(since) {
		t.Errorf("states: %v", got)
	}
	for k := range got {
		if !k.State() {
			t.Errorf("%+v is no state", k)
		}
	}
	n.Taints = append(n.Taints, fleet.Taint{Key: "ToBeDeletedByClusterAutoscaler", Value: "1795656700"})
	if got := States(n); len(got) != 0 {
		t.Errorf("a node that is being ended is kept: %v", got)
	}
}

func TestLapsed(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)
	if _, ok := Lapsed(time.Time{}, now); ok {
		t.Error("something is over while nobody sees")
	}
	if _, ok := Lapsed(now.Add(-Lapse+time.Second), now); ok {
		t.Error("something is over that may have been said before anybody saw")
	}
	if before, ok := Lapsed(now.Add(-Lapse), now); !ok || !before.Equal(now.Add(-Lapse)) {
		t.Errorf("%v, %t", before, ok)
	}
}
