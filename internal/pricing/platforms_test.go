package pricing

import (
	"testing"

	"rollcall/internal/fleet"
)

// Nodes as the platforms make them have prices.
func TestPlatforms(t *testing.T) {
	b := New(0, Overrides{}, day)
	for _, c := range []struct {
		name     string
		id       string
		labels   map[string]string
		capacity string
		atMost   bool
	}{
		{"EKS managed node group", "aws:///eu-west-1a/i-1",
			map[string]string{"node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/region": "eu-west-1",
				"eks.amazonaws.com/capacityType": "ON_DEMAND"}, "on-demand", false},
		{"EKS node group without a capacity type", "aws:///eu-west-1a/i-1",
			map[string]string{"node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/region": "eu-west-1",
				"eks.amazonaws.com/nodegroup": "a"}, "", true},
		{"Karpenter on EKS", "aws:///eu-west-1a/i-1",
			map[string]string{"node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/region": "eu-west-1",
				"karpenter.sh/capacity-type": "spot"}, "spot", false},
		{"EKS, zone alone", "aws:///eu-west-1a/i-1",
			map[string]string{"node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/zone": "eu-west-1a",
				"karpenter.sh/capacity-type": "on-demand"}, "on-demand", false},
		{"GKE", "gce://project/europe-west1-b/gke-1",
			map[string]string{"node.kubernetes.io/instance-type": "n2-standard-4",
				"topology.kubernetes.io/region": "europe-west1", "cloud.google.com/gke-nodepool": "a"}, "on-demand", false},
		{"GKE spot", "gce://project/europe-west1-b/gke-1",
			map[string]string{"node.kubernetes.io/instance-type": "n2-standard-4",
				"topology.kubernetes.io/region": "europe-west1", "cloud.google.com/gke-spot": "true"}, "spot", false},
		{"AKS", "azure:///subscriptions/x",
			map[string]string{"node.kubernetes.io/instance-type": "Standard_D4s_v5",
				"topology.kubernetes.io/region": "westeurope", "kubernetes.azure.com/agentpool": "a"}, "on-demand", false},
		{"AKS spot, of which the table has no price", "azure:///subscriptions/x",
			map[string]string{"node.kubernetes.io/instance-type": "Standard_D4s_v5",
				"topology.kubernetes.io/region": "westeurope", "kubernetes.azure.com/scalesetpriority": "spot"}, "spot", true},
		{"kOps", "aws:///us-east-1a/i-1",
			map[string]string{"node.kubernetes.io/instance-type": "t3.medium", "topology.kubernetes.io/region": "us-east-1",
				"kops.k8s.io/instancegroup": "nodes"}, "", true},
		{"self-managed, deprecated labels", "",
			map[string]string{"beta.kubernetes.io/instance-type": "m5.large",
				"failure-domain.beta.kubernetes.io/region": "us-east-1"}, "", true},
	} {
		n := fleet.Node{Detail: fleet.Detail{ProviderID: c.id}, Labels: c.labels}
		fleet.Describe(&n)
		if p := b.Price(n.Machine()); !p.Known || p.AtMost != c.atMost || n.CapacityType != c.capacity {
			t.Errorf("%s: %+v of %+v", c.name, p, n.Machine())
		}
	}
}
