package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Events come in two forms. The old recorder's, which most controllers still write, has its count in deprecatedCount,
// its times in deprecatedFirstTimestamp and deprecatedLastTimestamp, and a null eventTime; the new recorder's has an
// eventTime and, once it repeats, a series. The API server takes the old form only through core/v1, and shows both
// through events.k8s.io/v1. The constructors here make the old form; [InNewForm] converts.

// NodeReadyEvent is what a kubelet writes when its node becomes ready. Kubelets refer to their node without its UID
// (older ones put the node's name there: set Regarding.UID for that).
func NodeReadyEvent(node *corev1.Node) *eventsv1.Event {
	e := nodeEvent(node, "kubelet", "NodeReady", "Node %s status is now: NodeReady")
	e.Regarding.UID = ""
	e.DeprecatedSource.Host, e.ReportingInstance = node.Name, node.Name
	return e
}

// KubeletNotReadyEvent is what a kubelet writes when its node stops being ready.
func KubeletNotReadyEvent(node *corev1.Node) *eventsv1.Event {
	e := NodeReadyEvent(node)
	e.Reason, e.Note = "NodeNotReady", fmt.Sprintf("Node %s status is now: NodeNotReady", node.Name)
	return e
}

// NodeNotReadyEvent is what the node lifecycle controller writes when it has marked a node Unknown.
func NodeNotReadyEvent(node *corev1.Node) *eventsv1.Event {
	return nodeEvent(node, "node-controller", "NodeNotReady", "Node %s status is now: NodeNotReady")
}

// RegisteredNodeEvent is what the node lifecycle controller writes about a node that is new to it, which after its own
// restart is every node.
func RegisteredNodeEvent(node *corev1.Node) *eventsv1.Event {
	return nodeEvent(node, "node-controller", "RegisteredNode", "Node %[1]s event: Registered Node %[1]s in Controller")
}

// RemovingNodeEvent is what the node lifecycle controller writes about a node that was deleted.
func RemovingNodeEvent(node *corev1.Node) *eventsv1.Event {
	return nodeEvent(node, "node-controller", "RemovingNode", "Node %[1]s event: Removing Node %[1]s from Controller")
}

func nodeEvent(node *corev1.Node, component, reason, note string) *eventsv1.Event {
	return NewEvent(component, corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID},
		corev1.EventTypeNormal, reason, fmt.Sprintf(note, node.Name))
}

// eventNumber makes event names unique within the process.
var eventNumber atomic.Int64

// NewEvent makes an event in the old recorder's form, first and last seen now. Events about objects without a
// namespace live in the namespace default.
func NewEvent(component string, regarding corev1.ObjectReference, eventType, reason, note string) *eventsv1.Event {
	now := metav1.Now()
	namespace := regarding.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Name:      fmt.Sprintf("%s.%x", regarding.Name, now.UnixNano()+eventNumber.Add(1)),
		},
		ReportingController:      component,
		Reason:                   reason,
		Regarding:                regarding,
		Note:                     note,
		Type:                     eventType,
		DeprecatedSource:         corev1.EventSource{Component: component},
		DeprecatedFirstTimestamp: now,
		DeprecatedLastTimestamp:  now,
		DeprecatedCount:          1,
	}
}

// InNewForm converts an event that has not been created yet to the new recorder's form.
func InNewForm(e *eventsv1.Event) *eventsv1.Event {
	e = e.DeepCopy()
	e.EventTime = metav1.NewMicroTime(e.DeprecatedLastTimestamp.Time)
	if e.ReportingInstance == "" {
		e.ReportingInstance = e.ReportingController + "-0"
	}
	if e.Action == "" {
		e.Action = e.Reason
	}
	e.DeprecatedSource = corev1.EventSource{}
	e.DeprecatedFirstTimestamp, e.DeprecatedLastTimestamp, e.DeprecatedCount = metav1.Time{}, metav1.Time{}, 0
	return e
}

// EmitEvent creates an event in whichever form it has and returns it as events.k8s.io/v1 shows it.
func (c *Cluster) EmitEvent(ctx context.Context, e *eventsv1.Event) (*eventsv1.Event, error) {
	fail := func(err error) (*eventsv1.Event, error) {
		return nil, fmt.Errorf("emitting event %s about %s %s: %w", e.Reason, e.Regarding.Kind, e.Regarding.Name, err)
	}
	if !e.EventTime.IsZero() {
		created, err := c.admin.EventsV1().Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{})
		if err != nil {
			return fail(err)
		}
		return created, nil
	}
	_, err := c.admin.CoreV1().Events(e.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta:          e.ObjectMeta,
		InvolvedObject:      e.Regarding,
		Related:             e.Related,
		Reason:              e.Reason,
		Message:             e.Note,
		Type:                e.Type,
		Action:              e.Action,
		Source:              e.DeprecatedSource,
		FirstTimestamp:      e.DeprecatedFirstTimestamp,
		LastTimestamp:       e.DeprecatedLastTimestamp,
		Count:               e.DeprecatedCount,
		ReportingController: e.ReportingController,
		ReportingInstance:   e.ReportingInstance,
	}, metav1.CreateOptions{})
	if err != nil {
		return fail(err)
	}
	created, err := c.admin.EventsV1().Events(e.Namespace).Get(ctx, e.Name, metav1.GetOptions{})
	if err != nil {
		return fail(err)
	}
	return created, nil
}

// RepeatEvent says once more what an event said, as its recorder would: it raises deprecatedCount and the last
// timestamp, or starts or continues the series. Watches see a MODIFIED event. It returns the event as it is then.
func (c *Cluster) RepeatEvent(ctx context.Context, namespace, name string) (*eventsv1.Event, error) {
	fail := func(err error) (*eventsv1.Event, error) {
		return nil, fmt.Errorf("repeating event %s/%s: %w", namespace, name, err)
	}
	e, err := c.admin.EventsV1().Events(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fail(err)
	}
	if e.EventTime.IsZero() {
		patch, err := json.Marshal(map[string]any{"count": e.DeprecatedCount + 1, "lastTimestamp": metav1.Now()})
		if err != nil {
			return fail(err)
		}
		if _, err := c.admin.CoreV1().Events(namespace).Patch(ctx, name, types.StrategicMergePatchType, patch,
			metav1.PatchOptions{}); err != nil {
			return fail(err)
		}
		if e, err = c.admin.EventsV1().Events(namespace).Get(ctx, name, metav1.GetOptions{}); err != nil {
			return fail(err)
		}
		return e, nil
	}
	count := int32(2)
	if e.Series != nil {
		count = e.Series.Count + 1
	}
	patch, err := json.Marshal(
		map[string]any{"series": eventsv1.EventSeries{Count: count, LastObservedTime: metav1.NowMicro()}})
	if err != nil {
		return fail(err)
	}
	if e, err = c.admin.EventsV1().Events(namespace).Patch(ctx, name, types.StrategicMergePatchType, patch,
		metav1.PatchOptions{}); err != nil {
		return fail(err)
	}
	return e, nil
}

// EmitEvents creates total events for load, perSecond of them a second (0: as fast as the API server takes them), so
// many at once as parallel says. event makes the i-th one; nil makes Started events of pods that do not exist. It
// returns how many were created.
func (c *Cluster) EmitEvents(ctx context.Context, total, perSecond, parallel int, event func(i int) *eventsv1.Event) (
	created int, err error) {
	if event == nil {
		event = podStarted
	}
	var count atomic.Int64
	err = paced(ctx, total, perSecond, parallel, func(ctx context.Context, i int) error {
		e := event(i)
		if e.EventTime.IsZero() {
			e = InNewForm(e)
		}
		if _, err := c.admin.EventsV1().Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("emitting event %d: %w", i, err)
		}
		count.Add(1)
		return nil
	})
	return int(count.Load()), err
}

func podStarted(i int) *eventsv1.Event {
	pod := fmt.Sprintf("web-%s-%s", hex("web", 10), letters(int64(i), 5))
	return NewEvent("kubelet", corev1.ObjectReference{
		APIVersion: "v1", Kind: "Pod", Namespace: metav1.NamespaceDefault, Name: pod, UID: types.UID(hex(pod, 32)),
		FieldPath: "spec.containers{web}",
	}, corev1.EventTypeNormal, "Started", "Started container web")
}
