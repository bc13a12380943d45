package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func TestMain(m *testing.M) {
	os.Exit(Main(m))
}

func TestNodeLife(t *testing.T) {
	c := Shared(t)
	ctx := t.Context()
	node, err := c.CreateNode(ctx, NewNode("", Spot(), InstanceType("m7g.2xlarge"), Pool("batch")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.DeleteNode(context.Background(), node.Name) })
	if got, _ := readiness(node); got != corev1.ConditionFalse {
		t.Errorf("a new node's readiness is %s, want False", got)
	}
	w, err := c.Admin().CoreV1().Nodes().Watch(ctx, metav1.ListOptions{
		ResourceVersion: node.ResourceVersion, FieldSelector: "metadata.name=" + node.Name,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	step := func(what string, err error, want watch.EventType) *corev1.Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-w.ResultChan():
			if e.Type != want {
				t.Fatalf("%s: watch says %s, want %s", what, e.Type, want)
			}
			return e.Object.(*corev1.Node)
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: the watch is silent", what)
		}
		return nil
	}

	got := step("ready", c.SetReady(ctx, node.Name, corev1.ConditionTrue, ""), watch.Modified)
	status, since := readiness(got)
	if status != corev1.ConditionTrue {
		t.Errorf("after SetReady the node is %s", status)
	}
	if len(got.Status.Images) != 30 || len(got.Status.Conditions) != 4 {
		t.Errorf("SetReady left %d images and %d conditions, want 30 and 4", len(got.Status.Images),
			len(got.Status.Conditions))
	}
	Eventually(t, 3*time.Second, func(ctx context.Context) error { // within the same second it changes nothing
		if err := c.Heartbeat(ctx, node.Name); err != nil {
			return err
		}
		node, err := c.Admin().CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
		if err == nil && node.ResourceVersion == got.ResourceVersion {
			err = errors.New("the heartbeat changed nothing")
		}
		return err
	})
	got = step("heartbeat", nil, watch.Modified)
	if s, again := readiness(got); s != corev1.ConditionTrue || !again.Equal(since) {
		t.Errorf("a heartbeat changed readiness to %s since %s, want %s since %s", s, again, status, since)
	}
	got = step("same status", c.SetReady(ctx, node.Name, corev1.ConditionTrue, "StillReady"), watch.Modified)
	if _, again := readiness(got); !again.Equal(since) {
		t.Errorf("setting the same status moved its transition from %s to %s", since, again)
	}
	got = step("cordon", c.Cordon(ctx, node.Name), watch.Modified)
	if !got.Spec.Unschedulable {
		t.Error("a cordoned node is schedulable")
	}
	got = step("uncordon", c.Uncordon(ctx, node.Name), watch.Modified)
	if got.Spec.Unschedulable {
		t.Error("an uncordoned node is unschedulable")
	}
	got = step("label", c.SetLabels(ctx, node.Name, map[string]string{"team": "a", "karpenter.sh/nodepool": ""}),
		watch.Modified)
	if got.Labels["team"] != "a" || got.Labels["karpenter.sh/nodepool"] != "" {
		t.Errorf("SetLabels left %v", got.Labels)
	}
	step("delete", c.DeleteNode(ctx, node.Name), watch.Deleted)
	if err := c.DeleteNode(ctx, node.Name); err != nil {
		t.Errorf("deleting a deleted node: %v", err)
	}
}

func TestNewNodeIsRealistic(t *testing.T) {
	c := Shared(t)
	tests := map[string]struct {
		flavour             Flavour
		labels              int
		provider, typ, zone string
		spotKey, spotValue  string
	}{
		"karpenter": {EKSKarpenter, 25, "aws:///eu-central-1a/i-0", "c6i.4xlarge", "eu-central-1a",
			"karpenter.sh/capacity-type", "spot"},
		"group": {EKSManagedGroup, 20, "aws:///eu-central-1b/i-0", "m6i.2xlarge", "eu-central-1b",
			"eks.amazonaws.com/capacityType", "SPOT"},
		"gke": {GKE, 20, "gce://example-project/europe-west3-a/", "n2-standard-8", "europe-west3-a",
			"cloud.google.com/gke-spot", "true"},
		"aks": {AKS, 20, "azure:///subscriptions/", "Standard_D8s_v5", "germanywestcentral-1",
			"kubernetes.azure.com/scalesetpriority", "spot"},
		"plain": {Plain, 5, "", "", "", "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			made := NewNode("", OfFlavour(test.flavour), Spot(), Ready())
			node, err := c.CreateNode(t.Context(), made)
			if err != nil {
				t.Fatal(err)
			}
			defer c.DeleteNode(t.Context(), node.Name)
			data, err := json.Marshal(node)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %d bytes, %d of them managed fields, %d labels", node.Name, len(data), managedFieldsSize(node),
				len(node.Labels))
			if test.flavour == EKSKarpenter && (len(data) < 13_000 || len(data) > 14_200) {
				t.Errorf("the node has %d bytes, want about 13,600", len(data))
			}
			if len(node.Labels) < test.labels {
				t.Errorf("the node has %d labels, want at least %d", len(node.Labels), test.labels)
			}
			if !strings.HasPrefix(node.Spec.ProviderID, test.provider) {
				t.Errorf("provider ID %q, want %q…", node.Spec.ProviderID, test.provider)
			}
			if got := node.Labels[corev1.LabelInstanceTypeStable]; got != test.typ {
				t.Errorf("instance type %q, want %q", got, test.typ)
			}
			if got := node.Labels[corev1.LabelTopologyZone]; got != test.zone {
				t.Errorf("zone %q, want %q", got, test.zone)
			}
			if got := node.Labels[test.spotKey]; got != test.spotValue {
				t.Errorf("label %s is %q, want %q", test.spotKey, got, test.spotValue)
			}
		})
	}
}

func TestManyNodes(t *testing.T) {
	c := Shared(t)
	start := time.Now()
	nodes, err := c.CreateNodes(t.Context(), 100, 8, Ready())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("100 nodes in %s", time.Since(start).Round(time.Millisecond))
	var names []string
	for _, node := range nodes {
		names = append(names, node.Name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	sent, failed := c.Heartbeats(ctx, 0, 8, names...)
	if sent == 0 || failed != 0 {
		t.Errorf("%d heartbeats arrived, %d failed", sent, failed)
	}
	t.Logf("%d heartbeats in a second", sent)
	start = time.Now()
	created, err := c.EmitEvents(t.Context(), 300, 0, 8, nil)
	if err != nil || created != 300 {
		t.Errorf("%d events, want 300: %v", created, err)
	}
	t.Logf("300 events in %s", time.Since(start).Round(time.Millisecond))
	start = time.Now()
	if _, err := c.EmitEvents(t.Context(), 50, 100, 4, nil); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < 450*time.Millisecond {
		t.Errorf("50 events at 100 a second took only %s", took)
	}
	if err := c.DeleteNodes(t.Context(), 8, names...); err != nil {
		t.Error(err)
	}
}

func TestEventForms(t *testing.T) {
	c := Shared(t)
	ctx := t.Context()
	node, err := c.CreateNode(ctx, NewNode(""))
	if err != nil {
		t.Fatal(err)
	}
	defer c.DeleteNode(ctx, node.Name)
	for _, e := range []*eventsv1.Event{
		NodeReadyEvent(node), KubeletNotReadyEvent(node), NodeNotReadyEvent(node), RegisteredNodeEvent(node),
		RemovingNodeEvent(node),
	} {
		old, err := c.EmitEvent(ctx, e)
		if err != nil {
			t.Fatal(err)
		}
		if !old.EventTime.IsZero() || old.DeprecatedCount != 1 || old.Series != nil || old.DeprecatedLastTimestamp.IsZero() {
			t.Errorf("%s: not in the old form: %+v", e.Reason, old)
		}
		again, err := c.RepeatEvent(ctx, old.Namespace, old.Name)
		if err != nil {
			t.Fatal(err)
		}
		if again.DeprecatedCount != 2 || again.UID != old.UID || again.ResourceVersion == old.ResourceVersion {
			t.Errorf("%s repeated: count %d", e.Reason, again.DeprecatedCount)
		}

		e.Name += "new"
		series, err := c.EmitEvent(ctx, InNewForm(e))
		if err != nil {
			t.Fatal(err)
		}
		if series.EventTime.IsZero() || series.DeprecatedCount != 0 || series.Series != nil {
			t.Errorf("%s: not in the new form: %+v", e.Reason, series)
		}
		for want := int32(2); want <= 3; want++ {
			again, err := c.RepeatEvent(ctx, series.Namespace, series.Name)
			if err != nil {
				t.Fatal(err)
			}
			if again.Series == nil || again.Series.Count != want {
				t.Errorf("%s repeated: series %v, want count %d", e.Reason, again.Series, want)
			}
		}
	}
}

func TestRights(t *testing.T) {
	c := Shared(t)
	ctx := t.Context()
	user := c.NewUser(t)
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig(t, user))
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	may := func(want bool, what string, err error) {
		t.Helper()
		switch {
		case want && err != nil:
			t.Errorf("%s may not %s: %v", user, what, err)
		case !want && !apierrors.IsForbidden(err):
			t.Errorf("%s may %s, want Forbidden: %v", user, what, err)
		}
	}
	try := func(nodes, events bool) {
		t.Helper()
		_, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		may(nodes, "list nodes", err)
		_, err = client.EventsV1().Events("").List(ctx, metav1.ListOptions{})
		may(events, "list events", err)
		_, err = client.CoreV1().Secrets("").List(ctx, metav1.ListOptions{})
		may(false, "list secrets", err)
	}
	try(false, false)
	revoke := c.Grant(t, user, ReadNodes()...)
	try(true, false)
	revoke()
	try(false, false)

	manifest := t.TempDir() + "/role.yaml"
	if err := os.WriteFile(manifest, []byte(`# two documents
apiVersion: v1
kind: ServiceAccount
metadata: {name: rollcall}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: rollcall}
rules:
- {apiGroups: [""], resources: [nodes], verbs: [get, list, watch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [get, list, watch]}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.GrantManifest(t, user, manifest)
	try(true, true)
}

func TestCompactionExpiresOldEvents(t *testing.T) {
	c := Start(t, Options{})
	ctx := t.Context()
	first, err := c.EmitEvent(ctx, RegisteredNodeEvent(NewNode("a")))
	if err != nil {
		t.Fatal(err)
	}
	latest, err := c.EmitEvent(ctx, RegisteredNodeEvent(NewNode("b")))
	if err != nil {
		t.Fatal(err)
	}
	watchFrom := func(version string) error {
		return firstWatchError(ctx, c, func(o metav1.ListOptions) (watch.Interface, error) {
			return c.Admin().EventsV1().Events("").Watch(ctx, o)
		}, version)
	}
	if err := watchFrom(first.ResourceVersion); err != nil {
		t.Errorf("before compaction: %v", err)
	}
	revision, err := c.Compact(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := strconv.ParseInt(latest.ResourceVersion, 10, 64); revision < got {
		t.Errorf("compacted at revision %d, before the latest event's %d", revision, got)
	}
	if err := watchFrom(first.ResourceVersion); !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		t.Errorf("after compaction: %v, want Expired", err)
	}
	if _, err := c.Compact(ctx); err != nil {
		t.Errorf("compacting again: %v", err)
	}

	node, err := c.CreateNode(ctx, NewNode(""))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetReady(ctx, node.Name, corev1.ConditionTrue, ""); err != nil {
		t.Fatal(err)
	}
	watchNodes := func() error {
		return firstWatchError(ctx, c, func(o metav1.ListOptions) (watch.Interface, error) {
			return c.Admin().CoreV1().Nodes().Watch(ctx, o)
		}, node.ResourceVersion)
	}
	if err := watchNodes(); err != nil {
		t.Errorf("before forgetting: %v", err)
	}
	start := time.Now()
	if err := c.ForgetHistory(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("history forgotten in %s", time.Since(start).Round(time.Millisecond))
	if err := watchNodes(); !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		t.Errorf("after forgetting: %v, want Expired", err)
	}
}

func TestAPIServerRestartKeepsEverything(t *testing.T) {
	start := time.Now()
	c := Start(t, Options{EventTTL: 10 * time.Minute})
	t.Logf("control plane ready in %s", time.Since(start).Round(time.Millisecond))
	ctx := t.Context()
	node, err := c.CreateNode(ctx, NewNode(""))
	if err != nil {
		t.Fatal(err)
	}
	user := c.NewUser(t)
	c.Grant(t, user, ReadNodes()...)
	client := kubernetes.NewForConfigOrDie(c.Config(user))
	for _, way := range []struct {
		name string
		stop func()
	}{{"stop", c.StopAPIServer}, {"kill", c.KillAPIServer}} {
		name := way.name
		start := time.Now()
		way.stop()
		t.Logf("%s took %s", name, time.Since(start).Round(time.Millisecond))
		if _, err := client.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{}); err == nil {
			t.Fatalf("after %s the API server answers", name)
		}
		start = time.Now()
		if err := c.StartAPIServer(ctx); err != nil {
			t.Fatal(err)
		}
		t.Logf("start took %s", time.Since(start).Round(time.Millisecond))
		got, err := client.CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatalf("after %s and start: %v", name, err)
		}
		if got.UID != node.UID || got.ResourceVersion != node.ResourceVersion {
			t.Errorf("after %s the node is another one: %s at %s, was %s at %s", name, got.UID, got.ResourceVersion, node.UID,
				node.ResourceVersion)
		}
	}
	if err := c.StartAPIServer(ctx); err == nil {
		t.Error("a running API server was started again")
	}
}

func TestEventTTL(t *testing.T) {
	c := Start(t, Options{EventTTL: 2 * time.Second})
	e, err := c.EmitEvent(t.Context(), NodeReadyEvent(NewNode("")))
	if err != nil {
		t.Fatal(err)
	}
	Eventually(t, 15*time.Second, func(ctx context.Context) error {
		_, err := c.Admin().EventsV1().Events(e.Namespace).Get(ctx, e.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("the event is still there: %w", err)
	})
}

func TestProxy(t *testing.T) {
	c := Shared(t)
	p := c.Proxy(t)
	config, err := clientcmd.BuildConfigFromFlags("", c.KubeconfigVia(t, UserAdmin, p.URL()))
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	get := func(ctx context.Context) error {
		_, err := client.CoreV1().Namespaces().Get(ctx, "default", metav1.GetOptions{})
		return err
	}
	within := func(d time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		return get(ctx)
	}
	if err := within(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	if p.Open() != 1 || p.Accepted() != 1 {
		t.Errorf("%d connections open of %d, want 1 of 1", p.Open(), p.Accepted())
	}

	w, err := client.CoreV1().Namespaces().Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.Cut()
	closed := time.After(5 * time.Second)
	for open := true; open; {
		select {
		case _, open = <-w.ResultChan():
		case <-closed:
			t.Fatal("a watch survived Cut")
		}
	}
	Eventually(t, 5*time.Second, get)

	p.Refuse()
	p.Cut()
	Eventually(t, 5*time.Second, func(ctx context.Context) error {
		if err := get(ctx); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("while refusing: %w, want connection refused", err)
		}
		return nil
	})
	if err := p.Accept(); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 5*time.Second, get)

	open := p.Open()
	p.Stall()
	if err := within(300 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while stalled: %v, want a timeout", err)
	}
	if p.Open() < open {
		t.Errorf("a stall closed connections: %d of %d are open", p.Open(), open)
	}
	p.Flow()
	if err := within(5 * time.Second); err != nil {
		t.Errorf("after the stall: %v", err)
	}

	p.Slow(200*time.Millisecond, 0)
	start := time.Now()
	if err := within(10 * time.Second); err != nil {
		t.Errorf("with latency: %v", err)
	}
	if took := time.Since(start); took < 400*time.Millisecond {
		t.Errorf("with 200 ms of latency each way an answer took %s", took)
	}
	p.Slow(0, 2000)
	start = time.Now()
	if err := within(30 * time.Second); err != nil {
		t.Errorf("at 2,000 bytes a second: %v", err)
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("at 2,000 bytes a second an answer took %s", took)
	}
	p.Slow(0, 0)
}

func TestKWOKMakesNodesReady(t *testing.T) {
	c := Start(t, Options{KWOK: &KWOK{}})
	ctx := t.Context()
	fast, err := c.CreateNode(ctx, NewNode("", OnKWOK()))
	if err != nil {
		t.Fatal(err)
	}
	slow, err := c.CreateNode(ctx, NewNode("", ReadyAfter(3*time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := c.CreateNode(ctx, NewNode(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []*corev1.Node{fast, slow} {
		waitReady(t, c, node.Name, corev1.ConditionTrue)
		got, err := c.Admin().CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, since := readiness(got)
		took := since.Sub(node.CreationTimestamp.Time)
		if node == slow && (took < 2*time.Second || took > 6*time.Second) || node == fast && took > 2*time.Second {
			t.Errorf("node %s became ready after %s", node.Name, took)
		}
		if len(got.Status.Images) != 30 || got.Status.Capacity.Cpu().Value() != 16 ||
			got.Status.NodeInfo != node.Status.NodeInfo {
			t.Errorf("KWOK changed what the node is: %d images, %s CPUs, %+v", len(got.Status.Images), got.Status.Capacity.Cpu(),
				got.Status.NodeInfo)
		}
		Eventually(t, 5*time.Second, func(ctx context.Context) error {
			events, err := c.Admin().EventsV1().Events("default").List(ctx,
				metav1.ListOptions{FieldSelector: "reason=NodeReady"})
			if err != nil {
				return err
			}
			for _, e := range events.Items {
				if e.Regarding.Kind == "Node" && e.Regarding.Name == node.Name {
					if want := "Node " + node.Name + " status is now: NodeReady"; e.Note != want {
						t.Errorf("the event says %q, want %q", e.Note, want)
					}
					if e.DeprecatedSource.Component != "kubelet" || e.DeprecatedCount != 1 || !e.EventTime.IsZero() ||
						e.DeprecatedLastTimestamp.IsZero() {
						t.Errorf("the event is not a kubelet's: %+v", e)
					}
					return nil
				}
			}
			return fmt.Errorf("no NodeReady event of %s among %d", node.Name, len(events.Items))
		})
		Eventually(t, 5*time.Second, func(ctx context.Context) error {
			_, err := c.Admin().CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, node.Name, metav1.GetOptions{})
			return err
		})
	}
	got, err := c.Admin().CoreV1().Nodes().Get(ctx, foreign.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := readiness(got); status != corev1.ConditionFalse {
		t.Errorf("KWOK made a node ready that is not its own")
	}
}

// TestSilentNodesBecomeUnknown has all parts play together: a workload is scheduled on KWOK nodes, then their
// heartbeats stop and come back.
func TestSilentNodesBecomeUnknown(t *testing.T) {
	start := time.Now()
	c := Start(t, Options{ControllerManager: &ControllerManager{}, Scheduler: true,
		KWOK: &KWOK{LeaseDuration: 2 * time.Second, HeartbeatEvery: time.Second}})
	t.Logf("all five ready in %s", time.Since(start).Round(time.Millisecond))
	ctx := t.Context()
	node, err := c.CreateNode(ctx, NewNode("", OnKWOK()))
	if err != nil {
		t.Fatal(err)
	}
	waitReady(t, c, node.Name, corev1.ConditionTrue)
	waitEvent(t, c, "RegisteredNode", node.Name)

	labels := map[string]string{"app": "web"}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.DeploymentSpec{
		Replicas: new(int32(3)),
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
		},
	}}
	if _, err := c.Admin().AppsV1().Deployments("default").Create(ctx, deployment, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 30*time.Second, func(ctx context.Context) error {
		got, err := c.Admin().AppsV1().Deployments("default").Get(ctx, "web", metav1.GetOptions{})
		if err == nil && got.Status.ReadyReplicas != 3 {
			err = fmt.Errorf("%d of 3 replicas are ready", got.Status.ReadyReplicas)
		}
		return err
	})
	waitEvent(t, c, "ScalingReplicaSet", "web")
	waitEvent(t, c, "Started", "web-")
	scaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			MinReplicas:    new(int32(5)),
			MaxReplicas:    10,
		}}
	if _, err := c.Admin().AutoscalingV2().HorizontalPodAutoscalers("default").Create(ctx, scaler,
		metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	waitEvent(t, c, "SuccessfulRescale", "web")
	if err := c.Admin().CoreV1().Pods("default").DeleteCollection(ctx, metav1.DeleteOptions{},
		metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	waitEvent(t, c, "Killing", "web-")

	c.StopKWOK()
	start = time.Now()
	waitReady(t, c, node.Name, corev1.ConditionUnknown)
	t.Logf("Unknown after %s of silence", time.Since(start).Round(100*time.Millisecond))
	waitEvent(t, c, "NodeNotReady", node.Name)
	c.StartKWOK(t, KWOK{LeaseDuration: 2 * time.Second, HeartbeatEvery: time.Second})
	waitReady(t, c, node.Name, corev1.ConditionTrue)
	if err := c.DeleteNode(ctx, node.Name); err != nil {
		t.Fatal(err)
	}
	waitEvent(t, c, "RemovingNode", node.Name)
	if err := c.Clear(ctx); err != nil {
		t.Error(err)
	}
}

// TestKilledProcessLeavesNothing kills a test process that runs a control plane, and looks for its children.
func TestKilledProcessLeavesNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux ends children with their parent")
	}
	if os.Getenv("CLUSTER_TEST_CHILD") != "" { // the process to be killed: it says what it runs
		for _, p := range Start(t, Options{}).processes {
			fmt.Println(p.cmd.Process.Pid)
		}
		fmt.Println("done")
		select {}
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "CLUSTER_TEST_CHILD=1", "TMPDIR="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Process.Kill()
	var pids []int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			break // "done", or what went wrong
		}
		pids = append(pids, pid)
	}
	if len(pids) != 2 {
		t.Fatalf("the child runs %d components, want 2", len(pids))
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); err != nil {
			t.Fatalf("process %d: %v", pid, err)
		}
	}
	child.Process.Kill()
	io.Copy(io.Discard, out)
	child.Wait()
	Eventually(t, 5*time.Second, func(context.Context) error {
		for _, pid := range pids {
			// Where nobody reaps orphans a dead process stays as a zombie.
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err == nil && !strings.Contains(string(stat), ") Z ") {
				return fmt.Errorf("process %d lives: %s", pid, stat)
			}
		}
		return nil
	})
}

func readiness(node *corev1.Node) (corev1.ConditionStatus, time.Time) {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status, c.LastTransitionTime.Time
		}
	}
	return "", time.Time{}
}

func waitReady(t *testing.T, c *Cluster, name string, want corev1.ConditionStatus) {
	t.Helper()
	Eventually(t, 40*time.Second, func(ctx context.Context) error {
		node, err := c.Admin().CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if got, _ := readiness(node); got != want {
			return fmt.Errorf("node %s is %s, want %s", name, got, want)
		}
		return nil
	})
}

func waitEvent(t *testing.T, c *Cluster, reason, namePrefix string) {
	t.Helper()
	Eventually(t, 20*time.Second, func(ctx context.Context) error {
		events, err := c.Admin().EventsV1().Events("default").List(ctx, metav1.ListOptions{FieldSelector: "reason=" + reason})
		if err != nil {
			return err
		}
		for _, e := range events.Items {
			if strings.HasPrefix(e.Regarding.Name, namePrefix) {
				return nil
			}
		}
		return fmt.Errorf("no %s event about %s among %d", reason, namePrefix, len(events.Items))
	})
}

// firstWatchError watches from a resource version for long enough to be told that it is too old.
func firstWatchError(ctx context.Context, c *Cluster, open func(metav1.ListOptions) (watch.Interface, error),
	version string) error {
	w, err := open(metav1.ListOptions{ResourceVersion: version})
	if err != nil {
		return err
	}
	defer w.Stop()
	select {
	case e := <-w.ResultChan():
		if e.Type == watch.Error {
			return apierrors.FromObject(e.Object)
		}
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("the watch is silent")
	}
}

func managedFieldsSize(node *corev1.Node) int {
	data, _ := json.Marshal(node.ManagedFields)
	return len(data)
}
