package fleet

import (
	"slices"
	"strings"
)

// What stands in the place of an instance type on a node that has none: on one that is no machine, because a service of
// the cloud runs its pods or another cluster does, and on one that is somebody's own machine.
const (
	Fargate     = "fargate"
	VirtualNode = "virtual node"
	HybridNode  = "hybrid node" // of EKS Hybrid Nodes
)

const (
	virtualTaint = "virtual-kubelet.io/provider"
	superTaint   = "eks.tke.cloud.tencent.com/eklet"
	computeType  = "eks.amazonaws.com/compute-type"
)

// virtualProviders maps what the taint of a virtual node says to our name of the provider.
var virtualProviders = map[string]string{"alibabacloud": "alibaba", "azure": "azure", "huawei": "huawei",
	"tencent": "tencent", "oci": "oracle", "oracle": "oracle", "aws": "aws"}

// Virtual reports whether the node is no machine, so that it has no type, capacity type or pool.
func (n *Node) Virtual() bool { return n.InstanceType == Fargate || n.InstanceType == VirtualNode }

// instanceTypeOf is a node's instance type, "" if nothing tells it.
func instanceTypeOf(n *Node) string {
	switch {
	case n.Labels[computeType] == "fargate" || strings.Contains(n.ProviderID, "/fargate-"):
		return Fargate
	case isVirtual(n):
		return VirtualNode
	case n.Labels[computeType] == "hybrid" || strings.HasPrefix(n.ProviderID, "eks-hybrid:"):
		return HybridNode
	}
	return believed(claims(n.Labels, instanceTypeKeys, isType))
}

func isVirtual(n *Node) bool {
	for _, k := range instanceTypeKeys {
		if v := strings.ToLower(n.Labels[k]); v == "virtual-kubelet" || v == "eklet" { // Tencent's super nodes
			return true
		}
	}
	_, role := n.Labels["node-role.kubernetes.io/virtual-node"] // OKE's
	return role || n.Labels["type"] == "virtual-kubelet" || n.Labels["liqo.io/type"] == "virtual-node" ||
		slices.ContainsFunc(n.Taints, func(t Taint) bool { return t.Key == virtualTaint || t.Key == superTaint })
}

// notTypes are what distributions and other software write where a machine's type belongs, in lower case.
var notTypes = []string{"rke2", "k3s", "k0s", "virtual-kubelet", "eklet", "kubevirt", "harvester", "hrobot", "external",
	"unknown", "none", "n/a"}

// isType reports whether the value of an instance type's label is one. On some clouds of OpenStack it is the ID of one.
func isType(v string) bool { return !slices.Contains(notTypes, strings.ToLower(v)) && !isUUID(v) }

func isUUID(v string) bool {
	parts := strings.Split(v, "-")
	if len(parts) != 5 || len(v) != 36 {
		return false
	}
	for i, p := range parts {
		if len(p) != [5]int{8, 4, 4, 4, 12}[i] || strings.Trim(strings.ToLower(p), "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}

// has is what the nodes of a provider have, so that it should be known of each.
type has struct{ spot, zones, pools bool }

// platforms are the providers whose machines have a type, and what else they have. AKS has zones in some regions, and
// there only if they were asked for. On all other platforms, on bare metal and in a cluster on one's own computer,
// what the labels do not tell is not there.
var platforms = map[string]has{
	"aws":          {spot: true, zones: true, pools: true},
	"gcp":          {spot: true, zones: true, pools: true},
	"azure":        {spot: true, pools: true},
	"alibaba":      {spot: true, zones: true, pools: true},
	"oracle":       {zones: true},
	"ibm":          {zones: true, pools: true},
	"tencent":      {pools: true},
	"huawei":       {zones: true, pools: true},
	"yandex":       {spot: true, zones: true},
	"digitalocean": {pools: true},
	"linode":       {pools: true},
	"vultr":        {pools: true},
	"scaleway":     {zones: true, pools: true},
	"civo":         {pools: true},
	"exoscale":     {},
	"hetzner":      {},
	"openstack":    {},
	"equinix":      {},
}

// Billed reports whether somebody bills the node, so that it has a price, known or not.
func (n *Node) Billed() bool {
	_, ok := platforms[n.Provider]
	return ok && n.InstanceType != HybridNode
}

// Unknown names what a node of its platform should have and nothing tells: type, capacity type, zone, pool,
// architecture. It is empty for a platform that has none of them, and for a node that is no machine.
func (n *Node) Unknown() (names []string) {
	p, ok := platforms[n.Provider]
	if !ok || n.Virtual() || n.InstanceType == HybridNode {
		return nil
	}
	for _, a := range []struct {
		name    string
		missing bool
	}{
		{"type", n.InstanceType == ""}, {"capacity type", p.spot && n.CapacityType == ""},
		{"zone", p.zones && n.Zone == ""}, {"pool", p.pools && n.Pool == ""}, {"architecture", n.Arch == ""},
	} {
		if a.missing {
			names = append(names, a.name)
		}
	}
	return names
}

// Contradiction is that two labels of a node say different things of it.
type Contradiction struct {
	What             string // type, capacity type, zone, region, pool or architecture
	Key, Value       string // the label that is believed, and what it says
	Other, Different string // the other one
	Why              string // the one is believed
}

// Contradictions are what the labels of a node, and its provider ID, say of it that cannot all be true. The name of a
// pool and its ID are none.
func (n *Node) Contradictions() (all []Contradiction) {
	compare := func(what string, cs []claim) {
		for _, c := range cs[min(1, len(cs)):] {
			if !alike(what, cs[0].value, c.value) {
				all = append(all, Contradiction{what, cs[0].key, cs[0].value, c.key, c.value, why(cs[0].key, c.key)})
			}
		}
	}
	if !n.Virtual() {
		compare("type", claims(n.Labels, instanceTypeKeys, isType))
	}
	compare("capacity type", capacityClaims(n.Labels))
	compare("zone", zones(n))
	compare("region", claims(n.Labels, regionKeys, nil))
	compare("pool", claims(n.Labels, poolKeys, nil))
	if arch := claims(n.Labels, archKeys, nil); n.Arch != "" {
		compare("architecture", append([]claim{{"the kubelet", n.Arch}}, arch...))
	}
	return all
}

// alike reports whether two values are the same but for their case, or two zones but for the region before the one:
// UK-LONDON-1-AD-1 and AD-1.
func alike(what, a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a == b || what == "zone" && (strings.HasSuffix(a, "-"+b) || strings.HasSuffix(b, "-"+a))
}

// why says why a label is believed and not another one.
func why(believed, other string) string {
	switch {
	case strings.HasPrefix(other, "beta.") || strings.HasPrefix(other, "failure-domain.beta.") || other == "agentpool" ||
		other == "karpenter.sh/provisioner-name" || other == "worker.garden.sapcloud.io/group":
		return "the other label is an old one"
	case strings.HasPrefix(believed, "karpenter.sh/"):
		return "Karpenter made the node"
	case strings.HasPrefix(believed, "scheduling.cast.ai/"):
		return "Cast AI made the node"
	case slices.Contains(spotFlags, believed):
		return "a mark of spot nodes counts more than a word"
	case believed == "the kubelet":
		return "it runs there"
	case other == "the provider ID" || strings.HasPrefix(believed, "topology.kubernetes.io/"):
		return "it is Kubernetes' own label"
	}
	return "it is the platform's own label"
}
