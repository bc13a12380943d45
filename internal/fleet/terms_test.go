package fleet

import (
	"slices"
	"strings"
	"testing"
)

// TestTerms holds what else a price depends on, and what is said of nodes that are no machines.
func TestTerms(t *testing.T) {
	type labels = map[string]string
	for _, tt := range []struct {
		name string
		node Node
		want Terms
		kind string // its type
	}{
		{"an ordinary machine", Node{OS: "linux", Labels: labels{"node.kubernetes.io/instance-type": "m5.large",
			"topology.kubernetes.io/region": "us-west-2", "topology.kubernetes.io/zone": "us-west-2a",
			"karpenter.k8s.aws/instance-tenancy": "default", "karpenter.k8s.aws/capacity-reservation-type": "default"}},
			"", "m5.large"},
		{"a local zone", Node{Labels: labels{"topology.kubernetes.io/region": "us-west-2",
			"topology.kubernetes.io/zone": "us-west-2-lax-1a", "eks.amazonaws.com/nodegroup": "edge"}},
			"edge=us-west-2-lax-1a", ""},
		{"a Wavelength zone, dedicated, Windows", Node{OS: "windows", Labels: labels{
			"karpenter.k8s.aws/instance-tenancy": "dedicated", "topology.kubernetes.io/zone": "us-east-1-wl1-nyc-wlz-1"}},
			"dedicated,windows,edge=us-east-1-wl1-nyc-wlz-1", ""},
		{"a dedicated host", Node{Labels: labels{"karpenter.k8s.aws/instance-tenancy": "host"}}, BilledByHost, ""},
		{"Auto Mode", Node{Labels: labels{"eks.amazonaws.com/compute-type": "auto",
			"node.kubernetes.io/instance-type": "c6a.large"}}, EKSAutoFee, "c6a.large"},
		{"Fargate", Node{Labels: labels{"eks.amazonaws.com/compute-type": "fargate"}}, BilledByPod, Fargate},
		{"a capacity block", Node{Labels: labels{"karpenter.k8s.aws/capacity-reservation-type": "capacity-block"}},
			BilledAhead, ""},
		{"a capacity block of a node group", Node{Labels: labels{"eks.amazonaws.com/capacityType": "CAPACITY_BLOCK"}},
			BilledAhead, ""},
		{"Alibaba's subscription", Node{Labels: labels{"node.alibabacloud.com/instance-charge-type": "PrePaid"}},
			BilledAhead, ""},
		{"Autopilot", Node{Name: "gk3-shop-nap-1", Labels: labels{"cloud.google.com/gke-nodepool": "nap-1",
			"node.kubernetes.io/instance-type": "e2-standard-2"}}, BilledByPod, "e2-standard-2"},
		{"Autopilot, billed by node", Node{Name: "gk3-shop-nap-1", Labels: labels{"cloud.google.com/gke-nodepool": "nap-1",
			"cloud.google.com/compute-class": "Performance"}}, AutopilotFee, ""},
		{"an attached GPU", Node{Labels: labels{"node.kubernetes.io/instance-type": "n1-standard-4",
			"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}}, AttachedGPUs, "n1-standard-4"},
		{"an attached GPU, of which the capacity tells", Node{Detail: Detail{ProviderID: "gce://p/us-central1-a/n",
			Capacity: Resources{GPUs: 1}}, Labels: labels{"node.kubernetes.io/instance-type": "n1-standard-4"}}, AttachedGPUs,
			"n1-standard-4"},
		{"a GPU that is part of the machine", Node{Labels: labels{"node.kubernetes.io/instance-type": "g2-standard-4",
			"cloud.google.com/gke-accelerator": "nvidia-l4"}}, "", "g2-standard-4"},
		{"AKS' virtual node", Node{Labels: labels{"type": "virtual-kubelet"}, Detail: Detail{
			Taints: []Taint{{"virtual-kubelet.io/provider", "azure", "NoSchedule"}}}}, BilledByPod, VirtualNode},
		{"anybody's virtual kubelet", Node{Labels: labels{"beta.kubernetes.io/instance-type": "virtual-kubelet"}}, "",
			VirtualNode},
		{"a distribution's name", Node{Detail: Detail{ProviderID: "rke2://a"},
			Labels: labels{"node.kubernetes.io/instance-type": "rke2"}}, "", ""},
	} {
		Describe(&tt.node)
		if tt.node.Terms != tt.want || tt.node.InstanceType != tt.kind {
			t.Errorf("%s: terms %q and type %q, want %q and %q", tt.name, tt.node.Terms, tt.node.InstanceType, tt.want, tt.kind)
		}
		for _, term := range TermNames {
			if tt.node.Terms.Has(term) != slices.Contains(strings.Split(string(tt.want), ","), string(term)) {
				t.Errorf("%s has %s: %v", tt.name, term, tt.node.Terms.Has(term))
			}
		}
		without, zone, _ := strings.Cut(string(tt.want), "edge=")
		if tt.node.Terms.Edge() != zone || string(tt.node.Terms.Without()) != strings.TrimSuffix(without, ",") {
			t.Errorf("%s: edge zone %q and %q", tt.name, tt.node.Terms.Edge(), tt.node.Terms.Without())
		}
	}
}

// TestUnknown holds what is said to be unknown of a node: what its platform has.
func TestUnknown(t *testing.T) {
	type labels = map[string]string
	for _, tt := range []struct {
		name string
		node Node
		want string
	}{
		{"bare metal", Node{}, ""},
		{"kind", Node{Detail: Detail{ProviderID: "kind://docker/kind/n"}}, ""},
		{"EC2", Node{Detail: Detail{ProviderID: "aws:///us-east-1a/i-1"}}, "type capacity type pool architecture"},
		{"AKS without zones", Node{Arch: "amd64", Labels: labels{"kubernetes.azure.com/agentpool": "p",
			"node.kubernetes.io/instance-type": "Standard_D4s_v5", "topology.kubernetes.io/zone": "0"}}, ""},
		{"DigitalOcean", Node{Arch: "amd64", Labels: labels{"doks.digitalocean.com/node-pool": "p",
			"node.kubernetes.io/instance-type": "s-2vcpu-4gb"}}, ""},
		{"Fargate", Node{Arch: "amd64", Labels: labels{"eks.amazonaws.com/compute-type": "fargate"}}, ""},
		{"a hybrid node", Node{Arch: "amd64", Labels: labels{"eks.amazonaws.com/compute-type": "hybrid"},
			Detail: Detail{ProviderID: "eks-hybrid:///us-west-2/shop/mi-1"}}, ""},
	} {
		Describe(&tt.node)
		if got := strings.Join(tt.node.Unknown(), " "); got != tt.want {
			t.Errorf("%s: %q is unknown, want %q", tt.name, got, tt.want)
		}
	}
}

// TestContradictions holds which of two labels is believed, and why.
func TestContradictions(t *testing.T) {
	type labels = map[string]string
	for _, tt := range []struct {
		name   string
		labels labels
		id     string
		want   []Contradiction
	}{
		{"none", labels{"node.kubernetes.io/instance-type": "Standard_D2s_v3",
			"beta.kubernetes.io/instance-type": "standard_d2s_v3", "topology.kubernetes.io/zone": "us-east-1a",
			"topology.ebs.csi.aws.com/zone": "us-east-1a"}, "aws:///us-east-1a/i-1", nil},
		{"an old label", labels{"node.kubernetes.io/instance-type": "m5.large", "beta.kubernetes.io/instance-type": "m5.xlarge"},
			"", []Contradiction{{"type", "node.kubernetes.io/instance-type", "m5.large", "beta.kubernetes.io/instance-type",
				"m5.xlarge", "the other label is an old one"}}},
		{"a distribution's name contradicts nothing", labels{"node.kubernetes.io/instance-type": "k3s",
			"beta.kubernetes.io/instance-type": "m5.xlarge"}, "", nil},
		{"who made it", labels{"karpenter.sh/capacity-type": "on-demand", "eks.amazonaws.com/capacityType": "SPOT",
			"karpenter.sh/nodepool": "a", "eks.amazonaws.com/nodegroup": "b"}, "", []Contradiction{
			{"capacity type", "karpenter.sh/capacity-type", "on-demand", "eks.amazonaws.com/capacityType", "spot",
				"Karpenter made the node"},
			{"pool", "karpenter.sh/nodepool", "a", "eks.amazonaws.com/nodegroup", "b", "Karpenter made the node"}}},
		{"the provider ID", labels{"topology.kubernetes.io/zone": "us-east-1a"}, "aws:///us-east-1b/i-1", []Contradiction{
			{"zone", "topology.kubernetes.io/zone", "us-east-1a", "the provider ID", "us-east-1b",
				"it is Kubernetes' own label"}}},
		{"a name that ends like another", labels{"eks.amazonaws.com/nodegroup": "spot-web", "alpha.eksctl.io/nodegroup-name": "web"}, "", []Contradiction{{"pool", "eks.amazonaws.com/nodegroup", "spot-web", "alpha.eksctl.io/nodegroup-name",
			"web", "it is the platform's own label"}}},
		{"a zone without its region", labels{"topology.kubernetes.io/zone": "UK-LONDON-1-AD-1",
			"failure-domain.beta.kubernetes.io/zone": "ad-1"}, "ocid1.instance.oc1", nil},
		{"a stand-in of Cast AI", labels{"scheduling.cast.ai/spot": "true", "scheduling.cast.ai/spot-fallback": "true"}, "", nil},
	} {
		n := Node{Labels: tt.labels, Detail: Detail{ProviderID: tt.id}}
		Describe(&n)
		if got := n.Contradictions(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
