package fleet

import (
	"strconv"
	"time"
)

// leavingTaints are the taints that say of a node that it is being ended, and by whom, the best proof first: the
// cloud's word before an autoscaler's. "" is nobody in particular. That the Cluster Autoscaler considers a node
// (DeletionCandidateOfClusterAutoscaler) or that the cloud recommends another one (rebalance-recommendation, which the
// Node Termination Handler answers with no more than a cordon unless told otherwise) ends nothing yet.
var leavingTaints = []struct{ key, value, by string }{
	// Source: aws-node-termination-handler, pkg/node/node.go.
	{"aws-node-termination-handler/spot-itn", "", nodeTerminationHandler},
	{"aws-node-termination-handler/scheduled-maintenance", "", nodeTerminationHandler},
	{"aws-node-termination-handler/asg-lifecycle-termination", "", nodeTerminationHandler},
	// Source: https://learn.microsoft.com/azure/aks/node-auto-drain.
	{"remediator.kubernetes.azure.com/unschedulable", "", "AKS"},
	// Source: karpenter, pkg/apis/v1/taints.go; before v1 of its API, pkg/apis/v1beta1/taints.go.
	{"karpenter.sh/disrupted", "", "Karpenter"},
	{"karpenter.sh/disruption", "disrupting", "Karpenter"},
	// Source: cluster-autoscaler, pkg/utils/taints/taints.go. The value is the moment, in Unix seconds.
	{autoscalerTaint, "", "Cluster Autoscaler"},
	// Source: cloud-provider, controllers/nodelifecycle: the machine is stopped, whoever stopped it.
	{"node.cloudprovider.kubernetes.io/shutdown", "", ""},
}

const (
	autoscalerTaint        = "ToBeDeletedByClusterAutoscaler"
	nodeTerminationHandler = "Node Termination Handler"
)

// Leaving reports whether the node itself, as it was last seen, says that it is being ended: by a taint of whoever ends
// it, or because its object is being deleted. by is who ends it, "" if the node does not say; since is when it began as
// far as the node says, else zero.
func (n Node) Leaving() (by string, since time.Time, ok bool) {
	since, ok = n.DeletedAt, !n.DeletedAt.IsZero()
	best := len(leavingTaints)
	for i := range n.Taints {
		t := &n.Taints[i]
		for rank := range best {
			if l := &leavingTaints[rank]; l.key == t.Key && (l.value == "" || l.value == t.Value) {
				by, best, ok = l.by, rank, true
				break
			}
		}
		if t.Key == autoscalerTaint {
			at := t.Since()
			if known := !at.IsZero() && !at.Before(n.CreatedAt); known && (since.IsZero() || at.Before(since)) {
				since = at
			}
		}
	}
	return by, since, ok
}

// Since is the moment that the taint's value has in Unix seconds, as the Cluster Autoscaler's have; zero if it is none.
func (t Taint) Since() time.Time {
	s, err := strconv.ParseInt(t.Value, 10, 64)
	at := time.Unix(s, 0).UTC()
	if err != nil || s <= 0 || at.Year() > 9999 {
		return time.Time{}
	}
	return at
}
