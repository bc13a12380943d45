package cluster

import (
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Flavour is whose node it is: each names its labels, taints, addresses and provider ID in its own way.
type Flavour int

// Flavours of nodes.
const (
	EKSKarpenter    Flavour = iota // Amazon EKS, launched by Karpenter
	EKSManagedGroup                // Amazon EKS, a managed node group
	GKE                            // Google Kubernetes Engine, a node pool
	AKS                            // Azure Kubernetes Service, an agent pool
	Plain                          // kubeadm on somebody's machines: no provider, no instance type
)

// KWOK's mark of the nodes that it plays the kubelet for, and our own annotation for how long after its creation such
// a node becomes ready.
const (
	kwokAnnotation       = "kwok.x-k8s.io/node"
	readyAfterAnnotation = "rollcall.test/ready-after"
)

// nodeShape is what a node is made from.
type nodeShape struct {
	flavour      Flavour
	instanceType string
	zone         string
	spot         bool
	pool         string
	arch         string
	ready        bool
	images       int
	labels       map[string]string
	annotations  map[string]string
	taints       []corev1.Taint
}

// NodeOption changes what [NewNode] makes.
type NodeOption func(*nodeShape)

// OfFlavour sets the provider; the default is [EKSKarpenter].
func OfFlavour(f Flavour) NodeOption { return func(s *nodeShape) { s.flavour = f } }

// InstanceType sets the machine type, in the provider's words: "m7g.2xlarge", "n2-standard-8", "Standard_D8s_v5".
func InstanceType(t string) NodeOption { return func(s *nodeShape) { s.instanceType = t } }

// Zone sets the zone; the region follows from it.
func Zone(z string) NodeOption { return func(s *nodeShape) { s.zone = z } }

// Spot makes the node interruptible capacity; the default is on demand.
func Spot() NodeOption { return func(s *nodeShape) { s.spot = true } }

// Pool sets the node pool, node group or agent pool.
func Pool(name string) NodeOption { return func(s *nodeShape) { s.pool = name } }

// Arch sets the processor architecture; by default it follows from the instance type.
func Arch(a string) NodeOption { return func(s *nodeShape) { s.arch = a } }

// Ready makes the node ready from the start; without it, it has just registered and waits for its network.
func Ready() NodeOption { return func(s *nodeShape) { s.ready = true } }

// Images sets how many images the node has; the default is 30, and a node's size is mostly its images.
func Images(n int) NodeOption { return func(s *nodeShape) { s.images = n } }

// Label adds a label, or overrides one.
func Label(key, value string) NodeOption { return func(s *nodeShape) { s.labels[key] = value } }

// Annotation adds an annotation.
func Annotation(key, value string) NodeOption {
	return func(s *nodeShape) { s.annotations[key] = value }
}

// Taint adds a taint.
func Taint(t corev1.Taint) NodeOption {
	return func(s *nodeShape) { s.taints = append(s.taints, t) }
}

// OnKWOK leaves the node to KWOK (see [Cluster.StartKWOK]), which makes it ready and keeps it so.
func OnKWOK() NodeOption { return Annotation(kwokAnnotation, "fake") }

// ReadyAfter is [OnKWOK] with a readiness delay of the node's own.
func ReadyAfter(d time.Duration) NodeOption {
	return func(s *nodeShape) {
		OnKWOK()(s)
		s.annotations[readyAfterAnnotation] = d.String()
	}
}

// nodeNumber counts the nodes of this process, for names and addresses.
var nodeNumber atomic.Int64

// NewNode makes a Node object as a real one of its flavour looks: labels, addresses, provider ID, capacity,
// conditions, images; about 13.6 kB as JSON. Everything follows from the name and the options. An empty name becomes
// one in the provider's style that is not used twice in this process. Nothing is created yet: see
// [Cluster.CreateNode].
func NewNode(name string, opts ...NodeOption) *corev1.Node {
	shape := &nodeShape{images: 30, labels: map[string]string{}, annotations: map[string]string{}}
	for _, opt := range opts {
		opt(shape)
	}
	number := nodeNumber.Add(1)
	ip := fmt.Sprintf("10.%d.%d.%d", 64+number>>16&63, number>>8&255, number&255)
	shape.complete()
	if name == "" {
		name = shape.newName(number, ip)
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: shape.nodeLabels(name), Annotations: map[string]string{
			"alpha.kubernetes.io/provided-node-ip":                   ip,
			"node.alpha.kubernetes.io/ttl":                           "0",
			"volumes.kubernetes.io/controller-managed-attach-detach": "true",
		}},
		Spec: corev1.NodeSpec{ProviderID: shape.providerID(name), Taints: shape.taints},
		Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: ip},
				{Type: corev1.NodeHostName, Address: name},
				{Type: corev1.NodeInternalDNS, Address: name},
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: 10250}},
			NodeInfo:        shape.systemInfo(name),
			Conditions:      conditions(shape.ready, metav1.Now()),
			Images:          images(shape.images),
		},
	}
	if shape.flavour == EKSKarpenter {
		maps.Copy(node.Annotations, map[string]string{
			"karpenter.k8s.aws/ec2nodeclass-hash":         digits(shape.pool, 20),
			"karpenter.k8s.aws/ec2nodeclass-hash-version": "v4",
			"karpenter.sh/nodepool-hash":                  digits(shape.pool+"pool", 20),
			"karpenter.sh/nodepool-hash-version":          "v3",
			"csi.volume.kubernetes.io/nodeid":             fmt.Sprintf(`{"ebs.csi.aws.com":"i-0%s"}`, hex(name, 16)),
		})
	}
	if shape.flavour == AKS && shape.spot {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{
			Key: "kubernetes.azure.com/scalesetpriority", Value: "spot", Effect: corev1.TaintEffectNoSchedule,
		})
	}
	maps.Copy(node.Labels, shape.labels)
	maps.Copy(node.Annotations, shape.annotations)
	node.Status.Capacity, node.Status.Allocatable = shape.capacity()
	return node
}

// complete fills in what the options left open.
func (s *nodeShape) complete() {
	pick := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	pick(&s.pool, map[Flavour]string{
		EKSKarpenter: "default", EKSManagedGroup: "workers", GKE: "default-pool", AKS: "nodepool1", Plain: "",
	}[s.flavour])
	pick(&s.instanceType, map[Flavour]string{
		EKSKarpenter: "c6i.4xlarge", EKSManagedGroup: "m6i.2xlarge", GKE: "n2-standard-8", AKS: "Standard_D8s_v5", Plain: "",
	}[s.flavour])
	pick(&s.zone, map[Flavour]string{
		EKSKarpenter: "eu-central-1a", EKSManagedGroup: "eu-central-1b", GKE: "europe-west3-a", AKS: "germanywestcentral-1",
	}[s.flavour])
	family, _, _ := strings.Cut(s.instanceType, ".")
	if strings.HasSuffix(strings.TrimRight(family, "dn"), "g") { // m7g, c7gd, c7gn: Graviton
		pick(&s.arch, "arm64")
	}
	pick(&s.arch, "amd64")
}

// region follows from the zone in each provider's way.
func (s *nodeShape) region() string {
	if s.flavour == EKSKarpenter || s.flavour == EKSManagedGroup {
		return strings.TrimRight(s.zone, "abcdef")
	}
	if i := strings.LastIndexByte(s.zone, '-'); i > 0 {
		return s.zone[:i]
	}
	return s.zone
}

func (s *nodeShape) newName(number int64, ip string) string {
	switch s.flavour {
	case GKE:
		return fmt.Sprintf("gke-prod-%s-%s-%s", s.pool, hex(s.pool, 8), letters(number, 4))
	case AKS:
		return fmt.Sprintf("aks-%s-%s-vmss%s", s.pool, digits(s.pool, 8), letters(number, 6))
	case Plain:
		return fmt.Sprintf("worker-%d", number)
	default:
		return fmt.Sprintf("ip-%s.%s.compute.internal", strings.ReplaceAll(ip, ".", "-"), s.region())
	}
}

func (s *nodeShape) providerID(name string) string {
	switch s.flavour {
	case GKE:
		return fmt.Sprintf("gce://example-project/%s/%s", s.zone, name)
	case AKS:
		return fmt.Sprintf("azure:///subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mc_example"+
			"/providers/Microsoft.Compute/virtualMachineScaleSets/aks-%s-%s-vmss/virtualMachines/%s",
			s.pool, digits(s.pool, 8), digits(name, 2))
	case Plain:
		return ""
	default:
		return fmt.Sprintf("aws:///%s/i-0%s", s.zone, hex(name, 16))
	}
}

func (s *nodeShape) nodeLabels(name string) map[string]string {
	labels := map[string]string{
		"beta.kubernetes.io/arch": s.arch,
		"beta.kubernetes.io/os":   "linux",
		"kubernetes.io/arch":      s.arch,
		"kubernetes.io/hostname":  name,
		"kubernetes.io/os":        "linux",
	}
	if s.flavour != Plain {
		maps.Copy(labels, map[string]string{
			"beta.kubernetes.io/instance-type":         s.instanceType,
			"failure-domain.beta.kubernetes.io/region": s.region(),
			"failure-domain.beta.kubernetes.io/zone":   s.zone,
			"node.kubernetes.io/instance-type":         s.instanceType,
			"topology.kubernetes.io/region":            s.region(),
			"topology.kubernetes.io/zone":              s.zone,
		})
	}
	cpu, memory := s.size()
	switch s.flavour {
	case EKSKarpenter:
		family, size, _ := strings.Cut(s.instanceType, ".")
		maps.Copy(labels, map[string]string{
			"k8s.io/cloud-provider-aws":                  hex("cluster", 32),
			"karpenter.k8s.aws/ec2nodeclass":             "default",
			"karpenter.k8s.aws/instance-capability-flex": "false",
			"karpenter.k8s.aws/instance-category":        family[:1],
			"karpenter.k8s.aws/instance-cpu":             strconv.Itoa(cpu),
			"karpenter.k8s.aws/instance-cpu-manufacturer": map[string]string{"amd64": "intel",
				"arm64": "aws"}[s.arch],
			"karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz":   "3500",
			"karpenter.k8s.aws/instance-ebs-bandwidth":                   "10000",
			"karpenter.k8s.aws/instance-encryption-in-transit-supported": "true",
			"karpenter.k8s.aws/instance-family":                          family,
			"karpenter.k8s.aws/instance-generation":                      strings.Trim(family, "abcdefghijklmnopqrstuvwxyz"),
			"karpenter.k8s.aws/instance-hypervisor":                      "nitro",
			"karpenter.k8s.aws/instance-memory":                          strconv.Itoa(memory << 10),
			"karpenter.k8s.aws/instance-network-bandwidth":               "6250",
			"karpenter.k8s.aws/instance-size":                            size,
			"karpenter.sh/capacity-type":                                 choose(s.spot, "spot", "on-demand"),
			"karpenter.sh/do-not-sync-taints":                            "true",
			"karpenter.sh/initialized":                                   "true",
			"karpenter.sh/nodepool":                                      s.pool,
			"karpenter.sh/registered":                                    "true",
			"topology.ebs.csi.aws.com/zone":                              s.zone,
			"topology.k8s.aws/zone-id":                                   "euc1-az2",
		})
	case EKSManagedGroup:
		maps.Copy(labels, map[string]string{
			"alpha.eksctl.io/cluster-name":                  "prod",
			"alpha.eksctl.io/nodegroup-name":                s.pool,
			"eks.amazonaws.com/capacityType":                choose(s.spot, "SPOT", "ON_DEMAND"),
			"eks.amazonaws.com/nodegroup":                   s.pool,
			"eks.amazonaws.com/nodegroup-image":             "ami-0" + hex("ami", 16),
			"eks.amazonaws.com/sourceLaunchTemplateId":      "lt-0" + hex("lt", 16),
			"eks.amazonaws.com/sourceLaunchTemplateVersion": "3",
			"k8s.io/cloud-provider-aws":                     hex("cluster", 32),
			"topology.ebs.csi.aws.com/zone":                 s.zone,
			"topology.k8s.aws/zone-id":                      "euc1-az3",
		})
	case GKE:
		maps.Copy(labels, map[string]string{
			"cloud.google.com/gke-boot-disk":               "pd-balanced",
			"cloud.google.com/gke-container-runtime":       "containerd",
			"cloud.google.com/gke-cpu-scaling-level":       strconv.Itoa(cpu),
			"cloud.google.com/gke-logging-variant":         "DEFAULT",
			"cloud.google.com/gke-max-pods-per-node":       "110",
			"cloud.google.com/gke-memory-gb-scaling-level": strconv.Itoa(memory),
			"cloud.google.com/gke-nodepool":                s.pool,
			"cloud.google.com/gke-os-distribution":         "cos",
			"cloud.google.com/gke-provisioning":            choose(s.spot, "spot", "standard"),
			"cloud.google.com/gke-stack-type":              "IPV4",
			"cloud.google.com/machine-family":              strings.SplitN(s.instanceType, "-", 2)[0],
			"topology.gke.io/zone":                         s.zone,
		})
		if s.spot {
			labels["cloud.google.com/gke-spot"] = "true"
		}
	case AKS:
		maps.Copy(labels, map[string]string{
			"agentpool":                      s.pool,
			"kubernetes.azure.com/agentpool": s.pool,
			"kubernetes.azure.com/cluster":   "mc_example",
			"kubernetes.azure.com/consolidated-additional-properties": "00000000-0000-0000-0000-000000000000",
			"kubernetes.azure.com/kubelet-identity-client-id":         "00000000-0000-0000-0000-000000000000",
			"kubernetes.azure.com/mode":                               "user",
			"kubernetes.azure.com/node-image-version":                 "AKSUbuntu-2404gen2containerd-202611.03.0",
			"kubernetes.azure.com/nodepool-type":                      "VirtualMachineScaleSets",
			"kubernetes.azure.com/os-sku":                             "Ubuntu",
			"kubernetes.azure.com/role":                               "agent",
			"kubernetes.azure.com/storageprofile":                     "managed",
			"kubernetes.azure.com/storagetier":                        "Premium_LRS",
			"topology.disk.csi.azure.com/zone":                        s.zone,
		})
		if s.spot {
			labels["kubernetes.azure.com/scalesetpriority"] = "spot"
		}
	}
	return labels
}

// size is the machine's processors and memory in GiB, read from its type's name as far as that tells.
func (s *nodeShape) size() (cpu, memory int) {
	cpu, perCPU := 8, 4
	switch s.flavour {
	case EKSKarpenter, EKSManagedGroup:
		family, size, _ := strings.Cut(s.instanceType, ".")
		switch {
		case strings.HasPrefix(family, "c"):
			perCPU = 2
		case strings.HasPrefix(family, "r"):
			perCPU = 8
		}
		switch n, found := strings.CutSuffix(size, "xlarge"); {
		case size == "medium":
			cpu = 1
		case size == "large":
			cpu = 2
		case n == "" && found:
			cpu = 4
		default:
			if n, err := strconv.Atoi(n); err == nil {
				cpu = 4 * n
			}
		}
	case GKE:
		if i := strings.LastIndexByte(s.instanceType, '-'); i > 0 {
			if n, err := strconv.Atoi(s.instanceType[i+1:]); err == nil {
				cpu = n
			}
		}
	}
	return cpu, cpu * perCPU
}

func (s *nodeShape) capacity() (capacity, allocatable corev1.ResourceList) {
	cpu, memory := s.size()
	list := func(milliCPU, memoryKi int64, disk string) corev1.ResourceList {
		return corev1.ResourceList{
			corev1.ResourceCPU:              *resource.NewMilliQuantity(milliCPU, resource.DecimalSI),
			corev1.ResourceMemory:           *resource.NewQuantity(memoryKi<<10, resource.BinarySI),
			corev1.ResourceEphemeralStorage: resource.MustParse(disk),
			corev1.ResourcePods:             resource.MustParse("110"),
			"hugepages-1Gi":                 resource.MustParse("0"),
			"hugepages-2Mi":                 resource.MustParse("0"),
		}
	}
	total := int64(memory) << 20
	return list(int64(cpu)*1000, total*31/32, "104779756Ki"), list(int64(cpu)*1000-110, total*29/32, "95491281146")
}

func (s *nodeShape) systemInfo(name string) corev1.NodeSystemInfo {
	id := hex(name+"system", 32)
	uuid := fmt.Sprintf("%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:])
	info := corev1.NodeSystemInfo{
		Architecture:            s.arch,
		BootID:                  uuid,
		MachineID:               id,
		SystemUUID:              uuid,
		OperatingSystem:         "linux",
		ContainerRuntimeVersion: "containerd://2.1.5",
		KernelVersion:           "6.12.53-69.119.amzn2023.x86_64",
		KubeletVersion:          "v1.36.3-eks-ecaa3a6",
		OSImage:                 "Amazon Linux 2023.9.20261020",
	}
	switch s.flavour {
	case GKE:
		info.KernelVersion, info.KubeletVersion, info.OSImage = "6.6.105+", "v1.36.3-gke.1210000",
			"Container-Optimized OS from Google"
	case AKS:
		info.KernelVersion, info.KubeletVersion, info.OSImage = "6.8.0-1036-azure", "v1.36.3", "Ubuntu 24.04.3 LTS"
	case Plain:
		info.KernelVersion, info.KubeletVersion, info.OSImage = "6.12.48-amd64", "v1.36.3", "Debian GNU/Linux 13 (trixie)"
	}
	return info
}

// conditions are what a kubelet reports.
func conditions(ready bool, now metav1.Time) []corev1.NodeCondition {
	all := []corev1.NodeCondition{
		{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientMemory",
			Message: "kubelet has sufficient memory available"},
		{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasNoDiskPressure",
			Message: "kubelet has no disk pressure"},
		{Type: corev1.NodePIDPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientPID",
			Message: "kubelet has sufficient PID available"},
		{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: "KubeletNotReady",
			Message: "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network " +
				"plugin returns error: cni plugin not initialized"},
	}
	if ready {
		all[3].Status, all[3].Reason, all[3].Message = corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"
	}
	for i := range all {
		all[i].LastHeartbeatTime, all[i].LastTransitionTime = now, now
	}
	return all
}

// images are named as images of a private registry are, by digest and by tag, with sizes.
func images(n int) []corev1.ContainerImage {
	products := []string{
		"eks/coredns", "eks/kube-proxy", "amazon-k8s-cni", "amazon-k8s-cni-init", "eks/aws-ebs-csi-driver",
		"team/checkout", "team/search-api", "team/ingest-worker", "platform/otel-collector", "platform/fluent-bit",
	}
	list := make([]corev1.ContainerImage, n)
	for i := range list {
		name := "111122223333.dkr.ecr.eu-central-1.amazonaws.com/" + products[i%len(products)]
		version := fmt.Sprintf("v1.%d.%d", 30-i, i*7%10)
		list[i] = corev1.ContainerImage{
			Names:     []string{name + "@sha256:" + hex(name+version, 64), name + ":" + version},
			SizeBytes: int64(n-i)*13_371_337 + 305_101,
		}
	}
	return list
}

func choose(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}

// hex returns n hexadecimal digits that follow from the seed.
func hex(seed string, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		h := fnv.New64a()
		fmt.Fprint(h, i, seed, i)
		fmt.Fprintf(&b, "%016x", h.Sum64())
	}
	return b.String()[:n]
}

// digits returns n decimal digits that follow from the seed.
func digits(seed string, n int) string {
	return strings.Map(func(r rune) rune { return '0' + r%10 }, hex(seed, n))
}

// letters writes a number in base 36 with at least n places, as scale sets number their machines.
func letters(number int64, n int) string {
	s := strconv.FormatInt(number, 36)
	return strings.Repeat("0", max(0, n-len(s))) + s
}
