package fleet

import (
	"testing"
	"time"
)

// TestLeaving holds what a node says of its own end. The taints are those that the recorded nodes of Karpenter and of
// the Cluster Autoscaler had, and those of the handlers' sources.
func TestLeaving(t *testing.T) {
	taint := func(key, value string) Taint { return Taint{Key: key, Value: value, Effect: "NoSchedule"} }
	created := time.Date(2026, 11, 26, 1, 26, 47, 0, time.UTC)
	deleted, marked := created.Add(9*time.Minute), time.Unix(1795656673, 0).UTC()
	unschedulable := taint("node.kubernetes.io/unschedulable", "")
	for _, tt := range []struct {
		name    string
		taints  []Taint
		deleted time.Time
		by      string
		since   time.Time
		ok      bool
	}{
		{"nothing", nil, time.Time{}, "", time.Time{}, false},
		{"a pool's taint, cordoned by hand", []Taint{taint("pool", "general"), unschedulable}, time.Time{}, "",
			time.Time{}, false},
		{"not registered yet", []Taint{taint("karpenter.sh/unregistered", ""), taint("node.kubernetes.io/not-ready", "")},
			time.Time{}, "", time.Time{}, false},
		{"Karpenter", []Taint{taint("pool", "general"), taint("karpenter.sh/disrupted", "")}, time.Time{}, "Karpenter",
			time.Time{}, true},
		{"Karpenter, draining", []Taint{taint("karpenter.sh/disrupted", "")}, deleted, "Karpenter", deleted, true},
		{"Karpenter before v1", []Taint{taint("karpenter.sh/disruption", "disrupting")}, time.Time{}, "Karpenter",
			time.Time{}, true},
		{"a candidate of Karpenter before v1", []Taint{taint("karpenter.sh/disruption", "candidate")}, time.Time{}, "",
			time.Time{}, false},
		{"a candidate", []Taint{taint("DeletionCandidateOfClusterAutoscaler", "1795656653")}, time.Time{}, "",
			time.Time{}, false},
		{"Cluster Autoscaler", []Taint{taint("DeletionCandidateOfClusterAutoscaler", "1795656653"),
			taint("ToBeDeletedByClusterAutoscaler", "1795656673"), unschedulable}, time.Time{}, "Cluster Autoscaler", marked,
			true},
		{"Cluster Autoscaler, then deleted", []Taint{taint("ToBeDeletedByClusterAutoscaler", "1795656673")},
			marked.Add(time.Hour), "Cluster Autoscaler", marked, true},
		{"Cluster Autoscaler, no moment", []Taint{taint("ToBeDeletedByClusterAutoscaler", "soon")}, time.Time{},
			"Cluster Autoscaler", time.Time{}, true},
		{"Cluster Autoscaler, before the node was", []Taint{taint("ToBeDeletedByClusterAutoscaler", "1")}, time.Time{},
			"Cluster Autoscaler", time.Time{}, true},
		{"Cluster Autoscaler, no year", []Taint{taint("ToBeDeletedByClusterAutoscaler", "9223372036854775807")},
			time.Time{}, "Cluster Autoscaler", time.Time{}, true},
		{"Cluster Autoscaler, in no century", []Taint{taint("ToBeDeletedByClusterAutoscaler", "99999999999999999999")},
			deleted, "Cluster Autoscaler", deleted, true},
		{"stopped", []Taint{taint("node.cloudprovider.kubernetes.io/shutdown", "")}, time.Time{}, "", time.Time{}, true},
		{"spot", []Taint{taint("aws-node-termination-handler/spot-itn", "7370")}, time.Time{}, "Node Termination Handler",
			time.Time{}, true},
		{"maintenance", []Taint{taint("aws-node-termination-handler/scheduled-maintenance", "x")}, time.Time{},
			"Node Termination Handler", time.Time{}, true},
		{"group scales in", []Taint{taint("aws-node-termination-handler/asg-lifecycle-termination", "x")}, time.Time{},
			"Node Termination Handler", time.Time{}, true},
		{"only a recommendation", []Taint{taint("aws-node-termination-handler/rebalance-recommendation", "x")},
			time.Time{}, "", time.Time{}, false},
		{"AKS", []Taint{taint("kubernetes.azure.com/scalesetpriority", "spot"),
			taint("remediator.kubernetes.azure.com/unschedulable", "")}, time.Time{}, "AKS", time.Time{}, true},
		{"the cloud's word first", []Taint{taint("karpenter.sh/disrupted", ""),
			taint("aws-node-termination-handler/spot-itn", "7370")}, time.Time{}, "Node Termination Handler", time.Time{}, true},
		{"stopped by Karpenter", []Taint{taint("node.cloudprovider.kubernetes.io/shutdown", ""),
			taint("karpenter.sh/disrupted", "")}, time.Time{}, "Karpenter", time.Time{}, true},
		{"by a person", nil, deleted, "", deleted, true},
	} {
		n := Node{CreatedAt: created, Detail: Detail{Taints: tt.taints, DeletedAt: tt.deleted}}
		if by, since, ok := n.Leaving(); by != tt.by || !since.Equal(tt.since) || ok != tt.ok {
			t.Errorf("%s: by %q since %s, %v", tt.name, by, since, ok)
		}
	}
}
