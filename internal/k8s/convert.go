package k8s

import (
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

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
		UID:     clean(string(o.UID)),
		Name:    clean(o.Name),
		Arch:    clean(o.Status.NodeInfo.Architecture),
		OS:      clean(o.Status.NodeInfo.OperatingSystem),
		Labels:  cleanLabels(o.Labels),
		Detail: fleet.Detail{
			ProviderID:     clean(o.Spec.ProviderID),
			KubeletVersion: clean(o.Status.NodeInfo.KubeletVersion),
			Taints:         scratch[:0],
			Capacity:       resources(o.Status.Capacity),
			Allocatable:    resources(o.Status.Allocatable),
		},
		Cordoned:  o.Spec.Unschedulable,
		Ready:     fleet.Condition{Status: fleet.ReadyUnknown},
		CreatedAt: moment(o.CreationTimestamp.Time),
	}
	for i := range o.Spec.Taints {
		t := &o.Spec.Taints[i]
		n.Taints = append(n.Taints, fleet.Taint{Key: clean(t.Key), Value: clean(t.Value), Effect: clean(string(t.Effect))})
	}
	for i := range o.Status.Conditions {
		c := &o.Status.Conditions[i]
		if c.Type != corev1.NodeReady {
			continue
		}
		n.Ready.Reason, n.Ready.Message = clean(c.Reason), clip(clean(c.Message))
		n.Ready.Since = moment(c.LastTransitionTime.Time)
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

// moment is a time in UTC, the zero time if it is not known. Only the years 1 to 9999 can be written as RFC 3339, the
// form of all times in the API's JSON: protobuf carries others, which are no times of anything.
func moment(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// maxNote is how long a text for people may be, in bytes. The API promises notes of 1 kB, and asks to be prepared for
// 64 kB (events.k8s.io/v1, Event.note); it holds an event of the old API, and a condition, to no limit but that of
// an object.
const maxNote = 64 << 10

// clip cuts a text for people to maxNote.
func clip(s string) string {
	const end = "…"
	if len(s) <= maxNote {
		return s
	}
	return strings.ToValidUTF8(s[:maxNote-len(end)], "") + end
}

// clean replaces what is no text in the API's strings: protobuf does not check that they are UTF-8, and a NUL ends a
// text early for some who read it. It allocates nothing where there is nothing to replace.
func clean(s string) string {
	if isClean(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func isClean(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// cleanLabels is clean of a map, which it does not change.
func cleanLabels(labels map[string]string) map[string]string {
	for k, v := range labels {
		if !isClean(k) || !isClean(v) {
			cleaned := maps.Clone(labels)
			for k, v := range labels {
				delete(cleaned, k)
				cleaned[clean(k)] = clean(v)
			}
			return cleaned
		}
	}
	return labels
}

// event converts an Event of either recorder. The new one writes eventTime and counts in
// series; the old one, which most controllers still use, leaves eventTime null and writes the
// fields that are called deprecated.
func event(cluster string, o *eventsv1.Event) fleet.Event {
	e := fleet.Event{
		Cluster: cluster,
		UID:     clean(string(o.UID)),
		Regarding: fleet.ObjectRef{
			Kind:      clean(o.Regarding.Kind),
			Namespace: clean(o.Regarding.Namespace),
			Name:      clean(o.Regarding.Name),
			UID:       clean(string(o.Regarding.UID)),
		},
		Reason:     clean(o.Reason),
		Type:       clean(o.Type),
		Note:       clip(clean(o.Note)),
		Controller: clean(o.ReportingController),
		Count:      max(1, int(o.DeprecatedCount)),
	}
	if e.Controller == "" {
		e.Controller = clean(o.DeprecatedSource.Component)
	}
	written := moment(o.CreationTimestamp.Time)
	e.First = firstMoment(moment(o.EventTime.Time), moment(o.DeprecatedFirstTimestamp.Time),
		moment(o.DeprecatedLastTimestamp.Time), written)
	e.Last = fleet.Latest(moment(o.DeprecatedLastTimestamp.Time), e.First)
	if o.Series != nil {
		e.Count = max(e.Count, int(o.Series.Count))
		e.Last = fleet.Latest(e.Last, moment(o.Series.LastObservedTime.Time))
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
