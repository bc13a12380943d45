package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Admin returns a client with every right: no rate limit, protobuf.
func (c *Cluster) Admin() *kubernetes.Clientset { return c.admin }

// CreateNode creates the node with its status, as a kubelet registers itself, and returns it as stored. The API server
// adds the not-ready taint; kube-controller-manager takes it away when it runs.
func (c *Cluster) CreateNode(ctx context.Context, node *corev1.Node) (*corev1.Node, error) {
	created, err := c.admin.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{FieldManager: "kubelet"})
	if err != nil {
		return nil, fmt.Errorf("creating node %s: %w", node.Name, err)
	}
	return created, nil
}

// CreateNodes creates n nodes with names of their own, so many at once as parallel says, and returns them as stored.
func (c *Cluster) CreateNodes(ctx context.Context, n, parallel int, opts ...NodeOption) ([]*corev1.Node, error) {
	nodes := make([]*corev1.Node, n)
	err := each(ctx, n, parallel, func(ctx context.Context, i int) (err error) {
		nodes[i], err = c.CreateNode(ctx, NewNode("", opts...))
		return err
	})
	return nodes, err
}

// DeleteNode deletes a node; one that is gone is no error.
func (c *Cluster) DeleteNode(ctx context.Context, name string) error {
	if err := c.admin.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil &&
		!apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting node %s: %w", name, err)
	}
	return nil
}

// DeleteNodes deletes nodes, so many at once as parallel says.
func (c *Cluster) DeleteNodes(ctx context.Context, parallel int, names ...string) error {
	return each(ctx, len(names), parallel, func(ctx context.Context, i int) error {
		return c.DeleteNode(ctx, names[i])
	})
}

// SetReady sets a node's Ready condition through its status, as a kubelet or the node lifecycle controller does. The
// transition time changes only when the status does. An empty reason becomes the usual one for that status.
func (c *Cluster) SetReady(ctx context.Context, name string, status corev1.ConditionStatus, reason string) error {
	return c.SetReadyAt(ctx, name, status, reason, time.Now())
}

// SetReadyAt is SetReady by a clock that says another time.
func (c *Cluster) SetReadyAt(ctx context.Context, name string, status corev1.ConditionStatus, reason string,
	at time.Time) error {
	node, err := c.admin.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("setting readiness of node %s: %w", name, err)
	}
	now := metav1.NewTime(at)
	condition := corev1.NodeCondition{
		Type: corev1.NodeReady, Status: status, Reason: reason, LastHeartbeatTime: now, LastTransitionTime: now,
	}
	for _, old := range node.Status.Conditions {
		if old.Type == corev1.NodeReady && old.Status == status {
			condition.LastTransitionTime = old.LastTransitionTime
		}
	}
	usual := map[corev1.ConditionStatus][2]string{
		corev1.ConditionTrue: {"KubeletReady", "kubelet is posting ready status"},
		corev1.ConditionFalse: {"KubeletNotReady",
			"PLEG is not healthy: pleg was last seen active 3m2s ago; threshold is 3m0s"},
		corev1.ConditionUnknown: {"NodeStatusUnknown", "Kubelet stopped posting node status."},
	}[status]
	if condition.Message = usual[1]; reason == "" {
		condition.Reason = usual[0]
	}
	return c.patchNode(ctx, name, map[string]any{
		"status": map[string]any{"conditions": []corev1.NodeCondition{condition}},
	}, "status")
}

// Heartbeat renews the heartbeat times of a node's conditions and changes nothing else, as a kubelet does every five
// minutes when nothing happens.
func (c *Cluster) Heartbeat(ctx context.Context, name string) error {
	now := metav1.Now().UTC().Format(time.RFC3339)
	var beats []map[string]string
	for _, t := range []corev1.NodeConditionType{
		corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure, corev1.NodeReady,
	} {
		beats = append(beats, map[string]string{"type": string(t), "lastHeartbeatTime": now})
	}
	return c.patchNode(ctx, name, map[string]any{"status": map[string]any{"conditions": beats}}, "status")
}

// MovingHeartbeat is a heartbeat that moves the time of the last transition too, though nothing changed, as some agents
// write it.
func (c *Cluster) MovingHeartbeat(ctx context.Context, name string) error {
	now := metav1.Now().UTC().Format(time.RFC3339)
	return c.patchNode(ctx, name, map[string]any{"status": map[string]any{"conditions": []map[string]string{
		{"type": string(corev1.NodeReady), "lastHeartbeatTime": now, "lastTransitionTime": now}}}}, "status")
}

// Heartbeats gives the nodes heartbeats in turn, perSecond altogether (0: as fast as the API server takes them), until
// ctx ends, and returns how many arrived and how many failed. As with kubelets a failure is not the end: the API server
// may come back and a deleted node does not stop the others. A node's heartbeat times have whole seconds, so a second
// one within the same second changes nothing and is not seen by watches.
func (c *Cluster) Heartbeats(ctx context.Context, perSecond, parallel int, names ...string) (sent, failed int) {
	var good, bad atomic.Int64
	paced(ctx, -1, perSecond, parallel, func(ctx context.Context, i int) error {
		// A heartbeat under way when ctx ends still arrives.
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := c.Heartbeat(call, names[i%len(names)]); err == nil {
			good.Add(1)
			return nil
		}
		bad.Add(1)
		select { // no storm while the API server is away
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
		return nil
	})
	return int(good.Load()), int(bad.Load())
}

// Cordon marks a node unschedulable, as kubectl cordon does.
func (c *Cluster) Cordon(ctx context.Context, name string) error {
	return c.patchNode(ctx, name, map[string]any{"spec": map[string]any{"unschedulable": true}})
}

// Uncordon ends [Cluster.Cordon].
func (c *Cluster) Uncordon(ctx context.Context, name string) error {
	return c.patchNode(ctx, name, map[string]any{"spec": map[string]any{"unschedulable": nil}})
}

// SetLabels changes labels of a node; an empty value removes the label.
func (c *Cluster) SetLabels(ctx context.Context, name string, labels map[string]string) error {
	patch := map[string]any{}
	for key, value := range labels {
		if patch[key] = value; value == "" {
			patch[key] = nil
		}
	}
	return c.patchNode(ctx, name, map[string]any{"metadata": map[string]any{"labels": patch}})
}

// Clear deletes all nodes, leases of nodes and events. It is for tests that have the cluster to themselves.
func (c *Cluster) Clear(ctx context.Context) error {
	all := metav1.ListOptions{}
	if err := c.admin.CoreV1().Nodes().DeleteCollection(ctx, metav1.DeleteOptions{}, all); err != nil {
		return fmt.Errorf("deleting all nodes: %w", err)
	}
	if err := c.admin.CoordinationV1().Leases(corev1.NamespaceNodeLease).DeleteCollection(ctx, metav1.DeleteOptions{},
		all); err != nil {
		return fmt.Errorf("deleting all node leases: %w", err)
	}
	namespaces, err := c.admin.CoreV1().Namespaces().List(ctx, all)
	if err != nil {
		return fmt.Errorf("listing namespaces: %w", err)
	}
	for _, ns := range namespaces.Items {
		if err := c.admin.EventsV1().Events(ns.Name).DeleteCollection(ctx, metav1.DeleteOptions{}, all); err != nil {
			return fmt.Errorf("deleting all events of namespace %s: %w", ns.Name, err)
		}
	}
	return nil
}

func (c *Cluster) patchNode(ctx context.Context, name string, patch map[string]any, subresources ...string) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("patching node %s: %w", name, err)
	}
	_, err = c.admin.CoreV1().Nodes().Patch(ctx, name, types.StrategicMergePatchType, data,
		metav1.PatchOptions{FieldManager: "kubelet"}, subresources...)
	if err != nil {
		return fmt.Errorf("patching node %s: %w", name, err)
	}
	return nil
}

// each runs f for 0…n-1, so many at once as parallel says, and returns the first error, after which no more start.
func each(ctx context.Context, n, parallel int, f func(ctx context.Context, i int) error) error {
	return paced(ctx, n, 0, parallel, f)
}

// paced is each at a pace of so many a second (0: no pace). A negative n means until ctx ends, which then is no error.
func paced(ctx context.Context, n, perSecond, parallel int, f func(ctx context.Context, i int) error) error {
	endless := n < 0
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	start := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range max(1, parallel) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if !endless && i >= n {
					return
				}
				if perSecond > 0 {
					due := start.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
					select {
					case <-ctx.Done():
						return
					case <-time.After(time.Until(due)):
					}
				}
				if err := f(ctx, i); err != nil && ctx.Err() == nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	if outer.Err() != nil {
		if endless {
			return nil
		}
		return context.Cause(outer)
	}
	return context.Cause(ctx)
}
