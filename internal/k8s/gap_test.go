package k8s

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall/internal/fleet"
)

func min0(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }

// visitor is the UID of a node that nobody has seen.
const visitor = "0d4a1c3e-7b1c-4f2a-9c55-4f6b8d0f7f10"

// said is an event of a node at a minute, by whom it is to be expected.
func said(reason, uid, name string, minute int) fleet.Event {
	by := nodeController
	switch {
	case uid == name:
		by = kubelet
	case strings.HasPrefix(reason, "Disruption"):
		by = "karpenter"
	}
	return from(by, reason, uid, name, minute)
}

// from is an event of a node at a minute.
func from(controller, reason, uid, name string, minute int) fleet.Event {
	return fleet.Event{UID: reason + uid + name, Regarding: fleet.ObjectRef{Kind: "Node", UID: uid, Name: name},
		Reason: reason, Controller: controller, Count: 1, First: min0(minute), Last: min0(minute)}
}

// gapSteps shows changes in minutes after noon.
func gapSteps(cs []fleet.Change) []string {
	var out []string
	for _, c := range cs {
		s := fmt.Sprintf("%s %g %s", c.Kind, c.At.Sub(noon).Minutes(), c.Proof)
		if !c.NotBefore.IsZero() {
			s += fmt.Sprintf(" from %g", c.NotBefore.Sub(noon).Minutes())
		}
		out = append(out, s)
	}
	return out
}

// TestProve holds what a comparison after a gap from minute 10 to 30 claims.
func TestProve(t *testing.T) {
	node := func(created, since int, status fleet.ReadyStatus) fleet.Node {
		return fleet.Node{Cluster: "prod", UID: "u", Name: "n", CreatedAt: min0(created),
			Ready: fleet.Condition{Status: status, Since: min0(since)}}
	}
	known := func(n fleet.Node) fleet.Known { return fleet.First(n, min0(5)).Known }
	diff := func(old, now fleet.Node) fleet.Observation {
		o, ok := fleet.Diff(known(old), now, fleet.Look{At: min0(30), Missed: true})
		if !ok {
			t.Fatal("no difference")
		}
		return o
	}
	cordoned := node(0, 1, fleet.Ready)
	cordoned.Cordoned = true
	tests := []struct {
		name   string
		obs    fleet.Observation
		events []fleet.Event
		want   []string
	}{
		{"removed, no event", fleet.Gone(node(0, 1, fleet.Ready), fleet.Known{}, min0(30)), nil,
			[]string{"removed 30 none from 10"}},
		{"removed, event", fleet.Gone(node(0, 1, fleet.Ready), fleet.Known{}, min0(30)),
			[]fleet.Event{said("RemovingNode", "u", "n", 17)}, []string{"removed 17 event"}},
		{"deleted by the cloud", fleet.Gone(node(0, 1, fleet.Ready), fleet.Known{}, min0(30)),
			[]fleet.Event{said("DeletingNode", "u", "n", 16), said("RemovingNode", "u", "n", 17)}, []string{"removed 16 event"}},
		{"another node's event of the same name", fleet.Gone(node(0, 1, fleet.Ready), fleet.Known{}, min0(30)),
			[]fleet.Event{said("RemovingNode", "other", "n", 17)}, []string{"removed 30 none from 10"}},
		{"a kubelet's word does not prove a removal", fleet.Gone(node(0, 1, fleet.Ready), fleet.Known{}, min0(30)),
			[]fleet.Event{said("RemovingNode", "n", "n", 17)}, []string{"removed 30 none from 10"}},
		{"removed, says somebody", fleet.Gone(node(0, 1, fleet.Ready), fleet.Known{}, min0(30)),
			[]fleet.Event{from("evil", "RemovingNode", "u", "n", 17)}, []string{"removed 30 none from 10"}},
		{"removed, says an event in a namespace", fleet.Gone(node(0, 1, fleet.Ready), fleet.Known{}, min0(30)),
			[]fleet.Event{inNamespace("shop", said("RemovingNode", "u", "n", 17))}, []string{"removed 30 none from 10"}},
		{"a disruption is not yet a removal", fleet.Gone(node(0, 1, fleet.Ready), fleet.Known{}, min0(30)),
			[]fleet.Event{said("DisruptionTerminating", "u", "n", 17)}, []string{"removed 30 none from 10"}},
		{"created in the gap", fleet.First(node(12, 13, fleet.Ready), min0(30)), nil,
			[]string{"joined 12 object", "ready 13 object"}},
		{"went down in the gap", diff(node(0, 1, fleet.Ready), node(0, 20, fleet.ReadyUnknown)), nil,
			[]string{"not_ready 20 object"}},
		{"flapped, no event", diff(node(0, 1, fleet.Ready), node(0, 20, fleet.Ready)), nil,
			[]string{"not_ready 20 none from 10", "recovered 20 object"}},
		{"flapped, events", diff(node(0, 1, fleet.Ready), node(0, 20, fleet.Ready)),
			[]fleet.Event{said("NodeNotReady", "u", "n", 15), said("NodeNotReady", "n", "n", 14),
				said("NodeNotReady", "u", "n", 25), said("NodeNotReady", "u", "n", 9)},
			[]string{"not_ready 15 event", "recovered 20 object"}},
		{"cordoned, no event", diff(node(0, 1, fleet.Ready), cordoned), nil, []string{"cordoned 30 none from 10"}},
		{"cordoned, the kubelet's event", diff(node(0, 1, fleet.Ready), cordoned),
			[]fleet.Event{said("NodeNotSchedulable", "n", "n", 11)}, []string{"cordoned 11 event"}},
		{"uncordoned, the kubelet's event", diff(cordoned, node(0, 1, fleet.Ready)),
			[]fleet.Event{said("NodeSchedulable", "n", "n", 12)}, []string{"uncordoned 12 event"}},
	}
	gap := fleet.Gap{From: min0(10), Until: min0(30)}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ps := newProofs()
			for _, e := range tt.events {
				ps.add(e)
			}
			if len(tt.events) == 0 {
				ps = nil // as without the permission to read events
			}
			obs := []fleet.Observation{tt.obs}
			ps.prove(obs, gap)
			if got := gapSteps(obs[0].Changes); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}

	t.Run("the next bearer of the name bounds the removal", func(t *testing.T) {
		heir := node(22, 23, fleet.Ready)
		heir.UID = "v"
		obs := []fleet.Observation{fleet.First(heir, min0(30)), fleet.Gone(node(0, 1, fleet.Ready), fleet.Known{}, min0(30))}
		(*proofs)(nil).prove(obs, gap)
		if got, want := gapSteps(obs[1].Changes), []string{"removed 22 none from 10"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestStrangers(t *testing.T) {
	gap := fleet.Gap{From: min0(10), Until: min0(30)}
	tests := []struct {
		name     string
		baseline int
		events   []fleet.Event
		want     []string // nil: no stranger
	}{
		{"whole life", 0, []fleet.Event{said("RemovingNode", visitor, "n", 20), said("RegisteredNode", visitor, "n", 12),
			said("NodeReady", "n", "n", 13)},
			[]string{"joined 12 event", "ready 13 event", "removed 20 event"}},
		{"removal not told", 0,
			[]fleet.Event{said("RegisteredNode", visitor, "n", 12), said("DisruptionTerminating", visitor, "n", 18)},
			[]string{"joined 12 event", "removed 30 none from 18"}},
		{"only a kubelet's events", 0, []fleet.Event{said("NodeReady", "n", "n", 13)}, nil},
		{"was there before the gap", 0,
			[]fleet.Event{said("RegisteredNode", visitor, "n", 9), said("RemovingNode", visitor, "n", 12)}, nil},
		{"readiness of another life of the name", 0,
			[]fleet.Event{said("RegisteredNode", visitor, "n", 12), said("RemovingNode", visitor, "n", 14),
				said("NodeReady", "n", "n", 16)},
			[]string{"joined 12 event", "removed 14 event"}},
		{"by a kubelet, of another node", 0, []fleet.Event{from(kubelet, "RegisteredNode", visitor, "n", 12)}, nil},
		{"by somebody", 0, []fleet.Event{from("evil", "RegisteredNode", visitor, "n", 12),
			from("evil", "RemovingNode", visitor, "n", 14)}, nil},
		{"by nobody", 0, []fleet.Event{from("", "RegisteredNode", visitor, "n", 12)}, nil},
		{"by Karpenter alone", 0, []fleet.Event{said("DisruptionTerminating", visitor, "n", 12)}, nil},
		{"by the cloud's controller", 0, []fleet.Event{from(cloudController, "DeletingNode", visitor, "n", 12)},
			[]string{"joined 12 event", "removed 12 event"}},
		{"in a namespace", 0, []fleet.Event{inNamespace("shop", said("RegisteredNode", visitor, "n", 12))}, nil},
		{"no UID of an API server's", 0, []fleet.Event{said("RegisteredNode", "u", "n", 12)}, nil},
		{"readiness by somebody", 0, []fleet.Event{said("RegisteredNode", visitor, "n", 12),
			from("evil", "NodeReady", visitor, "n", 13), said("RemovingNode", visitor, "n", 14)},
			[]string{"joined 12 event", "removed 14 event"}},
		{"went before the first list, told after it", 10, []fleet.Event{said("RemovingNode", visitor, "n", 10)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ps := newProofs()
			for _, e := range tt.events {
				ps.add(e)
			}
			var got []string
			strangers, _ := ps.strangers(gap, min0(tt.baseline), func(string) bool { return false })
			for _, p := range strangers {
				o := ps.visit("prod", p, gap)
				got = append(got, gapSteps(o.Changes)...)
				if o.Node.UID != visitor || o.Node.Name != "n" || o.Node.Cluster != "prod" {
					t.Errorf("node: %+v", o.Node)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func inNamespace(ns string, e fleet.Event) fleet.Event {
	e.Regarding.Namespace = ns
	return e
}

// TestStrangersAreBounded holds that events make no more nodes than are told at once, and that nodes which live do not
// count.
func TestStrangersAreBounded(t *testing.T) {
	ps := newProofs()
	uid := func(i int) string { return fmt.Sprintf("%08x-7b1c-4f2a-9c55-4f6b8d0f7f10", i) }
	for i := range 2*maxVisitors + 7 {
		ps.add(said("RegisteredNode", uid(i), fmt.Sprint("n", i), 12))
	}
	lives := map[string]bool{}
	for i := range maxVisitors {
		lives[uid(i)] = true
	}
	gap := fleet.Gap{From: min0(10), Until: min0(30)}
	got, more := ps.strangers(gap, min0(0), func(uid string) bool { return lives[uid] })
	if len(got) != maxVisitors || more != 7 || got[0].uid != uid(maxVisitors) {
		t.Errorf("%d strangers and %d more", len(got), more)
	}
}

// TestProofsAreBounded holds that no number of events takes more memory than that of a large cluster's.
func TestProofsAreBounded(t *testing.T) {
	ps := newProofs()
	for i := range maxProofs + 10 {
		ps.add(said("NodeReady", visitor, "n", i))
		ps.add(said("RegisteredNode", fmt.Sprint("u", i), "n", 12))
	}
	if n, m := len(ps.byUID), len(ps.byUID[visitor].ready); n != maxProofs || m != maxTimes {
		t.Errorf("%d nodes, %d times of one", n, m)
	}
}

func TestCoverage(t *testing.T) {
	long := fleet.Gap{From: noon.Add(-5 * time.Hour), Until: noon}
	ps := newProofs()
	if got := ps.coverage(long); !got.Equal(noon.Add(-time.Hour)) {
		t.Errorf("no events: covered from %s", got)
	}
	ps.add(said("RegisteredNode", "u", "n", -30))
	if got := ps.coverage(long); !got.Equal(noon.Add(-time.Hour)) {
		t.Errorf("one young event: covered from %s", got)
	}
	ps.add(said("RegisteredNode", "u", "n", -180))
	if got := ps.coverage(long); !got.Equal(noon.Add(-3 * time.Hour)) {
		t.Errorf("events that live longer: covered from %s", got)
	}
	short := fleet.Gap{From: noon.Add(-time.Minute), Until: noon}
	if got := ps.coverage(short); !got.Equal(short.From) {
		t.Errorf("short gap: covered from %s", got)
	}
	if got := (*proofs)(nil).coverage(long); !got.IsZero() {
		t.Errorf("no permission: covered from %s", got)
	}
}

// TestHeartbeatsMoveTransitionTime holds that a node whose agent sets the time of the last transition with each
// heartbeat is told to be neither not ready nor recovered, costs one write, is told when it really goes, and is known
// for what it is after a restart.
func TestHeartbeatsMoveTransitionTime(t *testing.T) {
	f := newFake(t)
	beat := func(i int, status corev1.ConditionStatus) corev1.Node {
		n := fakeNode(0, strconv.Itoa(101+i))
		at := metav1.NewTime(noon.Add(time.Duration(i) * 10 * time.Second))
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, Reason: "EdgeReady",
			LastHeartbeatTime: at, LastTransitionTime: at}}
		return n
	}
	f.nodes = []corev1.Node{beat(0, corev1.ConditionTrue)}
	store := newMemory()
	w := start(t, f.config(), store)
	w.waitSynced(t)
	f.waitWatch(t, "nodes")
	for i := range 50 {
		f.send("nodes", "MODIFIED", beat(i, corev1.ConditionTrue))
	}
	f.send("nodes", "MODIFIED", beat(50, corev1.ConditionFalse))
	f.send("nodes", "MODIFIED", beat(51, corev1.ConditionFalse))
	f.send("nodes", "MODIFIED", beat(52, corev1.ConditionTrue))
	want := []string{"not_ready#1", "recovered#1"}
	store.waitChanges(t, "n0", slices.Clone(want)...)
	if s := store.snapshot(); s.nodeWrites > 3 {
		t.Errorf("%d writes", s.nodeWrites)
	}
	w.stop()
	f.mu.Lock()
	f.nodes, f.version = []corev1.Node{beat(60, corev1.ConditionTrue), fakeNode(1, "170")}, 170
	f.mu.Unlock()
	start(t, f.config(), store).waitSynced(t)
	store.waitChanges(t, "n1", "joined#1")
	store.waitChanges(t, "n0", slices.Clone(want)...)
}
