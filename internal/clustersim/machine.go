package clustersim

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"

	corev1 "k8s.io/api/core/v1"
)

// machine is an EC2 instance type, as far as a node shows it.
type machine struct {
	family, size string
	category     string // the family's letter: m, c, r, g
	generation   int
	arch         string
	cpu          int64
	memory       int64 // GiB
	pods         int64 // what its network interfaces allow
	mhz          int
	network      int // Mbit/s, baseline
	ebs          int // Mbit/s
	gpu          string
	gpuMemory    int // MiB
}

func (m *machine) name() string { return m.family + "." + m.size }

var machines = []machine{
	{family: "m5", size: "large", category: "m", generation: 5, arch: "amd64", cpu: 2, memory: 8, pods: 29, mhz: 3100,
		network: 750, ebs: 4750},
	{family: "m5", size: "xlarge", category: "m", generation: 5, arch: "amd64", cpu: 4, memory: 16, pods: 58, mhz: 3100,
		network: 1250, ebs: 4750},
	{family: "m5", size: "2xlarge", category: "m", generation: 5, arch: "amd64", cpu: 8, memory: 32, pods: 58, mhz: 3100,
		network: 2500, ebs: 4750},
	{family: "m6i", size: "large", category: "m", generation: 6, arch: "amd64", cpu: 2, memory: 8, pods: 29, mhz: 3500,
		network: 781, ebs: 10000},
	{family: "m6i", size: "xlarge", category: "m", generation: 6, arch: "amd64", cpu: 4, memory: 16, pods: 58, mhz: 3500,
		network: 1562, ebs: 10000},
	{family: "c6i", size: "xlarge", category: "c", generation: 6, arch: "amd64", cpu: 4, memory: 8, pods: 58, mhz: 3500,
		network: 1562, ebs: 10000},
	{family: "c6i", size: "2xlarge", category: "c", generation: 6, arch: "amd64", cpu: 8, memory: 16, pods: 58, mhz: 3500,
		network: 3125, ebs: 10000},
	{family: "c6i", size: "4xlarge", category: "c", generation: 6, arch: "amd64", cpu: 16, memory: 32, pods: 234,
		mhz: 3500, network: 6250, ebs: 10000},
	{family: "r6i", size: "large", category: "r", generation: 6, arch: "amd64", cpu: 2, memory: 16, pods: 29, mhz: 3500,
		network: 781, ebs: 10000},
	{family: "m7g", size: "large", category: "m", generation: 7, arch: "arm64", cpu: 2, memory: 8, pods: 29, mhz: 2600,
		network: 937, ebs: 10000},
	{family: "m7g", size: "xlarge", category: "m", generation: 7, arch: "arm64", cpu: 4, memory: 16, pods: 58, mhz: 2600,
		network: 1876, ebs: 10000},
	{family: "c7g", size: "xlarge", category: "c", generation: 7, arch: "arm64", cpu: 4, memory: 8, pods: 58, mhz: 2600,
		network: 1876, ebs: 10000},
	{family: "r7g", size: "large", category: "r", generation: 7, arch: "arm64", cpu: 2, memory: 16, pods: 29, mhz: 2600,
		network: 937, ebs: 10000},
	{family: "g5", size: "xlarge", category: "g", generation: 5, arch: "amd64", cpu: 4, memory: 16, pods: 58, mhz: 3300,
		network: 2500, ebs: 3500, gpu: "a10g", gpuMemory: 24576},
	{family: "g4dn", size: "xlarge", category: "g", generation: 4, arch: "amd64", cpu: 4, memory: 16, pods: 29, mhz: 3100,
		network: 5000, ebs: 3500, gpu: "t4", gpuMemory: 16384},
}

// capacity is what the machine has: the hypervisor keeps some of the memory.
func (m *machine) capacity() corev1.ResourceList {
	l := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(m.cpu, resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(m.kibibytes()<<10, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(m.pods, resource.DecimalSI),
		corev1.ResourceEphemeralStorage: resource.MustParse("20893676Ki"),
		"hugepages-1Gi":                 *resource.NewQuantity(0, resource.DecimalSI),
		"hugepages-2Mi":                 *resource.NewQuantity(0, resource.DecimalSI),
	}
	if m.gpu != "" {
		l["nvidia.com/gpu"] = *resource.NewQuantity(1, resource.DecimalSI)
	}
	return l
}

func (m *machine) kibibytes() int64 { return m.memory<<20 - m.memory*18432 - 250000 }

// allocatable is what is left for pods after what EKS reserves by its published formula:
// 255 MiB and 11 MiB a pod, 100 MiB for eviction; of the cores 6 % of the first, 1 % of the
// second, 0.5 % of the next two, 0.25 % of the others.
func (m *machine) allocatable() corev1.ResourceList {
	l := m.capacity()
	reserved := int64(60)
	for core := int64(2); core <= m.cpu; core++ {
		switch {
		case core == 2:
			reserved += 10
		case core <= 4:
			reserved += 5
		}
	}
	reserved += max(0, m.cpu-4) * 5 / 2
	l[corev1.ResourceCPU] = *resource.NewMilliQuantity(m.cpu*1000-reserved, resource.DecimalSI)
	l[corev1.ResourceMemory] = *resource.NewQuantity(m.kibibytes()<<10-(255+11*m.pods+100)<<20, resource.BinarySI)
	l[corev1.ResourceEphemeralStorage] = resource.MustParse("18181869946")
	return l
}

// labels are what Karpenter's AWS provider says of the machine.
func (m *machine) labels() map[string]string {
	l := map[string]string{
		"karpenter.k8s.aws/instance-category":                        m.category,
		"karpenter.k8s.aws/instance-cpu":                             strconv.FormatInt(m.cpu, 10),
		"karpenter.k8s.aws/instance-cpu-manufacturer":                "intel",
		"karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz":   strconv.Itoa(m.mhz),
		"karpenter.k8s.aws/instance-ebs-bandwidth":                   strconv.Itoa(m.ebs),
		"karpenter.k8s.aws/instance-encryption-in-transit-supported": strconv.FormatBool(m.generation > 5),
		"karpenter.k8s.aws/instance-family":                          m.family,
		"karpenter.k8s.aws/instance-generation":                      strconv.Itoa(m.generation),
		"karpenter.k8s.aws/instance-hypervisor":                      "nitro",
		"karpenter.k8s.aws/instance-memory":                          strconv.FormatInt(m.memory<<10, 10),
		"karpenter.k8s.aws/instance-network-bandwidth":               strconv.Itoa(m.network),
		"karpenter.k8s.aws/instance-size":                            m.size,
	}
	if m.arch == "arm64" {
		l["karpenter.k8s.aws/instance-cpu-manufacturer"] = "aws"
	}
	if m.gpu != "" {
		l["karpenter.k8s.aws/instance-gpu-count"] = "1"
		l["karpenter.k8s.aws/instance-gpu-manufacturer"] = "nvidia"
		l["karpenter.k8s.aws/instance-gpu-memory"] = strconv.Itoa(m.gpuMemory)
		l["karpenter.k8s.aws/instance-gpu-name"] = m.gpu
	}
	return l
}

// pool is what makes nodes: a Karpenter NodePool, or an EKS managed node group.
type pool struct {
	name    string
	managed bool
	spot    int      // percent of its nodes that are spot
	types   []string // the first is the most usual
	taints  []corev1.Taint
}

var (
	systemPool  = &pool{name: "system", managed: true, types: []string{"m5.large"}}
	runnerPool  = &pool{name: "runners", managed: true, types: []string{"c6i.xlarge"}}
	generalPool = &pool{name: "general", spot: 75,
		types: []string{"m5.large", "m5.xlarge", "c6i.2xlarge", "m6i.xlarge", "c6i.xlarge", "m6i.large", "r6i.large",
			"m5.2xlarge"}}
	armPool = &pool{name: "arm", spot: 100, types: []string{"m7g.xlarge", "c7g.xlarge", "m7g.large", "r7g.large"}}
	gpuPool = &pool{name: "gpu", spot: 30, types: []string{"g5.xlarge", "g4dn.xlarge"},
		taints: []corev1.Taint{{Key: "nvidia.com/gpu", Value: "true", Effect: corev1.TaintEffectNoSchedule}}}
)

// choose returns one of the types: the earlier in the list, the more often.
func choose(types []string, r *rand.Rand) *machine {
	i := min(r.IntN(len(types)), r.IntN(len(types)))
	for k := range machines {
		if machines[k].name() == types[i] {
			return &machines[k]
		}
	}
	panic("no machine " + types[i])
}

func (p *pool) capacityType(r *rand.Rand) string {
	if r.IntN(100) < p.spot {
		return "spot"
	}
	return "on-demand"
}

const region = "us-east-1"

// zones are the region's, each with its subnet's first number: 10.0.x.y.
var zones = []struct {
	name, id string
	subnet   int
}{
	{region + "a", "use1-az1", 0},
	{region + "b", "use1-az2", 64},
	{region + "c", "use1-az4", 128},
}

// address is a private one of the zone.
func address(zone int, r *rand.Rand) string {
	return fmt.Sprintf("10.0.%d.%d", zones[zone].subnet+r.IntN(64), 4+r.IntN(250))
}
