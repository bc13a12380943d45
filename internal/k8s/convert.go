package k8s

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall/internal/fleet"
)

// look converts a Node to what a comparison needs: everything except what labels and provider
// ID tell, which [fleet.Describe] adds if there is a difference to record.
//
// The result shares the object's labels and strings, and its taints are appended to scratch, so
// that a heartbeat allocates nothing. It is valid while neither changes; use keep for a lasting
// one. Sharing pins little: protobuf decoding gives each string memory of its own.
func look(cluster string, o *corev1.Node, scratch []fleet.Taint) fleet.Node {
	n := fleet.Node{
		Cluster: cluster,
		UID:     string(o.UID),
		Name:    o.Name,
		Arch:    o.Status.NodeInfo.Architecture,
		OS:      o.Status.NodeInfo.OperatingSystem,
		Labels:  o.Labels,
		Detail: fleet.Detail{
			ProviderID:     o.Spec.ProviderID,
			KubeletVersion: o.Status.NodeInfo.KubeletVersion,
			Taints:         scratch[:0],
			Capacity:       resources(o.Status.Capacity),
			Allocatable:    resources(o.Status.Allocatable),
		},
		Cordoned:  o.Spec.Unschedulable,
		Ready:     fleet.Condition{Status: fleet.ReadyUnknown},
		CreatedAt: moment(o.CreationTimestamp),
	}
	for i := range o.Spec.Taints {
		t := &o.Spec.Taints[i]
		n.Taints = append(n.Taints, fleet.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	for i := range o.Status.Conditions {
		c := &o.Status.Conditions[i]
		if c.Type != corev1.NodeReady {
			continue
		}
		n.Ready.Reason, n.Ready.Message, n.Ready.Since = c.Reason, c.Message, moment(c.LastTransitionTime)
		// Constants, because the status is kept in memory per node.
		switch c.Status {
		case corev1.ConditionTrue:
			n.Ready.Status = fleet.Ready
		case corev1.ConditionFalse:
			n.Ready.Status = fleet.NotReady
		}
	}
	return n
}

// keep makes what look returned last, and completes it.
func keep(n *fleet.Node) {
	n.Taints = append([]fleet.Taint(nil), n.Taints...)
	fleet.Describe(n)
}

func resources(l corev1.ResourceList) fleet.Resources {
	return fleet.Resources{MilliCPU: l.Cpu().MilliValue(), Memory: l.Memory().Value(), Pods: l.Pods().Value()}
}

func moment(t metav1.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

// event converts an Event of either recorder. The new one writes eventTime and counts in
// series; the old one, which most controllers still use, leaves eventTime null and writes the
// fields that are called deprecated.
func event(cluster string, o *eventsv1.Event) fleet.Event {
	e := fleet.Event{
		Cluster: cluster,
		UID:     string(o.UID),
		Regarding: fleet.ObjectRef{
			Kind:      o.Regarding.Kind,
			Namespace: o.Regarding.Namespace,
			Name:      o.Regarding.Name,
			UID:       string(o.Regarding.UID),
		},
		Reason:     o.Reason,
		Type:       o.Type,
		Note:       o.Note,
		Controller: o.ReportingController,
		Count:      max(1, int(o.DeprecatedCount)),
	}
	if e.Controller == "" {
		e.Controller = o.DeprecatedSource.Component
	}
	written := moment(o.CreationTimestamp)
	e.First = firstMoment(o.EventTime.Time.UTC(), moment(o.DeprecatedFirstTimestamp), moment(o.DeprecatedLastTimestamp),
		written)
	e.Last = fleet.Latest(moment(o.DeprecatedLastTimestamp), e.First)
	if o.Series != nil {
		e.Count = max(e.Count, int(o.Series.Count))
		e.Last = fleet.Latest(e.Last, o.Series.LastObservedTime.UTC())
	}
	return e
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
