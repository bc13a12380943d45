package k8s

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall/internal/fleet"
	"rollcall/test/cluster"
)

// set changes what the API server has.
func (f *fakeAPI) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func bookmark(version string) corev1.Node {
	return corev1.Node{TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{ResourceVersion: version}}
}

// waitVersion waits until the watch of nodes has recorded a resource version.
func (m *memory) waitVersion(t *testing.T, want string) {
	t.Helper()
	cluster.Eventually(t, 5*time.Second, func(context.Context) error {
		if got := m.snapshot().checkpoint.NodesVersion; got != want {
			return fmt.Errorf("resource version %s, want %s", got, want)
		}
		return nil
	})
}

func readyNode(i int, version string) corev1.Node {
	n := fakeNode(i, version)
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue,
		LastTransitionTime: metav1.NewTime(noon)}}
	return n
}

// TestRestoredCluster holds that an API server whose data went back is found out, both by a watch that
// is to resume and by one that is open and silent, for nodes and for events.
func TestRestoredCluster(t *testing.T) {
	for name, cut := range map[string]bool{"the watch is cut": true, "the watch stays open": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.nodes = []corev1.Node{fakeNode(0, "1"), fakeNode(1, "1")}
			store := newMemory()
			w := start(t, f.config(), store, func(w *Watcher) {
				if !cut {
					w.timing.probe = 50 * time.Millisecond
				}
			})
			w.waitSynced(t)
			f.waitWatch(t, "nodes")
			f.waitWatch(t, "events")
			f.send("nodes", "BOOKMARK", bookmark("150"))
			f.send("events", "ADDED", fakeEvent(1, "150"))
			store.waitVersion(t, "150")
			f.set(func() {
				f.nodes, f.version = []corev1.Node{fakeNode(1, "1"), fakeNode(2, "1")}, 120
				f.events = append(f.events, fakeEvent(2, "119"))
			})
			if cut {
				f.cut("nodes")
				f.cut("events")
			}
			store.waitChanges(t, "n0", "removed#1")
			store.waitChanges(t, "n2", "joined#1")
			cluster.Eventually(t, 5*time.Second, func(context.Context) error {
				s := store.snapshot()
				if len(s.gaps) != 1 || s.gaps[0].Cause != causeRestored || len(s.events) != 2 ||
					s.checkpoint.NodesVersion != "120" || s.checkpoint.EventsVersion != "120" {
					return fmt.Errorf("recorded: %+v", s)
				}
				return nil
			})
		})
	}
}

// TestOvertakenVersion holds that data that went back is found out although the API server has got to the version that
// was seen before the watch is resumed: the write that was seen last is not there.
func TestOvertakenVersion(t *testing.T) {
	for name, test := range map[string]struct {
		seen   string // the frame that the watch sees last
		node   int
		after  []corev1.Node // what is there when the watch resumes
		missed []string      // what is then recorded of n0
	}{
		"nothing went back":      {"MODIFIED", 1, []corev1.Node{fakeNode(0, "1"), readyNode(1, "140")}, nil},
		"and a node is gone":     {"DELETED", 1, []corev1.Node{fakeNode(0, "1")}, nil},
		"a write was taken back": {"MODIFIED", 1, []corev1.Node{fakeNode(1, "1")}, []string{"n0 removed#1"}},
		"a write is another one": {"MODIFIED", 1, []corev1.Node{readyNode(1, "139")}, []string{"n0 removed#1"}},
		"an end was taken back":  {"DELETED", 1, []corev1.Node{fakeNode(1, "1")}, []string{"n0 removed#1"}},
		"the list's newest":      {"", 0, []corev1.Node{fakeNode(1, "1")}, []string{"n0 removed#1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.exact = true
			f.nodes = []corev1.Node{fakeNode(0, "90"), fakeNode(1, "1")}
			store := newMemory()
			w := start(t, f.config(), store)
			w.waitSynced(t)
			f.waitWatch(t, "nodes")
			if test.seen != "" {
				f.send("nodes", test.seen, readyNode(test.node, "140"))
			}
			f.send("nodes", "BOOKMARK", bookmark("150"))
			store.waitVersion(t, "150")
			asked := len(f.requests("watch nodes"))
			f.set(func() { f.nodes, f.version = test.after, 160 })
			f.cut("nodes")
			cluster.Eventually(t, 5*time.Second, func(context.Context) error {
				if len(f.requests("watch nodes")) == asked {
					return fmt.Errorf("asked: %q", f.requests(""))
				}
				return nil
			})
			if got := store.what("n0"); !slices.Equal(got, test.missed) {
				t.Errorf("recorded of n0: %q, want %q", got, test.missed)
			}
			restored := slices.ContainsFunc(store.snapshot().gaps, func(g fleet.Gap) bool { return g.Cause == causeRestored })
			if restored != (test.missed != nil) {
				t.Errorf("gaps: %+v", store.snapshot().gaps)
			}
		})
	}
}

// TestSilentWatch holds that silence that no live API server causes leads to a list.
func TestSilentWatch(t *testing.T) {
	f := newFake(t)
	f.nodes = []corev1.Node{fakeNode(0, "1"), fakeNode(1, "1")}
	store := newMemory()
	w := start(t, f.config(), store, func(w *Watcher) { w.timing.silence = 300 * time.Millisecond })
	w.waitSynced(t)
	f.waitWatch(t, "nodes")
	f.set(func() { f.nodes = f.nodes[:1] })
	store.waitChanges(t, "n1", "removed#1")
	if s := store.snapshot(); len(s.gaps) != 1 || s.gaps[0].Cause != causeSilent {
		t.Errorf("gaps: %+v", s.gaps)
	}
}

// TestUnansweredProbe holds that a watch on a connection that is dead without a word is not shown as fine.
func TestUnansweredProbe(t *testing.T) {
	f := newFake(t)
	f.nodes = []corev1.Node{fakeNode(0, "1")}
	store := newMemory()
	w := start(t, f.config(), store, func(w *Watcher) {
		w.timing.probe, w.timing.answer = 50*time.Millisecond, 50*time.Millisecond
	})
	w.waitSynced(t)
	f.waitWatch(t, "nodes")
	f.waitWatch(t, "events")
	hang := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, kind := range []string{"list nodes", "list events", "watch nodes", "watch events", "list " + kubeSystem} {
		f.next(kind, slices.Repeat([]http.HandlerFunc{hang}, 100)...)
	}
	cluster.Eventually(t, 5*time.Second, func(context.Context) error {
		s := w.Status()
		const want = "does not answer while its watch is silent"
		if !strings.Contains(s.Nodes.Error, want) || !strings.Contains(s.Events.Error, want) {
			return fmt.Errorf("status %+v", s)
		}
		return nil
	})
	f.set(func() { clear(f.trouble) })
	f.CloseClientConnections()
	cluster.Eventually(t, 5*time.Second, func(context.Context) error {
		if s := w.Status(); s.Nodes.Error != "" || s.Events.Error != "" {
			return fmt.Errorf("status %+v", s)
		}
		return nil
	})
}

// TestNodeComesBack holds that a node whose end was recorded and that is there again, with the same
// UID, is told again, and its later end too: found by a list, and seen by the watch.
func TestNodeComesBack(t *testing.T) {
	f := newFake(t)
	f.nodes = []corev1.Node{readyNode(0, "1"), readyNode(1, "1"), readyNode(2, "1")}
	store := newMemory()
	w := start(t, f.config(), store)
	w.waitSynced(t)
	f.waitWatch(t, "nodes")
	f.send("nodes", "DELETED", readyNode(0, "101"))
	f.send("nodes", "DELETED", readyNode(1, "102"))
	store.waitChanges(t, "n0", "removed#1")
	store.waitChanges(t, "n1", "removed#1")
	f.send("nodes", "ADDED", readyNode(1, "103"))
	store.waitChanges(t, "n1", "removed#1", "joined#2", "ready#2")
	w.stop()
	w = start(t, f.config(), store)
	w.waitSynced(t)
	store.waitChanges(t, "n0", "removed#1", "joined#2", "ready#2")
	f.waitWatch(t, "nodes")
	f.send("nodes", "DELETED", readyNode(0, "104"))
	f.send("nodes", "DELETED", readyNode(1, "105"))
	store.waitChanges(t, "n0", "removed#1", "joined#2", "ready#2", "removed#2")
	store.waitChanges(t, "n1", "removed#1", "joined#2", "ready#2", "removed#2")
	for _, c := range store.snapshot().changes {
		if c.Kind == fleet.Joined && c.At.Equal(noon) {
			t.Errorf("%s is told to have joined when it was created, long before it was back", c.NodeName)
		}
	}
}

// TestEmptyListIsReadAgain holds that the end of all nodes is believed when a second list says the same,
// and not before.
func TestEmptyListIsReadAgain(t *testing.T) {
	for name, confirmed := range map[string]bool{"true": true, "untrue": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			nodes := []corev1.Node{fakeNode(0, "1"), fakeNode(1, "1")}
			f.nodes = nodes
			store := newMemory()
			w := start(t, f.config(), store)
			w.waitSynced(t)
			f.waitWatch(t, "nodes")
			f.set(func() { f.nodes = nil })
			f.next("watch nodes", refuse(410, metav1.StatusReasonExpired, "too old"))
			w.timing.confirm = 300 * time.Millisecond
			f.cut("nodes")
			cluster.Eventually(t, 5*time.Second, func(context.Context) error {
				if s := w.Status().Nodes; !strings.Contains(s.Error, "lacks 2 of the 2 known nodes") {
					return fmt.Errorf("status %+v", s)
				}
				return nil
			})
			if got := store.what(""); len(got) > 0 {
				t.Errorf("recorded before the second list: %v", got)
			}
			// A node comes and goes while the second list is waited for.
			f.set(func() {
				for i, reason := range []string{"RegisteredNode", "RemovingNode"} {
					e := fakeEvent(i, "1")
					e.Reason, e.ReportingController = reason, nodeController
					e.Regarding = corev1.ObjectReference{Kind: "Node", Name: "visitor", UID: "0d4a1c3e-7b1c-4f2a-9c55-4f6b8d0f7f10"}
					e.CreationTimestamp = metav1.NewTime(time.Now())
					f.events = append(f.events, e)
				}
			})
			if !confirmed {
				f.set(func() { f.nodes = nodes })
				f.waitWatch(t, "nodes")
				store.waitChanges(t, "visitor", "joined#1", "removed#1")
				if got := store.what(""); len(got) > 2 {
					t.Errorf("recorded: %v", got)
				}
				return
			}
			store.waitChanges(t, "visitor", "joined#1", "removed#1")
			store.waitChanges(t, "n0", "removed#1")
			store.waitChanges(t, "n1", "removed#1")
			if g := store.snapshot().gaps; len(g) != 1 || g[0].Confirmed.IsZero() {
				t.Errorf("gaps: %+v", g)
			}
		})
	}
}

// TestOtherCluster holds that nothing of another cluster is recorded, whenever it comes, and that the right one goes
// on where it was.
func TestOtherCluster(t *testing.T) {
	f := newFake(t)
	f.identity = "right"
	f.nodes = []corev1.Node{fakeNode(0, "1"), fakeNode(1, "1")}
	store := newMemory()
	w := start(t, f.config(), store)
	w.waitSynced(t)
	f.waitWatch(t, "nodes")
	f.waitWatch(t, "events")
	wrong := func() {
		t.Helper()
		cluster.Eventually(t, 5*time.Second, func(context.Context) error {
			s := w.Status()
			if !strings.Contains(s.Nodes.Error, "not the cluster that the ledger knows as "+name) ||
				!strings.Contains(s.Events.Error, "not the cluster") {
				return fmt.Errorf("status %+v", s)
			}
			return nil
		})
		if s := store.snapshot(); len(s.changes)+len(s.events) > 0 || s.checkpoint.Identity != "right" {
			t.Errorf("recorded: %+v", s)
		}
	}
	f.set(func() {
		f.identity, f.nodes, f.version = "wrong", []corev1.Node{fakeNode(7, "1")}, 500
		f.events = []eventsv1.Event{fakeEvent(1, "400")}
	})
	f.cut("nodes")
	f.cut("events")
	wrong()
	w.stop()
	w = start(t, f.config(), store)
	wrong()
	f.set(func() { f.identity = "" }) // an API server that has just begun with an empty data directory
	wrong()
	f.set(func() {
		f.identity, f.nodes, f.version = "right", []corev1.Node{fakeNode(1, "1"), fakeNode(2, "1")}, 150
		f.events = nil
	})
	store.waitChanges(t, "n0", "removed#1")
	store.waitChanges(t, "n2", "joined#1")
	if got := store.what("n7"); len(got) > 0 {
		t.Errorf("recorded of the other cluster: %v", got)
	}
}
