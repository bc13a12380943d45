package k8s

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall/internal/fleet"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) metav1.Time {
	return metav1.NewTime(noon.Add(d).In(time.FixedZone("CET", 3600)))
}

func micro(d time.Duration) metav1.MicroTime { return metav1.NewMicroTime(noon.Add(d)) }

func TestLook(t *testing.T) {
	o := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: "n1", UID: "u1", CreationTimestamp: at(0), ResourceVersion: "7", DeletionTimestamp: new(at(time.Hour)),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "karpenter.sh/v1", Kind: "NodeClaim", Name: "c", UID: "c1"}},
			Labels:          map[string]string{"topology.kubernetes.io/zone": "z", "kubernetes.io/arch": "arm64"},
		},
		Spec: corev1.NodeSpec{
			ProviderID: "gce://p/z/n1", Unschedulable: true,
			Taints: []corev1.Taint{
				{Key: "node.kubernetes.io/unschedulable", Effect: corev1.TaintEffectNoSchedule, TimeAdded: new(at(1))},
			},
		},
		Status: corev1.NodeStatus{
			Capacity: corev1.ResourceList{
				corev1.ResourceCPU: quantity.MustParse("3920m"), corev1.ResourceMemory: quantity.MustParse("16Gi"),
				corev1.ResourcePods: quantity.MustParse("110"),
			},
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: quantity.MustParse("2")},
			NodeInfo:    corev1.NodeSystemInfo{KubeletVersion: "v1.36.3", OperatingSystem: "linux"},
			Conditions: []corev1.NodeCondition{
				{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue, LastTransitionTime: at(9)},
				{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: "KubeletNotReady", Message: "m",
					LastTransitionTime: at(time.Minute), LastHeartbeatTime: at(time.Hour)},
			},
		},
	}
	got := look("prod", o, nil)
	keep(&got)
	want := fleet.Node{
		Cluster: "prod", UID: "u1", Name: "n1", Provider: "gcp", Zone: "z", Arch: "arm64", OS: "linux",
		Labels: o.Labels, Cordoned: true,
		Detail: fleet.Detail{
			ProviderID: "gce://p/z/n1", KubeletVersion: "v1.36.3",
			Taints:   []fleet.Taint{{Key: "node.kubernetes.io/unschedulable", Effect: "NoSchedule"}},
			Capacity: fleet.Resources{MilliCPU: 3920, Memory: 16 << 30, Pods: 110}, Allocatable: fleet.Resources{MilliCPU: 2000},
			Owner: fleet.ObjectRef{Kind: "NodeClaim", Name: "c", UID: "c1"}, DeletedAt: noon.Add(time.Hour),
		},
		Ready: fleet.Condition{Status: fleet.NotReady, Reason: "KubeletNotReady", Message: "m",
			Since: noon.Add(time.Minute)},
		CreatedAt: noon,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	empty := look("prod", &corev1.Node{}, nil)
	if empty.Ready.Status != fleet.ReadyUnknown || !empty.CreatedAt.IsZero() || !empty.Ready.Since.IsZero() {
		t.Errorf("an empty node: %+v", empty)
	}
}

// TestLookOwner holds whom a node belongs to.
func TestLookOwner(t *testing.T) {
	ref := func(apiVersion, kind, name string) metav1.OwnerReference {
		return metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, UID: "c1", BlockOwnerDeletion: new(true)}
	}
	claim := ref("karpenter.sh/v1", "NodeClaim", "general-vgg6g")
	for _, tt := range []struct {
		name        string
		refs        []metav1.OwnerReference
		annotations map[string]string
		want        fleet.ObjectRef
	}{
		{"nobody", nil, map[string]string{"node.alpha.kubernetes.io/ttl": "0"}, fleet.ObjectRef{}},
		{"Karpenter", []metav1.OwnerReference{ref("v1", "Pod", "x"), claim}, nil,
			fleet.ObjectRef{Kind: "NodeClaim", Name: "general-vgg6g", UID: "c1"}},
		{"another's NodeClaim", []metav1.OwnerReference{ref("example.com/v1", "NodeClaim", "x")}, nil, fleet.ObjectRef{}},
		{"OpenShift", nil, map[string]string{"machine.openshift.io/machine": "openshift-machine-api/prod-worker-a-x7kfm"},
			fleet.ObjectRef{Kind: "Machine", Namespace: "openshift-machine-api", Name: "prod-worker-a-x7kfm"}},
		{"Cluster API", nil, map[string]string{"cluster.x-k8s.io/machine": "prod-md-0-7c9f6-x7kfm",
			"cluster.x-k8s.io/cluster-namespace": "clusters", "cluster.x-k8s.io/owner-kind": "MachineSet"},
			fleet.ObjectRef{Kind: "Machine", Namespace: "clusters", Name: "prod-md-0-7c9f6-x7kfm"}},
		{"Cluster API, no namespace", nil, map[string]string{"cluster.x-k8s.io/machine": "m"},
			fleet.ObjectRef{Kind: "Machine", Name: "m"}},
		{"a reference before an annotation", []metav1.OwnerReference{claim}, map[string]string{"cluster.x-k8s.io/machine": "m"},
			fleet.ObjectRef{Kind: "NodeClaim", Name: "general-vgg6g", UID: "c1"}},
		{"no namespace/name", nil, map[string]string{"machine.openshift.io/machine": "x"}, fleet.ObjectRef{}},
		{"no name", nil, map[string]string{"machine.openshift.io/machine": "x/"}, fleet.ObjectRef{}},
		{"no text", nil, map[string]string{"machine.openshift.io/machine": "a\xff/b\u202e"},
			fleet.ObjectRef{Kind: "Machine", Namespace: "a\uFFFD", Name: "b"}},
	} {
		o := &corev1.Node{ObjectMeta: metav1.ObjectMeta{OwnerReferences: tt.refs, Annotations: tt.annotations}}
		if got := look("prod", o, nil).Owner; got != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
		// Most nodes of these clusters have an owner: their heartbeats too allocate nothing.
		if tt.name == "no text" {
			continue
		}
		if allocs := testing.AllocsPerRun(10, func() { look("prod", o, nil) }); allocs != 0 {
			t.Errorf("%s: %v allocations", tt.name, allocs)
		}
	}
}

// TestLookUnwell holds which conditions say that something is wrong with a node.
func TestLookUnwell(t *testing.T) {
	since := at(40 * time.Minute)
	is := func(kind corev1.NodeConditionType, status corev1.ConditionStatus) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, LastTransitionTime: since}
	}
	for _, tt := range []struct {
		name       string
		conditions []corev1.NodeCondition
		want       []string
	}{
		{"none", nil, nil},
		{"the kubelet's own", []corev1.NodeCondition{is("MemoryPressure", "True"), is("DiskPressure", "True"),
			is("PIDPressure", "True"), is("NetworkUnavailable", "True"), is("Ready", "False")}, nil},
		{"EKS, well", []corev1.NodeCondition{is("AcceleratedHardwareReady", "True"), is("ContainerRuntimeReady", "True"),
			is("KernelReady", "True"), is("NetworkingReady", "True"), is("StorageReady", "True")}, nil},
		{"EKS, unwell", []corev1.NodeCondition{is("StorageReady", "False"), is("AcceleratedHardwareReady", "False"),
			is("KernelReady", "True")}, []string{"AcceleratedHardwareReady", "StorageReady"}},
		{"EKS, nobody knows", []corev1.NodeCondition{is("KernelReady", "Unknown")}, nil},
		{"node-problem-detector, well", []corev1.NodeCondition{is("KernelDeadlock", "False"),
			is("ReadonlyFilesystem", "False"), is("FrequentKubeletRestart", "Unknown")}, nil},
		{"node-problem-detector, unwell", []corev1.NodeCondition{is("ReadonlyFilesystem", "True"),
			is("KernelDeadlock", "True"), is("FrequentKubeletRestart", "True")},
			[]string{"FrequentKubeletRestart", "KernelDeadlock", "ReadonlyFilesystem"}},
		{"AKS", []corev1.NodeCondition{is("VMEventScheduled", "True"), is("KubeletProblem", "True")},
			[]string{"KubeletProblem", "VMEventScheduled"}},
		{"twice", []corev1.NodeCondition{is("KernelDeadlock", "True"), is("KernelDeadlock", "True")},
			[]string{"KernelDeadlock"}},
		{"anybody's", []corev1.NodeCondition{is("example.com/Bad", "True")}, nil},
	} {
		n := look("prod", &corev1.Node{Status: corev1.NodeStatus{Conditions: tt.conditions}}, nil)
		var got []string
		for _, p := range n.Problems {
			if got = append(got, p.Type); !p.Since.Equal(since.Time) {
				t.Errorf("%s: %s since %v", tt.name, p.Type, p.Since)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

func TestEvent(t *testing.T) {
	created := metav1.ObjectMeta{UID: "e1", CreationTimestamp: at(10 * time.Second)}
	tests := []struct {
		name        string
		event       eventsv1.Event
		count       int
		first, last time.Duration
		controller  string
	}{
		{"new form", eventsv1.Event{EventTime: micro(1500 * time.Millisecond), ReportingController: "scheduler"},
			1, 1500 * time.Millisecond, 1500 * time.Millisecond, "scheduler"},
		{"new form, repeated",
			eventsv1.Event{EventTime: micro(time.Second),
				Series: &eventsv1.EventSeries{Count: 3, LastObservedTime: micro(time.Minute)}},
			3, time.Second, time.Minute, ""},
		{"old form", eventsv1.Event{DeprecatedFirstTimestamp: at(2 * time.Second),
			DeprecatedLastTimestamp: at(2 * time.Second), DeprecatedCount: 1,
			DeprecatedSource: corev1.EventSource{Component: "kubelet"}}, 1, 2 * time.Second, 2 * time.Second, "kubelet"},
		{"old form, repeated",
			eventsv1.Event{DeprecatedFirstTimestamp: at(2 * time.Second), DeprecatedLastTimestamp: at(time.Hour),
				DeprecatedCount: 7},
			7, 2 * time.Second, time.Hour, ""},
		{"only a last time", eventsv1.Event{DeprecatedLastTimestamp: at(5 * time.Second)}, 1, 5 * time.Second,
			5 * time.Second, ""},
		{"no time at all", eventsv1.Event{}, 1, 10 * time.Second, 10 * time.Second, ""},
		{"last before first", eventsv1.Event{EventTime: micro(9 * time.Second), DeprecatedLastTimestamp: at(0)},
			1, 9 * time.Second, 9 * time.Second, ""},
		{"in the second in which it was created", eventsv1.Event{EventTime: micro(10900 * time.Millisecond)},
			1, 10900 * time.Millisecond, 10900 * time.Millisecond, ""},
		{"written late", eventsv1.Event{EventTime: micro(-9 * time.Minute)}, 1, -9 * time.Minute, -9 * time.Minute, ""},
		{"first in the future", eventsv1.Event{EventTime: micro(time.Hour)}, 1, 10 * time.Second, 10 * time.Second, ""},
		{"first long ago", eventsv1.Event{DeprecatedFirstTimestamp: at(-1000 * time.Hour),
			DeprecatedLastTimestamp: at(20 * time.Second)}, 1, 10 * time.Second, 20 * time.Second, ""},
		{"last in the future", eventsv1.Event{DeprecatedFirstTimestamp: at(2 * time.Second),
			DeprecatedLastTimestamp: at(1000 * time.Hour)}, 1, 2 * time.Second, 2 * time.Hour, ""},
		{"observed in the future", eventsv1.Event{EventTime: micro(2 * time.Second),
			Series: &eventsv1.EventSeries{Count: 2, LastObservedTime: micro(1000 * time.Hour)}},
			2, 2 * time.Second, 2 * time.Hour, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.event.ObjectMeta = created
			e := event("prod", &tt.event, noon.Add(2*time.Hour))
			if e.Count != tt.count || !e.First.Equal(noon.Add(tt.first)) || !e.Last.Equal(noon.Add(tt.last)) ||
				e.Controller != tt.controller {
				t.Errorf("got %+v", e)
			}
			if e.First.Location() != time.UTC || e.Last.Location() != time.UTC {
				t.Errorf("times are not UTC: %s, %s", e.First, e.Last)
			}
		})
	}
}

// Protobuf carries what is neither text nor a time, and an event of the old API may be as large as an object.
func TestConvertUnfit(t *testing.T) {
	long := strings.Repeat("ä", maxNote)
	o := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n\xff", UID: "u\x00", CreationTimestamp: metav1.Unix(1<<60, 0),
		Labels: map[string]string{"k\xff": "v", "ok": "\xc3"}}}
	o.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Reason: "r\xff", Message: long}}
	n := look("prod", o, nil)
	if n.Name != "n\uFFFD" || n.UID != "u " || !n.CreatedAt.IsZero() || n.Ready.Reason != "r\uFFFD" ||
		!maps.Equal(n.Labels, map[string]string{"k\uFFFD": "v", "ok": "\uFFFD"}) {
		t.Errorf("got %+v", n)
	}
	e := event("prod", &eventsv1.Event{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: at(0)}, Note: long,
		EventTime: metav1.NewMicroTime(time.Unix(-1<<60, 0))}, noon)
	if !e.First.Equal(noon) || !e.Last.Equal(noon) {
		t.Errorf("from %s to %s", e.First, e.Last)
	}
	for _, text := range []string{e.Note, n.Ready.Message} {
		if len(text) > maxNote || len(text) < maxNote-4 || !utf8.ValidString(text) || !strings.HasSuffix(text, "ä…") {
			t.Errorf("%d bytes, ending in %q", len(text), text[len(text)-8:])
		}
	}
	// What a list has under such a UID is there, and its end is found.
	w := nodeWatch{cluster: "prod", store: newMemory(), known: map[string]fleet.Known{}}
	w.remember(must(w.compare(t.Context(), o, fleet.Look{At: noon})))
	if w.gone(o, noon) == nil {
		t.Error("the end of a node whose UID is no text is not found")
	}
}

// TestEventNamespace holds that an event regards what is in its own namespace, whatever it says, or what is in none if
// the API server would not have taken it otherwise.
func TestEventNamespace(t *testing.T) {
	for _, tt := range []struct{ in, says, want string }{
		{"shop", "shop", "shop"}, {"shop", "bank", "shop"}, {"default", "", ""}, {"kube-system", "", ""},
		{"default", "default", "default"}, {"shop", "", "shop"}, {"", "shop", "shop"}, {"", "", ""},
	} {
		e := event("prod", &eventsv1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: tt.in},
			Regarding: corev1.ObjectReference{Namespace: tt.says}}, noon)
		if e.Regarding.Namespace != tt.want {
			t.Errorf("in %q, says %q: it regards something in %q, want %q", tt.in, tt.says, e.Regarding.Namespace, tt.want)
		}
	}
}

// frames reads a recorded watch.
func frames[T any](t testing.TB, file string) (types []string, objects []*T) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var frame struct {
			Type   string
			Object *T
		}
		if err := json.Unmarshal(lines.Bytes(), &frame); err != nil {
			t.Fatal(err)
		}
		types, objects = append(types, frame.Type), append(objects, frame.Object)
	}
	return types, objects
}

// TestRecordedNode replays the life of a node that Karpenter made and removed: of eleven frames
// three are steps.
func TestRecordedNode(t *testing.T) {
	types, objects := frames[corev1.Node](t, "testdata/nodes.jsonl")
	n := nodeWatch{cluster: "prod", store: newMemory(), known: map[string]fleet.Known{}}
	seen := noon.Add(time.Hour)
	var got []string
	var last fleet.Node
	for i, o := range objects {
		obs := (*fleet.Observation)(nil)
		if types[i] == "DELETED" {
			obs = n.gone(o, seen)
		} else {
			obs = must(n.compare(t.Context(), o, fleet.Look{At: seen}))
		}
		if obs == nil {
			continue
		}
		n.remember(obs)
		for _, c := range obs.Changes {
			got = append(got, fmt.Sprintf("%d %s %s %s", i, c.Kind, c.At.Format(time.TimeOnly), c.Proof))
		}
		if obs.Node.CapacityType != "spot" || obs.Node.Pool != "default" || obs.Node.Provider != "kwok" {
			t.Errorf("frame %d: %+v", i, obs.Node)
		}
		last = obs.Node
	}
	if by, since, ok := last.Leaving(); by != "Karpenter" || since.IsZero() || !ok || last.Owner.Kind != "NodeClaim" ||
		last.Owner.Name == "" || last.Owner.UID == "" {
		t.Errorf("leaving by %q since %s, %v; it belongs to %+v", by, since, ok, last.Owner)
	}
	want := []string{"0 joined 12:12:21 object", "2 ready 12:12:21 object", "10 removed 13:00:00 watch"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(n.known) != 0 {
		t.Errorf("a removed node is still known: %v", n.known)
	}
}

// TestRecordedLeaving replays the life of a node that the Cluster Autoscaler made, considered for a while, and removed.
func TestRecordedLeaving(t *testing.T) {
	_, objects := frames[corev1.Node](t, "testdata/nodes-autoscaler.jsonl")
	var got []string
	for _, o := range objects {
		n := look("prod", o, nil)
		by, since, ok := n.Leaving()
		state := fmt.Sprintf("%d taints, no", len(n.Taints))
		if ok {
			state = fmt.Sprintf("%d taints, by %s since %s", len(n.Taints), by, since.Format(time.TimeOnly))
		}
		if len(got) == 0 || got[len(got)-1] != state {
			got = append(got, state)
		}
	}
	want := []string{"1 taints, no", "0 taints, no", "1 taints, no", "2 taints, by Cluster Autoscaler since 01:33:40",
		"3 taints, by Cluster Autoscaler since 01:33:40"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRecordedEvents(t *testing.T) {
	_, objects := frames[eventsv1.Event](t, "testdata/events.jsonl")
	counts := map[string][]int{}
	for i, o := range objects {
		e := event("prod", o, noon.Add(time.Hour))
		if e.UID == "" || e.Reason == "" || e.Controller == "" || e.First.IsZero() || e.Last.Before(e.First) || e.Count < 1 {
			t.Errorf("line %d: %+v", i+1, e)
		}
		if strings.HasPrefix(e.Note, "(combined from similar events)") {
			counts[e.UID] = append(counts[e.UID], e.Count)
		}
	}
	for uid, cs := range counts {
		if !slices.IsSorted(cs) || cs[len(cs)-1] < 2 {
			t.Errorf("event %s repeats, but its counts are %v", uid, cs)
		}
	}
	if len(counts) == 0 {
		t.Error("the recording has no repeated event: it tests nothing")
	}
}

// TestHeartbeatAllocatesNothing holds what BenchmarkHeartbeat measures: beyond decoding, a
// heartbeat is free.
func TestHeartbeatAllocatesNothing(t *testing.T) {
	node, _ := heartbeat(t)
	n := nodeWatch{store: newMemory(), known: map[string]fleet.Known{}}
	n.remember(must(n.compare(t.Context(), node, fleet.Look{At: noon})))
	node.ResourceVersion = "123457"
	for i := range node.Status.Conditions {
		node.Status.Conditions[i].LastHeartbeatTime = at(time.Hour)
	}
	allocs := testing.AllocsPerRun(100, func() {
		if must(n.compare(t.Context(), node, fleet.Look{At: noon})) != nil {
			t.Fatal("a heartbeat is a change")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per heartbeat, want none", allocs)
	}
}

// dirty is text of every kind that must not come in, and what is left of it.
const dirty, cleaned = "a\u202eb\u200bc\u2028d\u009be", "abc de"

// soil sets every string that v holds to dirty.
func soil(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(dirty)
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		soil(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			soil(v.Index(0))
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.String {
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf(dirty).Convert(v.Type().Key()), reflect.ValueOf(dirty).Convert(v.Type().Elem()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type() != reflect.TypeFor[metav1.ObjectMeta]() ||
				v.Type().Field(i).Name == "Labels" || v.Type().Field(i).Name == "Name" {
				soil(v.Field(i))
			}
		}
	}
}

// texts collects every string that v holds.
func texts(v reflect.Value) (ss []string) {
	switch v.Kind() {
	case reflect.String:
		ss = append(ss, v.String())
	case reflect.Slice:
		for i := range v.Len() {
			ss = append(ss, texts(v.Index(i))...)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			ss = append(append(ss, texts(k)...), texts(v.MapIndex(k))...)
		}
	case reflect.Struct:
		if v.Type() != reflect.TypeFor[time.Time]() {
			for _, field := range v.Fields() {
				ss = append(ss, texts(field)...)
			}
		}
	}
	return ss
}

// TestTextIsCleaned holds that no text comes in as it is, whatever field of an object it is in.
func TestTextIsCleaned(t *testing.T) {
	var node corev1.Node
	soil(reflect.ValueOf(&node).Elem())
	node.Status.Conditions[0].Type = corev1.NodeReady
	var e, old eventsv1.Event
	soil(reflect.ValueOf(&e).Elem())
	soil(reflect.ValueOf(&old).Elem())
	old.ReportingController = ""
	n := look("prod", &node, nil)
	keep(&n)
	for name, v := range map[string]any{"node": n, "event": event("prod", &e, noon),
		"old event": event("prod", &old, noon)} {
		count := 0
		for _, s := range texts(reflect.ValueOf(v)) {
			if s != fleet.CleanText(s) {
				t.Errorf("%s: %q came in", name, s)
			}
			if s == cleaned {
				count++
			}
		}
		if count < 8 {
			t.Errorf("%s: only %d texts are left of those that were dirty: %+v", name, count, v)
		}
	}
	if n.Labels[cleaned] != cleaned || n.Taints[0].Value != cleaned || n.Ready.Message != cleaned {
		t.Errorf("node: %+v", n)
	}
}
