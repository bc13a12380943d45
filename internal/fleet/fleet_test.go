package fleet

import (
	"slices"
	"strings"
	"testing"
)

// TestScaling holds which events are kept long, and that an event in somebody's namespace tells nothing of a node.
func TestScaling(t *testing.T) {
	for _, tt := range []struct {
		kind, namespace, name, reason, controller string
		want                                      bool
	}{
		{"Node", "", "n1", "RemovingNode", "node-controller", true},
		{"Node", "", "n1", "Starting", "kubelet", false},
		{"Node", "shop", "n1", "RemovingNode", "node-controller", false},
		{"NodeClaim", "", "c1", "Launched", "karpenter", true},
		{"NodeClaim", "shop", "c1", "Launched", "karpenter", false},
		{"NodePool", "shop", "p1", "Ready", "karpenter", false},
		{"Pod", "shop", "web", "Killing", "kubelet", true},
		{"Pod", "shop", "web", "Pulled", "kubelet", false},
		{"ConfigMap", "kube-system", "cluster-autoscaler-status", "ScaledUpGroup", "", true},
		{"ConfigMap", "openshift-machine-api", "cluster-autoscaler-status", "ScaleDownEmpty", "cluster-autoscaler", true},
		{"ConfigMap", "scaling", "autoscaler", "ScaleDown", "cluster-autoscaler", true},
		{"ConfigMap", "kube-system", "other", "ScaledUpGroup", "", false},
		{"ConfigMap", "kube-system", "other", "ScaledUpGroup", "cluster-autoscaler-else", false},
		{"ConfigMap", "kube-system", "cluster-autoscaler-status", "Edited", "cluster-autoscaler", false},
		{"Machine", "openshift-machine-api", "m1", "Update", "machine-controller", false}, // at each look of its controller
		{"Job", "etl", "nightly", "Completed", "job-controller", false},
	} {
		e := Event{Regarding: ObjectRef{Kind: tt.kind, Namespace: tt.namespace, Name: tt.name}, Reason: tt.reason,
			Controller: tt.controller}
		if got := e.Scaling(); got != tt.want {
			t.Errorf("%s of %s %s/%s: %v", tt.reason, tt.kind, tt.namespace, tt.name, got)
		}
	}
}

// TestScalingCovers holds that every event that proves a cause, or takes one back, is kept long. The events are those
// of the sources: kubernetes 1.36.3, karpenter 1.14.0 and 1.15.0 with its providers, cluster-autoscaler 33c3f97,
// aws-node-termination-handler, cluster-api ae7ff04, machine-api-operator 9511961.
func TestScalingCovers(t *testing.T) {
	for kinds, reasons := range map[string]string{
		"Node": `RegisteredNode RemovingNode NodeNotReady DeletingNode DeletingNodeFailed Shutdown
			FailedDraining AwaitingVolumeDetachment NodeRepairBlocked ScaleDown ScaleDownFailed ClusterAutoscalerCleanup
			PreemptionNoticeReceived SpotInterruption RebalanceRecommendation ScheduledEvent SQSTermination Cordon
			CordonAndDrain PreDrain Uncordon RebootObserved RebootFailed`,
		"Node NodeClaim": `DisruptionTerminating ConsolidationCandidate ConsolidationRejected ConsolidationApproved
			Unconsolidatable DisruptionBlocked TerminationGracePeriodExpiring NodeRepairBlocked Finalized SpotInterrupted
			SpotRebalanceRecommendation CapacityReservationInstanceInterrupted InstanceStopping InstanceTerminating
			InstanceUnhealthy TerminatingOnInterruption`,
		"NodeClaim": `InsufficientCapacityError NodeClassNotReady Launched Registered Initialized Ready Drained VolumesDetached
			DisruptionLaunching DisruptionWaitingReadiness AsyncProvisioningFailed RebootObserved RebootFailed`,
		"NodePool": `NoCompatibleInstanceTypes NodeRegistrationHealthy DisruptionBlocked ConsolidationApproved
			ZonalShiftActive ZonalShiftCleared NodeRepairBlocked`,
		"Pod": `FailedScheduling Scheduled Nominated Evicted Disrupted InsufficientCapacityError TriggeredScaleUp
			NotTriggerScaleUp ScaleDown`,
		"HorizontalPodAutoscaler":              "SuccessfulRescale FailedRescale",
		"Deployment":                           "ScalingReplicaSet",
		"ReplicaSet Job DaemonSet StatefulSet": "SuccessfulCreate",
		"CronJob ReplicationController":        "SuccessfulCreate",
		"ConfigMap": `ScaledUpGroup FailedToScaleUpGroup ScaleUpFailed ScaleUpTimedOut FailedToRevertScaleUp
			MaxNodesTotalReached DeleteUnregistered DeleteUnregisteredFailed ClusterUnhealthy GracefulDegradationStarted
			GracefulDegradationStopped ScaleDown ScaleDownEmpty ScaleDownFailed`,
		"CapacityBuffer": "TriggeredScaleUp",
		"Machine": `Create Delete FailedCreate DrainProceeds DrainSucceeded DrainRequeued Deleted DetectedUnhealthy
			MachineDeleted SuccessfulSetNodeRef SuccessfulDrainNode FailedDrainNode MachineMarkedUnhealthy`,
		"MachineHealthCheck": "RemediationRestricted",
		"MachineDeployment":  "SuccessfulScale",
		"MachineSet":         "SuccessfulCreate SuccessfulDelete",
	} {
		for kind := range strings.FieldsSeq(kinds) {
			for reason := range strings.FieldsSeq(reasons) {
				e := Event{Regarding: ObjectRef{Kind: kind, Namespace: "kube-system"}, Reason: reason,
					Controller: "cluster-autoscaler"}
				if slices.Contains(unscoped, kind) {
					if e.Scaling() {
						t.Errorf("%s of %s in somebody's namespace is kept", reason, kind)
					}
					e.Regarding.Namespace = ""
				}
				if !e.Scaling() {
					t.Errorf("%s of %s is not kept", reason, kind)
				}
			}
		}
	}
}

// TestScalingRecorded holds which of the recorded events are not kept long: those that prove nothing of a node.
func TestScalingRecorded(t *testing.T) {
	var got []string
	for _, e := range recordedEvents(t) {
		if what := e.Regarding.Kind + " " + e.Reason; !e.Scaling() && !slices.Contains(got, what) {
			got = append(got, what)
		}
	}
	want := []string{"HorizontalPodAutoscaler FailedGetResourceMetric",
		"HorizontalPodAutoscaler FailedComputeMetricsReplicas", "Job Completed"}
	if !slices.Equal(got, want) {
		t.Errorf("not kept are %q, want %q", got, want)
	}
}
