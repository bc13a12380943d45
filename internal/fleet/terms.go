package fleet

import (
	"slices"
	"strings"
)

// Terms are what a machine's price depends on besides its provider, region, type and capacity type: some of the
// constants, joined by commas, and an edge zone; "" for most machines.
type Terms string

// What else a price depends on.
const (
	BilledByPod       Terms = "pods"      // nobody pays for the node: its pods are billed
	BilledByHost      Terms = "host"      // it runs on a dedicated host, which is billed
	BilledAhead       Terms = "prepaid"   // it is paid in advance
	EKSAutoFee        Terms = "eks-auto"  // the fee of EKS Auto Mode comes on top
	AutopilotFee      Terms = "autopilot" // the fee of GKE Autopilot comes on top
	DedicatedHardware Terms = "dedicated" // it shares its hardware with no other customer
	WindowsLicence    Terms = "windows"   // the licence of Windows comes on top
	AttachedGPUs      Terms = "gpus"      // it has GPUs that are billed beside the machine
)

// TermNames are all constants.
var TermNames = []Terms{BilledByPod, BilledByHost, BilledAhead, EKSAutoFee, AutopilotFee, DedicatedHardware,
	WindowsLicence, AttachedGPUs}

const edge = "edge="

// Has reports whether a term is one of them.
func (t Terms) Has(term Terms) bool {
	for rest := string(t); rest != ""; {
		var one string
		if one, rest, _ = strings.Cut(rest, ","); one == string(term) {
			return true
		}
	}
	return false
}

// Edge is the zone of AWS that is no part of the region whose name it begins with, a local or a Wavelength zone, whose
// prices are its own: us-west-2-lax-1a, us-east-1-wl1-nyc-wlz-1. It is "" for any other.
func (t Terms) Edge() string {
	for part := range strings.SplitSeq(string(t), ",") {
		if zone, ok := strings.CutPrefix(part, edge); ok {
			return zone
		}
	}
	return ""
}

// Without is all but the edge zone.
func (t Terms) Without() Terms {
	if i := strings.Index(string(t), edge); i >= 0 {
		return t[:max(0, i-1)]
	}
	return t
}

// nodeBilled are the compute classes of GKE Autopilot whose nodes are billed, with a fee. Source:
// https://cloud.google.com/kubernetes-engine/pricing, in lower case.
var nodeBilled = []string{"performance", "accelerator"}

// termsOf are the terms of a node that is described otherwise.
func termsOf(n *Node) Terms {
	l := n.Labels
	autopilot := l["cloud.google.com/gke-nodepool"] != "" && strings.HasPrefix(n.Name, "gk3-")
	billed := slices.Contains(nodeBilled, strings.ToLower(l["cloud.google.com/compute-class"]))
	_, platform := platforms[n.Provider]
	auto := l[computeType] == "auto"
	var parts []string
	for _, t := range []struct {
		term Terms
		is   bool
	}{
		{BilledByPod, n.InstanceType == Fargate || n.InstanceType == VirtualNode && platform || autopilot && !billed},
		{BilledByHost, l["karpenter.k8s.aws/instance-tenancy"] == "host"},
		{BilledAhead, prepaid(l)},
		{EKSAutoFee, auto},
		{AutopilotFee, autopilot && billed},
		{DedicatedHardware, l["karpenter.k8s.aws/instance-tenancy"] == "dedicated"},
		{WindowsLicence, strings.EqualFold(n.OS, "windows")},
		{AttachedGPUs, (n.Provider == "gcp" || OfAnyCloud(n.Provider)) && attachesGPUs(n.InstanceType) && hasGPUs(n)},
	} {
		if t.is {
			parts = append(parts, string(t.term))
		}
	}
	// A comma would end it: labels of Kubernetes have none, but not every API server is Kubernetes.
	if (n.Provider == "aws" || OfAnyCloud(n.Provider)) && isEdge(n.Region, n.Zone) && !strings.Contains(n.Zone, ",") {
		parts = append(parts, edge+n.Zone)
	}
	return Terms(strings.Join(parts, ","))
}

func prepaid(labels map[string]string) bool {
	return labels["karpenter.k8s.aws/capacity-reservation-type"] == "capacity-block" ||
		labels["eks.amazonaws.com/capacityType"] == "CAPACITY_BLOCK" ||
		labels["node.alibabacloud.com/instance-charge-type"] == "PrePaid"
}

// isEdge reports whether a zone of AWS is outside the region whose name it begins with: us-west-2a is not, and
// us-west-2-lax-1a is.
func isEdge(region, zone string) bool {
	return strings.HasPrefix(zone, region+"-") && regionOf("aws", zone) == region
}

// OfAnyCloud reports whether a node may be one of any cloud, by its provider: nobody's, or one that plays clouds.
func OfAnyCloud(provider string) bool {
	return provider == "" || provider == "kind" || provider == "kwok"
}

// attachesGPUs reports whether a machine type of Google Cloud has no GPUs of its own, and may be given some: those of
// the family N1 alone. Source: https://cloud.google.com/compute/docs/gpus.
func attachesGPUs(instanceType string) bool {
	return strings.HasPrefix(instanceType, "n1-") || strings.HasPrefix(instanceType, "custom-")
}

func hasGPUs(n *Node) bool {
	return n.Capacity.GPUs > 0 || n.Labels["cloud.google.com/gke-accelerator"] != "" ||
		n.Labels["nvidia.com/gpu.product"] != "" || n.Labels["nvidia.com/gpu.count"] != "" ||
		n.Labels["nvidia.com/gpu.present"] == "true" ||
		slices.ContainsFunc(n.Taints, func(t Taint) bool { return t.Key == "nvidia.com/gpu" })
}
