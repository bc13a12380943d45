package fleet

import (
	"cmp"
	"strings"
)

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
		"topology.com.tencent.cloud.csi.cbs/zone",
		"eks.tke.cloud.tencent.com/zone-name",
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
		"scheduling.cast.ai/node-template",
		"eks.amazonaws.com/nodegroup",
		"alpha.eksctl.io/nodegroup-name",
		"cloud.google.com/gke-nodepool",
		"kubernetes.azure.com/agentpool",
		"agentpool", // AKS and aks-engine, before the prefix
		"kops.k8s.io/instancegroup",
		"worker.gardener.cloud/pool",
		"worker.garden.sapcloud.io/group", // Gardener, before its name
		"hypershift.openshift.io/nodePool",
		"doks.digitalocean.com/node-pool",
		"k8s.scaleway.com/pool-name",
		"vke.vultr.com/node-pool",
		"kubernetes.civo.com/civo-node-pool",
		"kubernetes.civo.com/node-pool",
		"ibm-cloud.kubernetes.io/worker-pool-name",
		"cce.cloud.com/cce-nodepool",
		"oke.oraclecloud.com/pool.name", // of Oracle's Terraform module; OKE has no label of its own
		"hcloud/node-group",
		"nodepool", // OVH
	}
	// poolIDKeys have no name that a person gave, but a number or an ID. They count where no name is.
	poolIDKeys = []string{
		"lke.linode.com/pool-id",
		"alibabacloud.com/nodepool-id",
		"node.alibabacloud.com/nodepool-id",
		"tke.cloud.tencent.com/nodepool-id",
		"yandex.cloud/node-group-id",
		"node.exoscale.net/nodepool-id",
		"doks.digitalocean.com/node-pool-id",
		"k8s.scaleway.com/pool",
		"ibm-cloud.kubernetes.io/worker-pool-id",
		"cce.cloud.com/cce-nodepool-id",
	}
)

// capacityKeys are the labels whose value names the capacity type; see capacityValues.
var capacityKeys = []string{
	"karpenter.sh/capacity-type",
	"eks.amazonaws.com/capacityType",
	"cloud.google.com/gke-provisioning",
	"kubernetes.azure.com/scalesetpriority",
	"node.alibabacloud.com/spot-strategy",
	"spotinst.io/node-lifecycle",
	"scheduling.cast.ai/lifecycle",
	"node.kubernetes.io/lifecycle",
	"node.cloudprovider.kubernetes.io/lifecycle", // Talos
	"node-lifecycle",
	"lifecycle",
}

// capacityValues maps what those labels say, in lower case, to our three words. What it does
// not list stays unknown: a wrong capacity type would be a wrong price.
var capacityValues = map[string]string{
	"spot":               "spot",
	"ec2spot":            "spot",
	"preemptible":        "spot",
	"spotwithpricelimit": "spot",
	"spotaspricego":      "spot",
	"on-demand":          "on-demand",
	"on_demand":          "on-demand",
	"ondemand":           "on-demand",
	"od":                 "on-demand",
	"normal":             "on-demand",
	"standard":           "on-demand",
	"regular":            "on-demand",
	"nospot":             "on-demand",
	"reserved":           "reserved",
	"capacity_block":     "reserved",
	"capacity-block":     "reserved",
	"reservation":        "reserved",
}

// spotFlags are labels that are there on nodes that the provider may take back, whatever their value is, if it does
// not say that the node is none: see flagged.
var spotFlags = []string{
	"cloud.google.com/gke-spot",
	"cloud.google.com/gke-preemptible",
	"scheduling.cast.ai/spot",
	"cluster.x-k8s.io/interruptible",
	"machine.openshift.io/interruptible-instance",
	"oci.oraclecloud.com/oke-is-preemptible",
	"yandex.cloud/preemptible",
	"aws.amazon.com/spot",
	"node-role.kubernetes.io/spot-worker",
}

// saysNot are the spotFlags with which a platform says of each node whether it is one of these.
var saysNot = []string{"oci.oraclecloud.com/oke-is-preemptible", "yandex.cloud/preemptible"}

// marksEverySpot are the pool labels of platforms that label each of their spot nodes, so that
// a node without such a label is on-demand there. EKS is not among them: managed node groups of
// some ages and self-managed ones have no capacity label at all.
var marksEverySpot = []string{"cloud.google.com/gke-nodepool", "kubernetes.azure.com/agentpool"}

// flagged reports whether a label is there and does not say that it is not so.
func flagged(labels map[string]string, key string) bool {
	v, ok := labels[key]
	return ok && !deniedFlag(v)
}

// deniedFlag reports whether the value of a flag says that it is not so.
func deniedFlag(v string) bool {
	switch strings.ToLower(v) {
	case "false", "no", "0":
		return true
	}
	return false
}

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
	"packet":       "equinix",
	"eks-hybrid":   "aws",
	"qcloud":       "tencent",
	"kind":         "kind",
	"k3s":          "k3s",
	"rke2":         "rke2",
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
	{"node.alibabacloud.com/", "alibaba"},
	{"yandex.cloud/", "yandex"},
	{"csi.hetzner.cloud/", "hetzner"},
	{"cce.cloud.com/", "huawei"},
	{"tke.cloud.tencent.com/", "tencent"},
	{"node.exoscale.net/", "exoscale"},
	{"node.k8s.ovh/", "openstack"},
}

// Describe fills what the node's labels and provider ID tell of it: Provider, InstanceType,
// CapacityType, Zone, Region, Pool and Terms, and Arch and OS where they are empty. What nothing tells
// stays "". It keeps no reference to the map of labels.
func Describe(n *Node) {
	l := n.Labels
	n.Provider = providerOf(n)
	n.InstanceType = instanceTypeOf(n)
	n.CapacityType = capacityOf(n)
	n.Zone = believed(zones(n))
	n.Region = firstOf(l, regionKeys)
	if n.Region == "" {
		n.Region = regionOf(n.Provider, n.Zone)
	}
	n.Pool = cmp.Or(firstOf(l, poolKeys), firstOf(l, poolIDKeys), machineSet(n.Owner))
	if n.Arch == "" {
		n.Arch = firstOf(l, archKeys)
	}
	if n.OS == "" {
		n.OS = firstOf(l, osKeys)
	}
	n.Terms = termsOf(n)
}

// claim is what a label, or the provider ID, says of a node.
type claim struct{ key, value string }

// claims are what the labels with some keys say, in the order of the keys.
func claims(labels map[string]string, keys []string, isOne func(string) bool) (cs []claim) {
	for _, k := range keys {
		if v := labels[k]; v != "" && (isOne == nil || isOne(v)) {
			cs = append(cs, claim{k, v})
		}
	}
	return cs
}

// believed is the value of the first claim, "" if there is none.
func believed(cs []claim) string {
	if len(cs) == 0 {
		return ""
	}
	return cs[0].value
}

func firstOf(labels map[string]string, keys []string) string {
	for _, k := range keys {
		if v := labels[k]; v != "" {
			return v
		}
	}
	return ""
}

func providerOf(n *Node) string {
	if scheme, _, ok := strings.Cut(n.ProviderID, "://"); ok && scheme != "" {
		if p, known := providerSchemes[scheme]; known {
			return p
		}
		return scheme
	}
	if strings.HasPrefix(n.ProviderID, "ocid1.") { // OKE's have no scheme
		return "oracle"
	}
	// The table decides, not the map's order: a node may carry labels of two clouds' drivers.
	for _, p := range providerLabels {
		for k := range n.Labels {
			if strings.HasPrefix(k, p.prefix) {
				return p.provider
			}
		}
	}
	for _, t := range n.Taints {
		switch t.Key {
		case virtualTaint:
			return cmp.Or(virtualProviders[t.Value], t.Value)
		case superTaint:
			return "tencent"
		}
	}
	return ""
}

// capacityClaims are what the labels say of a node's capacity type, what is believed first.
func capacityClaims(labels map[string]string) (cs []claim) {
	say := func(key, capacityType string) {
		if capacityType != "" {
			cs = append(cs, claim{key, capacityType})
		}
	}
	// A flag outranks every word except Karpenter's, which made the node itself: Cast AI marks
	// on-demand nodes that stand in for spot ones with both flags.
	say(capacityKeys[0], capacityValues[strings.ToLower(labels[capacityKeys[0]])])
	if labels["node.alibabacloud.com/instance-charge-type"] == "PrePaid" {
		say("node.alibabacloud.com/instance-charge-type", "reserved")
	}
	fallback := labels["scheduling.cast.ai/spot-fallback"] == "true"
	if fallback {
		say("scheduling.cast.ai/spot-fallback", "on-demand")
	}
	for _, k := range spotFlags {
		if flagged(labels, k) && !(fallback && k == "scheduling.cast.ai/spot") {
			say(k, "spot")
		}
	}
	for _, k := range capacityKeys[1:] {
		say(k, capacityValues[strings.ToLower(labels[k])])
	}
	for _, k := range saysNot {
		if deniedFlag(labels[k]) {
			say(k, "on-demand")
		}
	}
	return cs
}

func capacityOf(n *Node) string {
	labels := n.Labels
	if flagged(labels, "cloud.google.com/gke-flex-start") { // neither of our words: cheaper than on-demand, for a time
		return ""
	}
	if c := believed(capacityClaims(labels)); c != "" {
		return c
	}
	for _, k := range marksEverySpot {
		if labels[k] != "" {
			return "on-demand"
		}
	}
	// OpenShift's Machine API marks each spot machine on these, and only there can it make one.
	if isOpenShift(n.Owner) && platforms[n.Provider].spot {
		return "on-demand"
	}
	return ""
}

// zones are what the labels and the provider ID say of a node's zone, what is believed first.
func zones(n *Node) []claim {
	cs := claims(n.Labels, zoneKeys, func(v string) bool { return isZone(n.Provider, v) })
	if n.Provider == "aws" || n.Provider == "gcp" { // aws:///ZONE/INSTANCE, gce://PROJECT/ZONE/NAME
		_, path, _ := strings.Cut(n.ProviderID, "://")
		if parts := strings.Split(path, "/"); len(parts) == 3 && parts[1] != "" && !strings.HasPrefix(n.ProviderID,
			"eks-hybrid") {
			cs = append(cs, claim{"the provider ID", parts[1]})
		}
	}
	return cs
}

// isZone reports whether a value of a zone label is one. AKS writes the fault domain of a node without a zone there,
// Tencent the zone's number, whose name is in other labels, and nova is the name that OpenStack gives to all machines
// of a cloud without zones.
func isZone(provider, v string) bool {
	switch provider {
	case "azure", "tencent":
		return strings.Trim(v, "0123456789") != ""
	case "openstack":
		return v != "nova"
	}
	return true
}

// regionOf derives the region from the zone for the clouds whose zone names contain it:
// us-east-1a, us-west-2-lax-1a, europe-west1-b, westeurope-1.
func regionOf(provider, zone string) string {
	switch provider {
	case "aws":
		// Words, then a number, and then whatever names the zone in it.
		parts := strings.Split(zone, "-")
		for i, p := range parts {
			if number := strings.TrimRight(p, letters); i > 0 && number != "" && strings.Trim(number, "0123456789") == "" &&
				(number == p || len(p) == len(number)+1 && i == len(parts)-1) {
				return strings.Join(append(parts[:i:i], number), "-")
			}
		}
	case "gcp", "azure":
		if i := strings.LastIndexByte(zone, '-'); i > 0 {
			return zone[:i]
		}
	}
	return ""
}

const letters = "abcdefghijklmnopqrstuvwxyz"

// machineSet is the set of OpenShift's that made a machine, in whose name it is; "" for any other owner. OpenShift
// gives its nodes no label for it.
func machineSet(owner ObjectRef) string {
	if !isOpenShift(owner) {
		return ""
	}
	return ClaimPool(owner.Name)
}

// isOpenShift reports whether OpenShift's Machine API made the machine.
func isOpenShift(owner ObjectRef) bool {
	return owner.Kind == "Machine" && owner.Namespace == "openshift-machine-api"
}
