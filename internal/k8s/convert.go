package k8s

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall/internal/fleet"
)

// Text is cleaned and cut here, where it comes in: see fleet.CleanText. Kubernetes allows only ASCII in most names and
// labels, but not every API server is Kubernetes; and an event that is written through core/v1 may have fields of any
// length.
const (
	// maxNote bounds notes, messages and provider IDs, in bytes. Source: NoteLengthLimit of Kubernetes
	// (pkg/apis/core/validation/events.go), which events.k8s.io/v1 holds notes to.
	maxNote = 1024
	// maxName bounds every other text, in bytes. Source: Kubernetes' longest name is a qualified one, 253 bytes of
	// prefix, a slash, and 63.
	maxName = 317
)

func note(s string) string { return clipped(s, maxNote) }
func word(s string) string { return clipped(s, maxName) }

// clipped cleans text and cuts it to so many bytes. What a long text is cut from is not kept in memory.
func clipped(s string, bytes int) string {
	// Cut first, so that a huge text is not copied; and again, because a broken byte becomes three.
	return fleet.Cut(fleet.CleanText(fleet.Cut(s, bytes)), bytes)
}

// look converts a Node to what a comparison needs: everything except what labels and provider
// ID tell, which [fleet.Describe] adds if there is a difference to record.
//
// The result shares the object's labels and strings, and its taints are appended to scratch, so
// that a heartbeat allocates nothing. It is valid while neither changes; use keep for a lasting
// one. Sharing pins little: protobuf decoding gives each string memory of its own.
func look(cluster string, o *corev1.Node, scratch []fleet.Taint) fleet.Node {
	n := fleet.Node{
		Cluster: cluster,
		UID:     word(string(o.UID)),
		Name:    word(o.Name),
		Arch:    word(o.Status.NodeInfo.Architecture),
		OS:      word(o.Status.NodeInfo.OperatingSystem),
		Labels:  labels(o.Labels),
		Detail: fleet.Detail{
			ProviderID:     note(o.Spec.ProviderID),
			KubeletVersion: word(o.Status.NodeInfo.KubeletVersion),
			Taints:         scratch[:0],
			Capacity:       resources(o.Status.Capacity),
			Allocatable:    resources(o.Status.Allocatable),
			Owner:          owner(&o.ObjectMeta),
		},
		Cordoned:  o.Spec.Unschedulable,
		Ready:     fleet.Condition{Status: fleet.ReadyUnknown},
		CreatedAt: moment(o.CreationTimestamp.Time),
	}
	if o.DeletionTimestamp != nil {
		n.DeletedAt = moment(o.DeletionTimestamp.Time)
	}
	for i := range o.Spec.Taints {
		t := &o.Spec.Taints[i]
		n.Taints = append(n.Taints, fleet.Taint{Key: word(t.Key), Value: word(t.Value), Effect: word(string(t.Effect))})
	}
	for i := range o.Status.Conditions {
		c := &o.Status.Conditions[i]
		if c.Type != corev1.NodeReady {
			if bad, ok := unwell[c.Type]; ok && c.Status == bad {
				n.Problems = append(n.Problems, fleet.Problem{Type: string(c.Type), Since: moment(c.LastTransitionTime.Time)})
			}
			continue
		}
		n.Ready.Reason, n.Ready.Message = word(c.Reason), note(c.Message)
		n.Ready.Since = moment(c.LastTransitionTime.Time)
		// Constants, because the status is kept in memory per node.
		switch c.Status {
		case corev1.ConditionTrue:
			n.Ready.Status = fleet.Ready
		case corev1.ConditionFalse:
			n.Ready.Status = fleet.NotReady
		}
	}
	if len(n.Problems) > 1 {
		slices.SortStableFunc(n.Problems, func(a, b fleet.Problem) int { return strings.Compare(a.Type, b.Type) })
		n.Problems = slices.CompactFunc(n.Problems, func(a, b fleet.Problem) bool { return a.Type == b.Type })
	}
	return n
}

// unwell are the conditions of a node that a repair looks at, each with the status that says that something is wrong.
// Unknown says nothing. Those that the kubelet writes itself (MemoryPressure, DiskPressure, PIDPressure) are not among
// them: they come and go on nodes that nobody repairs.
var unwell = map[corev1.NodeConditionType]corev1.ConditionStatus{
	// Source: the node monitoring agent of EKS, https://docs.aws.amazon.com/eks/latest/userguide/node-repair.html.
	"AcceleratedHardwareReady": corev1.ConditionFalse,
	"ContainerRuntimeReady":    corev1.ConditionFalse,
	"KernelReady":              corev1.ConditionFalse,
	"NetworkingReady":          corev1.ConditionFalse,
	"StorageReady":             corev1.ConditionFalse,
	// Source: the rules that node-problem-detector has in its folder config.
	"KernelDeadlock":              corev1.ConditionTrue,
	"ReadonlyFilesystem":          corev1.ConditionTrue,
	"XfsShutdown":                 corev1.ConditionTrue,
	"CperHardwareErrorFatal":      corev1.ConditionTrue,
	"CorruptDockerOverlay2":       corev1.ConditionTrue,
	"FrequentUnregisterNetDevice": corev1.ConditionTrue,
	"FrequentKubeletRestart":      corev1.ConditionTrue,
	"FrequentDockerRestart":       corev1.ConditionTrue,
	"FrequentContainerdRestart":   corev1.ConditionTrue,
	"KubeletUnhealthy":            corev1.ConditionTrue,
	"ContainerRuntimeUnhealthy":   corev1.ConditionTrue,
	// Source: AKS, https://learn.microsoft.com/azure/aks/node-problem-detector.
	"KubeletProblem":              corev1.ConditionTrue,
	"ContainerRuntimeProblem":     corev1.ConditionTrue,
	"FilesystemCorruptionProblem": corev1.ConditionTrue,
	"VMEventScheduled":            corev1.ConditionTrue,
}

// The annotations that name the Machine of a node.
const (
	// Source: machine-api-operator, pkg/controller/nodelink: namespace/name, of an object of the same cluster.
	openShiftMachine = "machine.openshift.io/machine"
	// Source: cluster-api, api/core/v1beta2/common_types.go: of an object of the management cluster.
	clusterAPIMachine   = "cluster.x-k8s.io/machine"
	clusterAPINamespace = "cluster.x-k8s.io/cluster-namespace"
)

// owner is the object that a node belongs to; zero if nothing names one.
func owner(o *metav1.ObjectMeta) fleet.ObjectRef {
	for i := range o.OwnerReferences {
		r := &o.OwnerReferences[i]
		if r.Kind == "NodeClaim" && strings.HasPrefix(r.APIVersion, "karpenter.sh/") {
			return fleet.ObjectRef{Kind: "NodeClaim", Name: word(r.Name), UID: word(string(r.UID))}
		}
	}
	namespace, name, ok := strings.Cut(o.Annotations[openShiftMachine], "/")
	if !ok {
		namespace, name = o.Annotations[clusterAPINamespace], o.Annotations[clusterAPIMachine]
	}
	if name == "" {
		return fleet.ObjectRef{}
	}
	return fleet.ObjectRef{Kind: "Machine", Namespace: word(namespace), Name: word(name)}
}

// labels are the labels of an object, cleaned and cut: nearly always that is the object's own map.
func labels(of map[string]string) map[string]string {
	for k, v := range of {
		if word(k) == k && word(v) == v {
			continue
		}
		cleaned := make(map[string]string, len(of))
		// In one order, in case two keys become one: the fingerprint must be the same at each look.
		for _, k := range slices.Sorted(maps.Keys(of)) {
			cleaned[word(k)] = word(of[k])
		}
		return cleaned
	}
	return of
}

// keep makes what look returned last, and completes it.
func keep(n *fleet.Node) {
	n.Taints = append([]fleet.Taint(nil), n.Taints...)
	fleet.Describe(n)
}

// gpuResources are what the device plugins of the two makers call their GPUs.
var gpuResources = [...]corev1.ResourceName{"nvidia.com/gpu", "amd.com/gpu"}

func resources(l corev1.ResourceList) fleet.Resources {
	r := fleet.Resources{MilliCPU: l.Cpu().MilliValue(), Memory: l.Memory().Value(), Pods: l.Pods().Value()}
	for _, k := range gpuResources {
		if q, ok := l[k]; ok {
			r.GPUs += q.Value()
		}
	}
	return r
}

// moment is a time in UTC, the zero time if it is not known. Only the years 1 to 9999 can be written as RFC 3339, the
// form of all times in the API's JSON: protobuf carries others, which are no times of anything.
func moment(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// eventDelay is how long before it was written an event may say that it happened: a recorder waits for its turn, and
// tries again for two minutes while the API server is away. It is Rollcall's own choice.
const eventDelay = 10 * time.Minute

// event converts an Event of either recorder. The new one writes eventTime and counts in
// series; the old one, which most controllers still use, leaves eventTime null and writes the
// fields that are called deprecated.
//
// Whoever may write events may claim any time. The API server's own word is when the event was created, and ours when
// it was received. What is said to have happened first after the one, or long before it, happened first then, as far as
// is known; what is said to have happened last after the other happened then.
func event(cluster string, o *eventsv1.Event, received time.Time) fleet.Event {
	e := fleet.Event{
		Cluster: cluster,
		UID:     word(string(o.UID)),
		Regarding: fleet.ObjectRef{
			Kind:      word(o.Regarding.Kind),
			Namespace: word(namespace(o)),
			Name:      word(o.Regarding.Name),
			UID:       word(string(o.Regarding.UID)),
		},
		Reason:     word(o.Reason),
		Type:       word(o.Type),
		Note:       note(o.Note),
		Controller: word(cmp.Or(o.ReportingController, o.DeprecatedSource.Component)),
		Count:      max(1, int(o.DeprecatedCount)),
	}
	created := moment(o.CreationTimestamp.Time)
	e.First = firstMoment(moment(o.EventTime.Time), moment(o.DeprecatedFirstTimestamp.Time),
		moment(o.DeprecatedLastTimestamp.Time), created)
	e.Last = moment(o.DeprecatedLastTimestamp.Time)
	if o.Series != nil {
		e.Count = max(e.Count, int(o.Series.Count))
		e.Last = fleet.Latest(e.Last, moment(o.Series.LastObservedTime.Time))
	}
	if created.IsZero() {
		created = e.First
	}
	end := created.Add(time.Second) // its second is not over when it is written
	if e.First.After(end) || e.First.Before(created.Add(-eventDelay)) {
		e.First = created
	}
	// The API server's clock may be ahead of ours.
	e.Last = fleet.Latest(e.First, earliest(e.Last, fleet.Latest(received.UTC(), end)))
	return e
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// namespace is where the object is that an event regards, "" if it is in none: the event's own namespace, because the
// API server lets only those write there who may, whereas what an event says of its object is not always compared with
// it. Events on objects without a namespace are in default, or in kube-system; no API server takes them elsewhere.
func namespace(o *eventsv1.Event) string {
	switch of := o.Regarding.Namespace; {
	case of == "" && (o.Namespace == metav1.NamespaceDefault || o.Namespace == metav1.NamespaceSystem):
		return ""
	case o.Namespace == "":
		return of
	}
	return o.Namespace
}

func firstMoment(ts ...time.Time) time.Time {
	for _, t := range ts {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// sharer keeps one copy of each string that many nodes have.
type sharer map[string]string

// labels replaces the node's labels by a map whose strings are shared: nodes differ in few.
func (s sharer) labels(n *fleet.Node) {
	labels := make(map[string]string, len(n.Labels))
	for k, v := range n.Labels {
		labels[s.one(k)] = s.one(v)
	}
	n.Labels = labels
	fleet.Describe(n)
}

func (s sharer) one(v string) string {
	if have, ok := s[v]; ok {
		return have
	}
	s[v] = v
	return v
}
