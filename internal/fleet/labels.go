package fleet

import "strings"

// The label keys below are those that the platforms put on nodes themselves, so that nobody
// has to configure them. In each list the first key that has a value wins: current names come
// before the deprecated ones that they replaced, and the autoscaler that made the node comes
// before the platform that it runs on.
var (
	instanceTypeKeys = []string{
		"node.kubernetes.io/instance-type",
		"beta.kubernetes.io/instance-type",
		"ibm-cloud.kubernetes.io/machine-type",
	}
	zoneKeys = []string{
		"topology.kubernetes.io/zone",
		"failure-domain.beta.kubernetes.io/zone",
		"topology.ebs.csi.aws.com/zone",
		"topology.gke.io/zone",
		"topology.disk.csi.azure.com/zone",
	}
	regionKeys = []string{
		"topology.kubernetes.io/region",
		"failure-domain.beta.kubernetes.io/region",
	}
	archKeys = []string{"kubernetes.io/arch", "beta.kubernetes.io/arch"}
	osKeys   = []string{"kubernetes.io/os", "beta.kubernetes.io/os"}
	poolKeys = []string{
		"karpenter.sh/nodepool",         // Karpenter since v1beta1, EKS Auto Mode, AKS node autoprovisioning
		"karpenter.sh/provisioner-name", // Karpenter v1alpha5
		"eks.amazonaws.com/nodegroup",
		"alpha.eksctl.io/nodegroup-name",
		"cloud.google.com/gke-nodepool",
		"kubernetes.azure.com/agentpool",
		"agentpool", // AKS and aks-engine, before the prefix
		"kops.k8s.io/instancegroup",
		"worker.gardener.cloud/pool",
		"hypershift.openshift.io/nodePool",
		"doks.digitalocean.com/node-pool",
		"k8s.scaleway.com/pool-name",
		"lke.linode.com/pool-id",
		"vke.vultr.com/node-pool",
		"kubernetes.civo.com/civo-node-pool",
		"ibm-cloud.kubernetes.io/worker-pool-name",
		"alibabacloud.com/nodepool-id",
		"hcloud/node-group",
		"scheduling.cast.ai/node-template",
	}
)

// capacityKeys are the labels whose value names the capacity type; see capacityValues.
var capacityKeys = []string{
	"karpenter.sh/capacity-type",
	"eks.amazonaws.com/capacityType",
	"cloud.google.com/gke-provisioning",
	"kubernetes.azure.com/scalesetpriority",
	"spotinst.io/node-lifecycle",
	"scheduling.cast.ai/lifecycle",
	"node.kubernetes.io/lifecycle",
	"node-lifecycle",
	"lifecycle",
}

// capacityValues maps what those labels say, in lower case, to our three words. What it does
// not list stays unknown: a wrong capacity type would be a wrong price.
var capacityValues = map[string]string{
	"spot":           "spot",
	"ec2spot":        "spot",
	"preemptible":    "spot",
	"on-demand":      "on-demand",
	"on_demand":      "on-demand",
	"ondemand":       "on-demand",
	"od":             "on-demand",
	"normal":         "on-demand",
	"standard":       "on-demand",
	"regular":        "on-demand",
	"reserved":       "reserved",
	"capacity_block": "reserved",
	"capacity-block": "reserved",
	"reservation":    "reserved",
}

// spotFlags are labels that are there, with a value other than "false", on nodes that the
// provider may take back.
var spotFlags = []string{
	"cloud.google.com/gke-spot",
	"cloud.google.com/gke-preemptible",
	"scheduling.cast.ai/spot",
	"cluster.x-k8s.io/interruptible",
	"machine.openshift.io/interruptible-instance",
	"oci.oraclecloud.com/oke-is-preemptible",
	"yandex.cloud/preemptible",
}

// marksEverySpot are the pool labels of platforms that label each of their spot nodes, so that
// a node without such a label is on-demand there. EKS is not among them: managed node groups of
// some ages and self-managed ones have no capacity label at all.
var marksEverySpot = []string{"cloud.google.com/gke-nodepool", "kubernetes.azure.com/agentpool"}

// providerSchemes maps the scheme of spec.providerID to our name of the provider.
var providerSchemes = map[string]string{
	"aws":          "aws",
	"gce":          "gcp",
	"azure":        "azure",
	"digitalocean": "digitalocean",
	"linode":       "linode",
	"vultr":        "vultr",
	"hcloud":       "hetzner",
	"hrobot":       "hetzner",
	"scaleway":     "scaleway",
	"oci":          "oracle",
	"ibm":          "ibm",
	"ibmpowervs":   "ibm",
	"alicloud":     "alibaba",
	"openstack":    "openstack",
	"vsphere":      "vsphere",
	"civo":         "civo",
	"exoscale":     "exoscale",
	"yandex":       "yandex",
	"equinixmetal": "equinix",
	"kind":         "kind",
	"k3s":          "k3s",
	"kwok":         "kwok",
}

// providerLabels tell the provider where spec.providerID does not, each by a key or by the
// start of one.
var providerLabels = []struct{ prefix, provider string }{
	{"eks.amazonaws.com/", "aws"},
	{"k8s.amazonaws.com/", "aws"},
	{"karpenter.k8s.aws/", "aws"},
	{"topology.ebs.csi.aws.com/", "aws"},
	{"alpha.eksctl.io/", "aws"},
	{"cloud.google.com/", "gcp"},
	{"topology.gke.io/", "gcp"},
	{"kubernetes.azure.com/", "azure"},
	{"karpenter.azure.com/", "azure"},
	{"topology.disk.csi.azure.com/", "azure"},
	{"doks.digitalocean.com/", "digitalocean"},
	{"lke.linode.com/", "linode"},
	{"k8s.scaleway.com/", "scaleway"},
	{"vke.vultr.com/", "vultr"},
	{"oci.oraclecloud.com/", "oracle"},
	{"ibm-cloud.kubernetes.io/", "ibm"},
	{"alibabacloud.com/", "alibaba"},
	{"yandex.cloud/", "yandex"},
	{"csi.hetzner.cloud/", "hetzner"},
}

// Describe fills what the node's labels and provider ID tell of it: Provider, InstanceType,
// CapacityType, Zone, Region, Pool, and Arch and OS where they are empty. What nothing tells
// stays "". It reads n.Labels and n.ProviderID and keeps no reference to the map.
func Describe(n *Node) {
	l := n.Labels
	n.Provider = providerOf(n.ProviderID, l)
	n.InstanceType = firstOf(l, instanceTypeKeys)
	n.CapacityType = capacityOf(l)
	n.Zone = firstOf(l, zoneKeys)
	n.Region = firstOf(l, regionKeys)
	if n.Region == "" {
		n.Region = regionOf(n.Provider, n.Zone)
	}
	n.Pool = firstOf(l, poolKeys)
	if n.Arch == "" {
		n.Arch = firstOf(l, archKeys)
	}
	if n.OS == "" {
		n.OS = firstOf(l, osKeys)
	}
}

func firstOf(labels map[string]string, keys []string) string {
	for _, k := range keys {
		if v := labels[k]; v != "" {
			return v
		}
	}
	return ""
}

func providerOf(id string, labels map[string]string) string {
	if scheme, _, ok := strings.Cut(id, "://"); ok && scheme != "" {
		if p, known := providerSchemes[scheme]; known {
			return p
		}
		return scheme
	}
	// The table decides, not the map's order: a node may carry labels of two clouds' drivers.
	for _, p := range providerLabels {
		for k := range labels {
			if strings.HasPrefix(k, p.prefix) {
				return p.provider
			}
		}
	}
	return ""
}

func capacityOf(labels map[string]string) string {
	// A flag outranks every word except Karpenter's, which made the node itself: Cast AI marks
	// on-demand nodes that stand in for spot ones with both flags.
	if c := capacityValues[strings.ToLower(labels[capacityKeys[0]])]; c != "" {
		return c
	}
	if labels["scheduling.cast.ai/spot-fallback"] == "true" {
		return "on-demand"
	}
	for _, k := range spotFlags {
		if v, ok := labels[k]; ok && v != "false" {
			return "spot"
		}
	}
	for _, k := range capacityKeys[1:] {
		if c := capacityValues[strings.ToLower(labels[k])]; c != "" {
			return c
		}
	}
	for _, k := range marksEverySpot {
		if labels[k] != "" {
			return "on-demand"
		}
	}
	return ""
}

// regionOf derives the region from the zone for the clouds whose zone names contain it:
// us-east-1a, europe-west1-b, westeurope-1.
func regionOf(provider, zone string) string {
	switch provider {
	case "aws":
		// A local zone (us-west-2-lax-1a) is not split: it has the region label.
		if r := strings.TrimRight(zone, "abcdefghijklmnopqrstuvwxyz"); len(r) == len(zone)-1 && regionLike(r) {
			return r
		}
	case "gcp", "azure":
		if i := strings.LastIndexByte(zone, '-'); i > 0 {
			return zone[:i]
		}
	}
	return ""
}

// regionLike reports whether s looks like an AWS region: words, then one number at the end.
func regionLike(s string) bool {
	i := strings.LastIndexByte(s, '-')
	return i > 0 && i+1 < len(s) && strings.Trim(s[i+1:], "0123456789") == "" &&
		strings.Trim(s[:i], "abcdefghijklmnopqrstuvwxyz-") == ""
}
