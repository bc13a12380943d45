package clustersim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// stage is how far a node's life has got.
type stage int

const (
	launching stage = iota // its instance starts; there is no Node object yet
	joining                // the Node object is there, and was never ready
	settled                // it became ready
	leaving                // it is being terminated
	gone
)

// node is one node's life as the story knows it.
type node struct {
	obj         *corev1.Node // as last stored; nil while launching; never changed in place
	line        *line        // whose clock its life follows
	stage       stage
	group       string // which part of the story it belongs to: see the constants
	pool        *pool
	machine     *machine
	spot        string // its capacity type
	zone        int
	claim       reference // its NodeClaim; nothing for a managed node
	work        *workload
	pods        []pod
	trouble     bool    // a scene goes on with it, so others leave it alone
	stuck       bool    // something keeps it from being drained
	anew        bool    // its pods get a node of their own when it leaves
	heir        *node   // what Karpenter launched to replace it
	kept        []*Keep // what keeps it
	initialized func()  // what waits for it
	came        Came
	went        Went   // once it is known
	scaled      string // see life
	life        *life
}

// Groups of nodes.
const (
	steady = ""     // what the level of the day counts
	leak   = "leak" // the night's, until the morning
	late   = "late" // comes once its pool's limit is raised, and leaves at night
	dud    = "dud"  // never becomes ready
	// Every burst is a group of its own, named burst and its number.
)

func (n *node) name() string { return n.obj.Name }

// alive reports whether the node is there for everyone to see.
func (n *node) alive() bool { return n.obj != nil && n.stage != gone }

func (n *node) ready() bool { return n.alive() && readyStatus(n.obj) == corev1.ConditionTrue }

func readyStatus(o *corev1.Node) corev1.ConditionStatus {
	for i := range o.Status.Conditions {
		if o.Status.Conditions[i].Type == corev1.NodeReady {
			return o.Status.Conditions[i].Status
		}
	}
	return corev1.ConditionUnknown
}

// newObject makes the Node as its kubelet registers it: with the labels of its instance and its
// pool, the taints that keep pods away, and not ready.
func (c *Cluster) newObject(n *node, name string, now time.Time) *corev1.Node {
	zone := zones[n.zone]
	id := fmt.Sprintf("i-0%016x", c.ids.Uint64())
	labels := map[string]string{
		"beta.kubernetes.io/arch":                  n.machine.arch,
		"beta.kubernetes.io/instance-type":         n.machine.name(),
		"beta.kubernetes.io/os":                    "linux",
		"failure-domain.beta.kubernetes.io/region": region,
		"failure-domain.beta.kubernetes.io/zone":   zone.name,
		"k8s.io/cloud-provider-aws":                "c9fa5f1d6b8a4a3f7a1d5be0f3d6e2c4",
		"kubernetes.io/arch":                       n.machine.arch,
		"kubernetes.io/hostname":                   name,
		"kubernetes.io/os":                         "linux",
		"node.kubernetes.io/instance-type":         n.machine.name(),
		"topology.k8s.aws/zone-id":                 zone.id,
		"topology.kubernetes.io/region":            region,
		"topology.kubernetes.io/zone":              zone.name,
	}
	o := &corev1.Node{
		TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: c.uid(), CreationTimestamp: second(now), Labels: labels,
			Annotations: map[string]string{"node.alpha.kubernetes.io/ttl": "0",
				"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
		},
		Spec: corev1.NodeSpec{ProviderID: "aws:///" + zone.name + "/" + id},
		Status: corev1.NodeStatus{
			Capacity: n.machine.capacity(), Allocatable: n.machine.allocatable(),
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: dotted(name)},
				{Type: corev1.NodeInternalDNS, Address: name},
				{Type: corev1.NodeHostName, Address: name},
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: 10250}},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID: fmt.Sprintf("ec2%029x", c.ids.Uint64()), SystemUUID: string(c.uid()), BootID: string(c.uid()),
				KernelVersion: "6.12.55-74.119.amzn2023." +
					map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[n.machine.arch],
				OSImage: "Amazon Linux 2023.9.20251117", ContainerRuntimeVersion: "containerd://2.1.5",
				KubeletVersion: kubernetesVersion, OperatingSystem: "linux", Architecture: n.machine.arch,
			},
			Conditions: registered(now),
		},
	}
	if n.pool.managed {
		o.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}}
		labels["eks.amazonaws.com/capacityType"] = "ON_DEMAND"
		labels["eks.amazonaws.com/nodegroup"] = n.pool.name
		labels["eks.amazonaws.com/nodegroup-image"] = "ami-0b1f4a9d3c7e25a68"
		return o
	}
	maps.Copy(labels, n.machine.labels())
	labels["karpenter.k8s.aws/ec2nodeclass"] = "default"
	labels["karpenter.sh/capacity-type"] = n.spot
	labels["karpenter.sh/nodepool"] = n.pool.name
	o.Annotations["karpenter.k8s.aws/ec2nodeclass-hash"] = "3404672103478234761"
	o.Annotations["karpenter.sh/nodepool-hash"] = "12745407319442031341"
	o.Annotations["karpenter.sh/nodepool-hash-version"] = "v3"
	o.Spec.Taints = slices.Concat([]corev1.Taint{
		{Key: "karpenter.sh/unregistered", Effect: corev1.TaintEffectNoExecute},
		{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule},
	}, n.pool.taints)
	return o
}

// adopt is what Karpenter makes of a node that has registered: its NodeClaim owns it, and it is not gone before
// Karpenter says so.
func (n *node) adopt(o *corev1.Node) {
	yes := true
	o.Spec.Taints = withoutTaint(o.Spec.Taints, "karpenter.sh/unregistered")
	o.Labels = withLabel(o.Labels, "karpenter.sh/registered", "true")
	o.Finalizers = []string{"karpenter.sh/termination"}
	o.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: n.claim.apiVersion, Kind: n.claim.kind, Name: n.claim.name, UID: n.claim.uid, BlockOwnerDeletion: &yes},
	}
}

// dotted is the address in a name such as ip-10-0-3-4.ec2.internal.
func dotted(name string) string {
	var a, b, c, d int
	fmt.Sscanf(name, "ip-%d-%d-%d-%d", &a, &b, &c, &d)
	return fmt.Sprintf("%d.%d.%d.%d", a, b, c, d)
}

// second is a moment as the API writes it: whole seconds, cut off.
func second(t time.Time) metav1.Time { return metav1.NewTime(t.UTC().Truncate(time.Second)) }

const (
	noNetwork = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network " +
		"plugin returns error: cni plugin not initialized"
	stopped = "Kubelet stopped posting node status."
)

// healthy are the conditions of a node whose kubelet is content.
var healthy = []corev1.NodeCondition{
	{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientMemory",
		Message: "kubelet has sufficient memory available"},
	{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasNoDiskPressure",
		Message: "kubelet has no disk pressure"},
	{Type: corev1.NodePIDPressure, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientPID",
		Message: "kubelet has sufficient PID available"},
	{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
		Message: "kubelet is posting ready status"},
}

// registered are the conditions with which a kubelet registers its node.
func registered(now time.Time) []corev1.NodeCondition {
	cs := stamped(healthy, nil, now)
	cs[len(cs)-1].Status, cs[len(cs)-1].Reason, cs[len(cs)-1].Message = corev1.ConditionFalse, "KubeletNotReady", noNetwork
	return cs
}

// silent are the conditions that the node controller writes when a kubelet has stopped to.
func silent(old []corev1.NodeCondition, now time.Time) []corev1.NodeCondition {
	cs := slices.Clone(old)
	for i := range cs {
		cs[i].Status, cs[i].Reason, cs[i].Message, cs[i].LastTransitionTime = corev1.ConditionUnknown, "NodeStatusUnknown",
			stopped, second(now)
	}
	return cs
}

// stamped returns conditions with their times: the heartbeat is now, and so is the transition
// unless the old conditions have the same status.
func stamped(cs, old []corev1.NodeCondition, now time.Time) []corev1.NodeCondition {
	cs = slices.Clone(cs)
	for i := range cs {
		cs[i].LastHeartbeatTime, cs[i].LastTransitionTime = second(now), second(now)
		for _, o := range old {
			if o.Type == cs[i].Type && o.Status == cs[i].Status {
				cs[i].LastTransitionTime = o.LastTransitionTime
			}
		}
	}
	return cs
}

func withTaint(ts []corev1.Taint, more ...corev1.Taint) []corev1.Taint {
	return append(slices.Clone(ts), more...)
}

func withoutTaint(ts []corev1.Taint, keys ...string) []corev1.Taint {
	return slices.DeleteFunc(slices.Clone(ts), func(t corev1.Taint) bool { return slices.Contains(keys, t.Key) })
}

func withLabel(l map[string]string, k, v string) map[string]string {
	l = maps.Clone(l)
	l[k] = v
	return l
}

// reference names an object that events regard.
type reference struct {
	apiVersion, kind, namespace, name string
	uid                               types.UID
	fieldPath                         string
}

// ref is the node as controllers refer to it.
func (n *node) ref() reference {
	return reference{apiVersion: "v1", kind: "Node", name: n.obj.Name, uid: n.obj.UID}
}

// kubeletRef is the node as its kubelet refers to it: by its name where its UID belongs.
func (n *node) kubeletRef() reference {
	return reference{kind: "Node", name: n.obj.Name, uid: types.UID(n.obj.Name)}
}
