package fleet

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// refs writes objects as Kind/[namespace/]name.
func refs(of []ObjectRef) string {
	var out []string
	for _, o := range of {
		s := o.Kind + "/"
		if o.Namespace != "" {
			s += o.Namespace + "/"
		}
		out = append(out, s+o.Name)
	}
	return strings.Join(out, " ")
}

const gceGroup = "https://www.googleapis.com/compute/v1/projects/prod/zones/europe-west1-b/instanceGroups/gke-prod-pool-1-grp"

// noteCases are notes as the controllers' sources word them, and as they were recorded.
var noteCases = []struct{ on, reason, note, want string }{
	{"Pod", "Nominated", "Pod should schedule on: nodeclaim/default-rhr4q", "NodeClaim/default-rhr4q"},
	{"Pod", "Nominated", "Pod should schedule on: nodeclaim/default-2mhpj, node/kwok-default-2mhpj-monkeyfast-3-jwmy-33",
		"NodeClaim/default-2mhpj Node/kwok-default-2mhpj-monkeyfast-3-jwmy-33"},
	{"Pod", "Nominated", "Pod should schedule on: node/ip-10-0-1-7.ec2.internal", "Node/ip-10-0-1-7.ec2.internal"},
	{"Pod", "Nominated", "Pod should schedule on: nodeclaim/", ""},
	{"Pod", "Nominated", "Pod should schedule on: nodeclaim/default-2mhpj, node/", ""},
	{"Pod", "Nominated", "Pod should schedule on: nodeclaim/default-2mh…", ""},
	{"Pod", "Scheduled", "Successfully assigned default/web-667fddc879-msvg6 to kwok-default-rhzr5-serpentbranch-1-8q3",
		"Node/kwok-default-rhzr5-serpentbranch-1-8q3"},
	{"Pod", "Scheduled", "Successfully assigned web to to n1", ""},
	{"Pod", "Scheduled", "Successfully assigned shop/to to n1", "Node/n1"},
	{"Pod", "Scheduled", "Successfully assigned shop/web to n1 and more", ""},
	{"Pod", "InsufficientCapacityError",
		"NodeClaim default-rhr4q nominated for this pod failed to launch: all requested instance types were unavailable",
		"NodeClaim/default-rhr4q"},
	{"Pod", "TriggeredScaleUp", "pod triggered scale-up: [{general 0->4 (max: 6)}]", "NodeGroup/general"},
	{"Pod", "TriggeredScaleUp", "pod triggered scale-up: [{a 0->4 (max: 6)} {b 1->2 (max: 3)} {a 4->5 (max: 6)}]",
		"NodeGroup/a NodeGroup/b"},
	{"Pod", "TriggeredScaleUp", "pod triggered scale-up: [{" + gceGroup + " 0->1 (max: 3)}]", "NodeGroup/" + gceGroup},
	{"Pod", "TriggeredScaleUp", "pod triggered scale-up: [{MachineDeployment/clusters/prod-md-0 3->4 (max: 9)}]",
		"NodeGroup/MachineDeployment/clusters/prod-md-0"},
	{"Pod", "TriggeredScaleUp", "pod triggered scale-up: [{a 0->4 (max: 6)} {aks-gene…", "NodeGroup/a"},
	{"Pod", "TriggeredScaleUp", "pod triggered scale-up: [{ 0->4 (max: 6)} {0->1 (max: 3)} {b} {}]", ""},
	{"CapacityBuffer", "TriggeredScaleUp", "capacity buffer 3 fake pods triggered scale-up: [{general 0->1 (max: 6)}]",
		"NodeGroup/general"},
	{"Node", "TriggeredScaleUp", "pod triggered scale-up: [{general 0->4 (max: 6)}]", ""},
	{"Pod", "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached", ""},
	{"ReplicaSet", "SuccessfulCreate", "Created pod: web-667fddc879-msvg6", "Pod/shop/web-667fddc879-msvg6"},
	{"ReplicaSet", "SuccessfulCreate", "(combined from similar events): Created pod: web-7b6ccb74bb-vbvp6",
		"Pod/shop/web-7b6ccb74bb-vbvp6"},
	{"ReplicaSet", "SuccessfulCreate", "Created pod: shop/web-1", "Pod/shop/web-1"},
	{"ReplicaSet", "SuccessfulCreate", "Created pod: bank/web-1", ""},
	{"ReplicaSet", "SuccessfulCreate", "Created pod: ", ""},
	{"ReplicaSet", "SuccessfulDelete", "Deleted pod: web-667fddc879-msvg6", ""},
	{"Job", "SuccessfulCreate", "Created pod: train-cld8v", "Pod/shop/train-cld8v"},
	{"DaemonSet", "SuccessfulCreate", "Created pod: agent-8ppgn", "Pod/shop/agent-8ppgn"},
	{"ReplicationController", "SuccessfulCreate", "Created pod: web-1", "Pod/shop/web-1"},
	{"StatefulSet", "SuccessfulCreate", "Create Pod db-0 in StatefulSet db successful", "Pod/shop/db-0"},
	{"StatefulSet", "SuccessfulCreate", "create Pod db-0 in StatefulSet db successful", "Pod/shop/db-0"},
	{"StatefulSet", "SuccessfulCreate", "create Claim data-db-0 Pod db-0 in StatefulSet db success", ""},
	{"CronJob", "SuccessfulCreate", "Created job nightly-29401", "Job/shop/nightly-29401"},
	{"Deployment", "ScalingReplicaSet", "Scaled up replica set web-667fddc879 from 12 to 60", "ReplicaSet/shop/web-667fddc879"},
	{"Deployment", "ScalingReplicaSet", "(combined from similar events): Scaled down replica set web-557875ccf from 7 to 6",
		"ReplicaSet/shop/web-557875ccf"},
	{"Deployment", "ScalingReplicaSet", "Scaled up replica set web-667fddc879 to 60", "ReplicaSet/shop/web-667fddc879"},
	{"Deployment", "ScalingReplicaSet", "Scaled down replica set web-667fddc879 to 0", "ReplicaSet/shop/web-667fddc879"},
	{"ConfigMap", "ScaleDown", "Scale-down: removing node general-mkrds, utilization: {0.5 0.0625 0 0 cpu 0.5}, " +
		"pods to reschedule: web-7989c4d8c6-sc7hp,web-7989c4d8c6-vlv74", "Node/general-mkrds"},
	{"ConfigMap", "ScaleDown", "Scale-down: node general-mkrds removed with drain", "Node/general-mkrds"},
	{"ConfigMap", "ScaleDown", "(combined from similar events): Scale-down: node general-tvrpq removed with drain",
		"Node/general-tvrpq"},
	{"ConfigMap", "ScaleDownEmpty", `Scale-down: removing empty node "general-2m4zr"`, "Node/general-2m4zr"},
	{"ConfigMap", "ScaleDownEmpty", "Scale-down: removing empty node general-2m4zr", "Node/general-2m4zr"},
	{"ConfigMap", "ScaleDownEmpty", `(combined from similar events): Scale-down: removing empty node "general-jlgnq"`,
		"Node/general-jlgnq"},
	{"ConfigMap", "ScaleDownEmpty", "(combined from similar events): Scale-down: empty node spot-q9lvj removed",
		"Node/spot-q9lvj"},
	{"ConfigMap", "ScaleDownEmpty", "Scale-down: empty node a removed and b removed", ""},
	{"ConfigMap", "ScaledUpGroup", "Scale-up: setting group general size to 4 instead of 0 (max: 6)", "NodeGroup/general"},
	{"ConfigMap", "ScaledUpGroup", "(combined from similar events): Scale-up: group spot size set to 4 instead of 3 (max: 4)",
		"NodeGroup/spot"},
	{"ConfigMap", "ScaledUpGroup", "Scale-up: group " + gceGroup + " size set to 1 instead of 0 (max: 3)",
		"NodeGroup/" + gceGroup},
	{"ConfigMap", "FailedToScaleUpGroup", "Scale-up failed for group general: quota exceeded: 3", "NodeGroup/general"},
	{"ConfigMap", "ScaleUpFailed", "Failed adding 3 nodes to group general due to OutOfResource.QUOTA; source errors: x",
		"NodeGroup/general"},
	{"ConfigMap", "ScaleUpTimedOut", "Nodes added to group general failed to register within 15m0s", "NodeGroup/general"},
	{"ConfigMap", "MaxNodesTotalReached", "Max total nodes in cluster reached: 9", ""},
	{"Node", "ScaleDown", "marked the node as toBeDeleted/unschedulable", ""},
	{"Node", "DeletingNode", "Deleting node n1 because it does not exist in the cloud provider", ""},
	{"Node", "DisruptionTerminating", "Disrupting Node: Underutilized", ""},
	{"NodeClaim", "DisruptionLaunching", "Launching NodeClaim: Drifted", ""}, // the reason, no name
	{"Node", "ConsolidationCandidate", "Consolidation candidate: replace: [n1] -> [1 replacement] (savings: $1.23)", ""},
	{"NodeClaim", "ConsolidationCandidate", "Consolidation candidate: replace: [n1] -> [1 replacement] (savings: $1.23)",
		"Node/n1"},
	{"NodeClaim", "ConsolidationCandidate",
		"Consolidation candidate: replace: [n2] (part of 2-node consolidation) (savings: $0.12)", "Node/n2"},
	{"Node", "ConsolidationCandidate", "Consolidation candidate: Underutilized/1f2e: delete: nodepools=[a, b]: [n1, n2] -> " +
		"[0 replacements] (savings: $0.12)", "Node/n2"},
	{"Node", "ConsolidationCandidate", "Consolidation candidate: delete: [a b c d e f g h i j] -> [1 replacement]",
		"Node/a Node/b Node/c Node/d Node/e Node/f Node/g Node/h"},
	{"Node", "ConsolidationCandidate", "Consolidation candidate: delete: a] -> [1 replacement]", ""},
	{"Node", "ConsolidationCandidate", "Consolidation candidate: delete", ""},
	{"Machine", "SuccessfulSetNodeRef", "prod-md-0-7c9f6-x7kfm", "Node/prod-md-0-7c9f6-x7kfm"},
	{"Machine", "SuccessfulSetNodeRef", "the node is set", ""},
	{"Machine", "SuccessfulDrainNode", `success draining Machine's node "n7"`, "Node/n7"},
	{"Machine", "FailedDrainNode", `error draining Machine's node "n7": a: b`, "Node/n7"},
	{"Machine", "Deleted", `Node "prod-worker-a-x7kfm" drained`, "Node/prod-worker-a-x7kfm"},
	{"Machine", "DetectedUnhealthy",
		"Machine openshift-machine-api/workers/prod-worker-a-x7kfm/ip-10-0-1-7 has unhealthy node ip-10-0-1-7",
		"Node/ip-10-0-1-7"},
	{"Machine", "DetectedUnhealthy", "Machine m has unhealthy node ", ""},
	{"MachineSet", "SuccessfulCreate", `Created Machine "prod-md-0-7c9f6-x7kfm"`, "Machine/shop/prod-md-0-7c9f6-x7kfm"},
	{"MachineDeployment", "SuccessfulCreate", "Created MachineSet shop/prod-md-0-7c9f6", "MachineSet/shop/prod-md-0-7c9f6"},
	{"MachineDeployment", "SuccessfulScale", "Scaled up MachineSet prod-md-0-7c9f6: 3 -> 4", "MachineSet/shop/prod-md-0-7c9f6"},
	{"MachineDeployment", "SuccessfulScale", "Scaled down MachineSet shop/prod-md-0-7c9f6: 4 -> 3",
		"MachineSet/shop/prod-md-0-7c9f6"},
	{"Pod", "Killing", "Stopping container app", ""},
}

func noteEvent(on, reason, note string) Event {
	e := Event{Regarding: ObjectRef{Kind: on, Name: "n1", Namespace: "shop"}, Reason: reason, Note: note,
		Controller: clusterAutoscaler}
	if slices.Contains(unscoped, on) {
		e.Regarding.Namespace = ""
	}
	return e
}

func TestNames(t *testing.T) {
	used := map[noteKey]bool{}
	for _, tt := range noteCases {
		if got := refs(noteEvent(tt.on, tt.reason, tt.note).Names()); got != tt.want {
			t.Errorf("%s of %s %q names %q, want %q", tt.reason, tt.on, tt.note, got, tt.want)
		} else if got != "" {
			used[noteKey{tt.on, tt.reason}] = true
			if e := noteEvent(tt.on, tt.reason, tt.note); !e.Scaling() {
				t.Errorf("%s of %s names something and is not kept", tt.reason, tt.on)
			}
		}
	}
	for key, forms := range noteForms {
		if !used[key] || len(forms) == 0 {
			t.Errorf("no case has a note of %s of %s", key.reason, key.kind)
		}
	}
}

// recordedEvents are the events that a real Karpenter and a real Cluster Autoscaler led to, each note once, without
// what no test here needs.
func recordedEvents(t testing.TB) (events []Event) {
	text, err := os.ReadFile("testdata/recorded.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 6 {
			t.Fatalf("%d fields: %q", len(f), line)
		}
		events = append(events, Event{Regarding: ObjectRef{Kind: f[0], Namespace: f[1], Name: f[2]}, Reason: f[3],
			Controller: f[4], Note: f[5]})
	}
	return events
}

// TestNamesRecorded holds that of the recorded events every one with a name names an object that was there, and the
// others none.
func TestNamesRecorded(t *testing.T) {
	events := recordedEvents(t)
	there := map[ObjectRef]bool{{Kind: "NodeGroup", Name: "general"}: true, {Kind: "NodeGroup", Name: "spot"}: true}
	for _, e := range events {
		there[e.Regarding] = true
	}
	got := map[string]int{}
	for _, e := range events {
		var kinds strings.Builder
		for _, ref := range e.Names() {
			if !there[ref] {
				t.Errorf("%s %q names %s, which never was", e.Reason, e.Note, refs([]ObjectRef{ref}))
			}
			kinds.WriteString(" " + ref.Kind)
		}
		if kinds.String() != "" {
			got[e.Regarding.Kind+" "+e.Reason+":"+kinds.String()]++
		}
	}
	want := map[string]int{
		"Pod Scheduled: Node": 278, "Pod Nominated: NodeClaim": 0, "Pod Nominated: NodeClaim Node": 0,
		"Pod TriggeredScaleUp: NodeGroup": 28, "ReplicaSet SuccessfulCreate: Pod": 174, "DaemonSet SuccessfulCreate: Pod": 7,
		"StatefulSet SuccessfulCreate: Pod": 3, "Job SuccessfulCreate: Pod": 4, "Deployment ScalingReplicaSet: ReplicaSet": 38,
		"ConfigMap ScaleDown: Node": 4, "ConfigMap ScaleDownEmpty: Node": 14, "ConfigMap ScaledUpGroup: NodeGroup": 12,
		"NodeClaim ConsolidationCandidate: Node": 3,
	}
	if n := got["Pod Nominated: NodeClaim"] + got["Pod Nominated: NodeClaim Node"]; n != 70 {
		t.Errorf("%d nominations, want 70", n)
	}
	for key, n := range want {
		if n != 0 && got[key] != n || got[key] == 0 {
			t.Errorf("%s: %d, want %d", key, got[key], n)
		}
	}
	for key, n := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: %d, want none", key, n)
		}
	}
}

// TestNamesAllocates holds that an event whose note names nothing costs nothing, and any other one list.
func TestNamesAllocates(t *testing.T) {
	for _, tt := range []struct {
		e    Event
		want float64
	}{
		{noteEvent("Pod", "Killing", "Stopping container app"), 0},
		{noteEvent("Node", "DisruptionTerminating", "Disrupting Node: Empty"), 0},
		{noteEvent("Pod", "Scheduled", "Successfully assigned shop/web to n1"), 1},
		{noteEvent("Pod", "Nominated", "Pod should schedule on: nodeclaim/default-2mhpj, node/kwok-1"), 1},
		{noteEvent("Deployment", "ScalingReplicaSet", "Scaled up replica set web-667fddc879 to 60"), 1},
		{noteEvent("Pod", "TriggeredScaleUp", "pod triggered scale-up: [{general 0->4 (max: 6)}]"), 1},
	} {
		if got := testing.AllocsPerRun(100, func() { tt.e.Names() }); got != tt.want {
			t.Errorf("%s: %v allocations, want %v", tt.e.Reason, got, tt.want)
		}
	}
}

func BenchmarkNames(b *testing.B) {
	e := noteEvent("ReplicaSet", "SuccessfulCreate", "(combined from similar events): Created pod: web-7b6ccb74bb-vbvp6")
	b.ReportAllocs()
	for b.Loop() {
		e.Names()
	}
}

// FuzzNames holds that whatever a note says, it names few objects, that each name is one and stands in the note, and
// that none is in another namespace than the event's.
func FuzzNames(f *testing.F) {
	for _, tt := range noteCases {
		f.Add(tt.on, tt.reason, tt.note)
	}
	for _, s := range []string{"[{", "[{}", "} -> [", "]", "Pod should schedule on: nodeclaim/, node/",
		"Consolidation candidate: ] -> [", "Consolidation candidate: [,,, ] (savings: ", `Node "" drained`, `Node " drained`} {
		f.Add("Pod", "TriggeredScaleUp", "pod triggered scale-up: "+s)
		f.Add("Node", "ConsolidationCandidate", s)
		f.Add("Machine", "Deleted", s)
	}
	f.Fuzz(func(t *testing.T, on, reason, note string) {
		e := noteEvent(on, reason, note)
		got := e.Names()
		if len(got) > maxNamed {
			t.Errorf("%d objects", len(got))
		}
		for _, ref := range got {
			if ref.Kind == "" || ref.Name == "" || !strings.Contains(note, ref.Name) || ref == e.Regarding ||
				ref.UID != "" || strings.ContainsAny(ref.Name, "\n\"{}…") {
				t.Errorf("%q names %+v", note, ref)
			}
			scoped := !slices.Contains([]string{"Node", "NodeClaim", "NodeGroup"}, ref.Kind)
			if scoped != (ref.Namespace != "") || scoped && ref.Namespace != e.Regarding.Namespace {
				t.Errorf("%q names %s in %q", note, fmt.Sprint(ref), ref.Namespace)
			}
		}
	})
}
