package fleet

import (
	"math"
	"testing"
	"time"
)

// TestOfWait holds what events say of pods that wait, with notes as autoscalers write them: those of the recorded runs
// of Karpenter 1.14 and of the Cluster Autoscaler, and others from their sources.
func TestOfWait(t *testing.T) {
	pod := ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web-5d8-x", UID: "u"}
	refused := func(r Refusal) WaitWord { return WaitWord{Step: WaitRefused, Pod: pod, Refusal: r} }
	for _, c := range []struct {
		on           ObjectRef
		reason, note string
		want         WaitWord
		not          bool
	}{
		{on: pod, reason: "FailedScheduling", note: "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate",
			want: WaitWord{Step: WaitNoRoom, Pod: pod}},
		{on: pod, reason: "FailedScheduling", not: true,
			note: "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."},
		{on: pod, reason: "FailedScheduling", not: true,
			note: `0/3 nodes are available: persistentvolumeclaim "data" not found.`},
		{on: pod, reason: "FailedScheduling",
			note: "Failed to schedule pod, incompatible requirements, key karpenter.sh/nodepool, karpenter.sh/nodepool In " +
				"[batch] not in karpenter.sh/nodepool In [general]; incompatible requirements, key karpenter.sh/nodepool, " +
				"karpenter.sh/nodepool In [batch] not in karpenter.sh/nodepool In [brief]; all available instance types exceed " +
				"limits for nodepool (NodePool=batch)",
			want: refused(Refusal{Kind: AtLimit, By: Karpenter, Pool: "batch"})},
		{on: pod, reason: "FailedScheduling",
			note: `Failed to schedule pod, all available instance types exceed limits for nodepool: "general"; all available ` +
				`instance types exceed limits for nodepool: "burst"`,
			want: refused(Refusal{Kind: AtLimit, By: Karpenter, Pool: "burst,general"})},
		{on: pod, reason: "FailedScheduling", note: "Failed to schedule pod, node limits have been exhausted for nodepool " +
			"(NodePool=small)", want: refused(Refusal{Kind: AtLimit, By: Karpenter, Pool: "small"})},
		{on: pod, reason: "FailedScheduling",
			note: "Failed to schedule pod, nodepool requirements filtered out all available instance types (NodePool=gpu)",
			want: refused(Refusal{Kind: NoType, By: Karpenter, Pool: "gpu"})},
		{on: pod, reason: "FailedScheduling", note: "Failed to schedule pod, did not tolerate taint (taint=a=b:NoSchedule)",
			want: refused(Refusal{Kind: Unfit, By: Karpenter, Detail: "did not tolerate taint (taint=a=b:NoSchedule)"})},
		{on: pod, reason: "FailedScheduling", note: "Failed to schedule pod, the moon is full",
			want: refused(Refusal{Kind: OtherRefusal, By: Karpenter, Detail: "the moon is full"})},
		{on: pod, reason: "NotTriggerScaleUp",
			note: "pod didn't trigger scale-up: 1 node(s) didn't match Pod's node affinity/selector, 1 max node group size " +
				"reached", want: refused(Refusal{Kind: AtMaximum, By: ClusterAutoscaler})},
		{on: pod, reason: "NotTriggerScaleUp", note: "pod didn't trigger scale-up: max total nodes in cluster reached",
			want: refused(Refusal{Kind: AtTotal, By: ClusterAutoscaler})},
		{on: pod, reason: "NotTriggerScaleUp",
			note: "pod didn't trigger scale-up: 1 in backoff after failed scale-up, 2 Insufficient memory",
			want: refused(Refusal{Kind: NoLaunch, By: ClusterAutoscaler})},
		{on: pod, reason: "NotTriggerScaleUp",
			note: "pod didn't trigger scale-up (it wouldn't fit if a new node is added): 3 Insufficient nvidia.com/gpu",
			want: refused(Refusal{Kind: Unfit, By: ClusterAutoscaler, Detail: "3 Insufficient nvidia.com/gpu"})},
		{on: pod, reason: "InsufficientCapacityError",
			note: "NodeClaim gpu-p2x7k nominated for this pod failed to launch: InsufficientInstanceCapacity: We currently do " +
				"not have sufficient p4d.24xlarge capacity in the Availability Zone you requested (us-east-1a).",
			want: refused(Refusal{Kind: NoCapacity, By: Karpenter, Pool: "gpu", Detail: "p4d.24xlarge in us-east-1a"})},
		{on: pod, reason: "TriggeredScaleUp", note: "pod triggered scale-up: [{general 0->4 (max: 6)}]",
			want: WaitWord{Step: WaitComing, Pod: pod, Coming: ObjectRef{Kind: "NodeGroup", Name: "general"}}},
		{on: pod, reason: "Nominated", note: "Pod should schedule on: nodeclaim/general-abcde",
			want: WaitWord{Step: WaitComing, Pod: pod, Coming: ObjectRef{Kind: "NodeClaim", Name: "general-abcde"}}},
		{on: pod, reason: "Nominated", note: "Pod should schedule on: nodeclaim/general-abcde, node/ip-1",
			want: WaitWord{Step: WaitComing, Pod: pod, Coming: ObjectRef{Kind: "NodeClaim", Name: "general-abcde"}}},
		{on: pod, reason: "Scheduled", note: "Successfully assigned shop/web-5d8-x to ip-1",
			want: WaitWord{Step: WaitPlaced, Pod: pod}},
		{on: ObjectRef{Kind: "ReplicaSet", Namespace: "shop", Name: "web-5d8"}, reason: "SuccessfulDelete",
			note: "(combined from similar events): Deleted pod: web-5d8-y",
			want: WaitWord{Step: WaitGone, Pod: ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web-5d8-y"}}},
		{on: ObjectRef{Kind: "Deployment", Namespace: "shop", Name: "web"}, reason: "ScalingReplicaSet",
			note: "Scaled down replica set web-5d8 from 3 to 0",
			want: WaitWord{Step: WaitGone, Deleted: math.MaxInt,
				Pod: ObjectRef{Kind: "ReplicaSet", Namespace: "shop", Name: "web-5d8"}}},
		{on: ObjectRef{Kind: "Deployment", Namespace: "shop", Name: "web"}, reason: "ScalingReplicaSet",
			note: "Scaled down replica set web-5d8 from 30 to 10",
			want: WaitWord{Step: WaitGone, Deleted: 20,
				Pod: ObjectRef{Kind: "ReplicaSet", Namespace: "shop", Name: "web-5d8"}}},
		{on: ObjectRef{Kind: "Deployment", Namespace: "shop", Name: "web"}, reason: "ScalingReplicaSet",
			note: "Scaled down replica set web-5d8 to 10", not: true},
		{on: ObjectRef{Kind: "Deployment", Namespace: "shop", Name: "web"}, reason: "ScalingReplicaSet",
			note: "Scaled up replica set web-5d8 from 3 to 10", not: true},
		{on: ObjectRef{Kind: "StatefulSet", Namespace: "shop", Name: "db"}, reason: "SuccessfulDelete",
			note: "delete Pod db-2 in StatefulSet db successful",
			want: WaitWord{Step: WaitGone, Pod: ObjectRef{Kind: "Pod", Namespace: "shop", Name: "db-2"}}},
		{on: pod, reason: "Killing", note: "Stopping container web", not: true},
	} {
		e := Event{Regarding: c.on, Reason: c.reason, Note: c.note}
		got, ok := e.OfWait()
		if ok == c.not {
			t.Errorf("%s %q: %t", c.reason, c.note, ok)
		}
		if ok && got != c.want {
			t.Errorf("%s %q:\n got %+v\nwant %+v", c.reason, c.note, got, c.want)
		}
	}
}

// TestRefuses holds what events say of machines that do not come.
func TestRefuses(t *testing.T) {
	config := ObjectRef{Kind: "ConfigMap", Namespace: "kube-system", Name: "cluster-autoscaler-status"}
	for _, c := range []struct {
		on           ObjectRef
		reason, note string
		want         Refusal
		not          bool
	}{
		{on: ObjectRef{Kind: "NodeClaim", Name: "general-abcde"}, reason: "InsufficientCapacityError",
			note: "NodeClaim general-abcde event: all requested instance types were unavailable during launch",
			want: Refusal{Kind: NoCapacity, By: Karpenter, Pool: "general",
				Detail: "all requested instance types were unavailable during launch"}},
		{on: config, reason: "ScaleUpFailed",
			note: "Failed adding 3 nodes to group eks-gpu due to OutOfResource.ZONE_RESOURCE_POOL_EXHAUSTED; source errors: x",
			want: Refusal{Kind: NoCapacity, By: ClusterAutoscaler, Pool: "eks-gpu",
				Detail: "OutOfResource.ZONE_RESOURCE_POOL_EXHAUSTED; source errors: x"}},
		{on: config, reason: "ScaleUpFailed", note: "Failed adding 1 nodes to group a due to Other.QUOTA_EXCEEDED; source " +
			"errors: ", want: Refusal{Kind: NoLaunch, By: ClusterAutoscaler, Pool: "a",
			Detail: "Other.QUOTA_EXCEEDED; source errors:"}},
		{on: config, reason: "FailedToScaleUpGroup", note: "Scale-up failed for group a: access denied",
			want: Refusal{Kind: NoLaunch, By: ClusterAutoscaler, Pool: "a", Detail: "access denied"}},
		{on: config, reason: "ScaleUpTimedOut", note: "Nodes added to group a failed to register within 15m0s",
			want: Refusal{Kind: NoRegister, By: ClusterAutoscaler, Pool: "a"}},
		{on: ObjectRef{Kind: "NodePool", Name: "general"}, reason: "NodeRegistrationHealthy",
			note: "Status condition transitioned, Type: NodeRegistrationHealthy, Status: True -> False, Reason: " +
				"RegistrationFailed, Message: Failed to register node",
			want: Refusal{Kind: NoRegister, By: Karpenter, Pool: "general", Detail: "Failed to register node"}},
		{on: ObjectRef{Kind: "NodePool", Name: "general"}, reason: "NodeRegistrationHealthy", not: true,
			note: "Status condition transitioned, Type: NodeRegistrationHealthy, Status: Unknown -> True"},
		{on: ObjectRef{Kind: "Machine", Namespace: "openshift-machine-api", Name: "worker-a-x7k2p"}, reason: "FailedCreate",
			note: "error launching instance: InsufficientInstanceCapacity",
			want: Refusal{Kind: NoCapacity, By: "Machine API", Pool: "worker-a",
				Detail: "error launching instance: InsufficientInstanceCapacity"}},
		{on: config, reason: "ScaledUpGroup", note: "Scale-up: group a size set to 3 instead of 2 (max: 3)", not: true},
	} {
		got, ok := Event{Regarding: c.on, Reason: c.reason, Note: c.note}.Refuses()
		if ok == c.not {
			t.Errorf("%s %q: %t", c.reason, c.note, ok)
		}
		if ok && got != c.want {
			t.Errorf("%s %q:\n got %+v\nwant %+v", c.reason, c.note, got, c.want)
		}
	}
}

// TestHear holds which words of a wait count, in whatever order they come.
func TestHear(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0).UTC() }
	pod := ObjectRef{Kind: "Pod", Namespace: "shop", Name: "web-5d8-x"}
	limit := Refusal{Kind: AtLimit, By: Karpenter, Pool: "a"}
	type said struct {
		first, last int
		word        WaitWord
	}
	room, comes := WaitWord{Step: WaitNoRoom}, WaitWord{Step: WaitComing, Coming: ObjectRef{Kind: "NodeClaim", Name: "a-1"}}
	refuses := WaitWord{Step: WaitRefused, Refusal: limit}
	for _, c := range []struct {
		name    string
		said    []said
		want    Wait
		refused bool
	}{
		{"no answer", []said{{10, 10, room}, {10, 40, room}}, Wait{First: at(10), Last: at(40), Note: "n"}, false},
		{"refused twice", []said{{10, 10, room}, {12, 12, refuses}, {12, 312, refuses}}, Wait{First: at(10), Last: at(312),
			Note: "n", Refusal: limit, RefusedFirst: at(12), RefusedLast: at(312)}, true},
		{"comes after all", []said{{10, 10, room}, {12, 12, refuses}, {50, 50, comes}}, Wait{First: at(10), Last: at(50),
			Note: "n", Refusal: limit, RefusedFirst: at(12), RefusedLast: at(12), Coming: comes.Coming, ComingAt: at(50)}, false},
		{"and is refused again", []said{{10, 10, room}, {12, 12, refuses}, {50, 50, comes}, {12, 312, refuses}},
			Wait{First: at(10), Last: at(312), Note: "n", Refusal: limit, RefusedFirst: at(312), RefusedLast: at(312),
				Coming: comes.Coming, ComingAt: at(50)}, true},
		{"out of order", []said{{50, 50, comes}, {12, 12, refuses}, {10, 10, room}}, Wait{First: at(10), Last: at(50),
			Note: "n", Refusal: limit, RefusedFirst: at(12), RefusedLast: at(12), Coming: comes.Coming, ComingAt: at(50)}, false},
	} {
		w := Wait{Pod: pod}
		for _, s := range c.said {
			w = w.Hear(Event{Regarding: pod, Note: "n", First: at(s.first), Last: at(s.last)}, s.word)
		}
		if c.want.Pod = pod; w != c.want || w.Refused() != c.refused {
			t.Errorf("%s:\n got %+v, %t\nwant %+v", c.name, w, w.Refused(), c.want)
		}
	}
}
