package cause

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"rollcall/internal/cause/causetest"
	"rollcall/internal/fleet"
)

var born = time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)

// gone is when the node of these tests left.
var gone = born.Add(10 * time.Hour)

func at(minutes int) time.Time { return gone.Add(time.Duration(minutes) * time.Minute) }

func theNode(more ...func(*fleet.Node)) fleet.Node {
	n := fleet.Node{Cluster: "prod", UID: "u1", Name: "n1", CreatedAt: born, CapacityType: "on-demand", Pool: "general"}
	for _, f := range more {
		f(&n)
	}
	return n
}

func tainted(key, value string) func(*fleet.Node) {
	return func(n *fleet.Node) {
		n.Taints = append(n.Taints, fleet.Taint{Key: key, Value: value, Effect: "NoSchedule"})
	}
}

func spotty(n *fleet.Node) { n.CapacityType = "spot" }

func claimed1(n *fleet.Node) {
	n.Owner = fleet.ObjectRef{Kind: "NodeClaim", Name: "general-abcde", UID: "c1"}
}

// unready is a node of a cloud that was not ready for so long when it began to be ended.
func unready(cloud string, lasted time.Duration) func(*fleet.Node) {
	return func(n *fleet.Node) {
		n.Provider, n.DeletedAt = cloud, at(-5)
		n.Ready = fleet.Condition{Status: fleet.ReadyUnknown, Since: at(-5).Add(-lasted)}
	}
}

func machined(n *fleet.Node) {
	n.Owner = fleet.ObjectRef{Kind: "Machine", Namespace: "openshift-machine-api", Name: "worker-1"}
}

var serial int

// on is an event on an object, minutes after the node left.
func on(kind, reason, note string, minutes int) fleet.Event {
	serial++
	e := fleet.Event{Cluster: "prod", UID: fmt.Sprint("e", serial), Reason: reason, Note: note, Count: 1, First: at(minutes),
		Last: at(minutes), Regarding: fleet.ObjectRef{Kind: kind, Name: "n1", UID: "u1"}}
	switch kind {
	case "NodeClaim":
		e.Regarding.Name, e.Regarding.UID = "general-abcde", "c1"
	case "ConfigMap":
		e.Regarding = fleet.ObjectRef{Kind: kind, Namespace: "kube-system", Name: "cluster-autoscaler-status"}
	case "Machine":
		e.Regarding = fleet.ObjectRef{Kind: kind, Namespace: "openshift-machine-api", Name: "worker-1"}
	}
	e.Controller = "karpenter"
	return e
}

func node(reason, note string, minutes int) fleet.Event { return on("Node", reason, note, minutes) }

func repeated(e fleet.Event, count int, until int) fleet.Event {
	e.Count, e.Last = count, at(until)
	return e
}

func of(e fleet.Event, uid string) fleet.Event {
	e.Regarding.UID = uid
	return e
}

func in(e fleet.Event, namespace string) fleet.Event {
	e.Regarding.Namespace = namespace
	return e
}

const (
	unixBefore = "1764180000" // before the node was there
	caTaint    = "ToBeDeletedByClusterAutoscaler"
	kTaint     = "karpenter.sh/disrupted"
	marked     = "marked the node as toBeDeleted/unschedulable"
)

// Each row of CAUSES.md that proves why a node went, takes that back, or proves nothing.
func TestWent(t *testing.T) {
	nothing := fleet.Cause{}
	karpenterOf := func(kind fleet.CauseKind) fleet.Cause { return fleet.Cause{Kind: kind, By: karpenter} }
	caOf := func(kind fleet.CauseKind) fleet.Cause { return fleet.Cause{Kind: kind, By: autoscaler} }
	spot := fleet.Cause{Kind: fleet.SpotInterruption}
	for name, test := range map[string]struct {
		node   fleet.Node
		events []fleet.Event
		claim  *fleet.Claim
		want   fleet.Cause
	}{
		"nothing": {theNode(), nil, nil, nothing},
		// Karpenter's own reasons.
		"Karpenter: empty": {theNode(), []fleet.Event{node("DisruptionTerminating", "Disrupting Node: Empty", -1)}, nil,
			karpenterOf(fleet.Empty)},
		"on its NodeClaim alone": {theNode(claimed1),
			[]fleet.Event{on("NodeClaim", "DisruptionTerminating", "Disrupting NodeClaim: Underutilized", -1)}, nil,
			karpenterOf(fleet.Underutilized)},
		"as Karpenter 1.0 says it": {theNode(),
			[]fleet.Event{node("DisruptionTerminating", "Disrupting Node: Underutilized/Replace", -1)}, nil,
			karpenterOf(fleet.Underutilized)},
		"drift, which one is not said": {theNode(),
			[]fleet.Event{node("DisruptionTerminating", "Disrupting Node: Drifted", -1)}, nil, karpenterOf(fleet.Drifted)},
		"which drift, from the NodeClaim": {theNode(claimed1),
			[]fleet.Event{node("DisruptionTerminating", "Disrupting Node: Drifted", -1)},
			&fleet.Claim{Name: "general-abcde", UID: "c1", Drift: "AMIDrift"},
			fleet.Cause{Kind: fleet.Drifted, By: karpenter, Why: "AMIDrift"}},
		"Karpenter 1.15 repairs": {theNode(), []fleet.Event{node("DisruptionTerminating", "Disrupting Node: Unhealthy", -1)},
			nil, karpenterOf(fleet.Repair)},
		"before 1.15 it repaired what was not ready for so long": {theNode(claimed1, unready("aws", 30*time.Minute)), nil, nil,
			fleet.Cause{Kind: fleet.Repair, By: karpenter, Why: "not ready for 30 minutes"}},
		"elsewhere for another time": {theNode(claimed1, unready("azure", 10*time.Minute+40*time.Second)), nil, nil,
			fleet.Cause{Kind: fleet.Repair, By: karpenter, Why: "not ready for 10 minutes"}},
		"for an agent's condition": {theNode(claimed1, unready("aws", 4*time.Minute), func(n *fleet.Node) {
			n.Problems = []fleet.Problem{{Type: "AcceleratedHardwareReady", Since: n.DeletedAt.Add(-10*time.Minute - time.Second)}}
		}), nil, nil, fleet.Cause{Kind: fleet.Repair, By: karpenter, Why: "not AcceleratedHardwareReady for 10 minutes"}},
		"it was not ready for longer": {theNode(claimed1, unready("aws", 32*time.Minute)), nil, nil, karpenterOf(fleet.NotSaid)},
		"or not so long":              {theNode(claimed1, unready("aws", 29*time.Minute)), nil, nil, karpenterOf(fleet.NotSaid)},
		"nobody knows for how long":   {theNode(claimed1, unready("gcp", 30*time.Minute)), nil, nil, karpenterOf(fleet.NotSaid)},
		"Karpenter says why it went": {theNode(claimed1, unready("aws", 30*time.Minute)),
			[]fleet.Event{node("DisruptionTerminating", "Disrupting Node: Drifted", -1)}, nil, karpenterOf(fleet.Drifted)},
		"a reason that nobody knows": {theNode(),
			[]fleet.Event{node("DisruptionTerminating", "Disrupting Node: Moon Phase", -1)}, nil,
			fleet.Cause{Kind: fleet.OtherDisruption, By: karpenter, Why: "moon phase"}},
		"a note without a reason": {theNode(), []fleet.Event{node("DisruptionTerminating", "Disrupting Node", -1)}, nil,
			karpenterOf(fleet.NotSaid)},
		"the last statement counts": {theNode(), []fleet.Event{node("DisruptionTerminating", "Disrupting Node: Empty", -60),
			node("DisruptionTerminating", "Disrupting Node: Drifted", -10)}, nil, karpenterOf(fleet.Drifted)},
		"case 01: Karpenter's own termination is no interruption": {theNode(), []fleet.Event{
			node("DisruptionTerminating", "Disrupting Node: Empty/Delete", -3),
			node("FailedDraining", "Failed to drain node, 2 pods are waiting to be evicted", -2),
			node("InstanceTerminating", "Instance is terminating", -1), node("NodeNotReady", "", -1)}, nil,
			karpenterOf(fleet.Empty)},
		"case 01: and neither is that of a node deleted by hand": {theNode(), []fleet.Event{
			node("FailedDraining", "Failed to drain node, 2 pods are waiting to be evicted", -2),
			node("InstanceTerminating", "Instance is terminating", -1)}, nil, karpenterOf(fleet.NotSaid)},
		"ended outside": {theNode(), []fleet.Event{node("InstanceTerminating", "Instance is terminating", -1)}, nil,
			fleet.Cause{Kind: fleet.EndedOutside}},
		"ended outside, which Karpenter follows": {theNode(tainted(kTaint, "")), []fleet.Event{
			node("InstanceStopping", "Instance is stopping", -3),
			node("TerminatingOnInterruption", "Interruption triggered termination for the Node", -3),
			node("FailedDraining", "Failed to drain node, 1 pods are waiting to be evicted", -2)}, nil,
			fleet.Cause{Kind: fleet.EndedOutside}},
		"case 05: a drain of 40 minutes": {theNode(), []fleet.Event{
			node("DisruptionTerminating", "Disrupting Node: Drifted", -40),
			repeated(node("FailedDraining", "Failed to drain node, 1 pods are waiting to be evicted", -39), 80, -1),
			repeated(node("DisruptionBlocked", "Node is deleting or marked for deletion", -38), 4, -2)}, nil,
			karpenterOf(fleet.Drifted)},
		"a drain of nine hours": {theNode(), []fleet.Event{node("DisruptionTerminating", "Disrupting Node: Drifted", -540)}, nil,
			karpenterOf(fleet.Drifted)},
		"a candidate is no removal": {theNode(), []fleet.Event{node("ConsolidationCandidate",
			"Consolidation candidate: delete: [n1] -> [0 replacements] (savings: $0.31)", -5)}, nil, nothing},
		"consequences are no causes": {theNode(), []fleet.Event{node("RemovingNode", "", 0), node("Finalized", "", 0),
			node("NodeNotReady", "", -1), node("Unconsolidatable", "Can't replace with a cheaper node", -9)}, nil, nothing},
		// Karpenter is silent.
		"the removal taint alone": {theNode(tainted(kTaint, "")), nil, nil, karpenterOf(fleet.NotSaid)},
		"deleted, and owned by a NodeClaim": {theNode(claimed1, func(n *fleet.Node) { n.DeletedAt = at(-5) }), nil, nil,
			karpenterOf(fleet.NotSaid)},
		"expired, as the NodeClaim says": {theNode(claimed1, tainted(kTaint, "")), nil,
			&fleet.Claim{Name: "general-abcde", UID: "c1", CreatedAt: born, ExpireAfter: 9 * time.Hour, DeletedAt: at(-30)},
			karpenterOf(fleet.Expired)},
		"deleted by a person before it expired": {theNode(claimed1, tainted(kTaint, "")), nil,
			&fleet.Claim{Name: "general-abcde", UID: "c1", CreatedAt: born, ExpireAfter: 24 * time.Hour, DeletedAt: at(-30)},
			karpenterOf(fleet.NotSaid)},
		"repaired, as the NodeClaim says": {theNode(claimed1, tainted(kTaint, "")), nil,
			&fleet.Claim{Name: "general-abcde", UID: "c1", CreatedAt: born, DeletedAt: at(-30), ForcedBy: at(-30)},
			karpenterOf(fleet.Repair)},
		"its disruption, as the NodeClaim says": {theNode(claimed1, tainted(kTaint, "")), nil,
			&fleet.Claim{Name: "general-abcde", UID: "c1", CreatedAt: born, DeletedAt: at(-30), Disruption: "Drifted"},
			karpenterOf(fleet.Drifted)},
		// The cloud.
		"spot, by Karpenter on AWS": {theNode(), []fleet.Event{node("SpotInterrupted", "Spot interruption warning was triggered", -2),
			node("TerminatingOnInterruption", "Interruption triggered termination for the Node", -2),
			node("InstanceTerminating", "Instance is terminating", -1)}, nil, spot},
		"spot outweighs the disruption that was on its way": {theNode(), []fleet.Event{
			node("DisruptionTerminating", "Disrupting Node: Drifted", -9), node("SpotInterrupted", "", -2)}, nil, spot},
		"case 02: spot, by the Node Termination Handler": {theNode(), []fleet.Event{node("SpotInterruption",
			"Spot ITN received. Instance will be interrupted at 2026-11-26T19:00:00Z", -2), node("CordonAndDrain", "", -2),
			node("DeletingNode", "Deleting node n1 because it does not exist in the cloud provider", 0)}, nil, spot},
		"spot, by its taint": {theNode(tainted("aws-node-termination-handler/spot-itn", "i-1")), nil, nil, spot},
		"spot, on Google Cloud": {theNode(), []fleet.Event{node("PreemptionNoticeReceived",
			"GCE signaled an imminent Spot preemption for the Node", -1)}, nil, spot},
		"a rebalance recommendation is a hint": {theNode(tainted("aws-node-termination-handler/rebalance-recommendation", "x")),
			[]fleet.Event{node("SpotRebalanceRecommendation", "Spot rebalance recommendation was triggered", -9),
				node("RebalanceRecommendation", "", -9)}, nil, nothing},
		"reserved capacity": {theNode(), []fleet.Event{node("CapacityReservationInstanceInterrupted",
			"Capacity Reservation interruption warning was triggered", -9)}, nil, fleet.Cause{Kind: fleet.ReservationEnded}},
		"unhealthy, says EC2": {theNode(), []fleet.Event{node("InstanceUnhealthy",
			"An unhealthy warning was triggered for the instance", -9), node("TerminatingOnInterruption", "", -9)}, nil,
			fleet.Cause{Kind: fleet.UnhealthyMachine}},
		"an interruption of which kind is lost": {theNode(tainted(kTaint, "")), []fleet.Event{
			node("TerminatingOnInterruption", "Interruption triggered termination for the Node", -9)}, nil,
			fleet.Cause{Kind: fleet.OtherDisruption, By: "the cloud", Why: "interruption"}},
		"maintenance": {theNode(), []fleet.Event{node("ScheduledEvent", "", -9)}, nil, fleet.Cause{Kind: fleet.ScheduledEvent}},
		"an Auto Scaling group": {theNode(tainted("aws-node-termination-handler/asg-lifecycle-termination", "x")), nil, nil,
			fleet.Cause{Kind: fleet.EndedOutside, By: "its Auto Scaling group"}},
		"AKS drains a spot machine": {theNode(spotty, tainted("remediator.kubernetes.azure.com/unschedulable", "")), nil, nil,
			fleet.Cause{Kind: fleet.ScheduledEvent, By: "AKS", Why: "spot"}},
		"the machine was gone first": {theNode(), []fleet.Event{node("DeletingNode",
			"Deleting node n1 because it does not exist in the cloud provider", 0)}, nil, fleet.Cause{Kind: fleet.MachineGone}},
		"a spot machine was gone first": {theNode(spotty), []fleet.Event{node("DeletingNode", "", 0)}, nil,
			fleet.Cause{Kind: fleet.MachineGone, Why: "spot"}},
		"it could not be deleted": {theNode(), []fleet.Event{node("DeletingNodeFailed", "Failed deleting node n1: x", 0)}, nil,
			nothing},
		"shut down in order, on GKE's spot": {theNode(spotty), []fleet.Event{of(node("Shutdown",
			"Shutdown manager detected shutdown event", -1), "n1")}, nil, fleet.Cause{Kind: fleet.ShutDown, Why: "spot"}},
		"a shutdown that was cancelled": {theNode(), []fleet.Event{node("Shutdown",
			"Shutdown manager detected shutdown event", -9), node("Shutdown", "Shutdown manager detected shutdown cancellation", -8)},
			nil, nothing},
		// The Cluster Autoscaler.
		"its intent alone": {theNode(), []fleet.Event{node("ScaleDown", marked, -2)}, nil, nothing},
		"its intent, with the taint to the last": {theNode(tainted(caTaint, "1795718280")), []fleet.Event{
			node("ScaleDown", marked, -2)}, nil, caOf(fleet.NotSaid)},
		"case 04: given up": {theNode(), []fleet.Event{repeated(node("ScaleDown", marked, -300), 300, -3),
			repeated(node("ScaleDownFailed", "failed to drain the node, aborting ScaleDown", -300), 300, -3)}, nil, nothing},
		"given up, and taken up again": {theNode(tainted(caTaint, "1795718280")), []fleet.Event{node("ScaleDown", marked, -60),
			node("ScaleDownFailed", "failed to drain and delete node: x", -50),
			repeated(node("ScaleDown", marked, -60), 2, -2)}, nil, caOf(fleet.NotSaid)},
		"begun anew, where the word that it was given up is lost": {theNode(tainted(caTaint, fmt.Sprint(at(-1).Unix()))),
			[]fleet.Event{on("ConfigMap", "ScaleDown",
				"Scale-down: removing node n1, utilization: {0.5 0.06 0 0 cpu 0.5}, pods to reschedule: web-1", -60)}, nil,
			caOf(fleet.NotSaid)},
		"taken back": {theNode(), []fleet.Event{node("ScaleDown", marked, -60),
			node("ClusterAutoscalerCleanup", "marked the node as schedulable", -50)}, nil, nothing},
		"done": {theNode(), []fleet.Event{node("ScaleDown", "nodes removed by cluster autoscaler", 0)}, nil,
			caOf(fleet.NotSaid)},
		"empty, says its ConfigMap": {theNode(), []fleet.Event{on("ConfigMap", "ScaleDownEmpty",
			"Scale-down: empty node n1 removed", 0)}, nil, caOf(fleet.Empty)},
		"combined": {theNode(), []fleet.Event{on("ConfigMap", "ScaleDownEmpty",
			"(combined from similar events): Scale-down: empty node n1 removed", 0)}, nil, caOf(fleet.Empty)},
		"drained, says its ConfigMap": {theNode(), []fleet.Event{on("ConfigMap", "ScaleDown",
			"Scale-down: removing node n1, utilization: {0.5 0.06 0 0 cpu 0.5}, pods to reschedule: web-1", -2),
			on("ConfigMap", "ScaleDown", "Scale-down: node n1 removed with drain", 0)}, nil, caOf(fleet.Underutilized)},
		"announced by the ConfigMap, and given up": {theNode(), []fleet.Event{on("ConfigMap", "ScaleDownEmpty",
			`Scale-down: removing empty node "n1"`, -9), node("ScaleDownFailed", "x", -8)}, nil, nothing},
		"the ConfigMap of a user's namespace": {theNode(), []fleet.Event{in(on("ConfigMap", "ScaleDownEmpty",
			"Scale-down: empty node n1 removed", 0), "mallory")}, nil, nothing},
		"it was considered": {theNode(tainted("DeletionCandidateOfClusterAutoscaler", unixBefore)), nil, nil, nothing},
		// Health checks.
		"OpenShift's health check": {theNode(machined), []fleet.Event{
			on("Machine", "DetectedUnhealthy", "Machine openshift-machine-api/worker-1 has unhealthy node n1", -9),
			on("Machine", "MachineDeleted", "Machine openshift-machine-api/worker-1 has been remediated by requesting to delete "+
				"Machine object", -8)}, nil, fleet.Cause{Kind: fleet.Repair, By: "MachineHealthCheck"}},
		"unhealthy, and not remediated": {theNode(machined), []fleet.Event{
			on("Machine", "DetectedUnhealthy", "Machine openshift-machine-api/worker-1 has unhealthy node n1", -9)}, nil, nothing},
		"Cluster API's health check": {theNode(machined), []fleet.Event{on("Machine", "MachineMarkedUnhealthy",
			"Machine worker-1 has been marked as unhealthy by default/mhc", -8)}, nil,
			fleet.Cause{Kind: fleet.Repair, By: "MachineHealthCheck"}},
		// Identity.
		"another life of the name": {theNode(), []fleet.Event{of(node("SpotInterrupted", "", -2), "u0")}, nil, nothing},
		"a kubelet's UID is the name": {theNode(), []fleet.Event{of(node("Shutdown",
			"Shutdown manager detected shutdown event", -1), "n1")}, nil, fleet.Cause{Kind: fleet.ShutDown}},
		"without a UID, and older than the node": {theNode(), []fleet.Event{repeated(of(node("SpotInterrupted", "", -700), ""),
			2, -1)}, nil, nothing},
		"after the node":         {theNode(), []fleet.Event{node("SpotInterrupted", "", 5)}, nil, nothing},
		"seconds after the node": {theNode(), []fleet.Event{repeated(node("SpotInterrupted", "", -1), 1, 0)}, nil, spot},
	} {
		t.Run(name, func(t *testing.T) {
			evidence := &causetest.Evidence{Events: test.events}
			if test.claim != nil {
				evidence.Claims = []fleet.Claim{*test.claim}
			}
			e, err := Went(t.Context(), test.node, gone, evidence)
			if err != nil || e.Cause != test.want {
				t.Errorf("%+v, want %+v (%v)", e.Cause, test.want, err)
			}
			if e.IsZero() != (e.Strength == 0) {
				t.Errorf("the strength of %+v is %d", e.Cause, e.Strength)
			}
			// Whatever the order in which they come, and with those of other nodes between them.
			r := rand.New(rand.NewPCG(1, 1))
			for range 5 {
				other := node("SpotInterrupted", "", -1)
				other.Regarding.Name, other.Regarding.UID = "n2", "u2"
				evidence.Events = append(evidence.Events, other)
				r.Shuffle(len(evidence.Events), func(i, j int) {
					evidence.Events[i], evidence.Events[j] = evidence.Events[j], evidence.Events[i]
				})
				if again, err := Went(t.Context(), test.node, gone, evidence); err != nil || again.Cause != e.Cause {
					t.Errorf("in another order it is %+v, not %+v (%v)", again.Cause, e.Cause, err)
				}
			}
		})
	}
}

func TestDrainAndSaving(t *testing.T) {
	for name, test := range map[string]struct {
		node   fleet.Node
		events []fleet.Event
		since  time.Time
		saving float64
	}{
		"from Karpenter's first word": {theNode(), []fleet.Event{
			node("ConsolidationCandidate", "Consolidation candidate: delete: [n1] (savings: $0.31)", -135),
			node("DisruptionTerminating", "Disrupting Node: Underutilized", -130)}, at(-130), 0.31},
		"from the Cluster Autoscaler's taint": {theNode(tainted(caTaint, fmt.Sprint(at(-20).Unix()))), []fleet.Event{
			on("ConfigMap", "ScaleDown", "Scale-down: node n1 removed with drain", 0)}, at(-20), 0},
		"from its intent": {theNode(tainted(caTaint, "x")), []fleet.Event{node("ScaleDown", marked, -12),
			on("ConfigMap", "ScaleDown", "Scale-down: node n1 removed with drain", 0)}, at(-12), 0},
		"from the deletion of the object": {theNode(claimed1, func(n *fleet.Node) { n.DeletedAt = at(-50) }), nil, at(-50), 0},
		"the saving of several nodes is not this one's": {theNode(), []fleet.Event{
			node("ConsolidationCandidate", "Consolidation candidate: delete: [n1] (part of 2-node consolidation) "+
				"(savings: $0.12)", -6), node("DisruptionTerminating", "Disrupting Node: Empty", -5)}, at(-5), 0},
		"a saving that is none": {theNode(), []fleet.Event{
			node("ConsolidationCandidate", "Consolidation candidate: delete: [n1] (savings: $-x)", -6),
			node("DisruptionTerminating", "Disrupting Node: Empty", -5)}, at(-5), 0},
	} {
		e, err := Went(t.Context(), test.node, gone, &causetest.Evidence{Events: test.events})
		if err != nil || !e.Since.Equal(test.since) || e.SavingUSD != test.saving {
			t.Errorf("%s: since %v, saves %v, want %v and %v (%v)", name, e.Since, e.SavingUSD, test.since, test.saving, err)
		}
	}
}

// What is lost only makes a cause weaker: no part of the evidence proves another one than the whole.
func TestLostEvidence(t *testing.T) {
	full := []fleet.Event{node("DisruptionTerminating", "Disrupting Node: Drifted", -40),
		on("NodeClaim", "DisruptionTerminating", "Disrupting NodeClaim: Drifted", -40),
		repeated(node("FailedDraining", "Failed to drain node, 1 pods are waiting to be evicted", -39), 80, -1),
		node("InstanceTerminating", "Instance is terminating", -1), node("RemovingNode", "", 0)}
	for lost := range 1 << len(full) {
		var some []fleet.Event
		for i, e := range full {
			if lost>>i&1 == 0 {
				some = append(some, e)
			}
		}
		e, err := Went(t.Context(), theNode(claimed1, tainted(kTaint, "")), gone, &causetest.Evidence{Events: some})
		if err != nil || e.By != karpenter || e.Kind != fleet.Drifted && e.Kind != fleet.NotSaid {
			t.Errorf("with %d events: %+v (%v)", len(some), e.Cause, err)
		}
	}
}
